"""Whether an answer of SNMP version 3 comes from who was asked, unchanged (RFC 3414, 7860).

gufo_snmp 0.13 decodes answers without a look at their digest, so they are judged before it reads
them; pysnmp judges its own. Sans-I/O.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from collectors.ber import INTEGER, OCTETS, SEQUENCE, NotSnmpError, element
from collectors.snmp import AuthProtocol, Target

AUTH_FLAG, PRIV_FLAG = 0x01, 0x02
"""Of msgFlags (RFC 3412, section 6.4)."""
REPORT = 0xA8
_HASHES: dict[AuthProtocol, tuple[str, int]] = {
    "md5": ("md5", 12), "sha": ("sha1", 12), "sha224": ("sha224", 16), "sha256": ("sha256", 24),
    "sha384": ("sha384", 32), "sha512": ("sha512", 48),
}  # fmt: skip
"""Name in hashlib, octets of the digest that are sent (RFC 3414, 6.3.1; RFC 7860, 4.2)."""
_EXPANDED = 2**20


class _Message(NamedTuple):
    flags: int
    engine_id: bytes
    digest_at: int
    digest_end: int
    is_report: bool
    """In the clear."""


def _message(data: bytes) -> _Message:
    at, end = element(data, 0, SEQUENCE)
    if end != len(data):
        raise NotSnmpError("octets behind the message")
    _, at = element(data, at, INTEGER)
    head, at = element(data, at, SEQUENCE)
    _, head = element(data, head, INTEGER)
    _, head = element(data, head, INTEGER)
    flags_at, flags_end = element(data, head, OCTETS)
    if flags_end - flags_at != 1:
        raise NotSnmpError("flags of another length than one octet")
    start, scoped = element(data, at, OCTETS)
    start, _ = element(data, start, SEQUENCE)
    engine_at, start = element(data, start, OCTETS)
    engine_id = data[engine_at:start]
    for tag in (INTEGER, INTEGER, OCTETS):
        _, start = element(data, start, tag)
    digest_at, digest_end = element(data, start, OCTETS)
    flags = data[flags_at]
    is_report = False
    if not flags & PRIV_FLAG:
        start, _ = element(data, scoped, SEQUENCE)
        _, start = element(data, start, OCTETS)
        _, start = element(data, start, OCTETS)
        element(data, start)
        is_report = data[start] == REPORT
    return _Message(flags, engine_id, digest_at, digest_end, is_report)


@lru_cache(maxsize=256)
def localized_key(protocol: AuthProtocol, passphrase: str, engine_id: bytes) -> bytes:
    """The key of a passphrase at one device (RFC 3414, A.2); a millisecond or two."""
    name, _ = _HASHES[protocol]
    octets = passphrase.encode()
    expanded = (octets * (_EXPANDED // len(octets) + 1))[:_EXPANDED]
    key = hashlib.new(name, expanded, usedforsecurity=False).digest()
    return hashlib.new(name, key + engine_id + key, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the answers of one device."""

    target: Target = field(repr=False)
    engine_id: bytes

    def believes(self, data: bytes) -> bool:
        """Whether a message may be taken for an answer to a question of the target's level.

        It has that level and the digest of its key (RFC 3412, 7.2.12; RFC 3414, 3.2). A report may
        have less: that of an unknown user has no digest.
        """
        try:
            found = _message(data)
        except NotSnmpError:
            return False
        wanted = (AUTH_FLAG if self.target.auth is not None else 0) | (
            PRIV_FLAG if self.target.priv is not None else 0
        )
        level = found.flags & (AUTH_FLAG | PRIV_FLAG)
        if level & AUTH_FLAG and not self._is_signed(data, found):
            return False
        return level == wanted or found.is_report

    def _is_signed(self, data: bytes, found: _Message) -> bool:
        protocol, passphrase = self.target.auth_protocol, self.target.auth
        name, length = _HASHES[protocol]
        if (
            passphrase is None
            or found.engine_id != self.engine_id
            or found.digest_end - found.digest_at != length
        ):
            return False
        blank = data[: found.digest_at] + bytes(length) + data[found.digest_end :]
        key = localized_key(protocol, passphrase, self.engine_id)
        made = hmac.digest(key, blank, name)[:length]
        return hmac.compare_digest(made, data[found.digest_at : found.digest_end])
