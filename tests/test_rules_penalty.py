"""From steps to euro, and the sentence that says how (readings A4, G1, G3)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.catalogue_types import Basis, PenaltyRow, PenaltyUnit, Per
from analysis.rules.penalty import cents, charge, money, steps_of


def row(
    rate: str,
    per: Per = "percent-point",
    unit: PenaltyUnit = "percent",
    step: str = "0.1",
    basis: Basis = "pas",
) -> PenaltyRow:
    return PenaltyRow({}, Decimal(rate), unit, per, Decimal(step), basis)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0", "0.00"),
        ("0.004999999", "0.00"),
        ("0.005", "0.01"),
        ("0.015", "0.02"),  # half-even arithmetic and floats give 0.01 or 0.02 by luck
        ("0.025", "0.03"),
        ("1.005", "1.01"),
        ("2.675", "2.68"),
        ("72", "72.00"),
        ("123456789012345678901234567890.125", "123456789012345678901234567890.13"),
    ],
)
def test_half_a_cent_is_rounded_up(amount: str, expected: str) -> None:
    assert str(cents(Fraction(amount))) == expected


def test_a_negative_penalty_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        cents(Fraction(-1, 100))
    with pytest.raises(ValueError, match="cannot be charged"):
        charge(-1, row("0.2"), Decimal(1000))


@pytest.mark.parametrize(
    ("count", "rate", "per", "base", "formula"),
    [
        (3, "0.2", "percent-point", "12000.00", "3 steps x 0.2 % x 12000.00 EUR = 72.00 EUR"),
        (1, "0.8", "percent-point", "12000", "1 step x 0.8 % x 12000.00 EUR = 96.00 EUR"),
        (0, "0.5", "percent-point", "9000.00", "0 steps x 0.5 % x 9000.00 EUR = 0.00 EUR"),
        (5, "0.04", "hour", "1234.56", "5 hours x 0.04 % x 1234.56 EUR = 2.47 EUR"),
        (2, "0.01", "quarter-hour", "25000", "2 quarter hours x 0.01 % x 25000.00 EUR = 5.00 EUR"),
        (1, "0.02", "working-day", "100", "1 working day x 0.02 % x 100.00 EUR = 0.02 EUR"),
        (2, "1", "solar-day", "100.125", "2 solar days x 1 % x 100.125 EUR = 2.00 EUR"),
        (18, "0.1", "ms", "1000.00", "18 ms x 0.1 % x 1000.00 EUR = 18.00 EUR"),
    ],
)
def test_a_formula_has_all_its_numbers(
    count: int, rate: str, per: Per, base: str, formula: str
) -> None:
    found = charge(count, row(rate, per), Decimal(base))
    assert found.formula == formula
    assert found.percent == count * Fraction(rate)
    assert formula.endswith(f"= {found.euro} EUR")


def test_an_amount_in_euro_has_no_base() -> None:
    found = charge(3, row("50", "event", "euro", "1", "euro"), None)
    assert (found.percent, found.euro) == (None, Decimal("150.00"))
    assert found.formula == "3 events x 50.00 EUR = 150.00 EUR"
    assert not found.above_base


def test_a_percentage_without_its_base_is_refused() -> None:
    with pytest.raises(ValueError, match="percent of level"):
        charge(1, row("0.2", basis="level"), None)


def test_another_clock_than_the_row_s_is_named() -> None:
    found = charge(2, row("50", "working-day", "euro", "1", "euro"), None, "solar-day")
    assert found.formula == "2 solar days x 50.00 EUR = 100.00 EUR"


def test_there_is_no_cap_and_more_than_the_base_is_told() -> None:
    # L3 at 87.4 %: 12.5 points below 99.9.
    steps = steps_of(Fraction("12.5"), row("0.8"))
    assert steps == 125
    assert not charge(steps, row("0.8"), Decimal(1000)).above_base
    beyond = charge(steps + 1, row("0.8"), Decimal(1000))
    assert beyond.above_base
    assert beyond.euro == Decimal("1008.00")


def test_points_have_bands_and_milliseconds_have_none() -> None:
    assert steps_of(Fraction("0.0499"), row("0.2")) == 1
    assert steps_of(Fraction("0.0499"), row("0.2"), "R2") == 0
    assert steps_of(Fraction("1.999"), row("0.1", "ms", step="1"), "R2") == 1


def test_money_shows_cents_and_whatever_is_beyond_them() -> None:
    assert [money(Decimal(one)) for one in ("12000", "0.5", "0.125", "1E+3")] == [
        "12000.00",
        "0.50",
        "0.125",
        "1000.00",
    ]


@given(
    st.integers(0, 1000),
    st.integers(0, 50),
    st.decimals(0, 1, places=2),
    st.decimals(0, 10**6, places=2),
)
def test_more_steps_never_cost_less_and_the_cent_is_the_nearest(
    count: int, more: int, rate: Decimal, base: Decimal
) -> None:
    found = charge(count, row(str(rate)), base)
    exact = count * Fraction(rate) * Fraction(base) / 100
    assert -Fraction(1, 200) <= exact - Fraction(found.euro) < Fraction(1, 200)
    assert found.euro.as_tuple().exponent == -2
    assert charge(count + more, row(str(rate)), base).euro >= found.euro
