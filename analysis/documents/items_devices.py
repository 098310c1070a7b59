"""Polled devices: resources by hour, day and week, what the devices are, their events.

Means are exact over any hours; a device that was not polled in an hour has a gap there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, tzinfo
from fractions import Fraction

from analysis.catalogue_rows import ReportItem, Service
from analysis.device_figures import (
    DeviceEvent,
    Hour,
    Kind,
    PolledDevice,
    Resource,
    mean,
    resources,
)
from analysis.documents import daily, words
from analysis.documents.content import (
    Cell,
    Chart,
    Column,
    Item,
    Lines,
    Message,
    Moment,
    Number,
    Said,
    Section,
    Series,
    Table,
    Text,
    msg,
)
from analysis.documents.items_tables import table_item
from analysis.documents.material import Material
from analysis.documents.parts import Parts, absent, trimmed
from inventory.clocks import local

NAMES: Mapping[Kind, Message] = {
    "cpu": msg("processor"),
    "memory": msg("memory in use"),
    "connections": msg("connections"),
    "sessions": msg("remote access sessions"),
    "tunnels": msg("IPsec tunnels"),
    "in": msg("throughput, in"),
    "out": msg("throughput, out"),
    "temperature": msg("temperature"),
    "mac-addresses": msg("MAC addresses"),
    "poe": msg("power over Ethernet"),
    "response-time": msg("SNMP response time"),
}
ROLES: Mapping[str, Message] = {"firewall": msg("firewall"), "switch": msg("switch")}
EVENTS: Mapping[str, Message] = {
    "unreachable": msg("does not answer"),
    "restarted": msg("restarted"),
    "swapped": msg("another unit"),
    "failover": msg("failover"),
    "tunnel-lost": msg("tunnel lost"),
    "interface-down": msg("interface down"),
    "error-rate": msg("many errors"),
    "environment": msg("temperature, fan or power supply"),
    "unsaved-change": msg("configuration not saved"),
    "configuration-changed": msg("configuration changed"),
}
"""Kind of an event (`docs/schema.md`) -> what a reader is told."""

_CHARTS: tuple[Kind, ...] = ("cpu", "memory", "connections")
"""What the annex asks for, in its order; the rest stands in the tables."""
_FEW = 4
_DIRECTIONS = {"in": msg("in"), "out": msg("out")}
_DEVICE = Column("device", msg("device"))
_RESOURCE = Column("resource", msg("resource"))
_OF = Column("of", msg("of"))
_UNIT = Column("unit", msg("unit"))
_UNITS = {"percent": "%", "mbps": "Mbps", "celsius": "°C", "watts": "W"}
"""As they stand in the tables, where figures of several units share a column."""
_MEAN = Column("mean", msg("mean"), numeric=True)
_HIGHEST = Column("highest_hour", msg("highest hour"), numeric=True)
_PEAK = Column("highest_poll", msg("highest poll"), numeric=True)

_Rows = list[tuple[PolledDevice, tuple[Resource, ...]]]


def firewall_resources(material: Material, service: Service, item: ReportItem) -> Parts:
    """`firewall-resources`: the polled firewalls of the service's PAS, and what was handed over."""
    polled = firewalls_of(material, service)
    delivered = table_item(material, service, item)
    if not polled:
        if delivered.missing:
            return absent(
                msg("No data: no firewall of this service's PAS was polled in the period, and"
                    " {file} is not among the facts or has no rows of it.",
                    file=f"items/{service.id}.{item.id}.csv")
            )  # fmt: skip
        return delivered
    found = resource_parts(material, polled)
    if delivered.missing:
        return found
    return Parts(
        (*found.tables, *delivered.tables),
        (*found.charts, *delivered.charts),
        (*found.notes, *delivered.notes),
    )


def firewalls_of(material: Material, service: Service) -> list[PolledDevice]:
    """The polled firewalls at the PAS that have the service."""
    places = {pas for pas, _ in material.entries.get(service.id, ())}
    return [
        one
        for one in material.inputs.devices
        if one.role == "firewall" and places.intersection(one.pas)
    ]


def devices_section(material: Material, shown: Iterable[Service]) -> Section | None:
    """What was polled: every device, its events, and the resources that stand nowhere else.

    `shown`: the services with an item `firewall-resources`.
    """
    devices = material.inputs.devices
    if not devices:
        return None
    elsewhere = {one.id for service in shown for one in firewalls_of(material, service)}
    rest = [one for one in devices if one.id not in elsewhere]
    items = [Item("devices", msg("Devices and how they answered"), tables=(_identity(material),))]
    if rest:
        parts = resource_parts(material, rest)
        items.append(
            Item(
                "device-resources",
                msg("Resources of the other devices, by hour, day and week"),
                notes=parts.notes,
                tables=parts.tables,
                charts=parts.charts,
                missing=parts.missing,
            )
        )
    items.append(_events(material))
    return Section("devices", msg("Polled devices"), tuple(items))


def resource_parts(material: Material, devices: Sequence[PolledDevice]) -> Parts:
    """Tables and charts of the resources of some devices."""
    found: _Rows = [(one, resources(one)) for one in devices]
    if not any(some for _, some in found):
        return absent(msg("The devices were polled and told none of these figures."))
    tables = (
        _summary(material, found),
        _grouped(material, found, "resources-by-week", msg("Mean by week (Monday)"), msg("week"),
                 _week),
        _grouped(material, found, "resources-by-hour", msg("Mean by hour of the day"), msg("hour"),
                 _clock, data_only=True),
        _grouped(material, found, "resources-by-day", msg("Mean by day"), msg("day"), _day,
                 data_only=True),
        _every_hour(material, found),
    )  # fmt: skip
    charts = [chart for device, some in found for chart in _charts(material, device, some)]
    notes = (
        msg("Polled by SNMP. Throughput is what the interface counted over the time in which it was"
            " counted; an hour without an answer is left out, never guessed."),
        msg("The figure of every hour is in the CSV and JSON of this report."),
    )  # fmt: skip
    return Parts(tables, tuple(charts), notes)


def _zone(material: Material, device: PolledDevice) -> tzinfo:
    return material.zone_of(device.pas[0]) if device.pas else material.zone


def _summary(material: Material, found: _Rows) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for device, some in found:
        zone = _zone(material, device)
        for one in some:
            most = max(one.hours, key=lambda hour: (hour.mean, -hour.start_ns))
            peaks = [hour.peak for hour in one.hours if hour.peak is not None]
            rows.append(
                (
                    device.id, NAMES[one.kind], one.instance, _unit(one), len(one.hours),
                    _number(mean(one.hours)), _number(most.mean),
                    Moment(most.start_ns, zone), _number(max(peaks, default=None)),
                )
            )  # fmt: skip
    columns = (
        _DEVICE, _RESOURCE, _OF, _UNIT, Column("hours", msg("hours"), numeric=True), _MEAN,
        _HIGHEST, Column("at", msg("at")), _PEAK,
    )  # fmt: skip
    return Table("resources", msg("Use of the resources in the period."), columns, tuple(rows))


def _number(value: Fraction | None) -> Number | None:
    return None if value is None else Number(value)


def _unit(of: Resource) -> str:
    return _UNITS.get(of.unit, of.unit)


def _week(ns: int, zone: tzinfo) -> date:
    day = local(ns, zone).date()
    return date.fromordinal(day.toordinal() - day.weekday())


def _day(ns: int, zone: tzinfo) -> date:
    return local(ns, zone).date()


def _clock(ns: int, zone: tzinfo) -> str:
    return f"{local(ns, zone):%H}:00"


def _groups(
    hours: Iterable[Hour], zone: tzinfo, key: Callable[[int, tzinfo], str | date]
) -> dict[str | date, list[Hour]]:
    found: dict[str | date, list[Hour]] = {}
    for hour in hours:
        found.setdefault(key(hour.start_ns, zone), []).append(hour)
    return dict(sorted(found.items(), key=lambda one: str(one[0])))


def _grouped(
    material: Material,
    found: _Rows,
    name: str,
    caption: Text,
    heading: Text,
    key: Callable[[int, tzinfo], str | date],
    *,
    data_only: bool = False,
) -> Table:
    rows = tuple(
        (
            device.id,
            NAMES[one.kind],
            one.instance,
            _unit(one),
            group,
            _number(mean(hours)),
            _number(max(hour.mean for hour in hours)),
        )
        for device, some in found
        for one in some
        for group, hours in _groups(one.hours, _zone(material, device), key).items()
    )
    columns = (
        _DEVICE,
        _RESOURCE,
        _OF,
        _UNIT,
        Column(name.rpartition("-")[2], heading),
        _MEAN,
        _HIGHEST,
    )
    return Table(name, caption, columns, rows, data_only=data_only)


def _every_hour(material: Material, found: _Rows) -> Table:
    rows = tuple(
        (
            device.id, NAMES[one.kind], one.instance, _unit(one),
            Moment(hour.start_ns, _zone(material, device)), _number(hour.mean),
            _number(hour.peak),
        )
        for device, some in found
        for one in some
        for hour in one.hours
    )  # fmt: skip
    columns = (_DEVICE, _RESOURCE, _OF, _UNIT, Column("hour", msg("hour")), _MEAN, _PEAK)
    return Table(
        "resources-hourly", msg("Use of the resources, every hour."), columns, rows, data_only=True
    )


def _charts(material: Material, device: PolledDevice, some: Sequence[Resource]) -> list[Chart]:
    """Processor, memory, sessions and throughput: by hour of the day, and by day of the month."""
    zone = _zone(material, device)
    clock: tuple[str | date, ...] = tuple(f"{hour:02}:00" for hour in range(24))
    days: tuple[str | date, ...] = daily.days_of(material.period)
    found: list[Chart] = []
    for name, few in _pictures(some):
        measured = {_day(hour.start_ns, zone) for one in few for hour in one.hours}
        found.append(
            _lines(
                msg("{device}: {resource} by hour of the day", device=device.id, resource=name),
                msg("Mean of each hour of the day over the days that were measured."),
                few, zone, _clock, clock,
            )
        )  # fmt: skip
        if len(measured) > 1:
            found.append(
                _lines(
                    msg("{device}: {resource} by day", device=device.id, resource=name),
                    msg("Mean of each day."),
                    few, zone, _day, days,
                )
            )  # fmt: skip
    return found


def _pictures(some: Sequence[Resource]) -> Iterator[tuple[Message, Sequence[Resource]]]:
    """What shares a chart: cores, pools, and both directions of an interface."""
    for kind in _CHARTS:
        wanted = [one for one in some if one.kind == kind]
        for start in range(0, len(wanted), _FEW):
            yield NAMES[kind], wanted[start : start + _FEW]
    interfaces = dict.fromkeys(one.instance for one in some if one.kind in ("in", "out"))
    for interface in interfaces:
        both = [one for one in some if one.kind in ("in", "out") and one.instance == interface]
        yield msg("throughput of {interface}", interface=interface), both


def _lines(
    title: Message,
    description: Message,
    few: Sequence[Resource],
    zone: tzinfo,
    key: Callable[[int, tzinfo], str | date],
    columns: tuple[str | date, ...],
) -> Lines:
    series = []
    for one in few:
        groups = _groups(one.hours, zone, key)
        values = tuple(mean(groups.get(column, ())) for column in columns)
        series.append(Series(_label(one), values))
    return Lines(title, description, columns, tuple(series), few[0].unit)


def _label(one: Resource) -> Text:
    if not one.instance:
        return NAMES[one.kind]
    if one.kind in ("in", "out"):
        return _DIRECTIONS[one.kind]
    return one.instance


def _identity(material: Material) -> Table:
    rows = tuple(
        (
            one.id, ROLES[one.role], one.pas, one.model, one.release, one.serial, one.polls,
            Number(Fraction(100 * one.answered, one.polls), "percent", "down"),
        )
        for one in material.inputs.devices
    )  # fmt: skip
    columns = (
        _DEVICE, Column("role", msg("role")), words.PAS, Column("model", msg("model")),
        Column("release", msg("release")), Column("serial", msg("serial number")),
        Column("polls", msg("polls"), numeric=True),
        Column("answered", msg("answered"), numeric=True),
    )  # fmt: skip
    caption = msg("Devices that were polled in the period, as they named themselves last.")
    return trimmed(Table("devices", caption, columns, rows))


def _events(material: Material) -> Item:
    rows: list[tuple[int, tuple[Cell, ...]]] = []
    for device in material.inputs.devices:
        zone = _zone(material, device)
        for began, ended in _spans(device.events):
            one = began or ended
            if one is None:
                continue
            rows.append(
                (
                    one.start_ns,
                    (
                        device.id, EVENTS.get(one.kind, one.kind), one.instance,
                        None if began is None else Moment(began.start_ns, zone),
                        None if ended is None else Moment(ended.start_ns, zone),
                        Said(one.text),
                    ),
                )
            )  # fmt: skip
    text = msg("Events of the devices")
    if not rows:
        return Item("device-events", text, notes=(msg("None on record in this period."),))
    columns = (
        _DEVICE, Column("event", msg("event")), _OF, Column("from", msg("from")),
        Column("to", msg("to")), Column("text", msg("what was seen")),
    )  # fmt: skip
    caption = msg("What the collector saw begin and end, after hysteresis.")
    ordered = tuple(row for _, row in sorted(rows, key=lambda one: one[0]))
    return Item("device-events", text, tables=(Table("events", caption, columns, ordered),))


def _spans(
    events: Sequence[DeviceEvent],
) -> list[tuple[DeviceEvent | None, DeviceEvent | None]]:
    """(began, ended); an end whose beginning lies before the period stands alone."""
    running: dict[tuple[str, str], DeviceEvent] = {}
    found: list[tuple[DeviceEvent | None, DeviceEvent | None]] = []
    for one in sorted(events, key=lambda event: event.start_ns):
        key = (one.kind, one.instance)
        if one.state == "cleared":
            found.append((running.pop(key, None), one))
        else:
            if key in running:  # a moment, or an agent that died in between
                found.append((running[key], None))
            running[key] = one
    return found + [(one, None) for one in running.values()]
