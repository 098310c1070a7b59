"""What misbehaving targets send back, and exactly what is counted of it.

The far end is a process of our own in place of the kernel's echo reply; it answers each packet as
its case says, and computes checksums by itself.
"""

from __future__ import annotations

import heapq
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.samples import Status, TrainPlan, TrainSamples
from agent.statistics import reordered

TIMEOUT_NS = 100_000_000
IDENTIFIER, SEQUENCE, FILLER, KEY, SLOT, MAGIC = 4, 6, 40, 16, 8, 12


def checksum(message: bytes) -> bytes:
    """RFC 1071, word by word."""
    total = sum(
        message[at] << 8 | (message[at + 1] if at + 1 < len(message) else 0)
        for at in range(0, len(message), 2)
    )
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def signed(message: bytes) -> bytes:
    """The message with the right checksum."""
    return message[:2] + checksum(message[:2] + b"\0\0" + message[4:]) + message[4:]


def flipped(message: bytes, octet: int) -> bytes:
    return message[:octet] + bytes([message[octet] ^ 0x10]) + message[octet + 1 :]


@dataclass(frozen=True)
class Answer:
    """One message that the far end sends."""

    message: bytes
    delay_s: float = 0.0
    elsewhere: bool = False
    """From another address than was asked."""


Behaviour = Callable[[int, bytes], list[Answer]]
"""Packet's number in the train (by its slot) and the right reply -> what is sent."""


@dataclass
class Responder:
    """Answers the echo requests that reach the far host, as told."""

    hosts: Any
    version: int
    behave: Behaviour = lambda _n, reply: [Answer(reply)]
    _stop: threading.Event = field(default_factory=threading.Event)
    first: int | None = None

    def __enter__(self) -> Responder:
        hosts, four = self.hosts, self.version == 4
        name = "net.ipv4.icmp_echo_ignore_all" if four else "net.ipv6.icmp.echo_ignore_all"
        hosts.run(hosts.far, "sysctl", "-q", "-w", f"{name}=1")
        other = "10.77.0.3/24" if four else "fd77::3/64"
        hosts.run(hosts.far, "ip", "addr", "add", other, "dev", hosts.far_link, "nodad")
        family = socket.AF_INET if four else socket.AF_INET6
        protocol = socket.IPPROTO_ICMP if four else socket.IPPROTO_ICMPV6
        with hosts.inside(hosts.far):
            self._socks = [socket.socket(family, socket.SOCK_RAW, protocol) for _ in range(3)]
        self._socks[1].bind((hosts.far_v4 if four else hosts.far_v6, 0))
        self._socks[2].bind((other.partition("/")[0], 0))
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        for sock in self._socks:
            sock.close()

    def _work(self) -> None:
        heard, here, elsewhere = self._socks
        waiting: list[tuple[float, int, Answer, Any]] = []
        order = 0
        request = 8 if self.version == 4 else 128
        while not self._stop.is_set():
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, answer, to = heapq.heappop(waiting)
                (elsewhere if answer.elsewhere else here).sendto(answer.message, to)
            left = min(0.05, waiting[0][0] - now) if waiting else 0.05
            if not select.select([heard], [], [], max(left, 0))[0]:
                continue
            packet, source = heard.recvfrom(2048)
            message = packet[(packet[0] & 15) * 4 :] if self.version == 4 else packet
            if message[0] != request:
                continue
            slot = struct.unpack_from("!I", message, SLOT)[0]
            self.first = slot if self.first is None else self.first
            reply = signed(bytes([0 if self.version == 4 else 129]) + message[1:])
            for answer in self.behave(slot - self.first, reply):
                order += 1
                heapq.heappush(waiting, (now + answer.delay_s, order, answer, source))


@pytest.fixture(params=["icmp-raw", "icmp-dgram"])
def kind(request: pytest.FixtureRequest, hosts: Any) -> str:
    allowed = "0 0" if request.param == "icmp-dgram" else "1 0"
    hosts.run(hosts.near, "sysctl", "-q", "-w", f"net.ipv4.ping_group_range={allowed}")
    return str(request.param)


@pytest.fixture
def responder(hosts: Any, version: int) -> Iterator[Responder]:
    with Responder(hosts, version) as answering:
        with hosts.inside(hosts.near):
            for _ in range(50):
                if measure(hosts, version, packets=1).status[0] == Status.RECEIVED:
                    break
        answering.first = None  # the acquaintance is no part of the train
        yield answering


def measure(
    hosts: Any, version: int, *, packets: int = 10, engine: Engine | None = None
) -> TrainSamples:
    address = hosts.far_v4 if version == 4 else hosts.far_v6
    plan = TrainPlan("p", "icmp", address, packets, 2_000_000, 64, TIMEOUT_NS)
    mine = engine or Engine()
    (samples,) = mine.run([(plan, on_grid(time.monotonic_ns() + 5_000_000))])
    if engine is None:
        mine.close()
    return samples


def only(number: int, make: Callable[[bytes], list[Answer]]) -> Behaviour:
    """One packet is answered so, the others as they should be."""
    return lambda n, reply: make(reply) if n == number else [Answer(reply)]


NOTHING = {"received": 10, "lost": 0, "late": 0, "duplicates": 0, "corrupted": 0, "spoofed": 0,
           "foreign": 0, "after_close": 0}  # fmt: skip
ONE_LOST = {"received": 9, "lost": 1}

CASES: dict[str, tuple[Behaviour, dict[str, int]]] = {
    "silence": (lambda _n, _reply: [], {"received": 0, "lost": 10}),
    "every reply twice": (lambda _n, reply: [Answer(reply)] * 2, {"duplicates": 10}),
    "one reply four times": (only(3, lambda r: [Answer(r)] * 4), {"duplicates": 3}),
    "a reply again much later": (
        only(3, lambda r: [Answer(r), Answer(r, 0.2)]),
        {"duplicates": 1},
    ),
    "a reply after the timeout": (
        only(4, lambda r: [Answer(r, 0.2)]),
        {"received": 9, "late": 1},
    ),
    "padding changed, checksum right": (
        only(5, lambda r: [Answer(signed(flipped(r, FILLER)))]),
        ONE_LOST | {"corrupted": 1},
    ),
    "another code": (
        only(5, lambda r: [Answer(signed(flipped(r, 1)))]),
        ONE_LOST | {"corrupted": 1},
    ),
    "cut, with the key": (only(5, lambda r: [Answer(signed(r[:30]))]), ONE_LOST | {"corrupted": 1}),
    "octets added": (
        only(5, lambda r: [Answer(signed(r + b"more"))]),
        ONE_LOST | {"corrupted": 1},
    ),
    "corrupted, then right": (
        only(5, lambda r: [Answer(signed(flipped(r, FILLER))), Answer(r)]),
        {"corrupted": 1},
    ),
    "a wrong key": (
        only(6, lambda r: [Answer(signed(flipped(r, KEY)))]),
        ONE_LOST | {"spoofed": 1},
    ),
    "a wrong key beside the right one": (
        only(6, lambda r: [Answer(signed(flipped(r, KEY + 7))), Answer(r)]),
        {"spoofed": 1},
    ),
    "from another address": (
        only(7, lambda r: [Answer(r, elsewhere=True)]),
        ONE_LOST | {"spoofed": 1},
    ),
    "changed and from another address": (
        only(7, lambda r: [Answer(signed(flipped(r, FILLER)), elsewhere=True)]),
        ONE_LOST | {"spoofed": 1},
    ),
    "no magic": (only(8, lambda r: [Answer(signed(flipped(r, MAGIC)))]), ONE_LOST | {"foreign": 1}),
    "cut to the header": (only(8, lambda r: [Answer(signed(r[:8]))]), ONE_LOST | {"foreign": 1}),
    "a slot that is nobody's": (
        only(8, lambda r: [Answer(signed(r[:SLOT] + b"\xff\xff\xff\xff" + r[MAGIC:]))]),
        ONE_LOST | {"foreign": 1},
    ),
    "another's identifier": (
        only(8, lambda r: [Answer(signed(flipped(r, IDENTIFIER)))]),
        ONE_LOST,
    ),
    "another sequence, all else right": (
        only(8, lambda r: [Answer(signed(flipped(r, SEQUENCE)))]),
        ONE_LOST | {"corrupted": 1},
    ),
}


def counted(samples: TrainSamples, engine: Engine) -> dict[str, int]:
    return {
        "received": int((samples.status == Status.RECEIVED).sum()),
        "lost": int((samples.status == Status.LOST).sum()),
        "late": int((samples.status == Status.LATE).sum()),
        "duplicates": samples.duplicates,
        "corrupted": samples.corrupted,
        "spoofed": samples.spoofed,
        "foreign": engine.counters.foreign,
        "after_close": engine.counters.after_close,
    }


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.usefixtures("kind")
def test_each_misbehaviour_is_counted_as_what_it_is(
    hosts: Any, responder: Responder, version: int
) -> None:
    for name, (behave, expected) in CASES.items():
        responder.behave = behave
        responder.first = None
        with hosts.inside(hosts.near):
            engine = Engine()
            samples = measure(hosts, version, engine=engine)
            engine.close()
        assert counted(samples, engine) == NOTHING | expected, name
        assert samples.local_drops == 0, name


@pytest.mark.parametrize("version", [4])
@pytest.mark.parametrize("octet", [FILLER, KEY, KEY + 7, 1])
def test_a_flipped_bit_on_a_raw_socket_is_corruption_whatever_it_hit(
    hosts: Any, responder: Responder, version: int, octet: int
) -> None:
    """The checksum is wrong, and only we look at it there: a flipped key is no spoofing."""
    hosts.run(hosts.near, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=1 0")
    responder.behave = only(2, lambda r: [Answer(flipped(r, octet))])
    with hosts.inside(hosts.near):
        engine = Engine()
        samples = measure(hosts, version, engine=engine)
        engine.close()
    assert counted(samples, engine) == NOTHING | ONE_LOST | {"corrupted": 1}


@pytest.mark.parametrize("version", [4])
def test_a_flipped_bit_on_an_unprivileged_socket_is_seen_by_the_kernel_and_is_loss(
    hosts: Any, responder: Responder, version: int
) -> None:
    hosts.run(hosts.near, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=0 0")
    responder.behave = only(2, lambda r: [Answer(flipped(r, FILLER))])
    with hosts.inside(hosts.near):
        engine = Engine()
        samples = measure(hosts, version, engine=engine)
        engine.close()
    assert counted(samples, engine) == NOTHING | ONE_LOST
    assert samples.local_drops == 0


@pytest.mark.parametrize("version", [4, 6])
def test_a_reply_that_was_overtaken_is_reordered_and_received(
    hosts: Any, responder: Responder, version: int
) -> None:
    held: list[Answer] = []

    def hold(number: int, reply: bytes) -> list[Answer]:
        if number == 2:
            held.append(Answer(reply))
            return []
        return [*held, Answer(reply)] if number == 5 else [Answer(reply)]

    responder.behave = hold
    with hosts.inside(hosts.near):
        samples = measure(hosts, version)
    received = samples.status == Status.RECEIVED
    assert received.all()
    assert np.argsort(samples.rx_ns, kind="stable").tolist() == [0, 1, 3, 4, 2, 5, 6, 7, 8, 9]
    assert reordered(samples.rx_ns, received) == 1


@pytest.mark.parametrize("version", [4, 6])
def test_replies_after_the_end_of_their_train_count_for_no_other(
    hosts: Any, responder: Responder, version: int
) -> None:
    keep: list[Answer] = []

    def late(number: int, reply: bytes) -> list[Answer]:
        if number < 10:
            keep.append(Answer(reply))
            return [] if number < 3 else [Answer(reply)]
        # Packets 0 to 2 were never answered, 3 to 9 are answered a second time: all are closed.
        replay, keep[:] = list(keep), []
        return [*replay, Answer(reply)]

    responder.behave = late
    with hosts.inside(hosts.near):
        engine = Engine()
        first = measure(hosts, version, engine=engine)
        second = measure(hosts, version, engine=engine)
        engine.close()
    assert (first.status == Status.LOST).sum() == 3
    assert counted(second, engine) == NOTHING | {"after_close": 10}


class Oversleeper:
    """The host was away just when a packet was due: sleeps over the instant, once."""

    monotonic_ns = staticmethod(time.monotonic_ns)
    realtime_ns = staticmethod(time.time_ns)

    def __init__(self, at_ns: int, by_ns: int) -> None:
        self._at_ns, self._by_ns = at_ns, by_ns

    def sleep_until(self, monotonic_ns: int) -> None:
        if self._by_ns and monotonic_ns >= self._at_ns:
            monotonic_ns = self._at_ns + self._by_ns
            self._by_ns = 0
        time.sleep(max(monotonic_ns - time.monotonic_ns(), 0) / 1e9)


@pytest.mark.parametrize("version", [4])
def test_a_packet_that_left_late_still_has_its_whole_timeout(
    hosts: Any, responder: Responder, version: int
) -> None:
    """Else a pause of ours that is shorter than the spacing would pass for loss."""
    responder.behave = lambda _n, reply: [Answer(reply, 0.03)]
    spacing_ns = 1_000_000_000
    start_ns = on_grid(time.monotonic_ns() + 5_000_000)
    address = hosts.far_v4 if version == 4 else hosts.far_v6
    plan = TrainPlan("p", "icmp", address, 2, spacing_ns, 64, TIMEOUT_NS)
    with hosts.inside(hosts.near):
        engine = Engine(Oversleeper(start_ns + spacing_ns - 5_000_000, 700_000_000))
        (samples,) = engine.run([(plan, start_ns)])
        engine.close()
    assert samples.lateness_ns[1] > 600_000_000
    assert samples.status.tolist() == [Status.RECEIVED, Status.RECEIVED]
