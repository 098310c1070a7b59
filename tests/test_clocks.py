"""Instants, local days, delivery windows and intervals (B5, B6, C3), and months (F5)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_times import ODD_ZONES, ROME, WINDOWS, at

from inventory import clocks
from inventory.clocks import HOUR_NS, Interval
from inventory.periods import parse_period
from inventory.services import Window

DAYS = st.dates(date(2011, 1, 3), date(2011, 12, 31))
INTERVALS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (pair[0], sum(pair))),
    max_size=8,
)


def hours(interval: Interval) -> float:
    return (interval[1] - interval[0]) / HOUR_NS


def test_nanoseconds_are_exact_to_the_microsecond() -> None:
    # A float of seconds has not enough digits for this.
    moment = datetime(2011, 6, 2, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert clocks.utc_ns(moment) == 1_307_051_999_999_999_000
    assert clocks.utc_ns(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1_000


def test_a_time_without_a_zone_is_no_instant() -> None:
    with pytest.raises(ValueError, match="2011-06-02T08:00:00 has no time zone"):
        clocks.utc_ns(datetime(2011, 6, 2, 8))


@given(st.integers(0, 4 * 10**18), st.sampled_from(ODD_ZONES))
def test_a_local_time_leads_back_to_its_instant(ns: int, zone: str) -> None:
    assert clocks.utc_ns(clocks.local(ns, zone)) == ns // 1000 * 1000


@pytest.mark.parametrize(
    ("day", "zone", "length"),
    [
        (date(2011, 3, 26), ROME, 24),
        (date(2011, 3, 27), ROME, 23),
        (date(2011, 10, 30), ROME, 25),
        (date(2011, 10, 2), "Australia/Lord_Howe", 23.5),
        (date(2011, 4, 3), "Australia/Lord_Howe", 24.5),
        (date(2011, 10, 16), "America/Sao_Paulo", 23),
        (date(2011, 3, 27), "Asia/Tokyo", 24),
        (date(2011, 12, 30), "Pacific/Apia", 0),
    ],
)
def test_a_day_lasts_from_midnight_to_midnight(day: date, zone: str, length: float) -> None:
    assert hours(clocks.day_bounds(day, zone)) == length


def test_a_day_whose_midnight_is_leapt_over_begins_with_the_leap() -> None:
    begin, _ = clocks.day_bounds(date(2011, 10, 16), "America/Sao_Paulo")
    assert clocks.local(begin, "America/Sao_Paulo").isoformat() == "2011-10-16T01:00:00-02:00"
    # Toronto 1919: from 23:30 straight to 00:30 of the next day.
    begin, _ = clocks.day_bounds(date(1919, 3, 31), "America/Toronto")
    assert clocks.local(begin, "America/Toronto").isoformat() == "1919-03-31T00:30:00-04:00"


@given(DAYS, st.sampled_from(ODD_ZONES))
def test_days_follow_each_other_without_a_hole(day: date, zone: str) -> None:
    begin, end = clocks.day_bounds(day, zone)
    assert begin <= end
    assert clocks.day_bounds(day + timedelta(days=1), zone)[0] == end


@pytest.mark.parametrize(
    ("period", "zone", "length"),
    [
        # Reading B6: T of the extended window.
        ("2011-1", ROME, 2879),
        ("2011-2", ROME, 2952),
        ("2011-3", ROME, 2929),
        ("2012-1", ROME, 2903),
        ("2011-03", ROME, 743),
        ("2011-1", "Asia/Tokyo", 2880),
        ("2011-3", "Pacific/Apia", 2903),  # a day less, and an hour for summer time
    ],
)
def test_a_period_has_real_hours(period: str, zone: str, length: int) -> None:
    parsed = parse_period(period)
    assert hours(clocks.period_bounds(parsed, zone)) == length
    windows = clocks.openings("extended", zone, parsed.begin, parsed.end)
    assert clocks.total_ns(windows) == length * HOUR_NS


@pytest.mark.parametrize(
    ("period", "length"), [("2011-1", 1440), ("2011-2", 1476), ("2011-3", 1464), ("2012-1", 1452)]
)
@pytest.mark.parametrize("zone", [zone for zone in ODD_ZONES if zone != "Pacific/Apia"])
def test_the_normal_window_has_twelve_hours_on_every_day(
    period: str, length: int, zone: str
) -> None:
    parsed = parse_period(period)
    windows = clocks.openings("normal", zone, parsed.begin, parsed.end)
    assert len(windows) == (parsed.end - parsed.begin).days
    assert clocks.total_ns(windows) == length * HOUR_NS


def test_the_normal_window_is_eight_to_eight_local_time_before_and_after_a_change() -> None:
    windows = clocks.openings("normal", ROME, date(2011, 3, 26), date(2011, 3, 28))
    assert windows == [
        (clocks.utc_ns(datetime(2011, 3, 26, 7, tzinfo=UTC)), at("2011-03-26T20:00")),
        (clocks.utc_ns(datetime(2011, 3, 27, 6, tzinfo=UTC)), at("2011-03-27T20:00")),
    ]


@pytest.mark.parametrize("window", WINDOWS)
def test_a_date_that_was_leapt_over_has_no_window(window: Window) -> None:
    windows = clocks.openings(window, "Pacific/Apia", date(2011, 12, 29), date(2012, 1, 1))
    assert [clocks.local(begin, "Pacific/Apia").date() for begin, _ in windows] == [
        date(2011, 12, 29),
        date(2011, 12, 31),
    ]


def test_no_days_have_no_windows() -> None:
    assert clocks.openings("extended", ROME, date(2011, 5, 1), date(2011, 5, 1)) == []


@given(st.sampled_from(WINDOWS), st.sampled_from(ODD_ZONES), DAYS, st.integers(0, 60))
def test_windows_are_disjoint_and_ascend(window: Window, zone: str, begin: date, days: int) -> None:
    windows = clocks.openings(window, zone, begin, begin + timedelta(days=days))
    assert all(opens < closes for opens, closes in windows)
    assert all(before[1] <= after[0] for before, after in pairwise(windows))


@pytest.mark.parametrize(
    ("outages", "expected"),
    [
        ([], []),
        ([(5, 5)], []),
        ([(5, 3)], []),
        ([(3, 5), (1, 2)], [(1, 2), (3, 5)]),
        ([(1, 3), (2, 5)], [(1, 5)]),
        ([(1, 3), (3, 5)], [(1, 5)]),
        ([(1, 9), (2, 3), (8, 9)], [(1, 9)]),
    ],
)
def test_overlapping_and_touching_outages_are_one(
    outages: list[Interval], expected: list[Interval]
) -> None:
    assert clocks.merged(outages) == expected


def covered(intervals: list[Interval]) -> set[int]:
    return {unit for begin, end in intervals for unit in range(begin, end)}


@given(INTERVALS)
def test_merging_keeps_what_is_covered_and_counts_it_once(intervals: list[Interval]) -> None:
    joined = clocks.merged(intervals)
    assert covered(joined) == covered(intervals)
    assert clocks.total_ns(joined) == len(covered(intervals))
    assert clocks.merged(reversed(intervals)) == joined


@given(INTERVALS, INTERVALS)
def test_clipping_keeps_what_is_covered_by_both(
    intervals: list[Interval], windows: list[Interval]
) -> None:
    opened = clocks.merged(windows)
    pieces = clocks.clipped(intervals, opened)
    assert covered(pieces) == covered(intervals) & covered(opened)
    assert clocks.total_ns(pieces) == len(covered(pieces))
    assert pieces == sorted(pieces)


def test_an_outage_over_two_windows_has_a_piece_in_each() -> None:
    windows = clocks.openings("normal", ROME, date(2011, 5, 2), date(2011, 5, 5))
    outage = (at("2011-05-02T19:30"), at("2011-05-03T08:45"))
    assert clocks.clipped([outage], windows) == [
        (at("2011-05-02T19:30"), at("2011-05-02T20:00")),
        (at("2011-05-03T08:00"), at("2011-05-03T08:45")),
    ]
    assert clocks.clipped([(at("2011-05-02T20:00"), at("2011-05-03T08:00"))], windows) == []


def test_the_extended_windows_of_adjacent_days_leave_nothing_out() -> None:
    windows = clocks.openings("extended", ROME, date(2011, 10, 30), date(2011, 11, 1))
    outage = (at("2011-10-29T12:00"), at("2011-10-31T01:00"))
    assert clocks.total_ns(clocks.clipped([outage], windows)) == 26 * HOUR_NS


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2011, 1, 31), 1, date(2011, 2, 28)),
        (date(2012, 1, 31), 1, date(2012, 2, 29)),
        (date(2011, 1, 31), 2, date(2011, 3, 31)),
        (date(2011, 11, 30), 3, date(2012, 2, 29)),
        (date(2011, 12, 15), 1, date(2012, 1, 15)),
        (date(2011, 11, 1), 1, date(2011, 12, 1)),
        (date(2011, 6, 2), 0, date(2011, 6, 2)),
        (date(2011, 6, 2), 24, date(2013, 6, 2)),
        (date(2012, 3, 31), -1, date(2012, 2, 29)),
    ],
)
def test_months_end_on_their_last_day(day: date, months: int, expected: date) -> None:
    assert clocks.add_months(day, months) == expected


@given(DAYS, st.integers(0, 40))
def test_so_many_months_on_is_that_month(day: date, months: int) -> None:
    later = clocks.add_months(day, months)
    assert (later.year - day.year) * 12 + later.month - day.month == months
    next_day = later + timedelta(days=1)
    assert later.day == day.day or (later.day < day.day and next_day.day == 1)
