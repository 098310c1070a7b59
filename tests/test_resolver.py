"""Names to addresses: the last good one is kept and flagged, one bad name disturbs nobody."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import pytest

from agent.daemon.resolver import LANE, SLOW_LANE, Resolution, Resolver, system_lookup

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await work()

    return asyncio.run(main())


class Names:
    """A name service whose answers the test changes."""

    def __init__(self, **answers: Sequence[str] | OSError | UnicodeError) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answer = self.answers[host]
        if isinstance(answer, Exception):
            raise answer
        return answer


NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "fe80::1%lo"])
def test_an_address_is_itself_and_asks_nobody(address: str) -> None:
    names = Names()
    assert run(lambda: Resolver(names).resolve(address)) == Resolution(address)
    assert names.asked == []


def test_a_name_is_looked_up_for_each_train() -> None:
    names = Names(host=["192.0.2.1"])

    async def work() -> list[Resolution]:
        resolver = Resolver(names)
        first = await resolver.resolve("host")
        names.answers["host"] = ["192.0.2.2"]
        return [first, await resolver.resolve("host")]

    assert run(work) == [Resolution("192.0.2.1"), Resolution("192.0.2.2")]


def test_an_address_stays_while_the_answers_contain_it() -> None:
    names = Names(host=["192.0.2.1", "192.0.2.2"])

    async def work() -> str | None:
        resolver = Resolver(names)
        await resolver.resolve("host")
        names.answers["host"] = ["192.0.2.2", "192.0.2.1"]
        return (await resolver.resolve("host")).address

    assert run(work) == "192.0.2.1"


@pytest.mark.parametrize("failure", [NO_NAME, UnicodeError("label too long"), []])
def test_a_name_that_stops_resolving_keeps_its_last_address_flagged(
    failure: OSError | UnicodeError | list[str],
) -> None:
    names = Names(host=["192.0.2.1"])

    async def work() -> list[Resolution]:
        resolver = Resolver(names)
        await resolver.resolve("host")
        names.answers["host"] = failure
        kept = await resolver.resolve("host")
        names.answers["host"] = ["192.0.2.9"]
        return [kept, await resolver.resolve("host")]

    kept, healed = run(work)
    assert (kept.address, kept.kept) == ("192.0.2.1", True)
    assert kept.error
    assert healed == Resolution("192.0.2.9")


def test_a_name_that_never_resolved_has_no_address() -> None:
    found = run(lambda: Resolver(Names(host=NO_NAME)).resolve("host"))
    assert (found.address, found.kept) == (None, False)
    assert "not known" in found.error


@contextmanager
def stuck() -> Iterator[tuple[Callable[[str], Sequence[str]], list[str]]]:
    """A name service that never answers for names that begin with "stuck"."""
    release = threading.Event()
    asked: list[str] = []

    def lookup(host: str) -> Sequence[str]:
        asked.append(host)
        if host.startswith("stuck"):
            release.wait(60)
        return ["192.0.2.1"]

    try:
        yield lookup, asked
    finally:
        release.set()


def test_names_that_hang_time_out_and_do_not_take_the_places_of_the_others() -> None:
    with stuck() as (lookup, asked):

        async def work() -> tuple[list[Resolution], Resolution]:
            resolver = Resolver(lookup, timeout_s=0.05)
            hanging = [f"stuck{n}" for n in range(LANE)]
            for _ in range(3):
                first = await asyncio.gather(*map(resolver.resolve, hanging))
            return first, await Resolver(lookup, timeout_s=5).resolve("good")

        hung, good = run(work)
    assert all(found.address is None and "no answer" in found.error for found in hung)
    assert good == Resolution("192.0.2.1")
    # One look-up a name, however often it is asked for: the first one is still out.
    assert len([host for host in asked if host.startswith("stuck")]) == LANE


def test_a_name_that_was_slow_waits_in_the_slow_lane_from_then_on() -> None:
    gate = threading.Semaphore(0)
    begun: list[str] = []
    ended: list[str] = []

    def lookup(host: str) -> Sequence[str]:
        if host.startswith("slow"):
            begun.append(host)
            gate.acquire(timeout=60)
            ended.append(host)
        return ["192.0.2.1"]

    async def work() -> tuple[int, Resolution]:
        resolver = Resolver(lookup, timeout_s=0.05)
        slow = [f"slow{n}" for n in range(LANE)]
        await asyncio.gather(*map(resolver.resolve, slow))
        # A look-up begins a little after the wait for it: let each be beyond the time-out.
        await asyncio.sleep(0.2)
        gate.release(LANE)
        while len(ended) < LANE:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # the answers are on their way through the loop
        begun.clear()
        await asyncio.gather(*map(resolver.resolve, slow))
        side_by_side = len(begun)
        found = await resolver.resolve("good")
        gate.release(LANE)
        return side_by_side, found

    assert run(work) == (SLOW_LANE, Resolution("192.0.2.1"))


def test_the_hosts_own_names_resolve() -> None:
    assert set(system_lookup("localhost")) <= {"127.0.0.1", "::1"}
