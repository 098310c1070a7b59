"""A runbook blocks, allows and restores on an emulated ASA, by the command line's own tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from managed_devices import ASA, LOGIN, SECRETS, saved_device, trusting_room
from typer.testing import CliRunner

from device_configs.changing import Room
from incidents.desk import Desk, open_desk
from incidents.device_tools import peers_of, tools
from incidents.runbook import Seen, Situation, Tools, runbook_of
from incidents.runbook_state import Guide
from incidents.tickets import Actor, NewTicket
from pasprobe import app

CONFIG = """
[incident]
data_dir = "{folder}"
[device_configs]
folder = "{folder}/kept"
[[pas]]
id = "roma-01"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{{ id = "ip-base", level = "L3", window = "normal" }}]
[[server]]
id = "srv-1"
pas = "roma-01"
production = "10.0.0.5"
[[device]]
id = "fw-1"
host = "{host}"
port = {port}
role = "firewall"
platform = "cisco_asa"
pas = ["roma-01"]
peers = ["203.0.113.1"]
snmp = {{ version = "2c", community = {{ env = "PW" }}, timeout = "100ms", retries = 0, port = 9 }}
"""
FLOW = ("outside", "inside", "tcp", "203.0.113.9", "10.0.0.5")


@dataclass
class Bench:
    device: Any
    room: Room
    desk: Desk
    flow: Any

    def guide(self, name: str, given: Tools) -> Guide:
        one = Guide(self.desk, "1", name, runbook_of(name), Actor("ada", "operator"), given)
        one.begin()
        return one

    def situation(self, book: str) -> Situation:
        return Situation(self.desk.ticket("1"), runbook_of(book).step[0], {})


@pytest.fixture
def bench(devices: Any, tmp_path: Path) -> Iterator[Bench]:
    device = saved_device(devices, "asa", ASA)
    with device.serve() as box, open_desk(tmp_path) as desk:
        file = tmp_path / "pasprobe.toml"
        file.write_text(CONFIG.format(folder=tmp_path, host=box.host, port=box.ssh_port) + LOGIN)
        room = trusting_room(file)
        new = NewTicket(("ip-base",), "cut", "blocking", 1, ("roma-01",), device="fw-1")
        desk.open(new, Actor("ada", "operator"), key="one")
        yield Bench(device, room, desk, devices.Flow(*FLOW, dport=443))


def test_access_is_blocked_until_the_server_is_back_and_allowed_then(bench: Bench) -> None:
    before = bench.device.running()
    good = {"train": lambda _: Seen(True, "10 of 10 packets came back")}
    one = bench.guide("return-to-service", {**tools(bench.room.loaded, SECRETS), **good})
    assert bench.device.permits(bench.flow)
    assert not one.probe("block").good
    assert one.act("block").good
    assert not bench.device.permits(bench.flow)
    assert one.probe("block").good
    assert one.act("block").text.endswith("nothing had to be changed")
    one.probe("block")
    one.done("block")
    assert one.act("allow").good
    assert bench.device.permits(bench.flow)
    assert bench.device.same_as(before), bench.device.difference(before)
    one.probe("allow")
    assert one.done("allow").current == ""


def test_allowing_what_others_have_blocked_is_left_to_them(bench: Bench) -> None:
    given = tools(bench.room.loaded, SECRETS)
    assert given["allow-address"](bench.situation("return-to-service")).good
    given["block-address"](bench.situation("return-to-service"))
    (bench.room.folder / "blocks.json").unlink()
    seen = given["allow-address"](bench.situation("return-to-service"))
    assert not seen.good
    assert "not ours" in seen.text
    assert not bench.device.permits(bench.flow)


def test_a_restore_without_a_backup_is_not_good_and_types_nothing(bench: Bench) -> None:
    before = bench.device.running()
    seen = tools(bench.room.loaded, SECRETS)["restore-template"](bench.situation("pix-central"))
    assert not seen.good
    assert "fw-1" in seen.text
    assert bench.device.same_as(before)


def test_a_firewall_without_a_template_gets_its_newest_backup_again(bench: Bench) -> None:
    given = tools(bench.room.loaded, SECRETS)
    given["block-address"](bench.situation("return-to-service"))  # what it leaves is kept
    kept = bench.device.running()
    bench.device.type("no access-list OUT extended deny ip host 10.0.0.5 any")
    bench.device.save()
    assert bench.device.difference(kept)
    seen = given["restore-template"](bench.situation("pix-central"))
    assert seen.good, seen.text
    assert not bench.device.difference(kept)
    assert Path(seen.data["protocol"]).is_file()


def test_a_wrong_password_is_told_and_is_not_good(bench: Bench) -> None:
    given = tools(bench.room.loaded, {**SECRETS, "PW": "no"})
    seen = given["block-address"](bench.situation("return-to-service"))
    assert not seen.good
    assert "fw-1" in seen.text


def test_a_tunnel_is_there_when_every_peer_of_the_firewall_has_one(bench: Bench) -> None:
    def tunnel(*there: str) -> Seen:
        given = tools(bench.room.loaded, SECRETS, peers=lambda _: frozenset(there))
        return given["tunnel"](bench.situation("pix-central"))

    assert tunnel("203.0.113.1", "203.0.113.2").good
    assert not tunnel("203.0.113.2").good
    assert "203.0.113.1" in tunnel().text


@pytest.mark.parametrize(("peer", "good"), [("203.0.113.1", True), ("203.0.113.2", False)])
def test_the_peers_of_a_firewall_are_asked_by_snmp(
    bench: Bench, agents: Any, agent: Any, peer: str, good: bool
) -> None:
    fake = agent(agents.firewall_with_tunnel(peer))
    (known,) = bench.room.loaded.configuration.devices
    assert known.snmp is not None
    asked = known.snmp.model_copy(update={"port": fake.port, "timeout_ns": 2_000_000_000})
    device = known.model_copy(update={"host": "127.0.0.1", "snmp": asked})
    assert peers_of(device, {"PW": "public"}) == {peer}
    given = tools(bench.room.loaded, SECRETS, peers=lambda _: peers_of(device, {"PW": "public"}))
    assert given["tunnel"](bench.situation("pix-central")).good is good


def test_a_firewall_that_does_not_answer_by_snmp_has_no_tunnel_to_show(bench: Bench) -> None:
    seen = tools(bench.room.loaded, SECRETS)["tunnel"](bench.situation("pix-central"))
    assert not seen.good


def test_the_command_line_hands_these_tools_to_the_runbook(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    words = ["incident", "runbook", "1", "--book", "return-to-service", "--act", "--check"]
    done = CliRunner().invoke(app, [*words, "--done", "--config", str(bench.room.loaded.path)])
    assert done.exit_code == 0, done.output
    assert "good: fw-1: 10.0.0.5 is blocked" in done.output
    assert not bench.device.permits(bench.flow)
