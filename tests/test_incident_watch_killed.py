"""The watch is killed between any two steps, again and again: nothing is lost, nothing repeated."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from incidents.desk import Desk, open_desk
from incidents.tickets import State
from incidents.watch import Watch

SECOND = 10**9
START = 1_777_888_800 * SECOND

SCRIPT = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("incident_trains", sys.argv[1])
tools = importlib.util.module_from_spec(spec)
sys.modules["incident_trains"] = tools
spec.loader.exec_module(tools)
from incidents.desk import open_desk
from incidents.watch import Watch

SECOND, START, PAS = 10**9, int(sys.argv[3]), 20
letters = sys.argv[4]
done = Path(sys.argv[2]) / "second"
now = START
configuration = tools.configuration(PAS, {"pix": list(range(PAS))})
store = tools.Store()
names = [path.id for path in configuration.paths]
store.planned = [tools.plan(name, START - 60 * SECOND) for name in names]
second = int(done.read_text()) if done.exists() else 0
for n in range(second):
    store.kept += [tools.train(name, START + n * SECOND, letters[n]) for name in names]
with open_desk(Path(sys.argv[2]), clock=lambda: now) as desk:
    now = START + second * SECOND
    watch = Watch(desk, store, configuration)
    print(second, flush=True)
    for n in range(second, len(letters)):
        store.kept += [tools.train(name, START + n * SECOND, letters[n]) for name in names]
        now = START + (n + 1) * SECOND
        watch.look(now - SECOND // 2)
        aside = done.with_name("second.new")
        aside.write_text(str(n + 1))
        aside.replace(done)
        print(n + 1, flush=True)
    while True:
        print(len(letters), flush=True)
        __import__("time").sleep(0.05)
"""


@pytest.mark.soak
def test_a_watch_that_is_killed_loses_no_ticket_and_repeats_none(
    tmp_path: Path, killed_at_random: Callable[..., int], incident_trains: Any, soak: bool
) -> None:
    # Two outages: the flap after the first is long enough to be another incident's beginning.
    letters = "GGGLLLLGGGG" + "G" * 20 + "LLLLGGGGG"
    chance = random.Random(7)
    last = 0
    kills = 50 if soak else 5
    folder = tmp_path / "desk"
    folder.mkdir()
    for _ in range(kills):
        last = killed_at_random(
            chance, (0.0, 0.4), "-c", SCRIPT, incident_trains.__file__, str(folder),
            str(START), letters,
        )  # fmt: skip
    while last < len(letters):
        last = killed_at_random(
            chance, (2.0, 4.0), "-c", SCRIPT, incident_trains.__file__, str(folder),
            str(START), letters,
        )  # fmt: skip
    with open_desk(folder) as desk:
        (ticket,) = desk.tickets()
        assert (ticket.state, len(ticket.pas)) == (State.RESTORED, 20)
        assert len(desk.alerts()) == 40  # each path twice
        kinds = [type(entry.change).__name__ for entry in desk.history(ticket.id)]
    assert (kinds.count("Opened"), kinds.count("Reopen"), kinds.count("Restore")) == (1, 1, 2)


class Killed(BaseException):
    """As SIGKILL: nothing after it is done."""


def test_a_look_that_ends_at_any_write_is_as_if_it_had_not_been(
    tmp_path: Path, incident_trains: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = incident_trains.configuration(2, {"pix": [0, 1]})
    store = incident_trains.Store()
    store.planned = [incident_trains.plan(f"p{n}/x", START - 60 * SECOND) for n in range(2)]
    for n, letter in enumerate("GLLGGG"):
        store.kept += [incident_trains.train(f"p{i}/x", START + n * SECOND, letter) for i in (0, 1)]
    original = Desk._append  # noqa: SLF001
    now = START + 6 * SECOND
    for step in range(100):
        left = [step]

        def dying(self: Desk, connection: sqlite3.Connection, *rest: Any) -> Any:
            if left[0] == 0:  # noqa: B023
                raise Killed
            left[0] -= 1  # noqa: B023
            return original(self, connection, *rest)

        with open_desk(tmp_path / "desk", clock=lambda: now) as desk:
            watch = Watch(desk, store, configuration)
            with monkeypatch.context() as patched:
                patched.setattr(Desk, "_append", dying)
                try:
                    watch.look(now)
                except Killed:
                    assert desk.alerts() == ()
                    assert desk.tickets() == ()
                else:
                    break
    assert step > 10
    with open_desk(tmp_path / "desk") as desk:
        (ticket,) = desk.tickets()
        assert (ticket.state, len(desk.alerts())) == (State.RESTORED, 2)
