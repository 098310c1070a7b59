"""What the agent has seen since it started, and which paths are bad: pure counters and rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from agent.daemon.assignments import Judgement
from agent.samples import Status, TrainSamples
from timeseries import histogram
from timeseries.records import DelayFigures, TrainRecord

DAY_NS = 86_400 * 1_000_000_000


@dataclass(slots=True)
class Tally:
    """Sums over all trains of all paths."""

    trains: int = 0
    valid: int = 0
    invalid: Counter[str] = field(default_factory=Counter)
    """By reason; a train with two reasons counts under both."""
    sent: int = 0
    received: int = 0
    lost: int = 0
    local_drops: int = 0
    send_errors: Counter[str] = field(default_factory=Counter)

    def add(self, record: TrainRecord) -> None:
        """Count one train."""
        self.trains += 1
        self.valid += record.valid
        self.invalid.update(record.reasons)
        self.sent += record.sent
        self.received += record.received
        self.lost += record.lost
        self.local_drops += record.local_drops
        self.send_errors.update(dict(record.send_errors))

    def since(self, earlier: Tally) -> Tally:
        """What was added after the earlier state."""
        return Tally(
            self.trains - earlier.trains,
            self.valid - earlier.valid,
            self.invalid - earlier.invalid,
            self.sent - earlier.sent,
            self.received - earlier.received,
            self.lost - earlier.lost,
            self.local_drops - earlier.local_drops,
            self.send_errors - earlier.send_errors,
        )

    def copy(self) -> Tally:
        """The state now."""
        return self.since(Tally())

    def as_dict(self) -> dict[str, object]:
        """For the state file and log lines."""
        return {
            "trains": self.trains,
            "valid": self.valid,
            "invalid": dict(self.invalid),
            "sent": self.sent,
            "received": self.received,
            "lost": self.lost,
            "local_drops": self.local_drops,
            "send_errors": dict(self.send_errors),
        }


class Lateness:
    """How late packets left on the present UTC day."""

    def __init__(self) -> None:
        self._day = -1
        self._bins: npt.NDArray[np.int64] = np.zeros(histogram.BINS, np.int64)
        self.max_ns: int | None = None

    def add(self, samples: TrainSamples) -> None:
        """Count the packets of a train that were sent."""
        day = samples.start_ns // DAY_NS
        if day != self._day:
            self._day, self.max_ns = day, None
            self._bins[:] = 0
        late = samples.lateness_ns[samples.status != int(Status.UNSENT)]
        if late.size:
            self._bins += np.bincount(histogram.bin_of(late), minlength=histogram.BINS)
            self.max_ns = max(self.max_ns or 0, int(late.max()))

    @property
    def p99_ns(self) -> int | None:
        """99th percentile, at most 4.9 % too high; None before the first packet of the day."""
        bins = ((int(i), int(self._bins[i])) for i in np.flatnonzero(self._bins))
        return histogram.percentile(bins, 99, 0, self.max_ns or 0)


def loses_too_much(record: TrainRecord, limit_percent: Decimal) -> bool:
    """Whether the train lost more than this share of what was sent."""
    return record.sent > 0 and record.lost * 100 > limit_percent * record.sent


def faults(record: TrainRecord, judgement: Judgement) -> tuple[str, ...]:
    """Which limits one valid train misses; () where it keeps them all."""
    found = []
    if judgement.loss_percent is not None and loses_too_much(record, judgement.loss_percent):
        found.append("loss")
    within, received = within_limit(record)
    if (
        judgement.delay_share_percent is not None
        and received > 0
        and within * 100 < judgement.delay_share_percent * received
    ):
        found.append("delay")
    jitter_ns, limit_ns = record.rtt.ipdv_mean_ns, judgement.jitter_ns
    if jitter_ns is not None and limit_ns is not None and jitter_ns > limit_ns:
        found.append("jitter")
    return tuple(found)


def within_limit(record: TrainRecord) -> tuple[int, int]:
    """(packets within the delay limit, packets that were judged); both directions pooled."""
    if record.limit_on == "rtt":
        judged: tuple[DelayFigures | None, ...] = (record.rtt,)
    else:
        judged = (record.forward, record.backward) if record.one_way_judged else ()
    pairs = [
        (figures.within_limit, histogram.size(figures.histogram))
        for figures in judged
        if figures is not None and figures.within_limit is not None
    ]
    return sum(within for within, _ in pairs), sum(total for _, total in pairs)


class Health:
    """Which paths are bad, by their last valid train."""

    def __init__(self) -> None:
        self._faults: dict[str, tuple[str, ...]] = {}

    def note(self, record: TrainRecord, judgement: Judgement) -> tuple[str, ...] | None:
        """The faults of the path now, where they are others than before; otherwise None."""
        if not record.valid:
            return None
        now = faults(record, judgement)
        if now == self._faults.get(record.path, ()):
            return None
        self._faults[record.path] = now
        return now

    def keep_only(self, paths: Mapping[str, object]) -> None:
        """Forget paths that are not measured any more."""
        self._faults = {path: f for path, f in self._faults.items() if path in paths}

    @property
    def bad(self) -> dict[str, tuple[str, ...]]:
        """The bad paths with their faults."""
        return {path: found for path, found in self._faults.items() if found}
