"""kill -9 while measuring, forwarding and merging: the server has every record once, and so has
the store.

Run as a script, this file is the agent that gets killed: it prints the number of each train after
its append returned, while a thread forwards what is in the spool.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killed_agents import LATER, STEP_NS, T0, appended

from timeseries.embedded import EmbeddedStore
from timeseries.forwarder import Forwarder
from timeseries.influx import InfluxTarget, InfluxWriter
from timeseries.influx_reader import InfluxReader
from timeseries.reader import EmbeddedReader
from timeseries.spool import Spool


def start_of(number: int) -> int:
    return T0 + number * STEP_NS


def forward(spool: Spool, target: InfluxTarget) -> None:
    """Forward for ever."""
    writer = InfluxWriter(target)
    forwarder = Forwarder(spool, writer.write)
    while True:
        # It would wait for a full body; here the point is to be killed in the middle.
        time.sleep(min(forwarder.step(), 0.05))


def agent(folder: Path, target: InfluxTarget, first: int, seed: int) -> None:
    """Append trains `first`, `first` + 1, ... for ever."""
    chance = random.Random(seed)
    with Spool(folder / "spool.sqlite") as spool:
        store = EmbeddedStore(folder, spool)
        threading.Thread(target=forward, args=(spool, target), daemon=True).start()
        for _ in appended(spool, chance, first, 400, start_of):
            action = chance.random()
            if action < 0.2:
                store.flush()
            elif action < 0.3:
                store.compact(LATER)
            elif action < 0.4:
                store.roll_up(LATER)


def highest_in(reader: EmbeddedReader, last: int) -> int:
    """All up to `last` are there once; returns the highest number that is there."""
    trains = [train.start_ns for train in reader.trains()]
    count = len(trains)
    assert count > last
    assert trains == [start_of(number) for number in range(count)]
    assert reader.damaged == {}
    return count - 1


@pytest.mark.soak
def test_the_server_has_every_record_once_after_kill_9(
    tmp_path: Path, influx: Any, killed_at_random: Callable[..., int], soak: bool
) -> None:
    chance = random.Random(20_261_123)
    folder = tmp_path / "data"
    last = -1
    for turn in range(100 if soak else 10):
        if turn % 3 == 1:
            influx.cut_after(2)
        words = [influx.url, influx.database, influx.token, last + 1, chance.randrange(2**32)]
        last = killed_at_random(chance, (0.3, 2.0), __file__, str(folder), *map(str, words))
        influx.faults.clear()
        last = highest_in(EmbeddedReader(folder, threads=1), last)

    target = InfluxTarget(influx.url, influx.database, token=influx.token)
    writer = InfluxWriter(target)
    with Spool(folder / "spool.sqlite") as spool:
        forwarder = Forwarder(spool, writer.write, replay_rate=1e9)
        while forwarder.state.depth:
            time.sleep(min(forwarder.step(), 0.2))
        state = forwarder.state
        assert (state.dead_letters, state.last_error) == (0, "")
        assert (spool.set_aside, spool.dropped) == (0, {})
    writer.close()
    wanted = [start_of(number) for number in range(last + 1)]
    for kind in ("trains", "samples"):
        assert influx.count(kind) == len(wanted)
    reader = InfluxReader(target)
    assert [train.start_ns for train in reader.trains()] == wanted
    assert [sample.start_ns for sample in reader.samples()] == wanted


if __name__ == "__main__":
    place, url, bucket, token, begin, seed_text = sys.argv[1:]
    agent(Path(place), InfluxTarget(url, bucket, token=token), int(begin), int(seed_text))
