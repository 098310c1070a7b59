"""Our sender against our reflector, both on live sockets."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from agent.engine.loop import Engine
from agent.engine.timing import on_grid
from agent.reflector.access import Keyring
from agent.reflector.server import Reflector, ReflectorOptions
from agent.samples import StampOptions, StampSource, Status, TrainPlan, TrainSamples
from agent.summary import loss_by_direction
from agent.wire.tlv import SenderTlvs, least_size

KEY = b"sixteen octets.."


@contextmanager
def reflecting(host: str, **options: Any) -> Iterator[tuple[str, int]]:
    """A reflector on a free port of the address, working in a thread."""
    reflector = Reflector(ReflectorOptions(listen=((host, 0),), **options))
    stop = threading.Event()
    thread = threading.Thread(target=reflector.run, args=(stop,))
    thread.start()
    try:
        yield reflector.addresses[0]
    finally:
        stop.set()
        thread.join()
        reflector.close()


def plan(where: tuple[str, int], options: StampOptions, packets: int = 30) -> TrainPlan:
    tlvs = SenderTlvs(
        timestamp_information=options.timestamp_information,
        class_of_service=0 if options.class_of_service else None,
        follow_up=options.follow_up,
    )
    size = least_size(options.auth_key is not None, tlvs)
    return TrainPlan(
        "p", "stamp", where[0], packets, 2_000_000, size, 500_000_000,
        port=where[1], stamp=options,
    )  # fmt: skip


def measure(*plans: TrainPlan) -> list[TrainSamples]:
    engine = Engine()
    start_ns = on_grid(time.monotonic_ns() + 5_000_000)
    done = {id(samples.plan): samples for samples in engine.run([(p, start_ns) for p in plans])}
    engine.close()
    return [done[id(p)] for p in plans]


def sound(samples: TrainSamples) -> bool:
    """All answered, nothing odd, and the four stamps of every packet in their order."""
    order = np.stack([samples.tx_ns, samples.t2_ns, samples.t3_ns, samples.rx_ns])
    # Stamps of the NTP format are exact to the nanosecond, a follow-up stamp may be T3's equal.
    return (
        bool((samples.status == Status.RECEIVED).all())
        and (samples.duplicates, samples.corrupted, samples.spoofed) == (0, 0, 0)
        and bool((np.diff(order, axis=0) >= 0).all())
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("time_format", ["ntp", "ptp"])
@pytest.mark.parametrize("stateful", [False, True])
def test_every_format_goes_there_and_back(
    host: str, key: bytes | None, time_format: Literal["ntp", "ptp"], stateful: bool
) -> None:
    keys = Keyring(((None, KEY),) if key else ())
    with reflecting(host, keys=keys, stateful=stateful) as where:
        options = StampOptions(auth_key=key, time_format=time_format, class_of_service=True)
        (samples,) = measure(plan(where, options))
    assert sound(samples)
    facts = samples.reflector
    assert facts is not None
    assert (facts.swapped, facts.ssid_echoed, facts.dscp_seen) == (False, True, 0)
    assert samples.reflector_seq.tolist() == list(range(30))


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("time_format", ["ntp", "ptp"])
def test_follow_up_telemetry_makes_the_round_trip_exact_at_both_ends(
    key: bytes | None, time_format: Literal["ntp", "ptp"]
) -> None:
    keys = Keyring(((None, KEY),) if key else ())
    with reflecting("127.0.0.1", keys=keys) as where:
        options = StampOptions(auth_key=key, time_format=time_format, follow_up=True)
        # Far apart: of replies that leave in one batch, only the last is told of by the next.
        (samples,) = measure(replace(plan(where, options, packets=8), spacing_ns=60_000_000))
    assert sound(samples)
    assert samples.reflector is not None
    assert samples.reflector.follow_up
    for source in (samples.tx_source, samples.rx_source, samples.t3_source[:-1]):
        assert (source == StampSource.KERNEL).all()
    assert samples.t3_source[-1] == StampSource.USERLAND


def test_another_key_gets_no_answer() -> None:
    with reflecting("127.0.0.1", keys=Keyring(((None, KEY),))) as where:
        (samples,) = measure(plan(where, StampOptions(auth_key=b"another key of 16")))
    assert (samples.status == Status.LOST).all()
    assert (samples.corrupted, samples.spoofed) == (0, 0)


def test_loss_is_told_by_direction_with_a_stateful_reflector(hosts: Any, need: Any) -> None:
    need("nft")
    with hosts.inside(hosts.near):
        for _ in range(50):
            engine = Engine(early=True)
            warm = TrainPlan("w", "icmp", hosts.far_v4, 1, 1, 64, 200_000_000)
            (samples,) = engine.run([(warm, time.monotonic_ns())])
            engine.close()
            if samples.status[0] == Status.RECEIVED:
                break
    allow = (ipaddress.ip_network("10.77.0.0/24"),)
    with hosts.inside(hosts.far):
        reflector = Reflector(
            ReflectorOptions(listen=((hosts.far_v4, 0),), stateful=True, allow=allow)
        )
    port = reflector.addresses[0][1]
    # The low octet of the sequence number: every 16th request is lost there, every 16th reply here.
    for host, match in (
        (hosts.far, f"udp dport {port} @th,64,32 & 15 == 5 drop"),
        (hosts.near, f"udp sport {port} @th,256,32 & 15 == 9 drop"),
    ):
        hosts.run(
            host, "nft",
            f"table inet t {{ chain in {{ type filter hook input priority 0; {match}; }}; }}",
        )  # fmt: skip
    stop = threading.Event()
    thread = threading.Thread(target=reflector.run, args=(stop,))
    thread.start()
    with hosts.inside(hosts.near):
        (samples,) = measure(plan((hosts.far_v4, port), StampOptions(), packets=64))
    stop.set()
    thread.join()
    reflector.close()
    lost = np.flatnonzero(samples.status == Status.LOST).tolist()
    assert lost == sorted([*range(5, 64, 16), *range(9, 64, 16)])
    assert loss_by_direction(samples) == (4, 4)


def test_sixty_sessions_at_once_keep_apart() -> None:
    with reflecting("127.0.0.1", stateful=True) as one, reflecting("::1", stateful=True) as other:
        plans = [
            plan(where, StampOptions(follow_up=True), packets=5)
            for where in (one, other)
            for _ in range(30)
        ]
        assert all(sound(samples) for samples in measure(*plans))
