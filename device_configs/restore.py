"""Restores: a plan carried out, judged at each command, read back, undone when it fails.

The device is the truth: after every loss of the connection the running configuration is read and
planned anew, so it does not matter which commands had been carried out. A restore ends in the
target, in the pre-image, or says that it is between the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from device_configs import deadman
from device_configs.errors import CommandRefused, DeviceConfigError, SessionLost
from device_configs.lifeline import TRIES, Lifeline, Session
from device_configs.masking import masked
from device_configs.plan import boots, plan
from device_configs.platforms import Platform
from device_configs.protocol import Protocol as Record
from device_configs.sections import revealed, uncovered, without_lost
from device_configs.steps import Plan

State = Literal["target", "pre-image", "between"]
UNSAVED = (
    "not saved: the device had other changes that nobody had saved; `write memory` saves them too"
)


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of a restore."""

    device: str
    target: str
    timer_minutes: int | None = 10
    """After how long the device goes back by itself unless we say otherwise; None: no timer."""
    reconnect_s: float = 300.0
    """How long a device that does not answer is tried again."""
    pause_s: float = 2.0
    """Between two tries."""
    accept_s: float = 0.0
    """How long what has to be so afterwards is waited for."""
    save: bool = True
    """Whether the target is to be there after a restart too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a restore ended."""

    state: State
    reason: str
    """Empty where all is well."""
    commands: int
    saved: bool
    gaps: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    """Commands of the pre-image with a secret that was typed over or is gone, and that the device
    had hidden: all in which it may be between."""

    @property
    def good(self) -> bool:
        """In the target, there after a restart too, and all is as it was asked for."""
        return self.state == "target" and self.saved and not self.reason


class _Stop(Exception):  # noqa: N818 - not an error by itself
    """The way to the target is at an end; the pre-image is wanted."""


class Restore:
    """One restore of one device."""

    def __init__(
        self,
        order: Order,
        connect: Callable[[], Session],
        record: Record,
        accept: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._order = order
        self._record = record
        self._accept = accept
        self._preimage = ""
        self._deadman = deadman.Deadman(record)
        self._lifeline = Lifeline(
            order.device, connect, record, self._deadman.rearm, order.reconnect_s, order.pause_s
        )
        self._commands = 0
        self._stopped = ""
        self._undoing = False
        self._typeable = ""
        """The pre-image without the secrets that nobody knows."""
        self._lost_secrets: tuple[str, ...] = ()

    def stop(self, reason: str) -> None:
        """Ask for the pre-image; takes effect before the next group (from a signal handler)."""
        self._stopped = reason

    def run(
        self, session: Session, preimage: str, *, undo: bool = False, resumed: bool = False
    ) -> Outcome:
        """Carry out the order on a device whose protocol has begun.

        `preimage`: what the device had; `undo`: go back to it at once; `resumed`: another process
        was killed at it. `DeviceConfigError` where nothing was typed, because the timer cannot be
        armed.
        """
        self._lifeline.take(session)
        self._preimage = preimage
        self._deadman.begin(
            session.platform,
            preimage,
            self._order.target,
            inherited=(undo or resumed) and _has_timer(session.platform),
        )
        gaps: tuple[str, ...] = ()
        try:
            gaps = self._lifeline.asked(self._planned).gaps
            if undo:
                return self._ended(self._undo("asked for"), gaps)
            self._arm(resumed=resumed)
        except SessionLost as lost:
            return self._ended(self._unknown(str(lost)), gaps)
        except DeviceConfigError as error:
            if not resumed:
                self._record.end("pre-image", over=True, reason=str(error), commands=0)
            raise
        try:
            return self._ended(self._reach(self._order.target, self._finish), gaps)
        except SessionLost as lost:
            return self._ended(self._unknown(str(lost)), gaps)
        except (_Stop, DeviceConfigError) as stop:
            return self._ended(self._undo(str(stop)), gaps)

    def _planned(self, session: Session) -> Plan:
        return plan(session.running(), self._order.target, session.platform.name)

    def _reach(self, end: str, then: Callable[[], Outcome]) -> Outcome:
        """Get to an end and do there what comes last.

        Where the session goes meanwhile, all over again: the device may have restarted, and then
        has what it had before.
        """
        for left in reversed(range(TRIES)):
            self._towards(end)
            try:
                return then()
            except SessionLost as lost:
                self._lifeline.lost(lost)
                if not left:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def _towards(self, end: str) -> None:
        """Plan, carry out, read back, until nothing is left to do.

        A secret that the device hides is typed once; read back, it counts as what was typed.
        """
        typed = ""
        for _ in range(TRIES):
            session = self._lifeline.open()
            try:
                left = self._left(session, typed, end)
                if not left:
                    self._record.note("equal")
                    return
                self._carry_out(session, left)
                typed = end
            except SessionLost as lost:
                # It may have restarted, and then has another secret behind the same mask.
                typed = ""
                self._lifeline.lost(lost)
        left = self._lifeline.asked(lambda session: self._left(session, typed, end))
        if left:
            raise _Stop(
                f"after {TRIES} plans {len(left.commands)} commands are still to be done, "
                f"the first of them {left.commands[0]!r}"
            )

    def _left(self, session: Session, typed: str, end: str) -> Plan:
        """What is still to be done; on the way back, all but the secrets that nobody knows."""
        running = revealed(session.running(), typed)
        if self._undoing:
            end, self._lost_secrets = without_lost(end, running)
            self._typeable = end
        return plan(running, end, session.platform.name)

    def _carry_out(self, session: Session, what: Plan) -> None:
        """Type the groups; `_Stop` at an answer that is an error."""
        for number, group in enumerate(what.groups, 1):
            if self._stopped:
                raise _Stop(self._stopped)
            self._deadman.prolong(session)
            self._record.note(
                "group", number=number, of=len(what.groups), risk=group.risk, note=group.note,
                commands=list(map(masked, group.commands)),
            )  # fmt: skip
            answers = session.configure(group.commands)
            self._commands += len(answers)
            for answer in answers:
                if answer.warning:
                    self._record.note("warning", command=answer.command, answer=answer.warning)
                if answer.error is not None:
                    self._record.note("refused", command=answer.command, answer=answer.error)
                    raise _Stop(f"{masked(answer.command)!r} was refused: {answer.error}")

    def _check_acceptance(self) -> None:
        """Ask until everything is so or the patience is over; nothing is saved before."""
        until, said = time.monotonic() + self._order.accept_s, [""]
        while failed := list(self._accept()):
            if self._stopped:
                break
            if time.monotonic() >= until:
                self._record.note("not accepted", failed=failed)
                raise _Stop(f"not accepted: {'; '.join(failed)}")
            if failed != said:
                self._record.note("not yet accepted", failed=failed)
                said = failed
            time.sleep(self._order.pause_s)
            self._deadman.prolong(self._lifeline.open())
        if self._stopped:
            raise _Stop(self._stopped)

    def _undo(self, reason: str) -> Outcome:
        """Back to the pre-image by a plan of its own."""
        self._record.note("undo", reason=reason)
        self._stopped, self._undoing = "", True
        try:
            return self._reach(self._preimage, lambda: self._taken_back(reason))
        except (_Stop, DeviceConfigError) as error:
            return self._unknown(f"{reason}; the way back failed too: {error}")

    def _taken_back(self, reason: str) -> Outcome:
        """Disarm; what a killed process has saved already is saved over."""
        session = self._lifeline.open()
        self._deadman.call_off(session)
        startup = session.startup()
        if not _boots(session, startup, self._typeable) and _boots(
            session, startup, self._order.target
        ):
            answer = session.save()
            self._record.note("saved", answer=answer.error or "")
            if answer.error is not None:
                reason += f"; a restart brings the target back: not saved ({answer.error})"
        hidden = (*self._lost_secrets, *self._typed_over())
        if not hidden:
            return Outcome("pre-image", reason, self._commands, saved=False)
        told = ", ".join(f"`{one}`" for one in hidden)
        reason += (
            f"; all else is as it was, but the device had hidden its secret in {told}, and that "
            "was typed over or is gone: type it by hand, then `write memory`"
        )
        return Outcome("between", reason, self._commands, saved=False, unproven=hidden)

    def _typed_over(self) -> tuple[str, ...]:
        """Secrets of the pre-image that no backup has and that a command has replaced."""
        known = uncovered(self._preimage, self._order.target)
        typed = self._record.typed() if known else frozenset()
        return tuple(shown for shown, clear in known if masked(clear) in typed)

    def _finish(self) -> Outcome:
        """Accept, disarm, save, compare what will be there after a restart."""
        self._check_acceptance()
        try:
            if not self._deadman.call_off(self._lifeline.open()):
                raise SessionLost(
                    self._order.device,
                    "the timer ran out and took the changes back",
                    "wait: they are made again",
                )
            if not self._order.save:
                return Outcome("target", UNSAVED, self._commands, saved=False)
            session = self._lifeline.open()
            answer = session.save()
            if answer.error is not None:
                return Outcome("target", f"not saved: {answer.error}", self._commands, saved=False)
            startup = session.startup()
            if startup and not _boots(session, startup, session.running()):
                reason = "the startup configuration is not the target after `write memory`"
                return Outcome("target", reason, self._commands, saved=False)
        except SessionLost:
            raise
        except DeviceConfigError as error:
            return Outcome("target", f"not saved: {error}", self._commands, saved=False)
        return Outcome("target", "", self._commands, saved=True)

    def _unknown(self, reason: str) -> Outcome:
        if way := self._deadman.way:
            reason += (
                f"; the device {way.does} by itself within {way.minutes} minutes and then has the "
                "pre-image"
            )
        return Outcome("between", reason, self._commands, saved=False)

    def _ended(self, outcome: Outcome, gaps: tuple[str, ...]) -> Outcome:
        whole = replace(outcome, gaps=gaps)
        # What is left to type by hand is nothing that another restore could go on with.
        self._record.end(
            whole.state, over=whole.state != "between" or bool(whole.unproven),
            reason=whole.reason, commands=whole.commands, saved=whole.saved, gaps=list(whole.gaps),
        )  # fmt: skip
        self._lifeline.drop()
        return whole

    def _arm(self, *, resumed: bool) -> None:
        """A way back that only we can call off, where the platform has one."""
        minutes = self._order.timer_minutes
        platform = self._lifeline.open().platform
        if minutes is None or not _has_timer(platform):
            self._record.note("no timer")
            return
        if not resumed and self._lifeline.asked(deadman.restarts_soon):
            raise DeviceConfigError(
                self._order.device,
                "somebody has a restart of it scheduled (`show reload`), which our timer would "
                "replace",
                "see whose it is; `reload cancel` calls it off",
            )
        if deadman.can_revert(platform, self._preimage, self._order.target):
            if not resumed and self._lifeline.asked(deadman.is_reverting):
                raise DeviceConfigError(
                    self._order.device,
                    "somebody's `configure revert timer` runs, and would take this restore back",
                    "see whose it is; `configure confirm` calls it off",
                )
            if not self._armed(deadman.revert(minutes)):
                return

        def starts(text: str) -> bool:
            return self._lifeline.asked(lambda session: _boots(session, session.startup(), text))

        if not starts(self._preimage):
            if resumed and (starts(self._order.target) or not self._lifeline.asked(self._planned)):
                # The killed process had come as far as `write memory`.
                self._record.note("no timer")
                return
            raise DeviceConfigError(
                self._order.device,
                "its startup configuration is not the running one, so a restart would not bring "
                "today's configuration back",
                "save it first (`write memory`), or restore with --timer 0 and no safety net",
            )
        if refused := self._armed(deadman.reload(minutes)):
            raise DeviceConfigError(
                self._order.device,
                f"the timer cannot be armed ({refused})",
                "let the user reload, or restore with --timer 0 and no safety net",
            )

    def _armed(self, way: deadman.WayBack) -> str:
        """Arm it; why the device would not, where it would not."""
        self._deadman.choose(way)
        try:
            self._lifeline.asked(self._deadman.hold)
        except CommandRefused as refused:
            self._deadman.choose(None)
            return refused.answer
        self._record.note("armed", command=way.arm)
        return ""


def _has_timer(platform: Platform) -> bool:
    return platform.syntax != "pix6" and bool(platform.startup)


def _boots(session: Session, startup: str, text: str) -> bool:
    return bool(startup) and boots(startup, text, session.platform.name)
