"""The commands `pasprobe config ...` that say or do what changes: render to blocks."""

from __future__ import annotations

from typing import Annotated

import typer

from device_configs.options import (
    ConfigOption,
    DeviceArgument,
    DevicesArgument,
    JsonOption,
    ToOption,
    device_of,
    devices_of,
    print_outcome,
    print_plan,
    quiet,
    room_of,
    say,
    told,
)


def register(group: typer.Typer) -> None:
    """Add the commands to the group `config`."""
    for command in (render, drift, plan, bootstrap, block, allow, blocks):
        group.command()(command)


def render(
    device: DeviceArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Print what the device's template gives, its secrets in clear.

    Example: pasprobe config render pix-infomil > pix-infomil.cfg
    """
    room, known = room_of(config), device_of(config, device)
    text = room.rendered(known)
    say({"device": device, "text": text}) if as_json else typer.echo(text, nl=False)


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
    from concurrent.futures import ThreadPoolExecutor

    from device_configs.drift import drift as compared

    room = room_of(config)
    chosen = devices_of(
        room.loaded, devices, group, lambda one: one.template is not None, "has a template"
    )
    # Asking takes its time, most of all where nobody answers.
    at_once = room.loaded.configuration.device_configs.parallel if live else 1
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        running = room.live if live else room.last
        found = list(pool.map(lambda d: compared(d, room.rendered, running), chosen))
    if as_json:
        say([one.as_json() for one in found])
    else:
        for one in found:
            typer.echo(f"{one.device}: {one.state}")
            if one.error is not None:
                typer.echo(f"  {one.error.removeprefix(f'{one.device}: ')}")
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

    room, known = room_of(config), device_of(config, device)
    target = room.target(known, to)
    with room.session(known) as session:
        made = checked_plan(known, session, target, Wish(replacement=replacement))
    print_plan(device, made, as_json=as_json)
    raise typer.Exit(1 if made else 0)


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

    room, known = room_of(config), device_of(config, device)
    lines = lines_of(known, room.target(known, to).text)
    say({"device": device, "lines": list(lines)}) if as_json else typer.echo("\n".join(lines))


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

    room, known = room_of(config), device_of(config, device)
    outcome, file = shut_out(room, known, address, until, quiet if as_json else told)
    print_outcome(device, outcome, file, as_json=as_json)


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

    room = room_of(config)
    if expired:
        ending = [b for b in kept.load(room.folder) if b.expired(time.time_ns())]
    elif device is None or address is None:
        raise DeviceConfigError("allow", "which device and address?", "name both, or --expired")
    else:
        device_of(config, device)
        kept.host_of(address, device)
        ending = [b for b in kept.load(room.folder) if (b.device, b.address) == (device, address)]
    good, said = True, []
    for one in ending:
        try:
            known = device_of(config, one.device)
            outcome, _ = let_in(room, known, one, quiet if as_json else told)
            state = "allowed" if outcome is None or outcome.good else outcome.reason
            if outcome is not None and outcome.state == "target" and not outcome.good:
                state = f"allowed, {outcome.reason}"
        except DeviceConfigError as error:
            if not expired:
                raise
            # The other devices' blocks end all the same.
            state = str(error)
        good = good and state == "allowed"
        said.append({"device": one.device, "address": one.address, "state": state})
    if as_json:
        say(said)
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

    found = kept.load(room_of(config).folder)
    late = [one for one in found if one.expired(time.time_ns())]
    if as_json:
        say([{**asdict(one), "expired": one in late} for one in found])
    else:
        for one in found:
            end = "" if one.until_ns is None else f", until {iso(one.until_ns)}"
            state = " (its time is over)" if one in late else ""
            typer.echo(f"{one.device} {one.address} since {iso(one.since_ns)}{end}{state}")
        if not found:
            typer.echo("nothing is blocked")
    raise typer.Exit(1 if late else 0)
