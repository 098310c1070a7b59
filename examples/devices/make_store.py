"""A day of a polled PIX and a switch: `python examples/devices/make_store.py [--output DIR]`.

The project's own collector asks two recordings (`tests/snmprec`) through a session that answers
from them: discovery, profiles, counters that wrap, events and roll-ups are the real ones, only
the wire and the clock are made. Traffic and load follow a working day. The same records everywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # the project's folder, where it is not installed

from collectors.device import DeviceCollector  # noqa: E402
from collectors.errors import SilentError, SnmpError  # noqa: E402
from collectors.snmp import Counts, Session, Target, Value, arcs, target_of  # noqa: E402
from inventory.load import load  # noqa: E402
from inventory.operations import Device  # noqa: E402
from timeseries.embedded import EmbeddedStore  # noqa: E402
from timeseries.records import DeviceEventRecord, DeviceSampleRecord  # noqa: E402
from timeseries.spool import Spool  # noqa: E402
from timeseries.spool_file import SPOOL_NAME  # noqa: E402

RECORDINGS = HERE.parents[1] / "tests" / "snmprec"
BEGIN = datetime(2011, 6, 15, tzinfo=ZoneInfo("Europe/Rome"))
SECOND_NS = 1_000_000_000
DAY_S = 86_400

LOAD = (2, 1, 1, 1, 1, 2, 4, 9, 18, 25, 27, 26, 19, 17, 24, 26, 25, 21, 14, 8, 6, 5, 4, 3)
"""Tenths of a recording's rates, by the hour of the day."""
_MIB = "1.3.6.1.4.1.9.9."
At = Callable[[int], Value]
"""A value by the second of the day."""


def load_at(second: int) -> int:
    """Tenths, in a straight line from one hour to the next."""
    hour, rest = divmod(second, 3600)
    here, there = LOAD[hour % 24], LOAD[(hour + 1) % 24]
    return here + (there - here) * rest // 3600


def _sums() -> list[int]:
    return list(itertools.accumulate((load_at(minute * 60) for minute in range(2 * DAY_S // 60)),
                                     initial=0))  # fmt: skip


_CARRIED = _sums()
"""Tenths times minutes since midnight."""


def carried(second: int) -> int:
    """Tenths times seconds since midnight."""
    minute, rest = divmod(second, 60)
    return _CARRIED[minute] * 60 + load_at(minute * 60) * rest


def dice(name: str, second: int, sides: int) -> int:
    """0 to `sides` - 1; always the same for the same name and second."""
    digest = hashlib.sha256(f"{name} {second}".encode()).digest()
    return int.from_bytes(digest[:4]) % sides


def busy(name: str, idle: int, most: int) -> At:
    """A gauge that goes with the load, and is never quite the same."""
    return lambda second: (
        idle + (most - idle) * load_at(second) // max(LOAD) + dice(name, second, 2 + idle // 8)
    )


def _memory(name: str, whole: int, idle: int, most: int) -> dict[str, At]:
    used = busy(name, idle, most)
    return {
        f"{_MIB}48.1.1.1.5.1": used,
        f"{_MIB}48.1.1.1.6.1": lambda second: whole - int(used(second)),
    }


PIX: Mapping[str, At] = {
    f"{_MIB}109.1.1.1.1.3.1": busy("pix 5 s", 3, 58),
    f"{_MIB}109.1.1.1.1.4.1": busy("pix 1 min", 3, 55),
    f"{_MIB}109.1.1.1.1.5.1": busy("pix 5 min", 3, 52),
    **_memory("pix memory", 67_108_864, 23_000_000, 41_000_000),
    f"{_MIB}147.1.2.2.2.1.5.40.6": busy("pix connections", 90, 3800),
}
SAVED_S = 11 * 3600 + 15 * 60
"""When the administrator of the switch writes out what was changed the day before."""
SWITCH: Mapping[str, At] = {
    f"{_MIB}109.1.1.1.1.6.1": busy("switch 5 s", 5, 21),
    f"{_MIB}109.1.1.1.1.7.1": busy("switch 1 min", 5, 19),
    f"{_MIB}109.1.1.1.1.8.1": busy("switch 5 min", 5, 18),
    **_memory("switch memory", 75_000_000, 20_500_000, 22_500_000),
    f"{_MIB}13.1.3.1.3.1006": busy("switch temperature", 34, 43),
    "1.3.6.1.2.1.105.1.3.1.1.4.1": busy("switch power", 18, 61),
    f"{_MIB}43.1.1.2.0": lambda second: 100_000 if second < SAVED_S else 8_640_000 + SAVED_S * 100,
    f"{_MIB}43.1.1.3.0": lambda second: 100_000 if second < SAVED_S else 8_640_000 + SAVED_S * 100,
}
RECORDING = {"pix-napoli-01": ("pix63", PIX), "sw-napoli-01": ("access", SWITCH)}
SILENT = {"pix-napoli-01": range(13 * 3600, 13 * 3600 + 1500)}
"""When a device does not answer: its power was cut for twenty-five minutes."""


@cache
def recording(name: str) -> Mapping[str, At]:
    """The objects of a recording (snmpsim's format); rates of counters follow the load."""
    found: dict[str, At] = {}
    for line in (RECORDINGS / f"{name}.snmprec").read_text(encoding="utf-8").splitlines():
        oid, tag, text = line.split("|", 2)
        found[oid] = _value(tag, text)
    return found


def _value(tag: str, text: str) -> At:
    kind, _, how = tag.partition(":")
    if how == "numeric":
        said = dict(part.split("=") for part in text.split(","))
        rate, initial = int(said["rate"]), int(said.get("initial", 0))
        most = 2**64 if kind == "70" else 2**31 if kind == "2" else 2**32
        if kind in ("65", "70"):
            return lambda second: (initial + rate * carried(second) // 10) % most
        return lambda second: (initial + rate * second) % most
    value: Value = int(text) if kind in ("2", "65", "66", "67", "70") else text
    if kind == "4":
        value = text.encode()
    elif kind == "4x":
        value = bytes.fromhex(text)
    return lambda _: value


@dataclass(slots=True)
class Clock:
    """The second of the day that it is."""

    second: int = 0

    def wall_ns(self) -> int:
        return (int(BEGIN.timestamp()) + self.second) * SECOND_NS

    def monotonic_ns(self) -> int:
        return (DAY_S + self.second) * SECOND_NS


@dataclass(slots=True)
class RecordedSession:
    """`collectors.snmp.Session` on a recording."""

    target: Target
    clock: Clock
    objects: Mapping[str, At]
    silent: range
    counts: Counts = field(default_factory=Counts)
    engine_id: bytes | None = None
    _order: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._order = sorted(arcs(oid) for oid in self.objects)

    @property
    def response_ns(self) -> int | None:
        return 2_400_000 + 60_000 * load_at(self.clock.second) + dice(
            self.target.community, self.clock.second, 900_000
        )  # fmt: skip

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        self._listen()
        return {oid: self.objects[oid](self.clock.second) for oid in oids if oid in self.objects}

    async def walk(self, columns: Sequence[str]) -> dict[str, dict[str, Value]]:
        self._listen()
        return {column: dict(self._under(arcs(column))) for column in columns}

    async def close(self) -> None:
        """There is nothing to close."""

    def _listen(self) -> None:
        if self.clock.second in self.silent:
            raise SilentError(self.target.place, "does not answer", "see what happened to it")

    def _under(self, column: tuple[int, ...]) -> Iterator[tuple[str, Value]]:
        for oid in self._order[bisect.bisect_left(self._order, column) :]:
            if oid[: len(column)] != column:
                return
            index = ".".join(map(str, oid[len(column) :]))
            yield index, self.objects[".".join(map(str, oid))](self.clock.second)


@dataclass(slots=True)
class RecordedClient:
    """`collectors.snmp.Client`: a session by the community, `NAME` or `NAME@VLAN`."""

    clock: Clock
    own: Mapping[str, At]
    silent: range
    name: Literal["pysnmp", "gufo"] = "pysnmp"

    def session(self, target: Target) -> Session:
        """Of a VLAN without a recording nothing is known."""
        known = (RECORDINGS / f"{target.community}.snmprec").is_file()
        found = recording(target.community) if known else {}
        objects = {**found, **{oid: at for oid, at in self.own.items() if oid in found}}
        return RecordedSession(target, self.clock, objects, self.silent)

    async def close(self) -> None:
        """There is nothing to close."""


Record = DeviceSampleRecord | DeviceEventRecord


async def polled(device: Device, environ: Mapping[str, str], hours: int) -> list[Record]:
    """The records of one device from midnight on."""
    name, own = RECORDING[device.id]
    clock, records = Clock(), list[Record]()
    client = RecordedClient(clock, own, SILENT.get(device.id, range(0)))
    collector = DeviceCollector(
        "example", device, target_of(device, {**environ, "EXAMPLE_COMMUNITY": name}), client,
        records.extend, wall_ns=clock.wall_ns, monotonic_ns=clock.monotonic_ns,
    )  # fmt: skip
    if device.snmp is None:
        raise ValueError(f"{device.id} is not polled")
    for second in range(0, hours * 3600, device.snmp.every_ns // SECOND_NS):
        clock.second = second
        try:
            await collector.poll()
        except SnmpError as error:
            print(f"{device.id}, {second // 60} min: {error}", file=sys.stderr)
    return records


def make(folder: Path, hours: int = 24) -> int:
    """Fill a data directory; returns how many records it has."""
    devices = load(HERE / "pasprobe.toml", environ={}, resolve_secrets=False).configuration.devices
    folder.mkdir(parents=True)
    after_ns = int((BEGIN + timedelta(days=3)).timestamp()) * SECOND_NS
    with Spool(folder / SPOOL_NAME) as spool:
        store = EmbeddedStore(folder, spool, agent="example")
        count = sum(spool.append(asyncio.run(polled(one, {}, hours))) for one in devices)
        count += store.roll_up(after_ns)
        store.flush()
        while store.compact(after_ns):
            pass
    return count


def main() -> None:
    """Make the store anew; an old one has to be taken away first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=HERE / "data", help="data directory to make")
    folder: Path = parser.parse_args().output
    if folder.exists():
        parser.error(f"{folder} is there already: take it away, or give another --output")
    print(f"{make(folder)} records in {folder}")


if __name__ == "__main__":
    main()
