"""What differs between the command lines of PIX, ASA, IOS and FRR, as data.

Sources: Cisco PIX Firewall Command Reference 6.3, Cisco Security Appliance Command Reference 7.2,
Cisco ASA Series Command Reference, Cisco IOS Configuration Fundamentals Command Reference, FRR 8.4
vtysh as seen. Everything a session types by itself is here, so it can be read at once that a
read-only job types nothing that enters a configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from device_configs.errors import DeviceConfigError

Syntax = Literal["ios", "asa", "pix6"]


@dataclass(frozen=True, slots=True)
class Platform:
    """One kind of command line."""

    name: str
    syntax: Syntax
    """How its configuration is written: PIX 7 and 8 are written as ASA is."""
    before_reading: tuple[str, ...]
    """Typed after login, of effect on this session alone; a refusal does not matter."""
    running: tuple[str, ...]
    """What shows the running configuration: the first that is not refused; unmasked first."""
    startup: tuple[str, ...]
    leave: str
    """From any configuration mode back to privileged mode."""
    end: re.Pattern[str] | None
    """The last line of a whole configuration; None where the platform has no such line."""
    refusals: re.Pattern[str]
    """Lines of an answer that mean: not done."""
    warnings: re.Pattern[str]
    """Lines of an answer that mean: done, but look."""
    harmless: re.Pattern[str]
    """Refusals that mean: it is so already."""
    volatile: re.Pattern[str]
    """Lines of a configuration that change without anybody having changed it."""
    hash_differs: bool = False
    """Whether a secret in clear comes back as a hash that another salt makes another."""
    enter: str = "configure terminal"
    save: str = "write memory"
    has_contexts: bool = False
    has_failover: bool = False

    def refusal(self, output: str) -> str | None:
        """The first line that says the command was not carried out; None where there is none."""
        for line in output.splitlines():
            if self.refusals.search(line) and not self.harmless.search(line):
                return line.strip()
        return None

    def warning(self, output: str) -> str | None:
        """The first line that warns of something; None where there is none."""
        found = self.warnings.search(output)
        return None if found is None else found[0].strip()

    def stable(self, text: str) -> str:
        """A configuration without what changes by itself: two with the same are the same."""
        lines = (line.rstrip() for line in text.splitlines())
        return "".join(f"{line}\n" for line in lines if line and not self.volatile.match(line))


_NEVER = re.compile(r"(?!)")
_ASA_VOLATILE = re.compile(
    r": Saved|:$|: (?:end|Written by .*|Serial Number:.*|Hardware: .*|Call-home .*)|"
    r"Cryptochecksum:|\[OK\]|Building configuration|: Call-Home enabled|!$"
)
_IOS_VOLATILE = re.compile(
    r"! (?:Last configuration change|NVRAM config last updated|No configuration change)|"
    r"Building configuration|Current configuration|Using \d+ out of \d+ bytes|"
    r"ntp clock-period |!$|! *$"
)
_ASA_REFUSALS = re.compile(
    r"^\s*(?:ERROR|Error|% ?Error)\b|^\s*(?:Usage:|Type help)|^% ?(?:Invalid|Incomplete|Ambiguous)|"
    r"Command authorization failed|not allowed, it is being used|^Command (?:rejected|failed)|"
    r"^Command not valid in |^Access denied|^Invalid (?:input|command)|"
    r"^(?:Cannot|Can't|Unable to) |Not enough arguments|"
    r"^(?:Bad|Unknown) |^.{0,40}: (?:No such|not found)|does not exist"
)
_WARNINGS = re.compile(r"^\s*(?:WARNING|Warning|INFO|NOTE)\b.*$", re.MULTILINE)

_ASA = Platform(
    name="cisco_asa",
    syntax="asa",
    before_reading=("terminal pager 0",),
    running=("more system:running-config", "show running-config"),
    startup=("show startup-config",),
    leave="end",
    end=re.compile(r"^: end$"),
    refusals=_ASA_REFUSALS,
    warnings=_WARNINGS,
    harmless=_NEVER,
    volatile=_ASA_VOLATILE,
    hash_differs=True,
    has_contexts=True,
    has_failover=True,
)
PLATFORMS: dict[str, Platform] = {
    "cisco_asa": _ASA,
    "cisco_pix": replace(_ASA, name="cisco_pix"),
    # 6.x has no `terminal pager`, and `no pager` is part of its configuration: it is left alone.
    "cisco_pix6": Platform(
        name="cisco_pix6",
        syntax="pix6",
        before_reading=(),
        running=("show running-config", "write terminal"),
        startup=("show startup-config", "show configure"),
        leave="exit",
        end=re.compile(r"^: end$|^\[OK\]$"),
        refusals=_ASA_REFUSALS,
        warnings=_WARNINGS,
        harmless=_NEVER,
        volatile=_ASA_VOLATILE,
        hash_differs=True,
        has_failover=True,
    ),
    "cisco_ios": Platform(
        name="cisco_ios",
        syntax="ios",
        before_reading=("terminal length 0", "terminal width 511"),
        running=("show running-config",),
        startup=("show startup-config",),
        leave="end",
        end=re.compile(r"^end$"),
        refusals=re.compile(
            # Not a line of the log (`%ARCHIVE_DIFF-5-...`).
            r"^\s*%(?! ?(?:Warning|WARNING|INFO|Please|Generating|[A-Z][A-Z\d_]*-\d-))|"
            r"Command authorization failed|^Command rejected|^\S+ is not running$"
        ),
        warnings=_WARNINGS,
        harmless=_NEVER,
        volatile=_IOS_VOLATILE,
        hash_differs=True,
    ),
    # Its startup configuration is a file of the host that no command of vtysh prints.
    "frr": Platform(
        name="frr",
        syntax="ios",
        before_reading=("terminal length 0",),
        running=("show running-config",),
        startup=(),
        leave="end",
        end=re.compile(r"^end$"),
        refusals=re.compile(r"^\s*%(?! ?Warning)|^\S+ is not running$|^Command rejected"),
        warnings=_WARNINGS,
        harmless=re.compile(r"Refusing to remove a non-existent route|Can't find|No such"),
        volatile=_IOS_VOLATILE,
    ),
}


def platform_named(name: str, subject: str) -> Platform:
    """The platform of a `[[device]]`; `DeviceConfigError` where there is none of this name."""
    try:
        return PLATFORMS[name]
    except KeyError:
        known = ", ".join(PLATFORMS)
        raise DeviceConfigError(
            subject, f'platform "{name}" is not known here', f"write one of {known}"
        ) from None


def platform_of_release(platform: Platform, release: str) -> Platform:
    """The platform proper, once the release is known: a PIX below 7 has a language of its own."""
    if platform.name == "cisco_pix" and release.startswith(("4.", "5.", "6.")):
        return PLATFORMS["cisco_pix6"]
    if platform.name == "cisco_pix6" and release.startswith(("7.", "8.")):
        return PLATFORMS["cisco_pix"]
    return platform
