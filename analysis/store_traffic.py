"""Packets of a period from the stores: sums of each path, gaps, outages that trains saw.

The figures are the same from data directories and from any other store (`timeseries.period_sums`).
What was planned comes from the plans on record: an agent that died leaves no roll-up behind, but
its plan goes on, so its silence counts against the coverage.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.catalogue_rows import Catalogue
from analysis.lines import Gap
from analysis.store_stretches import Seen, stretches
from analysis.store_windows import CountedPath, counted_paths
from analysis.traffic import DayTraffic, PathTraffic
from inventory.clocks import Interval, period_bounds
from inventory.models import Configuration, pas_of
from inventory.periods import Period
from timeseries import histogram
from timeseries.period_sums import PeriodSums, Sums, period_sums
from timeseries.reader import EmbeddedReader, Reader
from timeseries.records import PlanRecord, TrainRecord
from timeseries.timetable import Timetable

Stores = Path | Sequence[Path] | Reader
"""Data directories, or the reader of any store."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that an evaluation takes from the stores."""

    traffic: tuple[PathTraffic, ...]
    gaps: tuple[Gap, ...]
    """Stretches of the delivery window without a valid train."""
    outages_seen: tuple[Gap, ...]
    """Stretches in which valid trains lost every packet."""


def survey(
    configuration: Configuration,
    catalogue: Catalogue,
    period: Period,
    sources: Stores,
    *,
    from_trains: bool = False,
    each_day: bool = False,
    as_of_ns: int | None = None,
    left_out: Mapping[str, Sequence[Interval]] | None = None,
    seen_in: Period | None = None,
) -> Survey:
    """Traffic, gaps and outages in one go; from roll-ups in one pass over them.

    `as_of_ns`: what began later does not count yet (to the quarter of an hour). `left_out`: path id
    -> time that does not count. `seen_in`: gaps and outages of this part of the period alone.
    Raises `StoreError`.
    """
    paths = counted_paths(
        configuration, catalogue, period, as_of_ns=as_of_ns, each_day=each_day, left_out=left_out
    )
    tables = _timetables(sources, paths)
    sums, quarters = _read(sources, paths, from_trains=from_trains, each_day=each_day, seen=True)
    seen = [
        stretches(one, quarters, tables.get(one.path.id, ()), _bounds(configuration, one, seen_in))
        for one in paths
    ]
    return Survey(
        tuple(_traffic(one, sums, tables.get(one.path.id, ())) for one in paths),
        tuple(gap for one in seen for gap in one.gaps),
        tuple(gap for one in seen for gap in one.outages),
    )


def store_traffic(
    configuration: Configuration,
    catalogue: Catalogue,
    period: Period,
    sources: Stores,
    *,
    from_trains: bool = False,
    each_day: bool = False,
    as_of_ns: int | None = None,
    left_out: Mapping[str, Sequence[Interval]] | None = None,
) -> list[PathTraffic]:
    """Packets of each configured path that has its service in the period; arguments as `survey`.

    Without `each_day` the sums stand under one empty day (unless the window changes inside the
    period), without histograms, and with jitter only where the contract limits it.
    """
    paths = counted_paths(
        configuration, catalogue, period, as_of_ns=as_of_ns, each_day=each_day, left_out=left_out
    )
    tables = _timetables(sources, paths)
    sums, _ = _read(sources, paths, from_trains=from_trains, each_day=each_day, seen=False)
    return [_traffic(one, sums, tables.get(one.path.id, ())) for one in paths]


def gaps(
    configuration: Configuration,
    period: Period,
    sources: Stores,
    *,
    as_of_ns: int | None = None,
    left_out: Mapping[str, Sequence[Interval]] | None = None,
) -> list[Gap]:
    """Stretches without valid trains, by path and time; with the rest of it: `survey`.

    A stretch goes on over the hours in which the window is closed; a quarter of an hour in which no
    train was due neither begins nor ends one.
    """
    seen = _seen(configuration, period, sources, as_of_ns, left_out)
    return [gap for one in seen for gap in one.gaps]


def outages_seen(
    configuration: Configuration,
    period: Period,
    sources: Stores,
    *,
    as_of_ns: int | None = None,
    left_out: Mapping[str, Sequence[Interval]] | None = None,
) -> list[Gap]:
    """Stretches of whole quarters of an hour in which valid trains lost every packet."""
    seen = _seen(configuration, period, sources, as_of_ns, left_out)
    return [gap for one in seen for gap in one.outages]


def worst_trains(
    reader: Reader, path: str, begin_ns: int, end_ns: int, count: int = 10
) -> list[TrainRecord]:
    """The valid trains of a path in [begin_ns, end_ns) that lost or delayed the most.

    By packets lost, then by packets beyond the limit, then by the slowest delay.
    """
    valid = (train for train in reader.trains(path, begin_ns, end_ns) if train.valid)
    return heapq.nsmallest(count, valid, key=_badness)


def _badness(train: TrainRecord) -> tuple[int, int, int, int]:
    one_way = [one for one in (train.forward, train.backward) if one is not None]
    figures = one_way if train.limit_on == "one-way" else [train.rtt]
    beyond = sum(
        histogram.size(one.histogram) - one.within_limit
        for one in figures
        if one.within_limit is not None
    )
    slowest = max((one.max_ns or 0 for one in figures), default=0)
    return -train.lost, -beyond, -slowest, train.start_ns


def _seen(
    configuration: Configuration,
    period: Period,
    sources: Stores,
    as_of_ns: int | None,
    left_out: Mapping[str, Sequence[Interval]] | None,
) -> list[Seen]:
    paths = counted_paths(configuration, None, period, as_of_ns=as_of_ns, left_out=left_out)
    tables = _timetables(sources, paths)
    quarters = period_sums(sources, "rollups", [one.wanted for one in paths], quarters=True)
    return [stretches(one, quarters, tables.get(one.path.id, ())) for one in paths]


def _bounds(
    configuration: Configuration, one: CountedPath, period: Period | None
) -> Interval | None:
    if period is None:
        return None
    return period_bounds(period, pas_of(configuration, one.path.pas).timezone)


def _read(
    sources: Stores,
    paths: Sequence[CountedPath],
    *,
    from_trains: bool,
    each_day: bool,
    seen: bool,
) -> tuple[PeriodSums, PeriodSums]:
    """The sums, and what has the state of the quarters of an hour."""
    wanted = [one.wanted for one in paths]
    if not from_trains:
        sums = period_sums(sources, "rollups", wanted, histograms=each_day, quarters=seen)
        return sums, sums
    sums = period_sums(sources, "trains", wanted, histograms=each_day)
    return sums, period_sums(sources, "rollups", wanted, quarters=True) if seen else sums


def _timetables(sources: Stores, paths: Sequence[CountedPath]) -> Mapping[str, Sequence[Timetable]]:
    """The plans of each path, one timetable an agent."""
    if isinstance(sources, Path | Sequence):
        sources = EmbeddedReader(sources, threads=1)
    ends = [one.wanted.pieces[-1][1] for one in paths if one.wanted.pieces]
    if not ends:
        return {}
    by_agent: dict[tuple[str, str], list[PlanRecord]] = {}
    for plan in sources.plans([one.path.id for one in paths], 0, max(ends)):
        by_agent.setdefault((plan.path, plan.agent), []).append(plan)
    found: dict[str, list[Timetable]] = {}
    for (path, _), plans in sorted(by_agent.items()):
        found.setdefault(path, []).append(Timetable(plans))
    return found


def _traffic(one: CountedPath, answer: PeriodSums, tables: Sequence[Timetable]) -> PathTraffic:
    planned: dict[str, int] = {}
    for begin, end, label in one.wanted.pieces:
        due = sum(table.planned(begin, end) for table in tables)
        planned[label] = planned.get(label, 0) + due
    days = []
    for label, due in planned.items():
        sums = answer.sums.get((one.path.id, label), Sums(one.path.id, label))
        if not tables:  # a copy without plans: what the roll-ups knew of them
            due = sums.planned
        if due or sums.trains:
            days.append(_day(one, sums, due))
    return PathTraffic(
        path=one.path.id,
        service=one.path.service,
        pas=one.path.pas,
        peer=one.peer,
        endpoint=one.path.endpoint or "",
        source="probe",
        limit_ns=one.wanted.limit_ns,
        days=tuple(days),
        evidence=(f"path {one.path.id}",) if days else (),
    )


def _day(one: CountedPath, sums: Sums, planned: int) -> DayTraffic:
    unknown = one.wanted.limit_ns is None or (sums.received > 0 and sums.judged == 0)
    return DayTraffic(
        day=sums.label,
        planned=planned,
        trains=sums.trains,
        valid=sums.valid,
        invalid=dict(sorted(sums.invalid.items())),
        sent=sums.sent,
        received=sums.received,
        within_limit=None if unknown else sums.within_limit,
        judged=sums.judged,
        jitter_sum_ns=sums.jitter_sum_ns,
        jitter_count=sums.jitter_count,
        jitter_over=sums.jitter_over,
        sent_all=sums.sent_all,
        received_all=sums.received_all,
        histogram=tuple(sorted(sums.histogram.items())),
    )
