"""Polled devices in a period: what they are, their resources by the hour, their events.

Sums of quarter-hour roll-ups by the local hour, so that a mean over any hours is exact: the
technical report shows processor, memory, sessions and throughput by hour, day and week (annex, line
230), and the use of a guaranteed bandwidth by the hour. `survey_devices` reads, the rest is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from fractions import Fraction
from pathlib import Path
from typing import Literal

from inventory.clocks import local, period_bounds
from inventory.models import Configuration, named_interfaces
from inventory.operations import Device
from inventory.periods import Period
from timeseries.bandwidth_use import IN, OUT
from timeseries.reader import EmbeddedReader, Reader
from timeseries.records import DeviceEventRecord, DeviceRollupRecord

CPU = ("cpu_5min", "cpu_1min", "cpu_5s")
"""The longest mean that a device tells is used."""
_GAUGES = (
    *CPU,
    "memory_used",
    "memory_free",
    "connections",
    "sessions",
    "ipsec_tunnel_rows",
    "temperature",
    "mac_addresses",
    "poe_used",
    "reachable",
    "response_time",
)
_WORDS = ("model", "release", "serial")
_RATES = (IN, OUT)

Kind = Literal[
    "cpu", "memory", "connections", "sessions", "tunnels", "in", "out", "temperature",
    "mac-addresses", "poe", "response-time",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeviceHour:
    """One figure of one device in one local hour: sums over its roll-ups, all integers."""

    device: str
    figure: str
    instance: str
    start_ns: int
    """UTC; begins an hour in the local time of the device's PAS."""
    polls: int
    count: int
    """Polls with a value."""
    total: int
    """Sum of the values, of `scale`."""
    maximum: int | None
    scale: int
    amount: int | None
    """Octets, where the figure is a rate."""
    covered_ns: int
    """The time in which they were counted."""


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """A state of a device that began (or a moment), as the collector told it."""

    kind: str
    instance: str
    start_ns: int
    state: Literal["raised", "cleared"]
    text: str


@dataclass(frozen=True, slots=True)
class PolledDevice:
    """What is on record of one device in a period."""

    id: str
    role: Literal["firewall", "switch"]
    pas: tuple[str, ...]
    model: str
    """Newest in the period; empty where it did not say."""
    release: str
    serial: str
    polls: int
    answered: int
    hours: tuple[DeviceHour, ...]
    """By figure, instance and time."""
    events: tuple[DeviceEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of one resource; a mean over hours is sum(part) / sum(whole)."""

    start_ns: int
    part: Fraction
    whole: Fraction
    """Polls, or the time that a rate is over."""
    peak: Fraction | None
    """The highest single poll; None where it is not known."""

    @property
    def mean(self) -> Fraction:
        return self.part / self.whole


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a device, hour by hour; hours without a measurement are left out."""

    kind: Kind
    instance: str
    unit: str
    """Of `documents.content.Number`: percent, mbps, ms, celsius, watts, or empty for a count."""
    hours: tuple[Hour, ...]


def mean(hours: Iterable[Hour]) -> Fraction | None:
    """The exact mean over hours; None for none."""
    found = list(hours)
    whole = sum((one.whole for one in found), Fraction(0))
    return sum((one.part for one in found), Fraction(0)) / whole if whole else None


def hour_of(ns: int, zone: tzinfo) -> int:
    """The beginning of the local hour of an instant, UTC ns (India's begin at the half hour)."""
    offset = local(ns, zone).utcoffset()
    offset_ns = 0 if offset is None else int(offset.total_seconds()) * 1_000_000_000
    return (ns + offset_ns) // 3_600_000_000_000 * 3_600_000_000_000 - offset_ns


def device_hours(rollups: Iterable[DeviceRollupRecord], zone: tzinfo) -> tuple[DeviceHour, ...]:
    """The roll-ups added up by local hour. Of two scales in one hour the newer one counts."""
    found: dict[tuple[str, str, str, int], DeviceHour] = {}
    hours: dict[int, int] = {}
    for one in rollups:
        start_ns = hours.get(one.start_ns)
        if start_ns is None:
            start_ns = hours[one.start_ns] = hour_of(one.start_ns, zone)
        key = (one.device, one.figure, one.instance, start_ns)
        before = found.get(key)
        if before is not None and before.scale != one.scale:
            before = None
        found[key] = DeviceHour(
            *key,
            polls=one.polls + (before.polls if before else 0),
            count=one.count + (before.count if before else 0),
            total=one.total + (before.total if before else 0),
            maximum=_higher(one.maximum, before.maximum if before else None),
            scale=one.scale,
            amount=_sum(one.amount, before.amount if before else None),
            covered_ns=one.covered_ns + (before.covered_ns if before else 0),
        )
    return tuple(found[key] for key in sorted(found))


def _higher(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def resources(device: PolledDevice) -> tuple[Resource, ...]:
    """What a reader looks for, in the annex's order: processor, memory, sessions, throughput."""
    by_figure: dict[str, dict[str, list[DeviceHour]]] = {}
    for hour in device.hours:
        by_figure.setdefault(hour.figure, {}).setdefault(hour.instance, []).append(hour)
    cpu = next((name for name in CPU if name in by_figure), CPU[0])
    found = [
        *_gauges("cpu", "percent", by_figure.get(cpu, {})),
        *_memory(by_figure.get("memory_used", {}), by_figure.get("memory_free", {})),
        *_gauges("connections", "", by_figure.get("connections", {})),
        *_gauges("sessions", "", by_figure.get("sessions", {})),
        *_gauges("tunnels", "", by_figure.get("ipsec_tunnel_rows", {})),
        *_throughput("in", by_figure.get(IN, {})),
        *_throughput("out", by_figure.get(OUT, {})),
        *_gauges("temperature", "celsius", by_figure.get("temperature", {})),
        *_gauges("mac-addresses", "", by_figure.get("mac_addresses", {})),
        *_gauges("poe", "watts", by_figure.get("poe_used", {})),
        *_gauges("response-time", "ms", by_figure.get("response_time", {}), Fraction(1000)),
    ]
    return tuple(one for one in found if one.hours)


def _gauges(
    kind: Kind,
    unit: str,
    instances: Mapping[str, Sequence[DeviceHour]],
    factor: Fraction = Fraction(1),
) -> list[Resource]:
    found = []
    for instance, hours in instances.items():
        rows = []
        for one in hours:
            if one.count:
                size = factor * Fraction(10) ** one.scale
                peak = None if one.maximum is None else one.maximum * size
                rows.append(Hour(one.start_ns, one.total * size, Fraction(one.count), peak))
        found.append(Resource(kind, instance, unit, tuple(rows)))
    return found


def _memory(
    used: Mapping[str, Sequence[DeviceHour]], free: Mapping[str, Sequence[DeviceHour]]
) -> list[Resource]:
    """The share in use of each pool."""
    found = []
    for instance, hours in used.items():
        left = {one.start_ns: one for one in free.get(instance, ()) if one.count}
        rows = []
        for one in hours:
            other = left.get(one.start_ns)
            if not one.count or other is None:
                continue
            taken = Fraction(one.total, one.count) * Fraction(10) ** one.scale
            whole = taken + Fraction(other.total, other.count) * Fraction(10) ** other.scale
            if whole:
                share = 100 * taken / whole
                rows.append(Hour(one.start_ns, share * one.count, Fraction(one.count), None))
        found.append(Resource("memory", instance, "percent", tuple(rows)))
    return found


def _throughput(kind: Kind, instances: Mapping[str, Sequence[DeviceHour]]) -> list[Resource]:
    """Mbit/s: octets a nanosecond times 8000."""
    found = []
    for instance, hours in instances.items():
        rows = [
            Hour(
                one.start_ns,
                Fraction(8000 * one.amount),
                Fraction(one.covered_ns),
                None
                if one.maximum is None
                else Fraction(one.maximum) * Fraction(10) ** one.scale / 1_000_000,
            )
            for one in hours
            if one.amount is not None and one.covered_ns > 0
        ]
        found.append(Resource(kind, instance, "mbps", tuple(rows)))
    return found


def survey_devices(
    configuration: Configuration,
    period: Period,
    store: Path | Sequence[Path] | Reader,
    zones: Mapping[str, tzinfo],
    *,
    as_of_ns: int,
) -> tuple[PolledDevice, ...]:
    """The devices of the configuration that have records in the period.

    Of a firewall the throughput of every interface is read; of a switch, of those that the
    configuration names (a service's `interface`, `access_interface`): a port of forty-eight tells a
    reader nothing. `zones`: name of a time zone -> itself. Raises `StoreError`.
    """
    reader = EmbeddedReader(store) if isinstance(store, Path | Sequence) else store
    found = [
        _surveyed(one, configuration, period, reader, zones, as_of_ns)
        for one in configuration.devices
    ]
    return tuple(one for one in found if one.polls)


def _surveyed(
    device: Device,
    configuration: Configuration,
    period: Period,
    reader: Reader,
    zones: Mapping[str, tzinfo],
    as_of_ns: int,
) -> PolledDevice:
    zone = zones[_zone_name(device, configuration)]
    begin, end = period_bounds(period, zone)
    end = min(end, as_of_ns + 1)
    gauges = list(reader.device_rollups(device.id, begin, end, only={"figure": _GAUGES}))
    rates: list[DeviceRollupRecord] = []
    words: list[DeviceRollupRecord] = []
    events: list[DeviceEventRecord] = []
    if gauges:
        wanted: dict[str, tuple[str, ...]] = {"figure": _RATES}
        if device.role == "switch":
            wanted["instance"] = named_interfaces(device, configuration)
        rates = list(reader.device_rollups(device.id, begin, end, only=wanted))
        words = list(reader.device_rollups(device.id, begin, end, only={"figure": _WORDS}))
        events = list(reader.device_events(device.id, begin, end))
    hours = device_hours([*gauges, *rates], zone)
    said = {one.figure: one.text for one in words if one.text}
    reached = [one for one in hours if one.figure == "reachable"]
    return PolledDevice(
        id=device.id,
        role=device.role,
        pas=device.pas,
        model=said.get("model", ""),
        release=said.get("release", ""),
        serial=said.get("serial", ""),
        polls=sum(one.count for one in reached),
        answered=sum(one.total for one in reached),
        hours=tuple(one for one in hours if one.figure != "reachable"),
        events=tuple(
            DeviceEvent(one.kind, one.instance, one.start_ns, one.state, one.text) for one in events
        ),
    )


def _zone_name(device: Device, configuration: Configuration) -> str:
    """Of its first PAS, or of the contract."""
    for pas in configuration.pas:
        if pas.id in device.pas:
            return pas.timezone
    return "UTC" if configuration.contract is None else configuration.contract.timezone
