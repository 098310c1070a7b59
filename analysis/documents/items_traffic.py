"""Items about packets and bandwidth: jitter readings above the limit, hourly use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
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
    Text,
    msg,
)
from analysis.documents.items_lines import lines_table
from analysis.documents.material import Material
from analysis.documents.parts import Parts, absent
from inventory.clocks import local, period_bounds
from timeseries.bandwidth_use import hourly_use

_BANDS = (50, 80, 95)
"""Percent of the guaranteed bandwidth at which an hour's use gets a darker cell."""
_FILE, _POLLED = msg("usage.csv"), msg("polled interface")


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


@dataclass(frozen=True, slots=True)
class _Use:
    """One hour of use in percent; None: nothing was measured in this direction."""

    start_ns: int
    in_percent: Fraction | None
    out_percent: Fraction | None


_Directions = tuple[Callable[[_Use], Fraction | None], ...]
_BOTH: _Directions = (lambda row: row.in_percent, lambda row: row.out_percent)


def usage(material: Material, service: Service, item: ReportItem) -> Parts:
    """`usage`, `usage-pairs`: hourly use of the guaranteed bandwidth of each PAS or pair.

    From `usage.csv`; of a PAS that has no row there, from its interface as it was polled.
    """
    groups = _delivered(material, service)
    polled = _polled(material, service, {pas for pas, _ in groups})
    groups |= polled
    if not groups:
        return absent(
            msg("No use of the guaranteed bandwidth is on record: usage.csv has no row of this"
                " service in the period, and no interface that carries it was polled.")
        )  # fmt: skip
    summary: list[tuple[Cell, ...]] = []
    hourly: list[tuple[Cell, ...]] = []
    charts: list[Chart] = []
    for (pas, peer), rows in sorted(groups.items()):
        rows.sort(key=lambda row: row.start_ns)
        zone = material.zone_of(pas)
        source = _POLLED if (pas, peer) in polled else _FILE
        summary.append((pas, peer, len(rows), *_figures(material, pas, rows), source))
        hourly += [
            (
                pas,
                peer,
                Moment(row.start_ns, zone),
                _percent(row.in_percent),
                _percent(row.out_percent),
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
            Column("source", msg("from")),
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
    notes: list[Text] = [msg("The figure of every hour is in the CSV and JSON of this report.")]
    if polled and item.kind == "usage-pairs":
        notes.append(
            msg("A polled interface carries all pairs of its PAS together; the use by pair is in"
                " usage.csv alone.")
        )  # fmt: skip
    return Parts((table, every), tuple(charts), tuple(notes))


def _delivered(material: Material, service: Service) -> dict[tuple[str, str], list[_Use]]:
    """(PAS, peer) -> the hours of `usage.csv` in the period."""
    begin, end = material.bounds
    found: dict[tuple[str, str], list[_Use]] = {}
    for row in material.inputs.facts.usage:
        if row.service == service.id and begin <= row.start_ns < end:
            found.setdefault((row.pas, row.peer), []).append(
                _Use(row.start_ns, Fraction(row.in_percent), Fraction(row.out_percent))
            )
    return found


def _polled(
    material: Material, service: Service, known: Collection[str]
) -> dict[tuple[str, str], list[_Use]]:
    """The hours of the PAS whose interface of this service was polled, but for the known ones."""
    devices = {one.id: one for one in material.inputs.devices}
    found: dict[tuple[str, str], list[_Use]] = {}
    for pas, entry in material.entries.get(service.id, ()):
        name, _, interface = (entry.interface or "").partition("/")
        device = devices.get(name)
        if pas in known or device is None or entry.bandwidth_mbps is None:
            continue
        begin, _ = period_bounds(material.period, material.zone_of(pas))
        bits = int(entry.bandwidth_mbps * 1_000_000)
        hours = hourly_use(device.hours, interface, bits, begin)
        if hours:
            found[(pas, "")] = [
                _Use(hour.start_ns, hour.in_percent, hour.out_percent) for hour in hours
            ]
    return found


def _percent(value: Fraction | None) -> Number | None:
    return None if value is None else Number(value, "percent")


def _figures(material: Material, pas: str, rows: Sequence[_Use]) -> tuple[Cell, ...]:
    zone = material.zone_of(pas)
    found: list[Cell] = []
    for direction in _BOTH:
        known = [(value, row) for row in rows if (value := direction(row)) is not None]
        if not known:
            found += [None, None, None]
            continue
        most, at = max(known, key=lambda one: (one[0], -one[1].start_ns))
        total = sum((value for value, _ in known), Fraction(0))
        found += [
            Number(total / len(known), "percent"),
            Number(most, "percent"),
            Moment(at.start_ns, zone),
        ]
    return tuple(found)


def _week_grid(material: Material, pas: str, peer: str, rows: Sequence[_Use]) -> Grid:
    """Days down, hours across; the busier direction of each hour."""
    zone = material.zone_of(pas)
    cells: dict[tuple[int, int], Fraction] = {}
    for row in rows:
        known = [value for value in (row.in_percent, row.out_percent) if value is not None]
        if not known:
            continue
        at = local(row.start_ns, zone)
        key = (at.date().toordinal(), at.hour)
        cells[key] = max(*known, cells.get(key, Fraction(0)))
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
