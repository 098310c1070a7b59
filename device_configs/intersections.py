"""A list that permits what two lists both permit.

Pure. It stands between two configurations where a packet goes through more than one list: first
every slot is narrowed to what both configurations permit there, then each is widened to its own.
A packet that both deny is then denied at every moment, whichever list denies it in each.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from device_configs.aces import PORTS, Ace, ace, one_spelling

LIMIT = 5000
"""Entries beyond which a list is not worth building."""
_ALL_PORTS = (0, 65_535)


def permitted_by_both(
    first: Sequence[str], second: Sequence[str], *, wildcard: bool
) -> tuple[str, ...] | None:
    """Entries without remarks; None where an entry is not understood, or they are too many.

    Entries name no groups any more (`aces.written_out`). Of each pair the first list's order comes
    first, so the first pair that matches is made of the first match in each list.
    """
    left, right = _understood(first, wildcard=wildcard), _understood(second, wildcard=wildcard)
    if left is None or right is None:
        return None
    prefix = "extended " if any(text.startswith("extended ") for text in (*first, *second)) else ""
    made: dict[str, None] = {}
    for one in left:
        if one.action == "deny":
            made[prefix + one.text()] = None
            continue
        for other in right:
            for both in _common(one, other, wildcard=wildcard):
                made[prefix + both.text()] = None
        if len(made) > LIMIT:
            return None
    # A list of denials alone may not be bound everywhere, but it must not be empty.
    made.setdefault(f"{prefix}deny ip any any")
    return tuple(made)


def _understood(entries: Sequence[str], *, wildcard: bool) -> list[Ace] | None:
    found: list[Ace] = []
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
        if parts is None or _network(parts.source, wildcard=wildcard) is None:
            return None
        if _network(parts.destination, wildcard=wildcard) is None:
            return None
        found.append(parts)
    return found


def _common(one: Ace, other: Ace, *, wildcard: bool) -> list[Ace]:
    """What both entries match, with the action of the second (the first permits)."""
    protocol = _same(one.protocol, other.protocol, "ip")
    source = _narrower(one.source, other.source, wildcard=wildcard)
    destination = _narrower(one.destination, other.destination, wildcard=wildcard)
    rest = _same(_options(one), _options(other), "")
    if protocol is None or source is None or destination is None or rest is None:
        return []
    return [
        Ace(other.action, protocol, source, from_port, destination, to_port, rest)
        for from_port in _common_ports(one.source_port, other.source_port)
        for to_port in _common_ports(one.destination_port, other.destination_port)
    ]


def _options(entry: Ace) -> str:
    return " ".join(word for word in entry.rest.split() if word not in ("log", "log-input"))


def _same(one: str, other: str, everything: str) -> str | None:
    if one in (everything, other):
        return other
    return one if other == everything else None


def _network(text: str, *, wildcard: bool) -> ipaddress.IPv4Network | None:
    words = text.split()
    if words[0] in ("any", "any4"):
        return ipaddress.IPv4Network("0.0.0.0/0")
    if words[0] == "host":
        words = [words[1], "255.255.255.255" if not wildcard else "0.0.0.0"]
    try:
        if wildcard:
            mask = ~int(ipaddress.IPv4Address(words[1])) & 0xFFFFFFFF
            return ipaddress.IPv4Network(f"{words[0]}/{ipaddress.IPv4Address(mask)}", strict=False)
        return ipaddress.IPv4Network(f"{words[0]}/{words[1]}", strict=False)
    except (ValueError, IndexError):
        return None


def _narrower(one: str, other: str, *, wildcard: bool) -> str | None:
    a, b = _network(one, wildcard=wildcard), _network(other, wildcard=wildcard)
    if a is None or b is None or not a.overlaps(b):
        return None
    return one if a.prefixlen >= b.prefixlen else other


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
