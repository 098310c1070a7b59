"""From slots to orders to records: plans trains ahead and takes them back as records.

The agent's core, driven by `tick` and by the engine's messages; opens nothing itself.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from agent.daemon.assignments import Assignment, plan_record
from agent.daemon.engine_link import Abandoned, Beat, Finished, Message, Order, Refused
from agent.daemon.log_lines import event
from agent.daemon.resolver import Resolution, Resolver, is_literal
from agent.daemon.schedule import Overrun, Schedule, grid_ns, random_phase_ns
from agent.daemon.timeline import STEP_NS, Moment, Timeline
from agent.engine.timing import DRAIN_NS, GRACE_NS
from agent.kernel.clock import clock_state
from agent.samples import Status, TrainSamples
from agent.summary import sample_record, summarise
from timeseries.records import PlanRecord, Record, TrainRecord

log = logging.getLogger(__name__)

LOOKAHEAD_NS = 4_000_000_000
"""How far ahead trains are planned: name look-ups, the engine's restart and pauses of this process
fit in."""
FIRST_AHEAD_NS = 1_500_000_000
"""Before the phase of a new path begins: its first train can always be sent on time."""
OVERRUNS_A_TICK = 500
"""Missed slots that are written down a tick: a long sleep costs time, not memory."""


class Sender(Protocol):
    """What takes orders; TCP attempts go to `agent.daemon.connections.Connector`."""

    def order(self, orders: Iterable[Order]) -> None: ...
    def cancel(self, tokens: Iterable[int]) -> None: ...
    def abandon(self) -> None: ...


class Engine(Sender, Protocol):
    """What takes all others: `agent.daemon.engine_supervisor.EngineSupervisor`."""

    @property
    def ready(self) -> bool: ...


@dataclass(slots=True)
class _Out:
    """One train that is on order."""

    assignment: Assignment
    start_ns: int
    """CLOCK_BOOTTIME."""
    resolution: Resolution | None = None
    """None while its name is being looked up."""
    ordered: bool = False

    @property
    def by_tcp(self) -> bool:
        """It is no train of the engine's."""
        return self.assignment.plan.method == "tcp"

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.assignment.duration_ns + GRACE_NS


@dataclass(frozen=True, slots=True)
class Changes:
    """What a new set of assignments did."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


class Dispatcher:
    """Keeps the schedule of all paths and the trains that are out.

    `put` takes records for the spool; `on_train` hears of each finished train as well.
    """

    def __init__(
        self,
        engine: Engine,
        connector: Sender,
        resolver: Resolver,
        timeline: Timeline,
        put: Callable[[Iterable[Record]], None],
        on_train: Callable[[Assignment, TrainRecord, TrainSamples], None],
        rng: random.Random,
    ) -> None:
        self.assignments: Mapping[str, Assignment] = {}
        self.lost_with_engine = 0
        """Trains that were out when an engine died."""
        self.abandoned = 0
        """Trains that the end of the agent cut short."""
        self._engine = engine
        self._connector = connector
        self._resolver = resolver
        self._timeline = timeline
        self._put = put
        self._on_train = on_train
        self._rng = rng
        self._schedule = Schedule()
        self._out: dict[int, _Out] = {}
        self._tokens = itertools.count(1)
        self._overruns: deque[Overrun] = deque()
        self._lookups: set[asyncio.Task[None]] = set()
        self._plans_utc_offset_ns = timeline.now().utc_offset_ns
        self._drained = asyncio.Event()
        self._stopping = False

    @property
    def out(self) -> int:
        """Trains on order."""
        return len(self._out)

    def apply(self, wanted: Mapping[str, Assignment], now: Moment | None = None) -> Changes:
        """Measure this from now on, and write down what changes. Trains that have begun go on."""
        now = now or self._timeline.now()
        old = self.assignments
        removed = tuple(path for path in old if path not in wanted)
        changed = tuple(p for p, new in wanted.items() if p in old and old[p] != new)
        added = tuple(path for path in wanted if path not in old)
        for path in (*removed, *changed):
            self._schedule.remove(path)
        self._take_back({*removed, *changed}, now)
        records = [plan_record(old[path], now.utc_ns, active=False) for path in removed]
        grid = grid_ns(sum(one.plan.packets * 1e9 / one.every_ns for one in wanted.values()))
        origin_ns = -(-(now.boot_ns + FIRST_AHEAD_NS) // grid) * grid
        for path in (*changed, *added):
            assignment = wanted[path]
            first_ns = origin_ns + random_phase_ns(assignment.every_ns, grid, self._rng)
            self._schedule.add(path, first_ns, assignment.every_ns)
            records.append(self._plan_in_force(assignment, now))
        self.assignments = dict(wanted)
        self._put(records)
        return Changes(added, changed, removed)

    def _plan_in_force(self, assignment: Assignment, now: Moment) -> PlanRecord:
        next_ns = self._schedule.next_start_ns(assignment.plan.path, now.boot_ns)
        return plan_record(assignment, now.utc_ns, active=True, phase_ns=next_ns - now.boot_ns)

    def _take_back(self, paths: set[str], now: Moment) -> None:
        tokens = [
            token
            for token, out in self._out.items()
            if out.start_ns > now.boot_ns and out.assignment.plan.path in paths
        ]
        self._cancel(tokens)

    def _cancel(self, tokens: list[int]) -> None:
        for token in tokens:
            del self._out[token]
        self._connector.cancel(tokens)
        if tokens and self._engine.ready:
            self._engine.cancel(tokens)

    def tick(self) -> None:
        """Plan what comes within the lookahead; several times a second."""
        now = self._timeline.now()
        self._note_step(now)
        taken = self._schedule.take(now.boot_ns, now.boot_ns + LOOKAHEAD_NS)
        for overrun in taken.overruns:
            event(
                log, logging.WARNING, "missed-slots",
                path=overrun.path, count=overrun.count, every_ms=overrun.every_ns // 1_000_000,
            )  # fmt: skip
        self._overruns += taken.overruns
        self._write_overruns(now)
        by_host: dict[str, list[int]] = {}
        literal = []
        for slot in taken.slots:
            assignment = self.assignments[slot.path]
            token = next(self._tokens)
            self._out[token] = out = _Out(assignment, slot.start_ns)
            if is_literal(assignment.host):
                out.resolution = Resolution(assignment.host)
                literal.append(token)
            else:
                by_host.setdefault(assignment.host, []).append(token)
        self._order(literal, now)
        for host, tokens in by_host.items():
            task = asyncio.create_task(self._order_resolved(host, tokens))
            self._lookups.add(task)
            task.add_done_callback(self._lookups.discard)
        if not self._engine.ready:
            self._miss_unsent(now)

    def _note_step(self, now: Moment) -> None:
        """After a step of the wall clock the plans in UTC are others: write them anew."""
        step_ns = now.utc_offset_ns - self._plans_utc_offset_ns
        if abs(step_ns) < STEP_NS:
            return
        event(log, logging.WARNING, "clock-stepped", step_ms=step_ns // 1_000_000)
        self._plans_utc_offset_ns = now.utc_offset_ns
        self._put(self._plan_in_force(one, now) for one in self.assignments.values())

    def _write_overruns(self, now: Moment) -> None:
        room = OVERRUNS_A_TICK
        while self._overruns and room:
            overrun = self._overruns.popleft()
            assignment = self.assignments.get(overrun.path)
            if assignment is None:
                continue
            for start_ns in overrun.starts[:room]:
                self._missed(assignment, start_ns, now)
            left = overrun.count - room
            room -= min(room, overrun.count)
            if left > 0:
                done = overrun.count - left
                first_ns = overrun.first_ns + done * overrun.every_ns
                self._overruns.appendleft(replace(overrun, first_ns=first_ns, count=left))

    def _missed(self, assignment: Assignment, start_ns: int, now: Moment) -> None:
        samples = self._empty(assignment, "", start_ns, now)
        samples.missed = True
        self._finished(assignment, samples)

    @staticmethod
    def _empty(assignment: Assignment, address: str, start_ns: int, now: Moment) -> TrainSamples:
        plan = replace(assignment.plan, address=address)
        return TrainSamples.empty(plan, now.utc_of(start_ns), clock_state())

    async def _order_resolved(self, host: str, tokens: list[int]) -> None:
        resolution = await self._resolver.resolve(host)
        now = self._timeline.now()
        if resolution.address is None or resolution.kept:
            event(
                log, logging.WARNING, "name-does-not-resolve",
                host=host, error=resolution.error, kept=resolution.address or "none",
            )  # fmt: skip
        for token in tokens:
            out = self._out.get(token)
            if out is None:
                continue
            out.resolution = resolution
            if resolution.address is None:
                del self._out[token]
                samples = self._empty(out.assignment, "", out.start_ns, now)
                samples.unresolved = True
                self._finished(out.assignment, samples)
        self._order(tokens, now)

    def _order(self, tokens: Iterable[int], now: Moment) -> None:
        """Hand trains whose address is known to who sends them; the engine, if there is one."""
        orders: list[Order] = []
        attempts: list[Order] = []
        for token in tokens:
            out = self._out.get(token)
            if out is None or out.resolution is None or not out.resolution.address:
                continue
            if not (out.by_tcp or self._engine.ready):
                continue
            out.ordered = True
            plan = replace(out.assignment.plan, address=out.resolution.address)
            order = Order(token, now.monotonic_of(out.start_ns), plan)
            (attempts if out.by_tcp else orders).append(order)
        self._connector.order(attempts)
        if orders:
            self._engine.order(orders)

    def _miss_unsent(self, now: Moment) -> None:
        """There is no engine: trains whose time has come are missed."""
        late = [t for t, o in self._out.items() if not o.ordered and o.start_ns < now.boot_ns]
        for token in late:
            out = self._out.pop(token)
            self._missed(out.assignment, out.start_ns, now)

    def on_message(self, message: Message) -> None:
        """What the engine says."""
        match message:
            case Finished(trains):
                for token, samples in trains:
                    self._ended(token, samples)
            case Refused(token, reason):
                out = self._out.pop(token, None)
                if out is not None:
                    address = out.resolution.address if out.resolution else None
                    event(
                        log, logging.ERROR, "train-refused",
                        path=out.assignment.plan.path, error=reason,
                    )  # fmt: skip
                    self._finished(
                        out.assignment,
                        self._empty(
                            out.assignment, address or "", out.start_ns, self._timeline.now()
                        ),
                    )
            case Abandoned():
                self._drained.set()
            case Beat():
                # The first one of a new engine: give it what waited for it.
                now = self._timeline.now()
                self._order([t for t, out in self._out.items() if not out.ordered], now)

    def _ended(self, token: int, samples: TrainSamples) -> None:
        out = self._out.pop(token, None)
        if out is None:
            return
        samples.address_kept = out.resolution is not None and out.resolution.kept
        if not self._stopping or _complete(samples):
            self._finished(out.assignment, samples)
        else:
            self.abandoned += 1

    def on_engine_death(self) -> None:
        """The trains that had begun are gone; those still to come go to the next engine."""
        now_ns = self._timeline.now().boot_ns
        its = {token: out for token, out in self._out.items() if not out.by_tcp}
        begun = [token for token, out in its.items() if out.ordered and out.start_ns <= now_ns]
        for token in begun:
            del self._out[token]
        for out in its.values():
            out.ordered = False
        self.lost_with_engine += len(begun)
        if begun:
            event(log, logging.ERROR, "trains-lost-with-engine", count=len(begun))
        self._drained.set()

    def _finished(self, assignment: Assignment, samples: TrainSamples) -> None:
        record = summarise(samples, assignment.context)
        if samples.missed or samples.unresolved:
            self._put((record,))
        else:
            self._put((record, sample_record(samples, assignment.context.agent)))
        self._on_train(assignment, record, samples)

    async def stop(self, longest_s: float, answer_s: float = 0.8) -> None:
        """Plan nothing more, wait for the trains that can end within `longest_s`, cut the others.

        Of those only the ones that lack nothing are kept: a train that was cut short says nothing
        about the network, and is no record.
        """
        now = self._timeline.now()
        stop_ns = now.boot_ns
        for task in self._lookups:
            task.cancel()
        self._cancel([token for token, out in self._out.items() if out.start_ns >= stop_ns])
        if self._engine.ready:
            budget_ns = int(longest_s * 1e9)
            ends = [out.end_ns - stop_ns for out in self._out.values()]
            wait_ns = max((end for end in ends if end <= budget_ns), default=0)
            deadline = asyncio.get_running_loop().time() + (wait_ns + DRAIN_NS) / 1e9
            while self._out and asyncio.get_running_loop().time() < deadline:
                if all(out.end_ns - stop_ns > budget_ns for out in self._out.values()):
                    break
                await asyncio.sleep(0.02)
            self._stopping = True
            if self._out:
                self._drained.clear()
                self._engine.abandon()
                try:
                    await asyncio.wait_for(self._drained.wait(), answer_s)
                except TimeoutError:
                    event(log, logging.ERROR, "engine-does-not-end", trains=len(self._out))
        self._connector.abandon()
        self.abandoned += len(self._out)
        self._out.clear()
        self._put([plan_record(one, now.utc_ns, active=False) for one in self.assignments.values()])


def _complete(samples: TrainSamples) -> bool:
    """Every planned packet was sent and answered in time: nothing is still to come."""
    return bool((samples.status == int(Status.RECEIVED)).all())
