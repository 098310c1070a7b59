"""Runbooks as data (`incidents/runbooks/*.toml`): the restoration of 1.5 to 2.2, step by step.

A step says which party does it, what shows that it is done, and which action or probe of ours
helps. What actions and probes do is passed in by `pasprobe.py`, see `Tools`.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from incidents.errors import IncidentError, NoSuchError
from incidents.tickets import Role, Ticket
from inventory.table import Table
from inventory.values import Identifier, Text

PartyKind = Literal["operator", "provider", "partner"]
Action = Literal["restore-template", "block-address", "allow-address"]
Probe = Literal[
    "server-fails", "spare-ready", "address-free", "who-answers", "train", "dedicated-answers",
    "sftp-manifest", "device-answers", "tunnel", "address-blocked",
]  # fmt: skip


class Step(Table):
    """`[[step]]`: one action of the procedure."""

    id: Identifier
    party: Annotated[tuple[PartyKind, ...], Field(min_length=1)]
    text: Text
    check: Text
    """What shows that it is done, for a person."""
    action: Action | None = None
    """What pasprobe can do for it, when asked."""
    probe: Probe | None = None
    """What pasprobe looks at to answer the check."""
    record: Text | None = None
    """What must be written down about it."""
    role: Role | None = None
    """Who alone may take it."""


class Runbook(Table):
    """One file: a case of the procedure."""

    title: Text
    kind: str
    """`kind` of the tickets that it is for; empty: any."""
    clause: Text
    corrective: bool = False
    """It belongs to the corrective procedure (2), after the incident."""
    outside_shop_hours: bool = False
    """Refused while a shop that it hits is open (2), without force."""
    assistance: bool = False
    """Others act; we and the provider only assist."""
    step: Annotated[tuple[Step, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe or an action found."""

    good: bool
    text: str
    """For the person and for the trail."""
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """What a tool is told: the ticket, the step, and what was seen before in this run."""

    ticket: Ticket
    step: Step
    seen: Mapping[str, Mapping[str, str]]
    """Step id -> data of its last probe or action."""


Tool = Callable[[Situation], Seen]
Tools = Mapping[str, Tool]
"""By the name of an action or a probe; one that is absent cannot be done here."""


@cache
def runbooks() -> Mapping[str, Runbook]:
    """All runbooks by id (the file's name); `IncidentError` for a file that is none."""
    found: dict[str, Runbook] = {}
    for file in sorted(files("incidents").joinpath("runbooks").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            found[file.name.removesuffix(".toml")] = parse(file.name, file.read_text("utf-8"))
    return found


def parse(name: str, text: str) -> Runbook:
    """One file; `IncidentError` names the key that is wrong."""
    try:
        runbook = Runbook.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise IncidentError(f"{name}: {error} — mend the TOML") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise IncidentError(f"{name}, {key}: {first['msg']} — see docs/runbooks.md") from None
    ids = [step.id for step in runbook.step]
    if len(set(ids)) < len(ids):
        raise IncidentError(f"{name}: two steps have the same id — give each its own")
    return runbook


def runbook_of(name: str) -> Runbook:
    """One runbook by its id; `NoSuchError`."""
    try:
        return runbooks()[name]
    except KeyError:
        there = ", ".join(runbooks())
        raise NoSuchError(f"there is no runbook {name!r} — there are: {there}") from None


def suited(ticket: Ticket) -> tuple[str, ...]:
    """Runbooks for a ticket: those of its kind first, then those for any."""
    own = [name for name, book in runbooks().items() if book.kind and book.kind == ticket.kind]
    return (*own, *(name for name, book in runbooks().items() if not book.kind))


def fingerprint(runbook: Runbook) -> str:
    """Changes with the steps: a run is not continued with other steps than it began with."""
    return hashlib.sha256(runbook.model_dump_json().encode()).hexdigest()[:16]
