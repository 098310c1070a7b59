"""Whether shops are open: production does not go back to the nominal server then (2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import tzinfo
from typing import get_args

from inventory.clocks import local
from inventory.operations import ShopHours, Weekday

_DAYS: tuple[str, ...] = get_args(Weekday)


def open_shops(
    hours: Iterable[ShopHours],
    zones: Mapping[str, str | tzinfo],
    pas: Collection[str],
    at_ns: int,
) -> tuple[str, ...]:
    """Which of these PAS (none named: all) are open at an instant, in their local time, sorted."""
    found = set()
    for one in hours:
        if (pas and one.pas not in pas) or one.pas not in zones:
            continue
        moment = local(at_ns, zones[one.pas])
        clock = f"{moment:%H:%M}"
        if _DAYS[moment.weekday()] in one.days and one.opens <= clock < one.closes:
            found.add(one.pas)
    return tuple(sorted(found))
