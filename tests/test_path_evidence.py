"""Traceroute through a chain of three hosts, with and without privilege."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from agent.errors import ProbeError
from agent.evidence.path import reached, resolve, traceroute

END_V4 = "10.78.0.3"
END_V6 = "fd78::3"
UNPRIVILEGED = "net.ipv4.ping_group_range=0 65535"
RAW = "net.ipv4.ping_group_range=1 0"
COMMAND = (
    "import typer; from agent.evidence.commands import register; "
    "app = typer.Typer(); app.callback()(lambda: None); register(app); app()"
)


@dataclass(frozen=True)
class Chain:
    """`near` - `router` - `end`."""

    hosts: Any
    end: str

    def near(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        result: subprocess.CompletedProcess[str] = self.hosts.run(
            self.hosts.near, *command, check=check
        )
        return result

    def let_ipv6_settle(self, target: str) -> None:
        """A link that just came up takes up to two seconds until its IPv6 carries packets."""
        if target == END_V6:
            self.near("ping", "-c", "1", "-w", "20", "-i", "0.2", END_V6)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.near(sys.executable, "-W", "error", "-c", COMMAND, *words, check=False)


@pytest.fixture
def chain(hosts: Any, need: Callable[..., None]) -> Iterator[Chain]:
    need("ping")
    end = f"pp-end-{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        ip("netns", "add", end)
        ip(
            "-n", hosts.far, "link", "add", "pp2", "type", "veth",
            "peer", "name", "pp3", "netns", end,
        )  # fmt: skip
        for host, device, number in ((hosts.far, "pp2", 2), (end, "pp3", 3)):
            ip("-n", host, "addr", "add", f"10.78.0.{number}/24", "dev", device)
            ip("-n", host, "addr", "add", f"fd78::{number}/64", "dev", device, "nodad")
            ip("-n", host, "link", "set", device, "up")
        hosts.run(
            hosts.far, "sysctl", "-q", "-w",
            "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
        )  # fmt: skip
        for host, v4, v6 in (
            (hosts.near, hosts.far_v4, hosts.far_v6),
            (end, "10.78.0.2", "fd78::2"),
        ):
            ip("-n", host, "route", "add", "default", "via", v4)
            ip("-n", host, "route", "add", "default", "via", v6)
        yield Chain(hosts, end)
    finally:
        subprocess.run(["ip", "netns", "del", end], check=False, capture_output=True)


@pytest.mark.parametrize("right", [RAW, UNPRIVILEGED])
@pytest.mark.parametrize(("target", "router"), [(END_V4, "far_v4"), (END_V6, "far_v6")])
def test_a_trace_shows_the_router_and_the_target(
    chain: Chain, right: str, target: str, router: str
) -> None:
    chain.near("sysctl", "-q", "-w", right)
    chain.let_ipv6_settle(target)
    with chain.hosts.inside(chain.hosts.near):
        hops = traceroute(target, timeout_s=5)
    assert [hop.addresses for hop in hops] == [(getattr(chain.hosts, router),), (target,)]
    assert [(hop.distance, hop.sent, hop.received) for hop in hops] == [(1, 3, 3), (2, 3, 3)]
    assert [hop.reached for hop in hops] == [False, True]
    assert reached(hops)
    assert all(rtt > 0 for hop in hops for rtt in hop.rtt_ns)


@pytest.mark.parametrize("right", [RAW, UNPRIVILEGED])
def test_a_silent_router_is_a_hop_without_an_answer(
    chain: Chain, right: str, need: Callable[..., None]
) -> None:
    need("nft")
    chain.near("sysctl", "-q", "-w", right)
    chain.hosts.run(
        chain.hosts.far, "nft",
        "add table ip t; add chain ip t o { type filter hook output priority 0; }; "
        "add rule ip t o icmp type time-exceeded drop",
    )  # fmt: skip
    with chain.hosts.inside(chain.hosts.near):
        hops = traceroute(END_V4, timeout_s=0.3)
    assert [(hop.addresses, hop.sent, hop.received) for hop in hops] == [
        ((), 3, 0),
        ((END_V4,), 3, 3),
    ]


@pytest.mark.parametrize("right", [RAW, UNPRIVILEGED])
def test_a_lost_answer_counts_for_its_hop_alone(
    chain: Chain, right: str, need: Callable[..., None]
) -> None:
    need("nft")
    chain.near("sysctl", "-q", "-w", right)
    chain.hosts.run(
        chain.hosts.far, "nft",
        "add table ip t; add chain ip t o { type filter hook output priority 0; }; "
        "add rule ip t o icmp type time-exceeded numgen inc mod 4 == 1 drop",
    )  # fmt: skip
    with chain.hosts.inside(chain.hosts.near):
        hops = traceroute(END_V4, queries=8, timeout_s=0.3)
    assert [(hop.sent, hop.received) for hop in hops] == [(8, 6), (8, 8)]


@pytest.mark.parametrize("right", [RAW, UNPRIVILEGED])
@pytest.mark.parametrize(
    ("family", "rule", "target", "refusal"),
    [
        ("ip", "icmp type admin-prohibited", END_V4, "administratively prohibited"),
        ("ip6", "icmpv6 type admin-prohibited", END_V6, "administratively prohibited"),
        ("ip", "icmp type host-unreachable", END_V4, "host unreachable"),
    ],
)
def test_a_refusal_ends_the_trace_and_is_named(
    chain: Chain,
    right: str,
    family: str,
    rule: str,
    target: str,
    refusal: str,
    need: Callable[..., None],
) -> None:
    need("nft")
    chain.near("sysctl", "-q", "-w", right)
    chain.let_ipv6_settle(target)
    chain.hosts.run(
        chain.hosts.far, "nft",
        f"add table {family} t; "
        f"add chain {family} t f {{ type filter hook forward priority 0; }}; "
        f"add rule {family} t f reject with {rule}",
    )  # fmt: skip
    with chain.hosts.inside(chain.hosts.near):
        hops = traceroute(target, timeout_s=0.3)
    # The TTL of the first probe ran out before the rule could see it.
    assert hops[-1].refusal == refusal
    assert hops[-1].distance <= 2
    assert not reached(hops)


def test_a_dead_target_ends_the_trace_at_the_last_router(chain: Chain) -> None:
    chain.near("sysctl", "-q", "-w", RAW)
    chain.hosts.run(chain.end, "ip", "link", "set", "pp3", "down")
    with chain.hosts.inside(chain.hosts.near):
        hops = traceroute(END_V4, timeout_s=0.2)
    assert [hop.addresses for hop in hops][:1] == [(chain.hosts.far_v4,)]
    assert not reached(hops)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_trace_to_ourselves_is_one_hop(chain: Chain, address: str) -> None:
    chain.near("sysctl", "-q", "-w", RAW)
    with chain.hosts.inside(chain.hosts.near):
        (hop,) = traceroute(address, timeout_s=5)
    assert (hop.addresses, hop.received, hop.reached) == ((address,), 3, True)


def test_the_command_prints_a_table_and_exits_0(chain: Chain) -> None:
    said = chain.command("trace", END_V4)
    assert (said.returncode, said.stderr) == (0, "")
    assert chain.hosts.far_v4 in said.stdout
    assert END_V4 in said.stdout


def test_the_command_exits_1_when_the_target_was_not_reached(chain: Chain) -> None:
    chain.hosts.run(chain.end, "ip", "link", "set", "pp3", "down")
    said = chain.command("trace", END_V4, "--timeout", "0.2", "--json")
    assert (said.returncode, said.stderr) == (1, "")
    answer = json.loads(said.stdout)
    assert (answer["target"], answer["reached"]) == (END_V4, False)
    assert answer["hops"][0]["addresses"] == [chain.hosts.far_v4]


def test_the_command_without_a_right_names_the_remedies(
    chain: Chain, need: Callable[..., None]
) -> None:
    need("setpriv")
    said = chain.near(
        "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--",
        sys.executable, "-c", COMMAND, "trace", END_V4,
        check=False,
    )  # fmt: skip
    assert said.returncode == 2
    assert "CAP_NET_RAW" in said.stderr
    assert "ping_group_range" in said.stderr
    assert "Traceback" not in said.stderr


def test_no_route_is_said_with_the_remedy(chain: Chain) -> None:
    chain.near("ip", "route", "del", "default")
    said = chain.command("trace", "192.0.2.9")
    assert said.returncode == 2
    assert "ip route get" in said.stderr


@pytest.mark.parametrize("name", ["", "a..b", "x" * 300])
def test_a_name_that_cannot_be_is_an_error_with_the_name(name: str) -> None:
    with pytest.raises(ProbeError, match="give an address, or a name"):
        resolve(name)
