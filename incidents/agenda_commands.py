"""`pasprobe incident agenda`. Heavy imports are inside: `ping` starts at once."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from incidents.desk_options import (
    ConfigOption,
    DataOption,
    JsonOption,
    date_of,
    desk_in,
    folder_of,
    loaded,
    print_table,
    rota_about,
)
from incidents.ticket_options import fail, told

if TYPE_CHECKING:
    from datetime import date

    from incidents.agenda import Committee, Meeting
    from inventory.models import Configuration


def register(incident: typer.Typer) -> None:
    """Add `agenda` to `incident`."""

    @incident.command()
    def agenda(
        days: Annotated[int, typer.Option(min=1, max=800, help="How far to look.")] = 60,
        today: Annotated[str | None, typer.Option(help="As if it were this date.")] = None,
        request: Annotated[
            str | None,
            typer.Option("--request", help="surveillance | maintenance: ask for one on --day."),
        ] = None,
        held: Annotated[
            str | None,
            typer.Option("--held", help="surveillance | maintenance: it took place on --day."),
        ] = None,
        day: Annotated[str | None, typer.Option("--day", help="Of the committee.")] = None,
        by: Annotated[str | None, typer.Option(help="Who asks; else your login.")] = None,
        attendee: Annotated[
            list[str] | None,
            typer.Option(help="roc, platform-manager, or a guest's role; repeatable."),
        ] = None,
        in_person: Annotated[bool, typer.Option("--in-person")] = False,
        data_dir: DataOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Say which reports and committees are due, or write a committee down.

        Reports: technical by the 15th, contractual by the 20th, supervision within five working
        days. Exit 1: something is overdue.

        Example: pasprobe incident agenda --held maintenance --day 2026-11-20 --in-person
        """
        from datetime import timedelta

        with told():
            configuration = loaded(config).configuration
            base = date_of(today) if today else _today(configuration)
            folder = folder_of(configuration, data_dir)
            if request or held:
                meeting = _meeting(request, held, day, by, tuple(attendee or ()), in_person)
                _keep(folder, configuration, meeting)
            rows = _agenda_rows(configuration, folder, base, base + timedelta(days=days))
        if as_json:
            typer.echo(json.dumps(rows, ensure_ascii=False))
        else:
            print_table(rows, ["day", "kind", "about", "state", "note"], "nothing is due")
        raise typer.Exit(1 if any(row["state"] == "overdue" for row in rows) else 0)


def _today(configuration: Configuration) -> date:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    return now.astimezone(rota_about(configuration, now.year).zone).date()


def _meeting(
    request: str | None,
    held: str | None,
    day: str | None,
    by: str | None,
    attendees: tuple[str, ...],
    in_person: bool,
) -> Meeting:
    from incidents.agenda import Meeting

    if request and held:
        fail("--request and --held are two calls")
    if day is None:
        fail("--day: say the date of the committee")
    names: dict[str, Committee] = {"surveillance": "surveillance", "maintenance": "maintenance"}
    committee = names.get(request or held or "")
    if committee is None:
        fail(f"there is no committee {request or held!r}: {', '.join(names)}")
    return Meeting(
        committee, date_of(day), "held" if held else "requested", by or getpass.getuser(),
        attendees, in_person,
    )  # fmt: skip


def _keep(folder: Path, configuration: Configuration, meeting: Meeting) -> None:
    from incidents.agenda_book import keep

    with desk_in(configuration, folder) as desk:
        note = keep(desk, meeting, rota_about(configuration, meeting.day.year).zone)
    if note:
        sys.stderr.write(f"{note}\n")


def _agenda_rows(
    configuration: Configuration, folder: Path, today: date, until: date
) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from incidents.agenda import agenda
    from incidents.agenda_book import meetings, months_with_incidents, reports_sent
    from incidents.outbox import Outbox
    from inventory.calendars import working_days

    rota = rota_about(configuration, today.year)
    country = rota.calendar.country
    calendar = working_days(configuration, country, range(today.year - 1, until.year + 2))
    starts = [e.start for pas in configuration.pas for e in pas.services if e.start]
    if configuration.contract:
        starts += [e.start for e in configuration.contract.services if e.start]
    with desk_in(configuration, folder) as desk:
        entries = agenda(
            today,
            until,
            calendar,
            sent=reports_sent(Outbox(desk)),
            clients=[client.name for client in configuration.clients],
            meetings=meetings(desk),
            months_with_incidents=months_with_incidents(desk, rota.zone),
            start=min(starts, default=None),
        )
    return [{**asdict(entry), "day": entry.day.isoformat()} for entry in entries]
