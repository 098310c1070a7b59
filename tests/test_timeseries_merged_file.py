"""What a merged file says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from timeseries import duck, merged_file
from timeseries.codec import encode
from timeseries.merged_file import EachOnce, each_once
from timeseries.records import DelayFigures, TrainRecord

TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", 10**18, 10, 10, 9, 1, 0,
    0, 0, 0, 0, 300_000_000, "rtt", DelayFigures(), None, None, None, False, None, None, True, (),
    (), 10, 9, 0, 7, 2, 0, True, 1, (), (),
)  # fmt: skip


def written(place: Path, trains: Sequence[TrainRecord]) -> Path:
    with duck.connected(threads=1, memory="64MB", spill=None) as connection:
        duck.create_table(connection, "trains", "t")
        rows = [(number, encode(train)[1]) for number, train in enumerate(trains, 1)]
        duck.insert(connection, "trains", "t", rows)
        merged_file.write(connection, "trains", "t", place)
    return place


def test_a_file_of_different_records_says_so(tmp_path: Path) -> None:
    trains = [
        replace(TRAIN, agent=agent, path=path, start_ns=TRAIN.start_ns + k)
        for k in range(3)
        for agent in ("roma", "it's \N{GREEK SMALL LETTER ALPHA}" * 40)
        for path in ("a", "b")
    ]
    found = each_once(written(tmp_path / "f.parquet", trains))
    assert found == EachOnce(frozenset({one.agent for one in trains}), 1)


def test_a_file_with_two_revisions_of_a_record_says_nothing(tmp_path: Path) -> None:
    assert each_once(written(tmp_path / "f", [TRAIN, replace(TRAIN, sent=3)])) is None


@pytest.mark.parametrize("kept", [0, 3, 8, 40, 500])
def test_a_damaged_or_missing_file_says_nothing(tmp_path: Path, kept: int) -> None:
    file = written(tmp_path / "f.parquet", [TRAIN])
    whole = file.read_bytes()
    file.write_bytes(whole[:kept])
    assert each_once(file) is None
    file.write_bytes(whole[: whole.index(b"pasprobe.each-once") + 30])
    assert each_once(file) is None
    assert each_once(tmp_path / "none") is None


def test_a_path_that_is_called_like_the_key_changes_nothing(tmp_path: Path) -> None:
    named = replace(TRAIN, path="pasprobe.each-once")
    assert each_once(written(tmp_path / "f.parquet", [named])) == EachOnce(frozenset({"roma"}), 1)
    assert each_once(written(tmp_path / "g.parquet", [named, named])) is None
