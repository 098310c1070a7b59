"""A period's packets from the stores: the same from either one, inside the windows and no others.

Records go into one spool; from there the embedded store takes them and the forwarder brings them to
a real influxd.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from contract_cases import EXAMPLE, pas_table, path_table, service_row

from analysis.catalogue_rows import load_catalogue
from analysis.lines import Gap
from analysis.store_traffic import (
    Survey,
    gaps,
    outages_seen,
    store_traffic,
    survey,
    worst_trains,
)
from analysis.store_windows import counted_paths
from inventory.models import Configuration
from inventory.periods import parse_period
from timeseries import histogram
from timeseries.embedded import EmbeddedStore
from timeseries.forwarder import Forwarder
from timeseries.influx import InfluxTarget, InfluxWriter
from timeseries.influx_reader import InfluxReader
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, PlanRecord, Record, TrainRecord
from timeseries.rollup import QUARTER_NS
from timeseries.spool import Spool

MS = 1_000_000
MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
OCTOBER = parse_period("2025-10")
"""Summer time ends in Rome on the 26th, in New York in November."""
EVERY_NS = 5 * MINUTE_NS

START = "2011-01-01"
IN_ROMA = service_row("ip-base", "L3", "normal", START, fee="100")
VOIP = service_row("voip", "L3", "extended", START, fee="100")
CONFIGURATION = (
    EXAMPLE
    + pas_table("roma", "high", IN_ROMA, VOIP, reflector="192.0.2.1:862")
    + pas_table(
        "tokyo",
        "medium",
        service_row("ip-base", "L3", "extended", START, fee="100"),
        VOIP,
        country="JP",
        timezone="Asia/Tokyo",
        reflector="192.0.2.2:862",
    )
    + path_table("roma", "ip-base", target="192.0.2.9", endpoint="qxn")
    + path_table("tokyo", "ip-base", target="192.0.2.9")
    + path_table("roma", "voip", peer="tokyo", method="stamp")
)


def configuration(text: str = CONFIGURATION) -> Configuration:
    import tomllib

    return Configuration.model_validate(tomllib.loads(text))


def utc_ns(*parts: int, zone: str = "UTC") -> int:
    moment = datetime(*parts, tzinfo=ZoneInfo(zone))  # type: ignore[arg-type,misc]
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


BEGIN = utc_ns(2025, 10, 24)
END = utc_ns(2025, 10, 28)

TRAIN = TrainRecord(
    "roma", "roma/ip-base", "roma", "ip-base", "", "qxn", "icmp", "t", "192.0.2.9", BEGIN, 10, 10,
    9, 1, 0, 0, 0, 0, 0, 300 * MS, "rtt", DelayFigures(), None, None, None, False, None, None,
    True, (), (), 10, 9, 0, 7, 2, 0, True, 1, (), (),
)  # fmt: skip


def figures(delays_ms: Sequence[int], limit_ms: int | None) -> DelayFigures:
    if not delays_ms:
        return DelayFigures()
    return DelayFigures(
        max_ns=max(delays_ms) * MS,
        ipdv_mean_ns=21 * MS,
        within_limit=None if limit_ms is None else sum(d <= limit_ms for d in delays_ms),
        histogram=histogram.counts(np.array(delays_ms, np.int64) * MS),
    )


def measured(start_ns: int, number: int) -> list[TrainRecord]:
    """A train of each path; every now and then something is wrong."""
    found = []
    for path, pas, service, limit in (
        ("roma/ip-base", "roma", "ip-base", 300),
        ("tokyo/ip-base", "tokyo", "ip-base", 500),  # medium: the contract says 400
        ("roma/voip", "roma", "voip", 180),
    ):
        one_way = service == "voip"
        delays = [100 + 50 * ((number + k) % 9) for k in range(number % 11)]
        train = replace(
            TRAIN, agent=pas, path=path, pas=pas, service=service, start_ns=start_ns,
            peer="tokyo" if one_way else "", received=len(delays), lost=10 - len(delays),
            limit_ns=limit * MS, limit_on="one-way" if one_way else "rtt",
            rtt=figures(delays, None if one_way else limit),
        )  # fmt: skip
        if one_way:
            train = replace(
                train, forward=figures(delays, limit), backward=figures(delays[::2], limit),
                one_way_judged=number % 4 > 0, method="stamp",
            )  # fmt: skip
        if number % 23 == 5:
            train = replace(train, valid=False, reasons=("clock-step", "missed-slot"))
        found.append(train)
    return found


def plans() -> list[PlanRecord]:
    return [
        PlanRecord(
            pas, path, BEGIN - 40 * DAY_NS, True, EVERY_NS, 10, None, pas, service, method="icmp"
        )
        for pas, path, service in (
            ("roma", "roma/ip-base", "ip-base"),
            ("tokyo", "tokyo/ip-base", "ip-base"),
            ("roma", "roma/voip", "voip"),
        )
    ]


@dataclass
class Site:
    """One data directory with its writing side."""

    folder: Path
    spool: Spool
    store: EmbeddedStore

    def put(self, records: Iterable[Record]) -> None:
        self.spool.append(list(records))
        self.store.roll_up(END + 400 * DAY_NS)

    def survey(self, text: str = CONFIGURATION, **options: Any) -> Survey:
        return survey(configuration(text), load_catalogue(), OCTOBER, [self.folder], **options)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "data"
    with Spool(folder / "spool.sqlite") as spool:
        yield Site(folder, spool, EmbeddedStore(folder, spool))


def forward(spool: Spool, target: InfluxTarget) -> None:
    """Everything to the server, by a clock that jumps over the pauses."""
    now_s = 0.0
    writer = InfluxWriter(target)
    forwarder = Forwarder(spool, writer.write, monotonic=lambda: now_s)
    while forwarder.state.depth:
        now_s += forwarder.step()
    assert forwarder.state.dead_letters == 0
    writer.close()


def some_days() -> list[Record]:
    starts = range(BEGIN, END, EVERY_NS)
    trains = [one for k, start in enumerate(starts) for one in measured(start + k, k)]
    return [*plans(), *trains]


@pytest.mark.parametrize("from_trains", [False, True])
@pytest.mark.parametrize("each_day", [False, True])
def test_both_stores_give_the_same_traffic_gaps_and_outages(
    site: Site, influx: Any, each_day: bool, from_trains: bool
) -> None:
    records = some_days()
    target = InfluxTarget(influx.url, influx.database, token=influx.token)
    site.put(records[: len(records) // 2])
    forward(site.spool, target)
    site.store.flush()
    site.put(records[len(records) // 2 :])
    forward(site.spool, target)
    embedded = site.survey(each_day=each_day, from_trains=from_trains)
    elsewhere = survey(
        configuration(), load_catalogue(), OCTOBER, InfluxReader(target),
        each_day=each_day, from_trains=from_trains,
    )  # fmt: skip
    assert embedded == elsewhere
    assert [one.path for one in embedded.traffic] == ["roma/ip-base", "tokyo/ip-base", "roma/voip"]
    assert all(day.judged for one in embedded.traffic for day in one.days if day.valid)


def test_only_the_window_of_the_pas_counts_and_dst_moves_it(site: Site) -> None:
    site.put(some_days())
    days = site.survey(each_day=True).traffic[0].days
    # Twelve hours a day, whether 06:00 or 07:00 UTC is eight o'clock in Rome.
    assert {day.day: day.trains for day in days if day.trains} == {
        f"2025-10-{day}": 144 for day in (24, 25, 26, 27)
    }
    (whole,) = site.survey().traffic[0].days
    assert (whole.day, whole.trains, whole.planned) == ("", 4 * 144, 31 * 144)
    assert whole.sent == sum(day.sent for day in days)
    assert whole.within_limit == sum(day.within_limit or 0 for day in days)
    opens = utc_ns(2025, 10, 26, 8, zone="Europe/Rome")
    first = counted_paths(configuration(), None, OCTOBER)[0]
    assert any(begin == opens for begin, _, _ in first.wanted.pieces)


def test_tokyos_day_begins_in_tokyo(site: Site) -> None:
    site.put(some_days())
    days = {day.day: day.trains for day in site.survey(each_day=True).traffic[1].days}
    # The trains begin at 09:00 in Tokyo and end there at 09:00 four days later.
    assert {day: count for day, count in days.items() if count} == {
        "2025-10-24": 180, "2025-10-25": 288, "2025-10-26": 288, "2025-10-27": 288,
        "2025-10-28": 108,
    }  # fmt: skip


def test_roll_ups_and_trains_give_the_same_figures(site: Site) -> None:
    site.put(some_days())

    def plain(found: Survey) -> Any:
        return [
            (one.path, [replace(day, sent_all=0, received_all=0) for day in one.days])
            for one in found.traffic
        ]

    by_trains = site.survey(each_day=True, from_trains=True)
    assert plain(by_trains) == plain(site.survey(each_day=True))
    assert any(day.sent_all > day.sent for one in by_trains.traffic for day in one.days)


def test_what_was_judged_by_another_limit_is_judged_again(site: Site) -> None:
    delays = [350, 400, 450, 500, 900]
    train = replace(
        TRAIN, agent="tokyo", path="tokyo/ip-base", received=5, lost=5, limit_ns=500 * MS,
        rtt=figures(delays, 500),
    )  # fmt: skip
    site.put([*plans(), train])
    for from_trains in (False, True):
        traffic = site.survey(from_trains=from_trains).traffic[1]
        (day,) = traffic.days
        assert traffic.limit_ns == 400 * MS
        assert (day.received, day.within_limit, day.judged) == (5, 2, 5)


def test_one_way_pools_both_directions(site: Site) -> None:
    train = replace(
        TRAIN, path="roma/voip", service="voip", peer="tokyo", limit_on="one-way",
        limit_ns=180 * MS, received=3, lost=7, rtt=figures([300, 300, 300], None),
        forward=figures([100, 180, 181], 180), backward=figures([90, 90, 200], 180),
        one_way_judged=True,
    )  # fmt: skip
    unsure = replace(train, start_ns=BEGIN + MINUTE_NS, one_way_judged=False)
    site.put([*plans(), train, unsure])
    for from_trains in (False, True):
        (day,) = site.survey(from_trains=from_trains).traffic[2].days
        assert (day.received, day.within_limit, day.judged) == (6, 4, 6)
        assert (day.jitter_count, day.jitter_sum_ns, day.jitter_over) == (2, 42 * MS, 2)


def test_agents_of_one_path_add_up(site: Site, tmp_path: Path) -> None:
    start = BEGIN + 10 * HOUR_NS
    site.put([*plans(), replace(TRAIN, start_ns=start)])
    spare = tmp_path / "spare"
    with Spool(spare / "spool.sqlite") as spool:
        later = replace(plans()[0], agent="spare", start_ns=start - HOUR_NS)
        other = Site(spare, spool, EmbeddedStore(spare, spool))
        other.put([later, replace(TRAIN, agent="spare", start_ns=start)])
        folders = [site.folder, spare]
        found = survey(configuration(), load_catalogue(), OCTOBER, folders, as_of_ns=END)
    (day,) = found.traffic[0].days
    assert (day.trains, day.sent) == (2, 20)
    # 27 days of one agent; the other began at 11:00 of the 24th: 9 hours and three days.
    assert day.planned == 144 * 27 + 12 * 9 + 144 * 3


def test_a_dead_agent_counts_against_the_coverage_and_is_a_gap(site: Site) -> None:
    records = [one for one in some_days() if getattr(one, "path", "") == "roma/ip-base"]
    until = utc_ns(2025, 10, 25, 10, zone="Europe/Rome")
    site.put([one for one in records if one.start_ns < until])
    as_of = utc_ns(2025, 10, 27, 12, 7, zone="Europe/Rome")
    found = site.survey(as_of_ns=as_of)
    (day,) = found.traffic[0].days
    assert (day.trains, day.planned) == (144 + 24, 144 * 26 + 48)
    mine = [gap for gap in found.gaps if gap.path == "roma/ip-base"]
    assert mine == [
        # No plan was on record a month before; the plan began forty days before the first train.
        Gap("roma/ip-base", "ip-base", "roma", utc_ns(2025, 10, 1, 8, zone="Europe/Rome"),
            utc_ns(2025, 10, 23, 20, zone="Europe/Rome"), "agent silent"),
        Gap("roma/ip-base", "ip-base", "roma", until,
            utc_ns(2025, 10, 27, 12, zone="Europe/Rome"), "agent silent"),
    ]  # fmt: skip
    assert gaps(configuration(), OCTOBER, [site.folder], as_of_ns=as_of) == list(found.gaps)
    other = {gap.cause for gap in found.gaps if gap.path != "roma/ip-base"}
    assert other == {"path not active"}


def test_invalid_trains_are_a_gap_and_lost_ones_an_outage(site: Site) -> None:
    records: list[Record] = list(plans()[:1])
    noon = utc_ns(2025, 10, 25, 12, zone="Europe/Rome")
    for k, start in enumerate(range(BEGIN, END, EVERY_NS)):
        train = replace(TRAIN, start_ns=start + k, rtt=figures([20] * 9, 300))
        if noon <= start < noon + HOUR_NS:
            train = replace(train, valid=False, reasons=("clock-step",))
        elif noon + HOUR_NS <= start < noon + 2 * HOUR_NS:
            train = replace(train, received=0, lost=10, rtt=DelayFigures())
        records.append(train)
    site.put(records)
    found = site.survey(as_of_ns=END)
    mine = [gap for gap in found.gaps if gap.path == "roma/ip-base" and gap.start_ns >= BEGIN]
    assert [(gap.start_ns, gap.end_ns, gap.cause) for gap in mine] == [
        (noon, noon + HOUR_NS, "trains invalid: clock-step")
    ]
    (outage,) = found.outages_seen
    assert (outage.start_ns, outage.end_ns) == (noon + HOUR_NS, noon + 2 * HOUR_NS)
    seen = outages_seen(configuration(), OCTOBER, EmbeddedReader(site.folder), as_of_ns=END)
    assert seen == [outage]
    assert found.traffic[0].days[0].invalid == {"clock-step": 12}


def test_a_quarter_in_which_no_train_was_due_is_no_gap(site: Site) -> None:
    hourly = replace(plans()[0], every_ns=HOUR_NS, start_ns=utc_ns(2025, 10, 1))
    trains = [
        replace(TRAIN, start_ns=start, rtt=figures([20] * 9, 300))
        for start in range(hourly.start_ns, END, HOUR_NS)
    ]
    site.put([hourly, *trains])
    found = site.survey(as_of_ns=END)
    assert [gap for gap in found.gaps if gap.path == "roma/ip-base"] == []
    site.put([replace(TRAIN, start_ns=END, rtt=DelayFigures(), received=0, lost=10)])
    assert len(site.survey().outages_seen) == 0  # midnight in Rome


def test_time_that_is_left_out_counts_nothing(site: Site) -> None:
    site.put(some_days())
    begin = utc_ns(2025, 10, 25, 10, zone="Europe/Rome")
    cut = (begin + MINUTE_NS, begin + QUARTER_NS + MINUTE_NS)
    (day,) = site.survey(left_out={"roma/ip-base": [cut]}).traffic[0].days
    assert day.trains == 4 * 144 - 6  # both quarters that it touches


def test_a_service_counts_from_its_start_to_its_end(site: Site) -> None:
    site.put(some_days())
    changed = ", ".join(
        [
            service_row("ip-base", "L3", "normal", "2025-10-25", fee="100"),
            service_row("ip-base", "L3", "extended", "2025-10-26", fee="100", end="2025-10-26"),
        ]
    )
    traffic = site.survey(CONFIGURATION.replace(IN_ROMA, changed)).traffic[0]
    # The window changes inside the period, so the days stay apart; the 26th has 25 hours.
    assert {day.day: day.trains for day in traffic.days} == {"2025-10-25": 144, "2025-10-26": 300}


def test_a_path_whose_pas_has_not_the_service_is_left_out(site: Site) -> None:
    site.put(some_days())
    late = service_row("ip-base", "L3", "normal", "2025-11-01", fee="100")
    found = site.survey(CONFIGURATION.replace(IN_ROMA, late))
    assert [one.path for one in found.traffic] == ["tokyo/ip-base", "roma/voip"]


def test_without_plans_the_roll_ups_say_what_was_planned(site: Site) -> None:
    site.put([replace(TRAIN, start_ns=BEGIN + 10 * HOUR_NS)])
    (day,) = store_traffic(configuration(), load_catalogue(), OCTOBER, [site.folder])[0].days
    assert (day.planned, day.trains) == (0, 1)


def test_the_worst_trains_come_first(site: Site) -> None:
    fine = replace(TRAIN, received=10, lost=0, rtt=figures([20] * 10, 300))
    slow = replace(fine, start_ns=BEGIN + 1, rtt=figures([20] * 9 + [301], 300))
    slower = replace(fine, start_ns=BEGIN + 2, rtt=figures([20] * 9 + [302], 300))
    lost = replace(fine, start_ns=BEGIN + 3, received=8, lost=2, rtt=figures([20] * 8, 300))
    bad = replace(lost, start_ns=BEGIN + 4, valid=False, received=0, lost=10)
    site.put([fine, slow, slower, lost, bad])
    found = worst_trains(EmbeddedReader(site.folder), "roma/ip-base", BEGIN, END, 3)
    assert [one.start_ns - BEGIN for one in found] == [3, 2, 1]


def test_leap_days_and_month_ends_belong_to_their_period() -> None:
    february = counted_paths(configuration(), None, parse_period("2028-02"), each_day=True)[0]
    labels = [label for _, _, label in february.wanted.pieces]
    assert (labels[0], labels[-1], len(labels)) == ("2028-02-01", "2028-02-29", 29)
    assert date.fromisoformat(labels[-1]) < parse_period("2028-02").end


def test_checks_of_applications_are_no_figure_of_the_contract(site: Site) -> None:
    noon = BEGIN + 12 * HOUR_NS
    starts = range(noon, noon + HOUR_NS, EVERY_NS)
    site.put([*plans(), *(one for k, start in enumerate(starts) for one in measured(start, k))])
    before = [site.survey(from_trains=each) for each in (False, True)]
    name = "check/shops/tills"
    checks = [
        replace(
            TRAIN, path=name, service="", method="tcp", start_ns=start, planned=1, sent=1,
            received=0, lost=1, limit_ns=None,
        )
        for start in starts
    ]  # fmt: skip
    plan = PlanRecord("roma", name, BEGIN, True, EVERY_NS, 1, None, "roma", "", method="tcp")
    site.put([plan, *checks])
    client = """[[client]]
name = "shops"
applications = [{ name = "tills", host = "192.0.2.80", check = "tcp:443", pas = "roma" }]
"""
    after = [site.survey(CONFIGURATION + client, from_trains=each) for each in (False, True)]
    assert before == after
    assert any(path.days for path in before[0].traffic)
