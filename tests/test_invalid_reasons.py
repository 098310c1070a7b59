"""Reasons for which a train does not count: those no other test provokes, and the table of all."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.probing import Request, Target, checked, measure, resolve
from agent.summary import NEGATIVE_DELAY, REASONS, UNRESOLVED
from timeseries.records import DelayFigures, TrainRecord

ROOT = Path(__file__).resolve().parent.parent
ACCURACY = ROOT / "docs" / "accuracy.md"
PACKETS = 5


def train(method: str, target: Target) -> TrainRecord:
    request = checked(
        Request("stamp" if method == "stamp" else "icmp", PACKETS, 2_000_000, 0, 1_000_000_000)
    )
    (result,) = measure([target], request)
    return result.record


def test_a_name_without_an_address_makes_the_train_invalid() -> None:
    (target,) = resolve([("no..name", 0)], socket.AF_UNSPEC)
    record = train("icmp", target)
    assert (record.valid, record.reasons, record.sent) == (False, (UNRESOLVED,), 0)
    assert record.rtt == DelayFigures()
    assert "no..name" in target.error


@contextmanager
def lying_reflector(stay: int) -> Iterator[int]:
    """Answers STAMP requests (RFC 8762, section 4.3.1) with T3 = T2 + `stay`, in units of 2^-32 s;
    yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.1)
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                try:
                    asked, source = sock.recvfrom(2048)
                except TimeoutError:
                    continue
                t2 = int.from_bytes(asked[4:12])
                t3 = (t2 + stay).to_bytes(8)
                reply = asked[:4] + t3 + b"\0\1\0\0" + asked[4:12] + asked[:14]
                sock.sendto(reply.ljust(len(asked), b"\0"), source)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    "stay", [10 << 32, -(10 << 32)], ids=["longer than the whole round trip", "below zero"]
)
def test_a_reflector_that_lies_about_its_stay_makes_the_train_invalid(stay: int) -> None:
    with lying_reflector(stay) as port:
        record = train("stamp", Target("127.0.0.1", port, "127.0.0.1"))
    assert record.received == PACKETS
    assert NEGATIVE_DELAY in record.reasons
    assert not record.valid
    assert record.rtt == DelayFigures()


def test_a_truthful_reflector_does_not() -> None:
    with lying_reflector(0) as port:
        record = train("stamp", Target("127.0.0.1", port, "127.0.0.1"))
    assert record.received == PACKETS
    assert NEGATIVE_DELAY not in record.reasons
    assert record.rtt.min_ns is not None


def test_the_documentation_lists_every_reason_with_tests_that_are_there() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*?\|([^|]*)\|$", ACCURACY.read_text(), re.MULTILINE)
    assert [reason for reason, _ in rows] == list(REASONS)
    for reason, tests in rows:
        named = re.findall(r"`(tests/\w+\.py)(?:::(\w+))?`", tests)
        assert named, reason
        for file, function in named:
            assert f"def {function}" in (ROOT / file).read_text(), (file, function)
