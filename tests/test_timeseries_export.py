"""`pasprobe export`: the schema's columns, what was selected and nothing else, clear refusals."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from timeseries import commands
from timeseries.codec import columns
from timeseries.embedded import EmbeddedStore
from timeseries.errors import StoreError
from timeseries.export import instant_ns, matching
from timeseries.records import DelayFigures, PlanRecord, SampleRecord, TrainRecord
from timeseries.spool import Spool

DAY_NS = 86_400 * 10**9
D0 = 20_454 * DAY_NS  # 2026-01-01
RTT = DelayFigures(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 9, ((150, 5), (151, 4)))
TRAIN = TrainRecord(
    "roma", "p", "roma-01", "ip-base", "", "qxn", "icmp", "t", "192.0.2.1", D0, 10, 10, 9, 1, 0, 0,
    0, 0, 0, 300_000_000, "rtt", RTT, None, None, None, False, None, None, True, (), ("a", 'b"'),
    10, 9, 0, 0, 0, 0, True, 1, (), (("ENOBUFS", 2),),
)  # fmt: skip


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of trains of two paths; half in Parquet, half still in the spool."""
    folder = tmp_path_factory.mktemp("export") / "data"
    with Spool(folder / "spool.sqlite") as spool:
        store = EmbeddedStore(folder, spool)
        for day in range(4):
            start = D0 + day * DAY_NS
            for path in ("roma-01/ip-base", "roma-01/voip", "milano-01/ip-base"):
                spool.append(
                    [
                        PlanRecord("roma", path, start, True, 60 * 10**9, 10, None),
                        replace(TRAIN, start_ns=start, path=path),
                        SampleRecord("roma", path, start, (2,), (1,), (2,), (2,), (2,), (0,), (0,)),
                    ]
                )
            store.roll_up(D0 + 10 * DAY_NS)
            if day == 1:
                store.flush()
    return folder


def call(data_dir: Path, *arguments: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.register(app, lambda _: data_dir)
    return CliRunner().invoke(app, ["export", *arguments])


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_header_with_the_columns_of_the_schema_and_one_row_a_train(
    data_dir: Path,
) -> None:
    result = call(data_dir, "trains")
    assert result.exit_code == 0
    rows = rows_of(result.stdout)
    assert list(rows[0]) == ["start", *(name for name, _ in columns("trains"))]
    assert len(rows) == 12
    first = rows[0]
    assert (first["start"], first["start_ns"]) == ("2026-01-01T00:00:00.000000Z", str(D0))
    assert json.loads(first["rtt_histogram_bins"]) == [150, 151]
    assert json.loads(first["flags"]) == ["a", 'b"']
    assert (first["valid"], first["forward_min_ns"], first["peer"]) == ("true", "", "")


@pytest.mark.parametrize(
    ("kind", "expected"), [("trains", 12), ("rollups", 12), ("samples", 12), ("plans", 12)]
)
def test_every_kind_goes_into_parquet(
    data_dir: Path, tmp_path: Path, kind: str, expected: int
) -> None:
    import duckdb

    target = tmp_path / f"{kind}.parquet"
    result = call(data_dir, kind, "--output", str(target), "--json")
    said = json.loads(result.stdout)
    assert (said["records"], said["paths"], said["format"]) == (expected, 3, "parquet")
    assert said["bytes"] == target.stat().st_size
    found = duckdb.sql(f"FROM '{target}'")
    assert found.columns == ["start", *(name for name, _ in columns(kind))]
    assert len(found.fetchall()) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--path", "roma-01/*"], 8),
        (["--path", "roma-01/voip", "--path", "milano*"], 8),
        (["--from", "2026-01-02"], 9),
        (["--to", "2026-01-02"], 3),
        (["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-04T01:00+01:00"], 6),
        (["--from", "2026-01-01T00:00:00.000001"], 9),
    ],
)
def test_path_and_time_select(data_dir: Path, arguments: list[str], expected: int) -> None:
    assert len(rows_of(call(data_dir, "trains", *arguments).stdout)) == expected


def test_a_file_is_told_in_one_line(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "trains.csv"
    result = call(data_dir, "trains", "-o", str(target))
    assert result.stdout == f"{target}: 12 trains of 3 paths\n"
    assert len(rows_of(target.read_text())) == 12
    assert [file.name for file in tmp_path.iterdir()] == ["trains.csv"]


def test_several_stores_are_exported_together(data_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Spool(other / "spool.sqlite") as spool:
        spool.append([replace(TRAIN, agent="milano")])
    result = call(data_dir, "trains", "--store", str(data_dir), "--store", str(other))
    assert len(rows_of(result.stdout)) == 13


def test_nothing_in_the_time_is_status_1_and_no_file(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "none.csv"
    result = call(data_dir, "trains", "--from", "2030-01-01", "-o", str(target))
    assert result.exit_code == 1
    assert "no trains in this time: nothing was written" in result.stderr
    assert not target.exists()


def test_a_path_that_is_not_there_is_status_1_and_the_others_are_named(data_dir: Path) -> None:
    result = call(data_dir, "trains", "--path", "torino*")
    assert result.exit_code == 1
    assert "no path 'torino*' has records in this time; there are: milano-01" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trains", "--from", "yesterday"], "'yesterday' is no ISO 8601 time"),
        (["trains", "--from", "2026-01-03", "--to", "2026-01-02"], "is not before --to"),
        (["trains", "--store", "/nowhere"], "/nowhere holds no records"),
        (["trains", "--json"], "add --output FILE"),
        (["trains", "-o", "/nowhere/x.csv"], "there is no folder /nowhere"),
        (["cats"], "'cats' is not one of"),
    ],
)
def test_a_wrong_call_is_status_2_and_says_why(
    data_dir: Path, arguments: list[str], message: str
) -> None:
    result = call(data_dir, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_damaged_file_is_named_and_the_rest_is_written(data_dir: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(data_dir / "store", copy / "store")
    files = sorted((copy / "store" / "trains").glob("*/*.parquet"))
    files[0].write_bytes(b"PAR1" + b"\0" * 50)
    target = tmp_path / "out.csv"
    result = call(data_dir, "trains", "--store", str(copy), "-o", str(target), "--json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (said["records"], said["damaged"]) == (3, [str(files[0])])
    assert f"left out, damaged: {files[0]}" in result.stderr


def test_a_reader_that_has_enough_ends_the_export_quietly(data_dir: Path) -> None:
    code = (
        "import sys, typer; from pathlib import Path; from timeseries.commands import register\n"
        "app = typer.Typer(); app.callback()(lambda: None)\n"
        "register(app, lambda _: Path('/nowhere'))\n"
        "app()"
    )
    command = [sys.executable, "-c", code, "export", "trains", "--store", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_times_without_an_offset_are_utc() -> None:
    assert instant_ns("2026-01-01") == instant_ns("2026-01-01T01:00+01:00") == D0
    assert instant_ns("2026-01-01T00:00:00.000001Z") == D0 + 1000


def test_a_pattern_matches_ids_and_an_id_with_brackets_itself() -> None:
    known = ["a/x", "a/y", "b[1]/x"]
    assert matching(known, ["a/*"]) == ["a/x", "a/y"]
    assert matching(known, ["*/x", "a/x"]) == ["a/x", "b[1]/x"]
    assert matching(known, ["b[1]/x"]) == ["b[1]/x"]
    with pytest.raises(StoreError, match="no path 'c'"):
        matching(known, ["c"])


def test_the_command_line_starts_without_heavy_imports() -> None:
    code = (
        "import sys, timeseries.commands;"
        "sys.exit(bool({'duckdb', 'numpy', 'rich', 'sqlite3', 'timeseries.reader'}"
        " & (set(sys.modules) - before)))"
    )
    before = "import sys, typer; before = set(sys.modules);"
    assert subprocess.run([sys.executable, "-c", before + code], check=False).returncode == 0
