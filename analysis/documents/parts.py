"""What an item's builder hands back, and the words for data that are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.documents.content import Chart, Table, Text, msg


@dataclass(frozen=True, slots=True)
class Parts:
    """The contents of one item."""

    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[Text, ...] = ()
    missing: bool = False


def absent(note: Text) -> Parts:
    """The data of an item are not there."""
    return Parts(notes=(note,), missing=True)


def no_rows(file: str, rows: Sequence[object]) -> Parts:
    """Nothing of a kind in the period: nothing happened, or nobody handed the file over.

    A file with other rows was handed over; where it has none at all, nobody can tell.
    """
    if rows:
        return Parts(notes=(msg("None on record in this period."),))
    return absent(
        msg(
            "Nothing can be said: {file} is not among the facts, or has no rows. Where nothing"
            " happened, the provider states it.",
            file=file,
        )
    )


def trimmed(table: Table, keep: frozenset[str] = frozenset()) -> Table:
    """Without the columns that are empty in every row, but for those to keep."""
    used = [
        index
        for index, column in enumerate(table.columns)
        if column.key in keep or any(row[index] not in (None, "", ()) for row in table.rows)
    ]
    return Table(
        table.name,
        table.caption,
        tuple(table.columns[index] for index in used),
        tuple(tuple(row[index] for index in used) for row in table.rows),
        None if table.total is None else tuple(table.total[index] for index in used),
        table.data_only,
    )
