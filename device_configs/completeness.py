"""Whether what a device sent is its whole configuration; only such a one is kept."""

from __future__ import annotations

import re

from device_configs.errors import IncompleteConfiguration
from device_configs.masking import masked_line
from device_configs.platforms import Platform
from device_configs.sections import hostname

SMALLEST_SHARE = 0.5
"""Of the lines of the last backup: below it, something was lost on the way or on the device."""


def require_whole(
    subject: str,
    platform: Platform,
    text: str,
    prompt_host: str,
    last: str | None = None,
) -> None:
    """`IncompleteConfiguration`, where one of the signs of a whole configuration is missing.

    The signs: not empty, the end marker of the platform last, the hostname of the prompt, nothing
    that says the command went wrong, and at least half the lines of `last`.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise _incomplete(subject, "the device sent nothing")
    refusal = platform.refusal("\n".join(lines[:3]))
    if refusal is not None:
        raise _incomplete(subject, f"the device answered {refusal!r}")
    if platform.end is not None and not any(platform.end.search(line) for line in lines[-3:]):
        raise _incomplete(subject, f"the end is missing; the last line is {_short(lines[-1])!r}")
    name = hostname(text)
    if name is None:
        raise _incomplete(subject, "there is no hostname in it")
    # A prompt may hold the context and the role beside the name, or a name cut short.
    shown = re.split(r"[/:@]", prompt_host)[0]
    if shown and not (name.startswith(shown) or shown.startswith(name)):
        raise _incomplete(subject, f"it is of {name!r}, and the prompt says {shown!r}")
    if last is not None:
        before = sum(1 for line in last.splitlines() if line.strip())
        if len(lines) < before * SMALLEST_SHARE:
            raise IncompleteConfiguration(
                subject,
                f"it has {len(lines)} lines, the last backup had {before}",
                "look at the device; if it is right, back up with --smaller",
            )


def _incomplete(subject: str, message: str) -> IncompleteConfiguration:
    return IncompleteConfiguration(
        subject,
        f"this is no whole configuration: {message}",
        "nothing was kept; see whether the user may see all of it, and try again",
    )


def _short(line: str) -> str:
    return masked_line(line)[:60]
