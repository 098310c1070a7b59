"""Which line of a TOML text each key and each array element stands in.

`tomllib` gives values without places. This reads a text that `tomllib` has accepted a second time,
for its structure alone, so it may trust the syntax (TOML 1.0.0) and skips over scalar values.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

Place = tuple[str | int, ...]
"""A way into the data: `("path", 2, "train", "spacing")`."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def lines_of(text: str) -> dict[Place, int]:
    """The line (from 1) of every key, table header and array element of a valid TOML text.

    A table that is opened more than once, or only by its children, has the line where it is first
    named. Raises nothing for valid TOML; call `tomllib.loads` first.
    """
    reader = _Reader(text)
    reader.document()
    return reader.lines


def line_at(lines: Mapping[Place, int], place: Place) -> int:
    """The line of a place, or of the nearest table around it where the place itself is absent."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return lines[place[:length]]
    return 1


class _Reader:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Place, int] = {}
        self._counted_to = 0
        self._line = 1
        self._last: dict[Place, int] = {}
        """The index of the newest element of each array of tables."""

    def document(self) -> None:
        table: Place = ()
        while self._skip(_BLANK) and self.at < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self._header(2)
            elif self.text[self.at] == "[":
                table = self._header(1)
            else:
                self._pair(table)

    def _header(self, brackets: int) -> Place:
        line = self._here()
        self.at += brackets
        keys = self._keys()
        self.at += brackets
        place: Place = ()
        for key in keys[:-1]:
            place = self._element((*place, key), line)
        place = (*place, keys[-1])
        if brackets == 1:
            return self._element(place, line)
        self._last[place] = self._last.get(place, -1) + 1
        return self._element(place, line)

    def _element(self, place: Place, line: int) -> Place:
        """Name a table; where it is an array of tables, mean its newest element."""
        self.lines.setdefault(place, line)
        if place in self._last:
            place = (*place, self._last[place])
            self.lines.setdefault(place, line)
        return place

    def _pair(self, table: Place) -> None:
        line = self._here()
        place = table
        for key in self._keys():
            place = (*place, key)
            self.lines.setdefault(place, line)
        self.at += 1  # the "="
        self._skip(_SPACE)
        self._value(place)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            if self.text[self.at] in "\"'":
                keys.append(self._quoted_key())
            else:
                keys.append(self._take(_BARE_KEY))
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _quoted_key(self) -> str:
        (key,) = tomllib.loads(f"{self._take(_STRING)} = 0")
        return key

    def _value(self, place: Place) -> None:
        first = self.text[self.at]
        if first == "[":
            self._array(place)
        elif first == "{":
            self._inline_table(place)
        elif first in "\"'":
            self._take(_STRING)
        else:
            self._take(_SCALAR)

    def _array(self, place: Place) -> None:
        self.at += 1
        index = 0
        while self._skip(_BLANK) and self.text[self.at] != "]":
            self.lines[(*place, index)] = self._here()
            self._value((*place, index))
            index += 1
            self._skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def _inline_table(self, place: Place) -> None:
        self.at += 1
        while self._skip(_BLANK) and self.text[self.at] != "}":
            self._pair(place)
            self._skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Move over a pattern that may be empty; always true, so that loops read as they act."""
        self._take(pattern)
        return True

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"line {self._here()} is not the TOML that tomllib accepted")
        self.at = match.end()
        return match[0]

    def _here(self) -> int:
        self._line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self._line
