"""An archive is tampered with in every place, and each is found."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from archive_cases import TICKETS, archive, sign_again, sla

from analysis.archive import layout
from analysis.archive.container import opened
from analysis.archive.verify import verify
from analysis.errors import ArchiveError


@pytest.mark.usefixtures("place")
def test_words_that_a_later_version_says_otherwise_are_a_note_and_no_failure() -> None:
    archive("--period", "2011-1", "-o", "a")
    result = json.loads(Path("a/result.json").read_text())
    result["lines"][0]["clause"] = "another word"
    result["warnings"] = []
    judged = next(line for line in result["lines"] if line["limit"] and "." not in line["limit"])
    judged["limit"] += ".0"
    Path("a/result.json").write_text(json.dumps(result))
    sign_again(Path("a"))
    found = verify(Path("a"))
    assert found.ok, found.problems
    assert [remark.partition(":")[0].split()[0] for remark in found.remarks] == ["lines", "the"]
    assert "note: lines with another clause" in "\n".join(found.text())


@pytest.mark.usefixtures("copy")
@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(
    "name",
    [
        "result.json",
        "archive.json",
        "inputs/facts.json",
        "inputs/facts/tickets.csv",
        "inputs/pasprobe.toml",
        "inputs/calendars.json",
        "inputs/zones.json",
        "inputs/catalogue/ip-base.toml",
        "reports/contractual-2011-1.json",
        "pages/ip-base.html",
        "index.html",
        "README.txt",
    ],
)
def test_a_tampered_file_is_named(name: str, kind: str) -> None:
    for change in ("changed", "missing", "added"):
        shutil.copytree("a", "b")
        file = Path("b") / name
        if change == "changed":
            octets = bytearray(file.read_bytes())
            octets[len(octets) // 2] ^= 1
            file.write_bytes(octets)
        elif change == "missing":
            file.unlink()
        else:
            file = file.with_name("more.csv")
            file.write_text("x")
        place = Path("b")
        if kind == "zip":
            place = Path(shutil.make_archive("b", "zip", ".", "b"))
        found = verify(place)
        wanted = file.relative_to("b").as_posix()
        assert not found.ok
        assert [line.partition(":")[0] for line in found.problems] == [wanted]
        assert change in found.problems[0]
        assert not found.recomputed_eur
        result = sla("archive", "--verify", str(place))
        assert result.exit_code == 1
        assert wanted in result.output
        shutil.rmtree("b")


@pytest.mark.usefixtures("copy")
def test_a_link_in_the_folder_is_no_file_of_the_archive() -> None:
    Path("result.json").write_bytes(Path("a/result.json").read_bytes())
    Path("a/result.json").unlink()
    Path("a/result.json").symlink_to(Path("result.json").absolute())
    assert any(line.startswith("result.json: is a link") for line in verify(Path("a")).problems)


@pytest.mark.usefixtures("copy")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0" * 64 + "  ../outside\n", "SHA256SUMS:1:"),
        ("0" * 64 + "  /etc/passwd\n", "SHA256SUMS:1:"),
        ("nonsense\n", "SHA256SUMS:1:"),
    ],
)
def test_a_line_of_the_manifest_that_nobody_wrote_is_named(line: str, said: str) -> None:
    manifest = Path("a") / layout.MANIFEST
    manifest.write_text(line + manifest.read_text())
    assert any(problem.startswith(said) for problem in verify(Path("a")).problems)
    manifest.unlink()
    assert verify(Path("a")).problems[0].startswith(layout.MANIFEST)


@pytest.mark.usefixtures("place")
def test_a_changed_amount_is_found_although_the_manifest_was_made_anew() -> None:
    said = archive("--period", "2011-1", "-o", "a")
    result = json.loads(Path("a/result.json").read_text())
    number = next(i for i, one in enumerate(result["lines"]) if one["penalty_eur"] != "0.00")
    old = result["lines"][number]["penalty_eur"]
    result["lines"][number]["penalty_eur"] = "0.01"
    Path("a/result.json").write_text(json.dumps(result))
    sign_again(Path("a"))
    found = verify(Path("a"), said["digest"])
    assert not found.ok
    assert any(
        line.startswith(f"line {number + 1} (ip-base")
        and f"penalty_eur is 0.01 in the archive, {old} recomputed" in line
        for line in found.problems
    )
    assert any("not the archive that was noted" in line for line in found.problems)


@pytest.mark.usefixtures("place")
def test_a_changed_input_is_found_although_the_manifest_was_made_anew() -> None:
    archive("--period", "2011-1", "-o", "a")
    tickets = Path("a/inputs/facts/tickets.csv")
    tickets.write_text(TICKETS.replace("03-27T08:30", "03-27T06:30"))
    sign_again(Path("a"))
    assert verify(Path("a")).problems == (
        "inputs/facts/tickets.csv: reads otherwise than inputs/facts.json has it",
    )
    tickets.write_text(TICKETS.replace("T2,ip-base", "T1,ip-bse"))
    sign_again(Path("a"))
    assert all(line.startswith("inputs/facts/tickets.csv") for line in verify(Path("a")).problems)
    tickets.write_text(TICKETS)
    contract = Path("a/inputs/pasprobe.toml")
    contract.write_text(contract.read_text().replace('"12000.00"', '"12000.01"'))
    sign_again(Path("a"))
    assert any("base_eur is 12000.00" in line for line in verify(Path("a")).problems)


@pytest.mark.usefixtures("copy")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("archive.json", "[]"),
        ("archive.json", '{"format": 1}'),
        ("archive.json", '{"format": 2, "period": "2011-1", "as_of_ns": 1}'),
        ("archive.json", '{"format": 1, "period": "2011-9", "as_of_ns": 1}'),
        ("archive.json", '{"format": 1, "period": "2011-1", "as_of_ns": 1.5}'),
        ("result.json", "[]"),
        ("result.json", '{"lines": [{}], "total_eur": "1"}'),
        ("inputs/facts.json", '{"tickets": [{}]}'),
        ("inputs/facts.json", "no JSON"),
        ("inputs/traffic.json", "{}"),
        ("inputs/calendars.json", '{"IT": {}}'),
        ("inputs/calendars.json", "[]"),
        ("inputs/zones.json", '{"Europe/Rome": []}'),
        ("inputs/zones.json", "[1]"),
        ("inputs/zones.json", '{"Europe/Rome": 1}'),
        ("inputs/readings.json", '{"A2": "R9"}'),
        ("inputs/readings.json", "[]"),
        ("inputs/readings.json", '{"A2": []}'),
        ("inputs/pasprobe.toml", "[contract"),
        ("inputs/pasprobe.toml", "contract = 1"),
        ("inputs/pasprobe.toml", "[nothing]\nx = 1"),
        ("inputs/pasprobe.toml", ""),
        ("inputs/catalogue/voip.toml", "id = 1"),
        ("inputs/catalogue/definitions.toml", "\udcff"),
    ],
)
def test_what_cannot_be_read_is_said_and_is_no_traceback(name: str, text: str) -> None:
    (Path("a") / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    sign_again(Path("a"))
    found = verify(Path("a"))
    assert not found.ok
    assert found.problems


def contents(file: Path) -> dict[str, bytes]:
    with opened(file) as archived:
        return {name: archived.read(name) for name in archived.names}


@pytest.mark.usefixtures("place")
def test_a_damaged_zip_is_no_archive_or_not_verified() -> None:
    archive("--period", "2011-1", "-o", "a.zip")
    octets = Path("a.zip").read_bytes()
    for cut in (0, 10, len(octets) // 2, len(octets) - 10):
        Path("cut.zip").write_bytes(octets[:cut])
        with pytest.raises(ArchiveError, match=r"cut\.zip is no archive"):
            verify(Path("cut.zip"))
    for index in range(100, len(octets), len(octets) // 40):
        changed = bytearray(octets)
        changed[index] ^= 0x55
        Path("cut.zip").write_bytes(changed)
        if sla("archive", "--verify", "cut.zip").exit_code == 0:
            # It fell on a field of the zip that no reader looks at.
            assert contents(Path("cut.zip")) == contents(Path("a.zip")), index
    result = sla("archive", "--verify", "nowhere.zip")
    assert result.exit_code == 2
    assert "nowhere.zip" in result.output


@pytest.mark.usefixtures("place")
def test_a_file_that_stands_twice_in_a_zip_or_beside_its_folder_is_named() -> None:
    archive("--period", "2011-1", "-o", "a.zip")
    with zipfile.ZipFile("a.zip", "a") as packed:
        packed.writestr("elsewhere.txt", "x")
        with pytest.warns(UserWarning, match="Duplicate name"):
            packed.writestr("pasprobe-2011-1/result.json", "{}")
    problems = verify(Path("a.zip")).problems
    assert any("result.json: stands twice" in line for line in problems)
    assert any("elsewhere.txt: lies outside" in line for line in problems)
