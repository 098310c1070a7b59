"""When a device's state becomes an event: after hysteresis, once, with what was seen.

Sans-I/O: readings in, `DeviceEventRecord`s out. Most kinds are raised and cleared; a restart, a
swap, a takeover and a changed configuration are moments: raised, never cleared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from collectors.counters import TICKS, Continuity
from collectors.profiles import Profile
from collectors.readings import Readings
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

UNREACHABLE_AFTER = 3
"""Polls in a row without an answer: one lost datagram is no outage."""
RAISE_AFTER = CLEAR_AFTER = 2
"""Polls in a row that show a state, or its end."""
ERRORS_AFTER = 3
ERRORS_RAISE = (1, 100)
ERRORS_CLEAR = (1, 1000)
"""Shares of the packets of one poll that were errors: above one in a hundred, under one in a
thousand; between the two nothing changes."""
ERRORS_LEAST = 10
"""Errors in a poll below which a share means nothing."""
ESTABLISHED_NS = 86_400_000_000_000
"""How long a peer had a tunnel before its loss is told, and for how long it is missed then: remote
users come and go, sites stay."""
LOADED_TICKS = 30_000
"""Five minutes after the start the startup configuration is loaded: that is no change of it."""

_UP, _DOWN = 1, (2, 7)
_ACTIVE, _WELL = 9, (9, 10)
_UNITS = ("primary", "secondary")
State = Literal["raised", "cleared"]
Samples = Mapping[tuple[str, str], DeviceSampleRecord]


def unsaved(uptime: int, changed: int, saved: int | None, startup: int | None) -> bool:
    """Whether the running configuration is newer than what a restart would load.

    All in hundredths of a second of sysUpTime (CISCO-CONFIG-MAN-MIB), compared by their age, so
    that a wrap of sysUpTime between them does no harm. 0 is never. `saved` counts copies to
    anywhere; where the device says when the startup configuration was written, that decides.
    """
    kept = saved if startup is None else startup
    if changed == 0 or (not kept and changed <= LOADED_TICKS):
        return False
    if not kept:
        return True
    return (uptime - changed) % TICKS < (uptime - kept) % TICKS


@dataclass(slots=True)
class _Streak:
    """How long a state has been seen, or not."""

    bad: int = 0
    good: int = 0
    since_ns: int = 0
    raised: bool = False


@dataclass(slots=True)
class DeviceWatch:
    """What is known of one device's states."""

    agent: str
    device: str
    role: Literal["firewall", "switch"]
    interfaces: Collection[str] = ()
    """Interfaces that matter by name; beside them all of a firewall, and those of a switch that
    its administrator has described (ifAlias): a port of a desk goes down every evening."""
    peers: Collection[str] = ()
    """Peers whose tunnel must be there from the first poll on."""
    _streaks: dict[tuple[str, str], _Streak] = field(default_factory=dict)
    _peers_since: dict[str, int] = field(default_factory=dict)
    _seen_up: set[str] = field(default_factory=set)
    _seen_well: set[str] = field(default_factory=set)
    _aliases: dict[str, str] = field(default_factory=dict)
    _active: str = ""
    _changed: int | None = None

    def recall(self, raised: Mapping[tuple[str, str], int]) -> None:
        """Events (kind, instance) that were raised before this watch began, and since when.

        Without them nobody would see their end.
        """
        for (kind, instance), since_ns in raised.items():
            self._streaks[kind, instance] = _Streak(since_ns=since_ns, raised=True)
            if kind == "tunnel-lost":
                self._peers_since[instance] = since_ns - ESTABLISHED_NS

    def silent(self, at_ns: int, why: str) -> list[DeviceEventRecord]:
        """A poll was not answered."""
        found = self._note(
            "unreachable", "", True, at_ns, f"no answer: {why}", raise_after=UNREACHABLE_AFTER
        )
        return list(found)

    def answered(self, readings: Readings, profile: Profile, at_ns: int) -> list[DeviceEventRecord]:
        """A poll was answered."""
        samples = {(one.figure, one.instance): one for one in readings.records}
        for (figure, instance), one in samples.items():
            if figure == "alias":
                self._aliases[instance] = one.text
        found = [*self._note("unreachable", "", False, at_ns, "it answers again")]
        found += self._run(readings, samples, at_ns)
        found += self._failover(samples, at_ns)
        found += self._tunnels(readings.records, profile, at_ns)
        found += self._interfaces(samples, at_ns)
        found += self._environment(readings.records, profile, at_ns)
        found += self._configuration(readings, samples, at_ns)
        return found

    def _run(self, readings: Readings, samples: Samples, at_ns: int) -> Iterator[DeviceEventRecord]:
        step = readings.step
        if step.continuity is Continuity.SWAPPED:
            yield self._event("swapped", "", at_ns, "raised", step.why)
        elif step.continuity is Continuity.RESTARTED:
            reason = samples.get(("reload_reason", ""))
            text = f"{step.why}; reason: {reason.text}" if reason is not None else step.why
            yield self._event("restarted", "", at_ns, "raised", text)

    def _failover(self, samples: Samples, at_ns: int) -> Iterator[DeviceEventRecord]:
        units = {
            unit: samples[("failover_state", unit)]
            for unit in _UNITS
            if ("failover_state", unit) in samples
        }
        active = next((unit for unit, one in units.items() if one.value == _ACTIVE), "")
        if active and self._active and active != self._active:
            text = f"{active} is active now, {self._active} was"
            yield self._event("failover", "", at_ns, "raised", text)
        self._active = active or self._active
        for unit, one in units.items():
            if one.value in _WELL:
                self._seen_well.add(unit)
            if unit in self._seen_well:  # where failover was never on, there is nothing to lose
                bad = one.value not in _WELL
                yield from self._note("failover", unit, bad, at_ns, f"{unit} is {one.text}")

    def _tunnels(
        self, records: Iterable[DeviceSampleRecord], profile: Profile, at_ns: int
    ) -> Iterator[DeviceEventRecord]:
        if profile.figure("ike_peer") is None:
            return
        here = {one.instance for one in records if one.figure == "ike_peer"}
        for peer in here:
            self._peers_since.setdefault(peer, at_ns)
        for peer in sorted({*self._peers_since, *self.peers}):
            since_ns = self._peers_since.get(peer, at_ns)
            streak = self._streaks.get(("tunnel-lost", peer), _Streak())
            lost_ns = at_ns - streak.since_ns if streak.raised else 0
            if peer not in here and peer not in self.peers and lost_ns >= ESTABLISHED_NS:
                text = f"no tunnel to {peer} for a day: it is no longer expected"
                yield self._event("tunnel-lost", peer, at_ns, "cleared", text)
                del self._streaks["tunnel-lost", peer]
                self._peers_since.pop(peer, None)
            elif peer in here:
                text = f"the tunnel to {peer} is there again"
                yield from self._note("tunnel-lost", peer, False, at_ns, text)
            elif peer in self.peers or at_ns - since_ns >= ESTABLISHED_NS:
                text = f"no IKE tunnel to {peer}"
                yield from self._note("tunnel-lost", peer, True, at_ns, text)
            else:
                del self._peers_since[peer]

    def _interfaces(self, samples: Samples, at_ns: int) -> Iterator[DeviceEventRecord]:
        for (figure, name), oper in samples.items():
            if figure != "oper" or not self._matters(name):
                continue
            admin = samples.get(("admin", name))
            on = admin is None or admin.value == _UP
            if oper.value == _UP:
                self._seen_up.add(name)
            if name in self._seen_up or name in self.interfaces:
                bad = on and oper.value in _DOWN
                state = oper.text if on else "switched off"
                yield from self._note("interface-down", name, bad, at_ns, f"{name} is {state}")
            yield from self._errors(samples, name, at_ns)

    def _matters(self, name: str) -> bool:
        return self.role == "firewall" or name in self.interfaces or bool(self._aliases.get(name))

    def _errors(self, samples: Samples, name: str, at_ns: int) -> Iterator[DeviceEventRecord]:
        def amount(*figures: str) -> int:
            found = (samples.get((figure, name)) for figure in figures)
            return sum(one.amount or 0 for one in found if one is not None)

        errors = amount("in_errors", "out_errors")
        packets = amount("in_packets", "out_packets", "in_multicast", "in_broadcast") + errors
        above, below = ERRORS_RAISE, ERRORS_CLEAR
        if errors >= ERRORS_LEAST and errors * above[1] > packets * above[0]:
            text = f"{name}: {errors} of {packets} packets were errors"
            yield from self._note("error-rate", name, True, at_ns, text, raise_after=ERRORS_AFTER)
        elif errors * below[1] <= packets * below[0]:
            text = f"{name}: {errors} of {packets} packets were errors"
            yield from self._note("error-rate", name, False, at_ns, text, clear_after=ERRORS_AFTER)

    def _environment(
        self, records: Iterable[DeviceSampleRecord], profile: Profile, at_ns: int
    ) -> Iterator[DeviceEventRecord]:
        watched = {one.field: one for one in profile.figures if one.event}
        for one in records:
            figure = watched.get(one.figure)
            if figure is not None and one.value is not None:
                instance = f"{figure.title} {one.instance}".strip()
                bad = one.value not in figure.good
                yield from self._note(figure.event, instance, bad, at_ns, f"{instance}: {one.text}")

    def _configuration(
        self, readings: Readings, samples: Samples, at_ns: int
    ) -> Iterator[DeviceEventRecord]:
        def ticks(figure: str) -> int | None:
            one = samples.get((figure, ""))
            return None if one is None else one.value

        uptime, changed = ticks("uptime"), ticks("config_changed")
        if uptime is None or changed is None:
            return
        same = readings.step.continuity is Continuity.SAME
        if same and self._changed is not None and changed != self._changed:
            text = "the running configuration was changed"
            yield self._event("configuration-changed", "", at_ns, "raised", text)
        self._changed = changed
        bad = unsaved(uptime, changed, ticks("config_saved"), ticks("startup_changed"))
        text = "the running configuration is not saved" if bad else "the configuration is saved"
        yield from self._note("unsaved-change", "", bad, at_ns, text)

    def _note(
        self,
        kind: str,
        instance: str,
        bad: bool,
        at_ns: int,
        text: str,
        raise_after: int = RAISE_AFTER,
        clear_after: int = CLEAR_AFTER,
    ) -> Iterator[DeviceEventRecord]:
        """An event where a state has lasted for so many polls."""
        streak = self._streaks.setdefault((kind, instance), _Streak())
        if bad == streak.raised:
            streak.bad = streak.good = 0
            return
        if (streak.bad if bad else streak.good) == 0:
            streak.since_ns = at_ns
        if bad:
            streak.bad, streak.good = streak.bad + 1, 0
        else:
            streak.good, streak.bad = streak.good + 1, 0
        if (streak.bad if bad else streak.good) >= (raise_after if bad else clear_after):
            streak.raised, streak.bad, streak.good = bad, 0, 0
            state: State = "raised" if bad else "cleared"
            yield self._event(kind, instance, at_ns, state, text, streak.since_ns)

    def _event(
        self, kind: str, instance: str, at_ns: int, state: State, text: str, since_ns: int = 0
    ) -> DeviceEventRecord:
        return DeviceEventRecord(
            self.agent, self.device, kind, instance, at_ns, state, text, since_ns
        )
