"""What a reflector does with the TLVs of a request (RFC 8972, section 4)."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.tlv_reflection import Arrival, FollowUp, Outcome, reflect_tlvs

KEY = bytes(range(32))
SEQUENCES = (b"\0\0\0\7", b"\0\0\0\x63")
INFORMATION = bytes.fromhex("8003000400000000")
SERVICE = bytes.fromhex("80040004b8000000")
FOLLOW_UP = bytes.fromhex("80070010") + bytes(16)


def hmac_tlv(preceding: bytes, sequence: bytes = SEQUENCES[0], flags: int = 0x80) -> bytes:
    digest = hmac.new(KEY, sequence + preceding, hashlib.sha256).digest()[:16]
    return bytes((flags, 8, 0, 16)) + digest


def reflect(
    region: bytes,
    *,
    key: bytes | None = None,
    authenticated: bool = False,
    may_send: frozenset[int] = frozenset(range(64)),
    follow_up: FollowUp | None = None,
    tos: int = 0x2B,
    synchronised: bool = False,
) -> tuple[bytes, Outcome]:
    octets = bytearray(region)
    outcome = reflect_tlvs(
        octets, SEQUENCES, Arrival(tos, synchronised), key=key, authenticated=authenticated,
        may_send=may_send.__contains__, follow_up=lambda: follow_up,
    )  # fmt: skip
    assert len(octets) == len(region)
    return bytes(octets), outcome


def test_extra_padding_comes_back_as_it_was() -> None:
    assert reflect(b"\x80\1\0\3abc") == (b"\0\1\0\3abc", Outcome())


def test_timestamp_information_says_what_the_clock_runs_on() -> None:
    assert reflect(INFORMATION)[0].hex() == "0003000405020502"
    assert reflect(INFORMATION, synchronised=True)[0].hex() == "0003000401020102"


def test_class_of_service_tells_what_came_and_sets_what_goes() -> None:
    # TOS 0x2b: DSCP 10, ECN 3. 101110 001010 11 00
    octets, outcome = reflect(SERVICE)
    assert octets.hex() == "00040004b8ac0000"
    assert outcome.dscp == 46


def test_a_dscp_that_is_not_permitted_keeps_the_requests_and_sets_rp() -> None:
    octets, outcome = reflect(SERVICE, may_send=frozenset({0}))
    assert octets.hex() == "00040004b8ad0000"
    assert outcome.dscp == 10


def test_follow_up_tells_number_stamp_and_method() -> None:
    octets, outcome = reflect(FOLLOW_UP, follow_up=FollowUp(6, 0xE8FE6F80_AAAAAAAA))
    assert octets.hex() == "0007001000000006e8fe6f80aaaaaaaa02000000"
    assert outcome.follow_up


def test_a_first_follow_up_is_all_zeros() -> None:
    octets, outcome = reflect(b"\x80\7\0\x10" + b"\xff" * 16)
    assert octets == b"\0\7\0\x10" + bytes(16)
    assert outcome.follow_up


@pytest.mark.parametrize("kind", [0, 2, 5, 6, 9, 240, 255])
def test_an_unknown_tlv_comes_back_with_u_and_the_next_is_processed(kind: int) -> None:
    octets, outcome = reflect(bytes((0x80, kind, 0, 2)) + b"hi" + SERVICE)
    assert octets[:6] == bytes((0x80, kind, 0, 2)) + b"hi"
    assert octets[6] == 0
    assert outcome.dscp == 46


@pytest.mark.parametrize("sent", [0x00, 0x1F, 0x60, 0xFF])
def test_flags_of_the_sender_do_not_come_back(sent: int) -> None:
    assert reflect(bytes((sent, 240, 0, 0)))[0][0] == 0x80
    assert reflect(bytes((sent, 1, 0, 0)))[0][0] == 0


@pytest.mark.parametrize(
    "bad",
    [
        b"\x80\x04\xff\xff\xb8\0\0\0",  # oversized length
        b"\x80\x04\0\3\xb8\0\0",  # wrong length for the type
        b"\x80\x07\0\x11" + bytes(17),
        b"\x80",  # no room for a header
        b"\x80\x04\0",
    ],
)
def test_a_malformed_tlv_comes_back_with_m_and_ends_the_processing(bad: bytes) -> None:
    octets, outcome = reflect(INFORMATION + bad)
    assert octets[:8].hex() == "0003000405020502"
    assert octets[8:] == b"\x40" + bad[1:]
    assert outcome.malformed
    assert outcome.dscp is None


def test_zero_padding_of_a_sender_without_tlvs_is_left_alone() -> None:
    assert reflect(bytes(57)) == (bytes(57), Outcome())


def test_the_hmac_tlv_is_made_anew_over_the_replys_own_octets() -> None:
    region = INFORMATION + SERVICE
    octets, outcome = reflect(region + hmac_tlv(region), key=KEY, authenticated=True)
    assert not outcome.integrity_failed
    assert octets[16:] == hmac_tlv(octets[:16], SEQUENCES[1], flags=0)


@pytest.mark.parametrize(
    ("region", "key", "authenticated"),
    [
        (SERVICE + b"\x80\x08\0\x10" + bytes(16), KEY, True),
        (SERVICE + b"\x80\x08\0\x10" + bytes(16), KEY, False),
        (SERVICE + hmac_tlv(SERVICE), None, False),  # no key to check it with
        (SERVICE, KEY, True),  # missing
        (SERVICE + hmac_tlv(SERVICE) + INFORMATION, KEY, True),  # in the wrong place
        (hmac_tlv(b"") + SERVICE, KEY, False),
    ],
)
def test_a_wrong_hmac_tlv_flags_every_tlv_and_nothing_is_done(
    region: bytes, key: bytes | None, authenticated: bool
) -> None:
    octets, outcome = reflect(region, key=key, authenticated=authenticated)
    assert outcome == Outcome(integrity_failed=True)
    assert octets[0] == 0x20
    assert [a ^ b for a, b in zip(octets, region, strict=True) if a != b].count(0xA0) == len(
        [a for a, b in zip(octets, region, strict=True) if a != b]
    )


def test_padding_behind_the_hmac_tlv_and_alone_is_in_order() -> None:
    padding = b"\x80\1\0\4abcd"
    region = SERVICE + hmac_tlv(SERVICE) + padding
    octets, outcome = reflect(region, key=KEY, authenticated=True)
    assert not outcome.integrity_failed
    assert octets[-8:] == b"\0" + padding[1:]
    assert reflect(padding, key=KEY, authenticated=True)[1] == Outcome()


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_any_octets_are_reflected_at_their_own_length(
    region: bytes, keyed: bool, authenticated: bool
) -> None:
    reflect(region, key=KEY if keyed else None, authenticated=authenticated)
