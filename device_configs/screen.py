"""What a device prints, as text: prompts, pagers, echoes, characters taken back.

Prompts as recorded from an ASA 9.12 and an IOS XE 17.9: the ASA sends a carriage return before its
prompt and a space after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PAGER = re.compile(r"\r?(?:<--- More --->|--More--|-- ?More ?--) *(?:\x08+ *\x08*|\r +\r?)?\Z")
"""A pager that waits, at the end of what has come."""
_PAGER_ERASED = re.compile(r"\x08+ +\x08+|\r {5,}\r")
_PROMPT = re.compile(
    r"(?:\A|\n)[\r ]*(?P<host>[A-Za-z0-9][\w.:/@-]*)(?P<mode>\([^()\s]*\))?(?P<sign>[>#]) ?\Z"
)
_TAKEN_BACK = re.compile(r"[^\x08\n]\x08")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x07|\x00")


@dataclass(frozen=True, slots=True)
class Prompt:
    """The end of an answer: `host(mode)sign`."""

    host: str
    mode: str
    """`(config)`, `(config-if)`; empty in user and privileged mode."""
    sign: str


def prompt_at_end(said: str) -> Prompt | None:
    """The prompt that `said` ends with, alone on its line; None where it ends otherwise."""
    found = _PROMPT.search(said[-400:])
    return None if found is None else Prompt(found["host"], found["mode"] or "", found["sign"])


def as_text(said: str) -> str:
    r"""Lines that end in `\n`, in Unicode, without what a terminal would have wiped."""
    text = _ESCAPES.sub("", _PAGER_ERASED.sub("", said))
    while _TAKEN_BACK.search(text):
        text = _TAKEN_BACK.sub("", text)
    text = text.replace("\x08", "")
    text = re.sub(r"\r*\n\r*", "\n", text).replace("\r", "")
    octets = text.encode("latin-1", "replace")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def without_echo(text: str, command: str) -> str:
    """An answer without the command's echo before it and the prompt after it."""
    body, _, _ = text.rpartition("\n")
    lines = body.split("\n")
    # A long command comes back cut or scrolled: what is before the first line end is the echo.
    for typed in command.split("\n"):
        if lines and _is_echo(lines[0], typed):
            lines = lines[1:]
        else:
            break
    answer = "\n".join(lines)
    return answer.rstrip("\n") + "\n" if answer.strip("\n") else ""


def _is_echo(line: str, typed: str) -> bool:
    line, typed = line.strip(), typed.strip()
    if line.endswith(typed):
        return True
    _, cut, rest = line.rpartition("$")
    return bool(cut) and typed.endswith(rest.strip())
