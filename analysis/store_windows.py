"""When each configured path counts, and what its trains are judged by.

A path counts inside the delivery window of the PAS that it begins at, while that PAS has the
service (readings B5, B6, C5). Windows begin and end on a quarter of an hour everywhere; other edges
(`as_of`, an exclusion) are moved to one, so that trains and roll-ups give the same figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from analysis.catalogue_rows import Catalogue, PathLimits
from inventory.clocks import Interval, local, openings
from inventory.models import Configuration, Pas
from inventory.models import Path as MeasuredPath
from inventory.periods import Period
from inventory.services import Window
from timeseries.period_sums import Piece, Wanted
from timeseries.rollup import QUARTER_NS, quarter_of

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class CountedPath:
    """One path and what is asked of the store for it."""

    path: MeasuredPath
    wanted: Wanted

    @property
    def peer(self) -> str:
        """The PAS at the other end; empty for PAS to border."""
        return self.path.peer or ""


def counted_paths(
    configuration: Configuration,
    catalogue: Catalogue | None,
    period: Period,
    *,
    as_of_ns: int | None = None,
    each_day: bool = False,
    left_out: Mapping[str, Sequence[Interval]] | None = None,
) -> list[CountedPath]:
    """The paths that count in a period, in the configuration's order.

    Labels are local dates with `each_day`, and where the window changes inside the period;
    otherwise empty. `left_out`: path id -> time that does not count; a quarter of an hour that it
    touches is left out. A row of the contract without a window counts nothing. Without a catalogue
    the paths have no limits.
    """
    found = []
    known: dict[tuple[object, ...], tuple[Piece, ...]] = {}
    by_id = {pas.id: pas for pas in configuration.pas}
    limits_of: dict[tuple[object, ...], PathLimits] = {}
    for path in configuration.paths:
        pas = by_id[path.pas]
        peer = None if path.peer is None else by_id[path.peer]
        terms = tuple(_terms(pas, path.service, period))
        cuts = tuple((left_out or {}).get(path.id, ()))
        # Paths of one time zone and window share their pieces, which are many.
        key = (pas.timezone, terms, cuts)
        if key not in known:
            daily = each_day or len(terms) > 1
            known[key] = _pieces(pas.timezone, terms, cuts, as_of_ns, each_day=daily)
        if not terms:
            continue
        profile = peer.profile if peer else None
        terms_of = (path.service, pas.profile, profile)
        if terms_of not in limits_of:
            limits_of[terms_of] = (
                PathLimits() if catalogue is None else catalogue.limits_for(*terms_of)
            )
        limits = limits_of[terms_of]
        wanted = Wanted(
            path.id,
            known[key],
            None if limits.delay_ms is None else int(limits.delay_ms * _MS),
            limits.delay_kind or "rtt",
            None if limits.jitter_ms is None else int(limits.jitter_ms * _MS),
        )
        found.append(CountedPath(path, wanted))
    return found


_Term = tuple[date, date, Window]


def _terms(pas: Pas, service: str, period: Period) -> Iterator[_Term]:
    """Stretches of one window; a later row takes over from an earlier one."""
    rows = sorted(
        (row for row in pas.services if row.id == service), key=lambda row: row.start or date.min
    )
    previous: _Term | None = None
    for number, row in enumerate(rows):
        begin = max(period.begin, row.start or period.begin)
        end = period.end if row.end is None else min(period.end, row.end + timedelta(days=1))
        if number + 1 < len(rows):
            end = min(end, rows[number + 1].start or end)
        if row.window is None or begin >= end:
            continue
        if previous is not None and previous[1:] == (begin, row.window):
            previous = (previous[0], end, row.window)
            continue
        if previous is not None:
            yield previous
        previous = (begin, end, row.window)
    if previous is not None:
        yield previous


def _pieces(
    zone: str,
    terms: Sequence[_Term],
    cuts: Sequence[Interval],
    as_of_ns: int | None,
    *,
    each_day: bool,
) -> tuple[Piece, ...]:
    last_ns = None if as_of_ns is None else quarter_of(as_of_ns)
    pieces: list[Piece] = []
    for begin, end, window in terms:
        for opens, closes in openings(window, zone, begin, end):
            label = local(opens, zone).date().isoformat() if each_day else ""
            closes = closes if last_ns is None else min(closes, last_ns)
            for low, high in _without((opens, closes), cuts):
                if pieces and pieces[-1][1:] == (low, label):
                    pieces[-1] = (pieces[-1][0], high, label)
                else:
                    pieces.append((low, high, label))
    return tuple(pieces)


def _without(opening: Interval, cuts: Sequence[Interval]) -> Iterator[Interval]:
    low, closes = opening
    for begin, end in sorted(cuts):
        begin, end = quarter_of(begin), -(-end // QUARTER_NS) * QUARTER_NS
        if begin >= closes:
            break
        if low < begin:
            yield low, begin
        low = max(low, end)
    if low < closes:
        yield low, closes
