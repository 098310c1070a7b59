"""Call centre (section 8.1): waiting, lost calls, response to an outage.

Euro are `analysis.rules.penalty.charge` over the catalogue's rows: 50 for each late call, 100 for
each late response, or 300 in its place with help desk on site (reading F4). Lost calls take 10 % of
the waiting penalty for each point, additively, and of that one alone (reading F3): their base is
its euro.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from analysis.rules.shares import Share, overrun
from analysis.rules.time_limits import Excess, Timetable, beyond_minutes
from analysis.steps import percentage_steps


def waiting_events(late: int, lost: int) -> int:
    """Calls that waited more than 60 s (lines 570, 575).

    A lost call waited too and is one of them (reading F1), so `late` already holds the lost ones;
    ValueError where it does not.
    """
    if late < lost:
        raise ValueError(f"{late} late calls are fewer than the {lost} lost ones among them")
    return late


def lost_share(attempts: int, lost: int) -> Share:
    """Calls not answered that had waited more than 60 s, of all attempts (lines 571, 576; F2)."""
    return Share(lost, attempts)


def markup_points(
    lost: Share, limit_percent: Decimal, step: Decimal, reading_a2: str = "R1"
) -> int:
    """Points of lost calls above the limit, by the rule for 1 % (lines 125, 576; reading F3)."""
    if lost.percent is None:
        return 0
    return percentage_steps(overrun(lost.percent, limit_percent), step, reading_a2)


def response_time(
    reported_ns: int, responded_ns: int, timetable: Timetable, limit_minutes: Decimal
) -> Excess:
    """Report of an outage to its diagnosis (lines 572, 577); each late one is one event.

    Minutes inside the delivery window on all seven days (reading B8); 60 minutes are in time (F4).
    """
    found = beyond_minutes(
        reported_ns, responded_ns, Timetable(timetable.window, timetable.zone), limit_minutes
    )
    return Excess(
        measured=found.measured,
        limit=found.limit,
        unit="minutes",
        late=found.late,
        excess=found.excess,
        units=1 if found.late else 0,
        per="event",
        due_ns=found.due_ns,
    )


def mean_wait_s(waits: tuple[tuple[Decimal, int], ...]) -> Fraction | None:
    """Mean waiting time of several rows (seconds, calls received), by their calls (line 586).

    None where no call was received.
    """
    calls = sum(received for _, received in waits)
    total = sum((Fraction(seconds) * received for seconds, received in waits), Fraction(0))
    return total / calls if calls else None
