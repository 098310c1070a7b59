"""The trail of the incident desk in the incident report: who did what, when (procedure, 2.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from analysis.documents.content import Column, Item, Message, Moment, Table, msg
from incidents import changes
from incidents.history import Entry
from incidents.tickets import Actor, Role
from incidents.trail import what

_WORDS = ("text", "summary", "diagnosis", "reason", "cause", "to", "by", "party", "note", "outcome")

_TOPICS = {
    "notice": msg("notice"),
    "escalation": msg("escalation"),
    "call": msg("call task"),
    "runbook": msg("runbook"),
    "reply": msg("answer of the provider"),
}

_ROLES: Mapping[Role, Message] = {
    "roc": msg("ROC"),
    "operator": msg("desk"),
    "provider": msg("provider"),
    "administration": msg("administration"),
    "call-centre": msg("call centre"),
    "system": msg("by itself"),
}


def trail_item(entries: Sequence[Entry], zone: tzinfo) -> Item:
    """Every entry of the history of one ticket, in local time."""
    table = Table(
        "desk-trail",
        msg("Each entry of the desk's history, in local time."),
        (
            Column("at", msg("at")),
            Column("who", msg("who")),
            Column("step", msg("step")),
            Column("words", msg("in words")),
        ),
        tuple(
            (Moment(entry.at_ns, zone), _who(entry.who), _step(entry.change), _words(entry, zone))
            for entry in entries
        ),
    )
    return Item("desk-trail", msg("What the incident desk wrote down"), tables=(table,))


def _who(who: Actor) -> Message:
    role = _ROLES[who.role]
    if who.via and who.via != who.name:
        return msg("{name} ({role}), written down by {via}", name=who.name, role=role, via=who.via)
    return msg("{name} ({role})", name=who.name, role=role)


def _step(change: object) -> Message:
    if isinstance(change, changes.ProviderReport):
        return msg("provider's report waived") if change.waived else msg("provider's report")
    if isinstance(change, changes.Corrective):
        return msg("corrective procedure waived") if change.waived else msg("corrective procedure")
    if isinstance(change, changes.Record):
        return _TOPICS.get(change.topic, msg("recorded"))
    return {
        changes.Opened: msg("ticket opened"),
        changes.Imported: msg("imported"),
        changes.Report: msg("reported"),
        changes.DeclareToProvider: msg("declared to the provider"),
        changes.Respond: msg("return notice"),
        changes.Restore: msg("service restored"),
        changes.Reopen: msg("reopened"),
        changes.Validate: msg("validated by the ROC"),
        changes.Accept: msg("accepted by the customer"),
        changes.Close: msg("closed"),
        changes.Withdraw: msg("withdrawn"),
        changes.Acknowledge: msg("taken over"),
        changes.Assign: msg("assigned"),
        changes.Comment: msg("comment"),
        changes.Redate: msg("beginning of the fault corrected"),
        changes.Update: msg("fields updated"),
        changes.SaySeverity: msg("severity of a party"),
        changes.Plan: msg("action planned"),
        changes.PlanSent: msg("actions sent"),
        changes.PlanDone: msg("action done"),
        changes.Attach: msg("evidence attached"),
        changes.JoinAlert: msg("alert joined"),
    }.get(type(change), msg("recorded"))


def _words(entry: Entry, zone: tzinfo) -> str:
    """What people wrote, in the language that they wrote it in."""
    change = entry.change
    if isinstance(change, changes.Opened | changes.Imported):
        return change.new.summary
    if isinstance(change, changes.Attach):
        return f"{change.evidence.name}, SHA-256 {change.evidence.sha256}"
    if isinstance(change, changes.SaySeverity):
        return f"{change.party}: {change.severity}"
    if isinstance(change, changes.Record):
        return change.text
    if isinstance(change, changes.Update):
        return what(entry, zone)
    if isinstance(change, changes.PlanSent):
        return ", ".join(map(str, change.numbers))
    if isinstance(change, changes.PlanDone):
        return f"{change.number}: {change.outcome}".removesuffix(": ")
    said = (getattr(change, name, None) for name in _WORDS)
    return "; ".join(text for text in said if isinstance(text, str) and text)
