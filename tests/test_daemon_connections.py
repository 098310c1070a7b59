"""TCP attempts as checks: real listeners, refusals, silences."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from agent.daemon.connections import Connector
from agent.daemon.engine_link import Finished, Message, Order, Refused
from agent.samples import Status, TrainPlan, TrainSamples
from agent.summary import TrainContext, summarise
from timeseries.records import TrainRecord

MS = 1_000_000
CONTEXT = TrainContext("a", "", "", "", "", "127.0.0.1", None)


def plan(port: int, address: str = "127.0.0.1", packets: int = 1) -> TrainPlan:
    return TrainPlan("check/c/x", "tcp", address, packets, 20 * MS, 0, 300 * MS, port=port)


def tried(*plans: TrainPlan, start_in_ns: int = 0) -> list[Message]:
    """What the connector says of trains of attempts, in the order of the plans."""

    async def work() -> list[Message]:
        said: list[Message] = []
        connector = Connector(said.append)
        start = time.monotonic_ns() + start_in_ns
        connector.order(Order(token, start, one) for token, one in enumerate(plans))
        while len(said) < len(plans):
            await asyncio.sleep(0.005)
        return said

    return asyncio.run(work())


def samples(message: Message) -> TrainSamples:
    assert isinstance(message, Finished)
    ((_, found),) = message.trains
    return found


def record(message: Message) -> TrainRecord:
    return summarise(samples(message), CONTEXT)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def test_a_port_that_accepts_answers_and_the_time_to_it_is_the_round_trip(
    listener: socket.socket,
) -> None:
    (message,) = tried(plan(port_of(listener), packets=3))
    train = record(message)
    assert (train.method, train.planned, train.sent, train.received) == ("tcp", 3, 3, 3)
    assert train.valid, train.reasons
    assert train.rtt.min_ns is not None
    assert 0 < train.rtt.min_ns <= 300 * MS
    # Nothing is said over the connection, and it is closed.
    for _ in range(3):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(1) == b""


def test_a_port_that_nobody_listens_on_refuses_and_is_lost(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    (message,) = tried(plan(port))
    train = record(message)
    assert (train.sent, train.received, train.lost, train.valid) == (1, 0, 1, True)
    assert "refused" in train.flags


def test_a_port_that_says_nothing_is_lost_after_its_timeout() -> None:
    # A full queue of connections drops what comes next without a word (Linux).
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(server.getsockname())
        (message,) = tried(plan(port_of(server)))
    train = record(message)
    assert (train.sent, train.lost, train.valid) == (1, 1, True)
    assert "refused" not in train.flags


def test_what_the_kernel_has_no_way_for_was_never_sent() -> None:
    (message,) = tried(plan(80, "255.255.255.255"))
    train = record(message)
    assert (train.sent, train.valid, train.reasons) == (0, False, ("send-errors",))
    assert train.send_errors == (("ENETUNREACH", 1),)


def test_an_interface_that_is_not_there_is_refused() -> None:
    (message,) = tried(plan(80, "fe80::1%pp-none"))
    assert isinstance(message, Refused)


def test_an_attempt_whose_time_is_long_past_was_missed(listener: socket.socket) -> None:
    (message,) = tried(plan(port_of(listener)), start_in_ns=-5_000 * MS)
    assert samples(message).missed


def test_ipv6_and_many_at_once_do_not_disturb_each_other(listener: socket.socket) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        said = tried(
            plan(port_of(six), "::1"),
            *(plan(port_of(listener)) for _ in range(50)),
            plan(1, "127.0.0.1"),
        )
    by_token = {token: one for m in said if isinstance(m, Finished) for token, one in m.trains}
    good = [n for n, one in by_token.items() if one.status[0] == Status.RECEIVED]
    assert (len(by_token), sorted(good)) == (52, list(range(51)))


def test_what_is_cancelled_says_nothing_more(listener: socket.socket) -> None:
    async def work() -> list[Message]:
        said: list[Message] = []
        connector = Connector(said.append)
        now = time.monotonic_ns()
        connector.order([Order(n, now + 50 * MS * n, plan(port_of(listener))) for n in range(3)])
        connector.cancel([1])
        await asyncio.sleep(0.08)
        connector.abandon()
        await asyncio.sleep(0.05)
        return said

    assert [
        token for m in asyncio.run(work()) if isinstance(m, Finished) for token, _ in m.trains
    ] == [0]
