"""What the agent is to do, as a program of its own reads it out of the configuration.

The models of the configuration and the command line weigh some 20 MB and serve for a moment at the
start and at a reload. So the agent has `pasprobe run --hand-over` read them, which answers with
values of these classes, pickled, on its standard output.
"""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.daemon.assignments import Assignment
from agent.daemon.device_service import PollingOrder
from timeseries.influx import InfluxTarget
from timeseries.retention import Retention

if TYPE_CHECKING:
    from agent.reflector.server import ReflectorOptions

READING_S = 60
"""How long the configuration may take: a secret may lie on a file system that hangs."""


@dataclass(frozen=True, slots=True)
class ReflectorOrder:
    """`[reflector]` with its keys read: comparable, so that a reload sees what changed."""

    listen: tuple[str, ...]
    allow: tuple[str, ...]
    keys: tuple[tuple[str, bytes], ...]
    stateful: bool
    rate: int

    def options(self) -> ReflectorOptions:
        """The same for the reflector; ReflectorError for an address that is none."""
        from agent.reflector.access import Keyring, parse_prefix
        from agent.reflector.listener import parse_listen
        from agent.reflector.server import ReflectorOptions

        return ReflectorOptions(
            listen=tuple(parse_listen(one) for one in self.listen),
            allow=tuple(parse_prefix(one) for one in self.allow),
            keys=Keyring(tuple((parse_prefix(prefix), key) for prefix, key in self.keys)),
            stateful=self.stateful,
            rate=self.rate,
        )


@dataclass(frozen=True, slots=True)
class StorageOrder:
    """`[store]` and `[influxdb]` as far as the agent needs them."""

    spool_bytes: int
    retention: Retention
    influx: InfluxTarget | None = None
    replay_rate: int = 0
    backlog_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One configuration, as far as the agent needs it."""

    agent: str
    data_dir: Path
    place: Path
    assignments: dict[str, Assignment]
    reflector: ReflectorOrder | None
    storage: StorageOrder
    metrics: tuple[str, int] | None
    """Host and port of `/metrics`."""
    polling: PollingOrder | None = None
    """The devices of this host; what is pickled of it names the room that asks them."""
    backups: bool = False
    """Whether the configurations of devices are fetched on schedule."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """All that is wrong with a configuration, one line each."""

    problems: tuple[str, ...]


def ask(command: Sequence[str]) -> Wanted | Refusal:
    """Have the command read the configuration."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=READING_S, check=False)
    except subprocess.TimeoutExpired:
        return Refusal((f"the configuration was not read within {READING_S} s",))
    except OSError as error:
        return Refusal((f"the configuration cannot be read: {error}",))
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        return Refusal((f"reading the configuration failed: {last[0]}",))
    answer: Wanted | Refusal = pickle.loads(done.stdout)
    return answer
