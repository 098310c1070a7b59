"""Configurations of devices on schedule: a program of its own, which comes and goes.

Sessions with devices weigh tens of megabytes and serve for seconds, so the agent has
`pasprobe config backup --due` do it: it alone knows which devices are due, and keeps what changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.daemon.log_lines import event

log = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
LONGEST_S = 3600.0
"""A run of backups that takes longer is ended; what it kept until then is kept."""


def command_for(place: Path) -> list[str]:
    """The command that backs up by the configuration at `place`; what and why comes behind it."""
    words = ["config", "backup", "--json", "--config", str(place)]
    return [sys.executable, "-P", "-m", "pasprobe", *words]


def ending_for(place: Path) -> list[str]:
    """The command that lets in again who was blocked until now."""
    words = ["config", "allow", "--expired", "--json", "--config", str(place)]
    return [sys.executable, "-P", "-m", "pasprobe", *words]


class DeviceBackups:
    """Runs the command now and then, and says in the log what came of it."""

    def __init__(self) -> None:
        self._command: Sequence[str] | None = None
        self._ending: Sequence[str] | None = None
        self._changed: set[str] = set()
        self._look = asyncio.Event()

    def changed(self, device: str) -> None:
        """The configuration of a device was changed: back it up at once."""
        if self._command is not None:
            self._changed.add(device)
            self._look.set()

    def want(self, command: Sequence[str] | None, ending: Sequence[str] | None = None) -> None:
        """What to run from now on, and what ends blocks beside it; None for nothing."""
        self._command, self._ending = command, ending

    async def run(self) -> None:
        """Look every minute, and when a device was changed, until cancelled."""
        while True:
            if self._command is not None:
                changed, self._changed = sorted(self._changed), set()
                if changed:
                    await self._once([*self._command, *changed, "--trigger", "snmp"])
                else:
                    if self._ending is not None:
                        # First, so that the backup has what is in force now.
                        self._say_ended(await self._outcomes(self._ending))
                    await self._once([*self._command, "--due", "--trigger", "schedule"])
            self._look.clear()
            if not self._changed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), LOOK_EVERY_S)

    async def _outcomes(self, command: Sequence[str]) -> list[dict[str, Any]]:
        """What the command says of each device; where it says nothing, that is in the log."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            event(log, logging.ERROR, "backups-failed", problem=str(error))
            return []
        try:
            said, complaint = await asyncio.wait_for(process.communicate(), LONGEST_S)
        except TimeoutError:
            event(log, logging.ERROR, "backups-failed", problem=f"not done in {LONGEST_S:g} s")
            return []
        finally:
            # Also where the agent ends meanwhile: nobody would wait for it any more.
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.communicate()
        try:
            outcomes: list[dict[str, Any]] = json.loads(said)
        except ValueError:
            lines = complaint.decode(errors="replace").strip().splitlines() or ["no answer"]
            event(log, logging.ERROR, "backups-failed", problem=lines[-1])
            return []
        return outcomes

    def _say_ended(self, outcomes: list[dict[str, Any]]) -> None:
        for one in outcomes:
            ended = one["state"] == "allowed"
            event(
                log, logging.INFO if ended else logging.WARNING,
                "block-ended" if ended else "block-not-ended",
                device=one["device"], address=one["address"],
                problem=None if ended else one["state"],
            )  # fmt: skip

    async def _once(self, command: Sequence[str]) -> None:
        for outcome in await self._outcomes(command):
            failed = outcome["error"] is not None
            event(
                log, logging.WARNING if failed else logging.INFO,
                "backup-failed" if failed else "backup",
                device=outcome["device"], state=outcome["state"], seconds=outcome["seconds"],
                problem=outcome["error"], notes="; ".join(outcome["notes"]) or None,
            )  # fmt: skip
