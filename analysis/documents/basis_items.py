"""Items after the services, what the figures rest on: warnings, gaps, exclusions, readings."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from analysis.documents import words
from analysis.documents.content import Cell, Column, Item, Moment, Number, Said, Table, msg
from analysis.documents.daily import in_period
from analysis.documents.material import Material
from analysis.lines import Gap
from analysis.readings import SWITCHES

_HOUR_NS = 3_600_000_000_000


def warnings(material: Material) -> Item:
    """What a reader of the figures has to know, as the evaluation says it."""
    text = msg("Warnings")
    found = material.result.warnings
    if not found:
        return Item("warnings", text, notes=(msg("None."),))
    table = Table(
        "warnings",
        msg("Nothing in here costs anything by itself."),
        (
            words.SERVICE,
            words.PAS,
            Column("warning", msg("warning")),
            Column("code", msg("code")),
        ),
        tuple((one.service, one.pas, Said(one.text), one.code) for one in found),
    )
    return Item("warnings", text, tables=(table,))


def gaps(material: Material) -> Item:
    """Stretches without valid measurements, by cause, from and to."""
    text = msg("Gaps in the measurements")
    found = material.result.gaps
    if not found:
        return Item("gaps", text, notes=(msg("None: every planned quarter hour has trains."),))
    hours: dict[str, int] = {}
    for gap in found:
        hours[gap.cause] = hours.get(gap.cause, 0) + gap.end_ns - gap.start_ns
    causes = Table(
        "causes",
        msg("Hours without valid trains, by cause."),
        (Column("cause", msg("cause")), Column("hours", msg("hours"), numeric=True)),
        tuple(
            (Said(cause), Number(Fraction(ns, _HOUR_NS), "hours", "up"))
            for cause, ns in sorted(hours.items(), key=lambda one: -one[1])
        ),
    )
    return Item("gaps", text, tables=(causes, gaps_table(material, found)))


def gaps_table(material: Material, found: Sequence[Gap]) -> Table:
    """Each stretch."""
    return Table(
        "gaps",
        msg("From and to, local time of the PAS."),
        (
            Column("path", msg("path")),
            words.SERVICE,
            Column("from", msg("from")),
            Column("to", msg("to")),
            Column("cause", msg("cause")),
        ),
        tuple(
            (
                gap.path,
                gap.service,
                Moment(gap.start_ns, material.zone_of(gap.pas)),
                Moment(gap.end_ns, material.zone_of(gap.pas)),
                Said(gap.cause),
            )
            for gap in found
        ),
    )


def invalid_trains(material: Material) -> Item | None:
    """Loss with and without the trains that an agent spoiled."""
    rows: list[tuple[Cell, ...]] = []
    for path in material.inputs.traffic:
        reasons: dict[str, int] = {}
        days = tuple(in_period(path, material.period))
        for day in days:
            for reason, count in day.invalid.items():
                reasons[reason] = reasons.get(reason, 0) + count
        if not reasons:
            continue
        sent, received = sum(d.sent for d in days), sum(d.received for d in days)
        sent_all = sum(d.sent_all for d in days)
        received_all = sum(d.received_all for d in days)
        rows.append(
            (
                path.path,
                path.service,
                ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())),
                sum(d.valid for d in days),
                sum(d.planned for d in days),
                _lost(sent, received),
                _lost(sent_all, received_all),
            )
        )
    if not rows:
        return None
    table = Table(
        "invalid",
        msg("A train that the agent or its host spoiled counts nowhere; here is what it would"
            " change."),
        (
            Column("path", msg("path")),
            words.SERVICE,
            Column("invalid", msg("invalid trains, and why")),
            Column("valid", msg("valid trains"), numeric=True),
            Column("planned", msg("planned"), numeric=True),
            Column("loss", msg("loss without them"), numeric=True),
            Column("loss_all", msg("loss with them"), numeric=True),
        ),
        tuple(rows),
    )  # fmt: skip
    return Item("invalid-trains", msg("Figures with and without invalid trains"), tables=(table,))


def _lost(sent: int, received: int) -> Number | None:
    return Number(Fraction(100 * (sent - received), sent), "percent", "up") if sent else None


def exclusions(material: Material) -> Item:
    """Agreed exclusions (reading C6): each one is printed."""
    begin, end = material.bounds
    found = [e for e in material.inputs.facts.exclusions if e.start_ns < end and e.end_ns > begin]
    text = msg("Agreed exclusions")
    if not found:
        return Item("exclusions", text, notes=(msg("None: the annex knows no exclusions."),))
    table = Table(
        "exclusions",
        msg("Time that was taken out by agreement of both parties."),
        (
            Column("exclusion", msg("exclusion")),
            words.SERVICE,
            words.PAS,
            Column("from", msg("from")),
            Column("to", msg("to")),
            Column("reason", msg("reason")),
            Column("agreed_by", msg("agreed by")),
            Column("record", msg("record")),
        ),
        tuple(
            (
                one.id,
                one.service,
                one.pas or words.ALL_PAS,
                Moment(one.start_ns, material.zone_of(one.pas)),
                Moment(one.end_ns, material.zone_of(one.pas)),
                one.reason,
                one.agreed_by,
                str(one.where),
            )
            for one in found
        ),
    )
    return Item("exclusions", text, tables=(table,))


def readings(material: Material) -> Item:
    """How unclear places of the annex were read, and which switches the contract sets."""
    rows: list[tuple[Cell, ...]] = []
    for reading, text in material.result.readings.items():
        value, colon, rest = text.partition(": ")
        if reading in SWITCHES and colon and value in SWITCHES[reading]:
            rows.append((reading, value, Said(rest)))
        else:
            rows.append((reading, None, Said(text)))
    table = Table(
        "readings",
        msg("Another reading gives another figure."),
        (
            Column("reading", msg("reading")),
            Column("switch", msg("switch")),
            Column("text", msg("how it is read")),
        ),
        tuple(rows),
    )
    return Item("readings", msg("How the annex was read"), tables=(table,) if rows else ())
