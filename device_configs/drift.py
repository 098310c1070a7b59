"""Drift: what a device runs against what its template says, across the fleet.

The running side is the latest backup, or what the device says now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from device_configs.diff import SectionDiff, differences
from device_configs.errors import DeviceConfigError
from device_configs.plan import plan
from device_configs.sections import revealed
from inventory.errors import SecretError
from inventory.operations import Device


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one device is from its template."""

    device: str
    sections: tuple[SectionDiff, ...] = ()
    """What differs, secrets masked; empty where nothing would be done."""
    commands: int = 0
    """How many commands would bring it back."""
    error: str | None = None

    @property
    def state(self) -> str:
        """`as the template`, `drifted` or `unknown`."""
        if self.error is not None:
            return "unknown"
        return "drifted" if self.commands else "as the template"

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "device": self.device,
            "state": self.state,
            "commands": self.commands,
            "sections": [section.as_json() for section in self.sections],
            "error": self.error,
        }


def drift(
    device: Device, wanted: Callable[[Device], str], running: Callable[[Device], str]
) -> Drift:
    """Compare one device; what cannot be had is said in `error`, so that the fleet goes on."""
    try:
        target = wanted(device)
        # A secret that the device hides cannot be told from the template's.
        now = revealed(running(device), target)
        commands = len(plan(now, target, device.platform).commands)
    except (DeviceConfigError, SecretError) as error:
        return Drift(device.id, error=str(error))
    found = differences(now, target) if commands else ()
    return Drift(device.id, tuple(d for d in found if not _by_itself(d, device)), commands)


def _by_itself(found: SectionDiff, device: Device) -> bool:
    """Whether the device only shows what it was never told: nothing would be done about it."""
    if found.added or len(found.section) != 1 or found.section[0] not in " ".join(found.removed):
        return False
    return not plan("\n".join(found.removed), "", device.platform).commands
