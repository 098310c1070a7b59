"""What a reflector counts: every datagram ends in exactly one of its counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum


class Refusal(Enum):
    """Why a datagram got no answer."""

    SHORT = "short"
    """Less than 14 octets: no request of any kind."""
    OVERSIZE = "oversize"
    """Longer than the receive buffer's slot: it cannot be given back whole."""
    NOT_ALLOWED = "not-allowed"
    """The source lies in no allowed prefix."""
    SOURCE_PORT = "source-port"
    """The source port is a reflector's (`LOOP_PORTS`, and our own)."""
    REPLY = "reply"
    """It is a reply, of another reflector that a forged request has set on us."""
    RATE = "rate"
    """The source sends more than its rate."""
    UNAUTHENTICATED = "unauthenticated"
    """A key is configured, and the packet is not of the authenticated format."""
    HMAC = "hmac"
    """The HMAC is wrong."""
    SESSIONS = "sessions"
    """Stateful, and the table of sessions is full."""


@dataclass(slots=True)
class ReflectorCounters:
    """What became of every datagram: received = answered + refused + unsent."""

    received: int = 0
    answered: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)
    unsent: Counter[str] = field(default_factory=Counter)
    """errno name -> replies that the kernel did not take."""
    dropped: int = 0
    """Datagrams that our own full receive buffer lost before they were received."""
    malformed_tlvs: int = 0
    """Answered requests with a malformed TLV."""
    tlv_integrity_failed: int = 0
    """Answered requests whose HMAC TLV was wrong or missing."""
    follow_ups: int = 0
    """Replies that told when an earlier one left."""
    departures: int = 0
    """Kernel TX stamps matched to their reply."""

    def as_dict(self) -> dict[str, int | dict[str, int]]:
        """For JSON; every reason is there, also with 0."""
        return {
            "received": self.received,
            "answered": self.answered,
            "refused": {reason.value: self.refused[reason] for reason in Refusal},
            "unsent": dict(self.unsent),
            "dropped": self.dropped,
            "malformed_tlvs": self.malformed_tlvs,
            "tlv_integrity_failed": self.tlv_integrity_failed,
            "follow_ups": self.follow_ups,
            "departures": self.departures,
        }
