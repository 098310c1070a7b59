"""A document as one HTML page that needs nothing beside it, for screens, paper and voices."""

from __future__ import annotations

from typing import Any

from analysis.charts import HALF, WIDTH, svg
from analysis.documents import words
from analysis.documents.content import (
    Badge,
    Cell,
    Chart,
    Column,
    Document,
    Grid,
    Item,
    Message,
    Said,
    Section,
    Table,
    Text,
)
from analysis.documents.language import Language

SHOWN_ROWS = 1000
"""Longer tables are cut on the page and say so; CSV and JSON have all rows."""
_SMALL = 12
"""An item with at most so many rows is not broken between two sheets."""


def render_html(document: Document, language: Language) -> str:
    """The page in a language."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("analysis", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    say = _Say(language)
    return environment.get_template("sla.html.j2").render(
        lang=language.code,
        upright=document.kind in ("supervision", "incident"),
        title=language.text(document.title),
        addressee=document.addressee,
        period=language.text(document.period),
        facts=[(language.text(name), language.cell(value)) for name, value in document.facts],
        summary=language.text(document.summary),
        broken=document.broken,
        sections=[say.section(section) for section in document.sections],
        missing=[
            {
                "where": say.anchor(section, item),
                "text": f"{language.text(section.heading)}: {language.text(item.text)}",
            }
            for section, item in document.missing
        ],
        say=say,
    )


class _Say:
    """Values of the template: texts with their language, cells with their class."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __call__(self, identifier: str, **values: Cell) -> str:
        """A text of the template itself."""
        return self._language.text(Message(identifier, values))

    def text(self, text: Text) -> dict[str, Any]:
        """What is printed, and whether it stayed English."""
        foreign = not self._language.translates(text)
        return {"text": self._language.text(text), "foreign": foreign}

    @staticmethod
    def anchor(section: Section, item: Item) -> str:
        """The id of an item in the page."""
        return f"{section.id}-{item.id}"

    def section(self, section: Section) -> dict[str, Any]:
        """One section."""
        return {
            "id": section.id,
            "heading": self._language.text(section.heading),
            "subheading": self._language.text(section.subheading),
            "items": [self.item(section, item) for item in section.items],
        }

    def item(self, section: Section, item: Item) -> dict[str, Any]:
        """One item with its tables and pictures."""
        anchor = self.anchor(section, item)
        return {
            "id": anchor,
            "text": self.text(item.text),
            "place": item.place,
            "together": not item.charts and sum(len(t.rows) for t in item.tables) <= _SMALL,
            "missing": item.missing,
            "notes": [self.text(note) for note in item.notes],
            "tables": [self.table(table, anchor) for table in item.tables if not table.data_only],
            "charts": [
                self.chart(chart, f"{anchor}-c{number}", half=len(item.charts) > 1)
                for number, chart in enumerate(item.charts)
            ],
        }

    def chart(self, chart: Chart, identifier: str, *, half: bool) -> dict[str, str]:
        """One picture; calendars of places need the width, what runs over time may share it."""
        half = half and (not isinstance(chart, Grid) or chart.dense)
        return {
            "title": self._language.text(chart.title),
            "css": "half" if half else "",
            "svg": svg(chart, identifier, self._language, HALF if half else WIDTH),
        }

    def table(self, table: Table, anchor: str) -> dict[str, Any]:
        """One table, its cells as text."""
        classes = [_css(column) for column in table.columns]
        rows, total = _named(table)
        return {
            "id": f"{anchor}-{table.name}",
            "caption": self._language.text(table.caption),
            "columns": [
                {"text": self._language.text(column.heading), "css": css}
                for column, css in zip(table.columns, classes, strict=True)
            ],
            "rows": [self._cells(row, classes) for row in rows[:SHOWN_ROWS]],
            "more": max(0, len(table.rows) - SHOWN_ROWS),
            "total": self._cells(total, classes) if total else None,
        }

    def _cells(self, row: tuple[Cell, ...], classes: list[str]) -> list[dict[str, Any]]:
        found = []
        for value, css in zip(row, classes, strict=True):
            badge = value.kind if isinstance(value, Badge) else ""
            found.append(
                {
                    "text": self._language.cell(value),
                    "css": css,
                    "badge": badge,
                    "foreign": not self._ours(value),
                }
            )
        return found

    def _ours(self, value: Cell) -> bool:
        if isinstance(value, tuple):
            return all(self._ours(one) for one in value)
        return not isinstance(value, Message | Said) or self._language.translates(value)


def _named(table: Table) -> tuple[list[tuple[Cell, ...]], tuple[Cell, ...] | None]:
    """Rows and total with the names of services for people; CSV and JSON keep their ids."""
    places = [n for n, column in enumerate(table.columns) if column.key == words.SERVICE.key]
    if not places:
        return list(table.rows), table.total

    def named(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        return tuple(
            words.service(cell) if n in places and isinstance(cell, str) else cell
            for n, cell in enumerate(row)
        )

    return [named(row) for row in table.rows], named(table.total) if table.total else None


_NAMES = frozenset(
    {"pas", "peer", "event", "ticket", "request", "path", "code", "reading", "switch"}
)
"""Columns of ids, which are not broken at their hyphens."""


def _css(column: Column) -> str:
    return "n" if column.numeric else "i" if column.key in _NAMES else ""
