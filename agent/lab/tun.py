"""The lab's TUN link: an emulated link that carries any IP packet between two namespaces.

    near namespace: pplab0 10.99.0.1  <-- link -->  10.99.0.2 pplab1 : far namespace

Both ends are TUN devices of this process (Linux Documentation/networking/tuntap.rst), set up by
ioctl. At least one end must be in a namespace of its own: between two addresses of one namespace
the kernel takes the short way over its loopback. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter a
namespace. The devices vanish with the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import ipaddress
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ProbeError
from agent.lab.delivery import DeliveryLoop, Stream, Way
from agent.lab.link import Link

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

MTU = 1500
_BATCH = 64
_CLONE_NEWNET = 0x40000000
# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
# linux/sockios.h, linux/if.h
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_SIOCSIFMTU = 0x8922
_SIOCSIFTXQLEN = 0x8943
_IFF_UP = 0x1
_IFF_RUNNING = 0x40
_QUEUE_PACKETS = 10_000
"""The device's queue; the default of 500 would drop bursts that the link should carry."""

_RIGHTS = (
    "it needs CAP_NET_ADMIN (and CAP_SYS_ADMIN for --near-netns, --far-netns): run it as root, or "
    "use the UDP relay (--listen, --to), which needs no privilege"
)


@dataclass(frozen=True, slots=True)
class End:
    """One end of the link."""

    device: str
    addresses: tuple[Interface, ...]
    netns: str | None = None
    """Name of a namespace (`ip netns`) or path of one; None = where the lab itself runs."""


class TunLink:
    """A TUN device at each end and the emulated link between them.

    Forward is from `near` to `far`. The rate and the loss see whole IP packets. Wrong or impossible
    ends are ProbeError, from the constructor or from `start`.
    """

    def __init__(self, near: End, far: End, link: Link, mtu: int = MTU) -> None:
        if near.netns == far.netns:
            raise ProbeError(
                "lab: both ends of a TUN link are in the same namespace, where packets would never "
                "use it: make one (ip netns add lab-far) and name it with --far-netns lab-far"
            )
        for end in (near, far):
            if not end.addresses:
                raise ProbeError(
                    "lab: a TUN link needs an address at each end: --near 10.99.0.1/30 "
                    "--far 10.99.0.2/30"
                )
            if not 0 < len(end.device) < 16:
                raise ProbeError(f"lab: the device name {end.device!r} must have 1 to 15 letters")
        self.link = link
        self.forward = Way(link.forward)
        self.backward = Way(link.backward)
        self.failure: str | None = None
        """Why an end carries nothing any more; None while all is well."""
        self._ends = (near, far)
        self._mtu = mtu
        self._fds: list[int] = []
        self._loop: DeliveryLoop | None = None

    def start(self) -> TunLink:
        """Make both devices and carry packets in a thread of its own until `stop`."""
        try:
            for end in self._ends:
                self._fds.append(self._open(end))
        except ProbeError:
            self._close()
            raise
        near, far = self._fds
        self._loop = loop = DeliveryLoop(f"lab-{self.link.profile.name}")
        forward = Stream(self.forward, _writer(far))
        backward = Stream(self.backward, _writer(near))
        loop.add_reader(near, lambda: self._read(near, forward, loop))
        loop.add_reader(far, lambda: self._read(far, backward, loop))
        loop.start()
        return self

    def stop(self) -> None:
        """Remove both devices; the counters stay. May be called twice."""
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
        self._close()

    def __enter__(self) -> TunLink:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def as_json(self) -> dict[str, object]:
        """Every counter."""
        return {
            "forward": self.forward.counters.as_json(),
            "backward": self.backward.counters.as_json(),
        }

    def _read(self, fd: int, stream: Stream, loop: DeliveryLoop) -> None:
        for _ in range(_BATCH):
            try:
                packet = os.read(fd, 65535)
            except BlockingIOError:
                return
            except OSError as error:
                loop.remove_reader(fd)
                end = self._ends[0] if stream.way is self.forward else self._ends[1]
                self.failure = (
                    f"lab: the TUN device {end.device} is gone ({error.strerror}): its device or "
                    "namespace was deleted; start the lab again"
                )
                return
            loop.accept(stream, time.monotonic_ns(), packet)

    def _open(self, end: End) -> int:
        try:
            with _inside(end.netns):
                return _make_device(end, self._mtu)
        except PermissionError:
            text = f"lab: no right to make the TUN device {end.device}: {_RIGHTS}"
            raise ProbeError(text) from None
        except OSError as error:
            raise ProbeError(
                f"lab: cannot make the TUN device {end.device}: {error.strerror}; is the name "
                "taken (--near-device, --far-device), and is the tun module there (modprobe tun)?"
            ) from None

    def _close(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def parse_interface(text: str, option: str) -> Interface:
    """`10.99.0.1/30` or `fd99::1/64`; ProbeError names the option."""
    try:
        if "/" not in text:
            raise ValueError("no prefix length")
        return ipaddress.ip_interface(text)
    except ValueError as error:
        raise ProbeError(
            f"lab: {option} {text}: {error}; expected ADDRESS/PREFIX, such as 10.99.0.1/30"
        ) from None


def _writer(fd: int) -> Callable[[bytes, int], None]:
    def send(packet: bytes, _traffic_class: int) -> None:
        os.write(fd, packet)

    return send


@contextlib.contextmanager
def _inside(netns: str | None) -> Iterator[None]:
    """This thread is in the namespace: descriptors opened in the block stay there (setns(2))."""
    if netns is None:
        yield
        return
    path = Path(netns) if "/" in netns else Path("/run/netns") / netns
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ProbeError(
            f"lab: there is no network namespace {netns}: make it with `ip netns add {netns}`"
        ) from None
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if libc.setns(there, _CLONE_NEWNET):
            number = ctypes.get_errno()
            if number == errno.EINVAL:
                raise ProbeError(f"lab: {path} is not a network namespace")
            raise OSError(number, os.strerror(number))
        try:
            yield
        finally:
            libc.setns(here, _CLONE_NEWNET)
    finally:
        os.close(here)
        os.close(there)


def _make_device(end: End, mtu: int) -> int:
    name = end.device.encode()
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("@16sH22x", name, _IFF_TUN | _IFF_NO_PI))
        if not any(address.version == 6 for address in end.addresses):
            # Router solicitations would show up in the counters. Best effort: /proc may be
            # read-only in a container, and a kernel may be without IPv6.
            with contextlib.suppress(OSError):
                Path(f"/proc/sys/net/ipv6/conf/{end.device}/disable_ipv6").write_text("1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for request, value in ((_SIOCSIFMTU, mtu), (_SIOCSIFTXQLEN, _QUEUE_PACKETS)):
                fcntl.ioctl(control, request, struct.pack("@16si20x", name, value))
            _add_addresses(control, name, end)
            flags = struct.unpack(
                "@16sH22x", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("@16s24x", name))
            )[1]
            up = struct.pack("@16sH22x", name, flags | _IFF_UP | _IFF_RUNNING)
            fcntl.ioctl(control, _SIOCSIFFLAGS, up)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _add_addresses(control: socket.socket, name: bytes, end: End) -> None:
    """SIOCSIFADDR; an IPv4 device takes one address this way, an IPv6 device any number."""
    v4 = [address for address in end.addresses if isinstance(address, ipaddress.IPv4Interface)]
    v6 = [address for address in end.addresses if isinstance(address, ipaddress.IPv6Interface)]
    if len(v4) > 1:
        raise ProbeError(f"lab: {end.device}: give at most one IPv4 address an end")
    for address in v4:
        for request, value in (
            (_SIOCSIFADDR, address.ip.packed),
            (_SIOCSIFNETMASK, address.netmask.packed),
        ):
            sockaddr = struct.pack("@HH4s8x", socket.AF_INET, 0, value)
            fcntl.ioctl(control, request, struct.pack("@16s16s8x", name, sockaddr))
    if v6:
        index = socket.if_nametoindex(end.device)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as control6:
            for address6 in v6:
                prefix = address6.network.prefixlen
                in6_ifreq = struct.pack("@16sIi", address6.ip.packed, prefix, index)
                fcntl.ioctl(control6, _SIOCSIFADDR, in6_ifreq)
