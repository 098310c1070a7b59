"""Packets added up: per directed path over a period, then per PAS or per pair (reading A6).

`Inputs.traffic` comes without the time that `traffic.csv` replaces, so both add up here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from analysis.facts import TrafficRow
from analysis.traffic import DayTraffic, PathTraffic

Direction = tuple[str, str, str]
"""(service, pas, peer); the peer is empty towards a border router."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Counters of some paths; every one of valid trains but the two `_all`."""

    planned: int = 0
    valid: int = 0
    sent: int = 0
    received: int = 0
    within: int = 0
    judged: int = 0
    """Received packets that `within` is a share of."""
    jitter_sum_ns: Fraction = Fraction(0)
    jitter_count: int = 0
    jitter_over: int = 0
    sent_all: int = 0
    received_all: int = 0
    rows: int = 0
    """Of `traffic.csv`."""
    trains: int = 0
    evidence: frozenset[str] = frozenset()

    def __add__(self, other: Pool) -> Pool:
        return Pool(
            planned=self.planned + other.planned,
            valid=self.valid + other.valid,
            sent=self.sent + other.sent,
            received=self.received + other.received,
            within=self.within + other.within,
            judged=self.judged + other.judged,
            jitter_sum_ns=self.jitter_sum_ns + other.jitter_sum_ns,
            jitter_count=self.jitter_count + other.jitter_count,
            jitter_over=self.jitter_over + other.jitter_over,
            sent_all=self.sent_all + other.sent_all,
            received_all=self.received_all + other.received_all,
            rows=self.rows + other.rows,
            trains=self.trains + other.trains,
            evidence=self.evidence | other.evidence,
        )

    @property
    def coverage(self) -> Fraction | None:
        """Percent of the planned trains that are valid; None where no train was planned."""
        return Fraction(100 * self.valid, self.planned) if self.planned else None

    @property
    def lost(self) -> int:
        """Packets."""
        return self.sent - self.received


def pooled(pools: Iterable[Pool]) -> Pool:
    """Their sum; an empty pool of none."""
    return sum(pools, Pool())


def of_store(path: PathTraffic, begin: str, end: str) -> Pool:
    """The days of a path from `begin` to before `end`, ISO dates; a sum without a day counts."""
    days = [day for day in path.days if not day.day or begin <= day.day < end]
    evidence = frozenset(path.evidence or (f"path {path.path}",)) if days else frozenset()
    return pooled(_of_day(day, evidence) for day in days)


def of_row(row: TrafficRow) -> Pool:
    """One row of `traffic.csv`; its readings of jitter weigh by their number (reading D5)."""
    sum_ns = Fraction(0)
    count = 0
    if row.jitter_ms is not None:
        count = row.jitter_readings
        sum_ns = Fraction(row.jitter_ms) * 1_000_000 * count
    return Pool(
        sent=row.sent,
        received=row.received,
        within=row.within_limit,
        judged=row.received,
        jitter_sum_ns=sum_ns,
        jitter_count=count,
        jitter_over=row.jitter_over,
        sent_all=row.sent,
        received_all=row.received,
        rows=1,
        evidence=frozenset({str(row.where)}),
    )


def by_direction(
    paths: Sequence[PathTraffic], rows: Iterable[TrafficRow], begin: str, end: str
) -> Mapping[Direction, Pool]:
    """One pool a direction, of the store's days in [begin, end) and of the given rows."""
    parts: dict[Direction, list[Pool]] = {}
    for path in paths:
        part = of_store(path, begin, end)
        parts.setdefault((path.service, path.pas, path.peer), []).append(part)
    for row in rows:
        parts.setdefault((row.service, row.pas, row.peer), []).append(of_row(row))
    return {direction: pooled(parts[direction]) for direction in sorted(parts)}


def _of_day(day: DayTraffic, evidence: frozenset[str]) -> Pool:
    within = day.within_limit
    return Pool(
        planned=day.planned,
        valid=day.valid,
        sent=day.sent,
        received=day.received,
        within=0 if within is None else within,
        judged=0 if within is None else day.judged,
        jitter_sum_ns=Fraction(day.jitter_sum_ns),
        jitter_count=day.jitter_count,
        jitter_over=day.jitter_over,
        sent_all=day.sent_all,
        received_all=day.received_all,
        trains=day.trains,
        evidence=evidence,
    )
