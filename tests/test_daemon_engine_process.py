"""The engine in its own process: orders, samples, deaths, on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from agent.daemon.engine_link import (
    Abandoned,
    Beat,
    Finished,
    Frames,
    Message,
    Order,
    Refused,
    framed,
)
from agent.daemon.engine_supervisor import COMMAND, EngineSupervisor
from agent.engine.timing import on_grid
from agent.samples import Status, TrainPlan, TrainSamples

MS = 1_000_000


def plan(address: str = "127.0.0.1", packets: int = 3, timeout_ms: int = 100) -> TrainPlan:
    return TrainPlan("p", "icmp", address, packets, 5 * MS, 64, timeout_ms * MS)


def order(token: int, in_ms: int, **words: object) -> Order:
    start_ns = on_grid(time.monotonic_ns() + in_ms * MS)
    return Order(token, start_ns, plan(**words))  # type: ignore[arg-type]


class Heard:
    """What the engine said."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.deaths = 0

    def death(self) -> None:
        self.deaths += 1

    def of(self, kind: type) -> list[Message]:
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def trains(self) -> list[tuple[int, TrainSamples]]:
        return [one for m in self.messages if isinstance(m, Finished) for one in m.trains]

    @property
    def tokens(self) -> list[int]:
        return sorted(token for token, _ in self.trains)


async def until(so: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def with_engine(work: Callable[[EngineSupervisor, Heard], Awaitable[None]]) -> None:
    async def main() -> None:
        heard = Heard()
        engine = EngineSupervisor(heard.messages.append, heard.death)
        task = asyncio.create_task(engine.run())
        try:
            await until(lambda: engine.ready or task.done())
            await work(engine, heard)
        finally:
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(main())


def test_trains_come_back_with_their_tokens_though_their_plans_are_alike() -> None:
    async def work(engine: EngineSupervisor, heard: Heard) -> None:
        one = plan()
        start_ns = on_grid(time.monotonic_ns() + 400 * MS)
        engine.order(Order(token, start_ns + token * MS, one) for token in range(40))
        await until(lambda: len(heard.tokens) == 40)
        assert heard.tokens == list(range(40))
        assert all((s.status == int(Status.RECEIVED)).all() for _, s in heard.trains)

    with_engine(work)


def test_what_is_cancelled_before_its_time_is_not_sent() -> None:
    async def work(engine: EngineSupervisor, heard: Heard) -> None:
        engine.order([order(1, 2000), order(2, 2000), order(3, 2100)])
        engine.cancel([1, 3])
        await until(lambda: heard.tokens == [2])
        await asyncio.sleep(0.3)
        assert heard.tokens == [2]
        assert engine.beat is not None
        await until(lambda: engine.beat is not None and engine.beat.sent == 3)

    with_engine(work)


def test_an_address_that_cannot_be_is_refused_and_its_neighbours_are_sent() -> None:
    async def work(engine: EngineSupervisor, heard: Heard) -> None:
        bad = "fe80::1%no-such-interface"
        engine.order([order(1, 400), order(2, 400, address=bad), order(3, 400, address="::1")])
        await until(lambda: heard.tokens == [1, 3])
        refused = [m for m in heard.messages if isinstance(m, Refused)]
        assert [m.token for m in refused] == [2]
        assert "no-such-interface" in refused[0].reason

    with_engine(work)


def test_an_order_that_comes_too_late_is_a_missed_train() -> None:
    async def work(engine: EngineSupervisor, heard: Heard) -> None:
        engine.order([order(1, -5_000)])
        await until(lambda: heard.tokens == [1])
        assert heard.trains[0][1].missed

    with_engine(work)


def test_abandoned_trains_come_back_at_once_as_they_stand() -> None:
    async def work(engine: EngineSupervisor, heard: Heard) -> None:
        engine.order([order(1, 350, timeout_ms=60_000), order(2, 100_000)])
        await until(lambda: engine.beat is not None and engine.beat.sent == 3)
        engine.abandon()
        await until(lambda: heard.of(Abandoned))
        assert heard.tokens == [1]

    with_engine(work)


def test_an_engine_that_is_killed_is_started_again_and_measures() -> None:
    async def work(engine: EngineSupervisor, heard: Heard) -> None:
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: heard.deaths == 1)
        await until(lambda: engine.ready)
        assert engine.pid not in (None, first)
        assert engine.restarts == 1
        engine.order([order(7, 400)])
        await until(lambda: heard.tokens == [7])

    with_engine(work)


def test_an_engine_that_hangs_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.daemon.engine_supervisor.SILENT_S", 3)

    async def work(engine: EngineSupervisor, heard: Heard) -> None:
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        await until(lambda: heard.deaths == 1)
        await until(lambda: engine.ready and engine.pid != first)

    with_engine(work)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_to_the_group_are_the_agents_business_and_the_link_is_the_engines(
    number: signal.Signals,
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen([*COMMAND, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        frames = Frames()
        message = None
        while message is None:
            frames.feed(ours.recv(1 << 16))
            message = frames.next()
        assert isinstance(message, Beat)
        process.send_signal(number)
        ours.settimeout(10)
        assert ours.recv(1 << 16)  # the next beat
    assert process.wait(10) == 0


def test_a_message_is_whole_or_not_there_yet() -> None:
    octets = framed(Refused(1, "no")) + framed(Abandoned())
    frames = Frames()
    got = []
    for n in range(len(octets)):
        frames.feed(octets[n : n + 1])
        got.append(frames.next())
    assert [(n, m) for n, m in enumerate(got) if m is not None] == [
        (len(framed(Refused(1, "no"))) - 1, Refused(1, "no")),
        (len(octets) - 1, Abandoned()),
    ]


def test_the_engine_process_imports_only_what_it_needs() -> None:
    heavy = {"asyncio", "duckdb", "inventory", "multiprocessing", "pydantic", "rich", "typer"}
    program = f"import sys, agent.daemon.engine_process; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
