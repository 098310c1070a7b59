"""Opening the sockets that measure: rights, kernel stamps, buffers, filters.

What the kernel refuses is not hidden: `ProbeSocket` says which kind of socket it is and whether
stamps were granted, the samples say which stamps really came.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np

from agent.errors import ProbeError
from agent.kernel.batch_socket import (
    HEADER,
    IOVEC,
    IP_RECVERR,
    IPV6_RECVERR,
    SCM_TS_OPT_ID,
    SOL_IP,
    SOL_IPV6,
    SOL_SOCKET,
    send_headers,
)

SO_TIMESTAMPING = 37
SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32
SO_MEMINFO = 55
SO_ATTACH_FILTER = 26
SOL_RAW, ICMP_FILTER = 255, 1
SOL_ICMPV6, ICMPV6_FILTER = 58, 1
IP_RECVTTL, IP_RECVTOS = 12, 13
IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS = 51, 66
TX_SOFTWARE, RX_SOFTWARE, SOFTWARE = 1 << 1, 1 << 3, 1 << 4
OPT_ID, OPT_CMSG, OPT_TSONLY = 1 << 7, 1 << 10, 1 << 11
TIMESTAMPING = TX_SOFTWARE | RX_SOFTWARE | SOFTWARE | OPT_ID | OPT_CMSG | OPT_TSONLY

RECEIVE_BUFFER_OCTETS = 8 << 20
SKB_OCTETS = 1280
"""What one small packet takes of a receive buffer (struct sk_buff and its data), rounded up; the
kernel counts stamps waiting in the error queue against the same buffer."""

Kind = Literal["icmp-dgram", "icmp-raw", "udp"]


@dataclass(slots=True)
class ProbeSocket:
    """An open socket and what the kernel granted it."""

    sock: socket.socket
    version: Literal[4, 6]
    kind: Kind
    identifier: int
    """ICMP identifier or local UDP port."""
    stamps: bool
    """SO_TIMESTAMPING was accepted (whether stamps come is seen in the samples)."""
    chosen_ids: bool
    """TX stamps come back under ids of our choice (kernel 6.13 and later)."""
    queue_packets: int
    """How many small packets the receive buffer holds, at least."""

    @property
    def fd(self) -> int:
        """The file descriptor."""
        return self.sock.fileno()

    def drops(self) -> int:
        """Packets that this socket's own full buffer has dropped so far (SO_MEMINFO)."""
        octets = self.sock.getsockopt(SOL_SOCKET, SO_MEMINFO, 36)
        return int.from_bytes(octets[32:36], "little") if len(octets) >= 36 else 0

    def filling(self) -> bool:
        """Whether an eighth of its receive buffer is in use: somebody sends more than was asked."""
        octets = self.sock.getsockopt(SOL_SOCKET, SO_MEMINFO, 36)
        used, size = (int.from_bytes(octets[at : at + 4], "little") for at in (0, 4))
        return used * 8 > size

    def restart_ids(self) -> None:
        """Make the kernel count TX stamp ids from 0 again (it does when OPT_ID is set anew)."""
        self.sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, TIMESTAMPING & ~OPT_ID)
        self.sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, TIMESTAMPING)


def open_icmp(
    version: Literal[4, 6], *, receive_buffer: int = RECEIVE_BUFFER_OCTETS
) -> ProbeSocket:
    """An ICMP echo socket: unprivileged where `ping_group_range` allows it, raw otherwise.

    Raises `ProbeError` with the remedy where the kernel allows neither.
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        pass
    except OSError as error:
        raise _no_socket("ICMP", version, error) from error
    else:
        # Bound to port 0 the kernel picks the ICMP identifier.
        sock.bind(("0.0.0.0" if version == 4 else "::", 0))
        return _ready(sock, version, "icmp-dgram", sock.getsockname()[1], receive_buffer)
    try:
        sock = socket.socket(family, socket.SOCK_RAW, protocol)
    except PermissionError:
        raise ProbeError(
            f"the kernel allows this user no ICMP socket: add its group to net.ipv4."
            f"ping_group_range (sysctl -w net.ipv4.ping_group_range='0 {max(os.getgid(), 1)}'), "
            "or give the program CAP_NET_RAW"
        ) from None
    except OSError as error:
        raise _no_socket("ICMP", version, error) from error
    identifier = int.from_bytes(os.urandom(2), "big")
    _only_our_replies(sock, version, identifier)
    return _ready(sock, version, "icmp-raw", identifier, receive_buffer)


def open_udp(version: Literal[4, 6], *, receive_buffer: int = RECEIVE_BUFFER_OCTETS) -> ProbeSocket:
    """A UDP socket on an ephemeral port for STAMP sessions.

    Raises `ProbeError` where there is none to be had.
    """
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise _no_socket("UDP", version, error) from error
    if version == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("0.0.0.0" if version == 4 else "::", 0))
    return _ready(sock, version, "udp", sock.getsockname()[1], receive_buffer)


def _no_socket(protocol: str, version: Literal[4, 6], error: OSError) -> ProbeError:
    remedy = {
        errno.EAFNOSUPPORT: f"this kernel has no IPv{version}, take an address of the other kind",
        errno.EMFILE: "raise the limit of open files (ulimit -n, LimitNOFILE=)",
        errno.ENFILE: "the host is out of file descriptors (sysctl fs.file-max)",
    }.get(error.errno or 0, "see the rights and limits of this process")
    return ProbeError(f"no {protocol} socket for IPv{version}: {error.strerror}; {remedy}")


def ask_stamps(sock: socket.socket) -> bool:
    """Ask for kernel TX and RX stamps with ids; False where the kernel has none to give."""
    try:
        sock.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, TIMESTAMPING)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOPROTOOPT, errno.EPERM):
            return False
        raise
    return True


def enlarge_buffers(sock: socket.socket, octets: int) -> int:
    """Ask for large buffers, past the sysctl limit where we may; returns the receive buffer."""
    for force, plain in ((SO_RCVBUFFORCE, socket.SO_RCVBUF), (SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(SOL_SOCKET, force, octets // 2)
        except PermissionError:
            sock.setsockopt(SOL_SOCKET, plain, octets // 2)
    return sock.getsockopt(SOL_SOCKET, socket.SO_RCVBUF)


def _ready(
    sock: socket.socket, version: Literal[4, 6], kind: Kind, identifier: int, receive_buffer: int
) -> ProbeSocket:
    sock.setblocking(False)
    granted = enlarge_buffers(sock, receive_buffer)
    if version == 4:
        sock.setsockopt(SOL_IP, IP_RECVERR, 1)
        sock.setsockopt(SOL_IP, IP_RECVTOS, 1)
    else:
        sock.setsockopt(SOL_IPV6, IPV6_RECVERR, 1)
        sock.setsockopt(SOL_IPV6, IPV6_RECVTCLASS, 1)
    stamps = ask_stamps(sock)
    return ProbeSocket(
        sock, version, kind, identifier, stamps,
        stamps and _kernel_takes_ids(), max(granted // SKB_OCTETS, 16),
    )  # fmt: skip


def _only_our_replies(sock: socket.socket, version: Literal[4, 6], identifier: int) -> None:
    """A raw socket hears every ICMP message of the host: let in echo replies to our id only."""
    if version == 4:
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ~1 & 0xFFFFFFFF))
        program = [
            (0xB1, 0, 0, 0),  # x = IP header length
            (0x48, 0, 0, 4),  # a = half word at x + 4: the identifier
        ]
    else:
        blocked = [0xFFFFFFFF] * 8
        blocked[129 >> 5] &= ~(1 << (129 & 31))
        sock.setsockopt(SOL_ICMPV6, ICMPV6_FILTER, struct.pack("=8I", *blocked))
        program = [(0x28, 0, 0, 4)]
    program += [(0x15, 0, 1, identifier), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]
    code = b"".join(struct.pack("=HBBI", *line) for line in program)
    room = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(
        SOL_SOCKET,
        SO_ATTACH_FILTER,
        struct.pack("@HP", len(program), ctypes.addressof(room)),
    )


_takes_ids: bool | None = None


def _kernel_takes_ids() -> bool:
    """Whether SCM_TS_OPT_ID is known here: found out once, by sending a datagram to ourselves."""
    global _takes_ids
    if _takes_ids is None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            probe.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, SOFTWARE | TX_SOFTWARE | OPT_ID)
            control = np.frombuffer(
                struct.pack("=QiiI4x", 20, SOL_SOCKET, SCM_TS_OPT_ID, 7), np.uint8
            ).copy()
            port = probe.getsockname()[1]
            name = np.frombuffer(
                struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", port, b"\x7f\0\0\1"),
                np.uint8,
            ).copy()
            vector = np.zeros(1, IOVEC)
            header = np.zeros(1, HEADER)
            header["name"], header["namelen"] = name.ctypes.data, 16
            header["iov"], header["iovlen"] = vector.ctypes.data, 1
            header["control"], header["controllen"] = control.ctypes.data, 24
            _takes_ids = send_headers(probe.fileno(), header.ctypes.data, 1) == 1
    return _takes_ids
