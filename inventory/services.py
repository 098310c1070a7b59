"""Which services the contract knows, and which PAS may have them at which level.

The line numbers are those of the annex "Livelli di servizio e penali"; the limits themselves are in
`analysis/catalogue`, and a test holds both to the same profiles, levels and windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Profile = Literal["high", "medium", "base", "base-satellite"]
"""Alto, Medio, Base (Terrestre), Base Satellitare (line 120)."""
Level = Literal["L1", "L2", "L3"]
"""Reliability of a PAS for one service (line 119)."""
Window = Literal["normal", "extended"]
"""08:00-20:00 local time or around the clock, every day (line 111)."""

ALL_PROFILES: tuple[Profile, ...] = ("high", "medium", "base", "base-satellite")


@dataclass(frozen=True, slots=True)
class ServiceRule:
    """What the annex says of who may have a service."""

    section: str
    levels: tuple[Level, ...]
    """Empty: the annex gives the service no levels."""
    profiles: tuple[Profile, ...]
    windows: tuple[Window, ...]
    per_pas: bool
    """Charged and listed per PAS; otherwise as a whole, in `[contract].services`."""
    between_pas: bool
    """Its traffic is measured between two PAS that both have the service."""
    lines: str


def _per_pas(
    section: str,
    lines: str,
    *,
    levels: tuple[Level, ...] = ("L1", "L2", "L3"),
    profiles: tuple[Profile, ...] = ALL_PROFILES,
    between_pas: bool = False,
) -> ServiceRule:
    return ServiceRule(
        section, levels, profiles, ("normal", "extended"), True, between_pas, f"lines {lines}"
    )


def _as_a_whole(section: str, lines: str) -> ServiceRule:
    return ServiceRule(section, (), ALL_PROFILES, ("extended",), False, False, f"lines {lines}")


SERVICES: Mapping[str, ServiceRule] = {
    "ip-base": _per_pas("3.1", "138-156"),
    "ip-qos": _per_pas("3.2", "171-188", between_pas=True),
    "security-standard": _per_pas("4.1", "204-218"),
    "security-strong": _per_pas("4.2", "236-255"),
    "voip": _per_pas("5", "275-293", between_pas=True),
    # Footnotes 2 and 3 (lines 370 and 408) keep video to these profiles; L1 has no row in either.
    "video-collaboration": _per_pas(
        "6.2",
        "364-373",
        levels=("L2", "L3"),
        profiles=("high", "medium"),
        between_pas=True,
    ),
    "video-conference": _per_pas(
        "6.3", "402-411", levels=("L2", "L3"), profiles=("high",), between_pas=True
    ),
    "email": _as_a_whole("6.1", "322-331"),
    "unified-messaging": _as_a_whole("6.1", "332-335"),
    "mobile-intranet": _as_a_whole("6.4.1", "438-445"),
    "mobile-satellite": _as_a_whole("6.4.2", "457-464"),
    "workstation-management": _as_a_whole("7.1", "477-487"),
    "lan-management": _as_a_whole("7.2", "506-514"),
    "system-management": _as_a_whole("7.3", "529-540"),
    "asset-management": _as_a_whole("7.3", "541-544"),
    "call-center": _as_a_whole("8.1", "569-577"),
    "provisioning": _as_a_whole("8.2", "591-603"),
    "reporting": _as_a_whole("8.3", "611-612"),
}
