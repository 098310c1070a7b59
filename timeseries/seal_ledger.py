"""What a chain of manifests says together: which files a store must hold, and which not."""

from __future__ import annotations

from collections.abc import Iterable

from timeseries.seal_manifest import ExpiredFile, SealedFile, StoredManifest
from timeseries.store_files import StoreFile


class Ledger:
    """The sum of manifests, which are added in the order of their numbers."""

    def __init__(self) -> None:
        self.number = self.cursor = 0
        self.previous = self.public_key = ""
        self.sealed: set[str] = set()
        self.open: tuple[str, ...] = ()
        """Days that had records and no manifest when the newest one was signed."""
        self.listed: dict[str, tuple[SealedFile, str]] = {}
        """By file, with the place of its manifest."""
        self.expired: dict[str, tuple[ExpiredFile, str]] = {}
        """By file, with the key of the manifest that gives it up."""
        self.problems: list[str] = []

    def add(self, one: StoredManifest) -> None:
        """The next manifest; contradictions to those before it go to `problems`."""
        manifest = one.manifest
        if manifest is None:
            return
        self.number, self.previous = manifest.number, one.sha256
        self.public_key = manifest.public_key
        self.cursor, self.open = max(self.cursor, manifest.cursor), manifest.open
        self.sealed.add(manifest.day)
        for gone in manifest.expired:  # what it gives up stands in a manifest before it
            known = self.listed.get(gone.file)
            if known is None or known[0].sha256 != gone.sha256:
                self.problems.append(
                    f"{one.place} gives up {gone.file}, which no manifest before it names with this"
                    " hash"
                )
            else:
                self.expired[gone.file] = (gone, manifest.public_key)
        for entry in (*manifest.files, *manifest.addenda):
            if self.listed.setdefault(entry.file, (entry, one.place))[0] != entry:
                self.problems.append(f"{one.place} names {entry.file} anew with another hash")

    def planted(self, day: str, files: Iterable[StoreFile]) -> list[StoreFile]:
        """Those files of a day without a manifest that were not there when they should have been.

        Spool ids only grow: what came after the newest manifest has ids above its cursor.
        """
        if day in self.open:
            return []
        return [file for file in files if file.first_id <= self.cursor]
