"""Records as InfluxDB's line protocol, and back from the rows of its InfluxQL interface.

One measurement a kind. Tags say whose record it is, all else is a field of the column's own name:
integers (`42i`), booleans, strings; a list is JSON text. What is None or an empty tag is left out,
which is also how InfluxDB gives it back. Time stamp = `start_ns`, so a record that is written again
replaces itself. Reference: InfluxDB line protocol (v1 and v2 alike).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from timeseries.codec import KINDS, columns, unflatten
from timeseries.errors import DamagedRecordError, SchemaError
from timeseries.records import Record

TAGS: dict[str, tuple[str, ...]] = {
    "trains": ("agent", "path", "pas", "service", "peer", "endpoint", "method"),
    "samples": ("agent", "path"),
    "plans": ("agent", "path", "pas", "service", "peer", "endpoint", "method"),
    "rollups": ("agent", "path", "pas", "service", "peer", "endpoint"),
}
"""The tags of each measurement; none has values without bound."""

TIME = "start_ns"
LONGEST_STRING = 65_535
"""Octets that InfluxDB takes in a string field: the samples of some 3,000 packets."""

_TAG_SPECIAL = re.compile(r"([,= ])")
_NO_TAG = re.compile(r"[\n\r\\]")
"""InfluxDB cannot tell a backslash before a separator from one that quotes it."""
_FIELD_SPECIAL = re.compile(r'(["\\])')


def _tag(text: str) -> str:
    return _TAG_SPECIAL.sub(r"\\\1", text)


def _string(text: str) -> str:
    return '"' + _FIELD_SPECIAL.sub(r"\\\1", text) + '"'


def _integer(value: int) -> str:
    return f"{value}i"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _list(items: Sequence[Any]) -> str:
    return _string(json.dumps(items, ensure_ascii=False, separators=(",", ":")))


_WRITERS: dict[str, Callable[[Any], str]] = {
    "VARCHAR": _string,
    "BIGINT": _integer,
    "INTEGER": _integer,
    "BOOLEAN": _boolean,
}


@lru_cache(maxsize=len(KINDS))
def _fields(kind: str) -> tuple[tuple[str, Callable[[Any], str]], ...]:
    return tuple(
        (name, _list if sql.endswith("[]") else _WRITERS[sql])
        for name, sql in columns(kind)
        if name not in TAGS[kind] and name != TIME
    )


def line(kind: str, row: Mapping[str, Any]) -> str:
    """The line of one flat row (`codec.flatten`, `codec.load_row`), without its line feed.

    Raises `SchemaError` for what InfluxDB has no place for: a line end or a backslash in a
    tag, a string longer than `LONGEST_STRING` octets.
    """
    head = kind
    for name in TAGS[kind]:
        value = row.get(name)
        if value:
            if _NO_TAG.search(value):
                raise SchemaError(
                    f"{name} {value!r} cannot be a tag of InfluxDB (a line end or a backslash):"
                    " rename it"
                )
            head += f",{name}={_tag(value)}"
    parts = []
    for name, written in _fields(kind):
        value = row.get(name)
        if value is not None:
            text = written(value)
            if len(text) * 4 > LONGEST_STRING and len(text.encode()) > LONGEST_STRING:
                raise SchemaError(
                    f"field {name} has {len(text.encode())} octets, InfluxDB takes"
                    f" {LONGEST_STRING}: the train has too many packets for one record there"
                )
            parts.append(f"{name}={text}")
    return f"{head} {','.join(parts)} {row[TIME]}"


def record_of(kind: str, names: Sequence[str], values: Sequence[Any]) -> Record:
    """The record of one row as InfluxQL gives it: column names (`time` in ns among them), values.

    Raises `DamagedRecordError`, `SchemaError` for a record of a newer pasprobe.
    """
    row: dict[str, Any] = dict(zip(names, values, strict=True))
    row[TIME] = row.pop("time")
    for name in TAGS[kind]:
        row[name] = row.get(name) or ""
    for name, sql in columns(kind):
        value = row.get(name)
        if value is None:
            continue
        try:
            if sql.endswith("[]"):
                row[name] = json.loads(value)
            elif sql in {"BIGINT", "INTEGER"}:
                row[name] = _whole(value)
        except (TypeError, ValueError) as error:
            raise DamagedRecordError(
                f"InfluxDB holds a record of {kind} whose {name} is {value!r}: {error}"
            ) from error
    return unflatten(kind, row)


def _whole(value: object) -> int:
    # A server that keeps numbers as floats (no integer fields) is told by what it lost.
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("an integer field came back as something else")
    return value
