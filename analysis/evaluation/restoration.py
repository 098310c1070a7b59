"""Restoration times: one line a ticket and level (reading E1); of e-mail the share in time (E4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from analysis.catalogue_types import LimitRow, Parameter, Service
from analysis.evaluation.availability import is_of_monitoring
from analysis.evaluation.case import Case, without
from analysis.evaluation.contract import Holding, Term
from analysis.evaluation.writing import (
    Entity,
    Finding,
    Terms,
    at_least,
    notes_of,
    nothing,
    places,
    write,
)
from analysis.facts import Ticket
from analysis.lines import Line
from analysis.rules.restoration import restoration_days, restoration_hours
from analysis.rules.shares import Share, restoration_share
from analysis.rules.time_limits import Excess

_CHAPTER_7 = ("workstation-management", "lan-management", "system-management")


@dataclass(frozen=True, slots=True)
class Hit:
    """A PAS that a ticket hit, with the term whose window and level judge it."""

    holding: Holding
    term: Term


@dataclass(frozen=True, slots=True)
class Event:
    """One ticket at one level, closed in the period."""

    ticket: Ticket
    level: str
    hits: tuple[Hit, ...]
    excess: Excess | None
    """The greatest among the PAS hit; None where no limit is printed."""
    limit: LimitRow | None
    excluded: bool
    """All of it lies inside agreed exclusions (reading C6)."""
    differs: bool
    """Not every PAS hit has the same hours or days in excess."""


def restoration_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """A line each ticket that was closed in the period, and level of the PAS it hit."""
    events = events_in(case, service, parameter)
    for event in events:
        yield _event_line(case, service, parameter, event)
    if not events:
        yield write(
            case,
            service,
            parameter,
            Entity(),
            nothing("", None, "manual", "no outage was closed in the period"),
            Terms(None, None),
        )


def restoration_share_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """One line: the share of outages restored in time (line 331)."""
    limit = parameter.limit_for(severity="blocking")
    row = parameter.penalty_for(severity="blocking")
    target = Decimal(100) if limit is None or limit.target_share is None else limit.target_share
    events = [e for e in events_in(case, service, parameter) if not e.excluded]
    share = in_time(case, service, parameter)
    measured = share.percent
    holdings = case.contract.of(service.id)
    notes = (f"{share.part} of {share.whole} outages restored in time", *notes_of(holdings))
    if measured is None:
        finding = nothing("percent", target, "manual", *notes)
    else:
        evidence = places(event.ticket.where for event in events)
        finding = at_least(case, measured, target, row, "manual", evidence=evidence, notes=notes)
    terms = Terms(row, case.contract.total(service.id), case.contract.is_charged(service.id))
    yield write(case, service, parameter, Entity(), finding, terms, limit)


def in_time(case: Case, service: Service, parameter: Parameter) -> Share:
    """Outages restored within their limits, of all that were closed in the period (E4)."""
    events = [event for event in events_in(case, service, parameter) if not event.excluded]
    return restoration_share(e.excess is not None and e.excess.late for e in events)


def events_in(case: Case, service: Service, parameter: Parameter) -> list[Event]:
    """The tickets closed in the period, by id and level (reading E8)."""
    found = []
    for ticket in case.tickets.get(service.id, ()):
        if service.id in _CHAPTER_7 and is_of_monitoring(ticket, service.id):
            continue
        hits = [
            Hit(holding, holding.nearest_term(case.day(_reported(ticket), holding.zone)))
            for holding in case.hit(ticket, service.id)
        ]
        for level in sorted({hit.term.level for hit in hits}):
            mine = tuple(hit for hit in hits if hit.term.level == level)
            if case.holds(ticket.closed_ns, mine[0].holding.zone):
                found.append(_event(case, service, parameter, ticket, level, mine))
    return found


def limits_of(
    case: Case, service: Service, parameter: Parameter, ticket: Ticket
) -> Iterator[tuple[Hit, LimitRow, Excess]]:
    """What each PAS hit allows a ticket that may still be open; its `due_ns` is what counts."""
    if service.id in _CHAPTER_7 and is_of_monitoring(ticket, service.id):
        return
    now = replace(ticket, closed_ns=_reported(ticket))
    for holding in case.hit(ticket, service.id):
        hit = Hit(holding, holding.nearest_term(case.day(_reported(ticket), holding.zone)))
        wanted = next((one for one in service.levels if one == hit.term.level), None)
        limit = parameter.limit_for(level=wanted, severity=ticket.severity)
        if limit is not None:
            yield hit, limit, _excess(case, now, hit, limit)


def _reported(ticket: Ticket) -> int:
    return ticket.opened_ns if ticket.reported_ns is None else ticket.reported_ns


def _event(
    case: Case,
    service: Service,
    parameter: Parameter,
    ticket: Ticket,
    level: str,
    hits: tuple[Hit, ...],
) -> Event:
    wanted = next((one for one in service.levels if one == level), None)
    limit = parameter.limit_for(level=wanted, severity=ticket.severity)
    counted = [hit for hit in hits if not _is_excluded(case, ticket, hit.holding)]
    each = [_excess(case, ticket, hit, limit) for hit in counted] if limit is not None else []
    worst = max(each, key=lambda e: (e.late, e.units, e.excess), default=None)
    return Event(
        ticket=ticket,
        level=level,
        hits=tuple(counted) or hits,
        excess=worst,
        limit=limit,
        excluded=not counted,
        differs=len({(e.late, e.units) for e in each}) > 1,
    )


def _is_excluded(case: Case, ticket: Ticket, holding: Holding) -> bool:
    closed = ticket.closed_ns or 0
    whole = [(_reported(ticket), closed)]
    return closed > _reported(ticket) and not without(
        whole, case.excluded(holding.service, holding.pas)
    )


def _excess(case: Case, ticket: Ticket, hit: Hit, limit: LimitRow) -> Excess:
    holding = hit.holding
    country, zone = holding.country, holding.zone
    if not holding.pas and len(ticket.pas) == 1:  # the site of a device (B9)
        site = case.sites.get(ticket.pas[0])
        if site is not None:
            country, zone = site.country, case.inputs.zones[site.timezone]
    timetable = case.timetable(hit.term.window, zone, country)
    rule = restoration_hours if limit.unit == "hours" else restoration_days
    return rule(_reported(ticket), ticket.closed_ns or 0, timetable, limit.value)


def _event_line(case: Case, service: Service, parameter: Parameter, event: Event) -> Line:
    ticket, limit, excess = event.ticket, event.limit, event.excess
    level = next((one for one in service.levels if one == event.level), None)
    row = parameter.penalty_for(level=level, severity=ticket.severity)
    pas = [hit.holding.pas for hit in event.hits]
    entity = Entity(
        pas=pas[0] if len(pas) == 1 else "",
        level=event.level,
        severity=ticket.severity,
        event=ticket.id,
    )
    finding = _finding(event)
    charged = any(hit.holding.charged for hit in event.hits)
    base: Decimal | None = case.contract.total(service.id)
    if row is not None and row.basis == "level":
        base = case.contract.total(service.id, event.level)
    if excess is None:
        row = None
    return write(case, service, parameter, entity, finding, Terms(row, base, charged), limit)


def _finding(event: Event) -> Finding:
    ticket, limit, excess = event.ticket, event.limit, event.excess
    holdings = [hit.holding for hit in event.hits]
    notes = list(_about(event, holdings))
    if excess is None:
        if event.excluded:
            notes.append("the whole time lies inside an agreed exclusion (C6)")
        unit = "" if limit is None else limit.unit
        return nothing(unit, None if limit is None else limit.value, "manual", *notes)
    by_hours = excess.unit == "hours"
    if excess.late and not excess.units:
        notes.append(f"late by less than one {excess.per.replace('-', ' ')}, so it costs nothing")
    return Finding(
        measured=excess.measured,
        limit=excess.limit,
        unit=excess.unit,
        deviation=excess.excess,
        count=excess.units,
        late=excess.late,
        source="manual",
        evidence=places([ticket.where]),
        notes=tuple(notes),
        readings=("B1", "B3", "B5", "B6") if by_hours else ("B4", "B9"),
    )


def _about(event: Event, holdings: Sequence[Holding]) -> Iterator[str]:
    if len(holdings) > 1:
        yield "hit " + ", ".join(holding.pas for holding in holdings)
    if event.differs:
        yield "the PAS hit differ in window or calendar: the longest delay counts"
    if event.ticket.reported_ns is None:
        yield "no report on record: the time runs from the opening of the fault"
    yield from notes_of(holdings)
