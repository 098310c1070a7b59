"""Evidence from the link: which MAC answers for an address, and a capture of a train.

By scapy, imported only where used (0.3 s). Both need CAP_NET_RAW. Never in the way of a
measurement: the identity is asked beside it, the capture is a thread that only listens.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.errors import ProbeError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_PACKETS = 100_000
MAX_OCTETS = 64 * 1024 * 1024
"""Where a capture stops by itself."""

_DLT_EN10MB = 1
# linux/if_packet.h
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_OUTGOING = 4

_RIGHTS = (
    "it needs CAP_NET_RAW: run it as root, or give the capability (setcap cap_net_raw+ep on the "
    "interpreter, or AmbientCapabilities=CAP_NET_RAW in a systemd unit)"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which MAC addresses said that an IP address is theirs."""

    address: str
    interface: str
    macs: tuple[str, ...]
    """Lower case, in order of first answer; more than one is a conflict, () is silence."""


@dataclass(slots=True)
class Capture:
    """A running or finished capture."""

    path: Path
    interface: str
    packets: int = 0
    octets: int = 0
    dropped: int = 0
    """Packets the kernel could not hand over in time; known when the capture has ended."""
    full: bool = False
    """It stopped at its bound: what came later is not in the file."""


def identify(
    ip: str, interface: str | None = None, *, timeout_s: float = 1.0, attempts: int = 3
) -> Identity:
    """Ask the link who has `ip`: ARP (RFC 826), or neighbour solicitation (RFC 4861) for IPv6.

    Asks up to `attempts` times until somebody answers, and listens `timeout_s` for each, so that a
    second owner is heard too. Raises ProbeError without CAP_NET_RAW, for an address that is not on
    a link of this host, and for an unknown interface.
    """
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        raise ProbeError(f"identify {ip}: expected an IPv4 or IPv6 address") from None
    zone = ip.partition("%")[2]
    device, source = _on_link(address, interface or zone or None)
    macs: dict[str, None] = {}
    for _ in range(attempts):
        try:
            macs.update(dict.fromkeys(_ask(address, device, source, timeout_s)))
        except PermissionError:
            raise ProbeError(f"identify {ip}: no right to send on {device}: {_RIGHTS}") from None
        except OSError as error:
            raise ProbeError(
                f"identify {ip}: {device}: {error.strerror or error}; is the interface up "
                "(ip link)?"
            ) from None
        if macs:
            break
    return Identity(str(address), device, tuple(macs))


def normal_mac(text: str) -> str:
    """`0A-1B.2c...` -> `0a:1b:2c:...`; ProbeError when it is no MAC address."""
    digits = re.sub(r"[^0-9a-f]", "", text.lower())
    if len(digits) != 12 or re.search(r"[^0-9a-f:.-]", text.lower()):
        raise ProbeError(f"{text}: expected a MAC address, such as 00:1b:21:3c:4d:5e")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


@contextlib.contextmanager
def record_pcap(
    path: Path,
    address: str,
    *,
    protocol: Literal["icmp", "udp"],
    port: int | None = None,
    interface: str | None = None,
    max_packets: int = MAX_PACKETS,
    max_octets: int = MAX_OCTETS,
) -> Iterator[Capture]:
    """Capture what goes to and from `address` while the block runs, into a pcap file.

    ICMP errors about packets to the address are taken too. Stamps are the kernel's, in nanoseconds.
    The file is written aside and renamed when the block ends (also by an exception: evidence is
    kept). Packets are chosen in the kernel, for which libpcap must be installed. Raises ProbeError
    without CAP_NET_RAW, without libpcap, for an unknown interface, or when the file cannot be
    written.
    """
    try:
        target = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        raise ProbeError(f"capture of {address}: expected an IPv4 or IPv6 address") from None
    device = interface or address.partition("%")[2] or _route(target)[0]
    _check_interface(device)
    capture = Capture(path, device)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    listener = _listen(device, capture_filter(target, protocol, port))
    try:
        writer = _writer(aside, device, path)
        try:
            with _keeping(listener, writer, capture, max_packets, max_octets):
                yield capture
        finally:
            writer.close()
            with aside.open("rb") as written:
                os.fsync(written.fileno())
            aside.replace(path)
    finally:
        listener.close()


def capture_filter(
    address: _Address,
    protocol: Literal["icmp", "udp"],
    port: int | None,
) -> str:
    """The pcap-filter(7) expression for a train to `address` and the ICMP errors about it."""
    if address.version == 4:
        icmp = "icmp"
        # The packet complained about begins after 8 octets of ICMP; its target is 16 further on.
        error = f"(icmp[0] = 3 or icmp[0] = 11) and icmp[24:4] = {int(address):#x}"
    else:
        icmp = "icmp6"
        words = [address.packed[at : at + 4].hex() for at in range(0, 16, 4)]
        target = " and ".join(f"ip6[{72 + 4 * at}:4] = 0x{word}" for at, word in enumerate(words))
        error = f"ip6[6] = 58 and (ip6[40] = 1 or ip6[40] = 3) and {target}"
    what = icmp if protocol == "icmp" else "udp" + (f" port {port}" if port else "")
    return f"(host {address} and {what}) or ({error})"


def _listen(device: str, expression: str) -> Any:
    """A scapy listening socket that has its kernel filter already."""
    from scapy.config import conf
    from scapy.error import Scapy_Exception

    place = f"capture on {device}"
    try:
        return conf.L2listen(iface=device, filter=expression, promisc=False)
    except PermissionError:
        raise ProbeError(f"{place}: no right to listen: {_RIGHTS}") from None
    except (Scapy_Exception, ImportError) as error:
        raise ProbeError(
            f"{place}: cannot filter by {expression!r}: {error}; install libpcap "
            "(Debian: libpcap0.8)"
        ) from None
    except OSError as error:
        raise ProbeError(f"{place}: {error}; is the interface up (ip link)?") from None


def _writer(aside: Path, device: str, path: Path) -> Any:
    from scapy.data import ARPHRD_TO_DLT
    from scapy.interfaces import resolve_iface
    from scapy.utils import PcapWriter

    linktype = ARPHRD_TO_DLT.get(resolve_iface(device).type, _DLT_EN10MB)
    try:
        writer = PcapWriter(str(aside), linktype=linktype, nano=True)
    except OSError as error:
        raise ProbeError(
            f"capture: cannot write {path}: {error.strerror}; make the folder, or choose another"
        ) from None
    # At once, so that a capture without a packet is a capture file too.
    writer.write_header(None)
    return writer


@contextlib.contextmanager
def _keeping(
    listener: Any, writer: Any, capture: Capture, max_packets: int, max_octets: int
) -> Iterator[None]:
    """Write what the listener hears, in a thread, until the block ends."""
    failures: list[OSError] = []
    done_read, done_write = os.pipe()

    def keep() -> None:
        packet = listener.recv()
        # The loopback shows each packet twice, leaving and arriving.
        twice = capture.interface == "lo" and getattr(packet, "direction", 0) == _PACKET_OUTGOING
        if packet is None or twice:
            return
        octets = len(packet)
        if capture.packets >= max_packets or capture.octets + octets > max_octets:
            capture.full = True
            return
        writer.write(packet)
        capture.packets += 1
        capture.octets += octets

    def listen() -> None:
        try:
            ready = True
            while ready and not capture.full:
                # When the block has ended, what the kernel still holds belongs to the train.
                ready = listener.ins in select.select([listener.ins, done_read], [], [])[0]
                if ready:
                    keep()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=listen, name=f"capture-{capture.interface}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.close(done_write)
        thread.join()
        os.close(done_read)
        statistics = listener.ins.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        capture.dropped = struct.unpack("@II", statistics)[1]
    if failures:
        raise ProbeError(
            f"capture on {capture.interface} to {capture.path}: {failures[0].strerror}; the file "
            f"ends after {capture.packets} packets: is the disk full, is the interface still up?"
        )


def _on_link(address: _Address, interface: str | None) -> tuple[str, str]:
    """(interface, our source address there) for an address on a link of ours; else ProbeError."""
    if interface is not None:
        _check_interface(interface)
        return interface, _route(address, interface)[1]
    device, source, gateway = _route(address)
    if device == "lo" or _is_ours(address):
        raise ProbeError(
            f"identify {address}: it is an address of this host, or there is no route to it; ask "
            "from another host on its link, or name the interface (--interface) to hear whether "
            "somebody else claims it"
        )
    if not ipaddress.ip_address(gateway).is_unspecified:
        raise ProbeError(
            f"identify {address}: it is not on a link of this host but behind the gateway "
            f"{gateway}: identify that, or ask from a host on its link"
        )
    return device, source


def _is_ours(address: _Address) -> bool:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((str(address), 0))
        except OSError:
            return False
    return True


def _route(address: _Address, interface: str | None = None) -> tuple[str, str, str]:
    """(interface, source, gateway) by the kernel's table as it is now."""
    import scapy.arch
    import scapy.route
    import scapy.route6  # noqa: F401  (each of them fills in its part of conf)
    from scapy.config import conf

    # scapy reads them once, at import; a daemon lives longer than a routing table.
    conf.ifaces.reload()
    table = conf.route6 if address.version == 6 else conf.route
    table.resync()
    device, source, gateway = table.route(str(address), dev=interface)
    return str(device), str(source), str(gateway)


def _check_interface(device: str) -> None:
    names = [name for _, name in socket.if_nameindex()]
    if device not in names:
        raise ProbeError(
            f"there is no interface {device}: this host has {', '.join(names)} (--interface)"
        )


def _ask(address: _Address, device: str, source: str, timeout_s: float) -> list[str]:
    """Ask once; the MAC addresses in order of answer."""
    from scapy.arch import get_if_hwaddr
    from scapy.layers.l2 import ARP, Ether
    from scapy.sendrecv import srp

    own = get_if_hwaddr(device)
    if address.version == 4:
        question = Ether(src=own, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op="who-has", hwsrc=own, psrc=source, pdst=str(address)
        )
    else:
        question = _solicitation(address, own, source)
    answered, _ = srp(
        question, iface=device, timeout=timeout_s, multi=True, verbose=0, promisc=False
    )
    return [_mac_of(answer) for _, answer in answered]


def _solicitation(address: _Address, own: str, source: str) -> Any:
    from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
    from scapy.layers.l2 import Ether
    from scapy.utils6 import in6_getnsma, in6_getnsmac

    group = in6_getnsma(address.packed)
    return (
        Ether(src=own, dst=in6_getnsmac(group))
        / IPv6(src=source, dst=socket.inet_ntop(socket.AF_INET6, group), hlim=255)
        / ICMPv6ND_NS(tgt=str(address))
        / ICMPv6NDOptSrcLLAddr(lladdr=own)
    )


def _mac_of(answer: Any) -> str:
    """What the answer claims: ARP's sender, or the target link-layer option."""
    from scapy.layers.inet6 import ICMPv6NDOptDstLLAddr
    from scapy.layers.l2 import ARP

    if ARP in answer:
        return str(answer[ARP].hwsrc).lower()
    if ICMPv6NDOptDstLLAddr in answer:
        return str(answer[ICMPv6NDOptDstLLAddr].lladdr).lower()
    return str(answer.src).lower()
