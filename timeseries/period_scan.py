"""Records of the store with the segment that each lies in, summed up by path and segment.

One identity (agent, path, start_ns) counts once, in its newest revision. Looking for repeated ones
would need every identity in memory; instead each path's segment is counted in cells of a few
seconds while it is summed up. As many cells as records: none is there twice. Only days of a path
where that is not so are read again, with every identity in memory. Of days whose files were merged
and say that each identity is there once (`timeseries.merged_file`), nothing has to be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from timeseries.day_scan import DayScan, Row, paths_condition
from timeseries.period_plan import Plan, fill, of_days
from timeseries.period_sums import DARK, GOOD, INVALID, NONE, Interval, Kind
from timeseries.rollup import JITTER_20_NS, JITTER_40_NS, QUARTER_NS
from timeseries.store_files import DAY_NS

_CELL_NS = {"trains": 5_000_000_000, "rollups": QUARTER_NS}
_AGAIN_DAYS = 4
"""Days that are read the slow way at once: sorting them has to fit into memory."""

IDENTITY = "agent, path, start_ns, spool_id, schema, limit_ns, limit_on, valid, sent, received"
SUMMED = {"trains": ", rtt_within_limit", "rollups": ", planned, trains, within_limit"}
_JITTER = {
    "trains": ", rtt_ipdv_mean_ns",
    "rollups": ", jitter_sum_ns, jitter_count, jitter_over_20ms, jitter_over_40ms",
}
_JITTERS = ("jitter_sum_ns", "jitter_count", "over_20ms", "over_40ms")
_NO_JITTER = ", ".join(f"NULL AS {name}" for name in _JITTERS)


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
            self._read(days, columns, partial(self._sums, days[0]))
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
            some = days[first : first + _AGAIN_DAYS]
            self._read(some, columns, partial(self._sums_of_newest, some[0]))

    def query(self, days: Sequence[int], columns: str, sql: Callable[[str], str]) -> list[Row]:
        """Rows of a query over these days, each identity once.

        `sql` gets a FROM item with the columns and `seg`.
        """
        return self._read(days, columns, lambda inside, _: sql(self._once(inside)))

    def _read(
        self, days: Sequence[int], columns: str, sql: Callable[[str, int | None], str]
    ) -> list[Row]:
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
            place = self._common_segments(days[0], segments)

        return self.scan.rows(days, columns, where, lambda inside, known: sql(place(inside), known))

    def _own_segments(self, days: Sequence[int]) -> Callable[[str], str]:
        """Roll-ups are few to a segment: each path's own ones make the fewest groups."""
        span = (days[-1] + DAY_NS - days[0]) // QUARTER_NS
        self._fill(
            days[0],
            [
                (number * span, begin, end)
                for number, segments in enumerate(self.plan.own)
                for begin, end in of_days(segments, days)
            ],
        )
        return lambda source: (
            f"(SELECT s.*, w.seg + {days[0]} AS seg, w.number FROM {source} AS s"
            " JOIN wanted AS p ON s.path = p.path JOIN quarters AS w"
            f" ON p.schedule * {span} + (s.start_ns - {days[0]}) // {QUARTER_NS} = w.place)"
        )

    def _common_segments(self, first_ns: int, segments: Sequence[Interval]) -> Callable[[str], str]:
        """Trains are many to a segment, and a join for each costs more than some more groups."""
        if len(segments) == 1:
            seg = segments[0][0]
            self._fill(first_ns, [(0, *segments[0])])
            return lambda source: (
                f"(SELECT *, {seg}::BIGINT AS seg, 0::UTINYINT AS number FROM {source})"
            )
        self._fill(first_ns, [(0, *segment) for segment in segments])
        return lambda source: (
            f"(SELECT s.*, w.seg + {first_ns} AS seg, w.number FROM {source} AS s"
            f" JOIN quarters AS w ON (s.start_ns - {first_ns}) // {QUARTER_NS} = w.place)"
        )

    def _fill(self, first_ns: int, listed: Sequence[tuple[int, int, int]]) -> None:
        """`segments`: numbers, which make short keys; `quarters`: the places in each of them.

        Both count from an instant, so that they are the same for most days.
        """
        begins = sorted({begin - first_ns for _, begin, _ in listed})
        numbers = {begin: number for number, begin in enumerate(begins)}
        rows = [
            (base + (begin - first_ns) // QUARTER_NS, (end - begin) // QUARTER_NS,
             begin - first_ns, numbers[begin - first_ns])
            for base, begin, end in listed
        ]  # fmt: skip
        if rows == self.scan.filled:
            return
        self.scan.filled = rows
        number = "number UTINYINT" if len(numbers) <= 256 else "number UINTEGER"
        connection = self.scan.connection
        fill(connection, "segments", f"seg BIGINT, {number}", list(numbers.items()))
        fill(connection, "stretches", f"place BIGINT, quarters BIGINT, seg BIGINT, {number}", rows)
        connection.execute(
            "CREATE OR REPLACE TABLE quarters AS"
            " SELECT unnest(range(place, place + quarters)) AS place, seg, number FROM stretches"
        ).fetchall()

    def _once(self, inside: str) -> str:
        known = self.scan.connection.execute("SELECT count(*) FROM doubtful").fetchone()
        if known == (0,):
            return inside
        rest = (
            f"SELECT s.* FROM {inside} AS s ANTI JOIN doubtful AS d ON s.agent = d.agent"
            f" AND s.path = d.path AND s.start_ns // {DAY_NS} = d.day"
        )
        return f"({rest} UNION ALL SELECT * FROM {_newest(inside, 'doubtful')})"

    def _sums(self, first_ns: int, source: str, schema: int | None, *, once: bool = False) -> str:
        """Rows for `parts`; `schema`: the newest one, where no record is there twice."""
        keys = "path, number, limit_ns, limit_on"
        newest, cells, sure = "max(schema)", "", "true"
        if schema is not None:
            newest = str(schema)
        elif not once:
            cell_ns = _CELL_NS[self.kind]
            cells = f"bitstring_agg(((start_ns % {DAY_NS}) // {cell_ns})::INTEGER, 0,"
            cells += f" {DAY_NS // cell_ns - 1}) AS cells, "
            sure = "sum(records) OVER w = bit_count(bit_or(cells) OVER w)"
        keys = f"agent, {keys}"
        figures, listed = self._train_figures() if self.kind == "trains" else self._rollup_figures()
        if self.kind == "trains":
            if schema is not None:
                return self._alike(first_ns, source, schema)
            keys += ", valid"
        grouped = (
            f"SELECT {keys}, count(*) AS records, {cells}{newest} AS schema, {figures}"
            f" FROM {source} GROUP BY {keys}"
        )
        return (
            f"INSERT INTO parts SELECT agent, path, seg + {first_ns}, limit_ns, limit_on, schema,"
            f" {listed}, {sure} FROM ({grouped}) JOIN segments USING (number)"
            " WINDOW w AS (PARTITION BY agent, path, seg)"
        )

    def _alike(self, first_ns: int, source: str, schema: int) -> str:
        """The same of trains that are there once.

        A key to group by costs as much as the sums: all trains of a path and segment are added up
        with the ends of their limits, the invalid ones apart and taken off. Only where the limits
        are not alike are they grouped by.
        """
        figures, listed = self._train_figures()
        keys = "path, number, limit_ns, limit_on, valid"
        names = ("records", "sent", "received", "within_limit", *_JITTERS)
        less = ", ".join(f"coalesce(all_of.{n}, 0) - coalesce(bad.{n}, 0)" for n in names)
        place = f"'', path, seg + {first_ns}, limit_ns, limit_on, {schema}"  # agents do not matter
        return (
            "INSERT INTO parts WITH all_of AS MATERIALIZED (SELECT path, number,"
            f" count(*) AS records, {figures}, min(limit_ns) AS limit_ns,"
            " count(*) FILTER (limit_on = 'rtt') AS by_rtt, count(limit_ns) AS limited,"
            " if(by_rtt > 0, 'rtt', 'one-way') AS limit_on, by_rtt IN (0, count(*))"
            " AND (limited = 0 OR min(limit_ns) = max(limit_ns) AND limited = count(*)) AS alike"
            f" FROM {source} GROUP BY path, number),"
            f" bad AS (SELECT path, number, count(*) AS records, {figures} FROM {source}"
            " WHERE NOT valid GROUP BY path, number),"
            f" apart AS (SELECT {keys}, count(*) AS records, {figures} FROM {source} SEMI JOIN"
            " (SELECT path, number FROM all_of WHERE NOT alike) USING (path, number)"
            f" GROUP BY {keys})"
            f" SELECT {place}, 0, all_of.records, {less}, all_of.sent, all_of.received, NULL, true"
            " FROM all_of LEFT JOIN bad USING (path, number) JOIN segments USING (number)"
            " WHERE alike UNION ALL"
            f" SELECT {place}, {listed}, true FROM apart JOIN segments USING (number)"
        )

    def _sums_of_newest(self, first_ns: int, source: str, _: int | None) -> str:
        return self._sums(first_ns, _newest(source, "now"), None, once=True)

    def _train_figures(self) -> tuple[str, str]:
        """What is summed up of trains, and that in the order of `parts`."""
        jitter = _NO_JITTER
        if self._jitter:
            jitter = (
                "sum(rtt_ipdv_mean_ns) AS jitter_sum_ns, count(rtt_ipdv_mean_ns) AS jitter_count,"
                f" count(*) FILTER (rtt_ipdv_mean_ns > {JITTER_20_NS}) AS over_20ms,"
                f" count(*) FILTER (rtt_ipdv_mean_ns > {JITTER_40_NS}) AS over_40ms"
            )
        figures = (
            "sum(sent) AS sent, sum(received) AS received,"
            f" sum(rtt_within_limit) AS within_limit, {jitter}"
        )
        names = ("records", "sent", "received", "within_limit", *_JITTERS)
        only_valid = ", ".join(f"CASE WHEN valid THEN {name} END" for name in names)
        return figures, f"0, records, {only_valid}, sent, received, NULL"

    def _rollup_figures(self) -> tuple[str, str]:
        """The same of roll-ups."""
        jitter = _NO_JITTER
        if self._jitter:
            jitter = (
                "sum(jitter_sum_ns) AS jitter_sum_ns, sum(jitter_count) AS jitter_count,"
                " sum(jitter_over_20ms) AS over_20ms, sum(jitter_over_40ms) AS over_40ms"
            )
        names = ("planned", "trains", "valid", "sent", "received", "within_limit")
        figures = ", ".join(f"sum({name}) AS {name}" for name in names)
        return (
            f"{figures}, {jitter}, count(*) FILTER ({STATE} = {GOOD}) AS good",
            f"{', '.join((*names, *_JITTERS))}, sent, received, good",
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
