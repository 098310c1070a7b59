"""One period of measurement, judged: what every output (terminal, JSON, page) is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.catalogue_rows import Catalogue
from analysis.evidence import Evidence
from analysis.verdict import Verdict
from inventory.models import Configuration


@dataclass(frozen=True, slots=True)
class Measurement:
    """Configuration, evidence and verdicts of a period."""

    configuration: Configuration
    catalogue: Catalogue
    from_ns: int
    to_ns: int
    """UTC; the period that was measured."""
    evidence: Mapping[str, Evidence]
    verdicts: Sequence[Verdict]
    notes: Sequence[str] = ()
    """What a reader must know besides: what was left out, how the far ends came about."""
