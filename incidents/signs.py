"""What was seen, as new alerts: a path or an application, a silent agent, a device."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from incidents.correlation import SEVERITY, Topology
from incidents.detection import Turn
from incidents.tickets import NewAlert
from incidents.watched import Watched
from inventory.clocks import utc_ns
from inventory.models import Configuration


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


def train_alert(turn: Turn, path: Watched, configuration: Configuration) -> NewAlert:
    """The alert of a path, or of an application, that became bad."""
    ends = (*path.pas, path.peer) if path.peer else path.pas
    data = (
        (SEVERITY, turn.severity),
        ("path", path.id),
        ("target", path.target),
        *maintenance(configuration, ends, turn.first_ns),
    )
    count = len(turn.trains)
    if path.application:
        text = f"{path.application} of {path.client} does not answer: {count} checks failed"
        data = (*data, ("application", path.application), ("client", path.client))
    else:
        what = "lost every packet" if turn.severity == "blocking" else "lost or delayed too much"
        text = f"{path.id}: {count} trains {what}"
    return NewAlert(
        key=train_key(turn),
        source="application" if path.application else "train",
        text=text,
        first_ns=turn.first_ns,
        pas=path.pas,
        services=path.services,
        data=data,
    )


def train_key(turn: Turn) -> str:
    """One alert for one beginning."""
    return f"train/{turn.path}/{turn.severity}/{turn.first_ns}"


def silence_alert(
    agent: str, from_ns: int, first_ns: int, paths: Iterable[Watched], configuration: Configuration
) -> NewAlert:
    """The alert of an agent that is silent; `first_ns`: when its first missing train was due."""
    mine = list(paths)
    pas = tuple(sorted({name for path in mine for name in path.pas}))
    # A service is disturbed where it is measured; of applications alone nothing is known.
    services = {name for path in mine if not path.application for name in path.services}
    return NewAlert(
        key=f"silence/{agent}/{from_ns}",
        source="silence",
        text=f"agent {agent} is silent: suspected outage, its trains are not here yet",
        first_ns=first_ns,
        pas=pas,
        services=tuple(sorted(services)),
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
