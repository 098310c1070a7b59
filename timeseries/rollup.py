"""Quarter-hour roll-ups: pure functions from trains and plans to one record a path and quarter.

Every time zone on earth is a multiple of 15 minutes from UTC, so delivery windows, days and months
of any country can be cut from these. All sums are of integers: the order never matters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from timeseries import histogram
from timeseries.records import DelayFigures, PlanRecord, RollupRecord, TrainRecord

QUARTER_NS = 900 * 1_000_000_000
JITTER_20_NS = 20_000_000
JITTER_40_NS = 40_000_000


def quarter_of(ns: int) -> int:
    """The start of the quarter of an hour (UTC ns) in which this instant lies."""
    return ns - ns % QUARTER_NS


def planned_trains(plans: Iterable[PlanRecord], from_ns: int, to_ns: int) -> int:
    """How many trains the plans of one path asked for in [from_ns, to_ns).

    A plan holds from its `start_ns` to the next one's, whether the agent lived or not; its trains
    are due at start_ns + phase_ns + k * every_ns. Of two plans of the same instant the last given
    holds. Adds up over adjoining intervals exactly.
    """
    ordered = sorted(plans, key=lambda plan: plan.start_ns)
    total = 0
    for index, plan in enumerate(ordered):
        end_ns = ordered[index + 1].start_ns if index + 1 < len(ordered) else to_ns
        begin, end = max(from_ns, plan.start_ns), min(to_ns, end_ns)
        if plan.active and plan.every_ns > 0 and begin < end:
            total += due_before(plan, end) - due_before(plan, begin)
    return total


def due_before(plan: PlanRecord, instant_ns: int) -> int:
    """Trains of a plan before an instant, as if it held until then."""
    elapsed = instant_ns - plan.start_ns - plan.phase_ns
    return -(-elapsed // plan.every_ns) if elapsed > 0 else 0


def rollup(
    trains: Iterable[TrainRecord], plans: Sequence[PlanRecord], start_ns: int, path: str
) -> RollupRecord:
    """Add up the trains of `path` that start in the quarter which begins at `start_ns` (UTC).

    Trains and plans of other paths, and trains of other quarters, are left out. Invalid trains are
    counted by reason and are in no other counter. Under a one-way limit the figures of each
    direction are those of the trains whose clock error allowed a judgement. Raises ValueError when
    `start_ns` begins no quarter.
    """
    if start_ns % QUARTER_NS:
        raise ValueError(f"{start_ns} does not begin a quarter of an hour")
    end_ns = start_ns + QUARTER_NS
    mine = sorted(
        (train for train in trains if train.path == path and start_ns <= train.start_ns < end_ns),
        key=_newest_last,
    )
    my_plans = sorted(
        (plan for plan in plans if plan.path == path and plan.start_ns < end_ns),
        key=lambda plan: plan.start_ns,
    )
    valid = [train for train in mine if train.valid]
    newest: TrainRecord | PlanRecord | None = mine[-1] if mine else None
    if newest is None and my_plans:
        newest = my_plans[-1]

    limits = {(train.limit_ns, train.limit_on) for train in mine}
    limit_ns = mine[-1].limit_ns if len(limits) == 1 else None
    limit_on = mine[-1].limit_on if mine else "rtt"

    jitters = [train.rtt.ipdv_mean_ns for train in valid if train.rtt.ipdv_mean_ns is not None]
    # Under a one-way limit the histograms are the denominator of its share, so a train that may
    # not be judged stays out; under a round-trip limit they are figures beside it.
    one_way = [train for train in valid if train.one_way_judged or train.limit_on == "rtt"]
    forward = [train.forward for train in one_way if train.forward is not None]
    backward = [train.backward for train in one_way if train.backward is not None]
    forward_histogram = histogram.add(*(figures.histogram for figures in forward))

    return RollupRecord(
        agent=newest.agent if newest else "",
        path=path,
        pas=newest.pas if newest else "",
        service=newest.service if newest else "",
        peer=newest.peer if newest else "",
        endpoint=newest.endpoint if newest else "",
        start_ns=start_ns,
        planned=planned_trains(my_plans, start_ns, end_ns),
        trains=len(mine),
        valid=len(valid),
        invalid=_by_reason(train for train in mine if not train.valid),
        sent=sum(train.sent for train in valid),
        received=sum(train.received for train in valid),
        late=sum(train.late for train in valid),
        duplicates=sum(train.duplicates for train in valid),
        reordered=sum(train.reordered for train in valid),
        within_limit=None
        if limit_ns is None or limit_on != "rtt"
        else _within(train.rtt for train in valid),
        limit_ns=limit_ns,
        limit_on=limit_on,
        jitter_sum_ns=sum(jitters),
        jitter_count=len(jitters),
        jitter_over_20ms=sum(jitter > JITTER_20_NS for jitter in jitters),
        jitter_over_40ms=sum(jitter > JITTER_40_NS for jitter in jitters),
        rtt_histogram=histogram.add(*(train.rtt.histogram for train in valid)),
        forward_histogram=forward_histogram,
        backward_histogram=histogram.add(*(figures.histogram for figures in backward)),
        one_way_received=histogram.size(forward_histogram),
        one_way_within_limit=None
        if limit_ns is None or limit_on != "one-way" or not one_way
        else _within([*forward, *backward]),
    )


def _newest_last(train: TrainRecord) -> tuple[int | str, ...]:
    """By time; of the same time by all that the newest says, so that order never matters."""
    return (
        train.start_ns,
        train.agent,
        train.pas,
        train.service,
        train.peer,
        train.endpoint,
        -1 if train.limit_ns is None else train.limit_ns,
        train.limit_on,
    )


def _by_reason(invalid: Iterable[TrainRecord]) -> tuple[tuple[str, int], ...]:
    tally: Counter[str] = Counter()
    for train in invalid:
        tally.update(set(train.reasons) or {"unstated"})
    return tuple(sorted(tally.items()))


def _within(figures: Iterable[DelayFigures]) -> int:
    # All lost: no delay was within the limit, and that is a count of 0, not an unknown.
    return sum(figure.within_limit or 0 for figure in figures)
