"""What the spool keeps for a sink that takes records over a network: places, replays, dead letters.

A sink that lags far behind is served in two streams: what is new goes on from the sink's own
cursor, and the backlog before it is replayed, oldest first, from a cursor of its own. Both are
durable. Called by `timeseries.forwarder` with an open spool; one thread at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from timeseries.spool import Spool

MOST_DEAD_LETTERS = 10_000
"""So many are kept; what a server refuses beyond them is counted as dropped."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record as it lies in the spool."""

    id: int
    kind: str
    path: str
    start_ns: int
    payload: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that a server refused, with its words."""

    record: Waiting
    words: str
    at_ns: int
    """When it was refused, UTC."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A backlog that is sent beside what is new."""

    cursor: int
    until_id: int
    """The last id of the backlog."""


def waiting(spool: Spool, after_id: int, until_id: int, limit: int) -> list[Waiting]:
    """The next records in (after_id, until_id], oldest first."""
    rows = spool.query(
        "reading records",
        "SELECT id, kind, path, start_ns, payload FROM spooled"
        " WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        (after_id, until_id, limit),
    )
    return [Waiting(*row) for row in rows]  # type: ignore[arg-type]


def replay(spool: Spool, sink: str) -> Replay | None:
    """The sink's replay, if one is on."""
    rows = spool.query(
        "reading a replay", "SELECT cursor, until_id FROM replays WHERE sink = ?", (sink,)
    )
    return Replay(*rows[0]) if rows else None  # type: ignore[arg-type]


def begin_replay(spool: Spool, sink: str) -> Replay:
    """What waits now becomes a backlog; the sink's cursor goes on behind it.

    A replay that is on takes it up behind its own end; what was sent in between comes twice.
    """
    last_id = spool.last_id
    with spool.transaction(f"beginning a replay for {sink}") as connection:
        (cursor,) = connection.execute(
            "INSERT INTO replays SELECT ?1, cursor, ?2 FROM sinks WHERE name = ?1"
            " ON CONFLICT (sink) DO UPDATE SET until_id = excluded.until_id RETURNING cursor",
            (sink, last_id),
        ).fetchone()
        connection.execute("UPDATE sinks SET cursor = ? WHERE name = ?", (last_id, sink))
    return Replay(cursor, last_id)


def advance_replay(spool: Spool, sink: str, last_id: int) -> None:
    """The backlog is with the server up to this id; ends the replay at its end."""
    with spool.transaction(f"advancing the replay of {sink}") as connection:
        connection.execute(
            "UPDATE replays SET cursor = max(cursor, ?) WHERE sink = ?", (last_id, sink)
        )
        connection.execute("DELETE FROM replays WHERE sink = ? AND cursor >= until_id", (sink,))
    spool.delete_passed()


def keep_dead_letter(spool: Spool, sink: str, record: Waiting, words: str, at_ns: int) -> bool:
    """Set a refused record aside, so that it blocks nothing; the oldest go when there are many.

    Returns whether it is new.
    """
    with spool.transaction(f"setting a record aside that {sink} refused") as connection:
        added = connection.execute(
            "INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sink, record.id, record.kind, record.path, record.start_ns, record.payload,
                words, at_ns,
            ),
        ).rowcount  # fmt: skip
        over = connection.execute(
            "DELETE FROM dead_letters WHERE sink = ?1 AND id IN (SELECT id FROM dead_letters"
            " WHERE sink = ?1 ORDER BY at_ns DESC, id DESC LIMIT -1 OFFSET ?2)",
            (sink, MOST_DEAD_LETTERS),
        ).rowcount
    if over:
        spool.count_dropped("dead letters", over)
    return added > 0


def dead_letters(spool: Spool, sink: str, limit: int = 100) -> list[DeadLetter]:
    """The newest refused records."""
    rows = spool.query(
        "reading dead letters",
        "SELECT id, kind, path, start_ns, payload, words, at_ns FROM dead_letters"
        " WHERE sink = ? ORDER BY at_ns DESC, id DESC LIMIT ?",
        (sink, limit),
    )
    return [DeadLetter(Waiting(*row[:5]), *row[5:]) for row in rows]  # type: ignore[arg-type]


def count_dead_letters(spool: Spool, sink: str) -> int:
    """How many refused records are kept."""
    rows = spool.query(
        "counting dead letters", "SELECT count(*) FROM dead_letters WHERE sink = ?", (sink,)
    )
    return int(rows[0][0])  # type: ignore[call-overload, no-any-return]


def depth(spool: Spool, sink: str) -> tuple[int, int]:
    """How many records the sink has not got yet: (new ones, those of its replay).

    Told from the ids, for counting rows would read a backlog of gigabytes; records that were
    dropped for want of room are counted with them.
    """
    found = replay(spool, sink)
    backlog = 0 if found is None else found.until_id - found.cursor
    return spool.last_id - spool.cursor(sink), backlog


def oldest_ns(spool: Spool, sink: str) -> int | None:
    """`start_ns` of the oldest record that the sink has not got yet."""
    found = replay(spool, sink)
    after = spool.cursor(sink) if found is None else found.cursor
    first = waiting(spool, after, 2**63 - 1, 1)
    return first[0].start_ns if first else None


def drop_aged(spool: Spool, sink: str, before_ns: int) -> dict[str, int]:
    """Give up what waits for this sink and began before the instant (UTC); returns it by kind.

    Only what all other sinks have already: it stays where they keep it. Plans are never given up.
    Counted as dropped (`trains by age`, ...).
    """
    with spool.transaction(f"giving up what is too old for {sink}") as connection:
        (others,) = connection.execute(
            "SELECT min(cursor) FROM sinks WHERE name != ?", (sink,)
        ).fetchone()
        dropped: dict[str, int] = {}
        for table in ("samples", "records"):
            aged = (
                f"FROM {table} WHERE id <= ?1 AND start_ns < ?2 AND kind != 'plans'"
                " AND id > (SELECT min(cursor) FROM (SELECT cursor FROM sinks WHERE name = ?3"
                " UNION ALL SELECT cursor FROM replays WHERE sink = ?3))"
            )
            values = (-1 if others is None else others, before_ns, sink)
            counted = connection.execute(f"SELECT kind, count(*) {aged} GROUP BY kind", values)
            dropped |= dict(counted.fetchall())
            connection.execute(f"DELETE {aged}", values)
    for kind, count in dropped.items():
        spool.count_dropped(f"{kind} by age", count)
    return dropped
