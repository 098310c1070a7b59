"""What was counted between two polls, and how a device's run is told from its restart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.counters import (
    TICKS,
    Clock,
    Continuity,
    counted,
    follow,
    most_octets,
    most_packets,
    rate,
)

S = 1_000_000_000
DAY = 8_640_000
CLOCK = Clock(local_ns=1000 * S, uptime=5 * DAY, serial="A1", engine_id=b"\x80\x01")


def after(seconds: float, **said: object) -> Clock:
    return replace(CLOCK, local_ns=CLOCK.local_ns + int(seconds * S), **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "now", "seconds", "continuity"),
    [
        (5 * DAY, 5 * DAY + 6000, 60, Continuity.SAME),
        (5 * DAY, 5 * DAY + 6150, 60, Continuity.SAME),  # answered late
        (TICKS - 1000, 5000, 60, Continuity.SAME),  # 497 days are over
        (TICKS - 1000, 3000, 60, Continuity.RESTARTED),  # 30 s up, and no wrap would give that
        (5 * DAY, 2000, 60, Continuity.RESTARTED),
        (3000, 2000, 60, Continuity.RESTARTED),
        (5 * DAY, 100, 86_400, Continuity.RESTARTED),  # after a day without an answer
        (5 * DAY, 3 * DAY, 60, Continuity.BROKEN),  # up for three days, but not these five
        (5 * DAY, 9 * DAY, 60, Continuity.BROKEN),
        (5 * DAY, 5 * DAY + 100 * 600 * 86_400 - TICKS, 600 * 86_400, Continuity.SAME),
    ],
)
def test_without_an_engine_the_uptime_tells_a_restart_from_its_wrap(
    before: int, now: int, seconds: int, continuity: Continuity
) -> None:
    step = follow(replace(CLOCK, uptime=before), after(seconds, uptime=now))
    assert step.continuity is continuity
    assert (step.elapsed_ns > 0) is (continuity is Continuity.SAME)


def test_time_passes_by_the_devices_own_clock() -> None:
    step = follow(CLOCK, after(60, uptime=5 * DAY + 6080))
    assert step.elapsed_ns == 60_800_000_000
    over_the_wrap = follow(replace(CLOCK, uptime=TICKS - 1), after(60, uptime=6000))
    assert over_the_wrap.elapsed_ns == 60_010_000_000


@pytest.mark.parametrize(
    ("boots", "engine_s", "uptime", "continuity"),
    [
        (7, 1060, 5 * DAY + 6000, Continuity.SAME),
        (7, 1060, 200, Continuity.SAME),  # the uptime wrapped or was reset, the engine goes on
        (8, 30, 5 * DAY + 6000, Continuity.RESTARTED),
        (7, 30, 5 * DAY + 6000, Continuity.RESTARTED),  # a device that does not keep its boots
        (8, 1060, 5 * DAY + 6000, Continuity.RESTARTED),
    ],
)
def test_where_there_is_an_engine_it_decides(
    boots: int, engine_s: int, uptime: int, continuity: Continuity
) -> None:
    before = replace(CLOCK, boots=7, engine_s=1000)
    now = after(60, boots=boots, engine_s=engine_s, uptime=uptime)
    assert follow(before, now).continuity is continuity


def test_another_serial_or_engine_is_another_unit_and_says_so() -> None:
    step = follow(CLOCK, after(60, uptime=5 * DAY + 6000, serial="B2"))
    assert (step.continuity, step.why) == (Continuity.SWAPPED, "serial A1 is now B2")
    step = follow(CLOCK, after(60, uptime=5 * DAY + 6000, engine_id=b"\x80\x02"))
    assert (step.continuity, step.why) == (Continuity.SWAPPED, "engine ID 8001 is now 8002")
    unsaid = follow(CLOCK, after(60, uptime=5 * DAY + 6000, serial="", engine_id=None))
    assert unsaid.continuity is Continuity.SAME


def test_the_first_poll_follows_on_nothing_and_no_uptime_is_no_restart() -> None:
    assert follow(None, CLOCK).continuity is Continuity.FIRST
    step = follow(replace(CLOCK, uptime=None), after(60, uptime=None))
    assert (step.continuity, step.elapsed_ns) == (Continuity.SAME, 60 * S)


@given(
    start=st.integers(0, TICKS - 1),
    seconds=st.integers(1, 1000 * 86_400),
    late=st.integers(-400, 400),
)
def test_no_run_is_ever_taken_for_a_restart_whatever_the_uptime_and_however_long_the_gap(
    start: int, seconds: int, late: int
) -> None:
    ticks = max(1, seconds * 100 + late)
    step = follow(replace(CLOCK, uptime=start), after(seconds, uptime=(start + ticks) % TICKS))
    assert step.continuity is Continuity.SAME
    assert step.elapsed_ns == ticks * 10_000_000


GIGABIT, FAST = 10**9, 10**8


@pytest.mark.parametrize(
    ("before", "now", "bits", "speed", "seconds", "amount", "why"),
    [
        (100, 350, 64, GIGABIT, 60, 250, ""),
        (2**63 + 5, 2**63 + 9, 64, 0, 60, 4, ""),
        (350, 100, 64, GIGABIT, 60, None, "counter was reset"),  # 64 bits never wrap
        (2**64 - 5, 3, 64, GIGABIT, 60, None, "counter was reset"),
        (2**32 - 100, 400, 32, FAST, 60, 500, ""),
        (5000, 400, 32, FAST, 60, None, "counter was reset"),  # 4 GB do not fit into a minute
        (0, 0, 32, FAST, 60, 0, ""),
        (100, 200, 32, FAST, 400, None, "may have wrapped more than once: poll more often"),
        (100, 200, 32, GIGABIT, 60, None, "may have wrapped more than once: poll more often"),
        (2**32 - 100, 400, 32, 0, 60, 500, ""),  # unknown speed: it came from near the end
        (2**31 - 1, 400, 32, 0, 60, None, "counter was reset"),
        (100, 2**32, 32, FAST, 60, None, "no counter of 32 bits"),
        (-1, 5, 64, FAST, 60, None, "no counter of 64 bits"),
    ],
)
def test_what_was_counted_or_why_nobody_knows(
    before: int, now: int, bits: int, speed: int, seconds: int, amount: int | None, why: str
) -> None:
    found = counted(before, now, bits=bits, most=most_octets(speed, seconds * S))
    assert (found.amount, found.why) == (amount, why)


def test_a_fast_ethernet_of_32_bits_is_certain_for_less_than_344_seconds() -> None:
    assert counted(0, 0, bits=32, most=most_octets(FAST, 300 * S)).amount == 0
    assert counted(0, 0, bits=32, most=most_octets(FAST, 344 * S)).amount is None
    assert most_packets(FAST, S) == 163_690  # 148,809 a second at most, and a tenth
    assert most_octets(0, S) is None


@given(
    first=st.integers(0, 2**32 - 1),
    amount=st.integers(0, 2**40),
    seconds=st.integers(1, 600),
    speed=st.sampled_from([10**7, 10**8, 10**9]),
)
def test_an_amount_that_is_told_is_the_one_that_was_carried(
    first: int, amount: int, seconds: int, speed: int
) -> None:
    carried = min(amount, speed * seconds // 8)
    most = most_octets(speed, seconds * S)
    found = counted(first, (first + carried) % 2**32, bits=32, most=most)
    assert found.amount in (carried, None)


@pytest.mark.parametrize(
    ("amount", "factor", "scale", "elapsed", "expected"),
    [
        (7500, 8, 0, 60 * S, 1000),
        (1, 8, 0, 60 * S, 0),
        (1, 1, -3, 60 * S, 17),
        (5, 1, -3, 2 * S, 2500),
        (10**15, 8, 0, S, 8 * 10**15),
        (3000, 1, 3, S, 3),
        (1, 1, 0, 0, None),
    ],
)
def test_a_rate_is_rounded_once(
    amount: int, factor: int, scale: int, elapsed: int, expected: int | None
) -> None:
    assert rate(amount, factor, scale, elapsed) == expected
