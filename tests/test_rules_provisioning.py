"""Provisioning: months, days of delay and the period they cost in (readings F5 to F9)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.catalogue_rows import load_catalogue
from analysis.rules.provisioning import (
    due_date,
    is_listed,
    provisioning_delay,
)
from inventory.periods import following, parse_period


@pytest.mark.parametrize(
    ("requested", "months", "due"),
    [
        ("2011-01-31", 1, "2011-02-28"),
        ("2012-01-31", 1, "2012-02-29"),
        ("2011-01-31", 3, "2011-04-30"),
        ("2011-05-02", 2, "2011-07-02"),
        ("2011-10-31", 4, "2012-02-29"),
    ],
)
def test_months_are_calendar_months_clamped(requested: str, months: int, due: str) -> None:
    found = due_date(date.fromisoformat(requested), Decimal(months))
    assert found == date.fromisoformat(due)


def test_half_a_month_is_no_limit() -> None:
    with pytest.raises(ValueError, match="whole number of months"):
        due_date(date(2011, 1, 1), Decimal("1.5"))


@pytest.mark.parametrize("move", ["local-provisioning", "external-move"])
@pytest.mark.parametrize(
    ("mbps", "defined"),
    [("0.5", True), ("8", True), ("8.001", False), ("9.999", False), ("10", True), ("34", True)],
)
def test_between_eight_and_ten_mbps_there_is_no_limit(move: str, mbps: str, defined: bool) -> None:
    service = load_catalogue().service("provisioning")
    assert service is not None
    limit = next(p for p in service.parameters if p.id == move).limit_for(
        bandwidth_mbps=Decimal(mbps)
    )
    assert (limit is not None) is defined
    if limit is not None:
        small = {"local-provisioning": 3, "external-move": 2}[move]
        assert limit.value == (small if Decimal(mbps) <= 8 else 4)


@pytest.mark.parametrize(
    ("due", "delivered", "days"),
    [
        ("2011-07-02", "2011-07-02", 0),  # the due date is in time
        ("2011-07-02", "2011-07-03", 1),  # a Sunday is a solar day
        ("2011-07-02", "2011-07-12", 10),
        ("2011-08-15", "2011-08-16", 1),  # a due date on a holiday stays
        ("2011-07-02", "2011-06-01", 0),
    ],
)
def test_delay_is_in_solar_days_after_the_due_date(due: str, delivered: str, days: int) -> None:
    found = provisioning_delay(
        date.fromisoformat(due),
        date.fromisoformat(delivered),
        parse_period("2011-2"),
        date(2011, 9, 30),
    )
    assert (found.total_days, found.charged_days) == (days, days)


def test_each_day_of_delay_is_charged_in_the_period_in_which_it_lies() -> None:
    due, delivered, now = date(2011, 8, 28), date(2011, 9, 3), date(2012, 1, 10)
    second, third = parse_period("2011-2"), parse_period("2011-3")
    assert provisioning_delay(due, delivered, second, now).charged_days == 3  # 29, 30, 31 August
    assert provisioning_delay(due, delivered, third, now).charged_days == 3
    at_delivery = [
        provisioning_delay(due, delivered, period, now, "delivery").charged_days
        for period in (second, third)
    ]
    assert at_delivery == [0, 6]


def test_a_delivery_on_the_first_day_of_a_period_belongs_to_it() -> None:
    due, delivered, now = date(2011, 8, 28), date(2011, 9, 1), date(2012, 1, 10)
    for reading, days in (("due", [3, 1]), ("delivery", [0, 4])):
        found = [
            provisioning_delay(due, delivered, parse_period(period), now, reading).charged_days
            for period in ("2011-2", "2011-3")
        ]
        assert found == days


def test_what_is_not_delivered_is_counted_to_the_day_of_the_figures() -> None:
    due, period = date(2011, 8, 20), parse_period("2011-2")
    found = provisioning_delay(due, None, period, date(2011, 8, 25))
    assert (found.total_days, found.charged_days) == (5, 5)
    assert provisioning_delay(due, date(2011, 8, 30), period, date(2011, 8, 25)) == found
    later = provisioning_delay(due, None, period, date(2011, 12, 1))
    assert later.charged_days == 11  # to 31 August, and no further
    assert provisioning_delay(due, None, period, date(2011, 12, 1), "delivery").charged_days == 0


def test_an_intervention_is_listed_where_it_falls_due() -> None:
    assert is_listed(date(2011, 8, 31), parse_period("2011-2"))
    assert not is_listed(date(2011, 9, 1), parse_period("2011-2"))


DATES = st.dates(date(2011, 1, 1), date(2011, 12, 31))


@given(DATES, st.one_of(st.none(), DATES), DATES, st.sampled_from(["due", "delivery"]))
def test_no_day_of_delay_is_charged_twice_or_lost(
    due: date, delivered: date | None, as_of: date, reading: str
) -> None:
    found = []
    period = parse_period("2010-3")
    while period.begin.year < 2012:
        found.append(provisioning_delay(due, delivered, period, as_of, reading))
        period = following(period)
    charged = sum(delay.charged_days for delay in found)
    pending = delivered is None or delivered > as_of
    assert charged == (0 if reading == "delivery" and pending else found[0].total_days)


@given(DATES, DATES, DATES, DATES)
def test_a_settled_period_never_changes_its_days(
    due: date, delivered: date, one: date, other: date
) -> None:
    period = parse_period("2011-2")
    after = [max(as_of, period.end) for as_of in (one, other)]
    early, late = (provisioning_delay(due, delivered, period, as_of) for as_of in after)
    assert early.charged_days == late.charged_days
