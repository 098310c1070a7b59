"""Today, breaches and the lock: what `status` rests on."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from agent.daemon.state import (
    AlreadyRunningError,
    read_state,
    running_pid,
    take_lock,
    write_state,
)
from agent.daemon.status import AgentStatus, agent_lines, day_start_ns
from agent.errors import ProbeError


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("zone", "now", "midnight"),
    [
        ("UTC", "2011-06-01T12:00:00+00:00", "2011-06-01T00:00:00+00:00"),
        ("Europe/Rome", "2011-06-01T00:30:00+02:00", "2011-06-01T00:00:00+02:00"),
        ("Europe/Rome", "2011-05-31T22:30:00+00:00", "2011-06-01T00:00:00+02:00"),
        # The day on which summer time begins has 23 hours, the day on which it ends 25.
        ("Europe/Rome", "2011-03-27T12:00:00+02:00", "2011-03-27T00:00:00+01:00"),
        ("Europe/Rome", "2011-10-30T12:00:00+01:00", "2011-10-30T00:00:00+02:00"),
        ("Asia/Kathmandu", "2011-06-01T00:10:00+05:45", "2011-06-01T00:00:00+05:45"),
    ],
)
def test_today_begins_at_the_local_midnight_of_the_pas(zone: str, now: str, midnight: str) -> None:
    assert day_start_ns(zone, at(now)) == at(midnight)


HOLD = """
import sys
from pathlib import Path
from agent.daemon.state import take_lock
lock = take_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_names_its_holder_and_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert running_pid(tmp_path) == holder.pid
        # To ask is not to take it: asked twice, still held, and still refused.
        assert running_pid(tmp_path) == holder.pid
        with pytest.raises(AlreadyRunningError, match=f"pid {holder.pid}"):
            take_lock(tmp_path)
        holder.kill()
    assert running_pid(tmp_path) is None
    take_lock(tmp_path).release()


def test_a_pid_left_in_the_file_by_a_dead_agent_deceives_nobody(tmp_path: Path) -> None:
    (tmp_path / "agent.lock").write_text(f"{os.getpid()}\n")
    assert running_pid(tmp_path) is None


def test_a_data_dir_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProbeError, match="data_dir"):
        take_lock(tmp_path / "file" / "data")


def test_the_state_is_replaced_whole_and_rubbish_is_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    write_state(tmp_path, {"pid": 1})
    write_state(tmp_path, {"pid": 2})
    assert read_state(tmp_path) == {"pid": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["agent-state.json"]
    (tmp_path / "agent-state.json").write_text('{"pid": ')
    assert read_state(tmp_path) is None


def test_an_agent_that_was_killed_is_called_dead_since_its_last_word(tmp_path: Path) -> None:
    state = {
        "written_ns": at("2011-06-01T10:00:00+00:00"),
        "started_ns": 0,
        "lateness_today_ns": {"p99": 100_000, "max": None},
        "engine": {"restarts": 2},
        "trains": {"local_drops": 0},
        "spool": {"depth": 1, "waiting": 0, "errors": 0, "given_up": 0, "dropped": {}},
        "clock": {"synchronised": False, "error_ns": None},
        "configuration": {"problems": ["p.toml:3: wrong"]},
    }
    found = AgentStatus("here", tmp_path, None, state, ())
    lines = agent_lines(found, at("2011-06-01T12:00:00+00:00"))
    assert lines[0] == "agent here: dead since 2011-06-01 10:00:00 UTC"
    assert "engine restarts 2" in lines[1]
    assert lines[-1] == "  p.toml:3: wrong"
    assert not found.fine
