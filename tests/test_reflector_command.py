"""`pasprobe reflect` as a program: ports, keys, signals, counters."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from agent.wire.stamp import build_sender

ROOT = Path(__file__).parents[1]
PROGRAM = textwrap.dedent(
    """
    import typer
    from agent.reflector.commands import register
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    app()
    """
)
"""The command alone: what else `pasprobe.py` puts together is not this test's business."""


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, "reflect", *words]


@contextmanager
def started(*words: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command(*words), cwd=ROOT, text=True, env=os.environ | extra,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def request(size: int = 44, key: bytes | None = None) -> bytes:
    one = np.array([1], np.uint32)
    return build_sender(one, one.astype(np.uint64), 1, 2, size, key)[0].tobytes()


def place(said: str) -> tuple[str, int]:
    host, _, port = json.loads(said)["listening"][0].rpartition(":")
    return host.strip("[]"), int(port)


@pytest.mark.parametrize("last", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_a_signal_and_ends_with_its_counters(last: signal.Signals) -> None:
    with started("--listen", "127.0.0.1:0", "--json") as process:
        assert process.stdout is not None
        address = place(process.stdout.readline())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(b"x", address)
            sock.sendto(request(), address)
            assert len(sock.recv(100)) == 44
            process.send_signal(signal.SIGUSR1)
            counters = json.loads(process.stdout.readline())
            assert (counters["received"], counters["answered"]) == (2, 1)
            sock.sendto(request(), address)
            assert len(sock.recv(100)) == 44
        process.send_signal(last)
        said, errors = process.communicate(timeout=5)
    assert process.returncode == 0
    assert errors == ""
    counters = json.loads(said)
    assert (counters["received"], counters["answered"]) == (3, 2)
    assert counters["refused"]["short"] == 1


def test_people_get_lines_and_only_what_happened() -> None:
    with started("--listen", "[::1]:0") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("listening on [::1]:")
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=5)
    lines = dict(line.rsplit(maxsplit=1) for line in said.splitlines())
    assert lines["received"] == "0"
    assert not any(name.startswith("refused") for name in lines)


def test_with_a_keys_file_only_signed_requests_are_answered(tmp_path: Path) -> None:
    key = bytes(range(32))
    keys = tmp_path / "keys"
    keys.write_text(f"{key.hex()}\n")
    keys.chmod(0o600)
    with started("--listen", "127.0.0.1:0", "--json", "--auth-key-file", str(keys)) as process:
        assert process.stdout is not None
        address = place(process.stdout.readline())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(request(), address)
            sock.sendto(request(112, bytes(32)), address)
            sock.sendto(request(112, key), address)
            assert len(sock.recv(200)) == 112
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=5)
    refused = json.loads(said)["refused"]
    assert (refused["unauthenticated"], refused["hmac"]) == (1, 1)


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(10)
        with started("--listen", "127.0.0.1:0", NOTIFY_SOCKET=path) as process:
            assert systemd.recv(100) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert systemd.recv(100) == b"STOPPING=1"
            process.communicate(timeout=5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--listen", "0.0.0.0:8620"], "--allow"),
        (["--listen", "nowhere"], "write an address with a port"),
        (["--listen", "127.0.0.1:0", "--allow", "10.0.0.1/8"], "host bits"),
        (["--listen", "127.0.0.1:0", "--auth-key-file", "/nonexistent"], "No such file"),
        (["--allow-unauthenticated"], "--auth-key-file"),
        (["--rate", "-1"], "--rate"),
        (["--dscp", "64"], "--dscp"),
    ],
)
def test_a_wrong_call_ends_with_2_and_the_remedy(words: list[str], said: str) -> None:
    done = subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_ends_with_2() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        done = subprocess.run(
            command("--listen", f"127.0.0.1:{port}"), cwd=ROOT, capture_output=True, text=True,
            timeout=20,
        )  # fmt: skip
    assert done.returncode == 2
    assert "the port is taken" in done.stderr
