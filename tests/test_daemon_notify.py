"""sd_notify(3) on real datagram sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agent.daemon.notify import notify, watchdog_seconds


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_manager_hears_all_lines_in_one_datagram(kind: str, tmp_path: Path) -> None:
    name = str(tmp_path / "notify") if kind == "path" else f"\0pasprobe-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(5)
        address = name.replace("\0", "@")
        assert notify("READY=1", "STATUS=measuring", environ={"NOTIFY_SOCKET": address})
        assert manager.recv(4096) == b"READY=1\nSTATUS=measuring"


def test_without_a_manager_nothing_happens() -> None:
    assert not notify("READY=1", environ={})


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert not notify("READY=1", environ={"NOTIFY_SOCKET": str(tmp_path / "nobody")})


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert watchdog_seconds(environ) == seconds
