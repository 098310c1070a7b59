"""Sums of a path's packets over delivery windows, grouped by DuckDB.

A window (08:00 to 20:00 local) is turned into UTC intervals first; a time-zone function per row
would cost several times as much. Days are read one after the other, or several together where they
are small: one interval is a condition by which Parquet skips what lies outside, several become a
table of quarters of an hour that the records are joined with.

One identity (agent, path, start_ns) counts once, in its newest revision. Looking for repeated ones
would need every identity in memory; instead each path's day is counted in cells of a few seconds
while it is summed up. As many cells as records: none is there twice. Only days where that is not
so are read again, the slow way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from timeseries import store_files
from timeseries.codec import check_version
from timeseries.day_scan import DayScan, open_scan, paths_condition
from timeseries.errors import StoreError
from timeseries.reader import EmbeddedReader, Paths, Reader
from timeseries.rollup import QUARTER_NS
from timeseries.store_files import DAY_NS

Kind = Literal["trains", "rollups"]
Interval = tuple[int, int]
"""[begin, end) in UTC nanoseconds."""

_CELLS = {"trains": 17_280, "rollups": 96}
"""Cells of a day: 5 s for trains, a quarter for roll-ups."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGAIN_DAYS = {"trains": 4, "rollups": 128}
"""Days that are read the slow way at once: sorting them has to fit into memory."""
_COLUMNS = {
    "trains": "valid, sent, received, rtt_within_limit",
    "rollups": "trains, valid, sent, received, within_limit",
}
"""Beside those of the identity; every version of the schema has them."""

_PARTS = {
    "trains": (
        "valid, count(*) AS trains, sum(sent) AS sent, sum(received) AS received,"
        " sum(rtt_within_limit) AS within_limit,"
        " sum(CASE WHEN rtt_within_limit IS NOT NULL THEN received END) AS judged"
    ),
    "rollups": (
        "sum(trains) AS trains, sum(valid) AS valid, sum(sent) AS sent,"
        " sum(received) AS received, sum(within_limit) AS within_limit,"
        " sum(CASE WHEN within_limit IS NOT NULL THEN received END) AS judged"
    ),
}
_KEYS = {"trains": "agent, path, day, valid", "rollups": "agent, path, day"}
_VALID = {"trains": "sum(trains) FILTER (valid)", "rollups": "sum(valid)"}
_SUMS = ("trains", "valid", "sent", "received", "within_limit", "judged")
_COUNTED = {"trains": "FILTER (valid)", "rollups": ""}


@dataclass(frozen=True, slots=True)
class PathSums:
    """What one path measured in the intervals; packet counters are of valid trains."""

    agent: str
    path: str
    trains: int
    """On record, valid or not."""
    valid: int
    sent: int
    received: int
    within_limit: int | None
    """Received within the round-trip limit; None where nothing was judged by one."""
    judged: int
    """Received packets that `within_limit` is a share of: less than `received` where some had no
    limit (a roll-up of trains by different limits has none)."""


def daily_intervals(first: date, days: int, begin: time, end: time, zone: str) -> list[Interval]:
    """A window that opens every day, local time, as UTC intervals; changes of the clock included.

    An end that is not after its begin lies on the next day (22:00 to 06:00; 00:00 to 00:00 is the
    whole day). A local time that a change skips or repeats is its first reading (PEP 495, fold 0).
    """
    here = ZoneInfo(zone)
    found = []
    for number in range(days):
        day = first + timedelta(days=number)
        last = day if end > begin else day + timedelta(days=1)
        opened = _utc_ns(datetime.combine(day, begin, here))
        found.append((opened, _utc_ns(datetime.combine(last, end, here))))
    return found


def _utc_ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def window_sums(
    source: Path | Sequence[Path] | Reader,
    kind: Kind,
    intervals_utc: Sequence[Interval],
    paths: Paths = None,
    *,
    threads: int = 0,
    memory: str = "512MB",
) -> list[PathSums]:
    """Sums over the records that begin in the intervals, by agent and path, in that order.

    `source`: data directories (with what is still in their spools) or their reader, summed by
    DuckDB; or any other reader, whose records are added up one by one. Intervals that touch or
    overlap are one.
    Raises `StoreError` for an interval that ends before it begins, lies before 1970, or (roll-ups)
    does not begin and end with a quarter of an hour; else as the readers do.
    """
    wanted = _joined(intervals_utc, kind)
    folders = folders_of(source)
    if folders is None:
        return _added_up(_one_by_one(cast(Reader, source), kind, wanted, paths))
    span = (wanted[0][0], wanted[-1][1]) if wanted else (0, 0)
    with open_scan(folders, kind, *span, threads=threads, memory=memory) as scan:
        return _added_up(_Sums(scan, kind, paths).over(wanted) if wanted else ())


def folders_of(source: Path | Sequence[Path] | Reader) -> Sequence[Path] | None:
    """The data directories that DuckDB can read; None for a store that lies elsewhere."""
    if isinstance(source, Path):
        return [source]
    if isinstance(source, EmbeddedReader):
        return source.folders
    return source if isinstance(source, Sequence) else None


def _joined(intervals: Sequence[Interval], kind: Kind) -> list[Interval]:
    """The same instants, ascending and apart."""
    joined: list[Interval] = []
    for begin, end in sorted(intervals):
        if not 0 <= begin <= end:
            raise StoreError(
                f"the interval from {begin} to {end} ns is none: it has to begin in 1970 or later"
                " and to end after that"
            )
        if kind == "rollups" and (begin % QUARTER_NS or end % QUARTER_NS):
            raise StoreError(
                f"the interval from {store_files.iso(begin)} to {store_files.iso(end)} cuts a"
                " quarter of an hour, which roll-ups cannot be cut in: sum up the trains"
            )
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif begin < end:
            joined.append((begin, end))
    return joined


def _within(intervals: Sequence[Interval], days: Iterable[int]) -> list[Interval]:
    """What of the intervals lies on these days (their starts)."""
    begins = [begin for begin, _ in intervals]
    pieces: list[Interval] = []
    for day_ns in sorted(days):
        first = max(0, bisect_right(begins, day_ns) - 1)
        for begin, end in intervals[first:]:
            if begin >= day_ns + DAY_NS:
                break
            low, high = max(begin, day_ns), min(end, day_ns + DAY_NS)
            if pieces and pieces[-1][1] == low:
                pieces[-1] = (pieces[-1][0], high)
            elif low < high:
                pieces.append((low, high))
    return pieces


def _quarters(pieces: Sequence[Interval]) -> Iterator[tuple[int, int, int]]:
    """(quarter's number, begin, end) of each part of a quarter that lies in them."""
    for begin, end in pieces:
        for quarter in range(begin // QUARTER_NS, -(-end // QUARTER_NS)):
            start = quarter * QUARTER_NS
            yield quarter, max(begin, start), min(end, start + QUARTER_NS)


_Row = tuple[Any, ...]
"""agent, path, days on which something may be there twice, newest schema, and the sums."""


class _Sums:
    """One call over data directories."""

    def __init__(self, scan: DayScan, kind: Kind, paths: Paths) -> None:
        self._scan = scan
        self._kind = kind
        self._paths = paths

    def over(self, intervals: list[Interval]) -> list[_Row]:
        """The sums by path and group of days."""
        rows: list[_Row] = []
        for days in self._scan.days(intervals[0][0], intervals[-1][1]):
            rows += self._select(_within(intervals, days), days)
        doubtful = {(*row[:2], day * DAY_NS) for row in rows for day in row[2]}
        again = sorted({day_ns for _, _, day_ns in doubtful})
        step = _AGAIN_DAYS[self._kind]
        for first in range(0, len(again), step):
            days = again[first : first + step]
            rows += self._select(_within(intervals, days), days, doubtful)
        for schema in {row[3] for row in rows}:
            check_version(self._kind, schema)
        return rows

    def _select(
        self,
        pieces: list[Interval],
        days: Sequence[int],
        doubtful: Collection[tuple[str, str, int]] = (),
    ) -> list[_Row]:
        """Sums by path, or those of doubtful (agent, path, day) alone, without what is there
        twice."""
        if not pieces:
            return []
        if len(pieces) > 1:
            _fill_windows(self._scan.connection, list(_quarters(pieces)))
        if doubtful:
            _fill_doubtful(self._scan.connection, doubtful)
        columns = f"agent, path, start_ns, spool_id, schema, {_COLUMNS[self._kind]}"
        return self._scan.rows(
            days,
            columns,
            self._where(pieces),
            lambda inside: self._sql(inside, joined=len(pieces) > 1, once=bool(doubtful)),
        )

    def _sql(self, source: str, *, joined: bool, once: bool) -> str:
        kind = self._kind
        if once:
            source = (
                f"(SELECT s.* FROM {source} AS s SEMI JOIN doubtful AS d"
                f" ON s.agent = d.agent AND s.path = d.path AND s.start_ns // {DAY_NS} = d.day"
                " QUALIFY row_number() OVER"
                " (PARTITION BY agent, path, start_ns ORDER BY spool_id DESC) = 1)"
            )
        if joined:
            source += (
                f" AS s JOIN windows AS w ON s.start_ns // {QUARTER_NS} = w.quarter"
                " AND s.start_ns >= w.begin_ns AND s.start_ns < w.end_ns"
            )
        cell = f"((start_ns % {DAY_NS}) // {DAY_NS // _CELLS[kind]})::INTEGER"
        parts = (
            f"SELECT agent, path, start_ns // {DAY_NS} AS day, count(*) AS records,"
            f" bitstring_agg({cell}, 0, {_CELLS[kind] - 1}) AS cells, max(schema) AS schema,"
            f" {_PARTS[kind]} FROM {source} GROUP BY {_KEYS[kind]}"
        )
        counted = _COUNTED[kind]
        by_day = (
            f"SELECT agent, path, day, {once} OR sum(records) = bit_count(bit_or(cells)) AS sure,"
            f" max(schema) AS schema, sum(trains) AS trains, {_VALID[kind]} AS valid,"
            f" sum(sent) {counted} AS sent, sum(received) {counted} AS received,"
            f" sum(within_limit) {counted} AS within_limit, sum(judged) {counted} AS judged"
            f" FROM ({parts}) GROUP BY agent, path, day"
        )
        sums = ", ".join(f"sum({name}) FILTER (sure)" for name in _SUMS)
        return (
            "SELECT agent, path, coalesce(list(day) FILTER (NOT sure), []), max(schema),"
            f" {sums} FROM ({by_day}) GROUP BY agent, path"
        )

    def _where(self, pieces: Sequence[Interval]) -> str:
        where = f"start_ns >= {pieces[0][0]} AND start_ns < {min(pieces[-1][1], 2**63 - 1)}"
        if self._paths is not None:
            names = [self._paths] if isinstance(self._paths, str) else sorted(self._paths)
            where += f" AND {paths_condition(names)}"
        return where


def _fill_windows(connection: Any, pieces: Sequence[tuple[int, int, int]]) -> None:
    columns = [list(column) for column in zip(*pieces, strict=True)] or [[], [], []]
    connection.execute(
        "CREATE OR REPLACE TABLE windows AS SELECT unnest($1::BIGINT[]) AS quarter,"
        " unnest($2::BIGINT[]) AS begin_ns, unnest($3::BIGINT[]) AS end_ns",
        columns,
    ).fetchall()


def _fill_doubtful(connection: Any, doubtful: Collection[tuple[str, str, int]]) -> None:
    agents, paths, days = (list(column) for column in zip(*doubtful, strict=True))
    connection.execute(
        "CREATE OR REPLACE TABLE doubtful AS SELECT unnest($1::VARCHAR[]) AS agent,"
        f" unnest($2::VARCHAR[]) AS path, unnest($3::BIGINT[]) // {DAY_NS} AS day",
        [agents, paths, days],
    ).fetchall()


def _added_up(rows: Iterable[_Row]) -> list[PathSums]:
    sums: dict[tuple[str, str], list[int | None]] = {}
    for agent, path, _, _, *values in rows:
        mine = sums.setdefault((agent, path), [0, 0, 0, 0, None, 0])
        for place, value in enumerate(values):
            if value is not None:
                mine[place] = (mine[place] or 0) + int(value)
    return [
        PathSums(agent, path, *values)  # type: ignore[arg-type]
        for (agent, path), values in sorted(sums.items())
    ]


def _one_by_one(
    reader: Reader, kind: Kind, intervals: Sequence[Interval], paths: Paths
) -> Iterator[_Row]:
    """What DuckDB would group, record by record."""
    for begin, end in intervals:
        if kind == "trains":
            for train in reader.trains(paths, begin, end):
                sums: _Row = (1, 0, 0, 0, None, 0)
                if train.valid:
                    within = train.rtt.within_limit
                    judged = 0 if within is None else train.received
                    sums = (1, 1, train.sent, train.received, within, judged)
                yield (train.agent, train.path, (), 0, *sums)
        else:
            for one in reader.rollups(paths, begin, end):
                judged = 0 if one.within_limit is None else one.received
                sums = (one.trains, one.valid, one.sent, one.received, one.within_limit, judged)
                yield (one.agent, one.path, (), 0, *sums)
