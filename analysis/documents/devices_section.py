"""The technical report's section on polled devices: what they are, their events, their use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from analysis.catalogue_rows import Service
from analysis.device_figures import DeviceEvent
from analysis.documents import words
from analysis.documents.content import (
    Cell,
    Column,
    Item,
    Message,
    Moment,
    Number,
    Said,
    Section,
    Table,
    msg,
)
from analysis.documents.items_devices import (
    DEVICE,
    OF,
    firewalls_of,
    resource_parts,
    zone_of_device,
)
from analysis.documents.material import Material
from analysis.documents.parts import trimmed

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


def _identity(material: Material) -> Table:
    rows = tuple(
        (
            one.id, ROLES[one.role], one.pas, one.model, one.release, one.serial, one.polls,
            Number(Fraction(100 * one.answered, one.polls), "percent", "down"),
        )
        for one in material.inputs.devices
    )  # fmt: skip
    columns = (
        DEVICE, Column("role", msg("role")), words.PAS, Column("model", msg("model")),
        Column("release", msg("release")), Column("serial", msg("serial number")),
        Column("polls", msg("polls"), numeric=True),
        Column("answered", msg("answered"), numeric=True),
    )  # fmt: skip
    caption = msg("Devices that were polled in the period, as they named themselves last.")
    return trimmed(Table("devices", caption, columns, rows))


def _events(material: Material) -> Item:
    rows: list[tuple[int, tuple[Cell, ...]]] = []
    for device in material.inputs.devices:
        zone = zone_of_device(material, device)
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
        DEVICE, Column("event", msg("event")), OF, Column("from", msg("from")),
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
