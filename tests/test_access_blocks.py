"""Access blocks on random configurations: they shut out one address and no other packet, twice is
once, and what was is there again afterwards."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from device_configs import blocks
from device_configs.errors import DeviceConfigError
from device_configs.plan import plan

SEEDS = range(12)
PLATFORM = {"asa": "cisco_asa", "ios": "cisco_ios", "pix6": "cisco_pix", "pix7": "cisco_pix"}
BOUND = {
    "ios": re.compile(r"^interface (\S+)\n(?: .*\n)*? ip access-group (\S+) in$", re.MULTILINE),
    "asa": re.compile(r"^access-group (\S+) in interface (\S+)$", re.MULTILINE),
}
SWITCH = """\
hostname sw
interface Vlan1
 ip address 10.0.0.1 255.255.255.0
 ip access-group 10 in
ip access-list extended MGMT10
 permit ip any any
access-list 10 permit any
access-list 100 permit ip any any
"""


def filtered(text: str, platform: str) -> set[str]:
    """Interfaces whose incoming traffic goes through a list of their own."""
    if platform == "ios":
        return {interface for interface, _ in BOUND["ios"].findall(text)}
    return {interface for _, interface in BOUND["asa"].findall(text)}


def carry_out(device: Any, target: str, platform: str, flows: Any = ()) -> tuple[str, ...]:
    """The commands; on the way no packet changes more than once."""
    made = plan(device.running(), target, platform)
    seen = {flow: [device.permits(flow)] for flow in flows}
    path: list[Any] = []
    for command in made.commands:
        if command in ("exit", "end"):
            path = path[:-1] if command == "exit" else []
            continue
        _, path = device.apply(None, path, command)
        for flow, verdicts in seen.items():
            if device.permits(flow) is not verdicts[-1]:
                verdicts.append(not verdicts[-1])
    for flow, verdicts in seen.items():
        assert len(verdicts) <= 2, (flow, made.commands)
    return made.commands


@pytest.mark.parametrize("kind", PLATFORM)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_block_shuts_out_one_address_and_is_gone_without_a_trace(
    devices: Any, kind: str, seed: int
) -> None:
    platform = PLATFORM[kind]
    case = importlib.import_module("devices.pairs").pair(kind, 1000 + seed)
    device = devices.Device(kind, case.running, interfaces=case.interfaces)
    before, guarded = device.running(), filtered(device.running(), kind)
    open_before = {flow: device.permits(flow) for flow in case.flows}
    through = [flow for flow in case.flows if open_before[flow] and flow.ingress in guarded]
    if not guarded:
        with pytest.raises(DeviceConfigError, match="no access list filters"):
            blocks.blocked(before, "192.0.2.7", platform, "x")
        return
    address = through[0].source if through else case.flows[0].source
    text, placed = blocks.blocked(before, address, platform, "x")
    commands = carry_out(device, text, platform, case.flows)
    assert not any("-pasprobe" in command for command in commands), "edited in place"

    for flow, was in open_before.items():
        theirs = address in (flow.source, flow.destination)
        if flow.ingress in guarded and flow.source == address:
            assert not device.permits(flow), flow
        elif not theirs:
            assert device.permits(flow) is was, flow
    again, nothing = blocks.blocked(device.running(), address, platform, "x")
    assert nothing == ()
    assert carry_out(device, again, platform) == ()

    made = blocks.Block("x", address, 0, None, "somebody", placed)
    carry_out(device, blocks.allowed(device.running(), made, platform), platform, case.flows)
    assert device.same_as(before), device.difference(before)
    assert plan(device.running(), before, platform).commands == ()


def test_a_list_is_found_by_its_whole_name() -> None:
    text, placed = blocks.blocked(SWITCH, "192.0.2.7", "cisco_ios", "sw")
    entry = "deny host 192.0.2.7"
    assert placed == (blocks.Placed("10", entry),)
    assert text == SWITCH.replace(
        "access-list 10 permit", f"access-list 10 {entry}\naccess-list 10 permit"
    )


@pytest.mark.parametrize("address", ["192.0.2.999", "2001:db8::1", "192.0.2.0/24", "", "host"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(DeviceConfigError, match="is no IPv4 address"):
        blocks.blocked(SWITCH, address, "cisco_ios", "sw")
