"""Access list entries: how a device shows them, and what they mean.

PIX and ASA masks are net masks, IOS masks are wildcards (ASA 9.12 CLI guide, guidelines for ACLs).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address
from typing import NamedTuple

from .refusal import Refused

PORTS = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "tftp": 69,
    "www": 80, "pop3": 110, "ntp": 123, "imap4": 143, "snmp": 161, "snmptrap": 162, "bgp": 179,
    "ldap": 389, "https": 443, "isakmp": 500, "syslog": 514, "sqlnet": 1521,
}  # fmt: skip
_IOS_PORTS = ("ftp-data", "ftp", "telnet", "smtp", "domain", "tftp", "www", "pop3", "ntp", "snmp",
              "snmptrap", "bgp", "isakmp", "syslog")  # fmt: skip
"""IOS 15 shows only these by name: 22 and 443 stay numbers."""
_ASA_NAMES = {str(number): name for name, number in PORTS.items()}
_IOS_NAMES = {str(PORTS[name]): name for name in _IOS_PORTS}
PROTOCOLS = {"icmp": 1, "igmp": 2, "ip": None, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51,
             "ahp": 51, "eigrp": 88, "ospf": 89}  # fmt: skip
ICMP = {"echo-reply": 0, "unreachable": 3, "redirect": 5, "echo": 8, "time-exceeded": 11}
EVERYTHING = (0, 2**32 - 1)


class Side(NamedTuple):
    """Source or destination: addresses as a range, or the name of an object."""

    kind: str
    """"range", "wildcard", "object", "object-group" or "interface"."""
    low: int = 0
    high: int = 0
    """Range; for a wildcard, value and care bits."""
    name: str = ""


class Ports(NamedTuple):
    """Ports that match; a name instead where it is a group."""

    ranges: tuple[tuple[int, int], ...] = ((0, 65_535),)
    name: str = ""


class Ace(NamedTuple):
    """One permit or deny."""

    permit: bool
    protocol: int | None
    """None: all of IP."""
    service: str
    """Object or group of protocols or services, empty where there is none."""
    source: Side
    sports: Ports
    destination: Side
    dports: Ports
    icmp: int | None
    icmp_group: str
    active: bool
    established: bool


def counts(text: str) -> bool:
    """Whether it is an entry and no remark."""
    return not text.startswith("remark ")


@lru_cache(maxsize=50_000)
def shown(text: str, platform: str) -> str:
    """As the running configuration has it: known ports by name, single hosts as `host`, everything
    as `any`, and `extended` from version 7.0 on."""
    words = text.split()
    if words[0] == "remark":
        return text.rstrip()
    ios = platform == "ios"
    if platform in ("asa", "pix7") and words[0] in ("permit", "deny"):
        words.insert(0, "extended")
    if platform == "pix6" and words[0] == "extended":
        raise Refused("ERROR: invalid protocol extended\nUsage:\t[no] access-list <id> ...\n")
    names = _IOS_NAMES if ios else _ASA_NAMES
    out: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word in ("eq", "gt", "lt", "neq") and at + 1 < len(words):
            out += [word, names.get(words[at + 1], words[at + 1])]
            at += 2
        elif word == "range" and at + 2 < len(words):
            out += [word, *(names.get(one, one) for one in words[at + 1 : at + 3])]
            at += 3
        elif _address(word) is not None and (not out or out[-1] != "host"):
            mask = words[at + 1] if at + 1 < len(words) else ""
            all_ones = mask == "255.255.255.255"
            if word == "0.0.0.0" and mask == ("255.255.255.255" if ios else "0.0.0.0"):
                out.append("any")
                at += 2
            elif (all_ones and not ios) or (ios and mask == "0.0.0.0"):
                out += ["host", word]
                at += 2
            elif _address(mask) is not None:
                value, care = _address(word) or 0, _address(mask) or 0
                masked = value & (~care & EVERYTHING[1] if ios else care)
                # An ASA refuses a network with host bits, IOS clears them.
                if masked != value and not ios:
                    raise Refused(
                        "ERROR: IP address,mask <" + f"{word},{mask}" + "> doesn't pair\n"
                    )
                out += [str(IPv4Address(masked)), mask]
                at += 2
            else:
                out.append(word)
                at += 1
        elif word == "host" and at + 1 < len(words):
            out += words[at : at + 2]
            at += 2
        else:
            out.append(word)
            at += 1
    return " ".join(out)


def _address(word: str) -> int | None:
    if word.count(".") != 3:
        return None
    try:
        return int(IPv4Address(word))
    except ValueError:
        return None


def _side(words: list[str], *, ios: bool, refused: Refused) -> Side:
    if not words:
        raise refused
    word = words.pop(0)
    if word in ("any", "any4"):
        return Side("range", *EVERYTHING)
    if word == "host" and words:
        value = _address(words.pop(0))
        if value is None:
            raise refused
        return Side("range", value, value)
    if word in ("object", "object-group", "interface") and words:
        return Side(word, name=words.pop(0))
    value, mask = _address(word), _address(words[0]) if words else None
    if value is None:
        raise refused
    if mask is None:
        if not ios:
            raise refused
        return Side("range", value, value)  # standard list: a host without a word before it
    words.pop(0)
    if ios:
        return Side("wildcard", value & ~mask, ~mask & EVERYTHING[1])
    return Side("wildcard", value & mask, mask)


def _ports(words: list[str], refused: Refused) -> Ports:
    if not words:
        return Ports()
    word = words[0]
    if word not in ("eq", "gt", "lt", "neq", "range"):
        return Ports()
    words.pop(0)
    numbers = []
    for _ in range(2 if word == "range" else 1):
        if not words:
            raise refused
        name = words.pop(0)
        number = PORTS.get(name, int(name) if name.isdecimal() else -1)
        if not 0 <= number <= 65_535:
            raise refused
        numbers.append(number)
    first = numbers[0]
    return Ports(
        {
            "eq": ((first, first),),
            "gt": ((first + 1, 65_535),),
            "lt": ((0, first - 1),),
            "neq": ((0, first - 1), (first + 1, 65_535)),
            "range": ((first, numbers[-1]),),
        }[word]
    )


@lru_cache(maxsize=50_000)
def parse(text: str, platform: str) -> Ace | None:
    """What an entry means, None for a remark. Raises `Refused` where it cannot be read."""
    ios = platform == "ios"
    refused = Refused(
        "% Invalid input detected at '^' marker.\n\n"
        if ios
        else "ERROR: % Invalid input detected at '^' marker.\n"
    )
    words = text.split()
    if words[0] == "remark":
        return None
    standard = words[0] == "standard"
    if words[0] in ("extended", "standard"):
        words.pop(0)
    if not words or words[0] not in ("permit", "deny"):
        raise refused
    permit = words.pop(0) == "permit"
    anywhere = Side("range", *EVERYTHING)
    if not words:
        raise refused
    first = words[0]
    if standard or (ios and (first in ("any", "host") or _address(first) is not None)):
        side = _side(words, ios=ios, refused=refused)
        # A standard list of an ASA names destinations, one of IOS names sources.
        source, destination = (side, anywhere) if ios else (anywhere, side)
        return Ace(permit, None, "", source, Ports(), destination, Ports(), None, "", True, False)
    protocol, service = None, ""
    if first in ("object", "object-group") and len(words) > 1:
        service = words[1]
        del words[:2]
    elif first in PROTOCOLS or first.isdecimal():
        protocol = PROTOCOLS[first] if first in PROTOCOLS else int(first)
        words.pop(0)
    else:
        raise refused
    ported = protocol in (6, 17) or bool(service)
    source = _side(words, ios=ios, refused=refused)
    sports = _ports(words, refused) if ported else Ports()
    if ported and len(words) > 2 and words[0] == "object-group" and _group_is_port(words):
        sports = Ports(name=words[1])
        del words[:2]
    destination = _side(words, ios=ios, refused=refused)
    dports = _ports(words, refused) if ported else Ports()
    icmp, icmp_group = None, ""
    if words[:1] == ["object-group"] and len(words) > 1:
        if protocol == 1:
            icmp_group = words[1]
        else:
            dports = Ports(name=words[1])
        del words[:2]
    if protocol == 1 and words and (words[0] in ICMP or words[0].isdecimal()):
        icmp = ICMP[words[0]] if words[0] in ICMP else int(words[0])
        words.pop(0)
    extra = ("log", "log-input", "inactive", "established", "time-range", "disable", "interval",
             "informational", "notifications", "warnings", "debugging", "default")  # fmt: skip
    if any(word not in extra and not word.isdecimal() for word in words):
        raise refused
    return Ace(
        permit, protocol, service, source, sports, destination, dports, icmp, icmp_group,
        "inactive" not in words, "established" in words,
    )  # fmt: skip


def _group_is_port(words: list[str]) -> bool:
    """Whether the group in front is one of source ports: a whole destination still follows it.

    A device knows by the group's type. By the words alone `object-group A object-group B` could be
    read in two ways; it is taken for a destination and its ports, source ports being rare.
    """
    rest = words[2:]
    if rest[0] == "object-group":
        return len(rest) > 3 and rest[2] in ("object-group", "eq", "gt", "lt", "neq", "range")
    return (
        rest[0] in ("any", "any4", "host", "object", "interface") or _address(rest[0]) is not None
    )
