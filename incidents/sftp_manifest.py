"""The SFTP folder of a server (2.1): whether it is what its manifest says.

The manifest is `MANIFEST.sha256` in the folder, as `sha256sum` writes it, so that whoever keeps the
folder needs no program of ours. Fetched with OpenSSH's own `sftp`, in batch mode: host keys and the
key of the login are those of the user who runs pasprobe, and an unknown host is refused.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from incidents.errors import IncidentError

MANIFEST = "MANIFEST.sha256"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_PATIENCE_S = 1800


@dataclass(frozen=True, slots=True)
class Place:
    """A folder on an SFTP server."""

    host: str
    port: int
    user: str
    folder: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a folder differs from its manifest; each sorted."""

    files: int
    """Files that the manifest lists."""
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    unlisted: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Every listed file is there as it was listed, and no other is."""
        return self.files > 0 and not (self.missing or self.changed or self.unlisted)


def parse_place(url: str) -> Place:
    """`sftp://user@host:22/folder`, the user optional; `IncidentError` for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port or 22
    except ValueError:
        parts, port = urlsplit(""), 22
    if parts.scheme != "sftp" or not parts.hostname or parts.password is not None:
        raise IncidentError(
            f"{url} is no SFTP folder — write sftp://user@host/folder, without a password:"
            " the login is by key"
        )
    return Place(parts.hostname, port, unquote(parts.username or ""), unquote(parts.path) or ".")


def parse_manifest(text: str) -> dict[str, str]:
    """File -> SHA-256; `IncidentError` names the line that is none, or that leaves the folder."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        name = "" if match is None else match[2].removeprefix("./")
        if match is None or name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise IncidentError(
                f"{MANIFEST}, line {number}: expected a SHA-256 and a file of the folder"
                f" — write it with `sha256sum FILES > {MANIFEST}`"
            )
        if name in found:
            raise IncidentError(f"{MANIFEST}, line {number}: {name} stands twice — remove one")
        found[name] = match[1]
    return found


def compare(folder: Path) -> Comparison:
    """Compare a local folder with the manifest in it; `IncidentError` where there is none."""
    manifest = folder / MANIFEST
    try:
        listed = parse_manifest(manifest.read_text("utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        raise IncidentError(f"the folder has no readable {MANIFEST} — write it there") from None
    there = {
        str(file.relative_to(folder).as_posix()): file
        for file in folder.rglob("*")
        if file.is_file() and file != manifest
    }
    return Comparison(
        files=len(listed),
        missing=_sorted(listed.keys() - there.keys()),
        changed=_sorted(n for n in listed.keys() & there.keys() if _sha256(there[n]) != listed[n]),
        unlisted=_sorted(there.keys() - listed.keys()),
    )


def check(url: str, options: tuple[str, ...] = ()) -> Comparison:
    """Fetch a server's folder and compare it; `IncidentError` where it cannot be fetched.

    `options` go to `sftp`, as `-i FILE`.
    """
    place = parse_place(url)
    with tempfile.TemporaryDirectory(prefix="pasprobe-sftp-") as temporary:
        local = Path(temporary) / "folder"
        local.mkdir()
        _fetch(place, local, options)
        inner = local / PurePosixPath(place.folder).name
        return compare(inner if inner.is_dir() else local)


def words(comparison: Comparison) -> str:
    """For people."""
    if comparison.good:
        return f"all {comparison.files} files are as the manifest lists them"
    if not comparison.files:
        return "the manifest lists no file"
    parts = [
        f"{what}: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
        for what, names in (
            ("missing", comparison.missing),
            ("changed", comparison.changed),
            ("not in the manifest", comparison.unlisted),
        )
        if names
    ]
    return "; ".join(parts)


def _fetch(place: Place, local: Path, options: tuple[str, ...]) -> None:
    target = f"{place.user}@{place.host}" if place.user else place.host
    # sftp's own quoting; a name that begins with a hyphen is no option after the folder.
    batch = f"get -r {shlex.quote(place.folder)} {shlex.quote(str(local))}\n"
    command = [
        "sftp", "-b", "-", "-q", "-P", str(place.port), "-o", "StrictHostKeyChecking=yes",
        *options, "--", target,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, input=batch, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
    except FileNotFoundError:
        raise IncidentError("sftp is not installed — install openssh-client") from None
    except subprocess.TimeoutExpired:
        raise IncidentError(f"{place.host}: no end after {_PATIENCE_S} s — try again") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise IncidentError(
            f"{place.host}:{place.port}{place.folder} cannot be fetched ({said})"
            " — see that `sftp` gets there by key, from the user who runs pasprobe"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as octets:
        return hashlib.file_digest(octets, "sha256").hexdigest()


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
