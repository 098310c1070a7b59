"""Delivery windows, local days and intervals: the time that the annex counts (lines 111 and 116).

An interval is (begin, end) in UTC nanoseconds, its end excluded. Lengths are real time, so a day on
which the clocks change has 23 or 25 hours (reading B6). A zone is an IANA name that the
configuration has checked, or a `tzinfo` such as the `FrozenZone` of an archive.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from inventory.calendars import WorkingDays
from inventory.errors import CalendarError
from inventory.periods import Period
from inventory.services import Window

Interval = tuple[int, int]
"""UTC nanoseconds, [begin, end)."""
Transition = tuple[int, int]
"""(UTC nanoseconds, offset in seconds that holds from there on)."""

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_OPENS, _CLOSES = time(8), time(20)
"""The normal window (finestra normale, line 111)."""


class FrozenZone(tzinfo):
    """UTC offsets as an archive wrote them down, whatever a newer time-zone package says.

    They hold from the first transition to the last one, the last included; an instant outside
    raises `CalendarError`.
    """

    def __init__(self, name: str, changes: Iterable[Sequence[int]]) -> None:
        self.name = name
        self.changes: tuple[Transition, ...] = tuple((at, offset) for at, offset in changes)
        self._at = [at for at, _ in self.changes]
        if len(self._at) < 2 or self._at != sorted(set(self._at)):
            raise CalendarError(
                f"the written offsets of {name} are not two or more instants in ascending order",
                "take the file as it was written",
            )
        self._hash = hash((name, self.changes))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrozenZone):
            return NotImplemented
        return (self.name, self.changes) == (other.name, other.changes)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"FrozenZone({self.name!r}, {len(self.changes)} changes)"

    def __reduce__(self) -> tuple[type[FrozenZone], tuple[str, tuple[Transition, ...]]]:
        return FrozenZone, (self.name, self.changes)

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Of a local time: before a change with fold 0, after it with fold 1 (PEP 495)."""
        if dt is None:
            return None
        wall_ns = _since_epoch_ns(dt.replace(tzinfo=UTC, fold=0))
        pick = min if dt.fold else max
        offset = self.changes[0][1]
        for at, after in self.changes[1:]:
            if wall_ns < at + pick(offset, after) * SECOND_NS:
                break
            offset = after
        self._check(wall_ns - offset * SECOND_NS)
        return timedelta(seconds=offset)

    def dst(self, dt: datetime | None) -> timedelta | None:  # noqa: ARG002 - the offset is all
        """Not written down."""
        return None

    def tzname(self, dt: datetime | None) -> str | None:  # noqa: ARG002 - names do not change
        """The name of the zone."""
        return self.name

    def fromutc(self, dt: datetime) -> datetime:
        """Local time of a UTC time; fold 1 the second time that a clock shows it."""
        ns = _since_epoch_ns(dt.replace(tzinfo=UTC))
        self._check(ns)
        index = bisect_right(self._at, ns) - 1
        offset = self.changes[index][1]
        before = self.changes[index - 1][1] if index else offset
        again = ns - self._at[index] < (before - offset) * SECOND_NS
        return (dt + timedelta(seconds=offset)).replace(fold=int(again))

    def _check(self, ns: int) -> None:
        if not self._at[0] <= ns <= self._at[-1]:
            span = " to ".join(local(at, UTC).isoformat() for at in (self._at[0], self._at[-1]))
            raise CalendarError(
                f"the written offsets of {self.name} hold from {span}, "
                f"not at {local(ns, UTC).isoformat()}",
                "write the archive again for a longer span",
            )


def transitions(zone: str | tzinfo, begin: date, end: date) -> tuple[Transition, ...]:
    """What `FrozenZone` needs for local dates from `begin` to `end`, and three more at each end.

    The first holds where knowledge begins, the last repeats the offset where it ends.
    """
    tz = _tz(zone)
    spare = timedelta(days=3)  # the rules look at the day before and at the day after
    at = utc_ns(datetime.combine(begin - spare, time(), UTC))
    last = utc_ns(datetime.combine(end + spare, time(), UTC))
    found = [(at, _offset_s(at, tz))]
    while at < last:
        # No zone changes its offset twice within six hours.
        step = min(at + 6 * HOUR_NS, last)
        if _offset_s(step, tz) != found[-1][1]:
            change = _change(at, step, tz)
            found.append((change, _offset_s(change, tz)))
        at = step
    if found[-1][0] != last:
        found.append((last, found[-1][1]))
    return tuple(found)


def utc_ns(moment: datetime) -> int:
    """UTC nanoseconds of an aware time, exact to its microsecond."""
    if moment.utcoffset() is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return _since_epoch_ns(moment)


def local(ns: int, zone: str | tzinfo) -> datetime:
    """The aware local time of an instant; parts of a microsecond are cut off."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(_tz(zone))


def day_bounds(day: date, zone: str | tzinfo) -> Interval:
    """Local midnight to midnight; empty for a date that a zone leapt over (Samoa 2011-12-30)."""
    tz = _tz(zone)
    return _instant(day, time(), tz), _instant(day + _DAY, time(), tz)


def period_bounds(period: Period, zone: str | tzinfo) -> Interval:
    """Local midnight of its first day to that of the first day after it."""
    tz = _tz(zone)
    return _instant(period.begin, time(), tz), _instant(period.end, time(), tz)


def openings(window: Window, zone: str | tzinfo, begin: date, end: date) -> list[Interval]:
    """The delivery window (finestra di erogazione) of each local day from `begin` to before `end`.

    Normal: 08:00 to 20:00 local time; extended: the whole day (line 111, B6). Ascending, one a day,
    none for a date that the zone leapt over.
    """
    tz = _tz(zone)
    days = (date.fromordinal(number) for number in range(begin.toordinal(), end.toordinal()))
    found = (_opening(day, window, tz) for day in days)
    return [opening for opening in found if opening[0] < opening[1]]


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Their union, ascending; what overlaps or touches is one, what is empty is gone (C3)."""
    joined: list[Interval] = []
    for begin, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((begin, end))
    return joined


def clipped(intervals: Iterable[Interval], openings: Sequence[Interval]) -> list[Interval]:
    """What of the union of `intervals` lies inside `openings`, one piece an opening at least (B5).

    `openings` are disjoint and ascending, as the function of that name gives them.
    """
    ends = [end for _, end in openings]
    pieces: list[Interval] = []
    for begin, end in merged(intervals):
        for index in range(bisect_right(ends, begin), len(openings)):
            opens, closes = openings[index]
            if opens >= end:
                break
            pieces.append((max(begin, opens), min(end, closes)))
    return pieces


def total_ns(intervals: Iterable[Interval]) -> int:
    """The sum of their lengths; merge them first where they may overlap."""
    return sum(end - begin for begin, end in intervals)


def open_ns(
    begin_ns: int,
    end_ns: int,
    window: Window,
    zone: str | tzinfo,
    calendar: WorkingDays | None = None,
) -> int:
    """Window time from one instant to another; 0 where the second is not later (B1, B8).

    With a calendar only that of working days, which is how hour limits without a window of their
    own run.
    """
    if end_ns <= begin_ns:
        return 0
    tz = _tz(zone)
    # A clock that goes back over midnight shows yesterday's date in today's window: one day more.
    days = range(local(begin_ns, tz).toordinal(), local(end_ns, tz).toordinal() + 2)
    passed = 0
    for day in map(date.fromordinal, days):
        opens, closes = _opening(day, window, tz)
        part = min(closes, end_ns) - max(opens, begin_ns)
        if part > 0 and (calendar is None or calendar.is_working(day)):
            passed += part
    return passed


def instant_after(
    begin_ns: int,
    open_ns: int,
    window: Window,
    zone: str | tzinfo,
    calendar: WorkingDays | None = None,
) -> int:
    """The first instant at which so much window time has passed since `begin_ns`: a deadline.

    Time that runs out with the window ends at its close, not at the next opening; none at all ends
    at `begin_ns`.
    """
    if open_ns < 0:
        raise ValueError(f"{open_ns} ns of window time: the time cannot be negative")
    if open_ns == 0:
        return begin_ns
    tz = _tz(zone)
    number, left = local(begin_ns, tz).toordinal(), open_ns
    while True:
        day = date.fromordinal(number)
        opens, closes = _opening(day, window, tz)
        opens = max(opens, begin_ns)
        if closes > opens and (calendar is None or calendar.is_working(day)):
            if left <= closes - opens:
                return opens + left
            left -= closes - opens
        number += 1


def day_of(ns: int, window: Window, zone: str | tzinfo) -> date:
    """The date that a report counts from (day zero of B2).

    Its local date; from the close of the normal window on, that of the next opening.
    """
    tz = _tz(zone)
    day = local(ns, tz).date()
    if window == "extended":
        return day
    opens, closes = _opening(day, window, tz)
    while opens == closes or closes <= ns:
        day += _DAY
        opens, closes = _opening(day, window, tz)
    return day


def closing_day(ns: int, window: Window, zone: str | tzinfo) -> date:
    """The date that a closure counts on (B4).

    Its local date; before the normal window opens, that of the previous closing.
    """
    tz = _tz(zone)
    day = local(ns, tz).date()
    if window == "extended":
        return day
    opens, closes = _opening(day, window, tz)
    while opens == closes or ns < opens:
        day -= _DAY
        opens, closes = _opening(day, window, tz)
    return day


def wall_instant(day: date, clock: time, zone: str | tzinfo) -> int:
    """When the clocks of a zone first show this local time on that date, or leap over it."""
    return _instant(day, clock, _tz(zone))


def add_months(day: date, months: int) -> date:
    """The same day of the month so many months on, or that month's last day (F5)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


@lru_cache(maxsize=1 << 16)
def _opening(day: date, window: Window, tz: tzinfo) -> Interval:
    if window == "extended":
        return _instant(day, time(), tz), _instant(day + _DAY, time(), tz)
    return _instant(day, _OPENS, tz), _instant(day, _CLOSES, tz)


def _instant(day: date, clock: time, tz: tzinfo) -> int:
    """When a clock first shows this local time, or leaps over it."""
    wall = datetime.combine(day, clock, tz)
    first, second = _since_epoch_ns(wall), _since_epoch_ns(wall.replace(fold=1))
    if first <= second:
        return first
    return _change(second - SECOND_NS, first, tz)


def _change(before_ns: int, after_ns: int, tz: tzinfo) -> int:
    """The first second after `before_ns` with the offset of `after_ns`."""
    offset = _offset_s(after_ns, tz)
    low, high = before_ns // SECOND_NS, after_ns // SECOND_NS
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(middle * SECOND_NS, tz) == offset:
            high = middle
        else:
            low = middle
    return high * SECOND_NS


def _offset_s(ns: int, tz: tzinfo) -> int:
    offset = local(ns, tz).utcoffset()
    if offset is None:
        raise ValueError(f"{tz} has no UTC offset")
    return offset // timedelta(seconds=1)


def _since_epoch_ns(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000


def _tz(zone: str | tzinfo) -> tzinfo:
    return ZoneInfo(zone) if isinstance(zone, str) else zone
