"""From slots to orders to records, with a clock that the test turns and an engine that obeys it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from agent.daemon.assignments import Assignment, Judgement
from agent.daemon.dispatcher import LOOKAHEAD_NS, OVERRUNS_A_TICK, Dispatcher
from agent.daemon.engine_link import Abandoned, Beat, Finished, Order, Refused
from agent.daemon.resolver import Resolver
from agent.daemon.timeline import Moment
from agent.kernel.clock import clock_state
from agent.samples import Status, TrainPlan, TrainSamples
from agent.summary import TrainContext
from timeseries.records import PlanRecord, Record, SampleRecord, TrainRecord
from timeseries.rollup import planned_trains

S = 1_000_000_000
UTC0 = 1_300_000_000 * S


class Turned:
    """The three clocks, turned by hand."""

    def __init__(self) -> None:
        self.boot_ns = 1_000 * S
        self.monotonic_offset_ns = 0
        self.utc_offset_ns = UTC0

    def now(self) -> Moment:
        return Moment(self.boot_ns, self.monotonic_offset_ns, self.utc_offset_ns)


class Obedient:
    """An engine without a network: what it is told, and replies when the test says so."""

    def __init__(self) -> None:
        self.ready = True
        self.orders: dict[int, Order] = {}
        self.cancelled: set[int] = set()
        self.hear: Callable[..., None] = lambda _: None

    def order(self, orders: Iterable[Order]) -> None:
        self.orders.update((order.token, order) for order in orders)

    def cancel(self, tokens: Iterable[int]) -> None:
        self.cancelled |= set(tokens)

    def abandon(self) -> None:
        for token in list(self.orders):
            self.finish(token, Status.LOST)
        self.hear(Abandoned())

    def finish(self, token: int, status: Status = Status.RECEIVED) -> None:
        plan = self.orders.pop(token).plan
        samples = TrainSamples.empty(plan, UTC0, clock_state())
        samples.status[:] = status
        samples.tx_ns[:], samples.rx_ns[:] = UTC0, UTC0 + 1_000
        self.hear(Finished(((token, samples),)))


class Desk:
    """A dispatcher with everything around it."""

    def __init__(self, lookup: Callable[[str], Sequence[str]] = lambda _: ["192.0.2.9"]) -> None:
        self.clock, self.engine, self.connector = Turned(), Obedient(), Obedient()
        self.records: list[Record] = []
        self.dispatcher = Dispatcher(
            self.engine, self.connector, Resolver(lookup, timeout_s=0.2), self.clock, self._put,
            lambda *_: None, random.Random(7),
        )  # fmt: skip
        self.engine.hear = self.connector.hear = self.dispatcher.on_message

    def _put(self, records: Iterable[Record]) -> None:
        self.records += records

    def of(self, kind: type[Record], path: str | None = None) -> list[Record]:
        return [r for r in self.records if type(r) is kind and path in (None, r.path)]

    def go(self, seconds: float, step_s: float = 0.25) -> None:
        """Let time pass in the daemon's ticks."""
        for _ in range(int(seconds / step_s)):
            self.clock.boot_ns += int(step_s * S)
            self.dispatcher.tick()


def path(name: str, every_s: int = 10, host: str = "192.0.2.1") -> Assignment:
    return Assignment(
        host=host,
        plan=TrainPlan(name, "icmp", "", 10, S // 10, 64, 3 * S),
        every_ns=every_s * S,
        context=TrainContext("agent", "pas", "ip-base", "", "", host, 300_000_000),
        judgement=Judgement(
            delay_share_percent=Decimal(95), loss_percent=Decimal(1), jitter_ns=None
        ),
    )


def paths(*all_of_them: Assignment) -> dict[str, Assignment]:
    return {one.plan.path: one for one in all_of_them}


def in_loop(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_a_train_is_ordered_a_second_ahead_and_at_its_slot() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a")))
    desk.go(60)
    starts = [order.start_ns for order in desk.engine.orders.values()]
    assert {b - a for a, b in pairwise(starts)} == {10 * S}
    assert desk.clock.boot_ns < starts[-1] + 10 * S <= desk.clock.boot_ns + LOOKAHEAD_NS + 10 * S


def test_the_plan_on_record_asks_for_exactly_the_trains_that_were_ordered() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a"), path("b", every_s=7)))
    desk.go(300)
    for name in "ab":
        plans = [plan for plan in desk.of(PlanRecord, name) if isinstance(plan, PlanRecord)]
        begun = [
            order
            for order in desk.engine.orders.values()
            if order.plan.path == name and order.start_ns < desk.clock.boot_ns
        ]
        assert planned_trains(plans, 0, UTC0 + desk.clock.boot_ns) == len(begun)


def check(name: str) -> Assignment:
    one = path(name, every_s=5)
    return replace(one, plan=replace(one.plan, method="tcp", packets=1, port=443))


def test_tcp_attempts_need_no_engine_and_outlive_it() -> None:
    desk = Desk()
    desk.engine.ready = False
    desk.dispatcher.apply(paths(check("c")))
    desk.go(12)
    assert desk.engine.orders == {}
    assert len(desk.connector.orders) >= 2
    desk.dispatcher.on_engine_death()
    assert desk.dispatcher.lost_with_engine == 0
    for token in list(desk.connector.orders):
        desk.connector.finish(token)
    trains = [one for one in desk.of(TrainRecord, "c") if isinstance(one, TrainRecord)]
    assert {(one.method, one.received) for one in trains} == {("tcp", 1)}


def test_slots_that_passed_while_the_process_slept_are_each_on_record() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a")))
    desk.go(30)
    ordered = len(desk.engine.orders)
    desk.clock.boot_ns += 3_600 * S
    desk.go(2)
    missed = [r for r in desk.of(TrainRecord) if isinstance(r, TrainRecord)]
    assert {record.reasons for record in missed} == {("missed-slot",)}
    assert all(not record.valid and record.sent == 0 for record in missed)
    later = len(desk.engine.orders) - ordered
    plan = desk.of(PlanRecord)[0]
    assert isinstance(plan, PlanRecord)
    until = UTC0 + desk.clock.boot_ns + LOOKAHEAD_NS
    assert planned_trains([plan], 0, until) in (
        ordered + len(missed) + later,
        ordered + len(missed) + later + 1,
    )
    assert len({record.start_ns for record in missed}) == len(missed)


def test_a_long_sleep_is_written_down_in_pieces_while_measuring_goes_on() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a", every_s=1)))
    desk.go(10)
    desk.clock.boot_ns += 2_000 * S
    before = len(desk.engine.orders)
    desk.go(0.25)
    assert len(desk.of(TrainRecord)) == OVERRUNS_A_TICK
    assert len(desk.engine.orders) > before
    desk.go(5)
    starts = sorted(record.start_ns for record in desk.of(TrainRecord))
    assert {b - a for a, b in pairwise(starts)} == {S}
    assert 1_990 <= len(starts) <= 2_000


def test_the_engine_is_told_the_time_of_its_own_clock_after_the_host_slept() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a")))
    desk.go(30)
    desk.clock.boot_ns += 500 * S
    desk.clock.monotonic_offset_ns -= 500 * S
    desk.engine.orders.clear()
    desk.go(20)
    monotonic_ns = desk.clock.boot_ns - 500 * S
    starts = [order.start_ns for order in desk.engine.orders.values()]
    assert starts
    assert all(abs(start - monotonic_ns) <= 30 * S for start in starts)


def test_a_step_of_the_wall_clock_states_the_plans_anew() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a"), path("b")))
    desk.go(30)
    desk.clock.utc_offset_ns += 5 * S
    desk.go(0.25)
    plans = [plan for plan in desk.of(PlanRecord, "a") if isinstance(plan, PlanRecord)]
    assert len(plans) == 2
    upcoming = UTC0 + 5 * S + max(o.start_ns for o in desk.engine.orders.values())
    names = {plan.start_ns + plan.phase_ns for plan in desk.of(PlanRecord) if plan.start_ns > 0}
    assert any(abs((upcoming - first) % (10 * S)) == 0 for first in names)


def test_a_changed_path_takes_back_what_has_not_begun_and_keeps_what_has() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a", every_s=1), path("b", every_s=1)))
    desk.go(10)
    begun = {t for t, o in desk.engine.orders.items() if o.start_ns <= desk.clock.boot_ns}
    changes = desk.dispatcher.apply(
        paths(path("a", every_s=1, host="192.0.2.7"), path("c", every_s=1))
    )
    assert (changes.added, changes.changed, changes.removed) == (("c",), ("a",), ("b",))
    assert desk.engine.cancelled
    assert not desk.engine.cancelled & begun
    assert all(
        desk.engine.orders[token].start_ns > desk.clock.boot_ns for token in desk.engine.cancelled
    )
    for token in begun:
        desk.engine.finish(token)
    assert len(desk.of(TrainRecord)) == len(begun)
    last = {plan.path: plan for plan in desk.of(PlanRecord) if isinstance(plan, PlanRecord)}
    assert {name: plan.active for name, plan in last.items()} == {"a": True, "b": False, "c": True}
    assert last["a"].target == "192.0.2.7"


def test_an_unchanged_path_is_not_touched_by_a_reload() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a")))
    desk.go(20)
    desk.records.clear()
    desk.dispatcher.apply(paths(path("a")))
    assert desk.records == []
    assert desk.engine.cancelled == set()


def test_a_name_that_never_resolved_makes_records_that_say_so() -> None:
    def nobody(host: str) -> Sequence[str]:
        raise OSError(2, f"{host}: name or service not known")

    async def work() -> None:
        desk = Desk(nobody)
        desk.dispatcher.apply(paths(path("a", every_s=1, host="border.example")))
        desk.go(1)
        while not desk.of(TrainRecord):
            await asyncio.sleep(0.01)
        record = desk.of(TrainRecord)[0]
        assert isinstance(record, TrainRecord)
        assert (record.reasons, record.sent, record.address) == (("unresolved",), 0, "")
        assert desk.engine.orders == {}

    in_loop(work)


def test_a_kept_address_is_measured_and_flagged() -> None:
    answers = [["192.0.2.9"]]

    def once(_: str) -> Sequence[str]:
        if answers:
            return answers.pop()
        raise OSError(2, "name or service not known")

    async def work() -> None:
        desk = Desk(once)
        desk.dispatcher.apply(paths(path("a", every_s=1, host="border.example")))
        for _ in range(40):
            desk.go(0.25)
            await asyncio.sleep(0.02)
        tokens = sorted(desk.engine.orders)
        assert {desk.engine.orders[token].plan.address for token in tokens} == {"192.0.2.9"}
        for token in tokens:
            desk.engine.finish(token)
        records = [r for r in desk.of(TrainRecord) if isinstance(r, TrainRecord)]
        flagged = ["address-kept" in record.flags for record in records]
        assert not flagged[0]
        assert flagged[-1]
        assert all(record.valid for record in records)

    in_loop(work)


def test_what_was_out_with_a_dead_engine_is_gone_and_what_was_to_come_goes_to_the_next() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a", every_s=1)))
    desk.go(10)
    begun = {t for t, o in desk.engine.orders.items() if o.start_ns <= desk.clock.boot_ns}
    to_come = set(desk.engine.orders) - begun
    desk.engine.ready = False
    desk.engine.orders.clear()
    desk.dispatcher.on_engine_death()
    assert desk.dispatcher.lost_with_engine == len(begun)
    desk.go(1)
    desk.engine.ready = True
    desk.dispatcher.on_message(Beat(1, 0, False, {}))
    assert to_come & set(desk.engine.orders)
    assert all(order.start_ns >= desk.clock.boot_ns for order in desk.engine.orders.values())
    missed = [r for r in desk.of(TrainRecord) if isinstance(r, TrainRecord)]
    assert {record.reasons for record in missed} == {("missed-slot",)}
    assert len(missed) == len(to_come - set(desk.engine.orders))


def test_a_refused_train_is_a_record_of_send_errors() -> None:
    desk = Desk()
    desk.dispatcher.apply(paths(path("a", every_s=1)))
    desk.go(2)
    token = min(desk.engine.orders)
    desk.dispatcher.on_message(Refused(token, "no raw socket"))
    record = desk.of(TrainRecord)[0]
    assert isinstance(record, TrainRecord)
    assert (record.reasons, record.sent) == (("send-errors",), 0)


def test_at_the_end_whole_trains_are_kept_and_cut_ones_are_no_records() -> None:
    async def work() -> None:
        desk = Desk()
        slow = replace(path("slow", every_s=60), plan=replace(path("slow").plan, timeout_ns=55 * S))
        desk.dispatcher.apply(paths(path("a", every_s=1), slow))
        desk.go(70)
        for token, order in list(desk.engine.orders.items()):
            if order.plan.path == "a" and order.start_ns < desk.clock.boot_ns:
                desk.engine.finish(token)
        whole = len(desk.of(TrainRecord))
        assert whole
        await desk.dispatcher.stop(0.2, answer_s=0.2)
        assert len(desk.of(TrainRecord)) == len(desk.of(SampleRecord)) == whole
        assert desk.dispatcher.abandoned >= 1
        last = {plan.path: plan for plan in desk.of(PlanRecord) if isinstance(plan, PlanRecord)}
        assert not any(plan.active for plan in last.values())

    in_loop(work)


@pytest.mark.parametrize("seed", range(3))
def test_paths_do_not_start_in_step(seed: int) -> None:
    desk = Desk()
    desk.dispatcher._rng = random.Random(seed)  # noqa: SLF001
    desk.dispatcher.apply(paths(*(path(f"p{n}", every_s=60) for n in range(200))))
    desk.go(66)
    starts = [order.start_ns % (60 * S) // S for order in desk.engine.orders.values()]
    assert len(set(starts)) > 50
