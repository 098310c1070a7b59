"""What a periodic document is made from, and how it is looked up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import cached_property

from analysis.catalogue_rows import Parameter, Service
from analysis.documents.content import Text, msg
from analysis.evaluation.inputs import Inputs
from analysis.facts import ItemTable, Request, Ticket
from analysis.lines import Line, Result
from inventory.clocks import Interval, merged, openings, period_bounds
from inventory.models import Contract, ContractService, ServiceEntry
from inventory.periods import Period
from inventory.services import SERVICES, Window


@dataclass(frozen=True)
class Material:
    """One evaluation with everything that it rests on."""

    inputs: Inputs
    """Its traffic comes by day."""
    result: Result
    seals: tuple[str, ...] = ()
    """The newest head of each store, one line each (`timeseries.seal.head_line`)."""
    previous: Mapping[str, object] | None = None
    """An earlier result of the same period as `sla evaluate --json` printed it."""
    _cache: dict[object, object] = field(default_factory=dict, repr=False)

    @property
    def period(self) -> Period:
        """The period of the document."""
        return self.inputs.period

    @cached_property
    def contract(self) -> Contract:
        """The contract; without one nothing is evaluated, so it is there."""
        contract = self.inputs.configuration.contract
        if contract is None:
            raise ValueError("a document without a contract")
        return contract

    @cached_property
    def zone(self) -> tzinfo:
        """Of the administration."""
        return self.inputs.zones[self.contract.timezone]

    @cached_property
    def _pas_zones(self) -> Mapping[str, tzinfo]:
        return {pas.id: self.inputs.zones[pas.timezone] for pas in self.inputs.configuration.pas}

    def zone_of(self, pas: str) -> tzinfo:
        """Of a PAS; the administration's for whatever is none."""
        return self._pas_zones.get(pas, self.zone)

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """Those that the contract lists in the period, in the order of the annex."""
        return tuple(
            service
            for service in self.inputs.catalogue.services
            if self.entries.get(service.id) or service.id in self.wholes
        )

    @cached_property
    def entries(self) -> Mapping[str, tuple[tuple[str, ServiceEntry], ...]]:
        """Service -> (PAS, its entry) that run in the period, in the configuration's order."""
        found: dict[str, list[tuple[str, ServiceEntry]]] = {}
        for pas in self.inputs.configuration.pas:
            for entry in pas.services:
                if self._runs(entry):
                    found.setdefault(entry.id, []).append((pas.id, entry))
        return {service: tuple(rows) for service, rows in found.items()}

    @cached_property
    def wholes(self) -> Mapping[str, ContractService]:
        """Service -> its entry, for those charged as a whole."""
        return {entry.id: entry for entry in self.contract.services if self._runs(entry)}

    def _runs(self, entry: ServiceEntry | ContractService) -> bool:
        return (entry.start is None or entry.start < self.period.end) and (
            entry.end is None or entry.end >= self.period.begin
        )

    def window(self, service: str, pas: str) -> Window | None:
        """The delivery window of a service at a PAS; None where the contract names none."""
        for one, entry in self.entries.get(service, ()):
            if one == pas:
                return entry.window
        rule = SERVICES.get(service)
        return rule.windows[0] if rule is not None and len(rule.windows) == 1 else None

    def openings(self, service: str, pas: str) -> list[Interval]:
        """The delivery windows of a service at a PAS in the period, one a local day."""
        zone, window = self.zone_of(pas), self.window(service, pas) or "extended"
        key = (window, zone)
        if key not in self._cache:
            self._cache[key] = openings(window, zone, self.period.begin, self.period.end)
        found: list[Interval] = self._cache[key]  # type: ignore[assignment]
        return found

    @cached_property
    def bounds(self) -> Interval:
        """The period in the administration's time."""
        return period_bounds(self.period, self.zone)

    @cached_property
    def until_ns(self) -> int:
        """The end of the period, or as far as the evaluation looked."""
        return min(self.bounds[1], self.result.as_of_ns)

    @cached_property
    def _lines(self) -> Mapping[tuple[str, str], tuple[Line, ...]]:
        found: dict[tuple[str, str], list[Line]] = {}
        for line in self.result.lines:
            found.setdefault((line.service, line.parameter), []).append(line)
        return {key: tuple(lines) for key, lines in found.items()}

    def lines(self, service: str, parameters: Iterable[str]) -> tuple[Line, ...]:
        """The lines of these parameters, in their order."""
        return tuple(
            line for parameter in parameters for line in self._lines.get((service, parameter), ())
        )

    def parameter(self, line: Line) -> Parameter | None:
        """The catalogue's parameter of a line."""
        service = self.inputs.catalogue.service(line.service)
        return None if service is None else service.parameter(line.parameter)

    def tickets(self, service: str) -> tuple[Ticket, ...]:
        """The outages of a service that reach into the period, by the time of the fault."""
        begin, end = self.bounds
        found = [
            ticket
            for ticket in self.inputs.facts.tickets
            if service in ticket.services
            and ticket.opened_ns < end
            and last_ns(ticket, self.result.as_of_ns) >= begin
        ]
        return tuple(sorted(found, key=lambda ticket: (ticket.opened_ns, ticket.id)))

    def requests(self, service: str, kinds: Iterable[str]) -> tuple[Request, ...]:
        """Requests of a service that were under way in the period, by the time of the request."""
        begin, end = self.bounds
        wanted = frozenset(kinds)
        found = [
            request
            for request in self.inputs.facts.requests
            if request.service == service
            and request.kind in wanted
            and request.requested_ns < end
            and (ended_ns(request) or self.result.as_of_ns) >= begin
        ]
        return tuple(sorted(found, key=lambda request: (request.requested_ns, request.id)))

    def table(self, service: str, item: str) -> ItemTable | None:
        """The file of a report item under `items/`."""
        for table in self.inputs.facts.items:
            if table.service == service and table.item == item:
                return table
        return None

    def down(self, service: str, pas: str) -> list[Interval]:
        """Blocking outages of a service at a PAS (service-wide ones too), joined; open ones last
        up to the end of what was looked at."""
        return merged(
            (ticket.opened_ns, ticket.restored_ns or max(self.until_ns, ticket.opened_ns + 1))
            for ticket in self.tickets(service)
            if ticket.severity == "blocking" and (pas in ticket.pas or not ticket.pas)
        )


def last_ns(ticket: Ticket, as_of_ns: int) -> int:
    """The last instant of a ticket; `as_of_ns` while it is open."""
    if ticket.closed_ns is not None:
        return max(ticket.closed_ns, ticket.restored_ns or 0)
    return max(as_of_ns, ticket.opened_ns)


def ended_ns(request: Request) -> int | None:
    """When a request was over: done, or its rejection told; None while it is under way."""
    return request.notified_ns if request.outcome == "rejected" else request.done_ns


def service_name(service: Service) -> Text:
    """Its name with its id, as a heading."""
    return msg(service.name) if service.name else service.id


def parameter_name(parameter: Parameter | None, identifier: str) -> Text:
    """Its name; its id where the catalogue has no name."""
    return msg(parameter.name) if parameter is not None and parameter.name else identifier
