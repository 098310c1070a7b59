"""The files of an archive as a folder or a zip, with their hashes; deterministic octets.

`SHA256SUMS` has the form of `sha256sum`, so that `sha256sum -c SHA256SUMS` checks an archive
without this program. A zip holds one folder; times are the zip format's first day.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from analysis.archive.layout import MANIFEST
from analysis.errors import ArchiveError

Octets = bytes | Path
"""What a file holds, or the file that holds it."""

_NAME = re.compile(r"(?!.*(^|/)\.{1,2}(/|$))[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1 << 20
_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What a damaged or encrypted zip, or a bad disk, makes of a read."""


@dataclass(frozen=True, slots=True)
class Written:
    """An archive on the disk."""

    path: Path
    digest: str
    """SHA-256 of its manifest: whoever has noted it knows the whole archive again."""
    files: int


@dataclass(frozen=True, slots=True)
class Opened:
    """An archive to read from."""

    names: tuple[str, ...]
    """Of all files, the manifest too."""
    odd: tuple[str, ...]
    """What is wrong with the container itself."""
    open: Callable[[str], IO[bytes]]

    def read(self, name: str) -> bytes:
        """One whole file; `ArchiveError` where it cannot be read."""
        try:
            with self.open(name) as source:
                return source.read()
        except _UNREADABLE as error:
            raise ArchiveError(f"{name} cannot be read ({error}): take another copy") from None


@dataclass(frozen=True, slots=True)
class Integrity:
    """What the manifest says of the files."""

    digest: str
    problems: tuple[str, ...]
    """Each names the file."""


@contextlib.contextmanager
def written(files: Mapping[str, Octets], destination: Path, folder: str) -> Iterator[Path]:
    """Write an archive aside; it gets its name when the block ends without an error.

    A name that ends in `.zip` makes a zip with one folder in it. Raises `ArchiveError` where
    something of that name is there already, or the disk refuses.
    """
    if destination.exists() or destination.is_symlink():
        raise ArchiveError(f"{destination} is there already: give another name, or remove it")
    if not destination.absolute().parent.is_dir():
        raise ArchiveError(f"there is no folder {destination.absolute().parent} to write to")
    aside = destination.with_name(f".{destination.name}.{os.getpid()}.tmp")
    try:
        complete = {**files, MANIFEST: manifest_of(files)}
        if destination.suffix == ".zip":
            _write_zip(complete, aside, folder)
        else:
            _write_folder(complete, aside)
        yield aside
        aside.replace(destination)
        _sync(destination.absolute().parent)
    except OSError as error:
        raise ArchiveError(f"{destination} cannot be written: {error.strerror}") from None
    finally:
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink(missing_ok=True)


def manifest_of(files: Mapping[str, Octets]) -> bytes:
    """Hash and name of every file, by name."""
    lines = []
    for name in sorted(files):
        if _NAME.fullmatch(name) is None or name == MANIFEST:
            raise ArchiveError(f"no file of an archive can be called {name!r}")
        lines.append(f"{_digest(_blocks(files[name]))}  {name}\n")
    return "".join(lines).encode()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """An archive as a folder or a zip; `ArchiveError` for anything else."""
    if path.is_dir():
        yield _folder(path)
        return
    with contextlib.ExitStack() as stack:
        # Only what opens the file is taken for its damage, not what the caller's block raises.
        try:
            found = _zip(path, stack.enter_context(zipfile.ZipFile(path)))
        except _UNREADABLE as error:
            raise ArchiveError(
                f"{path} is no archive: neither a folder nor a zip ({error})"
            ) from None
        yield found


def integrity(archive: Opened) -> Integrity:
    """Whether every file is there as it was written, and no other; each that is not is named."""
    if MANIFEST not in archive.names:
        return Integrity("", (f"{MANIFEST}: is missing, so nothing can be checked",))
    octets = archive.read(MANIFEST)
    problems = list(archive.odd)
    listed: dict[str, str] = {}
    for number, line in enumerate(octets.decode("utf-8", "replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None or _NAME.fullmatch(match[2]) is None or match[2] in listed:
            problems.append(f"{MANIFEST}:{number}: is not as it was written")
        else:
            listed[match[2]] = match[1]
    gone = sorted(listed.keys() - set(archive.names))
    problems += [f"{name}: is missing" for name in gone]
    for name in archive.names:
        if name == MANIFEST:
            continue
        if name not in listed:
            problems.append(f"{name}: was added, {MANIFEST} does not know it")
            continue
        try:
            with archive.open(name) as source:
                same = _digest(_read_blocks(source)) == listed[name]
        except _UNREADABLE as error:
            problems.append(f"{name}: cannot be read ({error})")
            continue
        if not same:
            problems.append(f"{name}: was changed, its SHA-256 is not that of {MANIFEST}")
    return Integrity(hashlib.sha256(octets).hexdigest(), tuple(problems))


def _folder(path: Path) -> Opened:
    names, odd = [], []
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        mode = file.lstat().st_mode
        if stat.S_ISREG(mode):
            names.append(name)
        elif not stat.S_ISDIR(mode):
            odd.append(f"{name}: is a link or a device, not a file")
    return Opened(tuple(names), tuple(odd), lambda name: (path / name).open("rb"))


def _zip(path: Path, archive: zipfile.ZipFile) -> Opened:
    entries = [one for one in archive.namelist() if not one.endswith("/")]
    tops = [one for one in entries if one.count("/") <= 1 and one.split("/")[-1] == MANIFEST]
    if len(tops) != 1:
        raise ArchiveError(f"{path} is no archive: it holds no {MANIFEST}, or several")
    top = tops[0].removesuffix(MANIFEST)
    seen = Counter(entries)
    odd = [f"{one}: stands twice in the zip" for one, times in sorted(seen.items()) if times > 1]
    odd += [f"{one}: lies outside {top}" for one in entries if not one.startswith(top)]
    names = sorted({one.removeprefix(top) for one in entries if one.startswith(top)})
    return Opened(tuple(names), tuple(odd), lambda name: archive.open(top + name))


def _write_folder(files: Mapping[str, Octets], folder: Path) -> None:
    folder.mkdir()
    folders = {folder}
    for name, octets in sorted(files.items()):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in file.parents if parent.is_relative_to(folder))
        with file.open("xb") as target:
            for block in _blocks(octets):
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
    for one in sorted(folders, reverse=True):
        _sync(one)


def _write_zip(files: Mapping[str, Octets], file: Path, folder: str) -> None:
    with file.open("xb") as target:
        with zipfile.ZipFile(target, "w") as archive:
            for name, octets in sorted(files.items()):
                info = zipfile.ZipInfo(f"{folder}/{name}", _FIRST_DAY)
                info.create_system = 3
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                packed = name.endswith((".parquet", ".pdf", ".zip"))
                info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as entry:
                    for block in _blocks(octets):
                        entry.write(block)
        target.flush()
        os.fsync(target.fileno())


def _digest(blocks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def _blocks(octets: Octets) -> Iterator[bytes]:
    if isinstance(octets, bytes):
        yield octets
        return
    with octets.open("rb") as source:
        yield from _read_blocks(source)


def _read_blocks(source: IO[bytes]) -> Iterator[bytes]:
    while block := source.read(_BLOCK):
        yield block


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
