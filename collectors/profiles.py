"""What to ask of a device: the profiles in `profiles/*.toml`, read into frozen values.

A profile is a list of figures; a figure has one field name in the records, one unit, and variants:
the objects that older and newer devices have for it, best first. Which variant a device has is
found out at first contact (`collectors.discovery`). Every OID stands beside its MIB name.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from collectors.errors import ProfileError

Kind = Literal["scalar", "column"]
Measure = Literal["gauge", "rate", "state", "text", "rows", "sum", "peers", "marked", "sensor"]
"""How the answer becomes a figure: a number as it is; a counter as a rate; a number with a name;
words; how many rows; the sum over the rows; rows by what they say; the row
that bears a mark; a number whose unit and scale other columns tell."""
Pace = Literal["poll", "quarter"]
"""Asked at every poll, or once in a quarter of an hour and after a restart."""

_OID = re.compile(r"\d+(\.\d+)+")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_MIB = re.compile(r"[A-Za-z0-9-]+::[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Variant:
    """One object that a device may have for a figure."""

    mib: str
    """MODULE::object."""
    oid: str
    """Of a scalar with its instance (`.0`, or the row's index), of a column without."""
    kind: Kind = "scalar"
    bits: int = 64
    """Of a counter: 32 or 64."""
    factor: int = 1
    """The answer times this is the figure."""
    scale: int = 0
    """Decimal exponent of the figure in its unit."""
    of: str = ""
    """Whose figures the rows are: a naming of the profile; empty: the index is the name."""
    last: int | None = None
    """Only rows whose index ends in this number; the rest of the index is the name."""
    where: tuple[str, frozenset[int]] | None = None
    """(column, values): only rows with one of these there, where the device has the column."""
    pattern: str = ""
    """Of a text: its first group is the figure."""
    words: tuple[tuple[str, str], ...] = ()
    """Of a text: what an answer is called."""
    mark: str = ""
    """What the marked row's text holds."""
    companions: tuple[str, ...] = ()
    """Of a sensor: the columns of its type, scale and precision."""
    first: bool = False
    """Only the first row that says something."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the records."""

    field: str
    title: str
    measure: Measure
    unit: str
    pace: Pace
    variants: tuple[Variant, ...]
    states: tuple[tuple[int, str], ...] = ()
    """Of a state: the names of its numbers (the MIB's own)."""
    good: frozenset[int] = frozenset()
    """Of a state that is watched: the numbers that are no alarm."""
    event: str = ""
    """Which event a state that is not good raises."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What the rows of a table are called: the first of these columns that says something."""

    id: str
    columns: tuple[str, ...]
    names: tuple[tuple[str, str], ...] = ()
    """(index, name), for tables whose rows are always the same."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What to ask of one family of devices."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    namings: tuple[Naming, ...]

    def naming(self, of: str) -> Naming | None:
        """The naming of this id; None for the empty one."""
        return next((one for one in self.namings if one.id == of), None)

    def figure(self, field: str) -> Figure | None:
        """The figure of this field."""
        return next((one for one in self.figures if one.field == field), None)


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the folder."""

    name: str
    title: str
    rank: int
    object_ids: tuple[str, ...]
    description: str
    platforms: tuple[str, ...]
    includes: tuple[str, ...]
    figures: tuple[Figure, ...]
    namings: tuple[Naming, ...]

    @property
    def is_profile(self) -> bool:
        return bool(self.object_ids or self.description or self.platforms)


GENERIC = "generic"
"""The profile of a device that no other profile knows."""


def names() -> list[str]:
    """The profiles that there are."""
    return sorted(one.name for one in _read_all().values() if one.is_profile)


@cache
def profile(name: str) -> Profile:
    """The profile of this name; `ProfileError` names those that there are."""
    found = _read_all()
    if name not in found or not found[name].is_profile:
        raise ProfileError(
            f'there is no device profile "{name}": choose one of {", ".join(names())}'
        )
    parts = [*(_part(found, part, name) for part in found[name].includes), found[name]]
    figures: dict[str, Figure] = {}
    namings: dict[str, Naming] = {}
    for part in parts:  # what the profile itself says of a field goes before its parts
        figures |= {one.field: one for one in part.figures}
        namings |= {one.id: one for one in part.namings}
    made = Profile(name, found[name].title, tuple(figures.values()), tuple(namings.values()))
    unknown = {v.of for f in made.figures for v in f.variants if v.of} - namings.keys()
    if unknown:
        raise ProfileError(f"profile {name}: no [[naming]] {', '.join(sorted(unknown))}")
    return made


def profile_for(sys_object_id: str, sys_descr: str, platform: str = "") -> Profile:
    """The profile of a device by what it says of itself; by its platform where it says nothing.

    A description goes before an object ID: one PIX has run releases of both kinds. `platform` is
    the `[[device]]`'s.
    """
    known = sorted(
        (one for one in _read_all().values() if one.is_profile),
        key=lambda one: (one.rank, one.name),
    )
    for one in known:
        if one.description and re.search(one.description, sys_descr):
            return profile(one.name)
    for one in known:
        if any(
            sys_object_id == oid or sys_object_id.startswith(f"{oid}.") for oid in one.object_ids
        ):
            return profile(one.name)
    for one in known:
        if platform and platform in one.platforms:
            return profile(one.name)
    return profile(GENERIC)


def _part(found: dict[str, _File], name: str, by: str) -> _File:
    if name not in found:
        raise ProfileError(f"profile {by} includes {name}, and there is no {name}.toml")
    return found[name]


@cache
def _read_all() -> dict[str, _File]:
    folder = files("collectors") / "profiles"
    read = [
        _file(entry.name.removesuffix(".toml"), tomllib.loads(entry.read_text("utf-8")))
        for entry in sorted(folder.iterdir(), key=lambda one: one.name)
        if entry.name.endswith(".toml")
    ]
    return {one.name: one for one in read}


def _file(name: str, data: dict[str, Any]) -> _File:
    match = data.pop("match", {})
    figures = tuple(_figure(name, row) for row in data.pop("figure", ()))
    namings = tuple(_naming(name, row) for row in data.pop("naming", ()))
    made = _File(
        name=name,
        title=data.pop("title", name),
        rank=match.pop("rank", 5),
        object_ids=tuple(match.pop("sys_object_id", ())),
        description=match.pop("sys_descr", ""),
        platforms=tuple(match.pop("platforms", ())),
        includes=tuple(data.pop("includes", ())),
        figures=figures,
        namings=namings,
    )
    _nothing_left(name, "", {**data, **match})
    return made


def _naming(file: str, row: dict[str, Any]) -> Naming:
    made = Naming(
        id=row.pop("id"),
        columns=tuple(_oid(file, oid) for oid in row.pop("columns", ())),
        names=tuple(row.pop("names", {}).items()),
    )
    _nothing_left(file, made.id, row)
    return made


def _figure(file: str, row: dict[str, Any]) -> Figure:
    field = row.pop("field")
    if not _FIELD.fullmatch(field):
        raise ProfileError(f"{file}.toml: {field!r} is no field name")
    measure, pace = row.pop("measure", "gauge"), row.pop("pace", "poll")
    if measure not in get_args(Measure) or pace not in get_args(Pace):
        raise ProfileError(f"{file}.toml, {field}: unknown measure or pace {measure}, {pace}")
    made = Figure(
        field=field,
        title=row.pop("title"),
        measure=measure,
        unit=row.pop("unit", ""),
        pace=pace,
        variants=tuple(_variant(file, field, one) for one in row.pop("variants")),
        states=tuple((int(number), word) for number, word in row.pop("states", {}).items()),
        good=frozenset(row.pop("good", ())),
        event=row.pop("event", ""),
    )
    _nothing_left(file, field, row)
    if not made.variants or (made.measure == "state" and not made.states):
        raise ProfileError(f"{file}.toml, {field}: a figure has variants, a state has states")
    return made


def _variant(file: str, field: str, row: dict[str, Any]) -> Variant:
    where = row.pop("where", None)
    made = Variant(
        mib=row.pop("mib"),
        oid=_oid(file, row.pop("oid")),
        kind=row.pop("kind", "scalar"),
        bits=row.pop("bits", 64),
        factor=row.pop("factor", 1),
        scale=row.pop("scale", 0),
        of=row.pop("of", ""),
        last=row.pop("last", None),
        where=None if where is None else (_oid(file, where["oid"]), frozenset(where["is"])),
        pattern=row.pop("pattern", ""),
        words=tuple(row.pop("words", {}).items()),
        mark=row.pop("mark", ""),
        companions=tuple(_oid(file, oid) for oid in row.pop("companions", ())),
        first=row.pop("first", False),
    )
    _nothing_left(file, field, row)
    if made.kind not in get_args(Kind) or made.bits not in (32, 64) or not _MIB.fullmatch(made.mib):
        raise ProfileError(f"{file}.toml, {field}: a wrong kind, number of bits or MIB name")
    return made


def _oid(file: str, text: str) -> str:
    if not _OID.fullmatch(text):
        raise ProfileError(f"{file}.toml: {text!r} is no OID")
    return text


def _nothing_left(file: str, where: str, row: dict[str, Any]) -> None:
    if row:
        raise ProfileError(f"{file}.toml, {where or 'top'}: unknown keys {', '.join(row)}")
