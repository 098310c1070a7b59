"""How `pasprobe status --history` shows the last hours: for people a line of characters, and JSON.

Pure over `agent.daemon.history`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_UP
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from agent.daemon.history import HOUR_NS, History, PathHistory, Slot, Window
from agent.daemon.status import as_number, heading_table, ms, percent, short_ms

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

BLOCKS = "▁▂▃▄▅▆▇█"
STEP_LEAST = 1.25
"""One block higher is at least 25 % more: the bins of a roll-up alone make up to 5 %."""
NO_RECORD, NO_PLAN, SPOILED, SILENT = "·", " ", "?", "×"
MISSED, LOST = "!", "l"
LEGEND = (
    f"height: median round trip between the two figures   {MISSED} misses a limit by itself  "
    f" {LOST} packets lost   {SILENT} nothing came back   {SPOILED} spoiled by this host  "
    f" {NO_RECORD} nothing on record"
)


def as_json(past: History) -> dict[str, Any]:
    """The object `history` of `status --history --json`."""
    return {
        "from_ns": past.window.from_ns,
        "to_ns": past.window.to_ns,
        "slot_minutes": past.window.slot_ns // 60_000_000_000,
        "paths": [
            {
                "path": row.path,
                "limit_ms": ms(row.limit_ns),
                "slots": [
                    _slot_json(slot, missed)
                    for slot, missed in zip(row.slots, row.missed, strict=True)
                ],
            }
            for row in past.paths
        ],
    }


def _slot_json(slot: Slot, missed: tuple[str, ...]) -> dict[str, Any]:
    return {
        "start_ns": slot.start_ns,
        "planned": slot.planned,
        "trains": slot.trains,
        "valid": slot.valid,
        "sent": slot.sent,
        "received": slot.received,
        "lost": slot.sent - slot.received,
        "rtt_p50_ms": ms(slot.delay_ns(50)),
        "rtt_p95_ms": ms(slot.delay_ns(95)),
        "within_percent": as_number(slot.within_percent),
        "loss_percent": as_number(slot.loss_percent),
        "ipdv_mean_ms": ms(slot.jitter_ns),
        "missed": list(missed),
    }


def heights(medians_ns: Sequence[int | None]) -> list[int | None]:
    """The block (0 to 7) of each median: steps of one ratio from the lowest of the row upwards.

    The ratio is that which takes the highest median to the highest block, at least `STEP_LEAST`.
    """
    known = [max(1, median) for median in medians_ns if median is not None]
    if not known:
        return [None] * len(medians_ns)
    lowest, top = min(known), len(BLOCKS) - 1
    step = math.log(max(STEP_LEAST, (max(known) / lowest) ** (1 / top)))
    # The small addition keeps the highest from falling just short of its block.
    return [
        None if median is None else min(top, int(math.log(max(1, median) / lowest) / step + 1e-9))
        for median in medians_ns
    ]


def line(found: Sequence[Slot]) -> str:
    """One character a slot."""
    blocks = heights([slot.delay_ns(50) for slot in found])
    return "".join(_character(slot, block) for slot, block in zip(found, blocks, strict=True))


def _character(slot: Slot, block: int | None) -> str:
    if slot.trains == 0:
        return NO_RECORD if slot.planned else NO_PLAN
    if block is not None:
        return BLOCKS[block]
    return SILENT if slot.sent else SPOILED


def marks(row: PathHistory) -> str:
    """What stands under each character: a missed limit goes before a loss."""
    return "".join(
        MISSED if missed else LOST if slot.sent > slot.received else " "
        for slot, missed in zip(row.slots, row.missed, strict=True)
    ).rstrip()


def axis(frame: Window) -> str:
    """The hours (UTC) over the line, or the days of the month where a day is a few characters."""
    steps = (1, 2, 3, 6, 12, 24, 48, 96, 192, 384)
    step = next((h for h in steps if h * HOUR_NS >= 4 * frame.slot_ns), steps[-1])
    found = [" "] * frame.count
    for index in range(frame.count - 1):
        start_ns = frame.start_ns(index)
        if start_ns % (step * HOUR_NS) == 0:
            moment = datetime.fromtimestamp(start_ns // 10**9, UTC)
            found[index : index + 2] = moment.strftime("%H" if step < 24 else "%d")
    return "".join(found)


def tables(past: History) -> list[RenderableType]:
    """What `status --history` prints for people, below the agent itself."""
    from rich.text import Text

    frame = past.window
    begin, end = (
        datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M")
        for ns in (frame.from_ns, frame.to_ns)
    )
    minutes = frame.slot_ns // 60_000_000_000
    slot = f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"
    table = heading_table("path", "p50 ms", "loss %", "trains/due", line=axis(frame))
    for row in past.paths:
        medians = [median for one in row.slots if (median := one.delay_ns(50)) is not None]
        sent = sum(one.sent for one in row.slots)
        lost = sent - sum(one.received for one in row.slots)
        table.add_row(
            Text(row.path, "red" if any(row.missed) else ""),
            _coloured(row),
            f"{short_ms(min(medians))} {short_ms(max(medians))}" if medians else "-",
            percent(Fraction(100 * lost, sent) if sent else None, ROUND_UP),
            f"{sum(one.trains for one in row.slots)}/{sum(one.planned for one in row.slots)}",
        )
    return [
        Text(f"{begin} to {end} UTC, one character: {slot}"),
        table,
        Text(LEGEND, "dim"),
    ]


def _coloured(row: PathHistory) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True)
    for character, slot, missed in zip(line(row.slots), row.slots, row.missed, strict=True):
        lost = slot.sent > slot.received
        text.append(character, "red" if missed else "yellow" if lost else "")
    under = marks(row)
    return text.append(f"\n{under}", "bold") if under else text
