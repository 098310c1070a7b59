"""A result for machines: the keys are fixed, numbers are decimal strings."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from analysis.lines import Line, Outlook, Result, Warning  # noqa: A004 (the contract's word)

DIGITS = 20
"""Decimals of a number that has no end as a decimal, as a third; what is beyond is cut off."""


def result_object(result: Result) -> dict[str, Any]:
    """As `pasprobe sla evaluate --json` prints it; a month has its outlook besides."""
    found: dict[str, Any] = {
        "period": result.period.text,
        "administration": result.administration,
        "lines": [line_object(line) for line in result.lines],
        "total_eur": decimal_text(result.total_eur),
        "warnings": [_warning(warning) for warning in result.warnings],
    }
    if result.period.kind == "month":
        found["outlook"] = [_outlook(one) for one in result.outlook]
    return found


def line_object(line: Line) -> dict[str, Any]:
    """One line."""
    return {
        "service": line.service,
        "pas": line.pas,
        "peer": line.peer,
        "parameter": line.parameter,
        "level": line.level,
        "severity": line.severity,
        "event": line.event,
        "status": line.status.value,
        "measured": optional_text(line.measured),
        "limit": optional_text(line.limit),
        "unit": line.unit,
        "deviation": optional_text(line.deviation),
        "steps": line.steps,
        "penalty_percent": optional_text(line.penalty_percent),
        "basis": line.basis,
        "base_eur": optional_text(line.base_eur),
        "penalty_eur": decimal_text(line.penalty_eur),
        "clause": line.clause,
        "readings": list(line.readings),
        "evidence": list(line.evidence),
    }


def optional_text(value: Fraction | Decimal | None) -> str | None:
    """As `decimal_text`; None stays None."""
    return None if value is None else decimal_text(value)


def decimal_text(value: Fraction | Decimal) -> str:
    """A number as a decimal: exact where it has an end, else cut off after 20 decimals."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    decimals = _decimals(value.denominator)
    digits = DIGITS if decimals is None else decimals
    whole, rest = divmod(abs(value.numerator) * 10**digits // value.denominator, 10**digits)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{rest:0{digits}}" if digits else f"{sign}{whole}"


def _decimals(denominator: int) -> int | None:
    """How many decimals a fraction with this denominator has; None for one without an end."""
    twos = fives = 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    return max(twos, fives) if denominator == 1 else None


def _warning(warning: Warning) -> dict[str, str]:
    return {
        "code": warning.code,
        "text": warning.text,
        "service": warning.service,
        "pas": warning.pas,
    }


def _outlook(one: Outlook) -> dict[str, Any]:
    return {
        "line": one.line,
        "expected_eur": decimal_text(one.expected_eur),
        "margin": one.margin,
    }
