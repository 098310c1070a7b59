"""Tickets as `tickets.csv` of the facts folder has them (docs/facts.md).

Times carry their offset, so that nobody's time zone matters. What the file cannot carry (plan,
evidence, trail) is in the dossier (`incidents.dossier`). Reading the format is the business of
`analysis`, which holds every row against the contract.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

from incidents.tickets import State, Ticket

COLUMNS = (
    "id", "service", "pas", "severity", "opened_at", "reported_at", "responded_at", "restored_at",
    "closed_at", "affected", "cause", "component", "severity_provider", "severity_administration",
    "expected_at", "comment",
)  # fmt: skip


def is_fact(ticket: Ticket) -> bool:
    """Whether the evaluation may see it: one that was withdrawn was no outage."""
    return ticket.state is not State.WITHDRAWN


def tickets_csv(tickets: Iterable[Ticket], zone: tzinfo = UTC) -> bytes:
    """`tickets.csv` with these tickets; withdrawn ones are left out."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(ticket, zone) for ticket in tickets if is_fact(ticket))
    return text.getvalue().encode()


def _cells(ticket: Ticket, zone: tzinfo) -> list[str]:
    times = {
        "opened_at": ticket.opened_ns,
        "reported_at": ticket.reported_ns,
        "responded_at": ticket.responded_ns,
        "restored_at": ticket.restored_ns,
        "closed_at": ticket.closed_ns,
        "expected_at": ticket.expected_ns,
    }
    words = {
        "id": ticket.id,
        "service": ";".join(ticket.services),
        "pas": ";".join(ticket.pas),
        "severity": ticket.severity,
        "affected": str(ticket.affected),
        "cause": _one_line(ticket.cause or ticket.diagnosis or ticket.summary),
        "component": ticket.component,
        "severity_provider": ticket.severity_provider or "",
        "severity_administration": ticket.severity_administration or "",
        "comment": _one_line(ticket.comment),
        **{name: "" if ns is None else instant_text(ns, zone) for name, ns in times.items()},
    }
    return [words[column] for column in COLUMNS]


def _one_line(text: str) -> str:
    """Without line ends, and without what cannot be printed: a file that came by mail has some."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def instant_text(ns: int, zone: tzinfo = UTC) -> str:
    """ISO 8601 with the offset, to the nanosecond where there are any."""
    seconds, rest = divmod(ns, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds")
    if not rest:
        return text
    fraction = f"{rest:09d}".rstrip("0")
    return f"{text[:19]}.{fraction}{text[19:]}"
