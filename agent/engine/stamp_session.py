"""STAMP sessions on a channel: stamps requests, recognises replies, learns of the reflector.

Every train is a session with a random SSID. What makes a reply ours is the T1 that it echoes, whose
lowest bits are random, and the address that it comes from. Two packets of a batch may carry the
same T1, so a reply is looked up by source and sequence, and its T1 compared.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.engine.channel import Matches
from agent.engine.slots import Slots, SlotTable
from agent.engine.trains import TrainTable
from agent.kernel.addresses import source_of
from agent.kernel.batch_socket import Control, ReceiveVector
from agent.kernel.clock import Clock, clock_state
from agent.kernel.sockets import ProbeSocket
from agent.samples import (
    ReflectorFacts,
    StampFormat,
    StampOptions,
    StampSource,
    TrainPlan,
    TrainSamples,
)
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
    t1: npt.NDArray[np.uint64]
    """The T1 column of `packets`, big-endian; 0 = not sent yet."""
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

    def number(self, told: int, t1: int, t3: int) -> tuple[int, bool]:
        """Which of its packets a reply with these fields answers (-1 none), and whether the
        reflector put T1 and T3 in each other's place.
        """
        sent = int(self.t1[told]) if told < len(self.t1) else 0
        if sent == 0 or sent not in (t1, t3):
            return -1, False
        return told, sent != t1


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
        counting: set[bytes],
    ) -> None:
        """`counting`: reflectors that were seen to count for themselves; shared by all sockets."""
        self._version: Literal[4, 6] = probe.version
        self._table = table
        self._trains = trains
        self._clock = clock
        self._authenticated = authenticated
        self._at = stamp.AUTHENTICATED if authenticated else stamp.PLAIN
        self._sessions: dict[int, Session] = {}
        self._counting = counting
        self._by_t1: dict[int, int] = {}
        """Newest slot with this T1, for replies from where they should not come."""
        self._closed: set[int] = set()
        self._closed_in_order: deque[int] = deque()
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
                int(slots[first]), plan.size, mine, column(mine, self._at.stamp, ">u8"),
                options, made, tlvs, ssid,
            )  # fmt: skip
            self._by_source[source_of(self._trains.names[index], self._version)] = index

    def sending(self, slots: Slots) -> None:
        """Write T1 with its random bits, and the HMAC where there is a key."""
        table = self._table
        now = self._clock.realtime_ns()
        columns = slots.tolist(), table.train[slots].tolist(), table.key[slots].tolist()
        for slot, index, key in zip(*columns, strict=True):
            session = self._sessions[index]
            t1 = keyed_t1(now, key, session.options.time_format)
            number = slot - session.base
            session.t1[number] = t1
            if session.options.auth_key is not None:
                stamp.sign(session.packets[number : number + 1], session.options.auth_key)
            self._by_t1[t1] = slot

    def match(self, vector: ReceiveVector, n: int, control: Control) -> Matches:
        """Recognise the replies of a batch by source, sequence, T1, HMAC and padding."""
        data, lengths = vector.data[:n], vector.lengths[:n]
        replies = stamp.parse_replies(data, lengths, self._authenticated)
        slots = np.full(n, -1, np.int64)
        suspects = np.full(n, -1, np.int64)
        corrupted = np.zeros(n, np.bool_)
        closed = np.zeros(n, np.bool_)
        rows_of: dict[int, list[int]] = {}
        fields = zip(
            replies.ok.tolist(), replies.sender_seq.tolist(), replies.sender_t1.tolist(),
            replies.t3.tolist(), strict=True,
        )  # fmt: skip
        for row, (ok, told, t1, t3) in enumerate(fields):
            index = self._by_source.get(source_of(vector.names[row], self._version), -1)
            session = self._sessions.get(index)
            number, swapped = session.number(told, t1, t3) if session and ok else (-1, False)
            if session is not None and number >= 0:
                session.swapped |= swapped
                suspects[row] = slots[row] = session.base + number
                rows_of.setdefault(index, []).append(row)
            elif ok and (t1 in self._closed or t3 in self._closed):
                closed[row] = True
            elif session is not None:
                suspects[row] = session.base
                corrupted[row] = ok and t1 > 0 and bool((session.t1 == t1).any())
            elif ok:
                suspects[row] = self._by_t1.get(t1, -1)
        for index, rows in rows_of.items():
            self._look_closer(index, rows, vector, slots, corrupted)
        self._batch = (replies, control)
        return Matches(slots, suspects, corrupted, closed)

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
        index = self._by_source.get(source_of(vector.names[row], self._version), -1)
        session = self._sessions.get(index)
        if session is None:
            return -1
        if int(vector.lengths[row]) < self._at.stamp + 8:
            return session.base
        t1 = column(vector.data[row : row + 1], self._at.stamp, ">u8")[0]
        numbers = np.flatnonzero(session.t1 == t1)
        return session.base + int(numbers[0]) if len(numbers) else -1

    def finished(self, index: int, samples: TrainSamples) -> None:
        """The train is over: fill in the reflector's kernel stamps and what is known of it."""
        session = self._sessions.pop(index)
        source = source_of(self._trains.names[index], self._version)
        self._by_source.pop(source, None)
        self._forget(session)
        estimate, known = 0, False
        if session.error_estimates:
            estimate, known = session.error_estimates.most_common(1)[0][0], True
        told = decode_error_estimate(estimate)
        if session.follow_ups:
            _exact_t3(session.follow_ups, samples, told.time_format)
        numbers = samples.reflector_seq[samples.reflector_seq >= 0]
        own = np.flatnonzero(samples.reflector_seq >= 0)
        if (numbers != own).any():
            self._counting.add(source)
        samples.reflector = ReflectorFacts(
            stateful=source in self._counting,
            swapped=session.swapped,
            synchronised=known and told.synchronised,
            error_ns=told.error_ns if known and told.synchronised else None,
            follow_up=bool(session.follow_ups),
            ssid_echoed=session.ssid_echoed,
            dscp_seen=session.dscp_seen,
            dscp_back=session.dscp_back,
        )

    def _forget(self, session: Session) -> None:
        for slot, t1 in enumerate(session.t1.tolist(), session.base):
            if t1 == 0:
                continue
            if self._by_t1.get(t1) == slot:
                del self._by_t1[t1]
            if t1 not in self._closed:
                self._closed.add(t1)
                self._closed_in_order.append(t1)
        while len(self._closed_in_order) > REMEMBERED:
            self._closed.discard(self._closed_in_order.popleft())


def _exact_t3(follow_ups: dict[int, int], samples: TrainSamples, time_format: StampFormat) -> None:
    """Put the follow-up stamps in the place of the T3 that the replies carried."""
    for n, number in enumerate(samples.reflector_seq.tolist()):
        told = follow_ups.get(number)
        if number >= 0 and told is not None:
            samples.t3_ns[n] = int(from_wire(told, time_format))
            samples.t3_source[n] = StampSource.KERNEL
