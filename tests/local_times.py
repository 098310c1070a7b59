"""Zones with odd clocks, delivery windows, a calendar, and moments of 2011."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from inventory import clocks
from inventory.calendars import WorkingDays
from inventory.clocks import HOUR_NS
from inventory.services import Window

ROME = "Europe/Rome"
ZONES = [
    ROME,
    "Asia/Tokyo",
    "Asia/Kolkata",  # +05:30
    "Asia/Kathmandu",  # +05:45
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Chatham",  # +12:45
    "America/Buenos_Aires",
    "America/Sao_Paulo",  # summer time began at midnight: 16 October 2011 at 01:00
    "Asia/Amman",  # back from 01:00 to midnight, 28 October 2011
    "Pacific/Apia",  # leapt over 30 December 2011
    "America/New_York",
]
ODD_ZONES = [*ZONES, "America/St_Johns"]  # until 2011 back from 00:01 to 23:01 of the day before
WINDOWS: list[Window] = ["normal", "extended"]

START = clocks.utc_ns(datetime(2011, 1, 3, tzinfo=UTC))
YEAR_NS = 362 * 24 * HOUR_NS
INSTANTS = st.integers(START, START + YEAR_NS)
CALENDAR = WorkingDays(
    "IT",
    frozenset({5, 6}),
    frozenset({date(2011, 6, 2), date(2011, 4, 25), date(2011, 11, 1)}),
    date(2010, 1, 1),
    date(2013, 12, 31),
)
CALENDARS = st.sampled_from([None, CALENDAR])


def at(text: str, zone: str = ROME) -> int:
    """Nanoseconds of a local time; fold 0."""
    return clocks.utc_ns(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))
