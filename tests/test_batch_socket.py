"""Batches over real sockets: what goes in comes out, and control messages of every mixture."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest

from agent.engine.channel import address_of
from agent.engine.headers import point_headers
from agent.engine.slots import HEADER_WORDS
from agent.kernel.addresses import sockaddr
from agent.kernel.batch_socket import (
    HEADER,
    IOVEC,
    MSG_ERRQUEUE,
    ORIGIN_ICMP,
    ORIGIN_TIMESTAMPING,
    ReceiveVector,
    send_headers,
    would_block,
)
from agent.kernel.sockets import SO_TIMESTAMPING, TIMESTAMPING

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=[4, 6])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A sender and a receiver on loopback; the receiver hears TTL, DSCP and stamps."""
    four = request.param == 4
    family, host = (socket.AF_INET, "127.0.0.1") if four else (socket.AF_INET6, "::1")
    with socket.socket(family, socket.SOCK_DGRAM) as out, socket.socket(
        family, socket.SOCK_DGRAM
    ) as into:  # fmt: skip
        out.bind((host, 0))
        into.bind((host, 0))
        into.setblocking(False)
        into.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TIMESTAMPING)
        level, hops, mark = (socket.IPPROTO_IP, 12, 13) if four else (socket.IPPROTO_IPV6, 51, 66)
        into.setsockopt(level, hops, 1)
        into.setsockopt(level, mark, 1)
        yield out, into


def version_of(sock: socket.socket) -> int:
    return 4 if sock.family == socket.AF_INET else 6


def mark(sock: socket.socket, tos: int, ttl: int) -> None:
    """The DSCP and TTL of what this socket sends from now on."""
    if version_of(sock) == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def test_a_batch_is_read_with_its_lengths_sources_stamps_and_marks(pair: Pair) -> None:
    out, into = pair
    vector = ReceiveVector(batch=64, octets=100)
    before_ns = time.time_ns()
    for n in range(40):
        mark(out, (n % 4) << 3, 10 + n % 3)
        out.sendto(bytes([n]) * (n + 1), into.getsockname())
    assert vector.receive(into.fileno()) == 40
    control = vector.control(40)
    after_ns = time.time_ns()
    assert vector.lengths[:40].tolist() == list(range(1, 41))
    for n in range(40):
        assert vector.data[n, : n + 1].tolist() == [n] * (n + 1)
        assert address_of(vector.names[n]) == out.getsockname()[0]
        assert struct.unpack_from("!H", vector.names[n].tobytes(), 2)[0] == out.getsockname()[1]
        assert (control.tos[n], control.ttl[n]) == ((n % 4) << 3, 10 + n % 3)
    assert ((before_ns <= control.stamp_ns) & (control.stamp_ns <= after_ns)).all()
    assert (control.error == -1).all()


def test_control_messages_that_come_and_go_are_each_read_right(pair: Pair) -> None:
    """What the socket is told is switched between datagrams: the layout of a row changes."""
    out, into = pair
    four = version_of(into) == 4
    level, hops = (socket.IPPROTO_IP, 12) if four else (socket.IPPROTO_IPV6, 51)
    vector = ReceiveVector(batch=64, octets=100)
    rng = np.random.default_rng(5)
    wanted = []
    for _ in range(20):
        told = bool(rng.integers(2))
        into.setsockopt(level, hops, told)
        ttl = int(rng.integers(1, 200))
        mark(out, 0x20, ttl)
        out.sendto(b"x", into.getsockname())
        wanted.append(ttl if told else -1)
        assert vector.receive(into.fileno()) == 1
        control = vector.control(1)
        assert (control.ttl[0], control.tos[0]) == (wanted[-1], 0x20)
        assert control.stamp_ns[0] > 0
    assert {True, False} == {ttl > 0 for ttl in wanted}


def test_the_next_batch_is_not_read_with_the_lengths_of_the_last(pair: Pair) -> None:
    """The kernel writes lengths of names and control messages into the headers."""
    out, into = pair
    vector = ReceiveVector(batch=8, octets=64)
    mark(out, 0x28, 77)
    for size in (3, 60, 1):
        for _ in range(5):
            out.sendto(bytes(size), into.getsockname())
        assert vector.receive(into.fileno()) == 5
        control = vector.control(5)
        assert vector.lengths[:5].tolist() == [size] * 5
        assert (control.ttl == 77).all()
        assert (control.tos == 0x28).all()
        assert (control.stamp_ns > 0).all()
        assert address_of(vector.names[4]) == out.getsockname()[0]


def test_a_full_batch_leaves_the_rest_for_the_next_call(pair: Pair) -> None:
    out, into = pair
    vector = ReceiveVector(batch=16, octets=64)
    for n in range(40):
        out.sendto(bytes([n]), into.getsockname())
    seen = []
    while (got := vector.receive(into.fileno())) > 0:
        seen.append(got)
    assert seen == [16, 16, 8]
    assert got == -errno.EAGAIN
    assert would_block(got)


def test_a_datagram_longer_than_its_room_is_cut_and_does_not_spill(pair: Pair) -> None:
    out, into = pair
    vector = ReceiveVector(batch=4, octets=32)
    out.sendto(b"\x01" * 500, into.getsockname())
    out.sendto(b"\x02" * 3, into.getsockname())
    assert vector.receive(into.fileno()) == 2
    assert vector.lengths[:2].tolist() == [32, 3]
    assert vector.data[1].tolist() == [2, 2, 2] + [0] * 29


def test_an_empty_datagram_is_one(pair: Pair) -> None:
    out, into = pair
    out.sendto(b"", into.getsockname())
    vector = ReceiveVector(batch=4, octets=32)
    assert vector.receive(into.fileno()) == 1
    assert vector.lengths[0] == 0


def test_a_closed_descriptor_is_an_error_and_not_silence() -> None:
    gone = os.dup(0)
    os.close(gone)
    assert ReceiveVector(batch=4).receive(gone) == -errno.EBADF
    assert not would_block(-errno.EBADF)
    assert send_headers(gone, np.zeros(1, HEADER).ctypes.data, 1) == -errno.EBADF


@pytest.mark.parametrize("chosen", [True, False])
def test_a_vector_of_headers_sends_each_packet_to_its_own_address(pair: Pair, chosen: bool) -> None:
    """With the DSCP asked for, and stamps under the ids asked for where the kernel takes those."""
    out, into = pair
    version = version_of(out)
    out.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TIMESTAMPING)
    with socket.socket(out.family, socket.SOCK_DGRAM) as other:
        other.bind((out.getsockname()[0], 0))
        words = np.zeros((10, HEADER_WORDS), np.uint64)
        packets = np.arange(10, dtype=np.uint8)[:, None].repeat(50, axis=1)
        names = np.stack([sockaddr(*sock.getsockname()[:2]) for sock in (into, other)])
        slots = np.arange(70_000, 70_010)
        held = point_headers(words, packets, names, 5, slots, 46, 4 if version == 4 else 6, chosen)
        sent = send_headers(out.fileno(), words.ctypes.data, 10)
        if chosen and sent == -errno.EINVAL:
            pytest.skip("this kernel does not take ids (before 6.13)")
        assert sent == 10
        assert held
        vector = ReceiveVector(batch=16, octets=64)
        assert vector.receive(other.fileno()) == 5
        assert vector.data[:5, 49].tolist() == [5, 6, 7, 8, 9]
        assert vector.receive(into.fileno()) == 5
        assert vector.data[:5, 49].tolist() == [0, 1, 2, 3, 4]
        assert (vector.control(5).tos == 46 << 2).all()
        assert vector.receive(out.fileno(), MSG_ERRQUEUE) == 10
        stamps = vector.control(10)
        assert (stamps.origin == ORIGIN_TIMESTAMPING).all()
        assert stamps.data.tolist() == (slots if chosen else np.arange(10)).tolist()
        assert (np.diff(stamps.stamp_ns) >= 0).all()


def test_an_icmp_error_tells_type_code_origin_and_what_it_quotes() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.IPPROTO_IP, 11, 1)
        out.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TIMESTAMPING)
        for n in range(3):
            while True:
                try:
                    out.sendto(bytes([n]) * 30, ("127.0.0.1", 9))
                except ConnectionRefusedError:
                    continue  # the error of the packet before
                break
        vector = ReceiveVector(batch=16, octets=64)
        n = vector.receive(out.fileno(), MSG_ERRQUEUE)
        control = vector.control(n)
        errors = np.flatnonzero(control.origin == ORIGIN_ICMP)
        # Errors and stamps stand in one batch, with control messages of different layouts.
        assert (len(errors), int((control.origin == ORIGIN_TIMESTAMPING).sum())) == (3, 3)
        for number, row in enumerate(errors.tolist()):
            assert (control.kind[row], control.code[row]) == (3, 3)
            assert control.error[row] == errno.ECONNREFUSED
            assert address_of(vector.offender(row, control)) == "127.0.0.1"
            assert address_of(vector.names[row]) == "127.0.0.1"
            assert vector.data[row, : vector.lengths[row]].tolist() == [number] * 30


def test_the_structures_have_the_kernels_sizes() -> None:
    assert (HEADER.itemsize, IOVEC.itemsize) == (64, 16)
