"""How many penalty steps a deviation comes to, in exact arithmetic (annex, line 125).

Percentages have the annex's rounding bands (readings A1 to A4): the whole steps of the deviation,
and one more where what is left exceeds the printed threshold (R1), reaches half a step (R2), or
exceeds the threshold once the deviation is rounded to as many decimals (R6); A2 is the switch.
Milliseconds, hours and days have no rounding rule: there a step counts when it is completed
(readings B3 and D5). A deviation to the favourable side is no step and no credit.
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


def percentage_steps(deviation: Fraction, step: Decimal, reading_a2: str = "R1") -> int:
    """Steps of a deviation in percentage points, on its exact value.

    `reading_a2`: `R1`, `R2` or `R6` (reading A2). Raises ValueError for another one, and for a step
    that the annex has no band for.
    """
    threshold = _threshold(step)
    if reading_a2 not in ("R1", "R2", "R6"):
        raise ValueError(f"reading A2 has no {reading_a2!r}: only R1, R2, R6")
    if deviation <= 0:
        return 0
    if reading_a2 == "R6":
        deviation = _half_up(deviation, threshold)
    whole = deviation // Fraction(step)
    residual = deviation - whole * Fraction(step)
    if reading_a2 == "R2":
        return whole + (1 if 2 * residual >= Fraction(step) else 0)
    return whole + (1 if residual > Fraction(threshold) else 0)


def completed_steps(excess: Fraction, step: Decimal) -> int:
    """Steps of an excess that are complete; `step` is in the unit of the excess and above 0."""
    if step <= 0:
        raise ValueError(f"a step of {step} is none: it must be above 0")
    return max(0, excess // Fraction(step))


def room_percentage(deviation: Fraction, step: Decimal, reading_a2: str = "R1") -> Fraction:
    """Percentage points that a deviation can still grow by before it costs one step more.

    `deviation` is negative where the figure is better than its limit. With R1 growth by exactly the
    room still costs nothing more, with R2 and R6 it does.
    """
    threshold = _threshold(step)
    steps = percentage_steps(deviation, step, reading_a2)
    edge = {
        "R1": Fraction(threshold),
        "R2": Fraction(step) / 2,
        "R6": Fraction(threshold) + _unit(threshold) / 2,
    }[reading_a2]
    return steps * Fraction(step) + edge - deviation


def room_completed(excess: Fraction, step: Decimal) -> Fraction:
    """How much an excess can still grow before it costs one step more; growth by that much does.

    `excess` is negative where the figure is better than its limit.
    """
    return (completed_steps(excess, step) + 1) * Fraction(step) - excess


def _threshold(step: Decimal) -> Decimal:
    threshold = next((band for known, band in THRESHOLDS.items() if known == step), None)
    if threshold is None:
        known = ", ".join(str(one) for one in THRESHOLDS)
        raise ValueError(f"line 125 has no rounding band for steps of {step} %: only for {known}")
    return threshold


def _unit(threshold: Decimal) -> Fraction:
    """One in the last decimal that the annex prints."""
    return Fraction(Decimal(1).scaleb(int(threshold.as_tuple().exponent)))


def _half_up(deviation: Fraction, threshold: Decimal) -> Fraction:
    unit = _unit(threshold)
    return (2 * deviation / unit + 1) // 2 * unit
