"""What a document says, before it has a language: sections, items, tables, charts.

Texts are English message ids with their values (`Message`), numbers keep their exact value. The
renderers put both into words and digits of a language; CSV and JSON print them as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    """A text of ours: its id is the English text, `{name}` stands for a value."""

    id: str
    values: Mapping[str, Cell] = field(default_factory=dict)


def msg(identifier: str, **values: Cell) -> Message:
    """A message. The test of the translations collects its ids from the calls in the source."""
    return Message(identifier, values)


@dataclass(frozen=True, slots=True)
class Said:
    """An English text that the engine made (a warning, a margin, a reading).

    It is translated where the catalogue of messages has it, or a pattern that fits it.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Number:
    """An exact figure with its unit."""

    value: Fraction
    unit: str = ""
    rounding: Literal["nearest", "down", "up"] = "nearest"
    """How the printed digits round; a share is never printed kinder than it is."""


@dataclass(frozen=True, slots=True)
class Money:
    """EUR, to the cent."""

    euro: Decimal


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant in UTC nanoseconds, printed in the local time of `zone`."""

    ns: int
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Badge:
    """A status that stands out."""

    text: Message
    kind: Literal["good", "bad", "unsure"]


Cell = (
    str | int | date | Message | Said | Number | Money | Moment | Badge | tuple["Cell", ...] | None
)
"""A tuple is a list of values in one cell; None is an empty cell."""
Text = Message | Said | str


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    key: str
    """Its name in CSV and JSON."""
    heading: Text
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the first column names the row."""

    name: str
    """Unique within its item; part of the CSV's file name."""
    caption: Text
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    data_only: bool = False
    """In CSV and JSON alone: what a page shows as a chart or a summary."""


@dataclass(frozen=True, slots=True)
class GridRow:
    """One row of a grid: per column the class of its cell, None where nothing is known."""

    label: Text
    classes: tuple[int | None, ...]
    """0 is as it should be, 1 to 3 is worse and worse."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A calendar: rows of PAS, pairs or days over columns of days or hours."""

    title: Text
    description: Text
    columns: tuple[Text | date, ...]
    rows: tuple[GridRow, ...]
    key: tuple[Text, ...]
    """What each class means, from class 0."""
    dense: bool = False
    """Low rows, every fifth with its label: days in order, not places."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart, a value a column; None breaks it."""

    name: Text
    values: tuple[Fraction | None, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Values over days or hours, and their limit."""

    title: Text
    description: Text
    columns: tuple[Text | date, ...]
    series: tuple[Series, ...]
    unit: str
    limit: Decimal | None = None
    logarithmic: bool = False
    """So that a path of 20 ms and its limit of 300 ms have room in one picture."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Counts or values per column, one bar a series."""

    title: Text
    description: Text
    columns: tuple[Text | date, ...]
    series: tuple[Series, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Span:
    """Minimum, mean and maximum of something."""

    label: Text
    least: Fraction
    mean: Fraction
    most: Fraction


@dataclass(frozen=True, slots=True)
class Spans:
    """One bar from minimum to maximum a row, with a mark at the mean."""

    title: Text
    description: Text
    rows: tuple[Span, ...]
    unit: str


Chart = Grid | Lines | Bars | Spans


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a document: of the annex's lists, or of ours."""

    id: str
    text: Text
    place: str = ""
    """Lines of the annex that ask for it, as `158` or `310, 311`; empty for ours."""
    notes: tuple[Text, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    missing: bool = False
    """Its data are not there; the notes say which."""


@dataclass(frozen=True, slots=True)
class Section:
    """The items of one service, or one of our own chapters."""

    id: str
    heading: Text
    items: tuple[Item, ...]
    subheading: Text = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document, without a language."""

    kind: Literal["contractual", "technical", "supervision", "incident", "method"]
    name: str
    """For file names: letters, digits, hyphens."""
    title: Text
    addressee: str
    period: Text
    facts: tuple[tuple[Text, Cell], ...]
    """What stands on top: names and values."""
    summary: Text
    broken: bool
    """Something is not met."""
    sections: tuple[Section, ...]
    data: Mapping[str, object] = field(default_factory=dict)
    """For JSON beside the sections, as the result of the evaluation."""

    @property
    def missing(self) -> tuple[tuple[Section, Item], ...]:
        """Items without data."""
        return tuple(
            (section, item) for section in self.sections for item in section.items if item.missing
        )
