"""What was sampled of devices: through the spool into the store, rolled up, and out again."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timeseries.codec import (
    KINDS,
    SUBJECT,
    decode,
    encode,
    flatten,
    identity_of,
    kind_of,
    subject_of,
)
from timeseries.device_rollup import device_rollups
from timeseries.embedded import EmbeddedStore
from timeseries.export import Wanted, write
from timeseries.influx import Accepted, InfluxTarget, InfluxWriter
from timeseries.influx_reader import InfluxReader
from timeseries.line_protocol import line
from timeseries.reader import FOREVER_NS, EmbeddedReader
from timeseries.records import DeviceEventRecord, DeviceSampleRecord, Record
from timeseries.rollup import QUARTER_NS
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME

MINUTE = 60_000_000_000
Q0 = 1_800_000_000 * 1_000_000_000 // QUARTER_NS * QUARTER_NS
RATE = DeviceSampleRecord(
    agent="a", device="fw", figure="in_rate", instance="outside", start_ns=Q0, value=1000, text="",
    unit="bit/s", amount=7500, interval_ns=MINUTE,
)  # fmt: skip
EVENT = DeviceEventRecord(
    agent="a", device="fw", kind="restarted", instance="", start_ns=Q0 + 5, state="raised",
    text='reason: "reload", by hand',
)  # fmt: skip


def sample(minute: int, value: int | None = 1, **other: object) -> DeviceSampleRecord:
    return replace(RATE, start_ns=Q0 + minute * MINUTE, value=value, **other)  # type: ignore[arg-type]


def test_a_roll_up_adds_up_exactly_and_keeps_the_extremes() -> None:
    (made,) = device_rollups(
        [
            sample(0, 10, amount=100),
            sample(1, 40, amount=500, interval_ns=2 * MINUTE),
            sample(2, None, amount=None, interval_ns=0, note="counter was reset"),
            sample(14, 20, amount=1),
            sample(15, 99),  # the next quarter
        ],
        Q0,
    )
    assert (made.polls, made.count, made.total) == (4, 3, 70)
    assert (made.minimum, made.maximum, made.last) == (10, 40, 20)
    assert (made.amount, made.covered_ns) == (601, 4 * MINUTE)


def test_a_changed_unit_is_not_added_up_with_the_old_one() -> None:
    (made,) = device_rollups([sample(0, 5, scale=6), sample(1, 7), sample(2, 9)], Q0)
    assert (made.polls, made.count, made.total, made.scale) == (3, 2, 16, 0)


def test_figures_and_instances_are_apart_and_a_repeated_sample_counts_once() -> None:
    made = device_rollups(
        [sample(1, 5), sample(1, 6), sample(1, 7, instance="inside"), sample(1, 8, figure="x")], Q0
    )
    assert [(one.figure, one.instance, one.total) for one in made] == [
        ("in_rate", "inside", 7),
        ("in_rate", "outside", 6),
        ("x", "outside", 8),
    ]


def test_a_figure_without_numbers_has_a_roll_up_with_its_words() -> None:
    words = sample(0, None, figure="serial", instance="", text="A1", unit="", amount=None)
    (made,) = device_rollups([words], Q0)
    assert (made.count, made.minimum, made.amount, made.text) == (0, None, None, "A1")


def test_a_roll_up_begins_where_a_quarter_does() -> None:
    with pytest.raises(ValueError, match="does not begin a quarter"):
        device_rollups([], Q0 + 1)


@given(st.permutations([sample(minute, minute * minute) for minute in range(8)]))
def test_the_order_of_the_samples_never_matters(samples: list[DeviceSampleRecord]) -> None:
    ordered = sorted(samples, key=lambda one: one.start_ns)
    assert device_rollups(samples, Q0) == device_rollups(ordered, Q0)


def test_records_of_devices_are_told_apart_by_figure_and_instance() -> None:
    assert subject_of(RATE) == "fw"
    assert identity_of(RATE) != identity_of(replace(RATE, instance="inside"))
    assert identity_of(EVENT) != identity_of(replace(EVENT, kind="swapped"))
    assert set(SUBJECT) == set(KINDS)


@pytest.mark.parametrize("record", [RATE, EVENT, *device_rollups([RATE], Q0)])
def test_records_of_devices_survive_the_spools_json(record: DeviceSampleRecord) -> None:
    kind, payload = encode(record)
    assert decode(kind, payload) == record


def test_a_sample_as_a_line_of_influxdb() -> None:
    assert line("device_samples", flatten(RATE)) == (
        "device_samples,agent=a,device=fw,figure=in_rate,instance=outside,unit=bit/s"
        ' value=1000i,text="",scale=0i,amount=7500i,interval_ns=60000000000i,note=""'
        f",schema=1i {Q0}"
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Twenty minutes of two devices: partly flushed, rolled up, partly in the spool."""
    with Spool(tmp_path / SPOOL_NAME) as spool:
        store = EmbeddedStore(tmp_path, spool)
        for minute in range(20):
            spool.append([sample(minute, minute), sample(minute, 3, device="sw", instance="Gi0/1")])
        spool.append([EVENT])
        store.roll_up(Q0 + QUARTER_NS + 2 * MINUTE)
        store.flush()
        # Late, after its quarter was rolled up and flushed: it is derived again.
        spool.append([sample(3, 1000, instance="dmz")])
        store.roll_up(Q0 + QUARTER_NS + 2 * MINUTE)
    return tmp_path


def test_quarters_are_rolled_up_by_the_stores_maintenance(data_dir: Path) -> None:
    reader = EmbeddedReader(data_dir)
    made = list(reader.device_rollups())
    assert [(one.device, one.instance, one.count, one.total) for one in made] == [
        ("fw", "dmz", 1, 1000),
        ("fw", "outside", 15, sum(range(15))),
        ("sw", "Gi0/1", 15, 45),
    ]
    assert {one.start_ns for one in made} == {Q0}


def test_samples_and_events_are_read_by_device_and_time(data_dir: Path) -> None:
    reader = EmbeddedReader(data_dir)
    assert len(list(reader.device_samples())) == 41
    mine = list(reader.device_samples("fw", Q0 + 2 * MINUTE, Q0 + 4 * MINUTE))
    assert [(one.start_ns, one.instance) for one in mine] == [
        (Q0 + 2 * MINUTE, "outside"),
        (Q0 + 3 * MINUTE, "dmz"),
        (Q0 + 3 * MINUTE, "outside"),
    ]
    assert list(reader.device_events()) == [EVENT]
    assert reader.paths("device_samples") == ["fw", "sw"]


def test_samples_of_devices_are_exported_like_any_record(data_dir: Path, tmp_path: Path) -> None:
    wanted = Wanted("device_samples", ["fw"], 0, FOREVER_NS, "csv")
    done = write(EmbeddedReader(data_dir), wanted, tmp_path / "out.csv")
    assert (done.records, done.paths) == (21, 1)
    with (tmp_path / "out.csv").open() as source:
        rows = list(csv.DictReader(source))
    assert (rows[0]["figure"], rows[0]["instance"], rows[0]["amount"]) == (
        "in_rate",
        "outside",
        "7500",
    )


def test_a_device_and_a_path_of_one_name_are_rolled_up_apart(tmp_path: Path) -> None:
    with Spool(tmp_path / SPOOL_NAME) as spool:
        EmbeddedStore(tmp_path, spool)
        spool.append([RATE])
        (due,) = spool.due(Q0 + 2 * QUARTER_NS, 10, "embedded")
        assert (due.path, due.kind) == ("fw", "device_rollups")
        spool.append(device_rollups([RATE], Q0), settled=[due])
        assert spool.due(Q0 + 2 * QUARTER_NS, 10, "embedded") == []


def test_when_room_runs_out_the_samples_of_devices_go_before_their_roll_ups(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Spool(tmp_path / SPOOL_NAME, limit_bytes=400_000) as spool:
        (made,) = device_rollups([RATE], Q0)
        for number in range(12):
            spool.append([replace(made, instance=f"i{number}")])
            spool.append([sample(i, number, instance="x" * 200) for i in range(200)])
        kept = [one.kind for one in spool.read(0, 100_000)]
        assert spool.dropped.keys() == {"device_samples"}
        assert kept.count("device_rollups") == 12
        assert kept.count("device_samples") + spool.dropped["device_samples"] == 2400
    assert "device_samples" in caplog.text


def test_influxdb_and_the_embedded_store_hold_the_same(influx: Any, data_dir: Path) -> None:
    """A real influxd: written by line protocol, read by InfluxQL."""
    target = InfluxTarget(influx.url, influx.database, token=influx.token)
    embedded = EmbeddedReader(data_dir)
    records = [
        *embedded.device_samples(),
        *embedded.device_rollups(),
        *embedded.device_events(),
        replace(RATE, instance='odd, "name" = 1', value=None, text="è", note="gap"),
    ]
    writer = InfluxWriter(target)
    body = "\n".join(line(kind_of(one), flatten(one)) for one in records).encode()
    for _ in range(2):  # a retry is harmless
        assert isinstance(writer.write(body), Accepted)
    writer.close()
    reader = InfluxReader(target)

    def of(name: str, *arguments: Any) -> list[Record]:
        return sorted(getattr(reader, name)(*arguments), key=identity_of)

    odd = records[-1]
    samples = sorted([*embedded.device_samples(), odd], key=identity_of)
    assert of("device_samples") == samples
    assert of("device_samples", "sw") == [one for one in samples if one.device == "sw"]
    assert of("device_rollups", ["fw"]) == list(embedded.device_rollups("fw"))
    assert of("device_events") == [EVENT]
    assert reader.paths("device_samples") == ["fw", "sw"]
