"""An agent that says nothing: a suspected outage, until its spool says what it was.

An agent behind a cut line cannot report the cut. After two intervals without a train it is silent;
while it is, trains of its paths are not judged one by one, because a backlog and what is new arrive
beside each other. When the backlog is in, all of it is judged in order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from timeseries.records import PlanRecord, TrainRecord

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often something must be heard of an agent, from its active paths."""

    every_ns: int
    """The shortest interval."""
    tail_ns: int
    """From the start of a train to its record: its packets and the timeout."""
    paths: int = 1


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited."""

    intervals: int = 2
    grace_ns: int = _SECOND_NS
    """For a record's way through spool and store."""
    settle_ns: int = 900 * _SECOND_NS
    """So long after its return an agent's backlog is waited for."""


@dataclass(frozen=True, slots=True)
class Gap:
    """An agent's silence."""

    agent: str
    from_ns: int
    """Start of the last train that was heard: what comes after it is not known."""
    heard_ns: int = 0
    """When a record of after it was first seen; 0: silent still."""


class Finding(StrEnum):
    """What a silence turned out to be."""

    OUTAGE = "outage"
    """Trains from the spool were lost: the line was down."""
    AGENT_DOWN = "agent-down"
    """The agent was started anew and measured nothing before: nobody knows of an outage."""
    UNHEARD = "unheard"
    """Trains from the spool are good: only the way to the store was cut."""


def silent_since(last_ns: int, now_ns: int, rhythm: Rhythm, patience: Patience) -> int | None:
    """Since when an agent is silent, whose newest train started at `last_ns`; None: it is not."""
    due = last_ns + patience.intervals * rhythm.every_ns + rhythm.tail_ns + patience.grace_ns
    return last_ns if now_ns > due else None


def complete(
    gap: Gap,
    now_ns: int,
    trains: Collection[TrainRecord],
    plans: Iterable[PlanRecord],
    rhythm: Rhythm,
    patience: Patience,
) -> bool:
    """Whether the backlog of a silence is in, so that it can be judged.

    It is when the trains since then stand close together, when the agent was started anew and what
    follows its start does, or when it was waited for long enough.
    """
    if not trains:
        return False
    if gap.heard_ns and now_ns >= gap.heard_ns + patience.settle_ns:
        return True
    starts = sorted({train.start_ns for train in trains})
    begins = {plan.start_ns for plan in plans if plan.agent == gap.agent and plan.active}
    reached = gap.from_ns
    for start in starts:
        # A start of the agent explains what is missing before it.
        restarted = any(reached < begin <= start for begin in begins)
        if start - reached > 3 * rhythm.every_ns // 2 and not restarted:
            return False
        reached = start
    return True


def restarted_in(gap: Gap, trains: Iterable[TrainRecord], plans: Iterable[PlanRecord]) -> bool:
    """Whether the agent was started anew before it measured anything again."""
    first = min((train.start_ns for train in trains), default=None)
    return first is not None and any(
        plan.agent == gap.agent and plan.active and gap.from_ns < plan.start_ns <= first
        for plan in plans
    )
