"""Provisioning and moves (8.2), and the delivery of reports (8.3): what has a due date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, tzinfo
from decimal import Decimal
from fractions import Fraction

from analysis.catalogue_types import LimitRow, Parameter, Service
from analysis.evaluation.case import Case
from analysis.evaluation.contract import all_services_fee
from analysis.evaluation.writing import Entity, Finding, Terms, nothing, places, write
from analysis.facts import Delivery, Request
from analysis.lines import Line
from analysis.rules.provisioning import due_date, is_listed, provisioning_delay
from analysis.rules.report_deadline import DueReport, lateness, reports_due


def provisioning_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """A line each order that falls due in the period, or is late in it (lines 605, 607; F9)."""
    empty = True
    for request in sorted(case.inputs.facts.requests, key=lambda r: r.id):
        if request.kind != parameter.id or request.outcome == "rejected":
            continue
        line = _order_line(case, service, parameter, request)
        if line is not None:
            empty = False
            yield line
    if empty:
        finding = nothing("solar-days", None, "manual", "no order falls due in the period")
        yield write(case, service, parameter, Entity(), finding, Terms(None, None))


def order_due(case: Case, parameter: Parameter, request: Request) -> date | None:
    """The last day in time; None where the annex has no limit for the bandwidth (F5)."""
    limit = parameter.limit_for(bandwidth_mbps=request.bandwidth_mbps)
    if limit is None:
        return None
    return due_date(case.day(request.requested_ns, _zone(case, request)), limit.value)


def _zone(case: Case, request: Request) -> tzinfo:
    site = case.sites.get(request.pas)
    return case.zone if site is None else case.inputs.zones[site.timezone]


def _order_line(
    case: Case, service: Service, parameter: Parameter, request: Request
) -> Line | None:
    zone = _zone(case, request)
    limit = parameter.limit_for(bandwidth_mbps=request.bandwidth_mbps)
    row = parameter.penalty_for(bandwidth_mbps=request.bandwidth_mbps)
    requested = case.day(request.requested_ns, zone)
    entity = Entity(pas=request.pas, event=request.id)
    if limit is None:
        if not case.holds(request.requested_ns, zone):
            return None
        told = "no limit is defined for this bandwidth (F5)"
        finding = nothing("solar-days", None, "manual", told)
        return write(case, service, parameter, entity, finding, Terms(None, None))
    due = due_date(requested, limit.value)
    done = None
    if request.outcome == "done" and request.done_ns is not None:
        done = case.day(request.done_ns, zone)
    as_of = case.day(case.inputs.as_of_ns, zone)
    f9 = case.inputs.readings["F9"]
    delay = provisioning_delay(due, done, case.period, as_of, f9)
    if not is_listed(due, case.period) and not delay.charged_days:
        return None
    if done is None and due >= as_of:
        return None  # still in time
    last = as_of if done is None else min(done, as_of)
    notes = [f"due {due}, {_months(limit)} after the request"]
    notes.append("not delivered yet" if done is None else f"delivered {done}")
    if delay.total_days != delay.charged_days:
        notes.append(f"{delay.charged_days} of {delay.total_days} days late lie in this period")
    base = None
    if request.pas:
        base = all_services_fee(case.inputs.configuration, request.pas, due)
    else:
        notes.append("the order names no PAS, so there is no value to charge on (F6)")
    finding = Finding(
        measured=Fraction((last - requested).days),
        limit=Decimal((due - requested).days),
        unit="solar-days",
        deviation=Fraction(delay.total_days),
        count=delay.charged_days,
        late=delay.total_days > 0,
        source="manual",
        evidence=places([request.where]),
        notes=tuple(notes),
    )
    terms = Terms(row, base, case.contract.is_charged(service.id))
    return write(case, service, parameter, entity, finding, terms, limit)


def _months(limit: LimitRow) -> str:
    return f"{limit.value} month{'' if limit.value == 1 else 's'}"


def report_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """A line each report that fell due in the period; a late one costs once (reading F8)."""
    kind = "technical" if parameter.id.startswith("technical") else "contractual"
    start = reporting_start(case)
    as_of = case.day(case.inputs.as_of_ns, case.zone)
    empty = True
    for report in reports_due(case.period, start):
        if report.kind == kind and report.due <= as_of:
            empty = False
            yield _report_line(case, service, parameter, report, as_of)
    if empty:
        finding = nothing("working-days", Decimal(0), "manual", "no report falls due in the period")
        yield write(case, service, parameter, Entity(), finding, Terms(None, None))


def reporting_start(case: Case) -> date:
    """What reports are about begins with the first service, and not before reporting itself."""
    reporting = [h.since for h in case.contract.of("reporting")]
    others = [
        h.since
        for service, holdings in case.contract.holdings.items()
        for h in holdings
        if service != "reporting"
    ]
    first = min(others, default=min(reporting))
    return max(first, min(reporting))


def delivery_of(case: Case, report: DueReport) -> Delivery | None:
    """When a report was handed over first."""
    found = [
        d
        for d in case.inputs.facts.deliveries
        if d.report == report.kind and d.period == report.about.text
    ]
    return min(found, key=lambda d: (d.delivered_ns, d.where.file, d.where.line), default=None)


def _report_line(
    case: Case, service: Service, parameter: Parameter, report: DueReport, as_of: date
) -> Line:
    limit, row = parameter.limit_for(), parameter.penalty_for()
    delivery = delivery_of(case, report)
    delivered = None if delivery is None else case.day(delivery.delivered_ns, case.zone)
    calendar = case.inputs.calendars[case.contract.country]
    late = lateness(report.due, delivered, as_of, calendar, case.inputs.readings["F8"])
    told = f"due {report.due}, "
    told += f"delivered {delivered}" if late.delivered else f"not delivered by {as_of}"
    finding = Finding(
        measured=Fraction(late.days),
        limit=Decimal(0),
        unit=late.unit,
        deviation=Fraction(late.days),
        count=late.days,
        late=late.late,
        source="manual",
        evidence=() if delivery is None else places([delivery.where]),
        notes=(told,),
    )
    terms = Terms(row, None, case.contract.is_charged(service.id))
    return write(case, service, parameter, Entity(event=report.about.text), finding, terms, limit)
