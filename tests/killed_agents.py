"""What an agent appends to its spool until it is killed: numbered trains with their samples."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

from timeseries.records import DelayFigures, PlanRecord, SampleRecord, TrainRecord
from timeseries.spool import Spool

T0 = 20_400 * 86_400 * 10**9
STEP_NS = 97 * 10**9
"""A train every 97 s: some hundred records reach over days and quarters."""
LATER = T0 + 400 * 86_400 * 10**9
RTT = DelayFigures(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 9, ((5, 9),))
TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", T0, 10, 10, 9, 1, 0, 0,
    0, 0, 0, 300_000_000, "rtt", RTT, None, None, None, False, None, None, True, (), (), 10, 9, 0,
    0, 0, 0, True, 1, (), (),
)  # fmt: skip


def appended(
    spool: Spool, chance: random.Random, first: int, most: int, start_of: Callable[[int], int]
) -> Iterator[None]:
    """Append a plan and then trains `first`, `first` + 1, ... for ever, up to `most` at once.

    The number of the last one is printed when its append has returned; then it is the caller's
    turn.
    """
    spool.append([PlanRecord("roma", "p", T0 + first, True, STEP_NS, 10, None)])
    number = first
    while True:
        batch = range(number, number + chance.randint(1, most))
        records = [replace(TRAIN, start_ns=start_of(k)) for k in batch]
        samples = [
            SampleRecord("roma", "p", t.start_ns, (2,), (1,), (2,), (2,), (2,), (0,), (0,))
            for t in records
        ]
        spool.append([*records, *samples])
        number = batch.stop
        print(number - 1, flush=True)
        yield
