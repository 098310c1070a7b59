"""What a row of the SLA catalogue is: services, parameters, limits, penalties, report items. Pure.

Numbers are exact. A limit is kept where the figure is at most the limit (reading D2); where it is a
floor (`Parameter.is_floor`, or a `target_share`) the figure must be at least that.

A penalty reads: `rate` `unit` (percent of `basis`, or euro) for each `step` `per` beyond the limit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeVar

from inventory.services import Level, Profile, Window

DelayKind = Literal["rtt", "one-way"]
Severity = Literal["blocking", "non-blocking"]
"""Bloccante, non bloccante (line 115)."""
LimitUnit = Literal[
    "ms",
    "seconds",
    "minutes",
    "hours",
    "working-days",
    "solar-days",
    "months",
    "percent",
]
"""`working-days`: the N-th working date after the report or request (B2, B7); `solar-days` of a
report deadline: days after the period's end, so the day of the following month."""
PenaltyUnit = Literal["percent", "euro"]
Per = Literal["percent-point", "ms", "hour", "quarter-hour", "working-day", "solar-day", "event"]
Basis = Literal[
    "pas", "pair", "all-pas", "level", "service", "pas-all-services", "waiting-time", "euro"
]
"""What `rate` percent is taken of: the four-month fee of the one PAS; of both PAS of a pair (D6);
of all PAS of the service (E2; 6.1 and 6.4: the fee of the whole service); of all PAS of the level;
of the whole service (chapter 7, E10); of all services of the PAS (8.2); the penalty for waiting
(F3). `euro`: the rate is an amount."""
Rule = Literal[
    "none",
    "share-within",
    "loss-rate",
    "jitter",
    "success-rate",
    "delivery-share",
    "unit-availability",
    "overall-availability",
    "monitoring-availability",
    "restoration",
    "restoration-share",
    "request-hours",
    "request-quarter-hours",
    "request-days",
    "request-hours-days",
    "waiting-events",
    "lost-calls",
    "response-events",
    "provisioning-months",
    "report-deadline",
]
"""Which evaluation a parameter has. `request-hours-days`: the limit is in hours, the penalty in
days (E7); `none`: not judged by itself (guaranteed bandwidth, D10)."""

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
_FLOORS: frozenset[Rule] = frozenset(
    {"success-rate", "unit-availability", "overall-availability", "monitoring-availability"}
)


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One SLA target."""

    when: Mapping[str, str]
    """What it holds for: empty for all, else `profile`, `pair`, `level`, `severity`, `option` or
    `bandwidth` (`<=8`, `>=10`, Mbps of BNA)."""
    value: Decimal
    unit: LimitUnit
    target_share: Decimal | None
    """Percent of the cases (packets received, messages, outages, requests) that must be at most
    `value`; None where the annex prints no share."""
    line: int = 0
    """Of the annex; 0 for a row from elsewhere."""


@dataclass(frozen=True, slots=True)
class PenaltyRow:
    """What each step beyond the target costs."""

    when: Mapping[str, str]
    rate: Decimal
    unit: PenaltyUnit
    per: Per
    step: Decimal
    basis: Basis
    line: int = 0
    """Of the annex; 0 for a row from elsewhere."""


_Row = TypeVar("_Row", LimitRow, PenaltyRow)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a service, with its place in the annex."""

    id: str
    clause: str
    lines: tuple[int, ...]
    limits: tuple[LimitRow, ...]
    penalties: tuple[PenaltyRow, ...]
    rule: Rule = "none"
    name: str = ""
    """In English."""
    term: str = ""
    """In the annex's Italian."""

    @property
    def place(self) -> str:
        """Clause and lines for people."""
        word = "line" if len(self.lines) == 1 else "lines"
        return f"{self.clause}, {word} {', '.join(map(str, self.lines))}"

    @property
    def is_floor(self) -> bool:
        """Whether the figure must be at least the limit (availability, success rate)."""
        return self.rule in _FLOORS

    def limit_for(
        self,
        *,
        profile: Profile | None = None,
        peer_profile: Profile | None = None,
        level: Level | None = None,
        severity: Severity | None = None,
        options: Collection[str] = (),
        bandwidth_mbps: Decimal | None = None,
    ) -> LimitRow | None:
        """The limit for a case; None where the annex has none for it (D4, D8, F5).

        A pair that no row names belongs to "altri casi" where there is such a row; so does every
        pair with Base Satellite, which is not Base (D3). An option of the contract goes before the
        row without it.
        """
        if self.id in PAIR_PARAMETERS and peer_profile is None:
            return None
        case = _Case(profile, peer_profile, level, severity, options, bandwidth_mbps)
        return _closest(self.limits, case)

    def penalty_for(
        self,
        *,
        profile: Profile | None = None,
        peer_profile: Profile | None = None,
        level: Level | None = None,
        severity: Severity | None = None,
        options: Collection[str] = (),
        bandwidth_mbps: Decimal | None = None,
    ) -> PenaltyRow | None:
        """The penalty for a case, as `limit_for`; None where there is none (D10)."""
        case = _Case(profile, peer_profile, level, severity, options, bandwidth_mbps)
        return _closest(self.penalties, case)


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One item that the annex asks of a report."""

    id: str
    text: str
    """What it shows, one English sentence of ours; the message id of its translations."""
    term: str
    """Short, in Italian."""
    lines: tuple[int, ...]
    source: str
    """Where its data come from: `docs/catalogue.md` lists the words."""
    operations: tuple[str, ...] = ()
    """The operations that its requests are limited to; empty for all."""

    @property
    def kind(self) -> str:
        """The source without what it is about: `lines` of `lines:packet-loss`."""
        return self.source.partition(":")[0]

    @property
    def about(self) -> tuple[str, ...]:
        """What the source names after the colon, in its order; mostly parameters."""
        named = self.source.partition(":")[2]
        return tuple(named.split(",")) if named else ()


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the annex."""

    id: str
    section: str
    value_basis: str
    """As `Basis`: what its fee is defined for."""
    windows: tuple[Window, ...]
    levels: tuple[Level, ...]
    profiles: tuple[Profile, ...]
    parameters: tuple[Parameter, ...]
    name: str = ""
    """In English."""
    term: str = ""
    """In the annex's Italian."""
    fee_of: str = ""
    """The service whose fee it is charged on, where that is another (E5, E10)."""
    contractual_report: tuple[ReportItem, ...] = ()
    technical_report: tuple[ReportItem, ...] = ()

    def parameter(self, identifier: str) -> Parameter | None:
        """A parameter by its id."""
        return next((p for p in self.parameters if p.id == identifier), None)


@dataclass(frozen=True, slots=True)
class WindowHours:
    """A delivery window (finestra temporale di erogazione), local time, every day (line 111)."""

    id: Window
    begin_hour: int
    end_hour: int
    line: int


@dataclass(frozen=True, slots=True)
class RoundingBand:
    """Up to which residual a deviation adds no step (line 125)."""

    step: Decimal
    """Percentage points."""
    up_to: Decimal
    """Percentage points, included."""
    line: int


@dataclass(frozen=True, slots=True)
class ReliabilityLevel:
    """A reliability level (livello di affidabilità) as chapter 1 defines it."""

    id: Level
    availability: LimitRow
    restoration: tuple[LimitRow, ...]
    """One a severity."""


@dataclass(frozen=True, slots=True)
class ReportKind:
    """A periodic report: when it falls due."""

    id: Literal["contractual", "technical"]
    months: int
    """How many a period has (Toss-con, Toss-tec)."""
    due_day: int
    """Day of a month, included."""
    due_months: tuple[int, ...]
    """1 to 12; the report is about the period that ended before."""
    line: int


@dataclass(frozen=True, slots=True)
class Definitions:
    """What chapter 1 lays down for all services."""

    windows: tuple[WindowHours, ...] = ()
    levels: tuple[ReliabilityLevel, ...] = ()
    rounding: tuple[RoundingBand, ...] = ()
    reports: tuple[ReportKind, ...] = ()


def pair_class(one: Profile, other: Profile) -> str:
    """The name of an unordered pair of profiles: `high/base`, the faster one first."""
    return "/".join(p for p in _FASTEST_FIRST for end in (one, other) if end == p)


@dataclass(frozen=True, slots=True)
class _Case:
    profile: Profile | None
    peer_profile: Profile | None
    level: Level | None
    severity: Severity | None
    options: Collection[str]
    bandwidth_mbps: Decimal | None

    def fits(self, key: str, value: str) -> bool:
        """Whether one condition of a row holds; ValueError for one that no row may have."""
        match key:
            case "profile":
                return self.profile == value
            case "pair":
                return self._fits_pair(value)
            case "level":
                return self.level == value
            case "severity":
                return self.severity == value
            case "option":
                return value in self.options
            case "bandwidth":
                return self._fits_bandwidth(value)
        raise ValueError(f"a row cannot depend on {key!r}")

    def _fits_pair(self, value: str) -> bool:
        if self.profile is None or self.peer_profile is None:
            return False
        return value in (OTHER, pair_class(self.profile, self.peer_profile))

    def _fits_bandwidth(self, value: str) -> bool:
        if self.bandwidth_mbps is None:
            return False
        sign, bound = value[:2], Decimal(value[2:])
        return self.bandwidth_mbps <= bound if sign == "<=" else self.bandwidth_mbps >= bound


def _closest(rows: Iterable[_Row], case: _Case) -> _Row | None:
    fitting = [row for row in rows if all(case.fits(*item) for item in row.when.items())]
    fitting.sort(key=lambda row: (row.when.get("pair") == OTHER, -len(row.when)))
    return fitting[0] if fitting else None
