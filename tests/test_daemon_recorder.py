"""Records on their way to the disk: batches, a full disk, the end."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.daemon.recorder import Recorder
from timeseries.embedded import EmbeddedStore
from timeseries.reader import EmbeddedReader
from timeseries.records import DeviceSampleRecord, PlanRecord, SampleRecord
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME


def plan(start_ns: int, target: str = "192.0.2.1") -> PlanRecord:
    return PlanRecord("a", "p", start_ns, True, 60 * 10**9, 10, None, target=target)


def sample(start_ns: int) -> SampleRecord:
    zeros = (0,) * 500
    return SampleRecord("a", "p", start_ns, *(zeros,) * 7)


def recording(folder: Path, work: Callable[[Recorder], Awaitable[None]]) -> None:
    async def main() -> None:
        with Spool(folder / SPOOL_NAME) as spool:
            recorder = Recorder(spool, EmbeddedStore(folder, spool))
            tasks = [asyncio.create_task(recorder.run_spool())]
            tasks.append(asyncio.create_task(recorder.run_store()))
            try:
                await work(recorder)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    asyncio.run(main())


async def until(so: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not so():
            await asyncio.sleep(0.02)


def starts(folder: Path) -> list[int]:
    return [plan.start_ns for plan in EmbeddedReader(folder, threads=1).plans()]


def test_records_are_on_the_disk_soon_after_they_were_put(tmp_path: Path) -> None:
    async def work(recorder: Recorder) -> None:
        for n in range(1, 3_001):
            recorder.put([plan(n)])
        await until(lambda: recorder.waiting == 0)
        assert starts(tmp_path) == list(range(1, 3_001))

    recording(tmp_path, work)


def test_the_end_puts_everything_into_the_store(tmp_path: Path) -> None:
    async def work(recorder: Recorder) -> None:
        recorder.put(plan(n) for n in range(1, 51))
        await recorder.finish(20)
        assert (recorder.waiting, recorder.given_up, recorder.depth()) == (0, 0, 0)

    recording(tmp_path, work)
    assert starts(tmp_path) == list(range(1, 51))
    assert list((tmp_path / "store" / "plans").rglob("*.parquet"))


def test_a_record_that_does_not_fit_takes_no_other_with_it(tmp_path: Path) -> None:
    async def work(recorder: Recorder) -> None:
        recorder.put([plan(1), replace(plan(2), packets="ten"), plan(3)])  # type: ignore[arg-type]
        await until(lambda: recorder.waiting == 0)
        assert recorder.given_up == 1

    recording(tmp_path, work)
    assert starts(tmp_path) == [1, 3]


@pytest.fixture
def small_disk(tmp_path: Path, need: Callable[..., None]) -> Iterator[Path]:
    """A file system of 4 MiB."""
    need("root", "mount", "umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_no_measuring_and_heals(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.daemon.recorder.RETRY_S", 0.1)
    ballast = small_disk / "ballast"

    async def work(recorder: Recorder) -> None:
        recorder.put([plan(1)])
        await until(lambda: recorder.waiting == 0)
        room = b"\0" * 4096
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(room):
                    pass
            except OSError:
                pass
        recorder.put(sample(n) for n in range(200))
        recorder.put([plan(2)])
        await until(lambda: recorder.errors > 1)
        assert recorder.waiting > 0
        ballast.unlink()
        await until(lambda: recorder.waiting == 0)
        assert recorder.given_up == 0
        assert starts(small_disk) == [1, 2]

    recording(small_disk, work)


def test_what_waits_for_a_dead_disk_is_bounded_and_samples_go_first(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.daemon.recorder.WAITING_MOST", 100)

    async def work(recorder: Recorder) -> None:
        recorder.put(sample(n) for n in range(80))
        recorder.put(
            DeviceSampleRecord("a", "sw", "cpu_1min", "", n, 5, "", "%") for n in range(10)
        )
        recorder.put(plan(n) for n in range(1, 21))
        assert recorder.given_up == 90
        await until(lambda: recorder.waiting == 0)
        assert starts(small_disk) == list(range(1, 21))

    recording(small_disk, work)
