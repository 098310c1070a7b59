"""`pasprobe sla report` on the command line: files, exit codes, refusals that name the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from analysis import report_commands
from inventory.models import Influxdb
from timeseries.reader import Reader

CONTRACT = Path(__file__).parents[1] / "examples" / "contract"
Run = Callable[..., Result]


def no_server(_: Influxdb) -> Reader:
    raise AssertionError("nobody asks for a server here")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    app = typer.Typer()
    report_commands.register(app, no_server)

    @app.command()
    def other() -> None:
        """So that `report` stays a command of its own."""

    def call(*words: str) -> Result:
        given = ["report", "--config", str(CONTRACT / "pasprobe.toml"), "--as-of", "2011-09-25",
                 "--output", str(tmp_path / "out"), *words]  # fmt: skip
        return CliRunner().invoke(app, given)

    return call


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_contractual_report_is_italian_html_unless_asked_otherwise(
    run: Run, tmp_path: Path
) -> None:
    result = run("--kind", "contractual", "--period", "2011-2")

    assert result.exit_code == 0, result.output
    assert files(tmp_path / "out") == {"contractual-2011-2.it.html"}
    page = (tmp_path / "out" / "contractual-2011-2.it.html").read_text(encoding="utf-8")
    assert "Report contrattuale" in page


def test_data_formats_are_written_beside_each_other(run: Run, tmp_path: Path) -> None:
    result = run(
        "--kind", "technical", "--period", "2011-06", "--format", "json,csv", "--lang", "en",
        "--json",
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["missing"] == {"technical-2011-06": []}
    assert len(told["files"]) == len(files(tmp_path / "out"))
    assert "technical-2011-06.tables/lines.csv" in files(tmp_path / "out")


def test_items_without_data_are_named_and_end_in_exit_1(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "facts"
    empty.mkdir()

    result = run("--kind", "technical", "--period", "2011-06", "--facts", str(empty))

    assert result.exit_code == 1
    assert "no data: voip" in result.output


def test_each_incident_closed_in_the_month_is_a_file_in_french(run: Run, tmp_path: Path) -> None:
    result = run("--kind", "incident", "--period", "2011-06", "--format", "html")

    assert result.exit_code in (0, 1), result.output
    names = files(tmp_path / "out")
    assert len(names) > 1
    assert all(name.startswith("incident-") and name.endswith(".fr.html") for name in names)


def test_a_corrected_report_names_what_changed(run: Run, tmp_path: Path) -> None:
    first = run("--kind", "contractual", "--period", "2011-2", "--format", "json")
    assert first.exit_code == 0
    made = json.loads((tmp_path / "out" / "contractual-2011-2.json").read_text(encoding="utf-8"))
    line = next(x for x in made["lines"] if x["penalty_eur"] != "0.00")
    line["penalty_eur"] = "1.23"
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(made), encoding="utf-8")

    result = run(
        "--kind", "contractual", "--period", "2011-2", "--format", "html", "--lang", "en",
        "--previous", str(earlier),
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "contractual-2011-2.en.html").read_text(encoding="utf-8")
    assert "Changes since the report before" in page
    assert "1.23\u00a0€" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "yearly", "--period", "2011-2"), "one of contractual, technical"),
        (("--kind", "contractual", "--period", "2011-06"), "four-month period"),
        (("--kind", "technical", "--period", "2011-2"), "a month such as"),
        (("--kind", "technical", "--period", "2011-13"), "2011-05"),
        (("--kind", "technical", "--period", "2011-06", "--format", "docx"), "html,pdf,csv,json"),
        (("--kind", "technical", "--period", "2011-06", "--lang", "de"), "it, en, fr"),
        (("--kind", "supervision", "--period", "2011-06", "--client", "nobody"), "no [[client]]"),
        (("--kind", "incident", "--period", "2011-06", "--ticket", "T-0"), "no ticket 'T-0'"),
        (("--kind", "contractual", "--period", "2011-2", "--previous", "none.json"), "none.json"),
        (("--kind", "contractual", "--period", "2011-2", "--send", "--media"), "is not mailed"),
        (("--kind", "contractual", "--period", "2011-2", "--to", "a@example.net"), "add --send"),
    ],
)
def test_a_wrong_call_is_refused_with_its_remedy(
    run: Run, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    result = run(*words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_earlier_result_that_is_no_json_is_refused(run: Run, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text("[]", encoding="utf-8")

    result = run("--kind", "contractual", "--period", "2011-2", "--previous", str(earlier))

    assert result.exit_code == 2
    assert "no JSON object" in result.stderr
