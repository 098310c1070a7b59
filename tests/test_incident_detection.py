"""When trains become an alert: N of M, flapping, spoiled trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.detection import Bounds, Level, PathState, fold, level_of, take

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
