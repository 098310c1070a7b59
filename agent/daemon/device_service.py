"""Keeps the devices of the configuration polled, as a task beside the planning.

Who polls is none of this room's business: an order comes with the configuration (`pasprobe.py` puts
`collectors.service.polling_order` there), and starts something with the interface of `Polling`.
Packets are sent by the engine's process, so a poll delays none. What goes wrong in there is logged
and tried again: the agent goes on measuring.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from agent.daemon.log_lines import FIELDS, event
from timeseries.records import DeviceEventRecord, DeviceSampleRecord, Record

log = logging.getLogger(__name__)

BACKOFF_FIRST_S, BACKOFF_MOST_S, STEADY_S = 1.0, 60.0, 60.0
SHOWN = 200
"""Characters of an error in the state file."""

FIGURES = frozenset(
    (
        "cpu_5s", "cpu_1min", "cpu_5min", "memory_used", "memory_free", "connections",
        "connections_high", "ike_tunnels", "ike_tunnel_rows", "ipsec_tunnels", "sessions",
        "buffers_free", "temperature", "poe_used", "mac_addresses", "vlans", "uptime",
    )
)  # fmt: skip
"""What `/metrics` shows of a device itself; of its interfaces there would be too much."""

Raised = Mapping[str, Mapping[tuple[str, str], int]]
"""Device -> (kind, instance) -> since when, UTC ns."""
O_contra = TypeVar("O_contra", contravariant=True)


class Polling(Protocol[O_contra]):
    """What polls the devices of an order."""

    async def run(self) -> None:
        """Poll until cancelled."""
        ...

    async def want(self, order: O_contra, raised: Raised) -> None:
        """Poll these from now on; those that did not change keep their slots."""
        ...

    def figures(self) -> dict[str, Any]:
        """`polls`, `failed`, `passed_over`, `lateness_ns` (`p99`, `max`)."""
        ...


class PollingOrder(Protocol):
    """Which devices are asked; equal where nothing changed."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Their ids."""
        ...

    def start(
        self,
        keep: Callable[[Sequence[DeviceSampleRecord | DeviceEventRecord]], None],
        changed: Callable[[str], None],
        told: Callable[[str, Exception | None, int], None],
        noticed: Callable[[str, str], None],
        raised: Raised,
    ) -> Polling[Any]:
        """Make what polls them; the callbacks are made in the event loop."""
        ...


class Figure(NamedTuple):
    """One present figure of one device, in its unit."""

    device: str
    figure: str
    instance: str
    unit: str
    value: float


@dataclass(slots=True)
class DeviceState:
    """What the agent says of one device."""

    answered_ns: int | None = None
    """When it last answered, UTC."""
    failures: int = 0
    """Polls in a row without an answer; None was made yet where `answered_ns` is None too."""
    error: str = ""
    response_ns: int | None = None
    """How long the last answered request took."""
    raised: dict[tuple[str, str], int] = field(default_factory=dict)
    """Events that were raised and not cleared: (kind, instance) -> since when, UTC."""
    events: Counter[str] = field(default_factory=Counter)
    """Events by kind since the agent began; ends are not counted."""

    figures: dict[tuple[str, str], DeviceSampleRecord] = field(default_factory=dict)
    """Of those in `FIGURES`, by figure and instance: the last poll's, none after a failed one."""

    def as_dict(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "answered_ns": self.answered_ns,
            "failures": self.failures,
            "error": self.error[:SHOWN],
            "response_ns": self.response_ns,
            "raised": [[*key, since_ns] for key, since_ns in sorted(self.raised.items())],
            "events": dict(self.events),
        }


class DeviceService:
    """Polls what is asked for, and something else when that changes.

    `put` takes records for the spool, `changed` hears of a device whose configuration was changed,
    `news` of an event. `state` is the state file of the run before: what was raised then still is.
    """

    def __init__(
        self,
        agent: str,
        put: Callable[[Iterable[Record]], None],
        changed: Callable[[str], None],
        news: Callable[[], None],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.restarts = 0
        """Times that polling ended by a mistake in the program."""
        self._agent = agent
        self._put = put
        self._backup_due = changed
        self._news = news
        self._order: PollingOrder | None = None
        self._polling: Polling[Any] | None = None
        self._changed = asyncio.Event()
        self._states = remembered(state)

    def want(self, order: PollingOrder | None) -> None:
        """Poll these from now on; None: nothing."""
        if order != self._order:
            self._order = order
            self._changed.set()

    async def run(self) -> None:
        """Keep them polled until cancelled."""
        loop = asyncio.get_running_loop()
        backoff_s = BACKOFF_FIRST_S
        while True:
            self._changed.clear()
            self._forget()
            if self._order is None:
                await self._changed.wait()
                continue
            started = loop.time()
            problem = await self._live(self._order)
            if problem is None:
                backoff_s = BACKOFF_FIRST_S
                continue
            self.restarts += 1
            if loop.time() - started > STEADY_S:
                backoff_s = BACKOFF_FIRST_S
            log.error(
                "polling-ended", exc_info=problem, extra={FIELDS: {"next_try_s": backoff_s}}
            )  # fmt: skip
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MOST_S)

    async def _live(self, order: PollingOrder) -> BaseException | None:
        """Poll until nothing is wanted any more, or until it ends by a mistake: that one."""
        polling = order.start(
            self._keep, self._backup_due, self._told, self._noticed, self._raised()
        )  # fmt: skip
        polled = asyncio.create_task(polling.run(), name="poll devices")
        self._polling = polling
        event(log, logging.INFO, "polling", devices=len(order.devices))
        try:
            while True:
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait((polled, changed), return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if polled.done():
                    return polled.exception() or RuntimeError("polling ended by itself")
                self._changed.clear()
                if self._order is None:
                    event(log, logging.INFO, "polling-ended", remedy="no device is configured")
                    return None
                await polling.want(self._order, self._raised())
                self._forget()
                event(log, logging.INFO, "polling", devices=len(self._order.devices))
        finally:
            self._polling = None
            polled.cancel()
            await asyncio.wait((polled,), timeout=1.0)

    def _raised(self) -> dict[str, dict[tuple[str, str], int]]:
        return {name: dict(one.raised) for name, one in self._states.items() if one.raised}

    def _forget(self) -> None:
        """Devices that are asked no more; nobody would see the end of what was raised of them."""
        here = () if self._order is None else self._order.devices
        now_ns = time.time_ns()
        ends = [
            DeviceEventRecord(
                self._agent, device, kind, instance, now_ns, "cleared",
                "the device is no longer polled",
            )
            for device, one in self._states.items()
            if device not in here
            for kind, instance in one.raised
        ]  # fmt: skip
        if ends:
            self._keep(ends)
        self._states = {name: one for name, one in self._states.items() if name in here}

    def _keep(self, records: Sequence[DeviceSampleRecord | DeviceEventRecord]) -> None:
        self._put(records)
        news = False
        for one in records:
            if isinstance(one, DeviceSampleRecord):
                if one.figure == "response_time":
                    self._of(one.device).response_ns = one.value
                elif one.figure in FIGURES:
                    self._of(one.device).figures[one.figure, one.instance] = one
            else:
                self._note(one)
                news = True
        if news:
            self._news()

    def _note(self, one: DeviceEventRecord) -> None:
        mine, key = self._of(one.device), (one.kind, one.instance)
        raised = one.state == "raised"
        if not raised:
            mine.raised.pop(key, None)
        else:
            mine.events[one.kind] += 1
            if not one.momentary:
                mine.raised[key] = one.since_ns or one.start_ns
        event(
            log, logging.WARNING if raised else logging.INFO, "device-event",
            device=one.device, kind=one.kind, instance=one.instance or None, state=one.state,
            text=one.text,
        )  # fmt: skip

    def _told(self, device: str, error: Exception | None, failures: int) -> None:
        mine = self._of(device)
        if error is None:
            if mine.failures:
                event(log, logging.INFO, "device-answers", device=device)
            mine.answered_ns, mine.error = time.time_ns(), ""
        else:
            # What it says and its remedy: once, and again when it says something else.
            if str(error) != mine.error:
                event(log, logging.WARNING, "device-not-asked", device=device, error=error)
            mine.error = str(error)
            mine.figures.clear()
        mine.failures = failures

    def _noticed(self, device: str, text: str) -> None:
        event(log, logging.WARNING, "device-noticed", device=device, text=text)

    def _of(self, device: str) -> DeviceState:
        return self._states.setdefault(device, DeviceState())

    def figures(self) -> list[Figure]:
        """What the devices that answer are doing, for `/metrics`."""
        return [
            Figure(name, figure, instance, one.unit, one.value * 10.0**one.scale)
            for name in (() if self._order is None else self._order.devices)
            for (figure, instance), one in sorted(self._of(name).figures.items())
            if one.value is not None
        ]

    def state(self) -> dict[str, Any] | None:
        """For the state file; None where no device is asked."""
        order, polling = self._order, self._polling
        if order is None:
            return None
        return {
            "asked": len(order.devices),
            "restarts": self.restarts,
            "schedule": None if polling is None else polling.figures(),
            "each": {name: self._of(name).as_dict() for name in order.devices},
        }


def remembered(state: Mapping[str, Any] | None) -> dict[str, DeviceState]:
    """The events that an earlier run left open, out of its state file."""
    said = (state or {}).get("devices") or {}
    found = {}
    for device, one in said.get("each", {}).items():
        raised = {(kind, instance): int(since) for kind, instance, since in one.get("raised", ())}
        if raised:
            found[device] = DeviceState(raised=raised)
    return found
