"""When trains become an alert: N of M, flapping, spoiled trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.catalogue_rows import load_catalogue
from incidents.detection import Bounds, Level, PathState, fold, level_of, take
from incidents.watched import Rules, rules_of, watched
from timeseries.records import DelayFigures

SECOND = 10**9


def turns_of(levels: str, bounds: Bounds | None = None) -> list[tuple[str, str, int]]:
    """`G`, `D`, `L` a second each -> (state, severity, at in seconds)."""
    state, found = PathState(), []
    for at, letter in enumerate(levels, 1):
        level = {"G": Level.GOOD, "D": Level.DEGRADED, "L": Level.LOST}[letter]
        state, turns = take("p", state, at * SECOND, level, bounds or Bounds())
        found += [(t.state, t.severity, t.at_ns // SECOND) for t in turns]
    return found


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ("GGLGGG", []),  # one lost train is none
        ("GGLL", [("raised", "blocking", 3)]),
        ("GLGL", [("raised", "blocking", 2)]),
        ("GLGGLGGL", []),  # never two of three
        ("LLGGLGG", [("raised", "blocking", 1)]),  # not good for long enough
        ("LLGGG", [("raised", "blocking", 1), ("cleared", "blocking", 3)]),
        ("DGDGD", [("raised", "non-blocking", 1)]),
        (
            "DDDLL",
            [
                ("raised", "non-blocking", 1),
                ("cleared", "non-blocking", 4),
                ("raised", "blocking", 4),
            ],
        ),
        ("LLDDD", [("raised", "blocking", 1)]),  # it is not over while it is degraded
    ],
)
def test_an_alert_needs_n_of_m_and_ends_after_so_many_good_trains(
    levels: str, expected: list[tuple[str, str, int]]
) -> None:
    assert turns_of(levels) == expected


@given(st.text("GDL", max_size=60))
def test_what_is_raised_is_cleared_before_it_is_raised_again(levels: str) -> None:
    raised = False
    for state, _, _ in turns_of(levels):
        assert (state == "raised") is not raised
        raised = not raised


@given(st.text("GDL", min_size=1, max_size=40), st.integers(0, 40))
def test_it_does_not_matter_how_often_the_store_is_looked_at(
    incident_trains: Any, levels: str, cut: int
) -> None:
    trains = [incident_trains.train("p", i * SECOND, letter) for i, letter in enumerate(levels, 1)]
    whole, at_once = fold("p", PathState(), trains, Bounds())
    half, first = fold("p", PathState(), trains[:cut], Bounds())
    # A second look sees some of the first again.
    rest, then = fold("p", half, trains, Bounds())
    assert (rest, first + then) == (whole, at_once)


def test_a_train_that_the_agent_spoiled_says_nothing(incident_trains: Any) -> None:
    spoiled = incident_trains.train("p", 1, "L", valid=False, reasons=("overrun",))
    assert level_of(spoiled, Bounds()) is None


def test_a_train_that_the_kernel_refused_to_send_is_lost(incident_trains: Any) -> None:
    make: Callable[..., Any] = incident_trains.train
    gone = make("p", 1, "L", sent=0, valid=False, send_errors=(("ENETUNREACH", 10),))
    full = make("p", 1, "L", sent=0, valid=False, send_errors=(("ENOBUFS", 10),))
    assert (level_of(gone, Bounds()), level_of(full, Bounds())) == (Level.LOST, None)


def test_more_of_m_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="at most M"):
        Bounds(lost=(4, 3))


LIMITS = Bounds(loss_limit=Fraction(1), beyond_percent=Fraction(5), jitter_ns=20_000_000)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"received": 9, "lost": 1}, Level.GOOD),  # one packet of ten says nothing of 1 %
        ({"received": 8, "lost": 2}, Level.DEGRADED),
        ({"sent": 1, "received": 0, "lost": 1}, Level.LOST),
        ({"rtt": DelayFigures(within_limit=9, histogram=((0, 9), (9, 1)))}, Level.GOOD),
        ({"rtt": DelayFigures(within_limit=8, histogram=((0, 8), (9, 2)))}, Level.DEGRADED),
        ({"rtt": DelayFigures(within_limit=0, histogram=((9, 1),))}, Level.DEGRADED),
        ({"rtt": DelayFigures(within_limit=None, histogram=((9, 10),))}, Level.GOOD),
        ({"rtt": DelayFigures(ipdv_mean_ns=20_000_000)}, Level.GOOD),
        ({"rtt": DelayFigures(ipdv_mean_ns=20_000_001)}, Level.DEGRADED),
    ],
)
def test_a_train_beyond_a_limit_of_the_contract_is_degraded(
    incident_trains: Any, more: dict[str, Any], expected: Level
) -> None:
    good = incident_trains.train("p", 1, "G")
    train = replace(good, **more)
    assert level_of(train, LIMITS) is expected
    if "rtt" in more:
        assert level_of(train, Bounds()) is Level.GOOD


def test_one_way_delays_are_held_against_a_one_way_limit_where_the_clocks_allow_it(
    incident_trains: Any,
) -> None:
    good, slow = (DelayFigures(within_limit=n, histogram=((9, 10),)) for n in (10, 5))
    train = incident_trains.train(
        "p", 1, "G", limit_on="one-way", forward=good, backward=slow, one_way_judged=True
    )
    assert level_of(train, LIMITS) is Level.DEGRADED
    assert level_of(replace(train, one_way_judged=False), LIMITS) is Level.GOOD


def test_the_watch_judges_by_the_configuration_and_the_limits_of_the_profile(
    incident_trains: Any,
) -> None:
    said = {"lost": [3, 4], "loss_percent": "30", "good": 2, "silent_after": 4, "backlog": "1m"}
    configuration = incident_trains.configuration(1, {}, incident={"detection": said})
    rules = rules_of(configuration)
    assert rules.bounds == Bounds(loss_percent=Fraction(30), lost=(3, 4), clear_after=2)
    assert (rules.patience.intervals, rules.patience.settle_ns) == (4, 60 * SECOND)

    catalogue = load_catalogue()
    limits = catalogue.limits_for("ip-base", "high", None)
    assert limits.delay_share_percent is not None
    assert limits.loss_percent is not None
    bounds = watched(configuration, rules, catalogue)["p0/x"].bounds
    assert bounds.beyond_percent == 100 - Fraction(limits.delay_share_percent)
    assert bounds.loss_limit == Fraction(limits.loss_percent)
    assert (bounds.lost, bounds.loss_percent) == ((3, 4), 30)

    without = incident_trains.configuration(1, {}, incident={"detection": {"limits": False}})
    assert watched(without, rules, catalogue)["p0/x"].bounds == rules.bounds


def test_what_nothing_configures_is_as_the_rules_are_by_themselves(incident_trains: Any) -> None:
    assert rules_of(incident_trains.configuration(1, {})) == Rules()
