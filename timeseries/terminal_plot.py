"""The delay and loss of a path over a time, as text: for an engineer on ssh.

Trains are added up into twice as many steps as there are columns (a Braille character has two by
four dots): the median as a line, the 95th percentile as dots, losses as a strip below. Percentiles
come from added histograms, so they may be 4.9 % too high. Pure over what the reader gives.
"""

from __future__ import annotations

import math
import textwrap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_UP, Decimal
from itertools import groupby, pairwise
from statistics import median_low

from timeseries import histogram
from timeseries.errors import StoreError
from timeseries.quarters import quarters
from timeseries.reader import Reader
from timeseries.records import RollupRecord, TrainRecord
from timeseries.rollup import QUARTER_NS

WIDTH_LEAST, HEIGHT_LEAST = 40, 12
MARGIN = 10
"""Characters of the axis to the left."""
BLOCKS = "▁▂▃▄▅▆▇█"
LOSS_PERCENT = (1, 2, 5, 10, 25, 50, 99)
"""Up to which share each block but the full one goes."""
NO_RECORD, SPOILED = "·", "?"
LIMIT = "┈"
_DOTS = {
    (0, 0): 0x01, (0, 1): 0x02, (0, 2): 0x04, (0, 3): 0x40,
    (1, 0): 0x08, (1, 1): 0x10, (1, 2): 0x20, (1, 3): 0x80,
}  # fmt: skip
"""Bits of a Braille character (Unicode, block U+2800) by column and row of the dot."""
_HOUR_S = 3_600
_TIME_STEPS_S = (
    60, 120, 300, 600, 900, 1_800, _HOUR_S, 2 * _HOUR_S, 3 * _HOUR_S, 6 * _HOUR_S, 12 * _HOUR_S,
    *(days * 24 * _HOUR_S for days in (1, 2, 7, 14, 28, 91, 364)),
)  # fmt: skip
_ROUND_NS = tuple(base * int(10**power) for power in range(13) for base in (1, 2, 5))
"""Up to more than an hour: no delay is longer than a timeout."""
_LABEL = 8
"""Columns from one time to the next, at least."""
_MEDIAN, _P95, _BAD, _FAINT = "36", "33", "31", "2"
"""Colours (SGR)."""


@dataclass(frozen=True, slots=True)
class Step:
    """What began in one step of the time axis; counters and delays of valid trains."""

    start_ns: int
    trains: int = 0
    valid: int = 0
    sent: int = 0
    lost: int = 0
    rtt: histogram.Sparse = ()
    low_ns: int = 0
    high_ns: int = histogram.BOUNDS_NS[-1]
    """Between these lie all delays, as far as it is known."""

    def delay_ns(self, p: int) -> int | None:
        """A percentile of the round trips; None when nothing came back."""
        return histogram.percentile(self.rtt, p, self.low_ns, self.high_ns)


@dataclass(frozen=True, slots=True)
class Scale:
    """The delay axis, from `low_ns` up to `high_ns`, linear or logarithmic."""

    low_ns: int
    high_ns: int
    logarithmic: bool
    ticks_ns: tuple[int, ...]

    def share(self, delay_ns: int) -> float:
        """How high a delay stands, from 0 (below) to 1 (above)."""
        delay_ns = min(max(delay_ns, self.low_ns), self.high_ns)
        if self.logarithmic:
            return math.log(delay_ns / self.low_ns) / math.log(self.high_ns / self.low_ns)
        return (delay_ns - self.low_ns) / (self.high_ns - self.low_ns)

    def row(self, delay_ns: int, rows: int) -> int:
        """The row of `rows`, 0 on top."""
        return rows - 1 - min(rows - 1, int(self.share(delay_ns) * rows))


def plot(
    reader: Reader,
    path: str,
    from_ns: int,
    to_ns: int,
    *,
    width: int,
    height: int,
    colour: bool,
    zone: tzinfo | None = None,
) -> str:
    """The plot of [from_ns, to_ns) (UTC) in `width` columns and `height` lines.

    `zone`: whose local time stands below UTC; None: this host's. Raises `StoreError` when there is
    no train in the time, or when width or height cannot hold a plot.
    """
    if width < WIDTH_LEAST or height < HEIGHT_LEAST:
        raise StoreError(
            f"a plot takes {WIDTH_LEAST} columns and {HEIGHT_LEAST} lines, here are {width} and"
            f" {height}: make the terminal larger, or export the records as CSV"
        )
    columns = width - MARGIN
    pieces, limit_ns = _read(reader, path, from_ns, to_ns, (to_ns - from_ns) // (2 * columns))
    if not pieces:
        raise StoreError(
            f"path {path!r} has no trains from {_stamp(from_ns)} to {_stamp(to_ns)} UTC:"
            " choose another --from and --to, or look at `pasprobe status`"
        )
    total = _added(from_ns, pieces)
    steps = _stepped(pieces, from_ns, to_ns, 2 * columns)
    below = _times(from_ns, to_ns, columns, zone)
    words = _words(total, limit_ns, width)
    rows = max(4, height - 2 - len(below) - len(words))
    title = "".join(one if one.isprintable() else "?" for one in path)
    return "\n".join(
        [
            f"{title}  {_stamp(from_ns)} to {_stamp(to_ns)} UTC"[:width],
            *_chart(steps, _scale(steps, rows), limit_ns, rows, colour),
            _loss_strip(steps, colour),
            *below,
            *words,
        ]
    )


def _read(
    reader: Reader, path: str, from_ns: int, to_ns: int, step_ns: int
) -> tuple[list[Step], int | None]:
    """(what there is, by time; the newest round-trip limit).

    Trains; roll-ups where each step of the plot holds several of them.
    """
    records: Iterable[TrainRecord | RollupRecord]
    if step_ns >= 2 * QUARTER_NS:
        records = quarters(reader, path, from_ns, to_ns)
    else:
        records = reader.trains(path, from_ns, to_ns)
    pieces: list[Step] = []
    limit_ns = None
    for record in records:
        pieces.append(_of_train(record) if isinstance(record, TrainRecord) else _of_rollup(record))
        limit_ns = record.limit_ns if record.limit_on == "rtt" else None
    return pieces, limit_ns


def _of_train(train: TrainRecord) -> Step:
    if not train.valid:
        return Step(train.start_ns, trains=1)
    low_ns, high_ns = train.rtt.min_ns, train.rtt.max_ns
    found = Step(train.start_ns, 1, 1, train.sent, train.lost, train.rtt.histogram)
    if low_ns is None or high_ns is None:
        return found
    return replace(found, low_ns=low_ns, high_ns=high_ns)


def _of_rollup(one: RollupRecord) -> Step:
    lost = one.sent - one.received
    return Step(one.start_ns, one.trains, one.valid, one.sent, lost, one.rtt_histogram)


def _added(start_ns: int, pieces: Sequence[Step]) -> Step:
    answered = [one for one in pieces if one.rtt]
    return Step(
        start_ns,
        trains=sum(one.trains for one in pieces),
        valid=sum(one.valid for one in pieces),
        sent=sum(one.sent for one in pieces),
        lost=sum(one.lost for one in pieces),
        rtt=histogram.add(*(one.rtt for one in answered)),
        low_ns=min((one.low_ns for one in answered), default=0),
        high_ns=max((one.high_ns for one in answered), default=0),
    )


def _stepped(pieces: Sequence[Step], from_ns: int, to_ns: int, count: int) -> list[Step]:
    """The pieces in `count` equal steps.

    A train stands for the time to the next one, as long as that is not much later than usual:
    where trains are rarer than steps, the line is whole, and a gap is a gap all the same.
    """

    def index(ns: int) -> int:
        return min(count - 1, max(0, (ns - from_ns) * count // (to_ns - from_ns)))

    grouped: list[list[Step]] = [[] for _ in range(count)]
    for piece in pieces:
        grouped[index(piece.start_ns)].append(piece)
    found = [
        _added(from_ns + number * (to_ns - from_ns) // count, mine)
        for number, mine in enumerate(grouped)
    ]
    starts = [piece.start_ns for piece in pieces]
    if len(starts) > 1:
        usual_ns = median_low(later - earlier for earlier, later in pairwise(starts))
        for start_ns, next_ns in pairwise(starts):
            if next_ns - start_ns <= 2 * usual_ns:
                first = index(start_ns)
                found[first + 1 : index(next_ns)] = [found[first]] * (index(next_ns) - first - 1)
    return found


def _scale(steps: Sequence[Step], rows: int) -> Scale:
    delays = [
        delay for one in steps for p in (50, 95) if (delay := one.delay_ns(p)) is not None
    ] or [1_000_000]
    low_ns, high_ns = max(1, min(delays)), max(1, *delays)
    if high_ns > 10 * low_ns:
        first = max(tick for tick in _ROUND_NS if tick <= low_ns)
        last = min(tick for tick in _ROUND_NS if tick >= high_ns)
        ticks = tuple(tick for tick in _ROUND_NS if first <= tick <= last)
        return Scale(first, last, True, ticks)
    step_ns = _round_step(max(1, high_ns - low_ns, low_ns // 10), max(2, rows // 3))
    first = low_ns // step_ns * step_ns
    last = max(-(-high_ns // step_ns) * step_ns, first + step_ns)
    return Scale(first, last, False, tuple(range(first, last + 1, step_ns)))


def _round_step(span: int, most: int) -> int:
    """The smallest 1, 2 or 5 times a power of ten of which `most` cover the span."""
    return next(step for step in _ROUND_NS if step * most >= span)


def _chart(
    steps: Sequence[Step], scale: Scale, limit_ns: int | None, rows: int, colour: bool
) -> Iterator[str]:
    median = _line([one.delay_ns(50) for one in steps], scale, rows * 4)
    p95 = {
        (x, scale.row(delay, rows * 4))
        for x, one in enumerate(steps)
        if (delay := one.delay_ns(95)) is not None
    }
    labels: dict[int, str] = {}
    for tick in scale.ticks_ns:
        labels.setdefault(scale.row(tick, rows), f"{tick / 1e6:g} ms")
    limit_row = None
    if limit_ns is not None and scale.low_ns <= limit_ns <= scale.high_ns:
        limit_row = scale.row(limit_ns, rows)
    for row in range(rows):
        cells = []
        for column in range(len(steps) // 2):
            of_median, of_p95 = (_bits(dots, column, row) for dots in (median, p95))
            if of_median or of_p95:
                cells.append((chr(0x2800 | of_median | of_p95), _MEDIAN if of_median else _P95))
            elif row == limit_row:
                cells.append((LIMIT, _BAD))
            else:
                cells.append((" ", ""))
        yield _labelled(labels.get(row, ""), "┤" if row in labels else "│", cells, colour)


def _bits(dots: set[tuple[int, int]], column: int, row: int) -> int:
    return sum(bit for (x, y), bit in _DOTS.items() if (2 * column + x, 4 * row + y) in dots)


def _line(delays: Sequence[int | None], scale: Scale, rows: int) -> set[tuple[int, int]]:
    """The dots of a line through these delays; it breaks where there is none."""
    found = set()
    previous: int | None = None
    for x, delay in enumerate(delays):
        if delay is None:
            previous = None
            continue
        y = scale.row(delay, rows)
        found.add((x, y))
        if previous is not None and abs(y - previous) > 1:
            step = 1 if y > previous else -1
            found |= {(x, between) for between in range(previous + step, y, step)}
        previous = y
    return found


def _loss_strip(steps: Sequence[Step], colour: bool) -> str:
    pairs = zip(steps[::2], steps[1::2], strict=True)
    return _labelled("loss", "│", [_loss_cell(a, b) for a, b in pairs], colour)


def _loss_cell(*steps: Step) -> tuple[str, str]:
    sent, lost = sum(one.sent for one in steps), sum(one.lost for one in steps)
    if not any(one.trains for one in steps):
        return NO_RECORD, _FAINT
    if sent == 0:
        return SPOILED, _P95
    if lost == 0:
        return " ", ""
    # Up to 1 % the lowest block, and the full one only where (nearly) nothing came back.
    return BLOCKS[bisect_left(LOSS_PERCENT, -(-100 * lost // sent))], _BAD


def _labelled(label: str, edge: str, cells: Iterable[tuple[str, str]], colour: bool) -> str:
    text = f"{label[: MARGIN - 1]:>{MARGIN - 1}}{edge}"
    for code, group in groupby(cells, key=lambda cell: cell[1]):
        run = "".join(character for character, _ in group)
        text += f"\x1b[{code}m{run}\x1b[0m" if colour and code else run
    return text.rstrip()


def _times(from_ns: int, to_ns: int, columns: int, zone: tzinfo | None) -> list[str]:
    """The time axis: its line, the hours in UTC, and in local time where that differs."""
    span_s = (to_ns - from_ns) / 1e9
    step_s = next(
        (one for one in _TIME_STEPS_S if one * columns >= _LABEL * span_s), _TIME_STEPS_S[-1]
    )
    form = "%H:%M" if step_s < 24 * _HOUR_S else "%m-%d"
    first = -(-from_ns // (step_s * 10**9))
    ticks = {
        (second * 10**9 - from_ns) * columns // (to_ns - from_ns): datetime.fromtimestamp(
            second, UTC
        )
        for second in range(first * step_s, -(-to_ns // 10**9), step_s)
    }
    line = "".join("┬" if column in ticks else "─" for column in range(columns))
    local = {column: moment.astimezone(zone) for column, moment in ticks.items()}
    found = [f"{'':>{MARGIN - 1}}└{line}", _moments("UTC", ticks, columns, form)]
    if any(moment.utcoffset() for moment in local.values()):
        name = next(iter(local.values())).tzname() or "local"
        found.append(_moments(name, local, columns, form))
    return found


def _moments(name: str, ticks: dict[int, datetime], columns: int, form: str) -> str:
    line = [" "] * columns
    for column, moment in ticks.items():
        if column + 5 <= columns:
            line[column : column + 5] = moment.strftime(form)
    return f"{name[: MARGIN - 1]:>{MARGIN - 1}} {''.join(line)}".rstrip()


def _words(total: Step, limit_ns: int | None, width: int) -> list[str]:
    """What the plot shows, and the figures of the whole time."""
    limit = "" if limit_ns is None else f" (limit {limit_ns / 1e6:g} ms)"
    lost = "nothing sent"
    if total.sent:
        percent = (Decimal(100 * total.lost) / total.sent).quantize(Decimal("0.01"), ROUND_UP)
        lost = f"lost {total.lost} of {total.sent} ({percent} %)"
    spoiled = total.trains - total.valid
    figures = (
        f"line: median {_ms(total.delay_ns(50))}; dots: p95 {_ms(total.delay_ns(95))}{limit};"
        f" {lost}; {total.trains} trains"
        + (f", {spoiled} spoiled by the agent's host ({SPOILED})" if spoiled else "")
    )
    return textwrap.wrap(figures, width)


def _ms(ns: int | None) -> str:
    return "-" if ns is None else f"{ns / 1e6:.4g} ms"


def _stamp(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M")
