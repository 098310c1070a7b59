"""All devices of a configuration, polled for as long as an agent runs; for `pasprobe run`.

Records are handed on in batches from a thread: a spool that waits for its disk delays no poll.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from collectors.clients import open_client
from collectors.device import DeviceCollector
from collectors.poller import Figures, Polled, Poller
from collectors.snmp import Client, target_of
from inventory.operations import Device
from timeseries.errors import StoreError
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

log = logging.getLogger(__name__)

BATCH_S = 1.0
"""How long records wait for others: one commit to the disk for many devices."""
MOST_WAITING = 200_000
"""Records kept while the spool refuses them (a full disk); the oldest go first, and are counted."""

DeviceRecord = DeviceSampleRecord | DeviceEventRecord


@dataclass(slots=True)
class Told:
    """What the service has been through."""

    recorded: int = 0
    given_up: int = 0
    """Records that could not be kept: the spool refused them for too long."""


class DevicePolling:
    """Polls the devices of a configuration that have an `snmp` table.

    `keep` appends to the spool (called from a thread, one call at a time); `changed` hears of a
    device whose configuration was changed. Raises `inventory.errors.SecretError` for a secret that
    is not there.
    """

    def __init__(
        self,
        agent: str,
        devices: Iterable[Device],
        environ: Mapping[str, str],
        keep: Callable[[Sequence[DeviceRecord]], object],
        *,
        changed: Callable[[Device], None] = lambda _: None,
        told: Callable[[Polled], None] = lambda _: None,
    ) -> None:
        self._agent = agent
        self._environ = environ
        self._keep = keep
        self._changed = changed
        self._waiting: list[DeviceRecord] = []
        self._collectors: dict[str, DeviceCollector] = {}
        self._client: Client | None = None
        self.told = Told()
        self._devices = _asked(devices, environ)
        self._poller = Poller(self._devices, self._poll, told=told)

    async def run(self) -> None:
        """Poll until cancelled; what is waiting is handed on before this returns."""
        self._client = open_client()
        keeping = asyncio.create_task(self._keep_on(), name="keep records of devices")
        try:
            await self._poller.run()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._hand_on()
            for one in self._collectors.values():
                await one.close()
            self._collectors.clear()
            await self._client.close()

    async def want(self, devices: Iterable[Device]) -> None:
        """The configuration was read again: poll these from now on. Raises as the constructor."""
        self._devices = _asked(devices, self._environ)
        self._poller.want(self._devices)
        await asyncio.sleep(0)  # polls that were cut off have let go of their sessions
        stay = {one.id: one for one in self._devices}
        for name, one in list(self._collectors.items()):
            if stay.get(name) != one.device:
                del self._collectors[name]
                await one.close()

    def figures(self) -> Figures:
        """How well the schedule is kept."""
        return self._poller.figures()

    async def _poll(self, device: Device) -> None:
        if self._client is None:  # pragma: no cover - the poller runs within run() alone
            raise RuntimeError("run() has not begun")
        mine = self._collectors.get(device.id)
        if mine is None:
            target = target_of(device, self._environ)
            mine = DeviceCollector(
                self._agent, device, target, self._client, self._waiting.extend, self._changed
            )
            self._collectors[device.id] = mine
        await mine.poll()

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(BATCH_S)
            await self._hand_on()

    async def _hand_on(self) -> None:
        if not self._waiting:
            return
        batch = list(self._waiting)
        try:
            await asyncio.to_thread(self._keep, batch)
        except StoreError as error:
            over = len(self._waiting) - MOST_WAITING
            if over > 0:
                del self._waiting[:over]
                self.told.given_up += over
            log.error("records of devices wait for the spool: %s", error)
        else:
            del self._waiting[: len(batch)]
            self.told.recorded += len(batch)


def _asked(devices: Iterable[Device], environ: Mapping[str, str]) -> tuple[Device, ...]:
    """Those that have an `snmp` table; their secrets are there."""
    asked = tuple(device for device in devices if device.snmp is not None)
    for device in asked:
        target_of(device, environ)
    return asked
