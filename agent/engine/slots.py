"""What is in flight: one slot a packet, in columns, and the queue of what is due when.

A train has a run of neighbouring slots. Slots are handed out round a ring, so that the key of a
packet stays known for as long as possible after its train was closed: that tells a reply which came
very late from one that somebody made up.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agent.kernel.batch_socket import HEADER

Slots = npt.NDArray[np.int64]
FREE = -1
HEADER_WORDS = HEADER.itemsize // 8


def random_keys(count: int) -> npt.NDArray[np.uint64]:
    """Keys that nobody off the path can guess."""
    return np.frombuffer(os.urandom(8 * count), np.uint64).copy()


@dataclass(slots=True)
class SlotTable:
    """Columns over all slots; they move when the table grows, so nothing may point into them."""

    train: npt.NDArray[np.int32] = field(default_factory=lambda: np.full(1024, FREE, np.int32))
    """Index of the active train that holds the slot."""
    key: npt.NDArray[np.uint64] = field(default_factory=lambda: random_keys(1024))
    """What a reply must bring back; random from the start, so that nobody can name an unused slot.
    """
    header: npt.NDArray[np.uint64] = field(
        default_factory=lambda: np.zeros((1024, HEADER_WORDS), np.uint64)
    )
    """Ready `struct mmsghdr`s as rows of words; they point into the blocks that the trains hold."""
    sent: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(1024, np.bool_))
    due_ns: Slots = field(default_factory=lambda: np.zeros(1024, np.int64))
    """CLOCK_MONOTONIC."""
    user_tx_ns: Slots = field(default_factory=lambda: np.zeros(1024, np.int64))
    """CLOCK_REALTIME right before the system call."""
    tx_ns: Slots = field(default_factory=lambda: np.zeros(1024, np.int64))
    """The kernel's stamp, 0 = none yet."""
    rx_ns: Slots = field(default_factory=lambda: np.zeros(1024, np.int64))
    rx_source: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(1024, np.uint8))
    t2_ns: Slots = field(default_factory=lambda: np.zeros(1024, np.int64))
    t3_ns: Slots = field(default_factory=lambda: np.zeros(1024, np.int64))
    t3_source: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(1024, np.uint8))
    reflector_seq: Slots = field(default_factory=lambda: np.zeros(1024, np.int64))
    _head: int = 0

    @property
    def capacity(self) -> int:
        """Number of slots."""
        return len(self.train)

    def allocate(self, count: int) -> int:
        """The first of `count` neighbouring free slots; grows the table where there are none."""
        for start, end in ((self._head, self.capacity), (0, self.capacity)):
            at = start
            while at + count <= end:
                taken = np.flatnonzero(self.train[at : at + count] != FREE)
                if not len(taken):
                    self._head = at + count
                    return at
                at += int(taken[-1]) + 1
        at = self.capacity
        self._grow(max(at, count))
        self._head = at + count
        return at

    def _grow(self, by: int) -> None:
        for name in self.__dataclass_fields__:
            if name.startswith("_"):
                continue
            old = getattr(self, name)
            new = np.zeros((len(old) + by, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
        self.train[-by:] = FREE
        self.key[-by:] = random_keys(by)

    def claim(self, slots: slice, train: npt.NDArray[np.int32], due_ns: Slots) -> None:
        """Give the slots to their trains, wiped of what was there before."""
        self.train[slots] = train
        self.due_ns[slots] = due_ns
        self.sent[slots] = False
        for name in ("user_tx_ns", "tx_ns", "rx_ns", "rx_source", "t2_ns", "t3_ns", "t3_source"):
            getattr(self, name)[slots] = 0
        self.reflector_seq[slots] = -1


class DueQueue:
    """Slots in the order of the instants at which they are due (CLOCK_MONOTONIC)."""

    def __init__(self) -> None:
        self._due = np.zeros(0, np.int64)
        self._slots = np.zeros(0, np.int64)
        self._at = 0
        self.next_ns: int | None = None
        """When the next packet is due; None = nothing waits."""

    def __len__(self) -> int:
        return len(self._due) - self._at

    def _moved(self, at: int) -> None:
        self._at = at
        self.next_ns = int(self._due[at]) if at < len(self._due) else None

    def add(self, due_ns: Slots, slots: Slots) -> None:
        """Put packets in; equal instants keep the order in which they came."""
        order = np.argsort(due_ns, kind="stable")
        due_ns, slots = due_ns[order], slots[order]
        # What waits is in order already: only the places of the new ones are looked for.
        places = self._due[self._at :].searchsorted(due_ns, side="right")
        self._due = np.insert(self._due[self._at :], places, due_ns)
        self._slots = np.insert(self._slots[self._at :], places, slots)
        self._moved(0)

    def take(self, until_ns: int, most: int) -> Slots:
        """The slots due by the instant, at most `most` of them."""
        at = self._at
        # Not searchsorted: it makes an array of `until_ns` first, for a dozen comparisons.
        end = bisect_right(self._due, until_ns, at, min(at + most, len(self._due)))
        self._moved(end)
        return self._slots[at:end]

    def drop(self, slots: range) -> None:
        """Forget the packets of these slots that still wait."""
        waiting = self._slots[self._at :]
        kept = (waiting < slots.start) | (waiting >= slots.stop)
        self._due = self._due[self._at :][kept]
        self._slots = waiting[kept]
        self._moved(0)
