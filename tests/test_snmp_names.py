"""Names of devices: looked up beside everything else, and waited for by nobody at the end."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from collectors import names
from collectors.errors import UnreachableError
from collectors.names import resolve
from collectors.snmp import Target


def at(host: str) -> Target:
    return Target(host, 1161, community="c")


@pytest.mark.parametrize(
    ("host", "family"), [("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6)]
)
def test_an_address_is_taken_as_it_is(
    host: str, family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is to be looked up")

    monkeypatch.setattr(threading, "Thread", no_thread)
    assert asyncio.run(resolve(at(host))) == (family, (host, 1161))


def test_names_that_hang_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, *rest: Any, **flags: Any) -> Any:
        if host.startswith("dead") and not flags.get("flags"):
            hanging.wait(60)
        return real(host, *rest, **flags)

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def life() -> Any:
        waiting = [asyncio.create_task(resolve(at(f"dead-{n}.invalid"))) for n in range(50)]
        await asyncio.sleep(0.1)
        found = await resolve(at("localhost"))
        assert not any(one.done() for one in waiting)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return found

    try:
        assert asyncio.run(life())[1][1] == 1161
    finally:
        hanging.set()


def test_a_name_that_is_not_told_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "LOOKUP_S", 0.05)
    hanging = threading.Event()

    def slow(*_: Any, **flags: Any) -> Any:
        if not flags.get("flags"):
            hanging.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(UnreachableError, match=r"no address \(not within 0.05 s\)"):
        asyncio.run(resolve(at("dead.invalid")))
    hanging.set()


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".invalid", "a..b"])
def test_a_name_without_an_address_is_said(host: str) -> None:
    with pytest.raises(UnreachableError, match="the name has no address"):
        asyncio.run(resolve(at(host)))


PROGRAM = """
import asyncio, socket, time
from collectors.names import resolve
from collectors.snmp import Target

def slow(*_, **flags):
    if not flags.get("flags"):
        time.sleep(600)
    raise socket.gaierror("no")

socket.getaddrinfo = slow

async def life():
    task = asyncio.create_task(resolve(Target("dead.invalid", community="c")))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

asyncio.run(life())
"""


def test_a_name_that_hangs_does_not_keep_the_program_from_ending() -> None:
    root = Path(__file__).parent.parent
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, check=True, timeout=60)
