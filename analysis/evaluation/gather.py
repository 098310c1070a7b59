"""Reads what an evaluation rests on: facts folder, incident desk, stores, calendars, time zones.

The only part of this room that opens files; what it returns can be frozen and evaluated again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from analysis.catalogue_rows import Catalogue
from analysis.desk_tickets import DeskFacts, desk_facts
from analysis.device_figures import survey_devices
from analysis.evaluation.case import left_out
from analysis.evaluation.contract_checks import check_contract
from analysis.evaluation.inputs import Inputs
from analysis.facts import Facts
from analysis.facts_contract import Known
from analysis.facts_folder import read_facts
from analysis.readings import readings_of
from analysis.store_traffic import survey
from inventory.calendars import WorkingDays, working_days
from inventory.clocks import HOUR_NS, Interval, local, merged, period_bounds
from inventory.models import Configuration
from inventory.models import Path as MeasuredPath
from inventory.periods import Period, four_months_of
from timeseries.reader import Reader


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures come from; None: from nowhere."""

    facts: Path | None = None
    store: Sequence[Path] | Reader | None = None
    desk: Path | None = None
    """Data directory of the incident desk, whose tickets count beside those of the facts."""


def gather(
    configuration: Configuration,
    catalogue: Catalogue,
    period: Period,
    sources: Sources,
    *,
    as_of_ns: int,
    each_day: bool = False,
    from_trains: bool = False,
    devices: bool = False,
) -> Inputs:
    """The inputs of one evaluation.

    Of a month the packets of the four months so far are read too, for its outlook. `each_day` keeps
    the counters of each day apart, as `sla explain` and the charts need them; `devices` reads what
    was polled of devices in a month, for the technical report. Raises `ContractError`,
    `FactsError`, `CalendarError` and `StoreError`.
    """
    check_contract(configuration, catalogue)
    readings = readings_of(configuration)
    zones = zones_of(configuration)
    facts, desk = Facts(), DeskFacts()
    if sources.desk is not None:
        before_ns = _end_of(period, configuration)
        desk = desk_facts(sources.desk, Known(configuration, catalogue, zones), before_ns)
    if sources.facts is not None:
        taken = frozenset(ticket.id for ticket in desk.tickets)
        facts = read_facts(sources.facts, configuration, catalogue, zones=zones, taken=taken)
    facts = replace(
        facts,
        tickets=facts.tickets + desk.tickets,
        deliveries=facts.deliveries + desk.deliveries,
    )
    inputs = Inputs(
        configuration=configuration,
        catalogue=catalogue,
        facts=facts,
        traffic=(),
        gaps=(),
        outages_seen=(),
        period=period,
        as_of_ns=as_of_ns,
        readings=readings,
        calendars=calendars_of(configuration, facts, period, as_of_ns),
        zones=zones,
    )
    if sources.store is None:
        return inputs
    if devices and period.kind == "month" and configuration.devices:
        polled = survey_devices(configuration, period, sources.store, zones, as_of_ns=as_of_ns)
        inputs = replace(inputs, devices=polled)
    if not configuration.paths:
        return inputs
    return _with_store(inputs, sources.store, each_day=each_day, from_trains=from_trains)


def _end_of(period: Period, configuration: Configuration) -> int:
    """A day after the period: by then it is over in every time zone."""
    zone = "UTC" if configuration.contract is None else configuration.contract.timezone
    return period_bounds(period, zone)[1] + 24 * HOUR_NS


def zones_of(configuration: Configuration) -> Mapping[str, tzinfo]:
    """The time zones of the contract and of each PAS, by name."""
    names = {pas.timezone for pas in configuration.pas}
    if configuration.contract is not None:
        names.add(configuration.contract.timezone)
    return {name: ZoneInfo(name) for name in sorted(names)}


def calendars_of(
    configuration: Configuration, facts: Facts, period: Period, as_of_ns: int
) -> Mapping[str, WorkingDays]:
    """The working days of each country, over every year that a date of the evaluation may lie in.

    Raises `CalendarError` for a country without a known calendar.
    """
    instants = [ns for ns in _instants(facts) if ns is not None]
    years = {local(ns, ZoneInfo("UTC")).year for ns in (*instants, as_of_ns)}
    years |= {period.begin.year, period.end.year}
    span = range(min(years) - 1, max(years) + 2)
    countries = {pas.country for pas in configuration.pas}
    if configuration.contract is not None:
        countries.add(configuration.contract.country)
    return {country: working_days(configuration, country, span) for country in sorted(countries)}


def running_period(period: Period) -> Period:
    """What the packets of a period are read over: of a month, its four months so far."""
    if period.kind == "four-months":
        return period
    four = four_months_of(period.begin)
    return Period(four.text, "four-months", four.begin, period.end)


def replaced(inputs: Inputs, path: MeasuredPath) -> list[Interval]:
    """Time of a path that the store is not asked for.

    What `traffic.csv` has for the same service and PAS, in the same direction, and what does not
    count at all (exclusions; outages where reading D9 says so).
    """
    peer = path.peer or ""
    rows = [
        (row.start_ns, row.end_ns)
        for row in inputs.facts.traffic
        if (row.service, row.pas, row.peer) == (path.service, path.pas, peer)
    ]
    return merged([*rows, *left_out(inputs, path.service, path.pas, peer)])


def _with_store(
    inputs: Inputs, store: Sequence[Path] | Reader, *, each_day: bool, from_trains: bool
) -> Inputs:
    cuts = {
        path.id: found for path in inputs.configuration.paths if (found := replaced(inputs, path))
    }
    month = inputs.period.kind == "month"
    seen = survey(
        inputs.configuration,
        inputs.catalogue,
        running_period(inputs.period),
        store,
        from_trains=from_trains,
        each_day=each_day or month,
        as_of_ns=inputs.as_of_ns,
        left_out=cuts,
        seen_in=inputs.period,
    )
    return replace(
        inputs,
        traffic=seen.traffic,
        gaps=seen.gaps,
        outages_seen=seen.outages_seen,
    )


def _instants(facts: Facts) -> Iterator[int | None]:
    for ticket in facts.tickets:
        yield from (ticket.opened_ns, ticket.reported_ns, ticket.closed_ns)
    for request in facts.requests:
        yield from (request.requested_ns, request.done_ns, request.notified_ns)
    for delivery in facts.deliveries:
        yield delivery.delivered_ns
