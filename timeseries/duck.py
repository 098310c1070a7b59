"""DuckDB as the store uses it: connections, typed tables of records, Parquet files.

duckdb is imported inside the functions: it costs 0.1 s and 50 MB that most commands do not need.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from timeseries.codec import columns
from timeseries.errors import DiskFullError, StoreError

_INSERT_ROWS = 200
"""Payloads per INSERT: more cost memory and gain nothing."""

ZSTD = "FORMAT parquet, COMPRESSION zstd"


@contextmanager
def connected(
    *, threads: int, memory: str, spill: Path | None, lean: bool = False
) -> Iterator[Any]:
    """A private in-memory DuckDB; `spill` is where it may put what exceeds `memory`.

    `lean`: what is freed goes back to the system at once, which saves an agent's host some 9 MB of
    80 and costs a reader a quarter of its CPU.

    DuckDB's errors leave it as `DiskFullError` or `StoreError`.
    """
    import duckdb

    config = {
        "threads": threads,
        "memory_limit": memory,
        # A probe never fetches code at run time.
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if lean:
        config |= {
            "allocator_bulk_deallocation_flush_threshold": "16KB",
            "write_buffer_row_group_count": 1,
        }
    if spill is not None:
        config["temp_directory"] = str(spill)
    try:
        connection = duckdb.connect(":memory:", config=config)
        try:
            if spill is None:
                connection.execute("SET temp_directory = ''")
            yield connection
        finally:
            connection.close()
    except duckdb.Error as error:
        raise store_error(error) from error


def store_error(error: Exception) -> StoreError:
    """DuckDB's error as one of this room."""
    text = str(error).splitlines()[0]
    if "No space left" in text:
        return DiskFullError(f"no room for the store ({text}): free disk space")
    if "Out of Memory" in text:
        return StoreError(f"{text}: ask for a shorter time or fewer paths")
    return StoreError(f"the store cannot be read or written: {text}")


def literal(text: str | Path) -> str:
    """A string in SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def column_list(kind: str) -> str:
    """The columns of a kind, `spool_id` first, for a SELECT."""
    return ", ".join(["spool_id", *(f'"{name}"' for name, _ in columns(kind))])


def create_table(connection: Any, kind: str, table: str) -> None:
    """An empty table with the columns of a kind and `spool_id`."""
    declared = ", ".join(f'"{name}" {sql}' for name, sql in columns(kind))
    connection.execute(f"CREATE OR REPLACE TABLE {table} (spool_id BIGINT, {declared})").fetchall()


def insert(connection: Any, kind: str, table: str, rows: Iterable[tuple[int, str]]) -> int:
    """Put (spool id, payload) rows into such a table; returns how many."""
    structure = json.dumps(
        {name: [sql[:-2]] if sql.endswith("[]") else sql for name, sql in columns(kind)}
    )
    sql = (
        f"INSERT INTO {table} SELECT id, unnest(from_json(payload, {literal(structure)}))"
        " FROM (SELECT unnest($1::BIGINT[]) AS id, unnest($2::VARCHAR[]) AS payload)"
    )
    total = 0
    ids: list[int] = []
    payloads: list[str] = []

    def put() -> None:
        connection.execute(sql, [ids, payloads]).fetchall()
        ids.clear()
        payloads.clear()

    for id_, payload in rows:
        ids.append(id_)
        payloads.append(payload)
        total += 1
        if len(ids) == _INSERT_ROWS:
            put()
    if ids:
        put()
    return total


def copy_to_parquet(
    connection: Any, source: str, path: Path, row_group: int, options: str = "PARQUET_VERSION v1"
) -> None:
    """Write a table or a query in brackets to a Parquet file; `options`: more of COPY's."""
    connection.execute(
        f"COPY {source} TO {literal(path)} ({ZSTD}, ROW_GROUP_SIZE {row_group}, {options})"
    ).fetchall()


def parquet(files: Sequence[Path]) -> str:
    """A FROM item over these files; a column that an older one lacks is null."""
    names = ", ".join(literal(path) for path in files)
    return f"read_parquet([{names}], union_by_name = true)"


def unreadable(files: Iterable[Path]) -> dict[Path, str]:
    """The damaged ones among these files, with what DuckDB says; every page is read."""
    import duckdb

    found: dict[Path, str] = {}
    with connected(threads=1, memory="256MB", spill=None) as connection:
        for path in files:
            try:
                connection.execute(
                    f"SELECT count(COLUMNS(*)), max(hash(COLUMNS(*))) FROM {parquet([path])}"
                ).fetchall()
            except duckdb.IOException as error:
                if path.exists():  # else it was merged away meanwhile
                    found[path] = str(error).splitlines()[0]
            except duckdb.Error as error:
                found[path] = str(error).splitlines()[0]
    return found
