"""What a reflector does with the TLVs of one request (RFC 8972, section 4). Sans-I/O.

The reply keeps the request's octets; flags and the values that are asked for are written over
them, so a reply is never longer than its request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.wire.tlv_format import (
    HEADER_OCTETS,
    INTEGRITY,
    MALFORMED,
    UNRECOGNISED,
    StampMethod,
    SyncSource,
    Tlv,
    TlvType,
    intact,
    tlv_hmac,
    walk,
)

_SPOKEN: Final = frozenset(map(int, TlvType)) - {int(TlvType.RESERVED)}


class FollowUp(NamedTuple):
    """The kernel's TX stamp of an earlier reply of the session."""

    sequence: int
    """Sequence Number field of that reply."""
    stamp: int
    """Wire stamp."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the reflector knows of the request besides its octets."""

    tos: int
    """TOS or traffic class octet with which it came."""
    synchronised: bool
    """Our clock is; the kernel does not say by what: told as NTP."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the TLVs ask beyond their own octets."""

    dscp: int | None = None
    """DSCP that the reply must have."""
    follow_up: bool = False
    """The next request wants to know when this reply left."""
    malformed: bool = False
    integrity_failed: bool = False


def reflect_tlvs(
    region: bytearray,
    sequences: tuple[bytes, bytes],
    arrival: Arrival,
    *,
    key: bytes | None,
    authenticated: bool,
    may_send: Callable[[int], bool],
    follow_up: Callable[[], FollowUp | None],
) -> Outcome:
    """Turn the TLVs of a request into those of its reply, in place.

    `sequences` are the Sequence Number fields of request and reply, `key` the HMAC key of the
    source, `may_send` the local policy on DSCP values, `follow_up` what is known of an earlier
    reply of the session; it is called at most once, and only when the TLV asks.
    """
    tlvs, malformed_at = walk(bytes(region))
    if malformed_at is not None:
        region[malformed_at] = MALFORMED
    if not intact(bytes(region), tlvs, sequences[0], key, required=authenticated):
        for tlv in tlvs:
            region[tlv.at] = INTEGRITY
        return Outcome(malformed=malformed_at is not None, integrity_failed=True)
    dscp: int | None = None
    wants_follow_up = False
    for tlv in tlvs:
        region[tlv.at] = 0 if tlv.kind in _SPOKEN else UNRECOGNISED
        value = tlv.at + HEADER_OCTETS
        match tlv.kind:
            case TlvType.TIMESTAMP_INFORMATION:
                source = SyncSource.NTP if arrival.synchronised else SyncSource.FREE_RUNNING
                method = StampMethod.SOFTWARE
                region[value : value + 4] = bytes((source, method, source, method))
            case TlvType.CLASS_OF_SERVICE:
                asked = region[value] >> 2
                allowed = may_send(asked)
                if dscp is None:
                    dscp = asked if allowed else arrival.tos >> 2
                word = asked << 10 | arrival.tos >> 2 << 4 | (arrival.tos & 3) << 2 | (not allowed)
                region[value : value + 4] = word.to_bytes(2) + b"\0\0"
            case TlvType.FOLLOW_UP:
                known = None if wants_follow_up else follow_up()
                wants_follow_up = True
                region[value : value + 16] = _follow_up_value(known)
            case TlvType.HMAC if key is not None:
                _sign(region, tlv, sequences[1], key)
    return Outcome(dscp, wants_follow_up, malformed_at is not None)


def _follow_up_value(known: FollowUp | None) -> bytes:
    if known is None:
        return bytes(16)
    return (
        known.sequence.to_bytes(4)
        + known.stamp.to_bytes(8)
        + bytes((StampMethod.SOFTWARE, 0, 0, 0))
    )


def _sign(region: bytearray, tlv: Tlv, sequence: bytes, key: bytes) -> None:
    region[tlv.at + HEADER_OCTETS : tlv.end] = tlv_hmac(key, sequence, bytes(region[: tlv.at]))
