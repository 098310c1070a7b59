"""From the name of a device to its address.

Each look-up has a thread of its own that nobody waits for at the end: in asyncio's pool, names of a
name server that hangs would hold up all others, and the end of the agent with them.
"""

from __future__ import annotations

import asyncio
import socket
import threading

from collectors.errors import NamelessError
from collectors.snmp import Target

LOOKUP_S = 5.0
"""How long a name is waited for; system resolvers give up after 5 s to 30 s."""

Address = tuple[socket.AddressFamily, tuple[str, int]]


async def resolve(target: Target) -> Address:
    """The first address of a target; NamelessError where its name has none, or not in time."""
    try:
        return _first(target, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # a name
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Address | OSError] = loop.create_future()

    def settle(found: Address | OSError) -> None:
        if not answer.done():
            answer.set_result(found)

    def look_up() -> None:
        found: Address | OSError
        try:
            found = _first(target, 0)
        except OSError as error:
            found = error
        except UnicodeError as error:  # a label that is too long, or empty
            found = OSError(str(error))
        try:
            loop.call_soon_threadsafe(settle, found)
        except RuntimeError:
            return  # the loop is closed: nobody waits

    threading.Thread(target=look_up, name=f"look up {target.host}", daemon=True).start()
    try:
        async with asyncio.timeout(LOOKUP_S):
            found = await answer
    except TimeoutError:
        raise _nameless(target, f"not within {LOOKUP_S:g} s") from None
    if isinstance(found, OSError):
        raise _nameless(target, found.strerror or str(found))
    return found


def _first(target: Target, flags: int) -> Address:
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM, flags=flags)
    family, *_, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _nameless(target: Target, why: str) -> NamelessError:
    return NamelessError(
        target.place, f"the name has no address ({why})",
        "correct host, or the name service of this machine",
    )  # fmt: skip
