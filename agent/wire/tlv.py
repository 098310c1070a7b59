"""TLVs at the sender (RFC 8972, section 4): how a request carries them, how replies are read.

Our requests carry types 3, 4, 7, 8 in this order, then extra padding (1) up to the size asked for;
replies that kept the places are read column by column, others one by one. Sans-I/O.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.errors import ProbeError
from agent.samples import UInt8Array
from agent.wire.octets import column
from agent.wire.tlv_format import (
    BASE,
    BASE_AUTHENTICATED,
    FIXED_LENGTH,
    HEADER_OCTETS,
    HMAC_OCTETS,
    INTEGRITY,
    MALFORMED,
    UNRECOGNISED,
    TlvType,
    intact,
    tlv_hmac,
    walk,
)


class StampSizeError(ProbeError):
    """A packet size that the wished format and TLVs do not fit into."""


@dataclass(frozen=True, slots=True)
class SenderTlvs:
    """What a request asks of the reflector."""

    timestamp_information: bool = False
    class_of_service: int | None = None
    """The DSCP that the reply shall have; None asks nothing."""
    follow_up: bool = False


NO_TLVS: Final = SenderTlvs()


@dataclass(frozen=True, slots=True)
class Shape:
    """Where everything stands in our requests of one size; -1 = not there.

    Each `*_at` is the octet of the TLV's header, counted from the start of the packet.
    """

    size: int
    base: int
    timestamp_information_at: int
    class_of_service_at: int
    follow_up_at: int
    hmac_at: int
    padding_at: int
    template: UInt8Array
    """A packet with every octet that is the same in all packets."""

    @property
    def authenticated(self) -> bool:
        """Whether the base packet carries an HMAC."""
        return self.base == BASE_AUTHENTICATED

    @property
    def headers(self) -> tuple[tuple[int, TlvType, int], ...]:
        """(place, type, length) of each TLV."""
        places = (
            (self.timestamp_information_at, TlvType.TIMESTAMP_INFORMATION),
            (self.class_of_service_at, TlvType.CLASS_OF_SERVICE),
            (self.follow_up_at, TlvType.FOLLOW_UP),
            (self.hmac_at, TlvType.HMAC),
        )
        fixed = tuple((at, kind, FIXED_LENGTH[kind]) for at, kind in places if at >= 0)
        if self.padding_at < 0:
            return fixed
        rest = self.size - self.padding_at - HEADER_OCTETS
        return (*fixed, (self.padding_at, TlvType.EXTRA_PADDING, rest))


def least_size(authenticated: bool, tlvs: SenderTlvs = NO_TLVS) -> int:
    """Octets of the smallest packet of this format with these TLVs."""
    asked = 8 * tlvs.timestamp_information + 8 * (tlvs.class_of_service is not None)
    asked += 20 * tlvs.follow_up
    if authenticated:
        return BASE_AUTHENTICATED + asked + (HEADER_OCTETS + HMAC_OCTETS if asked else 0)
    return BASE + asked


@lru_cache(maxsize=128)
def shape(size: int, authenticated: bool = False, tlvs: SenderTlvs = NO_TLVS) -> Shape:
    """The layout of requests of `size` octets (UDP payload).

    Raises `StampSizeError` for a size too small, or one that leaves 1 to 3 octets, which no TLV
    can fill. Padding is pseudo-random (RFC 8972, section 4.1), the same in every packet, so that a
    link that compresses does not look faster, and a changed octet is seen.
    """
    least = least_size(authenticated, tlvs)
    rest = size - least
    if rest < 0:
        raise StampSizeError(f"size {size}: STAMP with these options takes {least} octets or more")
    if 0 < rest < HEADER_OCTETS:
        raise StampSizeError(
            f"size {size}: {rest} octets are left, too few for padding; "
            f"take {least} or {least + HEADER_OCTETS} and more"
        )
    if size > 65_507:
        raise StampSizeError(f"size {size}: a UDP datagram carries 65507 octets at most")
    template = np.zeros(size, np.uint8)
    base = at = BASE_AUTHENTICATED if authenticated else BASE

    def place(kind: TlvType, length: int) -> int:
        nonlocal at
        here, at = at, at + HEADER_OCTETS + length
        # U is set on the way out: a reflector that knows no TLVs leaves it so.
        template[here : here + HEADER_OCTETS] = (UNRECOGNISED, kind, length >> 8, length & 0xFF)
        return here

    def wish(asked: bool, kind: TlvType) -> int:
        return place(kind, FIXED_LENGTH[kind]) if asked else -1

    information = wish(tlvs.timestamp_information, TlvType.TIMESTAMP_INFORMATION)
    service = wish(tlvs.class_of_service is not None, TlvType.CLASS_OF_SERVICE)
    if tlvs.class_of_service is not None:
        template[service + HEADER_OCTETS] = tlvs.class_of_service << 2
    follow_up = wish(tlvs.follow_up, TlvType.FOLLOW_UP)
    hmac_at = wish(authenticated and at > base, TlvType.HMAC)
    padding = -1
    if rest:
        padding = place(TlvType.EXTRA_PADDING, rest - HEADER_OCTETS)
        template[padding + HEADER_OCTETS :] = np.random.default_rng(8972).integers(
            0, 256, rest - HEADER_OCTETS, np.uint8
        )
    template.setflags(write=False)
    return Shape(size, base, information, service, follow_up, hmac_at, padding, template)


@dataclass(slots=True)
class ReplyTlvs:
    """What the TLVs of a batch of replies say; a mask tells in which rows each was answered."""

    intact: npt.NDArray[np.bool_]
    """False: the HMAC TLV is wrong, or ours was flagged (I): no value of the row is used."""
    follow_up: npt.NDArray[np.bool_]
    """An earlier reply's stamp is told (its mode is not 0)."""
    follow_up_seq: npt.NDArray[np.uint32]
    """Sequence Number field of that earlier reply."""
    follow_up_t3: npt.NDArray[np.uint64]
    """Its wire stamp, in the reflector's format."""
    follow_up_mode: UInt8Array
    """`StampMethod`."""
    class_of_service: npt.NDArray[np.bool_]
    dscp_seen: UInt8Array
    """DSCP with which our request arrived (DSCP2)."""
    ecn_seen: UInt8Array
    dscp_refused: npt.NDArray[np.bool_]
    """RP = 1: the reflector may not send with the DSCP that we asked for."""
    timestamp_information: npt.NDArray[np.bool_]
    sources: UInt8Array
    """(n, 4): Sync Src In, Timestamp In, Sync Src Out, Timestamp Out."""

    @classmethod
    def blank(cls, n: int) -> ReplyTlvs:
        """No row says anything."""

        def no() -> npt.NDArray[np.bool_]:
            return np.zeros(n, np.bool_)

        def octet() -> UInt8Array:
            return np.zeros(n, np.uint8)

        return cls(
            ~no(), no(), np.zeros(n, np.uint32), np.zeros(n, np.uint64), octet(),
            no(), octet(), octet(), no(), no(), np.zeros((n, 4), np.uint8),
        )  # fmt: skip


def read_reply_tlvs(
    data: UInt8Array,
    lengths: npt.NDArray[np.integer],
    asked: Shape,
    key: bytes | None = None,
) -> ReplyTlvs:
    """Read the TLVs of replies to requests of the shape `asked`; rows are replies.

    Flags as RFC 8972, section 4: U skips a TLV, M ends the reading, I discards all of them.
    """
    n = len(lengths)
    out = ReplyTlvs.blank(n)
    headers = asked.headers
    if not headers:
        return out
    kept = np.asarray(lengths) == asked.size
    if data.shape[1] < asked.size:
        kept[:] = False
    for at, kind, length in headers if kept.any() else ():
        kept &= (column(data, at, ">u4") & 0xE0FFFFFF) == (kind << 16 | length)
    sure = np.flatnonzero(kept)
    if len(sure):
        rows = data if len(sure) == n else data[sure]
        _read_columns(out, sure, rows, asked, key)
    for row in np.flatnonzero(~kept & (np.asarray(lengths) > asked.base)).tolist():
        octets = data[row, : min(int(lengths[row]), data.shape[1])].tobytes()
        _read_one(out, row, octets, asked, key)
    return out


def _read_columns(
    out: ReplyTlvs, into: npt.NDArray[np.intp], rows: UInt8Array, asked: Shape, key: bytes | None
) -> None:
    if asked.hmac_at >= 0 and key is not None:
        good = np.array(
            [
                hmac.compare_digest(
                    row[
                        asked.hmac_at + HEADER_OCTETS : asked.hmac_at + HEADER_OCTETS + HMAC_OCTETS
                    ].tobytes(),
                    tlv_hmac(key, row[:4].tobytes(), row[asked.base : asked.hmac_at].tobytes()),
                )
                for row in rows
            ],
            np.bool_,
        )
        out.intact[into] = good
        rows, into = rows[good], into[good]
    if asked.timestamp_information_at >= 0:
        at = asked.timestamp_information_at + HEADER_OCTETS
        out.timestamp_information[into] = True
        out.sources[into] = rows[:, at : at + 4]
    if asked.class_of_service_at >= 0:
        at = asked.class_of_service_at + HEADER_OCTETS
        word = column(rows, at, ">u2")
        out.class_of_service[into] = True
        out.dscp_seen[into] = word >> 4 & 0x3F
        out.ecn_seen[into] = word >> 2 & 3
        out.dscp_refused[into] = word & 3 == 1
    if asked.follow_up_at >= 0:
        at = asked.follow_up_at + HEADER_OCTETS
        out.follow_up_seq[into] = column(rows, at, ">u4")
        out.follow_up_t3[into] = column(rows, at + 4, ">u8")
        out.follow_up_mode[into] = rows[:, at + 12]
        out.follow_up[into] = rows[:, at + 12] != 0


def _read_one(out: ReplyTlvs, row: int, octets: bytes, asked: Shape, key: bytes | None) -> None:
    """A reply whose TLVs do not stand where ours stood."""
    region = octets[asked.base :]
    tlvs, _ = walk(region)
    flagged = any(tlv.flags & INTEGRITY for tlv in tlvs)
    if flagged or not intact(region, tlvs, octets[:4], key, required=asked.authenticated):
        out.intact[row] = False
        return
    for tlv in tlvs:
        if tlv.flags & MALFORMED:
            return
        if tlv.flags & UNRECOGNISED:
            continue
        value = region[tlv.at + HEADER_OCTETS : tlv.end]
        match tlv.kind:
            case TlvType.TIMESTAMP_INFORMATION:
                out.timestamp_information[row] = True
                out.sources[row] = tuple(value)
            case TlvType.CLASS_OF_SERVICE:
                word = value[0] << 8 | value[1]
                out.class_of_service[row] = True
                out.dscp_seen[row] = word >> 4 & 0x3F
                out.ecn_seen[row] = word >> 2 & 3
                out.dscp_refused[row] = word & 3 == 1
            case TlvType.FOLLOW_UP:
                out.follow_up[row] = value[12] != 0
                out.follow_up_seq[row] = int.from_bytes(value[:4])
                out.follow_up_t3[row] = int.from_bytes(value[4:12])
                out.follow_up_mode[row] = value[12]
