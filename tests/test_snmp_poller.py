"""Devices are polled on their own deadlines; the dead ones delay nobody and are left alone more."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import SilentError
from collectors.poller import Polled, Poller, next_slot, pause_slots, phases_ns
from inventory.operations import Device, Snmp
from inventory.secrets import Secret

SECOND = 1_000_000_000


def device(name: str, every_ns: int = SECOND, **changes: Any) -> Device:
    snmp = Snmp(version="2c", community=Secret(env="COMMUNITY"))
    snmp = snmp.model_copy(update={"every_ns": every_ns})  # faster than a configuration may ask for
    settings: dict[str, Any] = {"host": "192.0.2.1", "role": "switch", "platform": "cisco_ios"}
    return Device(id=name, snmp=snmp, **(settings | changes))


def polled_for(poller: Poller, seconds: float) -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(poller.run(), seconds)

    asyncio.run(run())


@given(st.integers(1, 300), st.integers(SECOND, 3600 * SECOND), st.integers())
def test_phases_fill_the_interval_evenly(count: int, every_ns: int, seed: int) -> None:
    found = sorted(phases_ns(count, every_ns, random.Random(seed)))
    assert all(0 <= phase < every_ns for phase in found)
    parts = [phase * count // every_ns for phase in found]
    assert all(abs(part - place) <= 1 for place, part in enumerate(parts))


@given(
    st.integers(0, 10**6), st.integers(1, 64), st.integers(0, 10**12),
    st.integers(10**6, 10**11), st.integers(0, 10**15),
)  # fmt: skip
def test_the_next_slot_is_on_the_grid_and_not_over(
    slot: int, step: int, first: int, every: int, late: int
) -> None:
    now = first + slot * every + late
    following, passed_over = next_slot(slot, step, first, every, now)
    assert following >= slot + step
    assert passed_over == following - slot - step
    if passed_over:
        assert first + (following - 1) * every < now <= first + following * every


@given(st.integers(0, 10_000), st.integers(SECOND, 86_400 * SECOND))
def test_a_device_that_fails_is_never_given_up(failures: int, every_ns: int) -> None:
    assert 1 <= pause_slots(failures, every_ns) <= pause_slots(failures + 1, every_ns)
    assert pause_slots(failures, every_ns) * every_ns <= max(600 * SECOND, every_ns)


def test_every_device_is_polled_in_its_own_slots() -> None:
    polls: list[Polled] = []

    async def poll(_: Device) -> None:
        await asyncio.sleep(0)

    devices = [device(f"d{number}", SECOND // 20) for number in range(8)]
    polled_for(Poller(devices, poll, told=polls.append, rng=random.Random(1)), 0.6)
    for one in devices:
        due = [each.due_ns for each in polls if each.device == one.id]
        assert len(due) > 3
        assert all((later - sooner) % (SECOND // 20) == 0 for sooner, later in pairwise(due))
        assert all(each.start_ns >= each.due_ns for each in polls)


def test_dead_devices_take_nothing_from_live_ones() -> None:
    """Two hundred polls hang for ever; the live ones go on."""
    counts = {"live": 0, "dead": 0}

    async def poll(one: Device) -> None:
        counts["dead" if one.role == "firewall" else "live"] += 1
        if one.role == "firewall":
            await asyncio.get_running_loop().create_future()

    dead = [device(f"dead{number}", SECOND // 10, role="firewall") for number in range(200)]
    live = [device(f"live{number}", SECOND // 10) for number in range(5)]
    poller = Poller([*dead, *live], poll)
    polled_for(poller, 1.0)
    assert counts["dead"] <= 200
    assert counts["live"] > 20
    assert poller.figures().failed == 0


def test_a_device_that_fails_is_asked_less_often_and_at_once_again_when_it_answers() -> None:
    polls: list[Polled] = []

    async def poll(_: Device) -> None:
        if len(polls) < 5:
            raise SilentError("192.0.2.1:161", "no answer", "switch it on")

    every = SECOND // 50
    poller = Poller([device("d", every)], poll, told=polls.append)
    polled_for(poller, 1.5)
    steps = [(later.due_ns - sooner.due_ns) // every for sooner, later in pairwise(polls)]
    assert [each.failures for each in polls[:6]] == [1, 2, 3, 4, 5, 0]
    # On a busy machine a slot may be missed on top of those that are left out.
    assert all(
        step >= least for step, least in zip(steps, [1, 2, 4, 8, 16], strict=False)
    ), steps  # fmt: skip
    assert min(steps[5:]) == 1
    assert polls[0].error is not None
    assert poller.figures().failing == 0


def test_a_poll_that_outlasts_its_interval_passes_slots_over_and_says_so() -> None:
    async def poll(_: Device) -> None:
        await asyncio.sleep(0.12)

    poller = Poller([device("slow", SECOND // 20)], poll)
    polled_for(poller, 0.7)
    figures = poller.figures()
    assert figures.passed_over >= figures.polls >= 2
    assert figures.failed == 0


def test_a_change_of_configuration_touches_the_changed_devices_alone() -> None:
    polls: list[Polled] = []

    async def poll(_: Device) -> None:
        await asyncio.sleep(0)

    async def run() -> None:
        poller = Poller([device("stays", SECOND // 20), device("goes", SECOND // 20)], poll,
                        told=polls.append)  # fmt: skip
        task = asyncio.create_task(poller.run())
        await asyncio.sleep(0.3)
        poller.want([device("stays", SECOND // 20), device("comes", SECOND // 20)])
        changed = len(polls)
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {each.device for each in polls[:changed]} == {"stays", "goes"}
        assert {each.device for each in polls[changed:]} == {"stays", "comes"}

    asyncio.run(run())
    due = [each.due_ns for each in polls if each.device == "stays"]
    assert all((later - sooner) % (SECOND // 20) == 0 for sooner, later in pairwise(due))


def test_a_mistake_in_the_program_is_not_taken_for_a_dead_device() -> None:
    async def poll(_: Device) -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(Poller([device("d", SECOND // 50)], poll).run())
    assert caught.group_contains(ZeroDivisionError)
