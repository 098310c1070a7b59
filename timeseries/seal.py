"""Verifying sealed days: is what lies in a store what its agent sealed (`docs/sealing.md`).

Works on an agent's data directory while the agent runs, and on a copy of it. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from timeseries import store_files
from timeseries.codec import KINDS
from timeseries.errors import StoreError
from timeseries.seal_key import published
from timeseries.seal_ledger import Ledger
from timeseries.seal_manifest import (
    PUBLIC_KEY_NAME,
    SealedFile,
    StoredManifest,
    fingerprint,
    signature_fits,
    stored,
)
from timeseries.store_files import STORE_NAME, StoreFile


@dataclass(frozen=True, slots=True)
class Head:
    """The newest manifest of a store: it stands for all before it."""

    agent: str
    number: int
    day: str
    sha256: str
    """Of the manifest's file."""

    def __str__(self) -> str:
        return f"{self.agent} {self.day} (manifest {self.number}) sha256 {self.sha256}"


@dataclass(frozen=True, slots=True)
class StoreVerification:
    """What was found in one data directory."""

    data_dir: str
    head: Head | None
    """None: nothing is sealed."""
    public_key: str
    """Of the newest manifest, in hexadecimal."""
    manifests: int
    files: int
    """Sealed files that are there."""
    octets: int
    records: int
    expired: int
    """Sealed files that are gone, as a later manifest says."""
    late: int
    """Files that came for sealed days after the newest manifest: the next one will name them."""
    unsealed_days: tuple[str, ...]
    """Days with records and without a manifest."""
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in all of them."""

    stores: tuple[StoreVerification, ...]
    missing_heads: tuple[str, ...]
    """Heads that were asked for and stand in no store."""

    @property
    def problems(self) -> list[str]:
        """One line each: which file, which manifest, what is wrong."""
        lines = [
            f"{one.data_dir}/{STORE_NAME}/{line}" for one in self.stores for line in one.problems
        ]
        lines += [
            f"head {head} is the hash of no manifest here: the newest manifests are missing, or"
            " the whole chain was made anew"
            for head in self.missing_heads
        ]
        return lines

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problems

    def lines(self) -> list[str]:
        """For people."""
        return [line for one in self.stores for line in _summary(one)] + [
            f"WRONG: {line}" for line in self.problems
        ]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "ok": self.ok,
            "problems": self.problems,
            "stores": [asdict(one) for one in self.stores],
        }


def _summary(one: StoreVerification) -> list[str]:
    if one.head is None:
        return [f"{one.data_dir}: no day is sealed yet, {len(one.unsealed_days)} have records"]
    lines = [
        f"{one.data_dir}: {one.manifests} days sealed, {one.files} files with {one.records} records"
        f" ({one.octets} octets)",
        f"  head {one.head}",
        f"  key {one.public_key}",
    ]
    if one.expired:
        lines.append(f"  {one.expired} files were given up when their time was over")
    if one.late:
        lines.append(f"  {one.late} files came late and will be sealed with the next day")
    if one.unsealed_days:
        lines.append(f"  not sealed yet: {', '.join(one.unsealed_days)}")
    return lines


def head(data_dir: Path) -> Head | None:
    """The newest manifest of an agent's data directory, unverified; None before the first."""
    return _head(stored(data_dir / STORE_NAME))


def head_line(data_dir: Path) -> str:
    """What a report says of the seal of the records that it was made from."""
    newest = head(data_dir)
    if newest is None:
        return f"Seal: no day of the store {data_dir.name} is sealed yet."
    return f"Seal: {newest}; check it with pasprobe export --verify --head {newest.sha256}."


def _head(manifests: Sequence[StoredManifest]) -> Head | None:
    if not manifests or (newest := manifests[-1].manifest) is None:
        return None
    return Head(newest.agent, newest.number, newest.day, manifests[-1].sha256)


def verify(data_dirs: Sequence[Path], heads: Collection[str] = ()) -> Verification:
    """Check manifests, chain, key and every sealed file of these data directories.

    `heads`: hashes that were noted elsewhere (a report prints them); each must still be there.
    Reads all sealed files. Raises `StoreError` for a folder that holds no store.
    """
    found = []
    hashes: set[str] = set()
    for data_dir in data_dirs:
        store = data_dir / STORE_NAME
        if not store.is_dir():
            raise StoreError(
                f"{data_dir} holds no store ({STORE_NAME}/): give the data_dir of an agent that has"
                " run, or a copy of it"
            )
        manifests = stored(store)
        hashes |= {one.sha256 for one in manifests}
        found.append(_verify_store(data_dir, manifests))
    wanted = {text.strip().lower() for text in heads}
    return Verification(tuple(found), tuple(sorted(wanted - hashes)))


def _verify_store(data_dir: Path, manifests: Sequence[StoredManifest]) -> StoreVerification:
    store = data_dir / STORE_NAME
    chain = [one for one in manifests if one.manifest]
    problems = [*chain_problems(manifests), *_key_problems(store, chain)]
    ledger = Ledger()
    for one in chain:
        ledger.add(one)
    problems += ledger.problems
    files = octets = records = expired = 0
    for file, (entry, place) in sorted(ledger.listed.items()):
        trouble = _file_problem(store, entry)
        if trouble and file in ledger.expired and not (store / file).exists():
            expired += 1
        elif trouble:
            problems.append(f"{file} {trouble} ({place})")
        else:
            files += 1
            octets += entry.octets
            records += entry.records
    sealed = {one.day for one in manifests}  # in whatever state
    there = {day for kind in KINDS for day in store_files.days(store, kind)}
    unsealed = sorted(there - sealed)
    late, strays = _strays(store, sealed, unsealed, ledger)
    problems += strays
    return StoreVerification(
        data_dir=str(data_dir),
        head=_head(manifests),
        public_key=ledger.public_key,
        manifests=len(manifests),
        files=files,
        octets=octets,
        records=records,
        expired=expired,
        late=late,
        unsealed_days=tuple(unsealed),
        problems=tuple(problems),
    )


def chain_problems(manifests: Sequence[StoredManifest]) -> list[str]:
    """What is wrong with these manifests (by number) and with their order."""
    problems = [f"{one.place} {one.trouble}" for one in manifests if one.trouble]
    before: StoredManifest | None = None
    for one in manifests:
        manifest = one.manifest
        if manifest is None:
            continue
        if not signature_fits(manifest, one.signature):
            problems.append(
                f"{one.place} does not bear the signature of its key: it was changed, or another"
                " key signed it"
            )
        link = _link_problem(before, one)
        if link:
            problems.append(f"{one.place} {link}")
        if before and before.manifest and before.manifest.public_key != manifest.public_key:
            problems.append(
                f"{one.place} is of another key than {before.place}: the agent's key was lost and"
                " made anew, or somebody else signed"
            )
        before = one
    return problems


def _link_problem(before: StoredManifest | None, one: StoredManifest) -> str:
    """What is wrong between a manifest and the one before it."""
    previous = one.manifest.previous if one.manifest else ""
    missing = one.number - 1 - (before.number if before else 0)
    after = f" after {before.place}" if before else ""
    if missing < 0:
        return f"has the number {one.number} like {before.place if before else 'none'}"
    if missing:
        return f"has the number {one.number}: {missing} manifests are missing{after}"
    if previous != (before.sha256 if before else ""):
        return f"does not follow{after}: that one is not what it was when this one was signed"
    return ""


def _key_problems(store: Path, chain: Sequence[StoredManifest]) -> Iterator[str]:
    """Whether `seal.pub` is the key of the newest manifest."""
    newest = chain[-1].manifest if chain else None
    if newest is None:
        return
    try:
        key = published(store)
    except StoreError as error:
        yield f"{PUBLIC_KEY_NAME} {error}"
        return
    if not key:
        yield f"{PUBLIC_KEY_NAME} is missing"
    elif key != newest.public_key:
        yield f"{PUBLIC_KEY_NAME} is not the key that {chain[-1].place} names"


def _file_problem(store: Path, entry: SealedFile) -> str:
    """What is wrong with a sealed file; empty: nothing."""
    path = store / entry.file
    try:
        octets, sha256 = fingerprint(path)
    except FileNotFoundError:
        if path.with_name(f"{path.name}.damaged").exists():
            return "was found damaged after it was sealed, and set aside as .damaged"
        return "is missing, and no later manifest gives it up"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if sha256 == entry.sha256:
        return ""
    size = f": {octets} octets, sealed were {entry.octets}" if octets != entry.octets else ""
    return f"is not what was sealed{size}; SHA-256 is {sha256}, sealed was {entry.sha256}"


def _strays(
    store: Path, sealed: Collection[str], unsealed: Collection[str], ledger: Ledger
) -> tuple[int, list[str]]:
    """(late files that the next manifest will name, lines) of what no manifest names."""
    late = 0
    lines: list[str] = []
    for day in sorted({*sealed, *unsealed}):
        for kind in KINDS:
            try:
                files = store_files.all_files(store / kind / day)
                others = _other_names(store / kind / day, files)
            except OSError as error:
                lines.append(f"{kind}/{day} cannot be read: {error.strerror}")
                continue
            if day in sealed:
                here, stray = _strays_of_sealed(f"{kind}/{day}", files, ledger)
                late += here
                said = "lies in a sealed day, and no manifest names it"
                lines += [f"{kind}/{day}/{name} {said}" for name in sorted([*stray, *others])]
            else:
                said = "lies in a day that had no records when later ones were sealed"
                planted = ledger.planted(day, files)
                lines += [f"{kind}/{day}/{file.path.name} {said}" for file in planted]
    return late, lines


def _strays_of_sealed(
    folder: str, files: Sequence[StoreFile], ledger: Ledger
) -> tuple[int, list[str]]:
    """(late files, names of those that nothing explains) of a sealed day's folder."""
    listed = [file for file in files if f"{folder}/{file.path.name}" in ledger.listed]
    unlisted = [
        file
        for file in files
        # What a copy keeps from before the merge is covered: no reader takes it.
        if file not in listed and not any(other.covers(file) for other in listed)
    ]
    stray = [file.path.name for file in unlisted if file.first_id <= ledger.cursor]
    return len(unlisted) - len(stray), stray


def _other_names(folder: Path, files: Sequence[StoreFile]) -> list[str]:
    """What is not named like ours, but any Parquet tool would take for data."""
    ours = {file.path.name for file in files}
    return [
        path.name
        for path in folder.glob("*.parquet")
        if path.name not in ours and not path.name.startswith(".")
    ]
