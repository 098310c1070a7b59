"""What the commands of IOS replace, need and refuse, as a table.

Source: Cisco IOS Configuration Fundamentals, Security and IP Switching command references 15.
"""

from __future__ import annotations

import ipaddress
import re

from device_configs.sections import Path
from device_configs.steps import Phase, Risk, Rule

LOGICAL = re.compile(r"interface (Vlan|Loopback|Tunnel|Port-channel|\S+\.)\S*")


def _network(path: Path, text: str) -> tuple[str, str]:
    """The network of an interface: IOS refuses the same one on a second interface."""
    words = text.split()
    try:
        network = ipaddress.ip_network("/".join(words[2:4]), strict=False)
    except ValueError:
        return text, path[0]
    return f"network {network}", path[0]


_ADDRESS_GAP = "the address changes (`{text}`): its traffic stops until neighbours have learnt it"
_LINE = r"line "
_INTERFACE = r"interface "
_IF: tuple[str, Risk, str] = ("interfaces", "traffic", _INTERFACE)
RULES = (
    Rule(r"hostname\b", "one", 2, "names", remove="no {key}"),
    Rule(r"ip domain[- ]name\b", "one", 2, "names", remove="no {text}", name="ip domain name"),
    Rule(r"service ", "many", 3, "settings"),
    Rule(r"vrf definition ", "many", 4, "routing", "traffic", enters=True),
    Rule(r"vlan \d+$", "many", 5, "VLANs", "traffic", enters=True),
    Rule(r"(name|state)\b", "one", 0, "VLANs", "traffic", r"vlan \d+$", "no {key}"),
    # Interfaces.
    Rule(LOGICAL.pattern, "many", 10, "interfaces",
         "traffic", enters=True),
    Rule(r"interface ", "many", 10, "interfaces", "traffic", remove="", enters=True),
    # FRR keeps several, and takes a second one beside the first.
    Rule(r"ip address \S+/\d+", "many", 0, *_IF),
    Rule(r"ip address \S+ \S+ secondary", "many", 0, *_IF, gap=_ADDRESS_GAP, clash=_network),
    Rule(r"ip address\b", "one", 0, *_IF, "no {key}", gap=_ADDRESS_GAP, valued=True,
         clash=_network),
    Rule(r"switchport (access vlan|voice vlan|mode|trunk (native vlan|allowed vlan|encapsulation))",
         "one", 0, *_IF, "no {key}"),
    Rule(r"(description|vrf forwarding|encapsulation|ip mtu|mtu|bandwidth|crypto map|"
         r"tunnel (source|destination)|speed|duplex|service-policy (input|output)|"
         r"spanning-tree portfast|switchport$)", "one", 0, *_IF, "no {key}"),
    Rule(r"shutdown$", "one", 1, *_IF, phase=Phase.ASIDE, off=(Phase.BIND, 90)),
    Rule(r"", "either", 0, *_IF),
    # Routes: several to one prefix may stand side by side, so there is no gap.
    Rule(r"ip route (vrf \S+ )?\S+ \S+ \S+", "one", 36, "routes", "traffic"),
    Rule(r"ip default-gateway\b", "one", 36, "routes", "traffic", remove="no {key}"),
    Rule(r"ip routing$", "one", 35, "routes", "traffic"),
    # Tunnels.
    Rule(r"crypto isakmp policy ", "many", 50, "tunnels", "tunnel", enters=True),
    Rule(r"(authentication|encryption|encr|hash|group|lifetime)\b", "one", 0, "tunnels", "tunnel",
         "crypto isakmp policy ", "no {key}"),
    Rule(r"crypto isakmp key (\d )?\S+ (?P<key>address \S+)", "one", 50, "tunnels", "tunnel"),
    Rule(r"crypto ipsec transform-set \S+", "one", 51, "tunnels", "tunnel", remove="no {key}",
         enters=True),
    Rule(r"mode\b", "one", 0, "tunnels", "tunnel", "crypto ipsec transform-set ", "no {key}"),
    Rule(r"crypto map \S+ \d+ ipsec-isakmp", "many", 52, "tunnels", "tunnel", enters=True),
    Rule(r"set (transform-set|pfs|security-association lifetime \S+)|match address|description",
         "one", 0, "tunnels", "tunnel", "crypto map ", "no {key}"),
    Rule(r"set peer ", "many", 0, "tunnels", "tunnel", "crypto map "),
    # Who may come in, and how; last what our session may hang on.
    Rule(r"username \S+", "one", 62, "access to the device", "management", remove="no {key}",
         lets_in=True),
    Rule(r"enable (secret|password)\b", "one", 66, "access to the device", "management",
         remove="no {key}", phase=Phase.ACCESS),
    Rule(r"aaa new-model$", "one", 66, "access to the device", "management", phase=Phase.ACCESS),
    Rule(r"aaa authentication (banner|fail-message)", "one", 67, "access to the device",
         "management", remove="no {key}", phase=Phase.ACCESS),
    Rule(r"aaa (authentication|authorization|accounting) \S+ \S+", "one", 67,
         "access to the device", "management", remove="no {text}", phase=Phase.ACCESS),
    Rule(r"(tacacs|radius)-server (host \S+|key)", "one", 61, "access to the device", "management"),
    Rule(r"(tacacs-server|tacacs|radius-server) ", "either", 61, "access to the device",
         "management"),
    Rule(r"ip ssh (version|time-out)\b", "one", 67, "access to the device", "management",
         remove="no {text}", phase=Phase.ACCESS),
    Rule(r"ip (ssh|scp) ", "many", 67, "access to the device", "management", phase=Phase.ACCESS),
    Rule(r"ip http (server|secure-server)$", "one", 67, "access to the device", "management",
         phase=Phase.ACCESS),
    Rule(r"line ", "many", 68, "access to the device", "management", remove="",
         phase=Phase.ACCESS, enters=True),
    Rule(r"(exec-timeout|password|transport (input|output)|privilege level|stopbits|"
         r"session-timeout|login|logging synchronous)\b", "one", 0, "access to the device",
         "management", _LINE, "no {key}", phase=Phase.ACCESS),
    Rule(r"", "either", 0, "access to the device", "management", _LINE, phase=Phase.ACCESS),
    # The rest.
    Rule(r"snmp-server (location|contact)\b", "one", 70, "monitoring", remove="no {key}"),
    Rule(r"snmp-server community \S+", "one", 70, "monitoring", remove="no {key}"),
    Rule(r"logging (buffered|trap|facility|source-interface|monitor)\b", "one", 70, "monitoring",
         remove="no {key}"),
    Rule(r"(logging|ntp|snmp-server) ", "either", 70, "monitoring"),
    Rule(r"banner \S+", "one", 74, "settings", remove="no {key}"),
    Rule(r"(clock (timezone|summer-time)|vtp (mode|domain|version)|spanning-tree mode)\b", "one",
         74, "settings", remove="no {key}"),
    # hier_config knows no command of several lines. Behind the trustpoint, which it plans.
    Rule(r"crypto (pki|ca) certificate chain ", "many", 72, "certificates", enters=True),
    Rule(r"", "either", 0, "certificates", "none", "crypto (pki|ca) certificate chain "),
    Rule(r"macro name \S+", "one", 72, "settings", remove="no {key}"),
    Rule(r"archive$", "many", 74, "settings", enters=True),
    Rule(r"(path|maximum|time-period|write-memory)\b", "one", 0, "settings", "none", "archive$",
         "no {key}"),
    Rule(r"(ip name-server|ip http|ip ftp|ip tftp|ip tacacs|ip forward-protocol|ip nat|login|boot|"
         r"switch|spanning-tree|errdisable|cdp|aaa|ip domain|ip source-route|ip classless)\b",
         "either", 74, "settings"),
)  # fmt: skip
FALLBACK = Rule(r"", "either", 71, "other settings")
SEVERAL = Rule(r"(ip|ipv6) address ", "many", 0, *_IF)
"""FRR (zebra, interface commands): another address is one more."""
