"""The spool's database file: its tables, opening it, and what to do when it is damaged or full."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from timeseries.errors import DiskFullError, InUseError, StoreError

log = logging.getLogger(__name__)

SPOOL_NAME = "spool.sqlite"
"""The file in the data directory."""

LAYOUT = 2
"""PRAGMA user_version of the tables below."""

# Samples have pages of their own: when they are dropped, whole pages come free.
_TABLES = """
CREATE TABLE records (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, path TEXT NOT NULL, start_ns INTEGER NOT NULL,
    payload TEXT NOT NULL, stripped INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE samples (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, path TEXT NOT NULL, start_ns INTEGER NOT NULL,
    payload TEXT NOT NULL
);
CREATE VIEW spooled AS
    SELECT id, kind, path, start_ns, payload FROM records
    UNION ALL SELECT id, kind, path, start_ns, payload FROM samples;
CREATE TABLE ids (last INTEGER NOT NULL);
CREATE TABLE sinks (name TEXT PRIMARY KEY, cursor INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE flushes (
    sink TEXT PRIMARY KEY, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE dropped (kind TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE due (
    quarter_ns INTEGER NOT NULL, path TEXT NOT NULL,
    first_id INTEGER NOT NULL, last_id INTEGER NOT NULL,
    PRIMARY KEY (quarter_ns, path)
) WITHOUT ROWID;
CREATE TABLE plans (
    path TEXT NOT NULL, start_ns INTEGER NOT NULL, payload TEXT NOT NULL,
    PRIMARY KEY (path, start_ns)
) WITHOUT ROWID;
CREATE TABLE settled (newest_quarter_ns INTEGER NOT NULL);
INSERT INTO settled VALUES (0);
"""

_SINCE = {
    2: """
CREATE TABLE replays (
    sink TEXT PRIMARY KEY, cursor INTEGER NOT NULL, until_id INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_letters (
    sink TEXT NOT NULL, id INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL,
    start_ns INTEGER NOT NULL, payload TEXT NOT NULL, words TEXT NOT NULL, at_ns INTEGER NOT NULL,
    PRIMARY KEY (sink, id)
) WITHOUT ROWID
""",
}
"""What each later layout added; a spool of an older pasprobe gets it when it is opened."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


class DamagedFileError(StoreError):
    """The database file is damaged (found while it was in use)."""


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """SQLite's errors as those of this room."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGED:
            raise DamagedFileError(f"spool {path} is damaged ({error}) while {doing}") from error
        if code in _NO_ROOM:
            raise DiskFullError(
                f"no room while {doing} in {path} ({error}): nothing was written;"
                " free disk space, the next call tries again by itself"
            ) from error
        raise StoreError(f"spool {path}: {error} while {doing}") from error


def lock(path: Path) -> int:
    """Make this process the only writer of the spool; the descriptor holds the lock.

    Raises `InUseError` when there is another one, `StoreError` when the folder cannot be used.
    """
    lock_path = path.with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"data directory {path.parent} cannot be used: {error.strerror};"
            " choose another data_dir or mend its owner and mode"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise InUseError(
            f"{path} is written by another pasprobe (pid {holder or 'unknown'}): stop that one,"
            " or give this one a data_dir of its own"
        ) from None
    with contextlib.suppress(OSError):  # a full disk: the pid is a courtesy, the lock holds
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the spool, or begin a new one; a damaged file is set aside first.

    Raises `DiskFullError`, or `StoreError` when a newer pasprobe made the file.
    """
    try:
        return _open(path)
    except DamagedFileError as error:
        set_aside(path, str(error))
        return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    with translated(path, "opening it"):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        with translated(path, "opening it"):
            connection.execute("PRAGMA busy_timeout = 10000")
            # Only a database without tables takes these: rows of 3 kB pack better than in pages
            # of 4 kB, and deleted ones give their room back.
            connection.execute("PRAGMA page_size = 8192")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on the disk before append returns, power loss included.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 4194304")
            (layout,) = connection.execute("PRAGMA user_version").fetchone()
            if layout == 0:
                _create(connection)
            elif layout > LAYOUT:
                raise StoreError(
                    f"spool {path} has layout {layout}, this pasprobe knows {LAYOUT}:"
                    " run the newer pasprobe that made it, or move the file away"
                )
            else:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise DamagedFileError(f"spool {path} is damaged: {verdict}")
                if layout < LAYOUT:
                    connection.execute("BEGIN IMMEDIATE")
                    _add(connection, layout)
                    connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    # Ids begin at the time of creation in microseconds: a spool begun after another was set aside
    # never gives an id again that a file of the store already carries in its name.
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO ids VALUES (?)", (time.time_ns() // 1000,))
    _add(connection, 1)
    connection.execute("COMMIT")


def _add(connection: sqlite3.Connection, layout: int) -> None:
    for newer in range(layout + 1, LAYOUT + 1):
        for statement in _SINCE[newer].split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def set_aside(path: Path, why: str) -> None:
    """Rename a damaged spool with its log, so that a new one can begin."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + f"-{time.time_ns() % 10**9:09d}"
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{kept}{suffix}")
    log.error("%s: set aside as %s, a new spool is begun", why, kept.name)


def times_set_aside(path: Path) -> int:
    """How many damaged spools lie beside this one."""
    return sum(
        not name.name.endswith(("-wal", "-shm"))
        for name in path.parent.glob(f"{path.name}.damaged-*")
    )
