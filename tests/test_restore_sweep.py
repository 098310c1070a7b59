"""A restore that is hit at every single command: cut, restarted, its process killed.

One thing goes wrong at the Nth command the device is given, whatever that command is: a question at
login, the pre-image, the timer, a change, the read-back, `write memory`. Then the device has the
target or what it had, and the restore says which. A seeded tenth of the commands here, all in
`make soak`.
"""

from __future__ import annotations

import functools
import importlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from managed_devices import SECRETS, configuration_file, trusting_room

from device_configs import changing
from device_configs.changing import Room, Target, Wish, restore
from device_configs.errors import DeviceConfigError
from device_configs.protocol import Protocol
from device_configs.restore import Order, Outcome
from inventory.operations import Device

SEEDS = {"asa": 3, "pix6": 0, "ios": 3}
"""Pairs (tests/devices/pairs.py) of 21 to 38 commands with lists, objects, routes and users."""
PLATFORM = {"asa": "cisco_asa", "pix6": "cisco_pix", "ios": "cisco_ios"}
PARTS = 5
SIDE_BY_SIDE = 4
CHILD = """\
import os, sys
from pathlib import Path
from device_configs.changing import Room, Target, Wish, restore
from inventory.load import load
room = Room(load(Path(sys.argv[1]), environ=os.environ), os.environ)
target = Target(Path(sys.argv[2]).read_text(), "a test")
device = room.loaded.configuration.devices[0]
restore(room, device, target, Wish(replacement=True), lambda _: None)
"""


class Bench(NamedTuple):
    """One emulated device, the room that manages it, and where its configuration file is."""

    case: Any
    device: Any
    room: Room
    file: Path

    @property
    def known(self) -> Device:
        return self.room.loaded.configuration.devices[0]

    def restore(self, wish: Wish) -> Outcome | None:
        target = None if wish.resume or wish.undo else Target(self.case.target, "a test")
        return restore(self.room, self.known, target, wish, lambda _: None)[0]

    def left(self) -> bool:
        """Whether the protocol says that a restore is unfinished."""
        with Protocol(self.room.folder, self.known.id) as record:
            return record.unfinished() is not None

    def has_target(self) -> bool:
        return bool(self.device.same_as(self.case.target))

    def has_preimage(self) -> bool:
        return bool(self.device.same_as(self.case.running))

    def would_boot(self, text: str) -> bool:
        """Whether a restart would bring up this configuration."""
        kind = type(self.device)
        return bool(kind(self.case.platform, self.device.startup).same_as(text))

    def judge(self, outcome: Outcome | None) -> None:
        """What the restore says is so."""
        where = (outcome, self.device.difference(self.case.target))
        assert self.device.pending is None, where
        if outcome is None or outcome.state == "target":
            assert self.has_target(), where
            if outcome is None or outcome.saved:
                assert self.would_boot(self.case.target), where
        else:
            assert outcome.state == "pre-image", where
            assert self.has_preimage(), where
            assert self.would_boot(self.case.running), where


@pytest.fixture
def bench(devices: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    assert devices
    pairs = importlib.import_module("devices.pairs")
    monkeypatch.setattr(changing, "Order", functools.partial(Order, pause_s=0.05))
    made = iter(range(10_000))

    @contextmanager
    def make(platform: str) -> Iterator[Bench]:
        case = pairs.pair(platform, SEEDS[platform], 3)
        device = devices.Device(
            platform,
            case.running,
            management=case.management,
            interfaces=case.interfaces,
            reload_s=0.05,
        )
        folder = tmp_path / str(next(made))
        folder.mkdir()
        with device.serve() as box:
            file = configuration_file(folder, box, "unit-1", PLATFORM[platform])
            it = Bench(case, device, trusting_room(file), file)
            device.log.clear()
            yield it

    return make


def _chosen(platform: str, kind: str, part: int, soak: bool, of: int) -> list[int]:
    """The commands of this part, a tenth of all unless in soak."""
    numbers = list(range(1, of + 1))
    if not soak:
        chance = random.Random(f"{platform}{kind}")
        numbers = sorted(chance.sample(numbers, max(PARTS, of // 10)))
    return numbers[part::PARTS]


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    """How many commands a restore types when nothing happens, by platform."""
    return {}


def _clean(bench: Callable[[str], Any], platform: str, counted: dict[str, int]) -> int:
    if platform not in counted:
        with bench(platform) as it:
            outcome = it.restore(Wish(replacement=True))
            assert outcome is not None
            assert outcome.good, outcome
            it.judge(outcome)
            counted[platform] = len(it.device.log)
    return counted[platform]


def _each(numbers: list[int], trial: Callable[[int], str]) -> None:
    """Side by side: a restore mostly waits for the device."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        wrong = [told for told in pool.map(trial, numbers) if told]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", ["drop", "cut", "reboot"])
@pytest.mark.parametrize("platform", list(SEEDS))
@pytest.mark.soak
def test_cut_or_restarted_at_any_command_it_ends_in_target_or_preimage(
    bench: Any,
    devices: Any,
    soak: bool,
    counted: dict[str, int],
    platform: str,
    kind: str,
    part: int,
) -> None:
    def trial(at: int) -> str:
        with bench(platform) as it:
            it.device.faults.append(devices.Fault(kind, at=at, every=True))
            try:
                outcome = it.restore(Wish(replacement=True))
                it.judge(outcome)
                assert outcome is not None
                assert outcome.good, outcome
            except DeviceConfigError as error:
                # Only before anything was typed.
                kept = it.has_preimage() and it.device.pending is None and not it.left()
                if not kept or it.device.configured():
                    return f"{at} {it.device.log[at - 1 : at + 1]}: {error}"
            except AssertionError as error:
                return f"{at} {it.device.log[at - 1 : at + 1]}: {error}"
        return ""

    _each(_chosen(platform, kind, part, soak, _clean(bench, platform, counted)), trial)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("platform", list(SEEDS))
@pytest.mark.soak
def test_killed_at_any_command_it_is_gone_on_with_taken_back_or_restarts_into_the_preimage(
    bench: Any, soak: bool, counted: dict[str, int], platform: str, part: int
) -> None:
    def trial(at: int) -> str:
        with bench(platform) as it:
            try:
                _killed_at(it, at)
                _settle(it, at)
            except (AssertionError, DeviceConfigError) as error:
                return f"{at} {it.device.log[at - 2 : at + 1]}: {error}"
        return ""

    _each(_chosen(platform, "kill", part, soak, _clean(bench, platform, counted)), trial)


def _killed_at(it: Bench, at: int) -> None:
    """A real process restores; it is killed as its Nth command arrives, which is carried out."""
    target = it.file.with_name("target.txt")
    target.write_text(it.case.target)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(it.file), str(target)],
        env={**os.environ, **SECRETS},
        cwd=Path(__file__).parents[1],
        stderr=subprocess.PIPE,
    )
    typed = 0
    strike = it.device.strike

    def counted(*arguments: Any) -> Any:
        nonlocal typed
        typed += 1
        if typed == at:
            child.send_signal(signal.SIGKILL)
            child.wait()
        return strike(*arguments)

    it.device.strike = counted
    told = child.communicate(timeout=300)[1].decode()
    assert child.returncode == -signal.SIGKILL, told
    # The device carries out what had arrived and sees the connection end.
    until = time.monotonic() + 10
    while it.device.open_sessions and time.monotonic() < until:
        time.sleep(0.01)
    it.device.strike = strike


def _settle(it: Bench, at: int) -> None:
    """The device by itself, then the next process."""
    if not it.left():
        assert it.has_preimage() or (it.has_target() and it.would_boot(it.case.target))
        assert it.device.pending is None
        return
    if it.device.pending is not None and at % 3 == 0:
        it.device.expire()
        time.sleep(0.1)
        assert it.has_preimage(), it.device.difference(it.case.running)
    wish = Wish(resume=True) if at % 2 else Wish(undo=True)
    outcome = it.restore(wish)
    it.judge(outcome)
    assert outcome is not None
    assert outcome.good or (wish.undo and outcome.state == "pre-image"), outcome
    assert not it.left()
