"""What `--accept` asks: pings, trains of a path, tunnels by SNMP; and what it does to a restore."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from managed_devices import LOGIN, SECRETS, saved_device

from analysis.catalogue_rows import load_catalogue
from incidents.errors import RefusedError
from incidents.restore_checks import checks
from inventory.errors import SecretError
from inventory.load import load

ROOT = Path(__file__).parents[1]
ENVIRON = {**SECRETS, "COMMUNITY": "public"}
SWITCH = """\
hostname sw
enable secret enable-pw
username admin privilege 15 secret admin-pw
interface Vlan10
 ip address 10.0.0.1 255.255.255.0
line vty 0 4
 transport input ssh
 login local
"""
ROUTE = "ip route 10.8.0.0 255.255.0.0 10.0.0.2"
NOBODY = "0.0.0.1"
"""An address of no host, which the kernel sends nothing to."""
CONFIG = """
[device_configs]
folder = "kept"
[[pas]]
id = "roma-01"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{{ id = "ip-base", level = "L3", window = "normal" }}]
[[path]]
id = "near"
pas = "roma-01"
service = "ip-base"
target = "127.0.0.1"
train = {{ packets = 5, spacing = "100ms", timeout = "500ms", every = "1m" }}
[[path]]
id = "far"
pas = "roma-01"
service = "ip-base"
target = "127.0.0.1"
method = "stamp"
port = 9
train = {{ packets = 5, spacing = "10ms", timeout = "200ms", every = "1m" }}
[[device]]
id = "sw-1"
host = "{host}"
port = {port}
role = "switch"
platform = "cisco_ios"
{more}
"""
SNMP = (
    'snmp = {{ version = "2c", community = {{ env = "COMMUNITY" }}, timeout = "2s", '
    "retries = 0, port = {port} }}"
)


def _asked(folder: Path, *words: str, more: str = "", environ: dict[str, str] = ENVIRON) -> Any:
    file = folder / "pasprobe.toml"
    file.write_text(CONFIG.format(host="127.0.0.1", port=22, more=more) + LOGIN)
    loaded = load(file, environ=environ, resolve_secrets=False)
    (device,) = loaded.configuration.devices
    return checks(loaded, device, words, load_catalogue(), environ)


def test_a_host_that_answers_and_a_path_that_keeps_its_limits_are_accepted(tmp_path: Path) -> None:
    assert _asked(tmp_path, "ping:127.0.0.1", "probe:near")() == []


def test_each_check_that_is_not_so_says_why(tmp_path: Path) -> None:
    said = _asked(tmp_path, f"ping:{NOBODY}", "probe:near", "probe:far")()
    assert said == [
        f"ping:{NOBODY}: 0 of 5 packets came back",
        "probe:far: 0 of 5 packets came back, over the limit: loss",
    ]


def test_tunnels_are_asked_by_snmp(tmp_path: Path, agents: Any, agent: Any) -> None:
    fake = agent(agents.firewall_with_tunnel("203.0.113.1"))
    more = SNMP.format(port=fake.port) + '\npeers = ["203.0.113.1", "203.0.113.2"]'
    assert _asked(tmp_path, "tunnel:203.0.113.1", more=more)() == []
    assert _asked(tmp_path, "tunnel", more=more)() == [
        "tunnel: sw-1 has no IKE tunnel with 203.0.113.2"
    ]


@pytest.mark.parametrize(
    ("word", "more", "says"),
    [
        ("fax:127.0.0.1", "", "write ping:HOST, probe:PATH"),
        ("ping:", "", "write ping:HOST, probe:PATH"),
        ("tunnel:", "", "write ping:HOST, probe:PATH"),
        ("probe:nera", "", "near"),
        ("tunnel", "", "not asked by SNMP"),
        ("tunnel", SNMP.format(port=161), "has no peers"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_typed(
    tmp_path: Path, word: str, more: str, says: str
) -> None:
    with pytest.raises(RefusedError, match=says):
        _asked(tmp_path, word, more=more)


def test_a_missing_community_is_told_before_anything_is_typed(tmp_path: Path) -> None:
    with pytest.raises(SecretError):
        _asked(tmp_path, "tunnel:203.0.113.1", more=SNMP.format(port=161), environ={"PW": "x"})


@pytest.fixture
def desk(devices: Any, tmp_path: Path) -> Iterator[Any]:
    """`desk.restore(words)` as somebody types it, and the switch behind it."""
    device = saved_device(devices, "ios", SWITCH, "Vlan10")
    (tmp_path / "target.cfg").write_text(device.running().replace("line vty", f"{ROUTE}\nline vty"))

    class Desk:
        switch = device

        @staticmethod
        def config(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-P", "-m", "pasprobe", "config", *words, "--json",
                 "--config", str(tmp_path / "pasprobe.toml")],
                cwd=ROOT,
                env={"PATH": "/usr/bin:/bin", **ENVIRON},
                capture_output=True,
                text=True,
                check=False,
            )  # fmt: skip

        def restore(self, *words: str) -> subprocess.CompletedProcess[str]:
            return self.config("restore", "sw-1", "--yes", *words)

    with device.serve() as box:
        text = CONFIG.format(host=box.host, port=box.ssh_port, more="") + LOGIN
        (tmp_path / "pasprobe.toml").write_text(text)
        desk = Desk()
        assert desk.config("trust", "sw-1", "--yes").returncode == 0
        yield desk


def test_a_restore_is_saved_when_it_is_accepted_and_taken_back_when_not(
    desk: Any, tmp_path: Path
) -> None:
    to = ("--to", str(tmp_path / "target.cfg"))
    before, saved = desk.switch.running(), desk.switch.startup
    done = desk.restore(*to, "--accept", f"ping:{NOBODY}", "--accept-within", "0")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert (said["state"], said["saved"]) == ("pre-image", False)
    assert f"not accepted: ping:{NOBODY}" in said["reason"]
    assert '"not accepted"' in Path(said["protocol"]).read_text()
    assert desk.switch.same_as(before)
    assert desk.switch.startup == saved
    done = desk.restore(*to, "--accept", "ping:127.0.0.1", "--accept", "probe:near")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ROUTE in desk.switch.startup
    done = desk.restore(*to, "--accept", f"ping:{NOBODY}", "--accept-within", "0")
    assert done.returncode == 1
    assert json.loads(done.stdout)["protocol"] is None


def test_options_that_contradict_each_other_type_nothing(desk: Any, tmp_path: Path) -> None:
    before = desk.switch.checksum()
    for words in (
        ("--accept", "fax:127.0.0.1"),
        ("--accept", "probe:nowhere"),
        ("--accept", "tunnel"),
        ("--resume", "--undo"),
        ("--resume", "--dry-run"),
        ("--undo", "--accept", "ping:127.0.0.1"),
    ):
        done = desk.restore(*words)
        assert done.returncode == 2, (words, done.stdout)
        assert "Traceback" not in done.stderr
        assert " — " in done.stderr, words
    assert desk.switch.checksum() == before
    assert not (tmp_path / "kept" / "restores").exists()
