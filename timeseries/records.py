"""The records that pasprobe keeps, one frozen class a measurement (`docs/schema.md`).

Counts and nanoseconds are integers throughout, so that sums over any number of records are exact
and the same from every store. A figure that is not defined (no packet came back) is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class DelayFigures:
    """Statistics of one delay series (a round trip, or one direction) in nanoseconds."""

    min_ns: int | None = None
    mean_ns: int | None = None
    p50_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None
    max_ns: int | None = None
    stddev_ns: int | None = None
    ipdv_mean_ns: int | None = None
    """Mean absolute IPDV of consecutive received packets (RFC 3393): the contract's jitter."""
    ipdv_p95_ns: int | None = None
    pdv_p99_ns: int | None = None
    """99th percentile minus minimum (RFC 5481, section 4.2)."""
    jitter_rfc3550_ns: int | None = None
    within_limit: int | None = None
    """Received packets whose delay was at most the limit; None when there is no limit."""
    histogram: tuple[tuple[int, int], ...] = ()
    """(bin, count) of the bins that are not empty, ascending; bounds in `timeseries.histogram`."""


@dataclass(frozen=True, slots=True)
class TrainRecord:
    """One train over one path, judged by nothing but its delay limit."""

    agent: str
    path: str
    pas: str
    service: str
    peer: str
    """The other PAS of a pair; empty for PAS to border."""
    endpoint: str
    """Where the far end lies (qxn, q-isp, internet, agreed); empty when not stated."""
    method: Literal["icmp", "stamp", "tcp"]
    """tcp: attempts to connect to an application; a round trip is the time to the connection."""
    target: str
    """As configured: a name or an address."""
    address: str
    """As used."""
    start_ns: int
    """UTC; with `agent` and `path` the record's identity."""
    planned: int
    """Packets that the plan asked for."""
    sent: int
    """Packets that the kernel accepted: the denominator of every share."""
    received: int
    lost: int
    """sent - received: late and corrupted replies count as lost."""
    late: int
    duplicates: int
    reordered: int
    """RFC 4737, section 3.3 (type-P-reordered), over the round trip."""
    corrupted: int
    spoofed: int
    limit_ns: int | None
    """The delay limit that `within_limit` was counted by (round trip, or one way: `limit_on`)."""
    limit_on: Literal["rtt", "one-way"]
    rtt: DelayFigures
    forward: DelayFigures | None
    """One-way figures, only when both clocks allow them (`one_way_error_ns`)."""
    backward: DelayFigures | None
    one_way_error_ns: int | None
    """Summed clock error of both ends; None when unknown."""
    one_way_judged: bool
    """The error is within the share of the limit that the contract tolerates."""
    lost_forward: int | None
    """Loss by direction, only from a reflector seen to be stateful."""
    lost_backward: int | None
    valid: bool
    reasons: tuple[str, ...]
    """Why the train is invalid: what the agent itself spoiled."""
    flags: tuple[str, ...]
    """What a reader should know and that spoils nothing (address kept, reflector swapped, ...)."""
    tx_kernel: int
    """Packets with a kernel TX stamp."""
    rx_kernel: int
    """Replies with a kernel RX stamp."""
    t3_kernel: int
    """STAMP replies whose reflector told its kernel TX stamp."""
    lateness_max_ns: int
    local_drops: int
    clock_step_ns: int
    clock_synchronised: bool
    clock_error_ns: int | None
    icmp_errors: tuple[tuple[int, int, int, str, int], ...]
    """(IP version, type, code, origin, count)."""
    send_errors: tuple[tuple[str, int], ...]
    """(errno name, count)."""
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """The single packets of one train; same identity as its `TrainRecord`."""

    agent: str
    path: str
    start_ns: int
    status: tuple[int, ...]
    """0 unsent, 1 lost, 2 received, 3 late."""
    tx_ns: tuple[int, ...]
    rx_ns: tuple[int, ...]
    tx_source: tuple[int, ...]
    """0 none, 1 userland, 2 kernel."""
    rx_source: tuple[int, ...]
    t2_ns: tuple[int, ...]
    t3_ns: tuple[int, ...]
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """What a path was to measure from this instant on, until the next record of the path.

    Written at every start, reload and stop, so that coverage can be computed for the time in which
    the agent was dead.
    """

    agent: str
    path: str
    start_ns: int
    active: bool
    """False: the path was taken out of the configuration at this instant."""
    every_ns: int
    packets: int
    limit_ns: int | None
    pas: str = ""
    service: str = ""
    peer: str = ""
    endpoint: str = ""
    method: str = ""
    target: str = ""
    phase_ns: int = 0
    """From `start_ns` to the first train (the random start phase): makes planned counts exact."""
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class RollupRecord:
    """One path in one quarter of an hour, counters and histogram added up over its trains.

    Packet counters, jitter and histogram are those of the valid trains.
    """

    agent: str
    path: str
    pas: str
    service: str
    peer: str
    endpoint: str
    start_ns: int
    """UTC, a multiple of 15 minutes."""
    planned: int
    """Trains that the plan asked for in this quarter."""
    trains: int
    """Trains on record, valid or not."""
    valid: int
    invalid: tuple[tuple[str, int], ...]
    """(reason, trains); a train with two reasons counts under both."""
    sent: int
    received: int
    late: int
    duplicates: int
    reordered: int
    within_limit: int | None
    limit_ns: int | None
    """None with `within_limit` when trains of this quarter were judged by different limits."""
    limit_on: Literal["rtt", "one-way"]
    jitter_sum_ns: int
    """Sum of the trains' `ipdv_mean_ns`."""
    jitter_count: int
    jitter_over_20ms: int
    jitter_over_40ms: int
    rtt_histogram: tuple[tuple[int, int], ...]
    forward_histogram: tuple[tuple[int, int], ...]
    backward_histogram: tuple[tuple[int, int], ...]
    one_way_received: int
    """Samples in each one-way histogram."""
    one_way_within_limit: int | None
    """Both directions pooled, of trains whose one-way error was small enough to be judged."""
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class DeviceSampleRecord:
    """One figure of one device at one poll: `value` * 10 ** `scale` in `unit`."""

    agent: str
    device: str
    figure: str
    """The field's name in the device profiles (`cpu_1min`, `in_rate`)."""
    instance: str
    """Whose figure: an interface, a core, a pool, a peer; empty for the device itself."""
    start_ns: int
    """UTC: when the answer came; the end of the time that a rate is over."""
    value: int | None
    """None: not defined at this poll, `note` says why."""
    text: str
    """What the figure says in words: a state's name, a serial number."""
    unit: str
    scale: int = 0
    """Decimal exponent of the value, so that integers stay exact."""
    amount: int | None = None
    """What was counted since the poll before (octets, packets); None: the figure is no counter."""
    interval_ns: int = 0
    """The time in which it was counted, by the device's own clock; 0: the figure is no rate."""
    note: str = ""
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class DeviceRollupRecord:
    """One figure of one device in one quarter of an hour: the mean is total / count."""

    agent: str
    device: str
    figure: str
    instance: str
    start_ns: int
    """UTC, a multiple of 15 minutes."""
    polls: int
    """Samples on record, with a value or without."""
    count: int
    """Samples with a value (of the unit and scale of the newest)."""
    total: int
    """Sum of their values."""
    minimum: int | None
    maximum: int | None
    last: int | None
    """The newest value."""
    text: str
    """The newest sample's."""
    unit: str
    scale: int
    amount: int | None
    """Sum of the samples' amounts; None: the figure is no counter."""
    covered_ns: int
    """Sum of their intervals: amount / covered_ns is the exact mean rate."""
    schema: int = SCHEMA_VERSION


MOMENTS = ("restarted", "swapped", "configuration-changed")
"""Kinds of events that have no end."""
EVENT_KINDS = (
    "unreachable", "failover", "tunnel-lost", "interface-down", "error-rate", "environment",
    "unsaved-change", *MOMENTS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeviceEventRecord:
    """A state of a device that began or ended, after hysteresis."""

    agent: str
    device: str
    kind: str
    """One of `EVENT_KINDS`."""
    instance: str
    start_ns: int
    """UTC: the poll that made it certain."""
    state: Literal["raised", "cleared"]
    text: str
    """What was seen, for people."""
    since_ns: int = 0
    """UTC: the first poll that showed it; 0 where it is `start_ns`."""
    schema: int = SCHEMA_VERSION

    @property
    def momentary(self) -> bool:
        """Whether it has no end: it happened (another unit took over), and is never cleared."""
        return self.kind in MOMENTS or (self.kind == "failover" and not self.instance)


Record = (
    TrainRecord
    | SampleRecord
    | PlanRecord
    | RollupRecord
    | DeviceSampleRecord
    | DeviceRollupRecord
    | DeviceEventRecord
)
