"""The lab's UDP relay: an emulated link between a sender and a reflector, without privilege.

    sender  <-->  listen [ link.forward -> ]  <-->  to (a reflector)
                         [ <- link.backward ]

Each client gets a socket of its own towards the target, so replies find their way back; the table
of clients is bounded, the one that was silent for longest goes first. Delays count from the
kernel's receive stamp: a relay that woke up late still delivers on time. The DSCP of a datagram
is carried across; its TTL is not.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from agent.errors import ProbeError
from agent.lab.delivery import DeliveryLoop, Stream, Way
from agent.lab.link import Link

Address = tuple[str, int]

MAX_FLOWS = 256
_BATCH = 64
"""Datagrams read in one go before due packets get their turn."""
_RECEIVE_BUFFER = 4 * 1024 * 1024
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SO_RXQ_OVFL = 40
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = 128
_MAX_STAMP_AGE_NS = 1_000_000_000
"""A receive stamp further off was made before a step of the wall clock: not used."""


class Relay:
    """Forwards datagrams between clients of `listen` and the target `to` through `link`.

    `listen` and `to` are (host, port); port 0 listens on a free one, see `address`. Errors of the
    call (address in use, name unknown) are ProbeError, from `start`.
    """

    def __init__(
        self, listen: Address, to: Address, link: Link, max_flows: int = MAX_FLOWS
    ) -> None:
        self.link = link
        self.forward = Way(link.forward)
        self.backward = Way(link.backward)
        self.failure: str | None = None
        """Why it carries nothing any more: never, a relay outlives its errors (as in TunLink)."""
        self.flows_evicted = 0
        """Clients that lost their place in the table."""
        self.local_drops = 0
        """Datagrams that our own receive buffers dropped (SO_RXQ_OVFL): not in any counter."""
        self.unreachable = 0
        """ICMP errors that came back from the target (nobody listens there)."""
        self._listen = listen
        self._to = to
        self._max_flows = max_flows
        self._flows: OrderedDict[Any, tuple[socket.socket, Stream]] = OrderedDict()
        self._overflows: dict[int, int] = {}
        self._entrance: socket.socket | None = None
        self._target: Any = None
        self._family = socket.AF_INET
        self._loop: DeliveryLoop | None = None

    @property
    def address(self) -> Address:
        """Where clients reach the relay; valid after `start`."""
        if self._entrance is None:
            raise RuntimeError("the relay is not started")
        host, port = self._entrance.getsockname()[:2]
        return host, port

    def start(self) -> Relay:
        """Bind, and relay in a thread of its own until `stop`."""
        family, bind_to = _resolve(self._listen, "--listen", passive=True)
        self._family, self._target = _resolve(self._to, "--to", passive=False)
        # IP and UDP headers, so that the rate sees what a wire would carry.
        self.forward.overhead = 48 if self._family == socket.AF_INET6 else 28
        self.backward.overhead = 48 if family == socket.AF_INET6 else 28
        entrance = _udp_socket(family)
        try:
            entrance.bind(bind_to)
        except OSError as error:
            entrance.close()
            place = endpoint_text(self._listen)
            raise ProbeError(
                f"lab: cannot listen on {place}: {error.strerror}; give a free address and port "
                "with --listen (port 0 takes any free one)"
            ) from None
        self._entrance = entrance
        self._loop = loop = DeliveryLoop(f"lab-{self.link.profile.name}")
        loop.add_reader(entrance.fileno(), lambda: self._read_entrance(entrance, loop))
        loop.start()
        return self

    def stop(self) -> None:
        """Stop relaying and close every socket; the counters stay. May be called twice."""
        if self._loop is None:
            return
        self._loop.stop()
        self._loop = None
        for upstream, _ in self._flows.values():
            upstream.close()
        self._flows.clear()
        if self._entrance is not None:
            self._entrance.close()
            self._entrance = None

    def __enter__(self) -> Relay:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def as_json(self) -> dict[str, object]:
        """Every counter."""
        return {
            "forward": self.forward.counters.as_json(),
            "backward": self.backward.counters.as_json(),
            "flows": len(self._flows),
            "flows_evicted": self.flows_evicted,
            "local_drops": self.local_drops,
            "unreachable": self.unreachable,
        }

    def _read_entrance(self, entrance: socket.socket, loop: DeliveryLoop) -> None:
        for _ in range(_BATCH):
            datagram = self._receive(entrance)
            if datagram is None:
                return
            payload, arrival_ns, traffic_class, client = datagram
            stream = self._stream(client, entrance, loop)
            if stream is not None:
                loop.accept(stream, arrival_ns, payload, traffic_class)

    def _read_upstream(self, upstream: socket.socket, stream: Stream, loop: DeliveryLoop) -> None:
        for _ in range(_BATCH):
            datagram = self._receive(upstream)
            if datagram is None:
                return
            payload, arrival_ns, traffic_class, _ = datagram
            loop.accept(stream, arrival_ns, payload, traffic_class)

    def _stream(self, client: Any, entrance: socket.socket, loop: DeliveryLoop) -> Stream | None:
        """The forward stream of this client, made on its first datagram."""
        if client in self._flows:
            self._flows.move_to_end(client)
            return self._flows[client][1]
        if len(self._flows) >= self._max_flows:
            _, (oldest, _) = self._flows.popitem(last=False)
            loop.remove_reader(oldest.fileno())
            self._overflows.pop(oldest.fileno(), None)
            oldest.close()
            self.flows_evicted += 1
        upstream = _udp_socket(self._family)
        try:
            upstream.connect(self._target)
        except OSError:
            # No route just now: the datagram is gone as it would be on the way.
            upstream.close()
            self.forward.counters.received += 1
            self.forward.counters.send_errors += 1
            return None
        forward = Stream(self.forward, _sender(upstream, None))
        backward = Stream(self.backward, _sender(entrance, client))
        self._flows[client] = (upstream, forward)
        loop.add_reader(upstream.fileno(), lambda: self._read_upstream(upstream, backward, loop))
        return forward

    def _receive(self, sock: socket.socket) -> tuple[bytes, int, int, Any] | None:
        """(payload, arrival by CLOCK_MONOTONIC, traffic class, source), None when drained."""
        try:
            payload, ancillary, _, source = sock.recvmsg(65535, _ANCILLARY)
        except BlockingIOError:
            return None
        except OSError:
            # A connected UDP socket hears of ICMP errors this way; the datagrams are behind it.
            self.unreachable += 1
            return None
        now_ns = time.monotonic_ns()
        arrival_ns, traffic_class = now_ns, 0
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
                age_ns = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
                if 0 <= age_ns < _MAX_STAMP_AGE_NS:
                    arrival_ns = now_ns - age_ns
            elif level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL:
                (dropped,) = struct.unpack("@I", data[:4])
                self.local_drops += dropped - self._overflows.get(sock.fileno(), 0)
                self._overflows[sock.fileno()] = dropped
            elif kind == socket.IP_TOS and level == socket.IPPROTO_IP:
                traffic_class = data[0]
            elif kind == socket.IPV6_TCLASS and level == socket.IPPROTO_IPV6:
                (traffic_class,) = struct.unpack("@i", data[:4])
        return payload, arrival_ns, traffic_class, source


def parse_endpoint(text: str, option: str) -> Address:
    """`host:port`, `[2001:db8::1]:port` -> (host, port); ProbeError names the option."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ProbeError(f"lab: {option} {text}: write an IPv6 address in brackets, [::1]:862")
    if not (colon and host and port.isdecimal() and int(port) <= 65535):
        raise ProbeError(f"lab: {option} {text}: expected HOST:PORT, such as 127.0.0.1:8620")
    return host, int(port)


def endpoint_text(address: Address) -> str:
    """(host, port) as one writes it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _resolve(address: Address, option: str, *, passive: bool) -> tuple[socket.AddressFamily, Any]:
    try:
        found = socket.getaddrinfo(
            *address, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE if passive else 0
        )
    except socket.gaierror as error:
        raise ProbeError(
            f"lab: {option} {endpoint_text(address)}: {error.strerror}; give an address, or a name "
            "that resolves"
        ) from None
    family, _, _, _, resolved = found[0]
    return family, resolved


def _udp_socket(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    for option in (_SO_TIMESTAMPNS, _SO_RXQ_OVFL):
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return sock


def _sender(sock: socket.socket, destination: Any) -> Callable[[bytes, int], None]:
    v6 = sock.family == socket.AF_INET6
    level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
    option = socket.IPV6_TCLASS if v6 else socket.IP_TOS

    def once(payload: bytes, traffic_class: int) -> None:
        ancillary = [(level, option, struct.pack("@i", traffic_class))] if traffic_class else []
        if destination is None:
            sock.sendmsg([payload], ancillary)
        else:
            sock.sendmsg([payload], ancillary, 0, destination)

    def send(payload: bytes, traffic_class: int) -> None:
        try:
            once(payload, traffic_class)
        except ConnectionRefusedError:
            # The error belongs to an earlier datagram; this one was not tried yet.
            once(payload, traffic_class)

    return send
