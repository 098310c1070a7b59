"""Computes an archive again from its frozen inputs and holds the result against the archived one.

Nothing outside the archive is asked: no configuration, no store, no `holidays` or time-zone
package. Only the rules are the running program's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from analysis.archive import layout
from analysis.archive.container import Opened, integrity, opened
from analysis.archive.frozen import thaw
from analysis.archive.values import read_json
from analysis.errors import ArchiveError, CatalogueError, ContractError, FactsError
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.inputs import Inputs
from analysis.evaluation.result_json import result_object
from analysis.facts import Facts
from analysis.facts_folder import FILES, read_facts
from inventory.errors import CalendarError

_WHICH = ("service", "pas", "peer", "parameter", "level", "severity", "event")
_FIGURES = (
    "status",
    "measured",
    "limit",
    "unit",
    "deviation",
    "steps",
    "penalty_percent",
    "basis",
    "base_eur",
    "penalty_eur",
)
_WORDS = ("clause", "readings", "evidence")
_SHOWN = 20
"""So many lines that differ are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came out."""

    path: Path
    digest: str
    """SHA-256 of the manifest."""
    files: int
    about: Mapping[str, Any]
    """`archive.json`; empty where the files are not as they were written."""
    lines: int
    total_eur: str
    """As archived; empty where nothing was recomputed."""
    recomputed_eur: str
    problems: tuple[str, ...]
    """Each names the file or the line; empty: verified."""
    remarks: tuple[str, ...]
    """What differs in words and in no figure."""

    @property
    def ok(self) -> bool:
        """Every file is as it was written, and every figure came out again."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "archive": str(self.path),
            "ok": self.ok,
            "digest": self.digest,
            "files": self.files,
            "period": self.about.get("period"),
            "administration": self.about.get("administration"),
            "program_version": self.about.get("version"),
            "lines": self.lines,
            "total_eur": self.total_eur or None,
            "recomputed_eur": self.recomputed_eur or None,
            "problems": list(self.problems),
            "remarks": list(self.remarks),
        }

    def text(self) -> Iterator[str]:
        """For people, a line each."""
        yield from self.problems
        for remark in self.remarks:
            yield f"note: {remark}"
        if self.recomputed_eur:
            same = "the same" if self.recomputed_eur == self.total_eur else "NOT the same"
            yield (
                f"{self.about['administration']}, {self.about['period']}: {self.lines} lines,"
                f" {self.total_eur} EUR archived, {self.recomputed_eur} EUR recomputed: {same}"
            )
        yield (
            f"{self.path}: {'verified' if self.ok else 'NOT verified'}, {self.files} files,"
            f" digest {self.digest or 'unknown'}"
        )


def verify(path: Path, digest: str = "") -> Verification:
    """Check hashes, compute again, compare; `digest` is one that was noted elsewhere.

    Raises `ArchiveError` where there is no archive at all.
    """
    with opened(path) as archive:
        checked = integrity(archive)
        problems = list(checked.problems)
        if digest and checked.digest != digest.lower():
            problems.append(
                f"{layout.MANIFEST}: the digest is {checked.digest or 'unknown'}, not {digest}:"
                " this is not the archive that was noted"
            )
        found: _Recomputed | None = None
        if not checked.problems:
            try:
                found = _recompute(archive)
            except _CANNOT as error:
                problems += str(error).splitlines()
    if found is not None:
        problems += found.problems
    return Verification(
        path=path,
        digest=checked.digest,
        files=len(archive.names),
        about={} if found is None else found.about,
        lines=0 if found is None else found.lines,
        total_eur="" if found is None else found.archived_eur,
        recomputed_eur="" if found is None else found.recomputed_eur,
        problems=tuple(problems),
        remarks=() if found is None else tuple(found.remarks),
    )


_CANNOT = (ArchiveError, CalendarError, CatalogueError, ContractError)
"""What makes frozen inputs no inputs of this program."""


@dataclass(slots=True)
class _Recomputed:
    about: Mapping[str, Any]
    lines: int
    archived_eur: str
    recomputed_eur: str
    problems: list[str]
    remarks: list[str]


def _recompute(archive: Opened) -> _Recomputed:
    about = read_json(layout.ABOUT, archive.read(layout.ABOUT))
    if not isinstance(about, dict) or about.get("format") != layout.FORMAT:
        wrote = about.get("version") if isinstance(about, dict) else None
        raise ArchiveError(
            f"{layout.ABOUT}: this is no archive of format {layout.FORMAT}: verify it with the"
            f" version of pasprobe that wrote it ({wrote or 'it is not said which'})"
        )
    wanted = [name for name in archive.names if name.startswith("inputs/")]
    inputs = thaw({name: archive.read(name) for name in (layout.ABOUT, *wanted)})
    archived = read_json(layout.RESULT, archive.read(layout.RESULT))
    computed = result_object(evaluate(inputs))
    problems, remarks = compare(archived, computed)
    problems += _facts_problems(archive, inputs)
    return _Recomputed(
        about,
        len(computed["lines"]),
        str(archived.get("total_eur")),
        str(computed["total_eur"]),
        problems,
        remarks,
    )


def compare(archived: Any, computed: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(what differs in a figure, what differs in words alone) between two results.

    Both as `sla evaluate --json` prints them; `ArchiveError` where the first one is none.
    """
    try:
        old, total = list(archived["lines"]), archived["total_eur"]
        keys = [tuple(line[key] for key in _WHICH) for line in old]
        pairs = list(zip(old, computed["lines"], strict=False))
        problems = [
            f"line {number} ({_name(line)}): {key} is {line[key]} in the archive, {new[key]}"
            " recomputed"
            for number, (line, new) in enumerate(pairs, start=1)
            for key in (*_WHICH, *_FIGURES)
            if not _same(line[key], new[key])
        ]
        words = sum(any(line[key] != new[key] for key in _WORDS) for line, new in pairs)
    except (KeyError, TypeError) as error:
        raise ArchiveError(f"{layout.RESULT} is no result of an evaluation ({error})") from None
    if len(keys) != len(computed["lines"]):
        problems.insert(
            0, f"{layout.RESULT}: {len(keys)} lines in the archive, {len(computed['lines'])}"
            " recomputed",
        )  # fmt: skip
    problems += [
        f"{layout.RESULT}: {key} is not that of the inputs"
        for key in ("period", "administration")
        if archived.get(key) != computed[key]
    ]
    if not _same(total, computed["total_eur"]):
        problems.append(
            f"{layout.RESULT}: {total} EUR in the archive, {computed['total_eur']} recomputed"
        )
    if _forecast(archived) != _forecast(computed):
        problems.append(f"{layout.RESULT}: the forecast of the outlook came out otherwise")
    remarks = []
    if words:
        remarks.append(f"lines with another clause, other readings or other evidence: {words}")
    remarks += _other_texts(archived, computed)
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [f"and {len(problems) - _SHOWN} figures more"]
    return problems, remarks


def _forecast(result: Mapping[str, Any]) -> list[tuple[int, Decimal]]:
    """The figures of a month's outlook."""
    try:
        return [(one["line"], Decimal(one["expected_eur"])) for one in result.get("outlook", ())]
    except (KeyError, TypeError, InvalidOperation) as error:
        raise ArchiveError(f"{layout.RESULT}: its outlook is none ({error})") from None


def _other_texts(archived: Mapping[str, Any], computed: Mapping[str, Any]) -> Iterator[str]:
    for key in ("warnings", "outlook"):
        if archived.get(key) != computed.get(key):
            yield f"the {key} are others than those of the archive"


def _same(one: object, other: object) -> bool:
    """Equal, as numbers where both are."""
    if one == other:
        return True
    try:
        return Decimal(str(one)) == Decimal(str(other))
    except InvalidOperation:
        return False


def _name(line: Mapping[str, Any]) -> str:
    return " ".join(str(line[key]) for key in _WHICH if line[key])


def _facts_problems(archive: Opened, inputs: Inputs) -> list[str]:
    """Whether the files as they were handed in say what was evaluated.

    Rows that came from elsewhere (the incident desk) are in no file and are left alone.
    """
    files = {
        name.removeprefix(layout.FACTS_FILES): name
        for name in archive.names
        if name.startswith(layout.FACTS_FILES)
    }
    problems = [
        f"{layout.FACTS_FILES}{file}: is missing, and {layout.FACTS} has rows of it"
        for file in sorted(_named(inputs.facts) - files.keys())
    ]
    with tempfile.TemporaryDirectory(prefix="pasprobe-archive-") as folder:
        for file, name in files.items():
            place = Path(folder) / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(name))
        try:
            facts = read_facts(
                Path(folder), inputs.configuration, inputs.catalogue, zones=inputs.zones
            )
        except FactsError as error:
            return problems + [
                f"{layout.FACTS_FILES}{problem} (not so when it was archived)"
                for problem in error.problems
            ]
    return problems + [
        f"{layout.FACTS_FILES}{file}: reads otherwise than {layout.FACTS} has it"
        for file in sorted(files)
        if _rows_of(facts, file) != _rows_of(inputs.facts, file)
    ]


def _named(facts: Facts) -> set[str]:
    """The files of a facts folder that rows say they came from."""
    rows = [row for name in FILES for row in getattr(facts, name.removesuffix(".csv"))]
    named = {row.where.file for row in rows} & set(FILES)
    return named | {table.file for table in facts.items}


def _rows_of(facts: Facts, file: str) -> list[Any]:
    """The rows that one file gave."""
    if file.startswith("items/"):
        return [table for table in facts.items if table.file == file]
    rows = getattr(facts, file.removesuffix(".csv"))
    return [row for row in rows if row.where.file == file]
