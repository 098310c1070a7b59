"""From a cut cable to the closing report on this host alone; about a minute, no root.

    .venv/bin/python examples/incident/replay.py DIR

The far end is a reflector on loopback and the port of a server; killing both is the cut. A real
SMTP server (aiosmtpd, of the development packages) takes the mails into DIR/mails. At the end the
evaluation, the incident report and the supervision report show the incident.
"""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiosmtpd.controller import Controller

PASPROBE = str(Path(sys.executable).with_name("pasprobe"))
HERE = Path(__file__).parent
GOAL_S = 2 * 2 + 5
"""From the cut to the accepted mail: two train intervals and 5 s."""


class Mailbox:
    """Keeps every mail as a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
        """Take a mail; the name says for whom."""
        number = len(list(self.folder.iterdir())) + 1
        name = f"{number:02d}-{envelope.rcpt_tos[0]}.eml"
        (self.folder / name).write_bytes(envelope.content)
        return "250 taken"


def main(folder: Path) -> None:
    """Replay it; the folder must be new."""
    folder.mkdir(parents=True)
    shutil.copy(HERE / "pasprobe.toml", folder)

    def pasprobe(*words: str, good: tuple[int, ...] = (0,)) -> str:
        print("$ pasprobe", shlex.join(words), flush=True)
        command = [PASPROBE, *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode not in good:
            sys.exit(f"exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def tickets() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(pasprobe_quietly("incident", "list", "--json"))
        return found

    def pasprobe_quietly(*words: str) -> str:
        command = [PASPROBE, *words]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False
        ).stdout

    def until(what: str, so: Any) -> None:
        print(f"... {what}", flush=True)
        end = time.monotonic() + 90
        while not so():
            if time.monotonic() > end:
                sys.exit(f"it did not happen: {what} (see {folder}/*.log)")
            time.sleep(0.2)

    with ExitStack() as stack:

        def start(name: str, *words: str) -> subprocess.Popen[bytes]:
            log = stack.enter_context((folder / f"{name}.log").open("ab"))
            process = subprocess.Popen([PASPROBE, *words], cwd=folder, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        box = Controller(Mailbox(folder / "mails"), hostname="127.0.0.1", port=2525)
        box.start()
        stack.callback(box.stop)
        server = socket.create_server(("127.0.0.1", 8622))
        far = start("reflector", "reflect", "--listen", "127.0.0.1:8621")
        start("agent", "run")
        start("watch", "incident", "watch", "--no-trace")
        until("three good trains", lambda: "true" in pasprobe_quietly("export", "trains"))
        time.sleep(5)
        print("--- the cable is cut", flush=True)
        far.kill()
        far.wait()
        server.close()
        cut = time.monotonic()
        until("the provider's mailbox", lambda: any((folder / "mails").glob("*provider*")))
        took_s = time.monotonic() - cut
        print(f"--- declared: the provider's mailbox accepted the mail {took_s:.1f} s after the cut"
              f" (goal: {GOAL_S} s)", flush=True)  # fmt: skip
        print(pasprobe("incident", "list"))
        print(pasprobe("incident", "escalation"))
        print(pasprobe("incident", "calls", good=(1,)))
        pasprobe("incident", "update", "1", "--reported", "now")
        pasprobe("incident", "called", "1", "reached", "--provider-ticket", "4711", "--took-over",
                 "--note", "Ms B of the hotline")  # fmt: skip
        pasprobe("incident", "ack", "1", "--who", "rita")
        pasprobe("incident", "update", "1", "--responded", "now", "--diagnosis", "fibre cut",
                 "--expected", (datetime.now(UTC) + timedelta(hours=2)).isoformat(),
                 "--plan", "provider:splice the fibre")  # fmt: skip
        pasprobe("incident", "notify", "1", "plan")
        print("--- the cable is mended", flush=True)
        start("reflector-2", "reflect", "--listen", "127.0.0.1:8621")
        stack.enter_context(socket.create_server(("127.0.0.1", 8622)))
        until("the ticket is restored", lambda: tickets()[0]["state"] == "restored")
        pasprobe("incident", "update", "1", "--plan-done", "1", "--outcome", "spliced",
                 "--cause", "fibre cut by an excavator",
                 "--comment", "The fibre runs beside a building site.")  # fmt: skip
        pasprobe("incident", "validate", "1", "--who", "rita", "--text", "sale and refund")
        (folder / "provider-report.txt").write_text("Fibre cut, spliced, two fibres now.\n")
        pasprobe("incident", "close", "1", "--accepted-by", "service desk", "--provider-report",
                 "provider-report.txt", "--corrective", "second fibre",
                 "--who", "rita")  # fmt: skip
        print(pasprobe("incident", "show", "1"))
        (folder / "facts").mkdir()
        today = datetime.now(ZoneInfo("Europe/Rome")).date()
        month = today.strftime("%Y-%m")
        four_months = f"{today.year}-{(today.month + 3) // 4}"
        for words in (
            ("evaluate", "--period", four_months, "--from-trains"),
            ("report", "--kind", "incident", "--period", month, "--output", "reports"),
            ("report", "--kind", "supervision", "--period", month, "--output", "reports", "--send"),
        ):
            print(pasprobe("sla", *words, good=(0, 1)))
        until("the client's mailbox", lambda: any((folder / "mails").glob("*enseigne*")))
    print(f"mails, reports and tickets: {folder}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: replay.py DIR (a new folder)")
    main(Path(sys.argv[1]).absolute())
