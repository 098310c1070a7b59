"""The session of a restore, and the next one when it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from device_configs.errors import DeviceConfigError, SessionLost
from device_configs.platforms import Platform
from device_configs.protocol import Protocol as Record
from device_configs.session import Answer

Found = TypeVar("Found")
TRIES = 3
"""Before a device counts as one that does not get there."""


class Session(Protocol):
    """What a restore asks of `session.Session`."""

    platform: Platform

    def running(self) -> str: ...
    def startup(self) -> str: ...
    def configure(
        self,
        lines: Sequence[str],
        stop: Callable[[Answer], bool] = ...,
        timeout_s: float | None = None,
    ) -> list[Answer]: ...
    def dialogue(self, command: str, answers: Sequence[tuple[str, str]]) -> str: ...
    def save(self) -> Answer: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Lifeline:
    """Always a session, as long as the device gives one."""

    device: str
    connect: Callable[[], Session]
    record: Record
    again: Callable[[Session], None]
    """What a new session does first."""
    patience_s: float
    """How long a device that does not answer is tried again."""
    pause_s: float
    """Between two tries."""
    _session: Session | None = field(default=None, init=False)

    def take(self, session: Session) -> None:
        """Begin with a session that is open already."""
        self._session = session

    def open(self) -> Session:
        """The session, or a new one; `SessionLost` when the device stays away."""
        if self._session is not None:
            return self._session
        until = time.monotonic() + self.patience_s
        while True:
            try:
                session = self.connect()
                self.again(session)
            except DeviceConfigError as error:
                if time.monotonic() >= until:
                    raise SessionLost(
                        self.device,
                        f"no session for {self.patience_s:g} s ({error})",
                        "see to the device; `--resume` goes on, `--undo` goes back",
                    ) from None
                time.sleep(self.pause_s)
            else:
                self.record.note("connected")
                self._session = session
                return session

    def asked(self, what: Callable[[Session], Found]) -> Found:
        """An answer of the device, asked for again where the session goes."""
        for left in reversed(range(TRIES)):
            try:
                return what(self.open())
            except SessionLost as lost:
                self.lost(lost)
                if not left:
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def lost(self, lost: SessionLost) -> None:
        """The session is gone; the next one is opened when it is needed."""
        self.record.note("lost", reason=str(lost))
        self.drop()

    def drop(self) -> None:
        """Close it, where there is one."""
        if self._session is not None:
            self._session.close()
            self._session = None
