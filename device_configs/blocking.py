"""Blocks carried out on a device, by the same way as a restore, and remembered."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from device_configs import blocks
from device_configs.backup import user_here
from device_configs.changing import Room, Target, Wish, restore
from device_configs.errors import DeviceConfigError
from device_configs.files import locked
from device_configs.moments import moment
from device_configs.restore import Outcome
from inventory.operations import Device

Tell = Callable[[Mapping[str, Any]], None]
LOCK_WAIT_S = 10.0
SMALL = Wish(small=True)


def shut_out(
    room: Room, device: Device, address: str, until: str | None, tell: Tell
) -> tuple[Outcome | None, Path]:
    """Block an address; None where it was blocked already. Raises `DeviceConfigError`."""
    address = blocks.host_of(address, device.id)
    until_ns = None
    if until is not None:
        until_ns = moment(until, room.loaded.configuration.contract)
        if until_ns <= time.time_ns():
            raise DeviceConfigError(until, "this time is over", "give one to come, or no --until")
    if (whose := _our_way_in(device).get(address)) is not None:
        raise DeviceConfigError(
            device.id, f"{address} is {whose}, so we would shut ourselves out", "block another"
        )
    with locked(room.folder / "blocks.lock", "blocks", LOCK_WAIT_S):
        text, placed = blocks.blocked(room.live(device), address, device.platform, device.id)
        there = blocks.load(room.folder)
        same = [b for b in there if (b.device, b.address) == (device.id, address)]
        before = same[0].placed if same else ()
        made = blocks.Block(
            device.id,
            address,
            same[0].since_ns if same else time.time_ns(),
            until_ns,
            user_here(),
            # Entries that somebody put in front before us are not ours to remove.
            (*before, *(one for one in placed if one not in before)),
        )
        # Written down first: were we killed behind the last command, nobody knew whose these are.
        blocks.save(room.folder, [*(b for b in there if b not in same), made])
        outcome, file = None, room.folder / "blocks.json"
        if placed:
            target = Target(text, f"block of {address}")
            try:
                outcome, file = restore(room, device, target, SMALL, tell, checked=False)
            except DeviceConfigError:
                blocks.save(room.folder, there)
                raise
            if outcome is not None and outcome.state == "pre-image":
                blocks.save(room.folder, there)
        return outcome, file


def _our_way_in(device: Device) -> dict[str, str]:
    """The addresses that our session needs, as far as this host knows them."""
    found: dict[str, str] = {}
    gate = device.host if device.jump is None else device.jump.host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        # Nothing is sent: the kernel resolves and chooses the address to come from.
        probe.connect((gate, 9))
        if device.jump is None:
            found[probe.getsockname()[0]] = "where our session comes from"
            found[probe.getpeername()[0]] = "the device's own address"
        else:
            found[probe.getpeername()[0]] = "the jump host"
    found[device.host] = "the device's own address"
    return found


def let_in(
    room: Room, device: Device, block: blocks.Block, tell: Tell
) -> tuple[Outcome | None, Path]:
    """End a block; None where nothing of it was left on the device."""
    with locked(room.folder / "blocks.lock", "blocks", LOCK_WAIT_S):
        running = room.live(device)
        text = blocks.allowed(running, block, device.platform)
        outcome, file = None, room.folder / "blocks.json"
        if text != running:
            target = Target(text, f"end of the block of {block.address}")
            outcome, file = restore(room, device, target, SMALL, tell, checked=False)
        if outcome is None or outcome.state == "target":
            there = blocks.load(room.folder)
            kept = [b for b in there if (b.device, b.address) != (block.device, block.address)]
            blocks.save(room.folder, kept)
        return outcome, file
