"""Objects of the repository: a folder for each device, a file for each part of its configuration.

Files are written by us and not by dulwich, which leaves a lock behind where the disk is full or the
process is killed, and then refuses the same object for good.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from device_configs.errors import HistoryError
from device_configs.files import write_whole

if TYPE_CHECKING:
    from dulwich.objects import Commit, ObjectID, ShaFile, Tree
    from dulwich.refs import Ref
    from dulwich.repo import Repo

_FILE, _FOLDER = 0o100644, 0o040000
_META = b"meta.json"
STALE_S = 30.0
"""A branch is moved in milliseconds; a lock of this age is nobody's."""


def head_of(repo: Repo, ref: Ref) -> Commit | None:
    """The newest commit; None in an empty repository."""
    return commit_named(repo, repo.refs[ref]) if ref in repo.refs else None


def commit_named(repo: Repo, name: ObjectID) -> Commit:
    """The commit of this object name."""
    from dulwich.objects import Commit

    commit = repo[name]
    assert isinstance(commit, Commit)
    return commit


def tree_named(repo: Repo, name: ObjectID) -> Tree:
    """The tree of this object name."""
    from dulwich.objects import Tree

    tree = repo[name]
    assert isinstance(tree, Tree)
    return tree


def meta_of_device(repo: Repo, root: ObjectID, device: str) -> ObjectID | None:
    """The object that describes a device's newest version in a root tree."""
    tree = tree_named(repo, root)
    folder = quote(device, safe="").encode()
    if folder not in tree:
        return None
    return tree_named(repo, tree[folder][1])[_META][1]


def make(place: Path, branch: str = "main") -> None:
    """An empty bare repository, readable by this user alone: it is there as a whole or not at all.

    `HistoryError`, `OSError`. Its files are those of gitrepository-layout(5).
    """
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
            (aside / folder).mkdir(parents=True)
        aside.chmod(0o700)
        write_whole(aside / "HEAD", f"ref: refs/heads/{branch}\n".encode())
        core = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
        write_whole(aside / "config", core.encode())
        aside.rename(place)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def add(repo: Repo, one: ShaFile) -> ObjectID:
    """Write an object unless it is there; `HistoryError` on a full disk."""
    if one.id not in repo.object_store:
        name = one.id.decode()
        folder = Path(repo.controldir()) / "objects" / name[:2]
        write_whole(folder / name[2:], one.as_legacy_object())
    return one.id


def advance(repo: Repo, ref: Ref, before: ObjectID | None, after: ObjectID) -> bool:
    """Move a branch on from where it was; False where it is elsewhere.

    A lock that stays there is what a killed process left: ours are made one after the other.
    """
    from dulwich.file import FileLocked

    try:
        return repo.refs.set_if_equals(ref, before, after)
    except FileLocked as held:
        left = Path(os.fsdecode(held.lockfilename))
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime < STALE_S:
                raise HistoryError(
                    str(left), "git, or a process that was killed, holds this lock",
                    f"try again in {STALE_S:g} s",
                ) from None  # fmt: skip
            left.unlink()
        return repo.refs.set_if_equals(ref, before, after)


def tree_with(
    repo: Repo,
    head: Commit | None,
    device: str,
    parts: Mapping[str, ObjectID],
    meta: ObjectID,
) -> ObjectID:
    """The root tree of the head, this device's folder replaced; both are written."""
    from dulwich.objects import Tree

    folder = Tree()
    folder.add(_META, _FILE, meta)
    for part, name in parts.items():
        folder.add(quote(part, safe="").encode(), _FILE, name)
    add(repo, folder)
    root = Tree() if head is None else tree_named(repo, head.tree)
    root.add(quote(device, safe="").encode(), _FOLDER, folder.id)
    return add(repo, root)
