"""How a finding becomes a line: its status, and its penalty where one is due.

No figure, none that rests on too little, costs nothing: it is loud in another way (warnings).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from analysis.catalogue_types import LimitRow, Parameter, PenaltyRow, Rule, Service
from analysis.evaluation.case import Case
from analysis.evaluation.contract import Holding
from analysis.facts import Where
from analysis.lines import Line, Source, Status
from analysis.rules.penalty import charge, steps_of
from analysis.rules.shares import shortfall

_SHARES = ("A1", "A2", "A3", "A4", "A6", "A7", "D2")
_OUTAGES = ("A1", "A2", "A3", "A4", "B5", "B6", "C2", "C3", "C4", "C6", "C8", "C13", "D2")
_EVENTS = ("B3", "E6", "E8", "E10", "C13")
RESTS_ON: Mapping[Rule, tuple[str, ...]] = {
    "none": ("D10",),
    "share-within": (*_SHARES, "B5", "B6", "D1"),
    "loss-rate": (*_SHARES, "B5", "B6", "D9"),
    "jitter": ("A4", "A6", "A7", "B5", "B6", "D2", "D5"),
    "success-rate": (*_SHARES, "D12"),
    "delivery-share": (*_SHARES, "D13"),
    "unit-availability": (*_OUTAGES, "C11", "C12"),
    "overall-availability": (*_OUTAGES, "C1", "C7"),
    "monitoring-availability": (*_OUTAGES, "C1", "C9"),
    "restoration": ("B2", "C2", "C8", "E1", "E2", "E8", "E9", "E10", "C11", "C13"),
    "restoration-share": (*_SHARES, "B1", "B2", "C8", "E4", "E8", "E9"),
    "request-hours": ("B1", "E12", *_EVENTS),
    "request-quarter-hours": ("B8", *_EVENTS),
    "request-days": ("B2", "B4", "B7", "E12", *_EVENTS),
    "request-hours-days": ("B1", "B4", "E7", "E12", *_EVENTS),
    "waiting-events": ("F1",),
    "lost-calls": ("A1", "A2", "A3", "F2", "F3"),
    "response-events": ("B8", "E8", "F4"),
    "provisioning-months": ("F5", "F6", "F7", "F9"),
    "report-deadline": ("F8", "G6", "G11"),
}
"""What a line of each rule rests on besides the general readings of money and start."""
GENERAL = ("G1", "G2", "G3", "G4", "G5", "G8")


@dataclass(frozen=True, slots=True)
class Entity:
    """What a line is about."""

    pas: str = ""
    peer: str = ""
    level: str = ""
    severity: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure against its limit."""

    measured: Fraction | None
    limit: Decimal | None
    unit: str
    deviation: Fraction | None
    """Beyond the limit; None where there is no figure or no limit."""
    count: int | None
    """Steps, or completed units, that are charged."""
    late: bool
    """The limit is not kept, be it by less than a step."""
    source: Source
    evidence: tuple[str, ...] = ()
    coverage: Fraction | None = None
    notes: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    """Beside those of the rule."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a breach costs, and whether it does."""

    penalty: PenaltyRow | None
    base: Decimal | None
    """EUR; None where the row names euro, or where there is no value to charge on."""
    charged: bool = True
    """Penalties have begun for what the line is about (G4, G5)."""


def nothing(unit: str, limit: Decimal | None, source: Source, *notes: str) -> Finding:
    """No figure: nothing was counted (reading A7)."""
    return Finding(None, limit, unit, None, None, False, source, notes=notes)


def at_least(
    case: Case,
    measured: Fraction | None,
    limit: Decimal | None,
    row: PenaltyRow | None,
    source: Source,
    *,
    evidence: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    readings: tuple[str, ...] = (),
) -> Finding:
    """A percentage that must not fall below its limit, with the steps that it falls short (A2)."""
    if measured is None or limit is None:
        return Finding(
            measured, limit, "percent", None, None, False, source, evidence,
            notes=notes, readings=readings,
        )  # fmt: skip
    deviation = shortfall(measured, limit)
    count = None if row is None else steps_of(deviation, row, case.inputs.readings["A2"])
    return Finding(
        measured, limit, "percent", deviation, count, deviation > 0, source, evidence,
        notes=notes, readings=readings,
    )  # fmt: skip


def write(
    case: Case,
    service: Service,
    parameter: Parameter,
    entity: Entity,
    finding: Finding,
    terms: Terms,
    limit: LimitRow | None = None,
) -> Line:
    """The line, still without its number."""
    status = _status(case, finding)
    notes = list(finding.notes)
    percent: Fraction | None = None
    base: Decimal | None = None
    euro = Decimal("0.00")
    formula = ""
    row = terms.penalty
    judged = status in (Status.MET, Status.NOT_MET)
    basis = "" if row is None else row.basis
    why = _why_free(case, finding, terms, status)
    if row is not None and finding.count is not None and judged and not why:
        charged = charge(finding.count, row, terms.base)
        percent, euro, formula = charged.percent, charged.euro, charged.formula
        base = terms.base if row.unit == "percent" else None
    elif why and case.charges:
        notes.append(why)
    return Line(
        number=0,
        service=service.id,
        pas=entity.pas,
        peer=entity.peer,
        parameter=parameter.id,
        level=entity.level,
        severity=entity.severity,
        event=entity.event,
        status=status,
        measured=finding.measured,
        limit=finding.limit,
        unit=finding.unit,
        deviation=finding.deviation,
        steps=finding.count if judged else None,
        penalty_percent=percent,
        basis=basis,
        base_eur=base,
        penalty_eur=euro,
        clause=_clause(parameter, limit, row),
        readings=_sorted((*RESTS_ON[parameter.rule], *finding.readings)),
        evidence=finding.evidence,
        source=finding.source,
        coverage=finding.coverage,
        formula=formula,
        notes=tuple(notes),
    )


def places(found: Iterable[Where]) -> tuple[str, ...]:
    """Rows as evidence, by file and line."""
    return tuple(str(where) for where in sorted(set(found), key=lambda w: (w.file, w.line)))


def notes_of(holdings: Iterable[Holding]) -> tuple[str, ...]:
    """What is special about the contract rows that a line rests on."""
    return tuple(f"{h.pas or h.service}: {note}" for h in holdings for note in h.notes)


def _status(case: Case, finding: Finding) -> Status:
    if finding.measured is None:
        return Status.NO_DATA
    if finding.coverage is not None and finding.coverage < Fraction(case.contract.min_coverage):
        return Status.INSUFFICIENT
    return Status.NOT_MET if finding.late else Status.MET


def _why_free(case: Case, finding: Finding, terms: Terms, status: Status) -> str:
    """Why nothing is charged; empty where it is."""
    row = terms.penalty
    if status is Status.NO_DATA or row is None:
        return ""
    if status is Status.INSUFFICIENT:
        share = case.contract.min_coverage
        return f"not charged: fewer than {share} % of the planned trains are valid"
    if finding.limit is None:
        return ""
    if not case.charges:
        return "a month is not charged"
    if not terms.charged:
        return "not charged: before the first whole four months after the start (G4, G5)"
    if row.unit == "percent" and terms.base is None:
        return "not charged: there is no fee to charge on"
    return ""


def _clause(parameter: Parameter, limit: LimitRow | None, row: PenaltyRow | None) -> str:
    lines = sorted({one.line for one in (limit, row) if one is not None and one.line})
    if not lines:
        return parameter.place
    word = "line" if len(lines) == 1 else "lines"
    return f"{parameter.clause}, {word} {', '.join(map(str, lines))}"


def _sorted(readings: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(readings), key=lambda one: (one[0], int(one[1:]))))
