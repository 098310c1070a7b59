"""Restores on a real command line, FRR's vtysh behind an sshd: what it keeps and what it swallows.

FRR adds an address to an interface instead of replacing the old one, and takes lines in silence
for a daemon that is dead; only reading back shows either.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from device_configs.changing import Room, Target, Wish, restore
from device_configs.known_hosts import KnownHosts, offered_key
from device_configs.restore import Outcome
from inventory.load import load

HERE = ("interface v0", " ip address 10.5.0.1/24", "exit", "ip route 10.9.0.0/16 Null0")


@pytest.fixture
def router(frr_box: Any, tmp_path: Path) -> Callable[[str], Outcome | None]:
    """`router(target)` restores FRR to it."""
    file = tmp_path / "pasprobe.toml"
    file.write_text(
        f'[device_configs]\nfolder = "{tmp_path / "kept"}"\n'
        f'[[device]]\nid = "frr-1"\nhost = "{frr_box.host}"\nport = {frr_box.ssh_port}\n'
        'role = "switch"\nplatform = "frr"\n'
        f'login = {{ user = "{frr_box.user}", password = {{ env = "PW" }} }}\n'
    )
    environ = {"PW": frr_box.password}
    room = Room(load(file, environ=environ), environ)
    known = room.loaded.configuration.devices[0]
    key = offered_key("frr-1", frr_box.host, frr_box.ssh_port, 15.0)
    KnownHosts(room.folder / "known_hosts").trust(frr_box.host, frr_box.ssh_port, key)
    frr_box.vtysh("configure terminal", *HERE)

    def carry_out(target: str) -> Outcome | None:
        # Unchecked: a router of FRR has no user and no vty line in its configuration.
        wanted = Target(target, "a test")
        return restore(room, known, wanted, Wish(), lambda _: None, checked=False)[0]

    return carry_out


def test_an_address_makes_way_for_the_new_one_and_two_stay_two(router: Any, frr_box: Any) -> None:
    before = frr_box.vtysh("show running-config")
    for addresses in (("10.5.0.2/24",), ("10.5.0.2/24", "10.6.0.1/24"), ("10.6.0.1/24",)):
        lines = "\n".join(f" ip address {one}" for one in addresses)
        outcome = router(before.replace(" ip address 10.5.0.1/24", lines))
        assert outcome.good, outcome
        shown = frr_box.vtysh("show running-config")
        assert [
            line.split()[2] for line in shown.splitlines() if line.startswith(" ip address")
        ] == list(addresses)
        assert f"ip address {addresses[0]}" in frr_box.startup
    frr_box.restart()
    assert "ip address 10.5.0.2/24" not in frr_box.vtysh("show running-config")


def test_what_a_dead_daemon_swallows_is_found_by_reading_back(router: Any, frr_box: Any) -> None:
    before = frr_box.vtysh("show running-config")
    frr_box.stop_daemon("staticd")
    without = frr_box.vtysh("show running-config")
    assert "10.9.0.0/16" not in without
    outcome = router(before)
    assert not outcome.good
    assert outcome.state == "pre-image"
    assert "ip route 10.9.0.0/16" in outcome.reason
    assert "10.9.0.0/16" not in frr_box.startup
    # With the daemon it is the same plan, and it arrives.
    frr_box.start_daemon("staticd")
    assert router(before).good
    assert "ip route 10.9.0.0/16 Null0" in frr_box.vtysh("show running-config")
