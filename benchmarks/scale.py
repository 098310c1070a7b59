"""How big the big benchmarks are: `PASPROBE_BENCH_SCALE=0.01` tries them out with a hundredth."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks import Unavailable


def scaled(full: int, least: int = 1) -> int:
    """`full` times PASPROBE_BENCH_SCALE, not below `least`."""
    text = os.environ.get("PASPROBE_BENCH_SCALE", "1")
    try:
        return max(least, round(full * float(text)))
    except ValueError:
        raise Unavailable(f"PASPROBE_BENCH_SCALE={text!r} is no number: write 0.1 or 1") from None


def need_room(octets: int) -> None:
    """Raise `Unavailable` unless the folder for temporary files has so much left."""
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    if free < octets:
        raise Unavailable(
            f"{octets / 1e9:.0f} GB are needed in {folder}, {free / 1e9:.0f} GB are free: set"
            " TMPDIR, or PASPROBE_BENCH_SCALE below 1"
        )
