"""Typed values as JSON text and back, without loss: the rows of facts, traffic, gaps.

Decimals are strings, dates ISO 8601, instants whole nanoseconds. A list has one element a line, so
that two archives can be compared with `diff`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from analysis.device_figures import PolledDevice
from analysis.errors import ArchiveError
from analysis.facts import Facts
from analysis.lines import Gap
from analysis.traffic import PathTraffic

_T = TypeVar("_T")
Paths = tuple[PathTraffic, ...]
Gaps = tuple[Gap, ...]
Devices = tuple[PolledDevice, ...]


def facts_text(facts: Facts) -> bytes:
    """All rows of all files, by file."""
    parts = [
        f'"{field.name}": '.encode() + _rows(getattr(facts, field.name)) for field in fields(facts)
    ]
    return b"{\n" + b",\n".join(parts) + b"\n}\n"


def traffic_text(traffic: Paths) -> bytes:
    """All paths with their days."""
    return _rows(traffic) + b"\n"


def gaps_text(gaps: Gaps) -> bytes:
    """Stretches of time."""
    return _rows(gaps) + b"\n"


def devices_text(devices: Devices) -> bytes:
    """Polled devices with their hours."""
    return _rows(devices) + b"\n"


def read_devices_text(name: str, octets: bytes) -> Devices:
    """What `devices_text` wrote; `ArchiveError` as below."""
    found: Devices = _read(Devices, name, octets)
    return found


def read_facts_text(name: str, octets: bytes) -> Facts:
    """What `facts_text` wrote; `ArchiveError` names the file for anything else."""
    found: Facts = _read(Facts, name, octets)
    return found


def read_traffic_text(name: str, octets: bytes) -> Paths:
    """What `traffic_text` wrote; `ArchiveError` as above."""
    found: Paths = _read(Paths, name, octets)
    return found


def read_gaps_text(name: str, octets: bytes) -> Gaps:
    """What `gaps_text` wrote; `ArchiveError` as above."""
    found: Gaps = _read(Gaps, name, octets)
    return found


def json_text(value: Any) -> bytes:
    """Canonical JSON: keys in their order, an element of an outer list a line."""
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_element(item)}" for key, item in value.items()]
        text = "{\n" + ",\n".join(parts) + "\n}\n" if parts else "{}\n"
    else:
        text = _element(value) + "\n"
    return text.encode()


def read_json(name: str, octets: bytes) -> Any:
    """Any JSON; `ArchiveError` names the file."""
    try:
        return json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, str(error)) from None


def _rows(rows: Sequence[Any]) -> bytes:
    """A list of rows, one a line; each by itself, for a period may have a million."""
    if not rows:
        return b"[]"
    adapter = _adapter(cast(Any, type(rows[0])))
    return b"[\n" + b",\n".join(adapter.dump_json(row) for row in rows) + b"\n]"


def _element(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(_compact(one) for one in value) + "\n]"
    return _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _read(kind: Any, name: str, octets: bytes) -> Any:
    try:
        return _adapter(kind).validate_json(octets, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _unreadable(name, f"{place}: {first['msg']}") from None


def _unreadable(name: str, why: str) -> ArchiveError:
    return ArchiveError(
        f"{name} cannot be read ({why}): take the archive as it was written, or a copy of it"
    )
