"""One period of one contract: what the evaluators ask, found once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import lru_cache

from analysis.evaluation.contract import Contract, Holding, Term, contract_in
from analysis.evaluation.inputs import Inputs
from analysis.evaluation.pools import Direction, Pool, by_direction
from analysis.facts import Exclusion, Ticket, TrafficRow
from analysis.rules.availability import outage
from analysis.rules.time_limits import Timetable
from inventory.clocks import Interval, local, merged, openings, period_bounds
from inventory.models import Pas
from inventory.periods import Period
from inventory.services import Window


@dataclass(frozen=True, slots=True)
class Case:
    """Inputs, the contract in a period, and the packets of that period."""

    inputs: Inputs
    period: Period
    """That of the inputs, or the part of four months that has run so far (`outlook`)."""
    contract: Contract
    packets: Mapping[Direction, Pool]
    tickets: Mapping[str, tuple[Ticket, ...]]
    """Service -> its tickets, in the order of their ids."""
    tickets_at: Mapping[tuple[str, str], tuple[Ticket, ...]]
    """(service, PAS) -> those that name the PAS; an empty PAS: those that name none."""
    sites: Mapping[str, Pas]
    """Every configured PAS by its id."""

    @property
    def charges(self) -> bool:
        """Whether penalties are due: of four months, never of one (lines 112, 113)."""
        return self.period.kind == "four-months"

    @property
    def zone(self) -> tzinfo:
        """Of the contract: for what names no PAS."""
        return self.contract.zone

    def bounds(self, zone: tzinfo) -> Interval:
        """The period in UTC nanoseconds."""
        return _bounds(self.period, zone)

    def holds(self, instant_ns: int | None, zone: tzinfo) -> bool:
        """Whether something happened in the period and is known by now."""
        if instant_ns is None or instant_ns > self.inputs.as_of_ns:
            return False
        begin, end = self.bounds(zone)
        return begin <= instant_ns < end

    def openings(self, holding: Holding, term: Term) -> tuple[Interval, ...]:
        """The delivery window (T of line 116) of one term."""
        return _openings(term.window, holding.zone, term.begin, term.end)

    def windows(self, holding: Holding) -> tuple[Interval, ...]:
        """The delivery window of the whole time in the period."""
        return tuple(i for term in holding.terms for i in self.openings(holding, term))

    def outage(self, ticket: Ticket, zone: tzinfo) -> Interval:
        """When a ticket made its service unavailable; open, it lasts until now or the end (C4)."""
        until = min(self.bounds(zone)[1], self.inputs.as_of_ns)
        return outage(ticket.opened_ns, ticket.restored_ns, ticket.closed_ns, until)

    def excluded(self, service: str, pas: str) -> list[Interval]:
        """What was agreed not to count (reading C6)."""
        return merged((e.start_ns, e.end_ns) for e in self.exclusions(service, pas))

    def exclusions(self, service: str, pas: str) -> list[Exclusion]:
        """The agreements themselves; one without a PAS is for all of the service."""
        return [
            e
            for e in self.inputs.facts.exclusions
            if e.service == service and (not e.pas or not pas or e.pas == pas)
        ]

    def timetable(self, window: Window, zone: tzinfo, country: str) -> Timetable:
        """The clock of a PAS, with the working days of its country (reading B9)."""
        return Timetable(window, zone, self.inputs.calendars[country])

    def day(self, instant_ns: int, zone: tzinfo) -> date:
        """The local date."""
        return local(instant_ns, zone).date()

    def about(self, holding: Holding) -> tuple[Ticket, ...]:
        """The tickets of a holding's service that hit it, in the order of their ids."""
        if not holding.pas:
            return self.tickets.get(holding.service, ())
        found = [
            ticket
            for pas in (holding.pas, "")
            for ticket in self.tickets_at.get((holding.service, pas), ())
        ]
        return tuple(sorted(found, key=lambda ticket: ticket.id))

    def hit(self, ticket: Ticket, service: str) -> tuple[Holding, ...]:
        """The holdings of a service that a ticket names; all, where it names no PAS."""
        if not ticket.pas:
            return self.contract.of(service)
        named = (self.contract.at(service, pas) for pas in ("", *sorted(set(ticket.pas))))
        return tuple(holding for holding in named if holding is not None)


def make_case(inputs: Inputs, period: Period | None = None) -> Case:
    """The case of the inputs' period, or of another one that they reach over."""
    within = inputs.period if period is None else period
    contract = contract_in(inputs.configuration, inputs.catalogue, within, inputs.zones)
    rows = list(_rows_in(inputs, contract, within))
    packets = by_direction(inputs.traffic, rows, within.begin.isoformat(), within.end.isoformat())
    tickets: dict[str, list[Ticket]] = {}
    tickets_at: dict[tuple[str, str], list[Ticket]] = {}
    for ticket in sorted(inputs.facts.tickets, key=lambda t: t.id):
        for service in ticket.services:
            tickets.setdefault(service, []).append(ticket)
            for pas in sorted(set(ticket.pas)) or [""]:
                tickets_at.setdefault((service, pas), []).append(ticket)
    return Case(
        inputs=inputs,
        period=within,
        contract=contract,
        packets=packets,
        tickets={service: tuple(found) for service, found in tickets.items()},
        tickets_at={place: tuple(found) for place, found in tickets_at.items()},
        sites={pas.id: pas for pas in inputs.configuration.pas},
    )


def without(intervals: Iterable[Interval], cuts: Sequence[Interval]) -> list[Interval]:
    """What is left of intervals outside disjoint ascending cuts."""
    left = merged(intervals)
    for cut_begin, cut_end in cuts:
        pieces = []
        for begin, end in left:
            pieces += [(begin, min(end, cut_begin)), (max(begin, cut_end), end)]
        left = [(begin, end) for begin, end in pieces if begin < end]
    return left


def left_out(inputs: Inputs, service: str, pas: str, peer: str) -> list[Interval]:
    """Time whose packets do not count for a path: exclusions, and outages where D9 says so.

    An exclusion or a blocking outage at either end is one of the path.
    """
    ends = {pas, peer} - {""}
    cuts = [
        (e.start_ns, e.end_ns)
        for e in inputs.facts.exclusions
        if e.service == service and (not e.pas or e.pas in ends)
    ]
    if inputs.readings["D9"] == "exclude":
        cuts += [
            outage(t.opened_ns, t.restored_ns, t.closed_ns, inputs.as_of_ns)
            for t in inputs.facts.tickets
            if service in t.services
            and t.severity == "blocking"
            and (not t.pas or ends & set(t.pas))
        ]
    return merged(cuts)


def _rows_in(inputs: Inputs, contract: Contract, period: Period) -> Iterator[TrafficRow]:
    cuts: dict[Direction, list[Interval]] = {}
    for row in inputs.facts.traffic:
        holding = contract.at(row.service, row.pas)
        begin, end = _bounds(period, contract.zone if holding is None else holding.zone)
        if not begin <= row.start_ns < end:
            continue
        direction = (row.service, row.pas, row.peer)
        if direction not in cuts:
            cuts[direction] = left_out(inputs, *direction)
        if without([(row.start_ns, row.end_ns)], cuts[direction]):
            yield row


@lru_cache(maxsize=4096)
def _openings(window: Window, zone: tzinfo, begin: date, end: date) -> tuple[Interval, ...]:
    return tuple(openings(window, zone, begin, end))


@lru_cache(maxsize=1024)
def _bounds(period: Period, zone: tzinfo) -> Interval:
    return period_bounds(period, zone)
