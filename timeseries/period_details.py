"""What `timeseries.period_duck` reads beside the sums, of the paths and days that need it alone.

Histograms of records that no counter judges by the contract's limit, why trains are invalid, and
quarters of an hour in which nothing came back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from timeseries import histogram
from timeseries.day_scan import paths_condition
from timeseries.period_scan import IDENTITY, STATE, SUMMED, Pass
from timeseries.period_sums import GOOD, INVALID, Kind, PeriodSums, Sums, Wanted
from timeseries.rollup import QUARTER_NS
from timeseries.store_files import DAY_NS


@dataclass(frozen=True, slots=True)
class _Histograms:
    """Which ones, of which records."""

    paths: Sequence[str]
    columns: str
    bins: str
    counts: str
    where: str
    judging: bool
    """They are packets within the limit or beyond it."""
    pooling: bool
    """They belong to the histogram that was asked for."""


def judge(reading: Pass, answer: PeriodSums, wanted: Sequence[Wanted], *, histograms: bool) -> None:
    """From histograms: what has no counter by the contract's limit, and what was asked for.

    Raises `StoreError` where that has to be judged by a limit that is no bound of the histograms.
    """
    by_path = {one.path: one for one in wanted}
    mismatched = _mismatched(reading.scan.connection)
    for job in _jobs(reading.kind, wanted, mismatched, histograms=histograms):
        if not job.paths:
            continue
        for path, label, bin_, count in _binned(reading, job):
            sums = answer.of(path, label)
            if job.judging:
                _judge_bin(sums, by_path[path], bin_, count)
            if job.pooling:
                sums.histogram[bin_] = sums.histogram.get(bin_, 0) + count


def _jobs(
    kind: Kind, wanted: Sequence[Wanted], mismatched: Sequence[str], *, histograms: bool
) -> Iterator[_Histograms]:
    trains = kind == "trains"
    valid = "s.valid" if trains else "true"
    columns = f"{IDENTITY}{SUMMED[kind]}, rtt_histogram_bins, rtt_histogram_counts"
    bins, counts = "s.rtt_histogram_bins", "s.rtt_histogram_counts"
    another = (
        f"{valid} AND s.received > 0 AND list_sum({counts}) = s.received"
        " AND (s.limit_ns IS NULL OR s.limit_on <> 'rtt' OR s.limit_ns <> q.limit_ns)"
    )
    yield _Histograms(mismatched, columns, bins, counts, another, True, False)
    if histograms:
        round_trip = [one.path for one in wanted if one.limit_on == "rtt"]
        yield _Histograms(round_trip, columns, bins, counts, valid, False, True)
    judged = "s.one_way_judged AND " if trains else ""
    both = ("forward_histogram", "backward_histogram")
    columns = IDENTITY + "".join(f", {name}_bins, {name}_counts" for name in both)
    yield _Histograms(
        [one.path for one in wanted if one.limit_on == "one-way"],
        f"{columns}, one_way_judged" if trains else columns,
        " || ".join(f"coalesce(s.{name}_bins, [])" for name in both),
        " || ".join(f"coalesce(s.{name}_counts, [])" for name in both),
        f"{valid} AND {judged}s.limit_on = 'one-way'",
        True,
        histograms,
    )


def _binned(reading: Pass, job: _Histograms) -> Iterator[tuple[str, str, int, int]]:
    """(path, label, bin, count) of a group of days after the other."""

    def sql(inside: str) -> str:
        return (
            "SELECT path, label, bin, sum(count)::VARCHAR FROM (SELECT s.path, w.label,"
            f" unnest({job.bins}) AS bin, unnest({job.counts}) AS count FROM {inside} AS s"
            " JOIN wanted AS q ON s.path = q.path"
            " JOIN windows AS w ON w.schedule = q.schedule AND w.seg = s.seg"
            f" WHERE {job.where}) GROUP BY path, label, bin"
        )

    part = reading.of(job.paths)
    for days in part.days_with_sums():
        for path, label, bin_, count in part.query(days, job.columns, sql):
            yield path, reading.plan.labels[label], bin_, int(count)


def _judge_bin(sums: Sums, one: Wanted, bin_: int, count: int) -> None:
    if one.limit_ns is None:
        return
    sums.judged += count
    if bin_ <= histogram.last_bin(one.limit_ns):
        sums.within_limit += count


def _mismatched(connection: Any) -> list[str]:
    """Round-trip paths some of whose packets no counter judges by the contract's limit."""
    found = connection.execute(
        "SELECT DISTINCT p.path FROM parts AS p JOIN wanted AS q ON p.path = q.path"
        " WHERE q.limit_on = 'rtt' AND q.limit_ns IS NOT NULL AND p.received > 0 AND NOT"
        " (p.limit_on = 'rtt' AND p.limit_ns IS NOT DISTINCT FROM q.limit_ns)"
    ).fetchall()
    return [path for (path,) in found]


def say_why(reading: Pass, answer: PeriodSums) -> None:
    """Why trains are invalid, from the days that have such."""
    thin = "trains > coalesce(valid, 0)"
    found = reading.scan.connection.execute(
        f"SELECT DISTINCT p.path FROM parts AS p SEMI JOIN wanted AS q ON p.path = q.path"
        f" WHERE {thin}"
    ).fetchall()
    if not found:
        return
    if reading.kind == "trains":
        columns, where, count = f"{IDENTITY}, reasons", "NOT s.valid", "1"
        why = "CASE WHEN len(s.reasons) > 0 THEN list_distinct(s.reasons) ELSE ['unstated'] END"
    else:
        columns = f"{IDENTITY}, trains, invalid_reasons, invalid_trains"
        where, why, count = "s.trains > s.valid", "s.invalid_reasons", "unnest(s.invalid_trains)"

    def sql(inside: str) -> str:
        return (
            "SELECT path, label, reason, sum(trains)::VARCHAR FROM (SELECT s.path, w.label,"
            f" unnest({why}) AS reason, {count} AS trains FROM {inside} AS s"
            " JOIN wanted AS q ON s.path = q.path"
            " JOIN windows AS w ON w.schedule = q.schedule AND w.seg = s.seg"
            f" WHERE {where}) GROUP BY path, label, reason"
        )

    part = reading.of([path for (path,) in found])
    for days in part.days_with_sums(thin):
        for path, label, reason, trains in part.query(days, columns, sql):
            invalid = answer.of(path, reading.plan.labels[label]).invalid
            invalid[reason] = invalid.get(reason, 0) + int(trains)


def note_quarters(reading: Pass, answer: PeriodSums) -> None:
    """States of the quarters: segments that are good throughout at once, the others one by one."""
    connection = reading.scan.connection
    by_agent = (
        "SELECT p.agent, p.path, p.seg, any_value(w.quarters) AS quarters,"
        " sum(p.good) >= any_value(w.quarters) AS whole"
        " FROM parts AS p JOIN wanted AS q ON p.path = q.path"
        " JOIN windows AS w ON w.schedule = q.schedule AND w.seg = p.seg"
        " GROUP BY p.agent, p.path, p.seg"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE states AS SELECT path, seg, any_value(quarters) AS quarters,"
        f" bool_or(whole) AS whole FROM ({by_agent}) GROUP BY path, seg"
    ).fetchall()
    rest = _note_all_good(reading, answer)
    for path, segments, lengths in connection.execute(
        "SELECT path, list(seg ORDER BY seg), list(quarters ORDER BY seg) FROM states WHERE whole"
        f" AND {paths_condition(rest)} GROUP BY path"
    ).fetchall():
        states = answer.quarters[path]
        for seg, length in zip(segments, lengths, strict=True):
            first = (seg - answer.first_ns) // QUARTER_NS
            states[first : first + length] = bytes([GOOD]) * length
    found = connection.execute("SELECT DISTINCT path FROM states WHERE NOT whole").fetchall()
    odd = [path for (path,) in found]
    if not odd:
        return
    starts = connection.execute(
        f"SELECT DISTINCT seg // {DAY_NS} * {DAY_NS} FROM states WHERE NOT whole"
    ).fetchall()
    _note_each(reading.of(odd), answer, {start for (start,) in starts})


def _note_all_good(reading: Pass, answer: PeriodSums) -> list[str]:
    """Paths that are good throughout, most of them, at once; returns the others."""
    good: dict[int, bytearray] = {}
    rest = []
    for path, schedule, whole, segments in reading.scan.connection.execute(
        "SELECT s.path, any_value(q.schedule), bool_and(s.whole), count(*) FROM states AS s"
        " JOIN wanted AS q ON s.path = q.path GROUP BY s.path"
    ).fetchall():
        own = reading.plan.own[schedule]
        if not whole or segments < len(own):
            rest.append(path)
            continue
        if schedule not in good:
            good[schedule] = bytearray(len(answer.quarters[path]))
            for begin, end in own:
                first = (begin - answer.first_ns) // QUARTER_NS
                length = (end - begin) // QUARTER_NS
                good[schedule][first : first + length] = bytes([GOOD]) * length
        answer.quarters[path] = bytearray(good[schedule])
    return rest


def _note_each(part: Pass, answer: PeriodSums, starts: set[int]) -> None:
    def sql(inside: str) -> str:
        return (
            f"SELECT s.path, s.start_ns, {STATE} AS state, s.invalid_reasons FROM {inside} AS s"
            " SEMI JOIN (SELECT path, seg FROM states WHERE NOT whole) AS o"
            " ON s.path = o.path AND s.seg = o.seg"
        )

    for days in part.days_with_sums(f"{paths_condition(part.paths or ())}"):
        if not starts.isdisjoint(days):
            for path, start_ns, state, reasons in part.query(
                days, f"{IDENTITY}, trains, invalid_reasons", sql
            ):
                answer.note(path, start_ns, state)
                if state == INVALID:
                    known = answer.reasons.get((path, start_ns), frozenset())
                    answer.reasons[path, start_ns] = known | frozenset(reasons)
