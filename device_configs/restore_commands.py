"""The command `pasprobe config restore`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from device_configs.options import (
    ConfigOption,
    DeviceArgument,
    JsonOption,
    ToOption,
    YesOption,
    device_of,
    print_outcome,
    print_plan,
    quiet,
    room_of,
    told,
)

if TYPE_CHECKING:
    from inventory.load import Loaded
    from inventory.operations import Device

    Checks = Callable[[Loaded, Device, Sequence[str]], Callable[[], Sequence[str]]]
    """From the words of --accept to what asks them all and says what is not so."""


def register(group: typer.Typer, checks: Checks) -> None:
    """Add the command to the group `config`; `checks`: other rooms ask what `--accept` names."""

    @group.command()
    def restore(
        device: DeviceArgument,
        to: ToOption = "backup",
        ticket: Annotated[
            str | None, typer.Option(help="Id of the ticket, for the protocol.")
        ] = None,
        timer: Annotated[
            int, typer.Option(min=0, max=120, help="Minutes until the device goes back by itself.")
        ] = 10,
        accept: Annotated[
            list[str] | None,
            typer.Option(
                metavar="CHECK",
                help="Save only if: ping:HOST, probe:PATH, tunnel:PEER (tunnel: all its peers); "
                "repeatable.",
            ),
        ] = None,
        accept_within: Annotated[
            int, typer.Option(min=0, max=3600, help="Seconds that --accept may take to be so.")
        ] = 60,
        replacement: Annotated[
            bool, typer.Option("--replacement", help="The unit was exchanged for another.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Print the plan, do nothing.")
        ] = False,
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
        """Make a device its target, read it back, save it.

        Where a command fails, or what --accept names is not so in time, everything is undone and
        nothing is saved. Exit 1: the device is not in the target, or it is not saved.

        Example: pasprobe config restore pix-infomil --ticket INC-7 --accept ping:192.0.2.10
        """
        from device_configs.changing import Wish, checked_plan
        from device_configs.changing import restore as carry_out

        _require_sense(device, dry_run=dry_run, resume=resume, undo=undo, accept=bool(accept))
        room, known = room_of(config), device_of(config, device)
        # Before anything is typed: a check that cannot be made would take back a good restore.
        accepted = checks(room.loaded, known, accept) if accept else tuple
        wish = Wish(ticket, timer or None, replacement, resume, undo, float(accept_within))
        target = None if resume or undo else room.target(known, to)
        if target is not None and (dry_run or not yes):
            with room.session(known) as session:
                made = checked_plan(known, session, target, wish)
            if dry_run or not as_json:
                print_plan(device, made, as_json=as_json)
            if dry_run:
                raise typer.Exit(1 if made else 0)
            typer.confirm(f"Restore {device} to {target.origin}?", abort=True, err=True)
        elif not yes:
            what = "Take back" if undo else "Go on with"
            typer.confirm(f"{what} the unfinished restore of {device}?", abort=True, err=True)
        outcome, file = carry_out(room, known, target, wish, quiet if as_json else told, accepted)
        print_outcome(device, outcome, file, as_json=as_json)


def _require_sense(device: str, *, dry_run: bool, resume: bool, undo: bool, accept: bool) -> None:
    """`DeviceConfigError` for options that contradict each other."""
    from device_configs.errors import DeviceConfigError

    if resume and undo:
        raise DeviceConfigError(device, "--resume goes on, --undo goes back", "give one of them")
    if dry_run and (resume or undo):
        raise DeviceConfigError(
            device, "an unfinished restore has no dry run", "see `config plan`, or its protocol"
        )
    if undo and accept:
        raise DeviceConfigError(
            device, "--accept is asked in the target, --undo goes back", "give one of them"
        )
