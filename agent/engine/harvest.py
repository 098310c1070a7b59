"""From the columns of the slot table to the samples of one finished train."""

from __future__ import annotations

import numpy as np

from agent.engine.slots import SlotTable
from agent.engine.trains import ActiveTrain
from agent.kernel.clock import Clock, clock_state, realtime_offset_ns
from agent.samples import IcmpError, StampSource, Status, TrainSamples

SWALLOWED = "UNSTAMPED"
"""In the place of an errno: unprivileged ICMPv6 sockets are not told that the own firewall or queue
dropped a packet (Linux, net/ipv6/ping.c: the result of the push is ignored). What has neither stamp
nor reply there, on a socket that brings stamps, never left."""


def harvest(train: ActiveTrain, table: SlotTable, clock: Clock) -> TrainSamples:
    """What became of each packet of the train; copies, so that the slots may be used again."""
    plan = train.plan
    mine = slice(train.slots.start, train.slots.stop)
    samples = TrainSamples.empty(plan, train.start_ns, clock_state())
    counters, channel = train.counters, train.channel
    sent, user, kernel = table.sent[mine], table.user_tx_ns[mine], table.tx_ns[mine]
    if channel.stamped and channel.probe.kind == "icmp-dgram" and channel.probe.version == 6:
        swallowed = sent & (kernel == 0) & (table.rx_ns[mine] == 0)
        if swallowed.any():
            sent = sent & ~swallowed
            counters.send_errors[SWALLOWED] += int(swallowed.sum())
    samples.tx_ns = np.where(kernel > 0, kernel, np.where(sent, user, 0))
    samples.tx_source = np.where(
        kernel > 0, StampSource.KERNEL, np.where(sent, StampSource.USERLAND, StampSource.NONE)
    ).astype(np.uint8)
    samples.rx_ns = table.rx_ns[mine].copy()
    samples.rx_source = table.rx_source[mine].copy()
    samples.t2_ns = table.t2_ns[mine].copy()
    samples.t3_ns = table.t3_ns[mine].copy()
    samples.t3_source = table.t3_source[mine].copy()
    samples.reflector_seq = table.reflector_seq[mine].copy()
    lateness = samples.tx_ns - train.offset_ns - table.due_ns[mine]
    samples.lateness_ns = np.where(sent, np.maximum(lateness, 0), 0)
    answered = samples.rx_ns > 0
    in_time = answered & (samples.rx_ns - samples.tx_ns <= plan.timeout_ns)
    # Three assignments: np.select costs three times as much, and there is one a train.
    samples.status[sent] = Status.LOST
    samples.status[answered] = Status.LATE
    samples.status[in_time] = Status.RECEIVED
    samples.duplicates = counters.duplicates
    samples.corrupted = counters.corrupted
    samples.spoofed = counters.spoofed
    samples.send_errors = dict(counters.send_errors)
    samples.icmp_errors = tuple(
        IcmpError(version, kind, code, origin, count)
        for (version, kind, code, origin), count in counters.icmp_errors.items()
    )
    samples.local_drops = channel.probe.drops() - train.drops
    samples.clock_step_ns = realtime_offset_ns(clock) - train.offset_ns
    return samples
