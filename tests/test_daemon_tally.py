"""Good and bad trains, sums, lateness: the rules beside the daemon's loop."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from agent.daemon.assignments import Judgement
from agent.daemon.tally import DAY_NS, Health, Lateness, Tally, faults, loses_too_much
from agent.samples import ClockState, Status, TrainPlan, TrainSamples
from agent.summary import TrainContext, summarise
from timeseries.records import TrainRecord

MS = 1_000_000
LIMITS = Judgement(delay_share_percent=Decimal(95), loss_percent=Decimal(1), jitter_ns=20 * MS)
PLAN = TrainPlan("p", "icmp", "192.0.2.1", 100, 20 * MS, 64, 1_000 * MS)
CONTEXT = TrainContext("a", "p", "ip-base", "", "", "192.0.2.1", 300 * MS)


def train(
    lost: int = 0, slow: int = 0, jitter_ms: int = 0, start_ns: int = DAY_NS, late_ns: int = 0
) -> TrainSamples:
    """A train of 100 packets: some lost, some beyond the limit of 300 ms."""
    samples = TrainSamples.empty(PLAN, start_ns, ClockState(synchronised=True, error_ns=1000))
    samples.status[:] = Status.RECEIVED
    samples.status[:lost] = Status.LOST
    samples.tx_ns = start_ns + np.arange(100, dtype=np.int64) * 20 * MS
    rtt = np.full(100, 10 * MS, np.int64)
    rtt[1::2] += jitter_ms * MS
    rtt[100 - slow :] = 301 * MS
    samples.rx_ns = np.where(samples.status == int(Status.RECEIVED), samples.tx_ns + rtt, 0)
    samples.tx_source[:] = samples.rx_source[:] = 2
    samples.lateness_ns[:] = late_ns
    return samples


def record(lost: int = 0, slow: int = 0, jitter_ms: int = 0) -> TrainRecord:
    return summarise(train(lost, slow, jitter_ms), CONTEXT)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (record(), ()),
        (record(lost=1), ()),
        (record(lost=2), ("loss",)),
        (record(slow=5), ()),
        (record(slow=6), ("delay",)),
        (record(jitter_ms=20), ()),
        (record(jitter_ms=21), ("jitter",)),
        (record(lost=100), ("loss",)),
        (record(lost=2, slow=10, jitter_ms=40), ("loss", "delay", "jitter")),
    ],
)
def test_a_train_is_bad_when_it_misses_a_limit_and_not_when_it_meets_it(
    made: TrainRecord, expected: tuple[str, ...]
) -> None:
    assert faults(made, LIMITS) == expected


def test_without_limits_no_train_is_bad() -> None:
    nothing = Judgement(delay_share_percent=None, loss_percent=None, jitter_ns=None)
    assert faults(record(lost=50, slow=50, jitter_ms=99), nothing) == ()


def test_health_speaks_at_changes_only() -> None:
    health = Health()
    good, bad = record(), record(lost=5)
    said = [health.note(one, LIMITS) for one in (good, bad, bad, good, good)]
    assert said == [None, ("loss",), None, (), None]


def test_a_train_that_the_agent_spoiled_says_nothing_about_the_path() -> None:
    health = Health()
    spoiled = replace(record(lost=5), valid=False, reasons=("local-drops",))
    assert health.note(spoiled, LIMITS) is None
    assert health.bad == {}


def test_loss_is_compared_exactly() -> None:
    assert not loses_too_much(replace(record(), sent=1000, lost=1), Decimal("0.1"))
    assert loses_too_much(replace(record(), sent=999, lost=1), Decimal("0.1"))
    assert not loses_too_much(replace(record(), sent=0, lost=0), Decimal(0))


def test_the_tally_of_an_interval_is_the_difference_of_two_states() -> None:
    tally = Tally()
    tally.add(record(lost=1))
    before = tally.copy()
    tally.add(replace(record(), valid=False, reasons=("overrun",), local_drops=3))
    since = tally.since(before)
    assert (since.trains, since.valid, since.sent, since.lost) == (1, 0, 100, 0)
    assert (dict(since.invalid), since.local_drops) == ({"overrun": 1}, 3)
    assert (before.trains, tally.trains) == (1, 2)


def test_lateness_is_that_of_today() -> None:
    lateness = Lateness()
    assert (lateness.p99_ns, lateness.max_ns) == (None, None)
    lateness.add(train(late_ns=5 * MS, start_ns=DAY_NS))
    lateness.add(train(late_ns=40_000, start_ns=2 * DAY_NS))
    lateness.add(train(late_ns=100_000, start_ns=2 * DAY_NS + 1))
    assert lateness.max_ns == 100_000
    assert lateness.p99_ns == 100_000
    unsent = train(late_ns=9 * MS, start_ns=2 * DAY_NS + 2)
    unsent.status[:] = Status.UNSENT
    lateness.add(unsent)
    assert lateness.max_ns == 100_000
