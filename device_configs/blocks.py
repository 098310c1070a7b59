"""Access blocks: an address shut out in front of all permits, and let in again.

The lists that filter incoming traffic get two entries in front, from and to the address. What was
put where is kept in `blocks.json` beside the repository, so that `allow` restores exactly the
former state: an entry that stood further down before goes back behind the entry it stood behind.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from device_configs import plan_asa, plan_ios
from device_configs.aces import one_spelling
from device_configs.errors import DeviceConfigError, HistoryError
from device_configs.files import disk_error, write_whole
from device_configs.filters import Filters
from device_configs.sections import family, parse


@dataclass(frozen=True, slots=True)
class Placed:
    """One entry that a block has put in front of a list."""

    list: str
    entry: str
    behind: str | None = None
    """Where it stood further down before: the entry in front of it there; empty, at the front.
    None: it was not in the list."""
    number: int | None = None
    """Its sequence number there, where the device shows one."""


@dataclass(frozen=True, slots=True)
class Block:
    """An address that is shut out on one device."""

    device: str
    address: str
    since_ns: int
    until_ns: int | None
    by: str
    placed: tuple[Placed, ...]

    def expired(self, now_ns: int) -> bool:
        """Whether it was asked to end before now."""
        return self.until_ns is not None and self.until_ns <= now_ns


def blocked(
    running: str, address: str, platform: str, device: str
) -> tuple[str, tuple[Placed, ...]]:
    """The configuration with the address shut out, and what was placed where (nothing: it is so).

    Raises `DeviceConfigError` for what is no IPv4 address, and where no list filters anything.
    """
    host = host_of(address, device)
    entries = [f"deny ip host {host} any", f"deny ip any host {host}"]
    ios = family(platform, running) == "ios"
    found = _filters(running, ios=ios)
    names = [n for slot, n in found.slots.items() if _inward(slot) and found.lists.get(n)]
    if not names:
        raise DeviceConfigError(
            device,
            "no access list filters incoming traffic on any interface",
            "bind a list to an interface first (access-group); a block goes in front of it",
        )
    placed: list[Placed] = []
    text, listed = running, _rows(running, ios=ios)
    for name in dict.fromkeys(names):
        rows = listed[name]
        standard = ios and _is_standard(running, name)
        extended = any(row.entry.startswith("extended ") for row in rows)
        wanted = [f"deny host {host}"] if standard else entries
        wanted = [f"extended {entry}" if extended else entry for entry in wanted]
        spelled = [one_spelling(row.entry, wildcard=ios) for row in rows]
        first_permit = next((i for i, one in enumerate(spelled) if _permits(one)), len(rows))
        front: list[_Row] = []
        for entry in wanted:
            plain = one_spelling(entry, wildcard=ios)
            if plain in spelled[:first_permit]:
                continue
            behind, number = None, None
            if plain in spelled:
                place = spelled.index(plain)
                behind = rows[place - 1].entry if place else ""
                number = rows[place].number
                del rows[place], spelled[place]
            placed.append(Placed(name, entry, behind, number))
            front.append(_Row(None, entry))
        if front:
            text = _with_list(text, name, _in_front(front, rows), ios=ios)
    return text, tuple(placed)


def allowed(running: str, block: Block, platform: str) -> str:
    """The configuration as it was before the block; what was changed since stays."""
    ios = family(platform, running) == "ios"
    text, listed = running, _rows(running, ios=ios)
    for name in dict.fromkeys(one.list for one in block.placed):
        rows = listed.get(name, [])
        for one in block.placed:
            if one.list != name:
                continue
            plain = one_spelling(one.entry, wildcard=ios)
            spelled = [one_spelling(row.entry, wildcard=ios) for row in rows]
            if plain not in spelled:
                continue
            row = rows.pop(spelled.index(plain))
            if one.behind is not None:
                before = one_spelling(one.behind, wildcard=ios)
                spelled = [one_spelling(other.entry, wildcard=ios) for other in rows]
                place = spelled.index(before) + 1 if before in spelled else 0
                rows.insert(place, _Row(one.number, row.entry))
        text = _with_list(text, name, rows, ios=ios)
    return text


class _Row(NamedTuple):
    """One entry of a list."""

    number: int | None
    """Where the configuration shows sequence numbers (IOS)."""
    entry: str


def _rows(text: str, *, ios: bool) -> dict[str, list[_Row]]:
    lines = parse(text)
    if ios:
        numbered = plan_ios.lists_in(lines).items()
        return {name: [_Row(*entry) for entry in one.entries] for name, one in numbered}
    lists = plan_asa.filters(lines).lists.items()
    return {name: [_Row(None, entry) for entry in entries] for name, entries in lists}


def _in_front(front: Sequence[_Row], rows: Sequence[_Row]) -> list[_Row]:
    """New rows before the others, numbered where there is room, so that no other number changes."""
    start = (rows[0].number or 0) - len(front) if rows else 0
    if start < 1:
        return [*front, *rows]
    return [*(_Row(start + i, row.entry) for i, row in enumerate(front)), *rows]


def _permits(entry: str) -> bool:
    return entry.removeprefix("extended ").startswith("permit ")


def host_of(address: str, device: str) -> str:
    """The address in its one spelling. Raises `DeviceConfigError` for what is no IPv4 address."""
    try:
        return str(ipaddress.IPv4Address(address))
    except ValueError:
        raise DeviceConfigError(
            device, f"{address!r} is no IPv4 address", "write it as 192.0.2.7"
        ) from None


def _inward(slot: str) -> bool:
    """Whether traffic that comes in by an interface goes through the slot."""
    return slot.startswith("in interface ") or (
        slot.startswith("interface ") and slot.endswith(" / in")
    )


def _filters(text: str, *, ios: bool) -> Filters:
    lines = parse(text)
    return plan_ios.filters(lines, plan_ios.lists_in(lines)) if ios else plan_asa.filters(lines)


def _is_standard(running: str, name: str) -> bool:
    found = plan_ios.lists_in(parse(running)).get(name)
    return found is not None and found.header.startswith("ip access-list standard")


def _with_list(text: str, name: str, rows: Sequence[_Row], *, ios: bool) -> str:
    """The text with these entries in the list; everything else as it stands.

    Numbers are written where all have one and they rise; otherwise the planner gives new ones.
    """
    numbers = [row.number for row in rows]
    risen = None not in numbers and numbers == sorted(set(numbers), key=lambda one: one or 0)
    entries = [f"{row.number} {row.entry}" if risen else row.entry for row in rows]
    kept: list[str] = []
    at: int | None = None
    inside, flat = False, True
    for line in text.replace("\r", "").split("\n"):
        bare = line.strip()
        if ios and bare.split()[:2] == ["ip", "access-list"] and bare.split()[3:4] == [name]:
            inside, flat, at = True, False, len(kept) + 1
            kept.append(line)
            continue
        if inside and line.startswith(" "):
            continue
        inside = False
        if bare.startswith(f"access-list {name} "):
            at = len(kept) if at is None else at
            continue
        kept.append(line)
    made = [f"access-list {name} {entry}" if flat else f" {entry}" for entry in entries]
    place = len(kept) if at is None else at
    return "\n".join([*kept[:place], *made, *kept[place:]])


def load(folder: Path) -> tuple[Block, ...]:
    """All blocks that are active, oldest first. `HistoryError` where the file is damaged."""
    file = folder / "blocks.json"
    try:
        rows = json.loads(file.read_text())
        return tuple(
            Block(**{**row, "placed": tuple(Placed(**one) for one in row["placed"])})
            for row in rows
        )
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise disk_error(file, error) from None
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise HistoryError(
            str(file), f"cannot be understood ({error})", "restore it from the host's backup"
        ) from None


def save(folder: Path, blocks: Sequence[Block]) -> None:
    """Replace the list of active blocks."""
    rows = [asdict(block) for block in blocks]
    write_whole(folder / "blocks.json", json.dumps(rows, indent=2).encode())
