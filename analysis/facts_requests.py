"""Requests (richieste) with a time limit from CSV; `kind` is the parameter that judges them.

A new rule of a security service is one row, of kind `policy-implementation-time`: its validation
and its implementation are judged from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.catalogue_rows import Rule
from analysis.errors import FactProblem
from analysis.facts import Outcome, Request
from analysis.facts_cells import Row, shown
from analysis.facts_contract import Known
from analysis.facts_csv import read_rows
from inventory.checks import nearest
from inventory.services import SERVICES

COLUMNS = (
    "id", "service", "kind", "pas", "requested_at", "validated_at", "done_at", "outcome", "reason",
    "bandwidth_mbps",
)  # fmt: skip
OPTIONAL = ("notified_at", "operation")
RULES: tuple[Rule, ...] = (
    "request-hours", "request-quarter-hours", "request-days", "request-hours-days",
    "provisioning-months",
)  # fmt: skip
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "account-operation-time": ("activation", "deactivation", "block", "password-reset"),
    "software-distribution-time": ("custom", "market"),
}
"""What a request of a kind may ask for, as the report items of the annex tell them apart."""
_VALIDATION, _IMPLEMENTATION = "policy-validation-time", "policy-implementation-time"
_OUTCOMES: tuple[Outcome, ...] = ("done", "rejected", "pending")


def read_requests(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[Request, ...]:
    """The requests of one file, without the rows that `problems` grow by."""
    among = known.with_rule(*RULES)
    seen: dict[str, int] = {}
    return read_rows(
        file,
        content,
        problems,
        lambda row: _request(row, known, among, seen),
        columns=COLUMNS,
        optional=OPTIONAL,
    )


def _request(row: Row, known: Known, among: tuple[str, ...], seen: dict[str, int]) -> Request:
    identifier = row.needed("id")
    if identifier in seen:
        row.refuse(
            "id", f'"{identifier}" is the id of line {seen[identifier]} too', "give each its own"
        )
    elif identifier:
        seen[identifier] = row.where.line
    service = known.service(row, among, "requests")
    kind = _kind(row, known, service)
    by_pas = row.fine("service") and SERVICES[service].per_pas
    pas = known.pas_with(row, "pas", service, needed=by_pas)
    zone = known.zone(pas) if pas else known.zone()
    requested = row.instant("requested_at", zone)
    validated, notified, done = (
        row.maybe_instant(column, zone) for column in ("validated_at", "notified_at", "done_at")
    )
    row.in_order("requested_at", "validated_at", requested, validated)
    row.in_order("requested_at", "notified_at", requested, notified)
    row.in_order("requested_at", "done_at", requested, done)
    row.in_order("validated_at", "done_at", validated, done)
    request = Request(
        where=row.where,
        id=identifier,
        service=service,
        kind=kind,
        pas=pas,
        requested_ns=requested,
        validated_ns=validated,
        notified_ns=notified,
        done_ns=done,
        outcome=row.word("outcome", _OUTCOMES),
        reason=row.text("reason"),
        bandwidth_mbps=row.exact("bandwidth_mbps"),
        operation=row.text("operation"),
    )
    _check_outcome(row, request)
    if row.fine("service", "kind"):
        _check_operation(row, kind, request.operation)
        _check_bandwidth(row, known, request)
    return request


def _kind(row: Row, known: Known, service: str) -> str:
    kind = row.needed("kind", "write the id of the parameter")
    found = known.catalogue.service(service)
    if not row.fine("service", "kind") or found is None:
        return kind
    kinds = [p.id for p in found.parameters if p.rule in RULES and p.id != _VALIDATION]
    if kind in kinds:
        return kind
    if kind == _VALIDATION and _IMPLEMENTATION in kinds:
        row.refuse(
            "kind",
            "a rule is one row, for its validation and its implementation",
            f'write "{_IMPLEMENTATION}" in the one row of the rule',
        )
    else:
        row.refuse("kind", f"{service} has no requests of kind {shown(kind)}", nearest(kind, kinds))
    return kind


def _check_outcome(row: Row, request: Request) -> None:
    """The times say the same as the outcome."""
    if not row.fine("outcome", "done_at", "validated_at", "notified_at", "kind"):
        return
    rule = request.kind == _IMPLEMENTATION
    if request.outcome == "done":
        if request.done_ns is None:
            row.refuse("done_at", "is empty, but the outcome is done", "write when it was done")
        elif rule and request.validated_ns is None:
            row.refuse(
                "validated_at",
                "is empty, and the time for the implementation runs from it",
                "write when the rule was validated",
            )
    elif request.done_ns is not None:
        remedy = 'write "done", or empty done_at'
        if request.outcome == "rejected":
            remedy += " (when a rejection was told stands in notified_at)"
        row.refuse("outcome", f"is {request.outcome}, but done_at has a time", remedy)
    elif request.outcome == "rejected" and rule and request.notified_ns is None:
        row.refuse(
            "notified_at",
            "is empty, but the outcome is rejected",
            "write when the rejection was told: it ends the validation",
        )


def _check_operation(row: Row, kind: str, operation: str) -> None:
    allowed = OPERATIONS.get(kind, ())
    if operation and operation not in allowed:
        row.refuse(
            "operation",
            f"{kind} has no operation {shown(operation)}",
            nearest(operation, allowed) or "leave it empty",
        )


def _check_bandwidth(row: Row, known: Known, request: Request) -> None:
    """Where the limit depends on the bandwidth (BNA), nothing can be judged without it."""
    parameter = known.catalogue.parameter(request.service, request.kind)
    if parameter is None or not row.fine("bandwidth_mbps"):
        return
    decides = any("bandwidth" in limit.when for limit in parameter.limits)
    if decides and request.bandwidth_mbps is None:
        row.refuse(
            "bandwidth_mbps",
            f"is empty, but the limit of {request.kind} depends on it",
            "write the requested BNA in Mbps",
        )
    elif request.bandwidth_mbps == 0:
        row.refuse("bandwidth_mbps", "is 0", "write the BNA in Mbps, or leave it empty")
