"""A path, its days, and where a sealed store keeps what."""

from __future__ import annotations

from pathlib import Path

from timeseries.records import DelayFigures, TrainRecord
from timeseries.seal import verify
from timeseries.store_files import day_of

DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
D0 = 20_400 * DAY_NS
DAYS = [day_of(D0 + k * DAY_NS) for k in range(20)]
RTT = DelayFigures(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, ((150, 5), (151, 4)))
TRAIN = TrainRecord(
    "roma-01", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", D0, 10, 10, 9, 1, 0,
    0, 0, 0, 0, 300_000_000, "rtt", RTT, None, None, None, False, None, None, True, (), (), 10, 9,
    0, 7, 0, 0, True, 1, (), (),
)  # fmt: skip


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
