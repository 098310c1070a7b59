"""CSV as the facts folder has it: the table of a file, each fault of its form with its place.

UTF-8 with or without a mark (BOM), commas, quotes as RFC 4180 has them, any line end; blank lines
count as lines and mean nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from analysis.errors import FactProblem
from analysis.facts import Where
from analysis.facts_cells import Row, shown
from inventory.checks import nearest

_T = TypeVar("_T")


def read_rows(
    file: str,
    content: bytes,
    problems: list[FactProblem],
    make: Callable[[Row], _T],
    *,
    columns: Sequence[str],
    optional: Sequence[str] = (),
) -> tuple[_T, ...]:
    """What `make` makes of each row of a table, those left out in which it refused something."""
    made = []
    for row in rows_of(file, content, problems, columns=columns, optional=optional):
        fact = make(row)
        if not row.wrong:
            made.append(fact)
    return tuple(made)


def rows_of(
    file: str,
    content: bytes,
    problems: list[FactProblem],
    *,
    columns: Sequence[str],
    optional: Sequence[str] = (),
) -> Iterator[Row]:
    """The rows of a table whose columns are known; no rows where its header is wrong."""
    lines = _lines(file, content, problems)
    header = next(lines, None)
    if header is None:
        return
    names = header[1]
    if not _header_is_right(Where(file, header[0]), names, problems, columns, optional):
        return
    for line, cells in lines:
        where = Where(file, line)
        if len(cells) != len(names):
            problems.append(_cells_missing(where, cells, names))
        else:
            yield Row(where, dict(zip(names, cells, strict=True)), problems, set())


def free_table(
    file: str, content: bytes, problems: list[FactProblem]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """A table that is printed as it is: its header and its rows."""
    lines = _lines(file, content, problems)
    header = next(lines, None)
    if header is None:
        return (), ()
    line, names = header
    for name in dict.fromkeys(n for n in names if not n or names.count(n) > 1):
        said = "stands twice" if name else "a column has no name"
        problems.append(FactProblem(file, line, _name(name), said, "give each column its own name"))
    rows = []
    for line, cells in lines:
        if len(cells) != len(names):
            problems.append(_cells_missing(Where(file, line), cells, names))
        rows.append(tuple(cells))
    return tuple(names), tuple(rows)


def _header_is_right(
    where: Where,
    names: Sequence[str],
    problems: list[FactProblem],
    columns: Sequence[str],
    optional: Sequence[str],
) -> bool:
    known = (*columns, *optional)
    found = [FactProblem(where.file, where.line, name, "the column is missing", "add it")
             for name in columns if name not in names]  # fmt: skip
    for name in dict.fromkeys(names):
        if name not in known:
            found.append(
                FactProblem(
                    where.file,
                    where.line,
                    _name(name),
                    f"there is no column {shown(name)}",
                    nearest(name, [k for k in known if k not in names]) or "remove it",
                )
            )
        elif names.count(name) > 1:
            found.append(
                FactProblem(where.file, where.line, name, "stands twice", "remove one of them")
            )
    problems.extend(found)
    return not found


def _name(column: str) -> str:
    """The name of a column that nobody expected, fit for a message."""
    return column if column.isprintable() and len(column) <= 60 else shown(column)


def _cells_missing(where: Where, cells: Sequence[str], names: Sequence[str]) -> FactProblem:
    few = len(cells) < len(names)
    column = _name(names[len(cells)]) if few else ""
    return FactProblem(
        where.file,
        where.line,
        column,
        f"the row has {len(cells)} cells, the header {len(names)}",
        "write every cell, empty where there is nothing to say"
        if few
        else 'put a text with a comma in quotes, as "cut, then mended"',
    )


def _lines(
    file: str, content: bytes, problems: list[FactProblem]
) -> Iterator[tuple[int, list[str]]]:
    """Line (from 1) and stripped cells of each record that is not blank; the header comes first."""
    text = _decoded(file, content, problems)
    if text is None:
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    first = True
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            problems.append(_not_csv(file, line, str(error)))
            return
        if record is None:
            break
        cells = [cell.strip() for cell in record]
        if not any(cells):
            continue
        if first and len(cells) == 1 and (other := next((c for c in ";\t|" if c in cells[0]), "")):
            said = {"\t": "tabs"}.get(other, f"`{other}`")
            problems.append(
                FactProblem(
                    file, line, "", f"its columns are parted by {said}",
                    "save it as CSV with commas (and numbers with a point)",
                )
            )  # fmt: skip
            return
        first = False
        yield line, cells
    if first:
        problems.append(
            FactProblem(file, None, "", "it is empty", "write the header, or remove the file")
        )


def _not_csv(file: str, line: int, error: str) -> FactProblem:
    if "unexpected end of data" in error:
        return FactProblem(file, line, "", "a quote opens in this row and never closes", "close it")
    if "field limit" in error:
        return FactProblem(
            file, line, "", "a cell is longer than 131,072 characters", "close its quote, or cut it"
        )
    return FactProblem(
        file, line, "", f"this row is no CSV ({error})", 'double a quote inside quotes: "a ""b"" c"'
    )


def _decoded(file: str, content: bytes, problems: list[FactProblem]) -> str | None:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # A UTF-16 file has no lines to count in bytes.
        wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        line = None if wide else content.count(b"\n", 0, error.start) + 1
        said = "it is UTF-16, not UTF-8" if wide else "this is not UTF-8 text"
        problems.append(FactProblem(file, line, "", said, "save it as CSV UTF-8"))
        return None
