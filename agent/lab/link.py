"""The emulated link: pure, seeded rules that say when, and whether, a packet comes out again.

Sans-I/O: `LinkDirection.decide(now_ns, size)` takes an instant and answers with instants. The same
seed and the same sequence of calls give the same answers on every machine.

What happens to a packet of S octets that enters one direction at t, in this order:

1. Rate. It waits for the packets before it and is on the wire for S*8/rate: it is through at
   d = max(t, busy) + S*8/rate. When max(t, busy) - t exceeds the queue limit it is dropped.
2. Loss. A two-state chain (Gilbert-Elliott) steps once per packet, then drops with the share of
   its state. Its long-run share of lost packets is `Loss.mean`.
3. Delay. It is due at d + base + V, V drawn from the variable part by inversion: V = quantile(u),
   u uniform in (0, 1). So `DelayModel.quantile_ns` and `share_within` *are* the distribution.
4. Order. With `in_order` it is due no earlier than the packet before it, as in the queue of a
   router; where packets follow each other closer than V spreads, this lengthens the delays of the
   formula above. A packet chosen for reordering is due `reorder_by_ns` later and holds up nobody.
5. Duplication. A copy is due at d + base + V', V' drawn again, never before the original.

Every packet draws six uniform numbers, whatever becomes of it: a changed share of loss leaves the
delays of the same seed as they were.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist
from typing import Protocol

from agent.errors import ProbeError

_STANDARD_NORMAL = NormalDist()
_SMALLEST_U = 2.0**-54
"""`random()` may return 0.0, where an inverse distribution may have its pole."""

DEFAULT_QUEUE_NS = 200_000_000
"""The queue in front of a limited rate: 200 ms, a usual buffer of an access router."""


class Variable(Protocol):
    """The variable part of a delay, as the inverse of its distribution function."""

    def quantile_ns(self, share: float) -> float:
        """Nanoseconds that `share` (0 < share < 1) of the packets do not exceed."""
        ...

    def share_within(self, limit_ns: float) -> float:
        """Share of the packets whose variable delay is at most `limit_ns`."""
        ...


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal: V = median * exp(sigma * z), z standard normal; the usual shape of queueing."""

    median_ns: float
    sigma: float

    def __post_init__(self) -> None:
        if not (self.median_ns > 0 and self.sigma > 0):
            raise ProbeError("lab: a log-normal delay needs a median and a sigma above 0")

    def quantile_ns(self, share: float) -> float:
        """median * exp(sigma * inverse normal(share))."""
        return self.median_ns * math.exp(self.sigma * _STANDARD_NORMAL.inv_cdf(share))

    def share_within(self, limit_ns: float) -> float:
        """normal(ln(limit / median) / sigma)."""
        if limit_ns <= 0:
            return 0.0
        return _STANDARD_NORMAL.cdf(math.log(limit_ns / self.median_ns) / self.sigma)


@dataclass(frozen=True, slots=True)
class QuantileTable:
    """An empirical distribution: (share, ns) points from share 0 to 1, straight lines between."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        shares = [share for share, _ in self.points]
        values = [value for _, value in self.points]
        rising = all(a < b for a, b in pairwise(shares))
        falling_values = any(a > b for a, b in pairwise(values))
        if len(shares) < 2 or shares[0] != 0 or shares[-1] != 1 or not rising:
            raise ProbeError("lab: a quantile table needs ascending shares from 0 to 1")
        if falling_values or values[0] < 0:
            raise ProbeError("lab: the delays of a quantile table must not be negative or descend")

    def quantile_ns(self, share: float) -> float:
        """Linear interpolation between the points."""
        at = min(max(bisect_right(self.points, (share, math.inf)), 1), len(self.points) - 1)
        (s0, v0), (s1, v1) = self.points[at - 1], self.points[at]
        return v0 + (v1 - v0) * (share - s0) / (s1 - s0)

    def share_within(self, limit_ns: float) -> float:
        """The inverse of `quantile_ns`; at a jump, the share at its top."""
        values = [value for _, value in self.points]
        if limit_ns < values[0]:
            return 0.0
        if limit_ns >= values[-1]:
            return 1.0
        at = max(bisect_left(values, limit_ns), 1)
        while values[at] <= limit_ns:
            at += 1
        (s0, v0), (s1, v1) = self.points[at - 1], self.points[at]
        return s0 + (s1 - s0) * (limit_ns - v0) / (v1 - v0)


@dataclass(frozen=True, slots=True)
class DelayModel:
    """base + variable part; without a variable part every packet takes exactly `base_ns`."""

    base_ns: int
    variable: Variable | None = None

    def __post_init__(self) -> None:
        if self.base_ns < 0:
            raise ProbeError(f"lab: a delay of {self.base_ns} ns is below 0")

    def quantile_ns(self, share: float) -> float:
        """The delay that `share` of the packets do not exceed (with room between packets)."""
        return self.base_ns + (self.variable.quantile_ns(share) if self.variable else 0.0)

    def share_within(self, limit_ns: float) -> float:
        """Share of the packets that come out whose delay is at most `limit_ns`."""
        if self.variable is None:
            return 1.0 if limit_ns >= self.base_ns else 0.0
        return self.variable.share_within(limit_ns - self.base_ns)


@dataclass(frozen=True, slots=True)
class Loss:
    """Gilbert-Elliott: two states, each with its share of lost packets.

    E. N. Gilbert, Bell System Technical Journal 39 (1960); E. O. Elliott, the same 42 (1963).
    """

    in_good: float = 0.0
    """Share lost in the good state."""
    in_bad: float = 1.0
    """Share lost in the bad state."""
    to_bad: float = 0.0
    """Chance per packet to go from good to bad."""
    to_good: float = 1.0
    """Chance per packet to go from bad to good; 1/to_good is the mean length of a burst."""

    def __post_init__(self) -> None:
        for name in ("in_good", "in_bad", "to_bad", "to_good"):
            _check_share(f"loss {name}", getattr(self, name))
        if self.to_good == 0 and self.to_bad > 0:
            raise ProbeError("lab: loss to_good must be above 0, or a burst never ends")

    @classmethod
    def independent(cls, share: float) -> Loss:
        """Each packet by itself."""
        return cls(in_good=share)

    @classmethod
    def bursts(cls, share: float, mean_burst: float) -> Loss:
        """`share` lost in the long run, in runs of `mean_burst` packets on average (Gilbert)."""
        _check_share("loss", share)
        if share >= 1 or mean_burst < 1:
            raise ProbeError(
                "lab: loss in bursts needs a share below 1 and bursts of at least 1 packet"
            )
        to_bad = share / (mean_burst * (1 - share))
        if to_bad > 1:
            raise ProbeError(
                f"lab: {share:g} lost in bursts of {mean_burst:g} packets is impossible: "
                f"bursts must last at least {share / (1 - share):.3g} packets"
            )
        return cls(to_bad=to_bad, to_good=1 / mean_burst)

    @property
    def share_bad(self) -> float:
        """Long-run share of packets that meet the bad state."""
        return self.to_bad / (self.to_bad + self.to_good) if self.to_bad else 0.0

    @property
    def mean(self) -> float:
        """Long-run share of lost packets."""
        return self.share_bad * self.in_bad + (1 - self.share_bad) * self.in_good


@dataclass(frozen=True, slots=True)
class DirectionProfile:
    """One direction of a link."""

    delay: DelayModel
    loss: Loss = field(default_factory=Loss)
    duplicate: float = 0.0
    """Share of the packets that come out twice."""
    reorder: float = 0.0
    """Share of the packets that are held back by `reorder_by_ns` while others pass."""
    reorder_by_ns: int = 0
    in_order: bool = True
    """Packets do not overtake each other by their varying delay alone."""
    rate_bps: int | None = None
    """Bits per second; None = no limit."""
    queue_ns: int = DEFAULT_QUEUE_NS
    """The longest wait for the wire; a packet that would wait longer is dropped."""

    def __post_init__(self) -> None:
        _check_share("duplicate", self.duplicate)
        _check_share("reorder", self.reorder)
        if self.reorder and self.reorder_by_ns <= 0:
            raise ProbeError("lab: reordering needs the time by which a packet is held back")
        if self.rate_bps is not None and self.rate_bps <= 0:
            raise ProbeError("lab: a rate must be above 0 bit/s")
        if self.queue_ns < 0:
            raise ProbeError("lab: a queue limit must not be below 0")


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """Both directions: forward is towards the target, backward is its replies."""

    name: str
    forward: DirectionProfile
    backward: DirectionProfile

    @property
    def round_trip_loss(self) -> float:
        """Long-run share of requests without a reply (no queue drops counted)."""
        return 1 - (1 - self.forward.loss.mean) * (1 - self.backward.loss.mean)

    def round_trip_share_within(self, limit_ns: float, steps: int = 4096) -> float:
        """Share of the replies whose round trip takes at most `limit_ns`.

        The convolution of both delays, P(F + B <= limit) = mean over u of B(limit - F^-1(u)), on
        the midpoints of `steps` equal slices; reordering, rate and `in_order` are left out.
        """
        forward, backward = self.forward.delay, self.backward.delay
        within = (
            backward.share_within(limit_ns - forward.quantile_ns((step + 0.5) / steps))
            for step in range(steps)
        )
        return math.fsum(within) / steps

    def round_trip_quantile_ns(self, share: float, steps: int = 4096) -> float:
        """The round trip that `share` of the replies do not exceed, to 1 µs (by bisection)."""
        low, high = 0.0, 1e6
        while self.round_trip_share_within(high, steps) < share:
            high *= 2
        while high - low > 1_000:
            middle = (low + high) / 2
            if self.round_trip_share_within(middle, steps) < share:
                low = middle
            else:
                high = middle
        return high


class LinkDirection:
    """One direction in use: its random numbers, its queue and what it dropped."""

    def __init__(self, profile: DirectionProfile, seed: str) -> None:
        self.profile = profile
        self.lost = 0
        """Dropped by the loss model."""
        self.queue_drops = 0
        """Dropped because the wait for the wire exceeded the queue limit."""
        self.duplicated = 0
        self._draw = random.Random(seed).random
        # The chain starts as if it had run for ever, so that `Loss.mean` holds from the start.
        self._bad = self._draw() < profile.loss.share_bad
        self._busy_until_ns = 0
        self._last_due_ns = 0

    def decide(self, now_ns: int, size: int) -> list[int]:
        """When a packet of `size` octets that enters at `now_ns` comes out.

        Empty: it was lost. Two instants: it was duplicated; the first is the original. Calls come
        in the order of entry, instants are nanoseconds of any one clock.
        """
        profile, draw = self.profile, self._draw
        u_state, u_loss, u_delay = draw(), draw(), draw()
        u_reorder, u_duplicate, u_copy = draw(), draw(), draw()
        loss = profile.loss
        self._bad = u_state >= loss.to_good if self._bad else u_state < loss.to_bad

        through_ns = now_ns
        if profile.rate_bps is not None:
            start_ns = max(now_ns, self._busy_until_ns)
            if start_ns - now_ns > profile.queue_ns:
                self.queue_drops += 1
                return []
            through_ns = start_ns + size * 8 * 1_000_000_000 // profile.rate_bps
            self._busy_until_ns = through_ns
        if u_loss < (loss.in_bad if self._bad else loss.in_good):
            self.lost += 1
            return []

        due_ns = through_ns + round(profile.delay.quantile_ns(max(u_delay, _SMALLEST_U)))
        if profile.in_order:
            due_ns = max(due_ns, self._last_due_ns)
        if u_reorder < profile.reorder:
            due_ns += profile.reorder_by_ns
        else:
            self._last_due_ns = due_ns
        if u_duplicate >= profile.duplicate:
            return [due_ns]
        self.duplicated += 1
        copy_ns = through_ns + round(profile.delay.quantile_ns(max(u_copy, _SMALLEST_U)))
        return [due_ns, max(due_ns, copy_ns)]


class Link:
    """Both directions of an emulated link; each draws its own numbers from the one seed."""

    def __init__(self, profile: LinkProfile, seed: int = 1) -> None:
        self.profile = profile
        self.seed = seed
        self.forward = LinkDirection(profile.forward, f"{seed}/forward")
        self.backward = LinkDirection(profile.backward, f"{seed}/backward")


def _check_share(what: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ProbeError(f"lab: {what} is {share:g}: give a share between 0 and 1 (0.02 = 2 %)")
