"""Histograms: fixed bounds, exact shares within a catalogue limit, honest percentiles."""

from __future__ import annotations

import hashlib
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries import histogram
from timeseries.errors import StoreError

delays = st.lists(st.integers(-1_000_000, 20_000_000_000), max_size=200)


def of(values: list[int]) -> histogram.Sparse:
    return histogram.counts(np.array(values, np.int64))


def test_bounds_are_48_per_decade_from_10_us_to_10_s_and_every_limit() -> None:
    expected = {round(10_000 * 10 ** (step / 48)) for step in range(289)}
    expected |= {limit * 1_000_000 for limit in histogram.LIMITS_MS}
    assert tuple(sorted(expected)) == histogram.BOUNDS_NS
    assert histogram.BOUNDS_NS[0] == 10_000
    assert histogram.BOUNDS_NS[-1] == 10_000_000_000


def test_bounds_are_part_of_schema_1_and_never_change_within_it() -> None:
    text = ",".join(map(str, histogram.BOUNDS_NS))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert (histogram.BINS, digest[:16]) == (303, "7e6910afc8e36338")


def test_bins_are_closed_on_the_right() -> None:
    limit = 300_000_000
    at, above = histogram.bin_of(np.array([limit, limit + 1], np.int64))
    assert above == at + 1
    assert histogram.BOUNDS_NS[at] == limit


def test_everything_up_to_the_first_bound_and_above_the_last_has_a_bin() -> None:
    edges = np.array([-5, 0, 10_000, 10_001, 10_000_000_000, 10_000_000_001], np.int64)
    assert list(histogram.bin_of(edges)) == [0, 0, 0, 1, histogram.OVERFLOW - 1, histogram.OVERFLOW]


@given(delays)
def test_share_within_a_limit_is_exact(values: list[int]) -> None:
    for limit_ms in histogram.LIMITS_MS:
        limit_ns = limit_ms * 1_000_000
        values = [*values, limit_ns, limit_ns + 1]
        assert histogram.within(of(values), limit_ns) == sum(v <= limit_ns for v in values)


@pytest.mark.parametrize("limit_ns", [299_999_999, 0, 10**10 + 1])
def test_a_limit_that_is_no_bound_is_refused(limit_ns: int) -> None:
    with pytest.raises(StoreError, match="none of its bounds"):
        histogram.within(of([1_000_000]), limit_ns)


@given(st.lists(delays, max_size=5))
def test_histograms_add_up(parts: list[list[int]]) -> None:
    together = of(list(itertools.chain.from_iterable(parts)))
    assert histogram.add(*map(of, parts)) == together
    assert histogram.add(*map(of, reversed(parts))) == together
    assert histogram.size(together) == sum(map(len, parts))
    assert all(type(number) is int for pair in together for number in pair)


@given(delays.filter(bool), st.integers(0, 100))
def test_percentiles_lie_between_the_exact_one_and_one_bin_above(values: list[int], p: int) -> None:
    exact = sorted(values)[max(1, math.ceil(Fraction(p) * len(values) / 100)) - 1]
    found = histogram.percentile(of(values), p, min(values), max(values))
    assert found is not None
    assert exact <= found <= max(values)
    if 10_000 < exact <= 10_000_000_000:
        assert found <= exact * 1.05 + 1


def test_an_empty_histogram_has_no_percentile() -> None:
    assert histogram.percentile((), 50, 0, 0) is None
    with pytest.raises(ValueError, match="between 0 and 100"):
        histogram.percentile((), 101, 0, 0)
