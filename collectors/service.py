"""All devices that an agent asks, polled for as long as it runs; for `pasprobe run`.

`agent` and this room do not know each other: `pasprobe.py` hands a `PollingOrder` over, and the
agent starts it (`agent.daemon.device_service` has its side of the interface).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from collectors.clients import open_client
from collectors.device import DeviceCollector
from collectors.errors import SnmpError
from collectors.poller import Polled, Poller
from collectors.snmp import Client, Target, target_of
from inventory.models import Configuration, named_interfaces, own_devices
from inventory.operations import Device
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

DeviceRecord = DeviceSampleRecord | DeviceEventRecord
Keep = Callable[[Sequence[DeviceRecord]], None]
Raised = Mapping[str, Mapping[tuple[str, str], int]]
"""Device -> (kind, instance) -> since when, UTC ns: events that were raised and not cleared."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One device that is polled."""

    device: Device
    target: Target
    interfaces: tuple[str, ...]
    """Those that the configuration names."""


@dataclass(frozen=True, slots=True)
class PollingOrder:
    """Which devices an agent asks, their secrets read; comparable: a reload sees what changed."""

    agent: str
    asked: tuple[Asked, ...]

    @property
    def devices(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(one.device.id for one in self.asked)

    def start(
        self,
        keep: Keep,
        changed: Callable[[str], None],
        told: Callable[[str, SnmpError | None, int], None],
        noticed: Callable[[str, str], None],
        raised: Raised,
    ) -> DevicePolling:
        """What polls them once it runs; see `DevicePolling`."""
        return DevicePolling(
            self, keep, changed=changed, told=told, noticed=noticed, raised=raised
        )  # fmt: skip


def polling_order(configuration: Configuration, environ: Mapping[str, str]) -> PollingOrder | None:
    """The order for this host; None where it has no device to ask.

    Raises `inventory.errors.SecretError` for a secret that cannot be had.
    """
    asked = tuple(
        Asked(one, target_of(one, environ), named_interfaces(one, configuration))
        for one in own_devices(configuration)
    )
    agent = configuration.agent
    return PollingOrder("" if agent is None else agent.name, asked) if asked else None


class DevicePolling:
    """Polls the devices of an order.

    All callbacks are made in the event loop and must not wait. `keep` takes the records of a poll;
    `changed` hears of a device whose configuration was changed (a backup is due); `told` of every
    poll that is over: device, error, failures in a row; `noticed` of what is odd about a device and
    no event: device, text. `raised` is what an earlier run left open.
    """

    def __init__(
        self,
        order: PollingOrder,
        keep: Keep,
        *,
        changed: Callable[[str], None] = lambda _: None,
        told: Callable[[str, SnmpError | None, int], None] = lambda *_: None,
        noticed: Callable[[str, str], None] = lambda *_: None,
        raised: Raised | None = None,
    ) -> None:
        self._order = order
        self._asked = {one.device.id: one for one in order.asked}
        self._keep = keep
        self._changed = changed
        self._told = told
        self._noticed = noticed
        self._raised = raised or {}
        self._twins: set[frozenset[str]] = set()
        self._collectors: dict[str, DeviceCollector] = {}
        self._client: Client | None = None
        self._poller = Poller((one.device for one in order.asked), self._poll, told=self._polled)

    async def run(self) -> None:
        """Poll until cancelled."""
        self._client = open_client()
        try:
            await self._poller.run()
        finally:
            for one in self._collectors.values():
                await one.close()
            self._collectors.clear()
            await self._client.close()

    async def want(self, order: PollingOrder, raised: Raised) -> None:
        """The configuration was read again: poll these from now on.

        A device that did not change keeps its slots and what is known of it.
        """
        self._order, self._raised = order, raised
        self._asked = {one.device.id: one for one in order.asked}
        self._poller.want(one.device for one in order.asked)
        await asyncio.sleep(0)  # polls that were cut off have let go of their sessions
        for name, one in list(self._collectors.items()):
            if self._asked.get(name) != Asked(one.device, one.target, one.interfaces):
                del self._collectors[name]
                await one.close()

    def figures(self) -> dict[str, Any]:
        """How well the schedule is kept, as plain values."""
        found = self._poller.figures()
        return {
            "polls": found.polls,
            "failed": found.failed,
            "passed_over": found.passed_over,
            "lateness_ns": {"p99": found.lateness_p99_ns, "max": found.lateness_max_ns},
        }

    def _polled(self, poll: Polled) -> None:
        self._told(poll.device, poll.error, poll.failures)

    async def _poll(self, device: Device) -> None:
        if self._client is None:  # pragma: no cover - the poller runs within run() alone
            raise RuntimeError("run() has not begun")
        mine = self._collectors.get(device.id)
        if mine is None:
            asked = self._asked[device.id]
            mine = DeviceCollector(
                self._order.agent, device, asked.target, self._client, self._keep,
                lambda changed: self._changed(changed.id), partial(self._noticed, device.id),
                asked.interfaces, self._raised.get(device.id, {}),
            )  # fmt: skip
            self._collectors[device.id] = mine
        await mine.poll()
        self._look_for_a_twin(mine)

    def _look_for_a_twin(self, mine: DeviceCollector) -> None:
        """Tell once of two devices with one engine ID: copied settings, or one unit twice."""
        if mine.engine_id is None:
            return
        for other in self._collectors.values():
            pair = frozenset((mine.device.id, other.device.id))
            if other is mine or other.engine_id != mine.engine_id or pair in self._twins:
                continue
            self._twins.add(pair)
            self._noticed(
                mine.device.id,
                f"it has the engine ID of {other.device.id}, {mine.engine_id.hex()}: give each"
                " unit its own (RFC 3411, 3.1.1.1), unless both are one",
            )
