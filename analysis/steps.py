"""How many penalty steps a deviation comes to, in exact arithmetic (annex, line 125).

Percentages have the annex's rounding bands (readings A1 to A4): the whole steps of the deviation,
and one more where what is left exceeds the printed threshold. Milliseconds, hours and days have no
rounding rule: there a step counts when it is completed (readings B3 and D5). A deviation to the
favourable side is no step and no credit.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

THRESHOLDS: Mapping[Decimal, Decimal] = {
    Decimal("5"): Decimal("2.49"),
    Decimal("1"): Decimal("0.49"),
    Decimal("0.5"): Decimal("0.249"),
    Decimal("0.1"): Decimal("0.049"),
    Decimal("0.05"): Decimal("0.0249"),
}
"""Step in percentage points -> the residual up to which nothing is added, that included."""


def percentage_steps(deviation: Fraction, step: Decimal) -> int:
    """Steps of a deviation in percentage points, on its exact value.

    Raises ValueError for a step that the annex has no band for.
    """
    threshold = next((band for known, band in THRESHOLDS.items() if known == step), None)
    if threshold is None:
        known = ", ".join(str(one) for one in THRESHOLDS)
        raise ValueError(f"line 125 has no rounding band for steps of {step} %: only for {known}")
    if deviation <= 0:
        return 0
    whole = deviation // Fraction(step)
    residual = deviation - whole * Fraction(step)
    return whole + (1 if residual > Fraction(threshold) else 0)


def completed_steps(excess: Fraction, step: Decimal) -> int:
    """Steps of an excess that are complete; `step` is in the unit of the excess and above 0."""
    if step <= 0:
        raise ValueError(f"a step of {step} is none: it must be above 0")
    return max(0, excess // Fraction(step))
