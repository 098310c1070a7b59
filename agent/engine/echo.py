"""ICMP echo on a channel: fills requests, recognises replies and quoted requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agent.engine.channel import Matches
from agent.engine.slots import FREE, Slots, SlotTable
from agent.engine.trains import TrainTable
from agent.kernel.batch_socket import Control, ReceiveVector
from agent.kernel.sockets import ProbeSocket
from agent.samples import TrainPlan, TrainSamples
from agent.wire import icmp


class EchoCodec:
    """Echo requests and replies of one socket, IPv4 or IPv6."""

    def __init__(self, probe: ProbeSocket, table: SlotTable, trains: TrainTable) -> None:
        self._probe = probe
        self._table = table
        self._trains = trains
        self._has_ip_header = probe.kind == "icmp-raw" and probe.version == 4
        self._source = slice(4, 8) if probe.version == 4 else slice(8, 24)
        self._by_sequence = np.full(1 << 16, FREE, np.int64)
        """Newest slot by 16-bit sequence, for ICMP errors that quote no more."""

    def prepare(self, packets: npt.NDArray[np.uint8], slots: Slots, plan: TrainPlan) -> None:
        """Write the requests of these slots into the rows of `packets`."""
        del plan  # one layout serves all
        keys = self._table.key[slots]
        icmp.build_requests(packets, self._probe.version, self._probe.identifier, slots, keys)
        self._by_sequence[slots & 0xFFFF] = slots

    def sending(self, slots: Slots) -> None:
        """Nothing in an echo request depends on the instant."""

    def accepted(self, rows: npt.NDArray[np.intp], slots: Slots) -> None:
        """An echo reply says nothing besides."""

    def finished(self, index: int, samples: TrainSamples) -> None:
        """Nothing is kept of an echo train."""

    def match(self, vector: ReceiveVector, n: int, control: Control) -> Matches:
        """Recognise the replies of a batch by slot, key, source and every octet."""
        del control
        messages: npt.NDArray[np.uint8] = vector.data[:n]
        lengths: npt.NDArray[Any] = vector.lengths[:n].astype(np.int64)
        if self._has_ip_header:
            lengths = icmp.strip_ipv4_headers(messages, lengths)
            messages = messages[:, 20:]
        table = self._table
        claimed = icmp.read_slots(messages, lengths)
        claimed[claimed >= table.capacity] = -1
        train = table.train[claimed]
        right_key = (claimed >= 0) & (icmp.read_keys(messages) == table.key[claimed])
        active = right_key & (train != FREE)
        names = self._trains.names[train][:, self._source]
        right_source = (vector.names[:n, self._source] == names).all(axis=1)
        sizes = np.where(active, self._trains.sizes[train], lengths)
        whole = icmp.intact(messages, lengths, sizes, self._probe.version)
        whole &= icmp.sequences(messages) == claimed & 0xFFFF
        good = active & whole & right_source
        if good.all():
            return Matches(claimed, claimed, ~good, ~good)
        wrong_key = (claimed >= 0) & ~right_key
        damaged = np.zeros(n, np.bool_)
        if self._has_ip_header and wrong_key.any():
            damaged[wrong_key] = icmp.damaged(messages[wrong_key], lengths[wrong_key])
            claimed[damaged & ~right_source] = -1  # even the slot may be a flipped bit
        return Matches(
            slots=np.where(good, claimed, -1),
            suspects=claimed,
            corrupted=right_source & ((active & ~whole) | damaged),
            closed=right_key & whole & ~active,
        )

    def quoted(self, vector: ReceiveVector, row: int) -> int:
        """The slot of the request that an ICMP error quotes: by key, or else by sequence."""
        message = vector.data[row : row + 1]
        length = vector.lengths[row : row + 1].astype(np.int64)
        if length[0] >= icmp.MIN_SIZE:
            slot = int(icmp.read_slots(message, length)[0])
            if 0 <= slot < self._table.capacity and (
                icmp.read_keys(message)[0] == self._table.key[slot]
            ):
                return slot
            return -1
        if length[0] < icmp.HEADER_OCTETS:
            return -1
        if int(icmp.identifiers(message)[0]) != self._probe.identifier:
            return -1
        slot = int(self._by_sequence[icmp.sequences(message)[0]])
        train = int(self._table.train[slot])
        if slot < 0 or train < 0:
            return -1
        to = self._trains.names[train][self._source]
        return slot if (vector.names[row, self._source] == to).all() else -1
