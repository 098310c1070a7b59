"""The trains that are out: who they are, where they go, what happened to them."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from agent.engine.channel import Channel, TrainCounters
from agent.errors import ProbeError
from agent.kernel.batch_socket import NAME_OCTETS
from agent.samples import TrainPlan

Place = tuple[str, int, int, bytes]
"""Kind, IP version and number of the socket, then port and address of the far end (`source_of`)."""


@dataclass(slots=True)
class ActiveTrain:
    """One train on its way."""

    plan: TrainPlan
    place: Place
    start_ns: int
    """UTC of its first planned packet."""
    slots: range
    channel: Channel
    deadline_ns: int
    """CLOCK_MONOTONIC: nothing that comes later is looked at. Moves when packets leave late."""
    offset_ns: int
    """CLOCK_REALTIME - CLOCK_MONOTONIC when it was planned."""
    drops: int
    """What the socket had dropped before."""
    block: Any
    """The memory that its headers point into."""
    counters: TrainCounters = field(default_factory=TrainCounters)


class TrainTable:
    """Active trains by index, with the columns that matching a batch of replies needs."""

    def __init__(self) -> None:
        self.active: list[ActiveTrain | None] = []
        self.names = np.zeros((64, NAME_OCTETS), np.uint8)
        self.sizes = np.zeros(64, np.int64)
        self._free: list[int] = []

    def reserve(self) -> int:
        """An index for a new train."""
        if self._free:
            return self._free.pop()
        self.active.append(None)
        if len(self.active) > len(self.sizes):
            self.names = np.concatenate((self.names, np.zeros_like(self.names)))
            self.sizes = np.concatenate((self.sizes, np.zeros_like(self.sizes)))
        return len(self.active) - 1

    def release(self, index: int) -> None:
        """The train is closed; its index may be used again."""
        self.active[index] = None
        self._free.append(index)

    def counters(self, index: int) -> TrainCounters | None:
        """The counters of an active train, None for any other index."""
        train = self.active[index] if index >= 0 else None
        return train.counters if train else None


def version_of(address: str) -> Literal[4, 6]:
    """4 or 6; raises ProbeError for what is no address."""
    try:
        socket.inet_pton(socket.AF_INET, address)
    except OSError:
        pass
    else:
        return 4
    try:
        socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        raise ProbeError(
            f"{address!r} is neither an IPv4 nor an IPv6 address: resolve the name first"
        ) from None
    return 6


def sockaddr(address: str, port: int) -> npt.NDArray[np.uint8]:
    """The `struct sockaddr_in` or `sockaddr_in6` of an address, zero-padded to 28 octets.

    A link-local address carries its zone (`fe80::1%eth0`); an unknown zone, an address that is none
    and a port beyond 65535 are ProbeErrors.
    """
    if not 0 <= port <= 0xFFFF:
        raise ProbeError(f"{address} port {port}: UDP ports end at 65535")
    out = np.zeros(NAME_OCTETS, np.uint8)
    if version_of(address) == 4:
        out[0] = socket.AF_INET
        out[4:8] = np.frombuffer(socket.inet_pton(socket.AF_INET, address), np.uint8)
    else:
        host, _, zone = address.partition("%")
        out[0] = socket.AF_INET6
        out[8:24] = np.frombuffer(socket.inet_pton(socket.AF_INET6, host), np.uint8)
        if zone:
            try:
                index = socket.if_nametoindex(zone)
            except OSError:
                index = int(zone) if zone.isascii() and zone.isdigit() else 0
            if not 0 < index < 1 << 31:
                raise ProbeError(
                    f"{address}: this host has no interface {zone!r} (see `ip link`)"
                ) from None
            out[24:28] = np.frombuffer(index.to_bytes(4, "little"), np.uint8)
    out[2:4] = np.frombuffer(port.to_bytes(2, "big"), np.uint8)
    return out


def source_of(name: npt.NDArray[np.uint8], version: Literal[4, 6]) -> bytes:
    """Port and address of a sockaddr: what tells the far ends of one socket apart."""
    if version == 4:
        return name[2:8].tobytes()
    return name[2:4].tobytes() + name[8:24].tobytes()
