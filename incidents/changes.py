"""What can be done to a ticket or an alert: one class a change, as the history keeps it.

`at_ns` is when it happened; None: when it is written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from incidents.tickets import (
    Component,
    Criticality,
    Evidence,
    Hit,
    NewAlert,
    NewTicket,
    Severity,
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The ticket was opened; the desk writes it, see `Desk.open`."""

    new: NewTicket
    criticality: Criticality
    affected: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The user reported it (segnalazione)."""

    at_ns: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class DeclareToProvider:
    """The provider was told officially (1.4): its mailbox accepted the message."""

    at_ns: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Respond:
    """Diagnosis and expected restoration were told to the user (segnalazione di ritorno)."""

    diagnosis: str
    expected_ns: int
    at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Restore:
    """The service works again (ripristino)."""

    at_ns: int | None = None
    cause: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reopen:
    """The correction did not hold, or the ROC refuses it (1.7)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Validate:
    """The ROC found the correction good and the system working (1.7)."""

    at_ns: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Accept:
    """The customer accepted the closure (annex, note of line 121); `by`: who of them said so."""

    by: str
    at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderReport:
    """The provider's incident report came (2.3), or the ROC does without it in writing."""

    text: str
    waived: bool = False


@dataclass(frozen=True, slots=True)
class Corrective:
    """The corrective procedure (2) is done, or the ROC does without it in writing."""

    text: str
    waived: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """The ticket is closed (2.3)."""

    at_ns: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """It was no outage, as an agent that was down."""

    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A party took it over; its escalation stops."""

    party: str = ""
    """Empty: ours."""
    at_ns: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Assign:
    """Somebody works on it."""

    to: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A note for the trail."""

    text: str


@dataclass(frozen=True, slots=True)
class Redate:
    """The fault began at another time than was written, as late trains show."""

    opened_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Update:
    """Fields that were not known or not right; None leaves one as it is."""

    summary: str | None = None
    services: tuple[str, ...] | None = None
    pas: tuple[str, ...] | None = None
    affected: int | None = None
    hit: Hit | None = None
    criticality: Criticality | None = None
    component: Component | None = None
    kind: str | None = None
    device: str | None = None
    address: str | None = None
    client: str | None = None
    cause: str | None = None
    comment: str | None = None
    expected_ns: int | None = None
    provider_ticket: str | None = None
    reason: str = ""
    """Must be said once the ticket is closed."""


@dataclass(frozen=True, slots=True)
class SaySeverity:
    """How a party sees it (annex, line 115: the Administration's view prevails)."""

    party: Literal["provider", "administration"]
    severity: Severity


@dataclass(frozen=True, slots=True)
class Plan:
    """An action is added to the plan (1.3)."""

    text: str
    party: str
    due_ns: int | None = None


@dataclass(frozen=True, slots=True)
class PlanSent:
    """Actions were sent to their parties."""

    numbers: tuple[int, ...]
    at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class PlanDone:
    """An action is done."""

    number: int
    outcome: str = ""
    at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Attach:
    """Evidence came; the desk writes it, see `Desk.attach`."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class JoinAlert:
    """One more alert is about this incident; its PAS are added."""

    alert: int
    pas: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What another part of the desk did: a notice, a step of an escalation or of a runbook."""

    topic: str
    """As `notice`, `escalation`, `runbook`, `call`, `report`."""
    text: str
    data: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """A ticket as another system had it; the desk writes it, see `Desk.import_ticket`."""

    new: NewTicket
    id: str
    criticality: Criticality
    affected: int
    severity_provider: Severity | None
    severity_administration: Severity | None
    reported_ns: int | None
    responded_ns: int | None
    expected_ns: int | None
    restored_ns: int | None
    closed_ns: int | None
    comment: str = ""


Change = (
    Opened | Imported | Report | DeclareToProvider | Respond | Restore | Reopen | Validate | Accept
    | ProviderReport | Corrective | Close | Withdraw | Acknowledge | Assign | Comment | Redate
    | Update | SaySeverity | Plan | PlanSent | PlanDone | Attach | JoinAlert | Record
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Raised:
    """The alert was raised; the desk writes it, see `Desk.raise_alert`."""

    new: NewAlert


@dataclass(frozen=True, slots=True)
class Analyse:
    """Somebody or a rule looked at it (1.2)."""

    finding: str


@dataclass(frozen=True, slots=True)
class Declare:
    """It is an incident: of a new ticket, or one that is there already."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """It is none."""

    reason: str


@dataclass(frozen=True, slots=True)
class Clear:
    """What was seen is over."""

    at_ns: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """It is so again before anybody dealt with it: a flapping state is one alert."""

    at_ns: int
    text: str = ""


AlertChange = Raised | Analyse | Declare | Dismiss | Clear | Again
