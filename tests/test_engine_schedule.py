"""When trains begin and end, and what the agent's own pauses and clock do to them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.errors import ProbeError
from agent.samples import StampOptions, Status, TrainPlan, TrainSamples
from agent.summary import CLOCK_STEP, MISSED_SLOT, OVERRUN, TrainContext, summarise

SECOND_NS = 1_000_000_000
CONTEXT = TrainContext("agent", "pas", "ip-base", "", "", "target", None)

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="session")
def root(need: Any) -> None:
    need("root")


def plan(address: str = "127.0.0.1", packets: int = 5, **other: Any) -> TrainPlan:
    values: dict[str, Any] = {
        "path": address,
        "method": "icmp",
        "spacing_ns": 10_000_000,
        "size": 64,
        "timeout_ns": 100_000_000,
    }
    return TrainPlan(address=address, packets=packets, **(values | other))


def soon() -> int:
    return on_grid(time.monotonic_ns() + 10_000_000)


def reasons(samples: TrainSamples) -> tuple[str, ...]:
    return summarise(samples, CONTEXT).reasons


class SystemTime:
    """The real clocks, for those below to spoil one of."""

    @staticmethod
    def monotonic_ns() -> int:
        return time.monotonic_ns()

    def realtime_ns(self) -> int:
        return time.time_ns()

    def sleep_until(self, monotonic_ns: int) -> None:
        time.sleep(max(monotonic_ns - time.monotonic_ns(), 0) / 1e9)


class SteppedTime(SystemTime):
    """Somebody sets the wall clock at an instant."""

    def __init__(self, at_ns: int, by_ns: int) -> None:
        self._at_ns, self._by_ns = at_ns, by_ns

    def realtime_ns(self) -> int:
        stepped = self._by_ns if time.monotonic_ns() >= self._at_ns else 0
        return super().realtime_ns() + stepped


class PausedTime(SystemTime):
    """The process is away once, when it should have been back at an instant."""

    def __init__(self, at_ns: int, by_ns: int) -> None:
        self._at_ns, self._by_ns = at_ns, by_ns

    def sleep_until(self, monotonic_ns: int) -> None:
        if self._by_ns and monotonic_ns >= self._at_ns:
            monotonic_ns, self._by_ns = monotonic_ns + self._by_ns, 0
        super().sleep_until(monotonic_ns)


@pytest.mark.parametrize("by_ns", [5_000_000, -5_000_000, 3600 * SECOND_NS])
def test_a_step_of_the_wall_clock_makes_the_train_invalid(by_ns: int) -> None:
    start_ns = soon()
    engine = Engine(SteppedTime(start_ns + 25_000_000, by_ns))
    (samples,) = engine.run([(plan(), start_ns)])
    engine.close()
    assert abs(samples.clock_step_ns - by_ns) < 1_000_000
    assert CLOCK_STEP in reasons(samples)


@pytest.mark.parametrize("at_s", [-1, 100])
def test_a_step_before_or_after_the_train_does_not(at_s: int) -> None:
    start_ns = soon()
    engine = Engine(SteppedTime(start_ns + at_s * SECOND_NS, 5_000_000))
    (samples,) = engine.run([(plan(), start_ns)])
    engine.close()
    assert CLOCK_STEP not in reasons(samples)


def test_a_pause_of_ours_is_an_overrun_and_not_loss() -> None:
    start_ns = soon()
    engine = Engine(PausedTime(start_ns + 5_000_000, 400_000_000))
    (samples,) = engine.run([(plan(), start_ns)])
    engine.close()
    assert (samples.status == Status.RECEIVED).all()
    assert samples.lateness_ns[1] >= 390_000_000
    assert OVERRUN in reasons(samples)


def test_a_pause_shorter_than_the_spacing_spoils_nothing() -> None:
    start_ns = soon()
    engine = Engine(PausedTime(start_ns + 50_000_000, 300_000_000))
    (samples,) = engine.run([(plan(packets=2, spacing_ns=5 * SECOND_NS), start_ns)])
    engine.close()
    assert (samples.status == Status.RECEIVED).all()
    assert OVERRUN not in reasons(samples)


CHILD = """
import sys, time
from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.samples import TrainPlan
engine = Engine()
plan = TrainPlan("p", "icmp", "127.0.0.1", 40, 25_000_000, 64, 500_000_000)
start_ns = on_grid(time.monotonic_ns() + 50_000_000)
engine.add([(plan, start_ns)])
print("out", flush=True)
(samples,) = engine.run([])
print(int(samples.lateness_ns.max()), int(samples.rtt_ns.max()), samples.status.tolist())
"""


def test_a_stopped_process_accuses_itself_and_its_round_trips_stay_true() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "out\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGSTOP)
    time.sleep(0.6)
    child.send_signal(signal.SIGCONT)
    said, _ = child.communicate(timeout=60)
    lateness_ns, rtt_ns, status = said.split(maxsplit=2)
    assert int(lateness_ns) > 400_000_000
    assert int(rtt_ns) < 400_000_000
    assert status.split("]")[0].strip("[").split(", ") == ["2"] * 40


def test_a_train_whose_start_is_long_past_was_missed_and_is_not_sent_in_a_rush() -> None:
    engine = Engine()
    now_ns = time.monotonic_ns()
    missed, late = plan(), plan("127.0.0.2")
    done = list(engine.run([(missed, now_ns - 2 * SECOND_NS), (late, now_ns - SECOND_NS // 2)]))
    engine.close()
    first, second = done
    assert (first.plan, first.missed) == (missed, True)
    assert (first.status == Status.UNSENT).all()
    assert first.start_ns == pytest.approx(time.time_ns() - 2 * SECOND_NS, abs=1.5 * SECOND_NS)
    assert reasons(first) == (MISSED_SLOT,)
    assert engine.counters.missed_slots == 1
    assert (second.plan, second.missed) == (late, False)
    assert (second.status == Status.RECEIVED).all()
    assert OVERRUN in reasons(second)
    assert engine.sent == 5


def test_a_one_off_run_ends_when_all_is_answered() -> None:
    engine = Engine(early=True)
    begun_ns = time.monotonic_ns()
    done = list(engine.run([(plan(timeout_ns=300 * SECOND_NS), soon()) for _ in range(3)]))
    engine.close()
    assert time.monotonic_ns() - begun_ns < 200 * SECOND_NS
    assert [(s.status == Status.RECEIVED).all() for s in done] == [True] * 3


def test_a_one_off_run_may_be_followed_by_another_on_the_same_engine() -> None:
    engine = Engine(early=True)
    for _ in range(3):
        (samples,) = engine.run([(plan(timeout_ns=300 * SECOND_NS), soon())])
        assert (samples.status == Status.RECEIVED).all()
        assert (samples.tx_source == samples.rx_source).all()
    engine.close()


@pytest.fixture
def mute() -> Any:
    """A UDP port that takes everything and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.mark.parametrize("early", [True, False])
def test_without_answers_a_run_waits_the_timeout(mute: socket.socket, early: bool) -> None:
    engine = Engine(early=early)
    start_ns = soon()
    silent = plan(method="stamp", port=mute.getsockname()[1])
    (samples,) = engine.run([(silent, start_ns)])
    engine.close()
    assert time.monotonic_ns() >= start_ns + 4 * silent.spacing_ns + silent.timeout_ns
    assert (samples.status == Status.LOST).all()


class CountedTime(SystemTime):
    """Counts how often the engine looks at the clock: once or more a turn of its loop."""

    def __init__(self) -> None:
        self.looks = 0

    def monotonic_ns(self) -> int:  # type: ignore[override]
        self.looks += 1
        return time.monotonic_ns()


def test_a_late_datagram_on_an_idle_socket_does_not_keep_a_one_off_run_awake(
    mute: socket.socket,
) -> None:
    clock = CountedTime()
    engine = Engine(clock, early=True)
    brief = plan(packets=1, method="stamp", port=mute.getsockname()[1], timeout_ns=1_000_000)
    key = StampOptions(auth_key=b"k")
    long = plan(
        packets=1, method="stamp", port=mute.getsockname()[1], timeout_ns=SECOND_NS,
        size=112, stamp=key,
    )  # fmt: skip
    start_ns = soon()
    engine.add([(brief, start_ns), (long, start_ns)])
    done = engine.step(start_ns + 5 * SECOND_NS)
    while len(done) < 1:
        done += engine.step(start_ns + 5 * SECOND_NS)
    request, source = next(
        (data, source) for data, source in (mute.recvfrom(200) for _ in range(2)) if len(data) == 64
    )
    mute.sendto(request, source)
    clock.looks = 0
    while engine.busy:
        done += engine.step(time.monotonic_ns() + SECOND_NS)
    engine.close()
    assert [samples.plan for samples in done] == [brief, long]
    assert clock.looks < 1000


BAD = {
    "no address": plan("nowhere.example"),
    "an unknown zone": plan("fe80::1%nolink7"),
    "a zone beyond all": plan("fe80::1%99999999999999999999"),
    "a zone on IPv4": plan("127.0.0.1%lo"),
    "too small an echo": plan(size=23),
    "too large an echo": plan(size=70_000),
    "too small a STAMP packet": plan(method="stamp", size=43),
    "too small a signed one": plan(method="stamp", size=64, stamp=StampOptions(auth_key=b"k")),
    "no such port": plan(method="stamp", port=70_000),
}


@pytest.mark.parametrize("name", BAD)
def test_one_train_that_cannot_be_sent_leaves_none_half_registered(name: str) -> None:
    engine = Engine()
    reflector = plan(method="stamp")
    long_past = time.monotonic_ns() - 10 * SECOND_NS
    with pytest.raises(ProbeError, match=r"[a-z]"):
        engine.add(
            [(plan(), soon()), (reflector, soon()), (plan(), long_past), (BAD[name], soon())]
        )
    assert not engine.busy
    assert engine.next_due_ns is None
    assert engine.counters.missed_slots == 0
    assert engine.step(time.monotonic_ns() + 1_000_000) == []
    assert (engine.sent, engine.answered) == (0, 0)
    (samples,) = engine.run([(plan(), soon())])
    engine.close()
    assert (samples.status == Status.RECEIVED).all()


def test_a_socket_that_may_not_be_opened_leaves_nothing_half_registered(hosts: Any) -> None:
    hosts.run(hosts.near, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=1 0")
    engine = Engine()
    with hosts.inside(hosts.near):
        os.seteuid(65534)
        try:
            with pytest.raises(ProbeError, match=r"ping_group_range.*CAP_NET_RAW"):
                engine.add([(plan(method="stamp"), soon()), (plan(), soon())])
        finally:
            os.seteuid(0)
        assert not engine.busy
        assert engine.next_due_ns is None
        (samples,) = engine.run([(plan(), soon())])
    engine.close()
    assert (samples.status == Status.RECEIVED).all()


def test_the_end_of_file_descriptors_is_told_with_the_remedy() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    engine = Engine()
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(ProbeError, match=r"ulimit -n"):
            engine.add([(plan(method="stamp"), soon())])
        with pytest.raises(ProbeError, match=r"ulimit -n"):
            engine.add([(plan(), soon())])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    engine.close()
    assert not engine.busy


def test_abandoned_trains_count_what_was_sent_and_answered_so_far() -> None:
    engine = Engine()
    start_ns = soon()
    engine.add([(plan(packets=1000), start_ns), (plan("127.0.0.2"), start_ns + 60 * SECOND_NS)])
    engine.step(start_ns + 55_000_000)
    first, second = engine.abandon()
    engine.close()
    sent = int((first.status != Status.UNSENT).sum())
    assert 6 <= sent < 1000
    assert (first.status[:sent] == Status.RECEIVED).all()
    assert (second.status == Status.UNSENT).all()
    assert not engine.busy
    assert engine.next_due_ns is None


def test_the_phase_and_spacing_of_a_train_are_kept_packet_by_packet() -> None:
    engine = Engine()
    start_ns = soon()
    offset_ns = time.time_ns() - time.monotonic_ns()
    (samples,) = engine.run([(plan(packets=30, spacing_ns=7_000_000), start_ns)])
    engine.close()
    due_ns = start_ns + offset_ns + np.arange(30) * 7_000_000
    assert abs(samples.start_ns - due_ns[0]) < 1_000_000
    assert (samples.tx_ns > due_ns - 1_000_000).all()
    assert np.allclose(samples.tx_ns - samples.lateness_ns, due_ns, atol=1_000_000)


def test_trains_added_while_others_are_out_are_all_sent() -> None:
    engine = Engine()
    done: list[TrainSamples] = []
    plans = [plan(f"127.0.0.{n + 1}", packets=3 + n % 4) for n in range(40)]
    for one in plans:
        engine.add([(one, soon())])
        done += engine.step(time.monotonic_ns() + 3_000_000)
    while engine.busy:
        done += engine.step(time.monotonic_ns() + SECOND_NS)
    answered = engine.answered
    engine.close()
    assert sorted(s.plan.address for s in done) == sorted(one.address for one in plans)
    assert all((s.status == Status.RECEIVED).all() for s in done)
    assert engine.sent == sum(one.packets for one in plans) == answered
