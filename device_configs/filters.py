"""Packet filters from one configuration to the next, without a moment that fits neither.

Pure. A slot is a place where a list filters (`in interface outside`). Its list is edited in place
where that is safe (`access_lists.edits`, and nothing that it names changes its meaning). Otherwise
a finished copy of what the target permits is put into the slot first, in one command; list and
objects are then changed while nobody filters by them, and the slot is given its list back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from device_configs.aces import closure, written_out
from device_configs.intersections import permitted_by_both
from device_configs.sections import Path
from device_configs.steps import Phase, Risk, Step

Command = tuple[Path, str]
"""The headers above a command, and the command."""

LIST_RANK = 30
_ASIDE = "-pasprobe"


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

    def by_name(self) -> dict[str, tuple[str, ...]]:
        """Objects and groups by name."""
        return {
            words[2]: lines
            for header, lines in self.definitions.items()
            if len(words := header.split()) > 2
        }


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
            self.steps.append(Step(phase, order, path, command, risk, topic, gap))
            gap = ""


def filter_steps(now: Filters, then: Filters, dialect: Dialect) -> list[Step]:
    """The steps for all lists and slots."""
    work = _Work()
    same = _same_lists(now, then, dialect)
    changed = _changed_names(now, then)
    in_place, copies = _slots(now, then, dialect, same, changed, work)
    for name, entries in then.lists.items():
        if name in same:
            continue
        risk, topic = _risk(name, now, then), f"access list {name}"
        old = now.lists.get(name)
        if old is None:
            work.add(Phase.ADD, dialect.build(name, entries), topic, risk)
        elif name in in_place or dialect.edit(name, old, entries) is not None:
            work.add(Phase.ADD, dialect.edit(name, old, entries) or [], topic, risk)
        else:
            gap = ""
            if name in now.others:
                gap = f"access list {name} is incomplete while its entries change places"
            work.add(Phase.ADD, dialect.rewrite(name, old, entries), topic, risk, gap=gap)
    for name, old in now.lists.items():
        if name not in then.lists:
            topic = f"access list {name}"
            work.add(
                Phase.REMOVE,
                dialect.delete(name, old),
                topic,
                _risk(name, now, then),
                rank=-LIST_RANK,
            )
    for copy, entries in copies.items():
        work.add(
            Phase.REMOVE, dialect.delete(copy, entries), "temporary copies", "none", rank=-LIST_RANK
        )
    return work.steps


def _slots(
    now: Filters,
    then: Filters,
    dialect: Dialect,
    same: set[str],
    changed: set[str],
    work: _Work,
) -> tuple[set[str], dict[str, tuple[str, ...]]]:
    """Decide for each slot; which lists are edited in place, and the copies that were made."""
    old_names, new_names = now.by_name(), then.by_name()
    in_place: set[str] = set()
    copies: dict[str, tuple[str, ...]] = {}
    made: dict[str, str] = {}

    def stable(name: str) -> bool:
        """Whether the list and all that it names stay as they are until the end."""
        if name in then.lists and name not in same:
            return False
        return not closure(now.lists.get(name, ()), old_names) & changed

    narrowed = _narrowed(now, then, dialect, same, changed, work, copies)
    for slot in dict.fromkeys((*now.slots, *then.slots)):
        if slot in narrowed:
            continue
        old, new = now.slots.get(slot), then.slots.get(slot)
        topic, risk = f"filter {slot}", _slot_risk(slot)
        if old is not None and stable(old):
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
        entries = then.lists.get(new, ())
        named = closure(entries, new_names) | closure(now.lists.get(old, ()), old_names)
        if (
            old == new
            and not named & changed
            and dialect.edit(new, now.lists.get(old, ()), entries) is not None
        ):
            in_place.add(new)
            continue
        copy = made.get(new)
        if copy is None:
            plain = _written_out(entries, then, dialect)
            if plain is None:
                gap = (
                    f"access list {new} ({slot}) names what cannot be written out here; "
                    "it is changed in place, and may fit neither configuration meanwhile"
                )
                # Putting the slot's own list into it again changes nothing and carries the note.
                work.add(_bound(slot), dialect.bind(slot, new), topic, risk, gap=gap)
                continue
            copy = made[new] = _free_name(new, now, then)
            copies[copy] = plain
            work.add(Phase.ASIDE, dialect.build(copy, plain), f"copy of {new}", "none")
        work.add(Phase.ASIDE, dialect.bind(slot, copy), topic, risk)
        work.add(_bound(slot), dialect.bind(slot, new), topic, risk)
    return in_place - set(made), copies


def _narrowed(
    now: Filters,
    then: Filters,
    dialect: Dialect,
    same: set[str],
    changed: set[str],
    work: _Work,
    copies: dict[str, tuple[str, ...]],
) -> set[str]:
    """Where packets go through two lists: each slot that changes permits what both permit first.

    Then what had no list gets it, what has one gets the target's, and what is to have none loses
    it last. The slots that are dealt with; none, where a packet meets one list alone.
    """
    slots = [s for s in dict.fromkeys((*now.slots, *then.slots)) if not s.startswith("line ")]
    if not any(s.startswith("out ") or s.endswith(" / out") for s in slots):
        return set()
    old_names = now.by_name()

    def changes(slot: str) -> bool:
        old, new = now.slots.get(slot), then.slots.get(slot)
        named = closure(now.lists.get(old or "", ()), old_names)
        # A name without a list in either has nothing that could change.
        kept = old in same or (old not in now.lists and old not in then.lists)
        return old != new or not kept or bool(named & changed)

    moving = [slot for slot in slots if changes(slot)]
    if len(moving) < 2:
        return set()
    middle: dict[str, tuple[str, ...] | None] = {}
    for slot in moving:
        old, new = now.slots.get(slot), then.slots.get(slot)
        # A list that is not there filters nothing (IOS), as if none were bound.
        listed = old in now.lists, new in then.lists
        before = _written_out(now.lists[old], now, dialect) if old and listed[0] else ()
        after = _written_out(then.lists[new], then, dialect) if new and listed[1] else ()
        if before is None or after is None:
            return set()
        # No list yet: nothing to narrow. No list later: today's until the end.
        middle[slot] = before or None
        if all(listed):
            middle[slot] = permitted_by_both(before, after, wildcard=dialect.wildcard)
            if middle[slot] is None:
                return set()
    for number, (slot, entries) in enumerate(middle.items()):
        topic, risk = f"filter {slot}", _slot_risk(slot)
        old, new = now.slots.get(slot), then.slots.get(slot)
        if entries is not None:
            copy = _free_name(f"{new or old}-{number}", now, then)
            copies[copy] = entries
            work.add(Phase.ASIDE, dialect.build(copy, entries), f"copy of {new or old}", "none")
            work.add(Phase.ASIDE, dialect.bind(slot, copy), topic, risk)
            if new is None:
                rank = LIST_RANK + 2
                work.add(Phase.BIND, dialect.unbind(slot, copy), topic, risk, rank=rank)
        if new is not None:
            rank = LIST_RANK + (2 if new not in then.lists else int(old in now.lists))
            work.add(Phase.BIND, dialect.bind(slot, new), topic, risk, rank=rank)
    return set(moving)


def _written_out(entries: Sequence[str], then: Filters, dialect: Dialect) -> tuple[str, ...] | None:
    plain: dict[str, str] = {}
    for entry in entries:
        if "remark" in entry.split()[:2]:
            continue
        single = written_out(entry, then.definitions)
        if single is None:
            return None
        for one in single:
            # A device refuses what the list already says further up.
            plain.setdefault(dialect.spelling(one), one)
    return tuple(plain.values()) or None


def _same_lists(now: Filters, then: Filters, dialect: Dialect) -> set[str]:
    return {
        name
        for name, entries in then.lists.items()
        if name in now.lists
        and dialect.settled(name)
        and [dialect.spelling(e) for e in now.lists[name]] == [dialect.spelling(e) for e in entries]
    }


def _changed_names(now: Filters, then: Filters) -> set[str]:
    """Objects and groups of both configurations that do not mean the same in both."""
    old, new = now.by_name(), then.by_name()
    kinds_old = {h.split()[2]: h for h in now.definitions if len(h.split()) > 2}
    kinds_new = {h.split()[2]: h for h in then.definitions if len(h.split()) > 2}
    return {
        name
        for name in old.keys() & new.keys()
        if set(_meaning(old[name])) != set(_meaning(new[name]))
        or kinds_old[name] != kinds_new[name]
    }


def _meaning(lines: Sequence[str]) -> Iterator[str]:
    return (line for line in lines if line.split()[0] not in ("description", "nat"))


def _free_name(name: str, now: Filters, then: Filters) -> str:
    copy = name + _ASIDE
    while copy in now.lists or copy in then.lists:
        copy += "x"
    return copy


def _bound(slot: str) -> Phase:
    """When a slot gets its list: what filters our own sessions comes late."""
    return Phase.ACCESS if slot.startswith("line ") else Phase.BIND


def _slot_risk(slot: str) -> Risk:
    return "management" if slot.startswith("line ") else "traffic"


def _risk(name: str, now: Filters, then: Filters) -> Risk:
    risks = [_slot_risk(s) for s, n in (*now.slots.items(), *then.slots.items()) if n == name]
    others = [found[name] for found in (now.others, then.others) if name in found]
    if "management" in risks:
        return "management"
    return "traffic" if risks else (others[0] if others else "none")
