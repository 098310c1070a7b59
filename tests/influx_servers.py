"""Real servers for tests and benchmarks: influxd 1.6 behind a proxy, and VictoriaMetrics.

influxd 1.6 (Debian: influxdb) is a real storage engine with InfluxQL, but its write path is
older than the v2 API. The proxy maps `/api/v2/write?bucket=DB/RP` to `/write?db=DB&rp=RP`, checks
the token, injects faults from a queue and keeps what it did. Everything listens on loopback and
lies in one folder. Used by the fixtures of `conftest.py`, which load this file by its path.

As a script it serves an influxd of its own in a process of its own (benchmarks do not want the
proxy's work in theirs): it prints where as one line of JSON, obeys `stop`, `start` and
`create NAME` on standard input, and ends with it.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

HOST = "127.0.0.1"
START_S = 60.0
_PRECISION = {"ns": "n", "us": "u"}
"""v2 words for what 1.x calls otherwise."""
_PASSED_ON = ("Content-Encoding", "Content-Type", "Accept", "Accept-Encoding")

# Plain classes, not dataclasses: those look their module up by name, and a file that was loaded by
# its path need not be known by one.


class Fault(NamedTuple):
    """What the proxy does to one write instead of passing it on."""

    name: str
    status: int = 0
    retry_after: str | None = None
    seconds: float = 0.0
    share: float = 1.0
    """Of the body, that reaches influxd before it is killed."""


class Request(NamedTuple):
    """One request as the proxy saw it."""

    method: str
    path: str
    asked: dict[str, str]
    encoding: str
    """Content-Encoding of the body."""
    body: bytes
    """Decompressed; empty where bodies are not kept."""
    status: int
    """What it was answered with; 0: the connection was cut."""
    fault: str


def _free_port() -> int:
    """A port that nobody has. Below those that the kernel gives to outgoing connections, so that it
    stays free while its server is stopped."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def __init__(self, port: int, proxy: Proxy, context: ssl.SSLContext | None) -> None:
        self.proxy = proxy
        self.connections: set[socket.socket] = set()
        super().__init__((HOST, port), _Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away is what many tests are about.
        if not isinstance(sys.exc_info()[1], (OSError, http.client.HTTPException)):
            super().handle_error(request, client_address)


class Proxy:
    """Listens while it is started; may be stopped and started again on the same port."""

    def __init__(
        self,
        upstream: InfluxServer,
        *,
        keep_bodies: bool,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.upstream = upstream
        self.keep_bodies = keep_bodies
        self.port = _free_port()
        self.faults: deque[Fault] = deque()
        self.requests: list[Request] = []
        self.largest_body: int | None = None
        """Octets (decompressed) beyond which a write is answered with 413."""
        self.stopping = threading.Event()
        self._context = context
        self._listener: _Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._listener is not None

    def start(self) -> None:
        """Listen."""
        self.stopping.clear()
        self._listener = _Listener(self.port, self, self._context)
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.02}, name="proxy"
        )
        self._thread.start()

    def stop(self) -> None:
        """Cut every connection and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is None or self._thread is None:
            return
        self.stopping.set()
        listener.shutdown()
        self._thread.join()
        for connection in list(listener.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        listener.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)
        if self.server.proxy.stopping.is_set():  # it came while `stop` was at work
            self._cut()
        self.influxd: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        if self.influxd is not None:
            self.influxd.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Silent: `Proxy.requests` tells."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("http://"):  # we are a client's HTTP proxy (RFC 9112, section 3.2.2)
            path = "/" + path.split("/", 3)[3]
        asked = dict(parse_qsl(query, keep_blank_values=True))
        length = int(self.headers.get("Content-Length", 0))
        proxy = self.server.proxy
        write = path == "/api/v2/write"
        fault = proxy.faults.popleft() if write and proxy.faults else Fault("")
        if fault.name == "cut before":
            self.rfile.read(length // 2)
            self._note(path, asked, b"", 0, fault)
            self._cut()
            return
        body = self.rfile.read(length)
        plain = body
        if write and self.headers.get("Content-Encoding") == "gzip":
            plain = gzip.decompress(body)
        if path not in ("/ping", "/health") and not self._allowed():
            answer = _json(401, {"code": "unauthorized", "message": "unauthorized access"})
        elif fault.name == "answer":
            answer = _json(fault.status, {"code": "injected", "message": "injected by the test"})
            if fault.retry_after is not None:
                answer[1].append(("Retry-After", fault.retry_after))
        elif fault.name == "html":
            page = b"<!DOCTYPE html><html><body>Please log in to the proxy</body></html>"
            answer = (200, [("Content-Type", "text/html")], page)
        elif write and proxy.largest_body is not None and len(plain) > proxy.largest_body:
            answer = _json(413, {"code": "request too large", "message": "body is too large"})
        elif fault.name == "kill":
            self._kill_while_writing(fault, asked, body)
            self._note(path, asked, plain, 0, fault)
            self._cut()
            return
        else:
            if fault.name == "slow":
                proxy.stopping.wait(fault.seconds)
            try:
                answer = self._passed_on(path, query, asked, body)
            except (OSError, http.client.HTTPException):
                self._note(path, asked, plain, 0, fault)
                self._cut()
                return
        # Before the answer: whoever has it may look at once.
        cut = fault.name == "cut after"
        self._note(path, asked, plain if write else b"", 0 if cut else answer[0], fault)
        if cut:
            self._cut()
        else:
            self._answer(*answer)

    def _allowed(self) -> bool:
        return self.headers.get("Authorization") == f"Token {self.server.proxy.upstream.token}"

    def _passed_on(
        self, path: str, query: str, asked: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        if path == "/health":
            self._ask_influxd("GET", "/ping", b"")
            return _json(200, {"name": "influxdb", "status": "pass", "version": "1.6.7"})
        if path == "/api/v2/write":
            target = _write_target(asked)
        elif path in ("/query", "/ping"):
            target = f"{path}?{query}"
        else:
            return _json(404, {"code": "not found", "message": f"path {path} not found"})
        return self._ask_influxd(self.command, target, body)

    def _ask_influxd(
        self, method: str, target: str, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        if self.influxd is None:
            self.influxd = http.client.HTTPConnection(
                HOST, self.server.proxy.upstream.http_port, timeout=120
            )
        headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        try:
            self.influxd.request(method, target, body, headers)
            response = self.influxd.getresponse()
            data = response.read()
        except BaseException:
            self.influxd.close()
            self.influxd = None
            raise
        kept = [
            (k, v) for k, v in response.getheaders() if k in ("Content-Type", "Content-Encoding")
        ]
        return response.status, kept, data

    def _kill_while_writing(self, fault: Fault, asked: dict[str, str], body: bytes) -> None:
        """A part of the body reaches influxd (or all of it), then influxd is killed."""
        upstream = self.server.proxy.upstream
        connection = http.client.HTTPConnection(HOST, upstream.http_port, timeout=120)
        try:
            connection.putrequest("POST", _write_target(asked))
            for name in _PASSED_ON:
                if name in self.headers:
                    connection.putheader(name, self.headers[name])
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            connection.send(body[: round(len(body) * fault.share)])
            time.sleep(fault.seconds)
            upstream.kill_influxd()
        finally:
            connection.close()

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def _note(
        self, path: str, asked: dict[str, str], body: bytes, status: int, fault: Fault
    ) -> None:
        proxy = self.server.proxy
        proxy.requests.append(
            Request(
                self.command, path, asked, self.headers.get("Content-Encoding", ""),
                body if proxy.keep_bodies else b"", status, fault.name,
            )
        )  # fmt: skip


def _json(status: int, told: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
    return status, [("Content-Type", "application/json")], json.dumps(told).encode()


def _write_target(asked: dict[str, str]) -> str:
    database, _, policy = asked.get("bucket", "").partition("/")
    precision = asked.get("precision", "ns")
    wanted = {"db": database, "precision": _PRECISION.get(precision, precision)}
    if policy:
        wanted["rp"] = policy
    return f"/write?{urlencode(wanted)}"


class InfluxServer:
    """influxd and its proxy. `url` and `token` are for clients, `direct` is influxd itself."""

    def __init__(self, folder: Path, *, keep_bodies: bool = True) -> None:
        self.folder = folder
        self.token = "a-token-of-the-tests"
        self.database = ""
        self.http_port = self._rpc_port = 0
        self._influxd: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.proxy = Proxy(self, keep_bodies=keep_bodies)
        for attempt in range(5):
            self.http_port, self._rpc_port = _free_port(), _free_port()
            try:
                self._start_influxd()
                break
            except RuntimeError:
                # Another process may have taken a port in between.
                if attempt == 4:
                    raise
        self.proxy.start()
        self.fresh()

    @property
    def url(self) -> str:
        """Of the proxy."""
        return f"http://{HOST}:{self.proxy.port}"

    @property
    def direct(self) -> str:
        """Of influxd."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def faults(self) -> deque[Fault]:
        """What happens to the next writes, one each."""
        return self.proxy.faults

    @property
    def requests(self) -> list[Request]:
        """What the proxy saw."""
        return self.proxy.requests

    @property
    def writes(self) -> list[Request]:
        """The writes among them."""
        return [one for one in self.proxy.requests if one.path == "/api/v2/write"]

    @property
    def alive(self) -> bool:
        """Whether influxd runs."""
        return self._influxd is not None and self._influxd.poll() is None

    def fresh(self) -> None:
        """A new empty database (`database`), no faults, nothing on record."""
        self._databases += 1
        self.database = f"pasprobe_{self._databases}"
        self.create(self.database)
        self.proxy.faults.clear()
        self.proxy.requests.clear()
        self.proxy.largest_body = None

    def create(self, database: str) -> None:
        """Create a database."""
        self.query(f'CREATE DATABASE "{database}"')

    # -- faults ---------------------------------------------------------------------------------

    def answer(self, status: int, retry_after: str | None = None, times: int = 1) -> None:
        """The next writes are answered with this status and reach nobody."""
        self.faults.extend([Fault("answer", status, retry_after)] * times)

    def html(self, times: int = 1) -> None:
        """They are answered with 200 and a page for people."""
        self.faults.extend([Fault("html")] * times)

    def cut_before(self, times: int = 1) -> None:
        """Their connection is cut before they reach influxd."""
        self.faults.extend([Fault("cut before")] * times)

    def cut_after(self, times: int = 1) -> None:
        """It is cut after influxd has stored them, in place of the answer."""
        self.faults.extend([Fault("cut after")] * times)

    def slow(self, seconds: float, times: int = 1) -> None:
        """They are passed on after so long."""
        self.faults.extend([Fault("slow", seconds=seconds)] * times)

    def kill_in_write(self, share: float, seconds: float = 0.0) -> None:
        """influxd gets this share of the next body, and SIGKILL after so many seconds."""
        self.faults.append(Fault("kill", share=share, seconds=seconds))

    # -- life -----------------------------------------------------------------------------------

    def _start_influxd(self) -> None:
        configuration = self.folder / "influxd.conf"
        configuration.write_text(
            f"""
            reporting-disabled = true
            bind-address = "{HOST}:{self._rpc_port}"
            [meta]
            dir = "{self.folder}/meta"
            [data]
            dir = "{self.folder}/data"
            wal-dir = "{self.folder}/wal"
            query-log-enabled = false
            [http]
            bind-address = "{HOST}:{self.http_port}"
            log-enabled = false
            [monitor]
            store-enabled = false
            [continuous_queries]
            enabled = false
            [subscriber]
            enabled = false
            [logging]
            level = "warn"
            """.replace("            ", "")
        )
        self._influxd = _started(
            ["influxd", "-config", str(configuration)], self.folder / "influxd.log"
        )
        _wait_until_up(self._influxd, f"{self.direct}/ping", self.folder / "influxd.log")

    def kill_influxd(self) -> None:
        """SIGKILL; the proxy then cuts whoever asks."""
        if self._influxd is not None:
            self._influxd.kill()
            self._influxd.wait()

    def kill(self) -> None:
        """SIGKILL, and nobody listens any more."""
        self.kill_influxd()
        self.proxy.stop()

    def stop(self) -> None:
        """Stop as an administrator would; connections are refused from now on."""
        self.proxy.stop()
        if self._influxd is not None and self._influxd.poll() is None:
            self._influxd.terminate()
            self._influxd.wait(START_S)

    def start(self) -> None:
        """Run again: same folder, same ports."""
        if not self.alive:
            self._start_influxd()
        if not self.proxy.running:
            self.proxy.start()

    # -- what is in it --------------------------------------------------------------------------

    def write_lines(self, lines: bytes, database: str | None = None) -> None:
        """Write past the proxy; RuntimeError with influxd's words."""
        target = f"/write?db={quote(database or self.database)}&precision=n"
        status, body = _ask(self.http_port, "POST", target, lines)
        if status != 204:
            raise RuntimeError(f"influxd answered {status}: {body.decode()}")

    def query(self, text: str, database: str | None = None) -> list[dict[str, Any]]:
        """The series of an InfluxQL statement's answer, times in ns; past the proxy."""
        wanted = {"db": database or self.database, "epoch": "ns", "q": text}
        status, body = _ask(self.http_port, "POST", f"/query?{urlencode(wanted)}", b"")
        told = json.loads(body)
        result = told.get("results", [{}])[0]
        if status != 200 or "error" in told or "error" in result:
            raise RuntimeError(f"influxd answered {status}: {body.decode()}")
        return list(result.get("series", []))

    def count(self, measurement: str, database: str | None = None) -> int:
        """Points of a measurement: series times instants."""
        answer = self.query(f'SELECT count(*) FROM "{measurement}"', database)
        return max((int(n) for n in answer[0]["values"][0][1:]), default=0) if answer else 0

    def identities(self, measurement: str, policy: str = "") -> list[tuple[str, str, int]]:
        """(agent, path, start_ns) of each of our records in it, ascending; one that is there twice
        appears twice."""
        source = f'"{policy}"."{measurement}"' if policy else f'"{measurement}"'
        answer = self.query(f"SELECT schema FROM {source} GROUP BY agent, path")
        return sorted(
            (series["tags"]["agent"], series["tags"]["path"], int(values[0]))
            for series in answer
            for values in series["values"]
        )

    @contextlib.contextmanager
    def over_tls(
        self, certificate: Path, key: Path, client_ca: Path | None = None
    ) -> Iterator[str]:
        """The URL of a second proxy that speaks TLS with this certificate (PEM) and, with
        `client_ca`, wants one from its clients that this authority signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        proxy = Proxy(self, keep_bodies=True, context=context)
        proxy.start()
        try:
            yield f"https://{HOST}:{proxy.port}"
        finally:
            proxy.stop()


class VictoriaServer:
    """victoria-metrics: it takes the v2 write API as it is, and answers 204 to anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for attempt in range(5):
            self.port = _free_port()
            try:
                self.start()
                break
            except RuntimeError:
                if attempt == 4:
                    raise

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Run (again): same folder, same port."""
        self._process = _started(
            [
                "victoria-metrics", f"-storageDataPath={self.folder}/victoria",
                f"-httpListenAddr={HOST}:{self.port}", "-retentionPeriod=100y",
                "-loggerLevel=ERROR",
            ],
            self.folder / "victoria.log",
        )  # fmt: skip
        _wait_until_up(self._process, f"{self.url}/health", self.folder / "victoria.log")

    def stop(self) -> None:
        """Stop; what it has is on the disk then."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_S)

    def export(self, match: str) -> list[dict[str, Any]]:
        """The series that match (`{__name__=~"trains_.*"}`): `metric`, `values`, `timestamps` (ms).

        What was written becomes visible after some seconds only.
        """
        target = f"/api/v1/export?{urlencode({'match[]': match})}"
        status, body = _ask(self.port, "GET", target, b"")
        if status != 200:
            raise RuntimeError(f"victoria-metrics answered {status}: {body.decode()}")
        return [json.loads(line) for line in body.splitlines()]


def _ask(port: int, method: str, target: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    program = shutil.which(command[0], path=path)
    if program is None:
        raise RuntimeError(f"{command[0]} is not installed: see tests/system_packages.sh")
    with log.open("ab") as output:
        return subprocess.Popen(
            [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    port, _, path = url.removeprefix(f"http://{HOST}:").partition("/")
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _ = _ask(int(port), "GET", f"/{path}", b"")
            if status in (200, 204):
                return
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise RuntimeError(f"{url} does not answer: {log.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def influx(folder: Path, *, keep_bodies: bool = True) -> Iterator[InfluxServer]:
    """A running influxd with its proxy and an empty database; everything lies in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    server = InfluxServer(folder, keep_bodies=keep_bodies)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def victoria(folder: Path) -> Iterator[VictoriaServer]:
    """A running victoria-metrics; everything lies in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    server = VictoriaServer(folder)
    try:
        yield server
    finally:
        server.stop()


def main() -> None:
    """Serve until standard input ends."""
    with (
        tempfile.TemporaryDirectory(prefix="pp-influxd-") as folder,
        influx(Path(folder), keep_bodies=False) as server,
    ):
        where = {"url": server.url, "direct": server.direct, "token": server.token}
        print(json.dumps({**where, "database": server.database, "folder": folder}), flush=True)
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            if command == "create":
                server.create(argument)
            else:
                {"stop": server.stop, "start": server.start}[command]()
            print("done", flush=True)


if __name__ == "__main__":
    main()
