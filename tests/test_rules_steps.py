"""Penalty steps under each value of switch A2, and the room until the next one."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.steps import (
    THRESHOLDS,
    completed_steps,
    percentage_steps,
    room_completed,
    room_percentage,
)

RULE = """
5    2.49    0 0 0
5    2.495   1 0 1
5    2.50    1 1 1
5    7.49    1 1 1
5    7.50    2 2 2
5    12.6    3 3 3
1    0.49    0 0 0
1    0.495   1 0 1
1    0.50    1 1 1
1    1.49    1 1 1
1    1.50    2 2 2
1    2.6     3 3 3
0.5  0.249   0 0 0
0.5  0.2495  1 0 1
0.5  0.250   1 1 1
0.5  0.749   1 1 1
0.5  0.750   2 2 2
0.5  1.26    3 3 3
0.1  0.049   0 0 0
0.1  0.0495  1 0 1
0.1  0.050   1 1 1
0.1  0.149   1 1 1
0.1  0.150   2 2 2
0.1  0.285   3 3 3
0.05 0.0249  0 0 0
0.05 0.02495 1 0 1
0.05 0.0250  1 1 1
0.05 0.0749  1 1 1
0.05 0.0750  2 2 2
0.05 0.126   3 3 3
"""
"""Step, deviation, steps by R1, R2, R6 (reading A2)."""
ROWS = [line.split() for line in RULE.split("\n") if line]
SWITCHES = ("R1", "R2", "R6")

DEVIATIONS = st.fractions(min_value=-5, max_value=100, max_denominator=10**6)
STEPS = st.sampled_from(list(THRESHOLDS))
READINGS = st.sampled_from(SWITCHES)


@pytest.mark.parametrize(
    ("reading", "step", "deviation", "steps"),
    [
        (reading, step, deviation, int(steps[place]))
        for step, deviation, *steps in ROWS
        for place, reading in enumerate(SWITCHES)
    ],
)
def test_each_reading_of_a2_cuts_where_its_column_says(
    reading: str, step: str, deviation: str, steps: int
) -> None:
    assert percentage_steps(Fraction(deviation), Decimal(step), reading) == steps


def test_the_three_readings_differ_between_the_printed_bound_and_half_a_step() -> None:
    def steps(deviation: str) -> tuple[int, ...]:
        return tuple(percentage_steps(Fraction(deviation), Decimal("0.5"), r) for r in SWITCHES)

    assert steps("0.2494999999") == (1, 0, 0)
    assert steps("0.2495") == (1, 0, 1)
    assert steps("0.2499999999") == (1, 0, 1)
    assert steps("0.24900000001") == (1, 0, 0)


def test_an_unknown_reading_is_refused() -> None:
    with pytest.raises(ValueError, match="only R1, R2, R6"):
        percentage_steps(Fraction(1), Decimal(1), "R3")


@pytest.mark.parametrize(
    ("reading", "deviation", "room"),
    [
        ("R1", "0", "0.049"),
        ("R1", "-0.4", "0.449"),  # 0.4 points better than the limit
        ("R1", "0.049", "0"),
        ("R1", "0.05", "0.099"),
        ("R2", "0", "0.05"),
        ("R2", "0.05", "0.1"),
        ("R6", "0", "0.0495"),
        ("R6", "0.15", "0.0995"),
    ],
)
def test_the_room_is_what_is_left_until_the_next_step(
    reading: str, deviation: str, room: str
) -> None:
    assert room_percentage(Fraction(deviation), Decimal("0.1"), reading) == Fraction(room)


@given(DEVIATIONS, STEPS, READINGS)
def test_growth_within_the_room_is_free_and_beyond_it_costs_a_step(
    deviation: Fraction, step: Decimal, reading: str
) -> None:
    steps = percentage_steps(deviation, step, reading)
    room = room_percentage(deviation, step, reading)
    little = Fraction(1, 10**12)
    assert room >= 0
    if room > little:
        assert percentage_steps(deviation + room - little, step, reading) == steps
    assert percentage_steps(deviation + room + little, step, reading) == steps + 1
    assert percentage_steps(deviation + room, step, reading) == steps + (reading != "R1")


@given(st.fractions(min_value=-50, max_value=500), st.sampled_from([Decimal(1), Decimal("0.5")]))
def test_the_room_of_completed_steps_ends_at_the_next_whole_one(
    excess: Fraction, step: Decimal
) -> None:
    room = room_completed(excess, step)
    assert room > 0
    assert completed_steps(excess + room, step) == completed_steps(excess, step) + 1
    assert completed_steps(excess + room / 2, step) == completed_steps(excess, step)


@given(DEVIATIONS, st.fractions(min_value=0, max_value=5), STEPS, READINGS)
def test_more_deviation_is_never_fewer_steps_under_any_reading(
    deviation: Fraction, more: Fraction, step: Decimal, reading: str
) -> None:
    assert percentage_steps(deviation + more, step, reading) >= percentage_steps(
        deviation, step, reading
    )
