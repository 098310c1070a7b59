"""ICMP trains over real sockets: both kinds, both versions, and where each stamp came from."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from icmp_trains import measure as measure_by
from icmp_trains import plan as plan_by

from agent.engine import loop as engine_module
from agent.kernel import sockets
from agent.kernel.sockets import ProbeSocket, open_icmp
from agent.samples import StampSource, Status, TrainPlan, TrainSamples

KINDS = ("icmp-raw", "icmp-dgram")
measure = functools.partial(measure_by, early=True)


def plan(address: str, packets: int = 20, **other: Any) -> TrainPlan:
    """Twenty packets a millisecond apart, with time to come back on a busy machine."""
    values: dict[str, Any] = {"spacing_ns": 1_000_000, "timeout_ns": 1_000_000_000}
    return plan_by(address, packets, **(values | other))


def due_ns(samples: TrainSamples) -> np.ndarray[Any, np.dtype[np.int64]]:
    return samples.start_ns + np.arange(samples.plan.packets) * samples.plan.spacing_ns


def stamps_belong_to_their_packets(samples: TrainSamples) -> bool:
    """No packet left before it was due or after its reply came, which a stamp of a neighbour's
    would say. The clocks are read with an error far below the spacing."""
    sent = samples.status != Status.UNSENT
    answered = samples.rx_ns > 0
    not_early = samples.tx_ns[sent] > due_ns(samples)[sent] - 100_000
    return bool(not_early.all() and (samples.rx_ns > samples.tx_ns)[answered].all())


@pytest.fixture(autouse=True)
def met_first(met: Any) -> Any:
    """Before anything else of a test is set up."""
    return met


@pytest.fixture
def kind(request: pytest.FixtureRequest, hosts: Any) -> str:
    """Allow or forbid unprivileged ICMP on the near host."""
    allowed = "0 0" if request.param == "icmp-dgram" else "1 0"
    hosts.run(hosts.near, "sysctl", "-q", "-w", f"net.ipv4.ping_group_range={allowed}")
    return str(request.param)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[ProbeSocket]:
    """The sockets that the engine opens."""
    probes: list[ProbeSocket] = []

    def watched(version: Literal[4, 6], **options: int) -> ProbeSocket:
        probes.append(open_icmp(version, **options))
        return probes[-1]

    monkeypatch.setattr(engine_module, "open_icmp", watched)
    return probes


@pytest.fixture
def counted_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a kernel before 6.13: it counts the ids of TX stamps itself."""
    monkeypatch.setattr(sockets, "_takes_ids", False)


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize("version", [4, 6])
def test_every_packet_has_kernel_stamps_at_both_ends(
    hosts: Any, kind: str, version: int, opened: list[ProbeSocket]
) -> None:
    with hosts.inside(hosts.near):
        (samples,) = measure(plan(hosts.far_v4 if version == 4 else hosts.far_v6, 50))
    assert [(probe.kind, probe.version) for probe in opened] == [(kind, version)]
    assert (samples.status == Status.RECEIVED).all()
    assert (samples.tx_source == StampSource.KERNEL).all()
    assert (samples.rx_source == StampSource.KERNEL).all()
    assert stamps_belong_to_their_packets(samples)
    assert (samples.duplicates, samples.corrupted, samples.spoofed) == (0, 0, 0)
    assert (samples.icmp_errors, samples.send_errors, samples.local_drops) == ((), {}, 0)


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.usefixtures("counted_ids")
def test_an_older_kernel_numbers_the_stamps_and_they_still_fit(
    hosts: Any, kind: str, version: int, opened: list[ProbeSocket]
) -> None:
    addresses = (hosts.far_v4, hosts.near_v4) if version == 4 else (hosts.far_v6, hosts.near_v6)
    with hosts.inside(hosts.near):
        both = measure(*(plan(address, 50, spacing_ns=3_000_000) for address in addresses))
    assert [(probe.kind, probe.chosen_ids) for probe in opened] == [(kind, False)]
    for samples in both:
        assert (samples.status == Status.RECEIVED).all()
        assert (samples.tx_source == StampSource.KERNEL).all()
        assert stamps_belong_to_their_packets(samples)


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.usefixtures("counted_ids", "kind")
def test_packets_refused_in_the_middle_of_a_train_do_not_shift_the_stamps(
    hosts: Any, version: int, need: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    need("nft")
    echo = "icmp type echo-request" if version == 4 else "icmpv6 type echo-request"
    rules = (
        "table inet t { chain out { type filter hook output priority 0; "
        f"{echo} @th,48,16 & 15 == 3 drop; }}; }}"
    )
    hosts.run(hosts.near, "nft", rules)
    with hosts.inside(hosts.near):
        (samples,) = measure(
            plan(hosts.far_v4 if version == 4 else hosts.far_v6, 60, spacing_ns=3_000_000)
        )
    unsent = np.flatnonzero(samples.status == Status.UNSENT)
    assert unsent.tolist() == [3, 19, 35, 51]
    silent = version == 6 and request.getfixturevalue("kind") == "icmp-dgram"
    assert samples.send_errors == {"UNSTAMPED" if silent else "EPERM": 4}
    sent = samples.status == Status.RECEIVED
    assert sent.sum() == 56
    assert (samples.tx_source[sent] == StampSource.KERNEL).all()
    assert (samples.tx_source[~sent] == StampSource.NONE).all()
    assert stamps_belong_to_their_packets(samples)


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.usefixtures("counted_ids", "kind")
def test_stamps_that_come_late_under_ids_given_twice_are_nobodys(
    hosts: Any, need: Callable[..., None]
) -> None:
    need("tc")
    # Packets wait in the device's queue, a full queue refuses more: the count starts again while
    # stamps of the old one are still to come.
    hosts.run(
        hosts.near, "tc", "qdisc", "add", "dev", hosts.near_link, "root", "tbf",
        "rate", "2mbit", "burst", "2000", "limit", "8000",
    )  # fmt: skip
    with hosts.inside(hosts.near):
        (samples,) = measure(plan(hosts.far_v4, 300, size=500, spacing_ns=500_000))
    assert samples.send_errors.keys() == {"ENOBUFS"}
    sent = samples.status != Status.UNSENT
    assert 0 < sent.sum() < 300
    assert (samples.status[sent] == Status.RECEIVED).all()
    assert stamps_belong_to_their_packets(samples)


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.usefixtures("kind")
def test_a_kernel_that_refuses_stamps_leaves_the_userland_clock(
    hosts: Any, monkeypatch: pytest.MonkeyPatch, opened: list[ProbeSocket]
) -> None:
    opened.clear()
    monkeypatch.setattr(sockets, "ask_stamps", lambda _sock: False)
    with hosts.inside(hosts.near):
        samples, six = measure(plan(hosts.far_v4), plan(hosts.far_v6))
    assert [probe.stamps for probe in opened] == [False, False]
    for train in (samples, six):
        assert (train.status == Status.RECEIVED).all()
        assert (train.tx_source == StampSource.USERLAND).all()
        assert (train.rx_source == StampSource.USERLAND).all()
        assert (train.rtt_ns > 0).all()


@pytest.mark.parametrize("kind", KINDS, indirect=True)
@pytest.mark.usefixtures("kind")
def test_a_driver_that_never_delivers_tx_stamps_leaves_the_userland_clock_for_tx_alone(
    hosts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "TIMESTAMPING", sockets.TIMESTAMPING & ~sockets.TX_SOFTWARE)
    with hosts.inside(hosts.near):
        (samples,) = measure(plan(hosts.far_v4))
    assert (samples.status == Status.RECEIVED).all()
    assert (samples.tx_source == StampSource.USERLAND).all()
    assert (samples.rx_source == StampSource.KERNEL).all()
    assert (samples.rtt_ns > 0).all()


def test_one_train_of_more_packets_than_sequence_numbers_is_matched_to_the_last(
    hosts: Any,
) -> None:
    with hosts.inside(hosts.near):
        (samples,) = measure(plan(hosts.far_v4, 70_000, size=24, spacing_ns=20_000))
    assert (samples.status == Status.RECEIVED).all()
    assert samples.duplicates == 0
    assert (samples.rx_ns > samples.tx_ns).all()


@pytest.mark.usefixtures("counted_ids")
def test_many_trains_wrap_sequence_numbers_and_stamp_ids(hosts: Any) -> None:
    plans = [plan(hosts.far_v4, 1000, size=24, spacing_ns=1_500_000) for _ in range(70)]
    with hosts.inside(hosts.near):
        all_of_them = measure(*plans)
    for samples in all_of_them:
        assert (samples.status == Status.RECEIVED).all()
        assert (samples.tx_source == StampSource.KERNEL).all()
        assert (samples.rx_ns > samples.tx_ns).all()


@pytest.mark.parametrize("version", [4, 6])
def test_packets_arrive_with_the_dscp_asked_for(
    hosts: Any, need: Callable[..., None], version: int
) -> None:
    need("nft")
    family, field = ("ip", "icmp") if version == 4 else ("ip6", "icmpv6")
    hosts.run(
        hosts.far, "nft",
        "table inet t { counter ef { }; counter rest { }; "
        "chain in { type filter hook input priority 0; "
        f"{field} type echo-request {family} dscp 46 counter name ef accept; "
        f"{field} type echo-request counter name rest; }}; }}",
    )  # fmt: skip
    address = hosts.far_v4 if version == 4 else hosts.far_v6
    with hosts.inside(hosts.near):
        measure(plan(address, 10, dscp=46), plan(address, 5))
    said = hosts.run(hosts.far, "nft", "list", "counters").stdout
    assert [line.split()[1] for line in said.splitlines() if "packets" in line] == ["10", "5"]


@pytest.mark.parametrize("size", [24, 25, 64, 1501, 9000, 65_000])
def test_any_size_comes_back_whole(hosts: Any, size: int) -> None:
    with hosts.inside(hosts.near):
        four, six = measure(
            plan(hosts.far_v4, 5, size=size, spacing_ns=20_000_000),
            plan(hosts.far_v6, 5, size=size, spacing_ns=20_000_000),
        )
    assert (four.status == Status.RECEIVED).all()
    assert (six.status == Status.RECEIVED).all()
    assert four.corrupted == six.corrupted == 0
