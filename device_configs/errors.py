"""What can go wrong with a device or with the kept configurations. Light to import.

Each text names the device, what happened and the remedy; none ever holds a secret.
"""

from __future__ import annotations


class DeviceConfigError(Exception):
    """A configuration cannot be had, kept or changed; the base of this room's errors."""

    def __init__(self, subject: str, message: str, remedy: str) -> None:
        super().__init__(f"{subject}: {message} — {remedy}")
        self.subject = subject
        """The device's id, a file, or the repository."""
        self.message = message
        self.remedy = remedy


class DeviceUnreachable(DeviceConfigError):  # noqa: N818 - says what is, as OSError's kin do
    """No connection: nobody answers, no common algorithm, the name is unknown."""


class HostKeyRefused(DeviceConfigError):  # noqa: N818
    """The host key is unknown, or not the one that is trusted."""


class LoginRefused(DeviceConfigError):  # noqa: N818
    """User, password, key or enable password are wrong, or missing."""


class SessionLost(DeviceConfigError):  # noqa: N818
    """The connection ended, or the device stopped answering, in the middle of a session."""


class CommandRefused(DeviceConfigError):  # noqa: N818
    """The device answered a command with an error."""

    def __init__(self, subject: str, command: str, answer: str, remedy: str) -> None:
        super().__init__(subject, f"{command!r} was refused: {answer}", remedy)
        self.command = command
        self.answer = answer


class IncompleteConfiguration(DeviceConfigError):  # noqa: N818
    """What the device sent is not a whole configuration; nothing is kept."""


class HistoryError(DeviceConfigError):
    """The repository cannot be read or written, or does not hold what was asked for."""
