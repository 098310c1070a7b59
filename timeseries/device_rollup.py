"""Quarter-hour roll-ups of what was sampled of devices: pure, all sums are of integers."""

from __future__ import annotations

from collections.abc import Iterable

from timeseries.records import DeviceRollupRecord, DeviceSampleRecord
from timeseries.rollup import QUARTER_NS


def device_rollups(
    samples: Iterable[DeviceSampleRecord], start_ns: int
) -> list[DeviceRollupRecord]:
    """One roll-up per agent, device, figure and instance that has samples in the quarter.

    `start_ns` is the quarter's beginning (UTC ns, ValueError when it begins none); samples of other
    quarters are left out. A rate belongs to the quarter in which its interval ended. Where a figure
    changed its unit or scale on the way, the newest one's holds and the other values are left out:
    they could not be added up. Of two samples of one identity the last given holds.
    """
    if start_ns % QUARTER_NS:
        raise ValueError(f"{start_ns} does not begin a quarter of an hour")
    found: dict[tuple[str, str, str, str], dict[int, DeviceSampleRecord]] = {}
    for one in samples:
        if start_ns <= one.start_ns < start_ns + QUARTER_NS:
            key = (one.agent, one.device, one.figure, one.instance)
            found.setdefault(key, {})[one.start_ns] = one
    return [
        _added_up([mine[at] for at in sorted(mine)], start_ns) for _, mine in sorted(found.items())
    ]


def _added_up(samples: list[DeviceSampleRecord], start_ns: int) -> DeviceRollupRecord:
    newest = samples[-1]
    measure = (newest.unit, newest.scale)
    alike = [one for one in samples if (one.unit, one.scale) == measure]
    values = [one.value for one in alike if one.value is not None]
    counted = [one for one in alike if one.amount is not None]
    return DeviceRollupRecord(
        agent=newest.agent,
        device=newest.device,
        figure=newest.figure,
        instance=newest.instance,
        start_ns=start_ns,
        polls=len(samples),
        count=len(values),
        total=sum(values),
        minimum=min(values, default=None),
        maximum=max(values, default=None),
        last=values[-1] if values else None,
        text=newest.text,
        unit=newest.unit,
        scale=newest.scale,
        amount=sum(one.amount or 0 for one in counted) if counted else None,
        covered_ns=sum(one.interval_ns for one in counted),
    )
