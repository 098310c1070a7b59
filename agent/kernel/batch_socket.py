"""Many datagrams a system call: sendmmsg and recvmmsg over vectors that live in numpy arrays.

The kernel's vector of message headers, the I/O vectors, addresses, packets and control buffers are
arrays allocated once and pointed at each other, so that a batch costs one call and its control
messages are read column by column. 64-bit Linux only (`struct mmsghdr` of 64 octets).
"""

from __future__ import annotations

import ctypes
import errno
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.kernel.addresses import NAME_OCTETS

MSG_DONTWAIT = 0x40
MSG_ERRQUEUE = 0x2000

SOL_SOCKET = 1
SCM_TIMESTAMPING = 37
SCM_TS_OPT_ID = 81
"""Kernel 6.13 and later: the sender chooses the id under which the TX stamp comes back."""
SOL_IP, IP_TOS, IP_TTL, IP_PKTINFO, IP_RECVERR = 0, 1, 2, 8, 11
SOL_IPV6, IPV6_RECVERR, IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS = 41, 25, 50, 52, 67
IPV6_RECVPKTINFO = 49

ORIGIN_LOCAL, ORIGIN_ICMP, ORIGIN_ICMP6, ORIGIN_TIMESTAMPING = 1, 2, 3, 4

CONTROL_WORDS = 32
"""256 octets: three stamps, an extended error with its offender, TTL and TOS fit."""

HEADER = np.dtype(
    {
        "names": [
            "name", "namelen", "iov", "iovlen", "control", "controllen", "flags", "length",
        ],
        "formats": ["<u8", "<u4", "<u8", "<u8", "<u8", "<u8", "<i4", "<u4"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56],
        "itemsize": 64,
    }
)  # fmt: skip
"""struct mmsghdr on 64-bit Linux."""
IOVEC = np.dtype([("base", "<u8"), ("len", "<u8")])

if sys.maxsize < 2**32:
    raise ImportError("pasprobe needs a 64-bit Linux: struct mmsghdr differs on 32 bits")

_libc = ctypes.CDLL(None, use_errno=True)
_vector_call: list[Any] = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
_sendmmsg = _libc.sendmmsg
_sendmmsg.argtypes = _vector_call
_recvmmsg = _libc.recvmmsg
_recvmmsg.argtypes = [*_vector_call, ctypes.c_void_p]


def send_headers(fd: int, pointer: int, count: int) -> int:
    """Send `count` messages whose headers stand at `pointer` (an array of `HEADER`).

    Returns how many the kernel took, or -errno of the first.
    """
    sent: int = _sendmmsg(fd, pointer, count, MSG_DONTWAIT)
    return sent if sent >= 0 else -ctypes.get_errno()


@dataclass(slots=True)
class Control:
    """The control messages of a batch as columns; -1 (or 0 for stamps) where a row has none."""

    stamp_ns: npt.NDArray[np.int64]
    ttl: npt.NDArray[np.int16]
    tos: npt.NDArray[np.int16]
    error: npt.NDArray[np.int64]
    """ee_errno, -1 where the row is no error."""
    origin: npt.NDArray[np.uint8]
    kind: npt.NDArray[np.uint8]
    """ee_type: the ICMP type."""
    code: npt.NDArray[np.uint8]
    info: npt.NDArray[np.uint32]
    data: npt.NDArray[np.uint32]
    """ee_data: the id of a TX stamp."""
    offender: npt.NDArray[np.int16]
    """Octet of the row's control buffer at which the offender's sockaddr starts, -1 = none."""

    @classmethod
    def blank(cls, n: int) -> Control:
        """Nothing known of `n` rows."""
        return cls(
            np.zeros(n, np.int64), np.full(n, -1, np.int16), np.full(n, -1, np.int16),
            np.full(n, -1, np.int64), np.zeros(n, np.uint8), np.zeros(n, np.uint8),
            np.zeros(n, np.uint8), np.zeros(n, np.uint32), np.zeros(n, np.uint32),
            np.full(n, -1, np.int16),
        )  # fmt: skip


_Layout = tuple[tuple[int, int, int], ...]
"""(first word, level, type) of each control message of a row."""


def _layout(words: npt.NDArray[np.uint64], octets: int) -> _Layout:
    found = []
    at = 0
    while at * 8 + 16 <= octets:
        length = int(words[at])
        if length < 16 or at * 8 + length > octets:
            break
        both = int(words[at + 1])
        found.append((at, both & 0xFFFFFFFF, both >> 32))
        at += (length + 7) // 8
    return tuple(found)


@lru_cache(maxsize=64)
def _header_columns(layout: _Layout) -> npt.NDArray[np.intp]:
    """The words that hold the headers: alike in two rows when their layouts are."""
    return np.array([word for at, _, _ in layout for word in (at, at + 1)], np.intp)


def _read_columns(
    out: Control, rows: slice | npt.NDArray[np.intp], words: npt.NDArray[np.uint64], layout: _Layout
) -> None:
    """Fill the columns of `rows`, whose control buffers (`words`) all have this layout."""
    for at, level, kind in layout:
        match level, kind:
            case (1, 37):
                out.stamp_ns[rows] = words[:, at + 2].astype(np.int64) * 1_000_000_000 + words[
                    :, at + 3
                ].astype(np.int64)
            case (0, 2) | (41, 52):
                out.ttl[rows] = (words[:, at + 2] & np.uint64(0xFF)).astype(np.int16)
            case (0, 1) | (41, 67):
                out.tos[rows] = (words[:, at + 2] & np.uint64(0xFF)).astype(np.int16)
            case (0, 11) | (41, 25):
                first, second = words[:, at + 2], words[:, at + 3]
                out.error[rows] = (first & np.uint64(0xFFFFFFFF)).astype(np.int64)
                out.origin[rows] = (first >> np.uint64(32)).astype(np.uint8)
                out.kind[rows] = (first >> np.uint64(40)).astype(np.uint8)
                out.code[rows] = (first >> np.uint64(48)).astype(np.uint8)
                out.info[rows] = second.astype(np.uint32)
                out.data[rows] = (second >> np.uint64(32)).astype(np.uint32)
                out.offender[rows] = (at + 4) * 8


class ReceiveVector:
    """Room for one batch of received datagrams; good for any socket.

    After `receive` returned n, rows 0 to n-1 of `data`, `names` and `lengths` are the datagrams;
    they are overwritten by the next call.
    """

    def __init__(self, batch: int = 256, octets: int = 256) -> None:
        self.batch = batch
        self.octets = octets
        self.data = np.zeros((batch, octets), np.uint8)
        self.names = np.zeros((batch, 32), np.uint8)
        self._words = np.zeros((batch, CONTROL_WORDS), np.uint64)
        self._iov = np.zeros(batch, IOVEC)
        self._headers = np.zeros(batch, HEADER)
        rows = np.arange(batch, dtype=np.uint64)
        self._iov["base"] = self.data.ctypes.data + rows * self.data.strides[0]
        self._iov["len"] = octets
        self._headers["name"] = self.names.ctypes.data + rows * 32
        self._headers["iov"] = self._iov.ctypes.data + rows * IOVEC.itemsize
        self._headers["iovlen"] = 1
        self._headers["control"] = self._words.ctypes.data + rows * (CONTROL_WORDS * 8)
        self._pointer = self._headers.ctypes.data
        self._lengths = self._headers["length"]
        self._namelen = self._headers["namelen"]
        self._controllen = self._headers["controllen"]
        self._namelen[:] = NAME_OCTETS
        self._controllen[:] = CONTROL_WORDS * 8
        self._fill = 0

    @property
    def lengths(self) -> npt.NDArray[np.uint32]:
        """Octets of each datagram; at most `octets`, longer ones are cut."""
        lengths: npt.NDArray[np.uint32] = self._lengths
        return lengths

    def receive(self, fd: int, flags: int = 0) -> int:
        """Read what is there, up to a batch; returns the number of datagrams or -errno."""
        if self._fill:
            self._namelen[: self._fill] = NAME_OCTETS
            self._controllen[: self._fill] = CONTROL_WORDS * 8
            self._fill = 0
        got: int = _recvmmsg(fd, self._pointer, self.batch, flags | MSG_DONTWAIT, None)
        if got < 0:
            return -ctypes.get_errno()
        self._fill = got
        return got

    def offender(self, row: int, control: Control) -> npt.NDArray[np.uint8]:
        """The sockaddr of the node that sent the error of this row."""
        at = int(control.offender[row])
        octets: npt.NDArray[np.uint8] = self._words[row].view(np.uint8)[at : at + NAME_OCTETS]
        return octets

    def control(self, n: int) -> Control:
        """The control messages of the batch just received, column by column."""
        out = Control.blank(n)
        for rows, words, layout in self._groups(n):
            _read_columns(out, rows, words, layout)
        return out

    def local_addresses(self, n: int) -> npt.NDArray[np.uint64]:
        """Two words a row that hold the address a datagram was sent to (IP_PKTINFO).

        IPv4: interface and address, the field `ipi_spec_dst`; IPv6: the address. 0 = not told.
        """
        out = np.zeros((n, 2), np.uint64)
        for rows, words, layout in self._groups(n):
            for at, level, kind in layout:
                if (level, kind) in ((SOL_IP, IP_PKTINFO), (SOL_IPV6, IPV6_PKTINFO)):
                    out[rows] = words[:, at + 2 : at + 4]
        return out

    def _groups(
        self, n: int
    ) -> Iterator[tuple[slice | npt.NDArray[np.intp], npt.NDArray[np.uint64], _Layout]]:
        """Rows whose control buffers are laid out alike; nearly always all of them."""
        pending = np.arange(n)
        while len(pending):
            first = int(pending[0])
            octets = int(self._controllen[first])
            layout = _layout(self._words[first], octets)
            columns = _header_columns(layout)
            words = self._words[:n] if len(pending) == n else self._words[pending]
            same = (self._controllen[pending] == octets) & (
                words[:, columns] == self._words[first, columns]
            ).all(axis=1)
            if len(pending) == n and same.all():
                yield slice(0, n), words, layout
                return
            yield pending[same], words[same], layout
            pending = pending[~same]


def would_block(result: int) -> bool:
    """Whether a negative result of a batch call says only that there is nothing to do now."""
    return result in (-errno.EAGAIN, -errno.EINTR)
