"""The result of an evaluation for people: a table, what to know, and what lies ahead."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.catalogue_rows import load_catalogue
from analysis.evaluation.packets import in_words
from analysis.lines import Line, Result, Status

_COLOURS = {
    Status.MET: "green",
    Status.NOT_MET: "red",
    Status.INSUFFICIENT: "yellow",
    Status.NO_DATA: "dim",
}


def print_result(result: Result, console: Console | None = None) -> None:
    """The lines by service, the total, the warnings; of a month the outlook in place of euro."""
    out = console or Console()
    for table in _tables(result):
        out.print(table)
        out.print()
    if result.period.kind == "four-months":
        out.print(f"Total {result.total_eur} EUR, {escape(result.administration)}, {result.period}")
    for one in result.outlook:
        if one.expected_eur or one.margin:
            margin = f"; {one.margin}" if one.margin else ""
            out.print(
                f"line {one.line}: {one.expected_eur} EUR expected{escape(margin)}", soft_wrap=True
            )
    for warning in result.warnings:
        where = " ".join(filter(None, (warning.service, warning.pas)))
        text = f"{where}: {warning.text}" if where else warning.text
        out.print(f"[yellow]{warning.code}[/] {escape(text)}", soft_wrap=True)


def line_figures(line: Line) -> tuple[str, str]:
    """Measured value, and the limit with the unit of both."""
    unit = "%" if line.unit == "percent" else line.unit
    measured = "-" if line.measured is None else in_words(line.measured)
    return measured, unit if line.limit is None else f"{line.limit} {unit}"


def _tables(result: Result) -> Iterator[Table]:
    """One a service, narrow enough for a terminal of 80 columns."""
    charged = result.period.kind == "four-months"
    names = {service.id: f"{service.name} ({service.id})" for service in load_catalogue().services}
    for service, lines in groupby(result.lines, key=lambda line: line.service):
        table = Table(
            title=names.get(service, service),
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column("#")
        table.add_column("parameter", no_wrap=True)
        table.add_column("where", overflow="fold")
        table.add_column("measured (limit)", overflow="fold")
        table.add_column("", no_wrap=True)
        if charged:
            table.add_column("EUR", justify="right", no_wrap=True)
        for line in lines:
            table.add_row(*_cells(line, charged=charged))
        yield table


def _cells(line: Line, *, charged: bool) -> Iterator[str]:
    where = " - ".join(filter(None, (line.pas, line.peer)))
    about = " ".join(filter(None, (where, line.level, line.event)))
    measured, limit = line_figures(line)
    value = f"{measured} {limit}" if line.limit is None else f"{measured} ({limit})"
    yield from (str(line.number), line.parameter, escape(about), value)
    yield f"[{_COLOURS[line.status]}]{line.status.value}[/]"
    if charged:
        yield str(line.penalty_eur)
