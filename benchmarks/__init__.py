"""Runnable benchmarks: what docs/benchmarks.md claims, measured against the real peers.

`python -m benchmarks.run [NAME...] [--runs 5]` (or `make bench`) runs them; nothing is typed by
hand. A benchmark is a module of this package, named in `benchmarks.run.NAMES`, with

- `NAME: str`, the name on the command line and of its files (`results/<NAME>.json`, `.txt`);
- `def run_once() -> dict[str, float | str]`, one complete run: builds what it needs, removes it,
  and returns its figures. Keys are plain words with the unit (`"pasprobe median error (µs)"`), the
  same keys in every run. A number becomes a row with median and spread over the runs; a text
  becomes a fact under the table (versions, flags used), listed once if equal in all runs;
- `GOALS: dict[str, tuple[str, float]]`, figure -> (one of "<=", ">=", "==", goal). The median of
  the runs is held against it. With "==" every single run is.

Everything that `run_once` prints to stdout is raw output and is kept in `results/<NAME>.txt`.
`run_once` raises `Unavailable` where a tool or a right is missing; the runner then says so and goes
on with the next benchmark. `benchmarks.hosts` builds namespaces, `benchmarks.capture` reads taps.
"""

from __future__ import annotations


class Unavailable(Exception):  # noqa: N818 (not an error: this machine lacks something)
    """What this machine lacks for the benchmark; the text names it and the remedy."""
