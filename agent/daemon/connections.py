"""TCP connections as checks of applications: trains of attempts, tried on the agent's own loop.

An attempt costs a system call or two and its figure is milliseconds, so it needs neither the
engine's process nor kernel stamps: stamps are userland, and the records say so. A connection is
closed as soon as it stands; nothing is sent over it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from agent.daemon.engine_link import Finished, Message, Order, Refused
from agent.engine.timing import MISSED_NS
from agent.kernel.clock import SystemClock, clock_state, realtime_offset_ns
from agent.samples import StampSource, Status, TrainSamples


class Connector:
    """Takes orders as the engine does, and answers as it does."""

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        self._on_message = on_message
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def order(self, orders: Iterable[Order]) -> None:
        """Have these trains of attempts made. Needs a running event loop."""
        for order in orders:
            task = asyncio.create_task(self._make(order))
            self._tasks[order.token] = task
            task.add_done_callback(partial(self._ended, order.token))

    def cancel(self, tokens: Iterable[int]) -> None:
        """Have these not made; one that has begun ends without a word."""
        for token in tokens:
            if token in self._tasks:
                self._tasks[token].cancel()

    def abandon(self) -> None:
        """The same of all."""
        self.cancel(list(self._tasks))

    def _ended(self, token: int, _: asyncio.Task[None]) -> None:
        self._tasks.pop(token, None)

    async def _make(self, order: Order) -> None:
        clock, plan = SystemClock(), order.plan
        await _until(order.start_ns)
        offset_ns = realtime_offset_ns(clock)
        samples = TrainSamples.empty(plan, order.start_ns + offset_ns, clock_state())
        if time.monotonic_ns() - order.start_ns > MISSED_NS:
            samples.missed = True
        else:
            try:
                family, name = _far_end(plan.address, plan.port)
            except OSError as error:
                self._on_message(Refused(order.token, str(error)))
                return
            dues = (order.start_ns + number * plan.spacing_ns for number in range(plan.packets))
            await asyncio.gather(
                *(_attempt(samples, number, due, family, name) for number, due in enumerate(dues))
            )
            samples.clock_step_ns = realtime_offset_ns(clock) - offset_ns
        self._on_message(Finished(((order.token, samples),)))


def _far_end(address: str, port: int) -> tuple[int, tuple[Any, ...]]:
    """(family, socket address) of a literal; OSError for an interface that is not there."""
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    family, *_, name = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)[0]
    return family, name


async def _until(monotonic_ns: int) -> None:
    await asyncio.sleep(max(0, monotonic_ns - time.monotonic_ns()) / 1e9)


async def _attempt(
    samples: TrainSamples, number: int, due_ns: int, family: int, name: tuple[Any, ...]
) -> None:
    """One attempt; what the kernel refuses by itself (no route) was never sent."""
    await _until(due_ns)
    timeout_ns = samples.plan.timeout_ns
    tx_ns, began_ns = time.time_ns(), time.monotonic_ns()
    samples.lateness_ns[number] = max(0, began_ns - due_ns)
    try:
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        _not_sent(samples, error.errno)
        return
    with connection:
        code = connection.connect_ex(name)
        if code not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
            _not_sent(samples, code)
            return
        samples.tx_ns[number], samples.tx_source[number] = tx_ns, StampSource.USERLAND
        if code == errno.EINPROGRESS:
            code = await _outcome(connection, timeout_ns / 1e9)
        took_ns = time.monotonic_ns() - began_ns
    if code != 0:
        samples.status[number] = Status.LOST
        samples.refused += code == errno.ECONNREFUSED
        return
    samples.status[number] = Status.RECEIVED if took_ns <= timeout_ns else Status.LATE
    # By the clock that never steps: the time to the connection is right beside any step.
    samples.rx_ns[number], samples.rx_source[number] = tx_ns + took_ns, StampSource.USERLAND


def _not_sent(samples: TrainSamples, code: int | None) -> None:
    word = errno.errorcode.get(code or 0, str(code))
    samples.send_errors[word] = samples.send_errors.get(word, 0) + 1


async def _outcome(connection: socket.socket, timeout_s: float) -> int:
    """0: it stands; else the errno (ETIMEDOUT: no answer in time)."""
    loop = asyncio.get_running_loop()
    writable = asyncio.Event()
    loop.add_writer(connection, writable.set)
    try:
        await asyncio.wait_for(writable.wait(), timeout_s)
    except TimeoutError:
        return errno.ETIMEDOUT
    finally:
        loop.remove_writer(connection)
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
