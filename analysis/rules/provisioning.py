"""Provisioning and moves (section 8.2): months to the due date, solar days of delay.

Months are calendar months, clamped to the end of a shorter one, the due date included (reading F5);
delay is counted in solar days, and a due date on a holiday stays where it is (lines 591-594, F7).
The base is the fee of all services of the PAS (line 595, F6).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from inventory.clocks import add_months
from inventory.periods import Period


@dataclass(frozen=True, slots=True)
class Delay:
    """Days of delay of one intervention."""

    due: date
    """The last day in time."""
    total_days: int
    """To the delivery, or to the day that the figures are for."""
    charged_days: int
    """Those that this period is charged for (reading F9)."""


def due_date(requested: date, months: Decimal) -> date:
    """The last day in time (lines 598-603; F5). ValueError where `months` is not whole."""
    if months != int(months):
        raise ValueError(f"a limit of {months} months is not a whole number of months")
    return add_months(requested, int(months))


def provisioning_delay(
    due: date,
    delivered: date | None,
    period: Period,
    as_of: date,
    reading_f9: str = "due",
) -> Delay:
    """Solar days of delay, and which of them belong to a period (lines 598-607; readings F7, F9).

    A day of delay is each date after the due one up to the delivery; what is not delivered, or
    delivered after `as_of`, is counted to `as_of`. With F9 = `due` a period is charged for the days
    of delay that lie in it, so that each is charged once and an earlier period never changes; with
    `delivery` the period of the delivery is charged for all of them.
    """
    known = delivered if delivered is not None and delivered <= as_of else None
    last = as_of if known is None else known
    total = max(0, (last - due).days)
    if reading_f9 == "delivery":
        here = known is not None and period.begin <= known < period.end
        return Delay(due, total, total if here else 0)
    first_day = max(due + timedelta(days=1), period.begin)
    last_day = min(last, period.end - timedelta(days=1))
    return Delay(due, total, max(0, (last_day - first_day).days + 1))


def is_listed(due: date, period: Period) -> bool:
    """Whether the period's report lists an intervention: the one it falls due in (605, 607; F9)."""
    return period.begin <= due < period.end
