"""ICMP errors that probes draw: type, code and origin, and nobody else's train disturbed."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from icmp_trains import measure, plan, untouched

from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.samples import Status, TrainSamples

pytestmark = pytest.mark.usefixtures("met")
KINDS = ("icmp-raw", "icmp-dgram")


def errors(samples: TrainSamples) -> set[tuple[int, int, int, str, int]]:
    return {(e.version, e.type, e.code, e.origin, e.count) for e in samples.icmp_errors}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, hosts: Any) -> str:
    allowed = "0 0" if request.param == "icmp-dgram" else "1 0"
    hosts.run(hosts.near, "sysctl", "-q", "-w", f"net.ipv4.ping_group_range={allowed}")
    return str(request.param)


@pytest.fixture
def routed(hosts: Any) -> Any:
    """The far host routes for networks of its own."""
    hosts.run(
        hosts.far, "sysctl", "-q", "-w",
        "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
    )  # fmt: skip
    for net, gateway in (("10.80.0.0/16", hosts.far_v4), ("fd80::/32", hosts.far_v6)):
        hosts.run(hosts.near, "ip", "route", "add", net, "via", gateway)
    return hosts


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize(
    ("route", "address", "error"),
    [
        ("unreachable 10.80.1.0/24", "10.80.1.1", (4, 3, 1)),
        ("prohibit 10.80.2.0/24", "10.80.2.1", (4, 3, 13)),
        ("unreachable fd80:0:1::/48", "fd80:0:1::1", (6, 1, 0)),
        ("prohibit fd80:0:2::/48", "fd80:0:2::1", (6, 1, 1)),
    ],
)
def test_a_router_that_has_no_way_is_named_with_what_it_said(
    routed: Any, route: str, address: str, error: tuple[int, int, int]
) -> None:
    four = error[0] == 4
    origin, good = (routed.far_v4, routed.far_v4) if four else (routed.far_v6, routed.far_v6)
    routed.run(routed.far, "ip", "route", "add", *route.split())
    with routed.inside(routed.near):
        # A Linux router sends such errors to one host five at a time (net.ipv4.route.error_burst).
        bad, beside = measure(plan(address, 5), plan(good, 100, spacing_ns=200_000))
    assert errors(bad) == {(*error, origin, 5)}
    assert (bad.status == Status.LOST).all()
    assert bad.send_errors == {}
    assert untouched(beside)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize(
    ("reject", "error"),
    [
        ("icmp type admin-prohibited", (4, 3, 13)),
        ("icmp type host-unreachable", (4, 3, 1)),
        ("icmp type prot-unreachable", (4, 3, 2)),
        ("icmpv6 type admin-prohibited", (6, 1, 1)),
        ("icmpv6 type addr-unreachable", (6, 1, 3)),
    ],
)
def test_a_firewall_that_rejects_is_named_with_what_it_said(
    hosts: Any, need: Callable[..., None], reject: str, error: tuple[int, int, int]
) -> None:
    need("nft")
    four = error[0] == 4
    bad_address, good = ("10.77.0.9", hosts.far_v4) if four else ("fd77::9", hosts.far_v6)
    match = f"{'ip' if four else 'ip6'} daddr {bad_address}"
    hosts.run(
        hosts.far, "ip", "addr", "add", f"{bad_address}/{24 if four else 64}",
        "dev", hosts.far_link, "nodad",
    )  # fmt: skip
    with hosts.inside(hosts.near):
        measure(plan(bad_address, 1))
    hosts.run(
        hosts.far, "nft",
        "table inet t { chain in { type filter hook input priority 0; "
        f"{match} {'icmp' if four else 'icmpv6'} type echo-request "
        f"reject with {reject}; }}; }}",
    )  # fmt: skip
    with hosts.inside(hosts.near):
        bad, beside = measure(plan(bad_address), plan(good, 100, spacing_ns=200_000))
    assert errors(bad) == {(*error, bad_address, 10)}
    assert (bad.status == Status.LOST).all()
    assert untouched(beside)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize(("version", "error"), [(4, (4, 11, 0)), (6, (6, 3, 0))])
def test_a_packet_that_has_gone_too_far_is_seen_as_exceeded_ttl(
    routed: Any, need: Callable[..., None], version: int, error: tuple[int, int, int]
) -> None:
    need("nft")
    routed.run(
        routed.far, "nft",
        "table inet t { chain pre { type filter hook prerouting priority 0; "
        "ip daddr 10.80.0.0/16 ip ttl set 1; ip6 daddr fd80::/32 ip6 hoplimit set 1; }; }",
    )  # fmt: skip
    for net, gateway in (("10.80.0.0/16", routed.near_v4), ("fd80::/32", routed.near_v6)):
        routed.run(routed.far, "ip", "route", "add", net, "via", gateway)
    address = "10.80.3.1" if version == 4 else "fd80:0:3::1"
    good = routed.far_v4 if version == 4 else routed.far_v6
    with routed.inside(routed.near):
        looped, beside = measure(plan(address), plan(good))
    assert errors(looped) == {(*error, good, 10)}
    assert (looped.status == Status.LOST).all()
    assert untouched(beside)


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("version", [4, 6])
def test_a_neighbour_that_does_not_exist_is_reported_by_our_own_host(
    hosts: Any, version: int
) -> None:
    family, address, own = (
        ("ipv4", "10.77.0.99", hosts.near_v4)
        if version == 4
        else ("ipv6", "fd77::99", hosts.near_v6)
    )
    neigh = f"net.{family}.neigh.{hosts.near_link}"
    hosts.run(
        hosts.near, "sysctl", "-q", "-w", f"{neigh}.retrans_time_ms=50", f"{neigh}.mcast_solicit=1"
    )
    good = hosts.far_v4 if version == 4 else hosts.far_v6
    with hosts.inside(hosts.near):
        absent, beside = measure(
            plan(address, 3, timeout_ns=1_000_000_000), plan(good, 100, spacing_ns=200_000)
        )
    assert errors(absent) == {(4, 3, 1, own, 3) if version == 4 else (6, 1, 3, own, 3)}
    assert not (absent.status == Status.RECEIVED).any()
    assert untouched(beside)


class Quoter(threading.Thread):
    """A router of old: silent, but for ICMP errors that quote no more than 8 octets (RFC 792)."""

    def __init__(self, hosts: Any, protocol: int, packets: int, error: tuple[int, int]) -> None:
        super().__init__()
        self._protocol, self._left, self._error = protocol, packets, error
        with hosts.inside(hosts.far):
            self._in = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
            self._out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._in.settimeout(5)

    def run(self) -> None:
        with self._in, self._out:
            while self._left:
                packet, (*_, pkttype, _arp, _mac) = self._in.recvfrom(2048)
                octet = packet[20] if self._protocol == 1 else 8
                if pkttype == socket.PACKET_OUTGOING or packet[9] != self._protocol or octet != 8:
                    continue
                body = struct.pack("!BBHI", *self._error, 0, 0) + packet[:28]
                total = sum(struct.unpack(f"!{len(body) // 2}H", body))
                total = (total & 0xFFFF) + (total >> 16)
                total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
                body = body[:2] + struct.pack("!H", total) + body[4:]
                self._out.sendto(body, (socket.inet_ntoa(packet[12:16]), 0))
                self._left -= 1


@pytest.fixture
def silent_far(hosts: Any, need: Callable[..., None]) -> Any:
    """The far host says nothing by itself."""
    need("nft")
    hosts.run(
        hosts.far, "nft",
        "table inet t { chain in { type filter hook input priority 0; "
        "icmp type echo-request drop; meta l4proto udp drop; }; }",
    )  # fmt: skip
    return hosts


@pytest.mark.usefixtures("kind")
def test_a_quotation_of_eight_octets_still_names_the_echo_train(silent_far: Any) -> None:
    hosts = silent_far
    hosts.run(hosts.far, "ip", "addr", "add", "10.77.0.9/24", "dev", hosts.far_link)
    quoter = Quoter(hosts, 1, 15, (3, 10))
    quoter.start()
    engine = Engine()
    with hosts.inside(hosts.near):
        one, other = measure(plan(hosts.far_v4, 10), plan("10.77.0.9", 5), engine=engine)
    engine.close()
    quoter.join()
    assert errors(one) == {(4, 3, 10, hosts.far_v4, 10)}
    assert errors(other) == {(4, 3, 10, hosts.far_v4, 5)}
    assert engine.counters.unattributed_errors == 0


def test_a_quotation_of_eight_octets_still_names_the_stamp_train(silent_far: Any) -> None:
    hosts = silent_far
    quoter = Quoter(hosts, 17, 15, (3, 10))
    quoter.start()
    engine = Engine()
    with hosts.inside(hosts.near):
        one, other = measure(
            plan(hosts.far_v4, 10, method="stamp", port=862),
            plan(hosts.far_v4, 5, method="stamp", port=863),
            engine=engine,
        )
    engine.close()
    quoter.join()
    assert errors(one) == {(4, 3, 10, hosts.far_v4, 10)}
    assert errors(other) == {(4, 3, 10, hosts.far_v4, 5)}
    assert engine.counters.unattributed_errors == 0


@pytest.mark.parametrize("version", [4, 6])
def test_a_port_where_nobody_reflects_is_recorded_and_disturbs_no_train_on_the_socket(
    hosts: Any, version: int
) -> None:
    address = hosts.far_v4 if version == 4 else hosts.far_v6
    with hosts.inside(hosts.far):
        echo = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        echo.bind((address, 0))
    stop = threading.Event()

    def reflect() -> None:
        """The least of RFC 8762, 4.3: the request comes back behind 24 octets of the reflector."""
        echo.settimeout(0.1)
        while not stop.is_set():
            try:
                request, source = echo.recvfrom(2048)
            except TimeoutError:
                continue
            now = struct.pack("!II", int(time.time()) + 2_208_988_800, 0)
            echo.sendto(
                request[:4] + now + request[12:16] + now + request[:14] + b"\0\0\x40\0\0\0", source
            )

    thread = threading.Thread(target=reflect)
    thread.start()
    with hosts.inside(hosts.near):
        closed, beside = measure(
            plan(address, 10, method="stamp", port=9),
            plan(address, 100, method="stamp", port=echo.getsockname()[1], spacing_ns=200_000),
        )
    stop.set()
    thread.join()
    echo.close()
    assert errors(closed) == {((4, 3, 3) if version == 4 else (6, 1, 4)) + (address, 10)}
    assert (closed.status == Status.LOST).all()
    assert untouched(beside)


def test_errors_for_other_programs_packets_belong_to_no_train(routed: Any) -> None:
    """A raw socket hears the ICMP errors of every ping on the host."""
    routed.run(routed.near, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=1 0")
    routed.run(routed.far, "ip", "route", "add", "unreachable", "10.80.1.0/24")
    engine = Engine()
    with routed.inside(routed.near), socket.socket(
        socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP
    ) as other:  # fmt: skip
        request = struct.pack("!BBHHH", 8, 0, 0xF7FF - 0x1234, 0x1234, 0) + bytes(56)
        start_ns = on_grid(time.monotonic_ns() + 5_000_000)
        engine.add([(plan(routed.far_v4), start_ns)])
        for _ in range(5):
            other.sendto(request, ("10.80.1.1", 0))
        samples: list[TrainSamples] = []
        while engine.busy:
            samples += engine.step(time.monotonic_ns() + 10**9)
        engine.close()
    assert untouched(samples[0])
    assert engine.counters.unattributed_errors == 5


def test_a_flood_of_errors_from_one_target_costs_a_fast_train_beside_it_nothing(
    hosts: Any, need: Callable[..., None]
) -> None:
    need("nft")
    hosts.run(hosts.far, "sysctl", "-q", "-w", "net.ipv4.icmp_msgs_burst=1000000")
    hosts.run(hosts.far, "ip", "addr", "add", "10.77.0.9/24", "dev", hosts.far_link)
    hosts.run(
        hosts.far, "nft",
        "table inet t { chain in { type filter hook input priority 0; "
        "ip daddr 10.77.0.9 icmp type echo-request reject with icmp type admin-prohibited; }; }",
    )  # fmt: skip
    with hosts.inside(hosts.near):
        bad, good = measure(
            plan("10.77.0.9", 2000, spacing_ns=100_000),
            plan(hosts.far_v4, 2000, spacing_ns=100_000),
        )
    assert untouched(good)
    assert errors(bad) == {(4, 3, 13, "10.77.0.9", 2000)}
    assert bad.send_errors == {}
