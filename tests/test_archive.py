"""The archive of a period: frozen, and read by people and machines."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from archive_cases import TICKETS, archive, gather, names, sign_again, sla

import pasprobe
from analysis.archive import layout
from analysis.archive.container import manifest_of, opened, written
from analysis.archive.rollups import rollups_file
from analysis.archive.verify import verify
from analysis.archive.write import Parts, facts_files, write_archive
from analysis.documents.language import language
from analysis.documents.material import Material
from analysis.errors import ArchiveError
from analysis.evaluation.evaluate import evaluate
from analysis.facts import Where
from timeseries.embedded import EmbeddedStore
from timeseries.reader import EmbeddedReader
from timeseries.records import DelayFigures, TrainRecord
from timeseries.rollup import QUARTER_NS
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME


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
def test_sha256sum_says_the_same(need: Any) -> None:
    need("sha256sum")
    archive("--period", "2011-1", "-o", "a")
    command = ["sha256sum", "--check", "--strict", "--quiet", layout.MANIFEST]
    assert subprocess.run(command, cwd="a", check=False).returncode == 0
    Path("a/result.json").write_text("{}")
    assert subprocess.run(command, cwd="a", check=False, capture_output=True).returncode == 1


@pytest.mark.usefixtures("place")
def test_no_secret_and_no_place_of_one_is_in_an_archive() -> None:
    archive("--period", "2011-1", "-o", "a")
    told = b"".join((Path("a") / name).read_bytes() for name in names(Path("a")))
    for word in (b"VARIABLE_OF", b"mail-user", b"mail.example", b"127.0.0.1"):
        assert word not in told
    assert b"192.0.2.2" in told


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
