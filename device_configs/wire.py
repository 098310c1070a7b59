"""The connection below a session: netmiko connects and logs in, reading ends at a deadline.

netmiko's own device classes are not used: the one for ASA writes `terminal width` into the
configuration of the firewall (netmiko#2025), none knows a PIX, and their reading goes on until a
time-out when the device has closed the connection.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netmiko
import paramiko
from netmiko.base_connection import BaseConnection
from netmiko.exceptions import NetmikoAuthenticationException, NetmikoTimeoutException

from device_configs.errors import DeviceUnreachable, LoginRefused, SessionLost
from device_configs.known_hosts import KnownHosts
from device_configs.telnet import TelnetLogin

# Wide enough that no command is folded by a device that believes the terminal.
PTY_WIDTH, PTY_HEIGHT = 511, 1000
_CHUNK = 65_536


def _quiet(record: logging.LogRecord) -> bool:
    # netmiko's DEBUG lines hold all that is typed, the enable password too (netmiko#2597).
    return record.levelno >= logging.WARNING


netmiko.log.addFilter(_quiet)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a session waits, in seconds; every wait of this room ends."""

    connect_s: float = 10.0
    """For TCP, the SSH banner and the answer to a password, each."""
    silence_s: float = 20.0
    """For the next octet of an answer."""
    total_s: float = 600.0
    """For the whole of an answer."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login needs; no repr shows it."""

    user: str
    password: str | None = field(default=None, repr=False)
    enable: str | None = field(default=None, repr=False)
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a command line is, and who one is there."""

    subject: str
    """The device's id, for messages."""
    host: str
    port: int
    credentials: Credentials


class _Line(BaseConnection):  # type: ignore[misc]
    """A connection on which nothing is typed by itself."""

    def _try_session_preparation(self, force_data: bool = True) -> None:
        """Nothing: what may be typed is a matter of the platform."""


class _TelnetLine(_Line):
    """Telnet, through a jump host where there is one."""

    def __init__(self, login: TelnetLogin, through: paramiko.Channel | None, **options: Any):
        self.login = login
        self.through_channel = through
        super().__init__(**options)

    def establish_connection(self, width: int = PTY_WIDTH, height: int = PTY_HEIGHT) -> None:
        """Connect by telnet, through a jump host where there is one, and log in."""
        if self.through_channel is None:
            super().establish_connection(width, height)
            return
        from netmiko._telnetlib import telnetlib
        from netmiko.channel import TelnetChannel

        conn = telnetlib.Telnet()
        conn.sock = self.through_channel
        conn.eof = 0
        self.remote_conn = conn
        self.channel = TelnetChannel(conn=conn, encoding=self.encoding)
        self.telnet_login()

    def telnet_login(self, *_: Any, **__: Any) -> str:
        """Ours has a deadline and says which half of a login was refused."""
        sock = self.remote_conn.get_socket()
        # What is small is sent at once: an answer is waited for after each line.
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return self.login.run(
            lambda wait_s: _read_telnet(self.remote_conn, wait_s),
            lambda text: self.remote_conn.write(text.encode()),
        )


class Wire:
    """Octets of one login, as text: `write`, `read` with a deadline, `close`."""

    def __init__(
        self, endpoint: Endpoint, line: Any, first: str, jump: paramiko.SSHClient | None
    ) -> None:
        self.endpoint = endpoint
        self._line = line
        self._first = first
        self._jump = jump

    @property
    def newline(self) -> str:
        """What Enter is here."""
        return "\r\n" if self._line.protocol == "telnet" else "\n"

    def write(self, text: str) -> None:
        """Send; `SessionLost` where the connection is gone or takes nothing any more."""
        try:
            if self._line.protocol == "telnet":
                self._line.remote_conn.write(text.encode())
            else:
                self._line.remote_conn.sendall(text.encode())
        except (OSError, EOFError, paramiko.SSHException, AttributeError) as error:
            raise self.lost(f"the connection broke while sending ({_words(error)})") from None

    def read(self, wait_s: float) -> str:
        """What has come, at most `wait_s` seconds later; empty when nothing came in that time.

        One character an octet (Latin-1), so that no split UTF-8 sequence is damaged. Raises
        `SessionLost` once the device has closed the connection.
        """
        if self._first:
            first, self._first = self._first, ""
            return first
        try:
            if self._line.protocol == "telnet":
                return _read_telnet(self._line.remote_conn, wait_s)
            channel = self._line.remote_conn
            channel.settimeout(max(wait_s, 0.0))
            try:
                octets = channel.recv(_CHUNK)
            except TimeoutError:
                return ""
            finally:
                channel.settimeout(self._line.blocking_timeout)
        except (OSError, EOFError, paramiko.SSHException, AttributeError) as error:
            raise self.lost(f"the connection broke ({_words(error)})") from None
        if not octets:
            raise self.lost("the device closed the connection")
        return str(octets.decode("latin-1"))

    def lost(self, message: str) -> SessionLost:
        """The error of a session that ended."""
        remedy = "see whether the device is up and its session limit is free, then try again"
        return SessionLost(self.endpoint.subject, message, remedy)

    def close(self) -> None:
        """Close, without waiting for the device."""
        self._line.disconnect()
        if self._jump is not None:
            self._jump.close()


def open_ssh(
    endpoint: Endpoint, hosts: KnownHosts, patience: Patience, jump: Endpoint | None = None
) -> Wire:
    """Log in by SSH, to a host whose key is trusted.

    Raises `DeviceUnreachable`, `HostKeyRefused`, `LoginRefused`.
    """
    hosts.require(endpoint.subject, endpoint.host, endpoint.port)
    gate = None if jump is None else open_jump(jump, hosts, patience)
    try:
        through = None if gate is None else through_jump(gate, endpoint, patience)
        line = _connect(
            endpoint,
            hosts,
            lambda: _Line(
                device_type="ssh",
                ssh_strict=True,
                alt_host_keys=True,
                alt_key_file=str(hosts.file),
                # Not `use_keys`: it would offer the keys of this host's user as well.
                key_file=_text(endpoint.credentials.key_file),
                sock=through,
                keepalive=10,
                **_options(endpoint, patience),
            ),
        )
    except BaseException:
        if gate is not None:
            gate.close()
        raise
    return Wire(endpoint, line, "", gate)


def open_telnet(
    endpoint: Endpoint, hosts: KnownHosts, patience: Patience, jump: Endpoint | None = None
) -> Wire:
    """Log in by telnet, which protects nothing; raises as `open_ssh` but for the host's own key."""
    gate = None if jump is None else open_jump(jump, hosts, patience)
    login = TelnetLogin(
        endpoint.subject,
        endpoint.credentials.user,
        endpoint.credentials.password or "",
        patience.connect_s,
    )
    try:
        through = None if gate is None else through_jump(gate, endpoint, patience)
        line = _connect(
            endpoint,
            hosts,
            lambda: _TelnetLine(
                login, through, device_type="ours_telnet", **_options(endpoint, patience)
            ),
        )
    except BaseException:
        if gate is not None:
            gate.close()
        raise
    return Wire(endpoint, line, login.greeting, gate)


def open_jump(jump: Endpoint, hosts: KnownHosts, patience: Patience) -> paramiko.SSHClient:
    """An SSH connection to a jump host whose key is trusted; raises as `open_ssh`."""
    hosts.require(jump.subject, jump.host, jump.port)
    client = paramiko.SSHClient()
    client.load_host_keys(str(hosts.file))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())

    def connect() -> paramiko.SSHClient:
        client.connect(
            jump.host,
            jump.port,
            jump.credentials.user,
            jump.credentials.password,
            key_filename=_text(jump.credentials.key_file),
            look_for_keys=False,
            allow_agent=False,
            timeout=patience.connect_s,
            banner_timeout=patience.connect_s,
            auth_timeout=patience.connect_s,
        )
        return client

    try:
        opened: paramiko.SSHClient = _connect(jump, hosts, connect)
    except BaseException:
        client.close()
        raise
    return opened


def through_jump(
    gate: paramiko.SSHClient, endpoint: Endpoint, patience: Patience
) -> paramiko.Channel:
    """A channel from the jump host to the device; `DeviceUnreachable` where it opens none."""
    transport = gate.get_transport()
    try:
        if transport is None:
            raise EOFError("closed")
        return transport.open_channel(
            "direct-tcpip",
            (endpoint.host, endpoint.port),
            ("127.0.0.1", 0),
            timeout=patience.connect_s,
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise DeviceUnreachable(
            endpoint.subject,
            f"the jump host does not reach {endpoint.host}:{endpoint.port} ({_words(error)})",
            "see whether it may forward connections and the device is up",
        ) from None


def _options(endpoint: Endpoint, patience: Patience) -> dict[str, Any]:
    return {
        "host": endpoint.host,
        "port": endpoint.port,
        "username": endpoint.credentials.user,
        "password": endpoint.credentials.password,
        "conn_timeout": patience.connect_s,
        "banner_timeout": patience.connect_s,
        "auth_timeout": patience.connect_s,
        "blocking_timeout": patience.silence_s,
        "encoding": "latin-1",
    }


def _connect(endpoint: Endpoint, hosts: KnownHosts, connect: Callable[[], Any]) -> Any:
    """`connect`, with every way to fail in words of ours."""
    place = f"{endpoint.host}:{endpoint.port}"
    key_file = endpoint.credentials.key_file
    if key_file is not None and not os.access(key_file, os.R_OK):
        raise LoginRefused(
            endpoint.subject, f"the key {key_file} cannot be read", "correct login.key_file"
        )
    try:
        return connect()
    except (NetmikoAuthenticationException, paramiko.AuthenticationException):
        raise LoginRefused(
            endpoint.subject,
            f"{place} does not accept user {endpoint.credentials.user!r} with this password or key",
            "correct login.user and login.password of the [[device]]",
        ) from None
    except (NetmikoTimeoutException, paramiko.SSHException, EOFError, OSError) as error:
        cause = error.__context__ if isinstance(error, NetmikoTimeoutException) else error
        if isinstance(cause, paramiko.BadHostKeyException):
            raise hosts.changed(endpoint.subject, endpoint.host, endpoint.port, cause.key) from None
        said = _words(cause or error)
        if "not found in known_hosts" in said:
            raise hosts.changed(endpoint.subject, endpoint.host, endpoint.port, None) from None
        raise DeviceUnreachable(
            endpoint.subject,
            f"no session with {place} ({said})",
            "see whether host, port and transport are right and the device is up",
        ) from None


def _read_telnet(conn: Any, wait_s: float) -> str:
    """What telnetlib has, waiting for the first octet; `EOFError` at the end."""
    deadline = time.monotonic() + wait_s
    while True:
        octets = conn.read_eager()
        if octets:
            parts = [octets]
            while True:
                try:
                    octets = conn.read_eager()
                except EOFError:
                    break
                if not octets:
                    break
                parts.append(octets)
            return b"".join(parts).decode("latin-1")
        left = deadline - time.monotonic()
        if left <= 0:
            return ""
        select.select([conn.fileno()], [], [], left)


def _words(error: BaseException | None) -> str:
    said = str(error).strip().splitlines() if error is not None else []
    return said[0] if said else type(error).__name__


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
