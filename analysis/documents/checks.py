"""What a supervision report is made from, out of the configuration, the facts and a store.

Whose trains check an application is said by `inventory.applications`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from analysis.documents.supervision import Check, Checked, Supervision
from analysis.errors import ReportError
from analysis.facts import Facts
from inventory.applications import Check as ApplicationCheck
from inventory.applications import checks
from inventory.calendars import WorkingDays
from inventory.clocks import Interval, period_bounds
from inventory.models import Configuration
from inventory.operations import Client
from inventory.periods import Period
from timeseries.reader import Reader
from timeseries.records import PlanRecord
from timeseries.rollup import planned_trains


def supervised(
    configuration: Configuration,
    client: Client,
    period: Period,
    facts: Facts,
    reader: Reader | None,
    *,
    zone: tzinfo,
    calendars: Mapping[str, WorkingDays],
    as_of_ns: int,
    desk_since_ns: int | None = None,
) -> Supervision:
    """What the report of one client and month is made from.

    Raises `ReportError` for a period that is no month, and `StoreError`.
    """
    if period.kind != "month":
        raise ReportError(
            f'a supervision report is not about {period}: give a month such as "2011-05"'
        )
    if configuration.contract is None:
        raise ReportError("a supervision report needs [contract]: its country says what days work")
    bounds = period_bounds(period, zone)
    hosts = {str(application.host) for application in client.applications}
    places = {one.pas for one in client.applications if one.pas is not None}
    places |= {path.pas for path in configuration.paths if str(path.target) in hosts} | {
        server.pas
        for server in configuration.servers
        if server.pas is not None
        and hosts & {str(one) for one in (server.production, server.dedicated, server.spare) if one}
    }
    incidents = tuple(
        ticket
        for ticket in sorted(facts.tickets, key=lambda t: (t.opened_ns, t.id))
        if ticket.opened_ns < bounds[1]
        and (ticket.closed_ns or as_of_ns) >= bounds[0]
        and places & set(ticket.pas)
    )
    return Supervision(
        client=client,
        period=period,
        zone=zone,
        calendar=calendars[configuration.contract.country],
        as_of_ns=as_of_ns,
        applications=tuple(
            _checked(check, reader, bounds, as_of_ns)
            for check in checks(configuration)
            if check.client == client.name
        ),
        incidents=incidents,
        min_coverage=configuration.contract.min_coverage,
        all_tickets=len(facts.tickets),
        desk_since_ns=desk_since_ns,
    )


def _checked(
    check: ApplicationCheck, reader: Reader | None, bounds: Interval, as_of_ns: int
) -> Checked:
    if reader is None:
        return Checked(check.application, (), "")
    trains = tuple(
        Check(train.start_ns, train.received > 0)
        for train in reader.trains(check.path, *bounds)
        if train.valid
    )
    until_ns = min(bounds[1], as_of_ns)
    by_agent: dict[str, list[PlanRecord]] = {}
    for plan in reader.plans(check.path, 0, until_ns):
        by_agent.setdefault(plan.agent, []).append(plan)
    planned = sum(planned_trains(plans, bounds[0], until_ns) for plans in by_agent.values())
    return Checked(check.application, trains, check.path, max(planned, len(trains)))
