"""What is to be sent, kept in the desk's file until it was accepted.

A message goes in by the same transaction as what it tells of, with a key that lets it in once. Each
address has a state of its own:

    waiting -> sending -> accepted        the server took the responsibility (2xx)
                       -> refused         it never will (5xx); somebody is to call
                       -> unsure          mail only: we were killed, or the line broke, after the
                                          end of the message was sent and before its answer came

`sending` is on the disk before the octets that end a message leave, so what is found in `waiting`
after a crash was certainly not accepted and goes again. What is found in `sending` may have been:
mail is then not sent twice, but becomes `unsure`, which makes a call task. A webhook is posted
again, for its receiver knows the delivery by its number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from incidents.changes import Record
from incidents.desk import Desk
from incidents.errors import NoSuchError, RefusedError
from incidents.tickets import Actor

Channel = Literal["mail", "webhook"]
DeliveryState = Literal["waiting", "sending", "accepted", "refused", "unsure"]
_TABLES = (
    """CREATE TABLE IF NOT EXISTS outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, ticket TEXT NOT NULL,
        purpose TEXT NOT NULL, channel TEXT NOT NULL, subject TEXT NOT NULL, content BLOB NOT NULL,
        created_ns INTEGER NOT NULL
    )""",
    """CREATE TRIGGER IF NOT EXISTS outbox_is_not_deleted BEFORE DELETE ON outbox
        BEGIN SELECT RAISE(ABORT, 'a message is never deleted'); END""",
    """CREATE TABLE IF NOT EXISTS outbox_deliveries (
        message INTEGER NOT NULL REFERENCES outbox (id), address TEXT NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL, due_ns INTEGER NOT NULL,
        changed_ns INTEGER NOT NULL, words TEXT NOT NULL,
        PRIMARY KEY (message, address)
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS outbox_due ON outbox_deliveries (state, due_ns)",
)
SECOND_NS = 1_000_000_000
BACK_OFF_S = (5, 15, 30, 60, 120, 300, 600, 900)
"""Seconds after each failure; the last one for ever: a notice is late, never lost."""
_ROW = "id, key, ticket, purpose, channel, subject, content, created_ns"


@dataclass(frozen=True, slots=True)
class Message:
    """One mail or one webhook call, complete as it is sent."""

    id: int
    key: str
    ticket: str
    """Empty where it is not about one, as a report."""
    purpose: str
    """As `declaration`, `escalation`, `firewall`, `plan`, `report`."""
    channel: Channel
    subject: str
    """For people; of a webhook, the id of the `[[webhook]]`."""
    content: bytes
    created_ns: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a message has come at one address."""

    message: int
    address: str
    state: DeliveryState
    attempts: int
    due_ns: int
    changed_ns: int
    words: str
    """What the server said last."""


class Outbox:
    """The outbox in a desk's file; several processes may put in, one courier takes out."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        with desk.reading("opening the outbox") as connection:
            there = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'outbox_due'"
            ).fetchone()
        if there is None:
            with desk.transaction("making the outbox") as connection:
                for statement in _TABLES:
                    connection.execute(statement)

    def put(
        self,
        key: str,
        *,
        purpose: str,
        channel: Channel,
        subject: str,
        content: bytes,
        addresses: Sequence[str],
        ticket: str = "",
    ) -> Message:
        """Put a message in, due at once; with a key that was used before, the one that it made."""
        if not addresses:
            raise RefusedError(subject, "it has no address", "give the contact a `to`")
        with self.desk.transaction("putting a message into the outbox") as connection:
            there = self._by_key(connection, key)
            if there is not None:
                return there
            now = self.desk.clock()
            number = connection.execute(
                "INSERT INTO outbox (key, ticket, purpose, channel, subject, content, created_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, ticket, purpose, channel, subject, content, now),
            ).lastrowid
            connection.executemany(
                "INSERT INTO outbox_deliveries VALUES (?, ?, 'waiting', 0, ?, ?, '')",
                [(number, address, now, now) for address in dict.fromkeys(addresses)],
            )
            return Message(int(number or 0), key, ticket, purpose, channel, subject, content, now)

    def messages(self, *, ticket: str = "") -> tuple[Message, ...]:
        """All messages, or those about a ticket, the first one first."""
        where, values = ("WHERE ticket = ?", (ticket,)) if ticket else ("", ())
        with self.desk.reading("reading the outbox") as connection:
            rows = connection.execute(f"SELECT {_ROW} FROM outbox {where} ORDER BY id", values)
            return tuple(Message(*row) for row in rows)

    def message(self, number: int) -> Message:
        """One message; `NoSuchError`."""
        with self.desk.reading("reading the outbox") as connection:
            row = connection.execute(
                f"SELECT {_ROW} FROM outbox WHERE id = ?", (number,)
            ).fetchone()
        if row is None:
            raise NoSuchError(f"there is no message {number} — see `pasprobe incident outbox`")
        return Message(*row)

    def by_key(self, key: str) -> Message | None:
        """The message that this key made."""
        with self.desk.reading("reading the outbox") as connection:
            return self._by_key(connection, key)

    def ticket_of(self, message_id: str) -> str:
        """The ticket of the mail with this Message-ID; empty where it is none of ours."""
        with self.desk.reading("reading the outbox") as connection:
            row = connection.execute(
                "SELECT ticket FROM outbox WHERE channel = 'mail'"
                " AND instr(content, CAST(? AS BLOB)) ORDER BY id LIMIT 1",
                (f"\r\nMessage-ID: {message_id}\r\n",),
            ).fetchone()
        return "" if row is None else str(row[0])

    def deliveries(self, number: int) -> tuple[Delivery, ...]:
        """The addresses of a message and how far each has come."""
        with self.desk.reading("reading the outbox") as connection:
            rows = connection.execute(
                "SELECT * FROM outbox_deliveries WHERE message = ? ORDER BY address", (number,)
            )
            return tuple(Delivery(*row) for row in rows)

    def accepted_ns(self, number: int) -> int | None:
        """Since when every address has accepted the message; None while one has not."""
        found = self.deliveries(number)
        if not found or any(delivery.state != "accepted" for delivery in found):
            return None
        return max(delivery.changed_ns for delivery in found)

    def due(self, now_ns: int) -> list[tuple[Message, tuple[Delivery, ...]]]:
        """Messages with the addresses at which they are due, in the order they were put in."""
        with self.desk.reading("reading the outbox") as connection:
            rows = connection.execute(
                "SELECT * FROM outbox_deliveries WHERE state = 'waiting' AND due_ns <= ?"
                " ORDER BY message, address",
                (now_ns,),
            ).fetchall()
        found: dict[int, list[Delivery]] = {}
        for delivery in (Delivery(*row) for row in rows):
            found.setdefault(delivery.message, []).append(delivery)
        return [(self.message(number), tuple(items)) for number, items in found.items()]

    def next_due_ns(self) -> int | None:
        """When the next attempt is due; None while nothing waits.

        What is in `sending` is due at once: its courier may be dead, and then somebody is to be
        told that nothing is known of it.
        """
        with self.desk.reading("reading the outbox") as connection:
            (due,) = connection.execute(
                "SELECT MIN(CASE state WHEN 'waiting' THEN due_ns ELSE changed_ns END)"
                " FROM outbox_deliveries WHERE state IN ('waiting', 'sending')"
            ).fetchone()
        return None if due is None else int(due)

    def mark_sending(self, message: Message, addresses: Sequence[str]) -> None:
        """Write down that the end of the message leaves now; on the disk when this returns."""
        self._set(message, addresses, "sending", "the end of the message was sent")

    def mark(
        self, message: Message, addresses: Sequence[str], state: DeliveryState, words: str
    ) -> None:
        """Write down how it ended: `accepted`, `refused` or `unsure`."""
        self._set(message, addresses, state, words)

    def again(self, message: Message, addresses: Sequence[str], words: str) -> None:
        """It was not accepted for now: it waits for its next attempt, longer each time."""
        with self.desk.transaction("postponing a message") as connection:
            now = self.desk.clock()
            for address in addresses:
                (attempts,) = connection.execute(
                    "SELECT attempts FROM outbox_deliveries WHERE message = ? AND address = ?",
                    (message.id, address),
                ).fetchone()
                wait = BACK_OFF_S[min(attempts, len(BACK_OFF_S) - 1)] * SECOND_NS
                connection.execute(
                    "UPDATE outbox_deliveries SET state = 'waiting', attempts = attempts + 1,"
                    " due_ns = ?, changed_ns = ?, words = ? WHERE message = ? AND address = ?",
                    (now + wait, now, words, message.id, address),
                )

    def interrupted(self) -> list[tuple[Message, tuple[str, ...]]]:
        """What a courier that is dead left in `sending`; ask only while there is no courier."""
        with self.desk.reading("reading the outbox") as connection:
            rows = connection.execute(
                "SELECT message, address FROM outbox_deliveries WHERE state = 'sending'"
            ).fetchall()
        found: dict[int, list[str]] = {}
        for number, address in rows:
            found.setdefault(number, []).append(address)
        return [(self.message(number), tuple(items)) for number, items in found.items()]

    def resend(self, number: int, who: Actor) -> tuple[str, ...]:
        """Let a message go again to those who refused it or of whom nothing is known.

        For a person who asked them; whoever has accepted it is not sent it again.
        """
        message = self.message(number)
        with self.desk.transaction("sending a message again") as connection:
            addresses = tuple(
                delivery.address
                for delivery in self.deliveries(number)
                if delivery.state in ("refused", "unsure")
            )
            if not addresses:
                raise RefusedError(
                    f"message {number}",
                    "nobody has refused it and nobody is unsure",
                    "see `pasprobe incident outbox`",
                )
            now = self.desk.clock()
            connection.executemany(
                "UPDATE outbox_deliveries SET state = 'waiting', attempts = 0, due_ns = ?,"
                " changed_ns = ?, words = 'sent again by hand' WHERE message = ? AND address = ?",
                [(now, now, message.id, address) for address in addresses],
            )
            if message.ticket:
                text = f"{message.purpose} to {', '.join(addresses)}: sent again by hand"
                data = (("message", str(number)),)
                self.desk.change(message.ticket, who, Record("notice", text, data))
        return addresses

    def _set(
        self, message: Message, addresses: Sequence[str], state: DeliveryState, words: str
    ) -> None:
        with self.desk.transaction(f"writing down that a message is {state}") as connection:
            now = self.desk.clock()
            connection.executemany(
                "UPDATE outbox_deliveries SET state = ?, changed_ns = ?, words = ?"
                " WHERE message = ? AND address = ?",
                [(state, now, words, message.id, address) for address in addresses],
            )

    def _by_key(self, connection: sqlite3.Connection, key: str) -> Message | None:
        row = connection.execute(f"SELECT {_ROW} FROM outbox WHERE key = ?", (key,)).fetchone()
        return None if row is None else Message(*row)
