"""deploy/: the units are as tight as they say, the scripts refuse what they must, examples hold."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SCRIPTS = sorted(DEPLOY.glob("*.sh"))


def called(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | environ
    )


def settings(unit: Path, key: str) -> list[str]:
    """The values of a key, in the order of the file."""
    lines = (line.partition("=") for line in unit.read_text().splitlines())
    return [value for name, _, value in lines if name == key]


def test_there_are_two_units_and_four_scripts() -> None:
    assert [unit.name for unit in UNITS] == [
        "pasprobe-agent.service",
        "pasprobe-reflector.service",
    ]
    assert [script.name for script in SCRIPTS] == [
        "activate.sh", "bundle.sh", "install.sh", "rollback.sh",
    ]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_exposed_less_than_3_0(unit: Path, need: Callable[..., None]) -> None:
    need("systemd-analyze")
    said = called(
        "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=30", unit
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "Overall exposure level" in said.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line_of_a_unit(
    unit: Path, need: Callable[..., None], tmp_path: Path
) -> None:
    need("systemd-analyze")
    # It wants the program to be there, which is not installed on this host.
    program = tmp_path / "pasprobe"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/pasprobe/bin/pasprobe", str(program)))
    said = called("systemd-analyze", "verify", "--man=no", copy)
    about = [line for line in said.stderr.splitlines() if "pasprobe" in line]
    assert (said.returncode, about) == (0, [])
    copy.write_text(copy.read_text().replace("ProtectSystem=strict", "ProtectSystm=strict"))
    assert "ProtectSystm" in called("systemd-analyze", "verify", "--man=no", copy).stderr


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("pasprobe-agent", "CAP_NET_RAW CAP_NET_BIND_SERVICE"),
        ("pasprobe-reflector", "CAP_NET_BIND_SERVICE"),
    ],
)
def test_a_unit_runs_as_pasprobe_with_the_capabilities_it_needs(
    name: str, capabilities: str
) -> None:
    unit = DEPLOY / "systemd" / f"{name}.service"
    assert settings(unit, "User") == settings(unit, "Group") == ["pasprobe"]
    assert settings(unit, "AmbientCapabilities") == [capabilities]
    assert settings(unit, "CapabilityBoundingSet") == [capabilities]
    assert settings(unit, "Type") == ["notify"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_can_ask_how_wrong_the_clock_is(unit: Path) -> None:
    """ProtectClock= shuts out adjtimex altogether, and with it every one-way delay."""
    assert settings(unit, "ProtectClock") == []
    assert settings(unit, "SystemCallFilter")[-1] == "adjtimex clock_adjtime"


def test_the_engine_may_take_its_real_time_priority() -> None:
    unit = DEPLOY / "systemd" / "pasprobe-agent.service"
    assert settings(unit, "LimitRTPRIO") == ["1"]
    assert settings(unit, "RestrictRealtime") == []
    assert "@resources" not in settings(unit, "SystemCallFilter")[1]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_posix_shell(script: Path) -> None:
    said = called("sh", "-n", script)
    assert (said.returncode, said.stderr) == (0, "")
    assert script.read_text().startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in script.read_text()


@pytest.mark.parametrize("script", ["bundle.sh", "install.sh", "rollback.sh"])
def test_a_script_explains_itself_and_refuses_what_it_does_not_know(script: str) -> None:
    shown = called("sh", DEPLOY / script, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith("usage: sh ")
    assert script in shown.stdout.splitlines()[0]
    said = called("sh", DEPLOY / script, "--nonsense")
    assert (said.returncode, said.stdout) == (2, "")
    assert "--nonsense" in said.stderr


def bundle(folder: Path, **values: str) -> Path:
    """A bundle without wheels, as far as install.sh looks before it begins."""
    described = {
        "release": "9.9.9",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "machine": platform.machine(),
    } | values
    folder.mkdir()
    text = "".join(f"{key}={value}\n" for key, value in described.items())
    (folder / "BUNDLE").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  ./BUNDLE\n")
    return folder


def install(folder: Path, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    root.mkdir(exist_ok=True)
    return called("sh", DEPLOY / "install.sh", "--root", root, *words, folder)


@pytest.mark.parametrize(
    ("values", "words", "remedy"),
    [
        ({"python": "3.99"}, (), "is for Python 3.99"),
        ({"machine": "riscv64"}, (), "make a bundle with --machine"),
        ({}, ("--python", "/nowhere/python"), "say --python"),
    ],
    ids=["python", "machine", "no python"],
)
def test_a_bundle_that_does_not_fit_this_host_is_refused(
    values: dict[str, str], words: tuple[str, ...], remedy: str, tmp_path: Path
) -> None:
    words = words or ("--python", sys.executable)
    said = install(bundle(tmp_path / "bundle", **values), tmp_path / "root", *words)
    assert said.returncode == 2
    assert remedy in said.stderr
    assert list((tmp_path / "root").iterdir()) == []


def test_a_damaged_bundle_is_refused(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "bundle")
    with (folder / "BUNDLE").open("a") as file:
        file.write("made=later\n")
    said = install(folder, tmp_path / "root", "--python", sys.executable)
    assert said.returncode == 1
    assert "is damaged" in said.stderr
    assert "copy it again" in said.stderr
    assert list((tmp_path / "root").iterdir()) == []


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    said = install(tmp_path, tmp_path / "root")
    assert said.returncode == 2
    assert "bundle.sh" in said.stderr


def test_without_an_installation_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    said = called("sh", DEPLOY / "rollback.sh", "--root", tmp_path)
    assert said.returncode == 2
    assert "nothing is installed" in said.stderr


@pytest.mark.parametrize("name", ["roma-01", "milano-01", "centre-01"])
def test_an_example_passes_check(name: str) -> None:
    secrets = ("INFLUX_TOKEN", "STAMP_KEY", "STAMP_KEY_ROMA", "STAMP_KEY_MILANO")
    said = called(
        sys.executable, "-P", "-m", "pasprobe", "check", "--json",
        "--config", DEPLOY / "example" / f"{name}.toml",
        **{f"PASPROBE_{secret}": "0123456789abcdef" * 2 for secret in secrets},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert said.stdout.count('"path"') == (0 if name == "centre-01" else 2)
