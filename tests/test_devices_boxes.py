"""The real command lines of the tests: FRR by SSH and telnet, an sshd of old times."""

from __future__ import annotations

from typing import Any

import paramiko
from netmiko import ConnectHandler


def test_frr_is_configured_saved_and_restarted_like_a_router(frr_box: Any) -> None:
    with ConnectHandler(
        device_type="cisco_ios",
        host=frr_box.host,
        port=frr_box.ssh_port,
        username=frr_box.user,
        password=frr_box.password,
    ) as connection:
        connection.send_config_set(["ip route 10.9.0.0/16 Null0"])
        connection.save_config()
        connection.send_config_set(["ip route 10.8.0.0/16 Null0"])
        shown = connection.send_command("show running-config")
        assert "ip route 10.8.0.0/16 Null0" in shown
        # What vtysh does not know it says in a line with a percent sign.
        assert "% Unknown command" in connection.send_config_set(["frobnicate"])
    assert "ip route 10.9.0.0/16 Null0" in frr_box.startup
    frr_box.restart()
    shown = frr_box.vtysh("show running-config")
    assert "10.9.0.0/16" in shown
    assert "10.8.0.0/16" not in shown


def test_frr_takes_lines_in_silence_when_the_daemon_is_dead(frr_box: Any) -> None:
    line = "access-list known permit 10.0.0.0/8"
    frr_box.vtysh("configure terminal", line)
    assert "access-list known" in frr_box.vtysh("show running-config")
    frr_box.stop_daemon("zebra")
    assert frr_box.vtysh("configure terminal", line.replace("known", "lost")) == ""
    assert "access-list" not in frr_box.vtysh("show running-config")


def test_zebra_asks_for_its_line_and_enable_passwords(frr_box: Any) -> None:
    with ConnectHandler(
        device_type="cisco_ios_telnet",
        host=frr_box.telnet_host,
        port=frr_box.telnet_port,
        username="",
        password=frr_box.line_password,
        secret=frr_box.enable_password,
    ) as connection:
        connection.enable()
        assert connection.find_prompt().endswith("#")


def test_the_pinned_paramiko_reaches_devices_of_old_times(old_sshd: Any) -> None:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    try:
        client.connect(
            old_sshd.host,
            old_sshd.port,
            old_sshd.user,
            old_sshd.password,
            allow_agent=False,
            look_for_keys=False,
        )
        transport = client.get_transport()
        assert transport is not None
        assert transport.remote_cipher == "3des-cbc"
        assert transport.host_key_type == "ssh-rsa"
    finally:
        client.close()
