"""What a train's delays come to: pure functions over arrays (`docs/statistics.md`).

Every figure is an exact integer of nanoseconds. The arrays stand in send order, one entry a
planned packet; `received` marks the entries that count. What is undefined (no packet came back,
one packet has no variation) is None, never NaN. Values are summed as Python integers, so that no
reflector, whatever it stamps, makes a sum overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from operator import mul

import numpy as np
import numpy.typing as npt

from agent.samples import Int64Array
from timeseries.histogram import counts
from timeseries.records import DelayFigures

BoolArray = npt.NDArray[np.bool_]


def delay_figures(
    delay_ns: Int64Array,
    arrival_ns: Int64Array,
    received: BoolArray,
    limit_ns: int | None,
) -> DelayFigures:
    """All statistics of one delay series.

    `arrival_ns` is the instant at which each packet reached the end that this delay is measured
    to; only its order matters (RFC 3550 goes by arrival, everything else by sequence). Delays at
    the limit are within it (contract reading D2). With nothing received all figures are None and
    `within_limit` is 0.
    """
    delays = delay_ns[received]
    if delays.size == 0:
        return DelayFigures(within_limit=None if limit_ns is None else 0)
    ordered = np.sort(delays)
    ascending: list[int] = ordered.tolist()
    n = len(ascending)
    minimum = ascending[0]
    p99 = percentile(ascending, 99)
    variations: list[int] = np.sort(ipdv(delays)).tolist()
    return DelayFigures(
        min_ns=minimum,
        mean_ns=mean(ascending),
        p50_ns=percentile(ascending, 50),
        p95_ns=percentile(ascending, 95),
        p99_ns=p99,
        max_ns=ascending[-1],
        stddev_ns=standard_deviation(ascending),
        ipdv_mean_ns=mean(variations) if variations else None,
        ipdv_p95_ns=percentile(variations, 95) if variations else None,
        pdv_p99_ns=p99 - minimum,
        jitter_rfc3550_ns=jitter_rfc3550(in_arrival_order(delays, arrival_ns[received]))
        if n > 1
        else None,
        within_limit=None if limit_ns is None else int(ordered.searchsorted(limit_ns, "right")),
        histogram=counts(ordered),
    )


def percentile(ascending: Sequence[int], percent: int) -> int:
    """The smallest observed x with F(x) >= percent/100 (RFC 2330, section 11.3; nearest rank).

    Always one of the values, so never beyond the maximum. `ascending` is sorted and not empty;
    1 <= percent <= 100.
    """
    return ascending[-(-percent * len(ascending) // 100) - 1]


def mean(values: Sequence[int]) -> int:
    """Arithmetic mean to the nearest integer, halves upwards. `values` is not empty."""
    n = len(values)
    return (2 * sum(values) + n) // (2 * n)


def standard_deviation(values: Sequence[int]) -> int:
    """Population standard deviation (divisor n) to the nearest integer, exactly.

    The train is described, not a larger population guessed from it; so one packet has 0. This is
    the definition of ping's `mdev`. `values` is not empty.
    """
    n = len(values)
    # n² times the variance is an integer: n·Σx² - (Σx)². Its root is rounded once, at the end.
    n2_variance = n * sum(map(mul, values, values)) - sum(values) ** 2
    return (isqrt(4 * n2_variance) + n) // (2 * n)


def ipdv(delays_ns: Int64Array) -> Int64Array:
    """Absolute IPDV of consecutive received packets, in sequence order (RFC 3393).

    `delays_ns` holds received packets only. The selection function (RFC 3393, section 2.2) pairs
    each received packet with the next received one: where packets between them were lost, the
    pair spans the gap, as the statistics conditional on arrival of section 4.1 do.
    """
    steps: Int64Array = np.abs(delays_ns[1:] - delays_ns[:-1])
    return steps


def in_arrival_order(delays_ns: Int64Array, arrival_ns: Int64Array) -> list[int]:
    """The delays by time of arrival; equal instants stay in sequence order."""
    ordered: list[int] = delays_ns[arrival_ns.argsort(kind="stable")].tolist()
    return ordered


def jitter_rfc3550(transits_ns: Sequence[int]) -> int:
    """Interarrival jitter after the last packet (RFC 3550, sections 6.4.1 and A.8), in ns.

    `transits_ns` is in order of arrival. This is the integer estimator of A.8 (kept times 16),
    with nanoseconds as the time stamp unit. It starts from 0 and takes some 50 packets to settle,
    so the figure of a short train is low.
    """
    scaled = 0
    last = transits_ns[0]
    for transit in transits_ns:
        scaled += abs(transit - last) - ((scaled + 8) >> 4)
        last = transit
    return scaled >> 4


def reordered(arrival_ns: Int64Array, received: BoolArray) -> int:
    """Packets that are type-P-reordered (RFC 4737, section 3.3).

    Going by arrival, a packet is reordered when its number is below NextExp, which is one above
    the highest number that arrived before it. Equal instants count as in order.
    """
    arrivals = arrival_ns[received]
    if (arrivals[1:] >= arrivals[:-1]).all():
        return 0
    # The ranks among the received have the same order as the sequence numbers.
    ranks = arrivals.argsort(kind="stable")
    return int(np.count_nonzero(ranks[1:] < np.maximum.accumulate(ranks)[:-1]))
