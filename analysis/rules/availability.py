"""Availability: the share of the delivery window in which nothing blocked (disponibilità).

Unit (line 116) is of one PAS, overall (lines 324, 440, 459) of all PAS of a service together; that
of chapter 7 (lines 478, 507, 530) is the unit formula for its monitoring system (reading C9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from analysis.facts import Severity
from inventory.clocks import Interval, clipped, total_ns

Extent = Literal["unit", "overall"]


@dataclass(frozen=True, slots=True)
class Figure:
    """Time lost of the time that counts."""

    down_ns: int
    """Inside the delivery window; of an overall figure the sum over its PAS."""
    window_ns: int
    """The whole delivery window (T); of an overall figure the sum over its PAS."""

    @property
    def percent(self) -> Fraction | None:
        """Availability; None where there is no window to be available in (reading A7)."""
        if not self.window_ns:
            return None
        return Fraction(100 * (self.window_ns - self.down_ns), self.window_ns)


def counts(severity: Severity, extent: Extent, reading_c1: str = "blocking") -> bool:
    """Whether an outage of this severity makes a service unavailable (reading C1).

    In unit availability only a blocking one does (line 116); in the overall formulas, which leave
    the word out, the switch decides: `blocking` or `all`.
    """
    return severity == "blocking" or (extent == "overall" and reading_c1 == "all")


def outage(
    opened_ns: int, restored_ns: int | None, closed_ns: int | None, until_ns: int
) -> Interval:
    """When an outage lasted for availability: fault opening to restoration (reading C2).

    A ticket closed without a time of restoration ends with its closure. What is open lasts to
    `until_ns`, the end of the period or the instant that the figures are for, and goes on in the
    next period (reading C4).
    """
    end = next((ns for ns in (restored_ns, closed_ns) if ns is not None), until_ns)
    return opened_ns, max(opened_ns, min(end, until_ns))


def unit_availability(outages: Iterable[Interval], openings: Sequence[Interval]) -> Figure:
    """Availability of one PAS (line 116).

    `openings` is its delivery window in the period, ascending and disjoint. Overlapping outages
    count once (reading C3); what lies outside the window, and so outside the period, does not count
    (readings B5 and C4).
    """
    return Figure(total_ns(clipped(outages, openings)), total_ns(openings))


def counted_availability(
    outages: Iterable[tuple[Interval, int]], units: int, openings: Sequence[Interval]
) -> Figure:
    """Overall availability of a service: of all its PAS together (lines 324, 440, 459).

    `outages` come with how many PAS they hit, `units` is how many (mailboxes, users) there are.
    Each PAS weighs by its window and not by its fee (reading C7), and all have the same one.
    Outages at the same time add up, to at most all units: no PAS is down twice (reading C3). Raises
    ValueError where `units` is below 1 or an outage hit less than none.
    """
    if units < 1:
        raise ValueError(f"a service of {units} units has no availability: it needs at least 1")
    changes: list[tuple[int, int]] = []
    for (begin, end), hit in outages:
        if hit < 0:
            raise ValueError(f"an outage cannot hit {hit} units")
        for piece_begin, piece_end in clipped([(begin, end)], openings):
            changes += [(piece_begin, hit), (piece_end, -hit)]
    down = since = hit_now = 0
    for instant, change in sorted(changes):
        down += (instant - since) * min(hit_now, units)
        since = instant
        hit_now += change
    return Figure(down, units * total_ns(openings))
