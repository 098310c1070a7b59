"""A real influxd 1.6 behind the tests' proxy, in processes of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from benchmarks import Unavailable
from benchmarks.hosts import ROOT, version

STOP_S = 60


class InfluxProcess:
    """Talks to `tests/influx_servers.py`, which has the server and the proxy as children."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        where = json.loads(self._line())
        self.url: str = where["url"]
        self.token: str = where["token"]
        self._port = int(where["direct"].rpartition(":")[2])

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the server's process ended: see its standard error")
        return line

    def order(self, command: str) -> None:
        """`stop`, `start` or `create NAME`; returns when it is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        self._line()

    def count(self, database: str, measurement: str = "trains") -> int:
        """Points of ours in a measurement: one a series and instant."""
        return sum(
            int(series["values"][0][1])
            for series in self._query(database, f'SELECT count(schema) FROM "{measurement}"')
        )

    def _query(self, database: str, text: str) -> list[dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            asked = urlencode({"db": database, "q": text, "epoch": "ns"})
            connection.request("GET", f"/query?{asked}")
            told = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in told or "error" in told["results"][0]:
            raise RuntimeError(f"influxd: {told}")
        return list(told["results"][0].get("series", []))


def influxd_version() -> str:
    """What it says of itself; raises `Unavailable` where there is none."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if shutil.which("influxd", path=path) is None:
        raise Unavailable("influxd is not installed: see tests/system_packages.sh")
    return version("influxd", "version")


@contextlib.contextmanager
def influx() -> Iterator[InfluxProcess]:
    """A server in a temporary folder; it ends with its standard input."""
    influxd_version()
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "influx_servers.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield InfluxProcess(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(STOP_S)
