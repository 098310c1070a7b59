"""An application that goes and comes back: agent, store, watch, ticket and supervision report."""

from __future__ import annotations

import csv
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from waiting import until

from incidents.desk import open_desk
from incidents.tickets import State, Ticket
from timeseries.errors import StoreError
from timeseries.reader import EmbeddedReader

PASPROBE = str(Path(sys.executable).with_name("pasprobe"))
CONFIGURATION = """
[agent]
name = "here"
data_dir = "data"
pas = ["here"]
[contract]
administration = "Example"
country = "IT"
timezone = "Europe/Rome"
services = [{{ id = "system-management", fee = "9000.00", start = "2020-01-01", units = 3 }}]
[[pas]]
id = "here"
country = "IT"
timezone = "Europe/Rome"
profile = "high"
services = []
[[client]]
name = "shops"
[[client.applications]]
name = "till server"
host = "127.0.0.1"
check = "tcp:{port}"
pas = "here"
every = "1s"
timeout = "300ms"
service = "system-management"
[[client.applications]]
name = "directory"
host = "localhost"
check = "icmp"
pas = "here"
every = "1s"
timeout = "300ms"
"""


@contextmanager
def running(folder: Path, *words: str) -> Iterator[None]:
    with (folder / "log").open("a") as log:
        process = subprocess.Popen([PASPROBE, *words], cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, (folder / "log").read_text()


def test_an_application_that_goes_and_comes_back_is_a_ticket_and_a_rate(tmp_path: Path) -> None:
    with ExitStack() as again, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (tmp_path / "pasprobe.toml").write_text(CONFIGURATION.format(port=port))

        def asked(*words: str) -> Any:
            done = subprocess.run(
                [PASPROBE, *words, "--json"],
                cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
            return json.loads(done.stdout)

        def answers(name: str) -> str:
            try:
                trains = list(EmbeddedReader(tmp_path / "data", threads=1).trains())
            except StoreError:
                return ""
            mine = [one for one in trains if one.path == f"check/shops/{name}"]
            return "".join("+" if train.received else "-" for train in mine)

        def tickets() -> tuple[Ticket, ...]:
            with open_desk(tmp_path / "data") as desk:
                return desk.tickets()

        checked = {row["application"]: row["path"] for row in asked("check") if "client" in row}
        assert set(checked.values()) == {"check/shops/till server", "check/shops/directory"}
        with (
            running(tmp_path, "run"),
            running(tmp_path, "incident", "watch", "--quiet", "--no-trace"),
        ):
            until(lambda: "++" in answers("till server"))
            listener.close()
            (ticket,) = until(tickets)
            assert (ticket.services, ticket.pas) == (("system-management",), ("here",))
            assert ticket.summary == "till server does not answer"
            again.enter_context(socket.create_server(("127.0.0.1", port)))
            until(lambda: tickets()[0].state is State.RESTORED)
            assert asked("status")["paths"][0]["path"] == "check/shops/till server"
    assert "-" in answers("till server")
    assert set(answers("directory")) == {"+"}
    plans = {one.path: one for one in EmbeddedReader(tmp_path / "data", threads=1).plans()}
    assert {one.active for one in plans.values()} == {False}
    assert plans["check/shops/till server"].method == "tcp"
    month = f"{datetime.now(UTC):%Y-%m}"
    asked("sla", "report", "--kind", "supervision", "--period", month, "--format", "csv")
    (file,) = (tmp_path / "reports").rglob("*.rates.csv")
    rates = {
        row["application"]: row for row in csv.DictReader(file.read_text("utf-8-sig").splitlines())
    }
    assert rates["directory"]["rate[percent]"] == "100"
    till = rates["till server"]
    checks = answers("till server")
    assert round(float(till["rate[percent]"]) / 100 * len(checks), 6) == checks.count("+")
    assert int(till["outages"]) == 1
    assert int(till["planned"]) >= int(till["checks"]) == len(checks)
