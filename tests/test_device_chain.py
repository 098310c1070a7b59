"""The example that shows the whole chain runs, on each kind of device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHAIN = Path(__file__).parents[1] / "examples" / "device_configs" / "chain.py"


@pytest.mark.parametrize("name", ["pix-1", "asa-1", "switch-1"])
def test_the_chain_in_front_of_the_reader_ends_well(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, str(CHAIN), name, "--keep", str(kept)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "WRONG" not in done.stdout
    assert f"{name}: as the template" in done.stdout
    protocols = list((kept / "kept" / "restores" / name).glob("*.jsonl"))
    assert any('"INC-7"' in file.read_text() for file in protocols)
    for text in (done.stdout, *(file.read_text() for file in protocols)):
        # `render` prints its secrets, by design; nothing after it does.
        after = text.partition("$ pasprobe config bootstrap")[2] or text
        assert "infomil-shared" not in after
    if name != "switch-1":
        rules = done.stdout.rpartition("$ pasprobe config rules")[2].partition("somebody")[0]
        # After `allow` the list of rules has no trace of the block.
        assert "OUTSIDE-IN" in rules
        assert "172.20.8.77" not in rules


def test_a_device_that_the_example_has_not_is_a_wrong_call() -> None:
    done = subprocess.run(
        [sys.executable, str(CHAIN), "pix-9"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no such device: pix-9" in done.stderr
