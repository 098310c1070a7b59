"""Real command lines: FRR's vtysh behind a real sshd, zebra's telnet VTY, an sshd of old times.

FRR's daemons live in a network namespace, so that its routes and interfaces hurt nobody; its
sockets are files, so the sshd runs outside and is reached on loopback. Needs root, `frr` and
`openssh-server` (Debian). Everything lies in one folder and goes with it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"
START_S = 30.0
PASSWORD = "secret1"
DAEMONS = Path("/usr/lib/frr")


def _run(*words: str, told: str | None = None, check: bool = True) -> str:
    return subprocess.run(
        words, check=check, capture_output=True, text=True, input=told, timeout=60
    ).stdout


def _free_port() -> int:
    """Below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def _wait_for_port(host: str, port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Sshd:
    """One sshd on loopback with a host key of its own."""

    def __init__(self, folder: Path, options: str = "", key: str = "ed25519") -> None:
        self.host = HOST
        self.folder = folder
        self.options = options
        self.port = _free_port()
        self.key_file = folder / f"host_{key}"
        self._process: subprocess.Popen[bytes] | None = None
        size = ["-b", "1024"] if key == "rsa" else []
        _run("ssh-keygen", "-q", "-t", key, *size, "-N", "", "-f", str(self.key_file))

    @property
    def host_key(self) -> str:
        """As a known-hosts file has it, without the host."""
        return " ".join(self.key_file.with_suffix(".pub").read_text().split()[:2])

    def start(self) -> None:
        """Listen."""
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress {HOST}\nHostKey {self.key_file}\n"
            f"PidFile {self.folder}/sshd.pid\nUsePAM no\nPasswordAuthentication yes\n"
            f"StrictModes no\nPrintMotd no\nPrintLastLog no\nMaxStartups 100\n{self.options}"
        )
        self._process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-E", str(self.folder / "sshd.log"), "-f", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait_for_port(HOST, self.port)

    def stop(self) -> None:
        """End it, with the sessions that it serves."""
        if self._process is None:
            return
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        sessions = children.read_text().split() if children.exists() else []
        self._process.terminate()
        self._process.wait(timeout=10)
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
        self._process = None


class FrrBox:
    """A router with a command line like that of IOS.

    `ssh_port`, `user`, `password`: vtysh by SSH (privileged at once). `telnet_host`, `telnet_port`,
    `line_password`, `enable_password`: zebra's own VTY. `startup` is what `write memory` wrote.
    """

    line_password = "linepw"
    enable_password = "enapw"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.etc = folder / "etc"
        self.namespace = f"pp-frr-{os.getpid()}"
        self.user = f"ppfrr{os.getpid() % 100_000}"
        self.password = PASSWORD
        number = os.getpid() % 16_000
        self._net = f"10.78.{number // 64}.{4 * (number % 64)}"
        first, last = self._net.rpartition(".")[0], int(self._net.rpartition(".")[2])
        self._near, self.telnet_host = f"{first}.{last + 1}", f"{first}.{last + 2}"
        self._link = f"ppf{os.getpid() % 100_000}"
        self.telnet_port = 2601
        self.ssh = Sshd(folder)
        self.host, self.ssh_port = HOST, self.ssh.port
        self.daemons = ("zebra", "staticd")

    def prepare(self) -> None:
        """User, namespace, link and files."""
        login = self.folder / "vtysh-login"
        login.write_text(
            "#!/bin/sh\nexport VTYSH_PAGER=cat\n"
            f'exec /usr/bin/vtysh --vty_socket {self.run} --config_dir {self.etc} "$@"\n'
        )
        login.chmod(0o755)
        _run(
            "useradd", "-M", "-d", str(self.folder), "-s", str(login), "-G", "frrvty,frr", self.user
        )
        _run("chpasswd", told=f"{self.user}:{self.password}\n")
        self.run.mkdir()
        self.etc.mkdir()
        shutil.chown(self.run, "frr", "frrvty")
        self.run.chmod(0o770)
        shutil.chown(self.etc, "frr", "frr")
        self.etc.chmod(0o775)
        self._write("vtysh.conf", "service integrated-vtysh-config\n")
        # Without a hostname: vtysh would show it twice.
        self._write(
            "zebra.conf",
            f"password {self.line_password}\nenable password {self.enable_password}\n",
        )
        self._write("staticd.conf", "")
        _run("ip", "netns", "add", self.namespace)
        _run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        _run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "mgmt0",
             "netns", self.namespace)  # fmt: skip
        _run("ip", "addr", "add", f"{self._near}/30", "dev", self._link)
        _run("ip", "link", "set", self._link, "up")
        _run("ip", "-n", self.namespace, "addr", "add", f"{self.telnet_host}/30", "dev", "mgmt0")
        _run("ip", "-n", self.namespace, "link", "set", "mgmt0", "up")
        _run("ip", "-n", self.namespace, "link", "add", "v0", "type", "veth", "peer", "name", "v1")

    def _write(self, name: str, text: str) -> None:
        place = self.etc / name
        place.write_text(text)
        shutil.chown(place, "frr", "frr")
        place.chmod(0o640)

    @property
    def startup(self) -> str:
        """The saved configuration; empty where nothing was saved."""
        place = self.etc / "frr.conf"
        return place.read_text() if place.exists() else ""

    def start(self) -> None:
        """Power on: the daemons, then what was saved."""
        for name in self.daemons:
            self.start_daemon(name)
        _wait_for_port(self.telnet_host, self.telnet_port)
        if self.startup:
            _run(
                "/usr/bin/vtysh", "--vty_socket", str(self.run), "--config_dir", str(self.etc), "-b"
            )

    def start_daemon(self, name: str) -> None:
        """One daemon."""
        vty = ("-A", "0.0.0.0", "-P", str(self.telnet_port)) if name == "zebra" else ("-P", "0")
        _run("ip", "netns", "exec", self.namespace, str(DAEMONS / name), "-d",
             "-f", str(self.etc / f"{name}.conf"), "-i", str(self.run / f"{name}.pid"),
             "-z", str(self.run / "zserv.api"), "--vty_socket", str(self.run), *vty,
             "-u", "frr", "-g", "frr")  # fmt: skip

    def stop_daemon(self, name: str) -> None:
        """Kill one daemon: vtysh goes on without it, and says nothing."""
        place = self.run / f"{name}.pid"
        if not place.exists():
            return
        pid = int(place.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + START_S
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            if "Z (" in Path(f"/proc/{pid}/status").read_text():
                break
            time.sleep(0.02)
        place.unlink()

    def restart(self) -> None:
        """Power off and on: what was not saved is lost."""
        for name in self.daemons:
            self.stop_daemon(name)
        self.start()

    def vtysh(self, *commands: str) -> str:
        """What vtysh says to commands, without SSH."""
        words = [word for command in commands for word in ("-c", command)]
        return _run(
            "/usr/bin/vtysh", "--vty_socket", str(self.run), "--config_dir", str(self.etc), *words
        )

    def remove(self) -> None:
        """Leave nothing behind."""
        self.ssh.stop()
        for name in self.daemons:
            self.stop_daemon(name)
        for words in (
            ("ip", "netns", "del", self.namespace),
            ("ip", "link", "del", self._link),
            ("userdel", self.user),
        ):
            subprocess.run(words, check=False, capture_output=True)


@contextlib.contextmanager
def frr_box() -> Iterator[FrrBox]:
    """A running FRR box with SSH and telnet."""
    with _folder() as folder:
        box = FrrBox(folder)
        try:
            box.prepare()
            box.start()
            box.ssh.start()
            yield box
        finally:
            box.remove()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Not pytest's, which is root's alone: the users who log in must get through."""
    with tempfile.TemporaryDirectory(prefix="pp-") as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


class OldSshd(Sshd):
    """An sshd that offers what a PIX 7, an ASA 8 or an old IOS offers, and a login to try."""

    user = ""
    password = PASSWORD


@contextlib.contextmanager
def old_sshd() -> Iterator[OldSshd]:
    """Only SHA-1 key exchange, `ssh-rsa`, 3DES and HMAC-SHA1; the shell is `cat`."""
    with _folder() as folder:
        server = OldSshd(
            folder,
            "KexAlgorithms diffie-hellman-group1-sha1\nHostKeyAlgorithms ssh-rsa\n"
            "Ciphers 3des-cbc\nMACs hmac-sha1\nRequiredRSASize 1024\n",
            key="rsa",
        )
        server.user = f"ppold{os.getpid() % 100_000}"
        shell = shutil.which("cat") or "/bin/cat"
        try:
            _run("useradd", "-M", "-d", str(folder), "-s", shell, server.user)
            _run("chpasswd", told=f"{server.user}:{PASSWORD}\n")
            server.start()
            yield server
        finally:
            server.stop()
            subprocess.run(("userdel", server.user), check=False, capture_output=True)
