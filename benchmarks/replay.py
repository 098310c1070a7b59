"""An outage of a week: the trains of 200 paths wait in the spool until the server is back.

The forwarder runs in a process of its own, with its usual rate limit, while new trains go on at the
pace of 200 paths. It tells what it sent when, in which order, and what memory it took; what arrived
is counted at the server. `python -m benchmarks.replay JOB ...` is one of these processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

from benchmarks.hosts import ROOT
from benchmarks.influx_server import influx, influxd_version
from benchmarks.made_trains import FIRST_DAY_NS, made, train_at
from benchmarks.scale import need_room, scaled
from timeseries.forwarder import INFLUXDB, Forwarder
from timeseries.influx import Accepted, Answer, InfluxTarget, InfluxWriter
from timeseries.spool import Spool

NAME = "replay"
PATHS: Final = 200
MINUTES: Final = 7 * 24 * 60
RATE_LIMIT: Final = 5_000.0
MINUTE_NS: Final = 60_000_000_000
LIVE_NS: Final = FIRST_DAY_NS + 100 * 86_400 * 1_000_000_000
"""Trains from here on are the new ones."""
LIVE_EVERY_S: Final = 3.0
TEMPLATES: Final = 500
APPEND: Final = 1_000
RECORD_OCTETS: Final = 4_000
"""Of room for each on the disk: in the spool and at the server, with what compaction needs."""

GOALS: dict[str, tuple[str, float]] = {
    "missing at the server": ("==", 0),
    "sent out of order": ("==", 0),
    "replayed per second / limit": ("<=", 1.02),
    "memory growth after the first tenth (MB)": ("<=", 10),
}


def run_once() -> dict[str, float | str]:
    """Fill a spool, replay it, count."""
    minutes = scaled(MINUTES, 150)
    waiting = minutes * PATHS
    need_room(waiting * RECORD_OCTETS)
    with tempfile.TemporaryDirectory(prefix="pp-replay-") as folder, influx() as server:
        server.order("create week")
        told = {
            "folder": folder, "minutes": minutes, "url": server.url, "token": server.token,
            "database": "week",
        }  # fmt: skip
        filled = _run("fill", told)
        done = _run("forward", told)
        there = server.count("week")
    print(json.dumps({"fill": filled, "forward": done, "there": there}))
    return {
        "records waiting": waiting,
        "spool (MB)": filled["octets"] / 1e6,
        "replay took (s)": done["seconds"],
        "at the limit it would take (s)": waiting / RATE_LIMIT,
        "replayed per second / limit": waiting / done["seconds"] / RATE_LIMIT,
        "sent out of order": done["out_of_order"],
        "new records meanwhile": done["live"],
        "new records: median wait (s)": done["live_wait_median_s"],
        "new records: longest wait (s)": done["live_wait_most_s"],
        "missing at the server": waiting + done["live"] - there,
        "CPU per record (µs)": done["cpu_s"] / waiting * 1e6,
        "memory at the start (MB)": done["rss_start"] / 1e6,
        "memory in the first tenth, at most (MB)": done["rss_tenth"] / 1e6,
        "memory after it, at most (MB)": done["rss_rest"] / 1e6,
        "memory growth after the first tenth (MB)": max(0, done["rss_rest"] - done["rss_tenth"])
        / 1e6,
        "server": influxd_version(),
    }


def _run(job: str, told: dict[str, Any]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.replay", job, json.dumps(told)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    result: dict[str, float] = json.loads(done.stdout)
    return result


# What runs in the processes.


def fill(told: dict[str, Any]) -> dict[str, float]:
    """All trains of the outage, by minute, as the agent spools them."""
    templates = [train for train, _ in made(TEMPLATES)]
    path = Path(told["folder"]) / "spool.sqlite"
    with Spool(path, limit_bytes=1 << 40) as spool:
        spool.register(INFLUXDB)
        number = 0
        batch = []
        for minute in range(told["minutes"]):
            for n in range(PATHS):
                # Each path has its phase within the minute.
                start_ns = FIRST_DAY_NS + minute * MINUTE_NS + n * (MINUTE_NS // PATHS)
                batch.append(train_at(templates[number % TEMPLATES], n, start_ns))
                number += 1
            if len(batch) >= APPEND:
                spool.append(batch)
                batch.clear()
        spool.append(batch)
    return {"octets": path.stat().st_size}


def forward(told: dict[str, Any]) -> dict[str, float]:
    """Everything to the server, and what is new beside it."""
    out_of_order = 0
    last_ns = 0
    replayed = 0
    appended: dict[int, float] = {}
    waits: deque[float] = deque()
    target = InfluxTarget(told["url"], told["database"], token=told["token"])
    writer = InfluxWriter(target)

    def write(body: bytes) -> Answer:
        nonlocal out_of_order, last_ns, replayed
        answer = writer.write(body)
        if isinstance(answer, Accepted):
            now = time.monotonic()
            for line in body.split(b"\n"):
                start_ns = int(line[line.rindex(b" ") + 1 :])
                if start_ns >= LIVE_NS:
                    waits.append(now - appended[start_ns])
                else:
                    replayed += 1
                    out_of_order += start_ns < last_ns
                    last_ns = start_ns
        return answer

    ended = threading.Event()
    with Spool(Path(told["folder"]) / "spool.sqlite", limit_bytes=1 << 40) as spool:
        waiting = spool.depth(INFLUXDB)
        forwarder = Forwarder(spool, write, replay_rate=RATE_LIMIT)

        def feed() -> None:
            templates = [train for train, _ in made(10, seed=2)]
            each = round(PATHS * LIVE_EVERY_S / 60)
            while not ended.wait(LIVE_EVERY_S):
                batch = [
                    train_at(templates[k], k, LIVE_NS + len(appended) + k) for k in range(each)
                ]
                for train in batch:
                    appended[train.start_ns] = time.monotonic()
                spool.append(batch)

        feeder = threading.Thread(target=feed)
        rss_start = _memory("VmRSS")
        _reset_peak()
        begin, cpu = time.monotonic(), time.process_time()
        feeder.start()
        rss_tenth = 0
        while replayed < waiting:
            time.sleep(forwarder.step())
            if not rss_tenth and replayed >= waiting / 10:
                rss_tenth = _memory("VmHWM")
                _reset_peak()
        took, cpu_s = time.monotonic() - begin, time.process_time() - cpu
        rss_rest = _memory("VmHWM")
        ended.set()
        feeder.join()
        while forwarder.state.depth:
            time.sleep(forwarder.step())
    writer.close()
    ordered = sorted(waits) or [0.0]
    return {
        "seconds": took, "cpu_s": cpu_s, "out_of_order": out_of_order, "live": len(appended),
        "live_wait_median_s": ordered[len(ordered) // 2], "live_wait_most_s": ordered[-1],
        "rss_start": rss_start, "rss_tenth": rss_tenth, "rss_rest": rss_rest,
    }  # fmt: skip


def _memory(what: str) -> int:
    """VmRSS or VmHWM (its peak) of this process, octets."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {what}")


def _reset_peak() -> None:
    """VmHWM starts again from what is in use (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


JOBS: Final = {"fill": fill, "forward": forward}

if __name__ == "__main__":
    json.dump(JOBS[sys.argv[1]](json.loads(sys.argv[2])), sys.stdout)
