"""Packets of a period inside the delivery windows, from the store or from `traffic.csv`.

One value a path and local day. They add up: sums over days are the period's figures, and nothing
is rounded on the way (reading A6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from timeseries.histogram import Sparse


@dataclass(frozen=True, slots=True)
class DayTraffic:
    """One directed path on one local day of its PAS, inside the delivery window."""

    day: str
    """Local date of the originating PAS, ISO 8601."""
    planned: int
    """Trains; 0 for `traffic.csv`."""
    trains: int
    valid: int
    invalid: Mapping[str, int]
    """Reason -> trains."""
    sent: int
    """Packets of valid trains, as all that follows."""
    received: int
    within_limit: int | None
    """Received within the contract's delay limit; None where that cannot be told."""
    judged: int
    """Received packets that `within_limit` is a share of."""
    jitter_sum_ns: int
    jitter_count: int
    jitter_over: int
    """Readings above the contract's jitter limit."""
    sent_all: int = 0
    """With invalid trains, for the figures "with and without"."""
    received_all: int = 0
    histogram: Sparse = ()
    """Of the judged delay (round trip, or both directions pooled); empty from `traffic.csv`."""


@dataclass(frozen=True, slots=True)
class PathTraffic:
    """One directed path over a period."""

    path: str
    """Id of the configured path; empty for `traffic.csv`."""
    service: str
    pas: str
    peer: str
    endpoint: str
    source: Literal["probe", "system"]
    limit_ns: int | None
    days: tuple[DayTraffic, ...]
    evidence: tuple[str, ...] = field(default=())
