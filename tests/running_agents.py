"""Agents as programs, one after the other or side by side, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.daemon.state import read_state
from timeseries.reader import EmbeddedReader
from timeseries.records import TrainRecord

PASPROBE = str(Path(sys.executable).with_name("pasprobe"))
AGENT = '[agent]\nname = "here"\ndata_dir = "data"\n'
HERE = """
[[pas]]
id = "here"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{ id = "ip-base", level = "L3", window = "normal" }]
"""


def path(name: str, target: str = "127.0.0.1", every: str = "500ms", timeout: str = "200ms") -> str:
    """A path of `HERE`, which is measured by ICMP."""
    train = f'packets = 3, spacing = "10ms", every = "{every}", timeout = "{timeout}"'
    return (
        f'[[path]]\nid = "{name}"\npas = "here"\nservice = "ip-base"\n'
        f'target = "{target}"\ntrain = {{ {train} }}\n'
    )


@dataclass
class Agents:
    """Agents of one folder; what is still running at the end is killed."""

    folder: Path
    head: str = AGENT + HERE
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def configure(self, *parts: str) -> None:
        aside = self.folder / "new"
        aside.write_text(self.head + "".join(parts))
        aside.replace(self.folder / "pasprobe.toml")

    def command(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PASPROBE, *words],
            cwd=self.folder, env={**os.environ, **environ},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def start(self, **environ: str) -> subprocess.Popen[str]:
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [PASPROBE, "run"],
                cwd=self.folder, env={**os.environ, **environ}, stderr=log, text=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def reader(self) -> EmbeddedReader:
        return EmbeddedReader(self.data, threads=1)

    def trains(self, name: str | None = None) -> list[TrainRecord]:
        if not (self.data / "spool.sqlite").exists():
            return []
        return list(self.reader().trains(name))

    def state(self) -> dict[str, Any]:
        return read_state(self.data) or {}

    def engine_pid(self) -> int:
        found = re.findall(r"event=engine-ready pid=(\d+)", self.log)
        return int(found[-1]) if found else 0

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
