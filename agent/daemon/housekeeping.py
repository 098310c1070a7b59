"""What the agent says of itself: the state file, the summary line, the watchdog."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.daemon.background import in_thread
from agent.daemon.device_service import DeviceService
from agent.daemon.dispatcher import Dispatcher
from agent.daemon.engine_supervisor import EngineSupervisor
from agent.daemon.forwarding_service import ForwardingService
from agent.daemon.log_lines import event
from agent.daemon.loss_evidence import LossEvidence
from agent.daemon.notify import notify, watchdog_seconds
from agent.daemon.recorder import Recorder
from agent.daemon.reflector_service import ReflectorService
from agent.daemon.state import write_state
from agent.daemon.tally import Health, Lateness, Tally
from agent.kernel.clock import clock_state
from timeseries.errors import StoreError
from timeseries.records import TrainRecord

log = logging.getLogger(__name__)

STATE_EVERY_S = 10.0
SUMMARY_EVERY_S = 300.0
QUIET_S = 300.0
"""The same complaint about the same path is logged once in so long; all are counted."""


@dataclass(slots=True)
class ReloadState:
    """Which configuration holds, and what became of the last attempt to change it."""

    configuration: str
    attempts: int = 0
    at_ns: int = field(default_factory=time.time_ns)
    problems: list[str] = field(default_factory=list)

    def note(self, problems: list[str]) -> None:
        """The outcome of an attempt; no problems: it was taken."""
        self.attempts += 1
        self.at_ns = time.time_ns()
        self.problems = problems


@dataclass(slots=True)
class Housekeeping:
    """Looks at all parts of the agent; changes none of them."""

    agent: str
    data_dir: Path
    dispatcher: Dispatcher
    engine: EngineSupervisor
    recorder: Recorder
    evidence: LossEvidence
    tally: Tally
    lateness: Lateness
    health: Health
    reflector: ReflectorService
    forwarding: ForwardingService
    devices: DeviceService
    reload: ReloadState
    newest: dict[str, TrainRecord] | None = None
    """The last train of each path, for `/metrics`; None: nobody asks for it."""
    started_ns: int = field(default_factory=time.time_ns)
    _soon: asyncio.Event = field(default_factory=asyncio.Event)
    _said: dict[tuple[str, str], float] = field(default_factory=dict)
    _failing: bool = False
    _spooled: dict[str, Any] | None = None

    def write_soon(self) -> None:
        """Write the state file now."""
        self._soon.set()

    async def run(self) -> None:
        """Write state and summaries and feed the watchdog, until cancelled."""
        loop = asyncio.get_running_loop()
        watchdog_s = watchdog_seconds()
        pause_s = min(STATE_EVERY_S, watchdog_s or STATE_EVERY_S)
        state_due = loop.time()
        summary_due = loop.time() + SUMMARY_EVERY_S
        earlier = self.tally.copy()
        while True:
            if watchdog_s is not None:
                notify("WATCHDOG=1")
            if self._soon.is_set() or loop.time() >= state_due:
                self._soon.clear()
                state_due = loop.time() + STATE_EVERY_S
                await self._write()
            if loop.time() >= summary_due:
                summary_due += SUMMARY_EVERY_S
                self._summarise(self.tally.since(earlier))
                earlier = self.tally.copy()
            try:
                await asyncio.wait_for(self._soon.wait(), pause_s)
            except TimeoutError:
                continue

    async def _write(self) -> None:
        try:
            self._spooled = spooled = await in_thread(self.spooled)
            await in_thread(write_state, self.data_dir, self.state(spooled))
        except (OSError, StoreError) as error:
            if not self._failing:
                event(log, logging.ERROR, "state-not-written", error=error)
            self._failing = True
        else:
            self._failing = False

    def spooled(self) -> dict[str, Any]:
        """What only a query of the spool tells; blocks for it."""
        return {
            "depth": self.recorder.depth(),
            "oldest_ns": self.recorder.oldest_ns(),
            "dropped": self.recorder.dropped,
            "influxdb": self.forwarding.state(),
        }

    def write_last(self) -> None:
        """The state of an agent that ends."""
        try:
            state = self.state(self.spooled())
            write_state(self.data_dir, {**state, "stopped_ns": time.time_ns()})
        except (OSError, StoreError) as error:
            event(log, logging.ERROR, "state-not-written", error=error)

    def exposition(self) -> bytes:
        """The text of `/metrics`; what a query of the spool tells is some seconds old."""
        from agent.daemon.metrics import exposition

        if self._spooled is None:
            self._spooled = self.spooled()
        here = self.dispatcher.assignments
        newest = [train for path, train in (self.newest or {}).items() if path in here]
        figures = self.devices.figures()
        return exposition(self.state(self._spooled), newest, time.time_ns(), figures)

    def state(self, spooled: dict[str, Any]) -> dict[str, Any]:
        """The content of the state file; the fields are described in docs/agent.md."""
        clock = clock_state()
        beat = self.engine.beat
        return {
            "agent": self.agent,
            "pid": os.getpid(),
            "started_ns": self.started_ns,
            "written_ns": time.time_ns(),
            "paths": len(self.dispatcher.assignments),
            "bad": {path: list(faults) for path, faults in self.health.bad.items()},
            "trains": {
                **self.tally.as_dict(),
                "out": self.dispatcher.out,
                "lost_with_engine": self.dispatcher.lost_with_engine,
                "abandoned": self.dispatcher.abandoned,
            },
            "lateness_today_ns": {"p99": self.lateness.p99_ns, "max": self.lateness.max_ns},
            "engine": {
                "pid": self.engine.pid,
                "restarts": self.engine.restarts,
                "realtime": beat.realtime if beat else None,
                "sent": beat.sent if beat else None,
                "counters": beat.counters if beat else None,
            },
            "reflector": {
                "listening": self.reflector.listening,
                "restarts": self.reflector.restarts,
                "counters": self.reflector.counters,
            },
            "spool": {
                "depth": spooled["depth"],
                "oldest_ns": spooled["oldest_ns"],
                "waiting": self.recorder.waiting,
                "errors": self.recorder.errors,
                "given_up": self.recorder.given_up,
                "dropped": spooled["dropped"],
            },
            "influxdb": spooled["influxdb"],
            "devices": self.devices.state(),
            "evidence_skipped": self.evidence.skipped,
            "clock": {"synchronised": clock.synchronised, "error_ns": clock.error_ns},
            "configuration": {
                "path": self.reload.configuration,
                "reloads": self.reload.attempts,
                "at_ns": self.reload.at_ns,
                "problems": self.reload.problems,
            },
        }

    def note_train(self, record: TrainRecord) -> None:
        """Complain of what the agent itself did wrong with a train."""
        if self.newest is not None:
            self.newest[record.path] = record
        if record.local_drops:
            self._complain("local-drops", record.path, count=record.local_drops)
        if record.send_errors:
            self._complain("send-errors", record.path, **dict(record.send_errors))

    def _complain(self, name: str, path: str, **fields: object) -> None:
        now = time.monotonic()
        if now - self._said.get((name, path), -QUIET_S) < QUIET_S:
            return
        self._said[name, path] = now
        event(log, logging.WARNING, name, path=path, **fields)

    def _summarise(self, since: Tally) -> None:
        event(
            log, logging.INFO, "summary", seconds=int(SUMMARY_EVERY_S),
            paths=len(self.dispatcher.assignments), bad=len(self.health.bad),
            **{k: v for k, v in since.as_dict().items() if v or k in ("trains", "sent", "lost")},
            lateness_p99_us=(self.lateness.p99_ns or 0) // 1000,
            spool_waiting=self.recorder.waiting, engine_restarts=self.engine.restarts,
        )  # fmt: skip
        self._said.clear()
