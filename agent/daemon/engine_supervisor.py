"""Keeps an engine process running: starts it, listens to it, starts it again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence

from agent.daemon.background import in_thread
from agent.daemon.engine_link import (
    ORDERS_PER_MESSAGE,
    Abandon,
    Beat,
    Cancel,
    Frames,
    Message,
    Order,
    Orders,
    framed,
)
from agent.daemon.log_lines import event

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-P", "-m", "agent.daemon.engine_process")
BACKOFF_FIRST_S = 0.5
BACKOFF_MOST_S = 30.0
STEADY_S = 60.0
"""An engine that lived this long died of something new: the back-off begins again."""
SILENT_S = 15
"""An engine that does not speak for so many seconds hangs: it is killed."""
LINK_OCTETS = 1 << 20


class EngineSupervisor:
    """The engine as the agent sees it.

    `on_message` gets every message in its order, `on_death` is called when an engine is gone with
    all that it had.
    """

    def __init__(
        self,
        on_message: Callable[[Message], None],
        on_death: Callable[[], None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.restarts = 0
        self.pid: int | None = None
        """The running engine, None while there is none."""
        self.beat: Beat | None = None
        """What it said last of itself; None until it is ready."""
        self._on_message = on_message
        self._on_death = on_death
        self._command = command
        self._writer: asyncio.StreamWriter | None = None
        self._silent_s = 0

    @property
    def ready(self) -> bool:
        """Whether there is an engine that takes orders."""
        return self.beat is not None

    def order(self, orders: Iterable[Order]) -> None:
        """Have these trains sent. Only while `ready`."""
        rest = list(orders)
        while rest:
            self._send(Orders(tuple(rest[:ORDERS_PER_MESSAGE])))
            del rest[:ORDERS_PER_MESSAGE]

    def cancel(self, tokens: Iterable[int]) -> None:
        """Have these trains not sent, as far as they are not begun."""
        self._send(Cancel(frozenset(tokens)))

    def abandon(self) -> None:
        """Have all trains ended as they stand; the engine's last word is then `Abandoned`."""
        self._send(Abandon())

    def _send(self, message: Message) -> None:
        # Nobody waits for the transport to drain: what is on order is bounded by the lookahead.
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(framed(message))

    async def run(self) -> None:
        """Keep an engine running until cancelled; it ends with its link."""
        loop = asyncio.get_running_loop()
        backoff_s = BACKOFF_FIRST_S
        while True:
            started = loop.time()
            status = await self._live()
            if loop.time() - started > STEADY_S:
                backoff_s = BACKOFF_FIRST_S
            self.restarts += 1
            event(
                log, logging.ERROR, "engine-died",
                status=status, restarts=self.restarts, next_try_s=backoff_s,
            )  # fmt: skip
            self._on_death()
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MOST_S)

    async def _live(self) -> int | str:
        """One engine from its start to its end; returns its exit status."""
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LINK_OCTETS)
            try:
                process = subprocess.Popen(
                    [*self._command, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    # One array thread, one heap: the engine has one thread.
                    env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
                )
            except OSError as error:
                ours.close()
                return f"could not be started: {error}"
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self.pid = process.pid
        self._silent_s = 0
        guard = asyncio.create_task(self._guard(process))
        frames = Frames()
        try:
            while data := await self._read(reader):
                self._silent_s = 0
                frames.feed(data)
                while (message := frames.next()) is not None:
                    if isinstance(message, Beat):
                        if self.beat is None:
                            event(
                                log, logging.INFO, "engine-ready",
                                pid=message.pid, realtime=message.realtime,
                            )  # fmt: skip
                        self.beat = message
                    self._on_message(message)
            return await in_thread(_reap, process)
        finally:
            guard.cancel()
            self.pid = self.beat = None
            self._writer.close()
            self._writer = None
            process.kill()
            process.wait()

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(1 << 18)
        except ConnectionError:
            return b""

    async def _guard(self, process: subprocess.Popen[bytes]) -> None:
        """Kill an engine that hangs. Counts its own turns instead of the clock's seconds, so that a
        pause of this process or of the host does not look like one of the engine."""
        while self._silent_s < SILENT_S:
            await asyncio.sleep(1)
            self._silent_s += 1
        event(log, logging.ERROR, "engine-hangs", pid=process.pid, silent_s=self._silent_s)
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def _reap(process: subprocess.Popen[bytes]) -> int:
    """The exit status of an engine whose link is closed."""
    try:
        return process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
