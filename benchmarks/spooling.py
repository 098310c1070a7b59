"""Spooling: CPU of a train on its way into the spool, in the batches that the agent appends.

The agent appends once a second what has ended meanwhile: 3 or 4 trains with 200 paths, 16 or 17
with 1,000, each batch with an fsync. Counted is the CPU time of the process (user and system),
amortised over the trains, with and without the single packets, and with the deletion of what every
store has by then.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.made_trains import FIRST_DAY_NS, made, sample_at, train_at
from benchmarks.scale import scaled
from timeseries.records import Record
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME

NAME = "spooling"
GOALS: dict[str, tuple[str, float]] = {
    "200 paths: CPU per train (ms)": ("<=", 0.3),
    "1,000 paths: CPU per train (ms)": ("<=", 0.3),
}

SECONDS: Final = 900
"""Appends of a quarter of an hour: then the stores take it, and it is deleted."""
SECOND_NS: Final = 1_000_000_000
TEMPLATES: Final = 200
SINKS: Final = ("embedded", "influxdb")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a quarter of an hour took."""

    trains: int
    append_s: float
    """CPU."""
    delete_s: float
    """CPU."""
    waits_s: Sequence[float]
    """Of each append, by the clock."""


def run_once() -> dict[str, float | str]:
    """A quarter of an hour of 200 and of 1,000 paths."""
    figures: dict[str, float | str] = {}
    for paths, seconds in ((200, scaled(SECONDS, 60)), (1_000, scaled(SECONDS, 60))):
        alone = _spooled(paths, seconds, samples=False)
        both = _spooled(paths, seconds, samples=True)
        print(f"{paths} paths: {alone.trains} trains: {alone}, {both}")
        name = f"{paths:,} paths"
        figures |= {
            f"{name}: CPU per train (ms)": (alone.append_s + alone.delete_s) / alone.trains * 1e3,
            f"{name}: of it deletion (ms)": alone.delete_s / alone.trains * 1e3,
            f"{name}: CPU per train with its packets (ms)": (both.append_s + both.delete_s)
            / both.trains
            * 1e3,
            f"{name}: an append, median by the clock (ms)": statistics.median(both.waits_s) * 1e3,
            f"{name}: an append, longest (ms)": max(both.waits_s) * 1e3,
        }
    return figures


def _spooled(paths: int, seconds: int, *, samples: bool) -> Cost:
    templates = made(TEMPLATES)
    trains = 0
    append_s = 0.0
    waits = []
    with (
        tempfile.TemporaryDirectory(prefix="pp-spooling-") as folder,
        Spool(Path(folder) / SPOOL_NAME) as spool,
    ):
        for sink in SINKS:
            spool.register(sink)
        for second in range(seconds):
            batch: list[Record] = []
            for number in range(paths * second // 60, paths * (second + 1) // 60):
                train, sample = templates[number % TEMPLATES]
                start_ns = FIRST_DAY_NS + second * SECOND_NS + number
                batch.append(train_at(train, number % paths, start_ns))
                if samples:
                    batch.append(sample_at(sample, number % paths, start_ns))
                trains += 1
            cpu, begin = time.process_time(), time.monotonic()
            spool.append(batch)
            waits.append(time.monotonic() - begin)
            append_s += time.process_time() - cpu
        cpu = time.process_time()
        for sink in SINKS:
            spool.advance(sink, spool.last_id)
        delete_s = time.process_time() - cpu
        if spool.read(0, 1):
            raise RuntimeError("the spool kept what every store has")
    return Cost(trains, append_s, delete_s, waits)
