"""The TLVs of STAMP (RFC 8972, section 4): types, walking through them, and their HMAC.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |U|M|I|R R R R R|     Type      |            Length             |  every TLV
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |  Sync Src In  |  Timestamp In | Sync Src Out  | Timestamp Out |  3, timestamp information
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |   DSCP1   |   DSCP2   |ECN| RP|           Reserved            |  4, class of service
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |             Sequence Number of an earlier reply               |  7, follow-up telemetry
    |                   Follow-Up Timestamp (8)                     |
    |  Timestamp M  |                   Reserved                    |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |        HMAC-SHA-256 (16), cut, of sequence number and         |  8, HMAC
    |                  every TLV before this one                    |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

Sans-I/O.
"""

from __future__ import annotations

import hmac
from enum import IntEnum
from typing import Final, NamedTuple

HEADER_OCTETS: Final = 4
BASE: Final = 44
"""Octets of an unauthenticated packet without TLVs (RFC 8762, sections 4.2.1 and 4.3.1)."""
BASE_AUTHENTICATED: Final = 112
"""The same of an authenticated one (RFC 8762, sections 4.2.2 and 4.3.2)."""
HMAC_OCTETS: Final = 16
"""HMAC-SHA-256 cut to 128 bits (RFC 8762, section 4.4; RFC 8972, section 4.8)."""

UNRECOGNISED: Final = 0x80
MALFORMED: Final = 0x40
INTEGRITY: Final = 0x20

MAX_TLVS: Final = 32
"""TLVs read of one packet: a jumbo frame of empty ones must not cost a millisecond."""


class TlvType(IntEnum):
    """The types that are spoken here (IANA, STAMP TLV Types)."""

    RESERVED = 0
    EXTRA_PADDING = 1
    TIMESTAMP_INFORMATION = 3
    CLASS_OF_SERVICE = 4
    FOLLOW_UP = 7
    HMAC = 8


FIXED_LENGTH: Final = {
    TlvType.TIMESTAMP_INFORMATION: 4,
    TlvType.CLASS_OF_SERVICE: 4,
    TlvType.FOLLOW_UP: 16,
    TlvType.HMAC: HMAC_OCTETS,
}
"""Length that the type must have (RFC 8972, sections 4.3, 4.4, 4.7 and 4.8)."""


_FIXED_LENGTH_OF: Final = {int(kind): length for kind, length in FIXED_LENGTH.items()}


class SyncSource(IntEnum):
    """What a clock is synchronised by (IANA, STAMP Synchronization Sources)."""

    NTP = 1
    PTP = 2
    SSU_BITS = 3
    SATELLITE = 4
    FREE_RUNNING = 5


class StampMethod(IntEnum):
    """How a stamp is made (IANA, STAMP Timestamping Methods)."""

    HARDWARE = 1
    SOFTWARE = 2
    CONTROL_PLANE = 3


class Tlv(NamedTuple):
    """One TLV: where its header starts, and what the header says."""

    at: int
    flags: int
    kind: int
    length: int

    @property
    def end(self) -> int:
        """The octet after its value."""
        return self.at + HEADER_OCTETS + self.length


def walk(octets: bytes) -> tuple[list[Tlv], int | None]:
    """The TLVs after the base packet, and where a malformed one starts (None: nowhere).

    Malformed (RFC 8972, section 4): a length beyond the packet, a wrong one for the type, a rest
    too short for a header; also what follows `MAX_TLVS`. A header of type 0 without flags ends the
    list: that is how the zero padding of senders without TLVs (TWAMP-Light) reads.
    """
    found: list[Tlv] = []
    at, end = 0, len(octets)
    while at < end:
        if end - at < HEADER_OCTETS:
            return found, at if any(octets[at:]) else None
        flags, kind = octets[at], octets[at + 1]
        if not flags and kind == TlvType.RESERVED:
            break
        tlv = Tlv(at, flags, kind, octets[at + 2] << 8 | octets[at + 3])
        if (
            tlv.end > end
            or _FIXED_LENGTH_OF.get(kind, tlv.length) != tlv.length
            or len(found) == MAX_TLVS
        ):
            return found, at
        found.append(tlv)
        at = tlv.end
    return found, None


def tlv_hmac(key: bytes, sequence: bytes, preceding: bytes) -> bytes:
    """The value of an HMAC TLV (RFC 8972, section 4.8)."""
    return hmac.digest(key, sequence + preceding, "sha256")[:HMAC_OCTETS]


def intact(
    octets: bytes, tlvs: list[Tlv], sequence: bytes, key: bytes | None, required: bool
) -> bool:
    """Whether the TLVs may be believed (RFC 8972, section 4.8).

    An HMAC TLV must be right, and only extra padding may follow it. `required` (authenticated
    mode): it must be there, unless the only TLV is extra padding. Without a key none is right.
    """
    at = next((i for i, tlv in enumerate(tlvs) if tlv.kind == TlvType.HMAC), None)
    if at is None:
        lone_padding = len(tlvs) == 1 and tlvs[0].kind == TlvType.EXTRA_PADDING
        return not required or not tlvs or lone_padding
    if key is None or any(tlv.kind != TlvType.EXTRA_PADDING for tlv in tlvs[at + 1 :]):
        return False
    place = tlvs[at].at
    return hmac.compare_digest(
        octets[place + HEADER_OCTETS : place + HEADER_OCTETS + HMAC_OCTETS],
        tlv_hmac(key, sequence, octets[:place]),
    )
