"""STAMP packets, octet by octet (RFC 8762, sections 4.2 and 4.3; RFC 8972, section 3)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agent.wire.stamp import (
    ReplyBatch,
    build_sender,
    padding_intact,
    parse_replies,
    verify_hmac,
)
from agent.wire.tlv import SenderTlvs, StampSizeError, least_size

KEY = bytes(range(32))
T1 = 0xE8FE6F80_12345678

PLAIN_REQUEST = bytes.fromhex(
    "00000102"  # sequence
    "e8fe6f8012345678"  # T1
    "8f84"  # Error Estimate
    "beef"  # SSID
) + bytes(28)
AUTHENTICATED_REQUEST = bytes.fromhex(
    "00000102000000000000000000000000e8fe6f80123456788f84beef"
) + bytes(68)
PLAIN_REPLY = bytes.fromhex(
    "00000007"  # the reflector's sequence
    "e8fe6f80aaaaaaaa"  # T3
    "1980"  # its Error Estimate
    "beef"  # SSID
    "e8fe6f8055555555"  # T2
    "00000102"  # our sequence
    "e8fe6f8012345678"  # T1
    "8f84"  # our Error Estimate
    "0000"
    "fb"  # TTL 251
    "000000"
)
AUTHENTICATED_REPLY = bytes.fromhex(
    "00000007" "000000000000000000000000"
    "e8fe6f80aaaaaaaa" "1980" "beef" "00000000"
    "e8fe6f8055555555" "0000000000000000"
    "00000102" "000000000000000000000000"
    "e8fe6f8012345678" "8f84" "000000000000"
    "fb" "000000000000000000000000000000"
)  # fmt: skip


def built(size: int, key: bytes | None = None, tlvs: SenderTlvs | None = None) -> bytes:
    packets = build_sender(
        np.array([0x102], np.uint32), np.array([T1], np.uint64), 0x8F84, 0xBEEF, size, key,
        tlvs or SenderTlvs(),
    )  # fmt: skip
    return packets[0].tobytes()


def parsed(*replies: bytes, authenticated: bool = False) -> ReplyBatch:
    data = np.full((len(replies), 2048), 0xEE, np.uint8)
    for row, reply in zip(data, replies, strict=True):
        row[: len(reply)] = np.frombuffer(reply, np.uint8)
    return parse_replies(data, np.array([len(reply) for reply in replies]), authenticated)


def rows(*packets: bytes) -> tuple[np.ndarray, np.ndarray]:
    data = np.stack([np.frombuffer(packet, np.uint8) for packet in packets])
    return data, np.array([len(packet) for packet in packets])


def test_an_unauthenticated_request_octet_by_octet() -> None:
    assert built(44) == PLAIN_REQUEST


def test_an_authenticated_request_octet_by_octet() -> None:
    packet = built(112, KEY)
    assert packet[:96] == AUTHENTICATED_REQUEST
    # openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f over the 96 octets, first 16.
    assert packet[96:].hex() == "26718798c5c56b392d139d56e2045361"


def test_openssl_makes_the_same_hmac(need: Callable[..., None], tmp_path: Path) -> None:
    need("openssl")
    text = tmp_path / "base"
    for head, signature in (
        (AUTHENTICATED_REQUEST, built(112, KEY)[96:]),
        # The HMAC TLV covers the sequence number and the TLVs before it (RFC 8972, section 4.8).
        (
            b"\x00\x00\x01\x02\x80\x04\x00\x04\xb8\0\0\0",
            built(140, KEY, SenderTlvs(False, 46))[124:],
        ),
    ):
        text.write_bytes(head)
        said = subprocess.run(
            ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{KEY.hex()}",
             "-binary", str(text)],
            capture_output=True, check=True,
        )  # fmt: skip
        assert said.stdout[:16] == signature


def test_the_unauthenticated_reply_is_read_field_by_field() -> None:
    reply = parsed(PLAIN_REPLY)
    assert reply.ok.tolist() == [True]
    assert reply.seq.tolist() == [7]
    assert reply.t3.tolist() == [0xE8FE6F80_AAAAAAAA]
    assert reply.error_estimate.tolist() == [0x1980]
    assert reply.ssid.tolist() == [0xBEEF]
    assert reply.t2.tolist() == [0xE8FE6F80_55555555]
    assert reply.sender_seq.tolist() == [0x102]
    assert reply.sender_t1.tolist() == [T1]
    assert reply.sender_error_estimate.tolist() == [0x8F84]
    assert reply.sender_ttl.tolist() == [251]
    # 0x55555555 / 2^32 s and 0xaaaaaaaa / 2^32 s
    assert reply.times_ns(reply.t2).tolist() == [1_700_000_000_333_333_333]
    assert reply.times_ns(reply.t3).tolist() == [1_700_000_000_666_666_667]


def test_the_authenticated_reply_has_the_same_fields_elsewhere() -> None:
    plain, hidden = parsed(PLAIN_REPLY), parsed(AUTHENTICATED_REPLY + bytes(16), authenticated=True)
    for name in ReplyBatch.__slots__:
        assert getattr(plain, name).tolist() == getattr(hidden, name).tolist(), name


@pytest.mark.parametrize("length", range(45))
def test_a_reply_cut_at_any_length_says_what_it_still_holds(length: int) -> None:
    reply = parsed(PLAIN_REPLY[:length])
    assert reply.ok[0] == (length >= 36)
    assert reply.sender_t1[0] == (T1 if length >= 36 else 0)
    assert reply.sender_error_estimate[0] == (0x8F84 if length >= 38 else 0)
    assert reply.sender_ttl[0] == (251 if length >= 41 else -1)


@pytest.mark.parametrize("length", [0, 1, 44, 96, 111])
def test_an_authenticated_reply_is_whole_or_nothing(length: int) -> None:
    reply = parsed((AUTHENTICATED_REPLY + bytes(16))[:length], authenticated=True)
    assert not reply.ok[0]
    assert reply.sender_t1[0] == 0


def test_each_reply_of_a_batch_is_read_by_its_own_time_format() -> None:
    ptp = bytearray(PLAIN_REPLY)
    ptp[12] |= 0x40
    ptp[16:24] = (1_700_000_000 << 32 | 123).to_bytes(8)
    reply = parsed(PLAIN_REPLY, bytes(ptp))
    assert reply.times_ns(reply.t2).tolist() == [
        1_700_000_000_333_333_333,
        1_700_000_000_000_000_123,
    ]


def test_a_reflector_that_swaps_t1_and_t3_is_seen() -> None:
    swapped = PLAIN_REPLY[:4] + PLAIN_REPLY[28:36] + PLAIN_REPLY[12:28] + PLAIN_REPLY[4:12]
    reply = parsed(swapped + PLAIN_REPLY[36:])
    assert reply.t3[0] == T1
    assert reply.sender_t1[0] != T1


def test_a_replayed_reply_shows_the_t1_and_ssid_of_its_own_request() -> None:
    reply = parsed(PLAIN_REPLY)
    later = np.uint64(T1 + 4096)
    assert reply.sender_t1[0] != later
    assert reply.ssid[0] == 0xBEEF


def test_a_wrong_hmac_is_found_whichever_bit_is_wrong() -> None:
    good = built(112, KEY)
    packets = [good]
    for octet in range(112):
        bad = bytearray(good)
        bad[octet] ^= 1 << octet % 8
        packets.append(bytes(bad))
    verdict = verify_hmac(*rows(*packets), KEY)
    assert verdict.tolist() == [True] + [False] * 112
    assert not verify_hmac(*rows(good), bytes(32)).any()


def test_a_packet_too_short_for_an_hmac_has_none() -> None:
    data, _ = rows(built(112, KEY))
    assert not verify_hmac(data, np.array([111]), KEY).any()


@pytest.mark.parametrize(
    ("size", "key", "tlvs", "least"),
    [
        (43, None, SenderTlvs(), 44),
        (45, None, SenderTlvs(), 44),
        (47, None, SenderTlvs(), 44),
        (63, None, SenderTlvs(follow_up=True), 64),
        (111, KEY, SenderTlvs(), 112),
        (139, KEY, SenderTlvs(class_of_service=0), 140),
        (182, KEY, SenderTlvs(True, 0, True), 168),
    ],
)
def test_a_size_that_does_not_fit_is_refused_with_the_least_one(
    size: int, key: bytes | None, tlvs: SenderTlvs, least: int
) -> None:
    if size > least + 3:
        assert len(built(size, key, tlvs)) == size
        return
    with pytest.raises(StampSizeError, match=str(least)):
        built(size, key, tlvs)
    assert len(built(least, key, tlvs)) == least == least_size(key is not None, tlvs)


def test_a_batch_is_the_same_as_its_packets_one_by_one() -> None:
    out = np.zeros((3, 200), np.uint8)
    tlvs = SenderTlvs(True, 46, True)
    seqs, t1 = np.arange(3, dtype=np.uint32), np.arange(3, dtype=np.uint64) + np.uint64(T1)
    assert build_sender(seqs, t1, 1, 2, 200, KEY, tlvs, out) is out
    for i in range(3):
        alone = build_sender(seqs[i : i + 1], t1[i : i + 1], 1, 2, 200, KEY, tlvs)
        assert (alone[0] == out[i]).all()


def test_padding_that_came_back_changed_is_seen() -> None:
    good = built(100)
    bad = good[:99] + bytes([good[99] ^ 1])
    data, lengths = rows(good, bad)
    assert padding_intact(data, lengths, 100).tolist() == [True, False]
    assert padding_intact(data, np.array([44, 60]), 100).all()
    assert padding_intact(*rows(built(44)), 44).all()
