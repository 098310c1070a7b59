"""Blocking calls beside the event loop, in threads that never hold up the end of the process.

`asyncio.to_thread` is not used: its pool is joined at exit, and a name server that does not answer
or a store on a dead disk would then keep the agent from stopping in time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    """Start the call in a thread of its own; the future has its result or its exception.

    To cancel the future does not end the call, whose result is then forgotten.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the loop is closed: the agent is ending, nobody waits

    threading.Thread(target=work, name=getattr(function, "__name__", "call"), daemon=True).start()
    return future
