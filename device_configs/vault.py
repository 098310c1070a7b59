"""Encryption of what is kept, with a key that is kept elsewhere.

AES-256-GCM (NIST SP 800-38D) with a random nonce for each text; the key is derived from the
configured secret by scrypt (RFC 7914) with a salt that lies beside the repository. The place of a
text (device and part) is authenticated with it, so one cannot be put in another's place.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from device_configs.errors import HistoryError
from device_configs.files import write_whole

_MAGIC = b"pasprobe aes-256-gcm 1\n"
_NONCE = 12
_SCRYPT = {"n": 2**15, "r": 8, "p": 1}


class Vault:
    """Texts to what lies in the repository, and back; without a key, plain text."""

    def __init__(self, folder: Path, secret: bytes | None) -> None:
        self._folder = folder
        self._cipher = None if secret is None else AESGCM(_key(folder / "encryption.json", secret))

    @property
    def encrypts(self) -> bool:
        """Whether what is sealed is encrypted."""
        return self._cipher is not None

    def seal(self, place: str, text: str) -> bytes:
        """What is stored for a text at a place."""
        if self._cipher is None:
            return text.encode()
        nonce = os.urandom(_NONCE)
        return _MAGIC + nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())

    def open(self, place: str, stored: bytes) -> str:
        """The text; `HistoryError` where the key is missing, another, or the octets were changed.

        What was stored before encryption was switched on is still read.
        """
        if not stored.startswith(_MAGIC):
            return stored.decode(errors="replace")
        if self._cipher is None:
            raise HistoryError(
                str(self._folder), "it is encrypted", "write key in [device_configs]"
            )
        body = stored[len(_MAGIC) :]
        try:
            return self._cipher.decrypt(body[:_NONCE], body[_NONCE:], place.encode()).decode()
        except InvalidTag:
            raise HistoryError(
                str(self._folder),
                f"{place} cannot be decrypted",
                "give the key that it was encrypted with; if this is it, the file was changed",
            ) from None


def _key(file: Path, secret: bytes) -> bytes:
    try:
        parameters = json.loads(file.read_text())
        salt = b64decode(parameters["salt"])
        costs = {name: int(parameters[name]) for name in _SCRYPT}
    except FileNotFoundError:
        salt, costs = os.urandom(16), _SCRYPT
        parameters = {"kdf": "scrypt", "salt": b64encode(salt).decode(), **costs}
        write_whole(file, json.dumps(parameters).encode())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HistoryError(
            str(file), f"cannot be read ({error})", "restore this file from a backup"
        ) from None
    return Scrypt(salt=salt, length=32, **costs).derive(secret)
