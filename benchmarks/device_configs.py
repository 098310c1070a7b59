"""Device configurations: a restore onto a blank PIX, backups side by side, and how plans scale.

Against the emulated devices of tests/devices: a PIX 6.3 in a process of its own, by telnet, that
came up with what `pasprobe config bootstrap` types on the console; fifty ASAs in one process, by
SSH. The emulator answers at once, a real device does not: these are the times of our side and of
what it asks.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.hosts import ROOT
from device_configs.backup import Job, back_up
from device_configs.changing import Room, Target, Wish, restore
from device_configs.history import History
from device_configs.known_hosts import KnownHosts
from device_configs.plan import plan
from device_configs.trusting import trust
from device_configs.wire import Patience
from inventory.load import Loaded, load

NAME = "device_configs"
GOALS: dict[str, tuple[str, float]] = {
    "1,500 lines onto a blank PIX (s)": ("<=", 120),
    "lines that differ from the target afterwards": ("==", 0),
    "50 devices backed up in parallel (s)": ("<=", 30),
    "devices whose backup failed": ("==", 0),
    "10 times the lines on a blank PIX / once": ("<=", 15),
    "10 times the lines with a third new / once": ("<=", 15),
}

LINES: Final = 1500
DEVICES: Final = 50
SEED: Final = 6
SECRETS: Final = {"PW": "admin-pw", "EN": "enable-pw"}
BASE: Final = """\
interface ethernet0 auto
interface ethernet1 auto
nameif ethernet0 outside security0
nameif ethernet1 inside security100
enable password enable-pw
passwd admin-pw
hostname pix-1
ip address outside 198.51.100.1 255.255.255.0
ip address inside 10.0.0.1 255.255.0.0
telnet 10.0.0.0 255.255.0.0 inside
aaa authentication telnet console LOCAL
username admin password admin-pw privilege 15
"""
"""What is typed on the console of the replacement, so that the rest can come over the network."""
ASA: Final = """\
hostname asa-{number}
enable password enable-pw
interface GigabitEthernet0/0
 nameif inside
 security-level 100
 ip address 10.0.0.1 255.255.0.0
username admin password admin-pw privilege 15
aaa authentication ssh console LOCAL
ssh 10.0.0.0 255.255.0.0 inside
"""


def run_once() -> dict[str, float | str]:
    """The three, one after the other; the plans first, as in a process that plans only."""
    blank, edited = _planned(LINES)
    blank_10, edited_10 = _planned(LINES * 10)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        seconds, lines, differing = _restored(Path(folder))
        parallel, failed = _backed_up(Path(folder))
    return {
        "lines of the PIX": lines,
        "1,500 lines onto a blank PIX (s)": round(seconds, 1),
        "lines that differ from the target afterwards": differing,
        "50 devices backed up in parallel (s)": round(parallel, 1),
        "devices whose backup failed": failed,
        "plan for 1,500 lines on a blank PIX (s of CPU)": round(blank, 4),
        "plan for 15,000 lines on a blank PIX (s of CPU)": round(blank_10, 4),
        "10 times the lines on a blank PIX / once": round(blank_10 / blank, 1),
        "plan for a third of the rules of 1,500 lines (s of CPU)": round(edited, 4),
        "plan for a third of the rules of 15,000 lines (s of CPU)": round(edited_10, 4),
        "10 times the lines with a third new / once": round(edited_10 / edited, 1),
    }


def _emulator() -> Any:
    """The package of the emulated devices, which lies with the tests."""
    place = str(ROOT / "tests")
    if place not in sys.path:
        sys.path.append(place)
    return importlib.import_module("devices")


def _pix(lines: int) -> str:
    """A whole configuration of about so many lines: groups, two lists, statics, routes, keys."""
    chance = random.Random(SEED)
    rows: list[str] = []
    hosts = [f"10.0.{n // 250}.{n % 250 + 2}" for n in range(lines)]
    for number in range(max(1, lines // 50)):
        rows.append(f"object-group network g{number}")
        rows += [f" network-object host {hosts[number * 8 + n]}" for n in range(8)]
    groups = max(1, lines // 50)
    statics = max(1, lines // 15)
    budget = lines - len(rows) - statics - lines // 30 - 20
    seen = dict.fromkeys(
        f"access-list {name} permit tcp {source} {target} eq {port}"
        for name, source, target, port in (_rule(chance, groups) for _ in range(budget * 2))
    )
    rows += itertools.islice(seen, budget)
    rows += [
        f"static (inside,outside) 198.51.{n // 200 + 101}.{n % 200 + 2} {hosts[-1 - n]} "
        "netmask 255.255.255.255 0 0"
        for n in range(statics)
    ]
    rows += ["access-group OUT in interface outside", "access-group IN in interface inside"]
    rows.append("route outside 0.0.0.0 0.0.0.0 198.51.100.254 1")
    rows += [
        f"route inside 172.{16 + n // 200}.{n % 200}.0 255.255.255.0 10.0.0.254 1"
        for n in range(lines // 30)
    ]
    return BASE + "".join(f"{row}\n" for row in rows)


def _rule(chance: random.Random, groups: int) -> tuple[str, str, str, int]:
    name = chance.choice(("OUT", "IN"))
    far = f"host 203.0.{chance.randrange(200)}.{chance.randrange(1, 250)}"
    return name, far, f"object-group g{chance.randrange(groups)}", chance.randrange(20, 9000)


def _room(folder: Path, entries: str) -> Room:
    file = folder / "pasprobe.toml"
    file.write_text(f'[device_configs]\nfolder = "{folder / "kept"}"\n{entries}')
    loaded: Loaded = load(file, environ=SECRETS)
    return Room(loaded, SECRETS)


def _entry(name: str, host: str, port: int, rest: str) -> str:
    return (
        f'[[device]]\nid = "{name}"\nhost = "{host}"\nport = {port}\nrole = "firewall"\n{rest}\n'
        'login = { user = "admin", password = { env = "PW" }, enable = { env = "EN" } }\n'
    )


def _restored(folder: Path) -> tuple[float, int, int]:
    """Seconds of a restore, lines of the target, and lines that are not as they should be."""
    emulator = _emulator()
    hardware = ("ethernet0", "ethernet1")
    blank = emulator.Device("pix6", BASE, interfaces=hardware).running()
    target = emulator.Device("pix6", _pix(LINES), interfaces=hardware).running()
    file = folder / "pix"
    file.write_text(blank)
    with _served(file) as told:
        rest = 'platform = "cisco_pix"\ntransport = "telnet"'
        room = _room(folder, _entry("pix-1", told["host"], told["telnet"], rest))
        device = room.loaded.configuration.devices[0]
        begin = time.monotonic()
        outcome, _ = restore(room, device, Target(target, "a benchmark"), Wish(), lambda _: None)
        seconds = time.monotonic() - begin
    sys.stdout.write(f"restore: {outcome}\n")
    now = file.with_name("pix.running").read_text()
    differing = emulator.Device("pix6", now, interfaces=hardware).difference(target)
    sys.stdout.write("".join(f"{line}\n" for line in differing))
    saved = file.with_name("pix.startup").read_text()
    differing += emulator.Device("pix6", saved, interfaces=hardware).difference(target)
    return seconds, len(target.splitlines()), len(differing)


@contextlib.contextmanager
def _served(file: Path) -> Iterator[dict[str, Any]]:
    """A PIX in a process of its own, so that it does not take our turns."""
    command = [sys.executable, str(ROOT / "tests/devices"), "pix6", str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())
        child.stdin.close()
        child.wait(timeout=30)


def _backed_up(folder: Path) -> tuple[float, int]:
    """Seconds of a backup of all devices, and how many failed."""
    emulator = _emulator()
    with contextlib.ExitStack() as stack:
        entries = []
        for number in range(DEVICES):
            box = stack.enter_context(emulator.Device("asa", ASA.format(number=number)).serve())
            rest = 'platform = "cisco_asa"'
            entries.append(_entry(f"asa-{number}", box.host, box.ssh_port, rest))
        place = folder / "fleet"
        place.mkdir()
        room = _room(place, "".join(entries))
        devices = room.loaded.configuration.devices
        hosts = KnownHosts(room.folder / "known_hosts")
        for device in devices:
            trust(device, SECRETS, hosts, Patience(), replace=False, agree=lambda *_: True)
        job = Job(History(room.folder), hosts, SECRETS, "benchmark")
        begin = time.monotonic()
        outcomes = back_up(devices, job)
        seconds = time.monotonic() - begin
    for outcome in outcomes:
        sys.stdout.write(f"backup: {json.dumps(outcome.as_json())}\n")
    return seconds, sum(outcome.state != "changed" for outcome in outcomes)


def _planned(lines: int) -> tuple[float, float]:
    """CPU seconds of two plans for so many lines, the best of five: from the bootstrap, and from
    the same configuration with a third of its rules gone."""
    target = _pix(lines)
    chance = random.Random(SEED)
    older = "".join(
        f"{row}\n"
        for row in target.splitlines()
        if not row.startswith("access-list ") or chance.randrange(3)
    )
    return _least(BASE, target), _least(older, target)


def _least(running: str, target: str) -> float:
    took = []
    for _ in range(5):
        begin = time.process_time()
        made = plan(running, target, "cisco_pix6")
        took.append(time.process_time() - begin)
    sys.stdout.write(
        f"plan: {len(running.splitlines())} lines to {len(target.splitlines())}, "
        f"{len(made.commands)} commands, {took} s\n"
    )
    return min(took)
