"""Where a line stands, and stood, in all that was ever kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from device_configs.history import History, Version, iso
from device_configs.masking import masked_line
from device_configs.sections import parse, walk

_Place = tuple[str, tuple[str, ...], str]
"""Part, headers above, line."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line of one device that fits, and how long it stood there."""

    device: str
    part: str
    section: tuple[str, ...]
    line: str
    """Masked."""
    since_ns: int
    """Of the first version that has it."""
    until_ns: int | None
    """Of the first version that has it no more; None where it stands today."""

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "device": self.device,
            "part": self.part,
            "section": list(self.section),
            "line": self.line,
            "since": iso(self.since_ns),
            "until": None if self.until_ns is None else iso(self.until_ns),
        }


def search(
    history: History, pattern: re.Pattern[str], devices: Iterable[str], *, now: bool = False
) -> Iterator[Hit]:
    """Lines of the kept running configurations that fit, device by device.

    Secrets are searched and never shown. With `now`, the newest versions alone. A line that went
    and came back is one hit a time. Raises `HistoryError`.
    """
    for device in devices:
        versions = history.versions(device)
        yield from _of_device(history, pattern, device, versions[:1] if now else versions[::-1])


def _of_device(
    history: History, pattern: re.Pattern[str], device: str, versions: Iterable[Version]
) -> Iterator[Hit]:
    """`versions` oldest first."""
    open_since: dict[_Place, int] = {}
    read: dict[bytes, frozenset[_Place]] = {}
    for version in versions:
        here: set[_Place] = set()
        for part, name in version.parts.items():
            if not part.endswith("running"):
                continue
            if name not in read:
                text = history.text(version, part)
                read[name] = frozenset(_fitting(text, part, pattern))
            here |= read[name]
        taken = version.meta.taken_ns
        for place in sorted(open_since.keys() - here):
            yield _hit(device, place, open_since.pop(place), taken)
        for place in here:
            open_since.setdefault(place, taken)
    for place, since in sorted(open_since.items()):
        yield _hit(device, place, since, None)


def _fitting(text: str, part: str, pattern: re.Pattern[str]) -> Iterator[_Place]:
    for above, line in walk(parse(text)):
        for own in line.command.split("\n"):
            if pattern.search(own):
                yield (part, above, own)


def _hit(device: str, place: _Place, since: int, until: int | None) -> Hit:
    part, above, line = place
    section = tuple(masked_line(header) for header in above)
    return Hit(device, part, section, masked_line(line), since, until)
