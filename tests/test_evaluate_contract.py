"""Which rows of a contract are charged, on which fee, from when; and what cannot be charged."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from analysis.errors import ContractError
from analysis.facts import Facts
from analysis.lines import Status


def _outage(cases, **keys):
    times = {"opened": "2011-06-01 00:00", "restored": "2011-06-04 00:00"}
    return cases.ticket("T1", "ip-base", **{**times, **keys})


@pytest.mark.parametrize(
    ("start", "euro"),
    [
        ("2010-12-31", "0.00"),  # its first whole four months are January to April...
        ("2011-02-15", "0.00"),
        ("2011-04-30", "0.00"),
        ("2011-05-01", "0.00"),  # strictly after: September
    ],
)
def test_the_first_four_months_after_the_start_are_the_first_that_are_charged(cases, start, euro):
    site = cases.pas("roma-01", cases.entry("ip-base", start=start))
    made = cases.Made(sites=(site,), facts=Facts(tickets=(_outage(cases),)))
    line = made.line("unit-availability")
    assert line.status is Status.NOT_MET
    charged = start < "2011-05-01"
    # 72 of 2952 h: 97.5609: 1.4390 below 99: 14 steps x 0.4 % of 12000.
    assert line.penalty_eur == Decimal("672.00" if charged else euro)
    assert ("not-charged-yet" in made.codes()) is not charged


def test_a_pas_that_is_added_later_neither_costs_nor_weighs_before_its_first_whole_period(cases):
    sites = (
        cases.pas("a-01", cases.entry("ip-base", fee=Decimal(1000))),
        cases.pas("b-01", cases.entry("ip-base", fee=Decimal(2000), start="2011-05-10")),
    )
    ticket = cases.ticket("T1", "ip-base", "", reported="2011-06-06 10:00", closed="2011-06-10")
    made = cases.Made(sites=sites, facts=Facts(tickets=(ticket,)))
    line = made.line("restoration-time")
    assert (line.steps, line.base_eur) == (2, Decimal(1000))
    later = made.but(period="2011-3", facts=Facts(tickets=(_late_in_autumn(cases),)))
    assert later.line("restoration-time").base_eur == Decimal(3000)


def _late_in_autumn(cases):
    return cases.ticket("T1", "ip-base", "", reported="2011-10-03 10:00", closed="2011-10-10")


def test_an_ended_service_has_its_active_days_as_window_and_is_flagged(cases):
    site = cases.pas("roma-01", cases.entry("ip-base", end="2011-06-30"))
    made = cases.Made(sites=(site,), facts=Facts(tickets=(_outage(cases),)))
    line = made.line("unit-availability")
    assert line.measured == 100 - Fraction(7200, 61 * 24)
    assert line.base_eur == Decimal(12000)
    assert "C5" in line.readings
    assert "ended" in made.codes()
    assert not made.but(period="2011-3").result().lines


def test_a_change_of_level_is_judged_part_by_part_on_fees_weighted_by_days(cases):
    site = cases.pas(
        "roma-01",
        cases.entry("ip-base", level="L1", fee=Decimal(12300)),
        cases.entry("ip-base", level="L3", fee=Decimal(24600), start="2011-06-01"),
    )
    made = cases.Made(sites=(site,), facts=Facts(tickets=(_outage(cases),)))
    lines = {line.level: line for line in made.lines("unit-availability")}
    # May has 31 of 123 days, the rest 92.
    assert lines["L1"].base_eur == Decimal("3100.00")
    assert lines["L3"].base_eur == Decimal("18400.00")
    assert lines["L1"].measured == 100
    assert lines["L3"].measured == 100 - Fraction(7200, 92 * 24)
    assert "contract-changes" in made.codes()
    assert all(line.penalty_percent is not None for line in lines.values())


def test_a_change_of_the_fee_alone_keeps_one_figure(cases):
    site = cases.pas(
        "roma-01",
        cases.entry("ip-base", fee=Decimal(12300)),
        cases.entry("ip-base", fee=Decimal(24600), start="2011-06-01"),
    )
    made = cases.Made(sites=(site,))
    assert made.line("unit-availability").base_eur == Decimal("21500.00")


def test_a_changed_row_is_no_new_start(cases):
    site = cases.pas(
        "roma-01",
        cases.entry("ip-base"),
        cases.entry("ip-base", start="2011-05-10", fee=Decimal(12000)),
    )
    made = cases.Made(sites=(site,), facts=Facts(tickets=(_outage(cases),)))
    assert made.line("unit-availability").penalty_eur == Decimal("672.00")


def test_a_service_that_the_contract_does_not_list_has_no_line(cases):
    made = cases.Made(sites=(cases.pas("roma-01", cases.entry("ip-base")),))
    assert {line.service for line in made.result().lines} == {"ip-base"}


def test_every_parameter_of_every_listed_service_has_a_line(cases):
    per_pas = (
        "ip-base",
        "ip-qos",
        "security-standard",
        "security-strong",
        "voip",
        "video-collaboration",
        "video-conference",
    )
    listed = {entry.id for entry in cases.load_catalogue().services}
    sites = tuple(
        cases.pas(name, *(cases.entry(service) for service in per_pas)) for name in ("a-01", "b-01")
    )
    between = ("ip-qos", "voip", "video-collaboration", "video-conference")
    rows = tuple(cases.traffic(service, "a-01", "b-01", 10, 10, 10) for service in between)
    services = tuple(cases.whole(service) for service in sorted(listed - set(per_pas)))
    made = cases.Made(sites=sites, services=services, facts=Facts(traffic=rows))
    found = {(line.service, line.parameter) for line in made.result().lines}
    wanted = {
        (service.id, parameter.id)
        for service in cases.load_catalogue().services
        for parameter in service.parameters
    }
    assert found == wanted
    assert len(wanted) == 77


def test_all_that_is_missing_in_a_contract_is_said_at_once_and_by_name(cases):
    sites = (
        cases.pas("a-01", cases.entry("ip-base", fee=None, window=None)),
        cases.pas("b-01", cases.entry("voip", level=None, start=None)),
        cases.pas(
            "c-01",
            cases.entry("ip-base", end="2011-07-01"),
            cases.entry("ip-base", start="2011-06-01"),
        ),
        cases.pas("d-01", cases.entry("video-conference"), profile="base"),
        cases.pas("e-01", cases.entry("email")),
    )
    services = (cases.whole("unified-messaging"), cases.whole("voip"))
    with pytest.raises(ContractError) as caught:
        cases.Made(sites=sites, services=services).result()
    text = str(caught.value)
    for words in (
        "[[pas]] a-01, ip-base: has no fee",
        "[[pas]] a-01, ip-base: has no delivery window",
        "[[pas]] b-01, voip: needs a level",
        "[[pas]] b-01, voip: has no start",
        "[[pas]] c-01, ip-base: two rows overlap: one from 2010-01-01 to 2011-07-01",
        '[[pas]] d-01, video-conference: is not offered to profile "base"',
        "[[pas]] e-01, email: is no service that a PAS can have",
        "[contract] services, unified-messaging: is charged on the fee of email",
        "[contract] services, voip: is no service that is charged as a whole",
    ):
        assert words in text
    assert len(caught.value.problems) == len(text.splitlines()) == 9
    assert all(problem.remedy for problem in caught.value.problems)


def test_services_in_euro_need_no_fee(cases):
    services = tuple(
        cases.whole(service, fee=None) for service in ("call-center", "provisioning", "reporting")
    )
    assert cases.Made(services=services).result().lines


def test_an_unknown_switch_is_refused_by_name(cases):
    with pytest.raises(ContractError) as caught:
        cases.Made(
            sites=(cases.pas("a-01", cases.entry("ip-base", fee=None)),),
            switches={"Z9": "x", "A2": "R7"},
        ).checked()
    assert len(caught.value.problems) == 3
    for word in ("Z9", "R7", "has no fee"):
        assert word in str(caught.value)
