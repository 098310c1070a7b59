"""Entries of access lists: one spelling, and their parts.

Pure. Sources: the `access-list` chapters of Cisco PIX Firewall Command Reference 6.3, Cisco
Security Appliance Command Reference 7.2 and Cisco IOS Security Command Reference.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

PORTS = {
    "aol": 5190, "bgp": 179, "biff": 512, "bootpc": 68, "bootps": 67, "chargen": 19,
    "cifs": 3020, "citrix-ica": 1494, "cmd": 514, "ctiqbe": 2748, "daytime": 13, "discard": 9,
    "dnsix": 195, "domain": 53, "echo": 7, "exec": 512, "finger": 79, "ftp": 21, "ftp-data": 20,
    "gopher": 70, "h323": 1720, "hostname": 101, "https": 443, "ident": 113, "imap4": 143,
    "irc": 194, "isakmp": 500, "klogin": 543, "kshell": 544, "ldap": 389, "ldaps": 636,
    "login": 513, "lotusnotes": 1352, "lpd": 515, "mobile-ip": 434, "nameserver": 42,
    "netbios-dgm": 138, "netbios-ns": 137, "netbios-ss": 139, "netbios-ssn": 139, "nfs": 2049,
    "nntp": 119, "non500-isakmp": 4500, "ntp": 123, "pcanywhere-data": 5631,
    "pcanywhere-status": 5632, "pim-auto-rp": 496, "pop2": 109, "pop3": 110, "pptp": 1723,
    "radius": 1645, "radius-acct": 1646, "rip": 520, "rsh": 514, "rtsp": 554, "secureid-udp": 5510,
    "sip": 5060, "smtp": 25, "snmp": 161, "snmptrap": 162, "sqlnet": 1521, "ssh": 22,
    "sunrpc": 111, "syslog": 514, "tacacs": 49, "talk": 517, "telnet": 23, "tftp": 69, "time": 37,
    "uucp": 540, "who": 513, "whois": 43, "www": 80, "http": 80, "xdmcp": 177,
}  # fmt: skip
"""Names that a device shows for the port that was typed."""

_RELATIONS = {"eq": 1, "gt": 1, "lt": 1, "neq": 1, "range": 2}
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+$|0$")
_NAMED = re.compile(r"(?<![\w-])(?:object-group|object|group-object) (\S+)")


@dataclass(frozen=True, slots=True)
class Ace:
    """One entry; addresses as `any`, `host A`, `A MASK`, `object N`, `object-group N`."""

    action: str
    protocol: str
    source: str
    source_port: str
    destination: str
    destination_port: str
    rest: str
    """ICMP type, `log`, `time-range`, `inactive`, `established`."""

    def text(self) -> str:
        """The entry as it is typed, without the name of its list."""
        parts = (
            self.action,
            self.protocol,
            self.source,
            self.source_port,
            self.destination,
            self.destination_port,
            self.rest,
        )
        return " ".join(part for part in parts if part)


def one_spelling(text: str, *, wildcard: bool = False) -> str:
    """An entry in the spelling that is compared: port numbers, `host`, `any`, no `extended`.

    `wildcard`: IOS masks, where a host is 0.0.0.0. A remark stays as it is.
    """
    words = text.split()
    if "remark" in words[:2]:
        return text.strip()
    if words and words[0] == "extended":
        words = words[1:]
    host, everything = (
        ("0.0.0.0", "255.255.255.255") if wildcard else ("255.255.255.255", "0.0.0.0")
    )
    result: list[str] = []
    index = 0
    while index < len(words):
        word, after = words[index], words[index + 1] if index + 1 < len(words) else ""
        if _ADDRESS.match(word) and _ADDRESS.match(after) and result[-1:] != ["host"]:
            mask = "0.0.0.0" if after == "0" else after
            address = "0.0.0.0" if word == "0" else word
            if mask == host:
                result += ["host", address]
            elif address == "0.0.0.0" and mask == everything:
                result.append("any")
            else:
                result += [address, mask]
            index += 2
            continue
        if word in PORTS and set(result[-2:]) & {"eq", "gt", "lt", "neq", "range"}:
            word = str(PORTS[word])
        result.append(word)
        index += 1
    return " ".join(result)


def ace(text: str, services: Container[str] | None = None) -> Ace | None:
    """The parts of an entry (`[extended] permit tcp any host A eq www log`); None of a remark, of a
    standard list's entry and of what is not understood.

    `services`: names of the groups of ports. Without them a group behind the source is taken for
    the destination, unless an address of another kind follows it.
    """
    words = [word for word in text.split() if word != "extended"]
    if len(words) < 4 or words[0] not in ("permit", "deny"):
        return None
    words.reverse()
    action = words.pop()
    protocol = words.pop()
    if protocol in ("object", "object-group"):
        protocol = f"{protocol} {words.pop()}"
    source = _address(words)
    if source is None:
        return None
    source_port = _port(words) if _is_port(words, services) else ""
    destination = _address(words)
    if destination is None:
        return None
    destination_port = _port(words)
    rest = " ".join(reversed(words))
    return Ace(action, protocol, source, source_port, destination, destination_port, rest)


def _address(words: list[str]) -> str | None:
    if not words:
        return None
    word = words[-1]
    if word in ("any", "any4", "any6"):
        return words.pop()
    if len(words) > 1 and (
        word in ("host", "object", "object-group", "interface") or _ADDRESS.match(word)
    ):
        first = words.pop()
        return f"{first} {words.pop()}"
    return None


def _is_port(words: list[str], services: Container[str] | None) -> bool:
    """Whether ports come next, and not the destination."""
    if not words or words[-1] != "object-group" or len(words) < 2:
        return True
    if services is not None:
        return words[-2] in services
    after = words[-3] if len(words) > 2 else ""
    return after in ("any", "any4", "any6", "host", "object") or bool(_ADDRESS.match(after))


def _port(words: list[str]) -> str:
    if words and words[-1] in _RELATIONS and len(words) > _RELATIONS[words[-1]]:
        count = _RELATIONS[words[-1]] + 1
        return " ".join(words.pop() for _ in range(count))
    if len(words) > 1 and words[-1] == "object-group":
        first = words.pop()
        return f"{first} {words.pop()}"
    return ""


def names_in(text: str) -> tuple[str, ...]:
    """The objects and groups that a line names."""
    return tuple(_NAMED.findall(text)) if "object" in text else ()
