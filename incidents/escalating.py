"""Takes the steps of an escalation when they are due, each in one transaction.

An escalation begins when a party is told of a ticket: the provider by its declaration, our own
people when somebody cannot reach us. It ends with that party's acknowledgement, with the
restoration, or above the last level. A reopened ticket begins a new round at each party that was
told before: what was acknowledged then was another repair. A step is a row of its own, so two desks
on one file, or one that was killed, take it once.
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
    ticket TEXT NOT NULL, party TEXT NOT NULL, round INTEGER NOT NULL, level INTEGER NOT NULL,
    due_ns INTEGER NOT NULL, at_ns INTEGER NOT NULL, PRIMARY KEY (ticket, party, round, level)
) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A level that was told."""

    ticket: str
    party: str
    round: int
    """0: since the opening; n: since the nth reopening."""
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
            " (SELECT id FROM tickets WHERE state IN (?, ?, ?))"
            " ORDER BY ticket, party, round, level",
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
        if _of_this_round(post.desk, ticket, party):
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
            due_ns = waits_until_ns(post, ticket, party)
            if due_ns is not None and due_ns <= post.desk.clock():
                last = next(reversed(_of_this_round(post.desk, ticket, party)), None)
                steps.append(_take(post, ticket, party, last, due_ns, SYSTEM))
    return steps


def next_due_ns(post: Post) -> int | None:
    """When the next step of any ticket is due; None while no answer is waited for."""
    asked = {(step.ticket, step.party) for step in taken(post.desk)}
    found = (waits_until_ns(post, post.desk.ticket(name), party) for name, party in asked)
    return min((due for due in found if due is not None), default=None)


def waits_until_ns(post: Post, ticket: Ticket, party: str) -> int | None:
    """When the next level of a party that was told is due; None: no answer is waited for."""
    steps = _of_this_round(post.desk, ticket, party)
    # A party without a step of this round was told before the ticket was reopened: due since then.
    since_ns = steps[0].at_ns if steps else ticket.reopened_ns[-1]
    if stopped(ticket, party, post.own, since_ns):
        return None
    level, last_ns = (steps[-1].level, steps[-1].at_ns) if steps else (None, since_ns)
    following = next_step(level, last_ns, post.configuration.contacts, party, post.rota)
    return None if following is None else following[1]


def _of_this_round(desk: Desk, ticket: Ticket, party: str) -> list[Taken]:
    """The steps that a party was told since the opening, or since the last reopening."""
    now = (party, len(ticket.reopened_ns))
    return [step for step in taken(desk, ticket.id) if (step.party, step.round) == now]


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
    level, again = following[0], len(ticket.reopened_ns)
    hours = hours_told(now, post.rota)
    told = audience(contacts, party, level, hours)
    beyond = next_step(level, now, contacts, party, post.rota)
    waits_until = None if beyond is None else wait_from(now, post.rota).due_ns
    with post.desk.transaction("escalating") as connection:
        connection.execute(
            "INSERT INTO escalations VALUES (?, ?, ?, ?, ?, ?)",
            (ticket.id, party, again, level, due_ns, now),
        )
        name = post.voice.name_of(party)
        roles = ", ".join(contact.role for contact in told)
        late = (now - due_ns) // 10**9
        text = f"{name}, level {level} ({roles}) is told"
        text += ", for it is open again" if again and last is None else ""
        text += f", {late} s late" if late > 0 else ""
        text += "" if waits_until is None else f"; answer by {post.voice.at(waits_until)}"
        data = (
            ("party", party), ("level", str(level)), ("hours", hours), ("due_ns", str(due_ns)),
            ("waits_until_ns", "" if waits_until is None else str(waits_until)),
        )  # fmt: skip
        post.desk.change(ticket.id, who, Record("escalation", text, data))
        declaration = last is None and party == post.provider
        notice: Notice = "declaration" if declaration else "escalation"
        key = f"{ticket.id}/{notice}/{party}/{level}" + (f"/again-{again}" if again else "")
        tell(
            post, key, notice, post.desk.ticket(ticket.id), told, hotline=declaration,
            party=name, provider=name, level=level, role=roles, due_ns=waits_until,
        )  # fmt: skip
    return Taken(ticket.id, party, again, level, due_ns, now)
