"""Packets from the store: coverage, invalid trains, and `traffic.csv` in their place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from analysis.facts import Facts
from analysis.lines import Status


def _made(cases, *days, **keys):
    site = cases.pas("roma-01", cases.entry("ip-base"))
    path = cases.store_path("roma-01/ip-base", "ip-base", "roma-01", *days)
    return cases.Made(sites=(site,), store=(path,), **keys)


def _day(cases, day="", **keys):
    figures = {"planned": 100, "trains": 100, "valid": 100, "sent": 1000, "received": 980}
    figures |= {"judged": 980, "within_limit": 980, "sent_all": 1000, "received_all": 980}
    return cases.store_day(day, **{**figures, **keys})


def test_days_add_up_and_the_value_comes_from_a_probe(cases):
    made = _made(cases, _day(cases, "2011-05-01"), _day(cases, "2011-08-31", received=1000))
    line = made.line("packet-loss")
    assert (line.measured, line.source, line.coverage) == (1, "probe", 100)
    assert line.evidence == ("path roma-01/ip-base",)


def test_days_outside_the_period_are_not_its(cases):
    made = _made(cases, _day(cases, "2011-04-30"), _day(cases, "2011-09-01"))
    assert made.line("packet-loss").status is Status.NO_DATA
    month = _made(cases, _day(cases, "2011-05-31"), _day(cases, "2011-06-01", received=1000))
    assert month.but(period="2011-06").line("packet-loss").measured == 0


@pytest.mark.parametrize(
    ("valid", "status", "euro"),
    [(95, Status.NOT_MET, "240.00"), (94, Status.INSUFFICIENT, "0.00")],
)
def test_too_few_valid_trains_make_a_figure_insufficient_and_free(cases, valid, status, euro):
    made = _made(cases, _day(cases, valid=valid))
    line = made.line("packet-loss")
    assert (line.status, line.penalty_eur) == (status, Decimal(euro))
    assert line.measured == 2
    assert ("insufficient" in made.codes()) is (status is Status.INSUFFICIENT)


def test_the_loss_with_invalid_trains_stands_beside_it(cases):
    line = _made(cases, _day(cases, valid=96, sent_all=1040, received_all=980)).line("packet-loss")
    assert any("4 invalid trains 60 of 1040 packets" in note for note in line.notes)


def test_no_valid_train_is_no_data_and_a_warning(cases):
    made = _made(cases, cases.store_day(planned=100, trains=3))
    assert made.line("round-trip-delay").status is Status.NO_DATA
    assert "no-data" in made.codes()


def test_rows_beside_the_store_are_said(cases):
    row = cases.traffic("ip-base", "roma-01", "", 1000, 1000, 1000)
    made = _made(cases, _day(cases), facts=Facts(traffic=(row,)))
    line = made.line("packet-loss")
    assert (line.measured, line.source) == (1, "system")  # 20 of 2000
    assert any("replaces the store" in note for note in line.notes)
    assert set(line.evidence) == {"path roma-01/ip-base", "traffic.csv:2"}


def test_lost_packets_are_too_slow_only_under_the_switch(cases):
    made = _made(cases, _day(cases))
    assert made.line("round-trip-delay").measured == 100
    assert made.but(switches={"D1": "sent"}).line("round-trip-delay").measured == 98


def test_packets_that_cannot_be_judged_are_no_share(cases):
    day = cases.store_day(planned=9, trains=9, valid=9, sent=90, received=90, within_limit=None)
    made = _made(cases, day)
    assert made.line("round-trip-delay").status is Status.NO_DATA
    assert made.line("packet-loss").measured == 0


def test_rows_in_agreed_or_blocked_time_do_not_count(cases):
    row = cases.traffic("ip-base", "roma-01", "", 1000, 0, 0)
    good = cases.traffic(
        "ip-base",
        "roma-01",
        "",
        1000,
        1000,
        1000,
        start_ns=cases.ns("2011-05-04 10:00"),
        end_ns=cases.ns("2011-05-04 11:00"),
    )
    ticket = cases.ticket("T1", "ip-base", opened="2011-05-03 09:00", restored="2011-05-03 12:00")
    site = cases.pas("roma-01", cases.entry("ip-base"))
    made = cases.Made(sites=(site,), facts=Facts(traffic=(row, good), tickets=(ticket,)))
    assert made.line("packet-loss").measured == 50
    assert made.but(switches={"D9": "exclude"}).line("packet-loss").measured == 0
    agreed = cases.exclusion("ip-base", "roma-01", "2011-05-03 10:00", "2011-05-03 11:00")
    cut = made.but(facts=Facts(traffic=(row, good), exclusions=(agreed,)))
    assert cut.line("packet-loss").measured == 0
    partly = cases.exclusion("ip-base", "", "2011-05-03 10:30", "2011-05-03 11:00")
    whole = made.but(facts=Facts(traffic=(row, good), exclusions=(partly,)))
    assert whole.line("packet-loss").measured == 50
    assert {"exclusion", "row-not-cut"} <= whole.codes()
