"""One device of the configuration, poll by poll: discovered, asked, read, watched, recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.asking import Asker
from collectors.counters import Continuity
from collectors.discovery import INTERFACE, discover, unknown_interfaces
from collectors.errors import SnmpError
from collectors.events import DeviceWatch
from collectors.profiles import Profile
from collectors.readings import Baseline, Readings, read, unreachable
from collectors.snmp import Client, Session, Target, in_vlan
from inventory.operations import Device
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

FULL_NS = 900_000_000_000
"""How often the figures of once a quarter are asked."""
DISCOVER_NS = 3_600_000_000_000
"""How often it is found out anew what the device has."""

STEADY = ("discontinuity", "config_changed", "config_saved", "startup_changed")
"""Figures that are numbers and yet states: when something happened last."""

Keep = Callable[[Sequence[DeviceSampleRecord | DeviceEventRecord]], None]


@dataclass(slots=True)
class DeviceCollector:
    """Asks one device and hands its records on.

    `keep` takes the records of a poll; `changed` hears of a changed configuration: a backup is due;
    `noticed` of what the configuration says and the device does not, once.
    """

    agent: str
    device: Device
    target: Target
    client: Client
    keep: Keep
    changed: Callable[[Device], None] = lambda _: None
    noticed: Callable[[str], None] = lambda _: None
    interfaces: tuple[str, ...] = ()
    """Those that the configuration names (`inventory.models.named_interfaces`)."""
    raised: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Events (kind, instance) that an earlier run left open, and since when (UTC ns)."""
    wall_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    baseline: Baseline = field(default_factory=Baseline)
    _session: Session | None = None
    _asker: Asker | None = None
    _watch: DeviceWatch | None = None
    _unknown: tuple[str, ...] = ()
    _said: dict[tuple[str, str], tuple[int | None, str, str]] = field(default_factory=dict)
    _full_ns: int = 0
    _discovered_ns: int = 0

    @property
    def profile(self) -> Profile | None:
        """The profile that fits; None before the first answer."""
        return None if self._asker is None else self._asker.plan.profile

    @property
    def engine_id(self) -> bytes | None:
        """The snmpEngineID that answered last (version 3)."""
        return None if self._session is None else self._session.engine_id

    async def poll(self) -> Readings:
        """One poll. Raises the `SnmpError` of one that failed, after it has been recorded."""
        if self._watch is None:
            self._watch = DeviceWatch(
                self.agent, self.device.id, self.device.role, self.interfaces, self.device.peers
            )
            self._watch.recall(self.raised)
        try:
            asker = await self._ready()
            now_ns = self.monotonic_ns()
            full = self._full_ns == 0 or now_ns - self._full_ns >= FULL_NS
            answers = await asker.ask(full=full)
        except SnmpError as error:
            why, at_ns = type(error).__name__.removesuffix("Error"), self.wall_ns()
            sample = unreachable(at_ns, why, agent=self.agent, device=self.device.id)
            self.keep([sample, *self._watch.silent(at_ns, error.message)])
            raise
        if full:
            self._full_ns = now_ns
            self._look_for_interfaces(answers.names.get(INTERFACE, {}).values())
        found = read(asker.plan, answers, self.baseline, agent=self.agent, device=self.device.id)
        self.baseline = found.baseline
        if found.step.continuity not in (Continuity.FIRST, Continuity.SAME):
            self._discovered_ns = self._full_ns = 0  # perhaps another release, or another unit
        events = self._watch.answered(found, asker.plan.profile, answers.at_ns)
        self.keep([*self._news(found.records, asker.plan.profile, full=full), *events])
        if any(one.kind == "configuration-changed" for one in events):
            self.changed(self.device)
        return found

    def _look_for_interfaces(self, there: Collection[str]) -> None:
        unknown = unknown_interfaces(self.interfaces, there)
        for text in unknown:
            if text not in self._unknown:
                self.noticed(text)
        self._unknown = unknown

    def _news(
        self, records: Sequence[DeviceSampleRecord], profile: Profile, *, full: bool
    ) -> list[DeviceSampleRecord]:
        """What is recorded: every number at every poll, states and words when they change.

        Of a switch's samples a quarter are states that stay for weeks; a full poll, one in each
        quarter of an hour, records them all.
        """
        states = {
            one.field for one in profile.figures if one.measure in ("state", "text", "marked")
        }
        states.update(STEADY)
        news = []
        for one in records:
            if one.figure in states:
                key, said = (one.figure, one.instance), (one.value, one.text, one.note)
                if not full and self._said.get(key) == said:
                    continue
                self._said[key] = said
            news.append(one)
        return news

    async def close(self) -> None:
        """Give the session back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ready(self) -> Asker:
        if self._session is None:
            self._session = self.client.session(self.target)
        now_ns = self.monotonic_ns()
        if self._asker is None:
            found = await discover(self._session, platform=self.device.platform)
            self._asker = Asker(
                self._session, found.plan, self._in_vlan, wall_ns=self.wall_ns,
                monotonic_ns=self.monotonic_ns,
            )  # fmt: skip
            self._discovered_ns = now_ns
        elif self._discovered_ns == 0 or now_ns - self._discovered_ns >= DISCOVER_NS:
            found = await discover(self._session, platform=self.device.platform)
            self._asker.plan = found.plan
            self._discovered_ns = now_ns
        return self._asker

    def _in_vlan(self, vlan: int) -> Session:
        return self.client.session(in_vlan(self.target, vlan))
