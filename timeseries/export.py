"""Records as one CSV or Parquet file, in the columns of the schema document."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO, Literal

from timeseries import duck, store_files
from timeseries.codec import IDENTITY, SUBJECT, columns
from timeseries.errors import StoreError
from timeseries.reader import EmbeddedReader

Format = Literal["csv", "parquet"]

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    records: int
    paths: int
    """How many paths, or devices, they are of."""
    size: int
    """Octets of the file."""
    damaged: list[str] = field(default_factory=list)
    """Files of the store that could not be read; their records are missing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export: records of a kind that start in [from_ns, to_ns)."""

    kind: str
    paths: Collection[str] | None
    """None: all."""
    from_ns: int
    to_ns: int
    form: Format


def instant_ns(text: str) -> int:
    """UTC nanoseconds of an ISO 8601 time or day; without an offset it is UTC.

    Raises `StoreError` for anything else.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise StoreError(
            f"{text!r} is no ISO 8601 time: write 2026-05-01, 2026-05-01T08:00 (UTC) or"
            " 2026-05-01T08:00+02:00"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return microseconds * 1_000


def matching(known: Collection[str], patterns: Collection[str]) -> list[str]:
    """The known paths that one of the patterns names (`*`, `?`, `[...]`, or the id as it is).

    Raises `StoreError` for a pattern that names none.
    """
    found: set[str] = set()
    for pattern in patterns:
        hits = [path for path in known if path == pattern or fnmatchcase(path, pattern)]
        if not hits:
            some = ", ".join(sorted(known)[:5]) or "none at all"
            raise StoreError(f"no path {pattern!r} has records in this time; there are: {some}")
        found.update(hits)
    return sorted(found)


def write(
    reader: EmbeddedReader,
    wanted: Wanted,
    destination: Path,
    progress: Callable[[float], None] = lambda _: None,
) -> Exported:
    """Write the records, by start, to one file.

    Lists are JSON text in CSV. `progress` gets percent from time to time. The file appears when it
    is complete; none appears where there are no records. Raises `StoreError`, `DiskFullError`.
    """
    kind, form = wanted.kind, wanted.form
    with reader.query(kind, wanted.paths, wanted.from_ns, wanted.to_ns) as (connection, source):
        count, distinct = connection.execute(
            f"SELECT count(*), count(DISTINCT {SUBJECT[kind]}) FROM {source}"
        ).fetchone()
        damaged = [str(path) for path in reader.damaged]
        if not count:
            return Exported(0, 0, 0, damaged)
        order = ", ".join(IDENTITY[kind])
        query = f"(SELECT {_selected(kind, form)} FROM {source} ORDER BY {order})"
        try:
            with store_files.written_aside(destination) as aside:
                options = "FORMAT csv, HEADER" if form == "csv" else duck.ZSTD
                _watched(connection, f"COPY {query} TO {duck.literal(aside)} ({options})", progress)
        except OSError as error:
            raise StoreError(f"{destination} cannot be written: {error.strerror}") from error
    return Exported(int(count), int(distinct), destination.stat().st_size, damaged)


def write_to(reader: EmbeddedReader, wanted: Wanted, stream: BinaryIO) -> Exported:
    """As `write`, to an open binary stream instead of a file."""
    with tempfile.TemporaryDirectory(prefix="pasprobe-export-") as folder:
        path = Path(folder) / "export"
        exported = write(reader, wanted, path)
        if exported.records:
            with path.open("rb") as source:
                while block := source.read(1 << 20):
                    stream.write(block)
            stream.flush()
    return exported


def _selected(kind: str, form: Format) -> str:
    stamp = "strftime(make_timestamp_ns(start_ns), '%Y-%m-%dT%H:%M:%S.%fZ') AS start"
    listed = [
        f'to_json("{name}")::VARCHAR AS "{name}"'
        if form == "csv" and sql.endswith("[]")
        else f'"{name}"'
        for name, sql in columns(kind)
    ]
    return ", ".join([stamp, *listed])


def _watched(connection: Any, sql: str, progress: Callable[[float], None]) -> None:
    """Run a statement in a thread and tell how far it is."""
    import duckdb

    failed: list[Exception] = []

    def run() -> None:
        try:
            connection.execute(sql).fetchall()
        except duckdb.Error as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="export")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            progress(max(0.0, connection.query_progress()))
    except BaseException:
        connection.interrupt()
        thread.join()
        raise
    if failed:
        raise failed[0]
    progress(100.0)
