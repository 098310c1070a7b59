"""The measurements of a period by quarter of an hour, as one Parquet file for an archive.

They are evidence beside the counters by day that the amounts are computed from; with them the
quarter in which packets were lost can still be seen when the store has long been emptied.
"""

from __future__ import annotations

from pathlib import Path

from analysis.evaluation.gather import running_period
from analysis.evaluation.inputs import Inputs
from inventory.clocks import period_bounds
from timeseries.export import Wanted, write
from timeseries.reader import EmbeddedReader, Reader
from timeseries.rollup import QUARTER_NS

LIMIT_OCTETS = 256_000_000
"""Bigger ones stay in the store: an archive has to fit on optical media ([R-2-3])."""


def rollups_file(
    reader: Reader | None, inputs: Inputs, file: Path, limit: int = LIMIT_OCTETS
) -> tuple[Path | None, str]:
    """(file, "") or (None, why there is none).

    The columns are those of `docs/schema.md`, all configured paths, by time. Raises `StoreError`.
    """
    if reader is None:
        return None, "no store was read"
    if not isinstance(reader, EmbeddedReader):
        return None, "they are in the central server; the counters by day are in the inputs"
    begin, end = _bounds(inputs)
    paths = sorted(path.id for path in inputs.configuration.paths)
    done = write(reader, Wanted("rollups", paths, begin, end, "parquet"), file)
    if not done.records:
        return None, "the store has none of this period"
    if done.size > limit:
        return None, f"{done.size} octets are more than {limit}"
    return file, ""


def _bounds(inputs: Inputs) -> tuple[int, int]:
    """From the first local midnight of the period anywhere to the last, in whole quarters, UTC."""
    period = running_period(inputs.period)
    bounds = [period_bounds(period, zone) for zone in inputs.zones.values()]
    begin, end = min(one[0] for one in bounds), max(one[1] for one in bounds)
    return begin // QUARTER_NS * QUARTER_NS, -(-end // QUARTER_NS) * QUARTER_NS
