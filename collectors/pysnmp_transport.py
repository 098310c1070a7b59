"""A UDP socket for pysnmp that lets in answers alone: to a question of ours, from who was asked.

pysnmp finds the request of an answer by a number that can be guessed, whoever sends it. With one
engine for all devices, one of them could speak for another.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pyasn1.error import PyAsn1Error
from pysnmp.carrier.asyncio.dgram.udp import UdpAsyncioTransport
from pysnmp.carrier.asyncio.dgram.udp6 import Udp6AsyncioTransport
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch.asyncio.transport import Udp6TransportTarget, UdpTransportTarget

from collectors.ber import RESPONSE, VERSION_3, header

KEPT_S = 120.0
"""How long the number of a question is remembered; no time-out is longer than a minute."""
SWEEP_EVERY = 512
"""Questions."""
Peer = tuple[str, int]

_BAD_CONTENTS = (PyAsn1Error, PySnmpError, ArithmeticError, LookupError, TypeError, ValueError,
                 AttributeError, RecursionError)  # fmt: skip
"""What decoding hostile octets raises out of pysnmp and pyasn1: they belong to the datagram."""


def _peer(address: Any) -> Peer:
    return str(address[0]).partition("%")[0], int(address[1])


class _Checked:
    """What both address families do to datagrams."""

    loop: asyncio.AbstractEventLoop
    _callback_function: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked: dict[int, tuple[Peer, float]] = {}
        self._sent = 0
        self.odd: dict[Peer, int] = {}
        """Datagrams from peers that were asked which are no answer, or cannot be decoded; below
        version 3 all of them, for pysnmp does not say which it could decode."""
        self.engine_ids: dict[Peer, bytes] = {}
        """The engine ID in a peer's last answer (version 3)."""
        self.strangers = 0
        """Datagrams from who was not asked."""

    def send_message(self, message: bytes, address: Any) -> None:
        """Send, and remember who is asked under which number."""
        now = time.monotonic()
        self._sent += 1
        if self._sent % SWEEP_EVERY == 0:
            self._asked = {k: v for k, v in self._asked.items() if now - v[1] < KEPT_S}
        peer = _peer(address)
        self._asked[header(bytes(message)).ident] = peer, now
        self.odd.setdefault(peer, 0)
        super().send_message(message, address)  # type: ignore[misc]

    def datagram_received(self, data: bytes, address: Any) -> None:
        """Drop what is no answer, hand on what is one."""
        peer = _peer(address)
        if peer not in self.odd:
            self.strangers += 1
            return
        try:
            head = header(data)
            asked = self._asked.get(head.ident)
            if asked is None or asked[0] != peer or head.pdu not in (RESPONSE, None):
                self.odd[peer] += 1
                return
            self.odd[peer] += head.version != VERSION_3
            if head.engine_id:
                self.engine_ids[peer] = head.engine_id
            self._callback_function(self, address, data)
        except _BAD_CONTENTS:  # NotSnmpError too
            self.odd[peer] += 1

    def forget(self, address: Any) -> None:
        """The peer is asked no more."""
        self.odd.pop(_peer(address), None)
        self.engine_ids.pop(_peer(address), None)

    def odd_from(self, address: Any) -> int:
        """How many odd datagrams came from a peer so far."""
        return self.odd.get(_peer(address), 0)

    def engine_id_of(self, address: Any) -> bytes | None:
        """The engine ID in a peer's last answer."""
        return self.engine_ids.get(_peer(address))


class CheckedUdp(_Checked, UdpAsyncioTransport):  # type: ignore[misc]
    """Over IPv4."""


class CheckedUdp6(_Checked, Udp6AsyncioTransport):  # type: ignore[misc]
    """Over IPv6."""


class _Resolved:
    """A peer whose address is known already: nothing is looked up again."""

    transport_address: Any

    def __init__(self, address: Any, timeout_s: float) -> None:
        self.transport_address = address
        super().__init__(timeout=timeout_s, retries=0)  # type: ignore[call-arg]


class Peer4(_Resolved, UdpTransportTarget):  # type: ignore[misc]
    """A peer over IPv4."""

    PROTO_TRANSPORT = CheckedUdp


class Peer6(_Resolved, Udp6TransportTarget):  # type: ignore[misc]
    """A peer over IPv6."""

    PROTO_TRANSPORT = CheckedUdp6
