"""The part of a spool that the embedded store does not have yet, read while the agent writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from timeseries.errors import StoreError
from timeseries.spool_file import LAYOUT, translated

EMBEDDED = "embedded"
"""The embedded store's name as a sink."""


@dataclass(frozen=True, slots=True)
class Tail:
    """One consistent view of a spool (a read transaction)."""

    connection: sqlite3.Connection | None
    """None: there is no spool (a store that was copied)."""
    path: Path
    cursor: int | None
    """The store's files have everything up to this id; what they have beyond it is in the spool
    as well. None: the spool does not know the store."""

    def rows(self, kind: str, from_ns: int, to_ns: int) -> Iterator[tuple[int, str]]:
        """(id, payload) of records after the cursor that start in [from_ns, to_ns), by id."""
        if self.connection is None:
            return
        with translated(self.path, "reading"):
            yield from self.connection.execute(
                "SELECT id, payload FROM spooled"
                " WHERE id > ? AND kind = ? AND start_ns >= ? AND start_ns < ? ORDER BY id",
                (self.cursor or 0, kind, from_ns, to_ns),
            )

    def by_path(self, kind: str, from_ns: int, to_ns: int) -> Iterator[tuple[str, list[str]]]:
        """(path, payloads by id) of the same records as `rows`."""
        if self.connection is None:
            return
        with translated(self.path, "reading"):
            # Ids alone are sorted; the payloads would need ten times the memory.
            found = self.connection.execute(
                "SELECT path, id FROM spooled"
                " WHERE id > ? AND kind = ? AND start_ns >= ? AND start_ns < ?",
                (self.cursor or 0, kind, from_ns, to_ns),
            ).fetchall()
            for path, group in groupby(sorted(found), lambda row: row[0]):
                payloads = [
                    self.connection.execute(
                        "SELECT payload FROM spooled WHERE id = ?", (id_,)
                    ).fetchone()[0]
                    for _, id_ in group
                ]
                yield path, payloads

    def plans(self, path: str) -> list[str]:
        """Payloads of the path's plans of the last days, kept after they went to the store."""
        if self.connection is None:
            return []
        with translated(self.path, "reading"):
            found = self.connection.execute(
                "SELECT payload FROM plans WHERE path = ? ORDER BY start_ns", (path,)
            )
            return [payload for (payload,) in found]

    def newest_plans(self) -> list[str]:
        """Payload of each path's newest plan, wherever the plan itself is stored by now."""
        if self.connection is None:
            return []
        with translated(self.path, "reading"):
            found = self.connection.execute(
                "SELECT path, payload, max(start_ns) FROM plans GROUP BY path ORDER BY path"
            )
            return [payload for _, payload, _ in found]

    def range_rows(self, first_id: int, last_id: int) -> Iterator[tuple[int, str, int, str]]:
        """(id, kind, start_ns, payload) of an id range, by kind and time."""
        if self.connection is None:
            return
        with translated(self.path, "reading"):
            yield from self.connection.execute(
                "SELECT id, kind, start_ns, payload FROM spooled WHERE id BETWEEN ? AND ?"
                " ORDER BY kind, start_ns, id",
                (first_id, last_id),
            )

    def pending(self, sink: str) -> tuple[int, int] | None:
        """The id range that this sink is to write, if one is pending."""
        if self.connection is None:
            return None
        with translated(self.path, "reading"):
            found = self.connection.execute(
                "SELECT first_id, last_id FROM flushes WHERE sink = ?", (sink,)
            ).fetchone()
        return None if found is None else (int(found[0]), int(found[1]))


@contextmanager
def open_tail(path: Path) -> Iterator[Tail]:
    """A consistent view of the spool at `path`, read-only; an absent spool is an empty one.

    Raises `StoreError` when the file is no spool, damaged, or of a newer pasprobe.
    """
    if not path.exists():
        yield Tail(None, path, None)
        return
    connection = _connect(path)
    try:
        with translated(path, "reading"):
            connection.execute("BEGIN")
            (layout,) = connection.execute("PRAGMA user_version").fetchone()
            if layout > LAYOUT:
                raise StoreError(
                    f"spool {path} has layout {layout}, this pasprobe knows {LAYOUT}:"
                    " read it with the newer pasprobe that made it"
                )
            cursor = None
            if layout:
                found = connection.execute(
                    "SELECT cursor FROM sinks WHERE name = ?", (EMBEDDED,)
                ).fetchone()
                cursor = found[0] if found else None
        yield Tail(connection if layout else None, path, cursor)
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Reading a WAL database needs its -shm file; where we may not make one and nobody writes,
    # the file alone is complete.
    quoted = path.resolve().as_uri()
    for query in ("mode=ro", "immutable=1"):
        with translated(path, "opening it to read"):
            connection = sqlite3.connect(f"{quoted}?{query}", uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            wal = Path(f"{path}-wal")
            if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY} and (
                not wal.exists() or wal.stat().st_size == 0
            ):
                continue
            with translated(path, "opening it to read"):
                raise
        except sqlite3.DatabaseError:
            connection.close()
            with translated(path, "opening it to read"):
                raise
        return connection
    raise StoreError(f"spool {path} cannot be read: mend its owner and mode")
