"""From steps to euro: steps x rate x base, exact until the last line is rounded to the cent (G3).

There is no cap (reading G1), lines add up and never compound (reading C13). `base` is the fee of
four months that the row's basis names (line 126 with each section's "valore"; readings G2, C11,
E2): the PAS, both PAS of a pair (D6), all PAS of a level or of the service, or the service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from analysis.catalogue_types import PenaltyRow, Per
from analysis.steps import completed_steps, percentage_steps

_NOUNS: Mapping[Per, str] = {
    "percent-point": "step",
    "ms": "ms",
    "hour": "hour",
    "quarter-hour": "quarter hour",
    "working-day": "working day",
    "solar-day": "solar day",
    "event": "event",
}


@dataclass(frozen=True, slots=True)
class Charge:
    """One penalty and how it comes about."""

    percent: Fraction | None
    """Of the base; None where the annex names euro."""
    euro: Decimal
    """To the cent."""
    formula: str
    """With its numbers, as `3 steps x 0.2 % x 12000.00 EUR = 72.00 EUR`."""

    @property
    def above_base(self) -> bool:
        """Whether it exceeds 100 % of its base, which the annex does not forbid (reading G1)."""
        return self.percent is not None and self.percent > 100


def cents(amount: Fraction) -> Decimal:
    """An amount in euro to the cent, half a cent up (reading G3). Not for negative amounts."""
    if amount < 0:
        raise ValueError(f"a penalty of {amount} EUR is negative")
    whole, rest = divmod((200 * amount + 1) // 2, 100)
    return Decimal(f"{whole}.{rest:02}")


def steps_of(deviation: Fraction, row: PenaltyRow, reading_a2: str = "R1") -> int:
    """Steps of a deviation under a row: percentages with line 125, the rest when completed (D5)."""
    if row.per == "percent-point":
        return percentage_steps(deviation, row.step, reading_a2)
    return completed_steps(deviation, row.step)


def charge(count: int, row: PenaltyRow, base: Decimal | None, per: Per | None = None) -> Charge:
    """What so many steps, hours, days or events cost under a row of the catalogue.

    `base` in EUR for four months; None where the row names euro. Raises ValueError for a count
    below 0 and where a base is needed and missing. A row whose basis is another penalty
    (`waiting-time`) takes that penalty's euro as its base. `per` is what was counted where a switch
    has it otherwise than the row (reading F8).
    """
    if count < 0:
        raise ValueError(f"{count} steps cannot be charged")
    noun = _NOUNS[per or row.per]
    times = f"{count} {noun}{'' if count == 1 or noun == 'ms' else 's'}"
    if row.unit == "euro":
        euro = cents(count * Fraction(row.rate))
        return Charge(None, euro, f"{times} x {money(row.rate)} EUR = {money(euro)} EUR")
    if base is None:
        raise ValueError(f"a penalty in percent of {row.basis} needs that base")
    percent = count * Fraction(row.rate)
    euro = cents(percent * Fraction(base) / 100)
    return Charge(
        percent,
        euro,
        f"{times} x {_plain(row.rate)} % x {money(base)} EUR = {money(euro)} EUR",
    )


def money(amount: Decimal) -> str:
    """An amount with at least two decimals, and with all that it has."""
    whole, _, decimals = _plain(amount).partition(".")
    return f"{whole}.{decimals:0<2}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
