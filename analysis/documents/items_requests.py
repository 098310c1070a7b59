"""Items about requests (richieste): what came in, what was done, what was not and why."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from analysis.catalogue_rows import ReportItem, Service
from analysis.documents import words
from analysis.documents.content import Cell, Column, Moment, Number, Table, Text, msg
from analysis.documents.material import Material, parameter_name
from analysis.documents.parts import Parts, no_rows, trimmed
from analysis.facts import Request
from inventory.clocks import add_months, local

_COLUMNS = (
    Column("request", msg("request")),
    words.PARAMETER,
    Column("operation", msg("operation")),
    words.PAS,
    Column("requested", msg("received")),
    Column("validated", msg("validated")),
    Column("notified", msg("notified")),
    Column("done", msg("implemented")),
    Column("outcome", msg("outcome")),
    Column("reason", msg("reason")),
    Column("record", msg("record")),
)
_ONE_ROW = {"policy-validation-time": "policy-implementation-time"}
"""A security rule is one row of kind policy-implementation-time, judged for both."""


def requests_item(material: Material, service: Service, item: ReportItem) -> Parts:
    """`requests:<parameter>,...`: received, implemented, not implemented with the reason."""
    kinds = {_ONE_ROW.get(parameter, parameter) for parameter in item.about}
    found = [
        request
        for request in material.requests(service.id, kinds)
        if not item.operations or request.operation in item.operations
    ]
    if not found:
        return no_rows("requests.csv", material.inputs.facts.requests)
    table = Table(
        "requests",
        msg("Requests that were under way in the period. Times are local to the PAS."),
        _COLUMNS,
        tuple(_row(material, request, several=len(kinds) > 1) for request in found),
    )
    counts = {outcome: sum(r.outcome == outcome for r in found) for outcome in words.OUTCOME}
    note = msg(
        "Received: {all}. Implemented: {done}. Not implemented: {rejected} rejected, {pending}"
        " pending.",
        all=len(found),
        done=counts["done"],
        rejected=counts["rejected"],
        pending=counts["pending"],
    )
    return Parts((trimmed(table, frozenset({"outcome", "reason"})),), notes=(note,))


def _row(material: Material, request: Request, *, several: bool) -> tuple[Cell, ...]:
    zone = material.zone_of(request.pas)

    def at(ns: int | None) -> Moment | None:
        return None if ns is None else Moment(ns, zone)

    return (
        request.id,
        _kind(material, request) if several else None,
        request.operation,
        request.pas,
        at(request.requested_ns),
        at(request.validated_ns),
        at(request.notified_ns),
        at(request.done_ns),
        words.OUTCOME[request.outcome],
        request.reason,
        str(request.where),
    )


def _kind(material: Material, request: Request) -> Text:
    service = material.inputs.catalogue.service(request.service)
    parameter = None if service is None else service.parameter(request.kind)
    return parameter_name(parameter, request.kind)


def interventions(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`interventions`: provisioning with its due date inside the period, by kind (8.2.3, 8.2.4)."""
    rows: list[tuple[Cell, ...]] = []
    for parameter in service.parameters:
        if parameter.rule != "provisioning-months":
            continue
        for request in material.inputs.facts.requests:
            if request.kind != parameter.id:
                continue
            zone = material.zone_of(request.pas)
            asked = local(request.requested_ns, zone).date()
            limit = parameter.limit_for(bandwidth_mbps=request.bandwidth_mbps)
            due = None if limit is None else add_months(asked, int(limit.value))
            delivered = None if request.done_ns is None else local(request.done_ns, zone).date()
            if not _due_here(material, due, asked):
                continue
            rows.append(
                (
                    request.id,
                    parameter_name(parameter, parameter.id),
                    request.pas,
                    _mbps(request),
                    asked,
                    due or msg("no limit defined"),
                    delivered,
                    words.OUTCOME[request.outcome],
                    request.reason,
                    str(request.where),
                )
            )
    if not rows:
        return no_rows("requests.csv", material.inputs.facts.requests)
    table = Table(
        "interventions",
        msg("Interventions by kind, with the date due and the date of delivery."),
        (
            Column("request", msg("request")),
            Column("kind", msg("kind")),
            words.PAS,
            Column("bandwidth", msg("bandwidth"), numeric=True),
            Column("requested", msg("requested on")),
            Column("due", msg("due on")),
            Column("delivered", msg("delivered on")),
            Column("outcome", msg("outcome")),
            Column("reason", msg("reason")),
            Column("record", msg("record")),
        ),
        tuple(rows),
    )
    return Parts((trimmed(table, frozenset({"due", "delivered"})),))


def _due_here(material: Material, due: date | None, asked: date) -> bool:
    """In the period of its due date (reading F9); without a limit, in that of the request."""
    day = due or asked
    return material.period.begin <= day < material.period.end


def _mbps(request: Request) -> Number | None:
    if request.bandwidth_mbps is None:
        return None
    return Number(Fraction(request.bandwidth_mbps), "mbps")
