"""What the desk keeps: tickets, alerts, who acted. Values without behaviour.

How to use the desk (`incidents.desk`):

    desk = open_desk(data_dir)                      # also a context manager
    ticket = desk.open(NewTicket(...), who, key="device/pix-1/1700000000")
    desk.change(ticket.id, who, Restore(at_ns=...))  # any class of `incidents.changes`
    desk.ticket("INC-000012"); desk.tickets(states=OPEN); desk.history(ticket.id)
    alert = desk.raise_alert(NewAlert(...), who)     # same key: the alert that is there already
    desk.change_alert(alert.id, who, Declare(ticket.id))
    with desk.transaction() as connection: ...       # several steps and own tables, all or nothing

A key makes an opening idempotent: after a crash the same call gives the same ticket. Every change
is a row of the history and nothing is updated or deleted there; a ticket is what its history makes
of it. Instants are UTC nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Severity = Literal["blocking", "non-blocking"]
"""Annex, line 115: bloccante, non bloccante."""
Criticality = Literal["minor", "major", "critical"]
"""Procedure, annex 1 (5.1): mineur, majeur, critique."""
Component = Literal["", "monitoring", "device"]
Role = Literal["roc", "operator", "provider", "administration", "call-centre", "system"]
"""`roc`: responsable opérationnel du compte; `operator`: the desk; `system`: pasprobe itself."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something."""

    name: str
    role: Role
    party: str = ""
    """Id of a `[[party]]`, where one is meant."""
    via: str = ""
    """The login that wrote it down, where that is somebody else's."""


SYSTEM = Actor("pasprobe", "system")


class State(StrEnum):
    """How far a ticket has come."""

    OPENED = "opened"
    REPORTED = "reported"
    RESPONDED = "responded"
    RESTORED = "restored"
    VALIDATED = "validated"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    """It was no outage (an agent that was down); kept, and not a fact."""


OPEN = frozenset({State.OPENED, State.REPORTED, State.RESPONDED, State.RESTORED, State.VALIDATED})
UNRESTORED = frozenset({State.OPENED, State.REPORTED, State.RESPONDED})


class AlertState(StrEnum):
    """Procedure, annex 3 (5.3), up to the declaration; from there on the ticket goes on."""

    RAISED = "raised"
    ANALYSED = "analysed"
    DECLARED = "declared"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class PlanAction:
    """One action of the plan (plan d'actions, 1.3) with the party responsible."""

    number: int
    text: str
    party: str
    due_ns: int | None = None
    sent_ns: int | None = None
    """When it was sent to that party."""
    done_ns: int | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A party took the ticket over (prise en compte); stops the escalation."""

    party: str
    """Empty: ours."""
    who: str
    at_ns: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something attached; `Desk.evidence` has its octets."""

    number: int
    kind: str
    """As `trains`, `traceroute`, `device-state`, `mail`, `provider-report`, `runbook`."""
    name: str
    """File name for a person."""
    sha256: str
    size: int
    at_ns: int
    """When it was taken."""


@dataclass(frozen=True, slots=True)
class Hit:
    """How much an incident hits (procedure, annex 1); None: not known."""

    tills: int | None = None
    shops: int | None = None
    operators: int | None = None
    values: int | None = None


@dataclass(frozen=True, slots=True)
class NewTicket:
    """What must be said to open a ticket."""

    services: tuple[str, ...]
    summary: str
    severity: Severity
    opened_ns: int
    """Fault opening (apertura del guasto): when it began, not when it was seen."""
    pas: tuple[str, ...] = ()
    """Empty: service-wide."""
    affected: int = 0
    """PAS hit; 0: those named, one at least."""
    hit: Hit = field(default_factory=Hit)
    criticality: Criticality | None = None
    """None: by annex 1 from `hit` (incidents.criticality)."""
    component: Component = ""
    kind: str = ""
    """What failed, as `server`, `firewall`, `switch`, `line`, `agent`."""
    device: str = ""
    """Id of the device or server that failed."""
    address: str = ""
    """Subnet or server in question, for the subject (1.4)."""
    client: str = ""
    """Name of the client in question, for the subject (1.4)."""
    cause: str = ""
    alerts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ticket:
    """One incident, as its history makes it."""

    id: str
    state: State
    services: tuple[str, ...]
    pas: tuple[str, ...]
    summary: str
    severity_first: Severity
    """As it was opened; `severity` is the final one."""
    opened_ns: int
    created_ns: int
    """When the desk wrote it down."""
    opener: Actor
    affected: int
    hit: Hit
    criticality: Criticality
    criticality_said: bool = False
    """A person said it; else it follows annex 1 as more becomes known."""
    component: Component = ""
    kind: str = ""
    device: str = ""
    address: str = ""
    client: str = ""
    cause: str = ""
    comment: str = ""
    """For the reports; what people say to each other is in the history."""
    severity_provider: Severity | None = None
    severity_administration: Severity | None = None
    reported_ns: int | None = None
    """Segnalazione by the user."""
    declared_ns: int | None = None
    """When the provider was told officially (1.4)."""
    responded_ns: int | None = None
    """Diagnosis and expected restoration told (segnalazione di ritorno)."""
    expected_ns: int | None = None
    restored_ns: int | None = None
    reopened_ns: tuple[int, ...] = ()
    """When its restoration turned out to be none; once each time."""
    validated_ns: int | None = None
    accepted_ns: int | None = None
    """The customer's acceptance (annex, note of line 121)."""
    closed_ns: int | None = None
    withdrawn_ns: int | None = None
    diagnosis: str = ""
    assignee: str = ""
    provider_ticket: str = ""
    """The number that the provider answered (1.4)."""
    provider_report: str = ""
    """What the provider handed over (2.3); or why it was waived, see the next."""
    provider_report_waived: bool = False
    corrective: str = ""
    """How the corrective procedure (2) ended; or why it was waived."""
    corrective_waived: bool = False
    plan: tuple[PlanAction, ...] = ()
    acknowledged: tuple[Acknowledgement, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    alerts: tuple[int, ...] = ()
    key: str = ""

    @property
    def severity(self) -> Severity:
        """The Administration's where it spoke, else the provider's, else the first (C8)."""
        return self.severity_administration or self.severity_provider or self.severity_first


@dataclass(frozen=True, slots=True)
class NewAlert:
    """What something or somebody saw; an alert is analysed before it is an incident (1.2)."""

    key: str
    """One alert a key, for ever: as `silence/roma-01/1700000000000000000`."""
    source: Literal["train", "application", "device", "silence", "mail", "person"]
    text: str
    first_ns: int
    """Since when it is so."""
    pas: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    device: str = ""
    suspected: bool = False
    """Nothing was measured: an agent is silent."""
    data: tuple[tuple[str, str], ...] = ()
    """More of it, as (name, text)."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as its history makes it."""

    id: int
    state: AlertState
    key: str
    source: Literal["train", "application", "device", "silence", "mail", "person"]
    text: str
    first_ns: int
    raised_ns: int
    """When the desk wrote it down."""
    pas: tuple[str, ...]
    services: tuple[str, ...]
    device: str
    suspected: bool
    data: tuple[tuple[str, str], ...]
    finding: str = ""
    """What the analysis said."""
    ticket: str = ""
    """Id of the ticket that it was declared in."""
    reason: str = ""
    """Why it was dismissed."""
    cleared_ns: int | None = None
    """Since when it is no longer so; the state stays."""
