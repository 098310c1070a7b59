"""What can be wrong with a configuration. Light to import: the command line catches them all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it stands, and what to do about it."""

    file: Path
    line: int | None
    """From 1; None where the file as a whole is meant."""
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}" if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}" + (f" — {self.remedy}" if self.remedy else "")


class ConfigurationError(Exception):
    """The configuration cannot be used; the text has one line a problem."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class SecretError(Exception):
    """A secret cannot be had; the text names the variable or the file, and never a value."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} — {remedy}")
        self.message = message
        self.remedy = remedy


class CalendarError(Exception):
    """Working days or UTC offsets that are not known; the text names country or zone and dates."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} — {remedy}")
        self.message = message
        self.remedy = remedy
