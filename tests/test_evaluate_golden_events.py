"""Whole evaluations of requests, orders, calls and reports, with euro worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from analysis.facts import Facts
from analysis.lines import Status

NO_FEE = {"fee": None}


def test_messages_and_calls_are_pooled_over_the_period(cases):
    sites = (cases.pas("a-01", cases.entry("voip", fee=Decimal(2000))),)
    facts = Facts(
        calls=(
            cases.calls("voip", 900, 890),
            cases.calls("voip", 100, 90, "2011-08-31 23:00"),
            cases.calls("voip", 100, 0, "2011-09-01 00:00"),  # the next period
        ),
        messages=(cases.messages("email", 1000, 976),),
    )
    made = cases.Made(sites=sites, services=(cases.whole("email", units=1),), facts=facts)
    line = made.line("call-success-rate")
    # 980 of 1000: 98 %, 10 steps x 1 % of 2000.
    assert (line.measured, line.steps, line.penalty_eur) == (98, 10, Decimal("200.00"))
    mail = made.line("message-delivery-time")
    # 97.6 %: 1.4 below 99: 2 whole steps and 0.4 more: 3 x 0.5 % of 9000.
    assert (mail.steps, mail.penalty_eur) == (3, Decimal("135.00"))


def test_a_security_rule_is_judged_for_its_validation_and_for_its_implementation(cases):
    # Strong: 4 h to validate, 8 h to implement, working days, normal window.
    # Requested Friday 16:00, validated Monday 09:30: 4 h + 1.5 h = 5.5 h: 1 completed hour late.
    # Implemented Tuesday 12:30: 10.5 h + 4.5 h = 15 h: 7 hours late.
    sites = (cases.pas("a-01", cases.entry("security-strong", window="normal")),)
    rule = cases.request(
        "R1",
        "security-strong",
        "policy-implementation-time",
        pas="a-01",
        requested="2011-05-06 16:00",
        validated="2011-05-09 09:30",
        done="2011-05-10 12:30",
    )
    made = cases.Made(sites=sites, facts=Facts(requests=(rule,)))
    validation = made.line("policy-validation-time")
    assert (validation.measured, validation.steps) == (Fraction(11, 2), 1)
    assert validation.penalty_eur == Decimal("1.20")  # 0.01 % of 12000
    implementation = made.line("policy-implementation-time")
    assert (implementation.measured, implementation.steps) == (15, 7)
    assert implementation.penalty_eur == Decimal("8.40")
    on_site = made.but(options=("help-desk-on-site",))
    assert on_site.line("policy-validation-time").steps == 2  # 3 h
    assert on_site.line("policy-implementation-time").steps == 10  # 5 h
    assert "E11" in on_site.line("policy-validation-time").readings


def test_a_rejection_ends_the_validation_and_there_is_nothing_to_implement(cases):
    sites = (cases.pas("a-01", cases.entry("security-standard", window="normal")),)
    rule = cases.request(
        "R1",
        "security-standard",
        "policy-implementation-time",
        pas="a-01",
        requested="2011-05-09 08:00",
        notified="2011-05-09 19:00",
        outcome="rejected",
        reason="not allowed",
    )
    made = cases.Made(sites=sites, facts=Facts(requests=(rule,)))
    line = made.line("policy-validation-time")
    assert (line.measured, line.steps) == (11, 3)  # limit 8 h
    assert made.line("policy-implementation-time").status is Status.NO_DATA
    assert "request-rejected" in made.codes()


def test_quarter_hours_run_on_all_seven_days_unless_the_switch_says_otherwise(cases):
    sites = (cases.pas("a-01", cases.entry("security-strong", window="normal")),)
    notice = cases.request(
        "R1",
        "security-strong",
        "unavailability-notification-time",
        pas="a-01",
        requested="2011-05-07 19:50",  # Saturday
        done="2011-05-08 08:50",  # Sunday: 10 + 50 minutes in the window
    )
    made = cases.Made(sites=sites, facts=Facts(requests=(notice,)))
    line = made.line("unavailability-notification-time")
    assert (line.measured, line.steps) == (60, 3)  # 45 minutes beyond 15
    assert line.penalty_eur == Decimal("3.60")
    working = made.but(switches={"B8": "working"})
    assert working.line("unavailability-notification-time").measured == 0


def test_days_of_chapter_7_are_working_days_and_hours_may_be_charged_in_days(cases):
    requests = (
        cases.request(
            "R1",
            "workstation-management",
            "software-distribution-time",
            requested="2011-05-05 10:00",  # Thursday; third working day: Tuesday 10 May
            done="2011-05-12 09:00",
        ),
        cases.request(
            "R2",
            "workstation-management",
            "supplier-activation-time",
            requested="2011-05-06 10:00",  # Friday; 2 h
            done="2011-05-06 18:00",  # late, the same date
        ),
        cases.request(
            "R3",
            "workstation-management",
            "supplier-activation-time",
            requested="2011-05-06 10:00",
            done="2011-05-09 09:00",  # the next working date
        ),
    )
    made = cases.Made(
        services=(cases.whole("workstation-management", fee=Decimal(6000)),),
        facts=Facts(requests=requests),
    )
    assert made.line("software-distribution-time").penalty_eur == Decimal("12.00")  # 2 x 0.1 %
    supplier = {line.event: line for line in made.lines("supplier-activation-time")}
    assert (supplier["R2"].status, supplier["R2"].steps) == (Status.NOT_MET, 0)
    assert (supplier["R3"].steps, supplier["R3"].penalty_eur) == (1, Decimal("6.00"))


def test_waiting_costs_by_the_call_and_lost_calls_mark_it_up(cases):
    facts = Facts(contact_centre=(cases.centre(1000, 45, 60), cases.centre(1000, 4, 10)))
    made = cases.Made(services=(cases.whole("call-center", **NO_FEE),), facts=facts)
    waiting = made.line("waiting-time")
    assert (waiting.steps, waiting.penalty_eur) == (70, Decimal("3500.00"))
    lost = made.line("lost-calls")
    # 49 of 2000 is 2.45 %: 0.45 above 2 rounds to nothing.
    assert (lost.measured, lost.steps, lost.penalty_eur) == (
        Fraction(49, 20),
        0,
        Decimal("0.00"),
    )
    worse = made.but(facts=Facts(contact_centre=(cases.centre(1000, 45, 60),)))
    # 4.5 %: 2.5 above: 2 whole points and 0.5 more: 3 x 10 % of 60 x 50 EUR.
    assert worse.line("lost-calls").penalty_eur == Decimal("900.00")
    assert worse.line("lost-calls").base_eur == Decimal("3000.00")


def test_a_late_response_costs_100_euro_and_300_with_help_desk_on_site(cases):
    tickets = (
        cases.ticket("T1", "email", "", reported="2011-05-03 10:00", responded="2011-05-03 11:00"),
        cases.ticket("T2", "email", "", reported="2011-05-03 10:00", responded="2011-05-03 11:01"),
    )
    made = cases.Made(
        services=(cases.whole("call-center", **NO_FEE),), facts=Facts(tickets=tickets)
    )
    lines = {line.event: line for line in made.lines("outage-response-time")}
    assert lines["T1"].status is Status.MET
    assert lines["T2"].penalty_eur == Decimal("100.00")
    on_site = made.but(options=("help-desk-on-site",))
    assert on_site.line("outage-response-time", event="T2").penalty_eur == Decimal("300.00")


def test_provisioning_is_charged_by_solar_days_on_all_services_of_the_pas(cases):
    site = cases.pas(
        "a-01",
        cases.entry("ip-base", fee=Decimal(1000)),
        cases.entry("voip", fee=Decimal(500), start="2012-01-01"),
    )
    order = cases.request(
        "O1",
        "provisioning",
        "local-provisioning",
        pas="a-01",
        requested="2011-03-31 10:00",
        done="2011-07-10 10:00",
        bandwidth_mbps=Decimal(8),
    )
    made = cases.Made(
        sites=(site,),
        services=(cases.whole("provisioning", **NO_FEE),),
        facts=Facts(requests=(order,)),
    )
    line = made.line("local-provisioning")
    # Due 30 June (31 March and three months, clamped); 10 days x 1 % of 1500.
    assert (line.steps, line.base_eur, line.penalty_eur) == (
        10,
        Decimal(1500),
        Decimal("150.00"),
    )
    assert line.unit == "solar-days"


def test_days_of_a_delay_over_two_periods_are_charged_once_each(cases):
    site = cases.pas("a-01", cases.entry("ip-base", fee=Decimal(1000)))
    order = cases.request(
        "O1",
        "provisioning",
        "internal-move",
        pas="a-01",
        requested="2011-07-20 10:00",
        done="2011-09-10 10:00",
    )
    made = cases.Made(
        sites=(site,),
        services=(cases.whole("provisioning", **NO_FEE),),
        facts=Facts(requests=(order,)),
    )
    # Due 20 August: 11 days in August, 10 in September.
    assert made.line("internal-move").penalty_eur == Decimal("110.00")
    assert made.but(period="2011-3").line("internal-move").penalty_eur == Decimal("100.00")
    whole = made.but(switches={"F9": "delivery"})
    assert whole.line("internal-move").penalty_eur == Decimal("0.00")
    assert whole.but(period="2011-3").line("internal-move").penalty_eur == Decimal("210.00")


def test_an_order_between_the_bandwidth_classes_or_without_a_pas_costs_nothing_and_is_named(cases):
    keys = {"requested": "2011-05-02 10:00", "bandwidth_mbps": Decimal(9)}
    between = cases.request("O1", "provisioning", "local-provisioning", pas="a-01", **keys)
    nowhere = cases.request(
        "O2",
        "provisioning",
        "centralised-provisioning",
        requested="2011-05-02 10:00",
        done="2011-07-20 10:00",
    )
    made = cases.Made(
        sites=(cases.pas("a-01", cases.entry("ip-base")),),
        services=(cases.whole("provisioning", **NO_FEE),),
        facts=Facts(requests=(between, nowhere)),
    )
    assert made.line("local-provisioning").status is Status.NO_DATA
    late = made.line("centralised-provisioning")
    assert (late.status, late.steps, late.penalty_eur) == (Status.NOT_MET, 18, Decimal("0.00"))
    assert {"bandwidth-gap", "order-without-pas"} <= made.codes()


def test_late_reports_cost_by_the_working_day_in_the_period_they_were_due(cases):
    deliveries = (
        cases.delivery("technical", "2011-04", "2011-05-15 23:00"),
        cases.delivery("technical", "2011-05", "2011-06-20 09:00"),  # due Wed 15: 3 working days
        cases.delivery("technical", "2011-06", "2011-07-15 09:00"),
        cases.delivery("technical", "2011-07", "2011-08-16 09:00"),  # Monday 15 August is free
        cases.delivery("contractual", "2011-1", "2011-05-23 09:00"),  # due Friday: 1
        cases.delivery("contractual", "2011-2", "2012-01-01 09:00"),  # due in the next period
    )
    made = cases.Made(
        services=(cases.whole("reporting", **NO_FEE),), facts=Facts(deliveries=deliveries)
    )
    technical = {line.event: line.penalty_eur for line in made.lines("technical-report-deadline")}
    assert technical == {
        "2011-04": Decimal("0.00"),
        "2011-05": Decimal("150.00"),
        "2011-06": Decimal("0.00"),
        "2011-07": Decimal("50.00"),
    }
    line = made.line("contractual-report-deadline")
    assert (line.event, line.penalty_eur) == ("2011-1", Decimal("50.00"))
    calendar = made.but(switches={"F8": "calendar"})
    assert calendar.line("technical-report-deadline", event="2011-05").penalty_eur == Decimal("250")


def test_a_report_that_was_never_delivered_is_counted_to_the_day_of_the_figures(cases):
    made = cases.Made(services=(cases.whole("reporting", **NO_FEE),), as_of="2011-06-20 12:00")
    lines = {line.event: line.steps for line in made.lines("technical-report-deadline")}
    # Due Sunday 15 May: 16 May to 20 June has 25 working days (2 June is free); due 15 June: 3.
    assert lines == {"2011-04": 25, "2011-05": 3}


def test_the_total_is_the_sum_of_lines_that_are_rounded_one_by_one(cases):
    # 1 step of 0.2 % of 1002.50 is 2.005: 2.01 half-up, for each PAS.
    sites = tuple(
        cases.pas(name, cases.entry("ip-base", fee=Decimal("1002.50"))) for name in ("a-01", "b-01")
    )
    rows = tuple(cases.traffic("ip-base", name, "", 1000, 989, 989) for name in ("a-01", "b-01"))
    made = cases.Made(sites=sites, facts=Facts(traffic=rows))
    assert [line.penalty_eur for line in made.lines("packet-loss")] == [Decimal("2.01")] * 2
    assert made.result().total_eur == Decimal("4.02")
