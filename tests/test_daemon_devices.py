"""`pasprobe run` with devices: a real snmpd polled, lost, found again, and reloads."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_agents import AGENT, HERE, Agents, path
from waiting import until

from agent.daemon.state import read_state
from agent.daemon.status import AgentStatus, agent_lines
from timeseries.records import DeviceEventRecord

PATH = HERE + path("a")


def device(name: str, port: int, secret: str = '{ file = "secret" }') -> str:
    return (
        f'[[device]]\nid = "{name}"\nhost = "127.0.0.1"\nrole = "firewall"\nplatform = "generic"\n'
        f'snmp = {{ version = "2c", community = {secret}, port = {port}, every = "1s", '
        'timeout = "400ms" }\n'
    )


def each(agents: Agents) -> dict[str, Any]:
    found: dict[str, Any] = (agents.state().get("devices") or {"each": {}})["each"]
    return found


def events(agents: Agents, name: str) -> list[DeviceEventRecord]:
    return list(agents.reader().device_events(name))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Agents]:
    (tmp_path / "secret").write_text("public\n")
    agents = Agents(tmp_path, AGENT)
    yield agents
    agents.end()


def test_run_polls_a_device_beside_its_paths_and_shows_and_records_it(
    running: Agents, snmpd: Any
) -> None:
    running.configure(PATH, device("box", snmpd.port))
    process = running.start()
    until(lambda: each(running).get("box", {}).get("answered_ns"))
    assert "devices: 1 polled, 0 do not answer" in running.command("status").stdout
    rated = until(
        lambda: [
            one
            for one in running.reader().device_samples("box")
            if (one.figure, one.instance) == ("in_rate", "lo") and one.value is not None
        ]
    )
    assert rated[0].agent == "here"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    figures = {one.figure for one in running.reader().device_samples("box")}
    assert {"reachable", "uptime", "oper", "in_rate", "response_time"} <= figures
    # What was polled is in the store, as the trains are, unless a busy machine had no time for it.
    stored = list((running.folder / "data" / "store" / "device_samples").rglob("*.parquet"))
    assert stored or "flush-left-to-next-start" in running.log
    assert all(train.valid for train in running.reader().trains("a"))
    assert "public" not in running.log


def test_a_lost_device_is_an_event_that_ends_even_when_the_agent_was_killed(
    running: Agents, snmpd: Any
) -> None:
    running.configure(device("box", snmpd.port))
    first = running.start()
    until(lambda: each(running).get("box", {}).get("answered_ns"))
    snmpd.stop()
    until(lambda: each(running)["box"]["raised"])
    said = running.command("status")
    assert "1 do not answer" in said.stdout
    assert "no answer within 0.4 s" in said.stdout
    until(lambda: events(running, "box"))
    first.kill()
    first.wait()

    snmpd.start()
    running.start()
    until(lambda: [one.state for one in events(running, "box")] == ["raised", "cleared"])
    lost, found = events(running, "box")
    assert lost.kind == found.kind == "unreachable"
    assert lost.since_ns < lost.start_ns < found.since_ns < found.start_ns


def test_a_reload_adds_a_device_and_refuses_a_secret_that_is_gone(
    running: Agents, snmpd: Any
) -> None:
    running.configure(PATH)
    running.start()
    until(lambda: "event=engine-ready" in running.log)
    assert (read_state(running.folder / "data") or {}).get("devices") is None
    running.configure(PATH, device("box", snmpd.port))
    done = running.command("reload", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["devices"] == 1
    until(lambda: each(running).get("box", {}).get("answered_ns"))

    running.configure(PATH, device("box", snmpd.port), device("b2", 9, '{ file = "none" }'))
    refused = running.command("reload", "--json")
    assert refused.returncode == 1
    (problem,) = json.loads(refused.stdout)["problems"]
    assert "the secret file" in problem
    assert set(each(running)) == {"box"}

    running.configure(PATH)
    assert running.command("reload").returncode == 0
    until(lambda: (read_state(running.folder / "data") or {})["devices"] is None)


def test_status_names_devices_that_are_silent_or_have_something_wrong() -> None:
    now = 10_000 * 10**9
    well = {"answered_ns": now, "failures": 0, "error": "", "response_ns": 1, "raised": []}
    each = {
        "a": well,
        "b": {**well, "raised": [["interface-down", "outside", now - 300 * 10**9]]},
        "c": {
            **well, "answered_ns": now - 7200 * 10**9, "failures": 9, "error": "no answer",
            "raised": [["unreachable", "", 0]],
        },
        "d": {**well, "answered_ns": None},
    }  # fmt: skip
    schedule = {"lateness_ns": {"p99": 1_500_000, "max": 2_000_000}}
    state = {
        "started_ns": 0, "written_ns": now, "lateness_today_ns": {"p99": None, "max": None},
        "engine": {"restarts": 0}, "trains": {"local_drops": 0},
        "spool": {"depth": 0, "waiting": 0, "errors": 0, "given_up": 0, "dropped": {}},
        "devices": {"asked": 4, "restarts": 0, "schedule": schedule, "each": each},
        "clock": {"synchronised": True, "error_ns": None}, "configuration": {"problems": []},
    }  # fmt: skip
    lines = agent_lines(AgentStatus("here", Path("data"), 7, state, ()), now)
    at = lines.index(
        "devices: 4 polled, 1 do not answer, 1 not asked yet; lateness p99 1.500 ms"
    )  # fmt: skip
    assert lines[at + 1 : at + 3] == [
        "  c, seen 2 h ago: no answer",
        "  b: interface-down outside, began 5 min ago",
    ]
