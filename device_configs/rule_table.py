"""The rules of many firewalls as one table, from their backups, and since when each is in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from device_configs.history import History, Version, iso
from device_configs.rules import SecurityRule, rules
from inventory.operations import Device

COLUMNS = (
    "device", "context", "number", "list", "interface", "direction", "action", "protocol", "source",
    "source_port", "destination", "destination_port", "options", "active", "remark", "hits",
    "since",
)  # fmt: skip
"""Of a firewall in multiple mode each context has rules of its own; else `context` is empty."""


def rows(
    history: History,
    device: Device,
    at_ns: int | None,
    hits: Mapping[tuple[str, str], int] | None = None,
    *,
    dated: bool = False,
) -> Iterator[dict[str, Any]]:
    """A row a rule that was in force at a time (UTC ns, default now); columns as `COLUMNS`.

    `since` is the time of the first backup of an unbroken row of them that have the rule, ISO 8601;
    None without `dated`, which reads them all. Raises `HistoryError`.
    """
    version = history.version_at(device.id, at_ns)
    for part in sorted(one for one in version.parts if one.endswith("running")):
        found = rules(history.text(version, part), device.platform, hits)
        since = _since(history, device, version, part, found) if dated else {}
        context = part.removesuffix("running").removeprefix("context/").rstrip("/")
        for rule in found:
            first = since.get(_said(rule))
            yield {
                "device": device.id, "context": context, **rule.as_json(),
                "since": None if first is None else iso(first),
            }  # fmt: skip


def _since(
    history: History, device: Device, version: Version, part: str, found: tuple[SecurityRule, ...]
) -> dict[tuple[object, ...], int]:
    since = {_said(rule): version.meta.taken_ns for rule in found}
    there, name = set(since), version.parts[part]
    for older in history.versions(device.id):
        if older.meta.taken_ns >= version.meta.taken_ns:
            continue
        if part not in older.parts or not there:
            break
        if older.parts[part] != name:
            name = older.parts[part]
            there &= {_said(one) for one in rules(history.text(older, part), device.platform)}
        since |= dict.fromkeys(there, older.meta.taken_ns)
    return since


def _said(rule: SecurityRule) -> tuple[object, ...]:
    """What a rule says, wherever it stands in its list."""
    return (
        rule.list, rule.interface, rule.direction, rule.action, rule.protocol, rule.source,
        rule.source_port, rule.destination, rule.destination_port, rule.options, rule.active,
    )  # fmt: skip
