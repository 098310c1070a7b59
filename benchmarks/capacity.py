"""Capacity: how many probes one core sends, and what a probe costs, beside fping.

CPU time is user and system time of the process (wait4). Over veth that includes the far host's
answering, which happens in the sender's system calls, alike for both tools. All processes are
bound to one and the same core.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from typing import Final

from benchmarks.hosts import PASPROBE, Cost, Link, linked, need, timed, version

NAME = "capacity"
TARGETS: Final = 1000
FLAT_OUT_EACH: Final = 200
FLAT_OUT_RATE: Final = 1_000_000
"""More than any machine can do: the engine then sends without a pause."""
FPING_SETTINGS: Final = (
    ("as fast as it goes", "0", "10", 60),
    ("a gap of 1 µs", "0.001", "10", 60),
    ("at most 100,000/s", "0.01", "10", 60),
    ("10,000/s", "0.1", "100", 40),
)
"""(what, -i ms, -p ms, -c). Beyond 65 probes each, fping has no sequence numbers left."""
PACED: Final = ((10_000, 40, "0.1"), (1_000, 20, "1"))
"""(probes/s, probes to each, seconds between two to the same target)."""
LONG: Final = 70_000
LONG_SPACING_S: Final = "0.0002"
FPING_TOO_MANY: Final = 70

GOALS: dict[str, tuple[str, float]] = {
    "engine flat out: probes per second": (">=", 80_000),
    "engine flat out: local drops": ("==", 0),
    "engine flat out: probes without both kernel stamps": ("==", 0),
    "engine flat out / fping at its best, CPU per probe": ("<=", 1),
    "engine flat out / fping at 10,000/s, CPU per probe": ("<=", 1),
    "10,000/s: pasprobe ping / fping, CPU per probe": ("<=", 1.5),
    "1,000/s: pasprobe ping / fping, CPU per probe": ("<=", 1.5),
    "70,000 probes to one target: answered": ("==", LONG),
}


@dataclass(frozen=True, slots=True)
class Fping:
    """A run of fping over all targets."""

    what: str
    cost: Cost
    answered: int

    @property
    def probe_us(self) -> float:
        """CPU time per probe answered."""
        return self.cost.cpu_s / self.answered * 1e6


def run_once() -> dict[str, float | str]:
    """Flat out, then as whole commands at two rates, then more probes than 16 bits can number."""
    need("fping", "taskset")
    core = max(os.sched_getaffinity(0))
    figures: dict[str, float | str] = {}
    with linked() as link:
        figures |= _flat_out(link, core)
        figures |= _start_up(link, core)
        for rate, each, spacing_s in PACED:
            figures |= _paced(link, core, rate, each, spacing_s)
        figures |= _long(link, core)
    figures["beside it"] = version("fping", "-v").replace("fping: ", "fping ")
    return figures


def _flat_out(link: Link, core: int) -> dict[str, float | str]:
    """The engine as fast as it goes; fping at every setting, the cheapest of which counts."""
    command = [sys.executable, "-m", "benchmarks.flat_out", str(FLAT_OUT_EACH), str(FLAT_OUT_RATE)]
    done = timed(link.near, [*command, *link.targets(TARGETS)], core=core)
    if done.exit_code:
        raise RuntimeError(f"benchmarks.flat_out: {done.stderr}")
    print(f"engine: {done.stdout}")
    ours = json.loads(done.stdout)
    probe_us = (ours["user_s"] + ours["system_s"]) / ours["sent"] * 1e6
    theirs = [_fping(link, core, *setting) for setting in FPING_SETTINGS]
    best = min(theirs, key=lambda one: one.probe_us)
    at_10k = theirs[-1]
    return {
        "engine flat out: probes per second": ours["sent"] / ours["seconds"],
        "engine flat out: local drops": ours["local_drops"],
        "engine flat out: probes without both kernel stamps": ours["sent"]
        - min(ours["tx_kernel"], ours["rx_kernel"]),
        "engine flat out: CPU per probe (µs)": probe_us,
        "engine flat out: of it in the kernel (µs)": ours["system_s"] / ours["sent"] * 1e6,
        "fping at its best: CPU per probe (µs)": best.probe_us,
        "fping at 10,000/s: CPU per probe (µs)": at_10k.probe_us,
        "engine flat out / fping at its best, CPU per probe": probe_us / best.probe_us,
        "engine flat out / fping at 10,000/s, CPU per probe": probe_us / at_10k.probe_us,
        "fping is at its best": best.what,
    }


def _fping(link: Link, core: int, what: str, gap_ms: str, period_ms: str, each: int) -> Fping:
    command = ["fping", "-q", "-c", str(each), "-p", period_ms, "-i", gap_ms]
    done = timed(link.near, [*command, *link.targets(TARGETS)], core=core)
    answered = sum(int(n) for n in re.findall(r"xmt/rcv/%loss = \d+/(\d+)/", done.stderr))
    if done.exit_code not in (0, 1) or not answered:
        raise RuntimeError(f"fping: exit {done.exit_code}: {done.stderr[-500:]}")
    run = Fping(what, done, answered)
    print(f"{' '.join(command)}: {answered} answered, {_cost(done)}, {run.probe_us:.2f} µs a probe")
    return run


def _cost(cost: Cost) -> str:
    return f"user {cost.user_s:.3f} s, system {cost.system_s:.3f} s, wall {cost.wall_s:.3f} s"


def _start_up(link: Link, core: int) -> dict[str, float | str]:
    """What the command costs before it measures: one probe to the own host."""
    done = timed(link.near, [PASPROBE, "ping", "127.0.0.1", "-c", "1"], core=core)
    if done.exit_code:
        raise RuntimeError(f"pasprobe ping 127.0.0.1: {done.stdout}{done.stderr}")
    print(f"pasprobe ping 127.0.0.1 -c 1: {_cost(done)}")
    return {
        "start-up: CPU (ms)": done.cpu_s * 1000,
        "start-up: wall clock (ms)": done.wall_s * 1000,
    }


def _paced(link: Link, core: int, rate: int, each: int, spacing_s: str) -> dict[str, float | str]:
    """Both tools as whole commands, the start of the program included."""
    command = [PASPROBE, "ping", "-c", str(each), "-i", spacing_s]
    done = timed(link.near, [*command, *link.targets(TARGETS)], core=core)
    # Lines of `target: lost/sent 0/40 ...`, one a target.
    counts = re.findall(r"lost/sent (\d+)/(\d+)", done.stdout)
    answered = sum(int(sent) - int(lost) for lost, sent in counts)
    if len(counts) != TARGETS or not answered:
        raise RuntimeError(f"pasprobe ping: {done.stdout[-500:]}{done.stderr[-500:]}")
    ours_us = done.cpu_s / answered * 1e6
    print(f"{' '.join(command)}: {answered} answered, {_cost(done)}, {ours_us:.2f} µs a probe")
    period_ms = round(float(spacing_s) * 1000)
    gap_ms = f"{period_ms / TARGETS:g}"
    theirs = _fping(link, core, f"{rate:,}/s", gap_ms, str(period_ms), each)
    burst = _fping(link, core, f"{rate:,}/s in bursts", "0", str(period_ms), each)
    return {
        f"{rate:,}/s: pasprobe ping: CPU per probe (µs)": ours_us,
        f"{rate:,}/s: fping: CPU per probe (µs)": theirs.probe_us,
        f"{rate:,}/s: fping in bursts to all targets at once: CPU per probe (µs)": burst.probe_us,
        f"{rate:,}/s: pasprobe ping / fping, CPU per probe": ours_us / theirs.probe_us,
        f"{rate:,}/s: pasprobe ping: wall clock (s)": done.wall_s,
        f"{rate:,}/s: fping: wall clock (s)": theirs.cost.wall_s,
    }


def _long(link: Link, core: int) -> dict[str, float | str]:
    """More probes at once than a 16-bit sequence can tell apart."""
    done = timed(
        link.near,
        [PASPROBE, "ping", "--json", "-c", str(LONG), "-i", LONG_SPACING_S, link.far_address],
        core=core,
    )
    train = json.loads(done.stdout)
    shown = {key: train[key] for key in ("sent", "received", "lost", "duplicates", "corrupted")}
    print(f"pasprobe ping -c {LONG}: {shown}, {_cost(done)}")
    command = ["fping", "-q", "-c", str(FPING_TOO_MANY), "-p", "10", "-i", "0"]
    fping = timed(link.near, [*command, *link.targets(TARGETS)], core=core)
    print(f"{' '.join(command)}: exit {fping.exit_code}: {fping.stderr[-200:]}")
    said = re.search(r"(not enough [a-z ]+)", fping.stderr)
    return {
        "70,000 probes to one target: answered": train["received"],
        "fping, 70 probes to each of 1,000 targets": f"exit {fping.exit_code}"
        + (f" ({said[1]})" if said else ""),
    }
