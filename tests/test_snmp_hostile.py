"""Agents that answer late, twice, wrongly or with rubbish: nothing crashes, nothing is made up."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from collectors.clients import open_client
from collectors.errors import MalformedError, RefusedError, SilentError, SnmpError
from collectors.snmp import Client, Session, Target

T = TypeVar("T")
DESCR, OBJECT_ID, UPTIME = "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.2.0", "1.3.6.1.2.1.1.3.0"
IF_NAME, IF_OCTETS = "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.31.1.1.1.6"
LIBRARIES = ["pysnmp", "gufo"]
Sent = list[tuple[float, bytes]]


def with_client(library: Any, work: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        client = open_client(library)
        wrong: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
        try:
            return await work(client)
        finally:
            await client.close()
            await asyncio.sleep(0)
            assert not wrong

    return asyncio.run(run())


def at(one: Any, timeout_s: float = 0.2, retries: int = 1) -> Target:
    return Target("127.0.0.1", one.port, community="public", timeout_s=timeout_s, retries=retries)


@pytest.fixture
def tree(agents: Any) -> Any:
    return agents.switch(48)


def expected(tree: Any, column: str) -> set[str]:
    return {
        ".".join(map(str, name[len(column.split(".")) :]))
        for name in tree.objects
        if ".".join(map(str, name)).startswith(f"{column}.")
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_honest_agent_is_read_whole_and_ever_cheaper(
    library: str, tree: Any, agent: Callable[..., Any]
) -> None:
    one = agent(tree)

    async def work(client: Client) -> None:
        session = client.session(at(one))
        first = await session.walk([IF_NAME, IF_OCTETS])
        asked = len(one.requests)
        assert first[IF_NAME].keys() == first[IF_OCTETS].keys() == expected(tree, IF_NAME)
        assert first[IF_NAME]["10101"] == b"Fa0/1"
        for _ in range(5):
            assert await session.walk([IF_NAME, IF_OCTETS]) == first
        before = len(one.requests)
        await session.walk([IF_NAME, IF_OCTETS])
        assert len(one.requests) - before == 2 < asked

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_late_answers_are_not_taken_for_the_next_ones(
    library: str, tree: Any, agent: Callable[..., Any]
) -> None:
    late: list[float] = [0.3, 0.3, 0.0]

    def behave(data: bytes, tree: Any) -> Sent:
        return [(late.pop(0) if late else 0.0, tree.answer(data))]

    one = agent(tree, behave)

    async def work(client: Client) -> None:
        session = client.session(at(one, retries=2))
        assert (await session.get([DESCR])).keys() == {DESCR}
        for oid in (OBJECT_ID, UPTIME) * 10:
            assert (await session.get([oid])).keys() == {oid}
            await asyncio.sleep(0.02)
        assert session.counts.timeouts == 2

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_answers_that_come_twice_count_once(
    library: str, tree: Any, agent: Callable[..., Any]
) -> None:
    one = agent(tree, lambda data, tree: [(0.0, tree.answer(data))] * 2)

    async def work(client: Client) -> None:
        session = client.session(at(one))
        for oid in (DESCR, OBJECT_ID, UPTIME) * 5:
            assert (await session.get([oid])).keys() == {oid}
        for _ in range(3):
            found = await session.walk([IF_NAME])
            assert found[IF_NAME].keys() == expected(tree, IF_NAME)

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_answer_to_another_question_is_waited_past(
    library: str, tree: Any, agents: Any, agent: Callable[..., Any]
) -> None:
    """Wrong request-id: never taken; with the right one behind it, that is."""

    def wrong(data: bytes) -> bytes:
        asked = agents.read(data)
        bound = tuple((".".join(map(str, name)), agents.number(666)) for name in asked.names)
        found: bytes = agents.message("public", 0xA2, asked.ident + 1, 0, 0, bound)
        return found

    both = agent(tree, lambda data, tree: [(0.0, wrong(data)), (0.05, tree.answer(data))])
    only = agent(tree, lambda data, _: [(0.0, wrong(data))])

    async def work(client: Client) -> None:
        session = client.session(at(both))
        assert await session.get([DESCR]) == {DESCR: b"A switch that was made up"}
        with pytest.raises(SnmpError):
            await client.session(at(only)).get([DESCR])

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_objects_that_were_not_asked_for_are_dropped(
    library: str, tree: Any, agents: Any, agent: Callable[..., Any]
) -> None:
    other = "1.3.6.1.2.1.1.4.0"

    def behave(data: bytes, _: Any) -> Sent:
        asked = agents.read(data)
        bound = ((other, agents.tlv(4, b"made up")), (DESCR, agents.tlv(4, b"right")))
        return [(0.0, agents.message("public", 0xA2, asked.ident, 0, 0, bound))]

    one = agent(tree, behave)

    async def work(client: Client) -> None:
        session = client.session(at(one))
        found = await session.get([DESCR, UPTIME])
        assert found == {DESCR: b"right"}
        assert session.counts.unasked == 1

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_that_goes_backwards_or_round_ends(
    library: str, tree: Any, agents: Any, agent: Callable[..., Any]
) -> None:
    def behave(data: bytes, tree: Any) -> Sent:
        asked = agents.read(data)
        if asked.pdu == 0xA0:
            return [(0.0, tree.answer(data))]
        rows = tuple(
            (f"{IF_NAME}.{index}", agents.tlv(4, b"x")) for _ in range(9) for index in (1, 2, 3)
        )[: asked.second]
        return [(0.0, agents.message("public", 0xA2, asked.ident, 0, 0, rows))]

    one = agent(tree, behave)

    async def work(client: Client) -> None:
        session = client.session(at(one))
        assert await session.walk([IF_NAME]) == {IF_NAME: dict.fromkeys(("1", "2", "3"), b"x")}
        assert session.counts.backwards == 1
        one.behaviour = agents.honest  # and one that was read before
        await session.walk([IF_NAME])
        one.behaviour = behave
        assert await session.walk([IF_NAME]) == {IF_NAME: dict.fromkeys(("1", "2", "3"), b"x")}
        assert session.counts.backwards == 2

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_without_end_is_cut_off(
    library: str, tree: Any, agents: Any, agent: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr("collectors.walking.MOST_ROWS", 500)
    monkeypatch.setattr("collectors.gufo_client.MOST_ROWS", 500)

    def behave(data: bytes, _: Any) -> Sent:
        asked = agents.read(data)
        start = asked.names[0][len(IF_NAME.split(".")) :]
        first = start[0] + 1 if start else 1
        rows = tuple(
            (f"{IF_NAME}.{index}", agents.number(1)) for index in range(first, first + asked.second)
        )
        return [(0.0, agents.message("public", 0xA2, asked.ident, 0, 0, rows))]

    one = agent(tree, behave)

    async def work(client: Client) -> None:
        session = client.session(at(one))
        with pytest.raises(MalformedError, match="no end"):
            await session.walk([IF_NAME])
        one.behaviour = agents.honest  # and one that was read before
        await session.walk([IF_NAME])
        one.behaviour = behave
        with pytest.raises(MalformedError, match="no end"):
            await session.walk([IF_NAME])

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("signs", ["tooBig", "silence"])
def test_a_device_with_small_messages_is_asked_for_less(
    library: str, signs: str, tree: Any, agents: Any, agent: Callable[..., Any]
) -> None:
    def behave(data: bytes, tree: Any) -> Sent:
        reply = tree.answer(data)
        if len(reply) <= 200:
            return [(0.0, reply)]
        if signs == "silence":
            return []
        return [(0.0, agents.message("public", 0xA2, agents.read(data).ident, 1, 0, ()))]

    one = agent(tree, behave)
    wanted = [DESCR, OBJECT_ID, UPTIME, *(f"{IF_OCTETS}.{10_100 + port}" for port in range(1, 20))]

    async def work(client: Client) -> None:
        session = client.session(at(one, timeout_s=0.1, retries=5))
        assert (await session.get(wanted)).keys() == set(wanted)
        found = await session.walk([IF_NAME])
        assert found[IF_NAME].keys() == expected(tree, IF_NAME)

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_device_that_can_send_nothing_at_all_is_given_up(
    library: str, tree: Any, agents: Any, agent: Callable[..., Any]
) -> None:
    def behave(data: bytes, _: Any) -> Sent:
        return [(0.0, agents.message("public", 0xA2, agents.read(data).ident, 1, 0, ()))]

    one = agent(tree, behave)

    async def work(client: Client) -> None:
        for question in (
            lambda session: session.get([DESCR, UPTIME]),
            lambda session: session.walk([IF_NAME]),
        ):
            with pytest.raises((RefusedError, MalformedError)):
                await question(client.session(at(one)))
        assert len(one.requests) < 40

    with_client(library, work)


def rubbish(agents: Any) -> dict[str, Callable[[bytes], bytes]]:
    """Ways to spoil a right answer."""

    def cut(share: float) -> Callable[[bytes], bytes]:
        return lambda reply: reply[: int(len(reply) * share)]

    def bound(value: bytes) -> Callable[[bytes], bytes]:
        return lambda reply: agents.message(
            "public", 0xA2, agents.read(reply).ident, 0, 0, ((DESCR, value),)
        )

    nested = b"\x30\x80" * 2000
    deep = b""
    for _ in range(300):
        deep = agents.tlv(0x24, deep)
    return {
        "nothing": lambda _: b"",
        "one octet": lambda _: b"\x30",
        "half": cut(0.5),
        "nearly all": cut(0.97),
        "header alone": lambda reply: reply[:20],
        "noise": lambda reply: random.Random(len(reply)).randbytes(200),
        "huge length": lambda reply: b"\x30\x84\xff\xff\xff\xff" + reply[2:],
        "indefinite": lambda reply: b"\x30\x80" + reply[2:] + b"\0\0",
        "nested without end": lambda _: nested,
        "deep strings": bound(deep),
        "long integer": bound(agents.tlv(2, b"\x7f" * 600)),
        "empty integer": bound(agents.tlv(2, b"")),
        "negative counter": bound(agents.tlv(0x41, b"\xff")),
        "short address": bound(agents.tlv(0x40, b"\x7f\0")),
        "endless arc": bound(agents.tlv(6, b"\xff" * 500)),
        "unknown type": bound(agents.tlv(0x5F, b"x")),
        "a request": lambda reply: reply.replace(b"\xa2", b"\xa0", 1),
        "a trap": lambda reply: reply.replace(b"\xa2", b"\xa7", 1),
        "version 9": lambda reply: reply.replace(b"\x02\x01\x01", b"\x02\x01\x09", 1),
        "a report": lambda reply: reply.replace(b"\xa2", b"\xa8", 1),
        "another community": lambda reply: reply.replace(b"public", b"PUBLIC", 1),
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_rubbish_is_survived_and_the_right_answer_behind_it_found(
    library: str, tree: Any, agents: Any, agent: Callable[..., Any]
) -> None:
    spoil: list[Callable[[bytes], bytes]] = []

    def behave(data: bytes, tree: Any) -> Sent:
        reply = tree.answer(data)
        return [(0.0, spoil[0](reply))] if spoil else [(0.0, reply)]

    one = agent(tree, behave)
    good = {DESCR: b"A switch that was made up"}

    async def work(client: Client) -> None:
        session = client.session(at(one, timeout_s=0.05, retries=0))
        assert await session.get([DESCR]) == good
        table = await session.walk([IF_NAME])
        for name, way in rubbish(agents).items():
            spoil[:] = [way]
            try:
                found = await session.get([DESCR])
            except SnmpError:
                found = {}
            if name not in ("long integer", "empty integer", "negative counter", "endless arc"):
                assert found == {}, name
            with contextlib.suppress(SnmpError):
                # What is bound to an object of another table ends this one.
                assert await session.walk([IF_NAME]) in ({IF_NAME: {}}, table), name
            spoil.clear()
            assert await session.get([DESCR]) == good, name
        assert await session.walk([IF_NAME]) == table

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_flipped_octets_never_crash_a_client(
    library: str, tree: Any, agent: Callable[..., Any], soak: bool
) -> None:
    rng = random.Random(7)

    def behave(data: bytes, tree: Any) -> Sent:
        reply = bytearray(tree.answer(data))
        for _ in range(rng.randrange(1, 5)):
            reply[rng.randrange(len(reply))] = rng.randrange(256)
        return [(0.0, bytes(reply))]

    one = agent(tree, behave)

    async def work(client: Client) -> None:
        async def ask(number: int) -> None:
            session = client.session(at(one, timeout_s=0.05, retries=0))
            try:
                if number % 2:
                    assert (await session.get([DESCR, UPTIME])).keys() <= {DESCR, UPTIME}
                else:
                    assert (await session.walk([IF_OCTETS])).keys() == {IF_OCTETS}
            except SnmpError:
                return
            finally:
                await session.close()

        for _ in range(100 if soak else 10):
            await asyncio.gather(*(ask(number) for number in range(20)))

    with_client(library, work)


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_device_cannot_answer_for_another(
    library: str, tree: Any, agents: Any, agent: Callable[..., Any]
) -> None:
    """It sees the numbers that it is asked under, and sends the next ones to everyone."""
    silent = agent(tree, lambda *_: [])

    def behave(data: bytes, tree: Any) -> Sent:
        asked = agents.read(data)
        forged = [
            (0.0, agents.message(
                "public", 0xA2, asked.ident + step, 0, 0, ((DESCR, agents.tlv(4, b"forged")),)
            ))
            for step in range(1, 40)
        ]  # fmt: skip
        return [*forged, (0.01, tree.answer(data))]

    liar = agent(tree, behave)

    async def work(client: Client) -> None:
        victim = client.session(at(silent, retries=0))
        lying = client.session(at(liar))

        async def ask_liar() -> None:
            for _ in range(5):
                await lying.get([DESCR])

        with pytest.raises(SilentError):
            await asyncio.gather(ask_liar(), victim.get([DESCR]))

    with_client(library, work)


def test_a_closed_session_leaves_nothing_behind_in_the_engine(
    tree: Any, agent: Callable[..., Any]
) -> None:
    from collectors.pysnmp_client import PysnmpClient

    one = agent(tree)

    async def work() -> None:
        client = PysnmpClient()
        for _ in range(20):
            session: Session = client.session(at(one))
            await session.get([DESCR])
            await session.close()
        assert len(client.engines.slots) == 1
        await client.close()

    asyncio.run(work())
