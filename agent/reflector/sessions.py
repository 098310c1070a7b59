"""What a reflector remembers of a session: its own sequence numbers, and when replies left.

A session is source address, source port and SSID (RFC 8972, section 3) at one listening socket.
Bounded in sessions and in what each keeps; a session idle for `IDLE_NS` is forgotten. Pure: the
clock is passed in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agent.wire.ntp import SECOND_NS

IDLE_NS: Final = 900 * SECOND_NS
"""REFWAIT of TWAMP (RFC 5357, section 3.1)."""
MOST_SESSIONS: Final = 16_384
MOST_STAMPS: Final = 64
"""Stamps of replies not told yet that a session keeps; the oldest go."""


class SessionKey(NamedTuple):
    """Who a session is with."""

    high: int
    low: int
    """The halves of the IPv6 (or v4-mapped) address."""
    port: int
    ssid: int
    zone: int


class Departure(NamedTuple):
    """When a reply left, by the kernel's clock."""

    sequence: int
    utc_ns: int


@dataclass(slots=True)
class Session:
    """One session."""

    used_ns: int
    """Monotonic time of its last request."""
    next_sequence: int = 0
    """Sequence number of its next reply, in stateful mode (RFC 8762, section 4.3)."""
    departures: deque[Departure] = field(default_factory=lambda: deque(maxlen=MOST_STAMPS))
    """Not told yet, oldest first. Several are waiting when requests come faster than stamps: each
    reply tells one, so that none is left out."""

    def number(self) -> int:
        """The sequence number of the next reply."""
        sequence = self.next_sequence
        self.next_sequence = (sequence + 1) & 0xFFFFFFFF
        return sequence

    def departure(self) -> Departure | None:
        """The oldest departure that the sender has not been told."""
        return self.departures.popleft() if self.departures else None


class SessionTable:
    """The sessions at one listening socket."""

    def __init__(self, most: int = MOST_SESSIONS, idle_ns: int = IDLE_NS) -> None:
        self._most = most
        self._idle_ns = idle_ns
        self._sessions: dict[SessionKey, Session] = {}
        self._swept_ns = -SECOND_NS

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, key: SessionKey, monotonic_ns: int) -> Session | None:
        """The session, a new one where there is none, None where there is no room for it.

        A full table takes no new session before an old one is idle: to forget a living one would
        make its numbers start anew, and the sender would call that loss.
        """
        session = self._sessions.get(key)
        if session is None or monotonic_ns - session.used_ns > self._idle_ns:
            if session is None and not self._room(monotonic_ns):
                return None
            session = self._sessions[key] = Session(monotonic_ns)
        session.used_ns = monotonic_ns
        return session

    def _room(self, now_ns: int) -> bool:
        if len(self._sessions) >= self._most and now_ns - self._swept_ns >= SECOND_NS:
            self._swept_ns = now_ns
            self._sessions = {
                key: session
                for key, session in self._sessions.items()
                if now_ns - session.used_ns <= self._idle_ns
            }
        return len(self._sessions) < self._most
