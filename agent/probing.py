"""One-off trains: resolve the targets, measure them together, judge each by an optional limit."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from agent.engine.loop import Engine
from agent.engine.timing import GRID_NS, monotonic_now_ns, on_grid
from agent.errors import ProbeError
from agent.kernel.addresses import version_of
from agent.kernel.clock import clock_state
from agent.samples import Method, StampOptions, TrainPlan, TrainSamples
from agent.summary import TrainContext, summarise
from agent.wire import icmp
from timeseries.records import TrainRecord

LEAD_NS = 2_000_000
"""Between taking the trains and the first packet,"""
LEAD_PER_TRAIN_NS = 20_000
LEAD_PER_PACKET_NS = 2_000
"""and twice what a core was seen to take to build them: otherwise the first packets of a large
measurement leave late, and its trains are invalid for an overrun that is none of the network's."""
CROWD = 100
"""Beyond so many targets the trains start on a coarser grid, so that a system call has some work:
packets to different targets leave together, each target's own spacing stays exact."""
CROWD_GRID_NS = 5 * GRID_NS
SHOWN_EVERY_NS = 200_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent to each of the targets."""

    method: Method
    packets: int
    spacing_ns: int
    size: int
    timeout_ns: int
    dscp: int = 0
    limit_ns: int | None = None
    stamp: StampOptions | None = None
    family: int = socket.AF_UNSPEC


@dataclass(frozen=True, slots=True)
class Target:
    """One far end as the user named it, and what it resolved to."""

    name: str
    port: int
    address: str = ""
    error: str = ""
    """Why there is no address."""


@dataclass(slots=True)
class Progress:
    """What has happened so far, for a live line."""

    planned: int
    sent: int = 0
    answered: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What one target's train came to."""

    record: TrainRecord
    samples: TrainSamples
    target: Target

    @property
    def reached(self) -> bool:
        """Whether any packet came back."""
        return self.record.received > 0

    def within(self, share: Fraction) -> bool:
        """Whether at least this share of the received packets kept the limit."""
        counted = self.record.rtt.within_limit
        if counted is None:
            return True
        return self.reached and Fraction(counted, self.record.received) >= share


def checked(request: Request) -> Request:
    """The request, with the smallest size that fits where it asks for none (size 0).

    Raises ProbeError for sizes that the method cannot have.
    """
    if request.method == "icmp":
        size = request.size or 64
        if not icmp.MIN_SIZE <= size <= icmp.MAX_SIZE:
            raise ProbeError(
                f"size {size}: an ICMP probe has {icmp.MIN_SIZE} to {icmp.MAX_SIZE} octets"
            )
        return replace(request, size=size)

    from agent.wire.tlv import SenderTlvs, least_size, shape

    options = request.stamp or StampOptions()
    tlvs = SenderTlvs(
        timestamp_information=options.timestamp_information,
        class_of_service=request.dscp if options.class_of_service else None,
        follow_up=options.follow_up,
    )
    authenticated = options.auth_key is not None
    size = request.size or least_size(authenticated, tlvs)
    shape(size, authenticated, tlvs)
    return replace(request, size=size, stamp=options)


def split_host_port(text: str, default_port: int) -> tuple[str, int]:
    """`host`, `host:port`, `[v6]:port` or a bare IPv6 address. Raises ProbeError."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ProbeError(f"{text!r}: write [address]:port")
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host:
        raise ProbeError(f"{text!r} names no host")
    if not port:
        return host, default_port
    if not (port.isdecimal() and 1 <= int(port) <= 65_535):
        raise ProbeError(f"{text!r}: a port is a number from 1 to 65535")
    return host, int(port)


def resolve(names: Sequence[tuple[str, int]], family: int) -> list[Target]:
    """The first address of each name, looked up side by side; a failure stays with its target."""

    def one(name: str, port: int) -> Target:
        try:
            found = socket.getaddrinfo(name, port, family, socket.SOCK_DGRAM)
        except (socket.gaierror, UnicodeError) as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else "no valid name"
            return Target(name, port, error=f"{name}: {reason}; check the name and the resolver")
        return Target(name, port, address=str(found[0][4][0]))

    def literal(name: str) -> bool:
        try:
            version = version_of(name)
        except ProbeError:
            return False
        return "%" not in name and family in (
            socket.AF_UNSPEC, socket.AF_INET if version == 4 else socket.AF_INET6,
        )  # fmt: skip

    if all(literal(name) for name, _ in names):
        return [Target(name, port, address=name) for name, port in names]

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=16) as pool:
        return list(pool.map(one, *zip(*names, strict=True)))


def measure(
    targets: Iterable[Target],
    request: Request,
    show: Callable[[Progress], None] | None = None,
) -> Iterator[Result]:
    """Send one train to each target, all at the same time, and yield the results in their order.

    Phases are random within one spacing, so that targets do not hear us in step.
    """
    all_targets = list(targets)
    known = [target for target in all_targets if target.address]
    plans = [_plan(target, request) for target in known]
    engine = Engine(early=True)
    finished: dict[int, TrainSamples] = {}
    number = {id(plan): n for n, plan in enumerate(plans)}
    progress = Progress(planned=sum(plan.packets for plan in plans))
    try:
        grid = CROWD_GRID_NS if len(plans) > CROWD else GRID_NS
        lead_ns = LEAD_NS + LEAD_PER_TRAIN_NS * len(plans) + LEAD_PER_PACKET_NS * progress.planned
        first_ns = monotonic_now_ns() + lead_ns
        engine.add([(plan, _start(first_ns, request, grid, len(plans))) for plan in plans])
        while engine.busy:
            for samples in engine.step(monotonic_now_ns() + SHOWN_EVERY_NS):
                finished[number[id(samples.plan)]] = samples
            if show is not None:
                progress.sent, progress.answered = engine.sent, engine.answered
                show(progress)
    finally:
        engine.close()
    at = iter(range(len(plans)))
    for target in all_targets:
        if target.address:
            samples = finished[next(at)]
        else:
            samples = TrainSamples.empty(_plan(target, request), 0, clock_state())
            samples.unresolved = True
        yield Result(summarise(samples, _context(target, request)), samples, target)


def _plan(target: Target, request: Request) -> TrainPlan:
    return TrainPlan(
        path=target.name,
        method=request.method,
        address=target.address,
        packets=request.packets,
        spacing_ns=request.spacing_ns,
        size=request.size,
        timeout_ns=request.timeout_ns,
        dscp=request.dscp,
        port=target.port,
        stamp=request.stamp,
    )


def _start(now_ns: int, request: Request, grid_ns: int, targets: int) -> int:
    phases = request.spacing_ns // grid_ns
    if targets == 1 or phases < 2:
        return on_grid(now_ns)
    # Not `secrets`: it costs 5 ms of every start for the HMACs that it brings along.
    return on_grid(now_ns) + int.from_bytes(os.urandom(8)) % phases * grid_ns


def _context(target: Target, request: Request) -> TrainContext:
    return TrainContext(
        agent="", pas="", service="", peer="", endpoint="",
        target=target.name, limit_ns=request.limit_ns,
    )  # fmt: skip
