"""Delivers packets at their absolute instants: the clockwork under the UDP relay and the TUN link.

One thread, one epoll, one heap of due packets and one timer descriptor set to the earliest of them
(CLOCK_MONOTONIC, absolute, so that nothing drifts; a timerfd is free of the 50 µs of slack that
select and epoll time-outs have). It goes off a little early and the thread spins for the rest,
because waking up takes 50 to 200 µs. How late each packet left is measured and reported.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import os
import select
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.lab.link import LinkDirection

LATE_NS = 1_000_000
"""A packet that left more than 1 ms after its instant counts as late."""
MAX_PENDING = 200_000
"""Packets under way at most, in both directions; more are dropped and counted as overload."""

EARLY_NS = 200_000
"""How long before its instant a packet is waited for awake."""

_DELIVERIES = 64
_TFD_TIMER_ABSTIME = 1
_NEVER = 1 << 63


@dataclass(slots=True)
class WayCounters:
    """What became of the packets of one direction.

    At rest received + duplicated = forwarded + lost + queue_drops + overload + send_errors +
    abandoned.
    """

    received: int = 0
    forwarded: int = 0
    """Handed to the kernel, copies included."""
    lost: int = 0
    """Dropped by the loss model."""
    queue_drops: int = 0
    """Dropped in front of the limited rate."""
    overload: int = 0
    """Dropped because the lab itself held too many packets."""
    send_errors: int = 0
    """Refused by the kernel on the way out (nobody listens, the link is down)."""
    abandoned: int = 0
    """Still under way when the lab stopped."""
    duplicated: int = 0
    reordered: int = 0
    """Left after a later packet of the same flow (RFC 4737, section 3.3); copies do not count."""
    late: int = 0
    """Left more than 1 ms after their instant: the lab's own error, not the profile's."""
    lateness_max_ns: int = 0
    lateness_sum_ns: int = 0

    @property
    def lateness_mean_ns(self) -> int:
        """Mean time after their instant at which packets left."""
        return self.lateness_sum_ns // self.forwarded if self.forwarded else 0

    def as_json(self) -> dict[str, int]:
        """The counters by name, lateness in nanoseconds."""
        names = [name for name in WayCounters.__slots__ if name != "lateness_sum_ns"]
        return {
            **{name: getattr(self, name) for name in names},
            "lateness_mean_ns": self.lateness_mean_ns,
        }


@dataclass(slots=True)
class Way:
    """One direction of the link in use."""

    direction: LinkDirection
    counters: WayCounters = field(default_factory=WayCounters)
    overhead: int = 0
    """Octets of headers that a packet has on the wire beside the payload we see."""


@dataclass(slots=True)
class Stream:
    """One flow on one way: where its packets go, and how far it has come."""

    way: Way
    send: Callable[[bytes, int], None]
    """Sends (payload, traffic class octet); raises OSError when the kernel refuses."""
    accepted: int = 0
    highest: int = -1
    """Greatest number that has left."""


class _Parcel:
    """One packet under way; a duplicate is the same parcel twice in the heap."""

    __slots__ = ("left", "number", "payload", "stream", "traffic_class")

    def __init__(self, stream: Stream, number: int, payload: bytes, traffic_class: int) -> None:
        self.stream = stream
        self.number = number
        self.payload = payload
        self.traffic_class = traffic_class
        self.left = False


class DeliveryLoop:
    """Reads from registered descriptors and delivers what was accepted, in its own thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._heap: list[tuple[int, int, _Parcel]] = []
        self._sequence = 0
        self._readers: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        self._timer = _Timer()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._thread: threading.Thread | None = None
        for fd in (self._timer.fd, self._wake):
            self._epoll.register(fd, select.EPOLLIN)

    def add_reader(self, fd: int, read: Callable[[], None]) -> None:
        """Call `read` in the loop's thread whenever `fd` has something (level-triggered)."""
        self._readers[fd] = read
        self._epoll.register(fd, select.EPOLLIN)

    def remove_reader(self, fd: int) -> None:
        """Forget `fd`; before it is closed."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def accept(
        self, stream: Stream, arrival_ns: int, payload: bytes, traffic_class: int = 0
    ) -> None:
        """Take a packet that arrived at `arrival_ns` (CLOCK_MONOTONIC) into the link."""
        way = stream.way
        counters = way.counters
        counters.received += 1
        number = stream.accepted
        stream.accepted += 1
        if len(self._heap) >= MAX_PENDING:
            counters.overload += 1
            return
        due = way.direction.decide(arrival_ns, len(payload) + way.overhead)
        counters.lost = way.direction.lost
        counters.queue_drops = way.direction.queue_drops
        counters.duplicated = way.direction.duplicated
        parcel = _Parcel(stream, number, payload, traffic_class)
        for due_ns in due:
            self._sequence += 1
            heapq.heappush(self._heap, (due_ns, self._sequence, parcel))

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; what is still under way is counted as abandoned. May be called twice."""
        if not self._stopping:
            self._stopping = True
            os.eventfd_write(self._wake, 1)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        for _, _, parcel in self._heap:
            parcel.stream.way.counters.abandoned += 1
        self._heap.clear()
        if not self._epoll.closed:
            self._epoll.close()
            self._timer.close()
            os.close(self._wake)

    def _run(self) -> None:
        armed_ns = _NEVER
        while not self._stopping:
            self._deliver()
            next_ns = self._heap[0][0] if self._heap else _NEVER
            if next_ns - time.monotonic_ns() <= EARLY_NS:
                # Awake until then, and still reading: what arrives now may be due even sooner.
                ready = self._epoll.poll(0)
            else:
                if next_ns != armed_ns:
                    self._timer.arm(0 if next_ns == _NEVER else next_ns - EARLY_NS)
                    armed_ns = next_ns
                ready = self._epoll.poll()
            for fd, _ in ready:
                if fd == self._timer.fd:
                    self._timer.clear()
                    armed_ns = _NEVER
                elif fd in self._readers:
                    self._readers[fd]()

    def _deliver(self) -> None:
        """Send what is due, a bounded number, so that reading gets its turn under load."""
        heap = self._heap
        for _ in range(_DELIVERIES):
            now_ns = time.monotonic_ns()
            if not heap or heap[0][0] > now_ns:
                return
            due_ns, _, parcel = heapq.heappop(heap)
            stream = parcel.stream
            counters = stream.way.counters
            try:
                stream.send(parcel.payload, parcel.traffic_class)
            except OSError:
                counters.send_errors += 1
                continue
            lateness_ns = now_ns - due_ns
            counters.forwarded += 1
            counters.lateness_sum_ns += lateness_ns
            if lateness_ns > LATE_NS:
                counters.late += 1
            counters.lateness_max_ns = max(counters.lateness_max_ns, lateness_ns)
            if not parcel.left:
                parcel.left = True
                if parcel.number < stream.highest:
                    counters.reordered += 1
                else:
                    stream.highest = parcel.number


class _Timer:
    """timerfd_create(2), which Python has only from 3.13 on."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def arm(self, at_ns: int) -> None:
        """Go off at this instant of CLOCK_MONOTONIC, at once if it has passed; 0 disarms."""
        setting = struct.pack("@4l", 0, 0, *divmod(at_ns, 1_000_000_000))
        if self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, setting, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def clear(self) -> None:
        """Take note that it went off."""
        # It may have been set anew between going off and this read.
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 8)

    def close(self) -> None:
        os.close(self.fd)
