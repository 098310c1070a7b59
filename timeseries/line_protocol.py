"""Records as InfluxDB's line protocol, and back from the rows of its InfluxQL interface.

One measurement a kind. Tags say whose record it is, all else is a field of the column's own name:
integers (`42i`), booleans, strings; a list is JSON text. What is None, an empty tag or an empty
list (unless None means something else there) is left out, and put back when it is read. Time stamp
= `start_ns`, so a record that is written again replaces itself. Reference: InfluxDB line protocol
(v1 and v2 alike).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from timeseries.codec import KINDS, columns, optional_lists, unflatten
from timeseries.errors import DamagedRecordError, SchemaError
from timeseries.records import Record

TAGS: dict[str, tuple[str, ...]] = {
    "trains": ("agent", "path", "pas", "service", "peer", "endpoint", "method"),
    "samples": ("agent", "path"),
    "plans": ("agent", "path", "pas", "service", "peer", "endpoint", "method"),
    "rollups": ("agent", "path", "pas", "service", "peer", "endpoint"),
    "device_samples": ("agent", "device", "figure", "instance", "unit"),
    "device_rollups": ("agent", "device", "figure", "instance", "unit"),
    "device_events": ("agent", "device", "kind", "instance"),
}
"""The tags of each measurement; none has values without bound."""

TIME = "start_ns"
LONGEST_STRING = 65_535
"""Octets that InfluxDB takes in a string field: the samples of some 3,000 packets."""

_QUOTED = r"\\\1"
_LISTS = ("LIST", "LIST OR NULL")
_TAG_SPECIAL = re.compile(r"([,= ])")
_NO_TAG = re.compile(r"[\n\r\\]")
"""InfluxDB cannot tell a backslash before a separator from one that quotes it."""
_FIELD_SPECIAL = re.compile(r'(["\\])')


def _string(text: str) -> str:
    if '"' in text or "\\" in text:
        text = _FIELD_SPECIAL.sub(_QUOTED, text)
    return f'"{text}"'


@lru_cache(maxsize=len(KINDS))
def _fields(kind: str) -> tuple[tuple[str, str, str], ...]:
    """(column, `column=`, type) of what is no tag, in the order of the columns."""
    kept_empty = optional_lists(kind)
    return tuple(
        (name, f"{name}=", _LISTS[name in kept_empty] if sql.endswith("[]") else sql)
        for name, sql in columns(kind)
        if name not in TAGS[kind] and name != TIME
    )


@lru_cache(maxsize=8_192)
def _head(kind: str, tags: tuple[str | None, ...]) -> str:
    """Measurement and tags: the same for all records of a path."""
    head = kind
    for name, value in zip(TAGS[kind], tags, strict=True):
        if value:
            if _NO_TAG.search(value):
                raise SchemaError(
                    f"{name} {value!r} cannot be a tag of InfluxDB (a line end or a backslash):"
                    " rename it"
                )
            head += f",{name}={_TAG_SPECIAL.sub(_QUOTED, value)}"
    return head


def line(kind: str, row: Mapping[str, Any]) -> str:
    """The line of one flat row (`codec.flatten`, `codec.load_row`), without its line feed.

    Raises `SchemaError` for what InfluxDB has no place for: a line end or a backslash in a
    tag, a string longer than `LONGEST_STRING` octets.
    """
    get = row.get
    parts = []
    for name, begin, kept_as in _fields(kind):
        value = get(name)
        if value is None:
            continue
        if kept_as == "BOOLEAN":
            parts.append(f"{begin}true" if value else f"{begin}false")
        elif kept_as == "BIGINT":
            parts.append(f"{begin}{value}i")
        elif value or kept_as != "LIST":
            text = _string(value if kept_as == "VARCHAR" else orjson.dumps(value).decode())
            if len(text) * 4 > LONGEST_STRING and len(text.encode()) > LONGEST_STRING:
                raise SchemaError(
                    f"field {name} has {len(text.encode())} octets, InfluxDB takes"
                    f" {LONGEST_STRING}: the train has too many packets for one record there"
                )
            parts.append(begin + text)
    head = _head(kind, tuple([get(name) for name in TAGS[kind]]))
    return f"{head} {','.join(parts)} {row[TIME]}"


def record_of(kind: str, names: Sequence[str], values: Sequence[Any]) -> Record:
    """The record of one row as InfluxQL gives it: column names (`time` in ns among them), values.

    Raises `DamagedRecordError`, `SchemaError` for a record of a newer pasprobe.
    """
    row: dict[str, Any] = dict(zip(names, values, strict=True))
    row[TIME] = row.pop("time")
    for name in TAGS[kind]:
        row[name] = row.get(name) or ""
    may_be_null = optional_lists(kind)
    for name, sql in columns(kind):
        value = row.get(name)
        if value is None:
            if sql.endswith("[]") and name not in may_be_null:
                row[name] = []
            continue
        try:
            if sql.endswith("[]"):
                row[name] = orjson.loads(value)
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
