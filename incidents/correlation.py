"""Which alerts are one incident: many PAS behind one device are one ticket with many PAS.

Pure. Alerts of one severity that began close together go into one group where a device carries
their PAS; what no device explains is grouped by PAS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from incidents.tickets import Alert, Severity, Ticket
from inventory.models import Configuration

SEVERITY = "severity"
"""Name under which an alert's data keep the severity."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Which devices carry which PAS."""

    behind: Mapping[str, frozenset[str]]
    """Device -> PAS behind it."""
    devices_of: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, configuration: Configuration) -> Topology:
        """From `[[device]] pas`, and the interfaces that carry a service."""
        behind: dict[str, set[str]] = {
            device.id: set(device.pas) for device in configuration.devices
        }
        for pas in configuration.pas:
            for service in pas.services:
                if service.interface is not None:
                    behind.setdefault(service.interface.partition("/")[0], set()).add(pas.id)
        devices_of: dict[str, set[str]] = {}
        for device, names in behind.items():
            for name in names:
                devices_of.setdefault(name, set()).add(device)
        return cls(
            {device: frozenset(names) for device, names in behind.items()},
            {name: frozenset(devices) for name, devices in devices_of.items()},
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that are one incident."""

    alerts: tuple[Alert, ...]
    device: str
    """The one that explains them; empty where none does."""
    severity: Severity

    @property
    def pas(self) -> tuple[str, ...]:
        """Every PAS of them, sorted."""
        return tuple(sorted({name for alert in self.alerts for name in alert.pas}))

    @property
    def services(self) -> tuple[str, ...]:
        """Every service of them, sorted."""
        return tuple(sorted({name for alert in self.alerts for name in alert.services}))

    @property
    def first_ns(self) -> int:
        """When the first of them began."""
        return min(alert.first_ns for alert in self.alerts)


def severity_of(alert: Alert) -> Severity:
    """The severity that the detection gave an alert; one without is blocking (C8 corrects it)."""
    said = dict(alert.data).get(SEVERITY)
    return "non-blocking" if said == "non-blocking" else "blocking"


def grouped(alerts: Iterable[Alert], topology: Topology) -> list[Group]:
    """New alerts as incidents: the device that explains most of them first."""
    groups: list[Group] = []
    left: dict[int, Alert] = {alert.id: alert for alert in alerts}
    for severity in ("blocking", "non-blocking"):
        mine = {i: alert for i, alert in left.items() if severity_of(alert) == severity}
        said: Severity = "blocking" if severity == "blocking" else "non-blocking"
        while mine:
            taken, device = _largest(mine, topology)
            groups.append(Group(tuple(mine.pop(i) for i in sorted(taken)), device, said))
    return groups


def _largest(alerts: Mapping[int, Alert], topology: Topology) -> tuple[set[int], str]:
    """The device with most of the alerts behind it and their ids; one PAS where none has two."""
    of_device: dict[str, set[int]] = {}
    of_pas: dict[str, set[int]] = {}
    for i, alert in alerts.items():
        devices = {alert.device} if alert.device else set()
        for name in alert.pas:
            of_pas.setdefault(name, set()).add(i)
            devices |= topology.devices_of.get(name, frozenset())
        for device in devices:
            of_device.setdefault(device, set()).add(i)
    best, device = set[int](), ""
    for name in sorted(
        of_device, key=lambda d: (-len(of_device[d]), len(topology.behind.get(d, ())), d)
    ):
        said = any(alerts[i].device == name for i in of_device[name])
        several = len({p for i in of_device[name] for p in alerts[i].pas}) > 1
        if said or several:
            best, device = of_device[name], name
            break
    if best:
        return best, device
    for name in sorted(of_pas):
        return of_pas[name], ""
    return {min(alerts)}, ""


def ticket_for(
    group: Group, tickets: Sequence[Ticket], topology: Topology, within_ns: int
) -> Ticket | None:
    """The open ticket that this is more of: the same severity, and device or PAS in common.

    A PAS in common is enough at any time; a device only while the incident is young
    (`within_ns` after it began): a line that fails a day later is another incident.
    """
    names = set(group.pas)
    for ticket in tickets:
        if ticket.severity != group.severity:
            continue
        if names & set(ticket.pas):
            return ticket
        shared = _devices(ticket.pas, ticket.device, topology) & _devices(
            group.pas, group.device, topology
        )
        if shared and abs(group.first_ns - ticket.opened_ns) <= within_ns:
            return ticket
    return None


def _devices(pas: Iterable[str], device: str, topology: Topology) -> set[str]:
    if device:
        return {device}
    found: set[str] = set()
    for name in pas:
        found |= topology.devices_of.get(name, frozenset())
    return found
