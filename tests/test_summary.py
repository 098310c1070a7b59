"""From samples to a record: counters, validity, flags, one-way delay."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from agent import summary
from agent.samples import (
    ClockState,
    IcmpError,
    ReflectorFacts,
    StampOptions,
    StampSource,
    Status,
    TrainPlan,
    TrainSamples,
)
from agent.summary import TrainContext, sample_record, summarise
from timeseries.records import DelayFigures

MS = 1_000_000
START = 1_700_000_000_000_000_000
CONTEXT = TrainContext(
    agent="roma-01",
    pas="roma-01",
    service="ip-base",
    peer="",
    endpoint="qxn",
    target="router.example",
    limit_ns=300 * MS,
)
ONE_WAY = replace(CONTEXT, service="voip", peer="milano-01", limit_ns=100 * MS, limit_on="one-way")
REFLECTOR = ReflectorFacts(
    stateful=False,
    swapped=False,
    synchronised=True,
    error_ns=40_000,
    follow_up=True,
    ssid_echoed=True,
)


def icmp_train(delays_ms: list[float], spacing_ns: int = 100 * MS) -> TrainSamples:
    """A train whose packets all came back, with kernel stamps, on a synchronised host."""
    plan = TrainPlan(
        path="roma-01/ip-base",
        method="icmp",
        address="192.0.2.1",
        packets=len(delays_ms),
        spacing_ns=spacing_ns,
        size=64,
        timeout_ns=3_000 * MS,
    )
    samples = TrainSamples.empty(plan, START, ClockState(True, 60_000))
    samples.status[:] = Status.RECEIVED
    samples.tx_ns[:] = START + np.arange(len(delays_ms)) * spacing_ns
    samples.rx_ns[:] = samples.tx_ns + np.array([int(d * MS) for d in delays_ms], np.int64)
    samples.tx_source[:] = StampSource.KERNEL
    samples.rx_source[:] = StampSource.KERNEL
    samples.lateness_ns[:] = 50_000
    return samples


def stamp_train(delays_ms: list[tuple[float, float]], stay_ms: float = 1.0) -> TrainSamples:
    """A STAMP train of (forward, backward) delays and a reflector that is in time with us."""
    samples = icmp_train([forward + stay_ms + back for forward, back in delays_ms])
    samples.plan = replace(samples.plan, method="stamp", stamp=StampOptions())
    samples.t2_ns[:] = samples.tx_ns + np.array([int(f * MS) for f, _ in delays_ms], np.int64)
    samples.t3_ns[:] = samples.t2_ns + int(stay_ms * MS)
    samples.t3_source[:] = StampSource.KERNEL
    samples.reflector = REFLECTOR
    return samples


def lose(samples: TrainSamples, *seqs: int) -> None:
    for seq in seqs:
        samples.status[seq] = Status.LOST
        samples.rx_ns[seq] = samples.t2_ns[seq] = samples.t3_ns[seq] = 0
        samples.rx_source[seq] = samples.t3_source[seq] = StampSource.NONE
        samples.reflector_seq[seq] = -1


def refuse(samples: TrainSamples, *seqs: int) -> None:
    lose(samples, *seqs)
    for seq in seqs:
        samples.status[seq] = Status.UNSENT
        samples.tx_ns[seq] = samples.lateness_ns[seq] = 0
        samples.tx_source[seq] = StampSource.NONE


def assert_plain(value: object) -> None:
    """Only what JSON and SQLite know: no numpy scalar, no IntEnum, no float."""
    if is_dataclass(value):
        for field in fields(value):
            assert_plain(getattr(value, field.name))
    elif isinstance(value, tuple):
        for one in value:
            assert_plain(one)
    else:
        assert type(value) in (int, str, bool, type(None)), repr(value)


def test_a_clean_train_is_valid_and_counted() -> None:
    record = summarise(icmp_train([20, 24, 21, 400, 22]), CONTEXT)
    assert (record.planned, record.sent, record.received, record.lost) == (5, 5, 5, 0)
    assert record.rtt.within_limit == 4
    assert record.rtt.p50_ns == 22 * MS
    assert (record.tx_kernel, record.rx_kernel, record.t3_kernel) == (5, 5, 0)
    assert (record.valid, record.reasons, record.flags) == (True, (), ())
    assert record.lateness_max_ns == 50_000
    assert (record.path, record.address, record.target) == (
        "roma-01/ip-base",
        "192.0.2.1",
        "router.example",
    )
    assert (record.forward, record.backward, record.one_way_error_ns) == (None, None, None)
    assert (record.lost_forward, record.lost_backward) == (None, None)


def test_every_planned_packet_is_in_exactly_one_count() -> None:
    samples = icmp_train([20.0] * 10)
    lose(samples, 3, 4)
    refuse(samples, 9)
    samples.status[5] = Status.LATE
    samples.send_errors = {"ENOBUFS": 1}
    record = summarise(samples, CONTEXT)
    assert (record.planned, record.sent, record.received, record.late) == (10, 9, 6, 1)
    assert record.lost == 3  # the late one is lost too
    assert record.rtt.within_limit == 6
    assert record.send_errors == (("ENOBUFS", 1),)


def test_a_late_reply_is_in_no_delay_figure() -> None:
    samples = icmp_train([20, 5_000, 30])
    samples.status[1] = Status.LATE
    record = summarise(samples, CONTEXT)
    assert record.rtt.max_ns == 30 * MS
    assert record.rtt.ipdv_mean_ns == 10 * MS
    assert record.reordered == 0


def test_reordering_is_judged_over_the_round_trip() -> None:
    assert summarise(icmp_train([20, 250, 20, 20, 20]), CONTEXT).reordered == 1


def test_all_lost_keeps_its_counters_and_is_valid() -> None:
    samples = icmp_train([20.0] * 5)
    lose(samples, *range(5))
    record = summarise(samples, CONTEXT)
    assert (record.sent, record.received, record.lost, record.valid) == (5, 0, 5, True)
    assert record.rtt == DelayFigures(within_limit=0)
    assert_plain(record)


def test_an_unreachable_target_is_loss_of_the_network() -> None:
    samples = icmp_train([20.0] * 3)
    lose(samples, 0, 1, 2)
    samples.icmp_errors = (IcmpError(4, 3, 1, "192.0.2.254", 3),)
    record = summarise(samples, CONTEXT)
    assert record.valid
    assert record.lost == 3
    assert record.flags == (summary.ICMP_ERRORS,)
    assert record.icmp_errors == ((4, 3, 1, "192.0.2.254", 3),)


@pytest.mark.parametrize("errno_name", ["EPERM", "ENETUNREACH", "ENOBUFS"])
def test_what_the_own_kernel_refuses_is_not_loss(errno_name: str) -> None:
    samples = icmp_train([20.0] * 4)
    refuse(samples, 0, 1, 2, 3)
    samples.send_errors = {errno_name: 4}
    record = summarise(samples, CONTEXT)
    assert (record.sent, record.lost, record.lateness_max_ns) == (0, 0, 0)
    assert record.reasons == (summary.SEND_ERRORS,)
    assert not record.valid


def test_a_plan_cut_short_is_never_a_valid_train() -> None:
    samples = icmp_train([20.0] * 4)
    refuse(samples, 3)
    assert summarise(samples, CONTEXT).reasons == (summary.SEND_ERRORS,)


@pytest.mark.parametrize(
    ("mark", "reason"), [("missed", summary.MISSED_SLOT), ("unresolved", summary.UNRESOLVED)]
)
def test_a_train_that_was_never_sent_says_why(mark: str, reason: str) -> None:
    plan = replace(icmp_train([20.0] * 10).plan, address="")
    samples = TrainSamples.empty(plan, START, ClockState(True, 60_000))
    setattr(samples, mark, True)
    record = summarise(samples, CONTEXT)
    assert (record.planned, record.sent, record.lost) == (10, 0, 0)
    assert record.reasons == (reason,)
    assert_plain(record)


@pytest.mark.parametrize(
    ("spacing_ms", "lateness_ns", "spoiled"),
    [
        (100, 100 * MS, False),
        (100, 100 * MS + 1, True),
        (10, 20 * MS, False),  # the floor of 20 ms
        (10, 20 * MS + 1, True),
    ],
)
def test_a_packet_sent_too_late_spoils_the_train(
    spacing_ms: int, lateness_ns: int, spoiled: bool
) -> None:
    samples = icmp_train([20.0] * 5, spacing_ns=spacing_ms * MS)
    samples.lateness_ns[3] = lateness_ns
    record = summarise(samples, CONTEXT)
    assert record.lateness_max_ns == lateness_ns
    assert record.reasons == ((summary.OVERRUN,) if spoiled else ())


def test_the_lateness_of_a_packet_that_never_left_does_not_count() -> None:
    samples = icmp_train([20.0] * 3)
    refuse(samples, 1)
    samples.lateness_ns[1] = 10_000 * MS
    assert summarise(samples, CONTEXT).lateness_max_ns == 50_000


@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_of_the_clock_spoils_the_train(sign: int) -> None:
    samples = icmp_train([20.0] * 11)
    allowance = 1 * MS + 4_000 * MS * 600 // 1_000_000  # 10 spacings of 0.1 s, 3 s of timeout
    samples.clock_step_ns = sign * allowance
    assert summarise(samples, CONTEXT).valid
    samples.clock_step_ns = sign * (allowance + 1)
    record = summarise(samples, CONTEXT)
    assert record.reasons == (summary.CLOCK_STEP,)
    assert record.clock_step_ns == sign * (allowance + 1)


def test_our_own_drops_spoil_the_train_and_are_never_plain_loss() -> None:
    samples = icmp_train([20.0] * 5)
    lose(samples, 2)
    samples.local_drops = 1
    record = summarise(samples, CONTEXT)
    assert (record.reasons, record.local_drops) == ((summary.LOCAL_DROPS,), 1)


def test_a_negative_round_trip_is_in_no_figure() -> None:
    record = summarise(icmp_train([20, -0.000001, 20]), CONTEXT)
    assert record.reasons == (summary.NEGATIVE_DELAY,)
    assert record.rtt == DelayFigures()
    assert (record.received, record.lost) == (3, 0)


def test_a_reflector_whose_stay_is_negative_spoils_the_round_trip() -> None:
    samples = stamp_train([(10, 10)] * 3)
    samples.t3_ns[1] = samples.t2_ns[1] - 1
    record = summarise(samples, ONE_WAY)
    assert record.reasons == (summary.NEGATIVE_DELAY,)
    assert record.rtt == DelayFigures()
    assert record.forward is None


def test_reasons_add_up_in_their_documented_order() -> None:
    samples = icmp_train([20, -1, 20])
    refuse(samples, 2)
    samples.local_drops = 3
    samples.clock_step_ns = -1_000 * MS
    samples.lateness_ns[0] = 5_000 * MS
    reasons = summarise(samples, CONTEXT).reasons
    assert reasons == (
        summary.SEND_ERRORS,
        summary.OVERRUN,
        summary.LOCAL_DROPS,
        summary.CLOCK_STEP,
        summary.NEGATIVE_DELAY,
    )
    assert [reason for reason in summary.REASONS if reason in reasons] == list(reasons)


def _userland_tx(samples: TrainSamples) -> None:
    samples.tx_source[1] = StampSource.USERLAND


def _userland_rx(samples: TrainSamples) -> None:
    samples.rx_source[1] = StampSource.USERLAND


def _unsynchronised(samples: TrainSamples) -> None:
    samples.clock = ClockState(False, None)


def _swapped(samples: TrainSamples) -> None:
    samples.reflector = replace(REFLECTOR, swapped=True)


@pytest.mark.parametrize(
    ("flag", "raise_it"),
    [
        (summary.ADDRESS_KEPT, lambda samples: setattr(samples, "address_kept", True)),
        (summary.SPOOFED, lambda samples: setattr(samples, "spoofed", 4)),
        (summary.USERLAND_TX, _userland_tx),
        (summary.USERLAND_RX, _userland_rx),
        (summary.CLOCK_UNSYNCHRONISED, _unsynchronised),
        (summary.REFLECTOR_SWAPPED, _swapped),
    ],
)
def test_a_flag_is_raised_and_spoils_nothing(
    flag: str, raise_it: Callable[[TrainSamples], None]
) -> None:
    samples = stamp_train([(10, 10)] * 3)
    assert summarise(samples, CONTEXT).flags == ()
    raise_it(samples)
    record = summarise(samples, CONTEXT)
    assert (record.flags, record.valid) == ((flag,), True)
    assert flag in summary.FLAGS


def test_a_lost_packet_needs_no_receive_stamp() -> None:
    samples = icmp_train([20.0] * 3)
    lose(samples, 1)
    assert summarise(samples, CONTEXT).flags == ()


def test_the_round_trip_is_less_the_stay_in_the_reflector() -> None:
    record = summarise(stamp_train([(10, 20), (12, 20)], stay_ms=50), CONTEXT)
    assert (record.rtt.min_ns, record.rtt.max_ns) == (30 * MS, 32 * MS)
    assert record.t3_kernel == 2


def test_one_way_delays_of_two_synchronised_clocks_are_judged() -> None:
    record = summarise(stamp_train([(99, 10), (100, 11), (101, 12)]), ONE_WAY)
    assert record.forward is not None
    assert record.backward is not None
    assert (record.forward.p50_ns, record.backward.p50_ns) == (100 * MS, 11 * MS)
    assert (record.forward.within_limit, record.backward.within_limit) == (2, 3)
    assert record.rtt.within_limit is None
    assert (record.limit_ns, record.limit_on) == (100 * MS, "one-way")
    assert record.one_way_error_ns == 100_000
    assert record.one_way_judged
    assert record.flags == ()
    assert_plain(record)


def test_a_round_trip_limit_judges_no_direction() -> None:
    record = summarise(stamp_train([(99, 10)]), CONTEXT)
    assert record.forward is not None
    assert record.forward.within_limit is None
    assert record.rtt.within_limit == 1
    assert not record.one_way_judged
    assert record.flags == ()


@pytest.mark.parametrize(
    ("tolerance", "error_ns", "judged"),
    [
        (Fraction(1, 10), 10 * MS - 60_000, True),  # 10 ms with our own 60 µs
        (Fraction(1, 10), 10 * MS - 60_000 + 1, False),
        (Fraction(1, 3), 33_333_333 - 60_000, True),
        (Fraction(1, 3), 33_333_334 - 60_000, False),
    ],
)
def test_one_way_figures_are_judged_up_to_the_tolerated_error(
    tolerance: Fraction, error_ns: int, judged: bool
) -> None:
    samples = stamp_train([(20, 20)] * 3)
    samples.reflector = replace(REFLECTOR, error_ns=error_ns)
    record = summarise(samples, replace(ONE_WAY, one_way_tolerance=tolerance))
    assert record.one_way_judged is judged
    assert record.one_way_error_ns == error_ns + 60_000
    assert record.forward is not None
    assert record.forward.within_limit == (3 if judged else None)
    assert record.flags == (() if judged else (summary.ONE_WAY_UNJUDGED,))


@pytest.mark.parametrize(
    ("clock", "reflector"),
    [
        (ClockState(False, None), REFLECTOR),
        (ClockState(True, None), REFLECTOR),
        (ClockState(True, 60_000), replace(REFLECTOR, synchronised=False)),
        (ClockState(True, 60_000), replace(REFLECTOR, error_ns=None)),
        (ClockState(True, 60_000), replace(REFLECTOR, swapped=True)),
        (ClockState(True, 60_000), None),
    ],
)
def test_without_two_trusted_clocks_there_is_no_one_way_figure(
    clock: ClockState, reflector: ReflectorFacts | None
) -> None:
    samples = stamp_train([(20, 20)] * 3)
    samples.clock, samples.reflector = clock, reflector
    record = summarise(samples, ONE_WAY)
    assert (record.forward, record.backward, record.one_way_error_ns) == (None, None, None)
    assert not record.one_way_judged
    assert summary.ONE_WAY_UNJUDGED in record.flags
    assert record.valid
    assert record.rtt.p50_ns == 40 * MS


def test_a_negative_one_way_delay_within_the_error_is_kept() -> None:
    samples = stamp_train([(0, 0.01)] * 3)
    samples.t2_ns -= 100_000
    samples.t3_ns -= 100_000
    record = summarise(samples, ONE_WAY)
    assert record.forward is not None
    assert record.forward.min_ns == -100_000
    assert record.valid


@pytest.mark.parametrize("offset", [-100_001, 110_001])  # 10 µs back, less 110.001 = -100.001
def test_a_one_way_delay_below_the_error_disproves_the_clocks(offset: int) -> None:
    samples = stamp_train([(0, 0.01)] * 3)
    samples.t2_ns += offset
    samples.t3_ns += offset
    record = summarise(samples, ONE_WAY)
    assert (record.forward, record.backward, record.one_way_error_ns) == (None, None, None)
    assert record.flags == (summary.ONE_WAY_UNJUDGED,)
    assert record.valid
    assert record.rtt.min_ns == 10_000


def test_icmp_cannot_be_judged_by_a_one_way_limit() -> None:
    assert summarise(icmp_train([20.0]), ONE_WAY).flags == (summary.ONE_WAY_UNJUDGED,)


def test_nothing_came_back_so_nothing_is_unjudged() -> None:
    samples = icmp_train([20.0])
    lose(samples, 0)
    assert summarise(samples, ONE_WAY).flags == ()


def test_a_path_without_a_limit_counts_nothing_within_it() -> None:
    record = summarise(icmp_train([20.0]), replace(CONTEXT, limit_ns=None))
    assert record.rtt.within_limit is None
    assert record.limit_ns is None


def test_the_samples_are_kept_packet_by_packet() -> None:
    samples = stamp_train([(10, 20)] * 3)
    lose(samples, 1)
    record = sample_record(samples, "roma-01")
    assert record.status == (2, 1, 2)
    assert record.tx_ns == (START, START + 100 * MS, START + 200 * MS)
    assert record.rx_ns == (START + 31 * MS, 0, START + 231 * MS)
    assert record.rx_source == (2, 0, 2)
    assert record.t2_ns == (START + 10 * MS, 0, START + 210 * MS)
    assert record.t3_ns == (START + 11 * MS, 0, START + 211 * MS)
    assert (record.agent, record.path, record.start_ns) == ("roma-01", "roma-01/ip-base", START)
    assert_plain(record)


def test_numpy_counters_of_the_engine_become_plain_integers() -> None:
    samples = stamp_train([(10, 20)] * 3)
    for name in ("duplicates", "corrupted", "spoofed", "local_drops", "clock_step_ns", "start_ns"):
        setattr(samples, name, np.int64(getattr(samples, name)))
    assert_plain(summarise(samples, ONE_WAY))


def test_the_documentation_lists_every_reason_and_flag() -> None:
    text = (Path(__file__).parent.parent / "docs" / "statistics.md").read_text()
    validity = text.partition("## Validity")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([a-z-]+)` \|", validity, re.MULTILINE)
    assert listed == [*summary.REASONS, *summary.FLAGS]
