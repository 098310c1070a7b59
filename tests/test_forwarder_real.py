"""The forwarder against real servers: whatever they answer, nothing is lost and nothing is twice.

The server and the network are real; the forwarder's clock jumps over its pauses. What is there is
counted at the server, by identity.
"""

from __future__ import annotations

import email.utils
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from timeseries import forwarding
from timeseries.forwarder import INFLUXDB, Forwarder
from timeseries.influx import (
    Accepted,
    Answer,
    InfluxTarget,
    InfluxWriter,
    Refused,
    TooLarge,
    Unwilling,
)
from timeseries.records import DelayFigures, PlanRecord, Record, SampleRecord, TrainRecord
from timeseries.spool import Spool

T0 = 20_400 * 86_400 * 10**9
DAY_NS = 86_400 * 10**9
MINUTE_NS = 60 * 10**9
RTT = DelayFigures(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 9, ((5, 4), (7, 5)))
TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", T0, 10, 10, 9, 1, 0, 0,
    0, 0, 0, 300_000_000, "rtt", RTT, None, None, None, False, None, None, True, (), (), 10, 9, 0,
    0, 0, 0, True, 1, (), (),
)  # fmt: skip


def trains(numbers: range, path: str = "p", **changes: Any) -> list[TrainRecord]:
    return [
        replace(TRAIN, path=path, start_ns=T0 + number * MINUTE_NS, **changes) for number in numbers
    ]


def identities(records: list[TrainRecord]) -> list[tuple[str, str, int]]:
    return sorted((one.agent, one.path, one.start_ns) for one in records)


class Sent(NamedTuple):
    """One body that the forwarder sent."""

    at_s: float
    """By the forwarder's clock."""
    starts_ns: list[int]
    answer: Answer


class Drive:
    """A forwarder, and a clock that goes on by what it wants to wait."""

    def __init__(self, spool: Spool, target: InfluxTarget, **options: Any) -> None:
        self.spool = spool
        self.now_s = 0.0
        self.sent: list[Sent] = []
        self.writer = InfluxWriter(target)
        self.forwarder = Forwarder(
            spool, self._write, monotonic=lambda: self.now_s, random=random.Random(3), **options
        )

    def _write(self, body: bytes) -> Answer:
        answer = self.writer.write(body)
        starts = [int(line.rpartition(b" ")[2]) for line in body.split(b"\n")]
        self.sent.append(Sent(self.now_s, starts, answer))
        return answer

    def step(self) -> None:
        self.now_s += self.forwarder.step()

    def until(self, so: Callable[[], bool], most: int = 500) -> None:
        for _ in range(most):
            if so():
                return
            self.step()
        raise AssertionError(f"not after {most} steps: {self.forwarder.state}")

    def until_all_sent(self, most: int = 500) -> None:
        self.until(lambda: self.forwarder.state.depth == 0, most)

    @property
    def dead_letters(self) -> list[forwarding.DeadLetter]:
        return forwarding.dead_letters(self.spool, INFLUXDB)

    @property
    def pauses_s(self) -> list[float]:
        """Between one body and the next."""
        return [b.at_s - a.at_s for a, b in itertools.pairwise(self.sent)]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "data" / "spool.sqlite") as opened:
        yield opened


@pytest.fixture
def target(influx: Any) -> InfluxTarget:
    return InfluxTarget(influx.url, influx.database, token=influx.token)


@pytest.fixture
def driven(spool: Spool, target: InfluxTarget) -> Iterator[Callable[..., Drive]]:
    """Makes drives; without a target of its own it goes to the server of the test."""
    with ExitStack() as stack:

        def make(to: InfluxTarget = target, **options: Any) -> Drive:
            drive = Drive(spool, to, **options)
            stack.callback(drive.writer.close)
            return drive

        yield make


def test_every_kind_arrives_once_and_leaves_the_spool(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    some: list[Record] = [PlanRecord("roma", "p", T0, True, MINUTE_NS, 10, None)]
    for train in trains(range(300)):
        sample = SampleRecord("roma", "p", train.start_ns, (2,), (1,), (2,), (2,), (2,), (0,), (0,))
        some += [train, sample]
    spool.append(some)
    drive = driven()
    drive.until_all_sent()
    assert [influx.count(kind) for kind in ("trains", "samples", "plans")] == [300, 300, 1]
    assert {one.encoding for one in influx.writes} == {"gzip"}
    assert spool.read(0, 10) == []
    state = drive.forwarder.state
    assert (state.depth, state.oldest_ns, state.last_error, state.dead_letters) == (0, None, "", 0)
    assert state.last_success_ns is not None


TROUBLES: dict[str, tuple[Callable[[Any], None], str]] = {
    "401": (lambda influx: influx.answer(401, times=3), "token"),
    "403": (lambda influx: influx.answer(403, times=3), "token"),
    "404": (lambda influx: influx.answer(404, times=3), "not found"),
    "429": (lambda influx: influx.answer(429, times=3), "429"),
    "500": (lambda influx: influx.answer(500, times=3), "500"),
    "502": (lambda influx: influx.answer(502, times=3), "502"),
    "503": (lambda influx: influx.answer(503, times=3), "503"),
    "a connection that is cut before": (lambda influx: influx.cut_before(3), ""),
    "a connection that is cut after it was stored": (lambda influx: influx.cut_after(3), ""),
    "a proxy that answers with a page": (lambda influx: influx.html(3), "no InfluxDB"),
    "first one, then another": (
        lambda influx: (
            influx.answer(503),
            influx.cut_after(),
            influx.html(),
            influx.answer(401),
            influx.cut_before(),
            influx.answer(413),
        ),
        "503",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_the_server_answers_nothing_is_lost_and_nothing_is_twice(
    influx: Any, spool: Spool, driven: Callable[..., Drive], trouble: str
) -> None:
    inject, words = TROUBLES[trouble]
    some = trains(range(600))
    spool.append(some[:400])
    drive = driven()
    inject(influx)
    drive.until(lambda: bool(drive.sent))
    first = drive.sent[0].answer
    assert isinstance(first, Unwilling)
    error = drive.forwarder.state.last_error
    assert error == first.words
    assert influx.url in error
    assert words in error
    assert "\n" not in error
    spool.append(some[400:])
    drive.until_all_sent()
    assert not influx.faults
    assert influx.identities("trains") == identities(some)
    assert drive.dead_letters == []
    assert drive.forwarder.state.last_error == ""


def test_a_body_that_is_too_large_is_sent_in_parts(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    some = trains(range(500))
    spool.append(some)
    influx.proxy.largest_body = 40_000
    drive = driven()
    drive.until_all_sent()
    assert any(isinstance(one.answer, TooLarge) for one in drive.sent)
    assert influx.identities("trains") == identities(some)
    assert drive.dead_letters == []
    # It has learned: the next ones are not too large again.
    before = len(drive.sent)
    more = trains(range(500, 900))
    spool.append(more)
    drive.until_all_sent()
    assert all(isinstance(one.answer, Accepted) for one in drive.sent[before:])
    assert influx.identities("trains") == identities(some + more)


def test_a_body_that_is_full_by_its_size_waits_for_nothing(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    some = trains(range(6_000), flags=("many words " * 400,))
    for first in range(0, len(some), 1_000):
        spool.append(some[first : first + 1_000])
    drive = driven()
    drive.until_all_sent()
    assert len(drive.sent) >= 4
    assert max(drive.pauses_s[:-1]) == 0  # the last one is not full, and lingers
    assert influx.identities("trains") == identities(some)


def test_a_single_record_that_is_too_large_is_set_aside_and_blocks_nothing(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    some = trains(range(40))
    long = replace(TRAIN, path="long", flags=("many words " * 500,))
    spool.append([*some[:20], long, *some[20:]])
    influx.proxy.largest_body = 4_000
    drive = driven()
    drive.until_all_sent()
    assert influx.identities("trains") == identities(some)
    (letter,) = drive.dead_letters
    assert (letter.record.path, "too large" in letter.words) == ("long", True)


def test_the_server_says_when_to_come_again(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    some = trains(range(10))
    spool.append(some)
    soon = datetime.now(UTC) + timedelta(seconds=100)
    influx.answer(429, retry_after="40")
    influx.answer(503, retry_after=email.utils.format_datetime(soon, usegmt=True))
    influx.answer(503, retry_after="at tea time")
    drive = driven()
    drive.until_all_sent()
    seconds, date, nonsense = drive.pauses_s
    assert 40 <= seconds <= 45
    assert 60 <= date <= 105  # a slow machine may take its time until the answer is read
    assert nonsense < 40
    assert influx.identities("trains") == identities(some)


def test_pauses_grow_and_differ_and_end_with_the_trouble(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    spool.append(trains(range(10)))
    influx.answer(503, times=12)
    drive = driven()
    drive.until_all_sent()
    pauses = drive.pauses_s
    assert len(pauses) == 12
    assert pauses[0] <= 2
    assert pauses[5] > 4 * pauses[0]
    assert max(pauses) <= 300
    assert len(set(pauses)) == 12
    spool.append(trains(range(10, 20)))
    influx.answer(503)
    drive.until_all_sent()
    assert drive.pauses_s[-1] <= 2


def test_one_bad_line_in_five_thousand_is_set_aside_and_all_others_are_there(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    some = trains(range(4_999))
    # In the week of the bad one somebody else has stored `sent` as text.
    bad = replace(TRAIN, path="bad", start_ns=T0 - 60 * DAY_NS)
    influx.write_lines(b'trains sent="ten" %d' % (bad.start_ns + 1))
    spool.append([*some[:3_333], bad, *some[3_333:]])
    drive = driven()
    drive.until_all_sent()
    assert influx.identities("trains") == identities(some)
    (letter,) = drive.dead_letters
    assert (letter.record.path, letter.record.start_ns) == ("bad", bad.start_ns)
    assert "field type conflict" in letter.words
    assert '"sent"' in letter.words
    assert drive.forwarder.state.dead_letters == 1
    assert any(isinstance(one.answer, Refused) for one in drive.sent)
    assert len(drive.sent) < 40


def test_what_is_older_than_the_retention_policy_is_set_aside(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget
) -> None:
    influx.query(f'CREATE RETENTION POLICY "week" ON "{influx.database}" DURATION 7d REPLICATION 1')
    now_ns = time.time_ns()
    new = [replace(TRAIN, start_ns=now_ns - n * MINUTE_NS) for n in range(50)]
    old = replace(TRAIN, start_ns=now_ns - 30 * DAY_NS)
    spool.append([*new[:25], old, *new[25:]])
    drive = driven(replace(target, bucket=f"{influx.database}/week"))
    drive.until_all_sent()
    assert influx.identities("trains", "week") == identities(new)
    (letter,) = drive.dead_letters
    assert letter.record.start_ns == old.start_ns
    assert "beyond retention policy" in letter.words


def test_a_name_that_the_server_has_no_place_for_blocks_nothing(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    some = trains(range(20))
    odd = [replace(TRAIN, path="two\nlines"), replace(TRAIN, path="ends in \\")]
    spool.append([*some[:10], *odd, *some[10:]])
    drive = driven()
    drive.until_all_sent()
    assert influx.identities("trains") == identities(some)
    assert {one.record.path for one in drive.dead_letters} == {one.path for one in odd}


def test_records_of_a_clock_that_was_wrong_block_nothing(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    far = [replace(TRAIN, start_ns=time.time_ns() + years * 365 * DAY_NS) for years in range(1, 40)]
    last = replace(TRAIN, start_ns=2**63 - 2)
    beyond = replace(TRAIN, start_ns=2**63 - 1)  # InfluxDB's time ends one nanosecond before
    early = replace(TRAIN, start_ns=-5)
    right = trains(range(100))
    spool.append([*far, last, beyond, early])
    spool.append(right)
    drive = driven()
    drive.until_all_sent()
    more = trains(range(100, 120))
    spool.append(more)
    drive.until_all_sent()
    assert influx.identities("trains") == identities([*far, last, early, *right, *more])
    assert [one.record.start_ns for one in drive.dead_letters] == [beyond.start_ns]


def test_after_an_outage_the_backlog_is_replayed_in_order_beside_what_is_new(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    paths, rate = 200, 1_000.0
    old: list[TrainRecord] = []
    influx.stop()
    drive = driven(replay_rate=rate)
    for minute in range(150):
        batch = [
            replace(TRAIN, path=f"p{n}", start_ns=T0 + minute * MINUTE_NS + n) for n in range(paths)
        ]
        spool.append(batch)
        old += batch
        if minute % 30 == 0:
            drive.step()
    assert drive.forwarder.state.depth == len(old)
    assert influx.url in drive.forwarder.state.last_error
    influx.start()
    drive.until(lambda: drive.forwarder.state.last_error == "")

    new: list[TrainRecord] = []
    replayed = False
    for turn in range(2_000):
        drive.step()
        state = drive.forwarder.state
        replayed = replayed or state.replaying > 0
        if state.depth == 0:
            break
        if state.replaying and turn % 3 == 0:
            batch = trains(range(1_000 + len(new), 1_020 + len(new)), "new")
            spool.append(batch)
            new += batch
        if turn == 2:  # the agent ends in the middle and is started again
            before, drive = drive, driven(replay_rate=rate)
            drive.now_s, drive.sent = before.now_s, before.sent
    assert replayed
    assert influx.identities("trains") == identities(old + new)
    assert drive.dead_letters == []

    taken = [one for one in drive.sent if isinstance(one.answer, Accepted)]
    until_ns = old[-1].start_ns
    of_old = [one for one in taken if one.starts_ns[0] <= until_ns]
    starts = [start for one in of_old for start in one.starts_ns]
    assert starts == sorted(starts)
    first_new = next(k for k, one in enumerate(taken) if one.starts_ns[0] > until_ns)
    assert taken.index(of_old[-1]) > first_new
    # The first body is what found the server well again; a restart sends one without a pause; at
    # either begin the forwarder may be a second ahead.
    paced = sum(len(one.starts_ns) for one in of_old[1:-1]) - max(len(o.starts_ns) for o in of_old)
    assert of_old[-1].at_s - of_old[1].at_s >= paced / rate - 2.0


def test_a_server_that_is_killed_in_the_middle_of_a_write_gets_everything_once(
    influx: Any, spool: Spool, driven: Callable[..., Drive]
) -> None:
    chance = random.Random(11)
    drive = driven()
    written: list[TrainRecord] = []
    for share in (0.0, 0.4, 0.9, 1.0, 1.0):
        batch = trains(range(len(written), len(written) + 700))
        spool.append(batch)
        written += batch
        influx.kill_in_write(share, chance.uniform(0.0, 0.05))
        drive.until(lambda: not influx.alive)
        assert isinstance(drive.sent[-1].answer, Unwilling)
        influx.start()
        drive.until_all_sent()
    assert influx.identities("trains") == identities(written)


@pytest.mark.soak
def test_a_server_that_is_killed_at_random_moments_gets_everything_once(
    influx: Any, spool: Spool, driven: Callable[..., Drive], soak: bool
) -> None:
    chance = random.Random(20_261_122)
    drive = driven()
    written: list[TrainRecord] = []
    for _ in range(50 if soak else 5):
        killer = threading.Timer(chance.uniform(0.0, 0.6), influx.kill)
        killer.start()
        while killer.is_alive() or influx.alive:
            batch = trains(range(len(written), len(written) + chance.randrange(1, 400)))
            spool.append(batch)
            written += batch
            for _ in range(3):
                drive.step()
        killer.join()
        influx.start()
    drive.until_all_sent(5_000)
    assert influx.identities("trains") == identities(written)
    assert drive.dead_letters == []


def test_an_answer_that_comes_too_late_is_asked_for_again(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget
) -> None:
    some = trains(range(100))
    spool.append(some)
    influx.slow(1.0)
    drive = driven(replace(target, timeout_s=0.3))
    drive.until(lambda: bool(drive.sent))
    assert isinstance(drive.sent[0].answer, Unwilling)
    drive.until_all_sent()
    deadline = time.monotonic() + 60
    while len(influx.writes) < len(drive.sent):  # the late one arrives as well
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert influx.identities("trains") == identities(some)


def test_a_wrong_token_is_named_and_waits_for_the_right_one(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget
) -> None:
    some = trains(range(100))
    spool.append(some)
    wrong = driven(replace(target, token="a-secret-that-is-wrong"))
    for _ in range(5):
        wrong.step()
    error = wrong.forwarder.state.last_error
    assert influx.url in error
    assert "token" in error
    assert "a-secret" not in error
    assert wrong.forwarder.state.depth == 100
    driven().until_all_sent()
    assert influx.identities("trains") == identities(some)


def test_an_unknown_bucket_is_named_and_waits_until_there_is_one(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget
) -> None:
    some = trains(range(100))
    spool.append(some)
    drive = driven(replace(target, bucket="not-yet"))
    for _ in range(5):
        drive.step()
    error = drive.forwarder.state.last_error
    assert "not-yet" in error
    assert "database not found" in error
    influx.create("not-yet")
    drive.until_all_sent()
    assert influx.count("trains", "not-yet") == 100


def test_an_http_proxy_is_used_where_one_is_configured(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget
) -> None:
    some = trains(range(10))
    spool.append(some)
    driven(replace(target, url="http://influx.invalid:8086", proxy=influx.url)).until_all_sent()
    assert influx.identities("trains") == identities(some)


def test_tls_is_checked_unless_one_says_otherwise(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget,
    certificates: Any,
) -> None:  # fmt: skip
    some = trains(range(30))
    with influx.over_tls(*certificates.signed("server")) as url:
        spool.append(some[:10])
        unknown = driven(replace(target, url=url))
        unknown.until(lambda: bool(unknown.sent))
        assert isinstance(unknown.sent[0].answer, Unwilling)
        assert url in unknown.forwarder.state.last_error
        assert "certificate" in unknown.forwarder.state.last_error
        known = driven(replace(target, url=url, ca_file=certificates.authority))
        known.until_all_sent()
        spool.append(some[10:])
        driven(replace(target, url=url, verify=False)).until_all_sent()
    assert influx.identities("trains") == identities(some)


def test_an_expired_certificate_is_named(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget,
    certificates: Any,
) -> None:  # fmt: skip
    spool.append(trains(range(10)))
    with influx.over_tls(*certificates.signed("old", days=(-30, -1))) as url:
        drive = driven(replace(target, url=url, ca_file=certificates.authority))
        for _ in range(4):
            drive.step()
    assert url in drive.forwarder.state.last_error
    assert "expired" in drive.forwarder.state.last_error
    assert drive.forwarder.state.depth == 10
    assert influx.count("trains") == 0


def test_a_client_certificate_is_shown_where_one_is_configured(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget,
    certificates: Any,
) -> None:  # fmt: skip
    spool.append(trains(range(10)))
    server, (mine, my_key) = certificates.signed("server"), certificates.signed("client")
    with influx.over_tls(*server, client_ca=certificates.authority) as url:
        to = replace(target, url=url, ca_file=certificates.authority)
        without = driven(to)
        without.until(lambda: bool(without.sent))
        assert isinstance(without.sent[0].answer, Unwilling)
        driven(replace(to, client_cert=mine, client_key=my_key)).until_all_sent()
    assert influx.count("trains") == 10


def test_a_file_that_is_missing_is_named_and_nothing_is_lost(
    influx: Any, spool: Spool, driven: Callable[..., Drive], target: InfluxTarget,
    certificates: Any, tmp_path: Path,
) -> None:  # fmt: skip
    spool.append(trains(range(10)))
    with influx.over_tls(*certificates.signed("server")) as url:
        drive = driven(replace(target, url=url, ca_file=tmp_path / "nowhere.pem"))
        drive.until(lambda: bool(drive.sent))
    assert isinstance(drive.sent[0].answer, Unwilling)
    assert drive.forwarder.state.depth == 10


def test_victoria_metrics_takes_the_v2_write_path_as_it_is(victoria: Any, spool: Spool) -> None:
    some = [replace(one, sent=number) for number, one in enumerate(trains(range(300)))]
    spool.append(some)
    drive = Drive(spool, InfluxTarget(victoria.url, "pasprobe", token="any"))
    drive.until_all_sent()
    drive.writer.close()
    assert all(isinstance(one.answer, Accepted) for one in drive.sent)
    expected = {one.start_ns // 1_000_000: one.sent for one in some}
    deadline, found = time.monotonic() + 60, {}
    while found != expected and time.monotonic() < deadline:
        series = victoria.export('{__name__="trains_sent"}')
        found = {
            at: value
            for one in series
            for at, value in zip(one["timestamps"], one["values"], strict=True)
        }
        time.sleep(0.2)
    assert found == expected
    (one,) = series
    assert (one["metric"]["agent"], one["metric"]["path"]) == ("roma", "p")
