"""The trains that are out: who they are, where they go, what happened to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent.engine.channel import Channel, TrainCounters
from agent.kernel.addresses import NAME_OCTETS
from agent.samples import TrainPlan

Place = tuple[str, int, int, bytes]
"""Kind, IP version and number of the socket, then port and address of the far end (`source_of`)."""


@dataclass(slots=True)
class ActiveTrain:
    """One train on its way."""

    plan: TrainPlan
    place: Place
    start_ns: int
    """UTC of its first planned packet."""
    slots: range
    channel: Channel
    deadline_ns: int
    """CLOCK_MONOTONIC: nothing that comes later is looked at. Moves when packets leave late."""
    offset_ns: int
    """CLOCK_REALTIME - CLOCK_MONOTONIC when it was planned."""
    drops: int
    """What the socket had dropped before."""
    block: Any
    """The memory that its headers point into."""
    counters: TrainCounters = field(default_factory=TrainCounters)


class TrainTable:
    """Active trains by index, with the columns that matching a batch of replies needs."""

    def __init__(self) -> None:
        self.active: list[ActiveTrain | None] = []
        self.names = np.zeros((64, NAME_OCTETS), np.uint8)
        self.sizes = np.zeros(64, np.int64)
        self._free: list[int] = []

    def reserve(self) -> int:
        """An index for a new train."""
        if self._free:
            return self._free.pop()
        self.active.append(None)
        if len(self.active) > len(self.sizes):
            self.names = np.concatenate((self.names, np.zeros_like(self.names)))
            self.sizes = np.concatenate((self.sizes, np.zeros_like(self.sizes)))
        return len(self.active) - 1

    def release(self, index: int) -> None:
        """The train is closed; its index may be used again."""
        self.active[index] = None
        self._free.append(index)

    def counters(self, index: int) -> TrainCounters | None:
        """The counters of an active train, None for any other index."""
        train = self.active[index] if index >= 0 else None
        return train.counters if train else None
