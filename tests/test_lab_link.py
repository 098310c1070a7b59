"""The emulated link's model against the formulas it is documented with."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ProbeError
from agent.lab.link import (
    DelayModel,
    DirectionProfile,
    Link,
    LinkDirection,
    LinkProfile,
    LogNormal,
    Loss,
    QuantileTable,
)
from agent.lab.profiles import PRESETS, overridden, preset

MS = 1_000_000
LIMITS_MS = {
    # access profile: (ip-base round trip, voip one way to a PAS of profile high, voip jitter)
    "high": (300, 150, 20),
    "medium": (400, 180, 20),
    "base": (500, 250, 40),
    "base-satellite": (900, 350, 40),
}


def direction(**changes: object) -> LinkDirection:
    plain = DirectionProfile(DelayModel(10 * MS))
    return LinkDirection(replace(plain, **changes), "7")  # type: ignore[arg-type]


def run(link: LinkDirection, packets: int, spacing_ns: int, size: int = 100) -> list[list[int]]:
    """Delays of each packet's copies."""
    starts = [at * spacing_ns for at in range(packets)]
    return [[due - start for due in link.decide(start, size)] for start in starts]


def test_the_same_seed_decides_the_same_fates_and_another_decides_others() -> None:
    profile = preset("base-breach")
    fates = [run(Link(profile, seed).forward, 300, 50 * MS) for seed in (1, 1, 2)]
    assert fates[0] == fates[1]
    assert fates[0] != fates[2]


def test_both_directions_draw_numbers_of_their_own() -> None:
    link = Link(preset("base"), 1)
    assert run(link.forward, 50, 50 * MS) != run(link.backward, 50, 50 * MS)


def test_a_fate_stays_what_it_was_from_release_to_release() -> None:
    # Frozen: published benchmark figures name a seed.
    link = Link(preset("high"), 1)
    frozen = [[10880523], [29047278], [49308021], [69263784]]
    assert [link.forward.decide(at * 20 * MS, 44) for at in range(4)] == frozen


def test_a_changed_loss_leaves_the_delays_of_the_others_as_they_were() -> None:
    quiet = run(Link(preset("base"), 3).forward, 400, 500 * MS)
    lossy = run(Link(overridden(preset("base"), loss=0.3), 3).forward, 400, 500 * MS)
    survivors = [(a, b) for a, b in zip(quiet, lossy, strict=True) if a and b]
    assert 240 < len(survivors) < 320
    assert all(a == b for a, b in survivors)


@pytest.mark.parametrize(
    "variable",
    [
        LogNormal(8 * MS, 0.6),
        QuantileTable(((0, 0), (0.5, 2 * MS), (0.9, 30 * MS), (1, 200 * MS))),
    ],
)
def test_drawn_delays_have_the_quantiles_of_the_formula(
    variable: LogNormal | QuantileTable,
) -> None:
    model = DelayModel(50 * MS, variable)
    n = 20_000
    delays = sorted(run_[0] for run_ in run(direction(delay=model), n, 1_000 * MS))
    # Dvoretzky-Kiefer-Wolfowitz: no distribution function of n samples is further off than this,
    # but once in a million; and the seed is fixed.
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * n))
    for share in (0.05, 0.5, 0.9, 0.95, 0.99):
        limit_ns = model.quantile_ns(share)
        below = sum(delay <= limit_ns for delay in delays) / n
        assert below == pytest.approx(share, abs=bound)
        assert model.share_within(limit_ns) == pytest.approx(share, abs=1e-9)


@given(
    steps=st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 1e9)), min_size=1, max_size=8),
    share=st.floats(1e-6, 1 - 1e-6),
)
def test_a_quantile_table_is_the_inverse_of_its_share_within(
    steps: list[tuple[float, float]], share: float
) -> None:
    total = sum(width for width, _ in steps)
    points = [(0.0, 0.0)]
    for width, rise in steps:
        points.append((points[-1][0] + width / total, points[-1][1] + rise))
    points[-1] = (1.0, points[-1][1])
    table = QuantileTable(tuple(points))
    limit = table.quantile_ns(share)
    # At a jump (a flat piece of the table) share_within tells its top.
    assert table.share_within(limit * (1 + 1e-12) + 1e-6) >= share - 1e-6
    assert table.quantile_ns(min(table.share_within(limit), 1.0)) == pytest.approx(limit, abs=1e-3)


def test_independent_loss_comes_at_its_share() -> None:
    link = direction(loss=Loss.independent(0.02))
    fates = run(link, 50_000, MS)
    assert link.lost == sum(not fate for fate in fates)
    assert link.lost / 50_000 == pytest.approx(0.02, abs=0.003)


def test_burst_loss_comes_at_its_share_and_length() -> None:
    loss = Loss.bursts(0.05, mean_burst=4)
    assert loss.mean == pytest.approx(0.05)
    fates = run(direction(loss=loss), 100_000, MS)
    lost = [not fate for fate in fates]
    bursts = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    assert sum(lost) / len(lost) == pytest.approx(0.05, abs=0.005)
    assert sum(lost) / bursts == pytest.approx(4, abs=0.3)


def test_loss_holds_from_the_first_packet_on() -> None:
    profile = DirectionProfile(DelayModel(0), loss=Loss.bursts(0.3, mean_burst=50))
    first = [not LinkDirection(profile, str(seed)).decide(0, 100) for seed in range(2_000)]
    assert sum(first) / len(first) == pytest.approx(0.3, abs=0.04)


def test_gilbert_elliott_in_full_has_the_documented_mean() -> None:
    loss = Loss(in_good=0.01, in_bad=0.5, to_bad=0.02, to_good=0.18)
    assert loss.share_bad == pytest.approx(0.1)
    assert loss.mean == pytest.approx(0.059)
    fates = run(direction(loss=loss), 100_000, MS)
    assert sum(not fate for fate in fates) / 100_000 == pytest.approx(0.059, abs=0.005)


def test_a_duplicate_comes_after_its_original_and_leaves_the_originals_delay() -> None:
    model = DelayModel(10 * MS, LogNormal(5 * MS, 0.6))
    single = run(direction(delay=model), 5_000, 1_000 * MS)
    link = direction(delay=model, duplicate=0.1)
    twice = run(link, 5_000, 1_000 * MS)
    assert [fate[0] for fate in twice] == [fate[0] for fate in single]
    assert link.duplicated == sum(len(fate) == 2 for fate in twice)
    assert link.duplicated / 5_000 == pytest.approx(0.1, abs=0.02)
    assert all(fate[1] >= fate[0] for fate in twice if len(fate) == 2)


def test_a_rate_sends_one_packet_after_the_other() -> None:
    # 125 octets are 1 ms at 1 Mbit/s; the third finds 2 ms of packets before it.
    link = direction(delay=DelayModel(0), rate_bps=1_000_000)
    assert [link.decide(0, 125) for _ in range(3)] == [[1 * MS], [2 * MS], [3 * MS]]
    assert link.decide(10 * MS, 250) == [12 * MS]


def test_a_packet_that_would_wait_longer_than_the_queue_is_dropped() -> None:
    link = direction(delay=DelayModel(0), rate_bps=1_000_000, queue_ns=2 * MS)
    fates = [link.decide(0, 125) for _ in range(5)]
    assert fates == [[1 * MS], [2 * MS], [3 * MS], [], []]
    assert (link.queue_drops, link.lost) == (2, 0)
    assert link.decide(1 * MS, 125) == [4 * MS]


def test_packets_keep_their_order_unless_they_are_free() -> None:
    wild = DelayModel(10 * MS, LogNormal(20 * MS, 0.9))
    for in_order in (True, False):
        link = direction(delay=wild, in_order=in_order)
        due = [link.decide(at * MS, 100)[0] for at in range(1_000)]
        assert (due == sorted(due)) is in_order


def test_reordering_holds_back_its_share_by_its_time_and_nobody_else() -> None:
    link = direction(reorder=0.1, reorder_by_ns=35 * MS)
    delays = [fate[0] for fate in run(link, 5_000, 10 * MS)]
    assert set(delays) == {10 * MS, 45 * MS}
    assert delays.count(45 * MS) / 5_000 == pytest.approx(0.1, abs=0.02)


def test_the_round_trip_formula_agrees_with_what_comes_out() -> None:
    profile = preset("base-breach")
    link = Link(profile, 5)
    trips = []
    for at in range(20_000):
        start = at * 10_000 * MS
        for there in link.forward.decide(start, 100):
            trips += [back - start for back in link.backward.decide(there, 100)]
    assert len(trips) / 20_000 == pytest.approx(1 - profile.round_trip_loss, abs=0.01)
    for limit_ms in (350, 500, 800):
        within = sum(trip <= limit_ms * MS for trip in trips) / len(trips)
        assert profile.round_trip_share_within(limit_ms * MS) == pytest.approx(within, abs=0.02)
    p95 = profile.round_trip_quantile_ns(0.95)
    assert profile.round_trip_share_within(p95) == pytest.approx(0.95, abs=1e-4)


def judged(profile: LinkProfile, seed: int, spacing_ms: int) -> tuple[float, float, float, float]:
    """A train of 300: share of round trips and of one ways within, loss, mean |IPDV| in ms."""
    round_trip_ms, one_way_ms, _ = LIMITS_MS[profile.name.removesuffix("-breach")]
    link = Link(profile, seed)
    one_ways, trips = [], []
    entered = [(at * spacing_ms * MS, due) for at in range(300)
               for due in link.forward.decide(at * spacing_ms * MS, 100)]  # fmt: skip
    for start, there in sorted(entered, key=lambda pair: pair[1]):
        one_ways.append(there - start)
        trips += [back - start for back in link.backward.decide(there, 100)]
    ipdv = [abs(a - b) for a, b in pairwise(trips)]
    return (
        sum(trip <= round_trip_ms * MS for trip in trips) / len(trips),
        sum(delay <= one_way_ms * MS for delay in one_ways) / len(one_ways),
        1 - len(trips) / 300,
        sum(ipdv) / len(ipdv) / MS,
    )


@pytest.mark.parametrize("spacing_ms", [20, 60])
@pytest.mark.parametrize("name", list(LIMITS_MS))
def test_a_preset_keeps_the_limits_of_its_profile_with_room(name: str, spacing_ms: int) -> None:
    for seed in range(8):
        within, one_way_within, loss, jitter_ms = judged(PRESETS[name], seed, spacing_ms)
        assert within == one_way_within == 1
        assert loss < 0.008
        assert jitter_ms < LIMITS_MS[name][2] / 3


@pytest.mark.parametrize("spacing_ms", [20, 60])
@pytest.mark.parametrize("name", list(LIMITS_MS))
def test_a_breach_breaks_delay_and_loss_of_its_profile(name: str, spacing_ms: int) -> None:
    for seed in range(8):
        within, one_way_within, loss, _ = judged(PRESETS[f"{name}-breach"], seed, spacing_ms)
        assert within < 0.8
        assert one_way_within < 0.8
        assert 0.015 < loss < 0.12


def test_every_access_profile_has_a_preset_and_a_breach() -> None:
    assert set(PRESETS) == {*LIMITS_MS, *(f"{name}-breach" for name in LIMITS_MS)}


def test_overrides_hold_in_both_directions_and_keep_the_rest() -> None:
    changed = overridden(
        preset("medium"), delay_ms=5, jitter_ms=0, loss=0.1, loss_burst=3, rate_mbps=2, queue_ms=50
    )
    for way in (changed.forward, changed.backward):
        assert way.delay == DelayModel(5 * MS)
        assert way.loss == Loss.bursts(0.1, 3)
        assert (way.rate_bps, way.queue_ns, way.in_order) == (2_000_000, 50 * MS, True)
    assert overridden(preset("medium")) == preset("medium")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: preset("gold"), "no profile 'gold': choose one of high, medium"),
        (lambda: overridden(preset("base"), loss=2), "give a share between 0 and 1"),
        (lambda: overridden(preset("base"), loss=0.9, loss_burst=2), "bursts must last at least 9"),
        (lambda: overridden(preset("base"), duplicate=-0.1), "duplicate is -0.1"),
        (lambda: overridden(preset("base"), reorder=0.1), "time by which a packet is held back"),
        (lambda: overridden(preset("base"), delay_ms=-1), "below 0"),
        (lambda: overridden(preset("base"), rate_mbps=0), "rate must be above 0"),
        (lambda: overridden(preset("base"), queue_ms=-1), "queue limit must not be below 0"),
        (lambda: LogNormal(0, 0.5), "median and a sigma above 0"),
        (lambda: QuantileTable(((0, 0), (0.5, 1))), "ascending shares from 0 to 1"),
        (lambda: QuantileTable(((0, 5), (1, 1))), "must not be negative or descend"),
        (lambda: Loss(to_bad=0.1, to_good=0), "a burst never ends"),
        (lambda: Loss.bursts(1, 5), "share below 1"),
    ],
)
def test_an_impossible_link_is_refused_with_the_reason(wrong: object, text: str) -> None:
    with pytest.raises(ProbeError, match=text.replace("(", r"\(")):
        wrong()  # type: ignore[operator]
