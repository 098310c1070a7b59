"""What a reader of the figures has to know: missing data cost nothing, so they are loud here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from analysis.evaluation.case import Case, left_out, without
from analysis.evaluation.measurement_warnings import measurement_warnings, span, zone_of
from analysis.evaluation.packets import in_words
from analysis.evaluation.requests import stretches
from analysis.facts import Ticket
from analysis.lines import Line, Status, Warning  # noqa: A004 (the contract's word)
from inventory.clocks import Interval, local, total_ns


def warnings_of(case: Case, lines: Sequence[Line]) -> tuple[Warning, ...]:
    """All of them, by code and text, each once."""
    found = [
        *_contract(case),
        *_not_over(case),
        *_no_tickets(case),
        *_exclusions(case),
        *measurement_warnings(case, lines),
        *_tickets(case),
        *_requests(case),
        *_orders(lines),
        *_in_several_pairs(lines),
        *_above_their_base(case, lines),
        *_findings_without_action(case, lines),
    ]
    return tuple(sorted(set(found), key=lambda w: (w.code, w.service, w.pas, w.text)))


def _contract(case: Case) -> Iterator[Warning]:
    for service, holdings in case.contract.holdings.items():
        for holding in holdings:
            for note in holding.notes:
                code = "ended" if note.startswith("ends on") else "contract-changes"
                yield Warning(code, note, service, holding.pas)
            if not holding.charged:
                text = f"started on {holding.since}: no penalties in this period (G4, G5)"
                yield Warning("not-charged-yet", text, service, holding.pas)
        whole = case.inputs.catalogue.service(service)
        overall = whole is not None and any(
            p.rule == "overall-availability" for p in whole.parameters
        )
        if overall and holdings[0].units is None:
            text = "units is not set, so an outage of some counts as one of all"
            yield Warning("units-missing", text, service)
    listed = case.inputs.configuration.contract
    for row in listed.services if listed else ():
        entry = case.inputs.catalogue.service(row.id)
        if entry is not None and entry.fee_of and row.fee is not None:
            text = (
                f"its fee of {row.fee} EUR is ignored: the annex charges on that of {entry.fee_of}"
            )
            yield Warning("fee-ignored", text, row.id)


def _not_over(case: Case) -> Iterator[Warning]:
    if case.inputs.as_of_ns < case.bounds(case.zone)[1]:
        day = case.day(case.inputs.as_of_ns, case.zone)
        text = f"{case.period} ends on {case.period.end - timedelta(days=1)}: figures as of {day}"
        yield Warning("not-over", text)


def _no_tickets(case: Case) -> Iterator[Warning]:
    rules = {
        parameter.rule
        for service in case.inputs.catalogue.services
        if case.contract.of(service.id)
        for parameter in service.parameters
    }
    if not case.inputs.facts.tickets and any(rule.endswith("availability") for rule in rules):
        yield Warning("no-tickets", "no ticket on record: availability is full for want of any")


def _exclusions(case: Case) -> Iterator[Warning]:
    for exclusion in case.inputs.facts.exclusions:
        zone = zone_of(case, exclusion.service, exclusion.pas)
        begin, end = case.bounds(zone)
        if exclusion.end_ns <= begin or exclusion.start_ns >= end:
            continue
        when = span(exclusion.start_ns, exclusion.end_ns, zone)
        text = f"{exclusion.id}: {when} does not count, {exclusion.reason} "
        text += f"(agreed by {exclusion.agreed_by})"
        yield Warning("exclusion", text, exclusion.service, exclusion.pas)
    known: dict[tuple[str, str, str], list[Interval]] = {}
    for row in case.inputs.facts.traffic:
        direction = (row.service, row.pas, row.peer)
        if direction not in known:
            known[direction] = left_out(case.inputs, *direction)
        cuts = known[direction]
        left = total_ns(without([(row.start_ns, row.end_ns)], cuts)) if cuts else None
        if left is not None and 0 < left < row.end_ns - row.start_ns:
            text = f"{row.where} lies partly in time that does not count; a row cannot be cut"
            yield Warning("row-not-cut", text, row.service, row.pas)


def _tickets(case: Case) -> Iterator[Warning]:
    for service, tickets in case.tickets.items():
        if not case.contract.of(service):
            continue
        for ticket in tickets:
            yield from _ticket(case, service, ticket)


def _ticket(case: Case, service: str, ticket: Ticket) -> Iterator[Warning]:
    hit = case.hit(ticket, service)
    zone = hit[0].zone if hit else case.zone
    begin, end = case.bounds(zone)
    last = min(end, case.inputs.as_of_ns)
    closed = ticket.closed_ns
    if ticket.opened_ns >= last or (closed is not None and closed < begin):
        return
    pas = ticket.pas[0] if len(ticket.pas) == 1 else ""
    if not hit:
        text = f"ticket {ticket.id}: no PAS that it names has this service in the period"
        yield Warning("ticket-outside-contract", text, service, pas)
        return
    if closed is None or closed >= end or closed > case.inputs.as_of_ns:
        since = local(ticket.opened_ns, zone).isoformat(timespec="minutes")
        text = f"ticket {ticket.id}, open since {since}, is charged in the period of its closure"
        yield Warning("pending-ticket", f"{text} (E8)", service, pas)
    sides = {ticket.severity_provider, ticket.severity_administration} - {None}
    if len(sides) == 2:
        text = f"ticket {ticket.id}: the provider says {ticket.severity_provider}, the "
        text += f"administration {ticket.severity_administration}; {ticket.severity} counts (C8)"
        yield Warning("severity-disputed", text, service, pas)


def _requests(case: Case) -> Iterator[Warning]:
    begin, end = case.bounds(case.zone)
    last = min(end, case.inputs.as_of_ns)
    for service in case.inputs.catalogue.services:
        if not case.contract.of(service.id):
            continue
        for parameter in service.parameters:
            if not parameter.rule.startswith("request-"):
                continue
            for stretch in stretches(case, service, parameter):
                request = stretch.request
                over = stretch.end_ns is not None and stretch.end_ns < last
                if request.requested_ns < last and not over:
                    text = f"{request.id} ({parameter.id}) is charged when it is answered (E8)"
                    yield Warning("pending-request", text, service.id, request.pas)
    for request in case.inputs.facts.requests:
        if request.outcome == "rejected" and case.contract.of(request.service):
            told = request.notified_ns or request.done_ns or request.requested_ns
            if begin <= told < end:
                text = (
                    f"{request.id} ({request.kind}) was rejected: {request.reason or 'no reason'}"
                )
                yield Warning("request-rejected", text, request.service, request.pas)


def _orders(lines: Sequence[Line]) -> Iterator[Warning]:
    for line in lines:
        if line.service != "provisioning" or not line.event:
            continue
        if line.status is Status.NO_DATA:
            text = f"{line.event} ({line.parameter}): {'; '.join(line.notes)}"
            yield Warning("bandwidth-gap", text, line.service, line.pas)
        elif not line.pas:
            text = f"{line.event} ({line.parameter}) names no PAS: late or not, it costs nothing"
            yield Warning("order-without-pas", text, line.service)


def _in_several_pairs(lines: Sequence[Line]) -> Iterator[Warning]:
    """A PAS weighs in each of its pairs, so its fee can be exceeded (D6)."""
    pairs: dict[tuple[str, str, str], int] = {}
    for line in lines:
        for pas in (line.pas, line.peer) if line.basis == "pair" and line.penalty_eur else ():
            key = line.service, pas, line.parameter
            pairs[key] = pairs.get(key, 0) + 1
    for (service, pas, parameter), count in pairs.items():
        if count > 1:
            text = f"{parameter}: its fee is in the base of {count} pairs that cost (D6)"
            yield Warning("several-pairs", text, service, pas)


def _above_their_base(case: Case, lines: Sequence[Line]) -> Iterator[Warning]:
    """More than what it is charged on: there is no cap in the annex (G1)."""
    sums: dict[tuple[str, str], Decimal] = {}
    for line in lines:
        if (
            line.penalty_percent is not None
            and line.penalty_percent > 100
            and line.basis != ("waiting-time")
        ):
            where = f" of {line.event}" if line.event else ""
            text = f"line {line.number}, {line.parameter}{where}: "
            text += f"{in_words(Fraction(line.penalty_percent))} % of its base"
            yield Warning("above-100-percent", text, line.service, line.pas)
        for pas in {"", line.pas} if line.basis in ("pas", "pair") else {""}:
            key = line.service, pas
            sums[key] = sums.get(key, Decimal(0)) + line.penalty_eur
    for (service, pas), euro in sorted(sums.items()):
        holding = case.contract.at(service, pas) if pas else None
        fee = case.contract.total(service) if holding is None else holding.base
        if fee and euro > fee and service not in ("call-center", "provisioning", "reporting"):
            text = f"penalties of {euro} EUR exceed the fee of {fee} EUR"
            yield Warning("above-100-percent", text, service, pas)


def _findings_without_action(case: Case, lines: Sequence[Line]) -> Iterator[Warning]:
    """The monthly report has to say what is done about each finding (R-2-7, line 137)."""
    if case.charges:
        return
    actions = [
        (action.service, action.finding.casefold())
        for action in case.inputs.facts.actions
        if action.month == case.period.text
    ]
    for line in lines:
        if line.status is not Status.NOT_MET:
            continue
        names = [name.casefold() for name in (line.parameter, line.event) if name]
        if any(
            service in ("", line.service) and any(name in finding for name in names)
            for service, finding in actions
        ):
            continue
        about = " ".join(filter(None, (line.parameter, line.pas, line.peer, line.event)))
        text = f"{about}: not met, and actions.csv has no action for {case.period} (R-2-7)"
        yield Warning("finding-without-action", text, line.service, line.pas)
