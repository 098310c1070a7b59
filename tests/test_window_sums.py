"""Sums over windows: what a plain sum over the reader's records says, however they are stored."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest

from timeseries.embedded import EmbeddedStore
from timeseries.errors import SchemaError, StoreError
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, PlanRecord, RollupRecord, TrainRecord
from timeseries.rollup import QUARTER_NS
from timeseries.spool import Spool
from timeseries.window_sums import Interval, PathSums, daily_intervals, window_sums

DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
MINUTE_NS = 60 * 10**9
D0 = 20_400 * DAY_NS
"""8 November 2025, 00:00 UTC."""
RTT = DelayFigures(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, ((150, 5), (151, 4)))
TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", D0, 10, 10, 9, 1, 0, 0,
    0, 0, 0, 300_000_000, "rtt", RTT, None, None, None, False, None, None, True, (), (), 10, 9, 0,
    7, 2, 0, True, 1, (), (),
)  # fmt: skip


def random_train(chance: random.Random, path: str, start_ns: int) -> TrainRecord:
    """One that may be invalid, all lost, without a limit, or by another limit."""
    sent = chance.randrange(1, 11)
    received = chance.choice([0, chance.randrange(sent + 1)])
    limit_ns = chance.choice([300_000_000, 300_000_000, 300_000_000, 500_000_000, None])
    within = None if limit_ns is None or received == 0 else chance.randrange(received + 1)
    valid = chance.random() < 0.9
    return replace(
        TRAIN, path=path, start_ns=start_ns, sent=sent, received=received, lost=sent - received,
        limit_ns=limit_ns, rtt=DelayFigures(within_limit=within), valid=valid,
        reasons=() if valid else ("missed-slot",),
    )  # fmt: skip


def plainly(
    records: Sequence[TrainRecord] | Sequence[RollupRecord], intervals: Sequence[Interval]
) -> list[PathSums]:
    """The same by hand."""
    sums: dict[tuple[str, str], PathSums] = {}
    for one in records:
        if not any(begin <= one.start_ns < end for begin, end in intervals):
            continue
        if isinstance(one, TrainRecord):
            trains, valid, within = 1, int(one.valid), one.rtt.within_limit
        else:
            trains, valid, within = one.trains, one.valid, one.within_limit
        counts = isinstance(one, RollupRecord) or one.valid
        key = (one.agent, one.path)
        so_far = sums.get(key, PathSums(*key, 0, 0, 0, 0, None, 0))
        judged = counts and within is not None
        sums[key] = PathSums(
            *key,
            so_far.trains + trains,
            so_far.valid + valid,
            so_far.sent + (one.sent if counts else 0),
            so_far.received + (one.received if counts else 0),
            (so_far.within_limit or 0) + (within or 0) if judged else so_far.within_limit,
            so_far.judged + (one.received if judged else 0),
        )
    return [sums[key] for key in sorted(sums)]


class Elsewhere:
    """A reader of a store that is no folder: its records can only be added up one by one."""

    def __init__(self, reader: EmbeddedReader) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


@dataclass
class Site:
    """A data directory with its writing side."""

    folder: Path
    spool: Spool
    store: EmbeddedStore

    def assert_sums(self, intervals: Sequence[Interval]) -> None:
        """Both kinds are what a plain sum over the reader's records is."""
        reader = EmbeddedReader(self.folder, threads=1)
        for kind, records in (("trains", [*reader.trains()]), ("rollups", [*reader.rollups()])):
            if kind == "rollups" and any(a % QUARTER_NS or b % QUARTER_NS for a, b in intervals):
                continue
            expected = plainly(records, intervals)
            assert window_sums(self.folder, kind, intervals) == expected  # type: ignore[arg-type]
            assert window_sums(reader, kind, intervals) == expected  # type: ignore[arg-type]
            elsewhere: Any = Elsewhere(reader)
            assert window_sums(elsewhere, kind, intervals) == expected  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "data"
    with Spool(folder / "spool.sqlite") as spool:
        yield Site(folder, spool, EmbeddedStore(folder, spool))


EVENING = [(D0 + d * DAY_NS + 7 * HOUR_NS, D0 + d * DAY_NS + 19 * HOUR_NS) for d in range(3)]


def test_sums_are_those_of_the_readers_records_wherever_they_lie(site: Site) -> None:
    chance = random.Random(5)
    for k, path in enumerate(("a", "b", "it's")):
        site.spool.append([PlanRecord("roma", path, D0 + k, True, 5 * MINUTE_NS, 10, None)])
    starts = [D0 + k * 5 * MINUTE_NS + chance.randrange(MINUTE_NS) for k in range(600)]
    trains = [random_train(chance, path, start) for start in starts for path in ("a", "b", "it's")]
    site.spool.append(trains[:1_200])
    site.store.roll_up(D0 + 400 * DAY_NS)
    site.store.flush()
    site.spool.append(trains[1_200:])
    site.store.roll_up(D0 + 400 * DAY_NS)
    for intervals in (
        EVENING,
        [(0, 2**62)],
        [(0, 2**63 - 1)],
        [EVENING[1]],
        [(EVENING[0][0] + 1, EVENING[0][1] - 17)],  # trains can be cut anywhere
        [(starts[7], starts[7] + 1)],
        [(D0 + 90 * DAY_NS, D0 + 91 * DAY_NS)],
        [],
    ):
        site.assert_sums(intervals)
    assert len(window_sums(site.folder, "trains", EVENING)) == 3


def test_trains_and_roll_ups_agree(site: Site) -> None:
    chance = random.Random(6)
    site.spool.append(
        [
            replace(random_train(chance, path, D0 + k * MINUTE_NS), limit_ns=300_000_000)
            for k in range(400)
            for path in ("a", "b")
        ]
    )
    site.store.roll_up(D0 + 400 * DAY_NS)
    window = [(D0 + HOUR_NS, D0 + 5 * HOUR_NS)]
    of_trains = window_sums(site.folder, "trains", window)
    of_rollups = window_sums(site.folder, "rollups", window)
    assert [(s.path, s.trains, s.valid, s.sent, s.received, s.within_limit) for s in of_trains] == [
        (s.path, s.trains, s.valid, s.sent, s.received, s.within_limit) for s in of_rollups
    ]


def test_a_train_or_a_roll_up_that_is_there_twice_counts_once(site: Site) -> None:
    chance = random.Random(7)
    trains = [random_train(chance, p, D0 + k * MINUTE_NS) for k in range(3_000) for p in ("a", "b")]
    site.spool.append(trains)
    site.store.roll_up(D0 + 400 * DAY_NS)
    site.store.flush()
    # Newer revisions: valid where it was not, other counts; one of them in the last day alone.
    again = [replace(one, valid=not one.valid, sent=99) for one in trains[100:103] + trains[-1:]]
    site.spool.append(again[:2])
    site.store.flush()
    site.spool.append(again[2:])
    site.store.roll_up(D0 + 400 * DAY_NS)
    site.assert_sums([(0, 2**62)])
    site.assert_sums(EVENING)
    total = sum(one.trains for one in window_sums(site.folder, "trains", [(0, 2**62)]))
    assert total == len(trains)


def test_trains_closer_than_the_cells_are_all_counted(site: Site) -> None:
    site.spool.append([replace(TRAIN, start_ns=D0 + k * 10**9) for k in range(600)])
    site.store.flush()
    (found,) = window_sums(site.folder, "trains", [(D0, D0 + 5 * MINUTE_NS)])
    assert (found.trains, found.sent) == (300, 3_000)


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
        spool.append(
            [replace(TRAIN, agent="milano", start_ns=D0 + k * MINUTE_NS) for k in range(7)]
        )
    folders = [site.folder, copy, other]
    found = window_sums(folders, "trains", [(0, 2**62)])
    assert [(one.agent, one.trains) for one in found] == [("milano", 7), ("roma", 101)]
    assert found == plainly([*EmbeddedReader(folders).trains()], [(0, 2**62)])


def test_paths_select(site: Site) -> None:
    site.spool.append([replace(TRAIN, path=path) for path in ("a", "b", "it's")])
    site.store.flush()
    all_time = [(0, 2**62)]
    assert [s.path for s in window_sums(site.folder, "trains", all_time, ["b", "it's"])] == [
        "b",
        "it's",
    ]
    assert [s.path for s in window_sums(site.folder, "trains", all_time, "a")] == ["a"]
    assert window_sums(site.folder, "trains", all_time, []) == []


def test_intervals_that_touch_or_overlap_count_nothing_twice(site: Site) -> None:
    site.spool.append([replace(TRAIN, start_ns=D0 + k * MINUTE_NS) for k in range(60)])
    intervals = [
        (D0 + 30 * MINUTE_NS, D0 + 45 * MINUTE_NS),
        (D0, D0 + 30 * MINUTE_NS),
        (D0 + 15 * MINUTE_NS, D0 + 40 * MINUTE_NS),
        (D0 + 50 * MINUTE_NS, D0 + 50 * MINUTE_NS),
    ]
    assert window_sums(site.folder, "trains", intervals)[0].trains == 45


def test_sums_are_exact_beyond_64_bits(site: Site) -> None:
    many = 2**62 + 1
    site.spool.append([replace(TRAIN, start_ns=D0 + k * MINUTE_NS, sent=many) for k in range(4)])
    site.store.flush()
    assert window_sums(site.folder, "trains", [(0, 2**62)])[0].sent == 4 * many


def test_a_damaged_file_is_left_out_and_the_rest_goes_on(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for k in range(3):
        site.spool.append([replace(TRAIN, start_ns=D0 + k * MINUTE_NS)])
        site.store.flush()
    bad = sorted((site.folder / "store/trains").glob("*/*.parquet"))[1]
    bad.write_bytes(bad.read_bytes()[:-40])
    assert window_sums(site.folder, "trains", [(0, 2**62)])[0].trains == 2
    assert f"{bad} is damaged and left out" in caplog.text


def test_records_of_a_newer_pasprobe_are_refused(site: Site) -> None:
    import duckdb

    site.spool.append([TRAIN])
    site.store.flush()
    (file,) = (site.folder / "store/trains").glob("*/*.parquet")
    newer = file.with_name("newer.tmp")
    duckdb.sql(f"SELECT * REPLACE (9 AS schema) FROM '{file}'").write_parquet(str(newer))
    newer.replace(file)
    with pytest.raises(SchemaError, match="schema version 9"):
        window_sums(site.folder, "trains", [(0, 2**62)])


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no records"):
        window_sums(tmp_path, "trains", [(0, 1)])


@pytest.mark.parametrize(
    ("kind", "interval", "words"),
    [
        ("rollups", (D0, D0 + MINUTE_NS), "cuts a quarter of an hour"),
        ("rollups", (D0 + 1, D0 + QUARTER_NS), "cuts a quarter of an hour"),
        ("trains", (D0 + 1, D0), "is none"),
        ("trains", (-1, D0), "is none"),
    ],
)
def test_an_interval_that_cannot_be_is_named(
    site: Site, kind: str, interval: Interval, words: str
) -> None:
    with pytest.raises(StoreError, match=words):
        window_sums(site.folder, kind, [interval])  # type: ignore[arg-type]


def hours(intervals: Sequence[Interval]) -> list[float]:
    return [(end - begin) / HOUR_NS for begin, end in intervals]


def test_a_window_follows_the_clock_of_its_zone() -> None:
    # Summer time ended in Italy on 26 October 2025 at 03:00.
    before, change, after = daily_intervals(date(2025, 10, 25), 3, time(8), time(20), "Europe/Rome")
    assert before[0] % DAY_NS == 6 * HOUR_NS
    assert (change[0] % DAY_NS, after[0] % DAY_NS) == (7 * HOUR_NS, 7 * HOUR_NS)
    assert hours([before, change, after]) == [12, 12, 12]
    assert after[0] - change[0] == DAY_NS
    assert change[0] - before[0] == DAY_NS + HOUR_NS


def test_a_whole_day_is_as_long_as_the_day_is() -> None:
    whole = daily_intervals(date(2025, 10, 25), 3, time(0), time(0), "Europe/Rome")
    assert hours(whole) == [24, 25, 24]
    assert [b[0] - a[1] for a, b in itertools.pairwise(whole)] == [0, 0]
    assert hours(daily_intervals(date(2026, 3, 29), 1, time(0), time(0), "Europe/Rome")) == [23]


def test_a_window_may_go_over_midnight_and_begin_on_any_quarter() -> None:
    night = daily_intervals(date(2025, 10, 25), 2, time(22), time(6), "Europe/Rome")
    assert hours(night) == [9, 8]
    ((begin, end),) = daily_intervals(date(2025, 7, 1), 1, time(8), time(20), "Asia/Kathmandu")
    assert begin % DAY_NS == 2 * HOUR_NS + QUARTER_NS
    assert (begin % QUARTER_NS, end % QUARTER_NS) == (0, 0)
