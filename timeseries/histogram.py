"""Delay histograms on one fixed list of bounds, so that any two of them can be added up.

A histogram is sparse: a tuple of (bin, count), ascending, counts above zero. Bin `i` holds the
delays in (bounds[i-1], bounds[i]]; bin 0 all up to the first bound (negative one-way delays too),
the last bin all above the last bound. The list is part of the schema: records keep bin numbers,
so a bound that is added or moved is a new schema version (docs/schema.md).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from timeseries.errors import StoreError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Sparse = tuple[tuple[int, int], ...]

PER_DECADE = 48
FIRST_NS = 10_000
DECADES = 6

LIMITS_MS = (
    20, 40,  # jitter: 5.2, 6.2.2, 6.3.2
    80,  # one way, video conference: 6.3.2
    100, 120,  # one way, video collaboration: 6.2.2
    150, 180, 250, 350,  # one way, voip: 5.2
    300, 400, 500, 900,  # round trip by profile, ip-base: 3.1.2
    600,  # round trip by pair, ip-qos (350, 500 and 900 stand above): 3.2.2
)  # fmt: skip
"""Every delay limit of the SLA catalogue, in milliseconds, with its clause."""


def _bounds() -> tuple[int, ...]:
    # Decimal powers instead of floats: correctly rounded, so the list is the same everywhere.
    with localcontext(Context(prec=30)):
        step = Decimal(10) ** (Decimal(1) / PER_DECADE)
        logarithmic = set()
        exact = Decimal(FIRST_NS)
        for _ in range(PER_DECADE * DECADES + 1):
            logarithmic.add(int(exact.to_integral_value(ROUND_HALF_UP)))
            exact *= step
    return tuple(sorted(logarithmic | {limit * 1_000_000 for limit in LIMITS_MS}))


BOUNDS_NS: tuple[int, ...] = _bounds()
"""Upper bounds (included) of all bins but the last, in nanoseconds."""

BINS = len(BOUNDS_NS) + 1
OVERFLOW = BINS - 1


@cache
def _bounds_array() -> npt.NDArray[np.int64]:
    import numpy as np

    return np.array(BOUNDS_NS, np.int64)


def bin_of(delays_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """The bin of each delay in nanoseconds."""
    import numpy as np

    return np.searchsorted(_bounds_array(), delays_ns, side="left")


def counts(delays_ns: npt.NDArray[np.int64]) -> Sparse:
    """The histogram of these delays in nanoseconds."""
    import numpy as np

    dense = np.bincount(bin_of(delays_ns), minlength=BINS)
    return tuple((int(index), int(dense[index])) for index in np.flatnonzero(dense))


def add(*histograms: Iterable[tuple[int, int]]) -> Sparse:
    """The histogram of all delays of these histograms together."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for index, count in histogram:
            total[index] = total.get(index, 0) + count
    return tuple(sorted((index, count) for index, count in total.items() if count))


def size(histogram: Iterable[tuple[int, int]]) -> int:
    """How many delays are in it."""
    return sum(count for _, count in histogram)


def within(histogram: Iterable[tuple[int, int]], limit_ns: int) -> int:
    """How many delays are at most the limit: exact, therefore only for a limit that is a bound.

    Raises `StoreError` for any other limit.
    """
    last = last_bin(limit_ns)
    return sum(count for index, count in histogram if index <= last)


def last_bin(limit_ns: int) -> int:
    """The bin that ends with this limit. Raises `StoreError` for a limit that is no bound."""
    last = bisect_left(BOUNDS_NS, limit_ns)
    if last == len(BOUNDS_NS) or BOUNDS_NS[last] != limit_ns:
        raise StoreError(
            f"a limit of {limit_ns} ns cannot be re-judged exactly from a histogram: it is none"
            " of its bounds; use the within_limit of the records, or a limit of the catalogue"
        )
    return last


def percentile(
    histogram: Iterable[tuple[int, int]], p: int | Fraction, min_ns: int, max_ns: int
) -> int | None:
    """The p-th percentile (nearest rank) as the upper bound of its bin, never outside min and max.

    At most one bin's width (4.9 %) above the exact figure. `p` from 0 to 100; None when empty.
    """
    if not 0 <= p <= 100:
        raise ValueError(f"a percentile lies between 0 and 100, not at {p}")
    ordered = sorted(histogram)
    rank = max(1, -(-Fraction(p) * size(ordered) // 100))
    seen = 0
    for index, count in ordered:
        seen += count
        if seen >= rank:
            upper = max_ns if index == OVERFLOW else BOUNDS_NS[index]
            return min(max(upper, min_ns), max_ns)
    return None
