"""Who a device is, from what it says about itself.

Wording of `show version` after recordings of an ASA 9.12 and IOS XE 17.9, the command references of
PIX 6.3 and 7.2, and FRR 8.4 as seen; of `show failover` after the PIX 6.3 and ASA references.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from device_configs.platforms import Platform
from device_configs.sections import hostname

_RELEASE = (
    re.compile(r"(?:PIX Firewall|Security Appliance)(?: Software)? Version (\S+)"),
    re.compile(r"Cisco IOS.*?,? Version ([^\s,]+)"),
    re.compile(r"^FRRouting (\S+)", re.MULTILINE),
)
_MODEL = (
    re.compile(r"^[Mm]odel [Nn]umber\s*:\s*(\S+)", re.MULTILINE),
    re.compile(r"^Hardware:\s+([^\s,]+)", re.MULTILINE),
    re.compile(r"^cisco (\S+) \(.*?\) processor", re.MULTILINE | re.IGNORECASE),
)
_SERIAL = (
    re.compile(r"^System [Ss]erial [Nn]umber\s*:\s*(\S+)", re.MULTILINE),
    re.compile(r"^Serial Number:\s*(\w+)", re.MULTILINE),
    re.compile(r"^Processor board ID (\S+)", re.MULTILINE),
)
_THIS_HOST = re.compile(r"This host:\s*(?:Primary|Secondary)\s*-\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Facts:
    """A unit's identity; what it does not say is empty."""

    hostname: str
    model: str
    serial: str
    release: str
    failover: Literal["active", "standby"] | None
    """Its role in a failover pair; None where there is no pair."""
    multiple_contexts: bool
    context: str
    """The context that the session is in; empty where there are none."""
    version_text: str
    """`show version` as it came."""


def facts_of(platform: Platform, prompt_host: str, ask: Callable[[str], str | None]) -> Facts:
    """What a device says of itself; `ask` gives None for a refused command."""
    version = ask("show version") or ""
    failover = ask("show failover") if platform.has_failover else None
    mode = ask("show mode") if platform.has_contexts else None
    name = re.match(r"[^/:@]+", prompt_host)
    multiple = re.search(r"context mode: *multiple", mode or "") is not None
    return Facts(
        hostname=prompt_host if name is None else name[0],
        model=_first(_MODEL, version),
        serial=_first(_SERIAL, version),
        release=_first(_RELEASE, version),
        failover=role_in_pair(failover or ""),
        multiple_contexts=multiple,
        context=prompt_host.partition("/")[2].partition("/")[0] if multiple else "",
        version_text=version,
    )


def named_by(facts: Facts, running: str) -> Facts:
    """The facts of a context with the name that its own configuration gives it: the one in the
    prompt is the system's."""
    return replace(facts, hostname=hostname(running) or "") if facts.context else facts


def role_in_pair(show_failover: str) -> Literal["active", "standby"] | None:
    """The role that `show failover` gives this unit; every role but active is standby."""
    if re.match(r"\s*Failover Off", show_failover, re.IGNORECASE):
        return None
    found = _THIS_HOST.search(show_failover)
    if found is None:
        return None
    return "active" if found[1].lower() == "active" else "standby"


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> str:
    for pattern in patterns:
        found = pattern.search(text)
        if found is not None:
            return found[1]
    return ""
