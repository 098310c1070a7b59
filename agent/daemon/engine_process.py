"""The engine in a process of its own, so that nothing the agent does beside it delays a packet.

Started by `agent.daemon.engine_supervisor` as `python -m agent.daemon.engine_process FD`; ends when
the other end of the link is closed. Orders wait here until shortly before their time, so that they
can be taken back.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import gc
import heapq
import os
import select
import signal
import socket
import sys
from dataclasses import asdict
from itertools import groupby

from agent.daemon.engine_link import (
    ORDERS_PER_MESSAGE,
    TRAINS_PER_MESSAGE,
    Abandon,
    Abandoned,
    Beat,
    Cancel,
    Finished,
    Frames,
    Message,
    Order,
    Orders,
    Refused,
    framed,
)
from agent.engine.loop import Engine, quiet_python
from agent.engine.timing import monotonic_now_ns
from agent.errors import ProbeError
from agent.kernel.addresses import sockaddr, version_of
from agent.samples import TrainPlan, TrainSamples

ADMIT_AHEAD_NS = 1_200_000_000
"""How long before its start a train is handed to the engine."""
PACKETS_A_TURN = 200
"""So many packets at most are built in one turn (but always a whole train): half a millisecond."""
POLL_NS = 500_000_000
"""How often the link is looked at while trains are out: orders come more than a second ahead, and
nobody waits for a finished train."""
BACKLOG_POLL_NS = 2_000_000
"""The same while there is more to do than one turn may take."""
BEAT_NS = 1_000_000_000
IDLE_S = 0.5
COLLECT_NS = 60_000_000_000
COLLECT_GAP_NS = 50_000_000
"""Garbage is collected once in a while, when no packet is due for longer than that takes."""


class EngineProcess:
    """The loop between the link and the engine."""

    def __init__(self, link: socket.socket, engine: Engine, *, realtime: bool) -> None:
        link.setblocking(False)
        self._link = link
        self._engine = engine
        self._realtime = realtime
        self._frames = Frames()
        self._outgoing = bytearray()
        self._waiting: list[tuple[int, int, TrainPlan]] = []
        self._tokens: dict[int, int] = {}
        self._open = True
        self._backlog = False
        self._beat_due_ns = 0
        self._poll_due_ns = 0
        self._collect_due_ns = monotonic_now_ns() + COLLECT_NS

    def run(self) -> None:
        """Work until the link is closed."""
        while self._open:
            now = monotonic_now_ns()
            if now >= self._beat_due_ns:
                self._beat_due_ns = now + BEAT_NS
                counters = asdict(self._engine.counters)
                self._tell(Beat(os.getpid(), self._engine.sent, self._realtime, counters))
            self._listen()
            admitted = self._admit(now)
            self._flush()
            self._poll_due_ns = now + (BACKLOG_POLL_NS if self._backlog else POLL_NS)
            if self._engine.busy:
                self._work()
            elif admitted:
                # Trains that came too late are finished at once, without the engine being busy.
                self._finish(self._engine.step(now))
            else:
                self._idle(now)
            self._collect(now)

    def _work(self) -> None:
        """Let the engine work until the link is to be looked at again."""
        while self._engine.busy and monotonic_now_ns() < self._poll_due_ns:
            self._finish(self._engine.step(self._poll_due_ns))

    def _finish(self, trains: list[TrainSamples]) -> None:
        for first in range(0, len(trains), TRAINS_PER_MESSAGE):
            some = trains[first : first + TRAINS_PER_MESSAGE]
            tokens = [self._tokens.pop(id(samples.plan)) for samples in some]
            self._tell(Finished(tuple(zip(tokens, some, strict=True))))

    def _idle(self, now_ns: int) -> None:
        """Nothing is out: sleep until the link speaks or a waiting train comes near."""
        if self._backlog:
            return
        wait_s = IDLE_S
        if self._waiting:
            until_ns = self._waiting[0][0] - ADMIT_AHEAD_NS - now_ns
            wait_s = min(wait_s, max(0.0, until_ns / 1e9))
        select.select([self._link], [self._link] if self._outgoing else [], [], wait_s)

    def _listen(self) -> None:
        """Read what came, and do one message of it."""
        with contextlib.suppress(BlockingIOError):
            try:
                data = self._link.recv(1 << 18)
            except ConnectionError:
                data = b""
            if not data:
                self._open = False
                return
            self._frames.feed(data)
        message = self._frames.next()
        self._backlog = message is not None
        if isinstance(message, Orders):
            for order in message.orders:
                self._wait_for(order)
        elif isinstance(message, Cancel):
            self._cancel(message.tokens)
        elif isinstance(message, Abandon):
            self._waiting.clear()
            self._finish(self._engine.abandon())
            self._tell(Abandoned())

    def _wait_for(self, order: Order) -> None:
        # Plans of one message may be one object, and are told apart by their identity later on.
        heapq.heappush(self._waiting, (order.start_ns, order.token, copy.copy(order.plan)))

    def _cancel(self, tokens: frozenset[int]) -> None:
        self._waiting = [entry for entry in self._waiting if entry[1] not in tokens]
        heapq.heapify(self._waiting)

    def _admit(self, now_ns: int) -> bool:
        """Hand trains whose time is near to the engine, as many as one turn may take; says
        whether there were any."""
        near: list[tuple[int, int, TrainPlan]] = []
        limit, packets = now_ns + ADMIT_AHEAD_NS, 0
        while self._waiting and self._waiting[0][0] <= limit:
            packets += self._waiting[0][2].packets
            if near and (packets > PACKETS_A_TURN or len(near) == ORDERS_PER_MESSAGE):
                self._backlog = True
                break
            near.append(heapq.heappop(self._waiting))
        able = [entry for entry in near if self._addressable(entry)]
        # One kind of socket at a time: where one kind is not allowed, the others still are.
        for _, group in groupby(sorted(able, key=_kind_of), key=_kind_of):
            self._add(list(group))
        return bool(near)

    def _addressable(self, entry: tuple[int, int, TrainPlan]) -> bool:
        _, token, plan = entry
        try:
            sockaddr(plan.address, plan.port)
        except ProbeError as error:
            self._tell(Refused(token, str(error)))
            return False
        return True

    def _add(self, entries: list[tuple[int, int, TrainPlan]]) -> None:
        for _, token, plan in entries:
            self._tokens[id(plan)] = token
        try:
            self._engine.add([(plan, start) for start, _, plan in entries])
        except (ProbeError, OSError) as error:
            for _, token, plan in entries:
                del self._tokens[id(plan)]
                self._tell(Refused(token, str(error)))

    def _tell(self, message: Message) -> None:
        self._outgoing += framed(message)

    def _flush(self) -> None:
        """Write what fits: a reader that sleeps never holds up a packet."""
        while self._outgoing:
            try:
                count = self._link.send(self._outgoing)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                    raise
                self._open = False
                return
            del self._outgoing[:count]

    def _collect(self, now_ns: int) -> None:
        due = self._engine.next_due_ns
        if now_ns >= self._collect_due_ns and (due is None or due - now_ns > COLLECT_GAP_NS):
            self._collect_due_ns = now_ns + COLLECT_NS
            gc.collect()


def _kind_of(entry: tuple[int, int, TrainPlan]) -> tuple[str, int, bool]:
    plan = entry[2]
    return (plan.method, version_of(plan.address), bool(plan.stamp and plan.stamp.auth_key))


def run_first() -> bool:
    """Ask to run before ordinary processes (SCHED_RR, lowest priority): on a busy host that is the
    difference between 0.3 and 2 ms of lateness (p99). Without CAP_SYS_NICE or RLIMIT_RTPRIO, go on
    as an ordinary process."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        return False
    return True


def main() -> None:
    """Serve the link whose descriptor is the only argument."""
    # The agent decides when this ends: signals to the whole group (Ctrl-C, a service manager) are
    # for the agent.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    engine = Engine()
    quiet_python()
    with socket.socket(fileno=int(sys.argv[1])) as link:
        EngineProcess(link, engine, realtime=run_first()).run()
    engine.close()


if __name__ == "__main__":
    main()
