"""Backups of many devices: whole, side by side, by a user who may only read; and the commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import pasprobe
from device_configs.backup import Job, back_up, due
from device_configs.completeness import require_whole
from device_configs.errors import IncompleteConfiguration
from device_configs.history import History, Seen
from device_configs.known_hosts import KnownHosts, offered_key
from device_configs.platforms import PLATFORMS
from device_configs.wire import Patience
from inventory.operations import Device, Login
from inventory.secrets import Secret

USER, PASSWORD, ENABLE = "operator", "pw-Zq7-login", "pw-Zq7-enable"
SHARED = "Zq7-tunnel-key"
ENVIRON = {"PASSWORD": PASSWORD, "ENABLE": ENABLE}
ASA = f"""hostname {{name}}
enable password {ENABLE}
username {USER} password {PASSWORD} privilege 15
interface GigabitEthernet0/0
 nameif inside
 security-level 100
 ip address 10.0.0.1 255.255.255.0
access-list OUT extended permit tcp any host 10.1.0.1 eq www
access-list OUT extended deny ip any any
tunnel-group 203.0.113.1 type ipsec-l2l
tunnel-group 203.0.113.1 ipsec-attributes
 pre-shared-key {SHARED}
aaa authentication ssh console LOCAL
ssh 0.0.0.0 0.0.0.0 inside
"""
CONTEXT = """hostname {name}
interface GigabitEthernet0/{number}
 nameif inside
 security-level 100
 ip address 10.0.{number}.1 255.255.255.0
"""


class Fleet:
    """Emulated devices, their entries of a configuration file, and the folder of backups."""

    def __init__(self, devices: Any, folder: Path, stack: ExitStack) -> None:
        self.devices, self.folder, self.stack = devices, folder, stack
        self.hosts = KnownHosts(folder / "kept" / "known_hosts")
        self.history = History(folder / "kept")
        self.entries: list[Device] = []

    def add(self, name: str, platform: str = "asa", text: str = "", **options: Any) -> Any:
        """One more device."""
        device = self.devices.Device(
            platform, text or ASA.format(name=name), user=USER, password=PASSWORD, **options
        )
        box = self.stack.enter_context(device.serve())
        login = Login(
            user=USER,
            password=Secret(env="PASSWORD"),
            enable=None if options.get("read_only") else Secret(env="ENABLE"),
        )
        self.entries.append(
            Device(
                id=name,
                host=box.host,
                port=box.ssh_port,
                role="firewall",
                platform="cisco_asa" if platform == "asa" else "cisco_ios",
                login=login,
            )
        )
        return device

    def trust(self) -> None:
        """All keys, as they are."""
        for entry in self.entries:
            port = entry.port or 22
            self.hosts.trust(entry.host, port, offered_key(entry.id, entry.host, port, 5.0))

    def job(self, **options: Any) -> Job:
        """A run that does not wait long."""
        patience = Patience(connect_s=10.0, silence_s=5.0, total_s=60.0)
        return Job(self.history, self.hosts, ENVIRON, "test", patience=patience, **options)

    def write(self) -> Path:
        """The configuration file of these devices."""
        lines = [
            '[device_configs]\nfolder = "kept"\nevery = "24h"\n',
            *(
                f'[[device]]\nid = "{one.id}"\nhost = "{one.host}"\nport = {one.port}\n'
                f'role = "firewall"\nplatform = "{one.platform}"\n'
                f'login = {{ user = "{USER}", password = {{ env = "PASSWORD" }}, '
                'enable = { env = "ENABLE" } }\n'
                for one in self.entries
            ),
        ]
        file = self.folder / "pasprobe.toml"
        file.write_text("\n".join(lines))
        return file


@pytest.fixture
def fleet(devices: Any, tmp_path: Path) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(devices, tmp_path, stack)


def test_a_backup_is_whole_with_its_keys_and_changes_nothing(fleet: Fleet) -> None:
    device = fleet.add("fw-1")
    fleet.trust()
    before = device.checksum()
    (outcome,) = back_up(fleet.entries, fleet.job())
    assert (outcome.state, outcome.error) == ("changed", None)
    text = fleet.history.get("fw-1")
    assert f"pre-shared-key {SHARED}" in text
    assert not device.difference(text)
    assert device.checksum() == before
    assert device.configured() == []
    (version,) = fleet.history.versions("fw-1")
    assert (version.meta.hostname, version.meta.serial) == ("fw-1", device.serial)
    assert set(version.parts) == {"running", "startup", "version"}


def test_what_did_not_change_is_no_new_version(fleet: Fleet) -> None:
    device = fleet.add("fw-1")
    fleet.trust()
    states = [back_up(fleet.entries, fleet.job())[0].state for _ in range(2)]
    device.type("access-list OUT line 1 extended permit icmp any any")
    (third,) = back_up(fleet.entries, fleet.job())
    assert [*states, third.state] == ["changed", "unchanged", "changed"]
    assert len(fleet.history.versions("fw-1")) == 2
    assert any("not saved" in note for note in third.notes)


def test_a_user_who_may_only_read_is_enough(fleet: Fleet) -> None:
    fleet.add("fw-1", read_only=(USER,))
    fleet.trust()
    (outcome,) = back_up(fleet.entries, fleet.job())
    assert outcome.error is None
    assert SHARED in fleet.history.get("fw-1")


def test_every_context_is_kept_and_the_session_changes_none(fleet: Fleet) -> None:
    contexts = {
        name: CONTEXT.format(name=name, number=number)
        for number, name in enumerate(("admin", "customer-a"), 1)
    }
    contexts["admin"] += (
        f"enable password {ENABLE}\nusername {USER} password {PASSWORD} privilege 15\n"
        "aaa authentication ssh console LOCAL\nssh 0.0.0.0 0.0.0.0 inside\n"
    )
    fleet.add("fw-1", text="hostname fw-1\n", contexts=contexts)
    fleet.trust()
    (outcome,) = back_up(fleet.entries, fleet.job())
    assert outcome.error is None
    (version,) = fleet.history.versions("fw-1")
    assert {"context/admin/running", "context/customer-a/running"} <= set(version.parts)
    assert "10.0.2.1" in fleet.history.get("fw-1", part="context/customer-a/running")
    assert "10.0.2.1" not in fleet.history.get("fw-1")


@pytest.mark.parametrize("fault", ["drop", "hang", "refuse"])
def test_a_device_that_fails_keeps_its_last_backup_and_harms_no_other(
    fleet: Fleet, fault: str
) -> None:
    ill, _ = fleet.add("fw-1"), fleet.add("fw-2")
    fleet.trust()
    back_up(fleet.entries, fleet.job())
    before = fleet.history.get("fw-1")
    for _ in range(3):
        ill.faults.append(fleet.devices.Fault(fault, on="running-config"))
    bad, good = back_up(fleet.entries, fleet.job())
    assert (bad.state, good.state) == ("failed", "unchanged")
    assert fleet.history.get("fw-1") == before
    seen = fleet.history.seen("fw-1")
    assert seen is not None
    assert seen.error == bad.error


def test_a_truncated_or_foreign_or_shrunken_configuration_is_not_kept(fleet: Fleet) -> None:
    device = fleet.add("fw-1")
    fleet.trust()
    back_up(fleet.entries, fleet.job())
    text = fleet.history.get("fw-1")
    asa = PLATFORMS["cisco_asa"]
    require_whole("fw-1", asa, text, "fw-1", text)
    for length in range(0, len(text) - len(": end\n"), 7):
        with pytest.raises(IncompleteConfiguration):
            require_whole("fw-1", asa, text[:length], "fw-1")
    with pytest.raises(IncompleteConfiguration, match="it is of 'fw-1', and the prompt says"):
        require_whole("fw-1", asa, text, "another")
    with pytest.raises(IncompleteConfiguration, match="'ERROR: % Invalid input"):
        require_whole("fw-1", asa, f"ERROR: % Invalid input\n{text}", "fw-1")
    with pytest.raises(IncompleteConfiguration, match="--smaller"):
        require_whole("fw-1", asa, text, "fw-1", text * 3)
    assert device.configured() == []


def test_fifty_devices_are_backed_up_side_by_side(fleet: Fleet) -> None:
    for number in range(50):
        # One after the other, the answers alone would take two minutes.
        fleet.add(f"fw-{number:02}", answer_s=0.25)
    fleet.trust()
    done: list[str] = []
    outcomes = back_up(fleet.entries, fleet.job(), lambda outcome: done.append(outcome.device))
    assert [outcome.error for outcome in outcomes] == [None] * 50
    assert [outcome.device for outcome in outcomes] == [entry.id for entry in fleet.entries]
    assert sorted(done) == list(fleet.history.devices())
    for entry in fleet.entries:
        assert f"hostname {entry.id}\n" in fleet.history.get(entry.id)


def test_a_schedule_wants_what_was_not_tried_and_failures_sooner(fleet: Fleet) -> None:
    fleet.entries = [
        Device(id=name, host="192.0.2.1", role="switch", platform="cisco_ios")
        for name in ("new", "good", "bad", "future")
    ]
    hour = 3600 * 10**9
    now = 1000 * hour
    fleet.history.note("good", Seen(now - hour, None))
    fleet.history.note("bad", Seen(now - hour, "unreachable"))
    fleet.history.note("future", Seen(now + hour, None))

    def wanted(at: int) -> list[str]:
        return [device.id for device in due(fleet.entries, fleet.history, 24 * hour, at)]

    assert wanted(now) == ["new", "bad", "future"]
    assert wanted(now + 22 * hour) == ["new", "bad"]
    assert wanted(now + 23 * hour) == ["new", "good", "bad"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line in this process; `run(...)` gives exit code and output."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)

    def call(*words: str, typed: str | None = None) -> Any:
        return CliRunner().invoke(pasprobe.app, ["config", *words], input=typed)

    return call


def test_trust_backup_list_show_diff_and_search(fleet: Fleet, run: Callable[..., Any]) -> None:
    device = fleet.add("fw-1")
    config = ("--config", str(fleet.write()))
    untrusted = run("backup", *config, "--json")
    assert untrusted.exit_code == 1
    assert "pasprobe config trust fw-1" in json.loads(untrusted.stdout)[0]["error"]

    assert run("trust", "fw-1", *config, typed="n\n").exit_code == 1
    trusted = run("trust", "fw-1", *config, "--json", typed="y\n")
    assert trusted.exit_code == 0
    assert run("trust", "fw-1", *config).stdout.endswith("trusted already\n")

    assert run("list", *config).exit_code == 1
    backed = run("backup", "fw-1", *config)
    assert backed.exit_code == 0, backed.output
    assert "fw-1: changed" in backed.stderr
    assert run("list", *config).exit_code == 0

    shown = run("show", "fw-1", *config)
    assert "pre-shared-key <secret>" in shown.stdout
    assert "Zq7" not in shown.stdout
    assert SHARED in run("show", "fw-1", *config, "--secrets").stdout

    same = run("diff", "fw-1", *config)
    assert same.exit_code == 0
    device.type("no access-list OUT extended deny ip any any")
    assert run("backup", *config).exit_code == 0
    differs = run("diff", "fw-1", *config, "--json")
    assert differs.exit_code == 1
    (section,) = json.loads(differs.stdout)["sections"]
    assert section["removed"] == ["access-list OUT extended deny ip any any"]

    assert json.loads(run("backup", "--due", *config, "--json").stdout) == []
    found = run("search", "--literal", "deny ip any any", *config, "--json")
    assert json.loads(found.stdout)[0]["until"] is not None
    assert run("search", "nowhere-at-all", *config).exit_code == 1
    assert len(json.loads(run("list", "fw-1", *config, "--json").stdout)) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "fw-9"), "neither a [[device]] nor any backup has this id"),
        (("show", "fw-1"), "run `pasprobe config backup fw-1`"),
        (("show", "fw-1", "--at", "yesterday"), "write ISO 8601"),
        (("backup", "fw-9"), "no such [[device]]"),
        (("backup", "--group", "none"), "no such device in group 'none'"),
        (("search", "("), "no regular expression"),
        (("trust", "fw-1"), "shows no host key"),
    ],
)
def test_a_wrong_call_is_one_line_with_its_remedy_and_exit_2(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "pasprobe.toml"
    file.write_text(
        '[device_configs]\nfolder = "kept"\n[[device]]\nid = "fw-1"\nhost = "127.0.0.1"\nport = 1\n'
        'role = "firewall"\nplatform = "cisco_asa"\n'
        'login = { user = "u", password = { env = "PASSWORD" } }\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "pasprobe", "config", *words, "--config", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={"PASSWORD": "x", "PATH": "/usr/bin:/bin"},
        cwd=Path(pasprobe.__file__).parent,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
