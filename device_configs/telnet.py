"""Logging in by telnet: the only way to a PIX 6, whose SSH is of version 1.

PIX 6.3 asks for a password alone ("User Access Verification"), or for a user first where an AAA
server is asked (Cisco PIX Firewall Command Reference 6.3: telnet, passwd, aaa authentication). IOS
and zebra ask in the same words.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from device_configs.errors import DeviceUnreachable, LoginRefused

_USER = re.compile(r"(?:user ?name|login|user):\s*$", re.IGNORECASE)
_PASSWORD = re.compile(r"pass(?:word|code):\s*$", re.IGNORECASE)
_PROMPT = re.compile(r"(?:^|\n)[\r ]*[A-Za-z0-9][^\s>#]*[>#] ?$")
_REFUSED = re.compile(
    r"(?:login (?:invalid|incorrect|failed)|access denied|bad passwords?|invalid password|"
    r"authentication failed|password required, but none set)",
    re.IGNORECASE,
)


@dataclass(slots=True)
class TelnetLogin:
    """The dialogue up to the first prompt, over whatever reads and writes."""

    subject: str
    user: str
    password: str = field(repr=False)
    wait_s: float
    """For each question of the device, in seconds."""
    greeting: str = ""
    """All that came, the first prompt at its end."""

    def run(self, read: Callable[[float], str], write: Callable[[str], None]) -> str:
        """Answer until a prompt comes.

        `read` waits at most so many seconds and raises EOFError at the end. Raises `LoginRefused`
        where a question comes twice, `DeviceUnreachable` where none comes.
        """
        asked = ""
        said_password = False
        while True:
            asked = self._until_a_question(asked, read, said_password)
            if _REFUSED.search(asked):
                raise self._refused("the device says: " + _last_line(_REFUSED, asked))
            if _PROMPT.search(asked):
                return self.greeting
            if _PASSWORD.search(asked):
                if said_password:
                    raise self._refused("the device asks for the password again")
                write(self.password + "\r")
                said_password = True
            else:
                if said_password:
                    raise self._refused("the device asks for the user again")
                write(self.user + "\r")
            asked = ""

    def _until_a_question(self, asked: str, read: Callable[[float], str], said: bool) -> str:
        deadline = time.monotonic() + self.wait_s
        while True:
            for pattern in (_REFUSED, _PROMPT, _PASSWORD, _USER):
                if pattern.search(asked):
                    return asked
            left = deadline - time.monotonic()
            try:
                new = read(left) if left > 0 else ""
            except (EOFError, ConnectionError):
                if said:
                    raise self._refused("the device hung up after the password") from None
                raise DeviceUnreachable(
                    self.subject,
                    "the device closed the telnet connection before a login",
                    "see whether it accepts telnet from here, and whether a session is free",
                ) from None
            if left <= 0:
                raise DeviceUnreachable(
                    self.subject,
                    f"no login question and no prompt in {self.wait_s:g} s",
                    "see what answers at this port, and whether transport is right",
                )
            asked += new
            self.greeting += new

    def _refused(self, what: str) -> LoginRefused:
        return LoginRefused(
            self.subject,
            f"telnet login as {self.user!r}: {what}",
            "correct login.user and login.password of the [[device]]",
        )


def _last_line(pattern: re.Pattern[str], text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if pattern.search(line)]
    return lines[-1] if lines else ""
