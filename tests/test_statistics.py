"""The statistics of a train: golden cases by hand, the RFCs' own examples, properties."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import statistics
from agent.statistics import delay_figures
from timeseries.records import DelayFigures

MS = 1_000_000

DELAYS = st.lists(st.integers(0, 20_000 * MS), min_size=1, max_size=60)


def figures(
    delays: list[int],
    *,
    lost: tuple[int, ...] = (),
    limit: int | None = None,
    spacing: int = 100 * MS,
) -> DelayFigures:
    """Statistics of a train whose packets left `spacing` apart; `lost` are sequence numbers."""
    delay_ns = np.array(delays, np.int64)
    received = np.ones(len(delays), np.bool_)
    received[list(lost)] = False
    arrival_ns = np.arange(len(delays), dtype=np.int64) * spacing + delay_ns
    return delay_figures(delay_ns, arrival_ns, received, limit)


def test_a_train_worked_by_hand() -> None:
    got = figures([10, 14, 11, 30, 12], limit=12)
    # ascending 10 11 12 14 30; |IPDV| 4 3 19 18
    assert replace(got, histogram=()) == DelayFigures(
        min_ns=10,
        mean_ns=15,  # 77 / 5 = 15.4
        p50_ns=12,
        p95_ns=30,
        p99_ns=30,
        max_ns=30,
        stddev_ns=7,  # variance 1461/5 - 15.4² = 55.04, root 7.42
        ipdv_mean_ns=11,  # 44 / 4
        ipdv_p95_ns=19,
        pdv_p99_ns=20,
        # times 16: 4; 4+3-(12>>4)=7; 7+19-(15>>4)=26; 26+18-(34>>4)=42; 42>>4 = 2
        jitter_rfc3550_ns=2,
        within_limit=3,
    )
    assert sum(count for _, count in got.histogram) == 5


@pytest.mark.parametrize(("percent", "value"), [(15, -5), (25, -2), (50, 4), (100, 18)])
def test_percentiles_of_the_example_distribution_of_rfc_2330(percent: int, value: int) -> None:
    assert statistics.percentile(sorted([-2, 7, 7, 4, 18, -5]), percent) == value


@pytest.mark.parametrize(
    ("n", "p50", "p95", "p99"),
    [
        (1, 1, 1, 1),
        (2, 1, 2, 2),
        (10, 5, 10, 10),
        (20, 10, 19, 20),
        (100, 50, 95, 99),
        (101, 51, 96, 100),
        (1000, 500, 950, 990),
    ],
)
def test_percentiles_have_the_nearest_rank(n: int, p50: int, p95: int, p99: int) -> None:
    ascending = range(1, n + 1)
    assert [statistics.percentile(ascending, p) for p in (50, 95, 99)] == [p50, p95, p99]


@pytest.mark.parametrize(
    ("values", "mean"),
    [([7], 7), ([1, 2], 2), ([1, 1, 2], 1), ([1, 2, 2], 2), ([-1, -2], -1), ([-3, 0, 0], -1)],
)
def test_the_mean_is_rounded_half_up(values: list[int], mean: int) -> None:
    assert statistics.mean(values) == mean


@pytest.mark.parametrize(
    ("values", "deviation"),
    [
        ([2, 4, 4, 4, 5, 5, 7, 9], 2),
        ([5], 0),
        ([3, 4], 1),  # exactly 0.5
        ([0, 0, 0, 1], 0),  # 0.433
        ([0, 2 * 10**18], 10**18),
        ([10**15, 10**15 + 3, 10**15 + 6], 2),  # 2.449; lost in a float's 53 bits
    ],
)
def test_the_deviation_is_of_the_population_and_exact(values: list[int], deviation: int) -> None:
    assert statistics.standard_deviation(values) == deviation


def test_the_limit_itself_is_within_the_limit() -> None:
    delays = [299 * MS, 300 * MS, 300 * MS + 1]
    assert figures(delays, limit=300 * MS).within_limit == 2
    assert figures(delays, limit=None).within_limit is None


def test_pdv_ends_at_the_99th_percentile_and_not_at_the_maximum() -> None:
    got = figures([*range(101, 201), 9_999])
    assert (got.p99_ns, got.max_ns, got.pdv_p99_ns) == (200, 9_999, 99)


def test_ipdv_spans_the_gap_that_a_lost_packet_leaves() -> None:
    assert figures([10, 999, 16, 13], lost=(1,)).ipdv_mean_ns == 5  # |16-10|, |13-16|: 4.5


def test_ipdv_goes_by_sequence_and_rfc_3550_by_arrival() -> None:
    delay_ns = np.array([0, 160, 0], np.int64)
    everything = np.ones(3, np.bool_)
    in_order = delay_figures(delay_ns, np.array([1, 2, 3], np.int64), everything, None)
    swapped = delay_figures(delay_ns, np.array([1, 3, 2], np.int64), everything, None)
    assert in_order.ipdv_mean_ns == swapped.ipdv_mean_ns == 160
    assert in_order.jitter_rfc3550_ns == 19  # 160; 160+160-(168>>4)=310; 310>>4
    assert swapped.jitter_rfc3550_ns == 10  # 0; 0+160-(8>>4)=160; 160>>4


def test_the_estimator_of_rfc_3550_rounds_before_it_shifts() -> None:
    # times 16: 8; 8+8-((8+8)>>4) = 15; 15>>4 = 0
    assert figures([0, 8, 16]).jitter_rfc3550_ns == 0


@pytest.mark.parametrize(("limit", "within"), [(None, None), (300 * MS, 0)])
def test_all_lost_is_none_and_not_nan(limit: int | None, within: int | None) -> None:
    assert figures([5, 6, 7], lost=(0, 1, 2), limit=limit) == DelayFigures(within_limit=within)
    assert figures([], limit=limit) == DelayFigures(within_limit=within)


def test_a_single_packet_has_a_delay_and_no_variation() -> None:
    got = figures([5, 6, 7], lost=(0, 2), limit=6)
    assert replace(got, histogram=()) == DelayFigures(
        min_ns=6,
        mean_ns=6,
        p50_ns=6,
        p95_ns=6,
        p99_ns=6,
        max_ns=6,
        stddev_ns=0,
        pdv_p99_ns=0,
        within_limit=1,
    )
    assert [count for _, count in got.histogram] == [1]


def test_absurd_stamps_of_a_reflector_do_not_overflow() -> None:
    year_2106 = 4_294_967_295 * 1_000_000_000
    got = figures([year_2106] * 9 + [-year_2106], spacing=0)
    assert got.mean_ns == year_2106 * 8 // 10
    assert got.max_ns == year_2106
    assert got.ipdv_mean_ns == (2 * year_2106 * 2 + 9) // 18


@pytest.mark.parametrize(
    ("arrivals", "reordered"),
    [
        # The three tables of RFC 4737, section 7.
        ([1, 2, 3, 5, 6, 7, 8, 4, 9, 10], {4}),
        ([1, 2, 3, 4, 7, 5, 6, 8, 9, 10], {5, 6}),
        ([1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11], {4, 5, 6}),
        # Section 3.3: a gap that loss leaves is a discontinuity and no reordering.
        ([1, 2, 4, 5, 9], set()),
        ([2, 1], {1}),
        ([3, 2, 1], {1, 2}),
        ([7], set()),
        ([], set()),
    ],
)
def test_reordering_as_rfc_4737_evaluates_it(arrivals: list[int], reordered: set[int]) -> None:
    arrival_ns = np.zeros(12, np.int64)
    received = np.zeros(12, np.bool_)
    for instant, seq in enumerate(arrivals, 1):
        arrival_ns[seq] = instant
        received[seq] = True
    assert statistics.reordered(arrival_ns, received) == len(reordered)


def test_replies_of_the_same_instant_are_in_order() -> None:
    assert statistics.reordered(np.full(5, 9, np.int64), np.ones(5, np.bool_)) == 0


@given(st.permutations(range(30)), st.sets(st.integers(0, 29)))
def test_reordering_equals_the_rfcs_step_by_step_rule(order: list[int], lost: set[int]) -> None:
    arrival_ns = np.zeros(30, np.int64)
    arrival_ns[order] = np.arange(1, 31)
    received = np.ones(30, np.bool_)
    received[list(lost)] = False
    next_exp = expected = 0
    for s in order:
        if s in lost:
            continue
        if s >= next_exp:
            next_exp = s + 1
        else:
            expected += 1
    assert statistics.reordered(arrival_ns, received) == expected


@given(st.lists(st.tuples(st.integers(0, 3 * 10**9), st.integers(0, 10**9)), min_size=2))
def test_jitter_equals_the_estimator_of_rfc_3550(packets: list[tuple[int, int]]) -> None:
    """Section A.8, from arrival times and send stamps, packet after packet as they arrive."""
    send = np.cumsum([gap for _, gap in packets]).tolist()
    arrival = [s + delay for s, (delay, _) in zip(send, packets, strict=True)]
    as_arrived = sorted(range(len(packets)), key=lambda i: arrival[i])
    s_jitter, r_jitter, s_transit = 0, 0.0, arrival[as_arrived[0]] - send[as_arrived[0]]
    for i in as_arrived[1:]:
        transit = arrival[i] - send[i]
        d = transit - s_transit
        s_transit = transit
        if d < 0:
            d = -d
        s_jitter += d - ((s_jitter + 8) >> 4)
        r_jitter += (1.0 / 16.0) * (d - r_jitter)
    got = delay_figures(
        np.array([delay for delay, _ in packets], np.int64),
        np.array(arrival, np.int64),
        np.ones(len(packets), np.bool_),
        None,
    ).jitter_rfc3550_ns
    assert got == s_jitter >> 4
    # The RFC's floating point form: half a unit of rounding, and the final shift.
    assert got == pytest.approx(r_jitter, abs=2)


@given(DELAYS, st.integers(0, 20_000 * MS))
def test_figures_are_observed_ordered_integers(delays: list[int], limit: int) -> None:
    got = figures(delays, limit=limit)
    ladder = [
        ns for ns in (got.min_ns, got.p50_ns, got.p95_ns, got.p99_ns, got.max_ns) if ns is not None
    ]
    assert len(ladder) == 5
    assert set(ladder) <= set(delays)
    assert ladder == sorted(ladder)
    assert got.mean_ns in range(min(delays), max(delays) + 1)
    assert got.within_limit == sum(delay <= limit for delay in delays)
    assert got.pdv_p99_ns == ladder[3] - ladder[0]
    assert sum(count for _, count in got.histogram) == len(delays)
    for field in fields(got):
        value = getattr(got, field.name)
        if field.name == "histogram":
            assert all(type(number) is int for pair in value for number in pair)
        else:
            assert type(value) is int or (value is None and len(delays) == 1)


@given(DELAYS)
def test_the_deviation_is_the_root_nearest_to_the_exact_variance(delays: list[int]) -> None:
    n, s = len(delays), figures(delays).stddev_ns
    n2_variance = sum((n * x - sum(delays)) ** 2 for x in delays) // n
    assert s is not None
    assert (n * (2 * s - 1)) ** 2 <= 4 * n2_variance or s == 0
    assert 4 * n2_variance < (n * (2 * s + 1)) ** 2


@given(DELAYS, st.randoms(use_true_random=False))
def test_only_the_variation_depends_on_the_order(delays: list[int], random: object) -> None:
    def of_the_set(got: DelayFigures) -> DelayFigures:
        return replace(got, ipdv_mean_ns=None, ipdv_p95_ns=None, jitter_rfc3550_ns=None)

    shuffled = list(delays)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert of_the_set(figures(shuffled, limit=MS)) == of_the_set(figures(delays, limit=MS))


@given(DELAYS)
def test_ipdv_is_the_same_read_backwards(delays: list[int]) -> None:
    there, back = figures(delays), figures(delays[::-1])
    assert (there.ipdv_mean_ns, there.ipdv_p95_ns) == (back.ipdv_mean_ns, back.ipdv_p95_ns)


@given(DELAYS, st.integers(0, 59), st.integers(-(10**12), 10**12), st.integers(0, 10**13))
def test_a_lost_packet_changes_no_figure_of_the_received(
    delays: list[int], place: int, stale_delay: int, stale_arrival: int
) -> None:
    delay_ns = np.array(delays, np.int64)
    arrival_ns = np.arange(len(delays), dtype=np.int64) * 10 * MS + delay_ns
    received = np.ones(len(delays), np.bool_)
    place = min(place, len(delays))
    with_loss = (
        np.insert(delay_ns, place, stale_delay),
        np.insert(arrival_ns, place, stale_arrival),
        np.insert(received, place, False),
    )
    assert delay_figures(*with_loss, MS) == delay_figures(delay_ns, arrival_ns, received, MS)
    before = statistics.reordered(arrival_ns, received)
    assert statistics.reordered(with_loss[1], with_loss[2]) == before


@given(DELAYS, st.integers(-(10**9), 10**9))
def test_an_offset_of_the_clock_moves_delays_and_no_variation(
    delays: list[int], offset: int
) -> None:
    plain, moved = figures(delays), figures([delay + offset for delay in delays])
    for name in ("min_ns", "mean_ns", "p50_ns", "p95_ns", "p99_ns", "max_ns"):
        assert getattr(moved, name) == getattr(plain, name) + offset
    for name in ("stddev_ns", "ipdv_mean_ns", "ipdv_p95_ns", "pdv_p99_ns", "jitter_rfc3550_ns"):
        assert getattr(moved, name) == getattr(plain, name)
