"""The same measurements from either store: what the embedded reader says, the InfluxDB reader says.

Records go into one spool; from there the embedded store takes them and the forwarder brings them to
a real influxd.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent.samples import ClockState, IcmpError, StampSource, Status, TrainPlan, TrainSamples
from agent.summary import TrainContext, sample_record, summarise
from timeseries.codec import flatten
from timeseries.embedded import EmbeddedStore
from timeseries.errors import SchemaError, StoreError
from timeseries.forwarder import Forwarder
from timeseries.influx import Accepted, InfluxTarget, InfluxWriter
from timeseries.influx_reader import InfluxReader
from timeseries.line_protocol import line
from timeseries.reader import EmbeddedReader, Reader
from timeseries.records import DelayFigures, PlanRecord, Record, SampleRecord, TrainRecord
from timeseries.rollup import QUARTER_NS, rollup
from timeseries.spool import Spool

DAY_NS = 86_400 * 10**9
MINUTE_NS = 60 * 10**9
T0 = 20_400 * DAY_NS
PACKETS = 10
PATHS = ("roma-01/ip-base", "roma-01/voip, one way", "milano=1", "napoli's path, è")
LIMITS_NS = (300_000_000, 150_000_000, None, 25_000_000)


def target_of(influx: Any) -> InfluxTarget:
    return InfluxTarget(influx.url, influx.database, token=influx.token)


@dataclass
class Both:
    """One agent's records in both stores."""

    folder: Path
    spool: Spool
    store: EmbeddedStore
    influx: Any

    def put(self, records: Iterable[Record], *, flush: bool = True) -> None:
        self.spool.append(list(records))
        self.forward()
        if flush:
            self.store.flush()

    def forward(self) -> None:
        """Everything to the server, by a clock that jumps over the pauses."""
        now_s = 0.0
        writer = InfluxWriter(target_of(self.influx))
        forwarder = Forwarder(self.spool, writer.write, monotonic=lambda: now_s)
        for _ in range(200):
            if forwarder.state.depth == 0:
                break
            now_s += forwarder.step()
        state = forwarder.state
        writer.close()
        assert (state.depth, state.dead_letters, state.last_error) == (0, 0, "")

    def roll_up(self) -> None:
        self.store.roll_up(T0 + 400 * DAY_NS)
        self.forward()

    @property
    def readers(self) -> tuple[Reader, Reader]:
        return EmbeddedReader(self.folder, threads=1), InfluxReader(target_of(self.influx))


@pytest.fixture
def both(influx: Any, tmp_path: Path) -> Iterator[Both]:
    folder = tmp_path / "data"
    with Spool(folder / "spool.sqlite") as spool:
        yield Both(folder, spool, EmbeddedStore(folder, spool), influx)


def measured(number: int, path: int, chance: np.random.Generator) -> list[Record]:
    """A train and its samples as the agent makes them; every now and then something is wrong."""
    start_ns = T0 + number * MINUTE_NS + path * 1_234_567
    plan = TrainPlan(PATHS[path], "icmp", "192.0.2.1", PACKETS, 100_000_000, 64, 3 * 10**9)
    samples = TrainSamples.empty(plan, start_ns, ClockState(True, 1_500))
    share = 0.0 if number % 37 == 5 else 0.9
    samples.status[:] = np.where(chance.random(PACKETS) < share, Status.RECEIVED, Status.LOST)
    if number % 11 == 3:
        samples.status[4] = Status.LATE
    samples.tx_ns[:] = start_ns + np.arange(PACKETS) * 100_000_000
    back = samples.tx_ns + chance.integers(5_000_000, 400_000_000, PACKETS)
    samples.rx_ns[:] = np.where(samples.status >= Status.RECEIVED, back, 0)
    samples.tx_source[:] = StampSource.KERNEL
    samples.rx_source[:] = np.where(samples.rx_ns > 0, StampSource.KERNEL, StampSource.NONE)
    samples.duplicates = number % 3
    if number % 29 == 7:
        samples.local_drops = 4
    if number % 17 == 2:
        samples.icmp_errors = (IcmpError(4, 3, 1, "192.0.2.9", 2),)
    if number % 23 == 9:
        samples.send_errors = {"ENOBUFS": 1, "EPERM": 2}
    agent = "milano" if path == 2 else "roma"
    context = TrainContext(agent, "roma-01", "ip-base", "", "qxn", "host, of ours", LIMITS_NS[path])
    train = summarise(samples, context)
    if path == 1:  # one way: as a STAMP train would be
        train = replace(
            train, limit_on="one-way", forward=train.rtt, backward=train.rtt,
            one_way_error_ns=900, one_way_judged=number % 5 > 0, lost_forward=1, peer="milano-01",
        )  # fmt: skip
    return [train, sample_record(samples, agent)]


def plans() -> list[Record]:
    return [
        PlanRecord(
            "milano" if k == 2 else "roma", path, T0, True, MINUTE_NS, PACKETS, LIMITS_NS[k],
            "roma-01", "ip-base", target="host, of ours", phase_ns=k * 1_234_567, method="icmp",
        )
        for k, path in enumerate(PATHS)
    ]  # fmt: skip


def some_hours(minutes: int) -> list[Record]:
    chance = np.random.default_rng(7)
    found = plans()
    for number in range(minutes):
        for path in range(len(PATHS)):
            found += measured(number, path, chance)
    return found


def by_identity(records: Iterable[Any]) -> list[Any]:
    found = list(records)
    starts = [record.start_ns for record in found]
    assert starts == sorted(starts)  # records come by start time
    return sorted(found, key=lambda record: (record.start_ns, record.agent, record.path))


def assert_same(
    a: Reader, b: Reader, path: Any = None, from_ns: int = 0, to_ns: int = 2**62
) -> int:
    """Both readers give the same records; returns how many."""
    total = 0
    for kind in ("trains", "samples", "plans", "rollups"):
        of_a = by_identity(getattr(a, kind)(path, from_ns, to_ns))
        assert by_identity(getattr(b, kind)(path, from_ns, to_ns)) == of_a, kind
        total += len(of_a)
    return total


def shares(
    rows: Iterable[Any], received: Callable[[Any], int], within: Callable[[Any], int | None]
) -> dict[tuple[str, str], tuple[Fraction, Fraction | None]]:
    """(received of sent, within the limit of received) of each path."""
    sums: dict[tuple[str, str], list[int]] = {}
    judged: set[tuple[str, str]] = set()
    for row in rows:
        key = (row.agent, row.path)
        mine = sums.setdefault(key, [0, 0, 0])
        mine[0] += row.sent
        mine[1] += received(row)
        if (inside := within(row)) is not None:
            judged.add(key)
            mine[2] += inside
    return {
        key: (Fraction(got, sent), Fraction(inside, got) if key in judged else None)
        for key, (sent, got, inside) in sums.items()
    }


def test_the_same_measurements_are_the_same_records_and_shares_from_either_store(
    both: Both,
) -> None:
    everything = some_hours(70)
    both.put(everything[:300])
    both.put(everything[300:500], flush=False)
    both.roll_up()
    both.put(everything[500:], flush=False)
    both.roll_up()
    embedded, influx = both.readers
    assert assert_same(embedded, influx) == len(everything) + 5 * len(PATHS)
    assert {r for r in embedded.trains() if not r.valid}
    assert {r for r in embedded.trains() if r.valid and r.received == 0}

    for reader in (embedded, influx):
        assert reader.paths() == sorted(PATHS)
        assert reader.paths("plans") == sorted(PATHS)
        assert reader.paths("trains", T0 - DAY_NS, T0) == []
    assert influx.last_trains() == embedded.last_trains()
    assert [one.path for one in influx.last_trains()] == [
        "milano=1",
        "napoli's path, è",
        *PATHS[:2],
    ]
    since = T0 + 20 * MINUTE_NS
    for begin in (0, since, T0 + DAY_NS):
        assert influx.summary_since(begin) == embedded.summary_since(begin)
        assert influx.last_trains(begin) == embedded.last_trains(begin)

    expected = shares(
        (t for t in embedded.trains() if t.valid),
        lambda t: t.received,
        lambda t: t.rtt.within_limit,
    )
    assert len(expected) == len(PATHS)
    for reader in (embedded, influx):
        of_trains = shares(
            (t for t in reader.trains() if t.valid),
            lambda t: t.received,
            lambda t: t.rtt.within_limit,
        )
        of_sums = shares(reader.summary_since(0), lambda s: s.received, lambda s: s.within_limit)
        assert of_trains == expected
        assert of_sums == expected
        # Round-trip limits alone stand in a roll-up's within_limit.
        rolled = shares(reader.rollups(), lambda r: r.received, lambda r: r.within_limit)
        assert {key: share[0] for key, share in rolled.items()} == {
            key: share[0] for key, share in expected.items()
        }
        assert rolled["roma", PATHS[0]] == expected["roma", PATHS[0]]
        assert rolled["roma", PATHS[3]] == expected["roma", PATHS[3]]


def test_path_and_period_select_the_same(both: Both) -> None:
    both.put(some_hours(32))
    both.roll_up()
    embedded, influx = both.readers
    for path in (*PATHS, list(PATHS[1:3]), PATHS[1:], [], "nobody's", None):
        for begin, end in (
            (0, 2**62),
            (T0 + 7 * MINUTE_NS, T0 + 23 * MINUTE_NS),
            (T0 + QUARTER_NS, T0 + QUARTER_NS + 1),
            (T0, T0),
        ):
            assert_same(embedded, influx, path, begin, end)
    assert len(list(influx.trains(PATHS[3], T0, T0 + 10 * MINUTE_NS))) == 10


def test_a_roll_up_that_a_late_train_revised_is_read_once_in_its_newest_form(both: Both) -> None:
    everything = some_hours(15)
    late = next(r for r in everything if isinstance(r, TrainRecord) and r.path == PATHS[0])
    both.put(r for r in everything if r != late)
    both.roll_up()
    _, influx = both.readers
    assert [r.trains for r in influx.rollups(PATHS[0])] == [14]
    both.put([late])
    both.roll_up()
    assert [r.trains for r in influx.rollups(PATHS[0])] == [15]
    assert_same(*both.readers)


@pytest.mark.parametrize("endpoint", ["agreed", "q-isp", "zone"])
def test_a_roll_up_whose_path_was_assigned_anew_meanwhile_is_read_once(
    both: Both, endpoint: str
) -> None:
    """The revision carries other tags, so InfluxDB holds both; the newest revision counts."""
    trains = [r for r in some_hours(15) if isinstance(r, TrainRecord) and r.path == PATHS[0]]
    both.put([*plans(), *trains[:-1]])
    both.roll_up()
    both.put([replace(trains[-1], endpoint=endpoint)])
    both.roll_up()
    embedded, influx = both.readers
    assert [(r.endpoint, r.trains) for r in embedded.rollups(PATHS[0])] == [(endpoint, 15)]
    assert [(r.endpoint, r.trains) for r in influx.rollups(PATHS[0])] == [(endpoint, 15)]


def test_numbers_are_exact_beyond_what_a_float_holds(both: Both) -> None:
    far = 2**53 + 1
    figures = DelayFigures(-1, far, 2**63 - 1, -(2**63), 5, 6, 7, 8, 9, 10, 11, 9, ((302, far),))
    train = next(r for r in some_hours(1) if isinstance(r, TrainRecord))
    both.put([replace(train, sent=far, received=far, rtt=figures, clock_step_ns=-far)])
    assert_same(*both.readers)
    assert both.readers[1].summary_since(0)[0].sent == far


def test_more_records_than_one_answer_holds_come_in_order_and_once(both: Both) -> None:
    some = [
        PlanRecord("roma", f"p{k % 7}", T0 + k * 7 * MINUTE_NS, True, MINUTE_NS, 10, None)
        for k in range(12_000)
    ]
    both.put(some, flush=False)
    train = next(r for r in some_hours(1) if isinstance(r, TrainRecord))
    both.put((replace(train, start_ns=T0 + k * 7 * MINUTE_NS) for k in range(3_000)), flush=False)
    embedded, influx = both.readers
    assert list(influx.plans()) == some
    assert assert_same(embedded, influx) == 15_000


def test_a_database_and_its_retention_policy_are_both_named_by_the_bucket(both: Both) -> None:
    influx = both.influx
    influx.query(
        f'CREATE RETENTION POLICY "long" ON "{influx.database}" DURATION INF REPLICATION 1'
    )
    target = replace(target_of(influx), bucket=f"{influx.database}/long")
    some = [r for r in some_hours(5) if isinstance(r, TrainRecord)]
    writer = InfluxWriter(target)
    answer = writer.write("\n".join(line("trains", flatten(r)) for r in some).encode())
    writer.close()
    assert isinstance(answer, Accepted)
    assert by_identity(InfluxReader(target).trains()) == by_identity(
        sorted(some, key=lambda r: r.start_ns)
    )
    assert list(InfluxReader(target_of(influx)).trains()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "a-secret-that-is-wrong"}, "unauthorized"),
        ({"bucket": "nowhere"}, "database not found"),
    ],
)
def test_what_the_server_refuses_is_one_line_that_names_it(
    influx: Any, change: dict[str, str], words: str
) -> None:
    reader = InfluxReader(replace(target_of(influx), **change))  # type: ignore[arg-type]
    with pytest.raises(StoreError) as error:
        list(reader.trains())
    text = str(error.value)
    assert words in text
    assert influx.url in text
    assert "\n" not in text
    assert "a-secret" not in text


def test_a_server_that_is_gone_is_one_line_that_names_it(influx: Any) -> None:
    reader = InfluxReader(target_of(influx))
    assert list(reader.trains()) == []
    influx.stop()
    with pytest.raises(StoreError, match="cannot be read") as error:
        list(reader.trains())
    assert influx.url in str(error.value)


AWKWARD = st.sampled_from([" ", ",", "=", '"', "'", "\\", "\\ ", "\\,", "é", "日本", "🛰", "#", "%"])
NAMES = st.lists(
    AWKWARD | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=3), max_size=5
).map("".join)
WORDS = st.lists(
    AWKWARD | st.sampled_from(["\n", "\t", "[", '"]', "null"]) | st.text("ab", max_size=2),
    max_size=5,
).map("".join)
COUNT = st.integers(0, 2**62)
MAYBE = st.none() | st.integers(-(2**63), 2**63 - 1)
HISTOGRAM = st.dictionaries(st.integers(0, 302), st.integers(1, 2**40), max_size=3).map(
    lambda bins: tuple(sorted(bins.items()))
)
FIGURES = st.builds(DelayFigures, *(MAYBE for _ in range(12)), HISTOGRAM)
TRAINS = st.builds(
    TrainRecord,
    agent=NAMES.filter(bool), path=NAMES.filter(bool), pas=NAMES, service=NAMES, peer=NAMES,
    endpoint=NAMES, method=st.sampled_from(["icmp", "stamp"]), target=WORDS, address=WORDS,
    start_ns=st.just(0), planned=COUNT, sent=COUNT, received=COUNT, lost=COUNT, late=COUNT,
    duplicates=COUNT, reordered=COUNT, corrupted=COUNT, spoofed=COUNT, limit_ns=MAYBE,
    limit_on=st.sampled_from(["rtt", "one-way"]), rtt=FIGURES, forward=st.none() | FIGURES,
    backward=st.none() | FIGURES, one_way_error_ns=MAYBE, one_way_judged=st.booleans(),
    lost_forward=MAYBE, lost_backward=MAYBE, valid=st.booleans(),
    reasons=st.lists(WORDS, max_size=2).map(tuple), flags=st.lists(WORDS, max_size=2).map(tuple),
    tx_kernel=COUNT, rx_kernel=COUNT, t3_kernel=COUNT, lateness_max_ns=COUNT, local_drops=COUNT,
    clock_step_ns=st.integers(-(2**63), 2**63 - 1), clock_synchronised=st.booleans(),
    clock_error_ns=MAYBE,
    icmp_errors=st.lists(
        st.tuples(st.sampled_from([4, 6]), st.integers(0, 255), st.integers(0, 255), WORDS, COUNT),
        max_size=2,
    ).map(tuple),
    send_errors=st.lists(st.tuples(WORDS, COUNT), max_size=2).map(tuple),
)  # fmt: skip
instants = itertools.count(T0, MINUTE_NS)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Records of fifty fields against a server take longer to shrink than to read.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(drawn=st.lists(TRAINS, min_size=1, max_size=12))
def test_any_record_comes_back_as_it_was_or_is_refused_with_the_reason(
    influx: Any, drawn: list[TrainRecord]
) -> None:
    written: list[Record] = []
    lines: dict[str, list[str]] = {"trains": [], "plans": [], "samples": [], "rollups": []}
    begin = next(instants)
    for train in drawn:
        start_ns = next(instants)
        quarter = start_ns - start_ns % QUARTER_NS
        one = replace(train, start_ns=start_ns)
        same: list[Record] = [
            one,
            PlanRecord(one.agent, one.path, start_ns, one.valid, one.sent, one.sent, one.limit_ns,
                       one.pas, one.service, one.peer, one.endpoint, one.method, one.target),
            SampleRecord(one.agent, one.path, start_ns, (2, 1), (one.sent, 0), (0, -1), (2, 2),
                         (2, 0), (), ()),
            replace(rollup([replace(one, valid=False)], [], quarter, one.path), start_ns=start_ns),
        ]  # fmt: skip
        refusal = ""
        made = []
        try:
            made = [line(kind, flatten(r)) for kind, r in zip(lines, same, strict=True)]
        except SchemaError as error:
            refusal = str(error)
        # Line protocol has no sure words for a backslash in a tag; nothing else is refused.
        names = (one.agent, one.path, one.pas, one.service, one.peer, one.endpoint)
        assert bool(refusal) == any("\\" in name for name in names)
        if refusal:
            assert "cannot be a tag" in refusal
            continue
        for kind, text in zip(lines, made, strict=True):
            lines[kind].append(text)
        written += same
    writer = InfluxWriter(target_of(influx))
    try:
        for texts in lines.values():
            if texts:
                assert writer.write("\n".join(texts).encode()) == Accepted()
    finally:
        writer.close()
    reader = InfluxReader(target_of(influx))
    for cls, kind in (
        (TrainRecord, "trains"),
        (PlanRecord, "plans"),
        (SampleRecord, "samples"),
    ):
        expected = [r for r in written if isinstance(r, cls)]
        assert list(getattr(reader, kind)(None, begin)) == expected
    rolled = [r for r in written if not isinstance(r, TrainRecord | PlanRecord | SampleRecord)]
    assert list(reader.rollups(None, begin)) == rolled
    for name in sorted({r.path for r in written})[:2]:
        found = list(reader.trains(name, begin))
        assert found == [r for r in written if isinstance(r, TrainRecord) and r.path == name]


@pytest.mark.parametrize("name", ["two\nlines", "carriage\rreturn", "ends in \\", "back\\slash"])
def test_a_name_that_line_protocol_has_no_words_for_is_refused(name: str) -> None:
    train = next(r for r in some_hours(1) if isinstance(r, TrainRecord))
    with pytest.raises(SchemaError, match="cannot be a tag of InfluxDB"):
        line("trains", flatten(replace(train, path=name)))
