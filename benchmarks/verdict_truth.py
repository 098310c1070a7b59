"""The truth of one train, from captures on both sides of the link: nothing of pasprobe in it.

Reads two files of `tcpdump -w --time-stamp-precision=nano` taken on TUN devices (link type RAW),
pairs requests with replies, and works out every figure from the RFC texts in plain Python. It
shares no line with `agent/`: where the two agree, it is not because they are one program.
"""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

PCAP_NANOSECONDS = 0xA1B23C4D
LINKTYPE_RAW = 101
ICMP, UDP = 1, 17
STAMP_PORT = 862
_UINT32 = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Seen:
    """One probe packet at one tap."""

    at_ns: int
    method: str
    train: int
    """ICMP identifier or the sender's UDP port."""
    sequence: int
    """The sender's: of a STAMP reply the word at offset 24 (RFC 8762, section 4.3.1)."""
    reply: bool
    octets: bytes
    """What tells this reply from a copy of another: all that follows the IP header."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened to one train, times in nanoseconds."""

    sent: int
    received: int
    lost: int
    """Sent, and no reply within the timeout."""
    late: int
    duplicates: int
    reordered: int
    lost_forward: int
    """Never seen behind the link."""
    lost_backward: int
    """Answered behind the link; nothing of it ever came back."""
    within_limit: int
    figures: dict[str, Fraction]
    """min, mean, p50, p95, p99, max, stddev, ipdv_mean, ipdv_p95, pdv_p99, jitter_rfc3550 of the
    round trip; those that compare packets are absent where fewer than two came."""
    round_trips: dict[int, int]
    """Of each received packet by its number."""
    one_way: dict[str, list[int]]
    """Delays of the link itself by direction, ascending: for the configured distribution."""


def read_capture(path: Path) -> Iterator[Seen]:
    """The probe packets of a capture file, in its order."""
    raw = path.read_bytes()
    magic, *_, link_type = struct.unpack_from("<IHHiIII", raw)
    if magic != PCAP_NANOSECONDS or link_type != LINKTYPE_RAW:
        raise ValueError(f"{path}: no nanosecond capture of a TUN device")
    at = 24
    while at + 16 <= len(raw):
        seconds, nanoseconds, kept, _ = struct.unpack_from("<IIII", raw, at)
        packet = raw[at + 16 : at + 16 + kept]
        at += 16 + kept
        seen = _seen(seconds * 1_000_000_000 + nanoseconds, packet)
        if seen is not None:
            yield seen


def _seen(at_ns: int, packet: bytes) -> Seen | None:
    if len(packet) < 28 or packet[0] >> 4 != 4:
        return None
    body = packet[(packet[0] & 15) * 4 :]
    if packet[9] == ICMP and body[0] in (0, 8):
        train, sequence = struct.unpack_from("!HH", body, 4)
        return Seen(at_ns, "icmp", train, sequence, body[0] == 0, body)
    if packet[9] == UDP:
        source, destination = struct.unpack_from("!HH", body)
        if destination == STAMP_PORT:
            return Seen(at_ns, "stamp", source, _UINT32.unpack_from(body, 8)[0], False, body)
        if source == STAMP_PORT:
            (sequence,) = _UINT32.unpack_from(body, 8 + 24)
            return Seen(at_ns, "stamp", destination, sequence, True, body)
    return None


def truth_of(
    near: Iterable[Seen], far: Iterable[Seen], method: str, timeout_ns: int, limit_ns: int
) -> Truth:
    """What happened to the one train of this method that both captures show."""
    near, far = ([seen for seen in tap if seen.method == method] for tap in (near, far))
    (train,) = {seen.train for seen in near}
    if {seen.train for seen in far} - {train}:
        raise ValueError(f"the captures show more than one {method} train")
    out = {seen.sequence: seen for seen in near if not seen.reply}
    back: dict[int, list[Seen]] = defaultdict(list)
    for seen in near:
        if seen.reply:
            back[seen.sequence].append(seen)
    arrived = _by_sequence(far, reply=False)
    answered = _by_sequence(far, reply=True)

    delays: dict[int, int] = {}
    arrivals: list[tuple[int, int]] = []
    late = duplicates = 0
    for sequence, request in out.items():
        replies = back[sequence]
        if not replies:
            continue
        duplicates += len(replies) - 1
        first = replies[0]
        if first.at_ns - request.at_ns > timeout_ns:
            late += 1
            continue
        stay = _stay(arrived[sequence], answered[sequence], first) if method == "stamp" else 0
        delays[sequence] = first.at_ns - request.at_ns - stay
        arrivals.append((first.at_ns, sequence))
    ordered = [delays[sequence] for sequence in sorted(delays)]
    arrivals.sort()
    return Truth(
        sent=len(out),
        received=len(delays),
        lost=len(out) - len(delays),
        late=late,
        duplicates=duplicates,
        reordered=_reordered([sequence for _, sequence in arrivals]),
        lost_forward=sum(not arrived[sequence] for sequence in out),
        lost_backward=sum(bool(answered[sequence]) and not back[sequence] for sequence in out),
        within_limit=sum(delay <= limit_ns for delay in ordered),
        figures=_figures(ordered, [delays[sequence] for _, sequence in arrivals]),
        round_trips=delays,
        one_way={
            "forward": sorted(
                arrived[sequence][0].at_ns - request.at_ns
                for sequence, request in out.items()
                if arrived[sequence]
            ),
            "backward": sorted(_backward(answered, back)),
        },
    )


def _by_sequence(tap: Iterable[Seen], *, reply: bool) -> dict[int, list[Seen]]:
    found: dict[int, list[Seen]] = defaultdict(list)
    for seen in tap:
        if seen.reply == reply:
            found[seen.sequence].append(seen)
    return found


def _stay(requests: list[Seen], replies: list[Seen], received: Seen) -> int:
    """How long the reflector kept the copy whose reply is `received`.

    Replies to copies of one request differ in T2 and T3; the reflector answers in order.
    """
    place = next(n for n, reply in enumerate(replies) if reply.octets == received.octets)
    return replies[place].at_ns - requests[place].at_ns


def _backward(answered: dict[int, list[Seen]], back: dict[int, list[Seen]]) -> Iterator[int]:
    """Delay of each reply's first copy; the copies of an ICMP reply are alike, so only replies
    that left once are taken."""
    for sequence, replies in answered.items():
        if len(replies) == 1 and back[sequence]:
            yield back[sequence][0].at_ns - replies[0].at_ns


def _reordered(sequences: list[int]) -> int:
    """RFC 4737, section 3.3, word for word: NextExp, and s < NextExp is reordered."""
    next_exp = reordered = 0
    for s in sequences:
        if s >= next_exp:
            next_exp = s + 1
        else:
            reordered += 1
    return reordered


def _figures(delays: list[int], by_arrival: list[int]) -> dict[str, Fraction]:
    """RFC 2681 (delay), RFC 2330 11.3 (percentile of the empirical distribution), RFC 3393 (IPDV
    between consecutive received packets), RFC 5481 4.2 (PDV against the minimum), RFC 3550 6.4.1.
    """
    if not delays:
        return {}

    def percentile(values: list[int], percent: int) -> Fraction:
        # F(x) is the share of values <= x; the percentile is the smallest x with F(x) >= percent.
        enough = percent * len(values)
        return Fraction(
            next(x for x in sorted(values) if 100 * sum(v <= x for v in values) >= enough)
        )

    n = len(delays)
    mean = Fraction(sum(delays), n)
    variance = sum((delay - mean) ** 2 for delay in delays) / n
    figures = {
        "min": Fraction(min(delays)),
        "mean": mean,
        "p50": percentile(delays, 50),
        "p95": percentile(delays, 95),
        "p99": percentile(delays, 99),
        "max": Fraction(max(delays)),
        "stddev": Fraction(math.sqrt(variance)),
    }
    figures["pdv_p99"] = figures["p99"] - figures["min"]
    if n > 1:
        steps = [abs(after - before) for before, after in pairwise(delays)]
        figures["ipdv_mean"] = Fraction(sum(steps), n - 1)
        figures["ipdv_p95"] = percentile(steps, 95)
        jitter = 0.0
        for before, after in pairwise(by_arrival):
            jitter += (abs(after - before) - jitter) / 16
        figures["jitter_rfc3550"] = Fraction(jitter)
    return figures
