"""A session with one device's command line: ask, configure, read back; every wait ends.

    session = open_session(device, os.environ, hosts)      # logs in, enters privileged mode
    session.platform                                       # `platforms.Platform`, PIX 6 told from 7
    session.show("show clock", timeout_s=5) -> str         # an answer; CommandRefused
    session.configure(["hostname a", "no ip x"]) -> list[Answer]
    session.running(), session.startup() -> str            # whole, unmasked where the device does
    session.facts() -> Facts                               # hostname, model, serial, release, ...
    session.save() -> Answer                               # write memory
    session.dialogue("reload in 5", ((r"\\[confirm\\]", "\\n"),)) -> str
    session.close()                                        # also a context manager

Nothing that is typed without being asked for enters a configuration; a device's checksum is the
same after a read-only session. `SessionLost` means that the connection is gone, not what became of
the last command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from device_configs.errors import (
    CommandRefused,
    DeviceConfigError,
    IncompleteConfiguration,
    SessionLost,
)
from device_configs.facts import Facts, facts_of
from device_configs.known_hosts import KnownHosts
from device_configs.platforms import Platform, platform_named, platform_of_release
from device_configs.terminal import CONFIRM, Terminal
from device_configs.wire import Credentials, Endpoint, Patience, Wire, open_ssh, open_telnet
from inventory.operations import Device, Login

PORTS = {"ssh": 22, "telnet": 23}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device said to one command."""

    command: str
    output: str
    error: str | None = None
    """The line that says it was not carried out; None where there is none."""
    warning: str | None = None


def stop_at_error(answer: Answer) -> bool:
    """Whether to stop after this answer: the default of `Session.configure`."""
    return answer.error is not None


class ConfigureInterrupted(SessionLost):
    """The session ended while a device was being configured."""

    def __init__(self, lost: SessionLost, answers: list[Answer], unanswered: str | None) -> None:
        super().__init__(lost.subject, lost.message, lost.remedy)
        self.answers = answers
        """What was answered before."""
        self.unanswered = unanswered
        """The command that was sent last; whether it was carried out is not known."""


def open_session(
    device: Device,
    environ: Mapping[str, str],
    hosts: KnownHosts,
    *,
    patience: Patience | None = None,
) -> Session:
    """Log in to a `[[device]]` and, where `login.enable` is given, enter privileged mode.

    Secrets are taken from `environ` or their files. Raises `DeviceUnreachable`, `HostKeyRefused`,
    `LoginRefused`, `SessionLost`, `inventory.errors.SecretError`.
    """
    platform = platform_named(device.platform, device.id)
    patience = Patience() if patience is None else patience
    endpoint = endpoint_of(device, environ)
    opener = open_telnet if device.transport == "telnet" else open_ssh
    wire = opener(endpoint, hosts, patience, jump_of(device, environ))
    session = Session(wire, platform, patience)
    try:
        session.begin()
    except BaseException:
        session.close()
        raise
    return session


def endpoint_of(device: Device, environ: Mapping[str, str]) -> Endpoint:
    """Where the device's command line is; `DeviceConfigError` where it has no login."""
    if device.login is None:
        raise DeviceConfigError(
            device.id, "it has no login", "write login = { user = ..., password = { env = ... } }"
        )
    port = device.port or PORTS[device.transport]
    return Endpoint(device.id, device.host, port, _credentials(device.login, environ))


def jump_of(device: Device, environ: Mapping[str, str]) -> Endpoint | None:
    """The host to go through, None where there is none."""
    if device.jump is None:
        return None
    login = device.jump.login or device.login
    if login is None:
        raise DeviceConfigError(device.id, "its jump host has no login", "write jump.login")
    return Endpoint(device.id, device.jump.host, device.jump.port, _credentials(login, environ))


class Session:
    """One login. Not for two threads at once."""

    def __init__(self, wire: Wire, platform: Platform, patience: Patience) -> None:
        self._terminal = Terminal(wire, patience)
        self._credentials = wire.endpoint.credentials
        self._facts: Facts | None = None
        self.platform = platform
        self.subject = wire.endpoint.subject

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def hostname(self) -> str:
        """The name in the prompt."""
        return self._terminal.host

    @property
    def privileged(self) -> bool:
        """Whether the prompt ends in `#`."""
        return self._terminal.prompt.sign == "#"

    def begin(self) -> None:
        """From the login to the first question: prompt, privileged mode, pager, release."""
        self._terminal.first_prompt()
        enable = self._credentials.enable
        if not self.privileged and enable is not None:
            self._terminal.enable(enable)
        self._leave_configuration()
        if self.platform.name.startswith("cisco_pix"):
            # PIX 6 has no `terminal pager`, and takes no unknown word kindly.
            self.platform = platform_of_release(self.platform, self.facts().release)
        for command in self.platform.before_reading:
            self._terminal.ask(command)

    def show(self, command: str, timeout_s: float | None = None) -> str:
        """The answer to a command of privileged mode.

        `timeout_s` bounds the silence before and within the answer (20 s). Raises
        `CommandRefused`, `SessionLost`.
        """
        output = self._terminal.ask(command, silence_s=timeout_s, settle=True)
        # A refusal is short; a long answer may quote one, in a banner or a log.
        refusal = self.platform.refusal(output) if output.count("\n") < 6 else None
        if refusal is not None:
            raise CommandRefused(
                self.subject,
                command,
                refusal,
                "see whether the user may do this and the platform of the [[device]] is right",
            )
        return output

    def dialogue(
        self,
        command: str,
        answers: Iterable[tuple[str, str]],
        timeout_s: float | None = None,
    ) -> str:
        """The output of a command that asks back; each pair is (regex of a question, reply).

        A refusal raises `CommandRefused`, and so does a question without a reply, which is answered
        `no`. Configuration mode is left again where the command has entered it.
        """
        replies = [(re.compile(pattern), reply) for pattern, reply in answers]
        output = self._terminal.ask(command, silence_s=timeout_s, replies=replies, settle=True)
        refusal = self.platform.refusal(output)
        if refusal is not None:
            raise CommandRefused(self.subject, command, refusal, "see whether the user may do this")
        self._leave_configuration()
        return output

    def configure(
        self,
        lines: Iterable[str],
        stop: Callable[[Answer], bool] = stop_at_error,
        timeout_s: float | None = None,
    ) -> list[Answer]:
        """Type commands in configuration mode, one answer each, and leave the mode again.

        A command of several lines (a banner, a certificate) is one element. After an answer for
        which `stop` is true nothing more is typed. Raises `ConfigureInterrupted` (a `SessionLost`)
        with the answers so far, `CommandRefused` where configuration mode is refused.
        """
        answers: list[Answer] = []
        pending: str | None = None
        try:
            self._enter_configuration()
            for line in lines:
                pending = line
                answer = self._one(line, timeout_s)
                answers.append(answer)
                pending = None
                if stop(answer):
                    break
            self._leave_configuration()
        except SessionLost as lost:
            raise ConfigureInterrupted(lost, answers, pending) from None
        except BaseException:
            # An operator's Ctrl-C leaves a usable session behind, or none.
            self._leave_quietly()
            raise
        return answers

    def save(self) -> Answer:
        """Write the running configuration to the startup configuration."""
        command = self.platform.save
        replies = [(CONFIRM, "\n")]
        output = self._terminal.ask(command, silence_s=60.0, replies=replies, settle=True)
        return Answer(command, output, self.platform.refusal(output))

    def running(self) -> str:
        """The running configuration, with its keys where the platform shows them to this user."""
        return self._configuration("running", self.platform.running)

    def startup(self) -> str:
        """The startup configuration; empty where the platform cannot show it or it has none."""
        return self._configuration("startup", self.platform.startup)

    def version(self) -> str:
        """`show version`."""
        return self.show("show version")

    def facts(self) -> Facts:
        """Who this device is; asked once a session."""
        if self._facts is None:
            self._facts = facts_of(self.platform, self._terminal.host, self._try)
        return self._facts

    def close(self) -> None:
        """End the session; nothing is raised, nothing waited for."""
        self._terminal.close()

    def _try(self, command: str) -> str | None:
        """An answer, None where the command was refused."""
        try:
            return self.show(command)
        except CommandRefused:
            return None

    def _configuration(self, which: str, commands: tuple[str, ...]) -> str:
        refused: CommandRefused | None = None
        for command in commands:
            try:
                text = self.show(command)
            except CommandRefused as error:
                # "No startup configuration" is an answer, not a wrong command.
                if which == "startup" and re.search(r"(?i)not present|no config|empty", str(error)):
                    return ""
                refused = error
            else:
                return text
        if refused is not None:
            if which == "startup":
                return ""
            raise IncompleteConfiguration(
                self.subject,
                f"no command shows the {which} configuration ({refused.answer})",
                "give the user the right to see it, or the [[device]] a login.enable",
            )
        return ""

    def _one(self, line: str, timeout_s: float | None) -> Answer:
        replies = [(CONFIRM, "\n")]
        try:
            output = self._terminal.ask(
                line, silence_s=timeout_s, replies=replies, settle="\n" in line
            )
        except CommandRefused as refused:
            return Answer(line, refused.answer, refused.answer)
        return Answer(line, output, self.platform.refusal(output), self.platform.warning(output))

    def _enter_configuration(self) -> None:
        output = self._terminal.ask(self.platform.enter)
        if not self._terminal.prompt.mode:
            raise CommandRefused(
                self.subject,
                self.platform.enter,
                output.strip() or "the mode did not change",
                "log in as a user who may configure, with login.enable",
            )

    def _leave_configuration(self) -> None:
        for _ in range(8):
            if not self._terminal.prompt.mode:
                return
            self._terminal.ask(self.platform.leave)

    def _leave_quietly(self) -> None:
        try:
            self._terminal.first_prompt(nudge=True)
            self._leave_configuration()
        except DeviceConfigError:
            self.close()


def _credentials(login: Login, environ: Mapping[str, str]) -> Credentials:
    return Credentials(
        login.user,
        None if login.password is None else login.password.reveal(environ),
        None if login.enable is None else login.enable.reveal(environ),
        login.key_file,
    )
