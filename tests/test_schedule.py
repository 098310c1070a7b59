"""Slots of paths: absolute, none skipped in silence, none twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.daemon.schedule import Overrun, Schedule, Slot, grid_ns, random_phase_ns

LOOKAHEAD = 4_000

paths = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.integers(0, 5_000), st.integers(1, 3_000)),
    min_size=1,
)
pauses = st.lists(st.integers(0, 20_000), min_size=1, max_size=40)
"""How long the process sleeps from tick to tick: mostly less than the lookahead, often more."""


@given(paths, pauses)
def test_every_slot_is_taken_or_overrun_exactly_once_however_long_the_ticks_are_apart(
    streams: dict[str, tuple[int, int]], sleeps: list[int]
) -> None:
    schedule = Schedule()
    for path, (first, every) in streams.items():
        schedule.add(path, first, every)
    now = 0
    seen: list[tuple[str, int]] = []
    for pause in sleeps:
        now += pause
        taken = schedule.take(now, now + LOOKAHEAD)
        assert all(now <= slot.start_ns <= now + LOOKAHEAD for slot in taken.slots)
        assert all(start < now for overrun in taken.overruns for start in overrun.starts)
        seen += [(slot.path, slot.start_ns) for slot in taken.slots]
        seen += [(overrun.path, start) for overrun in taken.overruns for start in overrun.starts]
    expected = [
        (path, start)
        for path, (first, every) in streams.items()
        for start in range(first, now + LOOKAHEAD + 1, every)
    ]
    assert sorted(seen) == sorted(expected)


@given(paths, pauses)
def test_slots_come_by_time(streams: dict[str, tuple[int, int]], sleeps: list[int]) -> None:
    schedule = Schedule()
    for path, (first, every) in streams.items():
        schedule.add(path, first, every)
    now = 0
    for pause in sleeps:
        now += pause
        starts = [slot.start_ns for slot in schedule.take(now, now + LOOKAHEAD).slots]
        assert starts == sorted(starts)


@given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(-(10**6), 10**7))
def test_the_next_start_is_the_first_slot_not_before_the_instant(
    first: int, every: int, instant: int
) -> None:
    schedule = Schedule()
    schedule.add("a", first, every)
    found = schedule.next_start_ns("a", instant)
    assert found >= max(first, instant)
    assert (found - first) % every == 0
    assert found - every < max(first, instant)


def test_a_week_of_sleep_is_one_range_a_path_and_the_schedule_keeps_its_phase() -> None:
    schedule = Schedule()
    schedule.add("a", 7, 60)
    week = 7 * 86_400
    taken = schedule.take(week, week + 100)
    assert taken.overruns == (Overrun("a", 7, 60, -(-(week - 7) // 60)),)
    assert [slot.start_ns % 60 for slot in taken.slots] == [7, 7]


def test_a_slot_due_this_very_instant_is_not_missed() -> None:
    schedule = Schedule()
    schedule.add("a", 100, 1_000)
    assert schedule.take(100, 100).slots == (Slot("a", 100),)


def test_a_removed_path_has_no_more_slots_and_added_again_begins_anew() -> None:
    schedule = Schedule()
    schedule.add("a", 0, 10)
    schedule.add("b", 5, 10)
    schedule.remove("a")
    assert {slot.path for slot in schedule.take(0, 100).slots} == {"b"}
    schedule.add("a", 203, 50)
    starts = [slot.start_ns for slot in schedule.take(101, 300).slots if slot.path == "a"]
    assert starts == [203, 253]
    assert "a" in schedule
    assert len(schedule) == 2


def test_a_path_that_is_added_twice_is_planned_once() -> None:
    schedule = Schedule()
    schedule.add("a", 0, 10)
    schedule.add("a", 3, 10)
    assert [slot.start_ns for slot in schedule.take(0, 25).slots] == [3, 13, 23]


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="interval"):
        Schedule().add("a", 0, 0)


def test_phases_are_spread_evenly_over_the_interval_and_lie_on_the_grid() -> None:
    rng = random.Random(1)
    every, grid = 60_000_000_000, 20_000_000
    phases = [random_phase_ns(every, grid, rng) for _ in range(4_000)]
    assert all(0 <= phase < every and phase % grid == 0 for phase in phases)
    quarters = [sum(phase * 4 // every == n for phase in phases) for n in range(4)]
    assert min(quarters) > 850


def test_an_interval_shorter_than_the_grid_has_no_phase() -> None:
    assert random_phase_ns(5_000_000, 20_000_000, random.Random(1)) == 0


@pytest.mark.parametrize(
    ("packets_per_second", "grid"),
    [(0, 20_000_000), (400, 20_000_000), (401, 10_000_000), (4_000, 2_000_000), (1e6, 1_000_000)],
)
def test_the_grid_is_the_finer_the_more_packets_there_are(
    packets_per_second: float, grid: int
) -> None:
    assert grid_ns(packets_per_second) == grid
