"""The reflector on real sockets: loopback, and two namespaces on a veth link."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.reflector.access import Keyring, ReflectorError, parse_prefix
from agent.reflector.server import Reflector, ReflectorOptions, running
from agent.wire.ntp import keyed_t1
from agent.wire.stamp import ReplyBatch, build_sender, parse_replies, verify_hmac
from agent.wire.tlv import NO_TLVS, ReplyTlvs, SenderTlvs, read_reply_tlvs, shape

ROOT = Path(__file__).parents[1]
KEY = bytes(range(32))
FOLLOW_UP = SenderTlvs(follow_up=True)
LOCAL = (("127.0.0.1", 0),)


class Sender:
    """A plain socket that speaks STAMP one packet at a time."""

    def __init__(self, address: tuple[str, int], key: bytes | None = None) -> None:
        six = ":" in address[0]
        self.sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(5)
        self.sock.connect(address)
        self.key = key
        self.seq = 0

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def packet(self, size: int = 44, tlvs: SenderTlvs = NO_TLVS) -> tuple[bytes, int]:
        random = int.from_bytes(os.urandom(8))
        t1 = keyed_t1(time.time_ns(), random, "ntp")
        seqs = np.array([self.seq], np.uint32)
        self.seq += 1
        stamps = np.array([t1], np.uint64)
        return build_sender(seqs, stamps, 1, 77, size, self.key, tlvs)[0].tobytes(), t1

    def ask(
        self, size: int = 44, tlvs: SenderTlvs = NO_TLVS
    ) -> tuple[ReplyBatch, ReplyTlvs, np.ndarray]:
        packet, t1 = self.packet(size, tlvs)
        self.sock.send(packet)
        octets = self.sock.recv(20_000)
        assert len(octets) == size
        data = np.frombuffer(octets, np.uint8)[None]
        reply = parse_replies(data, np.array([size]), self.key is not None)
        assert reply.sender_t1[0] == t1
        asked = shape(size, self.key is not None, tlvs)
        return reply, read_reply_tlvs(data, np.array([size]), asked, self.key), data


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("key", [None, KEY])
def test_a_train_with_every_tlv_is_answered(host: str, stateful: bool, key: bytes | None) -> None:
    keys = Keyring(((None, KEY),)) if key else Keyring(())
    options = ReflectorOptions(listen=((host, 0),), stateful=stateful, keys=keys)
    asks = SenderTlvs(True, 46, True)
    before = time.time_ns()
    with running(options) as reflector, Sender(reflector.addresses[0], key) as sender:
        sender.seq = 100
        earlier: list[int] = []
        for i in range(5):
            reply, tlvs, data = sender.ask(200, asks)
            assert reply.seq[0] == (i if stateful else 100 + i)
            assert before < reply.times_ns(reply.t2)[0] <= reply.times_ns(reply.t3)[0]
            assert reply.times_ns(reply.t3)[0] < time.time_ns()
            assert reply.sender_ttl[0] == 64
            assert tlvs.intact[0]
            assert tlvs.class_of_service[0]
            assert tlvs.timestamp_information[0]
            assert key is None or verify_hmac(data, np.array([200]), KEY)[0]
            if i:
                # The kernel's stamp of the reply before: after its T3, before we asked again.
                assert tlvs.follow_up_seq[0] == reply.seq[0] - 1
                left = reply.times_ns(tlvs.follow_up_t3)[0]
                assert earlier[-1] <= left < reply.times_ns(reply.t2)[0]
            assert tlvs.follow_up[0] == (i > 0)
            earlier.append(int(reply.times_ns(reply.t3)[0]))
    counters = reflector.counters
    assert (counters.received, counters.answered) == (5, 5)
    assert (counters.departures, counters.follow_ups) == (5, 4)


def test_a_one_octet_datagram_does_not_stop_a_live_reflector() -> None:
    with (
        running(ReflectorOptions(listen=LOCAL)) as reflector,
        Sender(reflector.addresses[0]) as sender,
    ):
        for octets in (b"x", b"", b"\xff" * 13):
            sender.sock.send(octets)
        assert sender.ask()[0].ok[0]
    assert reflector.counters.as_dict() == {
        "received": 4, "answered": 1, "unsent": {}, "dropped": 0,
        "refused": {
            "short": 3, "oversize": 0, "not-allowed": 0, "source-port": 0, "reply": 0, "rate": 0,
            "unauthenticated": 0, "hmac": 0, "sessions": 0,
        },
        "malformed_tlvs": 0, "tlv_integrity_failed": 0, "follow_ups": 0, "departures": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("host", "level", "ask", "kind"),
    [
        ("127.0.0.1", socket.IPPROTO_IP, socket.IP_RECVTOS, socket.IP_TOS),
        ("::1", socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, socket.IPV6_TCLASS),
    ],
)
def test_a_reply_comes_with_the_dscp_asked_for_or_else_the_requests(
    host: str, level: int, ask: int, kind: int
) -> None:
    with (
        running(ReflectorOptions(listen=((host, 0),))) as reflector,
        Sender(reflector.addresses[0]) as sender,
    ):
        sender.sock.setsockopt(level, kind, 10 << 2)
        sender.sock.setsockopt(level, ask, 1)
        for tlvs, dscp in ((NO_TLVS, 10), (SenderTlvs(class_of_service=46), 46)):
            packet, _ = sender.packet(60, tlvs)
            sender.sock.send(packet)
            octets, control, _, _ = sender.sock.recvmsg(200, 200)
            assert [data[0] for at, what, data in control if (at, what) == (level, kind)] == [
                dscp << 2
            ]
        word = int.from_bytes(octets[48:50])
        assert (word >> 10, word >> 4 & 0x3F) == (46, 10)


def test_a_burst_larger_than_a_batch_is_answered_whole_and_in_order() -> None:
    count = 500
    options = ReflectorOptions(listen=LOCAL, rate=0, stateful=True)
    with closing(Reflector(options)) as reflector, Sender(reflector.addresses[0]) as sender:
        sender.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for _ in range(count):
            sender.sock.send(sender.packet()[0])
        received = reflector.poll(5)
        assert received == count
        assert [int.from_bytes(sender.sock.recv(100)[:4]) for _ in range(count)] == list(
            range(count)
        )


def test_a_jumbo_frame_is_answered_and_a_longer_one_refused() -> None:
    with (
        running(ReflectorOptions(listen=LOCAL)) as reflector,
        Sender(reflector.addresses[0]) as sender,
    ):
        assert sender.ask(9216)[0].ok[0]
        sender.sock.send(sender.packet(9217)[0])
        assert sender.ask(9000)[0].ok[0]
    assert reflector.counters.as_dict()["refused"]["oversize"] == 1  # type: ignore[index]


def test_several_addresses_are_served_at_once() -> None:
    listen = (("127.0.0.1", 0), ("127.0.0.2", 0), ("::1", 0))
    with running(ReflectorOptions(listen=listen)) as reflector:
        assert [host for host, _ in reflector.addresses] == [host for host, _ in listen]
        for address in reflector.addresses:
            with Sender(address) as sender:
                assert sender.ask()[0].ok[0]
    assert reflector.counters.answered == 3


def test_sources_outside_the_prefixes_hear_nothing() -> None:
    allow = (parse_prefix("127.0.0.9"),)
    with (
        running(ReflectorOptions(listen=LOCAL, allow=allow)) as reflector,
        Sender(reflector.addresses[0]) as sender,
    ):
        sender.sock.settimeout(0.3)
        sender.sock.send(sender.packet()[0])
        with pytest.raises(TimeoutError):
            sender.sock.recv(100)
    assert reflector.counters.as_dict()["refused"]["not-allowed"] == 1  # type: ignore[index]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_loopback_somebody_must_be_allowed(host: str) -> None:
    with pytest.raises(ReflectorError, match="--allow"):
        Reflector(ReflectorOptions(listen=((host, 8620),)))


def test_a_taken_port_is_told_with_a_remedy() -> None:
    with (
        running(ReflectorOptions(listen=LOCAL)) as first,
        pytest.raises(ReflectorError, match="port is taken; find by whom with: ss -lunp"),
    ):
        Reflector(ReflectorOptions(listen=first.addresses))


def test_an_address_of_another_host_is_told_with_a_remedy() -> None:
    options = ReflectorOptions(listen=(("192.0.2.1", 0),), allow=(parse_prefix("192.0.2.0/24"),))
    with pytest.raises(ReflectorError, match="does not have the address"):
        Reflector(options)


def test_a_privileged_port_is_told_with_a_remedy(hosts) -> None:  # type: ignore[no-untyped-def]
    # All is imported before the rights are given up: the user nobody may not read every home.
    program = f"""
import encodings.idna, os, sys
sys.path.insert(0, {str(ROOT)!r})
from agent.reflector.server import Reflector, ReflectorOptions
from agent.reflector.access import ReflectorError
os.setuid(65534)
try:
    Reflector(ReflectorOptions(listen=(("127.0.0.1", 862),)))
except ReflectorError as error:
    print(error)
"""
    # A fresh namespace, for containers often open all ports to everybody.
    said = hosts.run(hosts.near, sys.executable, "-c", program).stdout
    assert "CAP_NET_BIND_SERVICE" in said


def test_over_a_link_follow_ups_come_in_both_families(hosts) -> None:  # type: ignore[no-untyped-def]
    allow = (parse_prefix("10.77.0.0/24"), parse_prefix("fd77::/64"))
    options = ReflectorOptions(listen=((hosts.far_v4, 862), (hosts.far_v6, 862)), allow=allow)
    with hosts.inside(hosts.far):
        reflector = Reflector(options)
    try:
        for address in reflector.addresses:
            with hosts.inside(hosts.near):
                sender = Sender(address)
            with sender:
                for i in range(3):
                    packet, _ = sender.packet(64, FOLLOW_UP)
                    sender.sock.send(packet)
                    assert reflector.poll(2) == 1
                    octets = np.frombuffer(sender.sock.recv(100), np.uint8)[None]
                    tlvs = read_reply_tlvs(octets, np.array([64]), shape(64, False, FOLLOW_UP))
                    assert tlvs.follow_up[0] == (i > 0)
                    reflector.poll(0)
    finally:
        reflector.close()
    assert reflector.counters.departures == 6


def test_replies_that_the_kernel_refuses_are_counted_apart(hosts, need) -> None:  # type: ignore[no-untyped-def]
    need("nft")
    hosts.run(hosts.far, "nft", "add table inet t")
    hosts.run(hosts.far, "nft", "add chain inet t out { type filter hook output priority 0; }")
    hosts.run(hosts.far, "nft", "add rule inet t out udp sport 862 @th,64,32 1 drop")
    options = ReflectorOptions(listen=((hosts.far_v4, 862),), allow=(parse_prefix("10.77.0.0/24"),))
    with hosts.inside(hosts.far):
        reflector = Reflector(options)
    with hosts.inside(hosts.near):
        sender = Sender(reflector.addresses[0])
    with sender:
        for _ in range(4):
            sender.sock.send(sender.packet(64, FOLLOW_UP)[0])
        received = 0
        while received < 4:
            received += reflector.poll(2)
        numbers = [int.from_bytes(sender.sock.recv(100)[:4]) for _ in range(3)]
        # Ids of TX stamps are counted anew after a refusal: no stamp goes to a wrong reply.
        sender.sock.send(sender.packet(64, FOLLOW_UP)[0])
        assert reflector.poll(2) == 1
        sender.sock.recv(100)
    reflector.close()
    assert numbers == [0, 2, 3]
    assert reflector.counters.as_dict()["unsent"] == {errno.errorcode[errno.EPERM]: 1}
    assert reflector.counters.answered == 4


def test_two_reflectors_set_on_each_other_by_a_forged_request_fall_silent() -> None:
    first = Reflector(ReflectorOptions(listen=LOCAL))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.bind(("127.0.0.1", 0))
        forged = forger.getsockname()
        forger.sendto(bytes(44), first.addresses[0])
    with closing(first), closing(Reflector(ReflectorOptions(listen=(forged,)))) as second:
        assert first.poll(5) == 1
        assert second.poll(5) == 1
        assert first.poll(0.2) == 0
    assert first.counters.answered == 1
    assert second.counters.as_dict()["refused"]["reply"] == 1  # type: ignore[index]


@pytest.mark.parametrize("version", [4, 6])
def test_a_reflector_on_all_addresses_answers_from_the_one_that_was_asked(
    hosts: Any, version: int
) -> None:
    asked = "10.77.0.9" if version == 4 else "fd77::9"
    prefix = 24 if version == 4 else 64
    more = ["nodad"] if version == 6 else []
    hosts.run(hosts.far, "ip", "addr", "add", f"{asked}/{prefix}", "dev", hosts.far_link, *more)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    near = "10.77.0.0/24" if version == 4 else "fd77::/64"
    every = "0.0.0.0" if version == 4 else "::"
    options = ReflectorOptions(listen=((every, 8620),), allow=(parse_prefix(near),))
    with hosts.inside(hosts.far):
        reflector = Reflector(options)
    stop = threading.Event()
    thread = threading.Thread(target=reflector.run, args=(stop,))
    thread.start()
    try:
        with hosts.inside(hosts.near), socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.settimeout(5)
            for tos in (0, 0x20):
                level, kind = (
                    (socket.IPPROTO_IP, socket.IP_TOS)
                    if version == 4
                    else (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
                )
                sender.setsockopt(level, kind, tos)
                sender.sendto(bytes(44), (asked, 8620))
                reply, source = sender.recvfrom(100)
                assert source[0] == asked
                assert len(reply) == 44
    finally:
        stop.set()
        thread.join()
        reflector.close()
