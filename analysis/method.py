"""The description of methods that [R-9.1-1] asks for: per parameter how its figure comes about.

With a contract it covers the services that the contract lists, the switches it sets and the paths
that measure for it; without one every service of the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from analysis.catalogue_rows import Catalogue
from analysis.catalogue_types import DELAY_PARAMETERS, PAIR_PARAMETERS, Parameter, Service
from analysis.documents.content import (
    Cell,
    Column,
    Document,
    Item,
    Number,
    Said,
    Section,
    Table,
    msg,
)
from analysis.documents.language import Language, language
from analysis.evaluation.writing import RESTS_ON
from analysis.method_rules import Method, method_of
from analysis.readings import SWITCHES, Readings
from inventory.models import Configuration, Path
from inventory.services import SERVICES, Window
from inventory.values import format_duration

SHORTEST_PERIOD_DAYS = 120
"""January to April: the sampling error is that of the fewest trains."""
JUDGED_SHARE = Decimal("0.01")
"""The share at the limit of most packet parameters: 1 % lost, 1 % too slow."""
_HOURS: Mapping[Window, int] = {"normal": 12, "extended": 24}
_ASPECTS = (
    ("instrument", msg("instrument")),
    ("statistic", msg("statistic")),
    ("sampling", msg("sampling")),
    ("end_point", msg("end point")),
    ("error", msg("error")),
)


@dataclass(frozen=True, slots=True)
class Described:
    """One parameter with its method."""

    service: Service
    parameter: Parameter
    method: Method
    readings: tuple[str, ...]


def described(catalogue: Catalogue, services: frozenset[str] | None) -> Iterator[Described]:
    """Every parameter of the services (None: of all), in the order of the annex."""
    for service in catalogue.services:
        if services is None or service.id in services:
            for parameter in service.parameters:
                yield Described(
                    service, parameter, _method(service, parameter), _readings(service, parameter)
                )


def listed_services(configuration: Configuration) -> frozenset[str]:
    """What the contract lists, at a PAS or as a whole."""
    whole = () if configuration.contract is None else configuration.contract.services
    return frozenset(e.id for pas in configuration.pas for e in pas.services) | {
        entry.id for entry in whole
    }


def method_document(
    catalogue: Catalogue,
    readings: Readings,
    configuration: Configuration | None = None,
    service: str = "",
) -> Document:
    """The document; `service` narrows it to one. Without a configuration it has no paths."""
    services = frozenset({service}) if service else None
    if services is None and configuration is not None:
        services = listed_services(configuration)
    found = list(described(catalogue, services))
    paths = [] if configuration is None else [
        path for path in configuration.paths if services is None or path.service in services
    ]  # fmt: skip
    sections = [_section(one, found, readings) for one in _distinct(found)]
    if configuration is not None and paths:
        sections.append(_paths(configuration, paths))
    sections.append(_all_readings(readings, found))
    contract = None if configuration is None else configuration.contract
    return Document(
        kind="method",
        name="method",
        title=msg("How the service levels are measured"),
        addressee="" if contract is None else contract.administration,
        period=msg("R-9.1-1 of the annex asks for this description."),
        facts=(
            (msg("services"), len(_distinct(found))),
            (msg("parameters"), len(found)),
            (msg("paths"), len(paths)),
        ),
        summary=msg("Every parameter with its statistic, sampling, end point, error and readings."),
        broken=False,
        sections=tuple(sections),
        data=method_object(found, readings),
    )


def method_object(found: list[Described], readings: Readings) -> dict[str, Any]:
    """For machines: `{"parameters": [...], "readings": {...}}`, texts in English."""
    english = language("en")
    return {
        "parameters": [
            {
                "service": one.service.id,
                "parameter": one.parameter.id,
                "clause": one.parameter.clause,
                "lines": list(one.parameter.lines),
                "rule": one.parameter.rule,
                **{key: english.text(getattr(one.method, key)) for key, _ in _ASPECTS},
                "readings": list(one.readings),
            }
            for one in found
        ],
        "readings": readings.told(_used(found)),
    }


def method_text(document: Document, words: Language) -> Iterator[str]:
    """The document as lines of plain text, for a terminal."""
    yield words.text(document.title)
    for section in document.sections:
        yield ""
        yield words.text(section.heading)
        for item in section.items:
            yield f"  {words.text(item.text)}"
            for table in item.tables:
                for row in table.rows:
                    name, *values = filter(None, (words.cell(cell) for cell in row))
                    yield f"    {name}: {' | '.join(values)}"


def _distinct(found: list[Described]) -> list[Service]:
    return list({one.service.id: one.service for one in found}.values())


def _method(service: Service, parameter: Parameter) -> Method:
    return method_of(
        parameter.rule,
        DELAY_PARAMETERS.get(parameter.id),
        pair=SERVICES[service.id].between_pas,
    )


def _readings(service: Service, parameter: Parameter) -> tuple[str, ...]:
    """Those of its rule, and those of its limits and its base."""
    found = set(RESTS_ON[parameter.rule])
    bases = {row.basis for row in parameter.penalties}
    if DELAY_PARAMETERS.get(parameter.id) == "one-way":
        found.add("D11")
    if parameter.id in PAIR_PARAMETERS:
        found |= {"D3", "D8"} | ({"D6"} if "pair" in bases else {"D7"})
    elif parameter.id in DELAY_PARAMETERS:
        found.add("D8")
    if parameter.rule == "restoration":
        found |= {"B1", "B3", "B4", "B5", "B6", "B9"}
    if any("option" in row.when for row in parameter.limits):
        found.add("E11")
    if service.fee_of:
        found.add("E5" if service.id == "unified-messaging" else "E10")
    return tuple(sorted(found, key=lambda one: (one[0], int(one[1:]))))


def _used(found: list[Described]) -> set[str]:
    return {reading for one in found for reading in one.readings}


def _section(service: Service, found: list[Described], readings: Readings) -> Section:
    return Section(
        service.id,
        msg(service.name),
        tuple(_item(one, readings) for one in found if one.service.id == service.id),
        msg("Annex, section {section}.", section=service.section),
    )


def _item(one: Described, readings: Readings) -> Item:
    rows: list[tuple[Cell, ...]] = [(name, getattr(one.method, key)) for key, name in _ASPECTS]
    rows.append((msg("readings of the annex"), ", ".join(one.readings)))
    rows += [
        (
            msg("set by the contract: {switch}", switch=f"{switch} = {value}"),
            Said(readings.text(switch)),
        )
        for switch, value in readings.chosen.items()
        if switch in one.readings and value != SWITCHES[switch][0]
    ]
    table = Table(
        "method",
        msg("How the figure comes about"),
        (Column("aspect", msg("aspect")), Column("text", msg("what holds"))),
        tuple(rows),
    )
    places = ", ".join(map(str, one.parameter.lines))
    return Item(one.parameter.id, msg(one.parameter.name), places, tables=(table,))


def _paths(configuration: Configuration, paths: list[Path]) -> Section:
    table = Table(
        "paths",
        msg("Standard error of a measured share of 1 % over {days} days, each train counted as one"
            " sample: the packets of a train may share their fate.", days=SHORTEST_PERIOD_DAYS),
        (
            Column("path", msg("path")),
            Column("far_end", msg("far end")),
            Column("method", msg("method")),
            Column("packets", msg("packets a train"), numeric=True),
            Column("spacing", msg("spacing"), numeric=True),
            Column("every", msg("one train every"), numeric=True),
            Column("trains", msg("trains in the window"), numeric=True),
            Column("standard_error", msg("standard error"), numeric=True),
        ),
        tuple(_path(configuration, path) for path in paths),
    )  # fmt: skip
    item = Item("paths", msg("Paths, trains and sampling error"), tables=(table,))
    return Section("paths", msg("Paths"), (item,))


def _path(configuration: Configuration, path: Path) -> tuple[Cell, ...]:
    trains = trains_in_period(configuration, path)
    return (
        path.id,
        path.peer or " ".join(filter(None, (path.target, path.endpoint))),
        path.method.upper(),
        path.train.packets,
        format_duration(path.train.spacing_ns),
        format_duration(path.train.every_ns),
        trains,
        None if trains is None else Number(Fraction(standard_error(trains)), "percent", "up"),
    )


def trains_in_period(configuration: Configuration, path: Path) -> int | None:
    """Planned trains inside the delivery window of 120 days; None where no window is set."""
    windows = [
        entry.window
        for pas in configuration.pas
        if pas.id == path.pas
        for entry in pas.services
        if entry.id == path.service and entry.window is not None
    ]
    if not windows:
        return None
    window_ns = _HOURS[windows[-1]] * SHORTEST_PERIOD_DAYS * 3600 * 10**9
    return window_ns // path.train.every_ns


def standard_error(trains: int) -> Decimal:
    """Of a share of 1 % from so many independent samples, in percentage points."""
    return (JUDGED_SHARE * (1 - JUDGED_SHARE) / max(1, trains)).sqrt() * 100


def _all_readings(readings: Readings, found: list[Described]) -> Section:
    told = readings.told(_used(found))
    table = Table(
        "readings",
        msg("Where the annex leaves a place open, or contradicts itself."),
        (
            Column("reading", msg("reading")),
            Column("text", msg("how it is read")),
            Column("switch", msg("other values of its switch")),
        ),
        tuple((one, Said(text), _others(readings, one)) for one, text in told.items()),
    )
    item = Item("readings", msg("How the annex was read"), tables=(table,))
    return Section("readings", msg("Readings"), (item,))


def _others(readings: Readings, reading: str) -> str:
    return ", ".join(v for v in SWITCHES.get(reading, ()) if v != readings[reading])
