"""What the store says of one path in a period: figures over it, and what its agent did wrong.

Read through `timeseries.reader.Reader`, never from memory. Percentiles of a period come from
added histograms, bounded by the extremes that were seen (at most one bin, 4.9 %, too high).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from timeseries import histogram
from timeseries.reader import Reader
from timeseries.records import DelayFigures, RollupRecord, TrainRecord
from timeseries.rollup import QUARTER_NS, quarter_of

Series = Literal["rtt", "forward", "backward"]
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The records of one path in a period, ascending."""

    path: str
    rollups: tuple[RollupRecord, ...]
    trains: tuple[TrainRecord, ...]

    @property
    def valid(self) -> tuple[TrainRecord, ...]:
        """The trains that count."""
        return tuple(train for train in self.trains if train.valid)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One delay series over a period, in nanoseconds."""

    packets: int
    min_ns: int
    percentiles_ns: tuple[tuple[int, int], ...]
    """(p, delay) for each of `PERCENTILES`."""
    max_ns: int


@dataclass(frozen=True, slots=True)
class SelfAccusation:
    """How well the agent itself did its work on one path."""

    planned: int
    trains: int
    valid: int
    reasons: tuple[tuple[str, int], ...]
    """(why trains are invalid, how many)."""
    sent: int
    tx_kernel: int
    replies: int
    rx_kernel: int
    t3_kernel: int | None
    """Replies whose reflector told its kernel stamp; None for ICMP."""
    lateness_max_ns: int
    lateness_p50_ns: int
    """Median over the trains of each one's worst."""
    local_drops: int
    clock_step_max_ns: int
    unsynchronised: int
    """Trains during which the own clock was not synchronised."""
    flags: tuple[tuple[str, int], ...]


def gather(reader: Reader, paths: Iterable[str], from_ns: int, to_ns: int) -> dict[str, Evidence]:
    """The records of these paths in [from_ns, to_ns); roll-ups of every quarter it touches."""
    wanted = list(paths)
    rollups: dict[str, list[RollupRecord]] = {path: [] for path in wanted}
    trains: dict[str, list[TrainRecord]] = {path: [] for path in wanted}
    end_ns = quarter_of(to_ns - 1) + QUARTER_NS
    for rollup in reader.rollups(wanted, quarter_of(from_ns), end_ns):
        rollups[rollup.path].append(rollup)
    for train in reader.trains(wanted, from_ns, to_ns):
        trains[train.path].append(train)
    return {path: Evidence(path, tuple(rollups[path]), tuple(trains[path])) for path in wanted}


def figures_of(train: TrainRecord, series: Series) -> DelayFigures | None:
    """The figures of one series of a train."""
    return {"rtt": train.rtt, "forward": train.forward, "backward": train.backward}[series]


def distribution(evidence: Evidence, series: Series) -> Distribution | None:
    """One series over all valid trains; None where nothing came back."""
    figures = [
        one
        for one in (figures_of(train, series) for train in evidence.valid)
        if one is not None and one.min_ns is not None and one.max_ns is not None
    ]
    if not figures:
        return None
    low = min(one.min_ns for one in figures if one.min_ns is not None)
    high = max(one.max_ns for one in figures if one.max_ns is not None)
    added = histogram.add(*(one.histogram for one in figures))
    percentiles = []
    for p in PERCENTILES:
        delay_ns = histogram.percentile(added, p, low, high)
        if delay_ns is not None:
            percentiles.append((p, delay_ns))
    return Distribution(histogram.size(added), low, tuple(percentiles), high)


def self_accusation(evidence: Evidence) -> SelfAccusation:
    """What the records say of the agent that made them."""
    trains = evidence.trains
    reasons = Counter(reason for train in trains for reason in train.reasons)
    flags = Counter(flag for train in trains for flag in train.flags)
    stamp = any(train.method == "stamp" for train in trains)
    late = sorted(train.lateness_max_ns for train in trains)
    return SelfAccusation(
        planned=sum(rollup.planned for rollup in evidence.rollups),
        trains=len(trains),
        valid=len(evidence.valid),
        reasons=tuple(sorted(reasons.items())),
        sent=sum(train.sent for train in trains),
        tx_kernel=sum(train.tx_kernel for train in trains),
        replies=sum(train.received + train.late for train in trains),
        rx_kernel=sum(train.rx_kernel for train in trains),
        t3_kernel=sum(train.t3_kernel for train in trains) if stamp else None,
        lateness_max_ns=late[-1] if late else 0,
        lateness_p50_ns=late[(len(late) - 1) // 2] if late else 0,
        local_drops=sum(train.local_drops for train in trains),
        clock_step_max_ns=max((abs(train.clock_step_ns) for train in trains), default=0),
        unsynchronised=sum(not train.clock_synchronised for train in trains),
        flags=tuple(sorted(flags.items())),
    )
