"""Verdicts: what the roll-ups of a path come to against the limits of its service. Pure.

One verdict a path and parameter. A share is of the received packets (reading D1), limits are
inclusive (D2), the two directions of a pair are pooled (D11), jitter is the mean of the trains'
readings (D5). Figures are exact fractions; nothing is rounded before the deviation (A6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from analysis.catalogue_rows import DELAY_PARAMETERS, Catalogue, LimitRow, Parameter, limit_row
from analysis.evidence import Evidence
from analysis.lines import Status
from analysis.steps import completed_steps, percentage_steps
from inventory.models import Configuration, own_paths, pas_of, peer_of
from inventory.services import Profile
from timeseries import histogram
from timeseries.records import RollupRecord

MS = 1_000_000
DEFAULT_COVERAGE = Decimal(95)
"""As `[contract] min_coverage` where there is no contract."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One path as it is judged."""

    path: str
    service: str
    pas: str
    profile: Profile
    peer: str = ""
    peer_profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What a figure is made of: `part` of `whole`."""

    part: int
    """Packets within the limit; packets lost; nanoseconds of jitter."""
    whole: int
    """Packets received; packets sent; readings."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One parameter of one path against its limit."""

    subject: Subject
    parameter: str
    place: str
    """Clause and line of the annex."""
    outcome: Status
    limit: LimitRow
    counted: Counted
    measured: Fraction | None
    """Percent of packets within the limit, percent lost, or mean jitter in ms; None: no data."""
    deviation: Fraction | None
    """Beyond the limit, in percentage points or ms; 0 where it is kept, None where not judged."""
    steps: int | None
    step: str
    """What one step is and costs, in words."""
    reason: str
    """Why there is no verdict; empty where there is one."""


def subjects(configuration: Configuration) -> tuple[Subject, ...]:
    """The paths of this host in the configuration's order."""
    found = []
    for path in own_paths(configuration):
        peer = peer_of(configuration, path)
        found.append(
            Subject(
                path.id,
                path.service,
                path.pas,
                pas_of(configuration, path.pas).profile,
                peer.id if peer else "",
                peer.profile if peer else None,
            )
        )
    return tuple(found)


def judge(
    subject: Subject, rollups: Iterable[RollupRecord], catalogue: Catalogue, min_coverage: Decimal
) -> tuple[Verdict, ...]:
    """The verdicts of one path, by its roll-ups of the period, in the catalogue's order.

    `min_coverage`: percent of the planned trains that must be valid. A parameter without a limit
    for this path has no verdict (`Catalogue.limits_for` says why).
    """
    mine = [rollup for rollup in rollups if rollup.path == subject.path]
    service = catalogue.service(subject.service)
    verdicts = []
    for parameter in service.parameters if service else ():
        row = limit_row(parameter, subject.profile, subject.peer_profile)
        if row is not None and (parameter.id in DELAY_PARAMETERS or parameter.id in _FIGURES):
            verdicts.append(_verdict(subject, parameter, row, mine, min_coverage))
    return tuple(verdicts)


def judge_all(
    configuration: Configuration,
    catalogue: Catalogue,
    evidence: Mapping[str, Evidence],
) -> tuple[Verdict, ...]:
    """The verdicts of every path of this host that there is evidence of."""
    contract = configuration.contract
    least = contract.min_coverage if contract else DEFAULT_COVERAGE
    return tuple(
        verdict
        for subject in subjects(configuration)
        if subject.path in evidence
        for verdict in judge(subject, evidence[subject.path].rollups, catalogue, least)
    )


def coverage(rollups: Sequence[RollupRecord]) -> Fraction | None:
    """Valid trains as percent of the planned ones; None where no plan is on record."""
    planned = sum(rollup.planned for rollup in rollups)
    return Fraction(100 * sum(rollup.valid for rollup in rollups), planned) if planned else None


def _verdict(
    subject: Subject,
    parameter: Parameter,
    row: LimitRow,
    rollups: Sequence[RollupRecord],
    min_coverage: Decimal,
) -> Verdict:
    kind = DELAY_PARAMETERS.get(parameter.id)
    if kind is not None:
        counted, gap = _delay(rollups, int(row.value * MS), kind, min_coverage)
    else:
        counted, gap = _FIGURES[parameter.id](rollups), ""
    measured = _measured(parameter.id, counted)
    deviation: Fraction | None = None
    steps: int | None = None
    reason = ""
    if measured is None:
        outcome, reason = Status.NO_DATA, gap or _why_nothing(rollups)
    elif gap or (gap := _thin(rollups, min_coverage)):
        outcome, reason = Status.INSUFFICIENT, gap
    else:
        deviation = max(Fraction(0), _beyond(row, measured))
        outcome = Status.MET if deviation == 0 else Status.NOT_MET
        steps = _steps(parameter, deviation)
    return Verdict(
        subject, parameter.id, parameter.place, outcome, row, counted, measured, deviation, steps,
        _step_in_words(parameter), reason,
    )  # fmt: skip


def _loss(rollups: Sequence[RollupRecord]) -> Counted:
    sent = sum(rollup.sent for rollup in rollups)
    return Counted(sent - sum(rollup.received for rollup in rollups), sent)


def _jitter(rollups: Sequence[RollupRecord]) -> Counted:
    return Counted(
        sum(rollup.jitter_sum_ns for rollup in rollups),
        sum(rollup.jitter_count for rollup in rollups),
    )


_FIGURES = {"packet-loss": _loss, "jitter": _jitter}


def _delay(
    rollups: Sequence[RollupRecord],
    limit_ns: int,
    kind: Literal["rtt", "one-way"],
    min_coverage: Decimal,
) -> tuple[Counted, str]:
    """Packets within the limit, and what is missing to judge by them."""
    received = sum(rollup.received for rollup in rollups)
    if kind == "rtt":
        counts = [_round_trips(rollup, limit_ns) for rollup in rollups if rollup.received]
        if None in counts:
            return Counted(0, 0), (
                "the packets were counted by another limit, and their histograms are gone"
            )
        return Counted(sum(one or 0 for one in counts), received), ""
    both = histogram.add(
        *(rollup.forward_histogram for rollup in rollups),
        *(rollup.backward_histogram for rollup in rollups),
    )
    counted = Counted(histogram.within(both, limit_ns), histogram.size(both))
    stamped = sum(rollup.one_way_received for rollup in rollups)
    if received and 100 * stamped < min_coverage * received:
        return counted, (
            f"the clocks allowed a one-way figure for {stamped} of {received} packets only"
        )
    return counted, ""


def _round_trips(rollup: RollupRecord, limit_ns: int) -> int | None:
    """Round trips within the limit; None where that cannot be told any more."""
    if rollup.limit_on == "rtt" and rollup.limit_ns == limit_ns and rollup.within_limit is not None:
        return rollup.within_limit
    if histogram.size(rollup.rtt_histogram) != rollup.received:
        return None
    return histogram.within(rollup.rtt_histogram, limit_ns)


def _measured(parameter: str, counted: Counted) -> Fraction | None:
    if counted.whole == 0:
        return None
    if parameter == "jitter":
        return Fraction(counted.part, counted.whole * MS)
    return Fraction(100 * counted.part, counted.whole)


def _beyond(row: LimitRow, measured: Fraction) -> Fraction:
    if row.target_share is not None:
        return Fraction(row.target_share) - measured
    return measured - Fraction(row.value)


def _steps(parameter: Parameter, deviation: Fraction) -> int | None:
    if not parameter.penalties:
        return None
    penalty = parameter.penalties[0]
    count = percentage_steps if penalty.per == "percent-point" else completed_steps
    return count(deviation, penalty.step)


def _step_in_words(parameter: Parameter) -> str:
    if not parameter.penalties:
        return "no penalty"
    penalty = parameter.penalties[0]
    unit = "%" if penalty.per == "percent-point" else "ms"
    basis = {"pas": "of the PAS", "pair": "of both PAS", "all-pas": "of all PAS"}[penalty.basis]
    return f"{penalty.rate} % of the fee {basis} for each {penalty.step} {unit}"


def _thin(rollups: Sequence[RollupRecord], min_coverage: Decimal) -> str:
    share = coverage(rollups)
    if share is None:
        return "no plan of this path is on record, so its coverage is unknown"
    if share >= min_coverage:
        return ""
    valid, planned = sum(r.valid for r in rollups), sum(r.planned for r in rollups)
    return f"{valid} of {planned} planned trains are valid, {min_coverage} % are needed"


def _why_nothing(rollups: Sequence[RollupRecord]) -> str:
    trains = sum(rollup.trains for rollup in rollups)
    if trains == 0:
        return "no train is on record"
    if sum(rollup.valid for rollup in rollups) == 0:
        reasons = sorted({reason for rollup in rollups for reason, _ in rollup.invalid})
        return f"none of {trains} trains is valid ({', '.join(reasons)})"
    return "no packet came back"
