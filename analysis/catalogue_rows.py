"""The SLA catalogue: the annex's limits and penalties as rows, and which row a path is judged by.

The rows are `catalogue/*.toml`, one file a service, with clause and line of the annex "Livelli di
servizio e penali"; `catalogue/definitions.toml` has what its chapter 1 lays down for all of them.
`analysis.catalogue_types` says what a row is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from analysis.catalogue_json import catalogue_object
from analysis.catalogue_types import (
    DELAY_PARAMETERS,
    OTHER,
    PAIR_PARAMETERS,
    Basis,
    Definitions,
    DelayKind,
    LimitRow,
    LimitUnit,
    Parameter,
    PenaltyRow,
    PenaltyUnit,
    Per,
    ReliabilityLevel,
    ReportItem,
    ReportKind,
    RoundingBand,
    Rule,
    Service,
    Severity,
    WindowHours,
    pair_class,
)
from analysis.errors import CatalogueError
from inventory.services import Profile

__all__ = [
    "DELAY_PARAMETERS",
    "OTHER",
    "PAIR_PARAMETERS",
    "Basis",
    "Catalogue",
    "Definitions",
    "DelayKind",
    "LimitRow",
    "LimitUnit",
    "Parameter",
    "PathLimits",
    "PenaltyRow",
    "PenaltyUnit",
    "Per",
    "ReliabilityLevel",
    "ReportItem",
    "ReportKind",
    "RoundingBand",
    "Rule",
    "Service",
    "Severity",
    "WindowHours",
    "catalogue_files",
    "limit_row",
    "load_catalogue",
    "pair_class",
    "read_catalogue",
]
_DEFINITIONS = "definitions.toml"


@dataclass(frozen=True, slots=True)
class PathLimits:
    """What one path is judged by; None where the contract has no such limit."""

    delay_ms: Decimal | None = None
    delay_kind: DelayKind | None = None
    delay_share_percent: Decimal | None = None
    """Percent of the received packets (D1) that must be within `delay_ms`, that included."""
    loss_percent: Decimal | None = None
    jitter_ms: Decimal | None = None
    clauses: tuple[str, ...] = ()
    """Where each limit stands, as `round-trip-delay: 3.1.2, line 148`."""
    notes: tuple[str, ...] = ()
    """Why a limit is missing where one would expect it."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All services, in the order of the annex."""

    services: tuple[Service, ...]
    definitions: Definitions = field(default_factory=Definitions)

    @property
    def delay_limits_ms(self) -> tuple[Decimal, ...]:
        """Every delay limit there is, ascending; each must be a bound of the histograms."""
        return tuple(
            sorted(
                {
                    row.value
                    for service in self.services
                    for parameter in service.parameters
                    if parameter.id in DELAY_PARAMETERS
                    for row in parameter.limits
                }
            )
        )

    def service(self, identifier: str) -> Service | None:
        """A service by its id; None where the catalogue has no rows for it."""
        return next((s for s in self.services if s.id == identifier), None)

    def parameter(self, service: str, identifier: str) -> Parameter | None:
        """A parameter of a service by its id; None where there is none."""
        found = self.service(service)
        return None if found is None else found.parameter(identifier)

    def limits_for(
        self, service: str, profile: Profile, peer_profile: Profile | None
    ) -> PathLimits:
        """The limits of a path: by the PAS's profile, and for pairs by both, in either order.

        Profiles the service is not offered to are not judged here (`inventory.checks` refuses
        them). Where a pair is asked for and there is no peer (D8), or no row is printed for the
        pair (D4), the limit is None and a note says so.
        """
        found = self.service(service)
        judged = [p for p in found.parameters if _is_for_packets(p)] if found else []
        if not judged:
            return PathLimits(notes=(f"the catalogue has no packet limits for {service}",))
        limits = PathLimits()
        for parameter in judged:
            limits = _with(limits, parameter, profile, peer_profile)
        return limits

    def to_json(self) -> dict[str, Any]:
        """The catalogue as `sla catalogue --json` prints it, numbers as decimal strings."""
        return catalogue_object(self.services)


def limit_row(
    parameter: Parameter, profile: Profile, peer_profile: Profile | None
) -> LimitRow | None:
    """The row that a path is judged by, or None; `Parameter.limit_for` says which."""
    return parameter.limit_for(profile=profile, peer_profile=peer_profile)


def _is_for_packets(parameter: Parameter) -> bool:
    return parameter.id in DELAY_PARAMETERS or parameter.id in ("jitter", "packet-loss")


def _with(
    limits: PathLimits, parameter: Parameter, profile: Profile, peer_profile: Profile | None
) -> PathLimits:
    kind = DELAY_PARAMETERS.get(parameter.id)
    row = limit_row(parameter, profile, peer_profile)
    if row is None:
        why = (
            f"{parameter.id} is for a pair of PAS, and this path has no peer"
            if peer_profile is None
            else f"{parameter.id}: no limit defined for {pair_class(profile, peer_profile)}"
        )
        return replace(limits, notes=(*limits.notes, f"{why} ({parameter.place})"))
    limits = replace(limits, clauses=(*limits.clauses, f"{parameter.id}: {parameter.place}"))
    if kind is not None:
        return replace(
            limits, delay_ms=row.value, delay_kind=kind, delay_share_percent=row.target_share
        )
    if parameter.id == "jitter":
        return replace(limits, jitter_ms=row.value)
    return replace(limits, loss_percent=row.value)


@cache
def load_catalogue() -> Catalogue:
    """Read the rows that come with the program."""
    return read_catalogue(catalogue_files())


def catalogue_files() -> dict[str, str]:
    """The files that come with the program, by name: what an archive keeps."""
    folder = resources.files("analysis") / "catalogue"
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return {
        file.name: file.read_text(encoding="utf-8")
        for file in sorted(files, key=lambda file: file.name)
    }


def read_catalogue(files: Mapping[str, str]) -> Catalogue:
    """A catalogue from the text of its files, the services in the order of the annex.

    Raises CatalogueError, which names the file, for one that is not as `docs/catalogue.md` says.
    """
    if _DEFINITIONS not in files:
        raise CatalogueError(_DEFINITIONS, "is missing")
    definitions = _read(_DEFINITIONS, files[_DEFINITIONS], _definitions)
    services = [_read(name, text, _service) for name, text in files.items() if name != _DEFINITIONS]
    services.sort(key=lambda service: [parameter.lines for parameter in service.parameters])
    return Catalogue(tuple(services), definitions)


_Read = TypeVar("_Read")


def _read(name: str, text: str, build: Callable[[Mapping[str, Any]], _Read]) -> _Read:
    try:
        return build(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(name, f"is no TOML: {error}") from error
    except KeyError as error:
        raise CatalogueError(name, f"a table lacks the key {error}") from error
    except InvalidOperation as error:
        raise CatalogueError(name, "a figure is no decimal number") from error
    except (TypeError, AttributeError) as error:
        raise CatalogueError(name, f"a table is not as it should be: {error}") from error


def _service(raw: Mapping[str, Any]) -> Service:
    return Service(
        id=raw["id"],
        section=raw["section"],
        value_basis=raw["value_basis"],
        windows=tuple(raw["windows"]),
        levels=tuple(raw["levels"]),
        profiles=tuple(raw["profiles"]),
        parameters=tuple(_parameter(parameter) for parameter in raw["parameters"]),
        name=raw["name"],
        term=raw["term"],
        fee_of=raw.get("fee_of", ""),
        contractual_report=tuple(_item(item) for item in raw["contractual_report"]),
        technical_report=tuple(_item(item) for item in raw.get("technical_report", ())),
    )


def _parameter(raw: Mapping[str, Any]) -> Parameter:
    return Parameter(
        id=raw["id"],
        clause=raw["clause"],
        lines=tuple(raw["lines"]),
        limits=tuple(_limit(row) for row in raw["limits"]),
        penalties=tuple(_penalty(row) for row in raw["penalties"]),
        rule=raw["rule"],
        name=raw["name"],
        term=raw["term"],
    )


def _limit(raw: Mapping[str, Any]) -> LimitRow:
    return LimitRow(
        when=raw["when"],
        value=Decimal(raw["value"]),
        unit=raw["unit"],
        target_share=Decimal(raw["target_share"]) if "target_share" in raw else None,
        line=raw["line"],
    )


def _penalty(raw: Mapping[str, Any]) -> PenaltyRow:
    return PenaltyRow(
        when=raw["when"],
        rate=Decimal(raw["rate"]),
        unit=raw["unit"],
        per=raw["per"],
        step=Decimal(raw["step"]),
        basis=raw["basis"],
        line=raw["line"],
    )


def _item(raw: Mapping[str, Any]) -> ReportItem:
    return ReportItem(
        id=raw["id"],
        text=raw["text"],
        term=raw["term"],
        lines=tuple(raw["lines"]),
        source=raw["source"],
        operations=tuple(raw.get("operations", ())),
    )


def _definitions(raw: Mapping[str, Any]) -> Definitions:
    return Definitions(
        windows=tuple(WindowHours(**row) for row in raw["windows"]),
        levels=tuple(
            ReliabilityLevel(
                id=row["id"],
                availability=_limit(row["availability"]),
                restoration=tuple(_limit(limit) for limit in row["restoration"]),
            )
            for row in raw["levels"]
        ),
        rounding=tuple(
            RoundingBand(Decimal(row["step"]), Decimal(row["up_to"]), row["line"])
            for row in raw["rounding"]
        ),
        reports=tuple(
            ReportKind(
                id=row["id"],
                months=row["months"],
                due_day=row["due_day"],
                due_months=tuple(row["due_months"]),
                line=row["line"],
            )
            for row in raw["reports"]
        ),
    )
