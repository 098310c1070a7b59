"""STAMP packets (RFC 8762, with the session identifier of RFC 8972, section 3), a batch at a time.

    Unauthenticated, 44 octets and TLVs         Authenticated, 112 octets and TLVs
    octet  request          reply               octet  request          reply
     0     sequence         sequence             0     sequence         sequence
     4     T1               T3                   4     0 (12)           0 (12)
    12     Error Estimate   Error Estimate      16     T1               T3
    14     SSID             SSID                24     Error Estimate   Error Estimate
    16     0                T2                  26     SSID             SSID
    24     0                sequence of request 28     0                0 (4)
    28     0                T1                  32     0                T2
    36     0                Error Est. of req.  40     0                0 (8)
    38     0                0 (2)               48     0                sequence of request
    40     0                TTL of request      52     0                0 (12)
    41     0                0 (3)               64     0                T1
                                                72     0                Error Est. of request
                                                74     0                0 (6)
                                                80     0                TTL of request
                                                81     0                0 (15)
                                                96     HMAC (16)        HMAC (16)

The HMAC is HMAC-SHA-256 over octets 0 to 95, cut to 16 octets (RFC 8762, section 4.4). Sans-I/O.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from agent.samples import Int64Array, UInt8Array
from agent.wire.ntp import UInt64Array, from_ntp, from_ptp
from agent.wire.octets import column
from agent.wire.tlv import NO_TLVS, SenderTlvs, shape
from agent.wire.tlv_format import BASE_AUTHENTICATED, HEADER_OCTETS, HMAC_OCTETS, tlv_hmac

PORT: Final = 862
"""The reflector's port (RFC 8762, section 4.1)."""
LEAST_REQUEST: Final = 14
"""A TWAMP-Light request without padding (RFC 5357, section 4.1.2)."""
LEAST_REPLY: Final = 36
"""Up to and with the sender's own T1: replies of 38 and 41 octets are in use."""
HMAC_AT: Final = 96


class Offsets(NamedTuple):
    """Where the fields of one format stand."""

    stamp: int
    """T1 in a request, T3 in a reply."""
    error_estimate: int
    ssid: int
    t2: int
    sender_seq: int
    sender_t1: int
    sender_error_estimate: int
    sender_ttl: int


PLAIN: Final = Offsets(4, 12, 14, 16, 24, 28, 36, 40)
AUTHENTICATED: Final = Offsets(16, 24, 26, 32, 48, 64, 72, 80)


def packet_hmac(key: bytes, base: bytes) -> bytes:
    """The HMAC of an authenticated packet, of its first 96 octets."""
    return hmac.digest(key, base[:HMAC_AT], "sha256")[:HMAC_OCTETS]


def sign(data: UInt8Array, key: bytes) -> None:
    """Write the HMAC of every row (authenticated packets), in place."""
    for row in data:
        row[HMAC_AT:BASE_AUTHENTICATED] = np.frombuffer(
            packet_hmac(key, row[:HMAC_AT].tobytes()), np.uint8
        )


def build_sender(
    seqs: npt.NDArray[np.uint32],
    t1: UInt64Array,
    error_estimate: int,
    ssid: int,
    size: int,
    key: bytes | None = None,
    tlvs: SenderTlvs = NO_TLVS,
    out: UInt8Array | None = None,
) -> UInt8Array:
    """Requests, one a row: `(n, size)` octets, written into `out` where it is given.

    `t1` are wire stamps whose format the Z bit of `error_estimate` tells. A key makes them
    authenticated. Raises `StampSizeError` (a `ProbeError`) for a size that the format and the TLVs
    do not fit into.
    """
    made = shape(size, key is not None, tlvs)
    packets = np.empty((len(seqs), size), np.uint8) if out is None else out
    packets[:] = made.template
    at = PLAIN if key is None else AUTHENTICATED
    column(packets, 0, ">u4")[:] = seqs
    column(packets, at.stamp, ">u8")[:] = t1
    column(packets, at.error_estimate, ">u2")[:] = error_estimate
    column(packets, at.ssid, ">u2")[:] = ssid
    if key is not None:
        sign(packets, key)
        if made.hmac_at >= 0:
            sign_tlvs(packets, made.hmac_at, key)
    return packets


def sign_tlvs(data: UInt8Array, hmac_at: int, key: bytes) -> None:
    """Write the HMAC TLV (its header at octet `hmac_at`) of every authenticated row, in place."""
    value = slice(hmac_at + HEADER_OCTETS, hmac_at + HEADER_OCTETS + HMAC_OCTETS)
    for row in data:
        made = tlv_hmac(key, row[:4].tobytes(), row[BASE_AUTHENTICATED:hmac_at].tobytes())
        row[value] = np.frombuffer(made, np.uint8)


@dataclass(frozen=True, slots=True)
class ReplyBatch:
    """The base fields of a batch of replies; a row that is not `ok` holds nothing."""

    ok: npt.NDArray[np.bool_]
    """Long enough for its format."""
    seq: npt.NDArray[np.uint32]
    """The reflector's sequence number."""
    t3: UInt64Array
    """Wire stamp of the reflector's sending. Where it equals our T1 while `sender_t1` does not, the
    reflector has put T1 and T3 in each other's place."""
    error_estimate: npt.NDArray[np.uint16]
    """The reflector's; its Z bit tells the format of `t2` and `t3`."""
    ssid: npt.NDArray[np.uint16]
    t2: UInt64Array
    """Wire stamp of the reflector's receiving."""
    sender_seq: npt.NDArray[np.uint32]
    sender_t1: UInt64Array
    sender_error_estimate: npt.NDArray[np.uint16]
    """0 where the reply ends before it."""
    sender_ttl: npt.NDArray[np.int16]
    """TTL with which our request arrived; -1 where the reply ends before it."""

    def times_ns(self, stamps: UInt64Array) -> Int64Array:
        """UTC nanoseconds of stamps of the reflector (`t2`, `t3`, a follow-up), by its Z bit."""
        ptp = (self.error_estimate & 0x4000) != 0
        if not ptp.any():
            return from_ntp(stamps)
        return np.where(ptp, from_ptp(stamps), from_ntp(stamps))


def parse_replies(
    data: UInt8Array, lengths: npt.NDArray[np.integer], authenticated: bool = False
) -> ReplyBatch:
    """The fields of replies, one a row of `data` (at least 44 or 112 octets wide), as columns.

    Unauthenticated replies count from 36 octets (`LEAST_REPLY`), authenticated ones from 112.
    """
    at = AUTHENTICATED if authenticated else PLAIN
    size = np.asarray(lengths)
    ok = size >= (BASE_AUTHENTICATED if authenticated else LEAST_REPLY)

    def read(offset: int, dtype: str) -> npt.NDArray[np.unsignedinteger]:
        values = column(data, offset, dtype)
        native = values.astype(values.dtype.newbyteorder("="))
        native[~ok] = 0
        return native

    error = read(at.sender_error_estimate, ">u2").astype(np.uint16)
    error[size < at.sender_error_estimate + 2] = 0
    ttl = data[:, at.sender_ttl].astype(np.int16)
    ttl[(size <= at.sender_ttl) | ~ok] = -1
    return ReplyBatch(
        ok=ok,
        seq=read(0, ">u4").astype(np.uint32),
        t3=read(at.stamp, ">u8").astype(np.uint64),
        error_estimate=read(at.error_estimate, ">u2").astype(np.uint16),
        ssid=read(at.ssid, ">u2").astype(np.uint16),
        t2=read(at.t2, ">u8").astype(np.uint64),
        sender_seq=read(at.sender_seq, ">u4").astype(np.uint32),
        sender_t1=read(at.sender_t1, ">u8").astype(np.uint64),
        sender_error_estimate=error,
        sender_ttl=ttl,
    )


def verify_hmac(
    data: UInt8Array, lengths: npt.NDArray[np.integer], key: bytes
) -> npt.NDArray[np.bool_]:
    """Which rows carry the right HMAC of an authenticated packet; compared in constant time."""
    return np.fromiter(
        (
            int(length) >= BASE_AUTHENTICATED
            and hmac.compare_digest(
                row[HMAC_AT:BASE_AUTHENTICATED].tobytes(), packet_hmac(key, row[:HMAC_AT].tobytes())
            )
            for row, length in zip(data, lengths, strict=True)
        ),
        np.bool_,
        len(lengths),
    )


def padding_intact(
    data: UInt8Array, lengths: npt.NDArray[np.integer], size: int,
    authenticated: bool = False, tlvs: SenderTlvs = NO_TLVS,
) -> npt.NDArray[np.bool_]:  # fmt: skip
    """Which replies brought our extra padding back as it was; a shorter reply lacks it, and passes.

    A reflector may cut its reply to the base packet (RFC 8762, section 4.3), never change octets.
    """
    made = shape(size, authenticated, tlvs)
    if made.padding_at < 0 or data.shape[1] < size:
        return np.ones(len(lengths), np.bool_)
    start = made.padding_at + HEADER_OCTETS
    same: npt.NDArray[np.bool_] = (data[:, start:size] == made.template[start:]).all(axis=1)
    cut: npt.NDArray[np.bool_] = np.asarray(lengths) != size
    return same | cut
