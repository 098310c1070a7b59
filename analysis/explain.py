"""From a euro amount down to what it rests on: what `pasprobe sla explain` says of one line.

Pure; the worst trains come from the store and are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.catalogue_types import Parameter, Service
from analysis.evaluation.availability import counted_tickets, duration
from analysis.evaluation.case import Case, make_case
from analysis.evaluation.inputs import Inputs
from analysis.evaluation.measurement_warnings import span
from analysis.evaluation.packets import in_words, is_of_pairs
from analysis.evaluation.result_json import line_object, optional_text
from analysis.facts import Request, Ticket
from analysis.lines import Line, Result
from analysis.traffic import PathTraffic
from inventory.clocks import local, merged, total_ns
from inventory.services import SERVICES

WORST_TRAINS = 5


@dataclass(frozen=True, slots=True)
class DayCounters:
    """What one directed path counted on one day, or one row of `traffic.csv`."""

    where: str
    """`path roma-01/ip-base`, or `traffic.csv:7`."""
    day: str
    """Local date; empty where only the sum of the period is known."""
    planned: int
    trains: int
    valid: int
    sent: int
    received: int
    within_limit: int | None
    jitter_readings: int


@dataclass(frozen=True, slots=True)
class TicketTime:
    """One ticket and how much of it counts."""

    id: str
    where: str
    severity: str
    opened: str
    reported: str
    restored: str
    closed: str
    """Local times, ISO 8601; empty while open."""
    counted: tuple[str, ...]
    """The stretches that count, from-to in local time; none for a restoration time."""
    counted_ns: int
    cause: str


@dataclass(frozen=True, slots=True)
class WorstTrain:
    """A train that lost or delayed the most."""

    path: str
    start: str
    """UTC, ISO 8601 with nanoseconds."""
    sent: int
    received: int
    slowest_ms: str
    """Empty where nothing came back."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One line taken apart."""

    line: Line
    parameter: str
    """Its name in English, or its id."""
    readings: Mapping[str, str]
    counters: tuple[DayCounters, ...]
    tickets: tuple[TicketTime, ...]
    requests: tuple[str, ...]
    trains: tuple[WorstTrain, ...]


class NoSuchLineError(Exception):
    """The evaluation has no line of this number."""


def find_line(result: Result, number: int) -> Line:
    """A line by its number; `NoSuchLineError` says which there are."""
    for line in result.lines:
        if line.number == number:
            return line
    last = len(result.lines)
    raise NoSuchLineError(
        f"the evaluation of {result.period} has no line {number} — "
        + (f"it has lines 1 to {last}: see `pasprobe sla evaluate`" if last else "it has no line")
    )


def paths_of(inputs: Inputs, line: Line) -> tuple[PathTraffic, ...]:
    """The measured paths behind a line; none where no packet is."""
    service = inputs.catalogue.service(line.service)
    parameter = inputs.catalogue.parameter(line.service, line.parameter)
    if service is None or parameter is None:
        return ()
    return tuple(
        path
        for path in inputs.traffic
        if path.service == line.service
        and _is_behind(service, parameter, line, path.pas, path.peer)
    )


def explain(
    inputs: Inputs, result: Result, number: int, trains: Sequence[WorstTrain] = ()
) -> Explanation:
    """Everything behind a line; `inputs` were gathered day by day. May raise `NoSuchLineError`."""
    line = find_line(result, number)
    case = make_case(inputs)
    parameter = inputs.catalogue.parameter(line.service, line.parameter)
    service = inputs.catalogue.service(line.service)
    if parameter is None or service is None:
        raise NoSuchLineError(f"the catalogue has no {line.service} {line.parameter}")
    return Explanation(
        line=line,
        parameter=parameter.name or parameter.id,
        readings=inputs.readings.told(line.readings),
        counters=tuple(_counters(case, service, parameter, line)),
        tickets=tuple(_tickets(case, parameter, line)),
        requests=tuple(_requests(case, line)),
        trains=tuple(trains),
    )


def _is_behind(service: Service, parameter: Parameter, line: Line, pas: str, peer: str) -> bool:
    if parameter.rule not in ("share-within", "loss-rate", "jitter"):
        return False
    if is_of_pairs(service, parameter):
        return {pas, peer} == {line.pas, line.peer}
    between = SERVICES[service.id].between_pas
    return line.pas in ((pas, peer) if between else (pas,))


def _counters(case: Case, service: Service, parameter: Parameter, line: Line) -> list[DayCounters]:
    first, last = case.period.begin.isoformat(), case.period.end.isoformat()
    found = [
        DayCounters(
            where=f"path {path.path}",
            day=day.day,
            planned=day.planned,
            trains=day.trains,
            valid=day.valid,
            sent=day.sent,
            received=day.received,
            within_limit=day.within_limit,
            jitter_readings=day.jitter_count,
        )
        for path in paths_of(case.inputs, line)
        for day in path.days
        if not day.day or first <= day.day < last
    ]
    rows = set(line.evidence)
    for row in case.inputs.facts.traffic:
        if str(row.where) in rows and _is_behind(service, parameter, line, row.pas, row.peer):
            holding = case.contract.at(row.service, row.pas)
            zone = case.zone if holding is None else holding.zone
            found.append(
                DayCounters(
                    where=str(row.where),
                    day=local(row.start_ns, zone).date().isoformat(),
                    planned=0,
                    trains=0,
                    valid=0,
                    sent=row.sent,
                    received=row.received,
                    within_limit=row.within_limit,
                    jitter_readings=0 if row.jitter_ms is None else row.jitter_readings,
                )
            )
    return sorted(found, key=lambda counters: (counters.day, counters.where))


def _tickets(case: Case, parameter: Parameter, line: Line) -> list[TicketTime]:
    if parameter.rule.endswith("availability"):
        holding = case.contract.at(line.service, line.pas)
        if holding is None:
            return []
        terms = [term for term in holding.terms if term.level == line.level]
        return [
            _ticket(case, one.ticket, one.clipped)
            for term in terms
            for one in counted_tickets(case, parameter, holding, term)
        ]
    places = set(line.evidence)
    tickets = sorted(case.inputs.facts.tickets, key=lambda t: t.id)
    return [_ticket(case, ticket, ()) for ticket in tickets if str(ticket.where) in places]


def _ticket(case: Case, ticket: Ticket, counted: Sequence[tuple[int, int]]) -> TicketTime:
    holding = case.contract.at(ticket.services[0], ticket.pas[0]) if ticket.pas else None
    zone = case.zone if holding is None else holding.zone

    def told(instant_ns: int | None) -> str:
        return "" if instant_ns is None else local(instant_ns, zone).isoformat(timespec="seconds")

    return TicketTime(
        id=ticket.id,
        where=str(ticket.where),
        severity=ticket.severity,
        opened=told(ticket.opened_ns),
        reported=told(ticket.reported_ns),
        restored=told(ticket.restored_ns),
        closed=told(ticket.closed_ns),
        counted=tuple(span(begin, end, zone) for begin, end in merged(counted)),
        counted_ns=total_ns(counted),
        cause=ticket.cause,
    )


def _requests(case: Case, line: Line) -> list[str]:
    places = set(line.evidence)
    requests = sorted(case.inputs.facts.requests, key=lambda r: r.id)
    return [_request(case, one) for one in requests if str(one.where) in places]


def _request(case: Case, request: Request) -> str:
    times = {
        "requested": request.requested_ns,
        "validated": request.validated_ns,
        "notified": request.notified_ns,
        "done": request.done_ns,
    }
    sites = {pas.id: pas.timezone for pas in case.inputs.configuration.pas}
    zone = case.inputs.zones.get(sites.get(request.pas, ""), case.zone)
    told = [
        f"{word} {local(ns, zone).isoformat(timespec='seconds')}"
        for word, ns in times.items()
        if ns is not None
    ]
    return f"{request.where} {request.id}: {request.outcome}, " + ", ".join(told)


def explanation_object(explanation: Explanation) -> dict[str, Any]:
    """For machines; the line's keys are those of `sla evaluate --json`, and more."""
    line = explanation.line
    return {
        "number": line.number,
        **line_object(line),
        "formula": line.formula,
        "notes": list(line.notes),
        "source": line.source,
        "coverage": optional_text(line.coverage),
        "reading_texts": dict(explanation.readings),
        "counters": [
            {name: getattr(one, name) for name in DayCounters.__slots__}
            for one in explanation.counters
        ],
        "tickets": [
            {
                **{name: getattr(one, name) for name in TicketTime.__slots__},
                "counted": list(one.counted),
            }
            for one in explanation.tickets
        ],
        "requests": list(explanation.requests),
        "worst_trains": [
            {
                **{name: getattr(one, name) for name in WorstTrain.__slots__},
                "reasons": list(one.reasons),
            }
            for one in explanation.trains
        ],
    }


def explanation_text(explanation: Explanation) -> list[str]:
    """The same for people, a line each."""
    line = explanation.line
    where = " - ".join(filter(None, (line.pas, line.peer))) or line.service
    about = ", ".join(filter(None, (line.level, line.severity, line.event)))
    told = [
        f"Line {line.number}: {line.service}, {explanation.parameter}, {where}"
        + (f" ({about})" if about else ""),
        f"  {line.status.value}: {figure(line)}",
        f"  {line.formula or 'no penalty'}",
        f"  clause {line.clause}; figures from a {line.source} record"
        + ("" if line.coverage is None else f"; coverage {in_words(line.coverage, 2)} %"),
    ]
    told += [f"  note: {note}" for note in line.notes]
    for day in explanation.counters:
        within = "-" if day.within_limit is None else str(day.within_limit)
        trains = f", {day.valid} of {day.planned} trains valid" if day.planned else ""
        told.append(
            f"  {day.day or 'whole period'} {day.where}: sent {day.sent}, received "
            f"{day.received}, within the limit {within}{trains}"
        )
    for ticket in explanation.tickets:
        told.append(
            f"  {ticket.where} {ticket.id} ({ticket.severity}): opened {ticket.opened}, reported "
            f"{ticket.reported or '-'}, restored {ticket.restored or '-'}, "
            f"closed {ticket.closed or '-'}; {ticket.cause}"
        )
        told += [f"    counts {stretch}" for stretch in ticket.counted]
        if ticket.counted:
            told.append(f"    together {duration(ticket.counted_ns)}")
    told += [f"  {request}" for request in explanation.requests]
    told += [
        f"  worst train {train.start} {train.path}: sent {train.sent}, received {train.received}, "
        f"slowest {train.slowest_ms or '-'} ms"
        + (f" ({', '.join(train.reasons)})" if train.reasons else "")
        for train in explanation.trains
    ]
    told += [f"  reading {number}: {text}" for number, text in explanation.readings.items()]
    return told


def figure(line: Line) -> str:
    """Value, limit and deviation in words."""
    if line.measured is None:
        return "no value"
    unit = "%" if line.unit == "percent" else line.unit
    told = f"{in_words(line.measured)} {unit}"
    if line.limit is not None:
        told += f", limit {line.limit} {unit}"
    if line.deviation:
        told += f", {in_words(line.deviation)} beyond it"
    return told
