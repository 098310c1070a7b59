"""Use of a guaranteed bandwidth (BGA, BGETE): the hourly mean per direction, from roll-ups. Pure.

The PAS names its access interface (`services[].interface`, device/interface) and the contracted
bandwidth; what the interface carried is the exact sum of its counters, so the mean over an hour is
octets over time and no mean of means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from timeseries.rollup import QUARTER_NS

HOUR_NS = 4 * QUARTER_NS
_BITS_OF_AN_OCTET_A_SECOND = 8 * 1_000_000_000
IN, OUT = "in_rate", "out_rate"


class Counted(Protocol):
    """A roll-up of an interface's counter, of a quarter of an hour or of a local hour."""

    @property
    def figure(self) -> str: ...

    @property
    def instance(self) -> str: ...

    @property
    def start_ns(self) -> int: ...

    @property
    def amount(self) -> int | None: ...

    @property
    def covered_ns(self) -> int: ...


@dataclass(frozen=True, slots=True)
class HourOfUse:
    """One hour of one interface."""

    start_ns: int
    """UTC."""
    in_percent: Fraction | None
    """Mean of the contracted bandwidth; None: nothing was measured in this direction."""
    out_percent: Fraction | None
    in_covered_ns: int
    """Of how much of the hour the mean is; the rest was not measured."""
    out_covered_ns: int


def hourly_use(
    rollups: Iterable[Counted], interface: str, bandwidth_bps: int, begin_ns: int
) -> list[HourOfUse]:
    """The hours from `begin_ns` (UTC ns) on in which the interface was measured, by time.

    `begin_ns` is the start of a local hour: in every time zone a multiple of 15 minutes. Roll-ups
    of other interfaces and figures, and earlier ones, are left out. Raises ValueError for a
    bandwidth of 0 or less and a `begin_ns` that begins no quarter of an hour.
    """
    if bandwidth_bps <= 0:
        raise ValueError(f"a bandwidth of {bandwidth_bps} bit/s cannot be used")
    if begin_ns % QUARTER_NS:
        raise ValueError(f"{begin_ns} does not begin a quarter of an hour")
    sums: dict[int, dict[str, tuple[int, int]]] = {}
    for one in rollups:
        if one.instance != interface or one.figure not in (IN, OUT) or one.start_ns < begin_ns:
            continue
        hour = begin_ns + (one.start_ns - begin_ns) // HOUR_NS * HOUR_NS
        octets, covered_ns = sums.setdefault(hour, {}).get(one.figure, (0, 0))
        sums[hour][one.figure] = (octets + (one.amount or 0), covered_ns + one.covered_ns)
    return [
        HourOfUse(
            hour,
            _percent(found, IN, bandwidth_bps),
            _percent(found, OUT, bandwidth_bps),
            found.get(IN, (0, 0))[1],
            found.get(OUT, (0, 0))[1],
        )
        for hour, found in sorted(sums.items())
    ]


def _percent(
    found: Mapping[str, tuple[int, int]], direction: str, bandwidth_bps: int
) -> Fraction | None:
    octets, covered_ns = found.get(direction, (0, 0))
    if covered_ns <= 0:
        return None
    return Fraction(100 * octets * _BITS_OF_AN_OCTET_A_SECOND, covered_ns * bandwidth_bps)
