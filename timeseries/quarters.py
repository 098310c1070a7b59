"""The quarter hours of a time up to this moment: roll-ups, and what came after the newest of them.

A roll-up is there a minute or more after its quarter has ended. Whoever wants to see the present as
well (`status --history`, the plot on a terminal) adds up the trains since then.
"""

from __future__ import annotations

from itertools import groupby

from timeseries.reader import Paths, Reader
from timeseries.records import RollupRecord, TrainRecord
from timeseries.rollup import QUARTER_NS, quarter_of, rollup


def quarters(reader: Reader, path: Paths, from_ns: int, to_ns: int) -> list[RollupRecord]:
    """The quarters that have trains and begin in [from_ns, to_ns) (UTC), `from_ns` rounded down.

    Quarters are rolled up oldest first, so trains are read only from the end of an agent's newest
    roll-up on. Records by start, agent and path. Raises as the reader does.
    """
    begin_ns = quarter_of(from_ns)
    found = list(reader.rollups(path, begin_ns, to_ns))
    known: dict[str, int] = {}
    for one in found:
        known[one.agent] = max(known.get(one.agent, 0), one.start_ns + QUARTER_NS)
    trains = reader.trains(path, min(known.values(), default=begin_ns), to_ns)
    plans = list(reader.plans(path))
    for quarter_ns, group in groupby(trains, key=lambda train: quarter_of(train.start_ns)):
        by_path: dict[tuple[str, str], list[TrainRecord]] = {}
        for train in group:
            if quarter_ns >= known.get(train.agent, 0):
                by_path.setdefault((train.agent, train.path), []).append(train)
        found += [
            rollup(mine, [plan for plan in plans if plan.agent == agent], quarter_ns, name)
            for (agent, name), mine in by_path.items()
        ]
    return sorted(found, key=lambda one: (one.start_ns, one.agent, one.path))
