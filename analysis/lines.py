"""What an evaluation comes to: one line a parameter, entity and event, with its penalty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from inventory.periods import Period

Source = Literal["probe", "system", "manual"]
"""Our trains; a system's counters (`traffic.csv`, calls, messages); a record that people made."""


class Status(StrEnum):
    """What a line says."""

    MET = "met"
    NOT_MET = "not met"
    INSUFFICIENT = "insufficient"
    """Less of what was planned is on record than `min_coverage` asks for."""
    NO_DATA = "no data"
    """Nothing was counted: no value and no penalty (reading A7)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One parameter of one PAS, pair or service; one a penalty event where the annex charges so."""

    number: int
    """From 1, in the order of the catalogue; what `sla explain --line` takes."""
    service: str
    pas: str
    """Empty for a parameter of the whole service."""
    peer: str
    parameter: str
    level: str
    severity: str
    event: str
    """Id of the ticket or request; empty where the line is no event."""
    status: Status
    measured: Fraction | None
    """In `unit`; None: no data."""
    limit: Decimal | None
    """In `unit`; None where no limit is defined (the readings say why)."""
    unit: str
    """percent | ms | hours | working-days | solar-days | quarter-hours | minutes | months | calls
    | events."""
    deviation: Fraction | None
    """Beyond the limit, never negative."""
    steps: int | None
    penalty_percent: Fraction | None
    """Of `base_eur`; None where the penalty is in euro or not charged (a month)."""
    basis: str
    """pas | pair | level | all-pas | service | pas-all-services | euro."""
    base_eur: Decimal | None
    penalty_eur: Decimal
    """To the cent, half-up (reading G3)."""
    clause: str
    """Clause and annex lines, as `3.1.2, line 148`."""
    readings: tuple[str, ...]
    evidence: tuple[str, ...]
    """What it rests on: `tickets.csv:4`, `path roma-01/ip-base`, ..."""
    source: Source
    coverage: Fraction | None
    """Percent of the planned trains that are valid; None where no train is involved."""
    formula: str
    """The euro with its numbers, as `3 steps x 0.2 % x 12000.00 EUR = 72.00 EUR`."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without valid measurements."""

    path: str
    service: str
    pas: str
    start_ns: int
    end_ns: int
    cause: str
    """agent silent | trains invalid: <reasons> | path not active."""


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 (the contract's word, and never raised)
    """Something that a reader of the figures has to know."""

    code: str
    """Stable, as `gap`, `no-ticket`, `ticket-contradicted`, `above-100-percent`."""
    text: str
    service: str = ""
    pas: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the running period will cost if it goes on like this, and what is left."""

    line: int
    expected_eur: Decimal
    margin: str
    """In words with figures, as `1 h 12 min of blocking outage until the next step`."""


@dataclass(frozen=True, slots=True)
class Result:
    """One evaluation."""

    period: Period
    administration: str
    as_of_ns: int
    lines: tuple[Line, ...]
    total_eur: Decimal
    """Sum of the lines; 0 for a month."""
    warnings: tuple[Warning, ...]
    gaps: tuple[Gap, ...]
    outlook: tuple[Outlook, ...]
    """Of a month: one per line that a four-month period would charge."""
    readings: Mapping[str, str]
    """Every reading that a line rests on, with the switch it was computed under."""
