"""Counters done right: from two readings to what was counted in between, or why nobody knows.

Pure. A gap is told as a gap: no rate is ever made of a counter that began anew, of one that may
have wrapped twice, or of two different units.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TICKS = 2**32
"""sysUpTime counts hundredths of a second modulo this: 497.1 days (RFC 3418)."""
TICK_NS = 10_000_000
TOLERANCE_NS = 5_000_000_000
"""How far a device's clock and ours may differ over one poll and still be one run of it: answers
that are waited for, and hundredths that were counted late."""
DRIFT = 50
"""And beyond that, one part in this of the time between the polls."""


class Continuity(StrEnum):
    """How a device's state follows on the one before."""

    FIRST = "first poll"
    SAME = "same"
    RESTARTED = "restarted"
    SWAPPED = "another unit"
    BROKEN = "the uptime does not follow"
    """Neither a restart nor the same run: another unit answers, or a clock jumped."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What a device says of its run, and our own clock at that time."""

    local_ns: int
    """Monotonic; UTC would make a step of our clock a restart of theirs."""
    uptime: int | None = None
    """sysUpTime in hundredths of a second."""
    boots: int | None = None
    """snmpEngineBoots."""
    engine_s: int | None = None
    """snmpEngineTime."""
    serial: str = ""
    engine_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """From one poll to the next."""

    continuity: Continuity
    elapsed_ns: int
    """By the device's clock, 0 unless the same run goes on."""
    why: str = ""


def follow(before: Clock | None, now: Clock) -> Step:
    """How `now` follows on `before`.

    A changed serial number or engine ID is another unit. A restart is told by snmpEngineBoots and
    snmpEngineTime; sysUpTime, which wraps after 497 days, is asked only where these are absent.
    """
    if before is None:
        return Step(Continuity.FIRST, 0)
    if before.serial and now.serial and before.serial != now.serial:
        return Step(Continuity.SWAPPED, 0, f"serial {before.serial} is now {now.serial}")
    if before.engine_id and now.engine_id and before.engine_id != now.engine_id:
        told = f"engine ID {before.engine_id.hex()} is now {now.engine_id.hex()}"
        return Step(Continuity.SWAPPED, 0, told)
    passed_ns = now.local_ns - before.local_ns
    engine = _by_engine(before, now, passed_ns)
    if engine is Continuity.RESTARTED:
        return Step(engine, 0, _engine_words(before, now))
    uptime, elapsed_ns = _by_uptime(before, now, passed_ns)
    if engine is Continuity.SAME:
        # The engine goes on, so whatever sysUpTime did, it was no restart.
        return Step(engine, elapsed_ns if uptime is Continuity.SAME else passed_ns)
    if uptime is Continuity.SAME:
        return Step(uptime, elapsed_ns)
    return Step(uptime, 0, f"uptime went from {_days(before.uptime)} to {_days(now.uptime)}")


def _by_engine(before: Clock, now: Clock, passed_ns: int) -> Continuity | None:
    if before.boots is None or now.boots is None:
        return None
    if before.engine_s is None or now.engine_s is None:
        return None
    expected_ns = before.engine_s * 1_000_000_000 + passed_ns
    behind_ns = expected_ns - now.engine_s * 1_000_000_000
    if before.boots != now.boots or behind_ns > _tolerance_ns(passed_ns):
        return Continuity.RESTARTED
    return Continuity.SAME


def _by_uptime(before: Clock, now: Clock, passed_ns: int) -> tuple[Continuity, int]:
    if before.uptime is None or now.uptime is None:
        # A device without sysUpTime: its counters' own going back is all that tells.
        return Continuity.SAME, passed_ns
    elapsed_ns = (now.uptime - before.uptime) % TICKS * TICK_NS
    whole_ns = TICKS * TICK_NS
    # After an absence of more than a wrap, whole turns are missing from the difference.
    turns = max(0, round((passed_ns - elapsed_ns) / whole_ns))
    elapsed_ns += turns * whole_ns
    if abs(elapsed_ns - passed_ns) <= _tolerance_ns(passed_ns):
        return Continuity.SAME, elapsed_ns
    if now.uptime * TICK_NS <= passed_ns + _tolerance_ns(passed_ns):
        return Continuity.RESTARTED, 0
    return Continuity.BROKEN, 0


def _tolerance_ns(passed_ns: int) -> int:
    return TOLERANCE_NS + passed_ns // DRIFT


def _engine_words(before: Clock, now: Clock) -> str:
    if before.boots != now.boots:
        return f"engine starts went from {before.boots} to {now.boots}"
    return f"engine time went from {before.engine_s} s to {now.engine_s} s"


def _days(ticks: int | None) -> str:
    return "unknown" if ticks is None else f"{ticks / 8_640_000:.2f} days"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted between two readings of one counter."""

    amount: int | None
    why: str = ""
    """Why there is none."""


def counted(before: int, now: int, *, bits: int, most: int | None) -> Counted:
    """The difference of two readings of a counter of 32 or 64 bits.

    `most` is how much the interface can have carried in the time; None: unknown. 64 bits do not
    wrap within an age of man: one that goes back was reset. 32 bits wrap, and the wrap is believed
    when the interface can have carried that much, and cannot have carried a whole turn more.
    """
    if not (0 <= now < 2**bits and 0 <= before < 2**bits):
        return Counted(None, f"no counter of {bits} bits")
    if bits == 64:
        return Counted(now - before) if now >= before else Counted(None, "counter was reset")
    amount = (now - before) % 2**32
    if most is None:
        # Half a turn: what went back a little was reset, what wrapped came from near the end.
        if now >= before or amount < 2**31:
            return Counted(amount)
        return Counted(None, "counter was reset")
    if now < before and amount > most:
        return Counted(None, "counter was reset")
    if amount + 2**32 <= most:
        return Counted(None, "may have wrapped more than once: poll more often")
    return Counted(amount)


def most_octets(speed_bps: int, elapsed_ns: int) -> int | None:
    """Octets that an interface can carry in the time, a tenth more; None where it has no speed."""
    return speed_bps * elapsed_ns * 11 // (8 * 10 * 1_000_000_000) if speed_bps > 0 else None


def most_packets(speed_bps: int, elapsed_ns: int) -> int | None:
    """Packets of the least size, likewise: 84 octets of line with preamble and gap (IEEE 802.3)."""
    octets = most_octets(speed_bps, elapsed_ns)
    return None if octets is None else octets // 84


def rate(amount: int, factor: int, scale: int, elapsed_ns: int) -> int | None:
    """amount * factor a second, in units of 10 ** scale, rounded to the nearest."""
    if elapsed_ns <= 0:
        return None
    numerator: int = amount * factor * 1_000_000_000 * 10 ** max(0, -scale)
    denominator: int = elapsed_ns * 10 ** max(0, scale)
    return (2 * numerator + denominator) // (2 * denominator)
