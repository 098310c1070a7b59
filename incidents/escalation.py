"""Who is told when nobody answers (procedure, 1.4 and annex 2), as a function of instants alone.

The wait for an answer is set by the class of hour in which the ticket was opened or last escalated
and runs in elapsed time through both classes; outside of them it stands still until the next
opening. Where it begins outside, the class is that of the opening it waits for. An acknowledgement
stops it. The direction does not matter: a party that cannot reach us goes up our own levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from incidents.errors import IncidentError
from incidents.working_hours import Rota
from inventory.operations import Contact, HourClass

if TYPE_CHECKING:
    from inventory.models import Configuration


@dataclass(frozen=True, slots=True)
class Wait:
    """From when on an answer is waited for, for how long, and when that is over."""

    since_ns: int
    hours: HourClass
    """The class that set it."""
    starts_ns: int
    """When it begins to run; later than `since_ns` outside of all hours."""
    wait_ns: int
    due_ns: int


@dataclass(frozen=True, slots=True)
class Step:
    """A level that is told."""

    level: int
    at_ns: int
    hours: HourClass
    """Whose contacts are told."""
    contacts: tuple[Contact, ...]
    wait: Wait | None
    """What is waited for afterwards; None at the last level."""


def wait_from(since_ns: int, rota: Rota) -> Wait:
    """The wait that begins when a ticket is opened or escalated at `since_ns`."""
    opening = rota.next_opening(since_ns)
    length = rota.wait_ns[opening.hours]
    starts = max(since_ns, opening.begin_ns)
    return Wait(since_ns, opening.hours, starts, length, rota.after(starts, length))


def hours_told(at_ns: int, rota: Rota) -> HourClass:
    """Whose contacts are told at an instant.

    Outside of all hours, as for a ticket of the night, those of the other hours; a wait that runs
    out exactly at a close still belongs to the hours that close.
    """
    return rota.class_at(at_ns) or rota.class_at(at_ns - 1) or "other"


def levels_of(contacts: Sequence[Contact], party: str) -> tuple[int, ...]:
    """The levels that a party has, ascending."""
    return tuple(sorted({contact.level for contact in contacts if contact.party == party}))


def audience(
    contacts: Sequence[Contact], party: str, level: int, hours: HourClass
) -> tuple[Contact, ...]:
    """Who of a party is told at a level in these hours.

    A level that has nobody for these hours is told in spite of them: somebody must hear of it.
    """
    there = [c for c in contacts if c.party == party and c.level == level]
    fit = tuple(c for c in there if c.hours in (None, hours))
    return fit or tuple(there)


def timeline(
    opened_ns: int,
    contacts: Sequence[Contact],
    party: str,
    rota: Rota,
    *,
    acknowledged_ns: int | None = None,
) -> tuple[Step, ...]:
    """All steps of an incident that is opened at an instant, each taken when it is due.

    The first is at the opening. None after `acknowledged_ns`, none at that very instant either.
    """
    steps: list[Step] = []
    at_ns: int | None = opened_ns
    levels = levels_of(contacts, party)
    for level in levels:
        if at_ns is None or (steps and acknowledged_ns is not None and acknowledged_ns <= at_ns):
            break
        hours = hours_told(at_ns, rota)
        wait = wait_from(at_ns, rota) if level != levels[-1] else None
        steps.append(Step(level, at_ns, hours, audience(contacts, party, level, hours), wait))
        at_ns = wait.due_ns if wait else None
    return tuple(steps)


def next_step(
    last_level: int | None,
    last_ns: int,
    contacts: Sequence[Contact],
    party: str,
    rota: Rota,
) -> tuple[int, int] | None:
    """(level, due instant) after what really happened; None above the last level.

    `last_ns`: when the ticket was opened (no level told yet: due at once) or last escalated; a step
    that was late makes the ones after it later, for it is from there that people could answer.
    """
    levels = [n for n in levels_of(contacts, party) if last_level is None or n > last_level]
    if not levels:
        return None
    return levels[0], last_ns if last_level is None else wait_from(last_ns, rota).due_ns


def check_party(configuration: Configuration, party: str) -> str:
    """The party's name; `IncidentError` where it is not there or has nobody to tell."""
    for known in configuration.parties:
        if known.id == party:
            if not levels_of(configuration.contacts, party):
                raise IncidentError(
                    f'party "{party}" has no contact — write a [[contact]] with party = "{party}"'
                )
            return known.name
    there = ", ".join(known.id for known in configuration.parties) or "none"
    raise IncidentError(f'there is no party "{party}" — there are: {there}')
