"""Restoration times (tempo di ripristino): from the report of an outage to its closure (line 118).

The instants are the report (segnalazione) and the closure that the Administration accepted (line
121); time spent waiting for that acceptance counts (readings C2 and E9). An event belongs to the
period of its closure (reading E8).
"""

from __future__ import annotations

from decimal import Decimal

from analysis.rules.time_limits import Excess, Timetable, beyond_hours, beyond_working_days


def restoration_hours(
    reported_ns: int, closed_ns: int, timetable: Timetable, limit_hours: Decimal
) -> Excess:
    """A limit in hours: L3 blocking, and the services without levels (lines 118, 156, 331, 335).

    Hours inside the delivery window on all seven days, holidays included (reading B1): the
    timetable's calendar is not looked at.
    """
    every_day = Timetable(timetable.window, timetable.zone)
    return beyond_hours(reported_ns, closed_ns, every_day, limit_hours)


def restoration_days(
    reported_ns: int, closed_ns: int, timetable: Timetable, limit_days: Decimal
) -> Excess:
    """A limit in working days after the report (lines 118, 153-156; readings B2 and B4)."""
    return beyond_working_days(reported_ns, closed_ns, timetable, limit_days)
