"""One socket with many trains on it: sends what is due, drains stamps, errors and replies.

What the octets mean is the codec's business (`agent.engine.echo`, `agent.engine.stamp_session`).
"""

from __future__ import annotations

import errno
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from agent.engine.slots import FREE, HEADER_WORDS, Slots, SlotTable
from agent.kernel.batch_socket import (
    HEADER,
    MSG_ERRQUEUE,
    ORIGIN_ICMP,
    ORIGIN_LOCAL,
    ORIGIN_TIMESTAMPING,
    Control,
    ReceiveVector,
    send_headers,
    would_block,
)
from agent.kernel.clock import Clock
from agent.kernel.sockets import ProbeSocket
from agent.samples import StampSource, TrainPlan, TrainSamples

SEND_BATCH = 256
FULL_RETRY_NS = 2_000_000
"""How long a batch waits for a full send buffer or device queue before its packets are given up."""
STALE_ERROR_TRIES = 4
"""An ICMP error for one target comes back from the next send, whoever it is for: look again."""

MOST_STALE_ERRORS = 1024
"""Errors that one drain steps over, so that a socket that only fails cannot hold up the rest."""


@dataclass(slots=True)
class Matches:
    """What a batch of replies turned out to be."""

    slots: Slots
    """The slot of an active train that each row answers with the right key; -1 for other rows."""
    suspects: Slots
    """Slot that a row names, though key, octets or source are wrong; -1 = names none of ours."""
    corrupted: npt.NDArray[np.bool_]
    """The key is right and the octets are not, or the checksum says that some are not."""
    closed: npt.NDArray[np.bool_]
    """The key is right, and its train is over."""


class Codec(Protocol):
    """How packets are made and recognised."""

    def prepare(self, packets: npt.NDArray[np.uint8], slots: Slots, plan: TrainPlan) -> None:
        """Write the packets of trains of one shape, one a row, as far as they are known now."""
        ...

    def sending(self, slots: Slots) -> None:
        """Write into the packets what is only known now (STAMP's T1)."""
        ...

    def match(self, vector: ReceiveVector, n: int, control: Control) -> Matches:
        """Recognise the replies of a batch."""
        ...

    def accepted(self, rows: npt.NDArray[np.intp], slots: Slots) -> None:
        """Keep what these rows of the batch just matched say besides: the first reply of each."""
        ...

    def quoted(self, vector: ReceiveVector, row: int) -> int:
        """The slot whose packet an ICMP error quotes, -1 where it cannot be told."""
        ...

    def finished(self, index: int, samples: TrainSamples) -> None:
        """The train of this index is over: add what the codec knows of it, and forget it."""
        ...


@dataclass(slots=True)
class TrainCounters:
    """What happened to one train besides its samples."""

    duplicates: int = 0
    corrupted: int = 0
    spoofed: int = 0
    icmp_errors: Counter[tuple[Literal[4, 6], int, int, str]] = field(default_factory=Counter)
    send_errors: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class EngineCounters:
    """What the engine saw that belongs to no running train, since it started."""

    after_close: int = 0
    """Replies with the right key to trains already closed."""
    foreign: int = 0
    """Datagrams that name no train of ours."""
    unattributed_errors: int = 0
    """ICMP errors whose quotation does not tell the packet."""
    missed_slots: int = 0
    send_retries: int = 0
    """Batches that waited for room in a send buffer."""


class Channel:
    """A probe socket and the way packets of the slot table pass through it."""

    def __init__(
        self,
        probe: ProbeSocket,
        codec: Codec,
        table: SlotTable,
        counters: Callable[[int], TrainCounters | None],
        engine: EngineCounters,
        clock: Clock,
        vector: ReceiveVector,
    ) -> None:
        self.probe = probe
        self.codec = codec
        self.in_flight = 0
        """Active trains on this socket."""
        self.unread = 0
        """Packets sent since the last drain: what may be waiting in the queues."""
        self.answered = 0
        """Packets that got their first reply, for progress and early ends."""
        self.stamped = False
        """TX stamps really come back on this socket."""
        self.vector = vector
        self._table = table
        self._counters = counters
        self._engine = engine
        self._clock = clock
        self._fd = probe.fd
        self._outgoing = np.zeros((SEND_BATCH, HEADER_WORDS), np.uint64)
        self._pointer = self._outgoing.ctypes.data
        ids = 0 if probe.chosen_ids else 1 << 16
        self._ring = np.full(ids, FREE, np.int64)
        """TX stamp id mod 2^16 -> slot, where the kernel counts the ids itself."""
        self._next_id = 0
        self._doubtful = np.zeros(ids, np.bool_)
        """Ids of packets that had no stamp yet when the count was started again: whose a stamp with
        such an id is cannot be told, so it is nobody's."""

    def close(self) -> None:
        """Close the socket."""
        self.probe.sock.close()

    def send(self, slots: Slots) -> int:
        """Send the packets of these slots (at most `SEND_BATCH`); returns how many were taken."""
        table = self._table
        self.codec.sending(slots)
        count = len(slots)
        table.header.take(slots, axis=0, out=self._outgoing[:count], mode="clip")
        done, taken, tries = 0, 0, 0
        give_up_ns = 0
        while done < count:
            now = self._clock.realtime_ns()
            result = send_headers(self._fd, self._pointer + done * HEADER.itemsize, count - done)
            if result > 0:
                part = slots[done : done + result] if result < count else slots
                table.sent[part] = True
                table.user_tx_ns[part] = now
                if not self.probe.chosen_ids:
                    self._number(part)
                done += result
                taken += result
                tries = 0
                if done < count:
                    self._resynchronise()  # the packet after these was refused, why is not said
                continue
            if -result in (errno.EAGAIN, errno.ENOBUFS):
                if not give_up_ns:
                    give_up_ns = self._clock.monotonic_ns() + FULL_RETRY_NS
                    self._engine.send_retries += 1
                self._resynchronise()
                if self._clock.monotonic_ns() < give_up_ns:
                    time.sleep(50e-6)
                    continue
            elif tries < STALE_ERROR_TRIES and -result not in (errno.EPERM, errno.EMSGSIZE):
                tries += 1
                self.probe.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self._resynchronise()
                continue
            self._refused(int(slots[done]), -result)
            done += 1
            tries = 0
        self.unread += taken
        return taken

    def _number(self, slots: Slots) -> None:
        """Note which ids the kernel gave to these packets."""
        first, self._next_id = self._next_id, self._next_id + len(slots)
        self._ring[np.arange(first, self._next_id) & 0xFFFF] = slots
        if first >> 16 != self._next_id >> 16:
            self._doubtful[:] = False  # 65,536 packets ago

    def _refused(self, slot: int, error: int) -> None:
        counters = self._counters(int(self._table.train[slot]))
        if counters is not None:
            counters.send_errors[errno.errorcode.get(error, str(error))] += 1
        self._resynchronise()

    def _resynchronise(self) -> None:
        """A refused send may or may not have used up an id: begin to count anew.

        Packets that wait in the device's queue bring their stamps later, under their old ids.
        """
        if self.probe.chosen_ids or not self.probe.stamps:
            return
        self.drain_errors()
        self._doubtful |= self._ring >= 0
        self.probe.restart_ids()
        self._next_id = 0
        self._ring[:] = FREE

    def drain(self) -> None:
        """Read all stamps, ICMP errors and replies that wait in the kernel."""
        self.unread = 0
        self.drain_errors()
        errors, shorter = 0, 0
        # An ICMP error that arrives meanwhile cuts a batch short: a second look finds the rest.
        while errors < MOST_STALE_ERRORS and shorter < 2:
            n = self.vector.receive(self._fd)
            if n < 0:
                if would_block(n):
                    return
                errors += 1  # an ICMP error for some target; its details are in the error queue
                continue
            control = self.vector.control(n)
            self._replies(self.codec.match(self.vector, n, control), control)
            shorter += n < self.vector.batch

    def _replies(self, matches: Matches, control: Control) -> None:
        table = self._table
        rows = np.flatnonzero(matches.slots >= 0)
        if len(rows) < len(matches.slots):
            self._strangers(matches)
        slots = matches.slots[rows]
        fresh = table.rx_ns[slots] == 0
        _, firsts = np.unique(slots, return_index=True)
        if len(firsts) < len(slots):
            first = np.zeros(len(slots), np.bool_)
            first[firsts] = True
            fresh &= first
        if not fresh.all():
            self._repeated(slots[~fresh])
            rows, slots = rows[fresh], slots[fresh]
        stamps = control.stamp_ns[rows]
        table.rx_source[slots] = StampSource.KERNEL
        if not stamps.all():
            table.rx_source[slots[stamps == 0]] = StampSource.USERLAND
            stamps[stamps == 0] = self._clock.realtime_ns()
        table.rx_ns[slots] = stamps
        self.codec.accepted(rows, slots)
        self.answered += len(slots)

    def _repeated(self, slots: Slots) -> None:
        for slot in slots.tolist():
            counters = self._counters(int(self._table.train[slot]))
            if counters is not None:
                counters.duplicates += 1

    def _strangers(self, matches: Matches) -> None:
        for row in np.flatnonzero(matches.slots < 0).tolist():
            if matches.closed[row]:
                self._engine.after_close += 1
                continue
            suspect = int(matches.suspects[row])
            train = int(self._table.train[suspect]) if suspect >= 0 else FREE
            counters = self._counters(train)
            if counters is None:
                self._engine.foreign += 1
            elif matches.corrupted[row]:
                counters.corrupted += 1
            else:
                counters.spoofed += 1

    def drain_errors(self) -> None:
        """Read the error queue: TX stamps, and ICMP errors with what they quote."""
        while (n := self.vector.receive(self._fd, MSG_ERRQUEUE)) != 0:
            if n < 0:
                return
            control = self.vector.control(n)
            stamps = control.origin == ORIGIN_TIMESTAMPING
            self._transmitted(control.data[stamps], control.stamp_ns[stamps])
            if not stamps.all():
                for row in np.flatnonzero(~stamps).tolist():
                    self._error(row, control)
            if n < self.vector.batch:
                return

    def _transmitted(self, ids: npt.NDArray[Any], stamps: Slots) -> None:
        if self.probe.chosen_ids:
            slots = ids.astype(np.int64)
            known = slots < self._table.capacity
        else:
            places = ids & 0xFFFF
            slots = self._ring[places]
            self._ring[places] = FREE
            known = (slots >= 0) & ~self._doubtful[places]
        if not known.all():
            slots, stamps = slots[known], stamps[known]
        self._table.tx_ns[slots] = stamps
        self.stamped |= len(slots) > 0

    def _error(self, row: int, control: Control) -> None:
        origin = int(control.origin[row])
        if origin == ORIGIN_LOCAL:
            return  # the call that sent the packet has said so too
        slot = self.codec.quoted(self.vector, row)
        counters = self._counters(int(self._table.train[slot])) if slot >= 0 else None
        if counters is None:
            self._engine.unattributed_errors += 1
            return
        version: Literal[4, 6] = 4 if origin == ORIGIN_ICMP else 6
        sender = address_of(self.vector.offender(row, control))
        counters.icmp_errors[version, int(control.kind[row]), int(control.code[row]), sender] += 1


def address_of(name: npt.NDArray[np.uint8]) -> str:
    """The address in a sockaddr, empty where there is none."""
    family = int(name[0]) | int(name[1]) << 8
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, name[4:8].tobytes())
    if family == socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET6, name[8:24].tobytes())
    return ""
