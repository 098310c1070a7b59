"""Window time between instants, deadlines, the dates of reports and closures (B1, B2, B4)."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_times import CALENDAR, CALENDARS, INSTANTS, ODD_ZONES, ROME, START, WINDOWS, ZONES, at

from inventory import clocks
from inventory.calendars import WorkingDays
from inventory.clocks import HOUR_NS, MINUTE_NS
from inventory.errors import CalendarError
from inventory.services import Window

SPANS = st.integers(0, 40 * 24 * HOUR_NS)


@pytest.mark.parametrize(
    ("begin", "end", "window", "calendar", "minutes"),
    [
        ("2011-05-02T10:00", "2011-05-02T11:30", "normal", None, 90),
        ("2011-05-02T07:00", "2011-05-02T08:00", "normal", None, 0),
        ("2011-05-02T20:00", "2011-05-03T08:00", "normal", None, 0),
        ("2011-05-02T19:59", "2011-05-03T08:01", "normal", None, 2),
        ("2011-05-02T21:00", "2011-05-03T21:00", "normal", None, 720),
        # Saturday and Sunday belong to the window (B1 a), not to the working days (B1 b).
        ("2011-05-06T19:00", "2011-05-09T09:00", "normal", None, 120 + 2 * 720),
        ("2011-05-06T19:00", "2011-05-09T09:00", "normal", CALENDAR, 120),
        ("2011-05-06T23:00", "2011-05-09T01:00", "extended", CALENDAR, 120),
        # 2 June is a holiday.
        ("2011-06-01T19:00", "2011-06-03T09:00", "normal", CALENDAR, 120),
        ("2011-06-01T23:00", "2011-06-03T01:00", "extended", CALENDAR, 120),
        ("2011-06-01T23:00", "2011-06-03T01:00", "extended", None, 26 * 60),
        # The nights of 27 March and 30 October 2011.
        ("2011-03-27T00:00", "2011-03-27T08:00", "extended", None, 7 * 60),
        ("2011-10-30T00:00", "2011-10-30T08:00", "extended", None, 9 * 60),
        ("2011-03-26T12:00", "2011-03-27T12:00", "normal", None, 12 * 60),
        # Not later.
        ("2011-05-02T10:00", "2011-05-02T10:00", "extended", None, 0),
        ("2011-05-02T10:00", "2011-05-02T09:00", "extended", None, 0),
    ],
)
def test_time_passes_inside_the_window_only(
    begin: str, end: str, window: Window, calendar: WorkingDays | None, minutes: int
) -> None:
    passed = clocks.open_ns(at(begin), at(end), window, ROME, calendar)
    assert passed == minutes * MINUTE_NS


def test_a_clock_that_goes_back_over_midnight_loses_no_time() -> None:
    # Newfoundland 2010: one minute after midnight of 7 November it was 23:01 of the 6th again.
    begin = at("2010-11-07T00:00:30", "America/St_Johns")
    end = begin + 40 * MINUTE_NS
    assert clocks.local(end, "America/St_Johns").isoformat() == "2010-11-06T23:40:30-03:30"
    assert clocks.open_ns(begin, end, "extended", "America/St_Johns") == 40 * MINUTE_NS


@given(
    st.integers(0, 362 * 96),
    st.integers(0, 5 * 96),
    st.sampled_from(WINDOWS),
    st.sampled_from(ZONES),
    CALENDARS,
)
def test_window_time_is_what_a_clock_on_the_wall_would_count(
    quarter: int, quarters: int, window: Window, zone: str, calendar: WorkingDays | None
) -> None:
    step = 15 * MINUTE_NS  # every offset of these zones is a multiple of it
    begin = START + quarter * step
    expected = 0
    for number in range(quarters):
        moment = datetime.fromtimestamp((begin + number * step) // 10**9, ZoneInfo(zone))
        inside = window == "extended" or 8 <= moment.hour < 20
        worked = calendar is None or calendar.is_working(moment.date())
        expected += step * (inside and worked)
    assert clocks.open_ns(begin, begin + quarters * step, window, zone, calendar) == expected


@given(INSTANTS, SPANS, SPANS, st.sampled_from(WINDOWS), st.sampled_from(ODD_ZONES), CALENDARS)
def test_window_time_of_adjacent_spans_adds_up(
    begin: int,
    first: int,
    second: int,
    window: Window,
    zone: str,
    calendar: WorkingDays | None,
) -> None:
    middle, end = begin + first, begin + first + second
    parts = clocks.open_ns(begin, middle, window, zone, calendar) + clocks.open_ns(
        middle, end, window, zone, calendar
    )
    assert clocks.open_ns(begin, end, window, zone, calendar) == parts


@given(INSTANTS, SPANS, st.sampled_from(WINDOWS), st.sampled_from(ODD_ZONES))
def test_window_time_is_what_the_windows_cover(
    begin: int, span: int, window: Window, zone: str
) -> None:
    windows = clocks.openings(window, zone, date(2010, 12, 1), date(2012, 3, 1))
    covered_ns = clocks.total_ns(clocks.clipped([(begin, begin + span)], windows))
    assert clocks.open_ns(begin, begin + span, window, zone) == covered_ns


@given(
    INSTANTS,
    st.integers(1, 200 * HOUR_NS),
    st.sampled_from(WINDOWS),
    st.sampled_from(ODD_ZONES),
    CALENDARS,
)
def test_a_deadline_is_the_first_instant_at_which_the_time_is_up(
    begin: int, amount: int, window: Window, zone: str, calendar: WorkingDays | None
) -> None:
    due = clocks.instant_after(begin, amount, window, zone, calendar)
    assert clocks.open_ns(begin, due, window, zone, calendar) == amount
    assert clocks.open_ns(begin, due - 1, window, zone, calendar) == amount - 1


@pytest.mark.parametrize(
    ("begin", "in_hours", "window", "calendar", "due"),
    [
        ("2011-05-02T10:00", 8, "normal", None, "2011-05-02T18:00"),
        ("2011-05-02T12:00", 8, "normal", None, "2011-05-02T20:00"),  # at the close itself
        ("2011-05-02T18:00", 8, "normal", None, "2011-05-03T14:00"),
        ("2011-05-02T21:00", 8, "normal", None, "2011-05-03T16:00"),
        ("2011-05-06T18:00", 8, "normal", None, "2011-05-07T14:00"),  # Saturday
        ("2011-05-06T18:00", 8, "normal", CALENDAR, "2011-05-09T14:00"),
        ("2011-06-01T18:00", 4, "normal", CALENDAR, "2011-06-03T10:00"),
        ("2011-03-26T23:00", 8, "extended", None, "2011-03-27T08:00"),
        ("2011-10-29T23:00", 8, "extended", None, "2011-10-30T06:00"),
        ("2011-05-02T21:00", 0, "normal", None, "2011-05-02T21:00"),
    ],
)
def test_deadlines(
    begin: str, in_hours: int, window: Window, calendar: WorkingDays | None, due: str
) -> None:
    found = clocks.instant_after(at(begin), in_hours * HOUR_NS, window, ROME, calendar)
    assert clocks.local(found, ROME) == clocks.local(at(due), ROME)


def test_a_deadline_does_not_lie_before_its_beginning() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        clocks.instant_after(START, -1, "normal", ROME)


def test_a_deadline_beyond_the_calendar_is_not_guessed() -> None:
    begin = at("2013-12-31T19:00")
    with pytest.raises(CalendarError, match="not 2014-01-01"):
        clocks.instant_after(begin, 2 * HOUR_NS, "normal", ROME, CALENDAR)


@pytest.mark.parametrize(
    ("moment", "window", "day"),
    [
        ("2011-05-02T19:59:59", "normal", date(2011, 5, 2)),
        ("2011-05-02T20:00:00", "normal", date(2011, 5, 3)),
        ("2011-05-02T21:00:00", "normal", date(2011, 5, 3)),
        ("2011-05-02T23:59:59", "normal", date(2011, 5, 3)),
        ("2011-05-03T00:00:00", "normal", date(2011, 5, 3)),
        ("2011-05-03T07:59:59", "normal", date(2011, 5, 3)),
        ("2011-05-02T21:00:00", "extended", date(2011, 5, 2)),
        ("2011-05-31T20:30:00", "normal", date(2011, 6, 1)),
        ("2011-03-26T20:00:00", "normal", date(2011, 3, 27)),
    ],
)
def test_a_report_after_the_close_counts_from_the_next_opening(
    moment: str, window: Window, day: date
) -> None:
    assert clocks.day_of(at(moment), window, ROME) == day


@pytest.mark.parametrize(
    ("moment", "window", "day"),
    [
        ("2011-05-03T07:59:59", "normal", date(2011, 5, 2)),
        ("2011-05-03T08:00:00", "normal", date(2011, 5, 3)),
        ("2011-05-03T20:00:00", "normal", date(2011, 5, 3)),
        ("2011-05-03T23:59:59", "normal", date(2011, 5, 3)),
        ("2011-05-03T00:00:00", "normal", date(2011, 5, 2)),
        ("2011-05-03T07:59:59", "extended", date(2011, 5, 3)),
        ("2011-06-01T07:00:00", "normal", date(2011, 5, 31)),
    ],
)
def test_a_closure_before_the_opening_counts_on_the_day_before(
    moment: str, window: Window, day: date
) -> None:
    assert clocks.closing_day(at(moment), window, ROME) == day


def test_the_local_date_is_that_of_the_zone() -> None:
    moment = at("2011-05-02T17:00")  # 00:00 of the 3rd in Tokyo
    assert clocks.day_of(moment, "extended", "Asia/Tokyo") == date(2011, 5, 3)
    assert clocks.day_of(moment, "normal", "America/New_York") == date(2011, 5, 2)
    assert clocks.closing_day(moment, "normal", "Asia/Tokyo") == date(2011, 5, 2)


def test_reports_and_closures_skip_a_date_that_was_leapt_over() -> None:
    evening = at("2011-12-29T21:00", "Pacific/Apia")
    assert clocks.day_of(evening, "normal", "Pacific/Apia") == date(2011, 12, 31)
    morning = at("2011-12-31T07:00", "Pacific/Apia")
    assert clocks.closing_day(morning, "normal", "Pacific/Apia") == date(2011, 12, 29)


@given(INSTANTS, st.sampled_from(WINDOWS), st.sampled_from(ODD_ZONES))
def test_reports_and_closures_inside_the_window_count_on_the_same_day(
    ns: int, window: Window, zone: str
) -> None:
    # Between a closing and the next opening a closure counts on the day of the first, a report on
    # that of the second; inside the window both count on the same day.
    assert clocks.closing_day(ns, window, zone) <= clocks.day_of(ns, window, zone)
    if clocks.open_ns(ns, ns + 1, window, zone):
        assert clocks.closing_day(ns, window, zone) == clocks.day_of(ns, window, zone)
