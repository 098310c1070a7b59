"""Availability from tickets: of one PAS, of a service as a whole, of a monitoring system."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.catalogue_types import Parameter, Service
from analysis.evaluation.case import Case, without
from analysis.evaluation.contract import Holding, Term
from analysis.evaluation.writing import Entity, Terms, at_least, notes_of, places, write
from analysis.facts import Ticket
from analysis.lines import Line
from analysis.rules.availability import (
    Extent,
    Figure,
    counted_availability,
    counts,
    unit_availability,
)
from inventory.clocks import Interval, clipped


@dataclass(frozen=True, slots=True)
class Counted:
    """What one ticket takes from availability."""

    ticket: Ticket
    outage: tuple[Interval, ...]
    """Without what was agreed not to count, not yet clipped to the window."""
    clipped: tuple[Interval, ...]
    """The part inside the delivery window of the period."""


def availability_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """A line each PAS and level for unit availability, one a service otherwise."""
    for holding in case.contract.of(service.id):
        for term in holding.terms:
            yield _line(case, service, parameter, holding, term)


def counted_tickets(
    case: Case, parameter: Parameter, holding: Holding, term: Term
) -> tuple[Counted, ...]:
    """The tickets that make a holding unavailable in a term, each with its time (C1, C2, C6)."""
    extent: Extent = "unit" if parameter.rule == "unit-availability" else "overall"
    excluded = case.excluded(holding.service, holding.pas)
    openings = case.openings(holding, term)
    found = []
    for ticket in case.about(holding):
        if not counts(ticket.severity, extent, case.inputs.readings["C1"]):
            continue
        if parameter.rule == "monitoring-availability" and not is_of_monitoring(
            ticket, holding.service
        ):
            continue
        outage = tuple(without([case.outage(ticket, holding.zone)], excluded))
        inside = tuple(clipped(outage, openings))
        if inside:
            found.append(Counted(ticket, outage, inside))
    return tuple(found)


def is_of_monitoring(ticket: Ticket, service: str) -> bool:
    """Chapter 7: whether a ticket is about the monitoring system (reading C9).

    Where it does not say so, one without a PAS is. Asset management has one component, whose
    tickets count for both (lines 542 and 543).
    """
    if service == "asset-management":
        return True
    return ticket.component == "monitoring" or (not ticket.component and not ticket.pas)


def availability_figure(
    case: Case, parameter: Parameter, holding: Holding, term: Term, counted: tuple[Counted, ...]
) -> Figure:
    """Time lost of the time that counts."""
    openings = case.openings(holding, term)
    if parameter.rule == "overall-availability":
        outages = [(part, each.ticket.affected) for each in counted for part in each.outage]
        return counted_availability(outages, holding.units or 1, openings)
    return unit_availability([part for each in counted for part in each.outage], openings)


def _line(case: Case, service: Service, parameter: Parameter, holding: Holding, term: Term) -> Line:
    counted = counted_tickets(case, parameter, holding, term)
    figure = availability_figure(case, parameter, holding, term, counted)
    level = next((level for level in service.levels if level == term.level), None)
    limit = parameter.limit_for(level=level)
    row = parameter.penalty_for(level=level)
    notes = [f"{duration(figure.down_ns)} lost of {duration(figure.window_ns)} in the window"]
    if parameter.rule == "overall-availability" and holding.units is None:
        notes.append("units is not set, so the service counts as one: set units in the contract")
    finding = at_least(
        case,
        figure.percent,
        None if limit is None else limit.value,
        row,
        "manual",
        evidence=places(each.ticket.where for each in counted),
        notes=(*notes, *notes_of([holding])),
        readings=(*(("E5",) if service.id == "unified-messaging" else ()),)
        + (("C5",) if holding.ended else ()),
    )
    base = term.base if row is not None and row.basis == "pas" else case.contract.total(service.id)
    terms = Terms(row, base, charged=holding.charged)
    entity = Entity(pas=holding.pas, level=term.level)
    return write(case, service, parameter, entity, finding, terms, limit)


def duration(ns: int) -> str:
    """A stretch of time for people: `1 h 12 min`, `2880 h`, `45 s`; cut to the second."""
    seconds = ns // 1_000_000_000
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    parts.append(f"{rest} s" if rest or not (hours or minutes) else "")
    return " ".join(part for part in parts if part)
