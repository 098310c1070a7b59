"""The history in words: what each change was, in one line of English."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from incidents.changes import (
    Accept,
    Acknowledge,
    Again,
    Analyse,
    Assign,
    Attach,
    Clear,
    Close,
    Comment,
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
from incidents.facts_csv import instant_text
from incidents.history import UPDATED, Entry
from incidents.tickets import Actor

_When = Callable[[int | None], str]


def what(entry: Entry, zone: tzinfo) -> str:
    """One line: what was done."""

    def when(ns: int | None) -> str:
        return "" if ns is None else instant_text(ns - ns % 1_000_000_000, zone)

    return _ticket(entry.change, when) or _life(entry.change) or _alert(entry.change, when)


def by(who: Actor) -> str:
    """Who did it, as `a.rossi (roc, written down by root)`."""
    party = f" of {who.party}" if who.party else ""
    via = f", written down by {who.via}" if who.via and who.via != who.name else ""
    return f"{who.name} ({who.role}{party}{via})"


def _ticket(change: Any, when: _When) -> str:
    match change:
        case Opened():
            new = change.new
            where = ", ".join(new.pas) or "all of the service"
            return f"opened: {new.summary} [{new.severity}, {change.criticality}; {where}]"
        case Imported():
            return f"imported: {change.new.summary} [{change.new.severity}]"
        case Respond():
            return f"diagnosis: {change.diagnosis}; expected back at {when(change.expected_ns)}"
        case Redate():
            return f"the fault began at {when(change.opened_ns)}: {change.reason}"
        case Update():
            fields = ((name, getattr(change, name)) for name in UPDATED)
            said = "; ".join(
                f"{name} = {_value(v, name, when)}" for name, v in fields if v is not None
            )
            return f"{said}{_told(change.reason)}"
        case Plan():
            due = f", until {when(change.due_ns)}" if change.due_ns is not None else ""
            return f"plan: {change.text} ({change.party}{due})"
        case PlanSent():
            return f"plan: action {', '.join(map(str, change.numbers))} sent to the party"
        case PlanDone():
            return f"plan: action {change.number} done{_told(change.outcome)}"
        case Attach():
            one = change.evidence
            return f"attached: {one.kind} {one.name} ({one.size} octets, sha256 {one.sha256[:12]})"
        case JoinAlert():
            return f"alert {change.alert} is about it too{_told(', '.join(change.pas))}"
        case Record():
            return f"{change.topic}: {change.text}"
    return ""


def _life(change: Any) -> str:
    match change:
        case Report():
            return f"reported{_told(change.text)}"
        case DeclareToProvider():
            return f"declared to the provider{_told(change.text)}"
        case Restore():
            return f"restored{_told(change.cause)}{_told(change.text)}"
        case Reopen():
            return f"reopened: {change.reason}"
        case Validate():
            return f"validated{_told(change.text)}"
        case Accept():
            return f"accepted by {change.by}"
        case ProviderReport():
            return f"provider's report {'waived' if change.waived else 'received'}: {change.text}"
        case Corrective():
            return f"corrective procedure {'waived' if change.waived else 'done'}: {change.text}"
        case Close():
            return f"closed{_told(change.text)}"
        case Withdraw():
            return f"withdrawn: {change.reason}"
        case Acknowledge():
            whose = f" by {change.party}" if change.party else ""
            return f"taken over{whose}{_told(change.note)}"
        case Assign():
            return f"assigned to {change.to}"
        case Comment():
            return f"comment: {change.text}"
        case SaySeverity():
            return f"severity of the {change.party}: {change.severity}"
    return ""


def _alert(change: Any, when: _When) -> str:
    match change:
        case Raised():
            return f"raised: {change.new.text}"
        case Analyse():
            return f"analysed: {change.finding}"
        case Declare():
            return f"declared in {change.ticket}"
        case Dismiss():
            return f"dismissed: {change.reason}"
        case Clear():
            return f"over since {when(change.at_ns)}{_told(change.text)}"
        case Again():
            return f"again since {when(change.at_ns)}{_told(change.text)}"
    return type(change).__name__


def _told(text: str) -> str:
    return f": {text}" if text else ""


def _value(value: object, name: str, when: _When) -> str:
    if name == "expected_ns" and isinstance(value, int):
        return when(value)
    return ";".join(map(str, value)) if isinstance(value, tuple) else str(value)
