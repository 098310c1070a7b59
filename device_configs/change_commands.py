"""The commands `pasprobe config ...` that say or do what changes: render to rules."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from device_configs.changing import Room
    from device_configs.steps import Plan
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


def register(group: typer.Typer) -> None:
    """Add the commands to the group `config`."""
    for command in (render, drift, plan, restore, bootstrap, block, allow, blocks, rules):
        group.command()(command)


def render(
    device: DeviceArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Print what the device's template gives, its secrets in clear.

    Example: pasprobe config render pix-infomil > pix-infomil.cfg
    """
    room, known = _room(config), _device(config, device)
    text = room.rendered(known)
    _say({"device": device, "text": text}) if as_json else typer.echo(text, nl=False)


def drift(
    devices: DevicesArgument = None,
    group: Annotated[str | None, typer.Option(help="Devices of this group alone.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the devices, not the backups.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far devices are from their templates. Exit 1: one is, or cannot be compared.

    Example: pasprobe config drift --group pix
    """
    from device_configs.drift import drift as compared

    room = _room(config)
    chosen = [
        d
        for d in room.loaded.configuration.devices
        if (d.id in devices if devices else d.template is not None)
        and (group is None or d.group == group)
    ]
    for name in devices or ():
        _device(config, name)
    found = [compared(d, room.rendered, room.live if live else room.last) for d in chosen]
    if as_json:
        _say([one.as_json() for one in found])
    else:
        for one in found:
            typer.echo(f"{one.device}: {one.error or one.state}")
            for section in one.sections:
                typer.echo(f"  {' / '.join(section.section) or '(top level)'}")
                for sign, lines in (("-", section.removed), ("+", section.added)):
                    for line in lines:
                        typer.echo(f"    {sign} {line}")
    raise typer.Exit(0 if found and all(one.state == "as the template" for one in found) else 1)


def plan(
    device: DeviceArgument,
    to: ToOption = "backup",
    replacement: Annotated[
        bool, typer.Option("--replacement", help="The unit was exchanged for another.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the commands that would make the device its target, and what they risk.

    Changes nothing on the device. Exit 1: there is something to do.

    Example: pasprobe config plan pix-infomil --to template
    """
    from device_configs.changing import Wish, checked_plan

    room, known = _room(config), _device(config, device)
    target = room.target(known, to)
    with room.session(known) as session:
        made = checked_plan(known, session, target, Wish(replacement=replacement))
    _print_plan(device, made, as_json=as_json)
    raise typer.Exit(1 if made else 0)


def restore(
    device: DeviceArgument,
    to: ToOption = "backup",
    ticket: Annotated[str | None, typer.Option(help="Id of the ticket, for the protocol.")] = None,
    timer: Annotated[
        int, typer.Option(min=0, max=120, help="Minutes until the device restarts by itself.")
    ] = 10,
    replacement: Annotated[
        bool, typer.Option("--replacement", help="The unit was exchanged for another.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, do nothing.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what a killed process left.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back what a killed process left.")
    ] = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a device its target, read it back, save it; undo everything where a command fails.

    Exit 1: the device is not in the target, or it is not saved.

    Example: pasprobe config restore pix-infomil --to backup --ticket INC-7
    """
    from device_configs.changing import Wish, checked_plan
    from device_configs.changing import restore as carry_out

    room, known = _room(config), _device(config, device)
    wish = Wish(ticket, timer or None, replacement, resume, undo)
    target = None if resume or undo else room.target(known, to)
    if target is not None and (dry_run or not yes):
        with room.session(known) as session:
            made = checked_plan(known, session, target, wish)
        if dry_run or not as_json:
            _print_plan(device, made, as_json=as_json)
        if dry_run:
            raise typer.Exit(1 if made else 0)
        typer.confirm(f"Restore {device} to {target.origin}?", abort=True, err=True)
    outcome, file = carry_out(room, known, target, wish, _quiet if as_json else _told)
    _print_outcome(device, outcome, file, as_json=as_json)


def bootstrap(
    device: DeviceArgument,
    to: ToOption = "backup",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what to type on the console of a blank unit, so that `restore` can reach it.

    Example: pasprobe config bootstrap pix-infomil --to template
    """
    from device_configs.bootstrap import bootstrap as lines_of

    room, known = _room(config), _device(config, device)
    lines = lines_of(known, room.target(known, to).text)
    _say({"device": device, "lines": list(lines)}) if as_json else typer.echo("\n".join(lines))


def block(
    device: DeviceArgument,
    address: Annotated[str, typer.Argument(help="IPv4 address to shut out.")],
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="When `allow --expired` may let it in.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shut an address out, in front of all permits of every incoming list. Twice is once.

    Example: pasprobe config block pix-infomil 192.0.2.7 --until 2011-03-06T06:00
    """
    from device_configs.blocking import shut_out

    room, known = _room(config), _device(config, device)
    outcome, file = shut_out(room, known, address, until, _quiet if as_json else _told)
    _print_outcome(device, outcome, file, as_json=as_json)


def allow(
    device: Annotated[str | None, typer.Argument(metavar="[DEVICE]")] = None,
    address: Annotated[str | None, typer.Argument(help="An address that is blocked.")] = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="All blocks whose time is over, on all devices.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a blocked address in again: the lists become what they were.

    Example: pasprobe config allow pix-infomil 192.0.2.7
    """
    import time

    from device_configs import blocks as kept
    from device_configs.blocking import let_in
    from device_configs.errors import DeviceConfigError

    room = _room(config)
    if expired:
        ending = [b for b in kept.load(room.folder) if b.expired(time.time_ns())]
    elif device is None or address is None:
        raise DeviceConfigError("allow", "which device and address?", "name both, or --expired")
    else:
        _device(config, device)
        ending = [b for b in kept.load(room.folder) if (b.device, b.address) == (device, address)]
    good, said = True, []
    for one in ending:
        try:
            known = _device(config, one.device)
            outcome, _ = let_in(room, known, one, _quiet if as_json else _told)
            state = "allowed" if outcome is None or outcome.good else outcome.reason
        except DeviceConfigError as error:
            if not expired:
                raise
            # The other devices' blocks end all the same.
            state = str(error)
        good = good and state == "allowed"
        said.append({"device": one.device, "address": one.address, "state": state})
    if as_json:
        _say(said)
    else:
        for row in said:
            typer.echo(f"{row['device']}: {row['address']} {row['state']}")
        if not said:
            typer.echo("nothing is blocked there")
    raise typer.Exit(0 if good else 1)


def blocks(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the addresses that are blocked now. Exit 1: one should have been let in already.

    Example: pasprobe config blocks
    """
    import time
    from dataclasses import asdict

    from device_configs import blocks as kept
    from device_configs.history import iso

    found = kept.load(_room(config).folder)
    late = [one for one in found if one.expired(time.time_ns())]
    if as_json:
        _say([{**asdict(one), "expired": one in late} for one in found])
    else:
        for one in found:
            end = "" if one.until_ns is None else f", until {iso(one.until_ns)}"
            state = " (its time is over)" if one in late else ""
            typer.echo(f"{one.device} {one.address} since {iso(one.since_ns)}{end}{state}")
        if not found:
            typer.echo("nothing is blocked")
    raise typer.Exit(1 if late else 0)


def rules(
    device: DeviceArgument,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="In force then; default now.")
    ] = None,
    hits: Annotated[bool, typer.Option("--hits", help="Ask the device for hit counts.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, with a header.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the security rules in force, out of the latest backup.

    Example: pasprobe config rules pix-infomil --csv > rules.csv
    """
    from device_configs.rules import COLUMNS, hit_counts
    from device_configs.rules import rules as rules_of

    room, known = _room(config), _device(config, device)
    counts = None
    if hits:
        command = "show access-lists" if known.platform == "cisco_ios" else "show access-list"
        with room.session(known) as session:
            counts = hit_counts(session.show(command), known.platform)
    text = room.target(known, f"backup@{at}" if at else "backup").text
    rows = [rule.as_json() for rule in rules_of(text, known.platform, counts)]
    if as_json:
        _say(rows)
    elif as_csv:
        import csv

        writer = csv.DictWriter(sys.stdout, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(title=f"{device}: rules in force")
        for column in COLUMNS:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*("" if row[c] is None else str(row[c]) for c in COLUMNS))
        Console(width=None if sys.stdout.isatty() else 200).print(table)


def _room(config: Path | None) -> Room:
    from device_configs.changing import Room
    from inventory.load import load

    return Room(load(config, environ=os.environ, resolve_secrets=False), os.environ)


def _device(config: Path | None, name: str) -> Device:
    from device_configs.errors import DeviceConfigError
    from inventory.checks import nearest

    loaded = _room(config).loaded
    there = {device.id: device for device in loaded.configuration.devices}
    if name not in there:
        remedy = nearest(name, list(there)) or "add a [[device]] with this id"
        raise DeviceConfigError(name, f"no such [[device]] in {loaded.path}", remedy)
    return there[name]


def _say(what: object) -> None:
    import json

    typer.echo(json.dumps(what, indent=2))


def _quiet(_event: Mapping[str, Any]) -> None:
    """Nothing on the screen."""


def _told(event: Mapping[str, Any]) -> None:
    """One line for people; the protocol has it all."""
    if event["event"] == "group":
        note = f"{event['note']} ({len(event['commands'])} commands, risk: {event['risk']})"
        typer.echo(f"[{event['number']}/{event['of']}] {note}")
    elif event["event"] not in ("begin", "end"):
        words = event.get("reason") or event.get("answer") or event.get("command") or ""
        typer.echo(f"{event['event']} {words}".rstrip())


def _print_plan(device: str, made: Plan, *, as_json: bool) -> None:
    from device_configs.masking import masked

    if as_json:
        groups = [
            {"note": g.note, "risk": g.risk, "commands": [masked(c) for c in g.commands]}
            for g in made.groups
        ]
        _say({"device": device, "groups": groups, "gaps": list(made.gaps)})
        return
    if not made:
        typer.echo(f"{device}: nothing to do")
    for number, group in enumerate(made.groups, 1):
        typer.echo(f"[{number}/{len(made.groups)}] {group.note} (risk: {group.risk})")
        for command in group.commands:
            typer.echo(f"    {masked(command)}")
    for gap in made.gaps:
        typer.echo(f"gap: {gap}")


def _print_outcome(device: str, outcome: Any, file: Path, *, as_json: bool) -> None:
    good = outcome is None or outcome.good
    state = "target" if outcome is None else outcome.state
    reason = "" if outcome is None else outcome.reason
    if as_json:
        _say({
            "device": device, "state": state, "reason": reason, "protocol": str(file),
            "commands": 0 if outcome is None else outcome.commands,
            "saved": outcome is None or outcome.saved,
            "gaps": [] if outcome is None else list(outcome.gaps),
        })  # fmt: skip
    elif outcome is None:
        typer.echo(f"{device}: nothing to do")
    else:
        saved = "saved" if outcome.saved else "not saved"
        typer.echo(f"{device}: {state}, {outcome.commands} commands, {saved}")
        if reason:
            typer.echo(f"reason: {reason}")
        typer.echo(f"protocol: {file}")
    raise typer.Exit(0 if good else 1)
