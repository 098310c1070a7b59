"""The load for a reflector: requests by sendmmsg, as many as are answered.

`python -m benchmarks.blaster KIND HOST PORT SECONDS [KEY]` keeps a window of requests under way,
as the reflector under test can take them, and prints how many replies came. KIND is one of
`KINDS` below; `irtt` opens a session with an irtt server first and speaks its protocol, so that
both reflectors are loaded by the same program.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from dataclasses import dataclass

import numpy as np

from agent.engine.headers import point_headers
from agent.kernel.addresses import sockaddr
from agent.kernel.batch_socket import HEADER, ReceiveVector, send_headers, would_block
from agent.kernel.sockets import enlarge_buffers
from agent.samples import UInt8Array
from agent.wire.octets import column
from agent.wire.stamp import build_sender
from agent.wire.tlv import SenderTlvs, least_size

KINDS = ("stamp", "authenticated", "follow-up", "irtt")
BATCH, WINDOW = 256, 1024
SESSIONS = 64
"""SSIDs (RFC 8972, section 3) that the requests carry in turn: sessions of a stateful reflector."""
BUFFER_OCTETS = 16 << 20
SILENT_S = 0.2
"""Nothing came for so long: what is under way is lost, go on."""
WARM_UP_S = 0.5
UNSYNCHRONISED = 0x0001
IRTT_MAGIC = b"\x14\xa7\x5b"
IRTT_SIZE = 44


@dataclass(slots=True)
class Tally:
    """What happened in a stretch of time."""

    sent: int = 0
    replies: int = 0
    odd: int = 0
    """Replies of another length than their requests."""
    silences: int = 0


def requests(kind: str, key: bytes | None) -> UInt8Array:
    """A window of requests, one a row."""
    seqs = np.arange(WINDOW, dtype=np.uint32)
    t1 = np.arange(WINDOW, dtype=np.uint64) + np.uint64(1 << 62)
    tlvs = SenderTlvs(follow_up=kind == "follow-up")
    packets = build_sender(
        seqs, t1, UNSYNCHRONISED, 1, least_size(key is not None, tlvs), key, tlvs
    )
    if key is None:
        column(packets, 14, ">u2")[:] = 1 + seqs % SESSIONS
    return packets


def irtt_requests(sock: socket.socket, to: tuple[str, int], seconds: float) -> UInt8Array:
    """Open a session as irtt's client does (protocol version 1) and make its echo requests.

    Asked for: 44 octets as STAMP has, the wall clock's receive and send stamp as STAMP has them,
    no statistics, and an interval of 1 ns (the server is started with `-i 0`).
    """
    duration_ns = round((seconds + 60) * 1e9)
    values = ((1, 1), (2, duration_ns), (3, 1), (4, IRTT_SIZE), (6, 3), (7, 1))
    wanted = b"".join(bytes([number]) + _varint(value) for number, value in values)
    sock.sendto(IRTT_MAGIC + b"\x01" + wanted, to)
    if not select.select([sock], [], [], 3)[0]:
        raise RuntimeError("the irtt server did not answer")
    answer = sock.recv(2048)
    if answer[:4] != IRTT_MAGIC + b"\x03" or answer[12:] != wanted:
        raise RuntimeError(f"the irtt server did not accept: {answer.hex(' ')}")
    packets = np.zeros((WINDOW, IRTT_SIZE), np.uint8)
    packets[:, :12] = np.frombuffer(IRTT_MAGIC + b"\x00" + answer[4:12], np.uint8)
    column(packets, 12, "<u4")[:] = np.arange(WINDOW)
    return packets


def _varint(value: int) -> bytes:
    """Go's binary.PutVarint: zigzag, then seven bits an octet."""
    rest, out = value << 1, bytearray()
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def blast(sock: socket.socket, to: tuple[str, int], packets: UInt8Array, seconds: float) -> Tally:
    """Keep `WINDOW` requests under way for so long."""
    words = np.zeros((WINDOW, HEADER.itemsize // 8), np.uint64)
    names = sockaddr(*to)[None, :]
    # What the headers point into must stay where it is.
    memory = point_headers(
        words, packets, names, WINDOW, np.arange(WINDOW, dtype=np.int64), 0, 4, False
    )
    vector = ReceiveVector(BATCH, packets.shape[1] + 64)
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    fd, first, step, size = sock.fileno(), words.ctypes.data, HEADER.itemsize, packets.shape[1]
    tally = Tally()
    under_way = at = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while under_way <= WINDOW - BATCH:
            sent = send_headers(fd, first + at * step, BATCH)
            if sent <= 0:
                raise OSError(-sent, "sendmmsg")
            under_way += sent
            tally.sent += sent
            at = (at + BATCH) % WINDOW
        got = vector.receive(fd)
        if got > 0:
            tally.replies += got
            tally.odd += int(np.count_nonzero(vector.lengths[:got] != size))
            under_way = max(under_way - got, 0)
        elif not would_block(got):
            raise OSError(-got, "recvmmsg")
        elif not poll.poll(SILENT_S * 1000):
            tally.silences += 1
            under_way = 0
    del memory
    return tally


def main(kind: str, host: str, port: str, seconds: str, key: str = "") -> None:
    """Warm up, blast, print the tally with the instants between which it was counted."""
    to = (host, int(port))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    enlarge_buffers(sock, BUFFER_OCTETS)
    packets = (
        irtt_requests(sock, to, float(seconds))
        if kind == "irtt"
        else requests(kind, bytes.fromhex(key) or None)
    )
    blast(sock, to, packets, WARM_UP_S)
    print("begin", flush=True)
    begin, cpu = time.monotonic(), time.process_time()
    tally = blast(sock, to, packets, float(seconds))
    took = time.monotonic() - begin
    print(
        json.dumps(
            {
                "sent": tally.sent,
                "replies": tally.replies,
                "odd": tally.odd,
                "silences": tally.silences,
                "seconds": took,
                "generator_cpu_s": time.process_time() - cpu,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
