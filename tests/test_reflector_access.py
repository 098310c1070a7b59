"""Keys files, prefixes, the rate limit and the session table of the reflector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.reflector.access import ReflectorError, load_keys, parse_key, parse_prefix
from agent.reflector.listener import parse_listen
from agent.reflector.rate_limit import RateLimit
from agent.reflector.sessions import MOST_STAMPS, Departure, Session, SessionKey, SessionTable

HEX = "000102030405060708090a0b0c0d0e0f"
BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhM="
SECOND = 10**9


def keys_file(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_keys_are_hexadecimal_or_base64_for_all_or_for_a_prefix(tmp_path: Path) -> None:
    ring = load_keys(
        keys_file(
            tmp_path, f"# peers\n{HEX}\n\n192.0.2.0/24 {BASE64} # milano\n2001:db8::/32 {HEX}\n"
        )
    )
    mapped = 0xFFFF << 32
    assert ring.keys(0, mapped | 0xC0000201) == (bytes(range(20)),)
    assert ring.keys(0, mapped | 0x0A000001) == (bytes(range(16)),)
    assert ring.keys(0x20010DB8 << 32, 1) == (bytes(range(16)),)


def test_two_keys_of_one_prefix_are_both_good(tmp_path: Path) -> None:
    ring = load_keys(keys_file(tmp_path, f"{HEX}\n{BASE64}\n"))
    assert ring.keys(0, 1) == (bytes(range(16)), bytes(range(20)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no key"),
        ("# nothing\n", "holds no key"),
        (f"{HEX}\nhello\n", "line 2: the key is neither"),
        ("00ff\n", "line 1: the key has 2 octets"),
        (f"192.0.2.1/24 {HEX}\n", "line 1: the prefix is none"),
        (f"{HEX} {HEX}\n", "line 1: the prefix is none"),
        (f"192.0.2.0/24 {HEX} x\n", "line 1: expected KEY or PREFIX KEY"),
    ],
)
def test_a_wrong_keys_file_is_refused_by_line_and_without_its_keys(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ReflectorError, match=said) as refusal:
        load_keys(keys_file(tmp_path, text))
    assert HEX not in str(refusal.value)


def test_a_keys_file_that_everyone_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReflectorError, match="chmod"):
        load_keys(keys_file(tmp_path, HEX, 0o644))


def test_a_keys_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReflectorError, match="No such file"):
        load_keys(tmp_path / "none")
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe")
    path.chmod(0o600)
    with pytest.raises(ReflectorError, match="UTF-8"):
        load_keys(path)


def test_a_key_that_is_both_is_read_as_hexadecimal() -> None:
    assert parse_key("0" * 64) == bytes(32)


def test_a_prefix_with_host_bits_is_refused() -> None:
    with pytest.raises(ReflectorError, match="host bits"):
        parse_prefix("10.0.0.1/8")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("192.0.2.1", ("192.0.2.1", 862)),
        ("192.0.2.1:8620", ("192.0.2.1", 8620)),
        ("::1", ("::1", 862)),
        ("[::1]", ("::1", 862)),
        ("[2001:db8::1]:8620", ("2001:db8::1", 8620)),
    ],
)
def test_listen_addresses(text: str, place: tuple[str, int]) -> None:
    assert parse_listen(text) == place


@pytest.mark.parametrize(
    "text", ["", "localhost:1", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "[::1"[1:] + "]:"]
)
def test_wrong_listen_addresses_say_how_to_write_one(text: str) -> None:
    with pytest.raises(ReflectorError, match="write an address with a port"):
        parse_listen(text)


def sources(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def test_each_source_has_its_own_rate_and_the_earliest_pass() -> None:
    limit = RateLimit(2)
    assert limit.take(sources(1, 2, 1, 1, 2, 3), 0).tolist() == [
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    assert limit.take(sources(1, 2, 3, 3), 0).tolist() == [False, False, True, False]


def test_tokens_come_back_with_time_up_to_one_second() -> None:
    limit = RateLimit(4)
    assert limit.take(sources(*[1] * 9), 0).sum() == 4
    assert limit.take(sources(*[1] * 9), SECOND // 2).sum() == 2
    assert limit.take(sources(*[1] * 9), 100 * SECOND).sum() == 4


def test_rate_0_limits_nothing() -> None:
    assert RateLimit(0).take(sources(*[1] * 1000), 0).all()


def test_invented_sources_share_one_bucket_when_the_table_is_full() -> None:
    limit = RateLimit(2, most_sources=3)
    assert limit.take(sources(1, 2, 3), 0).all()
    flood = sources(*range(100, 200))
    assert limit.take(flood, 0).sum() == 2
    assert len(limit) == 3
    assert limit.take(sources(1), 0).all()
    # A second later the buckets of 1, 2 and 3 are full again, and as good as none.
    assert limit.take(sources(*range(200, 204)), 2 * SECOND).all()
    assert len(limit) <= 3


@given(
    st.lists(
        st.tuples(st.integers(0, SECOND), st.lists(st.integers(1, 5), min_size=1, max_size=40)),
        max_size=20,
    ),
    st.integers(1, 20),
)
def test_no_source_ever_gets_more_than_its_rate(
    bursts: list[tuple[int, list[int]]], rate: int
) -> None:
    limit = RateLimit(rate)
    now, passed = 0, dict.fromkeys(range(1, 6), 0)
    for wait, burst in bursts:
        now += wait
        for source, good in zip(burst, limit.take(sources(*burst), now).tolist(), strict=True):
            passed[source] += good
    assert max(passed.values()) <= rate + rate * now / SECOND + 1e-6


def key(port: int) -> SessionKey:
    return SessionKey(0, 1, port, 0, 0)


def test_a_session_numbers_from_0_and_wraps_at_32_bits() -> None:
    session = Session(0, next_sequence=2**32 - 1)
    assert [session.number(), session.number()] == [2**32 - 1, 0]


def test_an_idle_session_begins_anew_and_the_table_stays_bounded() -> None:
    table = SessionTable(most=2, idle_ns=10)
    first = table.get(key(1), 0)
    assert first is not None
    assert table.get(key(1), 10) is first
    assert table.get(key(1), 21) is not first
    assert table.get(key(2), 21) is not None
    assert table.get(key(3), 21) is None
    assert table.get(key(3), 2 * SECOND) is not None
    assert len(table) <= 2


def test_departures_are_told_oldest_first_and_bounded() -> None:
    session = Session(0)
    for i in range(MOST_STAMPS + 3):
        session.departures.append(Departure(i, i))
    assert session.departure() == Departure(3, 3)
    assert len(session.departures) == MOST_STAMPS - 1
