"""The embedded store at its size: 200 paths, 122 days, a train a minute, 35 million trains.

The day files are written by DuckDB straight into the store's layout and columns; what is in them
are trains that the agent's own statistics made, varied in every delay, so that they compress as
real ones do. Then sums per path over a delivery window (08:00 to 20:00, Europe/Rome), from the
trains and from the roll-ups, beside bare DuckDB's grouping of the same files without any window.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.made_trains import DAY_NS, FIRST_DAY_NS, made
from benchmarks.scale import need_room, scaled
from timeseries import duck, store_files
from timeseries.codec import columns, encode
from timeseries.rollup import QUARTER_NS
from timeseries.window_sums import daily_intervals, window_sums

NAME = "embedded_scale"
GOALS: dict[str, tuple[str, float]] = {
    "sums over the window from trains / bare DuckDB": ("<=", 2.5),
    "sums over the window from roll-ups (s)": ("<=", 0.5),
    "paths whose sums differ between trains and roll-ups": ("==", 0),
    "paths whose sums over all time differ from bare DuckDB's": ("==", 0),
}

PATHS: Final = 200
DAYS: Final = 122
TRAINS_A_DAY: Final = PATHS * 24 * 60
TEMPLATES: Final = 2_000
ROW_GROUP: Final = 16_384
"""As the store's own compaction writes them."""
TRAIN_OCTETS: Final = 400
"""Of room for each."""
ROUNDS: Final = 3
ZONE: Final = "Europe/Rome"
MINUTE_NS: Final = 60_000_000_000


def run_once() -> dict[str, float | str]:
    """Generate, time, compare."""
    days = scaled(DAYS, 2)
    need_room(days * TRAINS_A_DAY * TRAIN_OCTETS)
    with tempfile.TemporaryDirectory(prefix="pp-embedded-") as name:
        folder = Path(name)
        begin = time.monotonic()
        _generate(folder, days)
        print(f"generated {days} days in {time.monotonic() - begin:.0f} s")
        return _figures(folder, days)


def _figures(folder: Path, days: int) -> dict[str, float | str]:
    files = sorted((folder / "store" / "trains").glob("*/*.parquet"))
    octets = sum(file.stat().st_size for file in files)
    rollup_files = (folder / "store" / "rollups").glob("*/*.parquet")
    rollup_octets = sum(file.stat().st_size for file in rollup_files)
    window = _window(days)
    jobs: dict[str, Callable[[], Any]] = {
        "bare": lambda: _bare(files),
        "trains": lambda: window_sums(folder, "trains", window),
        "rollups": lambda: window_sums(folder, "rollups", window),
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
    of_rollups = {(s.path, s.sent, s.received, s.within_limit) for s in found["rollups"]}
    of_trains = {(s.path, s.sent, s.received, s.within_limit) for s in found["trains"]}
    all_time = window_sums(folder, "trains", [(0, 2**62)])
    everything = {(s.path, s.sent, s.received, s.within_limit) for s in all_time}
    return {
        "trains": days * TRAINS_A_DAY,
        "days": days,
        "bytes per train": octets / days / TRAINS_A_DAY,
        "store, trains (GB)": octets / 1e9,
        "store, roll-ups (GB)": rollup_octets / 1e9,
        "bare DuckDB, all time (s)": bare,
        "sums over the window from trains (s)": trains,
        "sums over the window from trains / bare DuckDB": trains / bare,
        "sums over the window from roll-ups (s)": rollups,
        "packets sent in the window": sum(one.sent for one in found["trains"]),
        "paths whose sums differ between trains and roll-ups": len(of_trains ^ of_rollups),
        "paths whose sums over all time differ from bare DuckDB's": len(
            everything ^ set(found["bare"])
        ),
        "beside it": f"DuckDB {duckdb.__version__}",
    }


def _window(days: int) -> list[tuple[int, int]]:
    first = datetime.fromtimestamp(FIRST_DAY_NS / 1e9, UTC).date()
    # A day more at either end: local days begin at another instant than those of the store.
    begin, end = time_of_day(8), time_of_day(20)
    return daily_intervals(first - timedelta(days=1), days + 2, begin, end, ZONE)


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


def _generate(folder: Path, days: int) -> None:
    with duckdb.connect() as connection:
        for kind in ("trains", "rollups"):
            duck.create_table(connection, kind, kind)
        templates = made(TEMPLATES)
        rows = ((k, encode(train)[1]) for k, (train, _) in enumerate(templates))
        duck.insert(connection, "trains", "trains", rows)
        for number in range(days):
            first_id = 1 + number * TRAINS_A_DAY
            name = store_files.file_name(first_id, first_id + TRAINS_A_DAY - 1)
            day_ns = FIRST_DAY_NS + number * DAY_NS
            day = store_files.day_of(day_ns)
            places = {kind: folder / "store" / kind / day / name for kind in ("trains", "rollups")}
            for place in places.values():
                place.parent.mkdir(parents=True)
            source = f"({_trains_of_a_day(day_ns, first_id)})"
            duck.copy_to_parquet(connection, source, places["trains"], ROW_GROUP)
            connection.execute("DELETE FROM rollups")
            connection.execute(_rollups_of(places["trains"]))
            ordered = "(SELECT * FROM rollups ORDER BY start_ns, path)"
            duck.copy_to_parquet(connection, ordered, places["rollups"], ROW_GROUP)


def _trains_of_a_day(day_ns: int, first_id: int) -> str:
    """All paths each minute, in the order of time; every delay of a template moved a little."""
    path = f"(n % {PATHS})"
    replaced = {
        "spool_id": f"{first_id} + n",
        "path": f"printf('site-%03d/ip-base', {path})",
        "pas": f"printf('site-%03d', {path})",
        "target": f"'192.0.2.' || {path}",
        "address": f"'192.0.2.' || {path}",
        "start_ns": f"{day_ns} + (n // {PATHS}) * {MINUTE_NS} + {path} * {MINUTE_NS // PATHS}"
        " + (random() * 20000)::BIGINT",
    }
    moved = [
        name
        for name, sql in columns("trains")
        if sql == "BIGINT" and name.endswith("_ns") and name.startswith(("rtt_", "lateness"))
    ]
    replaced |= {name: f"t.{name} + (random() * 1000000)::BIGINT" for name in moved}
    listed = ", ".join(
        f'({made_by})::{_type(name)} AS "{name}"' for name, made_by in replaced.items()
    )
    return (
        f"SELECT t.* REPLACE ({listed}) FROM (SELECT range AS n FROM range({TRAINS_A_DAY})) AS r"
        f" JOIN trains AS t ON t.spool_id = (hash(n + {day_ns}) % {TEMPLATES})::BIGINT"
    )


def _type(name: str) -> str:
    return "BIGINT" if name == "spool_id" else dict(columns("trains"))[name]


def _rollups_of(file: Path) -> str:
    """Roll-ups of a day's trains: the sums exact, the histograms without their counts."""
    bins = "list_sort(list_distinct(flatten(list(rtt_histogram_bins))))"
    return (
        "INSERT INTO rollups BY NAME SELECT max(spool_id) AS spool_id, agent, path,"
        " any_value(pas) AS pas, any_value(service) AS service, '' AS peer, 'qxn' AS endpoint,"
        f" start_ns // {QUARTER_NS} * {QUARTER_NS} AS start_ns, count(*) AS planned,"
        " count(*) AS trains, count(*) FILTER (valid) AS valid, [] AS invalid_reasons,"
        " [] AS invalid_trains, sum(sent) AS sent, sum(received) AS received, sum(late) AS late,"
        " sum(duplicates) AS duplicates, sum(reordered) AS reordered,"
        " sum(rtt_within_limit) AS within_limit, max(limit_ns) AS limit_ns, 'rtt' AS limit_on,"
        " sum(rtt_ipdv_mean_ns) AS jitter_sum_ns, count(rtt_ipdv_mean_ns) AS jitter_count,"
        " 0 AS jitter_over_20ms, 0 AS jitter_over_40ms,"
        f" {bins} AS rtt_histogram_bins, {bins} AS rtt_histogram_counts,"
        " [] AS forward_histogram_bins, [] AS forward_histogram_counts,"
        " [] AS backward_histogram_bins, [] AS backward_histogram_counts,"
        " 0 AS one_way_received, NULL AS one_way_within_limit, 1 AS schema"
        f" FROM read_parquet({duck.literal(file)})"
        f" GROUP BY agent, path, start_ns // {QUARTER_NS}"
    )
