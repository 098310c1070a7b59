"""How each path did in the last hours: the numbers behind `pasprobe status --history`.

Slots of a quarter of an hour (or several, where the terminal is narrow) are added up from roll-ups,
the latest from trains. Pure, but for `history`, which reads the records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from agent.daemon.assignments import Judgement
from agent.daemon.reading import assignments
from agent.daemon.status import has_records, missed_limits
from inventory.limits import LimitSource
from inventory.models import Configuration
from timeseries import histogram
from timeseries.quarters import quarters
from timeseries.reader import EmbeddedReader
from timeseries.records import PlanRecord, RollupRecord
from timeseries.rollup import QUARTER_NS, planned_trains

SLOT_QUARTERS = (1, 2, 4, 8, 12, 24, 48, 96)
"""What a character may stand for: a quarter of an hour to a day."""
HOUR_NS = 4 * QUARTER_NS
_OTHER_COLUMNS = 38
"""Characters that the figures beside the line take."""
_PATH_COLUMNS, _LINE_LEAST = 40, 24


@dataclass(frozen=True, slots=True)
class Window:
    """`count` slots of `slot_ns`, the last one with the present in it; UTC."""

    from_ns: int
    slot_ns: int
    count: int

    @property
    def to_ns(self) -> int:
        """The end of the last slot."""
        return self.from_ns + self.count * self.slot_ns

    def start_ns(self, index: int) -> int:
        """When a slot begins."""
        return self.from_ns + index * self.slot_ns


@dataclass(frozen=True, slots=True)
class Slot:
    """One path in one slot; all but the first four are of its valid trains."""

    start_ns: int
    planned: int
    """Trains that were due up to now."""
    trains: int
    valid: int
    sent: int
    received: int
    within: int
    judged: int
    """Delays that were judged by a limit; both directions where it is one-way."""
    jitter_sum_ns: int
    jitter_count: int
    rtt: histogram.Sparse

    def delay_ns(self, p: int) -> int | None:
        """A percentile of the round trips, at most 4.9 % too high; None when nothing came back."""
        return histogram.percentile(self.rtt, p, 0, histogram.BOUNDS_NS[-1])

    @property
    def within_percent(self) -> Fraction | None:
        """Share of the judged delays within the limit."""
        return Fraction(100 * self.within, self.judged) if self.judged else None

    @property
    def loss_percent(self) -> Fraction | None:
        """Share of the sent packets that were lost."""
        return Fraction(100 * (self.sent - self.received), self.sent) if self.sent else None

    @property
    def jitter_ns(self) -> int | None:
        """Mean of the trains' mean absolute IPDV."""
        return self.jitter_sum_ns // self.jitter_count if self.jitter_count else None


@dataclass(frozen=True, slots=True)
class PathHistory:
    """One path, slot by slot."""

    path: str
    limit_ns: int | None
    slots: tuple[Slot, ...]
    missed: tuple[tuple[str, ...], ...]
    """Which limits each slot would miss if it were judged by itself."""


@dataclass(frozen=True, slots=True)
class History:
    """All paths of this host."""

    window: Window
    paths: tuple[PathHistory, ...]


def window(now_ns: int, hours: int, most: int | None = None) -> Window:
    """The last `hours` hours in quarters, or in longer slots where those would be more than `most`.

    Slots begin at multiples of their length in UTC, so the first may reach back a little further.
    """
    slot_ns = QUARTER_NS * next(
        (n for n in SLOT_QUARTERS if most is None or -(-hours * 4 // n) <= most), SLOT_QUARTERS[-1]
    )
    count = -(-hours * HOUR_NS // slot_ns)
    end_ns = now_ns - now_ns % slot_ns + slot_ns
    return Window(end_ns - count * slot_ns, slot_ns, count)


def slots(
    frame: Window, rollups: Iterable[RollupRecord], plans: Sequence[PlanRecord], now_ns: int
) -> tuple[Slot, ...]:
    """The slots of one path; `rollups` and `plans` are its own."""
    parts: list[list[RollupRecord]] = [[] for _ in range(frame.count)]
    for one in rollups:
        if frame.from_ns <= one.start_ns < frame.to_ns:
            parts[(one.start_ns - frame.from_ns) // frame.slot_ns].append(one)
    return tuple(
        _slot(frame.start_ns(index), frame.slot_ns, mine, plans, now_ns)
        for index, mine in enumerate(parts)
    )


def _slot(
    start_ns: int,
    slot_ns: int,
    rollups: Sequence[RollupRecord],
    plans: Sequence[PlanRecord],
    now_ns: int,
) -> Slot:
    judged = [_judged(one) for one in rollups]
    return Slot(
        start_ns=start_ns,
        planned=planned_trains(plans, start_ns, min(start_ns + slot_ns, now_ns)),
        trains=sum(one.trains for one in rollups),
        valid=sum(one.valid for one in rollups),
        sent=sum(one.sent for one in rollups),
        received=sum(one.received for one in rollups),
        within=sum(within for within, _ in judged),
        judged=sum(total for _, total in judged),
        jitter_sum_ns=sum(one.jitter_sum_ns for one in rollups),
        jitter_count=sum(one.jitter_count for one in rollups),
        rtt=histogram.add(*(one.rtt_histogram for one in rollups)),
    )


def _judged(one: RollupRecord) -> tuple[int, int]:
    """(delays within the limit, delays that were judged by it)."""
    if one.within_limit is not None:
        return one.within_limit, one.received
    if one.one_way_within_limit is not None:
        return one.one_way_within_limit, 2 * one.one_way_received
    return 0, 0


def path_history(
    path: str, limit_ns: int | None, found: tuple[Slot, ...], judgement: Judgement
) -> PathHistory:
    """The path with the limits that each of its slots misses."""
    missed = tuple(
        missed_limits(judgement, one.within_percent, one.loss_percent, one.jitter_ns)
        for one in found
    )
    return PathHistory(path, limit_ns, found, missed)


def history(
    configuration: Configuration,
    data_dir: Path,
    limits: LimitSource,
    hours: int,
    now_ns: int,
    *,
    width: int | None = None,
) -> History:
    """What the records of this configuration's agent say of the last hours.

    `width`: characters of the terminal; None: quarters of an hour, however many. Raises
    `StoreError` where records cannot be read.
    """
    wanted = assignments(configuration, limits, None)
    agent = configuration.agent.name if configuration.agent else ""
    longest = max(map(len, wanted), default=0)
    most = None
    if width is not None:
        most = max(_LINE_LEAST, width - min(longest, _PATH_COLUMNS) - _OTHER_COLUMNS)
    frame = window(now_ns, hours, most)
    rollups: dict[str, list[RollupRecord]] = {}
    plans: dict[str, list[PlanRecord]] = {}
    if wanted and has_records(data_dir):
        reader = EmbeddedReader(data_dir, threads=1)
        for one in quarters(reader, list(wanted), frame.from_ns, frame.to_ns):
            if one.agent == agent:
                rollups.setdefault(one.path, []).append(one)
        for plan in reader.plans(list(wanted), 0, frame.to_ns):
            if plan.agent == agent:
                plans.setdefault(plan.path, []).append(plan)
    return History(
        frame,
        tuple(
            path_history(
                path,
                assignment.context.limit_ns,
                slots(frame, rollups.get(path, ()), plans.get(path, ()), now_ns),
                assignment.judgement,
            )
            for path, assignment in wanted.items()
        ),
    )
