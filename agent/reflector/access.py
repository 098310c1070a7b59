"""Who may ask a reflector, and with which key: prefixes, the keys file, addresses as numbers."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.errors import ProbeError
from agent.samples import UInt8Array
from agent.wire.ntp import UInt64Array
from agent.wire.octets import column

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LEAST_KEY_OCTETS: Final = 16
"""128 bits: what the HMAC is cut to; a shorter key would be the weaker part."""
_MAPPED: Final = 0xFFFF << 32
"""IPv4 as ::ffff:a.b.c.d, so that both families are one kind of number."""
_AF_INET: Final = 2
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")


class ReflectorError(ProbeError):
    """A reflector that cannot start as told: the text says what and the remedy."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the datagrams of a batch came from, as numbers."""

    high: UInt64Array
    low: UInt64Array
    port: npt.NDArray[np.int64]
    zone: npt.NDArray[np.uint32]

    @property
    def limited_as(self) -> UInt64Array:
        """What the rate limit counts: an IPv4 address, or the /64 of an IPv6 one."""
        return np.where(self.high == 0, self.low, self.high)


def read_sources(names: UInt8Array) -> Sources:
    """The sockaddr structures of a batch; all of one family, which is a socket's."""
    port = column(names, 2, ">u2").astype(np.int64)
    if len(names) and names[0, 0] == _AF_INET:
        low = column(names, 4, ">u4").astype(np.uint64) | np.uint64(_MAPPED)
        zeros = np.zeros(len(names), np.uint64)
        return Sources(zeros, low, port, zeros.astype(np.uint32))
    return Sources(
        column(names, 8, ">u8").astype(np.uint64),
        column(names, 16, ">u8").astype(np.uint64),
        port,
        column(names, 24, "<u4").astype(np.uint32),
    )


def _numbers(network: Network) -> tuple[int, int]:
    """(network, mask) as 128-bit numbers, IPv4 mapped."""
    address, mask = int(network.network_address), int(network.netmask)
    if network.version == 4:
        return address | _MAPPED, mask | (1 << 128) - (1 << 32)
    return address, mask


def parse_prefix(text: str) -> Network:
    """A prefix or a single address. Raises `ReflectorError`."""
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise ReflectorError(f"prefix {text!r}: {error}; write one like 192.0.2.0/24") from None


class Prefixes:
    """A list of prefixes that a whole batch of addresses is held against."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        half = (1 << 64) - 1
        self._rules = [
            tuple(np.uint64(part) for part in (mask >> 64, mask & half, net >> 64, net & half))
            for net, mask in map(_numbers, networks)
        ]

    def match(self, sources: Sources) -> npt.NDArray[np.bool_]:
        """Which addresses lie in one of the prefixes."""
        inside = np.zeros(len(sources.low), np.bool_)
        for mask_high, mask_low, high, low in self._rules:
            inside |= ((sources.low & mask_low) == low) & ((sources.high & mask_high) == high)
            if inside.all():
                break
        return inside


class Keyring:
    """HMAC keys, for everyone or for a prefix; several at once let a key be changed in service."""

    def __init__(self, entries: tuple[tuple[Network | None, bytes], ...]) -> None:
        self._rules = [
            (*(_numbers(network) if network else (0, 0)), key) for network, key in entries
        ]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def keys(self, high: int, low: int) -> tuple[bytes, ...]:
        """The keys of a source: those of the longest prefix it lies in."""
        address = high << 64 | low
        fitting = [(mask, key) for net, mask, key in self._rules if address & mask == net]
        longest = max((mask for mask, _ in fitting), default=0)
        return tuple(key for mask, key in fitting if mask == longest)


NO_KEYS: Final = Keyring(())


def parse_key(text: str) -> bytes:
    """A key in hexadecimal or base64, 16 octets or more. Raises `ValueError` without the key."""
    try:
        key = bytes.fromhex(text) if _HEX.fullmatch(text) else base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("is neither hexadecimal nor base64") from None
    if len(key) < LEAST_KEY_OCTETS:
        raise ValueError(f"has {len(key)} octets, and a key needs {LEAST_KEY_OCTETS} or more")
    return key


def load_keys(path: Path) -> Keyring:
    """Read a keys file: a line `KEY` or `PREFIX KEY` each, `#` begins a comment.

    Raises `ReflectorError` with file and line; keys never stand in its text. A file that others
    may read is refused.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ReflectorError(f"keys file {path}: {reason}") from None
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ReflectorError(f"keys file {path}: everyone may read or write it; chmod o-rwx {path}")
    entries: list[tuple[Network | None, bytes]] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        place = f"keys file {path}, line {number}"
        if len(words) > 2:
            raise ReflectorError(f"{place}: expected KEY or PREFIX KEY")
        try:
            network = parse_prefix(words[0]) if len(words) == 2 else None
            entries.append((network, parse_key(words[-1])))
        except (ReflectorError, ValueError) as error:
            # A key in the place of the prefix must not be printed.
            said = "the prefix is none" if isinstance(error, ReflectorError) else f"the key {error}"
            raise ReflectorError(f"{place}: {said}") from None
    if not entries:
        raise ReflectorError(
            f"keys file {path}: holds no key; make one with: openssl rand -hex 32 > {path}"
        )
    return Keyring(tuple(entries))


def read_key(path: Path) -> bytes:
    """The one key of a sender's key file, in the same form. Raises `ReflectorError`."""
    keys = load_keys(path).keys(0, 0)
    if len(keys) != 1:
        raise ReflectorError(f"keys file {path}: a sender needs one line with a key, no prefix")
    return keys[0]
