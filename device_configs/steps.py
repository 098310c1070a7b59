"""What a plan is made of: rules of a command line, the steps that follow, and their order.

Pure, and the same for every platform: `table_asa` and `table_ios` have the rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import groupby
from typing import Literal

from device_configs.masking import masked_line
from device_configs.sections import Line, Path

Risk = Literal["none", "traffic", "tunnel", "management"]
"""What a group may hurt while it runs: nothing, user traffic, a tunnel, our own way in."""

Kind = Literal["one", "many", "swap", "owned", "either"]
"""`one`: the new value overwrites the old. `many`: each line stands for itself, the new one is
added before the old is removed. `swap`: the device refuses both at once, so the old goes first.
`owned`: goes with its owner, the line that begins with the same two words. `either`: not known
whether the new line stands beside the old one or in its place; the old goes right before, because
`no` of the old one afterwards may take the new one away (`no ntp server A` after `ntp server A
prefer`)."""


class Phase(IntEnum):
    """The order of a plan: what is new first, what carries our session last."""

    ASIDE = 0
    """Packet filters that cannot be edited in place are replaced by a finished copy."""
    ADD = 1
    BIND = 2
    """Finished lists are put to use."""
    REMOVE = 3
    ACCESS = 4
    """What our own session may hang on."""
    LEAVE = 5
    """What lets us in today and not tomorrow."""


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that belong together, in order."""

    commands: tuple[str, ...]
    """One command each; a banner or certificate is one command of several lines."""
    risk: Risk
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How a running configuration becomes the target."""

    groups: tuple[Group, ...] = ()
    gaps: tuple[str, ...] = ()
    """What the platform gives no way to do without an interruption, in words."""

    @property
    def commands(self) -> tuple[str, ...]:
        """All commands in order."""
        return tuple(command for group in self.groups for command in group.commands)

    def __bool__(self) -> bool:
        return bool(self.groups)


@dataclass(frozen=True, slots=True)
class Step:
    """One command at its place in the plan."""

    phase: Phase
    order: tuple[int, ...]
    path: Path
    command: str
    risk: Risk
    topic: str
    gap: str = ""
    enters: bool = False
    """Whether the command opens a section."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of command behaves. The first rule that matches a line is its rule."""

    match: str
    """Regular expression at the start of the command without `no`; for `one` and `swap` what it
    matches (or its group `key`) is what there can be one of."""
    kind: Kind
    rank: int
    """Lower is added earlier and removed later: an object, the list with it, what uses the list."""
    topic: str
    risk: Risk = "none"
    under: str | None = None
    """Regular expression for the headers above, joined by " / "; none: top level."""
    remove: str = "no {text}"
    """With `{text}`, `{key}`; empty: cannot be removed, so that only what is below it goes."""
    gap: str = ""
    """What a change or removal interrupts, with `{text}`."""
    valued: bool = False
    """`no` of it is the same as not saying it (`no nameif`)."""
    phase: Phase | None = None
    """Another phase than ADD for what is new or changed."""
    off: tuple[Phase, int] | None = None
    """Another phase and rank for removing it inside a section (`no shutdown` comes last)."""
    enters: bool = False
    """Whether it opens a section even when nothing stands below it."""
    name: str = ""
    """What there can be one of, where that is not what `match` matches (the value of an object)."""
    lets_in: bool = False
    """Whether it lets us in: removed last of all, whatever its rank."""
    clash: Callable[[Path, str], tuple[str, str]] | None = None
    """What two lines may not both have, and who has it: a line that goes or changes makes way for
    the one of another holder (the network of two interfaces, the gateway of one prefix)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A line with its rule."""

    path: Path
    text: str
    command: str
    rule: Rule
    key: tuple[object, ...]
    index: int
    """Position of the outermost section in its text."""
    same: str
    """The command in the one spelling that is compared."""
    enters: bool

    @property
    def negative(self) -> bool:
        """Whether the configuration says that something is off."""
        return self.text.startswith("no ")


@dataclass(slots=True)
class Grammar:
    """A platform's rules, compiled."""

    rules: Sequence[Rule]
    fallback: Rule
    canonical: Callable[[str], str]
    """One spelling for what a device and a template may spell differently."""
    _compiled: list[tuple[re.Pattern[str] | None, re.Pattern[str], Rule]] = field(init=False)

    def __post_init__(self) -> None:
        self._compiled = [
            (re.compile(r.under) if r.under is not None else None, re.compile(r.match), r)
            for r in self.rules
        ]

    def item(self, path: Path, line: Line, index: int) -> Item:
        """The line under its rule."""
        positive = line.text.removeprefix("no ")
        above = " / ".join(path)
        for under, match, rule in self._compiled:
            if (under is None) != (not path) or (under is not None and not under.match(above)):
                continue
            if found := match.match(positive):
                key = rule.name or found.groupdict().get("key") or found.group(0)
                return self._item(path, line, index, rule, key.strip())
        return self._item(path, line, index, self.fallback, positive)

    def _item(self, path: Path, line: Line, index: int, rule: Rule, key: str) -> Item:
        positive = line.text.removeprefix("no ")
        name = key if rule.kind in ("one", "swap") else self.canonical(positive)
        return Item(
            path,
            line.text,
            line.command,
            rule,
            (path, rule.kind, name),
            index,
            self.canonical(line.command),
            rule.enters or bool(line.children),
        )


def items(lines: Iterable[Line], grammar: Grammar, skip: re.Pattern[str]) -> list[Item]:
    """Every line under its rule; what `skip` matches (ordered lists) is left to others."""
    found: list[Item] = []
    for index, line in enumerate(lines):
        _collect(line, (), index, grammar, skip, found)
    return found


def _collect(
    line: Line, path: Path, index: int, grammar: Grammar, skip: re.Pattern[str], to: list[Item]
) -> None:
    if skip.match(" / ".join((*path, line.text))):
        return
    to.append(grammar.item(path, line, index))
    below = (*path, line.text) if line.children else path
    for child in line.children:
        _collect(child, below, index, grammar, skip, to)


def compare(running: Sequence[Item], target: Sequence[Item]) -> list[Step]:
    """The steps that make the items of `running` those of `target`."""
    several = _several(running) | _several(target)
    if several:
        running, target = _each(running, several), _each(target, several)
    now = {item.key: item for item in running}
    then = {item.key: item for item in target}
    ranks = {(*i.path, i.text): i.rule.rank for i in (*running, *target)}
    leaving = [i for i in now.values() if (new := then.get(i.key)) is None or new.same != i.same]
    # What the target itself switches off or types anew needs not be taken away before.
    clashing = _clashing(i for i in leaving if i.rule.kind != "either" or i.key not in then)
    away: set[tuple[object, ...]] = set()
    done: set[tuple[object, ...]] = set()
    steps: list[Step] = []
    for number, item in enumerate(then.values()):
        old = now.get(item.key)
        if old is not None and old.same == item.same:
            continue
        for other in _in_the_way(item, clashing):
            # What was replaced further up has made way already.
            if other.key not in away and other.key not in done:
                away.add(other.key)
                steps.append(_make_way(item, other, number, ranks))
        if old is not None and old.key in away and not item.negative:
            old = None
        steps += _to_be(old, item, number, ranks)
        done.add(item.key)
    gone = {
        (*i.path, i.text) for i in now.values() if i.key not in then and i.rule.remove and i.enters
    }
    kept = {_owner(item.text) for item in target if not item.path}
    fresh = [i for i in target if i.key not in now and i.rule.kind == "either"]
    switched_off = {_starts(item)[-1] for item in fresh if item.negative}
    given = {start for item in fresh if not item.negative for start in _starts(item)[:-1]}
    places: dict[Path, int] = {(item.text,): item.index for item in target if not item.path}
    for number, item in enumerate(now.values()):
        if item.key in then or item.key in away:
            continue
        if any(item.path[:n] in gone for n in range(1, len(item.path) + 1)):
            continue
        if item.rule.kind == "owned" and _owner(item.text) not in kept:
            continue
        # Between `no X` and `X` with a value, the new one alone is typed.
        if item.rule.kind == "either" and (
            _starts(item)[-1] in given
            if item.negative
            else not switched_off.isdisjoint(_starts(item)[:-1])
        ):
            continue
        place = places.get(item.path[:1], item.index)
        steps += _not_to_be(item, place, (number, len(now)), ranks)
    return steps


def _each(found: Sequence[Item], several: Container[tuple[object, ...]]) -> list[Item]:
    """The lines; where there should be one and are several (`username a privilege 15`, `username a
    secret ...`) each stands for itself. What lets us in is not taken away in parts."""
    result = []
    for item in found:
        rule = item.rule
        if item.key in several:
            remove = "" if rule.lets_in else "no {text}"
            rule = replace(rule, kind="either", remove=remove, clash=None)
            result.append(replace(item, rule=rule, key=(*item.key, item.same)))
        else:
            result.append(item)
    return result


def _several(found: Iterable[Item]) -> set[tuple[object, ...]]:
    """The keys of more than one line."""
    lines: dict[tuple[object, ...], set[str]] = {}
    for item in found:
        if item.rule.kind in ("one", "swap"):
            lines.setdefault(item.key, set()).add(item.same)
    return {key for key, texts in lines.items() if len(texts) > 1}


def _clashing(leaving: Iterable[Item]) -> dict[str, list[tuple[str, Item]]]:
    found: dict[str, list[tuple[str, Item]]] = {}
    for item in leaving:
        if (claim := _claim(item)) is not None:
            what, holder = claim
            found.setdefault(what, []).append((holder, item))
    return found


def _claim(item: Item) -> tuple[str, str] | None:
    """What the line may be alone to have, and who has it."""
    if item.negative:
        return None
    if item.rule.clash is not None:
        return item.rule.clash(item.path, item.text)
    if item.rule.kind != "either" or item.enters or not item.rule.remove:
        return None
    words = item.text.split()
    # Below a header the first word says what it is about, elsewhere two (`ntp server`).
    about = words[:1] if item.path or len(words) < 3 else words[:2]
    return " / ".join((*item.path, " ".join(about))), item.text


def _starts(item: Item) -> list[tuple[Path, str]]:
    """What the command without `no` begins with, word by word, up to all of it."""
    words = item.text.removeprefix("no ").split(" ")
    return [(item.path, " ".join(words[:n])) for n in range(1, len(words) + 1)]


def _in_the_way(new: Item, clashing: dict[str, list[tuple[str, Item]]]) -> list[Item]:
    if (claim := _claim(new)) is None:
        return []
    what, holder = claim
    return [item for other, item in clashing.get(what, ()) if other != holder]


def _make_way(new: Item, other: Item, number: int, ranks: dict[Path, int]) -> Step:
    """Remove `other` right before `new` comes in."""
    rule = new.rule
    phase = rule.phase if rule.phase is not None else Phase.ADD
    gap = ""
    if rule.risk != "none":
        old, wanted = masked_line(other.text), masked_line(new.text)
        gap = f"`{old}` has to go before `{wanted}` can be set"
    order = (_rank(new, ranks), new.index, 0, number, 0)
    return Step(phase, order, other.path, _removal(other), rule.risk, rule.topic, gap)


def _owner(text: str) -> str:
    return " ".join(text.split()[:2])


def _rank(item: Item, ranks: dict[Path, int]) -> int:
    """A line goes with its section, unless its rule puts it elsewhere."""
    return item.rule.rank if item.rule.rank or not item.path else ranks.get(item.path[:1], 0)


def _to_be(old: Item | None, new: Item, number: int, ranks: dict[Path, int]) -> list[Step]:
    rule = new.rule
    phase = rule.phase if rule.phase is not None else Phase.ADD
    order = (_rank(new, ranks), new.index, 0, number, 1)
    if new.negative:
        if old is None and rule.valued:
            return []
        command = _removal(old) if old is not None and not old.negative else new.command
        gap = rule.gap.format(text=old.text) if old is not None else ""
        return [Step(phase, order, new.path, command, rule.risk, rule.topic, gap)]
    steps = []
    gap = rule.gap.format(text=old.text) if old is not None and not old.negative else ""
    if old is not None and rule.kind == "swap" and not old.negative:
        steps.append(Step(phase, order, new.path, _removal(old), rule.risk, rule.topic, gap))
        gap = ""
    steps.append(Step(phase, order, new.path, new.command, rule.risk, rule.topic, gap, new.enters))
    return steps


def _not_to_be(
    item: Item, place: int, counted: tuple[int, int], ranks: dict[Path, int]
) -> list[Step]:
    rule, (number, count) = item.rule, counted
    if item.negative:
        # It was switched off by hand, and is on where nothing is said.
        command = "" if rule.valued else item.text.removeprefix("no ")
    else:
        command = _removal(item)
    if not command:
        return []
    if item.path:
        # Inside a section: after what is added to it, at the section's own place.
        phase, rank = rule.off or (
            rule.phase if rule.phase is not None else Phase.ADD,
            _rank(item, ranks),
        )
        order: tuple[int, ...] = (rank, place, 1, number)
    else:
        phase = Phase.LEAVE if rule.lets_in or rule.phase is Phase.ACCESS else Phase.REMOVE
        order = (-rule.rank, 0, 1, count - number)
    gap = rule.gap.format(text=item.text)
    return [Step(phase, order, item.path, command, rule.risk, rule.topic, gap)]


def _removal(item: Item) -> str:
    found = re.match(item.rule.match, item.text)
    key = (found.groupdict().get("key") or found.group(0)).strip() if found else item.text
    return item.rule.remove.format(text=item.text, key=key)


def assembled(steps: Iterable[Step]) -> Plan:
    """Steps in order as groups of commands, each section entered and left where it must be."""
    ordered = sorted(steps, key=lambda step: (step.phase, step.order))
    groups = []
    for (topic, risk, _), some in groupby(ordered, key=lambda s: (s.topic, s.risk, s.phase)):
        groups.append(Group(_typed(list(some)), risk, topic))
    gaps = dict.fromkeys(step.gap for step in ordered if step.gap)
    return Plan(tuple(groups), tuple(gaps))


def _typed(steps: list[Step]) -> tuple[str, ...]:
    """The commands of one group, each section entered once and left behind its last command."""
    commands: list[str] = []
    at: Path = ()
    for step in steps:
        common = 0
        while common < min(len(at), len(step.path)) and at[common] == step.path[common]:
            common += 1
        commands += ["exit"] * (len(at) - common)
        commands += step.path[common:]
        commands.append(step.command)
        at = (*step.path, step.command) if step.enters else step.path
    return (*commands, *["exit"] * len(at))
