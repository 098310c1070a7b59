"""Items about packets and bandwidth: jitter readings above the limit, hourly use."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from analysis.catalogue_rows import ReportItem, Service
from analysis.documents import daily, words
from analysis.documents.charts_of import by_day
from analysis.documents.content import (
    Cell,
    Chart,
    Column,
    Grid,
    GridRow,
    Moment,
    Number,
    Table,
    msg,
)
from analysis.documents.items_lines import lines_table
from analysis.documents.material import Material
from analysis.documents.parts import Parts, absent
from analysis.facts import UsageRow
from inventory.clocks import local

_BANDS = (50, 80, 95)
"""Percent of the guaranteed bandwidth at which an hour's use gets a darker cell."""


def jitter_over(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`jitter-over`: how many readings of each pair were above the limit, and the mean by day."""
    rows: list[tuple[Cell, ...]] = []
    for path in daily.path_days(material, service.id):
        readings = sum(day.jitter_count for day in path.days.values())
        over = sum(day.jitter_over for day in path.days.values())
        if readings:
            share = Number(Fraction(100 * over, readings), "percent", "up")
            rows.append((path.pas, path.peer, readings, over, share))
    if not rows:
        return absent(msg("No jitter reading is on record for this service."))
    table = Table(
        "readings",
        msg("Jitter readings and those above the limit, each direction of a pair."),
        (
            words.PAS,
            words.PEER,
            Column("readings", msg("readings"), numeric=True),
            Column("over", msg("above the limit"), numeric=True),
            Column("share", msg("share"), numeric=True),
        ),
        tuple(rows),
    )
    parameter = next(one for one in service.parameters if one.rule == "jitter")
    charts, data, notes = by_day(material, service, parameter, daily.jitter_ms, "ms")
    lines = lines_table(material, material.lines(service.id, (parameter.id,)))
    return Parts((table, lines, *data), charts, notes)


def usage(material: Material, service: Service, _item: ReportItem) -> Parts:
    """`usage`, `usage-pairs`: hourly use of the guaranteed bandwidth of each PAS or pair."""
    begin, end = material.bounds
    groups: dict[tuple[str, str], list[UsageRow]] = {}
    for row in material.inputs.facts.usage:
        if row.service == service.id and begin <= row.start_ns < end:
            groups.setdefault((row.pas, row.peer), []).append(row)
    if not groups:
        return absent(
            msg("No use of the guaranteed bandwidth is on record: usage.csv has no row of this"
                " service in the period.")
        )  # fmt: skip
    summary: list[tuple[Cell, ...]] = []
    hourly: list[tuple[Cell, ...]] = []
    charts: list[Chart] = []
    for (pas, peer), rows in sorted(groups.items()):
        rows.sort(key=lambda row: row.start_ns)
        zone = material.zone_of(pas)
        summary.append((pas, peer, len(rows), *_figures(material, pas, rows)))
        hourly += [
            (
                pas,
                peer,
                Moment(row.start_ns, zone),
                Number(Fraction(row.in_percent), "percent"),
                Number(Fraction(row.out_percent), "percent"),
            )
            for row in rows
        ]
        charts.append(_week_grid(material, pas, peer, rows))
    table = Table(
        "usage",
        msg("Use of the guaranteed bandwidth: hourly means of the period."),
        (
            words.PAS,
            words.PEER,
            Column("hours", msg("hours"), numeric=True),
            Column("in_mean", msg("in, mean"), numeric=True),
            Column("in_max", msg("in, highest hour"), numeric=True),
            Column("in_max_at", msg("at")),
            Column("out_mean", msg("out, mean"), numeric=True),
            Column("out_max", msg("out, highest hour"), numeric=True),
            Column("out_max_at", msg("at")),
        ),
        tuple(summary),
    )
    every = Table(
        "hourly",
        msg("Use of the guaranteed bandwidth, every hour."),
        (
            words.PAS,
            words.PEER,
            Column("hour", msg("hour")),
            Column("in_percent", msg("in"), numeric=True),
            Column("out_percent", msg("out"), numeric=True),
        ),
        tuple(hourly),
        data_only=True,
    )
    note = msg("The figure of every hour is in the CSV and JSON of this report.")
    return Parts((table, every), tuple(charts), (note,))


def _figures(material: Material, pas: str, rows: Sequence[UsageRow]) -> tuple[Cell, ...]:
    zone = material.zone_of(pas)
    found: list[Cell] = []
    for values in ([row.in_percent for row in rows], [row.out_percent for row in rows]):
        most = max(values)
        found += [
            Number(Fraction(sum(values)) / len(values), "percent"),
            Number(Fraction(most), "percent"),
            Moment(rows[values.index(most)].start_ns, zone),
        ]
    return tuple(found)


def _week_grid(material: Material, pas: str, peer: str, rows: Sequence[UsageRow]) -> Grid:
    """Days down, hours across; the busier direction of each hour."""
    zone = material.zone_of(pas)
    cells: dict[tuple[int, int], Fraction] = {}
    for row in rows:
        at = local(row.start_ns, zone)
        most = Fraction(max(row.in_percent, row.out_percent))
        key = (at.date().toordinal(), at.hour)
        cells[key] = max(most, cells.get(key, Fraction(0)))
    label = f"{pas} → {peer}" if peer else pas
    return Grid(
        msg("Hourly use of the guaranteed bandwidth: {path}", path=label),
        msg("Rows: days. Columns: hours of the day, local time. The busier direction counts."),
        tuple(f"{hour:02}" for hour in range(24)),
        tuple(
            GridRow(
                f"{day:%d/%m}",
                tuple(_band(cells.get((day.toordinal(), hour))) for hour in range(24)),
            )
            for day in daily.days_of(material.period)
        ),
        (
            msg("up to {percent} %", percent=_BANDS[0]),
            msg("up to {percent} %", percent=_BANDS[1]),
            msg("up to {percent} %", percent=_BANDS[2]),
            msg("more"),
        ),
        dense=True,
    )


def _band(value: Fraction | None) -> int | None:
    if value is None:
        return None
    return sum(1 for band in _BANDS if value > band)
