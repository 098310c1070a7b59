"""Tickets of the incident desk as facts, and facts as tickets of the desk.

Both ways go through the format of `tickets.csv` and its one reader, so a ticket of the desk is held
against the contract by the same rules as a row of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from analysis.catalogue_rows import load_catalogue
from analysis.errors import FactProblem, FactsError
from analysis.facts import Delivery, Ticket, Where
from analysis.facts_contract import Known
from analysis.facts_tickets import read_tickets
from incidents.changes import Imported
from incidents.criticality import Rules, criticality_of_pas
from incidents.database import DESK_NAME
from incidents.desk import Desk, open_desk
from incidents.errors import ImportRefusedError
from incidents.facts_csv import is_fact, tickets_csv
from incidents.history import Entry
from incidents.outbox import Outbox
from incidents.tickets import NewTicket
from incidents.tickets import Ticket as DeskTicket
from incidents.watch_state import watched_since_ns
from inventory.models import Configuration

PLACE = "desk"
"""Where the tickets of the desk stand: `desk/INC-000012:57`, the 57th entry of its history."""

_CHARGED: Mapping[str, Literal["technical", "contractual"]] = {
    "technical": "technical",
    "contractual": "contractual",
}
"""Reports whose delivery has a deadline in section 8.3."""


def desk_folder(configuration: Configuration) -> Path | None:
    """The data directory of the desk; None where nobody has opened one."""
    folder = configuration.incident.data_dir
    if folder is None and configuration.agent is not None:
        folder = configuration.agent.data_dir
    return folder if folder is not None and (folder / DESK_NAME).is_file() else None


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """What the desk knows of a period."""

    tickets: tuple[Ticket, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    """Reports that it sent and that every address accepted."""


def desk_facts(folder: Path, known: Known, before_ns: int) -> DeskFacts:
    """The tickets whose fault began before an instant, by time, and the reports that were sent.

    Raises `FactsError` where a ticket does not fit the contract, `DeskFileError`.
    """
    with open_desk(folder) as desk:
        return DeskFacts(tickets_as_facts(desk, known, before_ns), deliveries_as_facts(desk))


def report_key(kind: str, period: str, digest: str) -> str:
    """What a report is known by in the outbox; a corrected one is another message."""
    return f"report/{kind}/{period}/{digest}"


def deliveries_as_facts(desk: Desk) -> tuple[Delivery, ...]:
    """Each technical or contractual report that every address of it has accepted."""
    outbox, found = Outbox(desk), []
    for message in outbox.messages():
        _, kind, period, _ = (*message.key.split("/"), "", "", "")[:4]
        accepted_ns = outbox.accepted_ns(message.id) if message.purpose == "report" else None
        if accepted_ns is None:
            continue
        report = _CHARGED.get(kind)
        if report is not None:
            where = Where(f"{PLACE}/outbox", message.id)
            found.append(Delivery(where, report, period, accepted_ns))
    return tuple(found)


def trails_of(folder: Path | None, tickets: Iterable[Ticket]) -> dict[str, tuple[Entry, ...]]:
    """The history of each ticket that came from the desk, by its id."""
    ids = [ticket.id for ticket in tickets if ticket.where.file.startswith(f"{PLACE}/")]
    if folder is None or not ids:
        return {}
    with open_desk(folder) as desk:
        return {ticket_id: desk.history(ticket_id) for ticket_id in ids}


def desk_since_ns(folder: Path | None) -> int | None:
    """Since when the desk is kept: its first entry, or its first watch; None: there is none."""
    if folder is None:
        return None
    with open_desk(folder) as desk:
        first = [entry.recorded_ns for entry in desk.since(0, limit=1)]
        with desk.reading("reading since when it is kept") as connection:
            watched = watched_since_ns(connection)
    return min((at for at in (*first, watched) if at is not None), default=None)


def tickets_as_facts(desk: Desk, known: Known, before_ns: int) -> tuple[Ticket, ...]:
    """The same of an open desk; withdrawn tickets are no facts."""
    problems: list[FactProblem] = []
    found: list[Ticket] = []
    for ticket in desk.tickets():
        if ticket.opened_ns >= before_ns or not is_fact(ticket):
            continue
        read = _read(ticket, known, problems)
        line = desk.history(ticket.id)[-1].number
        found += [replace(one, where=Where(f"{PLACE}/{ticket.id}", line)) for one in read]
    if problems:
        raise FactsError(tuple(_at_the_desk(problem) for problem in problems))
    return tuple(found)


def check_desk_ticket(ticket: DeskTicket, configuration: Configuration) -> None:
    """`ImportRefusedError` where an evaluation would refuse this ticket."""
    if configuration.contract is None:
        return
    problems: list[FactProblem] = []
    _read(ticket, Known(configuration, load_catalogue(), {}), problems)
    if problems:
        raise ImportRefusedError(tuple(str(_at_the_desk(problem)) for problem in problems))


def read_for_desk(
    name: str, content: bytes, configuration: Configuration, rules: Rules
) -> tuple[Imported, ...]:
    """The rows of a `tickets.csv` as the desk takes them over; `ImportRefusedError`."""
    if configuration.contract is None:
        raise ImportRefusedError(
            (f"{name}: tickets are held against [contract], and there is none — write one",)
        )
    problems: list[FactProblem] = []
    known = Known(configuration, load_catalogue(), {})
    tickets = read_tickets(name, content, known, problems)
    if problems:
        raise ImportRefusedError(tuple(map(str, problems)))
    return tuple(_imported(ticket, rules) for ticket in tickets)


def _read(ticket: DeskTicket, known: Known, problems: list[FactProblem]) -> Iterable[Ticket]:
    return read_tickets(f"{PLACE}/{ticket.id}", tickets_csv([ticket]), known, problems)


def _at_the_desk(problem: FactProblem) -> FactProblem:
    """A ticket has no lines; its column is a field that `incident update` sets."""
    return replace(problem, line=None, remedy=f"{problem.remedy} (`pasprobe incident update`)")


def _imported(ticket: Ticket, rules: Rules) -> Imported:
    return Imported(
        new=NewTicket(
            services=ticket.services,
            summary=ticket.cause or f"ticket {ticket.id}",
            severity=ticket.severity,
            opened_ns=ticket.opened_ns,
            pas=ticket.pas,
            affected=ticket.affected,
            component=ticket.component,
            cause=ticket.cause,
        ),
        id=ticket.id,
        criticality=criticality_of_pas(ticket.affected, ticket.severity, rules),
        affected=ticket.affected,
        severity_provider=ticket.severity_provider,
        severity_administration=ticket.severity_administration,
        reported_ns=ticket.reported_ns,
        responded_ns=ticket.responded_ns,
        expected_ns=ticket.expected_ns,
        restored_ns=ticket.restored_ns,
        closed_ns=ticket.closed_ns,
        comment=ticket.comment,
    )
