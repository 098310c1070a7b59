"""The agent daemon: measures all paths of this host until it is told to stop.

Two processes live as long as it does: this one (asyncio: planning, names, records) and the engine
(`agent.daemon.engine_process`). SIGTERM and SIGINT end it within `STOP_S`, SIGHUP reads the
configuration again. `pasprobe run` becomes `python -m agent.daemon.life FORMAT COMMAND...`, where
COMMAND is what says what to measure (`agent.daemon.wanted`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent.daemon.assignments import Assignment
from agent.daemon.background import in_thread
from agent.daemon.connections import Connector
from agent.daemon.device_backups import DeviceBackups, command_for, ending_for
from agent.daemon.device_service import DeviceService
from agent.daemon.dispatcher import Dispatcher
from agent.daemon.engine_supervisor import EngineSupervisor
from agent.daemon.forwarding_service import ForwardingService
from agent.daemon.housekeeping import Housekeeping, ReloadState
from agent.daemon.log_lines import event, log_to_stderr
from agent.daemon.loss_evidence import LossEvidence
from agent.daemon.notify import notify
from agent.daemon.recorder import Recorder
from agent.daemon.reflector_service import ReflectorService
from agent.daemon.resolver import Resolver, system_lookup
from agent.daemon.state import read_state, take_lock
from agent.daemon.tally import Health, Lateness, Tally
from agent.daemon.timeline import SystemTimeline
from agent.daemon.wanted import Refusal, Wanted, ask
from agent.errors import ProbeError
from agent.samples import TrainSamples
from timeseries.codec import decode
from timeseries.embedded import EmbeddedStore
from timeseries.errors import StoreError
from timeseries.records import PlanRecord, TrainRecord
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME
from timeseries.spool_tail import open_tail

log = logging.getLogger(__name__)

TICK_S = 0.5
STOP_S = 5.0
DRAIN_S = 2.6
"""How long the end waits for trains that are out; longer ones are cut."""
FINISH_BY_S = 4.2
"""When after the signal the last write is given up (it is in the spool by then)."""


class Daemon:
    """One agent on one data directory."""

    def __init__(self, wanted: Wanted, reading: Sequence[str]) -> None:
        """Takes the data directory; `reading` is the command that says anew what is wanted.

        Raises `ProbeError` (`AlreadyRunningError`), `StoreError`. Needs a running event loop.
        """
        self._wanted = wanted
        self._reading = reading
        self._timeline = SystemTimeline()
        self._reload_asked = asyncio.Event()
        self._lock = take_lock(wanted.data_dir)
        try:
            storage = wanted.storage
            self._spool = Spool(wanted.data_dir / SPOOL_NAME, limit_bytes=storage.spool_bytes)
            store = EmbeddedStore(
                wanted.data_dir, self._spool, agent=wanted.agent, retention=storage.retention
            )
            self._recorder = Recorder(self._spool, store)
            self._forwarding = ForwardingService(self._spool)
            self._forwarding.want(storage)
        except StoreError:
            self._lock.release()
            raise
        self._tally, self._lateness, self._health = Tally(), Lateness(), Health()
        self._evidence = LossEvidence(wanted.data_dir)
        self._engine = EngineSupervisor(
            lambda message: self._dispatcher.on_message(message),
            lambda: self._dispatcher.on_engine_death(),
        )
        self._dispatcher = Dispatcher(
            self._engine,
            Connector(lambda message: self._dispatcher.on_message(message)),
            Resolver(system_lookup),
            self._timeline,
            self._recorder.put,
            self._on_train,
            random.SystemRandom(),
        )
        self._reflector = ReflectorService()
        self._reflector.want(wanted.reflector)
        self._devices = DeviceService(
            wanted.agent, self._recorder.put, self._backup_due, lambda: self._house.write_soon(),
            read_state(wanted.data_dir),
        )  # fmt: skip
        self._devices.want(wanted.polling)
        self._backups = DeviceBackups()
        self._want_backups(wanted)
        self._reload = ReloadState(configuration=str(wanted.place))
        self._house = Housekeeping(
            agent=wanted.agent,
            data_dir=wanted.data_dir,
            dispatcher=self._dispatcher,
            engine=self._engine,
            recorder=self._recorder,
            evidence=self._evidence,
            tally=self._tally,
            lateness=self._lateness,
            health=self._health,
            reflector=self._reflector,
            forwarding=self._forwarding,
            devices=self._devices,
            reload=self._reload,
            newest=None if wanted.metrics is None else {},
        )
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Measure until a signal says stop; returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_asked.set)
        event(
            log, logging.INFO, "start",
            agent=self._wanted.agent, paths=len(self._wanted.assignments),
            devices=len(self._wanted.polling.devices) if self._wanted.polling else 0,
            pid=os.getpid(), configuration=self._wanted.place, data_dir=self._wanted.data_dir,
        )  # fmt: skip
        work = [
            self._plan(),
            self._devices.run(),
            self._engine.run(),
            self._reflector.run(),
            self._recorder.run_spool(),
            self._recorder.run_store(),
            self._forwarding.run(),
            self._backups.run(),
            self._house.run(),
            self._reloads(),
        ]
        if self._wanted.metrics is not None:
            from agent.daemon.metrics_server import MetricsServer

            host, port = self._wanted.metrics
            work.append(MetricsServer(f"{host}:{port}", self._house.exposition).run())
        tasks = [asyncio.create_task(one) for one in work]
        stopping = asyncio.create_task(self._stop.wait())
        # The work has no end of its own: whatever ends before the signal has failed.
        done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in done if task is not stopping]
        for task in failed:
            log.critical("agent-failed", exc_info=task.exception())
        stopping.cancel()
        await self._end(tasks)
        return 1 if failed else 0

    async def _plan(self) -> None:
        """Plan ahead, from the moment at which the engine can send."""
        while not self._engine.ready:
            await asyncio.sleep(0.02)
        self._close_old_plans()
        self._dispatcher.apply(self._wanted.assignments)
        # Nothing that exists now will ever be garbage.
        gc.collect()
        gc.freeze()
        notify("READY=1", f"STATUS=measuring {len(self._wanted.assignments)} paths")
        while True:
            self._dispatcher.tick()
            await asyncio.sleep(TICK_S)

    def _close_old_plans(self) -> None:
        """Paths of an earlier run, which may have been killed, that are measured no more."""
        now_ns = self._timeline.now().utc_ns
        self._recorder.put(
            plan
            for plan in left_active(self._wanted.data_dir, self._wanted.agent, now_ns)
            if plan.path not in self._wanted.assignments
        )

    async def _reloads(self) -> None:
        """Read the configuration again whenever that is asked for, until cancelled."""
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            self._take(await in_thread(ask, self._reading))

    def _take(self, wanted: Wanted | Refusal) -> None:
        """Measure this from now on; what is wrong with it is logged, and the old one goes on."""
        if isinstance(wanted, Refusal):
            problems = list(wanted.problems)
        else:
            old = self._wanted
            problems = [
                f"{key} cannot change while the agent runs ({was} to {now}): restart it"
                for key, was, now in (
                    ("agent.name", old.agent, wanted.agent),
                    ("agent.data_dir", old.data_dir, wanted.data_dir),
                    ("agent.metrics", old.metrics, wanted.metrics),
                    ("store.spool_mb", old.storage.spool_bytes, wanted.storage.spool_bytes),
                    ("store: days kept", old.storage.retention, wanted.storage.retention),
                )
                if was != now
            ]
        if problems or isinstance(wanted, Refusal):
            for problem in problems:
                event(log, logging.ERROR, "configuration-refused", problem=problem)
        else:
            changes = self._dispatcher.apply(wanted.assignments)
            self._reflector.want(wanted.reflector)
            self._forwarding.want(wanted.storage)
            self._devices.want(wanted.polling)
            self._want_backups(wanted)
            self._wanted = wanted
            self._health.keep_only(wanted.assignments)
            event(
                log, logging.INFO, "reloaded", paths=len(wanted.assignments),
                added=len(changes.added), changed=len(changes.changed),
                removed=len(changes.removed),
            )  # fmt: skip
        self._reload.note(problems)
        self._house.write_soon()
        notify("READY=1", f"STATUS=measuring {len(self._wanted.assignments)} paths")

    def _want_backups(self, wanted: Wanted) -> None:
        if wanted.backups:
            self._backups.want(command_for(wanted.place), ending_for(wanted.place))
        else:
            self._backups.want(None)

    def _backup_due(self, device: str) -> None:
        event(log, logging.INFO, "backup-due", device=device)
        self._backups.changed(device)

    def _on_train(self, assignment: Assignment, record: TrainRecord, samples: TrainSamples) -> None:
        self._tally.add(record)
        self._lateness.add(samples)
        self._house.note_train(record)
        faults = self._health.note(record, assignment.judgement)
        if faults is not None:
            event(
                log, logging.WARNING if faults else logging.INFO,
                "path-bad" if faults else "path-good",
                path=record.path, faults=",".join(faults) or None, sent=record.sent,
                lost=record.lost, p50_ms=_ms(record.rtt.p50_ns), limit_ms=_ms(record.limit_ns),
            )  # fmt: skip
        self._evidence.note(record, assignment)

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FINISH_BY_S
        notify("STOPPING=1")
        planning, polling, *_ = tasks
        planning.cancel()
        polling.cancel()
        event(log, logging.INFO, "stopping", trains_out=self._dispatcher.out)
        await self._dispatcher.stop(DRAIN_S)
        await self._recorder.finish(deadline - loop.time())
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=0.1)
        self._house.write_last()
        event(log, logging.INFO, "stopped", **self._tally.as_dict())
        with contextlib.suppress(StoreError):
            self._spool.close()
        self._lock.release()


def left_active(data_dir: Path, agent: str, now_ns: int) -> list[PlanRecord]:
    """The end, from now on, of each plan of this agent that its spool knows as still in force."""
    newest = "SELECT payload, max(start_ns) FROM plans GROUP BY path"
    with open_tail(data_dir / SPOOL_NAME) as tail:
        found = [] if tail.connection is None else tail.connection.execute(newest).fetchall()
    plans = [decode("plans", payload) for payload, _ in found]
    return [
        ended(plan, now_ns)
        for plan in plans
        if isinstance(plan, PlanRecord) and plan.active and plan.agent == agent
    ]


def ended(plan: PlanRecord, now_ns: int) -> PlanRecord:
    """The same plan, no longer in force from this instant on."""
    return replace(plan, start_ns=now_ns, active=False, phase_ns=0)


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / 1_000_000


def run(reading: Sequence[str]) -> int:
    """Run an agent in this process until it is stopped; returns its exit status.

    Raises as `Daemon`.
    """
    wanted = ask(reading)
    if isinstance(wanted, Refusal):
        sys.stderr.write("pasprobe: " + "\n".join(wanted.problems) + "\n")
        return 2

    async def measure() -> int:
        return await Daemon(wanted, reading).run()

    return asyncio.run(measure())


def main() -> int:
    """`FORMAT COMMAND...`: the log's format (json, logfmt) and the reading command."""
    log_to_stderr(as_json=sys.argv[1] == "json")
    try:
        return run(sys.argv[2:])
    except (ProbeError, StoreError) as error:
        sys.stderr.write(f"pasprobe: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
