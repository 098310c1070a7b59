"""A document's values as plain data: the same in every language, exact, for CSV and JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from analysis.documents.content import (
    Badge,
    Cell,
    Column,
    Document,
    Item,
    Message,
    Moment,
    Money,
    Number,
    Said,
    Table,
)
from analysis.documents.language import language
from analysis.evaluation.result_json import decimal_text


def plain(value: Cell) -> str | int | None:
    """One cell: numbers as decimal strings, instants in ISO 8601, texts in English."""
    match value:
        case None | str():
            return value
        case Said():
            return value.text
        case Badge():
            return plain(value.text)
        case Message():
            return language("en").text(value)
        case Number():
            return decimal_text(value.value)
        case Money():
            return f"{value.euro:.2f}"
        case Moment():
            return instant(value)
        case int():
            return value
        case date():
            return value.isoformat()
        case tuple():
            return "; ".join(str(plain(one)) for one in value)


def instant(moment: Moment) -> str:
    """ISO 8601 with the offset; to the second, or to the microsecond where it has one."""
    seconds, rest = divmod(moment.ns, 1_000_000_000)
    at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return at.astimezone(moment.zone).isoformat()


def columns_of(table: Table) -> list[str]:
    """The keys of a table's columns; a unit follows where every number has the same."""
    return [_key(table, index, column) for index, column in enumerate(table.columns)]


def _key(table: Table, index: int, column: Column) -> str:
    units = {row[index].unit for row in table.rows if isinstance(row[index], Number)}  # type: ignore[union-attr]
    unit = next(iter(units)) if len(units) == 1 else ""
    return column.key if not unit or column.key.endswith(unit) else f"{column.key}[{unit}]"


def unit_of(value: Cell) -> str:
    """The unit of a number; empty for all else."""
    return value.unit if isinstance(value, Number) else ""


def item_json(item: Item) -> dict[str, Any]:
    """One item with all its tables."""
    return {
        "id": item.id,
        "text": plain(item.text),
        "annex_lines": item.place,
        "missing": item.missing,
        "notes": [plain(note) for note in item.notes],
        "tables": [table_json(table) for table in item.tables],
    }


def table_json(table: Table) -> dict[str, Any]:
    """Rows as objects by the key of the column; a mixed unit stands beside its value."""
    keys = [column.key for column in table.columns]
    return {
        "name": table.name,
        "caption": plain(table.caption),
        "rows": [dict(zip(keys, map(_value, row), strict=True)) for row in table.rows],
    }


def _value(cell: Cell) -> Any:
    if isinstance(cell, Number):
        return {"value": decimal_text(cell.value), "unit": cell.unit}
    if isinstance(cell, tuple):
        return [_value(one) for one in cell]
    return plain(cell)


def document_json(document: Document, language_code: str) -> dict[str, Any]:
    """The whole document."""
    return {
        "kind": document.kind,
        "addressee": document.addressee,
        "language": language_code,
        "title": plain(document.title),
        "period": plain(document.period),
        "facts": [{"name": plain(name), "value": _value(value)} for name, value in document.facts],
        "sections": [
            {
                "id": section.id,
                "heading": plain(section.heading),
                "items": [item_json(item) for item in section.items],
            }
            for section in document.sections
        ],
        "missing": [f"{section.id}.{item.id}" for section, item in document.missing],
        **document.data,
    }
