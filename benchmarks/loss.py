"""Loss: what pasprobe counts against the kernel's own counters, to the packet.

nftables drops an exact share of the echo requests where they reach the far host; its counters say
how many packets left, how many were dropped and how many replies came back. Then the same without
any drop by the network, but with a receive buffer far too small: what our own socket loses must
show up as local drops, and no train that saw it may be valid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final

from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.samples import TrainPlan, TrainSamples
from agent.summary import TrainContext, summarise
from benchmarks.hosts import PASPROBE, Link, inside, linked, need, run, timed
from timeseries.records import TrainRecord

NAME = "loss"
TARGETS: Final = 100
SPACING_S: Final = 0.005
"""100 targets every 5 ms are 20,000 probes a second."""
EACH: Final = 1000
SHARES: Final = ((1, 100), (30, 100))
"""(dropped, of) in turn: `numgen inc` counts them out, so the share is exact."""
TIMEOUT_S: Final = 1.0
SMALL_BUFFER: Final = 64 << 10
BURST: Final = 1000
"""Targets that one burst goes to; their replies do not fit the small buffer."""
BURSTS: Final = 10
BURST_SPACING_NS: Final = 20_000_000

GOALS: dict[str, tuple[str, float]] = {
    **{
        f"{share} %: {what}": ("==", 0)
        for share, _ in SHARES
        for what in (
            "sent - counted leaving",
            "lost - counted dropped",
            "received - counted returning",
        )
    },
    "small buffer: lost in valid trains": ("==", 0),
    "small buffer: sent - received - local drops": ("==", 0),
    "small buffer: local drops": (">=", 1),
}

_TABLES: Final = {
    "near": """
        table ip bench {
            counter left { }
            counter returned { }
            chain out { type filter hook output priority 0;
                icmp type echo-request counter name left; }
            chain in { type filter hook prerouting priority -300;
                icmp type echo-reply counter name returned; }
        }""",
    "far": """
        table ip bench {
            counter dropped { }
            chain in { type filter hook prerouting priority -300;
                icmp type echo-request numgen inc mod %(of)d < %(dropped)d \
                counter name dropped drop;
            }
        }""",
}


def run_once() -> dict[str, float | str]:
    """Both shares as whole commands, then the small buffer."""
    need("nft")
    figures: dict[str, float | str] = {}
    for dropped, of in SHARES:
        with linked() as link:
            figures |= _share(link, dropped, of)
    with linked() as link:
        figures |= _small_buffer(link)
    return figures


def _share(link: Link, dropped: int, of: int) -> dict[str, float | str]:
    _rules(link.near, _TABLES["near"])
    _rules(link.far, _TABLES["far"] % {"dropped": dropped, "of": of})
    command = [
        PASPROBE, "ping", "--json", "-c", str(EACH), "-i", str(SPACING_S), "-W", str(TIMEOUT_S),
        *link.targets(TARGETS),
    ]  # fmt: skip
    done = timed(link.near, command)
    trains = json.loads(done.stdout)
    counters = _counters(link.near) | _counters(link.far)
    sums = {key: sum(t[key] for t in trains) for key in ("sent", "lost", "received", "local_drops")}
    first, last = (pick(t["start_ns"] for t in trains) for pick in (min, max))
    seconds = (last - first) / 1e9 + EACH * SPACING_S
    print(f"{dropped} of {of} dropped: pasprobe {sums}; nftables {counters}; {seconds:.3f} s")
    invalid = [f"{t['target']} {'+'.join(t['reasons'])}" for t in trains if not t["valid"]]
    print(f"invalid trains: {len(invalid)} {', '.join(invalid)}")
    return {
        f"{dropped} %: sent": sums["sent"],
        f"{dropped} %: lost": sums["lost"],
        f"{dropped} %: received": sums["received"],
        f"{dropped} %: probes per second": sums["sent"] / seconds,
        f"{dropped} %: trains invalid, of {TARGETS}": len(invalid),
        f"{dropped} %: sent - counted leaving": sums["sent"] - counters["left"],
        f"{dropped} %: lost - counted dropped": sums["lost"] - counters["dropped"],
        f"{dropped} %: received - counted returning": sums["received"] - counters["returned"],
    }


def _rules(host: str, table: str) -> None:
    run(host, "nft", table)


def _counters(host: str) -> dict[str, int]:
    listing = json.loads(run(host, "nft", "-j", "list", "counters"))
    return {
        entry["counter"]["name"]: entry["counter"]["packets"]
        for entry in listing["nftables"]
        if "counter" in entry
    }


def _small_buffer(link: Link) -> dict[str, float | str]:
    _rules(link.near, _TABLES["near"])
    records = list(_bursts(link))
    sent, received = sum(r.sent for r in records), sum(r.received for r in records)
    # One socket serves all trains, and all were out together: each saw all of its drops.
    drops = max(r.local_drops for r in records)
    counters = _counters(link.near)
    valid = [r for r in records if r.valid]
    print(
        f"buffer of {SMALL_BUFFER} octets: sent {sent}, received {received}, local drops {drops}, "
        f"valid trains {len(valid)} of {len(records)}; nftables {counters}"
    )
    return {
        "small buffer: sent": sent,
        "small buffer: replies that reached the host": counters["returned"],
        "small buffer: received": received,
        "small buffer: local drops": drops,
        "small buffer: trains invalid for local drops": sum(
            "local-drops" in r.reasons for r in records
        ),
        "small buffer: lost in valid trains": sum(r.lost for r in valid),
        "small buffer: sent - received - local drops": sent - received - drops,
    }


def _bursts(link: Link) -> Iterator[TrainRecord]:
    """A train to each of a thousand targets, all in step."""
    plans = [
        TrainPlan(
            path=address, method="icmp", address=address, packets=BURSTS,
            spacing_ns=BURST_SPACING_NS, size=64, timeout_ns=round(TIMEOUT_S * 1e9),
        )
        for address in link.targets(BURST)
    ]  # fmt: skip
    with inside(link.near):
        engine = Engine(receive_buffer=SMALL_BUFFER)
        try:
            at = on_grid(time.monotonic_ns() + 50_000_000)
            for samples in list(engine.run([(plan, at) for plan in plans])):
                yield summarise(samples, _context(samples))
        finally:
            engine.close()


def _context(samples: TrainSamples) -> TrainContext:
    return TrainContext(
        agent="", pas="", service="", peer="", endpoint="",
        target=samples.plan.address, limit_ns=None,
    )  # fmt: skip
