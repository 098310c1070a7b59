"""What the watch remembers between two looks, in tables of its own in the desk's file.

Read and written through `Desk.transaction`, together with the alerts that follow from it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter

from incidents.detection import PathState
from incidents.silence import Gap

_T = TypeVar("_T")
_PATH: TypeAdapter[PathState] = TypeAdapter(PathState)
_GAP: TypeAdapter[Gap] = TypeAdapter(Gap)


@dataclass(slots=True)
class Memory:
    """Paths by id, silences by agent, and which events of devices were taken in."""

    paths: dict[str, PathState] = field(default_factory=dict)
    gaps: dict[str, Gap] = field(default_factory=dict)
    began_ns: int = 0
    """When this desk first watched: what is older is nobody's alert."""
    events_ns: int = 0
    """Newest event of a device that was taken in."""
    events: dict[str, int] = field(default_factory=dict)
    """The same of each device, kind and instance: what comes late from one agent is new still."""


def recall(connection: sqlite3.Connection) -> Memory:
    """What was remembered; an empty memory for a new desk. Inside a transaction."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS watch (kind TEXT, name TEXT, value TEXT NOT NULL,"
        " PRIMARY KEY (kind, name)) WITHOUT ROWID"
    )
    memory = Memory()
    for kind, name, value in connection.execute("SELECT kind, name, value FROM watch"):
        if kind == "path":
            memory.paths[name] = _PATH.validate_json(value)
        elif kind == "gap":
            memory.gaps[name] = _GAP.validate_json(value)
        elif kind == "event":
            memory.events[name] = int(value)
        elif name == "began":
            memory.began_ns = int(value)
        elif name == "events":
            memory.events_ns = int(value)
    return memory


def watched_since_ns(connection: sqlite3.Connection) -> int | None:
    """What a desk's first watch looked at first; None for a desk that was never watched."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'watch'").fetchone()
    row = there and connection.execute("SELECT value FROM watch WHERE name = 'began'").fetchone()
    return int(row[0]) if row else None


def remember(connection: sqlite3.Connection, before: Memory, after: Memory) -> None:
    """Write down what changed; inside the transaction that keeps what follows from it."""
    rows = [
        ("path", name, _PATH.dump_json(state).decode())
        for name, state in _changed(before.paths, after.paths).items()
    ]
    rows += [
        ("gap", name, _GAP.dump_json(gap).decode())
        for name, gap in _changed(before.gaps, after.gaps).items()
    ]
    rows += [
        ("event", name, str(at_ns)) for name, at_ns in _changed(before.events, after.events).items()
    ]
    if before.began_ns != after.began_ns:
        rows.append(("instant", "began", str(after.began_ns)))
    if before.events_ns != after.events_ns:
        rows.append(("instant", "events", str(after.events_ns)))
    connection.executemany("INSERT OR REPLACE INTO watch VALUES (?, ?, ?)", rows)
    for agent in before.gaps.keys() - after.gaps.keys():
        connection.execute("DELETE FROM watch WHERE kind = 'gap' AND name = ?", (agent,))


def copied(memory: Memory) -> Memory:
    """A memory that can be changed; its values are frozen."""
    return Memory(
        dict(memory.paths), dict(memory.gaps), memory.began_ns, memory.events_ns,
        dict(memory.events),
    )  # fmt: skip


def _changed(before: Mapping[str, _T], after: Mapping[str, _T]) -> dict[str, _T]:
    return {name: value for name, value in after.items() if before.get(name) != value}
