"""From what was detected to alerts, and from alerts to tickets (procedure, 1.2 and annex 3).

Every function here writes through the desk inside the caller's transaction. What the rules can
judge by themselves (production is disturbed: trains lost, an agent silent) they declare; the rest
stays analysed until a person declares or dismisses it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from incidents.changes import (
    Analyse,
    Clear,
    Comment,
    Declare,
    JoinAlert,
    Redate,
    Reopen,
    Restore,
    Update,
    Withdraw,
)
from incidents.correlation import SEVERITY, Group, Topology, grouped, ticket_for
from incidents.desk import Desk
from incidents.detection import Turn
from incidents.tickets import OPEN, SYSTEM, Alert, AlertState, NewAlert, NewTicket, State, Ticket
from inventory.clocks import utc_ns
from inventory.models import Configuration, Path

_SECOND_NS = 1_000_000_000
DISTURBING = frozenset({"train", "silence"})
"""Sources that say that production is disturbed (annex 3): declared by rule."""
ALONE = frozenset({"unreachable", "tunnel-lost", "interface-down", "failover"})
"""Kinds of events of a device that explain an outage of the PAS behind it."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """How close two alerts must be to be one incident."""

    device_ns: int = 300 * _SECOND_NS
    """So long after its beginning an incident takes more PAS behind the same device."""
    flap_ns: int = 600 * _SECOND_NS
    """What fails again so soon after its restoration reopens the ticket."""


@dataclass(frozen=True, slots=True)
class DeviceSign:
    """An event of a device, as `DeviceEventRecord` of the collectors has it."""

    device: str
    kind: str
    instance: str
    state: Literal["raised", "cleared"]
    text: str
    at_ns: int
    since_ns: int = 0
    momentary: bool = False
    """It has no end."""


def train_alert(turn: Turn, path: Path, configuration: Configuration) -> NewAlert:
    """The alert of a path that became bad."""
    what = "lost every packet" if turn.severity == "blocking" else "lost or delayed too much"
    pas = (path.pas,) if path.peer is None else (path.pas, path.peer)
    return NewAlert(
        key=train_key(turn),
        source="train",
        text=f"{path.id}: {len(turn.trains)} trains {what}",
        first_ns=turn.first_ns,
        pas=pas[:1],
        services=(path.service,),
        data=(
            (SEVERITY, turn.severity),
            ("path", path.id),
            ("target", path.target or path.peer or ""),
            *maintenance(configuration, pas, turn.first_ns),
        ),
    )


def train_key(turn: Turn) -> str:
    """One alert for one beginning."""
    return f"train/{turn.path}/{turn.severity}/{turn.first_ns}"


def silence_alert(
    agent: str, from_ns: int, first_ns: int, paths: Iterable[Path], configuration: Configuration
) -> NewAlert:
    """The alert of an agent that is silent; `first_ns`: when its first missing train was due."""
    mine = list(paths)
    pas = tuple(sorted({path.pas for path in mine}))
    return NewAlert(
        key=f"silence/{agent}/{from_ns}",
        source="silence",
        text=f"agent {agent} is silent: suspected outage, its trains are not here yet",
        first_ns=first_ns,
        pas=pas,
        services=tuple(sorted({path.service for path in mine})),
        suspected=True,
        data=(
            (SEVERITY, "blocking"),
            ("agent", agent),
            *maintenance(configuration, pas, first_ns),
        ),
    )


def device_alert(sign: DeviceSign, topology: Topology, configuration: Configuration) -> NewAlert:
    """The alert of a device's event."""
    since = sign.since_ns or sign.at_ns
    pas = tuple(sorted(topology.behind.get(sign.device, ())))
    return NewAlert(
        key=f"device/{sign.device}/{sign.kind}/{sign.instance}/{since}",
        source="device",
        text=f"{sign.device}: {sign.text}",
        first_ns=since,
        pas=pas,
        device=sign.device,
        data=(
            (SEVERITY, "blocking"),
            ("kind", sign.kind),
            ("instance", sign.instance),
            *maintenance(configuration, pas, since),
        ),
    )


def maintenance(
    configuration: Configuration, pas: Collection[str], at_ns: int
) -> tuple[tuple[str, str], ...]:
    """Announced work that an alert falls into: shown with it, and never a reason to hide it."""
    return tuple(
        ("maintenance", work.reason)
        for work in configuration.maintenance
        if utc_ns(work.start) <= at_ns < utc_ns(work.end) and set(work.pas) & set(pas)
    )


def note(desk: Desk, new: NewAlert, finding: str) -> Alert:
    """Raise an alert and write down what the rule found."""
    alert = desk.raise_alert(new, SYSTEM)
    if alert.state is AlertState.RAISED:
        work = [text for name, text in new.data if name == "maintenance"]
        more = f"; announced maintenance: {', '.join(work)}" if work else ""
        alert = desk.change_alert(alert.id, SYSTEM, Analyse(finding + more))
    return alert


def clear(desk: Desk, key: str, at_ns: int, text: str) -> Alert | None:
    """An alert is over; None where none of this key goes on."""
    for alert in desk.alerts(cleared=False):
        if alert.key == key:
            return desk.change_alert(alert.id, SYSTEM, Clear(at_ns, text))
    return None


def declare(
    desk: Desk, configuration: Configuration, topology: Topology, rules: Correlation
) -> list[Ticket]:
    """Put analysed alerts that disturb production into tickets, new ones or those there are."""
    waiting = [
        alert
        for alert in desk.alerts(states={AlertState.ANALYSED})
        if alert.source in DISTURBING or (alert.source == "device" and alert.cleared_ns is None)
    ]
    if not waiting:
        return []
    disturbed = {name for a in waiting if a.source in DISTURBING for name in a.pas}
    tickets = desk.tickets(states=OPEN)
    hit = {name for ticket in tickets if ticket.restored_ns is None for name in ticket.pas}
    # A device that failed without disturbing anybody (a spare took over) is left to a person.
    chosen = [
        alert
        for alert in waiting
        if alert.source in DISTURBING
        or (dict(alert.data).get("kind") in ALONE and set(alert.pas) & (disturbed | hit))
    ]
    return [
        _declared(desk, group, configuration, topology, rules)
        for group in grouped(chosen, topology)
    ]


def _declared(
    desk: Desk,
    group: Group,
    configuration: Configuration,
    topology: Topology,
    rules: Correlation,
) -> Ticket:
    recent = [
        ticket
        for ticket in desk.tickets(states=OPEN)
        if ticket.restored_ns is None or group.first_ns - ticket.restored_ns <= rules.flap_ns
    ]
    ticket = ticket_for(group, recent, topology, rules.device_ns)
    if ticket is None:
        ticket = desk.open(
            _new_ticket(group, configuration), SYSTEM, key=f"alert/{group.alerts[0].id}"
        )
    else:
        if ticket.restored_ns is not None:
            desk.change(ticket.id, SYSTEM, Reopen(f"it failed again: {group.alerts[0].text}"))
        for alert in group.alerts:
            # The device explains its PAS only where they are seen to be hit.
            pas = () if alert.source == "device" else alert.pas
            desk.change(ticket.id, SYSTEM, JoinAlert(alert.id, pas, alert.services))
    for alert in group.alerts:
        desk.change_alert(alert.id, SYSTEM, Declare(ticket.id))
    for work in sorted({t for a in group.alerts for n, t in a.data if n == "maintenance"}):
        desk.change(ticket.id, SYSTEM, Comment(f"falls into announced maintenance: {work}"))
    return desk.ticket(ticket.id)


def _new_ticket(group: Group, configuration: Configuration) -> NewTicket:
    seen = [alert for alert in group.alerts if alert.source != "device"]
    pas = tuple(sorted({name for alert in seen for name in alert.pas}))
    device = next((d for d in configuration.devices if d.id == group.device), None)
    suspected = all(alert.suspected for alert in seen)
    where = f"{len(pas)} PAS" if len(pas) > 1 else pas[0]
    behind = f" behind {group.device}" if group.device else ""
    what = (
        "suspected outage"
        if suspected
        else ("outage" if group.severity == "blocking" else "degradation")
    )
    target = next((t for a in seen for n, t in a.data if n == "target"), "")
    client = configuration.clients[0].name if len(configuration.clients) == 1 else ""
    return NewTicket(
        services=group.services,
        summary=f"{what} of {where}{behind}",
        severity=group.severity,
        opened_ns=min(alert.first_ns for alert in seen),
        pas=pas,
        kind=device.role if device is not None else "line",
        device=group.device,
        address=device.host if device is not None else target,
        client=client,
        alerts=tuple(alert.id for alert in group.alerts),
    )


def settle(desk: Desk, cleared: Iterable[Alert]) -> list[Ticket]:
    """Tickets whose alerts are all over: restored, or withdrawn where it was no outage."""
    changed: list[Ticket] = []
    # An alert may have been declared since, where one look saw its beginning and its end.
    for ticket_id in sorted({desk.alert(alert.id).ticket for alert in cleared} - {""}):
        ticket = desk.ticket(ticket_id)
        # Events of a device may outlast the disturbance that they explained.
        alerts = [alert for alert in desk.alerts(ticket=ticket_id) if alert.source in DISTURBING]
        going_on = [alert for alert in alerts if alert.cleared_ns is None]
        confirmed = [alert for alert in alerts if alert.source != "silence"]
        suspects = [alert for alert in going_on if alert.source == "silence"]
        if ticket.opener.role == "system" and confirmed:
            names = {name for alert in (*confirmed, *suspects) for name in alert.pas}
            if ticket.state in OPEN and names != set(ticket.pas):
                pas = tuple(sorted(names))
                desk.change(ticket_id, SYSTEM, Update(pas=pas, affected=len(pas)))
        if going_on or ticket.state not in OPEN or ticket.state is State.VALIDATED:
            continue
        if ticket.opener.role != "system":
            changed.append(
                desk.change(ticket_id, SYSTEM, Comment("the agents measure no fault any more"))
            )
        elif confirmed and ticket.restored_ns is None:
            at_ns = max(alert.cleared_ns or 0 for alert in confirmed)
            change = Restore(at_ns=at_ns, text="trains are answered again")
            changed.append(desk.change(ticket_id, SYSTEM, change))
        elif not confirmed:
            words = "; ".join(sorted({_ending(desk, alert) for alert in alerts}))
            changed.append(desk.change(ticket_id, SYSTEM, Withdraw(words)))
    return changed


def _ending(desk: Desk, alert: Alert) -> str:
    """Why an alert was cleared."""
    said = [e.change.text for e in desk.history(f"alert/{alert.id}") if isinstance(e.change, Clear)]
    return said[-1] if said and said[-1] else "the agent is back and measured no outage"


def date_back(desk: Desk, first_of: Mapping[str, int], reason: str) -> None:
    """Set the beginning of tickets to the first lost train of the spool (ticket id -> ns)."""
    for ticket_id, first_ns in sorted(first_of.items()):
        ticket = desk.ticket(ticket_id)
        if ticket.opener.role == "system" and ticket.opened_ns != first_ns:
            desk.change(ticket_id, SYSTEM, Redate(first_ns, reason))
