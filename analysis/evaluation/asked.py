"""What a `pasprobe sla` command was asked: words of the command line to inputs of an evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from analysis.catalogue_rows import load_catalogue
from analysis.desk_tickets import desk_folder
from analysis.evaluation.gather import Sources, gather
from analysis.evaluation.inputs import Inputs
from inventory.checks import nearest
from inventory.clocks import day_bounds, utc_ns
from inventory.load import Loaded, load
from inventory.models import Configuration, Influxdb
from inventory.periods import Period, parse_period
from inventory.values import ValueKindError
from timeseries.reader import EmbeddedReader, Reader

OpenInflux = Callable[[Influxdb], Reader]
FACTS = "facts"
"""The folder beside the configuration that is read where `--facts` names none."""
INFLUX = "influxdb"
"""What `--store` says for the server of `[influxdb]`."""


class AskedError(Exception):
    """A word of the command line cannot be used; the text says how to write it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that all commands on a period share."""

    period: str
    config: Path | None = None
    facts: Path | None = None
    store: Sequence[str] = ()
    """Data directories, or `influxdb`; empty: what the configuration has."""
    as_of: str | None = None
    from_trains: bool = False


def gathered(
    asked: Asked,
    environ: Mapping[str, str],
    open_influx: OpenInflux,
    *,
    each_day: bool = False,
    devices: bool = False,
) -> Inputs:
    """The inputs that were asked for, with the store read.

    Raises `AskedError`, and what `load` and `gather` raise.
    """
    loaded = load(asked.config, environ=environ, resolve_secrets=False)
    configuration = loaded.configuration
    period = period_of(asked.period)
    sources = Sources(
        facts_folder(asked, loaded),
        _store(asked, configuration, open_influx),
        desk_folder(configuration),
    )
    return gather(
        configuration,
        load_catalogue(),
        period,
        sources,
        as_of_ns=as_of_ns(asked.as_of, configuration),
        each_day=each_day,
        from_trains=asked.from_trains,
        devices=devices,
    )


def reader_of(asked: Asked, configuration: Configuration, open_influx: OpenInflux) -> Reader | None:
    """The store itself, for single trains; None where there is none."""
    folders = _folders(asked, configuration)
    if folders is None:
        return _influx(asked, configuration, open_influx)
    return EmbeddedReader(folders)


def period_of(text: str) -> Period:
    """A period as people write it; `AskedError` says how."""
    try:
        return parse_period(text)
    except ValueKindError as error:
        raise AskedError(f"--period: {error} — {error.remedy}") from None


def as_of_ns(text: str | None, configuration: Configuration) -> int:
    """The instant that open delays are counted to: now, or a time or the end of a day, local."""
    if text is None:
        return time.time_ns()
    contract = configuration.contract
    zone: tzinfo = ZoneInfo("UTC" if contract is None else contract.timezone)
    try:
        if len(text) == len("2011-09-20"):
            return day_bounds(date.fromisoformat(text), zone)[1] - 1
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise AskedError(
            f'--as-of: {text!r} is no time — write "2011-09-20" (to the end of that day) or '
            '"2011-09-20T12:00", local to [contract].timezone'
        ) from None
    return utc_ns(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def check_service(service: str | None, inputs: Inputs) -> None:
    """`AskedError` for a service that the contract does not list."""
    if service is None:
        return
    configuration = inputs.configuration
    whole = configuration.contract.services if configuration.contract else ()
    listed = {entry.id for pas in configuration.pas for entry in pas.services}
    listed |= {entry.id for entry in whole}
    if service not in listed:
        remedy = nearest(service, sorted(listed))
        raise AskedError(f'--service: the contract does not list "{service}" — {remedy}')


def facts_folder(asked: Asked, loaded: Loaded) -> Path | None:
    """The facts folder: the one asked for, or `facts` beside the configuration; None: neither."""
    if asked.facts is not None:
        return asked.facts
    folder = loaded.path if loaded.path.is_dir() else loaded.path.parent
    return folder / FACTS if (folder / FACTS).is_dir() else None


def _store(
    asked: Asked, configuration: Configuration, open_influx: OpenInflux
) -> Sequence[Path] | Reader | None:
    folders = _folders(asked, configuration)
    return _influx(asked, configuration, open_influx) if folders is None else folders


def _influx(asked: Asked, configuration: Configuration, open_influx: OpenInflux) -> Reader | None:
    if INFLUX not in asked.store:
        return None
    if configuration.influxdb is None:
        raise AskedError(f"--store {INFLUX}: there is no [influxdb] — configure it")
    return open_influx(configuration.influxdb)


def _folders(asked: Asked, configuration: Configuration) -> list[Path] | None:
    """Data directories; None where the server is asked for, or nothing has been measured."""
    if INFLUX in asked.store:
        if len(asked.store) > 1:
            raise AskedError(f"--store {INFLUX} cannot be added to folders — ask for one of them")
        return None
    if asked.store:
        return [Path(folder) for folder in asked.store]
    agent = configuration.agent
    if agent is not None and agent.data_dir.is_dir() and any(agent.data_dir.iterdir()):
        return [agent.data_dir]
    return None
