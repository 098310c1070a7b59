"""Three clocks, read together: the plan's, the engine's and the record's.

Slots are planned on CLOCK_BOOTTIME, which neither steps nor stands still while the host sleeps. The
engine sends by CLOCK_MONOTONIC, which stands still then. Records carry UTC, which may be stepped.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from agent.engine.timing import GRID_NS, on_grid

STEP_NS = 100_000_000
"""A wall clock that moved by more than this against the plan was stepped: plans are stated anew."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of the clocks, and the way from the plan's to the two others."""

    boot_ns: int
    monotonic_offset_ns: int
    """CLOCK_MONOTONIC - CLOCK_BOOTTIME: 0 until the host first sleeps."""
    utc_offset_ns: int
    """CLOCK_REALTIME - CLOCK_BOOTTIME."""

    @property
    def utc_ns(self) -> int:
        """The moment in UTC."""
        return self.boot_ns + self.utc_offset_ns

    def utc_of(self, boot_ns: int) -> int:
        """An instant of the plan in UTC, as the wall clock goes now."""
        return boot_ns + self.utc_offset_ns

    def monotonic_of(self, boot_ns: int) -> int:
        """An instant of the plan for the engine, on the nearest point of its grid."""
        return on_grid(boot_ns + self.monotonic_offset_ns - GRID_NS // 2)


class Timeline(Protocol):
    """What the planning side asks of time; `SystemTimeline` is the real one."""

    def now(self) -> Moment:
        """Read the clocks."""
        ...


class SystemTimeline:
    """The clocks of this host."""

    def now(self) -> Moment:
        """Read them, taking the tightest of three bracketed readings."""
        best = None
        for _ in range(3):
            before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            monotonic = time.monotonic_ns()
            utc = time.time_ns()
            after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            if best is None or after - before < best[0]:
                best = (after - before, (before + after) // 2, monotonic, utc)
        assert best is not None
        _, boot, monotonic, utc = best
        return Moment(boot, monotonic - boot, utc - boot)
