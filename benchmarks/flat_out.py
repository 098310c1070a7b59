"""What `capacity` runs in a process of its own: the engine as fast as it goes, to many targets.

`python -m benchmarks.flat_out PER_TARGET RATE ADDRESS...` prints one JSON object. A rate beyond
what the machine can do makes the engine send without a pause.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

import numpy as np

from agent.engine.loop import Engine, quiet_python
from agent.engine.timing import on_grid
from agent.samples import StampSource, Status, TrainPlan

LEAD_NS = 50_000_000
TIMEOUT_NS = 1_000_000_000


def main(per_target: int, rate: int, addresses: list[str]) -> dict[str, float]:
    """Send `per_target` probes to each address; the CPU time is that from the first to the last
    sample, building of the packets included, start of Python not.
    """
    spacing_ns = len(addresses) * 1_000_000_000 // rate
    plans = [
        TrainPlan(
            path=address, method="icmp", address=address, packets=per_target,
            spacing_ns=spacing_ns, size=64, timeout_ns=TIMEOUT_NS,
        )
        for address in addresses
    ]  # fmt: skip
    engine = Engine(early=True)
    quiet_python()
    before = resource.getrusage(resource.RUSAGE_SELF)
    start_ns = time.monotonic_ns() + LEAD_NS
    trains = list(engine.run([(plan, on_grid(start_ns)) for plan in plans]))
    after = resource.getrusage(resource.RUSAGE_SELF)
    engine.close()
    sent = sum(int(np.count_nonzero(train.status != int(Status.UNSENT))) for train in trains)
    first_ns = min(int(train.tx_ns.min()) for train in trains)
    last_ns = max(int(train.rx_ns.max()) for train in trains)

    def kernel(column: str) -> int:
        return sum(
            int(np.count_nonzero(getattr(train, column) == int(StampSource.KERNEL)))
            for train in trains
        )

    return {
        "sent": sent,
        "received": sum(
            int(np.count_nonzero(train.status == int(Status.RECEIVED))) for train in trains
        ),
        "local_drops": max(train.local_drops for train in trains),
        "tx_kernel": kernel("tx_source"),
        "rx_kernel": kernel("rx_source"),
        "seconds": (last_ns - first_ns) / 1e9,
        "user_s": after.ru_utime - before.ru_utime,
        "system_s": after.ru_stime - before.ru_stime,
    }


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    json.dump(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]), sys.stdout)
