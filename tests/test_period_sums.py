"""Sums over each path's own windows: DuckDB's grouping is what adding record by record is."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from timeseries import day_scan, embedded_writer, histogram
from timeseries.embedded import EmbeddedStore
from timeseries.errors import SchemaError, StoreError
from timeseries.merged_file import EachOnce, each_once
from timeseries.period_sums import DARK, GOOD, INVALID, NONE, PeriodSums, Wanted, period_sums
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, PlanRecord, TrainRecord
from timeseries.rollup import QUARTER_NS
from timeseries.spool import Spool

DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
MINUTE_NS = 60 * 10**9
D0 = 20_400 * DAY_NS
MS = 1_000_000
TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", D0, 10, 10, 9, 1, 0, 0,
    0, 0, 0, 300 * MS, "rtt", DelayFigures(), None, None, None, False, None, None, True, (), (),
    10, 9, 0, 7, 2, 0, True, 1, (), (),
)  # fmt: skip
KINDS: tuple[Any, ...] = ("trains", "rollups")


class Elsewhere:
    """A reader of a store that is no folder: its records can only be added up one by one."""

    def __init__(self, folders: Path | Sequence[Path]) -> None:
        self._reader = EmbeddedReader(folders, threads=1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def delays(chance: random.Random, count: int, limit_ns: int | None) -> DelayFigures:
    """Figures of so many packets, a fifth of them around the limits."""
    import numpy as np

    if count == 0:
        return DelayFigures()
    times = [chance.choice([20, 149, 151, 299, 301, 450, 901]) * MS for _ in range(count)]
    within = None if limit_ns is None else sum(time <= limit_ns for time in times)
    jitter = chance.choice([None, 5 * MS, 20 * MS, 20 * MS + 1, 41 * MS])
    return DelayFigures(
        ipdv_mean_ns=jitter,
        within_limit=within,
        histogram=histogram.counts(np.array(times, np.int64)),
    )


def random_train(chance: random.Random, path: str, start_ns: int) -> TrainRecord:
    """Invalid, lost, by another limit, one way, without its histogram: everything happens."""
    sent = chance.randrange(11)
    received = chance.choice([0, sent, chance.randrange(sent + 1)])
    one_way = path.startswith("voip") and chance.random() < 0.9
    limits = [150, 150, 180] if one_way else [300, 300, 300, 500, None]
    limit = chance.choice(limits)
    limit_ns = None if limit is None else limit * MS
    valid = chance.random() < 0.9
    rtt = delays(chance, received, None if one_way else limit_ns)
    if chance.random() < 0.1:
        rtt = replace(rtt, histogram=())
    judged = one_way and chance.random() < 0.8
    stamped = received if one_way else 0
    return replace(
        TRAIN, path=path, start_ns=start_ns, sent=sent, received=received, lost=sent - received,
        agent=chance.choice(["roma", "roma", "milano"]), limit_ns=limit_ns,
        limit_on="one-way" if one_way else "rtt", rtt=rtt, valid=valid,
        forward=delays(chance, stamped, limit_ns) if one_way else None,
        backward=delays(chance, stamped, limit_ns) if one_way else None, one_way_judged=judged,
        reasons=() if valid else chance.choice([("missed-slot",), ("a", "b"), ()]),
    )  # fmt: skip


@dataclass
class Site:
    """A data directory with its writing side."""

    folder: Path
    spool: Spool
    store: EmbeddedStore

    def both(self, kind: Any, wanted: Sequence[Wanted], **options: Any) -> PeriodSums:
        """The sums, which are the same either way."""
        grouped = period_sums(self.folder, kind, wanted, **options, threads=1)
        added = period_sums(Elsewhere(self.folder), kind, wanted, **options)
        assert plain(grouped) == plain(added)
        assert (grouped.quarters, grouped.reasons) == (added.quarters, added.reasons)
        assert plain(period_sums(EmbeddedReader(self.folder), kind, wanted, **options)) == plain(
            added
        )
        return grouped


def plain(answer: PeriodSums) -> dict[Any, Any]:
    return {key: one for key, one in sorted(answer.sums.items()) if one.trains or one.planned}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "data"
    with Spool(folder / "spool.sqlite") as spool:
        yield Site(folder, spool, EmbeddedStore(folder, spool))


def windows(begin_h: int, end_h: int, days: int = 3, label: str = "day") -> Any:
    return tuple(
        (
            D0 + day * DAY_NS + begin_h * HOUR_NS,
            D0 + day * DAY_NS + end_h * HOUR_NS,
            f"{label} {day}" if label else "",
        )
        for day in range(days)
    )


ALL: tuple[Wanted, ...] = (
    Wanted("base", windows(7, 19), 300 * MS),
    Wanted("it's", windows(-2, 22), 500 * MS),
    Wanted("unlimited", windows(0, 24, label="")),
    Wanted("voip/a", windows(7, 19), 150 * MS, "one-way", 20 * MS),
    Wanted("voip/b", windows(3, 15, label=""), 180 * MS, "one-way", 40 * MS),
    Wanted("voip/c", windows(3, 15), None, "one-way", 40 * MS),
    Wanted("silent", windows(7, 19), 300 * MS),
)


def fill(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    names = [one.path for one in ALL[:-1]] + ["nobody asked"]
    site.spool.append(
        [PlanRecord("roma", path, D0 + k, True, 5 * MINUTE_NS, 10, None) for k, path in
         enumerate(names)]
    )  # fmt: skip
    starts = [
        D0 - 3 * HOUR_NS + k * 7 * MINUTE_NS + chance.randrange(MINUTE_NS) for k in range(650)
    ]
    trains = [random_train(chance, path, start) for start in starts for path in names]
    twice = [
        replace(one, sent=one.sent + 1, valid=not one.valid) for one in chance.sample(trains, 5)
    ]
    cut = len(trains) // 2
    site.spool.append(trains[:cut])
    site.store.roll_up(D0 + 400 * DAY_NS)
    site.store.flush()
    site.spool.append(trains[cut : cut + 1_500] + twice)
    site.store.roll_up(D0 + 400 * DAY_NS)
    site.store.flush()
    site.spool.append(trains[cut + 1_500 :])
    site.store.roll_up(D0 + 400 * DAY_NS)


@pytest.mark.parametrize("seed", [1, 2])
def test_grouping_and_adding_up_record_by_record_are_the_same(site: Site, seed: int) -> None:
    fill(site, seed)
    for kind in KINDS:
        for histograms in (False, True):
            found = site.both(kind, ALL, histograms=histograms, quarters=kind == "rollups")
            assert {path for path, _ in found.sums} == {one.path for one in ALL[:-1]}
            assert any(one.judged for one in found.sums.values())
        for one in ALL:
            site.both(kind, [one])


def test_trains_and_roll_ups_agree_where_no_histogram_was_dropped(site: Site) -> None:
    chance = random.Random(3)
    trains = []
    for k in range(500):
        for path in ("base", "voip/a"):
            train = random_train(chance, path, D0 + k * 3 * MINUTE_NS)
            if train.limit_on == "rtt" and train.rtt.histogram == ():
                train = replace(train, valid=False, reasons=("a",))
            trains.append(train)
    trains = [one for one in trains if one.path == "base" or one.limit_on == "one-way"]
    site.spool.append(trains)
    site.store.roll_up(D0 + 400 * DAY_NS)
    by_trains = site.both("trains", ALL, histograms=True)
    by_rollups = site.both("rollups", ALL, histograms=True)

    def same(answer: PeriodSums) -> Any:
        return [
            replace(one, planned=0, sent_all=0, received_all=0)
            for _, one in sorted(answer.sums.items())
        ]

    assert same(by_trains) == same(by_rollups)


def test_packets_counted_by_another_limit_are_judged_again_from_their_histograms(
    site: Site,
) -> None:
    import numpy as np

    figures = DelayFigures(
        within_limit=4, histogram=histogram.counts(np.array([299, 300, 301, 499, 900]) * MS)
    )
    train = replace(TRAIN, path="base", sent=5, received=5, lost=0, limit_ns=500 * MS, rtt=figures)
    site.spool.append([train, replace(train, start_ns=D0 + 8 * HOUR_NS)])
    wanted = [Wanted("base", ((D0, D0 + DAY_NS, ""),), 300 * MS)]
    (found,) = site.both("trains", wanted).sums.values()
    assert (found.received, found.within_limit, found.judged) == (10, 4, 10)
    (found,) = site.both("trains", [replace(wanted[0], limit_ns=500 * MS)]).sums.values()
    assert (found.within_limit, found.judged) == (8, 10)
    for source in (site.folder, Elsewhere(site.folder)):
        with pytest.raises(StoreError, match="cannot be re-judged"):
            period_sums(source, "trains", [replace(wanted[0], limit_ns=301 * MS)])


def test_packets_whose_histogram_is_gone_are_not_judged_by_another_limit(site: Site) -> None:
    train = replace(TRAIN, path="base", limit_ns=500 * MS, rtt=DelayFigures(within_limit=8))
    site.spool.append([train])
    (found,) = site.both(
        "trains", [Wanted("base", ((D0, D0 + DAY_NS, ""),), 300 * MS)]
    ).sums.values()
    assert (found.received, found.within_limit, found.judged) == (9, 0, 0)


def test_quarters_say_what_was_seen_in_them(site: Site) -> None:
    good = replace(TRAIN, path="base", rtt=DelayFigures(within_limit=9))
    lost = replace(good, received=0, lost=10, rtt=DelayFigures())
    bad = replace(good, valid=False, reasons=("clock-step",))
    site.spool.append(
        [
            replace(good, start_ns=D0),
            replace(lost, start_ns=D0 + QUARTER_NS),
            replace(bad, start_ns=D0 + 2 * QUARTER_NS),
            replace(lost, start_ns=D0 + 4 * QUARTER_NS),
            replace(good, start_ns=D0 + 4 * QUARTER_NS + 1),
            replace(lost, agent="milano", start_ns=D0),
        ]
    )
    site.store.roll_up(D0 + DAY_NS)
    wanted = [Wanted("base", ((D0, D0 + 5 * QUARTER_NS, ""),), 300 * MS)]
    found = site.both("rollups", wanted, quarters=True)
    assert list(found.quarters["base"]) == [GOOD, DARK, INVALID, NONE, GOOD]
    assert found.reasons == {("base", D0 + 2 * QUARTER_NS): frozenset({"clock-step"})}


def test_a_damaged_file_is_left_out(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for k in range(3):
        site.spool.append([replace(TRAIN, path="base", start_ns=D0 + k * MINUTE_NS)])
        site.store.flush()
    bad = sorted((site.folder / "store/trains").glob("*/*.parquet"))[1]
    bad.write_bytes(bad.read_bytes()[:-40])
    found = site.both("trains", [Wanted("base", ((D0, D0 + DAY_NS, ""),))])
    assert found.sums["base", ""].trains == 2
    assert f"{bad} is damaged and left out" in caplog.text


def test_trains_closer_than_the_cells_are_all_counted(site: Site) -> None:
    site.spool.append([replace(TRAIN, start_ns=D0 + k * 10**9) for k in range(1_200)])
    site.store.flush()
    found = site.both("trains", [Wanted("p", ((D0, D0 + QUARTER_NS, ""),))]).sums["p", ""]
    assert (found.trains, found.sent) == (900, 9_000)


def test_several_stores_add_up_and_a_copy_of_one_changes_nothing(
    site: Site, tmp_path: Path
) -> None:
    site.spool.append([replace(TRAIN, start_ns=D0 + k * MINUTE_NS) for k in range(100)])
    site.store.flush()
    copy = tmp_path / "copy"
    shutil.copytree(site.folder / "store", copy / "store")
    site.spool.append([replace(TRAIN, start_ns=D0 + 100 * MINUTE_NS)])
    other = tmp_path / "other"
    with Spool(other / "spool.sqlite") as spool:
        spool.append([replace(TRAIN, agent="milano", start_ns=D0 + k * MINUTE_NS) for k in (1, 2)])
    folders = [site.folder, copy, other]
    wanted = [Wanted("p", ((D0, D0 + DAY_NS, ""),))]
    found = period_sums(folders, "trains", wanted)
    assert found.sums["p", ""].trains == 103
    assert found == period_sums(Elsewhere(folders), "trains", wanted)


def test_spooled_records_count_on_their_own_day_however_days_are_read(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    each_by_itself = dict.fromkeys(KINDS, -1)
    monkeypatch.setattr(day_scan, "_AT_ONCE_OCTETS", each_by_itself)
    around_midnight = [D0 + DAY_NS + k * MINUTE_NS for k in range(-20, 20)]
    site.spool.append([replace(TRAIN, start_ns=start_ns) for start_ns in around_midnight])
    site.store.roll_up(D0 + 400 * DAY_NS)
    day_by_day = Wanted("p", windows(0, 24))
    for kind in KINDS:
        found = site.both(kind, [day_by_day], quarters=kind == "rollups")
        assert [one.trains for one in found.sums.values()] == [20, 20]


def test_merged_files_are_added_up_the_same_with_a_copy_and_with_what_came_late(
    site: Site, tmp_path: Path
) -> None:
    chance = random.Random(4)
    starts = [D0 + k * 11 * MINUTE_NS + chance.randrange(MINUTE_NS) for k in range(260)]
    trains = [random_train(chance, one.path, start) for start in starts for one in ALL[:-1]]
    for part in (trains[:700], trains[700:]):
        site.spool.append(part)
        site.store.roll_up(D0 + 400 * DAY_NS)
        site.store.flush()
    embedded_writer.compact(site.folder, "2100-01-01", 16)
    first = min((site.folder / "store/trains").glob("*/*.parquet"))
    assert each_once(first) == EachOnce(frozenset({"roma", "milano"}), 1)
    before = {kind: site.both(kind, ALL, histograms=True) for kind in KINDS}
    copy = tmp_path / "copy"
    shutil.copytree(site.folder / "store", copy / "store")
    for kind in KINDS:
        assert period_sums([site.folder, copy], kind, ALL, histograms=True) == before[kind]
    again = [replace(one, sent=one.sent + 1, valid=not one.valid) for one in trains[300:303]]
    site.spool.append(again)
    site.store.flush()
    after = site.both("trains", ALL, histograms=True)
    assert after != before["trains"]
    total = [
        sum(one.trains for one in answer.sums.values()) for answer in (before["trains"], after)
    ]
    assert total[0] == total[1]


def test_invalid_trains_are_taken_off_what_a_merged_day_adds_up_to(site: Site) -> None:
    for first in (0, 30):
        site.spool.append(
            [
                replace(TRAIN, path="base", start_ns=D0 + k * MINUTE_NS, sent=k, valid=k % 3 > 0)
                for k in range(first, first + 30)
            ]
        )
        site.store.flush()
    embedded_writer.compact(site.folder, "2100-01-01", 16)
    (file,) = (site.folder / "store/trains").glob("*/*.parquet")
    assert each_once(file) is not None
    wanted = [Wanted("base", ((D0, D0 + DAY_NS, ""),), 300 * MS)]
    (found,) = site.both("trains", wanted).sums.values()
    assert (found.trains, found.valid) == (60, 40)
    assert (found.sent, found.sent_all) == (sum(k for k in range(60) if k % 3), sum(range(60)))


def test_sums_are_exact_beyond_64_bits(site: Site) -> None:
    many = 2**62 + 1
    site.spool.append([replace(TRAIN, start_ns=D0 + k * MINUTE_NS, sent=many) for k in range(4)])
    site.store.flush()
    found = site.both("trains", [Wanted("p", ((D0, D0 + DAY_NS, ""),))]).sums["p", ""]
    assert (found.sent, found.sent_all) == (4 * many, 4 * many)


def test_records_of_a_newer_pasprobe_are_refused(site: Site) -> None:
    import duckdb

    site.spool.append([TRAIN])
    site.store.flush()
    (file,) = (site.folder / "store/trains").glob("*/*.parquet")
    newer = file.with_name("newer.tmp")
    duckdb.sql(f"SELECT * REPLACE (9 AS schema) FROM '{file}'").write_parquet(str(newer))
    newer.replace(file)
    with pytest.raises(SchemaError, match="schema version 9"):
        period_sums(site.folder, "trains", [Wanted("p", ((D0, D0 + DAY_NS, ""),))])


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no records"):
        period_sums(tmp_path, "trains", [Wanted("p", ((D0, D0 + DAY_NS, ""),))])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([Wanted("a", ((D0 + 1, D0 + QUARTER_NS, ""),))], "is none"),
        ([Wanted("a", ((D0, D0 + 3, ""),))], "is none"),
        ([Wanted("a", ((D0, D0 + DAY_NS, ""), (D0, D0 + DAY_NS, "")))], "is none"),
        ([Wanted("a", ()), Wanted("a", ())], "asked for twice"),
        ([Wanted("a", (), jitter_limit_ns=30 * MS)], "above 20 and 40 ms"),
    ],
)
def test_what_cannot_be_summed_is_named(site: Site, wanted: Sequence[Wanted], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        period_sums(site.folder, "trains", wanted)


def test_nothing_asked_for_is_nothing(site: Site) -> None:
    assert period_sums(site.folder, "trains", []).sums == {}
    assert site.both("trains", [Wanted("base", ())]).sums == {}
