"""Charts and day-by-day tables of a line item: calendar, shares, percentiles, loss, jitter.

A few paths share a chart of lines; many stand in a grid of days, where one looks for dark cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from analysis.catalogue_rows import Parameter, ReportItem, Service
from analysis.documents import daily, words
from analysis.documents.content import (
    Chart,
    Column,
    Grid,
    GridRow,
    Lines,
    Message,
    Number,
    Series,
    Table,
    Text,
    msg,
)
from analysis.documents.material import Material, parameter_name
from analysis.lines import Line
from analysis.traffic import DayTraffic
from inventory.clocks import clipped, day_bounds, merged, total_ns

_FEW = 4
"""So many lines can be told apart in one chart."""
_MINUTE_NS = 60_000_000_000
_AVAILABILITY = frozenset({"unit-availability", "overall-availability", "monitoring-availability"})
_DAY = Column("day", msg("day"))

Found = tuple[tuple[Chart, ...], tuple[Table, ...], tuple[Text, ...]]
NOTHING: Found = ((), (), ())


def charts_for(material: Material, service: Service, item: ReportItem) -> Found:
    """What goes with the lines of an item: charts, their data, notes."""
    charts: list[Chart] = []
    tables: list[Table] = []
    notes: list[Text] = []
    for identifier in item.about:
        parameter = service.parameter(identifier)
        if parameter is None:
            continue
        found = _of_parameter(material, service, parameter)
        charts += found[0]
        tables += found[1]
        notes += found[2]
    return tuple(charts), tuple(tables), tuple(notes)


def _of_parameter(material: Material, service: Service, parameter: Parameter) -> Found:
    if parameter.rule in _AVAILABILITY:
        return availability(material, service, parameter)
    if parameter.rule == "share-within":
        return _shares(material, service, parameter)
    if parameter.rule == "loss-rate":
        return by_day(material, service, parameter, daily.loss_percent, "percent")
    if parameter.rule == "jitter":
        return by_day(material, service, parameter, daily.jitter_ms, "ms")
    return NOTHING


def availability(material: Material, service: Service, parameter: Parameter) -> Found:
    """The availability calendar: what blocking outages took of each day's delivery window."""
    days = daily.days_of(material.period)
    rows, data = [], []
    for pas in [pas for pas, _ in material.entries.get(service.id, ())] or [""]:
        zone = material.zone_of(pas)
        openings = material.openings(service.id, pas)
        outages = _outages(material, service, parameter, pas)
        classes: list[int | None] = []
        for day in days:
            begin, end = day_bounds(day, zone)
            if begin >= material.until_ns:
                classes.append(None)
                continue
            if not outages:
                classes.append(0)
                continue
            window = clipped(openings, [(begin, end)])
            down, whole = total_ns(clipped(outages, window)), total_ns(window)
            classes.append(_class(Fraction(down, whole) if whole else Fraction(0), (10, 50)))
            if down:
                minutes = Number(Fraction(down, _MINUTE_NS), "minutes", "up")
                data.append((pas or words.ALL_PAS, day, minutes))
        rows.append(GridRow(pas or words.ALL_PAS, tuple(classes)))
    chart = Grid(
        msg("Availability calendar"),
        msg("Rows: PAS. Columns: days. The darker a cell, the longer the blocking outage inside"
            " the delivery window of that day."),
        days,
        tuple(rows),
        (
            msg("no outage"),
            msg("up to 10 % of the day's window"),
            msg("up to half of it"),
            msg("more than half of it"),
        ),
    )  # fmt: skip
    table = Table(
        "outage-minutes",
        msg("Days with blocking outages, minutes inside the delivery window."),
        (words.PAS, _DAY, Column("minutes", msg("outage"), numeric=True)),
        tuple(data),
    )
    return (chart,), (table,) if data else (), ()


def _outages(
    material: Material, service: Service, parameter: Parameter, pas: str
) -> list[tuple[int, int]]:
    if pas:
        return material.down(service.id, pas)
    monitoring = parameter.rule == "monitoring-availability"
    return merged(
        (ticket.opened_ns, ticket.restored_ns or max(material.until_ns, ticket.opened_ns + 1))
        for ticket in material.tickets(service.id)
        if ticket.severity == "blocking"
        and (
            not monitoring
            or ticket.component == "monitoring"
            or _of_no_device(ticket.component, ticket.pas)
        )
    )


def _of_no_device(component: str, pas: tuple[str, ...]) -> bool:
    """Chapter 7: without a component, a ticket without a PAS is the monitoring system's."""
    return not component and not pas


def _class(share: Fraction, bounds_percent: tuple[int, int]) -> int:
    if not share:
        return 0
    low, high = bounds_percent
    return 1 if 100 * share <= low else 2 if 100 * share <= high else 3


def _shares(material: Material, service: Service, parameter: Parameter) -> Found:
    """Share within the limit and percentiles of the delay, by day."""
    paths = daily.path_days(material, service.id)
    if not paths:
        return NOTHING
    days = daily.days_of(material.period)
    overview = by_day(material, service, parameter, daily.within_percent, "percent")
    limits = _limits_ms(material, service.id)
    charts: list[Chart] = []
    rows = []
    for path, of_days in daily.over_days(days, paths):
        marks = [daily.percentiles_ms(day.histogram if day is not None else ()) for day in of_days]
        for day, packets, mark in zip(days, of_days, marks, strict=True):
            if packets is not None and any(value is not None for value in mark):
                rows.append((path.pas, path.peer, day, *(_ms(value) for value in mark)))
        if all(mark[0] is None for mark in marks):
            continue
        charts.append(
            Lines(
                msg("Delay percentiles by day: {path}", path=path.label),
                msg("Median, 95th and 99th percentile of the delay of each day's received packets."
                    " From histograms: at most 4.9 % too high."),
                days,
                tuple(
                    Series(msg("{number}th percentile", number=percent),
                           tuple(mark[index] for mark in marks))
                    for index, percent in enumerate(daily.PERCENTILES)
                ),
                "ms",
                limits.get((path.pas, path.peer)),
                logarithmic=True,
            )
        )  # fmt: skip
    table = Table(
        "percentiles",
        msg("Delay percentiles by day."),
        (words.PAS, words.PEER, _DAY, *(Column(f"p{percent}_ms", f"p{percent}", numeric=True)
                                        for percent in daily.PERCENTILES)),
        tuple(rows),
        data_only=True,
    )  # fmt: skip
    tables = (*overview[1], table) if rows else overview[1]
    return (*overview[0], *charts), tables, overview[2]


def _ms(value: Fraction | None) -> Number | None:
    return None if value is None else Number(value, "ms", "up")


def _limits_ms(material: Material, service: str) -> dict[tuple[str, str], Decimal]:
    return {
        (path.pas, path.peer): Decimal(path.limit_ns) / 1_000_000
        for path in material.inputs.traffic
        if path.service == service and path.limit_ns is not None
    }


def by_day(
    material: Material,
    service: Service,
    parameter: Parameter,
    value: Callable[[DayTraffic | None], Fraction | None],
    unit: str,
) -> Found:
    """One figure a day and path, against its limit."""
    paths = daily.path_days(material, service.id)
    days = daily.days_of(material.period)
    found = [
        (path, [value(day) for day in of_days]) for path, of_days in daily.over_days(days, paths)
    ]
    found = [(path, values) for path, values in found if any(one is not None for one in values)]
    if not found:
        return NOTHING
    limits = {
        path.label: _limit_of(material.lines(service.id, (parameter.id,)), path, parameter)
        for path, _ in found
    }
    title = msg("{parameter}, by day", parameter=parameter_name(parameter, parameter.id))
    known = {limit for limit in limits.values() if limit is not None}
    floor = parameter.rule == "share-within"
    if len(found) <= _FEW and len(known) <= 1:
        chart: Chart = Lines(
            title,
            msg("One value a day; the dashed line is the limit of the whole period."),
            days,
            tuple(Series(path.label, tuple(values)) for path, values in found),
            unit,
            next(iter(known), None),
        )
    else:
        chart = _grid(title, days, found, limits, floor=floor, unit=unit)
    rounding = "down" if floor else "up"
    table = Table(
        parameter.id,
        title,
        (words.PAS, words.PEER, _DAY, Column(unit, msg("value"), numeric=True)),
        tuple(
            (path.pas, path.peer, day, Number(one, unit, rounding))  # type: ignore[arg-type]
            for path, values in found
            for day, one in zip(days, values, strict=True)
            if one is not None
        ),
        data_only=True,
    )
    undated = sum(path.undated for path in paths)
    notes: tuple[Text, ...] = ()
    if undated:
        notes = (
            msg("{count} rows of traffic.csv span more than one day; they are in the figures and"
                " on no day of the chart.", count=undated),
        )  # fmt: skip
    return (chart,), (table,), notes


def _limit_of(lines: Sequence[Line], path: daily.PathDays, parameter: Parameter) -> Decimal | None:
    for line in lines:
        if {line.pas, line.peer} == {path.pas, path.peer}:
            return line.limit
    for line in lines:
        if line.pas in (path.pas, path.peer):
            return line.limit
    return parameter.limits[0].target_share if parameter.rule == "share-within" else None


def _grid(
    title: Message,
    days: tuple[date, ...],
    found: Sequence[tuple[daily.PathDays, list[Fraction | None]]],
    limits: dict[str, Decimal | None],
    *,
    floor: bool,
    unit: str,
) -> Grid:
    bands = (Fraction(1, 2), Fraction(2)) if unit == "percent" else (Fraction(5), Fraction(20))
    rows = []
    for path, values in found:
        limit = limits[path.label]
        classes: list[int | None] = []
        for value in values:
            if value is None or limit is None:
                classes.append(None)
                continue
            beyond = Fraction(limit) - value if floor else value - Fraction(limit)
            classes.append(
                0 if beyond <= 0 else 1 if beyond <= bands[0] else 2 if beyond <= bands[1] else 3
            )
        rows.append(GridRow(path.label, tuple(classes)))
    return Grid(
        title,
        msg("Rows: PAS or directed pairs. Columns: days. The darker a cell, the further that day's"
            " value was beyond the limit of the period."),
        days,
        tuple(rows),
        (
            msg("within the limit"),
            msg("up to {value} beyond", value=Number(bands[0], unit)),
            msg("up to {value} beyond", value=Number(bands[1], unit)),
            msg("further beyond"),
        ),
    )  # fmt: skip
