"""Random pairs of configurations of one device: what runs, and what shall run.

Both are valid (they come out of the emulator, which has refused what its platform refuses) and both
let our own session in. `flows` are packets that the lists of both talk about. What only a gap can
change (addresses of interfaces, the single default route, NAT) is among the changes, but never the
interface of our own session, and no interface whose state the packet filter depends on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .configuration import Configuration
from .packet_filter import Flow, Management

PLATFORMS = ("asa", "ios", "pix6", "pix7")
_OUTSIDE = tuple(f"198.51.100.{n}" for n in range(1, 7))
_INSIDE = tuple(f"10.0.0.{n}" for n in range(5, 11))
_DMZ = tuple(f"172.16.0.{n}" for n in range(2, 8))
_PORTS = ("www", "443", "25", "53", "8080", "1521")
_NUMBERS = {"www": 80, "443": 443, "25": 25, "53": 53, "8080": 8080, "1521": 1521}
MANAGEMENT = {
    "asa": Management("10.0.0.9", "inside"),
    "pix6": Management("10.0.0.9", "inside"),
    "pix7": Management("10.0.0.9", "inside"),
    "ios": Management("10.0.0.9", "Vlan2"),
}
_HARDWARE = {
    "asa": tuple(f"GigabitEthernet0/{n}" for n in range(4)),
    "pix7": tuple(f"Ethernet{n}" for n in range(4)),
    "pix6": tuple(f"ethernet{n}" for n in range(4)),
    "ios": tuple(f"GigabitEthernet1/0/{n}" for n in range(1, 7)),
}


class Pair(NamedTuple):
    """One case."""

    platform: str
    running: str
    target: str
    management: Management
    interfaces: tuple[str, ...]
    flows: tuple[Flow, ...]


def pair(platform: str, seed: int, size: int = 12) -> Pair:
    """The case of this seed; `size` is about how many entries a list has."""
    chance = random.Random(f"{platform}{seed}")
    make = _switch if platform == "ios" else _Firewall(platform)
    first = make(chance, size)
    second = _mutated(chance, first, lambda: make(chance, size))
    hardware = _HARDWARE[platform]
    texts = [Configuration.boot(platform, "\n".join(_flat(one)), hardware).text()
             for one in (first, second)]  # fmt: skip
    return Pair(
        platform,
        texts[0],
        texts[1],
        MANAGEMENT[platform],
        hardware,
        tuple(_flows(chance, platform)),
    )


Blocks = dict[str, list[str]]
"""Lines by what they belong to; a block is taken over, changed or left out."""

FIXED = ("interfaces", "access", "end")
ORDERED = ("list ", "nat twice")


def _flat(blocks: Blocks) -> list[str]:
    return [line for lines in blocks.values() for line in lines]


def _mutated(chance: random.Random, old: Blocks, fresh: Callable[[], Blocks]) -> Blocks:
    """Another configuration of the same device: much as it was, some of it new, gone or moved."""
    other = fresh()
    new: Blocks = {}
    for name in list(dict.fromkeys([*old, *other])):
        mine, theirs = old.get(name), other.get(name)
        if mine is None or theirs is None or name in FIXED:
            kept = theirs if mine is None or name in FIXED else mine
            if kept is not None and (name in FIXED or chance.random() < 0.6):
                new[name] = kept
            continue
        if chance.random() < 0.1:
            new[name] = theirs
        elif name.startswith(ORDERED):
            new[name] = _shaken(chance, mine, theirs)
        elif chance.random() < 0.5:
            new[name] = mine
        else:
            new[name] = theirs
    # In the order of their kind again: what is referred to comes first.
    rank = list(dict.fromkeys([*other, *old]))
    return {name: new[name] for name in sorted(new, key=lambda n: (_rank(n), rank.index(n)))}


def _rank(name: str) -> int:
    order = ("interfaces", "hostname", "object ", "group ", "list ", "bind", "nat", "route",
             "transform", "crypto", "tunnel", "user", "vlan", "port ", "svi ", "extra",
             "access", "end")  # fmt: skip
    return next((n for n, start in enumerate(order) if name.startswith(start)), len(order))


def _shaken(chance: random.Random, mine: list[str], theirs: list[str]) -> list[str]:
    """Some lines away, some moved, some new."""
    head = [line for line in mine[:1] if line.startswith("ip access-list")]
    lines = [line for line in mine[len(head) :] if chance.random() < 0.85]
    for line in theirs[len(head) :]:
        if chance.random() < 0.2:
            lines.insert(chance.randrange(len(lines) + 1), line)
    if lines and chance.random() < 0.5:
        moved = lines.pop(chance.randrange(len(lines)))
        lines.insert(chance.randrange(len(lines) + 1), moved)
    return head + (lines or theirs[len(head) :])


class _Firewall:
    """Configurations of a PIX or ASA."""

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self.objects = platform == "asa"
        self.flat = platform == "pix6"

    def __call__(self, chance: random.Random, size: int) -> Blocks:
        blocks: Blocks = {"interfaces": self._interfaces(chance)}
        blocks["hostname"] = [f"hostname fw{chance.randrange(3)}"]
        names: list[str] = []
        if self.objects:
            for n in range(chance.randrange(4)):
                value = chance.choice((f"host {chance.choice(_INSIDE)}",
                                       "subnet 172.16.0.0 255.255.255.248",
                                       f"range 10.0.0.5 {chance.choice(_INSIDE[1:])}"))  # fmt: skip
                blocks[f"object net{n}"] = [f"object network net{n}", f" {value}"]
                names.append(f"object net{n}")
        groups, services = self._groups(chance, blocks, names)
        kinds = self._kinds(chance, blocks)
        sides = [*names, *groups]
        bound = []
        slots = [(interface, "in interface", 0.75) for interface in ("outside", "dmz", "inside")]
        if not self.flat:
            # PIX 6 filters what comes in alone; a global list is of ASA 8.3 and later.
            slots += [(interface, "out interface", 0.2) for interface in ("dmz", "inside")]
        if self.objects:
            slots.append(("", "global", 0.15))
        for interface, way, share in slots:
            if chance.random() < share:
                name = f"L_{interface}" if way.startswith("in") else f"L_{way[:3]}_{interface}"
                lines = [
                    self._entry(chance, name, sides, services, kinds)
                    for _ in range(chance.randint(1, size))
                ]
                if chance.random() < 0.3:
                    lines.insert(0, f"access-list {name} remark rules of {interface}")
                blocks[f"list {name}"] = list(dict.fromkeys(lines))
                bound.append(f"access-group {name} {way} {interface}".rstrip())
        blocks["bind"] = bound
        blocks["nat"] = self._nat(chance)
        if self.objects:
            self._twice_nat(chance, blocks)
        blocks["route"] = self._routes(chance)
        self._tunnel(chance, blocks)
        for n in range(chance.randrange(3)):
            blocks[f"user{n}"] = [f"username oper{n} password pw{chance.randrange(3)} privilege 5"]
        blocks["extra"] = self._extra(chance)
        own = "10.0.0.9 255.255.255.255" if chance.random() < 0.3 else "10.0.0.0 255.255.255.0"
        blocks["access"] = [
            f"ssh {own} inside",
            f"telnet {own} inside",
            f"ssh timeout {chance.choice((5, 10, 60))}",
            "username admin password admin-pw privilege 15",
            "enable password enable-pw",
            "aaa authentication ssh console LOCAL",
        ]
        if chance.random() < 0.4:
            blocks["access"].insert(0, "ssh 172.16.0.0 255.255.255.0 dmz")
        return blocks

    def _interfaces(self, chance: random.Random) -> list[str]:
        rows = (("outside", 0, "192.0.2.1"), ("inside", 100, "10.0.0.1"), ("dmz", 50, "172.16.0.1"))
        out = []
        for port, (name, level, address) in zip(_HARDWARE[self.platform], rows, strict=False):
            if name == "dmz" and chance.random() < 0.3:
                address = "172.16.0.254"
            if self.flat:
                out += [f"interface {port} auto", f"nameif {port} {name} security{level}"]
                out.append(f"ip address {name} {address} 255.255.255.0")
                continue
            out += [f"interface {port}", f" nameif {name}", f" security-level {level}"]
            out.append(f" ip address {address} 255.255.255.0")
            if chance.random() < 0.3:
                out.append(f" description to {name} {chance.randrange(3)}")
        if self.flat:
            last = _HARDWARE[self.platform][3]
            return [*out, f"interface {last} auto shutdown", f"nameif {last} spare security10"]
        return [*out, f"interface {_HARDWARE[self.platform][3]}", " shutdown"]

    def _groups(
        self, chance: random.Random, blocks: Blocks, names: list[str]
    ) -> tuple[list[str], list[str]]:
        groups: list[str] = []
        for n in range(chance.randrange(4)):
            members = {f" network-object host {one}" for one in chance.sample(_INSIDE + _DMZ, 2)}
            if chance.random() < 0.3:
                members.add(" network-object 198.51.100.0 255.255.255.252")
            if names and chance.random() < 0.3:
                members.add(f" network-object {chance.choice(names)}")
            if groups and chance.random() < 0.3:
                members.add(f" group-object {chance.choice(groups).split()[1]}")
            blocks[f"group g{n}"] = [f"object-group network g{n}", *sorted(members)]
            groups.append(f"object-group g{n}")
        services = []
        for n in range(chance.randrange(3)):
            ports = chance.sample(_PORTS, chance.randint(1, 3))
            blocks[f"group s{n}"] = [
                f"object-group service s{n} tcp",
                *(f" port-object eq {port}" for port in ports),
            ]
            services.append(f"object-group s{n}")
        return groups, services

    def _kinds(self, chance: random.Random, blocks: Blocks) -> list[str]:
        """What stands in place of a protocol, or of its ports: groups of ICMP, and of services."""
        kinds = []
        if chance.random() < 0.3:
            members = chance.sample(("echo", "echo-reply", "unreachable"), chance.randint(1, 2))
            blocks["group ic0"] = ["object-group icmp-type ic0",
                                   *(f" icmp-object {one}" for one in members)]  # fmt: skip
            kinds.append("icmp {} object-group ic0")
        if self.objects and chance.random() < 0.3:
            ports = chance.sample(_PORTS, 2)
            blocks["group sv0"] = ["object-group service sv0",
                                   f" service-object tcp destination eq {ports[0]}",
                                   f" service-object udp destination eq {ports[1]}"]  # fmt: skip
            kinds.append("object-group sv0 {}")
        return kinds

    def _entry(
        self,
        chance: random.Random,
        name: str,
        sides: list[str],
        services: list[str],
        kinds: list[str],
    ) -> str:
        extended = "" if self.flat else "extended "
        rule = _rule(chance, sides, services, ios=False)
        if kinds and chance.random() < 0.15:
            ends = f"{chance.choice(('any', *sides))} {chance.choice(('any', *sides))}"
            verdict = chance.choice(("permit", "deny"))
            rule = f"{verdict} {chance.choice(kinds).format(ends)}"
        return f"access-list {name} {extended}{rule}"

    def _twice_nat(self, chance: random.Random, blocks: Blocks) -> None:
        """Rules in an order that counts, before and behind the translation of the objects."""
        rules = []
        for n in range(chance.randrange(4)):
            blocks[f"object real{n}"] = [f"object network real{n}", f" host {_INSIDE[n]}"]
            blocks[f"object mapped{n}"] = [f"object network mapped{n}", f" host 192.0.2.{50 + n}"]
            after = chance.choice(("", "", "after-auto "))
            rules.append(f"nat (inside,outside) {after}source static real{n} mapped{n}")
        chance.shuffle(rules)
        blocks["nat twice"] = rules

    def _nat(self, chance: random.Random) -> list[str]:
        mapped = chance.sample(range(10, 16), 3)
        real = chance.sample(_INSIDE, 3)
        if self.platform != "asa":
            lines = ["global (outside) 1 interface", "nat (inside) 1 10.0.0.0 255.255.255.0"]
            if self.flat:
                lines[1] += " 0 0"
            for host, number in zip(real[: chance.randrange(4)], mapped, strict=False):
                ends = " 0 0" if self.flat else " "
                words = f"192.0.2.{number} {host} netmask 255.255.255.255{ends}".rstrip()
                lines.append(f"static (inside,outside) {words}")
            return lines[: None if chance.random() < 0.8 else 2]
        lines = []
        for host, number in zip(real[: chance.randrange(4)], mapped, strict=False):
            lines += [f"object network srv{number}", f" host {host}",
                      f" nat (inside,outside) static 192.0.2.{number}"]  # fmt: skip
        return lines

    def _routes(self, chance: random.Random) -> list[str]:
        lines = [f"route outside 0.0.0.0 0.0.0.0 192.0.2.{chance.choice((254, 253))} 1"]
        for n in range(chance.randrange(5)):
            hop = chance.choice((2, 3))
            lines.append(f"route dmz 172.2{n}.0.0 255.255.0.0 172.16.0.{hop} 1")
        return lines

    def _tunnel(self, chance: random.Random, blocks: Blocks) -> None:
        """The two tunnels of the recommissioning procedure, one of them sometimes absent."""
        prefix = (
            "crypto ipsec ikev1 transform-set"
            if self.platform == "asa"
            else "crypto ipsec transform-set"
        )
        kind = "set ikev1 transform-set" if self.platform == "asa" else "set transform-set"
        peers = ["198.51.100.101", "203.0.113.101"][: chance.randrange(3)]
        used = chance.choice(("TS1", "TS2"))
        blocks["transform"] = [f"{prefix} {used} esp-3des esp-{chance.choice(('sha', 'md5'))}-hmac"]
        lines, groups = [], []
        for number, peer in enumerate(peers, 1):
            extended = "" if self.flat else "extended "
            blocks[f"list VPN{number}"] = [
                f"access-list VPN{number} {extended}permit ip 10.0.0.0 255.255.255.0 "
                f"10.{100 + n}.0.0 255.255.0.0"
                for n in range(chance.randint(1, 3))
            ]
            lines += [f"crypto map VPN {number}0 match address VPN{number}",
                      f"crypto map VPN {number}0 set peer {peer}",
                      f"crypto map VPN {number}0 {kind} {used}"]  # fmt: skip
            if self.flat:
                lines.insert(-3, f"crypto map VPN {number}0 ipsec-isakmp")
                groups.append(
                    f"isakmp key k{chance.randrange(2)} address {peer} netmask 255.255.255.255"
                )
            else:
                start = "ikev1 " if self.platform == "asa" else ""
                groups += [f"tunnel-group {peer} type ipsec-l2l",
                           f"tunnel-group {peer} ipsec-attributes",
                           f" {start}pre-shared-key k{chance.randrange(2)}"]  # fmt: skip
        blocks["crypto"] = [*lines, *(["crypto map VPN interface outside"] if peers else [])]
        blocks["tunnel"] = groups

    def _extra(self, chance: random.Random) -> list[str]:
        lines = [f"logging host inside 10.0.0.{n}" for n in chance.sample((20, 21, 22), 2)]
        if chance.random() < 0.5:
            lines.append("logging trap informational")
        if chance.random() < 0.5:
            lines.append(f"snmp-server location rack {chance.randrange(3)}")
        if chance.random() < 0.5:
            lines.append(f"ntp server 10.0.0.{chance.choice((30, 31))} source inside")
        if chance.random() < 0.3:
            lines += [f"banner motd line {n}" for n in range(chance.randint(1, 3))]
        return lines


def _rule(chance: random.Random, sides: list[str], services: list[str], *, ios: bool) -> str:
    net = "10.0.0.0 0.0.0.255" if ios else "10.0.0.0 255.255.255.0"
    pool = [
        "any",
        net,
        *(f"host {one}" for one in (*_OUTSIDE[:3], *_INSIDE[:4], *_DMZ[:3])),
        *sides,
    ]
    verdict = chance.choice(("permit", "permit", "deny"))
    protocol = chance.choice(("tcp", "tcp", "tcp", "udp", "ip", "icmp"))
    source = chance.choice(["any", *pool])
    target = chance.choice(pool)
    port = ""
    if protocol in ("tcp", "udp"):
        ports = [f"eq {one}" for one in _PORTS] + ["range 8000 8100", "gt 1024", ""]
        if protocol == "tcp":
            ports += services * 2
        port = chance.choice(ports)
    return " ".join(f"{verdict} {protocol} {source} {target} {port}".split())


def _switch(chance: random.Random, size: int) -> Blocks:
    """Configurations of a switch that routes."""
    blocks: Blocks = {"interfaces": []}
    blocks["hostname"] = [f"hostname sw{chance.randrange(3)}"]
    vlans = [2, 10, 20, *(n for n in (30, 40) if chance.random() < 0.5)]
    for vlan in vlans:
        blocks[f"vlan {vlan}"] = [f"vlan {vlan}", f" name v{vlan}{chance.choice('ab')}"]
    for vlan in (10, 20):
        name = f"L{vlan}"
        if chance.random() < 0.8:
            rules = [f" {_rule(chance, [], [], ios=True)}" for _ in range(chance.randint(1, size))]
            if chance.random() < 0.2:
                rules.insert(0, f" remark rules of {vlan}")
            if chance.random() < 0.2:
                # Numbers of somebody's own.
                at = sorted(chance.sample(range(1, 500), len(rules)))
                rules = [f" {n} {rule.strip()}" for n, rule in zip(at, rules, strict=True)]
            blocks[f"list {name}"] = [f"ip access-list extended {name}", *dict.fromkeys(rules)]
    blocks["list MGMT"] = [
        "ip access-list extended MGMT",
        *(f" permit tcp host 10.0.0.{n} any eq 22" for n in chance.sample((20, 21, 22, 23), 2)),
    ]
    for vlan in (10, 20):
        lines = [f"interface Vlan{vlan}", f" ip address 172.16.{vlan}.1 255.255.255.0"]
        if f"list L{vlan}" in blocks:
            way = chance.choice(("in", "in", "out"))
            lines.append(f" ip access-group L{vlan} {way}")
            if chance.random() < 0.2:
                other = {"in": "out", "out": "in"}[way]
                lines.append(f" ip access-group L{chance.choice((10, 20))} {other}")
        if chance.random() < 0.3:
            lines.append(f" description users {chance.randrange(3)}")
        blocks[f"svi {vlan}"] = lines
    for port in _HARDWARE["ios"]:
        lines = [f"interface {port}"]
        if chance.random() < 0.5:
            lines.append(f" description port {chance.randrange(4)}")
        if chance.random() < 0.6:
            lines += [f" switchport access vlan {chance.choice(vlans)}", " switchport mode access"]
        else:
            some = ",".join(str(vlan) for vlan in sorted(chance.sample(vlans, 2)))
            lines += [f" switchport trunk allowed vlan {some}", " switchport mode trunk"]
        if chance.random() < 0.2:
            lines.append(" shutdown")
        blocks[f"port {port}"] = lines
    blocks["route"] = [f"ip route 0.0.0.0 0.0.0.0 10.0.0.{chance.choice((254, 253))}"] + [
        f"ip route 172.2{n}.0.0 255.255.0.0 10.0.0.{chance.choice((2, 3))}"
        for n in range(chance.randrange(4))
    ]
    for n in range(chance.randrange(3)):
        blocks[f"user{n}"] = [f"username oper{n} privilege 5 secret pw{chance.randrange(3)}"]
    blocks["extra"] = [
        f"snmp-server community c{chance.randrange(3)} RO",
        f"snmp-server location rack {chance.randrange(3)}",
        *(f"ntp server 10.0.0.{n}" for n in chance.sample((30, 31, 32), 2)),
        *(["no ip domain lookup"] if chance.random() < 0.5 else []),
        *(["ip http server"] if chance.random() < 0.3 else []),
        *(
            ["banner motd ^C", f"hello {chance.randrange(3)}", "^C"]
            if chance.random() < 0.5
            else []
        ),
    ]
    own = chance.choice(("host 10.0.0.9", "10.0.0.0 0.0.0.255"))
    blocks["access"] = [
        "ip access-list extended OWN",
        *(f" permit tcp host 10.0.0.{n} any eq 22" for n in chance.sample((40, 41, 42), 2)),
        f" permit tcp {own} any eq 22",
        " permit icmp any any",
        "interface Vlan2",
        " ip address 10.0.0.1 255.255.255.0",
        *([" ip access-group OWN in"] if chance.random() < 0.6 else []),
        "ip access-list standard VTY",
        *(f" permit 10.0.0.{n}" for n in chance.sample((40, 41, 42), chance.randrange(3))),
        f" permit {chance.choice(('10.0.0.9', '10.0.0.0 0.0.0.255'))}",
        "enable secret enable-pw",
        "username admin privilege 15 secret admin-pw",
        *[
            line
            for which in ("0 4", "5 15")
            for line in (
                f"line vty {which}",
                *([" access-class VTY in"] if chance.random() < 0.4 else []),
                f" exec-timeout {chance.choice((5, 10))} 0",
                f" transport input {chance.choice(('ssh', 'telnet ssh'))}",
                " login local",
            )
        ],
    ]
    return blocks


def _flows(chance: random.Random, platform: str) -> Iterable[Flow]:
    names = ("Vlan10", "Vlan20", "Vlan2") if platform == "ios" else ("outside", "inside", "dmz")
    pool = (*_OUTSIDE[:4], *_INSIDE, *_DMZ[:4], "198.51.100.200")
    for _ in range(60):
        ingress, egress = chance.sample(names, 2)
        protocol = chance.choice(("tcp", "tcp", "tcp", "udp", "icmp"))
        port = chance.choice((*_NUMBERS.values(), 8050, 30_000, 22))
        source, target = chance.sample(pool, 2)
        yield Flow(ingress, egress, protocol, source, target, dport=port)
