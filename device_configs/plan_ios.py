"""The planner for IOS: access lists by sequence number, what lets us in last, hier_config beside.

Pure. hier_config is right where a section is a tree whose lines can go before they come (routing
processes, class and policy maps, what has no rule here). It is not where that locks us out or
opens a filter: interfaces, lists, users, lines, routes and single values have rules here.
Source: Cisco IOS Configuration Fundamentals, Security and IP Switching command references 15.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from device_configs.access_lists import Edits, edits
from device_configs.aces import one_spelling
from device_configs.filters import Command, Filters, filter_steps
from device_configs.sections import Line
from device_configs.steps import Grammar, Phase, Plan, Risk, Step, assembled, compare, items
from device_configs.table_ios import FALLBACK, LOGICAL, RULES, SEVERAL

_NAMED = re.compile(r"ip access-list (standard|extended) (\S+)$")
_FLAT = re.compile(r"access-list (\d+) (.+)$")
_ENTRY = re.compile(r"(?:(\d+) )?((?:permit|deny|remark)\b.*)$")
_GROUP = re.compile(r"ip access-group (\S+) (in|out)$")
_CLASS = re.compile(r"access-class (\S+) (in|out)( vrf-also)?$")
_ELSEWHERE = re.compile(
    r"ip access-list (standard|extended) |access-list \d+ |"
    r"interface .* / ip access-group |line .* / access-class "
)
_DEFAULTS = re.compile(r"hostname Router$|no ip http (server|secure-server)$|ip classless$|vlan 1$")
_TRUNK = "switchport trunk allowed vlan "
_ROOM = 1000
"""Numbers between two entries while a list is edited."""
_OWN = re.compile("|".join(f"(?:{rule.match})" for rule in RULES if rule.under is None))


def _canonical(text: str) -> str:
    """One spelling of what IOS shows otherwise than it is typed."""
    return re.sub(r"^ip domain-(name|lookup)", r"ip domain \1", text)


@dataclass(frozen=True, slots=True)
class _List:
    """One list of a configuration."""

    header: str
    """What enters it for editing."""
    entries: tuple[tuple[int | None, str], ...]

    @property
    def numbers(self) -> list[int] | None:
        """The sequence numbers, None where the configuration does not show them."""
        shown = [number for number, _ in self.entries if number is not None]
        return shown if len(shown) == len(self.entries) else None


def lists_in(lines: Sequence[Line]) -> dict[str, _List]:
    """The lists by name, numbered ones in their flat writing among them."""
    found: dict[str, list[tuple[int | None, str]]] = {}
    headers: dict[str, str] = {}
    for line in lines:
        if named := _NAMED.match(line.text):
            headers[named[2]] = line.text
            rows = found.setdefault(named[2], [])
            for child in line.children:
                if entry := _ENTRY.match(child.text):
                    rows.append((int(entry[1]) if entry[1] else None, entry[2]))
        elif flat := _FLAT.match(line.text):
            number = int(flat[1])
            kind = "standard" if number < 100 or 1300 <= number < 2000 else "extended"
            headers[flat[1]] = f"ip access-list {kind} {flat[1]}"
            found.setdefault(flat[1], []).append((None, flat[2]))
    return {name: _List(headers[name], tuple(rows)) for name, rows in found.items()}


class _Dialect:
    """How IOS writes lists: a section each, entries by sequence number."""

    wildcard = True

    def __init__(self, now: Mapping[str, _List], then: Mapping[str, _List]) -> None:
        self._now = now
        self._then = then
        self._copies: dict[str, str] = {}

    def spelling(self, entry: str) -> str:
        return one_spelling(entry, wildcard=True)

    def build(self, name: str, entries: Sequence[str]) -> list[Command]:
        known = self._then.get(name)
        if known is None:
            # A copy of the list whose name it carries with an ending.
            original = max((n for n in self._then if name.startswith(n)), key=len, default=name)
            kind = self._then[original].header.split()[2] if original in self._then else "extended"
            if any(len(entry.split()) > 3 and entry.split()[1] == "ip" for entry in entries):
                kind = "extended"
            header = self._copies[name] = f"ip access-list {kind} {name}"
            return [((header,), entry) for entry in entries]
        return [
            ((known.header,), entry if number is None else f"{number} {entry}")
            for number, entry in known.entries
        ]

    def edit(self, name: str, now: Sequence[str], then: Sequence[str]) -> list[Command] | None:
        old, new = self._now[name], self._then[name]
        if old.header != new.header:
            return None
        spelled_now, spelled = [[self.spelling(e) for e in side] for side in (now, then)]
        script = edits(spelled_now, spelled)
        changed = [then[one.index] for one in script.inserts]
        changed += [now[index] for index in (*script.moved, *script.surplus)]
        if script.moved or any(entry.startswith("remark") for entry in changed):
            # A remark has no number of its own on older releases: it cannot be put in place.
            return None
        wanted = new.numbers
        if not script:
            return self._renumbered(name, old.numbers, wanted)
        if (commands := _by_own_numbers(old, new, script)) is not None:
            return commands
        if old.numbers is None and any(entry.startswith("remark") for entry in spelled_now):
            # Whether a remark counts when the list is numbered anew differs between releases.
            return None
        end = _progression(wanted) if wanted is not None else (10, 10)
        if end is None:
            return None
        commands = [((), f"ip access-list resequence {name} {_ROOM} {_ROOM}")]
        gone = set(script.surplus)
        place = 0
        kept_at = {e: (i + 1) * _ROOM for i, e in enumerate(spelled_now) if i not in gone}
        added = 0
        for entry, plain in zip(then, spelled, strict=True):
            number = kept_at.get(plain)
            if number is not None:
                place, added = number, 0
                continue
            added += 1
            if added >= _ROOM:
                return None
            commands.append(((new.header,), f"{place + added} {entry}"))
        commands += [((new.header,), f"no {(index + 1) * _ROOM}") for index in script.surplus]
        commands.append(((), f"ip access-list resequence {name} {end[0]} {end[1]}"))
        return commands

    def _renumbered(
        self, name: str, old: list[int] | None, wanted: list[int] | None
    ) -> list[Command] | None:
        """The same entries under other numbers."""
        if wanted is None or old is None or old == wanted:
            return []
        end = _progression(wanted)
        return (
            None if end is None else [((), f"ip access-list resequence {name} {end[0]} {end[1]}")]
        )

    def settled(self, name: str) -> bool:
        """Whether the numbers are those wanted, or not shown."""
        old, new = self._now[name].numbers, self._then[name].numbers
        return old is None or new is None or old == new

    def rewrite(self, name: str, now: Sequence[str], then: Sequence[str]) -> list[Command]:
        return [*self.delete(name, now), *self.build(name, then)]

    def delete(self, name: str, now: Sequence[str]) -> list[Command]:
        del now
        known = self._now.get(name)
        header = known.header if known is not None else self._copies[name]
        return [((), f"no {header}")]

    def bind(self, slot: str, name: str) -> list[Command]:
        path, _, way = slot.rpartition(" / ")
        command = "access-class" if path.startswith("line ") else "ip access-group"
        return [((path,), f"{command} {name} {way}")]

    def unbind(self, slot: str, name: str) -> list[Command]:
        path, _, way = slot.rpartition(" / ")
        command = "access-class" if path.startswith("line ") else "ip access-group"
        return [((path,), f"no {command} {name} {way}")]


def _by_own_numbers(old: _List, new: _List, script: Edits) -> list[Command] | None:
    """Where what stays keeps its number and what comes has one that nothing has today."""
    if old.numbers is None or new.numbers is None:
        return None
    coming = [new.entries[one.index] for one in script.inserts]
    gone, inserted = set(script.surplus), {one.index for one in script.inserts}
    staying_now = [n for i, n in enumerate(old.numbers) if i not in gone]
    staying_then = [n for i, n in enumerate(new.numbers) if i not in inserted]
    if staying_now != staying_then or not {n for n, _ in coming}.isdisjoint(old.numbers):
        return None
    commands: list[Command] = [((new.header,), f"{number} {entry}") for number, entry in coming]
    return commands + [((new.header,), f"no {old.numbers[index]}") for index in script.surplus]


def _progression(numbers: list[int]) -> tuple[int, int] | None:
    """Start and step of evenly spaced numbers."""
    if not numbers:
        return 10, 10
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 10
    even = all(n == numbers[0] + i * step for i, n in enumerate(numbers))
    return (numbers[0], step) if even and step > 0 else None


def filters(lines: Sequence[Line], lists: Mapping[str, _List]) -> Filters:
    """The lists of a configuration and where they are used."""
    slots: dict[str, str] = {}
    others: dict[str, Risk] = {}
    for line in lines:
        for child in line.children:
            if found := _GROUP.match(child.text):
                slots[f"{line.text} / {found[2]}"] = found[1]
            elif found := _CLASS.match(child.text):
                slots[f"{line.text} / {found[2]}{found[3] or ''}"] = found[1]
            elif found := re.match(r"match address (\S+)", child.text):
                others[found[1]] = "tunnel"
        if found := re.match(r"snmp-server community \S+ (?:RO|RW) (\S+)$", line.text):
            others[found[1]] = "management"
        elif found := re.match(r"ip nat inside source list (\S+)", line.text):
            others[found[1]] = "traffic"
    # One without entries filters nothing, as if it were not there.
    named = {n: tuple(e for _, e in one.entries) for n, one in lists.items() if one.entries}
    return Filters(named, slots, {}, others)


def plan(now: Sequence[Line], then: Sequence[Line], *, several: bool = False) -> Plan:
    """The plan for a router or switch; `several`: an interface keeps all addresses it is given."""
    now, then = [_whole(line) for line in now], [_whole(line) for line in then]
    then_texts = {line.text for line in then}
    known = [line for line in now if line.text in then_texts or not _DEFAULTS.match(line.text)]
    ours_now, rest_now = _divided(known)
    ours_then, rest_then = _divided(then)
    rules = [SEVERAL, *RULES] if several else RULES
    grammar = Grammar(rules, FALLBACK, _canonical)
    steps = compare(items(ours_now, grammar, _ELSEWHERE), items(ours_then, grammar, _ELSEWHERE))
    lists_now, lists_then = lists_in(now), lists_in(then)
    dialect = _Dialect(lists_now, lists_then)
    filters_now, filters_then = filters(now, lists_now), filters(then, lists_then)
    steps += filter_steps(filters_now, filters_then, dialect)
    steps += _held(now, then)
    steps += _by_hier_config(rest_now, rest_then)
    return assembled(steps)


def _whole(line: Line) -> Line:
    """An interface with the VLANs of its trunk in one command: a device shows many of them in
    several, all but the first with `add`."""
    vlans = [child for child in line.children if child.text.startswith(_TRUNK)]
    if len(vlans) < 2:
        return line
    numbers = ",".join(child.text.removeprefix(_TRUNK).removeprefix("add ") for child in vlans)
    whole = Line(f"{_TRUNK}{numbers}")
    below = tuple(whole if c is vlans[0] else c for c in line.children if c not in vlans[1:])
    return replace(line, children=below)


def _held(now: Sequence[Line], then: Sequence[Line]) -> list[Step]:
    """An interface that is new to routing stays down until all filters are bound; one that goes is
    down before a filter is taken from anywhere."""
    routed = {line.text for line in now if _routes(line)}
    staying = {line.text for line in then}
    steps: list[Step] = []
    for line in now:
        if line.text not in staying and LOGICAL.match(line.text):
            order = (0, len(steps))
            down = Step(Phase.ASIDE, order, (line.text,), "shutdown", "traffic", "interfaces")
            steps.append(down)
    for line in then:
        if _routes(line) and line.text not in routed:
            for phase, rank, command in (
                (Phase.ASIDE, 1, "shutdown"),
                (Phase.BIND, 90, "no shutdown"),
            ):
                order = (rank, len(steps))
                steps.append(Step(phase, order, (line.text,), command, "traffic", "interfaces"))
    return steps


def _routes(line: Line) -> bool:
    below = [child.text for child in line.children]
    return (
        line.text.startswith("interface ")
        and "shutdown" not in below
        and any(text.startswith("ip address ") for text in below)
    )


def _divided(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """What has rules here, and what hier_config does."""
    ours: list[Line] = []
    rest: list[Line] = []
    for line in lines:
        listed = _ELSEWHERE.match(line.text) or _OWN.match(line.text.removeprefix("no "))
        (ours if listed else rest).append(line)
    return ours, rest


def _by_hier_config(now: Sequence[Line], then: Sequence[Line]) -> list[Step]:
    """Trees of commands for which removal may come before addition."""
    if list(now) == list(then):
        return []
    from hier_config import Platform, WorkflowRemediation, get_hconfig

    remediation = WorkflowRemediation(
        get_hconfig(Platform.CISCO_IOS, _as_text(now)),
        get_hconfig(Platform.CISCO_IOS, _as_text(then)),
    ).remediation_config
    steps: list[Step] = []
    for child in remediation.all_children_sorted():
        above = tuple(parent.text for parent in child.lineage())[:-1]
        order = (71, len(steps))
        enters = bool(list(child.children))
        steps.append(
            Step(Phase.ADD, order, above, child.text, "traffic", "other sections", "", enters)
        )
    return steps


def _as_text(lines: Sequence[Line], indent: int = 0) -> str:
    """What is said twice, once: hier_config refuses a second section of the same header."""
    below: dict[str, list[Line]] = {}
    for line in lines:
        below.setdefault(line.text, []).extend(line.children)
    return "".join(
        f"{' ' * indent}{text}\n" + _as_text(children, indent + 1)
        for text, children in below.items()
    )
