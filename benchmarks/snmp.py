"""SNMP: what a hundred switches cost, and what two hundred dead devices do to twenty live ones.

Made-up switches of 48 ports answer from a process of their own, on one loopback address each
(tests/snmp_agents.py). Counted is the CPU time of this process; `snmpbulkwalk` reads the same
columns beside it, as children. A round is what has to be done every 60 s, so its CPU time over 60 s
is the share of a core. The dead devices are addresses whose datagrams nobody reads; they and the
live ones are polled for 100 s. A run takes some two and a half minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks import Unavailable
from benchmarks.hosts import ROOT
from benchmarks.scale import scaled
from collectors.clients import open_client
from collectors.errors import SilentError
from collectors.poller import Polled, Poller
from collectors.snmp import Session, Target
from inventory.operations import Device, Snmp
from inventory.secrets import Secret

NAME = "snmp"
GOALS: dict[str, tuple[str, float]] = {
    "pysnmp: 100 switches each 60 s (% of a core)": ("<=", 20.0),
    "gufo_snmp: 100 switches each 60 s (% of a core)": ("<=", 3.0),
    "200 dead, 20 live: lateness p99 of the live (ms)": ("<=", 100.0),
    "200 dead, 20 live: growth of memory in the last half (MB)": ("<=", 1.0),
}

EVERY_S: Final = 60.0
PORTS: Final = 48
SWITCHES, DEAD, LIVE, ROUNDS = 100, 200, 20, 100
ROUND_S: Final = 1.0
"""The interval of the live and the dead: the shortest that a configuration may ask for."""
TOGETHER: Final = 10
"""Switches that are read at a time."""
IF_TABLE, IF_X_TABLE = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
COLUMNS: Final = tuple(
    [f"{IF_TABLE}.{column}" for column in (7, 8, 9, 13, 14, 19, 20)]
    + [f"{IF_X_TABLE}.{column}" for column in (1, 6, 10, 15, 7, 11, 18)]
)
UPTIME: Final = "1.3.6.1.2.1.1.3.0"


def run_once() -> dict[str, float | str]:
    """Both clients over all switches, snmpbulkwalk beside them, then the dead and the live."""
    count = scaled(SWITCHES, 5)
    hosts = [f"127.1.0.{number}" for number in range(1, count + 1)]
    figures: dict[str, float | str] = {}
    libraries: tuple[Literal["pysnmp", "gufo"], ...] = ("pysnmp", "gufo")
    with switches(hosts) as port:
        for library, name in zip(libraries, ("pysnmp", "gufo_snmp"), strict=True):
            cpu_s, wall_s, values = asyncio.run(_read_all(library, hosts, port))
            share = cpu_s / EVERY_S * 100 * SWITCHES / count
            print(f"{name}: {values} values, CPU {cpu_s:.3f} s, {wall_s:.3f} s by the clock")
            figures |= {
                f"{name}: 100 switches each 60 s (% of a core)": share,
                f"{name}: CPU of a value (us)": cpu_s / values * 1e6,
                f"{name}: values of a round": values * SWITCHES / count,
                f"{name}: a round by the clock (s)": wall_s * SWITCHES / count,
            }
        figures |= _bulkwalk(hosts, port)
    theirs = float(figures["snmpbulkwalk: 100 switches each 60 s (% of a core)"])
    shares = {
        name: float(figures[f"{name}: 100 switches each 60 s (% of a core)"])
        for name in ("pysnmp", "gufo_snmp")
    }
    figures |= {f"CPU of {name} / snmpbulkwalk": share / theirs for name, share in shares.items()}
    figures["CPU of pysnmp / gufo_snmp"] = shares["pysnmp"] / shares["gufo_snmp"]
    return figures | _dead_and_live()


async def _read_all(
    library: Literal["pysnmp", "gufo"], hosts: list[str], port: int
) -> tuple[float, float, int]:
    """CPU and time of a round in which each switch is known already, and its values."""
    client = open_client(library)
    sessions = [client.session(_target(host, port)) for host in hosts]
    await _round(sessions)
    cpu_s, start = time.process_time(), time.monotonic()
    values = await _round(sessions)
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - start
    lost = sum(session.counts.timeouts for session in sessions)
    if values != len(hosts) * PORTS * len(COLUMNS) or lost:
        raise Unavailable(f"{library}: {values} values, {lost} time-outs: is the machine busy?")
    for session in sessions:
        await session.close()
    await client.close()
    return cpu_s, wall_s, values


async def _round(sessions: list[Session]) -> int:
    waiting = list(sessions)
    values = 0

    async def read() -> None:
        nonlocal values
        while waiting:
            found = await waiting.pop().walk(COLUMNS)
            values += sum(map(len, found.values()))

    await asyncio.gather(*(read() for _ in range(TOGETHER)))
    return values


def _target(host: str, port: int) -> Target:
    return Target(host, port, community="public", timeout_s=5.0)


def _bulkwalk(hosts: list[str], port: int) -> dict[str, float | str]:
    """The same columns by net-snmp's program: a process for each column of each switch."""
    program = shutil.which("snmpbulkwalk")
    if program is None:
        raise Unavailable("snmpbulkwalk is not installed: sh tests/system_packages.sh")
    few = hosts[: max(1, len(hosts) // 10)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = 0
    for host in few:
        for column in COLUMNS:
            lines += subprocess.run(
                [program, "-v2c", "-c", "public", "-On", "-Cr50", f"{host}:{port}", column],
                env=os.environ | {"MIBS": ""}, capture_output=True, check=True,
            ).stdout.count(b"\n")  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"snmpbulkwalk: {lines} lines, CPU {cpu_s:.3f} s")
    return {
        "snmpbulkwalk: 100 switches each 60 s (% of a core)": (
            cpu_s / EVERY_S * 100 * SWITCHES / len(few)
        )
    }


def _dead_and_live() -> dict[str, float | str]:
    dead, live, rounds = scaled(DEAD, 20), scaled(LIVE, 5), scaled(ROUNDS, 10)
    hosts = [f"127.2.0.{number}" for number in range(1, live + 1)]
    with switches(hosts) as port, _black_hole() as hole:
        return asyncio.run(_poll(hosts, port, dead, hole, rounds))


async def _poll(
    hosts: list[str], port: int, dead: int, hole: int, rounds: int
) -> dict[str, float | str]:
    """Live and dead ones as often as they can be asked.

    The poller is not told that the dead are dead, so it never leaves them out: the worst case.
    """
    client = open_client("pysnmp")
    places = {f"live{number}": (host, port) for number, host in enumerate(hosts)}
    places |= {f"dead{number}": (f"127.3.0.{number}", hole) for number in range(1, dead + 1)}
    sessions = {
        name: client.session(Target(*place, community="public", timeout_s=2.0, retries=1))
        for name, place in places.items()
    }
    live: list[Polled] = []
    wrong = 0

    async def poll(device: Device) -> None:
        nonlocal wrong
        if device.id.startswith("live"):
            await sessions[device.id].get([UPTIME])
            return
        try:
            await sessions[device.id].get([UPTIME])
            wrong += 1
        except SilentError:
            return

    def told(polled: Polled) -> None:
        nonlocal wrong
        if polled.device.startswith("live"):
            live.append(polled)
            wrong += polled.error is not None

    poller = Poller([_device(name, place[0]) for name, place in places.items()], poll, told=told)
    task = asyncio.create_task(poller.run())
    await asyncio.sleep(rounds * ROUND_S / 2)
    half = _resident_mb()
    await asyncio.sleep(rounds * ROUND_S / 2)
    end = _resident_mb()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    figures = poller.figures()
    late = sorted((one.start_ns - one.due_ns) / 1e6 for one in live)
    answered = sorted((one.end_ns - one.start_ns) / 1e6 for one in live)
    await client.close()
    print(f"{figures}; memory {half:.1f} MB, {end:.1f} MB; {wrong} wrong")
    if wrong:
        raise Unavailable(f"{wrong} polls ended as they should not: is the machine busy?")
    return {
        "200 dead, 20 live: lateness p99 of the live (ms)": late[(len(late) - 1) * 99 // 100],
        "200 dead, 20 live: lateness max of the live (ms)": late[-1],
        "200 dead, 20 live: response p99 of the live (ms)": (
            answered[(len(answered) - 1) * 99 // 100]
        ),
        "200 dead, 20 live: polls of the live": float(len(live)),
        "200 dead, 20 live: slots of the live passed over": float(
            sum(one.passed_over for one in live)
        ),
        "200 dead, 20 live: memory (MB)": end,
        "200 dead, 20 live: growth of memory in the last half (MB)": end - half,
    }


def _device(name: str, host: str) -> Device:
    snmp = Snmp(
        version="2c", community=Secret(env="UNUSED"), every_ns=int(ROUND_S * 1e9), timeout_ns=10**9
    )
    return Device(id=name, host=host, role="switch", platform="cisco_ios", snmp=snmp)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@contextlib.contextmanager
def _black_hole() -> Iterator[int]:
    """A port on every loopback address where nothing answers, and nothing is refused."""
    with socket.socket(type=socket.SOCK_DGRAM) as hole:
        hole.bind(("", 0))
        yield int(hole.getsockname()[1])


@contextlib.contextmanager
def switches(hosts: list[str]) -> Iterator[int]:
    """Switches on these addresses, in a process of their own; the port that all have."""
    process: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "snmp_agents.py", json.dumps(hosts), str(PORTS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
