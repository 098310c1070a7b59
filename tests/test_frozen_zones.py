"""UTC offsets as an archive keeps them: the same clocks, windows and deadlines."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_times import CALENDARS, INSTANTS, ODD_ZONES, ROME, START, WINDOWS, at

from inventory import clocks
from inventory.calendars import WorkingDays
from inventory.clocks import HOUR_NS, MINUTE_NS, FrozenZone
from inventory.errors import CalendarError
from inventory.periods import parse_period
from inventory.services import Window


@cache
def frozen(zone: str) -> FrozenZone:
    return FrozenZone(zone, clocks.transitions(zone, date(2010, 10, 1), date(2012, 3, 1)))


def test_an_archive_keeps_the_changes_of_a_zone() -> None:
    changes = clocks.transitions(ROME, date(2011, 1, 1), date(2012, 1, 1))
    written = [(clocks.local(ns, UTC).isoformat(), offset) for ns, offset in changes]
    assert written == [
        ("2010-12-29T00:00:00+00:00", 3600),
        ("2011-03-27T01:00:00+00:00", 7200),
        ("2011-10-30T01:00:00+00:00", 3600),
        ("2012-01-04T00:00:00+00:00", 3600),
    ]


def test_a_zone_without_changes_has_two_ends() -> None:
    changes = clocks.transitions("Asia/Kathmandu", date(2011, 1, 1), date(2012, 1, 1))
    assert [offset for _, offset in changes] == [20_700, 20_700]


@given(INSTANTS, st.sampled_from(ODD_ZONES))
def test_a_frozen_zone_shows_the_same_clock(ns: int, zone: str) -> None:
    ns = ns // 1000 * 1000
    was, is_now = clocks.local(ns, zone), clocks.local(ns, frozen(zone))
    assert was.replace(tzinfo=None) == is_now.replace(tzinfo=None)
    assert (was.fold, was.utcoffset()) == (is_now.fold, is_now.utcoffset())


@pytest.mark.parametrize("zone", ODD_ZONES)
def test_a_frozen_zone_agrees_in_every_minute_around_a_change(zone: str) -> None:
    for change, _ in frozen(zone).changes[1:-1]:
        for minute in range(-26 * 60, 26 * 60, 7):
            naive = clocks.local(change + minute * MINUTE_NS, UTC).replace(tzinfo=None)
            for fold in (0, 1):
                wall = naive.replace(fold=fold)
                expected = wall.replace(tzinfo=ZoneInfo(zone)).utcoffset()
                assert wall.replace(tzinfo=frozen(zone)).utcoffset() == expected
        for second in (-1, 0, 1):
            ns = change + second * 10**9
            was, is_now = clocks.local(ns, zone), clocks.local(ns, frozen(zone))
            assert (was.isoformat(), was.fold) == (is_now.isoformat(), is_now.fold)


@given(
    INSTANTS,
    st.integers(1, 200 * HOUR_NS),
    st.sampled_from(WINDOWS),
    st.sampled_from(ODD_ZONES),
    CALENDARS,
)
def test_a_frozen_zone_gives_the_same_deadlines_and_dates(
    begin: int, amount: int, window: Window, zone: str, calendar: WorkingDays | None
) -> None:
    def judged(tz: str | tzinfo) -> list[object]:
        return [
            clocks.instant_after(begin, amount, window, tz, calendar),
            clocks.open_ns(begin, begin + amount, window, tz, calendar),
            clocks.day_of(begin, window, tz),
            clocks.closing_day(begin, window, tz),
        ]

    assert judged(frozen(zone)) == judged(zone)


@pytest.mark.parametrize("zone", ODD_ZONES)
@pytest.mark.parametrize("window", WINDOWS)
def test_a_frozen_zone_gives_the_same_windows(window: Window, zone: str) -> None:
    span = (date(2011, 1, 1), date(2012, 1, 1))
    tight = FrozenZone(zone, clocks.transitions(zone, *span))
    assert clocks.openings(window, tight, *span) == clocks.openings(window, zone, *span)
    for edge in clocks.period_bounds(parse_period("2011-3"), zone):
        assert clocks.day_of(edge, window, tight) == clocks.day_of(edge, window, zone)
        assert clocks.closing_day(edge, window, tight) == clocks.closing_day(edge, window, zone)
        open_now = clocks.open_ns(edge - HOUR_NS, edge, window, zone)
        assert clocks.open_ns(edge - HOUR_NS, edge, window, tight) == open_now


def test_a_frozen_zone_does_not_guess_beyond_what_was_written() -> None:
    zone = FrozenZone(ROME, clocks.transitions(ROME, date(2011, 5, 1), date(2011, 9, 1)))
    with pytest.raises(CalendarError, match=r"offsets of Europe/Rome hold from 2011-04-28"):
        clocks.local(at("2011-10-01T00:00"), zone)
    last = zone.changes[-1][0]
    assert clocks.local(last, zone).isoformat() == "2011-09-04T02:00:00+02:00"
    with pytest.raises(CalendarError, match=r"not at 2011-09-04T00:00:00\.000001"):
        clocks.local(last + 1000, zone)
    with pytest.raises(CalendarError, match="write the archive again for a longer span"):
        clocks.day_bounds(date(2011, 3, 27), zone)


def test_frozen_zones_are_equal_by_value_and_can_be_copied() -> None:
    zone = frozen(ROME)
    again = FrozenZone(ROME, [list(change) for change in zone.changes])  # as JSON gives them
    assert again == zone
    assert hash(again) == hash(zone)
    assert zone != frozen("Asia/Tokyo")
    assert pickle.loads(pickle.dumps(zone)) == zone
    assert copy.deepcopy(zone) == zone
    assert clocks.local(START, zone).tzname() == ROME


@pytest.mark.parametrize("changes", [[], [(0, 3600)], [(5, 0), (5, 0)], [(5, 0), (1, 0)]])
def test_offsets_that_were_tampered_with_are_refused(changes: list[tuple[int, int]]) -> None:
    with pytest.raises(CalendarError, match="the written offsets of Europe/Rome are not two"):
        FrozenZone(ROME, changes)
