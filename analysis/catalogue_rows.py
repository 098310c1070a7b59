"""The SLA catalogue: the annex's limits and penalties as rows, and which row a path is judged by.

The rows are `catalogue/*.toml`, one file a service, with clause and line of the annex "Livelli di
servizio e penali". Numbers are exact. A limit is kept where the figure is at most the limit
(reading D2), so every comparison with one is `<=`.

A penalty reads: `rate` `unit` (percent of `basis`) for each `step` `per` beyond the limit. `basis`
is the fee of the one PAS (`pas`), of both (`pair`) or of all that have the service (`all-pas`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Literal

from inventory.services import Level, Profile, Window

DelayKind = Literal["rtt", "one-way"]
DELAY_PARAMETERS: Mapping[str, DelayKind] = {
    "round-trip-delay": "rtt",
    "end-to-end-max-delay": "rtt",
    "one-way-delay": "one-way",
}
"""How each delay parameter is defined (lines 143, 176; 287, 368, 406); never halve one (D11)."""
PAIR_PARAMETERS = frozenset({"end-to-end-max-delay", "one-way-delay", "jitter"})
"""Measured "tra ogni coppia di PAS": without a second PAS no class applies (D8)."""
OTHER = "other"
"""The pair class "altri casi"."""
_FASTEST_FIRST: tuple[Profile, ...] = ("high", "medium", "base", "base-satellite")


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One SLA target."""

    when: Mapping[str, str]
    """What it holds for: empty for all, else `profile` or `pair`."""
    value: Decimal
    unit: Literal["ms", "percent"]
    target_share: Decimal | None
    """Percent of the received packets that must be at most `value`."""


@dataclass(frozen=True, slots=True)
class PenaltyRow:
    """What each step beyond the target costs."""

    when: Mapping[str, str]
    rate: Decimal
    unit: Literal["percent"]
    per: Literal["percent-point", "ms"]
    step: Decimal
    basis: Literal["pas", "pair", "all-pas"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a service, with its place in the annex."""

    id: str
    clause: str
    lines: tuple[int, ...]
    limits: tuple[LimitRow, ...]
    penalties: tuple[PenaltyRow, ...]

    @property
    def place(self) -> str:
        """Clause and lines for people."""
        word = "line" if len(self.lines) == 1 else "lines"
        return f"{self.clause}, {word} {', '.join(map(str, self.lines))}"


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the annex."""

    id: str
    section: str
    value_basis: str
    windows: tuple[Window, ...]
    levels: tuple[Level, ...]
    profiles: tuple[Profile, ...]
    parameters: tuple[Parameter, ...]


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

    def limits_for(
        self, service: str, profile: Profile, peer_profile: Profile | None
    ) -> PathLimits:
        """The limits of a path: by the PAS's profile, and for pairs by both, in either order.

        Profiles the service is not offered to are not judged here (`inventory.checks` refuses
        them). Where a pair is asked for and there is no peer (D8), or no row is printed for the
        pair (D4), the limit is None and a note says so.
        """
        found = self.service(service)
        if found is None:
            return PathLimits(notes=(f"the catalogue has no packet limits for {service}",))
        limits = PathLimits()
        for parameter in found.parameters:
            limits = _with(limits, parameter, profile, peer_profile)
        return limits

    def to_json(self) -> dict[str, Any]:
        """The catalogue as `sla catalogue --json` prints it, numbers as decimal strings."""
        return {"services": [_service_json(service) for service in self.services]}


def pair_class(one: Profile, other: Profile) -> str:
    """The name of an unordered pair of profiles: `high/base`, the faster one first."""
    return "/".join(p for p in _FASTEST_FIRST for end in (one, other) if end == p)


def limit_row(
    parameter: Parameter, profile: Profile, peer_profile: Profile | None
) -> LimitRow | None:
    """The row that applies, or None.

    A pair that no row names belongs to "altri casi" where there is such a row; so does every pair
    with Base Satellite, which is not Base (reading D3).
    """
    rows = {tuple(row.when.items()): row for row in parameter.limits}
    if peer_profile is None:
        if parameter.id in PAIR_PARAMETERS:
            return None
        return rows.get((("profile", profile),)) or rows.get(())
    for when in (
        (("profile", profile),),
        (("pair", pair_class(profile, peer_profile)),),
        (("pair", OTHER),),
        (),
    ):
        if when in rows:
            return rows[when]
    return None


def _with(
    limits: PathLimits, parameter: Parameter, profile: Profile, peer_profile: Profile | None
) -> PathLimits:
    kind = DELAY_PARAMETERS.get(parameter.id)
    if kind is None and parameter.id not in ("jitter", "packet-loss"):
        return limits
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
    folder = resources.files("analysis") / "catalogue"
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    services = [_service(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files]
    return Catalogue(
        tuple(sorted(services, key=lambda s: [int(part) for part in s.section.split(".")]))
    )


def _service(raw: Mapping[str, Any]) -> Service:
    return Service(
        id=raw["id"],
        section=raw["section"],
        value_basis=raw["value_basis"],
        windows=tuple(raw["windows"]),
        levels=tuple(raw["levels"]),
        profiles=tuple(raw["profiles"]),
        parameters=tuple(_parameter(parameter) for parameter in raw["parameters"]),
    )


def _parameter(raw: Mapping[str, Any]) -> Parameter:
    return Parameter(
        id=raw["id"],
        clause=raw["clause"],
        lines=tuple(raw["lines"]),
        limits=tuple(
            LimitRow(
                when=row["when"],
                value=Decimal(row["value"]),
                unit=row["unit"],
                target_share=Decimal(row["target_share"]) if "target_share" in row else None,
            )
            for row in raw["limits"]
        ),
        penalties=tuple(
            PenaltyRow(
                when=row["when"],
                rate=Decimal(row["rate"]),
                unit=row["unit"],
                per=row["per"],
                step=Decimal(row["step"]),
                basis=row["basis"],
            )
            for row in raw["penalties"]
        ),
    )


def _service_json(service: Service) -> dict[str, Any]:
    return {
        "id": service.id,
        "section": service.section,
        "value_basis": service.value_basis,
        "windows": list(service.windows),
        "levels": list(service.levels),
        "profiles": list(service.profiles),
        "parameters": [
            {
                "id": parameter.id,
                "limits": [
                    {
                        "when": dict(row.when),
                        "value": str(row.value),
                        "unit": row.unit,
                        "target_share": None if row.target_share is None else str(row.target_share),
                    }
                    for row in parameter.limits
                ],
                "penalties": [
                    {
                        "when": dict(row.when),
                        "rate": str(row.rate),
                        "unit": row.unit,
                        "per": row.per,
                        "step": str(row.step),
                        "basis": row.basis,
                    }
                    for row in parameter.penalties
                ],
                "clause": parameter.clause,
                "lines": list(parameter.lines),
            }
            for parameter in service.parameters
        ],
    }
