"""What a configuration would measure and ask, as rows: paths, applications, devices (`check`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from inventory.applications import Check, checks, run_here
from inventory.limits import Limits, LimitSource
from inventory.models import (
    Configuration,
    Path,
    own_devices,
    own_paths,
    packet_octets,
    pas_of,
    peer_of,
    target_of,
)
from inventory.operations import Device, Snmp
from inventory.values import HostPort, format_duration


@dataclass(frozen=True, slots=True)
class PathOverview:
    """One path: where it goes, what it is judged by, and what it costs."""

    path: Path
    target: HostPort
    limits: Limits
    notes: tuple[str, ...]
    packets_per_second: Fraction
    """Packets sent, on average over the interval of the trains."""
    kbit_per_second: Fraction
    """Sent, from the IP header on, on average; replies of the same size come back on top."""
    here: bool
    """This host runs it (`[agent] pas`)."""


def overview(configuration: Configuration, limits: LimitSource) -> tuple[PathOverview, ...]:
    """Every path of a checked configuration, in its order."""
    mine = {path.id for path in own_paths(configuration)}
    rows = []
    for path in configuration.paths:
        peer = peer_of(configuration, path)
        found = limits.limits_for(
            path.service,
            pas_of(configuration, path.pas).profile,
            None if peer is None else peer.profile,
        )
        notes = found.notes
        if found.delay_kind == "one-way" and path.method == "icmp":
            notes = (*notes, "a one-way limit is not judged by ICMP: use stamp")
        rate = Fraction(path.train.packets * 1_000_000_000, path.train.every_ns)
        octets = packet_octets(configuration, path)
        rows.append(
            PathOverview(
                path=path,
                target=target_of(configuration, path),
                limits=found,
                notes=notes,
                packets_per_second=rate,
                kbit_per_second=rate * octets * 8 / 1000,
                here=path.id in mine,
            )
        )
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class CheckOverview:
    """One application of a client, and whose trains check it."""

    check: Check
    here: bool
    """This host makes them (`[agent] pas`)."""
    notes: tuple[str, ...]


def check_overview(configuration: Configuration) -> tuple[CheckOverview, ...]:
    """Every application of a checked configuration, in its order."""
    mine = {check.path for check in run_here(configuration)}
    mine |= {path.id for path in own_paths(configuration)}
    return tuple(
        CheckOverview(one, one.path in mine, tuple(_check_notes(one)))
        for one in checks(configuration)
    )


def _check_notes(check: Check) -> Iterator[str]:
    if not check.own:
        yield "by the trains of this path"
    elif check.application.pas is None:
        yield "no pas: checked by a host whose [agent] has no pas"


def check_as_json(row: CheckOverview) -> dict[str, Any]:
    """One application for machines."""
    one = row.check.application
    return {
        "application": one.name,
        "client": row.check.client,
        "host": one.host,
        "check": one.check,
        "path": row.check.path,
        "pas": one.pas,
        "every_ns": one.every_ns if row.check.own else None,
        "timeout_ns": one.timeout_ns if row.check.own else None,
        "notes": list(row.notes),
        "here": row.here,
    }


@dataclass(frozen=True, slots=True)
class DeviceOverview:
    """One device: how it is asked, if it is."""

    device: Device
    here: bool
    """This host asks it (`[agent] pas`, and it has an `snmp` table)."""
    notes: tuple[str, ...]


def device_overview(configuration: Configuration) -> tuple[DeviceOverview, ...]:
    """Every device of a checked configuration, in its order."""
    mine = {device.id for device in own_devices(configuration)}
    carried = {
        (entry.interface or "").partition("/")[0]
        for pas in configuration.pas
        for entry in pas.services
    }
    return tuple(
        DeviceOverview(one, one.id in mine, tuple(_device_notes(one, carries=one.id in carried)))
        for one in configuration.devices
    )


def _device_notes(device: Device, *, carries: bool) -> Iterator[str]:
    snmp = device.snmp
    if snmp is None:
        yield "not polled: it has no snmp table"
        return
    if snmp.timeout_ns * (snmp.retries + 1) > snmp.every_ns:
        yield "without an answer a poll lasts longer than `every`: slots are passed over"
    if snmp.version == "3" and snmp.auth is None:
        yield "version 3 without keys: neither its answers nor its secrets are protected"
    if device.access_interface is not None and not carries:
        yield "no service of a [[pas]] names its access interface: its use is not reported"


def device_text(snmp: Snmp) -> str:
    """How a device is asked, in one line for people; what is secret stays where it is."""
    if snmp.version != "3":
        how = f"v{snmp.version}, community"
    elif snmp.auth is None:
        how = f"v3, {snmp.user}, no keys"
    else:
        keys = (
            snmp.auth_protocol
            if snmp.priv is None
            else f"{snmp.auth_protocol}+{snmp.priv_protocol}"
        )
        how = f"v3, {snmp.user}, {keys}"
    context = f", context {snmp.context}" if snmp.context else ""
    return (
        f"{how}{context} every {format_duration(snmp.every_ns)}, "
        f"timeout {format_duration(snmp.timeout_ns)}, retries {snmp.retries}"
    )


def device_as_json(row: DeviceOverview) -> dict[str, Any]:
    """One device for machines."""
    device, snmp = row.device, row.device.snmp
    asked = None
    if snmp is not None:
        asked = {
            "version": snmp.version,
            "port": snmp.port,
            "user": snmp.user,
            "every_ns": snmp.every_ns,
            "timeout_ns": snmp.timeout_ns,
            "retries": snmp.retries,
        }
    return {
        "device": device.id,
        "host": device.host,
        "role": device.role,
        "platform": device.platform,
        "pas": list(device.pas),
        "snmp": asked,
        "access_interface": device.access_interface,
        "peers": list(device.peers),
        "notes": list(row.notes),
        "here": row.here,
    }


def train_text(path: Path) -> str:
    """A train in one line for people."""
    train = path.train
    text = (
        f"{train.packets} x {train.size} B at {format_duration(train.spacing_ns)} "
        f"every {format_duration(train.every_ns)}, timeout {format_duration(train.timeout_ns)}"
    )
    return f"{text}, DSCP {train.dscp}" if train.dscp else text


def limits_text(row: PathOverview) -> str:
    """The limits in one line a limit for people, with their clauses and what is missing."""
    limits, parts = row.limits, []
    if limits.delay_ms is not None:
        parts.append(f"{limits.delay_kind} {limits.delay_share_percent} % <= {limits.delay_ms} ms")
    if limits.jitter_ms is not None:
        parts.append(f"jitter <= {limits.jitter_ms} ms")
    if limits.loss_percent is not None:
        parts.append(f"loss <= {limits.loss_percent} %")
    return "\n".join([*parts, *(f"({note})" for note in row.notes)]) or "none"


def as_json(row: PathOverview) -> dict[str, Any]:
    """One row for machines: limits as decimal strings, rates as numbers."""
    path, limits = row.path, row.limits

    def text(value: object) -> str | None:
        return None if value is None else str(value)

    return {
        "path": path.id,
        "pas": path.pas,
        "service": path.service,
        "peer": path.peer,
        "endpoint": path.endpoint,
        "method": path.method,
        "target": row.target.host,
        "port": row.target.port if path.method == "stamp" else None,
        "train": {
            "packets": path.train.packets,
            "size": path.train.size,
            "dscp": path.train.dscp,
            "spacing_ns": path.train.spacing_ns,
            "every_ns": path.train.every_ns,
            "timeout_ns": path.train.timeout_ns,
        },
        "limits": {
            "delay_ms": text(limits.delay_ms),
            "delay_kind": limits.delay_kind,
            "delay_share_percent": text(limits.delay_share_percent),
            "loss_percent": text(limits.loss_percent),
            "jitter_ms": text(limits.jitter_ms),
            "clauses": list(limits.clauses),
        },
        "notes": list(row.notes),
        "packets_per_second": round(float(row.packets_per_second), 6),
        "kbit_per_second": round(float(row.kbit_per_second), 6),
        "here": row.here,
    }
