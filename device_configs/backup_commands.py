"""The commands `pasprobe config ...` that fetch: trust and backup."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from device_configs.options import (
    ConfigOption,
    DevicesArgument,
    devices_of,
    has_login,
    loaded_of,
)

if TYPE_CHECKING:
    from device_configs.backup import Outcome
    from inventory.operations import Device


def register(group: typer.Typer) -> None:
    """Add the commands to the group `config`."""
    group.command()(trust)
    group.command()(backup)


def trust(
    devices: DevicesArgument = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Trust a changed key: the unit was replaced.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Trust what is shown, unasked.")] = False,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list, one object a key.")] = False,
) -> None:
    """Trust the host key that a device shows, after asking; from then on no other is accepted.

    Exit 1: a key was not accepted, or one of several devices did not show any.

    Example: pasprobe config trust pix-infomil
    """
    import json

    from device_configs.backup import hosts_of
    from device_configs.errors import DeviceConfigError
    from device_configs.trusting import trust as trust_device
    from device_configs.wire import Patience

    loaded = loaded_of(config)
    hosts = hosts_of(loaded.configuration, loaded.path)

    def agree(host: str, port: int, shown: str) -> bool:
        if yes:
            return True
        return typer.confirm(f"{host}:{port} shows {shown}. Trust it?", err=True)

    said, refused = [], False
    chosen = devices_of(loaded, devices, None, has_login, "has a login")
    for device in chosen:
        if not devices and device.transport == "telnet" and device.jump is None:
            continue
        try:
            keys = trust_device(device, os.environ, hosts, Patience(), replace=replace, agree=agree)
        except DeviceConfigError as error:
            if len(chosen) == 1:
                raise
            # The other devices' keys are looked at all the same.
            typer.echo(f"pasprobe: {error}", err=True)
            refused = True
            continue
        refused = refused or not keys
        said += [(device.id, key) for key in keys]
    if as_json:
        rows = [
            {
                "device": name,
                "host": key.host,
                "port": key.port,
                "fingerprint": key.fingerprint,
                "new": key.new,
            }
            for name, key in said
        ]
        typer.echo(json.dumps(rows, indent=2))
    else:
        for name, key in said:
            state = "trusted now" if key.new else "trusted already"
            typer.echo(f"{name}: {key.host}:{key.port} {key.fingerprint} {state}")
    raise typer.Exit(1 if refused else 0)


def backup(
    devices: DevicesArgument = None,
    group: Annotated[str | None, typer.Option(help="Devices of this group alone.")] = None,
    smaller: Annotated[
        bool, typer.Option("--smaller", help="Accept less than half of the last one's lines.")
    ] = False,
    due: Annotated[
        bool, typer.Option("--due", help="Only what [device_configs] every wants now.")
    ] = False,
    trigger: Annotated[
        str, typer.Option(help="Why, kept with each version: schedule, snmp, a ticket.")
    ] = "command",
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list, one object a device.")] = False,
) -> None:
    """Fetch the configurations of devices, in parallel, and keep those that changed.

    Changes nothing on a device. Exit 1: one could not be fetched whole.

    Example: pasprobe config backup pix-infomil switch-roma
    """
    import json
    import time

    from device_configs import backup as backups
    from device_configs.errors import DeviceConfigError

    loaded = loaded_of(config)
    settings = loaded.configuration.device_configs
    chosen = devices_of(loaded, devices, group, has_login, "has a login")
    job = backups.Job(
        backups.history_of(loaded.configuration, loaded.path, os.environ),
        backups.hosts_of(loaded.configuration, loaded.path),
        os.environ,
        trigger,
        settings.parallel,
        smaller,
    )
    if due:
        if settings.every_ns is None:
            raise DeviceConfigError(
                str(loaded.path),
                "nothing is due: there is no schedule",
                "write [device_configs] every",
            )
        chosen = backups.due(chosen, job.history, settings.every_ns, time.time_ns())
    if as_json:
        outcomes = backups.back_up(chosen, job)
        typer.echo(json.dumps([outcome.as_json() for outcome in outcomes], indent=2))
    else:
        outcomes = _with_progress(chosen, job)
    raise typer.Exit(1 if any(outcome.error is not None for outcome in outcomes) else 0)


def _with_progress(chosen: tuple[Device, ...], job: object) -> tuple[Outcome, ...]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from device_configs.backup import Job, back_up

    assert isinstance(job, Job)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 160)
    columns = (TextColumn("backups"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("backups", total=len(chosen))

        def done(outcome: Outcome) -> None:
            bar.advance(task)
            # Through the bar's console, so that neither draws over the other.
            said = outcome.error or "; ".join(outcome.notes)
            words = f"{outcome.device}: {outcome.state} in {outcome.seconds:.1f} s"
            bar.console.print(f"{words}. {said}" if said else words, markup=False, highlight=False)

        return back_up(chosen, job, done)
