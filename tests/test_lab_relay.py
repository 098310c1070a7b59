"""The UDP relay from end to end on loopback, against an echo server of the test's own."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from agent.errors import ProbeError
from agent.lab.link import DelayModel, DirectionProfile, Link, LinkProfile, LogNormal, Loss
from agent.lab.profiles import overridden, preset
from agent.lab.relay import Relay, endpoint_text, parse_endpoint

MS = 1_000_000
PATIENCE_S = 20


@dataclass
class Echo:
    """Sends every datagram back, and remembers (number, DSCP octet) in order of arrival."""

    sock: socket.socket
    seen: list[tuple[int, int]] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.sock.getsockname()[:2]
        return host, port

    def run(self) -> None:
        while True:
            payload, ancillary, _, client = self.sock.recvmsg(2048, 64)
            if payload == b"stop":
                return
            octet = next((data[0] for _, _, data in ancillary), 0)
            self.seen.append((struct.unpack_from("!I", payload)[0], octet))
            self.sock.sendto(payload, client)


@contextlib.contextmanager
def echo_server(host: str = "127.0.0.1") -> Iterator[Echo]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        server = Echo(sock)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(family, socket.SOCK_DGRAM) as stopper:
                stopper.sendto(b"stop", server.address)
            thread.join()


@pytest.fixture
def echo() -> Iterator[Echo]:
    with echo_server() as server:
        yield server


def until(condition: Callable[[], bool]) -> None:
    """Wait for it; far longer than it may take, so that only a hang fails."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.005)


def at_rest(relay: Relay) -> bool:
    """Whether everything that went in came out or was dropped, both ways."""
    ways = [way.counters for way in (relay.forward, relay.backward)]
    dropped = [way.lost + way.queue_drops + way.overload + way.send_errors for way in ways]
    return all(
        way.received + way.duplicated == way.forwarded + gone
        for way, gone in zip(ways, dropped, strict=True)
    )


def symmetric(**changes: object) -> LinkProfile:
    way = DirectionProfile(**{"delay": DelayModel(5 * MS), **changes})  # type: ignore[arg-type]
    return LinkProfile("test", way, way)


def exchange(
    client: socket.socket, relay: Relay, packets: int, size: int = 44, spacing_s: float = 0.001
) -> list[tuple[int, int]]:
    """Send that many; (number, round trip by our clock in ns) of what came back."""
    replies: list[tuple[int, int]] = []
    client.settimeout(0.2)
    sent_ns: dict[int, int] = {}
    done = threading.Event()

    def read() -> None:
        while True:
            try:
                payload = client.recv(2048)
            except TimeoutError:
                if done.is_set():
                    return
                continue
            (number,) = struct.unpack_from("!I", payload)
            replies.append((number, time.monotonic_ns() - sent_ns[number]))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(packets):
        sent_ns[number] = time.monotonic_ns()
        client.sendto(struct.pack("!I", number).ljust(size, b"\0"), relay.address)
        time.sleep(spacing_s)
    until(lambda: relay.forward.counters.received == packets and at_rest(relay))
    # The last reply may still be between the target and the relay.
    until(lambda: relay.backward.counters.received >= relay.forward.counters.forwarded)
    until(lambda: at_rest(relay))
    done.set()
    reader.join()
    return replies


def reordered(numbers: list[int]) -> int:
    """RFC 4737, section 3.3, of the first copies."""
    first_copies = list(dict.fromkeys(numbers))
    highest, count = -1, 0
    for number in first_copies:
        count += number < highest
        highest = max(highest, number)
    return count


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield sock


def test_what_the_counters_say_is_what_arrived(echo: Echo, client: socket.socket) -> None:
    profile = symmetric(
        delay=DelayModel(5 * MS, LogNormal(3 * MS, 0.8)),
        loss=Loss.bursts(0.1, 2),
        duplicate=0.05,
        reorder=0.05,
        reorder_by_ns=8 * MS,
    )
    with Relay(("127.0.0.1", 0), echo.address, Link(profile, 11)) as relay:
        replies = exchange(client, relay, 500)
        forward, backward = relay.forward.counters, relay.backward.counters
        there = [number for number, _ in echo.seen]
        assert forward.received == 500
        assert forward.lost == 500 - len(set(there))
        assert forward.duplicated == len(there) - len(set(there))
        assert forward.forwarded == len(there) == backward.received
        assert forward.reordered == reordered(there)
        assert backward.forwarded == len(replies)
        assert min(forward.lost, forward.duplicated, forward.reordered, backward.lost) > 0
        assert relay.local_drops == 0


def test_the_relay_loses_exactly_the_packets_that_the_model_says(
    echo: Echo, client: socket.socket
) -> None:
    profile = symmetric(loss=Loss.independent(0.2), duplicate=0.2)
    model = Link(profile, 4).forward
    fates = Counter({number: len(model.decide(0, 0)) for number in range(300)})
    with Relay(("127.0.0.1", 0), echo.address, Link(profile, 4)) as relay:
        exchange(client, relay, 300)
    assert Counter(number for number, _ in echo.seen) == +fates


def test_nothing_comes_out_before_its_instant(echo: Echo, client: socket.socket) -> None:
    with Relay(
        ("127.0.0.1", 0), echo.address, Link(symmetric(delay=DelayModel(20 * MS)), 1)
    ) as relay:
        replies = exchange(client, relay, 100)
        assert len(replies) == 100
        assert min(trip_ns for _, trip_ns in replies) >= 40 * MS
        assert relay.forward.counters.lateness_max_ns >= 0
        assert relay.backward.counters.lateness_mean_ns >= 0


def test_the_rate_counts_headers_and_drops_what_its_queue_cannot_hold(
    echo: Echo, client: socket.socket
) -> None:
    # 972 + 28 octets at 8 Mbit/s are 1 ms each; 200 packets at once find room for some 50 ms.
    profile = symmetric(rate_bps=8_000_000, queue_ns=50 * MS)
    with Relay(("127.0.0.1", 0), echo.address, Link(profile, 1)) as relay:
        started_ns = time.monotonic_ns()
        replies = exchange(client, relay, 200, size=972, spacing_s=0)
        took_ns = time.monotonic_ns() - started_ns
        assert relay.forward.counters.queue_drops > 0
        assert relay.forward.counters.queue_drops == 200 - len(echo.seen)
        assert relay.forward.counters.lost == 0
        assert took_ns >= len(replies) * MS


def test_each_client_gets_its_own_replies(echo: Echo) -> None:
    with (
        Relay(("127.0.0.1", 0), echo.address, Link(symmetric(), 1)) as relay,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        for number, sock in ((1, one), (2, two)):
            sock.settimeout(PATIENCE_S)
            sock.sendto(struct.pack("!I", number), relay.address)
        assert struct.unpack("!I", one.recv(64)) == (1,)
        assert struct.unpack("!I", two.recv(64)) == (2,)
        assert relay.as_json()["flows"] == 2


def test_the_table_of_clients_is_bounded_and_the_silent_one_goes(echo: Echo) -> None:
    with (
        contextlib.ExitStack() as stack,
        Relay(("127.0.0.1", 0), echo.address, Link(symmetric(), 1), max_flows=3) as relay,
    ):
        for number in range(5):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.settimeout(PATIENCE_S)
            sock.sendto(struct.pack("!I", number), relay.address)
            assert struct.unpack("!I", sock.recv(64)) == (number,)
        assert relay.flows_evicted == 2
        assert relay.as_json()["flows"] == 3


def test_it_carries_ipv6_and_the_dscp() -> None:
    with (
        echo_server("::1") as echo,
        Relay(("::1", 0), echo.address, Link(symmetric(), 1)) as relay,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock,
    ):
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 46 << 2)
        sock.sendto(struct.pack("!I", 9), relay.address)
        assert struct.unpack("!I", sock.recv(64)) == (9,)
        assert echo.seen == [(9, 46 << 2)]


def test_it_carries_the_dscp_over_ipv4(echo: Echo, client: socket.socket) -> None:
    with Relay(("127.0.0.1", 0), echo.address, Link(symmetric(), 1)) as relay:
        client.settimeout(PATIENCE_S)
        client.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 46 << 2)
        client.sendto(struct.pack("!I", 9), relay.address)
        client.recv(64)
    assert echo.seen == [(9, 46 << 2)]


def test_a_target_that_does_not_listen_is_counted_and_outlived(client: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        target = reserved.getsockname()
    with Relay(("127.0.0.1", 0), target, Link(symmetric(), 1)) as relay:
        for number in range(5):
            client.sendto(struct.pack("!I", number), relay.address)
            time.sleep(0.01)
        until(lambda: relay.unreachable + relay.forward.counters.send_errors > 0)
        until(lambda: relay.forward.counters.received == 5 and at_rest(relay))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late_target:
            late_target.bind(target)
            late_target.settimeout(PATIENCE_S)
            client.sendto(b"now", relay.address)
            assert late_target.recv(64) == b"now"


def test_what_is_under_way_when_it_stops_is_counted(echo: Echo, client: socket.socket) -> None:
    relay = Relay(("127.0.0.1", 0), echo.address, Link(symmetric(delay=DelayModel(10**12)), 1))
    with relay:
        for number in range(5):
            client.sendto(struct.pack("!I", number), relay.address)
        until(lambda: relay.forward.counters.received == 5)
    relay.stop()
    assert relay.forward.counters.abandoned == 5
    assert echo.seen == []


def test_four_links_live_in_one_process(echo: Echo, client: socket.socket) -> None:
    with contextlib.ExitStack() as stack:
        relays = [
            stack.enter_context(
                Relay(("127.0.0.1", 0), echo.address, Link(overridden(preset(name), delay_ms=2), 1))
            )
            for name in ("high", "medium", "base", "base-satellite")
        ]
        client.settimeout(PATIENCE_S)
        for number, relay in enumerate(relays):
            client.sendto(struct.pack("!I", number), relay.address)
            assert struct.unpack("!I", client.recv(64)) == (number,)


def test_an_address_in_use_is_said_with_the_remedy(echo: Echo) -> None:
    with pytest.raises(ProbeError, match=r"cannot listen on 127.0.0.1:\d+: Address already in use"):
        Relay(echo.address, echo.address, Link(symmetric(), 1)).start()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:862", ("127.0.0.1", 862)),
        ("[::1]:0", ("::1", 0)),
        ("host.example:65535", ("host.example", 65535)),
    ],
)
def test_endpoints_are_read_and_written(text: str, address: tuple[str, int]) -> None:
    assert parse_endpoint(text, "--to") == address
    assert endpoint_text(address) == text


@pytest.mark.parametrize("text", ["127.0.0.1", "::1:862", ":862", "a:b", "a:65536", "a:-1", ""])
def test_a_wrong_endpoint_names_the_option(text: str) -> None:
    with pytest.raises(ProbeError, match="--to"):
        parse_endpoint(text, "--to")


COMMAND = (
    "import typer; from agent.lab.commands import register; "
    "app = typer.Typer(); app.callback()(lambda: None); register(app); app()"
)


def lab(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "lab", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_relays_until_a_signal_and_prints_the_counters(
    echo: Echo, client: socket.socket, number: signal.Signals
) -> None:
    words = ("--profile", "high", "--listen", "127.0.0.1:0", "--to", endpoint_text(echo.address))
    with lab(*words, "--json") as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        assert (started["event"], started["profile"]) == ("started", "high")
        client.settimeout(PATIENCE_S)
        client.sendto(struct.pack("!I", 3), parse_endpoint(started["listen"], "listen"))
        assert struct.unpack("!I", client.recv(64)) == (3,)
        process.send_signal(number)
        stopped = json.loads(process.stdout.readline())
        assert process.wait(PATIENCE_S) == 0
    assert stopped["event"] == "stopped"
    assert stopped["forward"]["forwarded"] == stopped["backward"]["forwarded"] == 1


def test_the_command_prints_a_table_for_people(echo: Echo) -> None:
    words = ("--listen", "127.0.0.1:0", "--to", endpoint_text(echo.address), "--loss", "0.02")
    with lab(*words) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("lab base, seed 1: 127.0.0.1:")
        assert "loss 2.00%" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_S)
    assert "queue drops" in output
    assert errors == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((), "--listen 127.0.0.1:8620 --to"),
        (("--profile", "gold"), "choose one of high"),
        (("--listen", "127.0.0.1:0", "--to", "127.0.0.1:9", "--loss", "2"), "between 0 and 1"),
        (("--tun", "--listen", "127.0.0.1:0"), "leave out --listen"),
        (("--near", "10.0.0.1/30"), "need --tun"),
        (("--tun",), "same namespace"),
        (("--tun", "--far-netns", "x"), "an address at each end"),
        (("--tun", "--near", "10.0.0.1", "--far-netns", "x"), "ADDRESS/PREFIX"),
    ],
)
def test_a_wrong_call_is_exit_2_with_the_remedy(words: tuple[str, ...], text: str) -> None:
    with lab(*words) as process:
        output, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2
    assert output == ""
    assert text in errors
    assert "Traceback" not in errors
