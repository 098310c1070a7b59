"""Sealing: which days are ready, what their manifests say, and the agent's key.

Runs in the store's writer process, alone in the store. Each step is on the disk before the next:
key, manifest, deletion of what the manifest calls expired. Killed anywhere, the next run goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from timeseries import duck, retention, store_files
from timeseries.codec import KINDS
from timeseries.retention import Retention
from timeseries.seal_key import KEY_NAME, publish, signing_key
from timeseries.seal_ledger import Ledger
from timeseries.seal_manifest import (
    MANIFESTS,
    ExpiredFile,
    Manifest,
    SealedFile,
    StoredManifest,
    fingerprint,
    public_key_of,
    sealed_days,
    signature_fits,
    signed,
    stored,
)
from timeseries.store_files import STORE_NAME, StoreFile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_EXPIRE_FOLDERS = 31
"""Folders (kind and day) that one manifest gives up: each of their files is hashed once more."""
_MEMORY = "96MB"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be sealed, and as whom."""

    agent: str
    now_ns: int
    before_day: str
    """Days from this one on are left alone."""
    kept: Retention
    most: int
    """Days sealed in one run."""


@dataclass
class Sealed:
    """What one run did."""

    sealed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """Days that are not complete yet: spooled, not rolled up, or not merged."""
    more: bool = False
    """There are days left that are complete."""
    addenda: int = 0
    expired: int = 0
    """Files that were deleted because their time was over."""
    problems: list[str] = field(default_factory=list)


def _read_ledger(found: Sequence[StoredManifest], done: Sealed) -> Ledger:
    """One that is not what was signed closes its day and says nothing else."""
    ledger = Ledger()
    for one in found:
        trouble = one.trouble
        if one.manifest and not signature_fits(one.manifest, one.signature):
            trouble = "does not bear the signature of its key"
        elif one.manifest:
            ledger.add(one)
        if trouble:
            done.problems.append(f"{one.place} {trouble}: pasprobe export --verify says more")
    ledger.number = max(ledger.number, len(found))
    return ledger


def seal_days(data_dir: Path, order: Order, cursor: int, incomplete: Collection[str]) -> Sealed:
    """Seal the complete days, list what came late and give up what is over its time.

    `cursor`: the store has everything up to this spool id; `incomplete`: days of which something is
    beyond it. A day that cannot be read is a line in `problems`, the others go on.
    Raises `StoreError` when there is no usable key, `OSError` when nothing can be written.
    """
    store = data_dir / STORE_NAME
    done = Sealed()
    ready = _ready(store, order.before_day, cursor, incomplete, done)
    if not ready and not (store / MANIFESTS).is_dir():
        return done
    ledger = _read_ledger(stored(store), done)
    # Expired files, or their folders, that a killed run could not delete any more.
    leftovers = [one for file, one in ledger.expired.items() if (store / file).parent.exists()]
    if not ready and not leftovers:
        return done
    key = signing_key(data_dir)
    ours = public_key_of(key)
    _delete(store, [one for one, signer in leftovers if signer == ours], done)
    for day, files in ready:
        if len(done.sealed) == order.most:
            done.more = True
            break
        if ledger.planted(day, files):
            done.problems.append(
                f"day {day} is not sealed: it had no records when later ones were sealed, somebody"
                " put its files there"
            )
            continue
        try:
            content, damaged = _content(store, files)
        except OSError as error:
            done.problems.append(_unreadable(day, error))
            continue
        done.problems += damaged
        if not content:
            continue
        if ledger.public_key not in ("", ours):
            done.problems.append(
                f"{data_dir / KEY_NAME} is not the key that sealed the days up to now: the old one"
                " was lost or replaced, and every verification will say so"
            )
        publish(store, key)
        _seal_day(store, ledger, key, order, cursor, day, content, done)
    return done


def _seal_day(
    store: Path,
    ledger: Ledger,
    key: Ed25519PrivateKey,
    order: Order,
    cursor: int,
    day: str,
    content: Sequence[SealedFile],
    done: Sealed,
) -> None:
    """Write the manifest of a day, then delete what it gives up."""
    today = store_files.day_of(order.now_ns)
    addenda, cursor, late_lines = _late(store, ledger, cursor)
    expired, stay_lines = _expiring(store, ledger, order.kept, today)
    done.problems += late_lines + stay_lines
    manifest = Manifest(
        number=ledger.number + 1,
        day=day,
        agent=order.agent,
        sealed_at=store_files.iso(order.now_ns),
        cursor=cursor,
        open=tuple(_open_days(store, ledger, day)),
        previous=ledger.previous,
        public_key=public_key_of(key),
        files=tuple(content),
        addenda=tuple(addenda),
        expired=tuple(expired),
    )
    octets = signed(manifest, key)
    with store_files.written_aside(store / MANIFESTS / f"{day}.json") as aside:
        aside.write_bytes(octets)
    sha256 = hashlib.sha256(octets).hexdigest()
    ledger.add(StoredManifest(day, sha256, manifest, "", ""))
    done.sealed.append(day)
    done.addenda += len(addenda)
    _delete(store, expired, done)


def _delete(store: Path, expired: Sequence[ExpiredFile], done: Sealed) -> None:
    deleted, lines = retention.delete(store, expired)
    done.expired += deleted
    done.problems += lines


def _ready(
    store: Path, before_day: str, cursor: int, incomplete: Collection[str], done: Sealed
) -> list[tuple[str, list[StoreFile]]]:
    """Days that have files, no manifest yet, and are complete; the others are noted in `done`."""
    ready: list[tuple[str, list[StoreFile]]] = []
    days = {day for day in _days(store) if day < before_day}
    for day in sorted(days - sealed_days(store)):
        try:
            files = None if day in incomplete else _merged_files(store, day, cursor)
        except OSError as error:
            done.problems.append(_unreadable(day, error))
            continue
        if files is None:
            done.waiting.append(day)
        elif files:
            ready.append((day, files))
    return ready


def _open_days(store: Path, ledger: Ledger, sealing: str) -> list[str]:
    """Days that have files and no manifest, without those that somebody put there."""
    found = []
    for day in sorted(_days(store) - sealed_days(store) - {sealing}):
        try:
            files = [file for kind in KINDS for file in store_files.all_files(store / kind / day)]
        except OSError:
            files = []  # it will be read another day
        if not ledger.planted(day, files):
            found.append(day)
    return found


def _days(store: Path) -> set[str]:
    return {day for kind in KINDS for day in store_files.days(store, kind)}


def _unreadable(day: str, error: OSError) -> str:
    what = error.filename or "one of its files"
    return f"day {day} is not (wholly) sealed: {what}: {error.strerror}; mend it or move it away"


def _merged_files(store: Path, day: str, cursor: int) -> list[StoreFile] | None:
    """The files of a day, one a kind at most; None while they are not merged or not final."""
    found: list[StoreFile] = []
    for kind in KINDS:
        files = store_files.all_files(store / kind / day)
        if len(files) > 1 or any(file.last_id > cursor for file in files):
            return None
        found += files
    return found


def _content(store: Path, files: Iterable[StoreFile]) -> tuple[list[SealedFile], list[str]]:
    """What is sealed of these files, and a line for each damaged one, which is set aside.

    Raises `OSError` for a file that cannot be read at all.
    """
    prints = {file.path: fingerprint(file.path) for file in files}
    damaged = duck.unreadable(prints)
    lines = []
    for path, why in damaged.items():
        kept = store_files.set_aside(path)
        lines.append(f"{path} was damaged before it was sealed, it is kept as {kept.name}: {why}")
    whole = [path for path in prints if path not in damaged]
    sealed = []
    if whole:
        with duck.connected(threads=1, memory=_MEMORY, spill=None) as connection:
            for path in whole:
                (records,) = connection.execute(
                    f"SELECT count(*) FROM {duck.parquet([path])}"
                ).fetchone()
                place = path.relative_to(store).as_posix()
                octets, sha256 = prints[path]
                sealed.append(SealedFile(place, octets, int(records), sha256))
    return sorted(sealed), lines


def _late(store: Path, ledger: Ledger, cursor: int) -> tuple[list[SealedFile], int, list[str]]:
    """(Files of sealed days that no manifest names yet, the cursor up to which that is so, lines).

    A file that cannot be read now is left to the next manifest, so the cursor stays before it.
    """
    late: list[SealedFile] = []
    up_to = cursor
    unlisted, lines = _unlisted(store, ledger)
    if lines:
        cursor = ledger.cursor
    for file in unlisted:
        if file.first_id <= ledger.cursor:
            lines.append(
                f"{file.path} lies in a sealed day and was not there when the next days were"
                " sealed: somebody put it there, it is not sealed"
            )
        elif file.last_id <= up_to:
            try:
                content, damaged = _content(store, [file])
            except OSError as error:
                lines.append(_unreadable(file.path.parent.name, error))
                cursor = min(cursor, file.first_id - 1)
            else:
                late += content
                lines += damaged
    return sorted(late), cursor, lines


def _unlisted(store: Path, ledger: Ledger) -> tuple[list[StoreFile], list[str]]:
    """(Files of sealed days that no manifest names, by id; lines for unreadable folders)."""
    found: list[StoreFile] = []
    lines: list[str] = []
    for kind in KINDS:
        for day in store_files.days(store, kind):
            if day not in ledger.sealed:
                continue
            try:
                files = store_files.without_merged(store_files.all_files(store / kind / day))
            except OSError as error:
                lines.append(_unreadable(day, error))
            else:
                found += [file for file in files if _place(store, file) not in ledger.listed]
    return sorted(found), lines


def _place(store: Path, file: StoreFile) -> str:
    return file.path.relative_to(store).as_posix()


def _expiring(
    store: Path, ledger: Ledger, kept: Retention, today: str
) -> tuple[list[ExpiredFile], list[str]]:
    """What is given up today, by whole folders of sealed days, and why others are not.

    A file that is not any more what was sealed is not called expired: that would hide it. A folder
    with a file that no manifest names yet waits for the next one.
    """
    if not retention.clock_believed(ledger.sealed, today):
        return [], []
    here = [one for one, _ in ledger.listed.values() if one.file not in ledger.expired]
    expired: list[ExpiredFile] = []
    lines: list[str] = []
    folders = 0
    for group in retention.outlived(here, kept, today):
        if folders == _EXPIRE_FOLDERS:
            break
        try:
            there = store_files.all_files(store / group[0].kind / group[0].day)
        except OSError:  # said by `_unlisted`
            continue
        if any(_place(store, file) not in ledger.listed for file in there):
            continue
        changed = [one.file for one in group if not _as_sealed(store, one)]
        if changed:
            lines.append(f"{changed[0]} is over its time, but is not as it was sealed: it stays")
            continue
        folders += 1
        expired += [ExpiredFile(one.file, one.sha256, today) for one in group]
    return expired, lines


def _as_sealed(store: Path, one: SealedFile) -> bool:
    try:
        return fingerprint(store / one.file) == (one.octets, one.sha256)
    except OSError:
        return False
