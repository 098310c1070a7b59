"""Answers of version 3 are believed with the right digest and level, and not otherwise."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from collectors.authentic import Judge, localized_key
from collectors.snmp import Target

ENGINE = bytes.fromhex("000000000000000000000002")
DESCR = "1.3.6.1.2.1.1.1.0"
HASHES = {
    "md5": ("md5", 12),
    "sha": ("sha1", 12),
    "sha256": ("sha256", 24),
    "sha512": ("sha512", 48),
}


@pytest.mark.parametrize(
    ("protocol", "key"),
    [
        ("md5", "526f5eed9fcce26f8964c2930787d82b"),  # RFC 3414, A.3.1
        ("sha", "6695febc9288e36282235fc7151f128497b38f3f"),  # A.3.2
    ],
)
def test_keys_are_those_of_the_rfc(protocol: Any, key: str) -> None:
    assert localized_key(protocol, "maplesyrup", ENGINE).hex() == key


def target(protocol: Any = "sha", priv: str | None = None) -> Target:
    return Target("192.0.2.1", version="3", user="u", auth="maplesyrup", auth_protocol=protocol,
                  priv=priv)  # fmt: skip


def answer(
    agents: Any,
    protocol: str = "sha",
    *,
    flags: int = 1,
    pdu: int = 0xA2,
    engine: bytes = ENGINE,
    signer: bytes = ENGINE,
) -> bytes:
    """A message in the clear, signed with the key that `signer` has."""
    name, length = HASHES[protocol]
    tlv, number = agents.tlv, agents.number
    value = tlv(0x30, agents.oid(DESCR) + tlv(4, b"a switch"))
    body = tlv(pdu, number(7) + number(0) + number(0) + tlv(0x30, value))
    scoped = tlv(0x30, tlv(4, engine) + tlv(4, b"") + body)
    if flags & 2:
        scoped = tlv(4, scoped)  # whoever decrypts it, the digest is over what was sent

    def message(digest: bytes) -> bytes:
        usm = tlv(4, engine) + number(3) + number(1000) + tlv(4, b"u") + tlv(4, digest)
        head = number(7) + number(65_507) + tlv(4, bytes([flags])) + number(3)
        secured = tlv(4, tlv(0x30, usm + tlv(4, b"saltsalt" if flags & 2 else b"")))
        found: bytes = tlv(0x30, number(3) + tlv(0x30, head) + secured + scoped)
        return found

    if not flags & 1:
        return message(b"")
    key = localized_key(protocol, "maplesyrup", signer)  # type: ignore[arg-type]
    return message(hmac.digest(key, message(bytes(length)), name)[:length])


@pytest.mark.parametrize("protocol", HASHES)
def test_a_signed_answer_is_believed_and_no_changed_bit_of_it(protocol: str, agents: Any) -> None:
    judge = Judge(target(protocol), ENGINE)
    right = answer(agents, protocol)
    assert judge.believes(right)
    for at in range(len(right)):
        assert not judge.believes(right[:at])
        for bit in range(8):
            changed = bytearray(right)
            changed[at] ^= 1 << bit
            assert not judge.believes(bytes(changed)), (at, bit)
    assert not judge.believes(right + b"\0")
    other = Target("192.0.2.1", version="3", user="u", auth="saplemyrup", auth_protocol="sha")
    assert not Judge(other, ENGINE).believes(right)


def test_a_signature_counts_for_the_device_that_was_asked_alone(agents: Any) -> None:
    """One user, one passphrase, two devices: what one signs is no answer of the other."""
    stranger = hashlib.sha256(b"another").digest()[:12]
    judge = Judge(target(), ENGINE)
    assert not judge.believes(answer(agents, engine=stranger, signer=stranger))
    assert not judge.believes(answer(agents, signer=stranger))


def test_an_answer_has_the_level_of_its_question(agents: Any) -> None:
    signed, encrypting = Judge(target(), ENGINE), Judge(target(priv="maplesyrup"), ENGINE)
    plain = Judge(Target("192.0.2.1", version="3", user="u"), ENGINE)
    assert encrypting.believes(answer(agents, flags=3))
    assert not encrypting.believes(answer(agents, flags=1))
    assert not signed.believes(answer(agents, flags=3))
    for judge in (signed, encrypting):
        assert not judge.believes(answer(agents, flags=0))
        # A report of an unknown user or engine ID cannot be signed.
        assert judge.believes(answer(agents, flags=0, pdu=0xA8))
        assert judge.believes(answer(agents, flags=1, pdu=0xA8))
    assert plain.believes(answer(agents, flags=0))
    assert not plain.believes(answer(agents, flags=1))
