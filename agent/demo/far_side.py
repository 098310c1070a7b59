"""The far side of `pasprobe demo`, in a process of its own: a reflector behind a lab link per PAS.

    sender  <-->  UDP relay (lab link)  <-->  reflector        all on 127.0.0.1, free ports

Apart from the measuring process, because a link waits awake for its packets' instants and would
take the interpreter from the engine. One line of JSON comes in (the links), one goes out (where
they are reached); when standard input ends the lab stops and says what became of the packets.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.errors import ProbeError
from agent.lab.link import Link
from agent.lab.profiles import preset
from agent.lab.relay import Relay
from agent.reflector.server import ReflectorOptions, running

HOST = "127.0.0.1"
COMMAND = (sys.executable, "-P", "-m", "agent.demo.far_side")
START_S = 30
"""How long the process may take to say where its links are; it takes less than one second."""
SWITCH_S = 0.0002
"""Threads of the lab take turns this often: a packet waits for its thread no longer than that."""


@dataclass(slots=True)
class RunningLab:
    """The lab as the demo sees it."""

    ports: dict[str, int]
    """UDP port of each link on 127.0.0.1, by the name of the PAS behind it."""
    counters: dict[str, Any] = field(default_factory=dict)
    """What the links say of themselves, by name, once the lab has stopped."""


@contextmanager
def running_lab(
    profiles: Mapping[str, str], seed: int, command: Sequence[str] = COMMAND
) -> Iterator[RunningLab]:
    """A link with its reflector for each name, by its lab profile, while the block runs.

    Raises ProbeError where the lab does not start.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        raise ProbeError(f"the demo's lab could not be started: {error}") from None
    with process:
        try:
            lab = RunningLab(_begin(process, profiles, seed))
            yield lab
            # Ends its standard input, which is the sign to stop.
            out, _ = process.communicate(timeout=START_S)
            if out.strip():
                lab.counters = json.loads(out)
        finally:
            process.kill()


def _begin(
    process: subprocess.Popen[str], profiles: Mapping[str, str], seed: int
) -> dict[str, int]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stdin.write(json.dumps({"links": dict(profiles), "seed": seed}) + "\n")
        process.stdin.flush()
        ports: dict[str, int] = json.loads(process.stdout.readline())
    except (BrokenPipeError, ValueError):
        process.kill()
        last = process.stderr.read().strip().splitlines()[-1:] or ["no message"]
        raise ProbeError(f"the demo's lab did not start: {last[0]}") from None
    return ports


def serve(order: Mapping[str, Any]) -> None:
    """Run the links of one order until standard input ends."""
    profiles, seed = order["links"], order["seed"]
    options = ReflectorOptions(listen=tuple((HOST, 0) for _ in profiles), stateful=True)
    with ExitStack() as stack:
        reflector = stack.enter_context(running(options))
        relays = {}
        for number, (name, profile) in enumerate(profiles.items()):
            link = Link(preset(profile), seed + number)
            relay = Relay((HOST, 0), reflector.addresses[number], link)
            relays[name] = stack.enter_context(relay)
        print(json.dumps({name: relay.address[1] for name, relay in relays.items()}), flush=True)
        sys.stdin.read()
    print(json.dumps({name: relay.as_json() for name, relay in relays.items()}), flush=True)


def main() -> int:
    """Read the order and serve it."""
    # Ctrl-C goes to the whole group; the measuring side decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_S)
    try:
        serve(json.loads(sys.stdin.readline()))
    except ProbeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
