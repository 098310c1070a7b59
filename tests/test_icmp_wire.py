"""ICMP echo on the wire: frozen octets, the checksum by another way, every flipped bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import icmp

REQUEST = bytes.fromhex("080028bf123451800006518070617370080706050403020110111213")
"""IPv4, identifier 0x1234, slot 414080 (sequence 0x5180), key 0x0102030405060708, 28 octets."""


def checksum(octets: bytes) -> int:
    """RFC 1071 as a modulus: the complement of the sum mod 2^16 - 1."""
    padded = octets + b"\0" * (len(octets) % 2)
    total = int.from_bytes(padded, "big")
    # 2^16 is 1 modulo 2^16 - 1, so the sum of the words is the whole number's rest.
    rest = total % 0xFFFF
    return ~(0xFFFF if rest == 0 and total else rest) & 0xFFFF


def request(version: int = 4, size: int = 28, slot: int = 414080) -> Any:
    packets = np.full((1, size), 0xEE, np.uint8)
    key = np.array([0x0102030405060708], np.uint64)
    icmp.build_requests(packets, version, 0x1234, np.array([slot]), key)
    return packets


def reply_to(packets: Any, version: int = 4) -> Any:
    reply = packets.copy()
    reply[:, 0] = 0 if version == 4 else 129
    if version == 4:
        reply[:, 2:4] = 0
        for row in reply:
            row[2:4] = list(checksum(row.tobytes()).to_bytes(2, "big"))
    return reply


def test_a_request_is_these_octets() -> None:
    assert request().tobytes().hex() == REQUEST.hex()


def test_a_version_6_request_differs_in_type_and_leaves_the_checksum_to_the_kernel() -> None:
    assert request(6).tobytes() == b"\x80\0\0\0" + REQUEST[4:]


@given(st.binary(min_size=0, max_size=300))
def test_the_checksum_is_that_of_rfc_1071(octets: bytes) -> None:
    row = np.frombuffer(octets, np.uint8).reshape(1, -1)
    if not octets:
        return
    assert int(icmp.checksum(row)[0]) == checksum(octets)


@given(st.binary(min_size=2, max_size=100), st.integers(1, 8))
def test_rows_are_summed_one_by_one(octets: bytes, rows: int) -> None:
    many = np.tile(np.frombuffer(octets, np.uint8), (rows, 1))
    many[:, 0] += np.arange(rows, dtype=np.uint8)
    assert icmp.checksum(many).tolist() == [checksum(row.tobytes()) for row in many]


def test_the_largest_packet_of_ones_does_not_overflow_the_sum() -> None:
    assert int(icmp.checksum(np.full((1, icmp.MAX_SIZE), 0xFF, np.uint8))[0]) == checksum(
        b"\xff" * icmp.MAX_SIZE
    )


@given(st.integers(icmp.MIN_SIZE, 600), st.integers(0, 2**32 - 1), st.sampled_from([4, 6]))
def test_a_whole_reply_brings_slot_and_key_back(size: int, slot: int, version: int) -> None:
    reply = reply_to(request(version, size, slot), version)
    lengths = np.array([size])
    assert icmp.read_slots(reply, lengths).tolist() == [slot]
    assert icmp.read_keys(reply).tolist() == [0x0102030405060708]
    assert icmp.sequences(reply).tolist() == [slot & 0xFFFF]
    assert icmp.identifiers(reply).tolist() == [0x1234]
    assert icmp.intact(reply, lengths, lengths, version).all()
    assert not icmp.damaged(reply, lengths).any() or version == 6


@pytest.mark.parametrize("size", [24, 28, 33])
def test_every_single_flipped_bit_of_an_ipv4_reply_is_noticed(size: int) -> None:
    reply = reply_to(request(size=size))
    flips = np.repeat(reply, size * 8, axis=0)
    for bit, row in enumerate(flips):
        row[bit // 8] ^= 1 << bit % 8
    lengths = np.full(len(flips), size)
    assert not icmp.intact(flips, lengths, lengths, 4).any()
    assert icmp.damaged(flips, lengths).all()


@pytest.mark.parametrize("version", [4, 6])
def test_a_reply_cut_at_any_octet_is_none(version: int) -> None:
    reply = reply_to(request(version, 64), version)
    for length in range(64):
        at = np.array([length])
        assert not icmp.intact(reply, at, np.array([64]), version).any()
        assert (icmp.read_slots(reply, at)[0] == 414080) == (length >= icmp.MIN_SIZE)


def test_a_message_longer_than_the_room_for_it_is_not_believed() -> None:
    reply = reply_to(request(size=64))
    at = np.array([100])
    assert not icmp.intact(reply, at, at, 4).any()
    assert icmp.damaged(reply, at).all()


def ipv4(message: bytes, words: int = 5) -> bytes:
    return bytes([0x40 | words]) + bytes(words * 4 - 1) + message


@given(st.lists(st.integers(5, 15), min_size=1, max_size=8))
def test_ip_headers_of_any_length_are_taken_off(words: list[int]) -> None:
    message = reply_to(request(size=64))[0].tobytes()
    rows = np.zeros((len(words), 160), np.uint8)
    lengths = []
    for row, count in zip(rows, words, strict=True):
        packet = ipv4(message, count)
        row[: len(packet)] = np.frombuffer(packet, np.uint8)
        lengths.append(len(packet))
    found = icmp.strip_ipv4_headers(rows, np.array(lengths))
    assert found.tolist() == [64] * len(words)
    assert all(row[20:84].tobytes() == message for row in rows)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x60" + bytes(60),
        b"\x44" + bytes(60),
        b"\x4f" + bytes(30),
        b"\x45" + bytes(10),
    ],
    ids=["nothing", "version 6", "header of 16", "header cut", "less than a header"],
)
def test_what_is_no_ipv4_packet_has_no_message(packet: bytes) -> None:
    rows = np.zeros((1, 160), np.uint8)
    rows[0, : len(packet)] = np.frombuffer(packet, np.uint8)
    found = icmp.strip_ipv4_headers(rows, np.array([len(packet)]))
    assert found.tolist() == [0]
    assert icmp.read_slots(rows[:, 20:], found).tolist() == [-1]


@given(st.lists(st.binary(max_size=120), min_size=1, max_size=20), st.sampled_from([4, 6]))
def test_no_octets_at_all_upset_the_reading(datagrams: list[bytes], version: int) -> None:
    rows = np.zeros((len(datagrams), 128), np.uint8)
    for row, octets in zip(rows, datagrams, strict=True):
        row[: len(octets)] = np.frombuffer(octets, np.uint8)
    lengths = np.array([len(octets) for octets in datagrams])
    found = icmp.strip_ipv4_headers(rows, lengths) if version == 4 else lengths
    messages = rows[:, 20:] if version == 4 else rows
    slots = icmp.read_slots(messages, found)
    assert (slots[found < icmp.MIN_SIZE] == -1).all()
    whole = icmp.intact(messages, found, found, version)
    assert not whole[found < icmp.MIN_SIZE].any()
