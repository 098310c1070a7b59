"""Token buckets per source, a batch of datagrams at a time. Pure: the clock is passed in."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from agent.wire.ntp import SECOND_NS, UInt64Array

MOST_SOURCES: Final = 65_536
"""Sources with a bucket of their own; beyond them strangers share one, so that a flood of invented
sources neither fills the memory nor gets more than one source's rate."""


class RateLimit:
    """At most `rate` datagrams a second per source, and as many at once after a silence.

    A rate of 0 limits nothing.
    """

    def __init__(self, rate: int, most_sources: int = MOST_SOURCES) -> None:
        self._rate = rate
        self._most = most_sources
        self._buckets: dict[int, tuple[float, int]] = {}
        """Source -> (tokens, monotonic time at which there were so many)."""
        self._strangers: tuple[float, int] = (float(rate), 0)
        self._swept_ns = -SECOND_NS

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, sources: UInt64Array, monotonic_ns: int) -> npt.NDArray[np.bool_]:
        """Which datagrams of a batch may pass; per source the earliest of them do."""
        n = len(sources)
        if self._rate == 0 or n == 0:
            return np.ones(n, np.bool_)
        if (sources == sources[0]).all():
            return np.arange(n) < self._grant(int(sources[0]), n, monotonic_ns)
        distinct, which, counts = np.unique(sources, return_inverse=True, return_counts=True)
        grants = np.array(
            [
                self._grant(source, count, monotonic_ns)
                for source, count in zip(distinct.tolist(), counts.tolist(), strict=True)
            ]
        )
        order = np.argsort(which, kind="stable")
        rank = np.empty(n, np.int64)
        rank[order] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        passing: npt.NDArray[np.bool_] = rank < grants[which]
        return passing

    def _grant(self, source: int, wanted: int, now_ns: int) -> int:
        bucket = self._buckets.get(source)
        own = bucket is not None or self._room(now_ns)
        tokens, at_ns = bucket or ((float(self._rate), now_ns) if own else self._strangers)
        passed = max(now_ns - at_ns, 0)
        tokens = min(tokens + passed * self._rate / SECOND_NS, float(self._rate))
        granted = min(wanted, int(tokens))
        if own:
            self._buckets[source] = (tokens - granted, now_ns)
        else:
            self._strangers = (tokens - granted, now_ns)
        return granted

    def _room(self, now_ns: int) -> bool:
        """Whether a new source gets a bucket; full ones are as good as none and are dropped."""
        if len(self._buckets) < self._most:
            return True
        if now_ns - self._swept_ns >= SECOND_NS:
            self._swept_ns = now_ns
            self._buckets = {
                source: (tokens, at_ns)
                for source, (tokens, at_ns) in self._buckets.items()
                if tokens + (now_ns - at_ns) * self._rate / SECOND_NS < self._rate
            }
        return len(self._buckets) < self._most
