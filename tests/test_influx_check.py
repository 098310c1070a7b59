"""`pasprobe check --influx` against a real influxd, and against servers that do not do."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from timeseries.codec import SUBJECT
from timeseries.influx import InfluxTarget
from timeseries.influx_check import check

PASPROBE = str(Path(sys.executable).with_name("pasprobe"))


def test_influxdb_does_all_that_is_asked_of_it_and_is_left_clean(influx: Any) -> None:
    steps = list(check(InfluxTarget(influx.url, influx.database, token=influx.token)))
    assert [step.name for step in steps if not step.good] == []
    assert len(steps) == 5
    assert {kind: influx.count(kind) for kind in SUBJECT} == dict.fromkeys(SUBJECT, 0)
    compared = next(step for step in steps if step.name.startswith("read back"))
    assert compared.words.startswith(f"{len(SUBJECT)} records")


def test_a_wrong_token_ends_the_trial(influx: Any) -> None:
    target = InfluxTarget(influx.url, influx.database, token=influx.token)
    (step,) = check(replace(target, token="wrong"))
    assert not step.good
    assert "the token is not accepted" in step.words


def test_a_server_that_takes_anything_is_told(victoria: Any) -> None:
    steps = {step.name: step for step in check(InfluxTarget(victoria.url, "any"), sleep=_no_wait)}
    assert steps["write"].good
    assert "no InfluxDB that can be read" in steps["read back"].words
    assert "lost without a word" in steps["refuse what does not fit"].words


def _no_wait(_: float) -> None:
    return None


def test_the_command_says_each_step_and_exits_by_the_outcome(influx: Any, tmp_path: Path) -> None:
    (tmp_path / "pasprobe.toml").write_text(
        f'[agent]\nname = "a"\ndata_dir = "d"\n[influxdb]\nurl = "{influx.url}"\n'
        f'bucket = "{influx.database}"\ntoken = {{ env = "PP_TOKEN" }}\n'
    )

    def run(token: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PASPROBE, "check", "--influx"], cwd=tmp_path, capture_output=True, text=True,
            check=False, env={**os.environ, "PP_TOKEN": token},
        )  # fmt: skip

    good = run(influx.token)
    assert (good.returncode, good.stdout.count("ok    ")) == (0, 5)
    bad = run("wrong")
    assert bad.returncode == 1
    assert bad.stdout.startswith("FAILED  write")
    assert "Traceback" not in bad.stderr
