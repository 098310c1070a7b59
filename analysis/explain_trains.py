"""The worst trains behind a line, from the store, for `pasprobe sla explain`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date
from fractions import Fraction

from analysis.evaluation.case import Case, make_case, without
from analysis.evaluation.gather import replaced
from analysis.evaluation.inputs import Inputs
from analysis.evaluation.packets import in_words
from analysis.explain import WORST_TRAINS, WorstTrain, paths_of
from analysis.lines import Line
from analysis.store_traffic import worst_trains
from analysis.traffic import DayTraffic, PathTraffic
from inventory.clocks import Interval, clipped, day_bounds, local
from timeseries.reader import Reader
from timeseries.records import TrainRecord

DAYS = 10
"""Of each path only the days that lost, then delayed, the most are searched train by train."""


def worst_of(
    inputs: Inputs, line: Line, reader: Reader, count: int = WORST_TRAINS
) -> tuple[WorstTrain, ...]:
    """The trains of a line's paths that lost or delayed the most.

    Only time that the figures rest on is looked at, and only the worst days of each path. `inputs`
    were gathered day by day. Raises `StoreError`.
    """
    case = make_case(inputs)
    found: list[TrainRecord] = []
    for path in paths_of(inputs, line):
        for begin, end in _searched(case, path):
            found += worst_trains(reader, path.path, begin, end, count)
    found.sort(key=lambda train: (-train.lost, -(train.rtt.max_ns or 0), train.start_ns))
    return tuple(_told(train) for train in found[:count])


def _searched(case: Case, path: PathTraffic) -> Iterator[Interval]:
    holding = case.contract.at(path.service, path.pas)
    configured = next((p for p in case.inputs.configuration.paths if p.id == path.path), None)
    if holding is None or configured is None:
        return
    windows = without(case.windows(holding), replaced(case.inputs, configured))
    first, last = case.period.begin.isoformat(), case.period.end.isoformat()
    days = [day for day in path.days if day.valid and first <= day.day < last]
    for day in sorted(days, key=_badness)[:DAYS]:
        bounds = day_bounds(date.fromisoformat(day.day), holding.zone)
        yield from clipped([bounds], windows)


def _badness(day: DayTraffic) -> tuple[int, int, str]:
    late = 0 if day.within_limit is None else day.judged - day.within_limit
    return day.received - day.sent, -late, day.day


def _told(train: TrainRecord) -> WorstTrain:
    series = (train.rtt, train.forward, train.backward)
    slowest = max(
        (s.max_ns for s in series if s is not None and s.max_ns is not None), default=None
    )
    second = local(train.start_ns, UTC).replace(microsecond=0, tzinfo=None)
    return WorstTrain(
        path=train.path,
        start=f"{second.isoformat()}.{train.start_ns % 1_000_000_000:09}Z",
        sent=train.sent,
        received=train.received,
        slowest_ms="" if slowest is None else in_words(Fraction(slowest, 1_000_000)),
        reasons=tuple(train.reasons),
    )
