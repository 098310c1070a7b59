"""kill -9 at any moment: every acknowledged record is there exactly once, the store readable.

Run as a script, this file is the agent that gets killed: it prints the number of each train after
its append returned, and flushes, rolls up and merges at random in between.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from killed_agents import LATER, STEP_NS, T0, appended

from timeseries.embedded import EmbeddedStore
from timeseries.reader import EmbeddedReader
from timeseries.rollup import QUARTER_NS, quarter_of
from timeseries.spool import Spool


def start_of(number: int) -> int:
    # Late and early trains among the others, as trains over many paths end.
    return T0 + (number ^ 0b1011) * STEP_NS


def agent(folder: Path, first: int, seed: int) -> None:
    """Append trains `first`, `first` + 1, ... for ever."""
    chance = random.Random(seed)
    with Spool(folder / "spool.sqlite") as spool:
        store = EmbeddedStore(folder, spool)
        for _ in appended(spool, chance, first, 40, start_of):
            action = chance.random()
            if action < 0.3:
                store.flush()
            elif action < 0.45:
                store.compact(LATER)
            elif action < 0.6:
                store.roll_up(LATER)


def check_everything(reader: EmbeddedReader, last: int) -> int:
    """All up to `last` are there once; returns the highest number that is there."""
    trains = [t.start_ns for t in reader.trains()]
    samples = [s.start_ns for s in reader.samples()]
    assert trains == sorted(set(trains))
    assert samples == trains
    there = set(trains)
    highest = last
    while start_of(highest + 1) in there:  # committed, but killed before it could say so
        highest += 1
    assert there == {start_of(number) for number in range(highest + 1)}
    assert reader.damaged == {}
    return highest


@pytest.mark.soak
def test_every_acknowledged_record_is_there_exactly_once_after_kill_9(
    tmp_path: Path, killed_at_random: Callable[..., int], soak: bool
) -> None:
    chance = random.Random(20_261_122)
    folder = tmp_path / "data"
    last = -1
    for turn in range(50 if soak else 5):
        words = [__file__, str(folder), str(last + 1), str(chance.randrange(2**32))]
        # Every other time the writer goes on and ends when it likes, perhaps after its successor
        # began.
        last = killed_at_random(chance, (0.0, 1.6), *words, group=turn % 2 == 0)
        last = check_everything(EmbeddedReader(folder, threads=1), last)

    with Spool(folder / "spool.sqlite") as spool:
        store = EmbeddedStore(folder, spool)
        assert (spool.set_aside, spool.dropped, store.damaged) == (0, {}, [])
        store.roll_up(LATER)
        store.flush()
        while store.compact(LATER):
            pass
        assert spool.depth("embedded") == 0
        check_everything(EmbeddedReader(folder, threads=1), last)
        expected = Counter(quarter_of(start_of(number)) for number in range(last + 1))
        found = {r.start_ns: r.trains for r in EmbeddedReader(folder, threads=1).rollups()}
        assert found == expected
        assert all(at % QUARTER_NS == 0 for at in found)

    import duckdb

    # What any other tool finds in the files, without the reader's rules.
    for kind in ("trains", "samples"):
        files = f"'{folder}/store/{kind}/*/*.parquet'"
        assert duckdb.sql(f"SELECT count(*) FROM {files}").fetchall() == [(last + 1,)]


if __name__ == "__main__":
    agent(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
