"""Records as flat rows of named columns: the spool's JSON, Parquet's columns and the exports.

A `DelayFigures` becomes columns with its field's name before them (`rtt_min_ns`); a tuple of
tuples becomes one list column a part (`rtt_histogram_bins`, `rtt_histogram_counts`). Everything
is checked on the way in: a row that reaches the spool fits the columns of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any

import orjson

from timeseries.errors import DamagedRecordError, SchemaError, StoreError
from timeseries.records import (
    SCHEMA_VERSION,
    DelayFigures,
    DeviceEventRecord,
    DeviceRollupRecord,
    DeviceSampleRecord,
    PlanRecord,
    Record,
    RollupRecord,
    SampleRecord,
    TrainRecord,
)

Row = dict[str, Any]

KINDS: dict[str, type[Record]] = {
    "trains": TrainRecord,
    "samples": SampleRecord,
    "plans": PlanRecord,
    "rollups": RollupRecord,
    "device_samples": DeviceSampleRecord,
    "device_rollups": DeviceRollupRecord,
    "device_events": DeviceEventRecord,
}
"""The name of each kind of record (a folder of the store) and its class."""

_FIGURE = ("start_ns", "agent", "device", "figure", "instance")
IDENTITY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("trains", "samples", "plans", "rollups"), ("start_ns", "agent", "path")),
    **dict.fromkeys(("device_samples", "device_rollups"), _FIGURE),
    "device_events": ("start_ns", "agent", "device", "kind", "instance"),
}
"""The columns that tell two records of a kind apart, in the order in which records are read."""

SUBJECT: dict[str, str] = {
    kind: "device" if "device" in identity else "path" for kind, identity in IDENTITY.items()
}
"""The column that says what was measured: records are asked for by it."""

_KIND_OF: dict[type[Record], str] = {cls: kind for kind, cls in KINDS.items()}

_SCALARS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("VARCHAR", (str,)),
    "bool": ("BOOLEAN", (bool,)),
    "int": ("BIGINT", (int,)),
    "int | None": ("BIGINT", (int, type(None))),
    "Literal": ("VARCHAR", (str,)),
}
_LISTS: dict[str, tuple[str, type]] = {"tuple[int, ...]": ("BIGINT", int)}
_LISTS["tuple[str, ...]"] = ("VARCHAR", str)

_HISTOGRAM = (("bins", "INTEGER", int), ("counts", "BIGINT", int))
_TABLES: dict[str, tuple[tuple[str, str, type], ...]] = {
    "histogram": _HISTOGRAM,
    "rtt_histogram": _HISTOGRAM,
    "forward_histogram": _HISTOGRAM,
    "backward_histogram": _HISTOGRAM,
    "invalid": (("reasons", "VARCHAR", str), ("trains", "BIGINT", int)),
    "send_errors": (("names", "VARCHAR", str), ("counts", "BIGINT", int)),
    "icmp_errors": (
        ("versions", "INTEGER", int),
        ("types", "INTEGER", int),
        ("codes", "INTEGER", int),
        ("origins", "VARCHAR", str),
        ("counts", "BIGINT", int),
    ),
}
"""The parts of each field that is a tuple of tuples: column suffix, type in Parquet and Python."""

_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Shape:
    """How the fields of one class lie in columns."""

    cls: Callable[..., Any]
    scalars: tuple[tuple[str, tuple[type, ...]], ...]
    values: Callable[[Any], tuple[Any, ...]]
    """All scalars of a record at once."""
    lists: tuple[tuple[str, type], ...]
    tables: tuple[tuple[str, tuple[tuple[str, type], ...]], ...]
    """(field, ((column, type of its items), ...))."""
    figures: tuple[tuple[str, bool], ...]
    """(field, whether it may be None) of the nested `DelayFigures`."""
    columns: tuple[tuple[str, str], ...]
    """(column, type in DuckDB), in the order of the fields."""
    defaults: Mapping[str, Any]


def _shape(cls: type[Record] | type[DelayFigures]) -> Shape:
    scalars: list[tuple[str, tuple[type, ...]]] = []
    lists: list[tuple[str, type]] = []
    tables: list[tuple[str, tuple[tuple[str, type], ...]]] = []
    figures: list[tuple[str, bool]] = []
    columns: list[tuple[str, str]] = []
    defaults = {}
    for field in fields(cls):
        # Annotations are text here (PEP 563); every Literal of the records is one of strings.
        name, annotation = field.name, str(field.type)
        annotation = "Literal" if annotation.startswith("Literal") else annotation
        if field.default is not MISSING:
            defaults[name] = field.default
        if annotation in _SCALARS:
            sql, allowed = _SCALARS[annotation]
            scalars.append((name, allowed))
            columns.append((name, sql))
        elif annotation in _LISTS:
            sql, item = _LISTS[annotation]
            lists.append((name, item))
            columns.append((name, f"{sql}[]"))
        elif annotation.startswith("DelayFigures"):
            figures.append((name, "None" in annotation))
            columns += [(f"{name}_{column}", sql) for column, sql in FIGURES.columns]
        else:
            parts = _TABLES[name]
            tables.append((name, tuple((f"{name}_{suffix}", item) for suffix, _, item in parts)))
            columns += [(f"{name}_{suffix}", f"{sql}[]") for suffix, sql, _ in parts]
    return Shape(
        cls=cls,
        scalars=tuple(scalars),
        values=attrgetter(*(name for name, _ in scalars)),
        lists=tuple(lists),
        tables=tuple(tables),
        figures=tuple(figures),
        columns=tuple(columns),
        defaults=defaults,
    )


FIGURES = _shape(DelayFigures)
_SHAPES: dict[str, Shape] = {kind: _shape(cls) for kind, cls in KINDS.items()}


def columns(kind: str) -> tuple[tuple[str, str], ...]:
    """(column, DuckDB type) of a kind, in the order of the schema document."""
    return _SHAPES[kind].columns


@cache
def optional_lists(kind: str) -> frozenset[str]:
    """The list columns in which null (no figures) is not the same as an empty list."""
    return frozenset(
        f"{name}_{column}"
        for name, optional in _SHAPES[kind].figures
        if optional
        for column, sql in FIGURES.columns
        if sql.endswith("[]")
    )


def kind_of(record: Record) -> str:
    """The kind's name of a record; `SchemaError` for anything that is no record."""
    try:
        return _KIND_OF[type(record)]
    except KeyError:
        raise SchemaError(
            f"a {type(record).__name__} is no record of timeseries.records and cannot be kept"
        ) from None


def subject_of(record: Record) -> str:
    """What was measured: the path's or the device's id. `SchemaError` as in `kind_of`."""
    subject: str = getattr(record, SUBJECT[kind_of(record)])
    return subject


def identity_of(record: Record) -> tuple[object, ...]:
    """What tells the record from others of its kind, in the order of `IDENTITY`."""
    return tuple([getattr(record, name) for name in IDENTITY[kind_of(record)]])


def flatten(record: Record) -> Row:
    """The record as one flat row; `SchemaError` names a field whose value does not fit."""
    row: Row = {}
    _flatten(_SHAPES[kind_of(record)], record, "", row)
    return row


def _flatten(shape: Shape, value: Any, prefix: str, row: Row) -> None:
    for (name, allowed), item in zip(shape.scalars, shape.values(value), strict=True):
        if type(item) not in allowed or (type(item) is int and item not in _INT64):
            _refuse(f"{prefix}{name}", item)
        row[prefix + name] = item
    for name, wanted in shape.lists:
        items = getattr(value, name)
        _check_items(prefix + name, items, wanted)
        row[prefix + name] = items
    for name, parts in shape.tables:
        cells = getattr(value, name)
        if any(len(cell) != len(parts) for cell in cells):
            _refuse(f"{prefix}{name}", cells)
        for index, (column, wanted) in enumerate(parts):
            items = [cell[index] for cell in cells]
            _check_items(prefix + column, items, wanted)
            row[prefix + column] = items
    for name, optional in shape.figures:
        figures = getattr(value, name)
        if figures is None and optional:
            row.update(dict.fromkeys((f"{name}_{column}" for column, _ in FIGURES.columns)))
        elif type(figures) is DelayFigures:
            _flatten(FIGURES, figures, f"{name}_", row)
        else:
            _refuse(name, figures)


def _check_items(name: str, items: Any, wanted: type) -> None:
    if not set(map(type, items)) <= {wanted}:
        _refuse(name, next(item for item in items if type(item) is not wanted))
    if wanted is int and items and not (min(items) in _INT64 and max(items) in _INT64):
        _refuse(name, max(items, key=abs))


def _refuse(name: str, value: Any) -> None:
    raise SchemaError(
        f"field {name} cannot be kept as {value!r} ({type(value).__name__}): records hold plain"
        " int (64 bit), str and bool; convert numpy values with int() or .tolist()"
    )


def unflatten(kind: str, row: Mapping[str, Any]) -> Record:
    """The record of a flat row.

    Raises `SchemaError` when a newer pasprobe wrote it, `DamagedRecordError` when a column is
    missing that the record cannot do without.
    """
    check_version(kind, row.get("schema"))
    record: Record = _unflatten(_SHAPES[kind], kind, row, "")
    return record


def check_version(kind: str, version: object) -> None:
    """Refuse (`SchemaError`) a record of a schema that this pasprobe does not know."""
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise SchemaError(
            f"a record of {kind} has schema version {version}, this pasprobe knows 1 to"
            f" {SCHEMA_VERSION}: read it with the pasprobe that wrote it, or a newer one"
        )


def _unflatten(shape: Shape, kind: str, row: Mapping[str, Any], prefix: str) -> Any:
    values: Row = {}
    try:
        for name, allowed in shape.scalars:
            item = row.get(prefix + name)
            if item is not None or type(None) in allowed:
                values[name] = item
        for name, _ in shape.lists:
            items = row.get(prefix + name)
            if items is not None:
                values[name] = tuple(items)
        for name, parts in shape.tables:
            cells = [row.get(prefix + column) for column, _ in parts]
            if None not in cells:
                values[name] = tuple(zip(*cells, strict=True))
        for name, optional in shape.figures:
            # An empty histogram is an empty list; without figures there is no list at all.
            if optional and row.get(f"{name}_histogram_bins") is None:
                values[name] = None
            else:
                values[name] = _unflatten(FIGURES, kind, row, f"{name}_")
        return shape.cls(**{**shape.defaults, **values})
    except (TypeError, ValueError) as error:
        raise DamagedRecordError(
            f"a record of {kind} is incomplete ({error}): {dict(row)!r}"
        ) from error


def encode(record: Record) -> tuple[str, str]:
    """(kind, compact JSON) of a record; `SchemaError` names a field that does not fit."""
    return kind_of(record), _json(flatten(record))


def _json(row: Row) -> str:
    try:
        return orjson.dumps(row).decode()
    except orjson.JSONEncodeError as error:  # lone surrogates
        raise SchemaError(f"a name in {row!r} is no valid Unicode: {error}") from None


def decode(kind: str, text: str) -> Record:
    """The record of what `encode` made; `DamagedRecordError`, or `SchemaError` when newer."""
    return unflatten(kind, load_row(kind, text))


def load_row(kind: str, text: str) -> Row:
    """The flat row of what `encode` made, its version checked; errors as in `decode`."""
    try:
        row = orjson.loads(text)
    except ValueError as error:
        raise DamagedRecordError(f"a spooled record of {kind} is damaged: {error}") from error
    if not isinstance(row, dict):
        raise DamagedRecordError(f"a spooled record of {kind} is damaged: {text[:80]!r}")
    check_version(kind, row.get("schema"))
    return row


def without_histograms(kind: str, text: str) -> str:
    """The same record with empty histograms and, where it has flags, the flag that says so.

    A damaged or newer one stays as it is: whoever reads it will say so.
    """
    try:
        row = load_row(kind, text)
    except StoreError:
        return text
    for column in chain.from_iterable(_histogram_columns(kind)):
        if row.get(column):
            row[column] = []
    if "flags" in row:
        row["flags"] = [*row["flags"], "histogram dropped"]
    return _json(row)


def _histogram_columns(kind: str) -> list[tuple[str, str]]:
    names = [column for column, _ in columns(kind)]
    stems = [name.removesuffix("_bins") for name in names if name.endswith("histogram_bins")]
    return [(f"{stem}_bins", f"{stem}_counts") for stem in stems]
