"""Items whose data come from elsewhere: the tables under `facts/items/`, resources, summary charts.

A table whose first column holds times is a series: its numbers are also shown as means by hour of
the day, by day and by week.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from fractions import Fraction

from analysis.catalogue_rows import ReportItem, Service
from analysis.documents import words
from analysis.documents.content import (
    Bars,
    Cell,
    Chart,
    Column,
    Lines,
    Number,
    Series,
    Table,
    Text,
    msg,
)
from analysis.documents.material import Material, parameter_name
from analysis.documents.parts import Parts, absent
from analysis.facts import ItemTable
from inventory.periods import Period

_DATED = re.compile(r"\d{4}-\d\d(-\d\d([T ].*)?)?$")
_FEW = 3


_SHORT = 48
"""A series of more rows stands in CSV and JSON; on the page are its statistics."""


def table_item(material: Material, service: Service, item: ReportItem) -> Parts:
    """`items`: the rows of the period; a series also as statistics."""
    return _of_file(material, service, item, material.table(service.id, item.id))


def rules_in_force(material: Material, service: Service, item: ReportItem) -> Parts:
    """`rules-in-force`: the whole table, whatever dates stand in it."""
    found = material.table(service.id, item.id)
    if found is None or not found.rows:
        return _no_file(service, item)
    return Parts((as_table(found),))


def _of_file(
    material: Material, service: Service, item: ReportItem, table: ItemTable | None
) -> Parts:
    found = None if table is None else of_period(table, material.period, material.zone)
    if found is None or not found.rows:
        return _no_file(service, item)
    statistics = _statistics(material, found)
    long = bool(statistics.tables) and len(found.rows) > _SHORT
    note = (msg("Every row is in the CSV and JSON of this report."),) if long else ()
    return Parts((*statistics.tables, as_table(found, data_only=long)), statistics.charts, note)


def of_period(table: ItemTable, period: Period, zone: tzinfo) -> ItemTable:
    """The rows whose first time, date or month lies in the period; all where there is none."""
    for index in range(len(table.header)):
        days = [_day(row[index], zone) for row in table.rows]
        if days and all(day is not None for day in days):
            rows = tuple(
                row
                for row, day in zip(table.rows, days, strict=True)
                if day is not None and period.begin <= day < period.end
            )
            return ItemTable(table.file, table.service, table.item, table.header, rows)
    return table


def _day(text: str, zone: tzinfo) -> date | None:
    """The day of an instant, a date or a month; None for anything else."""
    if not _DATED.match(text):
        return None
    try:
        if len(text) == len("2011-05"):
            return date.fromisoformat(f"{text}-01")
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.date() if at.tzinfo is None else at.astimezone(zone).date()


def _no_file(service: Service, item: ReportItem) -> Parts:
    return absent(
        msg(
            "No data: this item is delivered as {file} among the facts, and the file is not there"
            " or has no rows of this period.",
            file=f"items/{service.id}.{item.id}.csv",
        )
    )


def as_table(found: ItemTable, *, data_only: bool = False) -> Table:
    """The rows as they were delivered; numbers stand right."""
    columns = tuple(
        Column(name, name, numeric=_all_numbers(row[index] for row in found.rows))
        for index, name in enumerate(found.header)
    )
    return Table("data", msg("As delivered: {file}", file=found.file), columns, found.rows,
                 data_only=data_only)  # fmt: skip


def _all_numbers(texts: object) -> bool:
    values = [text for text in texts if text]  # type: ignore[attr-defined]
    return bool(values) and all(_number(text) is not None for text in values)


def _number(text: str) -> Fraction | None:
    digits = text.strip()
    if not digits or not set(digits) <= set("0123456789.-"):
        return None
    try:
        return Fraction(digits)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _SeriesOf:
    """A table read as a series: per row its local instant, its name, its figures."""

    labels: tuple[str, ...]
    rows: tuple[tuple[datetime, str, tuple[Fraction | None, ...]], ...]


def _read(found: ItemTable, zone: tzinfo) -> _SeriesOf | None:
    """None where the first column does not hold a time in every row, or no column a figure."""
    times = [_time(row[0], zone) for row in found.rows]
    if any(time is None for time in times):
        return None
    numeric = [
        index
        for index in range(1, len(found.header))
        if _all_numbers(row[index] for row in found.rows)
    ]
    if not numeric:
        return None
    names = [index for index in range(1, len(found.header)) if index not in numeric]
    rows = tuple(
        (time, ", ".join(row[index] for index in names if row[index]),
         tuple(_number(row[index]) for index in numeric))
        for time, row in zip(times, found.rows, strict=True)
        if time is not None
    )  # fmt: skip
    return _SeriesOf(tuple(found.header[index] for index in numeric), rows)


def _time(text: str, zone: tzinfo) -> datetime | None:
    """A local instant; a date alone or a word is none."""
    if len(text) < len("2011-05-01T00") or text[4:5] != "-":
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(zone) if at.tzinfo is not None else at.replace(tzinfo=zone)


def _statistics(material: Material, found: ItemTable) -> Parts:
    """Means by hour of the day, by day and by week; the week as a table, the others as charts."""
    series = _read(found, material.zone)
    if series is None:
        return Parts()
    tables: list[Table] = []
    charts: list[Chart] = []
    names = sorted({name for _, name, _ in series.rows})
    kinds: tuple[tuple[str, Text, Text, Callable[[datetime], Cell]], ...] = (
        ("by-week", msg("Mean by week (Monday)"), msg("week"), _monday),
        ("by-hour", msg("Mean by hour of the day"), msg("hour"), lambda at: f"{at:%H}:00"),
        ("by-day", msg("Mean by day"), msg("day"), lambda at: at.date()),
    )
    for name, caption, heading, key in kinds:
        means = {one: _means(series, one, key) for one in names}
        columns = (
            Column("of", msg("of")),
            Column(name, heading),
            *(Column(label, label, numeric=True) for label in series.labels),
        )
        rows = tuple(
            (one, group, *(None if v is None else Number(v) for v in values))
            for one in names
            for group, values in means[one]
        )
        table = Table(name, caption, columns, rows, data_only=name != "by-week")
        tables.append(table if names != [""] else _without_first(table))
        if name != "by-week":
            charts += _charts(caption, series.labels, means)
    return Parts(tuple(tables), tuple(charts))


def _monday(at: datetime) -> date:
    return at.date() - timedelta(days=at.weekday())


def _without_first(table: Table) -> Table:
    return Table(table.name, table.caption, table.columns[1:], tuple(row[1:] for row in table.rows))


def _means(
    series: _SeriesOf, name: str, key: Callable[[datetime], Cell]
) -> list[tuple[Cell, tuple[Fraction | None, ...]]]:
    sums: dict[Cell, list[list[Fraction]]] = {}
    for at, of, values in series.rows:
        if of == name:
            columns = sums.setdefault(key(at), [[] for _ in series.labels])
            for column, value in zip(columns, values, strict=True):
                if value is not None:
                    column.append(value)
    return [
        (
            group,
            tuple(sum(c, Fraction(0)) / len(c) if c else None for c in columns),
        )
        for group, columns in sorted(sums.items(), key=lambda one: str(one[0]))
    ]


def _charts(
    caption: Text,
    labels: Sequence[str],
    means: Mapping[str, Sequence[tuple[Cell, tuple[Fraction | None, ...]]]],
) -> list[Chart]:
    """A chart per column, their units differ; so many names in one as can be told apart."""
    groups = sorted({group for one in means.values() for group, _ in one}, key=str)
    names = list(means)
    found: list[Chart] = []
    for index, label in enumerate(labels):
        for start in range(0, len(names), _FEW):
            some = names[start : start + _FEW]
            values = {name: dict(means[name]) for name in some}
            found.append(
                Lines(
                    msg("{column}: {statistic}", column=label, statistic=caption),
                    msg("Mean of the samples of each hour or day."),
                    tuple(groups),  # type: ignore[arg-type]
                    tuple(
                        Series(
                            name or label,
                            tuple(
                                values[name][group][index] if group in values[name] else None
                                for group in groups
                            ),
                        )
                        for name in some
                    ),
                    "",
                )
            )
    return found


def summary_charts(material: Material, service: Service, item: ReportItem) -> Parts:
    """`charts`: the summary of section 7.3.4: requests by kind and outcome, outages by severity."""
    file = material.table(service.id, item.id)
    own = None if file is None else of_period(file, material.period, material.zone)
    tables: list[Table] = []
    charts: list[Chart] = []
    kinds = [p for p in service.parameters if p.rule.startswith("request-")]
    requests = {p.id: material.requests(service.id, (p.id,)) for p in kinds}
    if any(requests.values()):
        charts.append(
            Bars(
                msg("Requests by kind and outcome"),
                msg("How many requests of each kind were implemented, rejected or are pending."),
                tuple(parameter_name(p, p.id) for p in kinds),
                tuple(
                    Series(
                        word,
                        tuple(
                            Fraction(sum(r.outcome == outcome for r in requests[p.id]))
                            for p in kinds
                        ),
                    )
                    for outcome, word in words.OUTCOME.items()
                ),
                "",
            )
        )
        tables.append(
            Table(
                "requests",
                msg("Requests by kind and outcome"),
                (words.PARAMETER, *(Column(o, w, numeric=True) for o, w in words.OUTCOME.items())),
                tuple(
                    (
                        parameter_name(p, p.id),
                        *(
                            sum(r.outcome == outcome for r in requests[p.id])
                            for outcome in words.OUTCOME
                        ),
                    )
                    for p in kinds
                ),
            )
        )
    tickets = material.tickets(service.id)
    if tickets:
        counts = [sum(t.severity == severity for t in tickets) for severity in words.SEVERITY]
        charts.append(
            Bars(
                msg("Outages by severity"),
                msg("How many outages of each severity reached into the period."),
                tuple(words.SEVERITY.values()),
                (Series(msg("outages"), tuple(Fraction(count) for count in counts)),),
                "",
            )
        )
        tables.append(
            Table(
                "outages",
                msg("Outages by severity"),
                (words.SEVERITY_COLUMN, words.COUNT),
                tuple(zip(words.SEVERITY.values(), counts, strict=True)),
            )
        )
    if own is not None and own.rows:
        statistics = _statistics(material, own)
        tables += [as_table(own), *statistics.tables]
        charts += statistics.charts
    if not tables:
        return absent(msg("Nothing to sum up: no request and no outage is on record."))
    return Parts(tuple(tables), tuple(charts))
