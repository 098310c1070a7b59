"""One poll: what is asked of a device, and its raw answers. Knows sessions, judges nothing."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.counters import Clock, Continuity, follow
from collectors.errors import SnmpError
from collectors.profiles import Figure, Profile, Variant
from collectors.snmp import SYS_UPTIME, Session, Value

ENGINE_BOOTS = "1.3.6.1.6.3.10.2.1.2.0"
ENGINE_TIME = "1.3.6.1.6.3.10.2.1.3.0"
VLAN_STATES = "1.3.6.1.4.1.9.9.46.1.3.1.1.2"
"""CISCO-VTP-MIB vtpVlanState, by domain and VLAN."""
BRIDGE_PORTS = "1.3.6.1.2.1.17.4.3.1.2"
"""BRIDGE-MIB dot1dTpFdbPort, of the VLAN that the session is in."""
_AT_ONCE = 20
"""Objects of one GET; the session asks in smaller pieces where a device says tooBig."""
_VLANS_MAY_FAIL = 2
"""A switch that knows no community or context of VLANs costs this many time-outs, and no poll."""
_INTERNAL_VLANS = range(1002, 1006)
"""FDDI and Token Ring defaults: they have no bridge table."""

Columns = Mapping[str, Mapping[str, Value]]
InVlan = Callable[[int], Session]


@dataclass(frozen=True, slots=True)
class Choice:
    """A figure, and which variant of it the device has."""

    figure: Figure
    variant: Variant


@dataclass(frozen=True, slots=True)
class Plan:
    """What one device is asked at its polls."""

    profile: Profile
    choices: tuple[Choice, ...]
    by_vlan: bool = False
    """MAC addresses are counted VLAN by VLAN."""

    def due(self, *, full: bool) -> tuple[Choice, ...]:
        """The choices of a poll; `full` with those of once a quarter."""
        return tuple(c for c in self.choices if full or c.figure.pace == "poll")


@dataclass(frozen=True, slots=True)
class Answers:
    """What a device said at one poll."""

    at_ns: int
    """UTC, when the poll was half over."""
    clock: Clock
    scalars: Mapping[str, Value]
    columns: Columns
    names: Mapping[str, Mapping[str, str]]
    """Naming -> index -> name; of this poll, or of the last one that asked."""
    full: bool
    response_ns: int | None
    """How long one request took."""
    macs: int | None = None
    """MAC addresses, counted VLAN by VLAN."""
    vlans_failed: tuple[str, ...] = ()
    """Why that count is not complete."""
    unsteady: bool = False
    """The device began anew while it was asked: no counters are made of this poll."""


@dataclass(slots=True)
class Asker:
    """Asks one device by its plan, and remembers what its rows are called."""

    session: Session
    plan: Plan
    in_vlan: InVlan | None = None
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    wall_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    _clock: Clock | None = None

    async def ask(self, *, full: bool) -> Answers:
        """One poll; raises a `SnmpError`, and then nothing of it is kept.

        Names are asked at a full poll, after a restart (an ifIndex may have moved), and when a row
        has none.
        """
        began_ns = self.monotonic_ns()
        choices = self.plan.due(full=full)
        scalars = await get_all(self.session, scalars_of(choices))
        columns = await self.session.walk(columns_of(choices))
        middle_ns = (began_ns + self.monotonic_ns()) // 2
        last = await self.session.get([SYS_UPTIME])
        uptime, ended = _number(scalars.get(SYS_UPTIME)), _number(last.get(SYS_UPTIME))
        unsteady = uptime is not None and ended is not None and 0 < uptime - ended < 2**31
        serial = next(
            (scalars.get(c.variant.oid) for c in choices if c.figure.field == "serial"), None
        )
        clock = Clock(
            local_ns=middle_ns,
            uptime=_middle(uptime, ended),
            boots=_number(scalars.get(ENGINE_BOOTS)),
            engine_s=_number(scalars.get(ENGINE_TIME)),
            serial=words(serial),
            engine_id=self.session.engine_id,
        )
        another_run = follow(self._clock, clock).continuity is not Continuity.SAME
        if full or another_run or self._nameless(choices, columns):
            await self.ask_names(columns)
        self._clock = clock
        macs, failed = await self._macs(columns) if full and self.plan.by_vlan else (None, ())
        return Answers(
            at_ns=self.wall_ns() - (self.monotonic_ns() - middle_ns),
            clock=clock,
            scalars=scalars,
            columns=columns,
            names=self.names,
            full=full,
            response_ns=self.session.response_ns,
            macs=macs,
            vlans_failed=failed,
            unsteady=unsteady,
        )

    def _nameless(self, choices: Sequence[Choice], columns: Columns) -> bool:
        return any(
            index not in self.names.get(one.variant.of, {})
            for one in choices
            if one.variant.of and one.variant.kind == "column"
            for index in columns.get(one.variant.oid, {})
        )

    async def ask_names(self, columns: Columns) -> Mapping[str, Mapping[str, str]]:
        """What the rows of all tables of the plan are called; `columns`: rows that were seen."""
        wanted = {one.variant.of for one in self.plan.choices if one.variant.of}
        namings = [one for one in self.plan.profile.namings if one.id in wanted]
        found = await self.session.walk([oid for one in namings for oid in one.columns])
        # A new dict: answers that were given away keep the names of their own poll.
        self.names = {
            one.id: named([found.get(oid, {}) for oid in one.columns], dict(one.names))
            for one in namings
        }
        for (
            one
        ) in self.plan.choices:  # rows that have no name are not asked for theirs at every poll
            if one.variant.of and one.variant.kind == "column":
                names = self.names.setdefault(one.variant.of, {})
                for index in columns.get(one.variant.oid, {}):
                    names.setdefault(index, f"index {index}")
        return self.names

    async def _macs(self, columns: Columns) -> tuple[int | None, tuple[str, ...]]:
        """How many MAC addresses the bridge tables of all VLANs hold."""
        if self.in_vlan is None:
            return None, ()
        states = columns.get(VLAN_STATES, {})
        vlans = sorted({int(index.rpartition(".")[2]) for index in states})
        total = 0
        failed: list[str] = []
        for vlan in vlans:
            if vlan in _INTERNAL_VLANS:
                continue
            if len(failed) >= _VLANS_MAY_FAIL:
                failed.append("further VLANs were not asked")
                break
            session = self.in_vlan(vlan)
            try:
                total += len((await session.walk([BRIDGE_PORTS]))[BRIDGE_PORTS])
            except SnmpError as error:
                failed.append(f"VLAN {vlan}: {error.message}")
            finally:
                await session.close()
        return (None if failed else total), tuple(failed)


def scalars_of(choices: Iterable[Choice]) -> list[str]:
    """The objects that these choices need, each once."""
    oids = [one.variant.oid for one in choices if one.variant.kind == "scalar"]
    return list(dict.fromkeys([SYS_UPTIME, *oids]))


def columns_of(choices: Iterable[Choice]) -> list[str]:
    """The columns that these choices need, each once."""
    found: list[str] = []
    for one in choices:
        variant = one.variant
        if variant.kind == "column":
            found += [variant.oid, *variant.companions]
            if variant.where is not None:
                found.append(variant.where[0])
    return list(dict.fromkeys(found))


async def get_all(session: Session, oids: Sequence[str]) -> dict[str, Value]:
    """The objects, by as many requests as they need."""
    found: dict[str, Value] = {}
    for first in range(0, len(oids), _AT_ONCE):
        found |= await session.get(oids[first : first + _AT_ONCE])
    return found


def named(columns: Sequence[Mapping[str, Value]], fixed: Mapping[str, str]) -> dict[str, str]:
    """Index -> name: the first column that says something; equal names get their index after them.

    An ASA's `Adaptive Security Appliance 'outside' interface` is called `outside`.
    """
    found = dict(fixed)
    for column in columns:
        for index, value in column.items():
            name = _short(words(value))
            if name:
                found.setdefault(index, name)
    often = Counter(found.values())
    return {index: name if often[name] == 1 else f"{name}#{index}" for index, name in found.items()}


_QUOTED = re.compile(r"(?:PIX Firewall|Security Appliance) '(.+)' interface$")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]+")
_LONGEST = 250


def _short(name: str) -> str:
    quoted = _QUOTED.search(name)
    return quoted[1] if quoted else name


def words(value: Value | None) -> str:
    """What an answer says, in one line: UTF-8, or Latin-1 where it is none; cut where it is long.

    Control characters and backslashes go: what a device says shall not end up as a line of a
    record's own (`timeseries.line_protocol`), nor steer a terminal.
    """
    if value is None:
        return ""
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
    else:
        text = str(value)
    return _UNFIT.sub(" ", text).strip()[:_LONGEST]


def _number(value: Value | None) -> int | None:
    return value if isinstance(value, int) else None


def _middle(first: int | None, last: int | None) -> int | None:
    if first is None or last is None:
        return first
    return (first + (last - first) % 2**32 // 2) % 2**32
