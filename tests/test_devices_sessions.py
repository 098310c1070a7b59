"""Sessions with the emulated devices, over real SSH and telnet, driven by netmiko and paramiko."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from netmiko import ConnectHandler

ASA = """\
hostname fw
interface GigabitEthernet0/1
 nameif inside
 security-level 100
 ip address 10.0.0.1 255.255.255.0
ssh 10.0.0.0 255.255.255.0 inside
aaa authentication ssh console LOCAL
username admin password admin-pw privilege 15
enable password enable-pw
tunnel-group 198.51.100.1 type ipsec-l2l
tunnel-group 198.51.100.1 ipsec-attributes
 ikev1 pre-shared-key between-us
"""
IOS = """\
hostname sw
enable secret enable-pw
username admin privilege 15 secret admin-pw
username other secret other-pw
interface Vlan10
 ip address 10.0.0.1 255.255.255.0
archive
 path flash:kept
line vty 0 4
 transport input ssh telnet
 login local
"""
PIX6 = """\
hostname pix
interface ethernet1 auto
nameif ethernet1 inside security100
ip address inside 10.0.0.1 255.255.255.0
passwd admin-pw
enable password enable-pw
telnet 10.0.0.0 255.255.255.0 inside
isakmp key between-us address 198.51.100.1 netmask 255.255.255.255
"""


class Line:
    """A terminal on a paramiko channel or a telnet socket."""

    def __init__(self, send: Callable[[bytes], Any], receive: Callable[[int], bytes]) -> None:
        self.send, self.receive = send, receive

    def until(self, end: str) -> str:
        seen = ""
        while not seen.endswith(end):
            data = self.receive(65_536)
            if not data:
                raise EOFError(seen)
            seen += data.decode(errors="replace")
        return seen

    def ask(self, command: str, end: str) -> str:
        self.send(f"{command}\n".encode())
        return self.until(end)


@pytest.fixture
def ssh() -> Iterator[Callable[..., Line]]:
    clients: list[paramiko.SSHClient] = []

    def connect(box: Any, user: str = "admin", password: str = "admin-pw") -> Line:
        client = paramiko.SSHClient()
        clients.append(client)
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            box.host,
            box.ssh_port,
            user,
            password,
            allow_agent=False,
            look_for_keys=False,
            timeout=10,
        )
        channel = client.invoke_shell(width=200)
        channel.settimeout(20)
        return Line(channel.sendall, channel.recv)

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def telnet() -> Iterator[Callable[..., Line]]:
    sockets: list[socket.socket] = []

    def connect(box: Any) -> Line:
        made = socket.create_connection((box.host, box.telnet_port), timeout=20)
        sockets.append(made)
        return Line(made.sendall, made.recv)

    yield connect
    for made in sockets:
        made.close()


def test_netmiko_reads_configures_and_saves_a_switch(devices: Any) -> None:
    device = devices.Device("ios", IOS)
    with device.serve() as box:
        for kind, port in (("cisco_ios", box.ssh_port), ("cisco_ios_telnet", box.telnet_port)):
            with ConnectHandler(
                device_type=kind, host=box.host, port=port, username="admin", password="admin-pw"
            ) as connection:
                shown = connection.send_command("show running-config")
                assert shown.rstrip().endswith("end")
                connection.send_config_set(["interface Vlan20", "description made by " + kind])
                assert "[OK]" in connection.save_config()
    assert " description made by cisco_ios_telnet" in device.startup
    assert device.is_saved()


def test_netmikos_own_asa_class_changes_the_configuration(devices: Any) -> None:
    device = devices.Device("asa", ASA)
    before = device.checksum()
    with device.serve() as box:
        login = {"username": "admin", "password": "admin-pw", "secret": "enable-pw"}
        ConnectHandler(
            device_type="cisco_asa", host=box.host, port=box.ssh_port, **login
        ).disconnect()
    assert device.configured() == ["terminal width 511"]
    assert device.checksum() != before


def test_asking_alone_leaves_the_checksum_as_it_was(devices: Any, ssh: Any) -> None:
    device = devices.Device("asa", ASA)
    before = device.checksum()
    with device.serve() as box:
        line = ssh(box)
        line.until("\rfw> ")
        line.ask("enable", "Password: ")
        line.ask("enable-pw", "\rfw# ")
        line.ask("terminal pager 0", "\rfw# ")
        masked = line.ask("show running-config", "\rfw# ")
        whole = line.ask("more system:running-config", "\rfw# ")
    assert " ikev1 pre-shared-key *****\r\n" in masked
    assert " ikev1 pre-shared-key between-us\r\n" in whole
    assert ": end\r\n" in masked
    assert device.checksum() == before
    assert [entry.command for entry in device.log if entry.mode == "config"] == []


def test_a_wrong_password_is_refused_by_ssh_telnet_and_enable(
    devices: Any, ssh: Any, telnet: Any
) -> None:
    with devices.Device("ios", IOS).serve() as box:
        with pytest.raises(paramiko.AuthenticationException):
            ssh(box, password="wrong")
        line = telnet(box)
        line.until("Username: ")
        line.ask("admin", "Password: ")
        assert "% Login invalid" in line.ask("wrong", "Username: ")
        line = ssh(box, "other", "other-pw")
        line.until("sw>")
        line.ask("enable", "Password: ")
        line.ask("no", "Password: ")
        line.ask("no", "Password: ")
        assert "% Bad secrets" in line.ask("no", "sw>")
        assert "% Invalid input" in line.ask("configure terminal", "sw>")


def test_a_pix_6_is_entered_by_telnet_with_a_password_and_pages(devices: Any, telnet: Any) -> None:
    device = devices.Device("pix6", PIX6)
    before = device.checksum()
    with device.serve() as box:
        line = telnet(box)
        line.until("Password: ")
        line.ask("admin-pw", "pix> ")
        line.ask("enable", "Password: ")
        line.ask("enable-pw", "pix# ")
        assert "Type help" in line.ask("terminal pager 0", "pix# ")
        device.type("pager lines 10")
        shown = line.ask("write terminal", "<--- More --->")
        pages = 1
        while not shown.endswith("pix# "):
            line.send(b" ")
            seen = ""
            while not seen.endswith(("<--- More --->", "pix# ")):
                seen += line.receive(65_536).decode()
            shown += seen
            pages += 1
    assert pages > 2
    assert "isakmp key ******** address" in shown
    assert "\r              \r" in shown
    device.type("pager lines 24")
    assert device.checksum() == before


def test_removing_a_user_of_a_switch_asks_first(devices: Any, ssh: Any) -> None:
    device = devices.Device("ios", IOS)
    with device.serve() as box:
        line = ssh(box)
        line.until("sw#")
        line.ask("configure terminal", "sw(config)#")
        line.ask("no username other", "[confirm]")
        assert "username other" in device.running()
        line.send(b"\n")
        line.until("sw(config)#")
    assert "username other" not in device.running()


def test_a_banner_of_several_lines_is_typed_to_its_mark(devices: Any, ssh: Any) -> None:
    device = devices.Device("ios", IOS)
    with device.serve() as box:
        line = ssh(box)
        line.until("sw#")
        line.ask("configure terminal", "sw(config)#")
        line.send(b"banner motd ^C\nhello\n  there\n^C\n")
        line.until("sw(config)#")
    assert "banner motd ^C\nhello\n  there\n^C\n" in device.running()


def test_the_command_that_shuts_us_out_ends_the_session(devices: Any, ssh: Any) -> None:
    device = devices.Device("asa", ASA, management=devices.Management("10.0.0.9", "inside"))
    with device.serve() as box:
        line = ssh(box)
        line.until("\rfw> ")
        line.ask("enable", "Password: ")
        line.ask("enable-pw", "\rfw# ")
        line.ask("configure terminal", "\rfw(config)# ")
        line.ask("hostname fw", "\rfw(config)# ")
        with pytest.raises((EOFError, OSError)):
            line.ask("no ssh 10.0.0.0 255.255.255.0 inside", "\rfw(config)# ")
        with pytest.raises((EOFError, OSError, paramiko.SSHException)):
            ssh(box)
    assert [cut.command for cut in device.cuts] == ["no ssh 10.0.0.0 255.255.255.0 inside"]


@pytest.mark.parametrize(
    ("kind", "ends", "done"),
    [
        ("drop", True, ["hostname a1"]),
        ("cut", True, ["hostname a1", "hostname a2"]),
        ("reboot", True, []),
        ("forget", False, ["hostname a1", "hostname a3"]),
        ("refuse", False, ["hostname a1", "hostname a3"]),
    ],
)
def test_a_fault_strikes_at_its_command(
    devices: Any, ssh: Any, kind: str, ends: bool, done: list[str]
) -> None:
    device = devices.Device("ios", IOS)
    device.faults.append(devices.Fault(kind, at=2))
    with device.serve() as box:
        line = ssh(box)
        line.until("sw#")
        line.ask("configure terminal", "sw(config)#")
        answers = []
        try:
            for number in range(1, 4):
                answers += [line.ask(f"hostname a{number}", "(config)#")]
        except (EOFError, OSError):
            assert ends
        else:
            assert not ends
            assert ("% Invalid" in answers[1]) is (kind == "refuse")
    expected = done[-1] if done else "hostname sw"
    assert f"\n{expected}\n" in device.running()
    assert device.faults == []
    assert device.reloads == (1 if kind == "reboot" else 0)


def test_a_device_that_hangs_keeps_the_connection_and_says_nothing(devices: Any, ssh: Any) -> None:
    device = devices.Device("ios", IOS)
    device.faults.append(devices.Fault("hang", on="^show version"))
    with device.serve() as box:
        line = ssh(box)
        line.until("sw#")
        line.send(b"show version\n")
        time.sleep(0.3)
        assert len(device.open_sessions) == 1


def test_a_restart_brings_the_saved_configuration_back(devices: Any, ssh: Any) -> None:
    device = devices.Device("ios", IOS, reload_s=0.2)
    with device.serve() as box:
        line = ssh(box)
        line.until("sw#")
        line.ask("configure terminal", "sw(config)#")
        line.ask("hostname lost", "lost(config)#")
        line.ask("end", "lost#")
        line.ask("reload", "[yes/no]: ")
        line.ask("no", "[confirm]")
        with pytest.raises((EOFError, OSError)):
            line.ask("", "lost#")
        while not device.up:
            time.sleep(0.02)
        ssh(box).until("sw#")
    assert device.reloads == 1


def test_reload_in_fires_unless_it_is_cancelled(devices: Any, ssh: Any) -> None:
    device = devices.Device("asa", ASA)
    with device.serve() as box:
        line = ssh(box)
        line.until("\rfw> ")
        line.ask("enable", "Password: ")
        line.ask("enable-pw", "\rfw# ")
        assert "SHUTDOWN in 0:05:00" in line.ask("reload in 5 noconfirm", "\rfw# ")
        assert device.pending == "reload"
        assert "ABORTED" in line.ask("reload cancel", "\rfw# ")
        assert "No reload" in line.ask("show reload", "\rfw# ")
        device.expire()
        assert device.reloads == 0
        line.ask("reload in 5 noconfirm", "\rfw# ")
        device.expire()
    assert device.reloads == 1


def test_a_revert_timer_needs_an_archive_and_takes_everything_back(devices: Any, ssh: Any) -> None:
    device = devices.Device("ios", IOS)
    before = device.running()
    with device.serve() as box:
        line = ssh(box)
        line.until("sw#")
        line.ask("configure terminal revert timer 5", "sw(config)#")
        line.ask("ip route 0.0.0.0 0.0.0.0 10.0.0.2", "sw(config)#")
        assert device.running() != before
        device.expire()
        assert device.running() == before
        line.ask("end", "sw#")
        line.ask("configure terminal revert timer 5", "sw(config)#")
        line.ask("hostname kept", "kept(config)#")
        line.ask("end", "kept#")
        line.ask("configure confirm", "kept#")
        device.expire()
        line.ask("configure terminal", "kept(config)#")
        line.ask("no archive", "kept(config)#")
        line.ask("end", "kept#")
        assert "not configured" in line.ask("configure terminal revert timer 5", "kept#")
    assert "hostname kept" in device.running()


def test_a_reader_sees_everything_and_changes_nothing(devices: Any, ssh: Any) -> None:
    device = devices.Device("asa", ASA, read_only=("auditor",))
    with device.serve() as box:
        line = ssh(box, "auditor")
        line.until("\rfw# ")
        line.ask("terminal pager 0", "\rfw# ")
        assert "between-us" in line.ask("more system:running-config", "\rfw# ")
        assert "authorization failed" in line.ask("configure terminal", "\rfw# ")


def test_contexts_have_configurations_of_their_own(devices: Any, ssh: Any) -> None:
    inner = (
        "hostname inner\nusername admin password admin-pw privilege 15\nenable password enable-pw\n"
    )
    device = devices.Device(
        "asa", "hostname fw\n", contexts={"admin": inner, "shop": "hostname s\n"}
    )
    with device.serve() as box:
        line = ssh(box)
        line.until("\rfw/admin> ")
        line.ask("enable", "Password: ")
        line.ask("enable-pw", "\rfw/admin# ")
        assert "multiple" in line.ask("show mode", "\rfw/admin# ")
        line.ask("changeto context shop", "\rfw/shop# ")
        assert "hostname s" in line.ask("more system:running-config", "\rfw/shop# ")
        line.ask("changeto system", "\rfw# ")
        assert "disk0:/shop.cfg" in line.ask("show context", "\rfw# ")
        assert "hostname s" in line.ask("more disk0:/shop.cfg", "\rfw# ")


def test_a_long_line_scrolls_on_a_firewall(devices: Any, ssh: Any) -> None:
    device = devices.Device("asa", ASA)
    with device.serve() as box:
        line = ssh(box)
        line.until("\rfw> ")
        line.ask("enable", "Password: ")
        line.ask("enable-pw", "\rfw# ")
        line.ask("configure terminal", "\rfw(config)# ")
        command = "snmp-server location " + "x" * 100
        line.send(f"{command}\n".encode())
        shown = line.until("x\r\n\rfw(config)# ")
    assert "fw(config)# $xxx" in shown
    assert command in device.running()


def test_another_host_key_is_shown_after_a_swap(devices: Any) -> None:
    with devices.Device("ios", IOS).serve() as box:
        seen = []
        for _ in range(2):
            transport = paramiko.Transport((box.host, box.ssh_port))
            transport.start_client(timeout=10)
            key = transport.get_remote_server_key()
            seen.append(f"{key.get_name()} {key.get_base64()}")
            assert seen[-1] == box.host_key
            transport.close()
            box.restart_with_new_key()
    assert seen[0] != seen[1]


def test_as_a_script_it_keeps_files_of_what_runs_and_what_is_saved(tmp_path: Path) -> None:
    saved = tmp_path / "fw"
    saved.write_text(IOS)
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("devices")), "ios", str(saved)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        told = json.loads(process.stdout.readline())
        with ConnectHandler(
            device_type="cisco_ios",
            host=told["host"],
            port=told["ssh"],
            username="admin",
            password="admin-pw",
        ) as connection:
            connection.send_config_set(["snmp-server location here"])
        process.stdin.close()
        process.wait(timeout=20)
    assert "snmp-server location here" in (tmp_path / "fw.running").read_text()
    assert "snmp-server location here" not in (tmp_path / "fw.startup").read_text()
