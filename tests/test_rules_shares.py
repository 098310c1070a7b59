"""Shares and means: what is counted, of what, and how far from the limit (readings A6-D13, E4)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.catalogue_rows import limit_row, load_catalogue
from analysis.rules.penalty import charge, steps_of
from analysis.rules.shares import (
    Share,
    delivery_share,
    loss_rate,
    mean_jitter_ms,
    overrun,
    restoration_share,
    share_within,
    shortfall,
    success_rate,
)
from analysis.steps import percentage_steps
from inventory.services import Profile


def test_a_lost_packet_stays_out_of_the_delay_share_unless_the_switch_says_sent() -> None:
    # 1000 sent, 100 lost, 891 of the 900 received in time.
    assert share_within(891, 900, 100).percent == 99
    assert share_within(891, 900, 100, "sent").percent == Fraction("89.1")


def test_loss_is_of_the_packets_sent() -> None:
    assert loss_rate(1000, 985).percent == Fraction("1.5")


def test_where_nothing_was_counted_there_is_no_value() -> None:
    assert share_within(0, 0).percent is None
    assert loss_rate(0, 0).percent is None
    assert success_rate(0, 0).percent is None
    assert delivery_share(0, 0).percent is None
    assert restoration_share([]).percent is None
    assert mean_jitter_ms(0, 0) is None


def test_packets_that_are_all_lost_have_a_loss_and_no_delay() -> None:
    assert loss_rate(50, 0).percent == 100
    assert share_within(0, 0, 50).percent is None
    assert share_within(0, 0, 50, "sent").percent == 0


def test_counters_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="11 of 10"):
        success_rate(10, 11)
    with pytest.raises(ValueError, match="-1 of 10"):
        loss_rate(10, 11)


@pytest.mark.parametrize(
    ("measured", "limit", "missing"),
    [("99", "99", "0"), ("98.75", "99", "0.25"), ("100", "99", "0")],
)
def test_a_floor_that_is_just_reached_is_kept(measured: str, limit: str, missing: str) -> None:
    assert shortfall(Fraction(measured), Decimal(limit)) == Fraction(missing)


@pytest.mark.parametrize(
    ("measured", "limit", "above"), [("1", "1", "0"), ("1.15", "1", "0.15"), ("0", "0.1", "0")]
)
def test_a_ceiling_that_is_just_reached_is_kept(measured: str, limit: str, above: str) -> None:
    assert overrun(Fraction(measured), Decimal(limit)) == Fraction(above)


def test_one_late_outage_of_three_is_thirty_three_steps_of_e_mail() -> None:
    share = restoration_share([False, True, False])
    assert share.percent == Fraction(200, 3)
    assert percentage_steps(shortfall(share.percent, Decimal(100)), Decimal(1)) == 33


def test_one_late_outage_of_two_hundred_is_half_a_step_and_counts() -> None:
    def steps(outages: int) -> int:
        percent = restoration_share([True] + [False] * (outages - 1)).percent
        assert percent is not None
        return percentage_steps(shortfall(percent, Decimal(100)), Decimal(1))

    assert (steps(200), steps(204), steps(205)) == (1, 1, 0)  # 0.5, 0.4902, 0.4878 %


def test_jitter_is_the_mean_and_completed_milliseconds_count() -> None:
    mean = mean_jitter_ms(22_999_999 * 2, 2)
    assert mean == Fraction("22.999999")
    voip = load_catalogue().service("voip")
    assert voip is not None
    row = next(p for p in voip.parameters if p.id == "jitter").penalties[0]
    assert steps_of(overrun(mean, Decimal(20)), row) == 2
    assert steps_of(overrun(Fraction(23), Decimal(20)), row) == 3
    assert steps_of(overrun(Fraction(20), Decimal(20)), row) == 0


PAIRS: list[tuple[str, Profile, Profile, str | None]] = [
    ("ip-qos", "high", "high", "350"),
    ("ip-qos", "high", "medium", "500"),
    ("ip-qos", "high", "base", "600"),
    ("ip-qos", "high", "base-satellite", "900"),
    ("ip-qos", "medium", "medium", "900"),
    ("ip-qos", "medium", "base", "900"),
    ("ip-qos", "medium", "base-satellite", "900"),
    ("ip-qos", "base", "base", "900"),
    ("ip-qos", "base", "base-satellite", "900"),
    ("ip-qos", "base-satellite", "base-satellite", "900"),
    ("voip", "high", "high", "150"),
    ("voip", "high", "medium", "180"),
    ("voip", "high", "base", "250"),
    ("voip", "high", "base-satellite", "350"),
    ("voip", "medium", "medium", "350"),
    ("voip", "medium", "base", "350"),
    ("voip", "medium", "base-satellite", "350"),
    ("voip", "base", "base", "350"),
    ("voip", "base", "base-satellite", "350"),
    ("voip", "base-satellite", "base-satellite", "350"),
    ("video-collaboration", "high", "high", "100"),
    ("video-collaboration", "high", "medium", "120"),
    ("video-collaboration", "medium", "medium", None),
    ("video-conference", "high", "high", "80"),
]
"""Lines 181, 287, 368, 406; readings D3 and D4."""
DELAYS = {"ip-qos": "end-to-end-max-delay"}
RATES = {"ip-qos": "0.5", "voip": "0.1", "video-collaboration": "0.5", "video-conference": "0.5"}


@pytest.mark.parametrize(("service", "one", "other", "limit_ms"), PAIRS)
def test_each_pair_of_profiles_is_judged_by_its_limit_and_charged_by_its_service_s_rate(
    service: str, one: Profile, other: Profile, limit_ms: str | None
) -> None:
    found = load_catalogue().service(service)
    assert found is not None
    parameter = next(p for p in found.parameters if p.id == DELAYS.get(service, "one-way-delay"))
    row = limit_row(parameter, one, other)
    assert row == limit_row(parameter, other, one)
    assert (None if row is None else str(row.value)) == limit_ms
    if row is None:
        return
    assert row.target_share is not None
    percent = share_within(9825, 10_000).percent
    assert percent is not None
    penalty = parameter.penalties[0]
    steps = steps_of(shortfall(percent, row.target_share), penalty)
    assert steps == 2  # 0.75: one whole step, and the half
    assert charge(steps, penalty, Decimal(1000)).percent == 2 * Fraction(RATES[service])


COUNTS = st.tuples(st.integers(0, 5000), st.integers(0, 5000)).map(sorted)


@given(COUNTS, st.integers(0, 5000), st.sampled_from(["received", "sent"]))
def test_counters_times_ten_change_nothing(counts: list[int], lost: int, reading: str) -> None:
    part, whole = counts
    assert (
        share_within(10 * part, 10 * whole, 10 * lost, reading).percent
        == share_within(part, whole, lost, reading).percent
    )
    assert loss_rate(10 * whole, 10 * part).percent == loss_rate(whole, part).percent
    assert success_rate(10 * whole, 10 * part).percent == success_rate(whole, part).percent
    assert mean_jitter_ms(10 * part, 10 * whole) == mean_jitter_ms(part, whole)


@given(COUNTS, st.integers(0, 5000), st.sampled_from(["R1", "R2", "R6"]))
def test_more_loss_never_costs_less(counts: list[int], more: int, reading: str) -> None:
    received, sent = counts

    def steps(got: int) -> int:
        percent = loss_rate(sent, got).percent
        if percent is None:
            return 0
        return percentage_steps(overrun(percent, Decimal(1)), Decimal("0.1"), reading)

    assert steps(max(0, received - more)) >= steps(received)


@given(COUNTS, st.integers(0, 5000))
def test_of_the_packets_sent_no_loss_makes_a_share_better(counts: list[int], lost: int) -> None:
    within, judged = counts
    with_loss = share_within(within, judged, lost, "sent").percent
    without = share_within(within, judged, 0, "sent").percent
    assert with_loss is None or without is None or with_loss <= without


@given(
    st.lists(st.booleans()).flatmap(lambda late: st.tuples(st.just(late), st.permutations(late)))
)
def test_the_order_of_outages_never_matters(lists: tuple[list[bool], list[bool]]) -> None:
    late, shuffled = lists
    assert restoration_share(late) == restoration_share(shuffled)
    assert restoration_share(late) == Share(late.count(False), len(late))
