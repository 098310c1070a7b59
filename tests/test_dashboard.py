"""deploy/grafana/pasprobe.json: every query of it runs against a real influxd and shows data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from timeseries.codec import columns, flatten, kind_of
from timeseries.device_rollup import device_rollups
from timeseries.histogram import BOUNDS_NS
from timeseries.line_protocol import TAGS, line
from timeseries.records import (
    DelayFigures,
    DeviceEventRecord,
    DeviceRollupRecord,
    DeviceSampleRecord,
    PlanRecord,
    Record,
    RollupRecord,
    TrainRecord,
)
from timeseries.rollup import QUARTER_NS, rollup

FILE = Path(__file__).parent.parent / "deploy" / "grafana" / "pasprobe.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
MS = 1_000_000
MINUTE_NS = 60 * 10**9
D0 = 20_400 * 86_400 * 10**9
QUARTERS = 8
END = D0 + QUARTERS * QUARTER_NS
PATHS = ("roma-01/ip-base", "roma-01/voip", "milano-01/ip-base.+")
VARIABLES = {
    "agent": "agent",
    "pas": "pas",
    "service": "service",
    "path": "path",
    "device": "device",
    "interface": "instance",
}
"""Each with the tag that it chooses by."""
BOXES = {"pix-1": ("roma-01", "outside"), "sw.1/a": ("milano-01", "Gi0/1")}
"""Devices: who asks them, and their interface."""


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """(where, query) of every panel and variable."""
    for panel in panels():
        for target in panel["targets"]:
            yield f"panel {panel['title']}, {target['refId']}", target["query"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]


def as_grafana_sends_it(query: str, chosen: dict[str, list[str]], interval: str) -> str:
    """The query with its variables replaced: several values as `(a|b)`, each escaped for a regular
    expression, the slash included; a variable at All as its `allValue`."""
    begin_ms, end_ms = D0 // MS, END // MS
    query = query.replace("$timeFilter", f"time >= {begin_ms}ms and time <= {end_ms}ms")
    query = query.replace("$__interval", interval).replace("${__to}", str(end_ms))
    for name in VARIABLES:
        values = chosen.get(name)
        if values is None:
            text = all_value(name)
        else:
            escaped = [re.sub(r"([\\^$*+?.()|\[\]{}/])", r"\\\1", value) for value in values]
            text = f"({'|'.join(escaped)})"
        query = query.replace(f"${name}", text)
    assert "$" not in query.replace("$/", ""), query
    return query


def all_value(name: str) -> str:
    (variable,) = (one for one in DASHBOARD["templating"]["list"] if one["name"] == name)
    assert variable["includeAll"]
    assert variable["multi"]
    return str(variable["allValue"])


def figures(delay_ms: int, received: int, limit_ms: int | None) -> DelayFigures:
    """So many delays, one of them twice as long as the others."""
    delay, long = delay_ms * MS, 2 * delay_ms * MS
    bins = [next(i for i, bound in enumerate(BOUNDS_NS) if one <= bound) for one in (delay, long)]
    kept = None
    if limit_ns := limit_ms and limit_ms * MS:
        kept = (received - 1) * (delay <= limit_ns) + (long <= limit_ns)
    return DelayFigures(
        delay, delay, delay, long, long, long, 1, 25 * MS, 9, 10, 11, kept,
        ((bins[0], received - 1), (bins[1], 1)),
    )  # fmt: skip


def train(path: str, minute: int) -> TrainRecord:
    """One packet of ten lost; every seventh train spoiled; voip has a one-way limit."""
    pas, service = path.split("/")
    voip = service == "voip"
    valid = minute % 7 > 0
    rtt = figures(100 + 10 * (minute % 3), 9, None if voip else 220)
    one_way = figures(70 + 5 * (minute % 3), 9, 150) if voip else None
    return TrainRecord(
        pas, path, pas, service, "", "", "stamp" if voip else "icmp", "192.0.2.1", "192.0.2.1",
        D0 + minute * MINUTE_NS, 10, 10, 9, 1, 0, 0, 0, 0, 0, (150 if voip else 220) * MS,
        "one-way" if voip else "rtt", rtt, one_way, one_way, 1000, voip, None, None, valid,
        () if valid else ("local-drops",), (), 10, 9, 0, 40_000 + minute, 0 if valid else 3, 0,
        True, 2_000_000, (), (),
    )  # fmt: skip


def plan(path: str) -> PlanRecord:
    pas, service = path.split("/")
    start_ns = D0 - 86_400 * 10**9  # long before the time shown
    return PlanRecord(pas, path, start_ns, True, MINUTE_NS, 10, 220 * MS, pas, service,
                      method="icmp", target="192.0.2.1")  # fmt: skip


def records() -> list[Record]:
    """Two hours of three paths; the fifth quarter of the first one is missing altogether."""
    found: list[Record] = []
    for path in PATHS:
        trains = [train(path, minute) for minute in range(15 * QUARTERS)]
        if path == PATHS[0]:
            trains = [t for t in trains if not 60 <= (t.start_ns - D0) // MINUTE_NS < 75]
        rollups = [
            rollup(trains, [plan(path)], D0 + number * QUARTER_NS, path)
            for number in range(QUARTERS)
        ]
        found += [plan(path), *trains, *(one for one in rollups if one.trains)]
    return found + [one for name in BOXES for one in device_records(name)]


def device_records(device: str) -> list[Record]:
    """Two hours of a device that is asked every minute; every tenth poll is not answered."""
    agent, interface = BOXES[device]
    samples: list[DeviceSampleRecord] = []

    def add(figure: str, instance: str = "", **changes: Any) -> None:
        samples.append(DeviceSampleRecord(agent, device, figure, instance, at, text="", **changes))

    for minute in range(15 * QUARTERS):
        at = D0 + minute * MINUTE_NS
        up = minute % 10 > 0
        add("reachable", value=int(up), unit="1")
        if not up:
            continue
        add("response_time", value=2 * MS + minute, unit="s", scale=-9)
        add("cpu_1min", "1", value=minute % 50, unit="%")
        add("memory_used", "Processor", value=20_000_000 + minute, unit="B")
        for figure in ("connections", "sessions", "ike_tunnel_rows", "ipsec_tunnel_rows"):
            add(figure, value=minute, unit="1")
        add("temperature", "inlet", value=30 + minute % 7, unit="Cel")
        add("poe_used", "1", value=40, unit="W")
        gap = minute == 1  # the first reading of a counter
        for figure in ("in_rate", "out_rate", "in_errors", "out_errors", "in_discards",
                       "out_discards"):  # fmt: skip
            amount = None if gap else 7_500_000 + 1000 * minute
            passed_ns = 0 if gap else (2 if minute % 10 == 1 else 1) * MINUTE_NS
            value = None if amount is None else amount * 8 * 10**9 // passed_ns
            unit = "bit/s" if figure.endswith("rate") else "1/s"
            add(figure, interface, value=value, unit=unit, amount=amount, interval_ns=passed_ns)
    events = [
        DeviceEventRecord(agent, device, "unreachable", "", D0 + MINUTE_NS, "raised", "silent"),
        DeviceEventRecord(
            agent, device, "interface-down", interface, D0 + 2 * MINUTE_NS, "raised", "it is down"
        ),
    ]
    quarters = [
        one
        for number in range(QUARTERS)
        for one in device_rollups(samples, D0 + number * QUARTER_NS)
    ]
    return [*samples, *quarters, *events]


@pytest.fixture
def filled(influx: Any) -> Any:
    """A real influxd that holds these records."""
    lines = [line(kind_of(one), flatten(one)) for one in records()]
    influx.write_lines("\n".join(lines).encode())
    return influx


def test_every_query_is_answered_with_data(filled: Any) -> None:
    one_path = {"agent": ["milano-01"], "pas": ["milano-01"], "path": [PATHS[2]]}
    one_box = {"device": ["sw.1/a"], "interface": ["Gi0/1"]}
    choices: list[dict[str, list[str]]] = [{}, one_path, {"path": [PATHS[0], PATHS[2]]}, one_box]
    empty = []
    for where, query in queries():
        for chosen in choices:
            text = as_grafana_sends_it(query, chosen, "15m")
            series = filled.query(text)  # raises with the server's words
            shown = [
                value
                for one in series
                for values in one["values"]
                for name, value in zip(one["columns"], values, strict=True)
                if name != "time" and value is not None
            ]
            names = {name for one in series for name in one["columns"]} - {"time", "key"}
            for name in sorted(names):
                index = [one["columns"].index(name) for one in series]
                if all(
                    values[at] is None
                    for one, at in zip(series, index, strict=True)
                    for values in one["values"]
                ):
                    empty.append((where, name, text))
            # One-way figures exist where a path has them.
            if not shown and not (chosen and ("one-way" in text or "forward" in text)):
                empty.append((where, "", text))
    allowed = {"within limit"}  # voip has no round-trip limit
    assert [one for one in empty if one[1] not in allowed] == []


def query_of(title: str, ref: str = "A") -> str:
    (panel,) = (one for one in panels() if one["title"] == title)
    (target,) = (one for one in panel["targets"] if one["refId"] == ref)
    return str(target["query"])


def test_the_shares_it_shows_are_those_of_the_records(filled: Any) -> None:
    rollups = [one for one in records() if isinstance(one, RollupRecord)]
    for ref, path in (("A", PATHS[0]), ("B", PATHS[1])):
        text = as_grafana_sends_it(query_of("Share within the limit", ref), {"path": [path]}, "15m")
        (series,) = filled.query(text)
        shown = {at: value for at, value in series["values"] if value is not None}
        expected = {}
        for one in rollups:
            if one.path == path and one.limit_on == "rtt":
                assert one.within_limit is not None
                expected[one.start_ns] = Fraction(one.within_limit, one.received)
            elif one.path == path:
                assert one.one_way_within_limit is not None
                expected[one.start_ns] = Fraction(
                    one.one_way_within_limit, 2 * one.one_way_received
                )
        assert shown == pytest.approx({at: float(share) for at, share in expected.items()})
        assert 0 < min(shown.values()) < 1


def test_losses_and_invalid_trains_are_those_of_the_records(filled: Any) -> None:
    trains = [t for t in records() if isinstance(t, TrainRecord) and t.path == PATHS[2]]
    chosen = {"path": [PATHS[2]]}
    (loss,) = filled.query(as_grafana_sends_it(query_of("Loss"), chosen, "15m"))
    assert [value for _, value in loss["values"] if value is not None] == pytest.approx([0.1] * 8)
    (invalid,) = filled.query(as_grafana_sends_it(query_of("Invalid trains"), chosen, "15m"))
    assert sum(value for _, value in invalid["values"]) == sum(not t.valid for t in trains)
    (drops,) = filled.query(as_grafana_sends_it(query_of("Local drops"), chosen, "15m"))
    assert sum(value for _, value in drops["values"]) == sum(t.local_drops for t in trains)
    (sums,) = filled.query(as_grafana_sends_it(query_of("Sums of the time shown"), chosen, "1h"))
    shown = dict(zip(sums["columns"], sums["values"][0], strict=True))
    assert (shown["planned"], shown["on record"]) == (len(trains), len(trains))
    assert shown["sent"] == sum(t.sent for t in trains if t.valid)


def test_a_quarter_without_records_counts_nothing_and_is_seen(filled: Any) -> None:
    text = as_grafana_sends_it(
        query_of("Coverage: trains against planned"), {"path": [PATHS[0]]}, "15m"
    )
    (series,) = filled.query(text)
    shown = {(at - D0) // QUARTER_NS: (on, valid) for at, on, valid in series["values"]}
    assert shown[4] == (0, 0)
    assert shown[3][0] == 1
    assert shown[3][1] == pytest.approx(13 / 15)


def test_a_plan_is_seen_although_it_was_written_before_the_time_shown(filled: Any) -> None:
    series = filled.query(as_grafana_sends_it(query_of("Plans in force"), {}, "15m"))
    assert {one["tags"]["path"] for one in series} == set(PATHS)
    assert all(
        dict(zip(one["columns"], one["values"][0], strict=True))["every"] == MINUTE_NS
        for one in series
    )


def test_the_throughput_of_an_interface_is_what_was_counted(filled: Any) -> None:
    chosen = {"device": ["pix-1"], "interface": ["outside"]}
    text = as_grafana_sends_it(query_of("Throughput of interfaces"), chosen, "15m")
    series = filled.query(text)
    assert [one["tags"]["figure"] for one in series] == ["in_rate", "out_rate"]
    quarters = [
        one
        for one in device_records("pix-1")
        if isinstance(one, DeviceRollupRecord) and one.figure == "in_rate"
    ]
    shown = {at: value for at, value in series[0]["values"] if value is not None}
    assert shown == pytest.approx(
        {one.start_ns: 8e9 * (one.amount or 0) / one.covered_ns for one in quarters}
    )
    text = as_grafana_sends_it(query_of("Errors and discards of interfaces"), chosen, "15m")
    errors = next(s for s in filled.query(text) if s["tags"]["figure"] == "in_errors")
    assert sum(value for _, value in errors["values"]) == sum(one.amount or 0 for one in quarters)


def test_a_device_that_does_not_answer_is_seen(filled: Any) -> None:
    text = as_grafana_sends_it(query_of("Answered polls"), {"device": ["pix-1"]}, "30m")
    (series,) = filled.query(text)
    shown = [value for at, value in series["values"] if at < END]
    assert shown == pytest.approx([0.9] * 4)
    text = as_grafana_sends_it(query_of("Events of devices"), {}, "1h")
    (events,) = filled.query(text)
    names = events["columns"]
    told = [dict(zip(names, values, strict=True)) for values in events["values"]]
    assert [one["time"] for one in told] == sorted((one["time"] for one in told), reverse=True)
    assert {(one["device"], one["kind"], one["instance"]) for one in told} >= {
        ("pix-1", "interface-down", "outside"),
        ("sw.1/a", "unreachable", None),
    }


def test_the_variables_narrow_each_other(filled: Any) -> None:
    by_name = {one["name"]: one for one in DASHBOARD["templating"]["list"]}

    def offered(name: str, chosen: dict[str, list[str]]) -> set[str]:
        query = as_grafana_sends_it(by_name[name]["query"], chosen, "15m")
        return {value for one in filled.query(query) for _, value in one["values"]}

    assert offered("agent", {}) == {"roma-01", "milano-01"}
    assert offered("path", {}) == set(PATHS)
    assert offered("path", {"agent": ["roma-01"]}) == set(PATHS[:2])
    assert offered("path", {"agent": ["roma-01"], "service": ["voip"]}) == {PATHS[1]}
    assert offered("service", {"pas": ["roma-01"]}) == {"ip-base", "voip"}
    assert offered("device", {}) == set(BOXES)
    assert offered("device", {"agent": ["roma-01"]}) == {"pix-1"}
    assert offered("interface", {"device": ["sw.1/a"]}) == {"Gi0/1"}


def test_every_name_in_a_query_is_a_column_or_tag_of_its_measurement() -> None:
    for where, query in queries():
        (kind,) = re.findall(r'FROM "(\w+)"', query)
        known = {name for name, _ in columns(kind)} | set(TAGS[kind])
        told = re.sub(r'AS "[^"]+"', "", query.replace(f'FROM "{kind}"', ""))
        names = set(re.findall(r'"(\w+)"', told))
        assert names <= known, (where, names - known)
        tags = re.findall(r"GROUP BY (.*?)(?: fill|$)", query)
        grouped = set(re.findall(r'"(\w+)"', tags[0])) if tags else set()
        assert grouped <= set(TAGS[kind]), where


def test_every_panel_obeys_every_variable_of_its_measurement() -> None:
    for panel in panels():
        for target in panel["targets"]:
            query = target["query"]
            (kind,) = re.findall(r'FROM "(\w+)"', query)
            of_device = kind.startswith("device_")
            for name, tag in VARIABLES.items():
                # Cores, pools and sensors are instances too, and no interfaces.
                if name == "interface" and "interfaces" not in panel["title"]:
                    continue
                if name == "agent" or (name in ("device", "interface")) == of_device:
                    assert f'"{tag}" =~ /^${name}$/' in query, panel["title"]


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    everything = [*DASHBOARD["panels"]]
    ids = [panel["id"] for panel in everything]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["datasource"] == {"type": "influxdb", "uid": "${datasource}"}
        assert all(
            t["rawQuery"] and t["datasource"] == panel["datasource"] for t in panel["targets"]
        )
    # Nothing lies on anything else, and nothing stands out.
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    kinds = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert kinds == ["datasource", *VARIABLES]


def test_it_uses_only_what_all_versions_of_influxdb_answer() -> None:
    """InfluxDB 3 has neither SHOW SERIES nor cardinalities; SLIMIT, INTEGRAL and INTO are not
    everywhere either."""
    words = re.compile(r"\b(INTO|SLIMIT|SOFFSET|CARDINALITY|INTEGRAL|SAMPLE|SERIES|DATABASES)\b")
    for where, query in queries():
        assert not words.search(re.sub(r'"[^"]*"', "", query)), where
