"""What an archive freezes comes back as it was: configuration, facts, counters."""

from __future__ import annotations

import contextlib
import tomllib
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.archive.contract_toml import TABLES, configuration_text, read_configuration_text
from analysis.archive.values import (
    facts_text,
    gaps_text,
    json_text,
    read_facts_text,
    read_gaps_text,
    read_json,
    read_traffic_text,
    traffic_text,
)
from analysis.errors import ArchiveError
from analysis.facts import (
    Action,
    CallRow,
    Facts,
    ItemTable,
    Request,
    Ticket,
    TrafficRow,
    UsageRow,
    Where,
)
from analysis.lines import Gap
from analysis.traffic import DayTraffic, PathTraffic
from inventory.models import (
    Calendar,
    Configuration,
    Contract,
    ContractService,
    Pas,
    Path,
    ServiceEntry,
    Train,
)
from inventory.secrets import Secret
from inventory.values import HostPort

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NS = st.integers(0, 2**63)
COUNT = st.integers(0, 2**70)
EXACT = st.decimals(allow_nan=False, allow_infinity=False)
MONEY = st.decimals(min_value=0, max_value=10**12, allow_nan=False, places=5)
DAY = st.dates(date(1971, 1, 1), date(2199, 1, 1))
WHERE = st.builds(Where, TEXT, st.integers(1))
MAYBE = st.none() | NS
WORDS = st.lists(TEXT, max_size=3).map(tuple)
SEVERITY = st.sampled_from(["blocking", "non-blocking"])

FACTS = st.builds(
    Facts,
    traffic=st.lists(
        st.builds(
            TrafficRow, WHERE, TEXT, TEXT, TEXT, NS, NS, COUNT, COUNT, COUNT,
            st.none() | EXACT, st.none() | EXACT, COUNT, COUNT, TEXT,
        ),
        max_size=2,
    ).map(tuple),
    tickets=st.lists(
        st.builds(
            Ticket, WHERE, TEXT, WORDS, WORDS, SEVERITY, NS, MAYBE, MAYBE, MAYBE, MAYBE, COUNT,
            TEXT, st.sampled_from(["", "monitoring", "device"]), st.none() | SEVERITY,
            st.none() | SEVERITY, MAYBE, TEXT,
        ),
        max_size=2,
    ).map(tuple),
    requests=st.lists(
        st.builds(
            Request, WHERE, TEXT, TEXT, TEXT, TEXT, NS, MAYBE, MAYBE, MAYBE,
            st.sampled_from(["done", "rejected", "pending"]), TEXT, st.none() | EXACT, TEXT,
        ),
        max_size=2,
    ).map(tuple),
    calls=st.lists(st.builds(CallRow, WHERE, TEXT, NS, NS, COUNT, COUNT), max_size=2).map(tuple),
    usage=st.lists(
        st.builds(UsageRow, WHERE, TEXT, TEXT, TEXT, NS, NS, EXACT, EXACT), max_size=2
    ).map(tuple),
    actions=st.lists(
        st.builds(Action, WHERE, TEXT, TEXT, TEXT, TEXT, TEXT, st.none() | DAY, st.none() | DAY),
        max_size=2,
    ).map(tuple),
    items=st.lists(
        st.builds(ItemTable, TEXT, TEXT, TEXT, WORDS, st.lists(WORDS, max_size=2).map(tuple)),
        max_size=2,
    ).map(tuple),
)  # fmt: skip


@given(FACTS)
def test_facts_come_back_to_the_last_digit(facts: Facts) -> None:
    back = read_facts_text("facts.json", facts_text(facts))
    assert back == facts
    assert facts_text(back) == facts_text(facts)


@given(
    st.lists(
        st.builds(
            PathTraffic, TEXT, TEXT, TEXT, TEXT, TEXT, st.sampled_from(["probe", "system"]), MAYBE,
            st.lists(
                st.builds(
                    DayTraffic, TEXT, COUNT, COUNT, COUNT, st.dictionaries(TEXT, COUNT, max_size=2),
                    COUNT, COUNT, st.none() | COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT,
                    st.lists(st.tuples(COUNT, COUNT), max_size=3).map(tuple),
                ),
                max_size=2,
            ).map(tuple),
            WORDS,
        ),
        max_size=2,
    ).map(tuple),
    st.lists(st.builds(Gap, TEXT, TEXT, TEXT, NS, NS, TEXT), max_size=3).map(tuple),
)  # fmt: skip
def test_counters_and_gaps_come_back(traffic: Any, gaps: Any) -> None:
    assert read_traffic_text("t", traffic_text(traffic)) == traffic
    assert read_gaps_text("g", gaps_text(gaps)) == gaps


ENTRY = st.builds(
    ServiceEntry,
    id=st.sampled_from(["ip-base", "voip"]),
    level=st.none() | st.sampled_from(["L1", "L2", "L3"]),
    window=st.none() | st.sampled_from(["normal", "extended"]),
    fee=st.none() | MONEY,
    start=st.none() | st.just(date(2010, 1, 1)),
    end=st.none() | DAY.filter(lambda day: day.year > 2010),
    bandwidth_mbps=st.none() | MONEY.filter(lambda number: number > 0),
    interface=st.none() | TEXT.filter(bool),
)
CONFIGURATION = st.builds(
    Configuration,
    contract=st.none()
    | st.builds(
        Contract,
        administration=TEXT.filter(bool),
        country=st.just("IT"),
        timezone=st.sampled_from(["Europe/Rome", "Asia/Kathmandu"]),
        min_coverage=st.decimals(0, 100, allow_nan=False),
        services=st.lists(
            st.builds(ContractService, id=st.just("email"), fee=MONEY, units=st.integers(1, 9)),
            max_size=2,
        ).map(tuple),
        options=st.sampled_from([(), ("help-desk-on-site",)]),
        readings=st.dictionaries(TEXT, TEXT, max_size=3),
    ),
    pas=st.lists(
        st.builds(
            Pas,
            id=st.sampled_from(["roma-01", "x:y@z/1"]),
            country=st.just("JP"),
            timezone=st.just("America/St_Johns"),
            profile=st.sampled_from(["high", "base-satellite"]),
            services=st.lists(ENTRY, max_size=2).map(tuple),
            reflector=st.none() | st.just(HostPort("2001:db8::1", 862)),
        ),
        max_size=2,
    ).map(tuple),
    calendars=st.lists(
        st.builds(
            Calendar,
            country=st.just("EG"),
            weekend=st.just(("fri", "sat")),
            holidays=st.lists(DAY, max_size=3).map(tuple),
        ),
        max_size=1,
    ).map(tuple),
    paths=st.lists(
        st.builds(
            Path,
            id=st.just("a/b"),
            pas=st.just("roma-01"),
            service=st.just("voip"),
            peer=st.just("milano-01"),
            method=st.just("stamp"),
            train=st.builds(
                Train,
                packets=st.integers(1, 65_536),
                spacing_ns=st.integers(1_000, 10**12),
                every_ns=st.integers(10**6, 10**13),
                dscp=st.integers(0, 63),
            ),
            follow_up=st.booleans(),
            port=st.none() | st.integers(1, 65_535),
            endpoint=st.none() | st.just("q-isp"),
        ),
        max_size=2,
    ).map(tuple),
)


@given(CONFIGURATION)
def test_a_configuration_comes_back_from_its_toml(configuration: Configuration) -> None:
    text = configuration_text(configuration)
    assert set(tomllib.loads(text)) <= set(TABLES)
    back = read_configuration_text("c", text)
    assert back == configuration
    assert configuration_text(back) == text


def test_an_icmp_path_is_written_without_the_keys_of_stamp() -> None:
    path = Path(id="a", pas="roma-01", service="ip-base", target="192.0.2.1")
    text = configuration_text(Configuration(paths=(path,)))
    assert "follow_up" not in text
    assert read_configuration_text("c", text).paths == (path,)


def test_secrets_and_defaults() -> None:
    """Where a secret lies is left out; what was a default is written."""
    path = Path(
        id="a", pas="b", service="voip", peer="c", method="stamp",
        auth_key=Secret(env="VARIABLE_OF_THE_KEY"),
    )  # fmt: skip
    contract = Contract(administration="Example", country="IT", timezone="Europe/Rome")
    text = configuration_text(Configuration(contract=contract, paths=(path,)))
    assert "VARIABLE" not in text
    assert 'min_coverage = "95"' in text
    back = read_configuration_text("c", text)
    assert back.paths[0].train == path.train
    assert back.paths[0].auth_key is None


def test_a_time_zone_that_this_host_has_never_heard_of_is_taken_by_its_name() -> None:
    contract = Contract(administration="Example", country="IT", timezone="Europe/Rome")
    text = configuration_text(Configuration(contract=contract))
    back = read_configuration_text("c", text.replace("Europe/Rome", "Mars/Olympus"))
    assert back.contract is not None
    assert back.contract.timezone == "Mars/Olympus"


@pytest.mark.parametrize(
    "text",
    ["=", "nothing = 1", "[contract]\n", "pas = 1", "[pas]\nid = 1", "[[contract]]\n", "[[pas]]\n"],
)
def test_what_is_no_configuration_names_the_file(text: str) -> None:
    with pytest.raises(ArchiveError, match=r"inputs/pasprobe\.toml"):
        read_configuration_text("inputs/pasprobe.toml", text)


@given(st.binary(max_size=200).filter(lambda octets: octets.strip() not in (b"{}", b"[]")))
def test_octets_that_are_no_rows_are_an_error_with_the_name_of_the_file(octets: bytes) -> None:
    for read in (read_facts_text, read_traffic_text, read_gaps_text):
        with pytest.raises(ArchiveError, match="the-file"):
            read("the-file", octets)
    with contextlib.suppress(ArchiveError):
        read_json("the-file", octets)


def test_json_has_one_element_a_line() -> None:
    assert json_text({"a": [1, {"b": "è"}], "c": []}).decode() == (
        '{\n"a": [\n1,\n{"b": "è"}\n],\n"c": []\n}\n'
    )
    assert json_text([]) == b"[]\n"
    assert json_text({}) == b"{}\n"
    assert read_json("x", json_text({"a": [Decimal(1) == 1]})) == {"a": [True]}
