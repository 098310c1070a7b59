"""What a supervision report is made from, out of the configuration, the facts and a store.

An application is checked by the trains of a path whose target is its host (`icmp`). A check of
another kind (`tcp:443`) has no record yet, and the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from analysis.documents.supervision import Check, Checked, Supervision
from analysis.errors import ReportError
from analysis.facts import Facts
from inventory.calendars import WorkingDays
from inventory.clocks import Interval, period_bounds
from inventory.models import Configuration
from inventory.operations import Application, Client
from inventory.periods import Period
from timeseries.reader import Reader


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
    places = {path.pas for path in configuration.paths if str(path.target) in hosts} | {
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
            _checked(configuration, application, reader, bounds)
            for application in client.applications
        ),
        incidents=incidents,
        all_tickets=len(facts.tickets),
    )


def _checked(
    configuration: Configuration, application: Application, reader: Reader | None, bounds: Interval
) -> Checked:
    paths = sorted(
        path.id
        for path in configuration.paths
        if path.target is not None and str(path.target) == str(application.host)
    )
    if reader is None or application.check != "icmp" or not paths:
        return Checked(application, (), "")
    checks = tuple(
        Check(train.start_ns, train.received > 0)
        for train in reader.trains(paths[0], *bounds)
        if train.valid
    )
    return Checked(application, checks, paths[0])
