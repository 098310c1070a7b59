"""From what was detected to alerts, and from alerts to tickets (procedure, 1.2 and annex 3).

Every function here writes through the desk inside the caller's transaction. What the rules can
judge by themselves (production is disturbed: trains lost, an agent silent) they declare; the rest
stays analysed until a person declares or dismisses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from incidents.changes import (
    Analyse,
    Clear,
    Comment,
    Declare,
    Dismiss,
    JoinAlert,
    Redate,
    Reopen,
    Restore,
    Update,
    Withdraw,
)
from incidents.correlation import Group, Topology, grouped, ticket_for
from incidents.desk import Desk
from incidents.tickets import (
    OPEN,
    SYSTEM,
    Alert,
    AlertState,
    NewAlert,
    NewTicket,
    Severity,
    State,
    Ticket,
)
from incidents.watched import Correlation
from inventory.models import Configuration

SERVER = "server"
"""Kind of the tickets of applications."""
_SEVERITIES: tuple[Severity, ...] = ("blocking", "non-blocking")
ALONE = frozenset({"unreachable", "tunnel-lost", "interface-down", "failover"})
"""Kinds of events of a device that explain an outage of the PAS behind it."""


def disturbs(alert: Alert) -> bool:
    """Whether it says by itself that production is disturbed (annex 3): declared by rule."""
    return alert.source in ("train", "silence", "application") and bool(alert.services)


def explains(alert: Alert) -> bool:
    """Whether it goes on and may be why a PAS that is hit is hit."""
    if alert.cleared_ns is not None or disturbs(alert):
        return False
    return alert.source == "application" or (
        alert.source == "device" and dict(alert.data).get("kind") in ALONE
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
    desk: Desk,
    configuration: Configuration,
    topology: Topology,
    rules: Correlation,
    alone: Callable[[Alert], bool],
) -> list[Ticket]:
    """Put analysed alerts that disturb production into tickets, new ones or those there are.

    `alone`: whether an application fails by itself. One that does not is no outage of its own
    service: it waits, and is dismissed when it answers again.
    """
    analysed = desk.alerts(states={AlertState.ANALYSED})
    disturbing = [alert for alert in analysed if disturbs(alert)]
    lines = [alert for alert in disturbing if alert.source != "application"]
    failing = [alert for alert in disturbing if alert.source == "application"]
    own = [alert for alert in failing if alone(alert)]
    for alert in failing:
        if alert not in own and alert.cleared_ns is not None:
            desk.change_alert(alert.id, SYSTEM, Dismiss("it failed and came back with its line"))
    tickets = desk.tickets(states=OPEN) if analysed else ()
    hit = {name for alert in (*lines, *own) for name in alert.pas}
    hit |= {name for ticket in tickets if ticket.restored_ns is None for name in ticket.pas}
    # What failed without disturbing anybody (a spare took over) is left to a person.
    also = [alert for alert in analysed if explains(alert) and hit & set(alert.pas)]
    found = (
        _declared(desk, group, configuration, topology, rules)
        for group in (*grouped([*lines, *also], topology), *grouped(own, topology))
    )
    return [ticket for ticket in found if ticket is not None]


def _declared(
    desk: Desk,
    group: Group,
    configuration: Configuration,
    topology: Topology,
    rules: Correlation,
) -> Ticket | None:
    """The group's ticket; None where it only explains, and there is nothing to explain yet."""
    tickets = desk.tickets(states=OPEN)
    if any(map(disturbs, group.alerts)):
        # An application that fails by itself and a line that fails are two incidents.
        recent = [
            ticket
            for ticket in tickets
            if ticket.restored_ns is None or group.first_ns - ticket.restored_ns <= rules.flap_ns
            if ticket.opener.role != "system" or (ticket.kind == SERVER) is _of_applications(group)
        ]
        ticket = ticket_for(group, recent, topology, rules.device_ns)
    else:
        # Why a PAS is hit is the same whether it lost all or only some packets.
        going_on = [ticket for ticket in tickets if ticket.restored_ns is None]
        told = (replace(group, severity=one) for one in (group.severity, *_SEVERITIES))
        found = (ticket_for(one, going_on, topology, rules.device_ns) for one in told)
        ticket = next((one for one in found if one is not None), None)
        if ticket is None:
            return None
    if ticket is None:
        ticket = desk.open(
            _new_ticket(group, configuration), SYSTEM, key=f"alert/{group.alerts[0].id}"
        )
    else:
        if ticket.restored_ns is not None:
            desk.change(ticket.id, SYSTEM, Reopen(f"it failed again: {group.alerts[0].text}"))
        for alert in group.alerts:
            # The device explains its PAS only where they are seen to be hit.
            pas = alert.pas if disturbs(alert) else ()
            desk.change(ticket.id, SYSTEM, JoinAlert(alert.id, pas, alert.services))
    for alert in group.alerts:
        desk.change_alert(alert.id, SYSTEM, Declare(ticket.id))
    for work in sorted({t for a in group.alerts for n, t in a.data if n == "maintenance"}):
        desk.change(ticket.id, SYSTEM, Comment(f"falls into announced maintenance: {work}"))
    return desk.ticket(ticket.id)


def _of_applications(group: Group) -> bool:
    return all(alert.source == "application" for alert in group.alerts)


def _new_ticket(group: Group, configuration: Configuration) -> NewTicket:
    seen = [alert for alert in group.alerts if disturbs(alert)]
    pas = tuple(sorted({name for alert in seen for name in alert.pas}))
    client = configuration.clients[0].name if len(configuration.clients) == 1 else ""
    target = next((t for a in seen for n, t in a.data if n == "target"), "")
    new = NewTicket(
        services=group.services,
        summary="",
        severity=group.severity,
        opened_ns=min(alert.first_ns for alert in seen),
        pas=pas,
        address=target,
        client=client,
        alerts=tuple(alert.id for alert in group.alerts),
    )
    if _of_applications(group):
        said = [dict(alert.data) for alert in seen]
        names = ", ".join(sorted({one["application"] for one in said}))
        clients = {one["client"] for one in said}
        whose = clients.pop() if len(clients) == 1 else client
        return replace(new, summary=f"{names} does not answer", kind=SERVER, client=whose)
    device = next((d for d in configuration.devices if d.id == group.device), None)
    suspected = all(alert.suspected for alert in seen)
    where = f"{len(pas)} PAS" if len(pas) > 1 else pas[0]
    behind = f" behind {group.device}" if group.device else ""
    what = (
        "suspected outage"
        if suspected
        else ("outage" if group.severity == "blocking" else "degradation")
    )
    return replace(
        new,
        summary=f"{what} of {where}{behind}",
        kind="line" if device is None else device.role,
        device=group.device,
        address=target if device is None else device.host,
    )


def settle(desk: Desk, cleared: Iterable[Alert]) -> list[Ticket]:
    """Tickets whose alerts are all over: restored, or withdrawn where it was no outage."""
    changed: list[Ticket] = []
    # An alert may have been declared since, where one look saw its beginning and its end.
    for ticket_id in sorted({desk.alert(alert.id).ticket for alert in cleared} - {""}):
        ticket = desk.ticket(ticket_id)
        # What explains a disturbance may outlast it.
        alerts = [alert for alert in desk.alerts(ticket=ticket_id) if disturbs(alert)]
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
