"""A small contract and rows of facts for the tests of the evaluation, made in Python."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from analysis.catalogue_rows import load_catalogue
from analysis.evaluation.contract_checks import check_contract
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.inputs import Inputs
from analysis.facts import (
    CallRow,
    ContactCentreRow,
    Delivery,
    Exclusion,
    Facts,
    MessageRow,
    Request,
    Ticket,
    TrafficRow,
    Where,
)
from analysis.lines import Gap, Line, Result
from analysis.readings import readings_of
from analysis.traffic import DayTraffic, PathTraffic
from inventory.calendars import working_days
from inventory.models import (
    Calendar,
    Configuration,
    Contract,
    ContractService,
    Pas,
    Path,
    ServiceEntry,
)
from inventory.periods import parse_period

ROME = ZoneInfo("Europe/Rome")


def ns(text: str, zone: tzinfo = ROME) -> int:
    """UTC nanoseconds of a local time, `2011-05-03 10:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1_000_000_000


def entry(service: str, **keys: Any) -> ServiceEntry:
    """A row of a PAS: L2, extended window, 12000 EUR, since January 2010."""
    wanted = {"level": "L2", "window": "extended", "fee": Decimal(12000), "start": "2010-01-01"}
    return ServiceEntry(id=service, **{**wanted, **keys})


def whole(service: str, **keys: Any) -> ContractService:
    """A service that is charged as a whole: 9000 EUR, since January 2010."""
    return ContractService(id=service, **{"fee": Decimal(9000), "start": "2010-01-01", **keys})


def pas(name: str, *services: ServiceEntry, **keys: Any) -> Pas:
    """A PAS in Italy with profile high."""
    wanted = {"country": "IT", "timezone": "Europe/Rome", "profile": "high"}
    return Pas(id=name, services=services, **{**wanted, **keys})


def ticket(name: str, service: str, at: str = "roma-01", **keys: Any) -> Ticket:
    """A blocking ticket; times are written as `ns` reads them."""
    times = {
        f"{word}_ns": ns(keys.pop(word)) if keys.get(word) else keys.pop(word, None)
        for word in ("opened", "reported", "responded", "restored", "closed")
    }
    opened = times.pop("opened_ns") or times["reported_ns"]
    wanted: dict[str, Any] = {
        "where": Where("tickets.csv", 2),
        "id": name,
        "services": tuple(service.split(";")),
        "pas": tuple(filter(None, at.split(";"))),
        "severity": "blocking",
        "affected": 1,
        "cause": "cable cut",
        "component": "",
        "severity_provider": None,
        "severity_administration": None,
        "expected_ns": None,
        "comment": "",
        "opened_ns": opened,
    }
    return Ticket(**{**wanted, **times, **keys})


def request(name: str, service: str, kind: str, **keys: Any) -> Request:
    """A request that was done; times are written as `ns` reads them."""
    times = {
        f"{word}_ns": ns(keys.pop(word)) if keys.get(word) else keys.pop(word, None)
        for word in ("requested", "validated", "notified", "done")
    }
    wanted: dict[str, Any] = {
        "where": Where("requests.csv", 2),
        "id": name,
        "service": service,
        "kind": kind,
        "pas": "",
        "outcome": "done",
        "reason": "",
        "bandwidth_mbps": None,
        "operation": "",
    }
    return Request(**{**wanted, **times, **keys})


def traffic(
    service: str, at: str, peer: str, sent: int, received: int, within: int, **keys: Any
) -> TrafficRow:
    """A row of an hour on 3 May 2011."""
    wanted: dict[str, Any] = {
        "where": Where("traffic.csv", 2),
        "start_ns": ns("2011-05-03 10:00"),
        "end_ns": ns("2011-05-03 11:00"),
        "jitter_ms": None,
        "limit_ms": None,
        "jitter_readings": 1,
        "jitter_over": 0,
        "endpoint": "",
    }
    return TrafficRow(
        service=service,
        pas=at,
        peer=peer,
        sent=sent,
        received=received,
        within_limit=within,
        **{**wanted, **keys},
    )


def calls(service: str, attempts: int, successes: int, at: str = "2011-05-03 10:00") -> CallRow:
    """Calls of an hour."""
    begin = ns(at)
    where = Where("calls.csv", 2)
    return CallRow(where, service, begin, begin + 3600 * 10**9, attempts, successes)


def messages(service: str, count: int, within: int, at: str = "2011-05-03 10:00") -> MessageRow:
    """Messages of an hour."""
    begin = ns(at)
    where = Where("messages.csv", 2)
    return MessageRow(where, service, begin, begin + 3600 * 10**9, count, within)


def centre(attempts: int, lost: int, late: int, at: str = "2011-05-03 10:00") -> ContactCentreRow:
    """Calls to the call centre in an hour."""
    begin = ns(at)
    where = Where("contact_centre.csv", 2)
    return ContactCentreRow(where, begin, begin + 3600 * 10**9, attempts, lost, late, None, None)


def delivery(report: Any, period: str, at: str) -> Delivery:
    """A report that was handed over."""
    return Delivery(Where("deliveries.csv", 2), report, period, ns(at))


def exclusion(service: str, at: str, begin: str, end: str) -> Exclusion:
    """An agreed exclusion."""
    where = Where("exclusions.csv", 2)
    return Exclusion(where, "E1", service, at, ns(begin), ns(end), "maintenance", "both parties")


def store_day(day: str = "", **keys: int) -> DayTraffic:
    """Counters of trains; what is not given is 0."""
    wanted: dict[str, Any] = dict.fromkeys(
        ("planned", "trains", "valid", "sent", "received", "judged", "jitter_sum_ns"), 0
    )
    wanted |= {"within_limit": 0, "jitter_count": 0, "jitter_over": 0, "invalid": {}}
    return DayTraffic(day=day, **{**wanted, **keys})


def store_path(name: str, service: str, at: str, *days: DayTraffic, peer: str = "") -> PathTraffic:
    """What the store knows of a path."""
    return PathTraffic(name, service, at, peer, "", "probe", None, days)


def gap(path: str, service: str, at: str, begin: str, end: str, cause: str = "") -> Gap:
    """A stretch of time of a path."""
    return Gap(path, service, at, ns(begin), ns(end), cause)


@dataclass
class Made:
    """A contract of one administration, and facts; `result()` evaluates them."""

    sites: tuple[Pas, ...] = ()
    services: tuple[ContractService, ...] = ()
    facts: Facts = field(default_factory=Facts)
    period: str = "2011-2"
    as_of: str = "2011-12-01 12:00"
    options: tuple[Any, ...] = ()
    switches: dict[str, str] = field(default_factory=dict)
    paths: tuple[Path, ...] = ()
    store: tuple[PathTraffic, ...] = ()
    gaps: tuple[Gap, ...] = ()
    seen: tuple[Gap, ...] = ()
    calendars: tuple[Calendar, ...] = ()

    def configuration(self) -> Configuration:
        """The configuration alone."""
        return Configuration(
            pas=self.sites,
            paths=self.paths,
            calendars=self.calendars,
            contract=Contract(
                administration="Example",
                country="IT",
                timezone="Europe/Rome",
                services=self.services,
                options=self.options,
                readings=self.switches,
            ),
        )

    def checked(self) -> None:
        """Refuse it as `gather` would."""
        check_contract(self.configuration(), load_catalogue())

    def inputs(self) -> Inputs:
        """The inputs as `gather` would make them."""
        configuration = self.configuration()
        countries = {"IT", *(site.country for site in self.sites)}
        return Inputs(
            configuration=configuration,
            catalogue=load_catalogue(),
            facts=self.facts,
            traffic=self.store,
            gaps=self.gaps,
            outages_seen=self.seen,
            period=parse_period(self.period),
            as_of_ns=ns(self.as_of),
            readings=readings_of(configuration),
            calendars={c: working_days(configuration, c, range(2009, 2014)) for c in countries},
            zones={
                name: ZoneInfo(name)
                for name in {"Europe/Rome", *(site.timezone for site in self.sites)}
            },
        )

    def result(self) -> Result:
        """Its evaluation."""
        return evaluate(self.inputs())

    def lines(self, parameter: str, **keys: Any) -> list[Line]:
        """Lines of a parameter, and of what else is asked."""
        return [
            line
            for line in self.result().lines
            if line.parameter == parameter
            and all(getattr(line, key) == value for key, value in keys.items())
        ]

    def line(self, parameter: str, **keys: Any) -> Line:
        """The only line that fits."""
        found = self.lines(parameter, **keys)
        assert len(found) == 1, found
        return found[0]

    def codes(self) -> set[str]:
        """The codes of all warnings."""
        return {warning.code for warning in self.result().warnings}

    def but(self, **changes: Any) -> Made:
        """The same with other values."""
        return replace(self, **changes)
