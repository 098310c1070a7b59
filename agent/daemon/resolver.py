"""Names to addresses for each train, without one bad name disturbing another.

A name keeps the address it has as long as the answers contain it, so that a name with several
addresses is one measured path and not several. When it does not resolve, its last good address
goes on being measured and the trains are flagged (`address-kept`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.daemon.background import in_thread
from agent.errors import ProbeError
from agent.kernel.addresses import version_of

TIMEOUT_S = 1.5
"""How long a train waits for its address; orders are planned further ahead than that."""
LANE = 8
"""Look-ups at the same time."""
SLOW_LANE = 2
"""The same for names that timed out last time: they never take the others' places."""

Lookup = Callable[[str], Sequence[str]]
"""All addresses of a name, best first; OSError or UnicodeError where there is none."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a train is to be sent to."""

    address: str | None
    """None: never resolved so far."""
    kept: bool = False
    """The last good address, because the name does not resolve now."""
    error: str = ""
    """Why it does not resolve."""


def system_lookup(host: str) -> list[str]:
    """getaddrinfo(3): /etc/hosts, DNS and what else the host is configured to ask."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    return [str(entry[4][0]) for entry in found]


def is_literal(host: str) -> bool:
    """Whether it is an address already (`fe80::1%eth0` with its zone)."""
    try:
        version_of(host)
    except ProbeError:
        return False
    return True


class Resolver:
    """Looks names up beside the event loop."""

    def __init__(self, lookup: Lookup = system_lookup, timeout_s: float = TIMEOUT_S) -> None:
        self._lookup = lookup
        self._timeout_s = timeout_s
        self._good: dict[str, str] = {}
        self._slow: set[str] = set()
        self._running: dict[str, asyncio.Task[Sequence[str]]] = {}
        self._lanes = (asyncio.Semaphore(LANE), asyncio.Semaphore(SLOW_LANE))

    async def resolve(self, host: str) -> Resolution:
        """The address for the train that is planned now; never raises, never waits for longer
        than the time-out. Several callers share one look-up."""
        if is_literal(host):
            return Resolution(host)
        task = self._running.get(host)
        if task is None:
            task = asyncio.create_task(self._ask(host))
            task.add_done_callback(_seen)
            self._running[host] = task
        try:
            found = await asyncio.wait_for(asyncio.shield(task), self._timeout_s)
        except TimeoutError:
            return self._kept(host, f"no answer within {self._timeout_s:g} s")
        except (OSError, UnicodeError) as error:
            return self._kept(host, getattr(error, "strerror", None) or str(error))
        if not found:
            return self._kept(host, "the name has no address")
        if self._good.get(host) not in found:
            self._good[host] = found[0]
        return Resolution(self._good[host])

    async def _ask(self, host: str) -> Sequence[str]:
        clock = asyncio.get_running_loop().time
        try:
            async with self._lanes[host in self._slow]:
                began = clock()
                try:
                    return await in_thread(self._lookup, host)
                finally:
                    slow = clock() - began > self._timeout_s
                    (self._slow.add if slow else self._slow.discard)(host)
        finally:
            del self._running[host]

    def _kept(self, host: str, why: str) -> Resolution:
        address = self._good.get(host)
        return Resolution(address, kept=address is not None, error=why)


def _seen(task: asyncio.Task[Sequence[str]]) -> None:
    """A failure that came after everybody had given up waiting is nobody's."""
    if not task.cancelled():
        task.exception()
