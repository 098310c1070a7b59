"""The contract of the example, and a dice that always falls alike."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from pathlib import Path
from zoneinfo import ZoneInfo

CONTRACT = Path(__file__).resolve().parent.parent / "contract" / "pasprobe.toml"
BEGIN, END = date(2011, 5, 1), date(2011, 9, 1)
"""The second four-month period of 2011."""


@dataclass(frozen=True)
class Entry:
    """One service of one PAS."""

    pas: str
    zone: ZoneInfo
    window: str
    start: date
    end: date

    def runs(self, day: date) -> bool:
        """Whether the PAS has the service on a day."""
        return self.start <= day <= self.end

    def opens(self, day: date) -> datetime:
        """Begin of the delivery window on a day, UTC."""
        hour = 8 if self.window == "normal" else 0
        return datetime.combine(day, time(hour), self.zone).astimezone(UTC)

    def closes(self, day: date) -> datetime:
        """Its end, UTC."""
        if self.window == "normal":
            return datetime.combine(day, time(20), self.zone).astimezone(UTC)
        return datetime.combine(day + timedelta(days=1), time(), self.zone).astimezone(UTC)


def entries() -> dict[tuple[str, str], Entry]:
    """(service, PAS) -> what the contract says, as pasprobe.toml has it."""
    raw = tomllib.loads(CONTRACT.read_text(encoding="utf-8"))
    return {
        (row["id"], pas["id"]): Entry(
            pas["id"],
            ZoneInfo(pas["timezone"]),
            row["window"],
            date.fromisoformat(row["start"]),
            date.fromisoformat(row.get("end", "9999-12-31")),
        )
        for pas in raw["pas"]
        for row in pas["services"]
    }


def days() -> list[date]:
    """Every day of the period."""
    return [BEGIN + timedelta(days=n) for n in range((END - BEGIN).days)]


def sample_days(first_weekday: int, count: int) -> list[date]:
    """Days of the second week of each month, from a weekday (Monday 0) on."""
    found = []
    for month in range(5, 9):
        monday = date(2011, month, 8)
        monday += timedelta(days=-monday.weekday() % 7)
        found += [monday + timedelta(days=first_weekday + n) for n in range(count)]
    return found


def dice(faces: int, *of: object) -> int:
    """0 to `faces` - 1, always the same for the same `of`, on every machine and version."""
    said = "|".join(map(str, of)).encode()
    return int.from_bytes(blake2b(said, digest_size=8).digest()) % faces


def share(whole: int, per_million: int, *of: object) -> int:
    """About so many millionths of a count, half to one and a half of it, rounded by the dice."""
    scaled = whole * per_million * (500 + dice(1001, "spread", *of))
    return min(whole, (scaled + dice(1_000_000_000, "rest", *of)) // 1_000_000_000)
