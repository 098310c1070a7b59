"""Evidence about a path: its routers, the MAC that answers there, what went over the wire.

Called beside a measurement, never in it: a traceroute when a train lost too much, the identity of
a gateway or of a swapped server, a capture of the train in question. Traceroute by icmplib's
sockets, the rest by scapy; both are imported only where used.
"""

from __future__ import annotations

import errno
import ipaddress
import secrets
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

from agent.errors import ProbeError

WINDOW = 8
"""Hops asked at the same time. After a whole window of silence the trace looks at the target
itself, and stops if that is silent too."""

_MS = 1_000_000
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_SOCK_EXTENDED_ERR = struct.Struct("@IBBBBII")
"""ee_errno, ee_origin, ee_type, ee_code, ee_pad, ee_info, ee_data (linux/errqueue.h); the
address of the router that complained follows."""

_ECHO_REPLY = {4: 0, 6: 129}
_TIME_EXCEEDED = {4: 11, 6: 3}
_UNREACHABLE = {4: 3, 6: 1}
_CODES = {
    4: {
        0: "network unreachable",
        1: "host unreachable",
        2: "protocol unreachable",
        3: "port unreachable",
        4: "fragmentation needed",
        9: "network prohibited",
        10: "host prohibited",
        13: "administratively prohibited",
    },
    6: {
        0: "no route",
        1: "administratively prohibited",
        2: "beyond scope",
        3: "address unreachable",
        4: "port unreachable",
        5: "source policy failed",
        6: "reject route",
    },
}
"""RFC 792 and RFC 1812, section 5.2.7.1; RFC 4443, section 3.1."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One distance on the way to the target."""

    distance: int
    """The TTL (hop limit) the probes were sent with."""
    addresses: tuple[str, ...]
    """Who answered, first answer first; several where the path is balanced, () for silence."""
    sent: int
    rtt_ns: tuple[int, ...]
    """Round trip of each answered probe (userland clock: to find a place, not to settle on)."""
    reached: bool
    """The target itself answered."""
    refusal: str = ""
    """What an ICMP unreachable said, where one came."""

    @property
    def received(self) -> int:
        """Probes that were answered; routers may limit how many they answer."""
        return len(self.rtt_ns)


def reached(hops: tuple[Hop, ...]) -> bool:
    """Whether the trace got to its target."""
    return bool(hops) and hops[-1].reached


def traceroute(
    target: str,
    *,
    queries: int = 3,
    timeout_s: float = 1.0,
    max_hops: int = 30,
    spacing_s: float = 0.02,
    family: int = 0,
) -> tuple[Hop, ...]:
    """ICMP echo with growing TTL; the hops up to the target, or as far as somebody answered.

    Without privilege where `net.ipv4.ping_group_range` allows, with a raw socket otherwise. It may
    block for about `timeout_s` * (`max_hops` / 8 + 1). Raises ProbeError for a name that does not
    resolve or when neither socket is allowed. `family` 4 or 6 picks an address of a name.
    """
    address = resolve(target, family)
    with _Tracer(address) as tracer:
        first = 1
        while first <= max_hops:
            ttls = range(first, min(first + WINDOW, max_hops + 1))
            tracer.ask(ttls, queries, timeout_s, spacing_s)
            if tracer.ended(ttls):
                break
            silent = not any(tracer.answers[ttl] for ttl in ttls)
            if silent and not tracer.answers_at_all(max_hops, timeout_s):
                break
            first += WINDOW
        return tracer.hops(max_hops)


def resolve(target: str, family: int = 0) -> str:
    """The first address of a name or the address itself, with its zone; ProbeError if none."""
    wanted = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}[family]
    try:
        found = socket.getaddrinfo(target, None, wanted, socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "not a host name"
        raise ProbeError(
            f"{target}: {reason}; give an address, or a name that resolves here"
        ) from None
    return str(found[0][4][0])


@dataclass(slots=True)
class _Answer:
    source: str
    rtt_ns: int
    reached: bool
    refusal: str
    terminal: bool


class _Tracer:
    """One trace: icmplib's socket, unprivileged if possible, and the answers by TTL."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._version = ipaddress.ip_address(address.partition("%")[0]).version
        self._id = secrets.randbits(16)
        self._sequence = 0
        self._outstanding: dict[int, tuple[int, int]] = {}
        """Sequence number -> (TTL, sent at, by CLOCK_MONOTONIC)."""
        self._sent: dict[int, int] = {}
        self.answers: dict[int, list[_Answer]] = {}
        self._socket = self._open()

    def __enter__(self) -> _Tracer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _open(self) -> Any:
        from icmplib import ICMPv4Socket, ICMPv6Socket, SocketPermissionError

        make = ICMPv6Socket if self._version == 6 else ICMPv4Socket
        for privileged in (False, True):
            try:
                opened = make(privileged=privileged)
            except SocketPermissionError:
                continue
            if not privileged:
                # Routers' complaints reach a datagram socket through its error queue only.
                level, option = (
                    (socket.IPPROTO_IPV6, _IPV6_RECVERR)
                    if self._version == 6
                    else (socket.IPPROTO_IP, _IP_RECVERR)
                )
                opened.sock.setsockopt(level, option, 1)
            return opened
        raise ProbeError(
            f"trace to {self._address}: no right to send ICMP: run as root, give CAP_NET_RAW "
            "(setcap cap_net_raw+ep, or AmbientCapabilities= in a systemd unit), or allow the "
            "group in the sysctl net.ipv4.ping_group_range"
        )

    def ask(self, ttls: range, queries: int, timeout_s: float, spacing_s: float) -> None:
        """Send `queries` probes to each TTL and wait until all are answered or time is up."""
        for ttl in ttls:
            self.answers.setdefault(ttl, [])
            self._sent.setdefault(ttl, 0)
        for _ in range(queries):
            for ttl in ttls:
                self._send(ttl)
                self._wait(time.monotonic_ns() + round(spacing_s * 1e9), until_done=False)
        self._wait(time.monotonic_ns() + round(timeout_s * 1e9), until_done=True, ttls=ttls)

    def answers_at_all(self, ttl: int, timeout_s: float) -> bool:
        """Whether the target answers one probe that any distance may be behind."""
        found = self.answers.setdefault(ttl, [])
        self._send(ttl)
        self._wait(time.monotonic_ns() + round(timeout_s * 1e9), until_done=True)
        alive = any(answer.reached for answer in found)
        # It was no probe of that distance: leave no trace of it.
        found.clear()
        self._sent.pop(ttl, None)
        return alive

    def ended(self, ttls: range) -> bool:
        """Whether a hop among these is the last one: the target, or a router that refuses."""
        return any(answer.terminal for ttl in ttls for answer in self.answers[ttl])

    def hops(self, max_hops: int) -> tuple[Hop, ...]:
        """What was found, up to the first hop that ended it, without silence at the end."""
        hops: list[Hop] = []
        for ttl in range(1, max_hops + 1):
            answers = self.answers.get(ttl, [])
            hops.append(
                Hop(
                    distance=ttl,
                    addresses=tuple(dict.fromkeys(answer.source for answer in answers)),
                    sent=self._sent.get(ttl, 0),
                    rtt_ns=tuple(answer.rtt_ns for answer in answers),
                    reached=any(answer.reached for answer in answers),
                    refusal=next((answer.refusal for answer in answers if answer.refusal), ""),
                )
            )
            if any(answer.terminal for answer in answers):
                break
        while hops and not hops[-1].addresses:
            hops.pop()
        return tuple(hops)

    def _send(self, ttl: int) -> None:
        from icmplib import ICMPRequest, ICMPSocketError

        # Each probe has a number of its own: a late answer is never taken for another hop's.
        self._sequence = (self._sequence + 1) & 0xFFFF
        request = ICMPRequest(self._address, self._id, self._sequence, ttl=ttl, payload_size=32)
        for attempt in (1, 2):
            self._outstanding[self._sequence] = (ttl, time.monotonic_ns())
            try:
                self._socket.send(request)
            except ICMPSocketError as error:
                # On a datagram socket the error of an earlier probe surfaces here.
                if attempt == 1:
                    self._drain()
                    continue
                del self._outstanding[self._sequence]
                raise ProbeError(
                    f"trace to {self._address}: cannot send: {error}; is there a route to it "
                    "(ip route get)?"
                ) from None
            if not self._socket.is_privileged:
                self._id = request.id
            self._sent[ttl] = self._sent.get(ttl, 0) + 1
            return

    def _wait(self, until_ns: int, *, until_done: bool, ttls: range | None = None) -> None:
        """Take answers until the instant, or until nothing is outstanding that still matters."""
        poll = select.poll()
        poll.register(self._socket.sock, select.POLLIN)
        while (left_ns := until_ns - time.monotonic_ns()) > 0:
            if until_done and not self._matters(ttls):
                return
            if poll.poll(max(1, left_ns // _MS)):
                self._drain()

    def _matters(self, ttls: range | None) -> bool:
        """Whether an open probe may still change the result: none beyond a hop that ended it."""
        if ttls is None:
            return bool(self._outstanding)
        last = min((ttl for ttl in ttls if self.ended(range(ttl, ttl + 1))), default=ttls[-1])
        return any(ttl in ttls and ttl <= last for ttl, _ in self._outstanding.values())

    def _drain(self) -> None:
        """Read everything that is there, replies and the error queue."""
        from icmplib import ICMPSocketError

        privileged = self._socket.is_privileged
        # icmplib leaves a time-out on it, which would make the error queue block.
        self._socket.sock.setblocking(False)
        while not privileged and self._read_error():
            pass
        poll = select.poll()
        poll.register(self._socket.sock, select.POLLIN)
        while any(event & select.POLLIN for _, event in poll.poll(0)):
            try:
                reply = self._socket.receive(timeout=1)
            except ICMPSocketError:
                continue
            if reply.id == self._id:
                self._note(reply.sequence, reply.source, reply.type, reply.code)

    def _read_error(self) -> bool:
        """One entry of the error queue (RFC 792 errors the kernel matched to our socket)."""
        try:
            packet, ancillary, _, _ = self._socket.sock.recvmsg(512, 512, _MSG_ERRQUEUE)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
                return False
            raise
        for level, kind, data in ancillary:
            if (level, kind) not in (
                (socket.IPPROTO_IP, _IP_RECVERR),
                (socket.IPPROTO_IPV6, _IPV6_RECVERR),
            ):
                continue
            _, _, icmp_type, code, _, _, _ = _SOCK_EXTENDED_ERR.unpack_from(data)
            source = _offender(data[_SOCK_EXTENDED_ERR.size :])
            if source and len(packet) >= 8:
                (sequence,) = struct.unpack_from("!H", packet, 6)
                self._note(sequence, source, icmp_type, code)
        return True

    def _note(self, sequence: int, source: str, icmp_type: int, code: int) -> None:
        known = {table[self._version] for table in (_ECHO_REPLY, _TIME_EXCEEDED, _UNREACHABLE)}
        if icmp_type not in known or sequence not in self._outstanding:
            return
        ttl, sent_ns = self._outstanding.pop(sequence)
        refusal = ""
        if icmp_type == _UNREACHABLE[self._version]:
            refusal = _CODES[self._version].get(code, f"unreachable, code {code}")
        target = icmp_type == _ECHO_REPLY[self._version]
        self.answers[ttl].append(
            _Answer(source, time.monotonic_ns() - sent_ns, target, refusal, target or bool(refusal))
        )


def _offender(sockaddr: bytes) -> str:
    """SO_EE_OFFENDER: the address after the sock_extended_err; empty for an error of our own."""
    if len(sockaddr) < 8:
        return ""
    (family,) = struct.unpack_from("@H", sockaddr)
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, sockaddr[4:8])
    if family == socket.AF_INET6 and len(sockaddr) >= 24:
        return socket.inet_ntop(socket.AF_INET6, sockaddr[8:24])
    return ""
