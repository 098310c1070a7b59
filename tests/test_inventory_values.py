"""How single values are written, and what a wrong one is told."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.values import (
    HostPort,
    ValueKindError,
    format_duration,
    parse_dscp,
    parse_duration,
    parse_exact,
    parse_host,
    parse_host_port,
    parse_prefix,
    parse_time_zone,
)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("100ms", 100_000_000),
        ("60s", 60_000_000_000),
        ("15m", 900_000_000_000),
        ("1h", 3_600_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.1us", 100),
        ("20 ms", 20_000_000),
        ("7ns", 7),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "60", "1 d", "-1s", "1e3s", "s", "1s2ms", "0.5ns", "١s2"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueKindError) as caught:
        parse_duration(text)
    assert caught.value.remedy


@given(st.integers(0, 10**15))
def test_a_duration_that_was_printed_reads_back_the_same(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns


@pytest.mark.parametrize(
    ("written", "value"),
    [("default", 0), ("EF", 46), ("af41", 34), ("af13", 14), ("cs5", 40), ("le", 1), (63, 63)],
)
def test_a_dscp_has_a_name_or_a_number(written: str | int, value: int) -> None:
    assert parse_dscp(written) == value


@pytest.mark.parametrize("written", [64, -1, "af44", "46", True, ""])
def test_what_is_no_dscp_is_refused(written: str | int) -> None:
    with pytest.raises(ValueKindError, match="no DSCP"):
        parse_dscp(written)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("198.51.100.7:862", HostPort("198.51.100.7", 862)),
        ("198.51.100.7", HostPort("198.51.100.7", 862)),
        ("[2001:db8::1]:4000", HostPort("2001:db8::1", 4000)),
        ("2001:db8::1", HostPort("2001:db8::1", 862)),
        ("fe80::1%eth0", HostPort("fe80::1%eth0", 862)),
        ("probe.example.net:19000", HostPort("probe.example.net", 19000)),
    ],
)
def test_an_address_is_a_host_with_or_without_a_port(text: str, expected: HostPort) -> None:
    assert parse_host_port(text) == expected
    assert parse_host_port(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "a:0", "a:65536", "a:x", "[::1", "300.1.1.1", "1.2.3", "a b", "-x", "[a]:", "a:"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueKindError):
        parse_host_port(text)


def test_a_host_has_no_port_and_no_path() -> None:
    for text in ("192.0.2.1:80", "http://x", "a/b", "x" * 64, "a..b"):
        with pytest.raises(ValueKindError, match="no host name"):
            parse_host(text)


def test_an_amount_is_exact() -> None:
    assert parse_exact("12000.10") == Decimal("12000.10")
    for text in ("nan", "Infinity", "12,5", "1 000"):
        with pytest.raises(ValueKindError):
            parse_exact(text)


def test_a_prefix_has_no_host_bits() -> None:
    assert parse_prefix("192.0.2.7") == "192.0.2.7/32"
    with pytest.raises(ValueKindError, match="host bits"):
        parse_prefix("192.0.2.7/24")


@pytest.mark.parametrize("text", ["Europe/Rom", "", "../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueKindError, match="unknown time zone"):
        parse_time_zone(text)
