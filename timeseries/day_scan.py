"""Grouped queries over the days of data directories, their Parquet files and spools together.

DuckDB reads the days one after the other, or several together where they are small: a query that
names ten thousand row groups plans longer than it runs, and groups of a few days fit into memory.
A damaged file is left out and named in the log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from timeseries import duck, store_files
from timeseries.codec import load_row
from timeseries.errors import DamagedRecordError, StoreError
from timeseries.merged_file import EachOnce, each_once
from timeseries.spool_file import SPOOL_NAME
from timeseries.spool_tail import Tail, open_tail
from timeseries.store_files import DAY_NS, STORE_NAME, StoreFile

log = logging.getLogger(__name__)

_AT_ONCE_OCTETS = {"trains": 512 << 20, "rollups": 8 << 20}
"""Of files that one query reads: enough that its planning does not count, few enough to group."""

Row = tuple[Any, ...]


class DayScan:
    """One consistent view of the records of a kind; `open_scan` makes it."""

    def __init__(
        self, folders: Sequence[Path], kind: str, tails: Sequence[Tail], connection: Any
    ) -> None:
        self.connection = connection
        """DuckDB's; tables that queries join with may be made in it."""
        self.filled: object = None
        """What those tables were last filled with, so that it is not done again."""
        self._folders = folders
        self._kind = kind
        self._tails = tails
        self._damaged: set[Path] = set()
        self._said: dict[Path, EachOnce] = {}
        spooled = connection.execute(f"SELECT DISTINCT start_ns // {DAY_NS} FROM tail").fetchall()
        self._spooled_days = {day * DAY_NS for (day,) in spooled}

    def days(self, from_ns: int, to_ns: int) -> Iterator[list[int]]:
        """Starts of the days (UTC) that have records, ascending, in groups for one query each.

        In a group either no day can have a record twice or each can: one that has to be counted
        out would spoil the others.
        """
        found = {
            store_files.day_start_ns(day)
            for folder in self._folders
            for day in store_files.days(folder / STORE_NAME, self._kind)
        }
        group: list[int] = []
        octets, once = 0, False
        for day_ns in sorted(found | self._spooled_days):
            if not from_ns - DAY_NS < day_ns < to_ns:
                continue
            files = [file.path for each in self._folders for file in self._day_files(each, day_ns)]
            size, same = _octets(files), once
            once = day_ns not in self._spooled_days and self._each_once(files) is not None
            if group and (octets + size > _AT_ONCE_OCTETS[self._kind] or same != once):
                yield group
                group, octets = [], 0
            group.append(day_ns)
            octets += size
        if group:
            yield group

    def rows(
        self, days: Sequence[int], columns: str, where: str, sql: Callable[[str, int | None], str]
    ) -> list[Row]:
        """What a query says of these days; `sql` makes its text from the FROM item.

        It is also told the newest schema of the records where none of them is there twice, else
        None. Begins again without damaged files, or those merged meanwhile. No records: no rows.
        """
        import duckdb

        attempts = 0
        while True:
            sources = []
            spooled = not self._spooled_days.isdisjoint(days)
            if spooled:
                here = f"start_ns >= {days[0]} AND start_ns < {days[-1] + DAY_NS}"
                sources.append(("tail", f"{where} AND {here}"))
            listed: list[Path] = []
            flushed: list[Path] = []
            for folder, tail in zip(self._folders, self._tails, strict=True):
                files = [file for day_ns in days for file in self._day_files(folder, day_ns)]
                cursor = 2**63 if tail.cursor is None else tail.cursor
                flushed += [file.path for file in files if file.last_id <= cursor]
                if new := [file.path for file in files if file.last_id > cursor]:
                    sources.append((_parquet(new), f"{where} AND spool_id <= {cursor}"))
                    listed += new
            if flushed:
                sources.append((_parquet(flushed), where))
                listed += flushed
            if not sources:  # the files were damaged, all of them
                return []
            parts = [f"SELECT {columns} FROM {source} WHERE {some}" for source, some in sources]
            try:
                text = sql(
                    f"({' UNION ALL '.join(parts)})",
                    None if spooled else self._each_once(listed),
                )
                return list(self.connection.execute(text).fetchall())
            except duckdb.Error as error:
                attempts += 1
                merged_away = any(not file.exists() for file in listed)
                if self._note_damaged(listed) or (merged_away and attempts < 100):
                    continue
                raise duck.store_error(error) from error

    def _day_files(self, folder: Path, day_ns: int) -> list[StoreFile]:
        place = folder / STORE_NAME / self._kind / store_files.day_of(day_ns)
        listed = store_files.without_merged(store_files.all_files(place))
        return [file for file in listed if file.path not in self._damaged]

    def _each_once(self, files: Sequence[Path]) -> int | None:
        """The newest schema of files that each say so, of different agents on a day; else None."""
        newest = 0
        seen: set[tuple[str, str]] = set()
        for file in files:
            if (said := self._said.get(file)) is None:
                if (said := each_once(file)) is None:
                    return None
                self._said[file] = said
            mine = {(file.parent.name, agent) for agent in said.agents}
            if not seen.isdisjoint(mine):
                return None
            seen |= mine
            newest = max(newest, said.schema)
        return newest

    def _note_damaged(self, files: Sequence[Path]) -> bool:
        found = duck.unreadable(files)
        for file, why in found.items():
            log.error("%s is damaged and left out: %s", file, why)
        self._damaged.update(found)
        return bool(found)


@contextmanager
def open_scan(
    folders: Sequence[Path], kind: str, from_ns: int, to_ns: int, *, threads: int, memory: str
) -> Iterator[DayScan]:
    """The records of a kind in [from_ns, to_ns); `threads` 0: one a core.

    Raises `StoreError` for a folder that holds no records.
    """
    for folder in folders:
        if not (folder / STORE_NAME).is_dir() and not (folder / SPOOL_NAME).is_file():
            raise StoreError(
                f"{folder} holds no records (neither {STORE_NAME}/ nor {SPOOL_NAME}):"
                " give the data_dir of an agent that has run, or a copy of it"
            )
    with ExitStack() as stack:
        spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="pasprobe-sum-"))
        # The spool first, the files later: what is flushed in between is seen in both.
        tails = [stack.enter_context(open_tail(folder / SPOOL_NAME)) for folder in folders]
        connection = stack.enter_context(
            duck.connected(threads=threads or os.cpu_count() or 1, memory=memory, spill=Path(spill))
        )
        duck.create_table(connection, kind, "tail")
        for tail in tails:
            duck.insert(connection, kind, "tail", _spooled(tail, kind, from_ns, to_ns))
        yield DayScan(folders, kind, tails, connection)


def _parquet(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(map(duck.literal, files))}])"


def _octets(files: Sequence[Path]) -> int:
    total = 0
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # merged away meanwhile
            total += file.stat().st_size
    return total


def _spooled(tail: Tail, kind: str, from_ns: int, to_ns: int) -> Iterator[tuple[int, str]]:
    for id_, payload in tail.rows(kind, from_ns, to_ns):
        try:
            load_row(kind, payload)
        except DamagedRecordError as error:
            log.error("%s, record %d is left out: %s", tail.path, id_, error)
        else:
            yield id_, payload


def paths_condition(paths: Sequence[str]) -> str:
    """SQL that holds for these paths alone."""
    return f"path IN ({', '.join(map(duck.literal, paths)) or 'NULL'})"
