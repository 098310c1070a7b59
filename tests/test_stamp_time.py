"""Time stamps and Error Estimates as they stand on the wire."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.samples import StampFormat
from agent.wire.ntp import (
    ErrorEstimate,
    decode_error_estimate,
    encode_error_estimate,
    from_ntp,
    from_ptp,
    keyed_t1,
    to_ntp,
    to_ptp,
)

SECOND = 1_000_000_000
UNTIL_2104 = (2**32 + 2**31 - 2_208_988_800) * SECOND - 1


@pytest.mark.parametrize(
    ("utc_ns", "wire"),
    [
        (0, 0x83AA7E80_00000000),
        (SECOND // 2, 0x83AA7E80_80000000),
        (1, 0x83AA7E80_00000004),
        # The last second of era 0 and the first of era 1: 2036-02-07 06:28:16 UTC.
        (2_085_978_495 * SECOND, 0xFFFFFFFF_00000000),
        (2_085_978_496 * SECOND, 0x00000000_00000000),
        (1_700_000_000 * SECOND + 999_999_999, 0xE8FE6F80_FFFFFFFC),
    ],
)
def test_ntp_stamps_of_known_instants(utc_ns: int, wire: int) -> None:
    assert int(to_ntp(utc_ns)) == wire
    assert int(from_ntp(wire)) == utc_ns


@given(st.lists(st.integers(0, UNTIL_2104), min_size=1))
def test_ntp_brings_every_nanosecond_back_until_2104(times: list[int]) -> None:
    utc_ns = np.array(times, np.int64)
    assert (from_ntp(to_ntp(utc_ns)) == utc_ns).all()


@given(st.integers(0, 2**64 - 1))
def test_any_ntp_octets_are_a_time(wire: int) -> None:
    assert abs(int(from_ntp(wire))) < 2**63


def test_ptp_is_seconds_and_nanoseconds_of_utc() -> None:
    assert int(to_ptp(1_700_000_000 * SECOND + 5)) == 1_700_000_000 << 32 | 5
    assert int(from_ptp(1_700_000_000 << 32 | 5)) == 1_700_000_000 * SECOND + 5


@given(st.integers(0, 2**32 * SECOND - 1))
def test_ptp_brings_every_nanosecond_back_until_2106(utc_ns: int) -> None:
    assert int(from_ptp(to_ptp(utc_ns))) == utc_ns


@pytest.mark.parametrize(("time_format", "bits"), [("ntp", 12), ("ptp", 10)])
def test_a_keyed_t1_is_random_in_its_low_bits_and_right_to_a_microsecond(
    time_format: StampFormat, bits: int
) -> None:
    now = 1_700_000_000 * SECOND + 123_456_789
    keyed = [keyed_t1(now, 0xABCD << 48 | low, time_format) for low in range(1 << bits)]
    assert len(set(keyed)) == 1 << bits
    back = (from_ptp if time_format == "ptp" else from_ntp)(np.array(keyed, np.uint64))
    assert np.abs(back - now).max() <= 1024


@given(st.integers(0, SECOND - 1), st.integers(0, 2**64 - 1))
def test_a_keyed_ptp_stamp_never_has_more_nanoseconds_than_a_second(
    nanoseconds: int, random: int
) -> None:
    keyed = keyed_t1(7 * SECOND + nanoseconds, random, "ptp")
    assert keyed >> 32 == 7
    assert keyed & 0xFFFFFFFF < SECOND
    assert abs((keyed & 0xFFFFFFFF) - nanoseconds) <= 2048


@pytest.mark.parametrize(
    ("field", "meaning"),
    [
        # 2^-32 s * 128 * 2^25 = 1 s
        (0x9980, ErrorEstimate(True, "ntp", SECOND)),
        (0xD980, ErrorEstimate(True, "ptp", SECOND)),
        (0x1980, ErrorEstimate(False, "ntp", SECOND)),
        # 1 ms: 4294968 units = 132 * 2^15 rounded up
        (0x8F84, ErrorEstimate(True, "ntp", 1_007_081)),
    ],
)
def test_error_estimates_of_known_value(field: int, meaning: ErrorEstimate) -> None:
    assert decode_error_estimate(field) == meaning


@pytest.mark.parametrize("field", [0x0000, 0x8000, 0x8001, 0x0001, 0xC001, 0x3FFF, 0xBFFF, 0x9900])
def test_error_estimates_that_say_nothing(field: int) -> None:
    assert decode_error_estimate(field).error_ns is None


def test_a_clock_of_unknown_error_does_not_claim_a_small_one() -> None:
    assert decode_error_estimate(encode_error_estimate(False, None)).error_ns is None
    assert encode_error_estimate(False, None) & 0xFF != 0


@given(st.integers(1, 60 * 365 * 86_400 * SECOND), st.booleans(), st.sampled_from(["ntp", "ptp"]))
def test_an_error_estimate_never_understates_and_is_close(
    error_ns: int, synchronised: bool, time_format: str
) -> None:
    said = decode_error_estimate(encode_error_estimate(synchronised, error_ns, time_format))  # type: ignore[arg-type]
    assert said.synchronised is synchronised
    assert said.time_format == time_format
    assert said.error_ns is not None
    assert error_ns <= said.error_ns <= error_ns * 129 // 128 + 2


@given(st.integers(0, 0xFFFF))
def test_every_error_estimate_is_read(field: int) -> None:
    said = decode_error_estimate(field)
    assert said.error_ns is None or 0 < said.error_ns < 2**31 * SECOND
