"""Whole evaluations of packets and outages, with euro worked out by hand from the annex."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from analysis.facts import Facts
from analysis.lines import Status


def test_delay_of_a_pas_is_the_share_of_received_packets_within_its_profiles_limit(cases):
    # 980 received, 950 of them in time: 96.9387... %, 2.0612... below 99: 4 steps of 0.5.
    facts = Facts(traffic=(cases.traffic("ip-base", "roma-01", "", 1000, 980, 950),))
    made = cases.Made(sites=(cases.pas("roma-01", cases.entry("ip-base")),), facts=facts)
    line = made.line("round-trip-delay")
    assert line.measured == Fraction(95000, 980)
    assert (line.limit, line.steps) == (Decimal(99), 4)
    assert line.penalty_percent == 2  # 4 x 0.5 %
    assert line.penalty_eur == Decimal("240.00")  # 2 % of 12000
    assert (line.basis, line.base_eur) == ("pas", Decimal(12000))
    assert line.clause == "3.1.2, line 148"
    assert line.source == "system"
    assert {"D1", "D2", "A2"} <= set(line.readings)
    assert line.formula == "4 steps x 0.5 % x 12000.00 EUR = 240.00 EUR"


@pytest.mark.parametrize(
    ("received", "steps", "euro"),
    [
        (99_000, 0, "0.00"),  # 1 % exactly: kept
        (98_951, 0, "0.00"),  # 0.049 above: the printed number still rounds to nothing
        (98_950, 1, "24.00"),  # 0.050: a step of 0.2 % of 12000
        (98_851, 1, "24.00"),  # 0.149
        (98_850, 2, "48.00"),
        (90_000, 90, "2160.00"),  # 9 points
    ],
)
def test_loss_steps_at_the_printed_number_and_at_half_a_step(cases, received, steps, euro):
    facts = Facts(traffic=(cases.traffic("ip-base", "roma-01", "", 100_000, received, received),))
    made = cases.Made(sites=(cases.pas("roma-01", cases.entry("ip-base")),), facts=facts)
    line = made.line("packet-loss")
    assert (line.steps, line.penalty_eur) == (steps, Decimal(euro))
    assert line.status is (Status.MET if received == 99_000 else Status.NOT_MET)


def test_the_switch_of_a2_moves_a_deviation_between_the_printed_number_and_half_a_step(cases):
    facts = Facts(traffic=(cases.traffic("ip-base", "roma-01", "", 200_000, 197_901, 0),))
    made = cases.Made(sites=(cases.pas("roma-01", cases.entry("ip-base")),), facts=facts)
    # 2099 of 200000 lost is 1.0495 %: 0.0495 beyond the limit.
    assert made.line("packet-loss").steps == 1
    assert made.but(switches={"A2": "R2"}).line("packet-loss").steps == 0


def test_a_pair_pools_both_directions_and_is_worth_both_pas(cases):
    sites = (
        cases.pas("roma-01", cases.entry("ip-qos", fee=Decimal(10000))),
        cases.pas("milano-01", cases.entry("ip-qos", fee=Decimal(5000)), profile="medium"),
    )
    facts = Facts(
        traffic=(
            cases.traffic("ip-qos", "roma-01", "milano-01", 1000, 1000, 1000),
            cases.traffic("ip-qos", "milano-01", "roma-01", 1000, 960, 940),
        )
    )
    made = cases.Made(sites=sites, facts=facts)
    loss = made.line("packet-loss")
    assert (loss.pas, loss.peer) == ("milano-01", "roma-01")
    # 40 of 2000 is 2 %: 10 steps x 0.2 % of 15000.
    assert (loss.measured, loss.steps, loss.base_eur) == (2, 10, Decimal(15000))
    assert loss.penalty_eur == Decimal("300.00")
    delay = made.line("end-to-end-max-delay")
    # 1940 of 1960 within 500 ms: 98.9795...: 0.0204... below 99, no step of 0.5.
    assert (delay.measured, delay.steps) == (Fraction(194000, 1960), 0)
    assert any("500 ms" in note for note in delay.notes)
    assert "D6" in delay.readings


def test_voice_is_charged_pair_by_pair_on_all_pas_and_loss_on_the_pas_at_either_end(cases):
    sites = tuple(
        cases.pas(name, cases.entry("voip", fee=Decimal(1000))) for name in ("a-01", "b-01", "c-01")
    )
    jitter: dict[str, Any] = {"jitter_ms": Decimal("22.9"), "jitter_readings": 10}
    calm: dict[str, Any] = {"jitter_ms": Decimal(5), "jitter_readings": 10}
    facts = Facts(
        traffic=(
            cases.traffic("voip", "a-01", "b-01", 1000, 950, 900, **jitter),
            cases.traffic("voip", "b-01", "c-01", 1000, 1000, 1000, **calm),
        )
    )
    made = cases.Made(sites=sites, facts=facts)
    delay = made.line("one-way-delay", pas="a-01")
    # 900 of 950: 94.7368...; 4.2631... below 99: 8 whole steps of 0.5 and 0.263 more: 9.
    assert (delay.steps, delay.base_eur) == (9, Decimal(3000))
    assert delay.penalty_eur == Decimal("27.00")  # 9 x 0.1 % of 3000
    over = made.line("jitter", pas="a-01")
    # 2.9 ms above 20: 2 completed, 2 x 0.1 % of 3000.
    assert (over.deviation, over.steps, over.penalty_eur) == (
        Fraction("2.9"),
        2,
        Decimal("6.00"),
    )
    assert made.line("jitter", pas="b-01").status is Status.MET
    # Loss: a has 50 of 1000 (5 %: 40 steps), b 50 of 2000 (2.5 %: 15 steps), c none; 0.1 % each.
    loss = {line.pas: (line.steps, line.penalty_eur) for line in made.lines("packet-loss")}
    assert loss == {
        "a-01": (40, Decimal("40.00")),
        "b-01": (15, Decimal("15.00")),
        "c-01": (0, Decimal("0.00")),
    }
    assert "pair-not-measured" in made.codes()


def test_jitter_readings_weigh_by_their_number(cases):
    sites = tuple(cases.pas(name, cases.entry("voip")) for name in ("a-01", "b-01"))
    facts = Facts(
        traffic=(
            cases.traffic(
                "voip", "a-01", "b-01", 9, 9, 9, jitter_ms=Decimal(10), jitter_readings=1
            ),
            cases.traffic(
                "voip", "b-01", "a-01", 9, 9, 9, jitter_ms=Decimal(30), jitter_readings=3
            ),
        )
    )
    line = cases.Made(sites=sites, facts=facts).line("jitter")
    assert line.measured == 25  # (10 + 3 x 30) / 4
    assert line.steps == 5


def test_two_medium_pas_have_no_delay_limit_in_video_and_say_so(cases):
    sites = tuple(
        cases.pas(name, cases.entry("video-collaboration"), profile="medium")
        for name in ("a-01", "b-01")
    )
    facts = Facts(traffic=(cases.traffic("video-collaboration", "a-01", "b-01", 9, 9, 0),))
    made = cases.Made(sites=sites, facts=facts)
    line = made.line("one-way-delay")
    assert (line.limit, line.penalty_eur, line.steps) == (None, Decimal("0.00"), None)
    assert "D4" in line.readings
    assert "no-limit" in made.codes()


def test_unit_availability_clips_to_the_window_and_merges_overlaps(cases):
    # Normal window: 123 days of 12 h are 1476 h. 06:00 to 20:00 on 3 May counts 12 h, an overlap
    # counts once, and 4 May 19:00 to 5 May 09:00 counts 1 h + 1 h: 14 h in all.
    facts = Facts(
        tickets=(
            cases.ticket("T1", "ip-base", opened="2011-05-03 06:00", restored="2011-05-03 20:00"),
            cases.ticket("T2", "ip-base", opened="2011-05-03 10:00", restored="2011-05-03 21:00"),
            cases.ticket("T3", "ip-base", opened="2011-05-04 19:00", restored="2011-05-05 09:00"),
            cases.ticket(
                "T4",
                "ip-base",
                opened="2011-05-09 10:00",
                restored="2011-05-09 19:00",
                severity="non-blocking",
            ),
        )
    )
    site = cases.pas("roma-01", cases.entry("ip-base", level="L3", window="normal"))
    line = cases.Made(sites=(site,), facts=facts).line("unit-availability")
    assert line.measured == 100 - Fraction(1400, 1476)
    # 99.9 - 99.0514... = 0.8485...: 8 steps, and 0.0485 is still under 0.049.
    assert line.steps == 8
    assert line.penalty_eur == Decimal("768.00")  # 8 x 0.8 % of 12000
    assert (line.clause, line.level) == ("3.1.2, line 152", "L3")


def test_an_outage_over_the_end_of_a_period_is_split_there(cases):
    ticket = cases.ticket("T1", "ip-base", opened="2011-08-31 12:00", restored="2011-09-01 12:00")
    site = cases.pas("roma-01", cases.entry("ip-base"))
    made = cases.Made(sites=(site,), facts=Facts(tickets=(ticket,)), as_of="2012-03-01 00:00")
    assert made.line("unit-availability").measured == 100 - Fraction(1200, 2952)
    after = made.but(period="2011-3").line("unit-availability")
    assert after.measured == 100 - Fraction(1200, 2929)  # an hour more on 30 October


def test_an_open_ticket_lasts_to_the_end_and_is_charged_when_it_is_closed(cases):
    ticket = cases.ticket("T1", "ip-base", opened="2011-08-31 12:00", reported="2011-08-31 12:00")
    site = cases.pas("roma-01", cases.entry("ip-base"))
    made = cases.Made(sites=(site,), facts=Facts(tickets=(ticket,)))
    assert made.line("unit-availability").measured == 100 - Fraction(1200, 2952)
    assert made.line("restoration-time").status is Status.NO_DATA
    assert "pending-ticket" in made.codes()


def test_restoration_in_hours_costs_the_completed_ones_on_all_pas_of_the_level(cases):
    # Normal window: 3 May 18:00 to 4 May 20:00 are 2 h + 12 h = 14 h; limit 8: 6 h, late.
    facts = Facts(
        tickets=(
            cases.ticket("T1", "ip-base", reported="2011-05-03 18:00", closed="2011-05-04 19:59"),
        )
    )
    sites = (
        cases.pas("roma-01", cases.entry("ip-base", level="L3", window="normal")),
        cases.pas("milano-01", cases.entry("ip-base", level="L3", fee=Decimal(8000))),
        cases.pas("napoli-01", cases.entry("ip-base", level="L1")),
    )
    line = cases.Made(sites=sites, facts=facts).line("restoration-time")
    assert (line.event, line.pas, line.level, line.severity) == (
        "T1",
        "roma-01",
        "L3",
        "blocking",
    )
    assert line.measured == 14 - Fraction(1, 60)
    assert line.steps == 5  # 5 h 59 min beyond 8 h
    assert (line.basis, line.base_eur) == ("level", Decimal(20000))
    assert line.penalty_eur == Decimal("40.00")  # 5 x 0.04 % of 20000


def test_restoration_in_days_counts_working_dates_with_a_holiday_in_the_middle(cases):
    # Reported Tuesday 31 May; L2 blocking: second working day after. 1 June is one, 2 June the
    # Republic's day, 3 June the second. Closed Tuesday 7 June: Monday and Tuesday are two days.
    facts = Facts(
        tickets=(
            cases.ticket("T1", "ip-base", reported="2011-05-31 10:00", closed="2011-06-07 09:00"),
        )
    )
    made = cases.Made(sites=(cases.pas("roma-01", cases.entry("ip-base")),), facts=facts)
    line = made.line("restoration-time")
    assert (line.unit, line.limit, line.steps) == ("working-days", Decimal(2), 2)
    assert line.penalty_eur == Decimal("9.60")  # 2 x 0.04 % of 12000


def test_one_ticket_is_a_line_for_each_level_it_hits_and_service_wide_ones_hit_all(cases):
    sites = (
        cases.pas("a-01", cases.entry("ip-base", level="L1", fee=Decimal(1000))),
        cases.pas("b-01", cases.entry("ip-base", level="L3", fee=Decimal(2000))),
        cases.pas("c-01", cases.entry("ip-base", level="L3", fee=Decimal(4000))),
    )
    times = {"opened": "2011-05-03 00:00", "reported": "2011-05-03 00:00"}
    ticket = cases.ticket("T1", "ip-base", "", **times, closed="2011-05-04 00:00")
    made = cases.Made(sites=sites, facts=Facts(tickets=(ticket,)))
    lines = {line.level: line for line in made.lines("restoration-time")}
    assert set(lines) == {"L1", "L3"}
    assert lines["L1"].status is Status.MET
    assert lines["L3"].steps == 16  # 24 h less 8 h
    assert lines["L3"].penalty_eur == Decimal("38.40")  # 16 x 0.04 % of 6000
    assert lines["L3"].pas == ""
    assert {line.measured for line in made.lines("unit-availability")} == {
        100 - Fraction(2400, 2952)
    }


def test_one_access_fault_is_judged_for_each_service_it_names(cases):
    site = cases.pas("roma-01", cases.entry("ip-base"), cases.entry("voip", fee=Decimal(3000)))
    ticket = cases.ticket(
        "T1", "ip-base;voip", opened="2011-05-03 00:00", restored="2011-05-05 00:00"
    )
    made = cases.Made(sites=(site,), facts=Facts(tickets=(ticket,)))
    # 48 of 2952 h: 98.3739 %, 0.6260 below 99: 6 steps x 0.4 % of each fee.
    euro = {line.service: line.penalty_eur for line in made.lines("unit-availability")}
    assert euro == {"ip-base": Decimal("288.00"), "voip": Decimal("72.00")}


def test_overall_availability_weighs_by_units_and_caps_overlaps(cases):
    service = cases.whole("email", units=10, fee=Decimal(10000))
    first = cases.ticket(
        "T1", "email", "", opened="2011-05-03 00:00", restored="2011-05-05 00:00", affected=8
    )
    second = cases.ticket(
        "T2", "email", "", opened="2011-05-04 00:00", restored="2011-05-06 00:00", affected=7
    )
    made = cases.Made(services=(service,), facts=Facts(tickets=(first, second)))
    line = made.line("overall-availability")
    # 24 h x 8 + 24 h x 10 (15 capped) + 24 h x 7 = 600 of 29520 unit hours.
    assert line.measured == 100 - Fraction(60000, 29520)
    # 2.0325... less the 0.1 that 99.9 allows: 1.9325...: 19 steps x 0.4 % of 10000.
    assert (line.steps, line.penalty_eur) == (19, Decimal("760.00"))


def test_the_switch_of_c1_lets_other_outages_count_in_the_overall_figure_only(cases):
    ticket = cases.ticket(
        "T1",
        "email;ip-base",
        "",
        opened="2011-05-03 00:00",
        restored="2011-05-06 00:00",
        severity="non-blocking",
    )
    made = cases.Made(
        sites=(cases.pas("roma-01", cases.entry("ip-base")),),
        services=(cases.whole("email", units=1),),
        facts=Facts(tickets=(ticket,)),
    )
    assert made.line("overall-availability").measured == 100
    every = made.but(switches={"C1": "all"})
    assert every.line("overall-availability").measured == 100 - Fraction(7200, 2952)
    assert every.line("unit-availability").measured == 100


def test_chapter_7_takes_the_monitoring_system_for_availability_and_devices_for_restoration(cases):
    both = {"opened": "2011-05-03 00:00", "reported": "2011-05-03 00:00"}
    both |= {"restored": "2011-05-06 00:00", "closed": "2011-05-06 00:01"}
    tickets = (
        cases.ticket("system", "lan-management", "", **both),
        cases.ticket("switch", "lan-management", "roma-01", **both),
    )
    made = cases.Made(
        sites=(cases.pas("roma-01"),),
        services=(cases.whole("lan-management"),),
        facts=Facts(tickets=tickets),
    )
    line = made.line("overall-availability")
    # 72 of 2952 h: 97.5609 %; 1.9390 below 99.5: 19 steps x 0.2 % of 9000.
    assert (line.steps, line.penalty_eur) == (19, Decimal("342.00"))
    late = made.line("network-device-restoration-time")
    # Limit Wednesday 4 May; closed Friday: 2 days x 0.1 % of 9000.
    assert (late.event, late.steps, late.penalty_eur) == ("switch", 2, Decimal("18.00"))
    named = tuple(
        cases.ticket(name, "lan-management", at, component=component, **both)
        for name, at, component in (("a", "roma-01", "monitoring"), ("b", "", "device"))
    )
    turned = made.but(facts=Facts(tickets=named))
    assert turned.line("overall-availability").evidence
    assert turned.line("network-device-restoration-time").event == "b"


def test_asset_management_is_charged_on_the_fee_of_system_management(cases):
    ticket = cases.ticket(
        "T1",
        "asset-management",
        "",
        opened="2011-05-03 00:00",
        reported="2011-05-03 00:00",
        closed="2011-05-06 00:01",
    )
    made = cases.Made(
        services=(
            cases.whole("asset-management", fee=Decimal(1)),
            cases.whole("system-management", fee=Decimal(5000)),
        ),
        facts=Facts(tickets=(ticket,)),
    )
    available = made.line("asset-availability")
    assert (available.base_eur, available.steps) == (Decimal(5000), 19)
    late = made.line("asset-restoration-time")
    assert (late.steps, late.penalty_eur) == (2, Decimal("10.00"))
    assert not made.line("server-restoration-time").event
    assert "fee-ignored" in made.codes()


def test_email_restoration_is_the_share_in_time_with_both_severities(cases):
    times = {"reported": "2011-05-03 10:00"}
    tickets = (
        cases.ticket("T1", "email", "", **times, closed="2011-05-03 18:00"),  # 8 h: in time
        cases.ticket("T2", "email", "", **times, closed="2011-05-03 18:01"),  # late
        cases.ticket(
            "T3", "email", "", **times, closed="2011-05-05 23:00", severity="non-blocking"
        ),
    )
    made = cases.Made(services=(cases.whole("email", units=5),), facts=Facts(tickets=tickets))
    line = made.line("restoration-time")
    assert line.measured == Fraction(200, 3)
    assert line.steps == 33  # 33.33 points of 1
    assert line.penalty_eur == Decimal("2970.00")  # 33 % of 9000


def test_unified_messaging_is_charged_on_the_fee_of_email(cases):
    made = cases.Made(
        services=(cases.whole("email", units=5), cases.whole("unified-messaging", fee=None)),
        facts=Facts(messages=(cases.messages("unified-messaging", 1000, 980),)),
    )
    line = made.line("um-message-delivery-time")
    # 98 %: 1 point below 99, 10 steps x 0.1 % of 9000.
    assert (line.steps, line.base_eur, line.penalty_eur) == (10, Decimal(9000), Decimal("90.00"))
