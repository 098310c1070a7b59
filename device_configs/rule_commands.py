"""The command `pasprobe config rules`."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from device_configs.options import (
    ConfigOption,
    DevicesArgument,
    JsonOption,
    devices_of,
    room_of,
    say,
)


def register(group: typer.Typer) -> None:
    """Add the command to the group `config`."""
    group.command()(rules)


def rules(
    devices: DevicesArgument = None,
    group: Annotated[str | None, typer.Option(help="Devices of this group alone.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="In force then; default now.")
    ] = None,
    since: Annotated[
        bool, typer.Option("--since", help="Since when each is in force, from all backups.")
    ] = False,
    hits: Annotated[bool, typer.Option("--hits", help="Ask the devices for hit counts.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, with a header.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the security rules in force, out of the latest backups; without DEVICE of all firewalls.

    A file of --csv among the facts is an item of the technical report.

    Example: pasprobe config rules --since --csv > facts/items/security-strong.rules-in-force.csv
    """
    from device_configs.backup import history_of
    from device_configs.moments import moment
    from device_configs.rule_table import COLUMNS, rows
    from device_configs.rules import hit_counts

    room = room_of(config)
    configuration = room.loaded.configuration
    chosen = devices_of(
        room.loaded, devices, group, lambda one: one.role == "firewall", "is a firewall"
    )
    history = history_of(configuration, room.loaded.path, os.environ)
    at_ns = None if at is None else moment(at, configuration.contract)
    found: list[dict[str, Any]] = []
    for device in chosen:
        counts = None
        if hits:
            command = "show access-lists" if device.platform == "cisco_ios" else "show access-list"
            with room.session(device) as session:
                counts = hit_counts(session.show(command), device.platform)
        found += rows(history, device, at_ns, counts, dated=since)
    if as_json:
        say(found)
    elif as_csv:
        import csv

        writer = csv.DictWriter(sys.stdout, COLUMNS)
        writer.writeheader()
        writer.writerows(found)
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(title="rules in force")
        # A column that says nothing of any rule is only width.
        shown = [c for c in COLUMNS if any(row[c] not in (None, "") for row in found)]
        for column in shown:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in found:
            table.add_row(*("" if row[c] is None else str(row[c]) for c in shown))
        Console(width=None if sys.stdout.isatty() else 200).print(table)
