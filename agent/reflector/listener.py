"""One listening socket of the reflector: opening it, reply headers, and when replies left."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from agent.kernel.batch_socket import (
    HEADER,
    IOVEC,
    IP_PKTINFO,
    IP_TOS,
    IPV6_PKTINFO,
    IPV6_RECVPKTINFO,
    IPV6_TCLASS,
    MSG_ERRQUEUE,
    ORIGIN_TIMESTAMPING,
    SCM_TIMESTAMPING,
    SOL_IP,
    SOL_IPV6,
    SOL_SOCKET,
    ReceiveVector,
)
from agent.kernel.sockets import (
    IP_RECVTOS,
    IP_RECVTTL,
    IPV6_RECVHOPLIMIT,
    IPV6_RECVTCLASS,
    OPT_ID,
    OPT_TSONLY,
    RX_SOFTWARE,
    SO_MEMINFO,
    SO_TIMESTAMPING,
    SOFTWARE,
    TX_SOFTWARE,
    enlarge_buffers,
)
from agent.reflector.access import ReflectorError
from agent.reflector.core import Replies
from agent.reflector.sessions import Departure, Session, SessionTable
from agent.wire.ntp import SECOND_NS
from agent.wire.stamp import PORT

MOST_AWAITED: Final = 4096
"""Replies whose TX stamp is waited for; the oldest are given up."""
STAMP_WITHIN_NS: Final = SECOND_NS
"""A TX stamp before its T3, or further behind it than this, belongs to another reply."""

_STAMPS: Final = RX_SOFTWARE | SOFTWARE | OPT_ID | OPT_TSONLY
_CMSG: Final = struct.Struct("=QiiI4x")
"""A control message of one word: 24 octets, of which the length counts 20."""
SOURCE_OCTETS: Final = 40
"""The control message that chooses a reply's source address: 32 octets, in IPv6 40."""


class ReplyVector:
    """The reply's side of a receive vector: the same rows, sent back from where they lie."""

    def __init__(self, received: ReceiveVector) -> None:
        self.received = received
        self.iov = np.zeros(received.batch, IOVEC)
        self.iov["base"] = received.data.ctypes.data + self._steps(received.data.strides[0])
        self.control = np.zeros((received.batch, SOURCE_OCTETS + 2 * _CMSG.size), np.uint8)

    def _steps(self, octets: int) -> npt.NDArray[np.uint64]:
        return np.arange(self.received.batch, dtype=np.uint64) * np.uint64(octets)

    def headers(self, name_octets: int) -> npt.NDArray[Any]:
        """A send header for each row, to where the row came from."""
        header = np.zeros(self.received.batch, HEADER)
        names = self.received.names
        header["name"] = names.ctypes.data + self._steps(names.strides[0])
        header["namelen"] = name_octets
        header["iov"] = self.iov.ctypes.data + self._steps(IOVEC.itemsize)
        header["iovlen"] = 1
        header["control"] = self.control.ctypes.data + self._steps(self.control.strides[0])
        return header


@dataclass(slots=True)
class Awaited:
    """A reply whose TX stamp is to come."""

    session: Session
    sequence: int
    t3_ns: int


@dataclass(slots=True)
class Listener:
    """One socket, its sessions and the replies whose TX stamp it waits for."""

    sock: socket.socket
    replies: ReplyVector
    headers: npt.NDArray[Any]
    kernel_stamps: bool
    """The kernel takes the wish for stamps."""
    any_address: bool
    """It listens on all addresses of the host: a reply must name the one that was asked."""
    sessions: SessionTable = field(default_factory=SessionTable)
    awaited: dict[int, Awaited] = field(default_factory=dict)
    """TX stamp id -> reply, oldest first."""
    next_id: int = 0
    """The kernel numbers the packets that ask for a TX stamp."""
    drops: int = 0
    """Datagrams that the full receive buffer lost."""

    @property
    def fd(self) -> int:
        """The file descriptor."""
        return self.sock.fileno()

    def ready(self, replies: Replies, lengths: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
        """The send headers of a batch of replies.

        A TOS where it is not 0, and the wish for a TX stamp where somebody will ask for it.
        """
        rows = replies.rows
        self.replies.iov["len"][rows] = lengths[rows]
        six = self.sock.family == socket.AF_INET6
        level, kind = (SOL_IPV6, IPV6_TCLASS) if six else (SOL_IP, IP_TOS)
        start = self._answer_as_asked(rows, six) if self.any_address else 0
        octets = np.full(len(rows), start, np.uint64)
        control = self.replies.control[:, start:]
        for tos in set(replies.tos.tolist()) if replies.tos.any() or replies.follow_up else ():
            same = replies.tos == tos
            message = _CMSG.pack(20, level, kind, tos)
            control[rows[same], : _CMSG.size] = np.frombuffer(message, np.uint8)
            octets[same] = start + _CMSG.size
        if replies.follow_up and self.kernel_stamps:
            asking = list(replies.follow_up)
            message = _CMSG.pack(20, SOL_SOCKET, SCM_TIMESTAMPING, TX_SOFTWARE)
            control[rows[asking], _CMSG.size : 2 * _CMSG.size] = np.frombuffer(message, np.uint8)
            octets[asking] = start + 2 * _CMSG.size
        headers: npt.NDArray[Any] = self.headers[rows]
        headers["controllen"] = octets
        return headers

    def _answer_as_asked(self, rows: npt.NDArray[np.intp], six: bool) -> int:
        """Let each reply leave from the address that its request came to; octets it takes.

        The interface is left to the routes, except for link-local addresses, which need it.
        """
        received = self.replies.received
        told = received.local_addresses(int(rows[-1]) + 1)[rows]
        words = self.replies.control.view(np.uint64)
        if not six:
            words[rows, 0], words[rows, 1] = 28, SOL_IP | IP_PKTINFO << 32
            words[rows, 2] = told[:, 0] & np.uint64(0xFFFFFFFF_00000000)
            words[rows, 3] = 0
            return 32
        words[rows, 0], words[rows, 1] = 36, SOL_IPV6 | IPV6_PKTINFO << 32
        words[rows, 2:4] = told
        zones = received.names[rows, 24:28].copy().view(np.uint32)[:, 0]
        words[rows, 4] = zones
        return 40

    def sent(self, replies: Replies, places: range, t3_ns: int) -> None:
        """Remember under which id the TX stamps of these replies will come back."""
        if not self.kernel_stamps:
            return
        for i in places:
            session = replies.follow_up.get(i)
            if session is None:
                continue
            octets = self.replies.received.data[replies.rows[i], :4].tobytes()
            self.awaited[self.next_id] = Awaited(session, int.from_bytes(octets), t3_ns)
            self.next_id = (self.next_id + 1) & 0xFFFFFFFF
        while len(self.awaited) > MOST_AWAITED:
            del self.awaited[next(iter(self.awaited))]

    def read_stamps(self, room: ReceiveVector) -> int:
        """Give the TX stamps in the error queue to the sessions of their replies."""
        matched = 0
        while (n := room.receive(self.fd, MSG_ERRQUEUE)) > 0:
            control = room.control(n)
            rows = np.flatnonzero(control.origin == ORIGIN_TIMESTAMPING)
            for identifier, stamp_ns in zip(
                control.data[rows].tolist(), control.stamp_ns[rows].tolist(), strict=True
            ):
                reply = self.awaited.pop(identifier, None)
                if reply is not None and 0 <= stamp_ns - reply.t3_ns < STAMP_WITHIN_NS:
                    reply.session.departures.append(Departure(reply.sequence, stamp_ns))
                    matched += 1
        return matched

    def restart_ids(self) -> None:
        """A refused send may or may not have used up an id: count anew, which the kernel does when
        OPT_ID is set again."""
        if self.kernel_stamps:
            self.awaited.clear()
            self.next_id = 0
            self.sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, _STAMPS & ~OPT_ID)
            self.sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, _STAMPS)

    def count_drops(self) -> None:
        """Read how many datagrams the receive buffer lost (SO_MEMINFO)."""
        octets = self.sock.getsockopt(SOL_SOCKET, SO_MEMINFO, 36)
        if len(octets) >= 36:
            self.drops = int.from_bytes(octets[32:36], "little")


def parse_listen(text: str) -> tuple[str, int]:
    """`ADDR`, `ADDR:PORT`, `[ADDR]:PORT`. Raises `ReflectorError`."""
    host, port = text, str(PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise ReflectorError(
            f"listen address {text!r}: write an address with a port, "
            f"192.0.2.1:{PORT} or [2001:db8::1]:{PORT}"
        )
    return host, number


def open_listener(host: str, port: int, receive_buffer: int, replies: ReplyVector) -> Listener:
    """Listen on an address. Raises `ReflectorError` with the remedy where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            for option in (IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVPKTINFO):
                sock.setsockopt(SOL_IPV6, option, 1)
            sock.setsockopt(SOL_IPV6, socket.IPV6_UNICAST_HOPS, 255)
        else:
            for option in (IP_RECVTTL, IP_RECVTOS, IP_PKTINFO):
                sock.setsockopt(SOL_IP, option, 1)
            sock.setsockopt(SOL_IP, socket.IP_TTL, 255)
        enlarge_buffers(sock, receive_buffer)
        stamps = _ask_stamps(sock)
        sock.bind(socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)[0][4])
    except OSError as error:
        if sock is not None:
            sock.close()
        raise ReflectorError(_why_not(host, port, error)) from None
    headers = replies.headers(28 if family == socket.AF_INET6 else 16)
    return Listener(sock, replies, headers, stamps, ipaddress.ip_address(host).is_unspecified)


def _ask_stamps(sock: socket.socket) -> bool:
    try:
        sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, _STAMPS)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOPROTOOPT, errno.EPERM):
            return False
        raise
    return True


def where(host: str, port: int) -> str:
    """Address and port as one word."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _why_not(host: str, port: int, error: OSError) -> str:
    place = f"cannot listen on {where(host, port)}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{place}: the port is taken; find by whom with: ss -lunp sport = :{port}"
        case errno.EACCES:
            return (
                f"{place}: ports below 1024 need a right; give the service "
                "AmbientCapabilities=CAP_NET_BIND_SERVICE, or listen on another port"
            )
        case errno.EADDRNOTAVAIL:
            return f"{place}: this host does not have the address; see: ip addr"
        case errno.EAFNOSUPPORT:
            return f"{place}: this host has no IPv6; leave the address out"
        case _:
            return f"{place}: {error.strerror}"
