"""Records of the store with the segment that each lies in, summed up by path and segment.

One identity (agent, path, start_ns) counts once, in its newest revision. Looking for repeated ones
would need every identity in memory; instead each path's segment is counted in cells of a few
seconds while it is summed up. As many cells as records: none is there twice. Only days of a path
where that is not so are read again, with every identity in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from timeseries.day_scan import DayScan, Row, paths_condition
from timeseries.period_plan import Plan, fill, of_days
from timeseries.period_sums import DARK, GOOD, INVALID, NONE, Interval, Kind
from timeseries.rollup import JITTER_20_NS, JITTER_40_NS, QUARTER_NS
from timeseries.store_files import DAY_NS

_CELL_NS = {"trains": 5_000_000_000, "rollups": QUARTER_NS}
_CASES = 6
"""Segments of a group of days that a CASE tells apart; more are joined by their quarter."""
_AGAIN_DAYS = 4
"""Days that are read the slow way at once: sorting them has to fit into memory."""

IDENTITY = "agent, path, start_ns, spool_id, schema, limit_ns, limit_on, valid, sent, received"
SUMMED = {"trains": ", rtt_within_limit", "rollups": ", planned, trains, within_limit"}
_JITTER = {
    "trains": ", rtt_ipdv_mean_ns",
    "rollups": ", jitter_sum_ns, jitter_count, jitter_over_20ms, jitter_over_40ms",
}
_KEYS = "agent, path, seg, limit_ns, limit_on"


class Pass:
    """Queries over the records of some paths, each with the segment that it lies in."""

    def __init__(
        self,
        scan: DayScan,
        kind: Kind,
        plan: Plan,
        paths: Sequence[str] | None,
        *,
        jitter: bool = False,
    ) -> None:
        self.scan = scan
        self.kind = kind
        self.plan = plan
        self.paths = paths
        """None: of all paths."""
        self._jitter = jitter

    def of(self, paths: Sequence[str]) -> Pass:
        """The same of these paths alone."""
        return Pass(self.scan, self.kind, self.plan, paths)

    def days_with_sums(self, having: str = "true") -> Iterator[list[int]]:
        """Days on which these paths have sums for which a condition holds, in groups."""
        found = self.scan.connection.execute(
            f"SELECT DISTINCT seg // {DAY_NS} * {DAY_NS} FROM parts"
            f" WHERE {paths_condition(self.paths or ())} AND {having}"
        ).fetchall()
        mine = {day_ns for (day_ns,) in found}
        for group in self.scan.days(self.plan.segments[0][0], self.plan.segments[-1][1]):
            if days := [day_ns for day_ns in group if day_ns in mine]:
                yield days

    def run(self) -> None:
        """The sums of every path and segment into `parts`, each identity once."""
        columns = IDENTITY + SUMMED[self.kind] + (_JITTER[self.kind] if self._jitter else "")
        span = self.plan.segments[0][0], self.plan.segments[-1][1]
        for days in self.scan.days(*span):
            self.query(days, columns, lambda inside: self._sums(inside, once=False), raw=True)
        connection = self.scan.connection
        again = connection.execute(
            f"SELECT DISTINCT agent, path, seg // {DAY_NS} AS day FROM parts WHERE NOT sure"
            " ORDER BY day"
        ).fetchall()
        if not again:
            return
        fill(connection, "now", "agent VARCHAR, path VARCHAR, day BIGINT", again)
        connection.execute("INSERT INTO doubtful SELECT * FROM now").fetchall()
        connection.execute(
            "DELETE FROM parts USING now WHERE parts.agent = now.agent AND parts.path = now.path"
            f" AND parts.seg // {DAY_NS} = now.day"
        ).fetchall()
        days = sorted({day * DAY_NS for _, _, day in again})
        for first in range(0, len(days), _AGAIN_DAYS):
            self.query(
                days[first : first + _AGAIN_DAYS],
                columns,
                lambda inside: self._sums(_newest(inside, "now"), once=True),
                raw=True,
            )

    def query(
        self, days: Sequence[int], columns: str, sql: Callable[[str], str], *, raw: bool = False
    ) -> list[Row]:
        """Rows of a query over these days; `sql` gets a FROM item with the columns and `seg`.

        `raw`: as the records lie there; else each identity once.
        """
        segments = self.plan.of_days(days)
        if not segments:
            return []
        low, high = segments[0][0], min(segments[-1][1], 2**63 - 1)
        where = "true"
        if (low, high) != (days[0], days[-1] + DAY_NS):  # else all that lies under these days
            where = f"start_ns >= {low} AND start_ns < {high}"
        if self.paths is not None:
            where += f" AND {paths_condition(self.paths)}"
        if self.kind == "rollups":
            place = self._own_segments(days)
        else:
            place = self._common_segments(segments)

        def text(inside: str) -> str:
            return sql(place(inside if raw else self._once(inside)))

        return self.scan.rows(days, columns, where, text)

    def _own_segments(self, days: Sequence[int]) -> Callable[[str], str]:
        """Roll-ups are few to a segment: each path's own ones make the fewest groups."""
        first, span = days[0] // QUARTER_NS, (days[-1] + DAY_NS - days[0]) // QUARTER_NS
        keys = [
            (number * span + quarter - first, begin)
            for number, segments in enumerate(self.plan.own)
            for begin, end in of_days(segments, days)
            for quarter in range(begin // QUARTER_NS, end // QUARTER_NS)
        ]
        fill(self.scan.connection, "quarters", "place BIGINT, seg BIGINT", keys)
        return lambda source: (
            f"(SELECT s.*, w.seg FROM {source} AS s JOIN wanted AS p ON s.path = p.path"
            f" JOIN quarters AS w"
            f" ON p.schedule * {span} + s.start_ns // {QUARTER_NS} - {first} = w.place)"
        )

    def _common_segments(self, segments: Sequence[Interval]) -> Callable[[str], str]:
        """Trains are many to a segment, and a join for each costs more than some more groups."""
        if len(segments) > _CASES:
            keys = [
                (quarter, begin)
                for begin, end in segments
                for quarter in range(begin // QUARTER_NS, end // QUARTER_NS)
            ]
            fill(self.scan.connection, "quarters", "place BIGINT, seg BIGINT", keys)
        return lambda source: _with_segment(source, segments)

    def _once(self, inside: str) -> str:
        known = self.scan.connection.execute("SELECT count(*) FROM doubtful").fetchone()
        if known == (0,):
            return inside
        rest = (
            f"SELECT s.* FROM {inside} AS s ANTI JOIN doubtful AS d ON s.agent = d.agent"
            f" AND s.path = d.path AND s.start_ns // {DAY_NS} = d.day"
        )
        return f"({rest} UNION ALL SELECT * FROM {_newest(inside, 'doubtful')})"

    def _sums(self, source: str, *, once: bool) -> str:
        cell_ns = _CELL_NS[self.kind]
        cells = f"bitstring_agg(((start_ns % {DAY_NS}) // {cell_ns})::INTEGER, 0,"
        cells += f" {DAY_NS // cell_ns - 1}) AS cells"
        jitter = "NULL AS jitter_sum_ns, NULL AS jitter_count, NULL AS over_20ms, NULL AS over_40ms"
        if self.kind == "trains":
            if self._jitter:
                jitter = (
                    "sum(rtt_ipdv_mean_ns) AS jitter_sum_ns,"
                    " count(rtt_ipdv_mean_ns) AS jitter_count,"
                    f" count(*) FILTER (rtt_ipdv_mean_ns > {JITTER_20_NS}) AS over_20ms,"
                    f" count(*) FILTER (rtt_ipdv_mean_ns > {JITTER_40_NS}) AS over_40ms"
                )
            grouped = (
                f"SELECT {_KEYS}, valid, count(*) AS records, {cells}, max(schema) AS schema,"
                " sum(sent) AS sent, sum(received) AS received,"
                " sum(rtt_within_limit) AS within_limit,"
                f" {jitter} FROM {source} GROUP BY {_KEYS}, valid"
            )
            only_valid = ", ".join(
                f"CASE WHEN valid THEN {name} END"
                for name in ("sent", "received", "within_limit", "jitter_sum_ns",
                             "jitter_count", "over_20ms", "over_40ms")
            )  # fmt: skip
            listed = (
                f"0, records, CASE WHEN valid THEN records END, {only_valid}, sent, received, NULL"
            )
        else:
            if self._jitter:
                jitter = (
                    "sum(jitter_sum_ns) AS jitter_sum_ns, sum(jitter_count) AS jitter_count,"
                    " sum(jitter_over_20ms) AS over_20ms, sum(jitter_over_40ms) AS over_40ms"
                )
            grouped = (
                f"SELECT {_KEYS}, count(*) AS records, {cells}, max(schema) AS schema,"
                " sum(planned) AS planned, sum(trains) AS trains, sum(valid) AS valid,"
                " sum(sent) AS sent, sum(received) AS received,"
                " sum(within_limit) AS within_limit,"
                f" {jitter}, count(*) FILTER ({STATE} = {GOOD}) AS good"
                f" FROM {source} GROUP BY {_KEYS}"
            )
            listed = (
                "planned, trains, valid, sent, received, within_limit, jitter_sum_ns,"
                " jitter_count, over_20ms, over_40ms, sent, received, good"
            )
        sure = "true" if once else "sum(records) OVER w = bit_count(bit_or(cells) OVER w)"
        return (
            f"INSERT INTO parts SELECT {_KEYS}, schema, {listed}, {sure} FROM ({grouped})"
            " WINDOW w AS (PARTITION BY agent, path, seg)"
        )


STATE = (
    f"(CASE WHEN valid > 0 THEN (CASE WHEN sent > 0 AND received = 0 THEN {DARK} ELSE {GOOD} END)"
    f" WHEN trains > 0 THEN {INVALID} ELSE {NONE} END)"
)
"""As `period_sums.state_of`."""


def _newest(inside: str, table: str) -> str:
    """The newest revision of each identity on the days that a table lists by agent and path."""
    return (
        f"(SELECT s.* FROM {inside} AS s SEMI JOIN {table} AS d ON s.agent = d.agent"
        f" AND s.path = d.path AND s.start_ns // {DAY_NS} = d.day QUALIFY row_number() OVER"
        " (PARTITION BY s.agent, s.path, s.start_ns ORDER BY s.spool_id DESC) = 1)"
    )


def _with_segment(source: str, segments: Sequence[Interval]) -> str:
    """A FROM item with `seg`, without what lies between the segments."""
    if len(segments) == 1:
        return f"(SELECT *, {segments[0][0]}::BIGINT AS seg FROM {source})"
    if len(segments) <= _CASES:
        cases = []
        for begin, end in segments:
            cases += [f"WHEN start_ns < {begin} THEN NULL", f"WHEN start_ns < {end} THEN {begin}"]
        number = f"(CASE {' '.join(cases)} END)::BIGINT"
        return f"(SELECT * FROM (SELECT *, {number} AS seg FROM {source}) WHERE seg IS NOT NULL)"
    return (
        f"(SELECT s.*, w.seg FROM {source} AS s JOIN quarters AS w"
        f" ON s.start_ns // {QUARTER_NS} = w.place)"
    )
