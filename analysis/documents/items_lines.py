"""Items that show lines of the evaluation: figures against limits, penalties, late events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from analysis.catalogue_rows import Parameter, ReportItem, Service
from analysis.documents import words
from analysis.documents.charts_of import charts_for
from analysis.documents.content import (
    Cell,
    Column,
    Message,
    Money,
    Number,
    Said,
    Table,
    Text,
    msg,
)
from analysis.documents.material import Material, parameter_name
from analysis.documents.parts import Parts, absent, no_rows, trimmed
from analysis.lines import Line, Status
from inventory.models import pas_of
from inventory.services import Profile

_SHARES = frozenset({"share-within", "delivery-share", "restoration-share"})
"""Rules whose figure must be at least a share, beside `Parameter.is_floor`."""

_COLUMNS = (
    Column("number", msg("line"), numeric=True),
    words.PAS,
    words.PEER,
    words.PARAMETER,
    words.LEVEL,
    words.SEVERITY_COLUMN,
    Column("event", msg("event")),
    Column("measured", msg("measured"), numeric=True),
    Column("limit", msg("limit"), numeric=True),
    Column("status", msg("verdict")),
    Column("deviation", msg("beyond the limit"), numeric=True),
    Column("coverage", msg("coverage"), numeric=True),
    Column("source", msg("measured by")),
    Column("notes", msg("notes")),
)


def lines_item(material: Material, service: Service, item: ReportItem) -> Parts:
    """`lines:<parameter>,...`: the figures, and pictures where a reader would rather look."""
    found = material.lines(service.id, item.about)
    charts, tables, notes = charts_for(material, service, item)
    counted = [line for line in found if line.status is not Status.NO_DATA]
    if counted:
        return Parts((lines_table(material, found), *tables), charts, notes)
    rules = {parameter.rule for parameter in service.parameters if parameter.id in item.about}
    if rules <= {"restoration", "restoration-share"}:
        return no_rows("tickets.csv", material.inputs.facts.tickets)
    note = msg("No figure: nothing was counted or recorded for this parameter.")
    shown = (lines_table(material, found), *tables) if found else tables
    return Parts(shown, charts, (note, *notes), missing=True)


def lines_table(material: Material, lines: Sequence[Line]) -> Table:
    """One row a line."""
    several = len({line.parameter for line in lines}) > 1
    rows = []
    for line in lines:
        parameter = material.parameter(line)
        rows.append(
            (
                line.number,
                line.pas or words.ALL_PAS,
                line.peer,
                parameter_name(parameter, line.parameter) if several else None,
                line.level,
                words.SEVERITY.get(line.severity),
                line.event,
                measured(parameter, line),
                limit_cell(material, parameter, line),
                words.STATUS[line.status],
                None if not line.deviation else Number(line.deviation, line.unit, "up"),
                None if line.coverage is None else Number(line.coverage, "percent", "down"),
                words.SOURCE[line.source],
                tuple(Said(note) for note in line.notes) or None,
            )
        )
    table = Table("lines", msg("One row per line of the evaluation."), _COLUMNS, tuple(rows))
    return trimmed(table, frozenset({"pas", "measured", "limit", "status"}))


def measured(parameter: Parameter | None, line: Line) -> Number | None:
    """The measured value, rounded to the unfavourable side."""
    if line.measured is None:
        return None
    floor = parameter is not None and (parameter.is_floor or parameter.rule in _SHARES)
    return Number(line.measured, line.unit, "down" if floor else "up")


def limit_cell(material: Material, parameter: Parameter | None, line: Line) -> Cell:
    """The limit; with the time that a share of the cases has to keep."""
    if line.limit is None:
        return None
    limit = Number(Fraction(line.limit), line.unit)
    if parameter is None or parameter.rule not in ("share-within", "delivery-share"):
        return limit
    row = parameter.limit_for(
        profile=_profile(material, line.pas), peer_profile=_profile(material, line.peer)
    )
    if row is None or row.unit == "percent":
        return limit
    return msg("{share} within {time}", share=limit, time=Number(Fraction(row.value), row.unit))


def _profile(material: Material, pas: str) -> Profile | None:
    if not pas:
        return None
    try:
        return pas_of(material.inputs.configuration, pas).profile
    except KeyError:
        return None


_PENALTY_COLUMNS = (
    Column("number", msg("line"), numeric=True),
    words.PAS,
    words.PEER,
    words.PARAMETER,
    words.LEVEL,
    words.SEVERITY_COLUMN,
    Column("event", msg("event")),
    Column("measured", msg("measured"), numeric=True),
    Column("limit", msg("limit"), numeric=True),
    Column("deviation", msg("beyond the limit"), numeric=True),
    Column("formula", msg("calculation")),
    Column("basis", msg("base amount")),
    Column("clause", msg("clause")),
    words.EURO,
)


def penalties_item(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`penalties`: the analytical calculation of every euro of the service."""
    found = [line for line in material.result.lines if line.service == service.id]
    if not found:
        return absent(msg("No line was evaluated for this service."))
    charged = [line for line in found if line.penalty_eur]
    if not charged:
        return Parts(notes=(msg("No penalty is due for this service."),))
    return Parts((penalties_table(material, charged),))


def penalties_table(material: Material, lines: Sequence[Line]) -> Table:
    """One row a line that costs something, with its total."""
    rows = []
    for line in lines:
        parameter = material.parameter(line)
        rows.append(
            (
                line.number,
                line.pas or words.ALL_PAS,
                line.peer,
                parameter_name(parameter, line.parameter),
                line.level,
                words.SEVERITY.get(line.severity),
                line.event,
                measured(parameter, line),
                limit_cell(material, parameter, line),
                None if line.deviation is None else Number(line.deviation, line.unit, "up"),
                Said(line.formula),
                words.BASIS.get(line.basis, line.basis),
                place_of(line.clause),
                Money(line.penalty_eur),
            )
        )
    total: list[Cell] = [None] * len(_PENALTY_COLUMNS)
    total[_PENALTY_COLUMNS.index(words.PARAMETER)] = msg("total")
    total[-1] = Money(sum((line.penalty_eur for line in lines), start=lines[0].penalty_eur * 0))
    table = Table(
        "penalties",
        msg("Each penalty: steps, rate, base and amount, to the cent, half up."),
        _PENALTY_COLUMNS,
        tuple(rows),
        tuple(total),
    )
    return trimmed(table, frozenset({"number", "pas", "parameter", "penalty_eur"}))


def place_of(clause: str) -> Text:
    """A place in the annex, as `3.1.2, line 148`."""
    section, comma, rest = clause.partition(", ")
    word, _, numbers = rest.partition(" ")
    if comma and word in ("line", "lines"):
        template = "{clause}, line {lines}" if word == "line" else "{clause}, lines {lines}"
        return Message(template, {"clause": section, "lines": numbers})
    return clause


PLACES = (msg("{clause}, line {lines}"), msg("{clause}, lines {lines}"))
"""Named here so that the translations have them."""


def late_restorations(material: Material, service: Service, item: ReportItem) -> Parts:
    """`late-restorations`: how many outages were restored too late, by severity and level."""
    parameters = item.about or tuple(
        parameter.id
        for parameter in service.parameters
        if parameter.rule in ("restoration", "restoration-share")
    )
    found = material.lines(service.id, parameters)
    tickets = material.inputs.facts.tickets
    if not found:
        return no_rows("tickets.csv", tickets)
    counted = Counter(
        (line.level, line.severity, line.status is Status.NOT_MET) for line in found if line.event
    )
    levels = service.levels or ("",)
    rows = tuple(
        (
            level or words.ALL_PAS,
            words.SEVERITY[severity],
            counted[level, severity, True] + counted[level, severity, False],
            counted[level, severity, True],
        )
        for level in levels
        for severity in words.SEVERITY
    )
    table = Table(
        "late",
        msg("Outages closed in the period, and how many of them beyond the limit."),
        (
            words.LEVEL,
            words.SEVERITY_COLUMN,
            Column("closed", msg("closed"), numeric=True),
            Column("late", msg("beyond the limit"), numeric=True),
        ),
        rows,
    )
    late = [line for line in found if line.event and line.status is Status.NOT_MET]
    return Parts((table, *_late_lines(material, late)))


def late_requests(material: Material, service: Service, item: ReportItem) -> Parts:
    """`late-requests:<parameter>`: how many requests were beyond their limit, and which."""
    found = [line for line in material.lines(service.id, item.about) if line.event]
    if item.operations:
        asked = {
            request.id
            for request in material.inputs.facts.requests
            if request.kind in item.about and request.operation in item.operations
        }
        found = [line for line in found if line.event in asked]
    if not found:
        return no_rows("requests.csv", material.inputs.facts.requests)
    late = [line for line in found if line.status is Status.NOT_MET]
    return Parts(_late_lines(material, late), notes=(_of(len(late), len(found)),))


def restored_in_time(material: Material, service: Service, item: ReportItem) -> Parts:
    """`restored-in-time:<parameter>`: share of the outages closed within their limit (line 345)."""
    found = [line for line in material.lines(service.id, item.about) if line.event]
    if not found:
        return no_rows("tickets.csv", material.inputs.facts.tickets)
    late = [line for line in found if line.status is Status.NOT_MET]
    share = Number(Fraction(100 * (len(found) - len(late)), len(found)), "percent", "down")
    note = msg("Restored within the limit: {share} of {all} outages.", share=share, all=len(found))
    return Parts(_late_lines(material, late), notes=(note,))


def late_responses(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`late-responses`: outages that were answered later than the limit."""
    parameter = next(p.id for p in service.parameters if p.rule == "response-events")
    found = [line for line in material.lines(service.id, (parameter,)) if line.event]
    if not found:
        return no_rows("tickets.csv", material.inputs.facts.tickets)
    late = [line for line in found if line.status is Status.NOT_MET]
    return Parts(_late_lines(material, late), notes=(_of(len(late), len(found)),))


def _of(late: int, all_of_them: int) -> Text:
    return msg("Beyond the limit: {late} of {all}.", late=late, all=all_of_them)


def _late_lines(material: Material, late: Iterable[Line]) -> tuple[Table, ...]:
    found = tuple(late)
    return (lines_table(material, found),) if found else ()
