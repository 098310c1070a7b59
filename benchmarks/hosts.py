"""Two hosts on one veth link, made of network namespaces, and what a command on them costs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import Unavailable

ROOT: Final = Path(__file__).resolve().parent.parent
PASPROBE: Final = str(Path(sys.executable).with_name("pasprobe"))
"""The command as it was installed beside this interpreter."""
CLONE_NEWNET: Final = 0x40000000
MOST_TARGETS: Final = 1000


@dataclass(frozen=True, slots=True)
class Link:
    """`near` measures, `far` is measured; both forget everything when the benchmark ends."""

    near: str
    far: str
    near_address: str = "10.78.0.1"
    far_address: str = "10.78.0.2"
    near_tap: str = "pb0"
    far_tap: str = "pb1"

    def targets(self, count: int) -> list[str]:
        """So many addresses that the far host answers to (at most `MOST_TARGETS`)."""
        return [f"10.78.{1 + n // 250}.{1 + n % 250}" for n in range(count)]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a finished command said and took, its own children included."""

    exit_code: int
    stdout: str
    stderr: str
    user_s: float
    system_s: float
    wall_s: float

    @property
    def cpu_s(self) -> float:
        """User and system time."""
        return self.user_s + self.system_s


def need(*tools: str) -> None:
    """Raise `Unavailable` unless this is root on a machine with these programs."""
    if os.geteuid() != 0:
        raise Unavailable("network namespaces and captures need root: run it with sudo")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    for tool in ("ip", "sysctl", *tools):
        if shutil.which(tool, path=path) is None:
            raise Unavailable(f"{tool} is not installed: see tests/system_packages.sh")


@contextlib.contextmanager
def linked() -> Iterator[Link]:
    """Two fresh namespaces on a veth pair, removed afterwards.

    The far host answers every echo request (no rate limit of its own), both know each other's
    link-layer address: what is lost is lost by the benchmark's will.
    """
    link = Link(near=f"pp-bnear-{os.getpid()}", far=f"pp-bfar-{os.getpid()}")
    try:
        for host in (link.near, link.far):
            _ip("netns", "add", host)
            _ip("-n", host, "link", "set", "lo", "up")
            run(
                host, "sysctl", "-q", "-w",
                "net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=10000000",
                "net.ipv4.icmp_msgs_burst=1000000",
            )  # fmt: skip
        _ip(
            "-n", link.near, "link", "add", link.near_tap, "type", "veth",
            "peer", "name", link.far_tap, "netns", link.far,
        )  # fmt: skip
        ends = (
            (link.near, link.near_tap, link.near_address),
            (link.far, link.far_tap, link.far_address),
        )
        for host, tap, address in ends:
            _ip("-n", host, "addr", "add", f"{address}/24", "dev", tap)
            _ip("-n", host, "link", "set", tap, "up")
        for (host, tap, _), (other, other_tap, address) in zip(ends, reversed(ends), strict=True):
            mac = run(other, "cat", f"/sys/class/net/{other_tap}/address").strip()
            _ip("-n", host, "neigh", "replace", address, "lladdr", mac, "dev", tap)
        for block in range(1, 1 + -(-MOST_TARGETS // 250)):
            net = f"10.78.{block}.0/24"
            _ip("-n", link.far, "route", "add", "local", net, "dev", "lo")
            _ip("-n", link.near, "route", "add", net, "via", link.far_address)
        yield link
    finally:
        for host in (link.near, link.far):
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def run(host: str, *command: str) -> str:
    """Run a command on one of the hosts and return its output; RuntimeError where it fails."""
    done = subprocess.run(
        ["ip", "netns", "exec", host, *command], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")
    return done.stdout


@contextlib.contextmanager
def inside(host: str) -> Iterator[None]:
    """This thread is on the host: sockets and processes made in the block stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        Path("/proc/thread-self/ns/net").open() as home,
        Path(f"/run/netns/{host}").open() as there,
    ):
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {host}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


def start(host: str, command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a command on the host directly, without `ip netns exec`: the process is the tool."""
    with inside(host):
        return subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )


def timed(host: str, command: Sequence[str], *, core: int | None = None) -> Cost:
    """Run a command on the host and take its CPU time from wait4(2); `core` binds it to one."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        bound = [] if core is None else ["taskset", "-c", str(core)]
        begin = time.monotonic()
        with inside(host):
            process = subprocess.Popen([*bound, *command], cwd=ROOT, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Cost(
            process.returncode, out.read(), err.read(), usage.ru_utime, usage.ru_stime, wall_s
        )


def version(*command: str) -> str:
    """The first line that a program says of its version."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stdout or done.stderr).strip().splitlines()[0]
