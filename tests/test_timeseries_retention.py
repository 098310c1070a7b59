"""What is over its time goes by whole sealed days, recorded first, and nothing else goes."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sealed_days import D0, DAY_NS, DAYS, at, measure, only_file

from timeseries import embedded_writer, seal_writer
from timeseries.errors import StoreError
from timeseries.reader import EmbeddedReader
from timeseries.records import PlanRecord
from timeseries.retention import DEFAULT, Retention, clock_believed, outlived
from timeseries.seal import verify
from timeseries.seal_manifest import ExpiredFile, SealedFile, parse, public_key_of, signed
from timeseries.seal_writer import Sealed
from timeseries.spool import Spool
from timeseries.store_files import day_of, file_name

WEEK = Retention(samples_days=7)


def seal(folder: Path, day: int, kept: Retention = WEEK) -> Sealed:
    """What the agent does at the beginning of day number `day`."""
    return embedded_writer.seal(folder, "roma-01", at(day), DAYS[day], kept, 20)


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine days, 0 to 8; all sealed, nothing given up."""
    folder = tmp_path_factory.mktemp("kept") / "data"
    with Spool(folder / "spool.sqlite") as spool:
        spool.append([PlanRecord("roma-01", "p", D0, True, 60 * 10**9, 10, None)])
    measure(folder, *range(9))
    assert seal(folder, 9, Retention(samples_days=None)).sealed == DAYS[:9]
    return folder


@pytest.fixture
def folder(sealed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed_once, tmp_path / "data"))


@dataclass(frozen=True)
class Held:
    """Days of which there are files, by kind."""

    trains: list[str]
    samples: list[str]
    rollups: list[str]


def held(folder: Path) -> Held:
    def days(kind: str) -> list[str]:
        return sorted(path.name for path in (folder / "store" / kind).iterdir())

    return Held(days("trains"), days("samples"), days("rollups"))


def members(folder: Path, day: int) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = json.loads(
        (folder / "store" / "manifests" / f"{DAYS[day]}.json").read_bytes()
    )
    return found


def test_samples_go_after_their_days_and_all_else_stays(folder: Path) -> None:
    gone = only_file(folder, "samples", 1)
    sha256 = hashlib.sha256(gone.read_bytes()).hexdigest()
    plans = only_file(folder, "plans", 0).read_bytes()
    measure(folder, 9)
    done = seal(folder, 10)  # day 2 is 8 days ago, day 3 is 7
    assert (done.sealed, done.expired, done.problems) == ([DAYS[9]], 3, [])
    assert held(folder) == Held(DAYS[:10], DAYS[3:10], DAYS[:10])
    assert only_file(folder, "plans", 0).read_bytes() == plans
    assert {
        "file": f"samples/{DAYS[1]}/{gone.name}",
        "sha256": sha256,
        "date": DAYS[10],
    } in members(folder, 9)["expired"]
    found = verify([folder])
    assert (found.problems, found.stores[0].expired) == ([], 3)
    reader = EmbeddedReader(folder, threads=1)
    assert [day_of(s.start_ns) for s in reader.samples()] == DAYS[3:10]
    assert [day_of(t.start_ns) for t in reader.trains()] == DAYS[:10]


def test_each_day_one_more_goes(folder: Path) -> None:
    for day in range(9, 12):
        measure(folder, day)
        seal(folder, day + 1)
        assert held(folder).samples == DAYS[day - 6 : day + 1]
    assert verify([folder]).problems == []


def test_trains_and_roll_ups_go_when_that_is_asked_for(folder: Path) -> None:
    measure(folder, 9)
    seal(folder, 10, Retention(samples_days=2, trains_days=4, rollups_days=6))
    assert held(folder) == Held(DAYS[6:10], DAYS[8:10], DAYS[4:10])
    assert verify([folder]).problems == []


def test_without_a_limit_nothing_goes(folder: Path) -> None:
    measure(folder, 9)
    assert seal(folder, 10, Retention(samples_days=None)).expired == 0
    assert held(folder).samples == DAYS[:10]


def test_nothing_goes_before_a_manifest_says_so(folder: Path) -> None:
    assert seal(folder, 10).expired == 0  # no day to seal
    assert held(folder).samples == DAYS[:9]


def test_a_file_that_is_gone_with_another_hash_or_without_an_entry_is_missed(
    folder: Path,
) -> None:
    measure(folder, 9)
    seal(folder, 10)
    only_file(folder, "samples", 5).unlink()
    (line,) = verify([folder]).problems
    assert f"samples/{DAYS[5]}/" in line
    assert "is missing, and no later manifest gives it up" in line


def test_a_run_that_was_killed_before_its_deletions_is_made_good(
    folder: Path, tmp_path: Path
) -> None:
    before = Path(shutil.copytree(folder / "store" / "samples", tmp_path / "samples"))
    measure(folder, 9)
    seal(folder, 10)
    for day in (0, 2):
        shutil.copytree(before / DAYS[day], folder / "store" / "samples" / DAYS[day])
    assert verify([folder]).problems == []
    done = seal(folder, 10)
    assert (done.sealed, done.expired) == ([], 2)
    assert held(folder).samples == DAYS[3:10]
    assert verify([folder]).problems == []


def test_an_expired_file_that_is_there_still_must_be_what_was_sealed(
    folder: Path, tmp_path: Path
) -> None:
    """A copy that was made without --delete keeps it, and readers read it."""
    measure(folder, 9)
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    seal(folder, 10)
    shutil.copytree(folder / "store", copy / "store", dirs_exist_ok=True)
    assert verify([copy]).problems == []
    file = only_file(copy, "samples", 0)
    file.write_bytes(file.read_bytes()[::-1])
    (line,) = verify([copy]).problems
    assert "is not what was sealed" in line


def test_a_sealed_file_that_was_changed_is_not_given_up_but_told(folder: Path) -> None:
    changed, missing = only_file(folder, "samples", 0), only_file(folder, "samples", 1)
    changed.write_bytes(changed.read_bytes() + b"x")
    missing.unlink()
    measure(folder, 9)
    done = seal(folder, 10)
    assert done.expired == 1
    assert [line.split(" is over its time, but ")[0] for line in done.problems] == [
        f"samples/{DAYS[0]}/{changed.name}",
        f"samples/{DAYS[1]}/{missing.name}",
    ]
    assert len(verify([folder]).problems) == 2


def test_what_came_late_for_an_old_day_is_sealed_before_it_goes(folder: Path) -> None:
    measure(folder, 9, 1)  # the samples of day 1 once more
    done = seal(folder, 10)
    assert done.addenda == 3  # train, samples, roll-up
    assert held(folder).samples == [DAYS[1], *DAYS[3:10]]
    assert verify([folder]).problems == []
    measure(folder, 10)
    assert seal(folder, 11).expired == 3  # both files of day 1, and day 3
    assert held(folder).samples == DAYS[4:11]
    assert verify([folder]).problems == []


def test_a_file_that_cannot_be_deleted_is_told_and_keeps_nothing_from_going_on(
    folder: Path,
) -> None:
    measure(folder, 9)
    stuck = only_file(folder, "samples", 0)
    seal(folder, 10)
    stuck.mkdir(parents=True)  # stands for a file that cannot be unlinked
    measure(folder, 10)
    done = seal(folder, 11)
    assert (done.sealed, done.expired) == ([DAYS[10]], 1)
    (line,) = done.problems
    assert line.startswith(f"{stuck} is over its time: it stays, ")


def test_a_clock_that_jumps_years_ahead_costs_no_samples(folder: Path) -> None:
    measure(folder, 9)
    far = at(9) + 4_000 * DAY_NS
    done = embedded_writer.seal(folder, "roma-01", far, day_of(far), WEEK, 20)
    assert (done.sealed, done.expired) == ([DAYS[9]], 0)
    assert held(folder).samples == DAYS[:10]


def test_one_manifest_gives_up_some_folders_and_the_next_ones_the_rest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_writer, "_EXPIRE_FOLDERS", 2)
    measure(folder, 9, 10)
    assert seal(folder, 11).sealed == DAYS[9:11]
    assert [len(members(folder, day)["expired"]) for day in (9, 10)] == [2, 2]
    assert held(folder).samples == DAYS[4:11]


def test_what_a_forger_gives_up_is_not_deleted(folder: Path) -> None:
    forger = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    path = folder / "store" / "manifests" / f"{DAYS[8]}.json"
    found, _ = parse(path.read_bytes())
    target = only_file(folder, "trains", 3)
    sha256 = hashlib.sha256(target.read_bytes()).hexdigest()
    gone = ExpiredFile(f"trains/{DAYS[3]}/{target.name}", sha256, DAYS[9])
    found = replace(found, expired=(gone,), public_key=public_key_of(forger))
    path.write_bytes(signed(found, forger))
    measure(folder, 9)
    done = seal(folder, 10)
    assert done.sealed == [DAYS[9]]
    assert "is not the key that sealed the days up to now" in done.problems[0]
    assert target.is_file()
    assert len(verify([folder]).problems) == 2  # the key changes, and changes back


def test_days_are_counted_by_the_calendar() -> None:
    def listed(kind: str, day: str) -> SealedFile:
        return SealedFile(f"{kind}/{day}/{file_name(1, 2)}", 1, 1, "")

    files = [
        listed("samples", "2025-02-28"),
        listed("samples", "2025-03-01"),
        listed("trains", "2011-01-01"),
        listed("plans", "2011-01-01"),
        listed("samples", "2024-12-31"),
    ]
    assert outlived(files, DEFAULT, "2026-03-31") == [[files[4]]]
    assert outlived(files, DEFAULT, "2026-04-01") == [[files[4]], [files[0]]]
    assert outlived(files, Retention(samples_days=None), "2099-01-01") == []
    assert outlived(files, Retention(None, 1, 1), "2011-01-03") == [[files[2]]]


def test_a_clock_is_believed_when_the_days_before_it_are_known() -> None:
    week = [f"2026-01-{day:02}" for day in range(1, 8)]
    assert clock_believed(week, "2026-01-08")
    assert clock_believed(week, "2026-03-02")
    assert not clock_believed(week, "2026-03-03")  # 61 days after the first
    assert not clock_believed(week, "2026-01-07")
    assert not clock_believed(week[1:], "2026-01-08")


@pytest.mark.parametrize("name", ["samples_days", "trains_days", "rollups_days"])
def test_a_retention_of_less_than_a_day_is_refused(name: str) -> None:
    with pytest.raises(StoreError, match=f"retention {name} = 0: give 1 or more days"):
        Retention(**{name: 0})


def test_plans_are_kept_for_ever() -> None:
    assert Retention(1, 1, 1).days_of("plans") is None
