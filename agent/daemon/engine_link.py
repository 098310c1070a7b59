"""What the agent and its engine process tell each other, and how it is framed.

A message is a pickle after its length (4 octets, network order). Both ends are ours, on a socket
pair that nobody else holds. Imported by the engine process: nothing heavy in here.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import Any

from agent.samples import TrainPlan, TrainSamples

ORDERS_PER_MESSAGE = 16
"""The engine takes one message at a time between two packets: so many trains cost it half a
millisecond."""
TRAINS_PER_MESSAGE = 32
"""The other way: what costs the agent some 10 ms to sum up."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True)  # without slots: pickled in a third of the time
class Order:
    """One train to send. `start_ns` is CLOCK_MONOTONIC; the token comes back with the samples."""

    token: int
    start_ns: int
    plan: TrainPlan


@dataclass(frozen=True, slots=True)
class Orders:
    """To the engine: trains to send, at most `ORDERS_PER_MESSAGE` of them."""

    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the engine: trains not to send after all, as far as they are not begun."""

    tokens: frozenset[int]


@dataclass(frozen=True, slots=True)
class Abandon:
    """To the engine: end all trains as they stand, hand them over, then say `Abandoned`."""


@dataclass(frozen=True, slots=True)
class Finished:
    """From the engine: tokens of trains with their samples, at most `TRAINS_PER_MESSAGE`."""

    trains: tuple[tuple[int, TrainSamples], ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """From the engine: a train that this host cannot send at all."""

    token: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abandoned:
    """From the engine: nothing is out any more."""


@dataclass(frozen=True, slots=True)
class Beat:
    """From the engine, first when it is ready and then each second: that it is alive."""

    pid: int
    sent: int
    """Packets since it started."""
    realtime: bool
    """The kernel lets it run before ordinary processes (SCHED_RR)."""
    counters: dict[str, int]
    """`agent.engine.channel.EngineCounters`, since it started."""


Message = Orders | Cancel | Abandon | Finished | Refused | Abandoned | Beat


def framed(message: Message) -> bytes:
    """The octets of one message."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream of octets into messages, one at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add octets as they came."""
        self._buffer += data

    def next(self) -> Any | None:
        """The next whole message; None when there is none yet."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        with memoryview(self._buffer) as view:
            message = pickle.loads(view[_LENGTH.size : end])
        del self._buffer[:end]
        return message
