"""What can go wrong when a device is asked: one class a cause, each text with its remedy.

No text holds a secret: they are made of the target's address and of the names of its keys alone.
"""

from __future__ import annotations

from typing import Literal

Part = Literal["community", "user", "auth", "priv", "level"]
"""What of the credentials is wrong; `level` is a user without the keys that the device asks for, or
with keys that the device has not got for it."""


class SnmpError(Exception):
    """A device could not be asked, or its answer is of no use."""

    def __init__(self, place: str, message: str, remedy: str) -> None:
        super().__init__(f"{place}: {message} — {remedy}")
        self.place = place
        """Address and port."""
        self.message = message
        self.remedy = remedy


class SilentError(SnmpError):
    """No answer within the time-out, the retries included; nothing else is known."""


class UnreachableError(SnmpError):
    """The network said so at once: the name has no address, the port is closed, there is no way."""


class NamelessError(UnreachableError):
    """The name has no address."""


class WrongCredentialsError(SnmpError):
    """The device speaks SNMP and refuses us; `part` says which of the credentials it refuses."""

    def __init__(self, place: str, part: Part, message: str, remedy: str) -> None:
        super().__init__(place, message, remedy)
        self.part = part


class MalformedError(SnmpError):
    """Datagrams came that are no answer to what was asked, and no right one within the time-out."""


class RefusedError(SnmpError):
    """The device answered with an error status (RFC 3416, section 3) that asking anew cannot help.

    Its view forbids the object, or its agent failed over it (genErr).
    """

    def __init__(self, place: str, status: str, message: str, remedy: str) -> None:
        super().__init__(place, message, remedy)
        self.status = status
        """The name of the error status, such as `authorizationError`."""


class UnsupportedError(SnmpError):
    """The client in use cannot ask in this way; the text names the one that can."""


class ProfileError(Exception):
    """A device profile that does not exist, or a file of the profiles that says nonsense."""
