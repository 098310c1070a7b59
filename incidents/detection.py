"""When trains of a path become an alert, and when it is over: N of M, with hysteresis.

Pure: trains in, turns out. A path's state is a value that the watch keeps in the desk's file, in
the same transaction as the alerts that it made, so that a kill at any moment neither loses an
alert nor raises it twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from fractions import Fraction
from typing import Literal

from agent.daemon.tally import within_limit
from incidents.tickets import Severity
from timeseries.records import TrainRecord

_CUT_OFF = frozenset({"ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN"})
"""Errors with which a kernel says that the line is gone: nothing was sent, and that tells much."""

LEAST = 2
"""Packets beyond a limit of the contract that make a train bad."""


class Level(IntEnum):
    """How bad one train is."""

    GOOD = 0
    DEGRADED = 1
    LOST = 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a train is bad, and how many of them make an alert."""

    loss_percent: Fraction = Fraction(20)
    """More lost than this is degraded; everything lost is an outage of its own."""
    loss_limit: Fraction | None = None
    """Percent: a limit of the contract, see `beyond`; None, here and below: not judged."""
    beyond_percent: Fraction | None = None
    """More packets beyond the train's own delay limit than this is degraded."""
    jitter_ns: int | None = None
    """A mean IPDV above this is degraded."""
    lost: tuple[int, int] = (2, 3)
    """N of the last M trains wholly lost: an outage (blocking)."""
    degraded: tuple[int, int] = (3, 5)
    """N of the last M trains degraded or lost: a degradation (non-blocking)."""
    clear_after: int = 3
    """Good trains in a row that end either; fewer are flapping."""

    def __post_init__(self) -> None:
        for n, m in (self.lost, self.degraded):
            if not 1 <= n <= m:
                raise ValueError(f"{n} of {m} trains: N is at least 1 and at most M")
        if self.clear_after < 1:
            raise ValueError("clear_after is at least 1")


@dataclass(frozen=True, slots=True)
class PathState:
    """What must be remembered of one path between two looks."""

    last_ns: int = 0
    """Start of the newest train looked at."""
    recent: tuple[tuple[int, Level], ...] = ()
    """(start, level) of the newest trains, as many as the bounds look back."""
    raised: Severity | None = None
    first_ns: int = 0
    """Start of the first bad train of what is raised: names the alert."""
    good: int = 0
    good_ns: int = 0
    """Start of the first of the good trains in a row."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A path became bad, or good again."""

    path: str
    severity: Severity
    state: Literal["raised", "cleared"]
    first_ns: int
    at_ns: int
    """Raised: the first bad train; cleared: the first good one."""
    trains: tuple[int, ...] = field(default=())
    """Starts of the trains that decided."""


def level_of(train: TrainRecord, bounds: Bounds) -> Level | None:
    """How bad a train is; None for one that says nothing because the agent spoiled it."""
    refused = {name for name, _ in train.send_errors}
    if train.received == 0 and refused and refused <= _CUT_OFF:
        return Level.LOST
    if not train.valid or train.sent == 0:
        return None
    if train.received == 0:
        return Level.LOST
    if 100 * train.lost > bounds.loss_percent * train.sent:
        return Level.DEGRADED
    return Level.DEGRADED if beyond(train, bounds) else Level.GOOD


def beyond(train: TrainRecord, bounds: Bounds) -> bool:
    """Whether a train with replies is beyond a limit of the contract.

    The limits are for months: one packet of ten is beyond any of them and says nothing yet, so it
    takes two.
    """
    loss = bounds.loss_limit
    if loss is not None and train.lost >= LEAST and 100 * train.lost > loss * train.sent:
        return True
    within, judged = within_limit(train)
    late = judged - within
    if (
        bounds.beyond_percent is not None
        and late >= min(LEAST, judged)
        and 100 * late > bounds.beyond_percent * judged
    ):
        return True
    jitter = train.rtt.ipdv_mean_ns
    return bounds.jitter_ns is not None and jitter is not None and jitter > bounds.jitter_ns


def fold(
    path: str, state: PathState, trains: Iterable[TrainRecord], bounds: Bounds
) -> tuple[PathState, tuple[Turn, ...]]:
    """Take trains in by their start; those at or before `last_ns` were taken in already."""
    turns: list[Turn] = []
    for train in sorted(trains, key=lambda one: one.start_ns):
        if train.start_ns <= state.last_ns:
            continue
        level = level_of(train, bounds)
        state = replace(state, last_ns=train.start_ns)
        if level is not None:
            state, turn = take(path, state, train.start_ns, level, bounds)
            turns += turn
    return state, tuple(turns)


def take(
    path: str, state: PathState, at_ns: int, level: Level, bounds: Bounds
) -> tuple[PathState, tuple[Turn, ...]]:
    """Take one look in: a train, or a check of an application."""
    turns: list[Turn] = []
    keep = max(bounds.lost[1], bounds.degraded[1])
    state = replace(state, last_ns=at_ns, recent=(*state.recent, (at_ns, level))[-keep:])
    if level is Level.GOOD:
        state = replace(state, good=state.good + 1, good_ns=state.good_ns or at_ns)
    else:
        state = replace(state, good=0, good_ns=0)
    if state.raised is not None and state.good >= bounds.clear_after:
        turns.append(Turn(path, state.raised, "cleared", state.first_ns, state.good_ns))
        return replace(state, raised=None, first_ns=0, recent=()), tuple(turns)
    rules: tuple[tuple[Severity, Level, tuple[int, int]], ...] = (
        ("blocking", Level.LOST, bounds.lost),
        ("non-blocking", Level.DEGRADED, bounds.degraded),
    )
    for severity, least, (n, m) in rules:
        bad = tuple(ns for ns, one in state.recent[-m:] if one >= least)
        if len(bad) < n or state.raised in (severity, "blocking"):
            continue
        if state.raised is not None:
            # Worse than it was: what was less is over where this begins.
            turns.append(Turn(path, state.raised, "cleared", state.first_ns, bad[0]))
        turns.append(Turn(path, severity, "raised", bad[0], bad[0], bad))
        return replace(state, raised=severity, first_ns=bad[0]), tuple(turns)
    return state, ()


def alone(
    application: PathState, first_ns: int, *, over: bool, lines: Iterable[PathState], failures: int
) -> bool:
    """Whether an application failed by itself, and not with the lines of its PAS.

    A line must be seen good after the first failed check: since before it, or else for so many
    failed checks. Without a line nothing is known but the application.
    """
    known = tuple(lines)
    for line in known:
        if line.good == 0 or line.last_ns <= first_ns:
            continue
        since = [ns for ns, level in application.recent if level is Level.LOST]
        if line.good_ns <= first_ns or (
            not over and sum(ns >= line.good_ns for ns in since) >= failures
        ):
            return True
    return not known
