"""What is attached to a ticket: the trains that decided, a traceroute of that moment, devices.

Trains are attached in the look that opened the ticket. A traceroute takes seconds, so it is made
beside the watch; a ticket that has none yet is found again after a restart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict

from incidents.desk import Desk
from incidents.tickets import SYSTEM, UNRESTORED, Ticket
from inventory.models import Configuration, target_of
from timeseries.records import TrainRecord

TRACED_PATHS = 5
"""So many paths of a ticket are traced: many PAS behind one device fail alike."""

Tracer = Callable[[str], Sequence[object]]
"""`agent.evidence.path.traceroute`; raises ProbeError or OSError."""
DeviceState = Callable[[str], Mapping[str, object] | None]
"""What is known of a device; None: nothing."""


def trains_file(trains: Iterable[TrainRecord]) -> tuple[str, bytes]:
    """(name, JSON) of trains as evidence, each with all of its figures."""
    records = sorted(trains, key=lambda train: (train.start_ns, train.path))
    rows = [asdict(train) for train in records]
    first = records[0].start_ns if records else 0
    return f"trains-{first}.json", json.dumps(rows, indent=1, sort_keys=True).encode()


def untraced(desk: Desk) -> tuple[Ticket, ...]:
    """Tickets of ours that go on and have no traceroute yet."""
    return tuple(
        ticket
        for ticket in desk.tickets(states=UNRESTORED)
        if ticket.opener.role == "system"
        and not any(one.kind == "traceroute" for one in ticket.evidence)
    )


def targets(ticket: Ticket, configuration: Configuration) -> dict[str, str]:
    """Path -> target of some paths of a ticket's PAS, one a PAS."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for path in configuration.paths:
        if path.pas in ticket.pas and path.pas not in seen and path.service in ticket.services:
            seen.add(path.pas)
            found[path.id] = target_of(configuration, path).host
        if len(found) == TRACED_PATHS:
            break
    # An application has no path of its own; its host stands in the ticket.
    return found or ({ticket.summary: ticket.address} if ticket.address else {})


def attach_traces(
    desk: Desk, ticket: Ticket, configuration: Configuration, trace: Tracer, now_ns: int
) -> Ticket:
    """Trace towards a ticket's targets and attach what was found, or why nothing was."""
    from agent.errors import ProbeError

    rows: list[dict[str, object]] = []
    for path, target in targets(ticket, configuration).items():
        row: dict[str, object] = {"path": path, "target": target, "hops": []}
        try:
            row["hops"] = [_plain(hop) for hop in trace(target)]
        except (ProbeError, OSError) as error:
            row["error"] = str(error)
        rows.append(row)
    content = json.dumps({"traced_ns": now_ns, "paths": rows}, indent=1).encode()
    return desk.attach(
        ticket.id, SYSTEM, "traceroute", f"traceroute-{now_ns}.json", content, at_ns=now_ns
    )


def attach_device(desk: Desk, ticket: Ticket, state: DeviceState, now_ns: int) -> Ticket:
    """Attach what is known of the ticket's device; nothing where nothing is."""
    known = state(ticket.device) if ticket.device else None
    if known is None:
        return ticket
    content = json.dumps({"device": ticket.device, "state": known}, indent=1, default=str).encode()
    name = f"{ticket.device}-{now_ns}.json"
    return desk.attach(ticket.id, SYSTEM, "device-state", name, content, at_ns=now_ns)


def _plain(hop: object) -> object:
    return asdict(hop)  # type: ignore[call-overload]
