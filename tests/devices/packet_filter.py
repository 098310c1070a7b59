"""Which packets a running configuration lets through, and whether our own session gets in.

Only what the access lists, security levels and interfaces say: no translation, no inspection, no
state. PIX and ASA: an interface without a list goes by security levels (Security Appliance Command
Reference 7.2, security-level); a list ends in a deny; traffic to the device itself is not subject
to interface lists (ASA 9.12 CLI guide, access rules). IOS: a list that does not exist or is empty
permits everything (IOS IP Access Lists overview: undefined access lists), traffic from the device
itself is not filtered.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from .access_lists import ICMP, PORTS, PROTOCOLS, Ports, Side, parse

if TYPE_CHECKING:
    from .configuration import Configuration, Section


class Flow(NamedTuple):
    """One packet, with the interfaces that it comes in by and would leave by."""

    ingress: str
    egress: str
    protocol: str
    source: str
    destination: str
    sport: int = 40_000
    dport: int = 0
    icmp: int = 8


class Management(NamedTuple):
    """Where our sessions come from."""

    source: str
    interface: str


class Interface(NamedTuple):
    """What filtering and management need of an interface."""

    name: str
    up: bool
    address: str
    network: IPv4Network | None
    level: int | None


def permits(config: Configuration, flow: Flow) -> bool:
    """Whether the device passes this packet."""
    found = {one.name: one for one in interfaces(config)}
    into, out = found.get(flow.ingress), found.get(flow.egress)
    if into is None or out is None or not into.up or not out.up:
        return False
    if config.platform == "ios":
        return all(
            _numbered(config, _ios_group(config, name, way), flow)
            for name, way in ((flow.ingress, "in"), (flow.egress, "out"))
        )
    bound = config.root.of("access-group")
    inbound = bound.get(("in", flow.ingress))
    verdict: bool | None = None
    if inbound is not None:
        verdict = _first(config, inbound.line.split()[1], flow)
    overall = next(iter(config.root.of("access-group global").values()), None)
    if verdict is None and overall is not None:
        # ASA 9.12 CLI guide, access rules: interface rules go before global ones.
        verdict = _first(config, overall.line.split()[1], flow)
    if verdict is None and inbound is None and overall is None:
        verdict = _by_level(config, into, out)
    if not verdict:
        return False
    outbound = bound.get(("out", flow.egress))
    return outbound is None or bool(_first(config, outbound.line.split()[1], flow))


def _by_level(config: Configuration, into: Interface, out: Interface) -> bool:
    if into.level is None or out.level is None:
        return False
    if into.level == out.level:
        return any(
            "inter-interface" in one.line
            for one in config.root.of("same-security-traffic").values()
        )
    return into.level > out.level


def interfaces(config: Configuration) -> list[Interface]:
    """All interfaces that have a name of their own."""
    root = config.root
    if config.platform == "pix6":
        made = []
        for entry in root.of("nameif").values():
            _, port, name, security = entry.line.split()
            hardware = root.of("interface").get((port,))
            given = root.of("ip address").get((name,))
            words = [] if given is None or given.line[:3] == "no " else given.line.split()[3:5]
            up = hardware is not None and "shutdown" not in hardware.line
            made.append(_interface(name, up, words, int(security.removeprefix("security"))))
        return made
    made = []
    for key, entry in root.of("interface").items():
        section = entry.section
        if section is None:
            continue
        up = not section.of("shutdown")
        line = section.line("ip address")
        words = [] if line.startswith("no ") else line.split()[2:4]
        name = key[0] or ""
        level: int | None = None
        if config.platform != "ios":
            name = section.line("nameif").removeprefix("nameif ")
            level = int((section.line("security-level") or "security-level 0").split()[1])
            if not name:
                continue
        made.append(_interface(name, up, words, level))
    return made


def _interface(name: str, up: bool, words: list[str], level: int | None) -> Interface:
    network = None
    if len(words) == 2 and words[0][0].isdecimal():
        network = IPv4Network("/".join(words), strict=False)
    return Interface(name, up, words[0] if network else "", network, level)


def _ios_group(config: Configuration, name: str, way: str) -> str:
    entry = config.root.of("interface").get((name,))
    if entry is None or entry.section is None:
        return ""
    bound = entry.section.of("ip access-group").get((way,))
    return "" if bound is None else bound.line.split()[2]


def _numbered(config: Configuration, name: str, flow: Flow) -> bool:
    entry = config.root.of("ip access-list").get((name,)) if name else None
    if entry is None:
        return True
    rules = [ace for text in entry.numbered.values() if (ace := parse(text, "ios"))]
    if not rules:
        return True
    number = PROTOCOLS[flow.protocol]
    for ace in rules:
        if ace.protocol is not None and ace.protocol != number:
            continue
        if (
            not ace.established
            and _on_side(config, ace.source, flow.source)
            and _on_side(config, ace.destination, flow.destination)
            and _on_port(config, ace.sports, flow.sport, flow.protocol)
            and _on_port(config, ace.dports, flow.dport, flow.protocol)
            and (ace.icmp is None or ace.icmp == flow.icmp)
        ):
            return ace.permit
    return False


def _first(config: Configuration, name: str, flow: Flow) -> bool | None:
    """The verdict of the first entry that matches; None where none does."""
    for text in config.lists.get(f"access-list {name}", ()):
        ace = parse(text, config.platform)
        if ace is None or not ace.active:
            continue
        if ace.service:
            if not _in_service(config, ace.service, flow):
                continue
        elif ace.protocol is not None and ace.protocol != PROTOCOLS[flow.protocol]:
            continue
        if ace.icmp is not None and ace.icmp != flow.icmp:
            continue
        if ace.icmp_group and not _in_icmp(config, ace.icmp_group, flow.icmp):
            continue
        if (
            _on_side(config, ace.source, flow.source)
            and _on_side(config, ace.destination, flow.destination)
            and _on_port(config, ace.sports, flow.sport, flow.protocol)
            and _on_port(config, ace.dports, flow.dport, flow.protocol)
        ):
            return ace.permit
    return None


def _on_side(config: Configuration, side: Side, address: str) -> bool:
    value = int(IPv4Address(address))
    if side.kind == "range":
        return side.low <= value <= side.high
    if side.kind == "wildcard":
        return value & side.high == side.low
    if side.kind == "interface":
        return any(one.name == side.name and one.address == address for one in interfaces(config))
    return _in_network(config, side.name, value)


def _section(config: Configuration, name: str) -> Section | None:
    for kind in ("object-group", "object"):
        entry = config.root.of(kind).get((name,))
        if entry is not None:
            return entry.section
    return None


def _members(config: Configuration, name: str) -> list[list[str]]:
    """Words of all members of a group, with those of the groups in it."""
    section = _section(config, name)
    if section is None:
        return []
    found = []
    for kind, same in section.entries.items():
        for entry in same.values():
            words = entry.line.split()
            if kind == "group-object":
                found += _members(config, words[1])
            elif words[1:2] == ["object"]:
                found += _members(config, words[2])
            elif kind not in ("description", "nat"):
                found.append(words)
    return found


def _in_network(config: Configuration, name: str, value: int) -> bool:
    for words in _members(config, name):
        rest = words[1:] if words[0] == "network-object" else words
        if rest[0] == "host":
            if int(IPv4Address(rest[1])) == value:
                return True
        elif rest[0] == "range":
            if int(IPv4Address(rest[1])) <= value <= int(IPv4Address(rest[2])):
                return True
        elif rest[0] in ("subnet",) or rest[0][0].isdecimal():
            network, mask = rest[1:3] if rest[0] == "subnet" else rest[:2]
            if value & int(IPv4Address(mask)) == int(IPv4Address(network)):
                return True
    return False


def _port(word: str) -> int:
    return PORTS[word] if word in PORTS else int(word)


def _port_words(words: list[str], port: int) -> bool:
    if not words:
        return True
    if words[0] == "eq":
        return _port(words[1]) == port
    return words[0] == "range" and _port(words[1]) <= port <= _port(words[2])


def _on_port(config: Configuration, ports: Ports, port: int, protocol: str) -> bool:
    if protocol not in ("tcp", "udp"):
        return True
    if not ports.name:
        return any(low <= port <= high for low, high in ports.ranges)
    return any(_port_words(words[1:], port) for words in _members(config, ports.name))


def _in_icmp(config: Configuration, name: str, number: int) -> bool:
    return any(
        (ICMP[words[1]] if words[1] in ICMP else int(words[1])) == number
        for words in _members(config, name)
    )


def _in_service(config: Configuration, name: str, flow: Flow) -> bool:
    number = PROTOCOLS[flow.protocol]
    for words in _members(config, name):
        wanted = words[1]
        known: tuple[int | None, ...] = (6, 17)
        if wanted != "tcp-udp":
            one = PROTOCOLS[wanted] if wanted in PROTOCOLS else int(wanted)
            known = (number,) if one is None else (one,)
        if number not in known:
            continue
        rest = words[2:]
        if words[0] == "protocol-object" or not rest:
            return True
        if rest[0] == "destination" and _port_words(rest[1:], flow.dport):
            return True
        if rest[0] in ("eq", "range") and _port_words(rest, flow.dport):
            return True
        if rest[0] == "source" and _port_words(rest[1:], flow.sport):
            return True
    return False


# -- our own way in -------------------------------------------------------------------------------


def shut_out(
    config: Configuration, way: Management, transport: str, address: str | None
) -> str | None:
    """Why a session from there does not (or no longer) get in; None where it does.

    `address`: that of the device when the session began; another one ends it. A device keeps a
    session that is open when only the line that let it in goes; here it ends with that line, so
    that a test sees that nobody could log in again.
    """
    here = {one.name: one for one in interfaces(config)}.get(way.interface)
    if here is None:
        return f"there is no interface {way.interface}"
    if not here.up:
        return f"{way.interface} is shut down"
    if not here.address or here.network is None:
        return f"{way.interface} has no address"
    if address not in (None, here.address):
        return f"the address of {way.interface} has changed to {here.address}"
    source = IPv4Address(way.source)
    if source not in here.network and not _routed_back(config, source, here):
        return f"no route back to {way.source}"
    if config.platform == "ios":
        return _shut_out_ios(config, way, transport, here)
    for entry in config.root.of(transport).values():
        words = entry.line.split()
        if (
            len(words) == 4
            and words[1][0].isdecimal()
            and words[3] == way.interface
            and source in IPv4Network(f"{words[1]}/{words[2]}", strict=False)
        ):
            return None
    return f"no {transport} line lets {way.source} in on {way.interface}"


def _routed_back(config: Configuration, source: IPv4Address, here: Interface) -> bool:
    best: tuple[int, bool] = (-1, False)
    if config.platform == "ios":
        gateway = config.root.line("ip default-gateway").split()
        if gateway and here.network and IPv4Address(gateway[2]) in here.network:
            best = (0, True)
        for entry in config.root.of("ip route").values():
            _, _, net, mask, hop = entry.line.split()[:5]
            network = IPv4Network(f"{net}/{mask}", strict=False)
            if source in network and network.prefixlen >= best[0]:
                through = hop == here.name or (
                    hop[0].isdecimal()
                    and here.network is not None
                    and IPv4Address(hop) in here.network
                )
                best = (network.prefixlen, through or (best[1] and best[0] == network.prefixlen))
        return best[1]
    for other in interfaces(config):
        if other.name != here.name and other.up and other.network and source in other.network:
            return False
    for entry in config.root.of("route").values():
        words = entry.line.split()
        network = IPv4Network(f"{words[2]}/{words[3]}", strict=False)
        if source in network and network.prefixlen >= best[0]:
            through = words[1] == here.name
            best = (network.prefixlen, through or (best[1] and best[0] == network.prefixlen))
    return best[1]


def _shut_out_ios(
    config: Configuration, way: Management, transport: str, here: Interface
) -> str | None:
    port = 22 if transport == "ssh" else 23
    flow = Flow(way.interface, "", "tcp", way.source, here.address, dport=port)
    name = _ios_group(config, way.interface, "in")
    if not _numbered(config, name, flow):
        return f"access list {name} denies {way.source}"
    lines = [one for key, one in config.root.of("line").items() if (key[0] or "").startswith("vty")]
    for line in lines:
        if line.section is None:
            continue
        allowed = line.section.line("transport input").split()[2:] or ["all"]
        if transport not in allowed and "all" not in allowed:
            continue
        group = line.section.of("access-class").get(("in",))
        if group is None or _numbered(config, group.line.split()[1], flow):
            return None
    return f"no vty line lets {way.source} in by {transport}"
