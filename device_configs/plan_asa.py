"""The planner for PIX 6, PIX 7/8 and ASA: what their commands replace, need and refuse.

Pure. Sources: Cisco PIX Firewall Command Reference 6.3, Cisco Security Appliance Command Reference
7.2 and the ASA Series command references (chapters by command name).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from device_configs.access_lists import edits
from device_configs.aces import one_spelling
from device_configs.filters import Command, Filters, filter_steps
from device_configs.sections import Family, Line, pix_release
from device_configs.steps import Grammar, Phase, Plan, Risk, Step, assembled, compare, items
from device_configs.table_asa import FALLBACK, NAT_GAP, rules

_ACCESS_GROUP = re.compile(r"access-group (\S+) (.+)$")
_MANUAL_NAT = re.compile(r"(nat \(\S+\)) (after-auto )?(?:\d+ )?(source .+)$")
_ELSEWHERE = re.compile(
    r"access-list |access-group |banner |conduit |nat \(\S+\) (?:after-auto |\d+ )?source "
)
_NO_ADDRESS = re.compile(
    r"(name|description|banner|object|object-group|group-object|hostname|domain-name|username|"
    r"tunnel-group|group-policy|access-group|interface|nameif|class|class-map|policy-map)\b(?!-)"
)
"""Commands in which a word is no name of an address, though it may read like one."""
_NAMERS = ("access-list", "object", "object-group", "map", "dynamic-map")
"""Words before the name of something else than an address."""
_DEFAULTS = re.compile(
    r"hostname (ciscoasa|pixfirewall)$|pager lines 24$|terminal width 80$|mtu \S+ 1500$|"
    r"arp timeout 14400$|"
    r"(telnet|ssh) timeout 5$|console timeout 0$|names$|no (snmp-server|asdm|pdm|call-home) |"
    r"no (mac-address auto|arp permit-nonconnected|threat-detection statistics tcp-intercept)$|"
    r"(no nameif|no security-level|no ip address)( |$)"
)
"""What these devices show without having been told."""


def _canonical(text: str) -> str:
    """One spelling: routes with their metric and whole masks."""
    if text.startswith("route "):
        words = text.split()
        words[2:4] = ["0.0.0.0" if word == "0" else word for word in words[2:4]]
        return " ".join(words if len(words) > 5 else [*words, "1"])
    if text.startswith("object-group") or "-object " in text:
        return text
    return text.replace(" eq www", " eq 80")


@dataclass(frozen=True, slots=True)
class Lists:
    """How PIX and ASA write access lists."""

    wildcard = False

    numbered: bool
    """Whether `line N` exists: PIX 6.3 and later (PIX 6.3 command reference, access-list)."""
    whole: str
    """What removes a whole list."""

    def spelling(self, entry: str) -> str:
        """The one spelling of an entry."""
        return one_spelling(entry)

    def settled(self, name: str) -> bool:
        """There are no numbers that stay."""
        del name
        return True

    def build(self, name: str, entries: Sequence[str]) -> list[Command]:
        """A new list, line by line."""
        return [((), f"access-list {name} {entry}") for entry in entries]

    def edit(self, name: str, now: Sequence[str], then: Sequence[str]) -> list[Command] | None:
        """Insert from the front, delete from the back; None where entries change places."""
        spelled = [one_spelling(e) for e in now]
        script = edits(spelled, [one_spelling(e) for e in then])
        count = Counter(spelled)
        if (
            script.moved
            or (not self.numbered and any(not one.last for one in script.inserts))
            # `no` of an entry that is there twice (a remark) would take the wrong one.
            or any(count[spelled[index]] > 1 for index in script.surplus)
        ):
            return None
        commands: list[Command] = []
        for one in script.inserts:
            place = "" if one.last else f"line {one.line} "
            commands.append(((), f"access-list {name} {place}{then[one.index]}"))
        commands += [((), f"no access-list {name} {now[index]}") for index in script.surplus]
        return commands

    def rewrite(self, name: str, now: Sequence[str], then: Sequence[str]) -> list[Command]:
        """Moved entries first away where line numbers allow it, else the whole list anew."""
        spelled = [one_spelling(e) for e in now]
        script = edits(spelled, [one_spelling(e) for e in then])
        count = Counter(spelled)
        away = (*script.moved, *script.surplus)
        if not self.numbered or any(count[spelled[i]] > 1 for i in away):
            return [*self.delete(name, now), *self.build(name, then)]
        commands: list[Command] = [((), f"no access-list {name} {now[i]}") for i in script.moved]
        for one in script.inserts:
            place = "" if one.last else f"line {one.line} "
            commands.append(((), f"access-list {name} {place}{then[one.index]}"))
        return commands + [((), f"no access-list {name} {now[i]}") for i in script.surplus]

    def delete(self, name: str, now: Sequence[str]) -> list[Command]:
        """The whole list in one command."""
        del now
        return [((), self.whole.format(name=name))]

    def bind(self, slot: str, name: str) -> list[Command]:
        """One list a slot: the new one takes the place of the old."""
        return [((), f"access-group {name} {slot}")]

    def unbind(self, slot: str, name: str) -> list[Command]:
        """Filter no more."""
        return [((), f"no access-group {name} {slot}")]


def filters(lines: Sequence[Line]) -> Filters:
    """The lists of a configuration and where they are used."""
    lists: dict[str, list[str]] = {}
    slots: dict[str, str] = {}
    others: dict[str, Risk] = {}
    definitions: dict[str, tuple[str, ...]] = {}
    for line in lines:
        words = line.text.split(" ", 2)
        if words[0] == "access-list" and len(words) == 3:
            entry = re.sub(r"^line \d+ ", "", words[2])
            lists.setdefault(words[1], []).append(entry)
        elif found := _ACCESS_GROUP.match(line.text):
            slots[found[2]] = found[1]
        elif line.text.startswith(("object ", "object-group ")):
            definitions[line.text] = tuple(child.text for child in line.children)
        elif found := re.match(r"crypto (?:dynamic-)?map \S+ \d+ match address (\S+)", line.text):
            others[found[1]] = "tunnel"
        elif found := re.match(r"(?:nat|global|static) .*access-list (\S+)", line.text):
            others.setdefault(found[1], "traffic")
    return Filters({n: tuple(e) for n, e in lists.items()}, slots, definitions, others)


def plan(now: Sequence[Line], then: Sequence[Line], kind: Family, running: str) -> Plan:
    """The plan for a PIX or ASA; `running` is the text, for its release."""
    now, then = _by_address(now, then)
    release = pix_release(running)
    old_pix = kind == "pix6"
    dialect = Lists(
        numbered=not (old_pix and release is not None and release < (6, 3)),
        whole="no access-list {name}" if old_pix else "clear configure access-list {name}",
    )
    grammar = Grammar(rules(old_pix=old_pix), FALLBACK, _canonical)
    then_texts = {line.text for line in then}
    known = [line for line in now if line.text in then_texts or not _DEFAULTS.match(line.text)]
    steps = compare(items(known, grammar, _ELSEWHERE), items(then, grammar, _ELSEWHERE))
    steps += filter_steps(filters(now), filters(then), dialect)
    steps += _held(now, then)
    steps += _banners(now, then)
    steps += _manual_nat(now, then)
    steps += _conduits(now, then)
    return assembled(steps)


def _by_address(now: Sequence[Line], then: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """Both with addresses for the names that do not mean the same in both: a device keeps the
    address and shows a name for it, so another name changes no other line, and a name that moves
    takes no line with it (PIX 6.3 command reference, `name`)."""
    old, new = _names(now), _names(then)
    same = old.items() & new.items()
    return (
        [_renamed(line, dict(old.items() - same)) for line in now],
        [_renamed(line, dict(new.items() - same)) for line in then],
    )


def _names(lines: Sequence[Line]) -> dict[str, str]:
    found = (re.match(r"name (\S+) (\S+)", line.text) for line in lines)
    return {one[2]: one[1] for one in found if one is not None}


def _renamed(line: Line, addresses: Mapping[str, str]) -> Line:
    below = tuple(_renamed(child, addresses) for child in line.children)
    if _NO_ADDRESS.match(line.text) or " remark " in line.text:
        return replace(line, children=below)
    words = line.text.split(" ")
    before = ["", *words]
    text = " ".join(
        word if at in _NAMERS or before[max(n - 1, 0)] == "match" else addresses.get(word, word)
        for n, (at, word) in enumerate(zip(before, words, strict=False))
    )
    return replace(line, text=text, children=below)


def _held(now: Sequence[Line], then: Sequence[Line]) -> list[Step]:
    """An interface under a new name stays down until level, lists and translation are there; one
    that loses its name is down before its list is taken from it."""
    names = {line.text: _child(line, "nameif ") for line in now}
    steps: list[Step] = []
    staying = {line.text: line for line in then}
    for header, name in names.items():
        line = staying.get(header)
        if name and (line is None or not _child(line, "nameif ")):
            down = Step(Phase.ASIDE, (0,), (header,), "shutdown", "traffic", "interfaces")
            steps.append(down)
            if line is not None and not _child(line, "shutdown"):
                order = (90, len(steps))
                up = Step(Phase.REMOVE, order, (header,), "no shutdown", "traffic", "interfaces")
                steps.append(up)
    for line in then:
        name = _child(line, "nameif ") if line.text.startswith("interface ") else ""
        if name and names.get(line.text, "") != name and not _child(line, "shutdown"):
            for phase, rank, command in (
                (Phase.ASIDE, 1, "shutdown"),
                (Phase.BIND, 90, "no shutdown"),
            ):
                order = (rank, len(steps))
                steps.append(Step(phase, order, (line.text,), command, "traffic", "interfaces"))
    return steps


def _child(line: Line, start: str) -> str:
    return next((child.text for child in line.children if child.text.startswith(start)), "")


def _banners(now: Sequence[Line], then: Sequence[Line]) -> list[Step]:
    """A banner is many commands and one thing: each command adds a line to it."""
    old, new = _banner_lines(now), _banner_lines(then)
    steps: list[Step] = []
    for which in dict.fromkeys((*old, *new)):
        if old.get(which) == new.get(which):
            continue
        removal = [f"no banner {which}"] if which in old else []
        for command in (*removal, *new.get(which, ())):
            order = (74, len(steps))
            steps.append(Step(Phase.ADD, order, (), command, "none", f"banner {which}"))
    return steps


def _banner_lines(lines: Sequence[Line]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        words = line.text.split(" ", 2)
        if words[0] == "banner" and len(words) > 1:
            found.setdefault(words[1], []).append(line.text)
    return found


def _conduits(now: Sequence[Line], then: Sequence[Line]) -> list[Step]:
    """The first conduit that matches counts, and a new one comes last (PIX 6.3 command reference,
    `conduit`): from the first that has another place on, all are typed anew, so nothing is open
    meanwhile that was not before."""
    old, new = (
        list(dict.fromkeys(line.text for line in lines if line.text.startswith("conduit ")))
        for lines in (now, then)
    )
    kept = [text for text in old if text in new]
    if kept == new[: len(kept)]:
        gone = [index for index in reversed(range(len(old))) if old[index] not in new]
        coming, phase, gap = new[len(kept) :], Phase.REMOVE, ""
    else:
        same = next(n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
        gone, coming, phase = list(reversed(range(same, len(old)))), new[same:], Phase.ADD
        gap = "conduits change places: what they let in is shut out until all are typed again"
    steps = [
        Step(phase, (43, n), (), f"no {old[index]}", "traffic", "conduits", gap)
        for n, index in enumerate(gone)
    ]
    return steps + [
        Step(Phase.ADD, (43, len(old) + n), (), text, "traffic", "conduits")
        for n, text in enumerate(coming)
    ]


def _manual_nat(now: Sequence[Line], then: Sequence[Line]) -> list[Step]:
    """Twice NAT (ASA 8.3 and later) is an ordered list, one before and one after object NAT."""
    steps: list[Step] = []
    for after in ("", "after-auto "):
        old, new = _nat_rules(now, after), _nat_rules(then, after)
        script = edits(old, new)
        topic = "address translation"
        for index in script.moved:
            gap = NAT_GAP.format(text=old[index])
            order = (44, len(steps))
            steps.append(Step(Phase.ADD, order, (), f"no {old[index]}", "traffic", topic, gap))
        for one in script.inserts:
            found = _MANUAL_NAT.match(new[one.index])
            if found is None:
                continue
            place = "" if one.last else f"{one.line} "
            command = f"{found[1]} {after}{place}{found[3]}"
            gap = NAT_GAP.format(text=new[one.index])
            steps.append(Step(Phase.ADD, (44, len(steps)), (), command, "traffic", topic, gap))
        for index in script.surplus:
            gap = NAT_GAP.format(text=old[index])
            order = (-44, len(steps))
            steps.append(Step(Phase.REMOVE, order, (), f"no {old[index]}", "traffic", topic, gap))
    return steps


def _nat_rules(lines: Sequence[Line], after: str) -> list[str]:
    found = (_MANUAL_NAT.match(line.text) for line in lines)
    return [f"{one[1]} {after}{one[3]}" for one in found if one and (one[2] or "") == after]
