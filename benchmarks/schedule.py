"""Issue figure 4: packets leave on time while the rest of the agent is busy.

1,000 paths on the loopback interface, 100 packets each at 100 ms, again every 10 s with random
phases: 10,000 probes a second. The event loop that plans them and takes their samples is kept busy
for more than a core with what an agent does: JSON, SQLite with fsync, pure Python. Once with the
engine in its process (`agent.daemon.engine_supervisor`, as the daemon runs it), and for comparison
in a thread of the same process. Lateness is the kernel's TX stamp less the due instant.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from agent.daemon.engine_link import Finished, Message, Order
from agent.daemon.engine_supervisor import EngineSupervisor
from agent.engine.loop import Engine
from agent.engine.timing import monotonic_now_ns
from agent.samples import Int64Array, StampSource, Status, TrainPlan, TrainSamples
from agent.summary import TrainContext, summarise
from benchmarks import Unavailable
from benchmarks.hosts import ROOT

NAME = "schedule"
GOALS = {
    "process: p99 lateness (ms)": ("<=", 1.0),
    "process: packets not sent": ("==", 0.0),
}

PATHS, PACKETS = 1000, 100
SPACING_NS, TRAIN_NS = 100_000_000, 10_000_000_000
TIMEOUT_NS = 1_000_000_000
MEASURED_S = {"process": 60, "thread": 8, "thread, switching every 0.5 ms": 8}
"""By arrangement: the time over which the full rate is measured, after a start of one train."""
AHEAD_NS, ADMIT_NS = 3_000_000_000, 300_000_000
STEP_NS = 50_000_000
LEAD_NS = 2_000_000_000


class Arrangement(Protocol):
    """Somewhere an engine runs."""

    def order(self, orders: Sequence[Order]) -> None:
        """Have these trains sent."""

    def cpu_s(self) -> float:
        """What the engine has taken so far, NaN where it cannot be told apart."""


class InProcess:
    """As the daemon has it."""

    def __init__(self, done: Callable[[TrainSamples], None]) -> None:
        self._supervisor = EngineSupervisor(lambda message: _samples(message, done), _died)

    async def start(self) -> asyncio.Task[None]:
        """Start the engine and wait until it takes orders."""
        task = asyncio.create_task(self._supervisor.run())
        while not self._supervisor.ready:
            await asyncio.sleep(0.05)
        return task

    def order(self, orders: Sequence[Order]) -> None:
        self._supervisor.order(orders)

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._supervisor.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class InThread:
    """The alternative: the engine shares the interpreter with everything else."""

    def __init__(self, done: Callable[[TrainSamples], None]) -> None:
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._cpu_s = 0.0

    async def start(self) -> asyncio.Task[None]:
        """Start the engine."""
        self._thread.start()
        return asyncio.create_task(asyncio.sleep(0))

    def order(self, orders: Sequence[Order]) -> None:
        for order in orders:
            self._orders.put(order)

    def cpu_s(self) -> float:
        return self._cpu_s

    def _run(self) -> None:
        engine = Engine()
        waiting: list[Order] = []
        while True:
            while not self._orders.empty():
                waiting.append(self._orders.get())
            until = monotonic_now_ns() + ADMIT_NS
            near = [order for order in waiting if order.start_ns <= until]
            waiting = [order for order in waiting if order.start_ns > until]
            engine.add([(order.plan, order.start_ns) for order in near])
            for samples in engine.step(monotonic_now_ns() + STEP_NS):
                self._loop.call_soon_threadsafe(self._done, samples)
            self._cpu_s = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)


def _samples(message: Message, done: Callable[[TrainSamples], None]) -> None:
    if isinstance(message, Finished):
        for _, samples in message.trains:
            done(samples)


def _died() -> None:
    raise RuntimeError("the engine process died")


@dataclass(slots=True)
class Window:
    """The packets that were due between two instants (CLOCK_MONOTONIC)."""

    begin_ns: int
    end_ns: int
    lateness: list[Int64Array] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)
    """Start of each train by the identity that comes back: its path and number."""
    unsent: int = 0
    userland: int = 0
    lost: int = 0
    records: int = 0

    def add(self, samples: TrainSamples) -> None:
        """Take a finished train, as the daemon does: its figures are worked out also."""
        summarise(samples, _CONTEXT)
        self.records += 1
        due = self.starts[int(samples.plan.path)] + np.arange(PACKETS) * SPACING_NS
        mine = (due >= self.begin_ns) & (due < self.end_ns)
        status = samples.status[mine]
        sent = status != int(Status.UNSENT)
        self.unsent += int((~sent).sum())
        self.lost += int((status == int(Status.LOST)).sum())
        self.userland += int((samples.tx_source[mine][sent] != int(StampSource.KERNEL)).sum())
        self.lateness.append(samples.lateness_ns[mine][sent])


_CONTEXT = TrainContext("bench", "", "", "", "", "", limit_ns=300_000_000)


def run_once() -> dict[str, float | str]:
    """Both arrangements, each in a program of its own."""
    if (os.cpu_count() or 1) < 2:
        raise Unavailable("the schedule is measured with a busy core beside the engine's: 2 cores")
    figures: dict[str, float | str] = {}
    for name, seconds in MEASURED_S.items():
        command = [sys.executable, "-m", "benchmarks.schedule", name, str(seconds)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        print(name, done.stdout, end="")
        figures |= {f"{name}: {key}": value for key, value in json.loads(done.stdout).items()}
    return figures


async def measure(
    name: str, seconds: int, beside: Callable[[], Coroutine[Any, Any, None]]
) -> dict[str, float]:
    """The lateness of `seconds` of packets by an arrangement, with something in the event loop."""
    if name == "thread, switching every 0.5 ms":
        sys.setswitchinterval(0.0005)
    begin = monotonic_now_ns() + LEAD_NS
    window = Window(begin + TRAIN_NS, begin + TRAIN_NS + seconds * 1_000_000_000)
    arrangement = InProcess(window.add) if name == "process" else InThread(window.add)
    task = await arrangement.start()
    busy = asyncio.create_task(beside())
    ordered = _orders(begin, window)
    waiting = next(ordered, None)
    own_cpu_s = engine_cpu_s = 0.0
    trains, marks = 0, [window.begin_ns, window.end_ns]
    while window.records < trains or waiting is not None:
        now = monotonic_now_ns()
        if marks and now >= marks[0]:
            marks.pop(0)
            own_cpu_s = _own_cpu_s() - own_cpu_s
            engine_cpu_s = arrangement.cpu_s() - engine_cpu_s
        ready = []
        while waiting is not None and waiting.start_ns < now + AHEAD_NS:
            ready.append(waiting)
            waiting = next(ordered, None)
        arrangement.order(ready)
        trains += len(ready)
        if now > window.end_ns + 3 * TRAIN_NS:
            raise RuntimeError(f"{name}: {trains - window.records} trains never came back")
        await asyncio.sleep(0.2)
    if busy.done():
        raise RuntimeError(f"{name}: nothing ran beside the packets") from busy.exception()
    busy.cancel()
    task.cancel()
    await asyncio.wait((busy,))
    if isinstance(arrangement, InThread):
        own_cpu_s -= engine_cpu_s
    late = np.sort(np.concatenate(window.lateness)) / 1e6
    planned = PATHS * seconds * 1_000_000_000 // SPACING_NS
    return {
        "packets sent a second": len(late) / seconds,
        "packets not sent": planned - len(late),
        "packets without kernel stamp": window.userland,
        "packets lost": window.lost,
        **{
            f"p{percent:g} lateness (ms)": round(float(np.percentile(late, percent)), 4)
            for percent in (50, 95, 99, 99.9)
        },
        "most lateness (ms)": round(float(late[-1]), 3),
        "engine (% of a core)": round(100 * engine_cpu_s / seconds, 1),
        "event loop (% of a core)": round(100 * own_cpu_s / seconds, 1),
    }


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _orders(begin_ns: int, window: Window) -> Iterator[Order]:
    """The trains of all paths in the order of their start, the last of them in the window."""
    grid = random.Random(1)
    phases = [grid.randrange(TRAIN_NS // 1_000_000) * 1_000_000 for _ in range(PATHS)]
    in_turn = sorted(range(PATHS), key=phases.__getitem__)
    for number in range((window.end_ns - begin_ns) // TRAIN_NS + 1):
        for path in in_turn:
            start = begin_ns + phases[path] + number * TRAIN_NS
            if start >= window.end_ns:
                return
            token = number * PATHS + path
            window.starts[token] = start
            address = f"127.1.{path // 250}.{1 + path % 250}"
            plan = TrainPlan(str(token), "icmp", address, PACKETS, SPACING_NS, 64, TIMEOUT_NS)
            yield Order(token, start, plan)


async def be_busy() -> None:
    """Keep the event loop at work: each turn blocks it for some milliseconds, and none waits."""
    document: dict[str, Any] = {f"path-{n}": list(range(40)) for n in range(300)}
    with tempfile.TemporaryDirectory(prefix="pp-schedule-") as folder:
        base = sqlite3.connect(Path(folder) / "busy.sqlite")
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        base.execute("CREATE TABLE trains (path TEXT, payload TEXT)")
        while True:
            for _ in range(10):
                text = json.dumps(document)
                json.loads(text)
                await asyncio.sleep(0)
                sum(n * n for n in range(200_000))
                await asyncio.sleep(0)
            with base:
                base.executemany("INSERT INTO trains VALUES (?, ?)", [("p", text[:500])] * 200)
            await asyncio.sleep(0)
            with base:
                base.execute("DELETE FROM trains")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], int(sys.argv[2]), be_busy))))
