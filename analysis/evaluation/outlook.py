"""What the running four months will cost if they go on like this, and how much is left.

The base is all that has run of the four months up to the end of the month asked about. Shares keep
their value; events go on at their rate by days. A margin counts against the whole four months, with
as many packets, calls or messages a day as so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from analysis.catalogue_types import Parameter, PenaltyRow, Service
from analysis.evaluation import counts, packets, restoration
from analysis.evaluation.availability import availability_figure, counted_tickets, duration
from analysis.evaluation.case import Case, make_case
from analysis.evaluation.packets import in_words
from analysis.evaluation.pools import Pool
from analysis.lines import Line, Outlook, Status
from analysis.rules.availability import Figure
from analysis.rules.penalty import cents, charge, money, steps_of
from analysis.rules.shares import overrun, shortfall
from inventory.clocks import day_bounds
from inventory.periods import Period, four_months_of

LinesOf = Callable[[Case], Iterator[Line]]
_FIGURES = frozenset(
    {
        "share-within",
        "loss-rate",
        "jitter",
        "success-rate",
        "delivery-share",
        "unit-availability",
        "overall-availability",
        "monitoring-availability",
        "restoration-share",
        "lost-calls",
    }
)
"""Rules with one value for the period; the others add up event by event."""
_Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The running four months, as known at the end of the month."""

    so_far: Case
    whole: Case
    days: int
    """Of the four months."""
    elapsed: int
    pools: dict[tuple[str, str], dict[tuple[str, ...], Pool]] = field(default_factory=dict)
    """(service, parameter) -> the packets so far, once they are asked for."""


def outlooks(month: Case, lines: Sequence[Line], lines_of: LinesOf) -> tuple[Outlook, ...]:
    """One for each line of a month that four months would charge; events by their parameter."""
    ahead = _ahead(month)
    running: dict[_Key, list[Line]] = {}
    for line in lines_of(ahead.so_far):
        running.setdefault(_key(month, line), []).append(line)
    found, seen = [], set()
    for line in lines:
        key = _key(month, line)
        if key in seen or key not in running:
            continue
        seen.add(key)
        parameter = month.inputs.catalogue.parameter(line.service, line.parameter)
        service = month.inputs.catalogue.service(line.service)
        if parameter is None or service is None or not parameter.penalties:
            continue
        expected = sum((one.penalty_eur for one in running[key]), Decimal("0.00"))
        if parameter.rule not in _FIGURES:
            expected = cents(Fraction(expected) * ahead.days / ahead.elapsed)
        margin = _margin(ahead, service, parameter, running[key][0])
        found.append(Outlook(line.number, expected, margin))
    return tuple(found)


def _ahead(month: Case) -> _Ahead:
    four = four_months_of(month.period.begin)
    last = min(
        day_bounds(month.period.end, month.zone)[0],
        max(month.inputs.as_of_ns, day_bounds(four.begin + timedelta(days=1), month.zone)[0]),
    )
    inputs = replace(month.inputs, as_of_ns=last)
    end = min(month.period.end, month.day(last - 1, month.zone) + timedelta(days=1))
    part = Period(four.text, "four-months", four.begin, end)
    return _Ahead(
        so_far=make_case(inputs, part),
        whole=make_case(inputs, four),
        days=(four.end - four.begin).days,
        elapsed=(end - four.begin).days,
    )


def _key(case: Case, line: Line) -> _Key:
    parameter = case.inputs.catalogue.parameter(line.service, line.parameter)
    if parameter is not None and parameter.rule in _FIGURES:
        return line.service, line.parameter, line.pas, line.peer, line.level
    return line.service, line.parameter, "", "", ""


def _margin(ahead: _Ahead, service: Service, parameter: Parameter, line: Line) -> str:
    level = next((one for one in service.levels if one == line.level), None)
    row = parameter.penalty_for(level=level, options=ahead.so_far.contract.options)
    if row is None or parameter.rule not in _FIGURES:
        return _price(ahead, parameter, line)
    if parameter.rule.endswith("availability"):
        return _outage_margin(ahead, parameter, line, row)
    if line.status is Status.NO_DATA or line.limit is None or line.measured is None:
        return ""
    if parameter.rule == "jitter":
        return _jitter_margin(line, row)
    return _count_margin(ahead, parameter, line, row)


def _price(ahead: _Ahead, parameter: Parameter, line: Line) -> str:
    """What a further unit costs, where the next event is a penalty of its own."""
    options = ahead.so_far.contract.options
    rows = [row for row in parameter.penalties if row.when.get("option", "") in ("", *options)]
    if any(row.when.get("option") for row in rows):
        rows = [row for row in rows if row.when.get("option")]
    told = []
    for row in rows:
        level = row.when.get("level", "")
        about = " ".join(filter(None, (level, row.when.get("severity", ""))))
        base = ahead.whole.contract.total(line.service, level)
        if row.basis == "pas-all-services":
            each = f"{in_words(Fraction(row.rate))} % of the fees of the PAS"
        elif row.unit == "percent" and not base:
            continue
        else:
            each = f"{money(charge(1, row, base).euro)} EUR"
        one = f"each further {row.per.replace('-', ' ')} beyond the limit costs {each}"
        told.append(f"{about}: {one}" if about else one)
    return "; ".join(told)


def _outage_margin(ahead: _Ahead, parameter: Parameter, line: Line, row: PenaltyRow) -> str:
    case = ahead.whole
    holding = case.contract.at(line.service, line.pas)
    terms = () if holding is None else holding.terms
    term = next((term for term in terms if term.level == line.level), None)
    if holding is None or term is None or line.limit is None:
        return ""
    counted = counted_tickets(case, parameter, holding, term)
    figure = availability_figure(case, parameter, holding, term, counted)
    limit, a2 = line.limit, case.inputs.readings["A2"]

    def steps(down_ns: int) -> int:
        percent = Figure(down_ns, figure.window_ns).percent
        return 0 if percent is None else steps_of(shortfall(percent, limit), row, a2)

    left = most_without_a_step(steps, figure.down_ns, figure.window_ns) - figure.down_ns
    kind = "blocking outage" if a_unit(parameter) else "outage"
    if parameter.rule == "overall-availability":
        kind += f" of one of {holding.units or 1} units"
    return f"{duration(left)} of {kind} until the next step"


def a_unit(parameter: Parameter) -> bool:
    """Whether the availability is that of one PAS."""
    return parameter.rule == "unit-availability"


def _jitter_margin(line: Line, row: PenaltyRow) -> str:
    if line.limit is None or line.measured is None:
        return ""
    steps = steps_of(overrun(line.measured, line.limit), row)
    left = Fraction(line.limit) + (steps + 1) * Fraction(row.step) - line.measured
    return f"{in_words(left)} ms of mean jitter until the next step"


def _count_margin(ahead: _Ahead, parameter: Parameter, line: Line, row: PenaltyRow) -> str:
    counted = _bad_of(ahead, parameter, line)
    if counted is None or line.limit is None:
        return ""
    bad, whole, noun = counted
    limit, a2 = line.limit, ahead.so_far.inputs.readings["A2"]
    rising = parameter.rule in ("loss-rate", "lost-calls")
    expected = max(whole, whole * ahead.days // ahead.elapsed)

    def steps(count: int) -> int:
        percent = Fraction(100 * count, expected)
        beyond = overrun(percent, limit) if rising else shortfall(100 - percent, limit)
        return steps_of(beyond, row, a2)

    if parameter.rule == "restoration-share":
        return f"one more {noun} makes {_next_steps(bad, whole, limit, row, a2)}"
    left = most_without_a_step(steps, bad, expected) - bad
    return f"{left} more {noun} of {expected} expected until the next step"


def _next_steps(bad: int, whole: int, limit: Decimal, row: PenaltyRow, a2: str) -> str:
    percent = Fraction(100 * (whole - bad), whole + 1)
    steps = steps_of(shortfall(percent, limit), row, a2)
    return f"{steps} step{'' if steps == 1 else 's'}"


def _bad_of(ahead: _Ahead, parameter: Parameter, line: Line) -> tuple[int, int, str] | None:
    """How many of how many were bad so far, and what they are."""
    case = ahead.so_far
    service = case.inputs.catalogue.service(line.service)
    if service is None:
        return None
    match parameter.rule:
        case "share-within" | "loss-rate":
            key = line.service, line.parameter
            if key not in ahead.pools:
                ahead.pools[key] = packets.pools_of(case, service, parameter)
            pool = ahead.pools[key].get(tuple(filter(None, (line.pas, line.peer))), Pool())
            if parameter.rule == "loss-rate":
                return pool.lost, pool.sent, "lost packets"
            lost = pool.lost if case.inputs.readings["D1"] == "sent" else 0
            return pool.judged - pool.within + lost, pool.judged + lost, "late packets"
        case "success-rate":
            share = counts.calls_share(case, line.service)[0]
            return share.whole - share.part, share.whole, "failed calls"
        case "delivery-share":
            share = counts.messages_share(case, line.service)[0]
            return share.whole - share.part, share.whole, "late messages"
        case "lost-calls":
            share = counts.lost_calls_share(case)
            return share.part, share.whole, "lost calls"
        case "restoration-share":
            share = restoration.in_time(case, service, parameter)
            return share.whole - share.part, share.whole, "late outage"
    return None


def most_without_a_step(steps: Callable[[int], int], now: int, most: int) -> int:
    """The largest count from `now` to `most` with no more steps than now; `steps` never falls."""
    here = steps(now)
    low, high = now, most
    while low < high:
        middle = (low + high + 1) // 2
        if steps(middle) == here:
            low = middle
        else:
            high = middle - 1
    return low
