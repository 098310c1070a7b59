"""The files of the embedded store: DIR/store/<kind>/<YYYY-MM-DD>/<first>-<last>.parquet.

The name carries the spool ids that the file covers. A file whose range lies within another's of
the same folder was merged into that one and is not read any more, so a merge may be killed between
its rename and its deletions. Names that do not end in `.parquet` are nobody's business: half
written (`.tmp`), or damaged and set aside (`.damaged`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

STORE_NAME = "store"
DAY_NS = 86_400 * 1_000_000_000

_NAME = re.compile(r"(\d{19})-(\d{19})\.parquet")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, order=True)
class StoreFile:
    """One Parquet file and the spool ids that it covers (both included)."""

    first_id: int
    last_id: int
    path: Path

    def covers(self, other: StoreFile) -> bool:
        """Whether everything of the other file is in this one."""
        return (
            self.first_id <= other.first_id
            and other.last_id <= self.last_id
            and (self.first_id, self.last_id) != (other.first_id, other.last_id)
        )


def file_name(first_id: int, last_id: int) -> str:
    """Fixed width, so that names sort like ids."""
    return f"{first_id:019d}-{last_id:019d}.parquet"


def day_of(start_ns: int) -> str:
    """The UTC day of an instant, as the folder is called."""
    return (_EPOCH + timedelta(days=start_ns // DAY_NS)).isoformat()


def day_start_ns(day: str) -> int:
    """The first nanosecond (UTC) of a day's folder."""
    return (date.fromisoformat(day) - _EPOCH).days * DAY_NS


def iso(ns: int) -> str:
    """An instant for people, to the second, UTC."""
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def days(store: Path, kind: str) -> list[str]:
    """The days of which there are files, ascending."""
    try:
        with os.scandir(store / kind) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(filter(is_day, names))


@functools.lru_cache(maxsize=10_000)
def is_day(text: str) -> bool:
    """Whether this is a day as the folders are called, YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def all_files(folder: Path) -> list[StoreFile]:
    """Every Parquet file of ours in a day's folder, ascending, merged ones included."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for name in names:
        match = _NAME.fullmatch(name)
        if match:
            found.append(StoreFile(int(match[1]), int(match[2]), folder / name))
    return sorted(found)


def without_merged(files: Iterable[StoreFile]) -> list[StoreFile]:
    """Those of one folder whose contents no other file has."""
    files = list(files)
    return [file for file in files if not any(other.covers(file) for other in files)]


def highest_id(store: Path, kinds: Iterable[str]) -> int:
    """The highest spool id in any file's name, 0 when there is none."""
    return max(
        (
            file.last_id
            for kind in kinds
            for day in days(store, kind)
            for file in all_files(store / kind / day)
        ),
        default=0,
    )


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that nobody reads it any more; returns the new name."""
    kept = path.with_name(f"{path.name}.damaged")
    path.rename(kept)
    sync(path.parent)
    return kept


def damaged(store: Path) -> list[Path]:
    """The files that were set aside."""
    return sorted(store.glob("*/*/*.parquet.damaged"))


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A name to write to; afterwards the file is on the disk under `path`, or nothing is."""
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in made:
        sync(folder.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield aside
        sync(aside)
        aside.replace(path)
        sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(store: Path) -> None:
    """Delete what killed writers left half written; only while holding the store's lock."""
    for pattern in (".*.tmp", "*/.*.tmp", "*/*/.*.tmp"):
        for path in store.glob(pattern):
            path.unlink(missing_ok=True)
