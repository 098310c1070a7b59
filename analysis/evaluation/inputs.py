"""Everything that one evaluation rests on, as plain values: what the archive freezes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING

from analysis.catalogue_rows import Catalogue
from analysis.device_figures import PolledDevice
from analysis.facts import Facts
from analysis.lines import Gap
from analysis.traffic import PathTraffic
from inventory.models import Configuration
from inventory.periods import Period

if TYPE_CHECKING:
    from analysis.readings import Readings
    from inventory.calendars import WorkingDays


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one evaluation; equal inputs give equal results, at any later time ([R-9.2-3]).

    Raises nothing: `analysis.evaluation.contract` checks what has to fit together.
    """

    configuration: Configuration
    catalogue: Catalogue
    facts: Facts
    traffic: tuple[PathTraffic, ...]
    """From the store; `facts.traffic` replaces it pair by pair and instant by instant."""
    gaps: tuple[Gap, ...]
    outages_seen: tuple[Gap, ...]
    """Stretches in which valid trains lost every packet."""
    period: Period
    as_of_ns: int
    """The instant that open delays are counted to, UTC nanoseconds."""
    readings: Readings
    calendars: Mapping[str, WorkingDays]
    """Country code -> its working days."""
    zones: Mapping[str, tzinfo]
    """Name of a time zone -> what it was at the time of the evaluation."""
    devices: tuple[PolledDevice, ...] = ()
    """Polled firewalls and switches of a month; no line and no euro rests on them."""
