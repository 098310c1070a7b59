"""SNMP agents for tests and benchmarks: net-snmp's snmpd, and one of our own that can misbehave.

Used by the fixtures of `conftest.py`, which load this file by its path. As a script it serves many
made-up switches in a process of its own (benchmarks do not want the agents' work in theirs): it
prints where as one line of JSON and ends with its standard input.

The codec here is written apart from the project's, so that one mistake does not hide another.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"
START_S = 20.0
AUTH, PRIV = "authpass12", "privpass12"
USERS = (
    ("plain", "", "noauth"),
    ("md5", f"MD5 {AUTH}", "auth"),
    ("sha", f"SHA {AUTH}", "auth"),
    ("sha224", f"SHA-224 {AUTH}", "auth"),
    ("sha256", f"SHA-256 {AUTH}", "auth"),
    ("sha384", f"SHA-384 {AUTH}", "auth"),
    ("sha512", f"SHA-512 {AUTH}", "auth"),
    ("md5-des", f"MD5 {AUTH} DES {PRIV}", "priv"),
    ("sha-aes", f"SHA {AUTH} AES {PRIV}", "priv"),
    ("sha512-aes192", f"SHA-512 {AUTH} AES-192 {PRIV}", "priv"),
    ("sha256-aes256", f"SHA-256 {AUTH} AES-256 {PRIV}", "priv"),
    ("sha-aes192", f"SHA {AUTH} AES-192 {PRIV}", "priv"),
    ("sha-aes256-cisco", f"SHA {AUTH} AES-256-C {PRIV}", "priv"),
)
"""Name, what `createUser` is told, the level that it must come with."""


def free_port() -> int:
    """A UDP port that nobody has, below those that the kernel gives to outgoing sockets."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket(type=socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


class Snmpd:
    """net-snmp's agent on loopback; its folder holds configuration and persistent data."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._engine_id: str | None = None

    def start(self, *, engine_id: str | None = None) -> None:
        """Start; given an engine ID it is a unit without memory: its boots begin anew."""
        if engine_id is not None:
            shutil.rmtree(self._folder / "persistent", ignore_errors=True)
            self._engine_id = engine_id
        self._folder.mkdir(exist_ok=True)
        lines = [f"agentAddress udp:{HOST}:{self.port}", f"rocommunity public {HOST}"]
        lines += ["view system included .1.3.6.1.2.1.1", f"rocommunity narrow {HOST} -V system"]
        lines += [f"createUser {name} {keys}" for name, keys, _ in USERS]
        lines += [f"rouser {name} {level}" for name, _, level in USERS]
        if self._engine_id is not None:
            lines.append(f"engineID {self._engine_id}")
        (self._folder / "snmpd.conf").write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen(
            ["/usr/sbin/snmpd", "-f", "-Lo", "-p", "snmpd.pid"],
            cwd=self._folder,
            env=os.environ
            | {
                "SNMPCONFPATH": f"{self._folder}:{self._folder / 'persistent'}",
                "SNMP_PERSISTENT_DIR": str(self._folder / "persistent"),
                "MIBS": "",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def _wait(self) -> None:
        """Until it answers a question for its sysUpTime."""
        question = message("public", 0xA0, 7, 0, 0, (("1.3.6.1.2.1.1.3.0", tlv(5, b"")),))
        end = time.monotonic() + START_S
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.1)
            while time.monotonic() < end:
                asking.sendto(question, (HOST, self.port))
                with contextlib.suppress(OSError):
                    if asking.recv(65_535):
                        return
        raise RuntimeError(f"snmpd does not answer on port {self.port}")

    def stop(self) -> None:
        """End it; it writes down how often it was started."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_S)
            self._process = None


def tlv(tag: int, body: bytes) -> bytes:
    """An element in the shortest form."""
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    octets = size.to_bytes(4, "big").lstrip(b"\0")
    return bytes([tag, 128 + len(octets)]) + octets + body


def number(value: int, tag: int = 2) -> bytes:
    """INTEGER and its kin."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(text: str) -> bytes:
    """OBJECT IDENTIFIER."""
    first, second, *rest = map(int, text.split("."))
    out = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 127]
        while arc := arc >> 7:
            groups.append(128 | arc & 127)
        out += bytes(reversed(groups))
    return tlv(6, bytes(out))


def message(
    community: str, pdu: int, ident: int, status: int, index: int,
    values: tuple[tuple[str, bytes], ...], version: int = 1,
) -> bytes:  # fmt: skip
    """A whole message; the values come encoded."""
    bound = b"".join(tlv(0x30, oid(name) + value) for name, value in values)
    body = number(ident) + number(status) + number(index) + tlv(0x30, bound)
    return tlv(0x30, number(version) + tlv(4, community.encode()) + tlv(pdu, body))


def parts(data: bytes) -> list[tuple[int, bytes]]:
    """The elements in a row."""
    found = []
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size > 127:
            octets = size - 128
            size = int.from_bytes(data[at : at + octets], "big")
            at += octets
        found.append((tag, data[at : at + size]))
        at += size
    return found


def signed(body: bytes) -> int:
    """The number in an INTEGER."""
    return int.from_bytes(body, "big", signed=True)


class Asked(NamedTuple):
    """A request as an agent reads it."""

    version: int
    community: bytes
    pdu: int
    ident: int
    first: int
    """Error status, or non-repeaters."""
    second: int
    """Error index, or max-repetitions."""
    names: tuple[tuple[int, ...], ...]


def arcs_of(body: bytes) -> tuple[int, ...]:
    """The numbers in an OBJECT IDENTIFIER."""
    out: list[int] = []
    arc = 0
    for octet in body:
        arc = arc << 7 | octet & 127
        if not octet & 128:
            out.append(arc)
            arc = 0
    head = min(2, out[0] // 40)
    return (head, out[0] - 40 * head, *out[1:])


def read(data: bytes) -> Asked:
    """A request of version 1 or 2c."""
    (_, version), (_, community), (pdu, body) = parts(parts(data)[0][1])
    (_, ident), (_, first), (_, second), (_, bound) = parts(body)
    names = tuple(arcs_of(parts(one)[0][1]) for _, one in parts(bound))
    return Asked(
        signed(version), community, pdu, signed(ident), signed(first), signed(second), names
    )


Name = tuple[int, ...]
END_OF_VIEW, NO_INSTANCE = tlv(0x82, b""), tlv(0x81, b"")


class Tree:
    """The objects of an agent and its honest answers (RFC 3416, section 4.2)."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = {tuple(map(int, name.split("."))): value for name, value in objects.items()}
        self._names = sorted(self.objects)
        self._bound: dict[tuple[object, ...], bytes] = {}

    def after(self, name: Name) -> tuple[Name, bytes]:
        """The next object."""
        at = bisect_right(self._names, name)
        if at == len(self._names):
            return name, END_OF_VIEW
        return self._names[at], self.objects[self._names[at]]

    def values(self, asked: Asked) -> list[tuple[Name, bytes]]:
        """What is bound in the answer."""
        if asked.pdu == 0xA0:
            return [(name, self.objects.get(name, NO_INSTANCE)) for name in asked.names]
        if asked.pdu == 0xA1:
            return [self.after(name) for name in asked.names]
        found = []
        names = list(asked.names)
        for _ in range(asked.second):
            row = [self.after(name) for name in names]
            found += row
            names = [name for name, _ in row]
            if all(value is END_OF_VIEW for _, value in row):
                break
        return found

    def answer(self, data: bytes) -> bytes:
        """The honest answer; what is bound is encoded once, but for GET, whose objects live."""
        asked = read(data)
        key = (asked.pdu, asked.first, asked.second, asked.names)
        bound = None if asked.pdu == 0xA0 else self._bound.get(key)
        if bound is None:
            bound = tlv(0x30, b"".join(
                tlv(0x30, oid(".".join(map(str, name))) + value)
                for name, value in self.values(asked)
            ))  # fmt: skip
            self._bound[key] = bound
        body = number(asked.ident) + number(0) + number(0) + bound
        return tlv(0x30, number(asked.version) + tlv(4, asked.community) + tlv(0xA2, body))


Behaviour = Callable[[bytes, Tree], "list[tuple[float, bytes]]"]
"""What an agent does with a request: datagrams, and after how many seconds each goes out."""


def honest(data: bytes, tree: Tree) -> list[tuple[float, bytes]]:
    """One right answer at once."""
    return [(0.0, tree.answer(data))]


class Agent:
    """An agent in a thread, on a port of loopback; its behaviour may change while it runs."""

    def __init__(self, tree: Tree, behaviour: Behaviour = honest, host: str = HOST) -> None:
        self.tree = tree
        self.behaviour = behaviour
        self.requests: list[bytes] = []
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        waiting: list[tuple[float, bytes, tuple[str, int]]] = []
        while not self._stopped.is_set():
            now = time.monotonic()
            for entry in [entry for entry in waiting if entry[0] <= now]:
                waiting.remove(entry)
                self._socket.sendto(entry[1], entry[2])
            self._socket.settimeout(0.005 if waiting else 0.05)
            try:
                data, peer = self._socket.recvfrom(65_535)
            except TimeoutError:
                continue
            if signed(parts(parts(data)[0][1])[0][1]) == 3:
                continue  # it is an agent of before 1998
            self.requests.append(data)
            for delay, reply in self.behaviour(data, self.tree):
                if delay:
                    waiting.append((time.monotonic() + delay, reply, peer))
                else:
                    self._socket.sendto(reply, peer)

    def close(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()
        self._socket.close()


UPTIME = "1.3.6.1.2.1.1.3.0"
IF_TABLE, IF_X_TABLE = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
COLUMNS = tuple(
    [f"{IF_TABLE}.{column}" for column in (7, 8, 9, 13, 14, 19, 20)]
    + [f"{IF_X_TABLE}.{column}" for column in (1, 6, 10, 15, 7, 11, 18)]
)
"""The 14 columns that an access switch is asked for."""


def switch(ports: int, seed: int = 1) -> Tree:
    """An access switch: its system group and its interfaces."""
    rng = random.Random(seed)
    objects = {
        "1.3.6.1.2.1.1.1.0": tlv(4, b"A switch that was made up"),
        "1.3.6.1.2.1.1.2.0": oid("1.3.6.1.4.1.9.1.563"),
        UPTIME: number(rng.randrange(2**32), 0x43),
    }
    for port in range(1, ports + 1):
        index = 10_100 + port
        for column in (7, 8):
            objects[f"{IF_TABLE}.{column}.{index}"] = number(1)
        objects[f"{IF_TABLE}.9.{index}"] = number(rng.randrange(10**8), 0x43)
        for column in (13, 14, 19, 20):
            objects[f"{IF_TABLE}.{column}.{index}"] = number(rng.randrange(1000), 0x41)
        objects[f"{IF_X_TABLE}.1.{index}"] = tlv(4, b"Fa0/%d" % port)
        for column in (6, 7, 10, 11):
            objects[f"{IF_X_TABLE}.{column}.{index}"] = number(rng.randrange(2**48), 0x46)
        objects[f"{IF_X_TABLE}.15.{index}"] = number(100, 0x42)
        objects[f"{IF_X_TABLE}.18.{index}"] = tlv(4, b"socket %d" % port)
    return Tree(objects)


def firewall_with_tunnel(peer: str) -> Tree:
    """What an ASA says that has one IKE tunnel, with the peer of this address."""
    ike = "1.3.6.1.4.1.9.9.171.1.2.3.1"
    return Tree(
        {
            "1.3.6.1.2.1.1.1.0": tlv(4, b"Cisco Adaptive Security Appliance Version 9.12(4)67"),
            "1.3.6.1.2.1.1.2.0": oid("1.3.6.1.4.1.9.1.2114"),
            "1.3.6.1.2.1.1.3.0": number(1_000, 0x43),
            f"{ike}.6.5": number(1),
            f"{ike}.7.5": tlv(4, peer.encode()),
        }
    )


def serve(hosts: list[str], ports: int) -> None:
    """Switches on one port of many loopback addresses, until standard input ends."""
    tree = switch(ports)
    uptime = tuple(map(int, UPTIME.split(".")))
    waiting = selectors.DefaultSelector()
    port = free_port()
    for host in hosts:
        one = socket.socket(type=socket.SOCK_DGRAM)
        one.bind((host, port))
        one.setblocking(False)
        waiting.register(one, selectors.EVENT_READ)
    waiting.register(sys.stdin, selectors.EVENT_READ)
    print(json.dumps({"port": port}), flush=True)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is sys.stdin:
                if not sys.stdin.readline():
                    return
                continue
            one = key.fileobj  # type: ignore[assignment]
            with contextlib.suppress(BlockingIOError):
                while True:
                    data, peer = one.recvfrom(65_535)
                    ticks = (time.monotonic_ns() // 10_000_000) % 2**32
                    tree.objects[uptime] = number(ticks, 0x43)
                    one.sendto(tree.answer(data), peer)


@contextlib.contextmanager
def switches(hosts: list[str], ports: int) -> Iterator[int]:
    """`serve` in a process of its own; the port that all of them have."""
    process = subprocess.Popen(
        [sys.executable, __file__, json.dumps(hosts), str(ports)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.stdin.close()
        process.wait(START_S)
        process.stdout.close()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]), int(sys.argv[2]))
