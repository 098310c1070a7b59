"""Which step follows which, and who may take it: the desk's rules as tables.

`MILESTONES` says what becomes of a ticket, `ALERTS` of an alert; what is not there is refused with
the reason. `incidents.annex_3` walks the diagram of the procedure through both.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
    Comment,
    Corrective,
    Declare,
    DeclareToProvider,
    Dismiss,
    JoinAlert,
    Opened,
    Plan,
    PlanDone,
    PlanSent,
    ProviderReport,
    Record,
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
from incidents.errors import RefusedError
from incidents.history import Entry
from incidents.tickets import UNRESTORED, Alert, AlertState, Role, State, Ticket

S = State
A = AlertState
FURTHEST = "furthest"
"""Responded, reported or opened, as far as the ticket had come before it was restored."""

MILESTONES: Mapping[tuple[State, type], State | str] = MappingProxyType(
    {
        (S.OPENED, Report): S.REPORTED,
        (S.OPENED, Restore): S.RESTORED,
        (S.OPENED, Withdraw): S.WITHDRAWN,
        (S.REPORTED, Respond): S.RESPONDED,
        (S.REPORTED, Restore): S.RESTORED,
        (S.REPORTED, Withdraw): S.WITHDRAWN,
        (S.RESPONDED, Respond): S.RESPONDED,
        (S.RESPONDED, Restore): S.RESTORED,
        (S.RESPONDED, Withdraw): S.WITHDRAWN,
        (S.RESTORED, Report): S.RESTORED,
        (S.RESTORED, Respond): S.RESTORED,
        (S.RESTORED, Reopen): FURTHEST,
        (S.RESTORED, Validate): S.VALIDATED,
        (S.RESTORED, Withdraw): S.WITHDRAWN,
        (S.VALIDATED, Report): S.VALIDATED,
        (S.VALIDATED, Respond): S.VALIDATED,
        (S.VALIDATED, Reopen): FURTHEST,
        (S.VALIDATED, Accept): S.VALIDATED,
        (S.VALIDATED, Close): S.CLOSED,
    }
)
"""(state, step) -> next state of a ticket."""

ALERTS: Mapping[tuple[AlertState, type], AlertState] = MappingProxyType(
    {
        (A.RAISED, Analyse): A.ANALYSED,
        (A.ANALYSED, Analyse): A.ANALYSED,
        (A.ANALYSED, Declare): A.DECLARED,
        (A.ANALYSED, Dismiss): A.DISMISSED,
        **{(state, change): state for state in A for change in (Clear, Again)},
    }
)
"""(state, step) -> next state of an alert: nothing is declared or dismissed unanalysed (1.2)."""

_ANY: frozenset[Role] = frozenset(
    {"roc", "operator", "provider", "administration", "call-centre", "system"}
)
_DESK: frozenset[Role] = frozenset({"roc", "operator", "system"})
_NOT_PROVIDER: frozenset[Role] = frozenset({"roc", "operator", "administration"})
ROLES: Mapping[type, frozenset[Role]] = MappingProxyType(
    {
        Opened: _ANY,
        Report: _ANY,
        DeclareToProvider: _DESK,
        Respond: _ANY - {"administration", "call-centre"},
        Restore: _ANY - {"administration", "call-centre"},
        Reopen: _DESK | {"administration"},
        Validate: frozenset({"roc"}),
        Accept: _NOT_PROVIDER,
        ProviderReport: _ANY - {"administration", "call-centre"},
        Corrective: _ANY - {"administration", "call-centre"},
        Close: frozenset({"roc", "operator"}),
        Withdraw: frozenset({"roc", "system"}),
        Acknowledge: _ANY,
        Assign: _ANY - {"administration"},
        Comment: _ANY,
        Redate: _DESK,
        Update: _ANY - {"administration", "call-centre"},
        SaySeverity: _ANY - {"call-centre", "system"},
        Plan: _DESK,
        PlanSent: _DESK,
        PlanDone: _ANY - {"administration", "call-centre"},
        Attach: _ANY,
        JoinAlert: _DESK,
        Record: _ANY,
    }
)
"""Who may do what; a waiver is the ROC's besides."""

_AFTER_THE_END: frozenset[type] = frozenset({Comment, Attach, Record})
"""What a closed or withdrawn ticket still takes; `Update` and `Redate` too, from the ROC."""

_REASONS: Mapping[tuple[State, type], tuple[str, str]] = MappingProxyType(
    {
        (S.OPENED, Respond): (
            "nobody has reported it, so nobody can be answered",
            "write the report first (`incident update --reported`)",
        ),
        **{
            (state, Reopen): ("it was not restored, so it is open as it is", "write a comment")
            for state in UNRESTORED
        },
        (S.REPORTED, Report): ("it is reported already", "write a comment"),
        (S.RESPONDED, Report): ("it is reported already", "write a comment"),
        (S.RESTORED, Restore): ("it is restored already", "reopen it with the reason first"),
        (S.VALIDATED, Restore): ("it is restored already", "reopen it with the reason first"),
        (S.VALIDATED, Validate): ("it is validated already", "close it"),
        (S.VALIDATED, Withdraw): (
            "its restoration was validated, so it was an outage",
            "reopen it with the reason first",
        ),
        (S.RESTORED, Close): (
            "the ROC has not validated the correction (1.7)",
            "`incident validate` as the ROC",
        ),
        (S.RESTORED, Accept): (
            "the ROC has not validated the correction (1.7)",
            "`incident validate` as the ROC",
        ),
    }
)
"""The words for what people try most; the rest has general ones."""
_EARLY = ("the service is not restored", "restore it first (`incident update --restored`)")
_CLOCKS_DIFFER_NS = 300 * 1_000_000_000
"""A step may be dated so far ahead of the desk's clock."""


def check_change(ticket: Ticket | None, change: Change, entry: Entry) -> None:
    """Raise `RefusedError` for a change that makes no sense, or that this role may not make."""
    subject = f"ticket {entry.subject}"
    _check_role(subject, change, entry)
    _check_times(subject, ticket, change, entry)
    if ticket is None:
        return
    _check_end(subject, ticket, change, entry)
    _check_milestone(subject, ticket, change)
    _check_words(subject, change)
    if isinstance(change, Close):
        _check_closing(subject, ticket)
    if isinstance(change, PlanDone | PlanSent):
        numbers = {change.number} if isinstance(change, PlanDone) else set(change.numbers)
        if unknown := numbers - {one.number for one in ticket.plan}:
            listed = ", ".join(map(str, sorted(unknown)))
            raise RefusedError(subject, f"its plan has no action {listed}", "see `incident show`")


def check_alert_change(alert: Alert, change: AlertChange, entry: Entry) -> None:
    """Raise `RefusedError` for a step that makes no sense for an alert in this state."""
    subject = f"alert {alert.id}"
    if entry.who.role not in _DESK:
        raise RefusedError(
            subject, f"alerts are not analysed by {entry.who.role}", "let the operator do it (1.2)"
        )
    if (alert.state, type(change)) not in ALERTS:
        raise RefusedError(subject, *_alert_reason(alert))
    for field in ("finding", "reason", "ticket"):
        if not getattr(change, field, "x").strip():
            raise RefusedError(subject, f"no {field} is given", "write it")


def _alert_reason(alert: Alert) -> tuple[str, str]:
    if alert.state is A.RAISED:
        return "it has not been analysed (1.2)", "analyse it first"
    if alert.state is A.DECLARED:
        return f"it is declared in {alert.ticket}", "go on with that ticket"
    return f"it was dismissed: {alert.reason}", "raise a new one"


def _check_role(subject: str, change: object, entry: Entry) -> None:
    role, kind = entry.who.role, type(change)
    if role not in ROLES[kind]:
        allowed = " or ".join(sorted(ROLES[kind]))
        words = _words(kind)
        raise RefusedError(
            subject,
            f"{entry.who.name} as {role} may not {words}",
            f"let {allowed} do it ([incident] users says who is what)",
        )
    if isinstance(change, ProviderReport | Corrective) and change.waived and role != "roc":
        raise RefusedError(
            subject, f"{entry.who.name} as {role} may not waive that", "the ROC may, in writing"
        )
    if isinstance(change, SaySeverity):
        forbidden = {"provider": "administration", "administration": "provider"}[change.party]
        if role == forbidden:
            raise RefusedError(
                subject,
                f"{entry.who.name} speaks for the {role}, not for the {change.party}",
                "write your own view; where they differ the Administration's prevails",
            )


def _check_times(subject: str, ticket: Ticket | None, change: object, entry: Entry) -> None:
    opened = change.new.opened_ns if isinstance(change, Opened) else None
    if isinstance(change, Redate):
        opened = change.opened_ns
    latest = entry.recorded_ns + _CLOCKS_DIFFER_NS
    if entry.at_ns > latest or (opened is not None and opened > latest):
        raise RefusedError(subject, "that time lies in the future", "write when it happened")
    if ticket is None:
        return
    opened = ticket.opened_ns if opened is None else opened
    at = entry.at_ns
    earliest: list[tuple[str, int | None]] = []
    if isinstance(change, Redate):
        for name, limit in (
            ("restored", ticket.restored_ns), ("closed", ticket.closed_ns),
        ):  # fmt: skip
            if limit is not None and limit < opened:
                raise RefusedError(
                    subject, f"it was {name} before that", "write when the fault began"
                )
    expected = getattr(change, "expected_ns", None)
    if expected is not None and expected < opened:
        raise RefusedError(
            subject, "it is expected back before it failed", "write when it will work again"
        )
    if isinstance(change, Respond):
        earliest = [("reported", ticket.reported_ns)]
    elif isinstance(change, Restore):
        earliest = [("opened", ticket.opened_ns)]
    elif isinstance(change, Validate | Accept):
        earliest = [("restored", ticket.restored_ns)]
    elif isinstance(change, Close):
        earliest = [
            ("opened", ticket.opened_ns), ("reported", ticket.reported_ns),
            ("restored", ticket.restored_ns), ("validated", ticket.validated_ns),
            ("accepted", ticket.accepted_ns),
        ]  # fmt: skip
    for name, before in earliest:
        if before is not None and at < before:
            raise RefusedError(
                subject, f"that is before it was {name}", "correct the wrong one of the two times"
            )


def _check_end(subject: str, ticket: Ticket, change: object, entry: Entry) -> None:
    if ticket.state not in (S.CLOSED, S.WITHDRAWN) or type(change) in _AFTER_THE_END:
        return
    if isinstance(change, Update | Redate) and ticket.state is S.CLOSED:
        if entry.who.role == "system" and isinstance(change, Redate):
            return  # trains that came late from a spool
        if entry.who.role != "roc":
            raise RefusedError(
                subject, "it is closed, so only the ROC may correct it", "write a comment"
            )
        if not change.reason.strip():
            raise RefusedError(
                subject, "it is closed, so a correction needs a reason", "write it (--reason)"
            )
        return
    raise RefusedError(
        subject,
        f"it is {ticket.state.value}, and nothing changes after that",
        "open a new ticket, or write a comment",
    )


def _check_milestone(subject: str, ticket: Ticket, change: object) -> None:
    kind = type(change)
    if not any(step is kind for _, step in MILESTONES):
        return
    if (ticket.state, kind) not in MILESTONES:
        reason, remedy = _REASONS.get((ticket.state, kind), _EARLY)
        raise RefusedError(subject, reason, remedy)
    if isinstance(change, Report) and ticket.reported_ns is not None:
        raise RefusedError(subject, "it is reported already", "write a comment")
    if isinstance(change, Respond) and ticket.reported_ns is None:
        raise RefusedError(subject, *_REASONS[S.OPENED, Respond])


_WRITTEN = (
    ("reason", "no reason"), ("diagnosis", "no diagnosis"), ("text", "no text"), ("by", "no name"),
    ("to", "no name"),
)  # fmt: skip


def _check_words(subject: str, change: object) -> None:
    """What is done in writing has words."""
    for field, missing in _WRITTEN:
        must = isinstance(
            change,
            Comment | Reopen | Withdraw | Redate | Respond | Accept | ProviderReport | Corrective
            | Plan | Assign,
        )  # fmt: skip
        if must and hasattr(change, field) and not getattr(change, field).strip():
            raise RefusedError(subject, f"{_words(type(change))}: {missing} is given", "write it")


def _check_closing(subject: str, ticket: Ticket) -> None:
    """2.3 and the annex's note of line 121: acceptance, provider's report, corrective procedure."""
    missing = []
    if ticket.accepted_ns is None:
        missing.append("the customer has not accepted it (--accepted-by)")
    if not ticket.provider_report:
        missing.append(
            "the provider's report is neither there (--provider-report) nor waived (2.3)"
        )
    if not ticket.corrective:
        missing.append(
            "the corrective procedure (2) is neither done (--corrective) nor waived in writing"
        )
    if missing:
        raise RefusedError(subject, "; ".join(missing), "settle that, then close it")


def _words(kind: type) -> str:
    """A class of change as words: `SaySeverity` -> `say severity`."""
    name = kind.__name__
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
