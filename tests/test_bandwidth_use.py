"""Use of the guaranteed bandwidth: exact, by the hour, by direction."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from timeseries.bandwidth_use import HOUR_NS, hourly_use
from timeseries.device_rollup import device_rollups
from timeseries.records import DeviceRollupRecord, DeviceSampleRecord
from timeseries.rollup import QUARTER_NS

H0 = 1_800_000_000 * 1_000_000_000 // HOUR_NS * HOUR_NS
ONE = DeviceSampleRecord(
    "a", "fw", "in_rate", "outside", H0, 1, "", "bit/s", amount=0, interval_ns=60_000_000_000
)


def rollup(
    hour: int, quarter: int, figure: str, octets: int, seconds: int = 900
) -> DeviceRollupRecord:
    start_ns = H0 + hour * HOUR_NS + quarter * QUARTER_NS
    sample = replace(
        ONE, figure=figure, start_ns=start_ns, amount=octets, interval_ns=seconds * 1_000_000_000
    )
    (made,) = device_rollups([sample], start_ns)
    return made


def test_the_mean_of_an_hour_is_octets_over_time() -> None:
    eight_mbit = 8_000_000
    # 1 MB/s is all of 8 Mbit/s: a full quarter, an idle one, a half one, and one of ten seconds.
    rows = [
        rollup(0, 0, "in_rate", 900_000_000),
        rollup(0, 1, "in_rate", 0),
        rollup(0, 2, "in_rate", 450_000_000),
        rollup(0, 3, "in_rate", 10_000_000, 10),
        rollup(0, 0, "out_rate", 90_000_000),
        rollup(1, 2, "out_rate", 90_000_000),
    ]
    first, second = hourly_use(rows, "outside", eight_mbit, H0)
    assert first.in_percent == Fraction(100 * 1360, 2710)  # no mean of means: that would be 62.5
    assert first.out_percent == 10
    assert (first.in_covered_ns, first.out_covered_ns) == (2710 * 10**9, 900 * 10**9)
    assert (second.start_ns, second.in_percent, second.out_percent) == (H0 + HOUR_NS, None, 10)


def test_an_hour_of_india_begins_at_the_half_hour() -> None:
    rows = [rollup(0, quarter, "in_rate", 900_000 * (quarter + 1)) for quarter in range(4)]
    begin_ns = H0 + 2 * QUARTER_NS
    (only,) = hourly_use(rows, "outside", 8000, begin_ns)
    assert (only.start_ns, only.in_percent) == (begin_ns, 350)


def test_other_interfaces_are_none_of_its_business_and_nonsense_is_refused() -> None:
    rows = [rollup(0, 0, "in_rate", 5), rollup(0, 0, "cpu_5min", 5)]
    assert hourly_use(rows, "inside", 1, H0) == []
    with pytest.raises(ValueError, match="bandwidth of 0"):
        hourly_use([], "outside", 0, H0)
    with pytest.raises(ValueError, match="begin a quarter"):
        hourly_use([], "outside", 1, H0 + 1)
