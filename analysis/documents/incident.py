"""The incident report: a closed incident with its trail and its evidence (procedure, 2.3).

A ticket of the facts has its instants, both parties' views, and what the trains saw meanwhile; one
of the incident desk has its whole trail besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from fractions import Fraction
from types import MappingProxyType

from analysis.documents import words
from analysis.documents.content import (
    Cell,
    Column,
    Document,
    Item,
    Message,
    Moment,
    Number,
    Section,
    Table,
    Text,
    msg,
)
from analysis.documents.incident_trail import trail_item
from analysis.documents.items_lines import lines_table
from analysis.documents.items_tickets import levels_of
from analysis.documents.material import Material
from analysis.facts import Ticket
from analysis.lines import Gap
from incidents.clocks_of import clocks_of
from incidents.history import Entry, replay
from inventory.clocks import MINUTE_NS


def incident_documents(
    material: Material,
    ticket_id: str = "",
    trails: Mapping[str, Sequence[Entry]] = MappingProxyType({}),
) -> tuple[Document, ...]:
    """A document for each incident that was closed in the period, or for the one of this id.

    `trails`: what the incident desk wrote down, by the ticket's id.
    """
    begin, end = material.bounds
    return tuple(
        incident_document(material, ticket, trails.get(ticket.id, ()))
        for ticket in sorted(material.inputs.facts.tickets, key=lambda t: (t.opened_ns, t.id))
        if (ticket.id == ticket_id if ticket_id else _closed(ticket, begin, end))
    )


def _closed(ticket: Ticket, begin: int, end: int) -> bool:
    return ticket.closed_ns is not None and begin <= ticket.closed_ns < end


def incident_document(material: Material, ticket: Ticket, trail: Sequence[Entry] = ()) -> Document:
    """The report of one incident, with the trail of the incident desk where it comes from there."""
    zone = material.zone_of(ticket.pas[0] if ticket.pas else "")
    as_of = material.result.as_of_ns
    item = incident_item(ticket, zone, as_of)
    levels = {s: levels_of(material, s, ticket) for s in ticket.services}
    extent = Table(
        "extent",
        msg("What was hit."),
        (words.SERVICE, words.PAS, words.LEVEL),
        tuple((s, ticket.pas or words.ALL_PAS, levels[s] or None) for s in ticket.services),
    )
    state = (
        msg("closed") if ticket.closed_ns is not None
        else msg("restored, not closed") if ticket.restored_ns is not None
        else msg("open")
    )  # fmt: skip
    facts: tuple[tuple[Text, Cell], ...] = (
        (msg("ticket"), ticket.id),
        (msg("administration"), material.result.administration),
        (msg("severity"), words.SEVERITY[ticket.severity]),
        (msg("state"), state),
        *_gtr(material, ticket.id, trail),
        (msg("record"), str(ticket.where)),
    )
    return Document(
        kind="incident",
        name=f"incident-{ticket.id}",
        title=msg("Incident report {ticket}", ticket=ticket.id),
        addressee=material.result.administration,
        period=msg("fault opened {at}", at=Moment(ticket.opened_ns, zone)),
        facts=facts,
        summary=_summary(ticket, zone),
        broken=ticket.severity == "blocking",
        sections=(
            Section(
                "incident",
                msg("The incident"),
                (
                    item,
                    Item("extent", msg("Extent"), tables=(extent,)),
                    *((trail_item(trail, zone),) if trail else ()),
                ),
            ),
            Section("evidence", msg("Evidence"), (_seen(material, ticket, zone),)),
            Section("consequences", msg("Consequences"), (_lines(material, ticket),)),
        ),
    )


def _gtr(
    material: Material, ticket_id: str, trail: Sequence[Entry]
) -> tuple[tuple[Text, Cell], ...]:
    """How much of the guaranteed restoration was used; of a ticket of the desk, by its trail."""
    if not trail:
        return ()
    as_of_ns = material.result.as_of_ns
    clock = clocks_of(
        replay(ticket_id, trail), as_of_ns, gtr_ns=material.inputs.configuration.incident.gtr_ns
    )[0]
    ended_ns = as_of_ns if clock.ended_ns is None else clock.ended_ns
    used = lasting(max(0, ended_ns - clock.begins_ns))
    limit = lasting(clock.due_ns - clock.begins_ns)
    if not clock.kept:
        said = msg("exceeded: {used} of {limit}", used=used, limit=limit)
    elif clock.ended_ns is None:
        said = msg("running: {used} of {limit}", used=used, limit=limit)
    else:
        said = msg("kept: {used} of {limit}", used=used, limit=limit)
    return ((msg("guaranteed restoration (GTR)"), said),)


def _summary(ticket: Ticket, zone: tzinfo) -> Message:
    if ticket.restored_ns is None:
        return msg("The service is not restored yet.")
    return msg(
        "The service was restored after {time}, on {at}.",
        time=lasting(ticket.restored_ns - ticket.opened_ns),
        at=Moment(ticket.restored_ns, zone),
    )


def incident_item(ticket: Ticket, zone: tzinfo, as_of_ns: int) -> Item:
    """One incident with its trail and comment."""
    steps: list[tuple[Text, int | None]] = [
        (msg("fault opened"), ticket.opened_ns),
        (msg("reported"), ticket.reported_ns),
        (msg("return notice"), ticket.responded_ns),
        (msg("service restored"), ticket.restored_ns),
        (msg("closed"), ticket.closed_ns),
    ]
    rows: list[tuple[Cell, ...]] = [
        (name, msg("not yet") if ns is None else Moment(ns, zone), _after(ticket, ns))
        for name, ns in steps
    ]
    if ticket.expected_ns is not None:
        rows.insert(
            3,
            (
                msg("restoration expected"),
                Moment(ticket.expected_ns, zone),
                _after(ticket, ticket.expected_ns),
            ),
        )
    trail = Table(
        "trail",
        msg("The trail, in local time."),
        (
            Column("step", msg("step")),
            Column("at", msg("at")),
            Column("after", msg("after the fault"), numeric=True),
        ),
        tuple(rows),
    )
    notes: list[Text] = [
        msg("Severity: {severity}. PAS hit: {count}.", severity=words.SEVERITY[ticket.severity],
            count=ticket.affected)
    ]  # fmt: skip
    if ticket.severity_provider is not None and ticket.severity_administration is not None:
        notes.append(
            msg(
                "provider: {provider}; administration: {administration}",
                provider=words.SEVERITY[ticket.severity_provider],
                administration=words.SEVERITY[ticket.severity_administration],
            )
        )
    if ticket.cause:
        notes.append(msg("Cause: {cause}", cause=ticket.cause))
    if ticket.comment:
        notes.append(msg("Comment: {comment}", comment=ticket.comment))
    if ticket.restored_ns is None and as_of_ns > ticket.opened_ns:
        time = lasting(as_of_ns - ticket.opened_ns)
        notes.append(msg("Still open after {time}.", time=time))
    return Item(ticket.id, msg("Incident {ticket}", ticket=ticket.id), "", tuple(notes), (trail,))


def _after(ticket: Ticket, ns: int | None) -> Number | None:
    return None if ns is None else lasting(ns - ticket.opened_ns)


def lasting(ns: int) -> Number:
    """A length of time in the unit that a reader expects of it."""
    minutes = Fraction(ns, MINUTE_NS)
    if abs(minutes) >= 120:
        return Number(minutes / 60, "hours")
    return Number(minutes, "minutes") if abs(minutes) >= 2 else Number(60 * minutes, "seconds")


def _seen(material: Material, ticket: Ticket, zone: tzinfo) -> Item:
    """Stretches in which the trains of the PAS hit lost every packet, around the incident."""
    text = msg("What the trains saw")
    end = ticket.restored_ns or material.result.as_of_ns
    seen = _overlapping(material.inputs.outages_seen, ticket, end)
    silent = _overlapping(material.inputs.gaps, ticket, end)
    if not seen and not silent:
        if not material.inputs.traffic:
            return Item("trains", text, notes=(msg("No store was read."),))
        note = msg("The trains saw no outage of these PAS while the ticket was open.")
        return Item("trains", text, notes=(note,))
    rows = [
        (gap.path, kind, Moment(gap.start_ns, zone), Moment(gap.end_ns, zone))
        for kind, gaps in ((msg("every packet lost"), seen), (msg("no valid train"), silent))
        for gap in gaps
    ]
    table = Table(
        "seen",
        msg("From and to, local time of the PAS."),
        (
            Column("path", msg("path")),
            Column("seen", msg("what was seen")),
            Column("from", msg("from")),
            Column("to", msg("to")),
        ),
        tuple(rows),
    )
    return Item("trains", text, tables=(table,))


def _overlapping(gaps: Sequence[Gap], ticket: Ticket, end: int) -> list[Gap]:
    return [
        gap
        for gap in gaps
        if gap.start_ns < end
        and gap.end_ns > ticket.opened_ns
        and (not ticket.pas or gap.pas in ticket.pas)
        and gap.service in ticket.services
    ]


def _lines(material: Material, ticket: Ticket) -> Item:
    """The lines of the evaluation that name the ticket."""
    text = msg("Lines of the evaluation that this incident is in")
    found = [line for line in material.result.lines if line.event == ticket.id]
    if not found:
        note = msg("No line of this period names it; its time is in the availability of the PAS.")
        return Item("lines", text, notes=(note,))
    return Item("lines", text, tables=(lines_table(material, found),))
