"""What is done to sealed days afterwards shows: which file, which manifest, what is wrong."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sealed_days import D0, DAY_NS, DAYS, TRAIN, manifest, only_file, place, problems

from timeseries.embedded import EmbeddedStore
from timeseries.errors import StoreError
from timeseries.records import PlanRecord, SampleRecord
from timeseries.seal import head, verify
from timeseries.seal_manifest import canonical, parse, public_key_of, signed
from timeseries.spool import Spool
from timeseries.store_files import file_name

FORGER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days, all sealed."""
    folder = tmp_path_factory.mktemp("sealed") / "data"
    now_ns = D0 + 5 * DAY_NS + 2 * 3_600 * 10**9
    with Spool(folder / "spool.sqlite") as spool:
        store = EmbeddedStore(folder, spool, agent="roma-01")
        spool.append([PlanRecord("roma-01", "p", D0, True, 60 * 10**9, 10, None)])
        for day in range(5):
            start = D0 + day * DAY_NS
            # Different sizes: what is swapped must show.
            trains = [replace(TRAIN, start_ns=start + k * 60 * 10**9) for k in range(day + 1)]
            single = SampleRecord("roma-01", "p", start, (2,), (1,), (2,), (2,), (2,), (0,), (0,))
            spool.append([*trains, single])
        store.roll_up(now_ns)
        store.flush()
        assert store.seal(now_ns).sealed == tuple(DAYS[:5])
    return folder


@pytest.fixture
def folder(sealed_once: Path, tmp_path: Path) -> Path:
    """A copy of it, to be done evil to."""
    copy = Path(shutil.copytree(sealed_once, tmp_path / "data"))
    assert problems(copy) == []
    return copy


@pytest.mark.parametrize("kind", ["trains", "samples", "plans", "rollups"])
def test_a_flipped_byte_is_found(folder: Path, kind: str) -> None:
    chance = random.Random(kind)
    file = chance.choice(sorted((folder / "store" / kind).glob("*/*.parquet")))
    octets = bytearray(file.read_bytes())
    octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
    file.write_bytes(octets)
    (line,) = problems(folder)
    assert line.startswith(f"{place(folder, file)} is not what was sealed; SHA-256 is ")
    assert line.endswith(f"(manifests/{file.parent.name}.json)")


def test_a_longer_file_is_told_with_its_size(folder: Path) -> None:
    file = only_file(folder, "trains", 1)
    size = file.stat().st_size
    file.write_bytes(file.read_bytes() + b"x")
    (line,) = problems(folder)
    assert f"is not what was sealed: {size + 1} octets, sealed were {size}" in line


def test_a_deleted_file_is_missed(folder: Path) -> None:
    file = only_file(folder, "rollups", 2)
    file.unlink()
    assert problems(folder) == [
        f"{place(folder, file)} is missing, and no later manifest gives it up"
        f" (manifests/{DAYS[2]}.json)"
    ]


def test_a_file_that_was_set_aside_after_sealing_is_told(folder: Path) -> None:
    file = only_file(folder, "trains", 2)
    file.rename(f"{file}.damaged")
    (line,) = problems(folder)
    assert "was found damaged after it was sealed, and set aside" in line


def test_an_unreadable_file_is_told_and_the_rest_is_verified(folder: Path) -> None:
    file = only_file(folder, "trains", 2)
    file.unlink()
    file.mkdir()
    only_file(folder, "trains", 3).unlink()
    first, second = problems(folder)
    assert first.startswith(f"{place(folder, file)} cannot be read: Is a directory")
    assert "is missing" in second


def test_a_changed_manifest_is_found(folder: Path) -> None:
    path = manifest(folder, 2)
    members = json.loads(path.read_bytes())
    file = only_file(folder, "trains", 2)
    file.write_bytes(file.read_bytes()[::-1])
    for entry in members["files"]:
        if entry["file"] == place(folder, file):
            entry["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    path.write_bytes(canonical(members) + b"\n")
    first, second = problems(folder)
    assert first.startswith(f"manifests/{DAYS[2]}.json does not bear the signature of its key")
    assert second.startswith(
        f"manifests/{DAYS[3]}.json does not follow after manifests/{DAYS[2]}.json"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda octets: octets[: len(octets) // 2], "is not a manifest"),
        (lambda _: b"", "is not a manifest"),
        (lambda _: b"[" * 100_000, "is not a manifest"),
        (lambda octets: octets.replace(b",", b", "), "is not as it was written"),
        (lambda octets: octets.replace(b'"number":3', b'"number":3.0'), "is not as it was"),
        (lambda octets: octets.replace(b"pasprobe-seal-1", b"pasprobe-seal-9"), "has format"),
        (lambda octets: octets.replace(b"trains/", b"../../"), "is not a manifest"),
        (lambda octets: octets.replace(b"trains/2", b"/trains/"), "is not a manifest"),
    ],
)
def test_a_manifest_that_is_none_is_told_with_all_that_hangs_on_it(
    folder: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    path = manifest(folder, 2)
    octets = change(path.read_bytes())
    assert octets != path.read_bytes()
    path.write_bytes(octets)
    found = problems(folder)
    assert found[0].startswith(f"manifests/{DAYS[2]}.json {said}")
    assert found[1] == (
        f"manifests/{DAYS[3]}.json has the number 4: 1 manifests are missing after"
        f" manifests/{DAYS[1]}.json"
    )
    assert {line.split(" ")[0] for line in found[2:]} == {
        place(folder, only_file(folder, kind, 2)) for kind in ("trains", "samples", "rollups")
    }


def test_a_chain_cut_in_the_middle_is_found(folder: Path) -> None:
    manifest(folder, 2).unlink()
    found = problems(folder)
    assert found[0].endswith(f"1 manifests are missing after manifests/{DAYS[1]}.json")
    assert [line.split(" ", 1)[1] for line in found[1:]] == [
        "lies in a day that had no records when later ones were sealed"
    ] * 3


def test_a_chain_without_its_beginning_is_found(folder: Path) -> None:
    for day in range(2):
        manifest(folder, day).unlink()
    assert problems(folder)[0] == (
        f"manifests/{DAYS[2]}.json has the number 3: 2 manifests are missing"
    )


def test_a_chain_without_its_end_is_found_by_a_head_noted_elsewhere(folder: Path) -> None:
    noted = head(folder)
    assert noted is not None
    manifest(folder, 4).unlink()
    assert problems(folder) == []  # as if the agent had ended there
    (line,) = verify([folder], heads=[noted.sha256]).problems
    assert line.startswith(f"head {noted.sha256} is the hash of no manifest here")


def test_two_swapped_manifests_are_found(folder: Path) -> None:
    one, other = manifest(folder, 1), manifest(folder, 3)
    octets = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(octets)
    assert problems(folder) == [
        f"manifests/{DAYS[3]}.json is the manifest of {DAYS[1]}: it was moved",
        f"manifests/{DAYS[1]}.json is the manifest of {DAYS[3]}: it was moved",
    ]


def test_the_records_of_two_swapped_days_are_found(folder: Path) -> None:
    one, other = only_file(folder, "trains", 1), only_file(folder, "trains", 3)
    octets = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(octets)
    found = problems(folder)
    assert [line.split(" ")[0] for line in found] == [place(folder, one), place(folder, other)]
    assert all("is not what was sealed" in line for line in found)


def test_a_manifest_copied_to_another_day_is_found(folder: Path) -> None:
    shutil.copyfile(manifest(folder, 2), folder / "store" / "manifests" / f"{DAYS[9]}.json")
    assert problems(folder) == [
        f"manifests/{DAYS[9]}.json is the manifest of {DAYS[2]}: it was moved",
        f"manifests/{DAYS[9]}.json has the number 3 like manifests/{DAYS[2]}.json",
    ]


def forged(folder: Path, day: int, previous: str | None = None) -> str:
    """Sign a manifest anew with the forger's key; returns the file's new hash."""
    path = manifest(folder, day)
    found, _ = parse(path.read_bytes())
    found = replace(found, public_key=public_key_of(FORGER))
    if previous is not None:
        found = replace(found, previous=previous)
    octets = signed(found, FORGER)
    path.write_bytes(octets)
    return hashlib.sha256(octets).hexdigest()


def test_a_manifest_signed_with_another_key_is_found(folder: Path) -> None:
    forged(folder, 2)
    first, second, third = problems(folder)
    assert first.startswith(f"manifests/{DAYS[2]}.json is of another key than")
    assert second.startswith(f"manifests/{DAYS[3]}.json does not follow")
    assert third.startswith(f"manifests/{DAYS[3]}.json is of another key than")


def test_the_newest_manifest_signed_with_another_key_is_found(folder: Path) -> None:
    forged(folder, 4)
    first, second = problems(folder)
    assert "is of another key" in first
    assert second == f"seal.pub is not the key that manifests/{DAYS[4]}.json names"


def test_another_key_that_claims_to_be_the_agents_does_not_fit(folder: Path) -> None:
    path = manifest(folder, 4)
    found, _ = parse(path.read_bytes())
    path.write_bytes(signed(found, FORGER))
    (line,) = problems(folder)
    assert "does not bear the signature of its key" in line


def test_a_chain_made_anew_is_found_by_a_head_or_a_key_noted_elsewhere(folder: Path) -> None:
    """What the seal alone cannot show: see docs/sealing.md."""
    noted = head(folder)
    assert noted is not None
    key = verify([folder]).stores[0].public_key
    previous = ""
    for day in range(5):
        previous = forged(folder, day, previous)
    (folder / "store" / "seal.pub").write_bytes(
        FORGER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    found = verify([folder], heads=[noted.sha256])
    assert [line.split(" is ")[0] for line in found.problems] == [f"head {noted.sha256}"]
    assert verify([folder]).ok
    assert found.stores[0].public_key != key


@pytest.mark.parametrize(
    ("octets", "said"),
    [(None, "is missing"), (b"", "is no public key"), (b"-----BEGIN x", "is no public key")],
)
def test_a_public_key_that_is_none_is_told(folder: Path, octets: bytes | None, said: str) -> None:
    path = folder / "store" / "seal.pub"
    path.unlink()
    if octets is not None:
        path.write_bytes(octets)
    (line,) = problems(folder)
    assert line.startswith(f"seal.pub {said}")


@pytest.mark.parametrize("name", ["more.parquet", file_name(3, 7), file_name(0, 2**60)])
def test_a_file_put_into_a_sealed_day_is_found(folder: Path, name: str) -> None:
    genuine = only_file(folder, "trains", 2)
    shutil.copyfile(genuine, genuine.with_name(name))
    assert problems(folder) == [
        f"trains/{DAYS[2]}/{name} lies in a sealed day, and no manifest names it"
    ]


def test_a_verification_is_lines_for_people_and_json_for_machines(folder: Path) -> None:
    only_file(folder, "trains", 0).unlink()
    found = verify([folder, folder])
    text = json.loads(json.dumps(found.as_json()))
    assert text["ok"] is False
    assert text["problems"] == found.problems
    assert text["stores"][0]["head"]["day"] == DAYS[4]
    lines = found.lines()
    assert lines[0].startswith(f"{folder}: 5 days sealed, 15 files with 25 records")
    assert f"  head {head(folder)}" in lines
    assert sum(line.startswith("WRONG: ") for line in lines) == 2


def test_a_folder_without_a_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no store"):
        verify([tmp_path])
