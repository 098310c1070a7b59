"""Tickets of the incident desk as facts, and facts as tickets of the desk.

Both ways go through the format of `tickets.csv` and its one reader, so a ticket of the desk is held
against the contract by the same rules as a row of the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from analysis.catalogue_rows import load_catalogue
from analysis.errors import FactProblem, FactsError
from analysis.facts import Ticket, Where
from analysis.facts_contract import Known
from analysis.facts_tickets import read_tickets
from incidents.changes import Imported
from incidents.criticality import Rules, criticality_of_pas
from incidents.database import DESK_NAME
from incidents.desk import Desk, open_desk
from incidents.errors import ImportRefusedError
from incidents.facts_csv import is_fact, tickets_csv
from incidents.tickets import NewTicket
from incidents.tickets import Ticket as DeskTicket
from inventory.models import Configuration

PLACE = "desk"
"""Where the tickets of the desk stand: `desk/INC-000012:57`, the 57th entry of its history."""


def desk_folder(configuration: Configuration) -> Path | None:
    """The data directory of the desk; None where nobody has opened one."""
    folder = configuration.incident.data_dir
    if folder is None and configuration.agent is not None:
        folder = configuration.agent.data_dir
    return folder if folder is not None and (folder / DESK_NAME).is_file() else None


def desk_facts(folder: Path, known: Known, before_ns: int) -> tuple[Ticket, ...]:
    """The desk's tickets whose fault began before an instant, by time.

    Raises `FactsError` where one does not fit the contract, `DeskFileError`.
    """
    with open_desk(folder) as desk:
        return tickets_as_facts(desk, known, before_ns)


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
