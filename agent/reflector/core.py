"""How a reflector answers a batch of requests (RFC 8762, section 4.3; RFC 8972). Sans-I/O.

`Reflection.reflect` decides which datagrams are answered and turns those into replies where they
lie; `Reflection.depart` writes the last of them, T3 and what is signed with it, right before they
go. A reply has the length of its request: the base fields of requests shorter than 44 octets
(TWAMP-Light without padding) are cut off with it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from agent.reflector.access import NO_KEYS, Keyring, Prefixes, Sources, read_sources
from agent.reflector.counters import ReflectorCounters, Refusal
from agent.reflector.rate_limit import RateLimit
from agent.reflector.sessions import Session, SessionKey, SessionTable
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
from agent.wire.tlv_format import BASE, BASE_AUTHENTICATED, HEADER_OCTETS, TlvType
from agent.wire.tlv_reflection import Arrival, FollowUp, reflect_tlvs

LOOP_PORTS: Final = (0, 7, 19, PORT)
"""Source ports that are never answered: nobody, and services that would answer our answer."""
PTP: Final = 0x40
"""The Z bit, in the first octet of an Error Estimate."""

Rows = npt.NDArray[np.intp]


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
    signed: npt.NDArray[np.bool_]
    """Replies of the authenticated format."""
    keys: list[bytes]
    """The key of each; empty for one that is not signed."""
    tos: npt.NDArray[np.int16]
    """TOS octet of each reply: the request's DSCP, or what its TLV asked for; never ECN."""
    ptp: npt.NDArray[np.bool_] | None
    """Replies in PTP format; None = none is."""
    follow_up: dict[int, Session]
    """Index into `rows` -> session that wants to know when this reply leaves."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What the steps of one batch share."""

    requests: Requests
    sources: Sources
    sessions: SessionTable
    monotonic_ns: int

    def session(self, row: int, signed: bool) -> Session | None:
        """The session of a row; None when the table is full."""
        octets, at = self.requests.data[row], AUTHENTICATED.ssid if signed else PLAIN.ssid
        # A request of 14 or 15 octets ends before its SSID.
        whole = self.requests.lengths[row] >= at + 2
        key = SessionKey(
            int(self.sources.high[row]),
            int(self.sources.low[row]),
            int(self.sources.port[row]),
            int(octets[at]) << 8 | int(octets[at + 1]) if whole else 0,
            int(self.sources.zone[row]),
        )
        return self.sessions.get(key, self.monotonic_ns)

    def keys(self, row: int, ring: Keyring) -> tuple[bytes, ...]:
        """The keys of a row's source."""
        return ring.keys(int(self.sources.high[row]), int(self.sources.low[row]))


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
        self._clock = ClockState(synchronised=False, error_ns=None)
        self._estimates = (0, 0)
        self.set_clock(self._clock)

    def set_clock(self, state: ClockState) -> None:
        """Say from now on in every Error Estimate what the kernel says of our clock."""
        self._clock = state
        self._estimates = (
            encode_error_estimate(state.synchronised, state.error_ns, "ntp"),
            encode_error_estimate(state.synchronised, state.error_ns, "ptp"),
        )

    def reflect(
        self, requests: Requests, sessions: SessionTable, utc_ns: int, monotonic_ns: int
    ) -> Replies:
        """Judge a batch and turn what is answered into replies, in place, all but T3."""
        self.counters.received += len(requests.lengths)
        batch = _Batch(requests, read_sources(requests.names), sessions, monotonic_ns)
        rows = self._admit(batch)
        keys = [b""] * len(rows)
        if self._policy.keys:
            rows, keys = self._authenticate(batch, rows)
        found: list[Session] = []
        if self._policy.stateful:
            rows, keys, found = self._find_sessions(batch, rows, keys)
        numbers = [session.number() for session in found]
        tos = np.maximum(requests.tos[rows], 0) & 0xFC
        signed = np.fromiter(map(bool, keys), np.bool_, len(keys))
        replies = Replies(rows, signed, keys, tos, None, {})
        if len(rows):
            self._reflect_tlvs(batch, replies, found, numbers)
            self._write_base(requests, replies, utc_ns)
            if numbers:
                column(requests.data, 0, ">u4")[rows] = numbers
        return replies

    def depart(self, data: UInt8Array, replies: Replies, part: slice, utc_ns: int) -> None:
        """Write T3 = `utc_ns` into the replies of `part`, and sign the authenticated ones."""
        rows, signed = replies.rows[part], replies.signed[part]
        wire = np.broadcast_to(to_ntp(utc_ns), len(rows))
        if replies.ptp is not None:
            wire = np.where(replies.ptp[part], to_ptp(utc_ns), wire)
        if not signed.any():
            column(data, PLAIN.stamp, ">u8")[rows] = wire
            return
        column(data, PLAIN.stamp, ">u8")[rows[~signed]] = wire[~signed]
        column(data, AUTHENTICATED.stamp, ">u8")[rows[signed]] = wire[signed]
        for row, key in zip(rows.tolist(), replies.keys[part], strict=True):
            if key:
                made = packet_hmac(key, data[row, :HMAC_AT].tobytes())
                data[row, HMAC_AT:BASE_AUTHENTICATED] = np.frombuffer(made, np.uint8)

    def _refuse(self, reason: Refusal, count: int = 1) -> None:
        if count:
            self.counters.refused[reason] += count

    def _admit(self, batch: _Batch) -> Rows:
        """Rows that pass what is judged without looking into them."""
        lengths = batch.requests.lengths
        passing = np.ones(len(lengths), np.bool_)
        for reason, good in (
            (Refusal.SHORT, lengths >= LEAST_REQUEST),
            (Refusal.OVERSIZE, lengths <= batch.requests.data.shape[1]),
            (Refusal.NOT_ALLOWED, self._policy.allow.match(batch.sources)),
            (Refusal.SOURCE_PORT, ~self._loops[batch.sources.port]),
            (Refusal.REPLY, ~_replies(batch.requests.data, lengths)),
        ):
            if not good.all():
                self._refuse(reason, int((passing & ~good).sum()))
                passing &= good
        rows = np.flatnonzero(passing)
        granted = self._limit.take(batch.sources.limited_as[rows], batch.monotonic_ns)
        self._refuse(Refusal.RATE, int((~granted).sum()))
        return rows[granted]

    def _authenticate(self, batch: _Batch, rows: Rows) -> tuple[Rows, list[bytes]]:
        """Rows that show a key or need none, with their keys.

        Nothing on the wire names the mode: octets 4 to 15 are zero in the authenticated format
        and the time in the other.
        """
        kept: list[int] = []
        keys: list[bytes] = []
        for row in rows.tolist():
            octets = batch.requests.data[row, :BASE_AUTHENTICATED].tobytes()
            key: bytes | None = b""
            refusal = Refusal.UNAUTHENTICATED
            if batch.requests.lengths[row] >= BASE_AUTHENTICATED and not any(octets[4:16]):
                key = _right_key(octets, batch.keys(row, self._policy.keys))
                refusal = Refusal.HMAC
            elif not self._policy.allow_unauthenticated:
                key = None
            if key is None:
                self._refuse(refusal)
            else:
                kept.append(row)
                keys.append(key)
        return np.array(kept, np.intp), keys

    def _find_sessions(
        self, batch: _Batch, rows: Rows, keys: list[bytes]
    ) -> tuple[Rows, list[bytes], list[Session]]:
        """Rows with a session, with their keys and sessions."""
        found = [
            batch.session(row, bool(key)) for row, key in zip(rows.tolist(), keys, strict=True)
        ]
        self._refuse(Refusal.SESSIONS, found.count(None))
        kept = [i for i, session in enumerate(found) if session is not None]
        return (
            rows[kept],
            [keys[i] for i in kept],
            [session for session in found if session is not None],
        )

    def _reflect_tlvs(
        self, batch: _Batch, replies: Replies, found: list[Session], numbers: list[int]
    ) -> None:
        """Everything after the base packet of every reply."""
        data, lengths = batch.requests.data, batch.requests.lengths[replies.rows].astype(np.int64)
        base = np.where(replies.signed, BASE_AUTHENTICATED, BASE)
        longer = np.flatnonzero(lengths > base)
        if not len(longer):
            return
        # The two common ends of a packet need no walk: zero octets, and extra padding alone.
        rows, at = replies.rows[longer], base[longer]
        rest = lengths[longer] - at
        flags, kind, high, low = (
            data[rows, np.minimum(at + i, data.shape[1] - 1)].astype(np.int64) for i in range(4)
        )
        zero = (rest >= HEADER_OCTETS) & ((flags | kind | high | low) == 0)
        padding = (kind == TlvType.EXTRA_PADDING) & ((high << 8 | low) == rest - HEADER_OCTETS)
        data[rows[padding], at[padding]] = 0
        for i in longer[~(zero | padding)].tolist():
            self._reflect_one(
                batch, replies, i, found[i] if found else None, numbers[i] if numbers else None
            )

    def _reflect_one(
        self, batch: _Batch, replies: Replies, i: int, session: Session | None, number: int | None
    ) -> None:
        row, signed = int(replies.rows[i]), bool(replies.signed[i])
        octets = batch.requests.data[row]
        place = slice(BASE_AUTHENTICATED if signed else BASE, int(batch.requests.lengths[row]))
        at = AUTHENTICATED if signed else PLAIN
        time_format: StampFormat = "ptp" if octets[at.error_estimate] & PTP else "ntp"
        asked = octets[:4].tobytes()
        asker: Session | None = None

        def follow_up() -> FollowUp | None:
            nonlocal asker
            asker = session or batch.session(row, signed)
            departure = asker.departure() if asker else None
            if departure is None:
                return None
            self.counters.follow_ups += 1
            return FollowUp(departure.sequence, int(to_wire(departure.utc_ns, time_format)))

        region = bytearray(octets[place].tobytes())
        outcome = reflect_tlvs(
            region,
            (asked, asked if number is None else number.to_bytes(4)),
            Arrival(max(int(batch.requests.tos[row]), 0), self._clock.synchronised),
            key=replies.keys[i] or next(iter(batch.keys(row, self._policy.keys)), None),
            authenticated=signed,
            may_send=lambda dscp: self._policy.dscp is None or dscp in self._policy.dscp,
            follow_up=follow_up,
        )
        octets[place] = np.frombuffer(region, np.uint8)
        self.counters.malformed_tlvs += outcome.malformed
        self.counters.tlv_integrity_failed += outcome.integrity_failed
        if outcome.dscp is not None:
            replies.tos[i] = outcome.dscp << 2
        if asker is not None:
            replies.follow_up[i] = asker

    def _write_base(self, requests: Requests, replies: Replies, utc_ns: int) -> None:
        """The base packet of every reply, all but T3, HMAC and a number of our own."""
        data, rows, signed = requests.data, replies.rows, replies.signed
        lengths = requests.lengths[rows]
        for row in rows[lengths < BASE].tolist():
            data[row, requests.lengths[row] : BASE] = 0  # left in the slot by an earlier datagram
        rx_ns = requests.rx_ns[rows]
        rx_ns[rx_ns == 0] = utc_ns
        ttl = np.maximum(requests.ttl[rows], 0)
        ptp = (
            data[rows, np.where(signed, AUTHENTICATED.error_estimate, PLAIN.error_estimate)] & PTP
        ) != 0
        t2 = to_ntp(rx_ns)
        estimate = np.full(len(rows), self._estimates[0], np.uint16)
        if ptp.any():
            replies.ptp = ptp
            t2 = np.where(ptp, to_ptp(rx_ns), t2)
            estimate[ptp] = self._estimates[1]
        if not signed.all():
            plain = rows[~signed]
            data[plain, 24:38] = data[plain, 0:14]
            data[plain, 38:BASE] = 0
        if signed.any():
            hidden = rows[signed]
            stamp = data[hidden, 16:26]
            data[hidden, 28:HMAC_AT] = 0
            data[hidden, 48:52] = data[hidden, 0:4]
            data[hidden, 64:74] = stamp
        for at, mine in ((PLAIN, ~signed), (AUTHENTICATED, signed)):
            chosen = rows[mine]
            if len(chosen):
                column(data, at.error_estimate, ">u2")[chosen] = estimate[mine]
                column(data, at.t2, ">u8")[chosen] = t2[mine]
                data[chosen, at.sender_ttl] = ttl[mine]


def _replies(data: UInt8Array, lengths: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Which datagrams are replies themselves: two reflectors would answer each other for ever.

    A reply holds two stamps of one clock, T2 within a second before T3, where a request holds
    zeros, or padding that looks like this once in 2^30. Shorter than 24 octets it cannot be told
    (RFC 8762 knows no such reply), and only the rate limits it.
    """
    found = np.zeros(len(lengths), np.bool_)
    for at in (PLAIN, AUTHENTICATED):
        t3 = column(data, at.stamp, ">u4").astype(np.int64)
        t2 = column(data, at.t2, ">u4").astype(np.int64)
        found |= (t2 != 0) & (np.abs(t3 - t2) <= 1) & (lengths >= at.t2 + 8)
    return found


def _right_key(octets: bytes, keys: tuple[bytes, ...]) -> bytes | None:
    """The key that an authenticated packet was signed with."""
    for key in keys:
        if hmac.compare_digest(octets[HMAC_AT:], packet_hmac(key, octets)):
            return key
    return None
