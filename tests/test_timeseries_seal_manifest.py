"""A manifest and its signature: they come back as they went, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from timeseries.codec import KINDS
from timeseries.seal_manifest import (
    ExpiredFile,
    Manifest,
    ManifestError,
    SealedFile,
    canonical,
    parse,
    public_key_of,
    signature_fits,
    signed,
)
from timeseries.store_files import file_name

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

days = st.dates(date(1970, 1, 1), date(2261, 12, 31)).map(date.isoformat)
counts = st.integers(0, 2**53 - 1)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
places = st.builds(
    lambda kind, day, first, more: f"{kind}/{day}/{file_name(first, first + more)}",
    st.sampled_from(sorted(KINDS)), days, counts, counts,
)  # fmt: skip
sealed_files = st.builds(SealedFile, places, counts, counts, hashes)
manifests = st.builds(
    Manifest,
    number=counts,
    day=days,
    agent=st.text(st.characters(codec="utf-8")),
    sealed_at=days,
    cursor=counts,
    open=st.lists(days, max_size=3).map(tuple),
    previous=st.just("") | hashes,
    public_key=st.just(public_key_of(KEY)),
    files=st.lists(sealed_files, max_size=4).map(tuple),
    addenda=st.lists(sealed_files, max_size=2).map(tuple),
    expired=st.lists(st.builds(ExpiredFile, places, hashes, days), max_size=2).map(tuple),
)


@given(manifests)
@settings(deadline=None)
def test_a_manifest_and_its_signature_come_back_as_they_went(made: Manifest) -> None:
    octets = signed(made, KEY)
    found, signature = parse(octets)
    assert found == made
    assert signature_fits(found, signature)
    assert canonical(json.loads(octets)) + b"\n" == octets
    assert not signature_fits(replace(found, number=found.number + 1), signature)


@given(manifests, st.data())
@settings(deadline=None)
def test_no_octet_of_a_manifest_can_be_changed(made: Manifest, data: st.DataObject) -> None:
    octets = bytearray(signed(made, KEY))
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found, signature = parse(bytes(octets))
    except ManifestError:
        return
    assert not signature_fits(found, signature)


def test_the_canonical_form_is_that_of_rfc_8785() -> None:
    value = {"b": 'é\n\u2028\x1f"\\/', "a": [1, {"d": "", "c": 2**53 - 1}], "": []}
    assert canonical(value) == (
        '{"":[],"a":[1,{"c":9007199254740991,"d":""}],"b":"é\\n\u2028\\u001f\\"\\\\/"}'.encode()
    )
