"""The header of an SNMP message is read or refused, whatever the octets are; walks keep count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.asn1.asn1 import ASN1_INTEGER, ASN1_STRING
from scapy.layers.snmp import SNMP, SNMPresponse

from collectors.ber import (
    Header,
    NotSnmpError,
    discovery,
    header,
    integer,
    is_discovery_report,
    tlv,
)
from collectors.snmp import Counts, Target, Value, in_vlan, index_under
from collectors.walking import END, MOST_VALUES, Answered, Budget, EndlessError, Walk

COLUMN, OTHER = "1.3.6.1.2.1.2.2.1.7", "1.3.6.1.2.1.2.2.1.8"


@given(st.binary(max_size=300))
def test_no_octets_crash_the_reader(data: bytes) -> None:
    try:
        found = header(data)
    except NotSnmpError:
        return
    assert isinstance(found, Header)


@given(st.binary(max_size=40), st.integers(0, 60), st.integers(0, 255))
def test_one_wrong_octet_never_crashes_the_reader(tail: bytes, at: int, octet: int) -> None:
    _, message = discovery()
    spoilt = bytearray(message)
    spoilt[at % len(spoilt)] = octet
    for data in (bytes(spoilt), bytes(spoilt) + tail, bytes(spoilt)[: len(tail)]):
        try:
            header(data)
            is_discovery_report(data, 1)
        except NotSnmpError:
            continue


@given(st.integers(-(2**31), 2**31 - 1), st.binary(max_size=300))
def test_version_2c_is_read_as_scapy_writes_it(ident: int, community: bytes) -> None:
    message = bytes(SNMP(version=ASN1_INTEGER(1), community=ASN1_STRING(community),
                         PDU=SNMPresponse(id=ASN1_INTEGER(ident))))  # fmt: skip
    assert header(message) == Header(1, ident, b"", 0xA2)


@given(st.integers(0, 2**31 - 1), st.binary(max_size=70_000))
def test_what_is_written_is_read(number: int, body: bytes) -> None:
    assert integer(number) == bytes(ASN1_INTEGER(number))
    assert tlv(4, body).endswith(body)


def test_a_discovery_is_understood_by_pysnmp_and_only_its_own_report_answers() -> None:
    from pyasn1.codec.ber import decoder
    from pysnmp.proto.mpmod.rfc3412 import SNMPv3Message

    ident, message = discovery()
    decoded, rest = decoder.decode(message, asn1Spec=SNMPv3Message())
    assert not rest
    assert int(decoded["msgGlobalData"]["msgID"]) == ident
    assert header(message).ident == ident
    assert not is_discovery_report(message, ident)


def rows(column: str, *indexes: int) -> list[Answered]:
    return [(f"{column}.{index}", index) for index in indexes]


def answered(walk: Walk, table: dict[str, list[int]], limit: int = 100) -> int:
    """Answers a walk as an honest device does that sends at most `limit` values."""
    asked = 0
    ordered = [(column, index) for column in sorted(table) for index in sorted(table[column])]
    while True:
        oids, repetitions = walk.question()
        if not oids:
            return asked
        asked += 1
        reply: list[Answered] = []
        cursors = [tuple(map(int, oid.split("."))) for oid in oids]
        for _ in range(repetitions):
            for place, cursor in enumerate(cursors):
                following = next(
                    (
                        (column, index) for column, index in ordered
                        if (*map(int, column.split(".")), index) > cursor
                    ),
                    None,
                )  # fmt: skip
                if following is None:
                    reply.append((oids[place], END))
                    continue
                column, index = following
                cursors[place] = (*map(int, column.split(".")), index)
                reply.append((f"{column}.{index}", index))
        walk.take(reply[: max(limit, len(oids))])


@given(
    st.dictionaries(
        st.sampled_from([f"1.3.{column}" for column in range(1, 9)]),
        st.sets(st.integers(1, 1000), max_size=70).map(sorted), min_size=1,
    ),
    st.integers(1, 100), st.integers(1, MOST_VALUES),
)  # fmt: skip
def test_a_walk_reads_every_row_once_however_little_fits(
    table: dict[str, list[int]], limit: int, values: int
) -> None:
    expected: dict[str, dict[str, Value]] = {
        column: {str(index): index for index in indexes} for column, indexes in table.items()
    }
    first = Walk(list(table), {}, Budget(values), Counts())
    answered(first, table, limit)
    assert first.result() == expected
    again = Walk(list(table), first.lengths(), Budget(values), Counts())
    answered(again, table, limit)
    assert again.result() == expected


def test_columns_of_known_length_are_read_together_without_waste() -> None:
    table = {COLUMN: [1, 2], OTHER: [1, 2]}
    walk = Walk([COLUMN, OTHER], {COLUMN: 2, OTHER: 2}, Budget(25), Counts())
    assert walk.question() == ([COLUMN, OTHER], 3)
    assert answered(walk, table) == 1


def test_an_answer_without_a_row_is_an_error_and_not_an_end() -> None:
    walk = Walk([COLUMN], {}, Budget(), Counts())
    walk.question()
    with pytest.raises(EndlessError):
        walk.take([])


def test_a_budget_shrinks_faster_than_it_grows() -> None:
    budget = Budget()
    for _ in range(100):
        budget.managed()
    assert budget.values == MOST_VALUES
    budget.failed()
    assert budget.values == MOST_VALUES // 2
    for _ in range(100):
        budget.failed()
    assert budget.values == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"version": "3"},
        {"version": "2c"},
        {"version": "2c", "community": "c", "context": "vlan-1"},
        {"version": "3", "user": "u", "priv": "secret-key"},
        {"community": "c", "timeout_s": 0.0},
        {"community": "c", "retries": -1},
    ],
)
def test_a_target_that_cannot_be_asked_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"SNMP|context|privacy|time-out"):
        Target("192.0.2.1", **settings)


def test_a_vlan_is_a_community_or_a_context() -> None:
    assert in_vlan(Target("h", community="c"), 10).community == "c@10"
    assert in_vlan(Target("h", version="3", user="u"), 10).context == "vlan-10"
    assert index_under("1.3.6", "1.3.6.1.2") == "1.2"
    assert index_under("1.3.6", "1.3.61.2") is None
