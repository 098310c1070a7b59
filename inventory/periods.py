"""Observation periods: months (Toss-tec) and four-month periods (Toss-con), as local dates.

`2011-05` is May 2011, `2011-2` its second four-month period, May to August (annex, lines 112 and
113).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from inventory.values import ValueKindError

_WRITTEN = re.compile(r"(?P<year>\d{4})-(?:(?P<month>\d\d)|(?P<third>\d))", re.ASCII)
_YEARS = range(1970, 9_000)


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar period; its bounds in UTC depend on the time zone of each PAS."""

    text: str
    """As it is written: `2011-05` or `2011-2`."""
    kind: Literal["month", "four-months"]
    begin: date
    end: date
    """The first day after it."""

    def __str__(self) -> str:
        return self.text


def month(year: int, number: int) -> Period:
    """Month 1 to 12 of a year."""
    begin = date(year, number, 1)
    return Period(f"{year:04}-{number:02}", "month", begin, _months_on(begin, 1))


def four_months(year: int, number: int) -> Period:
    """Four-month period 1 to 3 of a year."""
    begin = date(year, 4 * number - 3, 1)
    return Period(f"{year:04}-{number}", "four-months", begin, _months_on(begin, 4))


def parse_period(text: str) -> Period:
    """A period as people write it; `ValueKindError` says how."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is not None and int(match["year"]) in _YEARS:
        year = int(match["year"])
        if match["month"] is not None and 1 <= int(match["month"]) <= 12:
            return month(year, int(match["month"]))
        if match["third"] is not None and 1 <= int(match["third"]) <= 3:
            return four_months(year, int(match["third"]))
    raise ValueKindError(
        f"{text!r} is no period",
        'write a month as "2011-05", or a four-month period as "2011-2" (May to August)',
    )


def month_of(day: date) -> Period:
    """The month that a day lies in."""
    return month(day.year, day.month)


def four_months_of(day: date) -> Period:
    """The four-month period that a day lies in."""
    return four_months(day.year, (day.month + 3) // 4)


def following(period: Period) -> Period:
    """The next period of the same kind."""
    return month_of(period.end) if period.kind == "month" else four_months_of(period.end)


def preceding(period: Period) -> Period:
    """The period of the same kind before this one."""
    before = date.fromordinal(period.begin.toordinal() - 1)
    return month_of(before) if period.kind == "month" else four_months_of(before)


def months_of(period: Period) -> tuple[Period, ...]:
    """Its months; a month is its own only one."""
    found = [month_of(period.begin)]
    while found[-1].end < period.end:
        found.append(following(found[-1]))
    return tuple(found)


def first_whole_month_after(start: date) -> Period:
    """What the first monthly report is about ([R-9.2-1]); strictly after `start` (reading G5)."""
    return following(month_of(start))


def first_whole_four_months_after(start: date) -> Period:
    """The first period with penalties ([R-9.2-2]); strictly after `start` (reading G5)."""
    return following(four_months_of(start))


def _months_on(begin: date, count: int) -> date:
    months = begin.year * 12 + begin.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)
