"""The part of the embedded store that needs DuckDB: a process of its own that ends with its job.

DuckDB would stay in the agent's memory with some 70 MB; here it is gone after a second. Called by
`timeseries.embedded` as `python -m timeseries.embedded_writer`, job as JSON on standard input,
result as JSON on standard output, an error as one line on standard error with exit status 3.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from timeseries import duck, merged_file, store_files
from timeseries.codec import KINDS, decode, encode, load_row
from timeseries.device_rollup import device_rollups
from timeseries.errors import DamagedRecordError, DiskFullError, StoreError
from timeseries.reader import EmbeddedReader
from timeseries.records import (
    DeviceRollupRecord,
    DeviceSampleRecord,
    PlanRecord,
    RollupRecord,
    TrainRecord,
)
from timeseries.retention import Retention
from timeseries.rollup import QUARTER_NS, rollup
from timeseries.seal_manifest import sealed_days
from timeseries.seal_writer import Order, Sealed, seal_days
from timeseries.spool_file import SPOOL_NAME, translated
from timeseries.spool_tail import EMBEDDED, Tail, open_tail
from timeseries.store_files import DAY_NS, STORE_NAME, StoreFile

MEMORY = "96MB"
_ROW_GROUP = 2_048
_PATHS_AT_ONCE = 200
_DEVICES_AT_ONCE = 5
"""A switch of 48 ports has 8,000 samples in a quarter of an hour."""

FAILED, FAILED_FOR_ROOM = 3, 4
"""Exit statuses of a StoreError and of a DiskFullError."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Hold the store: a writer that outlived its agent ends before the next one begins."""
    store.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(store / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        store_files.remove_leftovers(store)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _duckdb() -> Iterator[Any]:
    with (
        tempfile.TemporaryDirectory(prefix="pasprobe-write-") as spill,
        duck.connected(threads=1, memory=MEMORY, spill=Path(spill), lean=True) as connection,
    ):
        yield connection


def flush(data_dir: Path, first_id: int, last_id: int) -> dict[str, Any]:
    """Write the pending id range of the spool to its files, one a kind and day.

    Writing it again gives the same files. A range that is no longer pending is left alone: this
    process was late and another has done it.
    """
    store = data_dir / STORE_NAME
    with _alone(store), open_tail(data_dir / SPOOL_NAME) as tail:
        if tail.pending(EMBEDDED) != (first_id, last_id):
            return {"records": 0, "files": 0, "unreadable": 0}
        with _duckdb() as connection:
            return _write(connection, tail, store, first_id, last_id)


def _write(connection: Any, tail: Tail, store: Path, first_id: int, last_id: int) -> dict[str, Any]:
    records = files = 0
    unreadable: list[str] = []

    def readable(rows: Iterator[tuple[int, str, int, str]]) -> Iterator[tuple[int, str]]:
        for id_, kind, _, payload in rows:
            try:
                load_row(kind, payload)
            except DamagedRecordError:
                unreadable.append(json.dumps({"id": id_, "kind": kind, "payload": payload}))
            else:
                yield id_, payload

    name = store_files.file_name(first_id, last_id)
    rows = tail.range_rows(first_id, last_id)
    for (kind, day), group in groupby(rows, lambda row: (row[1], store_files.day_of(row[2]))):
        if kind not in KINDS:
            raise StoreError(
                f"the spool holds records of an unknown kind {kind!r}: update pasprobe"
            )
        duck.create_table(connection, kind, "batch")
        count = duck.insert(connection, kind, "batch", readable(group))
        if count:
            with store_files.written_aside(store / kind / day / name) as aside:
                duck.copy_to_parquet(connection, "batch", aside, _ROW_GROUP)
            records += count
            files += 1
    if unreadable:
        kept = store / f"unreadable-{first_id}-{last_id}.ndjson"
        with store_files.written_aside(kept) as aside:
            aside.write_text("\n".join(unreadable) + "\n")
    return {"records": records, "files": files, "unreadable": len(unreadable)}


def compact(data_dir: Path, before_day: str, merges: int) -> dict[str, Any]:
    """Merge the files of up to `merges` folders of days before `before_day` into one each.

    Sealed days are left as they are. A folder that cannot be merged is a line in `problems`.
    """
    store = data_dir / STORE_NAME
    merged = damaged = 0
    problems: list[str] = []
    with _alone(store), open_tail(data_dir / SPOOL_NAME) as tail:
        cursor = 2**63 if tail.cursor is None else tail.cursor
        sealed = sealed_days(store)
        folders = [
            store / kind / day
            for kind in KINDS
            for day in store_files.days(store, kind)
            if day < before_day and day not in sealed
        ]
        for folder in folders:
            if merged >= merges:
                break
            try:
                done, lost = _merge(folder, cursor)
            except DiskFullError:
                raise
            except (StoreError, OSError) as error:
                if isinstance(error, OSError) and error.errno in _NO_ROOM:
                    raise
                problems.append(f"{folder} is not merged: {error}")
            else:
                merged += done
                damaged += lost
    return {"merged": merged, "damaged": damaged, "problems": problems}


def _merge(folder: Path, cursor: int) -> tuple[bool, int]:
    """Merge one folder; returns (whether there was something to do, damaged files set aside)."""
    listed = store_files.all_files(folder)
    current = store_files.without_merged(listed)
    for file in listed:
        if file not in current:  # a merge was killed before it could delete these
            file.path.unlink()
    # Beyond the cursor a flush may still write the same name again.
    files = [file for file in current if file.last_id <= cursor]
    if len(files) < 2:
        return False, 0
    damaged = duck.unreadable(file.path for file in files)
    for path in damaged:
        store_files.set_aside(path)
    files = [file for file in files if file.path not in damaged]
    if len(files) >= 2:
        _write_merged(folder, files)
    return True, len(damaged)


def _write_merged(folder: Path, files: list[StoreFile]) -> None:
    name = store_files.file_name(files[0].first_id, max(file.last_id for file in files))
    source = duck.parquet([file.path for file in files])
    with _duckdb() as connection, store_files.written_aside(folder / name) as aside:
        merged_file.write(connection, folder.parent.name, f"(SELECT * FROM {source})", aside)
        (before,) = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
        (after,) = connection.execute(f"SELECT count(*) FROM {duck.parquet([aside])}").fetchone()
        if before != after:
            raise StoreError(f"merging {folder}: {before} records became {after}, nothing changed")
    for file in files:
        file.path.unlink()


def seal(
    data_dir: Path, agent: str, now_ns: int, before_day: str, kept: Retention, most: int
) -> Sealed:
    """Seal up to `most` complete days before `before_day`, and delete what is over its time."""
    store = data_dir / STORE_NAME
    with _alone(store):
        with open_tail(data_dir / SPOOL_NAME) as tail:
            cursor = tail.cursor
            incomplete = _incomplete_days(tail)
        if cursor is None:
            return Sealed()
        return seal_days(data_dir, Order(agent, now_ns, before_day, kept, most), cursor, incomplete)


def _incomplete_days(tail: Tail) -> set[str]:
    """Days of which records wait in the spool, or whose roll-ups are still to be derived."""
    if tail.connection is None or tail.cursor is None:
        return set()
    with translated(tail.path, "looking for days that are not complete"):
        found = tail.connection.execute(
            "SELECT DISTINCT start_ns / ?1 FROM spooled WHERE id > ?2"
            " UNION SELECT quarter_ns / ?1 FROM due",
            (DAY_NS, tail.cursor),
        ).fetchall()
    return {store_files.day_of(day * DAY_NS) for (day,) in found}


def roll_up(data_dir: Path, due: list[tuple[str, int, bool, str]]) -> dict[str, Any]:
    """Roll-ups, as the spool's (kind, payload), of these (path or device, quarter, spooled, kind).

    Where all trains of a quarter are still in the spool, DuckDB is not needed: that is the case
    as long as the agent rolls up before it flushes, and takes a tenth of the memory.
    """
    payloads: list[tuple[str, str]] = []
    damaged = 0
    with _alone(data_dir / STORE_NAME):
        for (quarter_ns, spooled, kind), group in groupby(
            sorted(due, key=lambda item: (item[1], item[2], item[3], item[0])),
            lambda item: item[1:],
        ):
            names = [name for name, *_ in group]
            rolled: Sequence[RollupRecord | DeviceRollupRecord]
            if spooled and kind == "rollups":
                rolled = _from_spool(data_dir, set(names), quarter_ns)
            elif spooled:
                rolled = _devices_from_spool(data_dir, set(names), quarter_ns)
            else:
                reader = EmbeddedReader(data_dir, threads=1, memory=MEMORY)
                from_store = _from_store if kind == "rollups" else _devices_from_store
                rolled = from_store(reader, names, quarter_ns)
                for file in reader.damaged:
                    if file.suffix == ".parquet":  # the spool's rows are the flush's business
                        store_files.set_aside(file)
                        damaged += 1
            payloads += map(encode, rolled)
    return {"payloads": payloads, "damaged": damaged}


def _stored_plans(reader: EmbeddedReader, paths: Iterable[str]) -> dict[str, list[PlanRecord]]:
    """All plans of these paths."""
    found: dict[str, list[PlanRecord]] = {}
    for plan in reader.plans(list(paths)):
        found.setdefault(plan.path, []).append(plan)
    return found


def _spooled_plans(
    data_dir: Path, tail: Tail, paths: Iterable[str], quarter_ns: int
) -> dict[str, list[PlanRecord]]:
    """The plans of these paths for a quarter; from the store where the spool does not reach it."""
    found = {
        path: [
            plan
            for plan in (decode("plans", payload) for payload in tail.plans(path))
            if isinstance(plan, PlanRecord)
        ]
        for path in paths
    }
    older = [path for path, plans in found.items() if not plans or plans[0].start_ns > quarter_ns]
    if older:
        found |= _stored_plans(EmbeddedReader(data_dir, threads=1, memory=MEMORY), older)
    return found


def _from_spool(data_dir: Path, paths: set[str], quarter_ns: int) -> list[RollupRecord]:
    """Roll-ups of a quarter whose trains are all in the spool, one path in memory at a time."""
    rolled = []
    with open_tail(data_dir / SPOOL_NAME) as tail:
        plans = _spooled_plans(data_dir, tail, paths, quarter_ns)
        for path, payloads in tail.by_path("trains", quarter_ns, quarter_ns + QUARTER_NS):
            if path in paths:
                # A train that was spooled twice is one train; the newer row holds.
                trains = {
                    (train.agent, train.start_ns): train
                    for train in (decode("trains", payload) for payload in payloads)
                    if isinstance(train, TrainRecord)
                }
                rolled.append(rollup(trains.values(), plans.get(path, []), quarter_ns, path))
    return rolled


def _from_store(reader: EmbeddedReader, paths: list[str], quarter_ns: int) -> list[RollupRecord]:
    """Roll-ups of a quarter of which some trains are in the files already."""
    rolled = []
    plans = _stored_plans(reader, paths)
    for first in range(0, len(paths), _PATHS_AT_ONCE):
        some = paths[first : first + _PATHS_AT_ONCE]
        trains: dict[str, list[TrainRecord]] = {}
        for train in reader.trains(some, quarter_ns, quarter_ns + QUARTER_NS):
            trains.setdefault(train.path, []).append(train)
        # A path without any: its trains were dropped for want of room.
        rolled += [
            rollup(mine, plans.get(path, []), quarter_ns, path) for path, mine in trains.items()
        ]
    return rolled


def _devices_from_spool(
    data_dir: Path, devices: set[str], quarter_ns: int
) -> list[DeviceRollupRecord]:
    """The same of devices, one device in memory at a time."""
    rolled = []
    with open_tail(data_dir / SPOOL_NAME) as tail:
        found = tail.by_path("device_samples", quarter_ns, quarter_ns + QUARTER_NS)
        for device, payloads in found:
            if device in devices:
                samples = (decode("device_samples", payload) for payload in payloads)
                mine = [one for one in samples if isinstance(one, DeviceSampleRecord)]
                rolled += device_rollups(mine, quarter_ns)
    return rolled


def _devices_from_store(
    reader: EmbeddedReader, devices: list[str], quarter_ns: int
) -> list[DeviceRollupRecord]:
    rolled = []
    for first in range(0, len(devices), _DEVICES_AT_ONCE):
        some = devices[first : first + _DEVICES_AT_ONCE]
        samples = reader.device_samples(some, quarter_ns, quarter_ns + QUARTER_NS)
        rolled += device_rollups(samples, quarter_ns)
    return rolled


def main() -> int:
    """Do the job on standard input."""
    os.nice(10)  # the probe's schedule goes before
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the agent, which waits for this
    job = json.load(sys.stdin)
    data_dir = Path(job["data_dir"])
    try:
        if job["job"] == "flush":
            result = flush(data_dir, job["first_id"], job["last_id"])
        elif job["job"] == "compact":
            result = compact(data_dir, job["before_day"], job["merges"])
        elif job["job"] == "seal":
            kept = Retention(**job["retention"])
            sealed = seal(
                data_dir, job["agent"], job["now_ns"], job["before_day"], kept, job["most"]
            )
            result = asdict(sealed)
        else:
            result = roll_up(data_dir, [tuple(item) for item in job["due"]])
    except DiskFullError as error:
        print(error, file=sys.stderr)
        return FAILED_FOR_ROOM
    except StoreError as error:
        print(error, file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"store {data_dir / STORE_NAME}: {error}", file=sys.stderr)
        return FAILED_FOR_ROOM if error.errno in _NO_ROOM else FAILED
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
