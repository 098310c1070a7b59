"""The cells of one row of the facts folder, read as what they must be.

Nothing is raised for what a person wrote wrong: a cell that cannot be read is noted with file, line
and column and yields a harmless value, so that one pass finds every mistake. A row that is `wrong`
must not be used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

from analysis.errors import FactProblem
from analysis.facts import Where
from inventory.errors import CalendarError
from inventory.values import ValueKindError

EARLIEST_YEAR, LATEST_YEAR = 1970, 2261
"""What UTC nanoseconds hold in 64 bits, as every store of ours does."""

_INSTANT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?P<offset>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COUNT = re.compile(r"[0-9]{1,15}")
_EXACT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_EPOCH = datetime(1970, 1, 1)
_HOW = 'write "2011-05-31T18:30", with an offset ("...+02:00", "...Z") where it is not local'
_W = TypeVar("_W", bound=str)


def shown(text: str) -> str:
    """A cell in a message: what a person needs to find it, with what cannot be printed escaped."""
    short = text if len(text) <= 60 else text[:60] + "..."
    return f'"{short}"' if short.isprintable() else ascii(short)


@dataclass(slots=True)
class Row:
    """One line of a table by the names of its columns; its readers note what they cannot read."""

    where: Where
    cells: dict[str, str]
    """Stripped; a column that the file does not have is absent."""
    problems: list[FactProblem]
    """Of the whole folder."""
    refused: set[str]
    """Columns of this row with a mistake."""

    @property
    def wrong(self) -> bool:
        """Whether anything of it was refused."""
        return bool(self.refused)

    def fine(self, *columns: str) -> bool:
        """Whether none of these columns was refused, so that a rule over them makes sense."""
        return not self.refused or self.refused.isdisjoint(columns)

    def refuse(self, column: str, message: str, remedy: str) -> None:
        """Note a mistake in a cell."""
        self.refused.add(column)
        self.problems.append(FactProblem(self.where.file, self.where.line, column, message, remedy))

    def text(self, column: str) -> str:
        """A cell that may be empty or absent."""
        text = self.cells.get(column, "")
        if text.isprintable():
            return text
        text = " ".join(text.split())  # a comment may have several lines
        if text.isprintable():
            return text
        self.refuse(column, f"{shown(text)} has a character that cannot be printed", "remove it")
        return ""

    def needed(self, column: str, remedy: str = "write one") -> str:
        """A cell that may not be empty."""
        text = self.text(column)
        if not text and self.fine(column):
            self.refuse(column, "is empty", remedy)
        return text

    def words(self, column: str) -> tuple[str, ...]:
        """The parts of `a;b`; none where the cell is empty."""
        parts = [part.strip() for part in self.text(column).split(";")]
        if parts == [""]:
            return ()
        if "" in parts:
            self.refuse(column, "has an empty part", "put one `;` between two ids, none at the end")
        elif len(set(parts)) < len(parts):
            self.refuse(column, "names an id twice", "name each once")
        return tuple(parts)

    def word(self, column: str, allowed: tuple[_W, ...]) -> _W:
        """One of the words that may stand here."""
        text = self.text(column)
        for word in allowed:
            if text == word:
                return word
        if self.fine(column):
            said = f"{shown(text)} may not stand here" if text else "is empty"
            self.refuse(column, said, "write " + " or ".join(f'"{word}"' for word in allowed))
        return allowed[0]

    def count(self, column: str, empty: int | None = None) -> int:
        """A whole number from 0 on; `empty` is what an empty or absent cell means."""
        text = self.text(column)
        if not text and empty is not None:
            return empty
        if _COUNT.fullmatch(text):
            return int(text)
        if self.fine(column):
            said = f"{shown(text)} is no count" if text else "is empty"
            self.refuse(column, said, "write a whole number from 0 on, without separators")
        return 0

    def exact(self, column: str) -> Decimal | None:
        """A decimal number from 0 on; None where the cell is empty or absent."""
        text = self.text(column)
        if not text:
            return None
        if _EXACT.fullmatch(text):
            return Decimal(text)
        self.refuse(
            column, f"{shown(text)} is no number from 0 on", 'write it with a point, as "12.5"'
        )
        return None

    def needed_exact(self, column: str) -> Decimal:
        """The same where a cell may not be empty."""
        number = self.exact(column)
        if number is None and self.fine(column):
            self.refuse(column, "is empty", 'write a number from 0 on, as "12.5"')
        return number or Decimal(0)

    def day(self, column: str) -> date | None:
        """A date; None where the cell is empty or absent."""
        text = self.text(column)
        if not text:
            return None
        try:
            return _day(text)
        except ValueKindError as error:
            self.refuse(column, str(error), error.remedy)
            return None

    def instant(self, column: str, zone: tzinfo | None) -> int:
        """A time in UTC nanoseconds; see `parse_instant`."""
        found = self.maybe_instant(column, zone)
        if found is None:
            if self.fine(column):
                self.refuse(column, "is empty", _HOW)
            return 0
        return found

    def maybe_instant(self, column: str, zone: tzinfo | None) -> int | None:
        """The same; None where the cell is empty or absent."""
        text = self.text(column)
        if not text:
            return None
        try:
            return parse_instant(text, zone)
        except ValueKindError as error:
            self.refuse(column, str(error), error.remedy)
            return None

    def in_order(self, earlier: str, later: str, begin_ns: int | None, end_ns: int | None) -> None:
        """Refuse `later` where it lies before `earlier`; a time that is missing says nothing."""
        if begin_ns is None or end_ns is None or not self.fine(earlier, later):
            return
        if end_ns < begin_ns:
            self.refuse(
                later,
                f"{self.cells[later]} lies before {earlier} {self.cells[earlier]}",
                "correct the wrong one of the two",
            )


@lru_cache(maxsize=1 << 16)  # an hour stands in the rows of every PAS
def parse_instant(text: str, zone: tzinfo | None) -> int:
    """An ISO 8601 time in UTC nanoseconds; without an offset it is local to `zone`.

    `24:00` is the midnight that ends a day. A local time that DST makes happen twice is the first
    one (fold 0); one that it leaves out does not exist. `zone` None: nobody can tell which zone.
    Raises `ValueKindError`.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        if _DAY.fullmatch(text):
            raise ValueKindError(f"{text} is a day, not a time", 'write "2011-05-31T18:30"')
        raise ValueKindError(f"{shown(text)} is no time", _HOW)
    midnight = datetime.combine(_day(match["day"]), datetime.min.time())
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    nanoseconds = int((match["fraction"] or "0").ljust(9, "0"))
    ends_a_day = hour == 24 and (minute, second, nanoseconds) == (0, 0, 0)
    if (hour > 23 and not ends_a_day) or minute > 59 or second > 59:
        raise ValueKindError(f"there is no time of day {text[11:]}", _HOW)
    wall = midnight + timedelta(hours=hour, minutes=minute, seconds=second)
    if match["offset"] is not None:
        utc = wall - _offset(text, match["offset"])
    else:
        utc = _from_local(text, wall, zone)
    since = utc - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + nanoseconds


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        raise ValueKindError(f"there is no day {text[:10]}", "correct it") from None
    if day is None:
        raise ValueKindError(f"{shown(text)} is no day", 'write "2011-05-31"')
    if not EARLIEST_YEAR < day.year < LATEST_YEAR:
        raise ValueKindError(
            f"the year {day.year} is out of range",
            f"write one from {EARLIEST_YEAR + 1} to {LATEST_YEAR - 1}",
        )
    return day


def _offset(text: str, written: str) -> timedelta:
    if written == "Z":
        return timedelta()
    digits = written[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        raise ValueKindError(f'"{text}" has no valid offset from UTC', 'write it as "+02:00"')
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if written[0] == "-" else offset


def _from_local(text: str, wall: datetime, zone: tzinfo | None) -> datetime:
    if zone is None:
        raise ValueKindError(
            f"{text} has no offset from UTC, and the row's PAS lie in several time zones",
            'write the offset, as "2011-05-31T18:30+02:00"',
        )
    try:
        utc = wall - (wall.replace(tzinfo=zone).utcoffset() or timedelta())
        back = utc.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    except CalendarError as error:  # an archive's zone, asked for a time that it was not frozen for
        raise ValueKindError(error.message, error.remedy) from None
    if back != wall:
        raise ValueKindError(
            f"{text} does not exist: clocks are put forward over it in {zone}",
            "write the time that the clock showed, or the offset from UTC",
        )
    return utc
