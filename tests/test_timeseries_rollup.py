"""Roll-ups: order never matters, quarters add up, invalid trains stay out of the counters."""

from __future__ import annotations

import dataclasses
import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries import histogram
from timeseries.records import DelayFigures, PlanRecord, RollupRecord, TrainRecord
from timeseries.rollup import QUARTER_NS, planned_trains, quarter_of, rollup

Q0 = 1_959_115 * QUARTER_NS
SECOND = 1_000_000_000


def train(start_ns: int, **changes: Any) -> TrainRecord:
    values: dict[str, Any] = {
        "agent": "roma", "path": "p", "pas": "roma-01", "service": "ip-base", "peer": "",
        "endpoint": "qxn", "method": "icmp", "target": "t", "address": "192.0.2.1",
        "start_ns": start_ns, "planned": 10, "sent": 10, "received": 9, "lost": 1, "late": 1,
        "duplicates": 0, "reordered": 0, "corrupted": 0, "spoofed": 0, "limit_ns": 300_000_000,
        "limit_on": "rtt", "rtt": DelayFigures(within_limit=9, histogram=((5, 9),)),
        "forward": None, "backward": None, "one_way_error_ns": None, "one_way_judged": False,
        "lost_forward": None, "lost_backward": None, "valid": True, "reasons": (), "flags": (),
        "tx_kernel": 10, "rx_kernel": 9, "t3_kernel": 0, "lateness_max_ns": 0, "local_drops": 0,
        "clock_step_ns": 0, "clock_synchronised": True, "clock_error_ns": 1, "icmp_errors": (),
        "send_errors": (),
    }  # fmt: skip
    return TrainRecord(**{**values, **changes})


def plan(start_ns: int, every_s: int = 60, **changes: Any) -> PlanRecord:
    values: dict[str, Any] = {"active": True, "packets": 10, "limit_ns": None, **changes}
    return PlanRecord("roma", "p", start_ns, every_ns=every_s * SECOND, **values)


histograms = st.dictionaries(st.integers(0, 302), st.integers(1, 9), max_size=4).map(
    lambda bins: tuple(sorted(bins.items()))
)
figures = st.builds(
    DelayFigures,
    ipdv_mean_ns=st.none() | st.integers(0, 60_000_000),
    within_limit=st.integers(0, 10),
    histogram=histograms,
)
trains = st.lists(
    st.builds(
        train,
        start_ns=st.integers(Q0, Q0 + 4 * QUARTER_NS - 1),
        sent=st.integers(0, 10),
        received=st.integers(0, 10),
        late=st.integers(0, 3),
        duplicates=st.integers(0, 3),
        reordered=st.integers(0, 3),
        valid=st.booleans(),
        reasons=st.sets(st.sampled_from(["missed", "local drops", "clock step"])).map(tuple),
        rtt=figures,
        pas=st.sampled_from(["roma-01", "roma-02"]),
    ),
    max_size=20,
)
plans = st.lists(
    st.builds(
        plan,
        start_ns=st.integers(Q0 - QUARTER_NS, Q0 + 4 * QUARTER_NS),
        every_s=st.integers(1, 2000),
        active=st.booleans(),
        phase_ns=st.integers(0, 100 * SECOND),
    ),
    max_size=5,
    unique_by=lambda item: item.start_ns,
)


@given(trains, plans, st.randoms())
def test_order_never_matters(
    some: list[TrainRecord], planned: list[PlanRecord], shuffle: random.Random
) -> None:
    before = rollup(some, planned, Q0, "p")
    shuffle.shuffle(some)
    shuffle.shuffle(planned)
    assert rollup(some, planned, Q0, "p") == before


@given(trains, plans)
def test_four_quarters_add_up_to_the_hour(some: list[TrainRecord], of: list[PlanRecord]) -> None:
    quarters = [rollup(some, of, Q0 + k * QUARTER_NS, "p") for k in range(4)]
    valid = [item for item in some if item.valid]
    assert sum(q.trains for q in quarters) == len(some)
    assert sum(q.valid for q in quarters) == len(valid)
    for counter in ("sent", "received", "late", "duplicates", "reordered"):
        assert sum(getattr(q, counter) for q in quarters) == sum(
            getattr(item, counter) for item in valid
        )
    assert sum(q.within_limit or 0 for q in quarters) == sum(
        item.rtt.within_limit or 0 for item in valid
    )
    assert histogram.add(*(q.rtt_histogram for q in quarters)) == histogram.add(
        *(item.rtt.histogram for item in valid)
    )
    jitters = [item.rtt.ipdv_mean_ns for item in valid if item.rtt.ipdv_mean_ns is not None]
    assert sum(q.jitter_sum_ns for q in quarters) == sum(jitters)
    assert sum(q.jitter_count for q in quarters) == len(jitters)
    assert sum(q.planned for q in quarters) == planned_trains(of, Q0, Q0 + 4 * QUARTER_NS)


@given(trains, plans)
def test_every_figure_is_an_integer(some: list[TrainRecord], of: list[PlanRecord]) -> None:
    def plain(value: object) -> bool:
        if isinstance(value, tuple):
            return all(map(plain, value))
        return value is None or type(value) in (int, str)

    assert plain(dataclasses.astuple(rollup(some, of, Q0, "p")))


@given(plans, st.lists(st.integers(Q0, Q0 + QUARTER_NS), min_size=2, max_size=6))
def test_planned_trains_add_up_over_any_cuts(of: list[PlanRecord], cuts: list[int]) -> None:
    cuts = sorted(cuts)
    pieces = [planned_trains(of, a, b) for a, b in itertools.pairwise(cuts)]
    assert sum(pieces) == planned_trains(of, cuts[0], cuts[-1])
    assert min(pieces) >= 0


def test_invalid_trains_are_counted_by_reason_and_nowhere_else() -> None:
    spoiled = [
        train(Q0, valid=False, reasons=("local drops", "clock step")),
        train(Q0 + 1, valid=False, reasons=("local drops",)),
        train(Q0 + 2),
    ]
    found = rollup(spoiled, [], Q0, "p")
    assert found.invalid == (("clock step", 1), ("local drops", 2))
    assert (found.trains, found.valid, found.sent, found.received, found.late) == (3, 1, 10, 9, 1)
    assert found.rtt_histogram == ((5, 9),)


def test_jitter_is_over_a_limit_only_strictly_above_it() -> None:
    of = [20_000_000, 20_000_001, 40_000_000, 40_000_001]
    some = [train(Q0 + k, rtt=DelayFigures(ipdv_mean_ns=jitter)) for k, jitter in enumerate(of)]
    found = rollup(some, [], Q0, "p")
    assert (found.jitter_over_20ms, found.jitter_over_40ms) == (3, 1)
    assert (found.jitter_sum_ns, found.jitter_count) == (sum(of), 4)


def test_a_quarter_judged_by_two_limits_has_no_share() -> None:
    found = rollup([train(Q0), train(Q0 + 1, limit_ns=400_000_000)], [], Q0, "p")
    assert (found.limit_ns, found.within_limit) == (None, None)
    assert found.received == 18


def test_a_quarter_without_replies_has_a_share_of_zero_packets() -> None:
    lost = train(Q0, received=0, lost=10, rtt=DelayFigures())
    found = rollup([lost], [], Q0, "p")
    assert (found.within_limit, found.received, found.jitter_count) == (0, 0, 0)


def test_one_way_figures_come_from_judged_trains_alone_and_pool_both_directions() -> None:
    fast, slow = (
        DelayFigures(within_limit=8, histogram=((3, 8), (9, 1))),
        DelayFigures(within_limit=4, histogram=((3, 4), (9, 5))),
    )
    one_way = {"limit_on": "one-way", "limit_ns": 150_000_000, "forward": fast, "backward": slow}
    judged = train(Q0, one_way_judged=True, **one_way)
    doubtful = train(Q0 + 1, one_way_judged=False, **one_way)
    found = rollup([judged, doubtful], [], Q0, "p")
    assert (found.one_way_received, found.one_way_within_limit) == (9, 12)
    assert (found.forward_histogram, found.backward_histogram) == (fast.histogram, slow.histogram)
    assert (found.within_limit, found.limit_ns, found.limit_on) == (None, 150_000_000, "one-way")
    assert rollup([doubtful], [], Q0, "p").one_way_within_limit is None


def test_under_a_round_trip_limit_directions_are_kept_without_a_share() -> None:
    both = DelayFigures(histogram=((3, 9),))
    found = rollup([train(Q0, forward=both, backward=both)], [], Q0, "p")
    assert (found.forward_histogram, found.one_way_received) == (((3, 9),), 9)
    assert (found.one_way_within_limit, found.within_limit) == (None, 9)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ([plan(Q0)], 15),
        ([plan(Q0 - 7 * SECOND)], 15),
        ([plan(Q0 + 450 * SECOND)], 8),  # begins in the quarter
        ([plan(Q0), plan(Q0 + 450 * SECOND, 30)], 23),  # changes in it
        ([plan(Q0), plan(Q0 + 450 * SECOND, active=False)], 8),  # ends in it
        ([plan(Q0 - 100 * QUARTER_NS)], 15),  # the agent has been dead for a day
        ([plan(Q0, phase_ns=59 * SECOND)], 15),
        ([plan(Q0 + 899 * SECOND, phase_ns=SECOND)], 0),  # its first is due in the next quarter
        ([plan(Q0, every_s=1800)], 1),
        ([plan(Q0 + QUARTER_NS)], 0),
        ([], 0),
    ],
)
def test_planned_trains_follow_the_plan(of: list[PlanRecord], expected: int) -> None:
    assert rollup([], of, Q0, "p").planned == expected


def test_only_trains_of_the_path_and_quarter_count() -> None:
    some = [
        train(Q0 - 1),
        train(Q0),
        train(Q0 + QUARTER_NS - 1),
        train(Q0 + QUARTER_NS),
        train(Q0 + 5, path="q"),
    ]
    assert rollup(some, [], Q0, "p").trains == 2


def test_a_quarter_without_trains_is_named_after_its_plan() -> None:
    empty = rollup([], [plan(Q0, pas="roma-01", service="voip")], Q0, "p")
    assert isinstance(empty, RollupRecord)
    assert (empty.agent, empty.pas, empty.service, empty.trains) == ("roma", "roma-01", "voip", 0)


def test_quarters_begin_at_multiples_of_fifteen_minutes() -> None:
    assert quarter_of(Q0 + 1) == quarter_of(Q0) == Q0
    assert quarter_of(Q0 - 1) == Q0 - QUARTER_NS
    with pytest.raises(ValueError, match="does not begin a quarter"):
        rollup([], [], Q0 + 1, "p")
