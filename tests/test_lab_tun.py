"""The TUN link between two namespaces, with ping and TCP through it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

import pytest

from agent.errors import ProbeError
from agent.lab.link import DelayModel, DirectionProfile, Link, LinkProfile, Loss
from agent.lab.tun import End, TunLink, parse_interface

MS = 1_000_000
PATIENCE_S = 20


class Pair(Protocol):
    """The fixture `hosts`: two namespaces."""

    near: str
    far: str

    def run(
        self, host: str, *command: str, check: bool = ...
    ) -> subprocess.CompletedProcess[str]: ...
    def popen(self, host: str, *command: str) -> subprocess.Popen[str]: ...
    def inside(self, host: str): ...  # type: ignore[no-untyped-def]


def tun_link(hosts: Pair, way: DirectionProfile, *, v6: bool = False) -> TunLink:
    near = ("10.99.7.1/30", "fd99:7::1/64") if v6 else ("10.99.7.1/30",)
    far = ("10.99.7.2/30", "fd99:7::2/64") if v6 else ("10.99.7.2/30",)
    return TunLink(
        End("pplab0", tuple(parse_interface(text, "--near") for text in near), hosts.near),
        End("pplab1", tuple(parse_interface(text, "--far") for text in far), hosts.far),
        Link(LinkProfile("test", way, way), 3),
    )


def ping(hosts: Pair, address: str, count: int, *options: str) -> tuple[int, int, list[float]]:
    """(sent, received, round trips in ms) as ping saw them."""
    said = hosts.run(
        hosts.near, "ping", "-c", str(count), "-i", "0.01", *options, address, check=False
    ).stdout
    found = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert found is not None, said
    return int(found[1]), int(found[2]), [float(ms) for ms in re.findall(r"time=([\d.]+)", said)]


def test_ping_goes_through_with_the_delay_of_the_link(
    hosts: Pair, need: Callable[..., None]
) -> None:
    need("ping")
    with tun_link(hosts, DirectionProfile(DelayModel(15 * MS)), v6=True):
        for address in ("10.99.7.2", "fd99:7::2"):
            hosts.run(hosts.near, "ping", "-c", "1", "-w", "20", "-i", "0.2", address)
            sent, received, trips_ms = ping(hosts, address, 20)
            assert (sent, received) == (20, 20)
            assert min(trips_ms) >= 30


def test_the_counters_are_what_ping_saw(hosts: Pair, need: Callable[..., None]) -> None:
    need("ping")
    way = DirectionProfile(DelayModel(2 * MS), loss=Loss.independent(0.2))
    with tun_link(hosts, way) as link:
        sent, received, _ = ping(hosts, "10.99.7.2", 200, "-W", "1")
        forward, backward = link.forward.counters, link.backward.counters
        assert sent == forward.received == 200
        assert forward.forwarded == sent - forward.lost == backward.received
        assert received == backward.forwarded == backward.received - backward.lost
        assert 0 < received < sent


def test_ping_sees_the_duplicates(hosts: Pair, need: Callable[..., None]) -> None:
    need("ping")
    way = DirectionProfile(DelayModel(2 * MS), duplicate=0.2)
    with tun_link(hosts, way) as link:
        said = hosts.run(hosts.near, "ping", "-c", "100", "-i", "0.01", "10.99.7.2").stdout
        backward = link.backward.counters
        found = re.search(r"100 packets transmitted, 100 received, \+(\d+) duplicates", said)
        assert found is not None, said
        # ping stops at the 100th answer; copies behind it go unseen.
        assert 0 <= backward.forwarded - 100 - int(found[1]) <= 4


def test_tcp_gets_through_a_lossy_link_whole(hosts: Pair) -> None:
    message = bytes(range(256)) * 400
    way = DirectionProfile(DelayModel(1 * MS), loss=Loss.independent(0.02))
    with tun_link(hosts, way) as link:
        with hosts.inside(hosts.far):
            server = socket.create_server(("10.99.7.2", 0))
        with server:
            server.settimeout(PATIENCE_S)
            got: list[bytes] = []

            def serve() -> None:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(PATIENCE_S)
                    while part := connection.recv(65536):
                        got.append(part)

            thread = threading.Thread(target=serve)
            thread.start()
            with hosts.inside(hosts.near):
                sender = socket.socket()
            with sender:
                sender.settimeout(PATIENCE_S)
                sender.connect(server.getsockname())
                sender.sendall(message)
            thread.join()
        assert b"".join(got) == message
        assert link.forward.counters.lost + link.backward.counters.lost > 0


def test_the_devices_vanish_when_it_stops(hosts: Pair) -> None:
    link = tun_link(hosts, DirectionProfile(DelayModel(0)))
    with link:
        assert "pplab0" in hosts.run(hosts.near, "ip", "link").stdout
        assert "pplab1" in hosts.run(hosts.far, "ip", "link").stdout
    link.stop()
    assert "pplab0" not in hosts.run(hosts.near, "ip", "link").stdout
    assert "pplab1" not in hosts.run(hosts.far, "ip", "link").stdout


def test_a_deleted_device_is_a_failure_with_the_remedy(hosts: Pair) -> None:
    with tun_link(hosts, DirectionProfile(DelayModel(0))) as link:
        hosts.run(hosts.far, "ip", "link", "del", "pplab1")
        deadline = time.monotonic() + PATIENCE_S
        while link.failure is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert "TUN device pplab1 is gone" in link.failure
        assert "start the lab again" in link.failure


def test_a_name_that_is_taken_leaves_nothing_behind(hosts: Pair) -> None:
    with tun_link(hosts, DirectionProfile(DelayModel(0))):
        near = End("pplab9", (parse_interface("10.99.8.1/30", "--near"),), hosts.near)
        taken = End("pplab1", (parse_interface("10.99.8.2/30", "--far"),), hosts.far)
        link = Link(LinkProfile("test", *[DirectionProfile(DelayModel(0))] * 2), 1)
        with pytest.raises(ProbeError, match=r"cannot make the TUN device pplab1.*is the name"):
            TunLink(near, taken, link).start()
        assert "pplab9" not in hosts.run(hosts.near, "ip", "link").stdout


def test_a_namespace_that_is_not_there_is_said_with_the_remedy(hosts: Pair) -> None:
    link = tun_link(hosts, DirectionProfile(DelayModel(0)))
    far = End("pplab1", (parse_interface("10.99.7.2/30", "--far"),), "pp-nowhere")
    near = End("pplab0", (parse_interface("10.99.7.1/30", "--near"),), hosts.near)
    with pytest.raises(ProbeError, match="ip netns add pp-nowhere"):
        TunLink(near, far, link.link).start()


COMMAND = (
    "import typer; from agent.lab.commands import register; "
    "app = typer.Typer(); app.callback()(lambda: None); register(app); app()"
)
WORDS = ("--tun", "--near", "10.99.7.1/30", "--far", "10.99.7.2/30", "--profile", "high")


def test_the_command_makes_the_link_between_here_and_a_namespace(
    hosts: Pair, need: Callable[..., None]
) -> None:
    need("ping")
    process = hosts.popen(
        hosts.near, sys.executable, "-c", COMMAND, "lab", *WORDS, "--far-netns", hosts.far
    )
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first == (
            f"lab high, seed 1: pplab0 10.99.7.1/30 -> pplab1 10.99.7.2/30 in {hosts.far}\n"
        )
        sent, received, _ = ping(hosts, "10.99.7.2", 5)
        process.terminate()
        output, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
    assert (sent, received) == (5, 5)
    assert "lateness max" in output
    assert errors == ""


def test_without_the_right_it_names_the_capability_and_the_way_without(
    hosts: Pair, need: Callable[..., None]
) -> None:
    need("setpriv")
    said = hosts.run(
        hosts.near, "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--",
        sys.executable, "-c", COMMAND, "lab", *WORDS, "--far-netns", hosts.far,
        check=False,
    )  # fmt: skip
    assert said.returncode == 2
    assert "CAP_NET_ADMIN" in said.stderr
    assert "--listen" in said.stderr
    assert "Traceback" not in said.stderr
