"""Issue figure 5: replies a second of one core, beside irtt's server.

The reflector is the command `pasprobe reflect` on core 1; the load comes from `benchmarks.blaster`
on core 0, which keeps 1,024 requests under way over loopback. irtt's server gets the same load from
the same program in its own protocol: 44 octets, two stamps, no statistics. CPU is what the kernel
charges to all threads of the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import Unavailable
from benchmarks.hosts import PASPROBE, ROOT, version

NAME = "reflector"
GOALS = {"stateless, 44 octets: replies a second": (">=", 100_000.0)}

SECONDS = 5
GENERATOR_CORE, REFLECTOR_CORE = "0", "1"
HOST = "127.0.0.1"
IRTT_PORT = 21_112
RATE = "100000000"
"""The rate limit per source stays in use, far above what can come."""

CASES = {
    "stateless, 44 octets": ("stamp", ()),
    "stateful, 44 octets": ("stamp", ("--stateful",)),
    "follow-up, 64 octets": ("follow-up", ()),
    "authenticated, 112 octets": ("authenticated", ()),
}
"""What is asked (a kind of `benchmarks.blaster`), and how the reflector is started."""


def run_once() -> dict[str, float | str]:
    """All cases of ours, then irtt."""
    for tool in ("irtt", "taskset"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed: see tests/system_packages.sh")
    if (os.cpu_count() or 1) < 2:
        raise Unavailable("the load needs a core of its own: 2 cores")
    figures: dict[str, float | str] = {}
    with tempfile.TemporaryDirectory(prefix="pp-reflector-") as folder:
        key, keys = secrets.token_hex(32), Path(folder, "keys")
        keys.touch(mode=0o600)
        keys.write_text(f"{key}\n")
        for name, (kind, options) in CASES.items():
            signed = kind == "authenticated"
            words = [*options, *(["--auth-key-file", str(keys)] if signed else [])]
            with _pasprobe(words) as (server, port):
                figures |= _case(name, server, kind, port, key if signed else "")
    with _irtt() as server:
        figures |= _case("irtt, 44 octets", server, "irtt", IRTT_PORT, "")
    ours, theirs = (
        float(figures[f"{name}, 44 octets: replies per CPU second"])
        for name in ("stateless", "irtt")
    )
    figures["stateless against irtt, per CPU second"] = round(ours / theirs, 2)
    figures["irtt"] = version("irtt", "version")
    return figures


def _case(name: str, server: int, kind: str, port: int, key: str) -> dict[str, float | str]:
    words = [sys.executable, "-m", "benchmarks.blaster", kind, HOST, str(port), str(SECONDS), key]
    load = subprocess.Popen(
        ["taskset", "-c", GENERATOR_CORE, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert load.stdout is not None
    if load.stdout.readline() != "begin\n":
        raise RuntimeError(f"{name}: the load did not start")
    before_s = _cpu_s(server)
    told = load.stdout.readline()
    cpu_s = _cpu_s(server) - before_s
    if load.wait(30) or not told:
        raise RuntimeError(f"{name}: the load failed")
    tally: dict[str, Any] = json.loads(told)
    print(json.dumps({"case": name, "server_cpu_s": round(cpu_s, 3)} | tally))
    if tally["odd"] or not tally["replies"]:
        raise RuntimeError(f"{name}: {tally['odd']} replies of a wrong length of {tally}")
    return {
        f"{name}: replies a second": round(tally["replies"] / tally["seconds"]),
        f"{name}: replies per CPU second": round(tally["replies"] / cpu_s),
    }


def _cpu_s(pid: int) -> float:
    """What all threads of a process ran so far (Linux, Documentation/scheduler/sched-stats)."""
    stats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in stats) / 1e9


@contextlib.contextmanager
def _server(words: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["taskset", "-c", REFLECTOR_CORE, *words], stdout=subprocess.PIPE, text=True, **options
    )
    try:
        yield process
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
        print(" ".join(words), said.strip().splitlines()[-1:])


@contextlib.contextmanager
def _pasprobe(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The reflector's process id and port."""
    command = [PASPROBE, "reflect", "--json", "--listen", f"{HOST}:0", "--rate", RATE, *words]
    with _server(command, cwd=ROOT) as process:
        assert process.stdout is not None
        (place,) = json.loads(process.stdout.readline())["listening"]
        yield process.pid, int(place.rpartition(":")[2])


@contextlib.contextmanager
def _irtt() -> Iterator[int]:
    command = ["irtt", "server", "-b", f"{HOST}:{IRTT_PORT}", "-i", "0"]
    with _server(command, env={**os.environ, "GOMAXPROCS": "1"}) as process:
        assert process.stdout is not None
        while "starting IPv4 listener" not in (line := process.stdout.readline()):
            if not line:
                raise RuntimeError("irtt's server did not start")
        time.sleep(0.2)  # says so before it listens
        yield process.pid
