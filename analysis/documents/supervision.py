"""The supervision report of a client (rapport de supervision; the French procedure, section 3.1).

Each month: its incidents with comments, a graph of the availability of its applications, and the
rate of each of them, addressed to the client and due five working days after the month.

A check is a train of packets or attempts to connect: it was answered when one of them was.
Checks whose agent or host spoiled them do not count. Nothing here reads a store: `report_commands`
passes the checks in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from decimal import Decimal
from fractions import Fraction

from analysis.documents import words
from analysis.documents.content import (
    Badge,
    Cell,
    Column,
    Document,
    Grid,
    GridRow,
    Item,
    Lines,
    Moment,
    Number,
    Section,
    Series,
    Table,
    Text,
    msg,
)
from analysis.documents.daily import days_of
from analysis.documents.incident import incident_item
from analysis.facts import Ticket
from inventory.calendars import WorkingDays
from inventory.clocks import MINUTE_NS, local, period_bounds
from inventory.operations import Application, Client
from inventory.periods import Period

_SHOWN_PAS = 20
WORKING_DAYS_DUE = 5
"""After the end of the month (section 3.1.3)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an application."""

    at_ns: int
    answered: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """An application with its checks of the month, by time."""

    application: Application
    checks: tuple[Check, ...]
    source: str
    """Path that they came from; empty: there is no store."""
    planned: int = 0
    """Checks that the plans asked for until now; those that the agent spoiled are among them."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """What the report of one client is made from."""

    client: Client
    period: Period
    zone: tzinfo
    calendar: WorkingDays
    as_of_ns: int
    applications: tuple[Checked, ...]
    incidents: tuple[Ticket, ...]
    """Those that hit a PAS of the client's applications, by the time of the fault."""
    min_coverage: Decimal
    """Percent of the planned checks below which the report says so (`[contract]`)."""
    all_tickets: int
    """How many the facts have at all: none may mean that nobody handed them over."""
    desk_since_ns: int | None = None
    """Since when the incident desk is kept; None: nobody keeps one."""


def supervision_document(supervision: Supervision) -> Document:
    """The document of one client and month."""
    client, period = supervision.client, supervision.period
    last = date.fromordinal(period.end.toordinal() - 1)
    checked = [one for one in supervision.applications if one.checks]
    down = sum(1 for one in checked if any(not check.answered for check in one.checks))
    facts: tuple[tuple[Text, Cell], ...] = (
        (msg("client"), client.name),
        (msg("to"), tuple(client.report_to) or msg("no address is configured")),
        (msg("due on"), supervision.calendar.nth_after(last, WORKING_DAYS_DUE)),
        (msg("incidents"), len(supervision.incidents)),
        (msg("supervised applications"), len(client.applications)),
    )
    return Document(
        kind="supervision",
        name=f"supervision-{client.name}-{period}",
        title=msg("Supervision report"),
        addressee=client.name,
        period=msg("{name}: {begin} to {end}", name=str(period), begin=period.begin, end=last),
        facts=facts,
        summary=msg(
            "Incidents: {incidents}. Applications that did not always answer: {down} of {all}.",
            incidents=len(supervision.incidents),
            down=down,
            all=len(checked),
        ),
        broken=bool(supervision.incidents or down),
        sections=(
            Section("incidents", msg("Incidents of the month"), _incidents(supervision)),
            Section(
                "availability",
                msg("Availability of the applications"),
                (_rates(supervision), _graph(supervision)),
            ),
        ),
    )


def _incidents(supervision: Supervision) -> tuple[Item, ...]:
    if supervision.incidents:
        return tuple(_incident(supervision, ticket) for ticket in supervision.incidents)
    begin, end = period_bounds(supervision.period, supervision.zone)
    since = supervision.desk_since_ns
    told = bool(supervision.all_tickets) or (since is not None and since <= begin)
    notes: list[Text] = []
    if since is not None and since < end:
        kept = Moment(since - since % MINUTE_NS, supervision.zone)
        notes.append(msg("The incident desk is kept since {at}.", at=kept))
    if told:
        note = msg("No incident reached into this month; the committee may be dispensed with.")
    elif notes:
        note = msg("Whether nothing happened before that is not on record.")
    else:
        note = msg(
            "No incident desk was kept in this month, and nobody handed incidents over: whether"
            " nothing happened is not on record."
        )
    text = msg("No incident") if told else msg("No incident on record")
    return (Item("none", text, notes=(*notes, note, _seen(supervision)), missing=not told),)


def _incident(supervision: Supervision, ticket: Ticket) -> Item:
    item = incident_item(ticket, supervision.zone, supervision.as_of_ns)
    more = len(ticket.pas) - _SHOWN_PAS
    where = msg(
        "Services: {services}. PAS: {pas}.",
        services=tuple(map(words.service, ticket.services)),
        pas=(*ticket.pas[:_SHOWN_PAS], f"... +{more}") if more > 0 else ticket.pas or words.ALL_PAS,
    )
    return replace(item, notes=(where, *item.notes))


def _seen(supervision: Supervision) -> Text:
    """What the checks say where nobody reported anything."""
    checks = [check for one in supervision.applications for check in one.checks]
    failed = sum(not check.answered for check in checks)
    if not checks:
        return msg("No check is on record.")
    if not failed:
        return msg("All {count} checks of the applications were answered.", count=len(checks))
    return msg(
        "{failed} of {count} checks of the applications stayed without an answer: see below.",
        failed=failed,
        count=len(checks),
    )


def rate_percent(checks: Sequence[Check]) -> Fraction | None:
    """Share of the checks that were answered; None without a check."""
    if not checks:
        return None
    return Fraction(100 * sum(check.answered for check in checks), len(checks))


def _rates(supervision: Supervision) -> Item:
    rows: list[tuple[Cell, ...]] = []
    for one in supervision.applications:
        rate = rate_percent(one.checks)
        outages = runs_down(one.checks)
        rows.append(
            (
                one.application.name,
                str(one.application.host),
                one.application.check,
                len(one.checks),
                one.planned,
                None if rate is None else Number(rate, "percent", "down"),
                len(outages) if one.checks else None,
                _longest(outages),
                _verdict(rate),
            )
        )
    table = Table(
        "rates",
        msg("Availability rate of each supervised application: answered checks of all checks."),
        (
            Column("application", msg("application")),
            Column("host", msg("host")),
            Column("check", msg("check")),
            Column("checks", msg("checks"), numeric=True),
            Column("planned", msg("planned"), numeric=True),
            Column("rate", msg("availability"), numeric=True),
            Column("outages", msg("interruptions"), numeric=True),
            Column("longest", msg("longest"), numeric=True),
            Column("verdict", msg("state")),
        ),
        tuple(rows),
    )
    unchecked = [one.application.name for one in supervision.applications if not one.checks]
    text = msg("Availability rate of the supervised applications")
    notes = (
        (msg("No check is on record for: {names}.", names=", ".join(unchecked)),)
        if unchecked
        else ()
    )
    partly = [
        f"{one.application.name} ({len(one.checks)}/{one.planned})"
        for one in supervision.applications
        if one.checks and 100 * len(one.checks) < supervision.min_coverage * one.planned
    ]
    if partly:
        fewer = msg(
            "Fewer checks than planned are on record for: {names}.", names=", ".join(partly)
        )
        notes = (*notes, fewer)
    if not supervision.applications:
        notes = (msg("No application is configured for this client."),)
    missing = bool(unchecked) or not supervision.applications
    return Item("rates", text, "", notes, (table,) if rows else (), missing=missing)


def _verdict(rate: Fraction | None) -> Badge:
    if rate is None:
        return Badge(msg("no data"), "unsure")
    if rate == 100:
        return Badge(msg("always answered"), "good")
    return Badge(msg("interrupted"), "bad")


def runs_down(checks: Sequence[Check]) -> list[tuple[int, int]]:
    """Stretches of unanswered checks: from the first of them to the next answered one.

    One that lasts to the end goes up to the last check.
    """
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for check in checks:
        if not check.answered and begin is None:
            begin = check.at_ns
        elif check.answered and begin is not None:
            found.append((begin, check.at_ns))
            begin = None
    if begin is not None:
        found.append((begin, checks[-1].at_ns))
    return found


def _longest(outages: Sequence[tuple[int, int]]) -> Number | None:
    if not outages:
        return None
    longest = max(end - begin for begin, end in outages)
    return Number(Fraction(longest, 60_000_000_000), "minutes", "up")


def _graph(supervision: Supervision) -> Item:
    """Availability by day: a line for a few applications, a calendar for all."""
    days = days_of(supervision.period)
    text = msg("Availability over the month")
    rows, series, data = [], [], []
    for one in supervision.applications:
        by_day: dict[date, list[Check]] = {}
        for check in one.checks:
            by_day.setdefault(local(check.at_ns, supervision.zone).date(), []).append(check)
        rates = [rate_percent(by_day.get(day, ())) for day in days]
        rows.append(GridRow(one.application.name, tuple(_class(rate) for rate in rates)))
        series.append(Series(one.application.name, tuple(rates)))
        data += [
            (one.application.name, day, Number(rate, "percent", "down"))
            for day, rate in zip(days, rates, strict=True)
            if rate is not None
        ]
    outages = [
        (one.application.name, Moment(begin, supervision.zone), Moment(end, supervision.zone))
        for one in supervision.applications
        for begin, end in runs_down(one.checks)
    ]
    if not data:
        return Item("graph", text, notes=(msg("No check is on record."),), missing=True)
    grid = Grid(
        msg("Availability calendar"),
        msg("Rows: applications. Columns: days. The darker a cell, the more checks of that day"
            " stayed without an answer."),
        days,
        tuple(rows),
        (
            msg("every check answered"),
            msg("up to 1 % unanswered"),
            msg("up to 10 %"),
            msg("more"),
        ),
    )  # fmt: skip
    lines = Lines(
        msg("Availability by day"),
        msg("Share of each day's checks that were answered."),
        days,
        tuple(series),
        "percent",
    )
    interruptions = Table(
        "interruptions",
        msg("Interruptions: from the first unanswered check to the next answer."),
        (
            Column("application", msg("application")),
            Column("from", msg("from")),
            Column("to", msg("to")),
        ),
        tuple(outages),
    )
    by_day_table = Table(
        "by-day",
        msg("Availability by day"),
        (
            Column("application", msg("application")),
            Column("day", msg("day")),
            Column("rate", msg("availability"), numeric=True),
        ),
        tuple(data),
        data_only=True,
    )
    tables = (interruptions, by_day_table) if outages else (by_day_table,)
    return Item("graph", text, tables=tables, charts=(grid, lines))


def _class(rate: Fraction | None) -> int | None:
    if rate is None:
        return None
    missed = 100 - rate
    return 0 if missed == 0 else 1 if missed <= 1 else 2 if missed <= 10 else 3
