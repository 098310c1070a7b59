"""Call tasks: somebody has to telephone, and says afterwards how it went.

A contact without e-mail (the call centre), the hotline after a declaration (procedure, 1.4), and a
notice of which it is not known that it was accepted each make one. A task is open until somebody
acknowledges it; it is never deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from incidents.changes import Record
from incidents.desk import Desk
from incidents.errors import NoSuchError, RefusedError
from incidents.tickets import SYSTEM, Actor

Outcome = Literal["reached", "not-reached"]
_TABLES = (
    """CREATE TABLE IF NOT EXISTS calls (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, ticket TEXT NOT NULL,
        party TEXT NOT NULL, role TEXT NOT NULL, phones TEXT NOT NULL, script TEXT NOT NULL,
        created_ns INTEGER NOT NULL, done_ns INTEGER, who TEXT NOT NULL DEFAULT '',
        outcome TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT ''
    )""",
    """CREATE TRIGGER IF NOT EXISTS calls_are_not_deleted BEFORE DELETE ON calls
        BEGIN SELECT RAISE(ABORT, 'a call task is never deleted'); END""",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make, or made."""

    id: int
    key: str
    ticket: str
    party: str
    role: str
    """Of whom is called, as `Support`."""
    phones: tuple[str, ...]
    """In the order in which they are tried."""
    script: str
    """What to say."""
    created_ns: int
    done_ns: int | None = None
    who: str = ""
    outcome: Outcome | Literal[""] = ""
    note: str = ""


class Calls:
    """The call tasks in a desk's file."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        with desk.reading("opening the call tasks") as connection:
            there = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'calls_are_not_deleted'"
            ).fetchone()
        if there is None:
            with desk.transaction("making the call tasks") as connection:
                for statement in _TABLES:
                    connection.execute(statement)

    def add(
        self,
        key: str,
        *,
        ticket: str,
        party: str,
        role: str,
        phones: Sequence[str],
        script: str,
    ) -> Call:
        """Ask for a call; with a key that was used before, the task that it made."""
        with self.desk.transaction("asking for a call") as connection:
            there = connection.execute("SELECT * FROM calls WHERE key = ?", (key,)).fetchone()
            if there is not None:
                return _call(there)
            number = connection.execute(
                "INSERT INTO calls (key, ticket, party, role, phones, script, created_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, ticket, party, role, "\n".join(phones), script, self.desk.clock()),
            ).lastrowid
            call = self.call(int(number or 0))
            if ticket:
                text = f"call task {call.id}: {role} of {party}, {', '.join(phones) or 'no number'}"
                self.desk.change(ticket, SYSTEM, Record("call", text, (("call", str(call.id)),)))
            return call

    def call(self, number: int) -> Call:
        """One task; `NoSuchError`."""
        with self.desk.reading("reading the call tasks") as connection:
            row = connection.execute("SELECT * FROM calls WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise NoSuchError(f"there is no call task {number} — see `pasprobe incident calls`")
        return _call(row)

    def all(self, *, open_only: bool = False, ticket: str = "") -> tuple[Call, ...]:
        """The tasks, the first one first."""
        with self.desk.reading("reading the call tasks") as connection:
            rows = connection.execute("SELECT * FROM calls ORDER BY id").fetchall()
        return tuple(
            call
            for call in map(_call, rows)
            if not (open_only and call.done_ns is not None) and ticket in ("", call.ticket)
        )

    def acknowledge(self, number: int, who: Actor, outcome: Outcome, note: str = "") -> Call:
        """Somebody called; `RefusedError` where that was said already."""
        if outcome not in get_args(Outcome):
            raise RefusedError(
                f"call task {number}", f"{outcome!r} is no outcome", "say reached or not-reached"
            )
        with self.desk.transaction("acknowledging a call task") as connection:
            call = self.call(number)
            if call.done_ns is not None:
                raise RefusedError(
                    f"call task {number}",
                    f"{call.who} said already: {call.outcome}",
                    "write what is new as a comment of the ticket",
                )
            connection.execute(
                "UPDATE calls SET done_ns = ?, who = ?, outcome = ?, note = ? WHERE id = ?",
                (self.desk.clock(), who.name, outcome, note, number),
            )
            if call.ticket:
                text = f"call task {number}: {call.role} of {call.party} {outcome}"
                text += f" ({note})" if note else ""
                data = (("call", str(number)), ("outcome", outcome))
                self.desk.change(call.ticket, who, Record("call", text, data))
            return self.call(number)


def _call(row: tuple[object, ...]) -> Call:
    values = list(row)
    values[5] = tuple(str(row[5]).split("\n")) if row[5] else ()
    return Call(*values)  # type: ignore[arg-type]
