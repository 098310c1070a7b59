"""Runs benchmarks, keeps their raw output and writes their tables into the documentation.

`python -m benchmarks.run [NAME...] [--runs 5]`. Exit 0: every goal kept; 1: some goal missed, or a
benchmark could not run here; 2: wrong call.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import operator
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import Unavailable
from benchmarks.hosts import ROOT

NAMES: Final = (
    "exactness",
    "loss",
    "capacity",
    "schedule",
    "reflector",
    "weight",
    "spooling",
    "forwarding",
    "replay",
    "embedded_scale",
    "snmp",
    "snmp_schedule",
    "verdicts",
    "evaluation",
    "report_pages",
    "device_configs",
)
"""All benchmarks, in the order in which they run."""

Figures = dict[str, float | str]
Goals = dict[str, tuple[str, float]]

_KEPT: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
}
_SHOWN: Final = {"<=": "≤", ">=": "≥", "==": "="}


@dataclass(frozen=True, slots=True)
class Run:
    """One complete run of a benchmark."""

    started: str
    """UTC, ISO 8601."""
    seconds: float
    load_before: float
    """Load average over the minute before: what else this machine was doing."""
    figures: Figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names; returns the exit code."""
    options = _parser().parse_args(arguments)
    all_kept = True
    for name in options.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        try:
            runs, raw = _repeat(module.run_once, options.runs, name)
        except Unavailable as error:
            sys.stderr.write(f"{name}: not run: {error}\n")
            all_kept = False
            continue
        goals: Goals = module.GOALS
        table = markdown(runs, goals)
        all_kept &= all(kept(figure, goals, runs) for figure in goals)
        write_results(options.results, name, runs, goals, raw, table)
        for page in sorted(options.docs.glob("*.md")):
            include(page, name, table)
        sys.stdout.write(f"\n{name}\n\n{table}\n")
        sys.stdout.flush()
    return 0 if all_kept else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    # No `choices`: argparse would hold the empty list of `*` against them.
    parser.add_argument("names", nargs="*", metavar="NAME", type=_name, help=", ".join(NAMES))
    parser.add_argument("--runs", type=_positive, default=5, help="complete runs of each (5)")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "benchmarks/results", help="raw output goes here"
    )
    parser.add_argument(
        "--docs", type=Path, default=ROOT / "docs", help="pages whose marked tables are replaced"
    )
    return parser


def _name(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"no benchmark {text!r}; there are {', '.join(NAMES)}")
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: at least one run")
    return int(text)


def _repeat(run_once: Callable[[], Figures], times: int, name: str) -> tuple[list[Run], str]:
    raw = io.StringIO()
    runs = []
    for number in range(1, times + 1):
        sys.stderr.write(f"{name}: run {number} of {times}\n")
        started, load = datetime.now(UTC), os.getloadavg()[0]
        raw.write(f"=== run {number} of {times}, {started:%Y-%m-%dT%H:%M:%SZ}\n")
        begin = time.monotonic()
        with contextlib.redirect_stdout(raw):
            figures = run_once()
        took = round(time.monotonic() - begin, 1)
        runs.append(Run(f"{started:%Y-%m-%dT%H:%M:%SZ}", took, round(load, 2), figures))
    return runs, raw.getvalue()


def kept(figure: str, goals: Goals, runs: Sequence[Run]) -> bool:
    """Whether the figure meets its goal: by the median, for "==" in every run."""
    comparison, goal = goals[figure]
    values = _numbers(figure, runs)
    if comparison == "==":
        return all(value == goal for value in values)
    return _KEPT[comparison](statistics.median(values), goal)


def _numbers(figure: str, runs: Sequence[Run]) -> list[float]:
    return [float(run.figures[figure]) for run in runs]


def markdown(runs: Sequence[Run], goals: Goals) -> str:
    """The table of a benchmark: a row a figure, then the facts that are no numbers."""
    lines = ["| figure | goal | median | least | most | |", "|---|--:|--:|--:|--:|---|"]
    facts = []
    for figure, value in runs[0].figures.items():
        if isinstance(value, str):
            texts = dict.fromkeys(str(run.figures[figure]) for run in runs)
            facts.append(f"{figure}: {'; '.join(texts)}.")
            continue
        values = _numbers(figure, runs)
        goal = verdict = ""
        if figure in goals:
            goal = f"{_SHOWN[goals[figure][0]]} {_shown(goals[figure][1])}"
            verdict = "kept" if kept(figure, goals, runs) else "**missed**"
        middle = statistics.median(values)
        cells = (goal, _shown(middle), _shown(min(values)), _shown(max(values)), verdict)
        lines.append(f"| {figure} | {' | '.join(cells)} |")
    loads = [run.load_before for run in runs]
    facts.append(
        f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} from {runs[0].started} on "
        f"{_machine()}; load average before a run {min(loads)} to {max(loads)}."
    )
    return "\n".join([*lines, "", *(f"- {fact}" for fact in facts), ""])


def _shown(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _machine() -> str:
    model = "unknown processor"
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    return (
        f"{os.cpu_count()} cores of {model}, Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def write_results(
    folder: Path, name: str, runs: Sequence[Run], goals: Goals, raw: str, table: str
) -> None:
    """Write what was measured: figures as JSON, raw output as text, the table as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "benchmark": name,
        "machine": _machine(),
        "goals": goals,
        "runs": [asdict(run) for run in runs],
    }
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    # Where the checkout lies is nobody's business.
    (folder / f"{name}.txt").write_text(raw.replace(f"{ROOT}/", ""))
    (folder / f"{name}.md").write_text(table)


def include(page: Path, name: str, table: str) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->` in the page, if it does."""
    text = page.read_text()
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, opened, rest = text.partition(start)
    _, closed, tail = rest.partition(end)
    if opened and closed:
        page.write_text(f"{head}{start}\n\n{table}\n{end}{tail}")


if __name__ == "__main__":
    sys.exit(main())
