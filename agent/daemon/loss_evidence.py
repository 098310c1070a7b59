"""What the way to a target looked like when its trains began to lose packets.

Once per outage of a path: a traceroute beside the event loop, kept as a small JSON file under
`data_dir/evidence/`. The oldest files go when there are too many.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from agent.daemon.assignments import DEFAULT_LOSS_PERCENT, Assignment
from agent.daemon.background import in_thread
from agent.daemon.log_lines import event
from agent.daemon.tally import loses_too_much
from agent.errors import ProbeError
from agent.evidence.path import Hop, reached, traceroute
from timeseries.records import TrainRecord

log = logging.getLogger(__name__)

FOLDER = "evidence"
FILES_KEPT = 1_000
AT_ONCE = 2
WAITING_MOST = 50
"""When everything fails at once, so many paths are traced; the others are counted."""

Trace = Callable[[str], tuple[Hop, ...]]


class LossEvidence:
    """Notices the beginning of outages and traces their paths."""

    def __init__(self, data_dir: Path, trace: Trace = traceroute) -> None:
        self.skipped = 0
        """Outages that were not traced because too many began together."""
        self._folder = data_dir / FOLDER
        self._trace = trace
        self._losing: set[str] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, record: TrainRecord, assignment: Assignment) -> None:
        """Look at a finished train; the first one that loses too much starts a trace."""
        if not record.valid or record.sent == 0:
            return
        limit = assignment.judgement.loss_percent
        if not loses_too_much(record, DEFAULT_LOSS_PERCENT if limit is None else limit):
            self._losing.discard(record.path)
            return
        if record.path in self._losing:
            return
        self._losing.add(record.path)
        if len(self._tasks) >= WAITING_MOST:
            self.skipped += 1
            return
        task = asyncio.create_task(self._collect(record))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _collect(self, record: TrainRecord) -> None:
        async with self._slots:
            asked_ns = time.time_ns()
            try:
                hops = await in_thread(self._trace, record.address)
                error = ""
            except (ProbeError, OSError) as failure:
                hops, error = (), str(failure)
            try:
                file = await in_thread(self._write, record, asked_ns, hops, error)
            except OSError as failure:
                event(log, logging.ERROR, "evidence-not-kept", path=record.path, error=failure)
                return
            event(
                log, logging.INFO, "traced", path=record.path, hops=len(hops),
                reached=reached(hops), file=file.name,
            )  # fmt: skip

    def _write(self, record: TrainRecord, asked_ns: int, hops: tuple[Hop, ...], error: str) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(record.start_ns // 10**9))
        name = re.sub(r"[^A-Za-z0-9.-]", "_", record.path)
        file = self._folder / f"{stamp}-{name}.json"
        content = {
            "path": record.path,
            "train_start_ns": record.start_ns,
            "target": record.target,
            "address": record.address,
            "sent": record.sent,
            "lost": record.lost,
            "traced_ns": asked_ns,
            "reached": reached(hops),
            "error": error,
            "hops": [asdict(hop) for hop in hops],
        }
        write_whole(file, json.dumps(content, indent=1))
        for old in sorted(self._folder.glob("*.json"))[:-FILES_KEPT]:
            old.unlink(missing_ok=True)
        return file


def write_whole(file: Path, text: str) -> None:
    """Write a file aside, fsync it and rename it into its place; OSError where that fails."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.new")
    with aside.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(file)
