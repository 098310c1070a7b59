"""Things that are counted: calls, messages, the call centre, use of guaranteed bandwidth."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from analysis.catalogue_types import Parameter, Service
from analysis.evaluation.case import Case
from analysis.evaluation.contract import Holding
from analysis.evaluation.packets import in_words
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
from analysis.facts import ContactCentreRow, Ticket, UsageRow
from analysis.lines import Line
from analysis.rules.contact_centre import (
    lost_share,
    markup_points,
    response_time,
    waiting_events,
)
from analysis.rules.penalty import charge
from analysis.rules.shares import Share, delivery_share, overrun, success_rate


def share_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """Calls that went through, or messages in time: one line for the service (A6)."""
    share, where, counted = (
        calls_share(case, service.id)
        if parameter.rule == "success-rate"
        else messages_share(case, service.id)
    )
    limit, row = parameter.limit_for(), parameter.penalty_for()
    target = None
    if parameter.rule == "delivery-share" and limit is not None:
        counted += f" within {limit.value} {limit.unit}"
    if limit is not None:
        target = limit.value if parameter.rule == "success-rate" else limit.target_share
    holdings = case.contract.of(service.id)
    measured = share.percent
    if measured is None or target is None:
        finding = nothing("percent", target, "system", counted)
    else:
        finding = at_least(
            case, measured, target, row, "system",
            evidence=where,
            notes=(counted, *notes_of(holdings)),
            readings=("E5",) if service.id == "unified-messaging" else (),
        )  # fmt: skip
    terms = Terms(row, case.contract.total(service.id), case.contract.is_charged(service.id))
    yield write(case, service, parameter, Entity(), finding, terms, limit)


def calls_share(case: Case, service: str) -> tuple[Share, tuple[str, ...], str]:
    """Successes of all attempts in the period, their rows, and both in words (D12)."""
    rows = [
        row
        for row in case.inputs.facts.calls
        if row.service == service and case.holds(row.start_ns, case.zone)
    ]
    share = success_rate(sum(r.attempts for r in rows), sum(r.successes for r in rows))
    told = f"{share.part} of {share.whole} attempts succeeded"
    return share, places(row.where for row in rows), told


def messages_share(case: Case, service: str) -> tuple[Share, tuple[str, ...], str]:
    """Messages in time of all in the period, their rows, and both in words (D13)."""
    rows = [
        row
        for row in case.inputs.facts.messages
        if row.service == service and case.holds(row.start_ns, case.zone)
    ]
    share = delivery_share(sum(r.messages for r in rows), sum(r.within_limit for r in rows))
    return share, places(r.where for r in rows), f"{share.part} of {share.whole} messages"


def lost_calls_share(case: Case) -> Share:
    """Lost calls of all attempts in the period (F2)."""
    rows = _contact_centre(case)
    return lost_share(sum(r.attempts for r in rows), sum(r.lost for r in rows))


def waiting_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """Calls that waited too long, each one an event in euro (line 575); one line for all."""
    rows = _contact_centre(case)
    limit, row = parameter.limit_for(), parameter.penalty_for()
    finding = nothing("calls", Decimal(0), "system", "no calls on record")
    if rows:
        late = waiting_events(sum(r.late for r in rows), sum(r.lost for r in rows))
        longer = "" if limit is None else f" waited more than {limit.value} {limit.unit}"
        finding = Finding(
            measured=Fraction(late),
            limit=Decimal(0),
            unit="calls",
            deviation=Fraction(late),
            count=late,
            late=late > 0,
            source="system",
            evidence=places(r.where for r in rows),
            notes=(f"{late} of {sum(r.attempts for r in rows)} calls{longer}",),
        )
    terms = Terms(row, None, case.contract.is_charged(service.id))
    yield write(case, service, parameter, Entity(), finding, terms, limit)


def lost_call_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """Lost calls, which mark up the penalty for waiting and nothing else (line 576; F3)."""
    rows = _contact_centre(case)
    limit, row = parameter.limit_for(), parameter.penalty_for()
    if limit is None or row is None:
        raise ValueError(f"{parameter.id} has no limit or no markup in the catalogue")
    share = lost_calls_share(case)
    measured = share.percent
    if measured is None:
        finding = nothing("percent", limit.value, "system", "no calls on record")
    else:
        finding = Finding(
            measured=measured,
            limit=limit.value,
            unit="percent",
            deviation=overrun(measured, limit.value),
            count=markup_points(share, limit.value, row.step, case.inputs.readings["A2"]),
            late=overrun(measured, limit.value) > 0,
            source="system",
            evidence=places(r.where for r in rows),
            notes=(f"{share.part} of {share.whole} attempts lost",),
        )
    waiting = service.parameter("waiting-time")
    euro = Decimal("0.00")
    if waiting is not None and (each := waiting.penalty_for()) is not None and rows:
        late = waiting_events(sum(r.late for r in rows), sum(r.lost for r in rows))
        euro = charge(late, each, None).euro
    terms = Terms(row, euro, case.contract.is_charged(service.id))
    yield write(case, service, parameter, Entity(), finding, terms, limit)


def _contact_centre(case: Case) -> list[ContactCentreRow]:
    return [r for r in case.inputs.facts.contact_centre if case.holds(r.start_ns, case.zone)]


def response_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """A line each ticket of the administration that was answered in the period (line 577)."""
    limit = parameter.limit_for()
    row = parameter.penalty_for(options=case.contract.options)
    if limit is None:
        raise ValueError(f"{parameter.id} has no limit in the catalogue")
    empty = True
    timetable = case.timetable("extended", case.zone, case.contract.country)
    for ticket in sorted(case.inputs.facts.tickets, key=lambda t: t.id):
        if ticket.responded_ns is None or not case.holds(ticket.responded_ns, case.zone):
            continue
        empty = False
        begin = _reported(ticket)
        excess = response_time(begin, ticket.responded_ns, timetable, limit.value)
        finding = Finding(
            measured=excess.measured,
            limit=excess.limit,
            unit=excess.unit,
            deviation=excess.excess,
            count=excess.units,
            late=excess.late,
            source="manual",
            evidence=places([ticket.where]),
            notes=("about " + ", ".join(ticket.services),),
        )
        terms = Terms(row, None, case.contract.is_charged(service.id))
        entity = Entity(severity=ticket.severity, event=ticket.id)
        yield write(case, service, parameter, entity, finding, terms, limit)
    if empty:
        finding = nothing("minutes", limit.value, "manual", "no outage was answered in the period")
        yield write(case, service, parameter, Entity(), finding, Terms(None, None), limit)


def _reported(ticket: Ticket) -> int:
    return ticket.opened_ns if ticket.reported_ns is None else ticket.reported_ns


def bandwidth_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """Guaranteed bandwidth: its use, with no limit and no penalty of its own (D10)."""
    used: dict[str, list[UsageRow]] = {}
    for row in case.inputs.facts.usage:
        if row.service == service.id:
            used.setdefault(row.pas, []).append(row)
    for holding in case.contract.of(service.id):
        rows = [r for r in used.get(holding.pas, ()) if case.holds(r.start_ns, holding.zone)]
        yield write(
            case,
            service,
            parameter,
            Entity(pas=holding.pas),
            _usage(holding, rows),
            Terms(None, None),
        )


def _usage(holding: Holding, rows: list[UsageRow]) -> Finding:
    told = "no limit of its own: delay and loss are judged (D10)"
    if not rows:
        return nothing("percent", None, "system", told)
    length = sum(row.end_ns - row.start_ns for row in rows)
    used = sum(
        (max(Fraction(r.in_percent), Fraction(r.out_percent)) * (r.end_ns - r.start_ns))
        for r in rows
    )
    busiest = max(max(row.in_percent, row.out_percent) for row in rows)
    return Finding(
        measured=Fraction(used) / length if length else Fraction(busiest),
        limit=None,
        unit="percent",
        deviation=None,
        count=None,
        late=False,
        source="system",
        evidence=places(row.where for row in rows)[:1],
        notes=(
            told,
            f"mean use of the busier direction; busiest row {in_words(Fraction(busiest))} %",
            *notes_of([holding]),
        ),
    )
