"""What the `pasprobe sla` commands share: their options, and how a wrong call ends. Light."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

CONFIG_HELP = "File, or folder of *.toml; else $PASPROBE_CONFIG, ./pasprobe.toml, /etc/pasprobe/."
PeriodOption = Annotated[
    str, typer.Option("--period", help="A month (2011-05) or four months (2011-2).")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help=CONFIG_HELP)]
FactsOption = Annotated[
    Path | None,
    typer.Option("--facts", help="Folder of facts; else `facts` beside the configuration."),
]
StoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--store",
        help="Data directory (repeatable), or `influxdb` for the configured server; "
        "else the agent's data_dir.",
    ),
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", help="Open delays are counted to here; else to now. ISO 8601, local."),
]
TrainsOption = Annotated[
    bool, typer.Option("--from-trains", help="Add up single trains, not roll-ups.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@contextmanager
def told() -> Iterator[None]:
    """What a user got wrong ends in its text, a line a problem, and exit status 2."""
    from analysis.errors import ContractError, FactsError
    from analysis.evaluation.asked import AskedError
    from incidents.errors import IncidentError
    from inventory.errors import CalendarError, ConfigurationError, SecretError
    from timeseries.errors import StoreError

    wrong = (
        AskedError,
        CalendarError,
        ConfigurationError,
        ContractError,
        FactsError,
        IncidentError,
        SecretError,
        StoreError,
    )
    try:
        yield
    except wrong as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say what is wrong with the call, and end with exit status 2."""
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(2) from None
