"""Items about outages (disservizi): the list with its times, late restorations, statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from analysis.catalogue_rows import ReportItem, Service
from analysis.documents import words
from analysis.documents.content import (
    Cell,
    Chart,
    Column,
    Moment,
    Number,
    Span,
    Spans,
    Table,
    Text,
    msg,
)
from analysis.documents.items_lines import lines_table
from analysis.documents.material import Material
from analysis.documents.parts import Parts, no_rows, trimmed
from analysis.facts import Ticket
from analysis.lines import Status
from inventory.clocks import open_ns

_HOUR_NS = 3_600_000_000_000
_RESTORATIONS = ("restoration", "restoration-share")

_COLUMNS = (
    Column("ticket", msg("ticket")),
    words.PAS,
    words.LEVEL,
    words.SEVERITY_COLUMN,
    Column("opened", msg("fault opened")),
    Column("reported", msg("reported")),
    Column("responded", msg("return notice")),
    Column("expected", msg("restoration expected")),
    Column("restored", msg("service restored")),
    Column("closed", msg("closed")),
    Column("hours", msg("duration"), numeric=True),
    Column("window_hours", msg("in the delivery window"), numeric=True),
    Column("affected", msg("PAS hit"), numeric=True),
    Column("cause", msg("cause")),
    Column("severities", msg("views on the severity")),
    Column("comment", msg("comment")),
    Column("record", msg("record")),
)
"""What [R-2-5] and the lists of the sections ask of an outage, and what made it."""
_ALWAYS = frozenset({"ticket", "opened", "responded", "restored", "severity"})


def tickets_item(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`tickets` and `outages`: every outage of the period with its times."""
    found = material.tickets(service.id)
    if not found:
        return no_rows("tickets.csv", material.inputs.facts.tickets)
    return Parts((tickets_table(material, service.id, found),))


def tickets_table(material: Material, service: str, tickets: Sequence[Ticket]) -> Table:
    """One row an outage, by site and severity; times in local time of the site."""
    ordered = sorted(tickets, key=lambda t: (t.pas, t.severity, t.opened_ns, t.id))
    table = Table(
        "outages",
        msg("Outages by site and severity. Times are local to the PAS."),
        _COLUMNS,
        tuple(_row(material, service, ticket) for ticket in ordered),
    )
    return trimmed(table, _ALWAYS)


def _row(material: Material, service: str, ticket: Ticket) -> tuple[Cell, ...]:
    zone = material.zone_of(ticket.pas[0] if ticket.pas else "")
    end = ticket.restored_ns or material.until_ns
    hours = Fraction(max(0, end - ticket.opened_ns), _HOUR_NS)
    window = _window_hours(material, service, ticket, end)

    def at(ns: int | None) -> Moment | None:
        return None if ns is None else Moment(ns, zone)

    return (
        ticket.id,
        ticket.pas or words.ALL_PAS,
        levels_of(material, service, ticket) or None,
        words.SEVERITY[ticket.severity],
        at(ticket.opened_ns),
        at(ticket.reported_ns),
        at(ticket.responded_ns),
        at(ticket.expected_ns),
        at(ticket.restored_ns),
        at(ticket.closed_ns),
        Number(hours, "hours") if ticket.restored_ns else msg("open"),
        None if window is None or window == hours else Number(window, "hours"),
        ticket.affected,
        ticket.cause,
        _views(ticket),
        ticket.comment,
        str(ticket.where),
    )


def _window_hours(material: Material, service: str, ticket: Ticket, end: int) -> Fraction | None:
    pas = ticket.pas[0] if ticket.pas else ""
    window = material.window(service, pas)
    if window is None:
        return None
    return Fraction(open_ns(ticket.opened_ns, end, window, material.zone_of(pas)), _HOUR_NS)


def _views(ticket: Ticket) -> Text | None:
    """Both parties' severity where they differ (reading C8)."""
    provider, administration = ticket.severity_provider, ticket.severity_administration
    if provider is None or administration is None or provider == administration:
        return None
    return msg(
        "provider: {provider}; administration: {administration}",
        provider=words.SEVERITY[provider],
        administration=words.SEVERITY[administration],
    )


def levels_of(material: Material, service: str, ticket: Ticket) -> tuple[str, ...]:
    """The levels of the PAS that a ticket hit."""
    hit = {
        entry.level
        for pas, entry in material.entries.get(service, ())
        if entry.level is not None and (pas in ticket.pas or not ticket.pas)
    }
    return tuple(sorted(hit))


def late_outages(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`outages-late`: each outage restored later than its limit ([R-2-5])."""
    parameters = [p.id for p in service.parameters if p.rule in _RESTORATIONS]
    if not parameters:
        return Parts(notes=(msg("The annex sets no restoration time for this service."),))
    lines = [
        line for line in material.lines(service.id, parameters) if line.status is Status.NOT_MET
    ]
    named = {line.event for line in lines}
    tickets = [ticket for ticket in material.tickets(service.id) if ticket.id in named]
    if not lines:
        return no_rows("tickets.csv", material.inputs.facts.tickets)
    tables = (tickets_table(material, service.id, tickets),) if tickets else ()
    return Parts((*tables, lines_table(material, lines)))


def restoration_statistics(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`restoration-statistics`: least, mean and most hours from report to closure."""
    rows: list[tuple[Cell, ...]] = []
    spans: list[Span] = []
    for group, severity, times in _groups(material, service.id):
        hours = [Fraction(ns, _HOUR_NS) for ns in times]
        mean = sum(hours, Fraction(0)) / len(hours)
        severity_word = words.SEVERITY[severity]
        rows.append(
            (
                group or words.ALL_PAS,
                severity_word,
                len(hours),
                Number(min(hours), "hours"),
                Number(mean, "hours"),
                Number(max(hours), "hours"),
            )
        )
        label = msg("{group}, {severity}", group=group, severity=severity_word)
        spans.append(Span(label if group else severity_word, min(hours), mean, max(hours)))
    if not rows:
        return no_rows("tickets.csv", material.inputs.facts.tickets)
    table = Table(
        "restoration",
        msg("Hours of the delivery window from report to closure, outages closed in the period."),
        (
            words.LEVEL,
            words.SEVERITY_COLUMN,
            words.COUNT,
            Column("min_hours", msg("minimum"), numeric=True),
            Column("mean_hours", msg("mean"), numeric=True),
            Column("max_hours", msg("maximum"), numeric=True),
        ),
        tuple(rows),
    )
    chart: Chart = Spans(
        msg("Restoration times: minimum, mean, maximum"),
        msg("Bars go from the shortest to the longest time; the mark is the mean."),
        tuple(spans),
        "hours",
    )
    return Parts((table,), (chart,))


def _groups(material: Material, service: str) -> Iterable[tuple[str, str, list[int]]]:
    """Level, severity, window times from report to closure; a ticket counts in each level hit."""
    begin, end = material.bounds
    found: dict[tuple[str, str], list[int]] = {}
    for ticket in material.inputs.facts.tickets:
        if service not in ticket.services or ticket.reported_ns is None:
            continue
        if ticket.closed_ns is None or not begin <= ticket.closed_ns < end:
            continue
        if ticket.component == "monitoring":
            continue
        pas = ticket.pas[0] if ticket.pas else ""
        window = material.window(service, pas) or "extended"
        took = open_ns(ticket.reported_ns, ticket.closed_ns, window, material.zone_of(pas))
        for level in levels_of(material, service, ticket) or ("",):
            found.setdefault((level, ticket.severity), []).append(took)
    for level, severity in sorted(found):
        yield level, severity, found[level, severity]
