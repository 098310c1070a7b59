"""A terminal on a device: type a command, read until its prompt is back, within a time."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable

from device_configs.errors import CommandRefused, LoginRefused, SessionLost
from device_configs.screen import PAGER, Prompt, as_text, prompt_at_end, without_echo
from device_configs.wire import Patience, Wire

CONFIRM = re.compile(r"\[confirm\]\s*$", re.IGNORECASE)
# After a prompt, a device that goes on talking has not finished; loopback needs far less.
_SETTLED_S = 0.05
# A question nobody expected is believed after this silence.
_QUESTION_S = 0.5
# What comes after a prompt is output that goes on, or after this silence a notice.
_NOTICE_S = 2.0
_LEFT_OVER = 100
"""Pieces of unasked output that are dropped before a command; beyond them it belongs to nobody."""
_TAIL = 400
"""Characters at the end of an answer in which a prompt or a question is looked for."""
_QUESTION = re.compile(r"(?:\[confirm\]|\[y(?:es)?/no?\]:?|\(y(?:es)?/no?\):?)\s*$", re.IGNORECASE)
_PASSWORD = re.compile(r"assword:\s*$")
_RENAMES = re.compile(r"\s*(?:no |default )?(?:hostname|changeto|prompt)\b")


class Terminal:
    """The dialogue over a wire; knows prompts and questions, and nothing of configurations."""

    def __init__(self, wire: Wire, patience: Patience) -> None:
        self._wire = wire
        self._patience = patience
        self._renaming = False
        self.subject = wire.endpoint.subject
        self.host = ""
        """The name in the prompt; empty before the first one."""
        self.prompt = Prompt("", "", ">")
        """The prompt that was seen last."""

    def ask(
        self,
        command: str,
        *,
        silence_s: float | None = None,
        replies: Iterable[tuple[re.Pattern[str], str]] = (),
        settle: bool = False,
    ) -> str:
        """Type a command, answer what it asks, return what it printed.

        Each of `replies` is a pattern at the end of the output and what is typed then. With
        `settle`, a prompt is believed after a short silence: output may look like one.
        """
        silence = self._patience.silence_s if silence_s is None else silence_s
        known = list(replies)
        self._renaming = _RENAMES.match(command) is not None
        # What came unasked since the last prompt (a log line) is no part of this answer.
        for _ in range(_LEFT_OVER):
            if not self._wire.read(0.0):
                break
        self._wire.write(command.replace("\n", self._wire.newline) + self._wire.newline)
        whole, said, refused = "", "", None
        for _ in range(20):
            patterns = [pattern for pattern, _ in known]
            said = self._until(said, (*patterns, _QUESTION, _PASSWORD), silence)
            if settle:
                said = self._settled(said)
            prompt = prompt_at_end(said)
            if prompt is not None and self._mine(prompt):
                self._see(prompt)
                self._renaming = False
                if refused is not None:
                    remedy = "do this by hand, or as the question wants it"
                    raise CommandRefused(self.subject, command, f"asked {refused!r}", remedy)
                return without_echo(as_text(whole + said), command)
            tail = said[-_TAIL:]
            reply = next((text for pattern, text in known if pattern.search(tail)), None)
            if reply is None:
                # No question of ours: a line of a long answer may only look like one.
                new = self._wire.read(_QUESTION_S)
                if new:
                    said += new
                    continue
                question = _QUESTION.search(tail)
                refused = refused or tail.strip().splitlines()[-1].strip()
                asks_words = question is not None and not CONFIRM.search(tail)
                reply = "no\n" if asks_words else "\x03"
            self._wire.write(reply.replace("\n", self._wire.newline))
            whole, said = whole + said, "\n"
        raise self._wire.lost(f"{command!r} asks without end")

    def _until(self, said: str, ends: tuple[re.Pattern[str], ...], silence_s: float) -> str:
        """Read on until a prompt of ours or one of `ends` is at the end; else `SessionLost`."""
        said, reached = self._read_on(said, ends, silence_s)
        if not reached:
            raise self._wire.lost(f"no answer for {silence_s:g} s")
        return said

    def _read_on(
        self, said: str, ends: tuple[re.Pattern[str], ...], silence_s: float
    ) -> tuple[str, bool]:
        """As `_until`, but says whether the end was reached; pagers are answered."""
        parts, tail = [said], said[-_TAIL:]
        total = time.monotonic() + self._patience.total_s
        last = time.monotonic()
        while True:
            prompt = prompt_at_end(tail)
            if (prompt is not None and self._mine(prompt)) or any(e.search(tail) for e in ends):
                return "".join(parts), True
            now = time.monotonic()
            if now >= total:
                limit = f"{self._patience.total_s:g} s"
                raise self._wire.lost(f"an answer that did not end in {limit}")
            left = min(total, last + silence_s) - now
            if left <= 0:
                return "".join(parts), False
            new = self._wire.read(left)
            if not new:
                continue
            last = time.monotonic()
            parts.append(new)
            tail = (tail + new)[-_TAIL:]
            if PAGER.search(tail):
                self._wire.write(" ")
                whole = PAGER.sub("", "".join(parts))
                parts, tail = [whole], whole[-_TAIL:]

    def _settled(self, said: str) -> str:
        """`said`, with what comes right after it: output that only looked like a prompt."""
        while new := self._wire.read(_SETTLED_S):
            ends = (_QUESTION, _PASSWORD)
            said, reached = self._read_on(said + new, ends, _NOTICE_S)
            if not reached:
                # A notice (of a reload, a log line) came after the prompt and stays without one.
                self._wire.write(self._wire.newline)
                said = self._until(said + "\n", ends, self._patience.silence_s)
        return said

    def _mine(self, prompt: Prompt) -> bool:
        if self._renaming or not self.host:
            return True
        if prompt.host == self.host:
            return True
        # IOS cuts the name in configuration mode at 20 characters.
        return bool(prompt.mode) and len(prompt.host) >= 16 and self.host.startswith(prompt.host)

    def enable(self, secret: str) -> None:
        """Enter privileged mode; `LoginRefused` where the password or the user may not."""
        self._wire.write("enable" + self._wire.newline)
        said, asked = "", 0
        while True:
            said = self._until(said, (_PASSWORD,), self._patience.silence_s)
            prompt = prompt_at_end(said)
            if prompt is not None and prompt.sign == "#":
                self._see(prompt)
                return
            if prompt is not None and asked:
                break
            if prompt is not None:
                raise LoginRefused(
                    self.subject,
                    "`enable` is refused to this user",
                    "log in as a user who may enable, or leave out login.enable",
                )
            asked += 1
            if asked > 1:
                break
            self._wire.write(secret + self._wire.newline)
            said = ""
        raise LoginRefused(
            self.subject, "the enable password is wrong", "correct login.enable of the [[device]]"
        )

    def first_prompt(self, *, nudge: bool = False) -> None:
        """Read until a prompt comes, by whatever name; with `nudge`, press Enter first."""
        if nudge:
            self._wire.write(self._wire.newline)
        self._renaming = True
        try:
            said = self._until("", (), self._patience.silence_s)
            # A banner may end as a prompt does; the prompt is what comes last.
            said = self._settled(said)
        finally:
            self._renaming = False
        prompt = prompt_at_end(said)
        if prompt is None:
            said = self._until(said, (), self._patience.silence_s)
            prompt = prompt_at_end(said)
        if prompt is not None:
            self._see(prompt)

    def _see(self, prompt: Prompt) -> None:
        self.prompt = prompt
        # IOS cuts a long name short in configuration mode.
        if not prompt.mode or not self.host.startswith(prompt.host):
            self.host = prompt.host

    def close(self) -> None:
        """End the session; nothing is raised, nothing waited for."""
        with contextlib.suppress(SessionLost):
            self._wire.write("exit" + self._wire.newline)
        self._wire.close()
