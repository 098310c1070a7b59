"""What the own kernel refuses and the own buffer drops: never loss of the network."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import pytest
from icmp_trains import measure as measure_by
from icmp_trains import plan, untouched

from agent.engine import loop as engine_module
from agent.kernel.sockets import ProbeSocket, open_icmp
from agent.samples import Status, TrainSamples
from agent.summary import LOCAL_DROPS, SEND_ERRORS, TrainContext, summarise

CONTEXT = TrainContext("agent", "pas", "ip-base", "", "", "target", None)


measure = partial(measure_by, early=True)
pytestmark = pytest.mark.usefixtures("met")


def refused(samples: TrainSamples, name: str) -> bool:
    """Not one packet left, each for this reason, and the record says so."""
    record = summarise(samples, CONTEXT)
    return (
        bool((samples.status == Status.UNSENT).all())
        and samples.send_errors == {name: samples.plan.packets}
        and not samples.tx_ns.any()
        and (record.sent, record.lost) == (0, 0)
        and SEND_ERRORS in record.reasons
    )


@pytest.fixture(params=["icmp-raw", "icmp-dgram"])
def kind(request: pytest.FixtureRequest, hosts: Any) -> str:
    allowed = "0 0" if request.param == "icmp-dgram" else "1 0"
    hosts.run(hosts.near, "sysctl", "-q", "-w", f"net.ipv4.ping_group_range={allowed}")
    return str(request.param)


@pytest.fixture
def with_option(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int, int], None]:
    """Set a socket option on the ICMP sockets that the engine opens."""

    def ask(level: int, name: int, value: int) -> None:
        def opened(version: Literal[4, 6], **options: int) -> ProbeSocket:
            probe = open_icmp(version, **options)
            probe.sock.setsockopt(level, name, value)
            return probe

        monkeypatch.setattr(engine_module, "open_icmp", opened)

    return ask


@pytest.mark.parametrize("version", [4, 6])
def test_what_the_own_firewall_drops_was_not_sent(
    hosts: Any, kind: str, need: Callable[..., None], version: int
) -> None:
    need("nft")
    family, bad, good = (
        ("ip", "10.77.0.9", hosts.far_v4) if version == 4 else ("ip6", "fd77::9", hosts.far_v6)
    )
    echo = "icmp type echo-request" if version == 4 else "icmpv6 type echo-request"
    hosts.run(
        hosts.near, "nft",
        "table inet t { chain out { type filter hook output priority 0; "
        f"{family} daddr {bad} {echo} drop; }}; }}",
    )  # fmt: skip
    with hosts.inside(hosts.near):
        dropped, beside = measure(plan(bad), plan(good, 200, spacing_ns=100_000))
    silent = kind == "icmp-dgram" and version == 6
    assert refused(dropped, "UNSTAMPED" if silent else "EPERM")
    assert untouched(beside)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize(("bad", "version"), [("203.0.113.1", 4), ("2001:db8::1", 6)])
def test_a_network_without_a_route_was_not_sent_to(hosts: Any, bad: str, version: int) -> None:
    good = hosts.far_v4 if version == 4 else hosts.far_v6
    with hosts.inside(hosts.near):
        unreachable, beside = measure(plan(bad), plan(good, 200, spacing_ns=100_000))
    assert refused(unreachable, "ENETUNREACH")
    assert untouched(beside)


@pytest.mark.usefixtures("kind")
def test_a_stamp_train_without_a_route_was_not_sent_either(hosts: Any) -> None:
    with hosts.inside(hosts.near):
        unreachable, beside = measure(
            plan("203.0.113.1", method="stamp"), plan(hosts.far_v4, 200, spacing_ns=100_000)
        )
    assert refused(unreachable, "ENETUNREACH")
    assert untouched(beside)


@pytest.mark.usefixtures("kind")
def test_a_packet_too_long_for_a_path_that_must_not_fragment_is_refused_once(
    hosts: Any, with_option: Callable[[int, int, int], None]
) -> None:
    """The kernel says it twice, to the sender and in the error queue."""
    ip_mtu_discover, pmtudisc_do = 10, 2
    with_option(socket.IPPROTO_IP, ip_mtu_discover, pmtudisc_do)
    with hosts.inside(hosts.near):
        long, beside = measure(
            plan(hosts.far_v4, size=2000), plan(hosts.far_v4, 200, spacing_ns=100_000)
        )
    assert refused(long, "EMSGSIZE")
    assert untouched(beside)


def echo_requests_arrived(hosts: Any) -> int:
    said = hosts.run(hosts.far, "nft", "list", "counters").stdout
    (line,) = [line for line in said.splitlines() if "packets" in line]
    return int(line.split()[1])


@pytest.fixture
def counted(met: Any, need: Callable[..., None]) -> None:
    """The far host counts the requests that reach it."""
    need("nft", "tc")
    met.run(
        met.far, "nft",
        "table inet t { counter seen { }; chain in { type filter hook input priority 0; "
        "icmp type echo-request counter name seen; icmpv6 type echo-request counter name seen; "
        "}; }",
    )  # fmt: skip


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("version", [4, 6])
def test_what_a_full_device_queue_refuses_was_not_sent_and_all_the_rest_arrived(
    hosts: Any, kind: str, version: int
) -> None:
    hosts.run(
        hosts.near, "tc", "qdisc", "add", "dev", hosts.near_link, "root", "tbf",
        "rate", "2mbit", "burst", "2000", "limit", "8000",
    )  # fmt: skip
    address = hosts.far_v4 if version == 4 else hosts.far_v6
    with hosts.inside(hosts.near):
        (samples,) = measure(plan(address, 300, size=500, spacing_ns=200_000))
    sent = int((samples.status != Status.UNSENT).sum())
    silent = kind == "icmp-dgram" and version == 6
    assert samples.send_errors == {"UNSTAMPED" if silent else "ENOBUFS": 300 - sent}
    assert 0 < sent < 300
    assert (samples.status == Status.RECEIVED).sum() == sent == echo_requests_arrived(hosts)


@pytest.mark.usefixtures("counted")
def test_what_a_full_send_buffer_refuses_was_not_sent_and_all_the_rest_arrived(
    hosts: Any, kind: str, with_option: Callable[[int, int, int], None]
) -> None:
    hosts.run(
        hosts.near, "tc", "qdisc", "add", "dev", hosts.near_link, "root", "tbf",
        "rate", "2mbit", "burst", "2000", "limit", "1000000",
    )  # fmt: skip
    with_option(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with hosts.inside(hosts.near):
        (samples,) = measure(plan(hosts.far_v4, 300, size=500, spacing_ns=200_000))
    sent = int((samples.status != Status.UNSENT).sum())
    assert samples.send_errors == {"ENOBUFS" if kind == "icmp-raw" else "EAGAIN": 300 - sent}
    assert 0 < sent < 300
    assert (samples.status == Status.RECEIVED).sum() == sent == echo_requests_arrived(hosts)


@pytest.mark.usefixtures("kind")
def test_replies_that_our_own_buffer_drops_make_the_train_invalid(
    hosts: Any, with_option: Callable[[int, int, int], None]
) -> None:
    with_option(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    with hosts.inside(hosts.near):
        # One system call: all replies are there before anybody can read the first.
        (samples,) = measure(plan(hosts.far_v4, 256, spacing_ns=1))
    received = int((samples.status == Status.RECEIVED).sum())
    assert received < 256
    assert samples.local_drops == 256 - received
    record = summarise(samples, CONTEXT)
    assert LOCAL_DROPS in record.reasons
    assert not record.valid


@pytest.mark.usefixtures("kind")
def test_a_burst_that_the_buffer_holds_drops_nothing(hosts: Any) -> None:
    with hosts.inside(hosts.near):
        many = measure(*(plan(hosts.far_v4, 100, spacing_ns=1) for _ in range(50)))
    for samples in many:
        assert untouched(samples)
        assert LOCAL_DROPS not in summarise(samples, CONTEXT).reasons


@pytest.mark.usefixtures("kind")
def test_four_bad_targets_at_once_cost_a_good_one_not_a_packet(
    hosts: Any, need: Callable[..., None]
) -> None:
    need("nft")
    hosts.run(hosts.far, "sysctl", "-q", "-w", "net.ipv4.icmp_msgs_burst=1000000")
    hosts.run(hosts.far, "ip", "addr", "add", "10.77.0.9/24", "dev", hosts.far_link)
    hosts.run(
        hosts.far, "nft",
        "table inet t { chain in { type filter hook input priority 0; "
        "ip daddr 10.77.0.9 icmp type echo-request reject with icmp type host-unreachable; }; }",
    )  # fmt: skip
    hosts.run(
        hosts.near, "nft",
        "table inet t { chain out { type filter hook output priority 0; "
        "ip daddr 10.77.0.10 icmp type echo-request drop; }; }",
    )  # fmt: skip
    bad = ["10.77.0.9", "10.77.0.10", "10.77.0.11", "203.0.113.1"]
    with hosts.inside(hosts.near):
        good, rejected, dropped, absent, routeless = measure(
            plan(hosts.far_v4, 500, spacing_ns=500_000),
            *(plan(address, 500, spacing_ns=500_000) for address in bad),
        )
    assert untouched(good)
    assert [(e.type, e.code, e.count) for e in rejected.icmp_errors] == [(3, 1, 500)]
    assert rejected.send_errors == {}
    assert refused(dropped, "EPERM")
    assert not np.isin(absent.status, [Status.RECEIVED, Status.LATE]).any()
    assert refused(routeless, "ENETUNREACH")
