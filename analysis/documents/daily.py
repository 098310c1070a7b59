"""Traffic by local day for the charts: from the store, and from `traffic.csv` where that has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from analysis.documents.material import Material
from analysis.facts import TrafficRow
from analysis.traffic import DayTraffic, PathTraffic
from inventory.clocks import local
from inventory.periods import Period
from timeseries.histogram import BOUNDS_NS, OVERFLOW, Sparse, size

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class PathDays:
    """One directed path of a service, day by day."""

    pas: str
    peer: str
    endpoint: str
    days: dict[str, DayTraffic]
    """Local date of the PAS -> its packets."""
    undated: int = 0
    """Rows of `traffic.csv` over more than one day: in the figures, in no day."""

    @property
    def label(self) -> str:
        """As it stands in a chart."""
        return f"{self.pas} → {self.peer}" if self.peer else self.pas


def days_of(period: Period) -> tuple[date, ...]:
    """The local days of a period."""
    count = (period.end - period.begin).days
    return tuple(period.begin + timedelta(days=number) for number in range(count))


def in_period(path: PathTraffic, period: Period) -> Iterator[DayTraffic]:
    """Its days in the period: of a month, the traffic may cover the four months so far."""
    first, end = period.begin.isoformat(), period.end.isoformat()
    return (day for day in path.days if not day.day or first <= day.day < end)


def path_days(material: Material, service: str) -> list[PathDays]:
    """Every path of a service with traffic in the period, ascending; pairs in both directions."""
    found: dict[tuple[str, str], PathDays] = {}

    def of(pas: str, peer: str, endpoint: str) -> PathDays:
        return found.setdefault((pas, peer), PathDays(pas, peer, endpoint, {}))

    for path in material.inputs.traffic:
        if path.service == service:
            days = of(path.pas, path.peer, path.endpoint).days
            for day in in_period(path, material.period):
                if day.day:
                    days[day.day] = _added(days[day.day], day) if day.day in days else day
    for (pas, peer), rows in _by_path(material, service):
        one = of(pas, peer, rows[0].endpoint)
        dated: dict[str, DayTraffic] = {}
        for row in rows:
            zone = material.zone_of(row.pas)
            first, last = local(row.start_ns, zone).date(), local(row.end_ns - 1, zone).date()
            if first == last:
                new = _of_row(first.isoformat(), row)
                dated[new.day] = _added(dated[new.day], new) if new.day in dated else new
        one.days.update(dated)
        beyond = sum(1 for row in rows if not _in_one_day(material, row))
        if beyond:
            found[pas, peer] = PathDays(pas, peer, one.endpoint, one.days, beyond)
    return [found[key] for key in sorted(found)]


def _by_path(
    material: Material, service: str
) -> Iterator[tuple[tuple[str, str], list[TrafficRow]]]:
    begin, end = material.bounds
    margin = 86_400_000_000_000
    rows: dict[tuple[str, str], list[TrafficRow]] = {}
    for row in material.inputs.facts.traffic:
        # Days of a PAS far east or west of the administration reach over its bounds.
        if row.service == service and begin - margin < row.start_ns and row.end_ns < end + margin:
            day = local(row.start_ns, material.zone_of(row.pas)).date()
            if material.period.begin <= day < material.period.end:
                rows.setdefault((row.pas, row.peer), []).append(row)
    yield from rows.items()


def _in_one_day(material: Material, row: TrafficRow) -> bool:
    zone = material.zone_of(row.pas)
    return local(row.start_ns, zone).date() == local(row.end_ns - 1, zone).date()


def _of_row(day: str, row: TrafficRow) -> DayTraffic:
    jitter = 0 if row.jitter_ms is None else round(row.jitter_ms * row.jitter_readings * 1_000_000)
    return DayTraffic(
        day=day, planned=0, trains=0, valid=0, invalid={}, sent=row.sent, received=row.received,
        within_limit=row.within_limit, judged=row.received, jitter_sum_ns=jitter,
        jitter_count=0 if row.jitter_ms is None else row.jitter_readings,
        jitter_over=row.jitter_over, sent_all=row.sent, received_all=row.received,
    )  # fmt: skip


def _added(one: DayTraffic, other: DayTraffic) -> DayTraffic:
    within = (
        None
        if one.within_limit is None or other.within_limit is None
        else one.within_limit + other.within_limit
    )
    histogram = dict(one.histogram)
    for index, count in other.histogram:
        histogram[index] = histogram.get(index, 0) + count
    return DayTraffic(
        day=one.day, planned=one.planned + other.planned, trains=one.trains + other.trains,
        valid=one.valid + other.valid,
        invalid={
            reason: one.invalid.get(reason, 0) + other.invalid.get(reason, 0)
            for reason in {**one.invalid, **other.invalid}
        },
        sent=one.sent + other.sent, received=one.received + other.received, within_limit=within,
        judged=one.judged + other.judged, jitter_sum_ns=one.jitter_sum_ns + other.jitter_sum_ns,
        jitter_count=one.jitter_count + other.jitter_count,
        jitter_over=one.jitter_over + other.jitter_over, sent_all=one.sent_all + other.sent_all,
        received_all=one.received_all + other.received_all,
        histogram=tuple(sorted(histogram.items())),
    )  # fmt: skip


def within_percent(day: DayTraffic | None) -> Fraction | None:
    """Share of the received packets within the delay limit; None without a packet."""
    if day is None or day.within_limit is None or not day.judged:
        return None
    return Fraction(100 * day.within_limit, day.judged)


def loss_percent(day: DayTraffic | None) -> Fraction | None:
    """Share of the packets sent that were lost; None without a packet."""
    return (
        None if day is None or not day.sent else Fraction(100 * (day.sent - day.received), day.sent)
    )


def jitter_ms(day: DayTraffic | None) -> Fraction | None:
    """Mean of the readings; None without one."""
    if day is None or not day.jitter_count:
        return None
    return Fraction(day.jitter_sum_ns, day.jitter_count * 1_000_000)


def percentiles_ms(histogram: Sparse) -> tuple[Fraction | None, ...]:
    """The 50th, 95th and 99th percentile as the upper bounds of their bins, nearest rank.

    At most one bin's width (4.9 %) too high; None where it lies above the last bound.
    """
    total = size(histogram)
    if not total:
        return (None,) * len(PERCENTILES)
    ranks = [max(1, -(-percent * total // 100)) for percent in PERCENTILES]
    found: list[Fraction | None] = []
    seen = 0
    for index, count in histogram:
        seen += count
        while len(found) < len(ranks) and seen >= ranks[len(found)]:
            found.append(None if index == OVERFLOW else Fraction(BOUNDS_NS[index], 1_000_000))
    return tuple(found)


def over_days(
    days: Sequence[date], of: Iterable[PathDays]
) -> Iterator[tuple[PathDays, list[DayTraffic | None]]]:
    """Each path with its traffic on these days, None where there is none."""
    for path in of:
        yield path, [path.days.get(day.isoformat()) for day in days]
