"""`pasprobe sla`: catalogue, evaluate, explain. Heavy imports are inside: `ping` starts at once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import analysis.archive_commands
import analysis.report_commands
from analysis.sla_options import (
    AsOfOption,
    ConfigOption,
    FactsOption,
    JsonOption,
    PeriodOption,
    StoreOption,
    TrainsOption,
    fail,
    told,
)

if TYPE_CHECKING:
    from analysis.catalogue_rows import Catalogue
    from analysis.evaluation.inputs import Inputs
    from analysis.explain import WorstTrain
    from analysis.lines import Line, Result
    from inventory.models import Influxdb
    from timeseries.reader import Reader


def register(app: typer.Typer, open_influx: Callable[[Influxdb], Reader]) -> typer.Typer:
    """Add `sla` and return it; `open_influx` opens the server of `[influxdb]`."""
    sla = typer.Typer(
        no_args_is_help=True,
        help="Service levels, penalties and the contractual documents.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.add_typer(sla, name="sla")
    _register_catalogue(sla)
    _register_evaluate(sla, open_influx)
    _register_explain(sla, open_influx)
    analysis.report_commands.register(sla, open_influx)
    analysis.archive_commands.register(sla, open_influx)
    return sla


def _register_catalogue(sla: typer.Typer) -> None:
    @sla.command()
    def catalogue(
        service: Annotated[
            str | None, typer.Option("--service", help="Only this one, by its id.")
        ] = None,
        config: ConfigOption = None,  # noqa: ARG001 (every command takes it)
        as_json: JsonOption = False,
    ) -> None:
        """Show every service, parameter, limit and penalty of the annex with its clause.

        Example: pasprobe sla catalogue --service ip-base
        """
        from analysis.catalogue_rows import load_catalogue

        loaded = load_catalogue()
        if service is not None:
            found = loaded.service(service)
            if found is None:
                from inventory.checks import nearest

                known = [one.id for one in loaded.services]
                fail(f'--service: there is no service "{service}" — {nearest(service, known)}')
        chosen = loaded.to_json()["services"]
        if service is not None:
            chosen = [one for one in chosen if one["id"] == service]
        if as_json:
            typer.echo(json.dumps({"services": chosen}, ensure_ascii=False))
        else:
            _print_catalogue(loaded, service)


def _register_evaluate(sla: typer.Typer, open_influx: Callable[[Influxdb], Reader]) -> None:
    @sla.command()
    def evaluate(
        period: PeriodOption,
        service: Annotated[
            str | None, typer.Option("--service", help="Only this one, by its id.")
        ] = None,
        facts: FactsOption = None,
        store: StoreOption = None,
        as_of: AsOfOption = None,
        from_trains: TrainsOption = False,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Measure every parameter of the contract against its limit, to the cent.

        Of a month: the figures without penalties, what the running four months will cost if they go
        on like this, and the margin left. Exit 1: some line is not met.

        Example: pasprobe sla evaluate --period 2011-2 --facts facts/ --json
        """
        from analysis.lines import Status

        with told():
            inputs, result = _evaluated(
                period, facts, store, as_of, config, open_influx, from_trains=from_trains
            )
            from analysis.evaluation.asked import check_service

            check_service(service, inputs)
        if service is not None:
            result = of_service(result, service)
        if as_json:
            from analysis.evaluation.result_json import result_object

            typer.echo(json.dumps(result_object(result), ensure_ascii=False))
        else:
            from analysis.result_text import print_result

            print_result(result)
        if any(line.status is Status.NOT_MET for line in result.lines):
            raise typer.Exit(1)


def _register_explain(sla: typer.Typer, open_influx: Callable[[Influxdb], Reader]) -> None:
    @sla.command()
    def explain(
        period: PeriodOption,
        line: Annotated[int, typer.Option("--line", min=1, help="Its number in `sla evaluate`.")],
        facts: FactsOption = None,
        store: StoreOption = None,
        as_of: AsOfOption = None,
        from_trains: TrainsOption = False,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Take one line apart: formula, clause, readings, counters per day, trains, tickets.

        Exit 1: there is no such line.

        Example: pasprobe sla explain --period 2011-2 --line 12
        """
        from analysis.explain import (
            NoSuchLineError,
            explanation_object,
            explanation_text,
            find_line,
        )
        from analysis.explain import explain as take_apart

        with told():
            inputs, result = _evaluated(
                period,
                facts,
                store,
                as_of,
                config,
                open_influx,
                from_trains=from_trains,
                each_day=True,
            )
        try:
            wanted = find_line(result, line)
        except NoSuchLineError as error:
            sys.stderr.write(f"{error}\n")
            raise typer.Exit(1) from None
        with told():
            trains = _worst(inputs, wanted, store, open_influx)
        explanation = take_apart(inputs, result, line, trains)
        if as_json:
            typer.echo(json.dumps(explanation_object(explanation), ensure_ascii=False))
        else:
            typer.echo("\n".join(explanation_text(explanation)))


def _evaluated(
    period: str,
    facts: Path | None,
    store: list[str] | None,
    as_of: str | None,
    config: Path | None,
    open_influx: Callable[[Influxdb], Reader],
    *,
    from_trains: bool,
    each_day: bool = False,
) -> tuple[Inputs, Result]:
    from analysis.evaluation.asked import Asked, gathered
    from analysis.evaluation.evaluate import evaluate

    asked = Asked(period, config, facts, tuple(store or ()), as_of, from_trains)
    inputs = gathered(asked, os.environ, open_influx, each_day=each_day)
    return inputs, evaluate(inputs)


def _worst(
    inputs: Inputs,
    line: Line,
    store: list[str] | None,
    open_influx: Callable[[Influxdb], Reader],
) -> tuple[WorstTrain, ...]:
    from analysis.evaluation.asked import Asked, reader_of
    from analysis.explain_trains import worst_of

    reader = reader_of(Asked("", store=tuple(store or ())), inputs.configuration, open_influx)
    return () if reader is None else worst_of(inputs, line, reader)


def of_service(result: Result, service: str) -> Result:
    """The part of a result that is about one service; its lines keep their numbers."""
    from dataclasses import replace
    from decimal import Decimal

    lines = tuple(line for line in result.lines if line.service == service)
    numbers = {line.number for line in lines}
    return replace(
        result,
        lines=lines,
        total_eur=sum((line.penalty_eur for line in lines), Decimal("0.00")),
        warnings=tuple(w for w in result.warnings if w.service in ("", service)),
        gaps=tuple(gap for gap in result.gaps if gap.service == service),
        outlook=tuple(one for one in result.outlook if one.line in numbers),
    )


def _print_catalogue(catalogue: Catalogue, service: str | None) -> None:
    from rich.console import Console

    from analysis.catalogue_text import catalogue_tables

    console = Console()
    for table in catalogue_tables(catalogue, service):
        console.print(table)
