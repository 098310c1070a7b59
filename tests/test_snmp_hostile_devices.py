"""A device that says more, other and less than it was asked: what the collector keeps of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from collectors.clients import open_client
from collectors.device import DeviceCollector
from collectors.errors import SnmpError
from collectors.profiles import profile
from collectors.readings import Readings
from collectors.snmp import Target
from inventory.operations import Device
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

DEVICE = Device.model_validate(
    {"id": "sw", "host": "127.0.0.1", "role": "switch", "platform": "cisco_ios"}
)
FOREIGN, UNASKED = "1.3.6.1.4.1.99999.1", b"nobody asked"
ALWAYS = {"reachable", "response_time", "wrong_types", "mac_addresses"}
"""Figures that every poll may have beside those of its profile."""
Sent = list[tuple[float, bytes]]
Kept = list[DeviceSampleRecord | DeviceEventRecord]


def polled(library: Any, one: Any, times: int) -> tuple[list[Readings | SnmpError], Kept]:
    """So many polls, and what was kept of them."""
    kept: Kept = []

    async def life() -> list[Readings | SnmpError]:
        client = open_client(library)
        target = Target("127.0.0.1", one.port, community="public", timeout_s=0.1, retries=0)
        mine = DeviceCollector("a", DEVICE, target, client, kept.extend)
        found: list[Readings | SnmpError] = []
        for _ in range(times):
            try:
                found.append(await mine.poll())
            except SnmpError as error:
                found.append(error)
        await mine.close()
        await client.close()
        await asyncio.sleep(0)
        return found

    return asyncio.run(life()), kept


def samples(kept: Kept) -> list[DeviceSampleRecord]:
    return [one for one in kept if isinstance(one, DeviceSampleRecord)]


@pytest.mark.parametrize("library", ["pysnmp", "gufo"])
def test_nothing_is_kept_that_was_not_asked_for(
    library: str, agents: Any, agent: Callable[..., Any]
) -> None:
    """Each answer has objects of nobody's in front and behind, and one of the right ones."""
    extra = (FOREIGN + ".1", agents.tlv(4, UNASKED))

    def behave(data: bytes, tree: Any) -> Sent:
        asked = agents.read(data)
        bound = [(".".join(map(str, name)), value) for name, value in tree.values(asked)]
        if asked.pdu == 0xA0:
            bound = [extra, *bound, (FOREIGN + ".2", agents.number(666))]
        else:
            bound += [(FOREIGN + ".3", agents.tlv(4, UNASKED))] * 3
        return [(0.0, agents.message("public", 0xA2, asked.ident, 0, 0, tuple(bound)))]

    one = agent(agents.switch(4), behave)
    found, kept = polled(library, one, 3)
    assert all(isinstance(each, Readings) for each in found)
    known = {figure.field for figure in profile("catalyst").figures} | ALWAYS
    assert {each.figure for each in samples(kept)} <= known
    assert {each.value for each in samples(kept) if each.figure == "admin"} == {1}
    assert not any("nobody asked" in each.text + each.instance for each in samples(kept))
    assert 666 not in {each.value for each in samples(kept)}
    assert [each for each in kept if isinstance(each, DeviceEventRecord)] == []


@pytest.mark.parametrize("library", ["pysnmp", "gufo"])
def test_answers_of_other_types_are_counted_and_left_out(
    library: str, agents: Any, agent: Callable[..., Any]
) -> None:
    """All numbers become words and all words numbers after the first poll."""
    tree = agents.switch(4)
    uptime = (1, 3, 6, 1, 2, 1, 1, 3, 0)
    wrong = {
        ".".join(map(str, name)): value
        if name == uptime
        else (agents.number(77) if value[0] == 4 else agents.tlv(4, b"words"))
        for name, value in tree.objects.items()
    }
    one = agent(tree)
    kept_all: list[Readings | SnmpError] = []

    async def life() -> None:
        client = open_client(library)
        target = Target("127.0.0.1", one.port, community="public", timeout_s=0.1, retries=0)
        mine = DeviceCollector("a", DEVICE, target, client, lambda _: None)
        kept_all.append(await mine.poll())
        one.tree = agents.Tree(wrong)
        kept_all.append(await mine.poll())
        await mine.close()
        await client.close()
        await asyncio.sleep(0)

    asyncio.run(life())
    good, bad = kept_all
    assert isinstance(good, Readings)
    assert isinstance(bad, Readings)
    assert sum(bad.wrong_types.values()) > 20
    left = {each.figure for each in bad.records if each.value is not None}
    assert left <= {"uptime", *ALWAYS}


@pytest.mark.parametrize("library", ["pysnmp", "gufo"])
def test_a_poll_that_breaks_off_leaves_nothing_but_that_it_failed(
    library: str, agents: Any, agent: Callable[..., Any]
) -> None:
    """Tables are cut in the middle of their last octets."""
    one = agent(agents.switch(4))
    broken: list[bool] = []

    def behave(data: bytes, tree: Any) -> Sent:
        reply = tree.answer(data)
        if broken and agents.read(data).pdu != 0xA0:
            return [(0.0, reply[:-3])]
        return [(0.0, reply)]

    one.behaviour = behave
    kept: Kept = []

    async def life() -> None:
        client = open_client(library)
        target = Target("127.0.0.1", one.port, community="public", timeout_s=0.1, retries=0)
        mine = DeviceCollector("a", DEVICE, target, client, kept.extend)
        await mine.poll()
        kept.clear()
        broken.append(True)
        with pytest.raises(SnmpError):
            await mine.poll()
        assert [(each.figure, each.value) for each in samples(kept)] == [("reachable", 0)]
        broken.clear()
        assert (await mine.poll()).records
        await mine.close()
        await client.close()
        await asyncio.sleep(0)

    asyncio.run(life())
