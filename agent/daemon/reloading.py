"""`pasprobe reload`, the asking side: signal the agent, and wait for what it says of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from agent.daemon.state import read_state, running_pid
from agent.errors import ProbeError

LOOK_EVERY_S = 0.05


def reload_agent(data_dir: Path, longest_s: float) -> dict[str, Any]:
    """Have the agent of this data directory reload: `{reloaded, pid, paths, devices, problems}`.

    Raises ProbeError where the agent may not be signalled.
    """
    pid = running_pid(data_dir)
    if pid is None or pid <= 0:
        where = f"no agent runs on {data_dir}: start it with `pasprobe run`"
        return {"reloaded": False, "pid": None, "paths": None, "devices": None, "problems": [where]}
    before = _attempts(data_dir, pid)
    try:
        os.kill(pid, signal.SIGHUP)
    except PermissionError:
        raise ProbeError(
            f"the agent (pid {pid}) belongs to another user: run this as that user or as root"
        ) from None
    deadline = time.monotonic() + longest_s
    while time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        if _attempts(data_dir, pid) > before:
            state = read_state(data_dir) or {}
            problems = list(state["configuration"]["problems"])
            return {
                "reloaded": not problems,
                "pid": pid,
                "paths": state["paths"],
                "devices": (state["devices"] or {"asked": 0})["asked"],
                "problems": problems,
            }
    silent = f"the agent (pid {pid}) did not say within {longest_s:g} s whether it reloaded"
    return {
        "reloaded": False,
        "pid": pid,
        "paths": None,
        "devices": None,
        "problems": [f"{silent}: see its log"],
    }


def _attempts(data_dir: Path, pid: int) -> int:
    """How many reloads the agent has answered; what an earlier one left behind does not count."""
    state = read_state(data_dir)
    if state is None or state.get("pid") != pid:
        return 0
    return int(state["configuration"]["reloads"])
