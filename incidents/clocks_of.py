"""How much is left of each time limit of a ticket.

Two clocks: the guaranteed restoration (GTR, garantie de temps de rétablissement: hours around the
clock, procedure 1.5.2 and 2) and the contract's restoration limit, which runs in the delivery
window or in working days; how is the business of `analysis`, so its end is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from incidents.tickets import State, Ticket

HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """The contract's limit for a ticket: the earliest of those of the PAS and services it hits."""

    due_ns: int
    """The last instant that is in time."""
    left_ns: Callable[[int], int] | None
    """Time that counts from an instant to the end, in the right hours; None for days."""
    text: str
    """As `8 hours of the normal window` or `end of the 2nd working day`."""


Limits = Callable[[Ticket], Limit | None]
"""None: the contract has no limit for this ticket."""


def no_limits(ticket: Ticket) -> Limit | None:  # noqa: ARG001 (this is a `Limits`)
    """Where there is no contract."""
    return None


@dataclass(frozen=True, slots=True)
class Clock:
    """One limit of one ticket at one moment."""

    name: Literal["gtr", "restoration"]
    begins_ns: int
    due_ns: int
    ended_ns: int | None
    """When it was stopped; None: it runs."""
    left_ns: int
    """Elapsed nanoseconds to the end; negative: beyond it. Of a stopped clock as it stopped."""
    counted_left_ns: int | None
    """The same in the hours that count; None where days count, or every hour does."""
    text: str

    @property
    def kept(self) -> bool:
        """Whether it was or still can be kept."""
        return self.left_ns >= 0


def clocks_of(
    ticket: Ticket, now_ns: int, *, gtr_ns: int, limits: Limits = no_limits
) -> tuple[Clock, ...]:
    """The clocks of a ticket; none of one that was withdrawn.

    The GTR begins when the provider was told (its ticket is the official declaration, 1.4), until
    then at the fault, and ends with the restoration. The contract's limit begins with the user's
    report and ends with the closure (annex, line 118); without a report it begins at the fault.
    """
    if ticket.state is State.WITHDRAWN:
        return ()
    begins = ticket.opened_ns if ticket.declared_ns is None else ticket.declared_ns
    hours = gtr_ns / HOUR_NS
    clocks = [
        _clock("gtr", begins, begins + gtr_ns, ticket.restored_ns, now_ns, None, f"{hours:g} h")
    ]
    limit = limits(ticket)
    if limit is not None:
        begins = ticket.opened_ns if ticket.reported_ns is None else ticket.reported_ns
        clocks.append(
            _clock(
                "restoration",
                begins,
                limit.due_ns,
                ticket.closed_ns,
                now_ns,
                limit.left_ns,
                limit.text,
            )
        )
    return tuple(clocks)


def _clock(
    name: Literal["gtr", "restoration"],
    begins_ns: int,
    due_ns: int,
    ended_ns: int | None,
    now_ns: int,
    counted: Callable[[int], int] | None,
    text: str,
) -> Clock:
    at = now_ns if ended_ns is None else ended_ns
    left = None if counted is None else counted(at)
    return Clock(name, begins_ns, due_ns, ended_ns, due_ns - at, left, text)


def left_words(clock: Clock) -> str:
    """What is left, for a table: `2 h 05 min left`, `41 min over`, `kept`."""
    if clock.ended_ns is not None:
        return "kept" if clock.kept else f"{_span(-clock.left_ns)} over, ended"
    if not clock.kept:
        return f"{_span(-clock.left_ns)} over"
    left = clock.left_ns if clock.counted_left_ns is None else clock.counted_left_ns
    return f"{_span(left)} left"


def _span(ns: int) -> str:
    minutes = ns // 60_000_000_000
    days, rest = divmod(minutes, 24 * 60)
    if days:
        return f"{days} d {rest // 60} h"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
