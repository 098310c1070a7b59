"""A list that permits what two lists both permit.

Pure. It stands between two configurations where a packet goes through more than one list: first
every slot is narrowed to what both configurations permit there, then each is widened to its own.
A packet that both deny is then denied at every moment, whichever list denies it in each.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from device_configs.aces import PORTS, Ace, ace, one_spelling

LIMIT = 5000
"""Entries beyond which a list is not worth building, unless both lists are as long."""
_LAST = 0xFFFFFFFF
_ALL_PORTS = (0, 65_535)


def permitted_by_both(
    first: Sequence[str], second: Sequence[str], *, wildcard: bool
) -> tuple[str, ...] | None:
    """Entries without remarks; None where an entry is not understood, or they are too many.

    Entries name no groups any more (`groups.Groups.written_out`). Of each pair the first list's
    order comes first, so the first pair that matches is made of the first match in each list.
    """
    left, right = _understood(first, wildcard=wildcard), _understood(second, wildcard=wildcard)
    if left is None or right is None:
        return None
    limit = max(LIMIT, 2 * (len(left) + len(right)))
    prefix = "extended " if any(text.startswith("extended ") for text in (*first, *second)) else ""
    made: dict[str, None] = {}
    others = _Meeting(right)
    for one in left:
        if one.entry.action == "deny":
            made[prefix + one.entry.text()] = None
            continue
        for other in others.of(one):
            for both in _common(one, other):
                made[prefix + both.text()] = None
        if len(made) > limit:
            return None
    # A list of denials alone may not be bound everywhere, but it must not be empty.
    made.setdefault(f"{prefix}deny ip any any")
    return tuple(made)


@dataclass(frozen=True, slots=True)
class _Network:
    """Addresses from `low` to `high`; two networks are one in the other, or have none in common."""

    low: int
    high: int
    length: int

    def meets(self, other: _Network) -> bool:
        """Whether they have addresses in common."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, slots=True)
class _Side:
    """An entry with its addresses as numbers."""

    entry: Ace
    source: _Network
    destination: _Network


def _understood(entries: Sequence[str], *, wildcard: bool) -> list[_Side] | None:
    found: list[_Side] = []
    for entry in entries:
        if "remark" in entry.split()[:2]:
            continue
        plain = one_spelling(entry, wildcard=wildcard)
        words = plain.split()
        parts = ace(plain)
        if parts is None and len(words) in (2, 3):
            # A standard list: sources alone. A lone address is a host.
            source = words[1:] if len(words) == 3 or words[1] == "any" else ["host", words[1]]
            parts = Ace(words[0], "ip", " ".join(source), "", "any", "", "")
        if parts is None:
            return None
        ends = (_network(side, wildcard=wildcard) for side in (parts.source, parts.destination))
        from_, to = ends
        if from_ is None or to is None:
            return None
        found.append(_Side(parts, from_, to))
    return found


class _Networks:
    """Which entries have addresses in common with a network, without asking each of them."""

    def __init__(self, networks: Sequence[_Network]) -> None:
        self._by_place: dict[tuple[int, int], list[int]] = {}
        for index, one in enumerate(networks):
            self._by_place.setdefault((one.length, one.low), []).append(index)
        self._lengths = sorted({one.length for one in networks})
        self._rising = sorted(range(len(networks)), key=lambda index: networks[index].low)
        self._lows = [networks[index].low for index in self._rising]

    def meeting(self, network: _Network) -> list[Sequence[int]]:
        """Positions of those that begin in it, and of those around it; some may come twice."""
        first = bisect_left(self._lows, network.low)
        last = bisect_right(self._lows, network.high)
        around = (
            self._by_place.get((length, network.low >> (32 - length) << (32 - length)), ())
            for length in self._lengths
            if length < network.length
        )
        return [self._rising[first:last], *around]


class _Meeting:
    """The entries of a list that may match a packet that another entry matches, in their order."""

    def __init__(self, entries: Sequence[_Side]) -> None:
        self._entries = entries
        self._sources = _Networks([one.source for one in entries])
        self._destinations = _Networks([one.destination for one in entries])
        self._ports: dict[str, list[int]] = {}
        """By the one port of the destination; those with several or all by an empty text."""
        for index, one in enumerate(entries):
            self._ports.setdefault(_one_port(one.entry), []).append(index)

    def of(self, one: _Side) -> Iterator[_Side]:
        """Those with its source, its destination or its port in common, whichever are fewest."""
        ways = [self._destinations.meeting(one.destination), self._sources.meeting(one.source)]
        if port := _one_port(one.entry):
            ways.append([self._ports.get(port, ()), self._ports.get("", ())])
        fewest = min(ways, key=lambda way: sum(map(len, way)))
        return (self._entries[index] for index in sorted({i for part in fewest for i in part}))


def _one_port(entry: Ace) -> str:
    kind, _, port = entry.destination_port.partition(" ")
    return str(PORTS.get(port, port)) if kind == "eq" else ""


def _common(one: _Side, other: _Side) -> list[Ace]:
    """What both entries match, with the action of the second (the first permits)."""
    if not (one.source.meets(other.source) and one.destination.meets(other.destination)):
        return []
    mine, theirs = one.entry, other.entry
    protocol = _same(mine.protocol, theirs.protocol, "ip")
    rest = _same(_options(mine), _options(theirs), "")
    if protocol is None or rest is None:
        return []
    narrow_source = one.source.length >= other.source.length
    narrow_destination = one.destination.length >= other.destination.length
    return [
        Ace(
            theirs.action,
            protocol,
            mine.source if narrow_source else theirs.source,
            from_port,
            mine.destination if narrow_destination else theirs.destination,
            to_port,
            rest,
        )
        for from_port in _common_ports(mine.source_port, theirs.source_port)
        for to_port in _common_ports(mine.destination_port, theirs.destination_port)
    ]


def _options(entry: Ace) -> str:
    return " ".join(word for word in entry.rest.split() if word not in ("log", "log-input"))


def _same(one: str, other: str, everything: str) -> str | None:
    if one in (everything, other):
        return other
    return one if other == everything else None


def _network(text: str, *, wildcard: bool) -> _Network | None:
    words = text.split()
    if words[0] in ("any", "any4"):
        return _Network(0, _LAST, 0)
    if words[0] == "host":
        words = [words[1], "255.255.255.255" if not wildcard else "0.0.0.0"]
    try:
        address, mask = (int(ipaddress.IPv4Address(word)) for word in words[:2])
    except ValueError:
        return None
    spare = mask if wildcard else ~mask & _LAST
    if spare & (spare + 1):
        # The bits that may be anything are not the last ones.
        return None
    return _Network(address & ~spare, address | spare, 32 - spare.bit_length())


def _common_ports(one: str, other: str) -> list[str]:
    found = []
    for low, high in _ranges(one):
        for first, last in _ranges(other):
            start, end = max(low, first), min(high, last)
            if start <= end:
                found.append(_port_text(start, end))
    return found


def _ranges(text: str) -> list[tuple[int, int]]:
    words = text.split()
    if not words:
        return [_ALL_PORTS]
    low, *more = (PORTS[word] if word in PORTS else int(word) for word in words[1:])
    match words[0]:
        case "eq":
            return [(low, low)]
        case "gt":
            return [(low + 1, 65_535)]
        case "lt":
            return [(0, low - 1)]
        case "neq":
            return [(0, low - 1), (low + 1, 65_535)]
    return [(low, more[0])]


def _port_text(low: int, high: int) -> str:
    if (low, high) == _ALL_PORTS:
        return ""
    return f"eq {low}" if low == high else f"range {low} {high}"
