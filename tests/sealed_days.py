"""A path, what is measured on its days, and where a sealed store keeps what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from timeseries.embedded import EmbeddedStore
from timeseries.records import DelayFigures, SampleRecord, TrainRecord
from timeseries.seal import verify
from timeseries.spool import Spool
from timeseries.store_files import day_of

DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
D0 = 20_400 * DAY_NS
DAYS = [day_of(D0 + k * DAY_NS) for k in range(30)]
RTT = DelayFigures(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, ((150, 5), (151, 4)))
TRAIN = TrainRecord(
    "roma-01", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", D0, 10, 10, 9, 1, 0,
    0, 0, 0, 0, 300_000_000, "rtt", RTT, None, None, None, False, None, None, True, (), (), 10, 9,
    0, 7, 0, 0, True, 1, (), (),
)  # fmt: skip


def at(day: int) -> int:
    """Two hours into day number `day`."""
    return D0 + day * DAY_NS + 2 * HOUR_NS


def sample(day: int) -> SampleRecord:
    return SampleRecord("roma-01", "p", D0 + day * DAY_NS, (2,), (1,), (2,), (2,), (2,), (0,), (0,))


def measure(folder: Path, *days: int) -> None:
    """Trains and samples of these days, in the store, rolled up and merged."""
    with Spool(folder / "spool.sqlite") as spool:
        store = EmbeddedStore(folder, spool)
        for day in days:
            spool.append([replace(TRAIN, start_ns=D0 + day * DAY_NS), sample(day)])
        store.roll_up(at(max(days) + 1))
        store.flush()


def problems(folder: Path) -> list[str]:
    """The problems of a store, places without the folder."""
    return [line.removeprefix(f"{folder}/store/") for line in verify([folder]).problems]


def manifest(folder: Path, day: int) -> Path:
    return folder / "store" / "manifests" / f"{DAYS[day]}.json"


def only_file(folder: Path, kind: str, day: int) -> Path:
    (file,) = (folder / "store" / kind / DAYS[day]).glob("*.parquet")
    return file


def place(folder: Path, file: Path) -> str:
    return file.relative_to(folder / "store").as_posix()
