"""Puts an archive together, writes it, and lets it stand only if it verifies."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from analysis.archive import layout
from analysis.archive.container import Octets, Written, written
from analysis.archive.frozen import freeze
from analysis.archive.pages import pages
from analysis.archive.values import json_text
from analysis.archive.verify import verify
from analysis.catalogue_rows import catalogue_files
from analysis.documents.language import Language
from analysis.documents.material import Material
from analysis.errors import ArchiveError
from analysis.evaluation.result_json import result_object
from analysis.facts_folder import FILES, ITEMS
from inventory.clocks import local

_MADE_WITH = ("holidays", "tzdata", "duckdb")
"""Packages whose answers went into the frozen inputs."""
_README = """\
This is the archive of one contract period: what the service levels were computed from, what came
out, and the reports. Open index.html in any browser; nothing in here needs a network.

inputs/        what was evaluated, frozen: configuration without secrets, catalogue of the annex,
               facts as they were handed in, counters of the measurements, calendars, UTC offsets
result.json    every line with its limit, deviation, penalty and evidence
reports/       the reports
store/         the measurements by quarter of an hour, where they were added
SHA256SUMS     hash of every file:  sha256sum -c SHA256SUMS

    pasprobe sla archive --verify THIS_FOLDER_OR_ZIP

computes every amount again from inputs/ alone and says whether it is the same to the cent.
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """What goes into an archive."""

    material: Material
    """Inputs and result; the counters of each day apart, where they are at hand."""
    facts_files: Mapping[str, bytes] = field(default_factory=dict)
    """Name within the facts folder -> octets."""
    reports: Mapping[str, Octets] = field(default_factory=dict)
    """Name within `reports/` -> octets."""
    rollups: Path | None = None
    """Parquet of the measurements by quarter of an hour."""
    no_rollups: str = "no store was read"
    """Why there are none."""


def write_archive(parts: Parts, destination: Path, words: Language) -> Written:
    """Write an archive as a folder, or as a zip where the name ends in `.zip`.

    Equal parts give equal octets. Raises `ArchiveError` where it cannot be written, or where what
    was written does not give the same result again; then nothing is left behind.
    """
    files = archive_files(parts, words)
    folder = f"pasprobe-{parts.material.period}"
    with written(files, destination, folder) as aside:
        checked = verify(aside)
        if not checked.ok:
            why = "\n".join(checked.problems)
            raise ArchiveError(f"{destination} was not written, for it does not verify:\n{why}")
    return Written(destination, checked.digest, checked.files)


def archive_files(parts: Parts, words: Language) -> dict[str, Octets]:
    """Every file of an archive but its manifest."""
    material = parts.material
    files: dict[str, Octets] = {
        **freeze(material.inputs, catalogue_files()),
        layout.ABOUT: json_text(_about(parts)),
        layout.RESULT: json_text(result_object(material.result)),
        layout.README: _README.encode(),
        **{layout.FACTS_FILES + name: octets for name, octets in parts.facts_files.items()},
        **{layout.REPORTS + name: octets for name, octets in parts.reports.items()},
    }
    if parts.rollups is not None:
        files[layout.ROLLUPS] = parts.rollups
    files |= pages(material, parts.facts_files, list(files), words)
    return files


def facts_files(folder: Path | None) -> dict[str, bytes]:
    """The files of a facts folder that mean something; `ArchiveError` where one cannot be read."""
    if folder is None:
        return {}
    items = sorted((folder / ITEMS).glob("*.csv"))
    wanted = [folder / name for name in FILES] + items
    found = {}
    for file in wanted:
        if file.name.startswith(".") or not file.exists():
            continue
        try:
            found[file.relative_to(folder).as_posix()] = file.read_bytes()
        except OSError as error:
            raise ArchiveError(f"{file} cannot be read: {error.strerror}") from None
    return found


def folder_files(folder: Path) -> dict[str, Octets]:
    """Reports that were made before, as they lie in their folder."""
    found: dict[str, Octets] = {
        file.relative_to(folder).as_posix(): file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    }
    if not found:
        raise ArchiveError(f"{folder} holds no reports: make them with `pasprobe sla report`")
    return found


def _about(parts: Parts) -> dict[str, Any]:
    inputs, result = parts.material.inputs, parts.material.result
    as_of = local(inputs.as_of_ns, UTC)
    return {
        "format": layout.FORMAT,
        "program": "pasprobe",
        "version": version("pasprobe"),
        "administration": result.administration,
        "period": inputs.period.text,
        "as_of": as_of.isoformat(),
        "as_of_ns": inputs.as_of_ns,
        "made_with": {"python": platform.python_version(), **_versions()},
        "seals": list(parts.material.seals),
        "rollups": layout.ROLLUPS if parts.rollups else f"left out: {parts.no_rollups}",
        "readings": dict(result.readings),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _MADE_WITH:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found
