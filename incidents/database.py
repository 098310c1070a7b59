"""The desk's database file: its tables, opening it, and its errors in our words.

What happened is only ever added: triggers refuse to change or delete a row of the history or an
attachment, whoever asks. `tickets` and `alerts` are what the history makes of them, written in the
same transaction, so that lists need not read it all.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from incidents.errors import DeskFileError

DESK_NAME = "desk.sqlite"
"""The file in the data directory."""
LAYOUT = 1
"""PRAGMA user_version of the tables below."""

_TABLES = (
    """CREATE TABLE history (
        number INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL,
        recorded_ns INTEGER NOT NULL, who TEXT NOT NULL, kind TEXT NOT NULL, change TEXT NOT NULL
    )""",
    "CREATE INDEX history_by_subject ON history (subject, number)",
    """CREATE TRIGGER history_is_not_changed BEFORE UPDATE ON history
        BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END""",
    """CREATE TRIGGER history_is_not_deleted BEFORE DELETE ON history
        BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END""",
    """CREATE TABLE tickets (
        id TEXT PRIMARY KEY, key TEXT UNIQUE, state TEXT NOT NULL, opened_ns INTEGER NOT NULL,
        value TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX tickets_by_state ON tickets (state, opened_ns)",
    """CREATE TRIGGER tickets_are_not_deleted BEFORE DELETE ON tickets
        BEGIN SELECT RAISE(ABORT, 'a ticket is never deleted'); END""",
    """CREATE TABLE alerts (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
        cleared INTEGER NOT NULL, ticket TEXT NOT NULL, value TEXT NOT NULL
    )""",
    "CREATE INDEX alerts_by_state ON alerts (state, cleared)",
    """CREATE TRIGGER alerts_are_not_deleted BEFORE DELETE ON alerts
        BEGIN SELECT RAISE(ABORT, 'an alert is never deleted'); END""",
    "CREATE TABLE attachments (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL)",
    """CREATE TRIGGER attachments_are_not_changed BEFORE UPDATE ON attachments
        BEGIN SELECT RAISE(ABORT, 'evidence is not changed'); END""",
    """CREATE TRIGGER attachments_are_not_deleted BEFORE DELETE ON attachments
        BEGIN SELECT RAISE(ABORT, 'evidence is not deleted'); END""",
    "CREATE TABLE numbers (name TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO numbers VALUES ('ticket', 0), ('alert', 0)",
)

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


@contextlib.contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """SQLite's errors as `DeskFileError`."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGED:
            text = (
                f"{path} is damaged ({error}) while {doing}: nothing is set aside by itself,"
                " for these are the tickets; put back a copy (docs/incidents.md says how)"
            )
        elif code in _NO_ROOM:
            text = (
                f"no room while {doing} in {path} ({error}): nothing was written;"
                " free disk space and do it again"
            )
        elif code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            text = f"{path} cannot be used ({error}) while {doing}: mend its owner and mode"
        elif code == sqlite3.SQLITE_BUSY:
            text = f"{path} is busy while {doing}: another pasprobe holds it; do it again"
        else:
            text = f"{path}: {error} while {doing} — report this with the command that you gave"
        raise DeskFileError(text) from error


def open_file(path: Path) -> sqlite3.Connection:
    """Open the desk, or begin a new one; several processes may have it open. `DeskFileError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeskFileError(
            f"data directory {path.parent} cannot be used: {error.strerror};"
            " choose another data_dir or mend its owner and mode"
        ) from None
    with translated(path, "opening it"):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        with translated(path, "opening it"):
            connection.execute("PRAGMA busy_timeout = 30000")
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: what a person was told is done survives a power loss.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            _bring_up(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up(connection: sqlite3.Connection, path: Path) -> None:
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout == LAYOUT:
        return
    if layout > LAYOUT:
        raise DeskFileError(
            f"{path} has layout {layout}, this pasprobe knows {LAYOUT}:"
            " run the newer pasprobe that made it"
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Two that open a new file at once: the second finds it made.
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
        if layout == 0:
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {LAYOUT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
