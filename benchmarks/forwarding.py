"""Forwarding: from the spool to acknowledged, beside influxdb-client's own batching API.

Both bring the same trains to the same influxd 1.6 (behind a proxy that maps the v2 write path, in a
process of its own), each in a process of its own that times itself. Then both are fed at a steady
pace while the server is stopped for a minute, and once more with the feeding process killed and
started again meanwhile; what is missing is counted at the server.

`python -m benchmarks.forwarding JOB ...` is one of these processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version as distribution
from pathlib import Path
from typing import Any, Final

from benchmarks.hosts import ROOT
from benchmarks.influx_server import InfluxProcess, influx, influxd_version
from benchmarks.made_trains import FIRST_DAY_NS, made, train_at
from benchmarks.scale import scaled
from timeseries.codec import flatten
from timeseries.forwarder import INFLUXDB, Forwarder
from timeseries.influx import InfluxTarget, InfluxWriter
from timeseries.line_protocol import TAGS, TIME
from timeseries.records import TrainRecord
from timeseries.spool import Spool

NAME = "forwarding"
GOALS: dict[str, tuple[str, float]] = {
    "pasprobe / influxdb-client, records per second": (">=", 3.0),
    "pasprobe: missing at the server": ("==", 0),
    "a minute's outage: lost by pasprobe": ("==", 0),
    "a minute's outage and a kill: lost by pasprobe": ("==", 0),
}

RECORDS: Final = 60_000
PATHS: Final = 200
TEMPLATES: Final = 500
BATCH: Final = 5_000
"""Points a request of influxdb-client's; its default of 1,000 is slower."""
RATE: Final = 100
"""Records a second in the outage, about those of 6,000 paths."""
BEFORE_S, OUTAGE_S, AFTER_S = 10, 60, 20
FEED_S: Final = 0.1
END_S: Final = 600


def run_once() -> dict[str, float | str]:
    """Throughput, then the outage."""
    figures: dict[str, float | str] = {}
    with influx() as server:
        figures |= _throughput(server)
        figures |= _outage(server)
    figures["beside it"] = f"influxdb-client {distribution('influxdb-client')}"
    figures["server"] = influxd_version()
    return figures


def _start(job: str, server: InfluxProcess, database: str, **options: Any) -> subprocess.Popen[str]:
    told = {"url": server.url, "token": server.token, "database": database, **options}
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.forwarding", job, json.dumps(told)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def _throughput(server: InfluxProcess) -> dict[str, float | str]:
    records = scaled(RECORDS, 20_000)  # what is fewer is no backlog, and lingers
    results: dict[str, dict[str, float]] = {}
    for job, gzip in (("spool", True), ("client", True), ("client", False)):
        name = f"{job}{'_gzip' if gzip else ''}"
        server.order(f"create {name}")
        with _start(job, server, name, records=records, gzip=gzip) as process:
            out, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{name} ended with {process.returncode}")
        results[name] = json.loads(out) | {"there": server.count(name)}
        print(json.dumps({name: results[name]}))
    ours = results["spool_gzip"]
    best = min((results["client_gzip"], results["client"]), key=lambda one: one["seconds"])
    return {
        "records": records,
        "pasprobe: records per second": round(records / ours["seconds"]),
        "influxdb-client: records per second": round(records / best["seconds"]),
        "pasprobe / influxdb-client, records per second": best["seconds"] / ours["seconds"],
        "pasprobe: CPU per record (µs)": ours["cpu_s"] / records * 1e6,
        "influxdb-client: CPU per record (µs)": best["cpu_s"] / records * 1e6,
        "pasprobe: missing at the server": records - ours["there"],
        "influxdb-client: missing at the server": records - best["there"],
        "influxdb-client is at its best": "compressed"
        if best is results["client_gzip"]
        else "not compressed",
    }


def _outage(server: InfluxProcess) -> dict[str, float | str]:
    """All four feeders at once, so that they see the same outage."""
    before_s, outage_s, after_s = scaled(BEFORE_S, 3), scaled(OUTAGE_S, 10), scaled(AFTER_S, 5)
    feeders = ("spool", "client", "spool_killed", "client_killed")
    with tempfile.TemporaryDirectory(prefix="pp-forwarding-") as folder:

        def fed(name: str, first: int, seconds: float) -> _Feeder:
            job = f"feed_{name.removesuffix('_killed')}"
            return _Feeder(
                _start(
                    job,
                    server,
                    f"outage_{name}",
                    folder=f"{folder}/{name}",
                    first=first,
                    seconds=seconds,
                )
            )

        for name in feeders:
            server.order(f"create outage_{name}")
        total_s = before_s + outage_s + after_s
        running = {name: fed(name, 0, total_s) for name in feeders}
        begin = time.monotonic()
        _sleep_until(begin + before_s)
        server.order("stop")
        _sleep_until(begin + before_s + outage_s / 2)
        for name in feeders:
            if name.endswith("_killed"):
                last = running[name].kill()
                running[name] = fed(name, last + 1, total_s - (time.monotonic() - begin))
        _sleep_until(begin + before_s + outage_s)
        server.order("start")
        last_ones = {name: feeder.finish() for name, feeder in running.items()}
    lost = {name: last + 1 - server.count(f"outage_{name}") for name, last in last_ones.items()}
    print(json.dumps({"last": last_ones, "lost": lost}))
    return {
        "a minute's outage: records": last_ones["spool"] + 1,
        "a minute's outage: lost by pasprobe": lost["spool"],
        "a minute's outage: lost by influxdb-client": lost["client"],
        "a minute's outage and a kill: lost by pasprobe": lost["spool_killed"],
        "a minute's outage and a kill: lost by influxdb-client": lost["client_killed"],
    }


def _sleep_until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.monotonic()))


class _Feeder:
    """A feeding process and the number of the last record that it has handed over."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._last = -1
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):
                self._last = int(line)

    def kill(self) -> int:
        """SIGKILL; returns the number."""
        self._process.kill()
        return self._ended()

    def finish(self) -> int:
        """Wait until it has brought everything away, or given up."""
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._ended()

    def _ended(self) -> int:
        self._process.wait()
        self._reading.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._last


# What runs in the processes.


def _trains(first: int, count: int, templates: list[TrainRecord]) -> Iterator[TrainRecord]:
    for number in range(first, first + count):
        start_ns = FIRST_DAY_NS + number * 300_000_000
        yield train_at(templates[number % len(templates)], number % PATHS, start_ns)


def _templates() -> list[TrainRecord]:
    return [train for train, _ in made(TEMPLATES)]


def _target(told: dict[str, Any]) -> InfluxTarget:
    return InfluxTarget(told["url"], told["database"], token=told["token"])


def _timed(begin: float, cpu: float) -> None:
    took = {"seconds": time.monotonic() - begin, "cpu_s": time.process_time() - cpu}
    print(json.dumps(took), flush=True)


def spool_job(told: dict[str, Any]) -> None:
    """Bring a full spool to the server as fast as it goes."""
    with (
        tempfile.TemporaryDirectory(prefix="pp-forwarding-") as folder,
        Spool(Path(folder) / "spool.sqlite") as spool,
    ):
        spool.register(INFLUXDB)
        templates = _templates()
        for first in range(0, told["records"], 1_000):
            spool.append(_trains(first, min(1_000, told["records"] - first), templates))
        writer = InfluxWriter(_target(told))
        begin, cpu = time.monotonic(), time.process_time()
        forwarder = Forwarder(spool, writer.write, replay_rate=1e9)
        while forwarder.state.depth:
            time.sleep(forwarder.step())
        _timed(begin, cpu)
        writer.close()


def client_job(told: dict[str, Any]) -> None:
    """The same records as Points by the batching API, from flat rows that lie ready in memory."""
    from influxdb_client import InfluxDBClient, WriteOptions

    rows = [flatten(train) for train in _trains(0, told["records"], _templates())]
    begin, cpu = time.monotonic(), time.process_time()
    with (
        InfluxDBClient(
            told["url"], told["token"], org="-", enable_gzip=told["gzip"], timeout=60_000
        ) as client,
        client.write_api(WriteOptions(batch_size=BATCH)) as api,
    ):
        for first in range(0, len(rows), BATCH):
            points = [_point(row) for row in rows[first : first + BATCH]]
            api.write(told["database"], "-", points)
        # Leaving the block waits until everything was sent.
    _timed(begin, cpu)


def _point(row: dict[str, Any]) -> Any:
    from influxdb_client import Point

    point = Point("trains").time(row[TIME])
    for name, value in row.items():
        if name in TAGS["trains"]:
            if value:
                point.tag(name, value)
        elif name != TIME and value is not None:
            plain = isinstance(value, (int, str))
            point.field(name, value if plain else json.dumps(value, separators=(",", ":")))
    return point


def _fed(told: dict[str, Any]) -> Iterator[list[TrainRecord]]:
    """Batches at a steady pace; prints the last number after each was handed over."""
    templates, number = _templates(), told["first"]
    begin = time.monotonic()
    while (elapsed := time.monotonic() - begin) < told["seconds"]:
        due = told["first"] + int(elapsed * RATE) + 1 - number
        if due > 0:
            yield list(_trains(number, due, templates))
            number += due
            print(number - 1, flush=True)
        time.sleep(FEED_S)


def feed_spool_job(told: dict[str, Any]) -> None:
    """As the agent does it: appended here, forwarded by a thread."""
    done = threading.Event()
    folder = Path(told["folder"])
    folder.mkdir(exist_ok=True)
    with Spool(folder / "spool.sqlite") as spool:
        writer = InfluxWriter(_target(told))
        forwarder = Forwarder(spool, writer.write)

        def forward() -> None:
            while not (done.is_set() and forwarder.state.depth == 0):
                time.sleep(min(forwarder.step(), 0.5))

        thread = threading.Thread(target=forward)
        thread.start()
        for batch in _fed(told):
            spool.append(batch)
        done.set()
        thread.join()
        writer.close()


def feed_client_job(told: dict[str, Any]) -> None:
    """The batching API with its defaults; its close waits up to five minutes."""
    from influxdb_client import InfluxDBClient

    with InfluxDBClient(told["url"], told["token"], org="-") as client, client.write_api() as api:
        for batch in _fed(told):
            api.write(told["database"], "-", [_point(flatten(train)) for train in batch])


JOBS: Final = {
    "spool": spool_job,
    "client": client_job,
    "feed_spool": feed_spool_job,
    "feed_client": feed_client_job,
}

if __name__ == "__main__":
    JOBS[sys.argv[1]](json.loads(sys.argv[2]))
