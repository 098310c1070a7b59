"""Records on their way to the disk: into the spool at once, into the store now and then.

Measuring goes on whatever happens here: records wait in memory, within a bound, until the disk has
room again; what was given up is counted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import ParamSpec

from agent.daemon.background import in_thread
from agent.daemon.log_lines import event
from timeseries.codec import encode
from timeseries.embedded import EmbeddedStore
from timeseries.errors import SchemaError, StoreError
from timeseries.records import DeviceSampleRecord, Record, SampleRecord
from timeseries.spool import Spool
from timeseries.spool_tail import EMBEDDED

log = logging.getLogger(__name__)
P = ParamSpec("P")

APPEND_EVERY_S = 1.0
"""One fsync for all trains of a second: what kill -9 of the agent can cost."""
APPEND_MOST = 1_000
MAINTAIN_EVERY_S = 30.0
RETRY_S = 5.0
WAITING_MOST = 20_000
"""Records that wait in memory for a disk that takes none."""


class Recorder:
    """Writes records: `run_spool` and `run_store` do the work, and `finish` ends it while they
    still run."""

    def __init__(
        self, spool: Spool, store: EmbeddedStore, utc_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.errors = 0
        """Times that the spool or the store could not be written."""
        self.given_up = 0
        """Records that were dropped because the disk took none for too long."""
        self._spool = spool
        self._store = store
        self._utc_ns = utc_ns
        self._waiting: deque[Record] = deque()
        self._filled = asyncio.Event()
        self._failing = False
        self._appending = asyncio.Lock()
        self._store_mutex = threading.Lock()

    @property
    def waiting(self) -> int:
        """Records in memory."""
        return len(self._waiting)

    def put(self, records: Iterable[Record]) -> None:
        """Take records; they are on the disk within about `APPEND_EVERY_S`."""
        self._waiting.extend(records)
        self._filled.set()
        if len(self._waiting) > WAITING_MOST:
            self._make_room()

    def _make_room(self) -> None:
        """Single packets and single polls go first, then the oldest."""
        before = len(self._waiting)
        single = (SampleRecord, DeviceSampleRecord)
        kept = [one for one in self._waiting if not isinstance(one, single)]
        self._waiting = deque(kept[-(WAITING_MOST // 2) :])
        self.given_up += before - len(self._waiting)
        event(log, logging.ERROR, "records-given-up", total=self.given_up)

    async def run_spool(self) -> None:
        """Append what is put, until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            await asyncio.sleep(APPEND_EVERY_S)
            while self._waiting:
                if not await self.append_batch():
                    await asyncio.sleep(RETRY_S)

    async def append_batch(self) -> bool:
        """Append the oldest records; False when the disk does not take them."""
        async with self._appending:
            batch = list(islice(self._waiting, APPEND_MOST))
            if not batch:
                return True
            try:
                await in_thread(self._spool.append, batch)
            except SchemaError as error:
                event(log, logging.ERROR, "record-unfit", error=str(error))
                self._drop_unfit(batch)
                return True
            except StoreError as error:
                self._failed("spool", error)
                return False
            # Nothing else takes from the left, and room is only made there.
            written = {id(record) for record in batch}
            while self._waiting and id(self._waiting[0]) in written:
                self._waiting.popleft()
            self._worked("spool")
            return True

    def _drop_unfit(self, batch: list[Record]) -> None:
        unfit = set()
        for record in batch:
            try:
                encode(record)
            except SchemaError:
                unfit.add(id(record))
        self._waiting = deque(one for one in self._waiting if id(one) not in unfit)
        self.given_up += len(unfit)

    def _failed(self, what: str, error: StoreError) -> None:
        self.errors += 1
        if not self._failing:
            self._failing = True
            event(log, logging.ERROR, f"{what}-error", error=str(error), waiting=self.waiting)

    def _worked(self, what: str) -> None:
        if self._failing:
            self._failing = False
            event(log, logging.INFO, f"{what}-works-again", waiting=self.waiting)

    async def run_store(self) -> None:
        """Roll up, flush and compact in their time, until cancelled."""
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await self._in_store(self._store.maintain, self._utc_ns())
                await asyncio.sleep(MAINTAIN_EVERY_S)
            except StoreError as error:
                self._failed("store", error)
                await asyncio.sleep(60)

    def _in_store(
        self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[object]:
        """A call of the store, one at a time, even when nobody waits for the one before."""

        def alone() -> object:
            with self._store_mutex:
                return call(*args, **kwargs)

        return in_thread(alone)

    def depth(self) -> int:
        """Records in the spool that the store does not have yet. Blocks for a query."""
        return self._spool.depth(EMBEDDED)

    def oldest_ns(self) -> int | None:
        """Start of the oldest record that the store does not have yet. Blocks for a query."""
        return self._spool.oldest(EMBEDDED)

    @property
    def dropped(self) -> dict[str, int]:
        """What the spool gave up for want of room, by kind. Blocks for a query."""
        return self._spool.dropped

    async def finish(self, longest_s: float) -> None:
        """Put everything on the disk; the store gets it too when that is done in time (otherwise
        it stays in the spool, which the next start goes on from)."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + longest_s
        try:
            await asyncio.wait_for(self._append_all(), longest_s)
            await asyncio.wait_for(
                self._in_store(self._store.flush), max(0.0, deadline - loop.time())
            )
        except TimeoutError:
            event(log, logging.INFO, "flush-left-to-next-start", waiting=self.waiting)
        except StoreError as error:
            self._failed("store", error)
        self.given_up += self.waiting
        if self._waiting:
            event(log, logging.ERROR, "records-lost-at-stop", count=self.waiting)

    async def _append_all(self) -> None:
        while self._waiting:
            if not await self.append_batch():
                await asyncio.sleep(0.2)
