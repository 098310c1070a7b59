"""The lab's presets: one link per access profile of the annex, and a breach of each.

Limits they are made for (SLA annex, in ms):

| profile | ip-base round trip, 3.1.2 | voip one way to a PAS of profile high, 5.2 | jitter, 5.2 |
|---|---|---|---|
| high | 300 | 150 | 20 |
| medium | 400 | 180 | 20 |
| base | 500 | 250 | 40 |
| base-satellite | 900 | 350 ("other cases") | 40 |

99 % of the packets within the delay, at most 1 % lost. The plain presets keep all of them with
room to spare; each `-breach` breaks the delay and the loss in a train of a few hundred packets.
"""

from __future__ import annotations

from dataclasses import replace

from agent.errors import ProbeError
from agent.lab.link import DelayModel, DirectionProfile, LinkProfile, LogNormal, Loss

_MS = 1_000_000


def _symmetric(
    name: str, *, base_ms: int, median_ms: int, sigma: float, loss: float
) -> LinkProfile:
    direction = DirectionProfile(
        delay=DelayModel(base_ms * _MS, LogNormal(median_ms * _MS, sigma)),
        loss=Loss.independent(loss),
    )
    return LinkProfile(name, direction, direction)


PRESETS: dict[str, LinkProfile] = {
    profile.name: profile
    for profile in (
        _symmetric("high", base_ms=8, median_ms=2, sigma=0.6, loss=0.0),
        _symmetric("medium", base_ms=22, median_ms=4, sigma=0.6, loss=0.0002),
        _symmetric("base", base_ms=50, median_ms=8, sigma=0.6, loss=0.0005),
        # One hop over a geostationary satellite is some 250 ms by the speed of light alone.
        _symmetric("base-satellite", base_ms=262, median_ms=10, sigma=0.5, loss=0.0005),
        _symmetric("high-breach", base_ms=90, median_ms=50, sigma=0.7, loss=0.025),
        _symmetric("medium-breach", base_ms=120, median_ms=70, sigma=0.7, loss=0.025),
        _symmetric("base-breach", base_ms=160, median_ms=90, sigma=0.7, loss=0.025),
        _symmetric("base-satellite-breach", base_ms=360, median_ms=90, sigma=0.7, loss=0.025),
    )
}


def preset(name: str) -> LinkProfile:
    """The preset of this name; ProbeError lists the names there are."""
    try:
        return PRESETS[name]
    except KeyError:
        known = ", ".join(PRESETS)
        raise ProbeError(f"lab: there is no profile {name!r}: choose one of {known}") from None


def overridden(
    profile: LinkProfile,
    *,
    delay_ms: float | None = None,
    jitter_ms: float | None = None,
    loss: float | None = None,
    loss_burst: float | None = None,
    duplicate: float | None = None,
    reorder: float | None = None,
    reorder_by_ms: float | None = None,
    rate_mbps: float | None = None,
    queue_ms: float | None = None,
    in_order: bool | None = None,
) -> LinkProfile:
    """The profile with these values in both directions; None keeps what it has.

    `delay_ms` is the fixed part of the one-way delay, `jitter_ms` the median of its variable part
    (0: none; the preset's sigma stays), `loss` a share, `loss_burst` the mean length of a run of
    lost packets, `rate_mbps` megabits (10**6 bits) a second. Raises ProbeError for impossible
    values.
    """

    def changed(old: DirectionProfile) -> DirectionProfile:
        delay = old.delay
        if delay_ms is not None:
            delay = replace(delay, base_ns=round(delay_ms * _MS))
        if jitter_ms is not None:
            sigma = delay.variable.sigma if isinstance(delay.variable, LogNormal) else 0.6
            variable = LogNormal(jitter_ms * _MS, sigma) if jitter_ms else None
            delay = replace(delay, variable=variable)
        chosen_loss = old.loss
        if loss is not None or loss_burst is not None:
            share = old.loss.mean if loss is None else loss
            in_runs = loss_burst is not None and loss_burst > 1 and share > 0
            chosen_loss = (
                Loss.bursts(share, loss_burst)
                if in_runs and loss_burst is not None
                else Loss.independent(share)
            )
        return DirectionProfile(
            delay=delay,
            loss=chosen_loss,
            duplicate=old.duplicate if duplicate is None else duplicate,
            reorder=old.reorder if reorder is None else reorder,
            reorder_by_ns=(
                old.reorder_by_ns if reorder_by_ms is None else round(reorder_by_ms * _MS)
            ),
            in_order=old.in_order if in_order is None else in_order,
            rate_bps=old.rate_bps if rate_mbps is None else round(rate_mbps * 1_000_000),
            queue_ns=old.queue_ns if queue_ms is None else round(queue_ms * _MS),
        )

    forward = changed(profile.forward)
    same = profile.forward == profile.backward
    return replace(
        profile, forward=forward, backward=forward if same else changed(profile.backward)
    )
