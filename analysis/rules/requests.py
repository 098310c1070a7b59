"""Time limits of requests: each request is an event, judged and charged alone (reading E6).

Times run from the receipt of the request (reading E12). Restoration has its own clock, see
`analysis.rules.restoration`.
"""

from __future__ import annotations

from decimal import Decimal

from analysis.rules.time_limits import (
    Excess,
    Timetable,
    beyond_hours,
    beyond_hours_in_days,
    beyond_minutes,
    beyond_working_days,
)


def request_hours(
    requested_ns: int, done_ns: int, timetable: Timetable, limit_hours: Decimal
) -> Excess:
    """A limit in hours charged by the hour (lines 214-215, 247-250, 286, 330, 367, 404).

    Hours of the delivery window on working days of the country (reading B1). Raises ValueError
    without a calendar.
    """
    if timetable.calendar is None:
        raise ValueError("a request's hours are working hours: they need a calendar")
    return beyond_hours(requested_ns, done_ns, timetable, limit_hours)


def request_quarter_hours(
    begin_ns: int,
    done_ns: int,
    timetable: Timetable,
    limit_minutes: Decimal,
    reading_b8: str = "window",
) -> Excess:
    """A limit in minutes charged by the quarter of an hour (lines 251-252).

    Minutes that passed inside the delivery window on all seven days, or with the switch B8 at
    `working` on working days alone.
    """
    if reading_b8 == "working":
        if timetable.calendar is None:
            raise ValueError("reading B8 = working needs a calendar")
        return beyond_minutes(begin_ns, done_ns, timetable, limit_minutes)
    every_day = Timetable(timetable.window, timetable.zone)
    return beyond_minutes(begin_ns, done_ns, every_day, limit_minutes)


def request_days(
    requested_ns: int, done_ns: int, timetable: Timetable, limit_days: Decimal
) -> Excess:
    """A limit in days charged by the day: working days, by date (lines 485-486, 539-540, 544; B7).

    Raises ValueError without a calendar.
    """
    return beyond_working_days(requested_ns, done_ns, timetable, limit_days)


def request_hours_days(
    requested_ns: int, done_ns: int, timetable: Timetable, limit_hours: Decimal
) -> Excess:
    """A limit in hours charged by the day: activation of suppliers (lines 487, 514, 537; E7).

    Raises ValueError without a calendar.
    """
    return beyond_hours_in_days(requested_ns, done_ns, timetable, limit_hours)
