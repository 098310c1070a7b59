"""`pasprobe config ...` as it is typed, against the emulator: exit codes, --json, wrong input."""

from __future__ import annotations

import csv
import fcntl
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from managed_devices import ASA, SECRETS, configuration_file, saved_device

ROOT = Path(__file__).parents[1]
KEY = """\
ssh version 2
tunnel-group 203.0.113.9 type ipsec-l2l
tunnel-group 203.0.113.9 ipsec-attributes
 pre-shared-key the-tunnel-key
"""
TUNNEL = ASA.replace("username admin", f"{KEY}username admin")
EXTRA = "access-list OUT extended permit tcp any host 10.0.0.6 eq https\n"


class Desk:
    """A folder with a configuration file, and somebody who types there."""

    def __init__(self, folder: Path, device: Any) -> None:
        self.folder, self.device = folder, device

    environ: ClassVar = {"PATH": "/usr/bin:/bin", **SECRETS}

    def line(self, *words: str) -> list[str]:
        file = str(self.folder / "pasprobe.toml")
        return [sys.executable, "-P", "-m", "pasprobe", "config", *words, "--config", file]

    def config(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.line(*words),
            cwd=ROOT,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, code: int, *words: str) -> Any:
        done = self.config(*words, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        assert "the-tunnel-key" not in done.stdout
        return json.loads(done.stdout)

    def refused(self, *words: str, says: str, **environ: str) -> None:
        """Exit 2, one message, no traceback, and an untouched device."""
        before = self.device.checksum()
        done = self.config(*words, **environ)
        assert done.returncode == 2, done.stdout + done.stderr
        assert says in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        assert self.device.checksum() == before


@pytest.fixture
def desk(devices: Any, tmp_path: Path) -> Iterator[Desk]:
    with _desk(devices, tmp_path) as made:
        yield made


@contextmanager
def _desk(devices: Any, folder: Path) -> Iterator[Desk]:
    device = saved_device(devices, "asa", TUNNEL)
    (folder / "templates").mkdir()
    (folder / "templates" / "fw.j2").write_text(device.running())
    more = 'template = "fw.j2"\ngroup = "core"\naccess_interface = "inside"\n'
    with device.serve() as box:
        configuration_file(folder, box, "fw-1", "cisco_asa", more=more)
        desk = Desk(folder, device)
        assert desk.config("trust", "fw-1", "--yes").returncode == 0
        yield desk


def test_drift_says_which_devices_differ_and_which_cannot_be_compared(desk: Desk) -> None:
    unknown = desk.json(1, "drift")
    assert [(one["device"], one["state"]) for one in unknown] == [("fw-1", "unknown")]
    assert desk.config("drift").stdout.startswith("fw-1: unknown\n  ")
    same = desk.json(0, "drift", "--live")
    assert [(one["state"], one["commands"]) for one in same] == [("as the template", 0)]
    desk.device.type("route outside 10.9.0.0 255.255.0.0 198.51.100.2")
    shown = desk.config("drift", "fw-1", "--live")
    assert shown.returncode == 1
    assert "- route outside 10.9.0.0" in shown.stdout
    # What the device shows by itself is not what somebody changed.
    assert "pager" not in shown.stdout
    desk.refused("drift", "fw-2", says="no such [[device]]")
    assert [one["state"] for one in desk.json(1, "drift", "--group", "core", "--live")] == [
        "drifted"
    ]
    desk.refused("drift", "--group", "edge", says="no such device in group 'edge'")


def test_plan_and_restore_print_the_same_plan_and_only_restore_carries_it_out(desk: Desk) -> None:
    target = desk.folder / "target.cfg"
    deny = "access-list OUT extended deny"
    target.write_text(desk.device.running().replace(deny, EXTRA + deny))
    before = desk.device.checksum()
    planned = desk.json(1, "plan", "fw-1", "--to", str(target))
    assert desk.json(1, "restore", "fw-1", "--to", str(target), "--dry-run") == planned
    commands = [command for group in planned["groups"] for command in group["commands"]]
    assert commands == [
        "access-list OUT line 2 extended permit tcp any host 10.0.0.6 eq https"
    ] or any("10.0.0.6" in command for command in commands)
    # Nobody is there who could say yes.
    assert desk.config("restore", "fw-1", "--to", str(target)).returncode == 1
    assert desk.device.checksum() == before
    done = desk.json(0, "restore", "fw-1", "--to", str(target), "--yes", "--ticket", "INC-7")
    assert (done["state"], done["saved"], done["reason"]) == ("target", True, "")
    assert '"INC-7"' in Path(done["protocol"]).read_text()
    assert desk.device.same_as(target.read_text())
    assert desk.json(0, "plan", "fw-1", "--to", str(target))["groups"] == []
    # What it has now is the latest backup.
    assert desk.json(0, "plan", "fw-1")["groups"] == []


def test_a_restore_that_is_refused_on_the_way_ends_with_one(desk: Desk, devices: Any) -> None:
    target = desk.folder / "target.cfg"
    target.write_text(desk.device.running() + EXTRA)
    before = desk.device.running()
    desk.device.faults.append(devices.Fault("refuse", at=1))
    done = desk.json(1, "restore", "fw-1", "--to", str(target), "--yes")
    assert (done["state"], done["saved"]) == ("pre-image", False)
    assert desk.device.same_as(before)


def test_what_cannot_be_restored_is_said_before_anything_is_typed(desk: Desk) -> None:
    (desk.folder / "masked.cfg").write_text(TUNNEL.replace("the-tunnel-key", "*****").replace(
        "203.0.113.9", "203.0.113.8"))  # fmt: skip
    (desk.folder / "other.cfg").write_text(TUNNEL.replace("hostname fw-1", "hostname fw-2"))
    (desk.folder / "closed.cfg").write_text(TUNNEL.replace("ssh 10.0.0.0", "telnet 10.0.0.0"))
    (desk.folder / "image.cfg").write_bytes(b"\x7fELF\0")
    for command in (("plan", "fw-1"), ("restore", "fw-1", "--yes")):
        for file, says in (
            ("image.cfg", "is no text"),
            ("masked.cfg", "masked"),
            ("other.cfg", "another device"),
            ("closed.cfg", "locked out"),
            ("none.cfg", "say template, backup, backup@TIME or a file"),
        ):
            desk.refused(*command, "--to", str(desk.folder / file), says=says)
        desk.refused(*command, "--to", "backup", says="fw-1")
        desk.refused(*command, "--to", "template", says="fw-1", EN="wrong")
    desk.refused("restore", "fw-1", "--resume", "--yes", says="no restore of it is unfinished")
    desk.refused("restore", "fw-1", "--timer", "500", says="Invalid value")


def test_an_address_is_blocked_listed_and_let_in_again(desk: Desk, devices: Any) -> None:
    flow = devices.Flow("outside", "inside", "tcp", "192.0.2.7", "10.0.0.5", dport=443)
    before = desk.device.running()
    assert desk.json(0, "blocks") == []
    assert desk.json(0, "block", "fw-1", "192.0.2.7")["commands"] == 2
    assert not desk.device.permits(flow)
    assert desk.json(0, "block", "fw-1", "192.0.2.7")["commands"] == 0
    listed = desk.json(0, "blocks")
    assert [(one["device"], one["address"], one["expired"]) for one in listed] == [
        ("fw-1", "192.0.2.7", False)
    ]
    # Its end has not come, for it has none.
    assert desk.json(0, "allow", "--expired") == []
    assert desk.json(0, "allow", "fw-1", "192.0.2.7")[0]["state"] == "allowed"
    assert desk.device.running() == before
    assert desk.config("allow", "fw-1", "192.0.2.7").stdout == "nothing is blocked there\n"
    desk.refused("block", "fw-1", "192.0.2.999", says="192.0.2.999")
    desk.refused("block", "fw-1", "192.0.2.7", "--until", "tomorrow", says="tomorrow")
    desk.refused("block", "fw-1", "192.0.2.7", "--until", "2011-03-06", says="this time is over")
    desk.refused("block", "fw-9", "192.0.2.7", says="no such [[device]]")
    desk.refused("allow", says="name both, or --expired")
    desk.refused("allow", "fw-1", "192.0.2", says="is no IPv4 address")
    desk.refused("allow", "fw-9", "192.0.2.7", says="no such [[device]]")


def test_a_block_whose_time_is_over_ends_and_one_lost_device_holds_up_no_other(desk: Desk) -> None:
    before = desk.device.running()
    until = "2100-03-06T06:00Z"
    assert desk.json(0, "block", "fw-1", "192.0.2.7", "--until", until)["state"] == "target"
    assert not desk.json(0, "blocks")[0]["expired"]
    kept = desk.folder / "kept" / "blocks.json"
    (row,) = json.loads(kept.read_text())
    # Its time passes, and so does that of one on a device that is in no file any more.
    row["until_ns"] = 1_300_000_000_000_000_000
    kept.write_text(json.dumps([{**row, "device": "gone"}, row]))
    assert [one["expired"] for one in desk.json(1, "blocks")] == [True, True]
    said = desk.json(1, "allow", "--expired")
    assert [one["device"] for one in said] == ["gone", "fw-1"]
    assert said[1]["state"] == "allowed"
    assert "no such [[device]]" in said[0]["state"]
    assert desk.device.running() == before


def test_a_restore_that_runs_and_a_disk_that_takes_nothing_are_said_and_type_nothing(
    desk: Desk,
) -> None:
    target = desk.folder / "target.cfg"
    target.write_text(desk.device.running() + EXTRA)
    words = ("restore", "fw-1", "--to", str(target), "--yes")
    before = desk.device.checksum()
    limited = ["prlimit", "--fsize=0", *desk.line(*words)]
    done = subprocess.run(
        limited, cwd=ROOT, env=desk.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "see to the disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert desk.device.checksum() == before
    lock = desk.folder / "kept" / "restores" / "fw-1" / "lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        desk.refused(*words, says="another process (unknown) keeps it locked")


def test_what_a_killed_restore_left_is_taken_back_or_gone_on_with(desk: Desk, devices: Any) -> None:
    target = desk.folder / "target.cfg"
    deny = "access-list OUT extended deny"
    target.write_text(
        desk.device.running().replace(deny, EXTRA + EXTRA.replace("0.6", "0.7") + deny)
    )
    before, words = desk.device.running(), ("restore", "fw-1", "--to", str(target), "--yes")
    for way, state in (("--undo", "pre-image"), ("--resume", "target")):
        desk.device.faults.append(devices.Fault("slow", at=2, seconds=1.0))
        typed = len(desk.device.configured())
        child = subprocess.Popen(
            desk.line(*words), cwd=ROOT, env=desk.environ, stdout=subprocess.DEVNULL
        )
        while len(desk.device.configured()) == typed:
            assert child.poll() is None
            time.sleep(0.01)
        child.kill()
        child.wait()
        # What had arrived is carried out all the same.
        while desk.device.open_sessions:
            time.sleep(0.01)
        if way == "--undo":
            desk.refused(*words, says="go on with --resume, or go back to what it had with --undo")
            desk.refused("restore", "fw-1", way, "--dry-run", says="no dry run")
            # Nobody is there who could say yes.
            assert desk.config("restore", "fw-1", way).returncode == 1
        done = desk.json(1 if way == "--undo" else 0, "restore", "fw-1", way, "--yes")
        assert (done["state"], done["saved"]) == (state, state == "target")
        end = target.read_text() if state == "target" else before
        assert desk.device.same_as(end), desk.device.difference(end)
        assert desk.device.pending is None


def test_rules_come_as_table_csv_and_json_out_of_a_backup_with_hits_of_the_device(
    desk: Desk,
) -> None:
    desk.refused("rules", "fw-1", says="there is no backup of it")
    # Its startup configuration masks the tunnel's key, and is the running one all the same.
    assert desk.json(0, "backup", "fw-1")[0]["notes"] == []
    rows = desk.json(0, "rules", "fw-1")
    assert [(row["number"], row["interface"], row["action"], row["hits"]) for row in rows] == [
        (1, "outside", "permit", None),
        (2, "outside", "deny", None),
    ]
    assert (rows[0]["destination"], rows[0]["destination_port"]) == ("host 10.0.0.5", "eq https")
    asked = list(csv.DictReader(desk.config("rules", "fw-1", "--hits", "--csv").stdout.split("\n")))
    assert [row["hits"] for row in asked] == ["0", "0"]
    assert [row["list"] for row in asked] == ["OUT", "OUT"]
    assert "host 10.0.0.5" in desk.config("rules", "fw-1").stdout
    desk.refused("rules", "fw-1", "--at", "2001-01-01", says="ask for a time after that")
    desk.refused("rules", "fw-9", says="no such [[device]]")


def test_what_bootstrap_prints_lets_the_rest_be_restored(devices: Any, tmp_path: Path) -> None:
    with _desk(devices, tmp_path) as desk:
        blank = devices.Device.blank(
            "asa", ("GigabitEthernet0/0", "GigabitEthernet0/1"), user="admin",
            management=devices.Management("10.0.0.9", "inside"),
        )  # fmt: skip
        lines = desk.json(0, "bootstrap", "fw-1", "--to", "template")["lines"]
        assert desk.config("bootstrap", "fw-1", "--to", "template").stdout.splitlines() == lines
        assert "username admin" in "\n".join(lines)
        desk.refused("bootstrap", "fw-1", says="there is no backup of it")
        (desk.folder / "part.cfg").write_text("interface GigabitEthernet0/1\n nameif inside\n")
        file = str(desk.folder / "part.cfg")
        desk.refused("bootstrap", "fw-1", "--to", file, says="the target has no hostname")
        console = blank.session("console", None)
        console.greet()
        for line in lines:
            console.receive(f"{line}\r")
            if console.question is not None:
                console.receive("\r")  # the enable password of a blank unit is empty
        file = desk.folder / "pasprobe.toml"
        with blank.serve() as box:
            file.write_text(file.read_text().replace("port = ", f"port = {box.ssh_port} #"))
            assert desk.config("trust", "fw-1", "--yes").returncode == 0
            to = ("restore", "fw-1", "--to", "template", "--yes")
            done = desk.json(0, *to, "--replacement")
            assert (done["state"], done["saved"]) == ("target", True)
            assert blank.same_as(desk.device.running()), blank.difference(desk.device.running())


def test_a_dead_device_does_not_keep_the_others_from_being_trusted(desk: Desk) -> None:
    file = desk.folder / "pasprobe.toml"
    text = file.read_text()
    dead = re.sub(r"port = \d+", "port = 9", text[text.index("[[device]]") :])
    kept = text[: text.index("[[device]]")]
    file.write_text(f"{kept}{dead.replace('fw-1', 'dead')}{text[len(kept) :]}")
    (desk.folder / "kept" / "known_hosts").unlink()
    done = desk.config("trust", "--yes")
    assert done.returncode == 1
    assert "dead: " in done.stderr
    assert "fw-1: " in done.stdout
    desk.refused("trust", "dead", "--yes", says="shows no host key")
    assert [one["new"] for one in desk.json(0, "trust", "fw-1")] == [False]
