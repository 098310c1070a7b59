"""Reading records back: what every store can be asked, and the embedded store's reader.

The embedded reader merges Parquet files with the tail that is still in the spool, while the agent
writes. Each call sees one consistent state. One identity (`codec.IDENTITY`) appears once, in its
newest revision. Damaged files are left out, named in `damaged` and logged.
"""

from __future__ import annotations

import logging
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from timeseries import duck, store_files
from timeseries.codec import IDENTITY, KINDS, SUBJECT, load_row, unflatten
from timeseries.errors import DamagedRecordError, StoreError
from timeseries.records import (
    DeviceEventRecord,
    DeviceRollupRecord,
    DeviceSampleRecord,
    PlanRecord,
    Record,
    RollupRecord,
    SampleRecord,
    TrainRecord,
)
from timeseries.spool_file import SPOOL_NAME
from timeseries.spool_tail import Tail, open_tail
from timeseries.store_files import DAY_NS, STORE_NAME

log = logging.getLogger(__name__)

FOREVER_NS = 2**63 - 1
_FETCH_ROWS = 500
_DAY_IN_ONE_BYTES = 32 << 20
"""A day with bigger files is read by the hour: sorting it must fit into memory."""

Paths = str | Collection[str] | None
"""One path, several, or all (None)."""
Only = Mapping[str, Collection[str]]
"""Column -> the values that are wanted of it; the others are not read at all."""


@dataclass(frozen=True, slots=True)
class PathSummary:
    """Sums over the trains of one path since an instant; packet counters are of valid trains."""

    agent: str
    path: str
    pas: str
    service: str
    trains: int
    valid: int
    sent: int
    received: int
    lost: int
    late: int
    within_limit: int | None
    """None when no train was judged by a round-trip limit."""
    jitter_sum_ns: int
    """Sum of `ipdv_mean_ns`; with `jitter_count` the mean jitter."""
    jitter_count: int
    local_drops: int
    """Of all trains, valid or not."""
    lateness_max_ns: int
    last_start_ns: int


class Reader(ABC):
    """What a store can be asked; times are UTC ns, [from_ns, to_ns) by the start of the record.

    Records come by start time. Raises `StoreError`, `SchemaError` for records of a newer pasprobe.
    """

    @abstractmethod
    def _records(
        self, kind: str, subject: Paths, from_ns: int, to_ns: int, only: Only | None = None
    ) -> Iterator[Record]:
        """Records of a kind, each once and in its newest revision."""

    def trains(
        self, path: Paths = None, from_ns: int = 0, to_ns: int = FOREVER_NS
    ) -> Iterator[TrainRecord]:
        """Trains."""
        return cast(Iterator[TrainRecord], self._records("trains", path, from_ns, to_ns))

    def samples(
        self, path: Paths = None, from_ns: int = 0, to_ns: int = FOREVER_NS
    ) -> Iterator[SampleRecord]:
        """The single packets of trains."""
        return cast(Iterator[SampleRecord], self._records("samples", path, from_ns, to_ns))

    def plans(
        self, path: Paths = None, from_ns: int = 0, to_ns: int = FOREVER_NS
    ) -> Iterator[PlanRecord]:
        """Plans that begin in the time; the one in force at `from_ns` may be older."""
        return cast(Iterator[PlanRecord], self._records("plans", path, from_ns, to_ns))

    def rollups(
        self, path: Paths = None, from_ns: int = 0, to_ns: int = FOREVER_NS
    ) -> Iterator[RollupRecord]:
        """Quarter-hour roll-ups."""
        return cast(Iterator[RollupRecord], self._records("rollups", path, from_ns, to_ns))

    def device_samples(
        self, device: Paths = None, from_ns: int = 0, to_ns: int = FOREVER_NS
    ) -> Iterator[DeviceSampleRecord]:
        """What was asked of devices, poll by poll."""
        found = self._records("device_samples", device, from_ns, to_ns)
        return cast(Iterator[DeviceSampleRecord], found)

    def device_rollups(
        self,
        device: Paths = None,
        from_ns: int = 0,
        to_ns: int = FOREVER_NS,
        *,
        only: Only | None = None,
    ) -> Iterator[DeviceRollupRecord]:
        """Their quarter-hour roll-ups; `only`: by figure, instance."""
        found = self._records("device_rollups", device, from_ns, to_ns, only)
        return cast(Iterator[DeviceRollupRecord], found)

    def device_events(
        self, device: Paths = None, from_ns: int = 0, to_ns: int = FOREVER_NS
    ) -> Iterator[DeviceEventRecord]:
        """States of devices that began or ended."""
        found = self._records("device_events", device, from_ns, to_ns)
        return cast(Iterator[DeviceEventRecord], found)

    @abstractmethod
    def last_trains(self, from_ns: int = 0) -> list[TrainRecord]:
        """The newest train of each path that has one since `from_ns`."""

    @abstractmethod
    def summary_since(self, from_ns: int) -> list[PathSummary]:
        """Sums of each path that has trains since `from_ns`."""

    @abstractmethod
    def paths(self, kind: str = "trains", from_ns: int = 0, to_ns: int = FOREVER_NS) -> list[str]:
        """The paths, or devices, that have records of this kind in the time."""


@dataclass(frozen=True, slots=True)
class _Open:
    """What one call reads from: the connection and the tails that it loaded."""

    connection: Any
    tails: tuple[Tail, ...]


class EmbeddedReader(Reader):
    """Reads one data directory, or several that were copied together."""

    def __init__(
        self, data_dir: Path | Sequence[Path], *, threads: int = 0, memory: str = "512MB"
    ) -> None:
        """`threads` 0: one a core. Raises `StoreError` for a folder that holds no store."""
        self._dirs = [data_dir] if isinstance(data_dir, Path) else list(data_dir)
        self._threads = threads or os.cpu_count() or 1
        self._memory = memory
        self.damaged: dict[Path, str] = {}
        """Files that could not be read, and why."""
        for folder in self._dirs:
            if not (folder / STORE_NAME).is_dir() and not (folder / SPOOL_NAME).is_file():
                raise StoreError(
                    f"{folder} holds no records (neither {STORE_NAME}/ nor {SPOOL_NAME}):"
                    " give the data_dir of an agent that has run, or a copy of it"
                )

    @property
    def folders(self) -> tuple[Path, ...]:
        """The data directories that it reads."""
        return tuple(self._dirs)

    def last_trains(self, from_ns: int = 0) -> list[TrainRecord]:
        """See `Reader`. Goes back by days until every path with an active plan is found."""
        newest_plan = {(plan.agent, plan.path): plan for plan in self.plans()}
        wanted = {identity for identity, plan in newest_plan.items() if plan.active}
        found: dict[tuple[str, str], TrainRecord] = {}
        with self._open("trains", from_ns, FOREVER_NS) as opened:
            for begin, end in reversed(self._slices(opened, "trains", from_ns, FOREVER_NS)):
                newest = (
                    "SELECT {columns} FROM {source} AS s SEMI JOIN"
                    " (SELECT agent, path, max(start_ns) AS start_ns FROM {source} GROUP BY ALL)"
                    " USING (agent, path, start_ns) ORDER BY spool_id DESC"
                )
                for row in self._rows(opened, "trains", newest, None, begin, end):
                    train = cast(TrainRecord, unflatten("trains", row))
                    found.setdefault((train.agent, train.path), train)
                if wanted and wanted <= found.keys():
                    break
        return [found[identity] for identity in sorted(found)]

    def summary_since(self, from_ns: int) -> list[PathSummary]:
        """See `Reader`. One grouped query."""
        sql = """
            SELECT agent, path, arg_max(pas, start_ns) AS pas,
                arg_max(service, start_ns) AS service,
                count(*) AS trains,
                count(*) FILTER (valid) AS valid,
                coalesce(sum(sent) FILTER (valid), 0)::BIGINT AS sent,
                coalesce(sum(received) FILTER (valid), 0)::BIGINT AS received,
                coalesce(sum(lost) FILTER (valid), 0)::BIGINT AS lost,
                coalesce(sum(late) FILTER (valid), 0)::BIGINT AS late,
                (sum(rtt_within_limit) FILTER (valid))::BIGINT AS within_limit,
                coalesce(sum(rtt_ipdv_mean_ns) FILTER (valid), 0)::BIGINT AS jitter_sum_ns,
                count(rtt_ipdv_mean_ns) FILTER (valid) AS jitter_count,
                sum(local_drops)::BIGINT AS local_drops,
                max(lateness_max_ns) AS lateness_max_ns,
                max(start_ns) AS last_start_ns
            FROM (SELECT * FROM {source} QUALIFY row_number() OVER
                (PARTITION BY agent, path, start_ns ORDER BY spool_id DESC) = 1)
            GROUP BY agent, path ORDER BY agent, path
        """
        with self._open("trains", from_ns, FOREVER_NS) as opened:
            rows = list(self._rows(opened, "trains", sql, None, from_ns, FOREVER_NS))
        return [PathSummary(**row) for row in rows]

    def paths(self, kind: str = "trains", from_ns: int = 0, to_ns: int = FOREVER_NS) -> list[str]:
        """See `Reader`."""
        name = SUBJECT[kind]
        sql = f"SELECT DISTINCT {name} FROM {{source}} ORDER BY {name}"
        with self._open(kind, from_ns, to_ns) as opened:
            return [row[name] for row in self._rows(opened, kind, sql, None, from_ns, to_ns)]

    @contextmanager
    def query(self, kind: str, path: Paths, from_ns: int, to_ns: int) -> Iterator[tuple[Any, str]]:
        """(DuckDB connection, FROM item with each record once, unordered) for an export."""
        with self._open(kind, from_ns, to_ns) as opened:
            while True:
                source = self._source(opened, kind, path, from_ns, to_ns)
                files = self._files(opened, kind, from_ns, to_ns)
                if not self._note_damaged([f for _, group in files for f in group]):
                    break
            yield (
                opened.connection,
                f"(SELECT * FROM {source} QUALIFY row_number() OVER (PARTITION BY"
                f" {', '.join(IDENTITY[kind])} ORDER BY spool_id DESC) = 1)",
            )

    def _records(
        self, kind: str, subject: Paths, from_ns: int, to_ns: int, only: Only | None = None
    ) -> Iterator[Record]:
        if kind not in KINDS:
            raise StoreError(f"there are no records of kind {kind!r}: {', '.join(KINDS)}")
        names = IDENTITY[kind]
        where = (
            " AND ".join(
                f"{column} IN ({', '.join(map(duck.literal, sorted(values))) or 'NULL'})"
                for column, values in (only or {}).items()
            )
            .replace("{", "{{")
            .replace("}", "}}")
        )  # the text is a format; a name may hold braces
        sql = (
            f"SELECT {{columns}} FROM {{source}} WHERE {where or 'true'}"
            f" ORDER BY {', '.join(names)}, spool_id DESC"
        )
        previous: tuple[object, ...] = ()
        with self._open(kind, from_ns, to_ns) as opened:
            for begin, end in self._slices(opened, kind, from_ns, to_ns):
                for row in self._rows(opened, kind, sql, subject, begin, end):
                    identity = tuple([row[name] for name in names])
                    if identity != previous:
                        yield unflatten(kind, row)
                    previous = identity

    @contextmanager
    def _open(self, kind: str, from_ns: int, to_ns: int) -> Iterator[_Open]:
        with ExitStack() as stack:
            spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="pasprobe-read-"))
            # The spool first, the files later: what is flushed in between is seen in both.
            tails = tuple(stack.enter_context(open_tail(d / SPOOL_NAME)) for d in self._dirs)
            connection = stack.enter_context(
                duck.connected(threads=self._threads, memory=self._memory, spill=Path(spill))
            )
            duck.create_table(connection, kind, "tail")
            for tail in tails:
                duck.insert(connection, kind, "tail", self._spooled(tail, kind, from_ns, to_ns))
            yield _Open(connection, tails)

    def _spooled(
        self, tail: Tail, kind: str, from_ns: int, to_ns: int
    ) -> Iterator[tuple[int, str]]:
        for id_, payload in tail.rows(kind, from_ns, to_ns):
            try:
                load_row(kind, payload)
            except DamagedRecordError as error:
                log.error("%s, record %d is left out: %s", tail.path, id_, error)
                self.damaged[tail.path] = str(error)
            else:
                yield id_, payload

    def _slices(self, opened: _Open, kind: str, from_ns: int, to_ns: int) -> list[tuple[int, int]]:
        """[begin, end) of each day that has records, of each hour where a day is big."""
        days = {day for folder in self._dirs for day in store_files.days(folder / STORE_NAME, kind)}
        starts = {store_files.day_start_ns(day) for day in days}
        spooled = opened.connection.execute(f"SELECT DISTINCT start_ns // {DAY_NS} FROM tail")
        starts |= {day * DAY_NS for (day,) in spooled.fetchall()}
        slices = []
        for start in sorted(starts):
            files = [f for _, group in self._files(opened, kind, start, start + 1) for f in group]
            size = sum(file.stat().st_size for file in files if file.exists())
            step = DAY_NS if size <= _DAY_IN_ONE_BYTES else DAY_NS // 24
            for begin in range(start, start + DAY_NS, step):
                piece = (max(begin, from_ns), min(begin + step, to_ns))
                if piece[0] < piece[1]:
                    slices.append(piece)
        return slices

    def _files(
        self, opened: _Open, kind: str, from_ns: int, to_ns: int
    ) -> list[tuple[int | None, list[Path]]]:
        """(highest spool id to take, files) of each data directory."""
        found = []
        for folder, tail in zip(self._dirs, opened.tails, strict=True):
            store = folder / STORE_NAME
            files = []
            for day in store_files.days(store, kind):
                start = store_files.day_start_ns(day)
                if start < to_ns and start + DAY_NS > from_ns:
                    listed = store_files.all_files(store / kind / day)
                    files += [file.path for file in store_files.without_merged(listed)]
            found.append((tail.cursor, [file for file in files if file not in self.damaged]))
        return found

    def _source(self, opened: _Open, kind: str, path: Paths, from_ns: int, to_ns: int) -> str:
        where = f"start_ns >= {from_ns} AND start_ns < {to_ns}"
        if path is not None:
            names = [path] if isinstance(path, str) else sorted(path)
            where += f" AND {SUBJECT[kind]} IN ({', '.join(map(duck.literal, names)) or 'NULL'})"
        parts = [f"SELECT * FROM tail WHERE {where}"]
        for cursor, files in self._files(opened, kind, from_ns, to_ns):
            if files:
                known = "" if cursor is None else f" AND spool_id <= {cursor}"
                parts.append(f"SELECT * FROM {duck.parquet(files)} WHERE {where}{known}")
        return f"({' UNION ALL BY NAME '.join(parts)})"

    def _rows(
        self, opened: _Open, kind: str, sql: str, path: Paths, from_ns: int, to_ns: int
    ) -> Iterator[dict[str, Any]]:
        """The rows of a query; {source} and {columns} are filled in.

        Every query here sorts or groups, so nothing comes before all files are read: until then
        it can begin again, without a damaged file or with the one into which others were merged.
        """
        import duckdb

        attempts = 0
        while True:
            source = self._source(opened, kind, path, from_ns, to_ns)
            files = [f for _, group in self._files(opened, kind, from_ns, to_ns) for f in group]
            try:
                text = sql.format(source=source, columns=duck.column_list(kind))
                result = opened.connection.execute(text)
                names = [column[0] for column in result.description]
                batch = result.fetchmany(_FETCH_ROWS)
            except duckdb.Error as error:
                attempts += 1
                merged_away = any(not file.exists() for file in files)
                if self._note_damaged(files) or (merged_away and attempts < 100):
                    continue
                raise duck.store_error(error) from error
            break
        while batch:
            for values in batch:
                yield dict(zip(names, values, strict=True))
            batch = result.fetchmany(_FETCH_ROWS)

    def _note_damaged(self, files: Sequence[Path]) -> bool:
        """Look for damaged files among these; True when there are any."""
        found = duck.unreadable(files)
        for file, why in found.items():
            log.error("%s is damaged and left out: %s", file, why)
        self.damaged.update(found)
        return bool(found)
