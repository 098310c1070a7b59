"""The agent has backups made by a program of its own, and says what came of them."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from agent.daemon import device_backups
from agent.daemon.device_backups import DeviceBackups, command_for, ending_for


def _run_once(command: list[str] | None, until: float = 5.0) -> None:
    async def live() -> None:
        backups = DeviceBackups()
        backups.want(command)
        task = asyncio.create_task(backups.run())
        await asyncio.wait([task], timeout=until)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(live())


def _ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Without what asyncio says of itself."""
    return [record for record in caplog.records if record.name == device_backups.__name__]


def test_what_became_of_each_device_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rows = [
        {"device": "a", "state": "changed", "error": None, "notes": ["look"], "seconds": 1.5},
        {"device": "b", "state": "failed", "error": "unreachable", "notes": [], "seconds": 9},
    ]
    # Exit 1 as the real one: a device failed.
    program = f"import sys; print({json.dumps(rows)!r}); sys.exit(1)"
    _run_once([sys.executable, "-c", program], 3.0)
    assert {one.levelno for one in _ours(caplog)} == {logging.INFO, logging.WARNING}
    said = " ".join(str(one.__dict__) for one in _ours(caplog))
    assert "unreachable" in said
    assert "look" in said


def test_a_program_that_says_nothing_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _run_once([sys.executable, "-c", "import sys; sys.exit('no configuration')"], 10.0)
    _run_once(["/nowhere/at/all"], 3.0)
    assert [one.levelno for one in _ours(caplog)] == [logging.ERROR] * 2


def test_without_a_schedule_nothing_runs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _run_once(None, 0.2)
    assert not _ours(caplog)


def test_a_stopped_agent_leaves_no_program_behind(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    program = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    _run_once([sys.executable, "-c", program], 2.0)
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", mark.read_text()], capture_output=True, text=True, check=False
    ).stdout.strip()
    assert state in ("", "Z") or state.startswith("Z")


def test_the_command_is_one_that_there_is(tmp_path: Path) -> None:
    done = subprocess.run(
        command_for(tmp_path / "none.toml"),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(device_backups.__file__).parents[2],
    )
    assert done.returncode == 2
    assert "there is no such file or folder" in done.stderr


def test_a_changed_device_is_backed_up_at_once_and_by_name(tmp_path: Path) -> None:
    mark = tmp_path / "words"
    program = (
        f"import sys; open({str(mark)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n'); print([])"
    )

    async def live() -> None:
        backups = DeviceBackups()
        backups.want([sys.executable, "-c", program])
        task = asyncio.create_task(backups.run())
        while not mark.exists():
            await asyncio.sleep(0.05)
        backups.changed("pix")
        while len(mark.read_text().splitlines()) < 2:
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(asyncio.wait_for(live(), 60))
    assert mark.read_text().splitlines() == ["--due --trigger schedule", "pix --trigger snmp"]


def test_blocks_whose_time_is_over_end_before_the_backup_and_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mark = tmp_path / "order"
    rows = [
        {"device": "pix", "address": "192.0.2.7", "state": "allowed"},
        {"device": "asa", "address": "192.0.2.8", "state": "asa: unreachable"},
    ]
    ending = f"open({str(mark)!r}, 'a').write('end '); print({json.dumps(rows)!r})"
    backup = f"open({str(mark)!r}, 'a').write('backup '); print([])"

    async def live() -> None:
        backups = DeviceBackups()
        backups.want([sys.executable, "-c", backup], [sys.executable, "-c", ending])
        task = asyncio.create_task(backups.run())
        while not (mark.exists() and "backup" in mark.read_text()):
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(asyncio.wait_for(live(), 60))
    assert mark.read_text() == "end backup "
    said = [str(one.__dict__) for one in _ours(caplog)]
    assert [one.levelno for one in _ours(caplog)] == [logging.INFO, logging.WARNING]
    assert "192.0.2.7" in said[0]
    assert "unreachable" in said[1]


def test_the_command_that_ends_blocks_is_one_that_there_is(tmp_path: Path) -> None:
    done = subprocess.run(
        ending_for(tmp_path / "none.toml"),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(device_backups.__file__).parents[2],
    )
    assert done.returncode == 2
    assert "there is no such file or folder" in done.stderr
