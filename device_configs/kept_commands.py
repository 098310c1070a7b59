"""The commands `pasprobe config ...` on what was kept: list, show, diff, search."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from device_configs.options import ConfigOption, DeviceArgument, loaded_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from device_configs.diff import SectionDiff
    from device_configs.history import History
    from inventory.load import Loaded

AtOption = Annotated[str | None, typer.Option(metavar="TIME", help="In force then, ISO 8601.")]


def register(group: typer.Typer) -> None:
    """Add the commands to the group `config`."""
    group.command("list")(list_backups)
    group.command()(show)
    group.command()(diff)
    group.command()(search)


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

    loaded = loaded_of(config)
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

    loaded = loaded_of(config)
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

    loaded = loaded_of(config)
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

    loaded = loaded_of(config)
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


def _history(loaded: Loaded) -> History:
    from device_configs.backup import history_of

    return history_of(loaded.configuration, loaded.path, os.environ)


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

    return None if text is None else moment(text, loaded.configuration.contract)


def _origin(version: object) -> str:
    from device_configs.history import Version, iso

    assert isinstance(version, Version)
    return f"{iso(version.meta.taken_ns)} ({version.meta.trigger})"


def _print_diff(found: Iterable[SectionDiff], title: str) -> None:
    typer.echo(title)
    for section in found:
        typer.echo(" / ".join(section.section) or "(top level)")
        for sign, lines in (("-", section.removed), ("+", section.added), ("~", section.moved)):
            for line in lines:
                typer.echo("\n".join(f"  {sign} {part}" for part in line.split("\n")))
