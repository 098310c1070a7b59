"""Trains sent at once, and a link that carries them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.samples import StampSource, Status, TrainPlan, TrainSamples


def plan(address: str, packets: int = 10, **other: Any) -> TrainPlan:
    values: dict[str, Any] = {
        "path": address,
        "method": "icmp",
        "spacing_ns": 2_000_000,
        "size": 64,
        "timeout_ns": 200_000_000,
    }
    return TrainPlan(address=address, packets=packets, **(values | other))


def measure(
    *plans: TrainPlan, engine: Engine | None = None, early: bool = False
) -> list[TrainSamples]:
    """The samples of the trains, sent together, in the order of the plans."""
    mine = engine or Engine(early=early)
    start_ns = on_grid(time.monotonic_ns() + 10_000_000)
    done = {id(samples.plan): samples for samples in mine.run([(p, start_ns) for p in plans])}
    if engine is None:
        mine.close()
    return [done[id(p)] for p in plans]


def untouched(samples: TrainSamples) -> bool:
    """All packets answered, stamped by the kernel, and nothing to say of them."""
    return (
        bool((samples.status == Status.RECEIVED).all())
        and bool((samples.tx_source == StampSource.KERNEL).all())
        and bool((samples.rx_source == StampSource.KERNEL).all())
        and (samples.icmp_errors, samples.send_errors, samples.local_drops) == ((), {}, 0)
        and (samples.duplicates, samples.corrupted, samples.spoofed) == (0, 0, 0)
    )


@pytest.fixture
def met(hosts: Any) -> Any:
    """The two hosts; the near one has found the far one: a fresh link takes a second to come up."""
    waiting = {hosts.far_v4, hosts.far_v6}
    with hosts.inside(hosts.near):
        for _ in range(50):
            answers = measure(*(plan(address, 1) for address in waiting))
            waiting = {a.plan.address for a in answers if not (a.status == Status.RECEIVED).all()}
            if not waiting:
                return hosts
    raise AssertionError(f"{waiting} did not answer within 10 s")
