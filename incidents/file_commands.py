"""`pasprobe incident import|export`: tickets in and out as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from incidents.ticket_options import (
    ConfigOption,
    JsonOption,
    Open,
    WhoOption,
    actor_of,
    fail,
    open_desk_of,
    rules_of,
    zone_of,
)

if TYPE_CHECKING:
    from incidents.changes import Imported
    from incidents.criticality import Rules
    from incidents.tickets import Actor
    from inventory.models import Configuration


def register(
    incident: typer.Typer,
    read: Callable[[str, bytes, Configuration, Rules], tuple[Imported, ...]],
) -> None:
    """Add the commands; `read` reads the facts format and raises `ImportRefusedError`."""

    @incident.command(name="import")
    def import_tickets(
        file: Annotated[
            Path | None, typer.Argument(help="tickets.csv as docs/facts.md has it.")
        ] = None,
        mail: Annotated[
            Path | None, typer.Option("--mail", help="A provider's mail with its headers (.eml).")
        ] = None,
        who: WhoOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Take over tickets of another system, with their ids: all of a file, or none.

        A row whose id the desk has already is refused; nothing is overwritten. --mail: an answer to
        a declaration goes to its ticket with the provider's number, anything else is a new alert.

        Example: pasprobe incident import facts/tickets.csv
        """
        if (file is None) == (mail is None):
            fail("say one of the two: a tickets.csv, or --mail FILE")
        with open_desk_of(config) as opened:
            actor = actor_of(opened.configuration, who)
            if mail is not None:
                taken_in = _take_mail(opened, mail, actor)
                typer.echo(json.dumps(taken_in) if as_json else _mail_words(taken_in))
                return
            if file is None:
                return
            rules = rules_of(opened.configuration)
            tickets = read(file.name, _content(file), opened.configuration, rules)
            with opened.desk.transaction("importing tickets"):
                taken = [opened.desk.import_ticket(ticket, actor).id for ticket in tickets]
        typer.echo(json.dumps({"imported": taken}) if as_json else f"{len(taken)} tickets imported")

    @incident.command()
    def export(
        output: Annotated[
            Path | None,
            typer.Option("--output", "-o", help="Folder of a dossier, or file of --facts."),
        ] = None,
        facts: Annotated[
            bool, typer.Option("--facts", help="Only tickets.csv in the facts format.")
        ] = False,
        pas: Annotated[
            str | None, typer.Option("--pas", help="The dossier of a PAS ([R-9.1-3]).")
        ] = None,
        ticket_id: Annotated[
            str | None, typer.Option("--ticket", help="The dossier of one ticket.")
        ] = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Write a dossier: tickets, trail, evidence and checksums in a new folder.

        --facts writes tickets.csv alone, to standard output without --output. Service-wide tickets
        are in the dossier of a PAS, for they hit it, too. Exit 1: there is no such ticket.

        Example: pasprobe incident export --pas roma-01 --output dossier-roma-01
        """
        from incidents.dossier import write_dossier, write_file
        from incidents.facts_csv import tickets_csv

        with open_desk_of(config) as opened:
            desk, configuration = opened.desk, opened.configuration
            if pas is not None and pas not in [one.id for one in configuration.pas]:
                fail(f'--pas: there is no PAS "{pas}" — write the id of a [[pas]]')
            tickets = desk.tickets() if ticket_id is None else (desk.ticket(ticket_id),)
            if pas is not None:
                has = {s.id for one in configuration.pas if one.id == pas for s in one.services}
                tickets = tuple(
                    t for t in tickets if pas in t.pas or (not t.pas and has & set(t.services))
                )
            zone = zone_of(configuration, () if pas is None else (pas,))
            if facts:
                content = tickets_csv(tickets, zone)
                if output is None:
                    typer.echo(content.decode(), nl=False)
                    return
                files = [write_file(output, content)]
            else:
                about = f"PAS {pas}" if pas else f"ticket {ticket_id}" if ticket_id else "all"
                folder = output or Path(f"dossier-{pas or ticket_id or 'all'}")
                files = write_dossier(desk, tickets, folder, about=about, zone=zone)
        if as_json:
            said = {"tickets": [t.id for t in tickets], "files": [str(name) for name in files]}
            typer.echo(json.dumps(said))
        else:
            typer.echo(f"{len(tickets)} tickets, {len(files)} files in {output or files[0].parent}")


def _content(file: Path) -> bytes:
    from incidents.errors import IncidentError

    try:
        return file.read_bytes()
    except OSError as error:
        raise IncidentError(f"{file}: {error.strerror} — name another file") from None


def _take_mail(opened: Open, file: Path, actor: Actor) -> dict[str, str | int | None]:
    """What became of a mail: an answer of a ticket, or an alert (1.2); the same one counts once."""
    from incidents.errors import IncidentError
    from incidents.mail_alert import alert_from_mail
    from incidents.outbox import Outbox
    from incidents.replies import read_mail, take_reply

    desk, raw = opened.desk, _content(file)
    try:
        mail = read_mail(raw)
    except IncidentError as error:
        raise IncidentError(f"{file}: {error}") from None
    ticket = take_reply(desk, Outbox(desk), raw, actor)
    if ticket is not None:
        return {"ticket": ticket.id, "provider_ticket": ticket.provider_ticket, "alert": None}
    new = alert_from_mail(mail, opened.configuration, desk.clock())
    alert = desk.raise_alert(new, actor)
    return {"ticket": None, "provider_ticket": None, "alert": alert.id}


def _mail_words(taken_in: dict[str, str | int | None]) -> str:
    if taken_in["ticket"] is None:
        return f"alert {taken_in['alert']}: analyse it with `pasprobe incident alert`"
    return f"{taken_in['ticket']}: provider's ticket {taken_in['provider_ticket'] or 'not named'}"
