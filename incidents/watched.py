"""What the watch looks at and what it judges by: paths, checks of applications, rules.

The limits of the contract come from a room above, as a `LimitSource`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from incidents.detection import Bounds
from incidents.silence import Patience
from inventory.applications import Check, checks
from inventory.limits import LimitSource
from inventory.models import Configuration, Path, pas_of, peer_of
from inventory.operations import CHECK_PACKETS, CHECK_SPACING_NS

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Correlation:
    """How close two alerts must be to be one incident."""

    device_ns: int = 300 * _SECOND_NS
    """So long after its beginning an incident takes more PAS behind the same device."""
    flap_ns: int = 600 * _SECOND_NS
    """What fails again so soon after its restoration reopens the ticket."""


@dataclass(frozen=True, slots=True)
class Rules:
    """All that the watch judges by."""

    bounds: Bounds = field(default_factory=Bounds)
    patience: Patience = field(default_factory=Patience)
    correlation: Correlation = field(default_factory=Correlation)


def rules_of(configuration: Configuration) -> Rules:
    """`[incident.detection]`."""
    said = configuration.incident.detection
    return Rules(
        Bounds(
            loss_percent=Fraction(said.loss_percent),
            lost=said.lost,
            degraded=said.degraded,
            clear_after=said.good,
        ),
        Patience(intervals=said.silent_after, settle_ns=said.backlog_ns),
        Correlation(device_ns=said.joins_ns, flap_ns=said.reopens_ns),
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """One path as the watch sees it: measured for a service, or checking an application."""

    id: str
    every_ns: int
    tail_ns: int
    """From the start of a train to the last packet's timeout."""
    target: str
    bounds: Bounds
    pas: tuple[str, ...] = ()
    """Whose path it is."""
    services: tuple[str, ...] = ()
    """That its failure is an outage of; empty: a person decides."""
    peer: str = ""
    application: str = ""
    """Name of the application that it checks; empty: it is measured for its service."""
    client: str = ""


def watched(
    configuration: Configuration, rules: Rules, limits: LimitSource | None = None
) -> dict[str, Watched]:
    """All that agents measure and check by this configuration, by path."""
    judging = limits if configuration.incident.detection.limits else None
    found = [_path(configuration, path, rules.bounds, judging) for path in configuration.paths]
    found += [_check(check, rules.bounds) for check in checks(configuration) if check.own]
    return {one.id: one for one in found}


def _path(
    configuration: Configuration, path: Path, bounds: Bounds, limits: LimitSource | None
) -> Watched:
    peer = peer_of(configuration, path)
    if limits is not None:
        profile = pas_of(configuration, path.pas).profile
        said = limits.limits_for(path.service, profile, None if peer is None else peer.profile)
        share, loss, jitter = said.delay_share_percent, said.loss_percent, said.jitter_ms
        bounds = replace(
            bounds,
            loss_limit=None if loss is None else Fraction(loss),
            beyond_percent=None if share is None else 100 - Fraction(share),
            jitter_ns=None if jitter is None else int(jitter * 1_000_000),
        )
    train = path.train
    return Watched(
        id=path.id,
        every_ns=train.every_ns,
        tail_ns=(train.packets - 1) * train.spacing_ns + train.timeout_ns,
        target=path.target or path.peer or "",
        bounds=bounds,
        pas=(path.pas,),
        services=(path.service,),
        peer=path.peer or "",
    )


def _check(check: Check, bounds: Bounds) -> Watched:
    one = check.application
    return Watched(
        id=check.path,
        every_ns=one.every_ns,
        tail_ns=(CHECK_PACKETS - 1) * CHECK_SPACING_NS + one.timeout_ns,
        target=one.host,
        # An application answers or does not: nothing lies between.
        bounds=replace(bounds, loss_percent=Fraction(100)),
        pas=() if one.pas is None else (one.pas,),
        services=() if one.service is None else (one.service,),
        application=one.name,
        client=check.client,
    )
