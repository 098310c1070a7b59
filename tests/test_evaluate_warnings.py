"""Missing data cost nothing by themselves, so the evaluation says them loudly."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from analysis.facts import Action, Facts, Where
from analysis.lines import Status

PATH = "roma-01/ip-base"


@pytest.fixture
def made(cases):
    """One PAS with trains that were all answered but for what `seen` and `gaps` say."""
    day = cases.store_day(planned=9, trains=9, valid=9, sent=90, received=90, judged=90)
    return cases.Made(
        sites=(cases.pas("roma-01", cases.entry("ip-base")),),
        store=(cases.store_path(PATH, "ip-base", "roma-01", day),),
    )


def _texts(made, code):
    return [w.text for w in made.result().warnings if w.code == code]


def test_gaps_are_told_from_to_by_cause_in_local_time(cases, made):
    gap = cases.gap(
        PATH, "ip-base", "roma-01", "2011-05-03 10:00", "2011-05-03 12:00", "agent silent"
    )
    made = made.but(gaps=(gap,))
    assert _texts(made, "gap") == [
        f"{PATH}: no valid trains from 2011-05-03T10:00+02:00 to 2011-05-03T12:00+02:00, agent "
        "silent"
    ]
    row = cases.traffic("ip-base", "roma-01", "", 9, 9, 9)  # 10:00 to 11:00
    filled = made.but(facts=Facts(traffic=(row,)))
    assert filled.result().gaps == (replace(gap, start_ns=row.end_ns),)


def test_an_outage_that_only_trains_saw_is_told(cases, made):
    seen = cases.gap(PATH, "ip-base", "roma-01", "2011-05-03 10:00", "2011-05-03 12:00")
    made = made.but(seen=(seen,))
    assert "2011-05-03T10:00+02:00 to 2011-05-03T12:00+02:00" in _texts(made, "no-ticket")[0]
    ticket = cases.ticket("T1", "ip-base", opened="2011-05-03 10:10", restored="2011-05-03 11:50")
    assert not _texts(made.but(facts=Facts(tickets=(ticket,))), "no-ticket")
    short = replace(ticket, restored_ns=cases.ns("2011-05-03 11:00"))
    rest = _texts(made.but(facts=Facts(tickets=(short,))), "no-ticket")
    assert "2011-05-03T11:00+02:00 to 2011-05-03T12:00+02:00" in rest[0]
    other = replace(ticket, services=("voip",))
    assert _texts(made.but(facts=Facts(tickets=(other,))), "no-ticket")


def test_a_blocking_ticket_that_trains_contradict_is_told_with_the_time(cases, made):
    ticket = cases.ticket("T1", "ip-base", opened="2011-05-03 10:00", restored="2011-05-03 13:00")
    made = made.but(facts=Facts(tickets=(ticket,)))
    assert "answered for 3 h of its 3 h" in _texts(made, "ticket-contradicted")[0]
    seen = cases.gap(PATH, "ip-base", "roma-01", "2011-05-03 10:15", "2011-05-03 12:45")
    assert not _texts(made.but(seen=(seen,)), "ticket-contradicted")
    assert not _texts(made.but(gaps=(seen,)), "ticket-contradicted")
    harmless = replace(ticket, severity="non-blocking")
    assert not _texts(made.but(facts=Facts(tickets=(harmless,))), "ticket-contradicted")


def test_more_than_the_base_is_charged_and_told(cases):
    ticket = cases.ticket("T1", "ip-base", opened="2011-05-01 00:00", restored="2011-08-31 00:00")
    site = cases.pas("roma-01", cases.entry("ip-base", level="L3"))
    made = cases.Made(sites=(site,), facts=Facts(tickets=(ticket,)))
    line = made.line("unit-availability")
    assert line.penalty_percent is not None
    assert line.penalty_percent > 100
    assert line.penalty_eur > Decimal(12000)
    assert len(_texts(made, "above-100-percent")) == 3  # the line, the PAS, the service


def test_no_ticket_at_all_is_told_because_availability_rests_on_them(cases):
    made = cases.Made(sites=(cases.pas("roma-01", cases.entry("ip-base")),))
    assert made.line("unit-availability").measured == 100
    assert "no-tickets" in made.codes()


def test_a_disputed_severity_and_a_foreign_ticket_are_told(cases):
    sites = (
        cases.pas("roma-01", cases.entry("ip-base")),
        cases.pas("milano-01", cases.entry("ip-base", end="2011-04-30")),
    )
    times = {"opened": "2011-06-01 00:00", "closed": "2011-06-02 00:00"}
    tickets = (
        cases.ticket(
            "T1",
            "ip-base",
            severity_provider="non-blocking",
            severity_administration="blocking",
            **times,
        ),
        cases.ticket("T2", "ip-base", "milano-01", **times),
    )
    made = cases.Made(sites=sites, facts=Facts(tickets=tickets))
    assert {"severity-disputed", "ticket-outside-contract"} <= made.codes()


def test_an_exclusion_is_printed_and_takes_its_time_out_of_outages(cases):
    ticket = cases.ticket(
        "T1",
        "ip-base",
        opened="2011-06-01 00:00",
        reported="2011-06-01 00:00",
        restored="2011-06-05 00:00",
        closed="2011-06-10 00:00",
    )
    agreed = cases.exclusion("ip-base", "roma-01", "2011-06-01 12:00", "2011-06-05 00:00")
    made = cases.Made(
        sites=(cases.pas("roma-01", cases.entry("ip-base")),),
        facts=Facts(tickets=(ticket,), exclusions=(agreed,)),
    )
    assert made.line("unit-availability").measured == 100 - Fraction(1200, 2952)
    assert made.line("restoration-time").steps
    text = _texts(made, "exclusion")[0]
    assert "E1" in text
    assert "maintenance" in text
    assert "both parties" in text
    longer = cases.exclusion("ip-base", "", "2011-05-31 00:00", "2011-06-11 00:00")
    free = made.but(facts=Facts(tickets=(ticket,), exclusions=(longer,)))
    line = free.line("restoration-time")
    assert (line.status, line.penalty_eur) == (Status.NO_DATA, Decimal("0.00"))
    assert any("C6" in note for note in line.notes)


def test_a_finding_of_a_month_without_an_action_is_told(cases):
    row = cases.traffic("ip-base", "roma-01", "", 1000, 900, 900)
    site = cases.pas("roma-01", cases.entry("ip-base"))
    made = cases.Made(sites=(site,), period="2011-05", facts=Facts(traffic=(row,)))
    assert "packet-loss roma-01: not met" in _texts(made, "finding-without-action")[0]
    where = Where("actions.csv", 2)
    action = Action(
        where, "2011-05", "ip-base", "packet-loss at roma-01", "new line", "X", None, None
    )
    answered = made.but(facts=Facts(traffic=(row,), actions=(action,)))
    assert not _texts(answered, "finding-without-action")
    earlier = replace(action, month="2011-04")
    assert _texts(
        made.but(facts=Facts(traffic=(row,), actions=(earlier,))), "finding-without-action"
    )
    assert not _texts(made.but(period="2011-2"), "finding-without-action")


def test_a_pending_request_is_told_until_it_is_answered(cases):
    asked = cases.request(
        "R1",
        "email",
        "account-operation-time",
        requested="2011-08-31 10:00",
        done="2011-09-02 10:00",
    )
    made = cases.Made(services=(cases.whole("email", units=1),), facts=Facts(requests=(asked,)))
    assert "pending-request" in made.codes()
    after = made.but(period="2011-3")
    assert "pending-request" not in after.codes()
    assert after.line("account-operation-time").event == "R1"


def test_a_service_without_units_says_that_it_counts_as_one(cases):
    made = cases.Made(services=(cases.whole("mobile-intranet"),))
    assert "units-missing" in made.codes()


def test_a_period_that_is_not_over_says_so_and_counts_outages_until_now(cases):
    ticket = cases.ticket("T1", "ip-base", opened="2011-06-01 00:00")
    site = cases.pas("roma-01", cases.entry("ip-base"))
    made = cases.Made(sites=(site,), facts=Facts(tickets=(ticket,)), as_of="2011-06-02 00:00")
    assert made.line("unit-availability").measured == 100 - Fraction(2400, 2952)
    assert "not-over" in made.codes()
    assert "not-over" not in made.but(as_of="2011-09-01 00:00").codes()


def test_a_pas_in_several_pairs_that_cost_is_told(cases):
    sites = tuple(cases.pas(name, cases.entry("ip-qos")) for name in ("a-01", "b-01", "c-01"))
    rows = tuple(cases.traffic("ip-qos", "a-01", peer, 100, 90, 90) for peer in ("b-01", "c-01"))
    made = cases.Made(sites=sites, facts=Facts(traffic=rows))
    assert [w.pas for w in made.result().warnings if w.code == "several-pairs"] == ["a-01"]
    assert made.lines("packet-loss")[0].penalty_eur == Decimal("4320.00")  # 90 x 0.2 % of 24000


def test_a_path_of_a_pair_whose_far_end_is_no_pas_of_the_contract_has_no_limit(cases):
    site = cases.pas("a-01", cases.entry("ip-qos"))
    row = cases.traffic("ip-qos", "a-01", "", 100, 90, 0, endpoint="qxn")
    made = cases.Made(sites=(site,), facts=Facts(traffic=(row,)))
    for line in (made.line("end-to-end-max-delay"), made.line("packet-loss")):
        assert (line.limit, line.penalty_eur) == (None, Decimal("0.00"))
        assert "D8" in line.readings
    assert "no-limit" in made.codes()
