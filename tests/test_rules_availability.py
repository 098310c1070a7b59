"""Availability: what counts as an outage, for how long, and of which window (readings B5-C9)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.rules.availability import (
    Figure,
    counted_availability,
    counts,
    outage,
    unit_availability,
)
from analysis.rules.shares import shortfall
from analysis.steps import percentage_steps
from inventory.clocks import HOUR_NS, MINUTE_NS, Interval, openings, utc_ns
from inventory.periods import parse_period
from inventory.services import Window

ROME = "Europe/Rome"


def at(text: str, zone: str = ROME) -> int:
    return utc_ns(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def window(kind: Window, period: str = "2011-2", zone: str = ROME) -> list[Interval]:
    whole = parse_period(period)
    return openings(kind, zone, whole.begin, whole.end)


def down(figure: Figure) -> Fraction:
    """Hours."""
    return Fraction(figure.down_ns, HOUR_NS)


@pytest.mark.parametrize(
    ("period", "kind", "hours"),
    [
        ("2011-1", "extended", 2879),
        ("2011-2", "extended", 2952),
        ("2011-3", "extended", 2929),
        ("2012-1", "extended", 2903),
        ("2011-1", "normal", 1440),
        ("2012-1", "normal", 1452),
        ("2011-2", "normal", 1476),
        ("2011-3", "normal", 1464),
    ],
)
def test_the_window_of_a_period_in_rome_is_real_time(period: str, kind: Window, hours: int) -> None:
    assert unit_availability([], window(kind, period)) == Figure(0, hours * HOUR_NS)


def test_without_outages_availability_is_a_hundred_percent() -> None:
    assert unit_availability([], window("normal")).percent == 100


def test_without_a_window_there_is_no_availability() -> None:
    assert unit_availability([(0, HOUR_NS)], []).percent is None


def test_an_outage_costs_its_share_of_the_window_exactly() -> None:
    # 0.1 % of 1476 h is 1 h 28 min 33.6 s.
    begin = at("2011-05-02 09:00")
    lost = Fraction(1476 * HOUR_NS, 1000)
    figure = unit_availability([(begin, begin + int(lost))], window("normal"))
    assert figure.percent == Fraction("99.9")


@pytest.mark.parametrize(
    ("minutes", "steps"),
    [
        # L3 in the extended window of 2952 h: limit 177.12 min, then 0.049 % = 86.7888 min more.
        ("177.12", 0),
        ("263.9088", 0),
        ("263.9088000001", 1),
        ("265.68", 1),  # half a step
        ("354.24", 1),  # a whole step
        ("441.0288", 1),
        ("441.0289", 2),
    ],
)
def test_a_step_of_l3_begins_above_the_printed_bound(minutes: str, steps: int) -> None:
    begin = at("2011-05-02 00:00")
    lost_ns = int(Fraction(minutes) * MINUTE_NS)
    percent = unit_availability([(begin, begin + lost_ns)], window("extended")).percent
    assert percent is not None
    missing = shortfall(percent, Decimal("99.9"))
    assert percentage_steps(missing, Decimal("0.1")) == steps


def test_an_outage_outside_the_normal_window_does_not_count() -> None:
    night = (at("2011-05-02 20:00"), at("2011-05-03 08:00"))
    assert unit_availability([night], window("normal")).down_ns == 0
    assert down(unit_availability([night], window("extended"))) == 12


def test_an_outage_over_several_days_counts_its_windows() -> None:
    long = (at("2011-05-02 19:30"), at("2011-05-05 08:15"))
    assert down(unit_availability([long], window("normal"))) == Fraction("24.75")


def test_the_nights_on_which_clocks_change_count_as_long_as_they_are() -> None:
    spring = (at("2011-03-27 00:00"), at("2011-03-28 00:00"))
    autumn = (at("2011-10-30 00:00"), at("2011-10-31 00:00"))
    assert down(unit_availability([spring], window("extended", "2011-1"))) == 23
    assert down(unit_availability([autumn], window("extended", "2011-3"))) == 25
    assert down(unit_availability([spring], window("normal", "2011-1"))) == 12


def test_the_window_is_that_of_the_place() -> None:
    # 02:00 to 08:00 in Rome is 09:00 to 15:00 in Tokyo.
    same = (at("2011-05-03 02:00"), at("2011-05-03 08:00"))
    assert down(unit_availability([same], window("normal"))) == 0
    assert down(unit_availability([same], window("normal", zone="Asia/Tokyo"))) == 6


def test_overlapping_outages_count_once() -> None:
    one = (at("2011-05-02 09:00"), at("2011-05-02 12:00"))
    other = (at("2011-05-02 11:00"), at("2011-05-02 13:00"))
    inside = (at("2011-05-02 10:00"), at("2011-05-02 10:30"))
    assert down(unit_availability([one, other, inside], window("normal"))) == 4


def test_an_outage_across_the_end_of_a_period_is_split_there() -> None:
    across = (at("2011-08-31 22:00"), at("2011-09-01 03:00"))
    assert down(unit_availability([across], window("extended", "2011-2"))) == 2
    assert down(unit_availability([across], window("extended", "2011-3"))) == 3


def test_an_open_outage_counts_to_the_end_and_goes_on_in_the_next_period() -> None:
    opened, end = at("2011-08-31 22:00"), at("2011-09-01 00:00")
    assert outage(opened, None, None, end) == (opened, end)
    restored = at("2011-09-01 03:00")
    later = outage(opened, restored, at("2011-09-02 09:00"), at("2012-01-01 00:00"))
    assert down(unit_availability([later], window("extended", "2011-3"))) == 3


def test_an_outage_lasts_from_opening_to_restoration_and_not_to_closure() -> None:
    opened, restored = at("2011-05-02 09:00"), at("2011-05-02 10:00")
    closed, end = at("2011-05-04 10:00"), at("2011-09-01 00:00")
    assert outage(opened, restored, closed, end) == (opened, restored)
    assert outage(opened, None, closed, end) == (opened, closed)


def test_what_happens_after_the_instant_asked_for_is_not_known_yet() -> None:
    opened, now = at("2011-05-02 09:00"), at("2011-05-02 09:30")
    assert outage(opened, at("2011-05-02 10:00"), None, now) == (opened, now)
    later = outage(at("2011-05-02 10:00"), None, None, now)
    assert later[0] == later[1]


def test_only_blocking_outages_make_a_service_unavailable_unless_the_switch_says_all() -> None:
    assert counts("blocking", "unit")
    assert counts("blocking", "overall")
    assert not counts("non-blocking", "unit")
    assert not counts("non-blocking", "overall")
    assert counts("non-blocking", "overall", "all")
    assert not counts("non-blocking", "unit", "all")  # line 116 has the word


def test_overall_availability_is_the_mean_over_pas_with_the_same_window() -> None:
    opens = window("extended")
    outages = (
        [(at("2011-05-02 08:00"), at("2011-05-02 20:00"))],
        [(at("2011-05-02 12:00"), at("2011-05-03 00:30"))],
    )
    alone = [unit_availability(one, opens).percent for one in outages]
    overall = counted_availability([(one, 1) for (one,) in outages], 4, opens).percent
    assert overall == sum((p or Fraction(0) for p in alone), Fraction(200)) / 4


def test_hit_units_are_weighed_by_their_number_and_never_more_than_there_are() -> None:
    whole = [(0, 10 * HOUR_NS)]
    one_hour = (0, HOUR_NS)
    assert counted_availability([(one_hour, 5)], 100, whole) == Figure(5 * HOUR_NS, 1000 * HOUR_NS)
    both = counted_availability([(one_hour, 70), (one_hour, 60)], 100, whole)
    assert both.down_ns == 100 * HOUR_NS
    staggered = [((0, 2 * HOUR_NS), 70), ((HOUR_NS, 3 * HOUR_NS), 60)]
    assert counted_availability(staggered, 100, whole).down_ns == (70 + 100 + 60) * HOUR_NS


def test_units_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        counted_availability([], 0, [])
    with pytest.raises(ValueError, match="cannot hit -1"):
        counted_availability([((0, 1), -1)], 1, [(0, 1)])


SPANS = st.lists(
    st.tuples(st.integers(-50, 400), st.integers(0, 90)).map(lambda t: (t[0], t[0] + t[1])),
    max_size=8,
)
OPENINGS = st.lists(st.integers(0, 300), min_size=2, max_size=12, unique=True).map(
    lambda ends: list(zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False))
)
HITS = st.lists(st.tuples(SPANS.map(lambda s: s[0] if s else (0, 0)), st.integers(0, 9)))


@given(SPANS, OPENINGS, st.randoms(use_true_random=False), st.integers(0, 100))
def test_a_ticket_split_in_two_and_the_order_of_tickets_change_nothing(
    outages: list[Interval], opens: list[Interval], random: Random, percent: int
) -> None:
    split = []
    for begin, end in outages:
        middle = begin + (end - begin) * percent // 100
        split += [(middle, end), (begin, middle)]
    random.shuffle(split)
    assert unit_availability(split, opens) == unit_availability(outages, opens)


@given(SPANS, SPANS, OPENINGS)
def test_another_outage_never_makes_a_pas_more_available(
    outages: list[Interval], more: list[Interval], opens: list[Interval]
) -> None:
    before = unit_availability(outages, opens)
    after = unit_availability([*outages, *more], opens)
    assert before.down_ns <= after.down_ns <= after.window_ns
    assert after.percent is None or 0 <= after.percent <= 100


@given(HITS, st.integers(1, 12), OPENINGS, st.integers(0, 100))
def test_splitting_and_order_change_nothing_where_units_are_counted(
    hits: list[tuple[Interval, int]], units: int, opens: list[Interval], percent: int
) -> None:
    split = []
    for (begin, end), hit in hits:
        middle = begin + (end - begin) * percent // 100
        split += [((middle, end), hit), ((begin, middle), hit)]
    whole = counted_availability(hits, units, opens)
    assert counted_availability(reversed(split), units, opens) == whole
    assert 0 <= whole.down_ns <= whole.window_ns


@given(SPANS, OPENINGS)
def test_one_unit_that_is_hit_is_the_unit_availability(
    outages: list[Interval], opens: list[Interval]
) -> None:
    hits = [(each, 1) for each in outages]
    assert counted_availability(hits, 1, opens) == unit_availability(outages, opens)


@given(SPANS, OPENINGS, st.integers(1, 100))
def test_longer_units_of_time_change_no_percentage(
    outages: list[Interval], opens: list[Interval], factor: int
) -> None:
    longer = unit_availability(
        [(factor * b, factor * e) for b, e in outages], [(factor * b, factor * e) for b, e in opens]
    )
    assert longer.percent == unit_availability(outages, opens).percent
