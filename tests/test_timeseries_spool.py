"""The spool: durable at once, one writer, counts what it drops, survives damage and a full disk."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from timeseries.errors import DiskFullError, InUseError, SchemaError, StoreError
from timeseries.records import (
    DelayFigures,
    PlanRecord,
    Record,
    RollupRecord,
    SampleRecord,
    TrainRecord,
)
from timeseries.rollup import QUARTER_NS, rollup
from timeseries.spool import Spool

Q0 = 1_959_115 * QUARTER_NS
FIGURES = DelayFigures(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, tuple((k, 1) for k in range(200)))
TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", Q0, 10, 10, 9, 1, 0, 0,
    0, 0, 0, 300_000_000, "rtt", FIGURES, None, None, None, False, None, None, True, (), (), 10, 9,
    0, 0, 0, 0, True, 1, (), (),
)  # fmt: skip


def train(number: int, start_ns: int | None = None) -> TrainRecord:
    return replace(TRAIN, start_ns=Q0 + number if start_ns is None else start_ns)


def sample(number: int) -> SampleRecord:
    many = tuple(range(Q0, Q0 + 100))
    return SampleRecord("roma", "p", Q0 + number, (2,) * 100, many, many, (), (), (), ())


def plan(number: int) -> PlanRecord:
    return PlanRecord("roma", "p", Q0 + number, True, 60_000_000_000, 10, None)


def quarter(number: int) -> RollupRecord:
    return rollup([], [], Q0 + number * QUARTER_NS, "p")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool.sqlite"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    with Spool(path) as opened:
        yield opened


def contents(spool: Spool) -> list[Record]:
    return [item.record for item in spool.read(0, 100_000)]


def test_what_was_appended_is_read_in_order_and_survives_a_restart(path: Path) -> None:
    some: list[Record] = [plan(0), train(1), sample(1), quarter(0)]
    with Spool(path) as spool:
        last = spool.append(some)
    with Spool(path) as spool:
        assert contents(spool) == some
        assert [item.kind for item in spool.read(0, 9)] == ["plans", "trains", "samples", "rollups"]
        assert spool.read(0, 9)[-1].id == last
        assert [item.record for item in spool.read(last - 2, 1)] == [sample(1)]


def test_an_append_is_all_or_nothing(spool: Spool) -> None:
    spool.append([train(1)])
    with pytest.raises(SchemaError, match="field sent"):
        spool.append([train(2), replace(train(3), sent=1.5)])  # type: ignore[arg-type]
    assert contents(spool) == [train(1)]


def test_each_sink_has_its_own_place_and_rows_go_when_all_have_passed(spool: Spool) -> None:
    spool.register("embedded")
    spool.register("influxdb")
    ids = [spool.append([train(number)]) for number in range(4)]
    spool.advance("embedded", ids[2])
    assert (spool.depth("embedded"), spool.depth("influxdb")) == (1, 4)
    assert (spool.oldest("embedded"), spool.oldest("influxdb")) == (Q0 + 3, Q0)
    assert len(contents(spool)) == 4
    spool.advance("influxdb", ids[1])
    assert contents(spool) == [train(2), train(3)]
    spool.forget("influxdb")
    spool.advance("embedded", ids[3])
    assert (contents(spool), spool.oldest("embedded")) == ([], None)


def test_a_cursor_never_goes_back(spool: Spool) -> None:
    spool.register("embedded")
    last = spool.append([train(1), train(2)])
    spool.advance("embedded", last)
    spool.advance("embedded", last - 1)
    assert spool.cursor("embedded") == last


def test_an_unknown_sink_is_named(spool: Spool) -> None:
    with pytest.raises(StoreError, match="knows no sink 'nobody': register it first"):
        spool.depth("nobody")


def test_a_pending_flush_stays_the_same_until_it_is_done(path: Path) -> None:
    with Spool(path) as spool:
        spool.register("embedded")
        spool.append([train(number) for number in range(5)])
        first = spool.pending_flush("embedded", 3)
    with Spool(path) as spool:
        spool.append([train(9)])
        assert first is not None
        assert spool.pending_flush("embedded", 100) == first
        assert first.last_id - first.first_id == 2
        spool.advance("embedded", first.last_id)
        following = spool.pending_flush("embedded", 100)
        assert following is not None
        assert following.first_id == first.last_id + 1
        spool.advance("embedded", following.last_id)
        assert spool.pending_flush("embedded", 100) is None


def test_ids_are_never_given_twice(path: Path) -> None:
    with Spool(path) as spool:
        spool.register("embedded")
        last = spool.append([train(1)])
        spool.advance("embedded", last)
    path.unlink()
    with Spool(path) as spool:
        assert spool.append([train(2)]) > last
        spool.raise_ids_above(last + 10**15)
        assert spool.append([train(3)]) == last + 10**15 + 1


def test_a_second_writer_is_refused_with_the_pid_of_the_first(path: Path, spool: Spool) -> None:
    code = "import sys; from pathlib import Path; from timeseries.spool import Spool"
    code += "; Spool(Path(sys.argv[1]))"
    second = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert f"is written by another pasprobe (pid {os.getpid()})" in second.stderr
    with pytest.raises(InUseError):
        Spool(path)
    spool.append([train(1)])


def test_threads_may_share_it(spool: Spool) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 50):
            spool.append([train(number)])

    threads = [threading.Thread(target=write, args=(k * 50,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record.start_ns for record in contents(spool)) == [Q0 + k for k in range(200)]


def test_a_closed_spool_says_so(path: Path) -> None:
    spool = Spool(path)
    spool.close()
    spool.close()
    with pytest.raises(StoreError, match="is closed"):
        spool.append([train(1)])


def test_a_quarter_is_due_until_its_roll_up_is_spooled_and_again_for_a_late_train(
    spool: Spool,
) -> None:
    spool.register("embedded")
    spool.append([train(0), train(0, Q0 + QUARTER_NS)])
    assert spool.due(Q0 + QUARTER_NS - 1, 9, "embedded") == []
    (due,) = spool.due(Q0 + QUARTER_NS, 9, "embedded")
    assert (due.path, due.quarter_ns, due.spooled) == ("p", Q0, True)
    spool.append([train(1)])  # meanwhile
    spool.append([quarter(0)], settled=[due])
    (again,) = spool.due(Q0 + QUARTER_NS, 9, "embedded")
    assert not again.spooled
    spool.append([quarter(0)], settled=[again])
    assert spool.due(Q0 + QUARTER_NS, 9, "embedded") == []
    assert len(spool.due(Q0 + 2 * QUARTER_NS, 9, "embedded")) == 1


def test_want_of_room_takes_samples_then_histograms_then_trains_and_never_plans(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limit = 2_000_000
    with Spool(path, limit_bytes=limit) as spool:
        spool.register("embedded")
        spool.append([plan(0), *(quarter(k) for k in range(20))])
        seen: list[dict[str, int]] = []
        appended = 0
        while "trains" not in spool.dropped:
            spool.append([r for k in range(20) for r in (train(k), sample(k))])
            appended += 20
            if spool.dropped != (seen[-1] if seen else {}):
                seen.append(spool.dropped)
            assert appended < 20_000
        assert list(seen[0]) == ["samples"]
        assert any(set(counts) == {"samples", "histograms"} for counts in seen)
        kinds = [item.kind for item in spool.read(0, 100_000)]
        assert (kinds.count("plans"), kinds.count("rollups")) == (1, 20)
        assert kinds.count("trains") + spool.dropped["trains"] == appended
        assert kinds.count("samples") + spool.dropped["samples"] == appended
        oldest = next(item.record for item in spool.read(0, 100) if item.kind == "trains")
        assert isinstance(oldest, TrainRecord)
        assert (oldest.rtt.histogram, oldest.flags) == ((), ("histogram dropped",))
        assert oldest.rtt.p99_ns == FIGURES.p99_ns
    assert path.stat().st_size < 2 * limit
    assert "dropped: " in caplog.text
    with Spool(path) as spool:
        assert spool.dropped == seen[-1]


def test_what_is_being_flushed_is_not_dropped(path: Path) -> None:
    with Spool(path, limit_bytes=600_000) as spool:
        spool.register("embedded")
        spool.append([sample(k) for k in range(50)])
        pending = spool.pending_flush("embedded", 100)
        assert pending is not None
        while spool.dropped.get("samples", 0) < 200:
            spool.append([sample(k) for k in range(100, 150)])
        kept = spool.read(pending.first_id - 1, 50)
        assert kept[-1].id == pending.last_id
        assert len(kept) == 50


@pytest.mark.parametrize("damage", [b"this is no database at all", b"\x00" * 100])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with Spool(path) as spool:
        last = spool.append([train(1)])
    original = path.read_bytes()
    path.write_bytes(damage + original[len(damage) :])
    with Spool(path) as spool, caplog.at_level(logging.ERROR):
        assert spool.set_aside == 1
        assert contents(spool) == []
        assert spool.append([train(2)]) > last
    (kept,) = path.parent.glob("spool.sqlite.damaged-*")
    assert kept.read_bytes().endswith(original[-1000:])


def test_damage_deep_in_the_file_is_found_at_opening(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Spool(path) as spool:
        spool.append([train(k) for k in range(500)])
    with path.open("r+b") as file:
        for page in range(20, 60):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with Spool(path) as spool:
        assert spool.set_aside == 1
    assert "is damaged" in caplog.text
    assert "set aside as spool.sqlite.damaged-" in caplog.text


def test_damage_in_use_costs_the_old_file_and_not_the_new_record(path: Path) -> None:
    with Spool(path) as spool:
        spool.append([train(k) for k in range(500)])
    with Spool(path) as spool:
        spool.register("embedded")
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        # Another connection's commit makes ours forget its cached pages.
        Path(f"{path}-wal").write_bytes(b"")
        spool.append([train(k) for k in range(1000, 1010)])
        if spool.set_aside:
            assert contents(spool) == [train(k) for k in range(1000, 1010)]
            assert spool.depth("embedded") == 10
        else:
            pytest.fail("the damage was not noticed")


def test_a_spool_of_a_newer_pasprobe_is_left_alone(path: Path) -> None:
    with Spool(path) as spool:
        spool.append([train(1)])
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 9")
    raw.close()
    with pytest.raises(StoreError, match="has layout 9, this pasprobe knows 2"):
        Spool(path)
    assert not list(path.parent.glob("*.damaged-*"))


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another data_dir"):
        Spool(tmp_path / "file" / "spool.sqlite")


@pytest.fixture
def small_disk(tmp_path: Path, need: Callable[..., None]) -> Iterator[Path]:
    need("root", "mount", "umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "pp-small", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_that_was_acknowledged_and_heals_by_itself(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    with Spool(small_disk / "spool.sqlite") as spool:
        ballast.write_bytes(b"x" * 2_500_000)
        acknowledged = 0
        full = ""
        while not full:
            try:
                spool.append([train(k) for k in range(acknowledged, acknowledged + 50)])
                acknowledged += 50
            except DiskFullError as error:
                full = str(error)
        assert "nothing was written; free disk space" in full
        with pytest.raises(DiskFullError):
            spool.append([train(k) for k in range(50)])
        assert contents(spool) == [train(k) for k in range(acknowledged)]
        ballast.unlink()
        spool.append([train(acknowledged)])
        assert contents(spool) == [train(k) for k in range(acknowledged + 1)]
    with Spool(small_disk / "spool.sqlite") as spool:
        assert len(contents(spool)) == acknowledged + 1
        assert spool.set_aside == 0


def test_a_spool_of_an_older_pasprobe_gets_what_its_layout_lacks(path: Path) -> None:
    with Spool(path) as spool:
        last = spool.append([train(1)])
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TABLE replays")
        raw.execute("DROP TABLE dead_letters")
        raw.execute("PRAGMA user_version = 1")
    raw.close()
    with Spool(path) as spool:
        assert contents(spool) == [train(1)]
        spool.register("embedded")
        spool.advance("embedded", last)
        assert contents(spool) == []
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (2,)
    raw.close()
