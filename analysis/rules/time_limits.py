"""How far beyond a time limit something was: hours, quarter hours, working dates.

Shared by restoration times and requests. A limit that is just reached is kept; hours and quarter
hours in excess count when they are completed (reading B3), days are dates (reading B4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from analysis.catalogue_types import LimitUnit, Per
from inventory.calendars import WorkingDays
from inventory.clocks import (
    HOUR_NS,
    MINUTE_NS,
    closing_day,
    day_bounds,
    day_of,
    instant_after,
    local,
    open_ns,
)
from inventory.services import Window

QUARTER_MINUTES = 15


@dataclass(frozen=True, slots=True)
class Timetable:
    """The clock of one PAS or service: which time counts."""

    window: Window
    zone: str | tzinfo
    calendar: WorkingDays | None = None
    """Working days of the country; None where all seven days count."""

    def open_ns(self, begin_ns: int, end_ns: int) -> int:
        """Time that counts between two instants; 0 where the second is not after the first."""
        return open_ns(begin_ns, end_ns, self.window, self.zone, self.calendar)

    def instant_after(self, begin_ns: int, amount_ns: int) -> int:
        """The first instant at which so much time has counted."""
        return instant_after(begin_ns, amount_ns, self.window, self.zone, self.calendar)


@dataclass(frozen=True, slots=True)
class Excess:
    """One event against its time limit."""

    measured: Fraction
    """In `unit`."""
    limit: Decimal
    """In `unit`."""
    unit: LimitUnit
    late: bool
    """Beyond the limit; may be so by less than a unit that is charged."""
    excess: Fraction
    """Beyond the limit: in `unit`; never negative."""
    units: int
    """What is charged: completed `per` beyond the limit; 0 where not late."""
    per: Per
    due_ns: int
    """The last instant that was in time."""


def beyond_hours(begin_ns: int, end_ns: int, timetable: Timetable, limit_hours: Decimal) -> Excess:
    """Hours of the timetable from begin to end, charged by the completed hour (reading B3)."""
    return _beyond_duration(begin_ns, end_ns, timetable, limit_hours, "hours")


def beyond_minutes(
    begin_ns: int, end_ns: int, timetable: Timetable, limit_minutes: Decimal
) -> Excess:
    """Minutes of the timetable, charged by the completed quarter of an hour (reading B3)."""
    return _beyond_duration(begin_ns, end_ns, timetable, limit_minutes, "minutes")


def beyond_working_days(
    begin_ns: int, end_ns: int, timetable: Timetable, limit_days: Decimal
) -> Excess:
    """Working dates after the date of the report (reading B2), charged by the date (reading B4).

    Day zero is the local date of `begin_ns`, or that of the next opening where the normal window
    had closed. The limit is the end of the n-th working day after it; each working date after that
    one, the date of the end included, is a day in excess. An end before the opening of the normal
    window is taken at the previous closing. An end on a free day after the limit is late by the
    working days before it, maybe 0. Raises ValueError without a calendar, or for a limit that is no
    whole number of days.
    """
    calendar = _calendar(timetable)
    count = int(limit_days)
    if count != limit_days or count < 0:
        raise ValueError(f"a limit of {limit_days} working days is not a whole number of days")
    day_zero = day_of(begin_ns, timetable.window, timetable.zone)
    due = calendar.nth_after(day_zero, count)
    due_ns = day_bounds(due, timetable.zone)[1]
    ended = closing_day(end_ns, timetable.window, timetable.zone)
    late = ended > due and end_ns > due_ns
    units = calendar.count_between(due, ended) if late else 0
    return Excess(
        measured=Fraction(calendar.count_between(day_zero, ended)),
        limit=limit_days,
        unit="working-days",
        late=late,
        excess=Fraction(units),
        units=units,
        per="working-day",
        due_ns=due_ns,
    )


def beyond_hours_in_days(
    begin_ns: int, end_ns: int, timetable: Timetable, limit_hours: Decimal
) -> Excess:
    """A limit in working hours whose excess is charged in working days (reading E7).

    Days are the working dates after the date on which the limit ran out, up to the date of the end:
    late on the same date is 0 days. A limit that runs out at midnight ran out on the day before.
    Raises ValueError without a calendar.
    """
    calendar = _calendar(timetable)
    found = beyond_hours(begin_ns, end_ns, timetable, limit_hours)
    due = local(found.due_ns - 1, timetable.zone).date()
    ended = closing_day(end_ns, timetable.window, timetable.zone)
    units = calendar.count_between(due, ended) if found.late else 0
    return Excess(
        measured=found.measured,
        limit=limit_hours,
        unit="hours",
        late=found.late,
        excess=found.excess,
        units=units,
        per="working-day",
        due_ns=found.due_ns,
    )


def _beyond_duration(
    begin_ns: int,
    end_ns: int,
    timetable: Timetable,
    limit: Decimal,
    unit: Literal["hours", "minutes"],
) -> Excess:
    unit_ns = HOUR_NS if unit == "hours" else MINUTE_NS
    limit_ns = Fraction(limit) * unit_ns
    if limit_ns.denominator != 1:
        raise ValueError(f"a limit of {limit} {unit} is no whole number of nanoseconds")
    counted = timetable.open_ns(begin_ns, end_ns)
    beyond_ns = max(0, counted - int(limit_ns))
    charged_ns = HOUR_NS if unit == "hours" else QUARTER_MINUTES * MINUTE_NS
    return Excess(
        measured=Fraction(counted, unit_ns),
        limit=limit,
        unit=unit,
        late=beyond_ns > 0,
        excess=Fraction(beyond_ns, unit_ns),
        units=beyond_ns // charged_ns,
        per="hour" if unit == "hours" else "quarter-hour",
        due_ns=timetable.instant_after(begin_ns, int(limit_ns)),
    )


def _calendar(timetable: Timetable) -> WorkingDays:
    if timetable.calendar is None:
        raise ValueError("working days need the calendar of a country")
    return timetable.calendar
