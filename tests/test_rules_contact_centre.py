"""Call centre: waiting, lost calls, response to an outage (readings F1 to F4)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from analysis.catalogue_rows import load_catalogue
from analysis.catalogue_types import PenaltyRow
from analysis.rules.contact_centre import (
    lost_share,
    markup_points,
    mean_wait_s,
    response_time,
    waiting_events,
)
from analysis.rules.penalty import charge
from analysis.rules.time_limits import Timetable
from inventory.calendars import WorkingDays
from inventory.clocks import utc_ns

ROME = "Europe/Rome"
ITALY = WorkingDays(
    "IT",
    frozenset({5, 6}),
    frozenset({date(2011, 6, 2), date(2011, 8, 15)}),
    date(2010, 1, 1),
    date(2013, 12, 31),
)
FIFTY = PenaltyRow({}, Decimal(50), "euro", "event", Decimal(1), "euro")
TEN_PERCENT = PenaltyRow({}, Decimal(10), "percent", "percent-point", Decimal(1), "waiting-time")


def at(text: str) -> int:
    return utc_ns(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ROME)))


def test_a_lost_call_is_a_waiting_event_too() -> None:
    assert waiting_events(late=7, lost=3) == 7
    with pytest.raises(ValueError, match="2 late calls are fewer than the 3"):
        waiting_events(late=2, lost=3)


@pytest.mark.parametrize(
    ("attempts", "lost", "points"),
    [
        (0, 0, 0),
        (10_000, 200, 0),  # 2 % is kept
        (10_000, 249, 0),  # 0.49 above
        (100_000, 2_495, 1),  # 0.495
        (10_000, 250, 1),
        (10_000, 349, 1),
        (10_000, 350, 2),
        (10_000, 460, 3),
    ],
)
def test_points_of_lost_calls_begin_above_two_percent(
    attempts: int, lost: int, points: int
) -> None:
    assert markup_points(lost_share(attempts, lost), Decimal(2), Decimal(1)) == points


def test_the_switch_for_bands_holds_for_lost_calls_too() -> None:
    assert markup_points(lost_share(100_000, 2_495), Decimal(2), Decimal(1), "R2") == 0


def test_the_markup_is_additive_on_the_waiting_penalty() -> None:
    waiting = charge(20, FIFTY, None)
    found = charge(3, TEN_PERCENT, waiting.euro)
    assert found.formula == "3 steps x 10 % x 1000.00 EUR = 300.00 EUR"
    assert waiting.euro + found.euro == 1000 * (1 + Decimal("0.10") * 3)


def test_without_late_calls_there_is_nothing_to_mark_up() -> None:
    assert charge(5, TEN_PERCENT, charge(0, FIFTY, None).euro).euro == 0


@pytest.mark.parametrize(
    ("responded", "late"), [("10:00:00", False), ("10:00:01", True), ("09:00:00", False)]
)
def test_sixty_minutes_of_response_are_in_time(responded: str, late: bool) -> None:
    found = response_time(
        at("2011-05-02 09:00"),
        at(f"2011-05-02 {responded}"),
        Timetable("extended", ROME, ITALY),
        Decimal(60),
    )
    assert (found.late, found.units, found.per) == (late, int(late), "event")


def test_response_time_passes_at_night_and_on_free_days() -> None:
    timetable = Timetable("extended", ROME, ITALY)
    found = response_time(at("2011-06-01 23:30"), at("2011-06-02 01:00"), timetable, Decimal(60))
    assert (found.measured, found.units) == (90, 1)


@pytest.mark.parametrize(("options", "euro"), [((), "100"), (("help-desk-on-site",), "300")])
def test_three_hundred_take_the_place_of_a_hundred_with_help_desk_on_site(
    options: tuple[str, ...], euro: str
) -> None:
    service = load_catalogue().service("call-center")
    assert service is not None
    parameter = next(p for p in service.parameters if p.id == "outage-response-time")
    row = parameter.penalty_for(options=options)
    assert row is not None
    assert charge(1, row, None).euro == Decimal(euro)


def test_the_mean_wait_is_weighed_by_calls() -> None:
    assert mean_wait_s(((Decimal(10), 30), (Decimal("40.5"), 10))) == Fraction("17.625")
    assert mean_wait_s(()) is None
    assert mean_wait_s(((Decimal(10), 0),)) is None
