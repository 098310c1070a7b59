"""Only one watch a desk: two would remember different things."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from incidents.errors import IncidentError

LOCK_NAME = "desk.watch.lock"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of a desk's watch; `IncidentError` where another process has it.

    It goes with the process, so a kill leaves none behind.
    """
    file = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise IncidentError(
                f"another `pasprobe incident watch` watches {folder} — stop it first"
            ) from None
        yield
    finally:
        os.close(file)
