"""The embedded store and its reader: everything once, whatever happened in between."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from timeseries import embedded_writer, store_files
from timeseries.codec import decode
from timeseries.embedded import EmbeddedStore
from timeseries.errors import DiskFullError, SchemaError, StoreError
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, PlanRecord, Record, SampleRecord, TrainRecord
from timeseries.rollup import QUARTER_NS
from timeseries.spool import Spool
from timeseries.spool_tail import open_tail

DAY_NS = 86_400 * 1_000_000_000
MINUTE_NS = 60 * 1_000_000_000
D0 = 20_400 * DAY_NS
MONTH_LATER = D0 + 30 * DAY_NS
RTT = DelayFigures(1, 2, 3, 4, 5, 6, 7, 8_000_000, 9, 10, 11, 8, ((150, 5), (151, 4)))
TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", D0, 10, 10, 9, 1, 0, 0,
    0, 0, 0, 300_000_000, "rtt", RTT, None, None, None, False, None, None, True, (), ("kept",), 10,
    9, 0, 7, 2, 0, True, 1, ((4, 3, 1, "192.0.2.9", 1),), (("ENOBUFS", 2),),
)  # fmt: skip


def train(number: int, path: str = "p", **changes: object) -> TrainRecord:
    return replace(TRAIN, start_ns=D0 + number * MINUTE_NS, path=path, **changes)  # type: ignore[arg-type]


def sample(number: int, path: str = "p") -> SampleRecord:
    start = D0 + number * MINUTE_NS
    return SampleRecord("roma", path, start, (2, 1), (start, start + 9), (start + 5, 0), (2, 2),
                        (2, 0), (0, 0), (0, 0))  # fmt: skip


def plan(path: str = "p", active: bool = True, start_ns: int = D0) -> PlanRecord:
    return PlanRecord("roma", path, start_ns, active, MINUTE_NS, 10, 300_000_000, "roma-01")


@dataclass
class Site:
    """A data directory with its writing side and a reader."""

    folder: Path
    spool: Spool
    store: EmbeddedStore

    @property
    def reader(self) -> EmbeddedReader:
        return EmbeddedReader(self.folder, threads=1)

    def files(self, kind: str = "trains") -> list[Path]:
        return sorted((self.folder / "store" / kind).glob("*/*.parquet"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "data"
    with Spool(folder / "spool.sqlite") as spool:
        yield Site(folder, spool, EmbeddedStore(folder, spool))


def test_records_are_read_alike_from_the_spool_and_from_parquet(site: Site) -> None:
    some: list[Record] = [plan(), *(r for k in range(5) for r in (train(k), sample(k)))]
    site.spool.append(some)

    def everything() -> list[Record]:
        reader = site.reader
        return [*reader.plans(), *reader.trains(), *reader.samples()]

    before = everything()
    assert sorted(map(repr, before)) == sorted(map(repr, some))
    result = site.store.flush()
    assert (result.records, result.files, site.spool.depth("embedded")) == (11, 3, 0)
    assert everything() == before
    site.spool.append([train(5)])
    assert len(list(site.reader.trains())) == 6


def test_a_flush_of_nothing_writes_nothing(site: Site) -> None:
    assert site.store.flush().files == 0
    assert list(site.reader.trains()) == []


def test_each_day_has_its_folder_by_utc(site: Site) -> None:
    site.spool.append([train(-1), train(0), train(24 * 60)])
    site.store.flush()
    folders = {file.parent.name for file in site.files()}
    assert folders == {"2025-11-07", "2025-11-08", "2025-11-09"}


def test_any_parquet_tool_reads_the_files_while_the_agent_runs(site: Site) -> None:
    import duckdb

    site.spool.append([train(0)])
    site.store.flush()
    found = duckdb.sql(f"""
        SELECT path, start_ns, rtt_mean_ns, rtt_histogram_bins, rtt_histogram_counts,
            icmp_errors_origins, flags FROM '{site.folder}/store/trains/*/*.parquet'
    """).fetchall()
    assert found == [("p", D0, 2, [150, 151], [5, 4], ["192.0.2.9"], ["kept"])]


def test_time_and_path_select(site: Site) -> None:
    site.spool.append([train(k, path) for k in range(4) for path in ("a", "b", "it's")])
    site.store.flush()
    site.spool.append([train(4, "a")])
    reader = site.reader
    assert [t.start_ns for t in reader.trains("a", D0 + MINUTE_NS, D0 + 3 * MINUTE_NS)] == [
        D0 + MINUTE_NS,
        D0 + 2 * MINUTE_NS,
    ]
    assert {t.path for t in reader.trains(["b", "it's"])} == {"b", "it's"}
    assert len(list(reader.trains("a", D0 + 3 * MINUTE_NS))) == 2
    assert list(reader.trains([])) == []
    assert reader.paths() == ["a", "b", "it's"]


def test_records_come_by_time_over_all_days_and_the_tail(site: Site) -> None:
    numbers = [3000, 1, 4500, 2, 0, 1439, 1440]
    for number in numbers[:4]:
        site.spool.append([train(number)])
        site.store.flush()
    site.spool.append([train(number) for number in numbers[4:]])
    starts = [t.start_ns for t in site.reader.trains()]
    assert starts == [D0 + number * MINUTE_NS for number in sorted(numbers)]


def test_one_identity_appears_once_in_its_newest_revision(site: Site) -> None:
    site.spool.append([train(0, received=1)])
    site.store.flush()
    site.spool.append([train(0, received=2)])
    assert [t.received for t in site.reader.trains()] == [2]
    site.store.flush()
    assert [t.received for t in site.reader.trains()] == [2]
    site.store.compact(MONTH_LATER)
    assert [t.received for t in site.reader.trains()] == [2]
    assert site.reader.summary_since(0)[0].received == 2


def test_a_flush_that_was_killed_before_it_was_marked_is_seen_once_and_redone(site: Site) -> None:
    site.spool.append([train(k) for k in range(6)])
    pending = site.spool.pending_flush("embedded", 4)
    assert pending is not None
    embedded_writer.flush(site.folder, pending.first_id, pending.last_id)
    (file,) = site.files()
    assert len(list(site.reader.trains())) == 6
    site.spool.append([train(6)])
    site.store.flush()
    assert len(list(site.reader.trains())) == 7
    assert file in site.files()


def test_a_writer_that_comes_late_writes_nothing(site: Site) -> None:
    site.spool.append([train(k) for k in range(3)])
    pending = site.spool.pending_flush("embedded", 10)
    assert pending is not None
    site.store.flush()
    before = {file: file.stat().st_mtime_ns for file in site.files()}
    result = embedded_writer.flush(site.folder, pending.first_id, pending.last_id)
    assert result["files"] == 0
    assert {file: file.stat().st_mtime_ns for file in site.files()} == before


def test_what_a_killed_writer_left_half_written_is_removed(site: Site) -> None:
    site.spool.append([train(0)])
    site.store.flush()
    leftover = site.files()[0].parent / ".0000-0001.parquet.99.tmp"
    leftover.write_bytes(b"PAR1half")
    site.spool.append([train(1)])
    site.store.flush()
    assert not leftover.exists()


def test_past_days_are_merged_and_read_the_same(site: Site) -> None:
    for k in range(6):
        site.spool.append([train(k), sample(k), train(k + 24 * 60)])
        site.store.flush()
    before = list(site.reader.trains())
    assert len(site.files()) == 12
    assert site.store.compact(D0 + DAY_NS) == 2  # trains and samples of the first day
    assert len(site.files()) == 7
    assert list(site.reader.trains()) == before
    assert site.store.compact(D0 + DAY_NS) == 0
    site.spool.append([train(9)])
    site.store.flush()
    assert site.store.compact(MONTH_LATER) == 2
    assert len(site.files()) == 2
    assert len(list(site.reader.trains())) == 13


def test_a_merge_that_was_killed_before_its_deletions_is_seen_once(site: Site) -> None:
    for k in range(3):
        site.spool.append([train(k)])
        site.store.flush()
    before = list(site.reader.trains())
    old = {file: file.read_bytes() for file in site.files()}
    site.store.compact(MONTH_LATER)
    (merged,) = site.files()
    for file, octets in old.items():
        file.write_bytes(octets)
    assert list(site.reader.trains()) == before
    assert site.reader.summary_since(0)[0].trains == 3
    site.store.compact(MONTH_LATER)
    assert site.files() == [merged]


def test_a_damaged_file_is_left_out_named_and_set_aside(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for k in range(3):
        site.spool.append([train(k)])
        site.store.flush()
    bad = site.files()[1]
    bad.write_bytes(bad.read_bytes()[:-40])
    reader = site.reader
    with caplog.at_level(logging.ERROR):
        assert [t.start_ns for t in reader.trains()] == [D0, D0 + 2 * MINUTE_NS]
    assert list(reader.damaged) == [bad]
    assert f"{bad} is damaged and left out" in caplog.text
    assert site.reader.summary_since(0)[0].trains == 2
    assert site.store.damaged == []
    site.store.compact(MONTH_LATER)
    assert site.store.damaged == [bad.with_name(f"{bad.name}.damaged")]
    assert len(list(site.reader.trains())) == 2


def test_damage_within_the_pages_is_found_too(site: Site) -> None:
    for k in range(2):
        site.spool.append([train(j, f"path-{j}-{k}") for j in range(300)])
        site.store.flush()
    bad = site.files()[0]
    octets = bytearray(bad.read_bytes())
    octets[100:400] = b"\x55" * 300
    bad.write_bytes(octets)
    reader = site.reader
    assert len(list(reader.trains())) == 300
    assert list(reader.damaged) == [bad]


def test_a_damaged_row_of_the_spool_is_kept_aside_and_counted(site: Site) -> None:
    last = site.spool.append([train(0), train(1), train(2)])
    with sqlite3.connect(site.folder / "spool.sqlite") as raw:
        raw.execute("UPDATE records SET payload = '{\"sch' WHERE id = ?", (last - 1,))
    raw.close()
    assert [t.start_ns for t in site.reader.trains()] == [D0, D0 + 2 * MINUTE_NS]
    result = site.store.flush()
    assert (result.records, result.unreadable) == (2, 1)
    assert site.spool.dropped == {"unreadable": 1}
    (kept,) = (site.folder / "store").glob("unreadable-*.ndjson")
    assert json.loads(kept.read_text())["payload"] == '{"sch'
    assert [t.start_ns for t in site.reader.trains()] == [D0, D0 + 2 * MINUTE_NS]


def test_records_of_a_newer_pasprobe_stay_where_they_are(site: Site) -> None:
    last = site.spool.append([train(0), train(1)])
    with sqlite3.connect(site.folder / "spool.sqlite") as raw:
        raw.execute("UPDATE records SET payload = '{\"schema\":7}' WHERE id = ?", (last,))
    raw.close()
    with pytest.raises(StoreError, match="schema version 7, this pasprobe knows 1"):
        site.store.flush()
    assert site.spool.depth("embedded") == 2
    with pytest.raises(SchemaError, match="schema version 7"):
        list(site.reader.trains())


def test_parquet_of_a_newer_pasprobe_is_refused(site: Site) -> None:
    import duckdb

    site.spool.append([train(0)])
    site.store.flush()
    (file,) = site.files()
    newer = file.with_name("newer.tmp")
    duckdb.sql(f"SELECT * REPLACE (2 AS schema), 1 AS novelty FROM '{file}'").write_parquet(
        str(newer)
    )
    newer.replace(file)
    with pytest.raises(SchemaError, match="schema version 2, this pasprobe knows 1 to 1"):
        list(site.reader.trains())


def test_parquet_that_lacks_a_column_of_today_is_read(site: Site) -> None:
    import duckdb

    site.spool.append([plan()])
    site.store.flush()
    (file,) = site.files("plans")
    older = file.with_name("older.tmp")
    duckdb.sql(f"SELECT * EXCLUDE (phase_ns) FROM '{file}'").write_parquet(str(older))
    older.replace(file)
    site.spool.append([plan("q")])
    assert list(site.reader.plans()) == [plan(), plan("q")]


def test_closed_quarters_are_rolled_up_once(site: Site) -> None:
    site.spool.append([plan("a"), plan("b")])
    site.spool.append([train(k, path) for k in range(31) for path in ("a", "b")])
    assert site.store.roll_up(D0 + QUARTER_NS + 59 * 10**9, grace_ns=60 * 10**9) == 0
    assert site.store.roll_up(D0 + 2 * QUARTER_NS + 60 * 10**9, grace_ns=60 * 10**9) == 4
    assert site.store.roll_up(D0 + 2 * QUARTER_NS + 60 * 10**9) == 0
    rollups = list(site.reader.rollups("a"))
    assert [(r.start_ns, r.trains, r.planned, r.received) for r in rollups] == [
        (D0, 15, 15, 135),
        (D0 + QUARTER_NS, 15, 15, 135),
    ]


@pytest.mark.parametrize("flushed", [False, True])
def test_a_late_train_derives_its_quarter_again_and_the_newest_revision_is_read(
    site: Site, flushed: bool
) -> None:
    site.spool.append([plan(), *(train(k) for k in range(14))])
    if flushed:
        site.store.flush()
    assert site.store.roll_up(D0 + DAY_NS) == 1
    site.store.flush()
    site.spool.append([train(14)])
    assert [r.trains for r in site.reader.rollups()] == [14]
    assert site.store.roll_up(D0 + DAY_NS) == 1
    assert [r.trains for r in site.reader.rollups()] == [15]
    site.store.flush()
    site.store.compact(MONTH_LATER)
    assert [(r.trains, r.planned) for r in site.reader.rollups()] == [(15, 15)]


def test_a_roll_up_half_in_the_files_and_half_in_the_spool_has_all_trains(site: Site) -> None:
    site.spool.append([plan(), *(train(k) for k in range(7))])
    site.store.flush()
    site.spool.append([train(k) for k in range(7, 15)])
    site.store.roll_up(D0 + DAY_NS)
    (found,) = site.reader.rollups()
    assert (found.trains, found.planned, found.sent) == (15, 15, 150)


def test_a_train_that_was_spooled_twice_is_rolled_up_once(site: Site) -> None:
    site.spool.append([train(0), train(0), train(1)])
    site.store.roll_up(D0 + DAY_NS)
    assert next(site.reader.rollups()).trains == 2


def test_the_plan_of_a_roll_up_may_be_from_long_before(site: Site) -> None:
    site.spool.append([plan()])
    site.store.flush()
    later = 40 * 24 * 60
    site.spool.append([train(later)])
    site.store.roll_up(D0 + 41 * DAY_NS)
    assert [r.planned for r in site.reader.rollups()] == [15]


def test_the_newest_plan_of_each_path_is_known_after_it_went_to_parquet(site: Site) -> None:
    spool = site.folder / "spool.sqlite"
    assert [*site.reader.plans()] == []
    site.spool.append([plan("b"), plan("a"), plan("a", active=False, start_ns=D0 + 9 * DAY_NS)])
    site.store.flush()
    with open_tail(spool) as tail:
        newest = [decode("plans", payload) for payload in tail.newest_plans()]
    assert newest == [plan("a", active=False, start_ns=D0 + 9 * DAY_NS), plan("b")]


def test_maintain_rolls_up_flushes_and_merges(site: Site) -> None:
    site.spool.append([plan()])
    for number in range(50):
        site.spool.append([train(number)])
        site.store.maintain(D0 + number * MINUTE_NS + 30 * 10**9)
    assert 1 < len(site.files()) < 6
    for number in range(3):
        site.store.maintain(D0 + DAY_NS + 2 * 3600 * 10**9 + number * MINUTE_NS)
    assert len(site.files()) == 1
    assert [r.trains for r in site.reader.rollups()] == [15, 15, 15, 5]
    assert len(list(site.reader.trains())) == 50


def test_the_newest_train_of_each_path_is_found_days_back(site: Site) -> None:
    site.spool.append([plan("a"), plan("b"), plan("gone", active=False)])
    site.spool.append([train(0, "a"), train(5, "a"), train(2, "gone"), train(3 * 1440, "b")])
    site.store.flush()
    site.spool.append([train(3 * 1440 + 1, "b")])
    found = {t.path: t.start_ns for t in site.reader.last_trains()}
    assert found["a"] == D0 + 5 * MINUTE_NS
    assert found["b"] == D0 + (3 * 1440 + 1) * MINUTE_NS
    assert [t.path for t in site.reader.last_trains(D0 + DAY_NS)] == ["b"]


def test_the_summary_counts_valid_trains_and_says_how_many_are_not(site: Site) -> None:
    site.spool.append([train(0), train(1), train(1, "q", limit_ns=None, rtt=DelayFigures())])
    site.store.flush()
    site.spool.append([train(2), train(3, valid=False, reasons=("missed",), local_drops=50)])
    first, second = site.reader.summary_since(D0 + MINUTE_NS)
    assert (first.path, first.trains, first.valid) == ("p", 3, 2)
    assert (first.sent, first.received, first.lost, first.within_limit) == (20, 18, 2, 16)
    assert (first.jitter_sum_ns, first.jitter_count) == (16_000_000, 2)
    assert (first.local_drops, first.last_start_ns) == (54, D0 + 3 * MINUTE_NS)
    assert (second.path, second.within_limit, second.jitter_count) == ("q", None, 0)


def test_a_copied_store_is_read_without_its_spool_and_several_together(
    site: Site, tmp_path: Path
) -> None:
    site.spool.append([train(0)])
    site.store.flush()
    copy = tmp_path / "copy"
    shutil.copytree(site.folder / "store", copy / "store")
    other = tmp_path / "other"
    with Spool(other / "spool.sqlite") as spool:
        spool.append([replace(train(1), agent="milano")])
    reader = EmbeddedReader([copy, other])
    assert [t.agent for t in reader.trains()] == ["roma", "milano"]


def test_a_store_is_read_after_the_agent_ended(site: Site) -> None:
    site.spool.append([train(0)])
    site.store.flush()
    site.spool.append([train(1)])
    site.spool.close()
    assert len(list(site.reader.trains())) == 2


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no records"):
        EmbeddedReader(tmp_path)


def test_readers_see_everything_once_while_the_agent_writes_flushes_and_merges(site: Site) -> None:
    acknowledged = 0
    ended = threading.Event()
    failures: list[BaseException] = []

    def agent() -> None:
        nonlocal acknowledged
        try:
            for turn in range(12):
                for _ in range(5):
                    site.spool.append([train(acknowledged)])
                    acknowledged += 1
                if turn % 4 == 3:
                    site.store.compact(MONTH_LATER)
                else:
                    site.store.flush()
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            ended.set()

    thread = threading.Thread(target=agent)
    thread.start()
    reads = 0
    while not ended.is_set():
        before = acknowledged
        starts = [t.start_ns for t in site.reader.trains()] if before else []
        assert len(starts) >= before
        assert starts == [D0 + k * MINUTE_NS for k in range(len(starts))]
        reads += 1
    thread.join()
    assert (failures, acknowledged) == ([], 60)
    assert reads > 3


@pytest.fixture
def small_disk(tmp_path: Path, need: Callable[..., None]) -> Iterator[Path]:
    need("root", "mount", "umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "pp-small", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_a_flush_and_nothing_is_lost(small_disk: Path) -> None:
    with Spool(small_disk / "spool.sqlite") as spool:
        store = EmbeddedStore(small_disk, spool)
        spool.append([train(k) for k in range(500)])
        room = os.statvfs(small_disk)
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * (room.f_bavail * room.f_bsize - 16_384))
        with pytest.raises(DiskFullError, match="free disk space"):
            store.flush()
        assert spool.depth("embedded") == 500
        ballast.unlink()
        assert store.flush().records == 500
        assert len(list(EmbeddedReader(small_disk).trains())) == 500


def test_names_cover_as_they_say() -> None:
    def file(first: int, last: int) -> store_files.StoreFile:
        return store_files.StoreFile(first, last, Path(store_files.file_name(first, last)))

    merged, late = file(1, 30), file(31, 40)
    assert store_files.without_merged([file(1, 10), file(21, 30), late, merged]) == [late, merged]
    assert store_files.without_merged([file(1, 10), file(5, 20)]) == [file(1, 10), file(5, 20)]
    assert (
        store_files.file_name(1, 30) < store_files.file_name(2, 3) < store_files.file_name(10, 11)
    )
