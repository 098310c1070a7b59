"""`pasprobe init` and `pasprobe check`, with the real catalogue behind them."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from analysis.catalogue_rows import load_catalogue
from inventory.commands import register
from inventory.load import load
from inventory.template import commented_configuration

PAIR = """\
[[pas]]
id = "roma"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [ { id = "voip", level = "L3", window = "normal" } ]
[[pas]]
id = "bari"
country = "IT"
timezone = "Europe/Rome"
profile = "base"
services = [ { id = "voip", level = "L1", window = "extended" } ]
reflector = "[2001:db8::9]:4000"
[[path]]
id = "roma/voip/bari"
pas = "roma"
service = "voip"
peer = "bari"
method = "stamp"
train = { packets = 50, spacing = "20ms", every = "30s", size = 172, dscp = "ef", timeout = "2s" }
[[path]]
id = "bari/voip/border"
pas = "bari"
service = "voip"
target = "192.0.2.1"
"""


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    register(app, load_catalogue, lambda _: [])
    return app


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PASPROBE_CONFIG", raising=False)
    return tmp_path


def test_what_init_writes_passes_check_at_once(app: typer.Typer, here: Path) -> None:
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    file = here / "pasprobe.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(here.iterdir()) == [file]
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 0, result.output
    for said in ("here/ip-base", "127.0.0.1", "icmp", "300 ms", "0.167", "0.112"):
        assert said in result.output


def test_every_setting_out_of_use_in_the_written_file_is_valid(tmp_path: Path) -> None:
    text = commented_configuration("a host.example")
    used = re.sub(r"(?m)^#(?=[^ #\n])", "", text)
    assert used.count("\n[") > text.count("\n[") + 12
    variables = set(re.findall(r'env = "(PASPROBE_\w+)"', used))
    (tmp_path / "all.toml").write_text(used)
    loaded = load(tmp_path / "all.toml", environ=dict.fromkeys(variables, "xxxxxxxx")).configuration
    assert loaded.agent is not None
    assert loaded.agent.name == "a-host.example"
    for name in type(loaded).model_fields:
        assert getattr(loaded, name), f"{name} is not shown in the commented file"


def test_init_does_not_overwrite_unless_it_is_forced(app: typer.Typer, here: Path) -> None:
    file = here / "mine.toml"
    file.write_text("precious")
    result = CliRunner().invoke(app, ["init", "mine.toml"])
    assert result.exit_code == 2
    assert "mine.toml: there is such a file already — say --force" in result.stderr
    assert file.read_text() == "precious"
    result = CliRunner().invoke(app, ["init", "mine.toml", "--force", "--json"])
    assert json.loads(result.stdout) == {"file": "mine.toml"}
    assert "[[path]]" in file.read_text()


def test_init_says_where_it_cannot_write(app: typer.Typer, here: Path) -> None:
    result = CliRunner().invoke(app, ["init", "gone/pasprobe.toml"])
    assert result.exit_code == 2
    assert result.stderr.startswith("gone/pasprobe.toml: cannot be written (")
    assert list(here.iterdir()) == []


def test_check_lists_each_path_with_its_limits_and_its_cost(app: typer.Typer, here: Path) -> None:
    (here / "c.toml").write_text(PAIR)
    result = CliRunner().invoke(app, ["check", "--config", "c.toml", "--json"])
    assert result.exit_code == 0, result.output
    pair, border = json.loads(result.stdout)
    assert (pair["target"], pair["port"], pair["method"]) == ("2001:db8::9", 4000, "stamp")
    assert pair["train"] == {
        "packets": 50,
        "size": 172,
        "dscp": 46,
        "spacing_ns": 20_000_000,
        "every_ns": 30_000_000_000,
        "timeout_ns": 2_000_000_000,
    }
    assert pair["limits"]["delay_ms"] == "250"
    assert pair["limits"]["delay_kind"] == "one-way"
    assert pair["limits"]["delay_share_percent"] == "99"
    assert pair["limits"]["jitter_ms"] == "40"
    assert pair["limits"]["loss_percent"] == "1"
    assert pair["packets_per_second"] == pytest.approx(50 / 30, abs=1e-6)
    assert pair["kbit_per_second"] == pytest.approx(50 / 30 * (172 + 8 + 40) * 8 / 1000, abs=1e-6)
    assert (border["port"], border["limits"]["delay_ms"]) == (None, None)
    assert any("no peer" in note for note in border["notes"])
    table = CliRunner().invoke(app, ["check", "--config", "c.toml"]).output
    total = 50 / 30 + 10 / 60
    for said in ("[2001:db8::9]:4000", "250 ms", "no peer", f"{total:.3f}", "DSCP 46"):
        assert said in table


DEVICES = """
[[device]]
id = "fw"
host = "2001:db8::7"
role = "firewall"
platform = "cisco_asa"
peers = ["192.0.2.9"]
access_interface = "outside"
snmp = { version = "3", user = "u", auth = { env = "A" }, priv = { env = "P" }, every = "5m" }
[[device]]
id = "sw"
host = "sw.example"
role = "switch"
platform = "cisco_ios"
snmp = { version = "2c", community = { env = "A" }, every = "1s", port = 1161 }
[[device]]
id = "mute"
host = "192.0.2.1"
role = "switch"
platform = "cisco_ios"
"""


def test_check_lists_the_devices_that_would_be_polled_and_shows_no_secret(
    app: typer.Typer, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A", "hidden-one")
    monkeypatch.setenv("P", "hidden-two")
    (here / "c.toml").write_text(PAIR + DEVICES)
    result = CliRunner().invoke(app, ["check", "--config", "c.toml", "--json"])
    assert result.exit_code == 0, result.output
    firewall, switch, mute = json.loads(result.stdout)[2:]
    assert (firewall["device"], firewall["here"], firewall["peers"]) == ("fw", True, ["192.0.2.9"])
    assert firewall["snmp"]["every_ns"] == 300 * 10**9
    assert any("access interface" in note for note in firewall["notes"])
    # Two attempts of 2 s each, once a second.
    assert any("lasts longer" in note for note in switch["notes"])
    assert (mute["here"], mute["snmp"]) == (False, None)
    table = CliRunner().invoke(app, ["check", "--config", "c.toml"]).output
    for said in ("[2001:db8::7]:161", "v3, u, sha+aes", "sw.example:1161", "v2c, community"):
        assert said in table
    assert "hidden" not in table + result.stdout


def test_check_lists_the_applications_and_who_checks_them(app: typer.Typer, here: Path) -> None:
    client = """\
[[client]]
name = "shops"
applications = [
  { name = "border", host = "192.0.2.1", check = "icmp" },
  { name = "tills", host = "192.0.2.80", check = "tcp:443", pas = "roma", every = "30s" },
  { name = "stock", host = "192.0.2.81", check = "tcp:443" },
]
"""
    agent = '[agent]\nname = "bari"\ndata_dir = "data"\npas = ["bari"]\n'
    (here / "pasprobe.toml").write_text(agent + PAIR + client)
    rows = json.loads(CliRunner().invoke(app, ["check", "--json"]).stdout)
    found = {row["application"]: row for row in rows if "application" in row}
    assert {name: row["path"] for name, row in found.items()} == {
        "border": "bari/voip/border",
        "tills": "check/shops/tills",
        "stock": "check/shops/stock",
    }
    assert [row["here"] for row in found.values()] == [True, False, False]
    assert (found["border"]["every_ns"], found["tills"]["every_ns"]) == (None, 30 * 10**9)
    shown = CliRunner().invoke(app, ["check"]).stdout
    assert "tills (not checked here)" in shown
    assert "192.0.2.81 tcp:443" in shown


def test_check_says_on_stderr_all_that_is_wrong_and_ends_with_2(
    app: typer.Typer, here: Path
) -> None:
    (here / "c.toml").write_text(PAIR.replace('"base"', '"bas"').replace("20ms", "20"))
    result = CliRunner().invoke(app, ["check", "--config", "c.toml", "--json"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [
        "c.toml:11",
        "c.toml:20",
    ]


def test_the_commands_import_nothing_heavy_until_they_are_called() -> None:
    code = (
        "import sys, inventory.commands;"
        "print([m for m in ('pydantic', 'rich.table', 'inventory.models') if m in sys.modules])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
