"""Keys that a PIX 6 hides: no backup has them, so a restore that goes back says what it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from managed_devices import configuration_file, saved_device, trusting_room

from device_configs.changing import Room, Target, Wish, restore
from device_configs.restore import Outcome
from inventory.operations import Device

PIX = """\
interface ethernet0 auto
interface ethernet1 auto
nameif ethernet0 outside security0
nameif ethernet1 inside security100
enable password enable-pw
hostname pix-1
ip address outside 198.51.100.1 255.255.255.0
ip address inside 10.0.0.1 255.255.255.0
access-list VPN permit ip 10.0.0.0 255.255.255.0 10.1.0.0 255.255.0.0
route outside 0.0.0.0 0.0.0.0 198.51.100.2 1
crypto ipsec transform-set TS esp-3des esp-sha-hmac
crypto map M 10 ipsec-isakmp
crypto map M 10 match address VPN
crypto map M 10 set peer 203.0.113.1
crypto map M 10 set transform-set TS
crypto map M interface outside
isakmp key first address 203.0.113.1 netmask 255.255.255.255
isakmp enable outside
ssh 10.0.0.0 255.255.255.0 inside
username admin password admin-pw privilege 15
aaa authentication ssh console LOCAL
"""
KEY = "isakmp key first address 203.0.113.1 netmask 255.255.255.255\n"


class Bench:
    """One emulated PIX, and the room that manages it."""

    def __init__(self, device: Any, room: Room) -> None:
        self.device, self.room = device, room
        self.running = device.running()

    @property
    def known(self) -> Device:
        return self.room.loaded.configuration.devices[0]

    def restore(
        self,
        key: str,
        tell: Callable[[Any], None] = lambda _: None,
        accept: Callable[[], Sequence[str]] = tuple,
    ) -> Outcome:
        text = self.running.replace(KEY, key).replace("hostname", "domain-name x.it\nhostname")
        outcome, _ = restore(
            self.room, self.known, Target(text, "a test"), Wish(accept_s=0), tell, accept
        )
        assert outcome is not None
        return outcome


@pytest.fixture
def bench(devices: Any, tmp_path: Path) -> Iterator[Bench]:
    device = saved_device(devices, "pix6", PIX)
    with device.serve() as box:
        file = configuration_file(tmp_path, box, "pix-1", "cisco_pix")
        yield Bench(device, trusting_room(file))


def _not_accepted(bench: Bench, key: str) -> Outcome:
    """All is carried out, then the tunnel does not come up, and it goes back."""
    outcome = bench.restore(key, accept=lambda: ["the tunnel is down"])
    assert "the tunnel is down" in outcome.reason
    return outcome


def test_the_way_back_from_another_key_names_the_command(bench: Bench) -> None:
    outcome = _not_accepted(bench, KEY.replace("first", "second"))
    assert outcome.state == "between"
    assert not outcome.good
    assert "isakmp key ******** address 203.0.113.1" in outcome.reason
    assert "second" not in outcome.reason
    assert bench.device.difference(bench.running) == [
        "- : isakmp key second address 203.0.113.1 netmask 255.255.255.255",
        "+ : isakmp key first address 203.0.113.1 netmask 255.255.255.255",
    ]
    # Nothing is left to resume: what remains is typed by hand.
    bench.device.type(KEY.strip())
    assert bench.restore(KEY).good


def test_the_way_back_to_a_key_that_is_gone_restores_all_else(bench: Bench) -> None:
    outcome = _not_accepted(bench, "")
    assert outcome.state == "between"
    assert "isakmp key ******** address 203.0.113.1" in outcome.reason
    assert bench.device.difference(bench.running) == [
        "+ : isakmp key first address 203.0.113.1 netmask 255.255.255.255"
    ]


def test_a_key_that_was_not_typed_is_no_reason_for_doubt(bench: Bench) -> None:
    outcome = _not_accepted(bench, KEY.replace("first", "********"))
    assert outcome.state == "pre-image"
    assert bench.device.same_as(bench.running)


def test_a_process_that_was_killed_behind_the_key_leaves_word_of_it(bench: Bench) -> None:
    class Killed(BaseException):
        pass

    def kill(event: Any) -> None:
        if event["event"] == "equal":
            raise Killed

    with pytest.raises(Killed):
        bench.restore(KEY.replace("first", "second"), kill)
    outcome, _ = restore(bench.room, bench.known, None, Wish(undo=True), lambda _: None)
    assert outcome is not None
    assert outcome.state == "between"
    assert "isakmp key ********" in outcome.reason
