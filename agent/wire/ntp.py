"""Time stamps and clock errors as STAMP carries them: NTP, truncated PTPv2, Error Estimate.

    NTP (RFC 5905, section 6)        seconds since 1900 (32)      | fraction, 2^-32 s (32)
    PTPv2 truncated (RFC 8186, 2.3)  seconds since 1970 (32)      | nanoseconds (32)
    Error Estimate (RFC 4656, 4.1.2) S | Z | Scale (6) | Multiplier (8): Multiplier 2^(Scale-32) s

Sans-I/O and vectorised: a wire stamp is a uint64 (big-endian on the wire), a time is UTC
nanoseconds since 1970 (int64). PTP seconds are counted on UTC and not on TAI, because that is what
the kernel's stamps are; a peer that counts TAI shows up as 37 s of one-way delay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.samples import Int64Array, StampFormat

UInt64Array = npt.NDArray[np.uint64]

SECOND_NS: Final = 1_000_000_000
NTP_UNIX_OFFSET_S: Final = 2_208_988_800
"""Seconds from 1900-01-01 to 1970-01-01 (RFC 5905, figure 4)."""

NTP_KEY_BITS: Final = 12
"""Random bits in our T1: 2^12 units of 2^-32 s blur it by 0.95 µs, and nothing is computed of it:
the sender keeps its own stamps."""
PTP_KEY_BITS: Final = 10
"""Random bits in our T1: 1,024 ns."""

_UNKNOWN: Final = 0x3FFF
"""Scale 63, multiplier 255: any error at all. What we say while we do not know ours."""
_UNUSABLE_NS: Final = 2**31 * SECOND_NS
"""An error of 68 years says nothing."""


def to_ntp(utc_ns: Int64Array | int) -> UInt64Array:
    """Wire stamps of UTC times, to the nearest 2^-32 s (0.23 ns); the era is left out."""
    seconds, rest = np.divmod(np.asarray(utc_ns, np.int64), SECOND_NS)
    fraction = ((rest.astype(np.uint64) << np.uint64(32)) + np.uint64(SECOND_NS // 2)) // np.uint64(
        SECOND_NS
    )
    whole = (seconds + NTP_UNIX_OFFSET_S).astype(np.uint64) & np.uint64(0xFFFFFFFF)
    return (whole << np.uint64(32)) | fraction


def from_ntp(stamps: UInt64Array | int) -> Int64Array:
    """UTC times of wire stamps, exact to the nanosecond for what `to_ntp` made.

    Seconds with the top bit clear belong to era 1, which begins on 2036-02-07 (RFC 4330,
    section 3): right from 1968 to 2104.
    """
    wire = np.asarray(stamps, np.uint64)
    whole = (wire >> np.uint64(32)).astype(np.int64)
    fraction = wire & np.uint64(0xFFFFFFFF)
    rest = (fraction * np.uint64(SECOND_NS) + np.uint64(1 << 31)) >> np.uint64(32)
    era = np.where(whole < 1 << 31, 1 << 32, 0)
    utc: Int64Array = (whole + era - NTP_UNIX_OFFSET_S) * SECOND_NS + rest.astype(np.int64)
    return utc


def to_ptp(utc_ns: Int64Array | int) -> UInt64Array:
    """Wire stamps of UTC times in the truncated PTPv2 format (exact; wraps in 2106)."""
    seconds, rest = np.divmod(np.asarray(utc_ns, np.int64), SECOND_NS)
    whole = seconds.astype(np.uint64) & np.uint64(0xFFFFFFFF)
    return (whole << np.uint64(32)) | rest.astype(np.uint64)


def from_ptp(stamps: UInt64Array | int) -> Int64Array:
    """UTC times of truncated PTPv2 wire stamps; nanoseconds beyond a second add up as they are."""
    wire = np.asarray(stamps, np.uint64)
    seconds = (wire >> np.uint64(32)).astype(np.int64)
    rest: Int64Array = (wire & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return seconds * SECOND_NS + rest


def to_wire(utc_ns: Int64Array | int, time_format: StampFormat) -> UInt64Array:
    """Wire stamps of UTC times in the format asked for."""
    return to_ptp(utc_ns) if time_format == "ptp" else to_ntp(utc_ns)


def from_wire(stamps: UInt64Array | int, time_format: StampFormat) -> Int64Array:
    """UTC times of wire stamps of the format given."""
    return from_ptp(stamps) if time_format == "ptp" else from_ntp(stamps)


def keyed_t1(now_ns: int, random: int, time_format: StampFormat) -> int:
    """A wire stamp whose lowest bits are random: what a reply must echo, and nobody can guess.

    `random` comes from a cryptographic source. The blur is below 1 µs in NTP (`NTP_KEY_BITS`),
    1,024 ns in PTP (`PTP_KEY_BITS`). In plain integers: a few packets leave at a time, for which an
    array costs ten times as much.
    """
    seconds, rest = divmod(now_ns, SECOND_NS)
    if time_format == "ptp":
        mask = (1 << PTP_KEY_BITS) - 1
        low = (rest & ~mask) | (random & mask)
        if low >= SECOND_NS:
            # The last block of a second holds 512 values that are no nanoseconds.
            low -= 1 << PTP_KEY_BITS
        return (seconds & 0xFFFFFFFF) << 32 | low
    mask = (1 << NTP_KEY_BITS) - 1
    low = ((rest << 32) // SECOND_NS & ~mask) | (random & mask)
    return (seconds + NTP_UNIX_OFFSET_S & 0xFFFFFFFF) << 32 | low


@dataclass(frozen=True, slots=True)
class ErrorEstimate:
    """What a peer says of its clock (RFC 4656, section 4.1.2; Z bit: RFC 8186, section 2.3)."""

    synchronised: bool
    """S: the clock is synchronised to UTC by an external source."""
    time_format: StampFormat
    """Z: the format of the stamps beside it."""
    error_ns: int | None
    """Upper bound of the clock error; None where the field says nothing usable."""


def encode_error_estimate(
    synchronised: bool, error_ns: int | None, time_format: StampFormat = "ntp"
) -> int:
    """The field of a clock whose error is at most `error_ns` (None: unknown); rounded up."""
    field = _UNKNOWN
    if error_ns is not None:
        units = -(-(max(error_ns, 1) << 32) // SECOND_NS)
        scale = max(units.bit_length() - 8, 0)
        multiplier = -(-units >> scale)
        if multiplier > 0xFF:
            scale, multiplier = scale + 1, -(-units >> (scale + 1))
        if scale <= 0x3F:
            field = scale << 8 | multiplier
    return field | (0x8000 if synchronised else 0) | (0x4000 if time_format == "ptp" else 0)


def decode_error_estimate(field: int) -> ErrorEstimate:
    """What the field says. No usable error: a multiplier of 0 (RFC 4656 calls it invalid), the
    smallest value there is (0x8001 and 0x0001 come from peers that do not know their clock) and
    anything from 68 years."""
    scale, multiplier = field >> 8 & 0x3F, field & 0xFF
    error_ns = -(-(multiplier << scale) * SECOND_NS >> 32)
    usable = multiplier > 0 and (scale, multiplier) != (0, 1) and error_ns < _UNUSABLE_NS
    return ErrorEstimate(
        synchronised=bool(field & 0x8000),
        time_format="ptp" if field & 0x4000 else "ntp",
        error_ns=error_ns if usable else None,
    )
