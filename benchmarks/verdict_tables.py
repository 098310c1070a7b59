"""The tables of `docs/accuracy.md` that have a row a train, from the raw output of `verdicts`.

`python -m benchmarks.verdict_tables` writes them anew from `benchmarks/results/verdicts.txt`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

Train = dict[str, Any]

SHOWN = ("min", "mean", "p50", "p95", "p99", "max", "stddev", "ipdv_mean", "pdv_p99")
COUNTED = ("sent", "received", "lost", "late", "duplicates", "reordered")
_KEPT = {True: "kept", False: "broken"}


def tables(raw: str) -> dict[str, str]:
    """Mark in the page -> table."""
    runs = _runs(raw)
    return {
        "verdicts links": _links(runs[0]),
        "verdicts counters": _counters(runs),
        "verdicts figures": _figures(runs[0]),
        "verdicts errors": _errors(runs),
    }


def _runs(raw: str) -> list[list[Train]]:
    """The trains of each run, in the order of the cases."""
    runs: list[list[Train]] = []
    for line in raw.splitlines():
        if line.startswith("=== run "):
            runs.append([])
        elif line.startswith("{"):
            runs[-1].append(json.loads(line))
    return runs


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", "---", *["--:"] * (len(head) - 2)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)) + "\n"


def _links(run: Sequence[Train]) -> str:
    rows = [
        [
            train["case"],
            direction,
            *(
                f"{configured:g} / {captured:g}"
                for configured, captured in train["link"][direction].values()
            ),
        ]
        for train in run
        if train["method"] == "icmp"
        for direction in ("forward", "backward")
    ]
    return _table(("link", "direction", "p50 ms", "p95 ms", "p99 ms", "loss %"), rows)


def _counters(runs: Sequence[Sequence[Train]]) -> str:
    rows = []
    for place, train in enumerate(runs[0]):
        again = [run[place] for run in runs]
        differing = sum(
            said is not None and said != true
            for one in again
            for true, said in one["counters"].values()
        )
        pairs = train["counters"]
        within, said_within = pairs["within_limit"]
        received, said_received = pairs["received"]
        rows.append(
            [
                train["case"],
                train["method"],
                *(f"{true} / {said}" for true, said in (pairs[name] for name in COUNTED)),
                f"{_share(within, received)} / {_share(said_within, said_received)}",
                *(" / ".join(_KEPT[kept] for kept in train[name]) for name in _VERDICTS),
                str(differing),
                str(sum(one[name][0] != one[name][1] for one in again for name in _VERDICTS)),
            ]
        )
    return _table(
        (
            "link", "method", *COUNTED, "within limit %", "delay", "loss",
            "counters off, all runs", "verdicts off, all runs",
        ),
        rows,
    )  # fmt: skip


_VERDICTS = ("delay_kept", "loss_kept")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "none"


def _figures(run: Sequence[Train]) -> str:
    rows = [
        [
            train["case"],
            train["method"],
            *(
                f"{pair[0]:.3f} / {pair[1]:.3f}" if pair else "none"
                for pair in (train["figures_ms"].get(name) for name in SHOWN)
            ),
        ]
        for train in run
    ]
    return _table(("link", "method", *(f"{name} ms" for name in SHOWN)), rows)


def _errors(runs: Sequence[Sequence[Train]]) -> str:
    rows = []
    for place, train in enumerate(runs[0]):
        again = [run[place]["errors_us"] for run in runs]
        worst = (
            [errors[name] for errors in again if name in errors] for name in (*SHOWN, "ipdv_p95")
        )
        cells = [f"{max(errors, key=abs):+.1f}" if errors else "none" for errors in worst]
        rows.append([train["case"], train["method"], *cells])
    head = ("link", "method", *(f"{name} µs" for name in (*SHOWN, "ipdv_p95")))
    return _table(head, rows)


def main() -> int:
    """Write the tables into the pages."""
    from benchmarks.hosts import ROOT
    from benchmarks.run import include

    raw = (ROOT / "benchmarks/results/verdicts.txt").read_text()
    for mark, table in tables(raw).items():
        for page in sorted((ROOT / "docs").glob("*.md")):
            include(page, mark, table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
