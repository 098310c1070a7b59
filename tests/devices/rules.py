"""What the platforms refuse, replace, imply and hide; each rule with where it is documented.

[CR6] Cisco PIX Firewall Command Reference 6.3; [CR7] Cisco Security Appliance Command Reference
7.2; [CR9] Cisco ASA Series Command Reference 9.12; [CLI9] ASA Firewall CLI Configuration Guide 9.x;
[IOS] Cisco IOS 15 command references. [M]: the wording of the answer is from memory.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from . import access_lists
from .refusal import Refused

if TYPE_CHECKING:
    from .configuration import Configuration, Entry, Place, Section
    from .grammar import Kind

Key = tuple[str | None, ...]
OURS = "eMu"
"""Our own hashes begin with it (after the platform's type)."""


# -- words ----------------------------------------------------------------------------------------


def invalid(platform: str) -> str:
    """The command is unknown here."""
    if platform == "ios":
        return "% Invalid input detected at '^' marker.\n\n"
    if platform == "pix6":
        return "Type help or '?' for a list of available commands.\n"
    return "ERROR: % Invalid input detected at '^' marker.\n"


def incomplete(platform: str) -> str:
    """Something is missing behind it."""
    if platform == "ios":
        return "% Incomplete command.\n\n"
    if platform == "pix6":
        return "Not enough arguments.\nUsage:\t[no] access-list <id> ...\n"
    return "ERROR: % Incomplete command\n"


def physical(platform: str) -> str:
    """Hardware cannot be unplugged by a command."""
    if platform == "ios":
        return "% Removal of physical interfaces is not permitted\n"
    return "ERROR: physical interfaces cannot be removed\n"


def no_such_ace(platform: str, name: str) -> str:
    """[M]"""
    if platform == "pix6":
        return f"ERROR: access-list {name} line does not exist\n"
    return f"ERROR: access-list <{name}> entry does not exist\n"


def duplicate_ace(platform: str, name: str) -> str:
    """An entry that is there already is not added again [CLI9 warns, wording M]."""
    if platform == "pix6":
        return "ACE not added. Possible duplicate entry\n"
    return f"WARNING: <{name}> found duplicate element\n"


def nothing_to_remove(config: Configuration, kind: str, bare: str) -> str:
    """`no` of what is not there: routes, lists and groups complain, most others do not [M]."""
    ios = config.platform == "ios"
    if kind in ("route", "ip route"):
        raise Refused("%No matching route to delete\n")
    if kind == "interface" and not ios:
        raise Refused(invalid(config.platform))
    if kind in ("access-group", "object", "object-group", "static", "transform-set") and not ios:
        raise Refused(f"ERROR: {bare} does not exist\n")
    if kind.endswith("-object") and not ios:
        raise Refused(f"Removing obj ({bare}) failed; object does not exist\n")
    if kind in ("tunnel-group attributes", "username attributes"):
        raise Refused(f"ERROR: {bare.split()[0]} {bare.split()[1]} does not exist\n")
    return ""


# -- what is shown --------------------------------------------------------------------------------


def hashed(platform: str, clear: str) -> str:
    """A stand-in for the platform's hash: same shape, not the same function."""
    digest = base64.b64encode(hashlib.sha256(f"{platform}{clear}".encode()).digest()).decode()
    digest = digest.replace("+", "x").replace("/", "y").rstrip("=")
    if platform == "asa":
        return f"$sha512$5000${OURS}{digest[:21]}==${digest[:22]}=="
    if platform == "ios":
        return f"$9${OURS}{digest[:40]}"
    return OURS + digest[:13]


_CLEAR = {
    "enable password": re.compile(r"(enable password) (\S+)(?: level (\d+))?"),
    "passwd": re.compile(r"(passwd|password) (\S+)()"),
    "username": re.compile(r"(username \S+) password (\S+)(?: privilege (\d+))?"),
}
_CLEAR_IOS = {
    "enable secret": re.compile(r"(enable secret)(?: 0)? (\S+)"),
    "username": re.compile(r"(username \S+(?: privilege \d+)?) secret(?: 0)? (\S+)"),
}


def shown_as(config: Configuration, kind: str, line: str) -> str:
    """The line as the configuration keeps it: hashed, with its defaults written out."""
    platform = config.platform
    if platform == "ios":
        pattern = _CLEAR_IOS.get(kind)
        if pattern and (match := pattern.fullmatch(line)):
            middle = " secret" if kind == "username" else ""
            return f"{match[1]}{middle} 9 {hashed(platform, match[2])}"
        return line
    pattern = _CLEAR.get(kind)
    if pattern and (match := pattern.fullmatch(line)):
        # [CR9] enable password, username: typed in clear, shown encrypted; pbkdf2 from 9.7 on.
        kept = f"{hashed(platform, match[2])} {'pbkdf2' if platform == 'asa' else 'encrypted'}"
        if kind == "username":
            privilege = match[3] or "2"
            return f"{match[1]} password {kept} privilege {privilege}"
        return f"{'passwd' if kind == 'passwd' else match[1]} {kept}"
    if kind == "route":
        words = line.split()
        words[2:4] = ["0.0.0.0" if word == "0" else word for word in words[2:4]]
        # [CR9] route: the metric defaults to 1, and is always shown.
        return " ".join(words if len(words) == 6 else [*words, "1"])
    if kind in ("ssh", "telnet", "http"):
        words = line.split()
        if len(words) == 4:
            words[1:3] = ["0.0.0.0" if word == "0" else word for word in words[1:3]]
        return " ".join(words)
    return line


_SECRETS = (
    (re.compile(r"^( *(?:ikev1 )?pre-shared-key )\S+"), r"\1*****"),
    (re.compile(r"^( *key )\S+"), r"\1*****"),
    (re.compile(r"^( *ikev2 (?:local|remote)-authentication pre-shared-key )\S+"), r"\1*****"),
    (re.compile(r"^(snmp-server community )\S+"), r"\1*****"),
    (re.compile(r"^(snmp-server host \S+ \S+ community )\S+"), r"\1*****"),
)
_SECRETS_6 = ((re.compile(r"^(isakmp key )\S+"), r"\1********"),)


def mask(line: str, platform: str) -> str:
    """As `show running-config` gives it: [CR9] more, `system:running-config` shows the keys that
    `show running-config` hides; [CR7] one star; [CR6] isakmp key as eight; IOS hides nothing."""
    if platform == "ios":
        return line
    for pattern, cover in _SECRETS_6 if platform == "pix6" else _SECRETS:
        line = pattern.sub(cover.replace("*****", "*") if platform == "pix7" else cover, line)
    return line


def trunk(line: str, old: str) -> str:
    """[IOS] switchport trunk allowed vlan: `add` and `remove` change the list."""
    words = line.split()
    if words[4] not in ("add", "remove"):
        return line
    had = _vlans(old.split()[4]) if old else set(range(1, 4095))
    told = _vlans(words[5])
    return " ".join([*words[:4], _vlan_text(had | told if words[4] == "add" else had - told)])


def _vlans(text: str) -> set[int]:
    if text in ("all", "none"):
        return set(range(1, 4095)) if text == "all" else set()
    found: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return found


def _vlan_text(vlans: set[int]) -> str:
    parts: list[str] = []
    ordered = sorted(vlans)
    at = 0
    while at < len(ordered):
        end = at
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        low, high = ordered[at], ordered[end]
        parts.append(
            str(low) if low == high else f"{low}-{high}" if high > low + 1 else f"{low},{high}"
        )
        at = end + 1
    return ",".join(parts) or "none"


# -- references -----------------------------------------------------------------------------------


def users(config: Configuration, name: str) -> list[str]:
    """Lines that refer to an object or a group (both share one name space, [CLI9] objects)."""
    word = re.compile(rf"(?:object|object-group|group-object) {re.escape(name)}(?: |$)")
    found = [
        f"{place} {text}"
        for place, lines in config.lists.items()
        if not place.startswith("banner")
        for text in lines
        if name in text
        and (word.search(text) or (place.startswith("nat") and name in text.split()))
    ]
    for kind in ("object-group", "object"):
        for entry in config.root.of(kind).values():
            if entry.section is None:
                continue
            for same in entry.section.entries.values():
                found += [one.line for one in same.values() if word.search(one.line) or (
                    one.line.startswith("nat ") and name in one.line.split())]  # fmt: skip
    return found


def check_ace(config: Configuration, text: str) -> None:
    """[CLI9] guidelines for ACLs: an object or group must exist before an entry names it."""
    ace = access_lists.parse(text, config.platform)
    if ace is None:
        return
    named = [side.name for side in (ace.source, ace.destination) if side.kind.startswith("object")]
    named += [
        name for name in (ace.service, ace.sports.name, ace.dports.name, ace.icmp_group) if name
    ]
    for name in named:
        entry = config.root.of("object-group").get((name,)) or config.root.of("object").get((name,))
        if entry is None:
            raise Refused(f"ERROR: specified object or object-group <{name}> does not exist\n")
        if entry.section is None or not any(k != "description" for k in entry.section.entries if
                                            entry.section.entries[k]):  # fmt: skip
            raise Refused(f"ERROR: specified object-group <{name}> is empty\n")


_NAT_WORDS = (
    "any", "interface", "destination", "static", "dynamic", "service", "no-proxy-arp",
    "route-lookup", "unidirectional", "inactive", "source", "dns",
)  # fmt: skip


def check_nat(config: Configuration, text: str) -> None:
    """[CR9] nat: real and mapped objects must exist."""
    words = text.split()
    for word in words[2:]:
        if word in _NAT_WORDS:
            continue
        if word == "description":
            return
        if (word,) not in config.root.of("object") and (word,) not in config.root.of(
            "object-group"
        ):
            raise Refused(f"ERROR: {word} doesn't match an existing object or object-group\n")


def interface_named(config: Configuration, name: str | None) -> bool:
    """Whether an interface has this name."""
    if config.platform == "pix6":
        return any(one.line.split()[2] == name for one in config.root.of("nameif").values())
    return any(
        one.section is not None and one.section.line("nameif") == f"nameif {name}"
        for one in config.root.of("interface").values()
    )


def before_set(
    config: Configuration,
    section: Section,
    kind: str,
    key: Key,
    line: str,
    old: Entry | None,
    place: list[Place],
) -> str:
    """Refuse what the platform refuses; the words of a warning otherwise."""
    platform = config.platform
    words = line.split()
    if kind == "interface" and old is None and not config.booting and not _virtual(words[1]):
        raise Refused(invalid(platform))
    if platform == "ios":
        return ""
    newer = platform == "asa"
    if newer and section is config.root and kind in ("nat", "global", "static"):
        raise Refused("ERROR: This syntax of nat command has been deprecated.\n")  # 8.3 on
    if not newer and kind in ("object", "manual nat"):
        raise Refused(invalid(platform))
    if kind in ("access-group", "access-group global"):
        lines = config.lists.get(f"access-list {words[1]}", [])
        if not any(access_lists.counts(one) for one in lines):
            # [CR9] access-group: the list must exist and hold more than remarks.
            raise Refused(f"ERROR: access-list <{words[1]}> does not exist\n")
        if kind == "access-group" and not interface_named(config, key[1]):
            raise Refused(f"ERROR: interface <{key[1]}> not defined\n")
    elif kind == "route":
        _check_route(config, words, old)
    elif kind in ("telnet", "ssh", "http") and len(words) == 4 and words[1][0].isdecimal():
        if not interface_named(config, words[3]):
            raise Refused(f"ERROR: interface <{words[3]}> not defined\n")
    elif kind == "object-group":
        if old is not None and old.line != line:
            raise Refused(
                f"An object-group with the same id ({key[0]}) but a different type exists\n"
            )
        if (key[0],) in config.root.of("object"):
            raise Refused(f"ERROR: {key[0]} is the name of an object\n")
    elif kind == "object":
        if (key[0],) in config.root.of("object-group"):
            raise Refused(f"ERROR: {key[0]} is the name of an object-group\n")
    elif kind.endswith("-object") or kind == "group-object":
        group = place[-1].header.split()[2]
        if old is not None:
            # [CR6], [CR9] object-group: members are unique.
            raise Refused(f"Adding obj ({line}) to grp ({group}) failed; object already exists\n")
        member = words[-1] if kind == "group-object" or words[1:2] == ["object"] else None
        if member is not None and not any(
            (member,) in config.root.of(one) for one in ("object", "object-group")
        ):
            raise Refused(f"Adding obj ({line}) to grp ({group}) failed; object does not exist\n")
        if kind == "group-object" and member == group:
            raise Refused(f"Adding obj ({line}) to grp ({group}) failed; cannot contain itself\n")
    elif kind == "static":
        _check_static(config, key, line, old)
    elif kind == "crypto map":
        return _check_crypto_map(config, key, words)
    elif kind == "tunnel-group attributes" and (key[0],) not in config.root.of("tunnel-group"):
        raise Refused(f"ERROR: tunnel group {key[0]} does not exist\n")
    elif kind == "username attributes" and (key[0],) not in config.root.of("username"):
        raise Refused(f"ERROR: username {key[0]} does not exist\n")
    return ""


def _virtual(name: str) -> bool:
    """Whether an interface can be made by naming it."""
    return "." in name or name.startswith(("Vlan", "vlan", "Loopback", "Tunnel", "Port-channel"))


def _check_route(config: Configuration, words: list[str], old: Entry | None) -> None:
    """[CR6] route: one default route, one route to a destination; 8.2 configuration guide, static
    routes: up to three equal-cost routes to one destination, all through the same interface."""
    if old is not None:
        if old.line == " ".join(words):
            raise Refused("ERROR: Route already exists\n" if config.platform == "pix6" else
                          "ERROR: Cannot add route entry, route already exists\n")  # fmt: skip
        return
    if not interface_named(config, words[1]):
        raise Refused(f"ERROR: interface <{words[1]}> not defined\n")
    same = [
        one.line.split()
        for one in config.root.of("route").values()
        if one.line.split()[2:4] == words[2:4] and one.line.split()[5] == words[5]
    ]
    if config.platform == "pix6" and same:
        raise Refused("ERROR: Route already exists\n")
    if len(same) >= 3 or any(one[1] != words[1] for one in same):
        raise Refused("ERROR: Cannot add route entry, possible conflict with existing routes.\n")


def _check_static(config: Configuration, key: Key, line: str, old: Entry | None) -> None:
    """[CR6], [CR7] static: a mapped address is given away once; a real one once on an interface."""
    if old is not None:
        raise Refused("ERROR: duplicate of existing static\n")
    real = line.split()[3 if line.split()[2] not in ("tcp", "udp") else 5]
    for other, entry in config.root.of("static").items():
        words = entry.line.split()
        theirs = words[3 if words[2] not in ("tcp", "udp") else 5]
        if other[0] == key[0] and theirs == real and words[2] not in ("tcp", "udp"):
            raise Refused("ERROR: duplicate of existing static\n")


def _check_crypto_map(config: Configuration, key: Key, words: list[str]) -> str:
    """[CR7] crypto map set transform-set: it must exist; match address of an unknown list leaves
    the entry incomplete."""
    if key[2] and key[2].endswith("transform-set"):
        for name in words[words.index("transform-set") + 1 :]:
            if (name,) not in config.root.of("transform-set"):
                raise Refused(f'ERROR: transform set with tag "{name}" does not exist.\n')
    if key[2] == "match address" and f"access-list {words[-1]}" not in config.lists:
        return "WARNING: The crypto map entry is incomplete!\n"
    return ""


def after_set(config: Configuration, section: Section, kind: str, line: str) -> str:
    """What a command brings with it."""
    if kind == "nameif" and section.name == "asa interface":
        return _named(config, section, line.split()[1])
    return ""


def _named(config: Configuration, section: Section, name: str) -> str:
    """[CR9] nameif, security-level: `inside` gets 100 and every other name 0; an MTU of 1500 is
    shown for each named interface."""
    from .grammar import kind_of

    said = ""
    root = config.root
    mtu = root.entries.setdefault("mtu", {})
    for old in [key for key in mtu if not interface_named(config, key[0])]:
        _drop_references(config, old[0] or "", to=name)
    if (name,) not in mtu:
        config._put(root, kind_of(root.name, "mtu"), (name,), f"mtu {name} 1500")  # noqa: SLF001
    if not section.of("security-level"):
        level = 100 if name == "inside" else 0
        said = f'INFO: Security level for "{name}" set to {level} by default.\n'
        config._put(  # noqa: SLF001
            section, kind_of(section.name, "security-level"), (), f"security-level {level}"
        )
    return said


_BY_INTERFACE = ("mtu", "ssh", "telnet", "http", "route", "access-group", "global", "nat", "static",
                 "crypto map interface", "icmp", "snmp-server", "logging")  # fmt: skip


def _drop_references(config: Configuration, name: str, to: str | None = None) -> None:
    """[CR9] nameif: `no nameif` deletes the commands that refer to the name; entering another name
    renames the interface (that the commands follow is [M])."""
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    for kind in _BY_INTERFACE:
        same = config.root.entries.get(kind, {})
        for key in [key for key, one in same.items() if word.search(one.line)]:
            entry = same.pop(key)
            if to is not None:
                entry.line = word.sub(to, entry.line)
                same[tuple(None if one is None else word.sub(to, one) for one in key)] = entry


def before_unset(
    config: Configuration, section: Section, kind: Kind, key: Key, bare: str, old: Entry
) -> str:
    """Refuse to take away what is in use; carry away what hangs on it."""
    name = kind.name
    if config.platform == "ios":
        if name == "transform-set" and _in_maps(config, key[0] or ""):
            raise Refused(f"Transform set {key[0]} is in use by a crypto map\n")
        return ""
    if kind.exact and old.line != bare:
        raise Refused(f"ERROR: {bare} is not configured\n")
    if name in ("object", "object-group"):
        # [CLI9] guidelines for ACLs: what is referenced cannot be deleted.
        if users(config, key[0] or ""):
            if name == "object":
                raise Refused(f"ERROR: unable to delete object ({key[0]}). object is being used.\n")
            raise Refused(f"Removing object-group ({key[0]}) not allowed, it is being used.\n")
    elif name.endswith("-object") or name == "group-object":
        _check_last_member(config, section, bare)
    elif name == "value":
        group = _owner(config, section)
        if users(config, group):
            raise Refused(f"ERROR: unable to empty object ({group}). object is being used.\n")
    elif name == "transform-set":
        if _in_maps(config, key[0] or ""):
            raise Refused(f'ERROR: transform set with tag "{key[0]}" is in use.\n')
    elif name == "nameif" and section.name == "asa interface":
        _drop_references(config, old.line.split()[1])
        section.entries.pop("security-level", None)
    elif name == "tunnel-group":
        same = config.root.entries.get("tunnel-group attributes", {})
        for one in [one for one in same if one[0] == key[0]]:
            del same[one]
    elif name == "username":
        config.root.entries.get("username attributes", {}).pop(key, None)
    return ""


def _owner(config: Configuration, section: Section) -> str:
    for kind in ("object-group", "object"):
        for key, entry in config.root.of(kind).items():
            if entry.section is section:
                return key[0] or ""
    return ""


def _check_last_member(config: Configuration, section: Section, bare: str) -> None:
    """[CLI9] a group that an entry names cannot be left empty."""
    members = sum(len(same) for kind, same in section.entries.items() if kind != "description")
    group = _owner(config, section)
    if members == 1 and users(config, group):
        raise Refused(f"Removing obj ({bare}) from grp ({group}) not allowed, it is being used.\n")


def _in_maps(config: Configuration, name: str) -> bool:
    for kind in ("crypto map",):
        for entry in config.root.of(kind).values():
            lines = [entry.line]
            if entry.section is not None:
                lines = [entry.section.line("set transform-set")]
            if any("transform-set" in line and name in line.split() for line in lines):
                return True
    return False
