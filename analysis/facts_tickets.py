"""Tickets (disservizi) from CSV; the incident desk's file has the same columns.

A ticket that is closed counts as restored at its closure where no restoration is written: the
closure is the Administration's word that the service works again (annex, line 121).
"""

from __future__ import annotations

from collections.abc import Container
from typing import Literal

from analysis.errors import FactProblem
from analysis.facts import Severity, Ticket
from analysis.facts_cells import Row
from analysis.facts_contract import Known
from analysis.facts_csv import rows_of
from inventory.services import SERVICES

COLUMNS = (
    "id", "service", "pas", "severity", "opened_at", "reported_at", "responded_at", "restored_at",
    "closed_at", "affected", "cause",
)  # fmt: skip
OPTIONAL = (
    "component", "severity_provider", "severity_administration", "expected_at", "comment",
)  # fmt: skip
Component = Literal["", "monitoring", "device"]
_COMPONENTS: tuple[Component, ...] = ("", "monitoring", "device")
_SEVERITIES: tuple[Severity, ...] = ("blocking", "non-blocking")
_SAID: tuple[Severity | Literal[""], ...] = ("", *_SEVERITIES)
_NOT_BY_PAS = frozenset(service for service, rule in SERVICES.items() if not rule.per_pas)


def read_tickets(
    file: str,
    content: bytes,
    known: Known,
    problems: list[FactProblem],
    *,
    taken: Container[str] = frozenset(),
) -> tuple[Ticket, ...]:
    """The tickets of one file, without the rows that `problems` grow by.

    `taken` has the ids of tickets that came another way: ids are unique over all of them.
    """
    tickets = []
    seen: dict[str, int] = {}
    for row in rows_of(file, content, problems, columns=COLUMNS, optional=OPTIONAL):
        ticket = _ticket(row, known)
        if ticket.id in taken:
            row.refuse("id", f'"{ticket.id}" is an id of the incident desk', "write it once")
        elif ticket.id in seen:
            row.refuse(
                "id", f'"{ticket.id}" is the id of line {seen[ticket.id]} too', "give each its own"
            )
        elif row.fine("id"):
            seen[ticket.id] = row.where.line
        if not row.wrong:
            tickets.append(ticket)
    return tuple(tickets)


def _ticket(row: Row, known: Known) -> Ticket:
    services, pas = _services(row, known), _pas(row, known)
    if row.fine("service", "pas"):
        _check_they_have_each_other(row, known, services, pas)
    zone = known.zone(*pas)
    opened = row.instant("opened_at", zone)
    reported, responded, restored, closed, expected = (
        row.maybe_instant(column, zone)
        for column in ("reported_at", "responded_at", "restored_at", "closed_at", "expected_at")
    )
    # Who sees an outage first differs, so the report may come before or after the opening.
    row.in_order("opened_at", "restored_at", opened, restored)
    row.in_order("opened_at", "closed_at", opened, closed)
    row.in_order("reported_at", "responded_at", reported, responded)
    row.in_order("reported_at", "closed_at", reported, closed)
    row.in_order("restored_at", "closed_at", restored, closed)
    if responded is not None and reported is None and row.fine("reported_at"):
        row.refuse(
            "reported_at",
            "is empty, but somebody was answered",
            "write when the outage was reported, or leave responded_at empty",
        )
    severity = row.word("severity", _SEVERITIES)
    provider = row.word("severity_provider", _SAID)
    administration = row.word("severity_administration", _SAID)
    if administration and administration != severity and row.fine("severity"):
        row.refuse(
            "severity",
            f"is {severity}, but the Administration says {administration}",
            "write the Administration's, which is final where it is disputed (reading C8)",
        )
    return Ticket(
        where=row.where,
        id=row.needed("id"),
        services=services,
        pas=pas,
        severity=severity,
        opened_ns=opened,
        reported_ns=reported,
        responded_ns=responded,
        restored_ns=closed if restored is None else restored,
        closed_ns=closed,
        affected=_affected(row, services, pas),
        cause=row.text("cause"),
        component=_component(row, services),
        severity_provider=provider or None,
        severity_administration=administration or None,
        expected_ns=expected,
        comment=row.text("comment"),
    )


def _services(row: Row, known: Known) -> tuple[str, ...]:
    services = row.words("service")
    if not services and row.fine("service"):
        row.refuse("service", "is empty", "write the service, or several as `ip-base;voip`")
    for service in services:
        known.check_service(row, service, tuple(SERVICES), "tickets")
    return services


def _pas(row: Row, known: Known) -> tuple[str, ...]:
    pas = row.words("pas")
    for name in pas:
        if row.fine("pas"):
            known.check_pas(row, "pas", name)
    return pas


def _check_they_have_each_other(
    row: Row, known: Known, services: tuple[str, ...], pas: tuple[str, ...]
) -> None:
    """Each PAS has one of the services, and each service of PAS is had by one of them."""
    if not pas:
        return
    for service in services:
        if service not in _NOT_BY_PAS and not any(known.has(name, service) for name in pas):
            named = "PAS " + ", ".join(f'"{name}"' for name in pas)
            row.refuse("pas", f"{named} does not have {service}", "correct pas or service")
    if _NOT_BY_PAS.intersection(services):
        return
    for name in pas:
        if not any(known.has(name, service) for service in services):
            row.refuse(
                "pas", f'PAS "{name}" has none of {", ".join(services)}', "correct pas or service"
            )


def _affected(row: Row, services: tuple[str, ...], pas: tuple[str, ...]) -> int:
    """How many PAS are hit; empty: those that are named, or the one that chapter 7 has (C9)."""
    if row.text("affected"):
        affected = row.count("affected")
        if row.fine("affected", "pas") and affected < max(1, len(pas)):
            row.refuse(
                "affected",
                f"is {affected}, but {len(pas)} PAS are named" if pas else "is 0",
                "write how many PAS are hit",
            )
        return affected
    if pas or all(service in SERVICES and _in_chapter_7(service) for service in services):
        return max(1, len(pas))
    row.refuse(
        "affected",
        "is empty, and no PAS is named",
        "write how many PAS (mailboxes, users) the outage hits",
    )
    return 0


def _component(row: Row, services: tuple[str, ...]) -> Component:
    component = row.word("component", _COMPONENTS)
    if component and row.fine("service", "component") and not any(map(_in_chapter_7, services)):
        row.refuse(
            "component",
            f"{', '.join(services)} has no such component",
            "leave it empty; it is for the services of chapter 7",
        )
    return component


def _in_chapter_7(service: str) -> bool:
    return SERVICES[service].section.startswith("7.")
