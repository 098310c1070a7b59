"""Restoration and requests against their time limits (readings B1-B9, E2-E12)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.rules.requests import (
    request_days,
    request_hours,
    request_hours_days,
    request_quarter_hours,
)
from analysis.rules.restoration import restoration_days, restoration_hours
from analysis.rules.time_limits import Excess, Timetable, beyond_working_days
from inventory.calendars import WorkingDays
from inventory.clocks import HOUR_NS, MINUTE_NS, local, utc_ns
from inventory.services import Window

ROME = "Europe/Rome"
ITALY = WorkingDays(
    "IT",
    frozenset({5, 6}),
    frozenset({date(2011, 4, 25), date(2011, 6, 2), date(2011, 11, 1)}),
    date(2010, 1, 1),
    date(2012, 12, 31),
)
EGYPT = WorkingDays("EG", frozenset({4, 5}), frozenset(), date(2010, 1, 1), date(2012, 12, 31))
NORMAL = Timetable("normal", ROME, ITALY)
EXTENDED = Timetable("extended", ROME, ITALY)


def at(text: str, zone: str = ROME) -> int:
    return utc_ns(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def shown(ns: int, zone: str = ROME) -> str:
    return local(ns, zone).strftime("%Y-%m-%d %H:%M")


def days(begin: str, end: str, limit: int, timetable: Timetable = NORMAL) -> Excess:
    return restoration_days(at(begin), at(end), timetable, Decimal(limit))


# 2 May 2011 is a Monday, 2 June a Thursday and a holiday.


@pytest.mark.parametrize(
    ("begin", "end", "late", "hours"),
    [
        ("2011-05-02 09:00", "2011-05-02 17:00", False, 0),  # equal to the limit
        ("2011-05-02 09:00", "2011-05-02 17:59", True, 0),  # late, and not charged
        ("2011-05-02 09:00", "2011-05-02 18:00", True, 1),
        ("2011-05-02 09:00", "2011-05-03 08:00", True, 3),
        ("2011-05-02 16:00", "2011-05-03 12:00", False, 0),  # 4 h + 4 h
        ("2011-05-02 21:00", "2011-05-03 16:00", False, 0),  # from 08:00 on
        ("2011-05-02 12:00", "2011-05-03 07:59", False, 0),  # closed before the window opens
        ("2011-05-06 18:00", "2011-05-07 14:00", False, 0),  # a Saturday counts
        ("2011-06-01 18:00", "2011-06-02 15:30", True, 1),  # so does a holiday
    ],
)
def test_restoration_runs_in_window_hours_on_all_seven_days(
    begin: str, end: str, late: bool, hours: int
) -> None:
    found = restoration_hours(at(begin), at(end), NORMAL, Decimal(8))
    assert (found.late, found.units, found.per) == (late, hours, "hour")


def test_a_restoration_in_the_extended_window_runs_through_the_night() -> None:
    found = restoration_hours(at("2011-05-02 22:00"), at("2011-05-03 08:30"), EXTENDED, Decimal(8))
    assert (found.measured, found.excess) == (Fraction("10.5"), Fraction("2.5"))
    assert (found.limit, found.unit, found.units) == (8, "hours", 2)
    assert shown(found.due_ns) == "2011-05-03 06:00"


def test_hours_in_a_night_on_which_clocks_change_are_real_ones() -> None:
    spring = restoration_hours(at("2011-03-26 22:00"), at("2011-03-27 08:00"), EXTENDED, Decimal(8))
    autumn = restoration_hours(at("2011-10-29 22:00"), at("2011-10-30 08:00"), EXTENDED, Decimal(8))
    assert (spring.measured, spring.units, autumn.measured, autumn.units) == (9, 1, 11, 3)


def test_the_last_instant_in_time_of_a_normal_window_is_inside_it() -> None:
    found = restoration_hours(at("2011-05-02 12:00"), at("2011-05-02 13:00"), NORMAL, Decimal(8))
    assert shown(found.due_ns) == "2011-05-02 20:00"


@pytest.mark.parametrize(
    ("begin", "end", "limit", "late", "units"),
    [
        # Reported on Monday: limit is the end of Wednesday (2nd) or of Friday (4th).
        ("2011-05-02 09:00", "2011-05-04 19:00", 2, False, 0),
        ("2011-05-02 09:00", "2011-05-04 23:59", 2, False, 0),
        ("2011-05-02 09:00", "2011-05-05 07:59", 2, False, 0),  # taken at Wednesday's close
        ("2011-05-02 09:00", "2011-05-05 08:00", 2, True, 1),
        ("2011-05-02 09:00", "2011-05-05 18:00", 2, True, 1),
        ("2011-05-02 09:00", "2011-05-06 20:00", 4, False, 0),
        ("2011-05-02 09:00", "2011-05-07 12:00", 4, True, 0),  # Saturday after a Friday limit
        ("2011-05-02 09:00", "2011-05-08 12:00", 4, True, 0),
        ("2011-05-02 09:00", "2011-05-09 07:00", 4, True, 0),  # Sunday's close
        ("2011-05-02 09:00", "2011-05-09 08:00", 4, True, 1),
        ("2011-05-02 09:00", "2011-05-10 08:00", 6, False, 0),
        ("2011-05-02 09:00", "2011-05-11 08:00", 6, True, 1),
        # A report after the close counts from the next opening.
        ("2011-05-02 19:59", "2011-05-04 12:00", 2, False, 0),
        ("2011-05-02 20:00", "2011-05-05 12:00", 2, False, 0),
        ("2011-05-02 21:00", "2011-05-05 12:00", 2, False, 0),
        ("2011-05-02 21:00", "2011-05-06 12:00", 2, True, 1),
        ("2011-05-06 21:00", "2011-05-10 12:00", 2, False, 0),  # day zero is Saturday
        # A report before the opening keeps its date.
        ("2011-05-03 03:00", "2011-05-05 12:00", 2, False, 0),
        ("2011-05-03 03:00", "2011-05-06 12:00", 2, True, 1),
        # A report on a free day keeps it as day zero, Monday is day 1.
        ("2011-05-07 10:00", "2011-05-10 12:00", 2, False, 0),
        ("2011-05-07 10:00", "2011-05-11 12:00", 2, True, 1),
        # A holiday in the middle is no working day, neither of the limit nor of the excess.
        ("2011-06-01 10:00", "2011-06-06 12:00", 2, False, 0),
        ("2011-06-01 10:00", "2011-06-07 12:00", 2, True, 1),
        ("2011-05-30 10:00", "2011-06-02 12:00", 2, True, 0),
        ("2011-05-30 10:00", "2011-06-03 12:00", 2, True, 1),
        ("2011-06-02 10:00", "2011-06-03 12:00", 1, False, 0),
    ],
)
def test_days_in_excess_are_the_working_dates_after_the_limit_s(
    begin: str, end: str, limit: int, late: bool, units: int
) -> None:
    found = days(begin, end, limit)
    assert (found.late, found.units, found.excess, found.per) == (
        late,
        units,
        units,
        "working-day",
    )


@pytest.mark.parametrize(
    ("begin", "end", "late", "units"),
    [
        ("2011-05-02 23:59", "2011-05-03 23:59", False, 0),
        ("2011-05-02 00:00", "2011-05-04 00:00", False, 0),  # the end of Tuesday itself
        ("2011-05-02 00:00", "2011-05-04 00:01", True, 1),  # no earlier close around the clock
        ("2011-05-02 21:00", "2011-05-04 09:00", True, 1),  # nor a later day zero
    ],
)
def test_around_the_clock_a_date_is_the_date_of_the_calendar(
    begin: str, end: str, late: bool, units: int
) -> None:
    found = days(begin, end, 1, EXTENDED)
    assert (found.late, found.units) == (late, units)


def test_working_days_are_those_of_the_country_and_dates_those_of_the_place() -> None:
    cairo = Timetable("normal", "Africa/Cairo", EGYPT)
    # Thursday to Sunday: Friday and Saturday are free there.
    report, closure = at("2011-05-05 10:00", "Africa/Cairo"), at("2011-05-08 10:00", "Africa/Cairo")
    assert not restoration_days(report, closure, cairo, Decimal(1)).late
    tokyo = Timetable("extended", "Asia/Tokyo", ITALY)
    # 17:00 on Monday in Rome is Tuesday in Tokyo.
    report = at("2011-05-02 17:30")
    assert shown(restoration_days(report, report, tokyo, Decimal(1)).due_ns, "Asia/Tokyo") == (
        "2011-05-05 00:00"
    )


def test_what_is_measured_in_days_is_the_working_dates_since_day_zero() -> None:
    found = days("2011-06-01 10:00", "2011-06-07 12:00", 2)
    assert (found.measured, found.limit, found.unit) == (3, 2, "working-days")
    assert shown(found.due_ns) == "2011-06-07 00:00"  # the end of the 6th
    assert days("2011-05-02 21:00", "2011-05-02 22:00", 2).measured == 0


def test_days_need_a_calendar_and_a_whole_number() -> None:
    with pytest.raises(ValueError, match="calendar"):
        restoration_days(0, 0, Timetable("normal", ROME), Decimal(2))
    with pytest.raises(ValueError, match="whole number of days"):
        restoration_days(0, 0, NORMAL, Decimal("1.5"))


@pytest.mark.parametrize(
    ("begin", "end", "limit", "units"),
    [
        ("2011-05-06 18:00", "2011-05-09 14:00", 8, 0),  # Friday 2 h, Monday 6 h
        ("2011-05-06 18:00", "2011-05-09 14:59", 8, 0),
        ("2011-05-06 18:00", "2011-05-09 15:00", 8, 1),
        ("2011-05-07 10:00", "2011-05-09 20:00", 12, 0),  # nothing passes on a Saturday
        ("2011-06-01 16:00", "2011-06-03 16:00", 12, 0),  # the holiday does not count
        ("2011-06-01 16:00", "2011-06-03 18:00", 12, 2),
    ],
)
def test_a_request_runs_in_window_hours_of_working_days(
    begin: str, end: str, limit: int, units: int
) -> None:
    assert request_hours(at(begin), at(end), NORMAL, Decimal(limit)).units == units


def test_a_request_s_hours_need_a_calendar() -> None:
    with pytest.raises(ValueError, match="calendar"):
        request_hours(0, 1, Timetable("normal", ROME), Decimal(8))


@pytest.mark.parametrize(
    ("end", "late", "quarters"),
    [
        ("09:15:00", False, 0),
        ("09:15:01", True, 0),
        ("09:29:59", True, 0),
        ("09:30:00", True, 1),
        ("09:45:00", True, 2),
    ],
)
def test_quarters_of_an_hour_count_when_they_are_completed(
    end: str, late: bool, quarters: int
) -> None:
    found = request_quarter_hours(
        at("2011-05-02 09:00"), at(f"2011-05-02 {end}"), NORMAL, Decimal(15)
    )
    assert (found.late, found.units, found.per, found.unit) == (
        late,
        quarters,
        "quarter-hour",
        "minutes",
    )


def test_minutes_pass_on_free_days_unless_the_switch_says_working() -> None:
    begin, end = at("2011-05-07 09:00"), at("2011-05-09 09:00")  # Saturday to Monday
    window = request_quarter_hours(begin, end, NORMAL, Decimal(15))
    working = request_quarter_hours(begin, end, NORMAL, Decimal(15), "working")
    assert (window.measured, window.units) == (24 * 60, 95)
    assert (working.measured, working.units) == (60, 3)
    with pytest.raises(ValueError, match="B8"):
        request_quarter_hours(begin, end, Timetable("normal", ROME), Decimal(15), "working")


@pytest.mark.parametrize(
    ("end", "late", "units"),
    [
        ("2011-06-06 23:59", False, 0),
        ("2011-06-07 00:30", True, 1),
        ("2011-06-09 12:00", True, 3),
    ],
)
def test_a_limit_in_days_is_working_days_by_date(end: str, late: bool, units: int) -> None:
    # Wednesday, a holiday, Friday (1st), Monday (2nd).
    found = request_days(at("2011-06-01 15:00"), at(end), EXTENDED, Decimal(2))
    assert (found.late, found.units) == (late, units)


@pytest.mark.parametrize(
    ("begin", "end", "late", "units"),
    [
        ("2011-05-02 10:00", "2011-05-02 12:00", False, 0),
        ("2011-05-02 10:00", "2011-05-02 17:00", True, 0),  # late by 5 h on the same date
        ("2011-05-02 10:00", "2011-05-03 09:00", True, 1),
        ("2011-05-06 23:00", "2011-05-09 00:30", False, 0),  # Friday 1 h, Monday half an hour
        ("2011-05-06 23:00", "2011-05-09 12:00", True, 0),  # the limit ran out on Monday
        ("2011-05-06 10:00", "2011-05-07 12:00", True, 0),  # Saturday after Friday
        ("2011-05-06 10:00", "2011-05-09 12:00", True, 1),
        ("2011-05-02 22:00", "2011-05-03 00:00", False, 0),
        ("2011-05-02 22:00", "2011-05-03 00:01", True, 1),  # it ran out at Monday's midnight
        ("2011-06-01 10:00", "2011-06-02 09:00", True, 0),
        ("2011-06-01 10:00", "2011-06-03 09:00", True, 1),
    ],
)
def test_hours_that_are_charged_in_days_count_dates_after_the_limit_ran_out(
    begin: str, end: str, late: bool, units: int
) -> None:
    found = request_hours_days(at(begin), at(end), EXTENDED, Decimal(2))
    assert (found.late, found.units, found.per, found.unit) == (
        late,
        units,
        "working-day",
        "hours",
    )


BEGINS = st.integers(at("2011-01-03 00:00"), at("2011-12-20 00:00")).map(
    lambda ns: ns // MINUTE_NS * MINUTE_NS
)
SPANS = st.integers(0, 20 * 24 * 60).map(lambda minutes: minutes * MINUTE_NS)
WINDOWS = st.sampled_from(["normal", "extended"])
LIMITS = st.integers(1, 12).map(Decimal)
Rule = Callable[[int, int, Timetable, Decimal], Excess]
KINDS: st.SearchStrategy[Rule] = st.sampled_from(
    [
        restoration_hours,
        restoration_days,
        request_hours,
        request_quarter_hours,
        request_days,
        request_hours_days,
    ]
)


@given(KINDS, BEGINS, SPANS, SPANS, WINDOWS, LIMITS)
def test_later_is_never_cheaper(
    kind: Rule, begin: int, span: int, more: int, window: Window, limit: Decimal
) -> None:
    timetable = Timetable(window, ROME, ITALY)
    early = kind(begin, begin + span, timetable, limit)
    late = kind(begin, begin + span + more, timetable, limit)
    assert early.units <= late.units
    assert early.late <= late.late
    assert early.measured <= late.measured


@given(KINDS, BEGINS, SPANS, WINDOWS, LIMITS)
def test_nothing_is_charged_in_time_and_the_limit_instant_is_in_time(
    kind: Rule, begin: int, span: int, window: Window, limit: Decimal
) -> None:
    timetable = Timetable(window, ROME, ITALY)
    found = kind(begin, begin + span, timetable, limit)
    assert found.late or (found.units, found.excess) == (0, 0)
    at_limit = kind(begin, found.due_ns, timetable, limit)
    assert (at_limit.late, at_limit.units) == (False, 0)
    if begin + span <= found.due_ns:
        assert not found.late


@given(BEGINS, SPANS, LIMITS)
def test_days_of_excess_agree_with_counting_dates_one_by_one(
    begin: int, span: int, limit: Decimal
) -> None:
    found = beyond_working_days(begin, begin + span, EXTENDED, limit)
    day, last = local(begin, ROME).date(), local(begin + span, ROME).date()
    left, over = int(limit), 0
    while day < last:
        day += timedelta(days=1)
        if ITALY.is_working(day):
            over += left == 0
            left = max(0, left - 1)
    if begin + span == found.due_ns:
        over = 0
    assert found.units == over


@given(BEGINS, st.integers(0, 40 * 60), LIMITS)
def test_hours_around_the_clock_are_elapsed_hours(begin: int, minutes: int, limit: Decimal) -> None:
    found = restoration_hours(begin, begin + minutes * MINUTE_NS, EXTENDED, limit)
    assert found.measured == Fraction(minutes, 60)
    assert found.units == max(0, minutes - 60 * int(limit)) // 60
    assert found.due_ns == begin + int(limit) * HOUR_NS
