"""Sends one mail over SMTP, and knows at each moment whether it may have been accepted.

A server accepts a message with its answer to the line that ends it (RFC 5321, 4.2.5 and 6.1). So
the message is handed over up to that line, `about_to_end` writes down that it leaves now, and only
then does it leave.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Literal

import aiosmtplib

from incidents.errors import IncidentError
from inventory.operations import Mail

COMMAND_S = 60.0
"""Longest wait for an answer; RFC 5321, 4.5.3.2 asks for minutes, but the queue waits behind it."""
END_S = 600.0
"""RFC 5321, 4.5.3.2.6: less makes duplicates where a server checks the message first."""
_LINE_END = re.compile(rb"\r\n|\r|\n")
_PERIOD = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message at one address."""

    kind: Literal["accepted", "refused", "later", "unsure"]
    words: str


@dataclass(frozen=True, slots=True)
class Login:
    """How the server is spoken to, secrets revealed; never printed."""

    mail: Mail
    password: str | None

    def __repr__(self) -> str:
        return f"Login({self.mail.host}:{self.mail.port})"


def login_of(mail: Mail, environ: Mapping[str, str]) -> Login:
    """The `[mail]` table with its password; `SecretError` where that cannot be had."""
    return Login(mail, None if mail.password is None else mail.password.reveal(environ))


async def send(
    login: Login,
    content: bytes,
    addresses: Sequence[str],
    about_to_end: Callable[[Sequence[str]], None],
    *,
    command_s: float = COMMAND_S,
    end_s: float = END_S,
) -> dict[str, Answer]:
    """Hand a message over to the server for these addresses.

    `about_to_end` is called with those that the server agreed to, before the octets that end the
    message leave; until then nothing can have been accepted. Never raises for what a server does.
    """
    answers: dict[str, Answer] = {}
    ended: list[str] = []
    try:
        async with _client(login, command_s) as client:
            await client.mail(parseaddr(login.mail.sender)[1])
            for address in addresses:
                try:
                    await client.rcpt(parseaddr(address)[1])
                except aiosmtplib.SMTPRecipientRefused as error:
                    answers[address] = _refusal(error.code, error.message)
            agreed = [address for address in addresses if address not in answers]
            if agreed:
                answer = await _data(
                    client, content, lambda: _end(ended, agreed, about_to_end), end_s
                )
                answers |= dict.fromkeys(agreed, answer)
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        left = [address for address in addresses if address not in answers]
        return answers | dict.fromkeys(left, _failure(error, ended=bool(ended), login=login))
    return answers


def _end(
    ended: list[str], agreed: Sequence[str], about_to_end: Callable[[Sequence[str]], None]
) -> None:
    about_to_end(agreed)
    ended.extend(agreed)


def _client(login: Login, timeout: float) -> aiosmtplib.SMTP:
    mail = login.mail
    return aiosmtplib.SMTP(
        hostname=mail.host,
        port=mail.port,
        username=mail.user,
        password=login.password,
        timeout=timeout,
        use_tls=mail.security == "tls",
        # True: a server without STARTTLS is not spoken to, whatever it says.
        start_tls=mail.security == "starttls",
        tls_context=None if mail.security == "none" else _context(mail),
    )


def _context(mail: Mail) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=None if mail.ca_file is None else str(mail.ca_file)
        )
    except (OSError, ssl.SSLError) as error:
        raise IncidentError(
            f"[mail] ca_file {mail.ca_file} cannot be used ({error})"
            " — name a PEM file that the user of pasprobe can read"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _data(
    client: aiosmtplib.SMTP, content: bytes, about_to_end: Callable[[], None], end_s: float
) -> Answer:
    started = await client.execute_command(b"DATA")
    if started.code != aiosmtplib.SMTPStatus.start_input:
        return _refusal(started.code, started.message)
    body = _PERIOD.sub(b"..", _LINE_END.sub(b"\r\n", content).removesuffix(b"\r\n") + b"\r\n")
    transport = client.transport
    if not isinstance(transport, asyncio.WriteTransport):
        raise aiosmtplib.SMTPServerDisconnected("the connection is closed")
    transport.write(body)
    async with asyncio.timeout(end_s):
        while transport.get_write_buffer_size():
            if transport.is_closing():
                raise aiosmtplib.SMTPServerDisconnected("the connection closed under the message")
            await asyncio.sleep(0.005)
    about_to_end()
    answer = await client.execute_command(b".", timeout=end_s)
    if answer.code == aiosmtplib.SMTPStatus.completed:
        return Answer("accepted", f"{answer.code} {answer.message}")
    return _refusal(answer.code, answer.message)


def _refusal(code: int, message: str) -> Answer:
    """RFC 5321, 4.2.1: 4yz may go later, 5yz never; other codes are a server out of step."""
    words = f"{code} {message}"
    return Answer("refused" if 500 <= code < 600 else "later", words)


def _failure(error: Exception, *, ended: bool, login: Login) -> Answer:
    words = str(error) or type(error).__name__
    if ended:
        return Answer("unsure", f"the line broke before the answer came ({words})")
    mail = login.mail
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        # Somebody will mend the password: a later attempt may succeed.
        words = f"{mail.host} refuses the login of {mail.user}: {words}"
    elif isinstance(error, aiosmtplib.SMTPSenderRefused):
        words = f"{mail.host} refuses the sender {mail.sender}: {words}"
    else:
        words = f"{mail.host}:{mail.port}: {words}"
    return Answer("later", words)
