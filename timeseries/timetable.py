"""What the plans of one agent's path asked for, in any stretch of time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from timeseries.records import PlanRecord
from timeseries.rollup import QUARTER_NS, due_before, planned_trains


class Timetable:
    """The plans of one path at one agent, each in force until the next."""

    def __init__(self, plans: Iterable[PlanRecord]) -> None:
        self._plans = sorted(plans, key=lambda plan: plan.start_ns)
        self._starts = [plan.start_ns for plan in self._plans]

    def planned(self, from_ns: int, to_ns: int) -> int:
        """Trains that were due in [from_ns, to_ns), whether the agent lived or not."""
        if len(self._plans) > 1:
            return planned_trains(self._in_force(from_ns, to_ns), from_ns, to_ns)
        # Most paths have one plan, and are asked for a thousand openings of their window.
        begin_ns = max(from_ns, self._starts[0]) if self._plans else to_ns
        if begin_ns >= to_ns or not self._plans[0].active or self._plans[0].every_ns <= 0:
            return 0
        return due_before(self._plans[0], to_ns) - due_before(self._plans[0], begin_ns)

    def active(self, from_ns: int, to_ns: int) -> bool:
        """Whether the path was to be measured at any time of [from_ns, to_ns)."""
        return any(plan.active for plan in self._in_force(from_ns, to_ns))

    def always_due(self, from_ns: int, to_ns: int) -> bool:
        """Whether one plan asked for a train in every quarter of an hour of [from_ns, to_ns).

        False may also mean that it takes a closer look to say.
        """
        plans = self._in_force(from_ns, to_ns)
        if len(plans) != 1:
            return False
        (plan,) = plans
        first_ns = plan.start_ns + plan.phase_ns
        return plan.active and 0 < plan.every_ns <= QUARTER_NS and first_ns <= from_ns

    def _in_force(self, from_ns: int, to_ns: int) -> list[PlanRecord]:
        if len(self._plans) == 1:
            return self._plans if self._starts[0] < to_ns else []
        first = max(0, bisect_right(self._starts, from_ns) - 1)
        return self._plans[first : bisect_left(self._starts, to_ns)]
