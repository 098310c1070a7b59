"""The clocks: sleeping to an instant, their difference, and what the kernel says of them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kernel.clock import SystemClock, clock_state, realtime_offset_ns


@pytest.mark.parametrize("ahead_ns", [-1_000_000, 0, 1, 50_000, 3_000_000])
def test_a_sleep_never_ends_early(ahead_ns: int) -> None:
    for _ in range(20):
        until_ns = time.monotonic_ns() + ahead_ns
        SystemClock.sleep_until(until_ns)
        assert time.monotonic_ns() >= until_ns


def test_the_difference_of_the_clocks_leads_from_one_to_the_other() -> None:
    offset_ns = realtime_offset_ns(SystemClock())
    before_ns = time.time_ns()
    between_ns = time.monotonic_ns() + offset_ns
    after_ns = time.time_ns()
    assert before_ns - 1_000_000 < between_ns < after_ns + 1_000_000


class Disturbed:
    """Reading the wall clock takes so long each time: the scheduler was in between."""

    def __init__(self, delays_ns: list[int]) -> None:
        self.now_ns = 1_000
        self._delays = iter(delays_ns)

    def monotonic_ns(self) -> int:
        return self.now_ns

    def realtime_ns(self) -> int:
        read_ns = self.now_ns
        self.now_ns += next(self._delays)
        return read_ns + 5_000_000_000

    def sleep_until(self, monotonic_ns: int) -> None:
        self.now_ns = monotonic_ns


@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=3))
def test_the_least_disturbed_of_three_readings_counts(delays_ns: list[int]) -> None:
    found_ns = realtime_offset_ns(Disturbed(delays_ns))
    assert abs(found_ns - 5_000_000_000) <= min(delays_ns) // 2 + 1


def test_a_clock_that_nobody_disciplines_claims_no_error() -> None:
    state = clock_state()
    assert (state.error_ns is None) == (not state.synchronised)
    assert state.error_ns is None or 0 <= state.error_ns < 10**12
