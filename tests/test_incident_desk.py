"""The desk's file: append-only, all or nothing, the same after kill -9, several processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.changes import (
    Comment,
    Declare,
    JoinAlert,
    Plan,
    PlanDone,
    PlanSent,
    Report,
    Restore,
    Update,
)
from incidents.criticality import Rules, criticality_of, criticality_of_pas
from incidents.database import DESK_NAME
from incidents.desk import Desk, open_desk
from incidents.errors import DeskFileError, NoSuchError, RefusedError
from incidents.history import replay
from incidents.tickets import OPEN, SYSTEM, Actor, Hit, NewAlert, NewTicket, State

WHO = Actor("desk", "operator")
BEGAN = 1_700_000_000_000_000_000


def new(*pas: str) -> NewTicket:
    return NewTicket(("ip-base",), "line cut", "blocking", BEGAN, pas or ("roma-01",))


def test_a_ticket_is_what_its_history_makes_of_it(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        ticket = desk.open(new(), WHO)
        alert = desk.raise_alert(NewAlert("k", "train", "lost", BEGAN, pas=("milano-01",)), SYSTEM)
        for change in (
            Report(), Plan("replace the fibre", "provider"), PlanSent((1,)), PlanDone(1, "spliced"),
            JoinAlert(alert.id, ("milano-01",), ("voip",)), Restore(cause="road works"),
            Comment("thank you"),
        ):  # fmt: skip
            desk.change(ticket.id, WHO, change)
        desk.attach(ticket.id, WHO, "trains", "trains.csv", b"lost\n5\n")
        found = desk.ticket("1")
    assert found.pas == ("roma-01", "milano-01")
    assert (found.affected, found.services) == (2, ("ip-base", "voip"))
    assert found.plan[0].sent_ns is not None
    assert found.plan[0].outcome == "spliced"
    with open_desk(tmp_path) as again:
        assert again.ticket(ticket.id) == found
        assert replay(ticket.id, again.history(ticket.id)) == found
        assert again.content(found.evidence[0]) == b"lost\n5\n"
        numbers = [entry.number for entry in again.since(0)]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM history",
        "UPDATE history SET who = '{}'",
        "DELETE FROM tickets",
        "DELETE FROM alerts",
        "DELETE FROM attachments",
        "UPDATE attachments SET content = x'00'",
    ],
)
def test_nothing_is_ever_deleted_or_rewritten(tmp_path: Path, statement: str) -> None:
    with open_desk(tmp_path) as desk:
        ticket = desk.open(new(), WHO)
        desk.attach(ticket.id, WHO, "trains", "trains.csv", b"lost")
        desk.raise_alert(NewAlert("k", "train", "lost", BEGAN), SYSTEM)
    connection = sqlite3.connect(tmp_path / DESK_NAME)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()


def test_a_key_opens_one_ticket_and_raises_one_alert(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        first = desk.open(new(), WHO, key="device/pix-1/1")
        desk.change(first.id, WHO, Comment("x"))
        assert desk.open(new("milano-01"), WHO, key="device/pix-1/1").id == first.id
        assert desk.open(new("milano-01"), WHO, key="device/pix-1/2").id != first.id
        alert = desk.raise_alert(NewAlert("a", "train", "lost", BEGAN), SYSTEM)
        assert desk.raise_alert(NewAlert("a", "silence", "other", BEGAN), SYSTEM) == alert
        assert len(desk.alerts()) == 1
        assert len(desk.tickets(states=OPEN)) == 2
        assert [t.pas for t in desk.tickets(pas="milano-01")] == [("milano-01",)]


def test_a_transaction_that_fails_leaves_nothing_and_a_step_inside_is_undone_alone(
    tmp_path: Path,
) -> None:
    with open_desk(tmp_path) as desk:

        def declare_unanalysed() -> None:
            with desk.transaction():
                ticket = desk.open(new(), WHO)
                alert = desk.raise_alert(NewAlert("a", "train", "lost", BEGAN), SYSTEM)
                desk.change_alert(alert.id, WHO, Declare(ticket.id))

        with pytest.raises(RefusedError, match="not been analysed"):
            declare_unanalysed()
        assert desk.tickets() == ()
        assert desk.alerts() == ()
        assert desk.since(0) == ()
        with desk.transaction():
            kept = desk.open(new(), WHO)
            with contextlib.suppress(ZeroDivisionError), desk.transaction():
                desk.change(kept.id, WHO, Restore())
                raise ZeroDivisionError
        assert desk.ticket(kept.id).state is State.OPENED
        assert len(desk.history(kept.id)) == 1


def test_what_cannot_be_used_is_said_with_the_file_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / DESK_NAME).write_bytes(b"this is no database, but a text of some length" * 99)
    with pytest.raises(DeskFileError, match=r"damaged.*put back a copy"):
        open_desk(tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(DeskFileError, match="choose another data_dir"):
        open_desk(tmp_path / "file")
    with open_desk(tmp_path / "b") as desk:
        with pytest.raises(NoSuchError, match="incident list"):
            desk.ticket("77")
        with desk.transaction() as connection:
            connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DeskFileError, match="newer pasprobe"):
        open_desk(tmp_path / "b")


_WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from incidents.changes import Comment, Report, Restore
    from incidents.desk import open_desk
    from incidents.tickets import Actor, NewTicket

    who, desk, number = Actor("w", "operator"), open_desk(Path(sys.argv[1])), int(sys.argv[2])
    while True:
        number += 1
        new = NewTicket(("ip-base",), f"cut {number}", "blocking", 1, ("roma-01",))
        ticket = desk.open(new, who, key=f"key/{number}")
        for change in (Report(), Comment("a" * 3000), Restore()):
            desk.change(ticket.id, who, change)
            print(ticket.id, type(change).__name__, flush=True)
        desk.attach(ticket.id, who, "trains", "t", bytes(number % 256 for _ in range(50_000)))
    """
)


@pytest.mark.soak
def test_killed_at_any_moment_it_keeps_what_was_done_and_nothing_by_half(
    tmp_path: Path, soak: bool
) -> None:
    rng, known = random.Random(7), 0
    for _ in range(50 if soak else 5):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), str(known)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        time.sleep(rng.uniform(0, 0.15))
        os.kill(writer.pid, signal.SIGKILL)
        said += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait()
        with open_desk(tmp_path) as desk:
            tickets = desk.tickets()
            for line in said:
                ticket_id, _, change = line.strip().partition(" ")
                if line.endswith("\n"):
                    kinds = [type(e.change).__name__ for e in desk.history(ticket_id)]
                    assert change in kinds, "what a caller was told is done has to be there"
            for ticket in tickets:
                assert replay(ticket.id, desk.history(ticket.id)) == ticket
                assert all(desk.content(one) for one in ticket.evidence)
            assert len({ticket.key for ticket in tickets}) == len(tickets)
            ids = [int(ticket.id.removeprefix("INC-")) for ticket in tickets]
            assert sorted(ids) == list(range(1, len(ids) + 1))
            known = max(int(ticket.key.removeprefix("key/")) for ticket in tickets)


def test_two_processes_write_into_one_desk(tmp_path: Path) -> None:
    script = _WRITER.replace("while True:", "for _ in range(8):")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(start)],
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parent.parent,
        )
        for start in (0, 1000)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    with open_desk(tmp_path) as desk:
        assert len(desk.tickets()) == 16
        assert all(t.state is State.RESTORED and len(t.evidence) == 1 for t in desk.tickets())


RULES = Rules(shops=10, operators=3, values=40)


@pytest.mark.parametrize(
    ("hit", "expected"),
    [
        (Hit(), "minor"),
        (Hit(tills=2), "minor"),
        (Hit(tills=2, shops=1, operators=1, values=1), "minor"),
        (Hit(tills=3, shops=1), "major"),
        (Hit(shops=2, operators=1, values=1), "major"),
        (Hit(shops=1, operators=2), "major"),
        (Hit(shops=1, values=2), "major"),
        (Hit(shops=1, operators=3, values=40), "major"),
        (Hit(shops=10, operators=2, values=40), "major"),
        (Hit(shops=10, operators=3, values=40), "critical"),
    ],
)
def test_criticality_follows_annex_1(hit: Hit, expected: str) -> None:
    assert criticality_of(hit, RULES) == expected


def test_where_one_complete_dimension_is_enough_it_says_so() -> None:
    rules = Rules(shops=10, operators=3, values=40, critical="any")
    assert criticality_of(Hit(shops=1, operators=3), rules) == "critical"
    assert criticality_of(Hit(shops=9, operators=2), rules) == "major"


@pytest.mark.parametrize(
    ("count", "severity", "expected"),
    [
        (1, "blocking", "major"), (1, "non-blocking", "minor"), (2, "non-blocking", "major"),
        (9, "blocking", "major"), (10, "blocking", "critical"), (10, "non-blocking", "major"),
    ],
)  # fmt: skip
def test_pas_alone_tell_the_criticality_too(count: int, severity: str, expected: str) -> None:
    assert criticality_of_pas(count, severity, RULES) == expected  # type: ignore[arg-type]


@given(
    st.builds(Hit, *[st.none() | st.integers(0, 50)] * 4),
    st.sampled_from(["tills", "shops", "operators", "values"]),
)
def test_more_that_is_hit_is_never_less_critical(hit: Hit, field: str) -> None:
    order = ["minor", "major", "critical"]
    more = {name: getattr(hit, name) for name in ("tills", "shops", "operators", "values")}
    more[field] = (more[field] or 0) + 1
    before, after = criticality_of(hit, RULES), criticality_of(Hit(**more), RULES)
    assert order.index(after) >= order.index(before)


def test_the_desks_own_rules_are_applied_at_the_opening(tmp_path: Path) -> None:
    with Desk(tmp_path / DESK_NAME, rules=Rules(shops=2)) as desk:
        assert desk.open(new("roma-01", "milano-01"), WHO).criticality == "critical"
        assert desk.open(new("roma-01"), WHO).criticality == "major"


def test_the_criticality_follows_what_becomes_known_until_a_person_says_it(tmp_path: Path) -> None:
    with open_desk(tmp_path, rules=Rules(shops=2)) as desk:
        ticket = desk.open(replace(new(), severity="non-blocking"), WHO)
        assert ticket.criticality == "minor"
        assert desk.change(ticket.id, WHO, Update(hit=Hit(tills=9))).criticality == "major"
        assert desk.change(ticket.id, WHO, Update(hit=Hit(shops=2))).criticality == "critical"
        assert desk.change(ticket.id, WHO, Update(criticality="minor")).criticality == "minor"
        last = desk.change(ticket.id, WHO, Update(hit=Hit(shops=1, tills=9)))
        assert last.criticality == "minor"
        seen = desk.open(new(), SYSTEM)
        alert = desk.raise_alert(NewAlert("k", "train", "lost", BEGAN, pas=("milano-01",)), SYSTEM)
        joined = desk.change(seen.id, SYSTEM, JoinAlert(alert.id, ("milano-01",)))
        assert (seen.criticality, joined.criticality) == ("major", "critical")
        assert replay(seen.id, desk.history(seen.id)) == joined
