"""Charts of the documents as SVG: calendars of days, lines over days, bars, spans.

Pure functions from a chart's values (`documents.content`) and the words of a language to text that
is complete in itself: no script, no style sheet, no link. What colour tells, height or a dash tells
too; every chart stands beside a table with its figures. Axes are ours, `drawsvg` writes the
elements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction
from html import escape
from typing import Any

from analysis.documents.content import Bars, Chart, Grid, Lines, Number, Series, Spans, Text
from analysis.documents.language import Language

WIDTH, HALF = 780, 470
"""Pixels of a chart over the page, and of one that stands beside another."""
_FONT = 12
_INK, _GRID, _LIMIT, _EMPTY = "#222222", "#dcdfe3", "#8a1c7c", "#eef0f2"
CLASSES = ("#d9e8df", "#e8b04a", "#c8591a", "#8f0f1c")
"""Class 0 to 3 of a grid's cell: light to dark; the cell also fills up from a third to whole."""
_LINES = ("#1b5fa8", "#b85c00", "#0b6b3a", "#8f0f1c")
_DASHES = ("none", "6 3", "2 3", "8 3 2 3")
_BARS = ("#1b5fa8", "#e8b04a", "#5d6670", "#8f0f1c")
_ROW, _DENSE_ROW, _MOST_LABELS = 16, 6, 10
_LETTER = 6.6
"""Width of a letter of 12 pixels, near enough for margins."""


def svg(chart: Chart, identifier: str, language: Language, width: int = WIDTH) -> str:
    """The SVG element of a chart; `identifier` is unique in the page."""
    match chart:
        case Grid():
            row = _DENSE_ROW if chart.dense else _ROW
            height, shapes = 50 + row * len(chart.rows), _grid(chart, language, width)
        case Lines():
            height, shapes = _BOTTOM + 28, _lines(chart, language, width)
        case Bars():
            height, shapes = _BOTTOM + 28, _bars(chart, language, width)
        case Spans():
            height, shapes = 34 + 26 * len(chart.rows), _spans(chart, language, width)
    return _finished(shapes, (width, height), chart, identifier, language)


def _finished(
    shapes: Iterator[Any], size: tuple[int, int], chart: Chart, identifier: str, language: Language
) -> str:
    import drawsvg

    width, height = size

    title_id, text_id = f"{identifier}-title", f"{identifier}-text"
    picture = drawsvg.Drawing(
        width,
        height,
        id_prefix=f"{identifier}-",
        role="img",
        aria_labelledby=f"{title_id} {text_id}",
        font_family="'DejaVu Sans', system-ui, sans-serif",
    )
    for tag, place, text in (
        ("title", title_id, chart.title),
        ("desc", text_id, chart.description),
    ):
        picture.append(drawsvg.Raw(f'<{tag} id="{place}">{escape(language.text(text))}</{tag}>'))
    for shape in shapes:
        picture.append(shape)
    element: str = picture.as_svg(header="")
    # Scales with the page instead of standing at its own width.
    return element.replace(f'width="{width}" height="{height}"', 'class="chart"', 1)


def _text(
    text: str, x: float, y: float, anchor: str = "start", colour: str = _INK, size: int = _FONT
) -> Any:
    import drawsvg

    return drawsvg.Text(text, size, round(x, 1), round(y, 1), text_anchor=anchor, fill=colour)


def _shorter(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _label(value: Text | date, language: Language) -> str:
    return f"{value:%d/%m}" if isinstance(value, date) else language.text(value)


def _grid(chart: Grid, language: Language, whole_width: int) -> Iterator[Any]:
    import drawsvg

    labels = [_shorter(language.text(row.label), 30) for row in chart.rows]
    left = min(220, 12 + _LETTER * max((len(label) for label in labels), default=0))
    step = (whole_width - left - 4) / max(1, len(chart.columns))
    top, row_height = 20, _DENSE_ROW if chart.dense else _ROW
    every = max(1, -(-len(chart.columns) // (2 * _MOST_LABELS)))
    for index, column in enumerate(chart.columns):
        if index % every == 0:
            word = _label(column, language)
            if len(word) * _LETTER <= every * step or index % (2 * every) == 0:
                yield _text(word, left + index * step, top - 6, size=10)
    # One path a class: a hundred rows of 122 days stay a page that opens at once.
    shapes: dict[int | None, list[str]] = {}
    width, gap = max(0.6, step - 0.8), 1 if chart.dense else 3
    for number, row in enumerate(chart.rows):
        bottom = top + row_height * (number + 1) - 2
        for index, level in enumerate(row.classes):
            share = 1.0 if level is None or level == 0 else level / 3
            whole = row_height - gap
            if level not in (None, 0):
                shapes.setdefault(0, []).append(_box(left + index * step, bottom, width, whole))
            high = round(whole * share, 1)
            shapes.setdefault(level, []).append(_box(left + index * step, bottom, width, high))
        if not chart.dense or number % 5 == 0:
            yield _text(labels[number], 4, bottom - (0 if chart.dense else 3))
    for level in (None, 0, 1, 2, 3):
        if level in shapes:
            fill = _EMPTY if level is None else CLASSES[level]
            yield drawsvg.Path(d="".join(shapes[level]), fill=fill)
    place, y = 4.0, top + row_height * len(chart.rows) + 16
    for level, words in enumerate(chart.key):
        word = language.text(words)
        share = 1.0 if level == 0 else level / 3
        yield drawsvg.Path(d=_box(place, y + 2, 12, 12), fill=CLASSES[0])
        yield drawsvg.Path(d=_box(place, y + 2, 12, round(12 * share, 1)), fill=CLASSES[level])
        yield _text(word, place + 16, y)
        place += 32 + _LETTER * len(word)


def _box(x: float, bottom: float, width: float, height: float) -> str:
    return f"M{x:.1f} {bottom - height:.1f}h{width:.1f}v{height:.1f}h-{width:.1f}z"


_TOP, _BOTTOM, _LEFT = 28, 190, 64


class _Scale:
    """Values to heights, with round ticks."""

    def __init__(self, values: Sequence[Fraction], *, from_zero: bool) -> None:
        low, high = min(values, default=Fraction(0)), max(values, default=Fraction(1))
        if from_zero or (low > 0 and high > 2 * low):
            low = min(low, Fraction(0))
        if low == high:
            low, high = low - 1, high + 1
            low = max(low, Fraction(0)) if from_zero or min(values, default=low) >= 0 else low
        step = _round_step((high - low) / 4)
        self.low = low // step * step
        self.high = -(-high // step) * step
        count = int((self.high - self.low) / step)
        self.ticks = [self.low + step * number for number in range(count + 1)]

    def y(self, value: Fraction) -> float:
        share = float((value - self.low) / (self.high - self.low))
        return round(_BOTTOM - share * (_BOTTOM - _TOP), 1)


class _Decades:
    """Values above 0 to heights by their logarithm; ticks at 1, 2 and 5."""

    def __init__(self, values: Sequence[Fraction]) -> None:
        above = [float(value) for value in values if value > 0] or [1.0]
        self._low, self._high = math.log10(min(above) / 1.25), math.log10(max(above) * 1.25)
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        factors = (1, 2, 5) if self._high - self._low < 2 else (1,)
        self.ticks = [
            tick
            for decade in decades
            for factor in factors
            if self._low <= math.log10(tick := factor * Fraction(10) ** decade) <= self._high
        ]

    def y(self, value: Fraction) -> float:
        place = (math.log10(value) if value > 0 else self._low) - self._low
        return round(_BOTTOM - place / (self._high - self._low) * (_BOTTOM - _TOP), 1)


def _round_step(raw: Fraction) -> Fraction:
    """1, 2 or 5 times a power of ten, at least `raw`."""
    power = Fraction(1)
    while power > raw:
        power /= 10
    while power * 10 <= raw:
        power *= 10
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)


def _axis(
    scale: _Scale | _Decades, chart: Lines | Bars, language: Language, width: int
) -> Iterator[Any]:
    import drawsvg

    step = (width - 8 - _LEFT) / max(1, len(chart.columns))

    for tick in scale.ticks:
        y = scale.y(tick)
        yield drawsvg.Line(_LEFT, y, width - 8, y, stroke=_GRID)
        yield _text(language.number(Number(tick, chart.unit)), _LEFT - 6, y + 4, "end", size=11)
    yield drawsvg.Line(_LEFT, _BOTTOM, width - 8, _BOTTOM, stroke=_INK)
    words = [_label(column, language) for column in chart.columns]
    longest = max((len(word) for word in words), default=1) * _LETTER + 8
    every = max(1, int(-(-longest // step))) if step < longest else 1
    if every > 1 and len(chart.columns) <= 6:
        every, words = 1, [_shorter(word, max(4, int(step / _LETTER))) for word in words]
    for index, word in enumerate(words):
        if index % every == 0:
            yield _text(word, _LEFT + (index + 0.5) * step, _BOTTOM + 16, "middle", size=11)


def _key(series: Sequence[Series], language: Language, width: int, *, lines: bool) -> Iterator[Any]:
    import drawsvg

    if len(series) < 2:
        return
    place = float(_LEFT)
    letters = max(4, int(((width - _LEFT) / len(series) - 40) / _LETTER))
    for index, one in enumerate(series):
        word = _shorter(language.text(one.name), letters)
        if lines:
            yield drawsvg.Line(
                place, 12, place + 22, 12, stroke=_LINES[index % 4], stroke_width=2,
                stroke_dasharray=_DASHES[index % 4],
            )  # fmt: skip
        else:
            yield drawsvg.Path(d=_box(place + 8, 18, 12, 12), fill=_BARS[index % 4])
        yield _text(word, place + 27, 16)
        place += 40 + _LETTER * len(word)


def _lines(chart: Lines, language: Language, width: int) -> Iterator[Any]:
    import drawsvg

    values = [value for one in chart.series for value in one.values if value is not None]
    if chart.limit is not None:
        values.append(Fraction(chart.limit))
    scale = _Decades(values) if chart.logarithmic else _Scale(values, from_zero=False)
    step = (width - 8 - _LEFT) / max(1, len(chart.columns))
    yield from _axis(scale, chart, language, width)
    if chart.limit is not None:
        y = scale.y(Fraction(chart.limit))
        yield drawsvg.Line(
            _LEFT, y, width - 8, y, stroke=_LIMIT, stroke_width=1.6, stroke_dasharray="7 4"
        )
        word = language.number(Number(Fraction(chart.limit), chart.unit))
        yield _text(word, width - 10, y - 4 if y > _TOP + 12 else y + 14, "end", _LIMIT)
    for index, one in enumerate(chart.series):
        for run in _runs(one.values):
            points = [(_LEFT + (column + 0.5) * step, scale.y(value)) for column, value in run]
            if len(points) == 1:
                yield drawsvg.Circle(points[0][0], points[0][1], 2.2, fill=_LINES[index % 4])
                continue
            yield drawsvg.Path(
                d="M" + "L".join(f"{x:.1f} {y}" for x, y in points),
                fill="none", stroke=_LINES[index % 4], stroke_width=1.8,
                stroke_dasharray=_DASHES[index % 4],
            )  # fmt: skip
    yield from _key(chart.series, language, width, lines=True)


def _runs(values: Sequence[Fraction | None]) -> Iterator[list[tuple[int, Fraction]]]:
    """Stretches without a hole, each with its columns."""
    run: list[tuple[int, Fraction]] = []
    for column, value in enumerate(values):
        if value is None:
            if run:
                yield run
            run = []
        else:
            run.append((column, value))
    if run:
        yield run


def _bars(chart: Bars, language: Language, whole_width: int) -> Iterator[Any]:
    import drawsvg

    values = [value for one in chart.series for value in one.values if value is not None]
    scale = _Scale(values, from_zero=True)
    step = (whole_width - 8 - _LEFT) / max(1, len(chart.columns))
    yield from _axis(scale, chart, language, whole_width)
    width = max(1.0, min(40.0, step * 0.8 / max(1, len(chart.series))))
    for index, one in enumerate(chart.series):
        shapes = []
        for column, value in enumerate(one.values):
            if value:
                x = _LEFT + (column + 0.5) * step + (index - len(chart.series) / 2) * width
                shapes.append(_box(x, _BOTTOM, width - 0.5, _BOTTOM - scale.y(value)))
        if shapes:
            yield drawsvg.Path(d="".join(shapes), fill=_BARS[index % 4])
    yield from _key(chart.series, language, whole_width, lines=False)


def _spans(chart: Spans, language: Language, width: int) -> Iterator[Any]:
    import drawsvg

    labels = [_shorter(language.text(row.label), 34) for row in chart.rows]
    left = 16 + _LETTER * max((len(label) for label in labels), default=0)
    scale = _Scale([row.most for row in chart.rows], from_zero=True)
    right = width - 60

    def x(value: Fraction) -> float:
        return round(left + float(value / scale.high) * (right - left), 1)

    bottom = 12 + 26 * len(chart.rows)
    for tick in scale.ticks:
        yield drawsvg.Line(x(tick), 6, x(tick), bottom, stroke=_GRID)
        yield _text(language.number(Number(tick, chart.unit)), x(tick), bottom + 14, "middle",
                    size=11)  # fmt: skip
    for number, row in enumerate(chart.rows):
        y = 12 + 26 * number
        yield _text(labels[number], 4, y + 13)
        long = max(1.5, x(row.most) - x(row.least))
        yield drawsvg.Rectangle(x(row.least), y + 3, round(long, 1), 12, fill="#a7b0ba")
        yield drawsvg.Rectangle(x(row.mean) - 1.5, y, 3, 18, fill=_LINES[0])
