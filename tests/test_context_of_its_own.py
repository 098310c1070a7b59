"""A context of a firewall in multiple mode, reached by an address of its own: a device like any
other, but for the restart that it may not order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from managed_devices import ASA, configuration_file, trusting_room

from device_configs import blocking, blocks
from device_configs.backup import Job, back_up, history_of, hosts_of
from device_configs.changing import Target, Wish, restore
from device_configs.errors import DeviceConfigError
from device_configs.risk import TargetRefused

SHOP = ASA.replace("fw-1", "shop").replace("access-list OUT extended deny ip any any\n", "")
CONTEXTS = {"admin": "hostname admin\n", "shop": SHOP, "bank": SHOP.replace("shop", "bank")}
MORE = "access-list OUT extended permit tcp any host 10.0.0.6 eq https\n"
BOUND = "access-group OUT"


@pytest.fixture
def shop(devices: Any, tmp_path: Path) -> Iterator[Any]:
    # What the device would have written, so that startup and running are the same.
    booted = devices.Device("asa", "hostname fw\n", contexts=CONTEXTS)
    device = devices.Device(
        "asa", booted.running(), entry="shop", management=devices.Management("10.0.0.9", "inside"),
        contexts={name: booted.running(name) for name in CONTEXTS},
    )  # fmt: skip
    with device.serve() as box:
        room = trusting_room(configuration_file(tmp_path, box, "shop", "cisco_asa"))
        (known,) = room.loaded.configuration.devices
        yield device, room, known


def test_it_is_backed_up_under_its_own_name_and_alone(shop: Any) -> None:
    device, room, known = shop
    history = history_of(room.loaded.configuration, room.loaded.path, room.environ)
    job = Job(history, hosts_of(room.loaded.configuration, room.loaded.path), room.environ, "test")
    (outcome,) = back_up([known], job)
    assert outcome.error is None
    version = history.newest("shop")
    assert version is not None
    assert (version.meta.hostname, set(version.parts)) == (
        "shop",
        {"running", "startup", "version"},
    )
    assert history.get("shop") == device.running("shop")


def test_it_is_restored_without_a_timer_and_the_others_are_left_alone(shop: Any) -> None:
    device, room, known = shop
    others = [device.running(name) for name in (None, "admin", "bank")]
    target = Target(device.running("shop").replace(BOUND, MORE + BOUND), "a test")
    with pytest.raises(DeviceConfigError, match="--timer 0"):
        restore(room, known, target, Wish(), lambda _: None)
    assert device.configured() == []
    outcome, _ = restore(room, known, target, Wish(timer_minutes=None), lambda _: None)
    assert outcome is not None
    assert outcome.good, outcome
    assert MORE in device.running("shop")
    assert MORE in device.context_startup["shop"]
    assert [device.running(name) for name in (None, "admin", "bank")] == others
    assert restore(room, known, target, Wish(timer_minutes=None), lambda _: None)[0] is None


def test_the_configuration_of_another_context_is_refused(shop: Any) -> None:
    device, room, known = shop
    with pytest.raises(TargetRefused, match="hostname shop, target bank"):
        restore(room, known, Target(device.running("bank"), "x"), Wish(), lambda _: None)
    assert device.configured() == []


def test_an_address_is_blocked_in_this_context_and_let_in_again(shop: Any) -> None:
    device, room, known = shop
    before = device.running("shop")
    outcome, _ = blocking.shut_out(room, known, "203.0.113.9", None, lambda _: None)
    assert outcome.good, outcome
    assert "extended deny ip host 203.0.113.9 any" in device.running("shop")
    (block,) = blocks.load(room.folder)
    blocking.let_in(room, known, block, lambda _: None)
    assert device.running("shop") == before == device.context_startup["shop"]
