"""Records of the collectors in a store reach the watch, and the ticket that they explain."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import pasprobe
from incidents.desk import Desk, open_desk
from incidents.device_records import last_state, signs
from incidents.watch import Watch
from timeseries.codec import flatten, kind_of
from timeseries.influx import Accepted, InfluxTarget, InfluxWriter
from timeseries.influx_reader import InfluxReader
from timeseries.line_protocol import line
from timeseries.reader import EmbeddedReader, Reader
from timeseries.records import DeviceEventRecord, DeviceSampleRecord, Record
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME

SECOND = 10**9
NOON = int(datetime(2026, 5, 4, 10, tzinfo=UTC).timestamp()) * SECOND


def event(second: int, kind: str, state: Any = "raised", device: str = "pix", **more: Any) -> Any:
    at_ns = NOON + second * SECOND
    values = {"agent": "a", "instance": "", "text": f"{kind} {state}", **more}
    return DeviceEventRecord(device=device, kind=kind, state=state, start_ns=at_ns, **values)


class Scene:
    def __init__(self, folder: Path, tools: Any) -> None:
        self.tools, self.folder, self.now = tools, folder, NOON
        self.configuration = tools.configuration(2, {"pix": [0, 1], "spare": []})
        self.spool = Spool(folder / SPOOL_NAME)
        self.keep(tools.plan("p0/x", NOON - 60 * SECOND), tools.plan("p1/x", NOON - 60 * SECOND))
        self.reader: Reader = EmbeddedReader(folder, threads=1)
        self.desk: Desk = open_desk(folder, clock=lambda: self.now)
        self.watch = self.anew()

    def anew(self) -> Watch:
        self.watch = Watch(
            self.desk, self.reader, self.configuration,
            events=lambda after: signs(self.reader, after),
        )  # fmt: skip
        return self.watch

    def keep(self, *records: Record) -> None:
        self.spool.append(records)

    def look(self, second: int, letter: str = "") -> Any:
        if letter:
            at_ns = NOON + (second - 1) * SECOND
            self.keep(*(self.tools.train(f"p{n}/x", at_ns, letter) for n in (0, 1)))
        self.now = NOON + second * SECOND
        return self.watch.look(self.now - SECOND // 2)


@pytest.fixture
def scene(tmp_path: Path, incident_trains: Any) -> Iterator[Scene]:
    made = Scene(tmp_path, incident_trains)
    made.look(1, "G")
    yield made
    made.desk.close()
    made.spool.close()


@pytest.mark.parametrize("kind", ["unreachable", "tunnel-lost", "interface-down", "failover"])
def test_what_a_device_says_joins_the_ticket_of_the_pas_behind_it(scene: Scene, kind: str) -> None:
    scene.look(2, "L")
    scene.keep(event(2, kind, instance="x", since_ns=NOON + SECOND))
    scene.look(3, "L")
    (ticket,) = scene.desk.tickets()
    assert (ticket.device, ticket.pas) == ("pix", ("p0", "p1"))
    (told,) = [one for one in scene.desk.alerts(ticket=ticket.id) if one.source == "device"]
    assert (told.first_ns, told.text) == (NOON + SECOND, f"pix: {kind} raised")
    scene.keep(event(4, kind, "cleared", instance="x"))
    scene.look(5, "G")
    assert scene.desk.alert(told.id).cleared_ns == NOON + 4 * SECOND


def test_a_device_that_disturbs_nobody_opens_no_ticket(scene: Scene) -> None:
    scene.keep(event(1, "interface-down"))
    scene.look(2, "G")
    assert [one.source for one in scene.desk.alerts()] == ["device"]
    assert scene.desk.tickets() == ()


def test_an_event_is_taken_in_once_also_by_the_next_watch(scene: Scene) -> None:
    scene.keep(event(1, "unreachable"), event(2, "unreachable", "cleared"))
    scene.keep(event(3, "unreachable"))
    assert len(scene.look(4, "G").raised) == 2
    scene.anew()
    found = scene.look(5, "G")
    assert (found.raised, found.cleared) == ([], [])
    assert [one.cleared_ns is None for one in scene.desk.alerts()] == [False, True]


def test_an_event_that_another_agent_hands_in_late_is_not_lost(scene: Scene) -> None:
    scene.keep(event(300, "unreachable", device="spare"))
    scene.look(301)
    scene.keep(event(200, "tunnel-lost", agent="b", instance="203.0.113.9"))
    (late,) = scene.look(302).raised
    assert late.device == "pix"


def test_what_a_device_told_a_silent_agent_comes_hours_later(scene: Scene) -> None:
    scene.look(60)
    scene.keep(event(9000, "unreachable", agent="b", device="spare"))
    scene.look(9001)
    scene.keep(event(1000, "tunnel-lost", instance="203.0.113.9"))
    (late,) = scene.look(9002).raised
    assert late.device == "pix"


def test_a_moment_is_over_at_once(scene: Scene) -> None:
    scene.keep(event(1, "restarted"))
    scene.look(2, "G")
    (alert,) = scene.desk.alerts()
    assert alert.cleared_ns == NOON + SECOND


def test_the_state_of_a_device_is_its_newest_figures(scene: Scene) -> None:
    for second, value in ((1, 10), (61, 90)):
        scene.keep(
            DeviceSampleRecord(
                agent="a", device="pix", figure="cpu_1min", instance="", text="", unit="percent",
                start_ns=NOON + second * SECOND, value=value,
            )
        )  # fmt: skip
    scene.keep(event(30, "unreachable"), event(40, "unreachable", "cleared"))
    state: Any = last_state(scene.reader, "pix", NOON + 70 * SECOND)
    assert [(one["figure"], one["value"]) for one in state["figures"]] == [("cpu_1min", 90)]
    assert [(one["kind"], one["state"]) for one in state["events"]] == [("unreachable", "cleared")]
    assert last_state(scene.reader, "spare", NOON + 70 * SECOND) is None
    assert last_state(scene.reader, "pix", NOON + 7200 * SECOND) is None


class Central(Scene):
    """The same; what the agents keep is forwarded to a server, and read there."""

    def __init__(self, folder: Path, tools: Any, server: Any) -> None:
        target = InfluxTarget(server.url, server.database, token=server.token)
        self.writer = InfluxWriter(target)
        super().__init__(folder, tools)
        self.reader = InfluxReader(target)
        self.anew()

    def keep(self, *records: Record) -> None:
        lines = [line(kind_of(one), flatten(one)) for one in records]
        assert isinstance(self.writer.write("\n".join(lines).encode()), Accepted)


def test_from_influxdb_the_watch_and_the_evidence_read_the_same(
    tmp_path: Path, incident_trains: Any, influx: Any
) -> None:
    scene = Central(tmp_path, incident_trains, influx)
    try:
        assert signs(scene.reader, 0) == []  # nobody has written one yet
        scene.look(1, "G")
        scene.look(2, "L")
        scene.keep(event(2, "tunnel-lost", instance="203.0.113.9", since_ns=NOON + SECOND))
        scene.look(3, "L")
        (ticket,) = scene.desk.tickets()
        assert (ticket.device, ticket.pas) == ("pix", ("p0", "p1"))
        (told,) = [one for one in scene.desk.alerts(ticket=ticket.id) if one.source == "device"]
        assert (told.first_ns, told.text) == (NOON + SECOND, "pix: tunnel-lost raised")
        scene.anew()
        assert scene.look(4, "L").raised == []
        scene.keep(event(5, "tunnel-lost", "cleared", instance="203.0.113.9"))
        scene.look(6, "G")
        assert scene.desk.alert(told.id).cleared_ns == NOON + 5 * SECOND
        scene.keep(
            DeviceSampleRecord(
                agent="a", device="pix", figure="cpu_1min", instance="", text="", unit="percent",
                start_ns=NOON + SECOND, value=90,
            )
        )  # fmt: skip
        state: Any = last_state(scene.reader, "pix", NOON + 70 * SECOND)
        assert [(one["figure"], one["value"]) for one in state["figures"]] == [("cpu_1min", 90)]
        assert [(one["kind"], one["state"]) for one in state["events"]] == [
            ("tunnel-lost", "cleared")
        ]
    finally:
        scene.desk.close()
        scene.spool.close()
        scene.writer.close()


def test_checks_of_an_application_are_the_same_from_influxdb(
    tmp_path: Path, incident_trains: Any, influx: Any
) -> None:
    scene = Central(tmp_path, incident_trains, influx)
    name = "check/shops/till server, 2"
    checks = [
        incident_trains.train(
            name, NOON + n * SECOND, letter, method="tcp", pas="p0", service="", flags=("refused",)
        )
        for n, letter in enumerate("GLLG")
    ]
    try:
        scene.keep(*checks)
        assert list(scene.reader.trains(name)) == checks
    finally:
        scene.desk.close()
        scene.spool.close()
        scene.writer.close()


def test_the_command_watches_the_central_server(
    tmp_path: Path, incident_trains: Any, influx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASPROBE_TOKEN", influx.token)
    monkeypatch.chdir(tmp_path)
    Path("pasprobe.toml").write_text(
        f"""
[influxdb]
url = "{influx.url}"
bucket = "{influx.database}"
token = {{ env = "PASPROBE_TOKEN" }}
[incident]
data_dir = "desk"
[[pas]]
id = "p0"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{{ id = "ip-base", level = "L3", window = "normal" }}]
[[path]]
id = "p0/x"
pas = "p0"
service = "ip-base"
target = "192.0.2.1"
[[device]]
id = "pix"
host = "192.0.2.10"
role = "firewall"
platform = "cisco_pix"
pas = ["p0"]
"""
    )
    now = time.time_ns()
    lost = [incident_trains.train("p0/x", now - n * 60 * SECOND, "L") for n in (1, 2)]
    down = replace(event(0, "unreachable"), start_ns=now - SECOND)
    plan = incident_trains.plan("p0/x", now - 3600 * SECOND, every_ns=60 * SECOND)
    writer = InfluxWriter(InfluxTarget(influx.url, influx.database, token=influx.token))
    lines = [line(kind_of(one), flatten(one)) for one in (plan, *lost, down)]
    assert isinstance(writer.write("\n".join(lines).encode()), Accepted)
    writer.close()
    words = ["incident", "watch", "--seconds", "0.5", "--quiet", "--no-trace", "--json"]
    before = [(one, signal.getsignal(one)) for one in (signal.SIGTERM, signal.SIGINT)]
    done = CliRunner().invoke(pasprobe.app, words)
    for number, handler in before:
        signal.signal(number, handler)
    assert done.exit_code == 0, done.output
    (look,) = map(json.loads, done.stdout.splitlines())
    assert [one["text"] for one in look["raised"]] == [
        "p0/x: 2 trains lost every packet",
        "pix: unreachable raised",
    ]
    with open_desk(tmp_path / "desk") as desk:
        (ticket,) = desk.tickets()
        assert {one.ticket for one in desk.alerts()} == {ticket.id}
        assert ticket.device == "pix"
