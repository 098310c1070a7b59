"""Keeps the reflector of `[reflector]` running beside the agent."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import subprocess
import sys
from typing import Any

from agent.daemon.background import in_thread
from agent.daemon.log_lines import event
from agent.daemon.wanted import ReflectorOrder

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-P", "-m", "agent.reflector.process")
BACKOFF_FIRST_S, BACKOFF_MOST_S, STEADY_S = 1.0, 60.0, 60.0


class ReflectorService:
    """Runs the reflector that is asked for, and another one when that changes."""

    def __init__(self) -> None:
        self.restarts = 0
        self.listening: list[str] | None = None
        """Where it answers; None while it does not."""
        self.counters: dict[str, Any] | None = None
        """What it said last of itself (each 10 s)."""
        self._order: ReflectorOrder | None = None
        self._changed = asyncio.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def want(self, order: ReflectorOrder | None) -> None:
        """Have this one run from now on; the one that runs is left alone if it is the same."""
        if order != self._order:
            self._order = order
            self._changed.set()
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()

    async def run(self) -> None:
        """Keep it running until cancelled."""
        loop = asyncio.get_running_loop()
        backoff_s = BACKOFF_FIRST_S
        while True:
            self._changed.clear()
            if self._order is None:
                await self._changed.wait()
                continue
            started = loop.time()
            problem = await self._live(self._order)
            if self._changed.is_set():
                backoff_s = BACKOFF_FIRST_S
                continue
            self.restarts += 1
            if loop.time() - started > STEADY_S:
                backoff_s = BACKOFF_FIRST_S
            event(log, logging.ERROR, "reflector-ended", error=problem, next_try_s=backoff_s)
            try:
                await asyncio.wait_for(self._changed.wait(), backoff_s)
            except TimeoutError:
                backoff_s = min(2 * backoff_s, BACKOFF_MOST_S)

    async def _live(self, order: ReflectorOrder) -> str:
        """One reflector from its start to its end; returns what was wrong."""
        try:
            process = subprocess.Popen(
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
            )  # fmt: skip
        except OSError as error:
            return f"could not be started: {error}"
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        problem = "it ended by itself"
        try:
            process.stdin.write(pickle.dumps(order.options()))
            process.stdin.flush()
            while line := await in_thread(process.stdout.readline):
                said = json.loads(line)
                problem = said.get("error", problem)
                self.counters = said.get("counters", self.counters)
                if "listening" in said:
                    self.listening = said["listening"]
                    event(log, logging.INFO, "reflecting", listen=",".join(said["listening"]))
        except BrokenPipeError:
            pass
        finally:
            self._process = self.listening = None
            process.stdin.close()
            process.kill()
            process.wait()
            process.stdout.close()
        return problem
