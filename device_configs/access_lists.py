"""Ordered lists: what to insert and delete, in an order that opens and closes nothing.

Pure. The argument for `edits`: while elements of the target are inserted from the front, every
element of the current list is still there in its order, so the first match of a packet is the
current list's or the target's. While the surplus is deleted from the back, the whole target is
there and so is all of the current list before the surplus that matches. Thus a packet that both
lists permit is permitted throughout, and one that both deny is denied. An element that changes
its place breaks this (a device refuses it twice, so it must go first); `edits` names them, and
the planner then builds a second list beside the first (`plan_asa`, `plan_ios`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Insert:
    """Put `target[index]` at `line`; 1 is the front of the list as it is at that moment."""

    index: int
    line: int
    last: bool
    """Whether it comes behind all that is there, so that no line number is needed."""


@dataclass(frozen=True, slots=True)
class Edits:
    """How one ordered list becomes another: moved away first, inserted, surplus deleted."""

    moved: tuple[int, ...]
    """Indices of the current list, from the back, that come again at another place."""
    inserts: tuple[Insert, ...]
    surplus: tuple[int, ...]
    """Indices of the current list, from the back, that do not come again."""

    def __bool__(self) -> bool:
        return bool(self.moved or self.inserts or self.surplus)


def edits(current: Sequence[Key], target: Sequence[Key]) -> Edits:
    """The edits that make `current` into `target`; as few moves as can be, O(n log n).

    An element that stands in a list more than once (a remark) is told apart by its count.
    """
    old, new = _counted(current), _counted(target)
    place = {element: index for index, element in enumerate(old)}
    kept = _longest_rising([place[element] for element in new if element in place])
    wanted = set(new)
    staying = set(kept)
    moved = tuple(
        index
        for index in reversed(range(len(old)))
        if old[index] in wanted and index not in staying
    )
    gone = set(moved)
    surplus = tuple(i for i in reversed(range(len(old))) if i not in staying and i not in gone)
    # Where a kept element stands once the moved ones are away.
    rank, position = {}, 0
    for index in range(len(old)):
        if index not in gone:
            position += 1
            rank[index] = position
    inserts: list[Insert] = []
    before = 0
    for index, element in enumerate(new):
        origin = place.get(element)
        if origin is not None and origin in staying:
            before = rank[origin]
        else:
            inserts.append(Insert(index, before + len(inserts) + 1, last=before == position))
    return Edits(moved, tuple(inserts), surplus)


def _counted(elements: Sequence[Key]) -> list[tuple[Key, int]]:
    seen: Counter[Key] = Counter()
    result = []
    for element in elements:
        result.append((element, seen[element]))
        seen[element] += 1
    return result


def _longest_rising(numbers: Sequence[int]) -> list[int]:
    """The longest rising subsequence of different numbers (patience sorting)."""
    tops: list[int] = []
    piles: list[int] = []
    before: list[int | None] = []
    for index, number in enumerate(numbers):
        pile = bisect_left(tops, number)
        before.append(piles[pile - 1] if pile else None)
        if pile == len(tops):
            tops.append(number)
            piles.append(index)
        else:
            tops[pile] = number
            piles[pile] = index
    chain: list[int] = []
    at = piles[-1] if piles else None
    while at is not None:
        chain.append(numbers[at])
        at = before[at]
    return chain[::-1]
