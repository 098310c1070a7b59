"""What this host is to measure: the configuration's paths as trains and judgements. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from agent.samples import StampOptions, TrainPlan
from agent.summary import TrainContext
from inventory.limits import LimitSource
from inventory.models import Configuration, Path, own_paths, pas_of, peer_of, target_of
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


def assignments(
    configuration: Configuration, limits: LimitSource, environ: Mapping[str, str] | None
) -> dict[str, Assignment]:
    """The assignments of this host by path, in the configuration's order.

    Raises `SecretError` where the key of a STAMP path cannot be had. `environ` None: nothing will
    be sent, so no key is needed.
    """
    agent = "" if configuration.agent is None else configuration.agent.name
    return {
        path.id: _assignment(configuration, path, agent, limits, environ)
        for path in own_paths(configuration)
    }


def _assignment(
    configuration: Configuration,
    path: Path,
    agent: str,
    limits: LimitSource,
    environ: Mapping[str, str] | None,
) -> Assignment:
    target = target_of(configuration, path)
    peer = peer_of(configuration, path)
    found = limits.limits_for(
        path.service,
        pas_of(configuration, path.pas).profile,
        None if peer is None else peer.profile,
    )
    stamp = None
    if path.method == "stamp":
        stamp = StampOptions(
            auth_key=path.auth_key.reveal_bytes(environ)
            if path.auth_key is not None and environ is not None
            else None,
            time_format=path.time_format,
            follow_up=path.follow_up,
        )
    train = path.train
    return Assignment(
        host=target.host,
        plan=TrainPlan(
            path=path.id,
            method=path.method,
            address="",
            packets=train.packets,
            spacing_ns=train.spacing_ns,
            size=train.size,
            timeout_ns=train.timeout_ns,
            dscp=train.dscp,
            port=target.port,
            stamp=stamp,
        ),
        every_ns=train.every_ns,
        context=TrainContext(
            agent=agent,
            pas=path.pas,
            service=path.service,
            peer=path.peer or "",
            endpoint=path.endpoint or "",
            target=target.host,
            limit_ns=_ns(found.delay_ms),
            limit_on=found.delay_kind or "rtt",
        ),
        judgement=Judgement(
            delay_share_percent=None
            if found.delay_ms is None
            else found.delay_share_percent or Decimal(100),
            loss_percent=found.loss_percent,
            jitter_ns=_ns(found.jitter_ms),
        ),
    )


def _ns(ms: Decimal | None) -> int | None:
    return None if ms is None else int(ms * 1_000_000)


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
