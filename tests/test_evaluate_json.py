"""Numbers for machines: exact where a decimal has an end, else cut off, never through a float."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evaluation.packets import in_words
from analysis.evaluation.result_json import DIGITS, decimal_text, optional_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(99), "99"),
        (Fraction(1, 8), "0.125"),
        (Fraction("98.75"), "98.75"),
        (Fraction(1, 3), "0." + 20 * "3"),
        (Fraction(200, 3), "66." + 20 * "6"),
        (Fraction(-1, 3), "-0." + 20 * "3"),
        (Fraction(1, 10**30), "0." + 29 * "0" + "1"),
        (Fraction(10**40 + 1, 2), "5" + 39 * "0" + ".5"),
        (Decimal("12000.00"), "12000.00"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_a_number_is_written_as_a_plain_decimal(value, text):
    assert decimal_text(value) == text


def test_nothing_stays_nothing():
    assert optional_text(None) is None


@given(st.fractions(max_denominator=10**9))
def test_a_decimal_is_exact_or_less_than_its_last_place_off(value):
    text = decimal_text(value)
    off = abs(value) - abs(Fraction(text))
    assert 0 <= off < Fraction(1, 10**DIGITS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(5), "5"),
        (Fraction("0.25"), "0.25"),
        (Fraction(2, 3), "~0.6666"),
        (Fraction(100), "100"),
        (Fraction(1, 10**6), "~0"),
    ],
)
def test_a_figure_in_words_says_when_it_is_cut(value, text):
    assert in_words(value) == text
