"""When the trains of all paths are due: absolute slots, no drift, nothing skipped in silence.

Sans-I/O. Slot k of a path is at first + k * every for ever; what late planning costs is counted as
an overrun, never made up for by sending later. Instants are nanoseconds of one clock that does not
step and that goes on while the host sleeps (CLOCK_BOOTTIME in the agent).
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

GRIDS_NS = (20_000_000, 10_000_000, 5_000_000, 2_000_000, 1_000_000)
"""Random phases are multiples of one of these: packets of different paths that meet share a wake-up
and a system call. A path's own spacing is not touched."""
MEETING = 8
"""So many packets may meet on average: what one system call sends in a tenth of a millisecond."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The instant at which one train of a path is to start."""

    path: str
    start_ns: int


@dataclass(frozen=True, slots=True)
class Overrun:
    """Slots of a path that had passed before they were planned; a range, however long the sleep."""

    path: str
    first_ns: int
    every_ns: int
    count: int

    @property
    def starts(self) -> range:
        """The start of each missed slot."""
        return range(self.first_ns, self.first_ns + self.count * self.every_ns, self.every_ns)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one look at the schedule found."""

    slots: tuple[Slot, ...]
    overruns: tuple[Overrun, ...]


@dataclass(slots=True)
class _Stream:
    first_ns: int
    every_ns: int
    serial: int


class Schedule:
    """The slots of all paths in the order of their time."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._serial = 0

    def __contains__(self, path: str) -> bool:
        return path in self._streams

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, path: str, first_ns: int, every_ns: int) -> None:
        """Plan a path from its first slot on; a path that is planned already begins anew."""
        if every_ns <= 0:
            raise ValueError(f"{path}: an interval of {every_ns} ns is none")
        self._serial += 1
        self._streams[path] = _Stream(first_ns, every_ns, self._serial)
        heapq.heappush(self._heap, (first_ns, self._serial, path))

    def remove(self, path: str) -> None:
        """Forget a path; KeyError where it is not planned."""
        del self._streams[path]

    def next_start_ns(self, path: str, from_ns: int) -> int:
        """The path's first slot at or after the instant, whether it was taken already or not."""
        stream = self._streams[path]
        if from_ns <= stream.first_ns:
            return stream.first_ns
        behind = -(-(from_ns - stream.first_ns) // stream.every_ns)
        return stream.first_ns + behind * stream.every_ns

    def take(self, now_ns: int, until_ns: int) -> Taken:
        """All slots up to `until_ns` (included) that were not taken before, by time.

        Those before `now_ns` come as overruns, one range a path, so that waking up after a week
        costs no more than after a minute.
        """
        slots: list[Slot] = []
        overruns: list[Overrun] = []
        while self._heap and self._heap[0][0] <= until_ns:
            due, serial, path = heapq.heappop(self._heap)
            stream = self._streams.get(path)
            if stream is None or stream.serial != serial:
                continue
            count = 1
            if due < now_ns:
                count = -(-(now_ns - due) // stream.every_ns)
                overruns.append(Overrun(path, due, stream.every_ns, count))
            else:
                slots.append(Slot(path, due))
            heapq.heappush(self._heap, (due + count * stream.every_ns, serial, path))
        return Taken(tuple(slots), tuple(overruns))


def grid_ns(packets_per_second: float) -> int:
    """The coarsest grid on which not too many packets meet."""
    for grid in GRIDS_NS:
        if packets_per_second * grid <= MEETING * 1e9:
            return grid
    return GRIDS_NS[-1]


def random_phase_ns(every_ns: int, grid: int, rng: random.Random) -> int:
    """A start phase evenly spread over the interval, on the grid (RFC 3432, section 4)."""
    return rng.randrange(max(1, every_ns // grid)) * grid
