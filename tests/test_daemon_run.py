"""The agent as a program, on loopback: it measures, stops, reloads, heals, and loses nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_agents import PASPROBE, Agents, path
from waiting import until

from agent.daemon.engine_process import ADMIT_AHEAD_NS
from agent.daemon.state import running_pid
from timeseries.reader import EmbeddedReader


def to_silence(far_end: socket.socket, every: str, timeout: str) -> str:
    """A STAMP path to a port where everything is received and nothing answered."""
    port = far_end.getsockname()[1]
    return path("silent", every=every, timeout=timeout) + f'method = "stamp"\nport = {port}\n'


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    folder = Agents(tmp_path)
    yield folder
    folder.end()


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A far end that receives everything and answers nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far_end:
        far_end.bind(("127.0.0.1", 0))
        yield far_end


def test_it_measures_shows_itself_and_stops_with_everything_stored(agents: Agents) -> None:
    agents.configure(path("a"), path("b", "localhost"))
    process = agents.start()
    until(lambda: len(agents.trains("a")) >= 4 and len(agents.trains("b")) >= 4)

    shown = agents.command("status", "--json")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    status = json.loads(shown.stdout)
    assert (status["alive"], status["pid"], status["fine"]) == (True, process.pid, True)
    assert {row["path"]: row["last"]["received"] for row in status["paths"]} == {"a": 3, "b": 3}
    assert all(row["today"]["within_percent"] == 100 for row in status["paths"])
    table = agents.command("status")
    assert f"running, pid {process.pid}" in table.stdout
    assert "3/3" in table.stdout

    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert time.monotonic() - asked <= 5
    stopped = next(line for line in agents.log.splitlines() if "event=stopped" in line)
    finished = int(re.findall(r" trains=(\d+)", stopped)[0])
    trains = agents.trains()
    assert len(trains) == finished
    assert {train.path for train in trains} == {"a", "b"}
    assert not [train for train in trains if train.valid and train.lost]
    plans = list(EmbeddedReader(agents.data, threads=1).plans())
    assert {plan.path: plan.active for plan in plans} == {"a": False, "b": False}

    gone = agents.command("status", "--json")
    assert gone.returncode == 1
    assert json.loads(gone.stdout)["alive"] is False
    assert "stopped since" in agents.command("status").stdout


def test_a_train_that_cannot_end_in_time_is_cut_and_is_no_loss(
    agents: Agents, silent: socket.socket
) -> None:
    agents.configure(path("a"), to_silence(silent, every="12s", timeout="11s"))
    process = agents.start()
    silent.settimeout(60)
    for _ in range(3):
        silent.recv(2048)  # the train is out, every packet of it, and nothing will answer
    until(lambda: len(agents.trains("a")) >= 3)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert time.monotonic() - asked <= 5
    assert agents.trains("silent") == []
    assert agents.state()["trains"]["abandoned"] == 1


def test_a_reload_takes_new_paths_and_loses_no_running_train(agents: Agents) -> None:
    slow = path("slow", every="60s", timeout="2s").replace("packets = 3", "packets = 200")
    agents.configure(path("a"), slow.replace('every = "60s"', 'every = "4100ms"'))
    agents.start()
    until(lambda: len(agents.trains("a")) >= 2)
    until(lambda: agents.state().get("trains", {}).get("out") is not None)
    agents.configure(path("c"), slow.replace('every = "60s"', 'every = "4100ms"'))
    done = agents.command("reload", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["paths"] == 2
    reloaded_ns = time.time_ns()
    until(lambda: len(agents.trains("c")) >= 3)
    until(lambda: len(agents.trains("slow")) >= 2)
    assert all(train.sent == 200 for train in agents.trains("slow"))
    # What was with the engine came in; nothing new began.
    assert max(t.start_ns for t in agents.trains("a")) <= reloaded_ns + ADMIT_AHEAD_NS
    newest = {p.path: p for p in EmbeddedReader(agents.data, threads=1).plans()}
    assert {name: plan.active for name, plan in newest.items()} == {
        "a": False,
        "c": True,
        "slow": True,
    }


def test_a_wrong_configuration_is_refused_and_the_old_one_goes_on(agents: Agents) -> None:
    agents.configure(path("a"))
    process = agents.start()
    until(lambda: agents.trains("a"))
    agents.configure(path("a").replace("packets = 3", "packets = 0"), 'nonsense = "x"\n')
    by_command = agents.command("reload")
    assert by_command.returncode == 2
    assert "packets" in by_command.stderr
    process.send_signal(signal.SIGHUP)
    until(lambda: agents.log.count("event=configuration-refused") >= 2)
    until(lambda: agents.state()["configuration"]["problems"])
    before = len(agents.trains("a"))
    until(lambda: len(agents.trains("a")) > before + 1)
    assert agents.command("status").returncode in (0, 2)

    agents.configure(path("a"), path("b"))
    assert agents.command("reload").returncode == 0
    until(lambda: agents.trains("b"))
    assert agents.state()["configuration"]["problems"] == []


def test_what_cannot_change_while_it_runs_is_refused(agents: Agents) -> None:
    agents.configure(path("a"))
    process = agents.start()
    until(lambda: agents.trains("a"))
    agents.configure(path("a"))
    text = (agents.folder / "pasprobe.toml").read_text()
    (agents.folder / "pasprobe.toml").write_text(text.replace('name = "here"', 'name = "there"'))
    done = agents.command("reload")
    assert done.returncode == 1
    assert "agent.name cannot change" in done.stderr
    assert process.poll() is None


def test_a_second_agent_on_the_same_data_refuses_and_names_the_first(agents: Agents) -> None:
    agents.configure(path("a"))
    first = agents.start()
    until(lambda: running_pid(agents.data) == first.pid)
    second = agents.command("run")
    assert second.returncode == 2
    assert f"in use by the agent with pid {first.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert first.poll() is None


def test_the_reflector_of_the_configuration_answers_and_follows_a_reload(
    agents: Agents, silent: socket.socket
) -> None:
    port = silent.getsockname()[1]
    silent.close()

    def reflector(allow: str) -> str:
        return f'[reflector]\nlisten = ["127.0.0.1:{port}"]\nallow = ["{allow}"]\n'

    pair = path("r", every="500ms") + f'method = "stamp"\nport = {port}\n'
    agents.configure(pair, reflector("127.0.0.0/8"))
    process = agents.start()
    until(lambda: [train for train in agents.trains("r") if train.received == 3])
    agents.configure(pair, reflector("192.0.2.0/24"))
    assert agents.command("reload").returncode == 0
    until(lambda: [train for train in agents.trains("r")[-2:] if train.received == 0])
    agents.configure(pair)
    assert agents.command("reload").returncode == 0
    until(lambda: agents.state()["reflector"]["listening"] is None)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_an_engine_that_is_killed_is_replaced_and_nothing_else_is_lost(agents: Agents) -> None:
    agents.configure(path("a"))
    agents.start()
    until(lambda: len(agents.trains("a")) >= 3)
    before = {train.start_ns for train in agents.trains("a")}
    first = agents.engine_pid()
    os.kill(first, signal.SIGKILL)
    until(lambda: agents.engine_pid() != first)
    known = len(agents.trains("a"))
    until(lambda: len(agents.trains("a")) >= known + 3)
    after = agents.trains("a")
    assert before <= {train.start_ns for train in after}
    assert not [train for train in after if train.lost]
    until(lambda: agents.state().get("engine", {}).get("restarts") == 1)


def test_killed_it_loses_no_train_that_was_spooled_and_goes_on_afterwards(
    agents: Agents, soak: bool
) -> None:
    agents.configure(path("a", every="100ms", timeout="50ms"))
    known: set[int] = set()
    for _ in range(20 if soak else 3):
        process = agents.start()
        least = len(known) + 4
        until(lambda least=least: len(agents.trains()) >= least)
        spooled = {train.start_ns for train in agents.trains()}
        process.kill()
        process.wait()
        engine = agents.engine_pid()
        known = {train.start_ns for train in agents.trains()}
        assert spooled <= known
        # The engine has seen that its agent is gone.
        until(lambda pid=engine: not Path(f"/proc/{pid}").exists())
        assert running_pid(agents.data) is None
    shown = agents.command("status")
    assert shown.returncode == 1
    assert "dead since" in shown.stdout


def test_the_end_of_a_path_is_on_record_though_its_agent_was_killed_before(
    agents: Agents,
) -> None:
    agents.configure(path("a"), path("b"))
    process = agents.start()
    until(lambda: agents.trains("b"))
    process.kill()
    process.wait()
    agents.configure(path("a"))
    agents.start()
    until(
        lambda: [
            plan
            for plan in EmbeddedReader(agents.data, threads=1).plans("b")
            if not plan.active and plan.target == "127.0.0.1"
        ]
    )


def test_the_service_manager_hears_of_every_state(agents: Agents, tmp_path: Path) -> None:
    agents.configure(path("a"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        heard: list[str] = []

        def hears(line: str) -> bool:
            while line not in heard:
                heard.extend(manager.recv(4096).decode().splitlines())
            heard.clear()
            return True

        process = agents.start(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
        assert hears("READY=1")
        assert hears("WATCHDOG=1")
        process.send_signal(signal.SIGHUP)
        assert hears("RELOADING=1")
        assert hears("READY=1")
        process.send_signal(signal.SIGTERM)
        assert hears("STOPPING=1")
        assert process.wait(20) == 0


def test_an_outage_is_traced_once_and_the_path_is_called_bad(
    agents: Agents, silent: socket.socket
) -> None:
    agents.configure(path("a"), to_silence(silent, every="500ms", timeout="200ms"))
    agents.start()
    until(lambda: len([train for train in agents.trains("silent") if train.lost == 3]) >= 4)
    (file,) = until(lambda: list((agents.data / "evidence").glob("*.json")))
    content = json.loads(file.read_text())
    assert (content["path"], content["sent"], content["lost"]) == ("silent", 3, 3)
    assert content["reached"], content
    assert agents.log.count("event=path-bad path=silent faults=loss") == 1
    assert "event=path-bad path=a" not in agents.log
    shown = agents.command("status", "--json")
    assert shown.returncode == 1
    rows = {row["path"]: row for row in json.loads(shown.stdout)["paths"]}
    assert rows["silent"]["breaches"] == ["loss"]
    assert rows["silent"]["today"]["loss_percent"] == 100
    assert rows["a"]["breaches"] == []


def test_without_an_agent_reload_says_so(agents: Agents) -> None:
    agents.configure(path("a"))
    done = agents.command("reload")
    assert done.returncode == 1
    assert "no agent runs on" in done.stderr


def test_status_of_an_agent_that_never_ran_says_so(agents: Agents) -> None:
    agents.configure(path("a"))
    shown = agents.command("status")
    assert shown.returncode == 1
    assert "has never run" in shown.stdout


@pytest.mark.parametrize("command", ["run", "status", "reload"])
def test_a_wrong_configuration_is_one_line_a_mistake_and_exit_2(
    command: str, agents: Agents
) -> None:
    agents.configure(path("a").replace("spacing", "spaceing"))
    done = agents.command(command)
    assert done.returncode == 2
    assert "spaceing" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_without_paths_has_nothing_to_run(agents: Agents) -> None:
    agents.configure()
    done = agents.command("run")
    assert done.returncode == 2
    assert "no path to measure" in done.stderr


def test_log_lines_are_json_where_asked_for(agents: Agents) -> None:
    agents.configure(path("a"))
    process = subprocess.Popen(
        [PASPROBE, "run", "--log-json"],
        cwd=agents.folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    agents.processes.append(process)
    until(lambda: agents.trains("a"))
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=20)
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events[0] == "start"
    assert events[-1] == "stopped"
