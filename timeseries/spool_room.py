"""What the spool gives up when it nears its size limit, in which order, and that it counts it.

Raw samples go first, then what was sampled of devices, then the oldest histograms, then trains;
events of devices and roll-ups last. Plans stay, for without them nobody could say what is missing.
What a sink is writing at the moment is left alone.
"""

from __future__ import annotations

import logging
import sqlite3

from timeseries.codec import without_histograms

log = logging.getLogger(__name__)

_BATCH = 100
_TARGET = 0.9
"""Down to this share of the limit, so that not every append has to make room."""


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the database in use (free pages are used again, they do not count)."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * page_size)


def make_room(connection: sqlite3.Connection, limit_bytes: int) -> None:
    """Drop what has to go, inside the caller's transaction."""
    if used_bytes(connection) <= limit_bytes:
        return
    target = int(limit_bytes * _TARGET)
    before = dict(connection.execute("SELECT kind, count FROM dropped"))
    steps = (
        ("samples", _delete),
        ("device_samples", _delete),
        ("histograms", _strip),
        ("trains", _delete),
        ("device_rollups", _delete),
        ("device_events", _delete),
        ("rollups", _delete),
    )
    for kind, step in steps:
        while used_bytes(connection) > target:
            count = step(connection, kind)
            if not count:
                break
            count_dropped(connection, kind, count)
    after = connection.execute("SELECT kind, count FROM dropped").fetchall()
    news = {kind: count - before.get(kind, 0) for kind, count in after if kind != "unreadable"}
    log.warning(
        "the spool reached its limit of %d bytes; dropped: %s; more room or a reachable store"
        " would keep them",
        limit_bytes,
        ", ".join(f"{count} {kind}" for kind, count in news.items() if count) or "nothing left",
    )


_FREE = "NOT EXISTS (SELECT 1 FROM flushes WHERE id BETWEEN first_id AND last_id)"


def _delete(connection: sqlite3.Connection, kind: str) -> int:
    table = "samples" if kind == "samples" else "records"
    return connection.execute(
        f"DELETE FROM {table} WHERE id IN"
        f" (SELECT id FROM {table} WHERE kind = ? AND {_FREE} ORDER BY id LIMIT ?)",
        (kind, _BATCH),
    ).rowcount


def _strip(connection: sqlite3.Connection, _: str) -> int:
    rows = connection.execute(
        "SELECT id, kind, path, start_ns, payload FROM records"
        f" WHERE kind IN ('trains', 'rollups') AND stripped = 0 AND {_FREE} ORDER BY id LIMIT ?",
        (_BATCH,),
    ).fetchall()
    # Deleted and inserted again: rows that merely shrink would leave their pages half empty.
    connection.executemany("DELETE FROM records WHERE id = ?", [(row[0],) for row in rows])
    connection.executemany(
        "INSERT INTO records (id, kind, path, start_ns, payload, stripped)"
        " VALUES (?, ?, ?, ?, ?, 1)",
        [
            (id_, kind, path, start_ns, without_histograms(kind, payload))
            for id_, kind, path, start_ns, payload in rows
        ],
    )
    return len(rows)


def count_dropped(connection: sqlite3.Connection, kind: str, count: int) -> None:
    """Add to the durable counter of this kind."""
    connection.execute(
        "INSERT INTO dropped VALUES (?, ?)"
        " ON CONFLICT (kind) DO UPDATE SET count = count + excluded.count",
        (kind, count),
    )
