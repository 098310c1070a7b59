"""The protocol of a restore: each event durable before the next, secrets masked.

One file a restore, `restores/DEVICE/TIME.jsonl` beside the repository, one JSON object a line.
While a restore is not ended its target and pre-image stand beside it, readable by this user alone:
what a killed process leaves is enough to go on with, or to undo.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from device_configs.files import disk_error, locked, write_whole
from device_configs.masking import masked

LOCK_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A restore that was begun and not ended: its process was killed, or the host went down."""

    file: Path
    target: str
    preimage: str
    ticket: str | None
    save: bool
    """Whether the target was to be saved."""


class Protocol:
    """What is written down while one device is restored; a context manager that holds its lock.

    Raises `HistoryError` where another process restores the device, and on a full disk.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        tell: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        self._folder = folder / "restores" / quote(device, safe="")
        self._device = device
        self._tell = tell
        self._lock = contextlib.ExitStack()
        self._unwritable = False
        self.file = self._folder / "none"

    def __enter__(self) -> Self:
        self._lock.enter_context(locked(self._folder / "lock", self._device, LOCK_WAIT_S))
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def unfinished(self) -> Unfinished | None:
        """The last restore of this device, where it has no end."""
        files = sorted(self._folder.glob("*.jsonl"))
        if not files:
            return None
        file = files[-1]
        try:
            target = file.with_suffix(".target").read_text()
            preimage = file.with_suffix(".preimage").read_text()
            first = json.loads(file.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, json.JSONDecodeError):
            # Ended, or killed before anything was typed: nothing to go on with.
            return None
        except OSError as error:
            raise disk_error(file, error) from None
        save = first.get("save", True)
        return Unfinished(file, target, preimage, first.get("ticket"), save)

    def begin(self, target: str, preimage: str, *, save: bool, **facts: Any) -> None:
        """Open a new protocol; nothing has been typed yet."""
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.file = self._folder / f"{name}.jsonl"
        write_whole(self.file.with_suffix(".preimage"), preimage.encode())
        write_whole(self.file.with_suffix(".target"), target.encode())
        self.note("begin", device=self._device, save=save, **facts)

    def go_on(self, left: Unfinished) -> None:
        """Write on where a killed process stopped."""
        self.file = left.file
        self.note("resumed")

    def note(self, event: str, **facts: Any) -> None:
        """Write down an event; on disk when this returns. Commands and answers are masked.

        Raises `HistoryError` at the first event that cannot be written, which ends the restore; the
        way back is gone without a protocol.
        """
        row = {"at_ns": time.time_ns(), "event": event}
        row |= {key: masked(v) if isinstance(v, str) else v for key, v in facts.items()}
        try:
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(json.dumps(row) + "\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            if not self._unwritable:
                self._unwritable = True
                raise disk_error(self.file, error) from None
        # The operator's screen may be gone; the restore runs on.
        with contextlib.suppress(OSError, ValueError):
            self._tell(row)

    def typed(self) -> frozenset[str]:
        """The commands that were or may have been typed, by a process that was killed too; secrets
        masked."""
        events = []
        # A line that a power cut tore was not on disk yet, so nothing was typed for it.
        for line in self.file.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                events.append(json.loads(line))
        return frozenset(
            command for one in events if one["event"] == "group" for command in one["commands"]
        )

    def end(self, state: str, *, over: bool, **facts: Any) -> None:
        """Close the protocol; where it is `over`, what would be needed to go on is removed."""
        self.note("end", state=state, **facts)
        if not over:
            return
        for ending in (".target", ".preimage"):
            with contextlib.suppress(OSError):
                self.file.with_suffix(ending).unlink()
