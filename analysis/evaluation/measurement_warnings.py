"""Warnings about measurements: gaps, outages without a ticket, tickets that trains contradict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import tzinfo

from analysis.evaluation.availability import duration
from analysis.evaluation.case import Case, without
from analysis.evaluation.packets import in_words, measured_pairs
from analysis.lines import Gap, Line, Status, Warning  # noqa: A004 (the contract's word)
from inventory.clocks import Interval, clipped, local, merged, total_ns
from inventory.services import SERVICES

TOLERANCE_NS = 30 * 60 * 1_000_000_000
"""What trains see is known by the quarter of an hour, so a ticket's edges may be off by two."""
_COUNTED = frozenset(
    {
        "share-within",
        "loss-rate",
        "jitter",
        "success-rate",
        "delivery-share",
        "waiting-events",
        "lost-calls",
    }
)
"""Where no data means that nobody measured; under other rules it means that nothing happened."""


def measurement_warnings(case: Case, lines: Sequence[Line]) -> Iterator[Warning]:
    """What was not measured, and where trains and tickets disagree."""
    yield from _missing(case, lines)
    yield from _gaps(case)
    yield from _outages_without_ticket(case)
    yield from _contradicted(case)


def counted_gaps(case: Case) -> tuple[Gap, ...]:
    """Gaps less the time that `traffic.csv` has figures for."""
    given: dict[tuple[str, str], list[Interval]] = {}
    for row in case.inputs.facts.traffic:
        given.setdefault((row.service, row.pas), []).append((row.start_ns, row.end_ns))
    found = []
    for gap in case.inputs.gaps:
        cuts = merged(given.get((gap.service, gap.pas), ()))
        found += [
            replace(gap, start_ns=begin, end_ns=end)
            for begin, end in without([(gap.start_ns, gap.end_ns)], cuts)
        ]
    return tuple(sorted(found, key=lambda g: (g.path, g.start_ns, g.end_ns)))


def span(begin_ns: int, end_ns: int, zone: tzinfo) -> str:
    """From-to in local time with its offset, to the minute."""
    begin, end = (local(ns, zone).isoformat(timespec="minutes") for ns in (begin_ns, end_ns))
    return f"{begin} to {end}"


def zone_of(case: Case, service: str, pas: str) -> tzinfo:
    holding = case.contract.at(service, pas)
    return case.zone if holding is None else holding.zone


def _missing(case: Case, lines: Sequence[Line]) -> Iterator[Warning]:
    without_data: dict[tuple[str, str], list[str]] = {}
    unlimited: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        parameter = case.inputs.catalogue.parameter(line.service, line.parameter)
        where = " and ".join(filter(None, (line.pas, line.peer))) or line.service
        if parameter is None or parameter.rule not in _COUNTED:
            continue
        if line.status is Status.NO_DATA:
            without_data.setdefault((line.service, line.parameter), []).append(where)
        elif line.limit is None:
            unlimited.setdefault((line.service, line.parameter), []).append(where)
        if line.status is Status.INSUFFICIENT and line.coverage is not None:
            text = (
                f"{line.parameter} of {where}: {in_words(line.coverage)} % of the planned trains "
            )
            text += f"are valid, {case.contract.min_coverage} % are needed; not charged"
            yield Warning("insufficient", text, line.service, line.pas)
    for (service, name), places in without_data.items():
        yield Warning("no-data", f"{name}: nothing measured for {_listed(places)}", service)
    for (service, name), places in unlimited.items():
        yield Warning("no-limit", f"{name}: no limit applies to {_listed(places)}", service)
    yield from _pairs_nobody_measures(case)


def _pairs_nobody_measures(case: Case) -> Iterator[Warning]:
    for service, holdings in case.contract.holdings.items():
        if not SERVICES[service].between_pas or len(holdings) < 2:
            continue
        ids = [h.pas for h in holdings]
        there = {pair for pair in measured_pairs(case, service) if set(pair) <= set(ids)}
        count = len(ids) * (len(ids) - 1) // 2
        if len(there) < count:
            text = f"{count - len(there)} of {count} pairs of PAS have no path and no traffic.csv"
            yield Warning("pair-not-measured", text, service)


def _listed(places: Sequence[str], most: int = 5) -> str:
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return ", ".join(places[:most]) + more


def _gaps(case: Case) -> Iterator[Warning]:
    for gap in counted_gaps(case):
        when = span(gap.start_ns, gap.end_ns, zone_of(case, gap.service, gap.pas))
        text = f"{gap.path}: no valid trains from {when}, {gap.cause}"
        yield Warning("gap", text, gap.service, gap.pas)


def _outages_without_ticket(case: Case) -> Iterator[Warning]:
    peers = {path.id: path.peer for path in case.inputs.configuration.paths}
    for seen in case.inputs.outages_seen:
        ends = {seen.pas, peers.get(seen.path) or seen.pas}
        known = merged(
            case.outage(ticket, zone_of(case, seen.service, seen.pas))
            for pas in (*ends, "")
            for ticket in case.tickets_at.get((seen.service, pas), ())
        )
        whole = (seen.start_ns, seen.end_ns)
        rest = without([whole], known)
        if not rest or (rest != [whole] and total_ns(rest) <= TOLERANCE_NS):
            continue
        zone = zone_of(case, seen.service, seen.pas)
        text = f"{seen.path}: trains got no answer, and no ticket says so, "
        text += "; ".join(span(begin, end, zone) for begin, end in rest)
        yield Warning("no-ticket", text, seen.service, seen.pas)


def _contradicted(case: Case) -> Iterator[Warning]:
    """Blocking tickets during which trains of every path of the PAS were answered."""
    measured: dict[tuple[str, str], set[str]] = {}
    for path in case.inputs.traffic:
        if path.source == "probe" and any(day.valid for day in path.days):
            measured.setdefault((path.service, path.pas), set()).add(path.path)
    silent: dict[str, list[Interval]] = {}
    for gap in (*case.inputs.outages_seen, *case.inputs.gaps):
        silent.setdefault(gap.path, []).append((gap.start_ns, gap.end_ns))
    for (service, pas), paths in sorted(measured.items()):
        holding = case.contract.at(service, pas)
        if holding is None:
            continue
        unanswered = merged(i for path in paths for i in silent.get(path, ()))
        for ticket in case.about(holding):
            if ticket.severity != "blocking":
                continue
            inside = clipped([case.outage(ticket, holding.zone)], case.windows(holding))
            answered = without(inside, unanswered)
            if total_ns(answered) > TOLERANCE_NS:
                text = f"ticket {ticket.id} is blocking, but trains were answered for "
                text += f"{duration(total_ns(answered))} of its {duration(total_ns(inside))}"
                yield Warning("ticket-contradicted", text, service, pas)
