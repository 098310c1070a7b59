"""What one path is to this host: a train, what it stands for and the limits it is looked at by."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from agent.samples import TrainPlan
from agent.summary import TrainContext
from timeseries.records import PlanRecord

DEFAULT_LOSS_PERCENT = Decimal(1)
"""What counts as an outage worth a traceroute where the contract has no loss limit."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The limits that a train, or a day of them, is looked at by."""

    delay_share_percent: Decimal | None
    """Percent of the received packets that must be within the delay limit; None: no limit."""
    loss_percent: Decimal | None
    jitter_ns: int | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """One path as this host measures it."""

    host: str
    """The far end as configured: a name or an address."""
    plan: TrainPlan
    """Without its address, which each train finds anew."""
    every_ns: int
    context: TrainContext
    judgement: Judgement

    @property
    def duration_ns(self) -> int:
        """From the first packet to the end of the last one's timeout."""
        return (self.plan.packets - 1) * self.plan.spacing_ns + self.plan.timeout_ns


def plan_record(
    assignment: Assignment, start_ns: int, *, active: bool, phase_ns: int = 0
) -> PlanRecord:
    """What the path is to measure from this instant (UTC) on; `active` False: nothing more."""
    plan, context = assignment.plan, assignment.context
    return PlanRecord(
        agent=context.agent,
        path=plan.path,
        start_ns=start_ns,
        active=active,
        every_ns=assignment.every_ns,
        packets=plan.packets,
        limit_ns=context.limit_ns,
        pas=context.pas,
        service=context.service,
        peer=context.peer,
        endpoint=context.endpoint,
        method=plan.method,
        target=context.target,
        phase_ns=phase_ns,
    )
