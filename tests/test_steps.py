"""Penalty steps: the table of the contract's readings A1 to A4, and its traps for floats."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.steps import THRESHOLDS, completed_steps, percentage_steps

RULE = """
5    2.49 0    2.495 1   2.50 1   7.49 1   7.50 2   12.6 3
1    0.49 0    0.495 1   0.50 1   1.49 1   1.50 2   2.6 3
0.5  0.249 0   0.2495 1  0.250 1  0.749 1  0.750 2  1.26 3
0.1  0.049 0   0.0495 1  0.050 1  0.149 1  0.150 2  0.285 3
0.05 0.0249 0  0.02495 1 0.0250 1 0.0749 1 0.0750 2 0.126 3
"""
"""Step, then (deviation, steps) as reading R1 has them."""


def _rows() -> list[tuple[str, str, int]]:
    rows = []
    for line in RULE.split("\n"):
        step, *pairs = line.split() or [""]
        rows += [(step, pairs[n], int(pairs[n + 1])) for n in range(0, len(pairs), 2)]
    return rows


@pytest.mark.parametrize(("step", "deviation", "steps"), _rows())
def test_a_deviation_is_its_whole_steps_and_one_more_above_the_printed_threshold(
    step: str, deviation: str, steps: int
) -> None:
    assert percentage_steps(Fraction(deviation), Decimal(step)) == steps


def test_the_table_has_every_row_of_the_readings() -> None:
    assert len(_rows()) == 30


@pytest.mark.parametrize(
    ("limit", "measured", "step", "steps"),
    [
        ("97", "96.95", "0.1", 1),
        ("99", "98.95", "0.1", 1),
        ("99.5", "99.45", "0.1", 1),
        ("99.9", "99.85", "0.1", 1),
        ("99", "98.75", "0.5", 1),
        ("0.15", "0.1", "0.1", 1),
        ("1.15", "1", "0.1", 2),
        ("0.25", "0.1", "0.1", 2),
    ],
)
def test_a_tie_that_floats_would_lose_counts_as_it_stands_in_the_contract(
    limit: str, measured: str, step: str, steps: int
) -> None:
    assert percentage_steps(Fraction(limit) - Fraction(measured), Decimal(step)) == steps


def test_a_favourable_deviation_is_no_step_and_no_credit() -> None:
    assert percentage_steps(Fraction(-3), Decimal("0.5")) == 0
    assert percentage_steps(Fraction(0), Decimal("0.5")) == 0
    assert completed_steps(Fraction(-3), Decimal(1)) == 0


def test_a_step_without_a_band_is_refused() -> None:
    with pytest.raises(ValueError, match="no rounding band for steps of 2 %"):
        percentage_steps(Fraction(3), Decimal(2))


def test_the_same_step_written_otherwise_is_the_same_step() -> None:
    assert percentage_steps(Fraction("0.26"), Decimal("0.50")) == 1


@pytest.mark.parametrize(
    ("excess", "steps"), [("0", 0), ("0.999999", 0), ("1", 1), ("1.999", 1), ("18.05", 18)]
)
def test_milliseconds_count_when_they_are_completed(excess: str, steps: int) -> None:
    assert completed_steps(Fraction(excess), Decimal(1)) == steps


def test_a_step_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        completed_steps(Fraction(1), Decimal(0))


@given(
    st.fractions(min_value=0, max_value=100, max_denominator=10**6),
    st.fractions(min_value=0, max_value=5, max_denominator=10**6),
    st.sampled_from(list(THRESHOLDS)),
)
def test_more_deviation_is_never_fewer_steps_and_a_whole_step_is_one_more(
    deviation: Fraction, more: Fraction, step: Decimal
) -> None:
    steps = percentage_steps(deviation, step)
    assert percentage_steps(deviation + more, step) >= steps
    if deviation > 0:
        assert percentage_steps(deviation + Fraction(step), step) == steps + 1
