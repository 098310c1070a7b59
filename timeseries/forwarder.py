"""From the spool to a server: batches, retries, replays, and what the server will never take.

`step` does one piece of work and says when the next is due, so whoever calls it (a thread of the
agent, a test, a benchmark) keeps the time. A record leaves the spool when the server has said that
it has it, or was set aside as a dead letter with the server's words. Points are idempotent, so what
may or may not have arrived is sent again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from timeseries import forwarding
from timeseries.codec import load_row
from timeseries.errors import DamagedRecordError, SchemaError
from timeseries.forwarding import Waiting
from timeseries.influx import Accepted, Answer, Refused, TooLarge, Unwilling
from timeseries.line_protocol import line
from timeseries.spool import Spool

log = logging.getLogger(__name__)

INFLUXDB = "influxdb"
"""InfluxDB's name as a sink."""

BATCH_RECORDS = 5_000
BODY_OCTETS = 8 << 20
"""A body ends before it is longer: servers take 25 MB, proxies less."""
LINGER_S = 5.0
"""How long a batch that is not full waits for more records."""
BACKOFF_FIRST_S, BACKOFF_MOST_S = 1.0, 300.0
ASKED_MOST_S = 3_600.0
"""A server that asks for a longer pause is asked again after this."""
REPLAY_FROM = 4 * BATCH_RECORDS
"""A backlog of so many records is replayed beside what is new."""
AGE_EVERY_S = 3_600.0
_RATE_WINDOW_S = 60.0
_NO_END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ForwarderState:
    """What `status` and `/metrics` show."""

    depth: int
    """Records that the server does not have yet."""
    oldest_ns: int | None
    """Start of the oldest of them, UTC."""
    rate: float
    """Records a second that were accepted in the last minute."""
    accepted: int
    """Records that were accepted since this forwarder began; one sent twice counts twice."""
    last_error: str
    """Empty when the last answer was good."""
    last_success_ns: int | None
    dead_letters: int
    replaying: int
    """Records of a backlog that are still to be replayed."""


@dataclass(frozen=True, slots=True)
class _Batch:
    records: list[Waiting]
    lines: list[bytes]
    """One a record that could be written as a line, in the order of `sendable`."""
    sendable: list[Waiting]
    full: bool
    """There is no more room in the body."""

    @property
    def last_id(self) -> int:
        return self.records[-1].id


class Forwarder:
    """Serves one sink of one spool. Calls block on the network: one thread, one at a time.

    `replay_rate`: records a second at which a backlog is replayed; `age_limit_ns`: what is older
    and in the other stores is given up (None: nothing is). Raises `StoreError` where the
    spool cannot be used; whatever the server does is a value in `state`.
    """

    def __init__(
        self,
        spool: Spool,
        write: Callable[[bytes], Answer],
        *,
        sink: str = INFLUXDB,
        replay_rate: float = 5_000.0,
        age_limit_ns: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        utc_ns: Callable[[], int] = time.time_ns,
        random: Random | None = None,
    ) -> None:
        self._spool = spool
        self._write = write
        self._sink = sink
        self._replay_rate = replay_rate
        self._age_limit_ns = age_limit_ns
        self._age_due = 0.0
        self._monotonic = monotonic
        self._utc_ns = utc_ns
        self._random = random or Random()
        self._records_a_body = BATCH_RECORDS
        self._backoff_s = 0.0
        self._not_before = 0.0
        self._replay_not_before = 0.0
        self._linger_until: float | None = None
        self._accepted: deque[tuple[float, int]] = deque()
        self._accepted_total = 0
        self._last_error = ""
        self._last_success_ns: int | None = None
        self._sender = ThreadPoolExecutor(1, "forwarder-send")
        self._ahead: tuple[tuple[int, int], _Batch] | None = None
        """The full batch behind the one that is being sent, and the ids that it was asked for."""
        spool.register(sink)

    def step(self) -> float:
        """One piece of work; returns the seconds after which the next is due (0: at once)."""
        now = self._monotonic()
        if self._age_limit_ns is not None and now >= self._age_due:
            self._age_due = now + AGE_EVERY_S
            self._drop_aged(self._age_limit_ns)
        if now < self._not_before:
            return self._not_before - now
        replay = forwarding.replay(self._spool, self._sink)
        if self._far_behind():
            replay = forwarding.begin_replay(self._spool, self._sink)
            log.info("%s: a backlog is replayed up to record %d", self._sink, replay.until_id)
        pauses = [self._send_new(now)]
        if replay is not None and now >= self._not_before:
            pauses.append(self._send_backlog(replay, now))
        if (wait := self._not_before - self._monotonic()) > 0:
            return wait
        return max(0.0, min(pauses))

    @property
    def state(self) -> ForwarderState:
        """As of now."""
        since = self._monotonic() - _RATE_WINDOW_S
        new, backlog = forwarding.depth(self._spool, self._sink)
        return ForwarderState(
            depth=new + backlog,
            oldest_ns=forwarding.oldest_ns(self._spool, self._sink),
            rate=sum(n for at, n in list(self._accepted) if at >= since) / _RATE_WINDOW_S,
            accepted=self._accepted_total,
            last_error=self._last_error,
            last_success_ns=self._last_success_ns,
            dead_letters=forwarding.count_dead_letters(self._spool, self._sink),
            replaying=backlog,
        )

    def _drop_aged(self, limit_ns: int) -> None:
        dropped = forwarding.drop_aged(self._spool, self._sink, self._utc_ns() - limit_ns)
        if dropped:
            said = ", ".join(f"{count} {kind}" for kind, count in dropped.items())
            log.warning("%s: too old to be sent, given up: %s", self._sink, said)

    def _far_behind(self) -> bool:
        """Whether the server takes records again (or has not been asked yet) and many wait."""
        new, _ = forwarding.depth(self._spool, self._sink)
        return not self._last_error and new >= REPLAY_FROM

    def _send_new(self, now: float) -> float:
        batch = self._batch(self._spool.cursor(self._sink), _NO_END)
        if batch is None:
            self._linger_until = None
            return LINGER_S
        if not batch.full:
            if self._linger_until is None:
                self._linger_until = now + LINGER_S
            if now < self._linger_until:
                return self._linger_until - now
        if not self._deliver(batch, _NO_END):
            return 0.0
        self._linger_until = None
        self._spool.advance(self._sink, batch.last_id)
        return 0.0

    def _send_backlog(self, replay: forwarding.Replay, now: float) -> float:
        if now < self._replay_not_before:
            return self._replay_not_before - now
        batch = self._batch(replay.cursor, replay.until_id)
        if batch is None:
            forwarding.advance_replay(self._spool, self._sink, replay.until_id)
            log.info("%s: the backlog is replayed", self._sink)
            return 0.0
        if self._deliver(batch, replay.until_id):
            forwarding.advance_replay(self._spool, self._sink, batch.last_id)
            # From when it was due, not from now: the rate is kept although sending takes time. But
            # never from long ago: a pause is not made up for in a rush.
            due = max(self._replay_not_before, now - 1.0)
            self._replay_not_before = due + len(batch.records) / self._replay_rate
        return max(0.0, self._replay_not_before - self._monotonic())

    def _batch(self, after_id: int, until_id: int) -> _Batch | None:
        """The next records as lines, as many as fit into a body."""
        if self._ahead is not None and self._ahead[0] == (after_id, until_id):
            batch, self._ahead = self._ahead[1], None
            return batch
        return self._made(after_id, until_id)

    def _made(self, after_id: int, until_id: int) -> _Batch | None:
        found = forwarding.waiting(self._spool, after_id, until_id, self._records_a_body)
        records: list[Waiting] = []
        lines: list[bytes] = []
        sendable: list[Waiting] = []
        size, full = 0, len(found) == self._records_a_body
        for record in found:
            try:
                text = line(record.kind, load_row(record.kind, record.payload)).encode()
            except (SchemaError, DamagedRecordError) as error:
                self._set_aside(record, str(error))
            else:
                if lines and size + len(text) > BODY_OCTETS:
                    full = True
                    break
                size += len(text) + 1
                lines.append(text)
                sendable.append(record)
            records.append(record)
        return _Batch(records, lines, sendable, full) if records else None

    def _deliver(self, batch: _Batch, until_id: int) -> bool:
        """Whether all of the batch is with the server, or set aside.

        The server's time is used to make the next one ready.
        """
        if not batch.lines:
            return True
        answering = self._sender.submit(self._write, b"\n".join(batch.lines))
        if batch.full:
            following = self._made(batch.last_id, until_id)
            if following is not None and following.full:
                self._ahead = (batch.last_id, until_id), following
        return self._settled(answering.result(), batch.sendable, batch.lines)

    def _deliver_part(self, records: Sequence[Waiting], lines: Sequence[bytes]) -> bool:
        return self._settled(self._write(b"\n".join(lines)), records, lines)

    def _settled(self, answer: Answer, records: Sequence[Waiting], lines: Sequence[bytes]) -> bool:
        """Whether all of these lines are with the server or set aside, after its answer."""
        if isinstance(answer, Accepted):
            self._worked(len(lines))
            return True
        if isinstance(answer, Unwilling):
            self._failed(answer)
            return False
        if len(lines) == 1:
            words = answer.words if isinstance(answer, TooLarge) else _worded(answer)
            self._set_aside(records[0], words)
            return True
        # One bad line refuses a body (InfluxDB 1.x has kept the good ones, others have not):
        # halves find it, and what is sent twice replaces itself.
        half = len(lines) // 2
        if isinstance(answer, TooLarge):
            self._records_a_body = max(1, half)
        return self._deliver_part(records[:half], lines[:half]) and self._deliver_part(
            records[half:], lines[half:]
        )

    def _set_aside(self, record: Waiting, words: str) -> None:
        if forwarding.keep_dead_letter(self._spool, self._sink, record, words, self._utc_ns()):
            log.error(
                "%s refused record %d of %s (%s): it is set aside (pasprobe status)",
                self._sink, record.id, record.path, words,
            )  # fmt: skip

    def _worked(self, count: int) -> None:
        now = self._monotonic()
        if self._last_error:
            log.info("%s takes records again", self._sink)
        self._last_error = ""
        self._last_success_ns = self._utc_ns()
        self._backoff_s = 0.0
        self._accepted_total += count
        self._accepted.append((now, count))
        while self._accepted and self._accepted[0][0] < now - _RATE_WINDOW_S:
            self._accepted.popleft()

    def _failed(self, answer: Unwilling) -> None:
        if answer.words != self._last_error:
            log.error("%s: %s; tried again, nothing is lost", self._sink, answer.words)
        self._last_error = answer.words
        self._backoff_s = min(BACKOFF_MOST_S, self._backoff_s * 2 or BACKOFF_FIRST_S)
        if answer.retry_after_s is None:
            # Between half and the whole: many agents behind one server come back spread out.
            pause_s = self._backoff_s * self._random.uniform(0.5, 1.0)
        else:
            pause_s = min(answer.retry_after_s, ASKED_MOST_S) + self._random.uniform(0.0, 1.0)
        self._not_before = self._monotonic() + pause_s


def _worded(answer: Refused) -> str:
    return f"{answer.status}: {answer.words}"
