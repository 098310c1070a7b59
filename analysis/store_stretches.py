"""Gaps and outages of one path, from the state of its quarters of an hour. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from analysis.lines import Gap
from analysis.store_windows import CountedPath
from inventory.clocks import Interval
from timeseries.period_sums import DARK, GOOD, INVALID, PeriodSums, Piece
from timeseries.rollup import QUARTER_NS
from timeseries.timetable import Timetable

SILENT = "agent silent"
NOT_ACTIVE = "path not active"
LOST = "every packet of valid trains lost"

_RUNS = re.compile(rb"([\x00-\x03])\1*")
"""Quarters of one state."""


@dataclass(slots=True)
class Seen:
    """Of one path, ascending."""

    gaps: list[Gap] = field(default_factory=list)
    outages: list[Gap] = field(default_factory=list)


def stretches(
    one: CountedPath,
    quarters: PeriodSums,
    tables: Sequence[Timetable],
    within: Interval | None = None,
) -> Seen:
    """Quarters without a valid train, and those in which valid ones lost all, joined by cause.

    A stretch begins and ends inside the delivery window and goes on over the hours between; a
    quarter in which no train was due neither begins nor ends one. `within`: of this time alone.
    """
    joined = _Joined(one)
    states = quarters.quarters.get(one.path.id, bytearray())
    if states == _all_good(one.wanted.pieces, quarters.first_ns, len(states)):
        return joined.seen
    for begin, end, _ in one.wanted.pieces:
        if within is not None:
            begin, end = max(begin, within[0]), min(end, within[1])
            if begin >= end:
                continue
        first = (begin - quarters.first_ns) // QUARTER_NS
        last = (end - quarters.first_ns) // QUARTER_NS
        if states.count(GOOD, first, last) == last - first:
            joined.close()
            continue
        for run in _RUNS.finditer(states, first, last):
            low = quarters.first_ns + run.start() * QUARTER_NS
            high = quarters.first_ns + run.end() * QUARTER_NS
            state = states[run.start()]
            if state == GOOD:
                joined.close()
            elif state == DARK:
                joined.add(low, high, LOST)
            elif state == INVALID:
                for at_ns in range(low, high, QUARTER_NS):
                    reasons = quarters.reasons.get((one.path.id, at_ns), frozenset())
                    cause = f"trains invalid: {', '.join(sorted(reasons)) or 'unstated'}"
                    joined.add(at_ns, at_ns + QUARTER_NS, cause)
            else:
                _add_silence(joined, tables, low, high)
    joined.close()
    return joined.seen


@lru_cache(maxsize=64)
def _all_good(pieces: tuple[Piece, ...], first_ns: int, length: int) -> bytes:
    """The states of a path whose every quarter is good; many paths share their pieces."""
    states = bytearray(length)
    for begin, end, _ in pieces:
        first, last = (begin - first_ns) // QUARTER_NS, (end - first_ns) // QUARTER_NS
        states[first:last] = bytes([GOOD]) * (last - first)
    return bytes(states)


def _add_silence(joined: _Joined, tables: Sequence[Timetable], low_ns: int, high_ns: int) -> None:
    """Quarters of which nothing is on record."""
    if any(table.always_due(low_ns, high_ns) for table in tables):
        joined.add(low_ns, high_ns, SILENT)
    elif not any(table.active(low_ns, high_ns) for table in tables):
        joined.add(low_ns, high_ns, NOT_ACTIVE)
    else:
        for at_ns in range(low_ns, high_ns, QUARTER_NS):
            end_ns = at_ns + QUARTER_NS
            if any(table.planned(at_ns, end_ns) for table in tables):
                joined.add(at_ns, end_ns, SILENT)
            elif not any(table.active(at_ns, end_ns) for table in tables):
                joined.add(at_ns, end_ns, NOT_ACTIVE)


class _Joined:
    """Joins quarters of one cause."""

    def __init__(self, one: CountedPath) -> None:
        self.seen = Seen()
        self._one = one
        self._cause = ""
        self._begin_ns = 0
        self._end_ns = 0

    def add(self, begin_ns: int, end_ns: int, cause: str) -> None:
        """The next quarters."""
        if cause != self._cause:
            self.close()
            self._cause, self._begin_ns = cause, begin_ns
        self._end_ns = end_ns

    def close(self) -> None:
        """The stretch ends before what comes."""
        if not self._cause:
            return
        path = self._one.path
        gap = Gap(path.id, path.service, path.pas, self._begin_ns, self._end_ns, self._cause)
        (self.seen.outages if self._cause == LOST else self.seen.gaps).append(gap)
        self._cause = ""
