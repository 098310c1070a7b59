"""What the desk's commands share: options, errors, the desk and its people by the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from incidents.ticket_options import fail, rules_of

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from incidents.desk import Desk
    from incidents.notices import Post
    from incidents.working_hours import Rota
    from inventory.load import Loaded
    from inventory.models import Configuration

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="File, or folder of *.toml; else $PASPROBE_CONFIG, ./pasprobe.toml, ..."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="The desk's folder; else agent.data_dir."),
]


def loaded(config: Path | None) -> Loaded:
    """The configuration; secrets are read where they are used."""
    from inventory.load import load

    return load(config, environ=os.environ, resolve_secrets=False)


def folder_of(configuration: Configuration, data_dir: Path | None) -> Path:
    """Where the desk's file is."""
    if data_dir is not None:
        return data_dir
    if configuration.incident.data_dir is not None:
        return configuration.incident.data_dir
    if configuration.agent is None:
        fail("there is no [agent]: write [incident] data_dir, or give --data-dir")
    return configuration.agent.data_dir


@contextmanager
def desk_in(configuration: Configuration, folder: Path) -> Iterator[Desk]:
    """The desk of a folder with the configured rules, closed afterwards."""
    from incidents.desk import open_desk

    with open_desk(folder, rules=rules_of(configuration)) as desk:
        yield desk


def rota_about(configuration: Configuration, year: int) -> Rota:
    """The rota of a year and those around it."""
    from incidents.working_hours import rota_of

    return rota_of(configuration, range(year - 2, year + 4))


@contextmanager
def post_in(configuration: Configuration, folder: Path) -> Iterator[Post]:
    """The desk of a folder with all that notices need."""
    from datetime import UTC, datetime

    from incidents.notices import post_of

    with desk_in(configuration, folder) as desk:
        yield post_of(desk, configuration, rota_about(configuration, datetime.now(UTC).year))


def date_of(text: str) -> date:
    """A date of the command line."""
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no date: write 2026-11-23")


def print_table(rows: list[dict[str, Any]], columns: list[str], empty: str) -> None:
    """Those columns that have a value somewhere, or the words for nothing."""
    if not rows:
        typer.echo(empty)
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    shown = [c for c in columns if any(row.get(c) not in ("", None) for row in rows)]
    for column in shown:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if row.get(c) is None else str(row[c])) for c in shown))
    wide_console().print(table)


def wide_console() -> Console:
    """For tables: a pipe has no width of its own, and 80 columns would fold every word."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=180)
