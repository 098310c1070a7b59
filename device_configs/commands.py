"""The commands `pasprobe config ...` that look: trust, backup, list, show, diff, search."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from device_configs import change_commands, restore_commands

if TYPE_CHECKING:
    from collections.abc import Iterable

    from device_configs.backup import Outcome
    from device_configs.diff import SectionDiff
    from device_configs.history import History
    from inventory.load import Loaded
    from inventory.operations import Device

CONFIG_HELP = "File, or folder of *.toml; else $PASPROBE_CONFIG, ./pasprobe.toml, /etc/pasprobe/."
ConfigOption = Annotated[Path | None, typer.Option("--config", help=CONFIG_HELP)]
AtOption = Annotated[str | None, typer.Option(metavar="TIME", help="In force then, ISO 8601.")]
DeviceArgument = Annotated[str, typer.Argument(metavar="DEVICE", help="Id of a [[device]].")]
DevicesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[DEVICE]...", help="Ids; without any, all.")
]


def register(app: typer.Typer, checks: restore_commands.Checks) -> None:
    """Add the group `config`. `checks`: how other rooms accept what was restored."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Configurations of firewalls and switches: keep, compare, restore.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.add_typer(group, name="config")
    group.command()(trust)
    group.command()(backup)
    group.command("list")(list_backups)
    group.command()(show)
    group.command()(diff)
    group.command()(search)
    change_commands.register(group)
    restore_commands.register(group, checks)


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

    loaded = _loaded(config)
    hosts = hosts_of(loaded.configuration, loaded.path)

    def agree(host: str, port: int, shown: str) -> bool:
        if yes:
            return True
        return typer.confirm(f"{host}:{port} shows {shown}. Trust it?", err=True)

    said, refused = [], False
    chosen = _devices(loaded, devices)
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

    loaded = _loaded(config)
    settings = loaded.configuration.device_configs
    chosen = _devices(loaded, devices, group)
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


def list_backups(
    device: Annotated[
        str | None, typer.Argument(metavar="[DEVICE]", help="All its versions.")
    ] = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list.")] = False,
) -> None:
    """List the devices with their last backup, or every version of one device.

    Exit 1: a device has no backup, or its last attempt failed.

    Example: pasprobe config list pix-infomil
    """
    import json

    from device_configs.listing import devices_listed, print_rows, versions_listed

    loaded = _loaded(config)
    history = _history(loaded)
    if device is None:
        rows, good = devices_listed(loaded.configuration.devices, history)
    else:
        _known(loaded, history, device)
        rows, good = versions_listed(history, device)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        print_rows(rows, device or "configurations")
    raise typer.Exit(0 if good else 1)


def show(
    device: DeviceArgument,
    at: AtOption = None,
    part: Annotated[
        str, typer.Option(help="running, startup, version, context/NAME/running.")
    ] = "running",
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Show secrets in clear, to a file of yours.")
    ] = False,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Text and origin.")] = False,
) -> None:
    """Print a kept configuration, its secrets masked.

    Example: pasprobe config show pix-infomil --at 2011-03-06T01:00+01:00
    """
    import json

    from device_configs.listing import version_row
    from device_configs.masking import masked

    loaded = _loaded(config)
    history = _history(loaded)
    _known(loaded, history, device)
    version = history.version_at(device, _moment(loaded, at))
    text = history.text(version, part)
    shown = text if secrets else masked(text)
    if as_json:
        typer.echo(json.dumps({**version_row(version), "part": part, "text": shown}))
    else:
        typer.echo(shown, nl=False)


def diff(
    device: DeviceArgument,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Older side; default the version before."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Newer side; default the newest.")
    ] = None,
    part: Annotated[str, typer.Option(help="As in `show`.")] = "running",
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="An object.")] = False,
) -> None:
    """Show how two kept configurations of a device differ, section by section, secrets masked.

    Exit 1: they differ.

    Example: pasprobe config diff pix-infomil --from 2011-03-01
    """
    import json

    from device_configs.diff import differences
    from device_configs.listing import version_row

    loaded = _loaded(config)
    history = _history(loaded)
    _known(loaded, history, device)
    new = history.version_at(device, _moment(loaded, until))
    if since is None:
        versions = history.versions(device)
        place = [version.id for version in versions].index(new.id)
        old = versions[min(place + 1, len(versions) - 1)]
    else:
        old = history.version_at(device, _moment(loaded, since))
    found = differences(history.text(old, part), history.text(new, part))
    if as_json:
        said = {
            "from": version_row(old),
            "to": version_row(new),
            "sections": [section.as_json() for section in found],
        }
        typer.echo(json.dumps(said, indent=2))
    else:
        _print_diff(found, f"{device}: {_origin(old)} -> {_origin(new)}")
    raise typer.Exit(1 if found else 0)


def search(
    pattern: Annotated[str, typer.Argument(help="Regular expression (Python's).")],
    devices: Annotated[
        list[str] | None, typer.Option("--device", help="In this one alone; repeatable.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="In the newest versions alone.")] = False,
    literal: Annotated[
        bool, typer.Option("--literal", help="PATTERN is a text, no expression.")
    ] = False,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list, one object a line.")] = False,
) -> None:
    """Find lines in all kept configurations, and since when and until when they stood there.

    Exit 1: there is none.

    Example: pasprobe config search --literal 198.51.100.7
    """
    import json
    import re

    from device_configs.errors import DeviceConfigError
    from device_configs.history import iso
    from device_configs.search import search as search_history

    loaded = _loaded(config)
    history = _history(loaded)
    try:
        wanted = re.compile(re.escape(pattern) if literal else pattern)
    except re.error as error:
        raise DeviceConfigError(
            repr(pattern), f"no regular expression: {error}", "correct it, or say --literal"
        ) from None
    for device in devices or ():
        _known(loaded, history, device)
    hits = tuple(search_history(history, wanted, devices or history.devices(), now=now))
    if as_json:
        typer.echo(json.dumps([hit.as_json() for hit in hits], indent=2))
    else:
        for hit in hits:
            until = "today" if hit.until_ns is None else iso(hit.until_ns)
            place = " / ".join(hit.section)
            part = "" if hit.part == "running" else f" [{hit.part}]"
            typer.echo(
                f"{hit.device}{part}: {place + ' / ' if place else ''}{hit.line}"
                f"  ({iso(hit.since_ns)} to {until})"
            )
    raise typer.Exit(0 if hits else 1)


def _loaded(config: Path | None) -> Loaded:
    from inventory.load import load

    # Each command reads the secrets it needs; one that needs none runs where there are none.
    return load(config, environ=os.environ, resolve_secrets=False)


def _history(loaded: Loaded) -> History:
    from device_configs.backup import history_of

    return history_of(loaded.configuration, loaded.path, os.environ)


def _devices(loaded: Loaded, ids: list[str] | None, group: str | None = None) -> tuple[Device, ...]:
    """The devices asked for; without ids, all that have a login."""
    from device_configs.errors import DeviceConfigError
    from inventory.checks import nearest

    there = {device.id: device for device in loaded.configuration.devices}
    for name in ids or ():
        if name not in there:
            remedy = nearest(name, list(there)) or "add a [[device]] with this id"
            raise DeviceConfigError(name, f"no such [[device]] in {loaded.path}", remedy)
    chosen = tuple(there[name] for name in dict.fromkeys(ids or ())) or tuple(
        device for device in there.values() if device.login is not None
    )
    if group is not None:
        chosen = tuple(device for device in chosen if device.group == group)
    if not chosen:
        what = "no [[device]] has a login" if group is None else f"no device in group {group!r}"
        raise DeviceConfigError(str(loaded.path), what, "add one, or name another")
    return chosen


def _known(loaded: Loaded, history: History, device: str) -> None:
    """A device that is configured, or was kept once; else an error with the nearest name."""
    from device_configs.errors import DeviceConfigError
    from inventory.checks import nearest

    there = {known.id for known in loaded.configuration.devices} | set(history.devices())
    if device not in there:
        remedy = nearest(device, sorted(there)) or "see `pasprobe config list`"
        raise DeviceConfigError(device, "neither a [[device]] nor any backup has this id", remedy)


def _moment(loaded: Loaded, text: str | None) -> int | None:
    from device_configs.moments import moment

    contract = loaded.configuration.contract
    return None if text is None else moment(text, "UTC" if contract is None else contract.timezone)


def _origin(version: object) -> str:
    from device_configs.history import Version, iso

    assert isinstance(version, Version)
    return f"{iso(version.meta.taken_ns)} ({version.meta.trigger})"


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


def _print_diff(found: Iterable[SectionDiff], title: str) -> None:
    typer.echo(title)
    for section in found:
        typer.echo(" / ".join(section.section) or "(top level)")
        for sign, lines in (("-", section.removed), ("+", section.added), ("~", section.moved)):
            for line in lines:
                typer.echo("\n".join(f"  {sign} {part}" for part in line.split("\n")))
