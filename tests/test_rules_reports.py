"""Reports that fall due, and since when services are reported and charged (F8, G4 to G6)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.rules.report_deadline import lateness, reports_due
from analysis.rules.start import active_days, is_charged, is_reported
from inventory.calendars import WorkingDays
from inventory.periods import parse_period

ITALY = WorkingDays(
    "IT",
    frozenset({5, 6}),
    frozenset({date(2011, 6, 2), date(2011, 8, 15)}),
    date(2010, 1, 1),
    date(2013, 12, 31),
)


DATES = st.dates(date(2011, 1, 1), date(2011, 12, 31))


def test_four_monthly_reports_and_one_contractual_report_fall_due_in_a_period() -> None:
    found = reports_due(parse_period("2011-2"), date(2010, 1, 1))
    assert [(r.kind, r.about.text, r.due.isoformat()) for r in found] == [
        ("technical", "2011-04", "2011-05-15"),
        ("contractual", "2011-1", "2011-05-20"),
        ("technical", "2011-05", "2011-06-15"),
        ("technical", "2011-06", "2011-07-15"),
        ("technical", "2011-07", "2011-08-15"),
    ]
    january = reports_due(parse_period("2011-01"), date(2009, 1, 1))
    assert [(r.about.text, r.due) for r in january] == [
        ("2010-12", date(2011, 1, 15)),
        ("2010-3", date(2011, 1, 20)),
    ]


def test_reports_begin_with_the_first_whole_month_and_the_first_whole_four_months() -> None:
    start = date(2011, 2, 15)  # the annex's example
    first = reports_due(parse_period("2011-1"), start)
    assert [r.about.text for r in first] == ["2011-03"]
    second = reports_due(parse_period("2011-2"), start)
    assert [r.about.text for r in second] == ["2011-04", "2011-05", "2011-06", "2011-07"]
    third = reports_due(parse_period("2011-3"), start)
    assert ("contractual", "2011-2") in [(r.kind, r.about.text) for r in third]


def test_the_days_of_the_month_can_come_from_the_catalogue() -> None:
    found = reports_due(parse_period("2011-05"), date(2010, 1, 1), 10, 12)
    assert [r.due.day for r in found] == [10, 12]


@pytest.mark.parametrize(
    ("delivered", "late", "working", "calendar"),
    [
        ("2011-07-15", False, 0, 0),  # a Friday, the due date
        ("2011-07-16", True, 0, 1),
        ("2011-07-18", True, 1, 3),
        ("2011-07-25", True, 6, 10),
        ("2011-07-01", False, 0, 0),
    ],
)
def test_a_late_report_costs_by_the_working_day_or_by_the_calendar_day(
    delivered: str, late: bool, working: int, calendar: int
) -> None:
    due, day, now = date(2011, 7, 15), date.fromisoformat(delivered), date(2011, 9, 10)
    found = lateness(due, day, now, ITALY)
    assert (found.late, found.days, found.unit) == (late, working, "working-days")
    other = lateness(due, day, now, ITALY, "calendar")
    assert (other.late, other.days, other.unit) == (late, calendar, "solar-days")


def test_a_due_date_on_a_holiday_does_not_move() -> None:
    found = lateness(date(2011, 8, 15), date(2011, 8, 16), date(2011, 9, 1), ITALY)
    assert (found.late, found.days) == (True, 1)


def test_a_report_that_is_not_delivered_is_late_to_the_day_of_the_figures() -> None:
    due, now = date(2011, 7, 15), date(2011, 7, 19)
    missing = lateness(due, None, now, ITALY)
    assert (missing.late, missing.days, missing.delivered) == (True, 2, False)
    assert lateness(due, date(2011, 7, 25), now, ITALY) == missing
    assert lateness(due, now, now, ITALY).delivered
    assert not lateness(due, None, date(2011, 7, 15), ITALY).late


@given(DATES, st.integers(0, 300), st.integers(0, 60), st.sampled_from(["working", "calendar"]))
def test_a_later_report_never_costs_less(due: date, days: int, more: int, reading: str) -> None:
    early = due + timedelta(days=days)
    late = early + timedelta(days=more)
    end = date(2013, 6, 1)
    assert (
        lateness(due, early, end, ITALY, reading).days
        <= lateness(due, late, end, ITALY, reading).days
        <= days + more
    )


@pytest.mark.parametrize(
    ("start", "period", "charged", "reported"),
    [
        ("2011-02-15", "2011-1", False, False),  # the annex's example, line 622
        ("2011-02-15", "2011-2", True, True),
        ("2011-02-15", "2011-02", False, False),
        ("2011-02-15", "2011-03", False, True),
        ("2011-02-15", "2011-05", True, True),
        ("2011-05-01", "2011-2", False, False),  # strictly after the day of the start
        ("2011-05-01", "2011-3", True, True),
        ("2011-05-01", "2011-05", False, False),
        ("2011-05-01", "2011-06", False, True),
        ("2011-04-30", "2011-2", True, True),
        ("2010-12-31", "2011-1", True, True),
    ],
)
def test_penalties_begin_with_the_first_whole_period_after_the_start(
    start: str, period: str, charged: bool, reported: bool
) -> None:
    began = date.fromisoformat(start)
    assert is_charged(began, parse_period(period)) is charged
    assert is_reported(began, parse_period(period)) is reported


def test_a_service_that_ends_is_measured_over_the_days_that_it_was_there() -> None:
    period, start = parse_period("2011-2"), date(2010, 1, 1)
    assert active_days(period, start, None) == (period.begin, period.end)
    assert active_days(period, start, date(2011, 6, 30)) == (period.begin, date(2011, 7, 1))
    assert active_days(period, start, date(2011, 4, 30)) is None
    assert active_days(period, start, date(2011, 5, 1)) == (period.begin, date(2011, 5, 2))
    assert active_days(period, date(2011, 9, 1), None) is None
    assert active_days(period, date(2011, 8, 31), None) == (date(2011, 8, 31), period.end)
