"""How two configurations differ: by sections, with order only where order means something.

Pure. What a device prints in another order, or indents otherwise, is no difference. Whole texts
with their secrets are compared; what is shown of them is masked, and says where it is the secret
alone that differs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from device_configs.masking import SHOWN, masked_line
from device_configs.sections import Line, parse

_ORDERED = re.compile(
    r"access-list |ip access-list |ipv6 access-list |ip prefix-list |route-map |policy-map |"
    r"nat \(|aaa |banner |crypto \S+ (?:certificate )?chain |certificate "
)
"""Sections and groups in which the first that fits wins, or that are one text."""


@dataclass(frozen=True, slots=True)
class SectionDiff:
    """What differs in one section, or in the commands of one kind outside of sections."""

    section: tuple[str, ...]
    """The headers, outermost first; masked."""
    removed: tuple[str, ...]
    """Masked, in the order of the older text."""
    added: tuple[str, ...]
    """Masked, in the order of the newer text."""
    moved: tuple[str, ...] = ()
    """Of an ordered section: what stands in both, at another place."""

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "section": list(self.section),
            "removed": list(self.removed),
            "added": list(self.added),
            "moved": list(self.moved),
        }


def differences(before: str, after: str) -> tuple[SectionDiff, ...]:
    """What differs between two configurations of one device; empty where nothing does."""
    return tuple(_compared((), parse(before), parse(after)))


def _compared(
    above: tuple[str, ...], before: tuple[Line, ...], after: tuple[Line, ...]
) -> Iterator[SectionDiff]:
    olds, news = _grouped(before, above), _grouped(after, above)
    for group in dict.fromkeys((*olds, *news)):
        old, new = olds.get(group, []), news.get(group, [])
        sections = [line for line in (*old, *new) if line.children]
        ordered = any(_ORDERED.match(header) for header in (*above, group))
        title = (*above, masked_line(group)) if group else above
        yield from _lines(
            title, [_own(line) for line in old], [_own(line) for line in new], ordered
        )
        for header in dict.fromkeys(line.text for line in sections):
            yield from _compared(
                (*above, masked_line(header)),
                tuple(child for line in old if line.text == header for child in line.children),
                tuple(child for line in new if line.text == header for child in line.children),
            )


def _lines(
    title: tuple[str, ...], old: list[str], new: list[str], ordered: bool
) -> Iterator[SectionDiff]:
    if old == new:
        return
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    removed, added = _taken(old, gone), _taken(new, come)
    moved: list[str] = []
    if ordered:
        kept_old = _left(old, gone)
        kept_new = _left(new, come)
        matcher = SequenceMatcher(None, kept_old, kept_new, autojunk=False)
        for tag, _, _, low, high in matcher.get_opcodes():
            if tag in ("insert", "replace"):
                moved.extend(kept_new[low:high])
    if removed or added or moved:
        yield SectionDiff(title, *_shown(removed, added), tuple(_show(line) for line in moved))


def _shown(removed: list[str], added: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both sides masked; where masking makes two equal, the secret is what differs."""
    olds, news = [_show(line) for line in removed], [_show(line) for line in added]
    both = set(olds) & set(news)
    other = SHOWN[:-1] + ", another>"
    return tuple(olds), tuple(line.replace(SHOWN, other) if line in both else line for line in news)


def _show(line: str) -> str:
    return "\n".join(masked_line(part) for part in line.split("\n"))


def _grouped(lines: tuple[Line, ...], above: tuple[str, ...]) -> dict[str, list[Line]]:
    """What is compared together: a section by its header, all else within a section at once."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        alone = bool(line.children or line.block)
        group = line.text if alone else "" if above else _group(line)
        groups.setdefault(group, []).append(line)
    return groups


def _own(line: Line) -> str:
    return line.command


def _group(line: Line) -> str:
    """What a command outside of sections is compared with: those that begin as it does."""
    words = line.text.split()
    if words and words[0] == "no":
        words = words[1:] or words
    named = words[:1] in (["access-list"], ["ip"], ["crypto"], ["snmp-server"], ["spanning-tree"])
    return " ".join(words[: 2 if named else 1])


def _taken(lines: list[str], wanted: Counter[str]) -> list[str]:
    left = Counter(wanted)
    taken = []
    # The last of equal lines are the surplus ones.
    for line in reversed(lines):
        if left[line] > 0:
            left[line] -= 1
            taken.append(line)
    return taken[::-1]


def _left(lines: list[str], without: Counter[str]) -> list[str]:
    left = Counter(without)
    kept = []
    for line in reversed(lines):
        if left[line] > 0:
            left[line] -= 1
        else:
            kept.append(line)
    return kept[::-1]
