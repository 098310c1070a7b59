"""Reports and their delivery (section 8.3): 15th for the monthly, 20th for the contractual report.

The clock stops with the electronic sending (reading G11). A late report costs once, in the period
in which it was due, by the days until it was delivered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from inventory.calendars import WorkingDays
from inventory.periods import (
    Period,
    first_whole_four_months_after,
    first_whole_month_after,
    four_months_of,
    month_of,
    preceding,
)

Kind = Literal["technical", "contractual"]
TECHNICAL_DAY = 15
"""Of the month after the reported one (lines 124, 611)."""
CONTRACTUAL_DAY = 20
"""Of January, May, September (lines 123, 131, 612; reading F8)."""


@dataclass(frozen=True, slots=True)
class DueReport:
    """A report that has to be delivered."""

    kind: Kind
    about: Period
    due: date
    """The last day in time; holidays do not move it (reading F8)."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late a report is."""

    late: bool
    """After its due date, be it by free days alone."""
    days: int
    """What is charged: working days, or all with the switch F8 at `calendar`."""
    unit: Literal["working-days", "solar-days"]
    delivered: bool
    """False: not yet, counted to the day that the figures are for."""


def reports_due(
    period: Period,
    start: date,
    technical_day: int = TECHNICAL_DAY,
    contractual_day: int = CONTRACTUAL_DAY,
) -> tuple[DueReport, ...]:
    """The reports that fall due inside a period, by date, for services that began on `start`.

    Monthly reports begin with the first whole month, contractual ones with the first whole period
    of four months (lines 620-621; reading G6). `start` is the earliest of the subscribed services,
    the days are those of the month after the reported one.
    """
    first_month = first_whole_month_after(start).begin
    first_four = first_whole_four_months_after(start).begin
    found = []
    day = period.begin
    while day < period.end:
        month = preceding(month_of(day))
        if month.begin >= first_month:
            found.append(DueReport("technical", month, month.end.replace(day=technical_day)))
        four = preceding(four_months_of(day))
        if four.end == day and four.begin >= first_four:
            found.append(DueReport("contractual", four, four.end.replace(day=contractual_day)))
        day = month_of(day).end
    return tuple(sorted(found, key=lambda report: report.due))


def lateness(
    due: date,
    delivered: date | None,
    as_of: date,
    calendar: WorkingDays,
    reading_f8: str = "working",
) -> Lateness:
    """Days between the due date and the delivery, that date included (lines 611-612; reading F8).

    What is not delivered, or delivered after `as_of`, is counted to `as_of`. Dates are local to the
    contract.
    """
    known = delivered if delivered is not None and delivered <= as_of else None
    last = as_of if known is None else known
    late = last > due
    if reading_f8 == "calendar":
        days = max(0, (last - due) // timedelta(days=1))
        return Lateness(late, days, "solar-days", known is not None)
    days = calendar.count_between(due, last) if late else 0
    return Lateness(late, days, "working-days", known is not None)
