"""Trains for the benchmarks of the stores: made from packets by the agent's own statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agent.samples import ClockState, StampSource, Status, TrainPlan, TrainSamples
from agent.summary import TrainContext, sample_record, summarise
from timeseries.records import SampleRecord, TrainRecord

PACKETS = 10
SPACING_NS = 100_000_000
LIMIT_NS = 300_000_000
DAY_NS = 86_400 * 1_000_000_000
FIRST_DAY_NS = 20_574 * DAY_NS
"""1 May 2026, 00:00 UTC."""


def made(count: int, seed: int = 1) -> list[tuple[TrainRecord, SampleRecord]]:
    """So many different trains of 10 packets with their samples, all at the same instant.

    One packet in a hundred is lost; delays are 20 to 40 ms with a tail beyond the limit.
    """
    random = np.random.default_rng(seed)
    context = TrainContext("bench", "here", "ip-base", "", "qxn", "192.0.2.1", LIMIT_NS)
    plan = TrainPlan("p", "icmp", "192.0.2.1", PACKETS, SPACING_NS, 64, 3_000_000_000)
    found = []
    for _ in range(count):
        samples = TrainSamples.empty(plan, FIRST_DAY_NS, ClockState(True, 1_500_000))
        lost = random.random(PACKETS) < 0.01
        samples.status[:] = np.where(lost, Status.LOST, Status.RECEIVED)
        samples.tx_ns[:] = FIRST_DAY_NS + np.arange(PACKETS) * SPACING_NS
        samples.tx_ns[:] += random.integers(0, 200_000, PACKETS)
        delays = random.integers(20_000_000, 40_000_000, PACKETS)
        delays += np.where(random.random(PACKETS) < 0.005, LIMIT_NS, 0)
        samples.rx_ns[:] = np.where(lost, 0, samples.tx_ns + delays)
        samples.lateness_ns[:] = random.integers(0, 300_000, PACKETS)
        samples.tx_source[:] = StampSource.KERNEL
        samples.rx_source[:] = np.where(lost, StampSource.NONE, StampSource.KERNEL)
        found.append((summarise(samples, context), sample_record(samples, context.agent)))
    return found


def path_name(number: int) -> str:
    """The id of a path."""
    return f"site-{number:03}/ip-base"


def train_at(template: TrainRecord, path: int, start_ns: int) -> TrainRecord:
    """The same train on another path at another time."""
    return replace(template, path=path_name(path), start_ns=start_ns)


def sample_at(template: SampleRecord, path: int, start_ns: int) -> SampleRecord:
    """The samples of such a train."""
    shift = start_ns - template.start_ns
    return replace(
        template,
        path=path_name(path),
        start_ns=start_ns,
        tx_ns=tuple(at + shift for at in template.tx_ns),
        rx_ns=tuple(at and at + shift for at in template.rx_ns),
    )
