"""The archive of a period: frozen, verified, and tampered with in every place."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zoneinfo
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner, Result

import pasprobe
from analysis.archive import layout
from analysis.archive.container import manifest_of, opened, written
from analysis.archive.frozen import freeze, thaw
from analysis.archive.rollups import rollups_file
from analysis.archive.verify import verify
from analysis.archive.write import Parts, facts_files, write_archive
from analysis.catalogue_rows import catalogue_files
from analysis.documents.language import language
from analysis.documents.material import Material
from analysis.errors import ArchiveError
from analysis.evaluation.asked import Asked, gathered
from analysis.evaluation.evaluate import evaluate
from analysis.evaluation.inputs import Inputs
from analysis.facts import Where
from analysis.readings import SWITCHES
from inventory.clocks import local
from pasprobe import app
from timeseries.embedded import EmbeddedStore
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, TrainRecord
from timeseries.rollup import QUARTER_NS
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME

CONFIGURATION = """
[agent]
name = "roma-01"
data_dir = "data"

[influxdb]
url = "http://127.0.0.1:8086"
bucket = "pasprobe"
token = { env = "VARIABLE_OF_THE_TOKEN" }

[mail]
host = "mail.example"
from = "desk@example"
user = "mail-user"
password = { env = "VARIABLE_OF_THE_MAIL" }

[contract]
administration = 'Ministero "Esempio" & C.'
country = "IT"
timezone = "Europe/Rome"
services = [
    { id = "email", fee = "9000.00", start = "2010-01-01", units = 100 },
    { id = "reporting", start = "2010-01-01" },
]
[contract.readings]
D1 = "sent"

[[pas]]
id = "roma-01"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
reflector = "198.51.100.7:862"
services = [
    { id = "ip-base", level = "L3", window = "extended", fee = "12000.00", start = "2010-01-01" },
]

[[pas]]
id = "tokyo-01"
country = "JP"
timezone = "Asia/Tokyo"
profile = "medium"
services = [
    { id = "ip-base", level = "L2", window = "normal", fee = "7000.50", start = "2010-01-01" },
]

[[path]]
id = "roma-01/ip-base"
pas = "roma-01"
service = "ip-base"
target = "192.0.2.1"

[[path]]
id = "tokyo-01/ip-base"
pas = "tokyo-01"
service = "ip-base"
target = "192.0.2.2"
method = "stamp"
auth_key = { env = "VARIABLE_OF_THE_KEY" }
"""
# T1 runs over the night in which the clocks go forward, T2 over Easter Monday.
TICKETS = """\
id,service,pas,severity,opened_at,reported_at,responded_at,restored_at,closed_at,affected,cause

T1,ip-base,roma-01,blocking,2011-03-26T19:30,2011-03-26T20:00,,2011-03-27T08:30,2011-03-27T08:30,1,x
T2,ip-base,roma-01,non-blocking,2011-04-21T09:00,2011-04-21T10:00,,,2011-04-27T10:00,1,"cut, mended"
T3,ip-base,tokyo-01,blocking,2011-02-10T09:00,2011-02-10T09:10,,2011-02-10T12:00,2011-02-10T12:00,1,z
T4,email,,blocking,2011-04-01T10:00,2011-04-01T10:00,,2011-04-01T12:00,2011-04-01T12:00,9,mail
"""
TRAFFIC = """\
service,pas,peer,start,end,sent,received,within_limit,jitter_ms
ip-base,roma-01,,2011-02-03T10:00,2011-02-03T11:00,1000,980,950,
ip-base,tokyo-01,,2011-02-03T10:00,2011-02-03T11:00,1000,1000,1000,
"""
DELIVERIES = "report,period,delivered_at\ncontractual,2010-3,2011-01-25T10:00\n"
ITEM = "mailbox,size\ninfo,12\n"


def set_up(folder: Path) -> None:
    facts = folder / "facts"
    (facts / "items").mkdir(parents=True)
    (folder / "pasprobe.toml").write_text(CONFIGURATION)
    (facts / "tickets.csv").write_text(TICKETS)
    (facts / "traffic.csv").write_text(TRAFFIC)
    (facts / "deliveries.csv").write_text(DELIVERIES)
    (facts / "items" / "email.mailbox-statistics.csv").write_text(ITEM)
    (facts / "notes.md").write_text("not a fact")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    set_up(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PASPROBE_CONFIG", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One archive as a folder; copy it before it is changed."""
    folder = tmp_path_factory.mktemp("made")
    set_up(folder)
    archive(
        "--period", "2011-1", "--config", str(folder / "pasprobe.toml"), "-o", str(folder / "a")
    )
    return folder / "a"


@pytest.fixture
def copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the archive, `a` in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "a")
    return tmp_path


def sla(*words: str) -> Result:
    return CliRunner().invoke(app, ["sla", *words])


def archive(*words: str) -> dict[str, Any]:
    result = sla("archive", "--json", "--as-of", "2011-06-01", "--lang", "en", *words)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def gather(period: str = "2011-1") -> Inputs:
    def no_server(_: object) -> Any:
        raise AssertionError("no server is asked")

    return gathered(Asked(period, as_of="2011-06-01"), {}, no_server, each_day=True)


def names(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def sign_again(folder: Path) -> None:
    """What somebody does who changes a file and knows of the manifest."""
    files: dict[str, Any] = {
        name: folder / name for name in names(folder) if name != layout.MANIFEST
    }
    (folder / layout.MANIFEST).write_bytes(manifest_of(files))


@pytest.mark.usefixtures("place")
def test_a_period_is_frozen_and_comes_out_again() -> None:
    said = archive("--period", "2011-1", "-o", "a")
    found = verify(Path("a"))
    assert found.ok, found.problems
    assert not found.remarks
    assert found.digest == said["digest"]
    assert found.files == said["files"] == len(names(Path("a")))
    assert found.recomputed_eur == found.total_eur == str(evaluate(gather()).total_eur) != "0.00"
    expected = {
        "SHA256SUMS",
        "README.txt",
        "archive.json",
        "index.html",
        "result.json",
        "inputs/pasprobe.toml",
        "inputs/facts.json",
        "inputs/traffic.json",
        "inputs/calendars.json",
        "inputs/zones.json",
        "inputs/readings.json",
        "inputs/catalogue/voip.toml",
        "inputs/facts/tickets.csv",
        "inputs/facts/items/email.mailbox-statistics.csv",
        "reports/contractual-2011-1.en.html",
        "reports/contractual-2011-1.json",
        "pages/ip-base.html",
        "pages/facts/tickets.html",
        "pages/method.html",
    }
    assert expected <= names(Path("a"))
    assert not any("notes" in name for name in names(Path("a")))
    assert Path("a/inputs/facts/tickets.csv").read_text() == TICKETS


@pytest.mark.usefixtures("place")
def test_the_result_is_what_evaluate_prints() -> None:
    archive("--period", "2011-1", "-o", "a")
    printed = sla("evaluate", "--period", "2011-1", "--as-of", "2011-06-01", "--json").stdout
    assert json.loads(Path("a/result.json").read_text()) == json.loads(printed)


@pytest.mark.usefixtures("place")
def test_equal_inputs_give_equal_octets_and_folder_and_zip_the_same_digest() -> None:
    first, again = archive("--period", "2011-1", "-o", "1.zip"), archive(
        "--period", "2011-1", "-o", "2.zip"
    )  # fmt: skip
    folder = archive("--period", "2011-1", "-o", "a")
    assert Path("1.zip").read_bytes() == Path("2.zip").read_bytes()
    assert first["digest"] == again["digest"] == folder["digest"]
    with zipfile.ZipFile("1.zip") as packed:
        packed.extractall("unpacked")
    assert verify(Path("unpacked/pasprobe-2011-1")).digest == folder["digest"]


@pytest.mark.usefixtures("place")
def test_no_order_of_a_set_shows_in_the_octets() -> None:
    command = [sys.executable, "-m", "pasprobe", "sla", "archive", "--period", "2011-1"]
    root = str(Path(pasprobe.__file__).parent)
    for seed in ("1", "2"):
        subprocess.run(
            [*command, "--as-of", "2011-06-01", "--output", f"{seed}.zip"],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
        )
    assert Path("1.zip").read_bytes() == Path("2.zip").read_bytes()


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


@pytest.mark.usefixtures("place")
def test_sha256sum_says_the_same(need: Any) -> None:
    need("sha256sum")
    archive("--period", "2011-1", "-o", "a")
    command = ["sha256sum", "--check", "--strict", "--quiet", layout.MANIFEST]
    assert subprocess.run(command, cwd="a", check=False).returncode == 0
    Path("a/result.json").write_text("{}")
    assert subprocess.run(command, cwd="a", check=False, capture_output=True).returncode == 1


@pytest.mark.usefixtures("place")
def test_thawed_inputs_are_the_inputs() -> None:
    inputs = gather()
    contents = {**freeze(inputs, catalogue_files()), layout.ABOUT: about(inputs)}
    back = thaw(contents)
    for name in ("facts", "traffic", "gaps", "outages_seen", "catalogue", "period", "as_of_ns"):
        assert getattr(back, name) == getattr(inputs, name), name
    assert back.calendars == inputs.calendars
    assert {key: back.readings[key] for key in SWITCHES} == {
        key: inputs.readings[key] for key in SWITCHES
    }
    assert back.configuration.contract == inputs.configuration.contract
    assert back.configuration.pas == inputs.configuration.pas
    for name, zone in inputs.zones.items():
        for month in range(1, 13):
            instant = int(datetime(2011, month, 27, 1, tzinfo=ZoneInfo("UTC")).timestamp()) * 10**9
            assert local(instant, back.zones[name]).isoformat() == local(instant, zone).isoformat()
    assert evaluate(back) == evaluate(inputs)
    assert freeze(back, catalogue_files()) == freeze(inputs, catalogue_files())


def about(inputs: Inputs) -> bytes:
    return json.dumps({"period": inputs.period.text, "as_of_ns": inputs.as_of_ns}).encode()


class AlwaysHoliday(dict[Any, str]):
    """A library that has learned of a holiday on every 22nd and 26th, and of no other."""

    start_year, end_year = 1, 9999

    def __iter__(self) -> Iterator[Any]:
        from datetime import date

        return (date(2011, month, day) for month in range(1, 13) for day in (22, 26))


@pytest.mark.usefixtures("place")
def test_a_newer_holidays_package_changes_no_cent(monkeypatch: pytest.MonkeyPatch) -> None:
    import holidays

    archive("--period", "2011-1", "-o", "a.zip")
    before = verify(Path("a.zip"))
    monkeypatch.setattr(holidays, "country_holidays", lambda *_, **__: AlwaysHoliday())
    assert str(evaluate(gather()).total_eur) != before.total_eur, "the control shows no difference"
    after = verify(Path("a.zip"))
    assert after.ok, after.problems
    assert after.recomputed_eur == before.total_eur


@pytest.fixture
def other_zones(tmp_path: Path) -> Iterator[Any]:
    """Call it, and Rome has the clocks of Tokyo, and Tokyo those of Rome."""
    folder = tmp_path / "zones"

    def change() -> None:
        for name, as_if in (("Europe/Rome", "Asia/Tokyo"), ("Asia/Tokyo", "Europe/Rome")):
            file = folder / name
            file.parent.mkdir(parents=True)
            source = resources.files("tzdata") / "zoneinfo" / as_if
            file.write_bytes(source.read_bytes())
        zoneinfo.reset_tzpath(to=[str(folder)])
        ZoneInfo.clear_cache()

    yield change
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()


@pytest.mark.usefixtures("place")
def test_another_time_zone_database_changes_no_cent(other_zones: Any) -> None:
    archive("--period", "2011-1", "-o", "a.zip")
    before = verify(Path("a.zip"))
    other_zones()
    assert str(evaluate(gather()).total_eur) != before.total_eur, "the control shows no difference"
    after = verify(Path("a.zip"))
    assert after.ok, after.problems
    assert after.recomputed_eur == before.total_eur


@pytest.mark.usefixtures("place")
def test_neither_package_is_asked_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    import holidays

    archive("--period", "2011-1", "-o", "a")

    def asked(*words: object, **_: object) -> Any:
        if words != ("UTC",):
            raise AssertionError(f"asked for {words}")
        return ZoneInfo("UTC")

    monkeypatch.setattr(holidays, "country_holidays", asked)
    for module in ("inventory.clocks", "inventory.values", "analysis.facts_contract"):
        monkeypatch.setattr(f"{module}.ZoneInfo", asked)
    assert verify(Path("a")).ok


@pytest.mark.usefixtures("place")
def test_no_secret_and_no_place_of_one_is_in_an_archive() -> None:
    archive("--period", "2011-1", "-o", "a")
    told = b"".join((Path("a") / name).read_bytes() for name in names(Path("a")))
    for word in (b"VARIABLE_OF", b"mail-user", b"mail.example", b"127.0.0.1"):
        assert word not in told
    assert b"192.0.2.2" in told


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


@pytest.mark.usefixtures("place")
def test_an_archive_is_never_overwritten_and_never_half_there() -> None:
    archive("--period", "2011-1", "-o", "a")
    again = sla("archive", "--period", "2011-1", "-o", "a")
    assert again.exit_code == 2
    assert "is there already" in again.output
    nowhere = sla("archive", "--period", "2011-1", "-o", "no/folder/a.zip")
    assert nowhere.exit_code == 2
    assert "there is no folder" in nowhere.output
    with (
        pytest.raises(ArchiveError, match=r"can be called '\.\./x'"),
        written({"../x": b""}, Path("b"), "b"),
    ):
        pass
    stop = ExitStack()
    aside = stop.enter_context(written({"x": b""}, Path("b"), "b"))
    assert (aside / "x").exists()
    assert stop.__exit__(KeyError, KeyError("killed"), None) is False
    assert sorted(file.name for file in Path().iterdir()) == ["a", "facts", "pasprobe.toml"]


@pytest.mark.usefixtures("place")
def test_facts_that_changed_meanwhile_are_not_archived() -> None:
    inputs = gather()
    material = Material(inputs, evaluate(inputs))
    Path("facts/tickets.csv").write_text(TICKETS.replace("T4,email", "T5,email"))
    files = facts_files(Path("facts"))
    with pytest.raises(ArchiveError, match=r"does not verify:\n.*tickets\.csv: reads"):
        write_archive(Parts(material, files), Path("a.zip"), language("en"))
    assert not Path("a.zip").exists()


@pytest.mark.usefixtures("place")
def test_rows_without_their_file_are_not_archived() -> None:
    inputs = gather()
    material = Material(inputs, evaluate(inputs))
    with pytest.raises(ArchiveError, match=r"inputs/facts/tickets\.csv: is missing"):
        write_archive(Parts(material), Path("a.zip"), language("en"))


@pytest.mark.usefixtures("place")
def test_rows_of_the_incident_desk_need_no_file() -> None:
    inputs = gather()
    desk = replace(inputs.facts.tickets[0], id="D1", where=Where("incident desk", 7))
    facts = replace(inputs.facts, tickets=(*inputs.facts.tickets, desk))
    inputs = replace(inputs, facts=facts)
    material = Material(inputs, evaluate(inputs))
    parts = Parts(material, facts_files(Path("facts")))
    write_archive(parts, Path("a.zip"), language("en"))
    with opened(Path("a.zip")) as archived:
        assert b"incident desk:7" in archived.read("pages/ip-base.html")


@pytest.mark.usefixtures("place")
def test_another_catalogue_than_the_one_evaluated_is_refused() -> None:
    inputs = gather()
    texts = dict(catalogue_files())
    texts["voip.toml"] = texts["voip.toml"].replace('rate = "0.02"', 'rate = "0.03"')
    with pytest.raises(ArchiveError, match="catalogue"):
        freeze(inputs, texts)


@pytest.mark.usefixtures("place")
def test_a_month_has_its_outlook_and_the_technical_report() -> None:
    archive("--period", "2011-03", "-o", "m.zip")
    found = verify(Path("m.zip"))
    assert found.ok, found.problems
    assert found.total_eur == "0.00"
    with opened(Path("m.zip")) as files:
        assert "reports/technical-2011-03.json" in files.names
        result = json.loads(files.read("result.json"))
    assert result["outlook"]
    archive("--period", "2011-03", "-o", "m")
    result["outlook"][0]["expected_eur"] = "123.45"
    Path("m/result.json").write_text(json.dumps(result))
    sign_again(Path("m"))
    assert any("forecast" in line for line in verify(Path("m")).problems)
    result["outlook"] = [1]
    Path("m/result.json").write_text(json.dumps(result))
    sign_again(Path("m"))
    assert any("outlook is none" in line for line in verify(Path("m")).problems)


@pytest.mark.usefixtures("place")
def test_reports_as_they_were_sent_are_taken_as_they_are() -> None:
    Path("sent/tables").mkdir(parents=True)
    Path("sent/contractual.pdf").write_bytes(b"%PDF-1.7 as sent")
    Path("sent/tables/lines.csv").write_bytes(b"a,b\n")
    archive("--period", "2011-1", "--reports", "sent", "-o", "a")
    assert Path("a/reports/contractual.pdf").read_bytes() == b"%PDF-1.7 as sent"
    assert {name for name in names(Path("a")) if name.startswith("reports/")} == {
        "reports/contractual.pdf",
        "reports/tables/lines.csv",
    }
    Path("empty").mkdir()
    refused = sla("archive", "--period", "2011-1", "--reports", "empty", "-o", "b")
    assert refused.exit_code == 2
    assert "empty holds no reports" in refused.output


class Links(HTMLParser):
    """Where a page leads to, and which places it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        self.hrefs += [value for key in ("href", "src") if (value := found.get(key))]
        self.ids += [value for key, value in attrs if key == "id" and value]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("lang", ["it", "en", "fr"])
def test_every_link_of_the_pages_leads_to_a_place_in_the_archive(lang: str) -> None:
    assert sla("archive", "--period", "2011-1", "--lang", lang, "-o", "a").exit_code == 0
    root = Path("a").absolute()
    pages = {file: Links(file.read_text()) for file in root.rglob("*.html")}
    seen = set()
    for file, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), file
        assert not page.tags & {"script", "iframe", "object", "form"}, file
        for href in page.hrefs:
            name, _, anchor = href.partition("#")
            target = (file.parent / name).resolve() if name else file
            assert target.is_relative_to(root), href
            assert target.is_file(), f"{file}: {href}"
            assert not anchor or anchor in pages[target].ids, f"{file}: {href}"
            seen.add(target)
    unreached = {file for file in pages if file not in seen} - {root / "index.html"}
    assert not unreached
    row = (root / "pages/facts/tickets.html").read_text()
    assert re.search(r'<tr id="row-4">.*?T2', row, re.DOTALL)
    assert 'href="facts/tickets.html#row-4"' in (root / "pages/ip-base.html").read_text()
    assert "Ministero &#34;Esempio&#34; &amp; C." in (root / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--period"),
        (["--period", "2011-4"], "2011-4"),
        (["--period", "2011-1", "--lang", "de"], "--lang"),
        (["--period", "2011-1", "--reports", "nowhere"], "nowhere"),
        (["--period", "2011-1", "--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
@pytest.mark.usefixtures("place")
def test_a_wrong_call_ends_with_2_and_says_why(words: list[str], said: str) -> None:
    result = sla("archive", *words)
    assert result.exit_code == 2
    assert said in result.output
    assert not list(Path().glob("*.zip"))


@pytest.mark.usefixtures("place")
def test_verify_says_what_it_found_for_people_and_for_machines() -> None:
    said = archive("--period", "2011-1")
    assert said["archive"] == "pasprobe-2011-1.zip"
    text = sla("archive", "--verify", said["archive"], "--digest", said["digest"].upper())
    assert text.exit_code == 0
    assert "EUR recomputed: the same" in text.output
    assert "verified" in text.output
    found = json.loads(sla("archive", "--verify", said["archive"], "--json").stdout)
    assert found["ok"] is True
    assert found["period"] == "2011-1"
    assert found["total_eur"] == found["recomputed_eur"]
    wrong = sla("archive", "--verify", said["archive"], "--digest", "0" * 64)
    assert wrong.exit_code == 1


TRAIN = TrainRecord(
    "roma-01", "roma-01/ip-base", "roma-01", "ip-base", "", "", "icmp", "t", "192.0.2.1", 0, 10,
    10, 9, 1, 0, 0, 0, 0, 0, 300_000_000, "rtt", DelayFigures(), None, None, None, False, None,
    None, True, (), (), 10, 9, 0, 7, 2, 0, True, 1, (), (),
)  # fmt: skip


def measure(folder: Path) -> None:
    """A train a minute on the morning of 3 March, one packet of ten lost."""
    begin = int(datetime(2011, 3, 3, 8, tzinfo=ZoneInfo("Europe/Rome")).timestamp()) * 10**9
    rtt = DelayFigures(mean_ns=2_000_000, max_ns=2_000_000, within_limit=9, histogram=((150, 9),))
    trains = [
        replace(TRAIN, start_ns=begin + minute * 60 * 10**9, rtt=rtt) for minute in range(240)
    ]
    with Spool(folder / SPOOL_NAME) as spool:
        store = EmbeddedStore(folder, spool)
        spool.append(trains)
        store.roll_up(begin + 240 * 60 * 10**9 + QUARTER_NS, grace_ns=0)
        store.flush()


def test_measurements_are_archived_by_day_and_by_quarter(place: Path) -> None:
    (place / "data").mkdir()
    measure(place / "data")
    (place / "facts" / "traffic.csv").unlink()
    first = archive("--period", "2011-1", "-o", "a")
    again = archive("--period", "2011-1", "-o", "b.zip")
    assert first["digest"] == again["digest"]
    assert verify(Path("a")).ok
    days = json.loads(Path("a/inputs/traffic.json").read_text())
    found = {one["path"]: one for one in days}["roma-01/ip-base"]
    assert [(day["day"], day["sent"], day["received"]) for day in found["days"]][-1:] == [
        ("2011-03-03", 2400, 2160)
    ]
    import duckdb

    count, sent = duckdb.sql(
        "SELECT count(*), sum(sent) FROM 'a/store/rollups.parquet'"
    ).fetchall()[0]
    assert (count, sent) == (16, 2400)
    assert json.loads(Path("a/archive.json").read_text())["seals"]
    archive("--period", "2011-1", "--no-rollups", "-o", "c")
    assert not Path("c/store").exists()
    assert "left out" in json.loads(Path("c/archive.json").read_text())["rollups"]


def test_roll_ups_that_are_too_big_stay_in_the_store(place: Path) -> None:
    (place / "data").mkdir()
    measure(place / "data")
    reader = EmbeddedReader(place / "data")
    inputs = gather()
    file, why = rollups_file(reader, inputs, place / "r.parquet", limit=100)
    assert file is None
    assert "more than 100" in why
    assert rollups_file(reader, gather("2012-1"), place / "n.parquet")[0] is None
    assert rollups_file(None, inputs, place / "n.parquet") == (None, "no store was read")
    assert rollups_file(object(), inputs, place / "n.parquet")[0] is None  # type: ignore[arg-type]


def test_the_manifest_is_the_hash_of_every_file() -> None:
    octets = manifest_of({"b": b"2", "a/c": b"1"})
    assert octets.decode() == (
        f"{hashlib.sha256(b'1').hexdigest()}  a/c\n{hashlib.sha256(b'2').hexdigest()}  b\n"
    )
