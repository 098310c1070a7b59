"""`timeseries.period_sums` by DuckDB: one grouped pass over the days, whatever the windows.

The edges of all windows cut the time into segments of a day at most; records are grouped by path
and segment without a look at their own path's window, and only these few sums are joined with it.
Histograms are read only of the records that need theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from timeseries import period_details
from timeseries.codec import check_version
from timeseries.day_scan import open_scan
from timeseries.period_plan import Plan, create_tables, plan_of
from timeseries.period_scan import Pass
from timeseries.period_sums import Interval, Kind, PeriodSums, Sums, Wanted, needs_jitter
from timeseries.rollup import JITTER_20_NS, JITTER_40_NS

_NAMED = 50
"""Paths that a query names; of more, all are grouped and the others left out at the end."""
_FIGURES = (
    "planned", "trains", "valid", "sent", "received", "jitter_sum_ns", "jitter_count",
    "jitter_over", "sent_all", "received_all",
)  # fmt: skip
"""Of `Sums`; the packets within the limit stand beside them, they depend on the limit."""


def add_up(
    answer: PeriodSums,
    folders: Sequence[Path],
    kind: Kind,
    wanted: Sequence[Wanted],
    span: Interval,
    *,
    histograms: bool,
    threads: int,
    memory: str,
) -> None:
    """Fill the answer from the records of these data directories.

    Errors as `timeseries.period_sums.period_sums`.
    """
    plan = plan_of(wanted)
    with open_scan(folders, kind, *span, threads=threads, memory=memory) as scan:
        create_tables(scan.connection, plan, own=kind == "rollups")
        classes = sorted({(w.limit_on, needs_jitter(w, histograms=histograms)) for w in wanted})
        for limit_on, jitter in classes:
            mine = [
                one
                for one in wanted
                if (one.limit_on, needs_jitter(one, histograms=histograms)) == (limit_on, jitter)
            ]
            everything = len(classes) == 1 and len(mine) > _NAMED
            Pass(
                scan, kind, plan, None if everything else [w.path for w in mine], jitter=jitter
            ).run()
        for (schema,) in scan.connection.execute("SELECT DISTINCT schema FROM parts").fetchall():
            check_version(kind, schema)
        reading = Pass(scan, kind, plan, None)
        _read_sums(scan.connection, plan, answer)
        period_details.judge(reading, answer, wanted, histograms=histograms)
        period_details.say_why(reading, answer)
        if answer.quarters:
            period_details.note_quarters(reading, answer)


def _read_sums(connection: Any, plan: Plan, answer: PeriodSums) -> None:
    by_own_limit = "p.limit_on = 'rtt' AND q.limit_on = 'rtt' AND p.limit_ns = q.limit_ns"
    over = f"CASE WHEN q.jitter_limit_ns = {JITTER_20_NS} THEN over_20ms"
    over += f" WHEN q.jitter_limit_ns = {JITTER_40_NS} THEN over_40ms END"
    figures = ", ".join(
        f"sum({over if name == 'jitter_over' else name})::VARCHAR" for name in _FIGURES
    )
    rows = connection.execute(
        f"SELECT p.path, w.label, sum(within_limit) FILTER ({by_own_limit})::VARCHAR,"
        f" sum(received) FILTER ({by_own_limit})::VARCHAR, {figures} FROM parts AS p"
        " JOIN wanted AS q ON p.path = q.path"
        " JOIN windows AS w ON w.schedule = q.schedule AND w.seg = p.seg"
        " GROUP BY p.path, w.label"
    ).fetchall()
    for path, label, within, judged, *values in rows:
        figures_of: dict[str, Any] = dict(
            zip(_FIGURES, (int(value or 0) for value in values), strict=True)
        )
        answer.sums[path, plan.labels[label]] = Sums(
            path,
            plan.labels[label],
            within_limit=int(within or 0),
            judged=int(judged or 0),
            **figures_of,
        )
