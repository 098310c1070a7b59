"""Issue figure 7: what pasprobe reports of a train, against what captures say happened to it.

Two namespaces on the lab's TUN link, a preset each; `pasprobe ping` and `pasprobe stamp` measure
over it at the same time, tcpdump watches both ends. The truth is `benchmarks.verdict_truth`; the
lab's own log is not read. The verdict is that of ip-base: share of the received packets within the
round-trip limit of the profile, and the share lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from agent.lab.profiles import overridden, preset
from analysis.catalogue_rows import PathLimits, load_catalogue
from benchmarks import Unavailable
from benchmarks.capture import FLUSH_S
from benchmarks.hosts import PASPROBE, ROOT, need, start
from benchmarks.verdict_truth import STAMP_PORT, Seen, Truth, read_capture, truth_of
from inventory.services import Profile

NAME = "verdicts"
GOALS = {
    "counters that differ from the captures": ("==", 0.0),
    "verdicts that differ from the captures": ("==", 0.0),
}

PACKETS = 1000
INTERVAL_S = "0.01"
NEAR, FAR = "10.99.0.1", "10.99.0.2"
METHODS = ("icmp", "stamp")
PERCENTS = (50, 95, 99)
COUNTERS = ("sent", "received", "lost", "late", "duplicates", "reordered")
FIGURES = (
    "min", "mean", "p50", "p95", "p99", "max", "stddev", "ipdv_mean", "ipdv_p95", "pdv_p99",
    "jitter_rfc3550",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One link, and how it is measured."""

    name: str
    profile: str
    lab: tuple[str, ...] = ()
    timeout_ms: int = 3000
    overrides: tuple[tuple[str, float | bool], ...] = ()
    """What `lab` says, for the theory (`agent.lab.profiles.overridden`)."""

    @property
    def limits(self) -> PathLimits:
        """The limits of ip-base for this access profile."""
        access = cast("Profile", self.profile.removesuffix("-breach"))
        return load_catalogue().limits_for("ip-base", access, None)


_FREE = ("--free-order",)
"""Without it each packet waits for the one before, and the delays are not the configured ones."""
CASES = (
    *(
        Case(f"{name}{kind}", f"{name}{kind}", _FREE)
        for kind in ("", "-breach")
        for name in ("high", "medium", "base", "base-satellite")
    ),
    Case("high-breach, timeout 0.35 s", "high-breach", _FREE, timeout_ms=350),
    Case("high, in order, 2 % lost", "high", ("--loss", "0.02"), overrides=(("loss", 0.02),)),
    Case(
        "base, 2 % doubled, 3 % held back, loss in bursts",
        "base",
        (
            "--duplicate", "0.02", "--reorder", "0.03", "--reorder-by", "40",
            "--loss", "0.01", "--loss-burst", "4",
        ),
        overrides=(
            ("duplicate", 0.02), ("reorder", 0.03), ("reorder_by_ms", 40.0),
            ("loss", 0.01), ("loss_burst", 4.0),
        ),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """One train: what was reported, what is true."""

    case: Case
    method: str
    reported: dict[str, Any]
    truth: Truth

    def counter_errors(self) -> dict[str, int]:
        """Reported less true, where they differ."""
        pairs = {name: (self.reported[name], getattr(self.truth, name)) for name in COUNTERS}
        for name in ("lost_forward", "lost_backward"):
            if self.reported[name] is not None:
                pairs[name] = (self.reported[name], getattr(self.truth, name))
        return {name: said - true for name, (said, true) in pairs.items() if said != true}

    def figure_errors_ns(self) -> dict[str, Fraction]:
        """Reported less true of every delay figure."""
        return {
            name: _reported_ns(self.reported, name) - true
            for name, true in self.truth.figures.items()
        }

    def packet_errors_ns(self, *, followed_up: bool) -> list[int]:
        """Absolute error of each single packet, of those with or without the reflector's kernel
        stamp (ICMP has none to miss)."""
        samples = self.reported["samples"]
        return [
            abs(samples[number]["rtt_ns"] - true)
            for number, true in self.truth.round_trips.items()
            if (samples[number]["stamp"].get("t3", "kernel") == "kernel") is followed_up
        ]

    def verdicts(self) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
        """(delay kept, loss kept) as reported, and as true."""
        return (
            _verdict(self.case.limits, *(self.reported[name] for name in _JUDGED)),
            _verdict(self.case.limits, *(getattr(self.truth, name) for name in _JUDGED)),
        )


_JUDGED = ("sent", "received", "lost", "within_limit")


def _verdict(
    limits: PathLimits, sent: int, received: int, lost: int, within: int
) -> tuple[bool, bool]:
    share, most_lost = limits.delay_share_percent, limits.loss_percent
    if share is None or most_lost is None:
        raise ValueError("ip-base has a delay and a loss limit for every profile")
    return (
        received > 0 and Fraction(100 * within, received) >= Fraction(share),
        sent > 0 and Fraction(100 * lost, sent) <= Fraction(most_lost),
    )


def _reported_ns(reported: dict[str, Any], name: str) -> Fraction:
    place = reported["rtt_ms"] if name in reported["rtt_ms"] else reported
    value = place[name] if place is reported["rtt_ms"] else place[f"{name}_ms"]
    return Fraction(Decimal(str(value))) * 1_000_000


def run_once() -> dict[str, float | str]:
    """Measure every case once; prints each train in full."""
    _need()
    outcomes = [outcome for case in CASES for outcome in _measure(case)]
    for outcome in outcomes:
        _print(outcome)
    return _figures(outcomes)


def _need() -> None:
    need("tcpdump")
    if not Path("/dev/net/tun").exists():
        raise Unavailable("verdicts need /dev/net/tun: modprobe tun")


def _figures(outcomes: list[Outcome]) -> dict[str, float | str]:
    figures: dict[str, float | str] = {
        "trains": len(outcomes),
        "packets": sum(outcome.truth.sent for outcome in outcomes),
        "counters that differ from the captures": sum(
            len(outcome.counter_errors()) for outcome in outcomes
        ),
        "packets on the wrong side of the limit": sum(
            abs(outcome.reported["within_limit"] - outcome.truth.within_limit)
            for outcome in outcomes
        ),
        "verdicts that differ from the captures": sum(
            outcome.verdicts()[0] != outcome.verdicts()[1] for outcome in outcomes
        ),
        "breaches among the verdicts": sum(
            not kept for outcome in outcomes for kept in outcome.verdicts()[1]
        ),
        "trains found invalid": sum(not outcome.reported["valid"] for outcome in outcomes),
    }
    for method, followed_up, name in _GROUPS:
        packets = sorted(
            error
            for outcome in outcomes
            if outcome.method == method
            for error in outcome.packet_errors_ns(followed_up=followed_up)
        )
        figures[f"{name}: packets"] = len(packets)
        for percent in PERCENTS:
            if packets:
                error = packets[-(-percent * len(packets) // 100) - 1]
                figures[f"{name}: p{percent} error of a packet (µs)"] = round(error / 1000, 3)
    for method in METHODS:
        mine = [outcome.figure_errors_ns() for outcome in outcomes if outcome.method == method]
        for name in FIGURES:
            errors = sorted(abs(errors[name]) for errors in mine if name in errors)
            figures[f"{method} {name}: median error (µs)"] = _us(errors[len(errors) // 2])
            figures[f"{method} {name}: largest error (µs)"] = _us(errors[-1])
    return figures


_GROUPS = (
    ("icmp", True, "icmp"),
    ("stamp", True, "stamp with follow-up"),
    ("stamp", False, "stamp, follow-up missing"),
)


def _us(ns: Fraction) -> float:
    return round(float(ns / 1000), 3)


def _measure(case: Case) -> list[Outcome]:
    limit = case.limits.delay_ms
    if limit is None:
        raise ValueError(f"ip-base has no delay limit for {case.profile}")
    with (
        tempfile.TemporaryDirectory(prefix="pp-verdicts-") as folder,
        _namespaces() as (near, far),
        _lab(case, near, far),
    ):
        taps = {near: Path(folder, "near.pcap"), far: Path(folder, "far.pcap")}
        options = [
            "-c", str(PACKETS), "-i", INTERVAL_S, "--json", "--samples",
            "--limit", str(limit), "--timeout", str(case.timeout_ms / 1000),
        ]  # fmt: skip
        with contextlib.ExitStack() as stack:
            for netns, device in ((near, "pplab0"), (far, "pplab1")):
                stack.enter_context(_capture(netns, device, taps[netns]))
            stack.enter_context(_reflector(far))
            senders = {
                "icmp": start(near, [PASPROBE, "ping", FAR, *options]),
                "stamp": start(near, [PASPROBE, "stamp", FAR, "--follow-up", *options]),
            }
            reported = {method: _report(method, sender) for method, sender in senders.items()}
        seen: dict[str, list[Seen]] = {n: list(read_capture(path)) for n, path in taps.items()}
        timeout_ns, limit_ns = case.timeout_ms * 1_000_000, int(limit * 1_000_000)
        return [
            Outcome(
                case,
                method,
                reported[method],
                truth_of(seen[near], seen[far], method, timeout_ns, limit_ns),
            )
            for method in METHODS
        ]


def _report(method: str, sender: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = sender.communicate(timeout=120)
    if sender.returncode not in (0, 1):
        raise RuntimeError(f"pasprobe {method}: {err}")
    return cast("dict[str, Any]", json.loads(out))


@contextlib.contextmanager
def _namespaces() -> Iterator[tuple[str, str]]:
    near, far = (f"pp-verdict-{end}-{os.getpid()}" for end in ("near", "far"))
    try:
        for netns in (near, far):
            subprocess.run(["ip", "netns", "add", netns], check=True)
            subprocess.run(["ip", "-n", netns, "link", "set", "lo", "up"], check=True)
        yield near, far
    finally:
        for netns in (near, far):
            subprocess.run(["ip", "netns", "del", netns], check=False, capture_output=True)


@contextlib.contextmanager
def _lab(case: Case, near: str, far: str) -> Iterator[None]:
    words = [
        "lab", "--profile", case.profile, *case.lab, "--json", "--tun",
        "--near", f"{NEAR}/30", "--far", f"{FAR}/30", "--near-netns", near, "--far-netns", far,
    ]  # fmt: skip
    lab = subprocess.Popen([PASPROBE, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with _stopped(lab):
        if not _line(lab.stdout):
            raise RuntimeError("the lab did not start")
        yield


@contextlib.contextmanager
def _reflector(far: str) -> Iterator[None]:
    words = ["reflect", "--json", "--stateful", "--listen", f"{FAR}:{STAMP_PORT}"]
    reflector = start(far, [PASPROBE, *words, "--allow", f"{NEAR}/32"])
    with _stopped(reflector):
        if not _line(reflector.stdout):
            raise RuntimeError("the reflector did not start")
        yield


@contextlib.contextmanager
def _capture(netns: str, device: str, path: Path) -> Iterator[None]:
    words = [
        "tcpdump", "-i", device, "-n", "-s", "256", "-B", "16384", "-Z", "root",
        "--time-stamp-precision=nano", "-w", str(path), "ip",
    ]  # fmt: skip
    tap = start(netns, words)
    try:
        while "listening on" not in (line := _line(tap.stderr)):
            if not line:
                raise RuntimeError("tcpdump did not start")
        yield
        time.sleep(FLUSH_S)
    finally:
        tap.terminate()
        _, said = tap.communicate(timeout=30)
    if not re.search(r"^0 packets dropped by kernel", said, re.MULTILINE):
        raise RuntimeError(f"the capture is not complete: {said}")


@contextlib.contextmanager
def _stopped(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _line(stream: Any) -> str:
    return cast("str", stream.readline())


def _link(outcome: Outcome) -> dict[str, Any]:
    """What the link was configured to do, and what the captures say it did, by direction."""
    case, truth = outcome.case, outcome.truth
    profile = overridden(preset(case.profile), **dict(case.overrides))  # type: ignore[arg-type]
    link = {}
    for name in ("forward", "backward"):
        direction, delays = getattr(profile, name), truth.one_way[name]
        link[name] = {
            f"p{percent}_ms": [
                round(direction.delay.quantile_ns(percent / 100) / 1e6, 3),
                round(delays[-(-percent * len(delays) // 100) - 1] / 1e6, 3),
            ]
            for percent in PERCENTS
        } | {
            "loss_percent": [
                round(100 * direction.loss.mean, 3),
                round(100 * getattr(truth, f"lost_{name}") / truth.sent, 3),
            ]
        }
    return link


def _print(outcome: Outcome) -> None:
    """One line of JSON: every pair is [captured, reported], of the link [configured, captured]."""
    truth, reported = outcome.truth, outcome.reported
    said, true = outcome.verdicts()
    line = {
        "case": outcome.case.name,
        "method": outcome.method,
        "link": _link(outcome),
        "counters": {
            name: [getattr(truth, name), reported[name]]
            for name in (*COUNTERS, "lost_forward", "lost_backward", "within_limit")
        },
        "limit_ms": float(reported["limit_ms"]),
        "figures_ms": {
            name: [float(figure) / 1e6, float(_reported_ns(reported, name)) / 1e6]
            for name, figure in truth.figures.items()
        },
        "errors_us": {name: _us(error) for name, error in outcome.figure_errors_ns().items()},
        "delay_kept": [true[0], said[0]],
        "loss_kept": [true[1], said[1]],
        "t3_kernel": reported["clock"]["t3_kernel"],
        "invalid": reported["reasons"],
        "flags": reported["flags"],
    }
    print(json.dumps(line))
