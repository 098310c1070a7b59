"""What the commands that change devices share: targets, sessions, and a restore from end to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from device_configs.backup import (
    changed_to,
    folder_of,
    history_of,
    hosts_of,
    meta_of,
    require_fetched,
)
from device_configs.backup import fetch as fetched_from
from device_configs.errors import DeviceConfigError
from device_configs.facts import named_by
from device_configs.history import Meta
from device_configs.moments import moment
from device_configs.plan import boots, plan
from device_configs.protocol import Protocol, Unfinished
from device_configs.render import render
from device_configs.restore import Order, Outcome, Restore
from device_configs.risk import require_same_device, require_way_in
from device_configs.sections import family
from device_configs.session import Session, open_session
from device_configs.steps import Plan
from inventory.load import Loaded
from inventory.operations import Device


@dataclass(frozen=True, slots=True)
class Target:
    """A configuration to restore."""

    text: str
    origin: str
    """`template pix.j2`, `backup 2011-03-01T08:00:00Z`, or a file."""
    meta: Meta | None = None
    """Of a backup: which unit it came from."""


@dataclass(frozen=True, slots=True)
class Room:
    """The configuration file, and what this room keeps beside it."""

    loaded: Loaded
    environ: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Repository, protocols and blocks."""
        return folder_of(self.loaded.configuration, self.loaded.path)

    @property
    def templates(self) -> Path:
        """Templates and their variables, beside the configuration file."""
        place = self.loaded.path
        return (place if place.is_dir() else place.parent) / "templates"

    def session(self, device: Device) -> Session:
        """Log in."""
        return open_session(
            device, self.environ, hosts_of(self.loaded.configuration, self.loaded.path)
        )

    def rendered(self, device: Device) -> str:
        """What the template gives."""
        return render(device, self.loaded.configuration, self.templates, self.environ)

    def last(self, device: Device) -> str:
        """The running configuration of the latest backup."""
        history = history_of(self.loaded.configuration, self.loaded.path, self.environ)
        return history.get(device.id)

    def live(self, device: Device) -> str:
        """The running configuration as it is now."""
        with self.session(device) as session:
            return session.running()

    def target(self, device: Device, words: str) -> Target:
        """`template`, `backup`, `backup@TIME` or a file. Raises `DeviceConfigError`."""
        if words == "template":
            return Target(self.rendered(device), f"template {device.template}")
        if words == "backup" or words.startswith("backup@"):
            contract = self.loaded.configuration.contract
            _, _, time = words.partition("@")
            history = history_of(self.loaded.configuration, self.loaded.path, self.environ)
            version = history.version_at(device.id, moment(time, contract) if time else None)
            return Target(history.text(version), words, version.meta)
        try:
            octets = Path(words).read_bytes()
        except OSError as error:
            raise DeviceConfigError(
                words, f"cannot be read ({error})", "say template, backup, backup@TIME or a file"
            ) from None
        if b"\0" in octets:
            raise DeviceConfigError(
                words, "is no text", "give a configuration as the device shows it"
            )
        try:
            return Target(octets.decode("utf-8-sig"), words)
        except UnicodeDecodeError:
            # As what a device prints is read.
            return Target(octets.decode("latin-1"), words)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a restore is asked for beside its target."""

    ticket: str | None = None
    timer_minutes: int | None = 10
    replacement: bool = False
    resume: bool = False
    undo: bool = False
    accept_s: float = 60.0
    """How long what has to be so afterwards is waited for; then everything is undone."""
    small: bool = False
    """A change of a line or two, taken back at once where it fails: no timer, and what somebody
    else has left unsaved on the device stays so."""


def require_unit(device: Device, session: Session) -> None:
    """Refuse a unit whose configuration is not its own to change. Raises `DeviceConfigError`."""
    facts = session.facts()
    if facts.failover == "standby":
        raise DeviceConfigError(
            device.id,
            "this unit is the standby of its pair, and takes its configuration from the active one",
            "restore the active unit; write its address into the [[device]]",
        )
    # From a context of its own there is no way to the system.
    if facts.multiple_contexts and changed_to(session, "system"):
        raise DeviceConfigError(
            device.id,
            "a firewall in multiple mode is backed up as a whole, and not changed as a whole",
            "make each context a [[device]] by its own address and restore it with --timer 0; the "
            "system's lines by hand, from `config show`",
        )


def checked_plan(device: Device, session: Session, target: Target, wish: Wish) -> Plan:
    """The plan, after every check that needs no change. Raises `DeviceConfigError`."""
    require_unit(device, session)
    running = session.running()
    facts = named_by(session.facts(), running)
    require_same_device(device.id, target.text, facts, target.meta, replacement=wish.replacement)
    require_way_in(device, running, target.text, family(session.platform.name, running))
    return plan(running, target.text, session.platform.name)


def restore(
    room: Room,
    device: Device,
    target: Target | None,
    wish: Wish,
    tell: Callable[[Mapping[str, Any]], None],
    accept: Callable[[], Sequence[str]] = tuple,
    *,
    checked: bool = True,
) -> tuple[Outcome | None, Path]:
    """Restore a device; None where there was nothing to do. The protocol's file beside it.

    `target` None: go on with (`wish.resume`) or take back (`wish.undo`) what a killed process left.
    `accept` says what is not as it has to be afterwards. Raises `DeviceConfigError`; then nothing
    was typed.
    """
    with Protocol(room.folder, device.id, tell) as record, room.session(device) as session:
        left = record.unfinished()
        if target is None:
            if left is None:
                raise DeviceConfigError(
                    device.id, "no restore of it is unfinished", "start one, without --resume"
                )
            target = Target(left.target, "the unfinished restore")
            # Whether it is the right unit was asked when it began; now it may have either name.
            wish = replace(wish, replacement=True)
        elif left is not None:
            raise _left_over(device, left)
        if checked and not wish.undo:
            made = checked_plan(device, session, target, wish)
        else:
            require_unit(device, session)
            made = plan(session.running(), target.text, session.platform.name)
        if left is None:
            preimage = _kept(room, device, session, wish)
            if not made and _saved(session, preimage):
                failed = accept()
                if not failed:
                    return None, record.file
                reason = f"nothing had to be changed; not accepted: {'; '.join(failed)}"
                return Outcome("target", reason, 0, saved=True), record.file
            save = not (wish.small and _changed_since_saved(session, preimage))
            record.begin(
                target.text, preimage, save=save, ticket=wish.ticket, origin=target.origin,
                commands=len(made.commands), gaps=list(made.gaps),
            )  # fmt: skip
        else:
            preimage, save = left.preimage, left.save
            record.go_on(left)
        timer = None if wish.small else wish.timer_minutes
        order = Order(device.id, target.text, timer, accept_s=wish.accept_s, save=save)
        run = Restore(order, lambda: room.session(device), record, accept)
        with _until_the_end(run):
            ended = run.run(session, preimage, undo=wish.undo, resumed=left is not None)
        if ended.state == "target":
            _keep_result(room, device, wish, tell)
        return ended, record.file


def _left_over(device: Device, left: Unfinished) -> DeviceConfigError:
    return DeviceConfigError(
        device.id,
        f"a restore of it was begun and not ended ({left.file})",
        "go on with --resume, or go back to what it had with --undo",
    )


def _saved(session: Session, running: str) -> bool:
    startup = session.startup()
    return bool(startup) and boots(startup, running, session.platform.name)


def _changed_since_saved(session: Session, running: str) -> bool:
    """Whether the device has a startup configuration that we see, and another than this."""
    startup = session.startup()
    return bool(startup) and not boots(startup, running, session.platform.name)


def _kept(room: Room, device: Device, session: Session, wish: Wish) -> str:
    """Put what the device has into the repository. `DeviceConfigError` where it is not whole."""
    fetched = fetched_from(session)
    require_fetched(device, fetched, None, smaller=True)
    trigger = f"restore {wish.ticket}" if wish.ticket else "restore"
    history = history_of(room.loaded.configuration, room.loaded.path, room.environ)
    history.put(device.id, fetched.parts, meta_of(fetched, trigger), session.platform.stable)
    return fetched.parts["running"]


def _keep_result(
    room: Room, device: Device, wish: Wish, tell: Callable[[Mapping[str, Any]], None]
) -> None:
    """What the device has now is its latest backup; a restore that went well stays one without."""
    try:
        with room.session(device) as session:
            _kept(room, device, session, wish)
    except DeviceConfigError as error:
        tell({"event": "not backed up", "reason": str(error)})


@contextmanager
def _until_the_end(run: Restore) -> Iterator[None]:
    """The restore runs on when the operator's terminal goes; Ctrl-C asks for the way back."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        run.stop("stopped by the operator")

    try:
        before = {
            signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),
            signal.SIGINT: signal.signal(signal.SIGINT, stop),
            signal.SIGTERM: signal.signal(signal.SIGTERM, stop),
        }
    except ValueError:
        # Not the main thread: whoever runs us there has the signals.
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
