"""The STAMP reflector on its sockets: a batch in, a batch out, T3 at the last moment.

What is answered and how is `agent.reflector.core`; here is the loop. One thread; `poll` may also be
called by a loop of somebody else.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import select
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from agent.kernel.batch_socket import ReceiveVector, send_headers
from agent.kernel.clock import clock_state
from agent.kernel.sockets import RECEIVE_BUFFER_OCTETS
from agent.reflector.access import NO_KEYS, Keyring, Network, Prefixes, ReflectorError
from agent.reflector.core import Policy, Reflection, Replies, Requests
from agent.reflector.counters import ReflectorCounters
from agent.reflector.listener import Listener, ReplyVector, open_listener, where
from agent.reflector.rate_limit import RateLimit
from agent.samples import ClockState
from agent.wire.ntp import SECOND_NS
from agent.wire.stamp import PORT

BATCH: Final = 256
SLOT_OCTETS: Final = 9216
"""A jumbo frame; a longer datagram is refused, for it could not be given back whole."""
CHUNK: Final = 32
"""Replies that share one T3: the last of them leaves some 0.1 ms after it was taken."""
CHUNK_SIGNED: Final = 4
"""The same where each reply is signed after T3."""
BATCHES_A_TURN: Final = 16
"""Batches of one socket before the next one has its turn."""
FULL_WAIT_MS: Final = 10
"""How long a full send buffer is waited for before a reply is given up."""
CLOCK_EVERY_NS: Final = SECOND_NS
LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
DEFAULT_RATE: Final = 10_000

_MSG_TRUNC: Final = 0x20


@dataclass(frozen=True, slots=True)
class ReflectorOptions:
    """How a reflector is to run."""

    listen: tuple[tuple[str, int], ...] = (("127.0.0.1", PORT),)
    """(IPv4 or IPv6 address, UDP port; 0 takes a free one)."""
    allow: tuple[Network, ...] = ()
    """Who is answered; empty: loopback, and then only loopback may be listened on."""
    keys: Keyring = NO_KEYS
    allow_unauthenticated: bool = False
    """With keys: answer unauthenticated packets also."""
    stateful: bool = False
    rate: int = DEFAULT_RATE
    """Replies a second per source (an IPv6 source is a /64); 0 = no limit."""
    dscp: frozenset[int] | None = None
    """DSCP values that a request may ask for; None: all."""
    receive_buffer: int = RECEIVE_BUFFER_OCTETS


class Reflector:
    """Answers STAMP requests on its sockets until it is closed.

    Raises `ReflectorError` where it cannot or may not listen.
    """

    def __init__(
        self, options: ReflectorOptions, clock: Callable[[], ClockState] = clock_state
    ) -> None:
        for host, port in options.listen:
            if not options.allow and not ipaddress.ip_address(host).is_loopback:
                raise ReflectorError(
                    f"{where(host, port)} is no loopback address: say who shall be answered there "
                    "(--allow PREFIX)"
                )
        self._vector = ReceiveVector(BATCH, SLOT_OCTETS)
        self._stamp_room = ReceiveVector(BATCH, 64)
        self._clock = clock
        self._clock_read_ns = 0
        self._listeners: dict[int, Listener] = {}
        self._poll = select.poll()
        replies = ReplyVector(self._vector)
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            for host, port in options.listen:
                listener = open_listener(host, port, options.receive_buffer, replies)
                self._listeners[listener.fd] = listener
                self._poll.register(listener.fd, select.POLLIN)
            undo.pop_all()
        self.addresses = tuple(
            (str(name[0]), int(name[1]))
            for name in (listener.sock.getsockname() for listener in self._listeners.values())
        )
        """(address, port) of every socket, in the order of `listen`, ports as bound."""
        policy = Policy(
            Prefixes(options.allow or LOOPBACK),
            options.keys,
            options.allow_unauthenticated,
            options.stateful,
            options.dscp,
        )
        own_ports = frozenset(port for _, port in self.addresses)
        self._reflection = Reflection(policy, RateLimit(options.rate), own_ports)
        self._reflection.set_clock(clock())

    @property
    def counters(self) -> ReflectorCounters:
        """What became of every datagram so far."""
        counters = self._reflection.counters
        counters.dropped = sum(listener.drops for listener in self._listeners.values())
        return counters

    def close(self) -> None:
        """Close the sockets; the counters stay."""
        for fd, listener in self._listeners.items():
            if listener.fd >= 0:
                listener.count_drops()
                self._poll.unregister(fd)
                listener.sock.close()

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set (seen within 0.2 s)."""
        while not stop.is_set():
            self.poll(0.2)

    def poll(self, timeout_s: float = 0.0) -> int:
        """Wait for datagrams, answer what is there; returns how many were received."""
        received = 0
        for fd, event in self._poll.poll(timeout_s * 1000):
            listener = self._listeners[fd]
            if event & select.POLLERR:
                self._read_stamps(listener)
            if event & select.POLLIN:
                received += self._serve(listener)
        return received

    def _serve(self, listener: Listener) -> int:
        """Answer what waits at one socket, within a turn."""
        vector = self._vector
        received = 0
        for _ in range(BATCHES_A_TURN):
            n = vector.receive(listener.fd, _MSG_TRUNC)
            if n <= 0:
                break
            received += n
            monotonic_ns = time.monotonic_ns()
            if monotonic_ns - self._clock_read_ns > CLOCK_EVERY_NS:
                self._clock_read_ns = monotonic_ns
                self._reflection.set_clock(self._clock())
                listener.count_drops()
            control = vector.control(n)
            requests = Requests(
                vector.data[:n],
                vector.lengths[:n],
                vector.names[:n],
                control.stamp_ns,
                control.ttl,
                control.tos,
            )
            replies = self._reflection.reflect(
                requests, listener.sessions, time.time_ns(), monotonic_ns
            )
            if len(replies.rows):
                self._send(listener, requests, replies)
            if replies.follow_up:
                self._read_stamps(listener)
            if n < vector.batch:
                break
        return received

    def _send(self, listener: Listener, requests: Requests, replies: Replies) -> None:
        """Send the replies in chunks, each stamped right before."""
        counters = self._reflection.counters
        headers = listener.ready(replies, requests.lengths)
        chunk = CHUNK_SIGNED if replies.signed.any() else CHUNK
        first, step = headers.ctypes.data, headers.itemsize
        done, total, waited = 0, len(headers), False
        while done < total:
            stop = min(done + chunk, total)
            now_ns = time.time_ns()
            self._reflection.depart(requests.data, replies, slice(done, stop), now_ns)
            sent = send_headers(listener.fd, first + done * step, stop - done)
            if sent > 0:
                counters.answered += sent
                if replies.follow_up:
                    listener.sent(replies, range(done, done + sent), now_ns)
                done, waited = done + sent, False
            elif -sent in (errno.EAGAIN, errno.ENOBUFS) and not waited:
                room = select.poll()
                room.register(listener.fd, select.POLLOUT)
                room.poll(FULL_WAIT_MS)
                waited = True
            else:
                counters.unsent[errno.errorcode.get(-sent, str(-sent))] += 1
                done += 1
                if replies.follow_up:
                    self._read_stamps(listener)
                    listener.restart_ids()

    def _read_stamps(self, listener: Listener) -> None:
        self._reflection.counters.departures += listener.read_stamps(self._stamp_room)


@contextlib.contextmanager
def running(options: ReflectorOptions) -> Iterator[Reflector]:
    """A reflector that answers in a thread of its own while the block runs."""
    reflector = Reflector(options)
    stop = threading.Event()
    thread = threading.Thread(target=reflector.run, args=(stop,), name="reflector")
    thread.start()
    try:
        yield reflector
    finally:
        stop.set()
        thread.join()
        reflector.close()
