"""The other tables of the facts folder: traffic, calls, messages, deliveries, exclusions, use.

Rows that count something lie inside one four-month period, traffic inside one delivery window too:
what lies across an edge cannot be cut afterwards, so it is refused.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from decimal import Decimal
from typing import Literal

from analysis.errors import FactProblem
from analysis.facts import (
    Action,
    CallRow,
    ContactCentreRow,
    Delivery,
    Exclusion,
    MessageRow,
    TrafficRow,
    UsageRow,
)
from analysis.facts_cells import EARLIEST_YEAR, LATEST_YEAR, Row, shown
from analysis.facts_contract import Known
from analysis.facts_csv import read_rows
from inventory.clocks import period_bounds
from inventory.periods import Period, parse_period
from inventory.services import SERVICES
from inventory.values import ValueKindError

_ENDPOINTS = ("", "qxn", "q-isp", "internet", "agreed")
_REPORTS: tuple[Literal["technical", "contractual"], ...] = ("technical", "contractual")
_PERIOD_OF = {"technical": "month", "contractual": "four-months"}
_PERIOD = re.compile(r"(?P<year>[0-9]{4})-[0-9]{1,2}")


def read_traffic(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[TrafficRow, ...]:
    """`traffic.csv`: directed packets of a service between a PAS and its border or peer."""
    among = known.with_parameter("packet-loss")
    return read_rows(
        file,
        content,
        problems,
        lambda row: _traffic(row, known, among),
        columns=("service", "pas", "peer", "start", "end", "sent", "received", "within_limit",
                 "jitter_ms"),
        optional=("limit_ms", "jitter_readings", "jitter_over", "endpoint"),
    )  # fmt: skip


def read_calls(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[CallRow, ...]:
    """`calls.csv`: call attempts of a service and how many succeeded (reading D12)."""
    among = known.with_rule("success-rate")

    def make(row: Row) -> CallRow:
        service = known.service(row, among, "calls")
        start, end = _span(row, known, known.zone())
        attempts, successes = row.count("attempts"), row.count("successes")
        _at_most(row, "successes", "attempts", successes, attempts)
        return CallRow(row.where, service, start, end, attempts, successes)

    columns = ("service", "start", "end", "attempts", "successes")
    return read_rows(file, content, problems, make, columns=columns)


def read_messages(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[MessageRow, ...]:
    """`messages.csv`: messages of a service and how many arrived in time (reading D13)."""
    among = known.with_rule("delivery-share")

    def make(row: Row) -> MessageRow:
        service = known.service(row, among, "messages")
        start, end = _span(row, known, known.zone())
        messages, within = row.count("messages"), row.count("within_limit")
        _at_most(row, "within_limit", "messages", within, messages)
        return MessageRow(row.where, service, start, end, messages, within)

    columns = ("service", "start", "end", "messages", "within_limit")
    return read_rows(file, content, problems, make, columns=columns)


def read_contact_centre(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[ContactCentreRow, ...]:
    """`contact_centre.csv`: calls to the call centre; `late` includes `lost` (reading F1)."""

    def make(row: Row) -> ContactCentreRow:
        start, end = _span(row, known, known.zone())
        attempts, lost, late = row.count("attempts"), row.count("lost"), row.count("late")
        _at_most(row, "late", "attempts", late, attempts)
        _at_most(row, "lost", "late", lost, late)
        received = row.count("received") if row.text("received") else None
        if received is not None:
            _at_most(row, "received", "attempts", received, attempts)
        wait = row.exact("wait_s")
        return ContactCentreRow(row.where, start, end, attempts, lost, late, received, wait)

    columns = ("start", "end", "attempts", "lost", "late")
    optional = ("received", "wait_s")
    return read_rows(file, content, problems, make, columns=columns, optional=optional)


def read_deliveries(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[Delivery, ...]:
    """`deliveries.csv`: reports that were handed over; a corrected one may follow (G11)."""

    def make(row: Row) -> Delivery:
        report = row.word("report", _REPORTS)
        period = _period(row, "period")
        zone = known.zone()
        delivered = row.instant("delivered_at", zone)
        if period is not None and row.fine("report") and period.kind != _PERIOD_OF[report]:
            row.refuse(
                "period",
                f"{period} is no period of a {report} report",
                'write a month, as "2011-05"'
                if report == "technical"
                else 'write a four-month period, as "2011-2"',
            )
        elif (
            period is not None
            and zone is not None
            and row.fine("report", "delivered_at")
            and delivered < period_bounds(period, zone)[1]
        ):
            row.refuse("delivered_at", f"lies before the end of {period}", "correct it")
        return Delivery(row.where, report, str(period or ""), delivered)

    return read_rows(file, content, problems, make, columns=("report", "period", "delivered_at"))


def read_exclusions(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[Exclusion, ...]:
    """`exclusions.csv`: what both sides agreed not to count (reading C6)."""
    seen: dict[str, int] = {}

    def make(row: Row) -> Exclusion:
        identifier = row.needed("id")
        if identifier in seen:
            line = seen[identifier]
            row.refuse("id", f'"{identifier}" is the id of line {line} too', "give each its own")
        elif identifier:
            seen[identifier] = row.where.line
        service = known.service(row, tuple(SERVICES), "exclusions")
        pas = known.pas_with(row, "pas", service, needed=False)
        start, end = _from_to(row, known.zone(pas) if pas else known.zone())
        return Exclusion(
            row.where, identifier, service, pas, start, end,
            row.needed("reason", "write why"), row.needed("agreed_by", "write who agreed"),
        )  # fmt: skip

    columns = ("id", "service", "pas", "start", "end", "reason", "agreed_by")
    return read_rows(file, content, problems, make, columns=columns)


def read_usage(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[UsageRow, ...]:
    """`usage.csv`: hourly use of the guaranteed bandwidth, percent (BGA, BGETE)."""
    among = known.with_parameter("access-guaranteed-bandwidth", "end-to-end-guaranteed-bandwidth")

    def make(row: Row) -> UsageRow:
        service = known.service(row, among, "guaranteed bandwidth")
        pas = known.pas_with(row, "pas", service, needed=True)
        peer = _peer(row, known, service, pas)
        start, end = _span(row, known, known.zone(pas))
        into, out = row.needed_exact("in_percent"), row.needed_exact("out_percent")
        return UsageRow(row.where, service, pas, peer, start, end, into, out)

    columns = ("service", "pas", "peer", "start", "end", "in_percent", "out_percent")
    return read_rows(file, content, problems, make, columns=columns)


def read_actions(
    file: str, content: bytes, known: Known, problems: list[FactProblem]
) -> tuple[Action, ...]:
    """`actions.csv`: what was done about the findings of a month ([R-2-7]); it may be empty yet."""

    def make(row: Row) -> Action:
        month = _period(row, "month")
        if month is not None and month.kind != "month":
            row.refuse("month", f"{month} is no month", 'write "2011-05"')
        service = row.text("service")
        if service:
            known.check_service(row, service, tuple(SERVICES), "actions")
        return Action(
            row.where, str(month or ""), service, row.needed("finding", "write what was found"),
            row.text("action"), row.text("by"), row.day("due"), row.day("done"),
        )  # fmt: skip

    columns = ("month", "service", "finding", "action", "by", "due", "done")
    return read_rows(file, content, problems, make, columns=columns)


def _traffic(row: Row, known: Known, among: tuple[str, ...]) -> TrafficRow:
    service = known.service(row, among, "packets to count")
    pas = known.pas_with(row, "pas", service, needed=True)
    peer = _peer(row, known, service, pas)
    start, end = _from_to(row, known.zone(pas))
    known.check_inside_window(row, pas, service, start, end)
    limits = known.limits(service, pas, peer) if row.fine("service", "pas", "peer") else None
    sent, received = row.count("sent"), row.count("received")
    # Where the annex has no delay limit, nothing was judged by one.
    judged = limits is not None and limits.delay_ms is not None
    within = row.count("within_limit", empty=None if judged else 0)
    _at_most(row, "received", "sent", received, sent)
    _at_most(row, "within_limit", "received", within, received)
    limit_ms = row.exact("limit_ms")
    if judged and limits is not None and limit_ms not in (None, limits.delay_ms):
        row.refuse(
            "limit_ms",
            f"within_limit was judged by {limit_ms} ms, the contract's limit is {limits.delay_ms}",
            "count within_limit by the contract's limit",
        )
    jitter, readings, over = _jitter(row, limits.jitter_ms if limits else None)
    return TrafficRow(
        row.where, service, pas, peer, start, end, sent, received, within, jitter, limit_ms,
        readings, over, row.word("endpoint", _ENDPOINTS),
    )  # fmt: skip


def _jitter(row: Row, limit_ms: Decimal | None) -> tuple[Decimal | None, int, int]:
    """Mean, how many readings it is of, and how many lie above the limit."""
    jitter = row.exact("jitter_ms")
    readings = row.count("jitter_readings", empty=0 if jitter is None else 1)
    if row.fine("jitter_ms", "jitter_readings") and (jitter is None) != (readings == 0):
        row.refuse(
            "jitter_readings",
            f"says {readings} readings, but jitter_ms is {'empty' if jitter is None else jitter}",
            "write both, or leave both empty",
        )
    # A single reading tells by itself whether it is above.
    single = readings == 1 and jitter is not None and limit_ms is not None and jitter > limit_ms
    over = row.count("jitter_over", empty=int(single))
    _at_most(row, "jitter_over", "jitter_readings", over, readings)
    return jitter, readings, over


def _peer(row: Row, known: Known, service: str, pas: str) -> str:
    peer = row.text("peer")
    if not peer:
        return peer
    if peer == pas:
        row.refuse("peer", "the peer is the PAS itself", "name the other PAS")
    elif (
        known.check_pas(row, "peer", peer)
        and row.fine("service")
        and SERVICES[service].between_pas
        and not known.has(peer, service)
    ):
        row.refuse("peer", f'PAS "{peer}" does not have {service}', "name one that has it")
    return peer


def _span(row: Row, known: Known, zone: tzinfo | None) -> tuple[int, int]:
    """From and to of a row of counters, inside one four-month period."""
    start, end = _from_to(row, zone)
    known.check_inside_period(row, zone, start, end)
    return start, end


def _from_to(row: Row, zone: tzinfo | None) -> tuple[int, int]:
    start, end = row.instant("start", zone), row.instant("end", zone)
    if row.fine("start", "end") and end <= start:
        row.refuse(
            "end",
            f"{row.cells['end']} does not lie after start {row.cells['start']}",
            "correct the wrong one of the two",
        )
    return start, end


def _at_most(row: Row, part: str, whole: str, few: int, many: int) -> None:
    if row.fine(part, whole) and few > many:
        row.refuse(part, f"{few} is more than {whole}, which is {many}", "correct the wrong one")


def _period(row: Row, column: str) -> Period | None:
    text = row.needed(column, 'write "2011-05" or "2011-2"')
    if not row.fine(column):
        return None
    match = _PERIOD.fullmatch(text)
    try:
        if match is None:
            raise ValueKindError(f"{shown(text)} is no period", 'write "2011-05" or "2011-2"')
        if not EARLIEST_YEAR < int(match["year"]) < LATEST_YEAR:
            raise ValueKindError(f"the year of {text} is out of range", "correct it")
        return parse_period(text)
    except ValueKindError as error:
        row.refuse(column, str(error), error.remedy)
        return None
