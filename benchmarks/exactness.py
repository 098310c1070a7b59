"""Exactness: the round trip that a tool reports against the round trip that passed the tap.

The error of one probe is what the tool reports for it minus what tcpdump saw of that very probe at
the sender's interface (request out, reply in). Where the tool takes off the far end's stay (STAMP,
irtt), so does the truth: by a second capture at the far end (request in, reply out). The tools run
one after another against the same target, each with its own capture.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.capture import KeyOf, echo_key, irtt_key, stamp_key, tapped
from benchmarks.hosts import PASPROBE, Link, linked, need, start, version

NAME = "exactness"
PROBES: Final = 1000
SPACING_MS: Final = 10
STAMP_PORT: Final = 8620
IRTT_PORT: Final = 2112
STALL_S: Final = 0.015
STALL_GAP_S: Final = (0.02, 0.15)
"""Between two stalls; drawn evenly."""
LISTENING_S: Final = 10.0
TAIL_S: Final = 60.0

GOALS: dict[str, tuple[str, float]] = {
    "pasprobe ping: median error (µs)": ("<=", 6),
    "pasprobe ping: p99 error (µs)": ("<=", 20),
    "pasprobe ping / fping, median error": ("<=", round(1 / 3, 3)),
    "pasprobe stamp --follow-up: median error (µs)": ("<=", 10),
    "pasprobe ping, stalled / not, p99 error": ("<=", 2),
}


@dataclass(frozen=True, slots=True)
class Errors:
    """Reported minus true round trip of each probe of one tool, ns, in the order of sending."""

    tool: str
    signed_ns: tuple[int, ...]

    def percentile_us(self, percent: int) -> float:
        """Percentile of the absolute error (nearest rank)."""
        ascending = sorted(map(abs, self.signed_ns))
        return ascending[-(-percent * len(ascending) // 100) - 1] / 1000

    def figures(self) -> dict[str, float | str]:
        """The rows of this tool."""
        return {
            f"{self.tool}: median error (µs)": self.percentile_us(50),
            f"{self.tool}: p99 error (µs)": self.percentile_us(99),
        }

    def print_raw(self) -> None:
        """Every single error."""
        print(f"{self.tool}: {len(self.signed_ns)} probes, reported - true round trip in ns:")
        for at in range(0, len(self.signed_ns), 20):
            print(*self.signed_ns[at : at + 20])


def run_once() -> dict[str, float | str]:
    """Each tool once over a fresh link."""
    need("tcpdump", "fping", "ping", "irtt")
    with linked() as link:
        ours = _echo(link, "pasprobe ping", _pasprobe(link))
        fping = _echo(link, "fping", _fping(link))
        ping = _echo(link, "ping", _ping(link))
        stamp = _stamp(link)
        irtt = _irtt(link)
        ours_stalled = _echo(link, "pasprobe ping, stalled", _pasprobe(link), stall=True)
        fping_stalled = _echo(link, "fping, stalled", _fping(link), stall=True)
    figures: dict[str, float | str] = {}
    for errors in (ours, fping, ping, stamp, irtt, ours_stalled, fping_stalled):
        errors.print_raw()
        figures |= errors.figures()
    figures["pasprobe ping / fping, median error"] = ours.percentile_us(50) / fping.percentile_us(
        50
    )
    figures["pasprobe ping, stalled / not, p99 error"] = ours_stalled.percentile_us(
        99
    ) / ours.percentile_us(99)
    figures["probes of each tool"] = PROBES
    figures["beside it"] = ", ".join(
        (version("fping", "-v").replace("fping: ", "fping "), version("ping", "-V"))
    )
    return figures


def _pasprobe(link: Link) -> list[str]:
    return [
        PASPROBE, "ping", link.far_address, "-c", str(PROBES), "-i", str(SPACING_MS / 1000),
        "--json", "--samples",
    ]  # fmt: skip


def _fping(link: Link) -> list[str]:
    return ["fping", "-q", "-C", str(PROBES), "-p", str(SPACING_MS), link.far_address]


def _ping(link: Link) -> list[str]:
    return ["ping", "-n", "-c", str(PROBES), "-i", str(SPACING_MS / 1000), link.far_address]


def _echo(link: Link, tool: str, command: Sequence[str], *, stall: bool = False) -> Errors:
    """Run an ICMP tool beside a capture and compare probe by probe."""
    with tapped(link.near, link.near_tap, "icmp") as tap:
        out = _finished(link.near, command, stall=stall)
    reported = {PASPROBE: _read_pasprobe, "fping": _read_fping, "ping": _read_ping}[command[0]](out)
    return compare(tool, reported, list(tap.exchanges(echo_key).values()))


def _finished(host: str, command: Sequence[str], *, stall: bool = False) -> str:
    """What a tool prints, the two streams one after the other."""
    process = start(host, command)
    with _stalling(process) if stall else contextlib.nullcontext():
        out, err = process.communicate(timeout=PROBES * SPACING_MS / 1000 + TAIL_S)
    if process.returncode not in (0, 1) or not out + err:
        raise RuntimeError(f"{command[0]}: exit {process.returncode}: {err}")
    return out + err


@contextlib.contextmanager
def _stalling(process: subprocess.Popen[str]) -> Iterator[None]:
    """Stop the process for 15 ms again and again at random moments, as a collection of garbage or
    a busy machine does.
    """
    done = threading.Event()
    stalls = 0

    def work() -> None:
        nonlocal stalls
        while not done.wait(random.uniform(*STALL_GAP_S)) and process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            time.sleep(STALL_S)
            process.send_signal(signal.SIGCONT)
            stalls += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        print(f"stalled {stalls} times for {STALL_S * 1000:.0f} ms")


def compare(tool: str, reported: Sequence[int], truth: Sequence[tuple[int, int]]) -> Errors:
    """Probe by probe, both in the order of sending. Every probe must have come back.

    Raises RuntimeError where the numbers of probes differ: then they cannot be told apart.
    """
    if not len(reported) == len(truth) == PROBES:
        raise RuntimeError(
            f"{tool}: {len(reported)} round trips reported, {len(truth)} captured, {PROBES} sent"
        )
    return Errors(
        tool,
        tuple(rtt - (back - out) for rtt, (out, back) in zip(reported, truth, strict=True)),
    )


def _read_pasprobe(out: str) -> list[int]:
    document = json.loads(out)
    kernel = sum(sample["stamp"]["tx"] == "kernel" for sample in document["samples"])
    print(f"pasprobe: valid {document['valid']} {document['reasons']}, kernel TX stamps {kernel}")
    return [s["rtt_ns"] for s in document["samples"] if s["rtt_ns"] is not None]


def _read_fping(out: str) -> list[int]:
    _, _, times = out.strip().splitlines()[-1].partition(" : ")
    return [round(float(text) * 1e6) for text in times.split() if text != "-"]


def _read_ping(out: str) -> list[int]:
    found = re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", out)
    return [round(float(time_ms) * 1e6) for _, time_ms in sorted(found, key=lambda f: int(f[0]))]


def _stamp(link: Link) -> Errors:
    """STAMP with follow-up telemetry: both ends report by the stamps of their kernels."""
    reflector = [
        PASPROBE, "reflect", "--listen", f"{link.far_address}:{STAMP_PORT}",
        "--allow", f"{link.near_address}/32",
    ]  # fmt: skip
    sender = [
        PASPROBE, "stamp", f"{link.far_address}:{STAMP_PORT}", "-c", str(PROBES),
        "-i", str(SPACING_MS / 1000), "--follow-up", "--json", "--samples",
    ]  # fmt: skip
    key_of = stamp_key(STAMP_PORT)
    out, truth = _two_taps(link, reflector, sender, STAMP_PORT, key_of)
    return compare("pasprobe stamp --follow-up", _read_pasprobe(out), truth)


def _irtt(link: Link) -> Errors:
    """irtt reports the round trip without the server's processing time, as STAMP does."""
    server = ["irtt", "server", "-b", f"{link.far_address}:{IRTT_PORT}"]
    client = [
        "irtt", "client", "-Q", "-i", f"{SPACING_MS}ms", "-d", f"{PROBES * SPACING_MS * 1.1:.0f}ms",
        "-o", "-", f"{link.far_address}:{IRTT_PORT}",
    ]  # fmt: skip
    out, truth = _two_taps(link, server, client, IRTT_PORT, irtt_key)
    trips = json.loads(out)["round_trips"]
    reported = [t["delay"]["rtt"] for t in trips if t["lost"] == "false"]
    if len(reported) != len(trips) or len(truth) != len(trips):
        raise RuntimeError(
            f"irtt: {len(reported)} of {len(trips)} came back, {len(truth)} captured"
        )
    # It sends by duration, with a timer that runs late: it got some more time, the rest is cut off.
    return compare("irtt", reported[:PROBES], truth[:PROBES])


def _two_taps(
    link: Link, server: Sequence[str], client: Sequence[str], port: int, key_of: KeyOf
) -> tuple[str, list[tuple[int, int]]]:
    """Run client and server beside captures on both ends.

    Returns what the client printed, and per exchange two instants whose difference is the round
    trip at the sender's tap less the stay between the far taps.
    """
    only = f"udp port {port}"
    far_end = start(link.far, server)
    try:
        _wait_for_listener(link, port)
        with (
            tapped(link.far, link.far_tap, only) as far,
            tapped(link.near, link.near_tap, only) as near,
        ):
            out = _finished(link.near, client)
    finally:
        far_end.terminate()
        far_end.communicate()
    stays = {key: left - came for key, (came, left) in far.exchanges(key_of).items()}
    return out, [(sent, back - stays[key]) for key, (sent, back) in near.exchanges(key_of).items()]


def _wait_for_listener(link: Link, port: int) -> None:
    """Until somebody has bound the UDP port on the far host."""
    deadline = time.monotonic() + LISTENING_S
    while time.monotonic() < deadline:
        found = subprocess.run(
            ["ip", "netns", "exec", link.far, "cat", "/proc/net/udp"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        if f":{port:04X} " in found.stdout:
            return
        time.sleep(0.05)
    raise RuntimeError(f"nobody listens on port {port} of the far host: see {sys.argv[0]}")
