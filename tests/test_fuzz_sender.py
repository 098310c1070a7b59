"""The sender's live sockets under fire while trains run: nothing crashes, no sample is false, and
every datagram is found again in a counter.

Everything runs in one thread, turn by turn: fire, reflect, let the engine work. Seeded.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest

from agent.engine import loop as engine_module
from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.kernel.sockets import ProbeSocket, open_icmp
from agent.samples import StampOptions, Status, TrainPlan, TrainSamples

pytestmark = pytest.mark.soak

KEY = b"the key of both ends"
A_TURN = 250
BUFFER = 64 << 20


@pytest.fixture
def shots(soak: bool) -> int:
    """How many datagrams are fired at each socket."""
    return 1_000_000 if soak else 100_000


def mutated(rng: random.Random, octets: bytes) -> bytes:
    """Something near a right reply, never the right reply itself."""
    spoiled = bytearray(octets)
    match rng.randrange(5):
        case 0:
            return octets[: rng.randrange(len(octets))]
        case 1:
            spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
        case 2:
            for _ in range(rng.randrange(2, 20)):
                spoiled[rng.randrange(len(spoiled))] ^= rng.randrange(1, 256)
            if spoiled == octets:
                spoiled[-1] ^= 1
        case 3:
            spoiled += rng.randbytes(rng.randrange(1, 400))
        case _:
            at = rng.randrange(len(spoiled))
            spoiled[at:] = rng.randbytes(len(spoiled) - at)
            if spoiled == octets:
                spoiled[-1] ^= 1
    return bytes(spoiled)


def found(samples: TrainSamples) -> int:
    """Datagrams that the train's counters know of, besides the replies it took."""
    return samples.duplicates + samples.corrupted + samples.spoofed


def signed_reply(request: bytes, t2_ns: int) -> bytes:
    """RFC 8762, figure 7, with an HMAC: stateless, NTP stamps."""
    stamp = struct.pack("!II", t2_ns // 10**9 + 2_208_988_800, (t2_ns % 10**9 << 32) // 10**9)
    body = (
        request[:4] + bytes(12) + stamp + b"\x8a\x05" + request[26:28] + bytes(4) + stamp
        + bytes(8) + request[:4] + bytes(12) + request[16:24] + request[24:26] + bytes(6)
        + b"\x40" + bytes(15)
    )  # fmt: skip
    return body + hmac.new(KEY, body, hashlib.sha256).digest()[:16]


@pytest.mark.parametrize("from_the_reflector", [False, True])
def test_nothing_fired_at_a_stamp_socket_becomes_a_sample(
    shots: int, from_the_reflector: bool
) -> None:
    rng = random.Random(8762)
    packets = 100
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reflector,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        for sock in (reflector, stranger):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        gun = reflector if from_the_reflector else stranger
        engine = Engine(receive_buffer=BUFFER)
        # A turn of fire costs a few milliseconds: the train lasts as long as the fire.
        spacing_ns = shots * 40_000 // packets
        plan = TrainPlan(
            "p", "stamp", "127.0.0.1", packets, spacing_ns, 112, 2 * 10**9,
            port=reflector.getsockname()[1], stamp=StampOptions(auth_key=KEY),
        )  # fmt: skip
        engine.add([(plan, on_grid(time.monotonic_ns()))])
        done: list[TrainSamples] = []
        replies: list[bytes] = []
        told: dict[int, int] = {}
        target: Any = None
        fired = prolonged = 0
        while engine.busy:
            done += engine.step(time.monotonic_ns() + 1_000_000)
            while select.select([reflector], [], [], 0)[0]:
                request, target = reflector.recvfrom(2000)
                t2_ns = time.time_ns()
                reply = signed_reply(request, t2_ns)
                for _ in range(3):  # before the right one, so that it could be taken for it
                    shot = mutated(rng, reply)
                    gun.sendto(shot, target)
                    fired += 1
                    prolonged += shot[:112] == reply
                reflector.sendto(reply, target)
                told[struct.unpack_from("!I", request)[0]] = t2_ns
                replies.append(reply)
            for _ in range(min(A_TURN, shots - fired) if replies else 0):
                octets = (
                    rng.randbytes(rng.randrange(300))
                    if rng.random() < 0.3
                    else mutated(rng, rng.choice(replies[-20:]))
                )
                gun.sendto(octets, target)
                fired += 1
                prolonged += octets[:112] in replies[-20:]
        counters = engine.counters
        engine.close()
    (samples,) = done
    assert fired >= shots
    assert (samples.status == Status.RECEIVED).all()
    assert all(abs(int(samples.t2_ns[n]) - told[n]) <= 1 for n in range(packets))
    assert samples.local_drops == 0
    assert found(samples) + counters.foreign + counters.after_close == fired
    # Octets after a base packet that is signed right are a reply all the same.
    assert samples.duplicates == (prolonged if from_the_reflector else 0)
    assert samples.corrupted > 0 or not from_the_reflector


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ProbeSocket]:
    """The sockets that the engine opens: the fire needs their identifier to hit them."""
    probes: list[ProbeSocket] = []

    def watched(version: Literal[4, 6], **options: int) -> ProbeSocket:
        probes.append(open_icmp(version, **options))
        return probes[-1]

    monkeypatch.setattr(engine_module, "open_icmp", watched)
    return probes


@pytest.fixture
def alone(hosts: Any) -> Iterator[Any]:
    """A host on which nobody else receives ICMP."""
    hosts.run(hosts.near, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=1 0")
    with hosts.inside(hosts.near):
        yield hosts


def summed(message: bytes) -> bytes:
    """With the right checksum (RFC 1071)."""
    body = message[:2] + b"\0\0" + message[4:]
    total = sum(struct.unpack(f"!{(len(body) + 1) // 2}H", body + b"\0" * (len(body) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("version", [4, 6])
def test_nothing_fired_at_a_raw_icmp_socket_becomes_a_sample(
    shots: int, opened: list[ProbeSocket], version: int
) -> None:
    rng = random.Random(792)
    packets, size = 100, 64
    four = version == 4
    family, host = (socket.AF_INET, "127.0.0.1") if four else (socket.AF_INET6, "::1")
    protocol = socket.IPPROTO_ICMP if four else socket.IPPROTO_ICMPV6
    with socket.socket(family, socket.SOCK_RAW, protocol) as gun:
        gun.setblocking(False)
        engine = Engine(receive_buffer=BUFFER)
        spacing_ns = shots * 40_000 // packets
        plan = TrainPlan("p", "icmp", host, packets, spacing_ns, size, 2 * 10**9)
        engine.add([(plan, on_grid(time.monotonic_ns()))])
        kind = b"\0\0" if four else b"\x81\0"
        identifier = struct.pack("!H", opened[0].identifier)
        done: list[TrainSamples] = []
        replies: list[bytes] = []
        right: set[tuple[bytes, bytes]] = set()
        fired = 0
        while engine.busy:
            done += engine.step(time.monotonic_ns() + 1_000_000)
            # The gun hears the kernel's replies to the train as well, and its own shots.
            while select.select([gun], [], [], 0)[0]:
                packet = gun.recv(2000)[20 if four else 0 :]
                if len(replies) < packets and packet[:1] == kind[:1] and len(packet) == size:
                    replies.append(packet)
                    right.add((packet[:2], packet[4:]))  # ICMPv6 is summed by the kernel
                    drain(gun)
            for _ in range(min(A_TURN, shots - fired) if replies else 0):
                octets = (
                    rng.randbytes(rng.randrange(7, 300))
                    if rng.random() < 0.3
                    else mutated(rng, rng.choice(replies[-20:]))
                )
                # Type and identifier as they must be to reach the socket; the kernel passes on 8
                # octets of ICMP and more, 4 of ICMPv6, of which our filter wants to see 6.
                shot = kind[:1] + octets[1:4].ljust(3, b"\0") + identifier + octets[6:]
                if rng.random() < 0.8:
                    shot = summed(shot)
                if (four and len(shot) < 8) or (shot[:2], shot[4:]) in right:
                    continue
                gun.sendto(shot, (host, 0))
                fired += 1
            drain(gun)
        counters = engine.counters
        engine.close()
    (samples,) = done
    assert fired >= shots
    assert (samples.status == Status.RECEIVED).all()
    assert (samples.rtt_ns > 0).all()
    assert samples.local_drops == 0
    assert found(samples) + counters.foreign + counters.after_close == fired
    assert samples.duplicates == 0
    assert min(samples.corrupted, samples.spoofed, counters.foreign) > 0


def drain(sock: socket.socket) -> None:
    while select.select([sock], [], [], 0)[0]:
        sock.recv(2000)


@pytest.mark.usefixtures("alone")
def test_icmp_errors_with_any_quotation_are_counted_and_hurt_nobody(shots: int) -> None:
    rng = random.Random(4443)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as gun:
        engine = Engine(receive_buffer=BUFFER)
        packets, wanted = 100, shots // 10
        # The kernel looks up a socket for each error: three times what another shot costs.
        spacing_ns = wanted * 120_000 // packets
        plan = TrainPlan("p", "icmp", "127.0.0.1", packets, spacing_ns, 64, 2 * 10**9)
        engine.add([(plan, on_grid(time.monotonic_ns()))])
        done: list[TrainSamples] = []
        fired = 0
        while engine.busy:
            done += engine.step(time.monotonic_ns() + 1_000_000)
            for _ in range(min(A_TURN, wanted - fired)):
                inner = rng.randbytes(rng.randrange(8, 100))
                local = socket.inet_aton("127.0.0.1")
                quoted = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 0, 0, 64, 1, 0)
                error = struct.pack("!BBHI", rng.choice([3, 11, 12]), rng.randrange(16), 0, 0)
                gun.sendto(summed(error + quoted + local + local + inner), ("127.0.0.1", 0))
                fired += 1
        counters = engine.counters
        engine.close()
    (samples,) = done
    assert fired == wanted
    assert (samples.status == Status.RECEIVED).all()
    assert samples.send_errors == {}
    assert samples.icmp_errors == ()
    assert 0 < counters.unattributed_errors <= fired
    assert found(samples) == 0


def test_the_mutations_are_never_the_reply_itself() -> None:
    rng = random.Random(1)
    reply = bytes(np.arange(64, dtype=np.uint8))
    assert all(mutated(rng, reply) != reply for _ in range(20_000))
