"""The command line of a device: what goes in and what comes out, without a socket or a thread."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from . import platforms, rules
from .grammar import PROMPTS
from .refusal import Refused

if TYPE_CHECKING:
    from .configuration import Configuration, Place
    from .emulator import Device

WIDTH = 80
_PIPE = re.compile(r"(.*?) \| (include|exclude|begin|section|inc|i|grep) (.+)")
_EXEC_IN_CONFIG = ("show ", "write", "reload", "ping ", "more ", "copy ", "terminal pager",
                   "changeto ", "disable", "logout")  # fmt: skip


class DroppedError(Exception):
    """The connection is gone."""


class HungError(Exception):
    """Nothing is answered any more."""


class Question(NamedTuple):
    """Something that is asked; what is typed next goes to `answered`."""

    text: str
    answered: Callable[[str], str]
    hidden: bool = False
    single: bool = False
    """One key answers it (`[confirm]`)."""


class Shell:
    """One session. `receive` takes what is typed and returns what is shown."""

    def __init__(self, device: Device, transport: str, number: int, user: str | None) -> None:
        self.device = device
        self.transport = transport
        self.number = number
        self.user = user or ""
        self.privileged = False
        self.path: list[Place] = []
        self.configuring = False
        self.context = device.entry if device.contexts else None
        self.address = device.own_address()
        self.words = platforms.WORDS[device.platform]
        self.pager: int | None = None
        self.question: Question | None = None
        self.more: list[str] = []
        self.banner: list[str] | None = None
        self.tries = 0
        self.line = ""
        self.after_return = False
        self.end: Callable[[], None] = lambda: None
        """Closes the connection."""

    # -- typing ----------------------------------------------------------------------------------

    def greet(self) -> str:
        """What is shown first."""
        if self.user or self.transport == "console":
            return self._logged_in()
        return "\r\n\r\nUser Access Verification\r\n\r\n" + self._ask_login()

    def _ask_login(self) -> str:
        if self.device.asks_user(self.transport):
            return self._ask(Question(self.words.username, self._named))
        return self._ask(Question("Password: ", self._password, hidden=True))

    def _named(self, name: str) -> str:
        self.user = name
        return self._ask(Question("Password: ", self._password, hidden=True))

    def _password(self, word: str) -> str:
        if self.device.admits(self.user, word, self.transport):
            return self._logged_in()
        self.tries += 1
        if self.tries >= 3:
            raise DroppedError
        return self.words.denied + self._ask_login()

    def _logged_in(self) -> str:
        self.privileged = self.device.starts_privileged(self.user)
        shown = ""
        if self.device.platform in ("asa", "pix7"):
            shown = (
                f"User {self.user} logged in to {self.device.hostname(self.context)}\r\n"
                "Logins over the last 1 days: 1.  \r\nFailed logins since the last login: 0.  \r\n"
                "Type help or '?' for a list of available commands.\r\n"
            )
        elif self.device.platform == "pix6":
            shown = "Type help or '?' for a list of available commands.\r\n"
        return shown + self.prompt()

    def _ask(self, question: Question) -> str:
        self.question = question
        return question.text

    def prompt(self) -> str:
        """The prompt, as it is sent."""
        name = self.device.hostname(self.context)
        if self.context is not None:
            name += "" if self.context == "system" else f"/{self.context}"
        mode = ""
        if self.configuring:
            mode = "(config)"
            if self.path:
                section = self.path[-1].section.name
                default = "config-subif" if "." in self.path[-1].header else "config-sub"
                mode = f"({PROMPTS.get(section, default)})"
                if section == "numbered" and " standard " in self.path[-1].header:
                    mode = "(config-std-nacl)"
        end = "#" if self.privileged else ">"
        return f"{self.words.prompt_start}{name}{mode}{end}{self.words.prompt_end}"

    def receive(self, typed: str) -> str:
        """Take some characters; what the device shows. Raises `DroppedError` and `HungError`."""
        out = []
        for char in typed:
            if char in "\0" or (char == "\n" and self.after_return):
                self.after_return = False
                continue
            self.after_return = char == "\r"
            if self.more:
                out.append(self._page(char))
            elif self.question is not None and self.question.single:
                question, self.question = self.question, None
                out.append(question.answered("y" if char in "\r\nyY" else "n"))
            elif char in "\x03\x1a" and not self.line and self.banner is None:
                self.question = None
                self.path, self.configuring = [], False
                out.append("\r\n" + self.prompt())
            elif char in "\r\n":
                line, self.line = self.line, ""
                out.append(self._entered(line))
            elif char in "\x08\x7f":
                self.line = self.line[:-1]
            else:
                self.line += char
        return "".join(out)

    def _entered(self, line: str) -> str:
        if self.question is not None:
            question, self.question = self.question, None
            stars = (
                "*" * len(line) if self.device.platform == "asa" and self.configured_stars else ""
            )
            echo = stars if question.hidden else line
            return f"{echo}\r\n{question.answered(line)}"
        echo = self._echo(line)
        if self.banner is not None:
            return echo + "\r\n" + self._banner_line(line)
        answer = self._run(line.strip())
        return echo + "\r\n" + answer

    configured_stars = True
    """An ASA shows a star for each character of a password."""

    def _echo(self, line: str) -> str:
        """A firewall scrolls a line that is wider than the terminal: `$` stands for its start
        (netmiko issue 2025 says so of the ASA; the exact characters are a guess)."""
        prompt = self.prompt().strip()
        room = self.device.width(self.context) - len(prompt) - 2
        if self.device.platform == "ios" or len(line) <= room:
            return line
        return f"{line[:room]}\r{prompt} ${line[-(room - 1) :]}"

    # -- running ---------------------------------------------------------------------------------

    def _run(self, line: str) -> str:
        if not line:
            return self.prompt()
        command = line if self.configuring else platforms.expand(line)
        in_config = self.configuring and not self._is_exec(line)
        forget = self.device.strike(self, command, in_config)
        if forget is not None:
            self.device.note(self, in_config, line, forget)
            return _wire(forget) + self.prompt()
        try:
            answer = self._configure(line) if in_config else self._exec(command)
        except Refused as refused:
            answer = refused.text
            self.device.note(self, in_config, line, answer)
            return self._caret(answer, line) + self.prompt()
        if answer is None:
            self.device.note(self, in_config, line, "")
            return self.question.text if self.question is not None else ""
        self.device.note(self, in_config, line, answer)
        self.device.check_ways(line)
        self.device.strike_after(self)
        return self._paged(answer) if not in_config else _wire(answer) + self.prompt()

    def _is_exec(self, line: str) -> bool:
        if line.startswith("do ") and self.device.platform == "ios":
            return True
        if self.device.platform == "ios":
            return False
        return line.startswith(_EXEC_IN_CONFIG) or line.split()[0] in ("wr", "sh")

    def _caret(self, answer: str, line: str) -> str:
        if "'^'" in answer:
            at = len(self.prompt().strip()) + max(len(line.split()[0]), 0)
            return _wire(" " * at + "^\n" + answer)
        return _wire(answer)

    def _config(self) -> Configuration:
        return self.device.configuration(self.context)

    def _configure(self, line: str) -> str | None:
        if line in ("exit", "quit"):
            if self.path:
                self.path = self.path[:-1]
            else:
                self.configuring = False
            return ""
        if line == "end":
            self.path, self.configuring = [], False
            return ""
        platform = self.device.platform
        if platform == "ios" and (match := re.fullmatch(r"banner (motd|login|exec) (.*)", line)):
            mark = match[2][:2] if match[2].startswith("^") else match[2][:1]
            if mark not in match[2][len(mark) :]:
                self.banner = [line]
                self.question = None
                return None
        if line.startswith("crypto key generate rsa"):
            return "The name for the keys will be: device\n[OK]\n"
        if (
            platform == "ios"
            and line.startswith("no username ")
            and self.device.user_line(line.split()[2])
        ):
            self._confirmed(
                "This operation will remove all username related configurations with same name."
                "Do you want to continue? [confirm]",
                lambda: self._apply(line),
            )
            return None
        if platform == "pix6" and line in ("no pager", "pager"):
            line = f"pager lines {0 if line == 'no pager' else 24}"
        return self._apply(line)

    def _apply(self, line: str) -> str:
        said, self.path = self.device.apply(self.context, self.path, line)
        return said

    def _banner_line(self, line: str) -> str:
        assert self.banner is not None
        self.banner.append(line)
        start = self.banner[0].split(" ", 2)[2]
        mark = start[:2] if start.startswith("^") else start[:1]
        if mark not in line:
            return ""
        whole, self.banner = "\n".join(self.banner), None
        said = self._apply(whole)
        self.device.note(self, True, whole, said)
        return said + self.prompt()

    def _confirmed(self, text: str, action: Callable[[], str]) -> None:
        def answered(key: str) -> str:
            said = action() if key == "y" else ""
            self.device.check_ways(text)
            return "\r\n" + _wire(said) + self.prompt()

        self.question = Question(text, answered, single=True)

    # -- exec ------------------------------------------------------------------------------------

    def _exec(self, line: str) -> str | None:
        line = platforms.expand(line.removeprefix("do "))
        if match := _PIPE.fullmatch(line):
            shown = self._exec(match[1])
            return None if shown is None else _filtered(shown, match[2], match[3])
        words = line.split()
        device, ios = self.device, self.device.platform == "ios"
        if words[0] in ("exit", "quit", "logout"):
            raise DroppedError
        if words[0] == "enable":
            if self.privileged:
                return ""
            self.tries = 0
            self.question = Question("Password: ", self._enable, hidden=True)
            return None
        if words[0] == "disable":
            self.privileged, self.configuring, self.path = False, False, []
            return ""
        if words[0] == "login" and not ios:
            self.question = Question(self.words.username, self._named)
            return None
        if words[0] == "terminal":
            return self._terminal(words[1:])
        if words[0] == "show" and len(words) > 1:
            return self._show(words[1:])
        if words[0] == "ping":
            return "Success rate is 100 percent (5/5), round-trip min/avg/max = 1/1/1 ms\n"
        if not self.privileged:
            raise Refused(rules.invalid(device.platform))
        if words[0] == "more" and not ios and device.platform != "pix6":
            return device.more(self.context, words[-1])
        if device.may_only_read(self.user):
            raise Refused(
                "Command authorization failed\n" if not ios else "Command authorization failed.\n\n"
            )
        if words[0] == "configure":
            return self._configure_mode(words[1:])
        if words[0] in ("changeto", "reload") and device.contexts and device.entry != "admin":
            # ASA CLI configuration guide, multiple context mode: only who logs in to the admin
            # context has the rights of the system. The wording is from memory.
            raise Refused("Command not valid in current execution space\n")
        if words[0] == "changeto" and device.contexts:
            self.context = "system" if words[1] == "system" else words[-1]
            self.path, self.configuring = [], False
            return ""
        if words[0] == "write" and words[1:2] == ["memory"]:
            return device.save(self.context)
        if line == "write terminal":
            return self._show(["running-config"])
        if words[0] == "copy" and len(words) == 3:
            self.question = Question(
                "Destination filename [startup-config]? " if ios
                else "\nSource filename [running-config]? ",
                lambda _: _wire(device.save(self.context)) + self.prompt(),
            )  # fmt: skip
            return None
        if line == "write erase":
            self._confirmed("Erase configuration in flash memory? [confirm]", device.erase)
            return None
        if words[0] == "reload":
            return self._reload(words[1:])
        raise Refused(rules.invalid(device.platform))

    def _enable(self, word: str) -> str:
        if self.device.enables(word):
            self.privileged = True
            return self.prompt()
        self.tries += 1
        if self.tries >= 3:
            self.tries = 0
            return self.words.enable_denied + self.prompt()
        return self.words.bad_enable + self._ask(Question("Password: ", self._enable, hidden=True))

    def _terminal(self, words: list[str]) -> str:
        ios = self.device.platform == "ios"
        if ios and words[:1] in (["length"], ["width"]) and words[1:]:
            if words[0] == "length":
                self.pager = int(words[1])
            return ""
        if not ios and words[:1] == ["pager"] and self.device.platform != "pix6":
            # ASA 9.12 command reference, terminal pager: this session alone, nothing is saved.
            self.pager = int(words[-1])
            return ""
        if words[:1] == ["monitor"] or words[:2] == ["no", "monitor"]:
            return ""
        raise Refused(rules.invalid(self.device.platform))

    def _show(self, words: list[str]) -> str:
        """All `show` commands."""
        device, config = self.device, self._config()
        word, ios = words[0], device.platform == "ios"
        if word == "version":
            return platforms.version(
                device.platform, device.hostname(self.context), device.model, device.serial
            )
        if word == "inventory" and device.platform != "pix6":
            return platforms.inventory(device.platform, device.model, device.serial)
        if word == "curpriv" and not ios:
            level = 15 if self.privileged else 1
            return f"Username : {self.user or 'enable_15'}\nCurrent privilege level : {level}\n"
        if word == "privilege" and ios:
            return f"Current privilege level is {15 if self.privileged else 1}\n"
        if word == "mode" and not ios and device.platform != "pix6":
            return f"Security context mode: {'multiple' if device.contexts else 'single'} \n"
        if word == "clock":
            return "10:00:00.000 UTC Mon Jan 5 2026\n"
        if word == "failover" and not ios:
            return device.failover_text()
        if not self.privileged:
            raise Refused(rules.invalid(device.platform))
        if word == "running-config":
            return device.shown_running(self.context, words[1:])
        if word == "startup-config":
            return device.shown_startup(self.context)
        if word == "checksum" and not ios:
            sum_ = config.checksum()
            return "Cryptochecksum: " + " ".join(sum_[at : at + 8] for at in range(0, 32, 8)) + "\n"
        if word == "context" and device.contexts:
            return device.context_text()
        if word == "reload":
            return device.reload_text()
        if word in ("access-list", "access-lists") or words[:2] == ["ip", "access-lists"]:
            return device.access_list_text(self.context, words[-1] if len(words) > 1 else "")
        if words[:2] == ["interface", "ip"] or words[:3] == ["ip", "interface", "brief"]:
            return device.interface_text(self.context)
        if words == ["archive", "config", "rollback", "timer"] and ios:
            return device.revert_text()
        if word == "archive" and ios:
            return "The maximum archive configurations allowed is 10.\n"
        raise Refused(rules.invalid(device.platform))

    def _configure_mode(self, words: list[str]) -> str:
        device = self.device
        ios = device.platform == "ios"
        if words[:1] == ["confirm"] and ios:
            return device.confirm()
        if words[:2] == ["revert", "now"] and ios:
            return device.revert_now()
        if words[:2] == ["revert", "timer"] and ios and len(words) == 3:
            return device.rearm(int(words[2]))
        if words[:1] != ["terminal"]:
            raise Refused(
                rules.incomplete(device.platform) if not words else rules.invalid(device.platform)
            )
        said = ""
        if words[1:3] == ["revert", "timer"] and ios and len(words) == 4:
            said = device.revert_in(int(words[3]))
        elif len(words) > 1:
            raise Refused(rules.invalid(device.platform))
        self.configuring, self.path = True, []
        return said + self.words.config_start

    def _reload(self, words: list[str]) -> str | None:
        """IOS: reload [in m | cancel]; ASA: the same with `noconfirm`; PIX 6.3: reload [noconfirm]
        (command references, reload)."""
        device = self.device
        if words[:1] == ["cancel"] and device.platform != "pix6":
            return device.cancel_reload()
        sure = "noconfirm" in words
        action: Callable[[], str] = self._restart
        words = [word for word in words if word != "noconfirm"]
        if words[:1] == ["in"] and device.platform != "pix6" and len(words) > 1:
            hours, _, minutes = words[1].rpartition(":")
            after = 60 * int(hours or 0) + int(minutes)
            action = partial(device.reload_in, after)
        elif words:
            raise Refused(rules.invalid(device.platform))
        if sure:
            return action()
        if device.platform != "pix6" and not device.is_saved():
            ios = device.platform == "ios"

            def saved(answer: str) -> str:
                if answer[:1].lower() == "y":
                    device.save(self.context)
                self._confirmed("Proceed with reload? [confirm]", action)
                return self.question.text if self.question else ""

            self.question = Question(
                "\r\nSystem configuration has been modified. Save? [yes/no]: " if ios
                else "System config has been modified. Save? [Y]es/[N]o:",
                saved,
            )  # fmt: skip
            return None
        self._confirmed("Proceed with reload? [confirm]", action)
        return None

    def _restart(self) -> str:
        self.device.reload()
        raise DroppedError

    # -- paging ----------------------------------------------------------------------------------

    def _page_lines(self) -> int:
        if self.pager is not None:
            return self.pager
        if self.device.platform == "ios":
            return 24
        line = self._config().root.line("pager lines")
        return int(line.split()[2]) if line else 24

    def _paged(self, text: str) -> str:
        lines = _wire(text).splitlines(keepends=True)
        page = self._page_lines()
        if page and len(lines) > page:
            self.more = lines[page - 1 :]
            return "".join(lines[: page - 1]) + self.words.more
        return "".join(lines) + self.prompt()

    def _page(self, char: str) -> str:
        step = {" ": max(self._page_lines() - 1, 1), "\r": 1, "\n": 1}.get(char)
        if char in "qQ":
            self.more = []
            return self.words.erase + self.prompt()
        if step is None:
            return ""
        shown, self.more = self.more[:step], self.more[step:]
        end = self.words.more if self.more else self.prompt()
        return self.words.erase + "".join(shown) + end


def _wire(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _filtered(text: str, how: str, pattern: str) -> str:
    lines = text.splitlines(keepends=True)
    wanted = re.compile(pattern)
    if how == "exclude":
        return "".join(line for line in lines if not wanted.search(line))
    if how == "begin":
        at = next((n for n, line in enumerate(lines) if wanted.search(line)), len(lines))
        return "".join(lines[at:])
    if how == "section":
        out, inside = [], False
        for line in lines:
            if not line.startswith(" "):
                inside = bool(wanted.search(line))
            if inside:
                out.append(line)
        return "".join(out)
    return "".join(line for line in lines if wanted.search(line))
