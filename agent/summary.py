"""From a finished train to its records: counters, statistics, validity. Pure, sans-I/O.

A train is invalid when the agent or a clock spoiled it (`REASONS`), and then leaves the
statistics of the network; what the network did, an unreachable target included, is valid and
counts. `FLAGS` tell a reader what to know and spoil nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from agent.samples import Int64Array, ReflectorFacts, StampSource, Status, TrainPlan, TrainSamples
from agent.statistics import BoolArray, delay_figures, reordered
from timeseries.records import DelayFigures, SampleRecord, TrainRecord

MISSED_SLOT = "missed-slot"
UNRESOLVED = "unresolved"
SEND_ERRORS = "send-errors"
OVERRUN = "overrun"
LOCAL_DROPS = "local-drops"
CLOCK_STEP = "clock-step"
NEGATIVE_DELAY = "negative-delay"

REASONS = {
    MISSED_SLOT: "the slot was overrun and nothing was sent",
    UNRESOLVED: "the target's name had no address, now or before, and nothing was sent",
    SEND_ERRORS: "packets of the plan were refused by the own kernel or never handed to it",
    OVERRUN: "a packet left later than its spacing and 20 ms after it was due",
    LOCAL_DROPS: "the own receive buffer dropped datagrams while the train was out",
    CLOCK_STEP: "the own clock was stepped during the train",
    NEGATIVE_DELAY: "a round trip, or the reflector's stay, came out below zero",
}
"""Every reason for which a train is invalid, in the order in which records list them."""

ADDRESS_KEPT = "address-kept"
USERLAND_TX = "userland-tx"
USERLAND_RX = "userland-rx"
REFLECTOR_SWAPPED = "reflector-swapped"
ONE_WAY_UNJUDGED = "one-way-unjudged"
ICMP_ERRORS = "icmp-errors"
CLOCK_UNSYNCHRONISED = "clock-unsynchronised"
SPOOFED = "spoofed"
SAME_CLOCK = "same-clock"
REFUSED = "refused"

FLAGS = {
    ADDRESS_KEPT: "the name did not resolve; its last good address was used",
    USERLAND_TX: "a packet has no kernel TX stamp; its delay includes this host's send path",
    USERLAND_RX: "a reply has no kernel RX stamp; its delay includes this host's wake-up",
    REFLECTOR_SWAPPED: "the reflector exchanges T1 and T3; there are no one-way figures",
    ONE_WAY_UNJUDGED: "the limit is one-way, and the clocks do not allow to judge by it",
    ICMP_ERRORS: "packets drew ICMP errors",
    CLOCK_UNSYNCHRONISED: "the kernel says that the own clock is not synchronised",
    SPOOFED: "replies named this train with a wrong key or from another address",
    SAME_CLOCK: "both ends read this host's clock, so the one-way error is 0 by construction",
    REFUSED: "the host refused a TCP connection: it is there, the application is not",
}
"""What a reader should know and that spoils nothing, in the order in which records list it."""

OVERRUN_FLOOR_NS = 20_000_000
"""A packet may be late by its spacing; at dense spacings by 20 ms, one voice frame."""
STEP_FLOOR_NS = 1_000_000
STEP_PPM = 600
"""Above what a clock under correction can drift: the kernel slews by at most 500 ppm."""


@dataclass(frozen=True, slots=True)
class TrainContext:
    """What the configuration and the contract say about a path's trains."""

    agent: str
    pas: str
    service: str
    peer: str
    endpoint: str
    target: str
    """As configured: a name or an address."""
    limit_ns: int | None
    """The delay limit to count `within_limit` by; None where the contract has none."""
    limit_on: Literal["rtt", "one-way"] = "rtt"
    one_way_tolerance: Fraction = Fraction(1, 10)
    """Share of a one-way limit that the clock error of both ends may take."""
    same_clock: bool = False
    """The reflector runs on this very host: both ends read one clock, and its error from UTC
    cancels out of every one-way delay. Nothing on the wire proves it, so only who started both
    ends may say so."""


@dataclass(frozen=True, slots=True)
class OneWay:
    """Both directions of a train, and how far their figures can be trusted."""

    forward: DelayFigures | None = None
    backward: DelayFigures | None = None
    error_ns: int | None = None
    judged: bool = False


def summarise(samples: TrainSamples, context: TrainContext) -> TrainRecord:
    """The train's record.

    Every packet with status RECEIVED must carry both stamps. Where a delay came out negative the
    record keeps its counters and has no delay figures at all: some stamp is wrong, and which one
    cannot be told.
    """
    plan = samples.plan
    status = samples.status.tobytes()
    sent = plan.packets - status.count(Status.UNSENT)
    received = status.count(Status.RECEIVED)
    late = status.count(Status.LATE)
    in_time = samples.status == int(Status.RECEIVED)
    lateness_max_ns = _lateness_max(samples, sent)
    rtt_ns = samples.rtt_ns
    negative = _has_negative_delay(samples, rtt_ns, in_time)
    reasons = invalid_reasons(samples, sent, lateness_max_ns, negative)
    if negative:
        rtt, one_way = DelayFigures(), OneWay()
    else:
        limit_ns = context.limit_ns if context.limit_on == "rtt" else None
        rtt = delay_figures(rtt_ns, samples.rx_ns, in_time, limit_ns)
        one_way = one_way_figures(samples, context, in_time)
    tx_kernel = samples.tx_source.tobytes().count(StampSource.KERNEL)
    rx_kernel = samples.rx_source.tobytes().count(StampSource.KERNEL)
    unjudged = (
        context.limit_on == "one-way"
        and context.limit_ns is not None
        and received > 0
        and not one_way.judged
    )
    raised = {
        ADDRESS_KEPT: samples.address_kept,
        USERLAND_TX: tx_kernel < sent,
        USERLAND_RX: rx_kernel < received + late,
        REFLECTOR_SWAPPED: samples.reflector is not None and samples.reflector.swapped,
        ONE_WAY_UNJUDGED: unjudged,
        ICMP_ERRORS: bool(samples.icmp_errors),
        CLOCK_UNSYNCHRONISED: not samples.clock.synchronised,
        SPOOFED: samples.spoofed > 0,
        SAME_CLOCK: context.same_clock and one_way.forward is not None,
        REFUSED: samples.refused > 0,
    }
    lost_forward, lost_backward = loss_by_direction(samples) or (None, None)
    return TrainRecord(
        agent=context.agent,
        path=plan.path,
        pas=context.pas,
        service=context.service,
        peer=context.peer,
        endpoint=context.endpoint,
        method=plan.method,
        target=context.target,
        address=plan.address,
        start_ns=int(samples.start_ns),
        planned=plan.packets,
        sent=sent,
        received=received,
        lost=sent - received,
        late=late,
        duplicates=int(samples.duplicates),
        reordered=reordered(samples.rx_ns, in_time),
        corrupted=int(samples.corrupted),
        spoofed=int(samples.spoofed),
        limit_ns=context.limit_ns,
        limit_on=context.limit_on,
        rtt=rtt,
        forward=one_way.forward,
        backward=one_way.backward,
        one_way_error_ns=one_way.error_ns,
        one_way_judged=one_way.judged,
        lost_forward=lost_forward,
        lost_backward=lost_backward,
        valid=not reasons,
        reasons=reasons,
        flags=tuple(flag for flag, up in raised.items() if up),
        tx_kernel=tx_kernel,
        rx_kernel=rx_kernel,
        t3_kernel=samples.t3_source.tobytes().count(StampSource.KERNEL),
        lateness_max_ns=lateness_max_ns,
        local_drops=int(samples.local_drops),
        clock_step_ns=int(samples.clock_step_ns),
        clock_synchronised=samples.clock.synchronised,
        clock_error_ns=samples.clock.error_ns,
        icmp_errors=tuple(
            (e.version, e.type, e.code, e.origin, e.count) for e in samples.icmp_errors
        ),
        send_errors=tuple(sorted(samples.send_errors.items())),
    )


def sample_record(samples: TrainSamples, agent: str) -> SampleRecord:
    """The train's single packets, under the same identity as its record."""
    return SampleRecord(
        agent=agent,
        path=samples.plan.path,
        start_ns=int(samples.start_ns),
        status=tuple(samples.status.tolist()),
        tx_ns=tuple(samples.tx_ns.tolist()),
        rx_ns=tuple(samples.rx_ns.tolist()),
        tx_source=tuple(samples.tx_source.tolist()),
        rx_source=tuple(samples.rx_source.tolist()),
        t2_ns=tuple(samples.t2_ns.tolist()),
        t3_ns=tuple(samples.t3_ns.tolist()),
    )


def invalid_reasons(
    samples: TrainSamples, sent: int, lateness_max_ns: int, negative_delay: bool
) -> tuple[str, ...]:
    """Which of `REASONS` hold.

    A packet that was never sent though the train was neither missed nor unresolved counts as a
    send error, whatever was noted beside it: a train with fewer packets than its plan is not the
    measurement that was asked for.
    """
    plan = samples.plan
    nothing_tried = samples.missed or samples.unresolved
    spoiled = {
        MISSED_SLOT: samples.missed,
        UNRESOLVED: samples.unresolved,
        SEND_ERRORS: any(samples.send_errors.values())
        or (sent < plan.packets and not nothing_tried),
        OVERRUN: lateness_max_ns > max(plan.spacing_ns, OVERRUN_FLOOR_NS),
        LOCAL_DROPS: samples.local_drops > 0,
        CLOCK_STEP: abs(samples.clock_step_ns) > step_allowance_ns(plan),
        NEGATIVE_DELAY: negative_delay,
    }
    return tuple(reason for reason, so in spoiled.items() if so)


def step_allowance_ns(plan: TrainPlan) -> int:
    """How far the wall clock may move against the monotonic one during a train of this plan.

    1 ms, and 600 ppm of the longest time the train can take (until the last packet's timeout).
    """
    duration_ns = (plan.packets - 1) * plan.spacing_ns + plan.timeout_ns
    return STEP_FLOOR_NS + duration_ns * STEP_PPM // 1_000_000


def one_way_figures(samples: TrainSamples, context: TrainContext, received: BoolArray) -> OneWay:
    """Forward (T2 - tx) and backward (rx - T3) delay (RFC 7679), where the clocks allow it.

    Both clocks must be synchronised with a stated error, and the reflector's stamps in place.
    The error is the sum of both ends' errors; it is 0 where both ends read the same clock,
    synchronised or not. `within_limit` is counted only where that error is
    at most the tolerated share of a one-way limit. A delay further below zero than the error
    proves the stated error wrong: then there are no figures.
    """
    reflector = samples.reflector
    if reflector is None or reflector.swapped:
        return OneWay()
    error_ns = 0 if context.same_clock else _clock_error_ns(samples, reflector)
    if error_ns is None:
        return OneWay()
    stamped = received & (samples.t2_ns > 0) & (samples.t3_ns > 0)
    if not stamped.any():
        return OneWay()
    forward_ns = samples.t2_ns - samples.tx_ns
    backward_ns = samples.rx_ns - samples.t3_ns
    if min(forward_ns[stamped].min(), backward_ns[stamped].min()) < -error_ns:
        return OneWay()
    limit_ns = context.limit_ns if context.limit_on == "one-way" else None
    judged = limit_ns is not None and error_ns <= context.one_way_tolerance * limit_ns
    judged_by = limit_ns if judged else None
    return OneWay(
        forward=delay_figures(forward_ns, samples.t2_ns, stamped, judged_by),
        backward=delay_figures(backward_ns, samples.rx_ns, stamped, judged_by),
        error_ns=error_ns,
        judged=judged,
    )


def _clock_error_ns(samples: TrainSamples, reflector: ReflectorFacts) -> int | None:
    """What both ends together may be off by, None where one of them cannot tell."""
    if not (reflector.synchronised and samples.clock.synchronised):
        return None
    if reflector.error_ns is None or samples.clock.error_ns is None:
        return None
    return samples.clock.error_ns + reflector.error_ns


def loss_by_direction(samples: TrainSamples) -> tuple[int, int] | None:
    """Packets lost (on the way there, on the way back), or None where that cannot be told.

    A stateful reflector numbers the requests that reach it (RFC 8762, section 4.3). Between two
    replies, the step of its numbers says how many requests arrived; what was sent beyond that
    was lost on the way there, and what arrived without a reply here was lost on the way back.
    Both add up to the packets of which nothing was ever seen (a late reply is in neither).

    Told only where every unseen packet is provably on one side: the last packet sent has a reply
    (a tail has no later number to show it), and so has the first, unless the first reply carries
    number 0 (the count need not start with this train). None also where the numbers do not rise
    with ours (reordered there, or the reflector restarted) and where duplicates came (one made on
    the way there was counted twice). A request that the reflector refused (rate limit, allow list)
    looks like loss on the way there.
    """
    if samples.reflector is None or not samples.reflector.stateful or samples.duplicates:
        return None
    sent = samples.status != int(Status.UNSENT)
    seen = sent & (samples.status != int(Status.LOST))
    # Rank among the packets sent, for those that were answered.
    rank = (np.cumsum(sent) - 1)[seen]
    number = samples.reflector_seq[seen]
    if rank.size == 0 or number[0] < 0 or (number[1:] <= number[:-1]).any():
        return None
    head, last = int(rank[0]), int(rank[-1])
    if last != int(sent.sum()) - 1 or (head > 0 and number[0] != 0):
        return None
    arrived = int(number[-1]) - int(number[0]) + 1
    lost_forward = last + 1 - arrived
    lost_backward = arrived - int(rank.size)
    return (lost_forward, lost_backward) if lost_forward >= 0 <= lost_backward else None


def _lateness_max(samples: TrainSamples, sent: int) -> int:
    if sent == 0:
        return 0
    if sent == samples.plan.packets:
        return int(samples.lateness_ns.max())
    return int(samples.lateness_ns[samples.status != int(Status.UNSENT)].max())


def _has_negative_delay(samples: TrainSamples, rtt_ns: Int64Array, received: BoolArray) -> bool:
    """A clock went backwards between two stamps: ours (round trip) or the reflector's (stay)."""
    if bool((rtt_ns[received] < 0).any()):
        return True
    if samples.plan.method != "stamp":
        return False
    t2_ns, t3_ns = samples.t2_ns, samples.t3_ns
    return bool((received & (t2_ns > 0) & (t3_ns > 0) & (t3_ns < t2_ns)).any())
