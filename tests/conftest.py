"""What the tests share: components that must be there, and hosts made of network namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# How long an example takes says something of the machine, not of the code.
hypothesis.settings.register_profile("pasprobe", deadline=None)
hypothesis.settings.load_profile("pasprobe")

pytest_plugins = ["archive_cases", "facts_cases", "icmp_trains"]

CLONE_NEWNET = 0x40000000


def _absent(reason: str) -> None:
    """Skip, or fail where the environment promises that everything is there (CI=true)."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true promises it")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def need() -> Callable[..., None]:
    """`need("fping", "root")`: go on only where these programs (or root) are there."""

    def check(*components: str) -> None:
        for component in components:
            if component == "root":
                if os.geteuid() != 0:
                    _absent("needs root")
            elif shutil.which(component, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
                _absent(f"{component} is not installed")

    return check


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether the full numbers of the issues are asked for (`make soak`)."""
    return os.environ.get("PASPROBE_SOAK") == "1"


@dataclass(frozen=True)
class Hosts:
    """Two hosts on one veth link: `near` measures, `far` is measured."""

    near: str
    far: str
    near_v4: str = "10.77.0.1"
    far_v4: str = "10.77.0.2"
    near_v6: str = "fd77::1"
    far_v6: str = "fd77::2"
    near_link: str = "pp0"
    far_link: str = "pp1"

    @staticmethod
    def run(host: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command on one of the hosts and return what it said."""
        return subprocess.run(
            ["ip", "netns", "exec", host, *command],
            check=check,
            capture_output=True,
            text=True,
        )

    @staticmethod
    def popen(host: str, *command: str) -> subprocess.Popen[str]:
        """Start a command on one of the hosts."""
        return subprocess.Popen(
            ["ip", "netns", "exec", host, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @staticmethod
    @contextlib.contextmanager
    def inside(host: str) -> Iterator[None]:
        """This thread is on the host: sockets made in the block stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with (
            Path("/proc/thread-self/ns/net").open() as home,
            Path(f"/run/netns/{host}").open() as ns,
        ):
            if libc.setns(ns.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {host}")
            try:
                yield
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)


@pytest.fixture
def hosts(need: Callable[..., None]) -> Iterator[Hosts]:
    """Two fresh namespaces with IPv4 and IPv6 on a veth link, removed afterwards."""
    need("root", "ip", "ping", "sysctl")
    pair = Hosts(near=f"pp-near-{os.getpid()}", far=f"pp-far-{os.getpid()}")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for host in (pair.near, pair.far):
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
        ip(
            "-n", pair.near, "link", "add", pair.near_link, "type", "veth",
            "peer", "name", pair.far_link, "netns", pair.far,
        )  # fmt: skip
        for host, link, v4, v6 in (
            (pair.near, pair.near_link, pair.near_v4, pair.near_v6),
            (pair.far, pair.far_link, pair.far_v4, pair.far_v6),
        ):
            ip("-n", host, "addr", "add", f"{v4}/24", "dev", link)
            ip("-n", host, "addr", "add", f"{v6}/64", "dev", link, "nodad")
            ip("-n", host, "link", "set", link, "up")
            pair.run(
                host, "sysctl", "-q", "-w",
                "net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=1000000",
                "net.ipv6.icmp.ratelimit=0",
            )  # fmt: skip
        # A fresh veth drops packets for up to two seconds.
        for address in (pair.far_v4, pair.far_v6):
            pair.run(pair.near, "ping", "-q", "-c", "1", "-w", "20", "-i", "0.1", address)
        yield pair
    finally:
        for host in (pair.near, pair.far):
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


@pytest.fixture(scope="session")
def killed_at_random() -> Callable[..., int]:
    """`killed_at_random(chance, (0.0, 1.5), script, *words)`: run a script that prints ascending
    numbers, kill it so many seconds after the first, return the last number that it printed."""

    def run(
        chance: random.Random, seconds: tuple[float, float], *words: str, group: bool = False
    ) -> int:
        """`group`: with its children, otherwise they go on."""
        with subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            assert process.stdout is not None
            last = int(process.stdout.readline())  # it lives
            kill = partial(os.killpg, process.pid, signal.SIGKILL) if group else process.kill
            killer = threading.Timer(chance.uniform(*seconds), kill)
            killer.start()
            for line in process.stdout:
                if line.endswith("\n"):
                    last = int(line)
            killer.join()
        assert process.returncode == -signal.SIGKILL
        return last

    return run


def _beside(name: str) -> Any:
    """A file beside this one that is no package and no test."""
    place = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _package_beside(name: str) -> Any:
    """A folder beside this file, as a package."""
    if name in sys.modules:
        return sys.modules[name]
    folder = Path(__file__).with_name(name)
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def devices() -> Any:
    """Emulated PIX, ASA and IOS devices (tests/devices/emulator.py)."""
    return _package_beside("devices")


@pytest.fixture
def frr_box(need: Callable[..., None]) -> Iterator[Any]:
    """FRR's vtysh by SSH, zebra by telnet (tests/devices/boxes.py)."""
    need("root", "ip", "vtysh", "sshd", "useradd")
    _package_beside("devices")
    with importlib.import_module("devices.boxes").frr_box() as box:
        yield box


@pytest.fixture
def old_sshd(need: Callable[..., None]) -> Iterator[Any]:
    """An sshd with the algorithms of old firewalls alone (tests/devices/boxes.py)."""
    need("root", "sshd", "useradd")
    _package_beside("devices")
    with importlib.import_module("devices.boxes").old_sshd() as server:
        yield server


@pytest.fixture
def influx(need: Callable[..., None], tmp_path: Path) -> Iterator[Any]:
    """A real influxd behind a proxy that speaks the v2 write path (tests/influx_servers.py)."""
    need("influxd")
    with _beside("influx_servers").influx(tmp_path / "influxd") as server:
        yield server


@pytest.fixture
def certificates(tmp_path: Path) -> Any:
    """An authority and what it signs (tests/certificates.py)."""
    return _beside("certificates").Certificates(tmp_path)


@pytest.fixture
def victoria(need: Callable[..., None], tmp_path: Path) -> Iterator[Any]:
    """A real victoria-metrics (tests/influx_servers.py)."""
    need("victoria-metrics")
    with _beside("influx_servers").victoria(tmp_path / "victoria") as server:
        yield server


@pytest.fixture(scope="session")
def agents() -> Any:
    """SNMP agents to be made (tests/snmp_agents.py)."""
    return _beside("snmp_agents")


@pytest.fixture
def snmpd(need: Callable[..., None], agents: Any, tmp_path: Path) -> Iterator[Any]:
    """A real snmpd that runs."""
    need("snmpd")
    server = agents.Snmpd(tmp_path / "snmpd")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def agent(agents: Any) -> Iterator[Callable[..., Any]]:
    """`agent(tree, behaviour)`: an agent of our own, that may misbehave."""
    made: list[Any] = []

    def make(*arguments: Any) -> Any:
        made.append(agents.Agent(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def cases() -> Any:
    """Contracts and facts for the tests of the evaluation (tests/evaluation_cases.py)."""
    return _beside("evaluation_cases")


@pytest.fixture(scope="session")
def incident_trains() -> Any:
    """Trains and a store in memory for the incident desk (tests/incident_trains.py)."""
    return _beside("incident_trains")


@pytest.fixture(scope="session")
def mail_servers() -> Any:
    """Real SMTP servers with TLS, login and faults (tests/smtp_servers.py)."""
    return _beside("smtp_servers")
