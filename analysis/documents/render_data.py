"""CSV and JSON of a document: for machines, the same in every language."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence

from analysis.documents.content import Document
from analysis.documents.plain import columns_of, document_json, plain


def render_json(document: Document, language_code: str) -> str:
    """The document with every table, and the lines as `sla evaluate --json` prints them."""
    return json.dumps(document_json(document, language_code), ensure_ascii=False, indent=1) + "\n"


def render_csv(document: Document) -> Iterator[tuple[str, str]]:
    """File name and text of each table; `lines.csv` has every line of the evaluation."""
    lines = document.data.get("lines")
    if isinstance(lines, Sequence) and lines:
        keys = list(lines[0])
        yield "lines.csv", _csv(keys, ([_cell(line[key]) for key in keys] for line in lines))
    for section in document.sections:
        for item in section.items:
            for table in item.tables:
                rows = ([_text(plain(cell)) for cell in row] for row in table.rows)
                name = f"{section.id}.{item.id}.{table.name}.csv"
                yield name, _csv(columns_of(table), rows)


def _csv(header: Sequence[str], rows: Iterator[list[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _text("; ".join(str(one) for one in value))
    return _text(value)


def _text(value: object) -> str:
    """As a spreadsheet shows it: a text that would be taken for a formula gets an apostrophe."""
    text = "" if value is None else str(value)
    if text[:1] in ("=", "+", "@", "\t", "\r") or (text[:1] == "-" and not _is_number(text)):
        return f"'{text}"
    return text


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()
