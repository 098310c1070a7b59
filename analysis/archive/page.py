"""One read-only page of an archive: headings, links and tables, as HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.documents.content import Badge, Cell, Text, msg
from analysis.documents.language import Language


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere; nowhere with an empty `href`."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row; a list of links is a cell too."""

    cells: tuple[Cell | list[Link], ...]
    id: str = ""
    """What the address of the row ends in."""


@dataclass(frozen=True, slots=True)
class PageTable:
    """Rows under columns; `numeric` has the indices of columns of figures."""

    caption: Text
    columns: tuple[Text, ...]
    rows: tuple[Row, ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class PageSection:
    """A heading with what stands under it."""

    id: str
    heading: Text
    notes: tuple[Text, ...] = ()
    links: tuple[Link, ...] = ()
    table: PageTable | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What all pages of an archive begin with."""

    addressee: str
    period: Text
    back: str = ""
    """The way to the index; empty on the index itself."""


def render(
    head: Head,
    title: Text,
    sections: Sequence[PageSection],
    words: Language,
    facts: Sequence[tuple[Text, Cell]] = (),
) -> bytes:
    """The page in a language."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("analysis", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    back = Link(words.text(msg("Back to the archive")), head.back) if head.back else None
    text = environment.get_template("archive.html.j2").render(
        lang=words.code,
        title=words.text(title),
        addressee=head.addressee,
        period=words.text(head.period),
        skip=words.text(msg("Skip to the content")),
        back=back,
        facts=[(words.text(name), words.cell(value)) for name, value in facts],
        sections=[
            {
                "id": section.id,
                "heading": words.text(section.heading),
                "notes": [words.text(note) for note in section.notes],
                "links": section.links,
                "table": None if section.table is None else _table(section.table, words),
            }
            for section in sections
        ],
    )
    return text.encode()


def _table(table: PageTable, words: Language) -> dict[str, object]:
    css = ["n" if index in table.numeric else "" for index in range(len(table.columns))]
    return {
        "caption": words.text(table.caption),
        "columns": [
            {"text": words.text(text), "css": one}
            for text, one in zip(table.columns, css, strict=True)
        ],
        "rows": [
            {
                "id": row.id,
                "cells": [
                    _cell(cell, one, words) for cell, one in zip(row.cells, css, strict=True)
                ],
            }
            for row in table.rows
        ],
    }


def _cell(cell: Cell | list[Link], css: str, words: Language) -> dict[str, object]:
    if isinstance(cell, list):
        return {"text": "", "css": css, "badge": "", "links": cell}
    badge = cell.kind if isinstance(cell, Badge) else ""
    return {"text": words.cell(cell), "css": css, "badge": badge, "links": ()}
