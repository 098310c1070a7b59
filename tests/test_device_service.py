"""Polled devices as a part of the agent: what is asked, what is shown, what outlives a restart."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.daemon.device_service import DeviceService, Figure, remembered
from collectors.service import PollingOrder, polling_order
from inventory.errors import SecretError
from inventory.load import load
from timeseries.records import DeviceEventRecord, DeviceSampleRecord, Record

UPTIME = "1.3.6.1.2.1.1.3.0"
CHANGED = "1.3.6.1.4.1.9.9.43.1.1.1.0"
"""CISCO-CONFIG-MAN-MIB ccmHistoryRunningLastChanged."""


def device(name: str, port: int, extra: str = "", every: str = "1s") -> str:
    return (
        f'[[device]]\nid = "{name}"\nhost = "127.0.0.1"\nrole = "switch"\n'
        f'platform = "cisco_ios"\n{extra}\nsnmp = {{ version = "2c", community = {{ env = "C" }}, '
        f'port = {port}, every = "{every}", timeout = "200ms", retries = 0 }}\n'
    )


SITES = "".join(
    f'[[pas]]\nid = "{name}"\ncountry = "IT"\ntimezone = "Europe/Rome"\nprofile = "high"\n'
    'services = [{ id = "ip-base", level = "L3", window = "normal" }]\n'
    for name in ("roma", "milano")
)


def order(
    folder: Path, *devices: str, pas: str = "", environ: dict[str, str] | None = None
) -> PollingOrder | None:
    file = folder / "pasprobe.toml"
    file.write_text(f'[agent]\nname = "a"\ndata_dir = "d"\n{pas}\n{SITES}' + "".join(devices))
    environ = {"C": "public"} if environ is None else environ
    return polling_order(load(file, environ=environ, resolve_secrets=False).configuration, environ)


class Run:
    """A service with its records, its calls and its work."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        self.records: list[Record] = []
        self.backups: list[str] = []
        self.news = 0
        self.service = DeviceService(
            "a", self.records.extend, self.backups.append, self._hear, state
        )

    def _hear(self) -> None:
        self.news += 1

    def samples(self, name: str) -> list[DeviceSampleRecord]:
        found = [one for one in self.records if isinstance(one, DeviceSampleRecord)]
        return [one for one in found if one.device == name]

    @property
    def events(self) -> list[tuple[str, str, str]]:
        found = [one for one in self.records if isinstance(one, DeviceEventRecord)]
        return [(one.device, one.kind, one.state) for one in found]

    @property
    def each(self) -> dict[str, Any]:
        state = self.service.state()
        assert state is not None
        found: dict[str, Any] = json.loads(json.dumps(state))["each"]
        return found

    def during(self, work: Callable[[], Awaitable[None]]) -> None:
        async def life() -> None:
            task = asyncio.create_task(self.service.run())
            try:
                await work()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(life())


async def until(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.02)


def test_a_host_asks_the_devices_of_its_pas_and_those_of_none(tmp_path: Path) -> None:
    three = (
        device("r", 9, 'pas = ["roma"]'),
        device("m", 9, 'pas = ["milano"]'),
        device("both", 9, 'pas = ["milano", "roma"]'),
        device("any", 9),
        '[[device]]\nid = "mute"\nhost = "192.0.2.1"\nrole = "switch"\nplatform = "x"\n',
    )
    everything = order(tmp_path, *three)
    assert everything is not None
    assert everything.devices == ("r", "m", "both", "any")
    mine = order(tmp_path, *three, pas='pas = ["roma"]')
    assert mine is not None
    assert mine.devices == ("r", "both", "any")
    assert order(tmp_path, three[1], pas='pas = ["roma"]') is None


def test_an_order_survives_its_way_to_the_agent_and_shows_no_secret(tmp_path: Path) -> None:
    made = order(tmp_path, device("r", 9), environ={"C": "very-secret"})
    assert pickle.loads(pickle.dumps(made)) == made
    assert "very-secret" not in repr(made)
    assert made != order(tmp_path, device("r", 9), environ={"C": "another"})
    with pytest.raises(SecretError, match="C is not set"):
        order(tmp_path, device("r", 9), environ={})


def test_a_reload_ends_adds_and_keeps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run()
    caplog.set_level(logging.INFO)

    async def work() -> None:
        run.service.want(order(tmp_path, device("x", 9), device("y", 9)))
        await until(lambda: run.samples("x") and len(run.samples("y")) >= 3)
        assert run.each["y"]["raised"][0][:2] == ["unreachable", ""]
        await until(lambda: ("x", "unreachable", "raised") in run.events)
        run.service.want(order(tmp_path, device("y", 9), device("z", 9)))
        await until(lambda: run.samples("z"))
        # Nobody would see the end of what was raised of x.
        assert ("x", "unreachable", "cleared") in run.events
        seen = len(run.samples("x"))
        before = len(run.samples("y"))
        await until(lambda: len(run.samples("y")) > before)
        assert len(run.samples("x")) == seen
        assert list(run.each) == ["y", "z"]
        assert run.each["y"]["failures"] > 3
        run.service.want(None)
        await until(lambda: ("y", "unreachable", "cleared") in run.events)
        assert run.service.state() is None

    run.during(work)
    assert run.events.count(("y", "unreachable", "raised")) == 1
    # What is wrong, and its remedy, once a device; polls go on without a word.
    said = [one for one in caplog.records if one.getMessage() == "device-not-asked"]
    assert sorted(one.fields["device"] for one in said) == ["x", "y", "z"]  # type: ignore[attr-defined]
    assert "switch SNMP on" in str(said[0].fields["error"])  # type: ignore[attr-defined]


def test_a_changed_configuration_is_told_to_who_makes_backups(
    tmp_path: Path, agents: Any, agent: Callable[..., Any]
) -> None:
    objects = {".".join(map(str, at)): one for at, one in agents.switch(2).objects.items()}

    def tree(uptime: int, changed: int) -> Any:
        ticks = {UPTIME: agents.number(uptime, 0x43), CHANGED: agents.number(changed, 0x43)}
        return agents.Tree({**objects, **ticks})

    one = agent(tree(1_000_000, 100))
    run = Run()

    async def work() -> None:
        run.service.want(order(tmp_path, device("sw", one.port)))
        await until(lambda: run.samples("sw"))
        assert run.backups == []
        one.tree = tree(1_000_200, 1_000_100)
        await until(lambda: run.backups)
        assert run.each["sw"]["events"] == {"configuration-changed": 1}
        assert run.each["sw"]["answered_ns"] > 0
        assert run.each["sw"]["response_ns"] > 0
        assert Figure("sw", "uptime", "", "s", 10_002.0) in run.service.figures()

    run.during(work)
    assert run.backups == ["sw"]
    assert ("sw", "configuration-changed", "raised") in run.events
    # It happened, and has no end to wait for.
    assert run.each["sw"]["raised"] == []


def test_what_an_earlier_run_left_raised_ends_when_it_is_well_again(
    tmp_path: Path, agents: Any, agent: Callable[..., Any]
) -> None:
    one = agent(agents.switch(2))
    left = {
        "sw": {"raised": [["unreachable", "", 5], ["interface-down", "Gi0/9", 6]]},
        "gone": {"raised": [["unreachable", "", 7]]},
    }
    run = Run({"devices": {"each": left}})

    async def work() -> None:
        run.service.want(order(tmp_path, device("sw", one.port)))
        await until(lambda: ("sw", "unreachable", "cleared") in run.events)
        assert run.each["sw"]["raised"] == [["interface-down", "Gi0/9", 6]]

    run.during(work)
    assert ("gone", "unreachable", "cleared") in run.events
    assert run.news >= 2


def test_a_mistake_in_polling_is_logged_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.daemon import device_service
    from collectors.device import DeviceCollector

    monkeypatch.setattr(device_service, "BACKOFF_FIRST_S", 0.05)
    failing = [True]
    poll = DeviceCollector.poll

    async def broken(self: DeviceCollector) -> Any:
        if failing:
            failing.clear()
            raise ZeroDivisionError("a mistake")
        return await poll(self)

    monkeypatch.setattr(DeviceCollector, "poll", broken)
    run = Run()

    async def work() -> None:
        run.service.want(order(tmp_path, device("x", 9)))
        await until(lambda: run.samples("x"))

    run.during(work)
    assert run.service.restarts == 1
    (said,) = [one for one in caplog.records if one.getMessage() == "polling-ended"]
    assert said.exc_info is not None
    assert "a mistake" in caplog.text


def test_a_state_file_without_devices_leaves_nothing_to_remember() -> None:
    assert remembered(None) == remembered({}) == remembered({"devices": None}) == {}


def test_an_order_is_compared_by_what_it_asks(tmp_path: Path) -> None:
    made = order(tmp_path, device("r", 9))
    assert made is not None
    (asked,) = made.asked
    assert made == order(tmp_path, device("r", 9))
    assert made != order(tmp_path, device("r", 9, every="2s"))
    assert made != replace(made, asked=(asked, asked))


def noticed(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    found = [one for one in caplog.records if one.getMessage() == "device-noticed"]
    return [one.fields for one in found]  # type: ignore[attr-defined]


def test_interfaces_that_only_the_configuration_has_are_logged_once(
    tmp_path: Path, agents: Any, agent: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    one = agent(agents.switch(2))
    run = Run()
    made = order(tmp_path, device("sw", one.port, 'access_interface = "FastEthernet0/2"'))
    assert made is not None
    assert made.asked[0].interfaces == ("FastEthernet0/2",)

    async def work() -> None:
        run.service.want(made)
        await until(lambda: len([s for s in run.samples("sw") if s.figure == "reachable"]) > 2)

    run.during(work)
    (told,) = noticed(caplog)
    assert told["device"] == "sw"
    assert '"FastEthernet0/2"' in told["text"]
    assert 'did you mean "Fa0/2"?' in told["text"]


def test_two_devices_with_one_engine_id_are_logged_once(
    tmp_path: Path, snmpd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def box(name: str) -> str:
        return (
            f'[[device]]\nid = "{name}"\nhost = "127.0.0.1"\nrole = "firewall"\n'
            'platform = "generic"\nsnmp = { version = "3", user = "sha", auth = { env = "A" }, '
            f'port = {snmpd.port}, every = "1s" }}\n'
        )

    run = Run()

    async def work() -> None:
        run.service.want(order(tmp_path, box("one"), box("two"), environ={"A": "authpass12"}))
        await until(
            lambda: all(
                len([s for s in run.samples(name) if s.figure == "reachable"]) > 1
                for name in ("one", "two")
            )
        )

    run.during(work)
    (told,) = noticed(caplog)
    assert {told["device"], told["text"].split(",")[0].rpartition(" ")[2]} == {"one", "two"}
    assert "give each unit its own" in told["text"]
