"""What each path measured inside its own delivery windows: one definition, two ways to add up.

A path is asked for with the pieces of time that count for it, each under a label (a local day, or
nothing), and with its contract's limits. Data directories are grouped by DuckDB
(`timeseries.period_duck`); of any other reader the records are added up one by one. All sums are of
integers, so both say the same.

What counts as judged is the same for a train and for a roll-up: by the round trip, the received
packets of records by the contract's own limit, else those that their histogram still has; one way,
the samples of the one-way histograms of records judged one way, both directions pooled (D11).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from timeseries import histogram
from timeseries.errors import StoreError
from timeseries.reader import EmbeddedReader, Reader
from timeseries.records import RollupRecord, TrainRecord
from timeseries.rollup import JITTER_20_NS, JITTER_40_NS, QUARTER_NS

Kind = Literal["trains", "rollups"]
Interval = tuple[int, int]
"""[begin, end) in UTC nanoseconds."""
Piece = tuple[int, int, str]
"""[begin, end) in UTC nanoseconds, whole quarters of an hour, and the label it is summed under."""

NONE, INVALID, DARK, GOOD = range(4)
"""A quarter of an hour of one path: no train on record; none valid; valid ones that lost
everything; packets came back. Of several agents the best one counts."""

_JITTER_LIMITS = (None, JITTER_20_NS, JITTER_40_NS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One path, when it counts and what it is judged by."""

    path: str
    pieces: tuple[Piece, ...]
    """Ascending and disjoint."""
    limit_ns: int | None = None
    limit_on: Literal["rtt", "one-way"] = "rtt"
    jitter_limit_ns: int | None = None
    """20 or 40 ms: roll-ups count readings above these."""


@dataclass(slots=True)
class Sums:
    """One path under one label; packets and jitter are of valid trains."""

    path: str
    label: str
    planned: int = 0
    """By the roll-ups; 0 from trains."""
    trains: int = 0
    valid: int = 0
    sent: int = 0
    received: int = 0
    within_limit: int = 0
    judged: int = 0
    """Packets (one way: samples) that `within_limit` is a share of."""
    jitter_sum_ns: int = 0
    jitter_count: int = 0
    jitter_over: int = 0
    sent_all: int = 0
    """Of all trains, valid or not; from roll-ups as `sent`, they do not know."""
    received_all: int = 0
    invalid: dict[str, int] = field(default_factory=dict)
    histogram: dict[int, int] = field(default_factory=dict)
    """Of the judged delay; empty unless it was asked for."""


@dataclass(slots=True)
class PeriodSums:
    """The answer."""

    sums: dict[tuple[str, str], Sums] = field(default_factory=dict)
    """(path, label): only where there is a record."""
    quarters: dict[str, bytearray] = field(default_factory=dict)
    """Path -> state of each quarter from `first_ns` on; from roll-ups, where asked for."""
    reasons: dict[tuple[str, int], frozenset[str]] = field(default_factory=dict)
    """(path, start of a quarter) -> why no train of it is valid."""
    first_ns: int = 0

    def of(self, path: str, label: str) -> Sums:
        """The sums of a path under a label, made where there are none yet."""
        found = self.sums.get((path, label))
        if found is None:
            found = self.sums[path, label] = Sums(path, label)
        return found

    def note(self, path: str, quarter_ns: int, state: int) -> None:
        """A quarter is at least so good."""
        index = (quarter_ns - self.first_ns) // QUARTER_NS
        states = self.quarters[path]
        states[index] = max(states[index], state)


def period_sums(
    source: Path | Sequence[Path] | Reader,
    kind: Kind,
    wanted: Sequence[Wanted],
    *,
    histograms: bool = False,
    quarters: bool = False,
    threads: int = 0,
    memory: str = "1GB",
) -> PeriodSums:
    """Sums of the wanted paths; records of several agents add up.

    `histograms`: also the delay histograms, and the jitter of paths without a limit on it.
    `quarters` (roll-ups): also the state of each quarter of an hour. Raises `StoreError` for pieces
    that cut a quarter, a path that is wanted twice, a limit that cannot be judged from a histogram
    where it has to be; else as the readers do.
    """
    _check(wanted)
    span = _span(wanted)
    answer = PeriodSums(first_ns=span[0])
    if quarters:
        length = (span[1] - span[0]) // QUARTER_NS
        answer.quarters = {one.path: bytearray(length) for one in wanted}
    folders = _folders_of(source)
    if folders is None:
        assert not isinstance(source, Path | Sequence)
        _one_by_one(source, kind, wanted, answer, histograms=histograms)
    elif span[1]:
        from timeseries.period_duck import add_up

        add_up(
            answer, folders, kind, wanted, span,
            histograms=histograms, threads=threads, memory=memory,
        )  # fmt: skip
    return answer


def _folders_of(source: Path | Sequence[Path] | Reader) -> Sequence[Path] | None:
    """The data directories that DuckDB can read; None for a store that lies elsewhere."""
    if isinstance(source, Path):
        return [source]
    if isinstance(source, EmbeddedReader):
        return source.folders
    return source if isinstance(source, Sequence) else None


def needs_jitter(one: Wanted, *, histograms: bool) -> bool:
    """Whether the jitter of this path is summed up."""
    return histograms or one.jitter_limit_ns is not None


def _check(wanted: Sequence[Wanted]) -> None:
    if len({one.path for one in wanted}) < len(wanted):
        raise StoreError("a path is asked for twice: give its pieces of time together")
    seen: set[int] = set()
    for one in wanted:
        if one.jitter_limit_ns not in _JITTER_LIMITS:
            raise StoreError(
                f"path {one.path}: roll-ups count jitter readings above 20 and 40 ms, not above"
                f" {one.jitter_limit_ns} ns"
            )
        if id(one.pieces) in seen:
            continue
        seen.add(id(one.pieces))
        before = 0
        for begin, end, _ in one.pieces:
            if begin % QUARTER_NS or end % QUARTER_NS or not before <= begin < end:
                raise StoreError(
                    f"path {one.path}: the piece from {begin} to {end} ns is none: pieces are whole"
                    " quarters of an hour, ascending and disjoint"
                )
            before = end


def _span(wanted: Sequence[Wanted]) -> tuple[int, int]:
    pieces = [one.pieces for one in wanted if one.pieces]
    return min((p[0][0] for p in pieces), default=0), max((p[-1][1] for p in pieces), default=0)


def _one_by_one(
    reader: Reader,
    kind: Kind,
    wanted: Sequence[Wanted],
    answer: PeriodSums,
    *,
    histograms: bool,
) -> None:
    """What DuckDB would group, record by record."""
    mine: Mapping[str, tuple[Wanted, list[int]]] = {
        one.path: (one, [begin for begin, _, _ in one.pieces]) for one in wanted if one.pieces
    }
    if not mine:
        return
    records: Iterable[TrainRecord] | Iterable[RollupRecord]
    read = reader.trains if kind == "trains" else reader.rollups
    records = read(list(mine), *_span(wanted))
    for record in records:
        one, begins = mine[record.path]
        place = bisect_right(begins, record.start_ns) - 1
        if place < 0 or record.start_ns >= one.pieces[place][1]:
            continue
        sums = answer.of(record.path, one.pieces[place][2])
        if isinstance(record, TrainRecord):
            _add_train(sums, record, one, histograms=histograms)
        else:
            _add_rollup(sums, record, one, histograms=histograms)
            if answer.quarters:
                _note(answer, record)


def _add_train(sums: Sums, train: TrainRecord, one: Wanted, *, histograms: bool) -> None:
    sums.trains += 1
    sums.sent_all += train.sent
    sums.received_all += train.received
    if not train.valid:
        for reason in set(train.reasons) or {"unstated"}:
            sums.invalid[reason] = sums.invalid.get(reason, 0) + 1
        return
    sums.valid += 1
    sums.sent += train.sent
    sums.received += train.received
    jitter = train.rtt.ipdv_mean_ns
    if jitter is not None and needs_jitter(one, histograms=histograms):
        sums.jitter_sum_ns += jitter
        sums.jitter_count += 1
        sums.jitter_over += one.jitter_limit_ns is not None and jitter > one.jitter_limit_ns
    judged_by = (train.limit_ns, train.limit_on)
    if one.limit_on == "one-way":
        if train.limit_on == "one-way" and train.one_way_judged:
            both = [f.histogram for f in (train.forward, train.backward) if f is not None]
            _judge(sums, histogram.add(*both), one, histograms=histograms)
    else:
        _add_round_trips(
            sums, one, judged_by, train.received, train.rtt.within_limit, train.rtt.histogram,
            histograms=histograms,
        )  # fmt: skip


def _add_rollup(sums: Sums, rollup: RollupRecord, one: Wanted, *, histograms: bool) -> None:
    sums.planned += rollup.planned
    sums.trains += rollup.trains
    sums.valid += rollup.valid
    sums.sent += rollup.sent
    sums.received += rollup.received
    sums.sent_all += rollup.sent
    sums.received_all += rollup.received
    for reason, count in rollup.invalid:
        sums.invalid[reason] = sums.invalid.get(reason, 0) + count
    if needs_jitter(one, histograms=histograms):
        sums.jitter_sum_ns += rollup.jitter_sum_ns
        sums.jitter_count += rollup.jitter_count
        if one.jitter_limit_ns is not None:
            short = one.jitter_limit_ns == JITTER_20_NS
            sums.jitter_over += rollup.jitter_over_20ms if short else rollup.jitter_over_40ms
    if one.limit_on == "one-way":
        if rollup.limit_on == "one-way":
            both = histogram.add(rollup.forward_histogram, rollup.backward_histogram)
            _judge(sums, both, one, histograms=histograms)
    else:
        _add_round_trips(
            sums, one, (rollup.limit_ns, rollup.limit_on), rollup.received, rollup.within_limit,
            rollup.rtt_histogram, histograms=histograms,
        )  # fmt: skip


def _add_round_trips(
    sums: Sums,
    one: Wanted,
    judged_by: tuple[int | None, str],
    received: int,
    within: int | None,
    round_trips: histogram.Sparse,
    *,
    histograms: bool,
) -> None:
    if histograms:
        _pool(sums, round_trips)
    if one.limit_ns is None or received == 0:
        return
    if judged_by == (one.limit_ns, "rtt"):
        sums.within_limit += within or 0
        sums.judged += received
    elif histogram.size(round_trips) == received:
        sums.within_limit += histogram.within(round_trips, one.limit_ns)
        sums.judged += received


def _judge(sums: Sums, pooled: histogram.Sparse, one: Wanted, *, histograms: bool) -> None:
    if histograms:
        _pool(sums, pooled)
    if one.limit_ns is not None:
        sums.within_limit += histogram.within(pooled, one.limit_ns)
        sums.judged += histogram.size(pooled)


def _pool(sums: Sums, more: histogram.Sparse) -> None:
    for index, count in more:
        sums.histogram[index] = sums.histogram.get(index, 0) + count


def _note(answer: PeriodSums, rollup: RollupRecord) -> None:
    state = state_of(rollup.trains, rollup.valid, rollup.sent, rollup.received)
    answer.note(rollup.path, rollup.start_ns, state)
    if state == INVALID:
        key = (rollup.path, rollup.start_ns)
        reasons = {reason for reason, _ in rollup.invalid}
        answer.reasons[key] = answer.reasons.get(key, frozenset()) | reasons


def state_of(trains: int, valid: int, sent: int, received: int) -> int:
    """The state of a quarter by the counters of its roll-up."""
    if valid == 0:
        return INVALID if trains else NONE
    return DARK if sent > 0 and received == 0 else GOOD
