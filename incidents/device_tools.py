"""What a runbook does to devices and asks them: restore, block, allow, tunnels by SNMP.

A device that cannot be reached or that refuses is an action that was not good; its text says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from collectors.clients import open_client
from collectors.device import DeviceCollector
from collectors.errors import SnmpError
from collectors.snmp import target_of
from device_configs import blocks
from device_configs.blocking import let_in, shut_out
from device_configs.changing import Room, Wish, restore
from device_configs.errors import DeviceConfigError
from device_configs.restore import Outcome
from incidents.acceptance import device_of, server_of, tunnel_by_train
from incidents.errors import IncidentError, RefusedError
from incidents.runbook import Seen, Situation, Tool, Tools
from incidents.tickets import Ticket
from inventory.errors import SecretError
from inventory.load import Loaded
from inventory.models import Configuration
from inventory.operations import Device

Peers = Callable[[Device], frozenset[str]]
"""Peers that have an IKE tunnel with a firewall now; raises `SnmpError`."""


def tools(loaded: Loaded, environ: Mapping[str, str], *, peers: Peers | None = None) -> Tools:
    """Actions and probes by their names in the runbooks."""
    configuration, room = loaded.configuration, Room(loaded, environ)
    by_train = tunnel_by_train(configuration)
    here = peers or (lambda device: peers_of(device, environ))

    def restored(situation: Situation) -> Seen:
        device = device_of(situation.ticket, configuration)
        words = "backup" if device.template is None else "template"
        target = room.target(device, words)
        outcome, file = restore(
            room, device, target, Wish(ticket=situation.ticket.id), lambda _: None
        )
        return _ended(f"{device.id} from its {words}", outcome, str(file))

    def block(situation: Situation) -> Seen:
        device, address = _firewall_and_address(situation.ticket, configuration)
        outcome, file = shut_out(room, device, address, None, lambda _: None)
        return _ended(f"{device.id}: block of {address}", outcome, str(file))

    def allow(situation: Situation) -> Seen:
        device, address = _firewall_and_address(situation.ticket, configuration)
        wanted = (device.id, address)
        ours = next((b for b in blocks.load(room.folder) if (b.device, b.address) == wanted), None)
        if ours is not None:
            outcome, file = let_in(room, device, ours, lambda _: None)
            return _ended(f"{device.id}: end of the block of {address}", outcome, str(file))
        if _in_force(room, device, address):
            text = "is blocked by entries that are not ours: take them out by hand"
            return Seen(False, f"{device.id}: {address} {text}")
        return Seen(True, f"{device.id}: {address} is not blocked")

    def in_force(situation: Situation) -> Seen:
        device, address = _firewall_and_address(situation.ticket, configuration)
        good = _in_force(room, device, address)
        return Seen(good, f"{device.id}: {address} is {'' if good else 'not '}blocked")

    def tunnel(situation: Situation) -> Seen:
        device = device_of(situation.ticket, configuration)
        if device.snmp is None or not device.peers:
            # Without peers nobody can say which of the tunnels is meant.
            return by_train(situation)
        there = here(device)
        lost = [peer for peer in device.peers if peer not in there]
        if lost:
            return Seen(False, f"{device.id}: no IKE tunnel to {', '.join(lost)}")
        return Seen(True, f"{device.id}: IKE tunnels to {', '.join(device.peers)}")

    return {
        "restore-template": _told(restored),
        "block-address": _told(block),
        "allow-address": _told(allow),
        "address-blocked": _told(in_force),
        "tunnel": _told(tunnel),
    }


def peers_of(device: Device, environ: Mapping[str, str]) -> frozenset[str]:
    """Ask a firewall once; `SnmpError`, `SecretError`."""

    async def ask() -> frozenset[str]:
        client = open_client()
        collector = DeviceCollector("", device, target_of(device, environ), client, lambda _: None)
        try:
            found = await collector.poll()
        finally:
            await collector.close()
            await client.close()
        return frozenset(
            one.instance for one in found.records if one.figure == "ike_peer" and one.value
        )

    return asyncio.run(ask())


def _in_force(room: Room, device: Device, address: str) -> bool:
    """Whether every incoming list begins with what shuts the address out, as the device has it."""
    _, missing = blocks.blocked(room.live(device), address, device.platform, device.id)
    return not missing


def _firewall_and_address(ticket: Ticket, configuration: Configuration) -> tuple[Device, str]:
    """The server's production address and the firewall before its PAS (1.8); `RefusedError`."""
    server = server_of(ticket, configuration)
    found = [d for d in configuration.devices if d.role == "firewall" and d.id == ticket.device]
    found = found or [
        d for d in configuration.devices if d.role == "firewall" and server.pas in d.pas
    ]
    if len(found) == 1:
        return found[0], server.production
    what = "no firewall is" if not found else "several firewalls are"
    raise RefusedError(
        f"ticket {ticket.id}",
        f"{what} before {server.pas}",
        "write its id into `pas` of one [[device]], or name it (`incident update --device ID`)",
    )


def _ended(what: str, outcome: Outcome | None, file: str) -> Seen:
    if outcome is None:
        return Seen(True, f"{what}: nothing had to be changed")
    if outcome.good:
        text = f"{what}: done and saved, {outcome.commands} commands"
        return Seen(True, text, {"protocol": file})
    why = outcome.reason or f"it ended as {outcome.state}, not saved"
    return Seen(False, f"{what}: {why}", {"protocol": file})


def _told(tool: Tool) -> Tool:
    """What cannot be done or seen is not good, and the text says why."""

    def told(situation: Situation) -> Seen:
        try:
            return tool(situation)
        except (DeviceConfigError, SnmpError, SecretError, IncidentError) as error:
            return Seen(False, str(error))

    return told
