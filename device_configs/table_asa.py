"""What the commands of PIX 6, PIX 7/8 and ASA replace, need and refuse, as a table.

Sources: Cisco PIX Firewall Command Reference 6.3, Cisco Security Appliance Command Reference 7.2
and the ASA Series command references (chapters by command name).
"""

from __future__ import annotations

import ipaddress

from device_configs.sections import Path
from device_configs.steps import Phase, Rule


def _network(path: Path, text: str) -> tuple[str, str]:
    """The network of an interface: two interfaces may not be in the same one."""
    words = text.split()
    holder = path[0] if path else words[2]
    try:
        network = ipaddress.ip_network("/".join(words[2:4] if path else words[3:5]), strict=False)
        return f"network {network}", holder
    except ValueError:
        return text, holder


def _prefix(_path: Path, text: str) -> tuple[str, str]:
    """A prefix may lead to several gateways of one interface, not to two interfaces (ASA)."""
    words = text.split()
    return f"route {' '.join(words[2:4])}", words[1]


def _only_prefix(_path: Path, text: str) -> tuple[str, str]:
    """PIX 6 has one gateway for a prefix."""
    words = text.split()
    return f"route {' '.join(words[2:4])}", text


def _real(_path: Path, text: str) -> tuple[str, str]:
    """A real address is translated once between two interfaces."""
    words = text.split()
    ports = words[2] in ("tcp", "udp")
    real, mapped = (words[5:7], words[3:5]) if ports else (words[3:4], words[2:3])
    if real == ["access-list"]:
        real = words[3:5]
    return f"static {words[1]} {' '.join(real)}", " ".join(mapped)


def _named(_path: Path, text: str) -> tuple[str, str]:
    """A name stands for one address."""
    words = text.split()
    return f"name {' '.join(words[2:3])}", words[1]


_ADDRESS_GAP = "the address changes (`{text}`): its traffic stops until neighbours have learnt it"
_LEVEL_GAP = (
    "the security level changes (`{text}`): where no list decides, traffic between two interfaces "
    "may fit neither configuration until both have their levels"
)
NAT_GAP = "address translation changes (`{text}`): its connections are interrupted"

_RULES = (
    # Names, interfaces.
    Rule(r"hostname\b", "one", 2, "names", remove="no {key}"),
    Rule(r"domain-name\b", "one", 2, "names", remove="no {key}"),
    Rule(r"name \S+", "one", 3, "names", remove="no {text}", clash=_named),
    Rule(r"nameif \S+", "one", 8, "interfaces", "traffic", remove=""),
    Rule(r"interface \S+\.\d+$", "many", 9, "interfaces", "traffic", enters=True),
    Rule(r"interface \S+$", "many", 9, "interfaces", "traffic", remove="", enters=True),
    # PIX 6: down before anything, up when the filters are bound.
    Rule(r"(?P<key>interface \S+) \S+ shutdown$", "one", 1, "interfaces", "traffic", remove="",
         phase=Phase.ASIDE),
    Rule(r"interface \S+", "one", 90, "interfaces", "traffic", remove="", phase=Phase.BIND),
    Rule(
        r"ip address \S+", "one", 10, "interfaces", "traffic", gap=_ADDRESS_GAP, valued=True,
        remove="no {key}", clash=_network,
    ),
    Rule(
        r"ip address\b", "one", 0, "interfaces", "traffic", "interface ", gap=_ADDRESS_GAP,
        valued=True, remove="no {key}", clash=_network,
    ),
    Rule(r"nameif\b", "one", 0, "interfaces", "traffic", "interface ", "no {key}", valued=True,
         off=(Phase.REMOVE, 0)),
    Rule(r"security-level\b", "one", 0, "interfaces", "traffic", "interface ", "no {key}",
         valued=True, off=(Phase.REMOVE, 1), gap=_LEVEL_GAP),
    Rule(r"shutdown$", "one", 1, "interfaces", "traffic", "interface ", phase=Phase.ASIDE,
         off=(Phase.BIND, 90)),
    Rule(r"(description|speed|duplex|vlan|management-only)\b", "one", 0, "interfaces",
         "traffic", "interface ", "no {key}"),
    Rule(r"mtu \S+", "one", 11, "interfaces", "traffic"),
    # Objects before the lists that name them.
    Rule(r"nat \(", "one", 41, "address translation", "traffic", "object ", gap=NAT_GAP),
    Rule(r"(host|subnet|range|fqdn|service) ", "one", 0, "objects", "traffic", "object ",
         name="value"),
    Rule(r"description\b", "one", 0, "objects", "none", "object", "no {key}"),
    Rule(r"object ", "many", 20, "objects", enters=True),
    Rule(r"object-group ", "many", 21, "objects", enters=True),
    Rule(r"", "many", 0, "objects", "traffic", "object-group "),
    # Address translation and routes.
    Rule(r"nat \(\S+\) 0 access-list", "swap", 40, "address translation", "traffic", gap=NAT_GAP),
    Rule(r"(global|nat) \(", "many", 40, "address translation", "traffic", gap=NAT_GAP),
    Rule(r"static \(\S+\) (?:(?:tcp|udp) \S+ \S+|\S+(?: access-list \S+)?)", "swap", 42,
         "address translation", "traffic", gap=NAT_GAP, clash=_real),
    Rule(r"route \S+ \S+ \S+ \S+", "one", 36, "routes", "traffic", clash=_prefix),
    Rule(r"ipv6 route ", "many", 36, "routes", "traffic"),
    # Tunnels: proposals, then the map, then the groups; the map is put to use last.
    Rule(r"crypto ipsec (ikev1 |ikev2 )?(transform-set|ipsec-proposal) \S+", "one", 50, "tunnels",
         "tunnel", remove="no {text}"),
    Rule(r"crypto (isakmp|ikev1|ikev2) policy ", "many", 50, "tunnels", "tunnel", enters=True),
    Rule(r"(authentication|encryption|encr|hash|group|lifetime|integrity|prf)\b", "one", 0,
         "tunnels", "tunnel", r"crypto (isakmp|ikev1|ikev2) policy ", "no {key}"),
    Rule(r"isakmp policy \d+ \S+", "one", 50, "tunnels", "tunnel"),
    Rule(r"isakmp key \S+ (?P<key>address \S+)", "one", 50, "tunnels", "tunnel",
         remove="no {text}"),
    Rule(r"crypto ipsec security-association lifetime( seconds| kilobytes)?", "one", 50, "tunnels",
         "tunnel"),
    Rule(r"crypto map \S+ interface \S+", "many", 58, "tunnels", "tunnel", phase=Phase.BIND),
    Rule(
        r"crypto map (\S+) \d+ (match address|set peer|set (ikev1 )?transform-set|set pfs|"
        r"set ikev2 ipsec-proposal|set security-association lifetime \S+|set \S+|ipsec-isakmp)",
        "one", 55, "tunnels", "tunnel",
    ),
    Rule(r"crypto (ca|key) ", "many", 49, "tunnels", "tunnel"),
    Rule(r"crypto |isakmp ", "many", 51, "tunnels", "tunnel"),
    Rule(r"group-policy \S+ (internal|external)", "one", 52, "tunnels", "tunnel",
         remove="no {text}"),
    Rule(r"group-policy \S+ attributes", "owned", 53, "tunnels", "tunnel", enters=True),
    Rule(r"tunnel-group \S+ type", "one", 54, "tunnels", "tunnel", remove="no {text}"),
    # The key is there before the map leads to its peer.
    Rule(r"tunnel-group \S+ \S+-attributes", "owned", 54, "tunnels", "tunnel", enters=True),
    Rule(r"(ikev1 )?pre-shared-key\b|ikev2 (local|remote)-authentication|default-group-policy|"
         r"peer-id-validate|isakmp keepalive|address-pool", "one", 0, "tunnels", "tunnel",
         "tunnel-group ", "no {key}"),
    Rule(r"ip local pool \S+", "swap", 48, "tunnels", "tunnel"),
    Rule(r"vpngroup \S+ \S+", "swap", 48, "tunnels", "tunnel"),
    Rule(r"(vpdn|sysopt) ", "many", 48, "tunnels", "tunnel"),
    # Who may come in, and how.
    Rule(r"aaa-server \S+ protocol", "one", 60, "access to the device", "management"),
    Rule(r"aaa-server \S+ (\(\S+\) )?host \S+", "swap", 61, "access to the device", "management",
         remove="no {key}"),
    Rule(r"aaa-server ", "many", 61, "access to the device", "management"),
    Rule(r"(key|timeout|server-port|retry-interval)\b", "one", 0, "access to the device",
         "management", "aaa-server ", "no {key}"),
    Rule(r"username \S+ attributes", "owned", 63, "access to the device", "management",
         enters=True),
    Rule(r"(service-type|privilege)\b", "one", 0, "access to the device", "management",
         "username ", "no {key}"),
    Rule(r"username \S+", "one", 62, "access to the device", "management", remove="no {key}",
         lets_in=True),
    Rule(r"(ssh|telnet|console) timeout", "one", 64, "access to the device", "management",
         remove="no {text}"),
    Rule(r"ssh (version|key-exchange)", "one", 64, "access to the device", "management",
         remove="no {text}", phase=Phase.ACCESS),
    Rule(r"http server enable", "one", 64, "access to the device", "management"),
    Rule(r"(ssh|telnet|http|icmp) ", "many", 65, "access to the device", "management",
         lets_in=True),
    Rule(r"management-access\b", "one", 65, "access to the device", "management", lets_in=True),
    Rule(r"(enable password|passwd)\b", "one", 66, "access to the device", "management",
         remove="no {key}", phase=Phase.ACCESS),
    Rule(r"aaa (authentication|authorization|accounting) \S+ console", "swap", 67,
         "access to the device", "management", phase=Phase.ACCESS,
         gap="for one command new sessions are asked otherwise (`{text}`)"),
    Rule(r"aaa ", "many", 67, "access to the device", "management", phase=Phase.ACCESS),
    # The rest.
    Rule(r"snmp-server (location|contact|community)\b", "one", 70, "monitoring", valued=True,
         remove="no {key}"),
    Rule(r"logging (buffered|trap|console|monitor|asdm|facility|buffer-size|history|queue)\b",
         "one", 70, "monitoring", remove="no {text}"),
    Rule(r"(logging|ntp|snmp-server) ", "either", 70, "monitoring"),
    Rule(r"fixup protocol dns", "swap", 72, "inspection", "traffic"),
    Rule(r"fixup protocol ", "many", 72, "inspection", "traffic"),
    Rule(r"timeout \S+", "one", 73, "timers"),
    Rule(r"(pager lines|terminal width|arp timeout|arp rate-limit|ftp mode|clock timezone|"
         r"clock summer-time|icmp unreachable|prompt|asdm image)\b", "one", 74, "settings",
         remove="no {text}"),
    Rule(r"floodguard\b", "one", 74, "settings"),
    Rule(r"dns server-group ", "many", 74, "settings", enters=True),
    Rule(r"class-map ", "many", 75, "inspection", "traffic", enters=True),
    Rule(r"policy-map ", "many", 76, "inspection", "traffic", enters=True),
    Rule(r"class ", "many", 0, "inspection", "traffic", "policy-map ", enters=True),
    Rule(r"service-policy ", "many", 77, "inspection", "traffic"),
    Rule(r"", "either", 0, "inspection", "traffic", "(policy|class)-map "),
    Rule(r"(dns|dhcpd|failover|service|same-security-traffic|threat-detection|xlate|boot) ",
         "either", 74, "settings"),
)  # fmt: skip
FALLBACK = Rule(r"", "either", 71, "other settings", "none")


def rules(*, old_pix: bool) -> list[Rule]:
    """The rules of a release; `old_pix`: below 7."""
    if not old_pix:
        return list(_RULES)
    one_gateway = Rule(r"route \S+ \S+ \S+ \S+", "one", 36, "routes", "traffic", clash=_only_prefix)
    return [one_gateway, *_RULES]
