"""`pasprobe incident escalation`. Heavy imports are inside: `ping` starts at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from incidents.desk_options import (
    ConfigOption,
    DataOption,
    JsonOption,
    folder_of,
    loaded,
    post_in,
    print_table,
    rota_about,
)
from incidents.ticket_options import fail, told

if TYPE_CHECKING:
    from incidents.working_hours import Rota
    from inventory.models import Configuration


def register(incident: typer.Typer) -> None:
    """Add `escalation` to `incident`."""

    @incident.command()
    def escalation(
        party: Annotated[
            str | None, typer.Option(help="Who does not answer; else the provider.")
        ] = None,
        opened: Annotated[
            str | None,
            typer.Option("--opened", help="ISO 8601, local to the escalation; else now."),
        ] = None,
        acknowledged: Annotated[
            str | None, typer.Option("--acknowledged", help="When somebody answers, likewise.")
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="The timeline of a hypothetical incident.")
        ] = False,
        data_dir: DataOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Say who was told and who is told next; --dry-run: of a hypothetical incident.

        Without --dry-run the steps of the tickets that are not restored, and by when an answer is
        waited for. Exit 1: nobody was told, or would be.

        Example: pasprobe incident escalation --dry-run --opened 2026-11-23T17:15 --party provider
        """
        with told():
            configuration = loaded(config).configuration
            if not dry_run:
                if opened or acknowledged:
                    fail("--opened and --acknowledged are for a hypothetical incident: --dry-run")
                rows = _steps_taken(configuration, folder_of(configuration, data_dir), party)
            else:
                rows = _timeline(configuration, party, opened, acknowledged)
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False))
        else:
            print_table(
                rows,
                ["ticket", "party", "level", "at", "hours", "roles", "to", "call", "answer_by"],
                "nobody was told",
            )
        raise typer.Exit(0 if rows else 1)


def _instant(text: str | None, rota: Rota) -> int | None:
    from datetime import datetime

    from inventory.clocks import utc_ns

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no time: write 2026-11-23T17:15, with an offset where it matters")
    return utc_ns(moment if moment.tzinfo else moment.replace(tzinfo=rota.zone))


def _timeline(
    configuration: Configuration, party: str | None, opened: str | None, acknowledged: str | None
) -> list[dict[str, Any]]:
    import time
    from datetime import UTC, datetime

    from incidents.escalation import check_party, timeline
    from incidents.notices import notices_of
    from inventory.clocks import local

    asked = party or notices_of(configuration).provider
    name = check_party(configuration, asked)
    year = int(opened[:4]) if opened and opened[:4].isdecimal() else datetime.now(UTC).year
    rota = rota_about(configuration, year)
    begins = _instant(opened, rota)
    steps = timeline(
        time.time_ns() if begins is None else begins,
        configuration.contacts,
        asked,
        rota,
        acknowledged_ns=_instant(acknowledged, rota),
    )
    return [
        {
            "ticket": "",
            "party": name,
            "level": step.level,
            "at": local(step.at_ns, rota.zone).isoformat(),
            "at_ns": step.at_ns,
            "hours": step.hours,
            "roles": ", ".join(contact.role for contact in step.contacts),
            "to": ", ".join(a for c in step.contacts for a in (*c.to, *c.cc)),
            "call": ", ".join(p for c in step.contacts if not c.to for p in c.phones),
            "answer_by": local(step.wait.due_ns, rota.zone).isoformat() if step.wait else "",
            "wait_s": step.wait.wait_ns // 10**9 if step.wait else None,
            "wait_hours": step.wait.hours if step.wait else "",
        }
        for step in steps
    ]


def _steps_taken(
    configuration: Configuration, folder: Path, party: str | None
) -> list[dict[str, Any]]:
    from incidents.escalating import taken, waits_until_ns
    from incidents.escalation import audience, check_party, hours_told
    from inventory.clocks import local

    if party is not None:
        check_party(configuration, party)
    rows = []
    with post_in(configuration, folder) as post:
        steps = [step for step in taken(post.desk) if party in (None, step.party)]
        newest = {(step.ticket, step.party): step for step in steps}
        for step in steps:
            last = newest[step.ticket, step.party] == step
            due_ns = (
                waits_until_ns(post, post.desk.ticket(step.ticket), step.party) if last else None
            )
            hours = hours_told(step.at_ns, post.rota)
            told = audience(configuration.contacts, step.party, step.level, hours)
            rows.append(
                {
                    "ticket": step.ticket,
                    "party": post.voice.name_of(step.party),
                    "level": step.level,
                    "at": local(step.at_ns, post.rota.zone).isoformat(timespec="seconds"),
                    "at_ns": step.at_ns,
                    "round": step.round,
                    "hours": hours,
                    "roles": ", ".join(contact.role for contact in told),
                    "to": ", ".join(a for c in told for a in (*c.to, *c.cc)),
                    "call": ", ".join(p for c in told if not c.to for p in c.phones),
                    "answer_by": ""
                    if due_ns is None
                    else local(due_ns, post.rota.zone).isoformat(timespec="seconds"),
                }
            )
    return rows
