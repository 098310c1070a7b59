"""Keeps the committees in the desk's file, and gathers what the agenda is made of."""

from __future__ import annotations

from datetime import date, tzinfo

from incidents.agenda import Meeting, check_held, check_request
from incidents.desk import Desk
from incidents.outbox import Outbox
from incidents.tickets import State
from inventory.clocks import local
from inventory.periods import month_of

_TABLE = """CREATE TABLE IF NOT EXISTS meetings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, committee TEXT NOT NULL, day TEXT NOT NULL,
    state TEXT NOT NULL, who TEXT NOT NULL, attendees TEXT NOT NULL, in_person INTEGER NOT NULL,
    at_ns INTEGER NOT NULL
)"""


def meetings(desk: Desk) -> tuple[Meeting, ...]:
    """Every committee that was asked for or held, as it was written down."""
    with desk.reading("reading the meetings") as connection:
        there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meetings'").fetchone()
        if there is None:
            return ()
        rows = connection.execute(
            "SELECT committee, day, state, who, attendees, in_person FROM meetings ORDER BY id"
        ).fetchall()
    return tuple(
        Meeting(
            committee, date.fromisoformat(day), state, who,
            tuple(attendees.split("\n")) if attendees else (), bool(in_person),
        )
        for committee, day, state, who, attendees, in_person in rows
    )  # fmt: skip


def keep(desk: Desk, meeting: Meeting, zone: tzinfo) -> str:
    """Write a meeting down; `RefusedError` where the procedure does not allow or count it.

    Returns a note for the person, as that it may be dispensed with.
    """
    with desk.transaction("writing a meeting down") as connection:
        connection.execute(_TABLE)
        note = ""
        if meeting.state == "held":
            check_held(meeting, meetings(desk))
        elif meeting.committee == "surveillance":
            note = check_request(meeting.day, meetings(desk), months_with_incidents(desk, zone))
        connection.execute(
            "INSERT INTO meetings (committee, day, state, who, attendees, in_person, at_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                meeting.committee,
                meeting.day.isoformat(),
                meeting.state,
                meeting.by,
                "\n".join(meeting.attendees),
                int(meeting.in_person),
                desk.clock(),
            ),
        )
        return note


def months_with_incidents(desk: Desk, zone: tzinfo) -> frozenset[str]:
    """The local months that an incident reached into (procedure, 3.2)."""
    found = set()
    for ticket in desk.tickets():
        if ticket.state is State.WITHDRAWN:
            continue
        end_ns = desk.clock() if ticket.restored_ns is None else ticket.restored_ns
        month, last = month_of(local(ticket.opened_ns, zone).date()), local(end_ns, zone).date()
        while month.begin <= last:
            found.add(month.text)
            month = month_of(month.end)
    return frozenset(found)


def reports_sent(outbox: Outbox) -> frozenset[tuple[str, str, str]]:
    """(kind, period, client) of the reports that every address has accepted.

    Their keys are `report/<kind>/<period>/<document>-<digest>`, and the document of a supervision
    report is `supervision-<client>-<period>`.
    """
    sent = set()
    for message in outbox.messages():
        if message.purpose != "report" or outbox.accepted_ns(message.id) is None:
            continue
        _, kind, period, document = (*message.key.split("/", 3), "", "", "")[:4]
        name = document.rpartition("-")[0]
        client = name.removeprefix("supervision-").removesuffix(f"-{period}")
        sent.add((kind, period, client if kind == "supervision" else ""))
    return frozenset(sent)
