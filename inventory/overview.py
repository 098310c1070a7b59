"""What a configuration would measure: one row a path, as values that `check` prints."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from inventory.limits import Limits, LimitSource
from inventory.models import (
    Configuration,
    Path,
    own_paths,
    packet_octets,
    pas_of,
    peer_of,
    target_of,
)
from inventory.values import HostPort, format_duration


@dataclass(frozen=True, slots=True)
class PathOverview:
    """One path: where it goes, what it is judged by, and what it costs."""

    path: Path
    target: HostPort
    limits: Limits
    notes: tuple[str, ...]
    packets_per_second: Fraction
    """Packets sent, on average over the interval of the trains."""
    kbit_per_second: Fraction
    """Sent, from the IP header on, on average; replies of the same size come back on top."""
    here: bool
    """This host runs it (`[agent] pas`)."""


def overview(configuration: Configuration, limits: LimitSource) -> tuple[PathOverview, ...]:
    """Every path of a checked configuration, in its order."""
    mine = {path.id for path in own_paths(configuration)}
    rows = []
    for path in configuration.paths:
        peer = peer_of(configuration, path)
        found = limits.limits_for(
            path.service,
            pas_of(configuration, path.pas).profile,
            None if peer is None else peer.profile,
        )
        notes = found.notes
        if found.delay_kind == "one-way" and path.method == "icmp":
            notes = (*notes, "a one-way limit is not judged by ICMP: use stamp")
        rate = Fraction(path.train.packets * 1_000_000_000, path.train.every_ns)
        octets = packet_octets(configuration, path)
        rows.append(
            PathOverview(
                path=path,
                target=target_of(configuration, path),
                limits=found,
                notes=notes,
                packets_per_second=rate,
                kbit_per_second=rate * octets * 8 / 1000,
                here=path.id in mine,
            )
        )
    return tuple(rows)


def train_text(path: Path) -> str:
    """A train in one line for people."""
    train = path.train
    text = (
        f"{train.packets} x {train.size} B at {format_duration(train.spacing_ns)} "
        f"every {format_duration(train.every_ns)}, timeout {format_duration(train.timeout_ns)}"
    )
    return f"{text}, DSCP {train.dscp}" if train.dscp else text


def limits_text(row: PathOverview) -> str:
    """The limits in one line a limit for people, with their clauses and what is missing."""
    limits, parts = row.limits, []
    if limits.delay_ms is not None:
        parts.append(f"{limits.delay_kind} {limits.delay_share_percent} % <= {limits.delay_ms} ms")
    if limits.jitter_ms is not None:
        parts.append(f"jitter <= {limits.jitter_ms} ms")
    if limits.loss_percent is not None:
        parts.append(f"loss <= {limits.loss_percent} %")
    return "\n".join([*parts, *(f"({note})" for note in row.notes)]) or "none"


def as_json(row: PathOverview) -> dict[str, Any]:
    """One row for machines: limits as decimal strings, rates as numbers."""
    path, limits = row.path, row.limits

    def text(value: object) -> str | None:
        return None if value is None else str(value)

    return {
        "path": path.id,
        "pas": path.pas,
        "service": path.service,
        "peer": path.peer,
        "endpoint": path.endpoint,
        "method": path.method,
        "target": row.target.host,
        "port": row.target.port if path.method == "stamp" else None,
        "train": {
            "packets": path.train.packets,
            "size": path.train.size,
            "dscp": path.train.dscp,
            "spacing_ns": path.train.spacing_ns,
            "every_ns": path.train.every_ns,
            "timeout_ns": path.train.timeout_ns,
        },
        "limits": {
            "delay_ms": text(limits.delay_ms),
            "delay_kind": limits.delay_kind,
            "delay_share_percent": text(limits.delay_share_percent),
            "loss_percent": text(limits.loss_percent),
            "jitter_ms": text(limits.jitter_ms),
            "clauses": list(limits.clauses),
        },
        "notes": list(row.notes),
        "packets_per_second": round(float(row.packets_per_second), 6),
        "kbit_per_second": round(float(row.kbit_per_second), 6),
        "here": row.here,
    }
