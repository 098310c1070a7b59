"""Real command lines: FRR's vtysh by SSH, zebra by telnet, an sshd with old algorithms alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device_configs.backup import Job, back_up
from device_configs.errors import LoginRefused
from device_configs.history import History
from device_configs.known_hosts import KnownHosts, offered_key
from device_configs.session import open_session
from device_configs.wire import Credentials, Endpoint, Patience, open_ssh
from inventory.operations import Device, Login
from inventory.secrets import Secret

PATIENCE = Patience(connect_s=15.0, silence_s=10.0, total_s=60.0)


def _by_ssh(box: Any) -> Device:
    return Device(
        id="frr-1",
        host=box.host,
        port=box.ssh_port,
        role="switch",
        platform="frr",
        login=Login(user=box.user, password=Secret(env="PASSWORD")),
    )


def _by_telnet(box: Any, password: str = "LINE", enable: str = "ENABLE") -> Device:
    return Device(
        id="zebra-1",
        host=box.telnet_host,
        port=box.telnet_port,
        role="switch",
        platform="frr",
        transport="telnet",
        login=Login(user="nobody", password=Secret(env=password), enable=Secret(env=enable)),
    )


def _environ(box: Any) -> dict[str, str]:
    return {
        "PASSWORD": box.password,
        "LINE": box.line_password,
        "ENABLE": box.enable_password,
        "WRONG": "not-it",
    }


def _trusting(box: Any, folder: Path) -> KnownHosts:
    hosts = KnownHosts(folder / "known_hosts")
    hosts.trust(box.host, box.ssh_port, offered_key("frr-1", box.host, box.ssh_port, 15.0))
    return hosts


def test_a_real_router_is_backed_up_configured_saved_and_backed_up_again(
    frr_box: Any, tmp_path: Path
) -> None:
    hosts, entry, environ = _trusting(frr_box, tmp_path), _by_ssh(frr_box), _environ(frr_box)
    history = History(tmp_path / "kept")
    job = Job(history, hosts, environ, "test", patience=PATIENCE)
    first = [back_up([entry], job)[0] for _ in range(2)]
    assert [(one.state, one.error) for one in first] == [("changed", None), ("unchanged", None)]
    with open_session(entry, environ, hosts, patience=PATIENCE) as session:
        answers = session.configure(
            [
                "ip route 10.200.0.0/16 blackhole",
                "no ip route 10.201.0.0/16 blackhole",
                "no such command",
                "ip route 10.202.0.0/16 blackhole",
                "router bgp 1",
            ],
            stop=lambda _: False,
        )
        # Removing what is not there is as wanted; what a missing daemon swallows is not.
        assert [answer.error is None for answer in answers] == [True, True, False, True, False]
        assert session.save().error is None
        assert session.facts().release
    assert "10.202.0.0/16" in frr_box.startup
    assert back_up([entry], job)[0].state == "changed"
    assert "ip route 10.200.0.0/16 blackhole" in history.get("frr-1")


def test_zebra_by_telnet_with_line_and_enable_password(frr_box: Any, tmp_path: Path) -> None:
    hosts, environ = KnownHosts(tmp_path / "known_hosts"), _environ(frr_box)
    with open_session(_by_telnet(frr_box), environ, hosts, patience=PATIENCE) as session:
        assert session.privileged
        good, bad = session.configure(["hostname zz", "bogus"], stop=lambda _: False)
        assert good.error is None
        assert bad.error is not None
        assert "hostname zz" in session.running()
    with pytest.raises(LoginRefused, match="password again"):
        open_session(_by_telnet(frr_box, "WRONG"), environ, hosts, patience=PATIENCE)
    with pytest.raises(LoginRefused, match="enable password"):
        open_session(_by_telnet(frr_box, enable="WRONG"), environ, hosts, patience=PATIENCE)


def test_an_sshd_that_knows_only_sha_1_and_3des_is_reached(old_sshd: Any, tmp_path: Path) -> None:
    hosts = KnownHosts(tmp_path / "known_hosts")
    key = offered_key("old", old_sshd.host, old_sshd.port, 15.0)
    assert f"{key.get_name()} {key.get_base64()}" == old_sshd.host_key
    hosts.trust(old_sshd.host, old_sshd.port, key)
    who = Credentials(old_sshd.user, old_sshd.password)
    endpoint = Endpoint("old", old_sshd.host, old_sshd.port, who)
    wire = open_ssh(endpoint, hosts, PATIENCE)
    try:
        wire.write("echoed by cat\n")
        said = ""
        while "echoed by cat" not in said:
            new = wire.read(15.0)
            assert new, "nothing came back"
            said += new
    finally:
        wire.close()
