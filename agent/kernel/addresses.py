"""Addresses as texts and as the kernel takes them."""

from __future__ import annotations

import socket
from typing import Literal

import numpy as np
import numpy.typing as npt

from agent.errors import ProbeError

NAME_OCTETS = 28
"""sockaddr_in6, the longer of the two."""


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
