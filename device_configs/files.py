"""Files of this room: written aside, made durable, put in place; one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from device_configs.errors import HistoryError


def write_whole(file: Path, content: bytes) -> None:
    """Replace a file as a whole, readable by this user alone; `HistoryError` on a full disk."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
        _sync_folder(file.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise disk_error(file, error) from None


def disk_error(place: Path, error: OSError) -> HistoryError:
    """What the operating system refused, with the remedy."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HistoryError(str(place), "the disk is full", "make room; what was kept is intact")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return HistoryError(
            str(place), f"cannot be written ({error.strerror})", "give this user the right to write"
        )
    return HistoryError(
        str(place), f"cannot be read or written ({error.strerror or error})", "see to the disk"
    )


@contextlib.contextmanager
def locked(file: Path, subject: str, wait_s: float) -> Iterator[None]:
    """Hold a lock that ends with the process; `HistoryError` where another one keeps it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise disk_error(file, error) from None
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                    raise HistoryError(
                        subject,
                        f"another process ({holder or 'unknown'}) keeps it locked",
                        "wait until that process has ended, then try again",
                    ) from None
                time.sleep(0.05)
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
