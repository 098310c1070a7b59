"""Sealing: each day once, complete, in one chain, whatever comes late or goes wrong."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sealed_days import D0, DAY_NS, DAYS, HOUR_NS, TRAIN, at, manifest, only_file, problems, sample

from timeseries import embedded_writer
from timeseries.embedded import EmbeddedStore, SealResult
from timeseries.errors import StoreError
from timeseries.reader import EmbeddedReader
from timeseries.records import PlanRecord, TrainRecord
from timeseries.seal import head, verify
from timeseries.spool import Spool
from timeseries.store_files import StoreFile, day_of, file_name


def train(day: int, minute: int = 0) -> TrainRecord:
    return replace(TRAIN, start_ns=D0 + day * DAY_NS + minute * 60 * 10**9)


@dataclass
class Site:
    """A data directory with its writing side."""

    folder: Path
    spool: Spool
    store: EmbeddedStore

    def measure(self, *days: int) -> None:
        self.spool.append([r for k in days for r in (train(k), train(k, 20), sample(k))])

    def finish(self, day: int) -> SealResult:
        """All that the agent does until day number `day` has begun."""
        now_ns = at(day)
        self.store.roll_up(now_ns)
        self.store.flush()
        while self.store.compact(now_ns):
            pass
        return self.store.seal(now_ns)


def begin(folder: Path) -> Iterator[Site]:
    with Spool(folder / "spool.sqlite") as spool:
        yield Site(folder, spool, EmbeddedStore(folder, spool, agent="roma-01"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from begin(tmp_path / "data")


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days, all sealed: 0 to 4."""
    folder = tmp_path_factory.mktemp("sealed") / "data"
    for site in begin(folder):
        site.spool.append([PlanRecord("roma-01", "p", D0, True, 60 * 10**9, 10, None)])
        site.measure(*range(5))
        assert site.finish(5).sealed == tuple(DAYS[:5])
    return folder


@pytest.fixture
def folder(sealed_once: Path, tmp_path: Path) -> Path:
    """A copy of it, to be done evil to."""
    return Path(shutil.copytree(sealed_once, tmp_path / "data"))


@pytest.fixture
def going_on(folder: Path) -> Iterator[Site]:
    """The agent of the sealed days, going on."""
    yield from begin(folder)


def contents(folder: Path) -> dict[str, bytes]:
    files = (folder / "store").rglob("*")
    return {str(file): file.read_bytes() for file in files if file.is_file()}


def test_each_past_day_is_sealed_once_and_verifies(going_on: Site) -> None:
    folder = going_on.folder
    found = verify([folder])
    assert found.problems == []
    (store,) = found.stores
    # A plan, and trains, samples and roll-ups of five days.
    assert (store.manifests, store.files, store.records) == (5, 16, 1 + 5 * (2 + 1 + 2))
    before = contents(folder)
    assert going_on.finish(5).sealed == ()
    assert contents(folder) == before


def test_the_chain_is_what_sha256sum_says(folder: Path) -> None:
    previous = ""
    for day in range(5):
        octets = manifest(folder, day).read_bytes()
        found = json.loads(octets)
        assert (found["number"], found["previous"]) == (day + 1, previous)
        assert (found["agent"], found["day"]) == ("roma-01", DAYS[day])
        for entry in found["files"]:
            file = folder / "store" / entry["file"]
            assert hashlib.sha256(file.read_bytes()).hexdigest() == entry["sha256"]
            assert file.stat().st_size == entry["octets"]
        previous = hashlib.sha256(octets).hexdigest()
    newest = head(folder)
    assert newest is not None
    assert (newest.day, newest.number, newest.sha256) == (DAYS[4], 5, previous)
    assert previous in str(newest)
    assert verify([folder], heads=[previous.upper()]).ok


def test_openssl_verifies_a_manifest(
    folder: Path, tmp_path: Path, need: Callable[..., None]
) -> None:
    need("openssl")
    members = json.loads(manifest(folder, 3).read_bytes())
    signature = tmp_path / "signature"
    signature.write_bytes(bytes.fromhex(members.pop("signature")))
    body = tmp_path / "body"
    text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    command = [
        "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(folder / "store" / "seal.pub"),
        "-rawin", "-in", str(body), "-sigfile", str(signature),
    ]  # fmt: skip
    body.write_text(text)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    body.write_text(text.replace("roma-01", "roma-02"))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_the_key_is_the_agents_alone(folder: Path) -> None:
    assert stat.S_IMODE((folder / "seal.key").stat().st_mode) == 0o600
    assert b"PRIVATE" in (folder / "seal.key").read_bytes()
    for octets in contents(folder).values():
        assert b"PRIVATE" not in octets


def test_a_day_waits_for_its_spooled_records_its_roll_ups_and_its_merge(site: Site) -> None:
    site.measure(0, 1)
    site.store.flush()
    assert site.store.seal(at(2)).waiting == (DAYS[0], DAYS[1])  # roll-ups to be derived
    site.store.roll_up(at(2))
    assert site.store.seal(at(2)).waiting == (DAYS[0], DAYS[1])  # and to be flushed
    site.store.flush()
    site.spool.append([sample(0)])
    assert site.store.seal(at(2)).waiting == (DAYS[0],)
    site.store.flush()
    assert site.store.seal(at(2)).waiting == (DAYS[0],)  # two files of samples
    assert site.store.compact(at(2)) == 1
    assert site.store.seal(at(2)).sealed == (DAYS[0],)
    assert problems(site.folder) == []


def test_today_is_not_sealed_and_yesterday_only_after_an_hour(site: Site) -> None:
    site.measure(0, 1)
    site.store.roll_up(at(2))
    site.store.flush()
    assert site.store.seal(D0 + DAY_NS + HOUR_NS - 1).sealed == ()
    assert head(site.folder) is None
    assert verify([site.folder]).lines()[0].endswith("no day is sealed yet, 2 have records")
    assert site.store.seal(D0 + DAY_NS + HOUR_NS).sealed == (DAYS[0],)
    assert verify([site.folder]).stores[0].unsealed_days == (DAYS[1],)


def test_a_day_without_records_is_not_in_the_chain(site: Site) -> None:
    site.measure(0, 3)
    assert site.finish(4).sealed == (DAYS[0], DAYS[3])
    assert site.finish(9).sealed == ()
    site.measure(9)
    assert site.finish(10).sealed == (DAYS[9],)
    assert problems(site.folder) == []


def test_the_agent_does_not_seal_what_was_put_there(going_on: Site) -> None:
    genuine = only_file(going_on.folder, "trains", 2)
    planted = genuine.with_name(file_name(3, 7))
    shutil.copyfile(genuine, planted)
    other_day = planted.parent.with_name("2025-10-01")
    other_day.mkdir()
    shutil.copyfile(genuine, other_day / file_name(8, 9))
    going_on.measure(5)
    result = going_on.finish(6)
    assert (result.sealed, result.addenda) == ((DAYS[5],), 0)
    assert "day 2025-10-01 is not sealed: it had no records when later ones" in result.problems[0]
    assert f"{planted} lies in a sealed day and was not there" in result.problems[1]
    assert [line.split(" ")[0] for line in problems(going_on.folder)] == [
        f"trains/2025-10-01/{file_name(8, 9)}",
        f"trains/{DAYS[2]}/{planted.name}",
    ]


def test_what_a_copy_keeps_from_before_a_merge_is_no_problem(site: Site, tmp_path: Path) -> None:
    for minute in range(3):
        site.spool.append([train(0, minute)])
        site.store.flush()
    copy = Path(shutil.copytree(site.folder / "store", tmp_path / "copy" / "store"))
    site.finish(1)
    shutil.copytree(site.folder / "store", copy, dirs_exist_ok=True)  # rsync without --delete
    assert len(list((copy / "trains" / DAYS[0]).glob("*.parquet"))) == 4
    assert problems(copy.parent) == []
    assert len(list(EmbeddedReader(copy.parent).trains())) == 3


def test_late_records_stay_beside_and_are_named_in_the_next_manifest(going_on: Site) -> None:
    folder = going_on.folder
    before = contents(folder)
    going_on.spool.append([train(1, 5)])
    result = going_on.finish(5)
    assert (result.sealed, result.addenda) == ((), 0)
    assert {name: contents(folder)[name] for name in before} == before  # nothing merged
    assert len(list((folder / "store" / "trains" / DAYS[1]).glob("*.parquet"))) == 2
    found = verify([folder])
    assert (found.problems, found.stores[0].late) == ([], 2)  # the train and its roll-up

    going_on.measure(5)
    result = going_on.finish(6)
    assert (result.sealed, result.addenda) == ((DAYS[5],), 2)
    found = verify([folder])
    assert (found.problems, found.stores[0].late) == ([], 0)
    assert {name: contents(folder)[name] for name in before} == before
    assert len(list(EmbeddedReader(folder).trains(from_ns=D0 + DAY_NS, to_ns=D0 + 2 * DAY_NS))) == 3

    added = json.loads(manifest(folder, 5).read_bytes())["addenda"]
    assert [entry["day"] for entry in added] == [DAYS[1]] * 2
    for entry in added:
        file = folder / "store" / entry["file"]
        octets = file.read_bytes()
        file.write_bytes(octets + b"\n")
        (line,) = problems(folder)
        assert line.startswith(f"{entry['file']} is not what was sealed")
        assert line.endswith(f"(manifests/{DAYS[5]}.json)")
        file.write_bytes(octets)


def test_late_records_of_a_day_that_had_none_make_it_a_day_of_its_own(going_on: Site) -> None:
    going_on.spool.append([train(-40), train(5)])  # a clock that was wrong
    assert going_on.finish(6).sealed == (day_of(D0 - 40 * DAY_NS), DAYS[5])
    assert problems(going_on.folder) == []


def test_a_clock_that_was_years_ahead_blocks_nothing(site: Site) -> None:
    site.measure(0, 1)
    far = 2_000
    site.spool.append([train(far)])
    assert site.finish(far + 1).sealed == (DAYS[0], DAYS[1], day_of(D0 + far * DAY_NS))
    site.spool.append([train(1, 90)])  # set right: the rest of day 1
    site.measure(2)
    result = site.finish(3)
    assert (result.sealed, result.addenda) == ((DAYS[2],), 2)
    assert problems(site.folder) == []
    newest = head(site.folder)
    assert newest is not None
    assert (newest.number, newest.day) == (4, DAYS[2])
    assert len(list(EmbeddedReader(site.folder).samples())) == 3  # not given up in that future


def test_a_lost_key_is_made_anew_said_and_seen(going_on: Site) -> None:
    (going_on.folder / "seal.key").unlink()
    going_on.measure(5, 6)
    result = going_on.finish(7)
    assert result.sealed == (DAYS[5], DAYS[6])
    (line,) = result.problems
    assert "is not the key that sealed the days up to now" in line
    (line,) = problems(going_on.folder)
    assert line.startswith(f"manifests/{DAYS[5]}.json is of another key than")


@pytest.mark.parametrize("octets", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", b"\xff" * 99])
def test_a_key_that_is_none_stops_sealing_and_nothing_else(
    going_on: Site, octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (going_on.folder / "seal.key").write_bytes(octets)
    going_on.measure(5)
    for turn in range(4):
        going_on.store.maintain(at(6) + turn * 30 * 10**9)
    said = f"days are not sealed, {going_on.folder / 'seal.key'} is no private key in PEM"
    assert [said in record.message for record in caplog.records] == [True]
    assert going_on.spool.depth("embedded") == 0
    assert (going_on.folder / "seal.key").read_bytes() == octets
    with pytest.raises(StoreError, match="is no private key"):
        going_on.store.seal(at(6))


def test_a_key_of_another_sort_is_refused(going_on: Site, need: Callable[..., None]) -> None:
    need("openssl")
    key = going_on.folder / "seal.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", str(key)], check=True)
    going_on.measure(5)
    with pytest.raises(StoreError, match="is no Ed25519 key: put it back"):
        going_on.finish(6)


def test_a_day_that_cannot_be_read_is_told_and_the_others_are_sealed(site: Site) -> None:
    site.measure(0, 1, 2)
    site.store.roll_up(at(3))
    site.store.flush()
    file = only_file(site.folder, "trains", 1)
    kept = file.rename(site.folder / "kept")
    file.mkdir()
    result = site.store.seal(at(3))
    assert result.sealed == (DAYS[0], DAYS[2])
    assert result.problems == (
        f"day {DAYS[1]} is not (wholly) sealed: {file}: Is a directory; mend it or move it away",
    )
    assert problems(site.folder) == []
    file.rmdir()
    kept.rename(file)
    assert site.store.seal(at(3)).sealed == (DAYS[1],)
    assert problems(site.folder) == []


def test_a_file_that_was_damaged_before_its_day_was_sealed_is_set_aside(site: Site) -> None:
    site.measure(0, 1)
    site.store.roll_up(at(2))
    site.store.flush()
    file = only_file(site.folder, "samples", 0)
    file.write_bytes(file.read_bytes()[:-30])
    result = site.store.seal(at(2))
    assert result.sealed == (DAYS[0], DAYS[1])
    (line,) = result.problems
    assert line.startswith(f"{file} was damaged before it was sealed, it is kept as {file.name}.da")
    assert site.store.damaged == [file.with_name(f"{file.name}.damaged")]
    assert problems(site.folder) == []


def test_a_folder_that_cannot_be_merged_does_not_keep_others_from_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(2):
        site.spool.append([train(0, turn), train(1, turn)])
        site.store.flush()
    folder = site.folder / "store" / "trains" / DAYS[0]
    real = embedded_writer._write_merged  # noqa: SLF001

    def failing(where: Path, files: list[StoreFile]) -> None:
        if where == folder:
            raise OSError(5, "Input/output error", str(where))
        real(where, files)

    monkeypatch.setattr(embedded_writer, "_write_merged", failing)
    result = embedded_writer.compact(site.folder, DAYS[2], 16)
    assert result["merged"] == 1
    assert result["problems"] == [
        f"{folder} is not merged: [Errno 5] Input/output error: '{folder}'"
    ]


def test_maintain_seals_what_is_over_and_says_once_what_keeps_it_from_that(
    going_on: Site, caplog: pytest.LogCaptureFixture
) -> None:
    folder = going_on.folder
    manifest(folder, 2).write_bytes(b"{}")
    for minute in range(3):
        going_on.spool.append([train(5, minute), train(6, minute)])
        going_on.store.flush()
    for turn in range(6):
        going_on.store.maintain(at(7) + turn * 30 * 10**9)
    assert manifest(folder, 5).is_file()
    assert manifest(folder, 6).is_file()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.message.startswith(f"manifests/{DAYS[2]}.json is not a manifest")
    # The damaged manifest's day stays closed, its files are not sealed by a side door.
    assert json.loads(manifest(folder, 5).read_bytes())["addenda"] == []
    assert problems(folder)[0].startswith(f"manifests/{DAYS[2]}.json is not a manifest")
