"""What the contract charges in a period: which PAS has which service, at which level, on which fee.

Rows of one service at one PAS add up: a later row takes over from an earlier one without an end.
Where level or window change inside a period each part is judged over its own days, and the fees are
weighted by days; the annex says nothing of it, so such lines carry a note. A service that ends
inside the period keeps its whole four-month fee and has its active days as window (reading C5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction

from analysis.catalogue_rows import Catalogue
from analysis.catalogue_types import Service
from analysis.rules.penalty import cents
from analysis.rules.start import active_days, is_charged
from inventory.models import Configuration, ContractService, Pas, ServiceEntry
from inventory.periods import Period
from inventory.services import SERVICES, Profile, Window

_DAY = timedelta(days=1)
_OWN_FEE = frozenset({"pas", "pair", "all-pas", "level", "service"})

Row = ServiceEntry | ContractService


@dataclass(frozen=True, slots=True)
class Term:
    """A stretch of the period over which level and window stay the same."""

    begin: date
    end: date
    """The first day after it."""
    level: str
    window: Window
    base: Decimal
    """Its part of the four-month fee, EUR net."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One service at one PAS, or as a whole, as far as it lies in the period."""

    service: str
    pas: str
    """Empty for a service that is charged as a whole."""
    profile: Profile | None
    country: str
    zone: tzinfo
    since: date
    """Start of the unbroken chain of rows."""
    ended: date | None
    """Its last day, where that lies before the period's last."""
    terms: tuple[Term, ...]
    charged: bool
    """The period is not before the first whole one after the start (readings G4, G5)."""
    units: int | None
    notes: tuple[str, ...]

    @property
    def base(self) -> Decimal:
        """The value of the PAS (valore del PAS): its four-month fee, EUR net."""
        return sum((term.base for term in self.terms), Decimal(0))

    @property
    def window(self) -> Window:
        """Where a day decides nothing: the latest."""
        return self.terms[-1].window

    def term_on(self, day: date) -> Term | None:
        """The term that a local date lies in; None where the service did not run."""
        return next((term for term in self.terms if term.begin <= day < term.end), None)

    def nearest_term(self, day: date) -> Term:
        """The term of a date; the first or last one for a date outside the period."""
        return self.term_on(day) or (self.terms[0] if day < self.terms[0].begin else self.terms[-1])


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything that is charged in one period, by service."""

    administration: str
    country: str
    zone: tzinfo
    min_coverage: Decimal
    options: frozenset[str]
    holdings: Mapping[str, tuple[Holding, ...]]
    """Service -> its holdings by PAS id; a service that does not run in the period is not there."""

    by_pas: Mapping[tuple[str, str], Holding]
    """(service, PAS id) -> its holding."""
    totals: Mapping[tuple[str, str], Decimal]
    """(service, level) -> valore complessivo dei PAS, EUR; level empty for all of the service."""

    def of(self, service: str) -> tuple[Holding, ...]:
        """The holdings of a service; empty where it does not run."""
        return self.holdings.get(service, ())

    def at(self, service: str, pas: str) -> Holding | None:
        """One service at one PAS."""
        return self.by_pas.get((service, pas))

    def total(self, service: str, level: str = "") -> Decimal:
        """Valore complessivo dei PAS of a service, or of its PAS of a level (E2, C11), EUR.

        Of those whose penalties have begun: a PAS added later neither costs nor weighs before.
        """
        return self.totals.get((service, level), Decimal(0))

    def is_charged(self, service: str) -> bool:
        """Whether the penalties of a service have begun, at one PAS at least (G4)."""
        return any(holding.charged for holding in self.of(service))


def contract_in(
    configuration: Configuration,
    catalogue: Catalogue,
    period: Period,
    zones: Mapping[str, tzinfo],
) -> Contract:
    """The contract of a period; `analysis.evaluation.contract_checks` has found it in order."""
    contract = configuration.contract
    if contract is None:
        raise ValueError("a configuration without [contract] has nothing to evaluate")
    found: dict[str, list[Holding]] = {}
    for service in catalogue.services:
        holdings = list(_holdings(service, configuration, period, zones))
        if holdings:
            found[service.id] = sorted(holdings, key=lambda h: h.pas)
    every = [h for holdings in found.values() for h in holdings]
    return Contract(
        administration=contract.administration,
        country=contract.country,
        zone=zones[contract.timezone],
        min_coverage=contract.min_coverage,
        options=frozenset(contract.options),
        holdings={service: tuple(holdings) for service, holdings in found.items()},
        by_pas={(h.service, h.pas): h for h in every},
        totals=_totals(every),
    )


def _totals(holdings: Iterable[Holding]) -> dict[tuple[str, str], Decimal]:
    totals: dict[tuple[str, str], Decimal] = {}
    for holding in holdings:
        for term in holding.terms if holding.charged else ():
            for level in {"", term.level}:
                key = holding.service, level
                totals[key] = totals.get(key, Decimal(0)) + term.base
    return totals


def needs_fee(service: Service) -> bool:
    """Whether a service is charged on a fee of its own."""
    return not service.fee_of and any(
        row.basis in _OWN_FEE for parameter in service.parameters for row in parameter.penalties
    )


def rows_of(
    configuration: Configuration, service: str
) -> Iterator[tuple[Pas | None, tuple[Row, ...]]]:
    """The contract's rows of a service, per PAS (None: as a whole), in the order of their start."""
    rule = SERVICES[service]
    if not rule.per_pas:
        contract = configuration.contract
        rows = () if contract is None else contract.services
        mine: tuple[Row, ...] = tuple(row for row in rows if row.id == service)
        if mine:
            yield None, _by_start(mine)
        return
    for pas in configuration.pas:
        entries: tuple[Row, ...] = tuple(entry for entry in pas.services if entry.id == service)
        if entries:
            yield pas, _by_start(entries)


def all_services_fee(configuration: Configuration, pas: str, day: date) -> Decimal:
    """Valore complessivo del PAS of chapter 8.2: the fees of all its services (reading F6), EUR.

    Of each service the row in force on `day`, or the next one where the service is yet to start:
    an order is often for a PAS that has no service so far.
    """
    total = Decimal(0)
    for service in SERVICES:
        for owner, rows in rows_of(configuration, service):
            if owner is None or owner.id != pas:
                continue
            running = [row for row, _, last in spans(rows) if last is None or last >= day]
            if running and running[0].fee is not None:
                total += running[0].fee
    return total


def spans(rows: tuple[Row, ...]) -> list[tuple[Row, date, date | None]]:
    """Each row with its first and last day; one without an end lasts until the next begins."""
    found: list[tuple[Row, date, date | None]] = []
    for row, following in zip(rows, (*rows[1:], None), strict=True):
        if row.start is None:
            continue
        last = row.end
        if last is None and following is not None and following.start is not None:
            last = following.start - _DAY
        found.append((row, row.start, last))
    return found


def _by_start(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: row.start or date.min))


def _holdings(
    service: Service, configuration: Configuration, period: Period, zones: Mapping[str, tzinfo]
) -> Iterator[Holding]:
    contract = configuration.contract
    if contract is None:
        return
    for pas, rows in rows_of(configuration, service.id):
        chain = spans(rows)
        fees = _fee_rows(service, configuration, rows)
        running = [
            (index, *days)
            for index, (_, first, last) in enumerate(chain)
            if (days := active_days(period, first, last)) is not None
        ]
        if not running:
            continue
        since = _since(chain, running[-1][0])
        ends = running[-1][2]
        terms = _terms([(*_kind(chain[i][0]), fees[i], begin, end) for i, begin, end in running])
        notes = []
        if len(terms) > 1:
            notes.append("level or window changes in the period: each part is judged by itself")
        if len({fees[i] for i, _, _ in running}) > 1:
            notes.append("the fee changes in the period: fees are weighted by days")
        if ends < period.end:
            notes.append(
                f"ends on {ends - _DAY}, inside the period: its active days are the window, "
                "the fee is that of four months (C5)"
            )
        yield Holding(
            service=service.id,
            pas="" if pas is None else pas.id,
            profile=None if pas is None else pas.profile,
            country=contract.country if pas is None else pas.country,
            zone=zones[contract.timezone if pas is None else pas.timezone],
            since=since,
            ended=ends - _DAY if ends < period.end else None,
            terms=terms,
            charged=is_charged(since, period),
            units=_units(chain[running[-1][0]][0]),
            notes=tuple(notes),
        )


def _fee_rows(
    service: Service, configuration: Configuration, rows: tuple[Row, ...]
) -> list[Decimal]:
    """The fee of each row; that of another service where the annex charges on it (E5, E10)."""
    if not service.fee_of:
        return [row.fee or Decimal(0) for row in rows]
    others = [span for _, mine in rows_of(configuration, service.fee_of) for span in spans(mine)]
    fees = []
    for _, first, last in spans(rows):
        shared = [row for row, begin, end in others if _meet(first, last, begin, end)]
        fees.append((shared[-1].fee or Decimal(0)) if shared else Decimal(0))
    return fees


def _meet(first: date, last: date | None, begin: date, end: date | None) -> bool:
    return (end is None or end >= first) and (last is None or begin <= last)


def _kind(row: Row) -> tuple[str, Window]:
    if isinstance(row, ServiceEntry):
        return row.level or "", row.window or "extended"
    return "", "extended"  # lines 322, 438, 457, 477, 506, 529, 569


def _units(row: Row) -> int | None:
    return row.units if isinstance(row, ContractService) else None


def _since(chain: list[tuple[Row, date, date | None]], index: int) -> date:
    since = chain[index][1]
    for _, first, last in reversed(chain[:index]):
        if last is None or last + _DAY != since:
            break
        since = first
    return since


def _terms(parts: list[tuple[str, Window, Decimal, date, date]]) -> tuple[Term, ...]:
    """Parts of the same level and window joined, each with its days' share of the fee."""
    if len(parts) == 1:
        level, window, fee, begin, end = parts[0]
        return (Term(begin, end, level, window, fee),)
    days = sum((end - begin).days for *_, begin, end in parts)
    joined: list[tuple[str, Window, Fraction, date, date]] = []
    for level, window, fee, begin, end in parts:
        share = Fraction(fee) * (end - begin).days / days
        if joined and joined[-1][:2] == (level, window) and joined[-1][4] == begin:
            _, _, before, earliest, _ = joined[-1]
            joined[-1] = level, window, before + share, earliest, end
        else:
            joined.append((level, window, share, begin, end))
    return tuple(
        Term(begin, end, level, window, cents(share)) for level, window, share, begin, end in joined
    )
