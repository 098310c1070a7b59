"""A very small HTTP server for Prometheus, on the agent's own event loop.

GET /metrics and GET /healthz (the loop turns), nothing else. One request a connection, bounded in
octets, seconds and number, so that no client, slow or hostile, can keep the agent from its work;
measuring is done by another process and is not concerned at all.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable

from agent.daemon.log_lines import event
from agent.daemon.metrics import CONTENT_TYPE

log = logging.getLogger(__name__)

HEAD_MOST = 4_096
"""Octets of a request's head; Prometheus sends some 300."""
HEAD_S, ANSWER_S = 3.0, 10.0
"""How long a head may take to come, and the whole exchange."""
CONNECTIONS_MOST = 8
FRESH_S = 1.0
"""Who asks again within this time gets the same text: scrapes cannot add up to load."""
RETRY_S = 5.0
"""How often an address that is taken, or not there yet, is tried again."""

METRICS, HEALTH = "/metrics", "/healthz"
PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_PLAIN = "text/plain; charset=utf-8"
_REQUEST_LINE = re.compile(
    rb"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?P<target>[!-~]+) HTTP/(?P<major>[0-9])\.[0-9]"
)
"""RFC 9112, section 3: one space between the parts."""


def route(head: bytes) -> tuple[int, str]:
    """(200, path) of a request that is answered, (status, "") of any other. Sans-I/O.

    `head` begins with the request line; the header fields say nothing that matters here.
    """
    line = head.partition(b"\n")[0].removesuffix(b"\r")
    request = _REQUEST_LINE.fullmatch(line)
    if request is None:
        return 400, ""
    if request["major"] != b"1":
        return 505, ""
    target = request["target"]
    if target[:7].lower() == b"http://":  # absolute form, section 3.2.2
        target = b"/" + target[7:].partition(b"/")[2]
    path = target.partition(b"?")[0].decode("ascii")
    if path not in (METRICS, HEALTH):
        return 404, ""
    if request["method"] != b"GET":
        return 405, ""
    return 200, path


def response(status: int, body: bytes, content_type: str = _PLAIN) -> bytes:
    """The octets of an answer that ends its connection."""
    lines = [
        f"HTTP/1.1 {status} {PHRASES[status]}",
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if status == 405:
        lines.append("Allow: GET")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


class MetricsServer:
    """Serves what `text` gives, computed only when it is asked for.

    `address` is `host:port`, `[v6]:port`; the host is an address of this machine. An address that
    cannot be had is logged once and tried again, and the agent goes on without.
    """

    def __init__(
        self,
        address: str,
        text: Callable[[], bytes],
        *,
        head_s: float = HEAD_S,
        answer_s: float = ANSWER_S,
        retry_s: float = RETRY_S,
    ) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._text = text
        self._head_s, self._answer_s, self._retry_s = head_s, answer_s, retry_s
        self.port: int | None = None
        """Where it listens (of use when the address asks for port 0); None while it does not."""
        self._open = 0
        self._cached = b""
        self._cached_until = 0.0

    async def run(self) -> None:
        """Serve until cancelled."""
        server = await self._listen()
        self.port = server.sockets[0].getsockname()[1]
        event(log, logging.INFO, "metrics-served", address=self._host, port=self.port)
        try:
            await server.serve_forever()
        finally:
            self.port = None
            server.close()

    async def _listen(self) -> asyncio.Server:
        complained = False
        while True:
            try:
                return await asyncio.start_server(
                    self._serve, self._host, self._port, limit=HEAD_MOST, backlog=16
                )
            except OSError as error:
                if not complained:
                    complained = True
                    event(
                        log, logging.ERROR, "metrics-not-served",
                        address=self._host, port=self._port, error=error,
                    )  # fmt: skip
                await asyncio.sleep(self._retry_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(self._answer_s):
                writer.write(await self._answer(reader))
                await writer.drain()
                writer.write_eof()
                # What the client still sends is read: to close on it would reset the connection,
                # and the client would lose the answer (RFC 9112, section 9.6).
                for _ in range(16):
                    if not await reader.read(1 << 16):
                        break
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError):
            pass  # there is nobody left to tell
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        if self._open > CONNECTIONS_MOST:
            return response(503, b"too many connections\n")
        status, path = await self._asked(reader)
        if status != 200:
            return response(status, f"{status} {PHRASES[status]}: GET {METRICS}\n".encode())
        if path == HEALTH:
            return response(200, b"ok\n")
        return response(200, self._fresh(), CONTENT_TYPE)

    async def _asked(self, reader: asyncio.StreamReader) -> tuple[int, str]:
        try:
            async with asyncio.timeout(self._head_s):
                return route(await reader.readuntil(b"\r\n\r\n"))
        except TimeoutError:
            return 408, ""
        except asyncio.LimitOverrunError:
            return 431, ""
        except asyncio.IncompleteReadError:
            return 400, ""

    def _fresh(self) -> bytes:
        now = asyncio.get_running_loop().time()
        if now >= self._cached_until:
            self._cached = self._text()
            self._cached_until = now + FRESH_S
        return self._cached
