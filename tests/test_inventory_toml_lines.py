"""The locator says for each key of a TOML text the line it stands in."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inventory.toml_lines import Place, line_at, lines_of

TEXT = '''\
# a comment with [brackets] and = signs
title = "a # no comment"

[agent]
name.first = "x"   # [not] a = table
name."la.st" = \'\'\'
two ]
lines\'\'\'

[[path]]
id = "one"
train = { packets = 1, spacing = "1s" }
list = [
  1,   # one
  { a = [ "]", """x
]""" ], b = 2 },

  3
]

[path.more]
deep = 1
[[path.more.items]]
n = 1
[[path.more.items]]
n = 2

[[path]]
id = "two"
\t"quoted key"   =   1979-05-27T07:32:00Z
[path.more]
deep = 2
'''

EXPECTED: dict[Place, int] = {
    ("title",): 2,
    ("agent",): 4,
    ("agent", "name"): 5,
    ("agent", "name", "first"): 5,
    ("agent", "name", "la.st"): 6,
    ("path",): 10,
    ("path", 0): 10,
    ("path", 0, "id"): 11,
    ("path", 0, "train"): 12,
    ("path", 0, "train", "packets"): 12,
    ("path", 0, "train", "spacing"): 12,
    ("path", 0, "list"): 13,
    ("path", 0, "list", 0): 14,
    ("path", 0, "list", 1): 15,
    ("path", 0, "list", 1, "a"): 15,
    ("path", 0, "list", 1, "a", 0): 15,
    ("path", 0, "list", 1, "a", 1): 15,
    ("path", 0, "list", 1, "b"): 16,
    ("path", 0, "list", 2): 18,
    ("path", 0, "more"): 21,
    ("path", 0, "more", "deep"): 22,
    ("path", 0, "more", "items"): 23,
    ("path", 0, "more", "items", 0): 23,
    ("path", 0, "more", "items", 0, "n"): 24,
    ("path", 0, "more", "items", 1): 25,
    ("path", 0, "more", "items", 1, "n"): 26,
    ("path", 1): 28,
    ("path", 1, "id"): 29,
    ("path", 1, "quoted key"): 30,
    ("path", 1, "more"): 31,
    ("path", 1, "more", "deep"): 32,
}


def places_in(value: Any, place: Place = ()) -> set[Place]:
    """Every place of the data that tomllib read: the oracle for which places there are."""
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    else:
        return set()
    return {
        found
        for step, child in children
        for found in {(*place, step), *places_in(child, (*place, step))}
    }


def test_every_place_of_a_text_with_all_kinds_of_syntax_has_its_line() -> None:
    assert lines_of(TEXT) == EXPECTED
    assert set(EXPECTED) == places_in(tomllib.loads(TEXT))


def test_windows_line_ends_count_once() -> None:
    assert lines_of(TEXT.replace("\n", "\r\n")) == EXPECTED


def test_a_place_that_is_absent_has_the_line_of_the_table_around_it() -> None:
    lines = lines_of(TEXT)
    assert line_at(lines, ("path", 1, "more", "missing")) == 31
    assert line_at(lines, ("path", 1, "peer")) == 28
    assert line_at(lines, ("nowhere", 3)) == 1


SCALARS = [
    *("1", "-1.5e3", "true", "1979-05-27 07:32:00", '""', "''", "'#]}'", r'"\"]},#\\"'),
    *('"""a"\n\n]"""', '"""\\""""""', "'''\n'a''\n}'''", '"""\\\n  x"""', "''''x'''''"),
]


class Writer:
    """Writes TOML and notes the line of everything it writes, independently of the reader."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[Place, int] = {}
        self.count = 0

    def put(self, text: str) -> None:
        self.text += text

    def note(self, *place: str | int) -> None:
        self.lines.setdefault(place, 1 + self.text.count("\n"))

    def gap(self, *, breaks: bool) -> None:
        gaps = [" ", "", "\t "] + (["\n", " # [a] = {\n", "\n\n  "] if breaks else [])
        self.put(self.draw(st.sampled_from(gaps)))

    def fresh(self) -> str:
        self.count += 1
        return self.draw(st.sampled_from(["k{}", "a b{}", "x.y{}", "#{}", 'q"{}', "é{}"])).format(
            self.count
        )

    def key(self, *keys: str) -> None:
        written = []
        for key in keys:
            plain = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
            quotes = ["'" + key + "'", '"' + key.replace('"', '\\"') + '"']
            written.append(self.draw(st.sampled_from([key, *quotes] if plain else quotes)))
        self.put(self.draw(st.sampled_from([".", " . "])).join(written))

    def pair(self, table: Place) -> None:
        keys = [self.fresh() for _ in range(self.draw(st.integers(1, 3)))]
        for length in range(1, len(keys) + 1):
            self.note(*table, *keys[:length])
        self.key(*keys)
        self.gap(breaks=False)
        self.put("=")
        self.gap(breaks=False)
        self.value((*table, *keys), depth=0)

    def value(self, place: Place, depth: int) -> None:
        kinds = ["scalar", "scalar", "array", "inline"] if depth < 3 else ["scalar"]
        kind = self.draw(st.sampled_from(kinds))
        if kind == "array":
            self.put("[")
            count = self.draw(st.integers(0, 3))
            for index in range(count):
                self.gap(breaks=True)
                self.note(*place, index)
                self.value((*place, index), depth + 1)
                self.gap(breaks=True)
                self.put("," if index < count - 1 or self.draw(st.booleans()) else "")
            self.gap(breaks=True)
            self.put("]")
        elif kind == "inline":
            self.put("{")
            count = self.draw(st.integers(0, 3))
            for index in range(count):
                key = self.fresh()
                self.gap(breaks=False)
                self.note(*place, key)
                self.key(key)
                self.put(" = ")
                self.value((*place, key), depth + 1)
                self.put(", " if index < count - 1 else "")
            self.gap(breaks=False)
            self.put("}")
        else:
            self.put(self.draw(st.sampled_from(SCALARS)))


@st.composite
def documents(draw: st.DrawFn) -> Writer:
    """A valid TOML text whose lines are known from having been written."""
    out = Writer(draw)

    def body(table: Place) -> None:
        for _ in range(draw(st.integers(0, 3))):
            out.put(draw(st.sampled_from(["", "\n", "# [[x]] = 1\n", "  "])))
            out.pair(table)
            out.put(draw(st.sampled_from(["\n", " # end\n", "\n\n"])))

    body(())
    for _ in range(draw(st.integers(0, 3))):
        name = out.fresh()
        array = draw(st.booleans())
        for index in range(draw(st.integers(1, 3)) if array else 1):
            place: Place = (name, index) if array else (name,)
            out.note(name)
            out.note(*place)
            out.put("[[ " if array else "[")
            out.key(name)
            out.put("]]\n" if array else " ] # [t]\n")
            body(place)
            if draw(st.booleans()):
                inner, deep = out.fresh(), out.fresh()
                out.note(*place, inner)
                out.note(*place, inner, deep)
                out.put("[")
                out.key(name, inner, deep)
                out.put("]\n")
                body((*place, inner, deep))
    return out


@given(documents())
def test_any_document_has_the_lines_that_it_was_written_with(document: Writer) -> None:
    assert set(document.lines) == places_in(tomllib.loads(document.text))
    assert lines_of(document.text) == document.lines
