"""All devices of a configuration, polled into the spool while the agent runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from collectors import service
from collectors.service import DevicePolling
from inventory.errors import SecretError
from inventory.operations import Device
from timeseries.errors import DiskFullError

ENVIRON = {"C": "public"}


def device(name: str, port: int, every_ns: str = "1s") -> Device:
    return Device.model_validate(
        {
            "id": name, "host": "127.0.0.1", "role": "switch", "platform": "cisco_ios",
            "snmp": {
                "version": "2c", "community": {"env": "C"}, "port": port, "every": every_ns,
                "timeout": "200ms", "retries": 0,
            },
        }
    )  # fmt: skip


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.05)


def test_a_secret_that_is_not_there_is_said_before_anything_is_polled() -> None:
    with pytest.raises(SecretError, match="C is not set"):
        DevicePolling("a", [device("sw", 9)], {}, lambda _: None)


def test_dead_devices_are_recorded_as_unreachable_and_a_reload_ends_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "BATCH_S", 0.05)
    kept: list[Any] = []
    full = [True]

    def keep(records: Sequence[Any]) -> None:
        if full:
            full.clear()
            raise DiskFullError("no room")
        kept.extend(records)

    async def life() -> None:
        polling = DevicePolling("a", [device("x", 9), device("y", 9)], ENVIRON, keep)
        task = asyncio.create_task(polling.run())
        await until(lambda: {one.device for one in kept} == {"x", "y"})
        await polling.want([device("y", 9)])
        seen = len([one for one in kept if one.device == "x"])
        now = len([one for one in kept if one.device == "y"])
        await until(lambda: len([one for one in kept if one.device == "y"]) >= now + 2)
        # One poll of it may have been under way.
        assert len([one for one in kept if one.device == "x"]) <= seen + 1
        assert polling.figures().failed >= 4
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert polling.told.recorded == len(kept)

    asyncio.run(life())
    assert {one.figure for one in kept if hasattr(one, "figure")} == {"reachable"}
    # What the full disk refused came later, once.
    assert len({(one.device, one.start_ns) for one in kept}) == len(kept) - sum(
        hasattr(one, "kind") for one in kept
    )


def test_what_waits_too_long_for_a_full_disk_is_given_up_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "BATCH_S", 0.05)
    monkeypatch.setattr(service, "MOST_WAITING", 2)

    def refuse(_: Sequence[Any]) -> None:
        raise DiskFullError("no room: free disk space")

    async def life() -> None:
        polling = DevicePolling("a", [device("x", 9), device("y", 9)], ENVIRON, refuse)
        task = asyncio.create_task(polling.run())
        await until(lambda: polling.told.given_up > 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(life())
    assert "free disk space" in caplog.text
