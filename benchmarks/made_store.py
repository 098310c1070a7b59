"""Stores of any size, written by DuckDB straight into the layout and columns of the real one.

In it are trains that the agent's own statistics made, varied in every delay, so that they compress
as real ones do; one train a minute and path. Files, row groups and compression are those that the
store's own compaction leaves: a file a day and kind.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.made_trains import DAY_NS, LIMIT_NS, PACKETS, made
from benchmarks.scale import need_room, scaled
from inventory.clocks import day_bounds
from timeseries import duck, merged_file, store_files
from timeseries.codec import columns, encode
from timeseries.records import PlanRecord
from timeseries.rollup import QUARTER_NS

MINUTE_NS: Final = 60_000_000_000
TEMPLATES: Final = 2_000
TRAIN_OCTETS: Final = 80
"""Of room for each, its share of a roll-up included."""
PATHS_EACH: Final = 200
FIRST_DAY: Final = date(2026, 9, 1)
DAYS: Final = 122
"""September to December, days of UTC."""


@dataclass(frozen=True, slots=True)
class MadeStore:
    """One agent's data directory: how big, and since when."""

    agent: str
    first_path: int
    """Paths are numbered over all agents."""
    paths: int
    first_day_ns: int
    """UTC midnight."""
    days: int

    @property
    def trains_a_day(self) -> int:
        """Of all paths together."""
        return self.paths * 24 * 60

    @property
    def trains(self) -> int:
        """In the whole store."""
        return self.days * self.trains_a_day


@contextlib.contextmanager
def stores(agents: int) -> Iterator[list[tuple[MadeStore, Path]]]:
    """Data directories of so many agents; $PASPROBE_BENCH_STORE keeps them for the next time."""
    first_ns = day_bounds(FIRST_DAY, "UTC")[0]
    listed = [
        MadeStore(f"agent-{number}", number * PATHS_EACH, PATHS_EACH, first_ns, scaled(DAYS, 2))
        for number in range(agents)
    ]
    kept = os.environ.get("PASPROBE_BENCH_STORE")
    with contextlib.ExitStack() as stack:
        place = Path(kept or stack.enter_context(tempfile.TemporaryDirectory(prefix="pp-store-")))
        place.mkdir(exist_ok=True)
        for store in listed:
            complete = place / f"{store.agent}-{store.trains}"
            if not complete.exists():
                need_room(store.trains * TRAIN_OCTETS)
                begin = time.monotonic()
                write(store, place / store.agent)
                complete.touch()
                print(f"generated {store.trains} trains in {time.monotonic() - begin:.0f} s")
        yield [(store, place / store.agent) for store in listed]


def path_name(number: int) -> str:
    """The id of a path."""
    return f"site-{number:04}/ip-base"


def pas_name(number: int) -> str:
    """The PAS that a path begins at."""
    return f"site-{number:04}"


def write(store: MadeStore, folder: Path, *, threads: int = 0) -> None:
    """Write it as the data directory `folder`: plans, trains, roll-ups.

    Raises duckdb.Error when the disk is full.
    """
    with duckdb.connect(config={"threads": threads} if threads else {}) as connection:
        connection.execute("SET enable_progress_bar = false")
        for kind in ("plans", "trains", "rollups"):
            duck.create_table(connection, kind, kind)
        _write_plans(connection, store, folder)
        rows = ((k, encode(train)[1]) for k, (train, _) in enumerate(made(TEMPLATES)))
        duck.insert(connection, "trains", "trains", rows)
        for number in range(store.days):
            _write_day(connection, store, folder, number)


def _write_plans(connection: Any, store: MadeStore, folder: Path) -> None:
    def plans() -> Iterator[tuple[int, str]]:
        for number in range(store.paths):
            there = store.first_path + number
            plan = PlanRecord(
                store.agent, path_name(there), store.first_day_ns, True, MINUTE_NS, PACKETS,
                LIMIT_NS, pas_name(there), "ip-base", "", "qxn", "icmp",
                f"192.0.2.{there % 250}", phase_ns=number * (MINUTE_NS // store.paths),
            )  # fmt: skip
            yield number + 1, encode(plan)[1]

    duck.insert(connection, "plans", "plans", plans())
    place = _place(folder, "plans", store.first_day_ns, 1, store.paths)
    merged_file.write(connection, "plans", "plans", place)


def _write_day(connection: Any, store: MadeStore, folder: Path, number: int) -> None:
    day_ns = store.first_day_ns + number * DAY_NS
    first_id = 1 + store.paths + number * store.trains_a_day
    last_id = first_id + store.trains_a_day - 1
    trains = _place(folder, "trains", day_ns, first_id, last_id)
    made_trains = _trains_of_a_day(store, day_ns, first_id)
    connection.execute(f"CREATE OR REPLACE TABLE day AS {made_trains}").fetchall()
    merged_file.write(connection, "trains", "day", trains)
    connection.execute("DELETE FROM rollups").fetchall()
    connection.execute(_rollups_of(trains)).fetchall()
    rollups = _place(folder, "rollups", day_ns, first_id, last_id)
    merged_file.write(connection, "rollups", "(SELECT * FROM rollups ORDER BY start_ns)", rollups)


def _place(folder: Path, kind: str, day_ns: int, first_id: int, last_id: int) -> Path:
    day = store_files.day_of(day_ns)
    place = folder / "store" / kind / day / store_files.file_name(first_id, last_id)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _trains_of_a_day(store: MadeStore, day_ns: int, first_id: int) -> str:
    """All paths each minute, in the order of time; every delay of a template moved a little."""
    path = f"({store.first_path} + n % {store.paths})"
    spread = MINUTE_NS // store.paths
    replaced = {
        "spool_id": f"{first_id} + n",
        "agent": duck.literal(store.agent),
        "path": f"printf('site-%04d/ip-base', {path})",
        "pas": f"printf('site-%04d', {path})",
        "target": f"'192.0.2.' || ({path} % 250)",
        "address": f"'192.0.2.' || ({path} % 250)",
        "start_ns": f"{day_ns} + (n // {store.paths}) * {MINUTE_NS}"
        f" + n % {store.paths} * {spread}"
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
        f"SELECT t.* REPLACE ({listed}) FROM (SELECT range AS n FROM range({store.trains_a_day}))"
        f" AS r JOIN trains AS t ON t.spool_id = (hash(n + {day_ns}) % {TEMPLATES})::BIGINT"
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
