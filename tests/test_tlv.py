"""The TLVs of STAMP in requests and replies (RFC 8972, section 4)."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.stamp import build_sender
from agent.wire.tlv import ReplyTlvs, SenderTlvs, read_reply_tlvs, shape
from agent.wire.tlv_format import MAX_TLVS, Tlv, TlvType, walk

KEY = bytes(range(32))
ALL = SenderTlvs(timestamp_information=True, class_of_service=46, follow_up=True)

INFORMATION = bytes.fromhex("0003000405020502")
SERVICE = bytes.fromhex("00040004bae90000")
"""101110 101110 10 01: DSCP1 46, DSCP2 46, ECN 2, RP 1."""
FOLLOW_UP = bytes.fromhex("0007001000000006e8fe6f80aaaaaaaa02000000")


def request(size: int, key: bytes | None = None, tlvs: SenderTlvs = ALL) -> bytes:
    one = np.array([7], np.uint32)
    return build_sender(one, one.astype(np.uint64), 1, 2, size, key, tlvs)[0].tobytes()


def read(
    region: bytes,
    tlvs: SenderTlvs = ALL,
    size: int | None = None,
    key: bytes | None = None,
    sequence: int = 7,
) -> ReplyTlvs:
    base = 112 if key else 44
    octets = sequence.to_bytes(4) + bytes(base - 4) + region
    data = np.full((1, 512), 0xEE, np.uint8)
    data[0, : len(octets)] = np.frombuffer(octets, np.uint8)
    asked = shape(size or len(octets), key is not None, tlvs)
    return read_reply_tlvs(data, np.array([len(octets)]), asked, key)


def hmac_tlv(preceding: bytes, sequence: int = 7, key: bytes = KEY) -> bytes:
    text = sequence.to_bytes(4) + preceding
    return b"\x00\x08\x00\x10" + hmac.new(key, text, hashlib.sha256).digest()[:16]


def test_the_tlvs_of_a_request_octet_by_octet() -> None:
    assert request(80)[44:].hex() == (
        "80030004" "00000000"
        "80040004" "b8000000"
        "80070010" "00000000" "0000000000000000" "00000000"
    )  # fmt: skip


def test_an_authenticated_request_signs_its_tlvs_and_pads_behind() -> None:
    packet = request(200, KEY)
    assert packet[148:152] == bytes.fromhex("80080010")
    assert packet[152:168] == hmac_tlv(packet[112:148])[4:]
    assert packet[168:172] == bytes.fromhex("8001001c")
    assert len(set(packet[172:])) > 10


def test_padding_alone_needs_no_hmac_tlv() -> None:
    packet = request(132, KEY, SenderTlvs())
    assert packet[112:116] == bytes.fromhex("80010010")


def test_a_reply_with_the_tlvs_in_their_places_is_read() -> None:
    tlvs = read(INFORMATION + SERVICE + FOLLOW_UP)
    assert tlvs.intact.all()
    assert tlvs.timestamp_information.all()
    assert tlvs.sources.tolist() == [[5, 2, 5, 2]]
    assert tlvs.class_of_service.all()
    assert (tlvs.dscp_seen[0], tlvs.ecn_seen[0], tlvs.dscp_refused[0]) == (46, 2, True)
    assert tlvs.follow_up.all()
    assert tlvs.follow_up_seq.tolist() == [6]
    assert tlvs.follow_up_t3.tolist() == [0xE8FE6F80_AAAAAAAA]
    assert tlvs.follow_up_mode.tolist() == [2]


def test_a_reply_with_the_tlvs_in_other_places_reads_the_same() -> None:
    straight = read(INFORMATION + SERVICE + FOLLOW_UP)
    for region in (
        FOLLOW_UP + SERVICE + INFORMATION,
        b"\0\x01\0\0" + SERVICE + INFORMATION + FOLLOW_UP,
    ):
        turned = read(region, size=80)
        for name in ReplyTlvs.__slots__:
            assert getattr(turned, name).tolist() == getattr(straight, name).tolist(), name


def test_a_follow_up_without_a_mode_tells_nothing() -> None:
    assert not read(bytes.fromhex("00070010") + bytes(16), SenderTlvs(follow_up=True)).follow_up[0]


def test_an_unrecognised_tlv_is_skipped_and_the_others_are_read() -> None:
    tlvs = read(b"\x80" + INFORMATION[1:] + SERVICE + FOLLOW_UP)
    assert not tlvs.timestamp_information[0]
    assert tlvs.class_of_service[0]
    assert tlvs.follow_up[0]


def test_nothing_is_read_behind_a_malformed_tlv() -> None:
    tlvs = read(INFORMATION + b"\x40" + SERVICE[1:] + FOLLOW_UP)
    assert tlvs.timestamp_information[0]
    assert not tlvs.class_of_service[0]
    assert not tlvs.follow_up[0]


def test_one_integrity_flag_discards_all_tlvs() -> None:
    tlvs = read(INFORMATION + SERVICE + b"\x20" + FOLLOW_UP[1:])
    assert not tlvs.intact[0]
    assert not tlvs.timestamp_information[0]


@pytest.mark.parametrize("turned", [False, True])
def test_signed_tlvs_are_believed_only_with_the_right_hmac(turned: bool) -> None:
    region = FOLLOW_UP + SERVICE + INFORMATION if turned else INFORMATION + SERVICE + FOLLOW_UP
    assert read(region + hmac_tlv(region), key=KEY).follow_up[0]
    for wrong in (
        region + hmac_tlv(region, sequence=8),
        region + hmac_tlv(region, key=bytes(32)),
        region[:-1] + b"\1" + hmac_tlv(region),
    ):
        tlvs = read(wrong, key=KEY)
        assert not tlvs.intact[0]
        assert not tlvs.follow_up[0]


def test_signed_replies_without_an_hmac_tlv_are_not_believed() -> None:
    assert not read(INFORMATION + SERVICE + FOLLOW_UP, size=200, key=KEY).intact[0]


def test_an_hmac_tlv_before_other_tlvs_is_wrong_wherever_it_is_right() -> None:
    region = INFORMATION + hmac_tlv(INFORMATION) + SERVICE
    assert not read(region, size=200, key=KEY).intact[0]
    padded = INFORMATION + hmac_tlv(INFORMATION) + b"\0\1\0\4abcd"
    assert read(padded, size=200, key=KEY).intact[0]


@pytest.mark.parametrize(
    ("octets", "found", "malformed_at"),
    [
        (b"", [], None),
        (bytes(20), [], None),
        (b"\x80", [], 0),
        (b"\0\0\0", [], None),
        (b"\x80\xf0\0\0", [Tlv(0, 0x80, 240, 0)], None),
        (b"\x80\xf0\0\2ab", [Tlv(0, 0x80, 240, 2)], None),
        (b"\x80\xf0\0\3ab", [], 0),
        (b"\x80\xf0\xff\xffab", [], 0),
        (b"\x80\x01\0\1x\x80\x03\0\5abcde", [Tlv(0, 0x80, 1, 1)], 5),
        (b"\x80\x01\0\1x\x80\x03\0", [Tlv(0, 0x80, 1, 1)], 5),
        (b"\x80\x08\0\x0f" + bytes(15), [], 0),
        (b"\x80\x00\0\0", [Tlv(0, 0x80, 0, 0)], None),
    ],
)
def test_walking_tlvs(octets: bytes, found: list[Tlv], malformed_at: int | None) -> None:
    assert walk(octets) == (found, malformed_at)


def test_an_oversized_tlv_length_is_malformed_and_read_by_nobody() -> None:
    tlvs = read(INFORMATION + b"\x00\x04\xff\xff" + FOLLOW_UP, size=80)
    assert tlvs.timestamp_information[0]
    assert not tlvs.class_of_service[0]
    assert not tlvs.follow_up[0]


def test_a_frame_full_of_empty_tlvs_is_not_walked_to_its_end() -> None:
    found, malformed_at = walk(b"\x80\xf0\0\0" * 2000)
    assert len(found) == MAX_TLVS
    assert malformed_at == 4 * MAX_TLVS


@given(st.binary(max_size=300))
def test_any_octets_are_walked_without_leaving_them(octets: bytes) -> None:
    found, malformed_at = walk(octets)
    at = 0
    for tlv in found:
        assert tlv.at == at
        at = tlv.end
    assert at <= len(octets)
    assert malformed_at is None or malformed_at == at


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 0x80, 0x40, 0x20]),
            st.sampled_from([*map(int, TlvType), 2, 240]),
            st.binary(max_size=20),
        ),
        max_size=6,
    ),
    st.booleans(),
)
def test_any_reply_is_read_without_a_crash(
    parts: list[tuple[int, int, bytes]], signed: bool
) -> None:
    region = b"".join(
        bytes((flags, kind)) + len(value).to_bytes(2) + value for flags, kind, value in parts
    )
    tlvs = read(region, size=200, key=KEY if signed else None)
    assert not (tlvs.follow_up & ~tlvs.intact).any()
