"""The commands of notices, escalation and agenda, as they are called."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from notice_cases import desk_toml

AGENT = """
[agent]
name = "here"
data_dir = "data"
"""


class Place:
    def __init__(self, folder: Path, port: int) -> None:
        self.config = folder / "pasprobe.toml"
        self.config.write_text(AGENT + desk_toml(port))
        self.folder = folder / "data"

    def run(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pasprobe", "incident", *words, "--config",
             str(self.config)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def rows(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code))

    def open_ticket(self) -> str:
        from incidents.desk import open_desk
        from incidents.tickets import Actor, NewTicket

        with open_desk(self.folder) as desk:
            new = NewTicket(("ip-base",), "x", "blocking", desk.clock() - 10**9)
            return desk.open(new, Actor("somebody", "operator")).id


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, 25)


def test_a_dry_run_prints_the_timeline(place: Place) -> None:
    words = ("escalation", "--dry-run", "--opened", "2026-11-23T17:15:07")
    rows = place.rows(*words)
    assert [(row["level"], row["at"], row["answer_by"]) for row in rows] == [
        (1, "2026-11-23T17:15:07+01:00", "2026-11-23T17:45:07+01:00"),
        (2, "2026-11-23T17:45:07+01:00", ""),
    ]
    assert not place.folder.exists()
    answered = place.rows(*words, "--acknowledged", "2026-11-23T17:30")
    assert len(answered) == 1


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (("escalation", "--dry-run", "--party", "nobody"), "there are: operator, provider", 2),
        (("escalation", "--dry-run", "--party", "operator"), "has no contact", 2),
        (("escalation", "--dry-run", "--opened", "noon"), "is no time", 2),
        (("escalation", "--opened", "2026-11-23T17:15"), "--dry-run", 2),
        (("agenda", "--held", "maintenance", "--day", "2026-11-20"), "in person", 1),
        (("agenda", "--request", "party", "--day", "2026-11-20"), "surveillance, maintenance", 2),
        (("notify", "7", "declaration"), "there is no ticket", 1),
        (("called", "7", "reached"), "there is no call task 7", 1),
        (("outbox", "--resend", "7"), "there is no message 7", 1),
    ],
)
def test_a_wrong_call_says_what_to_do(
    place: Place, words: tuple[str, ...], says: str, code: int
) -> None:
    assert says in place.run(*words, code=code)


def test_from_the_declaration_to_the_provider_s_number(tmp_path: Path, mail_servers: Any) -> None:
    with mail_servers.smtp() as server:
        place = Place(tmp_path, server.port)
        ticket = place.open_ticket()
        (row,) = place.rows("notify", ticket, "declaration")
        assert row["state"] == "waiting"
        assert place.rows("notify", ticket, "declaration") == []
        assert place.rows("deliver") == {"accepted": 1, "refused": 0, "later": 0, "unsure": 0}
        assert server.recipients() == ["support@provider.example"]
    assert [row["state"] for row in place.rows("outbox", "--ticket", ticket)] == ["accepted"]
    assert len(place.rows("escalation")) == 1
    (call,) = place.rows("calls", code=1)
    place.run("called", str(call["id"]), "reached", "--provider-ticket", "4711", "--took-over")
    assert place.rows("calls") == []
    from incidents.desk import open_desk

    with open_desk(place.folder) as desk:
        found = desk.ticket(ticket)
    assert found.provider_ticket == "4711"
    assert [a.party for a in found.acknowledged] == ["provider"]


def test_the_agenda_keeps_a_committee(place: Place) -> None:
    words = ("agenda", "--today", "2026-11-23", "--days", "30")
    place.run(
        *words, "--held", "maintenance", "--day", "2026-11-25", "--in-person", code=1
    )  # the reports of October are overdue
    rows = place.rows(*words, code=1)
    assert ("2026-11-25", "maintenance", "held") in [
        (row["day"], row["kind"], row["state"]) for row in rows
    ]
    assert "2026-12-15" in place.run(*words, code=1)


def test_a_watch_delivers_although_its_store_is_not_there_yet(
    tmp_path: Path, mail_servers: Any
) -> None:
    with mail_servers.smtp() as server:
        place = Place(tmp_path, server.port)
        place.run("notify", place.open_ticket(), "declaration")
        said = place.run("watch", "--seconds", "2", "--every", "0.2")
        assert "nothing is judged meanwhile" in said
        end = time.monotonic() + 30
        while not server.mails and time.monotonic() < end:
            time.sleep(0.05)  # the courier outlives the watch
        assert [mail["To"] for mail in server.mails] == ["support@provider.example"]
