"""What can go wrong in judging and reporting."""

from __future__ import annotations

from dataclasses import dataclass


class ReportError(Exception):
    """A page cannot be written; the text says where and what to do."""


@dataclass(frozen=True, slots=True)
class ContractProblem:
    """One thing that keeps the contract from being charged."""

    place: str
    """Where it stands, as `[[pas]] roma-01, ip-base` or `[contract.readings]`."""
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message} — {self.remedy}"


class ContractError(Exception):
    """The contract cannot be evaluated as it is written; the text has one line a problem."""

    def __init__(self, problems: tuple[ContractProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class FactProblem:
    """One thing that is wrong in the facts folder."""

    file: str
    """Relative to the folder, as `tickets.csv`; the folder itself where it cannot be read."""
    line: int | None
    """From 1; None where the file as a whole is meant."""
    column: str
    """Empty where the row or the file as a whole is meant."""
    message: str
    remedy: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        column = f", {self.column}" if self.column else ""
        return f"{place}{column}: {self.message} — {self.remedy}"


class FactsError(Exception):
    """The facts cannot be used, and nothing is evaluated; the text has one line a problem."""

    def __init__(self, problems: tuple[FactProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class CatalogueError(Exception):
    """A file of the SLA catalogue is not as it should be."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(
            f"catalogue/{file}: {message} — use the catalogue of the program or of an archive as "
            "it was written; docs/catalogue.md says how it is laid out"
        )
        self.file = file


class ArchiveError(Exception):
    """An archive cannot be written or read; the text names the file and says what to do."""
