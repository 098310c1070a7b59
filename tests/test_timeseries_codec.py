"""The codec: what goes into the spool comes out of it, and what does not fit is refused by name."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from timeseries import codec, duck
from timeseries.errors import DamagedRecordError, SchemaError
from timeseries.records import DelayFigures, PlanRecord, Record, SampleRecord, TrainRecord

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PAIRS = st.lists(st.tuples(st.integers(0, 302), INT64), max_size=3).map(tuple)
COUNTED = st.lists(st.tuples(TEXT, INT64), max_size=3).map(tuple)
OF_FIELD: dict[str, st.SearchStrategy[Any]] = {
    "schema": st.just(1),
    "histogram": PAIRS,
    "rtt_histogram": PAIRS,
    "forward_histogram": PAIRS,
    "backward_histogram": PAIRS,
    "invalid": COUNTED,
    "send_errors": COUNTED,
    "icmp_errors": st.lists(
        st.tuples(st.sampled_from([4, 6]), st.integers(0, 255), st.integers(0, 255), TEXT, INT64),
        max_size=3,
    ).map(tuple),
}


def records_of(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of a record class that its annotations allow."""
    hints = get_type_hints(cls)

    def of(name: str) -> st.SearchStrategy[Any]:
        if name in OF_FIELD:
            return OF_FIELD[name]
        hint = hints[name]
        if hint is DelayFigures:
            return records_of(DelayFigures)
        if hint == DelayFigures | None:
            return st.none() | records_of(DelayFigures)
        if hint == tuple[int, ...]:
            return st.lists(INT64, max_size=4).map(tuple)
        if hint == tuple[str, ...]:
            return st.lists(TEXT, max_size=3).map(tuple)
        by_hint = {int: INT64, int | None: st.none() | INT64, str: TEXT, bool: st.booleans()}
        return by_hint[hint] if hint in by_hint else st.from_type(hint)

    return st.builds(cls, **{field.name: of(field.name) for field in fields(cls)})


any_record = st.one_of(*map(records_of, codec.KINDS.values()))

SAMPLE = SampleRecord("a", "p", 1, (2,), (5,), (9,), (2,), (2,), (0,), (0,))
PLAN = PlanRecord("a", "p", 1, True, 60, 10, None)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(any_record)
def test_every_record_survives_the_round_trip(record: Record) -> None:
    kind, payload = codec.encode(record)
    assert codec.decode(kind, payload) == record


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=15)
@given(st.lists(any_record, min_size=1, max_size=20))
def test_every_record_survives_parquet(
    tmp_path_factory: pytest.TempPathFactory, some: list[Record]
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    with duck.connected(threads=1, memory="128MB", spill=None) as connection:
        for kind in codec.KINDS:
            mine = [record for record in some if codec.kind_of(record) == kind]
            rows = [(number, codec.encode(record)[1]) for number, record in enumerate(mine)]
            duck.create_table(connection, kind, "t")
            duck.insert(connection, kind, "t", rows)
            duck.copy_to_parquet(connection, "t", folder / f"{kind}.parquet", 2048)
            found = connection.execute(
                f"FROM {duck.parquet([folder / f'{kind}.parquet'])} ORDER BY spool_id"
            )
            names = [column[0] for column in found.description]
            back = [
                codec.unflatten(kind, dict(zip(names, row, strict=True)))
                for row in found.fetchall()
            ]
            assert back == mine


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(any_record)
def test_a_flat_row_has_exactly_the_columns_of_its_kind(record: Record) -> None:
    kind = codec.kind_of(record)
    assert set(codec.flatten(record)) == {name for name, _ in codec.columns(kind)}


@settings(deadline=None)
@given(records_of(TrainRecord))
def test_dropping_histograms_leaves_every_counter(train: TrainRecord) -> None:
    slim = codec.decode("trains", codec.without_histograms("trains", codec.encode(train)[1]))
    assert isinstance(slim, TrainRecord)
    assert slim.rtt == replace(train.rtt, histogram=())
    assert slim.flags == (*train.flags, "histogram dropped")
    assert (slim.sent, slim.received, slim.start_ns) == (
        train.sent,
        train.received,
        train.start_ns,
    )
    assert (slim.forward is None) == (train.forward is None)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (replace(SAMPLE, start_ns=np.int64(5)), "start_ns"),
        (replace(SAMPLE, tx_ns=(1, np.int64(5))), "tx_ns"),
        (replace(SAMPLE, rx_ns=(1.5,)), "rx_ns"),
        (replace(SAMPLE, t2_ns=(2**63,)), "t2_ns"),
        (replace(SAMPLE, status=(True,)), "status"),
        (replace(PLAN, every_ns=2**63), "every_ns"),
        (replace(PLAN, every_ns=None), "every_ns"),
        (replace(PLAN, active=1), "active"),
        (replace(PLAN, limit_ns=float("nan")), "limit_ns"),
    ],
)
def test_a_value_that_no_store_could_hold_is_refused_by_name(record: Record, field: str) -> None:
    with pytest.raises(SchemaError, match=f"field {field} cannot be kept"):
        codec.encode(record)


def test_a_name_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(SchemaError, match="no valid Unicode"):
        codec.encode(replace(PLAN, path="\ud800"))


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(SchemaError, match="DelayFigures is no record"):
        codec.encode(DelayFigures())  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [0, 2, 99, None, "1"])
def test_a_record_of_a_newer_pasprobe_is_refused_with_its_version(version: object) -> None:
    row = {**codec.flatten(PLAN), "schema": version}
    with pytest.raises(SchemaError, match=rf"schema version {version}, this pasprobe knows 1 to 1"):
        codec.decode("plans", json.dumps(row))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema":1}', '{"schema":1,"agent":"a"}'])
def test_a_damaged_payload_is_said_to_be_damaged(text: str) -> None:
    with pytest.raises(DamagedRecordError, match=r"damaged|incomplete"):
        codec.decode("plans", text)


def test_a_column_that_an_older_pasprobe_did_not_write_takes_its_default() -> None:
    row = codec.flatten(PLAN)
    del row["phase_ns"]
    assert codec.decode("plans", json.dumps(row)) == PLAN
