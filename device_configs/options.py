"""What the commands share: options, and what those that change devices print."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from device_configs.changing import Room
    from device_configs.restore import Outcome
    from device_configs.steps import Plan
    from inventory.load import Loaded
    from inventory.operations import Device

CONFIG_HELP = "File, or folder of *.toml; else $PASPROBE_CONFIG, ./pasprobe.toml, /etc/pasprobe/."
ConfigOption = Annotated[Path | None, typer.Option("--config", help=CONFIG_HELP)]
DeviceArgument = Annotated[str, typer.Argument(metavar="DEVICE", help="Id of a [[device]].")]
DevicesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[DEVICE]...", help="Ids; without any, all.")
]
ToOption = Annotated[
    str, typer.Option("--to", metavar="TARGET", help="template, backup, backup@TIME or a file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def loaded_of(config: Path | None) -> Loaded:
    from inventory.load import load

    # Each command reads the secrets it needs; one that needs none runs where there are none.
    return load(config, environ=os.environ, resolve_secrets=False)


def room_of(config: Path | None) -> Room:
    from device_configs.changing import Room

    return Room(loaded_of(config), os.environ)


def device_of(config: Path | None, name: str) -> Device:
    return _named(loaded_of(config), name)


def devices_of(
    loaded: Loaded,
    names: Sequence[str] | None,
    group: str | None,
    suits: Callable[[Device], bool],
    what: str,
) -> tuple[Device, ...]:
    """The devices asked for; without names all that suit, and `what` says in an error how."""
    from device_configs.errors import DeviceConfigError

    chosen = [_named(loaded, name) for name in dict.fromkeys(names or ())]
    chosen = chosen or [device for device in loaded.configuration.devices if suits(device)]
    chosen = [device for device in chosen if group is None or device.group == group]
    if not chosen:
        said = f"no [[device]] {what}" if group is None else f"no such device in group {group!r}"
        raise DeviceConfigError(str(loaded.path), said, "add one, or name another")
    return tuple(chosen)


def has_login(device: Device) -> bool:
    return device.login is not None


def _named(loaded: Loaded, name: str) -> Device:
    from device_configs.errors import DeviceConfigError
    from inventory.checks import nearest

    there = {device.id: device for device in loaded.configuration.devices}
    if name not in there:
        remedy = nearest(name, list(there)) or "add a [[device]] with this id"
        raise DeviceConfigError(name, f"no such [[device]] in {loaded.path}", remedy)
    return there[name]


def say(what: object) -> None:
    import json

    typer.echo(json.dumps(what, indent=2))


def quiet(_event: Mapping[str, Any]) -> None:
    """Nothing on the screen."""


def told(event: Mapping[str, Any]) -> None:
    """One line for people; the protocol has it all."""
    if event["event"] == "group":
        note = f"{event['note']} ({_commands(len(event['commands']))}, risk: {event['risk']})"
        typer.echo(f"[{event['number']}/{event['of']}] {note}")
    elif event["event"] not in ("begin", "end"):
        words = event.get("reason") or event.get("answer") or event.get("command") or ""
        words = words or "; ".join(event.get("failed", ()))
        typer.echo(f"{event['event']} {words}".rstrip())


def print_plan(device: str, made: Plan, *, as_json: bool) -> None:
    from device_configs.masking import masked

    if as_json:
        groups = [
            {"note": g.note, "risk": g.risk, "commands": [masked(c) for c in g.commands]}
            for g in made.groups
        ]
        say({"device": device, "groups": groups, "gaps": list(made.gaps)})
        return
    if not made:
        typer.echo(f"{device}: nothing to do")
    for number, group in enumerate(made.groups, 1):
        typer.echo(f"[{number}/{len(made.groups)}] {group.note} (risk: {group.risk})")
        for command in group.commands:
            typer.echo(f"    {masked(command)}")
    for gap in made.gaps:
        typer.echo(f"gap: {gap}")


def print_outcome(device: str, outcome: Outcome | None, file: Path, *, as_json: bool) -> None:
    good = outcome is None or outcome.good
    # Where nothing was to do there is none.
    protocol = str(file) if file.exists() else None
    state = "target" if outcome is None else outcome.state
    reason = "" if outcome is None else outcome.reason
    if as_json:
        say({
            "device": device, "state": state, "reason": reason, "protocol": protocol,
            "commands": 0 if outcome is None else outcome.commands,
            "saved": outcome is None or outcome.saved,
            "gaps": [] if outcome is None else list(outcome.gaps),
        })  # fmt: skip
    elif outcome is None:
        typer.echo(f"{device}: nothing to do")
    else:
        saved = "saved" if outcome.saved else "not saved"
        typer.echo(f"{device}: {state}, {_commands(outcome.commands)}, {saved}")
        if reason:
            typer.echo(f"reason: {reason}")
        if protocol:
            typer.echo(f"protocol: {protocol}")
    raise typer.Exit(0 if good else 1)


def _commands(number: int) -> str:
    return "1 command" if number == 1 else f"{number} commands"
