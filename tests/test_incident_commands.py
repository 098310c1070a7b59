"""`pasprobe incident` from opening to dossier, and its tickets in the evaluation."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

import pasprobe
from incidents.clocks_of import HOUR_NS, clocks_of
from incidents.desk import open_desk

ROOT = Path(__file__).parent.parent
USERS = """
[incident]
data_dir = "desk"
users = [ { name = "roc", role = "roc" }, { name = "hotline", role = "provider" } ]
criticality = { operators = 3 }
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "contract"
    shutil.copytree(ROOT / "examples" / "contract", folder)
    config = folder / "pasprobe.toml"
    config.write_text(config.read_text() + USERS)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PASPROBE_CONFIG", raising=False)
    return folder


def run(*words: str, code: int = 0) -> Result:
    found = CliRunner().invoke(pasprobe.app, list(words))
    assert found.exit_code == code, found.output + found.stderr
    return found


def said(*words: str, code: int = 0) -> Any:
    return json.loads(run(*words, "--json", code=code).stdout)


def opened(*more: str) -> Any:
    return said(
        "incident", "open", "line cut", "--pas", "roma-01", "--service", "ip-base",
        "--severity", "blocking", "--at", "2026-11-20T10:00", *more,
    )  # fmt: skip


def test_a_ticket_goes_from_its_opening_to_its_dossier(place: Path) -> None:
    assert opened("--reported", "2026-11-20T10:05")["state"] == "reported"
    run("incident", "assign", "1", "night shift")
    run("incident", "ack", "1", "--note", "hotline")
    updated = said(
        "incident", "update", "1", "--responded", "2026-11-20T10:20", "--diagnosis", "fibre cut",
        "--expected", "2026-11-20T13:00", "--plan", "provider:splice it",
        "--provider-ticket", "4711", "--severity-provider", "non-blocking",
        "--severity-administration", "blocking",
    )  # fmt: skip
    assert (updated["state"], updated["severity"]) == ("responded", "blocking")
    assert updated["plan"][0]["party"] == "provider"
    run("incident", "update", "1", "--restored", "2026-11-20T12:00", "--plan-done", "1")
    refused = run("incident", "validate", "1", "--who", "hotline", code=1)
    assert "may not validate" in refused.stderr
    assert said("incident", "validate", "1", "--who", "roc")["state"] == "validated"
    assert "has not accepted" in run("incident", "close", "1", code=1).stderr
    (place / "report.txt").write_text("spliced")
    closed = said(
        "incident", "close", "1", "--accepted-by", "Ms A", "--provider-report", "report.txt",
        "--corrective", "none was needed",
    )  # fmt: skip
    assert closed["state"] == "closed"
    shown = said("incident", "show", "INC-000001")
    assert [clock["kept"] for clock in shown["clocks"]][:1] == [True]
    by_roc = next(entry for entry in shown["trail"] if entry["what"] == "Validate")
    assert (by_roc["who"], by_roc["role"]) == ("roc", "roc")
    assert by_roc["via"], "the login that said --who is written down"
    assert "validated" in run("incident", "show", "1").stdout
    assert said("incident", "list") == []
    assert len(said("incident", "list", "--all")) == 1
    files = said("incident", "export", "--pas", "roma-01", "--output", "dossier")["files"]
    names = {str(Path(name).relative_to("dossier")) for name in files}
    assert "evidence/INC-000001/001-report.txt" in names
    for line in (place / "dossier" / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((place / "dossier" / name).read_bytes()).hexdigest() == digest
    assert said("incident", "export", "--pas", "tokyo-01", "-o", "other")["tickets"] == []
    assert "not empty" in run("incident", "export", "--output", "dossier", code=2).stderr


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["open", "x", "--pas", "rome", "--service", "ip-base", "--severity", "blocking"], 2,
         'there is no PAS "rome"'),
        (["open", "x", "--pas", "roma-01", "--service", "ipbase", "--severity", "blocking"], 2,
         "did you mean"),
        (["open", "x", "--pas", "roma-01", "--service", "ip-base", "--severity", "bad"], 2,
         "blocking or non-blocking"),
        (["open", "x", "--pas", "roma-01", "--service", "voip", "--severity", "blocking",
          "--component", "device"], 2, "no such component"),
        (["open", "x", "--pas", "roma-01", "--service", "ip-base", "--severity", "blocking",
          "--at", "yesterday"], 2, "is no time"),
        (["show", "9"], 1, "no ticket '9'"),
        (["update", "1"], 1, "no ticket"),
        (["alert", "3"], 1, "no alert 3"),
        (["import", "none.csv"], 2, "name another file"),
        (["list", "--pas", "rome"], 2, 'there is no PAS "rome"'),
        (["called", "1", "perhaps"], 2, "say reached or not-reached"),
    ],
)  # fmt: skip
def test_a_wrong_call_says_what_and_leaves_nothing(words: list[str], code: int, text: str) -> None:
    assert text in run("incident", *words, code=code).stderr
    assert said("incident", "list", "--all") == []


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["update", "1", "--reopen", "x"], "it was not restored, so it is open as it is"),
        (["update", "1", "--expected", "2020-01-01T00:00"], "expected back before it failed"),
        (["assign", "1", ""], "no name is given"),
        (["update", "1", "--restored", "2020-01-01T00:00"], "before it was opened"),
    ],
)
def test_a_step_without_sense_is_refused(words: list[str], text: str) -> None:
    opened()
    assert text in run("incident", *words, code=1).stderr


def test_a_ticket_has_the_address_that_is_measured_and_takes_what_is_hit(place: Path) -> None:
    with (place / "pasprobe.toml").open("a") as config:
        config.write('[[path]]\nid = "roma-01/x"\npas = "roma-01"\nservice = "ip-base"\n')
        config.write('target = "192.0.2.1"\n')
    ticket = opened("--tills", "1")
    assert ticket["address"] == "192.0.2.1"
    assert ticket["criticality"] == "minor"
    assert said("incident", "update", "1", "--tills", "9")["criticality"] == "major"


@pytest.mark.usefixtures("place")
def test_a_runbook_without_anybody_who_answers_is_left() -> None:
    opened()
    words = run("incident", "runbook", "1", "--book", "switch").stdout
    assert "1/2 restore (provider)" in words
    assert "Left; the same command goes on here." in words


@pytest.mark.usefixtures("place")
def test_an_update_is_all_or_nothing() -> None:
    opened()
    run("incident", "update", "1", "--cause", "x", "--responded", "now", "--diagnosis", "d",
        "--expected", "now", code=1)  # fmt: skip
    assert said("incident", "show", "1")["cause"] == ""


def evaluated(*more: str) -> Any:
    words = ("sla", "evaluate", "--period", "2011-2", "--as-of", "2011-09-20", *more, "--json")
    found = CliRunner().invoke(pasprobe.app, list(words))
    assert found.exit_code == 1, found.output + found.stderr
    return json.loads(found.stdout)


def test_the_desk_gives_the_same_penalties_as_the_file_and_an_id_counts_once(place: Path) -> None:
    from_file = evaluated()
    assert len(said("incident", "import", "facts/tickets.csv")["imported"]) == 74
    assert "has one of this id" in run("incident", "import", "facts/tickets.csv", code=1).stderr
    twice = run("sla", "evaluate", "--period", "2011-2", code=2)
    assert "is an id of the incident desk" in twice.stderr
    (place / "facts" / "tickets.csv").unlink()
    from_desk = evaluated()
    named = {place for line in from_desk["lines"] for place in line["evidence"]}
    assert any(one.startswith("desk/T-1101:") for one in named)
    for result in (from_file, from_desk):
        for line in result["lines"]:
            line["evidence"] = None
    assert from_desk == from_file
    run("incident", "export", "--facts", "--output", "facts/tickets.csv")
    shutil.rmtree(place / "desk")
    back = evaluated()
    for line in back["lines"]:
        line["evidence"] = None
    assert back == from_file
    with (place / "facts" / "tickets.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 74


def test_a_providers_mail_answers_a_ticket_or_becomes_one_alert(place: Path) -> None:
    opened()
    head = "From: hotline@example.net\r\nMessage-ID: <1@example.net>\r\n"
    (place / "a.eml").write_text(f"{head}Subject: Re: INC-000001 Ticket 471100\r\n\r\nwe look")
    answered = said("incident", "import", "--mail", "a.eml")
    assert (answered["ticket"], answered["provider_ticket"]) == ("INC-000001", "471100")
    (place / "b.eml").write_text(
        f"{head}Subject: high load on a firewall of roma-01\r\n\r\nsee there"
    )
    assert [said("incident", "import", "--mail", "b.eml")["alert"] for _ in range(2)] == [1, 1]
    (alert,) = said("incident", "list", "--alerts")
    assert (alert["source"], alert["pas"]) == ("mail", ["roma-01"])
    assert "not been analysed" in run("incident", "alert", "1", "--dismiss", "x", code=1).stderr
    judged = said("incident", "alert", "1", "--analyse", "backup traffic", "--dismiss", "no harm")
    assert judged["state"] == "dismissed"
    run("incident", "import", code=2)
    (place / "c.eml").write_bytes(b"\xff\xfe no mail")
    refused = run("incident", "import", "--mail", "c.eml", code=2).stderr
    assert refused.startswith("c.eml: this is no mail")
    assert (
        "none.eml: No such file" in run("incident", "import", "--mail", "none.eml", code=2).stderr
    )


def delivered(number: int, state: str) -> None:
    """As the courier writes it down when the server answers."""
    with sqlite3.connect("desk/desk.sqlite") as connection:
        connection.execute(
            "UPDATE outbox_deliveries SET state = ?, changed_ns = ? WHERE message = ?",
            (state, 1_307_700_000_000_000_000, number),  # 2011-06-10
        )
    connection.close()


def test_a_report_that_was_sent_counts_as_delivered_when_it_was_accepted(place: Path) -> None:
    config = place / "pasprobe.toml"
    mail = '[mail]\nhost = "127.0.0.1"\nfrom = "desk@example.net"\n'
    notices = '[notices]\nown = "provider"\nprovider = "provider"\n'
    config.write_text(config.read_text() + mail + notices)
    facts = place / "facts" / "deliveries.csv"
    rows = facts.read_text().splitlines(keepends=True)
    facts.write_text("".join(row for row in rows if not row.startswith("technical,2011-05")))
    period = ("--period", "2011-05", "--as-of", "2011-09-20")
    words = ("sla", "report", "--kind", "technical", *period, "--send")
    assert "add --to" in CliRunner().invoke(pasprobe.app, list(words)).stderr
    for _ in range(2):
        found = CliRunner().invoke(pasprobe.app, [*words, "--to", "a@example.net", "--json"])
        assert json.loads(found.stdout)["messages"] == [1], "the same files are sent once"

    def delivery() -> list[str]:
        lines = evaluated()["lines"]
        deadline = [line for line in lines if line["parameter"] == "technical-report-deadline"]
        return [place for line in deadline for place in line["evidence"]]

    assert not any(one.startswith("desk/outbox") for one in delivery())
    delivered(1, "accepted")
    assert "desk/outbox:1" in delivery()


def test_the_incident_report_has_the_desks_trail(place: Path) -> None:
    run("incident", "import", "facts/tickets.csv")
    (place / "facts" / "tickets.csv").unlink()
    run("incident", "comment", "T-1101", "the road works firm was told")
    run("sla", "report", "--kind", "incident", "--period", "2011-2", "--ticket", "T-1101",
        "--lang", "it", "--as-of", "2011-09-20")  # fmt: skip
    page = (place / "reports" / "incident-T-1101.it.html").read_text()
    assert "the road works firm was told" in page
    assert "in parole" in page


@pytest.mark.usefixtures("place")
def test_a_withdrawn_ticket_is_kept_and_is_no_fact() -> None:
    opened()
    run("incident", "update", "1", "--withdraw", "the agent was down", code=1)
    run("incident", "update", "1", "--withdraw", "the agent was down", "--who", "roc")
    facts = run("incident", "export", "--facts").stdout
    assert len(facts.splitlines()) == 1
    assert said("incident", "list", "--all")[0]["state"] == "withdrawn"


def test_the_clocks_run_in_the_right_hours(place: Path) -> None:
    from analysis.desk_limits import limits_for
    from inventory.load import load

    opened("--reported", "2026-11-20T10:00")
    limits = limits_for(load(None, environ={}, resolve_secrets=False).configuration)
    with open_desk(place / "desk") as desk:
        ticket = desk.ticket("1")
    now = ticket.opened_ns + 3 * HOUR_NS
    gtr, limit = clocks_of(ticket, now, gtr_ns=4 * HOUR_NS, limits=limits)
    assert (gtr.name, gtr.left_ns) == ("gtr", HOUR_NS)
    assert (limit.name, limit.left_ns) == ("restoration", 5 * HOUR_NS)  # roma-01: L3, extended
    late = clocks_of(ticket, now + 2 * HOUR_NS, gtr_ns=4 * HOUR_NS, limits=limits)
    assert [clock.kept for clock in late] == [False, True]
    listed = said("incident", "list")[0]["clocks"]
    assert [clock["name"] for clock in listed] == ["gtr", "restoration"]


def test_no_command_of_the_desk_slows_the_start() -> None:
    heavy = ("pydantic", "sqlite3", "jinja2", "aiosmtplib")
    script = f"import sys, pasprobe; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
