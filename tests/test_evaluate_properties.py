"""What holds of every evaluation, over generated facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.facts import Facts
from analysis.lines import Line

SITES = ("roma-01", "milano-01", "cairo-01")
BETWEEN = ("ip-qos", "voip")
QUIET = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

instants = st.integers(0, 4 * 30 * 24 * 4).map(
    lambda quarters: str(datetime(2011, 4, 25) + timedelta(minutes=15 * quarters))
)
counts = st.integers(0, 2000)


@pytest.fixture(scope="module")
def made(cases: Any) -> Any:
    """Three PAS in two countries, per-PAS services at each level, services as a whole."""
    levels = ("L1", "L2", "L3")
    sites = []
    for name, level in zip(SITES, levels, strict=True):
        rows = [
            cases.entry(service, level=level, window=window, fee=Decimal("1234.56"))
            for service, window in (
                ("ip-base", "normal"),
                ("ip-qos", "extended"),
                ("voip", "normal"),
                ("security-strong", "extended"),
            )
        ]
        where = {"country": "EG", "timezone": "Africa/Cairo"} if name == "cairo-01" else {}
        sites.append(cases.pas(name, *rows, profile="medium", **where))
    services = tuple(
        cases.whole(service, units=7)
        for service in ("email", "lan-management", "call-center", "provisioning", "reporting")
    )
    return cases.Made(sites=tuple(sites), services=services)


@pytest.fixture(scope="module")
def any_facts(cases: Any) -> Callable[[Any], Facts]:
    """Draw some of everything that has counters or times."""

    def tickets(draw: Any) -> Any:
        for number in range(draw(st.integers(0, 4))):
            begin, end = sorted((draw(instants), draw(instants)))
            service = draw(st.sampled_from(("ip-base", "voip;ip-qos", "email", "lan-management")))
            at = "" if service in ("email",) else ";".join(draw(st.sets(st.sampled_from(SITES))))
            yield cases.ticket(
                f"T{number}",
                service,
                at,
                opened=begin,
                reported=begin,
                responded=end,
                restored=end,
                closed=draw(st.sampled_from((None, end))),
                severity=draw(st.sampled_from(("blocking", "non-blocking"))),
                affected=draw(st.integers(1, 9)),
                where=cases.Where("tickets.csv", number + 2),
            )

    def traffic(draw: Any) -> Any:
        for number in range(draw(st.integers(0, 5))):
            within, received, sent = sorted((draw(counts), draw(counts), draw(counts)))
            service = draw(st.sampled_from(("ip-base", *BETWEEN)))
            at, peer = draw(st.permutations(SITES))[:2]
            yield cases.traffic(
                service,
                at,
                peer if service in BETWEEN else "",
                sent,
                received,
                within,
                jitter_ms=draw(st.decimals(0, 60, places=3)),
                jitter_readings=draw(st.integers(1, 50)),
                where=cases.Where("traffic.csv", number + 2),
            )

    def requests(draw: Any) -> Any:
        for number in range(draw(st.integers(0, 3))):
            begin, validated, end = sorted((draw(instants), draw(instants), draw(instants)))
            service, kind, at = draw(
                st.sampled_from(
                    (
                        ("voip", "configuration-change-time", "cairo-01"),
                        ("email", "account-operation-time", ""),
                        ("security-strong", "policy-implementation-time", "roma-01"),
                        ("lan-management", "supplier-activation-time", ""),
                        ("provisioning", "internal-move", "milano-01"),
                    )
                )
            )
            yield cases.request(
                f"R{number}",
                service,
                kind,
                pas=at,
                requested=begin,
                validated=validated,
                done=end,
                where=cases.Where("requests.csv", number + 2),
            )

    def facts(draw: Any) -> Facts:
        calls, messages, centre = [], [], []
        for _ in range(draw(st.integers(0, 3))):
            good, every = sorted((draw(counts), draw(counts)))
            calls.append(cases.calls("voip", every, good))
            messages.append(cases.messages("email", every, good))
            lost, late, attempts = sorted((draw(counts), draw(counts), draw(counts)))
            centre.append(cases.centre(attempts, lost, late))
        return Facts(
            traffic=tuple(traffic(draw)),
            tickets=tuple(tickets(draw)),
            requests=tuple(requests(draw)),
            calls=tuple(calls),
            messages=tuple(messages),
            contact_centre=tuple(centre),
            deliveries=(cases.delivery("technical", "2011-05", "2011-07-01 10:00"),),
        )

    return facts


@QUIET
@given(data=st.data())
@pytest.mark.parametrize("period", ["2011-2", "2011-05"])
def test_the_order_of_rows_never_matters(made, any_facts, period, data):
    facts = any_facts(data.draw)
    kinds = ("traffic", "tickets", "requests", "calls", "messages", "contact_centre")
    shuffled = replace(
        facts, **{kind: tuple(data.draw(st.permutations(getattr(facts, kind)))) for kind in kinds}
    )
    made = made.but(period=period)
    assert made.but(facts=facts).result() == made.but(facts=shuffled).result()


@QUIET
@given(data=st.data())
def test_all_counters_times_ten_change_no_share_and_no_penalty(made, any_facts, data):
    facts = any_facts(data.draw)
    tenfold = replace(
        facts,
        traffic=tuple(
            replace(
                row,
                sent=10 * row.sent,
                received=10 * row.received,
                within_limit=10 * row.within_limit,
                jitter_readings=10 * row.jitter_readings,
            )
            for row in facts.traffic
        ),
        calls=tuple(
            replace(row, attempts=10 * row.attempts, successes=10 * row.successes)
            for row in facts.calls
        ),
        messages=tuple(
            replace(row, messages=10 * row.messages, within_limit=10 * row.within_limit)
            for row in facts.messages
        ),
        contact_centre=tuple(
            replace(row, attempts=10 * row.attempts, lost=10 * row.lost, late=10 * row.late)
            for row in facts.contact_centre
        ),
    )

    def figures(lines: tuple[Line, ...]) -> list[Any]:
        return [
            (one.parameter, one.pas, one.peer, one.event, one.status, one.measured, one.steps)
            + ((one.penalty_eur,) if one.parameter != "lost-calls" else ())
            for one in lines
            if one.parameter != "waiting-time"  # there each call is an event
        ]

    one, ten = (made.but(facts=which).result() for which in (facts, tenfold))
    assert figures(one.lines) == figures(ten.lines)


@QUIET
@given(sent=st.integers(1, 3000), lost=st.lists(st.integers(0, 3000), min_size=2, max_size=2))
@pytest.mark.parametrize("service", ["ip-base", "ip-qos", "voip"])
def test_more_loss_never_costs_less(cases, made, service, sent, lost):
    euro = []
    for count in sorted(min(one, sent) for one in lost):
        peer = "" if service == "ip-base" else "milano-01"
        row = cases.traffic(service, "roma-01", peer, sent, sent - count, sent - count)
        lines = made.but(facts=Facts(traffic=(row,))).lines("packet-loss", service=service)
        euro.append(sum(line.penalty_eur for line in lines))
    assert euro[0] <= euro[1]


@QUIET
@given(begin=instants, middle=instants, end=instants, service=st.sampled_from(("ip-base", "email")))
def test_a_ticket_in_two_adjacent_parts_changes_nothing_in_availability(
    cases, made, begin, middle, end, service
):
    begin, middle, end = sorted((begin, middle, end))
    at = "" if service == "email" else "cairo-01"
    whole = (cases.ticket("T1", service, at, opened=begin, restored=end),)
    parts = (
        cases.ticket("T1", service, at, opened=begin, restored=middle),
        cases.ticket("T2", service, at, opened=middle, restored=end),
    )
    parameter = "overall-availability" if service == "email" else "unit-availability"
    found = [
        [
            (line.pas, line.measured, line.penalty_eur)
            for line in made.but(facts=Facts(tickets=tickets)).lines(parameter, service=service)
        ]
        for tickets in (whole, parts)
    ]
    assert found[0] == found[1]


@QUIET
@given(data=st.data())
def test_the_total_is_the_sum_of_its_lines_and_none_is_negative(made, any_facts, data):
    result = made.but(facts=any_facts(data.draw)).result()
    assert result.total_eur == sum((line.penalty_eur for line in result.lines), Decimal(0))
    assert [line.number for line in result.lines] == list(range(1, len(result.lines) + 1))
    for line in result.lines:
        assert line.penalty_eur >= 0
        assert line.penalty_eur == line.penalty_eur.quantize(Decimal("0.01"))
        assert line.deviation is None or line.deviation >= 0
        assert not line.penalty_eur or line.steps
        assert set(line.readings) <= set(result.readings)


@QUIET
@given(data=st.data())
def test_a_month_costs_nothing_and_looks_ahead(made, any_facts, data):
    result = made.but(facts=any_facts(data.draw), period="2011-06").result()
    assert result.total_eur == 0
    assert all(line.penalty_percent is None and line.base_eur is None for line in result.lines)
    numbers = {line.number for line in result.lines}
    assert {one.line for one in result.outlook} <= numbers
    assert all(one.expected_eur >= 0 for one in result.outlook)
