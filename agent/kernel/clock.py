"""Clocks: the wall clock that stamps packets, the monotonic one that keeps the schedule.

Kernel software stamps are CLOCK_REALTIME, the schedule is CLOCK_MONOTONIC; their difference moves
when somebody steps the wall clock, and that is how a step is found.
"""

from __future__ import annotations

import ctypes
import time
from typing import Protocol

from agent.samples import ClockState


class Clock(Protocol):
    """What the engine asks of time; `SystemClock` is the real one."""

    def monotonic_ns(self) -> int:
        """Time that never steps."""
        ...

    def realtime_ns(self) -> int:
        """UTC in nanoseconds since 1970."""
        ...

    def sleep_until(self, monotonic_ns: int) -> None:
        """Return at the absolute instant, not earlier."""
        ...


class SystemClock:
    """CLOCK_MONOTONIC and CLOCK_REALTIME of this host."""

    monotonic_ns = staticmethod(time.monotonic_ns)
    realtime_ns = staticmethod(time.time_ns)

    @staticmethod
    def sleep_until(monotonic_ns: int) -> None:
        """Sleep to the absolute instant (clock_nanosleep underneath)."""
        left = monotonic_ns - time.monotonic_ns()
        if left > 0:
            time.sleep(left / 1e9)


def realtime_offset_ns(clock: Clock) -> int:
    """CLOCK_REALTIME - CLOCK_MONOTONIC, from the tightest of three bracketed readings."""
    best_width, best = 1 << 62, 0
    for _ in range(3):
        before = clock.monotonic_ns()
        real = clock.realtime_ns()
        after = clock.monotonic_ns()
        if after - before < best_width:
            best_width, best = after - before, real - (before + after) // 2
    return best


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


_libc = ctypes.CDLL(None, use_errno=True)
_STA_UNSYNC = 0x0040
_TIME_ERROR = 5


def clock_state() -> ClockState:
    """What the kernel says of this host's clock (adjtimex(2)); esterror is in microseconds.

    A clock that nobody disciplines is unsynchronised, whatever error it claims.
    """
    timex = _Timex()
    state = _libc.adjtimex(ctypes.byref(timex))
    if state in (-1, _TIME_ERROR) or timex.status & _STA_UNSYNC:
        return ClockState(synchronised=False, error_ns=None)
    return ClockState(synchronised=True, error_ns=timex.esterror * 1000)
