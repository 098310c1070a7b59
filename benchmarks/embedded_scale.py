"""The embedded store at its size: 200 paths, 122 days, a train a minute, 35 million trains.

The day files are written by DuckDB straight into the store's layout and columns; what is in them
are trains that the agent's own statistics made, varied in every delay, so that they compress as
real ones do. Then sums per path over a delivery window (08:00 to 20:00, Europe/Rome), from the
trains and from the roll-ups, beside bare DuckDB's grouping of the same files without any window.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.made_store import FIRST_DAY, PATHS_EACH, MadeStore, path_name, stores
from benchmarks.made_trains import DAY_NS, LIMIT_NS
from inventory.clocks import openings
from timeseries import duck
from timeseries.period_sums import Kind, Piece, Wanted, period_sums

NAME = "embedded_scale"
GOALS: dict[str, tuple[str, float]] = {
    "sums over the window from trains / bare DuckDB": ("<=", 2.5),
    "sums over the window from roll-ups (s)": ("<=", 0.5),
    "paths whose sums differ between trains and roll-ups": ("==", 0),
    "paths whose sums over all time differ from bare DuckDB's": ("==", 0),
}

ROUNDS: Final = 3
ZONE: Final = "Europe/Rome"


def run_once() -> dict[str, float | str]:
    """Generate, time, compare."""
    with stores(1) as [(store, folder)]:
        return _figures(folder, store)


def _figures(folder: Path, store: MadeStore) -> dict[str, float | str]:
    files = sorted((folder / "store" / "trains").glob("*/*.parquet"))
    octets = sum(file.stat().st_size for file in files)
    rollup_files = (folder / "store" / "rollups").glob("*/*.parquet")
    rollup_octets = sum(file.stat().st_size for file in rollup_files)
    window = _window(store.days)
    all_time = ((store.first_day_ns, store.first_day_ns + store.days * DAY_NS, ""),)
    jobs: dict[str, Callable[[], Any]] = {
        "bare": lambda: _bare(files),
        "trains": lambda: _sums(folder, "trains", window),
        "rollups": lambda: _sums(folder, "rollups", window),
    }
    took: dict[str, list[float]] = {name: [] for name in jobs}
    found: dict[str, Any] = {}
    for round_ in range(ROUNDS + 1):
        for name, job in jobs.items():
            begin = time.monotonic()
            found[name] = job()
            if round_:  # the first one fills the page cache
                took[name].append(time.monotonic() - begin)
    print(took)
    bare, trains, rollups = (statistics.median(took[name]) for name in jobs)
    return {
        "trains": store.trains,
        "days": store.days,
        "bytes per train": octets / store.trains,
        "store, trains (GB)": octets / 1e9,
        "store, roll-ups (GB)": rollup_octets / 1e9,
        "bare DuckDB, all time (s)": bare,
        "sums over the window from trains (s)": trains,
        "sums over the window from trains / bare DuckDB": trains / bare,
        "sums over the window from roll-ups (s)": rollups,
        "packets sent in the window": sum(sent for _, sent, _, _ in found["trains"]),
        "paths whose sums differ between trains and roll-ups": len(
            found["trains"] ^ found["rollups"]
        ),
        "paths whose sums over all time differ from bare DuckDB's": len(
            _sums(folder, "trains", all_time) ^ set(found["bare"])
        ),
        "beside it": f"DuckDB {duckdb.__version__}",
    }


def _window(days: int) -> tuple[Piece, ...]:
    # A day more at either end: local days begin at another instant than those of the store.
    begin, end = FIRST_DAY - timedelta(days=1), FIRST_DAY + timedelta(days=days + 1)
    return tuple((*opening, "") for opening in openings("normal", ZONE, begin, end))


def _sums(folder: Path, kind: Kind, pieces: tuple[Piece, ...]) -> set[tuple[str, int, int, int]]:
    wanted = [Wanted(path_name(number), pieces, LIMIT_NS) for number in range(PATHS_EACH)]
    found = period_sums(folder, kind, wanted).sums.values()
    return {(one.path, one.sent, one.received, one.within_limit) for one in found}


def _bare(files: Sequence[Path]) -> list[tuple[Any, ...]]:
    listed = ", ".join(duck.literal(file) for file in files)
    connection = duckdb.connect()
    try:
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT path, sum(sent), sum(received), sum(rtt_within_limit)"
            f" FROM read_parquet([{listed}]) GROUP BY path"
        ).fetchall()
        return rows
    finally:
        connection.close()
