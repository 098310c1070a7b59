"""Plans on random pairs of configurations: they arrive, keep our session, and leave no gap.

The device is the emulator, so what these tests show is shown for its rules (tests/devices/rules.py
says where they come from). A seeded tenth here, all in `make soak`.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from device_configs.plan import plan

CASES = 500
PLATFORM = {"asa": "cisco_asa", "ios": "cisco_ios", "pix6": "cisco_pix", "pix7": "cisco_pix"}
HARMLESS = ("INFO:", "WARNING: The crypto map entry is incomplete!")


@pytest.fixture(scope="module")
def pairs(devices: Any) -> Any:
    assert devices
    return importlib.import_module("devices.pairs")


FILTERS = ("access-group ", "ip access-group ", "access-class ", "shutdown", "ip access-list ")
"""Lines that may go for a while, because what they do is looked at packet by packet."""


def lines_of(device: Any) -> set[tuple[str, str]]:
    """Every line with its section; entries of lists are looked at packet by packet, and a banner is
    typed anew as a whole."""
    return {
        (place, line)
        for place, lines in device.config.snapshot().items()
        if not any(word in place for word in ("access-list ", "banner "))
        for line in lines
        if not line.startswith(FILTERS)
    }


TASK = re.compile(
    r"(?:ip )?route (?:\S+ )?[\d.]+ [\d.]+(?= [\d.]+)|ip address(?! .* secondary)(?: [a-z]\S*)?|"
    r"ip default-gateway|static \(\S+\) (?:tcp |udp )?\S+(?: \d+)?|global \(\S+\) \d+|"
    r"nat \(\S+\) (?:\d+ \S+|source \S+ \S+)|nat \("
)
"""What a line is for, whatever it says of it: a way to a network, an interface's own address, the
translation of an address."""


def tasks_of(device: Any) -> dict[tuple[str, str], set[str]]:
    """The lines that stand for each task, by section."""
    found: dict[tuple[str, str], set[str]] = {}
    for place, lines in device.config.snapshot().items():
        for line in lines:
            if task := TASK.match(line):
                found.setdefault((place, task[0]), set()).add(line)
    return found


class Watched:
    """A device that carries out a plan, and what went wrong at which command."""

    def __init__(self, devices: Any, case: Any, gaps: tuple[str, ...]) -> None:
        self.case = case
        self.gaps = " ".join(gaps)
        self.device = devices.Device(
            case.platform,
            case.running,
            management=case.management,
            interfaces=case.interfaces,
        )
        self.session = self.device.session("ssh", "admin")
        after = devices.Device(case.platform, case.target, interfaces=case.interfaces)
        both = [(f, self.device.permits(f), after.permits(f)) for f in case.flows]
        self.held = [(flow, now) for flow, now, then in both if now == then]
        self.staying = lines_of(self.device) & lines_of(after)
        """What both have, and so should be there all the time."""
        self.tasks = tasks_of(self.device)
        self.lasting = self.tasks.keys() & tasks_of(after).keys()
        """What something stands for in both, and so should all the time."""
        self.wrong: list[str] = []

    def carry_out(self, commands: tuple[str, ...]) -> None:
        path: list[Any] = []
        refused = importlib.import_module("devices").Refused
        for number, command in enumerate(commands):
            where = f"{number + 1}: {command}"
            if command in ("exit", "end"):
                path = path[:-1] if command == "exit" else []
                continue
            try:
                said, path = self.device.apply(None, path, command)
            except refused as answer:
                self.wrong.append(f"{where}: {answer.text.strip()}")
                continue
            if said.strip() and not said.startswith(HARMLESS):
                self.wrong.append(f"{where}: {said.strip()}")
            self.device.check_ways(command)
            if self.device.cuts:
                self.wrong.append(f"{where}: session lost, {self.device.cuts[-1].reason}")
                return
            for place, line in self.staying - lines_of(self.device):
                if line not in self.gaps:
                    self.wrong.append(f"{where}: {place} {line} is gone meanwhile")
                    return
            before, self.tasks = self.tasks, tasks_of(self.device)
            for task in (self.lasting & before.keys()) - self.tasks.keys():
                if not any(line in self.gaps for line in before[task]):
                    self.wrong.append(f"{where}: nothing stands for {task} meanwhile")
                    return
            for flow, wanted in self.held:
                if self.device.permits(flow) is not wanted:
                    state = "closed" if wanted else "open"
                    self.wrong.append(f"{where}: {state} for {tuple(flow)}")
                    return


@pytest.mark.parametrize("part", range(10))
@pytest.mark.soak
def test_a_plan_arrives_without_losing_us_or_opening_a_gap(
    devices: Any, pairs: Any, soak: bool, part: int
) -> None:
    share = CASES // 10
    for number in range(part * share, part * share + (share if soak else share // 10)):
        platform, seed = list(PLATFORM)[number % len(PLATFORM)], number // len(PLATFORM)
        case = pairs.pair(platform, seed)
        made = plan(case.running, case.target, PLATFORM[platform])
        watched = Watched(devices, case, made.gaps)
        watched.carry_out(made.commands)
        told = "\n".join(made.commands)
        assert not watched.wrong, f"{platform} {seed}: {watched.wrong[:3]}\n{made.gaps}\n{told}"
        rest = watched.device.difference(case.target)
        assert not rest, f"{platform} {seed}: {rest}\n{told}"
        again = plan(watched.device.running(), case.target, PLATFORM[platform])
        assert not again, f"{platform} {seed}: {again.commands}"
