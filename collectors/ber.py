"""The few octets of an SNMP message that say whose answer it is (X.690; RFC 1157, 3416, 3412).

A datagram is looked at before a library decodes it: what nobody waits for is dropped unread.
Sans-I/O. Nothing here recurses, and nothing is believed about a length that is not there.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

INTEGER, OCTETS, SEQUENCE = 0x02, 0x04, 0x30
RESPONSE = 0xA2
VERSION_3 = 3
_UNKNOWN_ENGINE = bytes.fromhex("2b060106030f01010400")
"""usmStatsUnknownEngineIDs.0 (RFC 3414, section 5), 1.3.6.1.6.3.15.1.1.4.0."""


class NotSnmpError(ValueError):
    """The octets are no SNMP message."""


class Header(NamedTuple):
    """What of a message is readable without a key."""

    version: int
    """As it is written: 0 is version 1, 1 is 2c, 3 is 3."""
    ident: int
    """The msgID of version 3, the request-id of the others."""
    engine_id: bytes
    """msgAuthoritativeEngineID; empty below version 3."""
    pdu: int | None
    """The tag of the PDU; None in version 3, where it may be encrypted."""


def element(data: bytes, at: int, tag: int | None = None) -> tuple[int, int]:
    """Where the contents of the element at `at` begin and end; NotSnmpError where it is broken.

    `tag` is the one that it must have. Indefinite lengths and tags of several octets, which SNMP
    does not use (RFC 3417, section 8), are refused.
    """
    try:
        found, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4:
                raise NotSnmpError(f"a length of {octets} octets")
            if at + octets > len(data):
                raise NotSnmpError("cut off within a length")
            length = int.from_bytes(data[at : at + octets])
            at += octets
    except IndexError:
        raise NotSnmpError("cut off within a header") from None
    if tag is not None and found != tag:
        raise NotSnmpError(f"tag {found:#04x} where {tag:#04x} belongs")
    if at + length > len(data):
        raise NotSnmpError("cut off within its contents")
    return at, at + length


def _integer(data: bytes, at: int) -> tuple[int, int]:
    start, end = element(data, at, INTEGER)
    if not 1 <= end - start <= 5:
        raise NotSnmpError(f"an integer of {end - start} octets")
    return int.from_bytes(data[start:end], signed=True), end


def header(data: bytes) -> Header:
    """Version and identifiers of a message; NotSnmpError where it is none."""
    at, end = element(data, 0, SEQUENCE)
    if end != len(data):
        raise NotSnmpError("octets behind the message")
    version, at = _integer(data, at)
    if version == VERSION_3:
        start, at = element(data, at, SEQUENCE)
        ident, _ = _integer(data, start)
        start, _ = element(data, at, OCTETS)
        start, _ = element(data, start, SEQUENCE)
        start, end = element(data, start, OCTETS)
        return Header(version, ident, data[start:end], None)
    _, at = element(data, at, OCTETS)
    start, _ = element(data, at)
    ident, _ = _integer(data, start)
    return Header(version, ident, b"", data[at])


def tlv(tag: int, *contents: bytes) -> bytes:
    """An element of the contents in a row, the shortest way."""
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + body


def integer(value: int) -> bytes:
    """An INTEGER."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True))


def discovery() -> tuple[int, bytes]:
    """A question for the engine ID (RFC 3414, section 4), and its msgID: it needs no credentials.

    A device that speaks version 3 answers with a report, whoever asks.
    """
    ident = secrets.randbelow(2**31 - 1) + 1
    zero, empty = integer(0), tlv(OCTETS)
    usm = tlv(SEQUENCE, empty, zero, zero, empty, empty, empty)
    pdu = tlv(0xA0, integer(ident), zero, zero, tlv(SEQUENCE))
    head = tlv(SEQUENCE, integer(ident), integer(65_507), tlv(OCTETS, b"\x04"), integer(3))
    message = tlv(
        SEQUENCE, integer(3), head, tlv(OCTETS, usm), tlv(SEQUENCE, empty, empty, pdu)
    )  # fmt: skip
    return ident, message


def is_discovery_report(data: bytes, ident: int) -> bool:
    """Whether a message is the report that answers `discovery`."""
    found = header(data)
    return (
        found.version == VERSION_3
        and found.ident == ident
        and bool(found.engine_id)
        and _UNKNOWN_ENGINE in data
    )
