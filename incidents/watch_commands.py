"""`pasprobe incident watch`: the desk's loop on the SLA host. Heavy imports are inside."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from incidents.desk_options import ConfigOption, JsonOption, folder_of, rota_about
from incidents.ticket_options import fail, rules_of, told

if TYPE_CHECKING:
    from incidents.evidence import DeviceState
    from incidents.signs import DeviceSign
    from incidents.watch import Look, Watch
    from inventory.limits import LimitSource
    from inventory.models import Configuration
    from timeseries.reader import Reader


@dataclass(frozen=True, slots=True)
class WatchLinks:
    """What other rooms see for the watch; `pasprobe.py` passes it in."""

    events: Callable[[Configuration, Reader, int], Sequence[DeviceSign]] = field(
        default=lambda _configuration, _reader, _after_ns: ()
    )
    """Events of devices after an instant, from the collectors' records."""
    device_state: Callable[[Reader, str], Mapping[str, object] | None] = field(
        default=lambda _reader, _device: None
    )
    """What is known of a device, as evidence."""
    limits: Callable[[], LimitSource | None] = field(default=lambda: None)
    """The catalogue, when it is first needed."""


def register(incident: typer.Typer, links: WatchLinks) -> None:
    """Add `watch` to `incident`."""

    @incident.command()
    def watch(
        store: Annotated[
            list[Path] | None,
            typer.Option("--store", help="Data directory of an agent, or a copy; repeatable."),
        ] = None,
        every: Annotated[float, typer.Option(min=0.05, max=60, help="Seconds.")] = 0.5,
        seconds: Annotated[
            float | None, typer.Option(min=0, help="End after so long; else watch for ever.")
        ] = None,
        quiet: Annotated[
            bool, typer.Option("--quiet", help="Tell nobody: no notices, no escalation.")
        ] = False,
        trace: Annotated[
            bool, typer.Option("--trace/--no-trace", help="Attach a traceroute to new tickets.")
        ] = True,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Watch the store: alerts, tickets, notices, escalation, until Ctrl-C.

        Only one watch at a time. Without --store it reads the central InfluxDB, or the
        agent's own store.
        With --json a line an event.

        Example: pasprobe incident watch --store /srv/roma-01 --store /srv/milano-01
        """
        from agent.evidence.path import traceroute
        from incidents.desk import open_desk
        from incidents.notices import post_of
        from incidents.watch import Watch
        from incidents.watch_lock import only_one
        from incidents.watching import Loop
        from inventory.load import load

        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with told():
            loaded = load(config, environ=os.environ)
            configuration = loaded.configuration
            folder = folder_of(configuration, None)
            tells = configuration.notices is not None and configuration.mail is not None
            # What is wrong with the configuration is said before anything is waited for.
            rota = rota_about(configuration, _year()) if tells and not quiet else None
            read = _reading(configuration, store or [])
            with open_desk(folder, rules=rules_of(configuration)) as desk, only_one(folder):

                def eyes() -> tuple[Watch, DeviceState]:
                    reader = read()
                    watch = Watch(
                        desk,
                        reader,
                        configuration,
                        events=lambda after: links.events(configuration, reader, after),
                        limits=links.limits(),
                    )
                    return watch, lambda device: links.device_state(reader, device)

                Loop(
                    desk=desk,
                    eyes=eyes,
                    configuration=configuration,
                    config=loaded.path,
                    data_dir=folder,
                    post=None if rota is None else post_of(desk, configuration, rota),
                    trace=traceroute if trace else None,
                    show=lambda found: _show(found, as_json),
                ).run(every, stop, seconds)


def _reading(configuration: Configuration, stores: list[Path]) -> Callable[[], Reader]:
    """What opens the store, which need not be there yet."""
    from agent.daemon.reading import influx_target
    from timeseries.influx_reader import InfluxReader
    from timeseries.reader import EmbeddedReader

    if not stores and configuration.influxdb is not None:
        target = influx_target(configuration.influxdb, os.environ)
        return lambda: InfluxReader(target)
    if not stores and configuration.agent is None:
        fail("there is no store to watch: give --store DIR, or write [influxdb] or [agent]")
    folders = stores or [configuration.agent.data_dir] if configuration.agent else stores
    return lambda: EmbeddedReader(folders, threads=1)


def _show(found: Look, as_json: bool) -> None:
    if as_json:
        row = {
            "raised": [{"alert": a.id, "text": a.text, "pas": a.pas} for a in found.raised],
            "cleared": [{"alert": a.id, "text": a.text} for a in found.cleared],
            "tickets": [
                {"ticket": t.id, "state": t.state.value, "pas": t.pas} for t in found.tickets
            ],
        }
        typer.echo(json.dumps(row, ensure_ascii=False))
        return
    for alert in found.raised:
        typer.echo(f"alert {alert.id}: {alert.text}")
    for alert in found.cleared:
        typer.echo(f"alert {alert.id} is over: {alert.text}")
    for ticket in found.tickets:
        typer.echo(f"{ticket.id} {ticket.state.value}: {ticket.summary}")


def _year() -> int:
    from datetime import UTC, datetime

    return datetime.now(UTC).year
