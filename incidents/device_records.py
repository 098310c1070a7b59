"""What the collectors recorded of devices, as the watch takes it in: events, and a last state."""

from __future__ import annotations

import time
from collections.abc import Mapping

from incidents.signs import DeviceSign
from timeseries.errors import StoreError
from timeseries.reader import Reader
from timeseries.records import DeviceEventRecord, DeviceSampleRecord

STATE_NS = 1_800_000_000_000
"""So far back a figure is part of a device's state: states are recorded once in 15 minutes."""


def signs(reader: Reader, after_ns: int) -> list[DeviceSign]:
    """Events that became certain after an instant, ascending; raises what the store raises."""
    found = [_sign(one) for one in reader.device_events(from_ns=after_ns + 1)]
    return sorted(found, key=lambda one: one.at_ns)


def last_state(reader: Reader, device: str, now_ns: int | None = None) -> dict[str, object] | None:
    """The newest value of each figure of a device, and its newest events; None: nothing is known.

    A store that cannot be read is what is known then.
    """
    until_ns = time.time_ns() if now_ns is None else now_ns
    newest: dict[tuple[str, str], DeviceSampleRecord] = {}
    events: dict[tuple[str, str], DeviceEventRecord] = {}
    try:
        for sample in reader.device_samples(device, until_ns - STATE_NS, until_ns + 1):
            there = newest.get((sample.figure, sample.instance))
            if there is None or there.start_ns < sample.start_ns:
                newest[sample.figure, sample.instance] = sample
        for event in reader.device_events(device, until_ns - STATE_NS, until_ns + 1):
            last = events.get((event.kind, event.instance))
            if last is None or last.start_ns < event.start_ns:
                events[event.kind, event.instance] = event
    except StoreError as error:
        return {"error": str(error)}
    if not newest and not events:
        return None
    return {
        "figures": [_figure(one) for _, one in sorted(newest.items())],
        "events": [
            {"kind": e.kind, "instance": e.instance, "state": e.state, "text": e.text,
             "at_ns": e.start_ns}
            for _, e in sorted(events.items())
        ],
    }  # fmt: skip


def _sign(event: DeviceEventRecord) -> DeviceSign:
    return DeviceSign(
        device=event.device,
        kind=event.kind,
        instance=event.instance,
        state=event.state,
        text=event.text,
        at_ns=event.start_ns,
        since_ns=event.since_ns,
        momentary=event.momentary,
    )


def _figure(sample: DeviceSampleRecord) -> Mapping[str, object]:
    """`value` * 10 ** `scale` in `unit`, as recorded."""
    return {
        "figure": sample.figure, "instance": sample.instance, "value": sample.value,
        "scale": sample.scale, "unit": sample.unit, "text": sample.text, "note": sample.note,
        "at_ns": sample.start_ns,
    }  # fmt: skip
