"""How long each kind of record is kept, and the deletion of what is over it.

Nothing is deleted before the manifest that says so is on the disk (`timeseries.seal_writer`), and
nothing of a day that is not sealed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from pathlib import Path

from timeseries import store_files
from timeseries.errors import StoreError
from timeseries.seal_manifest import ExpiredFile, SealedFile

BELIEF_DAYS, BELIEF_SEALED = 60, 7
"""A clock is believed when this many of the days before it were sealed: one that jumps years ahead
must not cost the samples of a year."""


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days after its own a record is kept; None: for ever, as plans always are.

    What was sampled of devices is kept as samples are, its roll-ups as roll-ups.
    """

    samples_days: int | None = 396
    """13 months: a year can be looked at again when its last report is disputed."""
    trains_days: int | None = None
    rollups_days: int | None = None

    def __post_init__(self) -> None:
        """Raises `StoreError` for less than a day."""
        for name, days in asdict(self).items():
            if days is not None and days < 1:
                raise StoreError(
                    f"retention {name} = {days}: give 1 or more days, or nothing to keep for ever"
                )

    def days_of(self, kind: str) -> int | None:
        """Days that records of this kind are kept."""
        kept = {
            "samples": self.samples_days,
            "device_samples": self.samples_days,
            "device_rollups": self.rollups_days,
            "trains": self.trains_days,
            "rollups": self.rollups_days,
        }
        return kept.get(kind)


DEFAULT = Retention()


def clock_believed(sealed: Iterable[str], today: str) -> bool:
    """Whether enough of the days before `today` were sealed (days as YYYY-MM-DD)."""
    return sum(0 < _days_between(day, today) <= BELIEF_DAYS for day in sealed) >= BELIEF_SEALED


def outlived(
    listed: Iterable[SealedFile], retention: Retention, today: str
) -> list[list[SealedFile]]:
    """The files whose time is over on `today`, together those of one kind and day, oldest first."""

    def over(one: SealedFile) -> bool:
        kept = retention.days_of(one.kind)
        return kept is not None and _days_between(one.day, today) > kept

    def folder(one: SealedFile) -> tuple[str, str]:
        return one.day, one.kind

    found = sorted(filter(over, listed), key=lambda one: (folder(one), one.file))
    return [list(group) for _, group in groupby(found, folder)]


def _days_between(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days


def delete(store: Path, expired: Collection[ExpiredFile]) -> tuple[int, list[str]]:
    """Delete those of the files that are still there, and their folders.

    Returns how many were, and a line for each that cannot be deleted. May be called again with the
    same ones.
    """
    deleted = 0
    lines: list[str] = []
    for one in expired:
        try:
            (store / one.file).unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            lines.append(f"{store / one.file} is over its time: it stays, {error.strerror}")
        else:
            deleted += 1
    for folder in sorted({(store / one.file).parent for one in expired}):
        with contextlib.suppress(OSError):  # somebody else's files stay, and the folder with them
            # Files that came late for this day will be sealed first.
            if not store_files.all_files(folder):
                for damaged in folder.glob("*.damaged"):
                    damaged.unlink()
                folder.rmdir()
                store_files.sync(folder.parent)
    return deleted, lines
