"""The commands `init` and `check`. Heavy imports are inside: `pasprobe ping` must start at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

if TYPE_CHECKING:
    from inventory.limits import LimitSource
    from inventory.load import Loaded
    from inventory.models import Influxdb
    from inventory.overview import CheckOverview, DeviceOverview, PathOverview

CONFIG_HELP = "File, or folder of *.toml; else $PASPROBE_CONFIG, ./pasprobe.toml, /etc/pasprobe/."


class Tried(Protocol):
    """One thing that was tried on a server (`timeseries.influx_check.Step`)."""

    @property
    def name(self) -> str: ...
    @property
    def good(self) -> bool: ...
    @property
    def words(self) -> str: ...


def register(
    app: typer.Typer,
    limits: Callable[[], LimitSource],
    try_influx: Callable[[Influxdb], Iterable[Tried]],
) -> None:
    """Add `init` and `check`; `limits` gives the SLA catalogue when it is first needed,
    `try_influx` tries a configured InfluxDB step by step."""

    @app.command()
    def init(
        path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("pasprobe.toml"),
        force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    ) -> None:
        """Write a commented configuration that passes `check`.

        Example: pasprobe init && pasprobe check
        """
        from inventory.template import InitError, write_configuration

        try:
            written = write_configuration(path, force=force)
        except InitError as error:
            sys.stderr.write(f"{error}\n")
            raise typer.Exit(2) from None
        if as_json:
            import json

            typer.echo(json.dumps({"file": str(written)}))
        else:
            typer.echo(f"wrote {written}; now edit it, and see `pasprobe check`")

    @app.command()
    def check(
        config: Annotated[Path | None, typer.Option("--config", help=CONFIG_HELP)] = None,
        influx: Annotated[
            bool,
            typer.Option("--influx", help="Try the InfluxDB: write, read back, compare, clean up."),
        ] = False,
        as_json: Annotated[
            bool, typer.Option("--json", help="A list, an object a path, application or device.")
        ] = False,
    ) -> None:
        """Say what would be measured and polled, or all that is wrong and where.

        With --influx, try the server of [influxdb] instead; exit 1: it does not do what it must.

        Example: pasprobe check --config /etc/pasprobe --json
        """
        from inventory.errors import ConfigurationError
        from inventory.load import load
        from inventory.overview import as_json as row_as_json
        from inventory.overview import (
            check_as_json,
            check_overview,
            device_as_json,
            device_overview,
            overview,
        )

        try:
            loaded = load(config, environ=os.environ)
        except ConfigurationError as error:
            sys.stderr.write(f"{error}\n")
            raise typer.Exit(2) from None
        if influx:
            if not _tried(loaded, try_influx, as_json=as_json):
                raise typer.Exit(1)
            return
        rows = overview(loaded.configuration, limits())
        applications = check_overview(loaded.configuration)
        devices = device_overview(loaded.configuration)
        if as_json:
            import json

            said = [
                *map(row_as_json, rows), *map(check_as_json, applications),
                *map(device_as_json, devices),
            ]  # fmt: skip
            typer.echo(json.dumps(said, indent=2))
        else:
            _print_overview(loaded, rows)
            if applications:
                _print_applications(applications)
            if devices:
                _print_devices(devices)


def _tried(
    loaded: Loaded, try_influx: Callable[[Influxdb], Iterable[Tried]], *, as_json: bool
) -> bool:
    """Try the server and say how each step went; whether all were good."""
    target = loaded.configuration.influxdb
    if target is None:
        sys.stderr.write(f"{loaded.path}: there is no [influxdb] to try: write url and bucket\n")
        raise typer.Exit(2)
    steps = []
    for step in try_influx(target):
        steps.append(step)
        if not as_json:
            typer.echo(f"{'ok    ' if step.good else 'FAILED'}  {step.name}: {step.words}")
    if as_json:
        import json

        said = [{"step": one.name, "good": one.good, "words": one.words} for one in steps]
        typer.echo(json.dumps(said, indent=2))
    return all(step.good for step in steps)


def _print_overview(loaded: Loaded, rows: tuple[PathOverview, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from inventory.overview import limits_text, train_text

    table = Table(title=str(loaded.path))
    for heading in ("path", "target", "method", "train", "judged by"):
        table.add_column(heading, overflow="fold")
    for heading in ("packets/s", "kbit/s"):
        table.add_column(heading, justify="right")
    for row in rows:
        stamp = row.path.method == "stamp"
        name = row.path.id if row.here else f"{row.path.id} (not run here)"
        table.add_row(
            Text(name),
            Text(str(row.target) if stamp else row.target.host),
            row.path.method + (" hmac" if row.path.auth_key else ""),
            Text(train_text(row.path)),
            Text(limits_text(row)),
            f"{float(row.packets_per_second):.3f}",
            f"{float(row.kbit_per_second):.3f}",
            end_section=row is rows[-1],
        )
    table.add_row(
        "total run here",
        *[""] * 4,
        f"{float(sum(r.packets_per_second for r in rows if r.here)):.3f}",
        f"{float(sum(r.kbit_per_second for r in rows if r.here)):.3f}",
    )
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print("packets/s and kbit/s: sent, on average, from the IP header on", style="dim")


def _print_applications(rows: tuple[CheckOverview, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from inventory.values import format_duration

    table = Table(title="applications")
    for heading in ("application", "client", "check", "path", "how"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        one = row.check.application
        how = f"every {format_duration(one.every_ns)}, timeout {format_duration(one.timeout_ns)}"
        parts = [how] if row.check.own else []
        table.add_row(
            Text(one.name if row.here else f"{one.name} (not checked here)"),
            Text(row.check.client),
            Text(f"{one.host} {one.check}"),
            Text(row.check.path),
            Text("\n".join([*parts, *(f"({note})" for note in row.notes)])),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _print_devices(rows: tuple[DeviceOverview, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from inventory.overview import device_text

    table = Table(title="devices")
    for heading in ("device", "platform", "asked at", "by SNMP"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        device, snmp = row.device, row.device.snmp
        here = row.here or snmp is None
        host = f"[{device.host}]" if ":" in device.host else device.host
        how = "" if snmp is None else device_text(snmp)
        table.add_row(
            Text(device.id if here else f"{device.id} (not asked here)"),
            Text(f"{device.role}, {device.platform}"),
            Text("" if snmp is None else f"{host}:{snmp.port}"),
            Text("\n".join(part for part in (how, *(f"({note})" for note in row.notes)) if part)),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
