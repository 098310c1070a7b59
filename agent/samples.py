"""The values a train consists of: what was planned, and what became of each packet.

Sans-I/O. The engine fills a `TrainSamples`, `agent.statistics` and `agent.summary` read it.
Arrays are indexed by the packet's number in the train; times are UTC nanoseconds (the kernel's
software stamps are CLOCK_REALTIME), 0 where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

Method = Literal["icmp", "stamp", "tcp"]
StampFormat = Literal["ntp", "ptp"]


class Status(IntEnum):
    """What became of one planned packet."""

    UNSENT = 0
    """The kernel never accepted it (send error or missed slot): not in any denominator."""
    LOST = 1
    """Sent, and no valid reply came."""
    RECEIVED = 2
    """Its reply came within the timeout."""
    LATE = 3
    """Its reply came after the timeout: seen, but not received."""


class StampSource(IntEnum):
    """Which clock reading a time stamp is."""

    NONE = 0
    USERLAND = 1
    KERNEL = 2


@dataclass(frozen=True)
class StampOptions:
    """How STAMP packets of a train are made (RFC 8762, RFC 8972)."""

    auth_key: bytes | None = None
    """HMAC-SHA-256 key; selects the authenticated format (RFC 8762, section 4.2.2)."""
    time_format: StampFormat = "ntp"
    follow_up: bool = False
    """Ask for the reflector's kernel TX stamps (RFC 8972, section 4.7)."""
    class_of_service: bool = False
    """Ask how the reflector saw and set the DSCP (RFC 8972, section 4.4)."""
    timestamp_information: bool = False
    """Ask how the reflector makes its stamps (RFC 8972, section 4.3)."""


@dataclass(frozen=True)
class TrainPlan:
    """One periodic stream (RFC 3432) as it is to be sent."""

    path: str
    """The path's id; for a one-off command, the target as typed."""
    method: Method
    address: str
    """IPv4 or IPv6 address, resolved (`fe80::1%eth0` with its zone)."""
    packets: int
    spacing_ns: int
    size: int
    """Octets of the ICMP message (8 of header included) or of the UDP payload; 0 for TCP."""
    timeout_ns: int
    dscp: int = 0
    port: int = 862
    stamp: StampOptions | None = None
    """Set for method `stamp` only."""


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP error that packets of this train drew."""

    version: Literal[4, 6]
    type: int
    code: int
    origin: str
    """The address that sent the error; empty where the kernel itself refused (no route)."""
    count: int


@dataclass(frozen=True)
class ClockState:
    """What the kernel says of its own clock (adjtimex)."""

    synchronised: bool
    error_ns: int | None
    """Estimated error; None when unsynchronised."""


@dataclass(frozen=True)
class ReflectorFacts:
    """What the replies of a STAMP train said of the reflector."""

    stateful: bool
    """It was seen to count for itself, so loss has a direction (RFC 8762, section 4.3)."""
    swapped: bool
    """It puts T1 and T3 in each other's place: round trips hold, one-way delays do not."""
    synchronised: bool
    """The S bit of its Error Estimate."""
    error_ns: int | None
    """Its Error Estimate; None where it is unsynchronised or says nothing usable (0x8001)."""
    follow_up: bool
    """It answered the follow-up telemetry TLV with its stamps."""
    ssid_echoed: bool
    dscp_seen: int | None = None
    """DSCP it received, from the class of service TLV."""
    dscp_back: int | None = None
    """DSCP our end received."""


@dataclass
class TrainSamples:
    """One finished train: arrays of length `plan.packets` and the counters of what went wrong."""

    plan: TrainPlan
    start_ns: int
    """UTC time of the first planned packet."""
    status: UInt8Array
    tx_ns: Int64Array
    rx_ns: Int64Array
    tx_source: UInt8Array
    rx_source: UInt8Array
    lateness_ns: Int64Array
    """How long after its due instant each packet was handed to the kernel."""
    t2_ns: Int64Array
    """STAMP: when the reflector received (its clock); 0 = none."""
    t3_ns: Int64Array
    """STAMP: when the reflector sent (its clock); its kernel stamp where `t3_source` says so."""
    t3_source: UInt8Array
    reflector_seq: Int64Array
    """STAMP: the reflector's own sequence number, -1 = none."""
    clock: ClockState
    duplicates: int = 0
    corrupted: int = 0
    """Replies that carry our key, yet not the octets that we sent, or a wrong HMAC."""
    spoofed: int = 0
    """Replies that name this train with a wrong key or come from another address."""
    icmp_errors: tuple[IcmpError, ...] = ()
    send_errors: dict[str, int] = field(default_factory=dict)
    """errno name -> packets that the kernel refused."""
    local_drops: int = 0
    """Datagrams our own receive buffer dropped while this train was out (SO_RXQ_OVFL)."""
    clock_step_ns: int = 0
    """How far CLOCK_REALTIME moved against CLOCK_MONOTONIC during the train."""
    missed: bool = False
    """The slot was overrun: nothing was sent."""
    refused: int = 0
    """TCP: attempts that the far end answered with a refusal (RST)."""
    address_kept: bool = False
    """The name did not resolve, the last good address was used."""
    unresolved: bool = False
    """There was no address at all: nothing was sent."""
    reflector: ReflectorFacts | None = None

    @classmethod
    def empty(cls, plan: TrainPlan, start_ns: int, clock: ClockState) -> TrainSamples:
        """A train of which nothing has been sent yet."""
        n = plan.packets

        def zeros() -> Int64Array:
            return np.zeros(n, np.int64)

        def bytes_() -> UInt8Array:
            return np.zeros(n, np.uint8)

        return cls(
            plan=plan,
            start_ns=start_ns,
            status=bytes_(),
            tx_ns=zeros(),
            rx_ns=zeros(),
            tx_source=bytes_(),
            rx_source=bytes_(),
            lateness_ns=zeros(),
            t2_ns=zeros(),
            t3_ns=zeros(),
            t3_source=bytes_(),
            reflector_seq=np.full(n, -1, np.int64),
            clock=clock,
        )

    @property
    def rtt_ns(self) -> Int64Array:
        """Round-trip delay per packet (RFC 2681), less the reflector's stay where it told it.

        (rx - tx) - (t3 - t2); meaningful where a reply came (RECEIVED, LATE).
        """
        stay = np.where((self.t2_ns > 0) & (self.t3_ns > 0), self.t3_ns - self.t2_ns, 0)
        rtt: Int64Array = self.rx_ns - self.tx_ns - stay
        return rtt
