"""Every item of the annex's lists stands in its report, with its data or with what it lacks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from analysis.catalogue_rows import ReportItem, load_catalogue
from analysis.documents import items_tables, items_traffic
from analysis.documents.content import (
    Document,
    Grid,
    Item,
    Lines,
    Message,
    Money,
    Number,
    Section,
    Table,
)
from analysis.documents.daily import path_days, percentiles_ms
from analysis.documents.items import BUILDERS
from analysis.documents.material import Material
from analysis.documents.own_items import answers
from analysis.documents.periodic import periodic_document
from analysis.errors import ReportError
from analysis.evaluation.asked import Asked, gathered
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.inputs import Inputs
from analysis.facts import Action, Facts, ItemTable, Ticket, TrafficRow, UsageRow, Where
from analysis.lines import Line, Status
from analysis.traffic import DayTraffic, PathTraffic
from inventory.models import Influxdb
from inventory.periods import parse_period
from timeseries.histogram import BOUNDS_NS
from timeseries.reader import Reader

CONTRACT = Path(__file__).parents[1] / "examples" / "contract"
WHERE = Where("made.csv", 2)
MS = 1_000_000


def no_server(_: Influxdb) -> Reader:
    raise AssertionError("nobody asks for a server here")


def ns(text: str) -> int:
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo("Europe/Rome"))
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000_000


@pytest.fixture(scope="module")
def sample() -> Callable[[str], Inputs]:
    """The inputs of the sample contract for a period, read once each."""
    known: dict[str, Inputs] = {}

    def of(period: str) -> Inputs:
        if period not in known:
            asked = Asked(period, CONTRACT / "pasprobe.toml", as_of="2011-09-25")
            known[period] = gathered(asked, os.environ, no_server, each_day=True)
        return known[period]

    return of


def document(inputs: Inputs, kind: Any) -> Document:
    return periodic_document(Material(inputs, evaluate(inputs)), kind, {})


def section_of(made: Document, identifier: str) -> Section:
    return next(section for section in made.sections if section.id == identifier)


def item_of(made: Document, service: str, identifier: str) -> Item:
    return next(item for item in section_of(made, service).items if item.id == identifier)


def table_of(item: Item, name: str) -> Table:
    return next(table for table in item.tables if table.name == name)


def column(table: Table, key: str) -> list[Any]:
    index = [one.key for one in table.columns].index(key)
    return [row[index] for row in table.rows]


def test_every_source_of_the_catalogue_has_a_builder_and_no_builder_is_idle() -> None:
    named = {
        item.kind
        for service in load_catalogue().services
        for item in (*service.contractual_report, *service.technical_report)
    }

    assert named == set(BUILDERS)


@pytest.mark.parametrize(("kind", "period"), [("contractual", "2011-2"), ("technical", "2011-06")])
@pytest.mark.parametrize("empty", [False, True])
def test_each_service_has_every_item_of_its_list_in_the_order_of_the_annex(
    sample: Callable[[str], Inputs], kind: Any, period: str, empty: bool
) -> None:
    inputs = sample(period)
    if empty:
        inputs = replace(inputs, facts=Facts())

    made = document(inputs, kind)

    services = load_catalogue().services
    assert [section.id for section in made.sections[1:-1]] == [s.id for s in services]
    for service in services:
        wanted = service.contractual_report if kind == "contractual" else service.technical_report
        found = [item for item in section_of(made, service.id).items if item.place]
        assert [item.id for item in found] == [item.id for item in wanted]
        assert [item.place for item in found] == [
            ", ".join(map(str, item.lines)) for item in wanted
        ]


@pytest.mark.parametrize(
    ("kind", "period"),
    [("contractual", "2011-2")] + [("technical", f"2011-0{month}") for month in (5, 6, 7, 8)],
)
def test_the_sample_contract_has_data_for_every_item(
    sample: Callable[[str], Inputs], kind: Any, period: str
) -> None:
    made = document(sample(period), kind)

    assert [f"{section.id}.{item.id}" for section, item in made.missing] == []


def test_an_item_without_data_says_which_file_it_waits_for(
    sample: Callable[[str], Inputs],
) -> None:
    made = document(replace(sample("2011-06"), facts=Facts()), "technical")

    missing = {f"{section.id}.{item.id}": item for section, item in made.missing}
    assert "voip.call-records" in missing
    note = missing["voip.call-records"].notes[0]
    assert isinstance(note, Message)
    assert note.values["file"] == "items/voip.call-records.csv"
    assert "ip-base.outages" in missing
    for one in missing.values():
        assert one.notes, one.id
    # Availability is there without any ticket: nothing was down.
    assert "ip-base.unit-availability" not in missing


def test_no_outage_of_a_service_is_an_answer_where_tickets_were_handed_over(
    sample: Callable[[str], Inputs],
) -> None:
    inputs = sample("2011-06")
    others = tuple(t for t in inputs.facts.tickets if "ip-base" not in t.services)

    made = document(replace(inputs, facts=replace(inputs.facts, tickets=others)), "technical")

    assert not item_of(made, "ip-base", "outages").missing
    assert others


def test_penalties_add_up_to_the_total_of_the_result(sample: Callable[[str], Inputs]) -> None:
    inputs = sample("2011-2")
    result = evaluate(inputs)
    made = periodic_document(Material(inputs, result), "contractual", {})

    totals = []
    for section in made.sections[1:-1]:
        for item in section.items:
            if item.id in ("penalties", "r-2-3-penalties"):
                for table in item.tables:
                    amounts = column(table, "penalty_eur")
                    assert table.total is not None
                    assert table.total[-1] == Money(sum((a.euro for a in amounts), Decimal(0)))
                    totals.append(table.total[-1].euro)
    assert sum(totals) == result.total_eur
    assert result.total_eur > 0


def test_a_report_of_the_wrong_kind_of_period_is_refused(sample: Callable[[str], Inputs]) -> None:
    with pytest.raises(ReportError, match="four-month period"):
        document(sample("2011-06"), "contractual")
    with pytest.raises(ReportError, match="a month such as"):
        document(sample("2011-2"), "technical")


def test_the_reports_are_due_on_the_days_of_the_annex(sample: Callable[[str], Inputs]) -> None:
    for kind, period, day in (
        ("contractual", "2011-2", date(2011, 9, 20)),
        ("technical", "2011-06", date(2011, 7, 15)),
    ):
        facts = {str(getattr(name, "id", name)): value for name, value in
                 document(sample(period), kind).facts}  # fmt: skip
        assert facts["due on"] == day


def test_the_monthly_report_prints_the_action_on_each_finding(
    sample: Callable[[str], Inputs],
) -> None:
    inputs = sample("2011-06")
    broken = [x for x in evaluate(inputs).lines if x.status is Status.NOT_MET]
    action = Action(
        WHERE, "2011-06", broken[0].service, f"{broken[0].parameter} at {broken[0].pas}",
        "cable laid anew", "access team", date(2011, 7, 1), None,
    )  # fmt: skip
    made = document(replace(inputs, facts=replace(inputs.facts, actions=(action,))), "technical")

    table = table_of(item_of(made, "summary", "actions"), "actions")
    said = dict(zip(column(table, "number"), column(table, "action"), strict=True))
    assert said[broken[0].number] == "cable laid anew"
    assert len(said) == len(broken)
    others = [x for x in broken if not answers(action, x)]
    assert others
    assert all(isinstance(said[x.number], Message) for x in others)


def test_an_action_of_another_service_answers_no_finding(sample: Callable[[str], Inputs]) -> None:
    line = next(x for x in evaluate(sample("2011-06")).lines if x.status is Status.NOT_MET)
    action = Action(WHERE, "2011-06", line.service, line.parameter.upper(), "a", "b", None, None)

    assert answers(action, line)
    assert answers(replace(action, service=""), line)
    assert not answers(replace(action, service="reporting"), line)
    assert not answers(replace(action, finding="something else"), line)


def test_the_forecast_of_a_month_names_every_line_of_the_outlook_once(
    sample: Callable[[str], Inputs],
) -> None:
    inputs = sample("2011-06")
    result = evaluate(inputs)
    made = periodic_document(Material(inputs, result), "technical", {})

    numbers = [
        number
        for section in made.sections[1:-1]
        for item in section.items
        if item.id == "outlook"
        for number in column(table_of(item, "outlook"), "number")
    ]
    assert sorted(numbers) == sorted(one.line for one in result.outlook)
    total = table_of(item_of(made, "summary", "expected"), "expected").total
    assert total is not None
    assert total[-1] == Money(sum((one.expected_eur for one in result.outlook), Decimal(0)))


def outage(identifier: str, opened: str, restored: str | None, **changes: Any) -> Ticket:
    known = Ticket(
        where=WHERE, id=identifier, services=("ip-base",), pas=("roma-01",), severity="blocking",
        opened_ns=ns(opened), reported_ns=ns(opened), responded_ns=None,
        restored_ns=None if restored is None else ns(restored),
        closed_ns=None if restored is None else ns(restored), affected=1, cause="", component="",
        severity_provider=None, severity_administration=None, expected_ns=None, comment="",
    )  # fmt: skip
    return replace(known, **changes)


def availability_grid(made: Document) -> Grid:
    chart = item_of(made, "ip-base", "unit-availability").charts[0]
    assert isinstance(chart, Grid)
    return chart


def row_of(grid: Grid, label: str) -> tuple[int | None, ...]:
    return next(row.classes for row in grid.rows if row.label == label)


def test_the_calendar_darkens_with_the_share_of_the_window_that_was_lost(
    sample: Callable[[str], Inputs],
) -> None:
    inputs = sample("2011-06")
    tickets = (
        outage("T1", "2011-06-03T10:00", "2011-06-03T11:00"),
        outage("T2", "2011-06-04T10:00", "2011-06-04T20:00"),
        outage("T3", "2011-06-05T02:00", "2011-06-05T23:00"),
        outage("T4", "2011-06-07T02:00", "2011-06-07T23:00", severity="non-blocking"),
        outage("T5", "2011-06-29T12:00", None),
    )
    made = document(replace(inputs, facts=replace(inputs.facts, tickets=tickets)), "technical")

    classes = row_of(availability_grid(made), "roma-01")

    assert len(classes) == 30
    assert (classes[1], classes[2], classes[3], classes[4]) == (0, 1, 2, 3)
    assert classes[6] == 0  # not blocking
    assert classes[28:] == (2, 3)  # open: up to the end of the month
    assert set(row_of(availability_grid(made), "milano-01")) == {0}


def test_days_that_are_still_to_come_are_no_good_days(sample: Callable[[str], Inputs]) -> None:
    inputs = replace(sample("2011-06"), as_of_ns=ns("2011-06-10T00:00"))

    classes = row_of(availability_grid(document(inputs, "technical")), "roma-01")

    assert None not in classes[:9]
    assert set(classes[9:]) == {None}


def day_traffic(day: str, sent: int, received: int, bin_number: int) -> DayTraffic:
    return DayTraffic(
        day=day, planned=2, trains=2, valid=2, invalid={}, sent=sent, received=received,
        within_limit=received, judged=received, jitter_sum_ns=received * MS,
        jitter_count=received, jitter_over=1, sent_all=sent, received_all=received,
        histogram=((bin_number, received),),
    )  # fmt: skip


def from_store(days: tuple[DayTraffic, ...], service: str = "ip-base") -> PathTraffic:
    return PathTraffic(f"roma-01/{service}", service, "roma-01", "", "qxn", "probe", 300 * MS, days)


def test_percentiles_of_the_store_stand_in_a_chart_with_the_limit(
    sample: Callable[[str], Inputs],
) -> None:
    bin_number = BOUNDS_NS.index(300 * MS)
    days = (day_traffic("2011-05-31", 10, 10, 5), day_traffic("2011-06-02", 10, 8, bin_number))
    inputs = replace(sample("2011-06"), facts=Facts(), traffic=(from_store(days),))

    item = item_of(document(inputs, "technical"), "ip-base", "delay-share")

    lines = [chart for chart in item.charts if isinstance(chart, Lines)]
    percentiles = next(chart for chart in lines if chart.limit == Decimal(300))
    assert [one.values[1] for one in percentiles.series] == [Fraction(300)] * 3
    # The day of May is in the four months' outlook, and in no chart of June.
    assert [one.values[0] for one in percentiles.series] == [None] * 3
    data = table_of(item, "percentiles")
    assert column(data, "day") == [date(2011, 6, 2)]
    assert data.data_only


def test_a_percentile_above_the_last_bound_is_not_told() -> None:
    over = len(BOUNDS_NS)

    assert percentiles_ms(((3, 98), (over, 2))) == (
        Fraction(BOUNDS_NS[3], MS),
        Fraction(BOUNDS_NS[3], MS),
        None,
    )
    assert percentiles_ms(()) == (None, None, None)


def test_rows_of_traffic_csv_take_the_place_of_the_store_on_their_days(
    sample: Callable[[str], Inputs],
) -> None:
    days = (day_traffic("2011-06-01", 10, 10, 5), day_traffic("2011-06-02", 10, 10, 5))
    row = TrafficRow(
        where=WHERE, service="ip-base", pas="roma-01", peer="", start_ns=ns("2011-06-02T00:00"),
        end_ns=ns("2011-06-03T00:00"), sent=100, received=90, within_limit=80,
        jitter_ms=Decimal("2.5"), limit_ms=None, jitter_readings=4, jitter_over=1, endpoint="qxn",
    )  # fmt: skip
    long = replace(row, start_ns=ns("2011-06-04T00:00"), end_ns=ns("2011-06-06T00:00"))
    inputs = replace(
        sample("2011-06"), facts=Facts(traffic=(row, long)), traffic=(from_store(days),)
    )

    (path,) = path_days(Material(inputs, evaluate(inputs)), "ip-base")

    assert sorted(path.days) == ["2011-06-01", "2011-06-02"]
    assert (path.days["2011-06-01"].sent, path.days["2011-06-02"].sent) == (10, 100)
    assert path.days["2011-06-02"].jitter_sum_ns == 10 * MS
    assert path.undated == 1


def test_jitter_readings_of_other_months_are_not_counted(sample: Callable[[str], Inputs]) -> None:
    days = (day_traffic("2011-05-31", 10, 10, 5), day_traffic("2011-06-02", 10, 8, 5))
    inputs = replace(sample("2011-06"), facts=Facts(), traffic=(from_store(days, "voip"),))
    material = Material(inputs, evaluate(inputs))
    voip = load_catalogue().service("voip")
    assert voip is not None
    item = next(i for i in voip.technical_report if i.source == "jitter-over")

    parts = items_traffic.jitter_over(material, voip, item)

    assert column(parts.tables[0], "readings") == [8]
    assert column(parts.tables[0], "over") == [1]


def test_hourly_use_has_its_mean_its_highest_hour_and_every_row_in_the_data(
    sample: Callable[[str], Inputs],
) -> None:
    rows = tuple(
        UsageRow(WHERE, "ip-base", "roma-01", "", ns(f"2011-06-01T{hour:02}:00"),
                 ns(f"2011-06-01T{hour + 1:02}:00"), Decimal(hour), Decimal(2 * hour))
        for hour in range(10)
    )  # fmt: skip
    may = replace(rows[0], start_ns=ns("2011-05-31T10:00"), end_ns=ns("2011-05-31T11:00"))
    inputs = replace(sample("2011-06"), facts=Facts(usage=(*rows, may)))

    item = item_of(document(inputs, "technical"), "ip-base", "access-usage")

    summary = table_of(item, "usage")
    assert column(summary, "hours") == [10]
    assert column(summary, "in_mean") == [Number(Fraction("4.5"), "percent")]
    assert column(summary, "out_max") == [Number(Fraction(18), "percent")]
    assert len(table_of(item, "hourly").rows) == 10
    grid = item.charts[0]
    assert isinstance(grid, Grid)
    # The busier direction; nothing is known of the other 14 hours and 29 days.
    assert grid.rows[0].classes[:10] == (0,) * 10
    assert grid.rows[0].classes[10:] == (None,) * 14


def item_table(*rows: tuple[str, ...], header: tuple[str, ...]) -> ItemTable:
    return ItemTable(
        "items/voip.traffic-statistics.csv", "voip", "traffic-statistics", header, rows
    )


def test_a_file_of_four_months_gives_each_month_its_own_rows() -> None:
    rome, june = ZoneInfo("Europe/Rome"), parse_period("2011-06")
    for header, first, second in (
        (("at", "x"), "2011-05-31T23:59", "2011-06-01T00:00"),
        (("at", "x"), "2011-06-30T22:00:00+00:00", "2011-06-30T21:59:59+00:00"),
        (("day", "x"), "2011-07-01", "2011-06-30"),
        (("month", "x"), "2011-05", "2011-06"),
    ):
        table = item_table((first, "1"), (second, "2"), header=header)
        assert items_tables.of_period(table, june, rome).rows == ((second, "2"),)
    by_id = item_table(
        ("I-1", "2011-05-31T10:00"), ("I-2", "2011-06-02T10:00"), header=("id", "at")
    )
    assert [row[0] for row in items_tables.of_period(by_id, june, rome).rows] == ["I-2"]
    plain = item_table(("a", "1"), ("b", "2"), header=("name", "x"))
    assert items_tables.of_period(plain, june, rome) == plain


def test_a_file_without_rows_of_the_month_is_an_item_without_data(
    sample: Callable[[str], Inputs],
) -> None:
    table = item_table(("2011-05-03T10:00", "1"), header=("at", "in_mb"))
    inputs = replace(sample("2011-06"), facts=Facts(items=(table,)))

    assert item_of(document(inputs, "technical"), "voip", "traffic-statistics").missing


def test_rules_in_force_are_printed_whatever_dates_stand_in_them(
    sample: Callable[[str], Inputs],
) -> None:
    table = ItemTable(
        "items/security-standard.rules-in-force.csv", "security-standard", "rules-in-force",
        ("rule", "since"), (("1", "2010-10-01"), ("2", "2009-01-01")),
    )  # fmt: skip
    inputs = replace(sample("2011-06"), facts=Facts(items=(table,)))

    item = item_of(document(inputs, "technical"), "security-standard", "rules-in-force")

    assert len(item.tables[0].rows) == 2


def test_a_series_is_summed_up_by_hour_day_and_week(sample: Callable[[str], Inputs]) -> None:
    rows = tuple(
        (f"2011-06-{day:02}T{hour:02}:00", "fw", str(10 * day + hour))
        for day in (1, 2, 6)
        for hour in (8, 9)
    )
    table = item_table(*rows, header=("at", "gate", "mbps"))
    inputs = replace(sample("2011-06"), facts=Facts(items=(table,)))

    item = item_of(document(inputs, "technical"), "voip", "traffic-statistics")

    hours = table_of(item, "by-hour")
    assert column(hours, "by-hour") == ["08:00", "09:00"]
    assert column(hours, "mbps") == [Number(Fraction(38)), Number(Fraction(39))]
    assert column(table_of(item, "by-day"), "mbps")[0] == Number(Fraction(37, 2))
    weeks = table_of(item, "by-week")
    assert column(weeks, "by-week") == [date(2011, 5, 30), date(2011, 6, 6)]
    assert not weeks.data_only
    assert len(table_of(item, "data").rows) == 6


def test_a_line_not_met_is_in_the_list_of_the_summary(sample: Callable[[str], Inputs]) -> None:
    inputs = sample("2011-2")
    lines: list[Line] = [x for x in evaluate(inputs).lines if x.status is Status.NOT_MET]

    item = item_of(document(inputs, "contractual"), "summary", "not-met")

    assert column(item.tables[0], "number") == [line.number for line in lines]


def test_tables_of_an_item_have_names_of_their_own(sample: Callable[[str], Inputs]) -> None:
    for kind, period in (("contractual", "2011-2"), ("technical", "2011-06")):
        for section in document(sample(period), kind).sections:
            assert len({item.id for item in section.items}) == len(section.items)
            for item in section.items:
                names = [table.name for table in item.tables]
                assert len(set(names)) == len(names), (section.id, item.id)
                for table in item.tables:
                    assert all(len(row) == len(table.columns) for row in table.rows)


def test_e_mail_lists_activations_apart_from_blocks(sample: Callable[[str], Inputs]) -> None:
    inputs = sample("2011-2")
    email = load_catalogue().service("email")
    assert email is not None
    operations: dict[str, set[Any]] = {}
    for period, kind in (("2011-05", "technical"), ("2011-08", "technical")):
        made = document(sample(period), kind)
        for item in email.technical_report:
            if item.operations:
                for table in item_of(made, "email", item.id).tables:
                    operations.setdefault(item.id, set()).update(column(table, "operation"))
    assert operations
    wanted: dict[str, ReportItem] = {item.id: item for item in email.technical_report}
    for identifier, found in operations.items():
        assert found <= set(wanted[identifier].operations)
    assert {r.operation for r in inputs.facts.requests if r.service == "email"} >= set().union(
        *operations.values()
    )
