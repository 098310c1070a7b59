"""What a poll or a discovery found, for people (rich) and for machines (plain objects)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.markup import escape
from rich.table import Table

from collectors.discovery import Discovered, scaled
from collectors.profiles import Profile
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

_PREFIXES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))
_INTERFACE = ("oper", "in_rate", "out_rate", "in_packets", "out_packets", "errors", "discards")


def discovery_table(found: Discovered) -> Table:
    """Every known figure: its value, or why it is not there."""
    table = Table(title=escape(f"{found.plan.profile.title}: {found.description[:60]}"))
    for name in ("figure", "of", "value", "unit", "MIB object"):
        table.add_column(name, overflow="fold")
    for one in found.found:
        value = f"[dim]— {escape(one.why_absent)}[/]" if one.why_absent else escape(one.value)
        of = one.instance or one.index
        table.add_row(one.field, escape(of), value, one.unit if not one.why_absent else "", one.mib)
    return table


def discovery_object(found: Discovered, host: str) -> dict[str, object]:
    """The same as an object."""
    return {
        "host": host,
        "profile": found.plan.profile.name,
        "description": found.description,
        "object_id": found.object_id,
        "figures": [
            {
                "figure": one.field,
                "mib": one.mib,
                "oid": one.oid,
                "index": one.index,
                "instance": one.instance,
                "value": one.value or None,
                "unit": one.unit,
                "why_absent": one.why_absent or None,
            }
            for one in found.found
        ],
    }


def poll_tables(
    records: Sequence[DeviceSampleRecord],
    events: Iterable[DeviceEventRecord],
    profile: Profile,
    title: str,
) -> list[Table]:
    """One table of interfaces, one of everything else, one of events where there are any."""
    of_interface = {
        one.field for one in profile.figures if any(v.of == "interface" for v in one.variants)
    }
    tables = []
    mine = [one for one in records if one.figure in of_interface]
    if mine:
        tables.append(_interfaces(mine, title))
        title = ""
    rest = Table(title=escape(title) or None)
    for name in ("figure", "of", "value", ""):
        rest.add_column(name, justify="right" if name == "value" else "left", overflow="fold")
    titles = {one.field: one.title for one in profile.figures}
    for one in records:
        if one.figure not in of_interface:
            value = shown(one)
            words = one.note or (one.text if one.text != value else "")
            name = titles.get(one.figure, one.figure.replace("_", " "))
            rest.add_row(escape(name), escape(one.instance), escape(value), escape(words))
    tables.append(rest)
    told = list(events)
    if told:
        table = Table("event", "of", "state", "what was seen", title="Events")
        for event in told:
            table.add_row(event.kind, escape(event.instance), event.state, escape(event.text))
        tables.append(table)
    return tables


def _interfaces(records: Sequence[DeviceSampleRecord], title: str) -> Table:
    table = Table(title=escape(title))
    table.add_column("interface")
    for name in _INTERFACE:
        table.add_column(name.replace("_", " "), justify="right")
    ordered = sorted(records, key=lambda one: one.instance)
    for name, group in groupby(ordered, key=lambda one: one.instance):
        of = {one.figure: one for one in group}
        cells = []
        for figure in _INTERFACE:
            parts = [of[one] for one in (figure, f"in_{figure}", f"out_{figure}") if one in of]
            # errors and discards: both directions, received / sent
            cells.append(" / ".join(shown(one) for one in parts) or "")
        table.add_row(escape(name), *map(escape, cells))
    return table


def shown(one: DeviceSampleRecord) -> str:
    """A figure with its unit for people; its words where it has no number."""
    if one.value is None:
        return one.text or "–"
    if one.unit == "":
        return one.text or str(one.value)
    if one.unit in ("bit/s", "B"):
        value = one.value * 10**one.scale
        for size, prefix in _PREFIXES:
            if value >= size:
                return f"{value / size:.1f} {prefix}{one.unit}"
        return f"{value} {one.unit}"
    number = scaled(one.value, one.scale)
    if one.unit == "1/s":
        number = f"{one.value * 10.0**one.scale:.3g}"
    return number if one.unit == "1" else f"{number} {one.unit}"


def poll_object(
    device: str,
    profile: Profile,
    records: Iterable[DeviceSampleRecord],
    events: Iterable[DeviceEventRecord],
) -> dict[str, object]:
    """A poll as an object: exact values, `value * 10 ** scale` in `unit`."""
    return {
        "device": device,
        "profile": profile.name,
        "figures": [
            {
                "figure": one.figure,
                "instance": one.instance,
                "value": one.value,
                "scale": one.scale,
                "unit": one.unit,
                "text": one.text,
                "amount": one.amount,
                "interval_ns": one.interval_ns,
                "note": one.note,
            }
            for one in records
        ],
        "events": [
            {"kind": e.kind, "instance": e.instance, "state": e.state, "text": e.text}
            for e in events
        ],
    }
