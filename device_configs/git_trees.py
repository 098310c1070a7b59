"""Trees of the repository: a folder for each device, a file for each part of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from dulwich.objects import Commit, ObjectID, Tree
    from dulwich.refs import Ref
    from dulwich.repo import Repo

_FILE, _FOLDER = 0o100644, 0o040000
_META = b"meta.json"


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
    repo.object_store.add_object(folder)
    root = Tree() if head is None else tree_named(repo, head.tree)
    root.add(quote(device, safe="").encode(), _FOLDER, folder.id)
    repo.object_store.add_object(root)
    return root.id
