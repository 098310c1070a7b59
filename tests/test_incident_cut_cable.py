"""From a cut cable to the provider's mailbox: real agent, real link, real SMTP server."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from waiting import until

from incidents.desk import open_desk
from incidents.tickets import State, Ticket
from timeseries.errors import StoreError
from timeseries.reader import EmbeddedReader

PASPROBE = str(Path(sys.executable).with_name("pasprobe"))
EVERY_S = 2

COMMON = """
[[pas]]
id = "here"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = [{{ id = "ip-base", level = "L3", window = "normal" }}]
[[path]]
id = "here/x"
pas = "here"
service = "ip-base"
target = "{target}"
train = {{ packets = 5, spacing = "20ms", every = "{every}s", timeout = "500ms" }}
"""
DESK = """
[incident]
data_dir = "desk"
[escalation]
timezone = "Europe/Rome"
country = "IT"
[mail]
host = "127.0.0.1"
port = {port}
from = "desk@operator.example"
security = "none"
[notices]
own = "op"
provider = "host"
[[party]]
id = "op"
name = "Operator"
[[party]]
id = "host"
name = "Provider"
[[contact]]
party = "op"
level = 1
role = "ROC"
to = ["roc@operator.example"]
[[contact]]
party = "host"
level = 1
role = "Support"
to = ["support@provider.example"]
"""


@contextmanager
def running(*command: str, cwd: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    with (cwd / "log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **environ}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Place:
    """An agent on the near host, a desk that watches its store or a copy of it."""

    def __init__(self, folder: Path, hosts: Any, port: int) -> None:
        self.hosts = hosts
        self.agent, self.sla = folder / "agent", folder / "sla"
        self.agent.mkdir()
        self.sla.mkdir()
        text = COMMON.format(target=hosts.far_v4, every=EVERY_S)
        head = '[agent]\nname = "here"\ndata_dir = "data"\n'
        (self.agent / "pasprobe.toml").write_text(head + text)
        (self.sla / "pasprobe.toml").write_text(text + DESK.format(port=port))

    def measuring(self) -> Any:
        words = ("ip", "netns", "exec", self.hosts.near, PASPROBE, "run")
        return running(*words, cwd=self.agent)

    def watching(self, store: Path) -> Any:
        words = (PASPROBE, "incident", "watch", "--every", "0.3", "--store", str(store))
        return running(*words, cwd=self.sla)

    def cut(self) -> None:
        self.hosts.run(self.hosts.far, "ip", "link", "set", self.hosts.far_link, "down")

    def mend(self) -> None:
        self.hosts.run(self.hosts.far, "ip", "link", "set", self.hosts.far_link, "up")

    def tickets(self) -> tuple[Ticket, ...]:
        if not (self.sla / "desk" / "desk.sqlite").exists():
            return ()
        with open_desk(self.sla / "desk") as desk:
            return desk.tickets()

    def measured(self, store: Path, trains: int) -> bool:
        try:
            return len(list(EmbeddedReader(store, threads=1).trains())) >= trains
        except StoreError:
            return False

    def lost(self, store: Path) -> int:
        return sum(train.received == 0 for train in EmbeddedReader(store, threads=1).trains())


@pytest.fixture
def place(tmp_path: Path, hosts: Any, mail_servers: Any) -> Iterator[tuple[Place, Any]]:
    with mail_servers.smtp() as server:
        yield Place(tmp_path, hosts, server.port), server


def test_a_cut_cable_is_a_ticket_and_a_mail_within_two_intervals_and_five_seconds(
    place: tuple[Place, Any],
) -> None:
    scene, server = place
    with scene.measuring(), scene.watching(scene.agent / "data"):
        until(lambda: scene.measured(scene.agent / "data", 3))
        scene.cut()
        cut_ns = time.time_ns()
        until(lambda: "support@provider.example" in server.recipients())
        took_s = (time.time_ns() - cut_ns) / 1e9
        (ticket,) = scene.tickets()
        assert ticket.opened_ns >= cut_ns - 200_000_000  # a train that was under way
        print(f"declared and mailed {took_s:.1f} s after the cut of {2 * EVERY_S + 5} s")
        assert took_s <= 2 * EVERY_S + 5
        until(lambda: {e.kind for e in scene.tickets()[0].evidence} >= {"trains", "traceroute"})
        scene.mend()
        until(lambda: scene.tickets()[0].state is State.RESTORED)
    (ticket,) = scene.tickets()
    assert server.recipients().count("support@provider.example") == 1


def whole(source: str, copy: str) -> None:
    """A file as rsync copies it: aside, then renamed."""
    if not Path(copy).exists():
        shutil.copyfile(source, f"{copy}.aside")
        Path(f"{copy}.aside").replace(copy)


@contextmanager
def copied(source: Path, copy: Path, line: threading.Event) -> Iterator[None]:
    """What rsync does, while the line is up."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.3):
            if line.is_set() and (source / "spool.sqlite").exists():
                copy.mkdir(exist_ok=True)
                # The spool first: what is flushed meanwhile is then in both.
                with (
                    closing(sqlite3.connect(source / "spool.sqlite")) as live,
                    closing(sqlite3.connect(copy / "spool.new")) as aside,
                ):
                    live.backup(aside)
                if (source / "store").exists():
                    shutil.copytree(
                        source / "store",
                        copy / "store",
                        dirs_exist_ok=True,
                        copy_function=whole,
                        ignore=shutil.ignore_patterns("*.tmp"),
                    )
                (copy / "spool.new").replace(copy / "spool.sqlite")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_an_agent_on_the_cut_side_is_suspected_and_its_spool_confirms(
    tmp_path: Path, place: tuple[Place, Any]
) -> None:
    scene, _ = place
    line, copy = threading.Event(), tmp_path / "copy"
    line.set()
    with scene.measuring(), copied(scene.agent / "data", copy, line), scene.watching(copy):
        until(lambda: scene.measured(copy, 3))
        time.sleep(1)
        line.clear()
        scene.cut()
        cut_ns = time.time_ns()
        (ticket,) = until(scene.tickets)
        assert "suspected" in ticket.summary
        # The copy may lag, so the silence may be older than the cut: lose enough trains first.
        until(lambda: scene.lost(scene.agent / "data") >= 3)
        scene.mend()
        time.sleep(2 * EVERY_S)
        line.set()
        until(lambda: scene.tickets()[0].state is State.RESTORED)
    (ticket,) = scene.tickets()
    assert ticket.opened_ns >= cut_ns - 200_000_000
    with open_desk(scene.sla / "desk") as desk:
        assert {a.source for a in desk.alerts(ticket=ticket.id)} == {"silence", "train"}
