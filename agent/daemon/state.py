"""What a running agent shows to others in its data directory: its lock and its state file."""

from __future__ import annotations

import fcntl
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.daemon.loss_evidence import write_whole
from agent.errors import ProbeError

LOCK = "agent.lock"
STATE = "agent-state.json"
_FLOCK = struct.Struct("@hhqqi")
"""struct flock of fcntl(2): l_type, l_whence, l_start, l_len, l_pid."""


class AlreadyRunningError(ProbeError):
    """Another agent has the data directory."""


@dataclass(frozen=True, slots=True)
class AgentLock:
    """Held while the descriptor is open; the kernel lets go of it when the process ends."""

    descriptor: int

    def release(self) -> None:
        """Let another agent have the data directory."""
        os.close(self.descriptor)


def take_lock(data_dir: Path) -> AgentLock:
    """Be the only agent of this data directory; AlreadyRunningError, or ProbeError where the
    directory cannot be used."""
    file = data_dir / LOCK
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ProbeError(
            f"data_dir {data_dir} cannot be used ({error.strerror}): choose another one in [agent],"
            " or mend its owner and mode"
        ) from None
    try:
        # A record lock, not flock(2): others can ask for it without taking it.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        pid = running_pid(data_dir)
        raise AlreadyRunningError(
            f"data_dir {data_dir} is in use by the agent with pid {pid or 'unknown'}: stop that"
            " one, or give this one a data_dir of its own"
        ) from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        pass  # a full disk: the number in the file is a courtesy, the lock is the kernel's
    return AgentLock(descriptor)


def running_pid(data_dir: Path) -> int | None:
    """The process that runs the agent of this data directory; None where there is none."""
    try:
        descriptor = os.open(data_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
        if kind == fcntl.F_UNLCK:
            return None
        # 0 or -1: the holder is in a name space of processes that is not ours.
        said = os.read(descriptor, 32).strip()
        return int(pid) if pid > 0 else int(said) if said.isdigit() else -1
    finally:
        os.close(descriptor)


def write_state(data_dir: Path, state: dict[str, Any]) -> None:
    """Replace the state file; OSError where that fails."""
    write_whole(data_dir / STATE, json.dumps(state))


def read_state(data_dir: Path) -> dict[str, Any] | None:
    """What the agent said last; None where it never did, or not legibly."""
    try:
        state = json.loads((data_dir / STATE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None
