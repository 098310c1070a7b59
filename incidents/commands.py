"""`pasprobe incident`: open, list, show. Heavy imports are inside: `ping` starts at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

import incidents.change_commands
import incidents.file_commands
from incidents import agenda_commands, call_commands, escalation_commands, sending_commands
from incidents.desk_options import wide_console
from incidents.ticket_options import (
    ConfigOption,
    JsonOption,
    WhoOption,
    actor_of,
    fail,
    instant,
    maybe_instant,
    open_desk_of,
    zone_of,
)

if TYPE_CHECKING:
    from incidents.changes import Imported
    from incidents.clocks_of import Limits
    from incidents.criticality import Rules
    from incidents.tickets import Component, Criticality, Severity, Ticket
    from inventory.models import Configuration

SEVERITIES: tuple[Severity, ...] = ("blocking", "non-blocking")
CRITICALITIES: tuple[Criticality, ...] = ("minor", "major", "critical")
COMPONENTS: tuple[Component, ...] = ("", "monitoring", "device")
_W = TypeVar("_W", bound=str)


@dataclass(frozen=True, slots=True)
class Links:
    """What other rooms do for the desk; `pasprobe.py` passes it in."""

    limits: Callable[[Configuration], Limits]
    """The contract's restoration limits."""
    check: Callable[[Ticket, Configuration], None]
    """Raises `ImportRefusedError` where an evaluation would refuse the ticket."""
    read: Callable[[str, bytes, Configuration, Rules], tuple[Imported, ...]]
    """Tickets of a file in the facts format."""


def register(app: typer.Typer, links: Links) -> typer.Typer:
    """Add `incident` and return it, so that the rest of the room adds its own commands."""
    incident = typer.Typer(
        no_args_is_help=True,
        help="The incident desk: alerts, tickets, notices, escalation, runbooks.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.add_typer(incident, name="incident")
    _register_open(incident, links)
    _register_list(incident, links)
    _register_show(incident, links)
    incidents.change_commands.register(incident, links.check)
    incidents.file_commands.register(incident, links.read)
    for more in (sending_commands, call_commands, escalation_commands, agenda_commands):
        more.register(incident)
    return incident


def _register_open(incident: typer.Typer, links: Links) -> None:
    @incident.command(name="open")
    def open_ticket(
        summary: Annotated[str, typer.Argument(help="What does not work.")],
        service: Annotated[list[str], typer.Option("--service", help="Hit (repeatable).")],
        severity: Annotated[str, typer.Option(help=" | ".join(SEVERITIES))],
        pas: Annotated[
            list[str] | None, typer.Option("--pas", help="Hit (repeatable); else all.")
        ] = None,
        at: Annotated[
            str, typer.Option("--at", help="When the fault began. ISO 8601, local; or now.")
        ] = "now",
        reported: Annotated[
            str | None, typer.Option("--reported", help="When the user reported it; or now.")
        ] = None,
        affected: Annotated[int, typer.Option(min=0, help="PAS hit; else those named.")] = 0,
        criticality: Annotated[
            str | None, typer.Option(help=f"{' | '.join(CRITICALITIES)}; else by annex 1.")
        ] = None,
        tills: Annotated[int | None, typer.Option(min=0, help="Tills hit.")] = None,
        shops: Annotated[int | None, typer.Option(min=0, help="Shops hit.")] = None,
        operators: Annotated[int | None, typer.Option(min=0, help="Operators hit.")] = None,
        values: Annotated[int | None, typer.Option(min=0, help="Values hit.")] = None,
        component: Annotated[str, typer.Option(help="Chapter 7: monitoring | device.")] = "",
        kind: Annotated[str, typer.Option(help="As server, firewall, switch, line.")] = "",
        device: Annotated[str, typer.Option(help="Id of the device or server.")] = "",
        address: Annotated[
            str, typer.Option(help="Subnet or server; else of --device or path.")
        ] = "",
        client: Annotated[str, typer.Option(help="Name of the client; else the only one.")] = "",
        cause: Annotated[str, typer.Option(help="As far as it is known.")] = "",
        alert: Annotated[
            list[int] | None, typer.Option("--alert", help="Analysed alert (repeatable).")
        ] = None,
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Open a ticket, by hand or from analysed alerts.

        Example: pasprobe incident open "tills offline" --pas roma-01 --service ip-base \
--severity blocking --at 2026-05-31T18:30 --reported now
        """
        from incidents.changes import Declare, Report
        from incidents.tickets import Hit, NewTicket

        with open_desk_of(config) as opened:
            configuration = opened.configuration
            zone, named = zone_of(configuration, pas or ()), tuple(pas or ())
            _check_names(configuration, service, named)
            new = NewTicket(
                services=tuple(service),
                summary=summary,
                severity=_one_of("--severity", severity, SEVERITIES),
                opened_ns=instant("--at", at, zone),
                pas=named,
                affected=affected,
                hit=Hit(tills, shops, operators, values),
                criticality=None
                if criticality is None
                else _one_of("--criticality", criticality, CRITICALITIES),
                component=_one_of("--component", component, COMPONENTS),
                kind=kind,
                device=device,
                address=address or _address_of(configuration, device, named, service),
                client=client or _only_client(configuration),
                cause=cause,
                alerts=tuple(alert or ()),
            )
            reported_ns = maybe_instant("--reported", reported, zone)
            actor = actor_of(configuration, who)
            with opened.desk.transaction("opening a ticket"):
                ticket = opened.desk.open(new, actor)
                links.check(ticket, configuration)
                for number in alert or ():
                    opened.desk.change_alert(number, actor, Declare(ticket.id))
                if reported_ns is not None:
                    ticket = opened.desk.change(ticket.id, actor, Report(reported_ns))
        print_ticket(ticket, as_json=as_json)


def _register_list(incident: typer.Typer, links: Links) -> None:
    @incident.command(name="list")
    def list_tickets(
        every: Annotated[
            bool, typer.Option("--all", help="Closed and withdrawn ones, too.")
        ] = False,
        pas: Annotated[str, typer.Option("--pas", help="Only those that name this PAS.")] = "",
        alerts: Annotated[
            bool, typer.Option("--alerts", help="Alerts that nobody dealt with, instead.")
        ] = False,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """List open tickets with what is left of each time limit.

        Example: pasprobe incident list --pas roma-01
        """
        from incidents.clocks_of import clocks_of
        from incidents.desk_text import alert_table, clock_object, ticket_table
        from incidents.dossier import alert_values, ticket_values
        from incidents.tickets import OPEN, AlertState

        with open_desk_of(config) as opened:
            _check_names(opened.configuration, (), (pas,) if pas else ())
            zone = zone_of(opened.configuration)
            if alerts:
                waiting = (AlertState.RAISED, AlertState.ANALYSED)
                found = opened.desk.alerts(states=None if every else waiting)
                found = tuple(a for a in found if not pas or pas in a.pas)
                objects = [alert_values(a) for a in found]
                _print(
                    as_json,
                    objects,
                    "there is no alert" if every else "no alert waits",
                    lambda: alert_table(found, zone),
                )
                return
            limits = links.limits(opened.configuration)
            gtr_ns, now_ns = opened.configuration.incident.gtr_ns, opened.desk.clock()
            rows = [
                (ticket, clocks_of(ticket, now_ns, gtr_ns=gtr_ns, limits=limits))
                for ticket in opened.desk.tickets(states=None if every else OPEN, pas=pas)
            ]
        objects = [
            {**ticket_values(ticket), "clocks": [clock_object(clock) for clock in clocks]}
            for ticket, clocks in rows
        ]
        _print(
            as_json,
            objects,
            "there is no ticket" if every else "no ticket is open",
            lambda: ticket_table(rows, zone),
        )


def _register_show(incident: typer.Typer, links: Links) -> None:
    @incident.command()
    def show(
        ticket_id: Annotated[str, typer.Argument(metavar="TICKET", help="Its id or number.")],
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Show one ticket: fields, time limits, plan, evidence and the whole trail.

        Exit 1: there is no such ticket.

        Example: pasprobe incident show 12
        """
        from incidents.clocks_of import clocks_of
        from incidents.desk_text import clock_object, overlapping, ticket_page
        from incidents.dossier import ticket_object

        with open_desk_of(config) as opened:
            configuration, desk = opened.configuration, opened.desk
            ticket = desk.ticket(ticket_id)
            now_ns = desk.clock()
            gtr_ns, limits = configuration.incident.gtr_ns, links.limits(configuration)
            clocks = clocks_of(ticket, now_ns, gtr_ns=gtr_ns, limits=limits)
            windows = overlapping(ticket, configuration.maintenance, now_ns)
            if as_json:
                shown = {
                    **ticket_object(desk, ticket),
                    "clocks": [clock_object(clock) for clock in clocks],
                    "maintenance": [window.model_dump(mode="json") for window in windows],
                }
                typer.echo(json.dumps(shown, ensure_ascii=False))
                return
            entries = desk.history(ticket.id)
        zone = zone_of(configuration, ticket.pas)
        typer.echo("\n".join(ticket_page(ticket, clocks, entries, windows, zone)))


def _one_of(option: str, text: str, allowed: tuple[_W, ...]) -> _W:
    for word in allowed:
        if word == text:
            return word
    words = " or ".join(word for word in allowed if word)
    fail(f"{option}: {text!r} — write {words}")
    raise AssertionError


def _address_of(
    configuration: Configuration, device: str, pas: Sequence[str], services: Sequence[str]
) -> str:
    """Of the device or server, else what is measured there where that is one, for the subject."""
    hosts = {one.id: str(one.host) for one in configuration.devices}
    hosts |= {one.id: str(one.production) for one in configuration.servers}
    if device:
        return hosts.get(device, "")
    targets = {
        str(path.target)
        for path in configuration.paths
        if path.pas in pas and path.service in services and path.target is not None
    }
    return targets.pop() if len(targets) == 1 else ""


def _only_client(configuration: Configuration) -> str:
    names = [client.name for client in configuration.clients]
    return names[0] if len(names) == 1 else ""


def _check_names(configuration: Configuration, services: Sequence[str], pas: Sequence[str]) -> None:
    from inventory.checks import nearest
    from inventory.services import SERVICES

    for service in services:
        if service not in SERVICES:
            remedy = nearest(service, tuple(SERVICES))
            fail(f'--service: there is no service "{service}" — {remedy}')
    known = [one.id for one in configuration.pas]
    for name in pas:
        if name not in known:
            fail(f'--pas: there is no PAS "{name}" — {nearest(name, known)}')


def print_ticket(ticket: Ticket, *, as_json: bool) -> None:
    """What became of a ticket, in a line or as an object."""
    from incidents.dossier import ticket_values

    if as_json:
        typer.echo(json.dumps(ticket_values(ticket), ensure_ascii=False))
    else:
        typer.echo(f"{ticket.id}: {ticket.state.value}, {ticket.severity}, {ticket.criticality}")


def _print(
    as_json: bool, objects: list[dict[str, object]], empty: str, table: Callable[[], object]
) -> None:
    if as_json:
        typer.echo(json.dumps(objects, ensure_ascii=False))
    elif objects:
        wide_console().print(table())
    else:
        typer.echo(empty)
