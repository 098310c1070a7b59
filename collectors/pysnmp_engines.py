"""pysnmp's engines: one a process, and another where one engine cannot keep two things apart.

An engine knows a version 3 user by name alone, and believes for five minutes that an address has
the engine ID it had; and it keeps one clock for an engine ID, whoever has it. So users of one name
with different keys, a device that was swapped or reset, and one with the engine ID of another need
an engine of their own. An engine that serves nobody is closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.hlapi.v3arch.asyncio.lcd import CommandGeneratorLcdConfigurator

from collectors.pysnmp_transport import CheckedUdp, CheckedUdp6, Peer4, Peer6
from collectors.snmp import Target

LCD = CommandGeneratorLcdConfigurator()
Place = tuple[str, int]
_Keys = tuple[str | None, str, str | None, str]


def _keys(target: Target) -> _Keys:
    return target.auth, target.auth_protocol, target.priv, target.priv_protocol


@dataclass(eq=False)
class Slot:
    """One engine and whom it serves."""

    engine: SnmpEngine = field(default_factory=SnmpEngine)
    users: dict[str, _Keys] = field(default_factory=dict, repr=False)
    places: set[Place] = field(default_factory=set)
    """Version 3 addresses that it was ever used for: it may remember their engine IDs."""
    sessions: int = 0

    def transport(self, peer: Peer4 | Peer6) -> CheckedUdp | CheckedUdp6 | None:
        """The socket over which a peer is asked; None before the first question."""
        found: CheckedUdp | CheckedUdp6 | None = config.get_transport(
            self.engine, peer.TRANSPORT_DOMAIN
        )
        return found


class Engines:
    """The engines of a process and event loop."""

    def __init__(self) -> None:
        self.slots = [Slot()]
        """The first is made before anybody waits for an answer."""

    def take(self, target: Target, place: Place, *, fresh: bool = False) -> Slot:
        """An engine for a target; `fresh`: one that knows nothing of its address.

        Making one costs some 80 ms and 1 MB.
        """
        for slot in self.slots:
            knows = target.version == "3" and (
                slot.users.get(target.user, _keys(target)) != _keys(target)
                or (fresh and place in slot.places)
            )
            if not knows:
                break
        else:
            slot = Slot()
            self.slots.append(slot)
        slot.sessions += 1
        if target.version == "3":
            slot.users[target.user] = _keys(target)
            slot.places.add(place)
        return slot

    def leave(self, slot: Slot) -> None:
        """A session needs it no more. The last one stays for who comes next."""
        slot.sessions -= 1
        if slot.sessions == 0 and len(self.slots) > 1:
            self.slots.remove(slot)
            slot.engine.close_dispatcher()

    def close(self) -> None:
        """Close all."""
        for slot in self.slots:
            slot.engine.close_dispatcher()
        self.slots.clear()
