"""Requests with a time limit: each one that was answered in the period is a line (reading E6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

from analysis.catalogue_types import LimitRow, Parameter, Service
from analysis.errors import ContractError, ContractProblem
from analysis.evaluation.case import Case
from analysis.evaluation.contract import Holding
from analysis.evaluation.writing import (
    Entity,
    Finding,
    Terms,
    notes_of,
    nothing,
    places,
    write,
)
from analysis.facts import Request
from analysis.lines import Line
from analysis.rules.requests import (
    request_days,
    request_hours,
    request_hours_days,
    request_quarter_hours,
)
from analysis.rules.time_limits import Excess, Timetable
from inventory.services import Window

VALIDATION = "policy-validation-time"
IMPLEMENTATION = "policy-implementation-time"


@dataclass(frozen=True, slots=True)
class Stretch:
    """The part of a request that a parameter judges."""

    request: Request
    begin_ns: int | None
    """None: it has not begun (a rule that is not validated yet)."""
    end_ns: int | None
    """None: it goes on."""
    notes: tuple[str, ...] = ()


def request_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """A line each request whose time ended in the period (reading E8)."""
    empty = True
    for stretch in stretches(case, service, parameter):
        holding, zone = _place(case, service, stretch.request)
        if stretch.begin_ns is not None and case.holds(stretch.end_ns, zone):
            empty = False
            yield _line(case, service, parameter, stretch, holding)
    if empty:
        yield write(
            case,
            service,
            parameter,
            Entity(),
            nothing("", None, "manual", "no request was answered in the period"),
            Terms(None, None),
        )


def stretches(case: Case, service: Service, parameter: Parameter) -> list[Stretch]:
    """What a parameter judges of each request, by id.

    One row is a security rule: its receipt to its validation (or to the notice of its rejection) is
    judged by one parameter, what follows by the other. Of other kinds a rejected request is not
    judged: nothing was to be done.
    """
    found = []
    for request in sorted(case.inputs.facts.requests, key=lambda r: r.id):
        if request.service != service.id:
            continue
        stretch = _stretch(request, parameter.id)
        if stretch is not None:
            found.append(stretch)
    return found


def _stretch(request: Request, parameter: str) -> Stretch | None:
    rejected = request.outcome == "rejected"
    if parameter == VALIDATION and request.kind in (VALIDATION, IMPLEMENTATION):
        ends = [request.validated_ns, request.done_ns if request.kind == VALIDATION else None]
        notes = ("rejected: the notice ends the validation",) if rejected else ()
        if rejected:
            ends = [request.notified_ns, *ends, request.done_ns]
        end = next((ns for ns in ends if ns is not None), None)
        return Stretch(request, request.requested_ns, end, notes)
    if request.kind != parameter or rejected:
        return None
    if parameter == IMPLEMENTATION:
        return Stretch(request, request.validated_ns, request.done_ns)
    return Stretch(request, request.requested_ns, request.done_ns)


def _place(case: Case, service: Service, request: Request) -> tuple[Holding | None, tzinfo]:
    """The holding and the zone whose period a request belongs to."""
    holding = case.contract.at(service.id, request.pas) or case.contract.at(service.id, "")
    if request.pas:
        site = case.sites.get(request.pas)
        if site is not None:
            return holding, case.inputs.zones[site.timezone]
    return holding, case.zone if holding is None else holding.zone


def _timetable(
    case: Case, service: Service, holding: Holding | None, stretch: Stretch
) -> Timetable:
    """Window of the PAS and working days of its country (readings B1, B9)."""
    _, zone = _place(case, service, stretch.request)
    site = case.sites.get(stretch.request.pas)
    country = case.contract.country if site is None else site.country
    return case.timetable(_window(case, service, holding, stretch), zone, country)


def _window(case: Case, service: Service, holding: Holding | None, stretch: Stretch) -> Window:
    if holding is not None:
        day = case.day(stretch.request.requested_ns, holding.zone)
        return holding.nearest_term(day).window
    windows: set[Window] = {
        entry.window  # of a PAS whose service has ended
        for pas in filter(None, [case.sites.get(stretch.request.pas)])
        for entry in pas.services
        if entry.id == service.id and entry.window
    }
    windows = windows or {t.window for h in case.contract.of(service.id) for t in h.terms}
    if len(windows) == 1:
        return windows.pop()
    raise ContractError(
        (
            ContractProblem(
                f"{stretch.request.where}, request {stretch.request.id}",
                f"names no PAS, and the PAS of {service.id} differ in their delivery window",
                "name the PAS",
            ),
        )
    )


def _line(
    case: Case, service: Service, parameter: Parameter, stretch: Stretch, holding: Holding | None
) -> Line:
    request = stretch.request
    limit = parameter.limit_for(options=case.contract.options)
    row = parameter.penalty_for(options=case.contract.options)
    if limit is None or stretch.begin_ns is None or stretch.end_ns is None:
        raise ValueError(f"{parameter.id}: a request without a limit or an end cannot be judged")
    timetable = _timetable(case, service, holding, stretch)
    begin, end = stretch.begin_ns, stretch.end_ns
    excess = _excess(case, parameter, begin, end, timetable, limit)
    notes = list(stretch.notes)
    if excess.late and not excess.units:
        notes.append(f"late by less than one {excess.per.replace('-', ' ')}, so it costs nothing")
    if request.operation:
        notes.append(request.operation)
    finding = Finding(
        measured=excess.measured,
        limit=excess.limit,
        unit=excess.unit,
        deviation=excess.excess,
        count=excess.units,
        late=excess.late,
        source="manual",
        evidence=places([request.where]),
        notes=(*notes, *notes_of([] if holding is None else [holding])),
        readings=("E11",) if limit.when.get("option") else (),
    )
    charged = holding.charged if holding is not None else case.contract.is_charged(service.id)
    terms = Terms(row, case.contract.total(service.id), charged)
    entity = Entity(pas=request.pas, event=request.id)
    return write(case, service, parameter, entity, finding, terms, limit)


def _excess(
    case: Case,
    parameter: Parameter,
    begin_ns: int,
    end_ns: int,
    timetable: Timetable,
    limit: LimitRow,
) -> Excess:
    match parameter.rule:
        case "request-hours":
            return request_hours(begin_ns, end_ns, timetable, limit.value)
        case "request-quarter-hours":
            b8 = case.inputs.readings["B8"]
            return request_quarter_hours(begin_ns, end_ns, timetable, limit.value, b8)
        case "request-days":
            return request_days(begin_ns, end_ns, timetable, limit.value)
        case "request-hours-days":
            return request_hours_days(begin_ns, end_ns, timetable, limit.value)
    raise ValueError(f"{parameter.rule} is no rule for requests")
