"""Facts that no probe can measure: tickets, requests, calls and the rest, as rows with their place.

Instants are UTC nanoseconds, local dates are dates. `analysis.facts_folder` reads them from CSV;
every row knows where it stands, so that a penalty can be followed back to the line of a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Severity = Literal["blocking", "non-blocking"]
Outcome = Literal["done", "rejected", "pending"]


@dataclass(frozen=True, slots=True)
class Where:
    """The line of a file that a row came from."""

    file: str
    """Relative to the facts folder, as `tickets.csv`."""
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """Directed packets of one service inside one delivery window."""

    where: Where
    service: str
    pas: str
    peer: str
    """The other PAS; empty for PAS to border."""
    start_ns: int
    end_ns: int
    sent: int
    received: int
    within_limit: int
    jitter_ms: Decimal | None
    """Mean of `jitter_readings` readings; None where there is none."""
    limit_ms: Decimal | None
    """The limit that `within_limit` was counted by; None: the contract's."""
    jitter_readings: int
    jitter_over: int
    """Readings above the limit."""
    endpoint: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """One outage (disservizio)."""

    where: Where
    id: str
    services: tuple[str, ...]
    pas: tuple[str, ...]
    """Empty: service-wide."""
    severity: Severity
    """The final one: the Administration's where disputed (reading C8)."""
    opened_ns: int
    """Fault opening (apertura del guasto)."""
    reported_ns: int | None
    """Report by the user (segnalazione)."""
    responded_ns: int | None
    """Diagnosis and expected restoration told (segnalazione di ritorno)."""
    restored_ns: int | None
    closed_ns: int | None
    affected: int
    """PAS hit."""
    cause: str
    component: Literal["", "monitoring", "device"]
    """Chapter 7: what counts for availability and what for restoration; empty: not said."""
    severity_provider: Severity | None
    severity_administration: Severity | None
    expected_ns: int | None
    comment: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request (richiesta) with a time limit; `kind` is the parameter's id."""

    where: Where
    id: str
    service: str
    kind: str
    pas: str
    requested_ns: int
    validated_ns: int | None
    notified_ns: int | None
    """When a rejection was told."""
    done_ns: int | None
    outcome: Outcome
    reason: str
    bandwidth_mbps: Decimal | None
    operation: str


@dataclass(frozen=True, slots=True)
class CallRow:
    """Call attempts of a service."""

    where: Where
    service: str
    start_ns: int
    end_ns: int
    attempts: int
    successes: int


@dataclass(frozen=True, slots=True)
class MessageRow:
    """Messages of a service and how many were delivered in time."""

    where: Where
    service: str
    start_ns: int
    end_ns: int
    messages: int
    within_limit: int


@dataclass(frozen=True, slots=True)
class ContactCentreRow:
    """Calls to the call centre."""

    where: Where
    start_ns: int
    end_ns: int
    attempts: int
    lost: int
    late: int
    """Answered or ended after more than 60 s of waiting, the lost ones included."""
    received: int | None
    wait_s: Decimal | None
    """Mean waiting time in seconds."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A report that was handed over."""

    where: Where
    report: Literal["technical", "contractual"]
    period: str
    delivered_ns: int


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An agreed exclusion (reading C6)."""

    where: Where
    id: str
    service: str
    pas: str
    """Empty: every PAS of the service."""
    start_ns: int
    end_ns: int
    reason: str
    agreed_by: str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Hourly use of the guaranteed bandwidth (BGA, BGETE), percent."""

    where: Where
    service: str
    pas: str
    peer: str
    start_ns: int
    end_ns: int
    in_percent: Decimal
    out_percent: Decimal


@dataclass(frozen=True, slots=True)
class Action:
    """What was done about a finding of a month ([R-2-7])."""

    where: Where
    month: str
    service: str
    finding: str
    action: str
    by: str
    due: date | None
    done: date | None


@dataclass(frozen=True, slots=True)
class ItemTable:
    """A report item that is printed as the table it is: `items/<service>.<item>.csv`."""

    file: str
    service: str
    item: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of one folder; empty where a file is absent."""

    traffic: tuple[TrafficRow, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    requests: tuple[Request, ...] = ()
    calls: tuple[CallRow, ...] = ()
    messages: tuple[MessageRow, ...] = ()
    contact_centre: tuple[ContactCentreRow, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    usage: tuple[UsageRow, ...] = ()
    actions: tuple[Action, ...] = ()
    items: tuple[ItemTable, ...] = ()
