"""How a reflector answers a batch of requests (RFC 8762, section 4.3; RFC 8972). Sans-I/O.

`Reflection.reflect` decides which datagrams are answered and turns those into replies where they
lie; `Reflection.depart` writes the last of them, T3 and what is signed with it, right before they
go. A reply has the length of its request: the base fields of requests shorter than 44 octets
(TWAMP-Light without padding) are cut off with it.
"""

from __future__ import annotations

import hmac
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.rate_limit import RateLimit
from agent.reflector_access import NO_KEYS, Keyring, Prefixes, Sources, read_sources
from agent.reflector_sessions import Session, SessionKey, SessionTable
from agent.samples import ClockState, Int64Array, StampFormat, UInt8Array
from agent.wire.ntp import encode_error_estimate, to_ntp, to_ptp, to_wire
from agent.wire.octets import column
from agent.wire.stamp import (
    AUTHENTICATED,
    HMAC_AT,
    LEAST_REQUEST,
    PLAIN,
    PORT,
    packet_hmac,
)
from agent.wire.tlv import BASE, BASE_AUTHENTICATED, TlvType
from agent.wire.tlv_reflection import Arrival, FollowUp, reflect_tlvs

LOOP_PORTS: Final = (0, 7, 19, PORT)
"""Source ports that are never answered: nobody, and services that would answer our answer. Two
reflectors that a forged packet sets on each other would talk for ever."""
_PTP: Final = 0x40
"""The Z bit, in the first octet of an Error Estimate."""

Rows = npt.NDArray[np.intp]


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


@dataclass(frozen=True, slots=True)
class Policy:
    """Whom a reflector answers, and how."""

    allow: Prefixes
    keys: Keyring = NO_KEYS
    allow_unauthenticated: bool = False
    """With keys: answer unauthenticated packets also."""
    stateful: bool = False
    """Number the replies of each session (RFC 8762, section 4.3) instead of echoing numbers."""
    dscp: frozenset[int] | None = None
    """DSCP values that a class of service TLV may have; None: all."""


@dataclass(frozen=True, slots=True)
class Requests:
    """A batch of datagrams, one a row; `data` is written over."""

    data: UInt8Array
    """(n, slot), slot at least 112."""
    lengths: npt.NDArray[np.uint32]
    """Octets of the datagram as it came, also where the slot holds fewer."""
    names: UInt8Array
    """(n, 28 or more): the sockaddr of each source, all of one family."""
    rx_ns: Int64Array
    """UTC; 0 where the kernel gave no stamp."""
    ttl: npt.NDArray[np.int16]
    tos: npt.NDArray[np.int16]
    """-1 = unknown, both."""


@dataclass(slots=True)
class Replies:
    """What is to be sent back: rows of the batch, in the order of their coming."""

    rows: Rows
    tos: npt.NDArray[np.int16]
    """TOS octet of each reply: the request's DSCP, or what its TLV asked for; never ECN."""
    ptp: npt.NDArray[np.bool_] | None
    """Replies in PTP format; None = none is."""
    keys: dict[int, bytes]
    """Index into `rows` -> key of an authenticated reply."""
    follow_up: dict[int, Session]
    """Index into `rows` -> session that wants to know when this reply leaves."""


class Reflection:
    """The rules of one reflector, and what it remembers of rates and clock.

    Sessions belong to a listening socket and are passed in.
    """

    def __init__(
        self, policy: Policy, limit: RateLimit, own_ports: frozenset[int] = frozenset()
    ) -> None:
        self.counters = ReflectorCounters()
        self._policy = policy
        self._limit = limit
        self._loops = np.zeros(1 << 16, np.bool_)
        self._loops[[*LOOP_PORTS, *own_ports]] = True
        self._synchronised = False
        self._errors = {"ntp": 0, "ptp": 0}
        self.set_clock(ClockState(synchronised=False, error_ns=None))

    def set_clock(self, state: ClockState) -> None:
        """Say from now on in every Error Estimate what the kernel says of our clock."""
        self._synchronised = state.synchronised
        formats: tuple[StampFormat, StampFormat] = ("ntp", "ptp")
        for time_format in formats:
            self._errors[time_format] = encode_error_estimate(
                state.synchronised, state.error_ns, time_format
            )

    def reflect(
        self, requests: Requests, sessions: SessionTable, utc_ns: int, monotonic_ns: int
    ) -> Replies:
        """Judge a batch and turn what is answered into replies, in place, all but T3."""
        n = len(requests.lengths)
        self.counters.received += n
        sources = read_sources(requests.names)
        rows = self._admit(requests, sources, monotonic_ns)
        keys: dict[int, bytes] = {}
        if self._policy.keys:
            rows, keys = self._authenticate(requests, sources, rows)
        numbers: list[int] | None = None
        known: list[Session] = []
        if self._policy.stateful:
            rows, keys, known = self._find_sessions(
                requests, sources, rows, keys, sessions, monotonic_ns
            )
            numbers = [session.number() for session in known]
        replies = Replies(
            rows, np.maximum(requests.tos[rows], 0) & 0xFC, None, keys, {}
        )
        if len(rows):
            self._reflect_tlvs(requests, replies, sources, sessions, monotonic_ns, known, numbers)
            self._write_base(requests, replies, numbers, utc_ns)
        return replies

    def depart(self, data: UInt8Array, replies: Replies, part: slice, utc_ns: int) -> None:
        """Write T3 = `utc_ns` into the replies of `part`, and sign the authenticated ones."""
        rows = replies.rows[part]
        if replies.ptp is None:
            wire = to_ntp(utc_ns)
        else:
            wire = np.where(replies.ptp[part], to_ptp(utc_ns), to_ntp(utc_ns))
        if not replies.keys:
            column(data, PLAIN.stamp, ">u8")[rows] = wire
            return
        signed = np.array([i in replies.keys for i in range(*part.indices(len(replies.rows)))])
        wire = np.broadcast_to(wire, len(rows))
        column(data, PLAIN.stamp, ">u8")[rows[~signed]] = wire[~signed]
        column(data, AUTHENTICATED.stamp, ">u8")[rows[signed]] = wire[signed]
        start = part.indices(len(replies.rows))[0]
        for i in np.flatnonzero(signed).tolist():
            row = data[rows[i]]
            made = packet_hmac(replies.keys[start + i], row[:HMAC_AT].tobytes())
            row[HMAC_AT:BASE_AUTHENTICATED] = np.frombuffer(made, np.uint8)

    def _refuse(self, reason: Refusal, count: int) -> None:
        if count:
            self.counters.refused[reason] += count

    def _admit(self, requests: Requests, sources: Sources, monotonic_ns: int) -> Rows:
        """Rows that pass what is judged without looking into them."""
        lengths = requests.lengths
        passing = np.ones(len(lengths), np.bool_)
        for reason, good in (
            (Refusal.SHORT, lengths >= LEAST_REQUEST),
            (Refusal.OVERSIZE, lengths <= requests.data.shape[1]),
            (Refusal.NOT_ALLOWED, self._policy.allow.match(sources)),
            (Refusal.SOURCE_PORT, ~self._loops[sources.port]),
        ):
            if not good.all():
                self._refuse(reason, int((passing & ~good).sum()))
                passing &= good
        rows = np.flatnonzero(passing)
        granted = self._limit.take(sources.limited_as[rows], monotonic_ns)
        if granted.all():
            return rows
        self._refuse(Refusal.RATE, int((~granted).sum()))
        return rows[granted]

    def _authenticate(
        self, requests: Requests, sources: Sources, rows: Rows
    ) -> tuple[Rows, dict[int, bytes]]:
        """Rows that show a key or need none, and the key by the place in these rows.

        Nothing on the wire names the mode: octets 4 to 15 are zero in the authenticated format
        and the time in the other.
        """
        kept: list[int] = []
        keys: dict[int, bytes] = {}
        for row in rows.tolist():
            own = self._policy.keys.keys(int(sources.high[row]), int(sources.low[row]))
            octets = requests.data[row, :BASE_AUTHENTICATED].tobytes()
            if requests.lengths[row] < BASE_AUTHENTICATED or any(octets[4:16]):
                if self._policy.allow_unauthenticated:
                    kept.append(row)
                else:
                    self._refuse(Refusal.UNAUTHENTICATED, 1)
                continue
            for key in own:
                if hmac.compare_digest(octets[HMAC_AT:], packet_hmac(key, octets)):
                    keys[len(kept)] = key
                    kept.append(row)
                    break
            else:
                self._refuse(Refusal.HMAC, 1)
        return np.array(kept, np.intp), keys

    def _key(self, requests: Requests, sources: Sources, row: int, signed: bool) -> SessionKey:
        at = AUTHENTICATED.ssid if signed else PLAIN.ssid
        octets = requests.data[row]
        # A request of 14 or 15 octets ends before its SSID.
        ssid = int(octets[at]) << 8 | int(octets[at + 1]) if requests.lengths[row] >= at + 2 else 0
        return SessionKey(
            int(sources.high[row]), int(sources.low[row]), int(sources.port[row]), ssid,
            int(sources.zone[row]),
        )  # fmt: skip

    def _find_sessions(
        self,
        requests: Requests,
        sources: Sources,
        rows: Rows,
        keys: dict[int, bytes],
        sessions: SessionTable,
        monotonic_ns: int,
    ) -> tuple[Rows, dict[int, bytes], list[Session]]:
        """Rows with a session, their keys by the new place, and their sessions."""
        kept: list[int] = []
        kept_keys: dict[int, bytes] = {}
        found: list[Session] = []
        for i, row in enumerate(rows.tolist()):
            session = sessions.get(self._key(requests, sources, row, i in keys), monotonic_ns)
            if session is None:
                self._refuse(Refusal.SESSIONS, 1)
                continue
            if i in keys:
                kept_keys[len(kept)] = keys[i]
            kept.append(row)
            found.append(session)
        return np.array(kept, np.intp), kept_keys, found

    def _reflect_tlvs(
        self,
        requests: Requests,
        replies: Replies,
        sources: Sources,
        sessions: SessionTable,
        monotonic_ns: int,
        known: list[Session],
        numbers: list[int] | None,
    ) -> None:
        """Everything after the base packet of every reply."""
        rows, lengths, data = replies.rows, requests.lengths[replies.rows], requests.data
        base = np.full(len(rows), BASE)
        base[list(replies.keys)] = BASE_AUTHENTICATED
        longer = np.flatnonzero(lengths > base)
        if not len(longer):
            return
        # The two common ends of a packet need no walk: zero octets, and extra padding alone.
        at = rows[longer], base[longer]
        rest = lengths[longer] - base[longer]
        header = [data[at[0], at[1] + i] for i in range(4)]
        room = rest >= 4
        zero = room & ((header[0] | header[1] | header[2] | header[3]) == 0)
        padding = room & (header[1] == TlvType.EXTRA_PADDING)
        padding &= (header[2].astype(np.int64) << 8 | header[3]) == rest.astype(np.int64) - 4
        data[at[0][padding], at[1][padding]] &= 0x1F
        for i in longer[~(zero | padding)].tolist():
            self._reflect_one(
                requests, replies, sources, sessions, monotonic_ns, i, int(base[i]),
                known[i] if known else None, numbers[i] if numbers else None,
            )  # fmt: skip

    def _reflect_one(
        self,
        requests: Requests,
        replies: Replies,
        sources: Sources,
        sessions: SessionTable,
        monotonic_ns: int,
        i: int,
        base: int,
        session: Session | None,
        number: int | None,
    ) -> None:
        row = int(replies.rows[i])
        octets = requests.data[row]
        end = int(requests.lengths[row])
        key = replies.keys.get(i)
        if key is None:
            own = self._policy.keys.keys(int(sources.high[row]), int(sources.low[row]))
            key = own[0] if own else None
        at = PLAIN if base == BASE else AUTHENTICATED
        time_format: StampFormat = "ptp" if octets[at.error_estimate] & _PTP else "ntp"
        asked = octets[:4].tobytes()
        asker: Session | None = None

        def follow_up() -> FollowUp | None:
            nonlocal asker
            asker = session or sessions.get(
                self._key(requests, sources, row, base != BASE), monotonic_ns
            )
            departure = asker.departure() if asker else None
            if departure is None:
                return None
            self.counters.follow_ups += 1
            return FollowUp(departure.sequence, int(to_wire(departure.utc_ns, time_format)))

        region = bytearray(octets[base:end].tobytes())
        outcome = reflect_tlvs(
            region,
            (asked, asked if number is None else number.to_bytes(4)),
            Arrival(max(int(requests.tos[row]), 0), self._synchronised),
            key=key,
            authenticated=base != BASE,
            may_send=lambda dscp: self._policy.dscp is None or dscp in self._policy.dscp,
            follow_up=follow_up,
        )
        octets[base:end] = np.frombuffer(region, np.uint8)
        self.counters.malformed_tlvs += outcome.malformed
        self.counters.tlv_integrity_failed += outcome.integrity_failed
        if outcome.dscp is not None:
            replies.tos[i] = outcome.dscp << 2
        if asker is not None:
            replies.follow_up[i] = asker

    def _write_base(
        self, requests: Requests, replies: Replies, numbers: list[int] | None, utc_ns: int
    ) -> None:
        """The base packet of every reply, all but T3 and HMAC."""
        data, rows = requests.data, replies.rows
        signed = np.zeros(len(rows), np.bool_)
        signed[list(replies.keys)] = True
        plain, lengths = rows[~signed], requests.lengths[rows]
        if (lengths < BASE).any():
            # What an earlier datagram left in the slot is no part of a short request.
            beyond = np.arange(BASE) >= lengths[:, None]
            data[rows, :BASE] = np.where(beyond, 0, data[rows, :BASE])
        estimate_at = np.where(signed, AUTHENTICATED.error_estimate, PLAIN.error_estimate)
        ptp = (data[rows, estimate_at] & _PTP) != 0
        rx_ns = requests.rx_ns[rows]
        rx_ns[rx_ns == 0] = utc_ns
        t2, estimate = to_ntp(rx_ns), np.full(len(rows), self._errors["ntp"], np.uint16)
        if ptp.any():
            replies.ptp = ptp
            t2 = np.where(ptp, to_ptp(rx_ns), t2)
            estimate[ptp] = self._errors["ptp"]
        ttl = np.maximum(requests.ttl[rows], 0).astype(np.uint8)

        data[plain, 24:38] = data[plain, 0:14]
        data[plain, 38:44] = 0
        self._write_fields(data, plain, PLAIN, t2[~signed], estimate[~signed], ttl[~signed])
        if signed.any():
            hidden = rows[signed]
            sender = data[hidden, 0:4], data[hidden, 16:26]
            data[hidden, 28:HMAC_AT] = 0
            data[hidden, 48:52], data[hidden, 64:74] = sender
            self._write_fields(
                data, hidden, AUTHENTICATED, t2[signed], estimate[signed], ttl[signed]
            )
        if numbers is not None:
            column(data, 0, ">u4")[rows] = numbers

    @staticmethod
    def _write_fields(
        data: UInt8Array,
        rows: Rows,
        at: type[PLAIN] | tuple[int, ...],
        t2: npt.NDArray[np.uint64],
        estimate: npt.NDArray[np.uint16],
        ttl: UInt8Array,
    ) -> None:
        raise NotImplementedError
