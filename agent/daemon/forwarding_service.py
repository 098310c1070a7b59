"""Keeps the spool's records going to the InfluxDB of the configuration, beside the event loop."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from typing import Any

from agent.daemon.background import in_thread
from agent.daemon.log_lines import event
from agent.daemon.wanted import StorageOrder
from timeseries.errors import StoreError
from timeseries.forwarder import INFLUXDB, Forwarder
from timeseries.influx import InfluxTarget, InfluxWriter
from timeseries.spool import Spool

log = logging.getLogger(__name__)

RETRY_S = 10.0
"""After the spool could not be used (a full disk)."""


class ForwardingService:
    """Serves the server that is asked for, and another one when that changes."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._order: StorageOrder | None = None
        self._forwarder: Forwarder | None = None
        self._changed = asyncio.Event()

    def want(self, order: StorageOrder) -> None:
        """Send to its InfluxDB from now on, if it has one."""
        if order != self._order:
            self._order = order
            self._changed.set()

    async def run(self) -> None:
        """Forward until cancelled."""
        while True:
            self._changed.clear()
            try:
                if self._order is None or self._order.influx is None:
                    await in_thread(self._forget)
                    await self._changed.wait()
                else:
                    await self._serve(self._order, self._order.influx)
            except StoreError as error:
                event(log, logging.ERROR, "forwarding-error", error=str(error))
                await self._pause(RETRY_S)

    def _forget(self) -> None:
        """Nothing waits for a server that is configured no more."""
        self._forwarder = None
        if INFLUXDB in self._spool.sinks:
            event(
                log, logging.WARNING, "forwarding-ended",
                remedy="the rest is in the embedded store alone",
            )  # fmt: skip
            self._spool.forget(INFLUXDB)

    async def _serve(self, order: StorageOrder, target: InfluxTarget) -> None:
        writer = await in_thread(InfluxWriter, target)
        try:
            forwarder = await in_thread(
                Forwarder, self._spool, writer.write,
                replay_rate=order.replay_rate, age_limit_ns=order.backlog_ns,
            )  # fmt: skip
            self._forwarder = forwarder
            event(log, logging.INFO, "forwarding", url=target.url, bucket=target.bucket)
            while not self._changed.is_set():
                await self._pause(await in_thread(forwarder.step))
        finally:
            writer.close()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    def state(self) -> dict[str, Any] | None:
        """For the state file; None without a server. Blocks for queries."""
        forwarder = self._forwarder
        target = None if self._order is None else self._order.influx
        if forwarder is None or target is None:
            return None
        return {"url": target.url, "bucket": target.bucket, **asdict(forwarder.state)}
