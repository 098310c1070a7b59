"""Verdicts in words: for the terminal's table, for the page, for machines.

Figures are rounded to the unfavourable side, so that a limit that was missed by a hair never looks
kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from analysis.catalogue_rows import DELAY_PARAMETERS
from analysis.evidence import SelfAccusation, self_accusation
from analysis.lines import Status
from analysis.measurement import Measurement
from analysis.readings import PACKET_READINGS
from analysis.verdict import Verdict

if TYPE_CHECKING:
    from rich.table import Table

_HUNDREDTH = Decimal("0.01")
_MILLIONTH = Decimal("0.000001")
_STYLES = {
    Status.MET: "green",
    Status.NOT_MET: "bold red",
    Status.NO_DATA: "yellow",
    Status.INSUFFICIENT: "yellow",
}


def exact(value: Fraction, to: Decimal, rounding: str) -> Decimal:
    """The fraction as a decimal, rounded once and in the given direction."""
    scaled = value / Fraction(to)
    floor = scaled.numerator // scaled.denominator
    up = rounding == ROUND_CEILING and floor * scaled.denominator != scaled.numerator
    return Decimal(floor + up) * to


def measured_text(verdict: Verdict) -> str:
    """`99.20 %` (within the limit, or lost) or `12.40 ms`."""
    if verdict.measured is None:
        return "-"
    if verdict.limit.target_share is not None:
        return f"{exact(verdict.measured, _HUNDREDTH, ROUND_FLOOR)} %"
    return f"{exact(verdict.measured, _HUNDREDTH, ROUND_CEILING)} {_unit(verdict)}"


def limit_text(verdict: Verdict) -> str:
    """What is asked: `99 % in 300 ms`, `≤ 1 %`, `≤ 20 ms`."""
    if verdict.limit.target_share is not None:
        return f"{verdict.limit.target_share:f} % in {verdict.limit.value:f} ms"
    return f"≤ {verdict.limit.value:f} {_unit(verdict)}"


def _unit(verdict: Verdict) -> str:
    share = verdict.limit.target_share is not None
    return "%" if share or verdict.limit.unit == "percent" else "ms"


def counted_text(verdict: Verdict) -> str:
    """What the figure is made of."""
    part, whole = verdict.counted.part, verdict.counted.whole
    if verdict.parameter == "jitter":
        return f"mean of {whole} readings"
    if DELAY_PARAMETERS.get(verdict.parameter) == "one-way":
        return f"{part} of {whole}, both ways"
    if verdict.limit.target_share is not None:
        return f"{part} of {whole} received"
    return f"{part} of {whole} sent"


def deviation_text(verdict: Verdict) -> str:
    """`3.20 %`: how far beyond the limit; empty where it is kept or nothing was judged."""
    if not verdict.deviation:
        return ""
    return f"{exact(verdict.deviation, _HUNDREDTH, ROUND_CEILING)} {_unit(verdict)}"


def steps_text(verdict: Verdict) -> str:
    """`6 steps`; empty as `deviation_text`."""
    if not verdict.deviation or verdict.steps is None:
        return ""
    return f"{verdict.steps} step{'' if verdict.steps == 1 else 's'}"


def far_end(verdict: Verdict) -> tuple[str, str]:
    """The PAS that a path is about, with its profile: the peer of a pair, else the PAS itself."""
    subject = verdict.subject
    if subject.peer_profile is not None:
        return subject.peer, subject.peer_profile
    return subject.pas, subject.profile


def verdict_table(verdicts: Iterable[Verdict]) -> Table:
    """The verdicts as a table of at most 80 columns, PAS by PAS."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_edge=False,
        header_style="bold",
    )
    table.add_column("PAS and profile", no_wrap=True)
    table.add_column("service", no_wrap=True)
    table.add_column("parameter", no_wrap=True)
    table.add_column(" measured", justify="right", no_wrap=True)
    table.add_column("limit ", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    last_pas, last_path = ("", ""), ""
    for verdict in verdicts:
        pas = far_end(verdict)
        new_pas, new_path = pas != last_pas, verdict.subject.path != last_path
        if new_pas and last_path:
            table.add_row()
        last_pas, last_path = pas, verdict.subject.path
        name = pas[0] if new_pas else ""
        table.add_row(
            Text(name) if new_pas else Text(pas[1] if new_path else "", "dim"),
            verdict.subject.service if new_path else "",
            verdict.parameter,
            measured_text(verdict),
            f"{limit_text(verdict)} ",
            Text(str(verdict.outcome), _STYLES[verdict.outcome]),
        )
        if beyond := deviation_text(verdict):
            more = (f"+{beyond} ", steps_text(verdict))
            table.add_row("", "", "", "", *(Text(one, "red") for one in more))
    return table


def reasons_lines(verdicts: Iterable[Verdict]) -> list[str]:
    """Why some parameters have no verdict, a line each."""
    return [f"{v.subject.path}, {v.parameter}: {v.reason}" for v in verdicts if v.reason]


def summary_line(verdicts: Sequence[Verdict]) -> str:
    """How many limits are kept, and which PAS break theirs."""
    tally = {outcome: sum(v.outcome is outcome for v in verdicts) for outcome in Status}
    parts = [f"{count} {outcome}" for outcome, count in tally.items() if count]
    broken = sorted({far_end(v)[0] for v in verdicts if v.outcome is Status.NOT_MET})
    text = f"{len(verdicts)} verdicts: {', '.join(parts)}"
    return f"{text}. Limits broken by {', '.join(broken)}." if broken else f"{text}."


def print_verdicts(measurement: Measurement) -> None:
    """The table, why some verdicts are missing, and the sum of it all."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(verdict_table(measurement.verdicts))
    for line in (*reasons_lines(measurement.verdicts), summary_line(measurement.verdicts)):
        console.print(line, markup=False, soft_wrap=True)


def result_object(measurement: Measurement) -> dict[str, Any]:
    """Everything for machines: verdicts, and what the agent says of itself a path."""
    return {
        "from_ns": measurement.from_ns,
        "to_ns": measurement.to_ns,
        "summary": summary_line(measurement.verdicts),
        "verdicts": [verdict_object(verdict) for verdict in measurement.verdicts],
        "agent": {
            path: _accusation_object(self_accusation(evidence))
            for path, evidence in measurement.evidence.items()
        },
        "readings": list(PACKET_READINGS),
        "notes": list(measurement.notes),
    }


def _accusation_object(own: SelfAccusation) -> dict[str, Any]:
    return {**asdict(own), "reasons": dict(own.reasons), "flags": dict(own.flags)}


def verdict_object(verdict: Verdict) -> dict[str, Any]:
    """One verdict for machines: exact counts, figures as decimal strings."""
    subject = verdict.subject
    down = verdict.limit.target_share is not None

    def text(value: Fraction | None, rounding: str) -> str | None:
        return None if value is None else str(exact(value, _MILLIONTH, rounding))

    return {
        "path": subject.path,
        "service": subject.service,
        "pas": subject.pas,
        "profile": subject.profile,
        "peer": subject.peer or None,
        "peer_profile": subject.peer_profile,
        "parameter": verdict.parameter,
        "clause": verdict.place,
        "outcome": str(verdict.outcome),
        "limit": {
            "value": str(verdict.limit.value),
            "unit": verdict.limit.unit,
            "target_share": None
            if verdict.limit.target_share is None
            else str(verdict.limit.target_share),
        },
        "counted": {"part": verdict.counted.part, "whole": verdict.counted.whole},
        "measured_unit": "percent" if down else verdict.limit.unit,
        "measured": text(verdict.measured, ROUND_FLOOR if down else ROUND_CEILING),
        "deviation": text(verdict.deviation, ROUND_CEILING),
        "steps": verdict.steps,
        "step": verdict.step,
        "reason": verdict.reason,
    }
