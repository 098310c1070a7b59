"""Months and four-month periods (annex, lines 112, 113, 620 to 622)."""

from __future__ import annotations

from datetime import date

import pytest

from inventory.periods import (
    first_whole_four_months_after,
    first_whole_month_after,
    following,
    four_months_of,
    months_of,
    parse_period,
    preceding,
)
from inventory.values import ValueKindError


def test_a_four_month_period_and_a_month_are_told_apart() -> None:
    second, february = parse_period("2011-2"), parse_period("2011-02")
    assert (second.begin, second.end) == (date(2011, 5, 1), date(2011, 9, 1))
    assert (february.begin, february.end) == (date(2011, 2, 1), date(2011, 3, 1))
    assert str(second) == "2011-2"


@pytest.mark.parametrize(
    "text", ["2011-0", "2011-4", "2011-13", "2011-00", "11-2", "2011", "", "x", "1969-2", "9999-12"]
)
def test_anything_else_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueKindError) as refused:
        parse_period(text)
    assert "2011-05" in refused.value.remedy


def test_the_annexs_example() -> None:
    # "per un servizio attivato il 15 febbraio": March, and May to August.
    assert first_whole_month_after(date(2011, 2, 15)).text == "2011-03"
    assert first_whole_four_months_after(date(2011, 2, 15)).text == "2011-2"


def test_a_start_on_the_first_day_is_not_a_whole_period() -> None:
    assert first_whole_month_after(date(2011, 5, 1)).text == "2011-06"
    assert first_whole_four_months_after(date(2011, 5, 1)).text == "2011-3"
    assert first_whole_four_months_after(date(2011, 12, 31)).text == "2012-1"


def test_periods_follow_each_other_without_a_gap() -> None:
    period = four_months_of(date(2010, 1, 1))
    for _ in range(9):
        after = following(period)
        assert after.begin == period.end
        assert preceding(after) == period
        assert len(months_of(period)) == 4
        assert [m.begin for m in months_of(period)][1:] == [m.end for m in months_of(period)][:-1]
        period = after
    assert period.text == "2013-1"
