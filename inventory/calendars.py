"""Working days of a country, which the annex counts in (line 107, readings B2, B4, B9).

A configured `[[calendar]]` is taken as it stands; without one, Monday to Friday less the public
holidays that the `holidays` library knows. What was used can be written down and read back, so that
a settled figure does not move when the library learns better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, get_args

from inventory.errors import CalendarError
from inventory.operations import Weekday

if TYPE_CHECKING:
    from inventory.models import Configuration

_WEEKDAYS: tuple[str, ...] = get_args(Weekday)
_SATURDAY_SUNDAY = frozenset({5, 6})
_DAY = timedelta(days=1)
_KEYS = frozenset({"country", "weekend", "holidays", "first", "last"})


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Which local dates are working days (giorni lavorativi) of a country.

    A date outside `first` to `last` raises `CalendarError`: its holidays were never asked for.
    """

    country: str
    """ISO 3166-1 alpha-2."""
    weekend: frozenset[int]
    """Days of the week that are not worked; Monday is 0."""
    holidays: frozenset[date]
    first: date
    last: date
    """Inclusive."""

    def is_working(self, day: date) -> bool:
        """Whether this date is a working day."""
        if not self.first <= day <= self.last:
            raise CalendarError(
                f"the calendar of {self.country} covers {self.first} to {self.last}, not {day}",
                "ask for the working days of that year too",
            )
        return day.weekday() not in self.weekend and day not in self.holidays

    def nth_after(self, day0: date, n: int) -> date:
        """The n-th working day after `day0`, which need not be one itself; n = 0 is `day0` (B2)."""
        if n < 0:
            raise ValueError(f"{n} working days after {day0}: the count cannot be negative")
        day = day0
        while n:
            day += _DAY
            n -= self.is_working(day)
        return day

    def count_between(self, after: date, up_to: date) -> int:
        """Working dates after `after` up to and with `up_to`; 0 where that is not later (B4)."""
        days = range(after.toordinal() + 1, up_to.toordinal() + 1)
        return sum(self.is_working(date.fromordinal(number)) for number in days)

    def as_json(self) -> dict[str, object]:
        """Plain values for an archive; dates as ISO 8601, sorted."""
        return {
            "country": self.country,
            "weekend": sorted(self.weekend),
            "holidays": [day.isoformat() for day in sorted(self.holidays)],
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
        }

    @classmethod
    def from_json(cls, data: object) -> WorkingDays:
        """What `as_json` wrote; anything else is a `CalendarError`."""
        if not isinstance(data, Mapping) or set(data) != _KEYS:
            raise _unreadable(f"its keys are not {', '.join(sorted(_KEYS))}")
        country, weekend, holidays = data["country"], data["weekend"], data["holidays"]
        if not isinstance(country, str):
            raise _unreadable("country is no text")
        if not isinstance(weekend, list) or any(
            type(number) is not int or not 0 <= number <= 6 for number in weekend
        ):
            raise _unreadable("weekend is no list of numbers from 0 (Monday) to 6")
        if not isinstance(holidays, list):
            raise _unreadable("holidays is no list")
        return cls(
            country,
            frozenset(weekend),
            frozenset(_date(day) for day in holidays),
            _date(data["first"]),
            _date(data["last"]),
        )


def working_days(configuration: Configuration, country: str, years: range) -> WorkingDays:
    """The working days of whole calendar years in a country.

    The country's `[[calendar]]` alone where there is one; otherwise Monday to Friday less the
    library's public holidays (B2: another weekend, as Friday and Saturday, must be configured).
    `CalendarError` where neither knows the country or a year.
    """
    if not years or years.step != 1:
        raise ValueError(f"{years} is no span of years")
    first, last = date(years[0], 1, 1), date(years[-1], 12, 31)
    for calendar in configuration.calendars:
        if calendar.country == country:
            weekend = frozenset(_WEEKDAYS.index(day) for day in calendar.weekend)
            return WorkingDays(country, weekend, frozenset(calendar.holidays), first, last)
    return WorkingDays(country, _SATURDAY_SUNDAY, _public_holidays(country, years), first, last)


def _public_holidays(country: str, years: range) -> frozenset[date]:
    import holidays  # takes a tenth of a second, which only a judgement may cost

    try:
        known = holidays.country_holidays(country, years=years)
    except NotImplementedError as error:
        raise CalendarError(
            f"the public holidays of {country} are not known",
            f'write a [[calendar]] with country = "{country}", its weekend and its holidays',
        ) from error
    if years[0] < known.start_year or years[-1] > known.end_year:
        raise CalendarError(
            f"the public holidays of {country} are known from {known.start_year} to "
            f"{known.end_year}, not for all of {years[0]} to {years[-1]}",
            f'write a [[calendar]] with country = "{country}", its weekend and its holidays',
        )
    return frozenset(known)


def _date(text: object) -> date:
    if isinstance(text, str):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise _unreadable(f"{text!r} is no date")


def _unreadable(reason: str) -> CalendarError:
    return CalendarError(
        f"a written calendar cannot be read: {reason}", "take the file as it was written"
    )
