"""Stores copied with rsync while the agent writes: never torn, never twice, complete in the end."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from timeseries.embedded import EmbeddedStore
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, TrainRecord
from timeseries.spool import Spool

T0 = 20_400 * 86_400 * 10**9
STEP_NS = 600 * 10**9
LATER = T0 + 400 * 86_400 * 10**9
TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", T0, 10, 10, 9, 1, 0, 0,
    0, 0, 0, 300_000_000, "rtt", DelayFigures(), None, None, None, False, None, None, True, (), (),
    10, 9, 0, 0, 0, 0, True, 1, (), (),
)  # fmt: skip


def copied(source: Path, target: Path) -> None:
    """What docs/influxdb.md says: `store/` without the spool; 24 asks for another run."""
    target.mkdir(parents=True, exist_ok=True)
    for _ in range(5):
        command = ["rsync", "-a", f"{source}/store/", f"{target}/store/"]
        if (code := subprocess.run(command, check=False, timeout=60).returncode) != 24:
            assert code == 0
            return
    raise AssertionError("files vanished five times in a row")


def test_a_store_copied_while_it_is_written_is_whole(
    tmp_path: Path, need: Callable[..., None]
) -> None:
    need("rsync")
    written, done = 0, threading.Event()

    def write() -> None:
        nonlocal written
        with Spool(tmp_path / "agent" / "spool.sqlite") as spool:
            store = EmbeddedStore(tmp_path / "agent", spool)
            for turn in range(25):
                batch = range(turn * 40, turn * 40 + 40)
                spool.append([replace(TRAIN, start_ns=T0 + k * STEP_NS) for k in batch])
                written = batch.stop
                store.flush()
                if turn % 6 == 5:
                    store.compact(LATER)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    copy, copies = tmp_path / "copies" / "agent", 0
    while not done.is_set():
        if (tmp_path / "agent" / "store" / "trains").is_dir():
            copied(tmp_path / "agent", copy)
            found = [t.start_ns for t in EmbeddedReader(copy, threads=1).trains()]
            assert found == sorted(set(found))
            assert set(found) <= {T0 + k * STEP_NS for k in range(written + 40)}
            copies += 1
    writer.join()
    assert copies >= 2
    copied(tmp_path / "agent", copy)
    reader = EmbeddedReader(copy, threads=1)
    assert [t.start_ns for t in reader.trains()] == [T0 + k * STEP_NS for k in range(1_000)]
    assert reader.damaged == {}


def test_several_copied_stores_are_one_reader(tmp_path: Path) -> None:
    for name in ("roma", "bari"):
        with Spool(tmp_path / name / "spool.sqlite") as spool:
            store = EmbeddedStore(tmp_path / name, spool)
            spool.append([replace(TRAIN, agent=name, path=f"{name}/p", start_ns=T0 + 1)])
            store.flush()
            spool.append([replace(TRAIN, agent=name, path=f"{name}/p", start_ns=T0 + 2)])
    reader = EmbeddedReader([tmp_path / "roma", tmp_path / "bari"], threads=1)
    assert [(t.start_ns - T0, t.agent) for t in reader.trains()] == [
        (1, "bari"), (1, "roma"), (2, "bari"), (2, "roma"),
    ]  # fmt: skip
    assert reader.paths() == ["bari/p", "roma/p"]
