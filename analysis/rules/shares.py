"""Shares and means of things counted: packets, calls, messages, outages restored in time.

Counters are those of the whole period, pooled and not rounded (reading A6). Where nothing was
counted there is no value (reading A7).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole`."""

    part: int
    whole: int

    def __post_init__(self) -> None:
        if not 0 <= self.part <= self.whole:
            raise ValueError(f"{self.part} of {self.whole} is no share")

    @property
    def percent(self) -> Fraction | None:
        """None where the whole is nothing (reading A7)."""
        return Fraction(100 * self.part, self.whole) if self.whole else None


def share_within(within: int, judged: int, lost: int = 0, reading_d1: str = "received") -> Share:
    """Packets within a delay limit (lines 148, 181, 287, 368, 406).

    `judged` is how many received packets were held against the limit, `within` how many of them
    kept it, the limit itself included (reading D2). Lost packets stay out, or are too slow with the
    switch D1 at `sent`.
    """
    return Share(within, judged + (lost if reading_d1 == "sent" else 0))


def loss_rate(sent: int, received: int) -> Share:
    """Packets lost of those sent, both directions pooled (lines 149, 182, 289, 371, 409; D9)."""
    return Share(sent - received, sent)


def success_rate(attempts: int, successes: int) -> Share:
    """Calls that went through of those tried (lines 285, 366, 405; D12)."""
    return Share(successes, attempts)


def delivery_share(messages: int, within: int) -> Share:
    """Messages delivered in time (lines 329, 334); one that never arrived was not (D13)."""
    return Share(within, messages)


def restoration_share(late: Iterable[bool]) -> Share:
    """Outages of e-mail restored within their limits, both severities together (line 331; E4)."""
    each = list(late)
    return Share(each.count(False), len(each))


def mean_jitter_ms(sum_ns: int | Fraction, readings: int) -> Fraction | None:
    """Mean of the jitter readings in milliseconds (lines 288, 369, 407; D5); None without any."""
    return Fraction(sum_ns) / (1_000_000 * readings) if readings else None


def shortfall(measured: Fraction, limit: Decimal) -> Fraction:
    """How far a figure stays below a limit that it should reach; 0 where it does (A4, D2)."""
    return max(Fraction(0), Fraction(limit) - measured)


def overrun(measured: Fraction, limit: Decimal) -> Fraction:
    """How far a figure goes beyond a limit that it should keep; 0 where it does not (A4, D2)."""
    return max(Fraction(0), measured - Fraction(limit))
