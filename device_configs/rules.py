"""The security rules in force on a firewall or switch, out of its configuration.

Pure. One row an entry, in the order in which a packet meets them; an interface without a list has
none. Hit counts come from `show access-list` where somebody has asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from device_configs import plan_asa, plan_ios
from device_configs.aces import ace, one_spelling
from device_configs.filters import Filters
from device_configs.sections import family, parse

_HITS = re.compile(r"access-list (\S+) line \d+ (.+?) \(hitcnt=(\d+)\)")
_HITS_IOS = re.compile(r"^\s+\d+ (.+?)(?: \((\d+) match(?:es)?\))?$")
_LIST_IOS = re.compile(r"(?:Extended|Standard) IP access list (\S+)")


@dataclass(frozen=True, slots=True)
class SecurityRule:
    """One rule; addresses, objects and ports as the device writes them."""

    number: int
    """1 is the first that a packet meets in its list."""
    list: str
    interface: str
    """Empty: the list is not bound to any interface; `any`: a conduit, which is for all."""
    direction: str
    action: str
    protocol: str
    source: str
    source_port: str
    destination: str
    destination_port: str
    options: str
    active: bool
    remark: str
    """The remarks right before the rule."""
    hits: int | None = None

    def as_json(self) -> dict[str, object]:
        """For `--json` and CSV."""
        return asdict(self)


def rules(
    text: str, platform: str, hits: Mapping[tuple[str, str], int] | None = None
) -> tuple[SecurityRule, ...]:
    """All rules of a configuration: bound lists first, each for each place it is bound to.

    `hits`: what `hit_counts` gave. An entry of a standard list has its addresses as `source`.
    """
    ios = family(platform, text) == "ios"
    lines = parse(text)
    found = plan_ios.filters(lines, plan_ios.lists_in(lines)) if ios else plan_asa.filters(lines)
    bound = [(name, *_place(slot)) for slot, name in found.slots.items()]
    used = {name for name, _, _ in bound}
    bound += [(name, "", "") for name in found.lists if name not in used]
    conduits = tuple(line.text for line in lines if line.text.startswith("conduit "))
    return (*_conduits(conduits), *(
        rule
        for name, interface, direction in bound
        for rule in _of_list(found, name, interface, direction, hits or {}, ios=ios)
    ))  # fmt: skip


def _conduits(lines: Sequence[str]) -> Iterator[SecurityRule]:
    """What a PIX lets in from lower to higher levels by every interface; the destination is written
    first (PIX 6.3 command reference, `conduit`)."""
    for number, line in enumerate(lines, 1):
        entry = line.removeprefix("conduit ")
        parts, words = ace(entry), entry.split()
        yield SecurityRule(
            number=number,
            list="conduit",
            interface="any",
            direction="in",
            action=words[0],
            protocol=parts.protocol if parts else words[1],
            source=parts.destination if parts else "",
            source_port=parts.destination_port if parts else "",
            destination=parts.source if parts else " ".join(words[2:]),
            destination_port=parts.source_port if parts else "",
            options=parts.rest if parts else "",
            active=True,
            remark="",
        )


def _place(slot: str) -> tuple[str, str]:
    if found := re.match(r"(in|out) interface (\S+)", slot):
        return found[2], found[1]
    if found := re.match(r"(?:interface )?(.+) / (in|out)", slot):
        return found[1], found[2]
    return slot, ""


def _of_list(
    found: Filters,
    name: str,
    interface: str,
    direction: str,
    hits: Mapping[tuple[str, str], int],
    *,
    ios: bool,
) -> list[SecurityRule]:
    made: list[SecurityRule] = []
    remarks: list[str] = []
    for entry in found.lists.get(name, ()):
        words = entry.split()
        if words[0] == "remark":
            remarks.append(entry.partition(" ")[2].strip())
            continue
        parts = ace(entry)
        plain = [word for word in words if word not in ("extended", "standard", "inactive")]
        if len(plain) < 2:
            continue
        options = parts.rest if parts else ""
        if parts is None and plain[-1] == "log":
            options = plain.pop()
        made.append(
            SecurityRule(
                number=len(made) + 1,
                list=name,
                interface=interface,
                direction=direction,
                action=plain[0],
                protocol=parts.protocol if parts else "ip",
                source=parts.source if parts else " ".join(plain[1:]),
                source_port=parts.source_port if parts else "",
                destination=parts.destination if parts else "any",
                destination_port=parts.destination_port if parts else "",
                options=" ".join(word for word in options.split() if word != "inactive"),
                active="inactive" not in words,
                remark=" ".join(remarks),
                hits=hits.get((name, one_spelling(entry, wildcard=ios))),
            )
        )
        remarks = []
    return made


def hit_counts(shown: str, platform: str) -> dict[tuple[str, str], int]:
    """List and entry to how often it matched, from `show access-list` (`show access-lists`).

    The members of a group, which a PIX or ASA shows one by one, are not entries of their own: the
    line with the group has the count that the device adds up, or none.
    """
    counts: dict[tuple[str, str], int] = {}
    name = ""
    for line in shown.replace("\r", "").split("\n"):
        if not platform.startswith("cisco_ios") and (found := _HITS.match(line)):
            counts[found[1], one_spelling(found[2])] = int(found[3])
        elif header := _LIST_IOS.match(line):
            name = header[1]
        elif name and (row := _HITS_IOS.match(line)):
            counts[name, one_spelling(row[1], wildcard=True)] = int(row[2] or 0)
    return counts
