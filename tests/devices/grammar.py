"""The commands that the emulated devices know, as tables: what replaces what, and in which order.

A `Kind` is one sort of configuration line. The groups of `head` are its key: a second line with
the same key takes the place of the first (`hostname a`, `hostname b`), a line whose whole text is
its key stands beside the others (`ssh 10.0.0.0 255.0.0.0 inside`). The order of a table is the
order in which the device shows its configuration, whatever the order of typing.

Sources: Cisco PIX Firewall Command Reference 6.3; Cisco Security Appliance Command Reference 7.2;
Cisco ASA Series Command Reference 9.12; Cisco IOS Configuration Fundamentals and Security Command
References 15. The order is that of the transcripts in `show running-config` of these releases.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple


class Kind(NamedTuple):
    """One sort of line."""

    name: str
    head: str
    """Regular expression; its groups are the key."""
    tail: str | None = None
    """What follows the key; None: nothing may."""
    section: str | None = None
    """Table of the lines below it; `{0}` stands for the first group of the key."""
    default: str | None = None
    """Shown where the line is absent."""
    toggle: str = ""
    """"shown": `X` and `no X` are both shown; "negative": only `no X` is."""
    exact: bool = False
    """`no` needs the line as it stands, a different value is refused."""


class Compiled(NamedTuple):
    """A kind with its expressions."""

    kind: Kind
    rank: int
    whole: re.Pattern[str]
    head: re.Pattern[str]


def _each(*words: str) -> tuple[Kind, ...]:
    """Commands of which each text stands beside the others."""
    return tuple(Kind(word, rf"({word}(?: .+)?)") for word in words)


def _one(*words: str, default: str | None = None) -> tuple[Kind, ...]:
    """Commands with one value."""
    return tuple(Kind(word, word, r".+", default=default) for word in words)


_GROUP = Kind(
    "object-group",
    r"object-group (?:network|service|protocol|icmp-type) (\S+)(?: (?:tcp|udp|tcp-udp))?",
    section="object-group",
)
_ACCESS_LIST = Kind("access-list", r"access-list (\S+) .+")
_ACCESS_GROUP = Kind("access-group", r"access-group \S+ (in|out) interface (\S+)", exact=True)
_PIX_NAT = (
    Kind("global", r"(global \(\S+\) \d+ .+)"),
    Kind("nat", r"(nat \(\S+\) \d+ .+)"),
    Kind("static", r"static \((\S+,\S+)\) ((?:tcp|udp) \S+ \S+|\S+)", r".+", exact=True),
)
_MANAGEMENT = (
    *_one("telnet timeout", default="telnet timeout 5"),
    *_each("telnet"),
    *_one("ssh timeout", default="ssh timeout 5"),
    *_one("ssh version"),
    Kind("ssh scopy enable", "ssh scopy enable"),
    Kind("ssh stricthostkeycheck", "ssh stricthostkeycheck"),
    Kind("ssh key-exchange", "ssh key-exchange", ".+"),
    *_each("ssh"),
    *_one("console timeout", default="console timeout 0"),
)
_SNMP = (
    Kind("snmp-server location", "snmp-server location", ".+", default="no snmp-server location"),
    Kind("snmp-server contact", "snmp-server contact", ".+", default="no snmp-server contact"),
    Kind("snmp-server community", "snmp-server community", ".+"),
    *_each("snmp-server"),
)
_LOGGING = (
    Kind(
        "logging value",
        r"logging (buffered|trap|console|monitor|asdm|facility|buffer-size|history|queue)",
        r".+",
    ),
    *_each("logging"),
)
_CRYPTO_MAP = (
    Kind("crypto map start", r"crypto map (\S+) (\d+) ipsec-isakmp"),
    Kind("crypto map interface", r"crypto map \S+ interface (\S+)", exact=True),
    Kind(
        "crypto map",
        r"crypto map (\S+) (\d+) (match address|set peer|set transform-set|set ikev1 transform-set|"
        r"set ikev2 ipsec-proposal|set pfs|set security-association lifetime \S+|set \S+)",
        r".+",
    ),
)
_USER = Kind("username", r"username (\S+)", r"(?:password|nopassword).*")

_ASA_ROOT = (
    *_one("hostname", default="hostname ciscoasa"),
    *_one("domain-name"),
    *_one("enable password"),
    *_each("service-module", "xlate per-session"),
    *_one("passwd"),
    Kind("names", "names"),
    Kind("name", r"name (\S+)", r"\S+.*"),
    Kind("mac-address auto", "mac-address auto", toggle="negative"),
    Kind("interface", r"interface (\S+)", section="asa interface"),
    Kind("banner", r"banner (motd|login|exec|asdm) ?.*"),
    *_each("boot system"),
    *_one("ftp mode", "clock timezone", "clock summer-time"),
    Kind("dns server-group", r"dns server-group (\S+)", section="dns"),
    *_each("dns domain-lookup", "same-security-traffic"),
    Kind("object", r"object (?:network|service) (\S+)", section="object"),
    _GROUP,
    _ACCESS_LIST,
    *_one("pager lines", default="pager lines 24"),
    *_one("terminal width"),
    *_LOGGING,
    Kind("mtu", r"mtu (\S+)", r"\d+"),
    *_each("failover", "ip local pool", "ip verify", "monitor-interface"),
    *_one("icmp unreachable"),
    *_each("icmp"),
    *_one("asdm image"),
    Kind("asdm history enable", "asdm history enable", toggle="negative"),
    *_one("arp timeout", default="arp timeout 14400"),
    Kind("arp permit-nonconnected", "arp permit-nonconnected", toggle="negative"),
    *_one("arp rate-limit"),
    Kind("manual nat", r"nat \(\S+\) (?:\d+ |after-auto (?:\d+ )?)?source .+"),
    *_PIX_NAT,
    _ACCESS_GROUP,
    Kind("access-group global", r"access-group \S+ global", exact=True),
    *_each("ipv6 route"),
    Kind("route", r"route (\S+ \S+ \S+ \S+)", r"\d+"),
    Kind("timeout", r"timeout (\S+)", ".+"),
    Kind("aaa-server protocol", r"aaa-server (\S+)", r"protocol \S+"),
    Kind("aaa-server", r"aaa-server (\S+(?: \(\S+\))? host \S+)", r".+", section="aaa-server"),
    *_each("user-identity", "aaa"),
    Kind("http server enable", "http server enable", r"\d+"),
    *_each("http"),
    *_SNMP,
    *_each("sysopt"),
    Kind(
        "transform-set",
        r"crypto ipsec (?:ikev1 )?transform-set (\S+)",
        r".+",
    ),
    *_one("crypto ipsec security-association lifetime"),
    *_CRYPTO_MAP,
    Kind("ike policy", r"crypto (isakmp|ikev1|ikev2) policy (\d+)", section="ike policy"),
    *_each("crypto isakmp", "crypto ikev1", "crypto ikev2"),
    *_MANAGEMENT,
    *_each("dhcpd", "threat-detection"),
    Kind("threat-detection statistics tcp-intercept", "threat-detection statistics tcp-intercept",
         toggle="negative"),
    *_each("ntp"),
    Kind("group-policy", r"group-policy (\S+)", r"(?:internal|external).*"),
    Kind("group-policy attributes", r"group-policy (\S+) attributes", section="lines"),
    _USER,
    Kind("username attributes", r"username (\S+) attributes", section="username"),
    Kind("tunnel-group", r"tunnel-group (\S+)", r"type \S+"),
    Kind(
        "tunnel-group attributes",
        r"tunnel-group (\S+) (ipsec-attributes|general-attributes|ppp-attributes)",
        section="tunnel-group",
    ),
    Kind("class-map", r"class-map (\S.*)", section="lines"),
    Kind("policy-map", r"policy-map (\S.*)", section="policy"),
    Kind("service-policy", r"(service-policy .+)"),
    *_one("prompt"),
    Kind("call-home reporting anonymous", "call-home reporting anonymous", toggle="negative"),
    Kind("call-home", "call-home", section="call-home"),
    *_each("password encryption"),
)  # fmt: skip

_PIX6_ROOT = (
    Kind("interface", r"interface (ethernet\d|gb-ethernet\d|\S+)", r".+"),
    Kind("nameif", r"nameif (\S+)", r"\S+ (?:security|sec)\d+"),
    *_one("enable password", "passwd"),
    *_one("hostname", default="hostname pixfirewall"),
    *_one("domain-name", "clock timezone", "clock summer-time"),
    Kind("fixup", r"fixup protocol (\S+.*)", toggle="shown"),
    Kind("names", "names"),
    Kind("name", r"name (\S+)", r"\S+.*"),
    _GROUP,
    _ACCESS_LIST,
    *_one("pager lines", default="pager lines 24"),
    *_LOGGING,
    *_each("icmp"),
    Kind("mtu", r"mtu (\S+)", r"\d+"),
    Kind("ip address", r"ip address (\S+)", r".+", toggle="shown"),
    *_each("ip audit", "ip local pool", "ip verify"),
    *_each("failover", "pdm"),
    *_one("arp timeout", default="arp timeout 14400"),
    *_PIX_NAT,
    _ACCESS_GROUP,
    *_each("conduit"),
    Kind("route", r"route (\S+ \S+ \S+ \S+)", r"\d+"),
    Kind("timeout", r"timeout (\S+)", ".+"),
    *_each("aaa-server", "aaa", "ntp"),
    Kind("http server enable", "http server enable"),
    *_each("http"),
    *_SNMP,
    Kind("floodguard", "floodguard", "(?:enable|disable)"),
    *_each("sysopt"),
    Kind("transform-set", r"crypto ipsec transform-set (\S+)", r".+"),
    *_one("crypto ipsec security-association lifetime"),
    *_CRYPTO_MAP,
    Kind("isakmp key", r"isakmp key \S+ address (\S+)", r".+"),
    Kind("isakmp policy", r"isakmp policy (\d+) (\S+)", r"\S+"),
    *_each("isakmp"),
    *_MANAGEMENT,
    *_each("dhcpd", "vpdn", "vpngroup", "management-access", "service", "url-server"),
    Kind("username", r"username (\S+)", r"(?:password|nopassword).*"),
    Kind("banner", r"banner (motd|login|exec) ?.*"),
    *_one("terminal width", default="terminal width 80"),
)

_IOS_TOGGLES = tuple(
    Kind(name, name, toggle="negative")
    for name in ("ip domain lookup", "ip domain-lookup", "ip source-route", "cdp run",
                 "logging console", "ip classless", "aaa accounting system guarantee-first")
)  # fmt: skip

_IOS_ROOT = (
    *_each("service"),
    *_one("hostname", default="hostname Router"),
    Kind("vrf definition", r"vrf definition (\S+)", section="lines"),
    *_one("logging buffered"),
    _IOS_TOGGLES[4],
    Kind("aaa new-model", "aaa new-model"),
    Kind("aaa server", r"aaa server (radius dynamic-author|radius \S+)", section="lines"),
    _IOS_TOGGLES[6],
    *_each("aaa"),
    *_one("clock timezone", "clock summer-time"),
    *_each("boot", "switch"),
    Kind("ip routing", "ip routing"),
    *_each("ip name-server"),
    *_IOS_TOGGLES[:3],
    Kind("ip domain name", r"ip domain[- ]name", r"\S+"),
    *_each("login"),
    *_one("vtp domain", "vtp mode", "vtp version", "spanning-tree mode"),
    *_each("spanning-tree", "errdisable"),
    *_one("enable secret", "enable password"),
    Kind("archive", "archive", section="archive"),
    Kind("username", r"username (\S+)", r".+"),
    Kind("transceiver", r"transceiver type (\S+)", section="lines"),
    Kind("vlan", r"vlan (\d+)", section="vlan"),
    Kind("crypto isakmp policy", r"crypto isakmp policy (\d+)", section="ike policy"),
    Kind("crypto isakmp key", r"crypto isakmp key (?:\d )?\S+ address (\S+)", ".+"),
    Kind("transform-set", r"crypto ipsec transform-set (\S+)", r".+", section="transform-set"),
    Kind("crypto map", r"crypto map (\S+ \d+) ipsec-isakmp", section="ios crypto map"),
    Kind("class-map", r"class-map (\S.*)", section="lines"),
    Kind("policy-map", r"policy-map (\S.*)", section="policy"),
    Kind("interface", r"interface (\S+)", section="ios interface"),
    *_one("ip default-gateway"),
    _IOS_TOGGLES[5],
    Kind("ip http server", "ip http server", toggle="shown", default="no ip http server"),
    Kind("ip http secure-server", "ip http secure-server", toggle="shown",
         default="no ip http secure-server"),
    *_each("ip http", "ip ftp", "ip tftp", "ip tacacs", "ip forward-protocol", "ip nat"),
    Kind("ip route", r"ip route (\S+ \S+ \S+)", r"\d+"),
    *_one("ip ssh version", "ip ssh time-out"),
    *_each("ip ssh", "ip scp"),
    Kind("ip access-list", r"ip access-list (?:extended|standard) (\S+)", section="numbered"),
    Kind("logging value", r"logging (trap|facility|source-interface|monitor)", r".+"),
    *_each("logging"),
    Kind("snmp-server community", r"snmp-server community (\S+)", r".+"),
    *_one("snmp-server location", "snmp-server contact"),
    *_each("snmp-server", "tacacs-server", "tacacs", "radius-server"),
    Kind("banner", r"banner (motd|login|exec)", ".+"),
    Kind("line", r"line ((?:con|aux|vty) .+)", section="line"),
    *_each("ntp", "cdp"),
)  # fmt: skip

_PHYSICAL = (
    *_one("description"),
    Kind("shutdown", "shutdown"),
    *_one("speed", "duplex", "vlan"),
)

SECTIONS: dict[str, tuple[Kind, ...]] = {
    "pix6": _PIX6_ROOT,
    "pix7": _ASA_ROOT,
    "asa": _ASA_ROOT,
    "ios": _IOS_ROOT,
    "asa interface": (
        *_PHYSICAL,
        Kind("management-only", "management-only"),
        Kind("nameif", "nameif", r"\S+", default="no nameif"),
        Kind("security-level", "security-level", r"\d+", default="no security-level"),
        Kind("ip address", "ip address", r".+", default="no ip address"),
        *_each("ipv6", "ospf", "mac-address", "channel-group"),
    ),
    "dns": (*_each("name-server"), *_one("domain-name", "retries", "timeout")),
    # One value each: the second `host` or `subnet` of an object replaces the first (ASA 9.12
    # command reference, object network).
    "object": (
        Kind("value", r"(?:host|subnet|range|fqdn|service)", r".+", exact=True),
        *_one("description"),
        Kind("nat", r"nat \(\S+\)", r".+"),
    ),
    "object-group": (
        *_one("description"),
        *_each("network-object", "port-object", "service-object", "protocol-object", "icmp-object",
               "group-object"),
    ),
    "ike policy": _one("authentication", "encryption", "encr", "hash", "group", "lifetime",
                       "integrity", "prf"),
    "aaa-server": _one("key", "timeout", "server-port", "retry-interval"),
    "username": (*_one("service-type", "privilege"), *_each("vpn-group-policy", "ssh")),
    "tunnel-group": (
        Kind("pre-shared-key", r"(?:ikev1 )?pre-shared-key", r"\S+"),
        *_one("default-group-policy", "peer-id-validate", "isakmp keepalive", "address-pool",
              "ikev2 local-authentication", "ikev2 remote-authentication"),
    ),
    "policy": (
        *_one("description"),
        Kind("class", r"class (\S+)", section="lines"),
        Kind("parameters", "parameters", section="lines"),
    ),
    "call-home": (Kind("profile", r"profile (\S+)", section="lines"),),
    "lines": (),
    "archive": (*_one("path", "maximum", "time-period"), Kind("write-memory", "write-memory"),
                *_each("log")),
    "vlan": _one("name", "state"),
    "transform-set": _one("mode"),
    "ios crypto map": (
        *_each("set peer"),
        *_one("set transform-set", "set pfs", "match address", "set security-association lifetime",
              "description"),
    ),
    "ios interface": (
        *_one("description", "vrf forwarding", "encapsulation"),
        Kind("switchport", "switchport", toggle="negative"),
        *_one("switchport access vlan", "switchport trunk native vlan",
              "switchport trunk allowed vlan", "switchport trunk encapsulation", "switchport mode",
              "switchport voice vlan"),
        *_each("switchport"),
        Kind("ip address secondary", r"(ip address \S+ \S+ secondary)"),
        Kind("ip address", "ip address", r"(?:\S+ \S+|dhcp)", toggle="shown"),
        Kind("ip access-group", r"ip access-group \S+ (in|out)"),
        *_each("ip helper-address", "ip nat"),
        *_one("ip mtu", "mtu", "bandwidth", "crypto map", "tunnel source", "tunnel destination"),
        Kind("shutdown", "shutdown"),
        *_one("speed", "duplex", "service-policy input", "service-policy output"),
        *_each("spanning-tree", "storm-control", "power", "channel-group", "ip", "ipv6"),
        Kind("snmp trap link-status", "snmp trap link-status", toggle="negative"),
        Kind("cdp enable", "cdp enable", toggle="negative"),
        Kind("keepalive", "keepalive", toggle="negative"),
    ),
    "line": (
        *_one("exec-timeout", "password", "transport input", "transport output", "privilege level",
              "stopbits", "session-timeout"),
        Kind("login", "login", r".+"),
        Kind("access-class", r"access-class \S+ (in|out)", r"vrf-also"),
        Kind("logging synchronous", "logging synchronous"),
    ),
    "numbered": (),
}  # fmt: skip

OPEN = frozenset({"lines"})
"""Sections that take any line: what stands in them is not modelled."""

PROMPTS = {
    "asa interface": "config-if",
    "ios interface": "config-if",
    "object": "config-network-object",
    "object-group": "config-network-object-group",
    "tunnel-group": "config-tunnel-ipsec",
    "numbered": "config-ext-nacl",
    "line": "config-line",
    "vlan": "config-vlan",
    "ike policy": "config-isakmp",
    "ios crypto map": "config-crypto-map",
    "transform-set": "cfg-crypto-trans",
    "policy": "config-pmap",
    "archive": "config-archive",
}


_TAIL_OPTIONAL = ("aaa-server", "route", "ip route", "login", "access-class", "http server enable")


@cache
def table(name: str) -> tuple[Compiled, ...]:
    """The kinds of a section, ready to match; longer words are tried before shorter ones."""
    made = []
    for rank, kind in enumerate(SECTIONS[name]):
        tail = "" if kind.tail is None else rf"(?: (?:{kind.tail}))"
        optional = "?" if kind.name in _TAIL_OPTIONAL else ""
        # `no` may leave the value out, or name it; where there is no value nothing may follow.
        head = re.compile(rf"(?:{kind.head})" + ("" if kind.tail is None else "(?: .*)?"))
        whole = rf"(?:{kind.head}){tail}{optional}"
        made.append(Compiled(kind, rank, re.compile(whole), head))
    return tuple(sorted(made, key=lambda one: one.kind.head.startswith("(")))


@cache
def kind_of(section: str, name: str) -> Compiled:
    """The kind of this name."""
    return next(one for one in table(section) if one.kind.name == name)
