"""SSH and telnet in front of a device: one thread a connection, everything on loopback."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

import paramiko

from .shell import DroppedError, HungError

if TYPE_CHECKING:
    from .emulator import Device
    from .shell import Shell

HOST = "127.0.0.1"
IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO, SUPPRESS_GO_AHEAD = 1, 3


class _Admission(paramiko.ServerInterface):
    """Who may log in by SSH."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.user = ""
        self.shell = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        if self.device.admits(username, password, "ssh"):
            self.user = username
            return int(paramiko.AUTH_SUCCESSFUL)
        return int(paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del chanid
        if kind == "session":
            return int(paramiko.OPEN_SUCCEEDED)
        return int(paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED)

    def check_channel_pty_request(self, *args: Any) -> bool:
        del args
        return True

    def check_channel_shell_request(self, channel: Any) -> bool:
        del channel
        self.shell.set()
        return True


class Box:
    """The device's address on the network."""

    def __init__(self, device: Device, *, ssh: bool = True, telnet: bool = True) -> None:
        self.device = device
        self.host = HOST
        self._key = paramiko.ECDSAKey.generate()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._connections: set[Any] = set()
        self._guard = threading.Lock()
        self._listeners: list[socket.socket] = []
        self.ssh_port = self._listen(self._ssh) if ssh else 0
        self.telnet_port = self._listen(self._telnet) if telnet else 0

    @property
    def host_key(self) -> str:
        """`ecdsa-sha2-nistp256 AAAA...`, as known-hosts files have it."""
        return f"{self._key.get_name()} {self._key.get_base64()}"

    def restart_with_new_key(self) -> None:
        """The next connection sees another host key, as after a swap of the hardware."""
        self._key = paramiko.ECDSAKey.generate()

    def drop_all(self) -> None:
        """Cut every connection that is open."""
        with self._guard:
            connections = list(self._connections)
        for one in connections:
            # A close alone does not wake the thread that reads.
            if isinstance(one, socket.socket):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        """Stop listening, cut all connections and wait for the threads."""
        self._closing.set()
        for listener in self._listeners:
            # `close` alone does not wake an accept.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.drop_all()
        for thread in self._threads:
            thread.join(timeout=10)

    def _listen(self, serve: Any) -> int:
        listener = socket.create_server((HOST, 0), backlog=64)
        self._listeners.append(listener)
        self._start(self._accept, listener, serve)
        return int(listener.getsockname()[1])

    def _start(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, serve: Any) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = "ssh" if serve == self._ssh else "telnet"
            if not self.device.lets_in(transport):
                connection.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._threads = [one for one in self._threads if one.is_alive()]
            self._start(serve, connection)

    def _hold(self, thing: Any) -> None:
        with self._guard:
            self._connections.add(thing)

    def _release(self, thing: Any) -> None:
        with self._guard:
            self._connections.discard(thing)
        with contextlib.suppress(OSError, EOFError):
            thing.close()

    # -- SSH -------------------------------------------------------------------------------------

    def _ssh(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        # Its threads complain about clients that go away, which is what tests are about.
        transport.set_log_channel("devices.paramiko")
        logging.getLogger("devices.paramiko").setLevel(logging.CRITICAL)
        transport.add_server_key(self._key)
        self._hold(transport)
        admission = _Admission(self.device)
        try:
            try:
                transport.start_server(server=admission)
            except (paramiko.SSHException, EOFError, OSError):
                return
            channel = None
            # `accept` does not notice that the client has gone.
            while channel is None and transport.is_active() and not self._closing.is_set():
                channel = transport.accept(0.2)
            if channel is None or not admission.shell.wait(30):
                return
            shell = self.device.session("ssh", admission.user)
            shell.end = transport.close
            self._serve(shell, channel.recv, channel.sendall)
        finally:
            self._release(transport)

    def _serve(self, shell: Shell, receive: Any, send: Any) -> None:
        try:
            send(shell.greet().encode())
            while data := receive(65_536):
                send(shell.receive(data.decode(errors="replace")).encode())
        except DroppedError:
            pass
        except HungError:
            self._closing.wait()
        except (OSError, EOFError):
            pass
        finally:
            self.device.ended(shell)

    # -- telnet ----------------------------------------------------------------------------------

    def _telnet(self, connection: socket.socket) -> None:
        self._hold(connection)
        plain = _Plain()

        def receive(size: int) -> bytes:
            while True:
                raw = connection.recv(size)
                if not raw:
                    return b""
                if data := plain.take(raw):
                    return data

        def send(data: bytes) -> None:
            connection.sendall(data.replace(bytes([IAC]), bytes([IAC, IAC])))

        def end() -> None:
            # A close does not wake the thread that reads.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

        shell = self.device.session("telnet", None)
        shell.end = end
        try:
            with contextlib.suppress(OSError):
                connection.sendall(bytes([IAC, WILL, ECHO, IAC, WILL, SUPPRESS_GO_AHEAD]))
            self._serve(shell, receive, send)
        finally:
            self._release(connection)


class _Plain:
    """Takes the telnet commands (RFC 854) out of a stream."""

    def __init__(self) -> None:
        self.state = ""

    def take(self, raw: bytes) -> bytes:
        """What is left of it."""
        out = bytearray()
        for byte in raw:
            if self.state == "":
                if byte == IAC:
                    self.state = "iac"
                else:
                    out.append(byte)
            elif self.state == "iac":
                if byte == IAC:
                    out.append(byte)
                    self.state = ""
                elif byte in (WILL, WONT, DO, DONT):
                    self.state = "option"
                else:
                    self.state = "sub" if byte == SB else ""
            elif self.state == "option" or (self.state == "sub" and byte == SE):
                self.state = ""
        return bytes(out)
