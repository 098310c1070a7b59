"""Kept configurations as rows: for `pasprobe config list`, `show` and `diff`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from device_configs.history import History, Version, iso
from inventory.operations import Device

Row = dict[str, str | None]


def version_row(version: Version) -> Row:
    """One version, for people and machines."""
    meta = version.meta
    return {
        "device": version.device,
        "taken": iso(meta.taken_ns),
        "trigger": meta.trigger,
        "by": meta.by,
        "hostname": meta.hostname,
        "model": meta.model,
        "serial": meta.serial,
        "release": meta.release,
        "version": version.id,
    }


def versions_listed(history: History, device: str) -> tuple[list[Row], bool]:
    """All versions of a device, newest first; and whether there is any."""
    rows = [version_row(version) for version in history.versions(device)]
    return rows, bool(rows)


def devices_listed(devices: Sequence[Device], history: History) -> tuple[list[Row], bool]:
    """A row a device, those included that are kept and no longer configured.

    And whether each configured one with a login has a backup and its last attempt went well.
    """
    rows: list[Row] = []
    good = True
    configured = {device.id: device for device in devices}
    for name in dict.fromkeys((*configured, *history.devices())):
        newest = history.newest(name)
        seen = history.seen(name)
        error = None if seen is None else seen.error
        device = configured.get(name)
        wanted = device is not None and device.login is not None
        good = good and not (wanted and (newest is None or error is not None))
        rows.append(
            {
                "device": name,
                "changed": None if newest is None else iso(newest.meta.taken_ns),
                "checked": None if seen is None else iso(seen.at_ns),
                "trigger": None if newest is None else newest.meta.trigger,
                "model": None if newest is None else newest.meta.model,
                "serial": None if newest is None else newest.meta.serial,
                "release": None if newest is None else newest.meta.release,
                "error": error if device is not None else "no longer a [[device]]",
            }
        )
    return rows, good


def print_rows(rows: Sequence[Row], title: str) -> None:
    """A table; nothing but a line where there are no rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160)
    if not rows:
        console.print(f"{title}: none", markup=False)
        return
    table = Table(title=Text(title))
    for heading in rows[0]:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value or "") for value in row.values()))
    console.print(table)
