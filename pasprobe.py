"""The pasprobe command line: puts the rooms together; nothing imports it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

# numpy's linear algebra would start a thread per core that pasprobe never uses.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

import agent.commands
import agent.daemon.commands
import analysis.commands
import collectors.commands
import device_configs.commands
import incidents.commands
import incidents.runbook_commands
import incidents.watch_commands
import inventory.commands
import timeseries.commands

if TYPE_CHECKING:
    from agent.daemon.reading import OrderDevices
    from agent.demo.screen import Screen
    from analysis.catalogue_rows import Catalogue
    from analysis.measurement import Measurement
    from incidents.changes import Imported
    from incidents.clocks_of import Limits
    from incidents.criticality import Rules
    from incidents.runbook import Tools
    from incidents.signs import DeviceSign
    from incidents.tickets import Ticket
    from inventory.load import Loaded
    from inventory.models import Configuration, Influxdb
    from inventory.operations import Device
    from timeseries.influx_check import Step
    from timeseries.reader import Reader

app = typer.Typer(
    rich_markup_mode="markdown",  # "rich" takes what stands in brackets for its own
    name="pasprobe",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The network probe that a contract can be settled on.",
)


def _catalogue() -> Catalogue:
    from analysis.catalogue_rows import load_catalogue

    return load_catalogue()


def _order_devices() -> OrderDevices:
    from collectors.service import polling_order

    return polling_order


def _data_dir(config: Path | None) -> Path:
    from inventory.errors import ConfigurationError, Problem
    from inventory.load import load

    loaded = load(config, environ=os.environ, resolve_secrets=False)
    if loaded.configuration.agent is None:
        remedy = "write [agent] with name and data_dir, or give --store DIR"
        raise ConfigurationError((Problem(loaded.path, None, "there is no [agent]", remedy),))
    return loaded.configuration.agent.data_dir


def _try_influx(influx: Influxdb) -> Iterator[Step]:
    from agent.daemon.reading import influx_target
    from timeseries.influx_check import check

    return check(influx_target(influx, os.environ))


def _open_influx(influx: Influxdb) -> Reader:
    from agent.daemon.reading import influx_target
    from timeseries.influx_reader import InfluxReader

    return InfluxReader(influx_target(influx, os.environ))


def _limits(configuration: Configuration) -> Limits:
    from analysis.desk_limits import limits_for

    return limits_for(configuration)


def _check_ticket(ticket: Ticket, configuration: Configuration) -> None:
    from analysis.desk_tickets import check_desk_ticket

    check_desk_ticket(ticket, configuration)


def _read_tickets(
    name: str, content: bytes, configuration: Configuration, rules: Rules
) -> tuple[Imported, ...]:
    from analysis.desk_tickets import read_for_desk

    return read_for_desk(name, content, configuration, rules)


def _device_signs(_: Configuration, reader: Reader, after_ns: int) -> list[DeviceSign]:
    from incidents.device_records import signs

    return signs(reader, after_ns)


def _device_state(reader: Reader, device: str) -> dict[str, object] | None:
    from incidents.device_records import last_state

    return last_state(reader, device)


def _device_tools(loaded: Loaded) -> Tools:
    from incidents.device_tools import tools

    return tools(loaded, os.environ)


def _restore_checks(
    loaded: Loaded, device: Device, words: Sequence[str]
) -> Callable[[], Sequence[str]]:
    from incidents.restore_checks import checks

    return checks(loaded, device, words, _catalogue(), os.environ)


inventory.commands.register(app, _catalogue, _try_influx)
agent.commands.register(app)
agent.daemon.commands.register(app, _catalogue, _order_devices)
timeseries.commands.register(app, _data_dir)
collectors.commands.register(app)
_desk = incidents.commands.register(
    app, incidents.commands.Links(_limits, _check_ticket, _read_tickets)
)
incidents.watch_commands.register(
    _desk, incidents.watch_commands.WatchLinks(_device_signs, _device_state, _catalogue)
)
incidents.runbook_commands.register(_desk, _device_tools)
analysis.commands.register(app, _open_influx)
device_configs.commands.register(app, _restore_checks)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Records and report; an earlier demo is replaced.")
    ] = Path("pasprobe-demo"),
    # 6 s hold two trains of each path, answered and past their timeout.
    seconds: Annotated[int, typer.Option(min=6, max=3600, help="How long to measure.")] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="An object with every verdict.")] = False,
) -> None:
    """Measure five emulated access profiles and judge them, on this host alone.

    One of them breaches its limits. No root, no network, no server; nothing leaves 127.0.0.1.
    Exit 1: nothing could be judged.

    Example: pasprobe demo --output /tmp/pasprobe-demo --seconds 60
    """
    from agent.demo.screen import Screen
    from analysis.lines import Status
    from analysis.report import write_report
    from analysis.verdict_text import print_verdicts, result_object

    with Screen() as screen:
        measurement = _measure_demo(output, seconds, screen)
        screen.stage("writing the report")
        report = output / "report.html"
        write_report(measurement, "pasprobe demo: five emulated access points", report)
    if as_json:
        typer.echo(json.dumps({**result_object(measurement), "report": str(report)}))
    else:
        print_verdicts(measurement)
        typer.echo(f"Report:  {report}\nRecords: pasprobe export trains --store {output}")
    judged = (Status.MET, Status.NOT_MET)
    raise typer.Exit(0 if any(v.outcome in judged for v in measurement.verdicts) else 1)


def _measure_demo(output: Path, seconds: int, screen: Screen) -> Measurement:
    """Measure into the store, then judge what the store says."""
    import time

    from agent.daemon.reading import assignments
    from agent.demo import run as emulated
    from agent.demo.far_side import running_lab
    from agent.engine.loop import quiet_python
    from analysis.evidence import gather
    from analysis.measurement import Measurement
    from analysis.verdict import judge_all
    from timeseries.embedded import EmbeddedStore
    from timeseries.reader import EmbeddedReader
    from timeseries.rollup import QUARTER_NS, quarter_of
    from timeseries.seal import head_line
    from timeseries.spool import Spool
    from timeseries.spool_file import SPOOL_NAME

    emulated.claim(output)
    catalogue, refusal = _catalogue(), emulated.icmp_refusal()
    for line in emulated.introduction(seconds, refusal):
        screen.stage(line)
    with (
        running_lab({site.pas: site.link for site in emulated.FAR}, emulated.SEED) as lab,
        Spool(output / SPOOL_NAME) as spool,
    ):
        store = EmbeddedStore(output, spool)
        configuration = emulated.configuration(lab.ports, output, icmp=not refusal)
        wanted = assignments(configuration, catalogue, os.environ)
        quiet_python()
        from_ns = time.time_ns()
        emulated.measure(wanted.values(), seconds, spool, screen.measuring)
        to_ns = time.time_ns()
        screen.measured()
        screen.stage("adding up quarter hours, writing Parquet")
        # The quarter is not over, but the demo is.
        store.roll_up(quarter_of(to_ns) + QUARTER_NS, grace_ns=0)
        store.flush()
    evidence = gather(EmbeddedReader(output), wanted, from_ns, to_ns)
    verdicts = judge_all(configuration, catalogue, evidence)
    notes = (*emulated.notes(refusal), head_line(output))
    return Measurement(configuration, catalogue, from_ns, to_ns, evidence, verdicts, notes)


def main() -> None:
    """Run the command line; what a user got wrong ends in one line and exit code 2."""
    from agent.errors import ProbeError
    from analysis.errors import ReportError
    from device_configs.errors import DeviceConfigError
    from incidents.errors import IncidentError
    from inventory.errors import ConfigurationError, SecretError
    from timeseries.errors import StoreError

    try:
        app()
    except (
        ProbeError,
        StoreError,
        ConfigurationError,
        SecretError,
        ReportError,
        DeviceConfigError,
        IncidentError,
    ) as error:
        sys.stderr.write(f"pasprobe: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
