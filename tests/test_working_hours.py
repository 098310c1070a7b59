"""Classes of hours: tables, holidays, duty days, clock changes (procedure, 5.2.2.2)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.errors import IncidentError
from incidents.working_hours import Rota
from inventory.calendars import WorkingDays
from inventory.clocks import utc_ns
from inventory.operations import Escalation

PARIS = ZoneInfo("Europe/Paris")
HOUR = 3_600 * 10**9
CHRISTMAS = date(2026, 12, 25)


def rota(zone: str = "Europe/Paris", **keys: Any) -> Rota:
    table = Escalation.model_validate(keys)
    calendar = WorkingDays(
        "FR", frozenset({5, 6}), frozenset({CHRISTMAS}), date(2025, 1, 1), date(2028, 12, 31)
    )
    return Rota(
        ZoneInfo(zone), table.working, table.other, frozenset(table.duty_days), table.duty_opens,
        table.duty_closes, calendar,
        {"working": table.working_wait_ns, "other": table.other_wait_ns},
    )  # fmt: skip


def at(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return utc_ns(moment if moment.tzinfo else moment.replace(tzinfo=PARIS))


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        ("2026-11-23T08:59:59", None),
        ("2026-11-23T09:00:00", "working"),
        ("2026-11-23T17:29:59", "working"),
        ("2026-11-23T17:30:00", "other"),
        ("2026-11-23T19:59:59", "other"),
        ("2026-11-23T20:00:00", None),
        ("2026-11-28T12:00:00", "working"),  # Saturday
        ("2026-11-29T12:00:00", None),  # Sunday, no duty day
        ("2026-12-25T12:00:00", None),  # a Friday, but a holiday
    ],
)
def test_the_procedure_s_hours_are_the_default(moment: str, hours: str | None) -> None:
    assert rota().class_at(at(moment)) == hours


@pytest.mark.parametrize(
    ("days", "moment", "hours"),
    [
        (["sun"], "2026-11-29T08:00:00", "other"),
        (["sun"], "2026-11-29T19:59:59", "other"),
        (["sun"], "2026-11-29T20:00:00", None),
        (["holiday"], "2026-12-25T10:00:00", "other"),
        (["2026-12-25"], "2026-12-25T10:00:00", "other"),
        (["sun"], "2026-12-25T10:00:00", None),
        # On a working day duty adds the morning; working hours stay working hours.
        (["2026-11-23"], "2026-11-23T08:30:00", "other"),
        (["2026-11-23"], "2026-11-23T10:00:00", "working"),
        (["2026-11-23"], "2026-11-23T18:00:00", "other"),
    ],
)
def test_duty_days_have_other_hours_from_8_to_20(
    days: list[str], moment: str, hours: str | None
) -> None:
    assert rota(duty_days=days).class_at(at(moment)) == hours


def test_time_stands_still_outside_and_ends_at_a_close() -> None:
    saturday = at("2026-11-28T19:00:00")
    assert rota().after(saturday, HOUR) == at("2026-11-28T20:00:00")
    assert rota().after(saturday, HOUR + 10**9) == at("2026-11-30T09:00:01")
    assert rota(duty_days=["sun"]).after(saturday, 2 * HOUR) == at("2026-11-29T09:00:00")


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-14", 24)],
)
def test_a_day_of_a_clock_change_is_as_long_as_it_is(day: str, hours: int) -> None:
    whole = {"days": ["sun"], "opens": "00:00", "closes": "24:00"}
    (opening,) = rota(other=[whole]).of_day(date.fromisoformat(day))
    assert opening.end_ns - opening.begin_ns == hours * HOUR


def test_hours_that_are_never_are_refused_with_the_remedy() -> None:
    with pytest.raises(IncidentError, match="write working, other or duty_days"):
        rota(working=[], other=[]).next_opening(at("2026-11-23T09:00:00"))


ZONES = st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
INSTANTS = st.integers(at("2026-01-01T00:00:00"), at("2027-06-01T00:00:00"))


@given(ZONES, INSTANTS, st.integers(0, 60 * HOUR), st.integers(0, 60 * HOUR))
def test_waits_add_up(zone: str, begin: int, first: int, second: int) -> None:
    table = rota(zone, duty_days=["sun"])
    assert table.after(table.after(begin, first), second) == table.after(begin, first + second)


@given(ZONES, INSTANTS, st.integers(1, 30 * HOUR))
def test_a_wait_is_as_long_as_the_hours_it_runs_in(zone: str, begin: int, wait: int) -> None:
    table = rota(zone, duty_days=["holiday"])
    end, at_ns, passed = table.after(begin, wait), begin, 0
    while at_ns < end:
        opening = table.next_opening(at_ns)
        passed += max(0, min(end, opening.end_ns) - max(at_ns, opening.begin_ns))
        at_ns = opening.end_ns
    assert passed == wait
    assert table.class_at(end - 1) is not None
