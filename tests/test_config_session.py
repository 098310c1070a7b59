"""Sessions with PIX 6, PIX 7, ASA and IOS, by SSH and telnet, against the emulator."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from device_configs.errors import (
    CommandRefused,
    DeviceConfigError,
    DeviceUnreachable,
    HostKeyRefused,
    LoginRefused,
    SessionLost,
)
from device_configs.known_hosts import KnownHosts, fingerprint, offered_key
from device_configs.session import Answer, ConfigureInterrupted, Session, open_session
from device_configs.wire import Patience
from inventory.operations import Device, Login
from inventory.secrets import Secret

USER, PASSWORD, ENABLE = "operator", "pw-Zq7-login", "pw-Zq7-enable"
ENVIRON = {"PASSWORD": PASSWORD, "ENABLE": ENABLE, "WRONG": "pw-Zq7-wrong"}
SHORT = Patience(connect_s=2.0, silence_s=1.0, total_s=20.0)

ACES = "".join(
    f"access-list OUT extended permit tcp any host 10.1.{i}.1 eq www\n" for i in range(90)
)
ASA = f"""hostname fw
enable password {ENABLE}
username {USER} password {PASSWORD} privilege 15
interface GigabitEthernet0/0
 nameif inside
 security-level 100
 ip address 10.0.0.1 255.255.255.0
{ACES}aaa authentication ssh console LOCAL
aaa authentication telnet console LOCAL
ssh 0.0.0.0 0.0.0.0 inside
telnet 0.0.0.0 0.0.0.0 inside
"""
PIX6 = f"""hostname fw
enable password {ENABLE}
passwd {PASSWORD}
nameif ethernet1 inside security100
ip address inside 10.0.0.1 255.255.255.0
{ACES.replace("extended ", "")}telnet 0.0.0.0 0.0.0.0 inside
"""
ROUTES = "".join(f"ip route 10.{i}.0.0 255.255.0.0 10.0.0.2\n" for i in range(1, 90))
IOS = f"""hostname sw
enable secret {ENABLE}
username {USER} privilege 1 secret {PASSWORD}
interface GigabitEthernet0/1
 ip address 10.0.0.1 255.255.255.0
{ROUTES}line vty 0 4
 login local
 transport input ssh telnet
end
"""
KINDS = {
    "asa by ssh": ("asa", "cisco_asa", "ssh", ASA),
    "pix 7 by ssh": ("pix7", "cisco_pix", "ssh", ASA),
    "pix 6 by telnet": ("pix6", "cisco_pix", "telnet", PIX6),
    "ios by ssh": ("ios", "cisco_ios", "ssh", IOS),
    "ios by telnet": ("ios", "cisco_ios", "telnet", IOS),
}


class Rack:
    """Emulated devices with their entries of the configuration and trusted keys."""

    def __init__(self, devices: Any, folder: Path) -> None:
        self.devices = devices
        self.hosts = KnownHosts(folder / "known_hosts")
        self.open: list[Any] = []

    def put(self, kind: str, *, trusted: bool = True, **options: Any) -> tuple[Any, Device, Any]:
        """The emulated device, its `[[device]]` and its network side."""
        platform, name, transport, text = KINDS[kind]
        text = options.pop("text", text)
        login = options.pop("login", Login(**secrets()))
        device = self.devices.Device(platform, text, user=USER, password=PASSWORD, **options)
        served = device.serve()
        box = served.__enter__()
        self.open.append(served)
        port = box.ssh_port if transport == "ssh" else box.telnet_port
        entry = Device(
            id="dev-1",
            host=box.host,
            role="firewall",
            platform=name,
            transport=transport,
            port=port,
            login=login,
        )
        if transport == "ssh" and trusted:
            self.hosts.trust(box.host, port, offered_key("dev-1", box.host, port, 5.0))
        return device, entry, box

    def session(self, entry: Device, patience: Patience = SHORT) -> Session:
        """Log in."""
        return open_session(entry, ENVIRON, self.hosts, patience=patience)


def secrets(password: str = "PASSWORD", enable: str | None = "ENABLE") -> dict[str, Any]:
    return {
        "user": USER,
        "password": Secret(env=password),
        "enable": None if enable is None else Secret(env=enable),
    }


@pytest.fixture
def rack(devices: Any, tmp_path: Path) -> Iterator[Rack]:
    made = Rack(devices, tmp_path)
    yield made
    for served in reversed(made.open):
        served.__exit__(None, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_only_session_reads_all_and_changes_nothing(rack: Rack, kind: str) -> None:
    device, entry, _ = rack.put(kind)
    before, startup = device.checksum(), device.startup
    with rack.session(entry) as session:
        running = session.running()
        assert session.startup()
        facts = session.facts()
    assert device.difference(running) in ("", None, [], ())
    assert (device.checksum(), device.startup) == (before, startup)
    assert device.configured() == []
    assert facts.hostname == KINDS[kind][3].split()[1]
    assert facts.serial == device.serial
    assert facts.model.startswith(device.model[:6])


@pytest.mark.parametrize("kind", KINDS)
def test_commands_are_judged_one_by_one_and_the_mode_is_left(rack: Rack, kind: str) -> None:
    device, entry, _ = rack.put(kind)
    with rack.session(entry) as session:
        before = session.running()
        good = "ip route 10.200.0.0 255.255.0.0 10.0.0.2"
        if "ios" not in kind:
            good = "route inside 10.200.0.0 255.255.0.0 10.0.0.2 1"
        answers = session.configure([good, "no such command", "hostname never"])
        assert [answer.error is None for answer in answers] == [True, False]
        assert session.privileged
        assert session.running() != before
        assert device.configured() == [good, "no such command"]
        everything = session.configure(["no such command", good], stop=lambda _: False)
        assert len(everything) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_hostname_is_followed_and_saving_is_read_back(rack: Rack, kind: str) -> None:
    device, entry, _ = rack.put(kind)
    with rack.session(entry) as session:
        session.configure(["hostname renamed-while-configured-9", "hostname second"])
        assert session.hostname == "second"
        assert session.save().error is None
        assert "hostname second" in session.startup()
    assert "hostname second" in device.startup


def test_a_banner_that_looks_like_a_prompt_is_one_command(rack: Rack) -> None:
    _, entry, _ = rack.put("ios by ssh")
    banner = "banner motd ^C\nsw#\nsw>\nPassword: \nno line of this is a command\n^C"
    with rack.session(entry) as session:
        (answer, after) = session.configure([banner, "hostname sw"])
        assert answer.error is after.error is None
        assert "no line of this is a command" in session.running()


def test_a_long_line_comes_back_scrolled_and_is_still_one_answer(rack: Rack) -> None:
    _, entry, _ = rack.put("asa by ssh")
    long = "access-list OUT remark " + "x" * 90
    with rack.session(entry) as session:
        answers = session.configure([long, long + "y", "hostname fw"])
        assert [answer.error for answer in answers] == [None] * 3
        assert [answer.output for answer in answers] == [""] * 3
        assert long in session.running()


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_told_apart_from_a_wrong_enable_password(rack: Rack, kind: str) -> None:
    _, entry, _ = rack.put(kind)
    wrong = entry.model_copy(update={"login": Login(**secrets(password="WRONG"))})
    with pytest.raises(LoginRefused, match=r"login\.password"):
        rack.session(wrong)
    wrong = entry.model_copy(update={"login": Login(**secrets(enable="WRONG"))})
    with pytest.raises(LoginRefused, match="enable password is wrong"):
        rack.session(wrong)


def test_without_enable_a_refused_show_says_so(rack: Rack) -> None:
    _, entry, _ = rack.put("ios by ssh", login=Login(**secrets(enable=None)))
    with rack.session(entry) as session:
        assert not session.privileged
        with pytest.raises(DeviceConfigError, match=r"login\.enable"):
            session.running()


def test_configuring_without_the_right_to_is_refused_and_nothing_is_typed(rack: Rack) -> None:
    device, entry, _ = rack.put("ios by ssh", login=Login(**secrets(enable=None)))
    with rack.session(entry) as session, pytest.raises(CommandRefused, match="configure terminal"):
        session.configure(["hostname x"])
    assert device.configured() == []


def test_a_host_without_a_trusted_key_gets_no_password(rack: Rack) -> None:
    device, entry, _ = rack.put("ios by ssh", trusted=False)
    with pytest.raises(HostKeyRefused, match="pasprobe config trust dev-1"):
        rack.session(entry)
    assert device.log == []


def test_a_changed_key_is_refused_with_both_fingerprints(rack: Rack) -> None:
    _, entry, box = rack.put("ios by ssh")
    port = entry.port or 0
    (old,) = rack.hosts.keys(box.host, port)
    box.restart_with_new_key()
    new = offered_key("dev-1", box.host, port, 5.0)
    assert old != new
    with pytest.raises(HostKeyRefused) as refused:
        rack.session(entry)
    assert fingerprint(old) in str(refused.value)
    assert fingerprint(new) in str(refused.value)
    rack.hosts.trust(box.host, port, new)
    rack.session(entry).close()


def test_a_closed_port_and_a_silent_one_are_unreachable_in_time(rack: Rack) -> None:
    _, entry, _ = rack.put("ios by telnet")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = entry.model_copy(update={"port": silent.getsockname()[1]})
        started = time.monotonic()
        with pytest.raises(DeviceUnreachable, match="no login question"):
            rack.session(mute)
        # A generous bound: it ends, and not by chance of the machine's load.
        assert time.monotonic() - started < 30
    with pytest.raises(DeviceUnreachable):
        rack.session(mute)


@pytest.mark.parametrize("kind", ["asa by ssh", "pix 6 by telnet"])
@pytest.mark.parametrize("fault", ["drop", "cut", "hang", "reboot"])
def test_a_session_that_ends_tells_what_was_answered(rack: Rack, kind: str, fault: str) -> None:
    device, entry, _ = rack.put(kind)
    lines = [f"access-list NEW permit ip any host 10.9.0.{i}" for i in range(1, 6)]
    with rack.session(entry) as session:
        device.faults.append(rack.devices.Fault(fault, at=3))
        with pytest.raises(ConfigureInterrupted) as interrupted:
            session.configure(lines)
    assert [answer.command for answer in interrupted.value.answers] == lines[:2]
    assert interrupted.value.unanswered == lines[2]


def test_a_device_that_hangs_in_a_show_ends_the_wait(rack: Rack) -> None:
    device, entry, _ = rack.put("asa by ssh")
    with rack.session(entry) as session:
        device.faults.append(rack.devices.Fault("hang", on="show clock"))
        with pytest.raises(SessionLost, match=r"no answer for 0\.5 s"):
            session.show("show clock", timeout_s=0.5)


def test_a_slow_answer_is_waited_for(rack: Rack) -> None:
    device, entry, _ = rack.put("asa by ssh")
    with rack.session(entry) as session:
        device.faults.append(rack.devices.Fault("slow", at=1, seconds=1.5))
        (answer,) = session.configure(["hostname fw"], timeout_s=10)
        assert answer.error is None


def test_stopping_by_hand_leaves_the_session_usable(rack: Rack) -> None:
    _, entry, _ = rack.put("asa by ssh")

    def stop(_: Answer) -> bool:
        raise KeyboardInterrupt

    with rack.session(entry) as session:
        with pytest.raises(KeyboardInterrupt):
            session.configure(["hostname fw", "hostname gw"], stop=stop)
        assert "hostname fw" in session.running()
        assert session.privileged


@pytest.mark.parametrize("role", ["active", "standby"])
def test_the_role_in_a_failover_pair_is_known(rack: Rack, role: str) -> None:
    _, entry, _ = rack.put("asa by ssh", failover=role)
    with rack.session(entry) as session:
        assert session.facts().failover == role


def test_no_log_line_holds_a_secret_at_any_level(
    rack: Rack, caplog: pytest.LogCaptureFixture
) -> None:
    key = "pw-Zq7-shared-key"
    for name in ("", "netmiko", "paramiko", "device_configs"):
        caplog.set_level(logging.DEBUG, name)
    for kind in KINDS:
        _, entry, _ = rack.put(kind)
        with rack.session(entry) as session:
            session.running()
            session.configure([f"snmp-server community {key}"])
        wrong = entry.model_copy(update={"login": Login(**secrets(enable="WRONG"))})
        with pytest.raises(LoginRefused) as refused:
            rack.session(wrong)
        assert "Zq7" not in str(refused.value)
        assert "Zq7" not in repr(session.__dict__)
    assert caplog.text
    assert "Zq7" not in caplog.text


def test_sessions_leave_no_thread_and_no_filter_behind(rack: Rack) -> None:
    _, entry, _ = rack.put("ios by ssh")
    netmiko_log = logging.getLogger("netmiko")
    rack.session(entry).close()
    _settle(lambda: _ours() == 0)
    filters = len(netmiko_log.filters)
    for _ in range(5):
        rack.session(entry).close()
    _settle(lambda: _ours() == 0)
    assert len(netmiko_log.filters) == filters


def _ours() -> int:
    """Client transports of paramiko that still run."""
    return sum(
        1
        for thread in threading.enumerate()
        if type(thread).__name__ == "Transport" and not getattr(thread, "server_mode", False)
    )


def _settle(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline, "sessions are still there"
        time.sleep(0.05)
