"""The dialogue with a terminal, over a wire that plays a script: no device, no socket."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_configs.errors import CommandRefused, DeviceUnreachable, LoginRefused, SessionLost
from device_configs.screen import as_text, prompt_at_end, without_echo
from device_configs.telnet import TelnetLogin
from device_configs.terminal import Terminal
from device_configs.wire import Credentials, Endpoint, Patience

PATIENCE = Patience(connect_s=0.5, silence_s=0.5, total_s=4.0)


class Script:
    """A wire: what is written must be expected, and is answered with the pieces beside it."""

    newline = "\n"
    endpoint = Endpoint("dev", "192.0.2.1", 22, Credentials("u"))

    def __init__(self, *turns: tuple[str, Sequence[str]], first: str = "fw# ") -> None:
        self.turns = list(turns)
        self.coming = [first]

    def write(self, text: str) -> None:
        assert self.turns, f"typed {text!r}, and nothing was expected any more"
        wanted, pieces = self.turns.pop(0)
        assert text == wanted
        self.coming += pieces

    def read(self, wait_s: float) -> str:
        if self.coming:
            return self.coming.pop(0)
        time.sleep(wait_s)
        return ""

    def lost(self, message: str) -> SessionLost:
        return SessionLost("dev", message, "try again")

    def close(self) -> None:
        self.coming = []


def terminal(*turns: tuple[str, Sequence[str]], first: str = "fw# ") -> tuple[Terminal, Script]:
    script = Script(*turns, first=first)
    made: Any = script
    opened = Terminal(made, PATIENCE)
    opened.first_prompt()
    return opened, script


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), max_size=8))
def test_an_answer_is_the_same_however_it_is_cut_into_pieces(cuts: list[int]) -> None:
    whole = "show x\r\none\r\nfw# is in a line\r\ntwo\r\n\rfw# "
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[low:high] for low, high in pairwise(places)]
    opened, _ = terminal(("show x\n", pieces))
    assert opened.ask("show x", settle=True) == "one\nfw# is in a line\ntwo\n"


def test_pagers_are_answered_and_leave_no_trace() -> None:
    opened, script = terminal(
        ("show x\n", ["show x\r\na\r\n<--- More --->"]),
        (" ", ["\r              \rb\r\n--More-- "]),
        (" ", ["\x08" * 9 + " " * 8 + "\x08" * 8 + "c\r\nfw# "]),
    )
    assert opened.ask("show x", settle=True) == "a\nb\nc\n"
    assert script.turns == []


def test_a_notice_after_the_prompt_is_no_end_of_the_session() -> None:
    opened, _ = terminal(
        (
            "reload in 5\n",
            ["reload in 5\r\nProceed with reload? [confirm]"],
        ),
        ("\n", ["\r\nfw# ", "\r\n***\r\n*** --- SHUTDOWN in 0:05:00 ---\r\n"]),
        ("\n", ["\r\nfw# "]),
        ("show y\n", ["show y\r\nyes\r\nfw# "]),
    )
    said = opened.ask("reload in 5", replies=[(re.compile(r"\[confirm\]"), "\n")], settle=True)
    assert "SHUTDOWN" in said
    assert opened.ask("show y", settle=True) == "yes\n"


def test_a_question_nobody_expected_is_answered_no_and_told() -> None:
    opened, script = terminal(
        ("erase all\n", ["erase all\r\nReally? [yes/no]: "]),
        ("no\n", ["no\r\nfw# "]),
    )
    with pytest.raises(CommandRefused, match=r"Really\? \[yes/no\]"):
        opened.ask("erase all")
    assert script.turns == []


def test_a_line_that_looks_like_a_question_is_none_when_more_comes() -> None:
    opened, _ = terminal(("show x\n", ["show x\r\nPassword: ", "is what users see\r\nfw# "]))
    assert opened.ask("show x", settle=True) == "Password: is what users see\n"


def test_a_log_line_before_a_command_is_no_part_of_its_answer() -> None:
    opened, script = terminal(("show x\n", ["show x\r\nyes\r\nfw# "]))
    script.coming.append("\r\n*Mar  1 00:00:01: %SYS-5-CONFIG_I: Configured from console\r\n")
    assert opened.ask("show x", settle=True) == "yes\n"


def test_silence_ends_and_so_does_an_answer_without_end() -> None:
    opened, _ = terminal(("show x\n", ["show x\r\nhalf"]))
    with pytest.raises(SessionLost, match=r"no answer for 0\.5 s"):
        opened.ask("show x")
    opened, script = terminal(("show x\n", []))

    def endless(_: float) -> str:
        time.sleep(0.01)
        return "line\r\n" if script.turns == [] else ""

    script.read = endless  # type: ignore[method-assign]
    with pytest.raises(SessionLost, match=r"did not end in 4 s"):
        opened.ask("show x")


@pytest.mark.parametrize(
    ("said", "host", "mode", "sign"),
    [
        ("\r\nfw/act# ", "fw/act", "", "#"),
        ("\n\rLAB-ASA12> ", "LAB-ASA12", "", ">"),
        ("\r\nsw1(config-if)#", "sw1", "(config-if)", "#"),
        ("asa/ctx-1(config)# ", "asa/ctx-1", "(config)", "#"),
    ],
)
def test_prompts_as_devices_print_them(said: str, host: str, mode: str, sign: str) -> None:
    prompt = prompt_at_end(said)
    assert prompt is not None
    assert (prompt.host, prompt.mode, prompt.sign) == (host, mode, sign)


@pytest.mark.parametrize(
    "said",
    ["text fw# ", "\n# ", "\nPassword: ", "\n<--- More --->", "\nfw# show", "\n! banner #", ""],
)
def test_what_is_no_prompt(said: str) -> None:
    assert prompt_at_end(said) is None


def test_text_is_unicode_where_it_is_and_latin_where_it_is_not() -> None:
    assert as_text("d\u00c3\u00a9p\u00c3\u00b4t\r\n") == "d\u00e9p\u00f4t\n"
    assert as_text("d\u00e9p\u00f4t\r\n") == "d\u00e9p\u00f4t\n"


def test_a_scrolled_echo_is_no_answer() -> None:
    text = as_text("$-list OUT remark xxxxx\r\nERROR: no\r\nfw(config)# ")
    assert without_echo(text, "access-list OUT remark xxxxx") == "ERROR: no\n"


def _login(*turns: tuple[str, str]) -> str:
    coming = [turns[0][1]]
    rest = list(turns[1:])

    def read(_: float) -> str:
        if coming:
            piece = coming.pop(0)
            if piece == "EOF":
                raise EOFError
            return piece
        return ""

    def write(text: str) -> None:
        wanted, answer = rest.pop(0)
        assert text == f"{wanted}\r"
        coming.append(answer)

    return TelnetLogin("pix", "admin", "word", 0.2).run(read, write)


def test_a_telnet_login_with_and_without_a_user() -> None:
    start = "\r\n\r\nUser Access Verification\r\n\r\n"
    assert _login(("", f"{start}Password: "), ("word", "\r\npix> ")).endswith("pix> ")
    assert _login(
        ("", f"{start}Username: "), ("admin", "Password: "), ("word", "\r\nWelcome\r\nsw> ")
    ).endswith("sw> ")
    assert _login(("", "banner\r\nsw# ")).endswith("sw# ")


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ((("", "Password: "), ("word", "\r\nPassword: ")), "asks for the password again"),
        ((("", "Password: "), ("word", "\r\n% Bad passwords\r\n")), "Bad passwords"),
        ((("", "Password: "), ("word", "EOF")), "hung up after the password"),
        ((("", "Username: "), ("admin", "Password: "), ("word", "\r\nUsername: ")), "user again"),
        ((("", "% Password required, but none set\r\n"),), "Password required"),
    ],
)
def test_a_refused_telnet_login_says_how(turns: Any, said: str) -> None:
    with pytest.raises(LoginRefused, match=said) as refused:
        _login(*turns)
    assert "word," not in str(refused.value)


def test_a_telnet_port_that_closes_or_is_silent_is_unreachable() -> None:
    with pytest.raises(DeviceUnreachable, match="closed the telnet connection"):
        _login(("", "EOF"))
    with pytest.raises(DeviceUnreachable, match="no login question"):
        _login(("", "220 smtp ready\r\n"))
