"""What holds a restore until it is accepted: the revert timer of a switch, and checks of one's own.

On the emulated IOS: the timer is armed, held, called off, and runs out at the worst moments.
"""

from __future__ import annotations

import functools
import json
import signal
import time
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from managed_devices import configuration_file, saved_device, trusting_room

from device_configs import changing, deadman
from device_configs.changing import Room, Target, Wish, restore
from device_configs.errors import DeviceConfigError
from device_configs.restore import Order, Outcome
from device_configs.wire import Patience
from inventory.operations import Device

SWITCH = """\
hostname sw
enable secret enable-pw
username admin privilege 15 secret admin-pw
archive
 path flash:kept
vlan 10
 name office
interface Vlan10
 ip address 10.0.0.1 255.255.255.0
ip route 10.8.0.0 255.255.0.0 10.0.0.2
line vty 0 4
 transport input ssh
 login local
"""
UNSAVED = "ip route 10.9.0.0 255.255.0.0 10.0.0.2"
REVERT, RELOAD = "configure terminal revert timer 10", "reload in 10"


class Killed(BaseException):
    """The process is gone."""


class Bench:
    """One emulated switch with a change that nobody saved, and the room that manages it."""

    def __init__(self, device: Any, room: Room) -> None:
        self.device, self.room = device, room
        device.type(UNSAVED)
        self.before = device.running()
        self.target = self.before.replace("name office", "name desks")
        self.target = self.target.replace("10.8.0.0", "10.7.0.0")
        device.log.clear()

    @property
    def known(self) -> Device:
        return self.room.loaded.configuration.devices[0]

    def restore(
        self,
        wish: Wish | None = None,
        accept: Callable[[], Sequence[str]] = tuple,
        tell: Callable[[Any], None] = lambda _: None,
    ) -> Outcome:
        wish = wish or Wish()
        target = None if wish.resume or wish.undo else Target(self.target, "a test")
        outcome, self.file = restore(self.room, self.known, target, wish, tell, accept)
        assert outcome is not None
        assert self.device.pending is None
        return outcome

    def events(self) -> list[tuple[str, str]]:
        rows = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [(row["event"], row.get("command", "")) for row in rows]

    def killed(self) -> None:
        """A restore whose process goes while the second group is about to be typed."""

        def kill(event: Any) -> None:
            if event["event"] == "group" and event["number"] == 2:
                raise Killed

        with pytest.raises(Killed):
            self.restore(tell=kill)
        assert self.device.pending == "revert"
        assert not self.device.same_as(self.before)


@pytest.fixture
def bench(devices: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    monkeypatch.setattr(changing, "Order", functools.partial(Order, pause_s=0.01))
    made = iter(range(100))

    @contextmanager
    def make() -> Iterator[Bench]:
        device = saved_device(devices, "ios", SWITCH, "Vlan10")
        folder = tmp_path / str(next(made))
        folder.mkdir()
        with device.serve() as box:
            file = configuration_file(folder, box, "sw-1", "cisco_ios", role="switch")
            yield Bench(device, trusting_room(file))

    return make


def test_a_switch_with_an_archive_is_held_by_its_revert_timer_though_it_is_not_saved(
    bench: Any,
) -> None:
    with bench() as it:
        assert it.restore().good
        assert it.device.same_as(it.target), it.device.difference(it.target)
        assert it.device.reloads == 0
        assert ("armed", REVERT) in it.events()
        assert it.device.startup.count("10.7.0.0") == 1


@pytest.mark.parametrize("path", ["flash:kept", "tftp://10.0.0.9/kept"])
def test_without_an_archive_that_stays_the_timer_is_a_restart(bench: Any, path: str) -> None:
    with bench() as it:
        if path == "flash:kept":
            it.target = it.target.replace("archive\n path flash:kept\n", "")
        else:
            it.device.type("archive", f"path {path}", "exit")
            it.before = it.device.running()
            it.target = it.target.replace("flash:kept", path)
        with pytest.raises(DeviceConfigError, match="startup configuration is not the running"):
            it.restore()
        assert it.device.same_as(it.before)
        it.device.startup = it.device.running()
        assert it.restore().good
        assert ("armed", RELOAD) in it.events()


def test_a_timer_of_somebody_else_is_left_alone(bench: Any) -> None:
    with bench() as it:
        it.device.revert_in(5)
        with pytest.raises(DeviceConfigError, match="configure confirm"):
            it.restore()
        assert it.device.pending == "revert"
        assert it.device.same_as(it.before)
        it.device.confirm()


@pytest.mark.parametrize(
    ("kind", "on"),
    [
        ("cut", "configure terminal revert"),
        ("reboot", "configure terminal revert"),
        ("drop", "vlan 10"),
        ("hang", "vlan 10"),
        ("cut", "configure confirm"),
        ("reboot", "configure confirm"),
    ],
)
def test_what_happens_to_the_connection_leaves_target_or_preimage_and_no_timer(
    bench: Any, devices: Any, monkeypatch: pytest.MonkeyPatch, kind: str, on: str
) -> None:
    monkeypatch.setattr("device_configs.session.Patience", lambda: Patience(silence_s=0.5))
    with bench() as it:
        # What nobody saved would not outlive the restart.
        it.device.startup = it.device.running()
        it.device.faults.append(devices.Fault(kind, on=on))
        outcome = it.restore()
        assert outcome.good, outcome
        assert it.device.same_as(it.target), it.device.difference(it.target)


def test_a_timer_that_runs_out_before_the_end_costs_only_a_second_round(bench: Any) -> None:
    with bench() as it:

        def ran_out() -> Sequence[str]:
            if it.device.pending is not None:
                it.device.expire()
                assert it.device.same_as(it.before)
            return ()

        assert it.restore(accept=ran_out).good
        assert it.device.same_as(it.target), it.device.difference(it.target)
        assert it.device.startup.count("10.7.0.0") == 1


@pytest.mark.parametrize("meanwhile", ["nothing", "it runs out", "a restart"])
@pytest.mark.parametrize("way", ["resume", "undo"])
def test_what_a_killed_process_left_is_held_by_its_timer_until_somebody_comes(
    bench: Any, way: str, meanwhile: str
) -> None:
    with bench() as it:
        it.device.startup = it.device.running()
        it.killed()
        if meanwhile == "it runs out":
            it.device.expire()
            assert it.device.same_as(it.before)
        elif meanwhile == "a restart":
            it.device.reload()
            while not it.device.up:
                time.sleep(0.01)
        outcome = it.restore(Wish(**{way: True}))
        end = it.target if way == "resume" else it.before
        assert outcome.state == ("target" if way == "resume" else "pre-image"), outcome
        assert it.device.same_as(end), it.device.difference(end)


def test_a_timer_is_held_again_when_half_of_its_time_is_over(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench() as it:
        late = iter(range(0, 10**9, 301))
        clock = types.SimpleNamespace(monotonic=lambda: float(next(late)))
        monkeypatch.setattr(deadman, "time", clock)
        assert it.restore().good
        assert "configure revert timer 10" in [entry.command for entry in it.device.log]


def test_what_is_not_accepted_in_time_is_undone_and_not_saved(bench: Any) -> None:
    with bench() as it:
        startup, asked = it.device.startup, []

        def lost() -> Sequence[str]:
            asked.append(it.device.same_as(it.target))
            return ["ping:192.0.2.1: 0 of 10 packets came back"]

        outcome = it.restore(Wish(accept_s=0.05), lost)
        assert (outcome.state, outcome.saved) == ("pre-image", False)
        assert "not accepted: ping:192.0.2.1" in outcome.reason
        assert len(asked) > 1
        assert all(asked)
        assert it.device.same_as(it.before)
        assert it.device.startup == startup
        assert [name for name, _ in it.events()].count("not yet accepted") == 1


def test_somebody_who_stops_it_while_it_waits_to_be_accepted_gets_the_preimage(bench: Any) -> None:
    with bench() as it:

        def stop() -> Sequence[str]:
            signal.raise_signal(signal.SIGINT)
            return ["no tunnel"]

        outcome = it.restore(Wish(accept_s=300), stop)
        assert (outcome.state, outcome.reason) == ("pre-image", "stopped by the operator")
        assert it.device.same_as(it.before)


def test_what_comes_up_in_time_is_accepted_and_only_then_saved(bench: Any) -> None:
    with bench() as it:
        startup = it.device.startup
        answers = iter([["no tunnel"], ["no tunnel"], []])

        def coming_up() -> Sequence[str]:
            assert it.device.startup == startup
            return next(answers)

        assert it.restore(Wish(accept_s=30), coming_up).good
        assert it.device.startup != startup


def test_where_nothing_is_to_do_it_is_asked_all_the_same_and_nothing_is_typed(bench: Any) -> None:
    with bench() as it:
        assert it.restore().good
        it.device.log.clear()
        outcome = it.restore(accept=lambda: ["no tunnel"])
        assert not outcome.good
        assert (outcome.state, outcome.commands) == ("target", 0)
        assert it.device.configured() == []
