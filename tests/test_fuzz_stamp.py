"""Random, cut and bit-flipped datagrams against both STAMP codecs and a live reflector.

Seeded: 100,000 datagrams each, 1,000,000 in `make soak`.
"""

from __future__ import annotations

import socket
from contextlib import closing

import numpy as np
import pytest

from agent.kernel.sockets import enlarge_buffers
from agent.reflector.access import Keyring, Prefixes
from agent.reflector.core import Policy, Reflection, Requests
from agent.reflector.counters import ReflectorCounters
from agent.reflector.rate_limit import RateLimit
from agent.reflector.server import LOOPBACK, Reflector, ReflectorOptions
from agent.reflector.sessions import SessionTable
from agent.wire.stamp import build_sender, padding_intact, parse_replies, verify_hmac
from agent.wire.tlv import NO_TLVS, SenderTlvs, read_reply_tlvs, shape

KEY = bytes(range(32))
KEYS = Keyring(((None, KEY),))
ALL = SenderTlvs(timestamp_information=True, class_of_service=46, follow_up=True)
BATCH = 250
SLOT = 300

pytestmark = pytest.mark.soak

POLICIES = {
    "stateless": {},
    "stateful": {"stateful": True},
    "authenticated": {"keys": KEYS},
    "both": {"keys": KEYS, "allow_unauthenticated": True, "stateful": True},
}


def templates() -> np.ndarray:
    """Good packets of every kind, in slots of `SLOT` octets, ends filled with more TLVs."""
    one = np.array([7], np.uint32)
    made = [
        build_sender(one, np.array([stamp], np.uint64), estimate, 99, size, key, tlvs)[0]
        for stamp, estimate in ((0xE8FE6F80_12345678, 0x8F84), (0x6553F100_00000005, 0x4001))
        for key in (None, KEY)
        for size, tlvs in ((112, NO_TLVS), (SLOT, NO_TLVS), (200, ALL), (SLOT, ALL))
    ]
    return np.stack([np.resize(packet, SLOT) for packet in made])


class Mutations:
    """Batches of spoilt packets; one length a batch, so that a reply's length can be judged."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.good = templates()

    def batch(self, length: int) -> np.ndarray:
        random = self.random
        packets = self.good[random.integers(0, len(self.good), BATCH)].copy()
        kind = random.integers(0, 4, BATCH)
        # 0: as it is, only cut; 1: some bits flipped; 2: octets behind the base random; 3: all.
        flips = random.integers(0, SLOT * 8, (BATCH, 3))
        for column in flips[kind == 1].T:
            packets[np.flatnonzero(kind == 1), column // 8] ^= (1 << column % 8).astype(np.uint8)
        noise = random.integers(0, 256, packets.shape, np.uint8)
        packets[kind == 2, 44:] = noise[kind == 2, 44:]
        packets[kind == 3] = noise[kind == 3]
        packets[:, length:] = 0xEE
        return packets

    def length(self) -> int:
        """Mostly the sizes at which something begins or ends."""
        edges = (0, 1, 13, 14, 15, 16, 36, 38, 41, 44, 45, 47, 48, 64, 80, 111, 112, 113, 200, SLOT)
        if self.random.random() < 0.5:
            return int(self.random.choice(edges))
        return int(self.random.integers(0, SLOT + 1))


def assert_adds_up(counters: ReflectorCounters) -> None:
    refused = sum(counters.refused.values())
    assert counters.received == counters.answered + refused + sum(counters.unsent.values())


@pytest.mark.parametrize("policy", POLICIES)
def test_no_datagram_breaks_the_reflectors_codec(policy: str, soak: bool) -> None:
    mutations = Mutations(1)
    reflection = Reflection(
        Policy(Prefixes(LOOPBACK), **POLICIES[policy]), RateLimit(0), frozenset({8620})
    )
    sessions = SessionTable(most=50)
    names = np.zeros((BATCH, 32), np.uint8)
    names[:, :8] = (2, 0, 0, 0, 127, 0, 0, 1)
    answered = 0
    rounds = (250_000 if soak else 25_000) // BATCH
    for i in range(rounds):
        length = mutations.length()
        data = mutations.batch(length)
        names[:, 2:4] = mutations.random.integers(0, 256, (BATCH, 2))
        requests = Requests(
            data, np.full(BATCH, length, np.uint32), names, np.zeros(BATCH, np.int64),
            np.full(BATCH, -1, np.int16), mutations.random.integers(-1, 256, BATCH, np.int16),
        )  # fmt: skip
        before = data.copy()
        replies = reflection.reflect(requests, sessions, i, i)
        reflection.depart(data, replies, slice(0, BATCH), i)
        answered += len(replies.rows)
        # Behind a datagram's end nothing is written that could be sent, before it T1 comes back.
        assert (data[:, max(length, 112) :] == before[:, max(length, 112) :]).all()
        if length >= 44 and policy == "stateless":
            assert (data[replies.rows, 28:36] == before[replies.rows, 4:12]).all()
        assert len(sessions) <= 50
    counters = reflection.counters
    assert counters.received == rounds * BATCH
    assert counters.received == answered + sum(counters.refused.values())
    assert answered > 0


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("tlvs", [NO_TLVS, ALL])
def test_no_reply_breaks_the_senders_codec(key: bytes | None, tlvs: SenderTlvs, soak: bool) -> None:
    mutations = Mutations(2)
    asked = shape(SLOT, key is not None, tlvs)
    for _ in range((250_000 if soak else 25_000) // BATCH):
        length = mutations.length()
        data = mutations.batch(length)
        # What a reflector clears: without it no TLV of ours would be looked at.
        for at, _, _ in asked.headers:
            data[::2, at] = 0
        lengths = np.full(BATCH, length)
        replies = parse_replies(data, lengths, key is not None)
        assert (replies.ok == (length >= (112 if key else 36))).all()
        replies.times_ns(replies.t3)
        read = read_reply_tlvs(data, lengths, asked, key)
        assert not (read.follow_up & ~read.intact).any()
        padding_intact(data, lengths, SLOT, key is not None, tlvs)
        if key:
            assert verify_hmac(data, lengths, key).sum() <= BATCH


@pytest.mark.parametrize("policy", POLICIES)
def test_no_datagram_breaks_a_live_reflector(policy: str, soak: bool) -> None:
    mutations = Mutations(3)
    options = ReflectorOptions(listen=(("127.0.0.1", 0),), rate=0, **POLICIES[policy])
    good = build_sender(np.array([1], np.uint32), np.array([5], np.uint64), 1, 2, 112, KEY)
    with (
        closing(Reflector(options)) as reflector,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        sock.connect(reflector.addresses[0])
        sock.setblocking(False)
        enlarge_buffers(sock, 1 << 20)
        sent = 0
        for _ in range((250_000 if soak else 25_000) // BATCH):
            length = mutations.length()
            for packet in mutations.batch(length):
                sock.send(packet[:length].tobytes())
            sent += BATCH
            before = reflector.counters.answered
            while reflector.counters.received < sent:
                assert reflector.poll(5), "datagrams were lost on loopback"
            for _ in range(reflector.counters.answered - before):
                assert len(sock.recv(2048)) == length
        with pytest.raises(BlockingIOError):
            sock.recv(2048)
        sock.send(good[0].tobytes())
        assert reflector.poll(5) == 1
        assert len(sock.recv(2048)) == 112
        assert_adds_up(reflector.counters)
        assert reflector.counters.received == sent + 1
    assert reflector.counters.dropped == 0
