"""The dossier of a PAS or of a ticket: all that the desk knows, as files ([R-9.1-3]).

`tickets.csv` in the facts format, `trail.csv` with every entry of the history, `dossier.json` with
all fields, the evidence as it was attached, and `SHA256SUMS`. Withdrawn tickets are in it, too.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from incidents.desk import Desk
from incidents.errors import IncidentError
from incidents.facts_csv import instant_text, tickets_csv
from incidents.history import Entry
from incidents.tickets import Alert, Ticket
from incidents.trail import by, what

SUMS = "SHA256SUMS"
_TICKET: TypeAdapter[Ticket] = TypeAdapter(Ticket)
_ALERT: TypeAdapter[Alert] = TypeAdapter(Alert)


def write_dossier(
    desk: Desk, tickets: Sequence[Ticket], folder: Path, *, about: str, zone: tzinfo
) -> list[Path]:
    """Write the files into a folder that must be new or empty; `IncidentError` where it is not.

    They are written aside and renamed: a folder of that name is whole.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise IncidentError(f"{folder} is not empty — name a new folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise IncidentError(f"{folder}: {error.strerror} — name another folder") from None
    try:
        files = dossier_files(desk, tickets, about=about, zone=zone)
        for name, content in files.items():
            _write(aside / name, content)
        aside.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
        _sync(folder.parent)
    except OSError as error:
        raise IncidentError(f"{folder}: {error.strerror} — nothing was written") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [folder / name for name in files]


def dossier_files(
    desk: Desk, tickets: Sequence[Ticket], *, about: str, zone: tzinfo
) -> dict[str, bytes]:
    """Name -> content; the sums come last."""
    files = {
        "tickets.csv": tickets_csv(tickets, zone),
        "trail.csv": _trail(desk, tickets, zone),
        "dossier.json": _json(
            {"about": about, "tickets": [ticket_object(desk, t) for t in tickets]}
        ),
    }
    for ticket in tickets:
        for one in ticket.evidence:
            name = f"evidence/{_safe(ticket.id)}/{one.number:03d}-{_safe(one.name)}"
            files[name] = desk.content(one)
    sums = "".join(f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in sorted(files))
    return {**files, SUMS: sums.encode()}


def ticket_object(desk: Desk, ticket: Ticket) -> dict[str, Any]:
    """One ticket with its trail and its alerts, as plain values; instants in nanoseconds."""
    alerts = desk.alerts(ticket=ticket.id)
    return {
        **ticket_values(ticket),
        "trail": [entry_object(entry) for entry in desk.history(ticket.id)],
        "alerts_declared": [alert_values(alert) for alert in alerts],
    }


def ticket_values(ticket: Ticket) -> dict[str, Any]:
    """Its fields, with the final severity."""
    values: dict[str, Any] = _TICKET.dump_python(ticket, mode="json")
    return {**values, "severity": ticket.severity}


def alert_values(alert: Alert) -> dict[str, Any]:
    """The fields of an alert."""
    values: dict[str, Any] = _ALERT.dump_python(alert, mode="json")
    return values


def write_file(file: Path, content: bytes) -> Path:
    """Write a file aside and rename it; `IncidentError` where that cannot be."""
    aside = file.with_name(f".{file.name}.new")
    try:
        _write(aside, content)
        aside.rename(file)
        _sync(file.parent)
    except OSError as error:
        raise IncidentError(f"{file}: {error.strerror} — name another file") from None
    return file


def entry_object(entry: Entry) -> dict[str, Any]:
    """One entry of the history as plain values."""
    change: dict[str, Any] = TypeAdapter(type(entry.change)).dump_python(entry.change, mode="json")
    return {
        "number": entry.number,
        "recorded_ns": entry.recorded_ns,
        "at_ns": entry.at_ns,
        "who": entry.who.name,
        "role": entry.who.role,
        "party": entry.who.party,
        "via": entry.who.via,
        "what": type(entry.change).__name__,
        "change": change,
    }


def _trail(desk: Desk, tickets: Sequence[Ticket], zone: tzinfo) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("ticket", "entry", "at", "recorded_at", "who", "what"))
    for ticket in tickets:
        for entry in desk.history(ticket.id):
            writer.writerow(
                (
                    ticket.id,
                    entry.number,
                    instant_text(entry.at_ns, zone),
                    instant_text(entry.recorded_ns, zone),
                    by(entry.who),
                    " ".join(what(entry, zone).split()),
                )
            )
    return text.getvalue().encode()


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _safe(name: str) -> str:
    """A name that stays inside its folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:100] or "file"


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
