"""The probe engine: trains in, samples out, every packet at its instant.

One thread, no asyncio. Packets are built when a train is added and sent by one system call a tick;
replies and stamps wait in the kernel, which has already taken their time, until it is worth
fetching a batch of them. All deadlines are absolute, so lateness never adds up.
"""

from __future__ import annotations

import heapq
import os
import select
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agent.engine.channel import SEND_BATCH, Channel, Codec, EngineCounters
from agent.engine.echo import EchoCodec
from agent.engine.harvest import harvest
from agent.engine.headers import point_headers
from agent.engine.slots import FREE, DueQueue, SlotTable
from agent.engine.stamp_session import StampCodec, tlvs_of
from agent.engine.timing import (
    DRAIN_NS,
    DRAIN_PACKETS,
    EARLY_NS,
    GRACE_NS,
    LATE_NS,
    LOOK_NS,
    MISSED_NS,
    SETTLE_NS,
)
from agent.engine.trains import ActiveTrain, Place, TrainTable
from agent.errors import ProbeError
from agent.kernel.addresses import sockaddr, source_of, version_of
from agent.kernel.batch_socket import ReceiveVector
from agent.kernel.clock import Clock, SystemClock, clock_state, realtime_offset_ns
from agent.kernel.sockets import RECEIVE_BUFFER_OCTETS, open_icmp, open_udp
from agent.samples import TrainPlan, TrainSamples
from agent.wire import icmp
from agent.wire.tlv import shape


class Engine:
    """Sends trains and collects their samples.

    `early` ends trains as soon as every packet of every train is answered (one-off commands);
    without it each train stays open until its last timeout and the grace, so that late replies and
    duplicates are seen (the agent).
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        early: bool = False,
        receive_buffer: int = RECEIVE_BUFFER_OCTETS,
    ) -> None:
        self.counters = EngineCounters()
        self.sent = 0
        """Packets that the kernel took, over all trains."""
        self._clock: Clock = clock or SystemClock()
        self._early = early
        self._receive_buffer = receive_buffer
        self._table = SlotTable()
        self._trains = TrainTable()
        self._due = DueQueue()
        self._deadlines: list[tuple[int, int, int]] = []
        self._serial = 0
        self._channels: dict[tuple[str, int, int], Channel] = {}
        self._occupied: set[Place] = set()
        self._vector = ReceiveVector()
        self._finished: deque[TrainSamples] = deque()
        self._drain_due_ns = self._look_due_ns = 0
        self._answered_ns = 0
        self._counting: set[bytes] = set()
        """Reflectors that were seen to count for themselves."""
        self._poll = select.epoll()

    def close(self) -> None:
        """Close all sockets; trains that are out are forgotten."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
        self._poll.close()

    @property
    def answered(self) -> int:
        """Packets answered so far, over all trains."""
        return sum(channel.answered for channel in self._channels.values())

    @property
    def busy(self) -> bool:
        """Whether trains are out or waiting."""
        return bool(self._deadlines)

    @property
    def next_due_ns(self) -> int | None:
        """CLOCK_MONOTONIC instant of the next packet."""
        return self._due.next_ns

    def add(self, trains: Sequence[tuple[TrainPlan, int]]) -> None:
        """Take trains with the CLOCK_MONOTONIC instants at which their first packets are due.

        Raises ProbeError where the kernel allows no such socket, an address is none or a size
        cannot be. Nothing is taken then.
        """
        now = self._clock.monotonic_ns()
        offset = realtime_offset_ns(self._clock)
        missed: list[tuple[TrainPlan, int]] = []
        groups: dict[tuple[Any, ...], list[_Member]] = defaultdict(list)
        occupied: set[Place] = set()
        for plan, start_ns in trains:
            name = _checked_name(plan)
            if now - start_ns > MISSED_NS:
                missed.append((plan, start_ns))
                continue
            place = self._place_for(plan, name, occupied)
            occupied.add(place)
            alike = (place[:3], plan.packets, plan.size, plan.dscp, plan.stamp)
            groups[alike].append((plan, start_ns, place, name))
        for plan, start_ns in missed:
            self.counters.missed_slots += 1
            samples = TrainSamples.empty(plan, start_ns + offset, clock_state())
            samples.missed = True
            self._finished.append(samples)
        self._occupied |= occupied
        self._answered_ns = 0
        for (where, *_), members in groups.items():
            self._launch(self._channels[where], members, offset)

    def _place_for(
        self, plan: TrainPlan, name: npt.NDArray[np.uint8], occupied: set[Place]
    ) -> Place:
        """The socket for a train: one for ICMP; for STAMP one on which no other train to the same
        reflector is out, because some reflectors tell sessions apart by addresses and ports only.
        """
        version, index = version_of(plan.address), 0
        kind = plan.method if plan.stamp is None or plan.stamp.auth_key is None else "stamp-auth"
        source = source_of(name, version)
        place = (kind, version, index, source)
        while plan.method == "stamp" and (place in self._occupied or place in occupied):
            index += 1
            place = (kind, version, index, source)
        if place[:3] not in self._channels:
            self._channels[place[:3]] = self._open(kind, version)
        return place

    def _open(self, kind: str, version: Literal[4, 6]) -> Channel:
        codec: Codec
        if kind == "icmp":
            probe = open_icmp(version, receive_buffer=self._receive_buffer)
            codec = EchoCodec(probe, self._table, self._trains)
        else:
            probe = open_udp(version, receive_buffer=self._receive_buffer)
            codec = StampCodec(
                probe, self._table, self._trains, self._clock, kind == "stamp-auth", self._counting
            )
        self._poll.register(probe.fd, select.EPOLLIN)
        return Channel(
            probe, codec, self._table, self._trains.counters, self.counters, self._clock,
            self._vector,
        )  # fmt: skip

    def _launch(self, channel: Channel, members: list[_Member], offset_ns: int) -> None:
        """Build the packets of trains of one shape and put them into the queue."""
        plan = members[0][0]
        per_train, total = plan.packets, plan.packets * len(members)
        if plan.size + 64 > self._vector.octets:
            self._vector = ReceiveVector(octets=plan.size + 64)
            for other in self._channels.values():
                other.vector = self._vector
        base = self._table.allocate(total)
        slots = np.arange(base, base + total, dtype=np.int64)
        indices = np.array([self._trains.reserve() for _ in members], np.int32)
        starts = np.array([start for _, start, _, _ in members], np.int64)
        spacings = np.array([member.spacing_ns for member, _, _, _ in members], np.int64)
        due = (starts[:, None] + spacings[:, None] * np.arange(per_train)).reshape(-1)
        names = np.stack([name for _, _, _, name in members])
        self._table.claim(slice(base, base + total), np.repeat(indices, per_train), due)
        self._table.key[slots] = np.frombuffer(os.urandom(8 * total), np.uint64)
        packets = np.zeros((total, plan.size), np.uint8)
        block = point_headers(
            self._table.header[base : base + total], packets, names, per_train,
            slots, plan.dscp, channel.probe.version, channel.probe.chosen_ids,
        )  # fmt: skip
        drops = channel.probe.drops()
        for n, (member, start, place, _) in enumerate(members):
            index = int(indices[n])
            mine = range(base + n * per_train, base + (n + 1) * per_train)
            deadline = int(due[(n + 1) * per_train - 1]) + member.timeout_ns + GRACE_NS
            if not self._early:
                deadline = -(-deadline // DRAIN_NS) * DRAIN_NS
            self._trains.active[index] = ActiveTrain(
                member, place, start + offset_ns, mine, channel, deadline, offset_ns, drops, block
            )
            self._trains.names[index] = names[n]
            self._trains.sizes[index] = member.size
            self._serial += 1
            heapq.heappush(self._deadlines, (deadline, self._serial, index))
        channel.in_flight += len(members)
        channel.codec.prepare(packets, slots, plan)
        self._due.add(due, slots)

    def step(self, until_ns: int) -> list[TrainSamples]:
        """Work until the CLOCK_MONOTONIC instant, or until a train is finished, and return those.

        Returns at once what has been finished before.
        """
        monotonic_ns, due = self._clock.monotonic_ns, self._due
        while not self._finished:
            now = monotonic_ns()
            if due.next_ns is not None and due.next_ns <= now:
                self._send_due(now)
            if now >= self._look_due_ns:
                self._look(now)
            if self._early and due.next_ns is None and self._all_answered(now):
                self._close_all()
                break
            if self._deadlines and self._deadlines[0][0] <= now:
                self._close_due(now)
            if now >= until_ns or self._finished:
                break
            self._wait(until_ns)
        finished = list(self._finished)
        self._finished.clear()
        return finished

    def _send_due(self, now_ns: int) -> None:
        while (due_ns := self._due.next_ns) is not None and due_ns <= now_ns:
            slots = self._due.take(now_ns, SEND_BATCH)
            if len(self._channels) == 1:
                channel = next(iter(self._channels.values()))
                self.sent += channel.send(slots)
                self._keep_up(channel)
            else:
                self._send_mixed(slots)
            if (left_ns := self._clock.monotonic_ns()) - due_ns > LATE_NS:
                self._postpone(slots, left_ns)

    def _postpone(self, slots: npt.NDArray[np.int64], left_ns: int) -> None:
        """These packets left late: their trains still wait the whole timeout for the replies."""
        for index in np.unique(self._table.train[slots]).tolist():
            train = self._trains.active[index]
            if train is not None:
                enough_ns = left_ns + train.plan.timeout_ns + GRACE_NS
                train.deadline_ns = max(train.deadline_ns, enough_ns)

    def _send_mixed(self, slots: npt.NDArray[np.int64]) -> None:
        parts: dict[int, tuple[Channel, list[int]]] = {}
        active = self._trains.active
        for slot, index in zip(slots.tolist(), self._table.train[slots].tolist(), strict=True):
            train = active[index]
            if train is not None:
                parts.setdefault(id(train.channel), (train.channel, []))[1].append(slot)
        for channel, mine in parts.values():
            self.sent += channel.send(np.array(mine, np.int64))
            self._keep_up(channel)

    def _keep_up(self, channel: Channel) -> None:
        """Fetch before the receive buffer could fill, and before a fetch takes long."""
        if channel.unread >= min(DRAIN_PACKETS, channel.probe.queue_packets // 4):
            channel.drain()

    def _look(self, now_ns: int) -> None:
        """Fetch where it is time to, or where a buffer fills sooner."""
        if self._early or now_ns >= self._drain_due_ns:
            self._drain(now_ns)
        self._look_due_ns = now_ns + LOOK_NS
        for channel in self._channels.values():
            if channel.in_flight and channel.probe.filling():
                channel.drain()

    def _drain(self, now_ns: int) -> None:
        self._drain_due_ns, self._look_due_ns = now_ns + DRAIN_NS, now_ns + LOOK_NS
        for channel in self._channels.values():
            # An idle socket with something in it would wake a one-off run over and over.
            if channel.in_flight or self._early:
                channel.drain()

    def _wait(self, until_ns: int) -> None:
        """Sleep to the next thing to do: a packet, a drain, a deadline."""
        due = self._due.next_ns
        wake = until_ns if due is None or until_ns < due else due
        if self._deadlines:
            wake = min(wake, self._deadlines[0][0], self._look_due_ns)
        if self._early and (due is None or due > self._look_due_ns):
            # Nothing to send for a while and somebody waits for the answers: wake when one is
            # there. The error queue wakes us too, so stamps are fetched on the way.
            left_ns = wake - self._clock.monotonic_ns()
            if left_ns > EARLY_NS:
                self._poll.poll((left_ns - EARLY_NS) / 1e9)
                self._look_due_ns = 0
                return
        self._clock.sleep_until(wake)

    def _all_answered(self, now_ns: int) -> bool:
        """Whether nothing is outstanding: every packet sent has its reply and its stamp."""
        if self.answered < self.sent:
            return False
        table = self._table
        unstamped = table.sent & (table.train != FREE) & (table.tx_ns == 0)
        if not unstamped.any():
            return True
        self._answered_ns = self._answered_ns or now_ns
        return now_ns - self._answered_ns > SETTLE_NS

    def _close_due(self, now_ns: int) -> None:
        """Finish the trains whose deadline has come and was not moved meanwhile.

        Breaks off for a packet that is due; the rest is finished after it.
        """
        self._drain(now_ns)
        while self._deadlines and self._deadlines[0][0] <= now_ns:
            deadline_ns, serial, index = heapq.heappop(self._deadlines)
            train = self._trains.active[index]
            if train is not None and train.deadline_ns > deadline_ns:
                heapq.heappush(self._deadlines, (train.deadline_ns, serial, index))
                continue
            self._finish(index)
            if self._due.next_ns is not None and self._due.next_ns <= self._clock.monotonic_ns():
                return

    def _close_all(self) -> None:
        self._drain(self._clock.monotonic_ns())
        while self._deadlines:
            self._finish(heapq.heappop(self._deadlines)[2])

    def _finish(self, index: int) -> None:
        train = self._trains.active[index]
        if train is None:
            return
        samples = harvest(train, self._table, self._clock)
        train.channel.codec.finished(index, samples)
        self._finished.append(samples)
        self._occupied.discard(train.place)
        self._table.train[train.slots.start : train.slots.stop] = FREE
        self._trains.release(index)
        train.channel.in_flight -= 1

    def abandon(self) -> list[TrainSamples]:
        """End all trains now: those whose packets are all out are finished as they stand, the
        packets of the others that were still to come are not in their counts of sent.
        """
        for _, _, index in self._deadlines:
            train = self._trains.active[index]
            if train is not None:
                self._due.drop(train.slots)
        self._close_all()
        finished = list(self._finished)
        self._finished.clear()
        return finished

    def run(self, trains: Iterable[tuple[TrainPlan, int]]) -> Iterator[TrainSamples]:
        """Send trains and yield each when it is finished."""
        self.add(list(trains))
        while self.busy or self._finished:
            yield from self.step(self._clock.monotonic_ns() + 1_000_000_000)


_Member = tuple[TrainPlan, int, Place, npt.NDArray[np.uint8]]
"""A train, when it starts, its socket, and the sockaddr that it goes to."""


def _checked_name(plan: TrainPlan) -> npt.NDArray[np.uint8]:
    """The sockaddr of a train that can be built; raises ProbeError for one that cannot."""
    if plan.method == "stamp":
        authenticated = plan.stamp is not None and plan.stamp.auth_key is not None
        shape(plan.size, authenticated, tlvs_of(plan))
        return sockaddr(plan.address, plan.port)
    if not icmp.MIN_SIZE <= plan.size <= icmp.MAX_SIZE:
        raise ProbeError(
            f"size {plan.size}: an ICMP probe takes {icmp.MIN_SIZE} to {icmp.MAX_SIZE} octets"
        )
    return sockaddr(plan.address, 0)


def quiet_python() -> None:
    """Keep this process from disturbing its own schedule: no garbage collection pauses, exact
    timers. Called by programs that run an engine."""
    import ctypes
    import gc

    gc.collect()
    gc.freeze()
    gc.disable()
    pr_set_timerslack = 29
    ctypes.CDLL(None).prctl(pr_set_timerslack, 1, 0, 0, 0)
