"""When devices are polled: each on absolute deadlines of its own, none waiting for another.

Slot k of a device is at first + k * every for ever; the first slots of devices with one interval
are spread over it. There is no pool of workers that dead devices could fill: each device has a task
that sleeps most of the time. A device that fails is asked less often (every 2nd, 4th, ... slot, at
least every ten minutes or each slot, whichever is longer), on its own slots still, so that one
answer puts it back into step.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from collectors.errors import SnmpError
from inventory.operations import Device

PATIENCE = 2
"""Failures in a row after which slots are left out."""
LONGEST_PAUSE_NS = 600_000_000_000
"""Between two attempts at a device that fails, unless its interval is longer."""
KEPT_LATENESSES = 4096


@dataclass(frozen=True, slots=True)
class Polled:
    """One poll that is over. Instants are of `time.monotonic_ns`."""

    device: str
    due_ns: int
    start_ns: int
    end_ns: int
    error: SnmpError | None
    failures: int
    """In a row, this one included; 0 after an answer."""
    passed_over: int
    """Slots that went by while this poll lasted; those left out on purpose are not counted."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How well the schedule is kept since the poller began."""

    polls: int
    failed: int
    passed_over: int
    failing: int
    """Devices whose last poll failed."""
    lateness_p50_ns: int
    lateness_p99_ns: int
    lateness_max_ns: int
    """Start less deadline, over the last 4096 polls of devices that were not failing."""


@dataclass(slots=True, eq=False)
class _Life:
    """What is known of one device."""

    device: Device
    every_ns: int
    first_ns: int
    failures: int = 0
    task: asyncio.Task[None] | None = field(default=None, repr=False)


def pause_slots(failures: int, every_ns: int) -> int:
    """How many slots on the next poll is, after so many failures in a row."""
    if failures < PATIENCE:
        return 1
    longest = max(1, LONGEST_PAUSE_NS // every_ns)
    return int(min(2 ** min(failures - PATIENCE + 1, 30), longest))


def next_slot(slot: int, step: int, first_ns: int, every_ns: int, now_ns: int) -> tuple[int, int]:
    """The next slot to be polled, and how many were passed over.

    That is `step` slots on, or the first that is not over yet.
    """
    wanted = slot + step
    possible = -(-(now_ns - first_ns) // every_ns)
    return (wanted, 0) if wanted >= possible else (possible, possible - wanted)


def phases_ns(count: int, every_ns: int, rng: random.Random) -> list[int]:
    """Where in the interval each of `count` devices begins: one in each of `count` equal parts."""
    found = [int((place + rng.random()) * every_ns / count) for place in range(count)]
    rng.shuffle(found)
    return found


class Poller:
    """Polls devices until it is cancelled.

    `poll` asks one device and raises a `SnmpError` where that fails; any other exception is a
    mistake in the program and ends `run`. `told` hears of every poll that is over.
    """

    def __init__(
        self,
        devices: Iterable[Device],
        poll: Callable[[Device], Awaitable[object]],
        *,
        told: Callable[[Polled], None] = lambda _: None,
        rng: random.Random | None = None,
    ) -> None:
        self._wanted = tuple(devices)
        self._poll = poll
        self._told = told
        self._rng = rng or random.Random()
        self._lives: dict[str, _Life] = {}
        self._group: asyncio.TaskGroup | None = None
        self._lateness: deque[int] = deque(maxlen=KEPT_LATENESSES)
        self._polls = self._failed = self._passed_over = 0

    async def run(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                self.want(self._wanted)
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None
                self._lives.clear()

    def want(self, devices: Iterable[Device]) -> None:
        """Poll these from now on; a device that did not change keeps its slots."""
        self._wanted = tuple(device for device in devices if device.snmp is not None)
        if self._group is None:
            return
        stay = {device.id: device for device in self._wanted}
        for name, life in list(self._lives.items()):
            if stay.get(name) != life.device:
                del self._lives[name]
                if life.task is not None:
                    life.task.cancel()
        by_interval: dict[int, list[Device]] = {}
        for device in self._wanted:
            if device.id not in self._lives and device.snmp is not None:
                by_interval.setdefault(device.snmp.every_ns, []).append(device)
        now = time.monotonic_ns()
        for every_ns, fresh in by_interval.items():
            for device, phase in zip(
                fresh, phases_ns(len(fresh), every_ns, self._rng), strict=True
            ):
                life = _Life(device, every_ns, now + phase)
                self._lives[device.id] = life
                life.task = self._group.create_task(self._live(life), name=f"poll {device.id}")

    async def _live(self, life: _Life) -> None:
        slot = 0
        while True:
            due = life.first_ns + slot * life.every_ns
            await asyncio.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            start = time.monotonic_ns()
            if not life.failures:
                self._lateness.append(start - due)
            error: SnmpError | None = None
            try:
                await self._poll(life.device)
            except SnmpError as problem:
                error = problem
            end = time.monotonic_ns()
            life.failures = 0 if error is None else life.failures + 1
            slot, passed_over = next_slot(
                slot, pause_slots(life.failures, life.every_ns), life.first_ns, life.every_ns, end
            )
            self._polls += 1
            self._failed += error is not None
            self._passed_over += passed_over
            self._told(
                Polled(life.device.id, due, start, end, error, life.failures, passed_over)
            )  # fmt: skip

    def figures(self) -> Figures:
        """How well the schedule is kept."""
        late = sorted(self._lateness) or [0]
        return Figures(
            polls=self._polls,
            failed=self._failed,
            passed_over=self._passed_over,
            failing=sum(life.failures > 0 for life in self._lives.values()),
            lateness_p50_ns=late[(len(late) - 1) // 2],
            lateness_p99_ns=late[(len(late) - 1) * 99 // 100],
            lateness_max_ns=late[-1],
        )
