"""What can go wrong at the incident desk. Light to import: the command line catches them all."""

from __future__ import annotations


class IncidentError(Exception):
    """The desk cannot do what was asked; the text says why and what to do about it."""


class NoSuchError(IncidentError):
    """There is no ticket, alert or file of this name."""


class RefusedError(IncidentError):
    """A step that makes no sense in this state, or that this role may not take."""

    def __init__(self, subject: str, reason: str, remedy: str) -> None:
        super().__init__(f"{subject}: {reason} — {remedy}")
        self.subject = subject
        self.reason = reason
        self.remedy = remedy


class DeskFileError(IncidentError):
    """The desk's database cannot be used: damaged, full, not readable, of a newer pasprobe."""


class ImportRefusedError(IncidentError):
    """A file was not imported; the text has one line a problem."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
