"""Escalation with a virtual clock, to the second (procedure, 1.4 and annex 2)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from incidents.escalation import audience, next_step, timeline, wait_from
from incidents.working_hours import Rota
from inventory.calendars import WorkingDays
from inventory.clocks import local, utc_ns
from inventory.operations import Contact, Escalation

PARIS = ZoneInfo("Europe/Paris")


def rota(**keys: Any) -> Rota:
    table = Escalation.model_validate(keys)
    calendar = WorkingDays("FR", frozenset(), frozenset(), date(2025, 1, 1), date(2028, 12, 31))
    return Rota(
        PARIS, table.working, table.other, frozenset(table.duty_days), table.duty_opens,
        table.duty_closes, calendar,
        {"working": table.working_wait_ns, "other": table.other_wait_ns},
    )  # fmt: skip


def contact(level: int, role: str, **keys: Any) -> Contact:
    return Contact(party="operator", level=level, role=role, **keys)


OPERATOR = (
    contact(1, "ROC", to=("roc@example.net",), hours="working"),
    contact(1, "Call Center", phones=("+33 1 00 00 00 00",), hours="other"),
    contact(2, "Responsable Service Client", to=("rsc@example.net",)),
    contact(3, "Directeur des Opérations & SI", to=("dosi@example.net",)),
    contact(4, "Directeur Général", to=("dg@example.net",)),
)


def at(text: str) -> int:
    return utc_ns(datetime.fromisoformat(text).replace(tzinfo=PARIS))


def told(opened: str, rota_: Rota | None = None, **keys: Any) -> list[tuple[int, str, str]]:
    steps = timeline(at(opened), OPERATOR, "operator", rota_ or rota(), **keys)
    return [
        (s.level, local(s.at_ns, PARIS).strftime("%d %H:%M:%S"), s.contacts[0].role) for s in steps
    ]


@pytest.mark.parametrize(
    ("opened", "instants"),
    [
        # Working: 30 minutes each.
        ("2026-11-23T09:00:00", ["23 09:00:00", "23 09:30:00", "23 10:00:00", "23 10:30:00"]),
        # Opened in working hours: 30 min of elapsed time over 17:30; from there on 1 h 30.
        ("2026-11-23T17:15:07", ["23 17:15:07", "23 17:45:07", "23 19:15:07", "24 09:45:07"]),
        # The last second of the working hours, and the first one after them.
        ("2026-11-23T17:29:59", ["23 17:29:59", "23 17:59:59", "23 19:29:59", "24 09:59:59"]),
        ("2026-11-23T17:30:00", ["23 17:30:00", "23 19:00:00", "24 09:30:00", "24 10:00:00"]),
        # It runs out exactly at the close, in the hours that close.
        ("2026-11-23T18:30:00", ["23 18:30:00", "23 20:00:00", "24 09:30:00", "24 10:00:00"]),
        # Outside of both it stands still, and the opening it waits for sets the class.
        ("2026-11-23T03:00:00", ["23 03:00:00", "23 09:30:00", "23 10:00:00", "23 10:30:00"]),
        # Saturday evening to Monday.
        ("2026-11-28T19:45:00", ["28 19:45:00", "30 10:15:00", "30 10:45:00", "30 11:15:00"]),
    ],
)
def test_each_level_is_told_to_the_second(opened: str, instants: list[str]) -> None:
    assert [(level, when) for level, when, _ in told(opened)] == list(enumerate(instants, 1))


def test_on_a_duty_sunday_the_wait_is_an_hour_and_a_half() -> None:
    steps = told("2026-11-29T08:00:00", rota(duty_days=["sun"]))
    assert [when for _, when, _ in steps] == [
        "29 08:00:00", "29 09:30:00", "29 11:00:00", "29 12:30:00",
    ]  # fmt: skip
    assert steps[0][2] == "Call Center"


def test_before_a_duty_sunday_the_class_is_that_of_its_opening() -> None:
    table = rota(duty_days=["sun"])
    wait = wait_from(at("2026-11-29T02:00:00"), table)
    assert (wait.hours, wait.due_ns) == ("other", at("2026-11-29T09:30:00"))


def whole_days() -> Rota:
    every = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    return rota(working=[], other=[{"days": every, "opens": "00:00", "closes": "24:00"}])


def test_a_wait_over_the_night_of_summer_time_is_elapsed_time() -> None:
    # 01:45 CET + 1 h 30 is 04:15 CEST: 02:00 to 03:00 does not exist that night.
    assert [when for _, when, _ in told("2026-03-29T01:45:00", whole_days())][:2] == [
        "29 01:45:00", "29 04:15:00",
    ]  # fmt: skip


def test_a_wait_over_the_night_of_winter_time_is_elapsed_time() -> None:
    # 02:15 CEST + 1 h 30 is 02:45 CET, for 02:00 to 03:00 comes twice.
    steps = timeline(at("2026-10-25T02:15:00"), OPERATOR, "operator", whole_days())
    assert local(steps[1].at_ns, PARIS).isoformat() == "2026-10-25T02:45:00+01:00"


def test_a_wait_from_before_a_change_ends_by_the_new_clock() -> None:
    # Saturday 19:30 + 30 min of other hours; the rest on Monday, after the change of Sunday.
    assert told("2026-03-28T19:30:00")[1][1] == "30 10:00:00"


def test_an_acknowledgement_stops_it() -> None:
    assert len(told("2026-11-23T09:00:00", acknowledged_ns=at("2026-11-23T09:59:59"))) == 2
    assert len(told("2026-11-23T09:00:00", acknowledged_ns=at("2026-11-23T10:00:00"))) == 2
    assert len(told("2026-11-23T09:00:00", acknowledged_ns=at("2026-11-23T10:00:01"))) == 3


def test_a_step_that_was_late_makes_the_next_one_later() -> None:
    late = at("2026-11-23T11:00:00")  # level 2 was due at 09:30, the desk was down
    assert next_step(2, late, OPERATOR, "operator", rota()) == (3, at("2026-11-23T11:30:00"))


def test_above_the_last_level_there_is_nobody() -> None:
    assert next_step(4, at("2026-11-23T11:00:00"), OPERATOR, "operator", rota()) is None


def test_the_first_level_depends_on_the_hours() -> None:
    roles = [
        [c.role for c in audience(OPERATOR, "operator", 1, hours)] for hours in ("working", "other")
    ]  # fmt: skip
    assert roles == [["ROC"], ["Call Center"]]


def test_a_level_without_anybody_for_these_hours_is_told_all_the_same() -> None:
    only = (contact(1, "ROC", hours="working"),)
    assert audience(only, "operator", 1, "other") == only
