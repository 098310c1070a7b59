"""Smoke-style delay plots as SVG: per train its median, its spread as shades, its loss in colour.

Pure functions; the text is complete in itself (no script, no style sheet, no link). Axes are ours,
`drawsvg` writes the elements. The delay axis is logarithmic, so that a path of 20 ms and its limit
of 300 ms have room in one picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import Any

MS = 1_000_000
SECOND_NS = 1_000_000_000

WIDTH, HEIGHT = 780, 268
_LEFT, _RIGHT, _TOP = 62, 12, 12
_DELAY_BOTTOM = 186
_LOSS_TOP, _LOSS_BOTTOM = 198, 230
_FONT = 12
_INK, _GRID = "#222222", "#e3e6ea"
_SMOKE_OUTER, _SMOKE_INNER = "#d3d8de", "#a7b0ba"
_LIMIT = "#8a1c7c"
NO_LOSS, SOME_LOSS, MUCH_LOSS = "#1b5fa8", "#b85c00", "#b3001b"
"""No packet lost; some, up to the loss limit; more. Told apart by people who see no red or green,
and by the height of the bar below."""
_SECOND_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
_MOST_TIME_LABELS = 9


@dataclass(frozen=True, slots=True)
class Column:
    """One train, or any stretch of time, in the plot. Delays in nanoseconds, None when all lost."""

    start_ns: int
    end_ns: int
    min_ns: int | None
    p50_ns: int | None
    p95_ns: int | None
    max_ns: int | None
    sent: int
    lost: int
    valid: bool = True

    @property
    def loss(self) -> float:
        """Share of the packets sent that were lost."""
        return self.lost / self.sent if self.sent else 0.0


@dataclass(frozen=True, slots=True)
class Labels:
    """The words of one plot."""

    identifier: str
    """Unique in the page: letters, digits and hyphens."""
    title: str
    description: str


def smoke_plot(
    columns: Sequence[Column],
    labels: Labels,
    *,
    limit_ms: Decimal | None,
    loss_limit_percent: Decimal | None,
) -> str:
    """The SVG element for these columns, in order of time; there must be one at least."""
    import drawsvg

    axes = _Axes(columns, limit_ms)
    title_id, text_id = f"{labels.identifier}-title", f"{labels.identifier}-text"
    picture = drawsvg.Drawing(
        WIDTH,
        HEIGHT,
        id_prefix=f"{labels.identifier}-",
        role="img",
        aria_labelledby=f"{title_id} {text_id}",
        font_family="system-ui, sans-serif",
    )
    picture.append(drawsvg.Raw(f'<title id="{title_id}">{escape(labels.title)}</title>'))
    picture.append(drawsvg.Raw(f'<desc id="{text_id}">{escape(labels.description)}</desc>'))
    for element in _grid(drawsvg, axes):
        picture.append(element)
    for column in columns:
        picture.append(_column(drawsvg, axes, column, loss_limit_percent))
    for element in _limit(drawsvg, axes, limit_ms):
        picture.append(element)
    svg: str = picture.as_svg(header="")
    # Scales with the page instead of standing 780 pixels wide.
    return svg.replace(f'width="{WIDTH}" height="{HEIGHT}"', 'class="smoke"', 1)


class _Axes:
    """From time, delay and loss to places in the picture."""

    def __init__(self, columns: Sequence[Column], limit_ms: Decimal | None) -> None:
        if not columns:
            raise ValueError("a plot needs one column at least")
        self.begin_ns = min(column.start_ns for column in columns)
        self.end_ns = max(column.end_ns for column in columns)
        seen = [ns for c in columns for ns in (c.min_ns, c.max_ns) if ns is not None]
        if limit_ms is not None:
            seen.append(int(limit_ms * MS))
        # A one-way delay may be measured at or below zero; a logarithm has no place for it.
        low = max(min(seen, default=MS), 1_000)
        high = max(max(seen, default=MS), 2 * low)
        self._low, self._high = math.log10(low / 1.25), math.log10(high * 1.25)
        self.most_loss = max(0.02, max(column.loss for column in columns))
        self.any_loss = any(column.lost for column in columns)

    def x(self, ns: int) -> float:
        share = (ns - self.begin_ns) / max(1, self.end_ns - self.begin_ns)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 2)

    def y(self, delay_ns: int) -> float:
        place = (math.log10(max(delay_ns, 1)) - self._low) / (self._high - self._low)
        return round(_DELAY_BOTTOM - min(max(place, 0), 1) * (_DELAY_BOTTOM - _TOP), 2)

    def loss_height(self, loss: float) -> float:
        return round(loss / self.most_loss * (_LOSS_BOTTOM - _LOSS_TOP), 2)

    def delay_ticks(self) -> list[int]:
        """1, 2, 5, 10... over the axis in nanoseconds; powers of ten alone where it is long."""
        steps = (1, 2, 5) if self._high - self._low < 3.2 else (1,)
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        ticks = [step * 10**decade for decade in decades for step in steps]
        return [tick for tick in ticks if self._low <= math.log10(tick) <= self._high]

    def time_ticks(self) -> list[int]:
        span_s = (self.end_ns - self.begin_ns) / SECOND_NS
        step_s = next((s for s in _SECOND_STEPS if span_s / s <= _MOST_TIME_LABELS - 1), 86_400 * 7)
        step = step_s * SECOND_NS
        return list(range(-(-self.begin_ns // step) * step, self.end_ns + 1, step))


def _grid(drawsvg: Any, axes: _Axes) -> Iterator[Any]:
    right = WIDTH - _RIGHT
    for tick in axes.delay_ticks():
        y = axes.y(tick)
        yield drawsvg.Line(_LEFT, y, right, y, stroke=_GRID)
        yield _text(drawsvg, f"{Decimal(tick) / MS:f}", _LEFT - 6, y + 4, "end")
    yield _text(drawsvg, "ms", 4, _TOP + 8, "start")
    ticks = axes.time_ticks()
    pattern = "%H:%M:%S" if len(ticks) < 2 or ticks[1] - ticks[0] < 60 * SECOND_NS else "%H:%M"
    for tick in ticks:
        x = axes.x(tick)
        yield drawsvg.Line(x, _TOP, x, _DELAY_BOTTOM, stroke=_GRID)
        clock = datetime.fromtimestamp(tick // SECOND_NS, UTC).strftime(pattern)
        yield _text(
            drawsvg, clock, min(max(x, _LEFT + 20), right - 26), _LOSS_BOTTOM + 16, "middle"
        )
    yield _text(drawsvg, "UTC", 4, _LOSS_BOTTOM + 16, "start")
    yield drawsvg.Line(_LEFT, _DELAY_BOTTOM, right, _DELAY_BOTTOM, stroke=_INK)
    yield drawsvg.Line(_LEFT, _LOSS_BOTTOM, right, _LOSS_BOTTOM, stroke=_INK)
    yield _text(drawsvg, "loss %", 4, _LOSS_BOTTOM, "start")
    if axes.any_loss:
        yield _text(drawsvg, f"{100 * axes.most_loss:.3g}", _LEFT - 6, _LOSS_TOP + 9, "end")


def _column(drawsvg: Any, axes: _Axes, column: Column, loss_limit_percent: Decimal | None) -> Any:
    x = axes.x(column.start_ns)
    width = max(1.0, round(axes.x(column.end_ns) - x - 0.8, 2))

    def box(top: float, height: float, **style: Any) -> Any:
        return drawsvg.Rectangle(x, round(top, 2), width, round(height, 2), **style)

    group = drawsvg.Group()
    group.append_title(_tip(column))
    if not column.valid:
        height = _DELAY_BOTTOM - _TOP
        group.append(box(_TOP, height, fill="none", stroke=_INK, stroke_dasharray="1 3"))
        return group
    colour = _loss_colour(column, loss_limit_percent)
    for top_ns, fill in ((column.max_ns, _SMOKE_OUTER), (column.p95_ns, _SMOKE_INNER)):
        if top_ns is not None and column.min_ns is not None:
            upper, lower = axes.y(top_ns), axes.y(column.min_ns)
            group.append(box(upper, max(0.8, lower - upper), fill=fill))
    if column.p50_ns is not None:
        group.append(box(axes.y(column.p50_ns) - 1.25, 2.5, fill=colour))
    if column.lost:
        bar = max(1.5, axes.loss_height(column.loss))
        group.append(box(_LOSS_BOTTOM - bar, bar, fill=colour))
    return group


def _limit(drawsvg: Any, axes: _Axes, limit_ms: Decimal | None) -> Iterator[Any]:
    if limit_ms is None:
        return
    y = axes.y(int(limit_ms * MS))
    yield drawsvg.Line(
        _LEFT, y, WIDTH - _RIGHT, y, stroke=_LIMIT, stroke_width=1.6, stroke_dasharray="7 4"
    )
    above = y - 5 if y > _TOP + 14 else y + 14
    label = _text(drawsvg, f"limit {limit_ms:f} ms", WIDTH - _RIGHT - 4, above, "end", _LIMIT)
    label.args.update({"stroke": "#ffffff", "stroke-width": 3, "paint-order": "stroke"})
    yield label


def _loss_colour(column: Column, limit_percent: Decimal | None) -> str:
    if column.lost == 0:
        return NO_LOSS
    within = limit_percent is not None and 100 * column.lost <= limit_percent * column.sent
    return SOME_LOSS if within else MUCH_LOSS


def _tip(column: Column) -> str:
    at = datetime.fromtimestamp(column.start_ns // SECOND_NS, UTC).strftime("%H:%M:%S UTC")
    if not column.valid:
        return f"{at}: invalid, not counted"
    lost = f"lost {column.lost} of {column.sent}"
    if column.p50_ns is None or column.p95_ns is None or column.max_ns is None:
        return f"{at}: {lost}"
    median, high, most = (ns / MS for ns in (column.p50_ns, column.p95_ns, column.max_ns))
    return f"{at}: median {median:.3g} ms, 95 % {high:.3g} ms, max {most:.3g} ms, {lost}"


def _text(drawsvg: Any, text: str, x: float, y: float, anchor: str, colour: str = _INK) -> Any:
    return drawsvg.Text(text, _FONT, x, y, text_anchor=anchor, fill=colour)
