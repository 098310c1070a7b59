"""Host keys that are trusted: written by `pasprobe config trust` alone, strict ever after.

The file is in the format of OpenSSH's known_hosts.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import paramiko

from device_configs.errors import DeviceUnreachable, HostKeyRefused


def fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` prints it: type, and SHA-256 in base64 without padding."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """The file of trusted keys; a missing file trusts nobody."""

    file: Path

    def keys(self, host: str, port: int) -> tuple[paramiko.PKey, ...]:
        """What is trusted for this place."""
        found = self._load().lookup(_name(host, port))
        return () if found is None else tuple(found[kind] for kind in found)

    def require(self, subject: str, host: str, port: int) -> None:
        """`HostKeyRefused` where no key of this place is trusted yet."""
        if not self.keys(host, port):
            raise HostKeyRefused(
                subject,
                f"the host key of {host}:{port} is not trusted yet",
                f"compare it with the device's own and run `pasprobe config trust {subject}`",
            )

    def changed(
        self, subject: str, host: str, port: int, offered: paramiko.PKey | None
    ) -> HostKeyRefused:
        """The error of a place that shows another key than the trusted one."""
        trusted = ", ".join(fingerprint(key) for key in self.keys(host, port)) or "none"
        shown = "one of another type" if offered is None else fingerprint(offered)
        return HostKeyRefused(
            subject,
            f"the host key of {host}:{port} has changed: trusted {trusted}, offered {shown}",
            "if the unit was replaced, run `pasprobe config trust --replace "
            f"{subject}`; otherwise somebody is in between",
        )

    def trust(self, host: str, port: int, key: paramiko.PKey) -> None:
        """Trust this key, and no other, for this place; the file is replaced as a whole."""
        keys = self._load()
        name = _name(host, port)
        with contextlib.suppress(KeyError):
            del keys[name]
        keys.add(name, key.get_name(), key)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        aside = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        keys.save(str(aside))
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.chmod(0o600)
        aside.replace(self.file)

    def _load(self) -> paramiko.HostKeys:
        keys = paramiko.HostKeys()
        if self.file.exists():
            try:
                keys.load(str(self.file))
            except (OSError, UnicodeDecodeError, paramiko.SSHException) as error:
                raise HostKeyRefused(
                    str(self.file), f"cannot be read ({error})", "correct its mode or its lines"
                ) from None
        return keys


def offered_key(
    subject: str,
    host: str,
    port: int,
    wait_s: float,
    through: paramiko.Channel | None = None,
) -> paramiko.PKey:
    """The key that a host shows, by a key exchange without a login.

    Raises `DeviceUnreachable` where there is no SSH at this place.
    """
    try:
        sock = socket.create_connection((host, port), wait_s) if through is None else through
        with contextlib.closing(sock), contextlib.closing(paramiko.Transport(sock)) as transport:
            transport.banner_timeout = wait_s
            transport.start_client(timeout=wait_s)
            return transport.get_remote_server_key()
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise DeviceUnreachable(
            subject,
            f"{host}:{port} shows no host key ({error})",
            "see whether host and port are right and the device answers by SSH",
        ) from None


def _name(host: str, port: int) -> str:
    return host if port == 22 else f"[{host}]:{port}"
