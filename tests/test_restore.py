"""Restores on the emulator: they arrive, they find their way back, they say where they are."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from managed_devices import ASA, configuration_file, saved_device, trusting_room

from device_configs import blocking, blocks
from device_configs.changing import Room, Target, Wish, restore
from device_configs.errors import DeviceConfigError
from device_configs.plan import equal
from device_configs.restore import Outcome
from device_configs.risk import TargetRefused
from inventory.operations import Device, Jump

TARGET_LINES = (
    "object-group network WEB\n network-object host 10.0.0.6\n network-object host 10.0.0.7\n"
    "access-list OUT extended permit tcp any object-group WEB eq www\n"
)


class Bench:
    """One emulated ASA, and the room that manages it."""

    def __init__(self, device: Any, box: Any, room: Room) -> None:
        self.device, self.box, self.room = device, box, room
        self.running = device.running()
        self.target = self.running.replace(
            "access-list OUT extended deny", f"{TARGET_LINES}access-list OUT extended deny"
        )

    @property
    def known(self) -> Device:
        return self.room.loaded.configuration.devices[0]

    def restore(self, **wish: Any) -> tuple[Outcome | None, Path]:
        return restore(
            self.room, self.known, Target(self.target, "a test"), Wish(**wish), lambda _: None
        )


@pytest.fixture
def bench(devices: Any, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    @contextmanager
    def make(**options: Any) -> Iterator[Bench]:
        device = saved_device(devices, "asa", ASA, **options)
        with device.serve() as box:
            file = configuration_file(tmp_path, box, "fw-1", "cisco_asa")
            yield Bench(device, box, trusting_room(file))

    return make


def test_a_restore_arrives_saves_and_finds_nothing_to_do_again(bench: Any) -> None:
    with bench() as it:
        outcome, file = it.restore(ticket="INC-7")
        assert outcome.good, outcome
        assert it.device.same_as(it.target), it.device.difference(it.target)
        assert equal(it.device.startup, it.target, "cisco_asa")
        assert it.device.pending is None
        assert not it.device.cuts
        events = [json.loads(line) for line in file.read_text().splitlines()]
        assert events[0]["ticket"] == "INC-7"
        assert [e["event"] for e in events if e["event"] in ("armed", "disarmed")] == [
            "armed",
            "disarmed",
        ]
        again, _ = it.restore()
        assert again is None


def test_a_refused_command_leads_back_to_the_preimage(bench: Any, devices: Any) -> None:
    with bench() as it:
        it.device.faults.append(devices.Fault("refuse", at=4))
        outcome, _ = it.restore()
        assert outcome.state == "pre-image"
        assert "refused" in outcome.reason
        assert it.device.same_as(it.running), it.device.difference(it.running)
        assert it.device.pending is None


@pytest.mark.parametrize("kind", ["drop", "cut", "forget", "reboot"])
@pytest.mark.parametrize("at", range(1, 6))
def test_whatever_happens_at_a_command_the_device_ends_in_target_or_preimage(
    bench: Any, devices: Any, kind: str, at: int
) -> None:
    with bench() as it:
        it.device.faults.append(devices.Fault(kind, at=at))
        outcome, _ = it.restore()
        assert outcome.good or (kind == "forget" and outcome.state == "pre-image"), outcome
        end = it.target if outcome.good else it.running
        assert it.device.same_as(end), it.device.difference(end)
        assert it.device.pending is None


def test_what_a_killed_process_left_is_gone_on_with_or_taken_back(bench: Any) -> None:
    class Killed(BaseException):
        pass

    def kill(event: Any) -> None:
        if event["event"] == "group" and event["number"] == 2:
            raise Killed

    for wish, end in (
        (Wish(resume=True), "target"),
        (Wish(undo=True), "running"),
    ):
        with bench() as it:
            target = Target(it.target, "a test")
            with pytest.raises(Killed):
                restore(it.room, it.known, target, Wish(), kill)
            with pytest.raises(DeviceConfigError, match="--resume"):
                it.restore()
            outcome, _ = restore(it.room, it.known, None, wish, lambda _: None)
            assert outcome is not None
            assert it.device.same_as(getattr(it, end))
            assert it.device.pending is None


def test_a_target_that_locks_us_out_is_refused_and_nothing_is_typed(bench: Any) -> None:
    with bench() as it:
        for gone, word in (
            ("username admin", "user admin"),
            ("ssh 10.0.0.0", "ssh NETWORK"),
        ):
            text = "".join(
                line for line in it.target.splitlines(keepends=True) if not line.startswith(gone)
            )
            with pytest.raises(TargetRefused, match=word):
                restore(it.room, it.known, Target(text, "x"), Wish(), lambda _: None)
        other = it.target.replace("hostname fw-1", "hostname fw-2")
        with pytest.raises(TargetRefused, match="another device"):
            restore(it.room, it.known, Target(other, "x"), Wish(), lambda _: None)
        assert it.device.configured() == []


def test_no_timer_is_armed_that_would_bring_back_something_else(bench: Any) -> None:
    with bench() as it:
        it.device.type("domain-name example.org")
        it.target = it.target.replace("hostname fw-1", "hostname fw-1\ndomain-name example.org")
        with pytest.raises(DeviceConfigError, match="startup configuration is not the running"):
            it.restore()
        assert it.device.running().count("WEB") == 0


def test_a_restart_that_somebody_else_has_scheduled_is_not_replaced(bench: Any) -> None:
    with bench() as it:
        it.device.reload_in(60)
        with pytest.raises(DeviceConfigError, match="restart of it scheduled"):
            it.restore()
        assert it.device.pending == "reload"
        assert it.device.configured() == []


def test_a_block_goes_in_front_and_allow_brings_back_exactly_what_was(
    bench: Any, devices: Any
) -> None:
    with bench() as it:
        flow = devices.Flow("outside", "inside", "tcp", "203.0.113.9", "10.0.0.5", dport=443)
        assert it.device.permits(flow)
        for _ in range(2):
            outcome, _ = blocking.shut_out(it.room, it.known, "203.0.113.9", None, lambda _: None)
        assert outcome is None, "the second time there is nothing to do"
        assert not it.device.permits(flow)
        (block,) = blocks.load(it.room.folder)
        assert len(block.placed) == 2
        blocking.let_in(it.room, it.known, block, lambda _: None)
        assert it.device.same_as(it.running), it.device.difference(it.running)
        assert blocks.load(it.room.folder) == ()


def test_a_block_that_was_killed_at_its_end_is_known_and_can_be_taken_back(bench: Any) -> None:
    class Killed(BaseException):
        pass

    def kill(event: Any) -> None:
        if event["event"] == "end":
            raise Killed

    with bench() as it:
        with pytest.raises(Killed):
            blocking.shut_out(it.room, it.known, "203.0.113.9", None, kill)
        assert not it.device.same_as(it.running), "it is on the device"
        (block,) = blocks.load(it.room.folder)
        with pytest.raises(DeviceConfigError, match="--resume"):
            blocking.let_in(it.room, it.known, block, lambda _: None)
        outcome, _ = restore(it.room, it.known, None, Wish(resume=True), lambda _: None)
        assert outcome is not None
        assert outcome.good
        blocking.shut_out(it.room, it.known, "203.0.113.9", None, lambda _: None)
        assert blocks.load(it.room.folder) == (block,), "the entries are still known as ours"
        blocking.let_in(it.room, it.known, block, lambda _: None)
        assert it.device.same_as(it.running), it.device.difference(it.running)


def test_a_block_that_did_not_come_about_is_not_listed(bench: Any, devices: Any) -> None:
    with bench() as it:
        it.device.faults.append(devices.Fault("refuse", at=1))
        outcome, _ = blocking.shut_out(it.room, it.known, "203.0.113.9", None, lambda _: None)
        assert outcome.state == "pre-image"
        assert blocks.load(it.room.folder) == ()


def test_a_block_leaves_unsaved_what_somebody_else_has_not_saved(bench: Any) -> None:
    with bench() as it:
        it.device.type("domain-name example.org")
        startup = it.device.startup
        outcome, file = blocking.shut_out(it.room, it.known, "203.0.113.9", None, lambda _: None)
        assert (outcome.state, outcome.saved, outcome.good) == ("target", False, False)
        assert "write memory" in outcome.reason
        assert it.device.startup == startup
        assert json.loads(file.read_text().splitlines()[0])["save"] is False
        (block,) = blocks.load(it.room.folder)
        blocking.let_in(it.room, it.known, block, lambda _: None)
        assert it.device.startup == startup
        assert "domain-name example.org" in it.device.running()


def test_a_block_of_the_address_that_our_session_needs_is_refused(bench: Any) -> None:
    with bench() as it:
        with pytest.raises(DeviceConfigError, match="shut ourselves out"):
            blocking.shut_out(it.room, it.known, it.box.host, None, lambda _: None)
        jump = it.known.model_copy(
            update={"host": "192.0.2.1", "jump": Jump(host="localhost", login=it.known.login)}
        )
        for address, whose in (("127.0.0.1", "the jump host"), ("192.0.2.1", "the device's own")):
            with pytest.raises(DeviceConfigError, match=whose):
                blocking.shut_out(it.room, jump, address, None, lambda _: None)
        assert it.device.configured() == []
        assert blocks.load(it.room.folder) == ()


def test_a_block_until_a_time_that_is_over_is_refused(bench: Any) -> None:
    with bench() as it:
        with pytest.raises(DeviceConfigError, match="this time is over"):
            blocking.shut_out(it.room, it.known, "203.0.113.9", "2011-03-06", lambda _: None)
        assert it.device.configured() == []
        assert blocks.load(it.room.folder) == ()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"failover": "standby"}, "restore the active unit"),
        ({"contexts": {"admin": ASA, "shop": "hostname s\n"}}, "make each context a"),
    ],
)
def test_a_unit_whose_configuration_is_not_its_own_is_neither_restored_nor_blocked(
    bench: Any, options: dict[str, Any], says: str
) -> None:
    with bench(**options) as it:
        with pytest.raises(DeviceConfigError, match=says):
            it.restore()
        with pytest.raises(DeviceConfigError, match=says):
            blocking.shut_out(it.room, it.known, "192.0.2.7", None, lambda _: None)
        assert it.device.configured() == []
        assert blocks.load(it.room.folder) == ()


def test_a_protocol_that_cannot_be_written_any_more_leads_back_to_the_preimage(bench: Any) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(event: Any) -> None:
        if event["event"] == "group" and event["number"] == 1:
            (file,) = (it.room.folder / "restores" / "fw-1").glob("*.jsonl")
            resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, before[1]))

    with bench() as it:
        try:
            outcome, file = restore(it.room, it.known, Target(it.target, "a test"), Wish(), full)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert outcome is not None
        assert (outcome.state, outcome.saved) == ("pre-image", False)
        assert str(file) in outcome.reason
        assert it.device.same_as(it.running), it.device.difference(it.running)
        assert it.device.pending is None
        # It is over, though its end could not be written down.
        assert it.restore()[0].good
