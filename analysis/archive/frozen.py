"""The inputs of an evaluation as files, and the inputs again from these files alone.

Calendars, UTC offsets, switches and the catalogue are written as they were used: a later `holidays`
or time-zone package, or another default of a switch, changes nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, timedelta, tzinfo
from typing import Any

from analysis.archive import layout
from analysis.archive.contract_toml import configuration_text, read_configuration_text
from analysis.archive.values import (
    devices_text,
    facts_text,
    gaps_text,
    json_text,
    read_devices_text,
    read_facts_text,
    read_gaps_text,
    read_json,
    read_traffic_text,
    traffic_text,
)
from analysis.catalogue_rows import read_catalogue
from analysis.errors import ArchiveError
from analysis.evaluation.inputs import Inputs
from analysis.facts import Facts
from analysis.readings import SWITCHES, Readings
from inventory.calendars import WorkingDays
from inventory.clocks import FrozenZone, local, transitions
from inventory.periods import parse_period
from inventory.values import ValueKindError

Contents = Mapping[str, bytes]
"""Name within the archive -> octets."""

_BEFORE, _AFTER = timedelta(days=400), timedelta(days=800)
"""Offsets are frozen from so long before the oldest instant to so long after the newest: the rules
look at neighbouring days, and at deadlines of some working days or calendar months."""


def freeze(inputs: Inputs, catalogue: Mapping[str, str]) -> dict[str, bytes]:
    """The files of the inputs, but for the facts folder itself.

    `catalogue` has the text of the files that `inputs.catalogue` was read from; `ArchiveError`
    where it was another.
    """
    if read_catalogue(catalogue) != inputs.catalogue:
        raise ArchiveError(
            "the catalogue that was evaluated is not the program's: archive with the files that it"
            " was read from"
        )
    found = {
        layout.CONTRACT: configuration_text(inputs.configuration).encode(),
        layout.FACTS: facts_text(inputs.facts),
        layout.TRAFFIC: traffic_text(inputs.traffic),
        layout.GAPS: gaps_text(inputs.gaps),
        layout.OUTAGES_SEEN: gaps_text(inputs.outages_seen),
        layout.READINGS: json_text({key: inputs.readings[key] for key in SWITCHES}),
        layout.CALENDARS: json_text(
            {country: days.as_json() for country, days in sorted(inputs.calendars.items())}
        ),
        layout.ZONES: json_text(_frozen_zones(inputs)),
    }
    if inputs.devices:
        found[layout.DEVICES] = devices_text(inputs.devices)
    found |= {layout.CATALOGUE + name: text.encode() for name, text in catalogue.items()}
    return found


def thaw(contents: Contents) -> Inputs:
    """The inputs again; `ArchiveError` names a file that is missing or not as it was written."""
    about = read_json(layout.ABOUT, _file(contents, layout.ABOUT))
    try:
        period, as_of_ns = parse_period(about["period"]), about["as_of_ns"]
    except (KeyError, TypeError, AttributeError, ValueKindError) as error:
        raise ArchiveError(f"{layout.ABOUT} has no period or as_of_ns ({error})") from None
    if type(as_of_ns) is not int:
        raise ArchiveError(f"{layout.ABOUT}: as_of_ns is no whole number of nanoseconds")
    texts = {
        name.removeprefix(layout.CATALOGUE): _text(contents, name)
        for name in contents
        if name.startswith(layout.CATALOGUE)
    }
    return Inputs(
        configuration=read_configuration_text(layout.CONTRACT, _text(contents, layout.CONTRACT)),
        catalogue=read_catalogue(texts),
        facts=read_facts_text(layout.FACTS, _file(contents, layout.FACTS)),
        traffic=read_traffic_text(layout.TRAFFIC, _file(contents, layout.TRAFFIC)),
        gaps=read_gaps_text(layout.GAPS, _file(contents, layout.GAPS)),
        outages_seen=read_gaps_text(layout.OUTAGES_SEEN, _file(contents, layout.OUTAGES_SEEN)),
        period=period,
        as_of_ns=as_of_ns,
        readings=_readings(contents),
        calendars=_calendars(contents),
        zones=_zones(contents),
        # Archives of before there were collectors have none; a period without devices neither.
        devices=read_devices_text(layout.DEVICES, contents[layout.DEVICES])
        if layout.DEVICES in contents
        else (),
    )


def instants(value: object) -> Iterator[int]:
    """Every instant (`..._ns`, from 1970 on) of rows; durations are read too and do no harm."""
    if isinstance(value, tuple):
        for one in value:
            yield from instants(one)
    elif is_dataclass(value):
        for field in fields(value):
            inner: Any = getattr(value, field.name)
            if field.name.endswith("_ns") and inner is not None:
                yield inner
            elif isinstance(inner, tuple):
                yield from instants(inner)


def _frozen_zones(inputs: Inputs) -> dict[str, list[list[int]]]:
    begin, end = _span(inputs)
    found = {}
    for name, zone in sorted(inputs.zones.items()):
        changes = zone.changes if isinstance(zone, FrozenZone) else transitions(zone, begin, end)
        found[name] = [[at, offset] for at, offset in changes]
    return found


def _span(inputs: Inputs) -> tuple[date, date]:
    """Local dates that any rule may ask about."""
    seen = {inputs.as_of_ns, *instants(inputs.gaps), *instants(inputs.outages_seen)}
    seen.update(ns for rows in _rows(inputs.facts) for ns in instants(rows))
    days = [local(ns, UTC).date() for ns in (min(seen), max(seen))]
    return (
        min(inputs.period.begin, *days) - _BEFORE,
        max(inputs.period.end, *days) + _AFTER,
    )


def _rows(facts: Facts) -> Iterator[tuple[object, ...]]:
    for field in fields(facts):
        yield getattr(facts, field.name)


def _readings(contents: Contents) -> Readings:
    chosen = read_json(layout.READINGS, _file(contents, layout.READINGS))
    if not isinstance(chosen, dict):
        raise ArchiveError(f"{layout.READINGS} is no table of switches")
    for key, value in chosen.items():
        if value not in SWITCHES.get(key, ()):
            raise ArchiveError(
                f"{layout.READINGS}: this program has no reading {key} = {value!r}: verify with the"
                f" version that {layout.ABOUT} names"
            )
    return Readings(chosen)


def _calendars(contents: Contents) -> dict[str, WorkingDays]:
    written = read_json(layout.CALENDARS, _file(contents, layout.CALENDARS))
    if not isinstance(written, dict):
        raise ArchiveError(f"{layout.CALENDARS} is no table of countries")
    return {country: WorkingDays.from_json(days) for country, days in written.items()}


def _zones(contents: Contents) -> dict[str, tzinfo]:
    written = read_json(layout.ZONES, _file(contents, layout.ZONES))
    try:
        return {name: FrozenZone(name, changes) for name, changes in written.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ArchiveError(f"{layout.ZONES} is no table of offsets ({error})") from None


def _file(contents: Contents, name: str) -> bytes:
    try:
        return contents[name]
    except KeyError:
        raise ArchiveError(f"{name} is missing from the archive") from None


def _text(contents: Contents, name: str) -> str:
    try:
        return _file(contents, name).decode()
    except UnicodeDecodeError:
        raise ArchiveError(f"{name} is not UTF-8 text") from None
