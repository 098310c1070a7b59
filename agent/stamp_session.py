"""STAMP sessions on a channel: stamps requests, recognises replies, learns of the reflector.

Every train is a session with a random SSID. What makes a reply ours is the T1 that it echoes, whose
lowest bits are random, and the address that it comes from.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.batch_socket import Control, ReceiveVector
from agent.channel import Matches
from agent.clock import Clock, clock_state
from agent.samples import (
    ReflectorFacts,
    StampFormat,
    StampOptions,
    StampSource,
    TrainPlan,
    TrainSamples,
)
from agent.slots import Slots, SlotTable
from agent.sockets import ProbeSocket
from agent.trains import TrainTable
from agent.wire import stamp
from agent.wire.ntp import decode_error_estimate, encode_error_estimate, from_wire, keyed_t1
from agent.wire.octets import column
from agent.wire.tlv import SenderTlvs, Shape, read_reply_tlvs, shape

REMEMBERED = 4096
"""T1 keys of closed trains that are kept, to tell very late replies from made-up ones."""


@dataclass(slots=True)
class Session:
    """One train as a STAMP session."""

    base: int
    """Its first slot; the sequence number counts from here."""
    size: int
    packets: npt.NDArray[np.uint8]
    options: StampOptions
    shape: Shape
    tlvs: SenderTlvs
    ssid: int
    error_estimates: Counter[int] = field(default_factory=Counter)
    ssid_echoed: bool = False
    swapped: bool = False
    follow_ups: dict[int, int] = field(default_factory=dict)
    """Reflector's sequence number -> wire stamp of when that reply left it."""
    dscp_seen: int | None = None
    dscp_back: int | None = None


def tlvs_of(plan: TrainPlan) -> SenderTlvs:
    """What the requests of this train ask of the reflector."""
    options = plan.stamp or StampOptions()
    return SenderTlvs(
        timestamp_information=options.timestamp_information,
        class_of_service=plan.dscp if options.class_of_service else None,
        follow_up=options.follow_up,
    )


class StampCodec:
    """STAMP requests and replies of one socket; all its sessions are of one format."""

    def __init__(
        self,
        probe: ProbeSocket,
        table: SlotTable,
        trains: TrainTable,
        clock: Clock,
        authenticated: bool,
    ) -> None:
        self._version: Literal[4, 6] = probe.version
        self._table = table
        self._trains = trains
        self._clock = clock
        self._authenticated = authenticated
        self._at = stamp.AUTHENTICATED if authenticated else stamp.PLAIN
        self._sessions: dict[int, Session] = {}
        self._by_t1: dict[int, int] = {}
        self._closed: deque[int] = deque()
        self._by_source: dict[bytes, int] = {}
        self._batch: tuple[stamp.ReplyBatch, Control] | None = None

    def prepare(self, packets: npt.NDArray[np.uint8], slots: Slots, plan: TrainPlan) -> None:
        """Write all but T1 into the packets of trains of one shape."""
        options = plan.stamp or StampOptions()
        tlvs = tlvs_of(plan)
        made = shape(plan.size, self._authenticated, tlvs)
        clock = clock_state()
        estimate = encode_error_estimate(clock.synchronised, clock.error_ns, options.time_format)
        sequence = np.arange(plan.packets, dtype=np.uint32)
        for first in range(0, len(slots), plan.packets):
            index = int(self._table.train[slots[first]])
            mine = packets[first : first + plan.packets]
            ssid = int.from_bytes(os.urandom(2), "big") or 1
            nothing = np.zeros(plan.packets, np.uint64)
            stamp.build_sender(
                sequence, nothing, estimate, ssid, plan.size, options.auth_key, tlvs, out=mine
            )
            self._sessions[index] = Session(
                int(slots[first]), plan.size, mine, options, made, tlvs, ssid
            )
            self._by_source[self._source(self._trains.names[index])] = index

    def _source(self, name: npt.NDArray[np.uint8]) -> bytes:
        """Port and address of a sockaddr."""
        if self._version == 4:
            return name[2:8].tobytes()
        return name[2:4].tobytes() + name[8:24].tobytes()

    def sending(self, slots: Slots) -> None:
        """Write T1 with its random bits, and the HMAC where there is a key."""
        table = self._table
        now = self._clock.realtime_ns()
        formats = {"ntp": keyed_t1(now, table.key[slots], "ntp")}
        for n, (slot, index) in enumerate(
            zip(slots.tolist(), table.train[slots].tolist(), strict=True)
        ):
            session = self._sessions[index]
            time_format = session.options.time_format
            if time_format not in formats:
                formats[time_format] = keyed_t1(now, table.key[slots], time_format)
            t1 = int(formats[time_format][n])
            row = session.packets[slot - session.base : slot - session.base + 1]
            column(row, self._at.stamp, ">u8")[0] = t1
            if session.options.auth_key is not None:
                stamp.sign(row, session.options.auth_key)
            self._by_t1[t1] = slot

    def match(self, vector: ReceiveVector, n: int, control: Control) -> Matches:
        """Recognise the replies of a batch by T1, sequence, source, HMAC and padding."""
        data, lengths = vector.data[:n], vector.lengths[:n]
        replies = stamp.parse_replies(data, lengths, self._authenticated)
        slots = np.full(n, -1, np.int64)
        suspects = np.full(n, -1, np.int64)
        corrupted = np.zeros(n, np.bool_)
        rows_of: dict[int, list[int]] = {}
        t1s, t3s = replies.sender_t1.tolist(), replies.t3.tolist()
        for row in range(n):
            index = self._by_source.get(self._source(vector.names[row]), -1)
            session = self._sessions.get(index)
            slot = self._by_t1.get(t1s[row], -1) if replies.ok[row] else -1
            swapped = False
            if slot < 0 and replies.ok[row] and t3s[row] in self._by_t1:
                slot, swapped = self._by_t1[t3s[row]], True
            if session is None:
                suspects[row] = slot
                if slot >= 0 and self._table.train[slot] < 0:
                    slots[row] = slot  # right key, closed train: counted as such by the channel
                continue
            suspects[row] = session.base
            if slot < 0 or int(self._table.train[slot]) != index:
                continue
            if int(replies.sender_seq[row]) != slot - session.base:
                corrupted[row] = True
                continue
            session.swapped |= swapped
            slots[row] = slot
            rows_of.setdefault(index, []).append(row)
        for index, rows in rows_of.items():
            self._look_closer(index, rows, vector, slots, corrupted)
        self._batch = (replies, control)
        return Matches(slots, suspects, corrupted)

    def _look_closer(
        self,
        index: int,
        rows: list[int],
        vector: ReceiveVector,
        slots: Slots,
        corrupted: npt.NDArray[np.bool_],
    ) -> None:
        """HMAC, padding and TLVs of the replies of one session."""
        session = self._sessions[index]
        at = np.array(rows, np.intp)
        data, lengths = vector.data[at], vector.lengths[at]
        key = session.options.auth_key
        good = np.ones(len(rows), np.bool_)
        if key is not None:
            good &= stamp.verify_hmac(data, lengths, key)
        if session.shape.padding_at >= 0:
            good &= stamp.padding_intact(
                data, lengths, session.size, self._authenticated, session.tlvs
            )
        if not good.all():
            corrupted[at[~good]] = True
            slots[at[~good]] = -1
        if session.shape.headers:
            read = read_reply_tlvs(data, lengths, session.shape, key)
            for n in np.flatnonzero(good & read.intact).tolist():
                if read.follow_up[n]:
                    session.follow_ups[int(read.follow_up_seq[n])] = int(read.follow_up_t3[n])
                if read.class_of_service[n]:
                    session.dscp_seen = int(read.dscp_seen[n])

    def accepted(self, rows: npt.NDArray[np.intp], slots: Slots) -> None:
        """Keep T2, T3 and what the first reply to each packet says of the reflector."""
        if self._batch is None or not len(rows):
            return
        replies, control = self._batch
        table = self._table
        t2, t3 = replies.times_ns(replies.t2)[rows], replies.times_ns(replies.t3)[rows]
        own_t1 = replies.times_ns(replies.sender_t1)[rows]
        for n, (row, slot) in enumerate(zip(rows.tolist(), slots.tolist(), strict=True)):
            session = self._sessions.get(int(table.train[slot]))
            if session is None:
                continue
            table.t2_ns[slot] = t2[n]
            table.t3_ns[slot] = own_t1[n] if session.swapped else t3[n]
            table.t3_source[slot] = StampSource.USERLAND
            table.reflector_seq[slot] = int(replies.seq[row])
            session.error_estimates[int(replies.error_estimate[row])] += 1
            session.ssid_echoed |= int(replies.ssid[row]) == session.ssid
            if control.tos[row] >= 0:
                session.dscp_back = int(control.tos[row]) >> 2

    def quoted(self, vector: ReceiveVector, row: int) -> int:
        """The slot of the request that an ICMP error quotes.

        Where the quotation ends before T1, the first slot of the train to that destination.
        """
        data = vector.data[row : row + 1]
        if int(vector.lengths[row]) >= self._at.stamp + 8:
            return self._by_t1.get(int(column(data, self._at.stamp, ">u8")[0]), -1)
        index = self._by_source.get(self._source(vector.names[row]), -1)
        return self._sessions[index].base if index in self._sessions else -1

    def finished(self, index: int, samples: TrainSamples) -> None:
        """The train is over: fill in the reflector's kernel stamps and what is known of it."""
        session = self._sessions.pop(index)
        self._by_source.pop(self._source(self._trains.names[index]), None)
        self._forget(session)
        estimate, known = 0, False
        if session.error_estimates:
            estimate, known = session.error_estimates.most_common(1)[0][0], True
        told = decode_error_estimate(estimate)
        if session.follow_ups:
            _exact_t3(session.follow_ups, samples, told.time_format)
        numbers = samples.reflector_seq[samples.reflector_seq >= 0]
        own = np.flatnonzero(samples.reflector_seq >= 0)
        samples.reflector = ReflectorFacts(
            stateful=bool(len(numbers)) and bool((numbers != own).any()),
            swapped=session.swapped,
            synchronised=known and told.synchronised,
            error_ns=told.error_ns if known and told.synchronised else None,
            follow_up=bool(session.follow_ups),
            ssid_echoed=session.ssid_echoed,
            dscp_seen=session.dscp_seen,
            dscp_back=session.dscp_back,
        )

    def _forget(self, session: Session) -> None:
        stamps = column(session.packets, self._at.stamp, ">u8").tolist()
        self._closed.extend(t1 for t1 in stamps if t1 in self._by_t1)
        while len(self._closed) > REMEMBERED:
            self._by_t1.pop(self._closed.popleft(), None)


def _exact_t3(follow_ups: dict[int, int], samples: TrainSamples, time_format: StampFormat) -> None:
    """Put the follow-up stamps in the place of the T3 that the replies carried."""
    for n, number in enumerate(samples.reflector_seq.tolist()):
        told = follow_ups.get(number)
        if number >= 0 and told is not None:
            samples.t3_ns[n] = int(from_wire(told, time_format))
            samples.t3_source[n] = StampSource.KERNEL
