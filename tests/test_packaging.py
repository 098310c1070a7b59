"""The wheel holds the rooms and nothing else, and the command line stays light to start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "agent", "analysis", "collectors", "device_configs", "incidents", "inventory", "timeseries",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_rooms_and_the_command_line_at_its_top_level(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == ROOMS | {"pasprobe.py"}
    assert "analysis/catalogue/ip-base.toml" in names
    assert "analysis/pages/report.html.j2" in names


def test_the_wheel_installed_elsewhere_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index",
         "--disable-pip-version-check", "--target", site, wheel],
        check=True,
        capture_output=True,
    )  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import agent, pasprobe; print(agent.__file__)"],
        check=True, capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(site)
    for _ in range(3):
        demo = subprocess.run(
            [sys.executable, "-P", "-m", "pasprobe", "demo", "--seconds", "6", "--output", "out"],
            check=False, capture_output=True, text=True, env=environment, cwd=tmp_path,
        )  # fmt: skip
        # A host that stood still has spoiled trains, and says so; six seconds have few.
        if "planned trains are valid" not in demo.stdout + demo.stderr:
            break
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


def test_nothing_imports_the_command_line() -> None:
    importing = re.compile(r"^\s*(from|import) pasprobe\b", re.MULTILINE)
    sources = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 50
    assert [path.name for path in sources if importing.search(path.read_text())] == []


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    heavy = "{'duckdb', 'icmplib', 'jinja2', 'numpy', 'pydantic', 'rich', 'scapy'}"
    program = f"import sys, pasprobe; print(sorted({heavy} & set(sys.modules)))"
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert said.strip() == "[]"
