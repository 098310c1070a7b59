"""The forwarder's rules, with a scripted server and clock; real ones: test_forwarder_real."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from timeseries import forwarder as forwarder_module
from timeseries import forwarding
from timeseries.forwarder import (
    BACKOFF_MOST_S,
    BATCH_RECORDS,
    LINGER_S,
    REPLAY_FROM,
    Forwarder,
)
from timeseries.influx import Accepted, Answer, Refused, TooLarge, Unwilling
from timeseries.records import PlanRecord, Record
from timeseries.rollup import rollup
from timeseries.spool import Spool

PLAN = PlanRecord("roma", "p", 0, True, 60_000_000_000, 10, None)
DAY_NS = 86_400 * 10**9


def plans(first: int, count: int) -> list[Record]:
    return [replace(PLAN, start_ns=number) for number in range(first, first + count)]


@dataclass
class Server:
    """Keeps lines by their time stamp; answers from a script first."""

    script: deque[Answer] = field(default_factory=deque)
    down: bool = False
    bad: set[int] = field(default_factory=set)
    most_octets: int = 10**9
    kept: dict[int, int] = field(default_factory=dict)
    """Time stamp -> how often it came."""
    order: list[int] = field(default_factory=list)
    requests: int = 0

    def write(self, body: bytes) -> Answer:
        self.requests += 1
        if self.down:
            return Unwilling("no connection")
        if self.script:
            return self.script.popleft()
        if len(body) > self.most_octets:
            return TooLarge("too large")
        stamps = [int(line.rsplit(b" ", 1)[1]) for line in body.split(b"\n")]
        for stamp in stamps:
            if stamp not in self.bad:
                self.kept[stamp] = self.kept.get(stamp, 0) + 1
                self.order.append(stamp)
        return Refused(400, "field type conflict") if self.bad & {*stamps} else Accepted()


@dataclass
class Desk:
    """A spool, a server, a clock that only moves when told, and a forwarder between them."""

    spool: Spool
    server: Server = field(default_factory=Server)
    now: float = 1_000.0
    utc_ns: int = DAY_NS * 20_000

    def forwarder(self, **words: float) -> Forwarder:
        return Forwarder(
            self.spool, self.server.write, monotonic=lambda: self.now,
            utc_ns=lambda: self.utc_ns, random=Random(1), **words,  # type: ignore[arg-type]
        )  # fmt: skip

    def run(self, forwarder: Forwarder, seconds: float) -> None:
        """Step as often as the forwarder asks for it."""
        until = self.now + seconds
        while self.now < until:
            pause = forwarder.step()
            assert pause >= 0
            self.now += min(max(pause, 0.001), until - self.now)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Spool(tmp_path / "spool.sqlite") as spool:
        yield Desk(spool)


def test_records_arrive_in_order_and_leave_the_spool(desk: Desk) -> None:
    forwarder = desk.forwarder()
    desk.spool.append(plans(0, 10))
    desk.run(forwarder, 2 * LINGER_S)
    assert desk.server.order == list(range(10))
    assert desk.server.requests == 1
    assert (forwarder.state.depth, desk.spool.read(0, 10)) == (0, [])
    assert forwarder.state.last_success_ns == desk.utc_ns


def test_a_full_batch_does_not_wait_for_more(desk: Desk) -> None:
    forwarder = desk.forwarder()
    desk.spool.append(plans(0, BATCH_RECORDS + 1))
    assert forwarder.step() == 0
    assert len(desk.server.kept) == BATCH_RECORDS
    assert 0 < forwarder.step() <= LINGER_S


def test_a_server_that_is_down_gets_everything_later_and_is_asked_ever_less(desk: Desk) -> None:
    desk.server.down = True
    forwarder = desk.forwarder()
    desk.spool.append(plans(0, 10))
    desk.run(forwarder, 3_600)
    asked = desk.server.requests
    assert 3_600 / BACKOFF_MOST_S <= asked <= 40
    assert forwarder.state.last_error == "no connection"
    assert forwarder.state.depth == 10
    desk.server.down = False
    desk.run(forwarder, BACKOFF_MOST_S)
    assert desk.server.order == list(range(10))
    assert forwarder.state.last_error == ""


def test_the_pause_that_a_server_asks_for_is_kept(desk: Desk) -> None:
    desk.server.script.append(Unwilling("busy", 77.0))
    forwarder = desk.forwarder()
    desk.spool.append(plans(0, 3))
    desk.run(forwarder, LINGER_S + 76)
    assert desk.server.requests == 1
    desk.run(forwarder, 3)
    assert desk.server.kept == {0: 1, 1: 1, 2: 1}


def test_one_bad_line_is_found_and_set_aside_with_the_servers_words(desk: Desk) -> None:
    desk.server.bad = {1_234}
    forwarder = desk.forwarder()
    desk.spool.append(plans(0, 2_000))
    desk.run(forwarder, 2 * LINGER_S)
    assert set(desk.server.kept) == set(range(2_000)) - {1_234}
    assert desk.server.requests < 30
    (letter,) = forwarding.dead_letters(desk.spool, "influxdb")
    assert (letter.record.start_ns, letter.words) == (1_234, "400: field type conflict")
    assert (forwarder.state.dead_letters, forwarder.state.depth) == (1, 0)


def test_a_body_that_is_too_large_is_halved_and_later_ones_are_small(desk: Desk) -> None:
    desk.server.most_octets = 20_000
    forwarder = desk.forwarder()
    desk.spool.append(plans(0, 3_000))
    desk.run(forwarder, 4 * LINGER_S)
    assert desk.server.order == list(range(3_000))
    before = desk.server.requests
    desk.spool.append(plans(3_000, 100))
    desk.run(forwarder, 2 * LINGER_S)
    assert desk.server.requests - before <= 2


def test_a_line_that_no_server_takes_is_set_aside_without_asking(desk: Desk) -> None:
    forwarder = desk.forwarder()
    desk.spool.append([replace(PLAN, path="two\nlines"), *plans(5, 1)])
    desk.run(forwarder, 2 * LINGER_S)
    assert desk.server.order == [5]
    (letter,) = forwarding.dead_letters(desk.spool, "influxdb")
    assert "cannot be a tag" in letter.words


def test_a_backlog_is_replayed_in_order_at_its_rate_while_new_records_go_on(desk: Desk) -> None:
    desk.server.down = True
    forwarder = desk.forwarder(replay_rate=1_000.0)
    backlog = REPLAY_FROM + 30_000
    desk.spool.append(plans(0, backlog))
    desk.run(forwarder, 600)
    desk.server.down = False
    while not desk.server.order:
        desk.run(forwarder, 1.0)
    begun = desk.now
    fresh = backlog
    while desk.server.order.count(backlog - 1) == 0:
        assert desk.now - begun < 60
        desk.spool.append(plans(fresh, 10))
        fresh += 10
        desk.run(forwarder, 1.0)
    old = [stamp for stamp in desk.server.order if stamp < backlog]
    new = [stamp for stamp in desk.server.order if stamp >= backlog]
    assert old == list(range(backlog))
    assert new == sorted(new)
    # Some of the new ones overtook the backlog.
    assert desk.server.order.index(new[0]) < desk.server.order.index(backlog - 1)
    desk.run(forwarder, 3 * LINGER_S)
    assert forwarder.state.depth == forwarder.state.replaying == 0
    assert set(desk.server.kept.values()) == {1}
    assert desk.spool.read(0, 10) == []


def test_the_rate_of_a_replay_is_kept(desk: Desk) -> None:
    desk.spool.append(plans(0, 3 * REPLAY_FROM))
    forwarder = desk.forwarder(replay_rate=2_000.0)
    begun = desk.now
    while forwarder.state.depth:
        desk.run(forwarder, 1.0)
    # The first batches may go at once; the rest takes its time.
    assert desk.now - begun >= (3 * REPLAY_FROM - 2 * BATCH_RECORDS) / 2_000 - 1


def test_a_replay_goes_on_where_another_forwarder_left_it(desk: Desk) -> None:
    forwarder = desk.forwarder(replay_rate=1_000.0)
    desk.spool.append(plans(0, REPLAY_FROM + 10_000))
    desk.run(forwarder, 12)
    assert forwarder.state.replaying
    again = desk.forwarder(replay_rate=1_000.0)
    desk.run(again, 60)
    assert set(desk.server.kept) == set(range(REPLAY_FROM + 10_000))
    assert set(desk.server.kept.values()) == {1}


def test_what_is_too_old_is_given_up_only_where_another_store_has_it(desk: Desk) -> None:
    desk.server.down = True
    desk.spool.register("embedded")
    forwarder = desk.forwarder(age_limit_ns=10 * DAY_NS)
    old, new = desk.utc_ns - 11 * DAY_NS, desk.utc_ns - 9 * DAY_NS
    records = [replace(rollup([], [], 0, "p"), start_ns=at) for at in (old, new)]
    last = desk.spool.append([*records, replace(PLAN, start_ns=old)])
    desk.run(forwarder, 2 * forwarder_module.AGE_EVERY_S)
    assert len(desk.spool.read(0, 10)) == 3
    desk.spool.advance("embedded", last)
    desk.run(forwarder, 2 * forwarder_module.AGE_EVERY_S)
    assert [one.record.start_ns for one in desk.spool.read(0, 10)] == [new, old]
    assert desk.spool.dropped == {"rollups by age": 1}


def test_records_of_the_future_block_nothing(desk: Desk) -> None:
    forwarder = desk.forwarder(age_limit_ns=10 * DAY_NS)
    desk.spool.append(plans(desk.utc_ns + 1_000 * DAY_NS, 1))
    desk.spool.append(plans(desk.utc_ns, 2))
    desk.run(forwarder, 2 * LINGER_S)
    assert len(desk.server.kept) == 3
    assert forwarder.state.depth == 0
