"""The server of /metrics: two requests are answered, and nothing that comes can hurt it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.daemon import metrics_server
from agent.daemon.metrics import CONTENT_TYPE
from agent.daemon.metrics_server import (
    CONNECTIONS_MOST,
    HEAD_MOST,
    PHRASES,
    MetricsServer,
    response,
    route,
)

T = TypeVar("T")
HEAD = b" HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /metrics" + HEAD, (200, "/metrics")),
        (b"GET /metrics HTTP/1.0\r\n\r\n", (200, "/metrics")),
        (b"GET /metrics?x=/healthz" + HEAD, (200, "/metrics")),
        (b"GET http://probe:9862/metrics" + HEAD, (200, "/metrics")),
        (b"GET /healthz" + HEAD, (200, "/healthz")),
        (b"GET /" + HEAD, (404, "")),
        (b"GET /metrics/" + HEAD, (404, "")),
        (b"GET http://metrics" + HEAD, (404, "")),
        (b"GET /%6Detrics" + HEAD, (404, "")),
        (b"POST /metrics" + HEAD, (405, "")),
        (b"HEAD /metrics" + HEAD, (405, "")),
        (b"get /metrics" + HEAD, (405, "")),
        (b"GET /metrics HTTP/2.0\r\n\r\n", (505, "")),
        (b"GET /metrics\r\n\r\n", (400, "")),
        (b"GET  /metrics" + HEAD, (400, "")),
        (b" GET /metrics" + HEAD, (400, "")),
        (b"GET /metr\x00ics" + HEAD, (400, "")),
        ("GET /métriques".encode() + HEAD, (400, "")),
        (b"", (400, "")),
        (b"\r\n\r\n", (400, "")),
        (b"\x16\x03\x01\x02\x00", (400, "")),
    ],
)
def test_only_two_requests_are_answered(head: bytes, expected: tuple[int, str]) -> None:
    assert route(head) == expected


PIECES = st.sampled_from(
    [b"GET", b"POST", b" ", b"/metrics", b"/healthz", b"?", b"http://", b"HTTP/1.1", b"HTTP/9.9",
     b"\r\n", b"\n", b"\x00", b"\xff", b":", b"a" * 100]
)  # fmt: skip


@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=12).map(b"".join)))
def test_every_head_has_an_answer(head: bytes) -> None:
    status, path = route(head)
    assert status in PHRASES
    assert (path in ("/metrics", "/healthz")) == (status == 200)
    if status == 200:
        assert head.startswith(b"GET ")
    assert response(status, b"x").startswith(f"HTTP/1.1 {status} ".encode())


@contextlib.asynccontextmanager
async def serving(text: Callable[[], bytes], **options: float) -> AsyncIterator[MetricsServer]:
    server = MetricsServer("127.0.0.1:0", text, **options)
    task = asyncio.create_task(server.run())
    try:
        while server.port is None:
            await asyncio.sleep(0.005)
        yield server
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def exchange(server: MetricsServer, request: bytes, *, end: bool = False) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not so():
            await asyncio.sleep(0.01)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_an_ordinary_client_gets_the_text_as_it_is() -> None:
    text = 'a_metric{path="città"} 1\n'.encode() * 1000

    async def main() -> None:
        async with serving(lambda: text) as server:

            def scrape() -> tuple[int, str | None, bytes]:
                client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                client.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
                answer = client.getresponse()
                found = answer.status, answer.getheader("Content-Type"), answer.read()
                client.close()
                return found

            assert await asyncio.to_thread(scrape) == (200, CONTENT_TYPE, text)

    run(main())


def test_anything_else_gets_its_status_and_the_server_goes_on() -> None:
    long = b"GET /metrics HTTP/1.1\r\nX: " + b"a" * (3 * HEAD_MOST) + b"\r\n\r\n"
    body = b"POST /metrics HTTP/1.1\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30_000

    async def main() -> None:
        async with serving(lambda: b"text") as server:
            assert status_of(await exchange(server, b"GET /healthz" + HEAD)) == 200
            assert status_of(await exchange(server, b"GET /secrets" + HEAD)) == 404
            refused = await exchange(server, body)
            assert status_of(refused) == 405
            assert b"\r\nAllow: GET\r\n" in refused
            assert status_of(await exchange(server, long)) == 431
            assert status_of(await exchange(server, b"nonsense\r\n\r\n")) == 400
            assert status_of(await exchange(server, b"GET /met", end=True)) == 400
            # A client may end its side as soon as it has asked.
            answer = await exchange(server, b"GET /metrics" + HEAD, end=True)
            assert answer.endswith(b"\r\n\r\ntext")

    run(main())


def test_a_client_that_asks_with_a_body_still_gets_its_answer() -> None:
    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"POST /metrics HTTP/1.1\r\nContent-Length: 600000\r\n\r\n")
            # By now the answer is there; a server that had closed would break off what follows.
            time.sleep(0.3)
            for _ in range(6):
                client.sendall(b"x" * 100_000)
                time.sleep(0.02)
            return client.recv(4096)

    async def main() -> None:
        async with serving(lambda: b"text") as server:
            assert status_of(await asyncio.to_thread(ask, server.port or 0)) == 405

    run(main())


def test_who_says_nothing_is_told_so_and_sent_away() -> None:
    async def main() -> None:
        async with serving(lambda: b"text", head_s=0.1) as server:
            assert status_of(await exchange(server, b"GET /metrics HTTP/1.1\r\n")) == 408

    run(main())


def test_slow_clients_fill_their_places_only() -> None:
    async def main() -> None:
        async with serving(lambda: b"text") as server:
            slow = [
                await asyncio.open_connection("127.0.0.1", server.port)
                for _ in range(CONNECTIONS_MOST)
            ]
            for _, writer in slow:
                writer.write(b"GET /met")
            # The kernel may hand over the last of them later than the one that asks now.
            async with asyncio.timeout(30):
                while status_of(await exchange(server, b"GET /metrics" + HEAD)) != 503:
                    await asyncio.sleep(0.01)
            for _, writer in slow:
                writer.close()
                await writer.wait_closed()
            async with asyncio.timeout(30):
                while status_of(await exchange(server, b"GET /metrics" + HEAD)) != 200:
                    await asyncio.sleep(0.01)

    run(main())


def test_a_client_that_does_not_read_is_cut_off() -> None:
    async def main() -> None:
        async with serving(lambda: b"x" * (64 << 20), answer_s=0.2) as server:
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(client, ("127.0.0.1", server.port))
                await loop.sock_sendall(client, b"GET /metrics" + HEAD)

                async def drained() -> bool:
                    """Whether the server has let go before all was sent."""
                    await asyncio.sleep(0.5)
                    size = 0
                    with contextlib.suppress(ConnectionError):
                        while data := await loop.sock_recv(client, 1 << 20):
                            size += len(data)
                    return size < 64 << 20

                assert await asyncio.wait_for(drained(), 30)
            assert status_of(await exchange(server, b"GET /healthz" + HEAD)) == 200

    run(main())


def test_a_client_that_vanishes_does_no_harm() -> None:
    async def main() -> None:
        async with serving(lambda: b"text") as server:
            for request in (b"", b"GET /met", b"GET /metrics" + HEAD):
                with socket.create_connection(("127.0.0.1", server.port or 0)) as client:
                    # Closed with a reset.
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.sendall(request)
            assert status_of(await exchange(server, b"GET /metrics" + HEAD)) == 200

    run(main())


def test_live_fuzz_whatever_comes_the_next_scrape_is_answered() -> None:
    rng = random.Random(862)
    good = b"GET /metrics HTTP/1.1\r\nHost: probe\r\nAccept: */*\r\n\r\n"

    def mutated() -> bytes:
        octets = bytearray(good * rng.choice((1, 1, 1, 50, 200)))
        for _ in range(rng.randint(0, 12)):
            place = rng.randrange(len(octets) + 1)
            match rng.randrange(3):
                case 0:
                    octets[place:place] = rng.randbytes(rng.randint(1, 40))
                case 1:
                    del octets[place : place + rng.randint(1, 40)]
                case _:
                    octets[place:place] = rng.choice((b"\r\n", b" ", b"\x00", b"\r\n\r\n"))
        return bytes(octets)

    async def main() -> None:
        async with serving(lambda: b"text", head_s=0.05) as server:
            for _ in range(150):
                with contextlib.suppress(ConnectionError):
                    answer = await exchange(server, mutated(), end=rng.random() < 0.5)
                    assert answer == b"" or status_of(answer) in PHRASES
            assert status_of(await exchange(server, good)) == 200

    run(main())


def test_nothing_is_computed_unless_it_is_asked_for_and_not_twice_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics_server, "FRESH_S", 3600.0)
    asked: list[int] = []

    def text() -> bytes:
        asked.append(1)
        return b"text"

    async def main() -> None:
        async with serving(text) as server:
            await exchange(server, b"GET /healthz" + HEAD)
            await exchange(server, b"GET /else" + HEAD)
            assert asked == []
            await exchange(server, b"GET /metrics" + HEAD)
            assert (await exchange(server, b"GET /metrics" + HEAD)).endswith(b"text")
            assert asked == [1]

    run(main())


def test_a_mistake_in_the_text_costs_one_scrape(caplog: pytest.LogCaptureFixture) -> None:
    failures = [KeyError("spool")]

    def text() -> bytes:
        if failures:
            raise failures.pop()
        return b"text"

    async def main() -> None:
        async with serving(text) as server:
            assert await exchange(server, b"GET /metrics" + HEAD) == b""
            assert (await exchange(server, b"GET /metrics" + HEAD)).endswith(b"text")

    run(main())
    assert "KeyError" in caplog.text


def test_an_address_that_is_taken_is_named_once_and_had_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            server = MetricsServer(f"127.0.0.1:{port}", lambda: b"text", retry_s=0.02)
            task = asyncio.create_task(server.run())
            await until(lambda: "metrics-not-served" in caplog.text)
            await asyncio.sleep(0.1)
            assert not task.done()
        await until(lambda: server.port is not None)
        assert status_of(await exchange(server, b"GET /metrics" + HEAD)) == 200
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with caplog.at_level(logging.INFO):
        run(main())
    assert caplog.text.count("metrics-not-served") == 1
    assert "metrics-served" in caplog.text


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_it_listens_where_it_is_told_to(address: str) -> None:
    async def main() -> None:
        server = MetricsServer(address, lambda: b"text")
        task = asyncio.create_task(server.run())
        await until(lambda: server.port is not None)
        host = "::1" if "[" in address else "127.0.0.1"
        reader, writer = await asyncio.open_connection(host, server.port)
        writer.write(b"GET /healthz" + HEAD)
        assert (await reader.read()).endswith(b"ok\n")
        writer.close()
        await writer.wait_closed()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert server.port is None

    run(main())
