"""A contract with its facts, archived."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from contract_cases import pas_table, path_table, service_row
from typer.testing import CliRunner, Result

from analysis.archive import layout
from analysis.archive.container import manifest_of
from analysis.evaluation.asked import Asked, gathered
from analysis.evaluation.inputs import Inputs
from pasprobe import app

START = "2010-01-01"
CONFIGURATION = (
    """
[agent]
name = "roma-01"
data_dir = "data"

[influxdb]
url = "http://127.0.0.1:8086"
bucket = "pasprobe"
token = { env = "VARIABLE_OF_THE_TOKEN" }

[mail]
host = "mail.example"
from = "desk@example"
user = "mail-user"
password = { env = "VARIABLE_OF_THE_MAIL" }

[contract]
administration = 'Ministero "Esempio" & C.'
country = "IT"
timezone = "Europe/Rome"
services = [
    { id = "email", fee = "9000.00", start = "2010-01-01", units = 100 },
    { id = "reporting", start = "2010-01-01" },
]
[contract.readings]
D1 = "sent"
"""
    + pas_table(
        "roma-01",
        "high",
        service_row("ip-base", "L3", "extended", START, fee="12000.00"),
        reflector="198.51.100.7:862",
    )
    + pas_table(
        "tokyo-01",
        "medium",
        service_row("ip-base", "L2", "normal", START, fee="7000.50"),
        country="JP",
        timezone="Asia/Tokyo",
    )
    + path_table("roma-01", "ip-base", target="192.0.2.1")
    + path_table("tokyo-01", "ip-base", target="192.0.2.2", method="stamp")
    + 'auth_key = { env = "VARIABLE_OF_THE_KEY" }\n'
)
# T1 runs over the night in which the clocks go forward, T2 over Easter Monday.
TICKETS = """\
id,service,pas,severity,opened_at,reported_at,responded_at,restored_at,closed_at,affected,cause

T1,ip-base,roma-01,blocking,2011-03-26T19:30,2011-03-26T20:00,,2011-03-27T08:30,2011-03-27T08:30,1,x
T2,ip-base,roma-01,non-blocking,2011-04-21T09:00,2011-04-21T10:00,,,2011-04-27T10:00,1,"cut, mended"
T3,ip-base,tokyo-01,blocking,2011-02-10T09:00,2011-02-10T09:10,,2011-02-10T12:00,2011-02-10T12:00,1,z
T4,email,,blocking,2011-04-01T10:00,2011-04-01T10:00,,2011-04-01T12:00,2011-04-01T12:00,9,mail
"""
TRAFFIC = """\
service,pas,peer,start,end,sent,received,within_limit,jitter_ms
ip-base,roma-01,,2011-02-03T10:00,2011-02-03T11:00,1000,980,950,
ip-base,tokyo-01,,2011-02-03T10:00,2011-02-03T11:00,1000,1000,1000,
"""
DELIVERIES = "report,period,delivered_at\ncontractual,2010-3,2011-01-25T10:00\n"
ITEM = "mailbox,size\ninfo,12\n"


def set_up(folder: Path) -> None:
    facts = folder / "facts"
    (facts / "items").mkdir(parents=True)
    (folder / "pasprobe.toml").write_text(CONFIGURATION)
    (facts / "tickets.csv").write_text(TICKETS)
    (facts / "traffic.csv").write_text(TRAFFIC)
    (facts / "deliveries.csv").write_text(DELIVERIES)
    (facts / "items" / "email.mailbox-statistics.csv").write_text(ITEM)
    (facts / "notes.md").write_text("not a fact")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    set_up(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PASPROBE_CONFIG", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One archive as a folder; copy it before it is changed."""
    folder = tmp_path_factory.mktemp("made")
    set_up(folder)
    archive(
        "--period", "2011-1", "--config", str(folder / "pasprobe.toml"), "-o", str(folder / "a")
    )
    return folder / "a"


@pytest.fixture
def copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the archive, `a` in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "a")
    return tmp_path


def sla(*words: str) -> Result:
    return CliRunner().invoke(app, ["sla", *words])


def archive(*words: str) -> dict[str, Any]:
    result = sla("archive", "--json", "--as-of", "2011-06-01", "--lang", "en", *words)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def gather(period: str = "2011-1") -> Inputs:
    def no_server(_: object) -> Any:
        raise AssertionError("no server is asked")

    return gathered(Asked(period, as_of="2011-06-01"), {}, no_server, each_day=True)


def names(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def sign_again(folder: Path) -> None:
    """What somebody does who changes a file and knows of the manifest."""
    files: dict[str, Any] = {
        name: folder / name for name in names(folder) if name != layout.MANIFEST
    }
    (folder / layout.MANIFEST).write_bytes(manifest_of(files))
