"""Tickets for people's eyes: a table of many, a page of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo

from rich.table import Table

from incidents.clocks_of import Clock, left_words
from incidents.facts_csv import instant_text
from incidents.history import Entry
from incidents.tickets import Alert, Ticket
from incidents.trail import by, what
from inventory.clocks import HOUR_NS
from inventory.operations import Maintenance

_SHOWN_PAS = 3


def ticket_table(rows: Iterable[tuple[Ticket, Sequence[Clock]]], zone: tzinfo) -> Table:
    """One row a ticket, with what is left of each limit."""
    table = Table(box=None, pad_edge=False)
    for name in (
        "ticket", "state", "severity", "criticality", "PAS", "fault opened", "assignee", "GTR",
        "restoration limit", "summary",
    ):  # fmt: skip
        table.add_column(name, overflow="fold")
    for ticket, clocks in rows:
        left = {clock.name: left_words(clock) for clock in clocks}
        table.add_row(
            ticket.id,
            ticket.state.value,
            ticket.severity,
            ticket.criticality,
            pas_words(ticket),
            second(ticket.opened_ns, zone),
            ticket.assignee or "nobody",
            left.get("gtr", ""),
            left.get("restoration", ""),
            ticket.summary,
        )
    return table


def alert_table(alerts: Iterable[Alert], zone: tzinfo) -> Table:
    """One row an alert."""
    table = Table(box=None, pad_edge=False)
    for name in ("alert", "state", "source", "since", "over", "PAS", "ticket", "text"):
        table.add_column(name, overflow="fold")
    for alert in alerts:
        table.add_row(
            str(alert.id),
            alert.state.value,
            alert.source + (" (suspected)" if alert.suspected else ""),
            second(alert.first_ns, zone),
            "" if alert.cleared_ns is None else second(alert.cleared_ns, zone),
            ", ".join(alert.pas[:_SHOWN_PAS]),
            alert.ticket,
            alert.text,
        )
    return table


def pas_words(ticket: Ticket) -> str:
    """`roma-01, milano-01 and 998 more`."""
    if not ticket.pas:
        return f"all ({ticket.affected})"
    more = len(ticket.pas) - _SHOWN_PAS
    shown = ", ".join(ticket.pas[:_SHOWN_PAS])
    return f"{shown} and {more} more" if more > 0 else shown


def second(ns: int, zone: tzinfo) -> str:
    """Local time to the second."""
    return instant_text(ns - ns % 1_000_000_000, zone)


def ticket_page(
    ticket: Ticket,
    clocks: Sequence[Clock],
    entries: Sequence[Entry],
    maintenance: Sequence[Maintenance],
    zone: tzinfo,
) -> Iterator[str]:
    """Everything about one ticket, a line each."""
    yield f"{ticket.id}: {ticket.summary}"
    yield f"  state         {ticket.state.value}"
    yield f"  severity      {ticket.severity}{_views(ticket)}"
    yield f"  criticality   {ticket.criticality}{_hit(ticket)}"
    yield f"  services      {', '.join(ticket.services)}"
    yield f"  PAS           {', '.join(ticket.pas) or 'all of the service'} ({ticket.affected} hit)"
    for name, text in (
        ("kind", ticket.kind), ("component", ticket.component), ("device", ticket.device),
        ("address", ticket.address), ("client", ticket.client), ("cause", ticket.cause),
        ("diagnosis", ticket.diagnosis), ("comment", ticket.comment),
        ("assignee", ticket.assignee), ("provider's", ticket.provider_ticket),
        ("report", _settled(ticket.provider_report, waived=ticket.provider_report_waived)),
        ("corrective", _settled(ticket.corrective, waived=ticket.corrective_waived)),
    ):  # fmt: skip
        if text:
            yield f"  {name:13} {text}"
    for name, ns in (
        ("fault opened", ticket.opened_ns), ("reported", ticket.reported_ns),
        ("declared", ticket.declared_ns), ("responded", ticket.responded_ns),
        ("expected", ticket.expected_ns), ("restored", ticket.restored_ns),
        ("validated", ticket.validated_ns), ("accepted", ticket.accepted_ns),
        ("closed", ticket.closed_ns), ("withdrawn", ticket.withdrawn_ns),
    ):  # fmt: skip
        if ns is not None:
            yield f"  {name:13} {second(ns, zone)}"
    for clock in clocks:
        due = second(clock.due_ns, zone)
        yield f"  {clock.name:13} {left_words(clock)}, due {due} ({clock.text})"
    for window in maintenance:
        begin, end = window.start.isoformat(), window.end.isoformat()
        yield f"  maintenance   {begin} to {end}: {window.reason}"
    yield from _plan(ticket, zone)
    for one in ticket.evidence:
        size = f"{one.size} octets, sha256 {one.sha256[:12]}"
        yield f"  evidence {one.number:4} {one.kind} {one.name}, {size}"
    yield "  trail"
    for entry in entries:
        yield f"  {entry.number:5} {second(entry.at_ns, zone)} {by(entry.who)}: {what(entry, zone)}"


def overlapping(ticket: Ticket, windows: Iterable[Maintenance], now_ns: int) -> list[Maintenance]:
    """Announced work on a PAS of the ticket while it lasted: shown, and nothing is excluded."""
    from inventory.clocks import utc_ns

    end = ticket.restored_ns or ticket.closed_ns or now_ns
    return [
        window
        for window in windows
        if (not ticket.pas or set(window.pas) & set(ticket.pas))
        and utc_ns(window.start) < max(end, ticket.opened_ns + 1)
        and utc_ns(window.end) > ticket.opened_ns
    ]


def clock_object(clock: Clock) -> dict[str, object]:
    """A clock for machines; hours are exact enough for people, nanoseconds for the rest."""
    return {
        "name": clock.name,
        "begins_ns": clock.begins_ns,
        "due_ns": clock.due_ns,
        "ended_ns": clock.ended_ns,
        "left_ns": clock.left_ns,
        "counted_left_ns": clock.counted_left_ns,
        "left_hours": round(clock.left_ns / HOUR_NS, 3),
        "kept": clock.kept,
        "text": clock.text,
    }


def _views(ticket: Ticket) -> str:
    views = [
        f"{name} {view}"
        for name, view in (
            ("provider:", ticket.severity_provider),
            ("administration:", ticket.severity_administration),
        )
        if view is not None
    ]
    return f" ({'; '.join(views)})" if views else ""


def _hit(ticket: Ticket) -> str:
    hit = ticket.hit
    said = [
        f"{count} {name}"
        for name, count in (
            ("tills", hit.tills), ("shops", hit.shops), ("operators", hit.operators),
            ("values", hit.values),
        )
        if count is not None
    ]  # fmt: skip
    return f" ({', '.join(said)})" if said else ""


def _settled(text: str, *, waived: bool) -> str:
    return f"waived: {text}" if waived else text


def _plan(ticket: Ticket, zone: tzinfo) -> Iterator[str]:
    for one in ticket.plan:
        due = "" if one.due_ns is None else f", until {second(one.due_ns, zone)}"
        sent = "" if one.sent_ns is None else f", sent {second(one.sent_ns, zone)}"
        done = "" if one.done_ns is None else f", done {second(one.done_ns, zone)} {one.outcome}"
        yield f"  action {one.number:6} {one.party}: {one.text}{due}{sent}{done}".rstrip()
