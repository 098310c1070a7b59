"""The manifest of a sealed day: what it says, its octets, its signature (`docs/sealing.md`).

    data_dir/store/manifests/<YYYY-MM-DD>.json    one a sealed UTC day

A manifest is one JSON object in the canonical form of RFC 8785 (keys sorted, no blanks, UTF-8; it
holds nothing but text and integers below 2**53) and a line feed. Its signature is Ed25519
(RFC 8032) over the canonical form of all but the member `signature`. `previous` is the SHA-256 of
the previous manifest's file, so that `sha256sum` shows the chain.

cryptography is imported inside the functions: most callers do not need its weight.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timeseries.codec import KINDS
from timeseries.errors import StoreError
from timeseries.store_files import is_day

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = "pasprobe-seal-1"
MANIFESTS = "manifests"
PUBLIC_KEY_NAME = "seal.pub"

# What a manifest names is read and deleted: it must lie in the store.
_FILE = re.compile(rf"(?:{'|'.join(KINDS)})/([0-9-]{{10}})/[0-9]{{19}}-[0-9]{{19}}\.parquet")


class ManifestError(StoreError):
    """A manifest that is none, or that was changed."""


@dataclass(frozen=True, slots=True, order=True)
class SealedFile:
    """One Parquet file as it was when it was sealed."""

    file: str
    """Its place in the store: `<kind>/<day>/<name>`."""
    octets: int
    records: int
    sha256: str

    @property
    def kind(self) -> str:
        """The kind of its records."""
        return self.file.split("/")[0]

    @property
    def day(self) -> str:
        """The UTC day of its records."""
        return self.file.split("/")[1]


@dataclass(frozen=True, slots=True, order=True)
class ExpiredFile:
    """A sealed file that was deleted because its time was over."""

    file: str
    sha256: str
    """As an earlier manifest has it."""
    date: str
    """The UTC day of its deletion."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is signed."""

    number: int
    """1, 2, 3, ... in the order of sealing; with right clocks, that of the days."""
    day: str
    agent: str
    sealed_at: str
    """By the agent's clock, ISO 8601, UTC."""
    cursor: int
    """Spool id: a file with ids up to this one is named here or in an earlier manifest, or it lies
    in a day of `open`."""
    open: tuple[str, ...]
    """Days that had records and were not sealed yet."""
    previous: str
    """SHA-256 of the file of manifest `number` - 1; empty for the first."""
    public_key: str
    """The 32 octets of the agent's key in hexadecimal."""
    files: tuple[SealedFile, ...]
    """All of the day, by name."""
    addenda: tuple[SealedFile, ...] = ()
    """What came later for days that had been sealed already."""
    expired: tuple[ExpiredFile, ...] = ()
    """What was deleted after this manifest was on the disk."""

    def body(self) -> dict[str, Any]:
        """The signed members."""
        return {
            "addenda": [{"day": one.day, **asdict(one)} for one in self.addenda],
            "agent": self.agent,
            "cursor": self.cursor,
            "day": self.day,
            "expired": [asdict(one) for one in self.expired],
            "files": [asdict(one) for one in self.files],
            "format": FORMAT,
            "number": self.number,
            "open": list(self.open),
            "previous": self.previous,
            "public_key": self.public_key,
            "sealed_at": self.sealed_at,
        }


def canonical(value: object) -> bytes:
    """JSON with sorted keys and without blanks, UTF-8 (RFC 8785, for text and integers)."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def encode(manifest: Manifest, signature: str) -> bytes:
    """The octets of the manifest's file."""
    return canonical({**manifest.body(), "signature": signature}) + b"\n"


def signed(manifest: Manifest, key: Ed25519PrivateKey) -> bytes:
    """The octets of the manifest's file, signed by this key."""
    return encode(manifest, key.sign(canonical(manifest.body())).hex())


def parse(octets: bytes) -> tuple[Manifest, str]:
    """The manifest and its signature, which is not checked here.

    Raises `ManifestError` for anything that `encode` would not have written just so.
    """
    try:
        found = json.loads(octets)
        if found["format"] != FORMAT:
            raise ManifestError(
                f"has format {found['format']!r}, this pasprobe knows {FORMAT}:"
                " take the pasprobe that made it"
            )
        manifest = Manifest(
            number=int(found["number"]),
            day=str(found["day"]),
            agent=str(found["agent"]),
            sealed_at=str(found["sealed_at"]),
            cursor=int(found["cursor"]),
            open=tuple(str(day) for day in found["open"]),
            previous=str(found["previous"]),
            public_key=str(found["public_key"]),
            files=tuple(_sealed_file(one) for one in found["files"]),
            addenda=tuple(_sealed_file(one) for one in found["addenda"]),
            expired=tuple(
                ExpiredFile(_place(one), str(one["sha256"]), str(one["date"]))
                for one in found["expired"]
            ),
        )
        signature = str(found["signature"])
        # Any value of another type, member too many or blank shows here.
        unchanged = is_day(manifest.day) and encode(manifest, signature) == octets
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ManifestError("is not a manifest: it was damaged or replaced") from error
    if not unchanged:
        raise ManifestError("is not as it was written: it was changed or made by other means")
    return manifest, signature


def _place(entry: Mapping[str, Any]) -> str:
    place = str(entry["file"])
    match = _FILE.fullmatch(place)
    if match is None or not is_day(match[1]):
        raise ValueError(f"{place!r} is no file of a store")
    return place


def _sealed_file(entry: Mapping[str, Any]) -> SealedFile:
    return SealedFile(
        _place(entry), int(entry["octets"]), int(entry["records"]), str(entry["sha256"])
    )


def signature_fits(manifest: Manifest, signature: str) -> bool:
    """Whether the key that the manifest names has signed it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        octets = bytes.fromhex(signature)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(manifest.public_key)).verify(
            octets, canonical(manifest.body())
        )
    except (InvalidSignature, ValueError):
        return False
    return octets.hex() == signature  # one spelling only: the file's hash must not be malleable


def public_key_of(key: Ed25519PrivateKey) -> str:
    """As it stands in a manifest."""
    return key.public_key().public_bytes_raw().hex()


def fingerprint(path: Path) -> tuple[int, str]:
    """(octets, SHA-256) of a file. Raises `OSError`."""
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        return source.tell(), digest


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest's file as it was found."""

    day: str
    """By its name."""
    sha256: str
    """Of the file; empty where it cannot be read."""
    manifest: Manifest | None
    signature: str
    trouble: str
    """What is wrong with it, apart from signature and chain; empty: nothing."""

    @property
    def place(self) -> str:
        """Its place in the store."""
        return f"{MANIFESTS}/{self.day}.json"

    @property
    def number(self) -> int:
        """0 where it cannot be told."""
        return self.manifest.number if self.manifest else 0


def sealed_days(store: Path) -> set[str]:
    """The days that have a manifest, in whatever state."""
    return {path.stem for path in (store / MANIFESTS).glob("*.json") if is_day(path.stem)}


def stored(store: Path) -> list[StoredManifest]:
    """All manifests of a store by number, those that are none first."""
    found = [_stored(store / MANIFESTS / f"{day}.json") for day in sorted(sealed_days(store))]
    return sorted(found, key=lambda one: one.number)


def _stored(path: Path) -> StoredManifest:
    day, sha256 = path.stem, ""
    try:
        octets = path.read_bytes()
        sha256 = hashlib.sha256(octets).hexdigest()
        manifest, signature = parse(octets)
    except OSError as error:
        return StoredManifest(day, sha256, None, "", f"cannot be read: {error.strerror}")
    except ManifestError as error:
        return StoredManifest(day, sha256, None, "", str(error))
    misplaced = "" if manifest.day == day else f"is the manifest of {manifest.day}: it was moved"
    return StoredManifest(day, sha256, manifest, signature, misplaced)
