"""Who answers for an address, and captures of what went over the wire."""

from __future__ import annotations

import ipaddress
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ProbeError
from agent.evidence.link import capture_filter, identify, normal_mac, record_pcap

SWAPPED = "02:00:5e:00:00:07"
COMMAND = (
    "import typer; from agent.evidence.commands import register; "
    "app = typer.Typer(); app.callback()(lambda: None); register(app); app()"
)


def command(hosts: Any, *words: str) -> subprocess.CompletedProcess[str]:
    result: subprocess.CompletedProcess[str] = hosts.run(
        hosts.near, sys.executable, "-W", "error", "-c", COMMAND, "identify", *words, check=False
    )
    return result


def mac_of(hosts: Any, host: str, device: str) -> str:
    (link,) = json.loads(hosts.run(host, "ip", "-j", "link", "show", device).stdout)
    return str(link["address"])


def let_ipv6_settle(hosts: Any) -> None:
    """A link that just came up takes up to two seconds until its IPv6 carries packets."""
    hosts.run(hosts.near, "ping", "-c", "1", "-w", "20", "-i", "0.2", hosts.far_v6)


@pytest.mark.parametrize("address", ["far_v4", "far_v6"])
def test_the_mac_that_answers_is_told_also_after_it_changed(hosts: Any, address: str) -> None:
    ip = getattr(hosts, address)
    if address == "far_v6":
        let_ipv6_settle(hosts)
    before = mac_of(hosts, hosts.far, hosts.far_link)
    with hosts.inside(hosts.near):
        assert identify(ip, timeout_s=0.4).macs == (before,)
        hosts.run(hosts.far, "ip", "link", "set", hosts.far_link, "address", SWAPPED)
        found = identify(ip, timeout_s=0.4)
    assert (found.macs, found.interface, found.address) == ((SWAPPED,), hosts.near_link, ip)


def test_two_owners_of_one_address_are_both_heard(hosts: Any) -> None:
    # A bridge at the far end, and behind it a second host that claims the same address.
    third = f"pp-third-{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        ip("netns", "add", third)
        ip("-n", hosts.far, "link", "add", "br0", "type", "bridge")
        ip(
            "-n", hosts.far, "link", "add", "pp2", "type", "veth",
            "peer", "name", "pp3", "netns", third,
        )  # fmt: skip
        ip("-n", hosts.far, "addr", "del", f"{hosts.far_v4}/24", "dev", hosts.far_link)
        for device in (hosts.far_link, "pp2"):
            ip("-n", hosts.far, "link", "set", device, "master", "br0")
        for device in ("pp2", "br0"):
            ip("-n", hosts.far, "link", "set", device, "up")
        ip("-n", hosts.far, "addr", "add", f"{hosts.far_v4}/24", "dev", "br0")
        ip("-n", third, "addr", "add", f"{hosts.far_v4}/24", "dev", "pp3")
        ip("-n", third, "link", "set", "pp3", "up")
        owners = {mac_of(hosts, hosts.far, "br0"), mac_of(hosts, third, "pp3")}
        with hosts.inside(hosts.near):
            found = identify(hosts.far_v4)
        assert set(found.macs) == owners
        said = command(hosts, hosts.far_v4)
        assert said.returncode == 1
        assert "claimed by 2" in said.stdout
    finally:
        subprocess.run(["ip", "netns", "del", third], check=False, capture_output=True)


def test_the_command_compares_with_what_is_expected(hosts: Any) -> None:
    hosts.run(hosts.far, "ip", "link", "set", hosts.far_link, "address", SWAPPED)
    said = command(
        hosts, hosts.far_v4, "--timeout", "0.4", "--expect", SWAPPED.upper().replace(":", "-")
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == f"{hosts.far_v4} on {hosts.near_link}: {SWAPPED}, as expected\n"
    said = command(
        hosts, hosts.far_v4, "--timeout", "0.4", "--expect", "02:00:5e:00:00:08", "--json"
    )
    assert (said.returncode, said.stderr) == (1, "")
    assert json.loads(said.stdout) == {
        "address": hosts.far_v4,
        "interface": hosts.near_link,
        "macs": [SWAPPED],
        "expected": "02:00:5e:00:00:08",
        "as_expected": False,
    }


def test_nobody_answers_is_exit_1(hosts: Any) -> None:
    said = command(hosts, "10.77.0.99", "--timeout", "0.2")
    assert (said.returncode, said.stderr) == (1, "")
    assert said.stdout == f"10.77.0.99 on {hosts.near_link}: nobody answers\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("192.0.2.7",), "behind the gateway 10.77.0.2"),
        (("10.77.0.1",), "an address of this host"),
        (("fd77::1",), "an address of this host"),
        (("10.77.0.2", "--interface", "nope"), "no interface nope: this host has lo, "),
        (("10.77.0.256",), "expected an IPv4 or IPv6 address"),
        (("10.77.0.2", "--expect", "00:11"), "expected a MAC address"),
    ],
)
def test_a_wrong_question_is_exit_2_with_the_remedy(
    hosts: Any, words: tuple[str, ...], text: str
) -> None:
    hosts.run(hosts.near, "ip", "route", "add", "default", "via", hosts.far_v4)
    said = command(hosts, *words)
    assert said.returncode == 2
    assert text in said.stderr
    assert "Traceback" not in said.stderr


def test_without_the_right_it_names_the_capability(hosts: Any, need: Callable[..., None]) -> None:
    need("setpriv")
    said = hosts.run(
        hosts.near, "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--",
        sys.executable, "-c", COMMAND, "identify", hosts.far_v4,
        check=False,
    )  # fmt: skip
    assert said.returncode == 2
    assert "CAP_NET_RAW" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("text", ["00:1B:21:3c:4d:5e", "00-1b-21-3c-4d-5e", "001b.213c.4d5e"])
def test_a_mac_is_read_in_the_spellings_of_the_field(text: str) -> None:
    assert normal_mac(text) == "00:1b:21:3c:4d:5e"


@pytest.mark.parametrize("text", ["", "00:1b:21:3c:4d", "00:1b:21:3c:4d:5g", "001b213c4d5e00"])
def test_what_is_no_mac_is_refused(text: str) -> None:
    with pytest.raises(ProbeError, match="expected a MAC address"):
        normal_mac(text)


def packets_in(path: Path) -> list[tuple[int, int, bytes]]:
    """(seconds, nanoseconds, octets) of a pcap file, read by hand."""
    data = path.read_bytes()
    magic, major, minor, _, _, _, linktype = struct.unpack_from("=IHHIIII", data)
    # 0xa1b23c4d: nanosecond stamps.
    assert (magic, major, minor, linktype) == (0xA1B23C4D, 2, 4, 1)
    packets, at = [], 24
    while at < len(data):
        seconds, nanoseconds, length, wire = struct.unpack_from("=IIII", data, at)
        assert length == wire
        packets.append((seconds, nanoseconds, data[at + 16 : at + 16 + length]))
        at += 16 + length
    return packets


@pytest.mark.parametrize(("target", "offset"), [("far_v4", 34), ("far_v6", 54)])
def test_a_capture_holds_the_train_and_nothing_else(
    hosts: Any, tmp_path: Path, need: Callable[..., None], target: str, offset: int
) -> None:
    need("ping")
    let_ipv6_settle(hosts)
    address = getattr(hosts, target)
    path = tmp_path / "train.pcap"
    with hosts.inside(hosts.near), record_pcap(path, address, protocol="icmp") as capture:
        hosts.run(hosts.near, "ping", "-c", "10", "-i", "0.01", "-p", "a5", address)
        other = hosts.far_v6 if address == hosts.far_v4 else hosts.far_v4
        hosts.run(hosts.near, "ping", "-c", "2", "-i", "0.01", other)
        assert not path.exists()
    packets = packets_in(path)
    echoes = [octets for _, _, octets in packets if octets[offset] in (0, 8, 128, 129)]
    assert len(echoes) == 20
    assert all(octets[-8:] == b"\xa5" * 8 for octets in echoes)
    assert capture.packets == len(packets)
    assert not capture.full
    assert capture.dropped == 0
    stamps = [seconds * 10**9 + nanoseconds for seconds, nanoseconds, _ in packets]
    assert stamps == sorted(stamps)
    # Were they microseconds in disguise, every last three digits would be zero.
    assert any(stamp % 1000 for stamp in stamps)
    assert list(tmp_path.iterdir()) == [path]


def test_a_capture_stops_at_its_bound_and_says_so(
    hosts: Any, tmp_path: Path, need: Callable[..., None]
) -> None:
    need("ping")
    path = tmp_path / "train.pcap"
    with (
        hosts.inside(hosts.near),
        record_pcap(path, hosts.far_v4, protocol="icmp", max_packets=5) as capture,
    ):
        hosts.run(hosts.near, "ping", "-c", "10", "-i", "0.01", hosts.far_v4)
    assert capture.full
    assert len(packets_in(path)) == capture.packets == 5


def test_a_capture_takes_the_errors_about_its_packets(
    hosts: Any, tmp_path: Path, need: Callable[..., None]
) -> None:
    need("ping")
    let_ipv6_settle(hosts)
    for route in (("10.79.0.0/24", hosts.far_v4), ("fd79::/64", hosts.far_v6)):
        hosts.run(hosts.near, "ip", "route", "add", route[0], "via", route[1])
    hosts.run(
        hosts.far, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"
    )
    for address, protocol_at, kinds in (("10.79.0.1", 34, {8, 3}), ("fd79::1", 54, {128, 1})):
        path = tmp_path / "errors.pcap"
        with hosts.inside(hosts.near), record_pcap(path, address, protocol="icmp"):
            hosts.run(hosts.near, "ping", "-c", "1", "-W", "1", address, check=False)
        assert {octets[protocol_at] for _, _, octets in packets_in(path)} == kinds


def test_an_empty_capture_is_a_capture_file(hosts: Any, tmp_path: Path) -> None:
    path = tmp_path / "train.pcap"
    with (
        hosts.inside(hosts.near),
        record_pcap(path, hosts.far_v4, protocol="udp", port=862) as capture,
    ):
        pass
    assert packets_in(path) == []
    assert capture.packets == 0


def test_a_capture_survives_the_failure_it_is_evidence_of(hosts: Any, tmp_path: Path) -> None:
    path = tmp_path / "train.pcap"
    with (
        pytest.raises(ConnectionError),
        hosts.inside(hosts.near),
        record_pcap(path, hosts.far_v4, protocol="udp", port=862),
    ):
        raise ConnectionError
    assert packets_in(path) == []


def test_a_capture_that_cannot_be_written_says_where(hosts: Any, tmp_path: Path) -> None:
    path = tmp_path / "no-such-folder" / "train.pcap"
    with (
        hosts.inside(hosts.near),
        pytest.raises(ProbeError, match=r"cannot write .*no-such-folder"),
        record_pcap(path, hosts.far_v4, protocol="icmp"),
    ):
        pass


def test_the_filter_names_the_target_inside_the_error() -> None:
    assert capture_filter(ipaddress.ip_address("192.0.2.1"), "udp", 862) == (
        "(host 192.0.2.1 and udp port 862) or "
        "((icmp[0] = 3 or icmp[0] = 11) and icmp[24:4] = 0xc0000201)"
    )
