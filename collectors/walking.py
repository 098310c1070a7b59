"""Reading columns of tables by GETNEXT and GETBULK (RFC 3416, 4.2.2 and 4.2.3), without any socket.

A `Walk` says what to ask next and takes what came. What a device is asked at once follows what it
managed before: `Budget` counts in values an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from collectors.snmp import Counts, Value, arcs, index_under

MOST_VALUES = 56
"""In one answer: with values of 25 octets it still travels in one packet of 1500."""
MOST_ROWS = 65_536
"""Of one column; a device that goes on for ever is cut off here."""


class Absent:
    """What stands where a value would: noSuchObject, noSuchInstance, endOfMibView."""


ABSENT = Absent()
END = Absent()
"""endOfMibView."""
UNUSABLE = Absent()
"""A value of a type that is not asked for."""
Answered = tuple[str, Value | Absent]


class EndlessError(ValueError):
    """A column that does not end, or an answer that leads nowhere."""


@dataclass(slots=True)
class Budget:
    """How many values a device is asked for at once."""

    values: int = 25

    def managed(self) -> None:
        """It answered in time: ask for a little more the next time."""
        self.values = min(MOST_VALUES, self.values + 4)

    def failed(self) -> None:
        """tooBig, or no answer: half as much."""
        self.values = max(1, self.values // 2)


@dataclass(slots=True)
class _Column:
    root: str
    cursor: str
    values: dict[str, Value] = field(default_factory=dict)
    rows: int = 0
    ended: bool = False


class Walk:
    """Some columns, from their roots to their ends."""

    def __init__(
        self, columns: Sequence[str], sizes: Mapping[str, int], budget: Budget, counts: Counts
    ) -> None:
        self._columns = [_Column(root, root) for root in dict.fromkeys(columns)]
        self._sizes = sizes
        """Rows that a column had when it was last read."""
        self._budget = budget
        self._counts = counts
        self._asked: list[_Column] = []

    def question(self) -> tuple[list[str], int]:
        """The OIDs to go on from, and how many repetitions; no OIDs: it is done.

        Columns that were never read are asked for their first rows together: most of those that a
        profile knows are absent. Whole columns of known length are asked for together, with one row
        more: that the column ends there has to be seen.
        """
        left = [column for column in self._columns if not column.ended]
        unread = [one for one in left if not one.rows and one.root not in self._sizes]
        if len(unread) > 1:
            self._asked = unread[: self._budget.values]
            return [column.cursor for column in self._asked], 1
        self._asked = left[:1]
        if not left:
            return [], 0
        known = self._sizes.get(left[0].root)
        if known is None:
            return [left[0].cursor], self._budget.values
        repetitions = max(1, min(self._budget.values, known - left[0].rows + 1))
        together = max(1, self._budget.values // repetitions)
        self._asked = [
            column
            for column in left
            if max(1, self._sizes.get(column.root, -1) - column.rows + 1) == repetitions
        ][:together] or left[:1]
        return [column.cursor for column in self._asked], repetitions

    def single_question(self) -> list[str]:
        """The OIDs to go on from one row further (version 1)."""
        left = [column for column in self._columns if not column.ended]
        self._asked = left[: self._budget.values]
        return [column.cursor for column in self._asked]

    def take(self, answered: Sequence[Answered]) -> None:
        """The answer to the last question, row by row.

        A row that did not fit is cut off (RFC 3416, 4.2.3), so the last columns may go without.
        EndlessError where there is nothing at all, or a column has no end.
        """
        if not answered:
            raise EndlessError(f"no values where {len(self._asked)} were asked for")
        for position, (oid, value) in enumerate(answered):
            column = self._asked[position % len(self._asked)]
            if not column.ended:
                self._take_one(column, oid, value)

    def end_asked(self, position: int) -> None:
        """The column at this position of the last question ends (noSuchName of version 1)."""
        self._asked[position].ended = True

    def _take_one(self, column: _Column, oid: str, value: Value | Absent) -> None:
        index = index_under(column.root, oid)
        if index is None or value is END:
            column.ended = True
            return
        if arcs(oid) <= arcs(column.cursor):
            column.ended = True
            self._counts.backwards += 1
            return
        column.cursor = oid
        column.rows += 1
        if column.rows > MOST_ROWS:
            raise EndlessError(f"column {column.root} has no end")
        if isinstance(value, Absent):
            self._counts.unusable += value is UNUSABLE
        else:
            column.values[index] = value

    def result(self) -> dict[str, dict[str, Value]]:
        """Column -> index -> value, once nothing is left to ask."""
        return {column.root: column.values for column in self._columns}

    def lengths(self) -> dict[str, int]:
        """Rows of each column, for the next time."""
        return {column.root: column.rows for column in self._columns}
