"""The reflector of `[reflector]` in a process of its own, beside the agent that measures.

Started by `agent.daemon.reflector_service`; its options come as a pickle on standard input, what it
says goes to standard output as JSON lines. It ends when its standard input is closed.
"""

from __future__ import annotations

import json
import pickle
import select
import signal
import sys
import time

from agent.errors import ProbeError
from agent.reflector.listener import where
from agent.reflector.server import Reflector, ReflectorOptions

SAY_EVERY_S = 10.0
POLL_S = 0.2


def main() -> int:
    """Answer until the agent is gone; 2 where the sockets cannot be had."""
    # The agent decides when this ends: signals to the whole group are for the agent.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    options: ReflectorOptions = pickle.load(sys.stdin.buffer)
    try:
        reflector = Reflector(options)
    except ProbeError as error:
        _say(error=str(error))
        return 2
    _say(listening=[where(host, port) for host, port in reflector.addresses])
    say_due = time.monotonic() + SAY_EVERY_S
    while True:
        reflector.poll(POLL_S)
        if time.monotonic() >= say_due or _closed():
            say_due = time.monotonic() + SAY_EVERY_S
            _say(counters=reflector.counters.as_dict())
            if _closed():
                break
    reflector.close()
    return 0


def _closed() -> bool:
    """Whether the agent has closed its end; it writes nothing after the options."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _say(**words: object) -> None:
    try:
        print(json.dumps(words), flush=True)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
