"""ICMP echo as the engine sends it (RFC 792, RFC 4443), over batches of packets.

```
 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+---------------+---------------+-------------------------------+
|     Type      |    Code = 0   |           Checksum            |
+---------------+---------------+-------------------------------+
|      Identifier (socket)      |     Sequence (slot mod 2^16)  |
+-------------------------------+-------------------------------+
|                             Slot                              |
+---------------------------------------------------------------+
|                         "pasp" magic                          |
+---------------------------------------------------------------+
|                        Key (64 random bits)                   |
|                                                               |
+---------------------------------------------------------------+
|                 Filler 0x00 0x01 0x02 ... to `size`           |
```

A reply counts only when slot, key and filler come back unchanged: the 16-bit sequence wraps after
65,536 packets, the slot does not, and nobody off the path can guess the key.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agent.wire.octets import column

Octets = npt.NDArray[np.uint8]

HEADER_OCTETS = 8
MIN_SIZE = 24
"""Header, slot, magic and key: the least that can be matched."""
ECHO_REQUEST_V4, ECHO_REPLY_V4 = 8, 0
ECHO_REQUEST_V6, ECHO_REPLY_V6 = 128, 129
MAGIC = 0x70617370
MAX_SIZE = 65_507
FILLER = np.arange(MAX_SIZE, dtype=np.uint16).astype(np.uint8)

_SLOT_AT, _MAGIC_AT, _KEY_AT = 8, 12, 16


def checksum(packets: Octets) -> npt.NDArray[np.uint16]:
    """The Internet checksum (RFC 1071) of each row, as it stands in the header.

    Rows of odd length count as if a zero octet followed.
    """
    if packets.shape[1] % 2:
        packets = np.pad(packets, ((0, 0), (0, 1)))
    total = np.ascontiguousarray(packets).view(">u2").sum(axis=1, dtype=np.uint32)
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    folded: npt.NDArray[np.uint16] = (~total & 0xFFFF).astype(np.uint16)
    return folded


def build_requests(
    packets: Octets, version: int, identifier: int, slots: npt.NDArray[Any], keys: npt.NDArray[Any]
) -> None:
    """Write echo requests into the rows of `packets` (n, size), checksum included.

    The kernel overwrites identifier and checksum on unprivileged sockets and the checksum of
    ICMPv6; on raw IPv4 sockets these are the ones that go out.
    """
    size = packets.shape[1]
    packets[:, HEADER_OCTETS:] = FILLER[: size - HEADER_OCTETS]
    packets[:, 0] = ECHO_REQUEST_V4 if version == 4 else ECHO_REQUEST_V6
    packets[:, 1:4] = 0
    column(packets, 4, ">u2")[:] = identifier
    column(packets, 6, ">u2")[:] = slots & 0xFFFF
    column(packets, _SLOT_AT, ">u4")[:] = slots
    column(packets, _MAGIC_AT, ">u4")[:] = MAGIC
    column(packets, _KEY_AT, "<u8")[:] = keys
    if version == 4:
        column(packets, 2, ">u2")[:] = checksum(packets)


def strip_ipv4_headers(datagrams: Octets, lengths: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Move each ICMP message of a raw IPv4 batch to octet 20; returns the messages' lengths.

    Nearly all headers have 20 octets; only rows with options are moved. A row that is no IPv4
    packet gets length 0.
    """
    header = (datagrams[:, 0] & 0x0F).astype(np.int64) * 4
    message = lengths.astype(np.int64) - header
    wrong = (datagrams[:, 0] >> 4 != 4) | (header < 20) | (message < 0)
    for row in np.flatnonzero((header > 20) & ~wrong):
        end = min(int(lengths[row]), datagrams.shape[1])
        datagrams[row, 20 : 20 + end - header[row]] = datagrams[row, header[row] : end].copy()
    return np.where(wrong, 0, message)


def read_slots(messages: Octets, lengths: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The slot each message claims; -1 where it is too short or not one of ours."""
    slots = column(messages, _SLOT_AT, ">u4").astype(np.int64)
    ours = (lengths >= MIN_SIZE) & (column(messages, _MAGIC_AT, ">u4") == MAGIC)
    return np.where(ours, slots, -1)


def read_keys(messages: Octets) -> npt.NDArray[np.uint64]:
    """The key that each message carries."""
    return column(messages, _KEY_AT, "<u8").astype(np.uint64)


def intact(
    messages: Octets, lengths: npt.NDArray[Any], sizes: npt.NDArray[Any], version: int
) -> npt.NDArray[np.bool_]:
    """Which replies are, octet by octet, the echo of what we sent with the sizes given.

    On IPv4 raw sockets nobody has verified the checksum yet, so it is verified here; ICMPv6 and
    unprivileged sockets only deliver what the kernel found right.
    """
    reply = ECHO_REPLY_V4 if version == 4 else ECHO_REPLY_V6
    whole: npt.NDArray[np.bool_] = (
        (lengths == sizes)
        & (sizes >= MIN_SIZE)
        & (sizes <= messages.shape[1])
        & (messages[:, 0] == reply)
        & (messages[:, 1] == 0)
    )
    for size in np.unique(sizes[whole]):
        rows = whole & (sizes == size)
        part = messages[:, :size] if rows.all() else messages[rows, :size]
        good = (part[:, MIN_SIZE:] == FILLER[MIN_SIZE - HEADER_OCTETS : size - HEADER_OCTETS]).all(
            axis=1
        )
        if version == 4:
            good &= checksum(part) == 0
        whole[rows] = good
    return whole


def damaged(messages: Octets, lengths: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which messages have a wrong checksum (of IPv4), and so say nothing that can be relied on."""
    wrong = np.ones(len(lengths), np.bool_)
    for row, length in enumerate(lengths.tolist()):
        if length <= messages.shape[1]:
            wrong[row] = bool(checksum(messages[row : row + 1, :length])[0] != 0)
    return wrong


def sequences(messages: Octets) -> npt.NDArray[np.uint16]:
    """The 16-bit sequence of each message (all that a short ICMP quotation holds)."""
    return column(messages, 6, ">u2").astype(np.uint16)


def identifiers(messages: Octets) -> npt.NDArray[np.uint16]:
    """The identifier of each message."""
    return column(messages, 4, ">u2").astype(np.uint16)
