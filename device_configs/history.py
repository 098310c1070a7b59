"""Every configuration there was, in a git repository: one commit a change.

    history = History(folder)                    # or History(folder, key=b"...")
    history.put("pix-1", {"running": text}, Meta(...))  -> Version, or None when nothing changed
    history.get("pix-1", at=None, part="running")       -> the whole text, secrets included
    history.versions("pix-1")                           -> newest first

The repository is bare (`configurations.git`); a device is a folder, each part a file in it, so git
itself can show it all where it is not encrypted. Who, when and why stand in the commit's message
and in `meta.json`, which names the version before: a device's versions are found without a walk
through those of all the others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from dulwich.objects import ObjectID
from dulwich.refs import Ref

from device_configs.errors import HistoryError
from device_configs.files import disk_error, locked, write_whole
from device_configs.git_trees import (
    add,
    advance,
    head_of,
    make,
    meta_of_device,
    tree_named,
    tree_with,
)
from device_configs.vault import Vault

if TYPE_CHECKING:
    from dulwich.repo import Repo

_REF = Ref(b"refs/heads/main")
_WHO = b"pasprobe <pasprobe@localhost>"
LOCK_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known about a configuration beside its text."""

    taken_ns: int
    """UTC, nanoseconds."""
    trigger: str
    """What asked for it: `command`, `schedule`, `snmp`, `restore INC-7`."""
    by: str
    """Who: the user of this host."""
    hostname: str = ""
    model: str = ""
    serial: str = ""
    release: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One kept configuration."""

    id: str
    """The git object that describes it (`meta.json`)."""
    device: str
    meta: Meta
    parts: Mapping[str, ObjectID] = field(repr=False)
    """Part to the name of its git object."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How the last attempt to fetch a device's configuration went."""

    at_ns: int
    error: str | None
    """None where it went well."""


class History:
    """The repository of one administration; `HistoryError` for all that goes wrong."""

    def __init__(
        self, folder: Path, *, key: bytes | None = None, lock_wait_s: float = LOCK_WAIT_S
    ) -> None:
        self.folder = folder
        self._lock_wait_s = lock_wait_s
        self._vault = Vault(folder, key)
        self._git = folder / "configurations.git"

    def put(
        self,
        device: str,
        parts: Mapping[str, str] | str,
        meta: Meta,
        comparable: Callable[[str], str] = str,
    ) -> Version | None:
        """Keep a configuration; None where it is as the last one, of which nothing is written.

        `parts`: `running`, `startup`, `version`, `context/NAME/running`; a text alone is `running`.
        A part that is not given stays as it was. `comparable` leaves out what changes by itself;
        `version` is never compared, but model, serial and release are.
        """
        given = {"running": parts} if isinstance(parts, str) else dict(parts)
        with (
            locked(self.folder / "lock", str(self.folder), self._lock_wait_s),
            self._open() as repo,
        ):
            newest = next(self._walk(repo, device), None)
            if newest is not None and self._same(repo, newest, given, meta, comparable):
                return None
            return self._write(repo, device, given, meta, newest)

    def get(self, device: str, at: int | None = None, part: str = "running") -> str:
        """The whole text in force at a time (UTC ns, default now), its secrets in clear."""
        return self.text(self.version_at(device, at), part)

    def newest(self, device: str) -> Version | None:
        """The newest version; None where there is none."""
        if not self._git.exists():
            return None
        with self._open() as repo:
            return next(self._walk(repo, device), None)

    def version_at(self, device: str, at: int | None = None) -> Version:
        """The version in force at a time: the last one taken before it."""
        oldest: Version | None = None
        for version in self.versions(device):
            oldest = version
            if at is None or version.meta.taken_ns <= at:
                return version
        if oldest is None:
            raise HistoryError(
                device, "there is no backup of it", f"run `pasprobe config backup {device}`"
            )
        first = iso(oldest.meta.taken_ns)
        raise HistoryError(
            device, f"there is no backup before {first}", "ask for a time after that"
        )

    def versions(self, device: str) -> tuple[Version, ...]:
        """All versions, newest first; empty where there is none."""
        if not self._git.exists():
            return ()
        with self._open() as repo:
            return tuple(self._walk(repo, device))

    def devices(self) -> tuple[str, ...]:
        """Ids of all devices that were ever kept, sorted."""
        if not self._git.exists():
            return ()
        with self._open() as repo:
            head = head_of(repo, _REF)
            if head is None:
                return ()
            return tuple(sorted(unquote(name.decode()) for name in tree_named(repo, head.tree)))

    def text(self, version: Version, part: str = "running") -> str:
        """One part of a version."""
        name = version.parts.get(part)
        if name is None:
            has = ", ".join(sorted(version.parts))
            raise HistoryError(version.device, f"this backup has no {part}", f"it has {has}")
        with self._open() as repo:
            return self._read(repo, version.device, part, name)

    def note(self, device: str, seen: Seen) -> None:
        """Remember how an attempt went; a change of the text is not needed for that."""
        write_whole(self._seen_file(device), json.dumps(asdict(seen)).encode())

    def seen(self, device: str) -> Seen | None:
        """How the last attempt went, None where there was none."""
        try:
            return Seen(**json.loads(self._seen_file(device).read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise HistoryError(
                str(self._seen_file(device)), f"cannot be read ({error})", "delete this file"
            ) from None

    def _seen_file(self, device: str) -> Path:
        return self.folder / "seen" / f"{quote(device, safe='')}.json"

    def _open(self) -> Repo:
        from dulwich.errors import NotGitRepository
        from dulwich.repo import Repo

        try:
            if not self._git.exists():
                make(self._git)
            return Repo(str(self._git))
        except NotGitRepository:
            raise HistoryError(
                str(self._git), "this is no git repository", "move it away or restore it"
            ) from None
        except OSError as error:
            raise disk_error(self._git, error) from None

    def _walk(self, repo: Repo, device: str) -> Iterator[Version]:
        """Versions of a device, newest first: each names the one before it."""
        head = head_of(repo, _REF)
        name = None if head is None else meta_of_device(repo, head.tree, device)
        while name is not None:
            said = json.loads(self._blob(repo, name))
            meta = Meta(**{one.name: said[one.name] for one in fields(Meta)})
            parts = {part: ObjectID(sha.encode()) for part, sha in said["parts"].items()}
            yield Version(name.decode(), device, meta, parts)
            before = said["before"]
            name = None if before is None else ObjectID(before.encode())

    def _same(
        self,
        repo: Repo,
        last: Version,
        given: Mapping[str, str],
        meta: Meta,
        comparable: Callable[[str], str],
    ) -> bool:
        for fact in ("hostname", "model", "serial", "release"):
            now = getattr(meta, fact)
            if now and now != getattr(last.meta, fact):
                return False
        for part, text in given.items():
            if part == "version":
                continue
            name = last.parts.get(part)
            if name is None or comparable(self._read(repo, last.device, part, name)) != comparable(
                text
            ):
                return False
        return True

    def _read(self, repo: Repo, device: str, part: str, name: ObjectID) -> str:
        return self._vault.open(f"{device}/{part}", self._blob(repo, name))

    def _blob(self, repo: Repo, name: ObjectID) -> bytes:
        from dulwich.objects import Blob

        try:
            blob = repo[name]
        except KeyError:
            raise HistoryError(
                str(self._git), f"object {name.decode()} is missing", "restore the repository"
            ) from None
        assert isinstance(blob, Blob)
        return blob.as_raw_string()

    def _write(
        self,
        repo: Repo,
        device: str,
        given: Mapping[str, str],
        meta: Meta,
        newest: Version | None,
    ) -> Version:
        from dulwich.objects import Blob, Commit

        parts = {} if newest is None else dict(newest.parts)
        try:
            for part, text in given.items():
                blob = Blob.from_string(self._vault.seal(f"{device}/{part}", text))
                parts[part] = add(repo, blob)
            said = {
                **asdict(meta),
                "parts": {part: name.decode() for part, name in parts.items()},
                "before": None if newest is None else newest.id,
            }
            meta_blob = Blob.from_string(json.dumps(said, indent=1, sort_keys=True).encode())
            add(repo, meta_blob)
            head = head_of(repo, _REF)
            commit = Commit()
            commit.tree = tree_with(repo, head, device, parts, meta_blob.id)
            commit.parents = [] if head is None else [head.id]
            commit.author = commit.committer = _WHO
            # Git knows whole seconds; the exact time stands in the message.
            commit.author_time = commit.commit_time = int(time.time())
            commit.author_timezone = commit.commit_timezone = 0
            commit.encoding = b"UTF-8"
            commit.message = _message(device, meta).encode()
            before = None if head is None else head.id
            if not advance(repo, _REF, before, add(repo, commit)):
                raise HistoryError(str(self._git), "somebody else wrote into it", "try again")
        except OSError as error:
            raise disk_error(self._git, error) from None
        return Version(meta_blob.id.decode(), device, meta, parts)


def iso(ns: int) -> str:
    """UTC nanoseconds as ISO 8601, to the second."""
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")


def _message(device: str, meta: Meta) -> str:
    said = {
        "Device": device,
        "Taken": iso(meta.taken_ns),
        "Trigger": meta.trigger,
        "By": meta.by,
        "Hostname": meta.hostname,
        "Model": meta.model,
        "Serial": meta.serial,
        "Release": meta.release,
    }
    # What a person or a device wrote stays on its line.
    clean = {name: " ".join(value.split()) for name, value in said.items()}
    body = "".join(f"{name}: {value}\n" for name, value in clean.items() if value)
    return f"{device} ({clean['Trigger']})\n\n{body}"
