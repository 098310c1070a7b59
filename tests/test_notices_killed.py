"""kill -9 between any two steps of opening, declaring, escalating and sending: nothing is lost,
nothing is sent twice.

Run as a script, this file is the desk that gets killed: it opens tickets, declares them, escalates
and starts couriers, and prints the number of each ticket after its declaration returned.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from notice_cases import desk_toml

from incidents.calls import Calls
from incidents.courier import alone, start_courier
from incidents.desk import Desk, open_desk
from incidents.errors import IncidentError
from incidents.escalating import declare, escalate, next_due_ns, taken
from incidents.notices import Post, post_of
from incidents.outbox import Outbox
from incidents.tickets import Actor, NewTicket
from incidents.working_hours import rota_of
from inventory.load import load

OPERATOR = Actor("somebody", "operator")
AT_ONCE = """\
working = []
other = [
  { days = ["mon", "tue", "wed"], opens = "00:00", closes = "24:00" },
  { days = ["thu", "fri", "sat", "sun"], opens = "00:00", closes = "24:00" },
]
duty_days = ["holiday"]
duty_opens = "00:00"
duty_closes = "24:00"
other_wait = "1s"
"""
"""Somebody is there at any hour, and is given a second to answer."""


def post_at(desk: Desk, config: Path) -> Post:
    configuration = load(config, environ=os.environ).configuration
    year = time.gmtime().tm_year
    return post_of(desk, configuration, rota_of(configuration, range(year - 1, year + 3)))


def open_one(post: Post, number: int) -> None:
    new = NewTicket(
        ("ip-base",), f"outage {number}", "blocking", time.time_ns() - 10**9, criticality="minor",
        client="Leclerc", address="192.0.2.1",
    )  # fmt: skip
    ticket = post.desk.open(new, OPERATOR, key=f"outage/{number}")
    declare(post, ticket.id)


def run_desk(folder: Path, config: Path, first: int) -> None:
    """Open tickets `first`, `first` + 1, ... for ever."""
    number = first
    with open_desk(folder) as desk:
        post = post_at(desk, config)
        while True:
            open_one(post, number)
            print(number, flush=True)
            number += 1
            escalate(post)
            start_courier(config, folder)
            time.sleep(0.05)


def settle(post: Post, config: Path) -> None:
    """Take the steps that are left, and wait until the couriers have nothing more to do."""
    while next_due_ns(post) is not None:
        escalate(post)
        time.sleep(0.05)
    courier = start_courier(config, post.desk.path.parent)
    assert courier.wait(60) in (0, 1)  # 1: a killed one left a mail of which nothing is known
    while post.outbox.next_due_ns() is not None:
        time.sleep(0.1)
    while True:  # the last courier writes down what it was told
        with alone(post.desk) as mine:
            if mine:
                break
        time.sleep(0.05)


@pytest.mark.soak
def test_a_desk_that_is_killed_loses_no_notice_and_repeats_none(
    tmp_path: Path, mail_servers: Any, killed_at_random: Callable[..., int], soak: bool
) -> None:
    chance = random.Random(20_261_122)
    with mail_servers.smtp() as server:
        config = tmp_path / "pasprobe.toml"
        config.write_text(desk_toml(server.port) + AT_ONCE)
        last = -1
        for _ in range(50 if soak else 5):
            words = (str(tmp_path), str(config), str(last + 1))
            last = killed_at_random(chance, (0.0, 0.8), __file__, *words)
        with open_desk(tmp_path) as desk:
            post = post_at(desk, config)
            # As the watch does when it starts again: the same keys, from the first that may miss.
            for number in range(last, last + 2):
                open_one(post, number)
            settle(post, config)
            tickets = desk.tickets()
            assert [t.key for t in tickets] == [f"outage/{n}" for n in range(len(tickets))]
            steps = Counter((s.ticket, s.level) for s in taken(desk))
            assert steps == {(t.id, level): 1 for t in tickets for level in (1, 2)}
            box = Outbox(desk)
            states = {d.state for m in box.messages() for d in box.deliveries(m.id)}
            assert states == {"accepted"}
            assert all(ticket.declared_ns is not None for ticket in tickets)
        sent = Counter((m["X-Pasprobe-Ticket"], m["To"]) for m in server.mails)
    ends = ("support@provider.example", "responsable@provider.example")
    assert sent == {(ticket.id, end): 1 for ticket in tickets for end in ends}


@pytest.mark.soak
def test_a_courier_that_is_killed_repeats_no_mail_and_says_what_it_does_not_know(
    tmp_path: Path, mail_servers: Any, soak: bool
) -> None:
    chance = random.Random(20_261_123)
    with mail_servers.smtp() as server, open_desk(tmp_path) as desk:
        server.after_end = lambda: time.sleep(0.03)  # a window that is worth hitting
        config = tmp_path / "pasprobe.toml"
        config.write_text(desk_toml(server.port) + AT_ONCE)
        post = post_at(desk, config)
        box = Outbox(desk)
        for turn in range(50 if soak else 5):
            for number in range(12):
                open_one(post, 12 * turn + number)
            before = len(server.accepted)
            courier = start_courier(config, tmp_path)
            while len(server.accepted) == before and courier.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            courier.send_signal(signal.SIGKILL)
            courier.wait()
        settle(post, config)
        accepted = Counter(m["Message-ID"] for m in server.mails)
        assert set(accepted.values()) == {1}
        messages = box.messages()
        unsure = 0
        for message in messages:
            states = {d.state for d in box.deliveries(message.id)}
            assert states <= {"accepted", "unsure"}
            unsure += "unsure" in states
        # Nothing vanished: every mail arrived, or somebody is asked to find out.
        assert len(accepted) + unsure >= len(messages)
        asked = [c for c in Calls(desk).all() if "ask whether it came" in c.script]
        assert len({c.key.rsplit("/", 2)[0] for c in asked}) == unsure


def test_a_courier_in_a_folder_without_a_desk_s_rights_says_so(tmp_path: Path) -> None:
    (tmp_path / "desk.sqlite").mkdir()
    config = tmp_path / "pasprobe.toml"
    config.write_text(desk_toml(25) + AT_ONCE)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pasprobe", "incident", "deliver", "--config", str(config),
         "--data-dir", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "desk.sqlite" in done.stderr) == (2, True)
    with pytest.raises(IncidentError):
        open_desk(tmp_path)


if __name__ == "__main__":
    run_desk(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
