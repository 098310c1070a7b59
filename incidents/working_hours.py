"""Classes of hours and the time that runs in them (procedure, 1.4 and 5.2.2.2).

Working hours (heures ouvrées), other hours (heures non ouvrées), and the rest, in which nothing
runs. A public holiday has hours only where it is a duty day (jour d'astreinte). Where two tables
overlap, working hours win. Local times become instants by the zone, so a window on the day of a
clock change is as long as it really is.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, time, timedelta, tzinfo
from typing import TYPE_CHECKING, get_args
from zoneinfo import ZoneInfo

from incidents.errors import IncidentError
from inventory.calendars import WorkingDays, working_days
from inventory.clocks import Interval, local, merged, wall_instant
from inventory.operations import HourClass, Hours, Weekday

if TYPE_CHECKING:
    from inventory.models import Configuration

_WEEKDAYS: tuple[str, ...] = get_args(Weekday)
_DAY = timedelta(days=1)
_SEARCHED_DAYS = 400
"""No agenda is empty for longer than a year and its holidays."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of one class, UTC nanoseconds, its end excluded."""

    begin_ns: int
    end_ns: int
    hours: HourClass


@dataclass(frozen=True, slots=True)
class Rota:
    """Which hours are of which class, and how long is waited in each."""

    zone: tzinfo
    working: tuple[Hours, ...]
    other: tuple[Hours, ...]
    duty_days: frozenset[str]
    """Days of the week, ISO dates, `holiday`."""
    duty_opens: str
    duty_closes: str
    calendar: WorkingDays
    """Its holidays count, its weekend does not: the tables name their days of the week."""
    wait_ns: dict[HourClass, int] = field(compare=False)
    _days: dict[date, tuple[Opening, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def class_at(self, ns: int) -> HourClass | None:
        """The class of an instant; None outside of both."""
        for opening in self.of_day(local(ns, self.zone).date()):
            if opening.begin_ns <= ns < opening.end_ns:
                return opening.hours
        return None

    def next_opening(self, ns: int) -> Opening:
        """The stretch that this instant lies in, or the next one after it."""
        day = local(ns, self.zone).date() - _DAY  # a day's hours may end in the next UTC day
        for _ in range(_SEARCHED_DAYS):
            for opening in self.of_day(day):
                if ns < opening.end_ns:
                    return opening
            day += _DAY
        raise IncidentError(
            f"[escalation] has no hours for {_SEARCHED_DAYS} days from {local(ns, self.zone)} on"
            " — write working, other or duty_days"
        )

    def after(self, ns: int, wait_ns: int) -> int:
        """The instant at which so much time of either class has passed since `ns`.

        What runs out with a stretch ends at its close, not at the next opening.
        """
        at, left = ns, wait_ns
        while left > 0:
            opening = self.next_opening(at)
            begin = max(at, opening.begin_ns)
            if left <= opening.end_ns - begin:
                return begin + left
            left -= opening.end_ns - begin
            at = opening.end_ns
        return at

    def of_day(self, day: date) -> tuple[Opening, ...]:
        """The stretches of a local date, ascending and disjoint."""
        known = self._days.get(day)
        if known is None:
            known = self._days[day] = tuple(self._stretches(day))
        return known

    def _stretches(self, day: date) -> list[Opening]:
        name, holiday = _WEEKDAYS[day.weekday()], day in self.calendar.holidays
        if not self.calendar.first <= day <= self.calendar.last:
            self.calendar.is_working(day)  # raises: its holidays are not known
        tables: dict[HourClass, list[Interval]] = {"working": [], "other": []}
        if not holiday:
            for hours, rows in (("working", self.working), ("other", self.other)):
                tables[hours] += [  # type: ignore[index]
                    self._bounds(day, row.opens, row.closes) for row in rows if name in row.days
                ]
        if {name, day.isoformat()} & self.duty_days or (holiday and "holiday" in self.duty_days):
            tables["other"].append(self._bounds(day, self.duty_opens, self.duty_closes))
        working = merged(tables["working"])
        other = _without(merged(tables["other"]), working)
        return sorted(
            [Opening(*interval, "working") for interval in working]
            + [Opening(*interval, "other") for interval in other],
            key=lambda opening: opening.begin_ns,
        )

    def _bounds(self, day: date, opens: str, closes: str) -> Interval:
        begin = wall_instant(day, time.fromisoformat(opens), self.zone)
        if closes == "24:00":
            return begin, wall_instant(day + _DAY, time(), self.zone)
        return begin, wall_instant(day, time.fromisoformat(closes), self.zone)


def rota_of(configuration: Configuration, years: range) -> Rota:
    """The rota of `[escalation]` for these calendar years; zone and country else the contract's."""
    table, contract = configuration.escalation, configuration.contract
    zone = table.timezone or (contract.timezone if contract else None)
    country = table.country or (contract.country if contract else None)
    if zone is None or country is None:
        raise IncidentError(
            "there is no [contract], so the hours of escalation have no zone and no country"
            " — write timezone and country into [escalation]"
        )
    return Rota(
        ZoneInfo(zone), table.working, table.other, frozenset(table.duty_days),
        table.duty_opens, table.duty_closes, working_days(configuration, country, years),
        {"working": table.working_wait_ns, "other": table.other_wait_ns},
    )  # fmt: skip


def _without(intervals: list[Interval], taken: list[Interval]) -> list[Interval]:
    """What of `intervals` is not in `taken`; both ascending and disjoint."""
    ends = [end for _, end in taken]
    left = []
    for begin, end in intervals:
        for cut_begin, cut_end in taken[bisect_right(ends, begin) :]:
            if cut_begin >= end:
                break
            if begin < cut_begin:
                left.append((begin, cut_begin))
            begin = max(begin, cut_end)
        if begin < end:
            left.append((begin, end))
    return left
