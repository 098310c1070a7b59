"""Items about calls: attempts and successes, statistics by hour, day and week, the call centre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from analysis.catalogue_rows import ReportItem, Service
from analysis.documents import words
from analysis.documents.content import Bars, Cell, Chart, Column, Number, Series, Table, Text, msg
from analysis.documents.items_lines import lines_table
from analysis.documents.material import Material
from analysis.documents.parts import Parts, absent
from analysis.facts import CallRow, ContactCentreRow
from inventory.clocks import local

_HOUR_NS = 3_600_000_000_000
_ATTEMPTS = Column("attempts", msg("attempts"), numeric=True)
_SUCCESSES = Column("successes", msg("successful"), numeric=True)
_SHARE = Column("share", msg("success rate"), numeric=True)


def calls(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`calls`: success rate and the number of all attempts."""
    found = _calls(material, service.id)
    attempts, successes = sum(r.attempts for r in found), sum(r.successes for r in found)
    if not attempts:
        return absent(msg("No call attempt of this service is on record: calls.csv has none."))
    lines = material.lines(
        service.id, [p.id for p in service.parameters if p.rule == "success-rate"]
    )
    table = Table(
        "calls",
        msg("Call attempts of the period."),
        (words.SERVICE, _ATTEMPTS, _SUCCESSES, _SHARE),
        ((service.id, attempts, successes, _share(successes, attempts)),),
    )
    return Parts((table, *((lines_table(material, lines),) if lines else ())))


def _share(part: int, whole: int) -> Number | None:
    return Number(Fraction(100 * part, whole), "percent", "down") if whole else None


def _calls(material: Material, service: str) -> list[CallRow]:
    begin, end = material.bounds
    return [
        row
        for row in material.inputs.facts.calls
        if row.service == service and begin <= row.start_ns and row.end_ns <= end
    ]


def call_statistics(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`calls-statistics`: attempts and successes by hour of the day, by day and by week."""
    found = _calls(material, service.id)
    if not found:
        return absent(msg("No call attempt of this service is on record: calls.csv has none."))
    tables: list[Table] = []
    charts: list[Chart] = []
    notes: list[Text] = []
    for name, caption, heading, longest_ns, key in (
        ("by-hour", msg("By hour of the day"), msg("hour"), _HOUR_NS,
         lambda at: f"{at:%H}:00"),
        ("by-day", msg("By day"), msg("day"), 25 * _HOUR_NS, lambda at: at.date()),
        ("by-week", msg("By week (Monday)"), msg("week"), 7 * 25 * _HOUR_NS,
         lambda at: at.date() - timedelta(days=at.weekday())),
    ):  # fmt: skip
        fitting = [row for row in found if row.end_ns - row.start_ns <= longest_ns]
        if not fitting:
            notes.append(msg("{statistic}: no row of calls.csv is that short.", statistic=caption))
            continue
        rows = _grouped(material, fitting, key)
        tables.append(
            Table(
                name,
                caption,
                (Column(name, heading), _ATTEMPTS, _SUCCESSES, _SHARE),
                rows,
                data_only=name != "by-week",
            )
        )
        charts.append(
            Bars(
                caption,
                msg("Attempts and successful calls."),
                tuple(row[0] for row in rows),  # type: ignore[misc]
                (
                    Series(msg("attempts"), tuple(Fraction(row[1]) for row in rows)),  # type: ignore[arg-type]
                    Series(msg("successful"), tuple(Fraction(row[2]) for row in rows)),  # type: ignore[arg-type]
                ),
                "",
            )
        )
    return Parts(tuple(tables), tuple(charts), tuple(notes))


def _grouped(
    material: Material, rows: Sequence[CallRow], key: Callable[[datetime], Cell]
) -> tuple[tuple[Cell, ...], ...]:
    found: dict[Cell, list[int]] = {}
    for row in rows:
        sums = found.setdefault(key(local(row.start_ns, material.zone)), [0, 0])
        sums[0] += row.attempts
        sums[1] += row.successes
    return tuple(
        (group, attempts, successes, _share(successes, attempts))
        for group, (attempts, successes) in sorted(found.items(), key=lambda one: str(one[0]))
    )


def contact_centre(material: Material, _service: Service, item: ReportItem) -> Parts:
    """`contact-centre:<received|late|lost|wait>`: figures of the call centre."""
    begin, end = material.bounds
    rows = [
        row
        for row in material.inputs.facts.contact_centre
        if begin <= row.start_ns and row.end_ns <= end
    ]
    attempts = sum(row.attempts for row in rows)
    if not attempts:
        return absent(msg("No call to the call centre is on record: contact_centre.csv has none."))
    figures: list[tuple[Cell, ...]] = []
    for about in item.about:
        label, value = _figure(about, rows, attempts)
        if value is None:
            return absent(msg("contact_centre.csv does not say it: {what}.", what=label))
        figures.append((label, value))
    table = Table(
        "call-centre",
        msg("Calls to the call centre in the period."),
        (Column("figure", msg("figure")), Column("value", msg("value"), numeric=True)),
        ((msg("call attempts"), attempts), *figures),
    )
    return Parts((table,))


def _figure(about: str, rows: Sequence[ContactCentreRow], attempts: int) -> tuple[Text, Cell]:
    match about:
        case "received":
            known = [row.received for row in rows if row.received is not None]
            whole = sum(known) if len(known) == len(rows) else None
            return msg("calls received"), whole
        case "late":
            return msg("answered or ended after more than 60 s"), sum(row.late for row in rows)
        case "lost":
            lost = sum(row.lost for row in rows)
            share = Number(Fraction(100 * lost, attempts), "percent", "up")
            return msg("calls lost, of all attempts"), share
        case "wait":
            return msg("mean waiting time"), _mean_wait(rows)
    raise ValueError(f"the call centre has no figure {about!r}")


def _mean_wait(rows: Sequence[ContactCentreRow]) -> Number | None:
    """Weighted by the calls received, by the attempts where these are not known."""
    weighed = [
        (Fraction(row.wait_s), row.attempts if row.received is None else row.received)
        for row in rows
        if row.wait_s is not None
    ]
    calls = sum(weight for _, weight in weighed)
    if not calls:
        return None
    total = sum((wait * weight for wait, weight in weighed), Fraction(0))
    return Number(total / calls, "seconds", "up")
