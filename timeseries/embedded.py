"""The embedded store: Parquet files by kind and day, written from the spool exactly once.

    data_dir/spool.sqlite
    data_dir/store/<kind>/<YYYY-MM-DD>/<first id>-<last id>.parquet
    data_dir/store/manifests/<YYYY-MM-DD>.json    what a past day holds, signed

A flush first puts the id range into the spool, then writes the files whose names carry it, then
advances the cursor. Killed in between, the next one writes the same files over. Readers take from
the files what is up to the cursor and the rest from the spool, so nothing is ever missing or seen
twice. The work with DuckDB is done by `timeseries.embedded_writer` in a process of its own.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from timeseries import store_files
from timeseries.codec import KINDS, decode
from timeseries.errors import DiskFullError, StoreError
from timeseries.retention import DEFAULT, Retention
from timeseries.rollup import quarter_of
from timeseries.spool import Spool
from timeseries.spool_tail import EMBEDDED
from timeseries.store_files import STORE_NAME

log = logging.getLogger(__name__)

BATCH_RECORDS = 4_000
"""Records a flush takes at once: what the writer's memory is dimensioned for."""
GRACE_NS = 60 * 1_000_000_000
"""How long after its end a quarter waits for trains that are still out."""
BACKLOG_RECORDS = 50_000
"""Spooled records with which `maintain` does not wait for the end of the quarter."""
COMPACT_AFTER_NS = 3_600 * 1_000_000_000
"""How long after its end a day is merged: most late files are in by then."""
SEAL_AGAIN_NS = 15 * 60 * 1_000_000_000
"""When a day that was not complete, or a key that could not be used, is tried again."""
_ROLLUPS_AT_ONCE = 2_000
_SEALED_AT_ONCE = 8
_WRITER_SECONDS = 900
_FAILED, _FAILED_FOR_ROOM = 3, 4


@dataclass(frozen=True, slots=True)
class FlushResult:
    """What one flush did."""

    records: int
    files: int
    unreadable: int
    """Spooled rows that were damaged: kept in `store/unreadable-*.ndjson`, counted as dropped."""


@dataclass(frozen=True, slots=True)
class SealResult:
    """What one sealing did."""

    sealed: tuple[str, ...]
    """Days that have a manifest now."""
    waiting: tuple[str, ...]
    """Past days that are not complete: spooled, not rolled up, or not merged."""
    more: bool
    """Complete days are left: call again."""
    addenda: int
    """Files that came late and are named in a later day's manifest now."""
    expired: int
    """Files that were deleted because their time was over."""
    problems: tuple[str, ...]
    """What could not be sealed or given up, and why."""


class EmbeddedStore:
    """The writing side; one a data directory, beside the one `Spool`.

    Its calls block for as long as they work: call them from a thread, one at a time.
    """

    def __init__(
        self, data_dir: Path, spool: Spool, *, agent: str = "", retention: Retention = DEFAULT
    ) -> None:
        """Takes part in the spool as the sink `embedded`. Raises `StoreError`.

        `agent`: the name under which days are sealed.
        """
        self.data_dir = data_dir
        self._spool = spool
        self._agent = agent
        self._retention = retention
        spool.raise_ids_above(store_files.highest_id(data_dir / STORE_NAME, KINDS))
        spool.register(EMBEDDED)
        self._flushed_quarter_ns = 0
        self._finished_day = ""
        self._seal_tried_ns = -SEAL_AGAIN_NS
        self._said: set[str] = set()

    def flush(self) -> FlushResult:
        """Write what the spool held at the time of the call to Parquet.

        Raises `DiskFullError`, `StoreError`: nothing is lost, the next call goes on.
        """
        records = files = unreadable = 0
        newest = self._spool.last_id
        while self._spool.cursor(EMBEDDED) < newest:
            pending = self._spool.pending_flush(EMBEDDED, BATCH_RECORDS)
            if pending is None:
                break
            result = self._work(
                {"job": "flush", "first_id": pending.first_id, "last_id": pending.last_id}
            )
            if result["unreadable"]:
                self._spool.count_dropped("unreadable", result["unreadable"])
                log.error(
                    "%d spooled records were damaged and are kept in %s",
                    result["unreadable"],
                    self.data_dir / STORE_NAME,
                )
            self._spool.advance(EMBEDDED, pending.last_id)
            records += result["records"]
            files += result["files"]
            unreadable += result["unreadable"]
        return FlushResult(records, files, unreadable)

    def roll_up(self, now_ns: int, grace_ns: int = GRACE_NS) -> int:
        """Derive the roll-ups of all quarters that ended `grace_ns` ago and have new trains.

        The records go through the spool like any other; a late train makes its quarter due again.
        Returns how many were derived. Raises as `flush`.
        """
        total = 0
        while due := self._spool.due(now_ns - grace_ns, _ROLLUPS_AT_ONCE, EMBEDDED):
            items = [[item.path, item.quarter_ns, item.spooled, item.kind] for item in due]
            result = self._work({"job": "rollup", "due": items})
            rollups = [decode(kind, payload) for kind, payload in result["payloads"]]
            self._spool.append(rollups, settled=due)
            total += len(rollups)
        return total

    def compact(self, now_ns: int, merges: int = 16) -> int:
        """Merge the small files of up to `merges` folders of past days; returns how many it did.

        Damaged files are set aside on the way. Raises as `flush`.
        """
        result = self._work(
            {"job": "compact", "before_day": store_files.day_of(now_ns), "merges": merges}
        )
        if result["damaged"]:
            log.error("%d damaged files of the store were set aside", result["damaged"])
        self._say(result["problems"])
        return int(result["merged"])

    def seal(self, now_ns: int, days: int = _SEALED_AT_ONCE) -> SealResult:
        """Seal up to `days` past days that are complete, and give up what is over its time.

        A day is past an hour after its end, and complete when nothing of it is spooled and each
        kind is merged. Raises as `flush`; `StoreError` also when the key cannot be used.
        """
        result = self._work(
            {
                "job": "seal",
                "agent": self._agent,
                "now_ns": now_ns,
                "before_day": store_files.day_of(now_ns - COMPACT_AFTER_NS),
                "retention": asdict(self._retention),
                "most": days,
            }
        )
        return SealResult(
            sealed=tuple(result["sealed"]),
            waiting=tuple(result["waiting"]),
            more=result["more"],
            addenda=result["addenda"],
            expired=result["expired"],
            problems=tuple(result["problems"]),
        )

    def maintain(self, now_ns: int) -> None:
        """Everything that is due, in the cheapest order; call it every half minute or so.

        Roll-ups come first, while their trains are still in the spool; then a flush once a quarter
        of an hour, or sooner when much waits; past days are merged piece by piece, then sealed.
        Readers see what waits in the spool, so nothing is late for anyone. What keeps a day from
        being sealed is logged once. Raises as `flush`.
        """
        self.roll_up(now_ns)
        if (
            quarter_of(now_ns - GRACE_NS) != self._flushed_quarter_ns
            or self._spool.depth(EMBEDDED) >= BACKLOG_RECORDS
        ):
            self.flush()
            self._flushed_quarter_ns = quarter_of(now_ns - GRACE_NS)
        self._finish_days(now_ns)

    def _finish_days(self, now_ns: int) -> None:
        """Merge or seal the next past days, until there are none."""
        day = store_files.day_of(now_ns - COMPACT_AFTER_NS)
        # A time of trial in the future is one of a clock that has been set back.
        pausing = self._seal_tried_ns <= now_ns < self._seal_tried_ns + SEAL_AGAIN_NS
        if day == self._finished_day or pausing:
            return
        if self.compact(now_ns - COMPACT_AFTER_NS, 4):
            return
        try:
            result = self.seal(now_ns)
        except DiskFullError:
            raise
        except StoreError as error:
            self._say([str(error)])
            self._seal_tried_ns = now_ns
            return
        self._say(result.problems)
        if result.waiting:
            self._seal_tried_ns = now_ns
        elif not result.more:
            self._finished_day = day
            self._said.clear()  # what is still wrong tomorrow is said again

    def _say(self, lines: Iterable[str]) -> None:
        """Log what has not been logged yet."""
        for line in lines:
            if line not in self._said:
                self._said.add(line)
                log.error("%s", line)

    @property
    def damaged(self) -> list[Path]:
        """Parquet files that were damaged and set aside (`*.damaged`)."""
        return store_files.damaged(self.data_dir / STORE_NAME)

    def _work(self, job: dict[str, Any]) -> dict[str, Any]:
        job = {**job, "data_dir": str(self.data_dir.resolve())}
        try:
            done = subprocess.run(
                # -P: a `timeseries` folder where the agent happens to stand is not ours.
                [sys.executable, "-P", "-m", "timeseries.embedded_writer"],
                input=json.dumps(job),
                capture_output=True,
                text=True,
                timeout=_WRITER_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise StoreError(
                f"the store's writer did not finish within {_WRITER_SECONDS} s: {job['job']}"
            ) from error
        except OSError as error:
            raise StoreError(f"the store's writer could not be started: {error}") from error
        if done.returncode == _FAILED_FOR_ROOM:
            raise DiskFullError(done.stderr.strip())
        if done.returncode == _FAILED:
            raise StoreError(done.stderr.strip())
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise StoreError(
                f"the store's writer ended with status {done.returncode} during {job['job']}:"
                f" {last[0]}"
            )
        result: dict[str, Any] = json.loads(done.stdout)
        return result
