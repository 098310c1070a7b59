"""What the rows of the facts folder are held against: PAS, services, windows and limits.

Each check notes its refusals in the row (`analysis.facts_cells.Row`) and raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta, tzinfo
from functools import cache, cached_property
from zoneinfo import ZoneInfo

from analysis.catalogue_rows import Catalogue, Parameter, PathLimits, Rule
from analysis.facts_cells import Row, shown
from inventory.checks import nearest
from inventory.clocks import Interval, local, openings, period_bounds
from inventory.models import Configuration, Pas, ServiceEntry
from inventory.periods import Period, four_months_of
from inventory.services import SERVICES, Window


class Known:
    """The contract and the catalogue, as a reader of facts asks them."""

    def __init__(
        self, configuration: Configuration, catalogue: Catalogue, zones: Mapping[str, tzinfo]
    ) -> None:
        self.catalogue = catalogue
        self.contract = configuration.contract
        self.pas: Mapping[str, Pas] = {pas.id: pas for pas in configuration.pas}
        self._zones = zones
        # The edges that rows are held against are few, the rows may be a million.
        self.limits = cache(self._limits)
        self.entry = cache(self._entry)
        self.has = cache(self._has)
        self._nearest_pas = cache(self._nearest_of_the_pas)
        self._opening = cache(self._opening_at)
        self._four_months = cache(self._four_months_at)

    @cached_property
    def services(self) -> tuple[str, ...]:
        """What the contract lists, per PAS or as a whole, in the order of the annex."""
        whole = () if self.contract is None else self.contract.services
        listed = {e.id for pas in self.pas.values() for e in pas.services} | {s.id for s in whole}
        return tuple(service for service in SERVICES if service in listed)

    def with_parameter(self, *identifiers: str) -> tuple[str, ...]:
        """The services that have one of these parameters, in the order of the annex."""
        return tuple(
            service.id
            for service in self.catalogue.services
            if any(parameter.id in identifiers for parameter in service.parameters)
        )

    def with_rule(self, *rules: Rule) -> tuple[str, ...]:
        """The services that have a parameter of one of these rules."""
        return tuple(
            service.id
            for service in self.catalogue.services
            if any(parameter.rule in rules for parameter in service.parameters)
        )

    def zone(self, *pas: str) -> tzinfo | None:
        """The zone in which times of these PAS are written; the contract's without any.

        None where they lie in several zones. PAS that do not exist have been refused already.
        """
        names = {self.pas[name].timezone for name in pas if name in self.pas}
        if not pas and self.contract is not None:
            names = {self.contract.timezone}
        if len(names) > 1:
            return None
        return self.tz(names.pop() if names else "UTC")

    def tz(self, name: str) -> tzinfo:
        """A zone by its name: the archive's where there is one, else the host's."""
        return self._zones.get(name) or ZoneInfo(name)

    def check_service(self, row: Row, service: str, among: tuple[str, ...], why: str) -> None:
        """Refuse a service that the annex or the contract does not have, or that has no `why`."""
        if not row.fine("service"):
            return
        if service not in SERVICES:
            row.refuse("service", f"there is no service {shown(service)}", nearest(service, among))
        elif service not in among:
            row.refuse("service", f"{service} has no {why}", "write one of: " + ", ".join(among))
        elif service not in self.services:
            row.refuse(
                "service",
                f"the contract does not list {service}",
                "add it to services of the [[pas]] or of [contract], or remove the row",
            )

    def service(self, row: Row, among: tuple[str, ...], why: str) -> str:
        """The one service of a row."""
        service = row.needed("service")
        self.check_service(row, service, among, why)
        return service

    def check_pas(self, row: Row, column: str, pas: str) -> bool:
        """Refuse a PAS that the contract does not know."""
        if pas in self.pas:
            return True
        row.refuse(column, f"the contract knows no PAS {shown(pas)}", self._nearest_pas(pas))
        return False

    def pas_with(self, row: Row, column: str, service: str, *, needed: bool) -> str:
        """A PAS that has the service of the row, where that is one that PAS have."""
        pas = row.needed(column, "write the id of a [[pas]]") if needed else row.text(column)
        if not pas or not row.fine(column) or not self.check_pas(row, column, pas):
            return pas
        if row.fine("service") and SERVICES[service].per_pas and not self.has(pas, service):
            row.refuse(
                column,
                f'PAS "{pas}" does not have {service}',
                f'add {{ id = "{service}", ... }} to its services, or correct the row',
            )
        return pas

    def check_inside_window(
        self, row: Row, pas: str, service: str, start_ns: int, end_ns: int
    ) -> None:
        """Refuse counters that cannot be cut: across an edge of the window or of the period.

        The window is that of the PAS (reading B5). In the extended window a row may be as long as
        a four-month period, in the normal one it lies between 08:00 and 20:00 of one day.
        """
        if not row.fine("start", "end", "pas", "service"):
            return
        zone = self.tz(self.pas[pas].timezone)
        entry = self.entry(pas, service, local(start_ns, zone).date())
        if entry is not None and entry.window == "normal":
            opens, closes = self._opening(entry.window, zone, start_ns)
            if not (opens <= start_ns and end_ns <= closes):
                row.refuse(
                    "start" if not opens <= start_ns < closes else "end",
                    f"the row leaves the normal window of {pas}, 08:00-20:00 of one day",
                    "count within the window; a row across its edge cannot be cut",
                )
                return
        last = self.entry(pas, service, local(end_ns - 1, zone).date())
        if entry is not None and last is not None and entry.window != last.window:
            row.refuse(
                "end",
                f"the window of {pas} for {service} changes to {last.window} on {last.start}",
                "write one row for each window; a row across the change cannot be cut",
            )
            return
        self.check_inside_period(row, zone, start_ns, end_ns)

    def check_inside_period(
        self, row: Row, zone: tzinfo | None, start_ns: int, end_ns: int
    ) -> None:
        """Refuse counters across the edge of a four-month period."""
        if not row.fine("start", "end") or zone is None:
            return
        period, end_of_period_ns = self._four_months(zone, start_ns)
        if end_ns > end_of_period_ns:
            row.refuse(
                "end",
                f"the row goes beyond the end of the period {period} ({period.end} 00:00)",
                "write one row for each period; a row across its edge cannot be cut",
            )

    def parameter_of(self, service: str, identifier: str) -> Parameter | None:
        """A parameter by its id, or None."""
        return self.catalogue.parameter(service, identifier)

    def _has(self, pas: str, service: str) -> bool:
        """Whether a PAS has a service at any time."""
        return pas in self.pas and any(e.id == service for e in self.pas[pas].services)

    def _entry(self, pas: str, service: str, day: date) -> ServiceEntry | None:
        """The row of the contract that holds on a day; None where the PAS has none on it."""
        holding = [
            entry
            for entry in self.pas[pas].services
            if entry.id == service
            and (entry.start is None or entry.start <= day)
            and (entry.end is None or day <= entry.end)
        ]
        return max(holding, key=lambda entry: entry.start or date.min, default=None)

    def _limits(self, service: str, pas: str, peer: str) -> PathLimits:
        other = self.pas[peer].profile if peer else None
        return self.catalogue.limits_for(service, self.pas[pas].profile, other)

    def _nearest_of_the_pas(self, pas: str) -> str:
        remedy = nearest(pas, tuple(self.pas))
        # A contract may have a thousand; a list of them all helps nobody.
        return remedy if 0 < len(remedy) < 200 else "write the id of a [[pas]]"

    @staticmethod
    def _opening_at(window: Window, zone: tzinfo, ns: int) -> Interval:
        day = local(ns, zone).date()
        return next(iter(openings(window, zone, day, day + timedelta(days=1))), (ns, ns))

    @staticmethod
    def _four_months_at(zone: tzinfo, ns: int) -> tuple[Period, int]:
        period = four_months_of(local(ns, zone).date())
        return period, period_bounds(period, zone)[1]
