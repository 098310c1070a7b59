"""Polled devices in the technical report: exact means by hour, day and week, no guess."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.archive import layout
from analysis.archive.values import devices_text, read_devices_text
from analysis.catalogue_rows import load_catalogue
from analysis.device_figures import (
    DeviceEvent,
    Hour,
    PolledDevice,
    Resource,
    device_hours,
    hour_of,
    mean,
    resources,
)
from analysis.documents.content import Cell, Document, Item, Lines, Message, Moment, Number, Table
from analysis.documents.devices_section import EVENTS
from analysis.documents.items_devices import NAMES
from analysis.documents.material import Material
from analysis.documents.periodic import Kind, periodic_document
from analysis.errors import ArchiveError
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.gather import Sources, gather
from analysis.evaluation.inputs import Inputs
from analysis.facts import Facts, ItemTable, UsageRow, Where
from inventory.load import load
from inventory.models import named_interfaces
from inventory.periods import parse_period
from timeseries.codec import flatten
from timeseries.device_rollup import device_rollups
from timeseries.influx import Accepted, InfluxTarget, InfluxWriter
from timeseries.influx_reader import InfluxReader
from timeseries.line_protocol import line
from timeseries.reader import EmbeddedReader
from timeseries.records import DeviceRollupRecord, DeviceSampleRecord
from timeseries.rollup import QUARTER_NS

DEVICES = Path(__file__).resolve().parent.parent / "examples" / "devices"
ROME = ZoneInfo("Europe/Rome")
H0 = 1_308_088_800_000_000_000
"""2011-06-15T00:00 in Rome."""
SECOND_NS = 1_000_000_000
ONE = DeviceSampleRecord("a", "fw", "cpu_5min", "1", H0, 1, "", "%")


def rolled(*samples: DeviceSampleRecord) -> list[DeviceRollupRecord]:
    quarters = {one.start_ns // QUARTER_NS * QUARTER_NS for one in samples}
    return [rollup for at in sorted(quarters) for rollup in device_rollups(samples, at)]


def device(*samples: DeviceSampleRecord, role: str = "firewall") -> PolledDevice:
    hours = device_hours(rolled(*samples), ROME)
    return PolledDevice("fw", role, ("roma-01",), "", "", "", 1, 1, hours)  # type: ignore[arg-type]


def at(minutes: int, **changes: object) -> DeviceSampleRecord:
    return replace(ONE, start_ns=H0 + minutes * 60 * SECOND_NS, **changes)  # type: ignore[arg-type]


def octets(minutes: int, amount: int, seconds: int = 60, figure: str = "in_rate") -> object:
    return at(
        minutes, figure=figure, instance="outside", value=amount * 8 // seconds, unit="bit/s",
        amount=amount, interval_ns=seconds * SECOND_NS,
    )  # fmt: skip


def only(found: tuple[Resource, ...], kind: str) -> Resource:
    (one,) = [one for one in found if one.kind == kind]
    return one


def test_a_mean_is_over_polls_and_its_highest_poll_is_kept() -> None:
    polls = [at(1, value=10), at(16, value=20), at(17, value=60), at(61, value=7)]
    first, second = only(resources(device(*polls)), "cpu").hours
    assert first == Hour(H0, Fraction(90), Fraction(3), Fraction(60))
    assert first.mean == 30  # the mean of the quarters' means would be 25
    assert second == Hour(H0 + 3600 * SECOND_NS, Fraction(7), Fraction(1), Fraction(7))
    assert mean((first, second)) == Fraction(97, 4)


def test_the_longest_mean_that_a_device_tells_is_its_processor() -> None:
    found = resources(device(at(1, value=9), at(1, figure="cpu_5s", value=99)))
    (one,) = found
    assert one.kind == "cpu"
    assert one.hours[0].mean == 9


def test_memory_is_the_share_in_use_of_each_pool() -> None:
    used = {"figure": "memory_used", "unit": "B"}
    free = {"figure": "memory_free", "unit": "B"}
    found = resources(
        device(
            at(1, value=30, instance="A", **used), at(1, value=90, instance="A", **free),
            at(1, value=5, instance="B", **used), at(1, value=5, instance="B", **free),
            at(1, value=5, instance="no free figure", **used),
        )
    )  # fmt: skip
    assert [(one.instance, one.hours[0].mean) for one in found] == [
        ("A", Fraction(25)), ("B", Fraction(50)),
    ]  # fmt: skip


def test_throughput_is_octets_over_the_time_in_which_they_were_counted() -> None:
    polls = [octets(1, 7_500_000), octets(2, 0, 180), octets(3, 5, 60, "out_rate")]
    hour = only(resources(device(*polls)), "in").hours[0]  # type: ignore[arg-type]
    assert hour.mean == Fraction(1, 4)  # 60 Mbit in 240 s; the mean of both rates would be 0.5
    assert hour.peak == 1


def test_a_rate_without_a_baseline_leaves_its_hour_out() -> None:
    gap = at(1, figure="in_rate", instance="outside", value=None, unit="bit/s", note="reset")
    found = resources(device(gap, octets(61, 60)))  # type: ignore[arg-type]
    assert [hour.start_ns - H0 for hour in only(found, "in").hours] == [3600 * SECOND_NS]


def test_two_scales_in_one_hour_are_not_added_up() -> None:
    polls = [at(1, value=5, scale=0), at(20, value=300, scale=-2)]
    assert only(resources(device(*polls)), "cpu").hours[0].mean == 3


@given(st.lists(st.tuples(st.integers(0, 7 * 1440), st.integers(0, 100)), min_size=1, max_size=30))
def test_hours_put_together_are_the_mean_of_all_polls(polls: list[tuple[int, int]]) -> None:
    samples = dict(polls)
    found = device(*(at(minute, value=value) for minute, value in samples.items()))
    hours = only(resources(found), "cpu").hours
    assert mean(hours) == Fraction(sum(samples.values()), len(samples))
    assert mean(()) is None


@pytest.mark.parametrize(
    ("zone", "instant", "begin"),
    [
        ("Europe/Rome", "2011-06-15T10:59:59", "2011-06-15T10:00:00"),
        ("Asia/Kolkata", "2011-06-15T10:15:00", "2011-06-15T09:30:00"),
        ("Asia/Kathmandu", "2011-06-15T10:14:00", "2011-06-15T09:15:00"),
        ("Europe/Rome", "2011-10-30T01:30:00", "2011-10-30T01:00:00"),
    ],
)
def test_an_hour_is_that_of_the_local_clock(zone: str, instant: str, begin: str) -> None:
    def ns(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS

    assert hour_of(ns(instant), ZoneInfo(zone)) == ns(begin)


# ---- the example: a PIX and a switch, a day


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_store", DEVICES / "make_store.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.fixture(scope="module")
def store(maker: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices") / "data"
    assert maker.make(folder) > 30_000
    return folder


@pytest.fixture(scope="module")
def polled(store: Path) -> Inputs:
    configuration = load(DEVICES / "pasprobe.toml", environ={}, resolve_secrets=False).configuration
    return gather(
        configuration, load_catalogue(), parse_period("2011-06"), Sources(store=[store]),
        as_of_ns=H0 + 30 * 86_400 * SECOND_NS, each_day=True, devices=True,
    )  # fmt: skip


def document(inputs: Inputs, kind: Kind = "technical") -> Document:
    return periodic_document(Material(inputs, evaluate(inputs)), kind, {})


def item_of(found: Document, section: str, item: str) -> Item:
    (one,) = [i for s in found.sections if s.id == section for i in s.items if i.id == item]
    return one


def table_of(item: Item, name: str) -> Table:
    (one,) = [table for table in item.tables if table.name == name]
    return one


def rows_of(table: Table, **wanted: object) -> Iterator[dict[str, Cell]]:
    for row in table.rows:
        cells = {column.key: cell for column, cell in zip(table.columns, row, strict=True)}
        if all(cells[key] == value for key, value in wanted.items()):
            yield cells


def test_the_resource_section_shows_the_pix_by_hour_day_and_week(polled: Inputs) -> None:
    item = item_of(document(polled), "security-standard", "firewall-resources")
    assert not item.missing
    summary = table_of(item, "resources")
    shown = [(row["resource"], row["of"]) for row in rows_of(summary, device="pix-napoli-01")]
    for wanted in (
        (NAMES["cpu"], "1"),
        (NAMES["memory"], "PIX system memory"),
        (NAMES["connections"], ""),
        (NAMES["in"], "outside"),
        (NAMES["out"], "inside"),
    ):
        assert wanted in shown
    (cpu,) = rows_of(summary, resource=NAMES["cpu"])
    assert cpu["hours"] == 24
    assert cpu["at"] == Moment(H0 + 10 * 3600 * SECOND_NS, ROME)
    weeks = list(rows_of(table_of(item, "resources-by-week"), resource=NAMES["cpu"]))
    assert [(str(row["week"]), row["mean"]) for row in weeks] == [("2011-06-13", cpu["mean"])]
    assert len(list(rows_of(table_of(item, "resources-by-day"), resource=NAMES["cpu"]))) == 1
    assert len(list(rows_of(table_of(item, "resources-by-hour"), resource=NAMES["cpu"]))) == 24
    assert len(list(rows_of(table_of(item, "resources-hourly"), resource=NAMES["cpu"]))) == 24
    charts = [chart for chart in item.charts if isinstance(chart, Lines)]
    # Processor, memory, connections, two interfaces; a single day has no chart by day.
    assert [len(chart.series) for chart in charts] == [1, 1, 1, 2, 2]
    assert all(value is not None for value in charts[0].series[0].values)


def test_the_means_are_those_of_the_records(polled: Inputs, store: Path) -> None:
    item = item_of(document(polled), "security-standard", "firewall-resources")
    samples = list(EmbeddedReader(store).device_samples("pix-napoli-01"))
    values = [one.value for one in samples if one.figure == "cpu_5min" and one.value is not None]
    summary = table_of(item, "resources")
    (cpu,) = rows_of(summary, resource=NAMES["cpu"])
    assert cpu["mean"] == Number(Fraction(sum(values), len(values)))
    assert cpu["highest_poll"] == Number(Fraction(max(values)))
    counted = [s for s in samples if (s.figure, s.instance) == ("in_rate", "outside") and s.amount]
    total = sum(one.amount or 0 for one in counted)
    (rate,) = rows_of(summary, resource=NAMES["in"], of="outside")
    covered = sum(one.interval_ns for one in counted)
    assert rate["mean"] == Number(Fraction(8000 * total, covered))


def test_the_switch_stands_in_the_section_of_polled_devices(polled: Inputs) -> None:
    found = document(polled)
    item = item_of(found, "devices", "device-resources")
    summary = table_of(item, "resources")
    assert {row["device"] for row in rows_of(summary)} == {"sw-napoli-01"}  # the PIX is above
    carried = {row["of"] for row in rows_of(summary, resource=NAMES["in"])}
    assert carried == {"Gi0/1"}  # the one that the configuration names
    (rate,) = rows_of(summary, resource=NAMES["out"])
    assert rate["unit"] == "Mbps"
    (warm,) = rows_of(summary, resource=NAMES["temperature"])
    assert warm["unit"] == "°C"
    devices = table_of(item_of(found, "devices", "devices"), "devices")
    (pix,) = rows_of(devices, device="pix-napoli-01")
    assert (pix["model"], pix["release"], pix["polls"]) == ("PIX 506E", "6.3(5)", 288)
    assert pix["answered"] == Number(Fraction(100 * 283, 288), "percent", "down")


def test_events_have_a_beginning_and_an_end(polled: Inputs) -> None:
    events = table_of(item_of(document(polled), "devices", "device-events"), "events")
    (silent,) = rows_of(events, event=EVENTS["unreachable"])
    assert silent["from"] == Moment(H0 + 790 * 60 * SECOND_NS, ROME)
    assert silent["to"] == Moment(H0 + 810 * 60 * SECOND_NS, ROME)
    (unsaved,) = rows_of(events, event=EVENTS["unsaved-change"])
    assert unsaved["device"] == "sw-napoli-01"


def test_an_event_that_began_before_the_period_has_an_end_alone(polled: Inputs) -> None:
    moments = tuple(
        DeviceEvent(kind, "", H0 + number, state, "")  # type: ignore[arg-type]
        for number, (kind, state) in enumerate(
            [("error-rate", "cleared"), ("restarted", "raised"), ("restarted", "raised")]
        )
    )
    inputs = replace(polled, devices=(replace(polled.devices[0], events=moments),))
    events = table_of(item_of(document(inputs), "devices", "device-events"), "events")
    assert [(row["from"] is None, row["to"] is None) for row in rows_of(events)] == [
        (True, False), (False, True), (False, True),
    ]  # fmt: skip


def test_use_of_the_bandwidth_comes_from_the_polled_interface(polled: Inputs) -> None:
    item = item_of(document(polled), "ip-base", "access-usage")
    assert not item.missing
    (row,) = rows_of(table_of(item, "usage"))
    (rate,) = rows_of(
        table_of(
            item_of(document(polled), "security-standard", "firewall-resources"), "resources"
        ),
        resource=NAMES["in"], of="outside",
    )  # fmt: skip
    most = rate["highest_hour"]
    assert isinstance(most, Number)
    assert row["in_max"] == Number(most.value * 100 / 4, "percent")  # of 4 Mbit/s
    assert row["source"] == Message("polled interface")


def test_a_pas_with_rows_in_usage_csv_is_not_taken_from_its_interface(polled: Inputs) -> None:
    hour = UsageRow(
        Where("usage.csv", 2), "ip-base", "napoli-01", "", H0, H0 + 3600 * SECOND_NS,
        Decimal(1), Decimal(2),
    )  # fmt: skip
    inputs = replace(polled, facts=Facts(usage=(hour,)))
    (row,) = rows_of(table_of(item_of(document(inputs), "ip-base", "access-usage"), "usage"))
    assert (row["hours"], row["source"]) == (1, Message("usage.csv"))


def test_what_was_handed_over_stands_beside_what_was_polled(polled: Inputs) -> None:
    header = ("at", "gate", "cpu_percent")
    table = ItemTable(
        "items/security-standard.firewall-resources.csv", "security-standard",
        "firewall-resources", header, (("2011-06-15T00:00", "x", "5"),),
    )  # fmt: skip
    inputs = replace(polled, facts=Facts(items=(table,)))
    both = item_of(document(inputs), "security-standard", "firewall-resources")
    assert {one.name for one in both.tables} >= {"resources", "data"}
    names = [one.name for one in both.tables]
    assert len(names) == len(set(names)), names  # a file of the CSV each
    file_alone = item_of(
        document(replace(inputs, devices=())), "security-standard", "firewall-resources"
    )
    assert "resources" not in {one.name for one in file_alone.tables}
    neither = item_of(
        document(replace(polled, devices=())), "security-standard", "firewall-resources"
    )
    assert neither.missing


def test_without_polled_devices_there_is_no_section(polled: Inputs) -> None:
    assert "devices" not in {one.id for one in document(replace(polled, devices=())).sections}


def test_devices_are_read_of_a_month_and_up_to_the_instant_asked_for(
    polled: Inputs, store: Path
) -> None:
    def read(period: str, until_ns: int) -> Inputs:
        return gather(
            polled.configuration, polled.catalogue, parse_period(period), Sources(store=[store]),
            as_of_ns=until_ns, devices=True,
        )  # fmt: skip

    noon = H0 + 12 * 3600 * SECOND_NS
    early = read("2011-06", noon - 1)
    assert max(hour.start_ns for one in early.devices for hour in one.hours) < noon
    assert read("2011-2", noon).devices == ()
    assert read("2011-07", noon + 60 * 86_400 * SECOND_NS).devices == ()


def test_the_archive_keeps_what_the_report_shows(polled: Inputs) -> None:
    text = devices_text(polled.devices)
    assert read_devices_text(layout.DEVICES, text) == polled.devices
    with pytest.raises(ArchiveError, match=r"devices\.json"):
        read_devices_text(layout.DEVICES, text.replace(b'"role"', b'"rule"', 1))


def test_interfaces_are_those_of_services_and_of_the_device(polled: Inputs) -> None:
    pix, switch = polled.configuration.devices
    assert named_interfaces(pix, polled.configuration) == ("outside",)
    assert named_interfaces(switch, polled.configuration) == ("Gi0/1",)


def test_a_question_for_some_figures_reads_only_those(store: Path) -> None:
    reader = EmbeddedReader(store)
    some = list(reader.device_rollups("sw-napoli-01", only={"figure": ("in_rate", "cpu_5min")}))
    every = [one for one in reader.device_rollups("sw-napoli-01") if one.figure in (
        "in_rate", "cpu_5min",
    )]  # fmt: skip
    assert some == every
    assert {one.figure for one in some} == {"in_rate", "cpu_5min"}
    one = {"figure": ("in_rate",), "instance": ("Gi0/1", "{'")}
    assert {r.instance for r in reader.device_rollups(only=one)} == {"Gi0/1"}
    assert list(reader.device_rollups(only={"figure": ()})) == []


def test_a_server_answers_a_question_for_some_figures_as_the_store_does(
    store: Path, influx: Any
) -> None:
    embedded = EmbeddedReader(store)
    begin, end = H0 + 36_000 * SECOND_NS, H0 + 39_600 * SECOND_NS
    rollups = list(embedded.device_rollups("sw-napoli-01", begin, end))
    target = InfluxTarget(influx.url, influx.database, token=influx.token)
    writer = InfluxWriter(target)
    body = "".join(line("device_rollups", flatten(one)) + "\n" for one in rollups)
    assert isinstance(writer.write(body.encode()), Accepted)
    writer.close()
    server = InfluxReader(target)
    for only_these in (
        {"figure": ("in_rate", "out_rate"), "instance": ("Gi0/1", "no such")},
        {"figure": ("mac_addresses",), "instance": ("",)},  # an empty tag is none at all
        {"figure": ()},
    ):
        wanted = list(embedded.device_rollups("sw-napoli-01", begin, end, only=only_these))
        found = list(server.device_rollups("sw-napoli-01", begin, end, only=only_these))
        assert sorted(found, key=repr) == sorted(wanted, key=repr)
        assert bool(wanted) == bool(only_these["figure"])


def test_the_same_records_are_made_every_time(maker: ModuleType, polled: Inputs) -> None:
    import asyncio

    pix = polled.configuration.devices[0]
    once, again = (asyncio.run(maker.polled(pix, {}, 1)) for _ in range(2))
    assert once == again
    assert len(once) > 500


def test_hours_of_a_resource_know_their_mean() -> None:
    assert Hour(0, Fraction(3), Fraction(2), None).mean == Fraction(3, 2)
