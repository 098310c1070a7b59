"""The truth: what passed a tap and when, by tcpdump with nanosecond stamps."""

from __future__ import annotations

import contextlib
import re
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NANO_MAGIC: Final = 0xA1B23C4D
ETHERNET: Final = 1
SNAP_OCTETS: Final = 128
FLUSH_S: Final = 1.2
"""libpcap hands a half full block of packets over within a second."""

KeyOf = Callable[[bytes], int | None]
"""From what an IP packet carries to the exchange that it belongs to; None: it is none of it."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One IPv4 packet at a tap."""

    ns: int
    """UTC."""
    payload: bytes
    """What follows the IP header, as far as it was kept."""


@dataclass(slots=True)
class Tap:
    """A running or finished capture; `packets` is filled when it ends."""

    packets: list[Packet] = field(default_factory=list)

    def exchanges(self, key_of: KeyOf) -> dict[int, tuple[int, int]]:
        """Instants of the first and the second packet of each exchange, in order of the first.

        At the sender's tap that is request out and reply in, at the other end request in and reply
        out. Exchanges that stayed without a second packet are left out.
        """
        seen: dict[int, list[int]] = {}
        for packet in self.packets:
            key = key_of(packet.payload)
            if key is not None:
                seen.setdefault(key, []).append(packet.ns)
        return {key: (at[0], at[1]) for key, at in seen.items() if len(at) > 1}


@contextlib.contextmanager
def tapped(host: str, interface: str, only: str) -> Iterator[Tap]:
    """Capture on an interface of a host while the block runs; `only` is a pcap filter.

    Raises RuntimeError where tcpdump fails or lost a packet: then there is no truth.
    """
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="pp-tap-") as folder:
        file = Path(folder) / "tap.pcap"
        tcpdump = subprocess.Popen(
            [
                "ip", "netns", "exec", host, "tcpdump", "-Z", "root", "-n", "-p",
                "-i", interface, "--time-stamp-precision=nano", "-s", str(SNAP_OCTETS),
                "-B", "16384", "-w", str(file), only,
            ],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert tcpdump.stderr is not None
        try:
            greeting = ""
            while "listening on" not in greeting:
                line = tcpdump.stderr.readline()
                if not line:
                    raise RuntimeError(f"tcpdump on {interface} did not start: {greeting}")
                greeting += line
            yield tap
            time.sleep(FLUSH_S)
        finally:
            tcpdump.terminate()
            said = tcpdump.communicate()[1]
        dropped = re.search(r"(\d+) packets? dropped by kernel", said)
        if dropped is None or int(dropped[1]):
            raise RuntimeError(f"tcpdump on {interface} lost packets: {said}")
        tap.packets = read_pcap(file.read_bytes())


def read_pcap(octets: bytes) -> list[Packet]:
    """The IPv4 packets of a nanosecond pcap of an Ethernet interface.

    Raises ValueError for any other file.
    """
    magic, _, _, _, _, _, link = struct.unpack_from("=IHHiIII", octets)
    if magic != NANO_MAGIC or link != ETHERNET:
        raise ValueError(f"no nanosecond Ethernet pcap of this machine: {magic:#x}, link {link}")
    packets = []
    at = 24
    while at < len(octets):
        seconds, nanoseconds, kept, _ = struct.unpack_from("=IIII", octets, at)
        frame = octets[at + 16 : at + 16 + kept]
        at += 16 + kept
        if frame[12:14] == b"\x08\x00":
            header = 14 + 4 * (frame[14] & 0xF)
            packets.append(Packet(seconds * 1_000_000_000 + nanoseconds, frame[header:]))
    return packets


def echo_key(payload: bytes) -> int | None:
    """Identifier and sequence of an ICMP echo request or reply (RFC 792)."""
    if payload[0] not in (0, 8):
        return None
    return int.from_bytes(payload[4:8], "big")


def stamp_key(port: int) -> KeyOf:
    """The sender's sequence number in an unauthenticated STAMP packet (RFC 8762, section 4)."""

    def key_of(payload: bytes) -> int | None:
        source, destination = struct.unpack_from(">HH", payload)
        if destination == port:
            return int.from_bytes(payload[8:12], "big")
        return int.from_bytes(payload[32:36], "big") if source == port else None

    return key_of


def irtt_key(payload: bytes) -> int | None:
    """The sequence number of an irtt echo; None for its opening and closing packets.

    After the UDP header: three octets of magic, one of flags (open 1, reply 2, close 4, HMAC 8),
    the connection token (8), the sequence number (4, little-endian).
    """
    data = payload[8:]
    if data[:3] != b"\x14\xa7\x5b" or data[3] & ~0x02:
        return None
    return int.from_bytes(data[12:16], "little")
