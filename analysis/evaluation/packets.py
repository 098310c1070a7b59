"""Delay, loss and jitter: per PAS, or per unordered pair of PAS with both directions pooled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from analysis.catalogue_types import LimitRow, Parameter, PenaltyRow, Service
from analysis.evaluation.case import Case
from analysis.evaluation.contract import Contract, Holding
from analysis.evaluation.pools import Pool, pooled
from analysis.evaluation.writing import Entity, Finding, Terms, notes_of, nothing, write
from analysis.lines import Line, Source
from analysis.rules.penalty import steps_of
from analysis.rules.shares import loss_rate, overrun, share_within, shortfall
from inventory.services import SERVICES


@dataclass(frozen=True, slots=True)
class Measured:
    """The packets of one PAS or pair, and whose they are."""

    ends: tuple[Holding, ...]
    """One, or two in the order of their ids."""
    pool: Pool
    alone: bool = False
    """The parameter is for pairs, and the far end is no PAS of the contract (reading D8)."""


def packet_lines(case: Case, service: Service, parameter: Parameter) -> Iterator[Line]:
    """A line each PAS or each measured pair."""
    for measured in _measured(case, service, parameter):
        yield _line(case, service, parameter, measured)


def pools_of(case: Case, service: Service, parameter: Parameter) -> dict[tuple[str, ...], Pool]:
    """The packets behind each line, by its PAS or its two PAS."""
    return {
        tuple(end.pas for end in measured.ends): measured.pool
        for measured in _measured(case, service, parameter)
    }


def _measured(case: Case, service: Service, parameter: Parameter) -> Iterator[Measured]:
    if is_of_pairs(service, parameter):
        return _pairs(case, service.id)
    return _points(case, service.id)


def is_of_pairs(service: Service, parameter: Parameter) -> bool:
    """Measured between two PAS and judged so; loss of calls is one of each PAS (lines 289, 371)."""
    if not SERVICES[service.id].between_pas:
        return False
    return parameter.rule != "loss-rate" or any(p.basis == "pair" for p in parameter.penalties)


def measured_pairs(case: Case, service: str) -> set[tuple[str, str]]:
    """Pairs with packets or with a configured path, ids in order; others nobody measures."""
    paths = case.inputs.configuration.paths
    named = [(p.pas, p.peer) for p in paths if p.service == service and p.peer is not None]
    named += [(pas, peer) for one, pas, peer in case.packets if one == service and peer]
    return {(min(pair), max(pair)) for pair in named}


def _points(case: Case, service: str) -> Iterator[Measured]:
    """Each PAS with all packets that name it, at either end where the service has two."""
    between = SERVICES[service].between_pas
    pools: dict[str, list[Pool]] = {}
    for (one, pas, peer), pool in case.packets.items():
        if one == service:
            for end in {pas, peer} - {""} if between else {pas}:
                pools.setdefault(end, []).append(pool)
    for holding in case.contract.of(service):
        yield Measured((holding,), pooled(pools.get(holding.pas, ())))


def _pairs(case: Case, service: str) -> Iterator[Measured]:
    for one, other in sorted(measured_pairs(case, service)):
        ends = [case.contract.at(service, pas) for pas in (one, other)]
        pool = pooled(
            case.packets[key]
            for key in ((service, one, other), (service, other, one))
            if key in case.packets
        )
        here = tuple(end for end in ends if end is not None)
        if len(here) == 2 or (here and pool.evidence):
            yield Measured(here, pool, alone=len(here) < 2)
    for holding in case.contract.of(service):
        lone = case.packets.get((service, holding.pas, ""))
        if lone is not None:
            yield Measured((holding,), lone, alone=True)


def _line(case: Case, service: Service, parameter: Parameter, measured: Measured) -> Line:
    profiles = [end.profile for end in measured.ends]
    peer_profile = profiles[1] if len(profiles) > 1 else None
    limit: LimitRow | None = None
    row: PenaltyRow | None = None
    if not measured.alone:
        limit = parameter.limit_for(profile=profiles[0], peer_profile=peer_profile)
        row = parameter.penalty_for(profile=profiles[0], peer_profile=peer_profile)
    finding = _finding(case, parameter, measured, limit, row)
    ends = [end.pas for end in measured.ends]
    entity = Entity(pas=ends[0], peer=ends[1] if len(ends) > 1 else "")
    terms = Terms(
        row,
        None if row is None else _base(case.contract, service.id, row, measured.ends),
        charged=all(end.charged for end in measured.ends),
    )
    return write(case, service, parameter, entity, finding, terms, limit)


def _base(
    contract: Contract, service: str, row: PenaltyRow, ends: tuple[Holding, ...]
) -> Decimal | None:
    if row.basis in ("pas", "pair"):  # of a pair the sum (D6)
        return sum((end.base for end in ends), Decimal(0))
    return contract.total(service)


def _finding(
    case: Case,
    parameter: Parameter,
    measured: Measured,
    limit: LimitRow | None,
    row: PenaltyRow | None,
) -> Finding:
    pool = measured.pool
    source: Source = "system" if pool.rows else "probe"
    figure, threshold, unit, counted = _figure(case, parameter, pool, limit)
    notes = [counted] if counted else []
    notes += _about_pool(pool)
    readings: list[str] = []
    if measured.alone:
        notes.append("no second PAS of the contract at the far end, so no limit applies (D8)")
        readings.append("D8")
    elif len(measured.ends) > 1:
        readings += ["D3", "D8"] + (["D6"] if row and row.basis == "pair" else ["D7", "D11"])
        if limit is None:
            notes.append("no limit is defined for this pair of profiles (D4)")
            readings.append("D4")
    notes += notes_of(measured.ends)
    if figure is None:
        return nothing(unit, threshold, source, *notes)
    deviation = None
    if threshold is not None:
        floor = parameter.rule == "share-within"
        deviation = (shortfall if floor else overrun)(figure, threshold)
    return Finding(
        measured=figure,
        limit=threshold,
        unit=unit,
        deviation=deviation,
        count=_count(case, deviation, row),
        late=bool(deviation),
        source=source,
        evidence=tuple(sorted(pool.evidence)),
        coverage=pool.coverage,
        notes=tuple(notes),
        readings=tuple(readings),
    )


def _count(case: Case, deviation: Fraction | None, row: PenaltyRow | None) -> int | None:
    if deviation is None or row is None:
        return None
    return steps_of(deviation, row, case.inputs.readings["A2"])


def _figure(
    case: Case, parameter: Parameter, pool: Pool, limit: LimitRow | None
) -> tuple[Fraction | None, Decimal | None, str, str]:
    """Value, limit, unit, and what was counted in words."""
    if parameter.rule == "share-within":
        lost = pool.lost
        share = share_within(pool.within, pool.judged, lost, case.inputs.readings["D1"])
        told = f"{share.part} of {share.whole} packets"
        if limit is not None:
            told += f" within {limit.value} {limit.unit}"
        return share.percent, None if limit is None else limit.target_share, "percent", told
    threshold = None if limit is None else limit.value
    if parameter.rule == "loss-rate":
        rate = loss_rate(pool.sent, pool.received)
        return rate.percent, threshold, "percent", f"{rate.part} of {rate.whole} packets lost"
    readings = f"mean of {pool.jitter_count} readings, {pool.jitter_over} of them above the limit"
    mean = pool.jitter_sum_ns / (1_000_000 * pool.jitter_count) if pool.jitter_count else None
    return mean, threshold, "ms", readings


def _about_pool(pool: Pool) -> Iterable[str]:
    if pool.rows and pool.trains:
        yield f"traffic.csv ({pool.rows} rows) replaces the store for its times"
    if pool.trains and pool.valid < pool.trains and pool.sent_all > pool.sent:
        rate = Fraction(100 * (pool.sent_all - pool.received_all), pool.sent_all)
        yield (
            f"with the {pool.trains - pool.valid} invalid trains "
            f"{pool.sent_all - pool.received_all} of {pool.sent_all} packets would be lost, "
            f"{in_words(rate)} %"
        )
    elif pool.valid < pool.trains:
        yield f"{pool.trains - pool.valid} of {pool.trains} trains are invalid and left out"
    if pool.received > pool.judged and pool.judged:
        yield f"{pool.received - pool.judged} packets received could not be judged"


def in_words(value: Fraction, digits: int = 4) -> str:
    """A figure of 0 or more for a note, cut after some digits; `~` before what is not exact."""
    scaled = value * 10**digits
    whole, rest = divmod(scaled.numerator // scaled.denominator, 10**digits)
    text = f"{whole}.{rest:0{digits}}".rstrip("0").rstrip(".")
    return text if scaled.denominator == 1 else f"~{text}"
