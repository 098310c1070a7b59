"""A PIX 6.3, PIX 7, ASA 9 or IOS device of our own: command line, rules, faults, packet filter.

How a test gets it (fixture `devices` of tests/conftest.py, the package loaded by its path):

    def test_x(devices):
        device = devices.Device("asa", text)        # "pix6" | "pix7" | "asa" | "ios"
        with device.serve() as box:                  # SSH and telnet on 127.0.0.1, own threads
            box.host, box.ssh_port, box.telnet_port, box.host_key   # "ecdsa-... AAAA"
            box.restart_with_new_key()               # a changed host key
        device.running()                             # whole, unmasked running configuration
        device.startup                               # text, or "" where the NVRAM is empty
        device.checksum()                            # changes with each change of the running one
        device.log                                   # [Entry(session, mode, command, answer)]
        device.configured()                          # commands typed in configuration mode only
        device.type("hostname x")                    # a configuration command, without a server
        device.same_as(text)                         # equal to a device that booted this text?
        device.difference(text)                      # the lines that are not (for messages)
        device.permits(Flow("outside", "inside", "tcp", "198.51.100.9", "10.0.0.5", dport=443))

    Device(platform, startup, *, running=None, name-value options:
        user="admin", password="admin-pw", enable="enable-pw",   # of a device without any in its
                                                     # text; console and `blank()` use them as well
        management=None,        # Management("10.0.0.9", "inside"): where our sessions come from;
                                # a command that shuts this way out drops the connection and is
                                # noted in `device.cuts` as Cut(command, reason)
        minute_s=60.0,          # how long a minute of `reload in` and `revert timer` takes
        reload_s=0.2,           # how long a restart takes (connections are refused meanwhile)
        interfaces=None,        # names of the hardware; default: those in the text
        serial="...", model="...", failover=None | "active" | "standby",
        read_only=(),           # users who may show everything and configure nothing
        contexts=None,          # {"admin": text, ...}: ASA in multiple mode
        entry="admin",          # the context whose address the sessions come to
        answer_s=0.0)           # delay of each answer
    Device.blank(platform, interfaces=(...)) is a device without a startup configuration.

    device.faults.append(Fault("drop", at=3))        # at the third configuration command from now
    Fault(kind, at=1, on=None, seconds=0.0, text="")  # on: regex of the command instead of `at`
        "drop"    the connection is cut, the command is not carried out
        "cut"     the command is carried out, then the connection is cut without an answer
        "refuse"  answers `text` (or the platform's error) and changes nothing
        "slow"    waits `seconds` first
        "hang"    never answers (the session is dead, the TCP connection open)
        "forget"  answers as if all were well and changes nothing
        "reboot"  restarts from the startup configuration before the command
    `on` also hits exec commands ("write memory", "show running-config").
    device.reload() restarts now; device.expire() lets a pending reload or revert fire now;
    device.pending is "reload", "revert" or None.

As a script, for runs in a process of its own:

    python tests/devices asa FILE [--management 10.0.0.9/inside] [--log FILE]

prints one line of JSON with host, ports and key, writes each change of running and startup to
FILE.running and FILE.startup, and ends with its standard input.

What is not vouched for (docs/limitations.md): this is a model made from the command references
that the rules cite; no device was at hand. Password hashes are not the platform's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import platforms, rules
from .configuration import Configuration, Place
from .configuration import Entry as Line
from .packet_filter import Flow, Interface, Management, interfaces, permits, shut_out
from .refusal import Refused
from .servers import Box
from .shell import DroppedError, HungError, Shell

__all__ = ["Box", "Cut", "Device", "Entry", "Fault", "Flow", "Interface", "Management", "Refused"]


class Entry(NamedTuple):
    """One command as the device saw it; passwords typed at a prompt are not among them."""

    session: int
    mode: str
    """"exec" or "config"."""
    command: str
    answer: str


class Cut(NamedTuple):
    """A session that a command ended."""

    command: str
    reason: str


@dataclasses.dataclass
class Fault:
    """One thing that goes wrong, once; see the top of this file."""

    kind: str
    at: int = 1
    on: str | None = None
    seconds: float = 0.0
    text: str = ""
    every: bool = False
    """`at` counts exec commands as well."""


class Device:
    """The device; see the top of this file."""

    def __init__(
        self,
        platform: str,
        startup: str = "",
        *,
        running: str | None = None,
        user: str = "admin",
        password: str = "admin-pw",
        enable: str = "enable-pw",
        management: Management | None = None,
        minute_s: float = 60.0,
        reload_s: float = 0.2,
        interfaces: tuple[str, ...] = (),
        serial: str | None = None,
        model: str | None = None,
        failover: str | None = None,
        read_only: tuple[str, ...] = (),
        contexts: dict[str, str] | None = None,
        entry: str = "admin",
        answer_s: float = 0.0,
    ) -> None:
        self.platform = platform
        self.user, self.password, self.enable_word = user, password, enable
        self.management = management
        self.minute_s, self.reload_s, self.answer_s = minute_s, reload_s, answer_s
        self.serial = serial or platforms.SERIALS[platform]
        self.model = model or platforms.MODELS[platform]
        self.failover = failover
        self.read_only = read_only
        self.hardware = interfaces
        self.startup = startup
        self.contexts: dict[str, Configuration] = {}
        self.context_startup = dict(contexts or {})
        self.entry = entry
        self.log: list[Entry] = []
        self.cuts: list[Cut] = []
        self.faults: list[Fault] = []
        self.changed: Callable[[], None] = lambda: None
        """Called after each change of running or startup."""
        self.up = True
        self.reloads = 0
        self.pending: str | None = None
        self._deadline = 0.0
        self._timer: threading.Timer | None = None
        self._before: str = ""
        self._fire: Callable[[], object] = lambda: None
        self._cut_after: set[int] = set()
        self._sessions = 0
        self.open_sessions: dict[int, Shell] = {}
        self.lock = threading.RLock()
        self.config = Configuration.boot(platform, startup, interfaces)
        self.hardware = self.config.hardware
        self._boot()
        if running is not None:
            self.config = Configuration.boot(platform, running, self.hardware)

    @classmethod
    def blank(cls, platform: str, interfaces: tuple[str, ...], **options: object) -> Device:
        """A replacement out of its box: no startup configuration, all interfaces shut down."""
        return cls(platform, "", interfaces=interfaces, **options)  # type: ignore[arg-type]

    def _boot(self) -> None:
        self.config = Configuration.boot(self.platform, self.startup, self.hardware)
        self.contexts = {
            name: Configuration.boot(self.platform, text)
            for name, text in self.context_startup.items()
        }

    # -- for tests -------------------------------------------------------------------------------

    def running(self, context: str | None = None) -> str:
        """The whole running configuration, secrets readable."""
        with self.lock:
            return self.configuration(context).text()

    def checksum(self) -> str:
        """Of the running configuration; the same only while nothing has changed."""
        with self.lock:
            return self.config.checksum()

    def configured(self) -> list[str]:
        """Commands that were typed in configuration mode, without those that only move about."""
        return [
            one.command
            for one in self.log
            if one.mode == "config" and one.command not in ("exit", "end", "quit")
        ]

    def type(self, *lines: str) -> list[str]:
        """Configuration commands as if typed on the console; the answers, a refusal's as well."""
        answers = []
        path: list[Place] = []
        with self.lock:
            for line in lines:
                try:
                    said, path = self.config.apply(path, line)
                except Refused as refused:
                    said = refused.text
                answers.append(said)
        self.changed()
        return answers

    def same_as(self, text: str) -> bool:
        """Whether the running configuration means what a device that boots this text would have."""
        return not self.difference(text)

    def difference(self, text: str) -> list[str]:
        """`- line` of the running configuration and `+ line` of the text that the other has not."""
        wanted = Configuration.boot(self.platform, text, self.hardware).snapshot()
        with self.lock:
            have = self.config.snapshot()
        told = []
        for place in sorted(have.keys() | wanted.keys()):
            mine, theirs = have.get(place, ()), wanted.get(place, ())
            if mine == theirs:
                continue
            told += [f"- {place}: {line}" for line in mine if line not in theirs]
            told += [f"+ {place}: {line}" for line in theirs if line not in mine]
            if sorted(mine) == sorted(theirs):
                told.append(f"! {place}: another order")
        return told

    def permits(self, flow: Flow) -> bool:
        """Whether the running configuration lets this packet through."""
        with self.lock:
            return permits(self.config, flow)

    def interfaces(self) -> list[Interface]:
        """The named interfaces."""
        with self.lock:
            return interfaces(self.config)

    def way_in(self, transport: str = "ssh") -> str | None:
        """Why a new session of ours would not get in; None where it would."""
        if self.management is None:
            return None
        with self.lock:
            return shut_out(self._entered(), self.management, transport, None)

    @contextlib.contextmanager
    def serve(self, **options: object) -> Iterator[Box]:
        """SSH and telnet on loopback, until the block ends."""
        box = Box(self, **options)  # type: ignore[arg-type]
        try:
            yield box
        finally:
            box.close()
            self._disarm()

    def expire(self) -> None:
        """Let a pending reload or revert happen now."""
        fire = self._fire
        if self.pending is not None:
            self._disarm()
            fire()

    # -- what the shell asks ---------------------------------------------------------------------

    def configuration(self, context: str | None) -> Configuration:
        """That of a context, or of the system."""
        return self.contexts.get(context or "", self.config)

    def _entered(self) -> Configuration:
        """Of the context that sessions come to; without contexts the only one."""
        return self.contexts.get(self.entry, self.config)

    def hostname(self, context: str | None = None) -> str:
        """For the prompt; in a context it is that of the system."""
        del context
        line = self.config.root.line("hostname")
        default = {"pix6": "pixfirewall", "pix7": "ciscoasa", "asa": "ciscoasa", "ios": "Switch"}
        return line.split()[1] if line else default[self.platform]

    def own_address(self) -> str | None:
        """Where our sessions arrive."""
        if self.management is None:
            return None
        for one in interfaces(self._entered()):
            if one.name == self.management.interface:
                return one.address or None
        return None

    def session(self, transport: str, user: str | None) -> Shell:
        """A new session; `user` where the transport has asked for him."""
        with self.lock:
            self._sessions += 1
            shell = Shell(self, transport, self._sessions, user)
            self.open_sessions[shell.number] = shell
            return shell

    def ended(self, shell: Shell) -> None:
        """The session is over."""
        with self.lock:
            self.open_sessions.pop(shell.number, None)

    def note(self, shell: Shell, in_config: bool, command: str, answer: str) -> None:
        """Write it down."""
        mode = "config" if in_config else "exec"
        self.log.append(Entry(shell.number, mode, command, answer))
        if self.answer_s:
            time.sleep(self.answer_s)

    def apply(self, context: str | None, path: list[Place], line: str) -> tuple[str, list[Place]]:
        """One configuration command."""
        with self.lock:
            done = self.configuration(context).apply(path, line)
        self.changed()
        return done

    def strike(self, shell: Shell, command: str, in_config: bool) -> str | None:
        """Do what a fault says; the answer it gives instead of the command's, None to go on."""
        for fault in list(self.faults):
            if fault.on is not None:
                if not re.search(fault.on, command):
                    continue
            elif not (in_config or fault.every):
                continue
            fault.at -= 1
            if fault.at > 0:
                continue
            self.faults.remove(fault)
            if fault.kind == "drop":
                raise DroppedError
            if fault.kind == "hang":
                raise HungError
            if fault.kind == "reboot":
                self.reload()
                raise DroppedError
            if fault.kind == "slow":
                time.sleep(fault.seconds)
            elif fault.kind == "cut":
                self._cut_after.add(shell.number)
            elif fault.kind == "forget":
                return ""
            elif fault.kind == "refuse":
                return fault.text or rules.invalid(self.platform)
            else:
                raise ValueError(f"there is no fault {fault.kind}")
        return None

    def strike_after(self, shell: Shell) -> None:
        """Cut the session whose fault asked for it."""
        if shell.number in self._cut_after:
            self._cut_after.discard(shell.number)
            raise DroppedError

    def check_ways(self, command: str) -> None:
        """End the sessions that the running configuration does not let in any more."""
        if self.management is None:
            return
        with self.lock:
            for shell in list(self.open_sessions.values()):
                if shell.transport == "console":
                    continue
                reason = shut_out(self._entered(), self.management, shell.transport, shell.address)
                if reason is not None:
                    self.cuts.append(Cut(command, reason))
                    self.open_sessions.pop(shell.number, None)
                    shell.end()

    # -- who gets in -----------------------------------------------------------------------------

    def lets_in(self, transport: str) -> bool:
        """Whether a connection is taken at all."""
        return self.up and self.way_in(transport) is None

    def user_line(self, name: str) -> str:
        """The line of a user, empty where there is none."""
        entry = self._users().get((name,))
        return "" if entry is None else entry.line

    def _users(self) -> dict[tuple[str | None, ...], Line]:
        context = self._entered()
        return context.root.of("username")

    def asks_user(self, transport: str) -> bool:
        """PIX 6.3 command reference, telnet: the password alone, unless `aaa authentication telnet
        console` says otherwise; IOS: `login` asks for a password, `login local` for a user too."""
        if self.platform == "ios":
            return bool(self._users()) or not self.config.root.line("line")
        lines = self.config.root.of("aaa").values()
        return any(f"authentication {transport} console" in one.line for one in lines)

    def admits(self, name: str, word: str, transport: str) -> bool:
        """Whether this user and password are right."""
        if name in self.read_only:
            return word == self.password
        line = self.user_line(name) if name else ""
        if line:
            return self._matches(line, word, self.password)
        if self.platform != "ios" and (not self._users() or not self.asks_user(transport)):
            # PIX 6.3 and 7.2 command references, ssh: user `pix` and the telnet password.
            passwd = self.config.root.line("passwd")
            if name in ("", "pix") and passwd:
                return self._matches(passwd, word, self.password)
        if self._users():
            return False
        return name in (self.user, "") and word == self.password

    def enables(self, word: str) -> bool:
        """Whether this is the enable password."""
        root = self._entered().root
        line = root.line("enable secret") or root.line("enable password")
        if not line:
            return word in ("", self.enable_word)
        return self._matches(line, word, self.enable_word)

    def _matches(self, line: str, word: str, otherwise: str) -> bool:
        """A hash that is not ours stands for the device's own password (`otherwise`)."""
        words = line.split()
        if rules.OURS not in line:
            clear = self.platform == "ios" and words[-2] in ("0", "password")
            return word == (words[-1] if clear else otherwise)
        return rules.hashed(self.platform, word) in words

    def starts_privileged(self, name: str) -> bool:
        """IOS: a user of level 15 is privileged at once; firewalls ask for `enable`."""
        if name in self.read_only:
            return True
        return self.platform == "ios" and "privilege 15" in self.user_line(name)

    def may_only_read(self, name: str) -> bool:
        """Whether configuring is refused to this user (TACACS+ or `privilege` levels)."""
        return name in self.read_only

    # -- saving and restarting -------------------------------------------------------------------

    def width(self, context: str | None) -> int:
        """Columns of the terminal."""
        line = self.configuration(context).root.line("terminal width")
        return int(line.split()[2]) if line else 80

    def is_saved(self) -> bool:
        """Whether the startup configuration is what runs."""
        with self.lock:
            return self.startup == self.config.text() and all(
                self.context_startup[name] == one.text() for name, one in self.contexts.items()
            )

    def save(self, context: str | None = None) -> str:
        """`write memory`."""
        with self.lock:
            text = self.configuration(context).text()
            if context is not None and context in self.context_startup:
                self.context_startup[context] = text
            else:
                self.startup = text
            sum_ = self.configuration(context).checksum()
        self.changed()
        if self.platform == "ios":
            return "Building configuration...\n[OK]\n"
        parts = " ".join(sum_[at : at + 8] for at in range(0, 32, 8))
        copied = "" if self.platform == "pix6" else f"\n{len(text)} bytes copied in 0.30 secs\n"
        return f"Building configuration...\nCryptochecksum: {parts} \n{copied}[OK]\n"

    def erase(self) -> str:
        """`write erase`."""
        self.startup = ""
        self.changed()
        return "[OK]\n"

    def reload(self) -> str:
        """Restart from the startup configuration; all sessions end."""
        with self.lock:
            self._disarm()
            self.up = False
            self.reloads += 1
            for shell in list(self.open_sessions.values()):
                shell.end()
            self.open_sessions.clear()
            self._boot()
        timer = threading.Timer(self.reload_s, self._started)
        timer.daemon = True
        timer.start()
        self.changed()
        return ""

    def _started(self) -> None:
        self.up = True

    def _arm(self, what: str, minutes: float, fire: Callable[[], object]) -> None:
        self._disarm()
        self.pending, self._fire = what, fire
        self._deadline = time.monotonic() + minutes * self.minute_s
        self._timer = threading.Timer(minutes * self.minute_s, self.expire)
        self._timer.daemon = True
        self._timer.start()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.pending = None, None

    def reload_in(self, minutes: int) -> str:
        """`reload in`."""
        self._arm("reload", minutes, self.reload)
        if self.platform == "ios":
            return f"Reload scheduled in {minutes} minutes\n"
        return f"\n***\n*** --- SHUTDOWN in {minutes // 60}:{minutes % 60:02}:00 ---\n***\n"

    def cancel_reload(self) -> str:
        """`reload cancel`."""
        if self.pending != "reload":
            if self.platform == "ios":
                raise Refused("%No reload is scheduled.\n")
            raise Refused("No reload is scheduled.\n")
        self._disarm()
        return "\n\n***\n*** --- SHUTDOWN ABORTED ---\n***\n"

    def reload_text(self) -> str:
        """`show reload`."""
        if self.pending != "reload":
            return "No reload is scheduled.\n"
        left = max(0.0, self._deadline - time.monotonic()) / self.minute_s
        return f"Reload scheduled in {int(left)} minutes and {int(left * 60) % 60} seconds\n"

    def revert_in(self, minutes: int) -> str:
        """`configure terminal revert timer` (IOS Configuration Fundamentals, configuration replace
        and rollback: needs `archive` with a `path`); the wording is from memory."""
        archive = self.config.root.of("archive").get(())
        if archive is None or archive.section is None or not archive.section.line("path"):
            raise Refused(
                "% The path for the archive is not configured: rollback is not possible\n"
            )
        if self.pending is not None:
            raise Refused("% A timer for rollback is already running\n")
        self._before = self.config.text()
        self._arm("revert", minutes, self._revert)
        return f"Rollback Confirmed Change: Backing up current running config to flash:-0\n" \
               f"Rollback Confirmed Change: Rollback in {minutes} minutes\n"  # fmt: skip

    def rearm(self, minutes: int) -> str:
        """`configure revert timer`."""
        if self.pending != "revert":
            raise Refused("%No Rollback Confirmed Change pending\n")
        self._arm("revert", minutes, self._revert)
        return ""

    def confirm(self) -> str:
        """`configure confirm`."""
        if self.pending != "revert":
            raise Refused("%No Rollback Confirmed Change pending\n")
        self._disarm()
        return ""

    def revert_text(self) -> str:
        """`show archive config rollback timer`: the refusal and "Timer value" as NAPALM's tests for
        IOS expect them."""
        if self.pending != "revert":
            raise Refused("%No Rollback Confirmed Change pending\n")
        left = max(0.0, self._deadline - time.monotonic()) / self.minute_s
        return f"Timer type: absolute timer\nTimer value: {round(left)} min\n"

    def revert_now(self) -> str:
        """`configure revert now`."""
        if self.pending != "revert":
            raise Refused("%No Rollback Confirmed Change pending\n")
        self._disarm()
        self._revert()
        return "Total number of passes: 1\nRollback Done\n"

    def _revert(self) -> None:
        with self.lock:
            self.config = Configuration.boot(self.platform, self._before, self.hardware)
            for shell in self.open_sessions.values():
                shell.path = []
        self.changed()
        self.check_ways("(revert)")

    # -- texts -----------------------------------------------------------------------------------

    def shown_running(self, context: str | None, words: list[str]) -> str:
        """`show running-config`."""
        with self.lock:
            config = self.configuration(context)
            text = config.text(masked=True)
        if words and self.platform != "ios" and words != ["all"]:
            wanted = " ".join(words)
            return "".join(
                f"{line}\n" for line in config.lines(masked=True) if line.startswith(wanted)
            )
        if self.platform == "ios":
            body = "!\n! Last configuration change at 10:00:00 UTC Mon Jan 5 2026 by admin\n" + text
            return (
                f"Building configuration...\n\nCurrent configuration : {len(body)} bytes\n{body}\n"
            )
        return text

    def shown_startup(self, context: str | None) -> str:
        """`show startup-config`."""
        text = self.context_startup.get(context or "", self.startup)
        if not text:
            return (
                "startup-config is not present\n"
                if self.platform == "ios"
                else "No Configuration\n"
            )
        if self.platform == "ios":
            return f"Using {len(text)} out of 2097152 bytes\n{text}\n"
        lines = [rules.mask(line, self.platform) for line in text.splitlines()]
        written = ": Written by enable_15 at 10:00:00.000 UTC Mon Jan 5 2026"
        return "\n".join([": Saved", written, *lines[1:]]) + "\n"

    def more(self, context: str | None, place: str) -> str:
        """`more system:running-config`: the keys are readable; also a context's file."""
        if place == "system:running-config":
            return self.running(context)
        if place.endswith("startup-config"):
            return self.context_startup.get(context or "", self.startup)
        name = place.rpartition("/")[2].removesuffix(".cfg")
        if context == "system" and name in self.context_startup:
            return self.context_startup[name]
        raise Refused(f"%Error opening {place} (No such file or directory)\n")

    def failover_text(self) -> str:
        """`show failover`."""
        if self.failover is None:
            return "Failover Off\n"
        other = "Standby Ready" if self.failover == "active" else "Active"
        mine = "Active" if self.failover == "active" else "Standby Ready"
        return (
            "Failover On \nFailover unit Primary\n"
            f"\tThis host: Primary - {mine} \n\tOther host: Secondary - {other} \n"
        )

    def context_text(self) -> str:
        """`show context`."""
        rows = [f"{'*' if name == 'admin' else ' '}{name:<14}default  Gi0/0  disk0:/{name}.cfg"
                for name in self.contexts]  # fmt: skip
        return "\n".join(["Context Name      Class      Interfaces           URL", *rows, ""])

    def access_list_text(self, context: str | None, name: str) -> str:
        """`show access-list`: with numbers and hits."""
        config = self.configuration(context)
        out = []
        if self.platform == "ios":
            for key, entry in config.root.of("ip access-list").items():
                if name in (key[0], "access-lists", ""):
                    out.append(f"{entry.line.split()[2].capitalize()} IP access list {key[0]}")
                    out += [f"    {n} {text}" for n, text in entry.numbered.items()]
            return "\n".join([*out, ""])
        for place, lines in config.lists.items():
            kind, _, own = place.partition(" ")
            if kind != "access-list" or (name and own != name):
                continue
            out.append(f"{place}; {len(lines)} elements")
            for number, text in enumerate(lines, 1):
                hits = "" if text.startswith("remark") else " (hitcnt=0)"
                out.append(f"{place} line {number} {text}{hits}")
        return "\n".join([*out, ""])

    def interface_text(self, context: str | None) -> str:
        """`show interface ip brief`, `show ip interface brief`."""
        rows = [
            f"{one.name:<26} {one.address or 'unassigned':<15} YES manual "
            f"{'up' if one.up else 'administratively down':<21} {'up' if one.up else 'down'}"
            for one in interfaces(self.configuration(context))
        ]
        head = (
            "Interface                  IP-Address      OK? Method Status                Protocol"
        )
        return "\n".join([head, *rows, ""])
