"""Through a jump host, which is a real sshd: SSH and telnet behind it, keys of both trusted."""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
import pytest

from device_configs.errors import DeviceConfigError, DeviceUnreachable, HostKeyRefused, LoginRefused
from device_configs.known_hosts import KnownHosts, fingerprint, offered_key
from device_configs.session import open_session
from device_configs.trusting import trust
from device_configs.wire import Credentials, Endpoint, Patience, Wire, open_ssh
from inventory.operations import Device, Jump, Login
from inventory.secrets import Secret

ENVIRON = {"PASSWORD": "device-pw", "ENABLE": "device-en"}
PATIENCE = Patience(connect_s=10.0, silence_s=5.0, total_s=30.0)
IOS = """hostname sw
enable secret device-en
username operator privilege 1 secret device-pw
interface GigabitEthernet0/1
 ip address 10.0.0.1 255.255.255.0
line vty 0 4
 login local
 transport input ssh telnet
end
"""


@dataclass(frozen=True)
class JumpHost:
    """A running sshd and the key of its user."""

    port: int
    user_key: Path
    fingerprint: str

    def entry(self, **more: Any) -> Jump:
        login = Login(user=getpass.getuser(), key_file=self.user_key)
        return Jump(host="127.0.0.1", port=self.port, login=login, **more)


@pytest.fixture
def jump_host(tmp_path: Path, need: Callable[..., None]) -> Iterator[JumpHost]:
    need("sshd", "ssh-keygen", "root")
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True
        )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path / 'host'}\nUsePAM no\n"
        f"AuthorizedKeysFile {tmp_path / 'user.pub'}\nStrictModes no\nPermitRootLogin yes\n"
        f"PasswordAuthentication no\nPidFile none\nAllowTcpForwarding yes\n"
    )
    server = subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL
    )
    try:
        _answers(port)
        key = paramiko.Ed25519Key(filename=str(tmp_path / "host"))
        yield JumpHost(port, tmp_path / "user", fingerprint(key))
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "sshd does not start"
            time.sleep(0.05)
        else:
            return


def _behind(jump_host: JumpHost, box: Any, transport: str) -> Device:
    return Device(
        id="sw-1",
        host=box.host,
        port=box.ssh_port if transport == "ssh" else box.telnet_port,
        role="switch",
        platform="cisco_ios",
        transport=transport,
        login=Login(user="operator", password=Secret(env="PASSWORD"), enable=Secret(env="ENABLE")),
        jump=jump_host.entry(),
    )


@pytest.mark.parametrize("transport", ["ssh", "telnet"])
def test_a_device_behind_a_jump_host_is_trusted_and_reached(
    jump_host: JumpHost, devices: Any, tmp_path: Path, transport: str
) -> None:
    hosts = KnownHosts(tmp_path / "known_hosts")
    asked: list[str] = []

    def agree(_host: str, _port: int, shown: str) -> bool:
        asked.append(shown)
        return True

    with devices.Device("ios", IOS).serve() as box:
        entry = _behind(jump_host, box, transport)
        with pytest.raises(HostKeyRefused, match="not trusted yet"):
            open_session(entry, ENVIRON, hosts, patience=PATIENCE)
        keys = trust(entry, ENVIRON, hosts, PATIENCE, replace=False, agree=agree)
        assert asked[0] == jump_host.fingerprint
        assert len(keys) == (2 if transport == "ssh" else 1)
        with open_session(entry, ENVIRON, hosts, patience=PATIENCE) as session:
            assert "hostname sw" in session.running()


def test_a_refused_jump_host_stops_before_the_device(
    jump_host: JumpHost, devices: Any, tmp_path: Path
) -> None:
    hosts = KnownHosts(tmp_path / "known_hosts")
    device = devices.Device("ios", IOS)
    with device.serve() as box:
        entry = _behind(jump_host, box, "ssh")
        refused = trust(entry, ENVIRON, hosts, PATIENCE, replace=False, agree=lambda *_: False)
        assert refused == ()
        trust(entry, ENVIRON, hosts, PATIENCE, replace=False, agree=lambda *_: True)
        wrong = Login(user=getpass.getuser(), password=Secret(env="PASSWORD"))
        jump = Jump(host="127.0.0.1", port=jump_host.port, login=wrong)
        with pytest.raises(LoginRefused):
            open_session(entry.model_copy(update={"jump": jump}), ENVIRON, hosts, patience=PATIENCE)
    with pytest.raises(DeviceUnreachable, match="the jump host does not reach"):
        open_session(entry, ENVIRON, hosts, patience=PATIENCE)


def test_a_key_instead_of_a_password_and_a_key_that_is_not_there(
    jump_host: JumpHost, tmp_path: Path
) -> None:
    hosts = KnownHosts(tmp_path / "known_hosts")
    hosts.trust("127.0.0.1", jump_host.port, offered_key("j", "127.0.0.1", jump_host.port, 10.0))

    def opened(key_file: Path) -> Wire:
        who = Credentials(getpass.getuser(), key_file=key_file)
        return open_ssh(Endpoint("j", "127.0.0.1", jump_host.port, who), hosts, PATIENCE)

    opened(jump_host.user_key).close()
    with pytest.raises(LoginRefused, match="cannot be read"):
        opened(tmp_path / "no-such-key")
    with pytest.raises(LoginRefused, match="this password or key"):
        opened(tmp_path / "host")


def test_telnet_without_a_jump_host_has_nothing_to_trust(tmp_path: Path) -> None:
    entry = Device(
        id="pix-1",
        host="127.0.0.1",
        role="firewall",
        platform="cisco_pix",
        transport="telnet",
        login=Login(user="u", password=Secret(env="PASSWORD")),
    )
    hosts = KnownHosts(tmp_path / "known_hosts")
    with pytest.raises(DeviceConfigError, match="telnet has no host key"):
        trust(entry, ENVIRON, hosts, PATIENCE, replace=False, agree=lambda *_: True)
