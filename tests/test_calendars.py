"""Working days of a country: configured, from the library, counted, written down (line 107)."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.calendars import WorkingDays, working_days
from inventory.errors import CalendarError
from inventory.models import Calendar, Configuration

EMPTY = Configuration()
ITALY = working_days(EMPTY, "IT", range(2011, 2012))

CALENDARS = st.builds(
    WorkingDays,
    country=st.just("IT"),
    weekend=st.frozensets(st.integers(0, 6), max_size=5),
    holidays=st.frozensets(st.dates(date(2011, 1, 1), date(2011, 12, 31)), max_size=40),
    first=st.just(date(2010, 1, 1)),
    last=st.just(date(2013, 12, 31)),
)
DAYS = st.dates(date(2011, 1, 1), date(2011, 12, 31))


@pytest.mark.parametrize(
    ("day", "working"),
    [
        (date(2011, 6, 1), True),
        (date(2011, 6, 2), False),  # Festa della Repubblica, a Thursday
        (date(2011, 6, 3), True),
        (date(2011, 6, 4), False),  # Saturday
        (date(2011, 3, 17), False),  # 150 years of Italy: this year alone
        (date(2011, 4, 25), False),
        (date(2011, 8, 15), False),
        (date(2011, 12, 24), False),
        (date(2011, 12, 27), True),
    ],
)
def test_italy_works_monday_to_friday_less_its_public_holidays(day: date, working: bool) -> None:
    assert ITALY.is_working(day) is working


def test_a_holiday_that_is_observed_in_another_year_counts() -> None:
    # 1 January 2022 is a Saturday: the United States stay at home on Friday 31 December 2021.
    america = working_days(EMPTY, "US", range(2021, 2022))
    assert not america.is_working(date(2021, 12, 31))
    assert america.is_working(date(2021, 12, 30))


def test_a_configured_calendar_is_taken_alone() -> None:
    egypt = Calendar(country="EG", weekend=("fri", "sat"), holidays=(date(2011, 6, 6),))
    days = working_days(Configuration(calendars=(egypt,)), "EG", range(2011, 2013))
    assert (days.first, days.last) == (date(2011, 1, 1), date(2012, 12, 31))
    assert days.weekend == {4, 5}
    assert days.holidays == {date(2011, 6, 6)}  # none of the library's
    assert days.is_working(date(2011, 6, 5))  # Sunday
    assert not days.is_working(date(2011, 6, 3))  # Friday
    assert not days.is_working(date(2011, 6, 6))


def test_a_calendar_of_another_country_changes_nothing() -> None:
    egypt = Calendar(country="EG", weekend=("fri", "sat"))
    assert working_days(Configuration(calendars=(egypt,)), "IT", range(2011, 2012)) == ITALY


@pytest.mark.parametrize(
    ("day0", "n", "expected"),
    [
        (date(2011, 6, 1), 0, date(2011, 6, 1)),
        (date(2011, 6, 1), 1, date(2011, 6, 3)),  # over 2 June
        (date(2011, 6, 1), 2, date(2011, 6, 6)),  # and over the weekend
        (date(2011, 6, 4), 1, date(2011, 6, 6)),  # Saturday stays day zero
        (date(2011, 6, 5), 1, date(2011, 6, 6)),
        (date(2011, 8, 12), 4, date(2011, 8, 19)),  # Friday before Ferragosto
    ],
)
def test_the_nth_working_day_comes_after_day_zero(day0: date, n: int, expected: date) -> None:
    assert ITALY.nth_after(day0, n) == expected


@pytest.mark.parametrize(
    ("limit", "closed", "days"),
    [
        (date(2011, 6, 1), date(2011, 6, 1), 0),
        (date(2011, 6, 1), date(2011, 5, 31), 0),
        (date(2011, 6, 1), date(2011, 6, 2), 0),  # closed on a holiday
        (date(2011, 6, 1), date(2011, 6, 3), 1),
        (date(2011, 6, 3), date(2011, 6, 4), 0),  # Saturday after a Friday limit (B4)
        (date(2011, 6, 3), date(2011, 6, 6), 1),
        (date(2011, 5, 31), date(2011, 6, 8), 5),
    ],
)
def test_days_in_excess_are_working_dates_after_the_limit(
    limit: date, closed: date, days: int
) -> None:
    assert ITALY.count_between(limit, closed) == days


@given(CALENDARS, st.lists(DAYS, min_size=3, max_size=3).map(sorted))
def test_counts_of_adjacent_spans_add_up(days: WorkingDays, three: list[date]) -> None:
    first, middle, last = three
    parts = days.count_between(first, middle) + days.count_between(middle, last)
    assert days.count_between(first, last) == parts


@given(CALENDARS, DAYS, st.integers(1, 30))
def test_counting_to_the_nth_working_day_gives_n(days: WorkingDays, day0: date, n: int) -> None:
    nth = days.nth_after(day0, n)
    assert days.is_working(nth)
    assert days.count_between(day0, nth) == n
    assert days.count_between(day0, nth - timedelta(days=1)) == n - 1


def test_a_year_that_was_not_asked_for_is_not_guessed() -> None:
    with pytest.raises(CalendarError, match=r"IT covers 2011-01-01 to 2011-12-31, not 2012-01-01"):
        ITALY.count_between(date(2011, 12, 30), date(2012, 1, 2))
    with pytest.raises(CalendarError, match="not 2010-12-31"):
        ITALY.is_working(date(2010, 12, 31))


def test_a_calendar_without_working_days_ends_the_search() -> None:
    idle = WorkingDays("IT", frozenset(range(7)), frozenset(), date(2011, 1, 1), date(2011, 12, 31))
    with pytest.raises(CalendarError):
        idle.nth_after(date(2011, 1, 1), 1)


def test_fewer_than_no_working_days_are_refused() -> None:
    with pytest.raises(ValueError, match="-1 working days after 2011-06-01"):
        ITALY.nth_after(date(2011, 6, 1), -1)


def test_a_country_without_known_holidays_asks_for_a_calendar() -> None:
    with pytest.raises(CalendarError) as caught:
        working_days(EMPTY, "XX", range(2011, 2012))
    assert "holidays of XX are not known" in str(caught.value)
    assert caught.value.remedy.startswith('write a [[calendar]] with country = "XX"')


def test_a_year_beyond_the_library_asks_for_a_calendar() -> None:
    with pytest.raises(CalendarError, match=r"holidays of IT are known from \d+ to \d+, not"):
        working_days(EMPTY, "IT", range(2011, 2201))
    configured = Configuration(calendars=(Calendar(country="IT"),))
    assert working_days(configured, "IT", range(2200, 2201)).is_working(date(2200, 1, 1))


@pytest.mark.parametrize("years", [range(2011, 2011), range(2011, 2015, 2)])
def test_a_span_of_years_has_no_holes(years: range) -> None:
    with pytest.raises(ValueError, match="is no span of years"):
        working_days(EMPTY, "IT", years)


@given(CALENDARS)
def test_what_is_written_is_read_back(days: WorkingDays) -> None:
    assert WorkingDays.from_json(json.loads(json.dumps(days.as_json()))) == days


def test_it_is_written_in_order() -> None:
    days = WorkingDays(
        "EG",
        frozenset({5, 4}),
        frozenset({date(2011, 7, 1), date(2011, 1, 7)}),
        date(2011, 1, 1),
        date(2011, 12, 31),
    )
    assert days.as_json() == {
        "country": "EG",
        "weekend": [4, 5],
        "holidays": ["2011-01-07", "2011-07-01"],
        "first": "2011-01-01",
        "last": "2011-12-31",
    }


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("country", 7, "country is no text"),
        ("weekend", "sat", "weekend is no list of numbers"),
        ("weekend", [7], "weekend is no list of numbers"),
        ("weekend", [True], "weekend is no list of numbers"),
        ("holidays", None, "holidays is no list"),
        ("holidays", ["2011-02-29"], "'2011-02-29' is no date"),
        ("first", 20110101, "20110101 is no date"),
        ("more", 1, "its keys are not country, first, holidays, last, weekend"),
    ],
)
def test_a_calendar_that_was_tampered_with_is_refused(key: str, value: object, reason: str) -> None:
    with pytest.raises(CalendarError, match=reason.replace("[", r"\[")):
        WorkingDays.from_json(ITALY.as_json() | {key: value})


@pytest.mark.parametrize("data", [None, [], "IT", {}])
def test_what_is_no_calendar_is_refused(data: object) -> None:
    with pytest.raises(CalendarError, match="a written calendar cannot be read"):
        WorkingDays.from_json(data)
