"""Packet filters from one configuration to the next, without a moment that fits neither.

Pure. A slot is a place where a list filters (`in interface outside`). Its list is edited in place
where that is safe (`access_lists.edits`, and nothing that it names changes its meaning). Otherwise
a finished copy of what the target permits is put into the slot first, in one command; list and
objects are then changed while nobody filters by them, and the slot is given its list back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from device_configs.access_lists import edits
from device_configs.groups import Groups
from device_configs.intersections import permitted_by_both
from device_configs.sections import Path
from device_configs.steps import Phase, Risk, Step

Command = tuple[Path, str]
"""The headers above a command, and the command."""

LIST_RANK = 30
_ASIDE = "-pasprobe"
_GLOBAL = "global"
"""The slot of the list behind those of the interfaces (ASA 8.3 and later)."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The lists of a configuration and where they filter."""

    lists: Mapping[str, tuple[str, ...]]
    """Name to entries, without the name, in order."""
    slots: Mapping[str, str]
    """Slot to name of its list."""
    definitions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Header of an object or group to its lines."""
    others: Mapping[str, Risk] = field(default_factory=dict)
    """Lists that are used elsewhere (a tunnel, address translation), and what that puts at risk."""


class Dialect(Protocol):
    """How a platform writes lists and uses them."""

    wildcard: bool
    """Whether masks are written the IOS way."""

    def spelling(self, entry: str) -> str:
        """The one spelling of an entry."""

    def settled(self, name: str) -> bool:
        """Whether a list with the same entries is the same (and not under other numbers)."""

    def build(self, name: str, entries: Sequence[str]) -> list[Command]:
        """A new list."""

    def edit(self, name: str, now: Sequence[str], then: Sequence[str]) -> list[Command] | None:
        """From one to the other, gapless; None where this needs more than insert and delete."""

    def rewrite(self, name: str, now: Sequence[str], then: Sequence[str]) -> list[Command]:
        """From one to the other, by any way, while the list filters nothing."""

    def delete(self, name: str, now: Sequence[str]) -> list[Command]:
        """Remove the list."""

    def bind(self, slot: str, name: str) -> list[Command]:
        """Filter by this list from now on; replaces the list that did."""

    def unbind(self, slot: str, name: str) -> list[Command]:
        """Filter no more."""


@dataclass(slots=True)
class _Work:
    """The steps so far."""

    steps: list[Step] = field(default_factory=list)
    unsaid: str = ""
    """A gap that the next command carries."""

    def add(
        self,
        phase: Phase,
        commands: Sequence[Command],
        topic: str,
        risk: Risk,
        *,
        rank: int = LIST_RANK,
        gap: str = "",
    ) -> None:
        for path, command in commands:
            order = (rank, len(self.steps))
            said, self.unsaid = gap or self.unsaid, self.unsaid if gap else ""
            self.steps.append(Step(phase, order, path, command, risk, topic, said))
            gap = ""


class _Change:
    """Both configurations; what is asked of a list again and again is worked out once."""

    def __init__(self, now: Filters, then: Filters, dialect: Dialect) -> None:
        self.now, self.then, self.dialect = now, then, dialect
        self._old, self._new = Groups(now.definitions), Groups(then.definitions)
        self._names = self._old.changed(self._new)
        """Objects and groups that do not mean the same in both."""
        self.same = {name for name in then.lists if name in now.lists and self._stays(name)}
        self._edits: dict[str, list[Command] | None] = {}
        self._moving: dict[str, bool] = {}
        self._plain: dict[tuple[str, bool], tuple[str, ...] | None] = {}
        self._wholes: dict[tuple[tuple[str, ...], bool], tuple[str, ...] | None] = {}
        self._risks: dict[str, Risk] = {}
        for slot, name in (*now.slots.items(), *then.slots.items()):
            if self._risks.get(name) != "management":
                self._risks[name] = _slot_risk(slot)
        for others in (now.others, then.others):
            for name, risk in others.items():
                self._risks.setdefault(name, risk)

    def _stays(self, name: str) -> bool:
        spelled = self.dialect.spelling
        old, new = self.now.lists[name], self.then.lists[name]
        return (
            self.dialect.settled(name)
            and len(old) == len(new)
            and all(a == b or spelled(a) == spelled(b) for a, b in zip(old, new, strict=True))
        )

    def risk(self, name: str) -> Risk:
        """What is at risk while a list changes."""
        return self._risks.get(name, "none")

    def edit(self, name: str) -> list[Command] | None:
        """The edits of a list of both, None where there is no way without a gap."""
        if name not in self._edits:
            old, new = self.now.lists.get(name), self.then.lists.get(name)
            missing = old is None or new is None
            self._edits[name] = None if missing else self.dialect.edit(name, old or (), new or ())
        return self._edits[name]

    def ways(self, name: str) -> set[str]:
        """Where the edits of a list lead, each by itself: `narrower`, `wider`, both or neither."""
        old, new = self.now.lists[name], self.then.lists[name]
        script = edits(*([self.dialect.spelling(e) for e in side] for side in (old, new)))
        if script.moved or not new:
            return set()
        added = {_action(new[one.index]) for one in script.inserts} - {"remark"}
        gone = {_action(old[index]) for index in script.surplus} - {"remark"}
        found = {"narrower"} if added <= {"deny"} and gone <= {"permit"} else set()
        return found | ({"wider"} if added <= {"permit"} and gone <= {"deny"} else set())

    def renamed_meaning(self, name: str) -> bool:
        """Whether what a list names, before or after, changes its meaning."""
        if name not in self._moving:
            named = self._old.named(self.now.lists.get(name, ()))
            named |= self._new.named(self.then.lists.get(name, ()))
            self._moving[name] = not named.isdisjoint(self._names)
        return self._moving[name]

    def stable(self, name: str) -> bool:
        """Whether the list of now and all that it names stay as they are until the end."""
        return (name not in self.then.lists or name in self.same) and not self.renamed_meaning(name)

    def plain(self, name: str, *, later: bool) -> tuple[str, ...] | None:
        """A list without groups and remarks; None where that cannot be written, or is nothing."""
        key = name, later
        if key not in self._plain:
            side, groups = (self.then, self._new) if later else (self.now, self._old)
            self._plain[key] = _written_out(side.lists[name], groups, self.dialect)
        return self._plain[key]

    def names(self, slot: str, *, later: bool) -> tuple[str, ...]:
        """The lists that filter in a slot, the global one behind its own; a list that is bound and
        not there filters nothing (IOS)."""
        side = self.then if later else self.now
        names = [side.slots.get(slot), side.slots.get(_GLOBAL) if _goes_on(side, slot) else None]
        return tuple(name for name in names if name is not None and name in side.lists)

    def whole(self, names: tuple[str, ...], *, later: bool) -> tuple[str, ...] | None:
        """What these lists filter one behind the other; None where it cannot be written."""
        key = names, later
        if key not in self._wholes:
            entries: dict[str, str] = {}
            parts = [self.plain(name, later=later) for name in names]
            for part in parts:
                for entry in part or ():
                    entries.setdefault(self.dialect.spelling(entry), entry)
            self._wholes[key] = None if None in parts else tuple(entries.values())
        return self._wholes[key]

    def free_name(self, name: str) -> str:
        """A name for a copy, that neither configuration has."""
        copy = name + _ASIDE
        while copy in self.now.lists or copy in self.then.lists:
            copy += "x"
        return copy


def filter_steps(now: Filters, then: Filters, dialect: Dialect) -> list[Step]:
    """The steps for all lists and slots."""
    work = _Work()
    # IOS: a list that is bound and not there filters nothing, until its first entry is typed.
    empty = {s: n for s, n in now.slots.items() if n not in now.lists and n in then.lists}
    for slot, name in empty.items():
        work.add(Phase.ASIDE, dialect.unbind(slot, name), f"filter {slot}", _slot_risk(slot))
    now = replace(now, slots={s: n for s, n in now.slots.items() if s not in empty})
    change = _Change(now, then, dialect)
    copies = _slots(change, work)
    for name, entries in then.lists.items():
        if name in change.same:
            continue
        risk, topic = change.risk(name), f"access list {name}"
        old = now.lists.get(name)
        if old is None:
            work.add(Phase.ADD, dialect.build(name, entries), topic, risk)
        elif (edited := change.edit(name)) is not None:
            work.add(Phase.ADD, edited, topic, risk)
        else:
            gap = ""
            if name in now.others:
                gap = f"access list {name} is incomplete while its entries change places"
            work.add(Phase.ADD, dialect.rewrite(name, old, entries), topic, risk, gap=gap)
    for name, old in now.lists.items():
        if name not in then.lists:
            topic, commands = f"access list {name}", dialect.delete(name, old)
            work.add(Phase.REMOVE, commands, topic, change.risk(name), rank=-LIST_RANK)
    for copy, entries in copies.items():
        work.add(
            Phase.REMOVE, dialect.delete(copy, entries), "temporary copies", "none", rank=-LIST_RANK
        )
    return work.steps


def _slots(change: _Change, work: _Work) -> dict[str, tuple[str, ...]]:
    """Decide for each slot; the copies that were made."""
    now, then, dialect = change.now, change.then, change.dialect
    copies: dict[str, tuple[str, ...]] = {}
    made: dict[str, str] = {}
    narrowed = _narrowed(change, work, copies)
    for slot in dict.fromkeys((*now.slots, *then.slots)):
        if slot in narrowed:
            continue
        old, new = now.slots.get(slot), then.slots.get(slot)
        topic, risk = f"filter {slot}", _slot_risk(slot)
        if old is not None and change.stable(old):
            if new is None:
                work.add(_bound(slot), dialect.unbind(slot, old), topic, risk)
            elif new != old:
                work.add(_bound(slot), dialect.bind(slot, new), topic, risk)
            continue
        if old is None:
            if new is not None:
                work.add(_bound(slot), dialect.bind(slot, new), topic, risk)
            continue
        if new is None:
            work.add(Phase.ASIDE, dialect.unbind(slot, old), topic, risk)
            continue
        if old == new and not change.renamed_meaning(new) and change.edit(new) is not None:
            continue
        copy = made.get(new)
        if copy is None:
            plain = change.plain(new, later=True) if new in then.lists else None
            if plain is None:
                gap = (
                    f"access list {new} ({slot}) names what cannot be written out here; "
                    "it is changed in place, and may fit neither configuration meanwhile"
                )
                # Putting the slot's own list into it again changes nothing and carries the note.
                work.add(_bound(slot), dialect.bind(slot, new), topic, risk, gap=gap)
                continue
            copy = made[new] = change.free_name(new)
            copies[copy] = plain
            work.add(Phase.ASIDE, dialect.build(copy, plain), f"copy of {new}", "none")
        work.add(Phase.ASIDE, dialect.bind(slot, copy), topic, risk)
        work.add(_bound(slot), dialect.bind(slot, new), topic, risk)
    return copies


def _narrowed(change: _Change, work: _Work, copies: dict[str, tuple[str, ...]]) -> set[str]:
    """Where packets go through two lists: each slot that changes permits what both permit first.

    Then what had no list gets it (what goes out before what comes in, so that no list stands
    alone), what has one gets the target's, and what is to have none loses it last. The slots that
    are dealt with; none, where a packet meets one list alone.
    """
    now, then, dialect = change.now, change.then, change.dialect
    slots = [s for s in dict.fromkeys((*now.slots, *then.slots)) if not s.startswith("line ")]
    if not any(_is_out(slot) or slot == _GLOBAL for slot in slots):
        return set()

    def changes(slot: str) -> bool:
        old, new = now.slots.get(slot), then.slots.get(slot)
        # A name without a list in either has nothing that could change.
        kept = old in change.same or (old not in now.lists and old not in then.lists)
        return old != new or not kept or (old is not None and change.renamed_meaning(old))

    moving = [slot for slot in slots if changes(slot)]
    if len(moving) < 2 or _one_way(change, moving):
        return set()
    between = _between(change, moving)
    if between is None:
        work.unsaid = (
            "packets that go through two lists may fit neither configuration while these change: "
            "what both permit cannot be written out"
        )
        return set()
    shared: dict[tuple[_Lists, bool], str] = {}

    def bind_copy(slot: str, entries: tuple[str, ...], phase: Phase, rank: int) -> str:
        name = then.slots.get(slot) or now.slots.get(slot) or slot
        key = (change.names(slot, later=False), change.names(slot, later=True)), phase is Phase.BIND
        copy = shared.get(key)
        if copy is None:
            copy = shared[key] = change.free_name(f"{name}-{len(shared)}")
            copies[copy] = entries
            work.add(Phase.ASIDE, dialect.build(copy, entries), f"copy of {name}", "none")
        commands, topic = dialect.bind(slot, copy), f"filter {slot}"
        work.add(phase, commands, topic, _slot_risk(slot), rank=LIST_RANK + rank)
        return copy

    for slot in moving:
        new, entries = then.slots.get(slot), between[slot]
        first, second = (0, 3) if _is_out(slot) else (1, 3)
        if slot == _GLOBAL:
            first, second = 2, 2
        copy = bind_copy(slot, entries, Phase.ASIDE, 0) if entries else ""
        if not entries and _goes_on(then, slot):
            # Before there is a global list behind it, it is written into the list itself.
            after = change.whole(change.names(slot, later=True), later=True) or ()
            copy = bind_copy(slot, after, Phase.BIND, first)
        if new is None:
            bound = copy or now.slots[slot]
            commands, last = dialect.unbind(slot, bound), 2 if slot == _GLOBAL else 4
        else:
            commands, last = dialect.bind(slot, new), second if copy else first
            if new not in then.lists:
                last = 4
        risk = _slot_risk(slot)
        work.add(Phase.BIND, commands, f"filter {slot}", risk, rank=LIST_RANK + last)
    return set(moving)


def _one_way(change: _Change, moving: Sequence[str]) -> bool:
    """Whether these slots keep their lists, and every single edit of them takes packets away, or
    every one lets more through: what both configurations say of a packet then holds throughout."""
    now, then = change.now, change.then
    names = {then.slots.get(slot, "") for slot in moving}
    if (
        any(now.slots.get(slot) != then.slots.get(slot) for slot in moving)
        or not names <= now.lists.keys() & then.lists.keys()
        or any(change.renamed_meaning(name) or change.edit(name) is None for name in names)
    ):
        return False
    ways = [change.ways(name) for name in names]
    return any(all(way in found for found in ways) for way in ("narrower", "wider"))


_Lists = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of the lists that filter in a slot now and then."""


def _between(change: _Change, moving: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """What each slot permits between the two, empty where nothing filters there yet; None where it
    cannot be written out."""
    found: dict[str, tuple[str, ...]] = {}
    made: dict[_Lists, tuple[str, ...] | None] = {}
    for slot in moving:
        names = change.names(slot, later=False), change.names(slot, later=True)
        if names not in made:
            before = change.whole(names[0], later=False)
            after = change.whole(names[1], later=True)
            if before is None or after is None:
                return None
            # No list later: today's until the end.
            made[names] = before
            if before and after:
                wildcard = change.dialect.wildcard
                made[names] = permitted_by_both(before, after, wildcard=wildcard)
        both = made[names]
        if both is None:
            return None
        found[slot] = both
    return found


def _action(entry: str) -> str:
    """`permit`, `deny` or `remark`."""
    first, second = entry.split()[:2]
    return second if first in ("extended", "standard") else first


def _is_out(slot: str) -> bool:
    return slot.startswith("out ") or slot.endswith(" / out")


def _goes_on(side: Filters, slot: str) -> bool:
    """Whether what no entry matches is looked for in the global list."""
    return slot.startswith("in ") and side.slots.get(_GLOBAL) in side.lists


def _written_out(
    entries: Sequence[str], groups: Groups, dialect: Dialect
) -> tuple[str, ...] | None:
    plain: dict[str, str] = {}
    for entry in entries:
        if "remark" in entry.split(None, 2)[:2]:
            continue
        single = groups.written_out(entry)
        if single is None:
            return None
        for one in single:
            # A device refuses what the list already says further up.
            plain.setdefault(dialect.spelling(one), one)
    return tuple(plain.values()) or None


def _bound(slot: str) -> Phase:
    """When a slot gets its list: what filters our own sessions comes late."""
    return Phase.ACCESS if slot.startswith("line ") else Phase.BIND


def _slot_risk(slot: str) -> Risk:
    return "management" if slot.startswith("line ") else "traffic"
