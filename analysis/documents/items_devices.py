"""Resources of polled devices by hour, day and week (`firewall-resources`).

Means are exact over any hours; a device that was not polled in an hour has a gap there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, tzinfo
from fractions import Fraction

from analysis.catalogue_rows import ReportItem, Service
from analysis.device_figures import (
    Hour,
    Kind,
    PolledDevice,
    Resource,
    mean,
    resources,
)
from analysis.documents import daily
from analysis.documents.content import (
    Cell,
    Chart,
    Column,
    Lines,
    Message,
    Moment,
    Number,
    Series,
    Table,
    Text,
    msg,
)
from analysis.documents.items_tables import table_item
from analysis.documents.material import Material
from analysis.documents.parts import Parts, absent
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
_CHARTS: tuple[Kind, ...] = ("cpu", "memory", "connections")
"""What the annex asks for, in its order; the rest stands in the tables."""
_FEW = 4
_DIRECTIONS = {"in": msg("in"), "out": msg("out")}
DEVICE = Column("device", msg("device"))
_RESOURCE = Column("resource", msg("resource"))
OF = Column("of", msg("of"))
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


def zone_of_device(material: Material, device: PolledDevice) -> tzinfo:
    """Of its first PAS; the administration's where it has none."""
    return material.zone_of(device.pas[0]) if device.pas else material.zone


def _summary(material: Material, found: _Rows) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for device, some in found:
        zone = zone_of_device(material, device)
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
        DEVICE, _RESOURCE, OF, _UNIT, Column("hours", msg("hours"), numeric=True), _MEAN,
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
        for group, hours in _groups(one.hours, zone_of_device(material, device), key).items()
    )
    columns = (
        DEVICE,
        _RESOURCE,
        OF,
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
            Moment(hour.start_ns, zone_of_device(material, device)), _number(hour.mean),
            _number(hour.peak),
        )
        for device, some in found
        for one in some
        for hour in one.hours
    )  # fmt: skip
    columns = (DEVICE, _RESOURCE, OF, _UNIT, Column("hour", msg("hour")), _MEAN, _PEAK)
    return Table(
        "resources-hourly", msg("Use of the resources, every hour."), columns, rows, data_only=True
    )


def _charts(material: Material, device: PolledDevice, some: Sequence[Resource]) -> list[Chart]:
    """Processor, memory, sessions and throughput: by hour of the day, and by day of the month."""
    zone = zone_of_device(material, device)
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
