"""A real snmpd, polled: counters that live, restarted in the middle, exchanged for another unit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from collectors.clients import open_client
from collectors.counters import Continuity
from collectors.device import DeviceCollector
from collectors.errors import SnmpError
from collectors.readings import Readings
from collectors.snmp import Target
from inventory.operations import Device
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

DEVICE = Device.model_validate(
    {"id": "box", "host": "127.0.0.1", "role": "firewall", "platform": "generic"}
)


class Kept:
    """What the collector handed on."""

    def __init__(self) -> None:
        self.samples: list[DeviceSampleRecord] = []
        self.events: list[DeviceEventRecord] = []

    def keep(self, records: Sequence[DeviceSampleRecord | DeviceEventRecord]) -> None:
        for one in records:
            if isinstance(one, DeviceSampleRecord):
                self.samples.append(one)
            else:
                self.events.append(one)

    def values(self, figure: str, instance: str = "") -> list[int | None]:
        return [s.value for s in self.samples if (s.figure, s.instance) == (figure, instance)]


async def sure(collector: DeviceCollector, tries: int = 12) -> Readings:
    """A poll that is answered, after some that may not be."""
    for _ in range(tries):
        try:
            return await collector.poll()
        except SnmpError:
            await asyncio.sleep(0.2)
    raise AssertionError("it does not answer again")


@pytest.mark.parametrize("library", ["pysnmp", "gufo"])
def test_a_restart_is_told_and_gives_a_gap_and_no_spike(snmpd: Any, library: Any) -> None:
    kept = Kept()

    async def life() -> list[Continuity]:
        client = open_client(library)
        target = Target("127.0.0.1", snmpd.port, community="public", timeout_s=1.0)
        mine = DeviceCollector("a", DEVICE, target, client, kept.keep)
        steps = []
        for number in range(6):
            if number == 3:
                snmpd.stop()
                snmpd.start()
            steps.append((await sure(mine)).step.continuity)
            await asyncio.sleep(1.1)
        assert mine.profile is not None
        assert mine.profile.name == "generic"
        await mine.close()
        await client.close()
        return steps

    same = Continuity.SAME
    assert asyncio.run(life()) == [Continuity.FIRST, same, same, Continuity.RESTARTED, same, same]
    assert [(one.kind, one.state) for one in kept.events] == [("restarted", "raised")]
    lo = kept.values("in_rate", "lo")
    assert [value is None for value in lo] == [True, False, False, True, False, False]
    # snmpd reads its interfaces every few seconds, so some of these are 0; none is a spike.
    assert all(0 <= value < 10**9 for value in lo if value is not None)
    assert set(kept.values("oper", "lo")) == {1}


@pytest.mark.parametrize("library", ["pysnmp", "gufo"])
def test_another_unit_behind_the_address_is_told_as_one(snmpd: Any, library: Any) -> None:
    kept = Kept()

    async def life() -> list[Continuity]:
        client = open_client(library)
        target = Target(
            "127.0.0.1", snmpd.port, "3", user="sha-aes", auth="authpass12", priv="privpass12",
            timeout_s=0.5, retries=1,
        )  # fmt: skip
        mine = DeviceCollector("a", DEVICE, target, client, kept.keep)
        steps = []
        for number in range(4):
            if number == 2:
                snmpd.stop()
                snmpd.start(engine_id="another-unit")
            steps.append((await sure(mine)).step.continuity)
            await asyncio.sleep(1.1)
        await mine.close()
        await client.close()
        return steps

    assert asyncio.run(life()) == [
        Continuity.FIRST,
        Continuity.SAME,
        Continuity.SWAPPED,
        Continuity.SAME,
    ]
    swapped = [one for one in kept.events if one.kind == "swapped"]
    assert len(swapped) == 1
    assert b"another-unit".hex() in swapped[0].text
    assert "pass12" not in "".join(one.text + one.note for one in kept.samples)
