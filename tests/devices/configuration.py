"""A configuration as the device holds it: what a command does to it, and how it is shown."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from . import access_lists, rules
from .grammar import OPEN, Compiled, Kind, kind_of, table
from .refusal import Refused

HEADERS = {
    "pix6": (": Saved", ":", "PIX Version 6.3(5)"),
    "pix7": (": Saved", ":", "PIX Version 7.2(4) ", "!"),
    "asa": (": Saved", ":", "ASA Version 9.12(4)67 ", "!"),
    "ios": ("!", "version 17.9"),
}
_NO_COMMAND = re.compile(
    r"\s*(?:!.*|:.*|end|exit-address-family|exit|Cryptochecksum:.*|(?:ASA|PIX) Version .*|"
    r"version \S+|"
    r"Building configuration.*|Current configuration.*|\[OK\])?\s*"
)
_BANNER = re.compile(r"(banner (?:motd|login|exec|asdm))(?: (.*))?", re.S)
_NAT = re.compile(r"nat \((\S+)\) (?:(\d+) |(after-auto) (?:(\d+) )?)?(source .+)")
_ACE = re.compile(r"access-list (\S+)(?: line (\d+))?(?: (.+))?")
_RULE = re.compile(r"(?:(\d+) )?((?:permit|deny|remark) .+)")


class Entry:
    """One line, with its section below it if it has one."""

    __slots__ = ("kind", "line", "numbered", "section")

    def __init__(self, kind: Kind, line: str, section: Section | None) -> None:
        self.kind = kind
        self.line = line
        self.section = section
        self.numbered: dict[int, str] = {}
        """Rules of an IOS access list by sequence number."""


class Section:
    """Lines of one level, by kind and key, in the order of their making."""

    __slots__ = ("entries", "free", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: dict[str, dict[tuple[str | None, ...], Entry]] = {}
        self.free: dict[str, None] = {}
        """Lines of an open section."""

    def of(self, kind: str) -> dict[tuple[str | None, ...], Entry]:
        """All entries of a kind."""
        return self.entries.get(kind, {})

    def line(self, kind: str) -> str:
        """The line of a kind that has one value; empty where it is not set."""
        return next((entry.line for entry in self.of(kind).values()), "")


class Place(NamedTuple):
    """A section that a session stands in."""

    header: str
    section: Section
    entry: Entry | None


class Configuration:
    """Running configuration of one device (or context)."""

    def __init__(self, platform: str, interfaces: tuple[str, ...] = ()) -> None:
        self.platform = platform
        self.root = Section(platform)
        self.lists: dict[str, list[str]] = {}
        """Ordered lines of PIX and ASA: `access-list X`, `nat`, `nat after-auto`, `banner motd`."""
        self.members: dict[str, set[str]] = {}
        """The same lines as sets, so that a long list is not searched at each line."""
        self.errors: list[str] = []
        """What was refused while booting."""
        self.hardware = interfaces
        self.version = 0
        """Counts the changes."""
        self.booting = True
        """Reading a saved configuration: whatever interfaces it has, there are."""
        for name in interfaces:
            self._blank_interface(name)

    @classmethod
    def boot(cls, platform: str, text: str, interfaces: tuple[str, ...] = ()) -> Configuration:
        """A device that starts from this text; lines it cannot read are in `errors`."""
        made = cls(platform, interfaces)
        lines = iter(text.splitlines())
        path: list[Place] = []
        depths: list[int] = []
        for raw in lines:
            if _NO_COMMAND.fullmatch(raw):
                continue
            line, depth = raw.strip(), len(raw) - len(raw.lstrip())
            if platform == "ios" and (banner := _BANNER.fullmatch(line)):
                line = read_banner(banner, lines)
            while depths and depth <= depths[-1]:
                depths.pop()
                path.pop()
            if (
                not path
                and line.startswith("interface ")
                and platform != "pix6"
                and not made.root.of("interface").get((line.split()[1],))
            ):
                made.hardware += (line.split()[1],)
            try:
                new = made.apply(path, line)[1]
            except Refused as refused:
                made.errors.append(f"{line}: {refused.text}")
                continue
            depths = [*depths[: len(new)], *[depth] * (len(new) - len(depths))]
            path = new
        made.version = 0
        made.booting = False
        return made

    def _blank_interface(self, name: str) -> None:
        if self.platform == "pix6":
            # PIX 6.3 command reference, interface: all are shut down until configured.
            self._put(
                self.root, kind_of("pix6", "interface"), (name,), f"interface {name} auto shutdown"
            )
            return
        found = kind_of(self.root.name, "interface")
        entry = self._put(self.root, found, (name,), f"interface {name}")
        # Interfaces of a firewall are shut down until configured (ASA 9.12 command reference,
        # shutdown: the default of physical interfaces); ports of a switch are not.
        if self.platform != "ios" and entry.section is not None:
            self._put(entry.section, kind_of(entry.section.name, "shutdown"), (), "shutdown")

    # -- commands --------------------------------------------------------------------------------

    def apply(self, path: list[Place], command: str) -> tuple[str, list[Place]]:
        """Carry out one configuration command; what the device says, and where the session then is.

        Raises `Refused` with the device's words where it does not do it.
        """
        line = command.strip()
        if not line.startswith(("banner", "description", "no description")):
            line = " ".join(line.split())
        negated = line.startswith("no ")
        bare = line[3:] if negated else line
        special = self._special(path, bare, negated=negated)
        if special is not None:
            self.version += 1
            stays = bool(path) and path[-1].section.name == "numbered"
            return special, path if stays and not bare.startswith("banner") else []
        level, found, match = self._find(path, bare, negated=negated)
        if found is None or match is None:
            self._free_line(path, bare, negated=negated)
            return "", path
        section = path[level].section if level >= 0 else self.root
        place = path[: level + 1]
        key = tuple(match.groups())
        if negated:
            said = self._unset(section, found, key, bare)
        else:
            if self.booting and found.kind.name == "interface":
                self._present(section, key)
            said, entry = self._set(section, found, key, bare, place)
            if entry is not None and entry.section is not None:
                place = [*place, Place(bare, entry.section, entry)]
        self.version += 1
        return said, place

    def _present(self, section: Section, key: tuple[str | None, ...]) -> None:
        """A saved interface without `shutdown` is up."""
        entry = section.of("interface").get(key)
        if entry is not None and entry.section is not None:
            entry.section.entries.pop("shutdown", None)

    def _find(
        self, path: list[Place], bare: str, *, negated: bool
    ) -> tuple[int, Compiled | None, re.Match[str] | None]:
        for level in range(len(path) - 1, -2, -1):
            name = path[level].section.name if level >= 0 else self.root.name
            for one in table(name):
                pattern = one.head if negated else one.whole
                if match := pattern.fullmatch(bare):
                    return level, one, match
            if name in OPEN:
                break
        return -1, None, None

    def _free_line(self, path: list[Place], bare: str, *, negated: bool) -> None:
        if not path or path[-1].section.name not in OPEN:
            raise Refused(rules.invalid(self.platform))
        free = path[-1].section.free
        if not negated:
            free.pop(f"no {bare}", None)
            free[bare] = None
        elif bare in free:
            del free[bare]
        else:
            free[f"no {bare}"] = None
        self.version += 1

    def _special(self, path: list[Place], bare: str, *, negated: bool) -> str | None:
        """Ordered lines; None where the command is none of them."""
        if self.platform == "ios":
            if path and path[-1].section.name == "numbered" and path[-1].entry is not None:
                return self._numbered(path[-1].entry, bare, negated=negated)
            if bare.startswith("ip access-list resequence "):
                return self._resequence(bare.split()[3:])
            banner = _BANNER.fullmatch(bare)
            if banner and not negated:
                key = (banner[1].split()[1],)
                self._put(self.root, kind_of("ios", "banner"), key, bare)
                return ""
            return None
        if bare.startswith("clear ") and not negated:
            return self._clear(bare.split()[1:])
        if match := _ACE.fullmatch(bare):
            return self._ace(match, negated=negated)
        if self.platform == "asa" and (match := _NAT.fullmatch(bare)):
            return self._manual_nat(match, negated=negated)
        if match := _BANNER.fullmatch(bare):
            # Each command adds a line, `no` takes all away (ASA 9.12 command reference, banner).
            if negated:
                self.lists.pop(match[1], None)
            else:
                self.lists.setdefault(match[1], []).append(match[2] or "")
            return ""
        return None

    def _set(
        self,
        section: Section,
        found: Compiled,
        key: tuple[str | None, ...],
        line: str,
        place: list[Place],
    ) -> tuple[str, Entry | None]:
        kind = found.kind
        if kind.toggle == "negative":
            section.entries.get(kind.name, {}).pop(key, None)
            return "", None
        line = rules.shown_as(self, kind.name, line)
        old = section.of(kind.name).get(key)
        said = rules.before_set(self, section, kind.name, key, line, old, place)
        if kind.section is not None and old is not None:
            return said, old
        if kind.name == "switchport trunk allowed vlan":
            line = rules.trunk(line, "" if old is None else old.line)
        entry = self._put(section, found, key, line)
        return said + rules.after_set(self, section, kind.name, line), entry

    def _put(
        self, section: Section, found: Compiled, key: tuple[str | None, ...], line: str
    ) -> Entry:
        kind = found.kind
        made = None if kind.section is None else Section(kind.section)
        same = section.entries.setdefault(kind.name, {})
        old = same.get(key)
        if old is not None:
            old.line = line
            return old
        entry = same[key] = Entry(kind, line, made)
        return entry

    def _unset(
        self, section: Section, found: Compiled, key: tuple[str | None, ...], bare: str
    ) -> str:
        kind = found.kind
        if kind.toggle == "negative" or (kind.toggle == "shown" and kind.default is None):
            line = f"no {bare}"
            if kind.name == "ip address":
                line = "no ip address" + "".join(f" {one}" for one in key)
            self._put(section, found, key, line)
            return ""
        same = section.entries.get(kind.name, {})
        old = same.get(key)
        if old is None:
            return rules.nothing_to_remove(self, kind.name, bare)
        said = rules.before_unset(self, section, kind, key, bare, old)
        if kind.name == "interface" and key[0] in self.hardware:
            raise Refused(rules.physical(self.platform))
        del same[key]
        return said

    # -- ordered lines ---------------------------------------------------------------------------

    def _ace(self, match: re.Match[str], *, negated: bool) -> str:
        name, number, rest = match[1], match[2], match[3]
        place = f"access-list {name}"
        lines = self.lists.get(place, [])
        if rest is None:
            # PIX 6.3 command reference, access-list: `no access-list id` removes all of it; from
            # 7.0 on `clear configure access-list` does (7.2 command reference, access-list).
            if negated and self.platform == "pix6" and number is None:
                return self._drop_list(name)
            raise Refused(rules.incomplete(self.platform))
        if self.platform == "asa" and rest.startswith("ethertype"):
            raise Refused(rules.invalid(self.platform))
        text = access_lists.shown(rest, self.platform)
        rules.check_ace(self, text)
        known = self.members.setdefault(place, set())
        at = None if number is None else int(number) - 1
        if at is not None and at < 0:
            raise Refused(rules.invalid(self.platform))
        if negated:
            if at is None or at >= len(lines) or lines[at] != text:
                if text not in known or at is not None:
                    raise Refused(rules.no_such_ace(self.platform, name))
                at = lines.index(text)
            del lines[at]
            if text not in lines if text.startswith("remark ") else True:
                known.discard(text)
            if not any(access_lists.counts(one) for one in lines):
                # 7.2 and 9.12 command references, access-group: the command goes with the last
                # permit or deny of its list; an empty list cannot be bound.
                self._unbind(name)
            if not lines:
                self.lists.pop(place, None)
            return ""
        if text in known and not text.startswith("remark "):
            return rules.duplicate_ace(self.platform, name)
        lines = self.lists.setdefault(place, lines)
        lines.insert(len(lines) if at is None else min(at, len(lines)), text)
        known.add(text)
        return ""

    def _drop_list(self, name: str) -> str:
        if self.lists.pop(f"access-list {name}", None) is None:
            raise Refused(rules.no_such_ace(self.platform, name))
        self.members.pop(f"access-list {name}", None)
        self._unbind(name)
        return ""

    def _unbind(self, name: str) -> None:
        for kind in ("access-group", "access-group global"):
            bound = self.root.of(kind)
            for key in [k for k, one in bound.items() if one.line.split()[1] == name]:
                del bound[key]

    def _manual_nat(self, match: re.Match[str], *, negated: bool) -> str:
        pair, first, after, second, rest = match.groups()
        lines = self.lists.setdefault("nat after-auto" if after else "nat", [])
        line = f"nat ({pair}) {'after-auto ' if after else ''}{rest}"
        number = first or second
        if negated:
            if line not in lines:
                raise Refused("ERROR: NAT rule not found\n")
            lines.remove(line)
            return ""
        rules.check_nat(self, rest)
        if line in lines:
            raise Refused("ERROR: Duplicate NAT rule\n")
        lines.insert(len(lines) if number is None else min(int(number) - 1, len(lines)), line)
        return ""

    def _clear(self, words: list[str]) -> str | None:
        """`clear configure X ...` (7.2 command reference), `clear X` in PIX 6.3."""
        if words[:1] == ["configure"]:
            words = words[1:]
        elif self.platform != "pix6":
            return None
        if words[:1] == ["access-list"] and len(words) == 2:
            return self._drop_list(words[1])
        known = [one.kind.name for one in table(self.root.name)]
        text = " ".join(words)
        kinds = [name for name in known if name == text or name.startswith(text + " ")]
        if text == "access-list":
            for name in [one.split()[1] for one in self.lists if one.startswith(text)]:
                self._drop_list(name)
            return ""
        if not kinds or text in ("interface", "object", "object-group"):
            return None
        for name in kinds:
            self.root.entries.pop(name, None)
        return ""

    def _numbered(self, entry: Entry, bare: str, *, negated: bool) -> str | None:
        """IP Access List Entry Sequence Numbering, IOS 12.2(14)S and later: ten more than the last
        where no number is given, the same entry again changes nothing, a taken one is refused."""
        found = entry.numbered
        if negated and bare.isdecimal():
            if int(bare) not in found:
                raise Refused("%Entry not found\n")
            del found[int(bare)]
            return ""
        match = _RULE.fullmatch(bare)
        if match is None:
            return None
        text = access_lists.shown(match[2], "ios")
        access_lists.parse(text, "ios")  # a rule that cannot be read is refused here
        number = None if match[1] is None else int(match[1])
        there = next((n for n, one in found.items() if one == text), None)
        if negated:
            if there is None:
                raise Refused("%Entry not found\n")
            del found[there]
            return ""
        if there is not None and not text.startswith("remark "):
            return ""
        if number in found:
            raise Refused("% Duplicate sequence number\n")
        if number is None:
            number = max(found, default=0) + 10
        found[number] = text
        entry.numbered = dict(sorted(found.items()))
        return ""

    def _resequence(self, words: list[str]) -> str:
        entry = self.root.of("ip access-list").get((words[0],)) if words else None
        if entry is None or len(words) != 3:
            raise Refused("%Access-list does not exist\n")
        start, step = int(words[1]), int(words[2])
        texts = entry.numbered.values()
        entry.numbered = {start + step * n: text for n, text in enumerate(texts)}
        return ""

    # -- showing ---------------------------------------------------------------------------------

    def lines(self, *, masked: bool = False) -> list[str]:
        """The commands in the order in which they are shown, sections indented."""
        shown: list[str] = []
        nat = ["nat", "nat after-auto"]
        for one in sorted(table(self.root.name), key=lambda one: one.rank):
            name = one.kind.name
            if name == "access-list":
                for place, rules_ in self.lists.items():
                    if place.startswith("access-list "):
                        shown += [f"{place} {text}" for text in rules_]
            elif name == "banner" and self.platform != "ios":
                for place, texts in self.lists.items():
                    if place.startswith("banner "):
                        shown += [f"{place} {text}".rstrip() for text in texts]
            elif name == "manual nat":
                shown += self.lists.get(nat[0], [])
                shown += self._object_nat()
                shown += self.lists.get(nat[1], [])
            else:
                shown += self._entries(self.root, one, 0)
        return [rules.mask(line, self.platform) for line in shown] if masked else shown

    def _object_nat(self) -> list[str]:
        """An ASA shows the NAT of its objects in blocks of their own, behind the lists."""
        shown = []
        for entry in self.root.of("object").values():
            for nat in [] if entry.section is None else entry.section.of("nat").values():
                shown += [entry.line, f" {nat.line}"]
        return shown

    def _entries(self, section: Section, one: Compiled, depth: int) -> list[str]:
        pad = ("  " if self.platform == "pix6" else " ") * depth
        kind = one.kind
        if kind.name == "nat" and section.name == "object":
            return []
        shown = []
        for entry in section.of(kind.name).values():
            shown.append(pad + entry.line)
            # IOS fills `deny` up to the width of `permit`.
            shown += [
                f"{pad} {n} {text.replace('deny ', 'deny   ', 1)}"
                for n, text in entry.numbered.items()
            ]
            if entry.section is not None:
                shown += self._section(entry.section, depth + 1)
        if not shown and kind.default is not None:
            shown.append(pad + kind.default)
        return shown

    def _section(self, section: Section, depth: int) -> list[str]:
        shown: list[str] = []
        for one in sorted(table(section.name), key=lambda one: one.rank):
            shown += self._entries(section, one, depth)
        return shown + [" " * depth + line for line in section.free]

    def text(self, *, masked: bool = False) -> str:
        """As `show running-config` gives it, without what the command says around it."""
        out = list(HEADERS[self.platform])
        deep = False
        for line in self.lines(masked=masked):
            section = line.startswith(" ")
            starts = line.startswith("interface ") or (
                self.platform == "ios"
                and line.startswith(("line ", "vlan ", "banner ", "ip access-list "))
            )
            if self.platform != "pix6" and not section and (deep or starts) and out[-1] != "!":
                out.append("!")
            deep = section
            out.append(line)
        if self.platform == "ios":
            return "\n".join([*out, "!", "end"]) + "\n"
        return "\n".join([*out, f"Cryptochecksum:{self.checksum()}", ": end"]) + "\n"

    def checksum(self) -> str:
        """Changes with each change of the configuration; 32 hexadecimal digits."""
        return hashlib.md5("\n".join(self.lines()).encode(), usedforsecurity=False).hexdigest()

    def snapshot(self) -> dict[str, tuple[str, ...]]:
        """What the configuration means, whatever the order of typing: lines of each section sorted,
        ordered lists as they are."""
        told: dict[str, list[str]] = {}
        for place, lines in self.lists.items():
            if lines:
                told[place] = list(lines)
        self._tell("", self.root, told)
        return {
            place: tuple(lines)
            if place in self.lists or " access-list " in place
            else tuple(sorted(lines))
            for place, lines in told.items()
        }

    def _tell(self, place: str, section: Section, told: dict[str, list[str]]) -> None:
        lines = told.setdefault(place, [])
        for one in table(section.name):
            entries = section.of(one.kind.name)
            if not entries and one.kind.default is not None:
                lines.append(one.kind.default)
            for entry in entries.values():
                lines.append(entry.line)
                below = f"{place} {entry.line}"
                if entry.numbered:
                    told[below] = [f"{n} {text}" for n, text in entry.numbered.items()]
                if entry.section is not None:
                    self._tell(below, entry.section, told)
        lines += section.free


def read_banner(match: re.Match[str], more: object) -> str:
    """The whole of an IOS banner; it ends with the character that it begins with."""
    rest = match[2] or ""
    mark = rest[:2] if rest.startswith("^") else rest[:1]
    told = rest
    while mark and mark not in told[len(mark) :]:
        following = next(more, None)  # type: ignore[call-overload]
        if following is None:
            break
        told += "\n" + following
    return f"{match[1]} {told}"
