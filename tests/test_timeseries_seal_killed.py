"""Sealing under kill -9: every moment leaves a store that verifies and from which it goes on.

Run as a script, this file is a sealing that kills itself at its n-th step on the disk.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sealed_days import DAYS, at, measure, problems

from timeseries import embedded_writer
from timeseries.reader import EmbeddedReader
from timeseries.retention import Retention
from timeseries.seal import verify
from timeseries.seal_writer import Sealed

NOW = at(9)
KEPT = Retention(samples_days=3)


@pytest.fixture(scope="module")
def unsealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine days, complete, none sealed; the eighth manifest will give up samples of six."""
    folder = tmp_path_factory.mktemp("unsealed") / "data"
    measure(folder, *range(9))
    return folder


def seal_nine_days(folder: Path) -> Sealed:
    return embedded_writer.seal(folder, "roma-01", NOW, DAYS[9], KEPT, 9)


def check_nine_days(folder: Path) -> None:
    found = verify([folder])
    assert found.problems == []
    (store,) = found.stores
    assert (store.manifests, store.expired, store.late) == (9, 6, 0)
    assert len(list(EmbeddedReader(folder, threads=1).trains())) == 9
    assert sorted(path.name for path in (folder / "store" / "samples").iterdir()) == DAYS[6:9]
    assert list(folder.rglob(".*.tmp")) == []


@pytest.mark.soak
def test_a_sealing_that_is_killed_at_any_step_goes_on(
    unsealed_once: Path, tmp_path: Path, soak: bool
) -> None:
    chance = random.Random(20_261_122)
    # From step 47 on the eighth manifest is written, samples are deleted, the ninth is written.
    some = [*chance.sample(range(47), 3), *chance.sample(range(47, 75), 4)]
    steps = range(80) if soak else sorted(some)
    killed = 0
    for step in steps:
        folder = Path(shutil.copytree(unsealed_once, tmp_path / f"{step}"))
        run = subprocess.run(
            [sys.executable, __file__, str(folder), str(step)], capture_output=True, check=False
        )
        assert run.returncode in (0, -signal.SIGKILL), run.stderr
        killed += run.returncode != 0
        assert problems(folder) == []
        seal_nine_days(folder)
        check_nine_days(folder)
        shutil.rmtree(folder)
    assert killed >= (70 if soak else 7)
    assert not soak or killed < len(steps)  # the last steps are beyond the end


@pytest.mark.soak
def test_a_writer_that_is_killed_again_and_again_seals_all_in_the_end(
    unsealed_once: Path, tmp_path: Path, soak: bool
) -> None:
    chance = random.Random(20_261_122)
    folder = Path(shutil.copytree(unsealed_once, tmp_path / "data"))
    job = {
        "job": "seal", "data_dir": str(folder), "agent": "roma-01", "now_ns": NOW,
        "before_day": DAYS[9], "retention": {"samples_days": 3}, "most": 1,
    }  # fmt: skip
    for _ in range(40 if soak else 5):
        writer = subprocess.Popen(
            [sys.executable, "-P", "-m", "timeseries.embedded_writer"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert writer.stdin is not None
        with writer.stdin as stdin:
            json.dump(job, stdin)
        time.sleep(chance.uniform(0, 1.5))
        writer.kill()
        writer.wait()
        assert problems(folder) == []
    seal_nine_days(folder)
    check_nine_days(folder)


def die_at(step: int) -> None:
    """Kill this process at its call number `step` that changes something on the disk."""
    left = step

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return real(*args, **kwargs)

        return call

    for name in ("fsync", "mkdir", "rename", "replace", "rmdir", "unlink"):
        setattr(os, name, counted(getattr(os, name)))


if __name__ == "__main__":
    die_at(int(sys.argv[2]))
    seal_nine_days(Path(sys.argv[1]))
