"""Objects and groups that access lists name: what hangs on what, and entries written out.

Pure. Sources: the `object-group` chapters of Cisco PIX Firewall Command Reference 6.3 and Cisco
Security Appliance Command Reference 7.2, `object` of the ASA Series command references.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from itertools import product

from device_configs.aces import Ace, ace, names_in

Definitions = Mapping[str, tuple[str, ...]]
"""Header of an object or a group (`object-group network WEB`) to the lines below it."""


class Groups:
    """The objects and groups of one configuration; a name is given once."""

    def __init__(self, definitions: Definitions) -> None:
        known = [(header, words, lines) for header, lines in definitions.items()
                 if len(words := header.split()) > 2]  # fmt: skip
        self._lines = {words[2]: lines for _, words, lines in known}
        self._headers = {words[2]: header for header, words, _ in known}
        self._ports = frozenset(words[2] for _, words, _ in known if len(words) == 4)
        self._whole: dict[str, list[str] | None] = {}
        self._addresses: dict[str, list[str] | None] = {}

    def changed(self, other: Groups) -> set[str]:
        """Names of both that do not mean the same in both."""
        return {
            name
            for name, lines in self._lines.items()
            if name in other._lines
            and (
                self._headers[name] != other._headers[name]
                or set(_meaning(lines)) != set(_meaning(other._lines[name]))
            )
        }

    def named(self, entries: Iterable[str]) -> set[str]:
        """All that the entries name, and what is named by that in turn."""
        found: set[str] = set()
        waiting = [name for text in entries for name in names_in(text)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [n for line in self._lines.get(name, ()) for n in names_in(line)]
        return found

    def written_out(self, text: str) -> tuple[str, ...] | None:
        """An entry without objects and groups, as as many entries as it takes; None where that
        cannot be done (a name from DNS, a group of a kind that is not understood)."""
        entry = ace(text, self._ports)
        if entry is None:
            return None if names_in(text) else (text,)
        prefix = "extended " if text.startswith("extended ") else ""
        services = self._services(entry)
        sources = self._members(entry.source)
        destinations = self._members(entry.destination)
        source_ports = self._port_members(entry.source_port)
        destination_ports = self._port_members(entry.destination_port)
        if (
            services is None
            or sources is None
            or destinations is None
            or source_ports is None
            or destination_ports is None
        ):
            return None
        combined = product(services, sources, source_ports, destinations, destination_ports)
        return tuple(
            dict.fromkeys(
                prefix
                + Ace(
                    entry.action, protocol, source, own or port, to, its or to_port, entry.rest
                ).text()
                for (protocol, own, its), source, port, to, to_port in combined
            )
        )

    def _services(self, entry: Ace) -> list[tuple[str, str, str]] | None:
        """Protocol, source port, destination port, as a group or object of services gives them."""
        if not entry.protocol.startswith("object"):
            return [(entry.protocol, "", "")]
        lines = self._all_lines(entry.protocol.split()[1])
        if lines is None:
            return None
        found = []
        for line in lines:
            words = line.split()
            if words[0] not in ("service-object", "protocol-object", "service"):
                return None
            protocol, more = words[1], " ".join(words[2:])
            source = re.search(r"source (\S+ \S+(?: \d\S*)?)", more)
            destination = re.search(r"destination (\S+ \S+(?: \d\S*)?)", more)
            plain = more if more and not source and not destination else ""
            found.append(
                (
                    protocol,
                    source[1] if source else "",
                    destination[1] if destination else plain,
                )
            )
        return found

    def _members(self, address: str) -> list[str] | None:
        """The addresses that a group stands for."""
        if not address.startswith("object"):
            return [address]
        name = address.split()[1]
        if name not in self._addresses:
            self._addresses[name] = _addresses(self._all_lines(name))
        return self._addresses[name]

    def _port_members(self, port: str) -> list[str] | None:
        """The ports that a group stands for; the types, of a group of ICMP in their place."""
        if not port.startswith("object-group "):
            return [port]
        lines = self._all_lines(port.split()[1])
        if lines is None or any(
            not line.startswith(("port-object ", "icmp-object ")) for line in lines
        ):
            return None
        return [line.partition(" ")[2] for line in lines]

    def _all_lines(self, name: str, depth: int = 0) -> list[str] | None:
        """The lines of a group, those of the groups and objects in it in their place."""
        if name not in self._whole:
            self._whole[name] = self._collected(name, depth)
        return self._whole[name]

    def _collected(self, name: str, depth: int) -> list[str] | None:
        if name not in self._lines or depth > 20:
            return None
        lines: list[str] = []
        for line in _meaning(self._lines[name]):
            words = line.split()
            if words[0] == "group-object" or words[:2] in (
                ["network-object", "object"],
                ["service-object", "object"],
            ):
                inner = self._all_lines(words[-1], depth + 1)
                if inner is None:
                    return None
                lines += inner
            else:
                lines.append(line)
        return lines


def _meaning(lines: Iterable[str]) -> Iterable[str]:
    """Without what says nothing about what is meant."""
    return (line for line in lines if line.split()[0] not in ("description", "nat"))


def _addresses(lines: list[str] | None) -> list[str] | None:
    if lines is None:
        return None
    found: list[str] = []
    for line in lines:
        match line.split():
            case ["network-object", "host", one] | ["host", one]:
                found.append(f"host {one}")
            case ["network-object" | "subnet", net, mask]:
                found.append("any" if mask == "0.0.0.0" else f"{net} {mask}")
            case ["range", first, last]:
                found += _range(first, last)
            case _:
                return None
    return found


def _range(first: str, last: str) -> list[str]:
    networks = ipaddress.summarize_address_range(
        ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)
    )
    return [
        f"host {n.network_address}" if n.prefixlen == 32 else f"{n.network_address} {n.netmask}"
        for n in networks
    ]
