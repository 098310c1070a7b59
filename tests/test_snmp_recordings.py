"""Recordings of our own making, answered by snmpsim: PIX 6.3 and 7.2, ASA, switch, stack."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import typer
from typer.testing import CliRunner

import collectors.commands
from collectors.asking import Asker
from collectors.clients import open_client
from collectors.counters import Continuity
from collectors.device import DeviceCollector
from collectors.discovery import Discovered, discover
from collectors.errors import SnmpError
from collectors.readings import Baseline, Readings, read
from collectors.snmp import Client, Session, Target, in_vlan
from inventory.operations import Device
from timeseries.embedded import EmbeddedStore
from timeseries.reader import EmbeddedReader
from timeseries.spool import Spool
from timeseries.spool_file import SPOOL_NAME

RECORDINGS = Path(__file__).parent / "snmprec"
Result = TypeVar("Result")


class Simulator:
    """snmpsim with our recordings; the community is the recording's name."""

    def __init__(self, folder: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        me = [] if os.geteuid() else ["--process-user=root", "--process-group=root"]
        self.process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("snmpsim-command-responder")), *me,
                f"--data-dir={RECORDINGS}", f"--cache-dir={folder}",
                f"--agent-udpv4-endpoint=127.0.0.1:{self.port}",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def target(self, recording: str) -> Target:
        return Target("127.0.0.1", self.port, community=recording, timeout_s=1.0)

    def wait(self) -> None:
        async def ask(client: Client) -> None:
            deadline = time.monotonic() + 30
            while True:
                session = client.session(self.target("asa"))
                try:
                    await session.get(["1.3.6.1.2.1.1.3.0"])
                except SnmpError:
                    assert self.process.poll() is None, "snmpsim ended"
                    assert time.monotonic() < deadline, "snmpsim does not answer"
                    await asyncio.sleep(0.2)
                else:
                    return
                finally:
                    await session.close()

        with_client(ask)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def with_client(work: Callable[[Client], Awaitable[Result]], library: Any = "pysnmp") -> Result:
    async def run() -> Result:
        client = open_client(library)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    made = Simulator(tmp_path_factory.mktemp("snmpsim"))
    made.wait()
    yield made
    made.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Simulator]:
    """One that has just been started: its counters are still before their wraps."""
    made = Simulator(tmp_path / "cache")
    made.wait()
    yield made
    made.stop()


def discovered(simulator: Simulator, recording: str, library: str = "pysnmp") -> Discovered:
    async def ask(client: Client) -> Discovered:
        session = client.session(simulator.target(recording))
        try:
            return await discover(session)
        finally:
            await session.close()

    return with_client(ask, library)


EXPECTED = {
    "pix63": (
        "pix6",
        {
            ("model", ""): "PIX 506E",
            ("release", ""): "6.3(5)",
            ("cpu_5min", "1"): "5",
            ("connections", ""): "812",
            ("failover_state", "primary"): "down",
            ("failover_polled", "primary"): "Primary unit (this device)",
            ("buffers_free", "1550"): "1188",
            ("memory_free", "PIX system memory"): "43108864",
            ("speed", "outside"): "100000000",
        },
        {"serial", "engine_boots", "sessions", "config_changed", "alias"},
    ),
    "pix72": (
        "pix7",
        {
            ("serial", ""): "TST0001PIXB",
            ("failover_state", "secondary"): "standby",
            ("sessions_ipsec", ""): "2",
            ("oper", "dmz"): "down",
            ("ipsec_tunnel_rows", ""): "1",
        },
        {"config_changed", "engine_boots"},
    ),
    "asa": (
        "asa",
        {
            ("memory_used", "System memory"): "5500000000",
            ("ipsec_tunnels", ""): "0",
            ("ipsec_tunnel_rows", ""): "3",
            ("failover_polled", "secondary"): "Secondary unit (this device)",
            ("sensor", "Chassis Temperature"): "41",
            ("sessions_ssl", ""): "14",
            ("speed", "vpn-tunnel"): "0",
        },
        {"fan_state", "reload_reason"},
    ),
    "access": (
        "catalyst",
        {
            ("fan_state", "Switch#1, Fan#1"): "warning",
            ("poe_used", "1"): "31",
            ("vlans", ""): "4",
            ("alias", "Gi0/1"): "uplink to core",
            ("reload_reason", ""): "power-on",
        },
        {"stack_member", "sensor"},
    ),
    "stack": (
        "catalyst",
        {
            ("stack_member", "2001"): "verMismatch",
            ("mac_addresses", ""): "43",
            ("cpu_1min", "2"): "4",
            ("oper", "Gi2/0/3"): "down",
            ("duplex", "Gi1/0/1"): "full",
        },
        {"poe_used", "temperature"},
    ),
}


@pytest.mark.parametrize("library", ["pysnmp", "gufo"])
@pytest.mark.parametrize("recording", EXPECTED)
def test_discovery_finds_what_a_device_has_and_says_what_it_has_not(
    simulator: Simulator, recording: str, library: str
) -> None:
    profile, values, missing = EXPECTED[recording]
    found = discovered(simulator, recording, library)
    assert found.plan.profile.name == profile
    told = {(one.field, one.instance or one.index): one.value for one in found.found}
    assert {key: told.get(key) for key in values} == values
    assert missing <= {one.field for one in found.missing}
    assert all(one.value or one.why_absent for one in found.found)
    # Every figure of the profile is in the table, there or not.
    assert {one.field for one in found.found} == {f.field for f in found.plan.profile.figures}


def test_old_devices_are_read_by_their_old_columns(simulator: Simulator) -> None:
    def chosen(recording: str) -> dict[str, str]:
        plan = discovered(simulator, recording).plan
        return {one.figure.field: one.variant.mib.partition("::")[2] for one in plan.choices}

    old, new = chosen("pix63"), chosen("asa")
    assert (old["in_rate"], new["in_rate"]) == ("ifInOctets", "ifHCInOctets")
    assert (old["cpu_5min"], new["cpu_5min"]) == ("cpmCPUTotal5min", "cpmCPUTotal5minRev")
    assert old["memory_used"] == "ciscoMemoryPoolUsed"
    assert new["memory_used"] == "cempMemPoolHCUsed"


async def polls(client: Client, target: Target, count: int, pause_s: float = 0.5) -> list[Readings]:
    session = client.session(target)
    plan = (await discover(session)).plan

    def vlan(number: int) -> Session:
        return client.session(in_vlan(target, number))

    asker, before, found = Asker(session, plan, vlan), Baseline(), []
    for number in range(count):
        answers = await asker.ask(full=number == 0)
        found.append(read(plan, answers, before, agent="a", device="d"))
        before = found[-1].baseline
        await asyncio.sleep(pause_s)
    await session.close()
    return found


def test_a_pix_whose_counters_and_uptime_wrap_gives_steady_rates_and_no_restart(
    fresh: Simulator,
) -> None:
    """A counter of 32 bits wraps 4 s after the start, sysUpTime after 10, the tunnels' after 2."""
    found = with_client(lambda client: polls(client, fresh.target("pix63"), 10, 1.5))
    steps = [one.step.continuity for one in found]
    assert steps == [Continuity.FIRST, *[Continuity.SAME] * 9]
    uptimes = [r.value for one in found for r in one.records if r.figure == "uptime"]
    assert max(filter(None, uptimes)) > 4_294_960_000  # the wrap was seen
    assert uptimes[-1] is not None
    assert uptimes[-1] < 100_000
    rates = [
        r.value
        for one in found[1:]
        for r in one.records
        if (r.figure, r.instance) == ("in_rate", "outside")
    ]
    # snmpsim counts 125,000 octets a second; its clock and the answers' own differ a little.
    assert all(value is not None and 700_000 < value < 1_300_000 for value in rates), rates


def test_mac_addresses_are_counted_vlan_by_vlan_where_nothing_else_tells(
    simulator: Simulator,
) -> None:
    (found,) = with_client(lambda client: polls(client, simulator.target("access"), 1))
    (macs,) = [one for one in found.records if one.figure == "mac_addresses"]
    assert (macs.value, macs.note) == (10, "")


@pytest.mark.parametrize("recording", ["asa", "stack"])
def test_both_clients_give_the_same_records(simulator: Simulator, recording: str) -> None:
    def of(library: str) -> list[tuple[object, ...]]:
        (found,) = with_client(lambda c: polls(c, simulator.target(recording), 1), library)
        moving = {"uptime", "engine_time", "response_time"}
        return sorted(
            (r.figure, r.instance, str(r.value), r.text, r.unit, r.scale, r.note)
            for r in found.records
            if r.figure not in moving
        )

    assert of("pysnmp") == of("gufo")


def device(simulator: Simulator, recording: str) -> Device:
    return Device.model_validate(
        {
            "id": recording, "host": "127.0.0.1", "role": "switch", "platform": "cisco_ios",
            "snmp": {"version": "2c", "community": {"env": "C"}, "port": simulator.port},
        }
    )  # fmt: skip


def test_a_device_is_recorded_watched_and_missed_when_it_falls_silent(
    fresh: Simulator, tmp_path: Path
) -> None:
    data = tmp_path / "data"

    async def life(client: Client, spool: Spool) -> None:
        target = fresh.target("access")
        mine = DeviceCollector("a", device(fresh, "access"), target, client, spool.append)
        for _ in range(2):
            await mine.poll()
        fresh.stop()
        for _ in range(3):
            with pytest.raises(SnmpError) as caught:
                await mine.poll()
            assert "access" not in str(caught.value)  # the community is a secret
        await mine.close()

    with Spool(data / SPOOL_NAME) as spool:
        EmbeddedStore(data, spool)
        with_client(lambda client: life(client, spool))
    reader = EmbeddedReader(data)
    told = [(one.kind, one.instance, one.state) for one in reader.device_events()]
    assert told == [
        ("environment", "Fan Switch#1, Fan#1", "raised"),
        ("unsaved-change", "", "raised"),
        ("unreachable", "", "raised"),
    ]
    samples = list(reader.device_samples())
    assert [r.value for r in samples if r.figure == "reachable"] == [1, 1, 0, 0, 0]
    # Numbers at every poll, states when they change.
    assert len([r for r in samples if r.figure == "cpu_5min"]) == 2
    assert len([r for r in samples if (r.figure, r.instance) == ("oper", "Fa0/1")]) == 1


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    collectors.commands.register(made)
    made.command("other")(lambda: None)  # with one command alone typer would drop its name
    return made


@pytest.fixture
def configured(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SNMP_SECRET", "stack")
    monkeypatch.setenv("WRONG_SECRET", "wr0ng-community")
    file = tmp_path / "pasprobe.toml"
    file.write_text(
        "".join(
            f'[[device]]\nid = "{name}"\nhost = "127.0.0.1"\nrole = "switch"\n'
            f'platform = "cisco_ios"\n{snmp}\n'
            for name, snmp in {
                "sw": f'snmp = {{ version = "2c", community = {{ env = "SNMP_SECRET" }},'
                f" port = {simulator.port} }}",
                "wrong": f'snmp = {{ version = "2c", community = {{ env = "WRONG_SECRET" }},'
                f' port = {simulator.port}, timeout = "200ms" }}',
                "mute": "",
            }.items()
        )
    )
    return file


def run(app: typer.Typer, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["snmp", *arguments])


def test_poll_prints_figures_and_rates(app: typer.Typer, configured: Path) -> None:
    done = run(app, "poll", "sw", "--config", str(configured), "--seconds", "1", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["device"], told["profile"]) == ("sw", "catalyst")
    figures = {(one["figure"], one["instance"]): one for one in told["figures"]}
    assert figures["in_rate", "Gi1/0/2"]["value"] > 0
    assert figures["stack_member", "2001"]["text"] == "verMismatch"
    done = run(app, "poll", "sw", "--config", str(configured), "--seconds", "0")
    assert done.exit_code == 0, done.output
    assert "Gi1/0/1" in done.stdout
    assert "verMismatch" in done.stdout


def test_discover_takes_a_device_or_an_address(
    app: typer.Typer, configured: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(app, "discover", "sw", "--config", str(configured), "--json")
    assert json.loads(done.stdout)["profile"] == "catalyst"
    monkeypatch.chdir(configured.parent)
    monkeypatch.setenv("PASPROBE_SNMP_COMMUNITY", "pix63")
    port = str(simulator.port)
    done = run(app, "discover", "127.0.0.1", "--port", port, "--profile", "asa", "--json")
    told = json.loads(done.stdout)
    assert told["profile"] == "asa"
    absent = {one["figure"] for one in told["figures"] if one["why_absent"]}
    assert {"sensor", "sessions"} <= absent
    monkeypatch.setenv("COLUMNS", "200")
    done = run(app, "discover", "127.0.0.1", "--port", port)
    assert "the device does not have the" in " ".join(done.stdout.split())


def test_what_is_wrong_is_said_without_the_secret(app: typer.Typer, configured: Path) -> None:
    config = ("--config", str(configured))
    done = run(app, "poll", "wrong", *config)
    assert done.exit_code == 1
    assert "community" in done.output
    assert "wr0ng" not in done.output
    done = run(app, "poll", "wron", *config)
    assert done.exit_code == 2
    assert 'no [[device]] "wron"' in done.output
    done = run(app, "poll", "mute", *config)
    assert done.exit_code == 2
    assert "add snmp = " in done.output
    done = run(app, "discover", "sw", *config, "--profile", "pix9")
    assert done.exit_code == 2
    assert 'no device profile "pix9"' in done.output
    for wrong, why in (
        (("--version", "3"), "give --user"),
        (("--user", "u"), "version 2c has no use for --user"),
        (("--version", "3", "--user", "u", "--community-env", "X"), "no use for --community-env"),
        (("--version", "3", "--user", "u", "--priv-env", "SNMP_SECRET"), "give --auth-env too"),
        (("--version", "3", "--user", "u", "--auth-env", "SNMP_SECRET"), "shorter than 8 octets"),
        (("--version", "3", "--user", "u", "--auth-env", "NOT_THERE"), "NOT_THERE is not set"),
        (("--auth-protocol", "sha1", "--version", "3"), "choose one of md5, sha,"),
    ):
        done = run(app, "discover", "127.0.0.1", *wrong, *config)
        assert (done.exit_code, why in done.output) == (2, True), done.output
    done = run(app, "discover", "sw", "--port", "161", *config)
    assert (done.exit_code, "leave out --port" in done.output) == (2, True)
    done = run(app, "poll", "sw", "--watch", "--seconds", "0", *config)
    assert (done.exit_code, "--seconds 1 or more" in done.output) == (2, True)


def test_a_name_that_is_nothing_is_held_against_the_devices(
    app: typer.Typer, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(configured.parent)
    done = run(app, "discover", "mutee..invalid")
    assert done.exit_code == 1
    assert 'pasprobe.toml has no [[device]] "mutee..invalid": ' in done.output
    configured.write_text("[agnt]\n")
    done = run(app, "discover", "sw..invalid")
    assert done.exit_code == 1
    assert "pasprobe.toml cannot be read: see `pasprobe check`" in done.output


def test_interfaces_that_only_the_configuration_has_are_told(
    app: typer.Typer, configured: Path
) -> None:
    text = configured.read_text()
    configured.write_text(
        text.replace("snmp = {", 'access_interface = "GigabitEthernet1/0/2"\nsnmp = {', 1)
        + '[[pas]]\nid = "roma"\ncountry = "IT"\ntimezone = "Europe/Rome"\nprofile = "high"\n'
        + 'services = [{ id = "ip-base", level = "L3", window = "normal", '
        + 'interface = "sw/outside" }]\n'
    )
    for command in (("discover",), ("poll", "--seconds", "0")):
        done = run(app, command[0], "sw", *command[1:], "--config", str(configured))
        assert done.exit_code == 0, done.output
        told = done.stderr.splitlines()
        assert len(told) == 2, done.output
        assert '"GigabitEthernet1/0/2", and it has none of that name' in told[0]
        assert 'did you mean "Gi1/0/2"?' in told[0]
        assert '"outside"' in told[1]
        assert "there are: Gi1/0/1, " in told[1]
