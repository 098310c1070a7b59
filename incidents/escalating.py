"""Takes the steps of an escalation when they are due, each in one transaction.

An escalation begins when a party is told of a ticket: the provider by its declaration, our own
people when somebody cannot reach us. It ends with that party's acknowledgement, with the
restoration, or above the last level. A step is a row of its own, so two desks on one file, or one
that was killed, take it once.
"""

from __future__ import annotations

from dataclasses import dataclass

from incidents.changes import Record
from incidents.desk import Desk
from incidents.errors import RefusedError
from incidents.escalation import audience, check_party, hours_told, next_step, wait_from
from incidents.notices import Post, tell
from incidents.templates import Notice
from incidents.tickets import SYSTEM, UNRESTORED, Actor, Ticket

_TABLE = """CREATE TABLE IF NOT EXISTS escalations (
    ticket TEXT NOT NULL, party TEXT NOT NULL, level INTEGER NOT NULL, due_ns INTEGER NOT NULL,
    at_ns INTEGER NOT NULL, PRIMARY KEY (ticket, party, level)
) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A level that was told."""

    ticket: str
    party: str
    level: int
    due_ns: int
    at_ns: int


def taken(desk: Desk, ticket: str = "") -> tuple[Taken, ...]:
    """The steps that were taken, of one ticket or of all that are not restored, in their order."""
    with desk.reading("reading the escalations") as connection:
        there = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'escalations'"
        ).fetchone()
        if there is None:
            return ()
        states = sorted(state.value for state in UNRESTORED)
        rows = connection.execute(
            "SELECT * FROM escalations WHERE ticket = ? OR ? = '' AND ticket IN"
            " (SELECT id FROM tickets WHERE state IN (?, ?, ?)) ORDER BY ticket, party, level",
            (ticket, ticket, *states),
        )
        return tuple(Taken(*row) for row in rows)


def declare(post: Post, ticket_id: str, who: Actor = SYSTEM) -> Ticket:
    """Declare an incident to the provider: mail, call to the hotline, clock of its answer (1.4).

    Once a ticket, however often it is called. It counts as declared when the mail was accepted.
    """
    return begin(post, ticket_id, post.provider, who)


def begin(post: Post, ticket_id: str, party: str, who: Actor = SYSTEM) -> Ticket:
    """Tell the first level of a party, and wait for its acknowledgement."""
    name = check_party(post.configuration, party)
    with post.desk.transaction(f"telling {name}") as connection:
        connection.execute(_TABLE)
        ticket = post.desk.ticket(ticket_id)
        if any(step.party == party for step in taken(post.desk, ticket.id)):
            return ticket
        if ticket.state not in UNRESTORED:
            raise RefusedError(
                f"ticket {ticket.id}", f"it is {ticket.state.value}", "reopen it with the reason"
            )
        _take(post, ticket, party, None, post.desk.clock(), who)
        return post.desk.ticket(ticket.id)


def escalate(post: Post) -> list[Taken]:
    """Take every step that is due now; to be called at least every second."""
    steps = []
    for ticket_id, party in sorted({(step.ticket, step.party) for step in taken(post.desk)}):
        with post.desk.transaction(f"escalating {ticket_id}"):
            ticket = post.desk.ticket(ticket_id)
            done = [s for s in taken(post.desk, ticket_id) if s.party == party]
            last = done[-1]
            if stopped(ticket, party, post.own, done[0].at_ns):
                continue
            following = next_step(
                last.level, last.at_ns, post.configuration.contacts, party, post.rota
            )
            if following is not None and following[1] <= post.desk.clock():
                steps.append(_take(post, ticket, party, last, following[1], SYSTEM))
    return steps


def next_due_ns(post: Post) -> int | None:
    """When the next step of any ticket is due; None while no answer is waited for."""
    due = []
    for ticket_id, party in {(step.ticket, step.party) for step in taken(post.desk)}:
        done = [s for s in taken(post.desk, ticket_id) if s.party == party]
        if not stopped(post.desk.ticket(ticket_id), party, post.own, done[0].at_ns):
            last = done[-1]
            following = next_step(
                last.level, last.at_ns, post.configuration.contacts, party, post.rota
            )
            if following is not None:
                due.append(following[1])
    return min(due, default=None)


def stopped(ticket: Ticket, party: str, own: str, since_ns: int) -> bool:
    """Whether nobody of the party is asked any more: it has acknowledged, or it works again."""
    if ticket.state not in UNRESTORED:
        return True
    names = {party, ""} if party == own else {party}
    return any(a.party in names and a.at_ns >= since_ns for a in ticket.acknowledged)


def _take(
    post: Post, ticket: Ticket, party: str, last: Taken | None, due_ns: int, who: Actor
) -> Taken:
    """Take the next step, inside a transaction: its row, its notices, the history."""
    contacts = post.configuration.contacts
    now = post.desk.clock()
    following = next_step(None if last is None else last.level, due_ns, contacts, party, post.rota)
    if following is None:
        raise RefusedError(f"ticket {ticket.id}", f"{party} has no further level", "call somebody")
    level = following[0]
    hours = hours_told(now, post.rota)
    told = audience(contacts, party, level, hours)
    beyond = next_step(level, now, contacts, party, post.rota)
    waits_until = None if beyond is None else wait_from(now, post.rota).due_ns
    with post.desk.transaction("escalating") as connection:
        connection.execute(
            "INSERT INTO escalations VALUES (?, ?, ?, ?, ?)", (ticket.id, party, level, due_ns, now)
        )
        name = post.voice.name_of(party)
        roles = ", ".join(contact.role for contact in told)
        late = (now - due_ns) // 10**9
        text = f"{name}, level {level} ({roles}) is told"
        text += f", {late} s late" if late > 0 else ""
        text += "" if waits_until is None else f"; answer by {post.voice.at(waits_until)}"
        data = (
            ("party", party), ("level", str(level)), ("hours", hours), ("due_ns", str(due_ns)),
            ("waits_until_ns", "" if waits_until is None else str(waits_until)),
        )  # fmt: skip
        post.desk.change(ticket.id, who, Record("escalation", text, data))
        declaration = last is None and party == post.provider
        notice: Notice = "declaration" if declaration else "escalation"
        tell(
            post, f"{ticket.id}/{notice}/{party}/{level}", notice, post.desk.ticket(ticket.id),
            told, hotline=declaration, party=name, provider=name, level=level, role=roles,
            due_ns=waits_until,
        )  # fmt: skip
    return Taken(ticket.id, party, level, due_ns, now)
