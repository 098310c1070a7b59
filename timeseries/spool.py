"""The spool: every record is in this SQLite file before anything else happens to it.

A record whose `append` returned survives kill -9 and power loss. Sinks (the embedded store, later
InfluxDB) read on from their own cursors; rows that all sinks have passed are deleted.
One process writes (a lock says so), any number read (`timeseries.reader`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from timeseries import spool_file, spool_room
from timeseries.codec import decode, encode, subject_of
from timeseries.errors import StoreError
from timeseries.records import DeviceSampleRecord, PlanRecord, Record, TrainRecord
from timeseries.rollup import quarter_of
from timeseries.spool_file import DamagedFileError, translated

DEFAULT_LIMIT_BYTES = 4 << 30
_PLANS_KEPT_NS = 2 * 86_400 * 1_000_000_000
"""How far back the spool itself remembers plans, for roll-ups; the store has them all."""
_DEVICE = "device "
"""Before a device's id in the table `due`: no id has a space, so it is never taken for a path's."""
_DELETE_ROWS = 5_000
"""Rows deleted a transaction: an append never waits long behind a big backlog."""

RollupKind = Literal["rollups", "device_rollups"]


@dataclass(frozen=True, slots=True)
class Spooled:
    """A record with its place in the spool."""

    id: int
    kind: str
    record: Record


@dataclass(frozen=True, slots=True)
class Due:
    """A quarter of a path, or of a device, whose roll-up is to be derived (again)."""

    path: str
    quarter_ns: int
    last_id: int
    """Spool id of the newest train that asked for it."""
    spooled: bool
    """All its trains are still in the spool: it was never rolled up and nothing was flushed."""
    kind: RollupKind = "rollups"
    """Of which kind its roll-ups are; of `device_rollups`, `path` is a device's id."""


@dataclass(frozen=True, slots=True)
class FlushRange:
    """The spool ids that one flush takes, first and last included."""

    first_id: int
    last_id: int


class Spool:
    """The one writer of a spool file; may be called from several threads.

    Raises `InUseError` when another process has it, `DiskFullError`, `StoreError`. A damaged file
    is set aside (`set_aside` counts them) and a new one begun, at opening and in use.
    """

    def __init__(self, path: Path, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.path = path
        self.limit_bytes = limit_bytes
        self._mutex = threading.RLock()
        self._sinks: set[str] = set()
        self._lock = spool_file.lock(path)
        try:
            self._connection = spool_file.open_for_writing(path)
            with translated(path, "reading its sinks"):
                rows = self._connection.execute("SELECT name FROM sinks").fetchall()
            self._sinks = {name for (name,) in rows}
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Give the file up; what was appended is on the disk already."""
        with self._mutex:
            if self._lock >= 0:
                self._connection.close()
                os.close(self._lock)
                self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        """One write of this room's other modules, all or nothing; errors as in `append`."""
        with self._mutex:
            if self._lock < 0:
                raise StoreError(f"spool {self.path} is closed")
            try:
                with translated(self.path, doing):
                    self._connection.execute("BEGIN IMMEDIATE")
                    try:
                        yield self._connection
                        self._connection.execute("COMMIT")
                    except BaseException:
                        if self._connection.in_transaction:
                            self._connection.execute("ROLLBACK")
                        raise
            except DamagedFileError as error:
                self._begin_anew(error)
                raise

    def _begin_anew(self, error: DamagedFileError) -> None:
        self._connection.close()
        spool_file.set_aside(self.path, str(error))
        self._connection = spool_file.open_for_writing(self.path)
        for name in sorted(self._sinks):
            self.register(name)

    def append(self, records: Iterable[Record], *, settled: Sequence[Due] = ()) -> int:
        """Keep these records, all or none, and return the id of the last one.

        They are on the disk when this returns. `settled`: quarters whose roll-ups are among the
        records; they stop being due in the same transaction, unless a newer train came.
        Raises `SchemaError` for a value that does not fit, `DiskFullError` (nothing was written;
        try again later), `StoreError`.
        """
        rows = []
        for record in records:
            kind, payload = encode(record)
            rows.append((kind, subject_of(record), record.start_ns, payload, record))
        try:
            return self._append(rows, settled)
        except DamagedFileError:
            # The damaged file was set aside and a new one stands ready.
            return self._append(rows, settled)

    def _append(self, rows: list[tuple[str, str, int, str, Record]], settled: Sequence[Due]) -> int:
        with self.transaction("appending records") as connection:
            (last_id,) = connection.execute("SELECT last FROM ids").fetchone()
            due = []
            devices: dict[tuple[int, str], int] = {}
            for kind, path, start_ns, payload, record in rows:
                last_id += 1
                table = "samples" if kind == "samples" else "records"
                connection.execute(
                    f"INSERT INTO {table} (id, kind, path, start_ns, payload)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (last_id, kind, path, start_ns, payload),
                )
                if isinstance(record, TrainRecord):
                    due.append((quarter_of(start_ns), path, last_id))
                elif isinstance(record, DeviceSampleRecord):
                    devices[quarter_of(start_ns), _DEVICE + path] = last_id
                elif isinstance(record, PlanRecord):
                    _remember_plan(connection, path, start_ns, payload)
            connection.execute("UPDATE ids SET last = ?", (last_id,))
            connection.executemany(
                "INSERT INTO due VALUES (?1, ?2, ?3, ?3)"
                " ON CONFLICT (quarter_ns, path) DO UPDATE SET last_id = excluded.last_id",
                [*due, *((*key, id_) for key, id_ in devices.items())],
            )
            if settled:
                _settle(connection, settled)
            spool_room.make_room(connection, self.limit_bytes)
        return int(last_id)

    def register(self, sink: str) -> int:
        """Let a sink (a name) take part from the oldest record on; returns its cursor."""
        with self.transaction(f"registering {sink}") as connection:
            connection.execute(
                "INSERT OR IGNORE INTO sinks"
                " VALUES (?, ifnull((SELECT min(id) - 1 FROM"
                " (SELECT id FROM spooled ORDER BY id LIMIT 1)), (SELECT last FROM ids)))",
                (sink,),
            )
        self._sinks.add(sink)
        return self.cursor(sink)

    @property
    def sinks(self) -> frozenset[str]:
        """Who takes part."""
        return frozenset(self._sinks)

    def forget(self, sink: str) -> None:
        """A sink is no longer configured: nothing is kept for it any more."""
        with self.transaction(f"forgetting {sink}") as connection:
            connection.execute("DELETE FROM sinks WHERE name = ?", (sink,))
            connection.execute("DELETE FROM flushes WHERE sink = ?", (sink,))
            connection.execute("DELETE FROM replays WHERE sink = ?", (sink,))
        self._sinks.discard(sink)

    def query(
        self, doing: str, sql: str, values: Sequence[object] = ()
    ) -> list[tuple[object, ...]]:
        """The rows of a SELECT of this room's other modules; errors as in `append`."""
        with self._mutex:
            if self._lock < 0:
                raise StoreError(f"spool {self.path} is closed")
            try:
                with translated(self.path, doing):
                    return self._connection.execute(sql, values).fetchall()
            except DamagedFileError as error:
                self._begin_anew(error)
                raise

    def _number(self, doing: str, sql: str, values: Sequence[object] = ()) -> int | None:
        rows = self.query(doing, sql, values)
        value = rows[0][0] if rows else None
        return value if isinstance(value, int) else None

    def cursor(self, sink: str) -> int:
        """The last id that this sink has done with; `StoreError` for an unknown sink."""
        found = self.query(
            f"reading the cursor of {sink}", "SELECT cursor FROM sinks WHERE name = ?", (sink,)
        )
        if not found or not isinstance(found[0][0], int):
            raise StoreError(f"spool {self.path} knows no sink {sink!r}: register it first")
        return found[0][0]

    def advance(self, sink: str, last_id: int) -> None:
        """This sink has done with everything up to `last_id`; never goes backwards.

        Ends the sink's pending flush in the same transaction, then deletes what all have passed.
        """
        self.cursor(sink)
        with self.transaction(f"advancing {sink}") as connection:
            connection.execute(
                "UPDATE sinks SET cursor = max(cursor, ?) WHERE name = ?", (last_id, sink)
            )
            connection.execute(
                "DELETE FROM flushes WHERE sink = ? AND last_id <= ?", (sink, last_id)
            )
        self.delete_passed()

    def delete_passed(self) -> None:
        """Delete what all sinks have."""
        for table in ("samples", "records"):
            deleted = _DELETE_ROWS
            while deleted == _DELETE_ROWS:
                with self.transaction("deleting what every sink has") as connection:
                    deleted = connection.execute(
                        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table}"
                        " WHERE id <= (SELECT min(cursor) FROM"
                        " (SELECT cursor FROM sinks UNION ALL SELECT cursor FROM replays))"
                        " ORDER BY id LIMIT ?)",
                        (_DELETE_ROWS,),
                    ).rowcount
        self.query("giving room back", "PRAGMA incremental_vacuum(2000)")

    def read(self, after_id: int, limit: int) -> list[Spooled]:
        """The next records after this id, oldest first; `SchemaError` for a newer pasprobe's."""
        rows = self.query(
            "reading records",
            "SELECT id, kind, payload FROM spooled WHERE id > ? ORDER BY id LIMIT ?",
            (after_id, limit),
        )
        return [
            Spooled(id_, kind, decode(kind, payload))
            for id_, kind, payload in rows
            if isinstance(id_, int) and isinstance(kind, str) and isinstance(payload, str)
        ]

    def pending_flush(self, sink: str, limit: int) -> FlushRange | None:
        """The range that this sink is to write next; None when there is nothing.

        The range is on the disk before this returns and stays the same until `advance`, so that a
        sink which was killed while writing writes the same again.
        """
        cursor = self.cursor(sink)
        with self.transaction(f"beginning a flush of {sink}") as connection:
            found = connection.execute(
                "SELECT first_id, last_id FROM flushes WHERE sink = ?", (sink,)
            ).fetchone()
            if found is None:
                found = connection.execute(
                    "SELECT min(id), max(id) FROM"
                    " (SELECT id FROM spooled WHERE id > ? ORDER BY id LIMIT ?)",
                    (cursor, limit),
                ).fetchone()
                if found[0] is None:
                    return None
                connection.execute("INSERT INTO flushes VALUES (?, ?, ?)", (sink, *found))
        return FlushRange(*found)

    def due(self, ended_by_ns: int, limit: int, sink: str) -> list[Due]:
        """Quarters with new trains that ended at or before this instant (UTC ns), oldest first.

        A quarter later than all that were settled has been due since its first train; when that
        one is beyond the sink's cursor, no train of it has left the spool.
        """
        rows = self.query(
            "looking for quarters to roll up",
            "SELECT path, quarter_ns, last_id,"
            " quarter_ns > (SELECT max(newest_quarter_ns) FROM settled) AND first_id > ?"
            " FROM due WHERE quarter_ns < ? ORDER BY quarter_ns, path LIMIT ?",
            (self.cursor(sink), quarter_of(ended_by_ns), limit),
        )
        return [
            _due(path, quarter_ns, last_id, spooled=bool(spooled))
            for path, quarter_ns, last_id, spooled in rows
            if isinstance(path, str) and isinstance(quarter_ns, int) and isinstance(last_id, int)
        ]

    @property
    def last_id(self) -> int:
        """The id of the newest record."""
        return self._number("reading the newest id", "SELECT last FROM ids") or 0

    def raise_ids_above(self, last_id: int) -> None:
        """Give only ids above this one from now on (the highest that the store has in a name)."""
        with self.transaction("numbering") as connection:
            connection.execute("UPDATE ids SET last = max(last, ?)", (last_id,))
            # Where records up to there are still spooled, a flush was killed: it will go on.
            connection.execute(
                "UPDATE sinks SET cursor = max(cursor, ?1)"
                " WHERE NOT EXISTS (SELECT 1 FROM spooled WHERE id <= ?1)",
                (last_id,),
            )

    def count_dropped(self, kind: str, count: int) -> None:
        """Count records that could not be kept (`unreadable`, ...)."""
        with self.transaction("counting what was dropped") as connection:
            spool_room.count_dropped(connection, kind, count)

    def depth(self, sink: str) -> int:
        """How many records this sink has not done with."""
        cursor = self.cursor(sink)
        sql = "SELECT count(*) FROM spooled WHERE id > ?"
        return self._number("counting records", sql, (cursor,)) or 0

    def oldest(self, sink: str) -> int | None:
        """`start_ns` of the oldest record that this sink has not done with, None if all done."""
        sql = "SELECT start_ns FROM spooled WHERE id > ? ORDER BY id LIMIT 1"
        return self._number("looking for the oldest record", sql, (self.cursor(sink),))

    @property
    def dropped(self) -> dict[str, int]:
        """What was given up for want of room: by kind (`spool_room`), and what was unreadable."""
        rows = self.query("reading what was dropped", "SELECT kind, count FROM dropped")
        return {str(kind): count for kind, count in rows if isinstance(count, int)}

    @property
    def set_aside(self) -> int:
        """Damaged spool files that lie beside this one."""
        return spool_file.times_set_aside(self.path)


def _due(name: str, quarter_ns: int, last_id: int, *, spooled: bool) -> Due:
    if name.startswith(_DEVICE):
        device = name.removeprefix(_DEVICE)
        return Due(device, quarter_ns, last_id, spooled, "device_rollups")
    return Due(name, quarter_ns, last_id, spooled)


def _due_name(item: Due) -> str:
    return item.path if item.kind == "rollups" else _DEVICE + item.path


def _settle(connection: sqlite3.Connection, settled: Sequence[Due]) -> None:
    connection.executemany(
        "DELETE FROM due WHERE quarter_ns = ? AND path = ? AND last_id <= ?",
        [(item.quarter_ns, _due_name(item), item.last_id) for item in settled],
    )
    connection.execute(
        "UPDATE settled SET newest_quarter_ns = max(newest_quarter_ns, ?)",
        (max(item.quarter_ns for item in settled),),
    )


def _remember_plan(connection: sqlite3.Connection, path: str, start_ns: int, payload: str) -> None:
    """Keep the plan beyond its own row, and forget those that were over two days before it."""
    connection.execute("INSERT OR REPLACE INTO plans VALUES (?, ?, ?)", (path, start_ns, payload))
    connection.execute(
        "DELETE FROM plans WHERE path = ?1 AND start_ns <"
        " (SELECT max(start_ns) FROM plans WHERE path = ?1 AND start_ns <= ?2)",
        (path, start_ns - _PLANS_KEPT_NS),
    )
