"""How a train is shown: the JSON object by name and unit, the table by cell."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from agent.presentation import result_object, results_table
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
from agent.summary import TrainContext, summarise
from timeseries.records import TrainRecord

START = 1_700_000_000_000_000_000
CONTEXT = TrainContext(
    agent="a",
    pas="",
    service="",
    peer="",
    endpoint="",
    target="host.example",
    limit_ns=40_000_000,
)


def stamp_train() -> TrainSamples:
    """Four packets: answered, late, lost, refused."""
    plan = TrainPlan(
        path="host.example",
        method="stamp",
        address="192.0.2.1",
        packets=4,
        spacing_ns=100_000_000,
        size=44,
        timeout_ns=1_000_000_000,
        stamp=StampOptions(),
    )
    samples = TrainSamples.empty(plan, START, ClockState(True, 60_000))
    samples.status[:] = [Status.RECEIVED, Status.LATE, Status.LOST, Status.UNSENT]
    samples.tx_ns[:] = [START, START + 100_000_000, START + 200_000_000, 0]
    samples.rx_ns[:] = [START + 30_123_457, START + 1_200_000_000, 0, 0]
    samples.t2_ns[:] = [START + 10_000_001, START + 600_000_000, 0, 0]
    samples.t3_ns[:] = [START + 11_000_001, START + 600_000_000, 0, 0]
    samples.tx_source[:] = [StampSource.KERNEL, StampSource.USERLAND, StampSource.KERNEL, 0]
    samples.rx_source[:] = [StampSource.KERNEL, StampSource.KERNEL, 0, 0]
    samples.t3_source[:] = [StampSource.KERNEL, StampSource.USERLAND, 0, 0]
    samples.send_errors = {"EPERM": 1}
    samples.icmp_errors = (IcmpError(4, 3, 13, "192.0.2.254", 1),)
    samples.reflector = ReflectorFacts(
        stateful=False,
        swapped=False,
        synchronised=True,
        error_ns=40_000,
        follow_up=True,
        ssid_echoed=True,
    )
    return samples


def echo_record(delays_ns: list[int], *, lost: int = 0, limit_ns: int | None = None) -> TrainRecord:
    n = len(delays_ns) + lost
    plan = TrainPlan("p", "icmp", "192.0.2.1", n, 1_000_000, 64, 1_000_000_000)
    samples = TrainSamples.empty(plan, START, ClockState(True, 1))
    samples.status[:] = Status.LOST
    samples.status[: len(delays_ns)] = Status.RECEIVED
    samples.tx_ns[:] = START
    samples.tx_source[:] = StampSource.KERNEL
    samples.rx_ns[: len(delays_ns)] = [START + delay for delay in delays_ns]
    samples.rx_source[: len(delays_ns)] = StampSource.KERNEL
    return summarise(samples, replace(CONTEXT, limit_ns=limit_ns))


def shown(*records: TrainRecord, width: int = 250) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(results_table(records))
    return out.getvalue()


def test_the_json_object_of_one_target() -> None:
    samples = stamp_train()
    result = result_object(summarise(samples, CONTEXT), samples)
    one_value = dict.fromkeys(("min", "mean", "p50", "p95", "p99", "max"), 0)
    no_variation = {
        "ipdv_mean_ms": None,
        "ipdv_p95_ms": None,
        "pdv_p99_ms": 0.0,
        "jitter_rfc3550_ms": None,
    }
    assert result == {
        "target": "host.example",
        "address": "192.0.2.1",
        "method": "stamp",
        "start_ns": START,
        "planned": 4,
        "sent": 3,
        "received": 1,
        "lost": 2,
        "late": 1,
        "duplicates": 0,
        "reordered": 0,
        "corrupted": 0,
        "spoofed": 0,
        "lost_forward": None,
        "lost_backward": None,
        "within_limit": 1,
        "limit_ms": 40.0,
        "limit_on": "rtt",
        "rtt_ms": {**dict.fromkeys(one_value, 29.123457), "stddev": 0.0},
        **no_variation,
        "one_way": {
            "forward": {
                "delay_ms": {**dict.fromkeys(one_value, 10.000001), "stddev": 0.0},
                **no_variation,
                "within_limit": None,
            },
            "backward": {
                "delay_ms": {**dict.fromkeys(one_value, 19.123456), "stddev": 0.0},
                **no_variation,
                "within_limit": None,
            },
            "error_ms": 0.1,
            "judged": False,
        },
        "clock": {
            "synchronised": True,
            "error_ms": 0.06,
            "step_ms": 0.0,
            "tx_kernel": 2,
            "rx_kernel": 2,
            "t3_kernel": 1,
            "lateness_max_ms": 0.0,
        },
        "local_drops": 0,
        "send_errors": {"EPERM": 1},
        "icmp_errors": [{"version": 4, "type": 3, "code": 13, "origin": "192.0.2.254", "count": 1}],
        "valid": False,
        "reasons": ["send-errors"],
        "flags": ["userland-tx", "icmp-errors"],
        "samples": [
            {
                "seq": 0,
                "status": "received",
                "tx_ns": START,
                "rx_ns": START + 30_123_457,
                "rtt_ns": 29_123_457,
                "stamp": {"tx": "kernel", "rx": "kernel", "t3": "kernel"},
                "t2_ns": START + 10_000_001,
                "t3_ns": START + 11_000_001,
            },
            {
                "seq": 1,
                "status": "late",
                "tx_ns": START + 100_000_000,
                "rx_ns": START + 1_200_000_000,
                "rtt_ns": 1_100_000_000,
                "stamp": {"tx": "userland", "rx": "kernel", "t3": "userland"},
                "t2_ns": START + 600_000_000,
                "t3_ns": START + 600_000_000,
            },
            {
                "seq": 2,
                "status": "lost",
                "tx_ns": START + 200_000_000,
                "rx_ns": None,
                "rtt_ns": None,
                "stamp": {"tx": "kernel", "rx": None, "t3": None},
                "t2_ns": None,
                "t3_ns": None,
            },
            {
                "seq": 3,
                "status": "unsent",
                "tx_ns": None,
                "rx_ns": None,
                "rtt_ns": None,
                "stamp": {"tx": None, "rx": None, "t3": None},
                "t2_ns": None,
                "t3_ns": None,
            },
        ],
    }


def test_the_object_survives_json_to_the_nanosecond() -> None:
    samples = stamp_train()
    result = result_object(summarise(samples, CONTEXT), samples)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert round(result["rtt_ms"]["p50"] * 1_000_000) == 29_123_457  # type: ignore[index]


def test_an_icmp_train_without_replies_has_nulls() -> None:
    result = result_object(echo_record([], lost=3))
    assert result["lost"] == 3
    assert set(result["rtt_ms"].values()) == {None}  # type: ignore[attr-defined]
    assert result["ipdv_mean_ms"] is result["one_way"] is result["limit_ms"] is None
    assert "samples" not in result


def test_an_icmp_sample_has_no_reflector_stamps() -> None:
    samples = stamp_train()
    samples.plan = replace(samples.plan, method="icmp", stamp=None)
    samples.t2_ns[:] = samples.t3_ns[:] = 0
    first = result_object(summarise(samples, CONTEXT), samples)["samples"][0]  # type: ignore[index]
    assert first == {
        "seq": 0,
        "status": "received",
        "tx_ns": START,
        "rx_ns": START + 30_123_457,
        "rtt_ns": 30_123_457,
        "stamp": {"tx": "kernel", "rx": "kernel"},
    }


def test_the_table_names_each_target_with_its_figures() -> None:
    text = shown(echo_record([20_000_000, 22_000_000, 50_000_000], limit_ns=40_000_000))
    assert "host.example" in text
    assert "192.0.2.1" in text
    cells = ("0/3", "0.00 %", "20.00", "22.00", "50.00", "15.00", "66.66 %", "≤ 40 ms")
    for cell in cells:
        assert f" {cell}" in text
    assert "invalid" not in text


@pytest.mark.parametrize(
    ("received", "lost", "cell"),
    [(19_999, 1, " 0.01 %"), (1, 99_999, " 100.00 %"), (3, 0, " 0.00 %"), (0, 1, " 100.00 %")],
)
def test_a_lost_packet_never_rounds_away(received: int, lost: int, cell: str) -> None:
    assert cell in shown(echo_record([1_000_000] * received, lost=lost))


def test_a_packet_beyond_the_limit_never_rounds_away() -> None:
    record = echo_record([1_000_000] * 99_999 + [3_000_001], limit_ns=3_000_000)
    assert "99.99 %" in shown(record)


def test_one_way_shares_pool_both_directions() -> None:
    samples = stamp_train()
    record = summarise(samples, replace(CONTEXT, limit_ns=15_000_000, limit_on="one-way"))
    assert "50.00 %" in shown(record)
    assert "≤ 15 ms" in shown(record)


def test_a_one_way_limit_that_was_not_judged_shows_no_share() -> None:
    samples = stamp_train()
    samples.reflector = None
    record = summarise(samples, replace(CONTEXT, limit_on="one-way"))
    assert "≤" not in shown(record)


def test_an_address_in_brackets_is_not_markup() -> None:
    record = replace(echo_record([1]), target="[red]::1[/red]", address="")
    assert "[red]::1[/red]" in shown(record)


def test_an_invalid_train_says_why() -> None:
    text = shown(summarise(stamp_train(), CONTEXT))
    assert "invalid: send-errors" in text
    assert "1 late" in text
    assert "userland-tx, icmp-errors" in text


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    records = [
        echo_record([1_234_567_890, 99_999], lost=98, limit_ns=300_000_000),
        summarise(stamp_train(), CONTEXT),
        echo_record([], lost=5, limit_ns=300_000_000),
    ]
    text = shown(*records, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for cell in (
        "host.example",
        "98/100",
        "98.00 %",
        "0.100",
        "1234.6",
        "50.00 %",
        "100.00 %",
        "≤ 300 ms",
    ):
        assert cell in text
