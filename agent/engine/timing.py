"""The engine's instants and intervals: CLOCK_MONOTONIC, nanoseconds."""

from __future__ import annotations

import time

GRID_NS = 1_000_000
"""Trains start on whole milliseconds of the monotonic clock: what is due together goes out in one
system call, and the phase of a train is still random (RFC 3432, section 4)."""
MISSED_NS = 1_000_000_000
"""A train whose start is longer past than this was missed: it is not sent in a rush."""
GRACE_NS = 250_000_000
"""How long after the last timeout a train waits for late replies and duplicates."""
LATE_NS = 50_000_000
"""Packets that leave later than this give their train that much more time for their replies."""
DRAIN_NS = 1_000_000_000
"""The agent's stamps and replies are fetched at least this often; its trains end on multiples of
it, so that one fetch serves all that end together."""
LOOK_NS = 250_000_000
"""So often it is seen whether a receive buffer fills (a flood would push out the replies), and a
one-off run, which somebody watches, is fetched from."""
DRAIN_PACKETS = 128
"""So many packets sent are followed by a fetch: small ones, for the next packet waits meanwhile."""
EARLY_NS = 2_000_000
"""epoll counts in milliseconds: so much before the next instant it is left for an exact sleep."""
SETTLE_NS = 20_000_000
"""For how long the end of a one-off run waits for a stamp that did not come."""


def on_grid(monotonic_ns: int) -> int:
    """The instant, moved up to the grid on which packets of different trains meet."""
    return -(-monotonic_ns // GRID_NS) * GRID_NS


def monotonic_now_ns() -> int:
    """CLOCK_MONOTONIC, the clock of all start instants."""
    return time.monotonic_ns()
