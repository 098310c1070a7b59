"""How the reflector judges and answers a batch, without a socket (RFC 8762, section 4.3)."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from agent.reflector.access import Keyring, Prefixes, parse_prefix
from agent.reflector.core import Policy, Reflection, Replies, Requests
from agent.reflector.counters import Refusal
from agent.reflector.rate_limit import RateLimit
from agent.reflector.sessions import Departure, SessionKey, SessionTable
from agent.samples import ClockState
from agent.wire.ntp import to_ntp, to_ptp
from agent.wire.stamp import build_sender, packet_hmac, parse_replies, verify_hmac
from agent.wire.tlv import SenderTlvs, read_reply_tlvs, shape

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
RX = 1_700_000_000_000_000_000
T3 = RX + 500_000
ALLOW = Prefixes(tuple(map(parse_prefix, ["192.0.2.0/24", "2001:db8::/32"])))
SLOT = 512


def request(
    sequence: int = 5,
    size: int = 44,
    key: bytes | None = None,
    tlvs: SenderTlvs | None = None,
    ptp: bool = False,
) -> bytes:
    stamp = to_ptp(RX - 1_000_000) if ptp else to_ntp(RX - 1_000_000)
    return build_sender(
        np.array([sequence], np.uint32), np.array([stamp]), 0x5980 if ptp else 0x1980, 0xBEEF,
        size, key, tlvs or SenderTlvs(),
    )[0].tobytes()  # fmt: skip


def batch(
    *packets: bytes, source: str = "192.0.2.9", port: int = 40000, tos: int = 0xB9
) -> Requests:
    """Requests from one source; the slots hold rubbish behind them."""
    n = len(packets)
    data = np.full((n, SLOT), 0xEE, np.uint8)
    for row, packet in zip(data, packets, strict=True):
        row[: len(packet)] = np.frombuffer(packet[:SLOT], np.uint8)
    names = np.zeros((n, 32), np.uint8)
    if ":" in source:
        name = b"\x0a\0" + port.to_bytes(2) + bytes(4) + socket.inet_pton(socket.AF_INET6, source)
    else:
        name = b"\x02\0" + port.to_bytes(2) + socket.inet_aton(source)
    names[:, : len(name)] = np.frombuffer(name, np.uint8)
    return Requests(
        data, np.array([len(packet) for packet in packets], np.uint32), names,
        np.full(n, RX), np.full(n, 251, np.int16), np.full(n, tos, np.int16),
    )  # fmt: skip


class Bench:
    """A reflection with its sessions, and the octets that it would send."""

    def __init__(self, policy: Policy | None = None, rate: int = 0, ports: tuple[int, ...] = ()):
        self.reflection = Reflection(policy or Policy(ALLOW), RateLimit(rate), frozenset(ports))
        self.sessions = SessionTable()
        self.replies: Replies | None = None

    def answer(self, requests: Requests, monotonic_ns: int = 0) -> list[bytes]:
        self.replies = self.reflection.reflect(requests, self.sessions, RX, monotonic_ns)
        rows = self.replies.rows
        for start in range(0, len(rows), 3):
            self.reflection.depart(requests.data, self.replies, slice(start, start + 3), T3)
        return [requests.data[row, : requests.lengths[row]].tobytes() for row in rows]

    def refused(self) -> dict[Refusal, int]:
        return dict(self.reflection.counters.refused)


def test_an_unauthenticated_reply_octet_by_octet() -> None:
    bench = Bench()
    assert bench.answer(batch(request())) == [
        bytes.fromhex(
            "00000005"
            + f"{int(to_ntp(T3)):016x}"
            + "3fffbeef"  # unsynchronised, error unknown
            + f"{int(to_ntp(RX)):016x}"
            + "00000005"
            + f"{int(to_ntp(RX - 1_000_000)):016x}"
            + "19800000"
            + "fb000000"
        )
    ]


def test_an_authenticated_reply_octet_by_octet() -> None:
    bench = Bench(Policy(ALLOW, Keyring(((None, KEY),))))
    (reply,) = bench.answer(batch(request(size=112, key=KEY)))
    base = bytes.fromhex(
        "00000005" + "00" * 12
        + f"{int(to_ntp(T3)):016x}" + "3fffbeef" + "00" * 4
        + f"{int(to_ntp(RX)):016x}" + "00" * 8
        + "00000005" + "00" * 12
        + f"{int(to_ntp(RX - 1_000_000)):016x}" + "1980" + "00" * 6
        + "fb" + "00" * 15
    )  # fmt: skip
    assert reply == base + packet_hmac(KEY, base)


@pytest.mark.parametrize("length", [14, 15, 16, 36, 38, 41, 43])
def test_a_short_request_gets_the_head_of_the_reply_and_no_more(length: int) -> None:
    whole = request()[:length].ljust(44, b"\0")
    (expected,) = Bench().answer(batch(whole))
    assert Bench().answer(batch(request()[:length])) == [expected[:length]]


def test_a_request_of_14_octets_has_ssid_0_whatever_the_slot_held() -> None:
    bench = Bench(Policy(ALLOW, stateful=True))
    bench.answer(batch(request()[:14]))
    high, low = 0, 0xFFFF << 32 | 0xC0000209
    assert len(bench.sessions) == 1
    assert bench.sessions.get(SessionKey(high, low, 40000, 0, 0), 0).next_sequence == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("length", [0, 1, 13])
def test_a_one_octet_datagram_does_nothing_but_count(length: int) -> None:
    bench = Bench()
    assert bench.answer(batch(bytes(length))) == []
    assert bench.refused() == {Refusal.SHORT: 1}
    assert len(bench.answer(batch(request()))) == 1


def test_ptp_is_answered_in_ptp_within_one_batch_with_ntp() -> None:
    requests = batch(request(1), request(2, ptp=True), request(3))
    Bench().answer(requests)
    replies = parse_replies(requests.data, requests.lengths)
    assert (replies.error_estimate >> 14 & 1).tolist() == [0, 1, 0]
    assert replies.times_ns(replies.t2).tolist() == [RX] * 3
    assert replies.times_ns(replies.t3).tolist() == [T3] * 3
    assert int(replies.sender_t1[1]) == int(to_ptp(RX - 1_000_000))


def test_the_clock_is_told_in_the_error_estimate() -> None:
    bench = Bench()
    bench.reflection.set_clock(ClockState(synchronised=True, error_ns=1_000_000))
    requests = batch(request(), request(ptp=True))
    bench.answer(requests)
    assert parse_replies(requests.data, requests.lengths).error_estimate.tolist() == [
        0x8F84, 0xCF84,
    ]  # fmt: skip


def test_stateless_echoes_numbers_and_stateful_counts_for_itself() -> None:
    numbers = [9, 9, 4_000_000_000]
    for stateful, expected in ((False, numbers), (True, [0, 1, 2])):
        requests = batch(*map(request, numbers))
        Bench(Policy(ALLOW, stateful=stateful)).answer(requests)
        replies = parse_replies(requests.data, requests.lengths)
        assert replies.seq.tolist() == expected
        assert replies.sender_seq.tolist() == numbers


def test_stateful_sessions_are_told_apart_by_address_port_and_ssid() -> None:
    bench = Bench(Policy(ALLOW, stateful=True))
    other_ssid = request()[:14] + b"\0\1" + request()[16:]
    first = batch(request(), other_ssid, request())
    bench.answer(first)
    assert parse_replies(first.data, first.lengths).seq.tolist() == [0, 0, 1]
    for source, port in (("192.0.2.9", 40001), ("192.0.2.10", 40000), ("2001:db8::9", 40000)):
        requests = batch(request(), source=source, port=port)
        bench.answer(requests)
        assert parse_replies(requests.data, requests.lengths).seq.tolist() == [0]


def test_a_full_session_table_refuses_the_new_and_keeps_the_old() -> None:
    bench = Bench(Policy(ALLOW, stateful=True))
    bench.sessions = SessionTable(most=1)
    bench.answer(batch(request()))
    assert bench.answer(batch(request(), port=40001)) == []
    assert bench.refused() == {Refusal.SESSIONS: 1}
    requests = batch(request())
    bench.answer(requests)
    assert parse_replies(requests.data, requests.lengths).seq.tolist() == [1]
    # After 15 minutes of silence the old one makes room.
    assert len(bench.answer(batch(request(), port=40001), monotonic_ns=901 * 10**9)) == 1


@pytest.mark.parametrize(
    ("source", "answered"),
    [
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("127.0.0.1", False),
        ("2001:db8:ffff::1", True),
        ("2001:db9::", False),
        ("::1", False),
    ],
)
def test_only_allowed_prefixes_are_answered(source: str, answered: bool) -> None:
    bench = Bench()
    assert len(bench.answer(batch(request(), request(), source=source))) == 2 * answered
    assert bench.refused() == ({} if answered else {Refusal.NOT_ALLOWED: 2})


@pytest.mark.parametrize("port", [0, 7, 19, 862, 8620])
def test_another_reflector_is_not_answered_for_ever(port: int) -> None:
    bench = Bench(ports=(8620,))
    assert bench.answer(batch(request(), port=port)) == []
    assert bench.refused() == {Refusal.SOURCE_PORT: 1}


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("ptp", [False, True])
def test_a_reply_is_not_answered_as_if_it_were_a_request(key: bytes | None, ptp: bool) -> None:
    ring = Keyring(((None, KEY),) if key else ())
    (reply,) = Bench(Policy(ALLOW, ring)).answer(batch(request(7, 200, key, ptp=ptp)))
    for length in (200, 112, *(() if key else (44, 41, 24))):
        bench = Bench(Policy(ALLOW, ring))
        assert bench.answer(batch(reply[:length])) == []
        assert bench.refused() == {Refusal.REPLY: 1}


def test_padding_of_a_sender_without_tlvs_is_not_taken_for_a_reply() -> None:
    random = np.random.default_rng(5).integers(0, 256, (100, 130), np.uint8)
    packets = [request()[:14] + padding.tobytes() for padding in random]
    assert len(Bench().answer(batch(*packets))) == 100


def test_a_datagram_longer_than_the_slot_is_refused() -> None:
    bench = Bench()
    requests = batch(request(size=SLOT), request(size=SLOT + 8))
    assert len(bench.answer(requests)) == 1
    assert bench.refused() == {Refusal.OVERSIZE: 1}


def test_what_exceeds_the_rate_is_refused_until_time_has_passed() -> None:
    bench = Bench(rate=10)
    packets = [request(i) for i in range(25)]
    assert len(bench.answer(batch(*packets))) == 10
    assert bench.refused() == {Refusal.RATE: 15}
    assert len(bench.answer(batch(*packets, source="192.0.2.10"))) == 10
    assert len(bench.answer(batch(*packets), monotonic_ns=500_000_000)) == 5


def test_a_wrong_hmac_is_counted_and_not_answered() -> None:
    bench = Bench(Policy(ALLOW, Keyring(((None, KEY),)), allow_unauthenticated=True))
    good = request(size=112, key=KEY)
    tampered = good[:20] + bytes([good[20] ^ 1]) + good[21:]
    assert bench.answer(batch(tampered, request(size=112, key=OTHER_KEY), good[:-1] + b"x")) == []
    assert bench.refused() == {Refusal.HMAC: 3}


def test_with_a_key_unauthenticated_packets_are_refused_unless_allowed() -> None:
    packets = (request(), request(size=200), request(size=112, key=KEY))
    strict = Bench(Policy(ALLOW, Keyring(((None, KEY),))))
    assert len(strict.answer(batch(*packets))) == 1
    assert strict.refused() == {Refusal.UNAUTHENTICATED: 2}
    lenient = Bench(Policy(ALLOW, Keyring(((None, KEY),)), allow_unauthenticated=True))
    requests = batch(*packets)
    assert len(lenient.answer(requests)) == 3
    assert parse_replies(requests.data, requests.lengths).sender_seq.tolist()[:2] == [5, 5]
    assert verify_hmac(requests.data, requests.lengths, KEY).tolist() == [False, False, True]


def test_each_reply_is_signed_with_the_key_of_its_request() -> None:
    ring = Keyring(((None, KEY), (None, OTHER_KEY)))
    requests = batch(request(size=112, key=OTHER_KEY), request(size=112, key=KEY))
    assert len(Bench(Policy(ALLOW, ring, stateful=True)).answer(requests)) == 2
    assert verify_hmac(requests.data, requests.lengths, OTHER_KEY).tolist() == [True, False]
    assert verify_hmac(requests.data, requests.lengths, KEY).tolist() == [False, True]


def test_a_replayed_request_is_a_new_packet_to_a_stateful_reflector_and_answered_alike() -> None:
    requests = batch(request(), request())
    Bench(Policy(ALLOW, stateful=True)).answer(requests)
    replies = parse_replies(requests.data, requests.lengths)
    assert replies.sender_seq.tolist() == [5, 5]
    assert replies.seq.tolist() == [0, 1]


def test_the_dscp_of_the_request_goes_back_without_its_ecn() -> None:
    bench = Bench()
    bench.answer(batch(request(), tos=0xBB))
    assert bench.replies is not None
    assert bench.replies.tos.tolist() == [0xB8]


def test_class_of_service_chooses_the_dscp_of_its_own_reply_only() -> None:
    bench = Bench(Policy(ALLOW, dscp=frozenset({0, 10})))
    wanted = [SenderTlvs(class_of_service=dscp) for dscp in (10, 46)]
    requests = batch(request(), *(request(size=52, tlvs=tlvs) for tlvs in wanted), tos=0x20)
    bench.answer(requests)
    assert bench.replies is not None
    assert bench.replies.tos.tolist() == [0x20, 10 << 2, 0x20]
    tlvs = read_reply_tlvs(requests.data, requests.lengths, shape(52, False, wanted[0]))
    assert tlvs.dscp_refused.tolist() == [False, False, True]
    assert tlvs.dscp_seen.tolist() == [0, 8, 8]


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("key", [None, KEY])
def test_follow_up_tells_the_kernels_stamp_of_an_earlier_reply(
    stateful: bool, key: bytes | None
) -> None:
    asks = SenderTlvs(True, 46, True)
    bench = Bench(Policy(ALLOW, Keyring(((None, KEY),) if key else ()), stateful=stateful))
    first = batch(request(71, 200, key, asks))
    bench.answer(first)
    assert bench.replies is not None
    number = int(parse_replies(first.data, first.lengths, bool(key)).seq[0])
    assert number == (0 if stateful else 71)
    # What the socket does when the stamp arrives:
    bench.replies.follow_up[0].departures.append(Departure(number, T3 + 1234))
    second = batch(request(72, 200, key, asks), request(73, 200, key, asks))
    bench.answer(second)
    replies = parse_replies(second.data, second.lengths, bool(key))
    tlvs = read_reply_tlvs(second.data, second.lengths, shape(200, bool(key), asks), key)
    assert tlvs.intact.all()
    assert tlvs.follow_up.tolist() == [True, False]
    assert tlvs.follow_up_seq.tolist() == [number, 0]
    assert replies.times_ns(tlvs.follow_up_t3)[0] == T3 + 1234
    assert bench.reflection.counters.follow_ups == 1


def test_requests_faster_than_stamps_are_told_one_departure_each_oldest_first() -> None:
    asks = SenderTlvs(follow_up=True)
    bench = Bench()
    bench.answer(batch(request(1, 64, None, asks)))
    assert bench.replies is not None
    bench.replies.follow_up[0].departures.extend([Departure(1, T3), Departure(2, T3 + 9)])
    requests = batch(*(request(i, 64, None, asks) for i in (3, 4, 5)))
    bench.answer(requests)
    tlvs = read_reply_tlvs(requests.data, requests.lengths, shape(64, False, asks))
    assert tlvs.follow_up_seq.tolist() == [1, 2, 0]
    assert tlvs.follow_up.tolist() == [True, True, False]


def test_refusals_in_the_midst_of_a_batch_disturb_nobody() -> None:
    packets = [request(i, 44 + 4 * (i % 3)) for i in range(20)]
    packets[3:3] = [b"x", b""]
    packets[12:12] = [bytes(13)]
    bench = Bench()
    requests = batch(*packets)
    answers = bench.answer(requests)
    assert [int.from_bytes(answer[:4]) for answer in answers] == list(range(20))
    assert bench.refused() == {Refusal.SHORT: 3}


def test_without_a_kernel_stamp_the_time_of_reading_is_t2() -> None:
    requests = batch(request())
    requests.rx_ns[:] = 0
    Bench().answer(requests)
    reply = parse_replies(requests.data, requests.lengths)
    assert reply.times_ns(reply.t2).tolist() == [RX]
