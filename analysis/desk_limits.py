"""The contract's restoration limit of a ticket of the incident desk, while it runs (line 118)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from analysis.catalogue_rows import Catalogue, load_catalogue
from analysis.evaluation.case import Case, make_case
from analysis.evaluation.gather import calendars_of, zones_of
from analysis.evaluation.inputs import Inputs
from analysis.evaluation.restoration import limits_of
from analysis.facts import Facts, Ticket, Where
from analysis.readings import readings_of
from analysis.rules.time_limits import Excess, Timetable
from incidents.clocks_of import Limit, Limits, no_limits
from incidents.tickets import Ticket as DeskTicket
from inventory.clocks import local
from inventory.models import Configuration
from inventory.periods import Period, four_months_of

_RULES = ("restoration", "restoration-share")


def limits_for(configuration: Configuration) -> Limits:
    """What the desk asks for each ticket: the earliest end of all limits that it runs against.

    Without a contract there are none. The function that is returned raises `CalendarError` where a
    country's working days are not known.
    """
    if configuration.contract is None:
        return no_limits
    return _Limits(configuration, load_catalogue())


@dataclass(slots=True)
class _Limits:
    configuration: Configuration
    catalogue: Catalogue
    cases: dict[Period, Case] = field(default_factory=dict)
    """A contract of a thousand PAS is laid out once a period, not once a ticket."""

    def __call__(self, ticket: DeskTicket) -> Limit | None:
        """The limit of this ticket; None where the contract has none."""
        begins = ticket.opened_ns if ticket.reported_ns is None else ticket.reported_ns
        case = self._case(begins)
        found = list(self._found(case, _fact(ticket)))
        return min(found, key=lambda limit: limit.due_ns, default=None)

    def _found(self, case: Case, ticket: Ticket) -> Iterator[Limit]:
        for service in self.catalogue.services:
            if service.id not in ticket.services:
                continue
            for parameter in service.parameters:
                if parameter.rule not in _RULES:
                    continue
                for hit, _, excess in limits_of(case, service, parameter, ticket):
                    window, zone = hit.term.window, hit.holding.zone
                    yield _limit(service.id, hit.term.level, excess, Timetable(window, zone))

    def _case(self, begins_ns: int) -> Case:
        zones = zones_of(self.configuration)
        contract = self.configuration.contract
        zone = zones[contract.timezone] if contract else next(iter(zones.values()))
        period = four_months_of(local(begins_ns, zone).date())
        if period not in self.cases:
            calendars = calendars_of(self.configuration, Facts(), period, begins_ns)
            inputs = Inputs(
                configuration=self.configuration,
                catalogue=self.catalogue,
                facts=Facts(),
                traffic=(),
                gaps=(),
                outages_seen=(),
                period=period,
                as_of_ns=begins_ns,
                readings=readings_of(self.configuration),
                calendars=calendars,
                zones=zones,
            )
            self.cases[period] = make_case(inputs)
        return self.cases[period]


def _limit(service: str, level: str, excess: Excess, timetable: Timetable) -> Limit:
    at = f"{service} {level}".strip()
    if excess.unit != "hours":
        return Limit(excess.due_ns, None, f"{at}: {excess.limit} working days")

    def left_ns(now_ns: int) -> int:
        if now_ns > excess.due_ns:
            return -timetable.open_ns(excess.due_ns, now_ns)
        return timetable.open_ns(now_ns, excess.due_ns)

    return Limit(excess.due_ns, left_ns, f"{at}: {excess.limit} h, {timetable.window} window")


def _fact(ticket: DeskTicket) -> Ticket:
    return Ticket(
        where=Where("desk", 0),
        id=ticket.id,
        services=ticket.services,
        pas=ticket.pas,
        severity=ticket.severity,
        opened_ns=ticket.opened_ns,
        reported_ns=ticket.reported_ns,
        responded_ns=ticket.responded_ns,
        restored_ns=ticket.restored_ns,
        closed_ns=ticket.closed_ns,
        affected=ticket.affected,
        cause=ticket.cause,
        component=ticket.component,
        severity_provider=ticket.severity_provider,
        severity_administration=ticket.severity_administration,
        expected_ns=ticket.expected_ns,
        comment=ticket.comment,
    )
