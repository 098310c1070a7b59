"""What a device does by itself when nobody calls it off: restart, or take the changes back.

`reload in` (IOS and ASA command references); `configure terminal revert timer` with `configure
revert timer` and `configure confirm` (IOS, Configuration Rollback Confirmed Change, from 12.4(20)T
and 12.2(33)S on), which needs an archive and leaves the traffic alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from device_configs.errors import CommandRefused, DeviceConfigError
from device_configs.plan import plan
from device_configs.platforms import Platform
from device_configs.protocol import Protocol as Record
from device_configs.sections import parse

_FAR = re.compile(r"path (tftp|ftp|scp|sftp|https?|rcp):", re.IGNORECASE)
_SCHEDULED = re.compile(r"^\s*reload scheduled", re.IGNORECASE | re.MULTILINE)
_SAVE = (r"[Ss]ave\?.*$", "no\n")
_CONFIRM = (r"\[confirm\]\s*$", "\n")


class Session(Protocol):
    """What is asked of `session.Session`."""

    platform: Platform

    def running(self) -> str: ...
    def dialogue(self, command: str, answers: Sequence[tuple[str, str]]) -> str: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class WayBack:
    """One kind of timer, as commands of privileged mode."""

    arm: str
    prolong: str
    """What gives a running one its full time again. Where it is not `arm`, it is refused when
    none runs."""
    off: str
    does: str
    """What the device does, for the reader."""
    minutes: int


def reload(minutes: int) -> WayBack:
    """A restart, which brings the startup configuration back."""
    command = f"reload in {minutes}"
    return WayBack(command, command, "reload cancel", "restarts", minutes)


def revert(minutes: int) -> WayBack:
    """The running configuration becomes again what it was when this was typed."""
    return WayBack(
        f"configure terminal revert timer {minutes}",
        f"configure revert timer {minutes}",
        "configure confirm",
        "takes the changes back",
        minutes,
    )


def can_revert(platform: Platform, preimage: str, target: str) -> bool:
    """Whether there is an archive on the device that the restore leaves alone."""
    path = _archive(preimage)
    if platform.name != "cisco_ios" or not path or path != _archive(target):
        return False
    # The way to a server may be what the restore interrupts.
    return _FAR.match(path) is None


def is_reverting(session: Session) -> bool:
    """Whether a revert timer runs already."""
    try:
        _say(session, "show archive config rollback timer")
    except CommandRefused:
        return False
    return True


def restarts_soon(session: Session) -> bool:
    """Whether somebody has a restart scheduled (`show reload`)."""
    try:
        return _SCHEDULED.search(_say(session, "show reload")) is not None
    except CommandRefused:
        return False


class Deadman:
    """The timer of one restore."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._preimage = ""
        self._inherited: list[WayBack] = []
        """What a killed process may have armed."""
        self._held = 0.0
        """When the timer was given its full time, monotonic seconds."""
        self.way: WayBack | None = None
        """What is armed; None: nothing that we know of."""

    def begin(self, platform: Platform, preimage: str, target: str, *, inherited: bool) -> None:
        """`inherited`: a process that was killed may have armed one."""
        self._preimage = preimage
        if inherited:
            self._inherited = [reload(1)]
            if can_revert(platform, preimage, target):
                self._inherited.append(revert(1))

    def choose(self, way: WayBack | None) -> None:
        """What to hold from now on. It counts as armed: it may arrive although the session goes."""
        self.way = way

    def hold(self, session: Session) -> None:
        """Arm the timer, or give it its full time again; `CommandRefused`."""
        assert self.way is not None
        try:
            _say(session, self.way.prolong)
        except CommandRefused:
            # None runs, and a new one would come back to what is there now.
            if self.way.arm == self.way.prolong or plan(
                session.running(), self._preimage, session.platform.name
            ):
                raise
            _say(session, self.way.arm)
        self._held = time.monotonic()

    def prolong(self, session: Session) -> None:
        """Hold it again when half of its time is over."""
        if self.way is not None and time.monotonic() - self._held > 30 * self.way.minutes:
            self.rearm(session)

    def rearm(self, session: Session) -> None:
        """A restart has taken the timer away; nothing was saved since it was armed."""
        if self.way is None:
            return
        try:
            self.hold(session)
        except CommandRefused as refused:
            self._record.note("not armed again", answer=refused.answer)
            if self.way.arm != self.way.prolong:
                self.way = None
        except DeviceConfigError:
            session.close()
            raise

    def call_off(self, session: Session) -> bool:
        """Call it off; False where a revert timer had run out meanwhile, which ends no session."""
        mine, there = self.way, True
        offs = dict.fromkeys(way.off for way in ([mine] if mine else []) + self._inherited)
        for off in offs:
            try:
                _say(session, off)
            except CommandRefused as refused:
                self._record.note("no timer to call off", answer=refused.answer)
                there = there and not (mine and mine.off == off and mine.arm != mine.prolong)
        self.way, self._inherited = None, []
        if offs:
            self._record.note("disarmed")
        return there


def _say(session: Session, command: str) -> str:
    """Type one of the commands; nothing is saved on the way."""
    return session.dialogue(command, (_SAVE, _CONFIRM))


def _archive(text: str) -> str:
    """Where a switch keeps old configurations; empty where it does not."""
    return next(
        (
            child.text
            for line in parse(text)
            if line.text == "archive"
            for child in line.children
            if child.text.startswith("path ")
        ),
        "",
    )
