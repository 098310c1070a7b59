"""STAMP trains against a reflector written here from RFC 8762 and RFC 8972 alone.

Nothing of our codecs is used in it, so an error in them cannot cancel out.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.samples import StampOptions, StampSource, Status, TrainPlan, TrainSamples
from agent.summary import TrainContext, loss_by_direction, summarise

KEY = b"a key of both ends"
CONTEXT = TrainContext("agent", "pas", "ip-base", "", "", "target", None)
FOLLOW_UP_SHIFT_NS = 123_456_000
"""So far beside the T3 in the reply does this reflector tell its follow-up stamps."""


def ntp(utc_ns: int) -> bytes:
    """RFC 5905: seconds since 1900 and a binary fraction."""
    seconds, rest = divmod(utc_ns, 10**9)
    return struct.pack("!II", seconds + 2_208_988_800, (rest << 32) // 10**9)


def ptp(utc_ns: int) -> bytes:
    """RFC 8186: seconds since 1970 and nanoseconds."""
    return struct.pack("!II", *divmod(utc_ns, 10**9))


@dataclass
class Reflector:
    """Session-Reflector on loopback; what it does wrong is set per test."""

    version: int = 4
    authenticated: bool = False
    stamps: Callable[[int], bytes] = ntp
    error_estimate: int = 0x8A05
    stateful: bool = False
    swaps: bool = False
    """Puts T1 and T3 in each other's place."""
    length: int | None = None
    """Cuts its replies."""
    follow_up: bool = False
    deaf_to: frozenset[int] = frozenset()
    """Numbers of requests that are lost on the way there."""
    mute_on: frozenset[int] = frozenset()
    """Numbers of requests whose replies are lost on the way back."""
    spoil: Callable[[int, bytearray], bytes] = lambda _n, reply: bytes(reply)
    twice: bool = False
    seen: dict[tuple[Any, int], list[tuple[int, int, int]]] = field(default_factory=dict)
    """By source: (request's number, T2, T3) of every request answered."""
    requests: list[tuple[Any, bytes]] = field(default_factory=list)

    def __enter__(self) -> Reflector:
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        self._sock = socket.socket(family, socket.SOCK_DGRAM)
        self._sock.bind((self.address, 0))
        self._sock.settimeout(0.05)
        self._stop = threading.Event()
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
        self._sock.close()

    @property
    def address(self) -> str:
        return "127.0.0.1" if self.version == 4 else "::1"

    @property
    def port(self) -> int:
        return int(self._sock.getsockname()[1])

    def _work(self) -> None:
        counts: dict[tuple[Any, int], int] = {}
        last: dict[tuple[Any, int], tuple[int, int]] = {}
        while not self._stop.is_set():
            try:
                request, source = self._sock.recvfrom(9000)
            except TimeoutError:
                continue
            t2_ns = time.time_ns()
            self.requests.append((source, request))
            number = struct.unpack_from("!I", request)[0]
            session = (
                source,
                struct.unpack_from("!H", request, 26 if self.authenticated else 14)[0],
            )
            if number in self.deaf_to:
                continue
            own = counts.get(session, 0) if self.stateful else number
            counts[session] = own + 1
            t3_ns = time.time_ns()
            reply = self._reply(request, own, t2_ns, t3_ns, last.get(session))
            last[session] = (own, t3_ns + FOLLOW_UP_SHIFT_NS)
            if number in self.mute_on:
                continue
            self.seen.setdefault(session, []).append((number, t2_ns, t3_ns))
            for _ in range(1 + self.twice):
                self._sock.sendto(self.spoil(number, bytearray(reply))[: self.length], source)

    def _reply(
        self, request: bytes, own: int, t2_ns: int, t3_ns: int, earlier: tuple[int, int] | None
    ) -> bytes:
        estimate = struct.pack("!H", self.error_estimate)
        t1_at, base = (16, 112) if self.authenticated else (4, 44)
        t1, t3 = request[t1_at : t1_at + 8], self.stamps(t3_ns)
        if self.swaps:
            t1, t3 = t3, t1
        ssid, their_estimate = request[t1_at + 10 : t1_at + 12], request[t1_at + 8 : t1_at + 10]
        if self.authenticated:
            # RFC 8762, figure 7.
            body = (
                struct.pack("!I", own) + bytes(12) + t3 + estimate + ssid + bytes(4)
                + self.stamps(t2_ns) + bytes(8) + request[:4] + bytes(12) + t1 + their_estimate
                + bytes(6) + b"\x40" + bytes(15)
            )  # fmt: skip
            body += hmac.new(KEY, body, hashlib.sha256).digest()[:16]
        else:
            # RFC 8762, figure 5.
            body = (
                struct.pack("!I", own) + t3 + estimate + ssid + self.stamps(t2_ns) + request[:4]
                + t1 + their_estimate + bytes(2) + b"\x40" + bytes(3)
            )  # fmt: skip
        assert len(body) == base
        tlvs = bytearray(request[base:])
        at = 0
        while at + 4 <= len(tlvs):
            kind, length = tlvs[at + 1], struct.unpack_from("!H", tlvs, at + 2)[0]
            if kind == 7 and self.follow_up:
                tlvs[at] &= 0x7F
                if earlier is not None:
                    tlvs[at + 4 : at + 17] = (
                        struct.pack("!I", earlier[0]) + self.stamps(earlier[1]) + b"\x02"
                    )
            at += 4 + length
        return body + bytes(tlvs)


def plan(reflector: Reflector, packets: int = 20, **other: Any) -> TrainPlan:
    values: dict[str, Any] = {
        "path": "p",
        "method": "stamp",
        "address": reflector.address,
        "spacing_ns": 2_000_000,
        "size": 112 if reflector.authenticated else 44,
        "timeout_ns": 300_000_000,
        "port": reflector.port,
        "stamp": StampOptions(auth_key=KEY) if reflector.authenticated else None,
    }
    return TrainPlan(packets=packets, **(values | other))


def measure(*plans: TrainPlan, engine: Engine | None = None) -> list[TrainSamples]:
    """The samples of the trains, sent together, in the order of the plans."""
    mine = engine or Engine()
    start_ns = on_grid(time.monotonic_ns() + 5_000_000)
    done = {id(samples.plan): samples for samples in mine.run([(p, start_ns) for p in plans])}
    if engine is None:
        mine.close()
    return [done[id(p)] for p in plans]


def told(reflector: Reflector, samples: TrainSamples) -> bool:
    """T2 and T3 of every packet are those that the reflector took, to the nanosecond of the format,
    and lie between our own stamps."""
    (taken,) = reflector.seen.values()
    wanted = np.array(taken)
    close = np.abs(samples.t2_ns - wanted[:, 1]) <= 1
    close &= np.abs(samples.t3_ns - wanted[:, 2]) <= 1
    between = (samples.tx_ns < samples.t2_ns) & (samples.t3_ns < samples.rx_ns)
    return bool((close & between).all())


def clean(samples: TrainSamples) -> bool:
    return (
        bool((samples.status == Status.RECEIVED).all())
        and (samples.duplicates, samples.corrupted, samples.spoofed) == (0, 0, 0)
        and (samples.icmp_errors, samples.send_errors, samples.local_drops) == ((), {}, 0)
        and bool((samples.tx_source == StampSource.KERNEL).all())
        and bool((samples.rx_source == StampSource.KERNEL).all())
    )


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("authenticated", [False, True])
@pytest.mark.parametrize("time_format", ["ntp", "ptp"])
def test_a_train_brings_the_reflectors_stamps_home(
    version: int, authenticated: bool, time_format: Any
) -> None:
    key = KEY if authenticated else None
    with Reflector(
        version,
        authenticated,
        stamps=ptp if time_format == "ptp" else ntp,
        error_estimate=0xCA05 if time_format == "ptp" else 0x8A05,
    ) as reflector:
        options = StampOptions(auth_key=key, time_format=time_format)
        (samples,) = measure(plan(reflector, stamp=options))
    assert clean(samples)
    assert told(reflector, samples)
    assert (samples.t3_source == StampSource.USERLAND).all()
    facts = samples.reflector
    assert facts is not None
    assert (facts.stateful, facts.swapped, facts.follow_up) == (False, False, False)
    assert (facts.synchronised, facts.ssid_echoed) == (True, True)
    assert facts.error_ns == -(-5 * 2**10 * 10**9 // 2**32)


@pytest.mark.parametrize("authenticated", [False, True])
def test_requests_are_what_the_rfc_asks_for(authenticated: bool) -> None:
    with Reflector(authenticated=authenticated) as reflector:
        (samples,) = measure(plan(reflector))
    at, length = (16, 112) if authenticated else (4, 44)
    sources = {source for source, _ in reflector.requests}
    ssids = {request[at + 10 : at + 12] for _, request in reflector.requests}
    assert (len(sources), len(ssids)) == (1, 1)
    for number, (_, request) in enumerate(reflector.requests):
        assert len(request) == length
        assert struct.unpack_from("!I", request) == (number,)
        seconds, fraction = struct.unpack_from("!II", request, at)
        t1_ns = (seconds - 2_208_988_800) * 10**9 + (fraction * 10**9 >> 32)
        assert abs(t1_ns - int(samples.tx_ns[number])) < 10**9
        if authenticated:
            assert request[96:] == hmac.new(KEY, request[:96], hashlib.sha256).digest()[:16]
            assert not any(request[4:16] + request[28:96])
        else:
            assert not any(request[16:])


@pytest.mark.parametrize("length", [36, 38, 41])
def test_replies_shorter_than_the_rfcs_are_taken(length: int) -> None:
    with Reflector(length=length) as reflector:
        (samples,) = measure(plan(reflector))
    assert clean(samples)
    assert told(reflector, samples)


@pytest.mark.parametrize("length", [0, 1, 35])
def test_replies_without_our_t1_are_no_replies(length: int) -> None:
    with Reflector(length=length) as reflector:
        (samples,) = measure(plan(reflector))
    assert (samples.status == Status.LOST).all()
    assert samples.spoofed == 20


@pytest.mark.parametrize("authenticated", [False, True])
def test_a_reflector_that_swaps_t1_and_t3_is_found_out_and_its_stay_still_taken_off(
    authenticated: bool,
) -> None:
    with Reflector(authenticated=authenticated, swaps=True) as reflector:
        (samples,) = measure(plan(reflector))
    assert clean(samples)
    assert told(reflector, samples)
    assert samples.reflector is not None
    assert samples.reflector.swapped
    assert summarise(samples, CONTEXT).forward is None


def test_a_stateful_reflector_shows_in_which_direction_packets_were_lost() -> None:
    with Reflector(stateful=True, deaf_to=frozenset({5, 6}), mute_on=frozenset({11})) as reflector:
        (samples,) = measure(plan(reflector))
    assert np.flatnonzero(samples.status == Status.LOST).tolist() == [5, 6, 11]
    assert samples.reflector is not None
    assert samples.reflector.stateful
    assert loss_by_direction(samples) == (2, 1)


def test_a_reflector_once_seen_to_count_is_known_to_in_later_trains() -> None:
    """A train that only loses on the way back does not show it by itself."""
    engine = Engine()
    with Reflector(stateful=True, mute_on=frozenset({11})) as reflector:
        (before,) = measure(plan(reflector), engine=engine)
        reflector.deaf_to = frozenset({5})
        measure(plan(reflector), engine=engine)
        reflector.deaf_to = frozenset()
        (after,) = measure(plan(reflector), engine=engine)
    with Reflector(stateful=True, mute_on=frozenset({11})) as other:
        (elsewhere,) = measure(plan(other), engine=engine)
    engine.close()
    assert loss_by_direction(before) is None
    assert loss_by_direction(after) == (0, 1)
    assert loss_by_direction(elsewhere) is None


@pytest.mark.parametrize("authenticated", [False, True])
@pytest.mark.parametrize("stateful", [False, True])
def test_follow_up_telemetry_replaces_t3_by_the_stamp_of_when_the_reply_left(
    authenticated: bool, stateful: bool
) -> None:
    options = StampOptions(auth_key=KEY if authenticated else None, follow_up=True)
    size = 112 + 20 + 20 if authenticated else 44 + 20
    with Reflector(authenticated=authenticated, follow_up=True, stateful=stateful) as reflector:
        if authenticated:
            reflector.spoil = sign_tlvs
        (samples,) = measure(plan(reflector, stamp=options, size=size))
    assert clean(samples)
    assert samples.reflector is not None
    assert samples.reflector.follow_up
    ((taken),) = reflector.seen.values()
    t3_ns = np.array(taken)[:, 2]
    t3_ns[:-1] += FOLLOW_UP_SHIFT_NS  # nobody comes after the last one to tell of it
    assert (np.abs(samples.t3_ns - t3_ns) <= 1).all()
    assert (samples.t3_source[:-1] == StampSource.KERNEL).all()
    assert samples.t3_source[-1] == StampSource.USERLAND


def sign_tlvs(_number: int, reply: bytearray) -> bytes:
    """RFC 8972, 4.8: the HMAC TLV over the sequence number and the TLVs before it."""
    at = 112 + 20
    reply[at] &= 0x7F
    signed = bytes(reply[:4]) + bytes(reply[112:at])
    reply[at + 4 : at + 20] = hmac.new(KEY, signed, hashlib.sha256).digest()[:16]
    return bytes(reply)


def test_follow_up_stamps_with_a_wrong_hmac_are_not_used() -> None:
    options = StampOptions(auth_key=KEY, follow_up=True)
    with Reflector(authenticated=True, follow_up=True) as reflector:
        (samples,) = measure(plan(reflector, stamp=options, size=152))
    assert clean(samples)
    assert told(reflector, samples)
    assert (samples.t3_source == StampSource.USERLAND).all()


def test_a_reply_with_a_wrong_hmac_is_corrupted_and_not_received() -> None:
    def flip(number: int, reply: bytearray) -> bytes:
        reply[96 if number == 3 else 32] ^= 0 if number not in (3, 4) else 1
        return bytes(reply)

    with Reflector(authenticated=True, spoil=flip) as reflector:
        (samples,) = measure(plan(reflector))
    assert np.flatnonzero(samples.status == Status.LOST).tolist() == [3, 4]
    assert (samples.corrupted, samples.spoofed) == (2, 0)
    assert not samples.t2_ns[[3, 4]].any()


def test_replies_of_a_peer_with_another_key_are_all_corrupted() -> None:
    with Reflector(authenticated=True) as reflector:
        (samples,) = measure(plan(reflector, stamp=StampOptions(auth_key=b"another")))
    assert (samples.status == Status.LOST).all()
    assert samples.corrupted == 20


def test_a_reply_with_another_t1_is_spoofed() -> None:
    def guess(number: int, reply: bytearray) -> bytes:
        reply[35] ^= number == 3
        return bytes(reply)

    with Reflector(spoil=guess) as reflector:
        (samples,) = measure(plan(reflector))
    assert np.flatnonzero(samples.status == Status.LOST).tolist() == [3]
    assert (samples.corrupted, samples.spoofed) == (0, 1)


def test_a_reply_with_our_t1_and_another_sequence_is_corrupted() -> None:
    def renumber(number: int, reply: bytearray) -> bytes:
        reply[27] ^= 0x40 if number == 3 else 0
        return bytes(reply)

    with Reflector(spoil=renumber) as reflector:
        (samples,) = measure(plan(reflector))
    assert np.flatnonzero(samples.status == Status.LOST).tolist() == [3]
    assert (samples.corrupted, samples.spoofed) == (1, 0)


def test_changed_padding_is_corruption_and_cut_padding_is_none() -> None:
    def change(number: int, reply: bytearray) -> bytes:
        reply[100] ^= number == 3
        return bytes(reply[:44]) if number == 4 else bytes(reply)

    with Reflector(spoil=change) as reflector:
        (samples,) = measure(plan(reflector, size=200))
    assert np.flatnonzero(samples.status == Status.LOST).tolist() == [3]
    assert (samples.corrupted, samples.spoofed) == (1, 0)


def test_duplicates_are_counted() -> None:
    with Reflector(twice=True) as reflector:
        (samples,) = measure(plan(reflector))
    assert (samples.status == Status.RECEIVED).all()
    assert (samples.duplicates, samples.corrupted, samples.spoofed) == (20, 0, 0)


def test_replies_after_the_end_of_a_train_are_not_taken_for_the_next_ones() -> None:
    kept: list[bytes] = []
    engine = Engine()
    with Reflector() as reflector:
        reflector.spoil = lambda _n, reply: kept.append(bytes(reply)) or bytes(reply)  # type: ignore[func-returns-value]
        measure(plan(reflector), engine=engine)

        def replay(_number: int, reply: bytearray) -> bytes:
            if kept:
                reflector._sock.sendto(kept.pop(), reflector.requests[-1][0])  # noqa: SLF001
            return bytes(reply)

        reflector.spoil = replay
        (second,) = measure(plan(reflector), engine=engine)
    engine.close()
    assert clean(second)
    assert engine.counters.after_close == 20


def test_a_reply_from_another_port_is_spoofed() -> None:
    with Reflector() as reflector, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:

        def divert(number: int, reply: bytearray) -> bytes:
            if number == 3:
                elsewhere.sendto(reply, reflector.requests[-1][0])
            return bytes(reply)

        reflector.spoil = divert
        (samples,) = measure(plan(reflector))
    assert (samples.status == Status.RECEIVED).all()
    assert (samples.duplicates, samples.spoofed) == (0, 1)


@pytest.mark.parametrize("version", [4, 6])
def test_two_trains_at_once_to_one_reflector_leave_from_two_ports(version: int) -> None:
    """Some reflectors tell sessions apart by addresses and ports alone."""
    with Reflector(version) as reflector:
        same = {4: "127.0.0.1", 6: "0:0:0:0:0:0:0:1"}[version]
        pair = [plan(reflector), plan(reflector, address=same)]
        engine = Engine()
        first = measure(*pair, engine=engine)
        second = measure(*pair, engine=engine)
        engine.close()
    assert all(clean(samples) for samples in first + second)
    ports = {source[1] for source, _ in reflector.requests}
    assert len(ports) == 2


def test_many_packets_of_one_instant_are_told_apart_though_their_t1_may_be_the_same() -> None:
    """The packets of a batch share an instant and 4,096 values of random bits: of 240, some seven
    pairs are alike."""
    engine = Engine()
    with Reflector() as one, Reflector() as other:
        for _ in range(4):
            pair = (plan(one, 120, spacing_ns=1), plan(other, 120, spacing_ns=1))
            assert all(clean(samples) for samples in measure(*pair, engine=engine))
    engine.close()
    t1s = [request[4:12] for reflector in (one, other) for _, request in reflector.requests]
    assert len(set(t1s)) < len(t1s) == 960


def test_one_engine_runs_icmp_and_stamp_of_both_kinds_and_versions_together(need: Any) -> None:
    need("root")
    with (
        Reflector(4) as four,
        Reflector(6) as six,
        Reflector(4, authenticated=True) as signed,
    ):
        plans = [
            plan(four, 50),
            plan(six, 50),
            plan(signed, 50),
            TrainPlan("i4", "icmp", "127.0.0.1", 50, 2_000_000, 64, 300_000_000),
            TrainPlan("i6", "icmp", "::1", 50, 2_000_000, 64, 300_000_000),
        ]
        assert all(clean(samples) for samples in measure(*plans))
