"""Issue figure 6: what an agent with 1,000 paths weighs, and how long one ping takes.

500 paths by ICMP to addresses of the loopback network, 500 by STAMP to a local reflector (not
counted), a train of 10 packets a minute each, embedded store. `pasprobe run` finds a whole quarter
of an hour of such records in its spool, so that the work of a full quarter (roll-up and Parquet, by
processes that come and go) falls into the run; it is charged to the quarter that it is for.

PSS counts a page that several processes share in parts. The reflector and this program share the
interpreter and numpy with the agent, so all of their file pages are added: an upper bound of what
the agent would weigh alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import Unavailable
from benchmarks.hosts import PASPROBE, ROOT

NAME = "weight"
GOALS = {
    "memory at most, PSS of all processes (MB)": ("<=", 150.0),
    "CPU, all processes (% of a core)": ("<=", 5.0),
    "ping 127.0.0.1 -c 1, median of 10 (s)": ("<=", 0.6),
}

PATHS, PACKETS, EVERY_S = 1000, 10, 60
REFLECTORS, PORT = 50, 21_862
"""Addresses that the reflector listens on: a socket of the engine serves one train to each."""
SETTLE_S, MEASURED_S = 45, 60
QUIET_S = 15
"""So long without a writer, and the quarter that was found in the spool is done."""
QUARTER_S = 900
GRACE_S = 60
"""So long after a quarter's end the agent adds it up."""
SAMPLE_S = 0.25
PINGS = 10


@dataclass(slots=True)
class Weight:
    """What all processes of the agent weigh at an instant, in octets."""

    pss: int = 0
    shared_with_others: int = 0
    """File pages of the reflector and of this program."""
    parts: tuple[int, ...] = ()
    """PSS of each process, the agent's first."""

    @property
    def total(self) -> int:
        """The upper bound."""
        return self.pss + self.shared_with_others


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time so far, seconds."""

    own: float
    """Of the agent and its engine."""
    writers: float
    """Of the processes that came and went."""


def run_once() -> dict[str, float | str]:
    """Weigh an agent for some minutes, then time pings."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise Unavailable("this kernel has no /proc/PID/smaps_rollup: memory cannot be weighed")
    figures: dict[str, float | str] = {}
    _wait_for_a_whole_quarter()
    with tempfile.TemporaryDirectory(prefix="pp-weight-") as folder:
        _configure(Path(folder))
        prefill = [sys.executable, "-m", "benchmarks.weight", folder]
        subprocess.run(prefill, cwd=ROOT, check=True)
        with _reflector() as reflector, _agent(Path(folder)) as agent:
            figures |= _weigh(agent, reflector)
        status = _last_log_line(Path(folder, "log"))
        print(status)
        figures |= {
            "trains of the run": status["trains"],
            "trains that were invalid": status["trains"] - status["valid"],
        }
    seconds = [_ping_s() for _ in range(PINGS)]
    print(json.dumps({"ping_s": seconds}))
    figures["ping 127.0.0.1 -c 1, median of 10 (s)"] = round(statistics.median(seconds), 3)
    return figures


def _wait_for_a_whole_quarter() -> None:
    """A quarter that ends during the run would be a second one, and be charged twice."""
    run_s = SETTLE_S + 2 * QUIET_S + MEASURED_S + 15
    into_s = (time.time() - GRACE_S) % QUARTER_S
    if into_s < 15 or into_s + run_s > QUARTER_S:
        time.sleep(QUARTER_S - into_s + 15 if into_s >= 15 else 15 - into_s)


def _weigh(agent: int, reflector: int) -> dict[str, float | str]:
    outsiders = (reflector, os.getpid())
    begin = time.monotonic()
    most, steady = Weight(), Weight()
    settled: Cpu | None = None
    seen, seen_at, end = Cpu(0.0, 0.0), begin, begin + QUARTER_S
    while (now := time.monotonic()) < end:
        weight = _weight(agent, outsiders)
        most = max(most, weight, key=lambda one: one.total)
        if settled is not None:
            steady = max(steady, weight, key=lambda one: one.total)
        else:
            cpu = _cpu(agent)
            if cpu.writers > seen.writers:
                seen, seen_at = cpu, now
            if now - begin >= SETTLE_S and now - seen_at >= QUIET_S:
                settled, end = cpu, now + MEASURED_S
        time.sleep(SAMPLE_S)
    if settled is None:
        raise RuntimeError("the writers did not come to an end")
    last = _cpu(agent)
    own = 100 * (last.own - settled.own) / MEASURED_S
    writers = 100 * (last.writers - settled.writers) / MEASURED_S
    quarter = 100 * settled.writers / QUARTER_S
    print(json.dumps({"most": str(most), "steady": str(steady), "cpu": str((settled, last))}))
    return {
        "memory at most, PSS of all processes (MB)": round(most.total / 1e6, 1),
        "of it file pages shared with programs that are not the agent's": round(
            most.shared_with_others / 1e6, 1
        ),
        "processes at that moment": len(most.parts),
        "memory at most without a quarter's end (MB)": round(steady.total / 1e6, 1),
        "CPU, all processes (% of a core)": round(own + writers + quarter, 2),
        "CPU, agent and engine (% of a core)": round(own, 2),
        "CPU, writers meanwhile (% of a core)": round(writers, 2),
        "CPU, a quarter's roll-up and Parquet (s)": round(settled.writers, 2),
    }


def _weight(agent: int, outsiders: tuple[int, ...]) -> Weight:
    weight = Weight()
    for pid in _family(agent):
        rollup = _rollup(pid)
        if rollup:
            weight.pss += rollup["Pss"]
            weight.parts += (rollup["Pss"],)
    weight.shared_with_others = sum(_rollup(pid).get("Pss_File", 0) for pid in outsiders)
    return weight


def _rollup(pid: int) -> dict[str, int]:
    """`/proc/PID/smaps_rollup` in octets; empty when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def _family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _cpu(agent: int) -> Cpu:
    """The engine lives as long as the agent; whoever has been waited for was a writer."""
    ticks = os.sysconf("SC_CLK_TCK")
    own = writers = 0
    for pid in _family(agent):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            user, system, user_children, system_children = map(int, fields[11:15])
            name = Path(f"/proc/{pid}/cmdline").read_text()
            if "embedded_writer" in name:
                writers += user + system
            else:
                own += user + system
            writers += user_children + system_children
    return Cpu(own / ticks, writers / ticks)


def _ping_s() -> float:
    begin = time.monotonic()
    subprocess.run(
        [PASPROBE, "ping", "127.0.0.1", "-c", "1"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    return time.monotonic() - begin


def _addresses() -> list[str]:
    return [f"127.0.3.{1 + n}" for n in range(REFLECTORS)]


def _configure(folder: Path) -> None:
    lines = [
        "[agent]", 'name = "bench"', f'data_dir = "{folder}/data"',
        "[[pas]]", 'id = "here"', 'country = "IT"', 'timezone = "Europe/Rome"', 'profile = "high"',
        'services = [ { id = "ip-base", level = "L3", window = "extended" } ]',
    ]  # fmt: skip
    for n in range(PATHS):
        if n % 2:
            far = [f'target = "{_addresses()[n // 2 % REFLECTORS]}"', 'method = "stamp"']
            far.append(f"port = {PORT}")
        else:
            far = [f'target = "127.0.{1 + n // 500}.{1 + n // 2 % 250}"', 'method = "icmp"']
        lines += ["[[path]]", f'id = "{_path(n)}"', 'pas = "here"', 'service = "ip-base"', *far]
        lines.append(f'train = {{ packets = {PACKETS}, every = "{EVERY_S}s" }}')
    (folder / "pasprobe.toml").write_text("\n".join(lines) + "\n")


def _path(n: int) -> str:
    return f"here/{n:04}"


@contextlib.contextmanager
def _agent(folder: Path) -> Iterator[int]:
    command = [PASPROBE, "run", "--log-json", "--config", str(folder / "pasprobe.toml")]
    with (folder / "log").open("w") as log, _stopped(command, log.fileno()) as agent:
        yield agent.pid
        if agent.poll() is not None:
            raise RuntimeError(f"the agent ended: {(folder / 'log').read_text()[-2000:]}")


@contextlib.contextmanager
def _reflector() -> Iterator[int]:
    listen = [word for address in _addresses() for word in ("--listen", f"{address}:{PORT}")]
    with _stopped([PASPROBE, "reflect", *listen], subprocess.DEVNULL) as reflector:
        time.sleep(1)
        if reflector.poll() is not None:
            raise RuntimeError("the reflector did not start")
        yield reflector.pid


@contextlib.contextmanager
def _stopped(command: list[str], log: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _last_log_line(log: Path) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return line


def prefill(folder: Path) -> None:
    """Put the records of a whole quarter into the spool: all that 1,000 paths leave in 15 minutes.

    In a program of its own, which is gone when the agent is weighed.
    """
    from dataclasses import replace

    import numpy as np

    from agent.samples import ClockState, StampSource, Status, TrainPlan, TrainSamples
    from agent.summary import TrainContext, sample_record, summarise
    from timeseries.records import PlanRecord, Record
    from timeseries.rollup import QUARTER_NS
    from timeseries.spool import Spool
    from timeseries.spool_file import SPOOL_NAME

    # The last but one: nobody waits for stragglers of it any more.
    quarter_ns = (time.time_ns() // QUARTER_NS - 2) * QUARTER_NS
    every_ns, spacing_ns = EVERY_S * 1_000_000_000, 100_000_000
    random = np.random.default_rng(1)
    (folder / "data").mkdir()
    spool = Spool(folder / "data" / SPOOL_NAME)
    context = TrainContext("bench", "here", "ip-base", "", "", "127.0.0.1", 300_000_000)
    plans = [
        PlanRecord("bench", _path(n), quarter_ns, True, every_ns, PACKETS, context.limit_ns)
        for n in range(PATHS)
    ]
    spool.append(plans)
    for start_ns in range(quarter_ns, quarter_ns + QUARTER_NS, every_ns):
        records: list[Record] = []
        for n in range(PATHS):
            plan = TrainPlan(_path(n), "icmp", "127.0.0.1", PACKETS, spacing_ns, 64, 3 * 10**9)
            samples = TrainSamples.empty(plan, start_ns + n, ClockState(False, None))
            samples.status[:] = Status.RECEIVED
            samples.tx_ns[:] = start_ns + n + np.arange(PACKETS) * spacing_ns
            samples.rx_ns[:] = samples.tx_ns + random.integers(20_000_000, 40_000_000, PACKETS)
            samples.tx_source[:] = samples.rx_source[:] = StampSource.KERNEL
            records += [summarise(samples, context), sample_record(samples, context.agent)]
        spool.append(records)
    # These paths are planned anew when the agent starts.
    end_ns = quarter_ns + QUARTER_NS
    spool.append([replace(plan, start_ns=end_ns, active=False) for plan in plans])
    spool.close()


if __name__ == "__main__":
    prefill(Path(sys.argv[1]))
