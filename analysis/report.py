"""The measurement report: one HTML file that needs nothing beside it.

What it shows was read from the store (`analysis.evidence`) and judged (`analysis.verdict`); here it
is only put into words and pictures. Times stand in UTC and in the local time of the PAS.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from analysis import verdict_text
from analysis.errors import ReportError
from analysis.evidence import (
    PERCENTILES,
    Evidence,
    SelfAccusation,
    Series,
    distribution,
    figures_of,
    self_accusation,
)
from analysis.lines import Status
from analysis.measurement import Measurement
from analysis.plots import Column, Labels, smoke_plot
from analysis.readings import PACKET_READINGS
from analysis.verdict import Subject, Verdict, subjects
from inventory.models import Configuration, pas_of
from timeseries.histogram import FIRST_NS

MS = 1_000_000
SERIES_NAMES: Mapping[Series, str] = {
    "rtt": "round trip",
    "forward": "one way, there",
    "backward": "one way, back",
}


def write_report(measurement: Measurement, title: str, file: Path) -> None:
    """Render the page and put it in its place whole. Raises ReportError."""
    page = render(measurement, title)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as out:
            out.write(page)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise ReportError(
            f"{file}: {error.strerror}; make room or choose a folder that can be written"
        ) from None


def render(measurement: Measurement, title: str) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("analysis", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    paths = [
        _path(measurement, subject, number)
        for number, subject in enumerate(subjects(measurement.configuration))
    ]
    return environment.get_template("report.html.j2").render(
        title=title,
        administration=_administration(measurement.configuration),
        period=_period(measurement),
        summary=verdict_text.summary_line(measurement.verdicts),
        broken=any(v.outcome is Status.NOT_MET for v in measurement.verdicts),
        verdicts=[
            [_verdict(verdict) for verdict in rows]
            for _, rows in groupby(measurement.verdicts, key=lambda verdict: verdict.subject.path)
        ],
        percentiles=PERCENTILES,
        paths=paths,
        readings=PACKET_READINGS,
        notes=measurement.notes,
    )


def _administration(configuration: Configuration) -> str:
    return configuration.contract.administration if configuration.contract else ""


def _period(measurement: Measurement) -> str:
    begin, end = _utc(measurement.from_ns), _utc(measurement.to_ns)
    until = f"{end:%H:%M:%S}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{begin:%Y-%m-%d %H:%M:%S} to {until} UTC"


def _utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC)


def _verdict(verdict: Verdict) -> dict[str, Any]:
    pas, profile = verdict_text.far_end(verdict)
    return {
        "path": verdict.subject.path,
        "pas": pas,
        "profile": profile,
        "service": verdict.subject.service,
        "parameter": verdict.parameter,
        "measured": verdict_text.measured_text(verdict),
        "counted": verdict_text.counted_text(verdict),
        "limit": verdict_text.limit_text(verdict),
        "outcome": str(verdict.outcome),
        "css": str(verdict.outcome).replace(" ", "-"),
        "deviation": verdict_text.deviation_text(verdict),
        "steps": verdict_text.steps_text(verdict),
        "reason": verdict.reason,
        "step": verdict.step,
        "place": verdict.place,
    }


def _path(measurement: Measurement, subject: Subject, number: int) -> dict[str, Any]:
    evidence = measurement.evidence[subject.path]
    method = next((train.method for train in evidence.trains), "")
    limits = measurement.catalogue.limits_for(
        subject.service, subject.profile, subject.peer_profile
    )
    series: tuple[Series, ...] = (
        ("forward", "backward") if limits.delay_kind == "one-way" else ("rtt",)
    )
    return {
        "id": f"path-{number}",
        "path": subject.path,
        "heading": _heading(subject),
        "method": {"icmp": "ICMP echo", "stamp": "STAMP"}.get(method, "nothing"),
        "times": _times(measurement, subject),
        "notes": limits.notes,
        "plots": [
            _plot(evidence, one, f"path-{number}-{one}", subject.path, limits.delay_ms,
                  limits.loss_percent)
            for one in series
            if evidence.trains
        ],
        "series": [_series(evidence, one) for one in ("rtt", "forward", "backward")],
        "packets": _packets(evidence),
        "agent": _agent(self_accusation(evidence)),
    }  # fmt: skip


def _heading(subject: Subject) -> str:
    if subject.peer_profile is None:
        return f"{subject.pas} ({subject.profile}), {subject.service}"
    return (
        f"{subject.pas} ({subject.profile}) with {subject.peer} ({subject.peer_profile}), "
        f"{subject.service}"
    )


def _times(measurement: Measurement, subject: Subject) -> str:
    """The period in UTC and in the local time of the PAS that the path starts from."""
    pas = pas_of(measurement.configuration, subject.pas)
    begin, end = _utc(measurement.from_ns), _utc(measurement.to_ns)
    zone = ZoneInfo(pas.timezone)
    here, there = begin.astimezone(zone), end.astimezone(zone)
    offset = f"{here:%z}"
    return (
        f"{begin:%H:%M:%S} to {end:%H:%M:%S} UTC; at {pas.id} {here:%Y-%m-%d %H:%M:%S} to "
        f"{there:%H:%M:%S} ({pas.timezone}, UTC{offset[:3]}:{offset[3:]})"
    )


def _plot(
    evidence: Evidence,
    series: Series,
    identifier: str,
    path: str,
    limit_ms: Decimal | None,
    loss_limit: Decimal | None,
) -> dict[str, str]:
    name = SERIES_NAMES[series]
    known = distribution(evidence, series)
    lost = sum(train.lost for train in evidence.valid)
    sent = sum(train.sent for train in evidence.valid)
    if known is None:
        said = f"No packet came back; lost {lost} of {sent}."
    else:
        median = dict(known.percentiles_ns)[50]
        said = (
            f"{len(evidence.valid)} trains. Delays from {_ms(known.min_ns)} to "
            f"{_ms(known.max_ns)} ms, median {_ms(median)} ms; lost {lost} of {sent} packets."
        )
    if limit_ms is not None:
        said += f" The limit is {limit_ms:f} ms."
    svg = smoke_plot(
        columns(evidence, series),
        Labels(identifier, f"{path}: delay, {name}", said),
        limit_ms=limit_ms,
        loss_limit_percent=loss_limit,
    )
    return {"name": name, "svg": svg, "said": said}


def columns(evidence: Evidence, series: Series) -> list[Column]:
    """A plot's columns: a train each, as wide as the path's usual interval."""
    starts = [train.start_ns for train in evidence.trains]
    steps = sorted(later - earlier for earlier, later in pairwise(starts))
    width = steps[len(steps) // 2] if steps else 1_000_000_000
    found = []
    for train in evidence.trains:
        figures = figures_of(train, series)
        found.append(
            Column(
                train.start_ns,
                train.start_ns + width,
                figures.min_ns if figures else None,
                figures.p50_ns if figures else None,
                figures.p95_ns if figures else None,
                figures.max_ns if figures else None,
                train.sent,
                train.lost,
                train.valid,
            )
        )
    return found


def _series(evidence: Evidence, series: Series) -> dict[str, Any]:
    known = distribution(evidence, series)
    figures = (
        ["-"] * (len(PERCENTILES) + 2)
        if known is None
        else [
            _ms(known.min_ns),
            *(_bounded(ns) for _, ns in known.percentiles_ns),
            _ms(known.max_ns),
        ]
    )
    return {
        "name": SERIES_NAMES[series],
        "packets": known.packets if known else 0,
        "figures": figures,
    }


def _bounded(percentile_ns: int) -> str:
    """A percentile from a histogram, whose first bin says only how long a delay is at most."""
    return f"≤ {_ms(percentile_ns)}" if percentile_ns == FIRST_NS else _ms(percentile_ns)


def _packets(evidence: Evidence) -> dict[str, Any]:
    counted = evidence.valid
    known = [t for t in counted if t.lost_forward is not None and t.lost_backward is not None]
    return {
        "sent": sum(train.sent for train in counted),
        "received": sum(train.received for train in counted),
        "lost": sum(train.lost for train in counted),
        "lost_forward": sum(train.lost_forward or 0 for train in known),
        "lost_backward": sum(train.lost_backward or 0 for train in known),
        "lost_unknown": sum(train.lost for train in counted) - sum(train.lost for train in known),
        "late": sum(train.late for train in counted),
        "duplicates": sum(train.duplicates for train in counted),
        "reordered": sum(train.reordered for train in counted),
    }


def _agent(own: SelfAccusation) -> dict[str, Any]:
    return {
        "trains": f"{own.valid} of {own.planned}",
        "invalid": ", ".join(f"{reason} {count}" for reason, count in own.reasons) or "none",
        "tx": _share(own.tx_kernel, own.sent),
        "rx": _share(own.rx_kernel, own.replies),
        "t3": "-" if own.t3_kernel is None else _share(own.t3_kernel, own.replies),
        "lateness_p50": _ms(own.lateness_p50_ns),
        "lateness_max": _ms(own.lateness_max_ns),
        "local_drops": own.local_drops,
        "clock": "-"
        if not own.trains
        else "not synchronised"
        if own.unsynchronised
        else "synchronised",
        "moved": f"moved ≤ {_ms(own.clock_step_max_ns)} ms",
        "flags": ", ".join(f"{flag} {count}" for flag, count in own.flags) or "no flags",
    }


def _share(part: int, whole: int) -> str:
    if whole == 0:
        return "-"
    return f"{verdict_text.exact(Fraction(100 * part, whole), Decimal('0.1'), 'ROUND_FLOOR')} %"


def _ms(ns: int) -> str:
    """Milliseconds with as many digits as a reader can use."""
    ms = Decimal(ns) / MS
    size = abs(ms)
    digits = Decimal("0.001") if size < 10 else Decimal("0.01") if size < 100 else Decimal("0.1")
    return str(ms.quantize(digits))
