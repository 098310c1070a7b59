"""How one train is shown: the JSON object of `ping` and `stamp`, and the table for people.

Pure functions over records. Milliseconds are numbers with up to six decimals, so the nanosecond
is exact; what is not defined is null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import TYPE_CHECKING

from agent.samples import StampSource, Status, TrainSamples
from timeseries.histogram import size
from timeseries.records import DelayFigures, TrainRecord

if TYPE_CHECKING:
    from rich.table import Table

_HUNDREDTH = Decimal("0.01")
_STAMPS = {
    StampSource.NONE: None,
    StampSource.USERLAND: "userland",
    StampSource.KERNEL: "kernel",
}


def result_object(record: TrainRecord, samples: TrainSamples | None = None) -> dict[str, object]:
    """The object that `ping --json` and `stamp --json` print for one target.

    With `samples` it ends in the list `samples`, one entry a planned packet.
    """
    rtt = record.rtt
    result: dict[str, object] = {
        "target": record.target,
        "address": record.address,
        "method": record.method,
        "start_ns": record.start_ns,
        "planned": record.planned,
        "sent": record.sent,
        "received": record.received,
        "lost": record.lost,
        "late": record.late,
        "duplicates": record.duplicates,
        "reordered": record.reordered,
        "corrupted": record.corrupted,
        "spoofed": record.spoofed,
        "lost_forward": record.lost_forward,
        "lost_backward": record.lost_backward,
        "within_limit": rtt.within_limit,
        "limit_ms": _ms(record.limit_ns),
        "limit_on": record.limit_on,
        "rtt_ms": _distribution(rtt),
        **_variation(rtt),
        "one_way": _one_way(record),
        "clock": {
            "synchronised": record.clock_synchronised,
            "error_ms": _ms(record.clock_error_ns),
            "step_ms": _ms(record.clock_step_ns),
            "tx_kernel": record.tx_kernel,
            "rx_kernel": record.rx_kernel,
            "t3_kernel": record.t3_kernel,
            "lateness_max_ms": _ms(record.lateness_max_ns),
        },
        "local_drops": record.local_drops,
        "send_errors": dict(record.send_errors),
        "icmp_errors": [
            {"version": version, "type": type_, "code": code, "origin": origin, "count": count}
            for version, type_, code, origin, count in record.icmp_errors
        ],
        "valid": record.valid,
        "reasons": list(record.reasons),
        "flags": list(record.flags),
    }
    if samples is not None:
        result["samples"] = sample_objects(samples)
    return result


def sample_objects(samples: TrainSamples) -> list[dict[str, object]]:
    """One object a planned packet: its stamps in UTC ns, its round trip, and who stamped.

    What did not happen is null: no `tx_ns` where the kernel refused the packet, no `rx_ns` and
    `rtt_ns` where no reply came. A late reply has all three; `status` tells it apart.
    """
    columns = zip(
        samples.status.tolist(),
        samples.tx_ns.tolist(),
        samples.rx_ns.tolist(),
        samples.rtt_ns.tolist(),
        samples.tx_source.tolist(),
        samples.rx_source.tolist(),
        samples.t2_ns.tolist(),
        samples.t3_ns.tolist(),
        samples.t3_source.tolist(),
        strict=True,
    )
    is_stamp = samples.plan.method == "stamp"
    objects = []
    for seq, (status, tx, rx, rtt, tx_source, rx_source, t2, t3, t3_source) in enumerate(columns):
        stamp = {"tx": _STAMPS[tx_source], "rx": _STAMPS[rx_source]}
        one: dict[str, object] = {
            "seq": seq,
            "status": Status(status).name.lower(),
            "tx_ns": tx or None,
            "rx_ns": rx or None,
            "rtt_ns": rtt if status in (Status.RECEIVED, Status.LATE) else None,
            "stamp": stamp,
        }
        if is_stamp:
            stamp["t3"] = _STAMPS[t3_source]
            one["t2_ns"] = t2 or None
            one["t3_ns"] = t3 or None
        objects.append(one)
    return objects


def results_table(records: Iterable[TrainRecord]) -> Table:
    """The table that `ping` and `stamp` end with, a row a target; fits 80 columns.

    Shares are rounded to the unfavourable side: one packet lost in a million is never shown as
    0.00 %, nor one beyond its limit as 100.00 %. Delays are round trips in milliseconds. What is
    out of the ordinary stands under the target.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("target", overflow="fold")
    for heading in ("lost/sent", "min ms", "p50", "p99", "max", "ipdv"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("within", justify="right", no_wrap=True)
    for record in records:
        rtt = record.rtt
        # Text, not str: an IPv6 address in brackets is not markup.
        table.add_row(
            Text.assemble(_named(record), *_remarks(record)),
            Text(_loss(record), "red" if record.lost else ""),
            *map(_short_ms, (rtt.min_ns, rtt.p50_ns, rtt.p99_ns, rtt.max_ns, rtt.ipdv_mean_ns)),
            Text(_within(record)),
        )
    return table


def _distribution(figures: DelayFigures) -> dict[str, float | None]:
    return {
        "min": _ms(figures.min_ns),
        "mean": _ms(figures.mean_ns),
        "p50": _ms(figures.p50_ns),
        "p95": _ms(figures.p95_ns),
        "p99": _ms(figures.p99_ns),
        "max": _ms(figures.max_ns),
        "stddev": _ms(figures.stddev_ns),
    }


def _variation(figures: DelayFigures) -> dict[str, float | None]:
    return {
        "ipdv_mean_ms": _ms(figures.ipdv_mean_ns),
        "ipdv_p95_ms": _ms(figures.ipdv_p95_ns),
        "pdv_p99_ms": _ms(figures.pdv_p99_ns),
        "jitter_rfc3550_ms": _ms(figures.jitter_rfc3550_ns),
    }


def _one_way(record: TrainRecord) -> dict[str, object] | None:
    if record.forward is None or record.backward is None:
        return None
    directions = {
        name: {
            "delay_ms": _distribution(figures),
            **_variation(figures),
            "within_limit": figures.within_limit,
        }
        for name, figures in (("forward", record.forward), ("backward", record.backward))
    }
    return {
        **directions,
        "error_ms": _ms(record.one_way_error_ns),
        "judged": record.one_way_judged,
    }


def _ms(ns: int | None) -> float | None:
    return None if ns is None else round(ns / 1_000_000, 6)


def _short_ms(ns: int | None) -> str:
    if ns is None:
        return "-"
    ms = ns / 1_000_000
    return f"{ms:.{3 if ms < 10 else 2 if ms < 100 else 1}f}"


def _percent(part: int, whole: int, rounding: str) -> str:
    return str((Decimal(100 * part) / whole).quantize(_HUNDREDTH, rounding))


def _named(record: TrainRecord) -> str:
    if record.address in ("", record.target):
        return record.target
    return f"{record.target}\n{record.address}"


def _loss(record: TrainRecord) -> str:
    if record.sent == 0:
        return "0/0"
    return f"{record.lost}/{record.sent}\n{_percent(record.lost, record.sent, ROUND_UP)} %"


def _within(record: TrainRecord) -> str:
    """Share of the received packets within the limit; both directions pooled where one-way."""
    if record.limit_ns is None:
        return "-"
    judged = (
        (record.rtt,)
        if record.limit_on == "rtt"
        else (record.forward or DelayFigures(), record.backward or DelayFigures())
    )
    total = within = 0
    for figures in judged:
        if figures.within_limit is None:
            return "-"
        total += size(figures.histogram)
        within += figures.within_limit
    if total == 0:
        return "-"
    limit = f"{Decimal(record.limit_ns) / 1_000_000:f}"
    return f"{_percent(within, total, ROUND_DOWN)} %\n≤ {limit} ms"


def _remarks(record: TrainRecord) -> Iterator[tuple[str, str]]:
    counted = {
        "late": record.late,
        "duplicates": record.duplicates,
        "reordered": record.reordered,
        "corrupted": record.corrupted,
    }
    seen = ", ".join(f"{count} {name}" for name, count in counted.items() if count)
    if not record.valid:
        yield f"\ninvalid: {', '.join(record.reasons)}", "bold red"
    if seen:
        yield f"\n{seen}", ""
    if record.flags:
        yield f"\n{', '.join(record.flags)}", "yellow"


def results_lines(records: Iterable[TrainRecord]) -> Iterator[str]:
    """The same figures as `results_table`, a plain line a target, for hundreds of targets."""
    for record in records:
        rtt = record.rtt
        figures = "/".join(map(_short_ms, (rtt.min_ns, rtt.p50_ns, rtt.p99_ns, rtt.max_ns)))
        remarks = "".join(text for text, _ in _remarks(record)).replace("\n", " ").strip()
        yield (
            f"{_named(record)}: lost/sent {_loss(record)}, min/p50/p99/max {figures} ms, "
            f"ipdv {_short_ms(rtt.ipdv_mean_ns)} ms{', ' + remarks if remarks else ''}"
        )
