"""kill -9 of the watch as it is installed and of its couriers, while outages come and go: from the
trains in a store to the ticket, its notices and its escalation nothing is lost or done twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from incidents.calls import Calls
from incidents.courier import alone
from incidents.desk import Desk, open_desk
from incidents.escalating import taken
from incidents.outbox import Outbox
from incidents.tickets import State
from incidents.watch_state import watched_since_ns
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME

PASPROBE = str(Path(sys.executable).with_name("pasprobe"))
PAS, BEHIND_THE_PIX = 6, 3
TICKETS = 1 + PAS - BEHIND_THE_PIX
LEVELS = {("op", 1), ("op", 2), ("host", 1), ("host", 2)}
HOURS = (
    'days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], opens = "00:00", closes = "24:00"'
)
DESK = f"""
[incident]
data_dir = "desk"
[escalation]
timezone = "Europe/Rome"
country = "IT"
working = []
other = [{{ {HOURS} }}]
duty_days = ["holiday"]
duty_opens = "00:00"
duty_closes = "24:00"
other_wait = "1s"
[notices]
own = "op"
provider = "host"
[mail]
host = "127.0.0.1"
from = "desk@operator.example"
security = "none"
"""
PARTY = """
[[party]]
id = "{0}"
name = "{0}"
[[contact]]
party = "{0}"
level = 1
role = "first"
to = ["first@{0}.example"]
phones = ["+33 1 00"]
[[contact]]
party = "{0}"
level = 2
role = "second"
to = ["second@{0}.example"]
"""
PLACE = """
[[pas]]
id = "p{0}"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{{ id = "ip-base", level = "L3", window = "normal" }}]
[[path]]
id = "p{0}/x"
pas = "p{0}"
service = "ip-base"
target = "192.0.2.1"
train = {{ packets = 10, spacing = "10ms", every = "10s", timeout = "200ms" }}
"""
DEVICE = """
[[device]]
id = "pix"
host = "192.0.2.10"
role = "firewall"
platform = "cisco_pix"
pas = [{0}]
"""


class Agent:
    """Writes trains into its spool, good or lost as it is told, several a second."""

    def __init__(self, folder: Path, tools: Any) -> None:
        folder.mkdir()
        self.folder, self._tools = folder, tools
        self.letter = "G"
        self.written: list[tuple[int, str]] = []
        self._spool = Spool(folder / SPOOL_NAME)
        now = time.time_ns()
        self._spool.append(
            [tools.plan(f"p{n}/x", now - 10**9, every_ns=10**10) for n in range(PAS)]
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(0.1):
            now, letter = time.time_ns(), self.letter
            self._spool.append([self._tools.train(f"p{n}/x", now, letter) for n in range(PAS)])
            self.written.append((now, letter))

    def measures(self, letter: str, trains: int = 4) -> None:
        """From now on; returns after so many trains."""
        self.letter, begun = letter, len(self.written)
        until(lambda: len(self.written) > begun + trains)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._spool.close()


def start(folder: Path, store: Path) -> subprocess.Popen[bytes]:
    words = ("incident", "watch", "--every", "0.05", "--no-trace", "--store", str(store))
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([PASPROBE, *words], cwd=folder, stdout=log, stderr=log)


def kill(watch: subprocess.Popen[bytes], *, couriers: bool) -> None:
    """The watch, and the couriers that it started: none of them does anything afterwards."""
    children = Path(f"/proc/{watch.pid}/task/{watch.pid}/children").read_text().split()
    watch.kill()
    for child in children if couriers else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    watch.wait()


@contextmanager
def watching(folder: Path, store: Path) -> Iterator[None]:
    """A watch that nobody kills."""
    watch = start(folder, store)
    try:
        yield
    finally:
        watch.terminate()
        watch.wait()


def restored(folder: Path) -> bool:
    with open_desk(folder / "desk") as desk:
        return [t.state for t in desk.tickets()] == [State.RESTORED] * TICKETS


def told(folder: Path, round_: int) -> Counter[tuple[str, int]]:
    """How many tickets each level was told of."""
    with open_desk(folder / "desk") as desk:
        return Counter((step.party, step.level) for step in taken(desk) if step.round == round_)


def watched(desk: Desk) -> bool:
    """Whether a watch has looked."""
    with desk.reading() as connection:
        return watched_since_ns(connection) is not None


def delivered(desk: Desk) -> bool:
    """Whether no courier has anything to do, or is still writing."""
    with alone(desk) as mine:
        return mine and Outbox(desk).next_due_ns() is None


@pytest.mark.soak
def test_killing_the_watch_and_its_couriers_loses_nothing_and_repeats_nothing(
    tmp_path: Path, mail_servers: Any, incident_trains: Any, soak: bool
) -> None:
    chance = random.Random(20_261_124)
    names = ", ".join(f'"p{n}"' for n in range(BEHIND_THE_PIX))
    places = "".join(PLACE.format(n) for n in range(PAS)) + DEVICE.format(names)
    agent = Agent(tmp_path / "store", incident_trains)
    with contextlib.closing(agent), mail_servers.smtp() as server:
        ended = threading.Event()

        def slowly() -> None:
            ended.set()
            time.sleep(0.05)  # a window that is worth hitting

        server.after_end = slowly
        text = DESK + f"port = {server.port}\n" + PARTY.format("op") + PARTY.format("host") + places
        (tmp_path / "pasprobe.toml").write_text(text)

        def kills(count: int, *, mails: bool) -> None:
            for number in range(count):
                ended.clear()
                watch = start(tmp_path, agent.folder)
                if mails and number % 2 == 0:
                    ended.wait(4)
                    time.sleep(chance.uniform(0, 0.06))
                    kill(watch, couriers=True)
                else:
                    time.sleep(chance.uniform(0.5, 2.0))
                    kill(watch, couriers=chance.random() < 0.5)

        share = 10 if soak else 1
        agent.measures("G")
        # What is older than a desk's first look is nobody's alert.
        with watching(tmp_path, agent.folder), open_desk(tmp_path / "desk") as desk:
            until(lambda: watched(desk))
        agent.measures("L", trains=1)
        kills(2 * share, mails=True)
        with watching(tmp_path, agent.folder):
            until(lambda: told(tmp_path, 0)["host", 1] == TICKETS)
        agent.measures("G")
        kills(share, mails=False)
        with watching(tmp_path, agent.folder):
            until(lambda: restored(tmp_path))
        agent.measures("L", trains=1)
        kills(2 * share, mails=True)
        with watching(tmp_path, agent.folder):
            until(lambda: told(tmp_path, 1) == dict.fromkeys(LEVELS, TICKETS))
            agent.measures("G")
            until(lambda: restored(tmp_path))
            with open_desk(tmp_path / "desk") as desk:
                until(lambda: delivered(desk))
        accepted = Counter(mail["Message-ID"] for mail in server.mails)
    first_lost = next(at for at, letter in agent.written if letter == "L")
    with open_desk(tmp_path / "desk") as desk:
        tickets = desk.tickets()
        assert sorted(len(ticket.pas) for ticket in tickets) == [1] * (TICKETS - 1) + [
            BEHIND_THE_PIX
        ]
        assert len(desk.alerts()) == 2 * PAS  # each path in each outage
        for ticket in tickets:
            assert ticket.opened_ns == first_lost
            kinds = Counter(type(entry.change).__name__ for entry in desk.history(ticket.id))
            assert (kinds["Opened"], kinds["Reopen"], kinds["Restore"]) == (1, 1, 2)
            steps = [(s.party, s.round, s.level) for s in taken(desk, ticket.id)]
            assert len(steps) == len(set(steps))
            assert {(party, level) for party, number, level in steps if number == 1} == LEVELS
            # A step is there with its notice or not at all.
            assert len(Outbox(desk).messages(ticket=ticket.id)) == len(steps)
        # Every notice came once, or a person is asked whether it came.
        box = Outbox(desk)
        states = {m.key: {d.state for d in box.deliveries(m.id)} for m in box.messages()}
        unsure = {key for key, found in states.items() if found == {"unsure"}}
        assert all(found == {"accepted"} for key, found in states.items() if key not in unsure)
        assert set(accepted.values()) == {1}
        assert len(accepted) + len(unsure) >= len(states)
        asked = [c.key for c in Calls(desk).all() if "ask whether it came" in c.script]
        assert sorted(key.rsplit("/", 2)[0] for key in asked) == sorted(unsure)
        for ticket in tickets:
            declared = f"{ticket.id}/declaration/host/1" not in unsure
            assert ticket.declared_ns is not None or not declared
