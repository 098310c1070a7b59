"""Since when a service is reported and charged, and how much of a period it was there.

By the start of the service of the Administration, and by the same rule for a PAS that is added
later (lines 620-622; reading G4).
"""

from __future__ import annotations

from datetime import date, timedelta

from inventory.periods import (
    Period,
    first_whole_four_months_after,
    first_whole_month_after,
)


def is_charged(start: date, period: Period) -> bool:
    """Whether penalties of a period count: from the first whole four months after the start (G5).

    Strictly after: a service that starts on 1 May is charged from September. A month is asked about
    the four months that it lies in.
    """
    return period.begin >= first_whole_four_months_after(start).begin


def is_reported(start: date, period: Period) -> bool:
    """Whether there is a report: from the first whole month, or four months, after it (G5, G6)."""
    first = (
        first_whole_month_after(start)
        if period.kind == "month"
        else first_whole_four_months_after(start)
    )
    return period.begin >= first.begin


def active_days(period: Period, start: date, end: date | None) -> tuple[date, date] | None:
    """First day, and day after the last, on which a service was there in a period.

    `end` is its last day. None where it was not there at all. What ends inside a period is measured
    over the time that it was there, which the annex does not settle (reading C5): flag it.
    """
    begin = max(period.begin, start)
    after = period.end if end is None else min(period.end, end + timedelta(days=1))
    return (begin, after) if begin < after else None
