"""The incident desk: tickets and alerts in one SQLite file with an append-only history.

Every write is one transaction that is on the disk when the call returns; several processes (the
watch, the command line) may use the same file. What a change does is in `incidents.history`, what
is refused in `incidents.states`.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from pydantic import TypeAdapter

from incidents.changes import AlertChange, Attach, Change, Imported, Opened, Raised, Update
from incidents.criticality import Rules, reckoned
from incidents.database import DESK_NAME, open_file, translated
from incidents.errors import IncidentError, NoSuchError, RefusedError
from incidents.history import Entry, alert_after, alert_begins, ticket_after, ticket_begins
from incidents.states import check_alert_change, check_change
from incidents.tickets import (
    OPEN,
    SYSTEM,
    Actor,
    Alert,
    AlertState,
    Evidence,
    Hit,
    NewAlert,
    NewTicket,
    Severity,
    State,
    Ticket,
)

MAX_EVIDENCE = 16 << 20
"""Octets of one attachment."""
_KINDS: dict[str, Any] = {c.__name__: c for c in (*get_args(Change), *get_args(AlertChange))}


def open_desk(
    data_dir: Path, *, rules: Rules | None = None, clock: Callable[[], int] = time.time_ns
) -> Desk:
    """The desk of a data directory; a new one where there is none. `DeskFileError`."""
    return Desk(data_dir / DESK_NAME, rules=rules, clock=clock)


class Desk:
    """One open desk; may be called from several threads."""

    def __init__(
        self, path: Path, *, rules: Rules | None = None, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.path = path
        self.rules = rules or Rules()
        self.clock = clock
        self._mutex = threading.RLock()
        self._depth = 0
        self._connection = open_file(path)

    def close(self) -> None:
        """Give the file up; what was done is on the disk already."""
        with self._mutex:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self, doing: str = "writing") -> Iterator[sqlite3.Connection]:
        """One write, all or nothing; calls of the desk inside belong to it.

        Other parts of the room keep their own tables through it. An exception undoes everything.
        """
        with self._mutex, translated(self.path, doing):
            # A step inside another one is undone by itself where its caller goes on without it.
            mark = f"step_{self._depth}"
            self._connection.execute(f"SAVEPOINT {mark}" if self._depth else "BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._connection
                self._connection.execute(f"RELEASE {mark}" if self._depth > 1 else "COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    undo = f"ROLLBACK TO {mark}" if self._depth > 1 else "ROLLBACK"
                    self._connection.execute(undo)
                raise
            finally:
                self._depth -= 1

    @contextmanager
    def reading(self, doing: str = "reading") -> Iterator[sqlite3.Connection]:
        """The connection for SELECTs."""
        with self._mutex, translated(self.path, doing):
            yield self._connection

    # Tickets

    def open(self, new: NewTicket, who: Actor, *, key: str = "") -> Ticket:
        """Open a ticket; with a key that was used before, the ticket that it opened.

        Raises `RefusedError` for what makes no sense, as a fault that begins in the future.
        """
        with self.transaction("opening a ticket") as connection:
            if key and (there := self._by_key(key)):
                return there
            identifier = f"INC-{self._next('ticket'):06d}"
            criticality = new.criticality
            affected = new.affected or max(1, len(new.pas))
            if criticality is None:
                criticality = reckoned(new.hit, affected, new.severity, self.rules)
            opened = Opened(new, criticality, affected, key)
            now = self.clock()
            check_change(None, opened, Entry(0, identifier, now, who, opened))
            entry = self._append(connection, identifier, who, opened, now)
            ticket = ticket_begins(identifier, entry)
            self._keep(connection, ticket)
            return ticket

    def import_ticket(self, imported: Imported, who: Actor) -> Ticket:
        """Take over a ticket of another system with its id; `RefusedError` where it is taken."""
        with self.transaction("importing a ticket") as connection:
            if self._row(imported.id) is not None:
                raise RefusedError(
                    f"ticket {imported.id}", "the desk has one of this id", "write another id"
                )
            entry = self._append(connection, imported.id, who, imported)
            ticket = ticket_begins(imported.id, entry)
            self._keep(connection, ticket)
            return ticket

    def change(self, ticket_id: str, who: Actor, change: Change) -> Ticket:
        """Do something to a ticket; `RefusedError` says why it cannot be, `NoSuchError`."""
        with self.transaction(f"changing {ticket_id}") as connection:
            ticket = self.ticket(ticket_id)
            entry = Entry(0, ticket.id, self.clock(), who, change)
            check_change(ticket, change, entry)
            entry = self._append(connection, ticket.id, who, change, entry.recorded_ns)
            changed = ticket_after(ticket, entry)
            self._keep(connection, changed)
            return self._reckoned(ticket, changed)

    def ticket(self, ticket_id: str) -> Ticket:
        """One ticket by its id, or by its number alone (`12`); `NoSuchError`."""
        row = self._row(ticket_id)
        if row is None and ticket_id.isdecimal():
            row = self._row(f"INC-{int(ticket_id):06d}")
        if row is None:
            raise NoSuchError(f"there is no ticket {ticket_id!r} — see `pasprobe incident list`")
        return row

    def tickets(
        self, *, states: Collection[State] | None = None, pas: str = ""
    ) -> tuple[Ticket, ...]:
        """Tickets by the time of the fault: all, or those in these states, or that name a PAS."""
        query, values = "SELECT value FROM tickets", []
        if states is not None:
            query += f" WHERE state IN ({', '.join('?' * len(states))})"
            values = [state.value for state in states]
        with self.reading("reading tickets") as connection:
            rows = connection.execute(f"{query} ORDER BY opened_ns, id", values).fetchall()
        found = (_adapter(Ticket).validate_json(value) for (value,) in rows)
        return tuple(ticket for ticket in found if not pas or pas in ticket.pas)

    def history(self, subject: str) -> tuple[Entry, ...]:
        """Every change of a ticket (its id) or of an alert (`alert/12`), the first one first."""
        with self.reading("reading the history") as connection:
            rows = connection.execute(
                "SELECT number, subject, recorded_ns, who, kind, change FROM history"
                " WHERE subject = ? ORDER BY number",
                (subject,),
            ).fetchall()
        return tuple(_entry(row) for row in rows)

    def since(self, number: int, limit: int = 1000) -> tuple[Entry, ...]:
        """What happened after this entry of the whole history: for those who follow it."""
        with self.reading("reading the history") as connection:
            rows = connection.execute(
                "SELECT number, subject, recorded_ns, who, kind, change FROM history"
                " WHERE number > ? ORDER BY number LIMIT ?",
                (number, limit),
            ).fetchall()
        return tuple(_entry(row) for row in rows)

    # Evidence

    def attach(
        self,
        ticket_id: str,
        who: Actor,
        kind: str,
        name: str,
        content: bytes,
        *,
        at_ns: int | None = None,
    ) -> Ticket:
        """Attach octets to a ticket; the same content under the same name is attached once."""
        if len(content) > MAX_EVIDENCE:
            raise IncidentError(
                f"{name} has {len(content)} octets, more than {MAX_EVIDENCE} — attach an extract"
            )
        digest = hashlib.sha256(content).hexdigest()
        with self.transaction("attaching evidence") as connection:
            ticket = self.ticket(ticket_id)
            if any((e.sha256, e.name, e.kind) == (digest, name, kind) for e in ticket.evidence):
                return ticket
            connection.execute("INSERT OR IGNORE INTO attachments VALUES (?, ?)", (digest, content))
            number = len(ticket.evidence) + 1
            taken = self.clock() if at_ns is None else at_ns
            evidence = Evidence(number, kind, name, digest, len(content), taken)
            return self.change(ticket.id, who, Attach(evidence))

    def content(self, evidence: Evidence) -> bytes:
        """Its octets as they were attached; `DeskFileError`, `NoSuchError` where they are not."""
        with self.reading("reading evidence") as connection:
            row = connection.execute(
                "SELECT content FROM attachments WHERE sha256 = ?", (evidence.sha256,)
            ).fetchone()
        if row is None or hashlib.sha256(row[0]).hexdigest() != evidence.sha256:
            raise NoSuchError(
                f"{evidence.name} is not in {self.path} as it was attached — take a copy of it"
            )
        return bytes(row[0])

    # Alerts

    def raise_alert(self, new: NewAlert, who: Actor) -> Alert:
        """Raise an alert; one of the same key is returned as it is."""
        with self.transaction("raising an alert") as connection:
            row = connection.execute(
                "SELECT value FROM alerts WHERE key = ?", (new.key,)
            ).fetchone()
            if row is not None:
                there: Alert = _adapter(Alert).validate_json(row[0])
                return there
            number = self._next("alert")
            entry = self._append(connection, f"alert/{number}", who, Raised(new))
            alert = alert_begins(number, entry)
            self._keep_alert(connection, alert)
            return alert

    def change_alert(self, alert_id: int, who: Actor, change: AlertChange) -> Alert:
        """Analyse, declare, dismiss or clear an alert; `RefusedError`, `NoSuchError`."""
        with self.transaction(f"changing alert {alert_id}") as connection:
            alert = self.alert(alert_id)
            entry = Entry(0, f"alert/{alert.id}", self.clock(), who, change)
            check_alert_change(alert, change, entry)
            entry = self._append(connection, entry.subject, who, change, entry.recorded_ns)
            changed = alert_after(alert, entry)
            self._keep_alert(connection, changed)
            return changed

    def alert(self, alert_id: int) -> Alert:
        """One alert; `NoSuchError`."""
        with self.reading("reading an alert") as connection:
            row = connection.execute(
                "SELECT value FROM alerts WHERE id = ?", (alert_id,)
            ).fetchone()
        if row is None:
            raise NoSuchError(
                f"there is no alert {alert_id} — see `pasprobe incident list --alerts`"
            )
        found: Alert = _adapter(Alert).validate_json(row[0])
        return found

    def alerts(
        self,
        *,
        states: Collection[AlertState] | None = None,
        cleared: bool | None = None,
        ticket: str = "",
    ) -> tuple[Alert, ...]:
        """Alerts by their number: all, or in these states, cleared or not, of one ticket."""
        where, values = ["1"], list[object]()
        if states is not None:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += [state.value for state in states]
        if cleared is not None:
            where.append("cleared = ?")
            values.append(int(cleared))
        if ticket:
            where.append("ticket = ?")
            values.append(ticket)
        query = f"SELECT value FROM alerts WHERE {' AND '.join(where)} ORDER BY id"
        with self.reading("reading alerts") as connection:
            rows = connection.execute(query, values).fetchall()
        return tuple(_adapter(Alert).validate_json(value) for (value,) in rows)

    # Rows

    def _reckoned(self, before: Ticket, ticket: Ticket) -> Ticket:
        """Annex 1 anew where a change said more of what is hit, and no person said how critical."""

        def hits(one: Ticket) -> tuple[Hit, int, Severity]:
            return one.hit, one.affected, one.severity

        if ticket.criticality_said or ticket.state not in OPEN or hits(before) == hits(ticket):
            return ticket
        criticality = reckoned(*hits(ticket), self.rules)
        if criticality == ticket.criticality:
            return ticket
        words = "annex 1: more is known of what is hit"
        return self.change(ticket.id, SYSTEM, Update(criticality=criticality, reason=words))

    def _next(self, name: str) -> int:
        (number,) = self._connection.execute(
            "UPDATE numbers SET last = last + 1 WHERE name = ? RETURNING last", (name,)
        ).fetchone()
        return int(number)

    def _row(self, ticket_id: str) -> Ticket | None:
        with self.reading("reading a ticket") as connection:
            row = connection.execute(
                "SELECT value FROM tickets WHERE id = ?", (ticket_id,)
            ).fetchone()
        return None if row is None else _adapter(Ticket).validate_json(row[0])

    def _by_key(self, key: str) -> Ticket | None:
        row = self._connection.execute("SELECT value FROM tickets WHERE key = ?", (key,)).fetchone()
        return None if row is None else _adapter(Ticket).validate_json(row[0])

    def _append(
        self,
        connection: sqlite3.Connection,
        subject: str,
        who: Actor,
        change: Change | AlertChange,
        recorded_ns: int | None = None,
    ) -> Entry:
        now = self.clock() if recorded_ns is None else recorded_ns
        kind = type(change).__name__
        cursor = connection.execute(
            "INSERT INTO history (subject, recorded_ns, who, kind, change) VALUES (?, ?, ?, ?, ?)",
            (subject, now, _text(Actor, who), kind, _text(type(change), change)),
        )
        return Entry(int(cursor.lastrowid or 0), subject, now, who, change)

    def _keep(self, connection: sqlite3.Connection, ticket: Ticket) -> None:
        connection.execute(
            "INSERT INTO tickets VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " state = excluded.state, opened_ns = excluded.opened_ns, value = excluded.value",
            (
                ticket.id,
                ticket.key or None,
                ticket.state.value,
                ticket.opened_ns,
                _text(Ticket, ticket),
            ),
        )

    def _keep_alert(self, connection: sqlite3.Connection, alert: Alert) -> None:
        connection.execute(
            "INSERT INTO alerts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " state = excluded.state, cleared = excluded.cleared, ticket = excluded.ticket,"
            " value = excluded.value",
            (
                alert.id,
                alert.key,
                alert.state.value,
                int(alert.cleared_ns is not None),
                alert.ticket,
                _text(Alert, alert),
            ),
        )


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _text(kind: Any, value: object) -> str:
    return _adapter(kind).dump_json(value).decode()


def _entry(row: tuple[int, str, int, str, str, str]) -> Entry:
    number, subject, recorded_ns, who, kind, change = row
    return Entry(
        number,
        subject,
        recorded_ns,
        _adapter(Actor).validate_json(who),
        _adapter(_KINDS[kind]).validate_json(change),
    )
