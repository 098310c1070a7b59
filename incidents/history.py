"""What a ticket or an alert becomes by each entry of its history: pure functions.

`ticket_begins` and `ticket_after` folded over the entries give the ticket that the desk shows.
Whether a change is allowed is asked before (`incidents.states`); here it has happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from incidents.changes import (
    Accept,
    Acknowledge,
    Again,
    AlertChange,
    Analyse,
    Assign,
    Attach,
    Change,
    Clear,
    Close,
    Corrective,
    Declare,
    DeclareToProvider,
    Dismiss,
    Imported,
    JoinAlert,
    Opened,
    Plan,
    PlanDone,
    PlanSent,
    ProviderReport,
    Raised,
    Redate,
    Reopen,
    Report,
    Respond,
    Restore,
    SaySeverity,
    Update,
    Validate,
    Withdraw,
)
from incidents.tickets import (
    Acknowledgement,
    Actor,
    Alert,
    AlertState,
    NewTicket,
    PlanAction,
    State,
    Ticket,
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done."""

    number: int
    """Ascending over the whole desk; 0 while it is not written."""
    subject: str
    """Id of a ticket, or `alert/12`."""
    recorded_ns: int
    who: Actor
    change: Change | AlertChange

    @property
    def at_ns(self) -> int:
        """When it happened; where that was not said, when it was written down."""
        return at_of(self.change, self.recorded_ns)


def at_of(change: object, recorded_ns: int) -> int:
    """When a change happened."""
    at = getattr(change, "at_ns", None)
    return recorded_ns if at is None else int(at)


def state_of(ticket: Ticket) -> State:
    """How far a ticket has come, by its instants."""
    for reached, state in (
        (ticket.withdrawn_ns, State.WITHDRAWN),
        (ticket.closed_ns, State.CLOSED),
        (ticket.validated_ns, State.VALIDATED),
        (ticket.restored_ns, State.RESTORED),
        (ticket.responded_ns, State.RESPONDED),
        (ticket.reported_ns, State.REPORTED),
    ):
        if reached is not None:
            return state
    return State.OPENED


def replay(subject: str, entries: Iterable[Entry]) -> Ticket:
    """The ticket that a history makes."""
    found: Ticket | None = None
    for entry in entries:
        found = ticket_begins(subject, entry) if found is None else ticket_after(found, entry)
    if found is None:
        raise ValueError(f"{subject} has no history")
    return found


def ticket_begins(identifier: str, entry: Entry) -> Ticket:
    """The ticket that an opening or an import makes."""
    change = entry.change
    if isinstance(change, Opened):
        return replace(
            _from(identifier, change.new, entry),
            affected=change.affected,
            criticality=change.criticality,
            key=change.key,
        )
    if not isinstance(change, Imported):
        raise ValueError(f"the history of {identifier} does not begin with its opening")
    ticket = replace(
        _from(identifier, change.new, entry),
        affected=change.affected,
        criticality=change.criticality,
        severity_provider=change.severity_provider,
        severity_administration=change.severity_administration,
        reported_ns=change.reported_ns,
        responded_ns=change.responded_ns,
        expected_ns=change.expected_ns,
        restored_ns=change.closed_ns if change.restored_ns is None else change.restored_ns,
        closed_ns=change.closed_ns,
        comment=change.comment,
    )
    return replace(ticket, state=state_of(ticket))


def _from(identifier: str, new: NewTicket, entry: Entry) -> Ticket:
    return Ticket(
        id=identifier,
        state=State.OPENED,
        services=new.services,
        pas=new.pas,
        summary=new.summary,
        severity_first=new.severity,
        opened_ns=new.opened_ns,
        created_ns=entry.recorded_ns,
        opener=entry.who,
        affected=new.affected,
        hit=new.hit,
        criticality=new.criticality or "minor",
        criticality_said=new.criticality is not None,
        component=new.component,
        kind=new.kind,
        device=new.device,
        address=new.address,
        client=new.client,
        cause=new.cause,
        alerts=new.alerts,
    )


def ticket_after(ticket: Ticket, entry: Entry) -> Ticket:
    """The ticket with one more change."""
    change = entry.change
    if isinstance(change, Plan | PlanSent | PlanDone):
        return replace(ticket, plan=_plan(ticket.plan, change, entry))
    changed = _milestone(ticket, change, entry)
    if changed is None:
        changed = _other(ticket, change, entry)
    return replace(changed, state=state_of(changed))


def _milestone(ticket: Ticket, change: object, entry: Entry) -> Ticket | None:
    at = entry.at_ns
    match change:
        case Report():
            return replace(ticket, reported_ns=at)
        case DeclareToProvider():
            return replace(ticket, declared_ns=at)
        case Respond():
            return replace(
                ticket,
                # The time of response is that of the first answer, however often it is corrected.
                responded_ns=at if ticket.responded_ns is None else ticket.responded_ns,
                diagnosis=change.diagnosis,
                expected_ns=change.expected_ns,
            )
        case Restore():
            return replace(ticket, restored_ns=at, cause=change.cause or ticket.cause)
        case Reopen():
            again = (*ticket.reopened_ns, entry.recorded_ns)
            return replace(
                ticket, restored_ns=None, validated_ns=None, accepted_ns=None, reopened_ns=again
            )
        case Validate():
            return replace(ticket, validated_ns=at)
        case Accept():
            return replace(ticket, accepted_ns=at)
        case Close():
            return replace(ticket, closed_ns=at)
        case Withdraw():
            return replace(ticket, withdrawn_ns=at)
        case Redate():
            return replace(ticket, opened_ns=change.opened_ns)
    return None


def _other(ticket: Ticket, change: object, entry: Entry) -> Ticket:
    match change:
        case ProviderReport():
            return replace(
                ticket, provider_report=change.text, provider_report_waived=change.waived
            )
        case Corrective():
            return replace(ticket, corrective=change.text, corrective_waived=change.waived)
        case Acknowledge():
            taken = Acknowledgement(change.party, entry.who.name, entry.at_ns, change.note)
            return replace(ticket, acknowledged=(*ticket.acknowledged, taken))
        case Assign():
            return replace(ticket, assignee=change.to)
        case SaySeverity(party="provider"):
            return replace(ticket, severity_provider=change.severity)
        case SaySeverity():
            return replace(ticket, severity_administration=change.severity)
        case Attach():
            return replace(ticket, evidence=(*ticket.evidence, change.evidence))
        case JoinAlert():
            pas = _with(ticket.pas, change.pas)
            return replace(
                ticket,
                alerts=_with(ticket.alerts, (change.alert,)),
                pas=pas,
                services=_with(ticket.services, change.services),
                affected=max(ticket.affected, len(pas)),
            )
        case Update():
            return _updated(ticket, change, entry)
    return ticket


def _updated(ticket: Ticket, update: Update, entry: Entry) -> Ticket:
    def new(field: str) -> Any:
        said = getattr(update, field)
        return getattr(ticket, field) if said is None else said

    changed = replace(ticket, **{field: new(field) for field in UPDATED})
    by_a_person = update.criticality is not None and entry.who.role != "system"
    return replace(
        changed,
        affected=max(changed.affected, len(changed.pas)),
        criticality_said=ticket.criticality_said or by_a_person,
    )


UPDATED = (
    "summary", "services", "pas", "affected", "hit", "criticality", "component", "kind", "device",
    "address", "client", "cause", "comment", "expected_ns", "provider_ticket",
)  # fmt: skip
"""Fields that `Update` may set."""


def _with(there: tuple[_T, ...], more: tuple[_T, ...]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys((*there, *more)))


def _plan(
    plan: tuple[PlanAction, ...], change: Plan | PlanSent | PlanDone, entry: Entry
) -> tuple[PlanAction, ...]:
    match change:
        case Plan():
            return (*plan, PlanAction(len(plan) + 1, change.text, change.party, change.due_ns))
        case PlanSent():
            return tuple(
                replace(one, sent_ns=entry.at_ns) if one.number in change.numbers else one
                for one in plan
            )
        case PlanDone():
            return tuple(
                replace(one, done_ns=entry.at_ns, outcome=change.outcome)
                if one.number == change.number
                else one
                for one in plan
            )


def alert_begins(number: int, entry: Entry) -> Alert:
    """The alert that its raising makes."""
    if not isinstance(entry.change, Raised):
        raise ValueError(f"the history of alert {number} does not begin with its raising")
    new = entry.change.new
    return Alert(
        id=number,
        state=AlertState.RAISED,
        key=new.key,
        source=new.source,
        text=new.text,
        first_ns=new.first_ns,
        raised_ns=entry.recorded_ns,
        pas=new.pas,
        services=new.services,
        device=new.device,
        suspected=new.suspected,
        data=new.data,
    )


def alert_after(alert: Alert, entry: Entry) -> Alert:
    """The alert with one more change."""
    change = entry.change
    match change:
        case Analyse():
            return replace(alert, state=AlertState.ANALYSED, finding=change.finding)
        case Declare():
            return replace(alert, state=AlertState.DECLARED, ticket=change.ticket)
        case Dismiss():
            return replace(alert, state=AlertState.DISMISSED, reason=change.reason)
        case Clear():
            return replace(alert, cleared_ns=change.at_ns)
        case Again():
            return replace(alert, cleared_ns=None)
    return alert
