"""The windows of all paths as segments of time, and as tables that DuckDB joins with."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from timeseries.period_sums import Interval, Piece, Wanted
from timeseries.rollup import QUARTER_NS
from timeseries.store_files import DAY_NS

_SUMS = (
    "planned", "trains", "valid", "sent", "received", "within_limit", "jitter_sum_ns",
    "jitter_count", "over_20ms", "over_40ms", "sent_all", "received_all",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """The windows of all paths as segments."""

    wanted: Sequence[Wanted]
    schedules: Sequence[tuple[Piece, ...]]
    """The different ones among the wanted paths' pieces."""
    schedule_of: Sequence[int]
    """Of each wanted path."""
    labels: Sequence[str]
    segments: Sequence[Interval]
    """Ascending, disjoint, none across midnight UTC; each wholly inside or outside every piece."""
    own: Sequence[Sequence[Interval]]
    """Of each schedule: its pieces, cut at midnight UTC."""

    def of_days(self, days: Sequence[int]) -> list[Interval]:
        """The segments of these days."""
        return of_days(self.segments, days)


def of_days(segments: Sequence[Interval], days: Sequence[int]) -> list[Interval]:
    """Those of some segments that lie on these days."""
    found: list[Interval] = []
    for day_ns in days:
        low = bisect_left(segments, (day_ns, 0))
        found += segments[low : bisect_left(segments, (day_ns + DAY_NS, 0))]
    return found


def plan_of(wanted: Sequence[Wanted]) -> Plan:
    """Cut the time at every edge of a window and every midnight UTC."""
    numbers: dict[int, int] = {}
    schedules: list[tuple[Piece, ...]] = []
    by_pieces: dict[tuple[Piece, ...], int] = {}
    for one in wanted:
        if id(one.pieces) not in numbers:
            number = by_pieces.setdefault(one.pieces, len(schedules))
            if number == len(schedules):
                schedules.append(one.pieces)
            numbers[id(one.pieces)] = number
    edges = {edge for pieces in schedules for begin, end, _ in pieces for edge in (begin, end)}
    for pieces in schedules:
        for begin, end, _ in pieces:
            edges.update(range(begin - begin % DAY_NS + DAY_NS, end, DAY_NS))
    ordered = sorted(edges)
    covered: set[Interval] = set()
    for pieces in schedules:
        for begin, end, _ in pieces:
            inside = ordered[bisect_left(ordered, begin) : bisect_right(ordered, end)]
            covered.update(itertools.pairwise(inside))
    return Plan(
        wanted,
        schedules,
        [numbers[id(one.pieces)] for one in wanted],
        sorted({label for pieces in schedules for _, _, label in pieces}),
        sorted(covered),
        [_cut_at_midnight(pieces) for pieces in schedules],
    )


def _cut_at_midnight(pieces: Sequence[Piece]) -> list[Interval]:
    found = []
    for begin, end, _ in pieces:
        while begin < end:
            until = min(end, begin - begin % DAY_NS + DAY_NS)
            found.append((begin, until))
            begin = until
    return found


def create_tables(connection: Any, plan: Plan, *, own: bool) -> None:
    """`parts` and `doubtful`, empty; `wanted`: the paths; `windows`: their segments and labels.

    `own`: the segments of each schedule by itself, not those that all have in common.
    """
    sums = ", ".join(f"{name} HUGEINT" for name in _SUMS)
    connection.execute(
        "CREATE TABLE parts (agent VARCHAR, path VARCHAR, seg BIGINT, limit_ns BIGINT,"
        f" limit_on VARCHAR, schema BIGINT, {sums}, good BIGINT, sure BOOLEAN)"
    ).fetchall()
    connection.execute("CREATE TABLE doubtful (agent VARCHAR, path VARCHAR, day BIGINT)").fetchall()
    rows = [
        (one.path, number, one.limit_ns, one.limit_on, one.jitter_limit_ns)
        for one, number in zip(plan.wanted, plan.schedule_of, strict=True)
    ]
    fill(
        connection,
        "wanted",
        "path VARCHAR, schedule INTEGER, limit_ns BIGINT, limit_on VARCHAR, jitter_limit_ns BIGINT",
        rows,
    )
    labels = {label: number for number, label in enumerate(plan.labels)}
    windows = []
    for number, pieces in enumerate(plan.schedules):
        segments = plan.own[number] if own else plan.segments
        for begin, end, label in pieces:
            for seg, until in segments[bisect_left(segments, (begin, 0)) :]:
                if seg >= end:
                    break
                windows.append((number, seg, labels[label], (until - seg) // QUARTER_NS))
    declared = "schedule INTEGER, seg BIGINT, label INTEGER, quarters BIGINT"
    fill(connection, "windows", declared, windows)


def fill(connection: Any, table: str, declared: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """A table of these rows; DuckDB takes whole columns much faster than rows."""
    names = [column.split() for column in declared.split(", ")]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    listed = ", ".join(
        f"unnest(${place}::{sql}[]) AS {name}" for place, (name, sql) in enumerate(names, 1)
    )
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {listed}", columns).fetchall()
