"""The agent with a real InfluxDB: what it measured arrives, also what the server was down for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from agent.daemon.state import read_state
from timeseries.influx import InfluxTarget
from timeseries.influx_reader import InfluxReader
from timeseries.reader import EmbeddedReader

PASPROBE = str(Path(sys.executable).with_name("pasprobe"))


class Host:
    """An agent with a train each 500 ms to loopback, and its InfluxDB."""

    def __init__(self, folder: Path, server: Any) -> None:
        self.folder, self.server = folder, server
        self.process: subprocess.Popen[bytes] | None = None
        self.configure(f"""
[influxdb]
url = "{server.url}"
bucket = "{server.database}"
token = {{ env = "PP_TOKEN" }}
""")

    def configure(self, influxdb: str) -> None:
        (self.folder / "pasprobe.toml").write_text(f"""
[agent]
name = "here"
data_dir = "data"
{influxdb}
[[pas]]
id = "here"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{{ id = "ip-base", level = "L3", window = "normal" }}]
[[path]]
id = "a"
pas = "here"
service = "ip-base"
target = "127.0.0.1"
train = {{ packets = 3, spacing = "10ms", every = "500ms", timeout = "200ms" }}
""")

    def start(self) -> None:
        environ = {**os.environ, "PP_TOKEN": self.server.token}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [PASPROBE, "run"], cwd=self.folder, env=environ, stderr=log
            )

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0

    @property
    def state(self) -> dict[str, Any]:
        return (read_state(self.folder / "data") or {}).get("influxdb") or {}

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stored(self) -> list[Any]:
        return list(EmbeddedReader(self.folder / "data", threads=1).trains())

    def arrived(self) -> list[Any]:
        target = InfluxTarget(self.server.url, self.server.database, token=self.server.token)
        return list(InfluxReader(target).trains())


@pytest.fixture
def host(tmp_path: Path, influx: Any) -> Iterator[Host]:
    one = Host(tmp_path, influx)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
        one.process.wait()


def test_everything_arrives_also_what_the_server_was_down_for(host: Host) -> None:
    host.start()
    until(lambda: host.server.count("trains") >= 3)
    host.server.stop()
    until(lambda: host.state.get("last_error"))
    down = len(host.stored())
    until(lambda: len(host.stored()) >= down + 5)
    assert host.state["depth"] > 0
    status = subprocess.run(
        [PASPROBE, "status", "--json"], cwd=host.folder, capture_output=True, text=True,
        env={**os.environ, "PP_TOKEN": host.server.token}, check=False,
    )  # fmt: skip
    assert json.loads(status.stdout)
    host.server.start()
    until(lambda: host.server.count("trains") >= down + 5, 90)
    host.stop()
    # What the end left in the spool is sent by the next run.
    host.start()
    until(lambda: host.log.count("event=forwarding ") == 2)
    until(lambda: {t.start_ns for t in host.stored()[:-20]} <= {t.start_ns for t in host.arrived()})
    host.stop()
    stored = {train.start_ns: train for train in host.stored()}
    for train in host.arrived():
        assert stored[train.start_ns] == train
    assert "PP_TOKEN" not in host.log
    assert host.server.token not in host.log


def test_a_wrong_token_is_told_in_one_line_and_measuring_goes_on(host: Host) -> None:
    token, host.server.token = host.server.token, "wrong-one"
    host.start()
    host.server.token = token
    until(lambda: "the token is not accepted" in host.state.get("last_error", ""))
    before = len(host.stored())
    until(lambda: len(host.stored()) > before + 3)
    host.stop()
    assert host.log.count("the token is not accepted") == 1
    assert "Traceback" not in host.log


def test_a_server_that_is_configured_no_more_keeps_nothing_in_the_spool(host: Host) -> None:
    host.server.stop()
    host.start()
    until(lambda: host.state.get("depth"))
    host.configure("")
    done = subprocess.run(
        [PASPROBE, "reload"], cwd=host.folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PP_TOKEN": host.server.token},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    until(lambda: "event=forwarding-ended" in host.log)
    host.stop()
