"""A month: no penalties, but what the running four months will cost, and what is left."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evaluation.outlook import most_without_a_step
from analysis.facts import Facts


def _ahead(made, parameter, **keys):
    result = made.result()
    line = made.line(parameter, **keys)
    return next(one for one in result.outlook if one.line == line.number)


def test_a_share_of_the_month_keeps_its_value_for_the_four_months(cases):
    row = cases.traffic("ip-base", "roma-01", "", 10_000, 9_800, 9_800)
    site = cases.pas("roma-01", cases.entry("ip-base"))
    made = cases.Made(sites=(site,), period="2011-05", facts=Facts(traffic=(row,)))
    ahead = _ahead(made, "packet-loss")
    assert ahead.expected_eur == Decimal("240.00")  # 10 steps x 0.2 % of 12000
    assert made.line("packet-loss").penalty_eur == 0
    # 31 of 123 days had 10000, so 39677 are expected; 1.049 % of them are 416, 200 are lost.
    assert ahead.margin == "216 more lost packets of 39677 expected until the next step"


def test_the_margin_of_an_outage_is_counted_against_the_whole_four_months(cases):
    # 0.1 % and 0.049 of 2952 h are 4 h 23 min 54.5 s; two hours are used.
    ticket = cases.ticket("T1", "ip-base", opened="2011-05-03 10:00", restored="2011-05-03 12:00")
    later = cases.ticket("T2", "ip-base", opened="2011-07-03 10:00", restored="2011-07-09 12:00")
    site = cases.pas("roma-01", cases.entry("ip-base", level="L3"))
    made = cases.Made(sites=(site,), period="2011-05", facts=Facts(tickets=(ticket, later)))
    ahead = _ahead(made, "unit-availability")
    assert ahead.margin == "2 h 23 min 54 s of blocking outage until the next step"
    # 2 of 744 h so far: 0.2688 % lost, 0.1688 beyond: 2 steps x 0.8 % of 12000.
    assert ahead.expected_eur == Decimal("192.00")


def test_earlier_months_of_the_running_period_are_part_of_the_outlook(cases):
    ticket = cases.ticket("T1", "ip-base", opened="2011-05-03 10:00", restored="2011-05-05 10:00")
    site = cases.pas("roma-01", cases.entry("ip-base"))
    made = cases.Made(sites=(site,), period="2011-06", facts=Facts(tickets=(ticket,)))
    assert made.line("unit-availability").measured == 100
    # 48 of 1464 h: 3.2786 % lost, 2.2786 beyond: 23 steps x 0.4 % of 12000.
    assert _ahead(made, "unit-availability").expected_eur == Decimal("1104.00")


def test_events_go_on_at_their_rate_by_days_and_the_next_one_has_a_price(cases):
    ticket = cases.ticket("T1", "ip-base", reported="2011-05-03 00:00", closed="2011-05-04 00:00")
    site = cases.pas("roma-01", cases.entry("ip-base", level="L3"))
    made = cases.Made(sites=(site,), period="2011-05", facts=Facts(tickets=(ticket,)))
    ahead = _ahead(made, "restoration-time")
    # 16 h x 0.04 % of 12000 is 76.80 in 31 of 123 days.
    assert ahead.expected_eur == Decimal("304.72")
    assert "L3 blocking: each further hour beyond the limit costs 4.80 EUR" in ahead.margin


@pytest.mark.parametrize(
    ("jitter", "margin"),
    [("18.5", "2.5 ms"), ("20", "1 ms"), ("21.25", "0.75 ms")],
)
def test_the_margin_of_jitter_is_what_completes_a_millisecond(cases, jitter, margin):
    sites = tuple(cases.pas(name, cases.entry("voip")) for name in ("a-01", "b-01"))
    row = cases.traffic("voip", "a-01", "b-01", 9, 9, 9, jitter_ms=Decimal(jitter))
    made = cases.Made(sites=sites, period="2011-05", facts=Facts(traffic=(row,)))
    assert _ahead(made, "jitter").margin == f"{margin} of mean jitter until the next step"


def test_one_more_late_outage_of_email_has_its_steps_told(cases):
    ticket = cases.ticket("T1", "email", "", reported="2011-05-03 10:00", closed="2011-05-03 11:00")
    made = cases.Made(
        services=(cases.whole("email", units=3),), period="2011-05", facts=Facts(tickets=(ticket,))
    )
    # Then one of two would be in time: 50 points.
    assert _ahead(made, "restoration-time").margin == "one more late outage makes 50 steps"


def test_four_months_have_no_outlook(cases):
    assert not cases.Made(sites=(cases.pas("a-01", cases.entry("ip-base")),)).result().outlook


@given(st.integers(1, 50), st.integers(0, 1000), st.integers(0, 1000))
def test_the_margin_is_the_last_count_without_another_step(size, now, more):
    most = now + more
    last = most_without_a_step(lambda count: count // size, now, most)
    assert last // size == now // size
    assert last == most or (last + 1) // size > now // size
