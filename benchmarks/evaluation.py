"""The SLA engine at the size of a contract: 1,000 paths, 122 days, a train a minute.

Five agents of 200 paths each, their data directories read together. Every PAS has its window in one
of four time zones, half of them the normal and half the extended one. Measured is everything that
`pasprobe sla evaluate` takes from the stores (`analysis.store_traffic.survey`: sums of every path,
its gaps, the outages that trains saw) and the lines and penalties that come of it; from the trains,
then from the roll-ups.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import duckdb

from analysis.catalogue_rows import load_catalogue
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.gather import Sources, gather
from benchmarks.made_store import pas_name, path_name, stores
from inventory.clocks import day_bounds
from inventory.models import Configuration
from inventory.periods import parse_period

NAME = "evaluation"
GOALS: dict[str, tuple[str, float]] = {
    "evaluation from trains (s)": ("<=", 10),
    "evaluation from roll-ups (s)": ("<=", 2),
    "peak memory (GB)": ("<=", 2),
    "lines that differ between trains and roll-ups": ("==", 0),
}

AGENTS: Final = 5
ROUNDS: Final = 3
ZONES: Final = ("Europe/Rome", "Asia/Tokyo", "America/New_York", "Asia/Kolkata")
PERIOD: Final = parse_period("2026-3")
"""In which summer time ends in two of the zones."""


def run_once() -> dict[str, float | str]:
    """Generate, evaluate, compare."""
    with stores(AGENTS) as made:
        trains = sum(store.trains for store, _ in made)
        return _figures([folder for _, folder in made], trains, sum(s.paths for s, _ in made))


def _figures(folders: Sequence[Path], trains: int, paths: int) -> dict[str, float | str]:
    octets = {kind: _octets(folders, kind) for kind in ("trains", "rollups")}
    took: dict[bool, float] = {}
    found: dict[bool, Any] = {}
    peak = 0.0
    for from_trains in (True, False):
        # A process of its own each, so that the peak is that of one evaluation.
        with get_context("spawn").Pool(1) as pool:
            seconds, found[from_trains], memory = pool.apply(
                _measure, (folders, paths, from_trains)
            )
        took[from_trains] = seconds
        peak = max(peak, memory)
    return {
        "trains": trains,
        "paths": paths,
        "columns of a train": _columns(folders),
        "bytes per train": octets["trains"] / trains,
        "store, trains (GB)": octets["trains"] / 1e9,
        "store, roll-ups (GB)": octets["rollups"] / 1e9,
        "evaluation from trains (s)": took[True],
        "evaluation from roll-ups (s)": took[False],
        "peak memory (GB)": peak,
        "lines": len(found[True]),
        "lines that differ between trains and roll-ups": sum(
            one != other for one, other in zip(found[True], found[False], strict=True)
        ),
        "beside it": f"DuckDB {duckdb.__version__}",
    }


def _measure(
    folders: Sequence[Path], paths: int, from_trains: bool
) -> tuple[float, list[tuple[Any, ...]], float]:
    configuration = made_configuration(paths)
    catalogue = load_catalogue()
    as_of_ns = day_bounds(PERIOD.end, "UTC")[0] + 86_400 * 10**9

    def once() -> Any:
        inputs = gather(
            configuration,
            catalogue,
            PERIOD,
            Sources(store=folders),
            as_of_ns=as_of_ns,
            from_trains=from_trains,
        )
        return evaluate(inputs)

    seconds, result = _median(once)
    lines = [
        (line.service, line.pas, line.parameter, line.status, line.measured, line.penalty_eur)
        for line in result.lines
    ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return seconds, lines, peak


def _median(job: Callable[[], Any]) -> tuple[float, Any]:
    took = []
    for round_ in range(ROUNDS + 1):
        begin = time.monotonic()
        found = job()
        if round_:  # the first one fills the page cache
            took.append(time.monotonic() - begin)
    print(took)
    return statistics.median(took), found


def _octets(folders: Sequence[Path], kind: str) -> int:
    return sum(
        file.stat().st_size
        for folder in folders
        for file in (folder / "store" / kind).glob("*/*.parquet")
    )


def _columns(folders: Sequence[Path]) -> int:
    file = next((folders[0] / "store" / "trains").glob("*/*.parquet"))
    return len(duckdb.sql(f"SELECT * FROM '{file}' LIMIT 0").columns)


def made_configuration(paths: int) -> Configuration:
    """A contract whose every PAS has ip-base, with the paths of the made stores."""
    return Configuration.model_validate(
        {
            "contract": {
                "administration": "Benchmark",
                "country": "IT",
                "timezone": "Europe/Rome",
                "min_coverage": Decimal(90),
            },
            "pas": [
                {
                    "id": pas_name(number),
                    "country": "IT",
                    "timezone": ZONES[number % len(ZONES)],
                    "profile": "high",
                    "services": [
                        {
                            "id": "ip-base",
                            "level": "L3",
                            "window": "normal" if number // len(ZONES) % 2 else "extended",
                            "fee": "12000.00",
                            "start": "2025-01-01",
                            "bandwidth_mbps": 8,
                        }
                    ],
                }
                for number in range(paths)
            ],
            "path": [
                {
                    "id": path_name(number),
                    "pas": pas_name(number),
                    "service": "ip-base",
                    "target": "192.0.2.1",
                    "endpoint": "qxn",
                }
                for number in range(paths)
            ],
        }
    )
