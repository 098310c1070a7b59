"""SNMP beside the probes: packets leave on time while the event loop reads a hundred switches.

The packets are those of `benchmarks.schedule`: 10,000 a second over loopback, sent by the engine's
process. In the event loop that plans them and takes their samples, in place of made-up work, the
collector asks 100 switches of 48 ports every 60 s, as `pasprobe run` has it: first contact in the
first minute, polls from then on, every record into a spool. A run is two minutes by each client.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent.daemon.recorder import Recorder
from benchmarks import Unavailable
from benchmarks.hosts import ROOT
from benchmarks.scale import scaled
from benchmarks.schedule import measure
from benchmarks.snmp import SWITCHES, switches
from collectors.clients import open_client
from collectors.device import DeviceCollector
from collectors.poller import Polled, Poller
from collectors.snmp import Target
from inventory.operations import Device, Snmp
from inventory.secrets import Secret
from timeseries.embedded import EmbeddedStore
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME

NAME = "snmp_schedule"
LIBRARIES: tuple[Literal["pysnmp", "gufo"], ...] = ("pysnmp", "gufo")
GOALS: dict[str, tuple[str, float]] = {
    f"{library}: {figure}": goal
    for library in LIBRARIES
    for figure, goal in {
        "p99 lateness of packets (ms)": ("<=", 1.0),
        "packets not sent": ("==", 0.0),
        "polls without an answer": ("==", 0.0),
    }.items()
}
MEASURED_S = 120
"""A minute of first contacts and a minute of polls; a smaller run has both halves too."""


def run_once() -> dict[str, float | str]:
    """Both clients, each in a program of its own."""
    if (os.cpu_count() or 1) < 2:
        raise Unavailable("the schedule is measured with a core beside the engine's: 2 cores")
    count, seconds = scaled(SWITCHES, 5), scaled(MEASURED_S, 20)
    figures: dict[str, float | str] = {}
    with switches([f"127.4.0.{number}" for number in range(1, count + 1)]) as port:
        for library in LIBRARIES:
            arguments = [library, str(port), str(count), str(seconds)]
            command = [sys.executable, "-m", "benchmarks.snmp_schedule", *arguments]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
            print(*arguments, done.stdout, end="")
            found = json.loads(done.stdout.splitlines()[-1])
            figures |= {f"{library}: {key}": value for key, value in found.items()}
    return figures


@dataclass(slots=True)
class Collecting:
    """The collector at its work: devices polled, what they say spooled."""

    library: Literal["pysnmp", "gufo"]
    port: int
    count: int
    every_s: float
    polls: list[Polled] = field(default_factory=list)
    records: int = 0
    lateness_p99_ns: int = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        client = open_client(self.library)
        with ExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="pp-snmp-")))
            spool = opened.enter_context(Spool(folder / SPOOL_NAME))
            recorder = Recorder(spool, EmbeddedStore(folder, spool, agent="bench"))
            devices = [self._device(number) for number in range(1, self.count + 1)]
            collectors = {
                one.id: DeviceCollector(
                    "bench", one, Target(one.host, self.port, community="public"), client,
                    recorder.put,
                )
                for one in devices
            }  # fmt: skip

            async def poll(device: Device) -> None:
                found = await collectors[device.id].poll()
                self.records += len(found.records)

            poller = Poller(devices, poll, told=self.polls.append, rng=random.Random(1))
            spooling = asyncio.create_task(recorder.run_spool())
            try:
                await poller.run()
            finally:
                self.lateness_p99_ns = poller.figures().lateness_p99_ns
                await recorder.finish(10.0)
                spooling.cancel()
                await asyncio.wait((spooling,))
                for one in collectors.values():
                    await one.close()
                await client.close()

    def _device(self, number: int) -> Device:
        snmp = Snmp(
            version="2c", community=Secret(env="UNUSED"), every_ns=int(self.every_s * 1e9),
        )  # fmt: skip
        host = f"127.4.0.{number}"
        return Device(id=f"sw-{number}", host=host, role="switch", platform="cisco_ios", snmp=snmp)


async def _measure(
    library: Literal["pysnmp", "gufo"], port: int, count: int, seconds: int
) -> dict[str, float]:
    collecting = Collecting(library, port, count, seconds / 2)
    found = await measure("process", seconds, collecting.run)
    answered = [one for one in collecting.polls if one.error is None]
    lasted = sorted(one.end_ns - one.start_ns for one in answered)
    return {
        "switches": count,
        "packets sent a second": found["packets sent a second"],
        "packets not sent": found["packets not sent"],
        "packets lost": found["packets lost"],
        **{
            f"{name} lateness of packets (ms)": found[f"{name} lateness (ms)"]
            for name in ("p50", "p99", "p99.9", "most")
        },
        "engine (% of a core)": found["engine (% of a core)"],
        "event loop (% of a core)": found["event loop (% of a core)"],
        "polls": len(collecting.polls),
        "polls without an answer": len(collecting.polls) - len(answered),
        "p99 lateness of polls (ms)": round(collecting.lateness_p99_ns / 1e6, 1),
        "p50 duration of a poll (ms)": round(lasted[len(lasted) // 2] / 1e6, 1),
        "values read": collecting.records,
    }


if __name__ == "__main__":
    name: Literal["pysnmp", "gufo"] = "gufo" if sys.argv[1] == "gufo" else "pysnmp"
    print(json.dumps(asyncio.run(_measure(name, *map(int, sys.argv[2:5])))))
