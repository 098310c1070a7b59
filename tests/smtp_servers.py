"""A real SMTP server (aiosmtpd) with TLS, login and faults; a fixture loads this file."""

# ruff: noqa: ARG002 (aiosmtpd gives its handlers more than they need)

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class MailServer:
    """What it accepted, and what it is to do wrong."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", _free_port()
        self.accepted: list[tuple[list[str], bytes]] = []
        self.logins: list[str] = []
        self.recipient_answers: dict[str, str] = {}
        """Answer to RCPT by address."""
        self.data_answers: list[str] = []
        """Answers to the ends of messages, used up one a message, before any is accepted."""
        self.after_end: Callable[[], None] | None = None
        """Called when a message was accepted, before its answer leaves: a client that dies now
        breaks the line, and aiosmtpd gives up what it had not accepted yet."""
        self.drop_after_end = False
        """Accept, and break the line instead of answering."""
        self.lock = threading.Lock()

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails that were accepted."""
        with self.lock:
            return [
                message_from_bytes(content, policy=policy.default)  # type: ignore[arg-type]
                for _, content in self.accepted
            ]

    def recipients(self) -> list[str]:
        """Everyone a mail was accepted for, as often as it was."""
        with self.lock:
            return sorted(address for to, _ in self.accepted for address in to)


class _Handler:
    """What aiosmtpd asks; it reads every attribute at every connection, so there are few."""

    def __init__(self, kept: MailServer) -> None:
        self._kept = kept

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Agree, unless this address has an answer of its own."""
        answer = self._kept.recipient_answers.get(address)
        if answer is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Accept the message, or do what was asked for."""
        with self._kept.lock:
            if self._kept.data_answers:
                return self._kept.data_answers.pop(0)
            assert isinstance(envelope.content, bytes)
            self._kept.accepted.append((list(envelope.rcpt_tos), envelope.content))
        if self._kept.after_end is not None:
            await asyncio.to_thread(self._kept.after_end)
        if self._kept.drop_after_end:
            assert server.transport is not None
            server.transport.abort()
            await asyncio.sleep(0)
        return "250 taken"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """One user, one password."""
        assert isinstance(data, LoginPassword)
        good = (data.login, data.password) == (b"pasprobe", b"a secret of the tests")
        if good:
            self._kept.logins.append(mechanism)
        return AuthResult(success=good, handled=False)


@contextmanager
def smtp(
    *, security: str = "none", certificate: tuple[Path, Path] | None = None, login: bool = False
) -> Iterator[MailServer]:
    """A server on 127.0.0.1 until the block ends."""
    server = MailServer()
    handler = _Handler(server)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    controller = Controller(
        handler,
        hostname=server.host,
        port=server.port,
        ssl_context=context if security == "tls" else None,
        tls_context=context if security == "starttls" else None,
        require_starttls=security == "starttls",
        authenticator=handler.authenticate if login else None,
        auth_required=login and security == "starttls",
        # Over TLS from the first octet on, aiosmtpd does not see that there is TLS.
        auth_require_tls=login and security == "starttls",
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
