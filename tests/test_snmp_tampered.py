"""Version 3 answers that are late, repeated, cut or changed on their way: never taken for true."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collectors.clients import open_client
from collectors.errors import SnmpError
from collectors.snmp import Session, Target

DESCR, OBJECT_ID, UPTIME = "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.2.0", "1.3.6.1.2.1.1.3.0"
IF_DESCR = "1.3.6.1.2.1.2.2.1.2"
Sent = list[tuple[float, bytes]]
Way = Callable[[bytes], Sent]


def honest(reply: bytes) -> Sent:
    return [(0.0, reply)]


class Relay:
    """Stands between a client and a device, and does to answers what `way` says."""

    def __init__(self, port: int) -> None:
        self.way: Way = honest
        self._device = ("127.0.0.1", port)
        self._front = socket.socket(type=socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self._front.settimeout(0.02)
        self._back: dict[tuple[str, int], socket.socket] = {}
        self.port: int = self._front.getsockname()[1]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        waiting: list[tuple[float, bytes, tuple[str, int]]] = []
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                question, peer = self._front.recvfrom(65_535)
                back = self._back.get(peer)
                if back is None:
                    back = self._back[peer] = socket.socket(type=socket.SOCK_DGRAM)
                    back.settimeout(0.5)
                back.sendto(question, self._device)
                with contextlib.suppress(TimeoutError):
                    now = time.monotonic()
                    sent = self.way(back.recv(65_535))
                    waiting += [(now + delay, data, peer) for delay, data in sent]
            for entry in [one for one in waiting if one[0] <= time.monotonic()]:
                waiting.remove(entry)
                self._front.sendto(entry[1], entry[2])

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        for one in (self._front, *self._back.values()):
            one.close()


@pytest.fixture
def relay(snmpd: Any) -> Iterator[Relay]:
    made = Relay(snmpd.port)
    yield made
    made.close()


def ask(
    library: Any, relay: Relay, work: Callable[[Session], Any], **changes: Any
) -> None:  # fmt: skip
    async def run() -> None:
        wrong: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
        client = open_client(library)
        target = Target(
            "127.0.0.1", relay.port, "3", user="sha-aes", auth="authpass12", priv="privpass12",
            **{"timeout_s": 0.08, "retries": 0} | changes,
        )  # fmt: skip
        session = client.session(target)
        try:
            await work(session)
        finally:
            await session.close()
            await client.close()
            await asyncio.sleep(0)
        assert not wrong

    asyncio.run(run())


def ways(agents: Any, flips: int) -> dict[str, Way]:
    """What can happen to an answer under way, so that it must not be believed."""
    rng = random.Random(3)

    def at_once(spoil: Callable[[bytes], bytes]) -> Way:
        return lambda reply: [(0.0, spoil(reply))]

    def flipped(reply: bytes) -> bytes:
        changed = bytearray(reply)
        changed[rng.randrange(len(reply))] ^= 1 << rng.randrange(8)
        return bytes(changed)

    def renumbered(reply: bytes) -> bytes:
        """The msgID of the next question."""
        (_, version), (_, head), *rest = agents.parts(agents.parts(reply)[0][1])
        (_, ident), *others = agents.parts(head)
        head = agents.number(agents.signed(ident) + 1)
        head += b"".join(agents.tlv(tag, body) for tag, body in others)
        made: bytes = agents.tlv(
            0x30,
            agents.tlv(2, version)
            + agents.tlv(0x30, head)
            + b"".join(agents.tlv(tag, body) for tag, body in rest),
        )
        return made

    def downgraded(reply: bytes) -> bytes:
        """A plain answer of version 2c under the same number."""
        _, (_, head), *_ = agents.parts(agents.parts(reply)[0][1])
        ident = agents.signed(agents.parts(head)[0][1])
        forged: bytes = agents.message(
            "public", 0xA2, ident, 0, 0, ((DESCR, agents.tlv(4, b"forged")),)
        )
        return forged

    return {
        "lost": lambda _: [],
        "half": at_once(lambda reply: reply[: len(reply) // 2]),
        "nearly all": at_once(lambda reply: reply[:-1]),
        "more": at_once(lambda reply: reply + b"\0"),
        "noise": at_once(lambda reply: rng.randbytes(len(reply))),
        "nested": at_once(lambda _: b"\x30\x80" * 2000),
        "huge length": at_once(lambda reply: b"\x30\x84\xff\xff\xff\xff" + reply[2:]),
        "renumbered": at_once(renumbered),
        "downgraded": at_once(downgraded),
        **{f"flipped {number}": at_once(flipped) for number in range(flips)},
    }


@pytest.mark.parametrize("library", ["pysnmp", "gufo"])
def test_a_changed_answer_is_never_believed_and_the_next_one_is(
    library: str, relay: Relay, agents: Any, soak: bool
) -> None:
    async def work(session: Session) -> None:
        good = await session.get([DESCR])
        table = await session.walk([IF_DESCR])
        for name, way in ways(agents, 100 if soak else 2).items():
            relay.way = way
            with contextlib.suppress(SnmpError):
                assert await session.get([DESCR]) == good, name
            if name.startswith("flipped"):
                with contextlib.suppress(SnmpError):
                    assert await session.walk([IF_DESCR]) == table, name
            relay.way = honest
            assert await session.get([DESCR]) == good, name
        assert await session.walk([IF_DESCR]) == table

    ask(library, relay, work)


@pytest.mark.parametrize("library", ["pysnmp", "gufo"])
def test_answers_that_come_late_twice_or_again_are_not_taken_for_the_next_ones(
    library: str, relay: Relay
) -> None:
    old: list[bytes] = []

    def again(reply: bytes) -> Sent:
        """All that were ever sent, and then the right one."""
        old.append(reply)
        return [(0.0, one) for one in old]

    delays = [0.4, 0.4, 0.0]

    async def work(session: Session) -> None:
        assert (await session.get([DESCR])).keys() == {DESCR}
        relay.way = lambda reply: [(delays.pop(0) if delays else 0.0, reply)]
        for way in (relay.way, lambda reply: [(0.0, reply)] * 2, again):
            relay.way = way
            for oid in (OBJECT_ID, UPTIME, DESCR) * 4:
                assert (await session.get([oid])).keys() == {oid}
            assert (await session.walk([IF_DESCR]))[IF_DESCR]

    ask(library, relay, work, timeout_s=0.3, retries=3)
