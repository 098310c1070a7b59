"""The agent's sealing key: made at first need, read at each sealing, published beside the store.

    data_dir/seal.key          Ed25519, PEM (PKCS8), mode 0600
    data_dir/store/seal.pub    its public half, PEM

cryptography is imported inside the functions: the process that measures never loads it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from timeseries import store_files
from timeseries.errors import StoreError
from timeseries.seal_manifest import PUBLIC_KEY_NAME

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_NAME = "seal.key"


def signing_key(data_dir: Path) -> Ed25519PrivateKey:
    """The agent's key, made at first need. Raises `StoreError` when the file holds none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = data_dir / KEY_NAME
    remedy = (
        "put it back from its backup, or move it away: a new one is made, and every verification"
        " will say that the key changed"
    )
    try:
        octets = path.read_bytes()
    except FileNotFoundError:
        return _new_key(path)
    except OSError as error:
        raise StoreError(
            f"days are not sealed, the key {path} cannot be read ({error.strerror}):"
            " it must belong to the agent's user, mode 0600"
        ) from error
    try:
        key = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StoreError(
            f"days are not sealed, {path} is no private key in PEM without a password: {remedy}"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StoreError(f"days are not sealed, {path} is no Ed25519 key: {remedy}")
    return key


def _new_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        leftover.unlink()
    key = Ed25519PrivateKey.generate()
    with store_files.written_aside(path) as aside:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(aside, flags, 0o600), "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def publish(store: Path, key: Ed25519PrivateKey) -> None:
    """Have `seal.pub` say this key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path = store / PUBLIC_KEY_NAME
    if not path.is_file() or path.read_bytes() != pem:
        with store_files.written_aside(path) as aside:
            aside.write_bytes(pem)


def published(store: Path) -> str:
    """The key in `seal.pub`, as a manifest has it; empty where there is no such file.

    Raises `StoreError` when it holds something else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    path = store / PUBLIC_KEY_NAME
    try:
        key = load_pem_public_key(path.read_bytes())
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreError(f"cannot be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise StoreError("is no public key in PEM: it was damaged or replaced") from error
    if not isinstance(key, Ed25519PublicKey):
        raise StoreError("is no Ed25519 key: it was replaced")
    return key.public_bytes_raw().hex()
